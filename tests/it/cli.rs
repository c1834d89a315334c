//! The program as a person starts it.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use super::harness::{Project, eventually, program, project};

fn run(arguments: &[&str]) -> Output {
    Command::new(program()).args(arguments).output().expect("started")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A server that was started as a program; ended with the test.
struct Served {
    child: Child,
    address: String,
    log: std::sync::Arc<std::sync::Mutex<String>>,
}

impl Served {
    fn start(dir: &Path, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(program());
        command.arg("serve").arg(dir).args(["--port", "0", "--shards", "1"]).args(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        change(&mut command);
        let mut child = command.spawn().expect("started");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut errors = child.stderr.take().expect("piped");
        let log = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
        let sink = log.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = errors.read(&mut buffer) {
                sink.lock().expect("not poisoned").push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        });
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once("Listening on http://")?;
            rest.split_whitespace().next().map(str::to_owned)
        });
        let Some(address) = address else {
            let _ = child.wait();
            panic!("it did not start: {}", log.lock().expect("not poisoned"));
        };
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, log }
    }

    fn get(&self, path: &str) -> String {
        use std::io::Write;
        let mut stream = std::net::TcpStream::connect(&self.address).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
        write!(stream, "GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("read");
        answer
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    fn log(&self) -> String {
        self.log.lock().expect("not poisoned").clone()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hello() -> Project {
    project()
        .file("app/hello/route.ts", "export const GET = () => { console.log('said hello'); return new Response('hello'); };")
        .file("app/slow/route.ts", "export const GET = async () => { await new Promise((r) => setTimeout(r, 400)); return new Response('slow'); };")
        .file("app/items/[id]/route.ts", "export const runtime = 'edge'; export const maxDuration = 60; export const GET = () => new Response('x'); export const POST = GET;")
}

/// Clients can still connect when user code has opened what it could.
#[test]
fn some_descriptors_are_kept_for_clients() {
    let project = project()
        .file(
            "app/greedy/route.ts",
            "import fs from 'node:fs';
            const message = (error) => (error.cause ?? error).message;
            export async function GET() {
                const open = [], found = {};
                try {
                    for (;;) open.push(fs.openSync('package.json'));
                } catch (error) {
                    found.sync = error.code;
                }
                found.promised = await fs.promises.readFile('package.json').catch((error) => error.code);
                found.fetched = await fetch('http://127.0.0.1:9/').catch(message);
                found.ok = await new Promise((resolve) => {
                    // Time for a client to come.
                    setTimeout(() => { for (const fd of open) fs.closeSync(fd); resolve(open.length > 100); }, 500);
                });
                found.after = fs.readFileSync('package.json', 'utf8');
                return Response.json(found);
            }",
        )
        .file("app/ok/route.ts", "export const GET = () => new Response('ok');")
        .file("package.json", "{}");
    let served = Served::start(&project.path(), &[], |command| {
        let mut limited = Command::new("sh");
        limited.args(["-c", "ulimit -n 256; exec \"$0\" \"$@\""]);
        limited.arg(command.get_program()).args(command.get_args());
        limited.stdout(Stdio::piped()).stderr(Stdio::piped());
        *command = limited;
    });
    let greedy = std::thread::scope(|threads| {
        let greedy = threads.spawn(|| served.get("/greedy"));
        std::thread::sleep(Duration::from_millis(250));
        let clients: Vec<_> = (0..30).map(|_| threads.spawn(|| served.get("/ok"))).collect();
        for client in clients {
            assert!(client.join().expect("no panic").ends_with("\r\n\r\nok"));
        }
        greedy.join().expect("no panic")
    });
    for part in [
        "\"sync\":\"EMFILE\"",
        "\"promised\":\"EMFILE\"",
        "connect EMFILE: the process has few file descriptors left",
        "\"ok\":true",
        "\"after\":\"{}\"",
    ] {
        assert!(greedy.contains(part), "{part} is missing from {greedy}");
    }
}

#[test]
fn help_names_every_flag_with_its_variable() {
    let help = stdout(&run(&["--help"]));
    assert!(help.contains("serve") && help.contains("routes"), "{help}");
    let help = stdout(&run(&["serve", "--help"]));
    for part in [
        "--port",
        "EDGEHOST_PORT",
        "--limit-memory",
        "EDGEHOST_LIMIT_MEMORY",
        "[default: 128MiB]",
        "edgehost.toml",
        "--log-format",
    ] {
        assert!(help.contains(part), "{part} is missing from:\n{help}");
    }
}

#[test]
fn routes_prints_the_table() {
    let project = hello();
    let output = run(&["routes", project.path().to_str().expect("UTF-8")]);
    let table = stdout(&output);
    assert!(output.status.success() && !table.contains('\u{1b}'), "{table}");
    let line = table.lines().find(|line| line.contains("/items/[id]")).expect("the route");
    let cells: Vec<_> = line.split_whitespace().collect();
    assert_eq!(cells, ["/items/[id]", "GET", "POST", "app/items/[id]/route.ts", "edge", "60s"]);
}

#[test]
fn serving_prints_address_and_logs_json_and_ends_on_sigterm() {
    let project = hello();
    let mut served = Served::start(&project.path(), &[], |_| {});
    assert!(served.get("/hello").ends_with("\r\n\r\nhello"));
    let deadline = std::time::Instant::now() + Duration::from_secs(5);
    served.get("/missing");
    while served.log().matches("edgehost::access").count() < 2 && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    let log = served.log();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let said = lines.iter().find(|line| line["message"] == "said hello").expect("the console line");
    let access = lines.iter().find(|line| line["target"] == "edgehost::access").expect("the access line");
    assert_eq!((&said["level"], &said["route"]), (&"INFO".into(), &"/hello".into()));
    assert_eq!(said["request"], access["request"]);
    assert_eq!(
        (&access["method"], &access["path"], &access["status"], &access["bytes"]),
        (&"GET".into(), &"/hello".into(), &200.into(), &5.into())
    );
    assert!(access["ms"].as_f64().is_some() && access.get("error").is_none());
    let missing = lines.iter().find(|line| line["path"] == "/missing").expect("its access line");
    assert_eq!((&missing["status"], &missing["error"]), (&404.into(), &"NOT_FOUND".into()));

    // A request in flight finishes, then the program ends with 0.
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| served.get("/slow"));
        std::thread::sleep(Duration::from_millis(150));
        served.signal("TERM");
        assert!(slow.join().expect("joined").ends_with("slow"));
    });
    assert!(served.child.wait().expect("waited").success());
}

