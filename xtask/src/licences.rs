//! `cargo xtask licences`: what the program may be made of, and the terms of all that is inside.
//!
//! cargo-deny decides by `deny.toml` what may be depended on. The texts are gathered here: a
//! fifth of the crates come without one, for which cargo-about would print a form that nobody
//! filled in, and V8, SQLite and what the Deno crates took from others are no crates at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use crate::{root, say, tools};

/// What the crates themselves do not tell: `packaging/licences/parts.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    holder: Vec<Holder>,
    part: Vec<Part>,
}

/// Who holds the rights of crates that do not say so.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Holder {
    crates: Vec<String>,
    copyright: String,
}

/// Something inside the program that is no crate.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    name: String,
    inside: String,
    licence: String,
    /// A text of `packaging/licences`, with its copyright lines.
    text: Option<String>,
    #[serde(default)]
    copyright: String,
    /// Texts of the repository.
    #[serde(default)]
    files: Vec<PathBuf>,
}

/// What `cargo metadata` says of a package.
#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    license_file: Option<PathBuf>,
    repository: Option<String>,
    #[serde(default)]
    authors: Vec<String>,
    manifest_path: PathBuf,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// One line of the list: a crate or a part, and the texts it stands under.
struct Entry {
    what: String,
    licence: String,
    from: String,
    texts: Vec<String>,
}

/// Asks cargo-deny, and sees to it that every text is there.
pub(crate) fn run(out: &Path) -> anyhow::Result<()> {
    let deny = tools::cargo_deny()?;
    // The sources of every platform's crates: it reads their licences without the network.
    crate::cargo(&["fetch", "--locked"])?;
    let status = Command::new(deny)
        .args(["--locked", "--offline", "--log-level", "error"])
        .args(["check", "--hide-inclusion-graph", "licenses", "bans", "sources"])
        .current_dir(root())
        .status()
        .context("cannot start cargo-deny")?;
    ensure!(status.success(), "cargo-deny refuses something: see above, and deny.toml");
    write(out)
}

/// Writes the list and the texts into a file.
pub(crate) fn write(out: &Path) -> anyhow::Result<()> {
    let entries = entries()?;
    let text = page(&entries);
    std::fs::create_dir_all(out.parent().unwrap_or(Path::new(".")))?;
    std::fs::write(out, &text).with_context(|| format!("cannot write {}", out.display()))?;
    say(&format!(
        "licences: {} crates and parts, {} KiB of texts: {}",
        entries.len(),
        text.len() / 1024,
        out.display()
    ));
    Ok(())
}

fn entries() -> anyhow::Result<Vec<Entry>> {
    let path = root().join("packaging/licences/parts.toml");
    let parts = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let parts: Parts =
        toml::from_str(&parts).with_context(|| format!("{} is not in order", path.display()))?;
    let inside = crates_inside()?;
    let metadata: Metadata = serde_json::from_str(&cargo(&["metadata", "--format-version", "1"])?)
        .context("cargo metadata says something unknown")?;
    let mut entries = Vec::new();
    let mut missing = Vec::new();
    for package in metadata.packages {
        if !inside.contains(&(package.name.clone(), package.version.clone())) {
            continue;
        }
        match crate_entry(&package, &parts.holder) {
            Ok(entry) => entries.push(entry),
            Err(error) => missing.push(format!("  {} {}: {error:#}", package.name, package.version)),
        }
    }
    ensure!(
        missing.is_empty(),
        "add these to packaging/licences/parts.toml (who holds the rights):\n{}",
        missing.join("\n")
    );
    ensure!(entries.len() == inside.len(), "cargo metadata does not know all that cargo tree names");
    entries.sort_by(|one, other| one.what.cmp(&other.what));
    for part in parts.part {
        entries.push(part_entry(part)?);
    }
    Ok(entries)
}

/// Name and version of each crate whose code is in the program: neither tests' nor the build's
/// own, nor macros, nor those of other platforms. `cargo metadata` cannot tell: it leaves out
/// which optional dependencies are on.
fn crates_inside() -> anyhow::Result<BTreeSet<(String, String)>> {
    let tree = cargo(&[
        "tree",
        "--package=edgehost",
        "--edges=normal,no-proc-macro",
        "--target=x86_64-unknown-linux-gnu",
        "--prefix=none",
        "--format={p}",
    ])?;
    let crates = tree.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let name = words.next()?;
        // edgehost and its own crate stand under LICENSE.
        let version = words.next()?.strip_prefix('v')?;
        (!name.starts_with("edgehost")).then(|| (name.to_owned(), version.to_owned()))
    });
    Ok(crates.collect())
}

