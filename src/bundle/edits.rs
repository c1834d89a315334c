//! What has to be written otherwise in a source file before it is bundled: mentions of
//! its own place on disk, which a bundle would move, and imports whose names are
//! computed from a pattern.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use oxc::allocator::Allocator;
use oxc::ast::AstKind;
use oxc::ast::ast::{
    Argument, Expression, ImportExpression, ImportMeta, NewExpression, StaticMemberExpression, UnaryOperator,
};
use oxc::ast_visit::{Visit, walk};
use oxc::parser::Parser;
use oxc::semantic::{NodeId, Semantic, SemanticBuilder};
use oxc::span::{GetSpan, SourceType, Span};
use walkdir::WalkDir;

use super::reach::references;
use super::virtuals::{BUILTINS_SYMBOL, PLACE_SYMBOL};
use crate::build::relative;

/// Files that an import with a computed name may mean.
const EXTENSIONS: [&str; 8] = ["js", "mjs", "cjs", "ts", "tsx", "jsx", "json", "wasm"];

/// Most files that one such import brings into the bundle.
const MOST_FILES: usize = 2000;

/// What stands at a span is to be replaced.
#[derive(Debug)]
pub(super) struct Edit {
    pub(super) span: Span,
    pub(super) text: String,
}

/// Everything that is to be replaced in a file of the project in `root`, or of one of its
/// packages. `is_node` says whether it may have `require`, `is_own` whether it is the user's,
/// not a package's. Folders in which files were looked for come into `searched`.
pub(super) fn edits(
    root: &Path,
    path: &Path,
    code: &str,
    source_type: SourceType,
    is_node: bool,
    is_own: bool,
    searched: &mut Vec<PathBuf>,
) -> Vec<Edit> {
    let has = |text: &str| memchr::memmem::find(code.as_bytes(), text.as_bytes()).is_some();
    let named = has("import.meta") || has("__dirname") || has("__filename");
    let requires = is_node && has("require") && computes_require(code);
    let patterns = is_own && code.contains("import(") && code.contains('`');
    let wrappers = names_wrapper(code);
    if !(named || requires || patterns || wrappers) {
        return Vec::new();
    }
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, code, source_type).parse();
    if parsed.panicked {
        return Vec::new();
    }
    let mut seen = Seen { root, path, patterns, edits: Vec::new(), searched };
    seen.visit_program(&parsed.program);
    let mut edits = seen.edits;
    let semantic = SemanticBuilder::new().with_build_nodes(true).build(&parsed.program).semantic;
    for (name, text) in [("__dirname", place(root, folder(path))), ("__filename", place(root, path))] {
        edits.extend(references(&semantic, name).into_iter().map(|node| at(&semantic, node, name, &text)));
    }
    if requires {
        let text = format!(
            "globalThis[Symbol.for({BUILTINS_SYMBOL:?})](\"module\").createRequire({})",
            place(root, path)
        );
        let computed =
            references(&semantic, "require").into_iter().filter(|node| is_computed(&semantic, *node));
        edits.extend(computed.map(|node| at(&semantic, node, "require", &text)));
    }
    if wrappers && !parsed.module_record.has_module_syntax {
        rename_wrappers(&semantic, &mut edits);
    }
    edits
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// A path as it is seen from the project: the bundle may run on another machine.
fn quoted(root: &Path, path: &Path) -> String {
    serde_json::Value::from(relative(root, path).display().to_string()).to_string()
}

/// Code that says where a file lies while it runs.
fn place(root: &Path, path: &Path) -> String {
    format!("globalThis[Symbol.for({PLACE_SYMBOL:?})]({})", quoted(root, path))
}

/// As [`place`], as a URL.
fn url(root: &Path, path: &Path) -> String {
    format!("globalThis[Symbol.for({PLACE_SYMBOL:?})]({}, true)", quoted(root, path))
}

