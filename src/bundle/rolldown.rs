//! The adapter to rolldown. No other file names a type of it: the crate promises
//! no stable API.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use oxc::span::SourceType;
use oxc_resolver::ResolveError;
use oxc_sourcemap::Token;
use parking_lot::Mutex;
use rolldown::plugin::{
    HookLoadArgs, HookLoadOutput, HookLoadReturn, HookResolveIdArgs, HookResolveIdOutput,
    HookResolveIdReturn, HookTransformArgs, HookTransformOutput, HookTransformOutputMap, HookTransformReturn,
    HookUsage, Plugin, PluginContext, PluginContextResolveOptions, Pluginable, SharedLoadPluginContext,
    SharedTransformPluginContext,
};
use rolldown::{
    AttachDebugInfo, Bundler, BundlerOptions, BundlerTransformOptions, ChecksOptions, Either,
    ExperimentalOptions, InputItem, JsxOptions, ModuleType, OutputFormat, Platform, PreserveEntrySignatures,
    RawMinifyOptions, ResolveOptions, SourceMapType, TsConfig,
};
use rolldown_common::side_effects::HookSideEffects;
use rolldown_common::{ImportKind, Output, OutputChunk, ResolvedId};
use rolldown_error::{BuildDiagnostic, DiagnosticOptions, EventKind, Severity};
use string_wizard::{Hires, MagicString, SourceMapOptions};

use super::assets::{self, Rules};
use super::client;
use super::edits::{self, Edit};
use super::graph::{Edge, Graph, How, Ways, file_of, made_of};
use super::inputs::{EXTENSIONS, Recorder, alias_fields, main_fields, tsconfig};
use super::interop::Interop;
use super::metadata;
use super::reach;
use super::suggest;
use super::virtuals::{self, Virtual, node_builtin};
use super::workshop::Origin;
use super::{BundleError, Failure, Part, Problem, Setting, methods_of, package_of};
use crate::build::{Chunk, Entry, SourceMap, absolute, relative};
use crate::project::{FileKind, Runtime};

/// A build that takes longer is taken for stuck: a panic in one of the bundler's
/// tasks makes it wait for ever.
const PATIENCE: Duration = Duration::from_secs(300);

/// Stack of the bundler's threads; its parser and printer recurse.
const STACK: usize = 16 * 1024 * 1024;

/// Bundles the routes of one runtime, on threads of its own.
pub(super) async fn run(setting: Setting, routes: &[(usize, &Path)]) -> Result<Part, BundleError> {
    let routes: Vec<(usize, PathBuf)> =
        routes.iter().map(|(index, file)| (*index, (*file).to_owned())).collect();
    let (send, receive) = tokio::sync::oneshot::channel();
    let failed = |error: &dyn std::fmt::Display| BundleError::Bundler(error.to_string());
    std::thread::Builder::new()
        .name("edgehost-bundler".into())
        .stack_size(STACK)
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .thread_name("edgehost-bundler")
                .thread_stack_size(STACK)
                .enable_all()
                .build();
            let result = match runtime {
                Ok(runtime) => {
                    let result = runtime.block_on(setting.build(&routes));
                    runtime.shutdown_background();
                    result
                }
                Err(error) => Err(BundleError::Bundler(error.to_string())),
            };
            let _ = send.send(result);
        })
        .map_err(|error| failed(&error))?;
    receive.await.map_err(|_| failed(&"it panicked"))?
}

enum Attempt {
    Done(Box<Part>),
    Failed(Vec<Failure>),
}

impl Setting {
    /// Bundles the routes that can be bundled. All of them are tried at once; mistakes that
    /// stop the bundler are looked up in the graph of modules, and the rest goes on without
    /// the routes that lead to them.
    async fn build(&self, routes: &[(usize, PathBuf)]) -> Result<Part, BundleError> {
        let mut left = routes.to_vec();
        let mut failures: Vec<Failure> = Vec::new();
        let mut tolerated: Option<Vec<Problem>> = None;
        while !left.is_empty() {
            let mut found = match self.attempt(&left, tolerated.is_some()).await? {
                Attempt::Done(mut part) => {
                    part.failures.extend(failures);
                    part.warnings.extend(tolerated.unwrap_or_default());
                    return Ok(*part);
                }
                Attempt::Failed(found) => found,
            };
            if !self.strict_exports && tolerated.is_none() {
                let (missing, others): (Vec<_>, Vec<_>) =
                    found.into_iter().partition(|failure| failure.is_missing_export);
                if others.is_empty() {
                    // The bundler does not say so of what it lets pass.
                    tolerated = Some(missing.into_iter().map(tolerate).collect());
                    continue;
                }
                // The next attempt finds the rest again.
                found = others;
            }
            if found.iter().all(|failure| failure.routes.is_empty()) {
                found = self.try_apart(&left, found, tolerated.is_some()).await?;
            }
            left.retain(|(route, _)| !found.iter().any(|failure| failure.routes.contains(route)));
            failures.extend(found);
        }
        Ok(Part { failures, ..Part::default() })
    }

    /// Finds the routes behind mistakes that name no module, by halves.
    async fn try_apart(
        &self,
        routes: &[(usize, PathBuf)],
        unnamed: Vec<Failure>,
        tolerant: bool,
    ) -> Result<Vec<Failure>, BundleError> {
        let mut failures = Vec::new();
        let mut groups = vec![routes.to_vec()];
        while let Some(group) = groups.pop() {
            let Attempt::Failed(mut found) = self.attempt(&group, tolerant).await? else { continue };
            if let [(only, _)] = &*group {
                found.iter_mut().for_each(|failure| failure.routes = vec![*only]);
            }
            if found.iter().any(|failure| !failure.routes.is_empty()) {
                failures.append(&mut found);
            } else {
                let (first, second) = group.split_at(group.len() / 2);
                groups.extend([first.to_vec(), second.to_vec()]);
            }
        }
        if failures.is_empty() {
            return Err(BundleError::Problems(unnamed.into_iter().map(|failure| failure.problem).collect()));
        }
        Ok(failures)
    }

