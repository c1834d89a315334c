//! `edgehost build`, what it writes, and who serves that: `edgehost serve` and the library.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use edgehost::{App, EdgeHost, Error};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::cli::{Served, run, stderr, stdout};
use super::harness::{Project, logged, project};

/// Reads files of its own and of a package in all the ways that are found, and one that is not.
fn reader() -> Project {
    let route = r#"
        import fs from 'node:fs';
        import path from 'node:path';
        import { fileURLToPath } from 'node:url';
        import { words, sum } from 'reads';
        const content = path.join(process.cwd(), 'content');
        const beside = new URL('./beside.txt', import.meta.url);
        export async function GET(request: Request) {
            const page = new URL(request.url).searchParams.get('page') ?? 'one';
            return Response.json({
                page: fs.readFileSync(path.join(content, `${page}.md`), 'utf8'),
                beside: fs.readFileSync(beside, 'utf8'),
                place: path.relative(process.cwd(), fileURLToPath(import.meta.url)),
                words: words(), sum: await sum(2, 3),
                image: fs.readFileSync('public/image.txt', 'utf8'),
                secret: process.env.SECRET ?? null, at: process.env.NODE_ENV,
                sources: fs.existsSync('app/route.ts') || fs.existsSync('node_modules/reads/index.js'),
            });
        }"#;
    let package = r#"
        const fs = require('fs'), path = require('path');
        exports.words = () => fs.readFileSync(path.join(__dirname, 'data', 'words.txt'), 'utf8').trim().split('\n');
        exports.sum = async (a, b) => {
            const { instance } = await WebAssembly.instantiate(fs.readFileSync(`${__dirname}/sum.wasm`));
            return instance.exports.sum(a, b);
        };"#;
    // (module (func (export "sum") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add))
    let sum = b"\0asm\x01\0\0\0\x01\x07\x01\x60\x02\x7f\x7f\x01\x7f\x03\x02\x01\0\x07\x07\x01\x03sum\0\0\x0a\x09\x01\x07\0\x20\0\x20\x01\x6a\x0b";
    project()
        .file("app/route.ts", route)
        .file("app/beside.txt", "beside")
        .file("app/edge/route.ts", "export const runtime = 'edge'; export const GET = async () => new Response(await (await fetch(new URL('./font.txt', import.meta.url))).arrayBuffer());")
        .file("app/edge/font.txt", "font")
        .file("app/fails/route.ts", "import { fail } from '../../lib/fail'; export const GET = () => new Response(fail());")
        .file("lib/fail.ts", "// A line.\nexport function fail(): never {\n  throw new Error('on purpose');\n}\n")
        .file("content/one.md", "# One")
        .file("content/two.md", "# Two")
        .file("content/.draft", "hidden")
        .file("public/image.txt", "image")
        .file("public/.well-known/x", "x")
        .file("data/unread.txt", "unread")
        .file("node_modules/reads/package.json", r#"{ "name": "reads", "main": "index.js" }"#)
        .file("node_modules/reads/index.js", package)
        .file("node_modules/reads/data/words.txt", "one\ntwo\n")
        .file("node_modules/reads/sum.wasm", sum)
        .file("node_modules/reads/other.js", "unread")
        .file(".env", "SECRET=in the file\nNEXT_PUBLIC_X=1")
        .file("edgehost.toml", "limit-cpu = \"7s\"")
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn built(project: &Path, out: &Path) -> String {
    let output = run(&["build", &text(project), "--out", &text(out)]);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    stdout(&output)
}

/// Every file below a folder, with its content.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = walkdir::WalkDir::new(folder).into_iter().map(|entry| entry.expect("readable"));
    let files = entries.filter(|entry| entry.file_type().is_file());
    let named = files.map(|entry| {
        let name = entry.path().strip_prefix(folder).expect("inside").display().to_string();
        (name, std::fs::read(entry.path()).expect("readable"))
    });
    named.collect()
}

fn body(answer: &str) -> &str {
    answer.split("\r\n\r\n").nth(1).unwrap_or_default()
}

/// Waits until the log has this.
fn says(served: &Served, what: &str) {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !served.log().contains(what) {
        assert!(std::time::Instant::now() < until, "never '{what}': {}", served.log());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_build_is_served_without_its_project() {
    let project = reader();
    let place = tempfile::tempdir().expect("a folder");
    let (folder, file) = (place.path().join("out"), place.path().join("app.edgehost"));
    let said = built(&project.path(), &folder);
    built(&project.path(), &file);
    for named in [
        "content/one.md",
        "read by app/route.ts",
        "node_modules/reads/sum.wasm",
        "node_modules/reads/data/words.txt",
    ] {
        assert!(said.contains(named), "{named}: {said}");
    }
    let names: Vec<String> = files(&folder).into_keys().collect();
    let of_files: Vec<&str> = names.iter().filter_map(|name| name.strip_prefix("files/")).collect();
    assert_eq!(
        of_files,
        [
            "app/beside.txt",
            "app/edge/font.txt",
            "content/one.md",
            "content/two.md",
            "node_modules/reads/data/words.txt",
            "node_modules/reads/sum.wasm",
            "public/.well-known/x",
            "public/image.txt",
        ]
    );
    let root = text(&project.path());
    for (name, content) in files(&folder) {
        let content = String::from_utf8_lossy(&content).into_owned();
        let is_told = content.contains(&root) || content.contains("in the file");
        // V8 has an address or two of its own, but nothing of the project's place.
        assert!(!is_told, "{name} tells where the project was, or a secret");
    }
    let moved = place.path().join("elsewhere");
    std::fs::rename(&folder, &moved).expect("moved");
    drop(project);
    for out in [&moved, &file] {
        let before = files(place.path());
        let served = Served::start(out, &["--permissions=strict", "--allow-env=SECRET"], |command| {
            command.env("SECRET", "of the machine");
        });
        let answer: Value = serde_json::from_str(body(&served.get("/?page=two"))).expect("JSON");
        let expected = json!({
            "page": "# Two", "beside": "beside", "place": "app/route.ts", "words": ["one", "two"], "sum": 5,
            "image": "image", "secret": "of the machine", "at": "production", "sources": false,
        });
        assert_eq!(answer, expected, "{}\n{}", out.display(), served.log());
        assert_eq!(body(&served.get("/edge")), "font", "{}", served.log());
        assert!(served.get("/fails").contains(" 500 "));
        says(&served, "fail (lib/fail.ts:3:9)");
        let log = served.log();
        assert!(log.contains("GET (app/fails/route.ts:1:"), "{log}");
        assert!(!log.contains("code cache"), "{log}");
        assert_eq!(files(place.path()), before, "nothing is written");
        let routes = stdout(&run(&["routes", &text(out)]));
        assert!(routes.contains("/fails") && routes.contains("edge"), "{routes}");
    }
}

#[test]
fn the_same_sources_make_the_same_bytes_wherever_they_are() {
    let (one, other) = (reader(), reader());
    let place = tempfile::tempdir().expect("a folder");
    let made = |project: &Project, name: &str| {
        let out = place.path().join(name);
        built(&project.path(), &out);
        out
    };
    let first = files(&made(&one, "first"));
    let whole = |files: &BTreeMap<String, Vec<u8>>| {
        let is_fixed = |name: &&String| !name.starts_with("cache/") && !name.starts_with("edgehost-build.");
        let names: Vec<String> = files.keys().cloned().collect();
        let fixed: BTreeMap<String, Vec<u8>> =
            names.iter().filter(is_fixed).map(|name| (name.clone(), files[name].clone())).collect();
        (names, fixed)
    };
    for again in [made(&one, "second"), made(&other, "third")] {
        assert_eq!(whole(&files(&again)), whole(&first), "{}", again.display());
    }
    // Over a build of before, and over nothing else.
    made(&one, "second");
    std::fs::create_dir(place.path().join("mine")).expect("made");
    std::fs::write(place.path().join("mine/thesis.txt"), "two years").expect("written");
    std::fs::write(place.path().join("mine.edgehost"), "not a build").expect("written");
    for kept in ["mine", "mine.edgehost", "mine/thesis.txt"] {
        let output = run(&["build", &text(&one.path()), "--out", &text(&place.path().join(kept))]);
        assert!(!output.status.success(), "{kept}");
        assert!(
            stderr(&output).contains("choose another") || stderr(&output).contains("no folder"),
            "{}",
            stderr(&output)
        );
    }
    assert_eq!(std::fs::read(place.path().join("mine/thesis.txt")).expect("there"), b"two years");
    let left: Vec<_> =
        std::fs::read_dir(place.path()).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with('.')), "{left:?}");
}

async fn refusal(path: &Path) -> String {
    match App::from_build(path).routes().await {
        Err(error @ Error::Artefact(_)) => error.to_string(),
        other => panic!("{} should be refused: {other:?}", path.display()),
    }
}

#[tokio::test]
async fn what_is_damaged_is_refused_by_name() {
    let project = reader();
    let place = tempfile::tempdir().expect("a folder");
    let (folder, file) = (place.path().join("out"), place.path().join("app.edgehost"));
    built(&project.path(), &folder);
    built(&project.path(), &file);
    for (name, content) in files(&folder) {
        let path = folder.join(&name);
        let mut changed = content.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        let longer = [content.as_slice(), b" "].concat();
        for wrong in [changed.as_slice(), &content[..middle], &longer, b""] {
            std::fs::write(&path, wrong).expect("written");
            let refused = refusal(&folder).await;
            let by = if name == "edgehost-build.sha256" { "edgehost-build.json" } else { name.as_str() };
            assert!(refused.contains(by) && refused.contains("edgehost build"), "{name}: {refused}");
        }
        std::fs::remove_file(&path).expect("removed");
        assert!(refusal(&folder).await.contains(&format!("{name} is missing")), "{name}");
        let elsewhere = place.path().join("elsewhere");
        std::fs::write(&elsewhere, &content).expect("written");
        std::os::unix::fs::symlink(&elsewhere, &path).expect("linked");
        assert!(refusal(&folder).await.contains("link or no plain file"), "{name}");
        std::fs::remove_file(&path).expect("removed");
        std::fs::write(&path, &content).expect("written");
    }
    App::from_build(&folder).routes().await.expect("whole again");
    // As a person sees it.
    std::fs::write(folder.join("files/content/one.md"), "# Won").expect("written");
    let output = run(&["serve", &text(&folder), "--port", "0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("files/content/one.md is not what was built"), "{}", stderr(&output));

    let whole = std::fs::read(&file).expect("readable");
    let bytes = whole.len();
    for length in [0, 1, 511, 512, 1024, bytes / 3, bytes / 2, bytes - 1024, bytes - 512, bytes - 1] {
        std::fs::write(&file, &whole[..length]).expect("written");
        assert!(refusal(&file).await.contains("app.edgehost"), "{length}");
    }
    // What stands between files, to fill up blocks, is nobody's.
    let is_content = |at: usize| whole[at] != 0;
    for at in (0..bytes).step_by(97).filter(|at| is_content(*at)) {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        let refused = match App::from_build_bytes(changed.clone()).routes().await {
            Err(Error::Artefact(refused)) => refused,
            other => panic!("byte {at}: {other:?}"),
        };
        std::fs::write(&file, &changed).expect("written");
        let by_file = refusal(&file).await;
        assert!(
            by_file.contains("app.edgehost") && refused.contains("the build"),
            "{at}: {by_file} {refused}"
        );
    }
}

/// Writes other contents, with the checksum that they should have.
fn forge(folder: &Path, change: impl FnOnce(&mut Value)) {
    let path = folder.join("edgehost-build.json");
    let mut contents: Value = serde_json::from_slice(&std::fs::read(&path).expect("there")).expect("JSON");
    change(&mut contents);
    let text = contents.to_string();
    let sum: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(&path, text).expect("written");
    std::fs::write(folder.join("edgehost-build.sha256"), format!("{sum}  edgehost-build.json\n"))
        .expect("written");
}

/// What a folder is called, what is changed in its contents, and what is said of it.
type Lie<'a> = (&'static str, Box<dyn Fn(&mut Value) + 'a>, &'static str);

#[tokio::test]
async fn contents_that_lie_are_refused() {
    let project = reader();
    let place = tempfile::tempdir().expect("a folder");
    let original = place.path().join("original");
    built(&project.path(), &original);
    let copy = |name: &str| {
        let folder = place.path().join(name);
        for (name, content) in files(&original) {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, content).expect("written");
        }
        folder
    };
    let sum =
        json!({ "length": 0, "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" });
    let lies: [Lie<'_>; 10] = [
        ("format", Box::new(|json| json["format"] = json!(7)), "has format 7, which edgehost"),
        ("above", Box::new(|json| json["files"]["../../etc/passwd"] = sum.clone()), "outside of the build"),
        ("absolute", Box::new(|json| json["files"]["/etc/passwd"] = sum.clone()), "outside of the build"),
        ("root", Box::new(|json| json["root"] = json!("../..")), "outside of the build"),
        (
            "packages",
            Box::new(|json| json["build"]["packages"] = json!(["../../../../etc"])),
            "outside of the build",
        ),
        (
            "code",
            Box::new(|json| {
                let chunks = json["chunks"].as_object_mut().expect("chunks");
                chunks.values_mut().for_each(|chunk| chunk["code"] = json!("files/../../x"));
            }),
            "module that it does not have",
        ),
        (
            "entry",
            Box::new(|json| {
                json["build"]["routes"][0]["entry"]["Ok"]["specifier"] = json!("file:///etc/passwd")
            }),
            "module that it does not have",
        ),
        (
            "length",
            Box::new(|json| {
                let files = json["files"].as_object_mut().expect("files");
                files.values_mut().for_each(|file| file["length"] = json!(u64::MAX));
            }),
            "more than anybody can load",
        ),
        (
            "long",
            Box::new(|json| json["files"]["files/content/one.md"]["length"] = json!(1_u64 << 40)),
            "should have 1099511627776",
        ),
        ("kind", Box::new(|json| json["files"] = json!([1, 2])), "cannot be understood"),
    ];
    for (name, lie, refused) in lies {
        let folder = copy(name);
        forge(&folder, lie);
        let said = refusal(&folder).await;
        assert!(said.contains(refused) && said.contains(name), "{name}: {said}");
    }
    std::fs::remove_file(original.join("edgehost-build.json")).expect("removed");
    assert!(refusal(&original).await.contains("edgehost-build.json is missing"));
}

#[test]
fn code_caches_are_those_of_the_engine() {
    let project = project()
        .file(
            "app/route.ts",
            "import { words } from '../lib'; export const GET = () => new Response(words());",
        )
        .file("lib.ts", "export function words() { return 'cached'; }");
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path().join("out");
    built(&project.path(), &folder);
    let not_taken = "did not take the code cache";
    let serve = |more: &[&str]| {
        let served = Served::start(&folder, &[&["--log=debug"], more].concat(), |_| {});
        assert_eq!(body(&served.get("/")), "cached");
        served.log()
    };
    // Which memory a machine has changes flags of V8, and nothing in code caches.
    for more in [[].as_slice(), &["--limit-memory=64MiB"], &["--limit-memory=1GiB"]] {
        let log = serve(more);
        assert!(!log.contains(not_taken) && !log.contains("is not used"), "{log}");
    }
    forge(&folder, |json| json["engine"] = json!("V8 9.9 of another machine"));
    let log = serve(&[]);
    assert_eq!(log.matches("the code cache of the build is not used").count(), 1, "{log}");
    assert!(log.contains("V8 9.9 of another machine") && !log.contains(not_taken), "{log}");
    // One that only says that it is of this engine.
    let mut sums = BTreeMap::new();
    for (name, mut content) in files(&folder).into_iter().filter(|(name, _)| name.starts_with("cache/")) {
        content[4] ^= 1;
        std::fs::write(folder.join(&name), &content).expect("written");
        let sum: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
        sums.insert(name, sum);
    }
    let again = place.path().join("again");
    built(&project.path(), &again);
    let contents: Value =
        serde_json::from_slice(&std::fs::read(again.join("edgehost-build.json")).expect("there"))
            .expect("JSON");
    forge(&folder, |json| {
        json["engine"] = contents["engine"].clone();
        sums.into_iter().for_each(|(name, sum)| json["files"][name]["sha256"] = json!(sum));
    });
    let served = Served::start(&folder, &["--log=debug"], |_| {});
    assert_eq!(body(&served.get("/")), "cached");
    says(&served, not_taken);
}

#[test]
fn broken_routes_are_built_and_told() {
    let project = project()
        .file("app/route.ts", "export const GET = () => new Response('whole');")
        .file("app/broken/route.ts", "import x from './none'; export const GET = () => x;")
        .file(
            "app/throws/route.ts",
            "export const GET = () => new Response('x'); throw new Error('at build');",
        );
    let out = project.path().join("out");
    let build =
        |more: &[&str]| run(&[&["build", &text(&project.path()), "--out", &text(&out)], more].concat());
    let output = build(&[]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for part in [
        "1 of 3 routes cannot be bundled",
        "--allow-broken",
        "Cannot find module './none'",
        "/throws does not load",
        "at build",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let served = Served::start(&out, &[], |_| {});
    assert_eq!(body(&served.get("/")), "whole");
    assert!(served.get("/broken").contains("BUNDLE_FAILED"), "{}", served.get("/broken"));
    assert!(served.get("/throws").contains(" 500 "));
    assert_eq!(build(&["--allow-broken"]).status.code(), Some(0));
    let is_no_project = run(&["build", &text(&out), "--out", &text(&project.path().join("again"))]);
    assert!(stderr(&is_no_project).contains("is a build already"), "{}", stderr(&is_no_project));
}

#[test]
fn builds_are_apps_among_others() {
    let tells = |what: &str| format!("export const GET = () => new Response(`{what} ${{process.env.WHO}}`);");
    let project = project()
        .file("shop/app/route.ts", tells("shop"))
        .file("shop/public/a.txt", "a")
        .file("shop/edgehost.toml", "name = \"store\"\nhosts = [\"shop.example\"]")
        .file("next/app/route.ts", tells("next"))
        .file("blog/app/route.ts", tells("blog"))
        .file("blog/.env", "WHO=file")
        .file("who.env", "WHO=table")
        .file("edgehost.toml", "[[app]]\ndir = \"shop.edgehost\"\nenv-file = \"who.env\"\n[[app]]\ndir = \"blog\"\ndefault = true");
    let at = |name: &str| project.path().join(name);
    built(&at("shop"), &at("shop.edgehost"));
    let served = Served::start(&project.path(), &[], |_| {});
    let ask = |host: &str| {
        let answer = served.ask(&format!("GET / HTTP/1.1\r\nhost: {host}\r\n"));
        body(&answer).to_owned()
    };
    assert_eq!((ask("shop.example"), ask("x")), ("shop table".to_owned(), "blog file".to_owned()));
    // A new build takes over at SIGHUP; one that is the same or damaged does not.
    served.signal("HUP");
    says(&served, "store is unchanged");
    built(&at("next"), &at("shop.edgehost"));
    served.signal("HUP");
    let until = |what: &dyn Fn() -> bool| {
        let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while !what() {
            assert!(std::time::Instant::now() < until, "{}", served.log());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    };
    until(&|| ask("shop-edgehost.localhost") != "shop table" && ask("shop.localhost") == "next table");
    let bytes = std::fs::read(at("shop.edgehost")).expect("there");
    std::fs::write(at("shop.edgehost"), &bytes[..bytes.len() / 2]).expect("written");
    served.signal("HUP");
    until(&|| served.log().contains("shop.edgehost is"));
    assert_eq!(ask("shop.localhost"), "next table");
}

/// A workspace: packages lie beside the project, linked, and read files of their own.
#[test]
fn projects_of_a_workspace_are_built_with_what_lies_around_them() {
    let project = project()
        .file("apps/web/app/route.ts", "import p from 'p'; import { page } from 'ui'; export const GET = (request: Request) => Response.json(request.url.includes('fail') ? p.fail() : [p.data(), p.locale('en'), page(), process.cwd().endsWith('apps/web')]);")
        .file("packages/ui/package.json", r#"{ "name": "ui", "exports": "./index.ts" }"#)
        .file("packages/ui/index.ts", "import fs from 'node:fs'; export const page = () => fs.readFileSync(new URL('./page.html', import.meta.url), 'utf8');")
        .file("packages/ui/page.html", "a page")
        .file("node_modules/.store/p/package.json", r#"{ "name": "p", "main": "index.js" }"#)
        .file("node_modules/.store/p/index.js", "const fs = require('fs'), path = require('path');
            exports.data = () => fs.readFileSync(path.resolve(__dirname, 'data.txt'), 'utf8');
            exports.locale = (name) => require(`./locale/${name}`).word;
            exports.fail = () => { throw new Error('in a package'); };")
        .file("node_modules/.store/p/data.txt", "data")
        .file("node_modules/.store/p/locale/en.js", "exports.word = require('./words/en.json').word;")
        .file("node_modules/.store/p/locale/words/en.json", r#"{ "word": "word" }"#);
    let web = project.path().join("apps/web");
    std::fs::create_dir_all(web.join("node_modules")).expect("made");
    for (name, at) in [("p", "../../../node_modules/.store/p"), ("ui", "../../../packages/ui")] {
        std::os::unix::fs::symlink(at, web.join("node_modules").join(name)).expect("linked");
    }
    let place = tempfile::tempdir().expect("a folder");
    let outs = [place.path().join("out"), place.path().join("web.edgehost")];
    outs.iter().for_each(|out| drop(built(&web, out)));
    drop(project);
    let unpacked = place.path().join("tmp");
    std::fs::create_dir(&unpacked).expect("made");
    for out in outs {
        let mut served = Served::start(&out, &["--allow-read=../../packages"], |command| {
            command.env("TMPDIR", &unpacked);
        });
        assert_eq!(body(&served.get("/")), r#"["data","word","a page",true]"#, "{}", served.log());
        served.get("/?fail");
        says(&served, "exports.fail (../../node_modules/.store/p/index.js:4:");
        served.signal("TERM");
        assert_eq!(served.exit_code(), Some(0));
        assert_eq!(files(&unpacked).len(), 0, "what was unpacked is gone");
    }
}

async fn text_of(response: Response<edgehost::ResponseBody>) -> String {
    let body = response.into_body().collect().await.expect("whole").to_bytes();
    String::from_utf8(body.into()).expect("UTF-8")
}

async fn ask(host: &EdgeHost, path: &str) -> String {
    text_of(host.call(Request::get(path).body(Full::<bytes::Bytes>::default()).expect("a request")).await)
        .await
}

fn temporary() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(std::env::temp_dir()).expect("a folder").flatten();
    let own = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("edgehost-"));
    own.map(|entry| entry.path())
        .filter(|path| path.join("app/only-in-memory").is_dir() || path.join("only-of-bytes").is_file())
        .collect()
}

#[tokio::test]
async fn sources_of_apps_are_bytes_and_files_in_memory_too() {
    let host = EdgeHost::for_apps().shards(1).build().expect("built");
    let route = "import { name } from '@/lib/name'; import data from './data.json';
        export const GET = () => Response.json([name, data.answer, process.env.PATH ?? null, process.env.GIVEN ?? null, process.env.NODE_ENV]);";
    let files = |name: &str| {
        vec![
            ("app/only-in-memory/route.ts".to_owned(), route.to_owned()),
            ("app/only-in-memory/data.json".to_owned(), r#"{ "answer": 42 }"#.to_owned()),
            (
                "app/fails/route.ts".to_owned(),
                "export const GET = () => {\n  throw new Error('of memory');\n};".to_owned(),
            ),
            ("lib/name.ts".to_owned(), format!("export const name: string = '{name}';")),
            (
                "tsconfig.json".to_owned(),
                r#"{ "compilerOptions": { "paths": { "@/*": ["./*"] } } }"#.to_owned(),
            ),
        ]
    };
    let mut given = edgehost::Environment::empty();
    given.set("GIVEN", "here");
    let app = App::from_files(files("one")).env(given);
    let deployed = host.deploy(app).await.expect("deployed");
    assert_eq!(ask(&host, "/only-in-memory").await, r#"["one",42,null,"here","production"]"#);
    assert_eq!(temporary(), Vec::<PathBuf>::new(), "nothing stays on the disk");
    ask(&host, "/fails").await;
    logged(&["Error: of memory", "GET (app/fails/route.ts:2:9)"]).await;
    deployed.replace(App::from_files(files("two"))).await.expect("replaced");
    assert_eq!(ask(&host, "/only-in-memory").await, r#"["two",42,null,null,"production"]"#);

    // What cannot be served says so with the paths that the program gave.
    for (files, problem) in [
        (vec![("app/route.ts", "import zod from 'zod'; export const GET = zod;")], "app/route.ts:1:17"),
        (vec![("app/route.ts", "export const GET = () => {")], "app/route.ts:1:27"),
        (vec![("lib/x.ts", "")], "couldn't find an `app` directory in the files"),
        (vec![("../app/route.ts", "")], "'../app/route.ts' is no path of a file below a project"),
        (vec![("/app/route.ts", "")], "is no path of a file below a project"),
    ] {
        let refused = App::from_files(files.clone()).routes().await.expect_err("refused").to_string();
        assert!(refused.contains(problem) && !refused.contains("/tmp"), "{files:?}: {refused}");
    }

    let project = project()
        .file("app/route.ts", "import fs from 'node:fs'; import path from 'node:path'; export const GET = () => new Response(fs.readFileSync(path.join(process.cwd(), 'only-of-bytes'), 'utf8'));")
        .file("only-of-bytes", "unpacked");
    let out = project.path().join("app.edgehost");
    let summary = App::from_dir(project.path()).build(&out).await.expect("built");
    assert_eq!(summary.files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["only-of-bytes"]);
    assert!(summary.cache_bytes > 0 && summary.unloaded.is_empty(), "{summary:?}");
    let app =
        App::from_build_bytes(std::fs::read(&out).expect("there")).name("bytes").hosts(["bytes.example"]);
    let deployed = host.deploy(app).await.expect("deployed");
    assert_eq!(ask(&host, "http://bytes.example/").await, "unpacked");
    assert_eq!(temporary().len(), 1);
    drop(deployed);
    host.remove("bytes").await;
    host.shutdown(super::harness::PATIENCE).await;
    assert_eq!(temporary(), Vec::<PathBuf>::new(), "what was unpacked goes with the app");
}

#[tokio::test]
async fn the_library_leaves_folders_and_variables_alone() {
    let project = project()
        .file(
            "app/route.ts",
            "export const GET = () => Response.json([process.env.PATH ?? null, process.env.OWN ?? null]);",
        )
        .file(".env", "OWN=of the project");
    let before = files(&project.path());
    let host = EdgeHost::builder(project.path()).build().await.expect("built");
    assert_eq!(ask(&host, "/").await, r#"[null,"of the project"]"#);
    host.shutdown(super::harness::PATIENCE).await;
    App::from_dir(project.path()).routes().await.expect("routes");
    assert_eq!(files(&project.path()), before);
    EdgeHost::builder(project.path()).keep_in_project(true).build().await.expect("built");
    assert!(project.path().join(".edgehost/bundle").is_file());
}
