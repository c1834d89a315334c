//! What a bundle was made from, and whether all of it is still as it was.
//!
//! A file counts by its content, as the bundler read it. A folder counts by the names
//! in it, since a new file may win a resolution. A path that an import looked for in
//! vain counts as long as nothing is there.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use oxc_resolver::{
    FileMetadata, FileSystem, FileSystemOs, ResolveError, ResolveOptions, ResolverGeneric, TsconfigDiscovery,
    TsconfigOptions, TsconfigReferences,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::Conditions;
use crate::build::digest;
use crate::project::Runtime;

/// Times of files are as coarse as the kernel's tick: what was written within the
/// same one looks older than it is.
const TICK: Duration = Duration::from_millis(10);

/// Files that tell how modules are found, in every folder of the user's own files and
/// above the project.
const SETTINGS: [&str; 7] = [
    "tsconfig.json",
    "jsconfig.json",
    "package.json",
    "package-lock.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "bun.lock",
];

/// Extensions of files that an import may mean without naming the extension, or that
/// are empty modules. Others are found by their whole name only, and looked for by it.
const MODULES: [&str; 14] =
    ["cjs", "css", "cts", "js", "json", "jsx", "less", "mjs", "mts", "node", "sass", "scss", "ts", "wasm"];

/// What may be left out at the end of an import.
pub(super) const EXTENSIONS: [&str; 8] = [".js", ".mjs", ".tsx", ".ts", ".jsx", ".cjs", ".json", ".wasm"];

