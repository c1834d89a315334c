//! The table, and the words around it.

use std::fmt::Write as _;
use std::process::Command;

use super::load::Sample;
use super::peers;
use super::rows::Row;
use crate::{locked_version, root};

/// What a server showed on a row.
pub(super) struct Cell {
    pub(super) server: String,
    /// Its figures, or why there are none.
    pub(super) came: Result<Figures, String>,
}

pub(super) struct Figures {
    /// Medians of the runs; of the memory the most.
    pub(super) sample: Sample,
    pub(super) runs: usize,
    pub(super) syscalls: Option<f64>,
}

pub(super) struct Measured {
    pub(super) row: Row,
    pub(super) cells: Vec<Cell>,
}

/// Medians of every figure.
pub(super) fn summary(samples: &[Sample]) -> Sample {
    let of = |pick: fn(&Sample) -> f64| median(samples.iter().map(pick));
    Sample {
        requests: samples.iter().map(|sample| sample.requests).sum(),
        per_second: of(|sample| sample.per_second),
        p50_us: of(|sample| sample.p50_us),
        p99_us: of(|sample| sample.p99_us),
        p999_us: of(|sample| sample.p999_us),
        user_us: of(|sample| sample.user_us),
        system_us: of(|sample| sample.system_us),
        peak_mib: samples.iter().map(|sample| sample.peak_mib).fold(0.0, f64::max),
    }
}

pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The table of every figure. The first server of a row is what the others are compared with.
pub(super) fn table(measured: &[Measured]) -> String {
    let mut text = String::from(
        "| row | server | requests/s | ratio | CPU of a request: user | system | p50 | p99 | p99.9 | peak memory | syscalls/request |\n\
         |---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for Measured { row, cells } in measured {
        let ceiling = cells.first().and_then(|cell| Some(cell.came.as_ref().ok()?.sample.per_second));
        for Cell { server, came } in cells {
            let _ = write!(text, "| {} | {server} |", row.title);
            match came {
                Err(reason) => {
                    let reason: String =
                        reason.replace('|', "/").replace('\n', " ").chars().take(200).collect();
                    let _ = writeln!(text, " {reason} | | | | | | | | |");
                }
                Ok(Figures { sample, syscalls, .. }) => {
                    let ratio =
                        ceiling.map_or("-".to_owned(), |most| format!("{:.2}", sample.per_second / most));
                    let calls = syscalls.map_or("-".to_owned(), |calls| format!("{calls:.1}"));
                    let _ = writeln!(
                        text,
                        " {} | {ratio} | {} | {} | {} | {} | {} | {:.0} MiB | {calls} |",
                        thousands(sample.per_second),
                        time(sample.user_us),
                        time(sample.system_us),
                        time(sample.p50_us),
                        time(sample.p99_us),
                        time(sample.p999_us),
                        sample.peak_mib,
                    );
                }
            }
        }
    }
    text
}

/// Requests/s as a ratio to the first server, rows against servers.
pub(super) fn overview(measured: &[Measured]) -> String {
    let mut servers: Vec<&str> = Vec::new();
    for cell in measured.iter().flat_map(|measured| &measured.cells) {
        if !servers.contains(&cell.server.as_str()) {
            servers.push(&cell.server);
        }
    }
    let mut text = format!("| row | {} |\n|---|{}\n", servers.join(" | "), "--:|".repeat(servers.len()));
    for Measured { row, cells } in measured {
        let _ = write!(text, "| {} |", row.title);
        let of = |server: &str| {
            let cell = cells.iter().find(|cell| cell.server == server)?;
            Some(cell.came.as_ref().map(|figures| figures.sample.per_second).map_err(|_| ()))
        };
        let ceiling = servers.first().and_then(|first| of(first)?.ok());
        for server in &servers {
            let cell = match (of(server), ceiling) {
                (None, _) => "-".to_owned(),
                (Some(Err(())), _) => "failed".to_owned(),
                (Some(Ok(_)), None) => "?".to_owned(),
                (Some(Ok(rate)), Some(ceiling)) => format!("{:.2}", rate / ceiling),
            };
            let _ = write!(text, " {cell} |");
        }
        text.push('\n');
    }
    text
}

fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three digits that count.
fn time(us: f64) -> String {
    match us {
        us if us < 10.0 => format!("{us:.1} us"),
        us if us < 1e3 => format!("{us:.0} us"),
        us if us < 1e4 => format!("{:.2} ms", us / 1e3),
        us if us < 1e5 => format!("{:.1} ms", us / 1e3),
        us if us < 1e7 => format!("{:.0} ms", us / 1e3),
        us => format!("{:.1} s", us / 1e6),
    }
}

