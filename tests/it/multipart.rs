//! Forms of all kinds, as JavaScript reads and writes them, held against what they were made of.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::Method;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::harness::{App, serve_root};

/// How many forms are tried where nobody wants more.
const FORMS: usize = 150;

/// Answers with the entries of a form that was sent, or with the name of the error. `PUT` takes
/// entries, and answers with the form that they make, as it is sent and as it is read again.
const ROUTE: &str = "
const binary = (bytes: Uint8Array) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
const told = async (form: FormData) => {
    const entries: unknown[] = [];
    for (const [name, value] of form) {
        entries.push(typeof value === 'string' ? [name, value] : [name, value.name, value.type, binary(new Uint8Array(await value.arrayBuffer()))]);
    }
    return entries;
};
export const POST = async (request: Request) => {
    try { return Response.json(await told(await request.formData())); }
    catch (error: any) { return Response.json(error.name); }
};
export const PUT = async (request: Request) => {
    const form = new FormData();
    for (const [name, value, type, bytes] of await request.json()) {
        if (bytes === undefined) form.append(name, value);
        else form.append(name, new Blob([Uint8Array.from(atob(bytes), (char) => char.charCodeAt(0))], { type }), value);
    }
    const sent = new Response(form);
    const type = sent.headers.get('content-type')!;
    const body = new Uint8Array(await sent.arrayBuffer());
    const again = await told(await new Response(body, { headers: { 'content-type': type } }).formData());
    return Response.json([type, binary(body), again]);
};";

/// An entry of a form.
#[derive(Debug, Clone)]
struct Entry {
    name: String,
    /// Of a file: its name, its type, and its bytes.
    file: Option<(String, String)>,
    content: Vec<u8>,
}

impl Entry {
    /// As the route tells of it.
    fn told(&self) -> Value {
        match &self.file {
            None => json!([self.name, String::from_utf8_lossy(&self.content)]),
            Some((name, kind)) => json!([self.name, name, kind, BASE64_STANDARD.encode(&self.content)]),
        }
    }

    /// The head of its part (HTML standard, section 4.10.21.8).
    fn head(&self) -> String {
        let escaped = |text: &str| text.replace('\n', "%0A").replace('\r', "%0D").replace('"', "%22");
        let name = escaped(&self.name);
        match &self.file {
            None => format!("Content-Disposition: form-data; name=\"{name}\""),
            Some((file, kind)) => format!(
                "Content-Disposition: form-data; name=\"{name}\"; filename=\"{}\"\r\nContent-Type: {kind}",
                escaped(file)
            ),
        }
    }
}

#[derive(Debug, Clone)]
struct Form {
    boundary: String,
    entries: Vec<Entry>,
    /// Where it breaks off.
    cut: Index,
    edits: Vec<(Index, Index)>,
}

impl Form {
    fn wire(&self) -> Vec<u8> {
        let mut wire = Vec::new();
        for entry in &self.entries {
            wire.extend_from_slice(format!("--{}\r\n{}\r\n\r\n", self.boundary, entry.head()).as_bytes());
            wire.extend_from_slice(&entry.content);
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(format!("--{}--", self.boundary).as_bytes());
        wire
    }

    /// The same with some pieces put in between.
    fn edited(&self) -> Vec<u8> {
        let pieces = [
            "\r\n".to_owned(),
            "\n".to_owned(),
            "\r".to_owned(),
            "\0".to_owned(),
            ":".to_owned(),
            "-".to_owned(),
            " ".to_owned(),
            "\r\n\r\n".to_owned(),
            format!("\r\n--{}", self.boundary),
            format!("\r\n--{}--", self.boundary),
            format!("--{}\r\n", self.boundary),
            "Content-Type: a/b\r\n".to_owned(),
        ];
        let mut wire = self.wire();
        for (at, piece) in &self.edits {
            let place = at.index(wire.len() + 1);
            wire.splice(place..place, piece.get(&pieces).bytes());
        }
        wire
    }
}

/// Names with all that means something where they stand.
fn name() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z ]{1,4}",
        1 => prop::sample::select(vec!["\"", "\r\n", ";", "=", "\\", "%", "%2", "'", "*", ":", "/", "--", "\u{e9}", "\u{6771}", "\u{1f600}", "\t", "filename=", "\u{a0}"]).prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..4)
        .prop_map(|pieces| pieces.concat())
        // What a quote becomes, written out, cannot be told from it.
        .prop_filter("escapes", |name| !["%22", "%0A", "%0D"].iter().any(|escape| name.contains(escape)))
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        2 => "[a-z]{0,8}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..20),
        1 => prop::sample::select(vec!["\r\n", "\r", "\n", "--", "\r\n--", "--X", "\r\n\r\n", "-", ": "]).prop_map(|piece| piece.as_bytes().to_vec()),
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

