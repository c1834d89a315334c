//! The grammar of sources and destinations: that of path-to-regexp 6, as Next.js uses it.
//!
//! `:name`, `:name(pattern)`, `(pattern)`, `{prefix:name suffix}` and the modifiers `?`, `*`
//! and `+`. A pattern is compiled once, to a regular expression with the semantics of
//! JavaScript; errors have the words that people search for.

use super::params::{Params, Value};

/// Longest source of a compiled expression.
pub(super) const LONGEST: usize = 4096;

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Text(String),
    Param(Param),
}

/// A part that takes in what varies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Param {
    /// Its name, or its number where it has none. Empty for a group that only makes text
    /// optional.
    pub(super) name: String,
    pub(super) is_named: bool,
    pub(super) prefix: String,
    pub(super) suffix: String,
    pub(super) pattern: String,
    pub(super) modifier: Modifier,
}

/// How often a part may stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Modifier {
    Once,
    Optional,
    Any,
    Many,
}

impl Modifier {
    fn of(c: char) -> Option<Self> {
        match c {
            '?' => Some(Self::Optional),
            '*' => Some(Self::Any),
            '+' => Some(Self::Many),
            _ => None,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Once => "",
            Self::Optional => "?",
            Self::Any => "*",
            Self::Many => "+",
        }
    }

    pub(super) fn repeats(self) -> bool {
        matches!(self, Self::Any | Self::Many)
    }
}

/// How the parameters and the whole of an expression end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The source of a rule: whatever the case, with or without a slash at its end.
    Rule,
    /// The same for redirects, which never take what belongs to Next.js itself.
    Redirect,
    /// The source of a matcher of middleware: the case counts.
    Matcher,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Lexeme {
    Open,
    Close,
    Pattern(String),
    Name(String),
    Char(char),
    Escaped(char),
    Modifier(Modifier),
    End,
}

impl Lexeme {
    fn kind(&self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Close => "CLOSE",
            Self::Pattern(_) => "PATTERN",
            Self::Name(_) => "NAME",
            Self::Char(_) => "CHAR",
            Self::Escaped(_) => "ESCAPED_CHAR",
            Self::Modifier(_) => "MODIFIER",
            Self::End => "END",
        }
    }
}

fn lex(text: &str) -> Result<Vec<(usize, Lexeme)>, String> {
    let chars: Vec<char> = text.chars().collect();
    let mut lexemes = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let begins = at;
        at += 1;
        let lexeme = match c {
            '{' => Lexeme::Open,
            '}' => Lexeme::Close,
            '\\' => {
                let Some(&escaped) = chars.get(at) else { return Err(format!("Missing character at {at}")) };
                at += 1;
                Lexeme::Escaped(escaped)
            }
            ':' => {
                let is_of_name = |c: &&char| c.is_ascii_alphanumeric() || **c == '_';
                let name: String = chars[at..].iter().take_while(is_of_name).collect();
                if name.is_empty() {
                    return Err(format!("Missing parameter name at {begins}"));
                }
                at += name.len();
                Lexeme::Name(name)
            }
            '(' => Lexeme::Pattern(group(&chars, &mut at)?),
            c => Modifier::of(c).map_or(Lexeme::Char(c), Lexeme::Modifier),
        };
        lexemes.push((begins, lexeme));
    }
    lexemes.push((at, Lexeme::End));
    Ok(lexemes)
}

/// What stands in a pair of parentheses; `at` is behind the first one.
fn group(chars: &[char], at: &mut usize) -> Result<String, String> {
    let begins = *at - 1;
    if chars.get(*at) == Some(&'?') {
        return Err(format!("Pattern cannot start with \"?\" at {at}"));
    }
    let mut pattern = String::new();
    let mut depth = 1;
    while let Some(&c) = chars.get(*at) {
        match c {
            '\\' => {
                pattern.push(c);
                *at += 1;
                pattern.extend(chars.get(*at));
                *at += 1;
                continue;
            }
            ')' => {
                depth -= 1;
                if depth == 0 {
                    *at += 1;
                    break;
                }
            }
            '(' => {
                depth += 1;
                if chars.get(*at + 1) != Some(&'?') {
                    return Err(format!("Capturing groups are not allowed at {at}"));
                }
            }
            _ => {}
        }
        pattern.push(c);
        *at += 1;
    }
    if depth > 0 {
        return Err(format!("Unbalanced pattern at {begins}"));
    }
    if pattern.is_empty() {
        return Err(format!("Missing pattern at {begins}"));
    }
    Ok(pattern)
}

