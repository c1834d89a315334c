//! Checks of what user code may reach, for `deno_permissions`.

use std::borrow::Cow;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use deno_permissions::{
    AllowRunDescriptorParseResult, DenyRunDescriptor, EnvDescriptor, EnvDescriptorParseError, FfiDescriptor,
    Host, ImportDescriptor, NetDescriptor, NetDescriptorParseError, PathQueryDescriptor, PathResolveError,
    PermissionDescriptorParser, PermissionsContainer, PermissionsFromOptionsError, PermissionsOptions,
    ReadDescriptor, RunDescriptorParseError, RunQueryDescriptor, RuntimePermissionDescriptorParser,
    SpecialFilePathQueryDescriptor, SysDescriptor, SysDescriptorParseError, WriteDescriptor,
};
use edgehost_ext::{AppSys, app_sys};
use ipnet::IpNet;
use parking_lot::Mutex;

use crate::permissions::{Permissions, Profile};

/// Link-local addresses, and those at which clouds hand out credentials to machines
/// (AWS over IPv6, Alibaba, Azure, Oracle), also as NAT64, SIIT, 6to4 and
/// IPv4-compatible addresses write them.
const LINK_LOCAL: [&str; 11] = [
    "::ffff:0:a9fe:0/112",
    "64:ff9b:1::/48",
    "169.254.0.0/16",
    "::169.254.0.0/112",
    "2002:a9fe::/32",
    "fe80::/10",
    "64:ff9b::a9fe:0/112",
    "fd00:ec2::254/128",
    "100.100.100.200/32",
    "168.63.129.16/32",
    "192.0.0.192/32",
];

/// Addresses that are not of the public network: loopback, private (RFC 1918, 4193,
/// 6598), this host (RFC 1122), protocols and tests (RFC 5736, 2544), groups (RFC 5771,
/// 4291), reserved and broadcast (RFC 1112), and those that lead to them through NAT64,
/// SIIT, 6to4 and IPv4-compatible addresses.
const NOT_PUBLIC: [&str; 17] = [
    "::ffff:0:0:0/96",
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "192.0.0.0/24",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "ff00::/8",
    "::/96",
    "fc00::/7",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "2002::/16",
];

/// Where systems keep certificates, without their keys, time zones, names of hosts,
/// and the devices that every program may read.
const SYSTEM_FILES: [&str; 16] = [
    "/dev/null",
    "/dev/zero",
    "/dev/random",
    "/dev/urandom",
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/usr/share/zoneinfo",
    "/etc/localtime",
    "/etc/resolv.conf",
    "/etc/hosts",
];

/// Where packages look around before they decide: folders of programs and libraries, and
/// files that describe the system. Reading finds nothing there, in the place of a refusal.
const UNSEEN: [&str; 46] = [
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libx32",
    "/usr/libexec",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/local/lib",
    "/usr/local/lib64",
    "/.dockerenv",
    "/run/.containerenv",
    "/etc/os-release",
    "/etc/lsb-release",
    "/etc/issue",
    "/etc/debian_version",
    "/etc/alpine-release",
    "/etc/redhat-release",
    "/etc/system-release",
    "/etc/arch-release",
    "/etc/SuSE-release",
    "/etc/nsswitch.conf",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ld.so.cache",
    "/etc/timezone",
    "/proc/1/cgroup",
    "/proc/cpuinfo",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/self/cgroup",
    "/proc/self/mountinfo",
    "/proc/self/mounts",
    "/proc/mounts",
    "/proc/stat",
    "/proc/sys",
    "/proc/uptime",
    "/proc/version",
    "/sys",
];

/// Takes everything that is written to it.
const NOTHING: &str = "/dev/null";

/// Files of the host in a project folder.
const OWN_FILES: [&str; 3] = [".edgehost", "edgehost.toml", "src/edgehost.toml"];

/// The checks of one app.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    permissions: Permissions,
    root: PathBuf,
    packages: Vec<PathBuf>,
    granted: deno_permissions::Permissions,
}

