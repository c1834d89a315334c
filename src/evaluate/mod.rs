//! Programs of a project that are run once, before anything is served: `next.config`.
//!
//! Purpose: run a configuration in an isolate of its own, under limits, and hand over what
//! it sets as data.
//! Key types: [`Circumstances`].
//! Where to look: `runtime-js/45_next_config.js` is the other half.
//! Never: requests; what the values mean.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use edgehost_ext::message::{Origin, Presence, RequestBody, RequestHead, RequestId};
use http::{HeaderMap, Uri};
use http_body_util::BodyExt;

use crate::build::Build;
use crate::bundle::{Conditions, ConfigKey, ConfigModule};
use crate::enforcer::{Guard, Wedge};
use crate::isolate::{self, CallError, Invocation, Isolate, LoadError};
use crate::limits::{Exceeded, Limits};
use crate::permissions::Permissions;
use crate::project::{Environment, Evaluated, Method, NextConfig, ProjectError, Runtime};
use crate::telemetry::Observer;
use crate::version::{Settings, Version};

/// Stack of the thread; as that of a shard.
const STACK: usize = 16 * 1024 * 1024;

/// Least memory of the isolate: plugins bring compilers along.
const LEAST_MEMORY: u64 = 256 * 1024 * 1024;

/// What a configuration is run with.
pub(crate) struct Circumstances<'a> {
    /// What the log calls the app.
    pub(crate) name: Option<Arc<str>>,
    /// Its `process.env`, as far as the permissions show it.
    pub(crate) environment: &'a Environment,
    /// What it may reach.
    pub(crate) permissions: &'a Permissions,
    /// Which variants of packages it gets.
    pub(crate) conditions: &'a Conditions,
    /// Whether what it sets is kept in the project's `.edgehost/`.
    pub(crate) is_kept: bool,
    /// Ceilings; those of modules that are loaded hold.
    pub(crate) limits: &'a Limits,
    /// Is told what it prints.
    pub(crate) observer: Arc<dyn Observer>,
    /// Looks after the memory of all isolates.
    pub(crate) guard: Arc<Guard>,
}

/// What the script of the host answers.
#[derive(serde::Deserialize)]
struct Told {
    settings: Option<Evaluated>,
    #[serde(default)]
    error: String,
}

/// What the `next.config` of the project in `root` sets; nothing where there is none.
///
/// # Errors
///
/// [`ProjectError::NextConfig`] where it cannot be bundled, fails, takes too long, or sets
/// what cannot be.
pub(crate) async fn next_config(
    root: &Path,
    circumstances: Circumstances<'_>,
) -> Result<NextConfig, ProjectError> {
    let Some(path) = NextConfig::file_of(root) else { return Ok(NextConfig::default()) };
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let failed = |problem: String| ProjectError::NextConfig { file: file.clone(), problem };
    let Circumstances { name, environment, permissions, conditions, is_kept, limits, observer, guard } =
        circumstances;
    let visible: Vec<(&str, &str)> = environment.iter().filter(|(name, _)| permissions.shows(name)).collect();
    let key = ConfigKey::new(&file, conditions, &format!("{visible:?}{permissions:?}"));
    if is_kept && let Some(kept) = key.kept(root) {
        return Ok(kept);
    }
    let module = ConfigModule::bundle(root, &path, &file, conditions);
    let (build, recorded) = module.await.map_err(|error| failed(error.to_string()))?.into_parts();
    let mut limits = limits.clone();
    limits.memory = limits.memory.max(LEAST_MEMORY);
    (limits.cpu, limits.wall, limits.first_byte) =
        (limits.startup_cpu, limits.startup_wall, limits.startup_wall);
    let settings = Settings {
        name,
        limits,
        permissions: permissions.clone(),
        environment: environment.clone(),
        draft_secret: String::new(),
        public_origin: None,
        observer,
        guard,
    };
    let told = run(root.to_owned(), build, settings).await.map_err(failed)?;
    let evaluated = told.settings.ok_or_else(|| failed(told.error))?;
    let config = NextConfig::new(file.clone(), evaluated).map_err(|problems| failed(problems.join("\n")))?;
    if is_kept {
        recorded.keep(root, key, &config);
    }
    Ok(config)
}

