//! Writes an artefact.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::artefact::{CONTENTS, ChunkFiles, Contents, FILES, FORMAT, SETTINGS, SUM, sum_line};
use super::container::{Sum, hex, is_name};
use super::{Artefact, Build, relative};

/// What is to be written.
pub(crate) struct Shipment<'a> {
    /// Its chunks have the code caches that there are.
    pub(crate) build: &'a Build,
    /// The folder of the project.
    pub(crate) root: &'a Path,
    /// Files that went into the build, which decide how much of the tree around the project
    /// is kept.
    pub(crate) inputs: &'a [PathBuf],
    /// Files that code reads while it runs.
    pub(crate) files: &'a BTreeSet<PathBuf>,
    /// The text of `edgehost.toml`.
    pub(crate) settings: Option<String>,
    /// Which engine made the code caches.
    pub(crate) engine: String,
}

/// What was written, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Shipped {
    pub(crate) code: u64,
    pub(crate) cache: u64,
    pub(crate) all: u64,
}

impl Shipment<'_> {
    /// Writes it to `out`: one file if the name ends in `.edgehost`, a folder otherwise. What
    /// is there is replaced if it is an artefact.
    pub(crate) fn write(&self, out: &Path) -> io::Result<Shipped> {
        let is_file = out.extension().is_some_and(|extension| extension == "edgehost");
        refuse_others(out, is_file)?;
        let aside = aside(out, "new")?;
        let written = if is_file {
            File::options().write(true).create_new(true).open(&aside).and_then(|file| {
                let mut sink = Sink::Archive(tar::Builder::new(BufWriter::new(file)));
                let shipped = self.put(&mut sink)?;
                let Sink::Archive(archive) = sink else { return Ok(shipped) };
                let file = archive.into_inner()?.into_inner().map_err(io::IntoInnerError::into_error)?;
                file.sync_all()?;
                Ok(shipped)
            })
        } else {
            fs::create_dir_all(&aside).and_then(|()| self.put(&mut Sink::<File>::Folder(aside.clone())))
        };
        let placed = written.and_then(|shipped| {
            if is_file || !out.exists() {
                fs::rename(&aside, out)?;
            } else {
                // A folder takes no other's place while something is in it.
                let old = self::aside(out, "old")?;
                fs::rename(out, &old)?;
                fs::rename(&aside, out)?;
                fs::remove_dir_all(&old)?;
            }
            Ok(shipped)
        });
        if placed.is_err() {
            let _ = if is_file { fs::remove_file(&aside) } else { fs::remove_dir_all(&aside) };
        }
        placed
    }

    /// The same as the bytes of the one file.
    pub(crate) fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let mut sink = Sink::Archive(tar::Builder::new(Vec::new()));
        self.put(&mut sink)?;
        match sink {
            Sink::Archive(archive) => archive.into_inner(),
            Sink::Folder(_) => Ok(Vec::new()),
        }
    }

    /// The folder that all of it lies in.
    fn base(&self) -> PathBuf {
        let mut base = self.root.to_owned();
        let packages = self.build.manifest.packages.iter().map(|path| super::absolute(self.root, path));
        for path in self.inputs.iter().chain(self.files).cloned().chain(packages) {
            while !path.starts_with(&base) && base.pop() {}
        }
        base
    }

    fn put<W: Write>(&self, sink: &mut Sink<W>) -> io::Result<Shipped> {
        let mut shipped = Shipped::default();
        let base = self.base();
        let mut files = BTreeMap::new();
        let mut chunks = BTreeMap::new();
        let mut names: Vec<&String> = self.build.chunks.keys().collect();
        names.sort();
        let mut taken = BTreeSet::new();
        for specifier in names {
            let chunk = &self.build.chunks[specifier];
            let name = file_name(specifier, &mut taken);
            let mut put = |kind: &str, end: &str, content: &[u8]| -> io::Result<String> {
                let name = format!("{kind}/{name}{end}");
                let sum = sink.put(&name, content.len() as u64, content)?;
                files.insert(name.clone(), sum);
                Ok(name)
            };
            shipped.code += chunk.code.len() as u64;
            let code = put("code", "", chunk.code.as_bytes())?;
            let map = chunk.whole_map(self.root);
            let map = map.map(|map| put("maps", ".map", &map)).transpose()?;
            let cache = chunk.cache.as_ref().map(|cache| {
                shipped.cache += cache.len() as u64;
                put("cache", ".cache", cache)
            });
            let cache = cache.transpose()?;
            chunks.insert(specifier.clone(), ChunkFiles { code, map, cache });
        }
        for path in self.files {
            let name = format!("{FILES}/{}", relative(&base, path).display());
            if !is_name(&name) {
                return Err(io::Error::other(format!(
                    "{} has a name that cannot be shipped",
                    path.display()
                )));
            }
            let failed = |error: io::Error| io::Error::other(format!("{}: {error}", path.display()));
            let file = File::open(path).map_err(failed)?;
            let length = file.metadata().map_err(failed)?.len();
            files.insert(name.clone(), sink.put(&name, length, file).map_err(failed)?);
        }
        if let Some(settings) = &self.settings {
            let sum = sink.put(SETTINGS, settings.len() as u64, settings.as_bytes())?;
            files.insert(SETTINGS.to_owned(), sum);
        }
        shipped.all = files.values().map(|sum| sum.length).sum();
        let contents = Contents {
            format: FORMAT,
            edgehost: env!("CARGO_PKG_VERSION").to_owned(),
            engine: self.engine.clone(),
            root: relative(&base, self.root).display().to_string(),
            build: self.build.manifest.clone(),
            chunks,
            files,
        };
        let mut text = serde_json::to_vec_pretty(&contents)?;
        text.push(b'\n');
        let sum = sink.put(CONTENTS, text.len() as u64, text.as_slice())?;
        shipped.all += sum.length;
        let line = sum_line(&sum.sha256);
        sink.put(SUM, line.len() as u64, line.as_bytes())?;
        Ok(shipped)
    }
}