struct Parser<'a> {
    lexemes: std::slice::Iter<'a, (usize, Lexeme)>,
    /// What ends a parameter without a pattern.
    delimiters: &'static str,
    tokens: Vec<Token>,
    text: String,
    numbered: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Lexeme {
        self.lexemes.as_slice().first().map_or(&Lexeme::End, |(_, lexeme)| lexeme)
    }

    fn take<T>(&mut self, wanted: impl FnOnce(&Lexeme) -> Option<T>) -> Option<T> {
        let found = wanted(self.peek())?;
        self.lexemes.next();
        Some(found)
    }

    fn char(&mut self) -> Option<char> {
        self.take(|lexeme| if let Lexeme::Char(c) = lexeme { Some(*c) } else { None })
    }

    fn escaped(&mut self) -> Option<char> {
        self.take(|lexeme| if let Lexeme::Escaped(c) = lexeme { Some(*c) } else { None })
    }

    fn name(&mut self) -> Option<String> {
        self.take(|lexeme| if let Lexeme::Name(name) = lexeme { Some(name.clone()) } else { None })
    }

    fn pattern(&mut self) -> Option<String> {
        self.take(|lexeme| if let Lexeme::Pattern(text) = lexeme { Some(text.clone()) } else { None })
    }

    fn modifier(&mut self) -> Modifier {
        let found =
            self.take(|lexeme| if let Lexeme::Modifier(found) = lexeme { Some(*found) } else { None });
        found.unwrap_or(Modifier::Once)
    }

    fn text(&mut self) -> String {
        let mut text = String::new();
        while let Some(c) = self.char().or_else(|| self.escaped()) {
            text.push(c);
        }
        text
    }

    fn must(&mut self, wanted: &Lexeme) -> Result<(), String> {
        let (at, found) =
            self.lexemes.as_slice().first().map_or((0, &Lexeme::End), |(at, found)| (*at, found));
        if found != wanted {
            return Err(format!("Unexpected {} at {at}, expected {}", found.kind(), wanted.kind()));
        }
        self.lexemes.next();
        Ok(())
    }

    fn end_text(&mut self) {
        if !self.text.is_empty() {
            self.tokens.push(Token::Text(std::mem::take(&mut self.text)));
        }
    }

    /// The pattern of a parameter that has none: up to the next delimiter, and not beyond
    /// the text before it.
    fn default_pattern(&self, prefix: &str) -> Result<String, String> {
        let previous = self.tokens.last();
        let before = match (prefix, previous) {
            ("", Some(Token::Text(text))) => text,
            (prefix, _) => prefix,
        };
        if let (true, Some(Token::Param(previous))) = (before.is_empty(), previous) {
            return Err(format!(
                "Must have text between two parameters, missing text after \"{}\"",
                previous.name
            ));
        }
        let none_of = escaped(self.delimiters);
        let ends = before.is_empty() || before.chars().any(|c| self.delimiters.contains(c));
        Ok(if ends {
            format!("[^{none_of}]+?")
        } else {
            format!("(?:(?!{})[^{none_of}])+?", escaped(before))
        })
    }

    fn number(&mut self) -> String {
        self.numbered += 1;
        (self.numbered - 1).to_string()
    }

    fn run(mut self) -> Result<Vec<Token>, String> {
        while *self.peek() != Lexeme::End {
            let char = self.char();
            let (name, pattern) = (self.name(), self.pattern());
            if name.is_some() || pattern.is_some() {
                let mut prefix = char.map(String::from).unwrap_or_default();
                if !matches!(prefix.as_str(), "" | "." | "/") {
                    self.text.push_str(&std::mem::take(&mut prefix));
                }
                self.end_text();
                let pattern = match pattern {
                    Some(pattern) => pattern,
                    None => self.default_pattern(&prefix)?,
                };
                let is_named = name.is_some();
                let name = name.unwrap_or_else(|| self.number());
                let (suffix, modifier) = (String::new(), self.modifier());
                self.tokens.push(Token::Param(Param { name, is_named, prefix, suffix, pattern, modifier }));
                continue;
            }
            if let Some(c) = char.or_else(|| self.escaped()) {
                self.text.push(c);
                continue;
            }
            self.end_text();
            if *self.peek() == Lexeme::Open {
                self.lexemes.next();
                let prefix = self.text();
                let (name, pattern) = (self.name(), self.pattern());
                let suffix = self.text();
                self.must(&Lexeme::Close)?;
                let pattern = match (&name, pattern) {
                    (Some(_), None) => self.default_pattern(&prefix)?,
                    (_, pattern) => pattern.unwrap_or_default(),
                };
                let is_named = name.is_some();
                let name = match name {
                    Some(name) => name,
                    None if pattern.is_empty() => String::new(),
                    None => self.number(),
                };
                let modifier = self.modifier();
                self.tokens.push(Token::Param(Param { name, is_named, prefix, suffix, pattern, modifier }));
                continue;
            }
            self.must(&Lexeme::End)?;
        }
        self.end_text();
        Ok(self.tokens)
    }
}

