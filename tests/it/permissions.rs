//! What user code may reach: profiles, what refines them, and ways around them.

use edgehost::{Permissions, Profile};
use serde_json::{Value, json};

use super::harness::{App, Project, project};

/// A route that runs the body of an async function and tells how it ended.
fn attempts(project: Project) -> Project {
    project.file(
        "app/route.ts",
        "import fs from 'node:fs';
        import net from 'node:net';
        import http from 'node:http';
        import dns from 'node:dns';
        import os from 'node:os';
        import { pathToFileURL } from 'node:url';
        import { execFile, execFileSync, execSync } from 'node:child_process';
        import { DatabaseSync } from 'node:sqlite';
        const names = { fs, net, http, dns, os, pathToFileURL, execFile, execFileSync, execSync, DatabaseSync };
        const connect = (port, host) => new Promise((resolve, reject) => { const socket = net.connect(port, host, () => { socket.destroy(); resolve('connected'); }); socket.on('error', reject); });
        export async function POST(request) {
            const code = await request.text();
            try {
                const run = new Function('connect', ...Object.keys(names), `return (async () => { ${code} })()`);
                return Response.json({ value: (await run(connect, ...Object.values(names))) ?? null });
            } catch (error) {
                return Response.json({ code: error.code ?? error.cause?.code ?? null, message: error.message + (error.cause ? ' ' + error.cause.message : '') });
            }
        }",
    )
}

struct Tried(App);

impl Tried {
    async fn run(&self, code: &str) -> Value {
        self.0.post("/", code).await.json()
    }

    #[track_caller]
    fn allowed(code: &str, answer: &Value) {
        assert!(answer.get("value").is_some(), "{code}: {answer}");
    }

    async fn allows(&self, code: &str) {
        let answer = self.run(code).await;
        Self::allowed(code, &answer);
    }

    /// Refused, with a message that has these parts.
    async fn refuses(&self, code: &str, parts: &[&str]) {
        let answer = self.run(code).await;
        let message = answer["message"].as_str().unwrap_or_else(|| panic!("{code} went through: {answer}"));
        assert_eq!(answer["code"], "ERR_ACCESS_DENIED", "{code}: {answer}");
        for part in parts {
            assert!(message.contains(part), "{code}: {part} is not in: {message}");
        }
    }
}

/// What permissions name stays where it is, and no file operation goes around them.
#[tokio::test]
async fn places_that_permissions_name_stay_where_they_are() {
    let project = attempts(project()).file("secret/key.txt", "key").file("kept/data.txt", "x").permissions(
        Profile::Project,
        |permissions| {
            permissions.deny_read = Some(vec!["secret/key.txt".into()]);
        },
    );
    // A link that dangles leads to where a file would be made.
    std::os::unix::fs::symlink("/etc/edgehost-not-there", project.path().join("dangling")).expect("linked");
    let app = Tried(project.start().await);
    for name in ["secret", ".", "./kept/../secret", "secret/key.txt"] {
        let answer = app.run(&format!("fs.renameSync({name:?}, os.tmpdir() + '/moved')")).await;
        let code = answer["code"].as_str();
        assert!(matches!(code, Some("EACCES" | "ERR_ACCESS_DENIED")), "{name}: {answer}");
        let answer = app.run(&format!("await fs.promises.rename({name:?}, os.tmpdir() + '/moved')")).await;
        let code = answer["code"].as_str();
        assert!(matches!(code, Some("EACCES" | "ERR_ACCESS_DENIED")), "{name}: {answer}");
    }
    app.allows(
        "fs.renameSync('kept', 'other'); if (!fs.existsSync('other/data.txt')) throw new Error('lost')",
    )
    .await;
    app.refuses("fs.writeFileSync('dangling', 'x')", &["/etc/edgehost-not-there"]).await;
    let answer = app
        .run("const { WASI } = process.getBuiltinModule('wasi'); new WASI({ version: 'preview1', preopens: { '/': '.' } })")
        .await;
    assert_eq!(answer["code"], "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM", "{answer}");
    let answer = app.run("await connect('\\0abstract')").await;
    assert_eq!(answer["code"], "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM", "{answer}");
    app.allows("if (fs.readFileSync('/dev/null').length) throw new Error('not empty'); fs.writeFileSync('/dev/null', 'x')").await;
}

