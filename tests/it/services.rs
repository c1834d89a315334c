//! Real servers and real packages for tests: Debian's and npm's.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

/// Says that a test did not run. Not through the print macros, whose output test
/// runners keep to themselves.
pub(crate) fn skipped(what: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "\nSKIPPED: {what}: {why}\n");
}

/// `node_modules` of `tests/npm`, installed if need be.
pub(crate) fn node_modules() -> Result<PathBuf, String> {
    static INSTALLED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let install = || {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/npm");
        let installed = folder.join("node_modules");
        let time = |path: PathBuf| path.metadata().and_then(|metadata| metadata.modified()).ok();
        let stamp = time(installed.join(".package-lock.json"));
        if stamp.is_some() && stamp >= time(folder.join("package-lock.json")) {
            return Ok(installed);
        }
        let output = Command::new("npm")
            .args(["ci", "--ignore-scripts", "--omit=peer", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(&folder)
            .output()
            .map_err(|error| format!("npm, which comes with Node.js, cannot be started: {error}"))?;
        match output.status.success() {
            true => Ok(installed),
            false => Err(format!("npm ci failed: {}", String::from_utf8_lossy(&output.stderr))),
        }
    };
    INSTALLED.get_or_init(install).clone()
}

/// Whether a program is there, after Debian's package was installed if that is possible.
fn program(package: &str, find: impl Fn() -> Option<PathBuf>) -> Result<PathBuf, String> {
    static ONE_AT_A_TIME: Mutex<bool> = Mutex::new(false);
    if let Some(found) = find() {
        return Ok(found);
    }
    let mut updated = ONE_AT_A_TIME.lock().map_err(|error| error.to_string())?;
    let apt = |arguments: &[&str]| {
        Command::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .output()
            .is_ok_and(|output| output.status.success())
    };
    if !std::mem::replace(&mut *updated, true) {
        apt(&["update", "-qq"]);
    }
    apt(&["install", "-y", "-qq", "--no-install-recommends", package]);
    find().ok_or_else(|| format!("Debian's package {package} is missing and cannot be installed"))
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .map(|dir| dir.join(name))
        .find(|path| path.is_file())
}

/// A server that ends with this.
pub(crate) struct Service {
    child: Child,
    pub(crate) port: u16,
    _data: tempfile::TempDir,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// Servers that refuse to run as root run as their own user.
fn as_user(user: &str, program: &Path) -> Command {
    if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", user, "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

fn folder_of(user: &str) -> Result<tempfile::TempDir, String> {
    let data = tempfile::tempdir_in("/tmp").map_err(|error| error.to_string())?;
    if is_root() {
        run(Command::new("chown").arg(user).arg(data.path()))?;
    }
    Ok(data)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr))),
    }
}

fn start(mut command: Command, port: u16, data: tempfile::TempDir) -> Result<Service, String> {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let mut service = Service { child, port, _data: data };
    let patience = Instant::now() + Duration::from_secs(60);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        if let Ok(Some(status)) = service.child.try_wait() {
            return Err(format!("{command:?} ended: {status}"));
        }
        if Instant::now() > patience {
            return Err(format!("{command:?} does not listen"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(service)
}

/// PostgreSQL, with the user `postgres` and no password.
pub(crate) fn postgres() -> Result<Service, String> {
    let versions = || {
        let found = std::fs::read_dir("/usr/lib/postgresql").ok()?;
        found.flatten().map(|entry| entry.path().join("bin")).find(|bin| bin.join("initdb").is_file())
    };
    let bin = program("postgresql", versions)?;
    let data = folder_of("postgres")?;
    let folder = data.path().join("data");
    run(as_user("postgres", &bin.join("initdb")).arg("-D").arg(&folder).args([
        "-A",
        "trust",
        "-U",
        "postgres",
        "--no-sync",
    ]))?;
    let port = free_port();
    let mut command = as_user("postgres", &bin.join("postgres"));
    command.arg("-D").arg(&folder).args(["-p", &port.to_string(), "-h", "127.0.0.1", "-F"]);
    command.arg("-k").arg(data.path());
    start(command, port, data)
}

/// Redis that keeps nothing.
pub(crate) fn redis() -> Result<Service, String> {
    let program = program("redis-server", || on_path("redis-server"))?;
    let data = tempfile::tempdir().map_err(|error| error.to_string())?;
    let port = free_port();
    let mut command = Command::new(program);
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    command.arg("--dir").arg(data.path());
    start(command, port, data)
}

/// MariaDB, with the user `tester`, the password `secret` and a database `test`.
pub(crate) fn mariadb() -> Result<Service, String> {
    let server = program("mariadb-server", || on_path("mariadbd"))?;
    let install = on_path("mariadb-install-db").ok_or("mariadb-install-db is missing")?;
    let data = folder_of("mysql")?;
    let folder = data.path().join("data");
    let user = if is_root() { "--user=mysql" } else { "--skip-external-locking" };
    run(Command::new(install).arg("--no-defaults").arg(format!("--datadir={}", folder.display())).args([
        user,
        "--skip-test-db",
        "--auth-root-authentication-method=normal",
    ]))?;
    let init = data.path().join("init.sql");
    let sql = "CREATE DATABASE test;\nCREATE USER tester@'%' IDENTIFIED BY 'secret';\nGRANT ALL ON test.* TO tester@'%';\n";
    std::fs::write(&init, sql).map_err(|error| error.to_string())?;
    let port = free_port();
    let mut command = Command::new(server);
    command.args([
        "--no-defaults",
        user,
        "--skip-name-resolve",
        "--bind-address=127.0.0.1",
        &format!("--port={port}"),
    ]);
    command.arg(format!("--datadir={}", folder.display()));
    command.arg(format!("--socket={}", data.path().join("socket").display()));
    command.arg(format!("--pid-file={}", data.path().join("pid").display()));
    command.arg(format!("--init-file={}", init.display()));
    start(command, port, data)
}