fn entry() -> impl Strategy<Value = Entry> {
    let kinds = prop::sample::select(vec!["text/plain", "application/octet-stream", "image/png", "a/b;c=d"]);
    let file = prop::option::of((name(), kinds.prop_map(str::to_owned)));
    (name(), file, content()).prop_map(|(name, file, content)| {
        // Fields are text; what is none would be replaced, and a mark of the byte order left out.
        let content = match &file {
            None => String::from_utf8_lossy(&content).trim_start_matches('\u{feff}').as_bytes().to_vec(),
            Some(_) => content,
        };
        Entry { name, file, content }
    })
}

fn form() -> impl Strategy<Value = Form> {
    let edits = prop::collection::vec((any::<Index>(), any::<Index>()), 1..4);
    ("[-'()+_,./:=?a-zA-Z0-9]{1,12}X", prop::collection::vec(entry(), 0..4), any::<Index>(), edits)
        .prop_map(|(boundary, entries, cut, edits)| Form { boundary, entries, cut, edits })
        .prop_filter("the boundary is in no content", |form| {
            let mark = format!("--{}", form.boundary);
            form.entries.iter().all(|entry| !contains(&entry.content, mark.as_bytes()))
        })
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The parts of a form, each with its head, by the letter of RFC 2046, section 5.1.
fn parts<'a>(body: &'a [u8], boundary: &str) -> Option<Vec<(&'a [u8], &'a [u8])>> {
    let mark = format!("--{boundary}");
    // Where a line is a boundary: its beginning, what follows it, whether it is the last.
    let delimiters: Vec<(usize, usize, bool)> = (0..body.len())
        .filter(|at| *at == 0 || body[..*at].ends_with(b"\r\n"))
        .filter_map(|at| {
            let rest = body[at..].strip_prefix(mark.as_bytes())?;
            let (rest, is_last) = rest.strip_prefix(b"--").map_or((rest, false), |rest| (rest, true));
            let padding = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            let rest = &rest[padding..];
            let next = match rest.strip_prefix(b"\r\n") {
                Some(next) => body.len() - next.len(),
                None if is_last && rest.is_empty() => body.len(),
                None => return None,
            };
            Some((at, next, is_last))
        })
        .collect();
    let mut parts = Vec::new();
    let (_, mut start, mut is_last) = *delimiters.first()?;
    while !is_last {
        let part = &body[start..];
        let end = part.windows(4).position(|window| window == b"\r\n\r\n")?;
        let content = start + end + 4;
        let (at, next, last) = *delimiters.iter().find(|(at, ..)| *at >= content)?;
        parts.push((&part[..end], &body[content..content.max(at - 2)]));
        (start, is_last) = (next, last);
    }
    Some(parts)
}

