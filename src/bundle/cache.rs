//! The bundle of last time, in the project's `.edgehost/`.
//!
//! It is used again while nothing changed that it was made from or with (`inputs`,
//! [`Key`]). It is one file, written aside and moved into place: who reads it sees all
//! of one bundle, and goes on to do so after another process has put a new one there.
//! Everything in it is hashed; what is damaged is made again. A bundle that cannot be
//! kept is no error.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::inputs::{Inputs, Recorder};
use super::{Bundle, Conditions, Problem, Unit};
use crate::build::{Chunk, Entry, Kept, KeptMap, ModuleVariable, SourceMap, Span, digest};
use crate::project::{FileRule, NextConfig, Project, Runtime};

/// Sources that other bundles come from when they differ, as build.rs hashed them. The
/// manifest of the crate is one, and pins the bundler's version.
pub(super) const MAKERS: &str = env!("EDGEHOST_BUNDLE_MAKERS");

/// What the file begins with.
const MAGIC: &[u8; 16] = b"edgehost bundle\n";

/// How long a file that was never moved into place is left to whoever writes it.
const ABANDONED: Duration = Duration::from_secs(3600);

/// What the bundle depends on besides files and folders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Key {
    makers: String,
    /// Their files, runtimes, and what is wrong with them.
    routes: Vec<(String, String, Vec<String>)>,
    conditions: Conditions,
    file_rules: Vec<FileRule>,
    strict_exports: bool,
    config: NextConfig,
}

