//! The Node layer: `deno_node` and what it needs, in an app whose bundle wants it.
//!
//! Purpose: the extensions behind `node:` modules, and what stands in for the
//! parts of Deno's own runtime that they expect.
//! Where to look: `ops` for what is answered differently here, `keys` for those that are refused, `require` and `disk` for
//! modules that are read while the app runs.
//! Never: which app gets the layer; what user code may reach.

mod disk;
mod keys;
mod ops;
mod require;

use std::borrow::Cow;
use std::fs::OpenOptions;
use std::path::Path;
use std::rc::Rc;

use deno_core::{Extension, v8};
use deno_fs::{FileSystemRc, RealFs};
use deno_node::{ContextInitMode, NodeExtInitServices, VM_CONTEXT_INDEX};
use node_resolver::cache::NodeResolutionSys;
use node_resolver::{
    DenoIsBuiltInNodeModuleChecker, NodeConditionOptions, NodeResolver, NodeResolverOptions,
    PackageJsonResolver, PackageJsonResolverRc,
};
use sys_traits::impls::{CwdSys, RealSys};

pub use self::disk::{DiskModule, DiskModules};
use self::keys::*;
use self::ops::*;
pub use self::require::wants_threads;
use self::require::{Packages, Require};
use crate::list::Settings;

/// The system as an isolate sees it: its working directory is its own, and
/// `process.chdir` moves nothing else. Clones share it.
pub type AppSys = CwdSys<RealSys>;

/// The system, as seen from a folder.
pub fn app_sys(folder: &Path) -> AppSys {
    let folder = if folder.as_os_str().is_empty() { Path::new("/") } else { folder };
    #[expect(clippy::expect_used, reason = "fails for an empty path only")]
    CwdSys::new_with_cwd(RealSys, folder).expect("the path is not empty")
}

/// The version of Node.js that packages are told.
pub use deno_node::NODE_VERSION;

/// Built-in modules of Node.js that `deno_node` does not list.
const UNLISTED: [&str; 3] = ["_http_client", "_http_incoming", "_stream_wrap"];

/// Whether a name, without `node:`, is that of a built-in module.
pub fn is_builtin(name: &str) -> bool {
    deno_node::is_builtin_node_module(name) && !matches!(name, "sqlite" | "test" | "test/reporters")
        || UNLISTED.contains(&name)
}

deno_core::extension!(
    edgehost_node,
    deps = [deno_node],
    ops = [
        op_bootstrap_color_depth,
        op_bootstrap_unstable_args,
        op_create_worker,
        op_current_thread_cpu_usage,
        op_edgehost_check_key,
        op_edgehost_end_if_over,
        op_edgehost_is_confined,
        op_edgehost_is_pipe,
        op_edgehost_keeps,
        op_edgehost_may_spawn,
        op_edgehost_nonblock,
        op_edgehost_open_nothing,
        op_edgehost_owns_descriptor,
        op_edgehost_process_ids,
        op_edgehost_set_env,
        op_edgehost_socket_path,
        op_edgehost_target,
        op_edgehost_v8_version,
        op_host_get_worker_cpu_usage,
        op_host_post_message,
        op_host_post_message_raw,
        op_host_recv_ctrl,
        op_host_recv_message,
        op_host_recv_message_sync,
        op_host_terminate_worker,
        op_http_notify_serving,
        op_http_serve_address_override,
        op_napi_open,
        op_node_worker_thread_post_message,
        op_node_worker_thread_recv_message,
        op_node_worker_thread_register,
        op_node_worker_thread_set_listener_count,
        op_set_raw,
    ],
    esm_entry_point = "ext:edgehost_node/03_builtins.js",
    esm = [
        dir "../../runtime-js",
        "ext:edgehost_node/02_node.js" = "node/02_node.js",
        "ext:edgehost_node/02_gaps.js" = "node/02_gaps.js",
        "ext:edgehost_node/02_sqlite.js" = "node/02_sqlite.js",
        "ext:edgehost_node/03_builtins.js" = "node/03_builtins.js",
        "ext:runtime/98_global_scope_shared.js" = "node/00_global_scope.js",
    ],
    lazy_loaded_esm = [
        dir "../../runtime-js",
        "node:_stream_wrap" = "node/stream_wrap.js",
        "node:sea" = "node/sea.js",
    ],
    lazy_loaded_js = [
        dir "../../runtime-js",
        "ext:deno_telemetry/telemetry.ts" = "node/00_telemetry.js",
        "ext:deno_telemetry/util.ts" = "node/00_telemetry_util.js",
        "ext:edgehost_node/02_natives.js" = "node/02_natives.js",
        "ext:edgehost_node/02_resource_timing.js" = "node/02_resource_timing.js",
        "ext:edgehost_node/02_storage.js" = "node/02_storage.js",
        "ext:edgehost_node/41_globals.js" = "node/41_globals.js",
    ],
    options = { sys: AppSys },
    middleware = replace,
    state = |state, options| {
        state.put(options.sys);
    },
);

