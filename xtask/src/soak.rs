//! A soak: a server under mixed load, one of whose isolates is ended every second, for long
//! enough to see whether anything adds up.
//!
//! Each request carries a token that its answer has to have. Those that shared an isolate with
//! one that was ended may be told so (503 `ISOLATE_RESET`, a stream that is cut); every
//! other answer that is not the right one is a failure, and so is one that never comes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use sha2::{Digest, Sha256};

use crate::server::Server;
use crate::{cargo, root, say, set_up};

/// Clients that ask at the same time, and how long each rests between two requests.
const CLIENTS: usize = 24;
const REST: Duration = Duration::from_millis(15);

/// Longest time for an answer, and for the server to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// What an isolate may have; small, so that it is soon used up.
const MEMORY: &str = "128MiB";

/// How far the figures of the end may be above those of the beginning.
const MORE_MIB: f64 = 64.0;
const MORE_DESCRIPTORS: f64 = 16.0;
const MORE_THREADS: f64 = 4.0;

/// Most wrong answers that are told of one by one.
const MOST_TOLD: usize = 20;

struct Flags {
    minutes: f64,
    instances: String,
    binary: Option<PathBuf>,
}

impl Flags {
    fn read(words: &[&str]) -> anyhow::Result<Self> {
        let mut flags = Self { minutes: 30.0, instances: "auto".to_owned(), binary: None };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} wants a value"));
            match *word {
                "--minutes" => {
                    flags.minutes = value()?.parse().context("--minutes wants a number")?;
                    ensure!(flags.minutes > 0.0, "--minutes wants a number above 0");
                }
                "--instances" => flags.instances = (*value()?).to_owned(),
                "--binary" => flags.binary = Some(PathBuf::from(value()?)),
                _ => bail!("unknown flag {word}: soak takes --minutes N, --instances N and --binary PATH"),
            }
        }
        Ok(flags)
    }
}

/// What a client does in one go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    Edge,
    Echo,
    Stream,
    Upload,
    Wait,
    Proxy,
    Files,
    After,
    /// Leaves an endless stream.
    LeaveStream,
    /// Leaves before there is an answer.
    LeaveWaiting,
    /// Leaves in the midst of an upload.
    LeaveUpload,
    /// Has sent everything, shuts down its side, and reads the answer.
    HalfClose,
}

const ACTS: [Act; 12] = [
    Act::Edge,
    Act::Echo,
    Act::Stream,
    Act::Upload,
    Act::Wait,
    Act::Proxy,
    Act::Files,
    Act::After,
    Act::LeaveStream,
    Act::LeaveWaiting,
    Act::LeaveUpload,
    Act::HalfClose,
];

/// What came of it.
enum Came {
    Right,
    /// The isolate was ended by another request.
    Reset,
    Wrong(String),
}

/// What all threads of the load share.
struct Shared {
    address: String,
    stop: AtomicBool,
    numbers: AtomicU64,
    came: Mutex<BTreeMap<Act, (u64, u64)>>,
    wrong: Mutex<Vec<String>>,
    kills: AtomicU64,
}

impl Shared {
    fn note(&self, what: String) {
        let mut wrong = self.wrong.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if wrong.len() < MOST_TOLD {
            say(&format!("WRONG: {what}"));
        }
        wrong.push(what);
    }

    fn wrong(&self) -> Vec<String> {
        self.wrong.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn count(&self, act: Act, is_reset: bool) {
        let mut came = self.came.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (right, reset) = came.entry(act).or_default();
        *if is_reset { reset } else { right } += 1;
    }

    fn rests(&self, how_long: Duration) {
        let until = Instant::now() + how_long;
        while !self.stop.load(Ordering::Relaxed) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10).min(until - Instant::now()));
        }
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false).build().into()
}

