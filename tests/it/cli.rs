//! The program as a person starts it.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use super::harness::{Project, eventually, program, project};

pub(super) fn run(arguments: &[&str]) -> Output {
    Command::new(program()).args(arguments).output().expect("started")
}

pub(super) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(super) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A server that was started as a program; ended with the test.
pub(super) struct Served {
    pub(super) child: Child,
    pub(super) address: String,
    /// What it printed until it listened.
    pub(super) banner: Vec<String>,
    log: std::sync::Arc<std::sync::Mutex<String>>,
    said: std::sync::Arc<std::sync::Mutex<String>>,
}

impl Served {
    pub(super) fn start(dir: &Path, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(program());
        command.arg("serve").arg(dir).args(["--port", "0"]).args(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        change(&mut command);
        Self::launch(command)
    }

    /// Starts a program whose outputs are piped.
    pub(super) fn launch(mut command: Command) -> Self {
        let mut child = command.spawn().expect("started");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let log = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
        let sink = log.clone();
        // None where the test has given it somewhere else to write.
        if let Some(mut errors) = child.stderr.take() {
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = errors.read(&mut buffer) {
                    sink.lock().expect("not poisoned").push_str(&String::from_utf8_lossy(&buffer[..count]));
                }
            });
        }
        let mut banner = Vec::new();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            banner.push(line.clone());
            let (_, rest) = line.split_once("Listening on http://")?;
            rest.split_whitespace().next().map(str::to_owned)
        });
        let Some(address) = address else {
            let _ = child.wait();
            panic!("it did not start: {}", log.lock().expect("not poisoned"));
        };
        let said = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
        let sink = said.clone();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| {
                let mut said = sink.lock().expect("not poisoned");
                said.push_str(&line);
                said.push('\n');
            });
        });
        Self { child, address, banner, log, said }
    }

    pub(super) fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: h\r\n"))
    }

    /// Sends a request line and headers; the answer as it came.
    pub(super) fn ask(&self, head: &str) -> String {
        use std::io::Write;
        let mut stream = std::net::TcpStream::connect(&self.address).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
        write!(stream, "{head}connection: close\r\n\r\n").expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("read");
        answer
    }

    pub(super) fn connect(&self) -> std::net::TcpStream {
        std::net::TcpStream::connect(&self.address).expect("connected")
    }

    pub(super) fn signal(&self, name: &str) {
        send_signal(name, self.child.id());
    }

    /// What it printed since it listened.
    pub(super) fn said(&self) -> String {
        self.said.lock().expect("not poisoned").clone()
    }

    pub(super) fn log(&self) -> String {
        self.log.lock().expect("not poisoned").clone()
    }
}

/// By the shell, which has `kill` where no package brought it.
pub(super) fn send_signal(name: &str, process: u32) {
    let status = Command::new("sh").args(["-c", &format!("kill -s {name} {process}")]).status();
    assert!(status.expect("a shell").success());
}

