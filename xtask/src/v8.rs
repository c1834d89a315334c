//! Puts V8's static library where the crate `v8` looks for it.
//!
//! That crate's build script takes, in this order, what `RUSTY_V8_ARCHIVE` names,
//! a file in cargo's home that is called after the release's address, or the
//! release itself. We fill the second place, so that plain `cargo build` works
//! afterwards, with no variable set and no network.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use crate::{cargo_home, locked_version, root, say};

/// How long to wait for the release host before turning to what is here.
const CONNECT_SECONDS: &str = "5";

/// A library of V8 is never smaller than this, unpacked.
const LEAST: u64 = 50 * 1024 * 1024;

/// The first bytes of a static library (`ar`).
const MAGIC: &[u8] = b"!<arch>\n";

/// Names of the release file, its address and its place.
struct Release {
    file: String,
    address: String,
    place: PathBuf,
}

fn release() -> anyhow::Result<Release> {
    let version = locked_version("v8")?;
    let target = target()?;
    // The Deno crates switch on the feature `simdutf` of `v8`, which is part of the name.
    let file = format!("librusty_v8_simdutf_release_{target}.a.gz");
    let address = format!("https://github.com/denoland/rusty_v8/releases/download/v{version}/{file}");
    let name: String = address.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let place = cargo_home()?.join(".rusty_v8").join(name);
    Ok(Release { file, address, place })
}

fn target() -> anyhow::Result<String> {
    Ok(match (std::env::consts::ARCH, std::env::consts::OS) {
        (arch @ ("x86_64" | "aarch64"), "linux") => format!("{arch}-unknown-linux-gnu"),
        (arch @ ("x86_64" | "aarch64"), "macos") => format!("{arch}-apple-darwin"),
        (arch, os) => {
            bail!("there is no release of V8 for {arch} on {os}: edgehost builds on Linux and macOS")
        }
    })
}

/// Makes sure that the library is in place.
pub(crate) fn set_up() -> anyhow::Result<()> {
    let release = release()?;
    if fs::metadata(&release.place).is_ok_and(|found| found.len() > 0) {
        return Ok(());
    }
    if let Some(archive) = std::env::var_os("RUSTY_V8_ARCHIVE") {
        say(&format!("V8: taken from RUSTY_V8_ARCHIVE ({})", archive.display()));
        return Ok(());
    }
    fs::create_dir_all(release.place.parent().unwrap_or(Path::new(".")))
        .with_context(|| format!("cannot create the folder of {}", release.place.display()))?;
    match download(&release) {
        Ok(()) => return Ok(()),
        Err(error) => say(&format!("V8: the official release cannot be had ({error:#})")),
    }
    if carried(&release).is_some_and(|archive| archive.is_file()) {
        return unpack_carried(&release);
    }
    say("V8: the repository carries no library for this machine; building it from source.");
    crate::v8_source::build(None)
}

/// Downloads the release with curl, which shows how far it has come.
fn download(release: &Release) -> anyhow::Result<()> {
    say(&format!("V8: downloading {}", release.address));
    let aside = release.place.with_extension("part");
    let status = Command::new("curl")
        .args(["--fail", "--location", "--progress-bar", "--connect-timeout", CONNECT_SECONDS, "--output"])
        .arg(&aside)
        .arg(&release.address)
        .status()
        .context("curl is not installed")?;
    if !status.success() {
        let _ = fs::remove_file(&aside);
        bail!("curl could not download it");
    }
    let file = File::open(&aside).with_context(|| format!("cannot read {}", aside.display()))?;
    if let Err(error) = check(GzDecoder::new(BufReader::new(file)), None) {
        let _ = fs::remove_file(&aside);
        return Err(error.context("what arrived is not the library"));
    }
    fs::rename(&aside, &release.place)
        .with_context(|| format!("cannot write {}", release.place.display()))?;
    say(&format!("V8: in place as {}", release.place.display()));
    Ok(())
}

