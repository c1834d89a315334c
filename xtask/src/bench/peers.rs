//! The servers that are compared: where they come from and how they are started.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use sha2::{Digest, Sha256};

use super::load::{SERVER_CORE, folder};
use super::rows::{APPS, App, Protocol, ROUTES, Row, host_of};
use crate::server::Server;
use crate::{root, say};

/// What Deno, Bun, Node.js, hono and Next.js come from.
const PACKAGES: &str = r#"{
  "private": true,
  "type": "module",
  "dependencies": {
    "@hono/node-server": "2.1.9",
    "@types/node": "22",
    "@types/react": "19",
    "bun": "1.4.5",
    "deno": "2.9.6",
    "hono": "4.13.19",
    "next": "16.4.6",
    "node": "22",
    "react": "19",
    "react-dom": "19",
    "typescript": "5"
  }
}
"#;

/// vinext wants a React of its own.
const VINEXT_PACKAGES: &str = r#"{
  "private": true,
  "type": "module",
  "dependencies": {
    "@vitejs/plugin-react": "6",
    "@vitejs/plugin-rsc": "0.5",
    "react": "19",
    "react-dom": "19",
    "react-server-dom-webpack": "19",
    "vinext": "1.4.0",
    "vite": "8.3.8"
  }
}
"#;

const VITE_CONFIG: &str = r#"import vinext from "vinext";
import { defineConfig } from "vite";

export default defineConfig({ plugins: [vinext()] });
"#;

/// Types are checked by nobody here.
const NEXT_CONFIG: &str = "export default { typescript: { ignoreBuildErrors: true } };\n";

/// A server that may be compared.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) name: String,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Bare,
    Edgehost {
        binary: PathBuf,
        access_log: bool,
    },
    /// A file of `benches/peers`.
    Script {
        program: &'static str,
        arguments: &'static [&'static str],
        plays: Plays,
    },
    Next,
    Vinext,
}

/// The rows of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plays {
    /// All that want no router.
    WithoutRouter,
    /// The same, and HTTP/2.
    WithoutRouterWithH2c,
    /// All: it has a router.
    All,
    /// Where people use hono for its router, and the plain ones beside it.
    Routers,
    OnlyH2c,
}

