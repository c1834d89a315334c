//! Fuzzing, on the compiler that builds everything else: what is given to LLVM here is what
//! cargo-fuzz gives it too, which wants a nightly compiler for its sanitizers.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail, ensure};

use crate::{root, say};

/// Targets of `fuzz/`, whose code is compiled for it.
const TARGETS: [&str; 6] = ["authority", "headers", "answers", "chunked", "decoding", "wire"];

/// Forms are read by JavaScript: a test of the served program, for as long.
const MULTIPART: &str = "multipart";

/// Has each branch of the code counted, and what is compared told.
const PASSES: [&str; 6] = [
    "--cfg fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// Longest time, and most memory, for one input.
const SECONDS: u32 = 10;
const MIB: u32 = 2048;

pub(crate) fn run(words: &[&str]) -> anyhow::Result<()> {
    let (name, minutes) = match words {
        [name] => (*name, 5.0),
        [name, "--minutes", minutes] => (*name, minutes.parse().context("--minutes wants a number")?),
        _ => bail!("fuzz wants a target, one of {} and {MULTIPART}, or `all`", TARGETS.join(", ")),
    };
    ensure!(minutes > 0.0, "--minutes wants a number above 0");
    match name {
        "all" => {
            for name in TARGETS {
                fuzz(name, minutes)?;
            }
            forms(minutes)
        }
        MULTIPART => forms(minutes),
        name if TARGETS.contains(&name) => fuzz(name, minutes),
        _ => bail!("there is no target {name}: {} and {MULTIPART} are there", TARGETS.join(", ")),
    }
}

fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// The platform that this machine builds for: with it named, build scripts and macros are
/// compiled without the flags.
fn platform() -> anyhow::Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("cannot start rustc")?;
    let text = String::from_utf8(output.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not say what it builds for")
}

fn fuzz(name: &str, minutes: f64) -> anyhow::Result<()> {
    let platform = platform()?;
    let folder = root().join("target/fuzz");
    let status = cargo()
        .args(["build", "--release", "--locked", "--manifest-path", "fuzz/Cargo.toml", "--bin", name])
        .args(["--target", &platform, "--target-dir", "target/fuzz"])
        .env("RUSTFLAGS", PASSES.join(" "))
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "the target {name} cannot be built; libFuzzer wants a C++ compiler");
    let made = |kind: &str| -> anyhow::Result<PathBuf> {
        let path = folder.join(kind).join(name);
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    };
    let (corpus, findings) = (made("corpus")?, made("findings")?);
    say(&format!("{name}: {minutes} minutes; inputs that reach new code are kept in {}", corpus.display()));
    let status = Command::new(folder.join(platform).join("release").join(name))
        .arg(&corpus)
        .arg(root().join("fuzz/seeds").join(name))
        .arg(format!("-max_total_time={:.0}", minutes * 60.0))
        .arg(format!("-timeout={SECONDS}"))
        .arg(format!("-rss_limit_mb={MIB}"))
        .arg(format!("-artifact_prefix={}/", findings.display()))
        .arg("-print_final_stats=1")
        .status()
        .with_context(|| format!("cannot start the target {name}"))?;
    ensure!(status.success(), "{name}: the input is in {}; make a seed of it", findings.display());
    Ok(())
}

fn forms(minutes: f64) -> anyhow::Result<()> {
    let status = cargo()
        .args([
            "test",
            "--release",
            "--test",
            "integration",
            "--",
            "--nocapture",
            "--exact",
            "it::multipart::forms",
        ])
        .env("EDGEHOST_FUZZ_SECONDS", format!("{:.0}", minutes * 60.0))
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "{MULTIPART}: the form is above");
    Ok(())
}
