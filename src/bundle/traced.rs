//! Files that code reads while it runs: found where it makes their paths of its own place, or
//! of the folder of the project.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};

use memchr::memmem;
use oxc::allocator::Allocator;
use oxc::ast::AstKind;
use oxc::ast::ast::{
    Argument, BinaryExpression, BinaryOperator, BindingPattern, CallExpression, Expression,
    IdentifierReference, MemberExpression, NewExpression, TemplateLiteral,
};
use oxc::ast_visit::{Visit, walk};
use oxc::parser::Parser;
use oxc::semantic::{Semantic, SemanticBuilder};
use oxc::span::{SourceType, Span};
use walkdir::WalkDir;

use super::edits::{computes_require, file_of_package};

/// Files without any of these do not know their place.
const MARKS: [&str; 4] = ["__dirname", "__filename", "import.meta", "process.cwd"];

/// What may be left out of a name that `require` is given while code runs.
const LEFT_OUT: [&str; 6] = ["", ".js", ".json", ".cjs", "/index.js", "/package.json"];

/// Most files of a folder that is read as a whole.
const MOST_FILES: usize = 5000;

/// How deep expressions are looked into.
const DEEPEST: usize = 32;

/// What code reads while it runs, each with a file whose code does.
///
/// Nothing outside of `roots` is named: those of the project and its packages. Hidden files
/// are not, `.env` least of all.
pub(crate) fn traced(root: &Path, roots: &[PathBuf], inputs: &[PathBuf]) -> BTreeMap<PathBuf, PathBuf> {
    let mut found = BTreeMap::new();
    // Modules that are bundled too, where some code names them as it runs.
    let mut at_run_time = BTreeSet::new();
    for input in inputs {
        let Ok(code) = std::fs::read_to_string(input) else { continue };
        let has = |text: &&str| memmem::find(code.as_bytes(), text.as_bytes()).is_some();
        if !MARKS.iter().any(has) && !computes_require(&code) {
            continue;
        }
        let Paths { read, required } = paths(root, input, &code);
        for path in &read {
            let Ok(path) = path.canonicalize() else { continue };
            for file in files(&path, roots, root) {
                found.entry(file).or_insert_with(|| input.clone());
            }
        }
        for path in required {
            let candidates = LEFT_OUT.map(|end| PathBuf::from(format!("{}{end}", path.display())));
            let Some(path) = candidates.iter().find_map(|path| path.canonicalize().ok()) else { continue };
            // Node.js reads there what kind of modules they are.
            let package =
                path.ancestors().map(|folder| folder.join("package.json")).find(|file| file.is_file());
            for file in files(&path, roots, root).into_iter().chain(package) {
                at_run_time.insert(file.clone());
                found.entry(file).or_insert_with(|| input.clone());
            }
        }
    }
    for input in inputs {
        // What is bundled is not read; data that both is bundled and read is.
        let is_code = input.extension().is_some_and(|extension| {
            ["js", "mjs", "cjs", "ts", "mts", "cts", "tsx", "jsx"].iter().any(|code| extension == *code)
        });
        if is_code && !at_run_time.contains(input) {
            found.remove(input);
        }
    }
    found
}

/// The files at a path that was found: itself, or those in a folder.
fn files(path: &Path, roots: &[PathBuf], root: &Path) -> Vec<PathBuf> {
    let Some(below) = roots.iter().find_map(|root| path.strip_prefix(root).ok()) else { return Vec::new() };
    let is_shown = |part: Component<'_>| !part.as_os_str().to_string_lossy().starts_with('.');
    // Packages may lie in hidden folders, as pnpm has it.
    let is_package = path.components().any(|part| part.as_os_str() == "node_modules");
    if !is_package && !below.components().all(is_shown) {
        return Vec::new();
    }
    if path.is_file() {
        return vec![path.to_owned()];
    }
    // The folder of a whole project or package says nothing.
    let is_whole = path == root || path.join("package.json").is_file() || path.ends_with("node_modules");
    if is_whole || below.as_os_str().is_empty() {
        return Vec::new();
    }
    let entries = WalkDir::new(path).sort_by_file_name().into_iter().filter_entry(|entry| {
        let name = entry.file_name().to_string_lossy();
        entry.depth() == 0 || name != "node_modules" && !name.starts_with('.')
    });
    let files = entries.filter_map(Result::ok).filter(|entry| entry.file_type().is_file());
    files.take(MOST_FILES).map(walkdir::DirEntry::into_path).collect()
}

