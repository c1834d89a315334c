//! What a module keeps in its own scope, and where it is changed: read off the syntax of one
//! file. What the files together say is for `state` to find out.

use std::collections::HashMap;
use std::path::Path;

use oxc::allocator::Allocator;
use oxc::ast::AstKind;
use oxc::ast::ast::{
    Argument, CallExpression, ClassElement, Expression, MethodDefinitionKind, ObjectPropertyKind,
    PropertyKey, UnaryOperator,
};
use oxc::parser::Parser;
use oxc::semantic::{NodeId, Semantic, SemanticBuilder, SymbolId};
use oxc::span::{GetSpan, SourceType, Span};
use oxc::syntax::module_record::{ExportExportName, ExportImportName, ExportLocalName, ModuleRecord};

/// What a value is, as far as its initialiser says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    Map,
    Set,
    Array,
    /// A typed array or a `DataView`.
    Bytes,
    Object(HashMap<String, Shape>),
    /// `new` of a class of this name.
    Instance(String),
    /// It cannot be changed, or does not keep what it is changed by.
    Fixed,
    Unknown,
}

/// Methods that change what they are called on.
const MAP_METHODS: [&str; 6] = ["append", "clear", "delete", "getOrInsert", "getOrInsertComputed", "set"];
const SET_METHODS: [&str; 3] = ["add", "clear", "delete"];
/// Not those that bring a list in order: every instance comes to the same.
const ARRAY_METHODS: [&str; 7] = ["copyWithin", "fill", "pop", "push", "shift", "splice", "unshift"];
const BYTES_METHODS: [&str; 2] = ["fill", "set"];

/// Methods that give what is kept, so that it can be changed.
const READERS: [&str; 3] = ["at", "find", "get"];

/// Stands in a path for what one of those gives.
const GIVEN: &str = "()";

/// Stands in a path for a member whose name is computed.
const ANY: &str = "[]";

/// Methods that call a function before they return.
const AT_ONCE: [&str; 13] = [
    "every",
    "filter",
    "find",
    "findIndex",
    "findLast",
    "flatMap",
    "forEach",
    "from",
    "map",
    "reduce",
    "reduceRight",
    "some",
    "sort",
];

/// Methods that give a list.
const LISTING: [&str; 9] =
    ["concat", "fill", "filter", "flat", "flatMap", "map", "slice", "split", "toSorted"];

impl Shape {
    /// Whether what the path leads to is kept in it, as far as it is known.
    pub(super) fn keeps(&self, path: &[String]) -> bool {
        match (self, path.split_first()) {
            (Self::Fixed, _) => false,
            (Self::Map | Self::Array, _) | (_, None) => true,
            (Self::Object(members), Some((name, rest))) => match members.get(name) {
                Some(shape) => shape.keeps(rest),
                None => !path.iter().any(|part| part == GIVEN),
            },
            // What a method of something unknown gives may come from anywhere.
            _ => !path.iter().any(|part| part == GIVEN),
        }
    }

    /// Whether a method changes it, if it is called on what the path leads to; `None` for
    /// an instance of a class, whose own methods say.
    pub(super) fn is_changed_by(&self, path: &[String], method: &str) -> Result<bool, &str> {
        match (self, path.split_first()) {
            (Self::Fixed, _) => Ok(false),
            (Self::Map | Self::Array, Some((given, _))) if given == GIVEN || given == ANY => {
                Ok(matches!(method, "push" | "splice" | "unshift"))
            }
            (Self::Object(members), Some((name, rest))) => match members.get(name) {
                Some(shape) => shape.is_changed_by(rest, method),
                None => Ok(false),
            },
            (Self::Map, None) => Ok(MAP_METHODS.contains(&method)),
            (Self::Set, None) => Ok(SET_METHODS.contains(&method)),
            (Self::Array, None) => Ok(ARRAY_METHODS.contains(&method)),
            (Self::Bytes, None) => Ok(BYTES_METHODS.contains(&method)),
            (Self::Instance(class), None) => Err(class),
            _ => Ok(false),
        }
    }
}

