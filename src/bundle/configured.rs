//! `next.config` itself: bundled as routes are, and what came of running it, kept in the
//! project's `.edgehost/`.
//!
//! What it set is used again while the files that it was made of, the variables that it could
//! see and what it may reach are as they were. Files that it reads while it runs do not count.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::cache::{Aside, MAKERS, folder, make_folder};
use super::inputs::{Inputs, Recorder};
use super::{BundleError, Conditions, Failure, Part, Setting, package_of, rolldown};
use crate::build::{Build, BuiltRoute, Manifest, Role, digest};
use crate::project::{NextConfig, Runtime};

/// What came of running a configuration, beside what it depends on.
#[derive(Serialize, Deserialize)]
struct Kept {
    key: ConfigKey,
    inputs: Inputs,
    config: NextConfig,
}

/// What a configuration depends on besides its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConfigKey {
    makers: String,
    file: String,
    conditions: Conditions,
    /// A hash of what it runs with.
    circumstances: String,
}

impl ConfigKey {
    /// For the file as people know it. `circumstances` are the variables that it sees and
    /// whatever else changes what it does.
    pub(crate) fn new(file: &str, conditions: &Conditions, circumstances: &str) -> Self {
        Self {
            makers: MAKERS.to_owned(),
            file: file.to_owned(),
            conditions: conditions.clone(),
            circumstances: digest(circumstances.as_bytes()),
        }
    }

    /// What came of it last time, if nothing has changed since.
    pub(crate) fn kept(&self, root: &Path) -> Option<NextConfig> {
        let kept: Kept = serde_json::from_slice(&fs::read(place(root)).ok()?).ok()?;
        (kept.key == *self && kept.inputs.changed().is_none()).then_some(kept.config)
    }
}

fn place(root: &Path) -> PathBuf {
    folder(root).join("next.config")
}

/// A configuration that can be run.
pub(crate) struct ConfigModule {
    /// Its module, as the only route of a build.
    build: Build,
    recorder: Arc<Recorder>,
    inputs: Vec<PathBuf>,
}

impl ConfigModule {
    /// Bundles a configuration with the packages that it uses.
    ///
    /// # Errors
    ///
    /// [`BundleError`] with every mistake in it.
    pub(crate) async fn bundle(
        root: &Path,
        path: &Path,
        shown: &str,
        conditions: &Conditions,
    ) -> Result<Self, BundleError> {
        let recorder = Arc::new(Recorder::new());
        let kind = Runtime::NodeJs;
        let setting = Setting {
            development: false,
            keeps_parts: false,
            root: root.to_owned(),
            kind,
            conditions: conditions.of(kind).to_vec(),
            file_rules: Vec::new(),
            strict_exports: false,
            is_config: true,
            constants: BTreeMap::new(),
            aliases: BTreeMap::new(),
            recorder: recorder.clone(),
        };
        let Part { chunks, entries, inputs, failures, .. } = rolldown::run(setting, &[(0, path)]).await?;
        if !failures.is_empty() {
            let problems = failures.into_iter().map(|Failure { problem, .. }| problem);
            return Err(BundleError::Problems(problems.collect()));
        }
        let (_, entry) = entries
            .into_iter()
            .next()
            .ok_or_else(|| BundleError::Bundler(format!("no output for {shown}")))?;
        let route = BuiltRoute {
            pattern: shown.to_owned(),
            file: shown.to_owned(),
            role: Role::Config,
            runtime: kind,
            max_duration: None,
            entry: Ok(entry),
        };
        let packages: std::collections::BTreeSet<PathBuf> = inputs
            .iter()
            .filter(|input| !input.starts_with(root) && package_of(input).is_some())
            .filter_map(|input| {
                Some(Path::new(input.to_str()?.split_once("/node_modules/")?.0).join("node_modules"))
            })
            .map(|folder| crate::build::relative(root, &folder))
            .collect();
        let manifest = Manifest {
            routes: vec![route],
            node: vec![kind],
            sync_params: false,
            packages: packages.into_iter().collect(),
            state: Vec::new(),
            config: NextConfig::default(),
            middleware: None,
        };
        Ok(Self { build: Build { manifest, chunks }, recorder, inputs })
    }

    /// Its module, and what it was made of.
    pub(crate) fn into_parts(self) -> (Build, Recorded) {
        (self.build, Recorded { recorder: self.recorder, inputs: self.inputs })
    }
}

/// What a configuration was made of.
pub(crate) struct Recorded {
    recorder: Arc<Recorder>,
    inputs: Vec<PathBuf>,
}

impl Recorded {
    /// Keeps what came of running it. What cannot be kept is found out again.
    pub(crate) fn keep(&self, root: &Path, key: ConfigKey, config: &NextConfig) {
        if let Err(error) = self.write(root, key, config) {
            tracing::info!(%error, "what next.config sets is not kept: the next start runs it again");
        }
    }

    fn write(&self, root: &Path, key: ConfigKey, config: &NextConfig) -> io::Result<()> {
        let inputs = self.recorder.inputs(root, &self.inputs, &key.conditions)?;
        let kept = serde_json::to_vec(&Kept { key, inputs, config: config.clone() })?;
        let aside = Aside::new(&make_folder(root)?)?;
        (&aside.file).write_all(&kept)?;
        aside.put(&place(root)).map(drop)
    }
}
