//! `edgehost routes`.

use edgehost::{EdgeHost, Progress};

use super::args::RoutesArgs;
use super::{config, output};

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
        .on_progress(|progress| {
            if let Progress::Found { hints, .. } = progress {
                hints.iter().for_each(|hint| output::warning(hint));
            }
        })
        .routes()
        .await?;
    output::routes(&routes);
    Ok(())
}