/// The fields of a package that name its main module, in order.
pub(super) fn main_fields(kind: Runtime) -> Vec<String> {
    let names: &[&str] =
        if kind == Runtime::Edge { &["browser", "module", "main"] } else { &["module", "main"] };
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The fields of a package that put modules into the place of others.
pub(super) fn alias_fields(kind: Runtime) -> Option<Vec<Vec<String>>> {
    (kind == Runtime::Edge).then(|| vec![vec!["browser".to_owned()]])
}

/// The file with TypeScript's settings.
pub(super) fn tsconfig(root: &Path) -> Option<PathBuf> {
    let names = ["tsconfig.json", "jsconfig.json"];
    names.map(|name| root.join(name)).into_iter().find(|path| path.is_file())
}

/// Takes down what a bundler reads and asks for; several runs may share one.
#[derive(Debug)]
pub(super) struct Recorder {
    began: SystemTime,
    read: Mutex<HashMap<PathBuf, Stamp>>,
    /// Files whose modules are not their text.
    stood_for: Mutex<HashSet<PathBuf>>,
    found: Mutex<HashSet<PathBuf>>,
    asked: Mutex<HashSet<Asked>>,
    /// Folders in which a pattern was looked for.
    searched: Mutex<HashSet<PathBuf>>,
    /// A file that was not the same each time it was read.
    torn: Mutex<Option<PathBuf>>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Asked {
    kind: Runtime,
    is_require: bool,
    folder: PathBuf,
    specifier: String,
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Recorder {
    /// Begins: what changes from now on may have been read in either form.
    pub(super) fn new() -> Self {
        Self {
            began: SystemTime::now(),
            read: Mutex::default(),
            stood_for: Mutex::default(),
            found: Mutex::default(),
            asked: Mutex::default(),
            searched: Mutex::default(),
            torn: Mutex::default(),
        }
    }

    /// A module was read from a file.
    pub(super) fn read(&self, path: &Path, content: &[u8]) {
        if !self.stood_for.lock().contains(path) {
            self.stamp(path, content);
        }
    }

    /// A module was made of a file, and is not its text.
    pub(super) fn made_of(&self, path: &Path) {
        if let Ok(content) = fs::read(path) {
            self.stood_for.lock().insert(path.to_owned());
            self.stamp(path, &content);
        }
    }

    fn stamp(&self, path: &Path, content: &[u8]) {
        let Ok(metadata) = fs::metadata(path) else { return };
        let stamp = Stamp::new(&metadata, content, self.began.checked_sub(TICK));
        if let Some(before) = self.read.lock().insert(path.to_owned(), stamp.clone())
            && before.digest != stamp.digest
        {
            *self.torn.lock() = Some(path.to_owned());
        }
    }

    /// A module was found, and will be read.
    pub(super) fn found(&self, path: &Path) {
        self.found.lock().insert(path.to_owned());
    }

    /// An import was resolved, and a file that is not there yet may change the result.
    pub(super) fn asked(&self, kind: Runtime, is_require: bool, importer: &Path, specifier: &str) {
        let Some(folder) = importer.parent().filter(|folder| folder.is_absolute()) else { return };
        let asked = Asked { kind, is_require, folder: folder.to_owned(), specifier: specifier.to_owned() };
        self.asked.lock().insert(asked);
    }

    /// A folder was searched for files.
    pub(super) fn searched(&self, folder: &Path) {
        self.searched.lock().insert(folder.to_owned());
    }

    /// Everything that the bundle of a project depends on. `files` are its modules.
    ///
    /// Fails when something changed meanwhile, so that nobody knows what was read.
    pub(super) fn inputs(
        &self,
        root: &Path,
        files: &[PathBuf],
        conditions: &Conditions,
    ) -> io::Result<Inputs> {
        let changed = |path: &Path| Err(io::Error::other(format!("{} changed meanwhile", path.display())));
        if let Some(path) = self.torn.lock().as_deref() {
            return changed(path);
        }
        let mut inputs = Inputs::default();
        let mut read = self.read.lock();
        for path in files {
            let stamp = match read.remove(path) {
                Some(stamp) => stamp,
                // Nobody knows when the bundler read it.
                None => match self.since(path)? {
                    Some(stamp) => stamp,
                    None => return changed(path),
                },
            };
            inputs.modules.insert(path.clone(), stamp);
        }
        // Files of routes that are broken, which are in no bundle.
        inputs.settings.extend(read.drain());
        drop(read);
        for path in self.found.lock().iter() {
            if !inputs.modules.contains_key(path) && !inputs.settings.contains_key(path) {
                // Nothing would tell that it can be read the next time.
                fs::File::open(path)?;
            }
        }

        let files = inputs.modules.keys().chain(inputs.settings.keys()).map(PathBuf::as_path);
        let folders = folders(root, files, &self.searched.lock());
        let (looked_for, settings) = self.lookups(root, conditions);
        let above = root.ancestors().skip(1).flat_map(|folder| SETTINGS.map(|name| folder.join(name)));
        let within = folders.iter().flat_map(|folder| {
            let names: &[&str] = if is_of_package(folder) { &["package.json"] } else { &SETTINGS };
            names.iter().map(|name| folder.join(name))
        });
        let settings: BTreeSet<PathBuf> = above.chain(within).chain(settings).collect();
        let mut absent = looked_for;
        for path in settings {
            if inputs.modules.contains_key(&path) || inputs.settings.contains_key(&path) {
                continue;
            }
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_file() => match self.since(&path)? {
                    Some(stamp) => drop(inputs.settings.insert(path, stamp)),
                    None => return changed(&path),
                },
                Ok(_) => {}
                Err(_) => drop(absent.insert(path)),
            }
        }
        for folder in folders {
            let Some(listing) = Listing::of(&folder) else { continue };
            if listing.newest > Some(self.began) {
                return changed(&folder);
            }
            inputs.folders.insert(folder, listing);
        }
        for path in absent {
            if !inputs.lists(&path) {
                let missing = topmost_missing(&path);
                if missing == path || !inputs.lists(missing) {
                    inputs.absent.insert(missing.to_owned());
                }
            }
        }
        Ok(inputs)
    }

    /// The stamp of a file that did not change since the beginning.
    fn since(&self, path: &Path) -> io::Result<Option<Stamp>> {
        let metadata = fs::metadata(path)?;
        let is_older = times(&metadata).into_iter().flatten().all(|time| time <= self.began);
        let now = SystemTime::now().checked_sub(TICK);
        Ok(if is_older { Some(Stamp::new(&metadata, &fs::read(path)?, now)) } else { None })
    }

    /// Where the imports looked, once more: paths where nothing was, and files with
    /// settings that were read.
    fn lookups(&self, root: &Path, conditions: &Conditions) -> (BTreeSet<PathBuf>, BTreeSet<PathBuf>) {
        let lookups = Arc::new(Mutex::new(Lookups::default()));
        for kind in [Runtime::NodeJs, Runtime::Edge] {
            for is_require in [false, true] {
                let asked = self.asked.lock();
                let mut asked = asked
                    .iter()
                    .filter(|asked| asked.kind == kind && asked.is_require == is_require)
                    .peekable();
                if asked.peek().is_none() {
                    continue;
                }
                let resolver = resolver(root, kind, is_require, conditions, lookups.clone());
                for asked in asked {
                    let _ = resolver.resolve(&asked.folder, &asked.specifier);
                }
            }
        }
        let mut lookups = std::mem::take(&mut *lookups.lock());
        // A specifier may be looked for in places that have no folder yet.
        for asked in self.asked.lock().iter() {
            if !asked.specifier.starts_with(['.', '/', '#']) {
                let folders = asked.folder.ancestors().map(|above| above.join("node_modules"));
                let nearer = folders.map(|folder| folder.join(&asked.specifier));
                lookups.absent.extend(nearer.filter(|path| fs::metadata(path).is_err()));
            }
        }
        (lookups.absent, lookups.read)
    }
}

/// What a resolver asks the file system.
#[derive(Debug, Default)]
struct Lookups {
    absent: BTreeSet<PathBuf>,
    read: BTreeSet<PathBuf>,
}

/// The file system, for a resolver whose lookups are taken down.
struct Observed {
    system: FileSystemOs,
    lookups: Arc<Mutex<Lookups>>,
}

impl Observed {
    fn note<T, E>(&self, path: &Path, result: Result<T, E>) -> Result<T, E> {
        if result.is_err() {
            self.lookups.lock().absent.insert(path.to_owned());
        }
        result
    }
}

impl FileSystem for Observed {
    fn new(yarn_pnp: bool) -> Self {
        Self { system: FileSystemOs::new(yarn_pnp), lookups: Arc::default() }
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.lookups.lock().read.insert(path.to_owned());
        FileSystem::read(&self.system, path)
    }

    fn read_to_string(&self, path: &Path) -> io::Result<String> {
        self.lookups.lock().read.insert(path.to_owned());
        FileSystem::read_to_string(&self.system, path)
    }

    fn metadata(&self, path: &Path) -> io::Result<FileMetadata> {
        self.note(path, FileSystem::metadata(&self.system, path))
    }

    fn symlink_metadata(&self, path: &Path) -> io::Result<FileMetadata> {
        self.note(path, FileSystem::symlink_metadata(&self.system, path))
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf, ResolveError> {
        FileSystem::read_link(&self.system, path)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        FileSystem::canonicalize(&self.system, path)
    }
}

/// A resolver that looks where the bundler's does.
fn resolver(
    root: &Path,
    kind: Runtime,
    is_require: bool,
    conditions: &Conditions,
    lookups: Arc<Mutex<Lookups>>,
) -> ResolverGeneric<Observed> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let form = if is_require { "require" } else { "import" };
    let alike = |name: &str, others: &[&str]| (name.to_owned(), owned(others));
    let options = ResolveOptions {
        cwd: Some(root.to_owned()),
        tsconfig: tsconfig(root).map(|config_file| {
            TsconfigDiscovery::Manual(TsconfigOptions { config_file, references: TsconfigReferences::Auto })
        }),
        condition_names: owned(&[form, "default"]).into_iter().chain(conditions.of(kind).to_vec()).collect(),
        main_fields: main_fields(kind),
        alias_fields: alias_fields(kind).unwrap_or_default(),
        extensions: owned(&EXTENSIONS),
        extension_alias: vec![
            alike(".js", &[".js", ".ts", ".tsx"]),
            alike(".jsx", &[".jsx", ".ts", ".tsx"]),
            alike(".mjs", &[".mjs", ".mts"]),
            alike(".cjs", &[".cjs", ".cts"]),
        ],
        ..ResolveOptions::default()
    };
    ResolverGeneric::new_with_file_system(Observed { system: FileSystemOs::new(false), lookups }, options)
}

/// All that a bundle depends on.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Inputs {
    modules: BTreeMap<PathBuf, Stamp>,
    /// Files that tell how modules are found, and those that are in no bundle.
    settings: BTreeMap<PathBuf, Stamp>,
    folders: BTreeMap<PathBuf, Listing>,
    absent: BTreeSet<PathBuf>,
}

impl Inputs {
    /// Whether a listing would show that something came to a path.
    fn lists(&self, path: &Path) -> bool {
        let Some((folder, name)) = path.parent().zip(path.file_name()) else { return false };
        let name = name.to_string_lossy();
        self.folders.contains_key(folder) && counts(folder, &name, true) && counts(folder, &name, false)
    }

    /// What is not as it was, if anything.
    pub(super) fn changed(&self) -> Option<&Path> {
        let absent = self.absent.iter().find(|path| fs::metadata(path).is_ok());
        let mut files = self.modules.iter().chain(&self.settings);
        let file = || files.find(|(path, stamp)| !stamp.is_of(path)).map(|(path, _)| path);
        let folder =
            || self.folders.iter().find(|(path, listing)| !listing.is_of(path)).map(|(path, _)| path);
        absent.or_else(file).or_else(folder).map(PathBuf::as_path)
    }

    /// The modules.
    pub(super) fn into_modules(self) -> Vec<PathBuf> {
        self.modules.into_keys().collect()
    }
}

/// A state of a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Stamp {
    length: u64,
    /// Which file it was and when it changed, unless that was too short a time ago to
    /// tell it from the next change.
    identity: Option<Identity>,
    digest: String,
}

