//! From route files to modules that V8 can load.
//!
//! Purpose: bundle the routes of a project with their packages, keep the result
//! in the project's `.edgehost/`, and report everything that is wrong with it.
//! Key types: [`Bundled`], [`Problem`], [`BundleError`].
//! Where to look: `rolldown` is the only file that names the bundler, `virtuals`
//! holds the modules that the host provides, `edits` what is changed in a source
//! file, `assets` files that are no code, `reach` what code asks of Node.js, `graph` who
//! imports whom, `suggest` what was meant, `workshop` what an edit leaves as it is, `client` what stands for modules of the browser, `interop` what CommonJS
//! modules export by default, `configured` is for `next.config` itself, `metadata` makes routes of metadata files, `uncached` what Next.js would cache, `state` what modules keep
//! that handlers change (`facts` of one file), `traced` which files code reads while it runs,
//! `cache` the files in
//! `.edgehost/`, `inputs` whether what a bundle was made from is still as it was.
//! Never: V8, route matching.

mod assets;
mod cache;
mod client;
mod configured;
mod edits;
mod facts;
mod graph;
mod inputs;
mod interop;
mod metadata;
mod problem;
mod reach;
mod rolldown;
mod state;
mod suggest;
mod traced;
mod uncached;
mod virtuals;
mod workshop;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use configured::{ConfigKey, ConfigModule};
pub(crate) use problem::CodeFrame;
pub use problem::Problem;
pub(crate) use traced::traced;
#[cfg(feature = "dev")]
pub(crate) use workshop::Changes;
pub(crate) use workshop::Workshop;

use crate::build::{self, Build, BuiltMiddleware, BuiltRoute, Chunk, Entry, Manifest, ModuleVariable, Role};
use crate::memory::give_back;
use crate::project::{FileRule, Method, MethodSet, Project, Runtime};

/// A build, and what people are told of how it came about.
#[derive(Debug)]
pub(crate) struct Bundled {
    /// What was built.
    pub(crate) build: Build,
    /// Mistakes that keep routes from being served.
    pub(crate) errors: Vec<Problem>,
    /// Complaints that stop nobody, about the user's own files.
    pub(crate) warnings: Vec<Problem>,
    /// Whether it came from `.edgehost/`.
    pub(crate) cached: bool,
    /// How many packages of `node_modules` are in it.
    pub(crate) packages: usize,
    /// Every file that went into it.
    pub(crate) inputs: Vec<PathBuf>,
}

/// What the bundler made of a project.
#[derive(Debug, Default)]
struct Bundle {
    /// By specifier.
    chunks: HashMap<String, Chunk>,
    /// In the order of [`Unit::of`]; none where one cannot be bundled.
    entries: Vec<Option<Entry>>,
    /// Mistakes that keep routes from being served.
    errors: Vec<Problem>,
    /// Every file that went into it.
    inputs: Vec<PathBuf>,
    /// Complaints that stop nobody, about the user's own files.
    warnings: Vec<Problem>,
    /// Whether it came from `.edgehost/`.
    cached: bool,
    /// The runtimes whose routes need the modules or globals of Node.js.
    node: Vec<Runtime>,
    /// Variables of modules that keep what handlers change.
    state: Vec<ModuleVariable>,
}

impl Bundle {
    /// How many packages of `node_modules` are in it.
    fn packages(&self) -> usize {
        let packages: std::collections::BTreeSet<_> =
            self.inputs.iter().filter_map(|path| package_of(path)).collect();
        packages.len()
    }

    /// What keeps a route from being served.
    fn errors_of<'a>(&'a self, pattern: &'a str) -> impl Iterator<Item = &'a Problem> {
        self.errors.iter().filter(move |problem| problem.breaks.iter().any(|broken| broken == pattern))
    }

    /// The `node_modules` outside of the project that it was made from, as a workspace
    /// has them: packages read files of their own.
    fn packages_above(&self, root: &Path) -> Vec<PathBuf> {
        let outside = self.inputs.iter().filter(|path| !path.starts_with(root));
        let folders = outside.filter_map(|path| {
            let (above, _) = path.to_str()?.split_once("/node_modules/")?;
            Some(Path::new(above).join("node_modules"))
        });
        let folders: std::collections::BTreeSet<_> = folders.collect();
        folders.into_iter().collect()
    }

