//! What was meant, perhaps, by an import that leads nowhere.

use std::collections::BTreeSet;
use std::path::Path;

use oxc::allocator::Allocator;
use oxc::parser::Parser;
use oxc::span::SourceType;

/// How alike names have to be, from 0 to 1.
const ALIKE: f64 = 0.84;

/// The one of some names that is most like another, if one is.
fn nearest(name: &str, names: impl IntoIterator<Item = String>) -> Option<String> {
    let lower = name.to_lowercase();
    names
        .into_iter()
        .filter(|candidate| candidate != name)
        .map(|candidate| (strsim::jaro_winkler(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness > ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, candidate)| candidate)
}

/// A specifier like one that leads nowhere, for the file that imports it.
pub(super) fn module(importer: &Path, specifier: &str) -> Option<String> {
    let folder = importer.parent().filter(|folder| folder.is_absolute())?;
    if specifier.starts_with('.') {
        let (above, name) = specifier.rsplit_once('/')?;
        let names = names_in(&folder.join(above)).into_iter().map(|found| match found.rsplit_once('.') {
            // As it was written: with the extension or without.
            Some((stem, _)) if !name.contains('.') => stem.to_owned(),
            _ => found,
        });
        return nearest(name, names).map(|found| format!("{above}/{found}"));
    }
    if specifier.starts_with(['/', '#']) {
        return None;
    }
    let length = if specifier.starts_with('@') { 2 } else { 1 };
    let package = specifier.split('/').take(length).collect::<Vec<_>>().join("/");
    let below = &specifier[package.len()..];
    let mut installed: BTreeSet<String> = BTreeSet::new();
    for above in folder.ancestors() {
        let packages = above.join("node_modules");
        for name in names_in(&packages) {
            if name.starts_with('@') {
                let scoped = names_in(&packages.join(&name));
                installed.extend(scoped.into_iter().map(|inner| format!("{name}/{inner}")));
            } else if !name.starts_with('.') {
                installed.insert(name);
            }
        }
    }
    nearest(&package, installed).map(|found| format!("{found}{below}"))
}

/// A name like one that a file does not export.
pub(super) fn export(file: &Path, name: &str) -> Option<String> {
    let source = std::fs::read_to_string(file).ok()?;
    let allocator = Allocator::default();
    let source_type = SourceType::from_path(file).unwrap_or_else(|_| SourceType::unambiguous());
    let parsed = Parser::new(&allocator, &source, source_type).parse();
    let names: Vec<String> =
        parsed.module_record.exported_bindings.keys().map(|name| name.to_string()).collect();
    nearest(name, names)
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_alike_is_meant() {
        let names = || ["connection", "connect", "close"].map(str::to_owned);
        assert_eq!(nearest("conection", names()).as_deref(), Some("connection"));
        assert_eq!(nearest("Connect", names()).as_deref(), Some("connect"));
        assert_eq!(nearest("query", names()), None);
    }
}