/// What was found in a file.
#[derive(Default)]
struct Paths {
    /// Paths that code makes of its place.
    read: BTreeSet<PathBuf>,
    /// Those of modules whose names are put together, perhaps without their endings.
    required: BTreeSet<PathBuf>,
}

/// Every path that code makes of its place.
fn paths(root: &Path, file: &Path, code: &str) -> Paths {
    let allocator = Allocator::default();
    let source_type = SourceType::from_path(file).unwrap_or_else(|_| SourceType::unambiguous());
    let source_type = if source_type.is_javascript() { source_type.with_jsx(true) } else { source_type };
    let parsed = Parser::new(&allocator, code, source_type).parse();
    if parsed.panicked {
        return Paths::default();
    }
    let semantic = SemanticBuilder::new().with_build_nodes(true).build(&parsed.program).semantic;
    let mut reader =
        Reader { root, file, semantic: &semantic, known: HashMap::new(), found: Paths::default() };
    reader.visit_program(&parsed.program);
    reader.found
}

/// A text that an expression gives, as far as that can be known.
#[derive(Debug, Clone)]
struct Text {
    text: String,
    /// Whether it begins with the place of the file or of the project.
    is_place: bool,
    /// Whether more follows that is not known.
    is_open: bool,
    /// Whether it is a place alone, with nothing added.
    is_bare: bool,
}

impl Text {
    fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_place: false, is_open: false, is_bare: false }
    }

    fn place(path: &Path) -> Self {
        Self { text: path.display().to_string(), is_place: true, is_open: false, is_bare: true }
    }
}

struct Reader<'s, 'a> {
    root: &'s Path,
    file: &'s Path,
    semantic: &'s Semantic<'a>,
    /// What was made of expressions, by their place in the code.
    known: HashMap<Span, Option<Text>>,
    found: Paths,
}

