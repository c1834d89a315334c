//! What `draftMode()` compares its cookie with.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use sha2::{Digest, Sha256};

/// Only the host's own user reads it: who knows it sees every draft.
const MODE: u32 = 0o600;

/// Hex digits of a secret.
const DIGITS: usize = 32;

/// Bytes that a configured secret has at least.
pub(crate) const SHORTEST_DRAFT_SECRET: usize = 16;

/// The cookie's value for a secret that was configured. It is derived, so that the cookie
/// does not tell what may be the secret of other things as well, and has no letter that a
/// cookie cannot hold.
pub(crate) fn draft_secret_from(configured: &str) -> String {
    let digest = Sha256::new().chain_update("edgehost draft mode\0").chain_update(configured).finalize();
    hex(digest.get(..DIGITS / 2).unwrap_or_default())
}

/// The secret in a project's `.edgehost/`, which outlives restarts; made where there is
/// none. Where nothing can be kept, it is one for this process.
///
/// # Errors
///
/// When the system gives no random numbers.
pub(crate) fn kept_draft_secret(root: &Path) -> io::Result<String> {
    let folder = root.join(".edgehost");
    let path = folder.join("draft-secret");
    if let Some(kept) = read(&path) {
        return Ok(kept);
    }
    let secret = new_draft_secret()?;
    keep(&folder, &path, secret.clone()).or_else(|error| {
        tracing::debug!(%error, path = %path.display(), "the draft secret is not kept");
        Ok(secret)
    })
}

/// A secret that nobody has.
///
/// # Errors
///
/// When the system gives no random numbers.
pub(crate) fn new_draft_secret() -> io::Result<String> {
    let mut random = [0; DIGITS / 2];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(hex(&random))
}

/// Puts `secret` at `path` as a whole. Another process may have been first: then its
/// secret counts for both.
fn keep(folder: &Path, path: &Path, secret: String) -> io::Result<String> {
    fs::create_dir_all(folder)?;
    // Held until the end of this function, or of the process.
    let lock = File::open(folder)?;
    lock.lock()?;
    if let Some(kept) = read(path) {
        return Ok(kept);
    }
    let temporary = folder.join(format!(".draft-secret-{}", std::process::id()));
    // Of a process with the same number that was killed in here.
    let _ = fs::remove_file(&temporary);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&temporary)?;
    file.write_all(secret.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    Ok(secret)
}

/// A sound secret, which nobody else may read from now on.
fn read(path: &Path) -> Option<String> {
    let file = File::open(path).ok()?;
    let metadata = file.metadata().ok().filter(fs::Metadata::is_file)?;
    let mut text = String::new();
    (&file).take(DIGITS as u64 + 1).read_to_string(&mut text).ok()?;
    if text.len() != DIGITS || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    if metadata.permissions().mode() & 0o777 != MODE {
        // As a file of somebody else it cannot be changed, but still be used.
        let _ = file.set_permissions(Permissions::from_mode(MODE));
    }
    Some(text)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_start_together_agree_on_one_secret() {
        for round in 0..20 {
            let project = std::env::temp_dir().join(format!("edgehost-draft-{}-{round}", std::process::id()));
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    let project = project.clone();
                    std::thread::spawn(move || kept_draft_secret(&project).expect("a secret"))
                })
                .collect();
            let secrets: Vec<String> =
                threads.into_iter().map(|thread| thread.join().expect("no panic")).collect();
            let folder = project.join(".edgehost");
            let names: Vec<_> =
                fs::read_dir(&folder).expect("a folder").flatten().map(|e| e.file_name()).collect();
            let mode = fs::metadata(folder.join("draft-secret")).expect("a file").permissions().mode();
            fs::remove_dir_all(&project).expect("removed");
            assert!(
                secrets.iter().all(|secret| *secret == secrets[0] && secret.len() == DIGITS),
                "{secrets:?}"
            );
            assert_eq!((names, mode & 0o777), (vec!["draft-secret".into()], 0o600));
        }
    }
}