impl Peer {
    fn script(name: &str, program: &'static str, arguments: &'static [&'static str], plays: Plays) -> Self {
        Self { name: name.to_owned(), kind: Kind::Script { program, arguments, plays } }
    }

    pub(super) fn bare() -> Self {
        Self { name: "bare hyper".to_owned(), kind: Kind::Bare }
    }

    pub(super) fn edgehost(label: &str, binary: &Path, access_log: bool) -> Self {
        let log = if access_log { ", access log" } else { "" };
        let kind = Kind::Edgehost { binary: binary.to_owned(), access_log };
        Self { name: format!("edgehost ({label}{log})"), kind }
    }

    /// Those that come from npm.
    pub(super) fn from_npm() -> Vec<Self> {
        const DENO: [&str; 3] = ["run", "--allow-net", "--allow-env"];
        const fn deno(script: &'static str) -> [&'static str; 4] {
            [DENO[0], DENO[1], DENO[2], script]
        }
        const SERVE: &[&str] = &deno("deno.mjs");
        const HONO: &[&str] = &deno("hono-deno.mjs");
        vec![
            Self::script("deno serve", "deno", SERVE, Plays::WithoutRouterWithH2c),
            Self::script("Bun.serve", "bun", &["bun.mjs"], Plays::All),
            Self::script("node:http", "node", &["node.mjs"], Plays::WithoutRouter),
            Self::script("node:http2", "node", &["node.mjs", "h2c"], Plays::OnlyH2c),
            Self::script("hono on Deno", "deno", HONO, Plays::Routers),
            Self::script("hono on Bun", "bun", &["hono-bun.mjs"], Plays::Routers),
            Self::script("hono on Node.js", "node", &["hono-node.mjs"], Plays::Routers),
            Self { name: "next start".to_owned(), kind: Kind::Next },
            Self { name: "vinext start".to_owned(), kind: Kind::Vinext },
        ]
    }

    pub(super) fn is_edgehost(&self) -> bool {
        matches!(self.kind, Kind::Edgehost { .. })
    }

    /// Whether the server is one for the row.
    pub(super) fn plays(&self, row: &Row) -> bool {
        let is_h2c = row.protocol == Protocol::H2c;
        if row.app == App::Ten {
            // Others have no apps to tell apart.
            return matches!(self.kind, Kind::Bare | Kind::Edgehost { .. });
        }
        match &self.kind {
            Kind::Bare | Kind::Edgehost { .. } => true,
            Kind::Next | Kind::Vinext => !is_h2c,
            Kind::Script { plays, .. } => match plays {
                Plays::All => !is_h2c,
                Plays::WithoutRouter => !is_h2c && row.app != App::Many,
                Plays::WithoutRouterWithH2c => row.app != App::Many,
                Plays::Routers => {
                    row.is_base && (row.app == App::Many || ["json", "item", "post"].contains(&&*row.key))
                }
                Plays::OnlyH2c => is_h2c,
            },
        }
    }

    /// Starts it, ready to answer the rows of an app.
    pub(super) fn start(&self, app: App, upstream: &str) -> anyhow::Result<Running> {
        let mut log = None;
        let mut command = match &self.kind {
            Kind::Bare => {
                let mut command = Command::new(root().join("target/release/examples/bare_hyper"));
                command.args(["0", upstream]);
                command
            }
            Kind::Edgehost { binary, access_log } => {
                let mut command = Command::new(binary);
                command.arg("serve").arg(project(app)?);
                command.args(["--port", "0", "--shards", "1", "--limit-request-body", "16MiB"]);
                if *access_log {
                    let path = folder().join("access.log");
                    // Appended to, so that it can be emptied between two runs.
                    let file = File::options().create(true).append(true).open(&path);
                    let file = file.with_context(|| format!("cannot open {}", path.display()))?;
                    command.stderr(file.try_clone()?);
                    log = Some(file);
                } else {
                    command.arg("--no-access-log");
                }
                command
            }
            Kind::Script { program, arguments, .. } => {
                let dir = peers()?;
                let mut command = Command::new(dir.join("node_modules/.bin").join(program));
                command.args(*arguments).current_dir(&dir);
                if app == App::Many {
                    command.env("MANY", "1");
                }
                command
            }
            Kind::Next => {
                let dir = next(app)?;
                let mut command = Command::new(peers()?.join("node_modules/.bin/node"));
                command.arg(peers()?.join("node_modules/next/dist/bin/next"));
                command.args(["start", "-p", "0", "-H", "127.0.0.1"]).current_dir(dir);
                command
            }
            Kind::Vinext => {
                let dir = vinext(app)?;
                let mut command = Command::new(peers()?.join("node_modules/.bin/node"));
                command.arg(dir.parent().unwrap_or(&dir).join("node_modules/vinext/dist/cli.js"));
                command.args(["start", "-p", "0", "-H", "127.0.0.1"]).current_dir(&dir);
                command
            }
        };
        command.env("NODE_ENV", "production").env("NEXT_TELEMETRY_DISABLED", "1").env("UPSTREAM", upstream);
        if log.is_none() {
            command.stderr(Stdio::null());
        }
        let server = Server::start(&self.name, on_core(SERVER_CORE, &command, log.as_ref())?)?;
        // Some say where they will listen before they do.
        let deadline = Instant::now() + Duration::from_secs(30);
        while super::get(&server.address, "/").is_err() {
            ensure!(Instant::now() < deadline, "{} does not accept connections", self.name);
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(Running { server, log })
    }
}

/// A started peer.
pub(super) struct Running {
    pub(super) server: Server,
    log: Option<File>,
}

impl Running {
    /// `taskset` becomes the program, so the child is the server itself.
    pub(super) fn pid(&self) -> u32 {
        self.server.child.id()
    }

    /// Room for the next run.
    pub(super) fn empty_log(&self) {
        if let Some(log) = &self.log {
            let _ = log.set_len(0);
        }
    }
}

/// The same command on one core; its errors go to the log, if there is one.
pub(super) fn on_core(core: &str, command: &Command, log: Option<&File>) -> anyhow::Result<Command> {
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", core]).arg(command.get_program()).args(command.get_args());
    if let Some(dir) = command.get_current_dir() {
        pinned.current_dir(dir);
    }
    for (key, value) in command.get_envs() {
        if let Some(value) = value {
            pinned.env(key, value);
        }
    }
    match log {
        Some(log) => pinned.stderr(log.try_clone()?),
        None => pinned.stderr(Stdio::null()),
    };
    Ok(pinned)
}

/// The project of an app, as edgehost gets it.
fn project(app: App) -> anyhow::Result<PathBuf> {
    match app {
        App::Web => Ok(root().join("benches/app")),
        App::Node => Ok(root().join("benches/node")),
        App::Many => {
            let dir = folder().join("many");
            write_many(&dir, "")?;
            Ok(dir)
        }
        App::Ten => {
            let dir = folder().join("ten");
            let project = root().join("benches/app");
            let mut tables = String::new();
            for app in 0..APPS {
                let _ = writeln!(
                    tables,
                    "[[app]]\nname = \"app{app}\"\ndir = {project:?}\nhosts = [\"{}\"]",
                    host_of(app)
                );
            }
            write(&dir.join("edgehost.toml"), &tables)?;
            Ok(dir)
        }
    }
}

/// The route files of the app with many routes.
fn write_many(dir: &Path, before: &str) -> anyhow::Result<()> {
    for n in 0..ROUTES {
        let text = format!(
            "{before}export async function GET(_: Request, {{ params }}: {{ params: Promise<{{ id: string }}> }}) {{\n  const {{ id }} = await params;\n  return Response.json({{ route: {n}, id }});\n}}\n"
        );
        write(&dir.join(format!("app/r{n}/[id]/route.ts")), &text)?;
    }
    Ok(())
}

/// Writes a file that does not have this text yet.
pub(super) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if std::fs::read_to_string(path).is_ok_and(|present| present == text) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// The folder with the peers' scripts and packages.
fn peers() -> anyhow::Result<PathBuf> {
    // What cannot be installed is not tried again for each of them.
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    MADE.get_or_init(|| make_peers().map_err(|error| format!("{error:#}")))
        .clone()
        .map_err(anyhow::Error::msg)
}

fn make_peers() -> anyhow::Result<PathBuf> {
    let dir = folder().join("peers");
    let scripts = root().join("benches/peers");
    let entries =
        std::fs::read_dir(&scripts).with_context(|| format!("cannot read {}", scripts.display()))?;
    for entry in entries {
        let entry = entry?;
        write(&dir.join(entry.file_name()), &std::fs::read_to_string(entry.path())?)?;
    }
    install(&dir, PACKAGES, "Deno, Bun, Node.js, hono and Next.js")?;
    Ok(dir)
}

fn install(dir: &Path, package: &str, what: &str) -> anyhow::Result<()> {
    write(&dir.join("package.json"), package)?;
    once(&dir.join("node_modules/.made"), package, || {
        say(&format!("Installing {what} from npm."));
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(dir);
        succeed(npm).context("the peers come from npm, which comes with Node.js")
    })
}

/// Does what the stamp does not say to be done.
fn once(stamp: &Path, key: &str, make: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    if std::fs::read_to_string(stamp).is_ok_and(|present| present == key) {
        return Ok(());
    }
    make()?;
    write(stamp, key)
}

fn succeed(mut command: Command) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {name}"))?;
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout).trim_end(),
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    let end = text.lines().rev().take(8).collect::<Vec<_>>();
    ensure!(
        output.status.success(),
        "{name} failed: {}",
        end.into_iter().rev().collect::<Vec<_>>().join(" / ")
    );
    Ok(())
}

