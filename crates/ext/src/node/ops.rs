//! Ops that Deno's own runtime would bring, and those that must not do here what
//! they do there: the process belongs to the host.

use std::borrow::Cow;
use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::rc::Rc;

use deno_core::{OpDecl, OpState, op2, v8};
use deno_error::JsErrorBox;
use deno_io::StdFileResourceInner;
use deno_permissions::{OpenAccessKind, PermissionsContainer};
use sys_traits::{EnvCurrentDir, EnvSetCurrentDir};

use super::AppSys;
use super::keys::{op_app_create_private_key, op_app_create_public_key};
use crate::ops::AppFacts;

/// Ops that fail when they are called: the names of some must exist, others stand in
/// for what must not be done.
macro_rules! absent {
    ($($name:ident: $what:literal,)*) => {
        $(
            #[doc = concat!("Fails: ", $what, " is not available.")]
            #[op2(fast)]
            pub(crate) fn $name() -> Result<(), JsErrorBox> {
                Err(JsErrorBox::new("Error", concat!($what, " is not available in route handlers")))
            }
        )*
    };
}

absent! {
    op_create_worker: "a worker thread",
    op_host_get_worker_cpu_usage: "a worker thread",
    op_host_post_message: "a worker thread",
    op_host_post_message_raw: "a worker thread",
    op_host_recv_ctrl: "a worker thread",
    op_host_recv_message: "a worker thread",
    op_host_recv_message_sync: "a worker thread",
    op_host_terminate_worker: "a worker thread",
    op_http_notify_serving: "a listening server",
    op_node_worker_thread_post_message: "a worker thread",
    op_node_worker_thread_recv_message: "a worker thread",
    op_node_worker_thread_register: "a worker thread",
    op_node_worker_thread_set_listener_count: "a worker thread",
    op_set_raw: "a terminal",
    op_refused_terminal: "a terminal",
    op_refused_process_wide: "a change to the whole process",
    op_refused_abort: "process.abort()",
    op_refused_listen: "a listening server",
    op_refused_descriptor: "a file descriptor that was not opened here",
}

/// Bits of colour that a terminal shows: none, output goes into a log.
#[op2(fast)]
pub(crate) fn op_bootstrap_color_depth() -> i32 {
    1
}

/// Features of Deno that are switched on by name: none.
#[op2]
#[serde]
pub(crate) fn op_bootstrap_unstable_args() -> Vec<String> {
    Vec::new()
}

/// No address but the one that the caller asked for.
#[op2]
#[serde]
pub(crate) fn op_http_serve_address_override() -> (u8, String, u32, bool) {
    (0, String::new(), 0, false)
}

/// Where the system cannot tell threads apart, the figures are those of the process.
#[cfg(target_os = "linux")]
const WHOSE: i32 = libc::RUSAGE_THREAD;
#[cfg(not(target_os = "linux"))]
const WHOSE: i32 = libc::RUSAGE_SELF;

/// Microseconds of user and system time that this thread has used.
#[op2(fast)]
pub(crate) fn op_current_thread_cpu_usage(#[buffer] out: &mut [f64]) {
    #[expect(unsafe_code, reason = "getrusage fills the struct that it is given")]
    // SAFETY: `usage` is a valid place for the result; all-zero is a value of it.
    let usage = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        libc::getrusage(WHOSE, &raw mut usage);
        usage
    };
    let micros = |time: libc::timeval| time.tv_sec as f64 * 1e6 + time.tv_usec as f64;
    if let [user, system, ..] = out {
        *user = micros(usage.ru_utime);
        *system = micros(usage.ru_stime);
    }
}

/// A native addon cannot be loaded.
#[derive(Debug, thiserror::Error, deno_error::JsError)]
#[class(generic)]
#[error("The native addon {path} cannot be loaded: edgehost runs JavaScript and WebAssembly only")]
#[property("code" = "ERR_DLOPEN_FAILED")]
pub(crate) struct NoAddons {
    pub(super) path: String,
}

/// `process.dlopen()`, and `require` of a native addon.
#[op2(fast)]
pub(crate) fn op_napi_open(#[string] path: &str) -> Result<(), NoAddons> {
    Err(NoAddons { path: path.to_owned() })
}

/// `process.cwd()`.
#[op2]
#[string]
pub(crate) fn op_app_cwd(state: &OpState) -> Result<String, std::io::Error> {
    Ok(state.borrow::<AppSys>().env_current_dir()?.display().to_string())
}