/// A variable of the module, or a class with static members.
#[derive(Debug)]
pub(super) struct Variable {
    /// Where its name is.
    pub(super) at: u32,
    pub(super) shape: Shape,
}

/// What a class does with its instances.
#[derive(Debug, Default)]
pub(super) struct Class {
    /// What they begin with.
    members: HashMap<String, Shape>,
    /// Changes of `this`, by method.
    changes: Vec<(String, Vec<String>, What)>,
    /// What it extends.
    extends: Option<Shape>,
}

impl Class {
    /// Whether a method changes the instance that it is called on.
    pub(super) fn is_changed_by(&self, method: &str) -> bool {
        let mut seen = vec![method];
        let mut at = 0;
        while let Some(method) = seen.get(at).copied() {
            at += 1;
            for (_, path, what) in self.changes.iter().filter(|(of, ..)| of == method) {
                let members = Shape::Object(self.members.clone());
                match what {
                    What::Member if members.keeps(path) => return true,
                    What::Assigned | What::Member => {}
                    What::Call(called) if path.is_empty() => {
                        if !seen.contains(&called.as_str()) {
                            seen.push(called);
                        }
                    }
                    What::Call(called) if members.is_changed_by(path, called) == Ok(true) => return true,
                    What::Call(_) => {}
                }
            }
            if self.extends.as_ref().is_some_and(|base| base.is_changed_by(&[], method) == Ok(true)) {
                return true;
            }
        }
        false
    }
}

/// How something is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// Another value is put in its place.
    Assigned,
    /// A member is assigned or deleted.
    Member,
    /// A method is called.
    Call(String),
}

/// Where something is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Within {
    /// In the module itself: once, when it is loaded.
    Module,
    /// In a function of the module that has this name.
    Function(String),
    /// In another function.
    Inner,
}

/// A place where something of a module may be changed.
#[derive(Debug)]
pub(super) struct Change {
    /// The name that it has in this file.
    pub(super) name: String,
    /// Members on the way.
    pub(super) path: Vec<String>,
    pub(super) what: What,
    pub(super) within: Within,
}

/// How often a function is used.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Uses {
    /// Calls while the module is loaded.
    pub(super) at_load: usize,
    /// All else.
    pub(super) others: usize,
}

/// A name of another module.
#[derive(Debug)]
pub(super) struct Import {
    pub(super) specifier: String,
    /// None for all that it exports.
    pub(super) name: Option<String>,
    pub(super) uses: Uses,
}

/// What an exported name means.
#[derive(Debug)]
pub(super) enum Export {
    Local(String),
    /// A name of another module; none for all of them.
    Of(String, Option<String>),
}

/// What one file says.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) variables: HashMap<String, Variable>,
    pub(super) classes: HashMap<String, Class>,
    pub(super) functions: HashMap<String, Uses>,
    pub(super) imports: HashMap<String, Import>,
    pub(super) exports: HashMap<String, Export>,
    /// Modules all of whose exports are exported.
    pub(super) stars: Vec<String>,
    pub(super) changes: Vec<Change>,
}

impl Facts {
    pub(super) fn of(path: &Path, code: &str) -> Self {
        let allocator = Allocator::default();
        let source_type = SourceType::from_path(path).unwrap_or_else(|_| SourceType::unambiguous());
        let parsed = Parser::new(&allocator, code, source_type).parse();
        let mut facts = Self::default();
        if parsed.panicked {
            return facts;
        }
        facts.exports(&parsed.module_record);
        let semantic = SemanticBuilder::new().with_build_nodes(true).build(&parsed.program).semantic;
        let file = File { semantic: &semantic };
        for (_, symbol) in semantic.scoping().get_bindings(semantic.scoping().root_scope_id()) {
            file.symbol(*symbol, &mut facts);
        }
        for node in semantic.nodes().iter().filter(|node| matches!(node.kind(), AstKind::ThisExpression(_))) {
            file.this(node.id(), &mut facts);
        }
        facts
    }

