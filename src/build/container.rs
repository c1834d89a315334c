//! Where the files of an artefact lie: in a folder, or in a tar archive on disk or in memory.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Cursor, Read, Seek, Write as _};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tar::EntryType;

use super::artefact::Refused;

/// Most files of an archive.
const MOST_FILES: usize = 1_000_000;

/// Longest name of a file.
const MOST_NAME: usize = 4096;

/// What a tar archive is made of, and how many of them stand at its end.
const BLOCK: u64 = 512;
const LAST_BLOCKS: u64 = 2;

/// What a file has to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sum {
    pub(super) length: u64,
    pub(super) sha256: String,
}

/// Where files are in an archive: at which byte, and how long.
type Places = BTreeMap<String, (u64, u64)>;

/// The files of an artefact.
#[derive(Debug)]
pub(super) enum Container {
    Folder(PathBuf),
    Archive { path: PathBuf, file: File, places: Places },
    Memory { bytes: Bytes, places: Places },
}

/// Whether a name stays within the container: no `..`, no empty part.
pub(super) fn is_name(name: &str) -> bool {
    name.len() <= MOST_NAME
        && !name.contains(['\0', '\\'])
        && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

impl Container {
    pub(super) fn open(path: &Path) -> Result<Self, Refused> {
        let shown = || path.display().to_string();
        let failed = |error: io::Error| Refused::new(shown(), format!("cannot be read: {error}"));
        // Opening a named pipe would wait for who writes to it.
        let facts = fs::metadata(path).map_err(failed)?;
        if facts.is_dir() {
            return Ok(Self::Folder(path.to_owned()));
        }
        if !facts.is_file() {
            return Err(Refused::new(shown(), "is neither a folder nor a file".to_owned()));
        }
        let file = File::open(path).map_err(failed)?;
        let places = places(&file, facts.len()).map_err(|problem| Refused::new(shown(), problem))?;
        Ok(Self::Archive { path: path.to_owned(), file, places })
    }

    pub(super) fn of_bytes(bytes: Bytes) -> Result<Self, Refused> {
        let places = places(Cursor::new(&bytes), bytes.len() as u64)
            .map_err(|problem| Refused::new("the build".to_owned(), problem))?;
        Ok(Self::Memory { bytes, places })
    }

    /// What people know a file by.
    pub(super) fn shown(&self, name: &str) -> String {
        match self {
            Self::Folder(path) => path.join(name).display().to_string(),
            Self::Archive { path, .. } => format!("{name} in {}", path.display()),
            Self::Memory { .. } => format!("{name} in the build"),
        }
    }

    /// A file, to be read from its beginning, and its length.
    fn reader(&self, name: &str) -> io::Result<(Box<dyn Read + '_>, u64)> {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        Ok(match self {
            Self::Folder(folder) => {
                let file = plain_file(folder, name)?;
                let length = file.metadata()?.len();
                (Box::new(file), length)
            }
            Self::Archive { file, places, .. } => {
                let (at, length) = *places.get(name).ok_or_else(missing)?;
                (Box::new(Part { file, at, left: length }), length)
            }
            Self::Memory { bytes, places } => {
                let (at, length) = *places.get(name).ok_or_else(missing)?;
                let part = part(bytes, at, length).ok_or_else(missing)?;
                (Box::new(Cursor::new(part)), length)
            }
        })
    }

    fn refused(&self, name: &str, error: &io::Error) -> Refused {
        let problem = match error.kind() {
            io::ErrorKind::NotFound => "is missing".to_owned(),
            io::ErrorKind::InvalidInput => "is a link or no plain file".to_owned(),
            _ => format!("cannot be read: {error}"),
        };
        Refused::new(self.shown(name), problem)
    }

    /// Has `take` see a file, piece by piece, and refuses one that is not what it has to be.
    fn check(&self, name: &str, sum: &Sum, mut take: impl FnMut(&[u8])) -> Result<(), Refused> {
        let failed = |error: io::Error| self.refused(name, &error);
        let (mut reader, length) = self.reader(name).map_err(failed)?;
        if length != sum.length {
            let problem = format!("has {length} bytes, and should have {}", sum.length);
            return Err(Refused::new(self.shown(name), problem));
        }
        let mut hash = Sha256::new();
        let mut piece = vec![0; 256 * 1024];
        let mut left = length;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
            let count = reader.read(&mut piece[..most]).map_err(failed)?;
            if count == 0 {
                return Err(Refused::new(self.shown(name), "is cut off".to_owned()));
            }
            hash.update(&piece[..count]);
            take(&piece[..count]);
            left -= count as u64;
        }
        if hex(&hash.finalize()) != sum.sha256 {
            return Err(Refused::new(self.shown(name), "is not what was built".to_owned()));
        }
        Ok(())
    }

    /// Makes sure that a file is what it has to be.
    pub(super) fn verify(&self, name: &str, sum: &Sum) -> Result<(), Refused> {
        self.check(name, sum, |_| {})
    }

    /// A file, if it is what it has to be.
    pub(super) fn read(&self, name: &str, sum: &Sum) -> Result<Bytes, Refused> {
        if let Self::Memory { bytes, places } = self
            && let Some((at, length)) = places.get(name)
            && let Some(part) = part(bytes, *at, *length)
        {
            self.verify(name, sum)?;
            return Ok(part);
        }
        let mut content = Vec::new();
        self.check(name, sum, |piece| content.extend_from_slice(piece))?;
        Ok(content.into())
    }

    /// A small file, whatever it is.
    pub(super) fn read_any(&self, name: &str, most: u64) -> Result<Vec<u8>, Refused> {
        let failed = |error: io::Error| self.refused(name, &error);
        let (reader, length) = self.reader(name).map_err(failed)?;
        if length > most {
            return Err(Refused::new(self.shown(name), format!("has {length} bytes: no build is like that")));
        }
        let mut content = Vec::new();
        reader.take(most).read_to_end(&mut content).map_err(failed)?;
        Ok(content)
    }

    /// Copies a file to `path`, if it is what it has to be.
    pub(super) fn unpack(&self, name: &str, sum: &Sum, path: &Path) -> Result<(), Refused> {
        let failed = |error: io::Error| {
            let problem = format!("cannot be unpacked to {}: {error}", path.display());
            Refused::new(self.shown(name), problem)
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut file = File::options().write(true).create_new(true).open(path).map_err(failed)?;
        let mut written = Ok(());
        self.check(name, sum, |piece| {
            if written.is_ok() {
                written = file.write_all(piece);
            }
        })?;
        written.map_err(failed)
    }
}

