//! The route table: pattern grammar, conflicts, order of precedence, matching.
//!
//! Matching works on the raw, still percent-encoded path, as Next.js does, so
//! that `/%61dmin` never reaches `/admin`. Called by the request pipeline for
//! each request; it allocates only for the parameters that it returns.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use edgehost_ext::message::ParamValue;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use rustc_hash::FxHashMap;

use super::metadata::Metadata;
use super::segment::SegmentConfig;

/// What the WHATWG URL parser percent-encodes in a path (URL standard, "path percent-encode set").
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// One of the methods that a route file can export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are the methods")]
pub(crate) enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    Query,
}

impl Method {
    /// All of them, in the order that runtime-js numbers them.
    pub(crate) const ALL: [Self; 8] =
        [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete, Self::Options, Self::Query];

    /// The method as it stands in a request line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Query => "QUERY",
        }
    }

    /// The method of a request, if it is one of them.
    pub(crate) fn of(method: &http::Method) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == method.as_str())
    }
}

/// A set of methods, as a bit mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct MethodSet(u8);

impl MethodSet {
    /// The set whose members have their bit set, bit 0 being GET.
    pub(crate) fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// The bits of this set.
    pub(crate) fn bits(self) -> u8 {
        self.0
    }

    /// Adds one method.
    pub(crate) fn insert(&mut self, method: Method) {
        self.0 |= 1 << method as u8;
    }

    /// Whether the route file exports this method.
    pub(crate) fn contains(self, method: Method) -> bool {
        self.0 & (1 << method as u8) != 0
    }

    /// The value of `Allow`: what is exported, OPTIONS always, HEAD where GET is, sorted.
    pub(crate) fn allow(self) -> String {
        let mut set = self;
        set.insert(Method::Options);
        if set.contains(Method::Get) {
            set.insert(Method::Head);
        }
        let mut names: Vec<_> =
            Method::ALL.into_iter().filter(|method| set.contains(*method)).map(Method::name).collect();
        names.sort_unstable();
        names.join(", ")
    }
}

/// A matched file path and its pattern.
#[derive(Debug)]
pub(crate) struct Route {
    /// The pattern, such as `/items/[id]`.
    pub pattern: String,
    /// The route file, absolute.
    pub file: PathBuf,
    /// The route file as it is shown to people, relative to the project.
    pub shown: String,
    /// Exported constants that configure the route.
    pub segment: SegmentConfig,
    /// How it is served, if it is a metadata file.
    pub metadata: Option<Metadata>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Static(String),
    Dynamic(Arc<str>),
    CatchAll(Arc<str>),
    OptionalCatchAll(Arc<str>),
}

/// The names of the parameters of a pattern, in its order.
pub(crate) fn param_names(pattern: &str) -> Vec<Arc<str>> {
    let parts = pattern.split('/').filter(|part| !part.is_empty());
    let name = |segment| match segment {
        Segment::Static(_) => None,
        Segment::Dynamic(name) | Segment::CatchAll(name) | Segment::OptionalCatchAll(name) => Some(name),
    };
    parts.filter_map(|part| parse_segment(part).ok().and_then(name)).collect()
}

/// Captured parameters in the order of the pattern.
pub(crate) type Params = Vec<(Arc<str>, ParamValue)>;

/// What the table says of a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Match {
    /// This route, with these parameters.
    Found {
        /// Its place among the patterns.
        route: usize,
        /// What was captured.
        params: Params,
    },
    /// No route serves the path.
    NotFound,
    /// A captured segment has a malformed escape; the answer is 400.
    Malformed,
}

/// Finds routes by paths.
#[derive(Debug, Default)]
pub(crate) struct RouteTable {
    patterns: Vec<Vec<Segment>>,
    exact: FxHashMap<String, usize>,
    dynamic: Branch,
}

/// How much of a path a parameter holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Capture {
    /// `[id]`: one segment.
    One,
    /// `[...path]`: one segment or more.
    Many,
    /// `[[...path]]`: as many as there are, or none.
    AnyNumber,
}

impl Route {
    pub(super) fn new(pattern: String, file: PathBuf, shown: String, segment: SegmentConfig) -> Self {
        Self { pattern, file, shown, segment, metadata: None }
    }