/// The routes as a Next.js project in a folder.
fn next_project(dir: &Path, app: App) -> anyhow::Result<String> {
    // Left alone, Next.js would answer from a file that it made while building.
    const DYNAMIC: &str = "export const dynamic = 'force-dynamic';\n";
    write(&dir.join("app/layout.js"), "export default ({ children }) => children;\n")?;
    let mut digest = Sha256::new();
    if app == App::Many {
        write_many(dir, DYNAMIC)?;
        digest.update(format!("{ROUTES} routes"));
    } else {
        for (of, below) in [(App::Web, "app"), (App::Node, "app/hash")] {
            copy_routes(&project(of)?.join(below), &dir.join(below), DYNAMIC, &mut digest)?;
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn copy_routes(from: &Path, to: &Path, before: &str, digest: &mut Sha256) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let to = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_routes(&path, &to, before, digest)?;
        } else {
            let text = format!("{before}{}", std::fs::read_to_string(&path)?);
            digest.update(path.to_string_lossy().as_bytes());
            digest.update(&text);
            write(&to, &text)?;
        }
    }
    Ok(())
}

fn next(app: App) -> anyhow::Result<PathBuf> {
    let peers = peers()?;
    let dir = peers.join(if app == App::Many { "next-many" } else { "next" });
    let key = format!("{}{}", next_project(&dir, app)?, PACKAGES);
    write(&dir.join("next.config.mjs"), NEXT_CONFIG)?;
    once(&dir.join(".next/.made"), &key, || {
        say("Building the routes with Next.js.");
        let mut build = Command::new(peers.join("node_modules/.bin/node"));
        build.arg(peers.join("node_modules/next/dist/bin/next")).arg("build").current_dir(&dir);
        build.env("NEXT_TELEMETRY_DISABLED", "1");
        succeed(build)
    })?;
    Ok(dir)
}