impl Key {
    pub(super) fn of(project: &Project, conditions: &Conditions) -> Self {
        let routes = Unit::of(project).into_iter().map(|unit| {
            (unit.entry.display().to_string(), unit.runtime.name().to_owned(), unit.problems.to_vec())
        });
        Self {
            makers: MAKERS.to_owned(),
            routes: routes.collect(),
            conditions: conditions.clone(),
            file_rules: project.file_rules.rules.clone(),
            strict_exports: project.strict_exports,
            config: project.config.clone(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Manifest {
    key: Key,
    inputs: Inputs,
    entries: Vec<Option<Entry>>,
    chunks: BTreeMap<String, (Span, Option<Span>)>,
    warnings: Vec<Problem>,
    errors: Vec<Problem>,
    node: Vec<Runtime>,
    state: Vec<ModuleVariable>,
}

pub(super) fn folder(root: &Path) -> PathBuf {
    root.join(".edgehost")
}

/// Where the bundle of a project is kept. Who works on a project has another one than who
/// serves it.
fn place(root: &Path, key: &Key) -> PathBuf {
    folder(root).join(if key.conditions.development { "dev-bundle" } else { "bundle" })
}

pub(super) fn load(root: &Path, key: &Key) -> Option<Bundle> {
    let mut file = File::open(place(root, key)).ok()?;
    let length = file.metadata().ok().filter(fs::Metadata::is_file)?.len();
    let Some((manifest, contents)) = manifest(&mut file, length) else {
        tracing::warn!("the kept bundle is damaged, and is made again");
        return None;
    };
    // Another version of edgehost may have other fields.
    let manifest: Manifest = serde_json::from_slice(&manifest).ok()?;
    if manifest.key != *key {
        return None;
    }
    if let Some(path) = manifest.inputs.changed() {
        tracing::debug!(path = %path.display(), "not as it was when the bundle was made");
        return None;
    }
    let kept = Kept::new(file, length, contents);
    let mut bundle = Bundle {
        cached: true,
        warnings: manifest.warnings,
        errors: manifest.errors,
        node: manifest.node,
        state: manifest.state,
        ..Bundle::default()
    };
    for (specifier, (code, map)) in manifest.chunks {
        let Some(code) = kept.read(&code).and_then(|code| String::from_utf8(code).ok()) else {
            tracing::warn!("the kept bundle is damaged, and is made again");
            return None;
        };
        let map = map.map_or(SourceMap::Absent, |span| SourceMap::Kept(KeptMap { kept: kept.clone(), span }));
        bundle.chunks.insert(specifier, Chunk { code: code.into(), map, cache: None });
    }
    bundle.entries = manifest.entries;
    bundle.inputs = manifest.inputs.into_modules();
    Some(bundle)
}

/// The manifest, and where it ends.
fn manifest(file: &mut File, length: u64) -> Option<(Vec<u8>, u64)> {
    let mut head = [0; 56];
    file.read_exact(&mut head).ok()?;
    let (magic, rest) = head.split_at(16);
    let (size, expected) = rest.split_at(8);
    let size = u64::from_le_bytes(size.try_into().ok()?);
    let contents = size.checked_add(56).filter(|end| *end <= length)?;
    let mut bytes = vec![0; usize::try_from(size).ok()?];
    file.read_exact(&mut bytes).ok()?;
    if magic != MAGIC || digest(&bytes).as_bytes() != expected {
        return None;
    }
    Some((bytes, contents))
}

/// Keeps a bundle, and leaves its source maps to the file.
pub(super) fn store(root: &Path, key: &Key, recorder: &Recorder, bundle: &mut Bundle) {
    let inputs = recorder.inputs(root, &bundle.inputs, &key.conditions);
    if let Err(error) = inputs.and_then(|inputs| write(root, key, inputs, bundle)) {
        tracing::info!(%error, "the bundle is not kept: the next start makes it again");
    }
}

/// The folder that things are kept in, which is no part of the project.
pub(super) fn make_folder(root: &Path) -> io::Result<PathBuf> {
    let folder = folder(root);
    fs::create_dir_all(&folder)?;
    let ignore = folder.join(".gitignore");
    if !ignore.exists() {
        fs::write(ignore, "*\n")?;
    }
    remove_abandoned(&folder);
    Ok(folder)
}

fn write(root: &Path, key: &Key, inputs: Inputs, bundle: &mut Bundle) -> io::Result<()> {
    let folder = make_folder(root)?;

    let mut chunks = BTreeMap::new();
    let mut at = 0;
    let mut span = |bytes: &[u8]| {
        let span = Span { at, length: bytes.len() as u64, digest: digest(bytes) };
        at += span.length;
        span
    };
    // Code first and together: it is what every start reads.
    let mut names: Vec<&String> = bundle.chunks.keys().collect();
    names.sort();
    for name in &names {
        chunks.insert((*name).clone(), (span(bundle.chunks[*name].code.as_bytes()), None));
    }
    for name in &names {
        if let (Some(map), Some((_, kept))) = (bundle.chunks[*name].map.read(), chunks.get_mut(*name)) {
            *kept = Some(span(&map));
        }
    }
    let manifest = Manifest {
        key: key.clone(),
        inputs,
        entries: bundle.entries.clone(),
        chunks,
        warnings: bundle.warnings.clone(),
        errors: bundle.errors.clone(),
        node: bundle.node.clone(),
        state: bundle.state.clone(),
    };

    let aside = Aside::new(&folder)?;
    let mut out = BufWriter::new(&aside.file);
    let head = serde_json::to_vec(&manifest)?;
    out.write_all(MAGIC)?;
    out.write_all(&(head.len() as u64).to_le_bytes())?;
    out.write_all(digest(&head).as_bytes())?;
    out.write_all(&head)?;
    for name in &names {
        out.write_all(bundle.chunks[*name].code.as_bytes())?;
    }
    for name in &names {
        if let Some(map) = bundle.chunks[*name].map.read() {
            out.write_all(&map)?;
        }
    }
    out.flush()?;
    drop(out);
    let file = aside.put(&place(root, key))?;
    let length = file.metadata()?.len();
    let kept = Kept::new(file, length, 56 + head.len() as u64);
    for (name, (_, map)) in manifest.chunks {
        if let (Some(chunk), Some(span)) = (bundle.chunks.get_mut(&name), map) {
            chunk.map = SourceMap::Kept(KeptMap { kept: kept.clone(), span });
        }
    }
    Ok(())
}

/// What the names of files begin with that are not in place yet.
const ASIDE: &str = "bundle-";

/// A file that is gone again unless it is put into its place.
pub(super) struct Aside {
    pub(super) file: File,
    path: PathBuf,
}

impl Aside {
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{ASIDE}{}-{count}", std::process::id()));
        // One of the same name is of a process that is gone.
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
        Ok(Self { file, path })
    }

    /// Makes sure that all of it is on disk before the name leads there.
    pub(super) fn put(self, place: &Path) -> io::Result<File> {
        self.file.sync_all()?;
        if place.is_dir() {
            fs::remove_dir_all(place)?;
        }
        fs::rename(&self.path, place)?;
        let file = self.file.try_clone()?;
        if let Some(folder) = place.parent().and_then(|folder| File::open(folder).ok()) {
            let _ = folder.sync_all();
        }
        Ok(file)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes what processes that ended early left behind.
fn remove_abandoned(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let is_aside = entry.file_name().to_string_lossy().starts_with(ASIDE);
        let age = entry.metadata().and_then(|metadata| metadata.modified()).ok();
        let is_old = age.and_then(|time| time.elapsed().ok()).is_some_and(|age| age > ABANDONED);
        if is_aside && is_old {
            let _ = fs::remove_file(entry.path());
        }
    }
}