    /// Its parameters, in the order of the pattern.
    pub(crate) fn captures(&self) -> impl Iterator<Item = (Arc<str>, Capture)> {
        self.pattern.split('/').filter_map(|part| match parse_segment(part) {
            Ok(Segment::Dynamic(name)) => Some((name, Capture::One)),
            Ok(Segment::CatchAll(name)) => Some((name, Capture::Many)),
            Ok(Segment::OptionalCatchAll(name)) => Some((name, Capture::AnyNumber)),
            Ok(Segment::Static(_)) | Err(_) => None,
        })
    }
}

/// Whether a pattern matches a raw path; tells of each parameter that it captures: its name,
/// what was captured, and whether that is a list.
fn matches<'a>(
    pattern: &'a [Segment],
    path: &'a str,
    mut captured: impl FnMut(&'a Arc<str>, &'a str, bool),
) -> bool {
    let mut rest = path.strip_prefix('/').unwrap_or(path);
    for (index, segment) in pattern.iter().enumerate() {
        let last = index + 1 == pattern.len();
        match segment {
            Segment::CatchAll(name) => {
                if rest.is_empty() {
                    return false;
                }
                captured(name, rest, true);
                rest = "";
            }
            Segment::OptionalCatchAll(name) => {
                if !rest.is_empty() {
                    captured(name, rest, true);
                    rest = "";
                }
            }
            Segment::Static(_) | Segment::Dynamic(_) => {
                let (head, tail) = first_segment(rest);
                if head.is_empty() {
                    return false;
                }
                match segment {
                    Segment::Dynamic(name) => captured(name, head, false),
                    Segment::Static(text) if text == head => {}
                    _ => return false,
                }
                rest = match tail {
                    None => "",
                    Some(tail) if last && tail.is_empty() => "",
                    Some(tail) => tail,
                };
            }
        }
    }
    rest.is_empty()
}

/// A path up to its first slash, and what comes after that.
fn first_segment(path: &str) -> (&str, Option<&str>) {
    match path.as_bytes().iter().position(|byte| *byte == b'/') {
        Some(at) => (&path[..at], Some(&path[at + 1..])),
        None => (path, None),
    }
}

/// The parameters that a pattern captures of a raw path that it matches.
fn params_of(pattern: &[Segment], path: &str) -> Result<Params, ()> {
    let mut params = Ok(Params::new());
    matches(pattern, path, |name, raw, many| {
        if let Ok(found) = &mut params {
            match decode(raw, many) {
                Ok(value) => found.push((name.clone(), value)),
                Err(()) => params = Err(()),
            }
        }
    });
    params
}

/// Patterns by their segments, so that few of many are looked at for a path.
#[derive(Debug, Default)]
struct Branch {
    /// What is looked up comes from outside, what is in it does not: it cannot be made slow.
    statics: FxHashMap<String, Branch>,
    dynamic: Option<Box<Branch>>,
    /// Patterns that end here, and those whose catch-all begins here.
    here: Vec<usize>,
    catch_all: Vec<usize>,
}

impl Branch {
    fn insert(&mut self, segments: &[Segment], index: usize) {
        match segments {
            [] => self.here.push(index),
            [Segment::Static(text), rest @ ..] => {
                self.statics.entry(text.clone()).or_default().insert(rest, index);
            }
            [Segment::Dynamic(_), rest @ ..] => self.dynamic.get_or_insert_default().insert(rest, index),
            [Segment::CatchAll(_) | Segment::OptionalCatchAll(_), ..] => self.catch_all.push(index),
        }
    }

    /// Hands over all patterns that may match what is left of a path, and perhaps others.
    fn candidates(&self, rest: &str, take: &mut impl FnMut(usize)) {
        self.catch_all.iter().for_each(|index| take(*index));
        if rest.is_empty() {
            self.here.iter().for_each(|index| take(*index));
            return;
        }
        let (head, tail) = first_segment(rest);
        let tail = tail.unwrap_or_default();
        if !self.statics.is_empty()
            && let Some(branch) = self.statics.get(head)
        {
            branch.candidates(tail, take);
        }
        if let Some(branch) = &self.dynamic {
            branch.candidates(tail, take);
        }
    }
}