/// The edit of a name that is read.
fn at(semantic: &Semantic<'_>, node: NodeId, name: &str, text: &str) -> Edit {
    let span = semantic.nodes().get_node(node).kind().span();
    let parent = semantic.nodes().parent_kind(node);
    let is_shorthand = matches!(parent, AstKind::ObjectProperty(property) if property.shorthand);
    Edit { span, text: if is_shorthand { format!("{name}: {text}") } else { text.to_owned() } }
}

/// Whether a `require` is anything but a call with a name that is written out.
fn is_computed(semantic: &Semantic<'_>, node: NodeId) -> bool {
    let span = semantic.nodes().get_node(node).kind().span();
    match semantic.nodes().parent_kind(node) {
        AstKind::CallExpression(call) if call.callee.span() == span => match call.arguments.first() {
            Some(Argument::StringLiteral(_)) => false,
            Some(Argument::TemplateLiteral(template)) => !template.expressions.is_empty(),
            _ => true,
        },
        AstKind::UnaryExpression(unary) => unary.operator != UnaryOperator::Typeof,
        _ => true,
    }
}

/// Whether some `require` is not followed by a quoted name; looks at the text only.
pub(super) fn computes_require(code: &str) -> bool {
    code.match_indices("require").any(|(at, word)| {
        let after = code[at + word.len()..].trim_start();
        match after.strip_prefix('(') {
            Some(argument) => !argument.trim_start().starts_with(['"', '\'']),
            None => true,
        }
    })
}

/// Whether a name is like those that the bundler gives to its wrappers of CommonJS
/// modules of the same file name: `require_context$1`.
fn is_wrapper(name: &str) -> bool {
    name.strip_prefix("require_")
        .and_then(|rest| rest.rsplit_once('$'))
        .is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn names_wrapper(code: &str) -> bool {
    code.match_indices("require_").any(|(at, _)| {
        let end = code[at..].find(|char: char| !char.is_ascii_alphanumeric() && !matches!(char, '_' | '$'));
        is_wrapper(&code[at..end.map_or(code.len(), |end| at + end)])
    })
}

/// Gives such variables of a CommonJS module other names: they would hide the bundler's.
fn rename_wrappers(semantic: &Semantic<'_>, edits: &mut Vec<Edit>) {
    let scoping = semantic.scoping();
    for symbol in scoping.symbol_ids() {
        let name = scoping.symbol_name(symbol);
        if !is_wrapper(name) {
            continue;
        }
        let text = format!("{name}$local");
        edits.push(Edit { span: scoping.symbol_span(symbol), text: text.clone() });
        let again = scoping.symbol_redeclarations(symbol).iter();
        edits.extend(
            again
                .map(|found| found.span)
                .filter(|span| *span != scoping.symbol_span(symbol))
                .map(|span| Edit { span, text: text.clone() }),
        );
        let nodes = scoping.get_resolved_references(symbol).map(oxc::semantic::Reference::node_id);
        edits.extend(nodes.map(|node| at(semantic, node, name, &text)));
    }
}

struct Seen<'p> {
    root: &'p Path,
    path: &'p Path,
    patterns: bool,
    edits: Vec<Edit>,
    searched: &'p mut Vec<PathBuf>,
}

