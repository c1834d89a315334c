//! Every flag, with its variable and its text.

use std::path::PathBuf;

use bytesize::ByteSize;
use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use edgehost::{Instances, Profile};
use ipnet::IpNet;

/// Serve Next.js route handlers (app/**/route.ts) without Next.js
///
/// edgehost bundles the route files of a project with their packages and runs them
/// on V8, under limits on CPU time, wall time, memory and bodies.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve the routes of a project, or of several
    ///
    /// Every flag can also be set by its variable, or in edgehost.toml beside the app
    /// directory, where it has the name of the flag without the dashes in front
    /// (`port = 3000`). A flag wins over the variable, the variable over the file. Flags
    /// without a value take true or false in a variable (1, 0, yes, no, on, off).
    ///
    /// Several apps are several folders, or tables [[app]] in edgehost.toml, each with a
    /// name, a dir, and hosts by which it is found: see docs/apps.md. SIGHUP reads all
    /// again, and has new versions take over without a request being lost.
    ///
    /// Times are written like 500ms, 30s or 5m; sizes like 64KiB, 4.5MiB or 1GiB.
    Serve(Box<ServeArgs>),
    /// Serve a project while you work on it: what you save answers at once
    ///
    /// The project is watched, and what changes is bundled anew; routes, .env files,
    /// edgehost.toml and packages that are installed later need no restart. Mistakes are
    /// shown in the terminal and in the browser. NODE_ENV is development, unless it is set.
    /// Takes the flags of serve; see docs/dev.md.
    Dev(Box<DevArgs>),
    /// Print the route table of a project, or of a build
    Routes(RoutesArgs),
    /// Write declarations for TypeScript into .edgehost/types of a project
    ///
    /// With them a project type-checks that has not installed next: next/server, next/headers,
    /// next/navigation, next/cache, server-only, edgehost, and RouteContext<'/items/[id]'> with
    /// the parameters of each route. Where next is installed, its own types count. It says what
    /// is left to do, such as the line that tsconfig.json needs. See docs/types.md.
    Types(TypesArgs),
    /// Check the routes of a project, and their types with the project's own TypeScript
    ///
    /// Does what `edgehost routes` does, writes the types as `edgehost types` does, and runs
    /// node_modules/.bin/tsc --noEmit, whose output it passes on.
    ///
    /// Ends with 0 where all is in order; 2 where a route cannot be bundled, tsc finds a
    /// mistake, or there is no project; 1 where the types cannot be checked: no TypeScript, no
    /// Node.js, no tsconfig.json.
    Check(CheckArgs),
    /// Build a project, for other machines to serve
    ///
    /// Writes the bundled routes, V8's code cache of them, source maps, public files, and
    /// files that code reads: all that `edgehost serve OUT` needs, without node_modules and
    /// without the project. No .env file goes along: variables are those of the machine that
    /// serves. See docs/build.md.
    Build(BuildArgs),
}

