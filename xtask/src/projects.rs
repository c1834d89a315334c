//! `cargo xtask projects`: other people's Next.js projects, bundled, served and asked.
//!
//! Every exported method of every route gets one request, and every failure a reason:
//! one of ours until something in it says otherwise.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde::Serialize;
use serde_json::Value;
use ureq::http;

use crate::server::address_in;
use crate::{cargo, process, root, say};

/// How long bundling may take.
const BUNDLING: Duration = Duration::from_secs(15 * 60);

/// How long the head of an answer may take; more than edgehost's own limit.
const PATIENCE: Duration = Duration::from_secs(40);

/// A process that ended is started again so often.
const RESTARTS: usize = 5;

/// Requests that are named beside a reason.
const NAMED: usize = 3;

pub(crate) fn run(words: &[&str]) -> anyhow::Result<()> {
    let mut dirs = Vec::new();
    let mut as_json = false;
    let mut binary = None;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--json" => as_json = true,
            "--binary" => binary = Some(PathBuf::from(words.next().context("--binary wants a path")?)),
            flag if flag.starts_with('-') => {
                bail!("unknown flag {flag}: projects takes --json, --binary PATH and folders")
            }
            dir => dirs.push(PathBuf::from(dir)),
        }
    }
    ensure!(!dirs.is_empty(), "which projects? cargo xtask projects DIR..");
    let binary = match binary {
        Some(binary) => binary,
        None => {
            cargo(&["build", "--release", "--bin", "edgehost"])?;
            root().join("target/release/edgehost")
        }
    };
    let binary = binary.canonicalize().with_context(|| format!("there is no {}", binary.display()))?;
    let mut projects = Vec::new();
    for dir in &dirs {
        let project = attempt(&binary, dir);
        if !as_json {
            print(&project.report());
        }
        projects.push(project);
    }
    if as_json {
        print(&serde_json::to_string_pretty(&projects)?);
    } else {
        print(&total(&projects));
    }
    Ok(())
}

#[allow(clippy::print_stdout, reason = "the report is what the command is for")]
fn print(text: &str) {
    println!("{text}");
}

/// What came of a project.
#[derive(Debug, Default, Serialize)]
struct Project {
    name: String,
    routes: usize,
    /// Seconds until it was served, with bundling where nothing was kept.
    seconds: f64,
    /// Most resident memory until then, in MiB.
    peak_mib: f64,
    /// What stood in the way of the whole project.
    problem: Option<Failure>,
    /// What is to know beforehand.
    notes: Vec<String>,
    asked: Vec<Asked>,
}

