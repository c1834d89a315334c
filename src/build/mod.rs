//! What bundling gives: all that a version is made of but its settings.
//!
//! Purpose: hold the routes of a project and their modules as values that can be kept and
//! read back, with paths relative to the project's folder.
//! Key types: [`Build`], [`Manifest`], [`Chunk`].
//! Where to look: `alignment` tells where code of packages comes from, `kept` reads parts of
//! a file; `artefact` reads what `ship` wrote for other machines, from a `container`.
//! Never: the bundler, V8, settings.

mod alignment;
mod artefact;
mod container;
mod kept;
mod ship;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use url::Url;

pub(crate) use artefact::{Artefact, Loaded, Place, Refused};
pub(crate) use ship::Shipment;

use artefact::StoredMap;
pub(crate) use kept::{Kept, KeptMap, Span, digest};

use crate::project::{MethodSet, NextConfig, Runtime};

/// The routes of a project, and the modules that answer them.
#[derive(Debug, Clone)]
pub(crate) struct Build {
    /// What there is.
    pub(crate) manifest: Manifest,
    /// Modules by specifier.
    pub(crate) chunks: HashMap<String, Chunk>,
}

/// What there is in a build.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// In order of precedence.
    pub(crate) routes: Vec<BuiltRoute>,
    /// The runtimes whose routes need the modules or globals of Node.js.
    pub(crate) node: Vec<Runtime>,
    /// Whether `params`, `cookies()` and their like come without a promise.
    pub(crate) sync_params: bool,
    /// The `node_modules` outside of the project that it was made from, relative to the
    /// project: packages read files of their own.
    pub(crate) packages: Vec<PathBuf>,
    /// Variables of modules of the project that keep what handlers change.
    pub(crate) state: Vec<ModuleVariable>,
    /// What `next.config` sets.
    #[serde(default)]
    pub(crate) config: NextConfig,
    /// What runs before the routes.
    #[serde(default)]
    pub(crate) middleware: Option<BuiltMiddleware>,
}

/// The middleware of a build.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BuiltMiddleware {
    /// Its module, as a route that no path means.
    pub(crate) module: BuiltRoute,
    /// What it may be exported as, beside the default export.
    pub(crate) export: String,
    /// `config.matcher`, if it has one.
    pub(crate) matcher: Option<serde_json::Value>,
}

/// A variable of a module, which keeps what handlers change: each instance of an app has its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ModuleVariable {
    /// The file, relative to the project.
    pub file: String,
    /// Line, counted from 1.
    pub line: usize,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ModuleVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({}:{})", self.name, self.file, self.line)
    }
}

/// What a module is to the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Role {
    /// A route file, whose exports answer requests.
    #[default]
    Handler,
    /// The file that runs before the routes.
    Middleware,
    /// No file at all: what hands requests to other servers.
    Forward,
    /// A `next.config` file, which is run once.
    Config,
}

impl Role {
    /// Its name in runtime-js.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Handler => "handler",
            Self::Middleware => "middleware",
            Self::Forward => "forward",
            Self::Config => "config",
        }
    }
}

/// A route of a build.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BuiltRoute {
    /// The pattern, such as `/items/[id]`.
    pub(crate) pattern: String,
    /// The route file as it is shown to people, relative to the project.
    pub(crate) file: String,
    /// What it is to the host.
    #[serde(default)]
    pub(crate) role: Role,
    /// The runtime that it asks for.
    pub(crate) runtime: Runtime,
    /// `maxDuration`, in seconds.
    pub(crate) max_duration: Option<u32>,
    /// Its module, or why it could not be bundled.
    pub(crate) entry: Result<Entry, String>,
}

/// A module as V8 loads it.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    /// The code.
    pub(crate) code: Arc<str>,
    /// Leads back to the user's files.
    pub(crate) map: SourceMap,
    /// What V8 made of the code once; it takes it only if it is the same V8.
    pub(crate) cache: Option<Bytes>,
}

impl Chunk {
    /// The source map, as JSON, with URLs of files below the project's folder `root`.
    pub(crate) fn source_map(&self, root: &Path) -> Option<Vec<u8>> {
        let url = |source: &str| {
            let path = absolute(root, source.as_ref());
            Url::from_file_path(&path).map_or_else(|()| source.to_owned(), String::from)
        };
        alignment::complete(&self.map.read()?, &self.code, root, url)
    }

    /// The source map, as JSON, whole and with sources as they are seen from the project's
    /// folder `root`.
    pub(crate) fn whole_map(&self, root: &Path) -> Option<Vec<u8>> {
        alignment::complete(&self.map.read()?, &self.code, root, str::to_owned)
    }
}

/// Where a source map is; most are never looked at.
#[derive(Debug, Clone)]
pub(crate) enum SourceMap {
    Absent,
    Memory(Arc<str>),
    Kept(KeptMap),
    Stored(StoredMap),
}

impl SourceMap {
    /// The map as JSON, without places in packages.
    pub(crate) fn read(&self) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Absent => None,
            Self::Memory(map) => Some(Cow::Borrowed(map.as_bytes())),
            Self::Kept(map) => map.read().map(Cow::Owned),
            Self::Stored(map) => map.read().map(|map| Cow::Owned(map.into())),
        }
    }
}

/// The entry module of a route.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Its specifier.
    pub(crate) specifier: String,
    /// The methods it exports.
    pub(crate) methods: MethodSet,
}

/// `path` as it is seen from the folder `root`; both are absolute.
pub(crate) fn relative(root: &Path, path: &Path) -> PathBuf {
    let shared = root.components().zip(path.components()).take_while(|(one, other)| one == other).count();
    let up = root.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(path.components().skip(shared)).collect()
}

/// The absolute path for one that is seen from the folder `root`.
pub(crate) fn absolute(root: &Path, path: &Path) -> PathBuf {
    let mut absolute = root.to_owned();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                absolute.pop();
            }
            part => absolute.push(part),
        }
    }
    absolute
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_back_from_another_folder() {
        let root = Path::new("/srv/shop/web");
        for (path, from_root) in [
            ("/srv/shop/node_modules", "../node_modules"),
            ("/srv/shop/web/lib", "lib"),
            ("/opt/x", "../../../opt/x"),
        ] {
            assert_eq!(relative(root, Path::new(path)), Path::new(from_root));
            assert_eq!(absolute(root, Path::new(from_root)), Path::new(path));
        }
        assert_eq!(
            absolute(Path::new("/srv/a"), Path::new("../node_modules")),
            Path::new("/srv/node_modules")
        );
    }
}
