//! Tells which files of a project change: by inotify, and where that cannot be had, by
//! looking at them again and again.
//!
//! Folders are watched, not files: editors that save by renaming put another file into the
//! place of the one that was there. Of `node_modules` only folders that the bundle has read
//! from are watched, and those that a new package appears in.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// How often folders are looked at that cannot be watched.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Most folders that are watched: a project that has more keeps data in them.
const MOST_FOLDERS: usize = 16 * 1024;

/// After how long without a further event a change is over: a file that was written and
/// closed; one that is still open, or gone, perhaps to come back; a package.
const CLOSED: Duration = Duration::from_millis(2);
const OPEN: Duration = Duration::from_millis(25);
const PACKAGE: Duration = Duration::from_millis(200);
/// Longest wait for that.
const LONGEST: Duration = Duration::from_secs(1);
const LONGEST_PACKAGE: Duration = Duration::from_secs(5);

/// What happened to a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Touch {
    /// Its content changed, and whoever did that is done.
    Written,
    /// Its content is being changed.
    BeingWritten,
    /// It came, or another one into its place.
    Appeared,
    /// It is gone.
    Gone,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Change {
    pub(super) path: PathBuf,
    pub(super) touch: Touch,
    pub(super) is_folder: bool,
}

/// Whether a folder of a project is of no interest: what version control, builds and tools
/// keep.
pub(super) fn is_passed_over(name: &str) -> bool {
    name.starts_with('.') || name == "node_modules"
}

/// Whether a path leads through `node_modules`.
pub(super) fn is_of_package(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "node_modules")
}

/// Watches a project.
pub(super) struct Watcher {
    root: PathBuf,
    /// Every file that is in the bundle.
    inputs: HashSet<PathBuf>,
    source: Source,
}

enum Source {
    #[cfg(target_os = "linux")]
    Events(events::Events),
    Looks(Looks),
}

impl Watcher {
    /// Watches the project in `root`, which need not be there yet. A remark tells what is in
    /// the way of doing that well.
    pub(super) fn new(root: &Path, polls: bool) -> (Self, Option<String>) {
        let (source, remark) = Source::new(polls);
        (Self { root: root.to_owned(), inputs: HashSet::new(), source }, remark)
    }

    /// Whether a file is in the bundle.
    pub(super) fn is_input(&self, path: &Path) -> bool {
        self.inputs.contains(path)
    }

    /// Takes another set of files that are in the bundle.
    pub(super) fn read(&mut self, root: &Path, inputs: impl IntoIterator<Item = PathBuf>) {
        root.clone_into(&mut self.root);
        self.inputs = inputs.into_iter().collect();
    }

    /// Watches what there is now. A remark tells what is in the way.
    pub(super) fn look_around(&mut self) -> Option<String> {
        let folders = folders(&self.root, &self.inputs);
        let remark = self.source.watch(&folders, &self.inputs);
        if let Some(remark) = remark {
            let mut looks = Looks::default();
            looks.watch(&folders, &self.inputs);
            self.source = Source::Looks(looks);
            return Some(remark);
        }
        None
    }

    /// Waits until something that `matters` has happened, and for its end.
    pub(super) async fn changes(&mut self, matters: impl Fn(&Self, &Change) -> bool) -> BTreeSet<Change> {
        let mut all = BTreeSet::new();
        let mut began = None;
        // Of each file, when its change is over unless something more happens to it.
        let mut ends: HashMap<PathBuf, Instant> = HashMap::new();
        let mut longest = LONGEST;
        loop {
            let found = match ends.values().max().copied() {
                // Folders above it may be gone too, and come again unseen.
                None if !self.root.is_dir() => {
                    while !self.root.is_dir() {
                        tokio::time::sleep(LOOK_EVERY).await;
                    }
                    vec![Change { path: self.root.clone(), touch: Touch::Appeared, is_folder: true }]
                }
                None => self.source.next().await,
                Some(until) => match tokio::time::timeout_at(until, self.source.next()).await {
                    Ok(found) => found,
                    Err(_elapsed) => return all,
                },
            };
            let mut has_folder = false;
            for change in found {
                if !matters(self, &change) {
                    continue;
                }
                let now = Instant::now();
                let pause = if is_of_package(&change.path) {
                    longest = LONGEST_PACKAGE;
                    PACKAGE
                } else {
                    match change.touch {
                        Touch::Written | Touch::Appeared if !change.is_folder => CLOSED,
                        _ => OPEN,
                    }
                };
                let began = *began.get_or_insert(now);
                let wanted = (now + pause).min(began + longest);
                ends.insert(change.path.clone(), wanted);
                has_folder |= change.is_folder;
                all.insert(change);
            }
            if has_folder {
                // What is put into new folders from now on is noticed; what was before is read.
                self.look_around();
            }
        }
    }
}

