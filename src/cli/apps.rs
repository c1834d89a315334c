//! Which apps there are: folders of the command line, or tables of `edgehost.toml`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use edgehost::{App, Environment};

use super::args::Options;
use super::config::{self, AppKeys};
use super::{BadInput, output};

/// All that a server does.
pub(super) struct Plan {
    /// Settings of the server, and those of apps that have none of their own.
    pub(super) options: Options,
    /// The apps. With one, nobody has to tell them apart.
    pub(super) apps: Vec<Planned>,
}

/// One of the apps.
pub(super) struct Planned {
    pub(super) dir: PathBuf,
    /// None where it is the only one and has none.
    pub(super) name: Option<String>,
    pub(super) hosts: Vec<String>,
    is_default: bool,
    /// A listener of its own.
    pub(super) port: Option<u16>,
    env_file: Option<PathBuf>,
    pub(super) options: Options,
    /// Whether it sees the variables of this process.
    is_only: bool,
    /// Whether somebody works on it, so that it is asked for by any name.
    pub(super) is_in_work: bool,
}

impl Plan {
    /// The plan for folders, of which one may hold a file that names others. What is `set` by
    /// flags and variables comes before what files say.
    pub(super) fn new(dirs: &[PathBuf], set: &Options) -> anyhow::Result<Self> {
        let [dir] = dirs else { return Self::of_folders(dirs, set) };
        let file = config::read(dir)?;
        let options = set.clone().or(file.options.clone());
        if file.apps.is_empty() {
            let mut app = Planned::new(dir.clone(), file.app, options.clone());
            app.is_only = true;
            return Ok(Self { options, apps: vec![app] });
        }
        let mut apps = Vec::with_capacity(file.apps.len());
        for table in file.apps {
            let Some(dir) = &table.app.dir else {
                return Err(
                    BadInput("a table [[app]] has no `dir`: the folder of its project".to_owned()).into()
                );
            };
            let dir = file.folder.join(dir);
            let mut own = config::read(&dir)?;
            if !App::is_build(&dir) && is_one_folder(&own.folder, &file.folder) {
                // One of the apps lies beside this file.
                own = config::File::default();
            }
            if !own.apps.is_empty() {
                let text = format!("{} names apps itself: only one edgehost.toml does", dir.display());
                return Err(BadInput(text).into());
            }
            let options = set.clone().or(table.options).or(own.options).or(file.options.clone());
            apps.push(Planned::new(dir, table.app.or(own.app), options));
        }
        Self { options, apps: named(apps) }.unambiguous()
    }

    /// Refuses apps that cannot be told apart.
    fn unambiguous(self) -> anyhow::Result<Self> {
        let mut taken: HashMap<String, &str> = HashMap::new();
        for app in &self.apps {
            let name = app.label();
            if taken.insert(format!("app {name}"), name).is_some() {
                return Err(BadInput(format!("there is an app called {name} already")).into());
            }
            let hosts = app.hosts.iter().map(|host| host.trim_end_matches('.').to_lowercase());
            let rest = app.is_default.then(|| "requests that name no other app".to_owned());
            for wanted in hosts.chain(rest) {
                if let Some(other) = taken.insert(wanted.clone(), name).filter(|other| *other != name) {
                    return Err(BadInput(format!("two apps want {wanted}: {other} and {name}")).into());
                }
            }
        }
        Ok(self)
    }

    fn of_folders(dirs: &[PathBuf], set: &Options) -> anyhow::Result<Self> {
        let mut apps = Vec::with_capacity(dirs.len());
        for dir in dirs {
            let file = config::read(dir)?;
            if !file.apps.is_empty() {
                let text = format!("{} names apps itself: serve it alone", dir.display());
                return Err(BadInput(text).into());
            }
            apps.push(Planned::new(dir.clone(), file.app, set.clone().or(file.options)));
        }
        Self { options: set.clone(), apps: named(apps) }.unambiguous()
    }
}

fn is_one_folder(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// Gives apps that are several names, and those that nothing leads to a host.
fn named(mut apps: Vec<Planned>) -> Vec<Planned> {
    for app in &mut apps {
        let name = app.name.get_or_insert_with(|| name_of(&app.dir)).clone();
        if app.hosts.is_empty() && !app.is_default {
            app.hosts.push(format!("{name}.localhost"));
        }
    }
    apps
}

/// The name of a folder, with nothing in it that a host name cannot have.
fn name_of(dir: &Path) -> String {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let is_file = dir.extension().is_some_and(|extension| extension == "edgehost");
    let name = if is_file { dir.file_stem() } else { dir.file_name() };
    let name = name.map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

impl Planned {
    fn new(dir: PathBuf, keys: AppKeys, options: Options) -> Self {
        let AppKeys { name, dir: _, hosts, default, port, env_file } = keys;
        Self {
            env_file,
            dir,
            name,
            hosts: hosts.unwrap_or_default(),
            is_default: default.unwrap_or_default(),
            port,
            options,
            is_only: false,
            is_in_work: false,
        }
    }

    /// What people call it.
    pub(super) fn label(&self) -> &str {
        self.name.as_deref().unwrap_or("the app")
    }

    /// The app as the library knows it. It is told on standard output what becomes of it.
    pub(super) fn app(&self) -> anyhow::Result<App> {
        let mut environment = if self.is_only { Environment::of_process() } else { Environment::empty() };
        if let Some(path) = &self.env_file {
            let more =
                Environment::from_file(path).with_context(|| format!("cannot read {}", path.display()))?;
            for (name, value) in more.iter() {
                environment.set(name, value);
            }
        }
        if self.is_in_work && environment.get("NODE_ENV").is_none() {
            environment.set("NODE_ENV", "development");
        }
        let options = &self.options;
        let app = if App::is_build(&self.dir) {
            App::from_build(&self.dir)
        } else {
            App::from_dir(&self.dir).keep_in_project(true)
        };
        let mut app = app
            .hosts(self.hosts.iter().filter(|_| !self.is_in_work))
            .default(self.is_default)
            .limits(options.limits())
            .permissions(options.permissions())
            .instances(options.instances.unwrap_or_default())
            .env(environment)
            .on_progress(output::progress);
        if let Some(name) = self.name.as_ref().filter(|_| !self.is_in_work) {
            app = app.name(name);
        }
        if let Some(origin) = &options.public_origin {
            app = app.public_origin(origin);
        }
        if let Some(secret) = &options.draft_secret {
            app = app.draft_secret(secret);
        }
        if let Some(names) = &options.conditions {
            app = app.conditions(names);
        }
        if let Some(names) = &options.edge_conditions {
            app = app.edge_conditions(names);
        }
        Ok(app)
    }
}
