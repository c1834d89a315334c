//! The adapter to rolldown. No other file names a type of it: the crate promises
//! no stable API.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use oxc::span::SourceType;
use parking_lot::Mutex;
use rolldown::plugin::{
    HookLoadArgs, HookLoadOutput, HookLoadReturn, HookResolveIdArgs, HookResolveIdOutput,
    HookResolveIdReturn, HookTransformArgs, HookTransformOutput, HookTransformReturn, HookUsage, Plugin,
    PluginContext, PluginContextResolveOptions, Pluginable, SharedLoadPluginContext,
    SharedTransformPluginContext,
};
use rolldown::{
    AttachDebugInfo, Bundler, BundlerOptions, BundlerTransformOptions, ChecksOptions, Either,
    ExperimentalOptions, InputItem, JsxOptions, ModuleType, OutputFormat, Platform, PreserveEntrySignatures,
    RawMinifyOptions, ResolveOptions, SourceMapType, TsConfig,
};
use rolldown_common::side_effects::HookSideEffects;
use rolldown_common::{ImportKind, Output, OutputChunk};
use rolldown_error::{BuildDiagnostic, DiagnosableResolveError, DiagnosticOptions, EventKind, Severity};
use string_wizard::{Hires, MagicString, SourceMapOptions};
use url::Url;

use super::places::{self, Edit};
use super::reach;
use super::virtuals::{self, Virtual, node_builtin};
use super::{BundleError, Chunk, Entry, Part, Problem, SourceMap, methods_of, package_of};
use crate::project::Runtime;

/// A build that takes longer is taken for stuck: a panic in one of the bundler's
/// tasks makes it wait for ever.
const PATIENCE: Duration = Duration::from_secs(300);

/// Stack of the bundler's threads; its parser and printer recurse.
const STACK: usize = 16 * 1024 * 1024;