/// A file outside of the project and of the temporary folder, which is readable.
const OUTSIDE: &str = "/etc/passwd";

#[tokio::test]
async fn the_project_and_the_temporary_folder_by_default() {
    let app = Tried(attempts(project()).file("data/in.txt", "inside").start().await);
    app.allows("return fs.readFileSync('data/in.txt', 'utf8')").await;
    app.allows("return (await fs.promises.readFile('./data/../data/in.txt')).length").await;
    app.allows("fs.writeFileSync('data/out.txt', 'x'); fs.mkdirSync('made/deep', { recursive: true }); fs.rmSync('made', { recursive: true })").await;
    app.allows(
        "const f = os.tmpdir() + '/edgehost-' + process.pid; fs.writeFileSync(f, 'x'); fs.unlinkSync(f)",
    )
    .await;
    app.allows("return fs.readFileSync('/etc/hosts').length").await;
    app.allows("return [os.hostname(), os.cpus().length, os.tmpdir()]").await;
    app.allows("const db = new DatabaseSync('data/x.db'); db.exec('create table t(a)'); db.close()").await;
    let read = [
        "read access to \"/etc/passwd\" is refused",
        "profile 'project'",
        "--allow-read=/etc/passwd would allow it",
    ];
    for code in [
        "fs.readFileSync('/etc/passwd')",
        "await fs.promises.readFile('/etc/passwd')",
        "await new Promise((resolve, reject) => fs.readFile('/etc/passwd', (error) => error ? reject(error) : resolve()))",
        "await new Promise((resolve, reject) => fs.createReadStream('/etc/passwd').on('error', reject).on('close', resolve).resume())",
        "fs.statSync('/etc/passwd')",
        "fs.copyFileSync('/etc/passwd', 'data/copy')",
        "fs.openSync('/etc/passwd', 'r')",
        "fs.readFileSync(pathToFileURL('/etc/passwd'))",
        "fs.readFileSync(new URL('file:///etc/./passwd'))",
        "fs.readFileSync('/' + process.cwd().split('/').map(() => '..').join('/') + '/etc/passwd')",
    ] {
        app.refuses(code, &read).await;
    }
    app.refuses("fs.readFileSync('/etc/ssl/private/key.pem')", &["/etc/ssl/private/key.pem"]).await;
    app.refuses(
        "fs.writeFileSync('/usr/x', 'x')",
        &["write access to \"/usr/x\" is refused", "--allow-write=/usr/x"],
    )
    .await;
    app.refuses("fs.renameSync('data/in.txt', '/usr/in.txt')", &["/usr/in.txt"]).await;
    app.refuses("new DatabaseSync('/var/x.db')", &["/var/x.db"]).await;
    app.refuses(
        "fs.readFileSync('/proc/self/environ')",
        &["/proc/self/environ", "no permission profile allows it"],
    )
    .await;
    app.refuses("fs.readFileSync('.edgehost/draft-secret')", &["it belongs to the host"]).await;
    app.refuses("fs.writeFileSync('edgehost.toml', 'permissions = \"off\"')", &["it belongs to the host"])
        .await;
    let answer = app.run("execSync('ls')").await;
    assert!(answer["message"].as_str().expect("a message").contains("`--allow-run=PROGRAM`"), "{answer}");
    assert_eq!(app.run("return fs.existsSync('/etc/passwd')").await, json!({ "value": false }));
}

