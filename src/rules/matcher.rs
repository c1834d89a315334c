//! For which requests a middleware runs.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde_json::Value as Json;

use super::condition::{Conditions, Subject};
use super::pattern::{Kind, Source};

/// The `matcher` of a middleware, compiled.
#[derive(Debug)]
pub(crate) struct Matcher {
    /// None where it runs for every request.
    entries: Option<Vec<(Source, Conditions)>>,
}

impl Matcher {
    /// Compiles what `config.matcher` says; without one every request matches.
    ///
    /// # Errors
    ///
    /// A sentence for each mistake in it.
    pub(crate) fn compile(written: Option<&Json>, base: &str) -> Result<Self, Vec<String>> {
        let items = match written {
            None | Some(Json::Null) => return Ok(Self { entries: None }),
            Some(Json::Array(items)) => items.iter().collect(),
            Some(Json::Object(_)) => return Err(vec!["Expected array, received object".to_owned()]),
            Some(one) => vec![one],
        };
        let mut problems = Vec::new();
        let mut entries = Vec::new();
        for item in items {
            let mut wrong = Vec::new();
            let (text, conditions) = match item {
                Json::String(text) => (Some(text.as_str()), Conditions::default()),
                Json::Object(fields) => {
                    let known =
                        |name: &&String| matches!(name.as_str(), "source" | "locale" | "has" | "missing");
                    let unknown: Vec<String> =
                        fields.keys().filter(|name| !known(name)).map(|name| format!("'{name}'")).collect();
                    if !unknown.is_empty() {
                        wrong.push(format!("Unrecognized key(s) in object: {}", unknown.join(", ")));
                    }
                    if fields
                        .get("locale")
                        .is_some_and(|locale| !matches!(locale, Json::Null | Json::Bool(false)))
                    {
                        wrong.push("`locale` must be undefined or false".to_owned());
                    }
                    let text = fields.get("source").and_then(Json::as_str);
                    if text.is_none() {
                        wrong.push("`source` is missing".to_owned());
                    }
                    (text, Conditions::read(item, &mut wrong))
                }
                other => {
                    wrong.push(format!("Expected string, received {other}"));
                    (None, Conditions::default())
                }
            };
            let source = text.and_then(|text| {
                if !text.starts_with('/') {
                    wrong.push("source must start with /".to_owned());
                    return None;
                }
                let compiled = Source::compile(text, base, Kind::Matcher);
                compiled
                    .map_err(|error| {
                        wrong.push(if error.starts_with("exceeds") {
                            format!("{error} for route {item}")
                        } else {
                            format!("Invalid source '{text}': {error}")
                        });
                    })
                    .ok()
            });
            entries.extend(source.map(|source| (source, conditions)));
            problems.append(&mut wrong);
        }
        if problems.is_empty() { Ok(Self { entries: Some(entries) }) } else { Err(problems) }
    }

    /// Whether it runs for a request: the path as it was sent counts, and the same decoded.
    pub(crate) fn takes(&self, subject: &Subject<'_>) -> bool {
        let Some(entries) = &self.entries else { return true };
        let decoded = percent_decode_str(subject.path).decode_utf8().ok();
        let decoded = decoded.filter(|path| matches!(path, Cow::Owned(_)));
        entries.iter().any(|(source, conditions)| {
            // The home page has two names.
            let is_of = |path: &str| source.is_of(path) || (path == "/index" && source.is_of("/"));
            (is_of(subject.path) || decoded.as_deref().is_some_and(is_of))
                && conditions.meet(subject).is_some()
        })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use serde_json::json;

    use super::*;

    fn takes(matcher: &Json, path: &str, query: Option<&str>) -> bool {
        let matcher = Matcher::compile(Some(matcher), "").expect("a matcher");
        matcher.takes(&Subject { path, query, host: "h", headers: &HeaderMap::new() })
    }

    #[test]
    fn every_form_is_taken() {
        assert!(takes(&json!("/a"), "/a", None) && !takes(&json!("/a"), "/b", None));
        let list = json!(["/a", "/b/:x", { "source": "/c", "locale": false }]);
        for path in ["/a", "/b/1", "/c"] {
            assert!(takes(&list, path, None), "{path}");
        }
        assert!(!takes(&list, "/b", None));
        assert!(!takes(&json!([]), "/a", None));
        let has = json!([{ "source": "/:p*", "has": [{ "type": "query", "key": "q" }] }]);
        assert!(takes(&has, "/x", Some("q=1")) && !takes(&has, "/x", Some("r=1")));
        let all = Matcher::compile(None, "").expect("a matcher");
        assert!(all.takes(&Subject { path: "/x", query: None, host: "h", headers: &HeaderMap::new() }));
        assert!(takes(&json!("/"), "/index", None));
    }

    #[test]
    fn nothing_hides_behind_an_escape() {
        let admin = json!("/admin/:path*");
        assert!(takes(&admin, "/%61dmin/x", None));
        assert!(takes(&admin, "/admin%2Fx", None));
        assert!(!takes(&admin, "/other", None));
        let all_but = json!("/((?!api).*)");
        assert!(takes(&all_but, "/%61pi", None), "it matches as it was sent");
        assert!(takes(&admin, "/admin/%ff", None), "not UTF-8");
    }

    #[test]
    fn mistakes_are_told() {
        for (matcher, part) in [
            (json!({ "source": "/a" }), "Expected array, received object"),
            (json!([{ "source": "/a", "regexp": "x" }]), "Unrecognized key(s) in object: 'regexp'"),
            (json!("a"), "source must start with /"),
            (json!("/:"), "Invalid source '/:': Missing parameter name at 1"),
            (json!([1]), "Expected string, received 1"),
            (json!([{ "source": "/a", "has": [{ "type": "host" }] }]), "value is required for \"host\" type"),
            (json!(format!("/{}", "a".repeat(5000))), "exceeds max built length of 4096 for route"),
        ] {
            let told = Matcher::compile(Some(&matcher), "").expect_err("a mistake").join("\n");
            assert!(told.contains(part), "{told}");
        }
    }
}