    /// Puts down what of the project its routes are served by.
    fn into_build(self, project: &Project) -> Bundled {
        let mut built = Unit::of(project).into_iter().zip(&self.entries).map(|(unit, entry)| {
            let error = || {
                let errors = self.errors_of(unit.pattern);
                let errors =
                    errors.map(|problem| Problem { breaks: Vec::new(), ..problem.clone() }.to_string());
                errors.collect::<Vec<_>>().join("\n\n")
            };
            BuiltRoute {
                pattern: unit.pattern.to_owned(),
                file: unit.shown.to_owned(),
                role: unit.role,
                runtime: unit.runtime,
                max_duration: unit.max_duration,
                entry: entry.clone().ok_or_else(error),
            }
        });
        let routes = built.by_ref().take(project.routes.len()).collect();
        let middleware = project.middleware.as_ref().zip(built.next());
        let middleware = middleware.map(|(middleware, module)| BuiltMiddleware {
            module,
            export: middleware.export.to_owned(),
            matcher: middleware.matcher.clone(),
        });
        let manifest = Manifest {
            routes,
            middleware,
            node: self.node.clone(),
            sync_params: project.sync_params,
            packages: self
                .packages_above(&project.root)
                .iter()
                .map(|folder| build::relative(&project.root, folder))
                .collect(),
            state: self.state.clone(),
            config: project.config.clone(),
        };
        let packages = self.packages();
        Bundled {
            build: Build { manifest, chunks: self.chunks },
            errors: self.errors,
            warnings: self.warnings,
            cached: self.cached,
            packages,
            inputs: self.inputs,
        }
    }
}

/// What a module of its own is made for: a route, or the middleware behind all of them.
struct Unit<'a> {
    pattern: &'a str,
    file: &'a Path,
    /// What the bundler is given for it.
    entry: Cow<'a, Path>,
    shown: &'a str,
    role: Role,
    runtime: Runtime,
    max_duration: Option<u32>,
    problems: &'a [String],
    only_default: bool,
}

impl<'a> Unit<'a> {
    fn of(project: &'a Project) -> Vec<Self> {
        let routes = project.routes.iter().map(|route| Self {
            pattern: &route.pattern,
            file: &route.file,
            entry: metadata::entry(route, project.sync_metadata),
            shown: &route.shown,
            role: Role::Handler,
            runtime: route.segment.runtime,
            max_duration: route.segment.max_duration,
            problems: &route.segment.problems,
            only_default: route.segment.only_default,
        });
        let middleware = project.middleware.iter().map(|middleware| Self {
            // What stands in the log in the place of a pattern.
            pattern: &middleware.shown,
            file: &middleware.file,
            entry: Cow::Borrowed(&middleware.file),
            shown: &middleware.shown,
            role: Role::Middleware,
            runtime: middleware.runtime,
            max_duration: None,
            problems: &[],
            only_default: false,
        });
        routes.chain(middleware).collect()
    }
}

/// The specifier, with `node:`, of a built-in module of Node.js that routes of a
/// runtime may import.
pub(crate) fn builtin(specifier: &str, kind: Runtime) -> Option<String> {
    let name = virtuals::node_builtin(specifier).filter(|name| virtuals::is_open(name, kind))?;
    Some(format!("node:{name}"))
}

fn package_of(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    let (_, inside) = text.rsplit_once("/node_modules/")?;
    let mut parts = inside.split('/');
    let first = parts.next()?;
    Some(if first.starts_with('@') { format!("{first}/{}", parts.next()?) } else { first.to_owned() })
}

/// The project cannot be bundled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// Mistakes in the user's files: all of them.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n"))]
    Problems(Vec<Problem>),
    /// The bundler itself failed.
    #[error("the bundler failed: {0}")]
    Bundler(String),
}

