//! `edgehost.toml`, and how flags, variables and file become settings.

use std::path::Path;

use anyhow::Context;
use bytesize::ByteSize;
use clap::{Args, Command};
use edgehost::{Limits, Permissions};

use super::BadInput;
use super::args::{Options, Time};

/// The file beside the app directory.
const FILE: &str = "edgehost.toml";

/// Reads `edgehost.toml` of a project; without one, nothing is set.
pub(super) fn read(dir: &Path) -> anyhow::Result<Options> {
    let path = dir.join(FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Options::default()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    parse(&text).map_err(|problem| BadInput(format!("{}: {problem}", path.display())).into())
}

fn parse(text: &str) -> Result<Options, String> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    let known = known_keys();
    for key in table.keys() {
        if !known.contains(key) {
            return Err(match nearest(key, &known) {
                Some(near) => format!("unknown key `{key}`: did you mean `{near}`?"),
                None => format!("unknown key `{key}`: it must be one of {}", known.join(", ")),
            });
        }
    }
    table.try_into().map_err(|error: toml::de::Error| error.to_string())
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
                    no_access_log: self.no_access_log || file.no_access_log,
                }
            };
        }
        first!(
            port,
            host,
            shards,
            public_origin,
            log_format,
            log,
            limit_wall,
            limit_max_wall,
            limit_first_byte,
            limit_cpu,
            limit_startup_cpu,
            limit_startup_wall,
            limit_memory,
            limit_request_body,
            limit_body_idle,
            limit_url,
            limit_headers,
            limit_header_count,
            limit_header_read,
            limit_write_stall,
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
        time(self.limit_startup_cpu, &mut limits.startup_cpu);
        time(self.limit_startup_wall, &mut limits.startup_wall);
        time(self.limit_body_idle, &mut limits.body_idle);
        time(self.limit_header_read, &mut limits.header_read);
        time(self.limit_write_stall, &mut limits.write_stall);
        time(self.limit_grace, &mut limits.grace);
        let size = |setting: Option<ByteSize>, limit: &mut u64| {
            if let Some(value) = setting {
                *limit = value.as_u64();
            }
        };
        size(self.limit_memory, &mut limits.memory);
        size(self.limit_request_body, &mut limits.request_body);
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
                .expect("a sound file");
        assert_eq!(options.port, Some(1));
        assert_eq!(options.limits().memory, 64 * 1024 * 1024);
        assert_eq!(options.limits().wall, std::time::Duration::from_millis(500));
    }

    #[test]
    fn unknown_keys_name_the_nearest_known_one() {
        assert_eq!(parse("prot = 1").expect_err("refused"), "unknown key `prot`: did you mean `port`?");
        assert!(parse("limit_memory = 1").expect_err("refused").contains("`limit-memory`"));
        assert!(parse("zzz = 1").expect_err("refused").contains("one of port"));
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
        let limits = Limits::default();
        let command = Options::augment_args(Command::new("edgehost"));
        let real = [
            ("limit-wall", humantime::format_duration(limits.wall).to_string()),
            ("limit-max-wall", humantime::format_duration(limits.max_wall).to_string()),
            ("limit-first-byte", humantime::format_duration(limits.first_byte).to_string()),
            ("limit-cpu", humantime::format_duration(limits.cpu).to_string()),
            ("limit-startup-cpu", humantime::format_duration(limits.startup_cpu).to_string()),
            ("limit-startup-wall", humantime::format_duration(limits.startup_wall).to_string()),
            ("limit-body-idle", humantime::format_duration(limits.body_idle).to_string()),
            ("limit-header-read", humantime::format_duration(limits.header_read).to_string()),
            ("limit-write-stall", humantime::format_duration(limits.write_stall).to_string()),
            ("limit-grace", humantime::format_duration(limits.grace).to_string()),
            ("limit-memory", format!("{}MiB", limits.memory >> 20)),
            ("limit-url", format!("{}KiB", limits.url >> 10)),
            ("limit-headers", format!("{}KiB", limits.headers >> 10)),
            ("limit-request-body", "4.5MiB".to_owned()),
            ("limit-header-count", limits.header_count.to_string()),
            ("limit-concurrency", limits.concurrency.to_string()),
            ("limit-queue", limits.queue.to_string()),
            ("limit-sockets", limits.sockets.to_string()),
            ("limit-connections", limits.connections.to_string()),
            ("recycle-after", limits.recycle_after.to_string()),
        ];
        assert_eq!(limits.request_body, 9 * 512 * 1024);
        for (flag, default) in real {
            let argument =
                command.get_arguments().find(|argument| argument.get_long() == Some(flag)).expect(flag);
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.ends_with(&format!("[default: {default}]")), "{flag}: {help}");
        }
    }
}