impl Served {
    /// How the program ends; it has to, soon.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        let until = std::time::Instant::now() + Duration::from_secs(30);
        while std::time::Instant::now() < until {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it does not end: {}", self.log());
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
        "[default: 512MiB]",
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
    std::thread::sleep(Duration::from_millis(100));
    // Programs that start others pass on what the terminal has sent to all of them.
    served.signal("INT");
    served.signal("TERM");
    std::thread::sleep(Duration::from_millis(600));
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

/// What it says about flags that it refuses, after the exit code for bad input.
fn refused(dir: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(program());
    command.arg("serve").arg(dir).args(["--port", "0"]).args(arguments);
    let output = command.output().expect("started");
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
    stderr(&output)
}

#[test]
fn settings_that_cannot_work_are_refused_with_what_would() {
    let project = hello();
    for (arguments, said) in [
        (["--limit-memory", "64"], "--limit-memory is 64B: it must be at least 32MiB"),
        (["--limit-memory", "8MiB"], "--limit-memory is 8MiB: it must be at least 32MiB"),
        (["--limit-memory", "9PiB"], "it must be at most"),
        (["--limit-cpu", "0s"], "--limit-cpu is 0ns: it must be at least 1ms"),
        (["--limit-wall", "500000years"], "it must be at most 365d"),
        (["--limit-connections", "0"], "--limit-connections is 0: it must be at least 1"),
        (["--limit-queue", "18446744073709551615"], "it must be at most 4294967295"),
        (["--instances", "0"], "it is auto, or 1 or more"),
        (["--shards", "0"], "--shards is 0: it must be at least 1"),
        (["--public-origin", "example.com"], "such as https://example.com"),
        (["--public-origin", "example.com:8080"], "such as https://example.com:8080"),
        (["--public-origin", "https://example.com/app"], "such as https://example.com"),
        (["--public-origin", "ftp://example.com"], "it must be a scheme and a host"),
        (["--host", "no such host"], "--host is 'no such host'"),
        (["--allow-net=https://x/", "--no-access-log"], "permissions cannot be used"),
    ] {
        let text = refused(&project.path(), &arguments);
        assert!(text.contains(said) && text.starts_with("error: "), "{arguments:?}: {text}");
    }
    // The file and the library are held to the same.
    let file = hello().file("edgehost.toml", "limit-memory = \"64B\"\nlimit-cpu = \"0s\"");
    let text = refused(&file.path(), &[]);
    assert!(text.contains("--limit-memory is 64B") && text.contains("--limit-cpu is 0ns"), "{text}");
}

#[tokio::test]
async fn the_library_refuses_settings_that_cannot_work() {
    let text = hello().limits(|limits| limits.memory = 64).refusal().await;
    assert_eq!(text, "--limit-memory is 64B: it must be at least 32MiB");
    for builder in
        [hello().builder().instances(0), hello().builder().shards(0), hello().builder().public_origin("x y")]
    {
        assert!(matches!(builder.validate(), Err(edgehost::Error::Settings(_))), "{builder:?}");
    }
}

#[test]
fn a_cause_is_told_once() {
    let output = run(&["serve", "/no/such/folder", "--port", "0"]);
    assert_eq!(stderr(&output).matches("No such file").count(), 1, "{}", stderr(&output));
    assert!(stderr(&output).contains("cannot read /no/such/folder: No such file"), "{}", stderr(&output));
}

#[test]
fn one_instance_serves_by_default_and_as_many_as_asked() {
    let project = project().file(
        "app/count/route.ts",
        "let served = 0; export const GET = () => new Response(String(++served));",
    );
    let said = |served: &Served| served.banner[served.banner.len() - 2].clone();
    let served = Served::start(&project.path(), &[], |_| {});
    for count in 1..=8 {
        assert!(served.get("/count").ends_with(&format!("\r\n\r\n{count}")));
    }
    let cores = std::thread::available_parallelism().expect("known");
    let advice =
        if cores.get() > 1 { format!(" (--instances auto for all {cores} cores)") } else { String::new() };
    assert_eq!(said(&served), format!("1 instance; module memory is shared by all requests{advice}"));
    for (arguments, expected) in [
        (["--instances", "2"].as_slice(), "2 instances, each with module memory of its own"),
        (&["--instances", "auto", "--shards", "3"], "3 instances, each with module memory of its own"),
        (
            &["--instances", "4", "--shards", "2"],
            "2 instances, each with module memory of its own (4 were asked for, --shards allows 2)",
        ),
        (
            &["--shards", "3"],
            "1 instance; module memory is shared by all requests (--instances auto for 3 threads)",
        ),
    ] {
        assert_eq!(said(&Served::start(&project.path(), arguments, |_| {})), expected);
    }
    let file = project.file("edgehost.toml", "instances = 2");
    assert!(said(&Served::start(&file.path(), &[], |_| {})).starts_with("2 instances"));
    let served = Served::start(&file.path(), &[], |command| {
        command.env("EDGEHOST_INSTANCES", "3");
    });
    assert!(said(&served).starts_with("3 instances"));
    std::fs::write(file.path().join("edgehost.toml"), "instances = \"auto\"\nshards = 2").expect("written");
    assert!(said(&Served::start(&file.path(), &[], |_| {})).starts_with("2 instances"));
}

#[test]
fn flags_without_a_value_take_words_for_true_and_false_in_variables() {
    let project = hello();
    let logs_access = |value: &str| {
        let served = Served::start(&project.path(), &[], |command| {
            command.env("EDGEHOST_NO_ACCESS_LOG", value);
        });
        served.get("/hello");
        // Written after the access line of the first.
        served.get("/hello");
        let deadline = std::time::Instant::now() + Duration::from_secs(5);
        while served.log().matches("said hello").count() < 2 && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        served.log().contains("edgehost::access")
    };
    for value in ["1", "true", "yes", "on", "TRUE"] {
        assert!(!logs_access(value), "{value}");
    }
    for value in ["0", "false", "no", "off"] {
        assert!(logs_access(value), "{value}");
    }
    let mut command = Command::new(program());
    command.arg("serve").arg(project.path()).args(["--port", "0"]).env("EDGEHOST_NO_ACCESS_LOG", "perhaps");
    let output = command.output().expect("started");
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    // A flag wins, either way.
    let served = Served::start(&project.path(), &["--no-access-log=false"], |command| {
        command.env("EDGEHOST_NO_ACCESS_LOG", "1");
    });
    served.get("/hello");
    let deadline = std::time::Instant::now() + Duration::from_secs(5);
    while !served.log().contains("edgehost::access") && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(served.log().contains("edgehost::access"));
}

#[test]
fn port_and_hostname_of_next_and_names_of_hosts_are_understood() {
    let project = hello();
    let listening = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = Command::new(program());
        command.arg("serve").arg(project.path()).args(arguments).envs(variables.iter().copied());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let served = Served::launch(command);
        let (_, port) = served.address.rsplit_once(':').expect("a port");
        let port: u16 = port.parse().expect("a number");
        (served, port)
    };
    let answers = |host: &str, port: u16| {
        use std::io::Write;
        let Ok(mut stream) = std::net::TcpStream::connect((host, port)) else { return false };
        write!(stream, "GET /hello HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("read");
        answer.ends_with("hello")
    };
    let (served, port) = listening(&[], &[("PORT", "0"), ("HOSTNAME", "0.0.0.0")]);
    assert!(served.address.starts_with("0.0.0.0:") && port != 3000 && answers("127.0.0.1", port));
    // The name of the machine is not meant as an address.
    let name = std::process::Command::new("uname").arg("-n").output().expect("uname runs").stdout;
    let name = String::from_utf8(name).expect("UTF-8");
    let (served, port) = listening(&["--port", "0"], &[("HOSTNAME", name.trim())]);
    assert!(served.address.starts_with("127.0.0.1:") && answers("127.0.0.1", port));
    let (served, port) = listening(&["--port", "0", "--host", "localhost"], &[("HOSTNAME", "0.0.0.0")]);
    assert!(served.address.starts_with("localhost:") && answers("127.0.0.1", port));
    let has_ipv6 = std::net::TcpListener::bind("[::1]:0").is_ok();
    for address in std::net::ToSocketAddrs::to_socket_addrs(&("localhost", port)).expect("a known name") {
        assert!(answers(&address.ip().to_string(), port) || !has_ipv6, "every address that the name has");
    }
    for host in ["::", "[::]"] {
        let (_served, port) = listening(&["--port", "0", "--host", host], &[]);
        assert!(answers("127.0.0.1", port), "IPv4 as well");
        assert_eq!(answers("::1", port), has_ipv6);
    }
    let mut command = Command::new(program());
    let output = command.arg("serve").arg(project.path()).env("PORT", "http").output().expect("started");
    assert!(stderr(&output).contains("the variable PORT is 'http'"), "{}", stderr(&output));
}

#[test]
fn the_file_is_found_from_the_app_directory_too() {
    let ends_early = |project: &Project, dir: &str| {
        let served = Served::start(&project.path().join(dir), &[], |_| {});
        served.get(&format!("/hello?{}", "x".repeat(50))).starts_with("HTTP/1.1 414")
    };
    let route = "export const GET = () => new Response('hello');";
    let setting = "limit-url = \"20B\"";
    let project = |app: &str, file: &str| super::harness::project().file(app, route).file(file, setting);
    let plain = project("app/hello/route.ts", "edgehost.toml");
    assert!(ends_early(&plain, "app") && ends_early(&plain, ""));
    let below_src = project("src/app/hello/route.ts", "edgehost.toml");
    assert!(ends_early(&below_src, "src/app") && ends_early(&below_src, ""));
    let beside = project("src/app/hello/route.ts", "src/edgehost.toml");
    assert!(ends_early(&beside, "src/app") && ends_early(&beside, ""));
    let both = beside.file("edgehost.toml", setting);
    let text = refused(&both.path(), &[]);
    assert!(text.contains("src/edgehost.toml exist: keep one of them"), "{text}");
}

#[test]
fn an_output_that_cannot_be_written_ends_nothing() {
    let project = hello();
    let full = || std::fs::File::options().write(true).open("/dev/full").expect("opened");
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        free.local_addr().expect("an address").port().to_string()
    };
    let mut closed = Command::new(program());
    closed
        .arg("serve")
        .arg(project.path())
        .args(["--port", &port])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut command = Command::new(program());
    command.arg("serve").arg(project.path()).args(["--port", &port]).stdout(full()).stderr(Stdio::piped());
    for mut command in [command, closed] {
        let mut child = command.spawn().expect("started");
        drop(child.stdout.take());
        let mut served = Served {
            child,
            address: format!("127.0.0.1:{port}"),
            banner: Vec::new(),
            log: std::sync::Arc::default(),
            said: std::sync::Arc::default(),
        };
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(&served.address).is_err() && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(served.get("/hello").ends_with("hello"));
        served.signal("TERM");
        assert!(served.child.wait().expect("waited").success());
    }
    let mut command = Command::new(program());
    let output = command.arg("routes").arg(project.path()).stdout(full()).output().expect("started");
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
}

#[test]
fn the_table_shows_what_applies_and_what_is_cut_is_said() {
    let project = project()
        .file(
            "app/long/route.ts",
            "export const maxDuration = 800; export const GET = () => new Response('x');",
        )
        .file(
            "app/longer/route.ts",
            "export const maxDuration = 900; export const GET = () => new Response('x');",
        );
    let cell = |table: &str, route: &str| {
        let line = table.lines().find(|line| line.contains(&format!("{route} "))).expect(route);
        line.split_whitespace().next_back().map(str::to_owned)
    };
    let path = project.path();
    let routes = || run(&["routes", path.to_str().expect("UTF-8")]);
    let output = routes();
    assert_eq!(cell(&stdout(&output), "/long"), Some("800s".into()));
    assert_eq!(cell(&stdout(&output), "/longer"), Some("800s".into()));
    let cut = "maxDuration = 900 of app/longer/route.ts is cut to 800s";
    assert!(
        stderr(&output).contains(cut) && !stderr(&output).contains("maxDuration = 800"),
        "{}",
        stderr(&output)
    );
    let served = Served::start(&path, &["--limit-max-wall", "5m"], |_| {});
    assert_eq!(cell(&served.banner.join("\n"), "/long"), Some("300s".into()));
    assert!(
        served.log().contains("maxDuration = 800 of app/long/route.ts is cut to 300s"),
        "{}",
        served.log()
    );
    drop(served);
    // `routes` knows what `serve` would be told by the file.
    let _project = project.file("edgehost.toml", "limit-max-wall = \"1500ms\"");
    assert_eq!(cell(&stdout(&routes()), "/long"), Some("1.5s".into()));
}

#[tokio::test]
async fn routes_warns_of_what_serve_warns_of() {
    let project = hello()
        .file("lib/old.ts", "export const here = 1;")
        .file("app/gone/route.ts", "import { gone } from '../../lib/old';\nexport const revalidate = 60;\nexport const GET = () => new Response(typeof gone);");
    let warnings = |log: &str| -> Vec<String> {
        let lines = log.lines().filter(|line| line.contains("warning"));
        lines.map(str::to_owned).collect()
    };
    let output = run(&["routes", project.path().to_str().expect("UTF-8")]);
    let said = warnings(&stderr(&output));
    assert!(said.iter().any(|line| line.contains("\"gone\" is not exported by \"lib/old.ts\"")), "{said:?}");
    assert!(said.iter().any(|line| line.contains("revalidate")), "{said:?}");
    let served = Served::start(&project.path(), &[], |_| {});
    eventually("the same warnings", async || warnings(&served.log()) == said).await;
    // The kept bundle knows them too.
    let output = run(&["routes", project.path().to_str().expect("UTF-8")]);
    assert_eq!(warnings(&stderr(&output)), said);
}

#[test]
fn the_limits_in_the_readme_are_the_real_ones() {
    let readme = include_str!("../../README.md");
    let mut defaults = std::collections::BTreeMap::new();
    let rows = readme.lines().filter(|line| line.starts_with('|') && line.contains("| `--"));
    for row in rows.filter(|row| row.contains("`--limit-") || row.contains("`--recycle-after`")) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let values: Vec<_> = cells[1].split(';').collect();
        let flags: Vec<_> = cells[2].split(',').collect();
        assert_eq!(values.len(), flags.len(), "a value for each flag: {row}");
        for (value, flag) in values.into_iter().zip(flags) {
            let value = value.replace(' ', "").replace("min", "m");
            defaults.insert(flag.trim().trim_matches('`').trim_start_matches('-').to_owned(), value);
        }
    }
    let real = edgehost::Limits::default();
    let real = real.entries().map(|(flag, value)| (flag.to_owned(), value));
    assert_eq!(defaults, real.collect());
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
        "mount -t tmpfs none {} && exec {} serve {} --port 0",
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
        command.arg("serve").arg(project.path()).args(["--port", "0"]);
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
    let served = Served {
        child,
        address,
        banner: Vec::new(),
        log: std::sync::Arc::default(),
        said: std::sync::Arc::default(),
    };
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