/// Which of the variants in a package's `exports` are taken, by runtime.
///
/// Names of conditions as in Node.js's documentation of packages; `import` or
/// `require`, and `default`, apply in any case.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Conditions {
    pub(crate) node: Vec<String>,
    pub(crate) edge: Vec<String>,
    /// Whether `NODE_ENV` is `development` in the bundle, for who is at work on the project.
    pub(crate) development: bool,
}

impl Default for Conditions {
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            node: names(&["node", "module", "react-server", "production"]),
            edge: names(&["edge-light", "browser", "module", "react-server", "production"]),
            development: false,
        }
    }
}

impl Conditions {
    /// Takes the variants that are meant for development, where nobody has chosen others.
    #[cfg(feature = "dev")]
    pub(crate) fn for_development(&mut self) {
        let default = Self::default();
        self.development = true;
        for (names, usual) in [(&mut self.node, default.node), (&mut self.edge, default.edge)] {
            if *names == usual {
                names.pop();
                names.push("development".to_owned());
            }
        }
    }

    fn of(&self, kind: Runtime) -> &[String] {
        match kind {
            Runtime::NodeJs => &self.node,
            Runtime::Edge => &self.edge,
        }
    }
}

/// Bundles a project. Where the result is kept in `.edgehost/`, that of last time is taken if
/// no input changed.
///
/// `started` is told how many routes are being bundled, if that has to be done. With a
/// workshop only what changed is, and a project none of whose routes can be bundled is no
/// error.
pub(crate) async fn bundle(
    project: &Project,
    conditions: &Conditions,
    mut workshop: Option<&mut Workshop>,
    is_kept: bool,
    started: impl FnOnce(usize),
) -> Result<Bundled, BundleError> {
    let key = cache::Key::of(project, conditions);
    let is_kept = workshop.as_mut().is_none_or(|workshop| workshop.begin(&key)) && is_kept;
    if is_kept && let Some(bundle) = cache::load(&project.root, &key) {
        return Ok(bundle.into_build(project));
    }
    let units = Unit::of(project);
    started(project.routes.len());
    let recorder = Arc::new(inputs::Recorder::new());
    let mut imports = state::Imports::default();
    let mut whole = Bundle { entries: Vec::with_capacity(units.len()), ..Bundle::default() };
    let mut entries: Vec<Option<Entry>> = units.iter().map(|_| None).collect();
    for unit in &units {
        whole.errors.extend(unit.problems.iter().map(|message| Problem {
            message: message.clone(),
            breaks: vec![unit.pattern.to_owned()],
            ..Problem::default()
        }));
    }
    for kind in [Runtime::NodeJs, Runtime::Edge] {
        let of_kind: Vec<(usize, &Path)> = units
            .iter()
            .enumerate()
            .filter(|(_, unit)| unit.runtime == kind && unit.problems.is_empty())
            .map(|(index, unit)| (index, &*unit.entry))
            .collect();
        if of_kind.is_empty() {
            continue;
        }
        let setting = Setting {
            root: project.root.clone(),
            kind,
            conditions: conditions.of(kind).to_vec(),
            development: conditions.development,
            keeps_parts: workshop.is_some(),
            file_rules: project.file_rules.rules.clone(),
            strict_exports: project.strict_exports,
            is_config: false,
            constants: project.config.env.clone(),
            aliases: project.config.aliases.clone(),
            recorder: recorder.clone(),
        };
        let run = match &mut workshop {
            Some(workshop) => workshop.run(&setting, &of_kind).await,
            None => rolldown::run(setting, &of_kind).await,
        };
        match run {
            Ok(part) => {
                if part.wants_node {
                    whole.node.push(kind);
                }
                whole.chunks.extend(part.chunks);
                whole.inputs.extend(part.inputs);
                whole.warnings.extend(part.warnings);
                imports.extend(part.imports);
                for (index, entry) in part.entries {
                    entries[index] = Some(entry);
                }
                whole.errors.extend(part.failures.into_iter().map(
                    |Failure { problem, routes: broken, .. }| {
                        let breaks =
                            broken.into_iter().map(|index| units[index].pattern.to_owned()).collect();
                        Problem { breaks, ..problem }
                    },
                ));
            }
            Err(BundleError::Problems(found)) => {
                let all: Vec<String> =
                    of_kind.iter().map(|(index, _)| units[*index].pattern.to_owned()).collect();
                whole
                    .errors
                    .extend(found.into_iter().map(|problem| Problem { breaks: all.clone(), ..problem }));
            }
            Err(other) => return Err(other),
        }
    }
    problem::tidy(&mut whole.errors);
    problem::tidy(&mut whole.warnings);
    // What a package lacks may be generated later: until then its routes answer 500.
    let may_come = |problem: &Problem| {
        problem.file.contains("node_modules/") && problem.message.starts_with("Cannot find module")
    };
    // Without what guards them no route is served.
    let is_unguarded =
        units.iter().zip(&entries).any(|(unit, entry)| unit.role == Role::Middleware && entry.is_none());
    if is_unguarded {
        return Err(BundleError::Problems(whole.errors));
    }
    let is_final = workshop.is_none() && !whole.errors.iter().all(may_come);
    if entries.iter().all(Option::is_none) && is_final {
        return Err(BundleError::Problems(whole.errors));
    }
    whole.inputs.sort();
    whole.inputs.dedup();
    whole.warnings.extend(uncached::warnings(&project.root, &whole.inputs));
    let files: Vec<&Path> = units.iter().map(|unit| unit.file).collect();
    if workshop.is_none() {
        whole.state = state::variables(&project.root, &whole.inputs, &files, &imports);
    }
    for (mut entry, unit) in entries.into_iter().zip(&units) {
        match &mut entry {
            // To the bundler it looks like a CommonJS module.
            Some(entry) if unit.only_default => entry.methods = MethodSet::default(),
            Some(_) => {}
            None if whole.errors_of(unit.pattern).next().is_some() => {}
            None => return Err(BundleError::Bundler(format!("no output for {}", unit.shown))),
        }
        whole.entries.push(entry);
    }
    if is_kept {
        cache::store(&project.root, &key, &recorder, &mut whole);
    }
    if workshop.is_none_or(|workshop| workshop.is_whole()) {
        // A gigabyte after some hundred packages.
        give_back();
    }
    Ok(whole.into_build(project))
}

