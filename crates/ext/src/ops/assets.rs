//! Files of the project that edge routes fetch, as Next.js bundles them.

use std::borrow::Cow;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::rc::Rc;

use deno_core::url::Url;
use deno_core::{OpState, ResourceId, op2};
use deno_io::StdFileResourceInner;
use deno_io::fs::FileResource;
use deno_permissions::{OpenAccessKind, PermissionCheckError, PermissionsContainer};

use super::AppFacts;

/// The name of the resource of a file that is fetched.
pub(super) const ASSET: &str = "asset";

/// A file that cannot be fetched.
#[derive(Debug, thiserror::Error, deno_error::JsError)]
pub(crate) enum AssetError {
    #[class(inherit)]
    #[error(transparent)]
    Refused(#[from] PermissionCheckError),
    #[class(inherit)]
    #[error(transparent)]
    Unreadable(#[from] std::io::Error),
    #[class(type)]
    #[error("it lies outside of the project and its packages")]
    #[property("code" = "ERR_ACCESS_DENIED")]
    Outside,
    #[class(type)]
    #[error("it is no regular file")]
    #[property("code" = "EISDIR")]
    NoFile,
    #[class(type)]
    #[error("it names no file")]
    #[property("code" = "ERR_INVALID_FILE_URL_PATH")]
    NoPath,
}

/// Opens the file of a URL, to be read as a stream. Called by runtime-js/01_bootstrap.js.
#[op2(fast)]
#[smi]
pub(crate) fn op_edgehost_asset(state: &mut OpState, #[string] url: &str) -> Result<ResourceId, AssetError> {
    let url = Url::parse(url).map_err(|_| AssetError::NoPath)?;
    let path = deno_path_util::url_to_file_path(&url).map_err(|_| AssetError::NoPath)?;
    let checked = state.borrow::<PermissionsContainer>().check_open(
        Cow::Owned(path),
        OpenAccessKind::Read,
        Some("fetch()"),
    )?;
    let path = Path::new(&*checked).canonicalize()?;
    if !state.borrow::<AppFacts>().assets.iter().any(|folder| path.starts_with(folder)) {
        return Err(AssetError::Outside);
    }
    // Opening a named pipe would wait for who writes to it.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&path)?;
    if !file.metadata()?.is_file() {
        return Err(AssetError::NoFile);
    }
    let file = Rc::new(StdFileResourceInner::file(file, None));
    Ok(state.resource_table.add(FileResource::new(file, ASSET.to_owned())))
}
