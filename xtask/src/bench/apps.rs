//! Many small apps behind one listener: what they take while nobody asks, how soon one that
//! nobody has asked for answers, and whether any request is lost when idle ones are given up.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::load::folder;
use super::report::median;
use crate::process;
use crate::say;
use crate::server::Server;

/// Those that are asked for again and again, and how often.
const ASKED: usize = 50;
const REQUESTS: usize = 5000;

/// What the process may have: less than isolates of all apps together would take.
const BUDGET: &str = "1GiB";

pub(super) fn measure(report: &mut String, binary: &Path, count: usize) -> anyhow::Result<()> {
    ensure!(count >= ASKED, "--apps wants a number from {ASKED} on");
    let dir = write(count)?;
    let mut command = Command::new(binary);
    command.arg("serve").arg(&dir).args(["--port", "0", "--no-access-log", "--memory-budget", BUDGET]);
    command.stderr(Stdio::null());
    say(&format!("Starting a server with {count} apps."));
    let began = Instant::now();
    let server = Server::start("edgehost", command)?;
    let pid = server.child.id();
    let _ = writeln!(
        report,
        "{count} apps: listening after {:.1} s, {:.0} MiB resident",
        began.elapsed().as_secs_f64(),
        process::resident_mib(pid)?
    );
    let clients = Clients::new(&server.address);
    // A few are asked for most of the time: the cube makes one in four requests be for the first one in fifty.
    let mut random: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut cold = Vec::new();
    let mut warm = Vec::new();
    let mut seen = [false; ASKED];
    for _ in 0..REQUESTS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let share = (random >> 11) as f64 / (1_u64 << 53) as f64;
        let app = ((share.powi(3) * ASKED as f64) as usize).min(ASKED - 1);
        let took = clients.ask(app)?;
        if std::mem::replace(&mut seen[app], true) { &mut warm } else { &mut cold }.push(took);
    }
    let asked = seen.iter().filter(|seen| **seen).count();
    let _ = writeln!(
        report,
        "{REQUESTS} requests to {asked} of them, skewed: first answer of an app {}, others {}; {:.0} MiB resident, none lost",
        shown(&mut cold),
        shown(&mut warm),
        process::resident_mib(pid)?
    );
    // More than there is room for: idle ones are given up for those that come.
    let mut turn = Vec::with_capacity(count);
    let mut most: f64 = 0.0;
    for app in 0..count {
        turn.push(clients.ask(app)?);
        most = most.max(process::resident_mib(pid)?);
    }
    let _ = writeln!(
        report,
        "every app once, under --memory-budget {BUDGET}: {}, at most {most:.0} MiB resident, none lost",
        shown(&mut turn)
    );
    Ok(())
}

/// Median and 99th percentile in milliseconds.
fn shown(times: &mut [f64]) -> String {
    times.sort_by(f64::total_cmp);
    let p99 = times.get(times.len() * 99 / 100).or(times.last()).copied().unwrap_or_default();
    format!("{:.1} ms (median), {p99:.1} ms (p99)", median(times.iter().copied()))
}

struct Clients {
    agent: ureq::Agent,
    url: String,
}

impl Clients {
    fn new(address: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(30)))
            .http_status_as_error(false)
            .build();
        Self { agent: config.into(), url: format!("http://{address}/") }
    }

    /// Asks an app, and tells how long its answer took, in milliseconds.
    fn ask(&self, app: usize) -> anyhow::Result<f64> {
        let began = Instant::now();
        let answer = self.agent.get(&self.url).header("host", format!("a{app}.localhost")).call();
        let text =
            answer.with_context(|| format!("app {app} does not answer"))?.body_mut().read_to_string()?;
        let took = began.elapsed().as_secs_f64() * 1e3;
        ensure!(text.starts_with(&format!("app {app} ")), "app {app} answered {text:?}");
        Ok(took)
    }
}

/// The projects, and the file that names them.
fn write(count: usize) -> anyhow::Result<PathBuf> {
    let dir = folder().join(format!("apps-{count}"));
    let mut tables = String::new();
    for app in 0..count {
        let _ = write!(tables, "[[app]]\ndir = \"a{app}\"\n");
        let source = format!(
            "let count = 0;\nexport const GET = () => new Response(`app {app} has answered ${{++count}} times`);\n"
        );
        super::peers::write(&dir.join(format!("a{app}/app/route.ts")), &source)?;
    }
    super::peers::write(&dir.join("edgehost.toml"), &tables)?;
    Ok(dir)
}
