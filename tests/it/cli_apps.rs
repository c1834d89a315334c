//! `edgehost serve` with several apps, and new versions at SIGHUP.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::cli::{Served, run, stderr, stdout};
use super::harness::{Project, program, project};

fn tells(what: &str) -> String {
    format!(
        "export const GET = () => new Response(`{what} ${{process.env.SECRET ?? 'without'}} ${{process.env.OF_PROCESS ?? 'apart'}}`);"
    )
}

fn body(answer: &str) -> &str {
    answer.split("\r\n\r\n").nth(1).unwrap_or_default()
}

fn at(served: &Served, host: &str) -> String {
    served.ask(&format!("GET / HTTP/1.1\r\nhost: {host}\r\n"))
}

/// Waits until an answer ends like this.
fn becomes(served: &Served, host: &str, expected: &str) {
    let until = std::time::Instant::now() + Duration::from_secs(30);
    loop {
        let answer = at(served, host);
        if body(&answer) == expected {
            return;
        }
        assert!(std::time::Instant::now() < until, "never '{expected}': {answer}\n{}", served.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn several_folders_are_several_apps() {
    let parent = project()
        .file("Shop Nr.1/app/route.ts", tells("shop"))
        .file("Shop Nr.1/.env", "SECRET=of the shop")
        .file("blog/app/route.ts", tells("blog"))
        .file(
            "blog/edgehost.toml",
            "name = \"journal\"\nhosts = [\"blog.example\", \"*.blog.example\"]\ndefault = true",
        );
    let mut command = Command::new(program());
    command.current_dir(parent.path()).args(["serve", "Shop Nr.1", "blog", "--port", "0"]);
    command.env("OF_PROCESS", "seen").stdout(Stdio::piped()).stderr(Stdio::piped());
    let served = Served::launch(command);
    assert_eq!(body(&at(&served, "shop-nr-1.localhost")), "shop of the shop apart");
    for host in ["blog.example", "x.blog.example", "anything.else"] {
        assert_eq!(body(&at(&served, host)), "blog without apart", "{host}");
    }
    let banner = served.banner.join("\n");
    for said in ["shop-nr-1 shop-nr-1.localhost", "journal blog.example *.blog.example", "2 apps on "] {
        assert!(banner.contains(said), "{said}: {banner}");
    }
    let log = served.log();
    assert!(log.contains(r#""app":"journal""#) || log.contains(" journal GET"), "{log}");
    let folder = |name: &str| parent.path().join(name).display().to_string();
    let routes = run(&["routes", &folder("blog"), &folder("Shop Nr.1")]);
    let shown = stdout(&routes);
    assert!(
        shown.contains("journal")
            && shown.contains("shop-nr-1")
            && shown.matches("app/route.ts").count() == 2,
        "{shown}"
    );
}

fn two_apps() -> Project {
    project()
        .file("one/app/route.ts", tells("one"))
        .file("two/app/route.ts", tells("two"))
        .file("two/app/loop/route.ts", "export const GET = () => { for (;;); };")
        .file("secrets/one.env", "SECRET=kept\n")
        .file(
            "edgehost.toml",
            "limit-cpu = \"5s\"\n[[app]]\nname = \"one\"\ndir = \"one\"\nhosts = [\"one.example\"]\nenv-file = \"secrets/one.env\"\n\
             [[app]]\nname = \"two\"\ndir = \"two\"\nhosts = [\"two.example\"]\nlimit-cpu = \"200ms\"\nport = 0\n",
        )
}

#[test]
fn apps_are_tables_of_the_file() {
    let project = two_apps();
    let served = Served::start(&project.path(), &["--no-access-log"], |_| {});
    // The first line is that of the app with a port of its own.
    assert!(served.banner.last().expect("a line").contains(" for two"), "{:?}", served.banner);
    assert_eq!(body(&at(&served, "whatever")), "two without apart");
    let began = std::time::Instant::now();
    let answer = served.ask("GET /loop HTTP/1.1\r\nhost: h\r\n");
    assert!(answer.contains("CPU_LIMIT") && began.elapsed() < Duration::from_secs(4), "{answer}");
}

#[test]
fn files_that_cannot_be_meant_are_refused() {
    for (file, problem) in [
        ("[[app]]\nname = \"x\"", "has no `dir`"),
        ("[[app]]\ndir = \"one\"\nhost = \"::\"", "`host` is the server's"),
        ("[[app]]\ndir = \"one\"\nhots = [\"a\"]", "did you mean `hosts`?"),
        ("[[app]]\ndir = \"one\"\n[[app]]\ndir = \"one\"", "there is an app called one already"),
        ("[[app]]\ndir = \"one\"\nhosts = [\"a:80\"]", "'a:80' is no host name"),
        ("[[app]]\ndir = \"none\"", "none"),
    ] {
        let project = two_apps().file("edgehost.toml", file);
        let output = run(&["serve", &project.path().display().to_string(), "--port", "0"]);
        assert_eq!(output.status.code(), Some(2), "{file}: {}", stderr(&output));
        assert!(stderr(&output).contains(problem), "{file}: {}", stderr(&output));
    }
}

#[test]
fn hangup_reads_all_again() {
    let project = project().file("app/route.ts", tells("first"));
    let served = Served::start(&project.path(), &["--no-access-log"], |_| {});
    assert!(body(&served.get("/")).starts_with("first"));
    let project = project.file("app/route.ts", tells("second")).file(".env", "SECRET=new");
    served.signal("HUP");
    becomes(&served, "h", "second new apart");
    // What breaks a route that is served takes no effect.
    let project = project.file("app/route.ts", "export const GET = () => {");
    served.signal("HUP");
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while !served.log().contains("the app goes on as it was") {
        assert!(std::time::Instant::now() < until, "{}", served.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(served.log().contains("app/route.ts:1:27"), "{}", served.log());
    assert_eq!(body(&served.get("/")), "second new apart");
    // Settings are read again as well.
    let _project = project
        .file("app/route.ts", "export const GET = () => { for (;;); };")
        .file("edgehost.toml", "limit-cpu = \"150ms\"");
    served.signal("HUP");
    let began = std::time::Instant::now();
    while !served.get("/").contains("CPU_LIMIT") {
        assert!(began.elapsed() < Duration::from_secs(30), "{}", served.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn hangup_brings_apps_and_takes_them_away() {
    let project = project()
        .file("one/app/route.ts", tells("one"))
        .file("two/app/route.ts", tells("two"))
        .file("edgehost.toml", "[[app]]\ndir = \"one\"\nhosts = [\"one.example\"]");
    let served = Served::start(&project.path(), &["--no-access-log"], |_| {});
    becomes(&served, "one.example", "one without apart");
    assert!(at(&served, "two.example").contains("UNKNOWN_HOST"));
    let project = project.file(
        "edgehost.toml",
        "[[app]]\ndir = \"one\"\nhosts = [\"eins.example\"]\n[[app]]\ndir = \"two\"\nhosts = [\"two.example\"]",
    );
    served.signal("HUP");
    becomes(&served, "two.example", "two without apart");
    becomes(&served, "eins.example", "one without apart");
    assert!(at(&served, "one.example").contains("UNKNOWN_HOST"));
    let _project = project.file("edgehost.toml", "[[app]]\ndir = \"two\"\nhosts = [\"two.example\"]");
    served.signal("HUP");
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while !at(&served, "eins.example").contains("UNKNOWN_HOST") {
        assert!(std::time::Instant::now() < until, "{}", served.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(body(&at(&served, "two.example")), "two without apart");
}

/// A project with state of several kinds, of one file and of two.
fn with_state() -> Project {
    project()
        .file("lib/store.ts", "export const items: string[] = [];\n\nexport let count = 0;\nexport const up = () => { count++; };\n")
        .file("lib/fixed.ts", "export const table = new Map<string, number>();\n['a', 'b'].forEach((key, at) => table.set(key, at));\n")
        .file("node_modules/kept/index.js", "let calls = 0;\nexport const call = () => ++calls;\n")
        .file("node_modules/kept/package.json", r#"{ "name": "kept", "version": "1.0.0", "type": "module", "exports": "./index.js" }"#)
        .file("tsconfig.json", r#"{ "compilerOptions": { "baseUrl": ".", "paths": { "@/*": ["./*"] } } }"#)
        .file("app/route.ts", "import { items, up } from '@/lib/store';\nimport { table } from '@/lib/fixed';\nimport { call } from 'kept';\nexport const GET = () => { items.push('a'); up(); return Response.json([items, table.get('a'), call()]); };")
        .file("app/edge/route.ts", "import { up } from '@/lib/store';\nexport const runtime = 'edge';\nconst seen = new Set();\nexport const GET = (r: Request) => { seen.add(r.url); up(); return new Response(); };")
}

const STATE: &str = "do not share what handlers change in modules: `seen` (app/edge/route.ts:3), `items` (lib/store.ts:1), `count` (lib/store.ts:3). ";

#[test]
fn apps_with_several_instances_hear_of_state_in_modules() {
    let project = with_state();
    // Bundled, then as it was kept.
    for _ in 0..2 {
        let served = Served::start(&project.path(), &["--instances", "2"], |_| {});
        let log = served.log();
        assert!(log.contains(&format!("warning: 2 instances {STATE}")), "{log}");
        assert_eq!(log.matches("do not share").count(), 1, "{log}");
    }
    let served = Served::start(&project.path(), &[], |_| {});
    assert!(!served.log().contains("do not share"), "{}", served.log());
}

#[test]
fn each_of_several_apps_hears_of_its_own() {
    let counts = "let hits = 0;\nexport const GET = () => new Response(String(++hits));";
    let parent = project()
        .file("one/app/route.ts", counts)
        .file("two/app/route.ts", counts)
        .file("edgehost.toml", "[[app]]\ndir = \"one\"\n[[app]]\ndir = \"two\"\ninstances = 2\n");
    let served = Served::start(&parent.path(), &["--shards", "2"], |_| {});
    let log = served.log();
    assert_eq!(log.matches("2 instances do not share").count(), 1, "{log}");
}

#[test]
fn a_long_list_is_cut() {
    let many: String = (0..40).map(|n| format!("let v{n} = 0;\n")).collect();
    let changes: String = (0..40).map(|n| format!("v{n}++; ")).collect();
    let route = format!("{many}export const GET = () => {{ {changes} return new Response(); }};");
    let project = project().file("app/route.ts", route);
    let served = Served::start(&project.path(), &["--instances", "2"], |_| {});
    let log = served.log();
    let line = log.lines().find(|line| line.contains("do not share")).expect("a hint");
    assert!(line.contains("`v4` (app/route.ts:5) and 35 more"), "{line}");
    // As edgehost.toml has it, and after a reload.
    let project = project.file("edgehost.toml", "instances = 2");
    let served = Served::start(&project.path(), &[], |_| {});
    assert!(served.log().contains("do not share"), "{}", served.log());
    served.signal("HUP");
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while served.log().matches("do not share").count() < 2 {
        assert!(std::time::Instant::now() < until, "{}", served.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Counts, and says how often it was asked.
fn counts(what: &str) -> String {
    format!("let count = 0; export const GET = () => new Response(`{what} ${{++count}}`);")
}

/// Waits until the log of a server says something so often.
fn says(served: &Served, what: &str, times: usize) {
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while served.log().matches(what).count() < times {
        assert!(std::time::Instant::now() < until, "never '{what}': {}", served.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn counting() -> Project {
    project()
        .file("one/app/route.ts", counts("one"))
        .file("two/app/route.ts", counts("two"))
        .file("one.env", "SECRET=first")
        .file("edgehost.toml", ONE_AND_TWO)
}

const ONE_AND_TWO: &str = "[[app]]\ndir = \"one\"\nhosts = [\"one.example\"]\nenv-file = \"one.env\"\n\
                           [[app]]\ndir = \"two\"\nhosts = [\"two.example\"]\n";

#[test]
fn hangup_leaves_alone_what_has_not_changed() {
    let project = counting();
    let served = Served::start(&project.path(), &["--shards", "2", "--no-access-log"], |_| {});
    for host in ["one", "two"] {
        assert_eq!(body(&at(&served, &format!("{host}.example"))), format!("{host} 1"));
    }
    // Nothing has changed, and then what no module has to do with.
    served.signal("HUP");
    says(&served, "one is unchanged", 1);
    let project = project.file("one/README.md", "new");
    served.signal("HUP");
    says(&served, "two is unchanged", 2);
    // One of the two has: its code, its variables, a limit, how many instances it has.
    let project = project.file("two/app/route.ts", counts("new"));
    served.signal("HUP");
    says(&served, "two has a new version", 1);
    says(&served, "one is unchanged", 3);
    assert_eq!(body(&at(&served, "one.example")), "one 2", "its module remembers");
    assert_eq!(body(&at(&served, "two.example")), "new 1");
    let changes = [
        ("one.env", "SECRET=second".to_owned()),
        ("edgehost.toml", ONE_AND_TWO.replacen("env-file", "limit-cpu = \"7s\"\nenv-file", 1)),
        ("edgehost.toml", ONE_AND_TWO.replacen("env-file", "instances = 2\nenv-file", 1)),
    ];
    let mut project = project;
    for (times, (file, content)) in (1..).zip(changes) {
        project = project.file(file, content);
        served.signal("HUP");
        says(&served, "one has a new version", times);
        assert_eq!(body(&at(&served, "one.example")), "one 1", "{file}");
        says(&served, "two is unchanged", 2 + times);
    }
    // Two instances count for themselves.
    let mut seen = std::collections::HashSet::from(["one 1".to_owned()]);
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while seen.insert(body(&at(&served, "one.example")).to_owned()) {
        assert!(std::time::Instant::now() < until, "{seen:?}");
    }
    // Files of public/ are part of a version.
    let project = project.file("two/public/new.txt", "shown");
    served.signal("HUP");
    says(&served, "two has a new version", 2);
    assert_eq!(body(&served.ask("GET /new.txt HTTP/1.1\r\nhost: two.example\r\n")), "shown");
    assert_eq!(body(&at(&served, "two.example")), "new 1");
    // Other hosts are no other version.
    let _project = project.file("edgehost.toml", ONE_AND_TWO.replace("two.example", "zwei.example"));
    served.signal("HUP");
    says(&served, "two has other hosts", 1);
    assert_eq!(body(&at(&served, "zwei.example")), "new 2");
    assert!(at(&served, "two.example").contains("UNKNOWN_HOST"));
}

#[test]
fn hangup_changes_nothing_where_the_file_is_wrong() {
    let project = counting();
    let served = Served::start(&project.path(), &["--no-access-log"], |_| {});
    assert_eq!(body(&at(&served, "one.example")), "one 1");
    let mut project = project.file("one/app/route.ts", counts("new"));
    let wrong = [
        ("[[app]\n".to_owned(), "expected"),
        (ONE_AND_TWO.replace("hosts", "hots"), "did you mean `hosts`?"),
        (ONE_AND_TWO.replace("two.example", "One.example"), "two apps want one.example: one and two"),
        (ONE_AND_TWO.replace("\"two\"", "\"one\""), "there is an app called one already"),
        (ONE_AND_TWO.replace("two.example", "http://x"), "'http://x' is no host name"),
        (format!("{ONE_AND_TWO}limit-cpu = \"0s\""), "--limit-cpu"),
        (format!("{ONE_AND_TWO}limit-grace = \"1s\""), "`limit-grace` is the server's"),
    ];
    for (times, (file, reason)) in (1..).zip(wrong) {
        project = project.file("edgehost.toml", &file);
        served.signal("HUP");
        says(&served, "nothing is changed: ", times);
        assert!(served.log().contains(reason), "{file}: {}", served.log());
        assert_eq!(body(&at(&served, "one.example")), format!("one {}", times + 1));
        assert!(body(&at(&served, "two.example")).starts_with("two "));
    }
    let _project = project.file("edgehost.toml", format!("limit-grace = \"9s\"\n{ONE_AND_TWO}"));
    served.signal("HUP");
    says(&served, "limit-grace changed, which takes effect when the server is started anew", 1);
    assert_eq!(body(&at(&served, "one.example")), "new 1");
}

#[test]
fn an_app_that_is_refused_at_hangup_holds_up_no_other() {
    let project = counting();
    let served = Served::start(&project.path(), &["--no-access-log"], |_| {});
    for host in ["one", "two"] {
        assert_eq!(body(&at(&served, &format!("{host}.example"))), format!("{host} 1"));
    }
    let mut project = project;
    let refused = [
        ("export const GET = () => {", "Expected `}`"),
        ("throw new Error('no database'); export const GET = () => new Response('x');", "no database"),
        ("import 'nowhere'; export const GET = () => new Response('x');", "nowhere"),
    ];
    for (times, (source, reason)) in (1..).zip(refused) {
        project =
            project.file("one/app/route.ts", source).file("two/app/route.ts", counts(&format!("two{times}")));
        served.signal("HUP");
        says(&served, "one goes on as it was: ", times);
        says(&served, "two has a new version", times);
        assert!(served.log().contains(reason), "{}", served.log());
        assert_eq!(body(&at(&served, "one.example")), format!("one {}", times + 1));
        assert_eq!(body(&at(&served, "two.example")), format!("two{times} 1"));
    }
    // Its variables cannot be read; an app that is new and broken altogether is not served.
    let more = format!("{ONE_AND_TWO}[[app]]\ndir = \"three\"\n").replace("one.env", "gone.env");
    let _project = project
        .file("one/app/route.ts", counts("whole"))
        .file("two/app/route.ts", counts("last"))
        .file("three/app/route.ts", "export const GET = () => {")
        .file("edgehost.toml", more);
    served.signal("HUP");
    says(&served, "three is not served: ", 1);
    assert!(served.log().contains("gone.env"), "{}", served.log());
    assert_eq!(body(&at(&served, "one.example")), "one 5");
    assert_eq!(body(&at(&served, "two.example")), "last 1");
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").port()
}

/// Asks at a port; none where nobody listens.
fn at_port(port: u16) -> Option<String> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    write!(stream, "GET / HTTP/1.1\r\nhost: whatever\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(body(&answer).to_owned()).filter(|body| !body.is_empty())
}

fn becomes_at(served: &Served, port: u16, expected: Option<&str>) {
    let until = std::time::Instant::now() + Duration::from_secs(30);
    loop {
        let answer = at_port(port);
        if answer.as_deref().map(|answer| answer.split(' ').next().unwrap_or_default()) == expected {
            return;
        }
        assert!(std::time::Instant::now() < until, "never {expected:?}: {answer:?}\n{}", served.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn hangup_moves_listeners() {
    let (shared, first, second) = (free_port(), free_port(), free_port());
    let tables = |top: &str, one: &str, two: &str| {
        format!("{top}[[app]]\ndir = \"one\"\n{one}\n[[app]]\ndir = \"two\"\ndefault = true\n{two}\n")
    };
    let port = |port: u16| format!("port = {port}\n");
    let project = counting().file("edgehost.toml", tables(&port(shared), &port(first), ""));
    let mut command = Command::new(program());
    command
        .arg("serve")
        .arg(project.path())
        .arg("--no-access-log")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut served = Served::launch(command);
    becomes_at(&served, first, Some("one"));
    becomes_at(&served, shared, Some("two"));
    // An app goes to another port, and then to one that was somebody else's.
    let project = project.file("edgehost.toml", tables(&port(shared), &port(second), ""));
    served.signal("HUP");
    becomes_at(&served, second, Some("one"));
    becomes_at(&served, first, None);
    becomes_at(&served, shared, Some("two"));
    let project = project.file("edgehost.toml", tables("", &port(second), &port(shared)));
    served.signal("HUP");
    says(&served, "no longer listening on 127.0.0.1", 1);
    becomes_at(&served, shared, Some("two"));
    // One that is taken leaves things as they are.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let busy = taken.local_addr().expect("bound").port();
    let project = project.file("edgehost.toml", tables("", &port(busy), &port(shared)));
    served.signal("HUP");
    says(&served, "listeners stay as they were: cannot listen on", 1);
    becomes_at(&served, second, Some("one"));
    // Back to one address for both.
    let _project = project.file("edgehost.toml", tables(&port(first), "hosts = [\"one.example\"]", ""));
    served.signal("HUP");
    becomes_at(&served, first, Some("two"));
    becomes_at(&served, second, None);
    becomes_at(&served, shared, None);
    served.signal("TERM");
    assert_eq!(served.exit_code(), Some(0), "{}", served.log());
}

#[test]
fn hangup_makes_several_apps_of_one() {
    let project = project().file("app/route.ts", counts("alone")).file("more/app/route.ts", counts("more"));
    let served = Served::start(&project.path(), &["--no-access-log"], |_| {});
    assert_eq!(body(&at(&served, "any")), "alone 1");
    let project = project.file(
        "edgehost.toml",
        "[[app]]\ndir = \".\"\nname = \"root\"\ndefault = true\n[[app]]\ndir = \"more\"\nhosts = [\"more.example\"]",
    );
    served.signal("HUP");
    says(&served, "root is new", 1);
    assert_eq!(body(&at(&served, "more.example")), "more 1");
    assert_eq!(body(&at(&served, "any")), "alone 1");
    let _project = project.file("edgehost.toml", "");
    served.signal("HUP");
    says(&served, "the app is new", 1);
    assert_eq!(body(&at(&served, "more.example")), "alone 1");
}
