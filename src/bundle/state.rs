//! Variables of the user's own modules that keep what handlers change: each instance of an
//! app has its own.
//!
//! Read off the syntax of the files: a variable that a function assigns; a map, set, list or
//! object that a function adds to or takes from; an instance of a class whose method changes
//! it. Which function is called when is not found out, but for functions that are called while
//! their module is loaded and nowhere else: a table that they fill is the same everywhere.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::facts::{Export, Facts, Import, Uses, What, Within};
use crate::build::ModuleVariable;

/// Most of them that are put down.
const MOST: usize = 100;

/// Larger files are made by programs.
const LARGEST: u64 = 1 << 20;

/// How far a name is followed from file to file.
const DEPTH: usize = 16;

/// Which file an import of another leads to.
#[derive(Debug, Default)]
pub(super) struct Imports(HashMap<PathBuf, HashMap<String, PathBuf>>);

impl Imports {
    /// Takes down that `importer` gets `file` by `specifier`.
    pub(super) fn add(&mut self, importer: &str, specifier: &str, file: &str) {
        let of_file = self.0.entry(PathBuf::from(importer)).or_default();
        of_file.insert(specifier.to_owned(), PathBuf::from(file));
    }

    pub(super) fn extend(&mut self, others: Self) {
        for (importer, of_file) in others.0 {
            self.0.entry(importer).or_default().extend(of_file);
        }
    }

    fn get(&self, importer: &Path, specifier: &str) -> Option<&Path> {
        self.0.get(importer)?.get(specifier).map(PathBuf::as_path)
    }
}

/// The variables of a project, in the order of their files. `entries` are the route files,
/// whose exports the host calls.
pub(super) fn variables(
    root: &Path,
    inputs: &[PathBuf],
    entries: &[&Path],
    imports: &Imports,
) -> Vec<ModuleVariable> {
    let is_own = |path: &&PathBuf| {
        !path.components().any(|part| part.as_os_str() == "node_modules")
            && path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() <= LARGEST)
    };
    let read = |path: &PathBuf| Some((path.clone(), std::fs::read_to_string(path).ok()?));
    let sources: Vec<(PathBuf, String)> = inputs.iter().filter(is_own).filter_map(read).collect();
    let files = sources.iter().map(|(path, code)| (path.as_path(), Facts::of(path, code))).collect();
    let project = Project { files, entries, imports };
    let found = project.found();
    let shown = |path: &Path| path.strip_prefix(root).unwrap_or(path).display().to_string();
    let mut kept = Vec::new();
    for (path, code) in &sources {
        let Some(names) = found.get(path.as_path()) else { continue };
        let file = shown(path);
        for (at, name) in names {
            let before = code.get(..*at as usize).unwrap_or_default();
            kept.push(ModuleVariable {
                file: file.clone(),
                line: before.matches('\n').count() + 1,
                name: (*name).to_owned(),
            });
        }
    }
    kept.sort();
    kept.truncate(MOST);
    kept
}

struct Project<'p> {
    files: HashMap<&'p Path, Facts>,
    entries: &'p [&'p Path],
    imports: &'p Imports,
}

/// Names by the place where they are declared.
type Found<'p> = HashMap<&'p Path, BTreeMap<u32, &'p str>>;

impl<'p> Project<'p> {
    fn found(&'p self) -> Found<'p> {
        let at_load = self.functions_at_load();
        let mut found = Found::new();
        for (path, facts) in &self.files {
            for change in &facts.changes {
                if let Within::Function(name) = &change.within
                    && at_load.contains(&(path, name.as_str()))
                {
                    continue;
                }
                let Some((file, name, rest)) = self.variable(path, &change.name, &change.path) else {
                    continue;
                };
                let Some(variable) = self.files[file].variables.get(name) else { continue };
                let changes = match &change.what {
                    What::Assigned => rest.is_empty(),
                    What::Member => variable.shape.keeps(rest),
                    What::Call(method) => match variable.shape.is_changed_by(rest, method) {
                        Ok(changes) => changes,
                        Err(class) => self.is_changed_by(file, class, method),
                    },
                };
                if changes {
                    found.entry(file).or_default().insert(variable.at, name);
                }
            }
        }
        found
    }

    /// Whether a method of a class changes its instance.
    fn is_changed_by(&self, file: &'p Path, class: &str, method: &str) -> bool {
        let Some((file, class, _)) = self.variable(file, class, &[]) else { return false };
        self.files[file].classes.get(class).is_some_and(|class| class.is_changed_by(method))
    }

    /// The variable that a name of a file means, with what is left of the path.
    fn variable<'a>(
        &'p self,
        file: &'p Path,
        name: &str,
        path: &'a [String],
    ) -> Option<(&'p Path, &'p str, &'a [String])> {
        let facts = self.files.get(file)?;
        if let Some((name, _)) = facts.variables.get_key_value(name) {
            return Some((file, name, path));
        }
        let import = facts.imports.get(name)?;
        let (name, rest) = match &import.name {
            Some(name) => (name, path),
            None => path.split_first()?,
        };
        let (file, name) = self.exported(self.imports.get(file, &import.specifier)?, name, 0)?;
        Some((file, name, rest))
    }