/// What packages look around for is not there, so that they go on as they mean to.
#[tokio::test]
async fn what_packages_look_around_for_is_not_there() {
    let project = attempts(project()).file("data/in.txt", "inside");
    std::os::unix::fs::symlink("/usr/lib", project.path().join("link")).expect("linked");
    let app = Tried(project.start().await);
    for code in [
        "await fs.promises.readdir('/lib64')",
        "fs.readdirSync('/usr/lib/x86_64-linux-gnu')",
        "await new Promise((resolve, reject) => fs.readdir('/usr/local/lib', (error) => error ? reject(error) : resolve()))",
        "await fs.promises.stat('/usr/bin/ldd')",
        "fs.statSync('/lib')",
        "fs.lstatSync('/lib')",
        "await fs.promises.lstat('/lib64')",
        "fs.accessSync('/lib64')",
        "await fs.promises.access('/sbin/apk')",
        "fs.opendirSync('/usr/lib64')",
        "fs.realpathSync('/lib64')",
        "await fs.promises.realpath('/lib64')",
        "fs.readlinkSync('/lib64')",
        "fs.openSync('/usr/lib/os-release', 'r')",
        "await fs.promises.readFile('/etc/os-release')",
        "fs.readFileSync('/etc/alpine-release', 'utf8')",
        "fs.readFileSync('/proc/self/cgroup', 'utf8')",
        "fs.readFileSync('/proc/version')",
        "fs.readFileSync('/sys/fs/cgroup/memory.max')",
        "fs.readFileSync('/usr/../lib64/libc.so.6')",
        "fs.readdirSync('link')",
        "await new Promise((resolve, reject) => fs.createReadStream('/.dockerenv').on('error', reject).on('close', resolve).resume())",
    ] {
        let answer = app.run(code).await;
        let message = answer["message"].as_str().unwrap_or_else(|| panic!("{code} went through: {answer}"));
        assert_eq!(answer["code"], "ENOENT", "{code}: {answer}");
        assert!(message.starts_with("ENOENT: no such file or directory"), "{code}: {message}");
    }
    let seen = app
        .run("return [fs.existsSync('/lib64'), fs.statSync('/usr/lib', { throwIfNoEntry: false }) ?? null, await new Promise((r) => fs.exists('/proc/version', r))]")
        .await;
    assert_eq!(seen, json!({ "value": [false, null, false] }));
    app.refuses("fs.writeFileSync('/usr/lib/x', 'x')", &["write access to \"/usr/lib/x\" is refused"]).await;
    app.refuses("fs.readdirSync('/usr/share')", &["--allow-read=/usr/share would allow it"]).await;
    app.refuses("fs.readFileSync('/proc/self/environ')", &["it belongs to the system"]).await;
}

/// Lists come before that.
#[tokio::test]
async fn lists_name_what_would_not_be_there() {
    let list = |paths: &[&str]| Some(paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>());
    let app = Tried(
        attempts(project())
            .permissions(Profile::Strict, |permissions| {
                permissions.allow_read = list(&["/usr/lib", "/usr/bin/env"]);
                permissions.deny_read = list(&["/lib64"]);
            })
            .start()
            .await,
    );
    app.allows("return fs.readdirSync('/usr/lib').length").await;
    app.allows("return fs.statSync('/usr/bin/env').size").await;
    app.refuses("fs.readdirSync('/lib64')", &["--deny-read names it"]).await;
    app.refuses("fs.readdirSync('/usr/bin')", &["--allow-read=/usr/bin would allow it"]).await;
    assert_eq!(app.run("fs.readdirSync('/usr/sbin')").await["code"], "ENOENT");
    let everything = Tried(
        attempts(project())
            .permissions(Profile::Project, |permissions| permissions.allow_read = list(&[]))
            .start()
            .await,
    );
    everything.allows("return fs.readdirSync('/usr/bin').length").await;
}

#[tokio::test]
async fn symbolic_links_lead_nowhere_else() {
    let project = attempts(project()).file("data/in.txt", "inside");
    let root = project.path();
    let link =
        |target: &str, name: &str| std::os::unix::fs::symlink(target, root.join(name)).expect("linked");
    link("/etc", "folder");
    link(OUTSIDE, "file");
    link("data/in.txt", "inner");
    link("/etc/hosts", "hosts");
    link("folder", "twice");
    let app = Tried(project.start().await);
    assert_eq!(app.run("return fs.readFileSync('inner', 'utf8')").await, json!({ "value": "inside" }));
    app.allows("return fs.lstatSync('inner').isSymbolicLink() && fs.readlinkSync('inner')").await;
    app.allows("return fs.readFileSync('hosts').length").await;
    for code in [
        "fs.readFileSync('folder/passwd')",
        "fs.readFileSync('file')",
        "fs.readFileSync('twice/passwd')",
        "fs.readdirSync('folder')",
        "fs.statSync('file')",
        "fs.writeFileSync('folder/edgehost-test', 'x')",
        "fs.writeFileSync('hosts', 'x')",
        "fs.rmSync('folder/passwd')",
        "fs.renameSync('folder/hostname', 'data/stolen')",
        "fs.truncateSync('hosts')",
        "fs.cpSync('folder/passwd', 'data/stolen')",
    ] {
        app.refuses(code, &[]).await;
    }
    app.refuses("fs.symlinkSync('/etc', 'made')", &["symbolic link"]).await;
    app.refuses("fs.linkSync('/etc/passwd', 'made')", &[]).await;
    assert!(root.join("hosts").exists() && !root.join("data/stolen").exists());
}

