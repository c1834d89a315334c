//! Files of `public/`.

use std::os::unix::fs::symlink;

use http::{Method, StatusCode};

use super::harness::{Answer, App, Project, project};

const ROUTE: &str =
    "export const GET = () => new Response('route'); export const POST = () => new Response('posted');";

fn files() -> Project {
    project()
        .file("app/[...path]/route.ts", ROUTE)
        .file("public/text.txt", "0123456789")
        .file("public/empty.txt", "")
        .file("public/sub/ä b.html", "<p>ä</p>")
}

async fn ask(app: &App, path: &str, headers: &[(&str, &str)]) -> Answer {
    app.send(Method::GET, path, headers, "").await
}

#[tokio::test]
async fn a_file_comes_with_its_type_and_validators() {
    let app = files()
        .file("public/a.js", "1")
        .file("public/a.json", "1")
        .file("public/a.svg", "1")
        .file("public/a.woff2", "1")
        .file("public/.well-known/thing", "1")
        .start()
        .await;
    let answer = app.get("/text.txt").await;
    answer.is(200, "0123456789");
    assert_eq!(answer.header("cache-control"), Some("public, max-age=0"));
    assert_eq!(answer.header("accept-ranges"), Some("bytes"));
    assert_eq!(answer.header("content-length"), Some("10"));
    assert!(answer.header("x-request-id").is_some() && answer.header("vary").is_none());
    assert_eq!(answer.headers.get_all("date").iter().count(), 1);
    let tag = answer.header("etag").expect("a tag");
    assert!(tag.starts_with("W/\"a-"), "{tag}");
    for (path, kind) in [
        ("/text.txt", "text/plain; charset=utf-8"),
        ("/sub/%C3%A4%20b.html", "text/html; charset=utf-8"),
        ("/a.js", "text/javascript; charset=utf-8"),
        ("/a.json", "application/json; charset=utf-8"),
        ("/a.svg", "image/svg+xml"),
        ("/a.woff2", "font/woff2"),
        ("/.well-known/thing", "application/octet-stream"),
    ] {
        let answer = app.get(path).await;
        assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, Some(kind)), "{path}");
    }
    app.get("/empty.txt").await.is(200, "");
    let head = app.send(Method::HEAD, "/text.txt", &[], "").await;
    assert_eq!((head.header("content-length"), head.text()), (Some("10"), ""));
    assert_eq!(head.header("etag"), Some(tag));
}

#[tokio::test]
async fn conditions_are_honoured() {
    let app = files().start().await;
    let answer = app.get("/text.txt").await;
    let (tag, date) =
        (answer.header("etag").expect("a tag"), answer.header("last-modified").expect("a date"));
    let old = "Thu, 01 Jan 2015 00:00:00 GMT";
    for (headers, status) in [
        (vec![("if-none-match", tag)], 304),
        (vec![("if-none-match", "\"other\", W/\"more\""), ("if-modified-since", date)], 200),
        (vec![("if-none-match", "*")], 304),
        (vec![("if-modified-since", date)], 304),
        (vec![("if-modified-since", old)], 200),
        (vec![("if-modified-since", "yesterday")], 200),
        (vec![("if-unmodified-since", old)], 412),
        (vec![("if-unmodified-since", date)], 200),
        (vec![("if-match", "\"other\"")], 412),
    ] {
        let answer = ask(&app, "/text.txt", &headers).await;
        assert_eq!(answer.status.as_u16(), status, "{headers:?}");
        if status == 304 {
            assert_eq!((answer.text(), answer.header("etag")), ("", Some(tag)));
            assert_eq!(answer.header("cache-control"), Some("public, max-age=0"));
        }
    }
}