impl<'a> Visit<'a> for Seen<'_> {
    fn visit_static_member_expression(&mut self, member: &StaticMemberExpression<'a>) {
        if !matches!(member.object.get_inner_expression(), Expression::ImportMeta(_)) {
            return walk::walk_static_member_expression(self, member);
        }
        let text = match member.property.name.as_str() {
            "url" => url(self.root, self.path),
            "filename" => place(self.root, self.path),
            "dirname" => place(self.root, folder(self.path)),
            _ => return,
        };
        self.edits.push(Edit { span: member.span, text });
    }

    fn visit_new_expression(&mut self, new: &NewExpression<'a>) {
        walk::walk_new_expression(self, new);
        if let [Argument::StringLiteral(name), base] = new.arguments.as_slice()
            && new.callee.is_specific_id("URL")
            && is_own_url(base)
            && let Some(file) = file_of_package(self.path, name.value.as_str())
        {
            self.edits.push(Edit { span: name.span, text: url(self.root, &file) });
        }
    }

    fn visit_import_meta(&mut self, meta: &ImportMeta) {
        let (url, filename) = (url(self.root, self.path), place(self.root, self.path));
        let dirname = place(self.root, folder(self.path));
        let text = format!("({{ __proto__: null, url: {url}, filename: {filename}, dirname: {dirname} }})");
        self.edits.push(Edit { span: meta.span, text });
    }

    fn visit_import_expression(&mut self, import: &ImportExpression<'a>) {
        walk::walk_import_expression(self, import);
        let Expression::TemplateLiteral(template) = &import.source else { return };
        if !self.patterns || template.expressions.is_empty() || import.options.is_some() {
            return;
        }
        let pieces: Option<Vec<&str>> = template
            .quasis
            .iter()
            .map(|piece| piece.value.cooked.as_ref().map(|text| text.as_str()))
            .collect();
        let Some(pieces) = pieces else { return };
        let files = matching(self.path, &pieces, self.searched);
        if files.is_empty() {
            return;
        }
        let mut before = String::from("((name) => { const found = { __proto__: null");
        for (specifier, file) in &files {
            let (specifier, file) =
                (serde_json::Value::from(specifier.as_str()), serde_json::Value::from(file.as_str()));
            let _ = write!(before, ", {specifier}: () => import({file})");
        }
        before.push_str(
            " }; return found[name]?.() ?? Promise.reject(Object.assign(new Error(`Cannot find module '${name}'`), { code: \"MODULE_NOT_FOUND\" })); })(",
        );
        let source = import.source.span();
        self.edits.push(Edit { span: Span::new(import.span.start, source.start), text: before });
        self.edits.push(Edit { span: Span::new(source.end, import.span.end), text: ")".to_owned() });
    }
}

/// Whether an argument is `import.meta.url`.
fn is_own_url(argument: &Argument<'_>) -> bool {
    argument
        .as_expression()
        .and_then(|argument| argument.get_inner_expression().as_member_expression())
        .is_some_and(|member| {
            member.static_property_name() == Some("url")
                && matches!(member.object().get_inner_expression(), Expression::ImportMeta(_))
        })
}

/// The file of an installed package that `new URL(name, import.meta.url)` means: bundlers
/// look for it where there is no file of that name beside the importer.
pub(super) fn file_of_package(importer: &Path, name: &str) -> Option<PathBuf> {
    let name = name.split(['?', '#']).next()?;
    let folder = folder(importer);
    // A package by itself is no file.
    let least = if name.starts_with('@') { 2 } else { 1 };
    if name.starts_with(['.', '/']) || name.contains(':') || name.matches('/').count() < least {
        return None;
    }
    if folder.join(name).exists() {
        return None;
    }
    let plain =
        folder.ancestors().map(|above| above.join("node_modules").join(name)).find(|path| path.is_file());
    plain.or_else(|| {
        let resolver = oxc_resolver::Resolver::new(oxc_resolver::ResolveOptions {
            condition_names: vec!["import".to_owned()],
            ..oxc_resolver::ResolveOptions::default()
        });
        Some(resolver.resolve(folder, name).ok()?.full_path()).filter(|path| path.is_file())
    })
}