fn cargo(arguments: &[&str]) -> anyhow::Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .arg("--locked")
        .current_dir(root())
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    ensure!(output.status.success(), "`cargo {}` failed", arguments.join(" "));
    String::from_utf8(output.stdout).context("cargo prints what is no text")
}

fn crate_entry(package: &Package, holders: &[Holder]) -> anyhow::Result<Entry> {
    let folder = package.manifest_path.parent().context("a manifest without a folder")?;
    let licence = match (&package.license, &package.license_file) {
        (Some(licence), _) => licence.replace('/', " OR ").replace("  ", " "),
        (None, Some(file)) => format!("see {}", file.display()),
        (None, None) => bail!("its Cargo.toml names no licence"),
    };
    let mut files = Vec::new();
    // V8's own folders hold what only its tests and generators use; `parts.toml` names the rest.
    licence_files(folder, package.name != "v8", &mut files)?;
    files.extend(package.license_file.as_ref().map(|file| folder.join(file)));
    files.sort();
    files.dedup();
    let mut texts = files.iter().map(|file| read(file)).collect::<anyhow::Result<Vec<_>>>()?;
    if !texts.iter().any(|text| text.len() > LEAST) {
        texts.push(form(&licence, || holder(package, holders))?);
    }
    let from = package
        .repository
        .clone()
        .unwrap_or_else(|| format!("https://crates.io/crates/{}/{}", package.name, package.version));
    Ok(Entry { what: format!("{} {}", package.name, package.version), licence, from, texts })
}

/// No text of a licence is shorter; some crates have a file that only names it.
const LEAST: usize = 400;

/// Folders that hold nothing of what is compiled.
const ASIDE: [&str; 9] =
    ["assets", "benches", "contrib", "doc", "docs", "examples", "node_modules", "target", "tests"];

/// The files of a package that tell its terms, also those of native code that it brings.
fn licence_files(folder: &Path, deeper: bool, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_ascii_lowercase();
        if entry.file_type()?.is_dir() {
            if deeper && !ASIDE.contains(&name.as_str()) {
                licence_files(&entry.path(), deeper, found)?;
            }
        } else if is_licence(&name) {
            found.push(entry.path());
        }
    }
    Ok(())
}

fn is_licence(name: &str) -> bool {
    let named = ["licence", "license", "copying", "copyright", "notice", "unlicense"]
        .iter()
        .any(|start| name.starts_with(start));
    let is_text = match name.rsplit_once('.') {
        Some((_, ending)) => !["rs", "c", "h", "js", "ts", "go", "py", "json", "toml"].contains(&ending),
        None => true,
    };
    named && is_text
}

fn read(file: &Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let text = String::from_utf8_lossy(&bytes).replace('\r', "");
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    Ok(lines.join("\n").trim_matches('\n').to_owned())
}

/// The text of one licence that the expression offers. Apache 2.0 is whole without a name.
fn form(licence: &str, copyright: impl FnOnce() -> anyhow::Result<String>) -> anyhow::Result<String> {
    let offered: Vec<&str> = licence.split(" OR ").map(|one| one.trim_matches(['(', ')'])).collect();
    if offered.contains(&"Apache-2.0") {
        return read(&root().join("third_party/v8/licenses/Apache-2.0.txt"));
    }
    let known = ["MIT", "BSD-3-Clause", "BSD-2-Clause", "ISC"];
    let Some(chosen) = known.into_iter().find(|name| offered.contains(name)) else {
        bail!("it has no file with its licence ({licence})");
    };
    fill(chosen, &copyright()?)
}

fn fill(name: &str, copyright: &str) -> anyhow::Result<String> {
    let text = read(&root().join("packaging/licences").join(format!("{name}.txt")))?;
    ensure!(!copyright.trim().is_empty(), "{name} wants a copyright line");
    Ok(text.replace("{copyright}", copyright.trim()))
}

fn holder(package: &Package, holders: &[Holder]) -> anyhow::Result<String> {
    let fits = |pattern: &String| match pattern.strip_suffix('*') {
        Some(start) => package.name.starts_with(start),
        None => package.name == *pattern,
    };
    if let Some(holder) = holders.iter().find(|holder| holder.crates.iter().any(fits)) {
        return Ok(holder.copyright.clone());
    }
    let authors: Vec<&str> =
        package.authors.iter().map(|author| author.split('<').next().unwrap_or(author).trim()).collect();
    ensure!(!authors.is_empty(), "neither a file with its licence nor authors");
    Ok(format!("Copyright (c) {}", authors.join(", ")))
}