    fn exports(&mut self, record: &ModuleRecord<'_>) {
        for entry in record.local_export_entries.iter().filter(|entry| !entry.is_type) {
            let local = match &entry.local_name {
                ExportLocalName::Name(name) | ExportLocalName::Default(name) => name.name.to_string(),
                ExportLocalName::Null => continue,
            };
            self.exports.extend(exported(&entry.export_name).map(|name| (name, Export::Local(local))));
        }
        for entry in record.indirect_export_entries.iter().filter(|entry| !entry.is_type) {
            let Some(module) = &entry.module_request else { continue };
            let name = match &entry.import_name {
                ExportImportName::Name(name) => Some(name.name.to_string()),
                ExportImportName::All => None,
                _ => continue,
            };
            let export = Export::Of(module.name.to_string(), name);
            self.exports.extend(exported(&entry.export_name).map(|name| (name, export)));
        }
        let stars = record.star_export_entries.iter().filter(|entry| !entry.is_type);
        self.stars.extend(stars.filter_map(|entry| Some(entry.module_request.as_ref()?.name.to_string())));
    }
}

fn exported(name: &ExportExportName<'_>) -> Option<String> {
    match name {
        ExportExportName::Name(name) => Some(name.name.to_string()),
        ExportExportName::Default(_) => Some("default".to_owned()),
        ExportExportName::Null => None,
    }
}

struct File<'s, 'a> {
    semantic: &'s Semantic<'a>,
}