impl Access {
    /// Reads the lists. `packages` are folders outside of the project that may be read.
    pub(crate) fn new(
        permissions: Permissions,
        root: &Path,
        packages: &[PathBuf],
    ) -> Result<Self, PermissionsFromOptionsError> {
        let options = options(&permissions, root, packages);
        let parser = Walls::new(&app_sys(root), deno_permissions::Permissions::allow_all());
        let granted = match permissions.profile {
            // Relative paths begin at the project, which the crate sees to only where
            // something is not granted: no module is imported from a URL here.
            Profile::Off if is_unrefined(&permissions) => {
                let mut all = deno_permissions::Permissions::allow_all();
                all.import = deno_permissions::Permissions::none_without_prompt().import;
                all
            }
            _ => deno_permissions::Permissions::from_options(&parser, &options)?,
        };
        Ok(Self { permissions, root: root.to_owned(), packages: packages.to_owned(), granted })
    }

    /// The checks of one isolate, which share nothing with those of others: a check may
    /// wait for a disk.
    pub(crate) fn checks(&self, sys: &AppSys) -> PermissionsContainer {
        PermissionsContainer::new(Arc::new(Walls::new(sys, self.granted.clone())), self.granted.clone())
    }

    /// The folders of the project and its packages, as they are on disk.
    pub(crate) fn assets(&self) -> Vec<PathBuf> {
        let folders = std::iter::once(&self.root).chain(&self.packages);
        folders.filter_map(|folder| folder.canonicalize().ok()).collect()
    }

    /// Whether user code sees a variable.
    pub(crate) fn shows(&self, variable: &str) -> bool {
        self.permissions.shows(variable)
    }

    /// Whether any subprocess is allowed.
    pub(crate) fn may_spawn(&self) -> bool {
        self.permissions.profile == Profile::Off || self.permissions.allow_run.is_some()
    }

    /// Places that must stay where they are, since lists name them; none where files
    /// are not limited.
    pub(crate) fn kept(&self) -> Vec<PathBuf> {
        if self.granted.read.is_allow_all() && self.granted.write.is_allow_all() {
            return Vec::new();
        }
        let listed = [&self.permissions.deny_read, &self.permissions.deny_write];
        let listed = listed.into_iter().flatten().flatten().map(String::as_str);
        let mut kept = vec![self.root.clone()];
        kept.extend(OWN_FILES.into_iter().chain(listed).filter_map(|place| follow(&self.root.join(place))));
        kept
    }

    /// Why something was refused and what would allow it, in one sentence.
    ///
    /// `kind` is that of Deno's flags, `target` what was asked for.
    pub(crate) fn explain(&self, kind: &str, target: &str) -> String {
        let profile = self.permissions.profile;
        let (allowed, denied) = match kind {
            "read" => (&self.permissions.allow_read, &self.permissions.deny_read),
            "write" => (&self.permissions.allow_write, &self.permissions.deny_write),
            "net" => (&self.permissions.allow_net, &self.permissions.deny_net),
            "run" => (&self.permissions.allow_run, &self.permissions.deny_run),
            "sys" => (&self.permissions.allow_sys, &self.permissions.deny_sys),
            "env" => (&self.permissions.allow_env, &self.permissions.deny_env),
            _ => return "it belongs to the system, and no permission profile allows it".to_owned(),
        };
        let is_place = matches!(kind, "read" | "write");
        let path = self.root.join(target);
        let named = |list: &Option<Vec<String>>| {
            list.as_ref().is_some_and(|list| {
                list.is_empty()
                    || list.iter().any(|entry| match kind {
                        "read" | "write" => path.starts_with(self.root.join(entry)),
                        "net" => names_host(entry, target),
                        _ => target == entry,
                    })
            })
        };
        if named(denied) {
            return format!("--deny-{kind} names it; leave it out there to allow it");
        }
        if is_place && OWN_FILES.iter().any(|own| path.starts_with(self.root.join(own))) {
            return "it belongs to the host".to_owned();
        }
        if is_place && ["/proc", "/sys", "/dev"].iter().any(|system| path.starts_with(system)) {
            return "it belongs to the system, and no permission profile allows it".to_owned();
        }
        let rule = match (kind, profile) {
            ("net" | "env" | "sys", _) if allowed.as_ref().is_some_and(|list| !list.is_empty()) => {
                format!("--allow-{kind} does not list it")
            }
            ("read", _) => format!(
                "the permission profile '{profile}' lets only files below the project{} be read",
                if profile == Profile::Project { " and the temporary folder" } else { "" }
            ),
            ("write", Profile::Project) => {
                "the permission profile 'project' lets only files below the project and the temporary folder be written".to_owned()
            }
            ("write", _) => format!("the permission profile '{profile}' lets no file be written"),
            ("net", Profile::Project) => {
                "the permission profile 'project' keeps link-local and cloud-metadata addresses out of reach".to_owned()
            }
            ("net", _) => format!(
                "the permission profile '{profile}' keeps private, loopback and link-local addresses out of reach"
            ),
            ("run", _) => format!("the permission profile '{profile}' allows no subprocess"),
            _ => format!("the permission profile '{profile}' refuses it"),
        };
        let flag =
            if target.is_empty() { format!("--allow-{kind}") } else { format!("--allow-{kind}={target}") };
        // Where everything is granted, a list narrows.
        let only =
            if kind == "net" && allowed.is_none() { ", and nothing else besides what it lists" } else { "" };
        format!("{rule}; {flag} would allow it{only}")
    }
}

