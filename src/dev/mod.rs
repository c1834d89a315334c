//! An app while somebody works on it.
//!
//! Purpose: notice what changes in a project, have a new version take over, and show what is
//! wrong in a browser.
//! Key types: [`Dev`], [`Told`].
//! Where to look: `watch` notices, this file decides what to do about it and answers in the
//! place of `front`'s plain answers, `desk` knows what happened, `report` takes reports of
//! errors apart, `pages` writes HTML.
//! Never: printing; anything that a server would need.

mod desk;
mod pages;
mod report;
mod watch;

use std::collections::{BTreeSet, HashSet};
use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use edgehost_ext::message::{ResponseBody, response_stream};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY};
use http::{HeaderValue, Method, Response, StatusCode};
use parking_lot::Mutex;
use serde_json::json;

use self::desk::{Desk, Failure};
use self::pages::{Form, POLICY, Page};
use self::watch::{Change, Touch, Watcher};
use crate::bundle::{BundleError, Changes, Problem, Workshop};
use crate::error::Error;
use crate::front::{Asked, Failed, Pages};
use crate::host::{App, Deployed, EdgeHost, HostBuilder, Progress};
use crate::project::{Environment, is_metadata_file};
use crate::telemetry::Observer;
use crate::version::Version;

/// Paths that no route has while somebody works on the app.
const EVENTS: &str = "/_edgehost/events";
const ROUTES: &str = "/_edgehost/routes";

/// Most names of files that are told of one change.
const MOST_NAMED: usize = 16;

/// Has an app answer as its files are, whenever they change.
pub struct Dev {
    dir: PathBuf,
    polls: bool,
    any_host: bool,
    desk: Arc<Desk>,
    workshop: Arc<tokio::sync::Mutex<Workshop>>,
}

impl fmt::Debug for Dev {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dev").field("dir", &self.dir).field("polls", &self.polls).finish_non_exhaustive()
    }
}

/// What there is to tell.
#[derive(Debug)]
#[non_exhaustive]
pub enum Told<'a> {
    /// There is a version of the files as they are, and it gets every new request.
    Built {
        /// Whether it is the first.
        is_first: bool,
        /// From the last change to the moment from which on it answers.
        took: Duration,
        /// What changed, as it is seen from the project.
        files: &'a [String],
        /// Mistakes that keep routes from being bundled; these routes show them.
        errors: &'a [Problem],
        /// Complaints that stop nobody.
        warnings: &'a [Problem],
    },
    /// There is none; what answered before goes on.
    Failed {
        /// Why.
        error: &'a str,
    },
    /// Something that one should know.
    Remark(&'a str),
}

/// What a build has told.
#[derive(Debug, Default)]
struct Notes {
    hints: Vec<String>,
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
    inputs: Option<Vec<PathBuf>>,
}

/// What is to be done about changes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    /// Files whose content changed, and nothing else of them.
    contents: HashSet<PathBuf>,
    /// Whether everything is to be bundled anew.
    is_whole: bool,
    /// Whether settings may have changed.
    settings: bool,
}

impl Dev {
    /// For the project in `dir`, which need not be in order. `observer` is told as that of
    /// any host is.
    pub fn new(dir: impl Into<PathBuf>, observer: Arc<dyn Observer>) -> Self {
        let dir: PathBuf = dir.into();
        Self {
            dir: std::path::absolute(&dir).unwrap_or(dir),
            polls: false,
            any_host: false,
            desk: Arc::new(Desk::new(observer)),
            workshop: Arc::default(),
        }
    }

    /// Whether files are looked at again and again, where the system tells of no changes, as
    /// on some network drives.
    #[must_use]
    pub fn polling(mut self, polls: bool) -> Self {
        self.polls = polls;
        self
    }

    /// Whether requests may name any host. Otherwise they name an address or a name of this
    /// machine: a page of somebody else could lead its own name here.
    #[must_use]
    pub fn any_host(mut self, any_host: bool) -> Self {
        self.any_host = any_host;
        self
    }

    /// Sets up a host for it.
    pub fn prepare(&self, host: HostBuilder) -> HostBuilder {
        let pages = Studio { desk: self.desk.clone(), any_host: self.any_host };
        host.shared_observer(self.desk.clone()).pages(Arc::new(pages))
    }

