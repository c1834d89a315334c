//! Declarations for TypeScript, in the project's `.edgehost/types/`.
//!
//! Purpose: have a project type-check that uses `next/server` and its like without having
//! `next` installed, and give names to what only the project's own routes tell.
//! Key types: [`ProjectTypes`].
//! Where to look: `routes` makes declarations of the routes, `tsconfig` finds out whether the
//! project's configuration includes them, `node` whether it wants the types of Node.js;
//! `runtime-js/types` has those that are the same for all projects.
//! Never: the bundler, JavaScript is not run here.

mod node;
mod routes;
mod tsconfig;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::project::Project;

/// Where they are, seen from the project.
const FOLDER: &str = ".edgehost/types";

/// The file that leads to all others.
const INDEX: &str = "index.d.ts";

/// What begins every file that is made here.
const HEAD: &str =
    "// Written by edgehost, and written anew whenever that is of use. `edgehost types` does it by hand.\n\n";

/// The first Next.js that makes `RouteContext` itself.
const ROUTE_CONTEXT: (u64, u64) = (15, 5);

/// The declarations that were written for a project.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProjectTypes {
    /// The folder of the project.
    pub root: PathBuf,
    /// The folder that they are in, seen from the project.
    pub folder: &'static str,
    /// How many routes the project has.
    pub routes: usize,
    /// Whether any of them is new or another than before.
    pub changed: bool,
    /// What is left to do for a person: full sentences.
    pub notes: Vec<String>,
}

/// Writes the declarations of a project, and takes away those that are of no use any more.
pub(crate) fn write(project: &Project) -> io::Result<ProjectTypes> {
    let root = &project.root;
    let next = project.installed("next");
    let has_node = project.installed("@types/node").is_some();
    let makes_context = next.as_ref().is_some_and(|next| (next.major, next.minor) >= ROUTE_CONTEXT);
    let files = [
        ("edgehost.d.ts", Some(include_str!("../../runtime-js/types/edgehost.d.ts").to_owned())),
        ("markers.d.ts", Some(include_str!("../../runtime-js/types/markers.d.ts").to_owned())),
        ("next.d.ts", next.is_none().then(|| include_str!("../../runtime-js/types/next.d.ts").to_owned())),
        ("process.d.ts", (!has_node).then(|| include_str!("../../runtime-js/types/process.d.ts").to_owned())),
        ("routes.d.ts", (!makes_context).then(|| routes::contexts(project))),
        // No declarations, but code: mistakes in those are not shown as a rule.
        ("handlers.ts", next.is_none().then(|| routes::handlers(project, tsconfig::reads_jsx(root)))),
    ];
    let folder = own_folder(root)?;
    let mut changed = false;
    let mut index = String::from(HEAD);
    for (name, text) in &files {
        let path = folder.join(name);
        match text {
            Some(text) => {
                changed |= put(&path, text)?;
                if name.ends_with(".d.ts") {
                    index += &format!("/// <reference path=\"./{name}\" />\n");
                }
            }
            None => match fs::remove_file(&path) {
                Ok(()) => changed = true,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(told(&path, &error)),
            },
        }
    }
    changed |= put(&folder.join(INDEX), &index)?;

    let mut notes = Vec::new();
    notes.extend(tsconfig::notes(root));
    if !has_node && let Some(use_) = node::first_use(root) {
        notes.push(format!(
            "{} uses {}, whose types are not installed: {}",
            use_.file,
            use_.what,
            Project::install_command(root, "@types/node@22"),
        ));
    }
    if makes_context {
        notes.push(
            "`RouteContext` is what the installed Next.js makes: `npx next typegen` writes it to .next/types."
                .to_owned(),
        );
    }
    Ok(ProjectTypes { root: root.clone(), folder: FOLDER, routes: project.routes.len(), changed, notes })
}

/// Writes a `tsconfig.json` for a project that has none. Tells whether it did.
pub(crate) fn write_tsconfig(root: &Path) -> io::Result<bool> {
    tsconfig::write(root)
}

/// The folder, which does not come into the project's repository.
fn own_folder(root: &Path) -> io::Result<PathBuf> {
    let folder = root.join(FOLDER);
    fs::create_dir_all(&folder).map_err(|error| told(&folder, &error))?;
    let ignore = root.join(".edgehost/.gitignore");
    if !ignore.exists() {
        fs::write(&ignore, "*\n").map_err(|error| told(&ignore, &error))?;
    }
    Ok(folder)
}

/// Puts a file there as a whole, unless it is there already: editors and `tsc --watch` look at
/// the time of its change. Tells whether it did.
fn put(path: &Path, text: &str) -> io::Result<bool> {
    if fs::read(path).is_ok_and(|found| found == text.as_bytes()) {
        return Ok(false);
    }
    let aside = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = fs::write(&aside, text).and_then(|()| fs::rename(&aside, path));
    written.map(|()| true).map_err(|error| {
        let _ = fs::remove_file(&aside);
        told(path, &error)
    })
}

/// An error with the path in it.
fn told(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