    /// One run of the bundler. A tolerant one makes `undefined` of names that are not exported.
    async fn attempt(&self, routes: &[(usize, PathBuf)], tolerant: bool) -> Result<Attempt, BundleError> {
        let Self { root, kind, conditions, file_rules, recorder, constants, aliases, is_config, .. } = self;
        let plugin = Arc::new(HostModules {
            kind: *kind,
            is_config: *is_config,
            root: (*root).to_owned(),
            conditions: conditions.clone(),
            rules: Rules::new(root, *kind, file_rules),
            recorder: recorder.clone(),
            ..HostModules::default()
        });
        let plugins = vec![plugin.clone() as Arc<dyn Pluginable>];
        let mut options = options(root, *kind, conditions.clone(), self.development, routes);
        configure(&mut options, root, constants, aliases);
        options.shim_missing_exports = Some(tolerant);
        let mut bundler = match Bundler::with_plugins(options, plugins) {
            Ok(bundler) => bundler,
            Err(errors) => {
                let graph = Graph::default();
                let reader = Reader { root, graph: &graph };
                return Err(BundleError::Problems(reader.problems(&errors.into_vec())));
            }
        };
        let built = tokio::time::timeout(PATIENCE, bundler.generate()).await.map_err(|_| {
            BundleError::Bundler(format!("it did not finish within {} s", PATIENCE.as_secs()))
        })?;
        let graph = std::mem::take(&mut *plugin.graph.lock());
        let reader = Reader { root, graph: &graph };
        let indices_of = |files: &BTreeSet<&str>| -> Vec<usize> {
            let is_among = |file: &Path| file.to_str().is_some_and(|file| files.contains(file));
            routes.iter().filter(|(_, file)| is_among(file)).map(|(index, _)| *index).collect()
        };
        let output = match built {
            Ok(output) => output,
            Err(errors) => {
                let failures = errors.into_vec().into_iter().map(|error| {
                    let id = error.id().unwrap_or_default();
                    let id = shown_id(&id);
                    Failure {
                        problem: reader.problem(&error),
                        routes: indices_of(&graph.entries_of(id, Ways::All)),
                        is_missing_export: matches!(error.kind(), EventKind::MissingExportError),
                    }
                });
                let mut failures: Vec<Failure> = failures.collect();
                // Of routes that are given up, all mistakes are told at once.
                let is_tolerable =
                    |failure: &Failure| failure.is_missing_export && !self.strict_exports && !tolerant;
                let given_up: HashSet<usize> = failures
                    .iter()
                    .filter(|failure| !is_tolerable(failure))
                    .flat_map(|failure| failure.routes.iter().copied())
                    .collect();
                for gap in plugin.gaps.lock().drain(..).filter(|gap| gap.ways == Ways::All) {
                    let mut routes = indices_of(&graph.entries_of(&gap.edge.importer, Ways::All));
                    routes.retain(|index| given_up.contains(index));
                    if !routes.is_empty() {
                        failures.push(Failure {
                            problem: reader.at_gap(gap),
                            routes,
                            is_missing_export: false,
                        });
                    }
                }
                return Ok(Attempt::Failed(failures));
            }
        };
        let inputs: Vec<PathBuf> = bundler
            .last_bundle_handle
            .as_ref()
            .map(|handle| {
                let infos = handle.plugin_driver().module_infos.iter();
                infos.map(|info| PathBuf::from(made_of(shown_id(&info.value().id)))).collect()
            })
            .unwrap_or_default();
        let _ = bundler.close().await;
        let warnings: Vec<_> = output.warnings.into_iter().filter(is_of_interest).collect();
        let mut part = Part { warnings: reader.problems(&warnings), ..Part::default() };
        part.warnings.extend(remarks(&plugin, &reader, &inputs));
        for (Edge { importer, specifier, .. }, id) in graph.imports() {
            let (importer, file) = (file_of(shown_id(importer)), file_of(shown_id(id)));
            if ![importer, file].iter().any(|file| file.contains("/node_modules/")) {
                part.imports.add(importer, specifier, file);
            }
        }
        let chunks: Vec<_> = output
            .assets
            .into_iter()
            .filter_map(|output| if let Output::Chunk(chunk) = output { Some(chunk) } else { None })
            .collect();
        let loaded = Loaded::by(&chunks);
        for gap in plugin.gaps.lock().drain(..) {
            let entries = if graph.is_among(&gap.edge, gap.ways) {
                graph.entries_of(&gap.edge.importer, gap.ways)
            } else {
                BTreeSet::new()
            };
            let mut broken = indices_of(&entries);
            broken.retain(|index| loaded.has(*index, &gap.id, gap.ways));
            if !broken.is_empty() {
                let problem = reader.at_gap(gap);
                part.failures.push(Failure { problem, routes: broken, is_missing_export: false });
            }
        }
        // Most need not be parsed for it.
        let mut imports = chunks.iter().flat_map(|chunk| chunk.imports.iter().chain(&chunk.dynamic_imports));
        let imports_node = imports.any(|name| name.starts_with("node:"));
        for chunk in chunks {
            if self.keeps_parts {
                part.origins.insert(specifier_of(*kind, &chunk.filename), origin_of(*kind, &chunk));
            }
            // Each with its modules, which weigh more than what is made of them.
            take(&mut part, root, *kind, routes, &chunk);
        }
        if self.keeps_parts {
            part.files = graph
                .files_by_entry()
                .into_iter()
                .filter_map(|(entry, files)| {
                    let (index, _) = routes.iter().find(|(_, file)| file.to_str() == Some(entry))?;
                    Some((*index, files))
                })
                .collect();
        }
        part.entries.retain(|(index, _)| !part.failures.iter().any(|failure| failure.routes.contains(index)));
        part.wants_node = imports_node || part.chunks.values().any(|chunk| reach::wants_node(&chunk.code));
        part.inputs = inputs.into_iter().filter(|path| path.is_absolute()).collect();
        Ok(Attempt::Done(Box::new(part)))
    }
}

/// What is said of an import of a name that is not exported where that is no mistake.
fn tolerate(failure: Failure) -> Problem {
    let Failure { mut problem, .. } = failure;
    problem.message = format!("{}: it is undefined", problem.message.trim_end_matches('.'));
    problem
}