/// The folders that are of interest.
fn folders(root: &Path, inputs: &HashSet<PathBuf>) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    // For a project that is deleted and comes again, and files that count from above.
    for above in root.ancestors().skip(1) {
        if above.is_dir() {
            folders.insert(above.to_owned());
            break;
        }
    }
    let mut queue = std::collections::VecDeque::from([(root.to_owned(), 0)]);
    let mut seen = HashSet::new();
    while let Some((folder, links)) = queue.pop_front() {
        if folders.len() >= MOST_FOLDERS {
            break;
        }
        // Links may lead in circles.
        let Ok(real) = folder.canonicalize() else { continue };
        if !seen.insert(real) {
            continue;
        }
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.filter_map(Result::ok) {
            let Ok(kind) = entry.file_type() else { continue };
            let links = links + usize::from(kind.is_symlink());
            // Routes are found through links; elsewhere what is read through them is an input.
            let is_followed = kind.is_symlink()
                && folder.components().any(|part| part.as_os_str() == "app")
                && entry.path().is_dir();
            if (kind.is_dir() || is_followed)
                && links < 8
                && !is_passed_over(&entry.file_name().to_string_lossy())
            {
                queue.push_back((entry.path(), links));
            }
        }
        folders.insert(folder);
    }
    for above in root.ancestors() {
        let packages = above.join("node_modules");
        if packages.is_dir() {
            let scopes = std::fs::read_dir(&packages).into_iter().flatten().filter_map(Result::ok);
            let scopes = scopes.filter(|entry| entry.file_name().to_string_lossy().starts_with('@'));
            folders.extend(scopes.map(|entry| entry.path()));
            folders.insert(packages);
        }
    }
    folders.extend(inputs.iter().filter_map(|path| path.parent()).map(Path::to_owned));
    folders
}

impl Source {
    fn new(polls: bool) -> (Self, Option<String>) {
        #[cfg(target_os = "linux")]
        if !polls {
            return match events::Events::new() {
                Ok(events) => (Self::Events(events), None),
                Err(error) => {
                    let remark = format!("{}{}", events::explain(&error), instead());
                    (Self::Looks(Looks::default()), Some(remark))
                }
            };
        }
        let _ = polls;
        (Self::Looks(Looks::default()), None)
    }

    /// A remark tells why that is not possible.
    fn watch(&mut self, folders: &BTreeSet<PathBuf>, inputs: &HashSet<PathBuf>) -> Option<String> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Events(events) => {
                let error = events.watch(folders).err()?;
                Some(format!("{}{}", events::explain(&error), instead()))
            }
            Self::Looks(looks) => {
                looks.watch(folders, inputs);
                None
            }
        }
    }

    async fn next(&mut self) -> Vec<Change> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Events(events) => events.next().await,
            Self::Looks(looks) => looks.next().await,
        }
    }
}

fn instead() -> String {
    format!(": files are looked at every {} ms instead", LOOK_EVERY.as_millis())
}

/// Looks at files again and again.
#[derive(Default)]
struct Looks {
    folders: BTreeSet<PathBuf>,
    inputs: Vec<PathBuf>,
    known: Option<HashMap<PathBuf, Seen>>,
}

/// What a file or folder looked like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    is_folder: bool,
    length: u64,
    modified: Option<SystemTime>,
    #[cfg(unix)]
    inode: u64,
}

impl Seen {
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        let is_folder = metadata.is_dir();
        Some(Self {
            is_folder,
            length: if is_folder { 0 } else { metadata.len() },
            modified: if is_folder { None } else { metadata.modified().ok() },
            #[cfg(unix)]
            inode: std::os::unix::fs::MetadataExt::ino(&metadata),
        })
    }
}

impl Looks {
    fn watch(&mut self, folders: &BTreeSet<PathBuf>, inputs: &HashSet<PathBuf>) {
        self.folders.clone_from(folders);
        self.inputs = inputs.iter().filter(|path| !is_of_package(path)).cloned().collect();
        let seen = self.look();
        let known = self.known.get_or_insert_with(|| seen.clone());
        for (path, seen) in seen {
            // What was seen before may have changed since.
            known.entry(path).or_insert(seen);
        }
    }

    fn look(&self) -> HashMap<PathBuf, Seen> {
        let mut found = HashMap::new();
        for folder in
            self.folders.iter().filter(|folder| !is_of_package(folder) || folder.ends_with("node_modules"))
        {
            for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
                let path = entry.path();
                found.extend(Seen::of(&path).map(|seen| (path, seen)));
            }
        }
        found.extend(self.inputs.iter().filter_map(|path| Some((path.clone(), Seen::of(path)?))));
        found
    }

    async fn next(&mut self) -> Vec<Change> {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = self.look();
            let Some(before) = self.known.replace(now) else { continue };
            let now = self.known.as_ref().map_or_else(HashMap::new, HashMap::clone);
            let mut changes = Vec::new();
            for (path, seen) in &now {
                let touch = match before.get(path) {
                    None => Touch::Appeared,
                    Some(old) if old == seen => continue,
                    Some(_) => Touch::Written,
                };
                changes.push(Change { path: path.clone(), touch, is_folder: seen.is_folder });
            }
            for (path, seen) in before {
                if !now.contains_key(&path) {
                    changes.push(Change { path, touch: Touch::Gone, is_folder: seen.is_folder });
                }
            }
            if !changes.is_empty() {
                return changes;
            }
        }
    }
}