/// The parts of a pattern.
///
/// # Errors
///
/// What is wrong with it, and where.
pub(super) fn parse(text: &str, kind: Kind) -> Result<Vec<Token>, String> {
    let lexemes = lex(text)?;
    let delimiters = if kind == Kind::Matcher { "/#?" } else { "/" };
    let parser =
        Parser { lexemes: lexemes.iter(), delimiters, tokens: Vec::new(), text: String::new(), numbered: 0 };
    parser.run()
}

/// Text that stands for itself in a regular expression.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if ".+*?=^!:${}()[]|/\\".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The regular expression of a pattern, without what stands at its ends.
fn expression(tokens: &[Token]) -> String {
    let mut out = String::new();
    for token in tokens {
        let param = match token {
            Token::Text(text) => {
                out.push_str(&escaped(text));
                continue;
            }
            Token::Param(param) => param,
        };
        let (prefix, suffix) = (escaped(&param.prefix), escaped(&param.suffix));
        let (pattern, modifier) = (&param.pattern, param.modifier.text());
        out.push_str(&if pattern.is_empty() {
            format!("(?:{prefix}{suffix}){modifier}")
        } else if prefix.is_empty() && suffix.is_empty() {
            if param.modifier.repeats() {
                format!("((?:{pattern}){modifier})")
            } else {
                format!("({pattern}){modifier}")
            }
        } else if param.modifier.repeats() {
            let none = if param.modifier == Modifier::Any { "?" } else { "" };
            format!("(?:{prefix}((?:{pattern})(?:{suffix}{prefix}(?:{pattern}))*){suffix}){none}")
        } else {
            format!("(?:{prefix}({pattern}){suffix}){modifier}")
        });
    }
    out
}

/// A pattern that paths are compared with.
#[derive(Debug)]
pub(super) struct Source {
    regex: regress::Regex,
    /// In the order of the groups of the expression.
    params: Vec<Param>,
}