#[test]
fn a_second_signal_ends_at_once() {
    let project = hello().file("app/never/route.ts", "export const GET = () => new Promise(() => {});");
    let mut served = Served::start(&project.path(), &["--limit-grace", "60s"], |_| {});
    let address = served.address.clone();
    let waiting = std::thread::spawn(move || {
        use std::io::Write;
        let mut stream = std::net::TcpStream::connect(address).expect("connected");
        let _ = stream.write_all(b"GET /never HTTP/1.1\r\nhost: h\r\n\r\n");
        let _ = stream.read(&mut [0; 16]);
    });
    std::thread::sleep(Duration::from_millis(200));
    served.signal("INT");
    std::thread::sleep(Duration::from_millis(200));
    assert!(served.child.try_wait().expect("asked").is_none(), "it waits for the request");
    served.signal("INT");
    assert_eq!(served.child.wait().expect("waited").code(), Some(1));
    waiting.join().expect("joined");
}

#[test]
fn flags_beat_variables_and_variables_beat_the_file() {
    let project = project()
        .file("app/route.ts", "export const POST = async (r: Request) => new Response(String((await r.text()).length)); export const GET = () => new Response(process.env.FROM_SHELL);")
        .file("edgehost.toml", "limit-url = \"20B\"\nlog-format = \"text\"\n");
    let served = Served::start(&project.path(), &[], |command| {
        command.env("FROM_SHELL", "shell");
    });
    assert!(served.get("/").ends_with("shell"));
    assert!(served.get(&format!("/?{}", "x".repeat(30))).starts_with("HTTP/1.1 414"), "the file counts");
    drop(served);
    let served = Served::start(&project.path(), &["--limit-url", "200B"], |command| {
        command.env("EDGEHOST_LIMIT_URL", "10B");
    });
    assert!(served.get(&format!("/?{}", "x".repeat(30))).starts_with("HTTP/1.1 200"), "the flag counts");
    assert!(served.get(&format!("/?{}", "x".repeat(300))).starts_with("HTTP/1.1 414"));
}

