//! Starts an isolate from the snapshot.

use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use deno_core::{CrossIsolateStore, JsRuntime, RuntimeOptions, v8};
use deno_error::JsErrorBox;
use deno_tls::rustls::RootCertStore;
use deno_tls::rustls::pki_types::CertificateDer;
use edgehost_ext::message::{Exchanges, Spent};
use edgehost_ext::{
    AppFacts, Ceilings, ConsoleLine, DiskModules, Held, Layer, Level, Settings, SharedExchanges, app_sys,
    extensions, no_stdio,
};

use super::invoke::Functions;
use super::load::Rejections;
use super::loader::BundleLoader;
use super::report::without_host_frames;
use super::{compiled, current};
use crate::enforcer::{
    Cause, OnWedge, Quota, ScopeKey, Sighting, Slot, Verdict, Wedge, guard_heap, guard_queries, has_room,
    is_turn_over, run_out,
};
use crate::limits::Exceeded;
use crate::project::Runtime;
use crate::telemetry::{Event, Printed};
use crate::version::Version;

/// What isolates of a layer start from. Scripts that a snapshot did not consume are
/// loaded from the tables.
struct Base {
    snapshot: &'static [u8],
    scripts: &'static [(&'static str, &'static str)],
    modules: &'static [(&'static str, &'static str)],
}

mod web {
    include!(concat!(env!("OUT_DIR"), "/web_residual.rs"));
}

mod node {
    include!(concat!(env!("OUT_DIR"), "/node_residual.rs"));
}

static WEB: Base = Base {
    snapshot: include_bytes!(concat!(env!("OUT_DIR"), "/web.snapshot")),
    scripts: web::WEB_SCRIPTS,
    modules: web::WEB_MODULES,
};

static NODE: Base = Base {
    snapshot: include_bytes!(concat!(env!("OUT_DIR"), "/node.snapshot")),
    scripts: node::NODE_SCRIPTS,
    modules: node::NODE_MODULES,
};

/// Which engine takes a code cache: the version of V8, and the snapshots. The first bytes of
/// one hold its checksums.
pub(crate) fn engine() -> String {
    let head = NODE.snapshot.get(..16).unwrap_or_default();
    let head: String = head.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("V8 {} {head}", v8::V8::get_version())
}

/// Takes the runtime functions and removes every trace of the bootstrap.
const START: &str = r#"(() => {
  const { core } = Deno;
  delete globalThis.Deno;
  delete globalThis.__bootstrap;
  core.loadExtScript("ext:edgehost/09_ops.js").takeOver(core.ops);
  return core.loadExtScript("ext:edgehost/51_dispatch.js");
})()"#;

/// Loop unrolling drops the interrupt check of some endless loops, such as
/// `while (true) list.push(new Array(1000))`: neither a limit nor a termination
/// would ever reach them.
///
/// Pages of an isolate that has ended are given back at once. V8 would keep them for the next
/// one, as many as the largest had.
const V8_FLAGS: &str = "--no-turboshaft-loop-unrolling --no-memory-pool-share-memory-on-teardown";

/// What a WebAssembly memory may have in any case, for hosts that are started later.
const LEAST_WASM_MEMORY: u64 = 512 * 1024 * 1024;

/// Bytes of a page of WebAssembly memory, and how many there may be at the most.
const WASM_PAGE: u64 = 64 * 1024;
const MOST_WASM_PAGES: u64 = 64 * 1024;

/// Starts V8's platform. A WebAssembly memory may be as large as `memory`, which the first
/// caller settles for the process, or larger if it is not the only one: the limit of each
/// isolate holds besides. Wants to be called before the threads that run isolates are started,
/// so that they inherit the rights to its protected memory.
pub(crate) fn init_platform(memory: u64, is_only: bool) {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        if is_only {
            compiled::flags_are_ours();
        }
        v8::V8::set_flags_from_string(V8_FLAGS);
        // A single instruction fills a memory, and nothing interrupts it.
        let memory = if is_only { memory } else { memory.max(LEAST_WASM_MEMORY) };
        let pages = (memory / WASM_PAGE).min(MOST_WASM_PAGES);
        v8::V8::set_flags_from_string(&format!("--wasm-max-mem-pages={pages}"));
        // deno_fetch asks rustls for the provider of the process. Where several are
        // compiled in, rustls cannot choose and panics, inside an op, which aborts.
        // One that the embedding program has chosen stays.
        let _ = deno_tls::rustls::crypto::aws_lc_rs::default_provider().install_default();
        JsRuntime::init_platform(None);
    });
}

/// An isolate could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start an isolate: {0}")]
pub(crate) struct BootError(String);

/// What `boot` makes.
pub(super) struct Booted {
    pub(super) id: current::IsolateId,
    pub(super) runtime: JsRuntime,
    pub(super) functions: Functions,
    pub(super) exchanges: SharedExchanges,
    pub(super) slot: Arc<Slot>,
    pub(super) rejections: Rc<Rejections>,
}

