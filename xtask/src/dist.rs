//! `cargo xtask dist`: what people install, in `target/dist/packages`.
//!
//! An archive, npm packages, a Debian package, their checksums. Each holds the program, its
//! licence and the licences of all that is inside. `dist/check.rs` installs them and tries them.

mod check;

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{licences, locked_version, root, say, tools};

/// A kind of machine that there are packages for.
struct Platform {
    /// As Rust calls it.
    target: &'static str,
    /// The npm package below `@edgehost/`; `packaging/npm/edgehost.js` finds it by this name.
    npm: &'static str,
    /// `os`, `cpu` and `libc` of that package.
    limits: [&'static str; 3],
    /// The oldest glibc that has all that the program asks for.
    glibc: Version,
}

/// The one list of platforms; `docs/deploy.md` repeats it for people, and a test compares them.
const PLATFORMS: [Platform; 1] = [Platform {
    target: "x86_64-unknown-linux-gnu",
    npm: "linux-x64-gnu",
    limits: ["linux", "x64", "glibc"],
    glibc: Version(2, 35),
}];

/// A version of glibc.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32);

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// What all packages are made from and go to.
struct Dist {
    version: String,
    platform: &'static Platform,
    /// The program without symbols, and what is made for it. cargo-deb looks for the program in a
    /// folder that is called after the profile.
    stage: PathBuf,
    /// The packages.
    out: PathBuf,
}

const TEXTS: &str = "THIRD-PARTY-LICENSES.txt";
const MANUAL: &str = "edgehost.1";

pub(crate) fn run(arguments: &[&str]) -> anyhow::Result<()> {
    let mut binary = None;
    let mut checks = false;
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        match *word {
            "--binary" => binary = Some(PathBuf::from(rest.next().context("--binary wants a path")?)),
            "--check" => checks = true,
            other => bail!("unknown flag: {other}; there are --binary PATH and --check"),
        }
    }
    let host = format!("{}-unknown-{}-gnu", std::env::consts::ARCH, std::env::consts::OS);
    let platform = PLATFORMS.iter().find(|platform| platform.target == host);
    let dist = Dist {
        version: locked_version("edgehost")?,
        platform: platform.with_context(|| format!("there are no packages for this platform ({host})"))?,
        stage: root().join("target/dist/stage/dist"),
        out: root().join("target/dist/packages"),
    };
    let binary = match binary {
        Some(binary) => binary,
        None => {
            crate::set_up()?;
            say("Building edgehost with the profile `dist`: an hour on 2 cores.");
            build()?;
            root().join("target/dist/edgehost")
        }
    };
    for folder in [&dist.stage, &dist.out] {
        // Nothing of last time gets into what is packed now.
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    dist.take(&binary)?;
    licences::write(&dist.stage.join(TEXTS))?;
    fs::write(dist.stage.join(MANUAL), dist.manual()?)?;
    let archive = dist.archive(&dist.out)?;
    dist.npm()?;
    dist.debian()?;
    dist.sums()?;
    if checks {
        check::run(&dist, &archive)?;
    }
    Ok(())
}

fn build() -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--profile", "dist", "--locked", "--bin", "edgehost"]);
    // Otherwise the system's zlib is linked where its headers happen to be installed.
    run_in(root(), command.env("LIBZ_SYS_STATIC", "1"))
}

/// Libraries that are on every system with glibc.
const LIBRARIES: [&str; 4] = ["libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2"];

impl Dist {
    fn program(&self) -> PathBuf {
        self.stage.join("edgehost")
    }

