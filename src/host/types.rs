//! Declarations for TypeScript, for programs that want them.

use std::path::Path;

use crate::error::Error;
use crate::project::{Environment, NextConfig, Project};
use crate::types::{self, ProjectTypes};

const WHAT: &str = "cannot write the types of the project";

impl ProjectTypes {
    /// Writes declarations for TypeScript into `.edgehost/types/` of the project in `dir`: of
    /// `next/server` and its like where `next` is not installed, of the module `edgehost`, and
    /// of the parameters of each route. Files that are as they should be are left alone.
    ///
    /// # Errors
    ///
    /// [`Error::Project`] when there are no routes, [`Error::System`] when nothing can be
    /// written.
    pub fn write(dir: impl AsRef<Path>) -> Result<Self, Error> {
        let project = Project::open(dir.as_ref(), &Environment::empty(), NextConfig::default())?;
        types::write(&project).map_err(|source| Error::System { what: WHAT, source })
    }

    /// Writes a `tsconfig.json` that includes them into the project in `dir`, if it has
    /// neither that nor a `jsconfig.json`. Tells whether it did.
    ///
    /// # Errors
    ///
    /// As [`Self::write`].
    pub fn write_tsconfig(dir: impl AsRef<Path>) -> Result<bool, Error> {
        let root = Project::root_of(dir.as_ref())?;
        types::write_tsconfig(&root).map_err(|source| Error::System { what: WHAT, source })
    }

    /// How a person who works on the project in `dir` installs a package that only they need.
    ///
    /// # Errors
    ///
    /// [`Error::Project`] when there is no project.
    pub fn install_command(dir: impl AsRef<Path>, package: &str) -> Result<String, Error> {
        Ok(Project::install_command(&Project::root_of(dir.as_ref())?, package))
    }
}