/// What the Node layer adds, before the extension of edgehost itself.
pub(crate) fn extensions(settings: &mut Settings) -> Vec<Extension> {
    let fs: FileSystemRc = deno_fs::sync::new_rc(RealFs);
    vec![
        deno_net::deno_net::init(settings.root_certificates.clone(), None),
        deno_tls::deno_tls::init(),
        deno_io::deno_io::init(settings.stdio.take()),
        deno_fs::deno_fs::init(fs.clone()),
        deno_os::deno_os::init(Some(deno_os::ExitCode::default())),
        deno_process::deno_process::init(None),
        deno_node_crypto::deno_node_crypto::init(),
        deno_node_sqlite::deno_node_sqlite::init(),
        deno_node::deno_node::init::<Packages, Packages, AppSys>(Some(services(settings)), fs),
    ]
}

/// The standard streams of the process are the host's. What user code writes goes
/// into the log (runtime-js/node); what native code would write goes nowhere.
///
/// # Errors
///
/// When the process has no file descriptor left.
pub fn no_stdio() -> std::io::Result<deno_io::Stdio> {
    let nothing = || {
        let file = OpenOptions::new().read(true).write(true).open("/dev/null")?;
        Ok::<_, std::io::Error>(deno_io::StdioPipe::file(file))
    };
    Ok(deno_io::Stdio { stdin: nothing()?, stdout: nothing()?, stderr: nothing()? })
}

/// What the Node layer adds after it.
pub(crate) fn last_extension(settings: &Settings) -> Extension {
    edgehost_node::init(settings.sys.clone())
}

type Resolver = NodeResolver<Packages, DenoIsBuiltInNodeModuleChecker, Packages, AppSys>;

/// Finds modules as Node.js does, under its names of conditions.
fn resolver(sys: &AppSys, packages: &PackageJsonResolverRc<AppSys>) -> Resolver {
    let names = |names: &[&'static str]| names.iter().map(|name| Cow::Borrowed(*name)).collect();
    NodeResolver::new(
        Packages,
        DenoIsBuiltInNodeModuleChecker,
        Packages,
        packages.clone(),
        NodeResolutionSys::new(sys.clone(), None),
        NodeResolverOptions {
            conditions: NodeConditionOptions {
                import_conditions_override: Some(names(&["node", "import", "module-sync"])),
                require_conditions_override: Some(names(&["node", "require", "module-sync"])),
                ..NodeConditionOptions::default()
            },
            ..NodeResolverOptions::default()
        },
    )
}

fn services(settings: &Settings) -> NodeExtInitServices<Packages, Packages, AppSys> {
    let sys = &settings.sys;
    let pkg_json_resolver = deno_fs::sync::new_rc(PackageJsonResolver::new(sys.clone(), None));
    let node_resolver = resolver(sys, &pkg_json_resolver);
    NodeExtInitServices {
        node_require_loader: Rc::new(Require {
            packages: pkg_json_resolver.clone(),
            permissions: settings.permissions.clone(),
            largest: settings.facts.ceilings.memory,
        }),
        node_resolver: deno_fs::sync::new_rc(node_resolver),
        pkg_json_resolver,
        sys: sys.clone(),
    }
}

/// Adds the context that `node:vm` starts its own from. For the snapshot builder.
pub fn prepare_vm(runtime: &mut deno_core::JsRuntimeForSnapshot) {
    v8::scope!(let scope, runtime.v8_isolate());
    let template = deno_node::init_global_template(scope, ContextInitMode::ForSnapshot);
    let context =
        deno_node::create_v8_context(scope, template, ContextInitMode::ForSnapshot, std::ptr::null_mut());
    assert_eq!(scope.add_context(context), VM_CONTEXT_INDEX);
}
