//! What a server costs the system: CPU time, memory, system calls.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

/// Ticks of `/proc/PID/stat` in a second: what Linux shows to programs on x86_64 and arm64.
const TICKS: f64 = 100.0;

/// CPU time in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Cpu {
    pub(crate) user: f64,
    pub(crate) system: f64,
}

impl std::ops::Sub for Cpu {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { user: self.user - earlier.user, system: self.system - earlier.system }
    }
}

/// A process and all that descend from it.
pub(crate) fn tree(root: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        if let Ok(stat) = std::fs::read_to_string(entry.path().join("stat"))
            && let Some(parent) = fields(&stat).get(1).and_then(|field| field.parse::<u32>().ok())
        {
            parents.push((pid, parent));
        }
    }
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found
}

/// The fields of `/proc/PID/stat` after the name, which may hold blanks and brackets.
fn fields(stat: &str) -> Vec<&str> {
    stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default()
}

/// Of one process, with the children that it has waited for.
fn cpu_in(stat: &str) -> Option<Cpu> {
    let fields = fields(stat);
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some(Cpu { user: (ticks(11)? + ticks(13)?) / TICKS, system: (ticks(12)? + ticks(14)?) / TICKS })
}

/// CPU time that a server has used, with its children.
pub(crate) fn cpu(root: u32) -> anyhow::Result<Cpu> {
    let mut sum = Cpu::default();
    for pid in tree(root) {
        match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
            Ok(stat) => {
                let cpu = cpu_in(&stat).with_context(|| format!("cannot read /proc/{pid}/stat: {stat}"))?;
                sum.user += cpu.user;
                sum.system += cpu.system;
            }
            Err(error) => ensure!(pid != root, "the server is gone: {error}"),
        }
    }
    Ok(sum)
}

/// From now on the peak is that of what follows.
pub(crate) fn forget_peak(root: u32) {
    for pid in tree(root) {
        let file = std::fs::OpenOptions::new().write(true).open(format!("/proc/{pid}/clear_refs"));
        let _ = file.and_then(|mut file| file.write_all(b"5"));
    }
}

/// Resident memory of a server and its children, in MiB.
pub(crate) fn resident_mib(root: u32) -> anyhow::Result<f64> {
    let mut sum = 0.0;
    for pid in tree(root) {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("the server is gone")?;
        sum += mib_in(&status, "VmRSS:").context("no VmRSS")?;
    }
    Ok(sum)
}

/// Most resident memory that a server and its children had, in MiB.
pub(crate) fn peak_mib(root: u32) -> f64 {
    let of = |pid: u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        mib_in(&status, "VmHWM:")
    };
    tree(root).into_iter().filter_map(of).sum()
}

fn mib_in(status: &str, field: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
}

/// System calls of a server while something happens.
pub(crate) fn syscalls<T>(root: u32, file: &Path, happens: impl FnOnce() -> T) -> anyhow::Result<(f64, T)> {
    let _ = std::fs::remove_file(file);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-c", "-o"]).arg(file);
    for pid in tree(root) {
        strace.args(["-p", &pid.to_string()]);
    }
    let mut strace =
        strace.stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("cannot start strace")?;
    let deadline = Instant::now() + Duration::from_secs(5);
    while !is_traced(root) && Instant::now() < deadline && strace.try_wait()?.is_none() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let is_attached = is_traced(root);
    let result = happens();
    let _ = Command::new("sh").args(["-c", &format!("kill -INT {}", strace.id())]).status();
    strace.wait()?;
    ensure!(is_attached, "strace could not attach to the server");
    let text = std::fs::read_to_string(file).context("strace wrote nothing")?;
    let calls = calls_in(&text).with_context(|| format!("no figure from strace:\n{text}"))?;
    Ok((calls, result))
}

/// Whether every thread is followed by a tracer.
fn is_traced(pid: u32) -> bool {
    let mut threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads.all(|thread| {
        std::fs::read_to_string(thread.path().join("status"))
            .is_ok_and(|status| !status.contains("TracerPid:\t0\n"))
    })
}

/// All calls of the table that `strace -c` writes.
fn calls_in(table: &str) -> Option<f64> {
    let total = table.lines().rev().find(|line| line.trim_end().ends_with(" total"))?;
    total.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_of_a_process_is_read_behind_any_name() {
        let stat = "71 (a (b) c) S 1 71 71 0 -1 4194560 2 3 4 5 1100 200 30 4 20 0 7 0 92404 18667327488";
        assert_eq!(cpu_in(stat), Some(Cpu { user: 11.3, system: 2.04 }));
        assert_eq!(fields(stat)[1], "1");
        assert_eq!(cpu_in("71 (a"), None);
        assert!(cpu(std::process::id()).is_ok());
    }

    #[test]
    fn children_belong_to_the_tree() {
        let mut child = Command::new("sleep").arg("30").spawn().expect("sleep starts");
        let tree = tree(std::process::id());
        let _ = child.kill();
        let _ = child.wait();
        assert!(tree.contains(&child.id()), "{tree:?}");
    }

    #[test]
    fn peaks_and_calls_are_read() {
        assert_eq!(mib_in("Name:\tx\nVmHWM:\t   20480 kB\nVmRSS:\t 1 kB\n", "VmHWM:"), Some(20.0));
        let table = "% time     seconds  usecs/call     calls    errors syscall\n\
                     ------ ----------- ----------- --------- --------- ----------------\n\
                     67.54    0.101714          10     10112           sendto\n\
                     ------ ----------- ----------- --------- --------- ----------------\n\
                     100.00    0.150589           7     20667         1 total\n";
        assert_eq!(calls_in(table), Some(20667.0));
        assert_eq!(calls_in(""), None);
    }
}