/// A request and what came of it.
#[derive(Debug, Serialize)]
struct Asked {
    method: String,
    route: String,
    file: String,
    /// Of the answer, where there was one.
    status: Option<u16>,
    /// How an answer of the handler that is an error of the server begins.
    body: Option<String>,
    /// What the handler then logged as an error.
    logged: Option<String>,
    /// Why the handler did not answer.
    failure: Option<Failure>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Failure {
    whose: Whose,
    reason: String,
}

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Whose {
    Ours,
    Another,
}

/// A line of the route table.
#[derive(Debug, Clone, PartialEq)]
struct Route {
    pattern: String,
    methods: Vec<String>,
    file: String,
}

fn attempt(binary: &Path, dir: &Path) -> Project {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let mut project = Project {
        name: dir.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        ..Project::default()
    };
    if let Err(error) = ask_all(binary, &dir, &mut project) {
        let failure = Failure { whose: Whose::Ours, reason: format!("{error:#}") };
        project.problem.get_or_insert(failure);
    }
    project
}

fn ask_all(binary: &Path, dir: &Path, project: &mut Project) -> anyhow::Result<()> {
    let another = |reason: String| Some(Failure { whose: Whose::Another, reason });
    if !["app", "src/app"].iter().any(|app| dir.join(app).is_dir()) {
        project.problem = another(match app_below(dir) {
            Some(below) => format!("no app/ or src/app/ here, but in {}", below.display()),
            None => "no app/ or src/app/".to_owned(),
        });
        return Ok(());
    }
    if !dir.ancestors().any(|folder| folder.join("node_modules").is_dir()) {
        let note = "node_modules is missing: npm install --ignore-scripts --legacy-peer-deps";
        say(&format!("{}: {note}", project.name));
        project.notes.push(note.to_owned());
    }
    say(&format!("{}: reading the routes", project.name));
    let output = Command::new(binary).arg("routes").arg(dir).output().context("cannot start edgehost")?;
    let routes = routes_in(&String::from_utf8_lossy(&output.stdout));
    project.routes = routes.len();
    if routes.is_empty() {
        let reason = first_error(&String::from_utf8_lossy(&output.stderr));
        bail!("{}", headline(&reason));
    }
    say(&format!("{}: bundling {} routes", project.name, routes.len()));
    let began = Instant::now();
    let mut server = match Serving::start(binary, dir) {
        Ok(server) => server,
        // Whatever is missing, it is missing for some routes and not for the others.
        Err(text) => bail!("{text}"),
    };
    project.seconds = began.elapsed().as_secs_f64();
    project.peak_mib = process::peak_mib(server.child.id());
    let mut restarts = 0;
    // Why a module does not load is told once; its other methods fail for the same reason.
    let mut told: BTreeMap<&str, String> = BTreeMap::new();
    for route in &routes {
        let get = ["GET".to_owned()];
        let methods = if route.methods.is_empty() { &get[..] } else { &route.methods };
        for method in methods {
            say(&format!("{}: {method} {}", project.name, route.pattern));
            let mut asked = Asked {
                method: method.clone(),
                route: route.pattern.clone(),
                file: route.file.clone(),
                status: None,
                body: None,
                logged: None,
                failure: None,
            };
            let mark = server.mark();
            match ask(&server.address, method, &sample(&route.pattern)) {
                Ok(answer) => {
                    asked.status = Some(answer.status);
                    if let Some(code) = answer.error {
                        let text = server.error_since(mark);
                        let text = text
                            .or_else(|| told.get(route.file.as_str()).cloned())
                            .or_else(|| server.told_at_start(&route.file))
                            .unwrap_or_default();
                        let is_sampled = has_body(method) || route.pattern.contains('[');
                        asked.failure = Some(judge(dir, &code, &text, is_sampled));
                        told.entry(route.file.as_str()).or_insert(text);
                    } else if answer.status >= 500 {
                        asked.body = Some(answer.body);
                        asked.logged =
                            server.lines_since(mark).iter().find_map(|line| console_error_in(line));
                    }
                }
                Err(error) => {
                    let reason = match server.ended() {
                        Some(status) => format!("the process ended: {status}"),
                        None => format!("no answer: {error:#}"),
                    };
                    asked.failure = Some(Failure { whose: Whose::Ours, reason });
                }
            }
            project.asked.push(asked);
            if server.ended().is_some() {
                restarts += 1;
                ensure!(restarts <= RESTARTS, "the process ended {restarts} times");
                server = Serving::start(binary, dir).map_err(anyhow::Error::msg)?;
            }
        }
    }
    Ok(())
}

/// A folder with an app, in a checkout of several.
fn app_below(dir: &Path) -> Option<PathBuf> {
    for parent in ["apps", "packages", "."] {
        let folders = std::fs::read_dir(dir.join(parent)).into_iter().flatten().flatten();
        for folder in folders {
            if ["app", "src/app"].iter().any(|app| folder.path().join(app).is_dir()) {
                return Some(Path::new(parent).join(folder.file_name()));
            }
        }
    }
    None
}

/// Reads what `edgehost routes` prints: columns with two blanks or more between them.
fn routes_in(table: &str) -> Vec<Route> {
    let of_line = |line: &str| {
        let mut cells = line.trim().split("  ").map(str::trim).filter(|cell| !cell.is_empty());
        let pattern = cells.next().filter(|pattern| pattern.starts_with('/'))?.to_owned();
        let cells: Vec<&str> = cells.collect();
        let is_method = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase());
        let methods = cells.iter().find(|cell| cell.split(' ').all(is_method));
        let methods = methods.map(|cell| cell.split(' ').map(str::to_owned).collect()).unwrap_or_default();
        let file = cells.iter().find(|cell| cell.contains("route.")).copied().unwrap_or_default().to_owned();
        Some(Route { pattern, methods, file })
    };
    table.lines().filter_map(of_line).collect()
}