/// Whether an entry of a list of hosts means `host` or `host:port`.
fn names_host(entry: &str, target: &str) -> bool {
    let (listed, asked) = (host_of(entry), host_of(target));
    if let (Ok(range), Ok(address)) = (listed.parse::<IpNet>(), asked.parse::<IpAddr>()) {
        return range.contains(&address);
    }
    let is_same = match listed.strip_prefix("*.") {
        Some(parent) => asked.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.')),
        None => listed.eq_ignore_ascii_case(asked),
    };
    let port = |text: &str| text.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    let has_port =
        |text: &str| text.starts_with('[') && text.contains("]:") || text.matches(':').count() == 1;
    is_same && (!has_port(entry) || !has_port(target) || port(entry) == port(target))
}

fn is_unrefined(permissions: &Permissions) -> bool {
    *permissions == Permissions::from(permissions.profile)
}

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

/// The profile and its lists as `deno_permissions` takes them.
fn options(permissions: &Permissions, root: &Path, packages: &[PathBuf]) -> PermissionsOptions {
    let below = |path: &str| root.join(path).display().to_string();
    let places = |granted: Option<Vec<String>>, more: &Option<Vec<String>>| match (granted, more) {
        (_, Some(more)) if more.is_empty() => Some(Vec::new()),
        (Some(granted), _) if granted.is_empty() => Some(granted),
        (granted, Some(more)) => {
            let mut all = granted.unwrap_or_default();
            all.extend(more.iter().map(|path| below(path)));
            Some(all)
        }
        (granted, None) => granted,
    };
    let refused = |own: Vec<String>, more: &Option<Vec<String>>| match more {
        Some(more) if more.is_empty() => Some(Vec::new()),
        more => {
            let mut all = own;
            all.extend(more.iter().flatten().cloned());
            (!all.is_empty()).then_some(all)
        }
    };
    let everything = || Some(Vec::new());
    let profile = permissions.profile;
    let mut read = vec![below("")];
    let mut write = vec![below(""), NOTHING.to_owned()];
    if profile == Profile::Project {
        let temporary = std::env::temp_dir();
        let temporary = temporary.canonicalize().unwrap_or(temporary).display().to_string();
        read.push(temporary.clone());
        write.push(temporary);
    }
    read.extend(strings(&SYSTEM_FILES));
    read.extend(packages.iter().map(|path| path.display().to_string()));
    let (read, write) = match profile {
        Profile::Project => (Some(read), Some(write)),
        Profile::Strict => (Some(read), Some(vec![NOTHING.to_owned()])),
        Profile::Off => (everything(), everything()),
    };
    let own: Vec<String> = match profile {
        Profile::Off => Vec::new(),
        _ => OWN_FILES.iter().map(|path| below(path)).collect(),
    };
    let out_of_reach: Vec<&str> = match profile {
        Profile::Project => LINK_LOCAL.to_vec(),
        Profile::Strict => LINK_LOCAL.iter().chain(&NOT_PUBLIC).copied().collect(),
        Profile::Off => Vec::new(),
    };
    let out_of_reach = match &permissions.allow_net {
        Some(all) if all.is_empty() => Vec::new(),
        listed => without(&out_of_reach, listed.as_deref().unwrap_or_default()),
    };
    let paths = |list: &Option<Vec<String>>| {
        list.as_ref().map(|list| list.iter().map(|path| below(path)).collect::<Vec<_>>())
    };
    // What a link is refused for, it is refused for by its other name as well.
    let denied = |list: &Option<Vec<String>>| {
        paths(list).map(|mut list| {
            let real: Vec<String> = list
                .iter()
                .filter_map(|path| follow(path.as_ref()))
                .map(|path| path.display().to_string())
                .collect();
            list.extend(real);
            list
        })
    };
    let allow_read = places(read, &permissions.allow_read);
    let deny_read = refused(own.clone(), &denied(&permissions.deny_read));
    PermissionsOptions {
        ignore_read: unseen(allow_read.as_deref(), deny_read.as_deref()),
        allow_read,
        deny_read,
        allow_write: places(write, &permissions.allow_write),
        deny_write: refused(own, &denied(&permissions.deny_write)),
        allow_net: permissions.allow_net.clone().or_else(everything),
        deny_net: refused(out_of_reach, &permissions.deny_net),
        // Variables are those of the app; the process's own are not for it.
        allow_env: None,
        allow_sys: permissions.allow_sys.clone().or_else(everything),
        deny_sys: permissions.deny_sys.clone(),
        allow_run: match profile {
            Profile::Off => permissions.allow_run.clone().or_else(everything),
            _ => permissions.allow_run.clone(),
        },
        deny_run: permissions.deny_run.clone(),
        prompt: false,
        ..PermissionsOptions::default()
    }
}