/// The path of a socket as it is to be opened, which is the one that was checked: the text
/// itself may lead elsewhere, through a link and `..`. Called by runtime-js/node/02_node.js.
#[op2]
#[string]
pub(crate) fn op_edgehost_socket_path(
    state: &mut OpState,
    #[string] path: &str,
) -> Result<String, JsErrorBox> {
    let path = state
        .borrow::<PermissionsContainer>()
        .check_open(
            Cow::Borrowed(Path::new(path)),
            OpenAccessKind::ReadWriteNoFollow,
            Some("node:net.createConnection()"),
        )
        .map_err(JsErrorBox::from_err)?;
    path.to_str().map(str::to_owned).ok_or_else(|| {
        JsErrorBox::generic(format!("{} is not UTF-8: a socket cannot be reached there", path.display()))
    })
}

/// `process.umask()`, which tells the usual mask; it is not for the app to change.
#[op2]
pub(crate) fn op_app_umask(mask: Option<u32>) -> Result<u32, JsErrorBox> {
    match mask {
        None => Ok(0o022),
        Some(_) => {
            Err(JsErrorBox::generic("a change to the whole process is not available in route handlers"))
        }
    }
}

/// `process.chdir()`: of this isolate only.
#[op2(fast)]
pub(crate) fn op_app_chdir(state: &mut OpState, #[string] path: &str) -> Result<(), JsErrorBox> {
    let path = state
        .borrow::<PermissionsContainer>()
        .check_open(Cow::Borrowed(Path::new(path)), OpenAccessKind::Read, Some("process.chdir()"))
        .map_err(JsErrorBox::from_err)?;
    state.borrow::<AppSys>().env_set_current_dir(&*path).map_err(JsErrorBox::from_err)
}

/// Whether a descriptor is one that this isolate has opened. Called by
/// runtime-js/node/02_node.js.
#[op2(fast)]
pub(crate) fn op_edgehost_owns_descriptor(state: &OpState, #[smi] descriptor: i32) -> bool {
    state.borrow::<deno_io::FdTable>().contains(descriptor)
}

/// A descriptor of a file that is empty and takes everything, as if `node:fs` had opened
/// it. Called by runtime-js/node/02_node.js.
#[op2(fast)]
#[smi]
pub(crate) fn op_edgehost_open_nothing(state: &mut OpState) -> Result<i32, std::io::Error> {
    let file = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    let descriptor = file.as_raw_fd();
    let file = Rc::new(StdFileResourceInner::file(file, None));
    state.borrow_mut::<deno_io::FdTable>().register(descriptor, file);
    Ok(descriptor)
}

/// Whether any subprocess is allowed. Called by runtime-js/node/02_node.js, for a
/// better message than that of the refusal.
#[op2(fast)]
pub(crate) fn op_edgehost_may_spawn(state: &OpState) -> bool {
    let facts = state.borrow::<AppFacts>();
    facts.may_spawn
}

/// Terminates this turn once more, if it was decided to end it; true if so. Called by
/// runtime-js/node/02_sqlite.js around native code that swallows terminations.
#[op2(fast)]
pub(crate) fn op_edgehost_end_if_over(state: &OpState, scope: &mut v8::PinScope<'_, '_>) -> bool {
    let is_over = (state.borrow::<AppFacts>().is_over)();
    if is_over {
        scope.terminate_execution();
    }
    is_over
}

/// Whether permissions limit files. Called by runtime-js/node/02_node.js.
#[op2(fast)]
pub(crate) fn op_edgehost_is_confined(state: &OpState) -> bool {
    !state.borrow::<AppFacts>().kept.is_empty()
}

/// Whether a place is, or holds, one that must stay where it is. Called by
/// runtime-js/node/02_node.js.
#[op2(fast)]
pub(crate) fn op_edgehost_keeps(state: &OpState, #[string] path: &str) -> bool {
    let kept = &state.borrow::<AppFacts>().kept;
    if kept.is_empty() {
        return false;
    }
    let sys = state.borrow::<AppSys>();
    let Ok(folder) = sys.env_current_dir() else { return false };
    let path = deno_path_util::normalize_path(Cow::Owned(folder.join(path)));
    // A link itself is moved, not what it leads to.
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return true };
    let Ok(parent) = parent.canonicalize() else { return false };
    let real = parent.join(name);
    kept.iter().any(|place| place.starts_with(&real))
}