/// What is to be said of modules that are stood in for.
fn remarks(plugin: &HostModules, reader: &Reader<'_>, inputs: &[PathBuf]) -> Vec<Problem> {
    let mut remarks = addons(plugin, reader, inputs);
    for importer in plugin.client_only.lock().iter() {
        let message = "'client-only' cannot be imported from a Server Component module. It should only be used from a Client Component.".to_owned();
        remarks.push(reader.at_import(importer, "client-only", message));
    }
    remarks
}

/// What is to be said of native addons: once for each package, which may look for its
/// addon in several places.
fn addons(plugin: &HostModules, reader: &Reader<'_>, inputs: &[PathBuf]) -> Vec<Problem> {
    let mut told: HashSet<String> = HashSet::new();
    let mut is_news = |package: &Option<String>| match package {
        // Next.js's own code tries for them.
        Some(name) if !virtuals::is_missed(name) || reader.graph.is_only_for("next", name) => false,
        Some(name) => told.insert(name.clone()),
        None => true,
    };
    let mut remarks = Vec::new();
    for (importer, shown) in plugin.addons.lock().iter() {
        let package = asking_package(importer, shown);
        if is_news(&package) {
            let name = shown.rsplit('/').next().unwrap_or_default();
            let message = virtuals::addon_message(package.as_deref(), shown);
            remarks.push(reader.at_import(importer, name, message));
        }
    }
    for (importer, loader) in plugin.loaders.lock().iter() {
        if is_news(&package_of(Path::new(importer))) {
            remarks.push(reader.at_import(importer, loader, virtuals::loader_message(importer, loader)));
        }
    }
    for (package, file) in virtuals::FINDS_ITS_ADDON {
        let name = Some(package.to_owned());
        let found = inputs
            .iter()
            .find(|path| path.to_str().is_some_and(|path| path.ends_with(file)) && package_of(path) == name);
        if let Some(path) = found.and_then(|path| path.to_str())
            && is_news(&name)
        {
            remarks.push(reader.at_import(path, package, virtuals::finder_message(package)));
        }
    }
    remarks
}

/// The package that wants an addon: often one that holds no more than the addon is between.
fn asking_package(importer: &str, addon: &str) -> Option<String> {
    package_of(Path::new(importer)).or_else(|| package_of(Path::new(&format!("/{addon}"))))
}

/// Whether a warning of the bundler is about what the code of the project does, not about
/// how it is bundled.
fn is_of_interest(warning: &BuildDiagnostic) -> bool {
    let is_about_code = matches!(
        warning.kind(),
        EventKind::AssignToImportError
            | EventKind::CannotCallNamespace
            | EventKind::CommonJsVariableInEsm
            | EventKind::ImportIsUndefined
            | EventKind::MissingExportError
            | EventKind::ParseError
            | EventKind::UnsupportedFeatureError
    );
    is_about_code && !is_of_package(warning.id().as_deref().unwrap_or_default())
}

/// Which chunks a route loads, and the modules in them.
struct Loaded<'a> {
    chunks: HashMap<&'a str, &'a OutputChunk>,
    /// File names of the chunks of routes, by the number of the route.
    entries: HashMap<usize, &'a str>,
}

impl<'a> Loaded<'a> {
    fn by(chunks: &'a [Arc<OutputChunk>]) -> Self {
        let chunks: HashMap<&str, &OutputChunk> =
            chunks.iter().map(|chunk| (chunk.filename.as_str(), &**chunk)).collect();
        let entries = chunks
            .iter()
            .filter(|(_, chunk)| chunk.is_entry)
            .filter_map(|(name, chunk)| Some((route_of(chunk)?, *name)))
            .collect();
        Self { chunks, entries }
    }

    /// Whether a route has a module in what it loads.
    fn has(&self, route: usize, id: &str, ways: Ways) -> bool {
        let mut seen: HashSet<&str> = self.entries.get(&route).copied().into_iter().collect();
        let mut queue: Vec<&str> = seen.iter().copied().collect();
        while let Some(name) = queue.pop() {
            // What is not in the bundle is no chunk.
            let Some(chunk) = self.chunks.get(name) else { continue };
            if chunk.modules.keys.iter().any(|key| key.as_str() == id) {
                return true;
            }
            let dynamic = chunk.dynamic_imports.iter().filter(|_| ways == Ways::All);
            queue.extend(
                chunk
                    .imports
                    .iter()
                    .chain(dynamic)
                    .map(|name| name.as_str())
                    .filter(|name| seen.insert(name)),
            );
        }
        false
    }
}

/// The number of the route whose entry a chunk is.
fn route_of(chunk: &OutputChunk) -> Option<usize> {
    chunk.name.strip_prefix("route-")?.parse().ok()
}

fn specifier_of(kind: Runtime, file: &str) -> String {
    format!("edgehost:///{}/{file}", kind.name())
}

/// What a chunk was made of, and the chunks that it loads.
fn origin_of(kind: Runtime, chunk: &OutputChunk) -> Origin {
    let files = chunk.modules.keys.iter().map(|id| PathBuf::from(made_of(shown_id(id.as_str()))));
    let imports = chunk.imports.iter().chain(&chunk.dynamic_imports);
    Origin {
        files: files.filter(|path| path.is_absolute()).collect(),
        imports: imports.clone().map(|name| specifier_of(kind, name.as_str())).collect(),
        imports_node: imports.into_iter().any(|name| name.starts_with("node:")),
    }
}

fn take(part: &mut Part, root: &Path, kind: Runtime, routes: &[(usize, PathBuf)], chunk: &OutputChunk) {
    let specifier = specifier_of(kind, &chunk.filename);
    let map = SourceMap::Memory(source_map(root, chunk).into());
    if chunk.is_entry
        && let Some(index) = route_of(chunk).filter(|route| routes.iter().any(|(index, _)| index == route))
    {
        let exports: Vec<&str> = chunk.exports.iter().map(|name| name.as_str()).collect();
        let methods = methods_of(&exports);
        part.entries.push((index, Entry { specifier: specifier.clone(), methods }));
    }
    // A CommonJS module that threw runs anew when it is asked for again.
    let code = without_places(root, &chunk.code).replacen(RUN_ONCE, RUN_UNTIL_DONE, 1);
    let chunk = Chunk { code: code.into(), map, cache: None };
    part.chunks.insert(specifier, chunk);
}