impl<'a> File<'_, 'a> {
    fn kind(&self, node: NodeId) -> AstKind<'a> {
        self.semantic.nodes().kind(node)
    }

    fn parent(&self, node: NodeId) -> NodeId {
        self.semantic.nodes().parent_id(node)
    }

    /// Notes what a name of the module is, and where it is changed.
    fn symbol(&self, symbol: SymbolId, facts: &mut Facts) {
        let scoping = self.semantic.scoping();
        let name = scoping.symbol_name(symbol).to_owned();
        let declared = scoping.symbol_declaration(symbol);
        let at = scoping.symbol_span(symbol).start;
        match self.kind(declared) {
            AstKind::VariableDeclarator(declarator) => {
                let init = declarator.init.as_ref().filter(|_| declarator.id.is_binding_identifier());
                if init.is_some_and(|init| init.is_function()) {
                    facts.functions.insert(name.clone(), self.uses(symbol));
                }
                if let Some(Expression::ClassExpression(class)) = init {
                    facts.classes.insert(name.clone(), class_of(class));
                }
                let shape = init.map_or(Shape::Unknown, shape);
                facts.variables.insert(name.clone(), Variable { at, shape });
            }
            AstKind::Class(class) => {
                facts.classes.insert(name.clone(), class_of(class));
                facts
                    .variables
                    .insert(name.clone(), Variable { at, shape: Shape::Object(members(class, true)) });
            }
            AstKind::Function(_) => {
                facts.functions.insert(name, self.uses(symbol));
                return;
            }
            AstKind::ImportSpecifier(_)
            | AstKind::ImportDefaultSpecifier(_)
            | AstKind::ImportNamespaceSpecifier(_) => {
                let AstKind::ImportDeclaration(import) = self.kind(self.parent(declared)) else { return };
                let imported = match self.kind(declared) {
                    AstKind::ImportSpecifier(specifier) => Some(specifier.imported.name().to_string()),
                    AstKind::ImportDefaultSpecifier(_) => Some("default".to_owned()),
                    _ => None,
                };
                let specifier = import.source.value.to_string();
                let import = Import { specifier, name: imported, uses: self.uses(symbol) };
                facts.imports.insert(name.clone(), import);
            }
            _ => return,
        }
        for reference in scoping.get_resolved_references(symbol).filter(|reference| reference.is_value()) {
            let node = reference.node_id();
            let change =
                if reference.is_write() { Some((Vec::new(), What::Assigned)) } else { self.change(node) };
            let Some((path, what)) = change else { continue };
            let within = self.within(node);
            if within != Within::Module {
                facts.changes.push(Change { name: name.clone(), path, what, within });
            }
        }
    }

    /// Notes what a method does to `this`.
    fn this(&self, node: NodeId, facts: &mut Facts) {
        let Some((path, what)) = self.change(node) else { return };
        // Arrow functions have the `this` around them.
        let around = self.semantic.nodes().ancestors(node).find_map(|ancestor| match ancestor.kind() {
            AstKind::Function(_) => match self.kind(self.parent(ancestor.id())) {
                AstKind::MethodDefinition(method) => {
                    let is_constructor = method.kind == MethodDefinitionKind::Constructor;
                    Some((!is_constructor).then_some((
                        &method.key,
                        method.r#static,
                        self.parent(ancestor.id()),
                    )))
                }
                _ => Some(None),
            },
            AstKind::PropertyDefinition(property) => {
                let is_function = property.value.as_ref().is_some_and(Expression::is_function);
                Some(is_function.then_some((&property.key, property.r#static, ancestor.id())))
            }
            AstKind::StaticBlock(_) => Some(None),
            _ => None,
        });
        let Some(Some((key, is_static, member))) = around else { return };
        // The body, and the class itself.
        let class = self.parent(self.parent(member));
        let Some(class) = self.name_of(class) else { return };
        if is_static {
            facts.changes.push(Change { name: class, path, what, within: Within::Inner });
        } else if let (Some(class), Some(method)) = (facts.classes.get_mut(&class), key_name(key)) {
            class.changes.push((method, path, what));
        }
    }

    /// The name that a function or class has in the module.
    fn name_of(&self, node: NodeId) -> Option<String> {
        let scoping = self.semantic.scoping();
        let own = match self.kind(node) {
            AstKind::Function(function) => function.id.as_ref(),
            AstKind::Class(class) => class.id.as_ref(),
            _ => None,
        };
        let variable = match self.kind(self.parent(node)) {
            AstKind::VariableDeclarator(declarator) => declarator.id.get_binding_identifier(),
            _ => None,
        };
        let symbol = variable.or(own)?.symbol_id.get()?;
        (scoping.symbol_scope_id(symbol) == scoping.root_scope_id())
            .then(|| scoping.symbol_name(symbol).to_owned())
    }

    /// How often a function is called while the module is loaded, and otherwise used.
    fn uses(&self, symbol: SymbolId) -> Uses {
        let mut uses = Uses::default();
        for reference in self.semantic.scoping().get_resolved_references(symbol) {
            let node = reference.node_id();
            match self.kind(self.parent(node)) {
                AstKind::ExportSpecifier(_) | AstKind::ExportDefaultDeclaration(_) => {}
                _ if !reference.is_value() => {}
                AstKind::CallExpression(call)
                    if call.callee.span() == self.kind(node).span()
                        && self.within(node) == Within::Module =>
                {
                    uses.at_load += 1;
                }
                _ => uses.others += 1,
            }
        }
        uses
    }

    /// What becomes of a value where it is used: the members on the way, and the change.
    fn change(&self, start: NodeId) -> Option<(Vec<String>, What)> {
        let mut path: Vec<String> = Vec::new();
        let (mut node, mut span) = (start, self.kind(start).span());
        loop {
            node = self.parent(node);
            let member = |mut path: Vec<String>| {
                path.pop();
                Some((path, What::Member))
            };
            match self.kind(node) {
                AstKind::ParenthesizedExpression(_)
                | AstKind::ChainExpression(_)
                | AstKind::TSNonNullExpression(_)
                | AstKind::TSAsExpression(_)
                | AstKind::TSSatisfiesExpression(_)
                | AstKind::TSTypeAssertion(_) => {}
                AstKind::StaticMemberExpression(access) if access.object.span() == span => {
                    path.push(access.property.name.to_string());
                }
                AstKind::PrivateFieldExpression(access) if access.object.span() == span => {
                    path.push(format!("#{}", access.field.name));
                }
                AstKind::ComputedMemberExpression(access) if access.object.span() == span => {
                    path.push(match access.expression.get_inner_expression() {
                        Expression::StringLiteral(name) => name.value.to_string(),
                        _ => ANY.to_owned(),
                    });
                }
                AstKind::CallExpression(call) if call.callee.span() == span => {
                    let method = path.pop()?;
                    if !READERS.contains(&method.as_str()) {
                        return Some((path, What::Call(method)));
                    }
                    path.push(GIVEN.to_owned());
                }
                AstKind::CallExpression(call) => {
                    return changes_first(call, span).then_some((path, What::Member));
                }
                AstKind::AssignmentExpression(assignment) if assignment.left.span() == span => {
                    return member(path);
                }
                AstKind::UpdateExpression(_) => return member(path),
                AstKind::UnaryExpression(unary) if unary.operator == UnaryOperator::Delete => {
                    return member(path);
                }
                _ => return None,
            }
            span = self.kind(node).span();
        }
    }

    /// In which function something is done.
    fn within(&self, node: NodeId) -> Within {
        for ancestor in self.semantic.nodes().ancestors(node) {
            match ancestor.kind() {
                AstKind::Function(_) | AstKind::ArrowFunctionExpression(_)
                    if self.runs_at_once(ancestor.id()) => {}
                AstKind::Function(_) | AstKind::ArrowFunctionExpression(_) => {
                    return self.name_of(ancestor.id()).map_or(Within::Inner, Within::Function);
                }
                _ => {}
            }
        }
        Within::Module
    }

    /// Whether a function is called right where it is written.
    fn runs_at_once(&self, function: NodeId) -> bool {
        let mut node = function;
        loop {
            let span = self.kind(node).span();
            node = self.parent(node);
            match self.kind(node) {
                AstKind::ParenthesizedExpression(_) => {}
                AstKind::CallExpression(call) if call.callee.span() == span => return true,
                AstKind::CallExpression(call) => {
                    return call
                        .callee
                        .as_member_expression()
                        .and_then(|callee| callee.static_property_name())
                        .is_some_and(|method| AT_ONCE.contains(&method));
                }
                _ => return false,
            }
        }
    }
}

/// Whether a call changes its first argument, which stands at a span.
fn changes_first(call: &CallExpression<'_>, span: Span) -> bool {
    const CHANGING: [(&str, &str); 6] = [
        ("Object", "assign"),
        ("Object", "defineProperties"),
        ("Object", "defineProperty"),
        ("Reflect", "defineProperty"),
        ("Reflect", "deleteProperty"),
        ("Reflect", "set"),
    ];
    call.arguments.first().is_some_and(|first| first.span() == span)
        && CHANGING.iter().any(|(object, method)| call.callee.is_specific_member_access(object, method))
}

fn class_of(class: &oxc::ast::ast::Class<'_>) -> Class {
    let extends = class.heritage.as_ref().and_then(|heritage| match &heritage.expression {
        Expression::Identifier(name) => builtin(&name.name),
        _ => None,
    });
    let mut members = members(class, false);
    // What the constructor puts there.
    for element in &class.body.body {
        let ClassElement::MethodDefinition(method) = element else { continue };
        let Some(body) =
            method.value.body.as_ref().filter(|_| method.kind == MethodDefinitionKind::Constructor)
        else {
            continue;
        };
        for statement in &body.statements {
            if let oxc::ast::ast::Statement::ExpressionStatement(statement) = statement
                && let Expression::AssignmentExpression(assignment) = &statement.expression
                && let Some(target) = assignment.left.as_member_expression()
                && matches!(target.object(), Expression::ThisExpression(_))
            {
                let name = match target {
                    oxc::ast::ast::MemberExpression::PrivateFieldExpression(field) => {
                        Some(format!("#{}", field.field.name))
                    }
                    target => target.static_property_name().map(str::to_owned),
                };
                members.extend(name.map(|name| (name, shape(&assignment.right))));
            }
        }
    }
    Class { members, changes: Vec::new(), extends }
}

/// What the members of a class, or of its instances, begin with.
fn members(class: &oxc::ast::ast::Class<'_>, of_class: bool) -> HashMap<String, Shape> {
    let mut members = HashMap::new();
    for element in &class.body.body {
        if let ClassElement::PropertyDefinition(property) = element
            && property.r#static == of_class
            && let Some(value) = &property.value
        {
            members.extend(key_name(&property.key).map(|name| (name, shape(value))));
        }
    }
    members
}

fn key_name(key: &PropertyKey<'_>) -> Option<String> {
    match key {
        PropertyKey::PrivateIdentifier(name) => Some(format!("#{}", name.name)),
        key => key.static_name().map(std::borrow::Cow::into_owned),
    }
}

/// What `new` of a global makes.
fn builtin(name: &str) -> Option<Shape> {
    Some(match name {
        "Map" | "Headers" | "URLSearchParams" | "FormData" => Shape::Map,
        "Set" => Shape::Set,
        "Array" => Shape::Array,
        "Object" => Shape::Object(HashMap::new()),
        // Every instance has objects of its own.
        "WeakMap" | "WeakSet" | "WeakRef" => Shape::Fixed,
        "DataView" => Shape::Bytes,
        name if name.ends_with("Array") => Shape::Bytes,
        _ => return None,
    })
}

/// What an initialiser makes.
fn shape(value: &Expression<'_>) -> Shape {
    match value.get_inner_expression() {
        Expression::ArrayExpression(_) => Shape::Array,
        Expression::ObjectExpression(object) => {
            let members = object.properties.iter().filter_map(|property| match property {
                ObjectPropertyKind::ObjectProperty(property) => {
                    Some((property.key.static_name()?.into_owned(), shape(&property.value)))
                }
                ObjectPropertyKind::SpreadProperty(_) => None,
            });
            Shape::Object(members.collect())
        }
        Expression::NewExpression(new) => match &new.callee {
            Expression::Identifier(name) => {
                builtin(&name.name).unwrap_or_else(|| Shape::Instance(name.name.to_string()))
            }
            _ => Shape::Unknown,
        },
        Expression::CallExpression(call) => of_call(call),
        Expression::LogicalExpression(logical) => shape(&logical.right),
        Expression::AssignmentExpression(assignment) => shape(&assignment.right),
        Expression::ConditionalExpression(either) => match shape(&either.consequent) {
            Shape::Unknown => shape(&either.alternate),
            known => known,
        },
        _ => Shape::Unknown,
    }
}

fn of_call(call: &CallExpression<'_>) -> Shape {
    let is = |object, method| call.callee.is_specific_member_access(object, method);
    if is("Object", "freeze") {
        return Shape::Fixed;
    }
    if is("Object", "seal") || is("Object", "assign") {
        return call.arguments.first().and_then(Argument::as_expression).map_or(Shape::Unknown, shape);
    }
    if is("Object", "create") || is("Object", "fromEntries") || is("Object", "groupBy") {
        return Shape::Object(HashMap::new());
    }
    if is("Map", "groupBy") {
        return Shape::Map;
    }
    let is_list = ["from", "of"].iter().any(|method| is("Array", method))
        || ["entries", "keys", "values"].iter().any(|method| is("Object", method))
        || call.callee.is_specific_id("Array")
        || call
            .callee
            .as_member_expression()
            .and_then(|callee| callee.static_property_name())
            .is_some_and(|method| LISTING.contains(&method));
    if is_list { Shape::Array } else { Shape::Unknown }
}