/// A path that the pattern matches.
fn sample(pattern: &str) -> String {
    let segment = |segment: &str| match segment.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        None => Some(segment.to_owned()),
        // An optional catch-all may be left out.
        Some(name) if name.starts_with('[') => None,
        Some(name) if name.starts_with("...") => Some("a/b".to_owned()),
        Some(name) if name.to_lowercase().ends_with("id") => Some("1".to_owned()),
        Some(_) => Some("sample".to_owned()),
    };
    let path: Vec<String> = pattern.split('/').skip(1).filter_map(segment).collect();
    format!("/{}", path.join("/"))
}

fn has_body(method: &str) -> bool {
    !["GET", "HEAD", "OPTIONS"].contains(&method)
}

struct Answer {
    status: u16,
    /// The code of a failure, if edgehost answers and not the handler.
    error: Option<String>,
    /// How it begins, where the server failed.
    body: String,
}

/// One request, on a connection of its own.
fn ask(address: &str, method: &str, path: &str) -> anyhow::Result<Answer> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(5)))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_recv_body(Some(Duration::from_secs(3)))
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .build()
        .into();
    let request = http::Request::builder().method(method).uri(format!("http://{address}{path}"));
    let mut response = if has_body(method) {
        agent.run(request.header("content-type", "application/json").body("{}")?)?
    } else {
        agent.run(request.body(())?)?
    };
    let status = response.status().as_u16();
    let error = response.headers().get("x-edgehost-error");
    let error = error.map(|code| String::from_utf8_lossy(code.as_bytes()).into_owned());
    let mut body = Vec::new();
    if status >= 500 {
        // As far as it comes: a stream may go on for long.
        let _ = response.body_mut().as_reader().take(2000).read_to_end(&mut body);
    }
    Ok(Answer { status, error, body: String::from_utf8_lossy(&body).into_owned() })
}