/// Begins the line before a module in a chunk; the id of the module follows.
const REGION: &str = "//#region ";

/// The source map of a chunk. The bundler makes none of packages, which would take a third
/// of all its memory: their code leads to their file, at its beginning. Sources are paths as
/// they are seen from the project.
fn source_map(root: &Path, chunk: &OutputChunk) -> String {
    let own = chunk.map.as_ref();
    let from_root = |path: &Path| relative(root, path).display().to_string();
    let mut sources: Vec<String> = own
        .map(|map| map.get_sources().map(|source| from_root(&absolute(root, source.as_ref()))).collect())
        .unwrap_or_default();
    let mut tokens: Vec<Token> = own.map(|map| map.get_tokens().collect()).unwrap_or_default();
    for (line, text) in (0..).zip(chunk.code.lines()) {
        let Some(id) = text.strip_prefix(REGION).and_then(|id| id.strip_prefix("\\0")) else { continue };
        let source = id.starts_with('/').then(|| {
            sources.push(from_root(Path::new(file_of(id))));
            u32::try_from(sources.len() - 1).unwrap_or_default()
        });
        tokens.push(Token::new(line, 0, 0, 0, source, None));
    }
    tokens.sort_by_key(|token| (token.get_dst_line(), token.get_dst_col()));
    let names = own.map(|map| map.get_names().map(|name| Cow::Owned(name.to_owned())).collect());
    let sources = sources.into_iter().map(Cow::Owned).collect();
    oxc_sourcemap::SourceMap::new(
        None,
        names.unwrap_or_default(),
        None,
        sources,
        Vec::new(),
        tokens.into_boxed_slice(),
        None,
    )
    .to_json_string()
}

/// The code of a chunk without the place of the project in the lines that name modules: it is
/// the same wherever that lies.
fn without_places(root: &Path, code: &str) -> String {
    let mut moved = String::with_capacity(code.len());
    for line in code.split_inclusive('\n') {
        let id = line.strip_prefix(REGION).and_then(|id| id.strip_prefix("\\0"));
        let place = id.and_then(|id| if id.starts_with('/') { Some(0) } else { Some(id.find("//")? + 1) });
        match (id, place) {
            (Some(id), Some(at)) => {
                moved.push_str(REGION);
                moved.push_str(&id[..at]);
                moved.push_str(&relative(root, Path::new(&id[at..])).display().to_string());
            }
            _ => moved.push_str(line),
        }
    }
    moved
}

/// The bundler's own wrapper of CommonJS modules, and the one that takes its place.
const RUN_ONCE: &str = "var __commonJSMin = (cb, mod) => () => (mod || (cb((mod = { exports: {} }).exports, mod), cb = null), mod.exports);";
const RUN_UNTIL_DONE: &str = "var __commonJSMin = (cb, mod) => () => { if (!mod) { mod = { exports: {} }; try { cb(mod.exports, mod); cb = null; } catch (error) { mod = undefined; throw error; } } return mod.exports; };";

/// Packages that find and load native addons for others.
const ADDON_LOADERS: [&str; 5] = [
    "bindings",
    "node-gyp-build",
    "node-gyp-build-optional-packages",
    "node-pre-gyp",
    "@mapbox/node-pre-gyp",
];

fn is_of_package(id: &str) -> bool {
    id.contains("/node_modules/") || id.starts_with("node_modules/")
}

/// Hides the file of a package from the bundler behind an id that is no path: of such
/// modules it makes no source map.
fn hidden_id(id: &str) -> Option<String> {
    (Path::new(id).is_absolute() && is_of_package(id)).then(|| format!("\0{id}"))
}

/// The id as the rest of this knows it.
fn shown_id(id: &str) -> &str {
    id.strip_prefix('\0').filter(|id| id.starts_with('/')).unwrap_or(id)
}

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn options(
    root: &Path,
    kind: Runtime,
    conditions: Vec<String>,
    development: bool,
    routes: &[(usize, PathBuf)],
) -> BundlerOptions {
    let edge = kind == Runtime::Edge;
    // Names that builds of some of the routes share with those of all.
    let input = routes.iter().map(|(index, file)| InputItem {
        name: Some(format!("route-{index}")),
        import: file.display().to_string(),
    });
    let resolve = ResolveOptions {
        condition_names: Some(conditions),
        main_fields: Some(main_fields(kind)),
        alias_fields: alias_fields(kind),
        extensions: Some(strings(&EXTENSIONS)),
        ..ResolveOptions::default()
    };
    let empty =
        [".css", ".scss", ".sass", ".less"].map(|extension| (extension.to_owned(), ModuleType::Empty));
    let mut module_types: Vec<(String, ModuleType)> = empty.into();
    module_types.push((".js".to_owned(), ModuleType::Jsx));
    // Branches for another place are dead code, and what only they import is not looked for.
    let runtime = if edge { "\"edge\"" } else { "\"nodejs\"" };
    let constants = [
        ("process.env.NODE_ENV", if development { "\"development\"" } else { "\"production\"" }),
        ("process.env.NEXT_RUNTIME", runtime),
        ("globalThis.process.env.NEXT_RUNTIME", runtime),
        ("process.browser", "false"),
        ("typeof window", "\"undefined\""),
    ];
    BundlerOptions {
        input: Some(input.collect()),
        cwd: Some(root.to_owned()),
        // Maps name their sources relative to this; nothing is written.
        dir: Some(root.display().to_string()),
        // The other platforms add conditions and, for Node, a `require` of their own.
        platform: Some(Platform::Neutral),
        format: Some(OutputFormat::Esm),
        sourcemap: Some(SourceMapType::Hidden),
        sourcemap_exclude_sources: Some(true),
        tsconfig: Some(tsconfig(root).map_or(TsConfig::Auto(false), TsConfig::Manual)),
        resolve: Some(resolve),
        define: Some(
            constants.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        ),
        module_types: Some(module_types.into_iter().collect()),
        transform: Some(BundlerTransformOptions {
            // Next.js projects say `"jsx": "preserve"`, which is for their own compiler.
            jsx: Some(Either::Right(JsxOptions {
                runtime: Some("automatic".to_owned()),
                ..JsxOptions::default()
            })),
            ..BundlerTransformOptions::default()
        }),
        minify: Some(RawMinifyOptions::Bool(false)),
        keep_names: Some(true),
        preserve_entry_signatures: Some(PreserveEntrySignatures::Strict),
        entry_filenames: Some("[name].js".to_owned().into()),
        chunk_filenames: Some("chunk-[name].js".to_owned().into()),
        checks: Some(ChecksOptions {
            configuration_field_conflict: Some(false),
            plugin_timings: Some(false),
            ..ChecksOptions::default()
        }),
        experimental: Some(ExperimentalOptions {
            // Says where modules begin.
            attach_debug_info: Some(AttachDebugInfo::Simple),
            // Of modules without side effects that only hand on others, those that nobody
            // asks for are not even read.
            lazy_barrel: Some(true),
            ..ExperimentalOptions::default()
        }),
        ..BundlerOptions::default()
    }
}