fn part(bytes: &Bytes, at: u64, length: u64) -> Option<Bytes> {
    let at = usize::try_from(at).ok()?;
    let end = at.checked_add(usize::try_from(length).ok()?).filter(|end| *end <= bytes.len())?;
    Some(bytes.slice(at..end))
}

/// A part of a file.
struct Part<'a> {
    file: &'a File,
    at: u64,
    left: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

/// Opens a file below a folder without following a link.
fn plain_file(folder: &Path, name: &str) -> io::Result<File> {
    let refused = || io::Error::from(io::ErrorKind::InvalidInput);
    let mut path = folder.to_owned();
    let mut parts = name.split('/').peekable();
    while let Some(part) = parts.next() {
        path.push(part);
        let facts = fs::symlink_metadata(&path)?;
        let is_last = parts.peek().is_none();
        if if is_last { !facts.is_file() } else { !facts.is_dir() } {
            return Err(refused());
        }
    }
    File::options().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)
}

/// Where the files of an archive of `length` bytes are. It holds plain files only, and ends
/// where it says.
fn places(reader: impl Read + Seek, length: u64) -> Result<Places, String> {
    let broken = |error: io::Error| format!("is no whole build: {error}");
    let mut archive = tar::Archive::new(reader);
    let mut places = Places::new();
    let mut long_name = None;
    let mut end = 0_u64;
    // Raw: what stands in front of files would be read into memory otherwise, however long.
    for entry in archive.entries_with_seek().map_err(broken)?.raw(true) {
        let mut entry = entry.map_err(broken)?;
        let size = entry.header().entry_size().map_err(broken)?;
        let at = entry.raw_file_position();
        end = at
            .checked_add(size)
            .and_then(|end| end.checked_next_multiple_of(BLOCK))
            .filter(|end| *end <= length)
            .ok_or("is cut off")?;
        match entry.header().entry_type() {
            EntryType::GNULongName if size <= MOST_NAME as u64 => {
                let mut name = Vec::new();
                entry.read_to_end(&mut name).map_err(broken)?;
                name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
                long_name = Some(name);
            }
            EntryType::Regular => {
                let name = long_name.take().unwrap_or_else(|| entry.path_bytes().into_owned());
                let name = String::from_utf8(name).ok().filter(|name| is_name(name));
                let name = name.ok_or("holds a file whose name leads out of it, or is no name")?;
                if places.len() == MOST_FILES || places.insert(name, (at, size)).is_some() {
                    return Err("holds too many files, or one of them twice".to_owned());
                }
            }
            _ => return Err("holds something that is no plain file".to_owned()),
        }
    }
    if end.checked_add(LAST_BLOCKS * BLOCK) != Some(length) {
        return Err("is cut off, or has something behind its end".to_owned());
    }
    Ok(places)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside() {
        for name in ["a", "files/a b/[id].js", "files/..a"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "/a", "a/", "../a", "a/../b", "a//b", "./a", "a\\b", "a\0b", &"a".repeat(5000)] {
            assert!(!is_name(name), "{name}");
        }
    }

    fn archive(entries: &[(EntryType, &str, &[u8])]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (kind, name, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_size(content.len() as u64);
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            if *kind == EntryType::Symlink {
                header.set_link_name("/etc/passwd").expect("a name");
            }
            header.set_cksum();
            archive.append(&header, *content).expect("in memory");
        }
        archive.into_inner().expect("in memory")
    }

    fn refusal(bytes: Vec<u8>) -> String {
        Container::of_bytes(bytes.into()).expect_err("refused").to_string()
    }

    #[test]
    fn archives_hold_plain_files_and_end_where_they_say() {
        let sound = archive(&[(EntryType::Regular, "a", b"one"), (EntryType::Regular, "b/c", b"two")]);
        let container = Container::of_bytes(sound.clone().into()).expect("sound");
        let sum = Sum { length: 3, sha256: hex(&Sha256::digest(b"two")) };
        assert_eq!(container.read("b/c", &sum).expect("there"), "two");
        assert!(container.read("a", &sum).is_err());
        assert!(container.verify("b", &sum).is_err());
        for name in ["../a", "/etc/a", "a/../../b"] {
            assert!(refusal(archive(&[(EntryType::Regular, name, b"")])).contains("leads out"), "{name}");
        }
        for kind in
            [EntryType::Symlink, EntryType::Link, EntryType::Directory, EntryType::XHeader, EntryType::Fifo]
        {
            assert!(refusal(archive(&[(kind, "a", b"")])).contains("no plain file"), "{kind:?}");
        }
        assert!(refusal(archive(&[(EntryType::Regular, "a", b"".as_slice()); 2])).contains("twice"));
        for length in [0, 100, 512, 600, 1024, sound.len() - 1, sound.len() - 512] {
            refusal(sound[..length].to_vec());
        }
        refusal([sound.as_slice(), b"more"].concat());
        // A file that says it is longer than the archive.
        let mut lying = tar::Header::new_gnu();
        lying.set_path("a").expect("short");
        lying.set_size(1 << 60);
        lying.set_cksum();
        assert!(refusal([lying.as_bytes().as_slice(), &[0; 1024]].concat()).contains("cut off"));
    }

    #[test]
    fn links_in_folders_are_not_followed() {
        let dir = std::env::temp_dir().join(format!("edgehost-container-{}", std::process::id()));
        fs::create_dir_all(dir.join("real")).expect("made");
        fs::write(dir.join("real/a"), "one").expect("written");
        std::os::unix::fs::symlink(dir.join("real"), dir.join("linked")).expect("linked");
        std::os::unix::fs::symlink(dir.join("real/a"), dir.join("a")).expect("linked");
        let container = Container::open(&dir).expect("a folder");
        let sum = Sum { length: 3, sha256: hex(&Sha256::digest(b"one")) };
        let of = |name: &str| container.verify(name, &sum).map_err(|error| error.to_string());
        assert_eq!(of("real/a"), Ok(()));
        for name in ["linked/a", "a", "real"] {
            assert!(of(name).expect_err("refused").contains("link or no plain file"), "{name}");
        }
        fs::remove_dir_all(dir).expect("removed");
    }
}
