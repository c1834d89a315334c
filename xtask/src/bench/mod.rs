//! Benchmarks: edgehost against a bare hyper server, and against its peers.
//!
//! A server runs on one core and the load generator on another, in turn, several
//! times. Absolute figures depend on the machine; the ratios are what counts.
//! Where to look: `rows` for what is asked, `apps` for very many apps, `peers` for the servers, `load` for the
//! generators, `process` for CPU time and memory, `report` for the table.

mod apps;
mod load;
mod peers;
mod report;
mod rows;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::server::{Server, address_in};
use crate::{cargo, process, root, say};
use load::{LOAD_CORE, SERVER_CORE, Sample};
use peers::{Peer, Running, on_core};
use report::{Cell, Figures, Measured, median};
use rows::{App, Row};

/// Most runs of a server on a row; fewer where time is short.
const RUNS: usize = 5;

/// What strace may add to a row.
const SECONDS_OF_STRACE: f64 = 1.8;

/// What was asked for.
#[derive(Debug, Default)]
struct Flags {
    peers: bool,
    quick: bool,
    only: Vec<String>,
    binaries: Vec<PathBuf>,
    minutes: Option<f64>,
    /// Many small apps are measured, so many, and nothing else.
    apps: Option<usize>,
}

impl Flags {
    fn read(words: &[&str]) -> anyhow::Result<Self> {
        let mut flags = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} wants a value"));
            match *word {
                "--peers" => flags.peers = true,
                "--quick" => flags.quick = true,
                "--only" => flags.only.extend(value()?.split(',').map(str::to_owned)),
                "--binary" => flags.binaries.push(PathBuf::from(value()?)),
                "--minutes" => {
                    let minutes: f64 = value()?.parse().context("--minutes wants a number")?;
                    ensure!(minutes > 0.0, "--minutes wants a number above 0");
                    flags.minutes = Some(minutes);
                }
                "--apps" => flags.apps = Some(value()?.parse().context("--apps wants a number")?),
                _ => bail!(
                    "unknown flag {word}: bench takes --quick, --peers, --only ROW[,ROW..], --binary PATH, --minutes N and --apps N"
                ),
            }
        }
        Ok(flags)
    }

    fn rows(&self) -> anyhow::Result<Vec<Row>> {
        let names: Vec<&str> = self.only.iter().map(String::as_str).collect();
        let default: &[&str] = &["json", "item", "post"];
        rows::chosen(if names.is_empty() && !self.peers { default } else { &names })
    }
}

pub(crate) fn run(words: &[&str]) -> anyhow::Result<()> {
    let flags = Flags::read(words)?;
    let rows = flags.rows()?;
    ensure!(
        std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1),
        "a bench wants two cores: one for the server, one for the load"
    );
    need("wrk", "wrk")?;
    if rows.iter().any(|row| row.protocol == rows::Protocol::H2c) {
        need("h2load", "nghttp2-client")?;
    }
    std::fs::create_dir_all(load::folder()).context("cannot make target/bench")?;
    say("Building release binaries.");
    cargo(&["build", "--release", "--bin", "edgehost", "--example", "bare_hyper"])?;
    let binaries = binaries(&flags.binaries)?;
    if let Some(count) = flags.apps {
        let mut report = String::new();
        for (label, binary) in &binaries {
            let _ = writeln!(report, "{label} build");
            apps::measure(&mut report, binary, count)?;
        }
        print(&report);
        return Ok(());
    }
    if flags.peers {
        return compare_with_peers(&flags, &rows, &binaries);
    }
    let mut peers = vec![Peer::bare()];
    peers.extend(binaries.iter().map(|(label, binary)| Peer::edgehost(label, binary, false)));
    let measured = measure(&rows, &peers, &Plan::new(&flags, None), &mut Vec::new())?;
    let mut report = report::table(&measured);
    report.push('\n');
    start_up(&mut report)?;
    isolates(&mut report, "of the web layer", &root().join("benches/app"))?;
    isolates(&mut report, "of the Node layer", &root().join("benches/node"))?;
    first_imports(&mut report)?;
    for (label, binary) in &binaries {
        let size = std::fs::metadata(binary)?.len();
        let _ = writeln!(report, "size of the program, {label} build: {:.1} MB", size as f64 / 1e6);
    }
    print(&report);
    Ok(())
}

