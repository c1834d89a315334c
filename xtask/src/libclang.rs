//! Finds or fetches libclang, with which the build makes Rust bindings of C headers.
//!
//! `libsqlite3-sys` and `libnghttp2` generate theirs while they are built. What plain
//! cargo commands have to know about it afterwards goes into `target/setup.toml`, which
//! `.cargo/config.toml` includes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

use crate::{debian, root, say};

/// libclang of PyPI, where nobody is root: the last version of that package, and the
/// checksums of its files for the machines that edgehost builds on.
const WHEEL: &str = "libclang==18.1.1 \
    --hash=sha256:c533091d8a3bbf7460a00cb6c1a71da93bffe148f172c7d03b1c31fbf8aa2a0b \
    --hash=sha256:54dda940a4a0491a9d1532bf071ea3ef26e6dbaf03b5000ed94dd7174e8f9592";

/// Where distributions put it.
const FOLDERS: &[&str] = &["/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64", "/lib", "/lib64"];

/// Makes sure that the build will find libclang, and C headers for it.
pub(crate) fn set_up() -> anyhow::Result<()> {
    // Apple's compiler brings it, where its users find it.
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let kept = root().join("target/setup.toml");
    if kept_library(&kept).is_some_and(|folder| library_in(&folder).is_some()) {
        return Ok(());
    }
    let folder = match find() {
        Some(folder) => folder,
        None => fetch()?,
    };
    write_settings(&kept, &folder)
}

/// The folder that the last set-up wrote down.
fn kept_library(settings: &Path) -> Option<PathBuf> {
    let settings: toml::Table = fs::read_to_string(settings).ok()?.parse().ok()?;
    Some(settings.get("env")?.get("LIBCLANG_PATH")?.as_str()?.into())
}

/// The folder of a libclang that is installed.
fn find() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("LIBCLANG_PATH").map(PathBuf::from) {
        let folder = if path.is_file() { path.parent()?.to_owned() } else { path };
        return library_in(&folder).map(|_| folder);
    }
    let mut folders: Vec<PathBuf> = FOLDERS.iter().map(PathBuf::from).collect();
    folders.push(format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH).into());
    // Those that carry their version in the name: `/usr/lib/llvm-14/lib`.
    for parent in ["/usr/lib", "/usr/local"] {
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        let versions = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("llvm"));
        folders.extend(versions.map(|entry| entry.path().join("lib")));
    }
    folders.into_iter().find(|folder| library_in(folder).is_some())
}

/// The library in a folder, by the names under which `clang-sys` takes it:
/// `libclang.so`, `libclang-14.so`, `libclang.so.1`, `libclang-14.so.14`.
fn library_in(folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    entries.map(|entry| entry.path()).find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some((before, after)) = name.strip_prefix("libclang").and_then(|rest| rest.split_once(".so"))
        else {
            return false;
        };
        let is_version = |text: &str, mark: char| {
            text.is_empty()
                || text.strip_prefix(mark).is_some_and(|version| version.chars().all(is_of_version))
        };
        is_version(before, '-') && is_version(after, '.')
    })
}

fn is_of_version(c: char) -> bool {
    c.is_ascii_digit() || c == '.'
}

/// From Debian as root, from PyPI as anybody else.
fn fetch() -> anyhow::Result<PathBuf> {
    let purpose = "to make bindings of C libraries";
    if debian::is_root() && debian::have("apt-get") {
        debian::need(&["libclang1"], purpose)?;
        return find().context("libclang1 is installed, but its library is not where libraries are");
    }
    let by_hand = "    sudo apt-get install -y libclang1          (Debian, Ubuntu)\n    \
                   sudo dnf install clang-libs                (Fedora)\n    \
                   python3 -m pip --version                   (or pip: then it is fetched from PyPI)\n";
    if !debian::have("python3") || !has_pip() {
        bail!("libclang is needed {purpose}. Install it by one of these, and try again:\n\n{by_hand}");
    }
    say(&format!("libclang: fetching it from PyPI into target/libclang ({purpose})"));
    from_pypi().with_context(|| format!("libclang cannot be had from PyPI. Install it instead:\n\n{by_hand}"))
}

fn has_pip() -> bool {
    Command::new("python3").args(["-m", "pip", "--version"]).output().is_ok_and(|o| o.status.success())
}