/// Adds what a configuration says: values of variables, and modules in the place of others.
fn configure(
    options: &mut BundlerOptions,
    root: &Path,
    constants: &BTreeMap<String, String>,
    aliases: &BTreeMap<String, String>,
) {
    let is_name = |name: &&String| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '$')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$')
    };
    let define = options.define.get_or_insert_default();
    for name in constants.keys().filter(is_name) {
        define.insert(
            format!("process.env.{name}"),
            serde_json::Value::from(constants[name].as_str()).to_string(),
        );
    }
    if !aliases.is_empty() {
        let target = |target: &String| match target.strip_prefix("./") {
            Some(inside) => root.join(inside).display().to_string(),
            None => target.clone(),
        };
        let aliases = aliases.iter().map(|(name, to)| (format!("{name}$"), vec![Some(target(to))]));
        options.resolve.get_or_insert_default().alias = Some(aliases.collect());
    }
}

/// Resolves what the host provides, and gives `import.meta` its place on disk.
#[derive(Debug, Default)]
struct HostModules {
    kind: Runtime,
    /// Whether it is a configuration that is bundled.
    is_config: bool,
    root: PathBuf,
    conditions: Vec<String>,
    rules: Rules,
    recorder: Arc<Recorder>,
    interop: Interop,
    graph: Mutex<Graph>,
    /// Imports of modules that are not there.
    gaps: Mutex<Vec<Gap>>,
    client_only: Mutex<Vec<String>>,
    /// (importer, file) of compiled addons.
    addons: Mutex<Vec<(String, String)>>,
    /// (importer, package) of imports of packages that load addons.
    loaders: Mutex<Vec<(String, String)>>,
}

/// An import that gets a module that fails when it runs.
#[derive(Debug)]
struct Gap {
    /// The module that it gets.
    id: String,
    edge: Edge,
    message: String,
    /// Which ways to the importer make a route one that cannot be served.
    ways: Ways,
}

impl HostModules {
    /// The file of a specifier of React. Its `react-server` variant, which the other
    /// conditions of Next.js ask for, belongs to pages: it cannot render to a string,
    /// which is what route handlers have it for.
    fn react(&self, args: &HookResolveIdArgs<'_>) -> Option<String> {
        let name = args.specifier.split('/').next()?;
        let from = Path::new(args.importer?).parent().filter(|folder| folder.is_absolute())?;
        if !matches!(name, "react" | "react-dom") {
            return None;
        }
        let kind = if args.kind == ImportKind::Require { "require" } else { "import" };
        let conditions = self.conditions.iter().filter(|name| *name != "react-server").cloned();
        let resolver = oxc_resolver::Resolver::new(oxc_resolver::ResolveOptions {
            condition_names: conditions.chain([kind.to_owned()]).collect(),
            ..oxc_resolver::ResolveOptions::default()
        });
        Some(resolver.resolve(from, args.specifier).ok()?.full_path().display().to_string())
    }

    async fn resolve(&self, ctx: &PluginContext, args: &HookResolveIdArgs<'_>) -> HookResolveIdReturn {
        if args.specifier.starts_with("edgehost:") {
            return Ok(Some(external(args.specifier.to_owned())));
        }
        if args.specifier == metadata::ANSWERS || metadata::is_entry(args.specifier) {
            return Ok(Some(HookResolveIdOutput::from_id(args.specifier.to_owned())));
        }
        if args.specifier == client::MAKER {
            return Ok(Some(HookResolveIdOutput::from_id(args.specifier.to_owned())));
        }
        if let Some(specifier) = client::handed_on(args.specifier) {
            let found = ctx.resolve(specifier, args.importer, None).await?;
            let id = match found {
                Ok(found) if Path::new(shown_id(&found.id)).is_absolute() => {
                    client::id_of(shown_id(&found.id))
                }
                _ => virtuals::empty_id(),
            };
            return Ok(Some(HookResolveIdOutput::from_id(id)));
        }
        if let Some(id) = virtuals::tool_id(args.specifier).filter(|_| self.is_config) {
            return Ok(Some(HookResolveIdOutput::from_id(id)));
        }
        let builtin = node_builtin(args.specifier);
        if let Some(name) = builtin.filter(|name| virtuals::is_open(name, self.kind)) {
            return Ok(Some(match args.kind {
                ImportKind::Require => HookResolveIdOutput::from_id(virtuals::builtin_id(name)),
                _ => external(format!("node:{name}")),
            }));
        }
        if ADDON_LOADERS.contains(&args.specifier) {
            let importer = args.importer.unwrap_or_default();
            if is_of_package(importer) {
                self.loaders.lock().push((importer.to_owned(), args.specifier.to_owned()));
            }
        }
        if args.specifier == virtuals::REACT_ID {
            return Ok(Some(HookResolveIdOutput::from_id(virtuals::REACT_ID)));
        }
        if let Some(path) = self.react(args) {
            let is_itself = args.specifier == "react";
            let id = if is_itself { virtuals::react_id(&path) } else { path };
            return Ok(Some(HookResolveIdOutput::from_id(id)));
        }
        let host = Virtual::of(args.specifier);
        if let Some(found) = host.filter(|found| *found != Virtual::Fallback) {
            if found == Virtual::ClientOnly {
                self.client_only.lock().push(args.importer.unwrap_or_default().to_owned());
            }
            return Ok(Some(HookResolveIdOutput::from_id(found.id(args.specifier))));
        }
        let specifier = args.specifier.strip_suffix(".wasm?module").map(|path| format!("{path}.wasm"));
        let specifier = specifier.as_deref().unwrap_or(args.specifier);
        let options = PluginContextResolveOptions {
            import_kind: args.kind,
            is_entry: args.is_entry,
            skip_self: true,
            custom: Arc::clone(&args.custom),
        };
        // In a browser's place a package may stand in for a built-in module, or a
        // `browser` field turn it off.
        let found = ctx.resolve(specifier, args.importer, Some(options)).await?;
        if let Some(importer) = args.importer.filter(|importer| found.is_err() || !is_of_package(importer)) {
            let is_require = args.kind == ImportKind::Require;
            self.recorder.asked(self.kind, is_require, Path::new(importer), specifier);
        }
        match found {
            Ok(resolved) if resolved.id.ends_with(".node") || edgehost_ext::wants_threads(specifier) => {
                let importer = args.importer.unwrap_or_default();
                let package = asking_package(importer, &resolved.id);
                let shown = self.shown(Some(&resolved.id));
                let id = virtuals::addon_id(package.as_deref(), &shown);
                self.addons.lock().push((importer.to_owned(), shown));
                Ok(Some(HookResolveIdOutput::from_id(id)))
            }
            Ok(resolved) => Ok(Some(self.found(args, resolved))),
            Err(_) if let Some(name) = builtin => Ok(Some(self.forbidden(args, name))),
            Err(_) if host == Some(Virtual::Fallback) => {
                Ok(Some(HookResolveIdOutput::from_id(Virtual::Fallback.id(args.specifier))))
            }
            // Said once by the bundler, not of each import.
            Err(ResolveError::TsconfigNotFound(_) | ResolveError::TsconfigLoadFailed { .. }) => Ok(None),
            Err(_) if args.importer.is_none() => Ok(None),
            Err(error) => Ok(Some(self.absent(args, &error))),
        }
    }