#[derive(Debug, Args)]
pub(super) struct TypesArgs {
    /// Folders that hold app/ or src/app/, or app directories themselves
    #[arg(default_value = ".", value_name = "DIR")]
    pub(super) dirs: Vec<PathBuf>,
    /// Write a tsconfig.json that includes the types, if there is none
    #[arg(long)]
    pub(super) tsconfig: bool,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Folders that hold app/ or src/app/, or app directories themselves
    #[arg(default_value = ".", value_name = "DIR")]
    pub(super) dirs: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct BuildArgs {
    /// A folder that holds app/ or src/app/, or an app directory itself
    #[arg(default_value = ".", value_name = "DIR")]
    pub(super) dir: PathBuf,
    /// Where it is written to: a file if the name ends in .edgehost, a folder otherwise
    #[arg(short, long, value_name = "OUT")]
    pub(super) out: PathBuf,
    /// Succeed although some routes cannot be bundled: they answer 500
    #[arg(long)]
    pub(super) allow_broken: bool,
}

#[derive(Debug, Args)]
pub(super) struct DevArgs {
    /// Folder that holds app/ or src/app/, or an app directory itself
    #[arg(default_value = ".", value_name = "DIR")]
    pub(super) dir: PathBuf,
    /// Look at files again and again, where the system tells of no changes (network drives, mounts of containers)
    #[arg(long, env = "EDGEHOST_POLL", value_parser = BoolishValueParser::new(), num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_possible_values = true, hide_default_value = true, value_name = "BOOL")]
    pub(super) poll: bool,
    #[command(flatten)]
    pub(super) options: Options,
}

#[derive(Debug, Args)]
pub(super) struct RoutesArgs {
    /// Folders that hold app/ or src/app/, app directories themselves, or what `edgehost build` wrote
    #[arg(default_value = ".", value_name = "DIR")]
    pub(super) dirs: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Folders that hold app/ or src/app/, app directories themselves, or what `edgehost build` wrote; several are several apps
    #[arg(default_value = ".", value_name = "DIR")]
    pub(super) dirs: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) options: Options,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    /// For people, coloured on a terminal
    Text,
    /// One JSON object a line
    Json,
}

/// Who speaks HTTP/1.1 with clients.
#[derive(Debug, Clone, Copy, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Http1 {
    /// edgehost
    Own,
    /// hyper, for comparison
    Hyper,
}

impl From<Http1> for edgehost::Http1 {
    fn from(http1: Http1) -> Self {
        match http1 {
            Http1::Own => Self::Own,
            Http1::Hyper => Self::Hyper,
        }
    }
}

