//! The bundle of last time, in the project's `.edgehost/`.
//!
//! It is used again while no input changed: neither a file that went into it,
//! nor the names in the folders of the user's own files (a new file may win a
//! resolution), nor what tells how to bundle. A cache that cannot be read or
//! written is no error; it is made again, or left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Bundle, Chunk, Conditions, Entry, Problem, SourceMap};
use crate::project::{FileRule, MethodSet, Project, Runtime};

/// What bundles are made with: code that differs makes other bundles. The manifest pins
/// the bundler's version.
const MAKERS: [&str; 11] = [
    include_str!("assets.rs"),
    include_str!("cache.rs"),
    include_str!("client.rs"),
    include_str!("graph.rs"),
    include_str!("mod.rs"),
    include_str!("places.rs"),
    include_str!("reach.rs"),
    include_str!("rolldown.rs"),
    include_str!("uncached.rs"),
    include_str!("virtuals.rs"),
    include_str!("../../Cargo.toml"),
];

/// Files that tell how modules are found, wherever they lie above the sources.
const SETTINGS: [&str; 7] = [
    "tsconfig.json",
    "jsconfig.json",
    "package.json",
    "package-lock.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "bun.lock",
];

/// What the bundle depends on besides the content of files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Key {
    makers: String,
    routes: Vec<(String, String)>,
    conditions: Conditions,
    file_rules: Vec<FileRule>,
}

impl Key {
    pub(super) fn of(project: &Project, conditions: &Conditions) -> Self {
        let routes = project
            .routes
            .routes()
            .iter()
            .map(|route| (route.file.display().to_string(), route.segment.runtime.name().to_owned()));
        Self {
            makers: hex(&Sha256::digest(MAKERS.concat())),
            routes: routes.collect(),
            conditions: conditions.clone(),
            file_rules: project.file_rules.rules.clone(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Manifest {
    key: Key,
    files: BTreeMap<PathBuf, Stamp>,
    folders: BTreeMap<PathBuf, String>,
    entries: Vec<(String, u8)>,
    chunks: BTreeMap<String, (String, bool)>,
    warnings: Vec<Problem>,
    node: Vec<Runtime>,
}

/// Length and time of a file, and its hash for when only the time differs.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    length: u64,
    modified_ns: u64,
    sha256: String,
}

fn folder(root: &Path) -> PathBuf {
    root.join(".edgehost").join("bundle")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn time_and_length(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(path).ok()?;
    let since = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((u64::try_from(since.as_nanos()).ok()?, metadata.len()))
}

fn stamp(path: &Path) -> Option<Stamp> {
    let (modified_ns, length) = time_and_length(path)?;
    Some(Stamp { length, modified_ns, sha256: hex(&Sha256::digest(fs::read(path).ok()?)) })
}

fn is_unchanged(path: &Path, known: &Stamp) -> bool {
    match time_and_length(path) {
        Some((modified, length)) if modified == known.modified_ns && length == known.length => true,
        Some((_, length)) if length == known.length => {
            stamp(path).is_some_and(|now| now.sha256 == known.sha256)
        }
        // A settings file that was absent, and still is.
        None => known.sha256.is_empty(),
        Some(_) => false,
    }
}

/// The names in a folder, as one hash.
fn names(path: &Path) -> Option<String> {
    let names: BTreeSet<_> = fs::read_dir(path)
        .ok()?
        .filter_map(|entry| entry.ok().map(|entry| entry.file_name()))
        .filter(|name| name != ".edgehost")
        .collect();
    let mut hash = Sha256::new();
    for name in names {
        hash.update(name.as_encoded_bytes());
        hash.update([0]);
    }
    Some(hex(&hash.finalize()))
}

pub(super) fn load(root: &Path, key: &Key) -> Option<Bundle> {
    let folder = folder(root);
    let manifest: Manifest = serde_json::from_slice(&fs::read(folder.join("manifest.json")).ok()?).ok()?;
    let fresh = manifest.key == *key
        && manifest.files.iter().all(|(path, stamp)| is_unchanged(path, stamp))
        && manifest.folders.iter().all(|(path, known)| names(path).as_ref() == Some(known));
    if !fresh {
        return None;
    }
    let mut bundle =
        Bundle { cached: true, warnings: manifest.warnings, node: manifest.node, ..Bundle::default() };
    for (specifier, (file, mapped)) in manifest.chunks {
        let path = folder.join(file);
        let code = fs::read_to_string(&path).ok()?;
        let map = if mapped { SourceMap::File(path.with_extension("js.map")) } else { SourceMap::Absent };
        bundle.chunks.insert(specifier, Chunk { code: code.into(), map });
    }
    bundle.entries = manifest
        .entries
        .into_iter()
        .map(|(specifier, methods)| Some(Entry { specifier, methods: MethodSet::from_bits(methods) }))
        .collect();
    bundle.inputs = manifest.files.into_keys().collect();
    Some(bundle)
}

pub(super) fn store(root: &Path, key: &Key, bundle: &Bundle) {
    if let Err(error) = write(root, key, bundle) {
        tracing::debug!(%error, "the bundle is not cached");
    }
}

fn write(root: &Path, key: &Key, bundle: &Bundle) -> std::io::Result<()> {
    let target = folder(root);
    let parent = target.parent().unwrap_or(root);
    fs::create_dir_all(parent)?;
    fs::write(parent.join(".gitignore"), "*\n")?;
    // Written aside and moved into place, so that a reader never sees half of it.
    let aside = parent.join(format!("bundle-{}", std::process::id()));
    let _ = fs::remove_dir_all(&aside);
    fs::create_dir_all(&aside)?;

    let mut chunks = BTreeMap::new();
    for (index, (specifier, chunk)) in bundle.chunks.iter().enumerate() {
        let file = format!("{index}.js");
        fs::write(aside.join(&file), chunk.code.as_bytes())?;
        let map = chunk.map.read();
        if let Some(map) = &map {
            fs::write(aside.join(format!("{file}.map")), map)?;
        }
        chunks.insert(specifier.clone(), (file, map.is_some()));
    }
    let mut files = BTreeMap::new();
    let mut folders = BTreeMap::new();
    for path in &bundle.inputs {
        files.extend(stamp(path).map(|stamp| (path.clone(), stamp)));
        let own = !path.components().any(|part| part.as_os_str() == "node_modules");
        for above in path.ancestors().skip(1).take_while(|above| above.starts_with(root)) {
            if own {
                folders.extend(names(above).map(|names| (above.to_owned(), names)));
            }
            if own || above == root || path.parent() == Some(above) {
                for name in SETTINGS {
                    let path = above.join(name);
                    let absent = || Stamp { length: 0, modified_ns: 0, sha256: String::new() };
                    files.insert(path.clone(), stamp(&path).unwrap_or_else(absent));
                }
            }
        }
    }
    let manifest = Manifest {
        key: key.clone(),
        files,
        folders,
        entries: bundle
            .entries
            .iter()
            .flatten()
            .map(|entry| (entry.specifier.clone(), entry.methods.bits()))
            .collect(),
        chunks,
        warnings: bundle.warnings.clone(),
        node: bundle.node.clone(),
    };
    fs::write(aside.join("manifest.json"), serde_json::to_vec(&manifest)?)?;
    let _ = fs::remove_dir_all(&target);
    fs::rename(&aside, &target)
}