/// The places of [`UNSEEN`] that no list names, nor a part of them; none where nothing or
/// everything may be read. `deno_permissions` may overlook what is granted within a place
/// that is ignored.
fn unseen(granted: Option<&[String]>, denied: Option<&[String]>) -> Option<Vec<String>> {
    if granted.is_none_or(<[String]>::is_empty) || denied.is_some_and(<[String]>::is_empty) {
        return None;
    }
    let named: Vec<&Path> = granted.into_iter().chain(denied).flatten().map(Path::new).collect();
    let is_named =
        |place: &Path| named.iter().any(|named| place.starts_with(named) || named.starts_with(place));
    let places = UNSEEN.iter().filter(|place| !is_named(Path::new(place)));
    Some(places.map(|place| (*place).to_owned()).collect())
}

/// Address ranges without the addresses that a list allows by name. A refusal comes
/// before an allowance in `deno_permissions`.
fn without(ranges: &[&str], allowed: &[String]) -> Vec<String> {
    let mut exceptions: Vec<IpNet> = Vec::new();
    for entry in allowed {
        let host = host_of(entry);
        if host == "localhost" {
            exceptions.extend(["127.0.0.1/32", "::1/128"].iter().filter_map(|net| net.parse::<IpNet>().ok()));
        }
        exceptions.extend(host.parse::<IpNet>().ok());
        exceptions.extend(host.parse::<IpAddr>().ok().map(IpNet::from));
    }
    let mut rest: Vec<IpNet> = ranges.iter().filter_map(|range| range.parse().ok()).collect();
    for exception in exceptions {
        rest = rest.into_iter().flat_map(|range| cut(range, exception)).collect();
    }
    rest.iter().map(ToString::to_string).collect()
}

fn host_of(entry: &str) -> &str {
    if let Some(rest) = entry.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match entry.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') && port.parse::<u16>().is_ok() => host,
        _ => entry,
    }
}