pub(super) fn boot(version: &Arc<Version>, kind: Runtime, wedge: &Arc<Wedge>) -> Result<Booted, BootError> {
    let limits = &version.limits;
    let quota = Quota::new(limits.memory);
    let held = Held::default();
    let (watched, guard) = (held.clone(), version.guard.clone());
    let told = on_wedge(version, wedge);
    let slot = Slot::new(limits.memory, quota.clone(), watched, guard, wedge.clone(), told);
    quota.report_to(&slot);
    let grown = Arc::downgrade(&slot);
    held.on_growth(move || {
        if let Some(slot) = grown.upgrade() {
            slot.measure_soon();
        }
    });
    let exchanges = SharedExchanges::new(Exchanges::new(version.site.clone()).into());
    exchanges.borrow_mut().behind.set_budget(limits.after, limits.cpu);
    let rejections = Rc::<Rejections>::default();
    let sys = app_sys(&version.root);
    let settings = Settings {
        facts: AppFacts {
            env: Rc::new(version.env.clone()),
            draft_secret: version.draft_secret.as_str().into(),
            production: version.production,
            may_spawn: version.access.may_spawn(),
            kept: version.access.kept().into(),
            edge: kind == Runtime::Edge,
            root: version.root.as_path().into(),
            assets: version.access.assets().into(),
            ceilings: Ceilings {
                cpu: limits.cpu.as_secs_f64(),
                memory: limits.memory as f64,
                sockets: limits.sockets as f64,
            },
            is_over: is_turn_over,
            has_room,
            run_out,
            explain: {
                let version = version.clone();
                Rc::new(move |kind, target| version.access.explain(kind, target))
            },
        },
        console: console(version.clone(), rejections.clone()),
        thrown: {
            let rejections = rejections.clone();
            Rc::new(move |value| rejections.saw(value))
        },
        exchanges: exchanges.clone(),
        root_certificates: Some(Arc::new(SystemCertificates)),
        permissions: version.access.checks(&sys),
        sys,
        held,
        stdio: Some(no_stdio().map_err(|error| BootError(error.to_string()))?),
    };
    let layer = version.layer(kind);
    // Edge routes have what was bundled, and nothing else.
    let disk = (kind == Runtime::NodeJs && layer == Layer::Node).then(|| DiskModules::new(&settings));
    let base = match layer {
        Layer::Web => &WEB,
        Layer::Node => &NODE,
    };
    let heap = usize::try_from(limits.memory).unwrap_or(usize::MAX);
    guard_queries();
    current::leave();
    let mut runtime = JsRuntime::try_new(RuntimeOptions {
        module_loader: Some(Rc::new(BundleLoader { version: version.clone(), kind, disk })),
        extensions: extensions(layer, settings),
        startup_snapshot: Some(base.snapshot),
        #[cfg(test)]
        op_metrics_factory_fn: Some(super::op_calls::watch()),
        residual_lazy_js_sources: base.scripts,
        residual_lazy_esm_sources: base.modules,
        create_params: Some(
            v8::CreateParams::default().heap_limits(0, heap).array_buffer_allocator(quota.allocator()),
        ),
        // Without one, a transferred buffer would be copied and stay with its sender.
        shared_array_buffer_store: Some(CrossIsolateStore::default()),
        // And a WebAssembly module could not be cloned.
        compiled_wasm_module_store: Some(CrossIsolateStore::default()),
        ..Default::default()
    })
    .map_err(|error| BootError(error.to_string()))?;
    let id = current::IsolateId::next();
    current::adopt(id, &mut runtime);
    if version.chunks.values().any(|chunk| chunk.cache.is_some()) {
        compiled::learn_flags(&mut runtime);
    }
    // A handler that waits on an Atomics cell would hold its whole shard.
    runtime.v8_isolate().set_allow_atomics_wait(false);
    runtime.v8_isolate().set_prepare_stack_trace_callback(without_host_frames);

    let started =
        runtime.execute_script("ext:edgehost/start", START).map_err(|error| BootError(error.to_string()))?;
    let functions = functions(&mut runtime, &started, kind, &exchanges).ok_or_else(|| {
        BootError("runtime-js/51_dispatch.js does not return the functions that the host calls".to_owned())
    })?;
    guard_heap(&mut runtime, &slot);
    slot.watch(runtime.v8_isolate().thread_safe_handle());
    Ok(Booted { id, runtime, functions, exchanges, slot, rejections })
}