/// edgehost, serving a project.
struct Serving {
    child: Child,
    address: String,
    log: Arc<Mutex<Vec<String>>>,
    /// Lines that were there before the first request.
    at_start: usize,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serving {
    /// Starts it and waits until it listens; otherwise what it said.
    fn start(binary: &Path, dir: &Path) -> Result<Self, String> {
        Self::spawn(binary, dir).map_err(|error| format!("{error:#}"))
    }

    fn spawn(binary: &Path, dir: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(binary);
        command.arg("serve").arg(dir).args(["--port", "0", "--log-format", "json"]);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start edgehost")?;
        let log = Arc::new(Mutex::new(Vec::new()));
        follow(child.stdout.take(), &log);
        follow(child.stderr.take(), &log);
        let mut server = Self { child, address: String::new(), log, at_start: 0 };
        let deadline = Instant::now() + BUNDLING;
        let mut seen = 0;
        loop {
            let lines = server.lines_since(seen);
            seen += lines.len();
            if let Some(address) =
                lines.iter().filter(|line| line.contains("istening on")).find_map(|line| address_in(line))
            {
                server.address = address;
                server.at_start = seen;
                return Ok(server);
            }
            if server.ended().is_some() && server.lines_since(seen).is_empty() {
                bail!("{}", first_error(&server.lines_since(0).join("\n")));
            }
            ensure!(Instant::now() < deadline, "not ready after {} minutes", BUNDLING.as_secs() / 60);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    fn mark(&self) -> usize {
        self.log.lock().map_or(0, |log| log.len())
    }

    fn lines_since(&self, mark: usize) -> Vec<String> {
        self.log.lock().map(|log| log[mark.min(log.len())..].to_vec()).unwrap_or_default()
    }

    /// The error that was logged since then. Lines may come a little after the answer.
    fn error_since(&self, mark: usize) -> Option<String> {
        let deadline = Instant::now() + Duration::from_millis(300);
        loop {
            let lines = self.lines_since(mark);
            if let Some(text) = lines.iter().find_map(|line| error_in(line)) {
                return Some(text);
            }
            if Instant::now() >= deadline {
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What was said of a file before the first request.
    fn told_at_start(&self, file: &str) -> Option<String> {
        let lines = self.lines_since(0);
        let of_start = &lines[..self.at_start.min(lines.len())];
        of_start.iter().find(|line| !line.starts_with("  /") && line.contains(file)).map(|line| text_of(line))
    }
}

fn follow(stream: Option<impl Read + Send + 'static>, log: &Arc<Mutex<Vec<String>>>) {
    let Some(stream) = stream else { return };
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if let Ok(mut log) = log.lock() {
                log.push(line);
            }
        }
    });
}

/// The text of a line, which may be JSON.
fn text_of(line: &str) -> String {
    let value = serde_json::from_str::<Value>(line).ok();
    value.and_then(|value| Some(value["message"].as_str()?.to_owned())).unwrap_or_else(|| line.to_owned())
}

/// The text of a line of the log that is an error, but not what the handler itself wrote.
fn error_in(line: &str) -> Option<String> {
    let value: Value = serde_json::from_str(line).ok()?;
    let is_error = value["level"].as_str().is_some_and(|level| level.eq_ignore_ascii_case("error"));
    let target = value["target"].as_str().unwrap_or_default();
    if !is_error || ["edgehost::access", "edgehost::console"].contains(&target) {
        return None;
    }
    let mut text = value["message"].as_str()?.to_owned();
    for field in ["limit", "error"] {
        if let Some(more) = value[field].as_str() {
            let _ = write!(text, " ({more})");
        }
    }
    Some(text)
}

/// What a handler logged as an error: with `console.error`, or with a logger that writes JSON.
fn console_error_in(line: &str) -> Option<String> {
    let value: Value = serde_json::from_str(line).ok()?;
    let is_error = value["level"].as_str().is_some_and(|level| level.eq_ignore_ascii_case("error"));
    let is_console = value["target"] == "edgehost::console";
    let text = value["message"].as_str().filter(|_| is_console)?;
    let own: Value = serde_json::from_str(text).unwrap_or_default();
    let is_own_error = own["level"].as_u64().is_some_and(|level| level >= 50) || own["level"] == "error";
    if !is_error && !is_own_error {
        return None;
    }
    let parts =
        [&own["message"], &own["msg"], &own["err"]["message"], &own["error"]["message"], &own["error"]];
    let parts: Vec<&str> = parts.into_iter().filter_map(Value::as_str).collect();
    Some(if parts.is_empty() { text.to_owned() } else { parts.join(": ") })
}

/// What an output says of the failure that ended it.
fn first_error(output: &str) -> String {
    let lines: Vec<String> = output.lines().map(text_of).collect();
    let from = lines.iter().position(|line| line.contains("error")).unwrap_or(lines.len().saturating_sub(5));
    lines[from..].iter().take(12).map(String::as_str).collect::<Vec<_>>().join("\n")
}

/// Marks of failures that another is to blame for: the database, the network, the settings
/// and the generated code that a checkout alone does not have.
const ANOTHERS: [(&str, &[&str]); 4] = [
    (
        "database",
        &[
            "econnrefused",
            "can't reach database",
            "prismaclientinitializationerror",
            "connection refused",
            "database server",
            "mongooseserverselectionerror",
        ],
    ),
    (
        "network",
        &[
            "enotfound",
            "eai_again",
            "getaddrinfo",
            "dns error",
            "failed to lookup address",
            "error sending request",
            "fetch failed",
            "tcp connect error",
            "etimedout",
            "enetunreach",
            "network is unreachable",
        ],
    ),
    (
        "settings",
        &[
            "environment variable",
            "env var",
            "is not set",
            "not configured",
            "must be set",
            "missing required",
            "missing env",
            "missing api key",
            "missing credentials",
            "api key",
            "apikey",
            "api_key",
            "database_url",
            "url is required",
            "secret is required",
            "invalid url",
            "no secret",
            "invalid value undefined for datasource",
        ],
    ),
    ("generated code", &["did not initialize yet", ".prisma/client", "prisma generate", "/generated/"]),
];

/// Marks of handlers that do not like a sample as input.
const OF_SAMPLES: [&str; 8] = [
    "content-type was not one of",
    "zoderror",
    "invalid input",
    "unexpected end of json",
    "cannot read properties of undefined",
    "cannot read properties of null",
    "cannot destructure property",
    "is not iterable",
];

/// Whose fault a failure is, by its code and by what the log says of it. Ours if nothing
/// says otherwise.
fn judge(dir: &Path, code: &str, text: &str, is_sampled: bool) -> Failure {
    let lower = text.to_lowercase();
    let headline = headline(&text.replace(&*dir.to_string_lossy(), "."));
    let reason = if headline.is_empty() { code.to_owned() } else { format!("{code}: {headline}") };
    let another = |what: &str| Failure { whose: Whose::Another, reason: format!("{what}: {reason}") };
    let ours = ["does not support", "not supported", "not implemented", "err_access_denied", "is refused"];
    if ours.iter().any(|mark| lower.contains(mark)) {
        return Failure { whose: Whose::Ours, reason };
    }
    if let Some(package) = missing_package(dir, text) {
        return another(&format!("`{package}` is not installed"));
    }
    for (what, marks) in ANOTHERS {
        if marks.iter().any(|mark| lower.contains(mark)) {
            return another(what);
        }
    }
    if code == "HANDLER_ERROR" && is_sampled && OF_SAMPLES.iter().any(|mark| lower.contains(mark)) {
        return another("sample input");
    }
    Failure { whose: Whose::Ours, reason }
}

/// The package that a text says cannot be found, and that is indeed not installed.
fn missing_package(dir: &Path, text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    let marks = [
        "cannot find module",
        "cannot find package",
        "could not resolve",
        "cannot resolve",
        "cannot be resolved",
    ];
    let at = marks.iter().filter_map(|mark| lower.find(mark)).min()?;
    // Lower case may have other lengths in other alphabets.
    let quoted = text.get(at..)?.split(['\'', '"', '`']).nth(1)?;
    let is_own = |specifier: &str| {
        specifier.is_empty() || [".", "/", "@/", "~", "#"].iter().any(|start| specifier.starts_with(start))
    };
    if is_own(quoted) || quoted.contains(':') {
        return None;
    }
    let parts = if quoted.starts_with('@') { 2 } else { 1 };
    let package = quoted.split('/').take(parts).collect::<Vec<_>>().join("/");
    let is_installed = dir.ancestors().any(|folder| folder.join("node_modules").join(&package).exists());
    (!is_installed).then_some(package)
}

/// The line that tells failures of one kind from others: no numbers, no places.
fn headline(text: &str) -> String {
    let plain = without_colours(text);
    let lines: Vec<&str> =
        plain.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("at ")).collect();
    let mut line = lines.first().copied().unwrap_or_default().to_owned();
    if line.ends_with(':')
        && let Some(next) = lines.get(1)
    {
        let _ = write!(line, " {next}");
    }
    let mut short = String::new();
    let mut was_digit = false;
    for c in line.chars() {
        let is_digit = c.is_ascii_digit();
        if !is_digit {
            short.push(c);
        } else if !was_digit {
            short.push('N');
        }
        was_digit = is_digit;
    }
    short.chars().take(200).collect()
}

fn without_colours(text: &str) -> String {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        if c == '\u{1b}' {
            characters.by_ref().find(|c| c.is_ascii_alphabetic());
        } else {
            plain.push(c);
        }
    }
    plain
}

impl Project {
    fn count(&self, is: impl Fn(&Asked) -> bool) -> usize {
        self.asked.iter().filter(|asked| is(asked)).count()
    }