#[cfg(target_os = "linux")]
mod events {
    //! inotify.

    use super::{BTreeSet, Change, HashMap, PathBuf, Touch, io};
    use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};
    use tokio::io::unix::AsyncFd;

    const MASK: WatchMask = WatchMask::CLOSE_WRITE
        .union(WatchMask::MODIFY)
        .union(WatchMask::CREATE)
        .union(WatchMask::DELETE)
        .union(WatchMask::MOVE)
        .union(WatchMask::ONLYDIR);

    pub(super) struct Events {
        inotify: AsyncFd<Inotify>,
        folders: HashMap<WatchDescriptor, PathBuf>,
        buffer: Vec<u8>,
    }

    impl Events {
        #[allow(unsafe_code, reason = "tokio wants to be told that a descriptor stays what it is")]
        pub(super) fn new() -> io::Result<Self> {
            let inotify = Inotify::init()?;
            // SAFETY: `Inotify` owns its descriptor, gives no other one out, and closes it when it
            // is dropped, which `AsyncFd` does after it has taken it off its list.
            let inotify = unsafe { AsyncFd::register(inotify)? };
            Ok(Self { inotify, folders: HashMap::new(), buffer: vec![0; 64 * 1024] })
        }

        /// Watches these folders and no others.
        pub(super) fn watch(&mut self, wanted: &BTreeSet<PathBuf>) -> io::Result<()> {
            let mut watches = self.inotify.get_ref().watches();
            let gone: Vec<WatchDescriptor> = self
                .folders
                .iter()
                .filter(|(_, path)| !wanted.contains(*path))
                .map(|(id, _)| id.clone())
                .collect();
            for id in gone {
                self.folders.remove(&id);
                let _ = watches.remove(id);
            }
            for path in wanted {
                // Again also what is watched: in its place there may be another folder by now.
                match watches.add(path, MASK) {
                    Ok(id) => {
                        let same: Vec<WatchDescriptor> = self
                            .folders
                            .iter()
                            .filter(|(other, watched)| *watched == path && **other != id)
                            .map(|(other, _)| other.clone())
                            .collect();
                        for other in same {
                            self.folders.remove(&other);
                            let _ = watches.remove(other);
                        }
                        self.folders.insert(id, path.clone());
                    }
                    // It is gone by now, or may not be read.
                    Err(error) if !is_limit(&error) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        }

        pub(super) async fn next(&mut self) -> Vec<Change> {
            loop {
                let Ok(mut ready) = self.inotify.readable_mut().await else {
                    return std::future::pending().await;
                };
                let read = ready.try_io(|inotify| inotify.get_mut().read_events(&mut self.buffer));
                let Ok(Ok(read)) = read else { continue };
                let mut changes = Vec::new();
                for event in read {
                    let Some(folder) = self.folders.get(&event.wd) else {
                        if event.mask.contains(EventMask::Q_OVERFLOW) {
                            // Something was missed, and nobody knows what.
                            let every = self.folders.values().cloned();
                            changes.extend(every.map(|path| Change {
                                path,
                                touch: Touch::Appeared,
                                is_folder: true,
                            }));
                        }
                        continue;
                    };
                    let Some(name) = event.name else { continue };
                    let touch = if event.mask.intersects(EventMask::CREATE | EventMask::MOVED_TO) {
                        Touch::Appeared
                    } else if event.mask.intersects(EventMask::DELETE | EventMask::MOVED_FROM) {
                        Touch::Gone
                    } else if event.mask.contains(EventMask::CLOSE_WRITE) {
                        Touch::Written
                    } else {
                        Touch::BeingWritten
                    };
                    let is_folder = event.mask.contains(EventMask::ISDIR);
                    changes.push(Change { path: folder.join(name), touch, is_folder });
                }
                if !changes.is_empty() {
                    return changes;
                }
            }
        }
    }

    fn is_limit(error: &io::Error) -> bool {
        matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EMFILE | libc::ENOMEM))
    }

    /// What is in the way, and what to do about it.
    pub(super) fn explain(error: &io::Error) -> String {
        let limit = |name: &str| {
            let value = std::fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).unwrap_or_default();
            format!(
                "the system's limit on what can be watched is reached (fs.inotify.{name} is {}; as root, `sysctl fs.inotify.{name}=524288` raises it)",
                value.trim()
            )
        };
        match error.raw_os_error() {
            Some(libc::ENOSPC) => limit("max_user_watches"),
            Some(libc::EMFILE) => limit("max_user_instances"),
            _ => format!("files cannot be watched ({error})"),
        }
    }
}