/// What can be set by flag, variable and file alike.
#[derive(Debug, Clone, Default, Args, serde::Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct Options {
    /// Port to listen on, also the variable PORT; 0 takes a free one [default: 3000]
    #[arg(short, long, env = "EDGEHOST_PORT")]
    pub(super) port: Option<u16>,
    /// Address or name to listen on, also the variable HOSTNAME; 0.0.0.0 and :: are every address [default: 127.0.0.1]
    #[arg(long, env = "EDGEHOST_HOST", value_name = "ADDRESS")]
    pub(super) host: Option<String>,
    /// Copies of the app, each with a thread and module memory of its own; auto for one on each core [default: 1]
    #[arg(long, env = "EDGEHOST_INSTANCES", value_name = "N")]
    pub(super) instances: Option<Instances>,
    /// Most threads that serve requests [default: one for each core, or as many as --instances asks for]
    #[arg(long, env = "EDGEHOST_SHARDS", value_name = "N")]
    pub(super) shards: Option<usize>,
    /// Threads that do not come back from native code until the server ends with code 75; those before are replaced [default: one for each core]
    #[arg(long, env = "EDGEHOST_MAX_WEDGED", value_name = "N")]
    pub(super) max_wedged: Option<usize>,
    /// Who speaks HTTP/1.1 with clients [default: own]
    #[arg(long, env = "EDGEHOST_HTTP1", hide = true)]
    pub(super) http1: Option<Http1>,
    /// Scheme and host that request.url shows, such as https://example.com [default: the Host header]
    #[arg(long, env = "EDGEHOST_PUBLIC_ORIGIN", value_name = "ORIGIN")]
    pub(super) public_origin: Option<String>,
    /// Secret of draftMode(), the same on all machines that serve the project; better set as a variable [default: kept in .edgehost/]
    #[arg(long, env = "EDGEHOST_DRAFT_SECRET", value_name = "SECRET", hide_env_values = true)]
    pub(super) draft_secret: Option<String>,
    /// Network or address whose x-forwarded-* headers are believed, such as 10.0.0.0/8 or 127.0.0.1; may be repeated
    #[arg(long, env = "EDGEHOST_TRUST_PROXY", value_name = "CIDR", value_delimiter = ',')]
    pub(super) trust_proxy: Vec<Network>,
    /// Variants of packages that routes get, by the names in their exports; instead of node, module, react-server, production
    #[arg(long, env = "EDGEHOST_CONDITIONS", value_name = "NAME", value_delimiter = ',')]
    pub(super) conditions: Option<Vec<String>>,
    /// The same for edge routes; instead of edge-light, browser, module, react-server, production
    #[arg(long, env = "EDGEHOST_EDGE_CONDITIONS", value_name = "NAME", value_delimiter = ',')]
    pub(super) edge_conditions: Option<Vec<String>>,

    /// Where permissions start from: project, strict or off [default: project]
    #[arg(long, env = "EDGEHOST_PERMISSIONS", value_name = "PROFILE", help_heading = "Permissions")]
    pub(super) permissions: Option<Profile>,
    /// Files that may be read besides those of the profile; without a value, all
    #[arg(long, env = "EDGEHOST_ALLOW_READ", value_name = "PATH", num_args = 0.., require_equals = true, value_delimiter = ',', help_heading = "Permissions")]
    pub(super) allow_read: Option<Vec<String>>,
    /// Files that may not be read
    #[arg(long, env = "EDGEHOST_DENY_READ", value_name = "PATH", num_args = 0.., require_equals = true, value_delimiter = ',', help_heading = "Permissions")]
    pub(super) deny_read: Option<Vec<String>>,
    /// Files that may be written besides those of the profile; without a value, all
    #[arg(long, env = "EDGEHOST_ALLOW_WRITE", value_name = "PATH", num_args = 0.., require_equals = true, value_delimiter = ',', help_heading = "Permissions")]
    pub(super) allow_write: Option<Vec<String>>,
    /// Files that may not be written
    #[arg(long, env = "EDGEHOST_DENY_WRITE", value_name = "PATH", num_args = 0.., require_equals = true, value_delimiter = ',', help_heading = "Permissions")]
    pub(super) deny_write: Option<Vec<String>>,
    /// Hosts that may be connected to, and no others; without a value, all
    #[arg(long, env = "EDGEHOST_ALLOW_NET", value_name = "HOST[:PORT]", num_args = 0.., require_equals = true, value_delimiter = ',', help_heading = "Permissions")]
    pub(super) allow_net: Option<Vec<String>>,
    /// Hosts that may not be connected to
    #[arg(long, env = "EDGEHOST_DENY_NET", value_name = "HOST[:PORT]", num_args = 0.., require_equals = true, value_delimiter = ',', help_heading = "Permissions")]
    pub(super) deny_net: Option<Vec<String>>,
    /// Variables that may be seen, and no others; without a value, all
    #[arg(long, env = "EDGEHOST_ALLOW_ENV", value_name = "NAME", num_args = 0.., require_equals = true, value_delimiter = ',', help_heading = "Permissions")]
    pub(super) allow_env: Option<Vec<String>>,
    /// Variables that may not be seen
    #[arg(long, env = "EDGEHOST_DENY_ENV", value_name = "NAME", num_args = 0.., require_equals = true, value_delimiter = ',', help_heading = "Permissions")]
    pub(super) deny_env: Option<Vec<String>>,
    /// Facts about the system that may be asked for, such as hostname, and no others
    #[arg(long, env = "EDGEHOST_ALLOW_SYS", value_name = "NAME", num_args = 0.., require_equals = true, value_delimiter = ',', help_heading = "Permissions")]
    pub(super) allow_sys: Option<Vec<String>>,
    /// Facts about the system that may not be asked for
    #[arg(long, env = "EDGEHOST_DENY_SYS", value_name = "NAME", num_args = 0.., require_equals = true, value_delimiter = ',', help_heading = "Permissions")]
    pub(super) deny_sys: Option<Vec<String>>,
    /// Programs that may be started; without a value, all
    #[arg(long, env = "EDGEHOST_ALLOW_RUN", value_name = "PROGRAM", num_args = 0.., require_equals = true, value_delimiter = ',', help_heading = "Permissions")]
    pub(super) allow_run: Option<Vec<String>>,
    /// Programs that may not be started
    #[arg(long, env = "EDGEHOST_DENY_RUN", value_name = "PROGRAM", num_args = 0.., require_equals = true, value_delimiter = ',', help_heading = "Permissions")]
    pub(super) deny_run: Option<Vec<String>>,

    /// How log lines look [default: text on a terminal, json elsewhere]
    #[arg(long, env = "EDGEHOST_LOG_FORMAT", value_name = "FORMAT", help_heading = "Log")]
    pub(super) log_format: Option<Format>,
    /// What is logged: error, warn, info, debug, trace, or a list such as info,edgehost::access=off [default: info]
    #[arg(long, env = "EDGEHOST_LOG", value_name = "FILTER", help_heading = "Log")]
    pub(super) log: Option<String>,
    /// Leave out the line for each request
    #[arg(long, env = "EDGEHOST_NO_ACCESS_LOG", value_parser = BoolishValueParser::new(), num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true, value_name = "BOOL", help_heading = "Log")]
    pub(super) no_access_log: Option<bool>,

    /// Time from a request to the end of its answer, unless the route exports maxDuration [default: 5m]
    #[arg(long, env = "EDGEHOST_LIMIT_WALL", value_name = "TIME", help_heading = "Limits")]
    pub(super) limit_wall: Option<Time>,
    /// Most that a route's maxDuration may ask for [default: 800s]
    #[arg(long, env = "EDGEHOST_LIMIT_MAX_WALL", value_name = "TIME", help_heading = "Limits")]
    pub(super) limit_max_wall: Option<Time>,
    /// Time to the head of the answer; a route that exports maxDuration has that time [default: 25s]
    #[arg(long, env = "EDGEHOST_LIMIT_FIRST_BYTE", value_name = "TIME", help_heading = "Limits")]
    pub(super) limit_first_byte: Option<Time>,
    /// CPU time of one request [default: 10s]
    #[arg(long, env = "EDGEHOST_LIMIT_CPU", value_name = "TIME", help_heading = "Limits")]
    pub(super) limit_cpu: Option<Time>,
    /// Longest time of work after the answer [default: 30s]
    #[arg(long, env = "EDGEHOST_LIMIT_AFTER", value_name = "TIME", help_heading = "Limits")]
    pub(super) limit_after: Option<Time>,
    /// CPU time of loading one route module [default: 10s]
    #[arg(long, env = "EDGEHOST_LIMIT_STARTUP_CPU", value_name = "TIME", help_heading = "Limits")]
    pub(super) limit_startup_cpu: Option<Time>,
    /// Time for loading one route module, with its top-level await [default: 30s]
    #[arg(long, env = "EDGEHOST_LIMIT_STARTUP_WALL", value_name = "TIME", help_heading = "Limits")]
    pub(super) limit_startup_wall: Option<Time>,
    /// Heap, buffers and WebAssembly memory of one isolate [default: 512MiB]
    #[arg(long, env = "EDGEHOST_LIMIT_MEMORY", value_name = "SIZE", help_heading = "Limits")]
    pub(super) limit_memory: Option<ByteSize>,
    /// Memory of the process: when it is used up, the isolate that holds most is replaced [default: half of the machine's or the container's]
    #[arg(long, env = "EDGEHOST_MEMORY_BUDGET", value_name = "SIZE", help_heading = "Limits")]
    pub(super) memory_budget: Option<ByteSize>,
    /// Body of a request [default: 4.5MiB]
    #[arg(long, env = "EDGEHOST_LIMIT_REQUEST_BODY", value_name = "SIZE", help_heading = "Limits")]
    pub(super) limit_request_body: Option<ByteSize>,
    /// Silence of a client whose request body is waited for [default: 30s]
    #[arg(long, env = "EDGEHOST_LIMIT_BODY_IDLE", value_name = "TIME", help_heading = "Limits")]
    pub(super) limit_body_idle: Option<Time>,
    /// Bytes a second that a client has to send of a body, and take of an answer, once it is waited for; 0 for any [default: 1KiB]
    #[arg(long, env = "EDGEHOST_LIMIT_MIN_RATE", value_name = "SIZE", help_heading = "Limits")]
    pub(super) limit_min_rate: Option<ByteSize>,
    /// Path and query of a request [default: 16KiB]
    #[arg(long, env = "EDGEHOST_LIMIT_URL", value_name = "SIZE", help_heading = "Limits")]
    pub(super) limit_url: Option<ByteSize>,
    /// Head of a request [default: 64KiB]
    #[arg(long, env = "EDGEHOST_LIMIT_HEADERS", value_name = "SIZE", help_heading = "Limits")]
    pub(super) limit_headers: Option<ByteSize>,
    /// Header lines of a request [default: 100]
    #[arg(long, env = "EDGEHOST_LIMIT_HEADER_COUNT", value_name = "N", help_heading = "Limits")]
    pub(super) limit_header_count: Option<usize>,
    /// Time for the head of a request once it has begun [default: 10s]
    #[arg(long, env = "EDGEHOST_LIMIT_HEADER_READ", value_name = "TIME", help_heading = "Limits")]
    pub(super) limit_header_read: Option<Time>,
    /// Time that a connection stays open without a request [default: 75s]
    #[arg(long, env = "EDGEHOST_LIMIT_KEEP_ALIVE", value_name = "TIME", help_heading = "Limits")]
    pub(super) limit_keep_alive: Option<Time>,
    /// Wait for a client that leaves its answer unread [default: 1m]
    #[arg(long, env = "EDGEHOST_LIMIT_WRITE_STALL", value_name = "TIME", help_heading = "Limits")]
    pub(super) limit_write_stall: Option<Time>,
    /// Answers that clients have not taken yet, of all connections; beyond it the slowest are cut [default: 256MiB]
    #[arg(long, env = "EDGEHOST_LIMIT_UNSENT", value_name = "SIZE", help_heading = "Limits")]
    pub(super) limit_unsent: Option<ByteSize>,
    /// Handlers that run at the same time in one isolate [default: 256]
    #[arg(long, env = "EDGEHOST_LIMIT_CONCURRENCY", value_name = "N", help_heading = "Limits")]
    pub(super) limit_concurrency: Option<usize>,
    /// Requests that wait until one more may run [default: 1024]
    #[arg(long, env = "EDGEHOST_LIMIT_QUEUE", value_name = "N", help_heading = "Limits")]
    pub(super) limit_queue: Option<usize>,
    /// Sockets that one isolate may have open [default: 1024]
    #[arg(long, env = "EDGEHOST_LIMIT_SOCKETS", value_name = "N", help_heading = "Limits")]
    pub(super) limit_sockets: Option<usize>,
    /// Open connections [default: 16384]
    #[arg(long, env = "EDGEHOST_LIMIT_CONNECTIONS", value_name = "N", help_heading = "Limits")]
    pub(super) limit_connections: Option<usize>,
    /// Time that requests have to finish after SIGTERM or SIGINT [default: 10s]
    #[arg(long, env = "EDGEHOST_LIMIT_GRACE", value_name = "TIME", help_heading = "Limits")]
    pub(super) limit_grace: Option<Time>,
    /// Requests after which an isolate is replaced; 0 for never [default: 0]
    #[arg(long, env = "EDGEHOST_RECYCLE_AFTER", value_name = "N", help_heading = "Limits")]
    pub(super) recycle_after: Option<u64>,
}

/// A network, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Network(pub(super) IpNet);

impl std::str::FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let address = text.trim_matches(['[', ']']).parse::<std::net::IpAddr>().map(IpNet::from);
        address.or_else(|_| text.parse()).map(Self).map_err(|_| {
            format!("'{text}' is no address and no network, such as 127.0.0.1, ::1 or 10.0.0.0/8")
        })
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// A duration as people write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Time(pub(super) std::time::Duration);

impl std::str::FromStr for Time {
    type Err = humantime::DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        humantime::parse_duration(text).map(Self)
    }
}

impl TryFrom<String> for Time {
    type Error = humantime::DurationError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}