/// The machine in words.
pub(super) fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let field = |name: &str| {
        let line = processors.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = field("model name").unwrap_or_else(|| "processor of unknown kind".to_owned());
    let is_virtual = field("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor"));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = read("/proc/meminfo")
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse::<f64>().ok())
        .unwrap_or_default();
    let system = read("/etc/os-release")
        .lines()
        .find_map(|line| Some(line.strip_prefix("PRETTY_NAME=")?.trim_matches('"').to_owned()))
        .unwrap_or_else(|| "Linux".to_owned());
    let kernel = read("/proc/sys/kernel/osrelease");
    let kernel: String = kernel.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    format!(
        "{cores} {}cores ({model}), {:.0} GiB of memory, {system}, Linux {kernel}",
        if is_virtual { "virtual " } else { "" },
        memory / 1024.0 / 1024.0,
    )
}

/// The versions of everything that took part.
pub(super) fn versions() -> String {
    let first_line = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(root()).output().ok()?;
        let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
        Some(String::from_utf8_lossy(&text).lines().next()?.to_owned())
    };
    let mut parts = vec![format!(
        "edgehost {} (commit {})",
        locked_version("edgehost").unwrap_or_default(),
        first_line("git", &["rev-parse", "--short", "HEAD"]).unwrap_or_else(|| "unknown".to_owned())
    )];
    if let Ok(hyper) = locked_version("hyper") {
        parts.push(format!("hyper {hyper}"));
    }
    for (name, package) in [
        ("Deno", "deno"),
        ("Bun", "bun"),
        ("Node.js", "node"),
        ("hono", "hono"),
        ("@hono/node-server", "@hono/node-server"),
        ("Next.js", "next"),
        ("vinext", "vinext"),
    ] {
        if let Some(version) = peers::version_of(package) {
            parts.push(format!("{name} {version}"));
        }
    }
    for program in ["rustc", "wrk", "h2load"] {
        if let Some(version) = first_line(program, &["--version"]).as_deref().and_then(version_in) {
            parts.push(format!("{program} {version}"));
        }
    }
    parts.join(", ")
}

/// What looks like a version in what a program says of itself.
fn version_in(line: &str) -> Option<&str> {
    let word = line
        .split_whitespace()
        .find(|word| word.contains('.') && word.contains(|c: char| c.is_ascii_digit()))?;
    Some(word.rsplit('/').next().unwrap_or(word).trim_start_matches('v'))
}

#[cfg(test)]
mod tests {
    use super::super::rows;
    use super::*;

    fn cell(server: &str, came: Result<f64, &str>) -> Cell {
        let came = came.map_err(str::to_owned).map(|per_second| Figures {
            sample: Sample { per_second, p50_us: 469.0, ..Sample::default() },
            runs: 3,
            syscalls: Some(2.04),
        });
        Cell { server: server.to_owned(), came }
    }

    #[test]
    fn medians_are_those_of_each_figure() {
        let sample =
            |per_second, p50_us, peak_mib| Sample { per_second, p50_us, peak_mib, ..Sample::default() };
        let summary = summary(&[sample(3.0, 10.0, 1.0), sample(1.0, 30.0, 9.0), sample(2.0, 20.0, 5.0)]);
        assert_eq!((summary.per_second, summary.p50_us, summary.peak_mib), (2.0, 20.0, 9.0));
    }

    #[test]
    fn the_table_compares_with_the_first_and_names_reasons() {
        let row = rows::chosen(&["json"]).expect("known").remove(0);
        let cells = vec![
            cell("bare", Ok(131_204.0)),
            cell("other", Ok(65_602.0)),
            cell("third", Err("no | such\nthing")),
        ];
        let measured = [Measured { row, cells }];
        let table = table(&measured);
        assert!(table.contains("| bare | 131,204 | 1.00 |"), "{table}");
        assert!(table.contains("| other | 65,602 | 0.50 |") && table.contains("| 2.0 |"), "{table}");
        assert!(table.contains("| third | no / such thing |"), "{table}");
        assert!(table.lines().all(|line| line.matches('|').count() == 12), "{table}");
        let overview = overview(&measured);
        assert!(overview.ends_with("| 1.00 | 0.50 | failed |\n"), "{overview}");
    }

    #[test]
    fn versions_are_found_in_what_programs_say() {
        assert_eq!(version_in("wrk debian/4.1.0-3+b2 [epoll] Copyright (C) 2012 Will"), Some("4.1.0-3+b2"));
        assert_eq!(version_in("h2load nghttp2/1.52.0"), Some("1.52.0"));
        assert_eq!(version_in("rustc 1.95.0 (59807616e 2026-04-14)"), Some("1.95.0"));
    }

    #[test]
    fn figures_are_written_for_people() {
        assert_eq!([thousands(999.4), thousands(1e6)], ["999", "1,000,000"]);
        assert_eq!(
            [time(5.43), time(469.2), time(4381.0), time(12_345.0), time(123_456.0)],
            ["5.4 us", "469 us", "4.38 ms", "12.3 ms", "123 ms"]
        );
    }
}