impl Source {
    /// Compiles a pattern. `base` is the base path, to stand before it.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and where.
    pub(super) fn compile(text: &str, base: &str, kind: Kind) -> Result<Self, String> {
        // A slash may be there or not behind it.
        let text = if text == "/" && !base.is_empty() { "" } else { text };
        let tokens = parse(&format!("{}{text}", literal(base)), kind)?;
        let inner = expression(&tokens);
        let (source, flags) = match kind {
            Kind::Rule => (format!("^{inner}(?:\\/)?$"), "i"),
            Kind::Redirect => (format!("^(?!{}\\/_next){inner}(?:\\/)?$", escaped(base)), "i"),
            Kind::Matcher => (format!("^{inner}[\\/#\\?]?$"), ""),
        };
        if source.len() > LONGEST {
            return Err(format!("exceeds max built length of {LONGEST}"));
        }
        let regex = regress::Regex::with_flags(&source, flags)
            .map_err(|error| format!("Invalid regular expression: /{source}/: {error}"))?;
        let params = tokens.into_iter().filter_map(|token| match token {
            Token::Param(param) if !param.pattern.is_empty() => Some(param),
            _ => None,
        });
        Ok(Self { regex, params: params.collect() })
    }

    /// Whether a path has this form.
    pub(super) fn is_of(&self, path: &str) -> bool {
        self.regex.find(path).is_some()
    }

    /// What a path of this form has at the places of named parameters.
    pub(super) fn params(&self, path: &str) -> Option<Params> {
        let found = self.regex.find(path)?;
        let mut params = Params::default();
        for (index, param) in self.params.iter().enumerate().filter(|(_, param)| param.is_named) {
            let Some(range) = found.group(index + 1) else { continue };
            let text = &path[range];
            let between = format!("{}{}", param.suffix, param.prefix);
            let value = if param.modifier.repeats() && !between.is_empty() {
                Value::Many(text.split(between.as_str()).map(str::to_owned).collect())
            } else {
                Value::One(text.to_owned())
            };
            params.set(&param.name, value);
        }
        Some(params)
    }

    /// The names of its parameters.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.params.iter().filter(|param| param.is_named).map(|param| param.name.as_str())
    }
}