#[tokio::test]
async fn parts_of_files_can_be_had() {
    let app = files().start().await;
    let answer = app.get("/text.txt").await;
    let (tag, date) =
        (answer.header("etag").expect("a tag"), answer.header("last-modified").expect("a date"));
    for (headers, status, range, body) in [
        (vec![("range", "bytes=2-4")], 206, Some("bytes 2-4/10"), "234"),
        (vec![("range", "bytes=7-")], 206, Some("bytes 7-9/10"), "789"),
        (vec![("range", "bytes=-2")], 206, Some("bytes 8-9/10"), "89"),
        (vec![("range", "bytes=8-100")], 206, Some("bytes 8-9/10"), "89"),
        (vec![("range", "bytes=10-")], 416, Some("bytes */10"), ""),
        (vec![("range", "lines=1-2")], 200, None, "0123456789"),
        (vec![("range", "bytes=4-2")], 416, Some("bytes */10"), ""),
        (vec![("range", "bytes=0-0"), ("if-range", tag)], 206, Some("bytes 0-0/10"), "0"),
        (vec![("range", "bytes=0-0"), ("if-range", date)], 206, Some("bytes 0-0/10"), "0"),
        (vec![("range", "bytes=0-0"), ("if-range", "\"other\"")], 200, None, "0123456789"),
        (vec![("range", "bytes=0-0"), ("if-none-match", tag)], 304, None, ""),
    ] {
        let answer = ask(&app, "/text.txt", &headers).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (status, body), "{headers:?}");
        assert_eq!(answer.header("content-range"), range, "{headers:?}");
    }
    let long: String = (0..1000).map(|n| format!("{n:04}\n")).collect();
    let app = files().file("public/long.txt", &long).start().await;
    let answer = ask(&app, "/long.txt", &[("range", "bytes=0-3,5-8, -5")]).await;
    assert_eq!(answer.status.as_u16(), 206);
    let kind = answer.header("content-type").expect("a type");
    assert!(kind.starts_with("multipart/byteranges"), "{kind}");
    for part in ["0000", "0001", "0999\n", "bytes 5-8/5000"] {
        assert!(answer.text().contains(part), "{part}: {}", answer.text());
    }
    // As many as a head holds are no more work than the file.
    let many = format!("bytes={}", (0..5000).map(|n| format!("{n}-{n}")).collect::<Vec<_>>().join(","));
    let answer = ask(&app, "/long.txt", &[("range", &many)]).await;
    assert!(answer.body.len() < 600_000, "{} {}", answer.status, answer.body.len());
}

#[tokio::test]
async fn compressed_forms_are_sent_to_those_who_take_them() {
    let app = files()
        .file("public/a.js", "plain")
        .file("public/a.js.br", "as br")
        .file("public/a.js.gz", "as gzip")
        .file("public/b.css", "plain")
        .file("public/b.css.zst", "as zstd")
        .start()
        .await;
    let mut tags = std::collections::HashSet::new();
    for (path, accepted, body, coding) in [
        ("/a.js", "gzip, deflate, br, zstd", "as br", Some("br")),
        ("/a.js", "gzip", "as gzip", Some("gzip")),
        ("/a.js", "br;q=0.5, gzip;q=0.9", "as gzip", Some("gzip")),
        ("/a.js", "br;q=0, *", "as gzip", Some("gzip")),
        ("/a.js", "identity", "plain", None),
        ("/a.js", "", "plain", None),
        ("/b.css", "br, zstd", "as zstd", Some("zstd")),
        ("/b.css", "br", "plain", None),
    ] {
        let answer = ask(&app, path, &[("accept-encoding", accepted)]).await;
        answer.is(200, body);
        assert_eq!(answer.header("content-encoding"), coding, "{path} {accepted}");
        assert_eq!(answer.header("vary"), Some("accept-encoding"), "{path} {accepted}");
        let kind = if path == "/a.js" { "text/javascript" } else { "text/css" };
        assert!(answer.header("content-type").expect("a type").starts_with(kind), "{path}");
        tags.insert((path, answer.header("etag").expect("a tag").to_owned()));
    }
    assert_eq!(tags.len(), 5, "each form has a tag of its own: {tags:?}");
    let answer = ask(&app, "/text.txt", &[("accept-encoding", "br")]).await;
    assert!(answer.header("vary").is_none() && answer.header("content-encoding").is_none());
    app.get("/a.js.br").await.is(200, "as br");
}

#[tokio::test]
async fn a_file_comes_before_routes_for_the_methods_that_it_has() {
    let app = files()
        .file("app/exact/route.ts", ROUTE)
        .file("public/exact", "file")
        .file("public/only.txt", "file")
        .start()
        .await;
    app.get("/exact").await.is(200, "file");
    app.get("/text.txt?x=1").await.is(200, "0123456789");
    app.get("/none.txt").await.is(200, "route");
    app.post("/exact", "").await.is(200, "posted");
    app.post("/text.txt", "").await.is(200, "posted");
    let app = project().file("app/exact/route.ts", ROUTE).file("public/only.txt", "file").start().await;
    for method in [Method::POST, Method::DELETE, Method::OPTIONS] {
        let answer = app.send(method.clone(), "/only.txt", &[], "body").await;
        assert_eq!((answer.status.as_u16(), answer.code()), (405, "METHOD_NOT_ALLOWED"), "{method}");
        assert!(answer.header("allow").expect("methods").contains("GET, HEAD"), "{answer:?}");
    }
    assert_eq!(app.get("/only.txt/").await.status.as_u16(), 308);
    assert_eq!(app.get("/ONLY.txt").await.status, StatusCode::NOT_FOUND);
    app.get("/only.txt").await.is(200, "file");
}

