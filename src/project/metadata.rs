//! Metadata files: `sitemap.ts`, `icon.png`, `opengraph-image.tsx` and their like, which
//! Next.js serves as routes at paths of its own.
//!
//! What they are and where they are served is told by their names alone; what they answer is
//! decided in `src/bundle/metadata.js`.

use std::path::{Path, PathBuf};

use super::discovery::{pathname, show};
use super::segment::SegmentConfig;

/// Names of files, with the extensions that they may have besides those of code.
const KINDS: [(&str, Kind, &[&str]); 8] = [
    ("favicon", Kind::Favicon, &["ico"]),
    ("icon", Kind::Image, &["ico", "jpg", "jpeg", "png", "svg"]),
    ("apple-icon", Kind::Image, &["jpg", "jpeg", "png"]),
    ("opengraph-image", Kind::Image, &["jpg", "jpeg", "png", "gif"]),
    ("twitter-image", Kind::Image, &["jpg", "jpeg", "png", "gif"]),
    ("sitemap", Kind::Sitemap, &["xml"]),
    ("robots", Kind::Robots, &["txt"]),
    ("manifest", Kind::Manifest, &["json", "webmanifest"]),
];

/// The parameter that holds which image or sitemap of several is asked for.
const ID: &str = "[__metadata_id__]";

/// Most bytes of a file: its route holds it in memory. For Open Graph it is what Next.js allows.
const LARGEST: u64 = 8 << 20;

/// The same for images for Twitter, as Next.js has it.
const LARGEST_TWITTER: u64 = 5 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Favicon,
    Image,
    Sitemap,
    Robots,
    Manifest,
}

/// What a metadata file answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// What is in it.
    File,
    /// Rules for robots, which its code returns.
    Robots,
    /// A web app manifest, which its code returns.
    Manifest,
    /// A sitemap, the entries of which its code returns.
    Sitemap,
    /// The same, one of those that `generateSitemaps` tells of.
    Sitemaps,
    /// A response of its code.
    Image,
    /// The same, one of those that `generateImageMetadata` tells of.
    Images,
}

/// How a metadata file is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// What it answers with.
    pub form: Form,
    /// The media type, unless its code says it.
    pub media_type: &'static str,
}

/// A file that is metadata by its name.
#[derive(Debug)]
pub(super) struct MetadataFile<'a> {
    kind: Kind,
    /// The name up to the first dot.
    stem: &'a str,
    /// None if it is code.
    extension: Option<&'a str>,
}

impl<'a> MetadataFile<'a> {
    /// For a file with such a name, if it is one. `is_code` tells of an extension whether it is
    /// that of a script.
    pub(super) fn named(stem: &'a str, extension: &'a str, is_code: bool) -> Option<Self> {
        let (_, kind, own) = KINDS.into_iter().find(|(name, kind, _)| {
            let rest = stem.strip_prefix(name);
            rest.is_some_and(|rest| {
                rest.is_empty() || (*kind == Kind::Image && matches!(rest.as_bytes(), [b'0'..=b'9']))
            })
        })?;
        let extension = match own.contains(&extension) {
            true => Some(extension),
            false if is_code && kind != Kind::Favicon => None,
            false => return None,
        };
        Some(Self { kind, stem, extension })
    }

    /// Whether a file of this kind counts in the folder where it is, seen from `app/`.
    pub(super) fn is_in_place(&self, relative: &Path) -> bool {
        let is_of_site = matches!(self.kind, Kind::Favicon | Kind::Robots | Kind::Manifest);
        !is_of_site || relative.parent().is_none_or(|folder| folder.as_os_str().is_empty())
    }

    /// What it says of itself, how it is served, and where. `relative` is the file as it is
    /// seen from `app/`.
    pub(super) fn read(
        &self,
        root: &Path,
        file: &Path,
        relative: &Path,
    ) -> (String, Metadata, SegmentConfig) {
        let pattern = self.pattern(relative);
        let shown = show(root, file);
        if self.extension.is_some() {
            let mut segment = SegmentConfig::default();
            segment.problems.extend(self.oversize(file, &shown));
            return (pattern, Metadata { form: Form::File, media_type: self.media_type() }, segment);
        }
        let (segment, exports) = SegmentConfig::read_metadata(file, &shown, &pattern);
        let several = |function: &str| exports.iter().any(|name| name == function);
        let form = match self.kind {
            Kind::Robots => Form::Robots,
            Kind::Manifest => Form::Manifest,
            Kind::Sitemap if several("generateSitemaps") => Form::Sitemaps,
            Kind::Sitemap => Form::Sitemap,
            Kind::Image | Kind::Favicon if several("generateImageMetadata") => Form::Images,
            Kind::Image | Kind::Favicon => Form::Image,
        };
        let pattern = match form {
            Form::Sitemaps => format!("{}/{ID}", pattern.trim_end_matches(".xml")),
            Form::Images => format!("{pattern}/{ID}"),
            _ => pattern,
        };
        (pattern, Metadata { form, media_type: self.media_type() }, segment)
    }

    /// The path of the only one.
    fn pattern(&self, relative: &Path) -> String {
        let folder = pathname(relative);
        let name = match (self.kind, self.extension) {
            (_, Some(extension)) => format!("{}{}.{extension}", self.stem, self.suffix(relative)),
            (Kind::Sitemap, None) => "sitemap.xml".to_owned(),
            (Kind::Robots, None) => "robots.txt".to_owned(),
            (Kind::Manifest, None) => "manifest.webmanifest".to_owned(),
            (_, None) => format!("{}{}", self.stem, self.suffix(relative)),
        };
        format!("{}/{name}", folder.trim_end_matches('/'))
    }