#[tokio::test]
async fn link_local_addresses_are_out_of_reach_by_default_whatever_they_are_called() {
    let port = listener().await;
    let app = Tried(attempts(project()).start().await);
    app.allows(&format!("return await connect({port}, '127.0.0.1')")).await;
    app.allows(&format!("return await connect({port}, 'localhost')")).await;
    let parts = ["is refused", "profile 'project'", "would allow it"];
    for code in [
        "await fetch('http://169.254.169.254/latest/meta-data')",
        "await fetch('http://[fd00:ec2::254]/')",
        "await fetch('http://[fe80::1]/')",
        "await fetch('http://0xa9fea9fe/')",
        "await fetch('http://[::ffff:169.254.169.254]/')",
        "await fetch('http://[::ffff:0:169.254.169.254]/')",
        "await fetch('http://[::169.254.169.254]/')",
        "await fetch('http://[2002:a9fe:a9fe::1]/')",
        "await fetch('http://[64:ff9b:1::a9fe:a9fe]/')",
        "await connect(80, '169.254.169.254')",
        "await connect(80, '::ffff:169.254.169.254')",
        "await new Promise((resolve, reject) => http.get('http://169.254.169.254/').on('error', reject).on('response', resolve))",
        "await new Promise((resolve, reject) => http.get({ host: '100.100.100.200' }).on('error', reject).on('response', resolve))",
    ] {
        app.refuses(code, &parts).await;
    }
}

#[tokio::test]
async fn a_redirect_or_a_name_does_not_lead_to_a_refused_address() {
    // `localhost` is the name that resolves to a refused address.
    let port = listener().await;
    let other = project().file("app/route.ts", "export const GET = () => new Response(null, { status: 302, headers: { location: process.env.TO } });");
    let to = |address: &str| format!("http://{address}:{port}/");
    let redirecting = other.env("TO", &to("127.0.0.1")).start().await;
    let start = redirecting.address.port();
    let app = Tried(
        attempts(project())
            .permissions(Profile::Project, |permissions| {
                permissions.deny_net = Some(vec![format!("127.0.0.1:{port}")]);
            })
            .start()
            .await,
    );
    app.allows(&format!(
        "return (await fetch('http://127.0.0.1:{start}/', {{ redirect: 'manual' }})).status"
    ))
    .await;
    let parts = ["is refused", "--deny-net names it"];
    app.refuses(&format!("await fetch('http://127.0.0.1:{start}/')"), &parts).await;
    app.refuses(&format!("await fetch('http://127.0.0.1:{port}/')"), &parts).await;
    app.refuses(&format!("await fetch('http://localhost:{port}/')"), &["is refused"]).await;
    app.refuses(&format!("await connect({port}, 'localhost')"), &["is refused"]).await;
    app.refuses(&format!("await connect({port}, '127.0.0.1')"), &parts).await;
}

#[tokio::test]
async fn strict_reads_the_project_and_the_public_network_only() {
    let port = listener().await;
    let app = Tried(
        attempts(project())
            .file("data.txt", "x")
            .env("LISTED", "yes")
            .env("SECRET", "no")
            .permissions(Profile::Strict, |permissions| {
                permissions.allow_env = Some(vec!["LISTED".to_owned()])
            })
            .start()
            .await,
    );
    app.allows("return fs.readFileSync('data.txt', 'utf8')").await;
    assert_eq!(
        app.run("return [process.env.LISTED, process.env.SECRET ?? null, process.env.NODE_ENV]").await,
        json!({ "value": ["yes", null, "production"] })
    );
    app.refuses("fs.writeFileSync('data.txt', 'y')", &["lets no file be written", "--allow-write=data.txt"])
        .await;
    app.refuses("fs.readdirSync(os.tmpdir())", &["profile 'strict'"]).await;
    for host in ["127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.1.1", "100.64.0.1"] {
        app.refuses(
            &format!("await connect({port}, '{host}')"),
            &["profile 'strict'", &format!("--allow-net={host}:{port}")],
        )
        .await;
    }
    for host in [
        "localhost",
        "[::1]",
        "[::]",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "2130706433",
        "127.1",
    ] {
        app.refuses(&format!("await fetch('http://{host}:{port}/')"), &["is refused"]).await;
    }
    app.refuses(&format!("await connect({port}, 'localhost')"), &["is refused"]).await;
}

