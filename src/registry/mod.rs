//! Which apps there are, and what answers for each of them now.
//!
//! Purpose: one value that says it all, exchanged as a whole: a request finds an app by the
//! host that it names, and in the app the current version.
//! Key types: [`App`], [`Directory`], [`Registry`].
//! Where to look: `hosts` for names, `swap` for the exchange.
//! Never: threads, isolates, sockets.

mod hosts;
mod swap;

use std::collections::HashMap;
use std::sync::Arc;

use self::hosts::Hosts;
pub(crate) use self::hosts::{HostName, Names};
use self::swap::Swap;
use crate::version::{AppId, Version};

/// An app: what it is asked for by, and what answers.
#[derive(Debug, Clone)]
pub(crate) struct App {
    /// Tells it from others.
    pub(crate) id: AppId,
    /// What people call it; none where it is the only one.
    pub(crate) name: Option<Arc<str>>,
    /// What it is asked for by.
    pub(crate) names: Names,
    /// What answers now.
    pub(crate) version: Arc<Version>,
    /// The shards that have an instance of it.
    pub(crate) shards: Arc<[usize]>,
}

/// All apps, at one moment.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    apps: Vec<App>,
    positions: HashMap<AppId, usize>,
    hosts: Hosts,
}

impl Directory {
    fn new(apps: Vec<App>) -> Result<Self, String> {
        let hosts = Hosts::new(apps.iter().map(|app| &app.names)).map_err(|(one, other, what)| {
            let name =
                |index: usize| apps[index].name.as_deref().unwrap_or("the one without a name").to_owned();
            format!("two apps want {what}: {} and {}", name(one), name(other))
        })?;
        let positions = apps.iter().enumerate().map(|(index, app)| (app.id, index)).collect();
        Ok(Self { apps, positions, hosts })
    }

    /// Every app, in the order in which they came.
    pub(crate) fn apps(&self) -> &[App] {
        &self.apps
    }

    /// The index of an app.
    pub(crate) fn position(&self, id: AppId) -> Option<usize> {
        self.positions.get(&id).copied()
    }

    /// The index of the app for a host, which is asked for where it makes a difference.
    pub(crate) fn find<'a>(&self, host: impl FnOnce() -> Option<&'a str>) -> Option<usize> {
        self.hosts.find(if self.hosts.is_by_name() { host() } else { None })
    }
}

/// Holds the current directory.
#[derive(Debug)]
pub(crate) struct Registry(Swap<Directory>);

impl Registry {
    /// One without apps.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Swap::new(Directory::default())))
    }

    /// The number of the current directory: another one has another number.
    pub(crate) fn number(&self) -> u64 {
        self.0.number()
    }

    /// The current directory and its number.
    pub(crate) fn directory(&self) -> (u64, Arc<Directory>) {
        self.0.take()
    }

    /// Adds an app.
    ///
    /// # Errors
    ///
    /// A sentence where another one has its name or its hosts.
    pub(crate) fn add(&self, app: App) -> Result<(), String> {
        self.0.change(|directory| {
            if directory.apps.iter().any(|other| other.name == app.name) {
                return Err(match &app.name {
                    Some(name) => format!("there is an app called {name} already"),
                    None => "there is an app without a name already: each of several needs one".to_owned(),
                });
            }
            let apps = directory.apps.iter().cloned().chain([app]).collect();
            Ok((Directory::new(apps)?, ()))
        })
    }

    /// Puts another version of an app into the place of `expected`, perhaps with other names
    /// and on other shards.
    ///
    /// # Errors
    ///
    /// A sentence where that was not the current one any more, or another app has a name.
    pub(crate) fn replace(
        &self,
        id: AppId,
        expected: &Arc<Version>,
        version: Arc<Version>,
        names: Option<Names>,
        shards: Option<Arc<[usize]>>,
    ) -> Result<(), String> {
        self.0.change(|directory| {
            let mut apps = directory.apps.clone();
            let app = apps.iter_mut().find(|app| app.id == id && Arc::ptr_eq(&app.version, expected));
            let app = app.ok_or_else(|| "another version took over meanwhile".to_owned())?;
            app.version = version;
            app.names = names.unwrap_or_else(|| app.names.clone());
            app.shards = shards.unwrap_or_else(|| app.shards.clone());
            Ok((Directory::new(apps)?, ()))
        })
    }

    /// Takes an app away; none if it was gone.
    pub(crate) fn remove(&self, id: AppId) -> Option<App> {
        let removed = self.0.change(|directory| {
            let at = directory.position(id).ok_or_else(String::new)?;
            let mut apps = directory.apps.clone();
            let app = apps.remove(at);
            Ok::<_, String>((Directory::new(apps)?, app))
        });
        removed.ok()
    }
}
