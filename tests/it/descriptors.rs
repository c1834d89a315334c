//! Descriptors, folders and streams of the process are out of reach: an app has what it
//! has opened itself.

use edgehost::Profile;
use serde_json::{Value, json};

use super::harness::{log, logged, project};

#[tokio::test]
async fn descriptors_that_an_app_has_not_opened() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let app = project()
        .file(
            "app/route.ts",
            format!(
                "import net from 'net';
                import tty from 'tty';
                import dgram from 'dgram';
                const attempt = (what) => {{
                    try {{ what(); return 'went through'; }} catch (error) {{ return error.code ?? error.message; }}
                }};
                export async function GET() {{
                    const socket = net.connect({port}, '127.0.0.1');
                    await new Promise((resolve) => socket.once('connect', resolve));
                    const handle = socket._handle;
                    const found = {{}};
                    const fds = Array.from({{ length: 60 }}, (_, fd) => fd);
                    found.sockets = fds.filter((fd) => attempt(() => new net.Socket({{ fd }})) === 'went through');
                    found.handles = fds.filter((fd) => attempt(() => handle.open(fd)) === 'went through');
                    found.terminals = fds.filter((fd) => attempt(() => new tty.WriteStream(fd)) === 'went through');
                    found.bound = [];
                    // 0 stands for no descriptor there, as in Node.js.
                    for (const fd of fds.slice(1)) {{
                        await new Promise((resolve) => {{
                            const udp = dgram.createSocket('udp4');
                            udp.on('error', resolve);
                            try {{ udp.bind({{ fd }}, () => {{ found.bound.push(fd); resolve(); }}); }} catch {{ resolve(); }}
                        }});
                    }}
                    delete Object.getPrototypeOf(handle).open;
                    found.deleted = attempt(() => handle.open(7));
                    found.listens = attempt(() => {{
                        const server = new handle.constructor(1);
                        server.bind('127.0.0.1', 0);
                        server.listen(1);
                    }});
                    found.binding = attempt(() => process.binding('tcp_wrap'));
                    found.isatty = fds.filter((fd) => tty.isatty(fd));
                    found.util = typeof process.binding('util');
                    socket.destroy();
                    return Response.json(found);
                }}"
            ),
        )
        .start()
        .await;
    for _ in 0..2 {
        app.get("/").await.is_json(json!({
            "sockets": [],
            "handles": [],
            "terminals": [],
            "bound": [],
            "deleted": "handle.open is not a function",
            "listens": "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM",
            "binding": "No such module: tcp_wrap",
            "isatty": [],
            "util": "object",
        }));
    }
}

