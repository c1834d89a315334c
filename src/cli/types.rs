//! `edgehost types`.

use edgehost::ProjectTypes;
use serde_json::json;

use super::apps::Plan;
use super::args::TypesArgs;
use super::{config, output};

pub(super) fn run(args: &TypesArgs) -> anyhow::Result<()> {
    let plan = Plan::new(&args.dirs, &config::of_environment()?)?;
    for app in &plan.apps {
        if plan.apps.len() > 1 {
            output::app(app.label(), &app.hosts);
        }
        // Before the types: what they say of the file is true of the new one.
        if args.tsconfig {
            let wrote = ProjectTypes::write_tsconfig(&app.dir)?;
            output::line(if wrote { "wrote tsconfig.json" } else { "there is a tsconfig.json already" });
        }
        let types = ProjectTypes::write(&app.dir)?;
        let routes = output::count(types.routes, "route");
        let as_before = if types.changed { "" } else { " (as before)" };
        output::say(
            &format!("types for {routes} in {}{as_before}", types.folder),
            &json!({ "folder": types.root.join(types.folder), "changed": types.changed }),
        );
        types.notes.iter().for_each(|note| output::warning(note));
    }
    Ok(())
}
