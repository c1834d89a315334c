//! Finds the app directory and the route files below it.
//!
//! Does not order or match routes (see `routes`), and does not look into files
//! other than for their segment configuration.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::ProjectError;
use super::metadata::{Found, MetadataFile};
use super::routes::{Route, ordered};
use super::segment::SegmentConfig;

/// Extensions of files that may hold a route, as Next.js' `pageExtensions` has them by default.
const PAGE_EXTENSIONS: [&str; 4] = ["tsx", "ts", "jsx", "js"];

/// Base names of pages and what belongs to them, which edgehost does not serve.
const PAGES: [&str; 10] = [
    "page",
    "layout",
    "loading",
    "error",
    "default",
    "template",
    "not-found",
    "global-error",
    "forbidden",
    "unauthorized",
];

/// What lies beside `app/` in the project or its `src/`, by base name, and what Next.js does with it.
const BESIDE: [(&str, &str); 1] = [("instrumentation", "it does not run")];

/// Keys of `vercel.json` that change what routes get or what clients see; the others are
/// about building.
const VERCEL_KEYS: [&str; 9] =
    ["cleanUrls", "crons", "env", "functions", "headers", "redirects", "rewrites", "routes", "trailingSlash"];

/// The extensions of files that may be routes: `listed`, or the usual ones.
pub(super) fn extensions_of(listed: Option<&[String]>) -> Vec<String> {
    listed.map_or_else(|| PAGE_EXTENSIONS.map(str::to_owned).to_vec(), <[String]>::to_vec)
}

/// Files that Next.js would use and edgehost leaves alone.
#[derive(Debug, Default)]
pub(super) struct IgnoredFiles {
    /// How many pages, layouts and the like there are.
    pub pages: usize,
    /// Metadata files that count only directly in `app/`, and are elsewhere.
    pub metadata: Vec<PathBuf>,
    /// `middleware` and `proxy` files that are not beside the app directory.
    pub middleware: Vec<PathBuf>,
    /// Files and folders beside `app/` that change what Next.js serves, and what that is.
    pub beside: Vec<(PathBuf, &'static str)>,
    /// `vercel.json`, with those of its keys that matter here.
    pub vercel: Option<(PathBuf, Vec<String>)>,
    /// `route.mjs` and other extensions that `pageExtensions` does not list.
    pub extensions: Vec<PathBuf>,
    /// Routes below interception markers such as `(.)photo`, which plain HTTP never reaches.
    pub intercepting: Vec<PathBuf>,
    /// Files that look like routes under another name, each with the methods that it exports.
    pub misnamed: Vec<(PathBuf, Vec<String>)>,
}

/// Finds (project root, app directory) for the folder that a person named.
pub(super) fn locate(dir: &Path) -> Result<(PathBuf, PathBuf), ProjectError> {
    for app in [dir.join("app"), dir.join("src").join("app")] {
        if app.is_dir() {
            return Ok((dir.to_owned(), app));
        }
    }
    if dir.file_name().is_some_and(|name| name == "app") {
        let parent = dir.parent().unwrap_or(dir);
        let above_src = parent.file_name().filter(|name| *name == "src").and_then(|_| parent.parent());
        return Ok((above_src.unwrap_or(parent).to_owned(), dir.to_owned()));
    }
    Err(ProjectError::NoAppDirectory(dir.to_owned()))
}

/// Walks the app directory and puts its routes in order. `listed` are the extensions that
/// `pageExtensions` names, where it does.
pub(super) fn discover(
    root: &Path,
    app_dir: &Path,
    listed: Option<&[String]>,
) -> Result<(Vec<Route>, IgnoredFiles), ProjectError> {
    let extensions = extensions_of(listed);
    let is_page_extension = |extension: &str| extensions.iter().any(|known| known == extension);
    let mut ignored = IgnoredFiles::default();
    let mut problems = Vec::new();
    let mut routes: BTreeMap<String, Found> = BTreeMap::new();
    let mut pages: BTreeMap<String, PathBuf> = BTreeMap::new();

    let walk = WalkDir::new(app_dir)
        .follow_links(true)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || is_routed(&entry.file_name().to_string_lossy()));
    for entry in walk {
        let path = match entry {
            Ok(entry) if entry.file_type().is_file() => entry.into_path(),
            Ok(_) => continue,
            // As a route file it is found to be missing when it is read.
            Err(error) if is_dangling(error.path()) => error.path().unwrap_or(app_dir).to_owned(),
            Err(error) if error.loop_ancestor().is_some() => {
                tracing::warn!(path = ?error.path(), "a link to a folder that it lies in is not followed");
                continue;
            }
            Err(error) => {
                return Err(ProjectError::Unreadable {
                    path: error.path().unwrap_or(app_dir).to_owned(),
                    source: error.into(),
                });
            }
        };
        let path = path.as_path();
        let relative = path.strip_prefix(app_dir).unwrap_or(path);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some((stem, extension)) = split_name(&name) else {
            continue;
        };
        if stem != "route" {
            let is_code = is_page_extension(&extension);
            if let Some(metadata) = MetadataFile::named(&stem, &extension, is_code) {
                if is_intercepting(relative) {
                    ignored.intercepting.push(path.to_owned());
                } else if metadata.is_in_place(relative) {
                    let (pattern, how, segment) = metadata.read(root, path, relative);
                    let found = Found { file: path.to_owned(), metadata: Some((how, segment)) };
                    problems.extend(put(&mut routes, pattern, found, root));
                } else {
                    ignored.metadata.push(path.to_owned());
                }
            } else if is_code {
                if PAGES.contains(&stem.as_str()) {
                    ignored.pages += 1;
                    if stem == "page" {
                        pages.insert(pathname(relative), path.to_owned());
                    }
                } else {
                    ignored.misnamed.extend(misnamed(path, relative, &stem));
                }
            }
            continue;
        }
        if !is_page_extension(&extension) {
            if listed.is_none() && matches!(extension.as_str(), "mjs" | "cjs" | "mts" | "cts") {
                ignored.extensions.push(path.to_owned());
            }
            continue;
        }
        if is_intercepting(relative) {
            ignored.intercepting.push(path.to_owned());
            continue;
        }
        let found = Found { file: path.to_owned(), metadata: None };
        problems.extend(put(&mut routes, pathname(relative), found, root));
    }