    /// Lets pages go that wait for changes, so that the host can end.
    pub fn close(&self) {
        self.desk.close();
    }

    /// Has the app answer on `host`, and again after each change. `describe` says with what
    /// settings; its error is one of the user's files.
    ///
    /// # Errors
    ///
    /// None so far: what is wrong with the project is told, and shown.
    pub async fn run(
        &self,
        host: &EdgeHost,
        mut describe: impl FnMut() -> Result<App, String>,
        mut tell: impl FnMut(Told<'_>),
    ) -> Result<Infallible, Error> {
        let mut root = self.root();
        let (mut watcher, remark) = Watcher::new(&root, self.polls);
        let mut remarks: Vec<String> = remark.into_iter().collect();
        remarks.extend(watcher.look_around());
        let mut deployed: Option<Deployed> = None;
        let mut hints: Vec<String> = Vec::new();
        let mut plan = Plan { is_whole: true, settings: true, ..Plan::default() };
        let mut files: Vec<String> = Vec::new();
        let mut began = Instant::now();
        loop {
            remarks.drain(..).for_each(|remark| tell(Told::Remark(&remark)));
            self.workshop.lock().await.changed(if plan.is_whole {
                Changes::Unknown
            } else {
                Changes::Contents(std::mem::take(&mut plan.contents))
            });
            let notes = Arc::new(Mutex::new(Notes::default()));
            let taken = notes.clone();
            let result = match describe() {
                Err(text) => Err(Failure { text, problems: Vec::new() }),
                Ok(app) => {
                    let app = app
                        .in_workshop(self.workshop.clone())
                        .also_on_progress(move |progress| taken.lock().take(progress));
                    let renewed = match &deployed {
                        Some(deployed) => deployed.renew(app).await,
                        None => host.deploy(app).await.map(|first| {
                            deployed = Some(first);
                            true
                        }),
                    };
                    renewed.map_err(|error| Failure::of(&error))
                }
            };
            let Notes { hints: found, errors, warnings, inputs } = std::mem::take(&mut *notes.lock());
            for hint in found.iter().filter(|hint| !hints.contains(hint)) {
                tell(Told::Remark(hint));
            }
            hints = found;
            root = self.root();
            let was_failed = self.desk.failure().is_some();
            let has_errors = match result {
                Ok(is_new) => {
                    let is_first = inputs.is_some() && !self.desk.has_built();
                    if is_new || was_failed {
                        self.desk.built(errors.clone(), secrets(&root));
                    }
                    if is_new || was_failed || is_first {
                        let took = began.elapsed();
                        tell(Told::Built {
                            is_first,
                            took,
                            files: &files,
                            errors: &errors,
                            warnings: &warnings,
                        });
                    }
                    !errors.is_empty()
                }
                Err(failure) => {
                    tell(Told::Failed { error: &failure.text });
                    self.desk.failed(failure);
                    true
                }
            };
            if let Some(inputs) = inputs {
                watcher.read(&root, inputs);
            }
            remarks.extend(watcher.look_around());
            remarks.drain(..).for_each(|remark| tell(Told::Remark(&remark)));
            loop {
                let changes =
                    watcher.changes(|watcher, change| matters(&root, watcher, change, has_errors)).await;
                began = Instant::now();
                plan = Plan::of(&root, &watcher, &changes);
                files = named(&root, &changes);
                if plan != Plan::default() {
                    break;
                }
            }
        }
    }

    /// The folder of the project, also where there is none yet.
    fn root(&self) -> PathBuf {
        EdgeHost::project_root(&self.dir)
            .unwrap_or_else(|_| self.dir.canonicalize().unwrap_or_else(|_| self.dir.clone()))
    }
}

impl Notes {
    fn take(&mut self, progress: &Progress<'_>) {
        match progress {
            Progress::Found { hints, .. } => self.hints = hints.to_vec(),
            Progress::Bundled { warnings, errors, inputs, .. } => {
                self.warnings = warnings.to_vec();
                self.errors = errors.to_vec();
                self.inputs = Some(inputs.to_vec());
            }
            Progress::Bundling { .. } | Progress::ModuleState { .. } => {}
        }
    }
}

impl Failure {
    fn of(error: &Error) -> Self {
        let problems = match error {
            Error::Bundle(BundleError::Problems(problems)) => problems.clone(),
            _ => Vec::new(),
        };
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !text.contains(&cause_text) {
                text = format!("{text}: {cause_text}");
            }
            source = cause.source();
        }
        Self { text, problems }
    }
}