    /// Takes the program over, without symbols, and looks whether it is what we say it is.
    fn take(&self, binary: &Path) -> anyhow::Result<()> {
        let program = self.program();
        run_in(&self.stage, Command::new("strip").arg("--output-file").arg(&program).arg(absolute(binary)?))
            .context("cannot take the symbols out of the program")?;
        let says = output(Command::new(&program).arg("--version"))?;
        ensure!(
            says.trim() == format!("edgehost {}", self.version),
            "{} calls itself `{}`, but Cargo.lock has {}",
            binary.display(),
            says.trim(),
            self.version
        );
        let symbols = output(Command::new("objdump").arg("--dynamic-syms").arg(&program))?;
        let needs = needed_glibc(&symbols).context("the program uses no glibc")?;
        ensure!(
            needs <= self.platform.glibc,
            "the program needs glibc {needs}, but PLATFORMS (xtask/src/dist.rs) and docs/deploy.md promise {}: \
             build it on an older system, or change both",
            self.platform.glibc
        );
        let headers = output(Command::new("objdump").arg("--private-headers").arg(&program))?;
        for library in headers.lines().filter_map(|line| line.trim().strip_prefix("NEEDED")).map(str::trim) {
            if !LIBRARIES.contains(&library) {
                say(&format!(
                    "program: NOT FOR OTHERS: it wants {library} of this system (LIBZ_SYS_STATIC=1 links zlib)"
                ));
            }
        }
        let size = fs::metadata(&program)?.len();
        say(&format!("program: {} MiB, needs glibc {needs}", size >> 20));
        Ok(())
    }

    /// What lies beside the program in the archive and in its npm package.
    fn companions(&self) -> Vec<PathBuf> {
        vec![root().join("README.md"), root().join("LICENSE"), self.stage.join(TEXTS)]
    }

    /// The archive, the same for the same files: its names are sorted, its times those of the commit.
    fn archive(&self, out: &Path) -> anyhow::Result<PathBuf> {
        let name = format!("edgehost-{}-{}", self.version, self.platform.target);
        let top = self.stage.join("archive");
        let folder = top.join(&name);
        let _ = fs::remove_dir_all(&top);
        fs::create_dir_all(&folder)?;
        let mut files = self.companions();
        files.extend([
            self.program(),
            self.stage.join(MANUAL),
            root().join("CHANGELOG.md"),
            root().join("packaging/systemd/edgehost@.service"),
        ]);
        for file in files {
            copy_into(&file, &folder)?;
        }
        let path = out.join(format!("{name}.tar.gz"));
        let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut gzip = GzEncoder::new(BufWriter::new(file), Compression::best());
        let mut tar = Command::new("tar")
            .args(["--create", "--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
            .arg("--mode=u=rwX,go=rX")
            .arg(format!("--mtime=@{}", source_time()?))
            .arg(&name)
            .current_dir(&top)
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start tar")?;
        std::io::copy(&mut tar.stdout.take().context("tar has no output")?, &mut gzip)?;
        ensure!(tar.wait()?.success(), "tar failed");
        gzip.finish()?.flush()?;
        fs::remove_dir_all(&top)?;
        Ok(path)
    }

    /// A small package that people name, and one for each platform that holds the program.
    fn npm(&self) -> anyhow::Result<()> {
        let main = self.stage.join("npm/edgehost");
        fs::create_dir_all(main.join("bin"))?;
        fs::copy(root().join("packaging/npm/edgehost.js"), main.join("bin/edgehost.js"))?;
        copy_into(&root().join("packaging/npm/README.md"), &main)?;
        copy_into(&root().join("LICENSE"), &main)?;
        write_json(&main.join("package.json"), &main_manifest(&self.version))?;
        self.pack(&main)?;

        let own = self.stage.join("npm").join(self.platform.npm);
        fs::create_dir_all(own.join("bin"))?;
        copy_into(&self.program(), &own.join("bin"))?;
        for file in self.companions() {
            copy_into(&file, &own)?;
        }
        let about = format!(
            "# @edgehost/{}\n\nThe program of [edgehost](https://www.npmjs.com/package/edgehost) for {}.\n",
            self.platform.npm, self.platform.target
        );
        fs::write(own.join("README.md"), about)?;
        write_json(&own.join("package.json"), &platform_manifest(self.platform, &self.version))?;
        self.pack(&own)
    }

    fn pack(&self, package: &Path) -> anyhow::Result<()> {
        let mut npm = Command::new("npm");
        npm.args(["pack", "--silent", "--ignore-scripts", "--pack-destination"]).arg(&self.out);
        output(npm.current_dir(package)).context("npm is needed: it comes with Node.js")?;
        Ok(())
    }

    /// The Debian package, by `[package.metadata.deb]` of Cargo.toml.
    fn debian(&self) -> anyhow::Result<()> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&fs::read(self.stage.join(MANUAL))?)?;
        fs::write(self.stage.join(format!("{MANUAL}.gz")), gzip.finish()?)?;
        let mut command = Command::new(tools::cargo_deb()?);
        command
            .args(["--profile", "dist", "--no-build", "--no-strip", "--locked", "--offline", "--quiet"])
            .args(["--compress-type", "xz", "--output"])
            .arg(&self.out)
            .env("CARGO_TARGET_DIR", self.stage.parent().context("the stage has a parent")?)
            .env("SOURCE_DATE_EPOCH", source_time()?);
        output(command.current_dir(root())).context("cargo-deb failed")?;
        Ok(())
    }