#[test]
fn bad_input_is_explained_and_exits_with_2() {
    let empty = project();
    let output = run(&["serve", empty.path().to_str().expect("UTF-8"), "--port", "0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("error: couldn't find an `app` directory"), "{}", stderr(&output));
    let typo =
        project().file("app/route.ts", "export const GET = () => 1;").file("edgehost.toml", "prot = 1");
    let output = run(&["serve", typo.path().to_str().expect("UTF-8"), "--port", "0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("unknown key `prot`: did you mean `port`?"), "{}", stderr(&output));
    let broken = project().file("app/route.ts", "export const GET = ;");
    let output = run(&["routes", broken.path().to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("app/route.ts:1:20"), "{}", stderr(&output));
    assert_eq!(run(&["serve", "--nonsense"]).status.code(), Some(2));
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let project = hello();
    let output = run(&["serve", project.path().to_str().expect("UTF-8"), "--port", &port]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&format!("cannot listen on 127.0.0.1:{port}")), "{}", stderr(&output));
}

/// A server on loopback with a certificate of its own, which speaks HTTP/2 and HTTP/1.1.
async fn tls_server(alpn: &[&str]) -> (u16, String) {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key =
        rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).expect("a key");
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .expect("a configuration");
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("accepted");
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let answer =
                    hyper::service::service_fn(async |request: http::Request<hyper::body::Incoming>| {
                        let body = format!("{:?} {}", request.version(), request.uri().path());
                        Ok::<_, std::convert::Infallible>(http::Response::new(http_body_util::Full::<
                            bytes::Bytes,
                        >::from(
                            body
                        )))
                    });
                let io = hyper_util::rt::TokioIo::new(stream);
                let executor = hyper_util::rt::TokioExecutor::new();
                let _ =
                    hyper_util::server::conn::auto::Builder::new(executor).serve_connection(io, answer).await;
            });
        }
    });
    (port, certified.cert.pem())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fetch_speaks_tls_and_http_2_and_trusts_what_the_system_trusts() {
    let (both, first) = tls_server(&["h2", "http/1.1"]).await;
    let (old, second) = tls_server(&["http/1.1"]).await;
    let (stranger, _) = tls_server(&["h2"]).await;
    let project = project()
        .file("roots.pem", format!("{first}\n{second}"))
        .file("app/[port]/route.ts", "export const GET = async (_: Request, { params }: any) => { try { return new Response(await (await fetch(`https://localhost:${(await params).port}/up`)).text()); } catch (e: any) { return new Response(`${e.name}: ${e.message} (${e.cause})`); } };");
    let roots = project.path().join("roots.pem");
    let served = tokio::task::block_in_place(|| {
        Served::start(&project.path(), &[], |command| {
            command.env("SSL_CERT_FILE", &roots);
        })
    });
    let ask = |port: u16| tokio::task::block_in_place(|| served.get(&format!("/{port}")));
    assert!(ask(both).ends_with("HTTP/2.0 /up"), "{}", ask(both));
    assert!(ask(old).ends_with("HTTP/1.1 /up"), "{}", ask(old));
    assert!(
        ask(stranger).contains("TypeError: ") && ask(stranger).contains("certificate"),
        "{}",
        ask(stranger)
    );
}

/// The extension sources are recorded as paths into the cargo registry; a binary
/// that needed them would work only where it was built. Root reads everything, so
/// the registry is hidden in a mount namespace where that is allowed, and the
/// system calls are watched where it is not.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_program_works_where_the_cargo_registry_cannot_be_read() {
    let project = project().file("app/route.ts", include_str!("../apps/every_api.ts"));
    let copy = project.path().join("edgehost-copy");
    assert!(
        Path::new(env!("EDGEHOST_REGISTRY")).join("deno_web-0.291.0").is_dir(),
        "the folder to hide is the registry"
    );
    std::fs::copy(program(), &copy).expect("copied");
    let sources = Path::new(env!("EDGEHOST_REGISTRY"));
    let script = format!(
        "mount -t tmpfs none {} && exec {} serve {} --port 0 --shards 1",
        sources.display(),
        copy.display(),
        project.path().display()
    );
    let hidden = Command::new("unshare").args(["-rm", "true"]).status().is_ok_and(|status| status.success());
    let mut command = if hidden {
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", &script]);
        command
    } else {
        eprintln!("no user namespaces here: the registry is not hidden, only CARGO_HOME is");
        let mut command = Command::new(&copy);
        command.arg("serve").arg(project.path()).args(["--port", "0", "--shards", "1"]);
        command
    };
    command.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("CARGO_HOME", "/nonexistent");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let address = lines.map_while(Result::ok).find_map(|line| {
        let (_, rest) = line.split_once("Listening on http://")?;
        rest.split_whitespace().next().map(str::to_owned)
    });
    let Some(address) = address else {
        let mut errors = String::new();
        let _ = child.stderr.take().expect("piped").read_to_string(&mut errors);
        panic!("it did not start: {errors}");
    };
    let served = Served { child, address, log: std::sync::Arc::default() };
    let mut answer = String::new();
    eventually("it answers", async || {
        answer = served.get("/");
        answer.starts_with("HTTP/1.1 200")
    })
    .await;
    let body = answer.split_once("\r\n\r\n").expect("a head").1;
    let results: serde_json::Map<String, serde_json::Value> = serde_json::from_str(body).expect("JSON");
    assert!(results.len() > 20 && results.values().all(|result| result == "ok"), "{results:?}");
}
