//! The load generators: `wrk` for HTTP/1.1, `h2load` for HTTP/2.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail, ensure};

use super::rows::{APPS, App, Payload, Protocol, Row};
use crate::{process, root};

/// Where a server runs, and where what asks it.
pub(super) const SERVER_CORE: &str = "0";
pub(super) const LOAD_CORE: &str = "1";

/// What one run showed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sample {
    pub(super) requests: f64,
    pub(super) per_second: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) p999_us: f64,
    /// CPU time of a request.
    pub(super) user_us: f64,
    pub(super) system_us: f64,
    pub(super) peak_mib: f64,
}

/// Files of a bench.
pub(super) fn folder() -> PathBuf {
    root().join("target/bench")
}

/// Asks the server of this process and address for so long.
pub(super) fn run(pid: u32, address: &str, row: &Row, seconds: usize) -> anyhow::Result<Sample> {
    process::forget_peak(pid);
    let before = process::cpu(pid)?;
    let mut sample = match row.protocol {
        Protocol::KeepAlive | Protocol::NewConnections => wrk(address, row, seconds)?,
        Protocol::H2c => h2load(address, row, seconds)?,
    };
    let used = process::cpu(pid)? - before;
    ensure!(sample.requests > 0.0, "not one answer in {seconds} s");
    sample.user_us = used.user * 1e6 / sample.requests;
    sample.system_us = used.system * 1e6 / sample.requests;
    sample.peak_mib = process::peak_mib(pid);
    Ok(sample)
}

/// A command on the core of the load.
pub(super) fn on_load_core(program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", LOAD_CORE, program]);
    command
}

fn wrk(address: &str, row: &Row, seconds: usize) -> anyhow::Result<Sample> {
    let script = folder().join(format!("{}.lua", row.key));
    std::fs::write(&script, lua(row)).with_context(|| format!("cannot write {}", script.display()))?;
    let output = on_load_core("wrk")
        .args(["-t1", "--timeout", "30s", "-c", &row.connections.to_string()])
        .arg(format!("-d{seconds}s"))
        .arg("-s")
        .arg(&script)
        .arg(format!("http://{address}{}", row.path))
        .output()
        .context("cannot start wrk")?;
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    figures(&text, row)
}

/// The script that makes `wrk` send the row's request and print exact figures.
fn lua(row: &Row) -> String {
    let mut text = String::new();
    match &row.payload {
        Payload::None => {}
        Payload::Json(value) => {
            let _ = writeln!(text, "wrk.method = 'POST'\nwrk.body = [==[{value}]==]");
        }
        Payload::Octets(length) => {
            let _ = writeln!(text, "wrk.method = 'POST'\nwrk.body = string.rep('x', {length})");
        }
    }
    for (name, value) in &row.headers {
        let _ = writeln!(text, "wrk.headers['{name}'] = '{value}'");
    }
    if row.app == App::Ten {
        // Made before the first is sent: the load is to cost no more than that of one app.
        let _ = writeln!(
            text,
            "local requests, turn = {{}}, 0
function init()
  for app = 0, {last} do
    wrk.headers['Host'] = 'app' .. app .. '.localhost'
    requests[app] = wrk.format()
  end
end
function request()
  turn = (turn + 1) % {APPS}
  return requests[turn]
end",
            last = APPS - 1,
        );
    }
    text.push_str(
        "function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('figures %d %d %d %d %d %d %d %d %d %d\\n', summary.requests, summary.duration,
    errors.connect, errors.read, errors.write, errors.timeout, errors.status,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
",
    );
    text
}

/// Reads what the script prints.
fn figures(text: &str, row: &Row) -> anyhow::Result<Sample> {
    let line = text.lines().find_map(|line| line.strip_prefix("figures "));
    let line = line.with_context(|| format!("no figures from wrk: {}", text.trim()))?;
    let values: Vec<f64> = line.split(' ').filter_map(|value| value.parse().ok()).collect();
    let [requests, us, connect, read, write, timeout, refused, p50_us, p99_us, p999_us] = values[..] else {
        bail!("figures of wrk that cannot be read: {line}");
    };
    // wrk takes it for an error when a connection ends that was not announced to. Here every one
    // is to end, and only answers that came whole are counted.
    let cut = if row.protocol == Protocol::NewConnections { 0.0 } else { read };
    ensure!(
        connect + cut + write + timeout == 0.0,
        "connections failed: {connect} at connect, {read} at read, {write} at write, {timeout} timed out"
    );
    // wrk counts every status of 400 and more.
    let expected = if row.status >= 400 { requests } else { 0.0 };
    ensure!(refused == expected, "{refused} of {requests} answers had a status of 400 or more");
    Ok(Sample { requests, per_second: requests / (us / 1e6), p50_us, p99_us, p999_us, ..Sample::default() })
}

