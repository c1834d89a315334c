//! Benchmarks: edgehost against a bare hyper server, and against its peers.
//!
//! A server runs on one core and the load generator on another, in turn, several
//! times. Absolute figures depend on the machine; the ratios are what counts.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::server::{Server, address_in};
use crate::{cargo, root, say};

/// Runs of each server on each row.
const RUNS: usize = 5;

/// Connections of the load generator.
const CONNECTIONS: &str = "64";

struct Row {
    name: &'static str,
    path: &'static str,
    script: Option<&'static str>,
}

const ROWS: [Row; 3] = [
    Row { name: "GET, small JSON", path: "/json", script: None },
    Row {
        name: "POST, parse and answer JSON",
        path: "/echo",
        script: Some(
            "wrk.method = 'POST'\nwrk.body = '{\"a\":1,\"b\":[1,2,3],\"c\":\"hello\"}'\nwrk.headers['content-type'] = 'application/json'\n",
        ),
    },
    Row {
        name: "GET, a header and a param",
        path: "/items/42",
        script: Some("wrk.headers['x-client'] = 'bench'\n"),
    },
];

pub(crate) fn run(flags: &[&str]) -> anyhow::Result<()> {
    for flag in flags {
        ensure!(
            ["--quick", "--peers"].contains(flag),
            "unknown flag {flag}: bench takes --quick and --peers"
        );
    }
    let seconds = if flags.contains(&"--quick") { 1 } else { 4 };
    need_wrk()?;
    say("Building release binaries.");
    cargo(&["build", "--release", "--bin", "edgehost", "--example", "bare_hyper"])?;
    if flags.contains(&"--peers") {
        return peers(seconds);
    }
    let mut report = String::from(
        "| row | server | requests/s | p50 | p99 | ratio to bare hyper |\n|---|---|---|---|---|---|\n",
    );
    for row in &ROWS {
        let servers = [bare()?, edgehost(&root().join("benches/app"), &[])?];
        compare(row, &servers, seconds, &mut report)?;
    }
    report.push('\n');
    start_up(&mut report)?;
    isolates(&mut report, "of the web layer", &root().join("benches/app"))?;
    isolates(&mut report, "of the Node layer", &root().join("benches/node"))?;
    first_imports(&mut report)?;
    let size = std::fs::metadata(root().join("target/release/edgehost"))?.len();
    let _ = writeln!(report, "size of the program: {:.1} MB", size as f64 / 1e6);
    print(&report);
    Ok(())
}

#[allow(clippy::print_stdout, reason = "the report is what the command is for")]
fn print(report: &str) {
    println!("{report}");
}

fn need_wrk() -> anyhow::Result<()> {
    if Command::new("wrk").arg("--version").output().is_ok() {
        return Ok(());
    }
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    if !is_root {
        bail!("the load generator is missing: sudo apt-get install -y wrk");
    }
    say("Installing the load generator (wrk).");
    let _ = Command::new("apt-get").args(["update", "-qq"]).status();
    let status = Command::new("apt-get").args(["install", "-y", "-qq", "wrk"]).status()?;
    ensure!(status.success(), "cannot install wrk: apt-get install -y wrk failed");
    Ok(())
}

/// Starts a server on core 0.
fn start(name: &str, command: &Command) -> anyhow::Result<Server> {
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", "0"]).arg(command.get_program()).args(command.get_args());
    if let Some(dir) = command.get_current_dir() {
        pinned.current_dir(dir);
    }
    for (key, value) in command.get_envs() {
        if let Some(value) = value {
            pinned.env(key, value);
        }
    }
    pinned.stderr(Stdio::null());
    Server::start(name, pinned)
}