#[tokio::test]
async fn lists_refine_a_profile() {
    let (open, closed) = (listener().await, listener().await);
    let outside = tempfile::tempdir_in("/var/tmp").expect("a folder");
    std::fs::write(outside.path().join("file"), "x").expect("written");
    let place = outside.path().display().to_string();
    let drop = tempfile::tempdir_in("/var/tmp").expect("a folder");
    let dropped = drop.path().display().to_string();
    let project = attempts(project()).file("private/key", "x").file("behind/key", "x");
    std::os::unix::fs::symlink("behind", project.path().join("alias")).expect("linked");
    let app = Tried(
        project
            .permissions(Profile::Strict, |permissions| {
                permissions.allow_net = Some(vec![format!("127.0.0.1:{open}"), format!("localhost:{open}")]);
                permissions.allow_read = Some(vec![place.clone()]);
                permissions.deny_read = Some(vec!["private".to_owned(), "alias".to_owned()]);
                permissions.allow_write = Some(vec!["writable".to_owned(), dropped.clone()]);
                permissions.allow_run = Some(vec!["env".to_owned()]);
                permissions.deny_sys = Some(vec!["hostname".to_owned()]);
            })
            .start()
            .await,
    );
    app.allows(&format!("return await connect({open}, '127.0.0.1')")).await;
    app.allows(&format!("return await connect({open}, 'localhost')")).await;
    app.refuses(&format!("await connect({closed}, '127.0.0.1')"), &["--allow-net does not list it"]).await;
    app.refuses(
        "await fetch('http://example.com')",
        &["--allow-net does not list it", "--allow-net=example.com:80"],
    )
    .await;
    app.allows(&format!("return fs.readFileSync('{place}/file', 'utf8')")).await;
    app.refuses("fs.readFileSync('private/key')", &["--deny-read names it"]).await;
    app.refuses("fs.readFileSync('alias/key')", &["read access"]).await;
    app.refuses("fs.readFileSync('behind/key')", &["read access"]).await;
    // What may be written and not read can be removed all the same.
    app.allows(&format!("fs.writeFileSync('{dropped}/x', 'x'); fs.unlinkSync('{dropped}/x'); fs.writeFileSync('{dropped}/y', 'y'); await fs.promises.unlink('{dropped}/y')")).await;
    app.refuses(&format!("fs.readFileSync('{dropped}/x')"), &["read access"]).await;
    app.allows("fs.mkdirSync('writable'); fs.writeFileSync('writable/x', 'x')").await;
    app.refuses("fs.writeFileSync('elsewhere', 'x')", &["write access"]).await;
    let own = json!({ "value": "NEXT_RUNTIME=nodejs\nNODE_ENV=production\n" });
    for code in [
        "return execFileSync('env').toString().split('\\n').sort().join('\\n').trim() + '\\n'",
        "return await new Promise((resolve, reject) => execFile('env', (error, out) => error ? reject(error) : resolve(out.split('\\n').sort().join('\\n').trim() + '\\n')))",
    ] {
        assert_eq!(app.run(code).await, own, "{code}");
    }
    app.refuses("execFileSync('ls')", &["run access"]).await;
    app.refuses("os.hostname()", &["sys access to \"hostname\""]).await;
}

#[tokio::test]
async fn off_allows_what_node_allows() {
    let port = listener().await;
    let app =
        Tried(attempts(project()).file("data.txt", "x").permissions(Profile::Off, |_| {}).start().await);
    app.allows("return fs.readFileSync('/etc/passwd', 'utf8').length").await;
    app.allows("return fs.readFileSync('data.txt', 'utf8')").await;
    app.allows("fs.symlinkSync('/etc', 'made'); return fs.readlinkSync('made')").await;
    app.allows("return execSync('pwd').toString()").await;
    app.allows(&format!("return await connect({port}, '127.0.0.1')")).await;
}

