//! What is asked, and which answer is the right one.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use ureq::http;

/// Routes of the app with many of them.
pub(super) const ROUTES: usize = 800;

/// Apps of the row with several of them.
pub(super) const APPS: usize = 10;

/// The host of one of them.
pub(super) fn host_of(app: usize) -> String {
    format!("app{app}.localhost")
}

/// Bytes of the row that uploads.
const UPLOAD: usize = 10 * 1024 * 1024;

/// Which project has the route, where the server is one that has projects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum App {
    /// `benches/app`, which needs nothing of Node.js.
    Web,
    /// `benches/node`.
    Node,
    /// 800 generated routes.
    Many,
    /// Ten times `benches/app`, each an app of its own.
    Ten,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// HTTP/1.1, connections that stay.
    KeepAlive,
    /// HTTP/1.1, a connection for each request.
    NewConnections,
    /// HTTP/2 without TLS and without an upgrade, one request at a time on each connection.
    H2c,
}

/// The body of a request.
#[derive(Debug, Clone)]
pub(super) enum Payload {
    None,
    Json(Value),
    /// So many times the letter `x`.
    Octets(usize),
}

/// The body of the right answer.
#[derive(Debug, Clone)]
pub(super) enum Right {
    Json(Value),
    /// So many times the letter `a`.
    Octets(usize),
    /// A server's own words.
    Anything,
}

#[derive(Debug, Clone)]
pub(super) struct Row {
    /// For `--only`.
    pub(super) key: String,
    pub(super) title: String,
    pub(super) app: App,
    /// Whether it is a row of its own, not another one on other connections.
    pub(super) is_base: bool,
    pub(super) protocol: Protocol,
    pub(super) connections: usize,
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, &'static str)>,
    pub(super) payload: Payload,
    pub(super) status: u16,
    pub(super) right: Right,
    /// Headers that the answer has to have; those of cookies may come more than once.
    pub(super) right_headers: Vec<(&'static str, &'static str)>,
}

impl Row {
    fn get(key: &str, title: &str, path: &str, right: Right) -> Self {
        Self {
            key: key.to_owned(),
            title: title.to_owned(),
            app: App::Web,
            is_base: true,
            protocol: Protocol::KeepAlive,
            connections: 64,
            path: path.to_owned(),
            headers: Vec::new(),
            payload: Payload::None,
            status: 200,
            right,
            right_headers: Vec::new(),
        }
    }

    fn post(key: &str, title: &str, path: &str, payload: Payload, right: Right) -> Self {
        let kind = if matches!(payload, Payload::Json(_)) { "application/json" } else { "text/plain" };
        Self { payload, headers: vec![("content-type", kind)], ..Self::get(key, title, path, right) }
    }

    /// The same with another number of connections.
    fn with_connections(&self, connections: usize) -> Self {
        let plural = if connections == 1 { "" } else { "s" };
        Self {
            key: format!("{}-{connections}", self.key),
            title: format!("{}; {connections} connection{plural}", self.title),
            connections,
            is_base: false,
            ..self.clone()
        }
    }

    /// The bytes of the request's body.
    pub(super) fn body(&self) -> Option<Vec<u8>> {
        match &self.payload {
            Payload::None => None,
            Payload::Json(value) => Some(value.to_string().into_bytes()),
            Payload::Octets(length) => Some(vec![b'x'; *length]),
        }
    }

    /// Asks once and looks at the answer.
    pub(super) fn verify(&self, address: &str) -> anyhow::Result<()> {
        match (self.protocol, self.app) {
            (Protocol::H2c, _) => self.verify_by_h2c(address),
            (_, App::Ten) => (0..APPS).try_for_each(|app| self.verify_at(address, Some(&host_of(app)))),
            _ => self.verify_at(address, None),
        }
    }

