//! The examples do what their READMEs say.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::harness::program;

struct Running(Child, String);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Starts a program that prints its address.
fn start(command: &mut Command) -> Running {
    let mut child =
        command.current_dir(root()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("started");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
        let (_, rest) = line.split_once("Listening on http://")?;
        rest.split_whitespace().next().map(str::to_owned)
    });
    std::thread::spawn(move || lines.for_each(drop));
    Running(child, address.expect("it says where it listens"))
}

fn have_curl() -> bool {
    let found = Command::new("curl").arg("--version").output().is_ok();
    if !found {
        eprintln!("SKIPPED: curl is not installed, so the commands of the READMEs are not run");
    }
    found
}

fn sh(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).current_dir(root()).output().expect("a shell");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Commands of a README's console blocks, each with what it prints.
fn console(readme: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    for block in readme.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        for line in block.lines() {
            match (line.strip_prefix("$ "), commands.last_mut()) {
                (Some(command), _) => commands.push((command.to_owned(), String::new())),
                (None, Some((_, output))) => {
                    output.push_str(line);
                    output.push('\n');
                }
                (None, None) => {}
            }
        }
    }
    commands
}

#[test]
fn the_tour_answers_as_its_readme_says() {
    if !have_curl() {
        return;
    }
    answers_as_its_readme_says(&start(Command::new(program()).args([
        "serve",
        "examples/tour",
        "--port",
        "0",
    ])));
}

/// Built for another machine, with variables that are there.
#[test]
fn the_tour_answers_so_where_it_was_built_before() {
    if !have_curl() {
        return;
    }
    let place = tempfile::tempdir().expect("a folder");
    let out = place.path().join("tour");
    let mut build = Command::new(program());
    build.args(["build", "examples/tour", "--out"]).arg(&out).current_dir(root());
    assert!(build.output().expect("started").status.success());
    std::fs::copy(root().join("examples/tour/.env"), out.join(".env")).expect("copied");
    answers_as_its_readme_says(&start(Command::new(program()).arg("serve").arg(&out).args(["--port", "0"])));
}

fn answers_as_its_readme_says(tour: &Running) {
    let readme = std::fs::read_to_string(root().join("examples/tour/README.md")).expect("a README");
    let commands = console(&readme);
    assert!(commands.len() > 20, "{commands:?}");
    for (command, expected) in commands {
        let printed = sh(&command.replace("localhost:3000", &tour.1));
        let printed = printed.replace(&tour.1, "localhost:3000");
        assert_eq!(printed.trim_end(), expected.trim_end(), "{command}");
    }
}

#[test]
fn the_first_screen_of_the_readme_is_true() {
    if !have_curl() {
        return;
    }
    let tour = start(Command::new(program()).args(["serve", "examples/tour", "--port", "0"]));
    let readme = std::fs::read_to_string(root().join("README.md")).expect("a README");
    let commands = console(&readme);
    assert!(!commands.is_empty());
    for (command, expected) in commands.iter().filter(|(command, _)| command.starts_with("curl")) {
        let printed = sh(&command.replace("localhost:3000", &tour.1));
        assert_eq!(printed.trim_end(), expected.trim_end(), "{command}");
    }
}

#[test]
fn every_route_of_the_tour_is_in_its_readme() {
    let readme = std::fs::read_to_string(root().join("examples/tour/README.md")).expect("a README");
    for entry in std::fs::read_dir(root().join("examples/tour/app")).expect("readable").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(readme.contains(&format!("localhost:3000/{name}")), "{name}");
    }
}

#[test]
fn axum_and_handlers_share_a_port() {
    if !have_curl() {
        return;
    }
    let embed = program().parent().expect("a folder").join("examples/embed");
    let served = start(Command::new(embed).args(["examples/tour", "0"]));
    assert_eq!(sh(&format!("curl -s {}/native", served.1)), "from axum\n");
    assert_eq!(sh(&format!("curl -s {}/hello", served.1)), "hello from edgehost\n");
    assert_eq!(sh(&format!("curl -s -d streamed {}/echo", served.1)), "streamed");
    assert_eq!(sh(&format!("curl -s -o /dev/null -w '%{{http_code}}' {}/limits/slow", served.1)), "504");
}
