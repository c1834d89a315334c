//! `has` and `missing`: what a request must have, or must not, for a rule to apply.

use std::borrow::Cow;

use http::HeaderMap;
use percent_encoding::percent_decode_str;
use serde_json::Value as Json;

use super::params::{Params, Value};

/// What rules see of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// The path with the base path, as it was sent.
    pub(crate) path: &'a str,
    /// The query, without its question mark.
    pub(crate) query: Option<&'a str>,
    /// The host, perhaps with a port.
    pub(crate) host: &'a str,
    /// The headers as handlers see them.
    pub(crate) headers: &'a HeaderMap,
}

impl Subject<'_> {
    fn header(&self, name: &str) -> Option<String> {
        if name == "host" {
            return Some(self.host.to_owned());
        }
        let mut values = self.headers.get_all(name).iter();
        let mut joined = String::from_utf8_lossy(values.next()?.as_bytes()).into_owned();
        for value in values {
            joined.push_str(if name == "cookie" { "; " } else { ", " });
            joined.push_str(&String::from_utf8_lossy(value.as_bytes()));
        }
        Some(joined)
    }

    fn cookie(&self, name: &str) -> Option<String> {
        let header = self.header("cookie")?;
        let mut pairs = header.split(';').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(known, _)| known.trim() == name)?;
        let value = value.trim();
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        Some(percent_decode_str(value).decode_utf8().map_or_else(|_| value.to_owned(), Cow::into_owned))
    }

    /// The last one of that name.
    fn query(&self, name: &str) -> Option<String> {
        let pairs = url::form_urlencoded::parse(self.query?.as_bytes());
        pairs.filter(|(known, _)| known == name).last().map(|(_, value)| value.into_owned())
    }

    fn hostname(&self) -> String {
        let host = self.host;
        // An address of IPv6 has colons of its own.
        let end = host.rfind(']').map_or(0, |end| end + 1);
        let name = host[end..].find(':').map_or(host, |colon| &host[..end + colon]);
        name.to_ascii_lowercase()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Header,
    Cookie,
    Query,
    Host,
}

/// One item of a list.
#[derive(Debug)]
struct Condition {
    place: Place,
    key: String,
    /// What the value has to be; none where it only has to be there.
    value: Option<regress::Regex>,
}

impl Condition {
    /// What the request has there, where that is what is asked for.
    fn meets(&self, subject: &Subject<'_>) -> Option<Params> {
        let found = match self.place {
            Place::Header => subject.header(&self.key.to_ascii_lowercase()),
            Place::Cookie => subject.cookie(&self.key),
            Place::Query => subject.query(&self.key),
            Place::Host => Some(subject.hostname()),
        };
        let found = found.filter(|text| !text.is_empty())?;
        let mut params = Params::default();
        let Some(value) = &self.value else {
            let name: String = self.key.chars().filter(char::is_ascii_alphabetic).collect();
            params.set(&name, Value::One(found));
            return Some(params);
        };
        let matched = value.find(&found)?;
        let mut is_named = false;
        for (name, range) in matched.named_groups() {
            is_named = true;
            if let Some(range) = range {
                params.set(name, Value::One(found[range].to_owned()));
            }
        }
        if !is_named && self.place == Place::Host {
            params.set("host", Value::One(found));
        }
        Some(params)
    }
}

/// The conditions of a rule.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    has: Vec<Condition>,
    missing: Vec<Condition>,
    names: Vec<String>,
}

impl Conditions {
    /// Reads `has` and `missing` of a rule. What is wrong is added to `problems`.
    pub(super) fn read(rule: &Json, problems: &mut Vec<String>) -> Self {
        let mut conditions = Self::default();
        conditions.has = conditions.list(rule, "has", problems);
        conditions.missing = conditions.list(rule, "missing", problems);
        conditions
    }

    fn list(&mut self, rule: &Json, field: &str, problems: &mut Vec<String>) -> Vec<Condition> {
        let items = match rule.get(field) {
            None | Some(Json::Null) => return Vec::new(),
            Some(Json::Array(items)) => items,
            Some(_) => {
                problems.push(format!("`{field}` must be undefined or valid has object"));
                return Vec::new();
            }
        };
        let mut list = Vec::new();
        for item in items {
            match read(item) {
                Ok((condition, names)) => {
                    list.push(condition);
                    if field == "has" {
                        self.names.extend(names);
                    }
                }
                Err(wrong) => problems.push(format!("invalid `{field}` item: {wrong} for {item}")),
            }
        }
        list
    }

    /// The names that they give to parts of a request.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// What the request has of all that is asked for; none where a condition does not hold.
    pub(super) fn meet(&self, subject: &Subject<'_>) -> Option<Params> {
        let mut params = Params::default();
        for condition in &self.has {
            params.extend(condition.meets(subject)?);
        }
        let is_there = self.missing.iter().any(|condition| condition.meets(subject).is_some());
        (!is_there).then_some(params)
    }
}

