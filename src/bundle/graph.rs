//! Who imports whom, noted while the bundler resolves: also of modules that cannot
//! be read or parsed in the end, of which the bundler itself keeps nothing.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};

use oxc::span::SourceType;

use super::{metadata, package_of, reach};

/// How a module is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// By `import` or `export from`: it runs before the importer.
    Import,
    /// By `require`: it runs when the importer comes there.
    Require,
    /// By `import()`: whoever awaits it may handle its failure.
    Dynamic,
}

/// Which ways from one module to another count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ways {
    /// All of them.
    All,
    /// Those that are taken as soon as the importer runs.
    AtLoad,
}

/// One module asks for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) importer: String,
    pub(super) specifier: String,
    pub(super) how: How,
}

/// The modules of one run of the bundler, from the imported to the importing.
#[derive(Debug, Default)]
pub(super) struct Graph {
    importers: HashMap<String, Vec<Edge>>,
    /// Modules of routes, with the file names that the bundler was given for them.
    entries: HashMap<String, Vec<String>>,
    /// What files that were looked at ask for as soon as they run; none if they cannot be read.
    at_load: RefCell<HashMap<String, Option<HashSet<String>>>>,
}

impl Graph {
    pub(super) fn add(&mut self, id: &str, edge: Edge) {
        self.importers.entry(id.to_owned()).or_default().push(edge);
    }

    pub(super) fn add_entry(&mut self, id: &str, file: &str) {
        self.entries.entry(id.to_owned()).or_default().push(file.to_owned());
    }

    /// Each import: who imports, by which specifier, and what.
    pub(super) fn imports(&self) -> impl Iterator<Item = (&Edge, &str)> {
        self.importers.iter().flat_map(|(id, edges)| edges.iter().map(move |edge| (edge, id.as_str())))
    }

    /// The route files that lead to a module.
    pub(super) fn entries_of(&self, id: &str, ways: Ways) -> BTreeSet<&str> {
        let mut seen = HashSet::from([id]);
        let mut queue = VecDeque::from([id]);
        let mut entries = BTreeSet::new();
        while let Some(id) = queue.pop_front() {
            entries.extend(self.entries.get(id).into_iter().flatten().map(String::as_str));
            for edge in self.importers.get(id).into_iter().flatten() {
                if !seen.contains(edge.importer.as_str()) && self.is_among(edge, ways) {
                    seen.insert(&edge.importer);
                    queue.push_back(&edge.importer);
                }
            }
        }
        entries
    }

    /// All files that each route file leads to, itself included.
    pub(super) fn files_by_entry(&self) -> HashMap<&str, HashSet<PathBuf>> {
        let mut imported: HashMap<&str, Vec<&str>> = HashMap::new();
        for (id, edges) in &self.importers {
            for edge in edges {
                imported.entry(edge.importer.as_str()).or_default().push(id);
            }
        }
        let mut by_entry: HashMap<&str, HashSet<PathBuf>> = HashMap::new();
        for (id, files) in &self.entries {
            let mut seen = HashSet::from([id.as_str()]);
            let mut stack = vec![id.as_str()];
            while let Some(id) = stack.pop() {
                let next = imported.get(id).into_iter().flatten().copied();
                stack.extend(next.filter(|id| seen.insert(id)));
            }
            let found = seen.into_iter().map(|id| PathBuf::from(made_of(id)));
            let found: HashSet<PathBuf> = found.filter(|path| path.is_absolute()).collect();
            for file in files {
                by_entry.entry(file).or_default().extend(found.iter().cloned());
            }
        }
        by_entry
    }

    /// Whether a way from one module to another counts.
    pub(super) fn is_among(&self, edge: &Edge, ways: Ways) -> bool {
        match (ways, edge.how) {
            (Ways::All, _) | (Ways::AtLoad, How::Import) => true,
            (Ways::AtLoad, How::Dynamic) => false,
            (Ways::AtLoad, How::Require) => self.is_at_load(file_of(&edge.importer), &edge.specifier),
        }
    }

    /// Whether a file asks for a module as soon as it runs; in doubt it does.
    fn is_at_load(&self, file: &str, specifier: &str) -> bool {
        let mut known = self.at_load.borrow_mut();
        let found = known.entry(file.to_owned()).or_insert_with(|| {
            let code = std::fs::read_to_string(file).ok()?;
            let source_type = SourceType::from_path(file).unwrap_or_else(|_| SourceType::unambiguous());
            Some(reach::at_load(&code, source_type))
        });
        found.as_ref().is_none_or(|found| found.contains(specifier))
    }

    /// Whether the modules of a package are asked for by one other package alone.
    pub(super) fn is_only_for(&self, asking: &str, package: &str) -> bool {
        let of = |id: &str| package_of(Path::new(file_of(id)));
        let mut askers = self
            .importers
            .iter()
            .filter(|(id, _)| of(id).is_some_and(|of| of == package))
            .flat_map(|(_, edges)| edges.iter().map(|edge| of(&edge.importer)))
            .filter(|asker| asker.as_deref() != Some(package))
            .peekable();
        askers.peek().is_some() && askers.all(|asker| asker.as_deref() == Some(asking))
    }

    /// The modules between one and a route file, nearest first: the shortest way.
    pub(super) fn way_to<'a>(&'a self, id: &'a str) -> Vec<&'a str> {
        let mut next: HashMap<&str, Option<&str>> = HashMap::from([(id, None)]);
        let mut queue = VecDeque::from([id]);
        while let Some(id) = queue.pop_front() {
            if self.entries.contains_key(id) {
                let mut way: Vec<&str> =
                    std::iter::successors(Some(id), |id| next.get(id).copied().flatten()).collect();
                way.reverse();
                return way.split_off(1);
            }
            for edge in self.importers.get(id).into_iter().flatten() {
                next.entry(&edge.importer).or_insert_with(|| {
                    queue.push_back(&edge.importer);
                    Some(id)
                });
            }
        }
        Vec::new()
    }
}

/// The file that a module was made of, also where its id is not that of the file.
pub(super) fn made_of(id: &str) -> &str {
    metadata::held_file(id).unwrap_or_else(|| file_of(id))
}

/// The file of a module: ids may end with a query.
pub(super) fn file_of(id: &str) -> &str {
    id.split('?').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &str, How)]) -> Graph {
        let mut graph = Graph::default();
        graph.add_entry("a", "a.ts");
        graph.add_entry("b", "b.ts");
        for (importer, id, how) in edges {
            let edge = Edge { importer: (*importer).to_owned(), specifier: String::new(), how: *how };
            graph.add(id, edge);
        }
        graph
    }

    #[test]
    fn entries_are_found_backwards_through_circles() {
        let graph = graph(&[
            ("a", "lib", How::Import),
            ("b", "lazy", How::Dynamic),
            ("lib", "deep", How::Import),
            ("lazy", "deep", How::Import),
            ("deep", "lib", How::Import),
        ]);
        assert_eq!(graph.entries_of("deep", Ways::All), BTreeSet::from(["a.ts", "b.ts"]));
        assert_eq!(graph.entries_of("deep", Ways::AtLoad), BTreeSet::from(["a.ts"]));
        assert_eq!(graph.way_to("deep"), ["lib", "a"]);
        assert_eq!(graph.way_to("a"), [""; 0]);
        assert_eq!(graph.way_to("unknown"), [""; 0]);
    }
}
