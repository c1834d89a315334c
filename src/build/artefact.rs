//! A build as it is shipped: a folder, or the same as one file, that another machine serves
//! without the project. Everything in it has a checksum, which guards against damage; who may
//! write it decides what runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::container::{Container, Sum, hex, is_name};
use super::{Build, Chunk, Manifest, SourceMap, absolute};

/// The file with what is in the artefact, and the one with its checksum.
pub(super) const CONTENTS: &str = "edgehost-build.json";
pub(super) const SUM: &str = "edgehost-build.sha256";

/// The settings of the project.
pub(super) const SETTINGS: &str = "edgehost.toml";

/// Where files lie that code reads while it runs.
pub(super) const FILES: &str = "files";

/// How [`Contents`] is written. What other formats mean is not known.
pub(super) const FORMAT: u32 = 1;

/// Largest such file, and settings.
const MOST_CONTENTS: u64 = 64 * 1024 * 1024;
const MOST_SETTINGS: u64 = 1024 * 1024;

/// Most bytes of code and of what V8 made of it.
const MOST_LOADED: u64 = 1024 * 1024 * 1024;

/// An artefact that cannot be served: which file is wrong, and how.
#[derive(Debug, thiserror::Error)]
#[error("{file} {problem}: copy the build again, or make it again with `edgehost build`")]
pub(crate) struct Refused {
    file: String,
    problem: String,
}

impl Refused {
    pub(super) fn new(file: String, problem: String) -> Self {
        Self { file, problem }
    }
}

/// What is read before anything else, whatever the format.
#[derive(Deserialize)]
struct Head {
    format: u32,
    #[serde(default)]
    edgehost: String,
}

/// What is in an artefact.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Contents {
    pub(super) format: u32,
    /// The edgehost that made it.
    pub(super) edgehost: String,
    /// The engine that made the code caches.
    pub(super) engine: String,
    /// The folder of the project, below [`FILES`].
    pub(super) root: String,
    pub(super) build: Manifest,
    /// By specifier.
    pub(super) chunks: BTreeMap<String, ChunkFiles>,
    /// Every other file.
    pub(super) files: BTreeMap<String, Sum>,
}

/// The files of a chunk.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ChunkFiles {
    pub(super) code: String,
    pub(super) map: Option<String>,
    pub(super) cache: Option<String>,
}

/// A source map that stays where it is until it is needed.
#[derive(Debug, Clone)]
pub(crate) struct StoredMap {
    container: Arc<Container>,
    name: String,
    sum: Sum,
}

impl StoredMap {
    pub(super) fn read(&self) -> Option<Bytes> {
        self.container.read(&self.name, &self.sum).ok()
    }
}

/// The folder that a version takes for its project's.
#[derive(Debug)]
pub(crate) struct Place {
    /// Where it is.
    pub(crate) root: PathBuf,
    /// The folder around it of which something was shipped.
    pub(crate) base: Option<PathBuf>,
    /// The same for two places only if the same files lie there.
    pub(crate) identity: String,
    /// Files of an archive, gone with it.
    unpacked: Mutex<Option<TempDir>>,
}

impl From<PathBuf> for Place {
    fn from(root: PathBuf) -> Self {
        let identity = format!("{root:?}");
        Self { root, base: None, identity, unpacked: Mutex::default() }
    }
}

impl Place {
    /// Removes what was unpacked there: nobody needs it any more, whoever still holds this.
    pub(crate) fn leave(&self) {
        drop(self.unpacked.lock().take());
    }
}

/// An artefact that was looked into.
#[derive(Debug)]
pub(crate) struct Artefact {
    container: Arc<Container>,
    /// The checksum of its contents, and with them of everything.
    sum: String,
    contents: Contents,
}

/// An artefact whose files are all what they have to be.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// What was built.
    pub(crate) build: Build,
    /// Where its files are.
    pub(crate) place: Place,
    /// Who made it, where its code caches are of another engine and were left out.
    pub(crate) foreign: Option<String>,
}