fn read(item: &Json) -> Result<(Condition, Vec<String>), String> {
    let text = |field: &str| item.get(field).and_then(Json::as_str);
    let shown = |field: &str| match item.get(field) {
        None => "undefined".to_owned(),
        Some(Json::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let mut wrong = Vec::new();
    let place = match text("type") {
        Some("header") => Some(Place::Header),
        Some("cookie") => Some(Place::Cookie),
        Some("query") => Some(Place::Query),
        Some("host") => Some(Place::Host),
        _ => {
            wrong.push(format!("invalid type \"{}\"", shown("type")));
            None
        }
    };
    let is_host = place == Some(Place::Host);
    if text("key").is_none() && !is_host {
        wrong.push(format!("invalid key \"{}\"", shown("key")));
    }
    if item.get("value").is_some_and(|value| !value.is_string()) {
        wrong.push(format!("invalid value \"{}\"", shown("value")));
    }
    if is_host && item.get("value").is_none() {
        wrong.push("value is required for \"host\" type".to_owned());
    }
    let value = text("value").filter(|value| !value.is_empty());
    let regex = value.map(|value| regress::Regex::new(&format!("^{value}$"))).transpose();
    let regex = regex.map_err(|error| wrong.push(format!("invalid value ({error})"))).unwrap_or_default();
    let Some(place) = place.filter(|_| wrong.is_empty()) else { return Err(wrong.join(", ")) };
    let key = text("key").unwrap_or_default().to_owned();
    let names = match value {
        None => vec![key.chars().filter(char::is_ascii_alphabetic).collect()],
        Some(value) => {
            let mut names = groups(value);
            names.extend(is_host.then(|| "host".to_owned()));
            names
        }
    };
    Ok((Condition { place, key, value: regex }, names))
}

/// The names of the groups of an expression.
fn groups(expression: &str) -> Vec<String> {
    let begins = expression.match_indices("(?<").map(|(at, begin)| &expression[at + begin.len()..]);
    let names = begins.filter(|rest| !rest.starts_with(['=', '!']));
    names.filter_map(|rest| rest.split_once('>')).map(|(name, _)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use http::header::{COOKIE, HeaderName, HeaderValue};
    use serde_json::json;

    use super::*;

    fn meet(
        rule: &Json,
        query: &str,
        host: &str,
        headers: &[(&'static str, &'static str)],
    ) -> Option<Params> {
        let mut problems = Vec::new();
        let conditions = Conditions::read(rule, &mut problems);
        assert_eq!(problems, Vec::<String>::new());
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        conditions.meet(&Subject { path: "/", query: Some(query), host, headers: &headers })
    }

    #[test]
    fn all_that_is_asked_for_has_to_be_there() {
        let rule = json!({
            "has": [{ "type": "header", "key": "X-A", "value": "v(?<n>\\d)" }],
            "missing": [{ "type": "cookie", "key": "s" }],
        });
        let found = meet(&rule, "", "h", &[("x-a", "v1")]).expect("met");
        assert_eq!(found.get("n"), Some(&Value::One("1".into())));
        assert!(meet(&rule, "", "h", &[("x-a", "v12")]).is_none(), "anchored");
        assert!(meet(&rule, "", "h", &[("x-a", "V1")]).is_none(), "the case counts");
        assert!(meet(&rule, "", "h", &[]).is_none());
        assert!(meet(&rule, "", "h", &[("x-a", "v1"), (COOKIE.as_str(), "a=b; s=1")]).is_none());
        assert!(meet(&rule, "", "h", &[("x-a", "v1"), (COOKIE.as_str(), "s=")]).is_some(), "empty is absent");
    }

    #[test]
    fn values_are_decoded_and_the_last_counts() {
        let rule = json!({ "has": [{ "type": "query", "key": "a", "value": "(?<v>.*)" }] });
        let found = meet(&rule, "a=1&a=b%20c", "h", &[]).expect("met");
        assert_eq!(found.get("v"), Some(&Value::One("b c".into())));
        let rule = json!({ "has": [{ "type": "cookie", "key": "my-c1" }] });
        let found = meet(&rule, "", "h", &[("cookie", "my-c1=x%20y")]).expect("met");
        assert_eq!(found.get("myc"), Some(&Value::One("x y".into())));
    }

    #[test]
    fn hosts_have_no_port_and_no_case() {
        let rule = json!({ "has": [{ "type": "host", "value": "(?<sub>[a-z]+)\\.example\\.com" }] });
        let found = meet(&rule, "", "Shop.Example.com:8080", &[]).expect("met");
        assert_eq!(found.get("sub"), Some(&Value::One("shop".into())));
        let rule = json!({ "has": [{ "type": "host", "value": "example.com" }] });
        let found = meet(&rule, "", "example.com", &[]).expect("met");
        assert_eq!(found.get("host"), Some(&Value::One("example.com".into())));
    }

    #[test]
    fn what_is_no_condition_is_told() {
        for (item, wrong) in [
            (json!({ "type": "body" }), "invalid type \"body\", invalid key \"undefined\""),
            (json!({ "type": "host" }), "value is required for \"host\" type"),
            (json!({ "type": "query", "key": 1 }), "invalid key \"1\""),
            (json!({ "type": "query", "key": "a", "value": 1 }), "invalid value \"1\""),
        ] {
            let mut problems = Vec::new();
            Conditions::read(&json!({ "has": [item] }), &mut problems);
            assert_eq!(problems, [format!("invalid `has` item: {wrong} for {item}")]);
        }
        let mut problems = Vec::new();
        Conditions::read(&json!({ "missing": {} }), &mut problems);
        assert_eq!(problems, ["`missing` must be undefined or valid has object"]);
    }
}
