//! `edgehost.toml`, and how flags, variables and file become settings.

use std::path::{Path, PathBuf};

use anyhow::Context;
use bytesize::ByteSize;
use clap::{Args, Command, FromArgMatches};
use edgehost::{App, EdgeHost, Environment, Limits, Permissions};

use super::BadInput;
use super::args::{Options, Time};

/// The file of a project.
const FILE: &str = "edgehost.toml";

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct File {
    /// The folder that it lies in.
    pub(super) folder: PathBuf,
    /// Settings of the server, and of apps.
    pub(super) options: Options,
    /// Of the app whose project it lies in.
    pub(super) app: AppKeys,
    /// The apps that it names.
    pub(super) apps: Vec<AppTable>,
}

impl File {
    /// Paths in it are seen from this folder.
    fn lies_in(&mut self, folder: Option<&Path>) {
        self.folder = folder.map(Path::to_owned).unwrap_or_default();
        for keys in self.apps.iter_mut().map(|table| &mut table.app).chain([&mut self.app]) {
            keys.env_file = keys.env_file.take().map(|path| self.folder.join(path));
        }
    }
}

/// A table `[[app]]`.
#[derive(Debug, Default)]
pub(super) struct AppTable {
    pub(super) app: AppKeys,
    pub(super) options: Options,
}

/// Keys of one of several apps; there are no flags for them.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct AppKeys {
    pub(super) name: Option<String>,
    /// In a table `[[app]]` alone: the folder of its project, seen from the file.
    pub(super) dir: Option<PathBuf>,
    pub(super) hosts: Option<Vec<String>>,
    pub(super) default: Option<bool>,
    /// In a table `[[app]]` alone: of a listener of its own.
    pub(super) port: Option<u16>,
    /// Variables beside those of the project's `.env` files, seen from the file.
    pub(super) env_file: Option<PathBuf>,
}

impl AppKeys {
    /// Takes from `other` what is not set here.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            name: self.name.or(other.name),
            dir: self.dir,
            hosts: self.hosts.or(other.hosts),
            default: self.default.or(other.default),
            port: self.port,
            env_file: self.env_file.or(other.env_file),
        }
    }
}

/// Keys of apps, wherever they stand.
const OF_APPS: [&str; 4] = ["name", "hosts", "default", "env-file"];
/// Keys that only a table `[[app]]` has.
const OF_TABLES: [&str; 2] = ["dir", "port"];
/// Settings that are the server's, whatever apps it serves.
const OF_SERVERS: [&str; 16] = [
    "host",
    "shards",
    "max-wedged",
    "trust-proxy",
    "log",
    "log-format",
    "no-access-log",
    "memory-budget",
    "limit-connections",
    "limit-header-read",
    "limit-keep-alive",
    "limit-write-stall",
    "limit-unsent",
    "limit-grace",
    "limit-headers",
    "limit-header-count",
];

/// What the project said when it was built. Files that it names are seen from the build.
fn of_build(path: &Path) -> anyhow::Result<File> {
    let Some(text) = App::settings_of_build(path)? else { return Ok(File::default()) };
    let mut file =
        parse(&text).map_err(|problem| BadInput(format!("{FILE} in {}: {problem}", path.display())))?;
    file.lies_in(if path.is_dir() { Some(path) } else { path.parent() });
    Ok(file)
}

