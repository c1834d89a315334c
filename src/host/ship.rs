//! Builds an app for other machines.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use walkdir::WalkDir;

use super::app::{App, RouteSummary, summaries};
use super::sources::{Around, Source, read_files};
use crate::build::{Shipment, relative};
use crate::ending::Ending;
use crate::enforcer::{Guard, Wedge};
use crate::error::Error;
use crate::isolate::{self, engine};
use crate::memory::MemoryBudget;
use crate::shard::{Lane, Loads, Local, Shard, ShardThread};
use crate::telemetry::Tracing;
use crate::version::Version;

/// Files that go along as they are.
const PUBLIC: &str = "public";

/// Where settings of a project are, for the program `edgehost`.
const SETTINGS: [&str; 2] = ["edgehost.toml", "src/edgehost.toml"];

/// What [`App::build`] wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BuildSummary {
    /// Every route, in order of precedence; those with an error answer 500.
    pub routes: Vec<RouteSummary>,
    /// Files that code reads while it runs, as far as that was found, relative to the project.
    pub files: Vec<ReadFile>,
    /// How many files are in `public/`.
    pub public: usize,
    /// Which modules did not load, and why, a sentence for each: they have been built, and
    /// have no code cache of their own.
    pub unloaded: Vec<String>,
    /// Bytes of code.
    pub code_bytes: u64,
    /// Bytes of V8's code cache.
    pub cache_bytes: u64,
    /// Bytes of everything.
    pub bytes: u64,
}

/// A file that code reads.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadFile {
    /// The file.
    pub path: String,
    /// A file whose code reads it.
    pub by: String,
}

impl App {
    /// Bundles the project, loads the modules of its routes once so that V8's code cache can
    /// be kept, and writes what other machines need to serve it to `out`: one file if its name
    /// ends in `.edgehost`, a folder otherwise. A build that is there is replaced.
    ///
    /// No `.env` file goes along: [`App::from_build`] gets its environment where it is served.
    ///
    /// # Errors
    ///
    /// [`Error`] as with [`EdgeHost::deploy`](super::EdgeHost::deploy), and
    /// [`Error::Unwritten`]. Routes that cannot be bundled beside others are no error.
    pub async fn build(mut self, out: impl AsRef<Path>) -> Result<BuildSummary, Error> {
        self.validate()?;
        let Source::Dir(_) = self.source else {
            return Err(Error::Settings(vec!["only the project in a folder can be built".to_owned()]));
        };
        let limits = self.limits.clone().unwrap_or_default();
        isolate::init_platform(limits.memory, false);
        let (observer, guard) = (Arc::new(Tracing), Guard::new(MemoryBudget::default()));
        let around = Around {
            name: None,
            limits: &limits,
            observer: observer.clone(),
            guard: guard.clone(),
            instances: Some(1),
        };
        let ready = self.ready(around).await?;
        let root = ready.place.root.clone();
        let read = read_files(&ready);
        let inputs = ready.inputs.clone();
        // What makes a secret for nobody must not leave one behind.
        self.keeps = false;
        let mut build = ready.build.clone();
        let version = self.version(ready, None, limits, observer, guard, None)?;
        let (caches, unloaded) = compile(&version).await?;
        for (specifier, cache) in caches {
            if let Some(chunk) = build.chunks.get_mut(&specifier) {
                chunk.cache = Some(cache);
            }
        }
        let public = public(&root);
        let count = public.len();
        let files: BTreeSet<PathBuf> = read.keys().cloned().chain(public).collect();
        let settings = SETTINGS.iter().find_map(|name| std::fs::read_to_string(root.join(name)).ok());
        let shipment = Shipment {
            build: &build,
            root: &root,
            inputs: &inputs,
            files: &files,
            settings,
            engine: engine(),
        };
        let out = out.as_ref();
        let shipped =
            shipment.write(out).map_err(|source| Error::Unwritten { path: out.to_owned(), source })?;
        let shown = |path: &Path| relative(&root, path).display().to_string();
        let files = read.iter().map(|(path, by)| ReadFile { path: shown(path), by: shown(by) });
        Ok(BuildSummary {
            routes: summaries(&version),
            files: files.collect(),
            public: count,
            unloaded,
            code_bytes: shipped.code,
            cache_bytes: shipped.cache,
            bytes: shipped.all,
        })
    }
}

/// Loads the modules of a version on a thread of its own, and has V8's code caches of them and
/// what does not load.
async fn compile(version: &Arc<Version>) -> Result<(Vec<(String, Bytes)>, Vec<String>), Error> {
    let wedge = Wedge::new();
    let (own, load, ending) = (wedge.clone(), Loads::default().begin(0), Ending::new());
    let make = move || Shard::new(own, load);
    let (thread, remote) =
        ShardThread::spawn(0, 1, wedge.clone(), ending.watch(), make, |_shard| async { Vec::new() })
            .map_err(|source| Error::System { what: "cannot start a shard thread", source })?;
    let lane = Lane::new(0, remote, wedge);
    let version = version.clone();
    let compiled = lane.run(move |shard| async move { Local::new(&shard, &version).compile().await }).await;
    drop(lane);
    let _ = tokio::task::spawn_blocking(move || thread.join(|| true)).await;
    Ok(compiled.unwrap_or_else(|_ended| {
        let why = "a module does not come back from native code, and no module has a code cache";
        (Vec::new(), vec![why.to_owned()])
    }))
}

/// The files in `public/`, without hidden ones but for `.well-known`.
fn public(root: &Path) -> Vec<PathBuf> {
    let entries = WalkDir::new(root.join(PUBLIC)).sort_by_file_name().into_iter().filter_entry(|entry| {
        let name = entry.file_name().to_string_lossy();
        !name.starts_with('.') || name == ".well-known"
    });
    let files = entries.filter_map(Result::ok).filter(|entry| entry.file_type().is_file());
    files.map(walkdir::DirEntry::into_path).collect()
}
