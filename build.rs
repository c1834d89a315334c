//! Makes the snapshot that every isolate starts from.
//!
//! What the snapshot did not consume goes into a table of residual sources, so
//! that a binary needs no file of the machine that built it.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use deno_core::snapshot::{CreateSnapshotOptions, create_snapshot};
use deno_core::{
    Extension, ExtensionFileSourceCode, JsRuntimeForSnapshot, RuntimeOptions, v8, wrap_lazy_ext_script,
};
use deno_error::JsErrorBox;
use edgehost_ext::{Layer, NODE_VERSION, Settings, extensions, prepare_vm};

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    println!("cargo:rerun-if-changed=runtime-js");
    println!("cargo:rerun-if-changed=build.rs");
    // For the test that hides it: where the sources of the Deno crates lie.
    let registry = snapshot_sources_folder();
    println!("cargo:rustc-env=EDGEHOST_REGISTRY={}", registry.display());
    // V8 keeps one read-only heap for all isolates of a process, and takes it from the
    // first snapshot that it sees. So both snapshots must hold the same one.
    v8::V8::set_flags_from_string("--no-freeze-flags-after-init");
    let web = make(Layer::Web, "web", &out);
    v8::V8::set_flags_from_string("--no-extensible-ro-snapshot");
    let _keeper = keep_read_only_heap(web.clone());
    let node = make(Layer::Node, "node", &out);
    assert!(
        is_same_heap(read_only_heap(&web), read_only_heap(&node)),
        "the snapshots have different read-only heaps: isolates of both in one process would crash"
    );
}

/// The read-only heap in a snapshot. Its head has four numbers, 64 bytes for V8's
/// version, then the places of the parts; the read-only heap comes before the first.
fn read_only_heap(snapshot: &[u8]) -> &[u8] {
    let number = |at: usize| {
        let bytes = snapshot[at..at + 4].try_into().expect("four bytes");
        usize::try_from(u32::from_le_bytes(bytes)).expect("32 bits fit")
    };
    let contexts = number(0);
    let head = 80 + 8 + 4 * contexts;
    &snapshot[head.next_multiple_of(8)..number(80)]
}

/// Equal but for a counter and the upper halves of addresses, which nobody reads and
/// which are those of the process at the time.
fn is_same_heap(one: &[u8], other: &[u8]) -> bool {
    let changes: BTreeSet<(u8, u8)> =
        one.iter().zip(other).filter(|(a, b)| a != b).map(|(a, b)| (*a, *b)).collect();
    one.len() == other.len() && changes.len() <= 16
}

/// An isolate that stays alive for as long as the build does, and with it the
/// read-only heap that it was made with.
fn keep_read_only_heap(snapshot: Box<[u8]>) -> ManuallyDrop<JsRuntimeForSnapshot> {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let _entered = tokio.enter();
    ManuallyDrop::new(JsRuntimeForSnapshot::new(RuntimeOptions {
        startup_snapshot: Some(Box::leak(snapshot)),
        extensions: extensions(Layer::Web, Settings::default()),
        skip_op_registration: true,
        ..RuntimeOptions::default()
    }))
}

/// Writes the snapshot of a layer and the table of its residual sources.
fn make(layer: Layer, name: &str, out: &Path) -> Box<[u8]> {
    let list = extensions(layer, Settings::default());
    let scripts = sources(&list, |extension| &extension.lazy_loaded_js_files);
    let modules = sources(&list, |extension| &extension.lazy_loaded_esm_files);
    let snapshot = create_snapshot(
        CreateSnapshotOptions {
            cargo_manifest_dir: env!("CARGO_MANIFEST_DIR"),
            startup_snapshot: None,
            skip_op_registration: false,
            extensions: list,
            extension_transpiler: Some(Rc::new(|specifier, source| {
                let code = prepared(&specifier, source.as_str()).map_err(JsErrorBox::generic)?;
                Ok((code.into(), None))
            })),
            with_runtime_cb: (layer == Layer::Node)
                .then(|| Box::new(prepare_vm) as Box<dyn Fn(&mut deno_core::JsRuntimeForSnapshot)>),
        },
        None,
    )
    .expect("the snapshot is made from runtime-js and the Deno crates");
    for file in &snapshot.files_loaded_during_snapshot {
        println!("cargo:rerun-if-changed={}", file.display());
    }
    fs::write(out.join(format!("{name}.snapshot")), &snapshot.output).expect("OUT_DIR is writable");

    let consumed: BTreeSet<String> = snapshot.consumed_lazy_specifiers.into_iter().collect();
    refuse_unrecorded(&modules, &consumed);
    let mut table = String::new();
    write_table(&mut table, out, &format!("{name}_scripts"), &scripts, &consumed, wrap_lazy_ext_script);
    write_table(&mut table, out, &format!("{name}_modules"), &modules, &consumed, str::to_owned);
    fs::write(out.join(format!("{name}_residual.rs")), table).expect("OUT_DIR is writable");
    snapshot.output
}