fn functions(
    runtime: &mut JsRuntime,
    started: &v8::Global<v8::Value>,
    kind: Runtime,
    exchanges: &SharedExchanges,
) -> Option<Functions> {
    let context = runtime.main_context();
    let judge = judge(exchanges.clone());
    let (functions, scope_key) = {
        deno_core::scope!(scope, runtime);
        let started = v8::Local::new(scope, started);
        let started = v8::Local::<v8::Object>::try_from(started).ok()?;
        let function = |name: &'static str| {
            let key = v8::String::new(scope, name)?;
            let value = started.get(scope, key.into())?;
            let function = v8::Local::<v8::Function>::try_from(value).ok()?;
            Some(v8::Global::new(scope, function))
        };
        let functions = Functions {
            context: context.clone(),
            dispatch: function("dispatch")?,
            ended: function("ended")?,
            register: function("register")?,
        };
        let key = v8::String::new(scope, "scopeKey")?;
        let scope_key = started.get(scope, key.into())?;
        if kind == Runtime::Edge {
            // As the Edge Runtime has it: `eval` and `new Function` throw EvalError.
            scope.get_current_context().set_allow_generation_from_strings(false);
        }
        (functions, v8::Global::new(scope, scope_key))
    };
    runtime.v8_isolate().set_slot(ScopeKey { context, key: scope_key, judge });
    Some(functions)
}

/// Tells the log, and those who wait for this thread, that it does not come back.
fn on_wedge(version: &Arc<Version>, wedge: &Arc<Wedge>) -> OnWedge {
    let (version, wedge) = (version.clone(), wedge.clone());
    Box::new(move |exceeded, behalf| {
        if wedge.is_wedged() {
            // Another isolate of the thread, or V8 itself, has told of it.
            return;
        }
        let route = behalf.and_then(|behalf| version.routes.get(behalf.route));
        tracing::error!(
            route = route.map_or("", |route| route.pattern.as_str()),
            request = behalf.map(|behalf| behalf.request.to_string()).unwrap_or_default(),
            limit = %exceeded,
            "{exceeded} limit passed in native code that nothing can interrupt: its thread is given up"
        );
        wedge.report();
    })
}

/// A turn of work after the answer that takes longer than this is ended when its budget
/// is used up; others are the last ones.
const LONG_TURN: Duration = Duration::from_millis(100);

/// Charges who is found running, and tells if the time of that request is up. Where it is
/// not known who runs, it is the only one in flight.
fn judge(exchanges: SharedExchanges) -> Box<dyn Fn(Sighting) -> Option<Verdict>> {
    Box::new(move |Sighting { handle, cpu, turn, now }| {
        // An op may be using them at this moment; it is asked again.
        let mut exchanges = exchanges.try_borrow_mut().ok()?;
        let culprit = handle.or_else(|| exchanges.alone(now))?;
        let verdict = |exceeded| Verdict { cause: Cause::Exceeded(exceeded), culprit: Some(culprit) };
        if let Some(deadline) = exchanges.deadline(culprit) {
            exchanges.charge(culprit, cpu, now);
            return (deadline <= now).then(|| verdict(Exceeded::Wall));
        }
        let exceeded = match exchanges.charge(culprit, cpu, now)? {
            Spent::Cpu => Exceeded::Cpu,
            Spent::Time => Exceeded::Wall,
        };
        (turn >= LONG_TURN).then(|| verdict(exceeded))
    })
}

/// Writes what user code prints into the host's log.
fn console(version: Arc<Version>, rejections: Rc<Rejections>) -> edgehost_ext::ConsoleSink {
    Rc::new(move |line: &ConsoleLine<'_>| {
        if let (Some(reason), None) = (&line.reason, &line.request)
            && !rejections.is_news(reason, line.text)
        {
            return;
        }
        let level = match line.level {
            Level::Debug => tracing::Level::DEBUG,
            Level::Info => tracing::Level::INFO,
            Level::Warn => tracing::Level::WARN,
            Level::Error | Level::Uncaught => tracing::Level::ERROR,
        };
        let is_uncaught = line.level == Level::Uncaught;
        let text = if is_uncaught { version.report(line.text) } else { version.readable(line.text) };
        let request = line.request.as_ref();
        let route = request.and_then(|request| version.routes.get(request.route));
        version.observer.observe(Event::Console(Printed {
            app: version.name.as_deref(),
            level,
            is_uncaught,
            text: &text,
            route: route.map(|route| route.pattern.as_str()),
            request: request.map(|request| request.id),
            x_request_id: request.and_then(|request| request.x_request_id.as_ref()?.to_str().ok()),
        }));
    })
}

/// The certificates that the system trusts, read on first use; Mozilla's where it has none.
struct SystemCertificates;

impl deno_tls::RootCertStoreProvider for SystemCertificates {
    fn get_or_try_init(&self) -> Result<&RootCertStore, JsErrorBox> {
        static STORE: OnceLock<RootCertStore> = OnceLock::new();
        Ok(STORE.get_or_init(|| {
            let mut store = RootCertStore::empty();
            match deno_tls::deno_native_certs::load_native_certs() {
                Ok(certificates) => {
                    store.add_parsable_certificates(
                        certificates.into_iter().map(|found| CertificateDer::from(found.0)),
                    );
                }
                Err(error) => tracing::warn!(%error, "cannot read the system's certificates"),
            }
            if store.is_empty() { deno_tls::create_default_root_cert_store() } else { store }
        }))
    }
}
