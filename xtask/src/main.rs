//! Set-up, tests and benchmarks of edgehost: `cargo xtask help`.

mod bare;
mod bench;
mod debian;
mod dist;
mod fuzz;
mod libclang;
mod licences;
mod packages;
mod process;
mod projects;
mod server;
mod soak;
mod tools;
mod v8;
mod v8_source;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, bail};

const HELP: &str = "\
cargo xtask <command>

  serve DIR [flags]     set up, build, and serve a project; flags are those of `edgehost serve`
  test [filter]         set up, build, and run every test
  packages [NAME..]     try npm packages in route files, and write docs/packages.md
  packages --third      those that every CI run tries
  setup                 only what the other commands do first: V8's library, libclang
  v8                    put V8's library where the build looks for it
  v8 --from-source      build that library from the sources of the crate `v8` (80 to 100 minutes on 2 cores)
      --objects N       stop after about N of its objects, to see that the way works
  bench [--quick]       compare with a bare hyper server: speed, start-up, memory
  bench --peers         every row on every peer, and benches/RESULTS.md; 40 minutes, 5 with --quick
      --only ROW,..  --binary PATH  --minutes N
  projects DIR.. [--json]  bundle and serve other people's projects, ask every route, tell what failed and why
  fuzz TARGET [--minutes N]  look for inputs that break a property: authority, headers, answers, chunked, decoding,
                        multipart; `all` for each of them, 5 minutes long
  soak [--minutes N]    mixed load and one kill a second for 30 minutes: is the server flat, is every answer right?
      --instances N  --binary PATH
  licences              may all that is inside be passed on? (cargo-deny); gathers its texts
  dist [--check]        what people install: an archive, npm and Debian packages in target/dist/packages (an hour)
      --binary PATH     of this program, instead of building it
  bare                  run README's two commands in a bare Debian root, from a fresh clone (as root)
  bare --ci             run .ci/run there, with Node.js
      --suite NAME      the release of Debian; that of this machine otherwise
      --keep            leave the root in target/bare, to look around
  help                  this text
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            // `.ci/run` tells by it whether the commands failed or never ran.
            if error.is::<bare::NoRoot>() { ExitCode::from(3) } else { ExitCode::FAILURE }
        }
    }
}

/// Tells a person what happens; what a command prints for itself goes to standard output.
#[allow(clippy::print_stderr, reason = "a program for people")]
fn say(text: &str) {
    eprintln!("{text}");
}

fn run(arguments: &[String]) -> anyhow::Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", rest @ ..] => serve(rest),
        ["test", rest @ ..] => test(rest),
        ["setup"] => set_up(),
        ["v8"] => v8::set_up(),
        ["v8", "--from-source", rest @ ..] => {
            let objects = match rest {
                [] => None,
                ["--objects", count] => Some(count.parse().context("--objects wants a number")?),
                _ => bail!("unknown flags: {rest:?}\n\n{HELP}"),
            };
            v8_source::build(objects)
        }
        ["bench", rest @ ..] => {
            set_up()?;
            bench::run(rest)
        }
        ["projects", rest @ ..] => {
            v8::set_up()?;
            projects::run(rest)
        }
        ["packages", rest @ ..] => {
            set_up()?;
            packages::run(rest)
        }
        ["fuzz", rest @ ..] => fuzz::run(rest),
        ["soak", rest @ ..] => soak::run(rest),
        ["licences"] => licences::run(&root().join("target/THIRD-PARTY-LICENSES.txt")),
        ["dist", rest @ ..] => dist::run(rest),
        ["bare", rest @ ..] => bare::run(rest),
        ["help" | "--help" | "-h"] | [] => {
            say(HELP);
            Ok(())
        }
        _ => bail!("unknown command: {}\n\n{HELP}", words.join(" ")),
    }
}

/// What a build needs and cargo does not bring. Looked for before anything is compiled.
fn set_up() -> anyhow::Result<()> {
    libclang::set_up()?;
    v8::set_up()?;
    warn_of_little_space();
    Ok(())
}

/// A full disk is a poor end to half an hour of compiling.
fn warn_of_little_space() {
    const NEEDED_MIB: u64 = 10 * 1024;
    let is_built = root().join("target/release/edgehost").exists();
    let output = Command::new("df").args(["-Pm", "."]).current_dir(root()).output();
    let free = output.ok().and_then(|output| {
        let text = String::from_utf8(output.stdout).ok()?;
        text.lines().nth(1)?.split_whitespace().nth(3)?.parse::<u64>().ok()
    });
    if let Some(free) = free.filter(|free| !is_built && *free < NEEDED_MIB) {
        say(&format!("warning: {free} MiB are free on this disk; a build takes up to {NEEDED_MIB} MiB"));
    }
}

fn serve(rest: &[&str]) -> anyhow::Result<()> {
    set_up()?;
    say(
        "Building edgehost. The first build compiles V8's bindings, the Deno crates and the bundler: half an hour on 2 cores.",
    );
    cargo(&["build", "--release", "--bin", "edgehost"])?;
    let mut program = Command::new(root().join("target/release/edgehost"));
    program.arg("serve").args(rest);
    replace_by(program)
}

fn test(rest: &[&str]) -> anyhow::Result<()> {
    set_up()?;
    if rest.is_empty() {
        model()?;
    }
    // The profile of the program that people run: its tests need no second build
    // of the dependencies, and test what is shipped.
    let mut arguments = vec!["test", "--release", "--workspace"];
    arguments.extend(rest);
    cargo(&arguments)
}

/// Tries the abort fence in all orders of events. Only its crate is compiled for that, in a
/// folder of its own: cargo would compile everything anew for other flags.
fn model() -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["test", "--release", "--package", "edgehost_fence", "--lib", "--target-dir", "target/loom"])
        .env("RUSTFLAGS", "--cfg loom")
        .current_dir(root())
        .status()
        .context("cannot start cargo")?;
    if !status.success() {
        bail!("the model of the abort fence failed");
    }
    Ok(())
}

/// Runs cargo in the repository.
fn cargo(arguments: &[&str]) -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status =
        Command::new(cargo).args(arguments).current_dir(root()).status().context("cannot start cargo")?;
    if !status.success() {
        bail!("`cargo {}` failed", arguments.join(" "));
    }
    Ok(())
}

/// Becomes another program, so that signals reach it directly.
fn replace_by(mut program: Command) -> anyhow::Result<()> {
    use std::os::unix::process::CommandExt;
    Err(program.exec()).with_context(|| format!("cannot start {}", program.get_program().display()))
}

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Where cargo keeps what it downloads.
fn cargo_home() -> anyhow::Result<PathBuf> {
    match std::env::var_os("CARGO_HOME") {
        Some(home) => Ok(home.into()),
        None => {
            Ok(std::env::home_dir().context("there is no home directory: set CARGO_HOME")?.join(".cargo"))
        }
    }
}

/// The version of a crate in `Cargo.lock`.
fn locked_version(name: &str) -> anyhow::Result<String> {
    let path = root().join("Cargo.lock");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let lock: toml::Table = text.parse().context("Cargo.lock is not TOML")?;
    let packages =
        lock.get("package").and_then(toml::Value::as_array).context("Cargo.lock has no packages")?;
    let version = packages
        .iter()
        .find(|package| package.get("name").and_then(toml::Value::as_str) == Some(name))
        .and_then(|package| package.get("version")?.as_str());
    version.map(str::to_owned).with_context(|| format!("Cargo.lock has no package `{name}`"))
}
