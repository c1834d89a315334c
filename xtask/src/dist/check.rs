//! `cargo xtask dist --check`: the packages, installed from their files and used as people do.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use super::{Dist, MANUAL, TEXTS, output, run_in, sha256, write_json};
use crate::server::Server;
use crate::{root, say};

/// Longest time that a server may take to stop; nothing is in flight.
const PATIENCE: Duration = Duration::from_secs(10);

/// A folder that goes away with this.
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    pub(super) fn new(name: &str) -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("edgehost-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(super) fn run(dist: &Dist, archive: &Path) -> anyhow::Result<()> {
    let checks: [(&str, &dyn Fn() -> anyhow::Result<()>); 4] = [
        ("checksums", &|| {
            run_in(&dist.out, Command::new("sha256sum").args(["--check", "--quiet", "SHA256SUMS"]))
        }),
        ("archive", &|| self::archive(dist, archive)),
        ("npm packages", &|| npm(dist)),
        ("Debian package", &|| debian(dist)),
    ];
    for (name, check) in checks {
        check().with_context(|| format!("the {name} failed"))?;
        say(&format!("  {name}: in order"));
    }
    Ok(())
}

fn archive(dist: &Dist, archive: &Path) -> anyhow::Result<()> {
    let scratch = Scratch::new("archive")?;
    run_in(&scratch.0, Command::new("tar").arg("--extract").arg("--file").arg(archive))?;
    let folder = scratch.0.join(format!("edgehost-{}-{}", dist.version, dist.platform.target));
    has_version(dist, &folder.join("edgehost"))?;
    for name in ["README.md", "LICENSE", TEXTS, MANUAL] {
        ensure!(folder.join(name).is_file(), "there is no {name}");
    }
    let manual = Command::new("man")
        .args(["--warnings", "--local-file"])
        .arg(folder.join(MANUAL))
        .env("MANWIDTH", "100")
        .stdin(Stdio::null())
        .output();
    // Containers often have no `man`, or one that says so.
    if let Ok(manual) = manual {
        let complaints = String::from_utf8_lossy(&manual.stderr).into_owned();
        ensure!(complaints.is_empty(), "man complains: {complaints}");
    }
    let again = dist.archive(&scratch.0)?;
    ensure!(sha256(&again)? == sha256(archive)?, "packed again, it has another checksum");
    Ok(())
}

fn has_version(dist: &Dist, program: &Path) -> anyhow::Result<()> {
    let says = output(Command::new(program).arg("--version"))?;
    ensure!(says.trim() == format!("edgehost {}", dist.version), "{} says {says}", program.display());
    Ok(())
}

fn npm(dist: &Dist) -> anyhow::Result<()> {
    let scratch = Scratch::new("npm")?;
    let folder = &scratch.0;
    write_json(&folder.join("package.json"), &serde_json::json!({ "private": true }))?;
    let packages =
        dist.files()?.into_iter().filter(|file| file.extension().is_some_and(|ending| ending == "tgz"));
    let mut install = Command::new("npm");
    // Without the registry: what is installed is what was packed.
    install.args(["install", "--offline", "--no-audit", "--no-fund", "--silent"]).args(packages);
    run_in(folder, &mut install)?;

    let npx = |arguments: &[&str]| {
        let mut command = Command::new("npx");
        command.args(["--offline", "edgehost"]).args(arguments).current_dir(folder).stdin(Stdio::null());
        command
    };
    let says = output(&mut npx(&["--version"]))?;
    ensure!(says.trim() == format!("edgehost {}", dist.version), "npx edgehost --version: {says}");

    let refused = ["serve", "no-such-folder"];
    let own =
        Command::new(dist.program()).args(refused).current_dir(folder).stderr(Stdio::null()).status()?;
    let through = npx(&refused).stderr(Stdio::null()).status()?;
    ensure!(
        own.code().is_some_and(|code| code != 0) && own.code() == through.code(),
        "the program ends with {own}, through npx with {through}"
    );

    run_in(folder, Command::new("cp").arg("--recursive").arg(root().join("examples/tour")).arg("tour"))?;
    let serve = ["serve", "tour", "--port", "0", "--no-access-log"];
    // Told to stop by SIGINT alone, npm waits; a terminal tells the program as well.
    stops_by("npx edgehost", npx(&serve), "TERM")?;
    for signal in ["TERM", "INT"] {
        let mut direct = Command::new(folder.join("node_modules/.bin/edgehost"));
        direct.args(serve).current_dir(folder).stdin(Stdio::null());
        let status = stops_by("node_modules/.bin/edgehost", direct, signal)?;
        ensure!(status.success(), "after SIG{signal} node_modules/.bin/edgehost ended with {status}");
    }

    fs::remove_dir_all(folder.join("node_modules/@edgehost"))?;
    let without = npx(&["--version"]).output()?;
    let complaint = String::from_utf8_lossy(&without.stderr);
    ensure!(
        without.status.code() == Some(1) && complaint.contains("is not installed"),
        "without its platform package it ends with {} and says {complaint}",
        without.status
    );
    Ok(())
}

