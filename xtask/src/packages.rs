//! `cargo xtask packages`: npm packages at work in route files, and the page about them.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::server::Server;
use crate::{cargo, root, say};

/// Longest time that one route may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A package and what its route is to answer.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Package {
    name: String,
    kind: String,
    route: String,
    does: String,
    /// The right answer; absent where the package does not work.
    expect: Option<Value>,
    /// Why it does not work.
    fails: Option<String>,
    /// Whether every CI run tries it.
    #[serde(default)]
    ci: bool,
}

/// What came of a package.
enum Came {
    Works,
    /// As it is known to.
    Fails,
    Wrong(String),
}

pub(crate) fn run(arguments: &[&str]) -> anyhow::Result<()> {
    let folder = root().join("packages");
    let text = std::fs::read_to_string(folder.join("packages.json")).context("packages/packages.json")?;
    let all: Vec<Package> = serde_json::from_str(&text).context("packages/packages.json")?;
    let (third, names) = match arguments {
        ["--third"] => (true, &[][..]),
        names => (false, names),
    };
    if let Some(unknown) = names.iter().find(|name| !all.iter().any(|package| package.name == **name)) {
        bail!("there is no package `{unknown}` in packages/packages.json");
    }
    let is_chosen = |package: &&Package| match (third, names) {
        (true, _) => package.ci,
        (false, []) => true,
        (false, names) => names.contains(&package.name.as_str()),
    };
    let chosen: Vec<&Package> = all.iter().filter(is_chosen).collect();

    cargo(&["build", "--release", "--bin", "edgehost"])?;
    say("Installing the packages from npm.");
    install(&folder)?;
    let project = Project::serve(&folder)?;
    let width = chosen.iter().map(|package| package.name.len()).max().unwrap_or(0);
    let mut wrong = Vec::new();
    let mut failing = 0;
    for package in &chosen {
        let began = Instant::now();
        let came = project.attempt(package);
        let took = began.elapsed().as_millis();
        let (word, note) = match &came {
            Came::Works => ("works", format!("{took} ms")),
            Came::Fails => ("fails", package.fails.clone().unwrap_or_default()),
            Came::Wrong(how) => ("WRONG", how.clone()),
        };
        say(&format!("  {:width$}  {word}  {note}", package.name));
        match came {
            Came::Works => {}
            Came::Fails => failing += 1,
            Came::Wrong(_) => wrong.push(package.name.as_str()),
        }
    }
    drop(project);
    if !third && names.is_empty() && wrong.is_empty() {
        write_page(&all, &folder)?;
    }
    // In the words that test runners use.
    say(&format!(
        "packages: {} passed, {} failed ({failing} of the passed are known not to work)",
        chosen.len() - wrong.len(),
        wrong.len()
    ));
    ensure!(wrong.is_empty(), "not as packages/packages.json says: {}", wrong.join(", "));
    Ok(())
}

/// What the lock file names, without running scripts of the packages.
fn install(folder: &Path) -> anyhow::Result<()> {
    let lock = folder.join("package-lock.json");
    let stamp = folder.join("node_modules").join(".package-lock.json");
    let time = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
    if time(&stamp).is_some() && time(&stamp) >= time(&lock) {
        return Ok(());
    }
    let status = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(folder)
        .status()
        .context("cannot start npm: it comes with Node.js")?;
    ensure!(status.success(), "`npm ci` failed in {}", folder.display());
    Ok(())
}

/// edgehost, serving the project.
struct Project {
    server: Server,
    agent: ureq::Agent,
}

impl Project {
    fn serve(folder: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(root().join("target/release/edgehost"));
        command.arg("serve").arg(folder);
        command.args(["--port", "0", "--no-access-log"]);
        let server = Server::start("edgehost", command)?;
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .build()
            .into();
        Ok(Self { server, agent })
    }

    fn attempt(&self, package: &Package) -> Came {
        let answered = self.ask(&package.route);
        match (&package.expect, &package.fails, answered) {
            (Some(expected), None, Ok((200, answer))) => match serde_json::from_str::<Value>(&answer) {
                Ok(answer) if answer == *expected => Came::Works,
                _ => Came::Wrong(format!("answered {answer}")),
            },
            (Some(_), None, Ok((status, answer))) => Came::Wrong(format!("status {status}: {answer}")),
            (Some(_), None, Err(error)) => Came::Wrong(error.to_string()),
            (None, Some(_), Ok((200, answer))) => Came::Wrong(format!("works now: {answer}")),
            (None, Some(_), _) => Came::Fails,
            _ => Came::Wrong("packages.json wants either `expect` or `fails`".to_owned()),
        }
    }

    fn ask(&self, route: &str) -> anyhow::Result<(u16, String)> {
        let mut response = self.agent.get(format!("http://{}{route}", self.server.address)).call()?;
        Ok((response.status().as_u16(), response.body_mut().read_to_string()?))
    }
}

/// `docs/packages.md`.
fn write_page(all: &[Package], folder: &Path) -> anyhow::Result<()> {
    let manifest: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("package.json"))?)?;
    let version = |name: &str| manifest["dependencies"][name].as_str().unwrap_or("").to_owned();
    let failing = all.iter().filter(|package| package.fails.is_some()).count();
    let mut page = format!(
        "# npm packages\n\n\
         Made by `cargo xtask packages`, which installs each package at the version below and calls a route file\n\
         (`packages/app`) that does the package's main job. A package counts as working when the answer is the right\n\
         one. {} of {} work; every CI run tries those marked with a star.\n",
        all.len() - failing,
        all.len()
    );
    let mut kinds: Vec<&str> = Vec::new();
    for package in all {
        if !kinds.contains(&package.kind.as_str()) {
            kinds.push(&package.kind);
        }
    }
    for kind in kinds {
        let _ = write!(
            page,
            "\n## {kind}\n\n| package | version | what the route does | |\n| --- | --- | --- | --- |\n"
        );
        for package in all.iter().filter(|package| package.kind == kind) {
            let star = if package.ci { " *" } else { "" };
            let how = package.fails.as_ref().map_or("works".to_owned(), |why| format!("**fails**: {why}"));
            let _ = writeln!(
                page,
                "| {}{star} | {} | {} | {how} |",
                package.name,
                version(&package.name),
                package.does
            );
        }
    }
    let docs = root().join("docs");
    std::fs::create_dir_all(&docs)?;
    std::fs::write(docs.join("packages.md"), page).context("docs/packages.md")
}