    fn debian_file(&self) -> anyhow::Result<PathBuf> {
        self.files()?
            .into_iter()
            .find(|file| file.extension().is_some_and(|ending| ending == "deb"))
            .context("there is no Debian package")
    }

    fn files(&self) -> anyhow::Result<Vec<PathBuf>> {
        let mut files = fs::read_dir(&self.out)?
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<Vec<PathBuf>>>()?;
        files.sort();
        Ok(files)
    }

    /// `SHA256SUMS`, as `sha256sum --check` reads it.
    fn sums(&self) -> anyhow::Result<()> {
        let mut sums = String::new();
        say(&format!("packages in {}:", self.out.display()));
        for file in self.files()? {
            let name = file.file_name().context("a file without a name")?.to_string_lossy().into_owned();
            let kilobytes = fs::metadata(&file)?.len() / 1000;
            say(&format!("  {name}, {:.1} MB", f64::from(u32::try_from(kilobytes)?) / 1000.0));
            sums.push_str(&format!("{}  {name}\n", sha256(&file)?));
        }
        fs::write(self.out.join("SHA256SUMS"), &sums).context("cannot write SHA256SUMS")
    }

    /// The manual page: what `--help` says, in the form that `man` reads.
    fn manual(&self) -> anyhow::Result<String> {
        let help = |arguments: &[&str]| {
            let mut program = Command::new(self.program());
            // Defaults that come from variables would be those of this machine.
            program.args(arguments).env_clear().env("COLUMNS", "100");
            output(&mut program)
        };
        let mut page = format!(
            ".TH EDGEHOST 1 \"\" \"edgehost {}\" \"User Commands\"\n.SH NAME\n\
             edgehost \\- serves Next.js route handlers on V8, without Next.js\n.SH SYNOPSIS\n\
             .B edgehost serve\n[options] [DIR]\n.br\n.B edgehost routes\n[DIR]\n",
            self.version
        );
        for (title, arguments) in [
            ("DESCRIPTION", &["--help"][..]),
            ("EDGEHOST SERVE", &["serve", "--help"]),
            ("EDGEHOST ROUTES", &["routes", "--help"]),
        ] {
            page.push_str(&format!(".SH {title}\n"));
            page.push_str(&manual_of(&help(arguments)?));
        }
        page.push_str(".SH FILES\n.TP\n.I edgehost.toml\nsettings, beside the app folder\n");
        page.push_str(".TP\n.I .edgehost/\nwhat edgehost keeps of a project: its bundle\n");
        Ok(page)
    }
}