fn h2load(address: &str, row: &Row, seconds: usize) -> anyhow::Result<Sample> {
    let log = folder().join("h2load.log");
    let _ = std::fs::remove_file(&log);
    let mut command = on_load_core("h2load");
    command.args(["-t1", "-m1", "-c", &row.connections.to_string()]);
    command.arg(format!("-D{seconds}")).arg(format!("--log-file={}", log.display()));
    for (name, value) in &row.headers {
        command.args(["-H", &format!("{name}: {value}")]);
    }
    let output =
        command.arg(format!("http://{address}{}", row.path)).output().context("cannot start h2load")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(text.contains("Application protocol: h2c"), "HTTP/2 was not spoken:\n{}", text.trim_end());
    let log = std::fs::read_to_string(&log).context("h2load wrote no log")?;
    from_log(&log, row.status, seconds)
}

/// Reads the log of `h2load`: start, status and microseconds of every request.
fn from_log(log: &str, status: u16, seconds: usize) -> anyhow::Result<Sample> {
    let mut times = Vec::new();
    for line in log.lines() {
        let mut columns = line.split('\t').skip(1);
        let (Some(of), Some(us)) = (columns.next(), columns.next()) else {
            bail!("a line of h2load that cannot be read: {line}");
        };
        ensure!(of.parse() == Ok(status), "a status of {of}, not {status}");
        times.push(us.parse::<f64>().with_context(|| line.to_owned())?);
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let index = (times.len() as f64 * share) as usize;
        times.get(index).or(times.last()).copied().unwrap_or_default()
    };
    let requests = times.len() as f64;
    Ok(Sample {
        requests,
        per_second: requests / seconds as f64,
        p50_us: at(0.5),
        p99_us: at(0.99),
        p999_us: at(0.999),
        ..Sample::default()
    })
}

#[cfg(test)]
mod tests {
    use super::super::rows;
    use super::*;

    fn row(key: &str) -> Row {
        rows::chosen(&[key]).expect("known").remove(0)
    }

    #[test]
    fn figures_of_wrk_are_read() {
        let text = "Running 1s test\nfigures 39822 1000000 0 0 0 0 0 1055 9921 13026\n";
        let sample = figures(text, &row("json")).expect("read");
        assert_eq!((sample.requests, sample.per_second), (39822.0, 39822.0));
        assert_eq!((sample.p50_us, sample.p99_us, sample.p999_us), (1055.0, 9921.0, 13026.0));
    }

    #[test]
    fn answers_that_are_not_the_expected_ones_are_no_figures() {
        let is_taken = |line: &str, key: &str| figures(&format!("figures {line}\n"), &row(key)).is_ok();
        assert!(!is_taken("100 1000000 0 0 0 0 3 1 1 1", "json"), "3 of status 400 or more");
        assert!(is_taken("100 1000000 0 0 0 0 100 1 1 1", "missing"), "all of them");
        assert!(!is_taken("100 1000000 0 0 0 0 99 1 1 1", "missing"), "one was found");
        assert!(!is_taken("100 1000000 0 2 0 0 0 1 1 1", "json"), "2 broken connections");
        assert!(is_taken("100 1000000 0 100 0 0 0 1 1 1", "json-new"), "all are to end");
        let error = figures("unable to connect\n", &row("json")).expect_err("no figures").to_string();
        assert!(error.contains("unable to connect"), "{error}");
    }

    #[test]
    fn the_log_of_h2load_is_read() {
        let log: String = (1..=1000).map(|n| format!("17958540045\t200\t{n}\n")).collect();
        let sample = from_log(&log, 200, 2).expect("read");
        assert_eq!((sample.requests, sample.per_second), (1000.0, 500.0));
        assert_eq!((sample.p50_us, sample.p99_us, sample.p999_us), (501.0, 991.0, 1000.0));
        assert!(from_log("1\t500\t3\n", 200, 1).is_err());
    }
}
