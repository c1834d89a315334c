//! Finds the app directory and the route files below it.
//!
//! Does not order or match routes (see `routes`), and does not look into files
//! other than for their segment configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::ProjectError;
use super::routes::{Route, RouteTable};
use super::segment::SegmentConfig;

/// Extensions of files that may hold a route, as Next.js' `pageExtensions` has them by default.
const PAGE_EXTENSIONS: [&str; 4] = ["tsx", "ts", "jsx", "js"];

/// Base names of other Next.js conventions below `app/`, which edgehost does not serve.
const OTHER_CONVENTIONS: [&str; 18] = [
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
    "robots",
    "sitemap",
    "manifest",
    "favicon",
    "icon",
    "apple-icon",
    "opengraph-image",
    "twitter-image",
];

/// What lies beside `app/` in the project or its `src/`, by base name, and what Next.js does with it.
const BESIDE: [(&str, &str); 4] = [
    (
        "middleware",
        "no middleware runs before a route: what it checks or rewrites is not checked or rewritten",
    ),
    ("proxy", "no proxy runs before a route: what it checks or rewrites is not checked or rewritten"),
    ("instrumentation", "it does not run"),
    ("next.config", "its rewrites, redirects, headers and basePath have no effect"),
];

/// Files that Next.js would use and edgehost leaves alone.
#[derive(Debug, Default)]
pub(crate) struct IgnoredFiles {
    /// Pages, layouts, metadata files and the like.
    pub conventions: usize,
    /// Files and folders beside `app/` that change what Next.js serves, and what that is.
    pub beside: Vec<(PathBuf, &'static str)>,
    /// `route.mjs` and other extensions that `pageExtensions` does not list.
    pub extensions: Vec<PathBuf>,
    /// Routes below interception markers such as `(.)photo`, which plain HTTP never reaches.
    pub intercepting: Vec<PathBuf>,
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

/// Walks the app directory and builds the route table.
pub(super) fn discover(root: &Path, app_dir: &Path) -> Result<(RouteTable, IgnoredFiles), ProjectError> {
    let mut ignored = IgnoredFiles::default();
    let mut problems = Vec::new();
    let mut routes: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut pages: BTreeMap<String, PathBuf> = BTreeMap::new();

    let walk = WalkDir::new(app_dir)
        .follow_links(true)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || is_routed(&entry.file_name().to_string_lossy()));
    for entry in walk {
        let entry = entry.map_err(|error| ProjectError::Unreadable {
            path: error.path().unwrap_or(app_dir).to_owned(),
            source: error.into(),
        })?;
        if !entry.file_type().is_file() {
            continue;
        }
        let path = entry.path();
        let relative = path.strip_prefix(app_dir).unwrap_or(path);
        let Some((stem, extension)) = split_name(&entry.file_name().to_string_lossy()) else {
            continue;
        };
        if stem != "route" {
            if OTHER_CONVENTIONS.contains(&stem.as_str()) {
                ignored.conventions += 1;
                if stem == "page" && PAGE_EXTENSIONS.contains(&extension.as_str()) {
                    pages.insert(pathname(relative), path.to_owned());
                }
            }
            continue;
        }
        if !PAGE_EXTENSIONS.contains(&extension.as_str()) {
            if matches!(extension.as_str(), "mjs" | "cjs" | "mts" | "cts") {
                ignored.extensions.push(path.to_owned());
            }
            continue;
        }
        if relative.components().any(|part| is_interception(&part.as_os_str().to_string_lossy())) {
            ignored.intercepting.push(path.to_owned());
            continue;
        }
        let pattern = pathname(relative);
        if let Some(other) = routes.get(&pattern) {
            problems.push(format!(
                "You cannot have two parallel pages that resolve to the same path. Please check {} and {}.",
                show(root, other),
                show(root, path),
            ));
        } else {
            routes.insert(pattern, path.to_owned());
        }
    }

    for (pattern, page) in &pages {
        if let Some(route) = routes.get(pattern) {
            let base = pattern.trim_end_matches('/');
            problems.push(format!(
                "Conflicting route and page at {pattern}: route at {base}/route and page at {base}/page ({} and {})",
                show(root, route),
                show(root, page),
            ));
        }
    }

    for folder in [root, &root.join("src")] {
        for (stem, effect) in BESIDE {
            let names = ["ts", "js", "mjs", "cjs", "mts", "tsx", "jsx"]
                .map(|extension| format!("{stem}.{extension}"));
            let found = names.into_iter().map(|name| folder.join(name)).find(|path| path.is_file());
            ignored.beside.extend(found.map(|path| (path, effect)));
        }
        let api = folder.join("pages").join("api");
        if api.is_dir() {
            ignored.beside.push((api, "routes are served from `app/` only"));
        }
    }
    let public = root.join("public");
    if public.is_dir() {
        ignored.beside.push((public, "its files are not served"));
    }

    if routes.is_empty() && problems.is_empty() {
        return Err(ProjectError::NoRoutes(app_dir.to_owned()));
    }
    let mut found = Vec::with_capacity(routes.len());
    let mut unreadable_segments = Vec::new();
    for (pattern, file) in routes {
        let source = std::fs::read_to_string(&file)
            .map_err(|source| ProjectError::Unreadable { path: file.clone(), source })?;
        let shown = show(root, &file);
        let segment = SegmentConfig::read(&source, &file, &shown, &pattern, &mut unreadable_segments);
        found.push(Route::new(pattern, file, shown, segment));
    }
    let table = match RouteTable::build(found) {
        Ok(table) if problems.is_empty() => table,
        Ok(_) => return Err(ProjectError::Conflicts(problems)),
        Err(more) => {
            problems.extend(more);
            return Err(ProjectError::Conflicts(problems));
        }
    };
    if unreadable_segments.is_empty() {
        Ok((table, ignored))
    } else {
        Err(ProjectError::Segments(unreadable_segments))
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

/// Interception markers: `(.)x`, `(..)x`, `(..)(..)x`, `(...)x`.
fn is_interception(segment: &str) -> bool {
    ["(.)", "(..)", "(...)"].iter().any(|marker| segment.starts_with(marker))
}

/// The pathname that a file below the app directory serves, such as `/shop/[id]`.
fn pathname(relative: &Path) -> String {
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

fn show(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}