    fn verify_at(&self, address: &str, host: Option<&str>) -> anyhow::Result<()> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(30)))
            .http_status_as_error(false)
            .max_redirects(0)
            .build()
            .into();
        let body = self.body();
        let method = if body.is_some() { "POST" } else { "GET" };
        let mut request =
            http::Request::builder().method(method).uri(format!("http://{address}{}", self.path));
        for (name, value) in &self.headers {
            request = request.header(*name, *value);
        }
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let mut response = match body {
            Some(body) => agent.run(request.body(body)?)?,
            None => agent.run(request.body(())?)?,
        };
        let status = response.status().as_u16();
        let answer = response.body_mut().with_config().limit(64 * 1024 * 1024).read_to_vec()?;
        ensure!(status == self.status, "status {status}, not {}: {}", self.status, start_of(&answer));
        for (name, value) in &self.right_headers {
            let values: Vec<&str> =
                response.headers().get_all(*name).iter().filter_map(|value| value.to_str().ok()).collect();
            ensure!(values.contains(value), "header {name} is {values:?}, not {value:?}");
        }
        self.compare(&answer)
    }

    /// Only the body: `h2load` tells every status.
    fn verify_by_h2c(&self, address: &str) -> anyhow::Result<()> {
        let mut nghttp = Command::new("nghttp");
        for (name, value) in &self.headers {
            nghttp.args(["-H", &format!("{name}: {value}")]);
        }
        let output = nghttp.arg(format!("http://{address}{}", self.path)).output();
        let output = output.context("cannot start nghttp, which comes with h2load")?;
        self.compare(&output.stdout)
    }

    fn compare(&self, answer: &[u8]) -> anyhow::Result<()> {
        match &self.right {
            Right::Json(right) => {
                let value: Value = serde_json::from_slice(answer)
                    .with_context(|| format!("no JSON: {}", start_of(answer)))?;
                ensure!(value == *right, "answered {}", start_of(answer));
            }
            Right::Octets(length) => {
                ensure!(
                    answer.len() == *length && answer.iter().all(|byte| *byte == b'a'),
                    "{} bytes, which are not {length} times the right one",
                    answer.len()
                );
            }
            Right::Anything => {}
        }
        Ok(())
    }
}

fn start_of(answer: &[u8]) -> String {
    String::from_utf8_lossy(answer).chars().take(200).collect()
}

/// An order of about this size as JSON.
fn order(bytes: usize) -> Value {
    let mut items = Vec::new();
    let value = |items: &[Value], note: String| json!({ "order": "2026-004711", "customer": { "id": 42, "name": "Ada" }, "items": items, "note": note });
    let with_room = |items: &[Value]| value(items, String::new()).to_string().len() < bytes;
    for n in 0.. {
        items.push(
            json!({ "sku": format!("A-{n:04}"), "quantity": n % 7 + 1, "price": 12.5, "gift": n % 2 == 0 }),
        );
        if !with_room(&items) {
            items.pop();
            break;
        }
    }
    let left = bytes.saturating_sub(value(&items, String::new()).to_string().len());
    value(&items, "n".repeat(left))
}