#[tokio::test]
async fn subprocesses_get_the_folder_and_the_descriptors_of_the_app() {
    let app = project()
        .permissions(Profile::Project, |permissions| permissions.allow_run = Some(Vec::new()))
        .file(
            "app/route.ts",
            "import fs from 'fs';
            import { execSync, spawn, spawnSync } from 'child_process';
            const over = (child) => new Promise((resolve) => child.on('close', resolve));
            export async function GET() {
                const found = { start: execSync('pwd').toString().trim() === process.cwd() };
                fs.mkdirSync('one/two', { recursive: true });
                fs.writeFileSync('one/in.txt', 'inside');
                const root = process.cwd();
                process.chdir('one');
                found.moved = process.cwd() === root + '/one';
                found.read = fs.readFileSync('in.txt', 'utf8');
                found.pwd = execSync('pwd').toString().trim() === root + '/one';
                found.relative = execSync('pwd', { cwd: 'two' }).toString().trim() === root + '/one/two';
                process.chdir('two');
                found.deeper = process.cwd() === root + '/one/two';
                process.chdir('../..');
                found.back = process.cwd() === root;
                const fd = fs.openSync('out.txt', 'w+');
                spawnSync('echo', ['sync'], { stdio: ['ignore', fd, 'ignore'] });
                await over(spawn('echo', ['async'], { stdio: ['ignore', fd, 'ignore'] }));
                found.file = fs.readFileSync('out.txt', 'utf8');
                fs.closeSync(fd);
                found.host = spawnSync('echo', ['x'], { stdio: ['ignore', 9, 'ignore'] }).error?.code;
                found.inherit = spawnSync('echo', ['reaches nobody'], { stdio: 'inherit' }).status;
                found.one = spawnSync('echo', ['reaches nobody'], { stdio: ['ignore', 1, 2] }).status;
                const cat = spawn('cat');
                let piped = '';
                cat.stdout.on('data', (data) => piped += data);
                cat.stdin.end('piped');
                await over(cat);
                const more = spawn('sh', ['-c', 'echo more >&3'], { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
                more.stdio[3].on('data', (data) => piped += data);
                await over(more);
                return Response.json({ ...found, piped });
            }",
        )
        .start()
        .await;
    app.get("/").await.is_json(json!({
        "start": true,
        "moved": true,
        "read": "inside",
        "pwd": true,
        "relative": true,
        "deeper": true,
        "back": true,
        "file": "sync\nasync\n",
        "host": "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM",
        "inherit": 0,
        "one": 0,
        "piped": "pipedmore\n",
    }));
}

/// `_start` writes `from wasi` to descriptors 1 and 2, then reads from 0.
const WASM: &str = "AGFzbQEAAAABDAJgBH9/f38Bf2AAAAJEAhZ3YXNpX3NuYXBzaG90X3ByZXZpZXcxCGZkX3dyaXRlAAAWd2FzaV9zbmFwc2hvdF9wcmV2aWV3MQdmZF9yZWFkAAADAgEBBQMBAAEHEwIGbWVtb3J5AgAGX3N0YXJ0AAIKMwExAEEAQRA2AgBBBEEKNgIAQQFBAEEBQQgQABpBAkEAQQFBCBAAGkEAQQBBAUEIEAEaCwsQAQBBEAsKZnJvbSB3YXNpCg==";

#[tokio::test]
async fn web_assembly_programs_write_into_the_log() {
    let app = project()
        .file(
            "app/route.ts",
            format!(
                "import fs from 'fs';
                import {{ WASI }} from 'wasi';
                const bytes = Buffer.from('{WASM}', 'base64');
                async function run(options) {{
                    const wasi = new WASI({{ version: 'preview1', ...options }});
                    const {{ instance }} = await WebAssembly.instantiate(bytes, wasi.getImportObject());
                    wasi.start(instance);
                }}
                export async function GET() {{
                    await run({{}});
                    const fd = fs.openSync('out.txt', 'w+');
                    await run({{ stdout: fd, stderr: 9 }});
                    return new Response(fs.readFileSync('out.txt', 'utf8'));
                }}"
            ),
        )
        .start()
        .await;
    app.get("/").await.is(200, "from wasi\n");
    logged(&["from wasi", "route=\"/\""]).await;
    // Once to standard output, twice to standard error: the file got the fourth.
    assert_eq!(log().matches("from wasi").count(), 3);
}

#[tokio::test]
async fn what_is_written_to_the_standard_descriptors_is_counted() {
    let app = project()
        .file(
            "app/route.ts",
            "import fs from 'fs';
            export async function GET() {
                const counts = [
                    fs.writeSync(1, Buffer.from([0xe2])),
                    fs.writeSync(1, Buffer.from([0x82, 0xac, 10])),
                    fs.writeSync(1, Buffer.from('--slice of it\\n--'), { offset: 2, length: 12 }),
                    fs.writeSync(2, '6865780a', null, 'hex'),
                    fs.writevSync(1, [Buffer.from('one '), Buffer.from('two\\n')]),
                    await new Promise((resolve) => fs.write(1, 'later\\n', (error, count) => resolve(error ?? count))),
                ];
                return Response.json(counts);
            }",
        )
        .start()
        .await;
    app.get("/").await.is_json(json!([1, 3, 12, 4, 8, 6]));
    for line in ["\u{20ac}", "slice of it", "hex", "one two", "later"] {
        logged(&[line]).await;
    }
}

#[tokio::test]
async fn a_process_that_is_asked_after_goes_on() {
    let app = project()
        .file("app/route.ts", "export const GET = () => Response.json([process.kill(process.pid, 0)]);")
        .start()
        .await;
    let answer: Value = app.get("/").await.json();
    assert_eq!(answer, json!([true]));
}