impl<'a> Reader<'_, 'a> {
    fn folder(&self) -> &Path {
        self.file.parent().unwrap_or(self.file)
    }

    /// Notes the path that an expression gives.
    fn note(&mut self, text: Option<Text>) {
        let Some(text) = text.filter(|text| text.is_place && !text.is_bare) else { return };
        let path = PathBuf::from(&text.text);
        // Of a name that is made of something unknown the folder is known.
        let path = if text.is_open && !text.text.ends_with('/') {
            path.parent().map(Path::to_owned)
        } else {
            Some(path)
        };
        if let Some(path) = path.filter(|path| path != self.folder() && path != self.root) {
            self.found.read.insert(path);
        }
    }

    fn text(&mut self, expression: &Expression<'a>, depth: usize) -> Option<Text> {
        if depth > DEEPEST {
            return None;
        }
        let depth = depth + 1;
        match expression.get_inner_expression() {
            Expression::StringLiteral(text) => Some(Text::plain(text.value.as_str())),
            Expression::TemplateLiteral(template) => self.template(template, depth),
            Expression::BinaryExpression(sum) if sum.operator == BinaryOperator::Addition => {
                self.sum(sum, depth)
            }
            Expression::Identifier(name) => self.variable(name, depth),
            Expression::CallExpression(call) => self.call(call, depth),
            Expression::NewExpression(new) => self.url(new, depth),
            expression => self.member(expression.as_member_expression()?, depth),
        }
    }

    /// What follows `first`.
    fn then(first: Text, next: Option<Text>) -> Text {
        if first.is_open {
            return first;
        }
        let is_place = first.is_place;
        match next {
            Some(next) if !next.is_place => {
                let is_bare = first.is_bare && next.text.is_empty() && !next.is_open;
                Text { text: first.text + next.text.as_str(), is_place, is_open: next.is_open, is_bare }
            }
            _ => Text { is_open: true, is_bare: false, ..first },
        }
    }

    fn template(&mut self, template: &TemplateLiteral<'a>, depth: usize) -> Option<Text> {
        let mut whole: Option<Text> = None;
        for (index, piece) in template.quasis.iter().enumerate() {
            let piece = Text::plain(piece.value.cooked.as_ref()?.as_str());
            whole = Some(match whole {
                None if piece.text.is_empty() && index < template.expressions.len() => {
                    self.text(&template.expressions[0], depth)?
                }
                None => {
                    let next = template.expressions.first().map(|next| self.text(next, depth));
                    next.map_or(piece.clone(), |next| Self::then(piece, next))
                }
                Some(whole) => {
                    let whole = Self::then(whole, Some(piece));
                    match template.expressions.get(index) {
                        Some(next) => {
                            let next = self.text(next, depth);
                            Self::then(whole, next)
                        }
                        None => whole,
                    }
                }
            });
        }
        whole
    }

    fn sum(&mut self, sum: &BinaryExpression<'a>, depth: usize) -> Option<Text> {
        let first = self.text(&sum.left, depth)?;
        let next = self.text(&sum.right, depth);
        Some(Self::then(first, next))
    }

    fn variable(&mut self, name: &IdentifierReference<'a>, depth: usize) -> Option<Text> {
        let scoping = self.semantic.scoping();
        let reference = scoping.get_reference(name.reference_id.get()?);
        let Some(symbol) = reference.symbol_id() else {
            return match name.name.as_str() {
                "__dirname" => Some(Text::place(self.folder())),
                "__filename" => Some(Text::place(self.file)),
                _ => None,
            };
        };
        let span = scoping.symbol_span(symbol);
        if let Some(known) = self.known.get(&span) {
            return known.clone();
        }
        // What is being found out refers to itself.
        self.known.insert(span, None);
        let is_fixed = !scoping.symbol_is_mutated(symbol);
        let text = match self.semantic.symbol_declaration(symbol).kind() {
            AstKind::VariableDeclarator(declarator)
                if is_fixed && matches!(declarator.id, BindingPattern::BindingIdentifier(_)) =>
            {
                // The syntax tree lives as long as this does.
                declarator.init.as_ref().and_then(|init| self.text(init, depth))
            }
            _ => None,
        };
        self.known.insert(span, text.clone());
        text
    }

    /// The function that a call means, without what it belongs to: `join` of `path.join`.
    fn callee<'e>(callee: &'e Expression<'a>) -> Option<&'e str> {
        match callee.get_inner_expression() {
            Expression::Identifier(name) => Some(name.name.as_str()),
            // As TypeScript writes calls of imports: `(0, path.join)(..)`.
            Expression::SequenceExpression(list) => Self::callee(list.expressions.last()?),
            callee => callee.as_member_expression()?.static_property_name(),
        }
    }

    fn call(&mut self, call: &CallExpression<'a>, depth: usize) -> Option<Text> {
        let first = || call.arguments.first().and_then(Argument::as_expression);
        match Self::callee(&call.callee)? {
            "cwd" if call.arguments.is_empty() => Some(Text::place(self.root)),
            "join" | "resolve" => self.joined(call, depth),
            "dirname" => {
                let text = self.text(first()?, depth)?;
                let folder = Path::new(&text.text).parent()?.display().to_string();
                let is_bare = text.is_bare || folder == self.folder().display().to_string();
                (!text.is_open).then_some(Text { text: folder, is_bare, ..text })
            }
            "fileURLToPath" | "String" | "normalize" | "realpathSync" => self.text(first()?, depth),
            "toString" if call.arguments.is_empty() => {
                let object = call.callee.get_inner_expression().as_member_expression()?;
                self.text(object.object(), depth)
            }
            _ => None,
        }
    }

    /// Of `path.join` and `path.resolve`.
    fn joined(&mut self, call: &CallExpression<'a>, depth: usize) -> Option<Text> {
        let mut whole: Option<Text> = None;
        let is_resolve = Self::callee(&call.callee) == Some("resolve");
        for argument in &call.arguments {
            let part = argument.as_expression().and_then(|part| self.text(part, depth));
            whole = Some(match (whole, part) {
                (None, None) => return None,
                (None, Some(part)) => part,
                (Some(whole), None) => {
                    return Some(Text {
                        text: format!("{}/", whole.text),
                        is_open: true,
                        is_bare: whole.is_bare,
                        ..whole
                    });
                }
                (Some(_), Some(part)) if is_resolve && part.text.starts_with('/') => part,
                (Some(whole), Some(part)) if part.is_place => {
                    return Some(Text { text: format!("{}/", whole.text), is_open: true, ..whole });
                }
                (Some(whole), Some(part)) => {
                    let is_bare = whole.is_bare && matches!(part.text.as_str(), "" | "." | "./");
                    let (is_place, is_open) = (whole.is_place, part.is_open);
                    Text { text: format!("{}/{}", whole.text, part.text), is_place, is_open, is_bare }
                }
            });
            if whole.as_ref().is_some_and(|whole| whole.is_open) {
                break;
            }
        }
        let whole = whole?;
        if is_resolve && !whole.text.starts_with('/') {
            let text = self.root.join(&whole.text).display().to_string();
            return Some(Text { text, is_place: true, ..whole });
        }
        let text = tidy(&whole.text);
        Some(Text { text, ..whole })
    }

    /// Of `new URL(name, import.meta.url)`.
    fn url(&mut self, new: &NewExpression<'a>, depth: usize) -> Option<Text> {
        if !new.callee.is_specific_id("URL") {
            return None;
        }
        let [name, base] = new.arguments.as_slice() else { return None };
        let base = self.text(base.as_expression()?, depth).filter(|base| base.is_place && !base.is_open)?;
        let name = self.text(name.as_expression()?, depth)?;
        if let Some(file) = file_of_package(self.file, &name.text).filter(|_| !name.is_open) {
            return Some(Text { is_bare: false, ..Text::place(&file) });
        }
        if name.is_place || name.text.contains(':') || name.text.starts_with('/') {
            return None;
        }
        let folder =
            if base.text.ends_with('/') { Path::new(&base.text) } else { Path::new(&base.text).parent()? };
        let name_only = name.text.split(['?', '#']).next()?;
        let decoded = percent_encoding::percent_decode_str(name_only).decode_utf8().ok()?;
        let is_bare = matches!(name_only, "" | "." | "./");
        let text = tidy(&format!("{}/{decoded}", folder.display()));
        Some(Text { text, is_place: true, is_open: name.is_open, is_bare })
    }

    fn member(&mut self, member: &MemberExpression<'a>, depth: usize) -> Option<Text> {
        let name = member.static_property_name()?;
        if matches!(member.object().get_inner_expression(), Expression::ImportMeta(_)) {
            return match name {
                "url" | "filename" => Some(Text::place(self.file)),
                "dirname" => Some(Text::place(self.folder())),
                _ => None,
            };
        }
        matches!(name, "pathname" | "href").then(|| self.text(member.object(), depth))?
    }
}

