//! `edgehost routes`.

use edgehost::{Progress, RouteSummary};

use super::apps::{Plan, Planned};
use super::args::RoutesArgs;
use super::{BadInput, config, output};

pub(super) async fn run(args: &RoutesArgs) -> anyhow::Result<()> {
    // As `serve` would have it: what applies depends on the settings.
    let plan = Plan::new(&args.dirs, &config::of_environment()?)?;
    let mut counts = (0, 0);
    for (index, app) in plan.apps.iter().enumerate() {
        if plan.apps.len() > 1 {
            if index > 0 {
                output::line("");
            }
            output::app(app.label(), &app.hosts);
        }
        let routes = of(app).await?;
        output::routes(&routes);
        counts.0 += routes.iter().filter(|route| route.error.is_some()).count();
        counts.1 += routes.len();
    }
    match counts {
        (0, _) => Ok(()),
        (broken, all) => {
            let all = output::count(all, "route");
            Err(BadInput(format!("{broken} of {all} cannot be bundled")).into())
        }
    }
}

/// The routes of an app. What is wrong with them is said.
pub(super) async fn of(app: &Planned) -> anyhow::Result<Vec<RouteSummary>> {
    let app = app.app()?.on_progress(|progress| match progress {
        Progress::Found { hints, .. } => hints.iter().for_each(|hint| output::warning(hint)),
        Progress::Bundled { warnings, errors, .. } => {
            warnings.iter().for_each(|warning| output::warning(&warning.to_string()));
            errors.iter().for_each(|error| output::failure(&error.to_string()));
        }
        _ => {}
    });
    Ok(app.routes().await?)
}
