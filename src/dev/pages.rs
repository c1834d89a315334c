//! What a browser shows while somebody works on an app: mistakes, and the routes.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use sha2::{Digest as _, Sha256};

use super::desk::{Desk, Failure};
use super::report::{Frame, Snippet, Thrown, snippet};
use crate::build::Role;
use crate::bundle::Problem;
use crate::front::Asked;
use crate::project::Method;
use crate::version::{ServedRoute, Version};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What a page may do: its own style and script, and ask its own server for changes.
pub(super) static POLICY: LazyLock<String> = LazyLock::new(|| {
    let digest = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(SCRIPT));
    format!(
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// Most routes that are proposed in the place of one that is not there.
const MOST_NEAR: usize = 5;

/// A text inside of HTML.
fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// Writes pages; no text gets into one but through [`Page::text`], which keeps secrets out.
pub(super) struct Page<'a> {
    desk: &'a Desk,
    html: String,
}

impl<'a> Page<'a> {
    pub(super) fn new(desk: &'a Desk) -> Self {
        Self { desk, html: String::new() }
    }

    pub(super) fn tags(&mut self, html: &str) -> &mut Self {
        self.html.push_str(html);
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        let text = self.desk.without_secrets(text);
        self.html.push_str(&escape(&text));
        self
    }

    /// The page around what was written. One that `follows` is loaded again when something
    /// changed.
    pub(super) fn whole(self, title: &str, follows: bool, refreshes: bool) -> String {
        let title = self.desk.without_secrets(title);
        let script =
            if follows { format!("<script type=\"module\">{SCRIPT}</script>") } else { String::new() };
        format!(
            "<!doctype html><html lang=\"en\" data-moment=\"{}\"{}><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"robots\" content=\"noindex\"><title>{}</title><link rel=\"icon\" href=\"data:,\"><style>{STYLE}</style></head><body><main>{}</main>{script}</body></html>\n",
            self.desk.moment(),
            if refreshes { " data-refreshes" } else { "" },
            escape(&title),
            self.html,
        )
    }

    /// What was written, alone.
    pub(super) fn part(self) -> String {
        self.html
    }

    pub(super) fn head(&mut self, marked: &str, is_bad: bool, rest: &[&str]) {
        self.tags(if is_bad { "<header><b>" } else { "<header class=\"fine\"><b>" })
            .text(marked)
            .tags("</b>");
        for part in rest.iter().filter(|part| !part.is_empty()) {
            self.tags("<span>").text(part).tags("</span>");
        }
        self.tags("</header>");
    }

    pub(super) fn foot(&mut self, facts: &[&str]) {
        self.tags("<footer>");
        for fact in facts.iter().filter(|fact| !fact.is_empty()) {
            self.tags("<span>").text(fact).tags("</span>");
        }
        self.tags("</footer>");
    }

    pub(super) fn title(&mut self, text: &str) {
        self.tags("<h1>").text(text).tags("</h1>");
    }

    pub(super) fn paragraph(&mut self, text: &str) {
        self.tags("<p>").text(text).tags("</p>");
    }

    /// Says that the files as they are make no version.
    pub(super) fn banner(&mut self, failure: &Failure) {
        self.tags("<div class=\"banner\"><b>The last change cannot be served</b>, so what was there before it still is.<pre>");
        self.text(&failure.text).tags("</pre></div>");
    }

    fn snippet(&mut self, shown: &Snippet) {
        let place = format!("{}:{}:{}", shown.file, shown.line, shown.column);
        self.tags("<div class=\"code\"><div class=\"path\">").text(&place).tags("</div><pre>");
        for (number, line) in (shown.first..).zip(&shown.lines) {
            let is_here = number == shown.line;
            self.tags(if is_here { "<span class=\"here\"><i>" } else { "<span><i>" });
            let _ = write!(self.html, "{number}");
            self.tags("</i>").text(line).tags("</span>");
            if is_here && shown.column > 0 {
                // Tabs are as wide as those above them.
                let under = line.chars().take(shown.column - 1).map(|c| if c == '\t' { c } else { ' ' });
                let under: String = under.collect();
                self.tags("<span class=\"caret\"><i></i>").text(&under).tags("^</span>");
            }
        }
        self.tags("</pre></div>");
    }

    /// An error with those that led to it.
    pub(super) fn errors(&mut self, errors: &[Thrown]) {
        for (index, error) in errors.iter().enumerate() {
            if index == 0 {
                self.title(&error.message);
            } else {
                self.tags("<h2>").text(&error.label).tags("</h2><p class=\"message\">");
                self.text(&error.message).tags("</p>");
            }
            if let Some(shown) = &error.snippet {
                self.snippet(shown);
            }
            let (packages, own): (Vec<&Frame>, Vec<&Frame>) =
                error.frames.iter().partition(|frame| frame.is_of_package());
            self.frames(&own);
            if !packages.is_empty() {
                let what = if packages.len() == 1 { "call" } else { "calls" };
                let _ =
                    write!(self.html, "<details><summary>{} {what} in packages</summary>", packages.len());
                self.frames(&packages);
                self.tags("</details>");
            }
        }
    }

    fn frames(&mut self, frames: &[&Frame]) {
        if frames.is_empty() {
            return;
        }
        self.tags("<ol class=\"stack\">");
        for frame in frames {
            let function = if frame.function.is_empty() { "anonymous" } else { &frame.function };
            self.tags("<li>").text(function).tags("<span>");
            self.text(&format!("{}:{}:{}", frame.file, frame.line, frame.column)).tags("</span></li>");
        }
        self.tags("</ol>");
    }

    /// Mistakes that keep routes from being bundled.
    pub(super) fn problems(&mut self, root: &std::path::Path, problems: &[Problem]) {
        for (index, problem) in problems.iter().enumerate() {
            if index == 0 {
                self.title(&problem.message);
            } else {
                self.tags("<p class=\"message\">").text(&problem.message).tags("</p>");
            }
            if let Some(meant) = &problem.meant {
                self.tags("<p class=\"help\">Did you mean <code>").text(meant).tags("</code>?</p>");
            }
            let known = (problem.line > 0 && !problem.code.is_empty()).then(|| Snippet {
                file: problem.file.clone(),
                first: problem.line,
                lines: vec![problem.code.clone()],
                line: problem.line,
                column: problem.column,
            });
            let around = snippet(root, &problem.file, problem.line, problem.column).filter(|found| {
                found.lines.get(problem.line - found.first).is_some_and(|line| *line == problem.code)
            });
            match around.or(known) {
                Some(shown) => self.snippet(&shown),
                None if !problem.file.is_empty() => self.paragraph(&problem.file),
                None => {}
            }
            if !problem.imported_by.is_empty() {
                self.tags("<ol class=\"stack\">");
                for (depth, importer) in problem.imported_by.iter().enumerate() {
                    let word = if depth == 0 { "imported by" } else { "which is imported by" };
                    self.tags("<li><span>").text(word).tags("</span>").text(importer).tags("</li>");
                }
                self.tags("</ol>");
            }
        }
    }

    /// Routes that are like a path that none has.
    pub(super) fn near(&mut self, version: &Version, path: &str) {
        let near = near(version, path);
        if near.is_empty() {
            return;
        }
        self.tags("<p>Did you mean</p><ul class=\"near\">");
        for route in near {
            self.tags("<li>");
            self.link(route);
            self.tags(" <code>").text(&route.file).tags("</code></li>");
        }
        self.tags("</ul>");
    }

    /// The pattern of a route, as a link where it can be followed.
    fn link(&mut self, route: &ServedRoute) {
        if route.pattern.contains('[')
            || !(route.methods().contains(Method::Get) || route.bundle_error.is_some())
        {
            self.text(&route.pattern);
            return;
        }
        let encoded: Vec<String> = route
            .pattern
            .split('/')
            .map(|part| {
                percent_encoding::utf8_percent_encode(part, percent_encoding::NON_ALPHANUMERIC).to_string()
            })
            .collect();
        self.tags("<a href=\"").text(&encoded.join("/")).tags("\">").text(&route.pattern).tags("</a>");
    }

    /// The routes of a version, and how they do.
    pub(super) fn index(&mut self, version: &Version) {
        let shown = || version.routes.iter().filter(|route| route.role == Role::Handler);
        let count = shown().count();
        let routes = if count == 1 { "1 route".to_owned() } else { format!("{count} routes") };
        self.head("edgehost dev", false, &[env!("CARGO_PKG_VERSION"), &routes]);
        self.title(&version.root.file_name().unwrap_or_default().to_string_lossy());
        if let Some(failure) = self.desk.failure() {
            self.banner(&failure);
        }
        self.tags("<div class=\"table\"><table><thead><tr><th>Route</th><th>Methods</th><th class=\"wide\">File</th><th class=\"number wide\">Requests</th><th class=\"number\">Last</th><th class=\"number\">Median</th><th class=\"number\">p99</th><th class=\"number wide\">CPU</th><th class=\"number wide\">Memory</th></tr></thead><tbody>");
        for route in shown() {
            self.tags("<tr><td class=\"route\">");
            self.link(route);
            let methods: Vec<&str> = Method::ALL
                .into_iter()
                .filter(|method| route.methods().contains(*method))
                .map(Method::name)
                .collect();
            self.tags("</td><td class=\"methods\">").text(&methods.join(" "));
            if route.bundle_error.is_some() {
                self.tags("<span class=\"bad\">cannot be bundled</span>");
            }
            self.tags("</td><td class=\"file wide\">").text(&route.file).tags("</td>");
            match self.desk.record_of(&route.pattern) {
                Some(record) => {
                    let class = if record.status < 400 { "good" } else { "bad" };
                    let (median, p99, cpu) = (short(record.median), short(record.p99), short(record.cpu));
                    let memory = match record.memory {
                        0 => String::new(),
                        bytes => format!("{} MiB", bytes.div_ceil(1 << 20)),
                    };
                    let _ = write!(
                        self.html,
                        "<td class=\"number soft wide\">{}</td><td class=\"number {class}\">{}</td><td class=\"number\">{median}</td><td class=\"number\">{p99}</td><td class=\"number wide\">{cpu}</td><td class=\"number wide\">{memory}</td></tr>",
                        record.count, record.status,
                    );
                }
                None => {
                    self.tags("<td class=\"number soft wide\">0</td><td></td><td></td><td></td><td class=\"wide\"></td><td class=\"wide\"></td></tr>");
                }
            }
        }
        self.tags("</tbody></table></div>");
        self.foot(&[
            "Times are of the last 128 requests to a route, CPU time is their median. Memory is that of its isolate.",
            "This page is there until a route claims /.",
        ]);
    }
}

/// A time with as many digits as are of interest.
fn short(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1000.0;
    match millis {
        ..10.0 => format!("{millis:.1} ms"),
        ..10_000.0 => format!("{millis:.0} ms"),
        _ => format!("{:.1} s", millis / 1000.0),
    }
}

/// Routes whose patterns are like a path, the most alike first.
pub(super) fn near<'v>(version: &'v Version, path: &str) -> Vec<&'v ServedRoute> {
    const ALIKE: f64 = 0.72;
    let likeness = |route: &'v ServedRoute| (strsim::jaro_winkler(&route.pattern, path), route);
    let mut near: Vec<(f64, &ServedRoute)> = version
        .routes
        .iter()
        .filter(|route| route.role == Role::Handler)
        .map(likeness)
        .filter(|(likeness, _)| *likeness > ALIKE)
        .collect();
    near.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    near.into_iter().take(MOST_NEAR).map(|(_, route)| route).collect()
}

/// What a client wants to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Html,
    Json,
    Text,
}

impl Form {
    /// The form that a request asks for by name; text where it does not.
    pub(super) fn of(asked: &Asked) -> Self {
        let accept = asked.accept.as_ref().and_then(|value| value.to_str().ok()).unwrap_or_default();
        let wants = |kind: &str| {
            accept
                .split(',')
                .any(|part| part.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(kind))
        };
        if wants("text/html") {
            Self::Html
        } else if wants("application/json") {
            Self::Json
        } else {
            Self::Text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_a_tag() {
        assert_eq!(escape("<script>'\"&"), "&lt;script&gt;&#39;&quot;&amp;");
        assert!(matches!(escape("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn times_are_short() {
        let of = |micros| short(Duration::from_micros(micros));
        assert_eq!(
            (of(1_234), of(12_340), of(12_345_678)),
            ("1.2 ms".into(), "12 ms".into(), "12.3 s".into())
        );
    }
}