impl Artefact {
    /// Whether a person means one by this path: a file, or a folder that was one once.
    pub(crate) fn is_at(path: &Path) -> bool {
        path.is_file() || [CONTENTS, SUM].iter().any(|name| path.join(name).symlink_metadata().is_ok())
    }

    /// Looks into a folder or a file.
    pub(crate) fn open(path: &Path) -> Result<Self, Refused> {
        Self::new(Container::open(path)?)
    }

    /// Looks into the bytes of a file.
    pub(crate) fn of_bytes(bytes: Bytes) -> Result<Self, Refused> {
        Self::new(Container::of_bytes(bytes)?)
    }

    fn new(container: Container) -> Result<Self, Refused> {
        let refused = |problem: String| Refused::new(container.shown(CONTENTS), problem);
        let text = container.read_any(CONTENTS, MOST_CONTENTS)?;
        let head: Result<Head, _> = serde_json::from_slice(&text);
        // Before the checksum: another format may have none.
        if let Ok(head) = &head
            && head.format != FORMAT
        {
            return Err(refused(format!(
                "has format {}, which edgehost {} does not know (it was made by edgehost {})",
                head.format,
                env!("CARGO_PKG_VERSION"),
                head.edgehost
            )));
        }
        let sum = hex(&Sha256::digest(&text));
        if container.read_any(SUM, 1024)? != sum_line(&sum).as_bytes() {
            return Err(refused(format!("does not have the checksum in {SUM}")));
        }
        let contents: Contents = serde_json::from_slice(&text)
            .map_err(|error| refused(format!("cannot be understood: {error}")))?;
        contents.check().map_err(refused)?;
        Ok(Self { container: Arc::new(container), sum, contents })
    }

    /// The text of the project's `edgehost.toml`.
    pub(crate) fn settings(&self) -> Result<Option<String>, Refused> {
        let Some(sum) = self.contents.files.get(SETTINGS) else { return Ok(None) };
        let refused = |problem: &str| Refused::new(self.container.shown(SETTINGS), problem.to_owned());
        if sum.length > MOST_SETTINGS {
            return Err(refused("is too long"));
        }
        let text = self.container.read(SETTINGS, sum)?;
        String::from_utf8(text.into()).map(Some).map_err(|_| refused("is no text"))
    }

    /// Reads what has to be in memory, and makes sure that everything is what was built.
    /// `engine` is the one that runs.
    pub(crate) fn load(self, engine: &str) -> Result<Loaded, Refused> {
        let Self { container, sum: artefact, contents } = self;
        let is_foreign = contents.engine != engine;
        let sum = |name: &String| (name.clone(), contents.files[name].clone());
        let mut chunks = std::collections::HashMap::with_capacity(contents.chunks.len());
        let mut read = std::collections::HashSet::new();
        for (specifier, files) in &contents.chunks {
            let code = container.read(&files.code, &contents.files[&files.code])?;
            let code = std::str::from_utf8(&code)
                .map_err(|_| Refused::new(container.shown(&files.code), "is no text".to_owned()))?;
            read.insert(&files.code);
            let map = files.map.as_ref().map_or(SourceMap::Absent, |name| {
                let (name, sum) = sum(name);
                SourceMap::Stored(StoredMap { container: container.clone(), name, sum })
            });
            let mut cache = None;
            if let Some(name) = files.cache.as_ref().filter(|_| !is_foreign) {
                cache = Some(container.read(name, &contents.files[name])?);
                read.insert(name);
            }
            chunks.insert(specifier.clone(), Chunk { code: code.into(), map, cache });
        }
        let below = format!("{FILES}/");
        let files =
            contents.files.iter().filter_map(|(name, sum)| Some((name, name.strip_prefix(&below)?, sum)));
        let place = match &*container {
            Container::Folder(folder) => {
                // As `process.cwd()` and stack traces show it.
                let folder = folder.canonicalize().unwrap_or_else(|_| folder.clone());
                let base = folder.join(FILES);
                let root = absolute(&base, contents.root.as_ref());
                let identity = format!("{root:?} {artefact}");
                Place { root, base: Some(base), identity, unpacked: Mutex::default() }
            }
            _ => {
                let unpacked = folder_for(&contents).map_err(|error| {
                    let folder = std::env::temp_dir();
                    let problem = format!(
                        "has files that code or clients read, which cannot be unpacked in {}: {error}; set TMPDIR to a folder that can be written, or serve a build in a folder",
                        folder.display()
                    );
                    Refused::new(container.shown(FILES), problem)
                })?;
                let base = match &unpacked {
                    // As `process.cwd()` and permissions see it.
                    Some(folder) => folder.path().canonicalize().unwrap_or_else(|_| folder.path().to_owned()),
                    None => nowhere(),
                };
                for (name, below, sum) in files {
                    container.unpack(name, sum, &base.join(below))?;
                    read.insert(name);
                }
                let root = absolute(&base, contents.root.as_ref());
                // It lies elsewhere each time.
                Place { root, base: Some(base), identity: artefact, unpacked: Mutex::new(unpacked) }
            }
        };
        for (name, sum) in contents.files.iter().filter(|(name, _)| !read.contains(name)) {
            container.verify(name, sum)?;
        }
        let foreign = is_foreign.then(|| format!("edgehost {} ({})", contents.edgehost, contents.engine));
        Ok(Loaded { build: Build { manifest: contents.build, chunks }, place, foreign })
    }
}