fn get(address: &str, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn bare() -> anyhow::Result<Server> {
    let mut command = Command::new(root().join("target/release/examples/bare_hyper"));
    command.arg("0");
    start("bare hyper", &command)
}

fn edgehost(dir: &Path, flags: &[&str]) -> anyhow::Result<Server> {
    let mut command = Command::new(root().join("target/release/edgehost"));
    command.arg("serve").arg(dir).args(["--port", "0", "--shards", "1", "--no-access-log"]).args(flags);
    start("edgehost", &command)
}

#[derive(Clone, Copy)]
struct Sample {
    requests: f64,
    p50_us: f64,
    p99_us: f64,
}

fn load(server: &Server, row: &Row, seconds: usize) -> anyhow::Result<Sample> {
    let mut command = Command::new("taskset");
    command.args(["-c", "1", "wrk", "-t1", "-c", CONNECTIONS, "--latency"]).arg(format!("-d{seconds}s"));
    if let Some(script) = row.script {
        let path = root().join("target").join(format!("bench{}.lua", row.path.replace('/', "-")));
        std::fs::write(&path, script)?;
        command.arg("-s").arg(path);
    }
    let output =
        command.arg(format!("http://{}{}", server.address, row.path)).output().context("cannot start wrk")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(!text.contains("Non-2xx"), "{} did not answer 200 on {}:\n{text}", server.name, row.path);
    let value =
        |label: &str| text.lines().find_map(|line| Some(line.trim().strip_prefix(label)?.trim().to_owned()));
    let requests = value("Requests/sec:").with_context(|| format!("no figure from wrk:\n{text}"))?.parse()?;
    let latency = |label| value(label).as_deref().and_then(microseconds).unwrap_or_default();
    Ok(Sample { requests, p50_us: latency("50%"), p99_us: latency("99%") })
}

fn microseconds(text: &str) -> Option<f64> {
    for (unit, factor) in [("us", 1.0), ("ms", 1e3), ("s", 1e6)] {
        if let Some(number) = text.strip_suffix(unit) {
            return number.parse::<f64>().ok().map(|number| number * factor);
        }
    }
    None
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Loads the servers in turn; the first is what the others are compared with.
fn compare(row: &Row, servers: &[Server], seconds: usize, report: &mut String) -> anyhow::Result<()> {
    let mut samples: Vec<Vec<Sample>> = servers.iter().map(|_| Vec::new()).collect();
    for server in servers {
        load(server, row, 1)?;
    }
    for turn in 0..RUNS {
        for (server, samples) in servers.iter().zip(&mut samples) {
            let sample = load(server, row, seconds)?;
            say(&format!(
                "  {}: {} {} of {RUNS}: {:.0} requests/s",
                row.name,
                server.name,
                turn + 1,
                sample.requests
            ));
            samples.push(sample);
        }
    }
    let of = |samples: &[Sample], pick: fn(&Sample) -> f64| median(samples.iter().map(pick));
    let ceiling = of(&samples[0], |sample| sample.requests);
    for (server, samples) in servers.iter().zip(&samples) {
        let requests = of(samples, |sample| sample.requests);
        let _ = writeln!(
            report,
            "| {} | {} | {requests:.0} | {:.0} us | {:.0} us | {:.2} |",
            row.name,
            server.name,
            of(samples, |sample| sample.p50_us),
            of(samples, |sample| sample.p99_us),
            requests / ceiling,
        );
    }
    Ok(())
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
    let resident = |shards: &str| -> anyhow::Result<f64> {
        let mut command = Command::new(root().join("target/release/edgehost"));
        command.arg("serve").arg(dir).args(["--port", "0", "--no-access-log", "--shards", shards]);
        let mut server = start("edgehost", &command)?;
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

/// The same small JSON from every peer.
const DENO: &str = "Deno.serve({ port: 0, hostname: '127.0.0.1', onListen: (a) => console.log(`http://127.0.0.1:${a.port}/`) }, () => Response.json({ ok: true, message: 'hello' }));\n";
const BUN: &str = "const s = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => Response.json({ ok: true, message: 'hello' }) }); console.log(`http://127.0.0.1:${s.port}/`);\n";
const NODE: &str = "import { createServer } from 'node:http'; const s = createServer((_, r) => { r.setHeader('content-type', 'application/json'); r.end(JSON.stringify({ ok: true, message: 'hello' })); }); s.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${s.address().port}/`));\n";

fn peers(seconds: usize) -> anyhow::Result<()> {
    let dir = install_peers()?;
    let row = &ROWS[0];
    let program = |name: &str| dir.join("node_modules/.bin").join(name);
    let with = |name: &str, program: PathBuf, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&dir).env("NODE_ENV", "production");
        start(name, &command)
    };
    let mut servers = vec![bare()?, edgehost(&root().join("benches/app"), &[])?];
    servers.push(with("deno serve", program("deno"), &["run", "--allow-net", "deno.mjs"])?);
    servers.push(with("Bun.serve", program("bun"), &["bun.mjs"])?);
    servers.push(with("node:http", program("node"), &["node.mjs"])?);
    servers.push(with("next start", program("next"), &["start", "-p", "4599", "-H", "127.0.0.1"])?);
    // Next.js says where it will listen before it does.
    let deadline = Instant::now() + Duration::from_secs(30);
    for server in &servers {
        while get(&server.address, row.path).is_err() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    let mut report = String::from(
        "| row | server | requests/s | p50 | p99 | ratio to bare hyper |\n|---|---|---|---|---|---|\n",
    );
    compare(row, &servers, seconds, &mut report)?;
    print(&report);
    Ok(())
}

/// Installs the peers from npm, once.
fn install_peers() -> anyhow::Result<PathBuf> {
    let dir = root().join("target/peers");
    std::fs::create_dir_all(dir.join("app/json"))?;
    let package = r#"{ "private": true, "type": "module", "dependencies": { "deno": "2.9.6", "bun": "1.4.4", "node": "22", "next": "16.4.6", "react": "19", "react-dom": "19" } }"#;
    for (name, text) in [
        ("package.json", package),
        ("deno.mjs", DENO),
        ("bun.mjs", BUN),
        ("node.mjs", NODE),
        ("app/layout.js", "export default ({ children }) => children;\n"),
    ] {
        std::fs::write(dir.join(name), text)?;
    }
    let route = root().join("benches/app/app/json/route.ts");
    let route =
        std::fs::read_to_string(&route).with_context(|| format!("cannot read {}", route.display()))?;
    // Left alone, Next.js would answer from a file that it made while building.
    std::fs::write(
        dir.join("app/json/route.js"),
        format!("export const dynamic = 'force-dynamic';\n{route}"),
    )?;
    let run = |program: &str, arguments: &[&str]| -> anyhow::Result<()> {
        let status = Command::new(program)
            .args(arguments)
            .current_dir(&dir)
            .env("NEXT_TELEMETRY_DISABLED", "1")
            .stdout(Stdio::null())
            .status()
            .with_context(|| format!("cannot start {program}: the peers come from npm"))?;
        ensure!(status.success(), "{program} {} failed", arguments.join(" "));
        Ok(())
    };
    if !dir.join("node_modules/.bin/next").exists() {
        say("Installing the peers from npm.");
        run("npm", &["install", "--no-audit", "--no-fund"])?;
    }
    if !dir.join(".next/BUILD_ID").exists() {
        say("Building the route with Next.js.");
        run("node_modules/.bin/next", &["build"])?;
    }
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_the_load_generator_are_read() {
        assert_eq!(microseconds("1.50ms"), Some(1500.0));
        assert_eq!(microseconds("312.00us"), Some(312.0));
        assert!((milliseconds("2.9ms").expect("read") - 2.9).abs() < 1e-9);
        assert!((median([3.0, 1.0, 2.0].into_iter()) - 2.0).abs() < 1e-9);
    }
}