pub(crate) fn run(words: &[&str]) -> anyhow::Result<()> {
    let flags = Flags::read(words)?;
    let binary = match &flags.binary {
        Some(binary) => binary.clone(),
        None => {
            set_up()?;
            cargo(&["build", "--release", "--bin", "edgehost"])?;
            root().join("target/release/edgehost")
        }
    };
    let folder = root().join("target/soak");
    std::fs::create_dir_all(&folder).context("cannot make target/soak")?;
    let log = folder.join("log");
    let mut command = Command::new(binary);
    command.arg("serve").arg(root().join("benches/soak"));
    command.args(["--port", "0", "--no-access-log", "--limit-cpu", "300ms", "--limit-memory", MEMORY]);
    command.args(["--limit-first-byte", "50s", "--instances", &flags.instances]);
    command.stderr(File::create(&log).with_context(|| format!("cannot write {}", log.display()))?);
    let mut server = Server::start("edgehost", command)?;
    let shared = Shared {
        address: server.address.clone(),
        stop: AtomicBool::new(false),
        numbers: AtomicU64::new(0),
        came: Mutex::default(),
        wrong: Mutex::default(),
        kills: AtomicU64::new(0),
    };
    say(&format!("{:.0} minutes; the log of the server is {}", flags.minutes, log.display()));
    let figures = std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let shared = &shared;
            scope.spawn(move || ask(shared, client));
        }
        scope.spawn(|| kill(&shared));
        let figures = watch(&mut server, &shared, Duration::from_secs_f64(flags.minutes * 60.0));
        shared.stop.store(true, Ordering::Relaxed);
        figures
    })?;
    print_table(&shared, &figures);
    ends_in_time(server)?;
    let wrong = shared.wrong();
    ensure!(wrong.is_empty(), "{} answers were wrong, the first: {}", wrong.len(), wrong[0]);
    judge(&figures)
}

/// One client, until it is told to stop.
fn ask(shared: &Shared, client: usize) {
    let agent = agent();
    let mut turn = client;
    while !shared.stop.load(Ordering::Relaxed) {
        let act = ACTS[turn % ACTS.len()];
        turn += 1;
        let number = shared.numbers.fetch_add(1, Ordering::Relaxed);
        match perform(act, &agent, &shared.address, number) {
            Ok(Came::Right) => shared.count(act, false),
            Ok(Came::Reset) => shared.count(act, true),
            Ok(Came::Wrong(how)) => shared.note(format!("{act:?} {number}: {how}")),
            Err(error) => shared.note(format!("{act:?} {number}: {error:#}")),
        }
        shared.rests(REST);
    }
}

fn perform(act: Act, agent: &ureq::Agent, address: &str, number: u64) -> anyhow::Result<Came> {
    let token = format!("t{number:012}");
    let get = |path: &str| agent.get(format!("http://{address}{path}?token={token}")).call();
    let json = |token: &str| serde_json::json!({ "token": token }).to_string();
    match act {
        Act::Edge => whole(get("/edge"), &json(&token)),
        Act::Wait => whole(get("/wait"), &json(&token)),
        Act::Proxy => whole(get("/proxy"), &json(&token)),
        Act::Files => whole(get("/files"), &json(&token)),
        Act::After => whole(get("/after"), &json(&token)),
        Act::Stream => whole(get("/stream"), &format!("{token}\n").repeat(8)),
        Act::Echo => {
            let body = json(&token);
            let sent =
                agent.post(format!("http://{address}/echo")).content_type("application/json").send(&body);
            whole(sent, &body)
        }
        Act::Upload => {
            let body = token.repeat(1 + usize::try_from(number % 8)? * 10_000);
            let digest: String = Sha256::digest(&body).iter().fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            });
            // Of no known length: it is sent in chunks.
            let mut reader = body.as_bytes();
            let body = ureq::SendBody::from_reader(&mut reader);
            whole(agent.post(format!("http://{address}/upload")).send(body), &json(&digest))
        }
        Act::LeaveStream => {
            let mut raw = connect(address)?;
            write!(raw, "GET /endless?token={token} HTTP/1.1\r\nHost: {address}\r\n\r\n")?;
            let read = read_until(&mut raw, &format!("data: {token}\n\n"))?;
            Ok(if read.is_none() { Came::Reset } else { Came::Right })
        }
        Act::LeaveWaiting => {
            let mut raw = connect(address)?;
            write!(raw, "GET /wait?token={token} HTTP/1.1\r\nHost: {address}\r\n\r\n")?;
            std::thread::sleep(Duration::from_millis(number % 100));
            Ok(Came::Right)
        }
        Act::LeaveUpload => {
            let mut raw = connect(address)?;
            write!(raw, "POST /upload HTTP/1.1\r\nHost: {address}\r\nContent-Length: 1000000\r\n\r\n")?;
            // It may be answered, and closed, before all is written.
            let _ = raw.write_all(&[b'x'; 100_000]);
            Ok(Came::Right)
        }
        Act::HalfClose => {
            let mut raw = connect(address)?;
            write!(raw, "GET /edge?token={token} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
            raw.shutdown(Shutdown::Write)?;
            let mut text = String::new();
            raw.read_to_string(&mut text)?;
            Ok(if text.starts_with("HTTP/1.1 200 ") && text.ends_with(&json(&token)) {
                Came::Right
            } else {
                Came::Wrong(format!("answered {text:?}"))
            })
        }
    }
}