fn vinext(app: App) -> anyhow::Result<PathBuf> {
    let home = folder().join("vinext");
    install(&home, VINEXT_PACKAGES, "vinext")?;
    let dir = home.join(if app == App::Many { "many" } else { "app" });
    let key = format!("{}{}", next_project(&dir, app)?, VINEXT_PACKAGES);
    write(&dir.join("vite.config.mjs"), VITE_CONFIG)?;
    write(&dir.join("package.json"), "{ \"private\": true, \"type\": \"module\" }\n")?;
    once(&dir.join("dist/.made"), &key, || {
        say("Building the routes with vinext.");
        let mut build = Command::new(peers()?.join("node_modules/.bin/node"));
        build.arg(home.join("node_modules/vinext/dist/cli.js")).arg("build").current_dir(&dir);
        succeed(build)
    })?;
    Ok(dir)
}

/// The version in the `package.json` of an installed package.
pub(super) fn version_of(package: &str) -> Option<String> {
    let home = if package == "vinext" { "vinext" } else { "peers" };
    let path = folder().join(home).join("node_modules").join(package).join("package.json");
    let manifest: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()?;
    manifest["version"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::rows;
    use super::*;

    #[test]
    fn every_row_has_a_ceiling_and_somebody_to_compare_with() {
        let peers = Peer::from_npm();
        for row in rows::all() {
            assert!(Peer::bare().plays(&row), "{}", row.key);
            if row.app == App::Ten {
                continue;
            }
            let count = peers.iter().filter(|peer| peer.plays(&row)).count();
            assert!(count >= 2, "{}: {count}", row.key);
        }
    }

    #[test]
    fn servers_without_a_router_sit_out_where_one_is_wanted() {
        let many = rows::chosen(&["many"]).expect("known").remove(0);
        let names: Vec<String> =
            Peer::from_npm().into_iter().filter(|peer| peer.plays(&many)).map(|peer| peer.name).collect();
        let with_routers =
            ["Bun.serve", "hono on Deno", "hono on Bun", "hono on Node.js", "next start", "vinext start"];
        assert_eq!(names, with_routers);
    }
}