/// What clap prints, for `man`: headings stand at the margin, flags are indented by two, their
/// texts by more.
fn manual_of(help: &str) -> String {
    let escape = |text: &str| {
        let text = text.replace('\\', "\\e").replace('-', "\\-");
        if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
    };
    let mut page = String::new();
    let mut is_text = false;
    for line in help.lines() {
        let indent = line.len() - line.trim_start().len();
        let text = line.trim();
        let is_item = indent > 0 && indent <= 6 && text.starts_with(['-', '[', '<'])
            || indent == 2 && text.split_once("  ").is_some();
        if text.is_empty() {
            is_text = false;
        } else if indent == 0 && text.starts_with("Usage:") {
            page.push_str(&format!(".PP\n{}\n", escape(text)));
        } else if indent == 0 && text.ends_with(':') {
            page.push_str(&format!(".SS {}\n", escape(text.trim_end_matches(':'))));
        } else if is_item {
            // Short helps have the text beside the flag.
            let (item, beside) = text.split_once("  ").unwrap_or((text, ""));
            page.push_str(&format!(".TP\n.B {}\n", escape(item)));
            if !beside.trim().is_empty() {
                page.push_str(&format!("{}\n", escape(beside.trim())));
            }
            is_text = true;
        } else {
            // A paragraph of its own; below a flag it stays indented.
            if !is_text {
                page.push_str(if indent > 0 { ".IP\n" } else { ".PP\n" });
            }
            page.push_str(&format!("{}\n", escape(text)));
            is_text = true;
        }
    }
    page
}

/// The newest version of glibc among the symbols that `objdump --dynamic-syms` lists.
fn needed_glibc(symbols: &str) -> Option<Version> {
    let versions = symbols.split("GLIBC_").skip(1).filter_map(|rest| {
        let text: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        let mut numbers = text.split('.').map(str::parse);
        Some(Version(numbers.next()?.ok()?, numbers.next()?.ok()?))
    });
    versions.max()
}

/// `package.json` of the package that people name.
fn main_manifest(version: &str) -> serde_json::Value {
    let platforms: serde_json::Map<_, _> =
        PLATFORMS.iter().map(|platform| (format!("@edgehost/{}", platform.npm), json!(version))).collect();
    json!({
        "name": "edgehost",
        "version": version,
        "description": "Serves Next.js route handlers (app/**/route.ts) on V8, without Next.js",
        "keywords": ["nextjs", "route handlers", "server", "v8", "edge"],
        "license": "MIT",
        "bin": { "edgehost": "bin/edgehost.js" },
        "files": ["bin"],
        "engines": { "node": ">=18" },
        "optionalDependencies": platforms,
    })
}

/// `package.json` of the package that holds the program.
fn platform_manifest(platform: &Platform, version: &str) -> serde_json::Value {
    let [os, cpu, libc] = platform.limits;
    json!({
        "name": format!("@edgehost/{}", platform.npm),
        "version": version,
        "description": format!("The program of edgehost for {}", platform.target),
        "license": "MIT",
        "files": ["bin", TEXTS],
        "os": [os],
        "cpu": [cpu],
        "libc": [libc],
        // Not to be unpacked by Yarn's Plug'n'Play from an archive: a program has to be a file.
        "preferUnplugged": true,
    })
}

/// The time that files in packages have: that of the commit, unless SOURCE_DATE_EPOCH says else.
fn source_time() -> anyhow::Result<String> {
    if let Some(time) = std::env::var_os("SOURCE_DATE_EPOCH") {
        return time.into_string().ok().context("SOURCE_DATE_EPOCH is no text");
    }
    let time = output(Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(root()))?;
    Ok(time.trim().to_owned())
}

fn sha256(file: &Path) -> anyhow::Result<String> {
    let mut reader = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    path.canonicalize().with_context(|| format!("there is no {}", path.display()))
}

fn copy_into(file: &Path, folder: &Path) -> anyhow::Result<()> {
    let name = file.file_name().context("a file without a name")?;
    fs::copy(file, folder.join(name)).with_context(|| format!("cannot copy {}", file.display()))?;
    Ok(())
}