/// Bundles the routes of one runtime, on threads of its own.
pub(super) async fn run(
    root: &Path,
    kind: Runtime,
    conditions: &[String],
    routes: &[(usize, &Path)],
) -> Result<Part, BundleError> {
    let root = root.to_owned();
    let conditions = conditions.to_owned();
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
                    let result = runtime.block_on(build(&root, kind, conditions, &routes));
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

async fn build(
    root: &Path,
    kind: Runtime,
    conditions: Vec<String>,
    routes: &[(usize, PathBuf)],
) -> Result<Part, BundleError> {
    let plugin = Arc::new(HostModules {
        kind,
        root: root.to_owned(),
        conditions: conditions.clone(),
        ..HostModules::default()
    });
    let plugins = vec![plugin.clone() as Arc<dyn Pluginable>];
    let reader = Reader { root, importers: HashMap::new() };
    let mut bundler = Bundler::with_plugins(options(root, kind, conditions, routes), plugins)
        .map_err(|errors| BundleError::Problems(reader.problems(errors.into_vec())))?;
    let built = tokio::time::timeout(PATIENCE, bundler.generate())
        .await
        .map_err(|_| BundleError::Bundler(format!("it did not finish within {} s", PATIENCE.as_secs())))?;
    let infos: Vec<_> = bundler
        .last_bundle_handle
        .as_ref()
        .map(|handle| handle.plugin_driver().module_infos.iter().map(|entry| entry.value().clone()).collect())
        .unwrap_or_default();
    let mut importers: HashMap<String, String> = HashMap::new();
    for info in &infos {
        for imported in info.imported_ids.iter().chain(info.dynamically_imported_ids.iter()) {
            importers.entry(imported.to_string()).or_insert_with(|| info.id.to_string());
        }
    }
    let reader = Reader { root, importers };
    let output = match built {
        Ok(output) => output,
        Err(errors) => {
            let mut problems = reader.problems(errors.into_vec());
            let known: Vec<String> = problems.iter().map(|problem| problem.message.clone()).collect();
            let unresolved = plugin.unresolved.lock();
            problems.extend(
                unresolved
                    .iter()
                    .map(|(importer, specifier)| reader.unresolved(importer, specifier))
                    .filter(|problem| !known.contains(&problem.message)),
            );
            return Err(BundleError::Problems(problems));
        }
    };
    let _ = bundler.close().await;

    let (errors, warnings): (Vec<_>, Vec<_>) = output
        .warnings
        .into_iter()
        .filter(|warning| !is_of_package(warning.id().as_deref().unwrap_or_default()))
        .partition(|warning| matches!(warning.kind(), EventKind::UnresolvedImport));
    if !errors.is_empty() {
        return Err(BundleError::Problems(reader.problems(errors)));
    }
    let mut part = Part { warnings: reader.problems(warnings), ..Part::default() };
    part.warnings.extend(plugin.client_only.lock().iter().map(|importer| Problem {
        message: "'client-only' cannot be imported from a Server Component module. It should only be used from a Client Component.".to_owned(),
        ..reader.unresolved(importer, "client-only")
    }));
    // Once for each package: it looks for its addon in several places.
    let mut told: HashSet<String> = HashSet::new();
    let mut is_news = |importer: &str| package_of(Path::new(importer)).is_none_or(|name| told.insert(name));
    for (importer, shown) in plugin.addons.lock().iter().filter(|(importer, _)| is_news(importer)) {
        part.warnings.push(Problem {
            message: virtuals::addon_message(shown),
            ..reader.unresolved(importer, shown.rsplit('/').next().unwrap_or_default())
        });
    }
    for (importer, loader) in plugin.loaders.lock().iter().filter(|(importer, _)| is_news(importer)) {
        part.warnings.push(Problem {
            message: virtuals::loader_message(importer, loader),
            ..reader.unresolved(importer, loader)
        });
    }
    let chunks: Vec<_> = output
        .assets
        .iter()
        .filter_map(|output| if let Output::Chunk(chunk) = output { Some(chunk) } else { None })
        .collect();
    let included =
        |id: &str| chunks.iter().any(|chunk| chunk.modules.keys.iter().any(|key| key.as_str() == id));
    let missing: Vec<Problem> = plugin
        .missing
        .lock()
        .iter()
        .filter(|(id, importer, specifier)| included(id) && is_reached(importer, specifier))
        .filter_map(|(id, importer, specifier)| {
            let (name, shown) = virtuals::missing(id)?;
            let message = virtuals::not_at_the_edge(name, shown);
            Some(Problem { message, ..reader.unresolved(importer, specifier) })
        })
        .collect();
    if !missing.is_empty() {
        return Err(BundleError::Problems(missing));
    }
    for chunk in chunks {
        take(&mut part, root, kind, routes, chunk);
    }
    part.wants_node = part.chunks.values().any(|chunk| reach::wants_node(&chunk.code));
    part.inputs = infos
        .iter()
        .map(|info| PathBuf::from(info.id.split('?').next().unwrap_or_default()))
        .filter(|path| path.is_absolute())
        .collect();
    Ok(part)
}

fn take(part: &mut Part, root: &Path, kind: Runtime, routes: &[(usize, PathBuf)], chunk: &OutputChunk) {
    let specifier = format!("edgehost:///{}/{}", kind.name(), chunk.filename);
    let map = chunk.map.as_ref().map(|map| {
        let sources = map.get_sources().map(|source| file_url(&root.join(source))).collect::<Vec<_>>();
        let mut map = map.clone();
        map.set_sources(sources);
        SourceMap::Memory(map.to_json_string().into())
    });
    if chunk.is_entry {
        let route = chunk.name.strip_prefix("route-").and_then(|index| index.parse::<usize>().ok());
        if let Some((index, _)) = route.and_then(|position| routes.get(position)) {
            let exports: Vec<&str> = chunk.exports.iter().map(|name| name.as_str()).collect();
            let methods = methods_of(&exports);
            part.entries.push((*index, Entry { specifier: specifier.clone(), methods }));
        }
    }
    // A CommonJS module that threw runs anew when it is asked for again.
    let code = chunk.code.replacen(RUN_ONCE, RUN_UNTIL_DONE, 1);
    let chunk = Chunk { code: code.into(), map: map.unwrap_or(SourceMap::Absent) };
    part.chunks.insert(specifier, chunk);
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

/// Whether a file asks for a module as soon as it runs; in doubt it does.
fn is_reached(file: &str, specifier: &str) -> bool {
    let Ok(code) = std::fs::read_to_string(file) else { return true };
    let source_type = SourceType::from_path(file).unwrap_or_else(|_| SourceType::unambiguous());
    reach::reaches(&code, source_type, specifier)
}

fn file_url(path: &Path) -> String {
    Url::from_file_path(path).map_or_else(|()| path.display().to_string(), |url| url.to_string())
}

fn is_of_package(id: &str) -> bool {
    id.contains("/node_modules/") || id.starts_with("node_modules/")
}

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn options(
    root: &Path,
    kind: Runtime,
    conditions: Vec<String>,
    routes: &[(usize, PathBuf)],
) -> BundlerOptions {
    let edge = kind == Runtime::Edge;
    let input = routes.iter().enumerate().map(|(position, (_, file))| InputItem {
        name: Some(format!("route-{position}")),
        import: file.display().to_string(),
    });
    let tsconfig = ["tsconfig.json", "jsconfig.json"]
        .map(|name| root.join(name))
        .into_iter()
        .find(|path| path.is_file());
    let resolve = ResolveOptions {
        condition_names: Some(conditions),
        main_fields: Some(strings(if edge { &["browser", "module", "main"] } else { &["module", "main"] })),
        alias_fields: edge.then(|| vec![vec!["browser".to_owned()]]),
        extensions: Some(strings(&[".js", ".mjs", ".tsx", ".ts", ".jsx", ".cjs", ".json", ".wasm"])),
        ..ResolveOptions::default()
    };
    let empty =
        [".css", ".scss", ".sass", ".less"].map(|extension| (extension.to_owned(), ModuleType::Empty));
    let mut module_types: Vec<(String, ModuleType)> = empty.into();
    module_types.push((".js".to_owned(), ModuleType::Jsx));
    let constants = [("process.env.NODE_ENV", "\"production\""), ("process.browser", "false")];
    BundlerOptions {
        input: Some(input.collect()),
        cwd: Some(root.to_owned()),
        // Maps name their sources relative to this; nothing is written.
        dir: Some(root.display().to_string()),
        // The other platforms add conditions and, for Node, a `require` of their own.
        platform: Some(Platform::Neutral),
        format: Some(OutputFormat::Esm),
        sourcemap: Some(SourceMapType::Hidden),
        tsconfig: Some(tsconfig.map_or(TsConfig::Auto(false), TsConfig::Manual)),
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
        chunk_filenames: Some("chunk-[name]-[hash].js".to_owned().into()),
        checks: Some(ChecksOptions {
            configuration_field_conflict: Some(false),
            plugin_timings: Some(false),
            ..ChecksOptions::default()
        }),
        experimental: Some(ExperimentalOptions {
            attach_debug_info: Some(AttachDebugInfo::None),
            ..ExperimentalOptions::default()
        }),
        ..BundlerOptions::default()
    }
}

/// Resolves what the host provides, and gives `import.meta` its place on disk.
#[derive(Debug, Default)]
struct HostModules {
    kind: Runtime,
    root: PathBuf,
    conditions: Vec<String>,
    /// (importer, specifier) of imports in the user's own files that lead nowhere.
    unresolved: Mutex<Vec<(String, String)>>,
    client_only: Mutex<Vec<String>>,
    /// (id, importer, specifier) of modules of Node.js that an edge route asks for.
    missing: Mutex<Vec<(String, String, String)>>,
    /// (importer, file) of compiled addons.
    addons: Mutex<Vec<(String, String)>>,
    /// (importer, package) of imports of packages that load addons.
    loaders: Mutex<Vec<(String, String)>>,
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

    /// An importer as people know it.
    fn shown<'a>(&self, importer: Option<&'a str>) -> &'a str {
        let importer = importer.unwrap_or_default();
        Path::new(importer).strip_prefix(&self.root).ok().and_then(Path::to_str).unwrap_or(importer)
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
        if args.specifier.starts_with("edgehost:") {
            return Ok(Some(external(args.specifier.to_owned())));
        }
        let builtin = node_builtin(args.specifier);
        if let Some(name) = builtin.filter(|name| virtuals::is_open(name, self.kind)) {
            return Ok(Some(match args.kind {
                ImportKind::Require => HookResolveIdOutput::from_id(virtuals::builtin_id(name)),
                _ => external(format!("node:{name}")),
            }));
        }
        // In a browser's place a package may stand in for a built-in module, or a
        // `browser` field turn it off.
        let builtin = builtin.map(|name| {
            let importer = args.importer.unwrap_or_default();
            let id = virtuals::missing_id(name, self.shown(args.importer));
            self.missing.lock().push((id.clone(), importer.to_owned(), args.specifier.to_owned()));
            // An import of it that nobody uses goes.
            HookResolveIdOutput {
                side_effects: Some(HookSideEffects::False),
                ..HookResolveIdOutput::from_id(id)
            }
        });
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
        match ctx.resolve(specifier, args.importer, Some(options)).await? {
            Ok(resolved) if resolved.id.ends_with(".node") => {
                let shown = self.shown(Some(&resolved.id)).to_owned();
                let id = virtuals::addon_id(&shown);
                self.addons.lock().push((args.importer.unwrap_or_default().to_owned(), shown));
                Ok(Some(HookResolveIdOutput::from_id(id)))
            }
            Ok(resolved) => Ok(Some(HookResolveIdOutput::from_resolved_id(resolved))),
            Err(_) if builtin.is_some() => Ok(builtin),
            Err(_) if host == Some(Virtual::Fallback) => {
                Ok(Some(HookResolveIdOutput::from_id(Virtual::Fallback.id(args.specifier))))
            }
            Err(_) => {
                let importer = args.importer.unwrap_or_default();
                if args.kind == ImportKind::Require {
                    let id = virtuals::absent_id(args.specifier);
                    return Ok(Some(HookResolveIdOutput::from_id(id)));
                }
                let imports = matches!(args.kind, ImportKind::Import | ImportKind::DynamicImport);
                if imports && !is_of_package(importer) {
                    self.unresolved.lock().push((importer.to_owned(), args.specifier.to_owned()));
                }
                Ok(None)
            }
        }
    }

    async fn load(&self, _ctx: SharedLoadPluginContext, args: &HookLoadArgs<'_>) -> HookLoadReturn {
        let code = if args.id.ends_with(".wasm") { wasm(Path::new(args.id)) } else { Virtual::code(args.id) };
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
        Ok(put_in_place(args.id, args.code.as_str(), args.module_type, self.kind == Runtime::NodeJs))
    }
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

/// A module whose default export is the compiled `WebAssembly.Module`.
fn wasm(path: &Path) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    let mut hex = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(hex, "{byte:02x}");
    }
    Some(format!("export default new WebAssembly.Module(Uint8Array.fromHex(\"{hex}\"));"))
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
fn put_in_place(id: &str, code: &str, kind: &ModuleType, is_node: bool) -> Option<HookTransformOutput> {
    let path = Path::new(id);
    if !path.is_absolute() {
        return None;
    }
    let found = places::edits(path, code, source_type(kind)?, is_node, !is_of_package(id));
    if found.is_empty() {
        return None;
    }
    let mut edited = MagicString::new(code);
    for Edit { span, text } in found {
        edited.update(span.start, span.end, text).ok()?;
    }
    let options = SourceMapOptions { source: id.into(), include_content: true, hires: Hires::Boundary };
    let map = edited.source_map(options);
    Some(HookTransformOutput {
        code: Some(edited.to_string()),
        map: map.into(),
        ..HookTransformOutput::default()
    })
}

