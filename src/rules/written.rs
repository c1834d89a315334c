//! Rules as `next.config` has them.

use http::{HeaderName, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::condition::Conditions;
use super::destination::{Destination, Filled};
use super::pattern::{Kind, Source};
use super::{HeaderRule, Redirect, Rewrite, Rules, When};

/// What the paths of a project are like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Paths {
    /// What all paths of the project begin with, such as `/docs`; mostly empty.
    pub(crate) base: String,
    /// Whether paths end with a slash.
    pub(crate) trailing_slash: bool,
    /// Whether paths that end otherwise are served as they are.
    pub(crate) skip_redirect: bool,
}

/// Rules, as data.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct WrittenRules {
    pub(crate) headers: Vec<Json>,
    pub(crate) redirects: Vec<Json>,
    pub(crate) before_files: Vec<Json>,
    pub(crate) after_files: Vec<Json>,
    pub(crate) fallback: Vec<Json>,
}

/// Headers that say how a body is sent, in which a rule has no say.
const OF_BODIES: [&str; 4] = ["connection", "content-encoding", "content-length", "transfer-encoding"];

const STATUSES: [u64; 5] = [301, 302, 303, 307, 308];

impl WrittenRules {
    /// Takes in what the functions of a configuration returned.
    ///
    /// # Errors
    ///
    /// A sentence for each that is no list.
    pub(crate) fn read(headers: Json, redirects: Json, rewrites: Json) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let mut list = |kind: &str, value: Json| match value {
            Json::Null => Vec::new(),
            Json::Array(list) => list,
            other => {
                problems.push(format!(
                    "{kind}s must return an array, received {}. See here for more info: https://nextjs.org/docs/messages/routes-must-be-array",
                    type_of(&other)
                ));
                Vec::new()
            }
        };
        let mut written = Self {
            headers: list("header", headers),
            redirects: list("redirect", redirects),
            ..Self::default()
        };
        match rewrites {
            Json::Object(mut phases) => {
                let mut phase = |name: &str| list("rewrite", phases.remove(name).unwrap_or_default());
                written.before_files = phase("beforeFiles");
                written.after_files = phase("afterFiles");
                written.fallback = phase("fallback");
            }
            other => written.after_files = list("rewrite", other),
        }
        if problems.is_empty() { Ok(written) } else { Err(problems) }
    }

    /// Compiles them.
    ///
    /// # Errors
    ///
    /// A sentence for each rule that cannot be one.
    pub(crate) fn compile(&self, base: &str) -> Result<Rules, Vec<String>> {
        let mut reading = Reading { base, problems: Vec::new() };
        let rules = Rules {
            headers: self.headers.iter().filter_map(|rule| reading.header(rule)).collect(),
            redirects: self.redirects.iter().filter_map(|rule| reading.redirect(rule)).collect(),
            before: self.before_files.iter().filter_map(|rule| reading.rewrite(rule)).collect(),
            after: self.after_files.iter().filter_map(|rule| reading.rewrite(rule)).collect(),
            fallback: self.fallback.iter().filter_map(|rule| reading.rewrite(rule)).collect(),
        };
        if reading.problems.is_empty() { Ok(rules) } else { Err(reading.problems) }
    }
}

/// As `typeof` says it.
fn type_of(value: &Json) -> &'static str {
    match value {
        Json::Null | Json::Array(_) | Json::Object(_) => "object",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "number",
        Json::String(_) => "string",
    }
}

struct Reading<'a> {
    base: &'a str,
    problems: Vec<String>,
}