    /// What an exported name of a file means.
    fn exported(&'p self, file: &Path, name: &str, depth: usize) -> Option<(&'p Path, &'p str)> {
        let (file, facts) = self.files.get_key_value(file)?;
        if depth > DEPTH {
            return None;
        }
        match facts.exports.get(name) {
            Some(Export::Local(local)) => match facts.imports.get(local) {
                Some(Import { specifier, name: Some(name), .. }) => {
                    self.exported(self.imports.get(file, specifier)?, name, depth + 1)
                }
                Some(_) => None,
                None => Some((file, local)),
            },
            Some(Export::Of(specifier, Some(name))) => {
                self.exported(self.imports.get(file, specifier)?, name, depth + 1)
            }
            Some(Export::Of(_, None)) => None,
            None => facts
                .stars
                .iter()
                .find_map(|specifier| self.exported(self.imports.get(file, specifier)?, name, depth + 1)),
        }
    }

    /// Functions that are called while modules are loaded, and not otherwise.
    fn functions_at_load(&'p self) -> HashSet<(&'p Path, &'p str)> {
        let mut uses: HashMap<(&Path, &str), Uses> = HashMap::new();
        let mut add = |function: (&'p Path, &'p str), more: Uses| {
            let uses = uses.entry(function).or_default();
            uses.at_load += more.at_load;
            uses.others += more.others;
        };
        for (path, facts) in &self.files {
            let is_entry = self.entries.contains(path);
            let exported: HashSet<&str> = facts
                .exports
                .values()
                .filter_map(|export| match export {
                    Export::Local(local) => Some(local.as_str()),
                    Export::Of(..) => None,
                })
                .collect();
            for (name, own) in &facts.functions {
                let by_host = usize::from(is_entry && exported.contains(name.as_str()));
                add((path, name), Uses { others: own.others + by_host, ..*own });
            }
            for import in facts.imports.values() {
                let Some(file) = self.imports.get(path, &import.specifier) else { continue };
                match &import.name {
                    Some(name) => {
                        if let Some(function) = self.exported(file, name, 0) {
                            add(function, import.uses);
                        }
                    }
                    // What is done with all that a module exports is not looked into.
                    None => {
                        let Some((file, facts)) = self.files.get_key_value(file) else { continue };
                        for name in facts.functions.keys() {
                            add((file, name), Uses { at_load: 0, others: 1 });
                        }
                    }
                }
            }
        }
        let is_at_load = |uses: &Uses| uses.at_load > 0 && uses.others == 0;
        uses.into_iter().filter(|(_, uses)| is_at_load(uses)).map(|(function, _)| function).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found in files, the first of which is a route; imports are `./name`.
    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut imports = Imports::default();
        let path = |name: &str| folder.path().join(name);
        for (name, code) in files {
            std::fs::write(path(name), code).expect("written");
            for (other, _) in files {
                let stem = other.split('.').next().expect("a name");
                imports.add(
                    &path(name).display().to_string(),
                    &format!("./{stem}"),
                    &path(other).display().to_string(),
                );
            }
        }
        let inputs: Vec<PathBuf> = files.iter().map(|(name, _)| path(name)).collect();
        let found = variables(folder.path(), &inputs, &[&inputs[0]], &imports);
        found.into_iter().map(|found| format!("{}:{} {}", found.file, found.line, found.name)).collect()
    }

