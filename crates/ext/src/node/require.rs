//! Modules that are read while the app runs: `require` of a name that was not
//! known when the app was bundled.

use std::borrow::Cow;
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use deno_core::FastString;
use deno_core::url::Url;
use deno_error::JsErrorBox;
use deno_node::NodeRequireLoader;
use deno_permissions::{OpenAccessKind, PermissionsContainer};
use node_resolver::errors::{
    PackageFolderResolveError, PackageFolderResolveErrorKind, PackageJsonLoadError, PackageNotFoundError,
};
use node_resolver::{InNpmPackageChecker, NpmPackageFolderResolver, PackageJsonResolverRc, UrlOrPathRef};

use super::AppSys;
use super::ops::NoAddons;

/// Packages lie in `node_modules` folders, as npm, pnpm and yarn lay them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packages;

impl InNpmPackageChecker for Packages {
    fn in_npm_package(&self, specifier: &Url) -> bool {
        specifier.path().contains("/node_modules/")
    }
}

impl NpmPackageFolderResolver for Packages {
    fn resolve_package_folder_from_package(
        &self,
        specifier: &str,
        referrer: &UrlOrPathRef<'_>,
    ) -> Result<PathBuf, PackageFolderResolveError> {
        let from = referrer.path().unwrap_or(Path::new("/"));
        from.ancestors()
            .map(|folder| folder.join("node_modules").join(specifier))
            .find(|folder| folder.is_dir())
            .ok_or_else(|| {
                PackageFolderResolveErrorKind::PackageNotFound(PackageNotFoundError {
                    package_name: specifier.to_owned(),
                    referrer: referrer.display(),
                    referrer_extra: None,
                })
                .into_box()
            })
    }

    fn resolve_types_package_folder(
        &self,
        _types_package_name: &str,
        _maybe_package_version: Option<&deno_semver::Version>,
        _maybe_referrer: Option<&UrlOrPathRef<'_>>,
    ) -> Option<PathBuf> {
        None
    }
}

/// Packages whose WebAssembly stands in for a native addon, and can do without threads no more
/// than that can.
const WANTS_THREADS: [&str; 1] = ["@img/sharp-wasm32/"];

/// Whether what is asked for could only fail once it is used. It is refused as an addon is, so
/// that whoever asks goes on without it: `next/og` draws with sharp where that loads.
pub fn wants_threads(specifier: &str) -> bool {
    WANTS_THREADS.iter().any(|name| specifier.contains(name))
}

pub(super) struct Require {
    pub(super) packages: PackageJsonResolverRc<AppSys>,
    pub(super) permissions: PermissionsContainer,
    /// Size of the largest file that is read, in bytes.
    pub(super) largest: f64,
}

/// A file that no module can be.
#[derive(Debug, thiserror::Error, deno_error::JsError)]
#[class(range)]
#[error("{path} is larger than the {largest} bytes of memory of an isolate, or no regular file")]
#[property("code" = "ERR_FS_FILE_TOO_LARGE")]
struct TooLarge {
    path: String,
    largest: f64,
}

impl Require {
    fn is_commonjs(&self, specifier: &Url) -> Result<bool, PackageJsonLoadError> {
        let Ok(path) = specifier.to_file_path() else { return Ok(false) };
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("cjs" | "cts") => Ok(true),
            Some("mjs" | "mts" | "json") => Ok(false),
            _ => {
                let package = self.packages.get_closest_package_json(&path)?;
                Ok(package.is_none_or(|package| package.typ != "module"))
            }
        }
    }
}

impl NodeRequireLoader for Require {
    fn ensure_read_permission<'a>(
        &self,
        permissions: &mut PermissionsContainer,
        path: Cow<'a, Path>,
    ) -> Result<Cow<'a, Path>, JsErrorBox> {
        permissions
            .check_open(path, OpenAccessKind::Read, Some("require()"))
            .map(deno_permissions::CheckedPath::into_path)
            .map_err(JsErrorBox::from_err)
    }

    fn load_text_file_lossy(&self, path: &Path) -> Result<FastString, JsErrorBox> {
        if wants_threads(&path.to_string_lossy()) {
            return Err(JsErrorBox::from_err(NoAddons { path: path.display().to_string() }));
        }
        // Asked of the open file, which nobody can exchange any more.
        // A named pipe would keep its thread until somebody opens the other end.
        let mut options = OpenOptions::new();
        let file =
            options.read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(JsErrorBox::from_err)?;
        let facts = file.metadata().map_err(JsErrorBox::from_err)?;
        let mut bytes = Vec::new();
        if facts.is_file() {
            file.take(self.largest as u64 + 1).read_to_end(&mut bytes).map_err(JsErrorBox::from_err)?;
        }
        if !facts.is_file() || bytes.len() as f64 > self.largest {
            let path = path.display().to_string();
            return Err(JsErrorBox::from_err(TooLarge { path, largest: self.largest }));
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned().into())
    }

    /// Folders that may not be read hold no package: a search ends there, not in an error.
    fn resolve_require_node_module_paths(&self, from: &Path) -> Vec<String> {
        let mut paths = deno_node::default_resolve_require_node_module_paths(from);
        let open = |path: &str| {
            let path = Cow::Borrowed(Path::new(path));
            self.permissions.check_open(path, OpenAccessKind::Read, None).is_ok()
        };
        paths.retain(|path| open(path));
        paths
    }

    fn is_maybe_cjs(&self, specifier: &Url) -> Result<bool, PackageJsonLoadError> {
        self.is_commonjs(specifier)
    }

    fn is_maybe_cjs_from_require(&self, specifier: &Url) -> Result<bool, PackageJsonLoadError> {
        self.is_commonjs(specifier)
    }
}