fn from_pypi() -> anyhow::Result<PathBuf> {
    let place = root().join("target/libclang");
    let aside = root().join("target/libclang.part");
    let _ = fs::remove_dir_all(&aside);
    fs::create_dir_all(&aside).with_context(|| format!("cannot create {}", aside.display()))?;
    let wanted = aside.join("requirements.txt");
    fs::write(&wanted, WHEEL).with_context(|| format!("cannot write {}", wanted.display()))?;
    let python = |arguments: &[&str]| -> anyhow::Result<()> {
        let status = Command::new("python3").args(arguments).current_dir(&aside).status()?;
        ensure!(status.success(), "`python3 {}` failed", arguments.join(" "));
        Ok(())
    };
    let download =
        ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes"];
    python(&[&download[..], &["--requirement", "requirements.txt"]].concat())?;
    let wheel = fs::read_dir(&aside)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .context("pip brought no wheel")?;
    python(&["-m", "zipfile", "-e", &wheel.to_string_lossy(), "."])?;
    let library = find_below(&aside).context("the wheel holds no libclang.so")?;
    fs::create_dir_all(&place).with_context(|| format!("cannot create {}", place.display()))?;
    fs::rename(&library, place.join("libclang.so"))
        .with_context(|| format!("cannot write {}", place.display()))?;
    let _ = fs::remove_dir_all(&aside);
    Ok(place)
}

fn find_below(folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    entries.map(|entry| entry.path()).find_map(|path| {
        if path.is_dir() {
            find_below(&path)
        } else {
            path.file_name().is_some_and(|name| name == "libclang.so").then_some(path)
        }
    })
}

/// Tells cargo where the library is, and where headers such as `stddef.h` are, which
/// come with clang's compiler but not with its library.
fn write_settings(settings: &Path, folder: &Path) -> anyhow::Result<()> {
    let mut env = toml::Table::new();
    env.insert("LIBCLANG_PATH".into(), folder.display().to_string().into());
    if !has_headers(folder) {
        let headers = gcc_headers()?;
        env.insert("BINDGEN_EXTRA_CLANG_ARGS".into(), format!("-isystem {}", headers.display()).into());
    }
    let mut table = toml::Table::new();
    table.insert("env".into(), env.into());
    let text = format!("# Written by `cargo xtask`, read through .cargo/config.toml.\n{table}");
    fs::create_dir_all(settings.parent().unwrap_or(Path::new(".")))
        .and_then(|()| fs::write(settings, text))
        .with_context(|| format!("cannot write {}", settings.display()))
}

/// Whether clang's own headers lie where its library looks for them.
fn has_headers(folder: &Path) -> bool {
    let library = library_in(folder).and_then(|library| library.canonicalize().ok());
    let beside = library.as_deref().and_then(Path::parent).map(|folder| folder.join("clang"));
    let versions = beside.into_iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
    versions.map(|version| version.path().join("include/stddef.h")).any(|header| header.is_file())
}

fn gcc_headers() -> anyhow::Result<PathBuf> {
    let output = Command::new("gcc")
        .arg("-print-file-name=include")
        .output()
        .context("a C compiler is needed: gcc is not installed")?;
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    ensure!(folder.join("stddef.h").is_file(), "gcc does not say where its headers are");
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_known_by_their_names() {
        let folder = std::env::temp_dir().join(format!("edgehost-libclang-{}", std::process::id()));
        for (name, is_one) in [
            ("libclang.so", true),
            ("libclang.so.1", true),
            ("libclang-14.so.14.0.6", true),
            ("libclang-cpp.so.14", false),
            ("libclang.a", false),
            ("libclang_rt.so", false),
        ] {
            fs::create_dir_all(&folder).expect("a folder");
            fs::write(folder.join(name), "").expect("a file");
            assert_eq!(library_in(&folder).is_some(), is_one, "{name}");
            fs::remove_dir_all(&folder).expect("gone");
        }
    }

    #[test]
    fn what_is_written_is_found_again() {
        let folder = std::env::temp_dir().join(format!("edgehost-settings-{}", std::process::id()));
        let settings = folder.join("setup.toml");
        write_settings(&settings, &folder).expect("written");
        assert_eq!(kept_library(&settings), Some(folder.clone()));
        let text = fs::read_to_string(&settings).expect("a file");
        assert!(text.contains("-isystem /"), "no headers beside the library: {text}");
        fs::remove_dir_all(&folder).expect("gone");
    }
}