/// What is in the file [`SUM`], as `sha256sum --check` reads it.
pub(super) fn sum_line(sha256: &str) -> String {
    format!("{sha256}  {CONTENTS}\n")
}

/// A folder for the files of an archive; none where there are none.
fn folder_for(contents: &Contents) -> std::io::Result<Option<TempDir>> {
    use std::os::unix::fs::PermissionsExt;
    let below = format!("{FILES}/");
    if !contents.files.keys().any(|name| name.starts_with(&below)) {
        return Ok(None);
    }
    let private = std::fs::Permissions::from_mode(0o700);
    tempfile::Builder::new().prefix("edgehost-").permissions(private).tempdir().map(Some)
}

/// A folder that is not there.
fn nowhere() -> PathBuf {
    let mut random = [0; 16];
    // Where the system has no random numbers the name is one that nobody has either.
    let _ = getrandom::fill(&mut random);
    let folder = std::env::temp_dir();
    folder.canonicalize().unwrap_or(folder).join(format!("edgehost-{}", hex(&random)))
}

impl Contents {
    /// What is wrong with it, whatever the files hold.
    fn check(&self) -> Result<(), String> {
        let names = self.files.keys().all(|name| is_name(name) && name != CONTENTS && name != SUM);
        let is_file = |name: &String| self.files.contains_key(name);
        let known = self.chunks.values().all(|files| {
            is_file(&files.code) && files.map.iter().all(is_file) && files.cache.iter().all(is_file)
        });
        if !names || !(self.root.is_empty() || is_name(&self.root)) {
            return Err("names a file outside of the build".to_owned());
        }
        // `..` leads no further up than the folder with the files.
        let depth = self.root.split('/').filter(|part| !part.is_empty()).count();
        let is_inside = |path: &PathBuf| {
            use std::path::Component::{Normal, ParentDir};
            let up = path.components().take_while(|part| matches!(part, ParentDir)).count();
            up <= depth && path.components().skip(up).all(|part| matches!(part, Normal(_)))
        };
        if !self.build.packages.iter().all(is_inside) {
            return Err("names a package outside of the build".to_owned());
        }
        let middleware = self.build.middleware.iter().map(|middleware| &middleware.module);
        let mut entries =
            self.build.routes.iter().chain(middleware).filter_map(|route| route.entry.as_ref().ok());
        if !known || !entries.all(|entry| self.chunks.contains_key(&entry.specifier)) {
            return Err("names a module that it does not have".to_owned());
        }
        let loaded = self.chunks.values().flat_map(|files| [Some(&files.code), files.cache.as_ref()]);
        let loaded = loaded.flatten().map(|name| self.files[name].length).fold(0, u64::saturating_add);
        if loaded > MOST_LOADED {
            return Err(format!("names {loaded} bytes of code, more than anybody can load"));
        }
        Ok(())
    }
}
