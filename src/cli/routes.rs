//! `edgehost routes`.

use edgehost::{EdgeHost, Progress};

use super::args::RoutesArgs;
use super::{BadInput, config, output};

pub(super) async fn run(args: &RoutesArgs) -> anyhow::Result<()> {
    // As `serve` would have it: what applies depends on the settings.
    let options = config::of_environment()?.or(config::read(&args.dir)?);
    let mut builder = EdgeHost::builder(&args.dir).limits(options.limits());
    if let Some(names) = &options.conditions {
        builder = builder.conditions(names);
    }
    if let Some(names) = &options.edge_conditions {
        builder = builder.edge_conditions(names);
    }
    let routes = builder
        .on_progress(|progress| match progress {
            Progress::Found { hints, .. } => hints.iter().for_each(|hint| output::warning(hint)),
            Progress::Bundled { warnings, errors, .. } => {
                warnings.iter().for_each(|warning| output::warning(&warning.to_string()));
                errors.iter().for_each(|error| output::failure(&error.to_string()));
            }
            _ => {}
        })
        .routes()
        .await?;
    output::routes(&routes);
    match routes.iter().filter(|route| route.error.is_some()).count() {
        0 => Ok(()),
        broken => {
            let all = output::count(routes.len(), "route");
            Err(BadInput(format!("{broken} of {all} cannot be bundled")).into())
        }
    }
}