/// A lazy module that gets into the snapshot only because another one imports it is
/// not recorded by deno_core, which then drops its source from under its functions.
/// Such a module has to be loaded by name before its importers.
fn refuse_unrecorded(modules: &BTreeMap<String, String>, consumed: &BTreeSet<String>) {
    let mut missing = BTreeMap::new();
    for (importer, code) in modules.iter().filter(|(name, _)| consumed.contains(*name)) {
        let imports = code.lines().filter(|line| line.starts_with("import ") || line.starts_with("export "));
        for import in imports.filter_map(|line| line.split_once("from \"")) {
            let name = import.1.split('"').next().unwrap_or_default();
            if modules.contains_key(name) && !consumed.contains(name) {
                missing.insert(name.to_owned(), importer.clone());
            }
        }
    }
    assert!(
        missing.is_empty(),
        "load these modules (by importer) in runtime-js/node/02_node.js: {missing:#?}"
    );
}

/// Scripts of deno_node whose exports `runtime-js/node/02_node.js` changes.
const HOOKED: [(&str, &str); 12] = [
    ("ext:deno_node/child_process.ts", "child_process"),
    ("ext:deno_node/cluster.ts", "cluster"),
    ("ext:deno_node/fs.ts", "fs"),
    ("ext:deno_node/inspector.js", "inspector"),
    ("ext:deno_node/internal/crypto/diffiehellman.ts", "diffiehellman"),
    ("ext:deno_node/internal/crypto/keygen.ts", "keygen"),
    ("ext:deno_node/internal/crypto/pbkdf2.ts", "pbkdf2"),
    ("ext:deno_node/internal/crypto/random.ts", "random"),
    ("ext:deno_node/internal/crypto/scrypt.ts", "scrypt"),
    ("ext:deno_node/internal/stream_base_commons.ts", "stream_base"),
    ("ext:deno_node/net.ts", "net"),
    ("ext:deno_node/worker_threads.ts", "worker_threads"),
];

/// Mistakes in scripts of the Deno crates: the file, its text, and the right one.
const MENDED: [(&str, &str, &str); 4] = [
    // A signal made of others is held by them through weak references only. Without
    // these two, a garbage collection between `fetch` and `abort` loses the abort.
    (
        "ext:deno_web/03_abort_signal.js",
        "    SetPrototypeAdd(this[abortAlgos], algorithm);\n  }",
        "    SetPrototypeAdd(this[abortAlgos], algorithm);
    if (this[sourceSignals] !== null) {
      for (const weakRef of new SafeSetIterator(this[sourceSignals])) {
        const sourceSignal = WeakRefPrototypeDeref(weakRef);
        if (sourceSignal === undefined) continue;
        sourceSignal[activeDependents] ??= new SafeSet();
        SetPrototypeAdd(sourceSignal[activeDependents], this);
      }
    }
  }",
    ),
    (
        "ext:deno_web/03_abort_signal.js",
        "    this[abortAlgos] && SetPrototypeDelete(this[abortAlgos], algorithm);\n",
        "    this[abortAlgos] && SetPrototypeDelete(this[abortAlgos], algorithm);
    if (this[sourceSignals] !== null && !this[abortAlgos]?.size && listenerCount(this, \"abort\") === 0) {
      for (const weakRef of new SafeSetIterator(this[sourceSignals])) {
        const sourceSignal = WeakRefPrototypeDeref(weakRef);
        if (sourceSignal?.[activeDependents]) SetPrototypeDelete(sourceSignal[activeDependents], this);
      }
    }
",
    ),
    // The step that ends a body on abort goes when the body does, else a signal that
    // lives long would hold every body that was fetched with it.
    (
        "ext:deno_fetch/26_fetch.js",
        "  function onAbort() {
    errorReadableStream(readable, terminator.reason);
    core.tryClose(responseBodyRid);
  }
",
        "  const body = new primordials.SafeWeakRef(readable);
  function onAbort() {
    const open = primordials.WeakRefPrototypeDeref(body);
    if (open === undefined) return;
    errorReadableStream(open, terminator.reason);
    core.tryClose(responseBodyRid);
  }
",
    ),
    (
        "ext:deno_fetch/26_fetch.js",
        "  terminator[abortSignal.add](onAbort);\n\n  return readable;\n",
        "  terminator[abortSignal.add](onAbort);
  __bootstrap.internals.edgehostBodies ??= new primordials.SafeFinalizationRegistry(
    ({ signal, step }) => signal[abortSignal.remove](step),
  );
  __bootstrap.internals.edgehostBodies.register(readable, { signal: terminator, step: onAbort });

  return readable;
",
    ),
];

