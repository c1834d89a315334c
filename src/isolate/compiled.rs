//! What V8 made of the code of modules, for others to begin with: code caches.

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bytes::Bytes;
use deno_core::{JsRuntime, v8};
use v8::script_compiler::{CompileOptions, NoCacheReason, Source, compile_module2};

use super::Isolate;
use crate::enforcer::Budget;

/// The head of a code cache has the hash of V8's version, and that of its flags.
const VERSION_HASH: Range<usize> = 4..8;
const FLAG_HASH: Range<usize> = 12..16;

/// Whether the process has no flags of V8 but those that this crate sets.
static OURS: AtomicBool = AtomicBool::new(false);

/// Both hashes, as they are in this process.
static OWN: OnceLock<Option<([u8; 4], [u8; 4])>> = OnceLock::new();

/// The program is ours, and with it the flags of V8.
pub(super) fn flags_are_ours() {
    OURS.store(true, Ordering::Relaxed);
}

/// Finds out, once, what V8 writes into the head of a code cache.
pub(super) fn learn_flags(runtime: &mut JsRuntime) {
    if OURS.load(Ordering::Relaxed) {
        OWN.get_or_init(|| {
            deno_core::scope!(scope, runtime);
            let cache = compile(scope, "edgehost:flags", "0")?;
            Some((cache.get(VERSION_HASH)?.try_into().ok()?, cache.get(FLAG_HASH)?.try_into().ok()?))
        });
    }
}

/// The code cache as V8 takes it here. It wants to have been made under the same flags. The
/// one that differs between processes of ours is how large a WebAssembly memory may be, which
/// follows the limit on memory and with it the machine, and no code depends on it.
pub(super) fn under_own_flags(cache: &[u8]) -> Vec<u8> {
    let mut cache = cache.to_vec();
    if let Some(Some((version, flags))) = OWN.get()
        && cache.get(VERSION_HASH) == Some(version)
        && let Some(place) = cache.get_mut(FLAG_HASH)
    {
        place.copy_from_slice(flags);
    }
    cache
}

/// Compiles a module as deno_core does: V8 knows code by its text and these, and has it
/// compiled where it is loaded.
fn compile(scope: &mut v8::PinScope<'_, '_>, name: &str, code: &str) -> Option<Bytes> {
    v8::tc_scope!(let scope, scope);
    let name = v8::String::new(scope, name)?;
    let code = v8::String::new(scope, code)?;
    let origin = v8::ScriptOrigin::new(scope, name.into(), 0, 0, false, 0, None, false, false, true, None);
    let mut source = Source::new(code, Some(&origin));
    let module =
        compile_module2(scope, &mut source, CompileOptions::NoCompileOptions, NoCacheReason::NoReason)?;
    let cache = module.get_unbound_module_script(scope).create_code_cache()?;
    Some(Bytes::copy_from_slice(&cache))
}

impl Isolate {
    /// The code caches of the modules of its runtime, by specifier: best after they have been
    /// loaded, when V8 has compiled the functions that loading calls. None where a limit is in
    /// the way.
    pub(crate) fn code_caches(&self) -> Vec<(String, Bytes)> {
        let limits = &self.version.limits;
        let until = Instant::now() + limits.startup_wall;
        let budget = Budget { cpu: limits.startup_cpu, due: until, until, shared: false };
        let own = format!("edgehost:///{}/", self.kind().name());
        let chunks = self.version.chunks.iter().filter(|(specifier, _)| specifier.starts_with(&own));
        let caches = self.turn(budget, None, |runtime| {
            deno_core::scope!(scope, runtime);
            chunks
                .filter_map(|(specifier, chunk)| {
                    Some((specifier.clone(), compile(scope, specifier, &chunk.code)?))
                })
                .collect()
        });
        caches.unwrap_or_default()
    }
}