fn write_json(path: &Path, value: &serde_json::Value) -> anyhow::Result<()> {
    fs::write(path, format!("{value:#}\n")).with_context(|| format!("cannot write {}", path.display()))
}

fn run_in(folder: &Path, command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.current_dir(folder).status().with_context(|| format!("cannot start {name}"))?;
    ensure!(status.success(), "{name} ended with {status}");
    Ok(())
}

/// What a command prints; its complaints are ours.
fn output(command: &mut Command) -> anyhow::Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start {name}"))?;
    ensure!(output.status.success(), "{name} ended with {}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use check::Scratch;

    /// A fake program that tells what happens to it, behind the real launcher.
    struct Launcher {
        scratch: Scratch,
    }

    impl Launcher {
        fn new(name: &str, program: &str) -> Option<Self> {
            if Command::new("node").arg("--version").output().is_err() {
                say("SKIPPED: there is no Node.js to start the npm package with");
                return None;
            }
            let scratch = Scratch::new(&format!("launcher-{name}")).expect("a folder");
            let main = scratch.0.join("node_modules/edgehost");
            fs::create_dir_all(main.join("bin")).expect("folders");
            fs::copy(root().join("packaging/npm/edgehost.js"), main.join("bin/edgehost.js")).expect("copied");
            write_json(&main.join("package.json"), &main_manifest("1.0.0")).expect("written");
            let own = scratch.0.join("node_modules/@edgehost").join(PLATFORMS[0].npm).join("bin");
            fs::create_dir_all(&own).expect("folders");
            let path = own.join("edgehost");
            fs::write(&path, format!("#!/bin/sh\n{program}\n")).expect("written");
            run_in(&own, Command::new("chmod").args(["755", "edgehost"])).expect("executable");
            Some(Self { scratch })
        }

        /// The launcher, in a Node.js where `before` was run first.
        fn command(&self, before: &str, arguments: &[&str]) -> Command {
            let mut command = Command::new("node");
            let file = self.scratch.0.join("node_modules/edgehost/bin/edgehost.js");
            command.args(["--eval", &format!("{before}; require({:?})", file.display().to_string()), "--"]);
            command.args(arguments).stdin(Stdio::null()).env_remove("npm_execpath");
            command
        }
    }

    /// `--eval` leaves out the name of the script that `process.argv` has otherwise.
    const AS_SCRIPT: &str = "process.argv.splice(1, 0, 'edgehost')";

    #[test]
    fn the_launcher_hands_on_arguments_and_exit_code() {
        let Some(launcher) = Launcher::new("arguments", "for word; do echo \"<$word>\"; done; exit 7") else {
            return;
        };
        let output = launcher.command(AS_SCRIPT, &["serve", "two words", ""]).output().expect("node");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "<serve>\n<two words>\n<>\n");
        assert_eq!(output.status.code(), Some(7));
    }

    #[test]
    fn the_launcher_hands_on_signals_once() {
        let program = "n=0; trap 'n=$((n+1))' TERM INT; echo ready; for i in $(seq 200)\n\
                       do [ $n = 0 ] || break; sleep 0.05; done; sleep 0.3; exit $n";
        let Some(launcher) = Launcher::new("signals", program) else { return };
        for signal in ["TERM", "INT"] {
            let mut child = launcher.command(AS_SCRIPT, &[]).stdout(Stdio::piped()).spawn().expect("node");
            let mut ready = [0; 6];
            child.stdout.as_mut().expect("output").read_exact(&mut ready).expect("it starts");
            check::kill(signal, &child.id().to_string()).expect("sent");
            assert_eq!(check::wait(&mut child).expect("it stops").code(), Some(1), "SIG{signal}");
        }
    }

    #[test]
    fn the_launcher_ends_as_the_program_did() {
        use std::os::unix::process::ExitStatusExt;
        let Some(launcher) = Launcher::new("killed", "kill -KILL $$") else { return };
        let status = launcher.command(AS_SCRIPT, &[]).status().expect("node");
        assert_eq!(status.signal(), Some(9), "{status}");
    }

    #[test]
    fn the_launcher_stops_the_program_when_the_shell_of_npm_ends() {
        let program = "trap 'echo stopped; exit' TERM; echo ready; for i in $(seq 200); do sleep 0.05; done";
        let Some(launcher) = Launcher::new("orphan", program) else { return };
        // As npm does: a shell between it and the launcher, which alone is told to stop.
        let mut shell = Command::new("sh");
        let node = launcher.command(AS_SCRIPT, &[]);
        shell.args(["-c", "\"$@\"; true", "sh", "node"]).args(node.get_args());
        let mut shell = shell
            .env("npm_execpath", "npm")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut output = shell.stdout.take().expect("output");
        let mut ready = [0; 6];
        output.read_exact(&mut ready).expect("it starts");
        shell.kill().expect("killed");
        shell.wait().expect("gone");
        let mut rest = String::new();
        output.read_to_string(&mut rest).expect("text");
        assert_eq!(rest, "stopped\n");
    }

    #[test]
    fn the_launcher_says_what_is_missing() {
        let Some(launcher) = Launcher::new("missing", "exit 0") else { return };
        let says = |before: &str| {
            let output = launcher.command(before, &[]).output().expect("node");
            assert_eq!(output.status.code(), Some(1));
            String::from_utf8_lossy(&output.stderr).into_owned()
        };
        let other = says("Object.defineProperty(process, 'arch', { value: 'riscv64' })");
        assert!(
            other.contains("no build for this platform (linux-riscv64-gnu), only for linux-x64-gnu"),
            "{other}"
        );
        fs::remove_dir_all(launcher.scratch.0.join("node_modules/@edgehost")).expect("removed");
        let omitted = says("");
        assert!(
            omitted.contains("@edgehost/linux-x64-gnu") && omitted.contains("--omit=optional"),
            "{omitted}"
        );
    }

    #[test]
    fn the_page_names_the_platforms() {
        let page = fs::read_to_string(root().join("docs/deploy.md")).expect("docs/deploy.md");
        for platform in &PLATFORMS {
            let row = page.lines().find(|line| line.contains(platform.target)).unwrap_or_default();
            let glibc = format!("glibc {}", platform.glibc);
            assert!(row.contains(&glibc) && row.contains(platform.npm), "{}: {row}", platform.target);
        }
    }

    #[test]
    fn the_newest_glibc_counts() {
        let symbols = "0 DF *UND* 0 (GLIBC_2.2.5) free\n0 DF *UND* 0 (GLIBC_2.34) pthread_create\n\
                       0 DF *UND* 0 (GLIBC_2.9) pipe2\n0 DF *UND* 0 (GCC_3.0) _Unwind_Resume";
        assert_eq!(needed_glibc(symbols), Some(Version(2, 34)));
        assert_eq!(needed_glibc("no symbols"), None);
    }

    #[test]
    fn help_becomes_a_manual() {
        let help = "Does a thing\n\nUsage: x [OPTIONS] [DIR]\n\nArguments:\n  [DIR]\n          A folder\n\n\
                    Options:\n  -p, --port <PORT>\n          Where to listen\n          \n          \
                    [env: X_PORT=]\n\nCommands:\n  run   Runs it\n";
        let expected = ".PP\nDoes a thing\n.PP\nUsage: x [OPTIONS] [DIR]\n.SS Arguments\n.TP\n.B [DIR]\n\
                        A folder\n.SS Options\n.TP\n.B \\-p, \\-\\-port <PORT>\nWhere to listen\n.IP\n\
                        [env: X_PORT=]\n.SS Commands\n.TP\n.B run\nRuns it\n";
        assert_eq!(manual_of(help), expected);
    }
}