/// Every row, the ones that are compared most first.
pub(super) fn all() -> Vec<Row> {
    let hello = json!({ "ok": true, "message": "hello" });
    let mut rows = Vec::new();

    let json_row = Row::get("json", "GET, small JSON", "/json", Right::Json(hello.clone()));
    rows.push(json_row.clone());
    rows.push(json_row.with_connections(1));
    rows.push(json_row.with_connections(512));
    rows.push(Row {
        key: "json-new".to_owned(),
        title: "GET, small JSON; new connections".to_owned(),
        is_base: false,
        protocol: Protocol::NewConnections,
        headers: vec![("connection", "close")],
        ..json_row.clone()
    });
    rows.push(Row {
        key: "json-h2c".to_owned(),
        title: "GET, small JSON; h2c".to_owned(),
        is_base: false,
        protocol: Protocol::H2c,
        ..json_row
    });

    let mut item = Row::get(
        "item",
        "GET, header, query and param",
        "/items/42?page=3",
        Right::Json(json!({ "id": "42", "page": "3", "client": "bench" })),
    );
    item.headers.push(("x-client", "bench"));
    let small = order(200);
    let post = Row::post(
        "post",
        "POST, parse and answer JSON, 200 bytes",
        "/echo",
        Payload::Json(small.clone()),
        Right::Json(json!({ "got": small })),
    );
    for row in [item, post] {
        let (one, many) = (row.with_connections(1), row.with_connections(512));
        rows.extend([row, one, many]);
    }
    let large = order(20 * 1024);
    rows.push(Row::post(
        "post-20k",
        "POST, parse and answer JSON, 20 KiB",
        "/echo",
        Payload::Json(large.clone()),
        Right::Json(json!({ "got": large })),
    ));
    rows.push(Row {
        status: 201,
        right_headers: vec![
            ("location", "/items/42"),
            ("etag", "\"5d8c72a5edda8d6a\""),
            ("cache-control", "private, max-age=60"),
            ("x-served-by", "bench"),
            ("set-cookie", "session=2f1c9a7e; Path=/; HttpOnly; SameSite=Lax"),
            ("set-cookie", "theme=dark; Path=/; Max-Age=31536000"),
        ],
        ..Row::get(
            "headers",
            "201, four headers, two cookies",
            "/headers",
            Right::Json(json!({ "created": true })),
        )
    });
    rows.push(Row::get("timer", "await a timer of 1 ms", "/timer", Right::Json(hello)));
    rows.push(Row::get(
        "fetch",
        "await a fetch to a local upstream",
        "/fetch",
        Right::Json(json!({ "upstream": "hello" })),
    ));
    rows.push(Row {
        connections: 16,
        ..Row::get("download", "1 MiB down; 16 connections", "/download", Right::Octets(1024 * 1024))
    });
    rows.push(Row {
        connections: 16,
        ..Row::post(
            "upload",
            "10 MiB up, read as stream; 16 connections",
            "/upload",
            Payload::Octets(UPLOAD),
            Right::Json(json!({ "received": UPLOAD })),
        )
    });
    rows.push(Row::get("chunks", "a stream of 100 chunks of 1 KiB", "/chunks", Right::Octets(100 * 1024)));
    rows.push(Row { status: 404, ..Row::get("missing", "404", "/missing", Right::Anything) });
    let mut hash = Row::get(
        "hash",
        "node:crypto, SHA-256 of a header",
        "/hash",
        Right::Json(json!({ "digest": "1b32c28cb38c05480eccc1bd60ff97029b57a05c96718b96dad7e9d84894f549" })),
    );
    hash.app = App::Node;
    hash.headers.push(("x-client", "bench"));
    rows.push(hash);
    let mut many = Row::get(
        "many",
        "one of 800 routes, with a param",
        "/r617/42",
        Right::Json(json!({ "route": 617, "id": "42" })),
    );
    many.app = App::Many;
    rows.push(many);
    let mut ten = Row::get(
        "ten-apps",
        "GET, small JSON, of ten apps in turn",
        "/json",
        Right::Json(json!({ "ok": true, "message": "hello" })),
    );
    ten.app = App::Ten;
    rows.push(ten);
    rows
}

/// The rows that `--only` names; without it all.
pub(super) fn chosen(names: &[&str]) -> anyhow::Result<Vec<Row>> {
    let rows = all();
    let keys: BTreeSet<&str> = rows.iter().map(|row| row.key.as_str()).collect();
    for name in names {
        ensure!(
            keys.contains(name),
            "there is no row `{name}`: {}",
            rows.iter().map(|row| row.key.as_str()).collect::<Vec<_>>().join(", ")
        );
    }
    Ok(rows.into_iter().filter(|row| names.is_empty() || names.contains(&row.key.as_str())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_the_size_that_their_row_names() {
        for (key, bytes) in [("post", 200), ("post-20k", 20 * 1024), ("upload", UPLOAD)] {
            let row = all().into_iter().find(|row| row.key == key).expect(key);
            assert_eq!(row.body().map(|body| body.len()), Some(bytes), "{key}");
        }
    }

    #[test]
    fn rows_are_chosen_by_name() {
        let keys = |names: &[&str]| -> Vec<String> {
            chosen(names).expect("known").into_iter().map(|row| row.key).collect()
        };
        assert_eq!(keys(&["many", "json"]), ["json", "many"]);
        assert_eq!(keys(&[]).len(), all().len());
        let unknown = chosen(&["jsn"]).expect_err("unknown").to_string();
        assert!(unknown.contains("`jsn`") && unknown.contains("post-20k"), "{unknown}");
        let names: BTreeSet<String> = keys(&[]).into_iter().collect();
        assert_eq!(names.len(), all().len(), "keys are unique");
    }
}