/// Whether a place is a named pipe that this isolate may open. Called by
/// runtime-js/node/02_natives.js.
#[op2(fast)]
pub(crate) fn op_edgehost_is_pipe(state: &OpState, #[string] path: &str) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let Ok(folder) = state.borrow::<AppSys>().env_current_dir() else { return false };
    let path = folder.join(path);
    let is_pipe = path.metadata().is_ok_and(|facts| facts.file_type().is_fifo());
    // Of other places nobody is told what they are.
    is_pipe && {
        let may = |kind| {
            let permissions = state.borrow::<PermissionsContainer>();
            permissions.check_open(Cow::Borrowed(path.as_path()), kind, None).is_ok()
        };
        may(OpenAccessKind::Read) || may(OpenAccessKind::Write)
    }
}

/// The flag with which opening a file makes nobody wait. Called by
/// runtime-js/node/02_natives.js.
#[op2(fast)]
#[smi]
pub(crate) fn op_edgehost_nonblock() -> i32 {
    libc::O_NONBLOCK
}

/// The host's process and its parent. Called by runtime-js/node/41_globals.js.
#[op2]
#[serde]
pub(crate) fn op_edgehost_process_ids() -> (u32, u32) {
    (std::process::id(), std::os::unix::process::parent_id())
}

/// Architecture, vendor and system, as compilers name them. Called by runtime-js/node/02_node.js.
#[op2]
#[string]
pub(crate) fn op_edgehost_target() -> String {
    let (arch, os) = (std::env::consts::ARCH, std::env::consts::OS);
    if os == "macos" { format!("{arch}-apple-darwin") } else { format!("{arch}-unknown-{os}-gnu") }
}

/// The version of V8. Called by runtime-js/node/41_globals.js.
#[op2]
#[string]
pub(crate) fn op_edgehost_v8_version() -> &'static str {
    deno_core::v8::V8::get_version()
}

/// Keeps what Rust code reads of the environment in step with `process.env`. Called
/// by runtime-js/node/41_globals.js.
#[op2]
pub(crate) fn op_edgehost_set_env(
    state: &mut OpState,
    #[string] name: &str,
    #[string] value: Option<String>,
) {
    let facts = state.borrow_mut::<AppFacts>();
    let env = std::rc::Rc::make_mut(&mut facts.env);
    env.retain(|(known, _)| known != name);
    if let Some(value) = value {
        env.push((name.to_owned(), value));
    }
}

/// A variable of the app, where the crates would look into the process.
#[op2]
#[string]
pub(crate) fn op_app_get_env(state: &OpState, #[string] name: &str) -> Option<String> {
    let facts = state.borrow::<AppFacts>();
    facts.env.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
}

/// Answers in the place of ops that would reach past the app into the process.
pub(super) fn replace(op: OpDecl) -> OpDecl {
    let other = match op.name {
        "op_fs_cwd" => op_app_cwd(),
        "op_fs_chdir" => op_app_chdir(),
        "op_get_env" | "op_get_env_no_permission_check" => op_app_get_env(),
        "op_process_abort" => op_refused_abort(),
        "op_fs_umask" => op_app_umask(),
        "op_exit"
        | "op_set_env"
        | "op_delete_env"
        | "op_env"
        | "op_node_load_env_file"
        | "op_node_process_set_title"
        | "op_node_process_setegid"
        | "op_node_process_seteuid"
        | "op_node_process_setgid"
        | "op_node_process_setuid"
        | "op_node_os_set_priority"
        | "op_v8_set_flags_from_string"
        | "op_v8_take_heap_snapshot"
        | "op_v8_set_heap_snapshot_near_heap_limit"
        | "op_signal_bind"
        | "op_inspector_open"
        | "op_inspector_connect"
        | "op_node_repl_inspector_connect" => op_refused_process_wide(),
        "op_net_listen_tcp"
        | "op_net_listen_tls"
        | "op_net_listen_unix"
        | "op_net_listen_unixpacket"
        | "op_net_listen_vsock"
        | "op_net_listen_tunnel"
        | "op_quic_endpoint_listen" => op_refused_listen(),
        "op_node_create_private_key" => op_app_create_private_key(),
        "op_node_create_public_key" => op_app_create_public_key(),
        "op_node_udp_open" => op_refused_descriptor(),
        "op_tty_check_fd_permission" => op_refused_terminal(),
        _ => return op,
    };
    op.with_implementation_from(&other)
}