/// Refuses to write over anything but an artefact.
fn refuse_others(out: &Path, is_file: bool) -> io::Result<()> {
    let refuse = |problem: &str| Err(io::Error::other(format!("{} {problem}", out.display())));
    let Ok(facts) = fs::symlink_metadata(out) else { return Ok(()) };
    if is_file {
        return match facts.is_file() && (facts.len() == 0 || Artefact::open(out).is_ok()) {
            true => Ok(()),
            false => refuse("is there, and no build: remove it, or choose another name"),
        };
    }
    if !facts.is_dir() {
        return refuse("is there, and no folder: remove it, or choose another name");
    }
    let is_empty = fs::read_dir(out)?.next().is_none();
    if is_empty || Artefact::is_at(out) {
        Ok(())
    } else {
        refuse("holds other files than a build: choose another folder")
    }
}

/// A path beside `out` for what is not in its place yet, or not any more.
fn aside(out: &Path, what: &str) -> io::Result<PathBuf> {
    let out = std::path::absolute(out)?;
    let name = out
        .file_name()
        .ok_or_else(|| io::Error::other(format!("{} is no place for a build", out.display())))?;
    let folder = out.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let aside = folder.join(format!(".{}-{what}-{}", name.display(), std::process::id()));
    // One of the same name is of a process that is gone.
    let _ = fs::remove_dir_all(&aside);
    let _ = fs::remove_file(&aside);
    Ok(aside)
}

/// The name for the files of a chunk, from its specifier: `nodejs/route-0.js`.
fn file_name(specifier: &str, taken: &mut BTreeSet<String>) -> String {
    let plain = specifier.trim_start_matches("edgehost:///");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    let mut name: String = plain.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    name.truncate(120);
    // Names that differ in case only are one on some disks.
    let mut unique = name.clone();
    let mut count = 1;
    while !is_name(&unique) || !taken.insert(unique.to_lowercase()) {
        count += 1;
        unique = format!("{}-{count}", if is_name(&name) { &name } else { "chunk" });
    }
    unique
}

/// What an artefact is written to.
enum Sink<W: Write> {
    Folder(PathBuf),
    Archive(tar::Builder<W>),
}

impl<W: Write> Sink<W> {
    fn put(&mut self, name: &str, length: u64, content: impl Read) -> io::Result<Sum> {
        let mut content = Hashing { content: content.take(length), hash: Sha256::new(), length: 0 };
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                if let Some(folder) = path.parent() {
                    fs::create_dir_all(folder)?;
                }
                let mut file = File::options().write(true).create_new(true).open(path)?;
                io::copy(&mut content, &mut file)?;
            }
            Self::Archive(archive) => {
                // No times and no owners: the same files give the same bytes.
                let mut header = tar::Header::new_gnu();
                header.set_size(length);
                header.set_mode(0o644);
                archive.append_data(&mut header, name, &mut content)?;
            }
        }
        if content.length != length {
            return Err(io::Error::other("it changed while it was read"));
        }
        Ok(Sum { length, sha256: hex(&content.hash.finalize()) })
    }
}

struct Hashing<R> {
    content: R,
    hash: Sha256,
    length: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read(buffer)?;
        self.hash.update(&buffer[..count]);
        self.length += count as u64;
        Ok(count)
    }
}