fn cut(range: IpNet, exception: IpNet) -> Vec<IpNet> {
    if exception.contains(&range) {
        return Vec::new();
    }
    if !range.contains(&exception) {
        return vec![range];
    }
    let halves = range.subnets(range.prefix_len() + 1).into_iter().flatten();
    halves.flat_map(|half| cut(half, exception)).collect()
}

/// How SQLite names files that the connections to a database share memory through.
const SHARED_MEMORY: &[u8] = b"-shm";

/// How many links in a row are followed, as Linux has it.
const LINKS: usize = 40;

/// The longest path that Linux takes, in bytes.
const LONGEST: usize = 4095;

/// Where a path leads, even if nothing is there yet: also through a link that dangles,
/// at whose end a file would be made. None if it leads nowhere.
fn follow(path: &Path) -> Option<PathBuf> {
    let mut path = path.to_owned();
    'links: for _ in 0..=LINKS {
        if path.as_os_str().len() > LONGEST {
            return None;
        }
        let mut missing = Vec::new();
        let mut there = path.as_path();
        loop {
            if let Ok(mut real) = there.canonicalize() {
                real.extend(missing.into_iter().rev());
                return Some(real);
            }
            let above = there.parent()?;
            if let Ok(target) = there.read_link() {
                let mut next = above.join(target);
                next.extend(missing.into_iter().rev());
                path = next;
                continue 'links;
            }
            missing.push(there.file_name()?);
            there = above;
        }
    }
    None
}

/// Follows symbolic links before a path is checked: `deno_permissions` itself looks
/// at the path as it was written.
#[derive(Debug)]
struct Walls {
    parser: RuntimePermissionDescriptorParser<AppSys>,
    /// What is granted, for questions of our own.
    granted: Mutex<deno_permissions::Permissions>,
}

impl Walls {
    fn new(sys: &AppSys, granted: deno_permissions::Permissions) -> Self {
        Self { parser: RuntimePermissionDescriptorParser::new(sys.clone()), granted: Mutex::new(granted) }
    }

    fn reads(&self, path: &Path) -> bool {
        let query = PathQueryDescriptor::new_known_absolute(Cow::Borrowed(path)).into_read();
        self.granted.lock().read.check_partial(&query, None).is_ok()
    }

    fn writes(&self, path: &Path) -> bool {
        let query = PathQueryDescriptor::new_known_absolute(Cow::Borrowed(path)).into_write();
        self.granted.lock().write.check_partial(&query, None).is_ok()
    }

    /// The path to check in the place of `path`: the same one, if it leads nowhere
    /// where less is allowed.
    fn real(&self, path: &Path) -> Option<PathBuf> {
        let real = follow(path)?;
        if real == path {
            return None;
        }
        let narrower = self.reads(path) && !self.reads(&real) || self.writes(path) && !self.writes(&real);
        narrower.then_some(real)
    }
}

