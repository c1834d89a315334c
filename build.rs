//! Makes the snapshot that every isolate starts from.
//!
//! What the snapshot did not consume goes into a table of residual sources, so
//! that a binary needs no file of the machine that built it.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use deno_core::snapshot::{CreateSnapshotOptions, create_snapshot};
use deno_core::{Extension, ExtensionFileSourceCode, wrap_lazy_ext_script};
use edgehost_ext::{Settings, extensions};

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    println!("cargo:rerun-if-changed=runtime-js");
    // For the test that hides it: where the sources of the Deno crates lie.
    let registry = snapshot_sources_folder();
    println!("cargo:rustc-env=EDGEHOST_REGISTRY={}", registry.display());

    let list = extensions(Settings::default());
    let scripts = sources(&list, |extension| &extension.lazy_loaded_js_files);
    let modules = sources(&list, |extension| &extension.lazy_loaded_esm_files);

    let snapshot = create_snapshot(
        CreateSnapshotOptions {
            cargo_manifest_dir: env!("CARGO_MANIFEST_DIR"),
            startup_snapshot: None,
            skip_op_registration: false,
            extensions: list,
            extension_transpiler: None,
            with_runtime_cb: None,
        },
        None,
    )
    .expect("the snapshot is made from runtime-js and the Deno crates");
    for file in &snapshot.files_loaded_during_snapshot {
        println!("cargo:rerun-if-changed={}", file.display());
    }
    fs::write(out.join("edgehost.snapshot"), &snapshot.output).expect("OUT_DIR is writable");

    let consumed: BTreeSet<String> = snapshot.consumed_lazy_specifiers.into_iter().collect();
    let mut table = String::new();
    write_table(&mut table, &out, "SCRIPTS", &scripts, &consumed, wrap_lazy_ext_script);
    write_table(&mut table, &out, "MODULES", &modules, &consumed, str::to_owned);
    fs::write(out.join("residual.rs"), table).expect("OUT_DIR is writable");
}

/// The folder of the cargo registry that holds the sources of deno_core.
fn snapshot_sources_folder() -> PathBuf {
    let list = extensions(Settings::default());
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
            let source = file.load().expect("sources of extensions are readable").as_str().to_owned();
            assert!(source.is_ascii(), "{} is not 7-bit ASCII", file.specifier);
            (file.specifier.to_string(), source)
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
    let _ = writeln!(table, "pub(super) static {name}: &[(&str, &str)] = &[");
    for (index, (specifier, source)) in sources.iter().enumerate() {
        if consumed.contains(specifier) {
            continue;
        }
        let file = out.join(format!("{}_{index}.js", name.to_lowercase()));
        fs::write(&file, prepare(source)).expect("OUT_DIR is writable");
        let _ = writeln!(table, "    ({specifier:?}, include_str!({:?})),", file.display().to_string());
    }
    table.push_str("];\n");
}