    for (pattern, page) in &pages {
        if let Some(route) = routes.get(pattern) {
            let base = pattern.trim_end_matches('/');
            problems.push(format!(
                "Conflicting route and page at {pattern}: route at {base}/route and page at {base}/page ({} and {})",
                show(root, &route.file),
                show(root, page),
            ));
        }
    }

    beside(root, app_dir, &extensions, &mut ignored);

    // Who wants no more than an icon served has named the wrong folder.
    if !routes.values().any(Found::is_code) && problems.is_empty() {
        return Err(ProjectError::NoRoutes {
            app: app_dir.to_owned(),
            hints: super::hints::misnamed(root, &ignored),
        });
    }
    let found = routes.into_iter().map(|(pattern, Found { file, metadata })| {
        let shown = show(root, &file);
        if let Some((metadata, segment)) = metadata {
            return Route { metadata: Some(metadata), ..Route::new(pattern, file, shown, segment) };
        }
        let segment = match std::fs::read_to_string(&file) {
            Ok(source) => SegmentConfig::read(&source, &file, &shown, &pattern),
            Err(error) => {
                SegmentConfig { problems: vec![unreadable(&file, &shown, &error)], ..Default::default() }
            }
        };
        Route::new(pattern, file, shown, segment)
    });
    match ordered(found.collect()) {
        Ok(routes) if problems.is_empty() => Ok((routes, ignored)),
        Ok(_) => Err(ProjectError::Conflicts(problems)),
        Err(more) => {
            problems.extend(more);
            Err(ProjectError::Conflicts(problems))
        }
    }
}

/// Looks for what Next.js reads beside the app directory.
fn beside(root: &Path, app_dir: &Path, extensions: &[String], ignored: &mut IgnoredFiles) {
    let is_page_extension = |extension: &str| extensions.iter().any(|known| known == extension);
    for folder in [root, &root.join("src")] {
        let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut names: Vec<_> = names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        for name in names {
            let Some((stem, extension)) = split_name(&name) else { continue };
            let path = folder.join(&name);
            if super::middleware::NAMES.contains(&stem.as_str())
                && is_page_extension(&extension)
                && path.is_file()
            {
                if app_dir.parent() != Some(folder) {
                    ignored.middleware.push(path);
                }
            } else if let Some((_, effect)) = BESIDE.iter().find(|(known, _)| *known == stem)
                && is_page_extension(&extension)
                && path.is_file()
            {
                ignored.beside.push((path, effect));
            }
        }
        let api = folder.join("pages").join("api");
        if api.is_dir() {
            ignored.beside.push((api, "routes are served from `app/` only"));
        }
    }
    let vercel = root.join("vercel.json");
    if let Ok(text) = std::fs::read(&vercel) {
        let keys: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&text).unwrap_or_default();
        ignored.vercel =
            Some((vercel, keys.into_keys().filter(|key| VERCEL_KEYS.contains(&key.as_str())).collect()));
    }
}

