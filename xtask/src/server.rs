//! A server that runs while something is tried on it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};

/// A running program that said where it listens; it ends with this.
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) child: Child,
    /// `host:port`.
    pub(crate) address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts a program that prints its address, and waits until it did.
    pub(crate) fn start(name: &str, mut command: Command) -> anyhow::Result<Self> {
        let mut child =
            command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {name}"))?;
        let output = child.stdout.take().context("no output")?;
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let mut seen = String::new();
        let address = lines.by_ref().find_map(|line| {
            seen.push_str(&line);
            seen.push('\n');
            address_in(&line)
        });
        let Some(address) = address else {
            let _ = child.kill();
            bail!("{name} did not say where it listens:\n{seen}");
        };
        // What it prints from now on has to be read by somebody.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { name: name.to_owned(), child, address })
    }
}

/// `host:port` in a line such as `Listening on http://127.0.0.1:3000/`.
pub(crate) fn address_in(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("http://")?;
    let address: String =
        rest.chars().take_while(|c| c.is_ascii_alphanumeric() || ".:-".contains(*c)).collect();
    address.contains(':').then(|| address.replace("localhost", "127.0.0.1").replace("0.0.0.0", "127.0.0.1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_what_servers_print() {
        assert_eq!(address_in("Listening on http://127.0.0.1:4000  ready"), Some("127.0.0.1:4000".into()));
        assert_eq!(address_in("   - Local:  http://localhost:3000"), Some("127.0.0.1:3000".into()));
        assert_eq!(address_in("no address"), None);
    }
}