async fn post(app: &App, boundary: &str, wire: Vec<u8>) -> Value {
    let kind = format!("multipart/form-data; boundary=\"{boundary}\"");
    let answer = app.send(Method::POST, "/", &[("content-type", &kind)], wire).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// What is wrong with how a form is read and written.
async fn complaint(app: &App, form: &Form) -> Option<String> {
    let told = Value::Array(form.entries.iter().map(Entry::told).collect());
    let wire = form.wire();
    let read = post(app, &form.boundary, wire.clone()).await;
    if read != told {
        return Some(format!("read as {read}, was {told}"));
    }

    let cut = form.cut.index(wire.len());
    let read = post(app, &form.boundary, wire[..cut].to_vec()).await;
    if read != json!("TypeError") {
        return Some(format!("cut after {cut} bytes, it is read as {read}"));
    }

    let edited = form.edited();
    let read = post(app, &form.boundary, edited.clone()).await;
    let known = |head: &[u8]| form.entries.iter().find(|entry| entry.head().as_bytes() == head);
    match (&read, parts(&edited, &form.boundary)) {
        (Value::Array(_), None) => {
            return Some(format!("no form is read as {read}: {}", edited.escape_ascii()));
        }
        // Heads that were edited are another matter.
        (Value::Array(_), Some(parts)) if parts.iter().all(|(head, _)| known(head).is_some()) => {
            let meant: Vec<Value> = parts
                .iter()
                .filter_map(|(head, content)| {
                    Some(Entry { content: content.to_vec(), ..known(head)?.clone() }.told())
                })
                .collect();
            if read != Value::Array(meant.clone()) {
                return Some(format!("read as {read}, is {meant:?}: {}", edited.escape_ascii()));
            }
        }
        (Value::String(_), Some(parts)) if parts.iter().all(|(head, _)| known(head).is_some()) => {
            return Some(format!("a form is refused: {}", edited.escape_ascii()));
        }
        _ => {}
    }

    let answer = app.send(Method::PUT, "/", &[], told.to_string()).await;
    let made = answer.json();
    // Line ends are CRLF in a form that is sent, in names and in texts.
    let lines = |text: &str| text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
    let meant: Vec<Value> = form
        .entries
        .iter()
        .map(|entry| {
            let mut entry = entry.clone();
            entry.name = lines(&entry.name);
            if entry.file.is_none() {
                entry.content = lines(&String::from_utf8_lossy(&entry.content)).into_bytes();
            }
            entry.told()
        })
        .collect();
    if made[2] != Value::Array(meant.clone()) {
        return Some(format!("written, and read as {}, was {meant:?}", made[2]));
    }
    let (kind, body) = (made[0].as_str()?, BASE64_STANDARD.decode(made[1].as_str()?).ok()?);
    let boundary = kind.strip_prefix("multipart/form-data; boundary=")?;
    let count = parts(&body, boundary).map(|parts| parts.len());
    (count != Some(form.entries.len())).then(|| format!("written as {}", body.escape_ascii()))
}

#[tokio::test]
async fn forms() {
    let seconds = std::env::var_os("EDGEHOST_FUZZ_SECONDS").and_then(|text| text.to_str()?.parse().ok());
    let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let app = serve_root(ROUTE).await;
    // The same forms each time, unless somebody looks for others.
    let mut runner = match until {
        Some(_) => TestRunner::default(),
        None => TestRunner::deterministic(),
    };
    let mut tried = 0;
    while until.map_or(tried < FORMS, |until| Instant::now() < until) {
        let mut tree = form().new_tree(&mut runner).expect("a form");
        tried += 1;
        let Some(mut complained) = complaint(&app, &tree.current()).await else { continue };
        let mut least = tree.current();
        // Whatever is not needed for it is left away.
        let mut goes_on = tree.simplify();
        while goes_on {
            goes_on = match complaint(&app, &tree.current()).await {
                Some(other) => {
                    (complained, least) = (other, tree.current());
                    tree.simplify()
                }
                None => tree.complicate(),
            };
        }
        panic!("after {tried} forms: {complained}\n{least:?}");
    }
    if until.is_some() {
        #[allow(clippy::print_stderr, reason = "whoever waits for minutes wants to know")]
        {
            eprintln!("{tried} forms, each read four times");
        }
    }
}
