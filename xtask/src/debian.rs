//! Packages of Debian and its relatives.

use std::process::Command;

use anyhow::{Context, bail, ensure};

use crate::say;

/// Makes sure that packages are installed: as root with apt, otherwise by naming the
/// line to type. `purpose` completes "These packages are needed ...".
pub(crate) fn need(packages: &[&str], purpose: &str) -> anyhow::Result<()> {
    let missing: Vec<&str> = packages.iter().copied().filter(|package| !is_installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let line = format!("apt-get install -y {}", missing.join(" "));
    if !have("apt-get") {
        bail!("{} needed {purpose}; on Debian or Ubuntu:\n\n    sudo {line}\n", missing.join(", "));
    }
    if !is_root() {
        bail!("these packages are needed {purpose}. Install them and try again:\n\n    sudo {line}\n");
    }
    say(&format!("Installing {} ({purpose}).", missing.join(", ")));
    let apt = |arguments: &[&str]| -> anyhow::Result<bool> {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        Ok(command.status().context("cannot start apt-get")?.success())
    };
    // An old list of packages may still do.
    let _ = apt(&["update", "-qq"]);
    let install = [&["install", "-y", "-qq", "--no-install-recommends"], missing.as_slice()].concat();
    ensure!(apt(&install)?, "`{line}` did not work: see above, and that Debian's packages are within reach");
    Ok(())
}

/// Whether this process may install packages.
pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// Whether a program is on the path.
pub(crate) fn have(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

fn is_installed(package: &str) -> bool {
    let status = Command::new("dpkg-query").args(["-W", "-f=${Status}", package]).output();
    status.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("install ok installed"))
}