/// Starts a server, asks it something, sends a signal, and sees to it that nobody listens
/// afterwards. npx itself does not wait for the server, and ends as its shell does.
fn stops_by(name: &str, mut command: Command, signal: &str) -> anyhow::Result<ExitStatus> {
    command.process_group(0);
    let mut server = Group(Server::start(name, command)?);
    let text = get(&server.0.address)?;
    ensure!(text.contains("hello from edgehost"), "{name} answers {text}");
    let status = server.stop(signal)?;
    let began = Instant::now();
    while get(&server.0.address).is_ok() {
        ensure!(began.elapsed() < PATIENCE, "SIG{signal} ended {name}, but the program goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(status)
}

fn get(address: &str) -> anyhow::Result<String> {
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().into();
    Ok(agent.get(format!("http://{address}/hello")).call()?.body_mut().read_to_string()?)
}

/// A server that is the first of its process group.
struct Group(Server);

impl Group {
    /// Sends a signal to the first process alone, as a supervisor does.
    fn stop(&mut self, signal: &str) -> anyhow::Result<ExitStatus> {
        kill(signal, &self.0.child.id().to_string())?;
        wait(&mut self.0.child)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Also what it started, if it is still there.
        let _ = kill("KILL", &format!("-{}", self.0.child.id()));
    }
}

pub(super) fn kill(signal: &str, process: &str) -> anyhow::Result<()> {
    // By the shell, which has it where no package brought it.
    let mut command = Command::new("sh");
    command.args(["-c", "kill -s \"$1\" -- \"$2\"", "kill", signal, process]).stderr(Stdio::null());
    ensure!(command.status().context("cannot start kill")?.success(), "there is no process {process}");
    Ok(())
}

pub(super) fn wait(child: &mut Child) -> anyhow::Result<ExitStatus> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("it does not stop");
}

fn debian(dist: &Dist) -> anyhow::Result<()> {
    let file = dist.debian_file()?;
    let field = |name: &str| output(Command::new("dpkg-deb").arg("--field").arg(&file).arg(name));
    let depends = field("Depends")?;
    ensure!(depends.contains("libc6"), "it depends on `{}`, not on libc6", depends.trim());
    ensure!(field("Version")?.starts_with(&dist.version), "its version is {}", field("Version")?);
    let scratch = Scratch::new("debian")?;
    run_in(&scratch.0, Command::new("dpkg-deb").arg("--extract").arg(&file).arg("."))?;
    has_version(dist, &scratch.0.join("usr/bin/edgehost"))?;
    for path in [
        "usr/share/man/man1/edgehost.1.gz",
        "usr/share/doc/edgehost/copyright",
        &format!("usr/share/doc/edgehost/{TEXTS}"),
        "usr/lib/systemd/system/edgehost@.service",
    ] {
        ensure!(scratch.0.join(path).is_file(), "there is no {path}");
    }
    Ok(())
}
