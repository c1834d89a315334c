//! Files of `public/`, as they were when the version was made.
//!
//! Which files there are is put down once, so that no path of a request is ever looked up on
//! disk: it is in the list or it is not. What is in the files is read when they are asked for.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use walkdir::WalkDir;

/// The folder, seen from the project.
pub(crate) const FOLDER: &str = "public";

/// Beginnings of hidden names are left out, but for this one, which browsers and services know.
const WELL_KNOWN: &str = ".well-known";

/// A compressed form of a file, which lies beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Brotli,
    Zstandard,
    Gzip,
}

impl Coding {
    /// All of them, the best first.
    pub(crate) const ALL: [Self; 3] = [Self::Brotli, Self::Zstandard, Self::Gzip];

    /// Its name in HTTP.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstandard => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// What the names of such files end with.
    fn extension(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Zstandard => ".zst",
            Self::Gzip => ".gz",
        }
    }
}

/// The files of a project.
#[derive(Debug, Default)]
pub(crate) struct PublicFiles {
    /// The project.
    root: PathBuf,
    /// Where they are, by the path of their URL, decoded.
    files: HashMap<String, PathBuf>,
}

impl PublicFiles {
    /// Those of the project in `root`. A link is followed where it leads to somewhere in the
    /// project.
    pub(crate) fn of(root: &Path) -> Self {
        let folder = root.join(FOLDER);
        let Ok(inside) = root.canonicalize() else { return Self::default() };
        let is_shown = |entry: &walkdir::DirEntry| {
            let name = entry.file_name().to_string_lossy();
            entry.depth() == 0 || !name.starts_with('.') || name == WELL_KNOWN
        };
        let walk = WalkDir::new(&folder).follow_links(true).into_iter().filter_entry(is_shown);
        let mut files = HashMap::new();
        for entry in walk.filter_map(Result::ok).filter(|entry| entry.file_type().is_file()) {
            let Some(name) = entry.path().strip_prefix(&folder).ok().and_then(Path::to_str) else {
                continue;
            };
            // What is opened has no link on the way, and what is hidden stays so.
            let is_hidden = |place: &Path| {
                let parts = place.strip_prefix(&inside).unwrap_or(place).iter();
                parts
                    .map(|part| part.to_string_lossy())
                    .any(|part| part.starts_with('.') && part != WELL_KNOWN)
            };
            match entry.path().canonicalize() {
                Ok(place) if place.starts_with(&inside) && !is_hidden(&place) => {
                    files.insert(format!("/{name}"), place);
                }
                _ => tracing::warn!(
                    file = name,
                    "a link out of the project, or to what is hidden, is not served from public/"
                ),
            }
        }
        Self { root: inside, files }
    }

    /// Whether others have the same names and lie at the same places of their projects.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let within = |root: &Path, place: &Path| place.strip_prefix(root).ok().map(Path::to_owned);
        let is_there = |(name, place): (&String, &PathBuf)| {
            let place = within(&self.root, place);
            other.files.get(name).is_some_and(|found| within(&other.root, found) == place)
        };
        self.files.len() == other.files.len() && self.files.iter().all(is_there)
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The file of a raw path: its name, and where it is.
    pub(crate) fn find(&self, raw_path: &str) -> Option<(&str, &Path)> {
        if self.files.is_empty() {
            return None;
        }
        // A slash that is written as an escape is part of a name, and no file has such a name.
        if raw_path.contains("%2F") || raw_path.contains("%2f") {
            return None;
        }
        let path = percent_decode_str(raw_path).decode_utf8().ok()?;
        self.files.get_key_value(path.as_ref()).map(|(name, place)| (name.as_str(), place.as_path()))
    }

    /// A compressed form of the file with a name.
    pub(crate) fn coded(&self, name: &str, coding: Coding) -> Option<&Path> {
        self.files.get(&format!("{name}{}", coding.extension())).map(PathBuf::as_path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn files_are_found_by_their_decoded_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("project");
        let write = |path: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            std::fs::write(path, "text").expect("written");
        };
        for path in [
            "project/public/a.txt",
            "project/public/a.txt.br",
            "project/public/sub/ä b.txt",
            "project/public/.well-known/security.txt",
            "project/public/.env",
            "project/public/.git/config",
            "project/secret.txt",
            "project/shared/logo.svg",
            "outside.txt",
        ] {
            write(path);
        }
        let public = root.join("public");
        symlink("../shared", public.join("shared")).expect("linked");
        symlink("../../outside.txt", public.join("outside.txt")).expect("linked");
        symlink("nowhere", public.join("dangling.txt")).expect("linked");
        std::fs::write(root.join(".env"), "SECRET=1").expect("written");
        symlink("../.env", public.join("env.txt")).expect("linked");
        symlink(".", public.join("circle")).expect("linked");
        let files = PublicFiles::of(&root);
        for (path, name) in [
            ("/a.txt", "/a.txt"),
            ("/%61.txt", "/a.txt"),
            ("/sub/%C3%A4%20b.txt", "/sub/ä b.txt"),
            ("/.well-known/security.txt", "/.well-known/security.txt"),
            ("/shared/logo.svg", "/shared/logo.svg"),
        ] {
            assert_eq!(files.find(path).map(|(name, _)| name), Some(name), "{path}");
        }
        for path in [
            "/",
            "/sub",
            "/A.txt",
            "/.env",
            "/.git/config",
            "/sub%2F%C3%A4%20b.txt",
            "/../secret.txt",
            "/%2e%2e/secret.txt",
            "/outside.txt",
            "/dangling.txt",
            "/circle/a.txt",
            "/a.txt%00",
            "/%ff",
            "a.txt",
        ] {
            assert_eq!(files.find(path), None, "{path}");
        }
        assert!(files.coded("/a.txt", Coding::Brotli).is_some());
        assert!(files.coded("/a.txt", Coding::Gzip).is_none());
        assert!(PublicFiles::of(&folder.path().join("none")).is_empty());
    }
}
