//! An app while somebody works on it: `edgehost dev`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::cli::Served;
use super::harness::{PATIENCE, Project, program, project};

const HTML: &str = "accept: text/html,application/xhtml+xml;q=0.9\r\n";
const JSON: &str = "accept: application/json\r\n";

struct Dev {
    served: Served,
    dir: PathBuf,
    _project: Project,
}

fn dev(project: Project) -> Dev {
    dev_with(project, &[])
}

fn dev_with(project: Project, arguments: &[&str]) -> Dev {
    let dir = project.path();
    dev_in(project, &dir, arguments)
}

fn dev_in(project: Project, dir: &Path, arguments: &[&str]) -> Dev {
    let mut command = Command::new(program());
    command.arg("dev").arg(dir).args(["--port", "0"]).args(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    Dev { served: Served::launch(command), dir: dir.to_owned(), _project: project }
}

/// A route that answers with a text.
fn says(text: &str) -> String {
    format!("export const GET = () => new Response('{text}')\n")
}

impl Dev {
    fn write(&self, path: &str, content: &str) {
        let path = self.dir.join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        std::fs::write(path, content).expect("written");
    }

    fn remove(&self, path: &str) {
        let path = self.dir.join(path);
        if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
            .expect("removed");
    }

    fn rename(&self, from: &str, to: &str) {
        std::fs::rename(self.dir.join(from), self.dir.join(to)).expect("renamed");
    }

    fn ask(&self, path: &str, headers: &str) -> String {
        self.served.ask(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}"))
    }

    fn get(&self, path: &str) -> String {
        self.ask(path, "")
    }

    /// Asks until the answer has a text.
    #[track_caller]
    fn until(&self, path: &str, headers: &str, expected: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let answer = self.ask(path, headers);
            if answer.contains(expected) {
                return answer;
            }
            let (said, log) = (self.served.said(), self.served.log());
            assert!(Instant::now() < end, "never came: {expected}\n{answer}\n{said}\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[track_caller]
    fn becomes(&self, path: &str, expected: &str) {
        self.until(path, "", &format!("\r\n\r\n{expected}"));
    }

    /// Waits until a text is printed.
    #[track_caller]
    fn told(&self, expected: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let all = format!("{}{}", self.served.said(), self.served.log());
            if all.contains(expected) {
                return;
            }
            assert!(Instant::now() < end, "never told: {expected}\n{all}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The status and the code of an answer.
fn status(answer: &str) -> (&str, &str) {
    let status = answer.split_whitespace().nth(1).unwrap_or_default();
    let code = answer.lines().find_map(|line| line.strip_prefix("x-edgehost-error: ")).unwrap_or_default();
    (status, code.trim_end())
}

#[test]
fn what_is_saved_answers() {
    let dev = dev(project().file("app/a/route.ts", says("one")).file("app/b/route.ts", says("b")));
    dev.becomes("/a", "one");
    dev.write("app/a/route.ts", &says("two"));
    dev.becomes("/a", "two");
    // As editors do that never leave half a file.
    dev.write("app/a/.route.ts.new", &says("three"));
    dev.rename("app/a/.route.ts.new", "app/a/route.ts");
    dev.becomes("/a", "three");
    // As those that keep the old file aside.
    dev.rename("app/a/route.ts", "app/a/route.ts~");
    dev.write("app/a/route.ts", &says("four"));
    dev.remove("app/a/route.ts~");
    dev.becomes("/a", "four");
    dev.told("rebuilt in");
    dev.told(": app/a/route.ts");
}

#[test]
fn routes_come_and_go() {
    let dev = dev(project().file("app/a/route.ts", says("a")));
    assert_eq!(status(&dev.get("/new")), ("404", "NOT_FOUND"));
    dev.write("app/new/deep/route.ts", &says("new"));
    dev.becomes("/new/deep", "new");
    dev.rename("app/new", "app/moved");
    dev.becomes("/moved/deep", "new");
    assert_eq!(status(&dev.get("/new/deep")), ("404", "NOT_FOUND"));
    dev.write("app/moved/deep/route.ts", &says("edited"));
    dev.becomes("/moved/deep", "edited");
    // Types of routes are there for editors.
    let types = dev.dir.join(".edgehost/types");
    assert!(types.is_dir(), "{}", types.display());
    dev.remove("app/moved");
    dev.until("/moved/deep", "", "NOT_FOUND");
    dev.becomes("/a", "a");
}

#[test]
fn metadata_files_come_and_go() {
    let dev = dev(project().file("app/a/route.ts", says("a")).file("app/icon.svg", "<svg/>"));
    dev.becomes("/icon.svg", "<svg/>");
    dev.write("app/icon.svg", "<svg id='2'/>");
    dev.becomes("/icon.svg", "<svg id='2'/>");
    dev.write("app/a/sitemap.xml", "<urlset/>");
    dev.becomes("/a/sitemap.xml", "<urlset/>");
    dev.write("app/robots.ts", "export default () => ({ rules: {} })\n");
    dev.becomes("/robots.txt", "User-Agent: *\n");
    dev.write("app/robots.ts", "export default () => ({ rules: { userAgent: 'b' } })\n");
    dev.becomes("/robots.txt", "User-Agent: b\n");
    dev.remove("app/a/sitemap.xml");
    dev.until("/a/sitemap.xml", "", "NOT_FOUND");
    dev.becomes("/a", "a");
}

#[test]
fn settings_change() {
    let env = "export const GET = () => new Response(`${process.env.COLOUR} ${process.env.NODE_ENV}`)\n";
    let import = "import { text } from '@/text'\nexport const GET = () => new Response(text)\n";
    let paths = |to: &str| format!(r#"{{ "compilerOptions": {{ "paths": {{ "@/*": ["./{to}/*"] }} }} }}"#);
    let project = project()
        .file(".env", "COLOUR=red\n")
        .file("app/env/route.ts", env)
        .file("app/paths/route.ts", import)
        .file("one/text.ts", "export const text = 'one'\n")
        .file("two/text.ts", "export const text = 'two'\n")
        .file("tsconfig.json", paths("one"));
    let dev = dev(project);
    dev.becomes("/env", "red development");
    dev.write(".env", "COLOUR=green\n");
    dev.becomes("/env", "green development");
    dev.write(".env.development.local", "COLOUR=blue\n");
    dev.becomes("/env", "blue development");
    dev.becomes("/paths", "one");
    dev.write("tsconfig.json", &paths("two"));
    dev.becomes("/paths", "two");
    dev.write("edgehost.toml", "limit-url = \"20B\"\n");
    dev.until("/env?of-more-than-twenty-bytes", "", "URL_TOO_LONG");
    dev.write("edgehost.toml", "limit-urk = \"20B\"\n");
    dev.told("did you mean `limit-url`?");
    dev.becomes("/env", "blue");
}

#[test]
fn a_mistake_is_shown_where_it_is_and_goes_with_its_repair() {
    let broken = "export function GET() {\n  const a = 1\n  return new Response('x'\n}\n";
    let dev = dev(project().file("app/a/route.ts", says("a")).file("app/b/route.ts", says("b")));
    dev.becomes("/a", "a");
    dev.write("app/a/route.ts", broken);
    let page = dev.until("/a", HTML, "BUNDLE_FAILED");
    assert!(page.starts_with("HTTP/1.1 500 "), "{page}");
    assert!(page.contains("content-type: text/html; charset=utf-8"), "{page}");
    assert!(page.contains("app/a/route.ts:4:1") && page.contains("class=\"here\"><i>4</i>"), "{page}");
    let json = dev.ask("/a", JSON);
    let (_, body) = json.split_once("\r\n\r\n").expect("a body");
    let json: serde_json::Value =
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {json}"));
    assert_eq!(json["error"]["problems"][0]["file"], "app/a/route.ts");
    assert_eq!(json["error"]["problems"][0]["line"], 4);
    let text = dev.get("/a");
    assert!(text.contains("content-type: text/plain") && text.contains("at app/a/route.ts:4:1"), "{text}");
    dev.becomes("/b", "b");
    dev.write("app/a/route.ts", &says("again"));
    dev.becomes("/a", "again");
}

#[test]
fn what_was_meant_is_proposed() {
    let project = project()
        .file("node_modules/express-ish/package.json", r#"{ "name": "express-ish", "main": "index.js" }"#)
        .file("node_modules/express-ish/index.js", "exports.a = 1\n")
        .file("lib/payment.ts", "export const connection = 1\n")
        .file("app/a/route.ts", "import '../../lib/paymnet'\nexport const GET = () => new Response('a')\n")
        .file("app/b/route.ts", "import 'expres-ish/index.js'\nexport const GET = () => new Response('b')\n")
        .file("app/c/route.ts", "import { conection } from '../../lib/payment'\nexport const GET = () => new Response(conection)\n")
        .file("package.json", r#"{ "dependencies": { "next": "16.0.0" } }"#);
    let dev = dev(project);
    let page = dev.until("/a", HTML, "BUNDLE_FAILED");
    assert!(page.contains("Did you mean <code>../../lib/payment</code>?"), "{page}");
    let page = dev.until("/b", HTML, "BUNDLE_FAILED");
    assert!(page.contains("Did you mean <code>express-ish/index.js</code>?"), "{page}");
    dev.told("did you mean 'connection'?");
    dev.told("did you mean '../../lib/payment'?");
}

#[test]
fn an_only_route_may_be_broken_from_the_start() {
    let dev = dev(project().file("app/a/route.ts", "export const GET = ("));
    let page = dev.until("/a", HTML, "BUNDLE_FAILED");
    assert!(page.contains("app/a/route.ts:1:"), "{page}");
    dev.write("app/a/route.ts", &says("well"));
    dev.becomes("/a", "well");
}

#[test]
fn a_project_may_begin_with_nothing() {
    let dev = dev(project().file("app/readme.txt", "empty"));
    let page = dev.until("/", HTML, "no route files in");
    assert!(page.contains("<h1>"), "{page}");
    dev.write("app/a/route.ts", &says("first"));
    dev.becomes("/a", "first");
}

#[test]
fn what_an_error_says_is_shown_with_its_causes_and_the_code() {
    let route = "import { load } from '../../lib/db'\n\nexport async function GET() {\n  try {\n    await load()\n  } catch (cause) {\n    throw new Error('no <b>items</b>', { cause })\n  }\n}\n";
    let lib = "export async function load() {\n  throw new TypeError('not connected')\n}\n";
    let dev = dev(project().file("app/a/route.ts", route).file("lib/db.ts", lib));
    let page = dev.until("/a", HTML, "HANDLER_ERROR");
    assert!(page.starts_with("HTTP/1.1 500 "), "{page}");
    assert!(page.contains("Error: no &lt;b&gt;items&lt;/b&gt;") && !page.contains("<b>items"), "{page}");
    assert!(page.contains("app/a/route.ts:7:11") && page.contains("class=\"here\"><i>7</i>"), "{page}");
    assert!(page.contains("Caused by") && page.contains("TypeError: not connected"), "{page}");
    assert!(page.contains("lib/db.ts:2:9") && page.contains("class=\"here\"><i>2</i>"), "{page}");
    assert!(!page.contains("ext:"), "{page}");
    let json = dev.ask("/a", JSON);
    assert!(json.contains("\"line\": 7") && json.contains("not connected"), "{json}");
    let text = dev.get("/a");
    assert!(text.contains("at GET (app/a/route.ts:7:11)") || text.contains("app/a/route.ts:7:11"), "{text}");
    dev.told("Error: no <b>items</b>");
}

#[test]
fn a_module_that_throws_is_shown_and_works_once_it_does_not() {
    let dev = dev(project().file("app/a/route.ts", "const x = undefined\nx.y\nexport const GET = () => 1\n"));
    let page = dev.until("/a", HTML, "MODULE_INIT_FAILED");
    assert!(page.contains("app/a/route.ts:2:3") && page.contains("Cannot read properties"), "{page}");
    dev.write("app/a/route.ts", &says("fine"));
    dev.becomes("/a", "fine");
}

#[test]
fn frames_of_packages_are_folded() {
    let project = project()
        .file("node_modules/thrower/package.json", r#"{ "name": "thrower", "main": "index.js" }"#)
        .file("node_modules/thrower/index.js", "exports.call = function call(f) {\n  return f()\n}\n")
        .file(
            "app/a/route.ts",
            "import { call } from 'thrower'\nexport function GET() {\n  return call(() => { throw new Error('inside') })\n}\n",
        );
    let dev = dev(project);
    let page = dev.until("/a", HTML, "HANDLER_ERROR");
    assert!(page.contains("<summary>1 call in packages</summary>"), "{page}");
    assert!(page.contains("app/a/route.ts:3:"), "{page}");
}

#[test]
fn no_page_has_a_value_of_an_env_file() {
    let route = "export function GET() { throw new Error(`cannot reach ${process.env.DATABASE_URL} with pa55/word`) }\n";
    let project = project()
        .file(".env", "DATABASE_URL=postgres://me:pa55%2Fword@db/shop\n")
        .file("app/a/route.ts", route);
    let dev = dev(project);
    for accept in [HTML, JSON, ""] {
        let page = dev.until("/a", accept, "HANDLER_ERROR");
        assert!(page.contains("cannot reach [DATABASE_URL] with [DATABASE_URL]"), "{page}");
        assert!(!page.contains("pa55"), "{page}");
    }
}

#[test]
fn packages_may_be_installed_later() {
    let route = "import { text } from 'late'\nexport const GET = () => new Response(text)\n";
    let dev = dev(project().file("app/a/route.ts", route).file("app/b/route.ts", says("b")));
    let page = dev.until("/a", HTML, "BUNDLE_FAILED");
    assert!(page.contains("Cannot find module &#39;late&#39;"), "{page}");
    dev.write(
        "node_modules/late/package.json",
        r#"{ "name": "late", "type": "module", "main": "index.js" }"#,
    );
    dev.write("node_modules/late/index.js", "export const text = 'installed'\n");
    dev.becomes("/a", "installed");
    // What was read of a package is watched.
    dev.write("node_modules/late/index.js", "export const text = 'patched'\n");
    dev.becomes("/a", "patched");
}

#[test]
fn files_of_a_workspace_are_watched_through_links() {
    let project = project()
        .file(
            "web/app/a/route.ts",
            "import { text } from 'shared'\nexport const GET = () => new Response(text)\n",
        )
        .file(
            "packages/shared/package.json",
            r#"{ "name": "shared", "type": "module", "main": "src/index.ts" }"#,
        )
        .file("packages/shared/src/index.ts", "export { text } from './text'\n")
        .file("packages/shared/src/text.ts", "export const text = 'linked'\n");
    let root = project.path();
    std::fs::create_dir_all(root.join("web/node_modules")).expect("made");
    std::os::unix::fs::symlink("../../packages/shared", root.join("web/node_modules/shared"))
        .expect("linked");
    let dev = dev_in(project, &root.join("web"), &[]);
    dev.becomes("/a", "linked");
    dev.write("../packages/shared/src/text.ts", "export const text = 'edited'\n");
    dev.becomes("/a", "edited");
}

#[test]
fn a_project_may_be_deleted_and_come_again() {
    let project = project().file("work/shop/app/a/route.ts", says("before"));
    let root = project.path();
    let dev = dev_in(project, &root.join("work/shop"), &[]);
    dev.becomes("/a", "before");
    std::fs::remove_dir_all(root.join("work")).expect("removed");
    dev.told("cannot read");
    dev.becomes("/a", "before");
    dev.write("app/a/route.ts", &says("after"));
    dev.becomes("/a", "after");
    dev.write("app/a/route.ts", &says("edited"));
    dev.becomes("/a", "edited");
}

#[test]
fn files_may_be_looked_at_again_and_again() {
    let dev = dev_with(project().file("app/a/route.ts", says("one")), &["--poll"]);
    dev.becomes("/a", "one");
    dev.write("app/a/route.ts", &says("other"));
    dev.becomes("/a", "other");
    dev.write("app/new/route.ts", &says("new"));
    dev.becomes("/new", "new");
}

#[test]
fn only_edits_of_what_is_served_begin_a_new_version() {
    let counting = "let count = 0\nexport const GET = () => new Response(`count ${++count}`)\n";
    let dev = dev(project().file("app/a/route.ts", counting).file("app/b/route.ts", says("b")));
    dev.becomes("/a", "count 1");
    dev.write("data/items.json", "[1]");
    dev.write("readme.md", "text");
    dev.write(".git/index", "x");
    dev.write("app/a/route.ts", counting);
    // Comes after all of these.
    dev.write("app/b/route.ts", "export const GET = () => new Response('b') // again\n");
    std::thread::sleep(Duration::from_millis(400));
    dev.becomes("/a", "count 2");
    dev.write("app/b/route.ts", &says("other"));
    dev.becomes("/b", "other");
    dev.becomes("/a", "count 1");
}

#[test]
fn routes_that_share_a_module_go_on_to_share_it() {
    let shared = "export const list: string[] = []\n";
    let put = "import { list } from '../../lib/list'\nexport const GET = () => { list.push('x'); return new Response('put') }\n";
    let get = |text: &str| {
        format!(
            "import {{ list }} from '../../lib/list'\nexport const GET = () => new Response('{text} ' + list.length)\n"
        )
    };
    let project = project()
        .file("lib/list.ts", shared)
        .file("app/put/route.ts", put)
        .file("app/get/route.ts", get("a"))
        .file("app/alone/route.ts", says("alone"));
    let dev = dev(project);
    dev.becomes("/put", "put");
    dev.becomes("/get", "a 1");
    dev.write("app/get/route.ts", &get("b"));
    dev.becomes("/get", "b 0");
    dev.becomes("/put", "put");
    dev.becomes("/get", "b 1");
    // One that had nothing in common with them has from now on.
    dev.write("app/alone/route.ts", &get("c"));
    dev.becomes("/alone", "c 0");
    dev.becomes("/put", "put");
    dev.becomes("/alone", "c 1");
    dev.becomes("/get", "b 1");
}

#[test]
fn the_index_lists_the_routes_and_how_they_do() {
    let project = project()
        .file("app/items/[id]/route.ts", says("item"))
        .file("app/bad/route.ts", "export const GET = () => { throw new Error('bad') }\n");
    let dev = dev(project);
    dev.becomes("/items/1", "item");
    dev.until("/bad", "", "HANDLER_ERROR");
    let page = dev.until("/", HTML, "class=\"number bad\">500");
    assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("/items/[id]"), "{page}");
    assert!(page.contains("app/items/[id]/route.ts") && page.contains("class=\"number good\">200"), "{page}");
    assert!(page.contains("content-security-policy: default-src 'none'"), "{page}");
    let row = page.split("</tr>").find(|row| row.contains("app/items/[id]/route.ts")).unwrap_or_default();
    assert_eq!(row.matches(" ms</td>").count(), 3, "median, p99 and CPU time: {row}");
    assert_eq!(status(&dev.get("/")), ("404", "NOT_FOUND"));
    let near = dev.ask("/item/1", HTML);
    assert!(near.starts_with("HTTP/1.1 404 ") && near.contains("/items/[id]"), "{near}");
    let other =
        dev.served.ask(&format!("POST /bad HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n{HTML}"));
    assert!(other.starts_with("HTTP/1.1 405 ") && other.contains("allow: GET"), "{other}");
}

#[test]
fn answers_of_handlers_stay_as_they_are() {
    let all = "export const GET = (request) => new Response('<html><body>' + new URL(request.url).pathname + '</body></html>', { status: 500, headers: { 'content-type': 'text/html' } })\n";
    let dev = dev(project().file("app/[[...all]]/route.ts", all));
    let page = dev.until("/x", HTML, "<html><body>/x</body></html>");
    assert!(page.ends_with("\r\n\r\n<html><body>/x</body></html>"), "{page}");
    assert!(dev.ask("/", HTML).ends_with("<html><body>/</body></html>"));
}

#[test]
fn pages_are_told_of_changes_on_a_path_of_their_own() {
    use std::io::{Read, Write};
    let dev = dev(project().file("app/[...all]/route.ts", says("all")));
    dev.becomes("/x", "all");
    let mut stream = dev.served.connect();
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    write!(stream, "GET /_edgehost/events HTTP/1.1\r\nhost: localhost\r\n\r\n").expect("written");
    let mut read = String::new();
    let mut buffer = [0; 1024];
    let mut edited = false;
    while read.matches("data: ").count() < 2 {
        let count = stream.read(&mut buffer).expect("read");
        assert!(count > 0, "{read}");
        read.push_str(&String::from_utf8_lossy(&buffer[..count]));
        if !edited && read.contains("data: ") {
            assert!(read.contains("content-type: text/event-stream"), "{read}");
            dev.write("app/[...all]/route.ts", &says("other"));
            edited = true;
        }
    }
    // A page that waits does not keep the server.
    let mut dev = dev;
    dev.served.signal("TERM");
    let began = Instant::now();
    assert_eq!(dev.served.exit_code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[test]
fn names_that_others_may_lead_here_are_refused() {
    let route = says("mine");
    let ask = |dev: &Dev, host: &str| dev.served.ask(&format!("GET /a HTTP/1.1\r\nhost: {host}\r\n"));
    let closed = dev(project().file("app/a/route.ts", &route));
    closed.becomes("/a", "mine");
    for host in ["localhost:3000", "127.0.0.1", "[::1]:80", "shop.localhost", "192.168.1.7"] {
        assert_eq!(status(&ask(&closed, host)).0, "200", "{host}");
    }
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example"] {
        assert_eq!(status(&ask(&closed, host)), ("403", "FOREIGN_HOST"), "{host}");
    }
    let open = dev_with(project().file("app/a/route.ts", &route), &["--host", "127.0.0.1"]);
    open.becomes("/a", "mine");
    assert_eq!(status(&ask(&open, "box.example")).0, "200");
}

#[test]
fn files_that_come_into_public_are_there() {
    let dev = dev(project().file("app/a/route.ts", says("a")).file("public/old.txt", "old"));
    dev.becomes("/old.txt", "old");
    dev.write("public/new.txt", "new");
    dev.becomes("/new.txt", "new");
    dev.remove("public/old.txt");
    dev.until("/old.txt", "", "HTTP/1.1 404 ");
}

#[test]
fn lines_tell_requests_and_count_what_comes_again() {
    let route = "export const GET = () => { console.log('hello'); console.warn('careful'); return new Response('x') }\n";
    let dev = dev(project().file("app/a/route.ts", route));
    for _ in 0..4 {
        dev.becomes("/a", "x");
    }
    dev.told("GET /a 200 in ");
    dev.told("/a hello\n");
    dev.told("/a warn careful\n");
    dev.told("3 times more: /a careful");
    let log = dev.served.log();
    assert_eq!(log.matches("/a hello\n").count(), 4, "{log}");
    assert_eq!(log.matches(" ms (cpu ").count(), 4, "{log}");
    assert!(!log.contains('\u{1b}'), "no colours in a pipe: {log}");
}

#[test]
fn a_server_shows_nothing_of_it() {
    let route = "export const GET = () => { throw new Error('inner secret') }\n";
    let project = project().file("app/a/route.ts", route);
    let served = Served::start(&project.path(), &[], |_| {});
    for accept in [HTML, JSON, ""] {
        let answer = served.ask(&format!("GET /a HTTP/1.1\r\nhost: localhost\r\n{accept}"));
        assert_eq!(status(&answer), ("500", "HANDLER_ERROR"));
        assert!(answer.contains("text/plain") && !answer.contains("inner secret"), "{answer}");
    }
    for path in ["/", "/_edgehost/events", "/_edgehost/routes"] {
        let answer = served.ask(&format!("GET {path} HTTP/1.1\r\nhost: evil.example\r\n{HTML}"));
        assert_eq!(status(&answer), ("404", "NOT_FOUND"), "{path}");
        assert!(answer.contains("text/plain"), "{answer}");
    }
}
