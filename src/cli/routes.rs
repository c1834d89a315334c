//! `edgehost routes`.

use edgehost::{EdgeHost, Progress};

use super::args::RoutesArgs;
use super::output;

pub(super) async fn run(args: &RoutesArgs) -> anyhow::Result<()> {
    let routes = EdgeHost::builder(&args.dir)
        .on_progress(|progress| {
            if let Progress::Found { hints, .. } = progress {
                hints.iter().for_each(|hint| output::warning(hint));
            }
        })
        .routes()
        .await?;
    output::line(output::table(&routes).trim_end());
    Ok(())
}