/// What all runs for the routes of a runtime have in common.
#[derive(Clone)]
struct Setting {
    root: PathBuf,
    kind: Runtime,
    /// Conditions of packages' `exports`.
    conditions: Vec<String>,
    /// Whether `NODE_ENV` is `development`.
    development: bool,
    /// Whether it is noted what chunks were made of.
    keeps_parts: bool,
    /// For files that are no code.
    file_rules: Vec<FileRule>,
    /// Whether an import of a name that is not exported is a mistake; else it is `undefined`.
    strict_exports: bool,
    /// Whether it is a configuration, and no route, that is bundled.
    is_config: bool,
    /// What stands for variables of `process.env`.
    constants: BTreeMap<String, String>,
    /// Specifiers, and what is imported in their place.
    aliases: BTreeMap<String, String>,
    /// Takes down what is read and asked for.
    recorder: Arc<inputs::Recorder>,
}

/// What one run of the bundler makes.
#[derive(Debug, Default)]
struct Part {
    chunks: HashMap<String, Chunk>,
    entries: Vec<(usize, Entry)>,
    inputs: Vec<PathBuf>,
    warnings: Vec<Problem>,
    imports: state::Imports,
    failures: Vec<Failure>,
    wants_node: bool,
    /// What chunks were made of, by specifier, where that is to be noted.
    origins: HashMap<String, workshop::Origin>,
    /// All files that a route leads to, also those of which nothing is in a chunk.
    files: HashMap<usize, HashSet<PathBuf>>,
}

/// A mistake, and the routes that cannot be bundled because of it.
#[derive(Debug, Clone)]
struct Failure {
    problem: Problem,
    routes: Vec<usize>,
    /// Whether it is an import of a name that is not exported.
    is_missing_export: bool,
}

fn methods_of(exports: &[&str]) -> MethodSet {
    let mut methods = MethodSet::default();
    let is_commonjs = exports == ["default"];
    for method in Method::ALL {
        // What a CommonJS module exports is known once it has run.
        if is_commonjs || exports.contains(&method.name()) {
            methods.insert(method);
        }
    }
    methods
}