    /// What tells images apart whose paths would be the same, because groups and slots have no
    /// part in them: a hash of the folder, the one that Next.js takes.
    fn suffix(&self, relative: &Path) -> String {
        let folder = relative.parent().unwrap_or(Path::new("")).to_string_lossy().replace("%5F", "_");
        let is_hidden = |name: &str| {
            (name.starts_with('(') && name.ends_with(')')) || (name.starts_with('@') && name != "@children")
        };
        if self.kind == Kind::Sitemap || !folder.split('/').any(is_hidden) {
            return String::new();
        }
        let hash = format!("/{folder}")
            .encode_utf16()
            .fold(5381_u32, |hash, unit| hash.wrapping_mul(33).wrapping_add(unit.into()));
        format!("-{}", base_36(hash).get(..6).map_or_else(|| base_36(hash), str::to_owned))
    }

    /// As Next.js has it, which knows none for GIFs.
    fn media_type(&self) -> &'static str {
        match (self.kind, self.extension) {
            (Kind::Sitemap, _) => "application/xml",
            (Kind::Manifest, _) => "application/manifest+json",
            (Kind::Favicon, _) | (Kind::Image, Some("ico")) => "image/x-icon",
            (Kind::Image, Some("png")) => "image/png",
            (Kind::Image, Some("jpg" | "jpeg")) => "image/jpeg",
            (Kind::Image, Some("svg")) => "image/svg+xml",
            (Kind::Robots | Kind::Image, _) => "text/plain",
        }
    }

    /// What is said of a file that is too large.
    fn oversize(&self, file: &Path, shown: &str) -> Option<String> {
        let (most, instead) = match self.stem.trim_end_matches(|c: char| c.is_ascii_digit()) {
            "twitter-image" => (LARGEST_TWITTER, "Twitter takes no larger ones"),
            "opengraph-image" => (LARGEST, "a larger one is not shown by those who read it"),
            _ => (LARGEST, "a file in public/ is read when it is asked for, and may have any size"),
        };
        let size = match file.metadata() {
            Ok(metadata) => metadata.len(),
            Err(error) => return Some(format!("The metadata file {shown} cannot be read: {error}")),
        };
        let mib = |bytes: u64| format!("{}.{} MiB", bytes >> 20, ((bytes & 0xf_ffff) * 10) >> 20);
        (size > most).then(|| {
            format!(
                "The metadata file {shown} has {}, and may have {} MiB: {instead}.",
                mib(size),
                most >> 20
            )
        })
    }
}

/// Whether a file with a name is metadata, and no code.
#[cfg(feature = "dev")]
pub(crate) fn is_metadata_file(name: &str) -> bool {
    let parts = name.split_once('.');
    parts.is_some_and(|(stem, extension)| MetadataFile::named(stem, extension, false).is_some())
}

/// What is found under a pattern of the table.
#[derive(Debug)]
pub(super) struct Found {
    /// The file.
    pub file: PathBuf,
    /// How it is served and what it says of itself, if it is metadata.
    pub metadata: Option<(Metadata, SegmentConfig)>,
}

impl Found {
    /// What is wrong with two files under one pattern.
    pub(super) fn conflict(&self, other: &Self, pattern: &str, root: &Path) -> String {
        let (first, second) = (show(root, &self.file), show(root, &other.file));
        if self.metadata.is_none() && other.metadata.is_none() {
            return format!(
                "You cannot have two parallel pages that resolve to the same path. Please check {first} and {second}."
            );
        }
        let kind = |found: &Self| if found.metadata.is_some() { "metadata" } else { "route" };
        format!("Conflicting {} and {} at {pattern}: {first} and {second}", kind(self), kind(other))
    }

    /// Whether it is code.
    pub(super) fn is_code(&self) -> bool {
        self.metadata.as_ref().is_none_or(|(metadata, _)| metadata.form != Form::File)
    }
}

fn base_36(mut number: u32) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(char::from_digit(number % 36, 36).unwrap_or('0'));
        number /= 36;
        if number == 0 {
            return digits.iter().rev().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(path: &str) -> Option<String> {
        let path = Path::new(path);
        let (stem, extension) = path.file_name()?.to_str()?.split_once('.')?;
        let is_code = matches!(extension, "ts" | "tsx");
        let found = MetadataFile::named(stem, extension, is_code)?;
        found.is_in_place(path).then(|| found.pattern(path))
    }

    #[test]
    fn paths_and_suffixes_are_those_of_next() {
        for (path, expected) in [
            ("favicon.ico", "/favicon.ico"),
            ("icon3.ico", "/icon3.ico"),
            ("icon.tsx", "/icon"),
            ("robots.ts", "/robots.txt"),
            ("manifest.ts", "/manifest.webmanifest"),
            ("manifest.json", "/manifest.json"),
            ("a/[id]/sitemap.ts", "/a/[id]/sitemap.xml"),
            ("(g)/c/sitemap.xml", "/c/sitemap.xml"),
            ("(g)/c/icon.png", "/c/icon-xg7fj2.png"),
            ("(g)/c/opengraph-image.tsx", "/c/opengraph-image-xg7fj2"),
            ("@slot/d/icon.png", "/d/icon-cwa1xl.png"),
            ("q/(x)/twitter-image2.png", "/q/twitter-image2-yujv8d.png"),
        ] {
            assert_eq!(pattern(path).as_deref(), Some(expected), "{path}");
        }
        for path in [
            "favicon.ts",
            "favicon1.ico",
            "icon12.png",
            "icon.gif",
            "robots1.txt",
            "icon.test.ts",
            "opengraph-image.alt.txt",
            "a/robots.txt",
            "(g)/manifest.ts",
            "a/favicon.ico",
            "icons.png",
        ] {
            assert_eq!(pattern(path), None, "{path}");
        }
    }
}
