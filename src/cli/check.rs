//! `edgehost check`: the routes as `edgehost routes` sees them, and their types as the
//! project's own TypeScript does.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use edgehost::{ProjectTypes, RouteSummary};

use super::apps::{Plan, Planned};
use super::args::CheckArgs;
use super::{BadInput, config, output, routes};

/// The program that checks types, below `node_modules`.
const TSC: &str = ".bin/tsc";

pub(super) async fn run(args: &CheckArgs) -> anyhow::Result<()> {
    let plan = Plan::new(&args.dirs, &config::of_environment()?)?;
    let mut problems = Vec::new();
    let mut unchecked = None;
    for (index, app) in plan.apps.iter().enumerate() {
        if plan.apps.len() > 1 {
            if index > 0 {
                output::line("");
            }
            output::app(app.label(), &app.hosts);
        }
        let routes = routes::of(app).await?;
        problems.extend(broken(&routes));
        match types(app, &routes) {
            Ok(found) => problems.extend(found),
            // What is known to be wrong is told all the same.
            Err(error) => unchecked = Some(error),
        }
    }
    match unchecked {
        None if problems.is_empty() => Ok(()),
        None => Err(BadInput(problems.join("; ")).into()),
        Some(error) if problems.is_empty() => Err(error),
        Some(error) => {
            output::error(&error);
            Err(BadInput(problems.join("; ")).into())
        }
    }
}

/// What is wrong with the routes, in a few words.
fn broken(routes: &[RouteSummary]) -> Option<String> {
    let broken = routes.iter().filter(|route| route.error.is_some()).count();
    let all = output::count(routes.len(), "route");
    if broken > 0 {
        return Some(format!("{broken} of {all} cannot be bundled"));
    }
    output::line(&format!("{all}: can be bundled"));
    None
}

/// What is wrong with the types, in a few words.
fn types(app: &Planned, routes: &[RouteSummary]) -> anyhow::Result<Option<String>> {
    let types = ProjectTypes::write(&app.dir)?;
    let root = &types.root;
    let has_typescript =
        routes.iter().any(|route| route.file.ends_with(".ts") || route.file.ends_with(".tsx"));
    if !root.join("tsconfig.json").is_file() {
        if !has_typescript {
            output::line("types: not checked, there is no TypeScript");
            return Ok(None);
        }
        bail!("the types cannot be checked without a tsconfig.json: `edgehost types --tsconfig` writes one");
    }
    types.notes.iter().for_each(|note| output::warning(note));
    let Some(tsc) =
        root.ancestors().map(|folder| folder.join("node_modules").join(TSC)).find(|tsc| tsc.exists())
    else {
        let command = ProjectTypes::install_command(&app.dir, "typescript")?;
        bail!(
            "the types cannot be checked without TypeScript, which the project does not have installed: {command}"
        );
    };
    if on_path("node").is_none() {
        bail!(
            "the types cannot be checked without Node.js, on which TypeScript runs: install it (`apt-get install nodejs`, or from https://nodejs.org) so that `node` is on the PATH"
        );
    }
    // It writes where this program does, coloured where that is a terminal.
    let mut command = Command::new(&tsc);
    command.args(["--noEmit", "--project", "tsconfig.json"]).current_dir(root);
    let status = command.status().with_context(|| format!("cannot start {}", tsc.display()))?;
    match status.code() {
        Some(0) => {
            output::line("types: in order");
            Ok(None)
        }
        Some(code) => Ok(Some(format!("tsc found mistakes (it ended with {code})"))),
        None => bail!("tsc did not come to an end: {status}"),
    }
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file: &PathBuf| Path::is_file(file))
}