    fn answered(&self) -> usize {
        self.count(|asked| asked.failure.is_none())
    }

    fn failed(&self, whose: Whose) -> usize {
        self.count(|asked| asked.failure.as_ref().is_some_and(|failure| failure.whose == whose))
    }

    fn report(&self) -> String {
        let mut text = format!(
            "{}: {}, {}, ready after {:.1} s with a peak of {:.0} MiB\n",
            self.name,
            counted(self.routes, "route"),
            counted(self.asked.len(), "request"),
            self.seconds,
            self.peak_mib
        );
        for note in &self.notes {
            let _ = writeln!(text, "  note: {note}");
        }
        if let Some(Failure { whose, reason }) = &self.problem {
            let whose = if *whose == Whose::Ours { "ours" } else { "another" };
            let _ = writeln!(
                text,
                "  the project failed for a reason of {whose}: {}",
                reason.replace('\n', "\n    ")
            );
        }
        let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
        for asked in self.asked.iter().filter(|asked| asked.failure.is_none()) {
            *statuses.entry(asked.status.unwrap_or_default()).or_default() += 1;
        }
        let statuses: Vec<String> =
            statuses.iter().map(|(status, count)| format!("{status}: {count}")).collect();
        let _ = writeln!(text, "  {:5} answered by the handler  ({})", self.answered(), statuses.join(", "));
        // A handler may have caught what is a fault of ours.
        groups(&mut text, &self.asked, |asked| {
            let body = headline(asked.body.as_ref()?);
            let logged = asked.logged.as_ref().map(|text| format!(" (logged: {})", headline(text)));
            Some(format!("{}: {body}{}", asked.status?, logged.unwrap_or_default()))
        });
        for (whose, words) in [(Whose::Ours, "a reason of ours"), (Whose::Another, "another reason")] {
            let _ = writeln!(text, "  {:5} failed for {words}", self.failed(whose));
            groups(&mut text, &self.asked, |asked| {
                asked
                    .failure
                    .as_ref()
                    .filter(|failure| failure.whose == whose)
                    .map(|failure| failure.reason.clone())
            });
        }
        text
    }
}

/// Requests by reason, the most frequent first.
fn groups(text: &mut String, asked: &[Asked], reason: impl Fn(&Asked) -> Option<String>) {
    let mut groups: BTreeMap<String, Vec<&Asked>> = BTreeMap::new();
    for asked in asked {
        if let Some(reason) = reason(asked) {
            groups.entry(reason).or_default().push(asked);
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, asked)| std::cmp::Reverse(asked.len()));
    for (reason, of_it) in groups {
        let names: Vec<String> =
            of_it.iter().take(NAMED).map(|asked| format!("{} {}", asked.method, asked.route)).collect();
        let more = if of_it.len() > NAMED { ", .." } else { "" };
        let _ = writeln!(text, "      {:5} {reason}\n              {}{more}", of_it.len(), names.join(", "));
    }
}

fn total(projects: &[Project]) -> String {
    let sum = |of: fn(&Project) -> usize| projects.iter().map(of).sum::<usize>();
    format!(
        "{}, {}, {}: {} answered by the handler, {} failed for a reason of ours, {} for another; {} failed as a whole",
        counted(projects.len(), "project"),
        counted(sum(|project| project.routes), "route"),
        counted(sum(|project| project.asked.len()), "request"),
        sum(Project::answered),
        sum(|project| project.failed(Whose::Ours)),
        sum(|project| project.failed(Whose::Another)),
        counted(projects.iter().filter(|project| project.problem.is_some()).count(), "project"),
    )
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_route_table_is_read() {
        let table = "  ROUTE              METHODS   FILE                            RUNTIME  MAXDURATION\n  \
                     /api/[id]/x        GET POST  src/app/api/[id]/x/route.ts     nodejs   -\n  \
                     /api/broken        -         src/app/api/broken/route.tsx    edge     30s\n";
        let route = |pattern: &str, methods: &[&str], file: &str| Route {
            pattern: pattern.to_owned(),
            methods: methods.iter().map(|&method| method.to_owned()).collect(),
            file: file.to_owned(),
        };
        assert_eq!(
            routes_in(table),
            [
                route("/api/[id]/x", &["GET", "POST"], "src/app/api/[id]/x/route.ts"),
                route("/api/broken", &[], "src/app/api/broken/route.tsx"),
            ]
        );
    }

    #[test]
    fn params_get_samples() {
        for (pattern, path) in [
            ("/", "/"),
            ("/api/users/[userId]/posts/[slug]", "/api/users/1/posts/sample"),
            ("/files/[...path]", "/files/a/b"),
            ("/auth/[[...all]]", "/auth"),
        ] {
            assert_eq!(sample(pattern), path);
        }
    }

    #[test]
    fn failures_are_ours_until_something_says_otherwise() {
        let dir = Path::new("/nowhere/project");
        let whose = |code: &str, text: &str, is_sampled| judge(dir, code, text, is_sampled).whose;
        for (code, text) in [
            ("HANDLER_ERROR", "TypeError: fs.lchmod is not a function"),
            ("HANDLER_ERROR", "TypeError: Cannot read properties of undefined (reading 'x')"),
            ("MODULE_INIT_FAILED", "ReferenceError: MessageChannel is not defined"),
            (
                "MODULE_INIT_FAILED",
                "Error: read access to \"/etc/x\" is refused: the environment variable ...",
            ),
            ("MEMORY_LIMIT", ""),
            ("NOT_FOUND", ""),
        ] {
            assert_eq!(whose(code, text, false), Whose::Ours, "{code} {text}");
        }
        for (text, is_sampled) in [
            ("Error: connect ECONNREFUSED 127.0.0.1:5432", false),
            ("PrismaClientInitializationError: Invalid `x` invocation", false),
            ("Error: Missing API key. Pass it to the constructor", false),
            ("TypeError: fetch failed\n  cause: dns error", false),
            ("Error: @prisma/client did not initialize yet. Please run \"prisma generate\"", false),
            ("Error: Cannot find module 'left-pad/x'", false),
            ("TypeError: Cannot read properties of undefined (reading 'x')", true),
        ] {
            assert_eq!(whose("HANDLER_ERROR", text, is_sampled), Whose::Another, "{text}");
        }
    }

    #[test]
    fn a_package_counts_as_missing_only_if_it_is() {
        let dir = std::env::temp_dir().join(format!("xtask-projects-{}", std::process::id()));
        let made = std::fs::create_dir_all(dir.join("node_modules/@scope/there"));
        made.expect("a temporary folder");
        let missing = |text: &str| missing_package(&dir, text);
        assert_eq!(missing("Could not resolve '@scope/absent/lib'"), Some("@scope/absent".into()));
        assert_eq!(missing("Could not resolve '@scope/there/lib'"), None);
        assert_eq!(missing("Cannot find module './own'"), None);
        assert_eq!(missing("Cannot find module '@/lib/db'"), None);
        assert_eq!(missing("Cannot find module"), None);
        let _ = std::fs::remove_dir_all(&dir);
    }

    #[test]
    fn errors_are_found_in_the_log() {
        let line = r#"{"level":"ERROR","target":"edgehost::error","message":"Error: no\n    at x"}"#;
        assert_eq!(error_in(line).as_deref(), Some("Error: no\n    at x"));
        let own = r#"{"level":"ERROR","target":"edgehost::console","message":"own"}"#;
        assert_eq!((error_in(own), console_error_in(own)), (None, Some("own".to_owned())));
        assert_eq!(console_error_in(line), None);
        let by_a_logger = r#"{"level":"INFO","target":"edgehost::console","message":"{\"level\":50,\"msg\":\"no\",\"err\":{\"message\":\"KEY\"}}"}"#;
        assert_eq!(console_error_in(by_a_logger).as_deref(), Some("no: KEY"));
        assert_eq!(console_error_in(&by_a_logger.replace("50", "30")), None);
        assert_eq!(error_in(r#"{"level":"INFO","target":"edgehost::access","message":"GET"}"#), None);
        assert_eq!(headline("\u{1b}[31mError\u{1b}[0m at ./a.ts:12:7\n at y"), "Error at ./a.ts:N:N");
        assert_eq!(headline("Uncaught:\n  TypeError: x"), "Uncaught: TypeError: x");
    }

    #[test]
    fn the_report_counts_and_groups() {
        let asked = |method: &str, status, failure: Option<(Whose, &str)>| Asked {
            method: method.to_owned(),
            route: "/a".to_owned(),
            file: "app/a/route.ts".to_owned(),
            status: Some(status),
            body: None,
            logged: None,
            failure: failure.map(|(whose, reason)| Failure { whose, reason: reason.to_owned() }),
        };
        let project = Project {
            name: "p".to_owned(),
            routes: 1,
            asked: vec![
                asked("GET", 401, None),
                asked("PUT", 500, Some((Whose::Ours, "x is not a function"))),
                asked("POST", 500, Some((Whose::Ours, "x is not a function"))),
                asked("PATCH", 500, Some((Whose::Another, "database"))),
            ],
            ..Project::default()
        };
        let report = project.report();
        assert!(report.contains("    1 answered by the handler  (401: 1)"), "{report}");
        assert!(report.contains("    2 x is not a function\n              PUT /a, POST /a\n"), "{report}");
        let total = total(&[project]);
        assert!(
            total.starts_with("1 project, 1 route, 4 requests: 1 answered by the handler, 2 failed for a reason of ours, 1 for another; 0 projects"),
            "{total}"
        );
    }
}