    /// A module that was found, or what stands for it.
    fn found(&self, args: &HookResolveIdArgs<'_>, resolved: ResolvedId) -> HookResolveIdOutput {
        let declared = resolved.package_json.as_ref().and_then(|package| {
            // The bundler would ask by the path, which it does not get to know.
            let below = Path::new(resolved.id.as_str()).strip_prefix(package.realpath().parent()?).ok()?;
            package.check_side_effects_for(below.to_str()?)
        });
        let declared = declared.map(|has| if has { HookSideEffects::True } else { HookSideEffects::False });
        let side_effects = resolved.side_effects.or(declared.filter(|_| is_of_package(resolved.id.as_str())));
        if resolved.module_def_format.is_esm() {
            self.interop.is_node_module(&resolved.id);
        } else if args.kind == ImportKind::Import
            && !resolved.external.is_external()
            && self.interop.stands_apart(args.importer.unwrap_or_default(), &resolved.id)
        {
            let id = virtuals::apart_id(&resolved.id);
            return HookResolveIdOutput { side_effects, ..HookResolveIdOutput::from_id(id) };
        }
        HookResolveIdOutput { side_effects, ..HookResolveIdOutput::from_resolved_id(resolved) }
    }

    /// In the place of a module of Node.js that edge routes may not have.
    fn forbidden(&self, args: &HookResolveIdArgs<'_>, name: &str) -> HookResolveIdOutput {
        let shown = self.shown(args.importer);
        let id = virtuals::missing_id(name, &shown);
        let message = virtuals::not_at_the_edge(name, &shown);
        self.gaps.lock().push(Gap { id: id.clone(), edge: edge(args), message, ways: Ways::AtLoad });
        // An import of it that nobody uses goes.
        HookResolveIdOutput { side_effects: Some(HookSideEffects::False), ..HookResolveIdOutput::from_id(id) }
    }

    /// In the place of a module that cannot be found.
    fn absent(&self, args: &HookResolveIdArgs<'_>, error: &ResolveError) -> HookResolveIdOutput {
        let edge = edge(args);
        let id = virtuals::absent_id(args.specifier);
        let message = match error {
            ResolveError::NotFound(_) => not_found(args.specifier),
            error => format!("Cannot find module '{}': {error}", args.specifier),
        };
        // Packages try for modules that may not be installed. In the project's own files
        // such an import is a mistake, but where a `require` is meant to fail.
        let is_own = !is_of_package(&edge.importer);
        let ways = if is_own && edge.how != How::Require { Ways::All } else { Ways::AtLoad };
        self.gaps.lock().push(Gap { id: id.clone(), edge, message, ways });
        let side_effects = if is_own { HookSideEffects::True } else { HookSideEffects::False };
        HookResolveIdOutput { side_effects: Some(side_effects), ..HookResolveIdOutput::from_id(id) }
    }

    /// An importer as people know it.
    fn shown(&self, importer: Option<&str>) -> String {
        let importer = importer.unwrap_or_default();
        let path = Path::new(importer);
        if path.is_absolute() {
            relative(&self.root, path).display().to_string()
        } else {
            importer.to_owned()
        }
    }
}