#[tokio::test]
async fn a_list_that_cannot_be_understood_is_an_error() {
    let project = project()
        .file("app/route.ts", "export const GET = () => new Response();")
        .permissions(Permissions::default(), |permissions| {
            permissions.deny_net = Some(vec!["http://example.com".to_owned()])
        });
    let error = project.builder().build().await.expect_err("refused").to_string();
    assert!(
        error.contains("the permissions cannot be used") && error.contains("http://example.com"),
        "{error}"
    );
}

/// A port of loopback that accepts connections and closes them.
async fn listener() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    port
}

/// `..` after a link leads elsewhere for those who follow the link first. What is checked
/// is what is opened.
#[tokio::test]
async fn a_link_and_dots_lead_to_the_same_place_for_the_check_and_the_use() {
    let outer = tempfile::tempdir().expect("a folder");
    let outside = outer.path().canonicalize().expect("it exists");
    std::fs::write(outside.join("secret.txt"), "outside").expect("written");
    let listener = std::os::unix::net::UnixListener::bind(outside.join("host.sock")).expect("bound");
    listener.set_nonblocking(true).expect("set");
    // A workspace: node_modules/b is a link to its folder, and the project lies in `outside`.
    let within = outside.join("project");
    std::fs::rename(attempts(project()).file("b/index.js", "").dir.keep(), &within).expect("moved");
    std::fs::create_dir_all(within.join("packages/a/node_modules")).expect("made");
    std::os::unix::fs::symlink("../../../b", within.join("packages/a/node_modules/b")).expect("linked");
    let mut permissions = Permissions::from(Profile::Strict);
    permissions.allow_write = Some(vec![".".into()]);
    let builder = edgehost::EdgeHost::builder(&within).permissions(permissions);
    let app = Tried(App::serve(builder.build().await.expect("built"), Some(outer)).await);
    // Followed first, these end in `outside`; without following, in `packages` or `packages/a`.
    let via = "packages/a/node_modules/b/../..";
    for code in [
        format!("return connect('{via}/host.sock')"),
        format!("return connect(process.cwd() + '/{via}/host.sock')"),
        "const here = process.cwd(); process.chdir('packages/a/node_modules/b'); try { return await connect('../../host.sock') } finally { process.chdir(here) }".to_owned(),
        format!(
            "return await new Promise((resolve, reject) => http.get({{ socketPath: '{via}/host.sock', path: '/' }}, resolve).on('error', reject))"
        ),
        format!("return fs.readFileSync('{via}/secret.txt', 'utf8')"),
        format!("return await fs.promises.readFile('{via}/secret.txt', 'utf8')"),
        format!("fs.writeFileSync('{via}/secret.txt', 'changed')"),
        format!("fs.appendFileSync('{via}/secret.txt', 'changed')"),
        format!("fs.copyFileSync('{via}/secret.txt', 'copy'); return fs.readFileSync('copy', 'utf8')"),
        format!("fs.cpSync('{via}/secret.txt', 'copy'); return fs.readFileSync('copy', 'utf8')"),
        format!("await fs.promises.cp('{via}/secret.txt', 'copy'); return fs.readFileSync('copy', 'utf8')"),
        format!("fs.linkSync('{via}/secret.txt', 'copy'); return fs.readFileSync('copy', 'utf8')"),
        format!("fs.renameSync('{via}/secret.txt', 'copy'); return fs.readFileSync('copy', 'utf8')"),
        format!("fs.truncateSync('{via}/secret.txt')"),
        format!("fs.chmodSync('{via}/secret.txt', 0o777)"),
        format!("fs.rmSync('{via}/secret.txt')"),
        format!("fs.unlinkSync('{via}/secret.txt')"),
        format!("return fs.statSync('{via}/secret.txt').size === 7 ? 'outside' : null"),
        format!(
            "return fs.realpathSync('{via}/secret.txt') === process.cwd().replace(/.project$/, '/secret.txt') ? 'outside' : null"
        ),
        format!("return fs.openAsBlob('{via}/secret.txt').then((blob) => blob.text())"),
        format!("return fs.readdirSync('{via}').includes('secret.txt') ? 'outside' : null"),
        format!(
            "return process.getBuiltinModule('module').createRequire(process.cwd() + '/x.js')('./{via}/secret.txt')"
        ),
        format!(
            "new DatabaseSync('{via}/made.db').exec('create table t(a)'); return fs.existsSync(process.cwd() + '/../made.db') || undefined.x"
        ),
        format!(
            "const one = new DatabaseSync(':memory:'); one.exec(\"attach '{via}/made.db' as other; create table other.t(a)\"); return fs.existsSync(process.cwd() + '/../made.db') || undefined.x"
        ),
        format!(
            "const one = new DatabaseSync(':memory:'); one.exec(\"create table t(a); vacuum into '{via}/made.db'\")"
        ),
    ] {
        let answer = app.run(&code).await;
        assert!(
            !answer.to_string().contains("connected") && answer["value"] != "outside",
            "{code}: {answer}"
        );
        let text = std::fs::read_to_string(outside.join("secret.txt")).expect("still there");
        assert_eq!(text, "outside", "{code}: {answer}");
        assert!(!outside.join("made.db").exists(), "{code}: {answer}");
        // Where they do lead, without a link followed.
        for made in ["copy", "packages/a/secret.txt", "packages/a/made.db"] {
            let _ = std::fs::remove_file(within.join(made));
        }
    }
    let reached = listener.accept().is_ok();
    assert!(!reached, "the host's socket was reached");
    // The same names without the detour work.
    let inner = std::os::unix::net::UnixListener::bind(within.join("packages/inner.sock")).expect("bound");
    app.allows("return connect('packages/a/node_modules/../../inner.sock')").await;
    app.allows("return connect('./packages/inner.sock')").await;
    drop(inner);
}

