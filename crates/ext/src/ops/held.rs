//! Ops of other crates whose results would be in no account.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use deno_core::convert::Uint8Array;
use deno_core::{OpState, ResourceId, op2};
use deno_error::JsErrorBox;
use deno_web::BlobStoreTrait;
use uuid::Uuid;

use crate::held::{Held, HeldPart};

/// Most bytes that one read takes.
const CHUNK: usize = 64 * 1024;

/// Bytes after which others get their turn: what a decoder expands is always ready.
const STRETCH: usize = 1024 * 1024;

/// All that a resource still gives, as `op_read_all` of deno_core. Called by deno_web's
/// 06_streams.js.
#[op2]
pub(crate) async fn op_edgehost_read_all(
    state: Rc<RefCell<OpState>>,
    #[smi] rid: ResourceId,
) -> Result<Uint8Array, JsErrorBox> {
    let (resource, held) = {
        let state = state.borrow();
        let resource = state.resource_table.get_any(rid).map_err(JsErrorBox::from_err)?;
        (resource, state.borrow::<Held>().clone())
    };
    let mut all = Vec::new();
    let mut charge = held.charge(0);
    let mut stretch = 0;
    loop {
        let chunk = resource.clone().read(CHUNK).await?;
        if chunk.is_empty() {
            return Ok(Uint8Array::from(all));
        }
        charge.grow(chunk.len());
        all.extend_from_slice(&chunk);
        stretch += chunk.len();
        if stretch >= STRETCH {
            stretch = 0;
            tokio::task::yield_now().await;
        }
    }
}

/// Keeps the bytes of a `Blob`. Called by deno_web's 09_file.js in place of its own op.
#[op2]
pub(crate) fn op_edgehost_blob_create_part(state: &OpState, #[buffer] data: &[u8]) -> Uuid {
    let part = HeldPart::new(data, state.borrow::<Held>());
    state.borrow::<Arc<dyn BlobStoreTrait>>().insert_part(Arc::new(part))
}
