//! File descriptors, which the isolates share with the host.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::LazyLock;

use deno_core::{OpState, ResourceId, op2};

use super::assets::ASSET;
use super::{AppFacts, open_upstreams};

/// The name that deno_websocket gives to its resources.
const WEB_SOCKET: &str = "serverWebSocket";

/// Resources that each stand for a connection of `fetch` or of a WebSocket, or for a file
/// that is fetched, besides the bodies that `fetch` receives.
const CONNECTIONS: [&str; 5] = ["fetchCancelHandle", "fetchResponse", "webSocketCancel", WEB_SOCKET, ASSET];

/// Most descriptors that are kept for connections of clients.
const RESERVE: u64 = 1024;

/// Why nothing more may be opened: the numbers are those of runtime-js/01_bootstrap.js.
#[derive(Clone, Copy)]
enum Room {
    Enough = 0,
    IsolateFull = 1,
    ProcessFull = 2,
}

/// Whether one more socket or file may be opened, beside `sockets` of the Node layer.
/// Files count towards the process alone. Called by runtime-js/01_bootstrap.js.
#[op2(fast)]
pub(crate) fn op_edgehost_room(state: &OpState, sockets: f64, is_socket: bool) -> u32 {
    let most = state.borrow::<AppFacts>().ceilings.sockets;
    let is_full = || {
        let table = &state.resource_table;
        // The table is walked only where it might be too full.
        sockets + table.len() as f64 >= most && {
            let open = table.names().filter(|(_, name)| CONNECTIONS.contains(&name.as_ref())).count();
            sockets + (open + open_upstreams(state)) as f64 >= most
        }
    };
    let room = if is_socket && is_full() {
        Room::IsolateFull
    } else if is_process_full() {
        Room::ProcessFull
    } else {
        Room::Enough
    };
    room as u32
}

/// Whether a resource is a WebSocket that is open. Called by runtime-js/00_ceilings.js.
#[op2(fast)]
pub(crate) fn op_edgehost_is_web_socket(state: &OpState, #[smi] rid: ResourceId) -> bool {
    state.resource_table.get_any(rid).is_ok_and(|resource| resource.name() == WEB_SOCKET)
}

/// Whether few descriptors are left. The system hands out the lowest one that is free,
/// so that the next one tells how many are in use.
fn is_process_full() -> bool {
    static PROBE: LazyLock<Option<File>> = LazyLock::new(|| File::open("/dev/null").ok());
    let Some(probe) = &*PROBE else { return false };
    let Ok(most) = rlimit::Resource::NOFILE.get_soft() else { return false };
    let kept = (most / 4).min(RESERVE);
    match probe.try_clone() {
        Ok(next) => u64::try_from(next.as_raw_fd()).is_ok_and(|next| next + kept >= most),
        Err(_) => true,
    }
}