/// Reads a library to its end, and holds it against a checksum.
fn check(mut library: impl Read, sha256: Option<&str>) -> anyhow::Result<()> {
    let mut head = [0; 8];
    library.read_exact(&mut head).context("it is too short")?;
    ensure!(head == MAGIC, "it is no static library");
    let mut hash = Sha256::new();
    hash.update(head);
    let mut buffer = vec![0; 1 << 16];
    let mut length = head.len() as u64;
    loop {
        let count = library.read(&mut buffer).context("it is damaged")?;
        if count == 0 {
            break;
        }
        length += count as u64;
        hash.update(&buffer[..count]);
    }
    ensure!(length >= LEAST, "it has only {length} bytes");
    if let Some(expected) = sha256 {
        let found: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        ensure!(found == expected, "its SHA-256 is {found}, but should be {expected}");
    }
    Ok(())
}

/// The archive that the repository carries for this machine.
fn carried(release: &Release) -> Option<PathBuf> {
    let name = release.file.strip_suffix(".gz")?;
    Some(root().join("third_party/v8").join(format!("{name}.xz")))
}

fn unpack_carried(release: &Release) -> anyhow::Result<()> {
    let archive = carried(release).context("no archive")?;
    say("V8: unpacking the library that the repository carries (third_party/v8)");
    let sums = root().join("third_party/v8/SHA256SUMS");
    let sums = fs::read_to_string(&sums).with_context(|| format!("cannot read {}", sums.display()))?;
    let sum = |name: &str| {
        let line = sums.lines().find(|line| line.ends_with(&format!("  {name}")))?;
        line.split_whitespace().next()
    };
    let library = sum("librusty_v8.a").context("SHA256SUMS does not name librusty_v8.a")?;
    let open = || -> anyhow::Result<_> {
        let file = File::open(&archive).with_context(|| format!("cannot read {}", archive.display()))?;
        Ok(liblzma::read::XzDecoder::new(BufReader::new(file)))
    };
    check(open()?, Some(library))
        .with_context(|| format!("{} is damaged: restore it with git", archive.display()))?;
    compress_into_place(open()?, &release.place)?;
    say(&format!("V8: in place as {}", release.place.display()));
    Ok(())
}

fn compress_into_place(mut library: impl Read, place: &Path) -> anyhow::Result<()> {
    let aside = place.with_extension("part");
    let out = File::create(&aside).with_context(|| format!("cannot write {}", aside.display()))?;
    let mut gzip = GzEncoder::new(io::BufWriter::new(out), Compression::fast());
    io::copy(&mut library, &mut gzip).with_context(|| format!("cannot write {}", aside.display()))?;
    gzip.finish()?.flush()?;
    fs::rename(&aside, place).with_context(|| format!("cannot write {}", place.display()))
}

/// Puts a library that was built here in place.
pub(crate) fn install(library: &Path) -> anyhow::Result<()> {
    let release = release()?;
    fs::create_dir_all(release.place.parent().unwrap_or(Path::new(".")))?;
    let open = || File::open(library).with_context(|| format!("cannot read {}", library.display()));
    check(BufReader::new(open()?), None).with_context(|| format!("{} is not usable", library.display()))?;
    compress_into_place(BufReader::new(open()?), &release.place)?;
    say(&format!("V8: in place as {}", release.place.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_called_after_the_address() {
        let release = release().expect("a release");
        let name = release.place.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(
            name.starts_with("https___github_com_denoland_rusty_v8_releases_download_v150_4_0_"),
            "{name}"
        );
        assert!(name.ends_with("_a_gz"), "{name}");
    }

    #[test]
    fn damaged_libraries_are_refused() {
        assert!(check(&b"<html>not found</html>"[..], None).is_err());
        assert!(check(&b"!<arch>\nshort"[..], None).is_err());
        let large = [MAGIC, &vec![0; usize::try_from(LEAST).expect("fits")]].concat();
        check(large.as_slice(), None).expect("large enough");
        assert!(check(large.as_slice(), Some("00")).is_err());
    }
}