impl PermissionDescriptorParser for Walls {
    fn parse_path_query<'a>(&self, path: Cow<'a, Path>) -> Result<PathQueryDescriptor<'a>, PathResolveError> {
        let query = self.parser.parse_path_query(path)?;
        let is_everywhere = {
            let granted = self.granted.lock();
            granted.read.is_allow_all() && granted.write.is_allow_all()
        };
        if is_everywhere {
            return Ok(query);
        }
        let absolute = query.as_descriptor().into_path_buf();
        if absolute.as_os_str().as_encoded_bytes().ends_with(SHARED_MEMORY) {
            let why = format!(
                "{} is mapped into memory by SQLite: cut short, it would end the process",
                absolute.display()
            );
            return Err(PathResolveError::Canonicalize(io::Error::new(io::ErrorKind::PermissionDenied, why)));
        }
        match self.real(&absolute) {
            Some(real) => Ok(PathQueryDescriptor::new_known_absolute(Cow::Owned(real))),
            None => Ok(query),
        }
    }

    fn parse_special_file_descriptor<'a>(
        &self,
        path: PathQueryDescriptor<'a>,
    ) -> Result<SpecialFilePathQueryDescriptor<'a>, PathResolveError> {
        self.parser.parse_special_file_descriptor(path)
    }

    fn parse_read_descriptor(&self, text: &str) -> Result<ReadDescriptor, PathResolveError> {
        self.parser.parse_read_descriptor(text)
    }

    fn parse_write_descriptor(&self, text: &str) -> Result<WriteDescriptor, PathResolveError> {
        self.parser.parse_write_descriptor(text)
    }

    fn parse_net_descriptor(&self, text: &str) -> Result<NetDescriptor, NetDescriptorParseError> {
        // The crate itself takes no range of IPv6 addresses.
        match text.parse::<IpNet>() {
            Ok(range) => Ok(NetDescriptor(Host::IpSubnet(range), None)),
            Err(_) => self.parser.parse_net_descriptor(text),
        }
    }

    fn parse_import_descriptor(&self, text: &str) -> Result<ImportDescriptor, NetDescriptorParseError> {
        self.parser.parse_import_descriptor(text)
    }

    fn parse_env_descriptor(&self, text: &str) -> Result<EnvDescriptor, EnvDescriptorParseError> {
        self.parser.parse_env_descriptor(text)
    }

    fn parse_sys_descriptor(&self, text: &str) -> Result<SysDescriptor, SysDescriptorParseError> {
        self.parser.parse_sys_descriptor(text)
    }

    fn parse_allow_run_descriptor(
        &self,
        text: &str,
    ) -> Result<AllowRunDescriptorParseResult, RunDescriptorParseError> {
        self.parser.parse_allow_run_descriptor(text)
    }

    fn parse_deny_run_descriptor(&self, text: &str) -> Result<DenyRunDescriptor, PathResolveError> {
        self.parser.parse_deny_run_descriptor(text)
    }

    fn parse_ffi_descriptor(&self, text: &str) -> Result<FfiDescriptor, PathResolveError> {
        self.parser.parse_ffi_descriptor(text)
    }

    fn parse_net_query(&self, text: &str) -> Result<NetDescriptor, NetDescriptorParseError> {
        self.parser.parse_net_query(text)
    }

    fn parse_run_query<'a>(
        &self,
        requested: &'a str,
    ) -> Result<RunQueryDescriptor<'a>, RunDescriptorParseError> {
        self.parser.parse_run_query(requested)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowed_address_is_cut_out_of_its_range() {
        let rest = without(&["127.0.0.0/8", "10.0.0.0/8"], &["127.0.0.1:5432".to_owned()]);
        assert!(rest.contains(&"10.0.0.0/8".to_owned()));
        let nets: Vec<IpNet> = rest.iter().map(|net| net.parse().expect("a range")).collect();
        let denied = |address: &str| {
            let address: IpAddr = address.parse().expect("an address");
            nets.iter().any(|net| net.contains(&address))
        };
        assert!(!denied("127.0.0.1"));
        assert!(denied("127.0.0.2") && denied("127.255.0.1") && denied("10.1.2.3"));
    }

    #[test]
    fn an_entry_names_its_hosts() {
        for (entry, target, names) in [
            ("10.0.0.0/8", "10.1.2.3:80", true),
            ("10.0.0.0/8", "11.1.2.3:80", false),
            ("example.com", "example.com:443", true),
            ("example.com:80", "example.com:443", false),
            ("*.example.com", "a.example.com:443", true),
            ("*.example.com", "badexample.com:443", false),
            ("[::1]:80", "[::1]:80", true),
            ("[::1]:80", "[::1]:81", false),
            ("::2", "[::1]:81", false),
        ] {
            assert_eq!(names_host(entry, target), names, "{entry} {target}");
        }
    }

    #[test]
    fn hosts_are_told_from_ports() {
        for (entry, host) in [
            ("example.com:443", "example.com"),
            ("example.com", "example.com"),
            ("[::1]:80", "::1"),
            ("::1", "::1"),
            ("10.0.0.0/8", "10.0.0.0/8"),
        ] {
            assert_eq!(host_of(entry), host);
        }
    }
}