/// The source of an extension file as V8 takes it: without types, without a global
/// `Deno`, and with the version that `process.version` tells.
///
/// The types are taken off by `deno_ast`, which deno_node brings along and which
/// Deno's own build uses for these files.
fn prepared(specifier: &str, source: &str) -> Result<String, String> {
    let code = adapted(specifier, source)?;
    // V8 keeps it as one byte a character and finds functions by their place in it.
    Ok(if code.is_ascii() { code } else { escaped(&code) })
}

fn adapted(specifier: &str, source: &str) -> Result<String, String> {
    let mut code = source.to_owned();
    if specifier.ends_with(".ts") || specifier.starts_with("node:") {
        code = without_types(specifier, &code)?;
    }
    if specifier == "ext:deno_node/_process/process.ts" {
        code = code.replace("__NODE_VERSION__", NODE_VERSION);
    }
    if specifier == "ext:deno_fs/30_fs.js" {
        // It makes a function from text, which sees globals alone.
        let os = if cfg!(target_os = "macos") { "darwin" } else { env::consts::OS };
        code = code.replace("Deno.build.os", &format!("{os:?}"));
    }
    if specifier == "ext:deno_node/internal/child_process.ts" {
        // It would drop every error of `spawnSync` but one.
        let lost = "result.error = _createSpawnError(\"ENOENT\", command, args, true);\n      }";
        assert!(code.contains(lost), "{specifier} has changed");
        code = code.replace(lost, &format!("{lost} else result.error = err;"));
        // And give the child the variables of the host besides those of the app.
        assert!(code.contains("clearEnv: false"), "{specifier} has changed");
        code = code.replace("clearEnv: false", "clearEnv: true");
    }
    for (file, from, to) in MENDED {
        if specifier == file {
            assert!(code.contains(from), "{specifier} has changed");
            code = code.replace(from, to);
        }
    }
    if specifier == "node:_http_client" {
        // It would send a request again whose socket was closed, even one that the caller
        // has ended, or a POST. Node.js never does.
        let retry = "function maybeRetryRequest(req, socket) {";
        assert!(code.contains(retry), "{specifier} has changed");
        code = code.replace(retry, &format!("{retry} return false;"));
    }
    let names_deno = code.match_indices("Deno").any(|(at, _)| {
        let after = code[at + 4..].trim_start().chars().next();
        matches!(after, Some('.' | '?' | '['))
    });
    let hook = HOOKED.iter().find(|(hooked, _)| *hooked == specifier).map(|(_, name)| *name);
    // Scripts are one function that is called and returns the exports.
    let wrapped = wrap_lazy_ext_script(&code);
    let script = wrapped.strip_prefix("\"use strict\"; return (").and_then(|rest| rest.strip_suffix(");"));
    let script = script.filter(|script| script.starts_with("(function"));
    if let Some(script) = script {
        if !names_deno && hook.is_none() {
            return Ok(code);
        }
        let exports = match hook {
            Some(name) => format!("__bootstrap.internals.edgehost.node.hooks.{name}({script}\n)"),
            None => script.to_owned(),
        };
        return Ok(format!(
            "(function () {{ const Deno = __bootstrap.internals.deno; return {exports}\n}})()"
        ));
    }
    if names_deno && (specifier.starts_with("ext:deno_") || specifier.starts_with("node:")) {
        code = format!(
            "import {{ internals as edgehostInternals }} from \"ext:core/mod.js\"; const Deno = edgehostInternals.deno; {code}"
        );
    }
    if specifier == "node:repl" {
        code.push_str(
            "\nimport { internals as edgehostRefusals } from \"ext:core/mod.js\";\nREPLServer = edgehostRefusals.edgehost.node.refused(\"repl\", \"REPLServer\", REPLServer);\n",
        );
    }
    Ok(code)
}

