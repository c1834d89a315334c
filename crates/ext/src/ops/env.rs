//! Variables of the app and facts about the isolate.

use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use deno_core::url::Url;
use deno_core::{OpState, op2, v8};

/// What native code is held to, which no limit can interrupt.
#[derive(Debug, Clone, Copy)]
pub struct Ceilings {
    /// CPU time of one invocation, in seconds.
    pub cpu: f64,
    /// Memory of the isolate, in bytes.
    pub memory: f64,
    /// Sockets that may be open at the same time.
    pub sockets: f64,
}

/// Says why a permission was refused.
pub type Explain = Rc<dyn Fn(&str, &str) -> String>;

/// What an isolate is told of its app.
#[derive(Clone)]
pub struct AppFacts {
    /// `process.env`.
    pub env: Rc<Vec<(String, String)>>,
    /// 32 hex digits that `draftMode()` compares its cookie with.
    pub draft_secret: Rc<str>,
    /// Whether production details such as `Secure` cookies are wanted.
    pub production: bool,
    /// Whether any subprocess is allowed.
    pub may_spawn: bool,
    /// Places that must stay where they are, since permissions name them. None where
    /// permissions do not limit files.
    pub kept: Rc<[PathBuf]>,
    /// Whether the isolate runs edge routes.
    pub edge: bool,
    /// The folder of the project.
    pub root: Rc<Path>,
    /// The folders whose files edge routes may fetch: of the project and its packages.
    pub assets: Rc<[PathBuf]>,
    /// What native code is held to.
    pub ceilings: Ceilings,
    /// Whether the turn that runs on this thread is to end.
    pub is_over: fn() -> bool,
    /// Whether the isolate may hold so many bytes more. May collect garbage.
    pub has_room: fn(&mut v8::Isolate, usize) -> bool,
    /// Ends the turn that runs on this thread: the isolate is out of memory.
    pub run_out: fn(),
    /// Says why something was refused, from its kind and what was asked for.
    pub explain: Explain,
}

/// An object with the variables of the app. Called once by runtime-js/40_process.js.
#[op2]
pub(crate) fn op_edgehost_env<'s>(
    state: &OpState,
    scope: &mut v8::PinScope<'s, '_>,
) -> v8::Local<'s, v8::Object> {
    let facts = state.borrow::<AppFacts>();
    let object = v8::Object::new(scope);
    for (name, value) in facts.env.iter() {
        let (Some(name), Some(value)) = (v8::String::new(scope, name), v8::String::new(scope, value)) else {
            continue;
        };
        object.set(scope, name.into(), value.into());
    }
    object
}

/// Where a file lies whose path is seen from the project: its path, or its URL. Bundled code
/// calls it by way of runtime-js/51_dispatch.js.
#[op2]
#[string]
pub(crate) fn op_edgehost_place(state: &OpState, #[string] path: &str, is_url: bool) -> String {
    let mut place = state.borrow::<AppFacts>().root.to_path_buf();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => {
                place.pop();
            }
            part => place.push(part),
        }
    }
    let url = if is_url { Url::from_file_path(&place).ok().map(String::from) } else { None };
    url.unwrap_or_else(|| place.display().to_string())
}

/// The secret of `draftMode()`. Called by runtime-js/next/headers.js.
#[op2]
#[string]
pub(crate) fn op_edgehost_draft_secret(state: &OpState) -> String {
    state.borrow::<AppFacts>().draft_secret.to_string()
}

/// Whether the isolate runs edge routes. Called by runtime-js/01_bootstrap.js and
/// runtime-js/node/41_globals.js.
#[op2(fast)]
pub(crate) fn op_edgehost_is_edge(state: &OpState) -> bool {
    state.borrow::<AppFacts>().edge
}

/// CPU time in seconds and memory in bytes that native code is held to. Called by runtime-js/node/02_node.js.
#[op2]
#[serde]
pub(crate) fn op_edgehost_ceilings(state: &OpState) -> (f64, f64) {
    let Ceilings { cpu, memory, .. } = state.borrow::<AppFacts>().ceilings;
    (cpu, memory)
}

/// Why something was refused, and what would allow it. Called by
/// runtime-js/01_bootstrap.js for errors of permissions.
#[op2]
#[string]
pub(crate) fn op_edgehost_explain(state: &OpState, #[string] kind: &str, #[string] target: &str) -> String {
    let explain = state.borrow::<AppFacts>().explain.clone();
    explain(kind, target)
}

/// Whether the app runs in production mode. Called by runtime-js/next/headers.js.
#[op2(fast)]
pub(crate) fn op_edgehost_is_production(state: &OpState) -> bool {
    state.borrow::<AppFacts>().production
}