/// The programs to measure, with the names of their profiles: those that were named, else the
/// release build, and the one for distribution where it was made.
fn binaries(named: &[PathBuf]) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut paths = named.to_vec();
    if paths.is_empty() {
        paths.push(root().join("target/release/edgehost"));
        paths.extend(Some(root().join("target/dist/edgehost")).filter(|path| path.exists()));
    }
    paths
        .into_iter()
        .map(|path| {
            let path = path.canonicalize().with_context(|| format!("there is no {}", path.display()))?;
            let profile = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
            Ok((profile.into_owned(), path))
        })
        .collect()
}

/// How long is measured, and what.
struct Plan {
    seconds: usize,
    runs: usize,
    warm_up: bool,
    /// When the last row has to be done; counted from the first.
    budget: Option<Duration>,
    /// Whose system calls are counted.
    traced: fn(&Peer) -> bool,
}

impl Plan {
    fn new(flags: &Flags, budget: Option<Duration>) -> Self {
        let of_two = |peer: &Peer| peer.is_edgehost() || matches!(peer.kind, peers::Kind::Bare);
        let has_strace = need("strace", "strace").inspect_err(|error| say(&format!("{error:#}"))).is_ok();
        Self {
            seconds: if flags.quick { 1 } else { 2 },
            runs: if flags.quick { 1 } else { RUNS },
            warm_up: !flags.quick,
            budget,
            traced: match (has_strace, flags.quick) {
                (false, _) => |_| false,
                (true, true) => of_two,
                (true, false) => |_| true,
            },
        }
    }

    /// What a row takes with so many runs, in seconds.
    fn cost(&self, row: &Row, peers: &[&Peer], runs: usize) -> f64 {
        let per_run = self.seconds as f64 + 0.15;
        let traced = peers.iter().filter(|peer| row.is_base && (self.traced)(peer)).count() as f64;
        let warm_up = if self.warm_up { 1.15 } else { 0.0 };
        peers.len() as f64 * (warm_up + runs as f64 * per_run) + traced * SECONDS_OF_STRACE
    }
}

/// Rows of one app after the other, on servers that are started for it. What cannot be
/// started is told with its reason.
fn measure(
    rows: &[Row],
    peers: &[Peer],
    plan: &Plan,
    absent: &mut Vec<(String, String)>,
) -> anyhow::Result<Vec<Measured>> {
    let upstream = upstream()?;
    let upstream_url = format!("http://{}/json", upstream.address);
    let mut measured = Vec::new();
    let mut spent = Duration::ZERO;
    let mut left: Vec<&Row> = rows.iter().collect();
    for app in [App::Web, App::Node, App::Many, App::Ten] {
        let of_app: Vec<&Row> = rows.iter().filter(|row| row.app == app).collect();
        let mut running: Vec<(&Peer, Result<Running, String>)> = Vec::new();
        for peer in peers.iter().filter(|peer| of_app.iter().any(|row| peer.plays(row))) {
            say(&format!("Starting {}.", peer.name));
            let started = peer.start(app, &upstream_url).map_err(|error| format!("{error:#}"));
            if let Err(reason) = &started
                && !absent.iter().any(|(name, _)| *name == peer.name)
            {
                say(&format!("  {reason}"));
                absent.push((peer.name.clone(), reason.clone()));
            }
            running.push((peer, started));
        }
        for row in of_app {
            let began = Instant::now();
            let runs = runs_for(row, &left, peers, plan, spent);
            let players: Vec<_> = running.iter().filter(|(peer, _)| peer.plays(row)).collect();
            measured.push(Measured { row: row.clone(), cells: measure_row(row, &players, plan, runs) });
            left.retain(|other| other.key != row.key);
            spent += began.elapsed();
        }
    }
    Ok(measured)
}

/// As many runs as the time that is left allows, when the later rows get as many.
fn runs_for(row: &Row, left: &[&Row], peers: &[Peer], plan: &Plan, spent: Duration) -> usize {
    let Some(budget) = plan.budget else { return plan.runs };
    let time = budget.saturating_sub(spent).as_secs_f64();
    let cost = |runs: usize| -> f64 {
        let of = |row: &&Row| {
            let players: Vec<&Peer> = peers.iter().filter(|peer| peer.plays(row)).collect();
            plan.cost(row, &players, runs)
        };
        left.iter().filter(|other| other.key != row.key).chain([&row]).map(of).sum()
    };
    (1..=plan.runs).rev().find(|runs| cost(*runs) <= time).unwrap_or(1)
}