#[tokio::test]
async fn nothing_but_what_is_there_is_served() {
    let project = project()
        .file("app/route.ts", ROUTE)
        .file("public/a.txt", "file")
        .file("public/.env", "SECRET=1")
        .file("public/.git/config", "secret")
        .file("shared/logo.svg", "logo")
        .file(".env", "SECRET=1")
        .file("edgehost.toml", "");
    let outside = tempfile::tempdir().expect("a folder");
    std::fs::write(outside.path().join("secret.txt"), "secret").expect("written");
    let public = project.path().join("public");
    symlink(outside.path(), public.join("out")).expect("linked");
    symlink(outside.path().join("secret.txt"), public.join("out.txt")).expect("linked");
    symlink("../shared", public.join("shared")).expect("linked");
    let app = project.start().await;
    app.get("/shared/logo.svg").await.is(200, "logo");
    for path in [
        "/out/secret.txt",
        "/out.txt",
        "/.env",
        "/.git/config",
        "/../.env",
        "/%2e%2e/.env",
        "/..%2f.env",
        "/..%2F..%2Fetc%2Fpasswd",
        "/a.txt%00",
        "/a.txt/x",
        "/%ff",
        "/public/a.txt",
        "/edgehost.toml",
        "/shared",
    ] {
        let mut wire = app.connect().await;
        wire.write(format!("GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")).await;
        let answer = wire.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 404") || answer.starts_with("HTTP/1.1 400"), "{path}: {answer}");
        assert!(!answer.contains("ecret") && !answer.contains("SECRET"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn what_becomes_of_a_file_while_it_is_served() {
    let project =
        files().file("public/gone.txt", "gone").file("public/pipe.txt", "p").file("public/link.txt", "l");
    let public = project.path().join("public");
    let secret = project.path().join("secret.txt");
    std::fs::write(&secret, "secret").expect("written");
    let app = project.start().await;
    let before = app.get("/text.txt").await;
    std::fs::write(public.join("text.txt"), "changed").expect("written");
    let after = app.get("/text.txt").await;
    after.is(200, "changed");
    assert_ne!(before.header("etag"), after.header("etag"));
    std::fs::remove_file(public.join("gone.txt")).expect("removed");
    app.get("/gone.txt").await.is(200, "route");
    std::fs::remove_file(public.join("link.txt")).expect("removed");
    symlink(&secret, public.join("link.txt")).expect("linked");
    app.get("/link.txt").await.is(200, "route");
    std::fs::remove_file(public.join("pipe.txt")).expect("removed");
    let made = std::process::Command::new("mkfifo").arg(public.join("pipe.txt")).status().expect("started");
    assert!(made.success());
    app.get("/pipe.txt").await.is(200, "route");
    // New ones are known to the next version.
    std::fs::write(public.join("new.txt"), "new").expect("written");
    app.get("/new.txt").await.is(200, "route");
    let dir = app.dir.as_ref().expect("its folder").path();
    app.host.apps()[0].replace(edgehost::App::from_dir(dir)).await.expect("replaced");
    app.get("/new.txt").await.is(200, "new");
}

#[tokio::test]
async fn large_files_come_whole_and_no_faster_than_they_are_read() {
    let large: Vec<u8> = (0..12_000_000_u32).map(|n| (n % 251) as u8).collect();
    let app = files().file("public/large.bin", &large).start().await;
    let answer = app.get("/large.bin").await;
    assert_eq!(answer.header("content-length"), Some("12000000"));
    assert!(answer.body == large, "it came as it is");
    // Clients that do not read, and others that leave, hold up nobody.
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let mut wire = app.connect().await;
        wire.write("GET /large.bin HTTP/1.1\r\nhost: h\r\n\r\n").await;
        wire.read_until("\r\n\r\n").await;
        waiting.push(wire);
    }
    waiting.truncate(10);
    app.get("/text.txt").await.is(200, "0123456789");
    let answer = ask(&app, "/large.bin", &[("range", "bytes=11999990-")]).await;
    assert_eq!(answer.body, large[11_999_990..]);
}