    fn names(code: &str) -> Vec<String> {
        found(&[("route.ts", code)])
            .into_iter()
            .map(|line| line.split(' ').nth(1).expect("a name").to_owned())
            .collect()
    }

    #[test]
    fn what_functions_change_is_found() {
        for (code, name) in [
            ("let hits = 0; export const GET = () => new Response(String(++hits));", "hits"),
            ("let hits = 0; export function GET() { hits += 1; }", "hits"),
            ("var last; export const POST = async (r) => { last = await r.json(); };", "last"),
            ("let a = 1, b = 2; export const GET = () => { [a] = [3]; };", "a"),
            ("const items = []; export const POST = async (r) => { items.push(await r.json()); };", "items"),
            ("const items: string[] = []; export const GET = () => { items[0] = 'a'; };", "items"),
            ("const items = []; export const GET = () => { items.length = 0; };", "items"),
            (
                "const users = new Map<string, number>(); export const GET = () => { users.set('a', 1); };",
                "users",
            ),
            ("const users = new Map(); export const GET = () => { users?.delete('a'); };", "users"),
            ("const users = new Map(); export const GET = () => { users.get('a')!.count++; };", "users"),
            ("const users = new Map(); export const GET = () => { users.get('a').push(1); };", "users"),
            ("const seen = new Set(); export const GET = () => seen.add(1) && null;", "seen"),
            ("const state = {}; export const GET = () => { state.count = 1; };", "state"),
            ("const state = { a: { b: 1 } }; export const GET = () => { state.a.b++; };", "state"),
            ("const state = { list: [] }; export const GET = () => { state.list.push(1); };", "state"),
            ("const state = { a: 1 }; export const GET = () => { delete state.a; };", "state"),
            (
                "const state = { a: 1 }; export const GET = () => { Object.assign(state, { b: 1 }); };",
                "state",
            ),
            ("const state = {} as any; export const GET = () => { (state as any)['x'] = 1; };", "state"),
            ("const list = globalThis.list ??= []; export const GET = () => { list.push(1); };", "list"),
            (
                "const slots = Array.from({ length: 3 }, () => 0); export const GET = () => { slots.pop(); };",
                "slots",
            ),
            ("const rows = [{ n: 0 }]; export const GET = (r) => { rows[r.i].n++; };", "rows"),
            (
                "const rows = [{ list: [] }]; export const GET = (r) => { rows.find((x) => x.id).list.push(1); };",
                "rows",
            ),
            ("const bytes = new Uint8Array(4); export const GET = () => { bytes[0]++; };", "bytes"),
            ("let n = 0; setInterval(() => { n++; }, 1000);", "n"),
            ("let n = 0; export const GET = wrap(async () => { n++; });", "n"),
            (
                "let client; function get() { return client ??= make(); } export const GET = () => get();",
                "client",
            ),
            (
                "class Store { static items = []; static add(x) { this.items.push(x); } } export const GET = () => Store.add(1);",
                "Store",
            ),
            ("class Store { static count = 0; } export const GET = () => { Store.count++; };", "Store"),
            (
                "class Store { #items = new Map(); set(k, v) { this.#items.set(k, v); } } const store = new Store(); export const GET = () => { store.set(1, 2); };",
                "store",
            ),
            (
                "class C { constructor() { this.n = 0; } up() { this.bump(); } bump = () => { this.n++; } } const c = new C(); export const GET = () => { c.up(); };",
                "c",
            ),
            (
                "class Ttl extends Map {} const cache = new Ttl(); export const GET = () => { cache.set(1, 2); };",
                "cache",
            ),
            (
                "const map = new Map(); function add(k) { map.set(k, 1); } add('a'); export const GET = () => add('b');",
                "map",
            ),
        ] {
            assert_eq!(names(code), [name], "{code}");
        }
    }