fn connect(address: &str) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(address).context("cannot connect")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Reads until `end` has come; none where an isolate was ended before.
fn read_until(stream: &mut TcpStream, end: &str) -> anyhow::Result<Option<String>> {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while !text.contains(end) {
        let count = match stream.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => 0,
            Err(error) => return Err(error).context(format!("after {text:?}")),
        };
        if count == 0 {
            let is_cut =
                text.is_empty() || text.starts_with("HTTP/1.1 200 ") || text.contains("ISOLATE_RESET");
            ensure!(is_cut, "answered {text:?}");
            return Ok(None);
        }
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
        if text.contains("x-edgehost-error: ISOLATE_RESET") {
            return Ok(None);
        }
    }
    Ok(Some(text))
}

/// Holds a whole answer against the right one.
fn whole(
    answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    expected: &str,
) -> anyhow::Result<Came> {
    let mut answer = answer?;
    let code =
        answer.headers().get("x-edgehost-error").and_then(|code| code.to_str().ok()).map(str::to_owned);
    let status = answer.status().as_u16();
    let text = match answer.body_mut().read_to_string() {
        Ok(text) => text,
        // A stream that was cut shows as such: it has no end.
        Err(ureq::Error::Io(_) | ureq::Error::Protocol(_)) if status == 200 => return Ok(Came::Reset),
        Err(error) => return Err(error).context(format!("status {status}")),
    };
    Ok(match (status, code.as_deref()) {
        (200, None) if text == expected => Came::Right,
        (503, Some("ISOLATE_RESET")) => Came::Reset,
        _ => Came::Wrong(format!("answered {status} {code:?}: {:?}", text.get(..200).unwrap_or(&text))),
    })
}

/// Has an isolate ended every second, by CPU time and by memory in turn.
fn kill(shared: &Shared) {
    const WAYS: [(&str, &str); 4] = [
        ("/kill/cpu", "CPU_LIMIT"),
        ("/kill/memory?of=objects", "MEMORY_LIMIT"),
        ("/kill/cpu", "CPU_LIMIT"),
        ("/kill/memory?of=buffers", "MEMORY_LIMIT"),
    ];
    std::thread::scope(|scope| {
        for (path, code) in WAYS.into_iter().cycle() {
            if shared.stop.load(Ordering::Relaxed) {
                return;
            }
            // One that takes longer does not delay the next.
            scope.spawn(move || {
                let answer = agent().get(format!("http://{}{path}", shared.address)).call();
                let told = answer.map(|answer| {
                    let code = answer.headers().get("x-edgehost-error");
                    code.and_then(|code| code.to_str().ok()).unwrap_or_default().to_owned()
                });
                match told {
                    Ok(told) if told == code => {
                        shared.kills.fetch_add(1, Ordering::Relaxed);
                    }
                    // Two that met in one isolate.
                    Ok(told) if told == "ISOLATE_RESET" => {}
                    // Both limits are near where others hold memory as well.
                    Ok(told) if told == "MEMORY_LIMIT" || told == "CPU_LIMIT" => {}
                    Ok(told) => shared.note(format!("{path} was not ended but answered {told:?}")),
                    Err(error) => shared.note(format!("{path}: {error}")),
                }
            });
            shared.rests(Duration::from_secs(1));
        }
    });
}

/// What the server takes.
#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    seconds: f64,
    /// The least within a stretch of time: what is taken for a moment goes away by itself.
    mib: f64,
    descriptors: f64,
    threads: f64,
}

impl Figures {
    fn of(pid: u32) -> anyhow::Result<Self> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("the server is gone")?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<f64>().ok()
        };
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).context("the server is gone")?.count();
        Ok(Self {
            seconds: 0.0,
            mib: field("VmRSS:").context("no VmRSS")? / 1024.0,
            descriptors: descriptors as f64,
            threads: field("Threads:").context("no Threads")?,
        })
    }

    fn least(self, other: Self) -> Self {
        Self {
            seconds: self.seconds,
            mib: self.mib.min(other.mib),
            descriptors: self.descriptors.min(other.descriptors),
            threads: self.threads.min(other.threads),
        }
    }
}