fn without_types(specifier: &str, source: &str) -> Result<String, String> {
    let parsed = deno_ast::parse_module(deno_ast::ParseParams {
        specifier: deno_ast::ModuleSpecifier::parse(specifier).map_err(|error| error.to_string())?,
        text: source.into(),
        media_type: deno_ast::MediaType::TypeScript,
        capture_tokens: false,
        scope_analysis: false,
        maybe_syntax: None,
    })
    .map_err(|error| error.to_string())?;
    let transpiled = parsed
        .transpile(
            &deno_ast::TranspileOptions {
                imports_not_used_as_values: deno_ast::ImportsNotUsedAsValues::Remove,
                ..Default::default()
            },
            &deno_ast::TranspileModuleOptions::default(),
            &deno_ast::EmitOptions { source_map: deno_ast::SourceMapOption::None, ..Default::default() },
        )
        .map_err(|error| error.to_string())?;
    Ok(transpiled.into_source().text)
}

/// The folder of the cargo registry that holds the sources of deno_core.
fn snapshot_sources_folder() -> PathBuf {
    let list = extensions(Layer::Web, Settings::default());
    let source =
        list.iter().flat_map(|extension| extension.lazy_loaded_js_files.iter()).find_map(|file| match &file
            .code
        {
            ExtensionFileSourceCode::LoadedFromFsDuringSnapshot(path) => Some(PathBuf::from(path)),
            _ => None,
        });
    let source = source.unwrap_or_default();
    source.ancestors().nth(2).map(Path::to_owned).unwrap_or_default()
}

/// Specifier and source of every lazily loaded file, sorted by specifier.
fn sources(
    list: &[Extension],
    files: impl Fn(&Extension) -> &[deno_core::ExtensionFileSource],
) -> BTreeMap<String, String> {
    list.iter()
        .flat_map(|extension| files(extension).iter())
        .map(|file| {
            let source = file.load().expect("sources of extensions are readable");
            let code = prepared(file.specifier, source.as_str()).expect("sources of extensions are valid");
            (file.specifier.to_string(), code)
        })
        .collect()
}

/// The same program in 7-bit ASCII.
fn escaped(code: &str) -> String {
    let mut ascii = String::with_capacity(code.len());
    for char in code.chars() {
        if char.is_ascii() {
            ascii.push(char);
        } else {
            let mut units = [0; 2];
            for unit in char.encode_utf16(&mut units) {
                let _ = write!(ascii, "\\u{unit:04x}");
            }
        }
    }
    ascii
}

fn write_table(
    table: &mut String,
    out: &Path,
    name: &str,
    sources: &BTreeMap<String, String>,
    consumed: &BTreeSet<String>,
    prepare: impl Fn(&str) -> String,
) {
    let _ = writeln!(table, "pub(super) static {}: &[(&str, &str)] = &[", name.to_uppercase());
    for (index, (specifier, source)) in sources.iter().enumerate() {
        if consumed.contains(specifier) {
            continue;
        }
        let file = out.join(format!("{name}_{index}.js"));
        fs::write(&file, prepare(source)).expect("OUT_DIR is writable");
        let _ = writeln!(table, "    ({specifier:?}, include_str!({:?})),", file.display().to_string());
    }
    table.push_str("];\n");
}