/// A path without `.` and `..`; what follows its last slash stays.
fn tidy(path: &str) -> String {
    let mut tidy = PathBuf::new();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => {
                tidy.pop();
            }
            Component::CurDir => {}
            part => tidy.push(part),
        }
    }
    let mut text = tidy.display().to_string();
    if path.ends_with('/') && !text.ends_with('/') {
        text.push('/');
    }
    text
}

impl<'a> Reader<'_, 'a> {
    /// Notes what a `require` means whose name is put together, seen from the file.
    fn note_required(&mut self, call: &CallExpression<'a>) {
        let is_free = |name: &IdentifierReference<'a>| {
            let id = name.reference_id.get();
            id.is_some_and(|id| self.semantic.scoping().get_reference(id).symbol_id().is_none())
        };
        let Expression::Identifier(name) = call.callee.get_inner_expression() else { return };
        let Some(argument) = call.arguments.first().and_then(Argument::as_expression) else { return };
        if name.name != "require" || !is_free(name) || matches!(argument, Expression::StringLiteral(_)) {
            return;
        }
        let Some(text) = self.text(argument, 0) else { return };
        let place = if text.is_place {
            PathBuf::from(&text.text)
        } else if text.text.starts_with("./") || text.text.starts_with("../") {
            PathBuf::from(tidy(&format!("{}/{}", self.folder().display(), text.text)))
        } else {
            return;
        };
        let place = if text.is_open && !text.text.ends_with('/') {
            place.parent().map(Path::to_owned).unwrap_or_default()
        } else {
            place
        };
        if place != self.folder() && place != self.root {
            self.found.required.insert(place);
        }
    }
}