/// The files that an import from `path` may mean whose name is made of `pieces` with
/// something between them: names as they may be written, and those of the files.
fn matching(path: &Path, pieces: &[&str], searched: &mut Vec<PathBuf>) -> Vec<(String, String)> {
    let start = pieces.first().copied().unwrap_or_default();
    let Some((start, _)) = start.rsplit_once('/').filter(|(start, _)| start.starts_with('.')) else {
        return Vec::new();
    };
    let base: PathBuf = folder(path).join(start);
    let files = WalkDir::new(&base).sort_by_file_name().into_iter().filter_entry(|entry| {
        let name = entry.file_name().to_string_lossy();
        entry.depth() == 0 || name != "node_modules" && !name.starts_with('.')
    });
    let mut found = Vec::new();
    for file in files.filter_map(Result::ok) {
        if file.file_type().is_dir() {
            searched.push(file.path().to_owned());
        }
        if !file.file_type().is_file() {
            continue;
        }
        let file = file.path();
        let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let Some(below) = file.strip_prefix(&base).ok().and_then(Path::to_str) else { continue };
        if file == path || !EXTENSIONS.contains(&extension) || below.ends_with(".d.ts") {
            continue;
        }
        let whole = format!("{start}/{below}");
        let stem = whole.strip_suffix(extension).and_then(|stem| stem.strip_suffix('.')).unwrap_or(&whole);
        let names = [Some(whole.as_str()), Some(stem), stem.strip_suffix("/index")];
        for name in names.into_iter().flatten().filter(|name| fits(name, pieces)) {
            found.push((name.to_owned(), whole.clone()));
        }
        if found.len() >= MOST_FILES {
            break;
        }
    }
    // Of files that may be written alike, the first extension wins, as it does elsewhere.
    found.sort_by_key(|(name, file)| {
        let extension = file.rsplit('.').next().unwrap_or_default();
        (name.clone(), EXTENSIONS.iter().position(|known| *known == extension))
    });
    found.dedup_by(|next, first| next.0 == first.0);
    found
}

/// Whether a name begins with the first piece, ends with the last, and has the others
/// between them in their order.
fn fits(name: &str, pieces: &[&str]) -> bool {
    let [first, middle @ .., last] = pieces else { return false };
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    for piece in middle {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(code: &str) -> String {
        let mut edits = edits(
            "/p".as_ref(),
            "/p/a/file.js".as_ref(),
            code,
            SourceType::unambiguous(),
            true,
            true,
            &mut Vec::new(),
        );
        edits.sort_by_key(|edit| std::cmp::Reverse(edit.span.start));
        let mut code = code.to_owned();
        for Edit { span, text } in edits {
            code.replace_range(span.start as usize..span.end as usize, &text);
        }
        code
    }

    #[test]
    fn a_file_knows_its_place() {
        let at = "globalThis[Symbol.for(\"edgehost.place\")]";
        for (code, becomes) in [
            ("import.meta.url;", &*format!("{at}(\"a/file.js\", true);")),
            ("f({ __dirname });", &*format!("f({{ __dirname: {at}(\"a\") }});")),
            ("const { __dirname } = x; __dirname;", "const { __dirname } = x; __dirname;"),
            ("import.meta.env;", "import.meta.env;"),
            ("typeof require; require('x');", "typeof require; require('x');"),
        ] {
            assert_eq!(edited(code), becomes);
        }
        assert!(edited("const { url } = import.meta;").contains(&format!("filename: {at}(\"a/file.js\")")));
        assert!(edited("require(name);").contains(&format!("createRequire({at}(\"a/file.js\"))(name)")));
    }

    #[test]
    fn variables_do_not_hide_wrappers_of_the_bundler() {
        let code = "const require_a$1 = require('./a'); { f({ require_a$1 }, require_a$1.b, require_a); }";
        let becomes = "const require_a$1$local = require('./a'); { f({ require_a$1: require_a$1$local }, require_a$1$local.b, require_a); }";
        assert_eq!(edited(code), becomes);
        assert_eq!(edited("export const require_a$1 = 1;"), "export const require_a$1 = 1;");
    }

    #[test]
    fn names_fit_their_pattern() {
        assert!(fits("./m/en.json", &["./m/", ".json"]));
        assert!(fits("./m/en/a.json", &["./m/", "/", ".json"]));
        assert!(!fits("./m/en.json", &["./m/", "/", ".json"]));
        assert!(!fits("./n/en.json", &["./m/", ".json"]));
    }
}