/// A text as a pattern that means just that.
pub(super) fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "{}():*+?\\".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matcher(source: &str) -> Source {
        Source::compile(source, "", Kind::Matcher).expect("a pattern")
    }

    #[test]
    fn matchers_take_what_the_table_says() {
        for (source, taken, left) in [
            ("/", &["/"][..], &["/about"][..]),
            ("/about", &["/about", "/about/"], &["/about/team", "/About"]),
            ("/about/:path", &["/about/team"], &["/about", "/about/a/b"]),
            ("/about/:path?", &["/about", "/about/", "/about/team"], &["/about/a/b"]),
            ("/about/:path*", &["/about", "/about/team", "/about/a/b"], &["/abouts"]),
            ("/about/:path+", &["/about/team", "/about/a/b"], &["/about"]),
            ("/:path*", &["/", "/a", "/a/b"], &[]),
            ("/(.*)", &["/", "/a", "/a/b"], &[]),
            (
                "/((?!api|_next/static|favicon.ico).*)",
                &["/", "/about", "/blog/12", "/x.png"],
                &["/api", "/api/x", "/_next/static/x", "/apiary"],
            ),
            ("/((?!.*\\.).*)", &["/", "/a", "/a/b"], &["/x.png", "/a.b"]),
            ("/blog/:slug(\\d{1,})", &["/blog/12"], &["/blog/ab", "/blog"]),
            ("/a/:x-:y", &["/a/1-2"], &["/a/12"]),
            ("/(api|trpc)(.*)", &["/api", "/api/x", "/trpc/x"], &["/about"]),
            ("/dashboard/(.*)", &["/dashboard/x"], &["/dashboard"]),
            ("/docs{/:lang}?/x", &["/docs/x", "/docs/en/x"], &["/docs/a/b/x"]),
            ("/a\\:b", &["/a:b"], &["/ab"]),
            ("/x{a}?y", &["/xay", "/xy"], &["/xaay"]),
            ("/file.:ext", &["/file.png"], &["/file"]),
        ] {
            let compiled = matcher(source);
            for path in taken {
                assert!(compiled.is_of(path), "{source} takes {path}");
            }
            for path in left {
                assert!(!compiled.is_of(path), "{source} leaves {path}");
            }
        }
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        for (source, message) in [
            ("/a/:", "Missing parameter name at 3"),
            ("/a/(?:x)", "Pattern cannot start with \"?\" at 4"),
            ("/a/((x))", "Capturing groups are not allowed at 4"),
            ("/a/()", "Missing pattern at 3"),
            ("/a/(x", "Unbalanced pattern at 3"),
            ("/a/:x:y", "Must have text between two parameters, missing text after \"x\""),
            ("/a/{b", "Unexpected END at 5, expected CLOSE"),
            ("/a/b}", "Unexpected CLOSE at 4, expected END"),
            ("/*", "Unexpected MODIFIER at 1, expected END"),
        ] {
            assert_eq!(Source::compile(source, "", Kind::Rule).err().as_deref(), Some(message), "{source}");
        }
        let long = format!("/{}", "a".repeat(5000));
        let error = Source::compile(&long, "", Kind::Matcher).expect_err("too long");
        assert_eq!(error, "exceeds max built length of 4096");
        let error = Source::compile("/:x([z-a])", "", Kind::Rule).expect_err("no expression");
        assert!(error.starts_with("Invalid regular expression"), "{error}");
    }

    #[test]
    fn rules_ignore_the_case_and_give_parameters() {
        let rule = Source::compile("/old/:p*", "", Kind::Redirect).expect("a pattern");
        let params = rule.params("/OLD/a/b").expect("it has the form");
        assert_eq!(params.get("p"), Some(&Value::Many(vec!["a".into(), "b".into()])));
        assert_eq!(rule.params("/old").expect("it has the form").get("p"), None);
        assert!(rule.is_of("/old/") && !rule.is_of("/older"));
        let all = Source::compile("/:p*", "", Kind::Redirect).expect("a pattern");
        assert!(!all.is_of("/_next/static/x") && all.is_of("/next"));
        let based = Source::compile("/", "/ba.se", Kind::Rule).expect("a pattern");
        assert!(based.is_of("/ba.se") && based.is_of("/ba.se/") && !based.is_of("/baxse"));
        let unnamed = Source::compile("/a/(\\d+)/:b", "", Kind::Rule).expect("a pattern");
        assert_eq!(
            unnamed.params("/a/1/x").expect("it has the form").get("b"),
            Some(&Value::One("x".into()))
        );
    }

    proptest! {
        /// Whatever is written, compiling ends with a pattern or with words.
        #[test]
        fn nothing_makes_it_panic(text in "[/a-b:(){}*+?.\\\\|\\[\\]^$!=<-]{0,24}", path in "(/[a-c.-]{0,3}){0,4}") {
            for kind in [Kind::Rule, Kind::Redirect, Kind::Matcher] {
                if let Ok(source) = Source::compile(&text, "", kind) {
                    let _ = source.params(&path);
                }
            }
        }

        /// A path without signs of the grammar is a pattern for itself.
        #[test]
        fn text_stands_for_itself(path in "(/[a-zA-Z0-9._~%@&=$^|!-]{1,6}){1,4}") {
            prop_assert!(matcher(&path).is_of(&path));
            let longer = format!("{path}x");
            prop_assert!(!matcher(&path).is_of(&longer));
            prop_assert!(matcher(&literal(&path)).is_of(&path));
        }

        /// A parameter for each segment gives the segments.
        #[test]
        fn segments_come_back(segments in prop::collection::vec("[a-z0-9%.]{1,5}", 1..5)) {
            let pattern: String = (0..segments.len()).map(|index| format!("/:p{index}")).collect();
            let path = format!("/{}", segments.join("/"));
            let rule = Source::compile(&pattern, "", Kind::Rule).expect("a pattern");
            let params = rule.params(&path).expect("it has the form");
            for (index, segment) in segments.iter().enumerate() {
                prop_assert_eq!(params.get(&format!("p{index}")), Some(&Value::One(segment.clone())));
            }
            let rest = Source::compile("/:all+", "", Kind::Rule).expect("a pattern");
            let params = rest.params(&path).expect("it has the form");
            prop_assert_eq!(params.get("all"), Some(&Value::Many(segments)));
        }
    }
}
