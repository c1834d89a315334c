//! Makes the two snapshots that isolates start from.
//!
//! What a snapshot did not consume goes into a table of residual sources, so
//! that a binary needs no file of the machine that built it.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use deno_core::snapshot::{CreateSnapshotOptions, create_snapshot};
use deno_core::{
    Extension, ExtensionFileSourceCode, JsRuntimeForSnapshot, RuntimeOptions, v8, wrap_lazy_ext_script,
};
use deno_error::JsErrorBox;
use edgehost_ext::{Layer, Settings, extensions, prepare_vm};

use self::scripts::prepared;

#[path = "build/scripts.rs"]
mod scripts;
#[path = "build/standards.rs"]
mod standards;

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    println!("cargo:rerun-if-changed=runtime-js");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=build");
    println!("cargo:rerun-if-changed=src/build");
    println!("cargo:rerun-if-changed=src/bundle");
    println!("cargo:rerun-if-changed=src/project/next_config.rs");
    println!("cargo:rerun-if-changed=src/rules");
    println!("cargo:rustc-env=EDGEHOST_BUNDLE_MAKERS={}", bundle_makers());
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

/// A hash of the sources that make bundles: those that other sources made are of no
/// use. The manifest pins the bundler, `runtime-js/next` has what the modules of
/// Next.js export.
fn bundle_makers() -> String {
    let alone = [
        "Cargo.toml",
        "runtime-js/45_next_config.js",
        "src/project/next_config.rs",
        "src/project/segment.rs",
    ];
    let mut files = alone.map(PathBuf::from).to_vec();
    for folder in ["src/build", "src/bundle", "src/rules", "runtime-js/next"] {
        let entries = fs::read_dir(folder).expect("the sources are there");
        files.extend(entries.map(|entry| entry.expect("a readable folder").path()));
    }
    files.sort();
    let mut hash = DefaultHasher::new();
    for file in files {
        file.hash(&mut hash);
        fs::read(&file).expect("the sources are readable").hash(&mut hash);
    }
    format!("{:016x}", hash.finish())
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
    if layer == Layer::Node {
        scripts::assert_known(|name| scripts.contains_key(name) || modules.contains_key(name));
    }
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
