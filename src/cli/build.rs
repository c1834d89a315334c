//! `edgehost build`.

use std::path::Path;
use std::time::Instant;

use bytesize::ByteSize;
use edgehost::{App, BuildSummary};
use serde_json::json;

use super::apps::Plan;
use super::args::BuildArgs;
use super::{BadInput, config, output};

/// Most files that are named one by one.
const MOST_NAMED: usize = 40;

pub(super) async fn run(args: &BuildArgs) -> anyhow::Result<()> {
    if App::is_build(&args.dir) {
        let text = format!("{} is a build already: name the project that it was made of", args.dir.display());
        return Err(BadInput(text).into());
    }
    let plan = Plan::new(std::slice::from_ref(&args.dir), &config::of_environment()?)?;
    let [planned] = plan.apps.as_slice() else {
        let text = format!("{} names several apps: build each in its own folder", args.dir.display());
        return Err(BadInput(text).into());
    };
    let began = Instant::now();
    output::line(&format!("{} {}", output::heading("edgehost"), output::faint(env!("CARGO_PKG_VERSION"))));
    let summary = planned.app()?.build(&args.out).await?;
    output::line("");
    output::routes(&summary.routes);
    output::line("");
    files(&summary);
    for problem in &summary.unloaded {
        output::warning(&format!("{problem}\n  it was built all the same, and has no code cache"));
    }
    wrote(&args.out, &summary, began);
    let broken = summary.routes.iter().filter(|route| route.error.is_some()).count();
    if broken > 0 && !args.allow_broken {
        let all = output::count(summary.routes.len(), "route");
        let text =
            format!("{broken} of {all} cannot be bundled, and answer 500: --allow-broken accepts that");
        return Err(BadInput(text).into());
    }
    Ok(())
}

/// Says which files go along besides code.
fn files(summary: &BuildSummary) {
    for file in summary.files.iter().take(MOST_NAMED) {
        let text = format!("  {}  {}", file.path, output::faint(&format!("read by {}", file.by)));
        output::say(&text, &json!({ "file": file.path, "by": file.by }));
    }
    if summary.files.len() > MOST_NAMED {
        let more = output::count(summary.files.len() - MOST_NAMED, "more file");
        output::line(&output::faint(&format!("  and {more} that code reads")));
    }
    if summary.public > 0 {
        output::line(&format!("  public/  {}", output::faint(&output::count(summary.public, "file"))));
    }
}

fn wrote(out: &Path, summary: &BuildSummary, began: Instant) {
    let size = |bytes: u64| ByteSize(bytes).to_string();
    let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let text = format!(
        "Wrote {}  {}",
        output::address(&out.display().to_string()),
        output::faint(&format!(
            "{}: {} of code, {} of code cache, in {took} ms",
            size(summary.bytes),
            size(summary.code_bytes),
            size(summary.cache_bytes)
        ))
    );
    let facts = json!({
        "out": out,
        "bytes": summary.bytes,
        "code_bytes": summary.code_bytes,
        "cache_bytes": summary.cache_bytes,
        "took_ms": took,
    });
    output::say(&text, &facts);
}
