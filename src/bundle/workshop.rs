//! What is kept of a build for the next one, while somebody works on the project.
//!
//! Routes that have no module in common are pieces: bundling one of them anew gives what
//! bundling all of them would, and costs what the edit touches.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::cache::Key;
use super::{BundleError, Failure, Part, Problem, Setting, reach, rolldown};
use crate::build::{Chunk, Entry};
use crate::project::Runtime;

/// What is not as it was at the last build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(not(feature = "dev"), allow(dead_code, reason = "nobody says what changed"))]
pub(crate) enum Changes {
    /// Anything.
    #[default]
    Unknown,
    /// What is in these files, which were there before and still are.
    Contents(HashSet<PathBuf>),
}

/// What a chunk was made of.
#[derive(Debug, Clone, Default)]
pub(super) struct Origin {
    /// Files of which something is in it.
    pub(super) files: Vec<PathBuf>,
    /// Specifiers of the chunks that it loads.
    pub(super) imports: Vec<String>,
    /// Whether it loads a module of Node.js.
    pub(super) imports_node: bool,
}

/// The pieces of the last build.
#[derive(Debug, Default)]
pub(crate) struct Workshop {
    key: Option<Key>,
    /// What has changed since; none where nobody has said.
    changes: Option<Changes>,
    /// Of the build that runs.
    current: Changes,
    pieces: HashMap<Runtime, Vec<Piece>>,
    /// Whether the build that runs bundles everything.
    is_whole: bool,
}

/// Routes of a runtime that have no module in common with others.
#[derive(Debug, Clone, Default)]
struct Piece {
    routes: HashSet<usize>,
    chunks: HashMap<String, Chunk>,
    entries: Vec<(usize, Entry)>,
    failures: Vec<Failure>,
    warnings: Vec<Problem>,
    /// All files that its routes lead to.
    files: HashSet<PathBuf>,
    /// Those of which something is in a chunk: modules that exist once.
    modules: HashSet<PathBuf>,
    wants_node: bool,
}

impl Workshop {
    /// Says what has changed since the last build, or since this was said before.
    #[cfg(feature = "dev")]
    pub(crate) fn changed(&mut self, changes: Changes) {
        self.changes = Some(match (self.changes.take(), changes) {
            (None, changes) => changes,
            (Some(Changes::Contents(before)), Changes::Contents(more)) => {
                Changes::Contents(before.into_iter().chain(more).collect())
            }
            _ => Changes::Unknown,
        });
    }

    /// A build begins; tells whether it is the first.
    pub(super) fn begin(&mut self, key: &Key) -> bool {
        let is_first = self.key.is_none();
        self.current = self.changes.take().unwrap_or_default();
        self.is_whole = self.key.as_ref() != Some(key) || self.current == Changes::Unknown;
        if self.is_whole {
            self.pieces.clear();
            self.key = Some(key.clone());
        }
        is_first
    }

    /// Whether the build that runs, or ran last, is one of everything.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Bundles the routes of a runtime that are not as they were.
    pub(super) async fn run(
        &mut self,
        setting: &Setting,
        routes: &[(usize, &Path)],
    ) -> Result<Part, BundleError> {
        let known = self.pieces.remove(&setting.kind).unwrap_or_default();
        let is_touched = |piece: &Piece| match &self.current {
            Changes::Unknown => true,
            // What a broken route leads to is not known whole.
            Changes::Contents(paths) => {
                !piece.failures.is_empty() || paths.iter().any(|path| piece.files.contains(path))
            }
        };
        let mut kept: Vec<Piece> = known.into_iter().filter(|piece| !is_touched(piece)).collect();
        loop {
            let is_kept = |route: &usize| kept.iter().any(|piece| piece.routes.contains(route));
            let stale: Vec<(usize, &Path)> =
                routes.iter().filter(|(route, _)| !is_kept(route)).copied().collect();
            if stale.is_empty() {
                break;
            }
            tracing::debug!(routes = stale.len(), of = routes.len(), "bundling what has changed");
            let part = rolldown::run(setting.clone(), &stale).await?;
            let made = pieces(&setting.root, part, stale.iter().map(|(route, _)| *route));
            // An edit may lead to what others have: then it is theirs in common.
            let before = kept.len();
            kept.retain(|piece| made.iter().all(|made| made.modules.is_disjoint(&piece.modules)));
            if kept.len() == before {
                kept.extend(made);
                break;
            }
        }
        let whole = kept.iter().cloned().fold(Part::default(), Piece::join);
        self.pieces.insert(setting.kind, kept);
        Ok(whole)
    }
}