impl<'a> Visit<'a> for Reader<'_, 'a> {
    fn visit_call_expression(&mut self, call: &CallExpression<'a>) {
        self.note_required(call);
        walk::walk_call_expression(self, call);
    }

    fn visit_expression(&mut self, expression: &Expression<'a>) {
        let text = self.text(expression, 0);
        let is_whole = text.as_ref().is_some_and(|text| text.is_place);
        self.note(text);
        // The parts of a path are no paths.
        if !is_whole {
            walk::walk_expression(self, expression);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(code: &str) -> Vec<String> {
        let Paths { read, required } = paths(Path::new("/p"), Path::new("/p/lib/file.js"), code);
        read.into_iter().chain(required).map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn paths_are_found_that_code_makes_of_its_place() {
        for (code, path) in [
            ("fs.readFileSync(path.join(__dirname, 'a.wasm'))", "/p/lib/a.wasm"),
            ("f(`${__dirname}/../data/x.json`)", "/p/lib/../data/x.json"),
            ("f(__dirname + '/a.txt')", "/p/lib/a.txt"),
            ("f((0, path_1.resolve)(__dirname, '..', 'views', 'a.html'))", "/p/views/a.html"),
            ("f(new URL('./font%20a.ttf', import.meta.url))", "/p/lib/font a.ttf"),
            ("f(fileURLToPath(new URL('../a.bin?x', import.meta.url)))", "/p/a.bin"),
            ("f(join(import.meta.dirname, 'a.txt'))", "/p/lib/a.txt"),
            ("const here = dirname(fileURLToPath(import.meta.url)); f(join(here, 'a.txt'))", "/p/lib/a.txt"),
            (
                "const base = path.join(process.cwd(), 'content'); f(path.join(base, slug + '.md'))",
                "/p/content",
            ),
            ("f(path.join(process.cwd(), 'content', `${slug}.md`))", "/p/content/"),
            ("f(path.resolve('data', 'a.csv'))", "/p/data/a.csv"),
            ("f(require('./locale/' + name))", "/p/lib/locale"),
            ("f(require(`../plugins/${name}.js`))", "/p/plugins"),
            ("f(require(path.join(__dirname, 'rules', name)))", "/p/lib/rules"),
        ] {
            assert!(
                found(code).iter().any(|found| found.trim_end_matches('/') == path.trim_end_matches('/')),
                "{code}: {:?}",
                found(code)
            );
        }
    }

    #[test]
    fn places_alone_are_no_files() {
        for code in [
            "f(__dirname)",
            "f(process.cwd())",
            "f(path.join(__dirname, name))",
            "f(path.join('a', 'b.txt'))",
            "function g(__dirname) { f(path.join(__dirname, 'a')) }",
            "let here = __dirname; here = other; f(path.join(here, 'a.txt'))",
            "const a = path.join(b, 'x'), b = path.join(a, 'y'); f(a)",
            "new URL('/a', import.meta.url)",
            "f(require('./' + name)); f(require(name)); f(require('./a')); f(require('a/' + name))",
            "function g(require) { f(require('./locale/' + name)) }",
        ] {
            assert_eq!(found(code), Vec::<String>::new(), "{code}");
        }
    }
}