impl Plugin for HostModules {
    fn name(&self) -> Cow<'static, str> {
        "edgehost".into()
    }

    fn register_hook_usage(&self) -> HookUsage {
        HookUsage::ResolveId | HookUsage::Load | HookUsage::Transform
    }

    async fn resolve_id(&self, ctx: &PluginContext, args: &HookResolveIdArgs<'_>) -> HookResolveIdReturn {
        let args = &HookResolveIdArgs {
            importer: args.importer.map(shown_id),
            specifier: args.specifier,
            is_entry: args.is_entry,
            kind: args.kind,
            custom: Arc::clone(&args.custom),
        };
        let Some(mut found) = self.resolve(ctx, args).await? else { return Ok(None) };
        // What stands for a module is nobody's importer.
        let id = virtuals::apart_file(&found.id).unwrap_or(found.id.as_str());
        match args.importer {
            Some(importer) if virtuals::apart_file(importer).is_some() => {}
            Some(_) => self.graph.lock().add(id, edge(args)),
            None => self.graph.lock().add_entry(id, args.specifier),
        }
        if !found.external.is_some_and(|external| external.is_external()) {
            let file = Path::new(file_of(id));
            if file.is_absolute() {
                self.recorder.found(file);
            }
            if let Some(hidden) = hidden_id(&found.id) {
                found.id = hidden.into();
            }
        }
        Ok(Some(found))
    }

    async fn load(&self, _ctx: SharedLoadPluginContext, args: &HookLoadArgs<'_>) -> HookLoadReturn {
        let id = shown_id(args.id);
        let (file, query) = id.split_at(file_of(id).len());
        let rule =
            if Path::new(file).is_absolute() { self.rules.kind_of(Path::new(file), query) } else { None };
        if let Some(kind) = rule {
            self.recorder.made_of(Path::new(file));
            let code = match assets::code(Path::new(file), kind)? {
                Some(code) => code,
                None => std::fs::read_to_string(file)?,
            };
            let module_type = match kind {
                FileKind::Json => ModuleType::Json,
                FileKind::TypeScript => ModuleType::Ts,
                FileKind::JavaScript => ModuleType::Jsx,
                _ => ModuleType::Js,
            };
            return Ok(Some(HookLoadOutput {
                code: code.into(),
                module_type: Some(module_type),
                ..HookLoadOutput::default()
            }));
        }
        let code = if id == metadata::ANSWERS {
            Some(metadata::ANSWERS_CODE.to_owned())
        } else if let Some(module) = metadata::Module::of(id) {
            if let Some(path) = metadata::held_file(id) {
                self.recorder.made_of(Path::new(path));
            }
            Some(module.code(&self.shown(Some(module.path)))?)
        } else if let Some(path) = client::file_of(id) {
            self.recorder.made_of(path);
            let source = std::fs::read_to_string(path)?;
            let source_type = SourceType::from_path(path).unwrap_or_else(|_| SourceType::unambiguous());
            client::stand_in_for_handed_on(&self.shown(path.to_str()), &source, source_type)
        } else if id.ends_with(".wasm") {
            self.recorder.made_of(Path::new(id));
            assets::wasm(Path::new(id))
        } else if id != args.id && id == file {
            // The bundler does not know where it is.
            let code = std::fs::read_to_string(file)?;
            let module_type = module_type_of(file, &code);
            return Ok(Some(HookLoadOutput { code: code.into(), module_type, ..HookLoadOutput::default() }));
        } else {
            Virtual::code(id)
        };
        Ok(code.map(|code| HookLoadOutput {
            code: code.into(),
            module_type: Some(ModuleType::Js),
            ..HookLoadOutput::default()
        }))
    }

    async fn transform(
        &self,
        _ctx: SharedTransformPluginContext,
        args: &HookTransformArgs<'_>,
    ) -> HookTransformReturn {
        let code = args.code.as_str();
        let id = shown_id(args.id);
        if Path::new(id).is_absolute() {
            self.recorder.read(Path::new(file_of(id)), code.as_bytes());
        }
        let source_type = source_type(args.module_type).filter(|_| Path::new(id).is_absolute());
        let Some(source_type) = source_type.filter(|_| client::file_of(id).is_none()) else {
            return Ok(None);
        };
        if let Some(code) = client::stand_in(&self.shown(Some(id)), code, source_type) {
            return Ok(Some(HookTransformOutput {
                code: Some(code),
                map: HookTransformOutputMap::Null,
                // A reference that nobody uses goes.
                side_effects: Some(HookSideEffects::False),
                module_type: Some(ModuleType::Js),
            }));
        }
        let mut searched = Vec::new();
        let is_node = self.kind == Runtime::NodeJs;
        let placed = put_in_place(&self.root, id, code, source_type, is_node, &mut searched);
        searched.iter().for_each(|folder| self.recorder.searched(folder));
        Ok(placed)
    }
}

fn edge(args: &HookResolveIdArgs<'_>) -> Edge {
    let how = match args.kind {
        ImportKind::Require => How::Require,
        ImportKind::DynamicImport => How::Dynamic,
        _ => How::Import,
    };
    Edge { importer: args.importer.unwrap_or_default().to_owned(), specifier: args.specifier.to_owned(), how }
}

/// A module that is not in the bundle.
fn external(specifier: String) -> HookResolveIdOutput {
    HookResolveIdOutput {
        id: specifier.into(),
        external: Some(true.into()),
        side_effects: Some(HookSideEffects::False),
        ..HookResolveIdOutput::default()
    }
}

/// What a file of a package is, if its extension does not tell. JSX may stand in `.js`
/// files; code without the end of any element has none, and need not be compiled.
fn module_type_of(file: &str, code: &str) -> Option<ModuleType> {
    let has = |text: &str| memchr::memmem::find(code.as_bytes(), text.as_bytes()).is_some();
    (file.ends_with(".js") && !has("/>") && !has("</")).then_some(ModuleType::Js)
}

/// How a source file is to be parsed.
fn source_type(kind: &ModuleType) -> Option<SourceType> {
    match kind {
        ModuleType::Ts => Some(SourceType::ts()),
        ModuleType::Tsx => Some(SourceType::tsx()),
        ModuleType::Js | ModuleType::Jsx => Some(SourceType::unambiguous().with_jsx(true)),
        _ => None,
    }
}

/// Writes otherwise what a bundle would change the meaning of.
fn put_in_place(
    root: &Path,
    id: &str,
    code: &str,
    source_type: SourceType,
    is_node: bool,
    searched: &mut Vec<PathBuf>,
) -> Option<HookTransformOutput> {
    let is_own = !is_of_package(id);
    let found = edits::edits(root, Path::new(id), code, source_type, is_node, is_own, searched);
    if found.is_empty() {
        return None;
    }
    let mut edited = MagicString::new(code);
    for Edit { span, text } in found {
        edited.update(span.start, span.end, text).ok()?;
    }
    let map = if is_own {
        let source = id.into();
        edited.source_map(SourceMapOptions { source, include_content: false, hires: Hires::Boundary }).into()
    } else {
        HookTransformOutputMap::Omitted
    };
    Some(HookTransformOutput { code: Some(edited.to_string()), map, ..HookTransformOutput::default() })
}