    #[test]
    fn what_stays_as_it_was_loaded_is_not() {
        for code in [
            "const limit = 5; let mode = 'a'; mode = 'b'; export const GET = () => new Response(mode);",
            "const table = new Map(); for (const x of [1, 2]) table.set(x, x);",
            "const table = new Map(); [1, 2].forEach((x) => table.set(x, x));",
            "const table = {}; (() => { table.a = 1; })(); (function () { table.b = 1; })();",
            "const map = new Map(); function add(k) { map.set(k, 1); } add('a'); add('b'); export const GET = () => map.get('a');",
            "import { cache } from 'react'; export const load = cache(async (id) => id);",
            "const encoder = new TextEncoder(); const db = new Client(); export const GET = () => { db.set('a', 1); db.delete('b'); encoder.encode('a'); };",
            "const db = new Client(); export const GET = () => { db.get('a').count = 1; db.find('b').list.push(1); };",
            "const client = { set() {}, push() {} }; export const GET = () => { client.set(1); client.push(2); };",
            "const services = { db: connect() }; export const GET = () => { services.db.set(1, 2); };",
            "const items = [3, 1]; export const GET = () => { const items = []; items.push(1); let n = 0; n++; };",
            "const items = [3, 1]; export const GET = () => Response.json(items.map((x) => x + 1).concat([1]));",
            "const meta = new WeakMap(); export const GET = (r) => { meta.set(r, 1); };",
            "const frozen = Object.freeze({ a: 1 }); export const GET = () => { frozen.a = 2; };",
            "class Point { x = 1; move() { this.x++; } } export const GET = () => { const p = new Point(); p.move(); };",
            "class Reader { #n = 1; get() { return this.#n; } } const reader = new Reader(); export const GET = () => reader.get();",
            "process.env.A = 'a'; export const GET = () => { process.env.B = 'b'; globalThis.x = 1; };",
            "export const GET = (request) => { request.headers.set('a', 'b'); };",
            "type Items = string[]; let x: Items; declare let y: number; export const GET = () => x;",
        ] {
            assert_eq!(names(code), [""; 0], "{code}");
        }
    }

    #[test]
    fn names_are_followed_from_file_to_file() {
        let store = "export const items: string[] = [];\n\nexport let count = 0;\nexport const up = () => { count++; };\nexport default new Map();";
        let route = "import { list } from './index';\nexport const GET = () => { list.push('a'); };";
        let index = "export { items as list } from './store';\nexport * from './store';";
        let files = [("route.ts", route), ("index.ts", index), ("store.ts", store)];
        assert_eq!(found(&files), ["store.ts:1 items", "store.ts:3 count"]);
        let route = "import * as all from './index';\nexport const GET = () => { all.items.push('a'); };";
        assert_eq!(
            found(&[("route.ts", route), files[1], files[2]]),
            ["store.ts:1 items", "store.ts:3 count"]
        );

        // A registry that modules fill while they are loaded.
        let registry = "const all = new Map();\nexport function register(name) { all.set(name, 1); }\nexport const names = () => [...all.keys()];";
        let plugin = "import { register } from './registry';\nregister('a');";
        let route = "import './plugin';\nimport { names } from './registry';\nexport const GET = () => Response.json(names());";
        let files = [("route.ts", route), ("plugin.ts", plugin), ("registry.ts", registry)];
        assert_eq!(found(&files), [""; 0]);
        let route = "import { register } from './registry';\nexport const GET = () => { register('b'); };";
        assert_eq!(found(&[("route.ts", route), files[1], files[2]]), ["registry.ts:1 all"]);

        // A class of another file.
        let class = "export class Store { items = []; add(x) { this.items.push(x); } size() { return this.items.length; } }";
        let route = "import { Store } from './class';\nconst store = new Store();\nexport const GET = () => { store.add(1); };";
        assert_eq!(found(&[("route.ts", route), ("class.ts", class)]), ["route.ts:2 store"]);
        let route = "import { Store } from './class';\nconst store = new Store();\nexport const GET = () => store.size();";
        assert_eq!(found(&[("route.ts", route), ("class.ts", class)]), [""; 0]);
    }

    #[test]
    fn circles_and_nonsense_end() {
        let a = "export * from './b'; import { x } from './b'; export const GET = () => { x.y = 1; };";
        let b = "export * from './a'; export { x } from './a';";
        assert_eq!(found(&[("a.ts", a), ("b.ts", b)]), [""; 0]);
        assert_eq!(found(&[("a.ts", "let x = {{{ ")]), [""; 0]);
    }
}