impl Piece {
    fn join(mut whole: Part, piece: Self) -> Part {
        whole.chunks.extend(piece.chunks);
        whole.entries.extend(piece.entries);
        whole.failures.extend(piece.failures);
        whole.warnings.extend(piece.warnings);
        whole.inputs.extend(piece.files);
        whole.wants_node |= piece.wants_node;
        whole
    }
}

/// Takes what was made of some routes apart.
fn pieces(root: &Path, part: Part, routes: impl Iterator<Item = usize>) -> Vec<Piece> {
    let Part { chunks, entries, warnings, failures, wants_node, origins, mut files, .. } = part;
    let mut pieces: Vec<(Piece, HashSet<&str>)> = Vec::new();
    for (route, entry) in entries {
        let mut piece = Piece { routes: HashSet::from([route]), ..Piece::default() };
        let mut reached: HashSet<&str> = HashSet::new();
        let mut queue = vec![entry.specifier.as_str()];
        while let Some(name) = queue.pop() {
            let Some((name, origin)) = origins.get_key_value(name) else { continue };
            if reached.insert(name) {
                piece.modules.extend(origin.files.iter().cloned());
                queue.extend(origin.imports.iter().map(String::as_str));
            }
        }
        piece.entries.push((route, entry));
        piece.files = files.remove(&route).unwrap_or_default();
        // What the bundler adds to every bundle is nobody's module.
        let is_module = |name: &&str| origins.get(*name).is_some_and(|origin| !origin.files.is_empty());
        let (joined, apart): (Vec<_>, Vec<_>) =
            std::mem::take(&mut pieces).into_iter().partition(|(_, theirs)| {
                reached.iter().filter(|name| is_module(name)).any(|name| theirs.contains(name))
            });
        pieces = apart;
        for (other, theirs) in joined {
            piece.routes.extend(other.routes);
            piece.entries.extend(other.entries);
            piece.files.extend(other.files);
            piece.modules.extend(other.modules);
            reached.extend(theirs);
        }
        pieces.push((piece, reached));
    }
    let mut made: Vec<Piece> = Vec::with_capacity(pieces.len() + 1);
    for (mut piece, reached) in pieces {
        for name in &reached {
            piece.chunks.extend(chunks.get(*name).map(|chunk| ((*name).to_owned(), chunk.clone())));
        }
        let imports_node = reached.iter().any(|name| origins[*name].imports_node);
        piece.wants_node =
            wants_node && (imports_node || piece.chunks.values().any(|chunk| reach::wants_node(&chunk.code)));
        made.push(piece);
    }
    let broken: HashSet<usize> =
        routes.filter(|route| made.iter().all(|piece| !piece.routes.contains(route))).collect();
    if !broken.is_empty() || !failures.is_empty() {
        let files = broken.iter().filter_map(|route| files.remove(route)).flatten().collect();
        made.push(Piece { routes: broken, failures, files, ..Piece::default() });
    }
    for warning in warnings {
        let file = root.join(&warning.file);
        let at = made.iter().position(|piece| piece.files.contains(&file)).unwrap_or_default();
        if let Some(piece) = made.get_mut(at) {
            piece.warnings.push(warning);
        }
    }
    made
}