/// One row on all of its servers in turn.
fn measure_row(
    row: &Row,
    players: &[&(&Peer, Result<Running, String>)],
    plan: &Plan,
    runs: usize,
) -> Vec<Cell> {
    let mut came: Vec<Result<Vec<Sample>, String>> = Vec::new();
    for (_, running) in players {
        came.push(running.as_ref().map_err(|_| "did not start".to_owned()).and_then(|running| {
            let address = &running.server.address;
            row.verify(address).map_err(|error| format!("wrong answer: {error:#}"))?;
            if plan.warm_up {
                load::run(running.pid(), address, row, 1).map_err(|error| format!("{error:#}"))?;
                running.empty_log();
            }
            Ok(Vec::new())
        }));
    }
    for turn in 1..=runs {
        for ((peer, running), came) in players.iter().zip(&mut came) {
            let (Ok(running), Ok(samples)) = (running, &mut *came) else { continue };
            match load::run(running.pid(), &running.server.address, row, plan.seconds) {
                Ok(sample) => {
                    say(&format!(
                        "  {}: {}, {turn} of {runs}: {:.0} requests/s",
                        row.title, peer.name, sample.per_second
                    ));
                    samples.push(sample);
                }
                Err(error) => {
                    say(&format!("  {}: {}: {error:#}", row.title, peer.name));
                    *came = Err(format!("{error:#}"));
                }
            }
            running.empty_log();
        }
    }
    let trace = |running: &Running| {
        let file = load::folder().join("strace.txt");
        let address = &running.server.address;
        let (calls, sample) =
            process::syscalls(running.pid(), &file, || load::run(running.pid(), address, row, 1))?;
        running.empty_log();
        anyhow::Ok(calls / sample?.requests)
    };
    players
        .iter()
        .zip(came)
        .map(|((peer, running), came)| {
            let syscalls = match running {
                Ok(running) if came.is_ok() && row.is_base && (plan.traced)(peer) => trace(running)
                    .inspect_err(|error| {
                        say(&format!("  {}: no count of system calls: {error:#}", peer.name))
                    })
                    .ok(),
                _ => None,
            };
            let figures = |samples: Vec<Sample>| Figures {
                sample: report::summary(&samples),
                runs: samples.len(),
                syscalls,
            };
            Cell { server: peer.name.clone(), came: came.map(figures) }
        })
        .collect()
}

fn compare_with_peers(flags: &Flags, rows: &[Row], binaries: &[(String, PathBuf)]) -> anyhow::Result<()> {
    let minutes = flags.minutes.unwrap_or(if flags.quick { 5.0 } else { 38.0 });
    let plan = Plan::new(flags, Some(Duration::from_secs_f64(minutes * 60.0)));
    let mut peers = vec![Peer::bare()];
    for (label, binary) in binaries {
        peers.extend([false, true].map(|access_log| Peer::edgehost(label, binary, access_log)));
    }
    peers.extend(Peer::from_npm());
    let mut absent = Vec::new();
    let measured = measure(rows, &peers, &plan, &mut absent)?;
    let page = page(&measured, &absent, &plan);
    print(&page);
    // What is kept is the whole of it, measured at leisure.
    if !flags.quick && flags.only.is_empty() {
        let path = root().join("benches/RESULTS.md");
        std::fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
        say("Written to benches/RESULTS.md.");
    }
    Ok(())
}

/// `benches/RESULTS.md`.
fn page(measured: &[Measured], absent: &[(String, String)], plan: &Plan) -> String {
    let runs = measured
        .iter()
        .flat_map(|measured| &measured.cells)
        .filter_map(|cell| Some(cell.came.as_ref().ok()?.runs));
    let (fewest, most) = (runs.clone().min().unwrap_or(0), runs.max().unwrap_or(0));
    let runs = match (fewest, most) {
        (_, 0 | 1) => "one run".to_owned(),
        (fewest, most) if fewest == most => format!("{most} runs"),
        _ => format!("{fewest} to {most} runs"),
    };
    let mut text = format!(
        "# Benchmarks\n\n\
         Made by `cargo xtask bench --peers`, never by hand. Absolute figures depend on the machine: the ratios are what\n\
         counts, and those below a tenth are noise.\n\n\
         - Machine: {}.\n\
         - Versions: {}.\n\
         - Each server is pinned to one core, the load (and the upstream of the row that fetches) to another. Medians of\n  \
           {runs} of {} s, the servers in turn; 64 connections where the row names no other number. The answer of every\n  \
           server to every row is compared with the right one before anything is measured.\n\
         - CPU time is that of `/proc/PID/stat`, with children. Peak memory is the resident memory of the server and its\n  \
           children during the row. System calls are counted by `strace -c -f` in a run of their own, which slows the server:\n  \
           under strace more requests wait for each wake-up.\n\
         - edgehost runs with routing, limits and request ids on, one thread (`--shards 1`), its access log written to a file\n  \
           where the name says so. It and Next.js serve the files of `benches/app` and `benches/node`, the others what\n  \
           `benches/peers` has. hono stands where people use it for its router.\n",
        report::machine(),
        report::versions(),
        plan.seconds,
    );
    for (name, reason) in absent {
        let _ = writeln!(text, "- Not measured: {name}: {}", reason.replace('\n', " "));
    }
    let _ = write!(
        text,
        "\n## Requests/s as a ratio to bare hyper\n\n{}\n## Every figure\n\n{}",
        report::overview(measured),
        report::table(measured)
    );
    text
}