/// Turns the bundler's diagnostics into ours.
struct Reader<'a> {
    root: &'a Path,
    /// Who imports a module; one of them, if there are several.
    importers: HashMap<String, String>,
}

impl Reader<'_> {
    fn problems(&self, diagnostics: Vec<BuildDiagnostic>) -> Vec<Problem> {
        diagnostics.into_iter().map(|diagnostic| self.problem(diagnostic)).collect()
    }

    fn problem(&self, mut diagnostic: BuildDiagnostic) -> Problem {
        let options = DiagnosticOptions { cwd: self.root.to_owned() };
        let rendered = diagnostic.to_diagnostic_with(&options);
        let mut message = diagnostic.to_message_with(&options);
        let unresolved = matches!(diagnostic.kind(), EventKind::UnresolvedImport | EventKind::ResolveError);
        let is_error = diagnostic.severity() == Severity::Error;
        let (file, line, column) = match rendered.get_primary_location() {
            Some((file, line, column, _)) => (file, line, column + 1),
            None => (diagnostic.id().unwrap_or_default(), 0, 0),
        };
        let absolute = self.root.join(&file);
        let source = std::fs::read_to_string(&absolute).unwrap_or_default();
        let code = source.lines().nth(line.saturating_sub(1)).unwrap_or_default().to_owned();
        let mut chain = Vec::new();
        if let Some(error) = diagnostic.downcast_mut::<DiagnosableResolveError>()
            && let Some(found) = error.import_chain.take()
        {
            chain = found.into_iter().rev().skip(1).map(|id| self.show(Path::new(&id))).collect();
        }
        if unresolved && let Some(specifier) = diagnostic.exporter() {
            message = not_found(&specifier);
        } else if is_error {
            message = message.lines().next().unwrap_or_default().to_owned();
        }
        if chain.is_empty() {
            chain = self.chain(&absolute);
        }
        Problem { file: self.show(&absolute), line, column, message, code, imported_by: chain }
    }

    /// An import that leads nowhere, found by its text in the file.
    fn unresolved(&self, importer: &str, specifier: &str) -> Problem {
        let path = Path::new(importer);
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
            message: not_found(specifier),
            code,
            imported_by: self.chain(path),
        }
    }

    fn chain(&self, file: &Path) -> Vec<String> {
        let mut chain = Vec::new();
        let mut id = file.display().to_string();
        while let Some(importer) = self.importers.get(&id) {
            let shown = self.show(Path::new(importer));
            if chain.contains(&shown) || chain.len() > 20 {
                break;
            }
            chain.push(shown);
            id.clone_from(importer);
        }
        chain
    }

    fn show(&self, path: &Path) -> String {
        path.strip_prefix(self.root).unwrap_or(path).display().to_string()
    }
}

fn not_found(specifier: &str) -> String {
    let is_package = !specifier.starts_with(['.', '/', '#'])
        && !specifier.starts_with("@/")
        && !specifier.starts_with("~/");
    let advice = if is_package { ": is it installed, or a path that tsconfig.json should map?" } else { "" };
    format!("Cannot find module '{specifier}'{advice}")
}