/// Puts a file into the table; says what is wrong if there is one already.
fn put(routes: &mut BTreeMap<String, Found>, pattern: String, found: Found, root: &Path) -> Option<String> {
    match routes.entry(pattern) {
        Entry::Vacant(place) => {
            place.insert(found);
            None
        }
        Entry::Occupied(other) => Some(other.get().conflict(&found, other.key(), root)),
    }
}

/// A file that was probably meant to be a route: its name is nearly right, or it lies
/// below a folder `api`, and it exports methods. A name in the wrong case says enough.
/// Beside a route file it is likely to be a part of that.
fn misnamed(path: &Path, relative: &Path, stem: &str) -> Option<(PathBuf, Vec<String>)> {
    let lower = stem.to_ascii_lowercase();
    let is_other_case = lower == "route";
    let is_near = is_other_case || lower == "index" || strsim::osa_distance(&lower, "route") == 1;
    let of_api = || relative.parent().is_some_and(|folder| folder.iter().any(|part| part == "api"));
    let beside_route = || {
        let names = PAGE_EXTENSIONS.map(|extension| path.with_file_name(format!("route.{extension}")));
        names.iter().any(|route| route != path && route.is_file())
    };
    if !(is_near || of_api()) || beside_route() {
        return None;
    }
    let source = std::fs::read_to_string(path).ok()?;
    if !source.contains("export") {
        return None;
    }
    let methods = super::segment::methods_in(&source, path);
    (is_other_case || !methods.is_empty()).then(|| (path.to_owned(), methods))
}

/// Whether there is a link at a path, and nothing where it leads.
fn is_dangling(path: Option<&Path>) -> bool {
    path.is_some_and(|path| path.is_symlink() && std::fs::metadata(path).is_err())
}

/// Why a route file cannot be read.
fn unreadable(file: &Path, shown: &str, error: &std::io::Error) -> String {
    match std::fs::read_link(file) {
        Ok(target) if is_dangling(Some(file)) => {
            format!("The route file {shown} is a link to {}, where nothing is", target.display())
        }
        _ => format!("The route file {shown} cannot be read: {error}"),
    }
}

/// Whether a file or folder of this name can take part in routing.
fn is_routed(name: &str) -> bool {
    !name.starts_with('_') && name != "node_modules"
}

/// Splits `route.ts` into (`route`, `ts`); declaration files have no part in routing.
fn split_name(name: &str) -> Option<(String, String)> {
    let (stem, extension) = name.split_once('.')?;
    Some((stem.to_owned(), extension.to_owned()))
}

/// Whether a file lies below an interception marker.
fn is_intercepting(relative: &Path) -> bool {
    relative.components().any(|part| is_interception(&part.as_os_str().to_string_lossy()))
}

/// Interception markers: `(.)x`, `(..)x`, `(..)(..)x`, `(...)x`.
fn is_interception(segment: &str) -> bool {
    ["(.)", "(..)", "(...)"].iter().any(|marker| segment.starts_with(marker))
}

/// The pathname that a file below the app directory serves, such as `/shop/[id]`.
pub(super) fn pathname(relative: &Path) -> String {
    let folders = relative.parent().unwrap_or(Path::new(""));
    let mut pattern = String::new();
    for folder in folders.components() {
        let segment = folder.as_os_str().to_string_lossy();
        let is_group = segment.starts_with('(') && segment.ends_with(')');
        let is_slot = segment.starts_with('@');
        if segment.is_empty() || is_group || is_slot {
            continue;
        }
        pattern.push('/');
        pattern.push_str(&segment.replace("%5F", "_"));
    }
    if pattern.is_empty() { "/".to_owned() } else { pattern }
}

pub(super) fn show(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}