impl Stamp {
    fn new(metadata: &Metadata, content: &[u8], settled: Option<SystemTime>) -> Self {
        Self { length: metadata.len(), identity: Identity::of(metadata, settled), digest: digest(content) }
    }

    fn is_of(&self, path: &Path) -> bool {
        let Ok(metadata) = fs::metadata(path) else { return false };
        if !metadata.is_file() || metadata.len() != self.length {
            return false;
        }
        let is_same = self.identity.is_some() && Identity::of(&metadata, None) == self.identity;
        is_same || fs::read(path).is_ok_and(|content| digest(&content) == self.digest)
    }
}

/// Tells one state of a file from the next without reading it. The time at which the
/// contents were modified is not enough: package managers set it to what they like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    modified_ns: u64,
    changed_ns: u64,
    inode: u64,
}

impl Identity {
    /// None if a change after `settled` is possible that it would not show.
    fn of(metadata: &Metadata, settled: Option<SystemTime>) -> Option<Self> {
        let [modified, changed] = times(metadata);
        if settled.is_some_and(|settled| modified.max(changed).is_none_or(|time| time > settled)) {
            return None;
        }
        let nanoseconds =
            |time: Option<SystemTime>| u64::try_from(time?.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok();
        Some(Self {
            modified_ns: nanoseconds(modified)?,
            changed_ns: nanoseconds(changed)?,
            inode: inode(metadata),
        })
    }
}

/// When a file's content, and when anything of it was changed.
#[cfg(unix)]
fn times(metadata: &Metadata) -> [Option<SystemTime>; 2] {
    use std::os::unix::fs::MetadataExt as _;
    let seconds = u64::try_from(metadata.ctime()).ok();
    let nanoseconds = u64::try_from(metadata.ctime_nsec()).ok();
    let changed = seconds.zip(nanoseconds).map(|(seconds, nanoseconds)| {
        UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_nanos(nanoseconds)
    });
    [metadata.modified().ok(), changed]
}

#[cfg(not(unix))]
fn times(metadata: &Metadata) -> [Option<SystemTime>; 2] {
    [metadata.modified().ok(), metadata.created().ok()]
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_metadata: &Metadata) -> u64 {
    0
}

/// The names in a folder that a resolution may come upon.
#[derive(Debug, Serialize, Deserialize)]
struct Listing {
    identity: Option<Identity>,
    digest: String,
    /// When the last of them came.
    #[serde(skip)]
    newest: Option<SystemTime>,
}

impl Listing {
    fn of(folder: &Path) -> Option<Self> {
        let settled = SystemTime::now().checked_sub(TICK);
        let identity = Identity::of(&fs::metadata(folder).ok()?, settled);
        let mut newest = None;
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(folder).ok()?.filter_map(Result::ok) {
            let name = entry.file_name();
            let Ok(kind) = entry.file_type() else { continue };
            let is_file = kind.is_file();
            if !counts(folder, &name.to_string_lossy(), is_file) {
                continue;
            }
            newest = newest.max(entry.metadata().and_then(|metadata| metadata.created()).ok());
            let leads_to = kind.is_symlink().then(|| fs::read_link(entry.path()).ok()).flatten();
            names.insert((name, kind.is_dir(), leads_to));
        }
        let mut text = Vec::new();
        for (name, is_folder, leads_to) in names {
            text.extend_from_slice(name.as_encoded_bytes());
            text.extend_from_slice(if is_folder { b"/\0" } else { b"\0" });
            if let Some(target) = leads_to {
                text.extend_from_slice(target.as_os_str().as_encoded_bytes());
                text.push(0);
            }
        }
        Some(Self { identity, digest: digest(&text), newest })
    }