/// The variables that no page shows: those of the project's own files.
fn secrets(root: &Path) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(root).into_iter().flatten().filter_map(Result::ok);
    let files = entries.map(|entry| entry.path()).filter(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".env")) && path.is_file()
    });
    let of_process = Environment::of_process();
    let mut variables: Vec<(String, String)> = Vec::new();
    for file in files.filter_map(|path| Environment::from_file(path).ok()) {
        for (name, value) in file.iter() {
            let given = of_process.get(name).unwrap_or(value);
            variables.extend([value, given].map(|value| (name.to_owned(), value.to_owned())));
        }
    }
    desk::secrets(variables.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

/// Files that say how a project is served.
fn is_settings(name: &str) -> bool {
    name == "edgehost.toml" || name == ".env" || name.starts_with(".env.")
}

/// Files that say how modules are found, or that there are routes.
fn is_of_structure(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    (name.ends_with(".json") && (stem == "tsconfig" || stem == "jsconfig"))
        || matches!(
            name,
            "package.json"
                | "package-lock.json"
                | "pnpm-lock.yaml"
                | "yarn.lock"
                | "bun.lock"
                | "vercel.json"
        )
        || name.starts_with("next.config.")
        || (is_module(name) && matches!(stem, "route" | "middleware" | "proxy" | "instrumentation"))
}

fn is_module(name: &str) -> bool {
    const MODULES: [&str; 9] = ["ts", "tsx", "js", "jsx", "mjs", "cjs", "mts", "cts", "wasm"];
    name.rsplit_once('.').is_some_and(|(_, extension)| MODULES.contains(&extension))
}

/// Whether a change has to do with what is served.
fn matters(root: &Path, watcher: &Watcher, change: &Change, has_errors: bool) -> bool {
    let Change { path, touch, is_folder } = change;
    let Some(name) = path.file_name().map(|name| name.to_string_lossy()) else { return false };
    if path == root || watcher.is_input(path) {
        return true;
    }
    let (has_come, is_gone) = (*touch == Touch::Appeared, *touch == Touch::Gone);
    let Ok(inside) = path.strip_prefix(root) else {
        // Packages above the project, and what a workspace says of itself.
        let is_of_package = watch::is_of_package(path);
        return is_of_package && (has_come || is_gone) || is_of_structure(&name) && has_errors;
    };
    if watch::is_of_package(inside) {
        return has_come || is_gone;
    }
    if is_settings(&name) && inside.components().count() == 1 {
        return true;
    }
    if inside.components().any(|part| watch::is_passed_over(&part.as_os_str().to_string_lossy())) {
        return false;
    }
    match is_folder {
        true => has_come || is_gone,
        // Which files there are is known of a version; what is in them is not.
        false if inside.starts_with("public") => (has_come || is_gone) && !is_temporary(&name),
        false if is_of_structure(&name) => true,
        false if is_metadata_file(&name) => has_come || is_gone,
        false if is_module(&name) => has_come || is_gone || has_errors,
        // What an import looked for in vain may be any file.
        false => has_errors && (has_come || is_gone) && !is_temporary(&name),
    }
}

/// Whether a file is one of those that editors leave for a moment.
fn is_temporary(name: &str) -> bool {
    name.ends_with('~')
        || name.bytes().all(|byte| byte.is_ascii_digit())
        || name
            .rsplit_once('.')
            .is_some_and(|(_, extension)| matches!(extension, "swp" | "swx" | "tmp" | "bak"))
}

impl Plan {
    fn of(root: &Path, watcher: &Watcher, changes: &BTreeSet<Change>) -> Self {
        let mut plan = Self::default();
        for change in changes {
            let name = change.path.file_name().unwrap_or_default().to_string_lossy();
            if is_settings(&name) && change.path.parent() == Some(root) {
                plan.settings = true;
            } else if watcher.is_input(&change.path)
                && !change.is_folder
                && !watch::is_of_package(&change.path)
                && change.path.is_file()
            {
                plan.contents.insert(change.path.clone());
            } else {
                plan.is_whole = true;
            }
        }
        plan
    }
}

/// What changed, as it is seen from the project.
fn named(root: &Path, changes: &BTreeSet<Change>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for Change { path, .. } in changes {
        let shown = path.strip_prefix(root).unwrap_or(path).display().to_string();
        let shown = if shown.is_empty() { path.display().to_string() } else { shown };
        // A file that is replaced has a helper for a moment.
        if !names.contains(&shown) && (path.exists() || changes.len() == 1) && names.len() < MOST_NAMED {
            names.push(shown);
        }
    }
    if names.is_empty() {
        names.extend(
            changes
                .iter()
                .next()
                .map(|change| change.path.strip_prefix(root).unwrap_or(&change.path).display().to_string()),
        );
    }
    names
}

/// Answers for the host while somebody works on the app.
#[derive(Debug)]
struct Studio {
    desk: Arc<Desk>,
    any_host: bool,
}

impl Studio {
    /// Whether a request names this machine. A name that its owner leads here would give a
    /// page of his what the app says.
    fn is_own(host: Option<&str>) -> bool {
        let Some(host) = host else { return true };
        let host = host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
        host == "localhost" || host.ends_with(".localhost") || host.parse::<IpAddr>().is_ok()
    }

    fn page(&self, status: StatusCode, html: String) -> Response<ResponseBody> {
        let mut response = Response::new(ResponseBody::whole(html));
        *response.status_mut() = status;
        self.dress(&mut response, "text/html; charset=utf-8");
        response
    }

    fn dress(&self, response: &mut Response<ResponseBody>, kind: &'static str) {
        let headers = response.headers_mut();
        headers.remove(CONTENT_LENGTH);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(VARY, HeaderValue::from_static("accept"));
        headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
        if kind.starts_with("text/html") {
            headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
            if let Ok(policy) = HeaderValue::from_str(&POLICY) {
                headers.insert(CONTENT_SECURITY_POLICY, policy);
            }
        }
    }

    fn events(&self) -> Response<ResponseBody> {
        let (writer, body) = response_stream();
        self.desk.listen(writer);
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// Why there is no answer, as far as it is known.
    fn findings(&self, asked: &Asked, failed: &Failed<'_>) -> Findings {
        let root = asked.version.as_ref().map(|version| version.root.clone()).unwrap_or_default();
        let mut findings = Findings { root, ..Findings::default() };
        let report = match (failed.code, failed.route) {
            ("BUNDLE_FAILED", Some(route)) => {
                findings.problems = self.desk.problems_of(&route.pattern);
                if findings.problems.is_empty() { route.bundle_error.clone() } else { None }
            }
            ("MODULE_INIT_FAILED", Some(route)) => self.desk.report_of_module(&route.pattern),
            _ => self.desk.report_of(failed.request),
        };
        findings.report = report.map(|text| self.desk.without_secrets(&text));
        findings
    }

    fn html(&self, asked: &Asked, failed: &Failed<'_>) -> String {
        let mut page = Page::new(&self.desk);
        let status = format!("{} {}", failed.status.as_u16(), failed.code);
        let request = format!("request {}", failed.request);
        let what = format!("{} {}", asked.method, asked.path);
        let file = failed.route.map_or("", |route| route.file.as_str());
        // Loading a page again would send again what another method sends.
        let follows = asked.method == Method::GET;
        let failure = self.desk.failure();
        let Some(version) = &asked.version else {
            page.head(&status, true, &[&what]);
            match &failure {
                Some(failure) if !failure.problems.is_empty() => {
                    page.problems(Path::new(""), &failure.problems)
                }
                Some(failure) => page.title(&failure.text),
                None => page.title("The app is being bundled"),
            }
            page.foot(&[&request, if follows { "This page follows what you save." } else { "" }]);
            return page.whole(failed.text, follows, false);
        };
        page.head(&status, true, &[&what, file]);
        if let Some(failure) = &failure {
            page.banner(failure);
        }
        let findings = self.findings(asked, failed);
        let mut title = failed.text.to_owned();
        if !findings.problems.is_empty() {
            title.clone_from(&findings.problems[0].message);
            page.problems(&version.root, &findings.problems);
        } else if let Some(report) = &findings.report {
            let errors = report::parse(&version.root, report);
            title = errors.first().map_or(title, |error| error.message.clone());
            page.errors(&errors);
        } else if failed.status == StatusCode::NOT_FOUND {
            title = format!("No route answers {}", asked.path);
            page.title(&title);
            page.near(version, &asked.path);
            if version.table.find("/") == crate::project::Match::NotFound {
                page.tags("<p><a href=\"/\">All routes</a></p>");
            }
        } else {
            title = explain(failed, version).unwrap_or(title);
            page.title(&title);
        }
        let advice = advice(failed, version);
        if let Some(advice) = &advice {
            page.paragraph(advice);
        }
        page.foot(&[
            &request,
            if follows { "This page follows what you save." } else { "" },
            "Clients of `edgehost serve` see a phrase, a code and the request's id.",
        ]);
        page.whole(&title, follows, false)
    }

    fn json(&self, asked: &Asked, failed: &Failed<'_>) -> String {
        let findings = self.findings(asked, failed);
        let errors: Vec<serde_json::Value> = match &findings.report {
            None => Vec::new(),
            Some(report) => report::parse(&findings.root, report)
                .into_iter()
                .map(|error| {
                    json!({
                        "message": error.message,
                        "stack": error.frames.iter().map(|frame| json!({
                            "function": frame.function,
                            "file": frame.file,
                            "line": frame.line,
                            "column": frame.column,
                        })).collect::<Vec<_>>(),
                    })
                })
                .collect(),
        };
        let problems: Vec<serde_json::Value> = findings
            .problems
            .iter()
            .map(|problem| {
                json!({
                    "message": problem.message,
                    "didYouMean": problem.meant,
                    "file": problem.file,
                    "line": problem.line,
                    "column": problem.column,
                    "code": problem.code,
                    "importedBy": problem.imported_by,
                })
            })
            .collect();
        let version = asked.version.as_deref();
        let near: Vec<&str> = match (failed.status, version) {
            (StatusCode::NOT_FOUND, Some(version)) => {
                pages::near(version, &asked.path).into_iter().map(|route| route.pattern.as_str()).collect()
            }
            _ => Vec::new(),
        };
        let body = json!({
            "error": {
                "status": failed.status.as_u16(),
                "code": failed.code,
                "message": version.and_then(|version| explain(failed, version)).unwrap_or_else(|| failed.text.to_owned()),
                "request": failed.request.to_string(),
                "route": failed.route.map(|route| &route.pattern),
                "file": failed.route.map(|route| &route.file),
                "errors": errors,
                "problems": problems,
                "near": near,
                "build": self.desk.failure().map(|failure| failure.text),
            }
        });
        let text = serde_json::to_string_pretty(&body).unwrap_or_default();
        format!("{}\n", self.desk.without_secrets(&text))
    }

    /// What a plain answer has besides what a client of a server reads.
    fn text(&self, asked: &Asked, failed: &Failed<'_>) -> String {
        let findings = self.findings(asked, failed);
        let mut parts: Vec<String> = Vec::new();
        if failed.text.is_empty() {
            parts.extend(asked.version.as_deref().and_then(|version| explain(failed, version)));
        } else {
            parts.push(failed.text.to_owned());
        }
        parts.extend(findings.report);
        let problem = |problem: &Problem| Problem { breaks: Vec::new(), ..problem.clone() }.to_string();
        parts.extend(findings.problems.iter().map(problem));
        parts.extend(asked.version.as_deref().and_then(|version| advice(failed, version)));
        if let Some(version) = asked.version.as_deref().filter(|_| failed.status == StatusCode::NOT_FOUND) {
            let near: Vec<&str> =
                pages::near(version, &asked.path).into_iter().map(|route| route.pattern.as_str()).collect();
            if !near.is_empty() {
                parts.push(format!("did you mean {}?", near.join(", ")));
            }
        }
        parts.extend(self.desk.failure().map(|failure| failure.text));
        parts.push(format!("{}\nrequest {}", failed.code, failed.request));
        format!("{}\n", self.desk.without_secrets(&parts.join("\n\n")))
    }
}

/// What is known of a failure.
#[derive(Debug, Default)]
struct Findings {
    root: PathBuf,
    problems: Vec<Problem>,
    report: Option<String>,
}

/// A failure in words, where the phrase says little.
fn explain(failed: &Failed<'_>, _version: &Version) -> Option<String> {
    let route = failed.route?;
    match failed.status {
        StatusCode::METHOD_NOT_ALLOWED => {
            let methods = route.methods();
            let exported = crate::project::Method::ALL.into_iter().filter(|method| methods.contains(*method));
            let exported: Vec<&str> = exported.map(crate::project::Method::name).collect();
            let exported = if exported.is_empty() { "none".to_owned() } else { exported.join(", ") };
            Some(format!("{} exports no such method: it exports {exported}", route.file))
        }
        _ => None,
    }
}

/// What can be done about a limit.
fn advice(failed: &Failed<'_>, version: &Version) -> Option<String> {
    let limits = &version.limits;
    let mib = |bytes: u64| format!("{} MiB", bytes / (1024 * 1024));
    Some(match failed.code {
        "CPU_LIMIT" => {
            format!("A request may use {:?} of CPU time (--limit-cpu). Does a loop not end?", limits.cpu)
        }
        "MEMORY_LIMIT" => {
            format!("The isolate may hold {} (--limit-memory).", mib(limits.memory))
        }
        "HANDLER_TIMEOUT" => format!(
            "An answer has to begin within {:?} (--limit-first-byte) and end within {:?} (--limit-wall), unless the route exports `maxDuration`. Is a promise awaited that nothing resolves?",
            limits.first_byte, limits.wall
        ),
        "STARTUP_TIMEOUT" => format!(
            "A module has to load within {:?} of CPU time (--limit-startup-cpu) and {:?} in all (--limit-startup-wall). Does a top-level `await` wait for something that never comes?",
            limits.startup_cpu, limits.startup_wall
        ),
        "BODY_TOO_LARGE" => {
            format!("A request body may have {} bytes (--limit-request-body).", limits.request_body)
        }
        _ => return None,
    })
}

impl Pages for Studio {
    fn before(&self, asked: &Asked) -> Option<Response<ResponseBody>> {
        if !self.any_host && !Self::is_own(asked.host.as_deref()) {
            let host = asked.host.as_deref().unwrap_or_default();
            let text = format!(
                "'{host}' is no name of this machine, and dev mode answers no others: a page of somebody else could lead its name here. --host says where to listen, and that names do not matter.\n"
            );
            let mut response = Response::new(ResponseBody::whole(text));
            *response.status_mut() = StatusCode::FORBIDDEN;
            self.dress(&mut response, "text/plain; charset=utf-8");
            response.headers_mut().insert("x-edgehost-error", HeaderValue::from_static("FOREIGN_HOST"));
            return Some(response);
        }
        match (asked.path.as_str(), &asked.version) {
            (EVENTS, _) if asked.method == Method::GET => Some(self.events()),
            (ROUTES, Some(version)) => {
                let mut page = Page::new(&self.desk);
                page.index(version);
                Some(self.page(StatusCode::OK, page.part()))
            }
            _ => None,
        }
    }

    fn instead(
        &self,
        asked: &Asked,
        failed: &Failed<'_>,
        mut plain: Response<ResponseBody>,
    ) -> Response<ResponseBody> {
        let form = Form::of(asked);
        let is_index = asked.path == "/" && asked.method == Method::GET && failed.code == "NOT_FOUND";
        if let (true, Form::Html, Some(version)) = (is_index, form, &asked.version) {
            let mut page = Page::new(&self.desk);
            page.index(version);
            return self.page(StatusCode::OK, page.whole("edgehost dev", true, true));
        }
        let (body, kind) = match form {
            Form::Html => (self.html(asked, failed), "text/html; charset=utf-8"),
            Form::Json => (self.json(asked, failed), "application/json"),
            Form::Text => (self.text(asked, failed), "text/plain; charset=utf-8"),
        };
        *plain.body_mut() = ResponseBody::whole(body);
        self.dress(&mut plain, kind);
        plain
    }
}