fn part_entry(part: Part) -> anyhow::Result<Entry> {
    let mut texts =
        part.files.iter().map(|file| read(&root().join(file))).collect::<anyhow::Result<Vec<_>>>()?;
    if let Some(name) = &part.text {
        texts.push(fill(name, &part.copyright).with_context(|| format!("the part `{}`", part.name))?);
    }
    Ok(Entry { what: part.name, licence: part.licence, from: format!("in {}", part.inside), texts })
}

/// The list, then each text once.
fn page(entries: &[Entry]) -> String {
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    let mut texts: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut list = String::new();
    for entry in entries {
        let mut under: Vec<usize> = Vec::new();
        for text in &entry.texts {
            // The same words, broken into other lines, are the same text.
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let number = *numbers.entry(words).or_insert_with(|| {
                texts.push((text, Vec::new()));
                texts.len() - 1
            });
            if !under.contains(&number) {
                under.push(number);
                texts[number].1.push(&entry.what);
            }
        }
        let under: Vec<String> = under.iter().map(|number| (number + 1).to_string()).collect();
        let under =
            if under.is_empty() { "no text".to_owned() } else { format!("text {}", under.join(", ")) };
        let _ = writeln!(list, "{} | {} | {} | {under}", entry.what, entry.licence, entry.from);
    }
    let mut page = format!(
        "edgehost stands under the MIT licence (LICENSE). The program contains the works below, each under\n\
         its own terms. A line names the work, its licence (an SPDX expression), where its source is, and the\n\
         texts that follow the list. Works under MPL-2.0 are contained unchanged.\n\n{list}"
    );
    let rule = "=".repeat(80);
    for (index, (text, works)) in texts.iter().enumerate() {
        let _ = write!(page, "\n{rule}\nText {}, of: {}\n{rule}\n\n{text}\n", index + 1, works.join(", "));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, authors: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            license: Some("MIT".to_owned()),
            license_file: None,
            repository: None,
            authors: authors.iter().map(|author| (*author).to_owned()).collect(),
            manifest_path: PathBuf::new(),
        }
    }

    #[test]
    fn a_crate_without_holder_is_refused() {
        let holders = [Holder { crates: vec!["own_*".to_owned()], copyright: "Copyright us".to_owned() }];
        assert_eq!(holder(&package("own_part", &[]), &holders).expect("by pattern"), "Copyright us");
        let by_authors = holder(&package("other", &["A Person <a@example.com>", "B"]), &holders);
        assert_eq!(by_authors.expect("by authors"), "Copyright (c) A Person, B");
        assert!(holder(&package("other", &[]), &holders).is_err());
    }

    #[test]
    fn forms_are_filled_in() {
        let text = form("MIT", || Ok("Copyright (c) 2026 Somebody".to_owned())).expect("MIT");
        assert!(text.contains("\nCopyright (c) 2026 Somebody\n") && !text.contains('{'), "{text}");
        let apache = form("MIT OR Apache-2.0", || bail!("nobody is asked")).expect("Apache");
        assert!(apache.contains("Version 2.0"), "{apache}");
        assert!(form("GPL-3.0-only", || Ok(String::new())).is_err());
        assert!(form("MIT", || Ok(String::new())).is_err());
    }

    #[test]
    fn every_part_has_its_text() {
        let parts = std::fs::read_to_string(root().join("packaging/licences/parts.toml")).expect("parts");
        let parts: Parts = toml::from_str(&parts).expect("parts.toml");
        for part in parts.part {
            let is_public_domain = part.licence == "public domain";
            let entry = part_entry(part).expect("its texts are there");
            assert!(is_public_domain || entry.texts.iter().any(|text| text.len() > LEAST), "{}", entry.what);
        }
    }

    #[test]
    fn equal_texts_stand_once() {
        let entry = |what: &str, text: &str| Entry {
            what: what.to_owned(),
            licence: "MIT".to_owned(),
            from: "here".to_owned(),
            texts: vec![text.to_owned()],
        };
        let page =
            page(&[entry("a 1", "the same\nwords"), entry("b 2", "the same words"), entry("c 3", "others")]);
        assert!(page.contains("b 2 | MIT | here | text 1\n"), "{page}");
        assert!(page.contains("Text 1, of: a 1, b 2\n"), "{page}");
        assert!(page.contains("c 3 | MIT | here | text 2\n"), "{page}");
    }
}