/// UDP has no other word for listening.
#[tokio::test]
async fn datagrams_are_sent_and_answered_but_not_waited_for_at_a_known_port() {
    let echo = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let port = echo.local_addr().expect("an address").port();
    tokio::spawn(async move {
        let mut buffer = [0; 64];
        while let Ok((count, peer)) = echo.recv_from(&mut buffer).await {
            let _ = echo.send_to(&buffer[..count], peer).await;
        }
    });
    let app = Tried(attempts(project()).start().await);
    let socket =
        "const dgram = process.getBuiltinModule('dgram'); const socket = dgram.createSocket('udp4'); ";
    for how in [
        format!("socket.send('there and back', {port}, '127.0.0.1')"),
        format!("socket.connect({port}, '127.0.0.1', () => socket.send('there and back'))"),
    ] {
        let code = format!(
            "{socket} return await new Promise((resolve, reject) => {{ socket.on('message', (text) => {{ socket.close(); resolve(String(text)); }}).on('error', reject); {how}; }})"
        );
        assert_eq!(app.run(&code).await, json!({ "value": "there and back" }), "{code}");
    }
    let known =
        std::net::UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("free").port();
    for bind in [
        "socket.bind()".to_owned(),
        "socket.bind(0)".to_owned(),
        "socket.bind(0, '127.0.0.1')".to_owned(),
        format!("socket.bind({known})"),
        format!("socket.bind({{ port: {known}, exclusive: true }})"),
        format!(
            "let asked = 0; socket.bind({{ get port() {{ return asked++ ? {known} : 0; }}, exclusive: true }})"
        ),
        format!(
            "const state = Object.getOwnPropertySymbols(socket).map((symbol) => socket[symbol]).find((state) => state?.handle); state.handle.bind('127.0.0.1', {known}, 0)"
        ),
        format!(
            "const state = Object.getOwnPropertySymbols(socket).map((symbol) => socket[symbol]).find((state) => state?.handle); state.handle.bind6('::1', {known}, 0)"
        ),
    ] {
        let answer = app.run(&format!("{socket} {bind}; return await new Promise((resolve) => setTimeout(() => {{ const bound = socket.address().port; socket.close(); resolve(bound === {known}); }}, 20))")).await;
        let refused = answer["code"] == "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM";
        assert!(refused || answer["value"] == false && bind.contains("asked"), "{bind}: {answer}");
    }
}