impl Reading<'_> {
    /// Says what is wrong with a rule, if anything is.
    fn refuse(&mut self, kind: &str, rule: &Json, wrong: &[String], fields: &[&str]) -> bool {
        let unknown: Vec<&str> = rule
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .filter(|name| {
                !matches!(*name, "source" | "locale" | "has" | "missing") && !fields.contains(name)
            })
            .collect();
        let mut parts = wrong.to_vec();
        if !unknown.is_empty() {
            let s = if unknown.len() == 1 { "" } else { "s" };
            parts.push(format!("invalid field{s}: {}", unknown.join(",")));
        }
        if !parts.is_empty() {
            self.problems.push(format!("Invalid {kind} found: {} for route {rule}", parts.join(", ")));
        }
        !parts.is_empty()
    }

    /// The part that all rules have, and the base path that holds for this one.
    fn when(&self, rule: &Json, kind: Kind, wrong: &mut Vec<String>) -> (Option<When>, String) {
        let base = match rule.get("basePath") {
            None | Some(Json::Null) => self.base,
            Some(Json::Bool(false)) => "",
            Some(_) => {
                wrong.push("`basePath` must be undefined or false".to_owned());
                ""
            }
        };
        if rule.get("locale").is_some_and(|locale| !matches!(locale, Json::Null | Json::Bool(false))) {
            wrong.push("`locale` must be undefined or false".to_owned());
        }
        let conditions = Conditions::read(rule, wrong);
        let source = source(rule, base, kind, wrong);
        (source.map(|source| When { source, conditions }), base.to_owned())
    }

    fn destination(
        &self,
        rule: &Json,
        when: &When,
        base: &str,
        wrong: &mut Vec<String>,
    ) -> Option<Destination> {
        let text = match rule.get("destination") {
            Some(Json::String(text)) if !text.is_empty() => text,
            None | Some(Json::Null | Json::String(_)) => {
                wrong.push("`destination` is missing".to_owned());
                return None;
            }
            Some(_) => {
                wrong.push("`destination` is not a string".to_owned());
                return None;
            }
        };
        if !["/", "https://", "http://"].iter().any(|begin| text.starts_with(begin)) {
            wrong.push("`destination` does not start with `/`, `http://`, or `https://`".to_owned());
            return None;
        }
        let names: Vec<&str> = when.source.names().chain(when.conditions.names()).collect();
        Destination::compile(text, base, &names).map_err(|error| wrong.push(error)).ok()
    }

    fn is_rule(&mut self, kind: &str, rule: &Json, beside: &str) -> bool {
        if !rule.is_object() {
            self.problems.push(format!(
                "Invalid {kind} found: the route {rule} is not a valid object with `source` and `{beside}`"
            ));
        }
        rule.is_object()
    }

    fn redirect(&mut self, rule: &Json) -> Option<Redirect> {
        if !self.is_rule("redirect", rule, "destination") {
            return None;
        }
        let mut wrong = Vec::new();
        let (when, base) = self.when(rule, Kind::Redirect, &mut wrong);
        let destination = when.as_ref().and_then(|when| self.destination(rule, when, &base, &mut wrong));
        let code = rule.get("statusCode").filter(|code| !code.is_null());
        let permanent = rule.get("permanent").and_then(Json::as_bool);
        let status = match (code, permanent) {
            (Some(_), Some(_)) => {
                wrong.push("`permanent` and `statusCode` exclude each other".to_owned());
                None
            }
            (Some(code), None) => code.as_u64().filter(|code| STATUSES.contains(code)).or_else(|| {
                wrong.push("`statusCode` is not undefined or valid statusCode".to_owned());
                None
            }),
            (None, Some(permanent)) => Some(if permanent { 308 } else { 307 }),
            (None, None) => {
                wrong.push("`permanent` is not set to `true` or `false`".to_owned());
                None
            }
        };
        if self.refuse("redirect", rule, &wrong, &["basePath", "destination", "permanent", "statusCode"]) {
            return None;
        }
        let status = StatusCode::from_u16(u16::try_from(status?).ok()?).ok()?;
        Some(Redirect { when: when?, status, destination: destination? })
    }

    fn rewrite(&mut self, rule: &Json) -> Option<Rewrite> {
        if !self.is_rule("rewrite", rule, "destination") {
            return None;
        }
        let mut wrong = Vec::new();
        let (when, base) = self.when(rule, Kind::Rule, &mut wrong);
        let destination = when.as_ref().and_then(|when| self.destination(rule, when, &base, &mut wrong));
        let is_own = destination.as_ref().is_some_and(|destination| !destination.is_external());
        if is_own && rule.get("basePath") == Some(&Json::Bool(false)) {
            wrong.push("rewrites urls outside of the basePath. Please use a destination that starts with `http://` or `https://` https://nextjs.org/docs/messages/invalid-external-rewrite".to_owned());
        }
        if self.refuse("rewrite", rule, &wrong, &["basePath", "destination"]) {
            return None;
        }
        Some(Rewrite { when: when?, destination: destination? })
    }

    fn header(&mut self, rule: &Json) -> Option<HeaderRule> {
        if !self.is_rule("header", rule, "headers") {
            return None;
        }
        let mut wrong = Vec::new();
        let (when, _) = self.when(rule, Kind::Rule, &mut wrong);
        let items = match rule.get("headers") {
            Some(Json::Array(items)) if items.is_empty() => {
                wrong.push("`headers` field cannot be empty".to_owned());
                &[][..]
            }
            Some(Json::Array(items)) => items,
            _ => {
                wrong.push("`headers` field must be an array".to_owned());
                &[][..]
            }
        };
        let names: Vec<&str> =
            when.iter().flat_map(|when| when.source.names().chain(when.conditions.names())).collect();
        let mut headers = Vec::new();
        for item in items {
            let text = |field: &str| item.get(field).and_then(Json::as_str);
            let problem = match (text("key"), text("value")) {
                _ if !item.is_object() => {
                    "`headers` items must be object with { key: '', value: '' }".to_owned()
                }
                (None, _) => "`key` in header item must be string".to_owned(),
                (_, None) => "`value` in header item must be string".to_owned(),
                (Some(key), _) if OF_BODIES.contains(&key.to_ascii_lowercase().as_str()) => {
                    format!("`{key}` says how a body is sent and cannot be set")
                }
                (Some(key), _) if !key.contains(':') && HeaderName::try_from(key).is_err() => {
                    format!("`{key}` is no name of a header")
                }
                (Some(key), Some(value)) => {
                    headers.push((Filled::read(key, &names), Filled::read(value, &names)));
                    continue;
                }
            };
            wrong.push(problem);
            break;
        }
        if self.refuse("header", rule, &wrong, &["basePath", "headers"]) {
            return None;
        }
        Some(HeaderRule { when: when?, headers })
    }
}