/// Takes the figures of the server until the time is over.
fn watch(server: &mut Server, shared: &Shared, how_long: Duration) -> anyhow::Result<Vec<Figures>> {
    let pid = server.child.id();
    let began = Instant::now();
    let stretch = (how_long / 40).max(Duration::from_secs(1));
    let mut all: Vec<Figures> = Vec::new();
    say("   time    resident    descriptors    threads    requests    kills");
    while began.elapsed() < how_long {
        let until = began.elapsed() + stretch;
        let mut least = Figures::of(pid)?;
        least.seconds = until.as_secs_f64();
        while began.elapsed() < until {
            std::thread::sleep(Duration::from_millis(100));
            if let Some(status) = server.child.try_wait()? {
                bail!("the server ended: {status}");
            }
            least = least.least(Figures::of(pid)?);
        }
        say(&format!(
            "{:5.0} s  {:6.0} MiB  {:13.0}  {:9.0}  {:10}  {:7}",
            least.seconds,
            least.mib,
            least.descriptors,
            least.threads,
            shared.numbers.load(Ordering::Relaxed),
            shared.kills.load(Ordering::Relaxed)
        ));
        all.push(least);
    }
    Ok(all)
}

fn print_table(shared: &Shared, figures: &[Figures]) {
    let came = shared.came.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for (act, (right, reset)) in came.iter() {
        say(&format!("{act:?}: {right} right, {reset} reset"));
    }
    let kills = shared.kills.load(Ordering::Relaxed);
    let seconds = figures.last().map_or(0.0, |last| last.seconds);
    say(&format!("{kills} isolates ended in {seconds:.0} s, {} wrong answers", shared.wrong().len()));
}

/// Asks the server to end, which nothing that is left may delay.
fn ends_in_time(mut server: Server) -> anyhow::Result<()> {
    let began = Instant::now();
    Command::new("sh").args(["-c", &format!("kill -TERM {}", server.child.id())]).status()?;
    while began.elapsed() < PATIENCE {
        if let Some(status) = server.child.try_wait()? {
            ensure!(status.success(), "the server ended with {status}");
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("the server has not ended {} s after SIGTERM", PATIENCE.as_secs())
}

/// Whether the last quarter is as the second one was: in the first, things grow into what
/// they are.
fn judge(figures: &[Figures]) -> anyhow::Result<()> {
    let quarter = figures.len() / 4;
    ensure!(quarter > 0, "too short to tell");
    let median = |part: &[Figures], of: fn(&Figures) -> f64| {
        let mut values: Vec<f64> = part.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let (early, late) = (&figures[quarter..2 * quarter], &figures[figures.len() - quarter..]);
    let mut grown = Vec::new();
    for (what, most, of) in [
        ("resident memory in MiB", MORE_MIB, (|figures| figures.mib) as fn(&Figures) -> f64),
        ("descriptors", MORE_DESCRIPTORS, |figures| figures.descriptors),
        ("threads", MORE_THREADS, |figures| figures.threads),
    ] {
        let (before, after) = (median(early, of), median(late, of));
        say(&format!("{what}: {before:.0} in the second quarter, {after:.0} in the last"));
        if after > before + most {
            grown.push(format!("{what} grew from {before:.0} to {after:.0}"));
        }
    }
    ensure!(grown.is_empty(), "not flat: {}", grown.join("; "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mib: f64, descriptors: f64) -> Figures {
        Figures { seconds: 0.0, mib, descriptors, threads: 9.0 }
    }

    #[test]
    fn growth_is_told_from_a_beginning_and_from_noise() {
        let settled = [80.0, 300.0, 310.0, 290.0, 305.0, 320.0, 300.0, 310.0].map(|mib| at(mib, 40.0));
        judge(&settled).expect("flat");
        let grows: Vec<Figures> = (0..16).map(|step| at(100.0 + 10.0 * f64::from(step), 40.0)).collect();
        assert!(judge(&grows).expect_err("grows").to_string().contains("resident memory"));
        let leaks: Vec<Figures> = (0..16).map(|step| at(100.0, 40.0 + 3.0 * f64::from(step))).collect();
        assert!(judge(&leaks).expect_err("leaks").to_string().contains("descriptors"));
        assert!(judge(&settled[..3]).is_err(), "too short");
    }
}