/// Runs a configuration on a thread of its own, which ends with it.
async fn run(root: PathBuf, build: Build, settings: Settings) -> Result<Told, String> {
    isolate::init_platform(settings.limits.memory, false);
    let version = Version::new(root, build, settings)?;
    let wedge = Wedge::new();
    let (send, receive) = tokio::sync::oneshot::channel();
    let own = wedge.clone();
    let begin = move || {
        own.adopt();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let result = match runtime {
            Ok(runtime) => tokio::task::LocalSet::new().block_on(&runtime, evaluated(&version, &own)),
            Err(error) => Err(error.to_string()),
        };
        let _ = send.send(result);
    };
    std::thread::Builder::new()
        .name("edgehost-config".into())
        .stack_size(STACK)
        .spawn(begin)
        .map_err(|error| error.to_string())?;
    tokio::select! {
        result = receive => result.unwrap_or_else(|_dropped| Err("running it panicked".to_owned())),
        () = wedge.wedged() => Err("it does not come back from native code".to_owned()),
    }
}

/// Loads the module and asks it.
async fn evaluated(version: &Arc<Version>, wedge: &Arc<Wedge>) -> Result<Told, String> {
    let isolate = Isolate::start(version, Runtime::NodeJs, wedge).map_err(|error| error.to_string())?;
    let loaded = isolate.load(0, None).await;
    let result = match loaded {
        Ok(()) => ask(version, &isolate).await,
        Err(LoadError::Failed) => Err(version.report(&version.routes[0].failure())),
        Err(LoadError::Exceeded(limit)) => Err(exceeded(limit, &version.limits)),
        Err(LoadError::IsolateOver) => Err(match version.routes[0].startup_failed() {
            Some(limit) => exceeded(limit, &version.limits),
            None => "its isolate ended".to_owned(),
        }),
    };
    isolate.retire();
    result
}

async fn ask(version: &Arc<Version>, isolate: &std::rc::Rc<Isolate>) -> Result<Told, String> {
    let head = RequestHead {
        method: http::Method::GET,
        uri: Uri::from_static("/"),
        path: None,
        origin: Origin::of_nobody(),
        raw_headers: HeaderMap::new(),
        params: Vec::new(),
        route: 0,
        id: RequestId::next(),
        x_request_id: None,
        clean: true,
        given: None,
    };
    let invocation = Invocation {
        version: version.clone(),
        head,
        body: RequestBody::Empty,
        method: Method::Get,
        started: Instant::now(),
        client: Presence::default(),
    };
    let answer = isolate.call(invocation).await.map_err(|error| match error.error {
        CallError::Exceeded(limit) | CallError::Startup(limit) => exceeded(limit, &version.limits),
        CallError::Panicked => "native code panicked".to_owned(),
        _ => "it ended itself, or what it returns is no data: the log says more".to_owned(),
    })?;
    let body = answer.body.collect().await.map_err(|error| error.to_string())?.to_bytes();
    let mut told: Told = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    told.error = version.report(&told.error);
    Ok(told)
}

fn exceeded(limit: Exceeded, limits: &Limits) -> String {
    let time = |time: Duration| format!("{time:?}");
    match limit {
        Exceeded::Cpu => format!(
            "it used more than {} of CPU time (--limit-startup-cpu allows more)",
            time(limits.startup_cpu)
        ),
        Exceeded::Wall => format!(
            "it did not finish within {} (--limit-startup-wall allows more)",
            time(limits.startup_wall)
        ),
        Exceeded::Memory => format!(
            "it used more than {} MiB of memory (--limit-memory allows more)",
            limits.memory / (1024 * 1024)
        ),
    }
}
