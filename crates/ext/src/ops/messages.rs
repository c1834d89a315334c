//! Messages on their way from one `MessagePort` to the other, which count towards the memory
//! of the isolate until somebody takes them.
//!
//! In place of the ops of deno_web, whose queues have no bound and no account
//! (runtime-js/00_ceilings.js puts them there).

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use deno_core::{
    CancelFuture, CancelHandle, DetachedBuffer, JsBuffer, OpState, RcRef, Resource, ResourceId,
    TransferredResource, op2,
};
use deno_error::JsErrorBox;
use deno_web::{
    JsMessageData, MessagePortError, RecvMessageData, Transferable, deserialize_js_transferables,
    serialize_transferables,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::held::{Charge, Held};

/// What a message takes besides its bytes.
const MESSAGE: usize = 256;

struct Message {
    data: DetachedBuffer,
    transferables: Vec<Transferable>,
    _charge: Charge,
}

impl Message {
    fn new(data: DetachedBuffer, transferables: Vec<Transferable>, held: &Held) -> Self {
        // The charge is told as growth, so that a queue that is filled while nothing else
        // happens is noticed.
        let mut charge = held.charge(0);
        charge.grow(data.len() + MESSAGE);
        Self { data, transferables, _charge: charge }
    }

    fn received(self, state: &mut OpState) -> JsMessageData {
        JsMessageData { data: self.data, transferables: serialize_transferables(state, self.transferables) }
    }
}

/// One end of a channel.
struct Port {
    incoming: RefCell<UnboundedReceiver<Message>>,
    outgoing: UnboundedSender<Message>,
}

struct PortResource {
    port: Port,
    cancel: CancelHandle,
}

impl PortResource {
    fn new(port: Port) -> Self {
        Self { port, cancel: CancelHandle::new() }
    }
}

impl Resource for PortResource {
    fn name(&self) -> Cow<'_, str> {
        "messagePort".into()
    }

    fn close(self: Rc<Self>) {
        self.cancel.cancel();
    }

    fn transfer(self: Rc<Self>) -> Result<Box<dyn TransferredResource>, JsErrorBox> {
        self.cancel.cancel();
        let resource = Rc::try_unwrap(self).map_err(|_| JsErrorBox::from_err(MessagePortError::NotReady))?;
        Ok(Box::new(resource.port))
    }
}

impl TransferredResource for Port {
    fn receive(self: Box<Self>) -> Rc<dyn Resource> {
        Rc::new(PortResource::new(*self))
    }
}

fn port(state: &OpState, rid: ResourceId) -> Result<Rc<PortResource>, MessagePortError> {
    state.resource_table.get::<PortResource>(rid).map_err(MessagePortError::Resource)
}

/// Two ports that are connected with each other.
#[op2]
pub(crate) fn op_edgehost_create_entangled(state: &mut OpState) -> (ResourceId, ResourceId) {
    let (to_second, from_first) = unbounded_channel();
    let (to_first, from_second) = unbounded_channel();
    let first = Port { incoming: RefCell::new(from_second), outgoing: to_second };
    let second = Port { incoming: RefCell::new(from_first), outgoing: to_first };
    let table = &mut state.resource_table;
    (table.add(PortResource::new(first)), table.add(PortResource::new(second)))
}

/// Sends a message, and what changes its owner with it.
#[op2]
pub(crate) fn op_edgehost_post_message(
    state: &mut OpState,
    #[smi] rid: ResourceId,
    #[serde] message: JsMessageData,
) -> Result<(), MessagePortError> {
    // One that is its own cargo is refused by its script, and here because it is in use.
    let resource = port(state, rid)?;
    let transferables = deserialize_js_transferables(state, message.transferables)?;
    let message = Message::new(message.data, transferables, state.borrow::<Held>());
    // Nobody may be there any more.
    let _ = resource.port.outgoing.send(message);
    Ok(())
}

/// Sends a message with which nothing changes its owner.
#[op2]
pub(crate) fn op_edgehost_post_message_raw(
    state: &mut OpState,
    #[smi] rid: ResourceId,
    #[buffer(detach)] data: JsBuffer,
) -> Result<(), MessagePortError> {
    let resource = port(state, rid)?;
    let data = DetachedBuffer::from_v8slice(data.into_parts());
    let _ = resource.port.outgoing.send(Message::new(data, Vec::new(), state.borrow::<Held>()));
    Ok(())
}

/// Waits for the next message; none when the other end is gone.
#[op2]
pub(crate) async fn op_edgehost_recv_message(
    state: Rc<RefCell<OpState>>,
    #[smi] rid: ResourceId,
) -> Result<Option<RecvMessageData>, MessagePortError> {
    let Ok(resource) = port(&state.borrow(), rid) else { return Ok(None) };
    let cancel = RcRef::map(resource.clone(), |resource| &resource.cancel);
    let next = std::future::poll_fn(|cx| resource.port.incoming.borrow_mut().poll_recv(cx));
    let message = next.or_cancel(cancel).await?;
    Ok(message.map(|message| message.received(&mut state.borrow_mut()).into()))
}

/// The next message, if it is there.
#[op2]
pub(crate) fn op_edgehost_recv_message_sync(
    state: &mut OpState,
    #[smi] rid: ResourceId,
) -> Result<Option<JsMessageData>, MessagePortError> {
    let resource = port(state, rid)?;
    let message = resource.port.incoming.borrow_mut().try_recv().ok();
    Ok(message.map(|message| message.received(state)))
}