/// The source of a rule, compiled. What is wrong is added to `wrong`.
pub(super) fn source(rule: &Json, base: &str, kind: Kind, wrong: &mut Vec<String>) -> Option<Source> {
    let text = match rule.get("source") {
        Some(Json::String(text)) if !text.is_empty() => text,
        None | Some(Json::Null | Json::String(_)) => {
            wrong.push("`source` is missing".to_owned());
            return None;
        }
        Some(_) => {
            wrong.push("`source` is not a string".to_owned());
            return None;
        }
    };
    if !text.starts_with('/') {
        wrong.push("`source` does not start with /".to_owned());
        return None;
    }
    let compiled = Source::compile(text, base, kind);
    compiled
        .map_err(|error| {
            wrong.push(if error.starts_with("exceeds") {
                format!("`source` {error}")
            } else {
                format!("`source` parse failed ({error})")
            });
        })
        .ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use serde_json::json;

    use super::super::Subject;
    use super::*;

    fn rules(redirects: Json, headers: Json, rewrites: Json) -> Rules {
        let written = WrittenRules::read(headers, redirects, rewrites).expect("lists");
        written.compile("").unwrap_or_else(|problems| panic!("{problems:#?}"))
    }

    fn at<'a>(path: &'a str, query: Option<&'a str>, headers: &'a HeaderMap) -> Subject<'a> {
        Subject { path, query, host: "h", headers }
    }

    #[test]
    fn the_first_redirect_that_applies_answers() {
        let rules = rules(
            json!([
                { "source": "/oldt", "destination": "/newt?a=b", "permanent": false },
                { "source": "/old/:p*", "destination": "/new/:p*", "permanent": true },
                {
                    "source": "/old3", "destination": "https://example.com/:path", "statusCode": 301,
                    "has": [{ "type": "query", "key": "path", "value": "(?<path>.*)" }],
                },
            ]),
            Json::Null,
            Json::Null,
        );
        let none = HeaderMap::new();
        for (path, query, expected) in [
            ("/oldt", Some("x=1"), Some((307, "/newt?x=1&a=b"))),
            ("/OLDT", None, Some((307, "/newt?a=b"))),
            ("/old/a/b", Some("x=1"), Some((308, "/new/a/b?x=1"))),
            ("/old3", Some("path=q"), Some((301, "https://example.com/q?path=q"))),
            ("/old3", None, None),
        ] {
            let found = rules.redirect(&at(path, query, &none));
            let found = found.as_ref().map(|(status, to)| (status.as_u16(), to.as_str()));
            assert_eq!(found, expected, "{path}");
        }
    }

    #[test]
    fn headers_have_parameters_and_the_last_of_a_name_counts() {
        let rules = rules(
            Json::Null,
            json!([
                { "source": "/h/:k", "headers": [
                    { "key": "x-conf", "value": "k=:k" }, { "key": "set-cookie", "value": "a=1" },
                ] },
                { "source": "/h/:k*", "headers": [
                    { "key": "X-Conf", "value": "all" }, { "key": "x-:k", "value": "max-age=5:1" }, { "key": "set-cookie", "value": "b=2" },
                ] },
            ]),
            Json::Null,
        );
        let none = HeaderMap::new();
        let headers = rules.headers(&at("/h/z", None, &none));
        let shown: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().expect("text")))
            .collect();
        assert_eq!(shown, ["set-cookie: a=1", "x-conf: all", "x-z: max-age=5:1", "set-cookie: b=2"]);
    }

    #[test]
    fn what_cannot_be_a_rule_is_told_in_the_words_of_next() {
        let problems = |kind: &str, rule: Json| {
            let list = json!([rule]);
            let (mut headers, mut redirects, mut rewrites) = (Json::Null, Json::Null, Json::Null);
            match kind {
                "header" => headers = list,
                "redirect" => redirects = list,
                _ => rewrites = list,
            }
            let written = WrittenRules::read(headers, redirects, rewrites).expect("lists");
            written.compile("/base").expect_err("no rule").join("\n")
        };
        for (kind, rule, part) in [
            (
                "redirect",
                json!({ "source": "/a", "destination": "/b" }),
                "`permanent` is not set to `true` or `false` for route {",
            ),
            (
                "redirect",
                json!({ "source": "/a", "destination": "/b", "statusCode": 200 }),
                "`statusCode` is not undefined or valid statusCode",
            ),
            (
                "redirect",
                json!({ "source": "/a", "destination": "/b", "statusCode": 301, "permanent": true }),
                "exclude each other",
            ),
            (
                "redirect",
                json!({ "destination": "/b", "permanent": true }),
                "Invalid redirect found: `source` is missing for route",
            ),
            (
                "redirect",
                json!({ "source": "a", "destination": "/b", "permanent": true }),
                "`source` does not start with /",
            ),
            (
                "redirect",
                json!({ "source": "/:", "destination": "/b", "permanent": true }),
                "`source` parse failed (Missing parameter name at 6)",
            ),
            (
                "redirect",
                json!({ "source": "/a", "destination": "/:b", "permanent": true }),
                "`destination` has segments not in `source` or `has` (b)",
            ),
            (
                "redirect",
                json!({ "source": "/a", "destination": "b", "permanent": true }),
                "`destination` does not start with",
            ),
            (
                "redirect",
                json!({ "source": "/a", "destination": "/b", "permanent": true, "x": 1, "y": 1 }),
                "invalid fields: x,y",
            ),
            ("redirect", json!("/a"), "is not a valid object with `source` and `destination`"),
            ("rewrite", json!({ "source": "/a" }), "`destination` is missing"),
            ("rewrite", json!({ "source": "/a", "destination": 1 }), "`destination` is not a string"),
            (
                "rewrite",
                json!({ "source": "/a", "destination": "/b", "basePath": false }),
                "rewrites urls outside of the basePath",
            ),
            (
                "rewrite",
                json!({ "source": "/a", "destination": "/b", "locale": true }),
                "`locale` must be undefined or false",
            ),
            ("header", json!({ "source": "/a" }), "`headers` field must be an array"),
            ("header", json!({ "source": "/a", "headers": [] }), "`headers` field cannot be empty"),
            (
                "header",
                json!({ "source": "/a", "headers": [{ "key": 1 }] }),
                "`key` in header item must be string",
            ),
            (
                "header",
                json!({ "source": "/a", "headers": [{ "key": "Content-Length", "value": "1" }] }),
                "cannot be set",
            ),
        ] {
            let told = problems(kind, rule);
            assert!(told.contains(part), "{told}");
        }
        let error = WrittenRules::read(json!({}), Json::Null, json!("x")).expect_err("no lists").join("\n");
        assert!(error.contains("headers must return an array, received object"), "{error}");
        assert!(error.contains("rewrites must return an array, received string"), "{error}");
    }

    #[test]
    fn a_base_path_stands_before_sources_and_paths() {
        let written = WrittenRules::read(
            Json::Null,
            json!([
                { "source": "/a", "destination": "/b", "permanent": false },
                { "source": "/", "destination": "/", "permanent": false },
                { "source": "/x", "destination": "/y", "permanent": false, "basePath": false },
            ]),
            Json::Null,
        );
        let rules = written.expect("lists").compile("/base").expect("rules");
        let none = HeaderMap::new();
        let to = |path| rules.redirect(&at(path, None, &none)).map(|(_, to)| to);
        assert_eq!(to("/base/a").as_deref(), Some("/base/b"));
        assert_eq!(to("/base").as_deref(), Some("/base"));
        assert_eq!(to("/x").as_deref(), Some("/y"));
        assert_eq!(to("/a"), None);
    }
}