    fn is_of(&self, folder: &Path) -> bool {
        let Ok(metadata) = fs::metadata(folder) else { return false };
        let is_same = self.identity.is_some() && Identity::of(&metadata, None) == self.identity;
        is_same || Self::of(folder).is_some_and(|now| now.digest == self.digest)
    }
}

/// Whether a name in a folder can change how an import is resolved that does not spell
/// it out. Logs, databases and what tools keep cannot.
fn counts(folder: &Path, name: &str, is_file: bool) -> bool {
    let packages = folder.file_name().is_some_and(|name| name == "node_modules");
    if name.starts_with('.') && (!packages || matches!(name, ".bin" | ".cache")) {
        return false;
    }
    if !is_file || SETTINGS.contains(&name) {
        return true;
    }
    match name.rsplit_once('.') {
        Some((_, extension)) => extension == "tsx" || MODULES.contains(&extension),
        None => true,
    }
}

fn is_of_package(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "node_modules")
}

/// The folders in which a new name may change a resolution: those that hold the files
/// and those between them and the project, each with its packages.
fn folders<'a>(
    root: &Path,
    files: impl Iterator<Item = &'a Path>,
    searched: &'a HashSet<PathBuf>,
) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::from([root.to_owned()]);
    let starts = files.filter_map(Path::parent).chain(searched.iter().map(PathBuf::as_path));
    for start in starts {
        for folder in start.ancestors() {
            if root.starts_with(folder) || !folders.insert(folder.to_owned()) {
                break;
            }
        }
    }
    let packages: Vec<PathBuf> = folders
        .iter()
        .map(PathBuf::as_path)
        .chain(root.ancestors().skip(1))
        .map(|folder| folder.join("node_modules"))
        .filter(|folder| folder.is_dir())
        .collect();
    for folder in packages {
        let names = fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok);
        let scopes = names.filter(|entry| entry.file_name().to_string_lossy().starts_with('@'));
        folders.extend(scopes.map(|entry| entry.path()).filter(|path| path.is_dir()));
        folders.insert(folder);
    }
    folders
}

/// The first part of a path at which nothing is.
fn topmost_missing(path: &Path) -> &Path {
    path.ancestors().take_while(|part| fs::metadata(part).is_err()).last().unwrap_or(path)
}