/// Turns the bundler's diagnostics into ours.
struct Reader<'a> {
    root: &'a Path,
    graph: &'a Graph,
}

impl Reader<'_> {
    fn problems(&self, diagnostics: &[BuildDiagnostic]) -> Vec<Problem> {
        diagnostics.iter().map(|diagnostic| self.problem(diagnostic)).collect()
    }

    fn problem(&self, diagnostic: &BuildDiagnostic) -> Problem {
        let options = DiagnosticOptions { cwd: self.root.to_owned() };
        let rendered = diagnostic.to_diagnostic_with(&options);
        let mut message = diagnostic.to_message_with(&options);
        let unresolved = matches!(diagnostic.kind(), EventKind::UnresolvedImport | EventKind::ResolveError);
        let is_error = diagnostic.severity() == Severity::Error;
        let (file, line, column) = match rendered.get_primary_location() {
            Some((file, line, column, _)) => (file, line, column + 1),
            None => (diagnostic.id().unwrap_or_default(), 0, 0),
        };
        // An id that is hidden from the bundler, as it is and as the bundler writes it.
        let file = file.strip_prefix("\\0").unwrap_or(shown_id(&file));
        let absolute = self.root.join(file);
        let source = std::fs::read_to_string(&absolute).unwrap_or_default();
        let code = source.lines().nth(line.saturating_sub(1)).unwrap_or_default().to_owned();
        if unresolved && let Some(specifier) = diagnostic.exporter() {
            message = not_found(&specifier);
        } else if is_error {
            message = message.lines().next().unwrap_or_default().to_owned();
            if let Some((path, reason)) = unloadable(&message) {
                let shown = self.show(Path::new(path));
                message = match no_code(Path::new(path)) {
                    Some(extension) => no_rule(extension, "type: 'asset'", "a `data:` URL of it"),
                    None => format!("{shown} cannot be read: {reason}"),
                };
            } else if let Some(extension) = no_code(&absolute) {
                message = no_rule(extension, "loaders: ['raw-loader'], as: '*.js'", "its text");
            }
        }
        let chain = self.chain(shown_id(&diagnostic.id().unwrap_or_default()));
        let meant = if matches!(diagnostic.kind(), EventKind::MissingExportError) {
            // "name" is not exported by "file", imported by "file".
            let mut quoted = message.split('"').skip(1).step_by(2);
            let pair = quoted.next().zip(quoted.next());
            pair.and_then(|(name, file)| {
                suggest::export(&self.root.join(file.trim_start_matches("\\0")), name)
            })
        } else if unresolved {
            diagnostic.exporter().and_then(|specifier| suggest::module(&absolute, &specifier))
        } else {
            None
        };
        Problem {
            file: self.show(&absolute),
            line,
            column,
            message: self.plain(&message),
            meant,
            code,
            imported_by: chain,
            ..Problem::default()
        }
    }

    fn at_gap(&self, gap: Gap) -> Problem {
        let Gap { edge, message, .. } = gap;
        let importer = Path::new(file_of(&edge.importer));
        let is_lost = message == not_found(&edge.specifier);
        let meant = if is_lost { suggest::module(importer, &edge.specifier) } else { None };
        Problem { meant, ..self.at_import(&edge.importer, &edge.specifier, message) }
    }

    /// What is to be said of an import, which is found by its text in the file.
    fn at_import(&self, importer: &str, specifier: &str, message: String) -> Problem {
        let path = Path::new(file_of(importer));
        let source = std::fs::read_to_string(path).unwrap_or_default();
        let quoted = [format!("'{specifier}'"), format!("\"{specifier}\""), format!("`{specifier}`")];
        let place = source.lines().enumerate().find_map(|(index, line)| {
            let at = quoted.iter().find_map(|text| line.find(text.as_str()))?;
            Some((index + 1, line[..at].chars().count() + 1, line.to_owned()))
        });
        let (line, column, code) = place.unwrap_or_default();
        Problem {
            file: self.show(path),
            line,
            column,
            message,
            code,
            imported_by: self.chain(importer),
            ..Problem::default()
        }
    }

    fn chain(&self, id: &str) -> Vec<String> {
        // Modules of the host stand between others only as far as the bundler is concerned.
        let way = self.graph.way_to(id).into_iter().filter(|id| !id.starts_with('\0'));
        way.map(|id| self.show(Path::new(file_of(id)))).collect()
    }

    /// A message with paths as people know them, also those of ids that are hidden.
    fn plain(&self, message: &str) -> String {
        let message = message.replace("\\0/", "/").replace("\0/", "/");
        message.replace(&format!("\"{}/", self.root.display()), "\"")
    }

    fn show(&self, path: &Path) -> String {
        path.strip_prefix(self.root).unwrap_or(path).display().to_string()
    }
}

/// Path and reason, if a message is about a file that cannot be read.
fn unloadable(message: &str) -> Option<(&str, &str)> {
    let (path, reason) = message.strip_prefix("Could not load ")?.split_once(" - ")?;
    let path = path.split(" (imported by ").next()?;
    Some((path.strip_prefix("\\0").unwrap_or(path), reason))
}

fn no_rule(extension: &str, rule: &str, gives: &str) -> String {
    format!(
        "'.{extension}' files are no code, and next.config has no rule for this one that can be read: `turbopack: {{ rules: {{ '*.{extension}': {{ {rule} }} }} }}` would give {gives}"
    )
}

/// The extension of a file that is no code.
fn no_code(path: &Path) -> Option<&str> {
    const CODE: [&str; 10] = ["cjs", "cts", "js", "json", "jsx", "mjs", "mts", "node", "ts", "tsx"];
    let extension = path.extension()?.to_str()?;
    (!CODE.contains(&extension)).then_some(extension)
}

fn not_found(specifier: &str) -> String {
    let is_package = !specifier.starts_with(['.', '/', '#'])
        && !specifier.starts_with("@/")
        && !specifier.starts_with("~/");
    let advice = if is_package { ": is it installed, or a path that tsconfig.json should map?" } else { "" };
    format!("Cannot find module '{specifier}'{advice}")
}