/// What the row with a subrequest asks; on the core of the load.
fn upstream() -> anyhow::Result<Server> {
    let mut command = Command::new(root().join("target/release/examples/bare_hyper"));
    command.arg("0");
    Server::start("the upstream", on_core(LOAD_CORE, &command, None)?)
}

#[allow(clippy::print_stdout, reason = "the report is what the command is for")]
fn print(report: &str) {
    println!("{report}");
}

/// Has a program of Debian's packages there, installed where that is allowed.
fn need(program: &str, package: &str) -> anyhow::Result<()> {
    if Command::new(program).arg("--version").output().is_ok() {
        return Ok(());
    }
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    if !is_root {
        bail!("{program} is missing: sudo apt-get install -y {package}");
    }
    say(&format!("Installing {package}."));
    let _ = Command::new("apt-get").args(["update", "-qq"]).status();
    let status = Command::new("apt-get")
        .args(["install", "-y", "-qq", "--no-install-recommends", package])
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("{program} is missing: install the package {package}"))?;
    ensure!(status.success(), "cannot install {program}: apt-get install -y {package} failed");
    Ok(())
}

fn get(address: &str, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn edgehost(dir: &Path, flags: &[&str]) -> anyhow::Result<Server> {
    let mut command = Command::new(root().join("target/release/edgehost"));
    command.arg("serve").arg(dir).args(["--port", "0", "--shards", "1", "--no-access-log"]).args(flags);
    Server::start("edgehost", on_core(SERVER_CORE, &command, None)?)
}

/// From process start to the first answer of a project whose bundle is cached.
fn start_up(report: &mut String) -> anyhow::Result<()> {
    let dir = root().join("examples/tour");
    drop(edgehost(&dir, &[])?);
    let mut times = Vec::new();
    for _ in 0..10 {
        let began = Instant::now();
        let server = edgehost(&dir, &[])?;
        let answer = get(&server.address, "/hello")?;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
        ensure!(answer.starts_with("HTTP/1.1 200"), "the tour does not answer: {answer}");
    }
    let _ = writeln!(
        report,
        "process start to first answer, examples/tour, bundle cached: {:.0} ms (median of 10)",
        median(times.into_iter())
    );
    Ok(())
}

/// Time to make an isolate ready, and resident memory of a further idle one.
fn isolates(report: &mut String, which: &str, dir: &Path) -> anyhow::Result<()> {
    // Isolates that are replaced after each request: every one is timed in the log.
    let mut command = Command::new(root().join("target/release/edgehost"));
    command.arg("serve").arg(dir).args(["--port", "0", "--shards", "1", "--no-access-log"]);
    command.args(["--recycle-after", "1", "--log-format", "json", "--log", "edgehost=debug"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let address =
        lines.by_ref().map_while(Result::ok).find_map(|line| address_in(&line)).context("no address")?;
    std::thread::spawn(move || lines.for_each(drop));
    for _ in 0..40 {
        let _ = get(&address, "/json")?;
        std::thread::sleep(Duration::from_millis(15));
    }
    let _ = child.kill();
    let mut log = String::new();
    child.stderr.take().context("no log")?.read_to_string(&mut log)?;
    let _ = child.wait();
    let mut times: Vec<f64> = log
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|line| line["message"] == "isolate ready")
        .filter_map(|line| milliseconds(line["took"].as_str()?))
        .collect();
    ensure!(times.len() >= 10, "only {} isolates were started", times.len());
    times.sort_by(f64::total_cmp);
    let _ = writeln!(
        report,
        "one more isolate {which} ready: {:.1} ms (median of {}), slowest {:.1} ms",
        times[times.len() / 2],
        times.len(),
        times[times.len() - 1],
    );

    // A shard starts its isolate with the server; a thread without one costs next to nothing.
    let help = Command::new(root().join("target/release/edgehost")).args(["serve", "--help"]).output()?;
    let has_instances = String::from_utf8_lossy(&help.stdout).contains("--instances");
    let resident = |shards: &str| -> anyhow::Result<f64> {
        let mut command = Command::new(root().join("target/release/edgehost"));
        command.arg("serve").arg(dir).args(["--port", "0", "--no-access-log", "--shards", shards]);
        if has_instances {
            command.args(["--instances", shards]);
        }
        let mut server = Server::start("edgehost", on_core(SERVER_CORE, &command, None)?)?;
        std::thread::sleep(Duration::from_secs(1));
        let pid = pid_of(&mut server)?;
        let smaps = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let field = |name: &str| {
            let line = smaps.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse::<f64>().ok()
        };
        Ok(field("Rss:").context("smaps has no Rss")? / 1024.0)
    };
    let (one, many) = (resident("1")?, resident("17")?);
    let _ = writeln!(
        report,
        "resident memory: {one:.1} MiB with one isolate {which}, {:.2} MiB for each further idle one (of 16, with its thread)",
        (many - one) / 16.0
    );
    Ok(())
}

/// What the first import of a built-in module costs a fresh isolate.
fn first_imports(report: &mut String) -> anyhow::Result<()> {
    for name in ["buffer", "crypto", "stream", "fs", "http"] {
        let mut times = Vec::new();
        for _ in 0..5 {
            let server = edgehost(&root().join("benches/node"), &[])?;
            let answer = get(&server.address, &format!("/import?name={name}"))?;
            let text = answer.lines().last().unwrap_or_default();
            times.push(text.parse::<f64>().with_context(|| format!("no figure in {answer}"))?);
        }
        let _ = writeln!(
            report,
            "first import of node:{name}: {:.2} ms (median of 5)",
            median(times.into_iter())
        );
    }
    Ok(())
}

/// `taskset` becomes the program, so the child is the server itself.
fn pid_of(server: &mut Server) -> anyhow::Result<u32> {
    ensure!(server.child.try_wait()?.is_none(), "{} ended", server.name);
    Ok(server.child.id())
}

fn milliseconds(text: &str) -> Option<f64> {
    for (unit, factor) in [("ms", 1.0), ("\u{b5}s", 1e-3), ("ns", 1e-6), ("s", 1e3)] {
        if let Some(number) = text.strip_suffix(unit) {
            return number.parse::<f64>().ok().map(|number| number * factor);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_the_log_are_read() {
        assert!((milliseconds("2.9ms").expect("read") - 2.9).abs() < 1e-9);
        assert_eq!(milliseconds("3s"), Some(3000.0));
        assert!((median([3.0, 1.0, 2.0].into_iter()) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn flags_are_read() {
        let flags = Flags::read(&["--peers", "--only", "json,many", "--binary", "x", "--minutes", "3"]);
        let flags = flags.expect("known");
        assert!(flags.peers && !flags.quick);
        assert_eq!(flags.only, ["json", "many"]);
        assert_eq!(flags.rows().expect("known").len(), 2);
        for wrong in [&["--only"][..], &["--peer"], &["--minutes", "0"], &["--minutes", "x"]] {
            assert!(Flags::read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_bench_keeps_to_its_time() {
        let rows = rows::all();
        let left: Vec<&Row> = rows.iter().collect();
        let peers: Vec<Peer> = [Peer::bare()].into_iter().chain(Peer::from_npm()).collect();
        let mut plan = Plan {
            seconds: 2,
            runs: RUNS,
            warm_up: true,
            budget: Some(Duration::from_secs(38 * 60)),
            traced: |_| true,
        };
        let runs = runs_for(&rows[0], &left, &peers, &plan, Duration::ZERO);
        let cost: f64 = rows
            .iter()
            .map(|row| plan.cost(row, &peers.iter().filter(|peer| peer.plays(row)).collect::<Vec<_>>(), runs))
            .sum();
        assert!((2..=RUNS).contains(&runs) && cost <= 38.0 * 60.0, "{runs} runs take {cost} s");
        assert_eq!(runs_for(&rows[0], &left, &peers, &plan, Duration::from_secs(37 * 60)), 1);
        plan.budget = None;
        assert_eq!(runs_for(&rows[0], &left, &peers, &plan, Duration::ZERO), RUNS);
    }
}