fn decode(raw: &str, many: bool) -> Result<ParamValue, ()> {
    if many {
        raw.trim_end_matches('/')
            .split('/')
            .map(decode_component)
            .collect::<Result<_, _>>()
            .map(ParamValue::Many)
    } else {
        decode_component(raw).map(ParamValue::One)
    }
}

/// `decodeURIComponent` of ECMA-262, section 19.2.6.
fn decode_component(raw: &str) -> Result<String, ()> {
    let bytes = raw.as_bytes();
    if !bytes.contains(&b'%') {
        return Ok(raw.to_owned());
    }
    for (at, _) in raw.match_indices('%') {
        let is_escape =
            bytes.len() > at + 2 && bytes[at + 1].is_ascii_hexdigit() && bytes[at + 2].is_ascii_hexdigit();
        if !is_escape {
            return Err(());
        }
    }
    percent_decode_str(raw).decode_utf8().map(Cow::into_owned).map_err(|_| ())
}

/// Upper-cases the hex digits of every escape, so that `%c3` and `%C3` compare equal.
fn canonical_escapes(path: &str) -> Cow<'_, str> {
    let needs = || {
        path.match_indices('%')
            .any(|(at, _)| path.as_bytes().iter().skip(at + 1).take(2).any(u8::is_ascii_lowercase))
    };
    if !path.as_bytes().contains(&b'%') || !needs() {
        return Cow::Borrowed(path);
    }
    let mut out = String::with_capacity(path.len());
    let mut upper = 0;
    for c in path.chars() {
        if c == '%' {
            upper = 2;
            out.push(c);
        } else if upper > 0 {
            upper -= 1;
            out.push(c.to_ascii_uppercase());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Puts routes into their order of precedence, and refuses contradictions.
///
/// # Errors
///
/// Every conflict, in the words of Next.js, with the files that cause it.
pub(super) fn ordered(routes: Vec<Route>) -> Result<Vec<Route>, Vec<String>> {
    let mut problems = Vec::new();
    let mut tree = Node::default();
    for (index, route) in routes.iter().enumerate() {
        let mut slugs = Vec::new();
        if let Err(problem) = tree.insert(&route.pattern, index, &mut slugs) {
            problems.push(format!("{problem} ({})", route.shown));
        }
    }
    tree.check_specificity("", &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut order = Vec::with_capacity(routes.len());
    tree.collect(&mut order);
    let mut slots: Vec<Option<Route>> = routes.into_iter().map(Some).collect();
    Ok(order.into_iter().filter_map(|index| slots[index].take()).collect())
}

impl RouteTable {
    /// The table of patterns that are in order and do not contradict each other; one that is
    /// no pattern matches nothing.
    pub(crate) fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Self {
        let mut table = Self::default();
        for (index, pattern) in patterns.into_iter().enumerate() {
            let parts = pattern.split('/').filter(|part| !part.is_empty());
            let segments = parts.map(parse_segment).collect::<Result<Vec<_>, _>>();
            let is_static = |segment: &Segment| matches!(segment, Segment::Static(_));
            match &segments {
                Ok(segments) if segments.iter().all(is_static) => {
                    table.exact.insert(exact_path(segments), index);
                }
                Ok(segments) => table.dynamic.insert(segments, index),
                Err(_) => {}
            }
            table.patterns.push(segments.unwrap_or_default());
        }
        table
    }

    /// Finds the route that serves just this raw path.
    pub(crate) fn find_exact(&self, raw_path: &str) -> Match {
        self.exactly(&canonical_escapes(raw_path))
            .map_or(Match::NotFound, |route| Match::Found { route, params: Vec::new() })
    }

    fn exactly(&self, path: &str) -> Option<usize> {
        let exact = if path.len() > 1 { path.strip_suffix('/').unwrap_or(path) } else { path };
        self.exact.get(exact).copied()
    }

    /// Finds the route that serves a raw path, which starts with `/` and has no query.
    pub(crate) fn find(&self, raw_path: &str) -> Match {
        let path = canonical_escapes(raw_path);
        if let Some(route) = self.exactly(&path) {
            return Match::Found { route, params: Vec::new() };
        }
        // The first of those that match, in the order of the table.
        let mut first = None;
        self.dynamic.candidates(path.strip_prefix('/').unwrap_or(&path), &mut |index| {
            let is_earlier = first.is_none_or(|first| index < first);
            if is_earlier && matches(&self.patterns[index], &path, |_, _, _| {}) {
                first = Some(index);
            }
        });
        let Some(route) = first else { return Match::NotFound };
        match params_of(&self.patterns[route], &path) {
            Ok(params) => Match::Found { route, params },
            Err(()) => Match::Malformed,
        }
    }
}

fn exact_path(segments: &[Segment]) -> String {
    let mut path = String::new();
    for segment in segments {
        if let Segment::Static(text) = segment {
            path.push('/');
            path.push_str(text);
        }
    }
    if path.is_empty() { "/".to_owned() } else { path }
}

/// One level of the pattern tree. Children are kept in the order in which they are tried.
#[derive(Debug, Default)]
struct Node {
    route: Option<usize>,
    statics: BTreeMap<Vec<u16>, (String, Node)>,
    dynamic: Option<(Arc<str>, Box<Node>)>,
    catch_all: Option<(Arc<str>, usize)>,
    optional_catch_all: Option<(Arc<str>, usize)>,
}

impl Node {
    fn insert(&mut self, pattern: &str, index: usize, slugs: &mut Vec<String>) -> Result<(), String> {
        let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
        let mut node = self;
        let mut is_open = true;
        for (at, part) in parts.iter().enumerate() {
            let last = at + 1 == parts.len();
            let segment = parse_segment(part)?;
            match &segment {
                Segment::Static(text) => {
                    let order: Vec<u16> = text.encode_utf16().collect();
                    node =
                        &mut node.statics.entry(order).or_insert_with(|| (text.clone(), Node::default())).1;
                }
                Segment::Dynamic(name) => {
                    let previous = node.dynamic.as_ref().map(|(name, _)| name.clone());
                    check_slug(previous.as_deref(), name, part, slugs)?;
                    node = &mut node.dynamic.get_or_insert_with(|| (name.clone(), Box::default())).1;
                }
                Segment::CatchAll(name) => {
                    if !last {
                        return Err("Catch-all must be the last part of the URL.".to_owned());
                    }
                    if let Some((other, _)) = &node.optional_catch_all {
                        return Err(format!(
                            "You cannot use both an optional and required catch-all route at the same level (\"[[...{other}]]\" and \"{part}\")."
                        ));
                    }
                    let previous = node.catch_all.as_ref().map(|(name, _)| name.clone());
                    check_slug(previous.as_deref(), name, part, slugs)?;
                    node.catch_all = Some((name.clone(), index));
                }
                Segment::OptionalCatchAll(name) => {
                    if !last {
                        return Err("Catch-all must be the last part of the URL.".to_owned());
                    }
                    if let Some((other, _)) = &node.catch_all {
                        return Err(format!(
                            "You cannot use both an required and optional catch-all route at the same level (\"[...{other}]\" and \"{part}\")."
                        ));
                    }
                    let previous = node.optional_catch_all.as_ref().map(|(name, _)| name.clone());
                    check_slug(previous.as_deref(), name, part, slugs)?;
                    node.optional_catch_all = Some((name.clone(), index));
                }
            }
            is_open = !matches!(segment, Segment::CatchAll(_) | Segment::OptionalCatchAll(_));
        }
        if is_open {
            node.route = Some(index);
        }
        Ok(())
    }

    fn check_specificity(&self, path: &str, problems: &mut Vec<String>) {
        if let (Some(_), Some((name, _))) = (self.route, &self.optional_catch_all) {
            let own = if path.is_empty() { "/" } else { path };
            problems.push(format!(
                "You cannot define a route with the same specificity as a optional catch-all route (\"{own}\" and \"{path}/[[...{name}]]\")."
            ));
        }
        for (text, child) in self.statics.values() {
            child.check_specificity(&format!("{path}/{text}"), problems);
        }
        if let Some((name, child)) = &self.dynamic {
            child.check_specificity(&format!("{path}/[{name}]"), problems);
        }
    }

    fn collect(&self, order: &mut Vec<usize>) {
        order.extend(self.route);
        for (_, child) in self.statics.values() {
            child.collect(order);
        }
        if let Some((_, child)) = &self.dynamic {
            child.collect(order);
        }
        order.extend(self.catch_all.as_ref().map(|(_, index)| *index));
        order.extend(self.optional_catch_all.as_ref().map(|(_, index)| *index));
    }
}

fn parse_segment(part: &str) -> Result<Segment, String> {
    let Some(inner) = part.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
        return Ok(Segment::Static(
            canonical_escapes(&utf8_percent_encode(part, PATH).to_string()).into_owned(),
        ));
    };
    let (name, optional) = match inner.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(name) => (name, true),
        None => (inner, false),
    };
    if name.starts_with('…') {
        return Err(format!("Detected a three-dot character ('…') at ('{name}'). Did you mean ('...')?"));
    }
    let (name, catch_all) = match name.strip_prefix("...") {
        Some(name) => (name, true),
        None => (name, false),
    };
    if name.starts_with('[') || name.ends_with(']') {
        return Err(format!("Segment names may not start or end with extra brackets ('{name}')."));
    }
    if name.starts_with('.') {
        return Err(format!("Segment names may not start with erroneous periods ('{name}')."));
    }
    let name = Arc::from(name);
    match (catch_all, optional) {
        (true, true) => Ok(Segment::OptionalCatchAll(name)),
        (true, false) => Ok(Segment::CatchAll(name)),
        (false, true) => Err(format!("Optional route parameters are not yet supported (\"{part}\").")),
        (false, false) => Ok(Segment::Dynamic(name)),
    }
}

fn check_slug(previous: Option<&str>, name: &str, part: &str, slugs: &mut Vec<String>) -> Result<(), String> {
    if let Some(previous) = previous.filter(|previous| *previous != name) {
        return Err(format!(
            "You cannot use different slug names for the same dynamic path ('{previous}' !== '{name}')."
        ));
    }
    let words =
        |text: &str| text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
    for slug in slugs.iter() {
        if slug == name {
            return Err(format!(
                "You cannot have the same slug name \"{name}\" repeat within a single dynamic path"
            ));
        }
        if words(slug) == words(part) {
            return Err(format!(
                "You cannot have the slug names \"{slug}\" and \"{name}\" differ only by non-word symbols within a single dynamic path"
            ));
        }
    }
    slugs.push(name.to_owned());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Table {
        routes: Vec<Route>,
        table: RouteTable,
    }

    impl Table {
        fn find(&self, path: &str) -> Match {
            self.table.find(path)
        }
    }

    fn table(patterns: &[&str]) -> Result<Table, Vec<String>> {
        let routes = ordered(
            patterns
                .iter()
                .map(|pattern| {
                    let file = PathBuf::from(format!("app{pattern}/route.ts"));
                    let shown = file.display().to_string();
                    Route::new((*pattern).to_owned(), file, shown, SegmentConfig::default())
                })
                .collect(),
        )?;
        let table = RouteTable::new(routes.iter().map(|route| route.pattern.as_str()));
        Ok(Table { routes, table })
    }

    fn refusal(patterns: &[&str]) -> String {
        table(patterns).err().expect("the table is refused").join("\n")
    }

    fn found(table: &Table, path: &str) -> Option<(String, Params)> {
        match table.find(path) {
            Match::Found { route, params } => Some((table.routes[route].pattern.clone(), params)),
            _ => None,
        }
    }

    #[test]
    fn routes_are_ordered_by_specificity() {
        let table = table(&[
            "/[[...all]]",
            "/a/[...rest]",
            "/a/[x]/[...z]",
            "/a/[x]/[y]",
            "/a/[x]/b",
            "/a/[x]",
            "/b",
            "/a/lit",
            "/a/A",
            "/a/0",
        ])
        .expect("a sound table");
        let order: Vec<_> = table.routes.iter().map(|route| route.pattern.as_str()).collect();
        assert_eq!(
            order,
            [
                "/a/0",
                "/a/A",
                "/a/lit",
                "/a/[x]",
                "/a/[x]/b",
                "/a/[x]/[y]",
                "/a/[x]/[...z]",
                "/a/[...rest]",
                "/b",
                "/[[...all]]",
            ]
        );
    }

    #[test]
    fn conflicts_are_refused_in_the_words_of_next() {
        let cases: [(&[&str], &str); 9] = [
            (&["/a/[x]", "/a/[y]/b"], "different slug names for the same dynamic path ('x' !== 'y')."),
            (
                &["/", "/[[...a]]"],
                "same specificity as a optional catch-all route (\"/\" and \"/[[...a]]\").",
            ),
            (&["/x/[[...a]]", "/x/[...b]"], "(\"[[...a]]\" and \"[...b]\")."),
            (&["/[a]/[a]"], "same slug name \"a\" repeat within a single dynamic path"),
            (&["/[a-b]/[ab]"], "\"a-b\" and \"ab\" differ only by non-word symbols"),
            (&["/[...a]/b"], "Catch-all must be the last part of the URL."),
            (&["/[[a]]"], "Optional route parameters are not yet supported (\"[[a]]\")."),
            (&["/[…x]"], "Detected a three-dot character ('…') at ('…x'). Did you mean ('...')?"),
            (&["/[.x]"], "erroneous periods"),
        ];
        for (patterns, expected) in cases {
            let said = refusal(patterns);
            assert!(said.contains(expected), "{patterns:?}: {said}");
        }
    }

    #[test]
    fn every_conflict_is_reported_with_its_file() {
        let said = refusal(&["/[[a]]", "/b/[...c]/d"]);
        assert!(said.contains("app/[[a]]/route.ts") && said.contains("app/b/[...c]/d/route.ts"), "{said}");
    }

    #[test]
    fn captured_segments_are_decoded_once() {
        let table = table(&["/items/[id]", "/files/[...path]", "/opt/[[...slug]]"]).expect("a sound table");
        let one = |text: &str| vec![("id".into(), ParamValue::One(text.to_owned()))];
        assert_eq!(found(&table, "/items/a%20b%2Fc%C3%A9").expect("found").1, one("a b/cé"));
        assert_eq!(found(&table, "/items/a+b").expect("found").1, one("a+b"));
        assert_eq!(found(&table, "/items/a%2525b").expect("found").1, one("a%25b"));
        assert_eq!(table.find("/items/%E0%A4%A"), Match::Malformed);
        assert_eq!(table.find("/items/%FF"), Match::Malformed);
        let many = ParamValue::Many(vec!["a".into(), "b/c".into(), "d".into()]);
        assert_eq!(found(&table, "/files/a/b%2Fc/d").expect("found").1, [("path".into(), many)]);
        assert_eq!(table.find("/files"), Match::NotFound);
        assert_eq!(found(&table, "/opt").expect("found").1, []);
        assert_eq!(table.find("/items"), Match::NotFound);
        assert_eq!(table.find("/items/1/2"), Match::NotFound);
    }

    #[test]
    fn static_text_is_compared_raw_but_in_the_form_of_the_url_parser() {
        let table = table(&["/items/new", "/items/[id]", "/ünï", "/sp ace", "/Case"]).expect("a sound table");
        assert_eq!(found(&table, "/items/n%65w").expect("found").0, "/items/[id]");
        assert_eq!(found(&table, "/%C3%BCn%C3%AF").expect("found").0, "/ünï");
        assert_eq!(found(&table, "/%c3%bcn%c3%af").expect("found").0, "/ünï");
        assert_eq!(found(&table, "/sp%20ace").expect("found").0, "/sp ace");
        assert_eq!(table.find("/case"), Match::NotFound);
        assert_eq!(table.find("/%43ase"), Match::NotFound);
    }

    #[test]
    fn a_failed_dynamic_route_leaves_the_catch_all_to_be_tried() {
        let table = table(&["/a/lit", "/a/[x]/b", "/a/[x]/[y]", "/a/[...rest]"]).expect("a sound table");
        for (path, pattern) in [
            ("/a/lit", "/a/lit"),
            ("/a/1/b", "/a/[x]/b"),
            ("/a/1/2", "/a/[x]/[y]"),
            ("/a/1", "/a/[...rest]"),
            ("/a/1/2/3", "/a/[...rest]"),
        ] {
            assert_eq!(found(&table, path).expect(path).0, pattern);
        }
        assert_eq!(table.find("/a"), Match::NotFound);
    }

    /// The table without its tree.
    fn scanned(table: &RouteTable, path: &str) -> Match {
        let path: &str = &canonical_escapes(path);
        let exact = if path.len() > 1 { path.strip_suffix('/').unwrap_or(path) } else { path };
        if let Some(&route) = table.exact.get(exact) {
            return Match::Found { route, params: Vec::new() };
        }
        let is_dynamic = |pattern: &[Segment]| !pattern.iter().all(|part| matches!(part, Segment::Static(_)));
        let patterns = table.patterns.iter().enumerate().filter(|(_, pattern)| is_dynamic(pattern));
        for (route, pattern) in patterns {
            if matches(pattern, path, |_, _, _| {}) {
                let params = params_of(pattern, path);
                return params.map_or(Match::Malformed, |params| Match::Found { route, params });
            }
        }
        Match::NotFound
    }

    #[test]
    fn the_tree_finds_what_a_scan_finds() {
        let mut state = 1_u64;
        let mut below = |most: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).expect("31 bits") % most
        };
        let (mut tables, mut hits) = (0, 0);
        while tables < 300 {
            let mut patterns = Vec::new();
            for _ in 0..1 + below(12) {
                let mut pattern = String::new();
                for depth in 0..1 + below(4) {
                    pattern.push('/');
                    match below(6) {
                        0 | 1 => pattern.push_str(["a", "b", "%C3%A9"][below(3)]),
                        2..=4 => pattern.push_str(&format!("[p{depth}]")),
                        _ => {
                            pattern.push_str(["[...r]", "[[...o]]"][below(2)]);
                            break;
                        }
                    }
                }
                patterns.push(pattern);
            }
            patterns.sort();
            patterns.dedup();
            let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
            // Some contradict each other.
            let Ok(Table { table, .. }) = table(&patterns) else { continue };
            tables += 1;
            for _ in 0..100 {
                let mut path = String::new();
                for _ in 0..below(5) {
                    path.push('/');
                    path.push_str(["a", "b", "%C3%A9", "x", "", "%", "%E0%A4%A"][below(7)]);
                }
                if path.is_empty() || below(4) == 0 {
                    path.push('/');
                }
                let found = table.find(&path);
                assert_eq!(found, scanned(&table, &path), "{path} of {patterns:?}");
                hits += usize::from(matches!(found, Match::Found { .. }));
            }
        }
        assert!(hits > 5000, "{hits} paths were found");
    }

    #[test]
    fn few_of_many_patterns_are_looked_at() {
        let patterns: Vec<String> = (0..800).map(|n| format!("/r{n}/[id]")).collect();
        let patterns: Vec<&str> =
            patterns.iter().map(String::as_str).chain(["/[x]/[y]", "/[...z]"]).collect();
        let table = table(&patterns).expect("a sound table");
        let mut candidates = Vec::new();
        table.table.dynamic.candidates("r799/7", &mut |index| candidates.push(index));
        assert_eq!(candidates.len(), 3, "{candidates:?}");
        assert_eq!(found(&table, "/r799/7").expect("found").0, "/r799/[id]");
    }

    #[test]
    fn allow_lists_are_sorted_and_complete() {
        let set = |methods: &[Method]| {
            let mut set = MethodSet::default();
            methods.iter().for_each(|method| set.insert(*method));
            set.allow()
        };
        assert_eq!(set(&[Method::Get]), "GET, HEAD, OPTIONS");
        assert_eq!(set(&[Method::Post]), "OPTIONS, POST");
        assert_eq!(set(&[Method::Head]), "HEAD, OPTIONS");
        assert_eq!(set(&[]), "OPTIONS");
        assert_eq!(set(&[Method::Query, Method::Put]), "OPTIONS, PUT, QUERY");
        assert_eq!(
            set(&[Method::Get, Method::Post, Method::Put, Method::Patch, Method::Delete]),
            "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
        );
    }
}