/// Reads `edgehost.toml` of a folder: it lies there, or in the root of the project or beside
/// its app directory; without one, nothing is set.
pub(super) fn read(dir: &Path) -> anyhow::Result<File> {
    if App::is_build(dir) {
        return of_build(dir);
    }
    // What is wrong with the folder is said when the project is opened.
    let root = EdgeHost::project_root(dir).unwrap_or_else(|_| dir.to_owned());
    let mut places = vec![root.join(FILE)];
    if !root.join("app").is_dir() && root.join("src").join("app").is_dir() {
        places.push(root.join("src").join(FILE));
    }
    let mut found: Vec<(PathBuf, String)> = Vec::new();
    for path in places {
        match std::fs::read_to_string(&path) {
            Ok(text) => found.push((path, text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }
    match found.as_slice() {
        [] => Ok(File::default()),
        [(path, text)] => {
            let mut file =
                parse(text).map_err(|problem| BadInput(format!("{}: {problem}", path.display())))?;
            file.lies_in(path.parent());
            Ok(file)
        }
        [(one, _), (other, _), ..] => {
            let both = format!("both {} and {} exist: keep one of them", one.display(), other.display());
            Err(BadInput(both).into())
        }
    }
}

/// What the variables say, for commands without the flags.
pub(super) fn of_environment() -> anyhow::Result<Options> {
    let command = Options::augment_args(Command::new("edgehost"));
    let matches = command.try_get_matches_from(["edgehost"])?;
    Ok(Options::from_arg_matches(&matches)?)
}

fn parse(text: &str) -> Result<File, String> {
    let failed = |error: toml::de::Error| error.to_string();
    let mut table: toml::Table = text.parse().map_err(failed)?;
    let tables = match table.remove("app") {
        None => Vec::new(),
        Some(toml::Value::Array(tables)) => tables,
        Some(_) => return Err("`app` is no table: each app is a table [[app]]".to_owned()),
    };
    let flags = known_keys();
    let known = |more: &[&str]| -> Vec<String> {
        flags.iter().cloned().chain(more.iter().map(|key| (*key).to_owned())).collect()
    };
    let (app, options) = keys(table, &known(&OF_APPS))?;
    let mut apps = Vec::with_capacity(tables.len());
    for table in tables {
        let toml::Value::Table(table) = table else {
            return Err("`app` has to be a table [[app]]".to_owned());
        };
        if let Some(key) = table.keys().find(|key| OF_SERVERS.contains(&key.as_str())) {
            return Err(format!(
                "`{key}` is the server's, not an app's: it belongs above the tables [[app]]"
            ));
        }
        let mut known = known(&[OF_APPS.as_slice(), &OF_TABLES].concat());
        known.retain(|key| !OF_SERVERS.contains(&key.as_str()));
        let (app, options) = keys(table, &known)?;
        apps.push(AppTable { app, options });
    }
    Ok(File { folder: PathBuf::new(), options, app, apps })
}

/// The keys of a table, which are all `known`.
fn keys(table: toml::Table, known: &[String]) -> Result<(AppKeys, Options), String> {
    for key in table.keys() {
        if !known.contains(key) {
            return Err(match nearest(key, known) {
                Some(near) => format!("unknown key `{key}`: did you mean `{near}`?"),
                None => format!("unknown key `{key}`: it must be one of {}", known.join(", ")),
            });
        }
    }
    let failed = |error: toml::de::Error| error.to_string();
    let own = |key: &str| OF_APPS.contains(&key) || OF_TABLES.contains(&key);
    let (mut of_app, mut others) = (toml::Table::new(), toml::Table::new());
    for (key, value) in table {
        // A port of the server is a flag.
        let is_own = own(&key) && (key != "port" || known.iter().any(|known| known == "dir"));
        if is_own {
            of_app.insert(key, value)
        } else {
            others.insert(key, value)
        };
    }
    Ok((of_app.try_into().map_err(failed)?, others.try_into().map_err(failed)?))
}

/// Keys are the long flags.
fn known_keys() -> Vec<String> {
    Options::augment_args(Command::new("edgehost"))
        .get_arguments()
        .filter_map(|argument| argument.get_long().map(str::to_owned))
        .collect()
}

fn nearest(key: &str, known: &[String]) -> Option<String> {
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(key, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate.clone())
}

impl Options {
    /// Takes from `file` what is not set here.
    pub(super) fn or(self, file: Self) -> Self {
        macro_rules! first {
            ($($field:ident),* $(,)?) => {
                Self {
                    $($field: self.$field.or(file.$field),)*
                    trust_proxy: if self.trust_proxy.is_empty() { file.trust_proxy } else { self.trust_proxy },
                }
            };
        }
        first!(
            port,
            host,
            instances,
            shards,
            max_wedged,
            http1,
            public_origin,
            draft_secret,
            log_format,
            log,
            no_access_log,
            limit_wall,
            limit_max_wall,
            limit_first_byte,
            limit_cpu,
            limit_after,
            limit_startup_cpu,
            limit_startup_wall,
            limit_memory,
            memory_budget,
            limit_request_body,
            limit_body_idle,
            limit_min_rate,
            limit_url,
            limit_headers,
            limit_header_count,
            limit_header_read,
            limit_keep_alive,
            limit_write_stall,
            limit_unsent,
            limit_concurrency,
            limit_queue,
            limit_sockets,
            limit_connections,
            limit_grace,
            recycle_after,
            conditions,
            edge_conditions,
            permissions,
            allow_read,
            deny_read,
            allow_write,
            deny_write,
            allow_net,
            deny_net,
            allow_env,
            deny_env,
            allow_sys,
            deny_sys,
            allow_run,
            deny_run,
        )
    }

    /// Settings of the server that a running one does not change, as text.
    pub(super) fn of_server(&self) -> Vec<(&'static str, String)> {
        macro_rules! shown {
            ($($name:literal: $field:ident),* $(,)?) => {
                vec![$(($name, format!("{:?}", self.$field))),*]
            };
        }
        shown!(
            "shards": shards,
            "max-wedged": max_wedged,
            "trust-proxy": trust_proxy,
            "log": log,
            "log-format": log_format,
            "no-access-log": no_access_log,
            "memory-budget": memory_budget,
            "limit-connections": limit_connections,
            "limit-header-read": limit_header_read,
            "limit-keep-alive": limit_keep_alive,
            "limit-write-stall": limit_write_stall,
            "limit-unsent": limit_unsent,
            "limit-grace": limit_grace,
            "limit-headers": limit_headers,
            "limit-header-count": limit_header_count,
        )
    }

    /// Takes from `PORT` and `HOSTNAME` what is not set here, as `next start` does.
    ///
    /// `HOSTNAME` counts only if it is not the name of this machine: shells and
    /// containers set that by themselves, and nobody asked to listen there alone.
    pub(super) fn or_of_next(
        mut self,
        environment: &Environment,
        machine: Option<&str>,
    ) -> Result<Self, BadInput> {
        let set = |name| environment.get(name).map(str::trim).filter(|value| !value.is_empty());
        if let (None, Some(text)) = (self.port, set("PORT")) {
            let port = text.parse().map_err(|_| {
                BadInput(format!("the variable PORT is '{text}': it must be a number from 0 to 65535"))
            })?;
            self.port = Some(port);
        }
        if self.host.is_none() {
            let short = machine.and_then(|name| name.split('.').next());
            let of_machine = |name: &&str| Some(*name) == machine || Some(*name) == short;
            self.host = set("HOSTNAME").filter(|name| !of_machine(name)).map(str::to_owned);
        }
        Ok(self)
    }

    /// The permissions that result.
    pub(super) fn permissions(&self) -> Permissions {
        let mut permissions = Permissions::from(self.permissions.unwrap_or_default());
        permissions.allow_read.clone_from(&self.allow_read);
        permissions.deny_read.clone_from(&self.deny_read);
        permissions.allow_write.clone_from(&self.allow_write);
        permissions.deny_write.clone_from(&self.deny_write);
        permissions.allow_net.clone_from(&self.allow_net);
        permissions.deny_net.clone_from(&self.deny_net);
        permissions.allow_env.clone_from(&self.allow_env);
        permissions.deny_env.clone_from(&self.deny_env);
        permissions.allow_sys.clone_from(&self.allow_sys);
        permissions.deny_sys.clone_from(&self.deny_sys);
        permissions.allow_run.clone_from(&self.allow_run);
        permissions.deny_run.clone_from(&self.deny_run);
        permissions
    }

    /// The limits that result.
    pub(super) fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        let time = |setting: Option<Time>, limit: &mut std::time::Duration| {
            if let Some(Time(value)) = setting {
                *limit = value;
            }
        };
        time(self.limit_wall, &mut limits.wall);
        time(self.limit_max_wall, &mut limits.max_wall);
        time(self.limit_first_byte, &mut limits.first_byte);
        time(self.limit_cpu, &mut limits.cpu);
        time(self.limit_after, &mut limits.after);
        time(self.limit_startup_cpu, &mut limits.startup_cpu);
        time(self.limit_startup_wall, &mut limits.startup_wall);
        time(self.limit_body_idle, &mut limits.body_idle);
        time(self.limit_header_read, &mut limits.header_read);
        time(self.limit_keep_alive, &mut limits.keep_alive);
        time(self.limit_write_stall, &mut limits.write_stall);
        time(self.limit_grace, &mut limits.grace);
        let size = |setting: Option<ByteSize>, limit: &mut u64| {
            if let Some(value) = setting {
                *limit = value.as_u64();
            }
        };
        size(self.limit_memory, &mut limits.memory);
        size(self.limit_request_body, &mut limits.request_body);
        size(self.limit_min_rate, &mut limits.min_rate);
        size(self.limit_unsent, &mut limits.unsent);
        let count = |setting: Option<usize>, limit: &mut usize| {
            if let Some(value) = setting {
                *limit = value;
            }
        };
        let bytes = |setting: Option<ByteSize>| {
            setting.map(|size| usize::try_from(size.as_u64()).unwrap_or(usize::MAX))
        };
        count(bytes(self.limit_url), &mut limits.url);
        count(bytes(self.limit_headers), &mut limits.headers);
        count(self.limit_header_count, &mut limits.header_count);
        count(self.limit_concurrency, &mut limits.concurrency);
        count(self.limit_queue, &mut limits.queue);
        count(self.limit_sockets, &mut limits.sockets);
        count(self.limit_connections, &mut limits.connections);
        limits.recycle_after = self.recycle_after.unwrap_or(limits.recycle_after);
        limits
    }
}

/// The name of this machine.
pub(super) fn machine_name() -> Option<String> {
    let mut name = [0_u8; 256];
    #[allow(unsafe_code, reason = "gethostname is a C function")]
    // SAFETY: it writes at most as many bytes as it is told, into an array of that length.
    let result = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len()) };
    let end = name.iter().position(|byte| *byte == 0)?;
    let name = std::str::from_utf8(name.get(..end)?).ok()?;
    (result == 0).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::super::args::Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_is_a_key_and_a_variable() {
        for argument in Options::augment_args(Command::new("edgehost")).get_arguments() {
            assert!(argument.get_env().is_some(), "{} has no variable", argument.get_id());
        }
        let options =
            parse("port = 1\nlimit-memory = \"64MiB\"\nlimit-wall = \"500ms\"\nlog-format = \"json\"")
                .expect("a sound file")
                .options;
        assert_eq!(options.port, Some(1));
        assert_eq!(options.limits().memory, 64 * 1024 * 1024);
        assert_eq!(options.limits().wall, std::time::Duration::from_millis(500));
    }

    #[test]
    fn what_only_a_start_changes_is_all_of_the_servers_but_its_addresses() {
        let mut names: Vec<&str> = Options::default().of_server().iter().map(|(name, _)| *name).collect();
        names.push("host");
        names.sort_unstable();
        let mut expected = OF_SERVERS.to_vec();
        expected.sort_unstable();
        assert_eq!(names, expected);
    }

    #[test]
    fn proxies_are_networks_or_addresses() {
        let file = "trust-proxy = [\"127.0.0.1\", \"::1\", \"[::1]\", \"10.0.0.0/8\"]";
        let networks = parse(file).expect("a sound file").options.trust_proxy;
        let written: Vec<_> = networks.iter().map(|network| network.0.to_string()).collect();
        assert_eq!(written, ["127.0.0.1/32", "::1/128", "::1/128", "10.0.0.0/8"]);
        let refused = parse("trust-proxy = [\"localhost\"]").expect_err("refused");
        assert!(refused.contains("'localhost' is no address and no network"), "{refused}");
    }

    #[test]
    fn unknown_keys_name_the_nearest_known_one() {
        assert_eq!(parse("prot = 1").expect_err("refused"), "unknown key `prot`: did you mean `port`?");
        assert!(parse("limit_memory = 1").expect_err("refused").contains("`limit-memory`"));
        assert!(parse("zzz = 1").expect_err("refused").contains("one of port"));
    }

    #[test]
    fn apps_are_tables() {
        let file = parse(
            "port = 80\n[[app]]\nname = \"shop\"\ndir = \"shop\"\nhosts = [\"a.example\"]\nlimit-cpu = \"1s\"\n[[app]]\ndir = \"blog\"\nport = 81",
        )
        .expect("a sound file");
        assert_eq!((file.options.port, file.apps.len()), (Some(80), 2));
        let shop = &file.apps[0];
        assert_eq!((shop.app.name.as_deref(), shop.app.port, shop.options.port), (Some("shop"), None, None));
        assert_eq!(shop.options.limits().cpu, std::time::Duration::from_secs(1));
        assert_eq!((file.apps[1].app.port, file.apps[1].options.port), (Some(81), None));
        for (text, problem) in [
            ("[[app]]\nhost = \"::\"", "`host` is the server's"),
            ("[[app]]\nhots = []", "did you mean `hosts`?"),
            ("[app]\ndir = \".\"", "each app is a table [[app]]"),
            ("dir = \".\"", "unknown key `dir`"),
        ] {
            let said = parse(text).expect_err(problem);
            assert!(said.contains(problem), "{said}");
        }
    }

    #[test]
    fn the_file_fills_what_flags_leave_open() {
        let flags = Options { port: Some(1), ..Options::default() };
        let file = Options { port: Some(2), shards: Some(3), ..Options::default() };
        let both = flags.or(file);
        assert_eq!((both.port, both.shards), (Some(1), Some(3)));
    }

    #[test]
    fn the_defaults_in_the_help_are_the_real_ones() {
        let command = Options::augment_args(Command::new("edgehost"));
        let help = |flag: &str| {
            let mut arguments = command.get_arguments();
            let argument = arguments.find(|argument| argument.get_long() == Some(flag)).expect(flag);
            argument.get_help().map(ToString::to_string).unwrap_or_default()
        };
        let mut known = Vec::new();
        for (flag, default) in Limits::default().entries() {
            let help = help(flag);
            assert!(help.ends_with(&format!("[default: {default}]")), "{flag}: {help}");
            known.push(flag);
        }
        for argument in command.get_arguments() {
            let flag = argument.get_long().expect("a flag");
            assert!(!flag.starts_with("limit-") || known.contains(&flag), "{flag} is no limit");
        }
    }

    #[test]
    fn port_and_hostname_are_read_as_next_reads_them() {
        let environment = |pairs: &[(&str, &str)]| -> Environment {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let of = |pairs: &[(&str, &str)]| {
            let options = Options::default().or_of_next(&environment(pairs), Some("machine.example"));
            options.map(|options| (options.port, options.host)).map_err(|error| error.0)
        };
        assert_eq!(
            of(&[("PORT", "8080"), ("HOSTNAME", "0.0.0.0")]),
            Ok((Some(8080), Some("0.0.0.0".into())))
        );
        assert_eq!(of(&[("PORT", ""), ("HOSTNAME", "")]), Ok((None, None)));
        assert_eq!(of(&[("HOSTNAME", "machine")]), Ok((None, None)));
        assert_eq!(of(&[("HOSTNAME", "machine.example")]), Ok((None, None)));
        assert!(of(&[("PORT", "http")]).expect_err("refused").contains("PORT is 'http'"));
        let flags = Options { port: Some(1), host: Some("::1".into()), ..Options::default() };
        let both = environment(&[("PORT", "8080"), ("HOSTNAME", "0.0.0.0")]);
        let options = flags.or_of_next(&both, None).unwrap_or_default();
        assert_eq!((options.port, options.host.as_deref()), (Some(1), Some("::1")));
        assert!(machine_name().is_some_and(|name| !name.is_empty()));
    }
}
