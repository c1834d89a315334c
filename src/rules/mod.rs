//! Rules that stand before the routes: what `next.config` says of paths, and when a
//! middleware runs.
//!
//! Purpose: read rules as they are written, tell what is wrong with them, compile them once,
//! and say what they make of a request.
//! Key types: [`Rules`], [`Matcher`], [`Subject`].
//! Where to look: `pattern` is the grammar of sources, `condition` what `has` and `missing`
//! ask for, `destination` where a rule leads, `params` what a request gave, `written` reads rules, `matcher` is
//! for middleware.
//! Never: requests, answers, files.

mod condition;
mod destination;
mod matcher;
mod params;
mod pattern;
mod written;

use http::{HeaderName, HeaderValue, StatusCode};

use self::condition::Conditions;
use self::destination::{Destination, Filled};
use self::params::Params;
use self::pattern::Source;

pub(crate) use self::condition::Subject;
pub(crate) use self::destination::{Target, merged};
pub(crate) use self::matcher::Matcher;
pub(crate) use self::written::{Paths, WrittenRules};

/// The rules of a project, compiled.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    headers: Vec<HeaderRule>,
    redirects: Vec<Redirect>,
    /// Applied before files and routes are looked for.
    pub(crate) before: Vec<Rewrite>,
    /// Applied after exact routes, before dynamic ones.
    pub(crate) after: Vec<Rewrite>,
    /// Applied when nothing answers.
    pub(crate) fallback: Vec<Rewrite>,
}

/// When a rule applies.
#[derive(Debug)]
struct When {
    source: Source,
    conditions: Conditions,
}

impl When {
    fn params(&self, subject: &Subject<'_>) -> Option<Params> {
        let mut params = self.source.params(subject.path)?;
        params.extend(self.conditions.meet(subject)?);
        Some(params)
    }
}

#[derive(Debug)]
struct HeaderRule {
    when: When,
    headers: Vec<(Filled, Filled)>,
}

#[derive(Debug)]
struct Redirect {
    when: When,
    status: StatusCode,
    destination: Destination,
}

/// A rule that has a request answered as if it were for another path.
#[derive(Debug)]
pub(crate) struct Rewrite {
    when: When,
    destination: Destination,
}

impl Rewrite {
    /// Where it leads a request, if it applies.
    pub(crate) fn apply(&self, subject: &Subject<'_>) -> Option<Target> {
        let params = self.when.params(subject)?;
        Some(self.destination.fill(&params, subject.query, true))
    }
}

impl Rules {
    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.headers.is_empty() && self.redirects.is_empty() && self.rewrites().next().is_none()
    }

    /// Whether one of them may lead to another server.
    pub(crate) fn lead_outside(&self) -> bool {
        self.rewrites().any(|rewrite| rewrite.destination.is_external())
    }

    fn rewrites(&self) -> impl Iterator<Item = &Rewrite> {
        self.before.iter().chain(&self.after).chain(&self.fallback)
    }

    /// The answer of the first redirect that applies: its status, and where it leads.
    pub(crate) fn redirect(&self, subject: &Subject<'_>) -> Option<(StatusCode, String)> {
        self.redirects.iter().find_map(|redirect| {
            let params = redirect.when.params(subject)?;
            Some((redirect.status, redirect.destination.fill(&params, subject.query, false).to_string()))
        })
    }

    /// The headers that the answer gets. Of a name the last one counts, unless several may
    /// stand beside each other.
    pub(crate) fn headers(&self, subject: &Subject<'_>) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
        for rule in &self.headers {
            let Some(params) = rule.when.params(subject) else { continue };
            for (name, value) in &rule.headers {
                let name = HeaderName::try_from(name.fill(&params));
                let value = HeaderValue::try_from(value.fill(&params));
                // What a request made no header of is left out.
                let (Ok(name), Ok(value)) = (name, value) else { continue };
                if name != http::header::SET_COOKIE {
                    headers.retain(|(known, _)| *known != name);
                }
                headers.push((name, value));
            }
        }
        headers
    }
}
