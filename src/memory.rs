//! The memory of the process and of the machine.
//!
//! Values and questions only; `enforcer` keeps the budget.

use std::path::Path;

/// How much memory there may be in use, and how it is counted.
///
/// When it is used up, the isolate that holds most is ended: its requests get 503
/// `MEMORY_LIMIT`. Without a budget the system would end the whole process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryBudget {
    bytes: u64,
    is_of_process: bool,
}

impl MemoryBudget {
    /// Isolates may hold so many bytes together. For a process that does other things as well.
    pub fn of_isolates(bytes: u64) -> Self {
        Self { bytes, is_of_process: false }
    }

    /// The process may have so many bytes in RAM. For one that does nothing else.
    pub fn of_process(bytes: u64) -> Self {
        Self { bytes, is_of_process: true }
    }

    /// How much it is.
    pub fn bytes(self) -> u64 {
        self.bytes
    }

    /// A sentence if it cannot work.
    pub(crate) fn problem(self) -> Option<String> {
        let least = crate::limits::LEAST_MEMORY;
        (self.bytes < least)
            .then(|| format!("--memory-budget is {}B: it must be at least {}MiB", self.bytes, least >> 20))
    }

    /// Whether all that the process has in RAM counts.
    pub(crate) fn is_of_process(self) -> bool {
        self.is_of_process
    }

    /// Half of the memory that there is: of the machine or, where that is less, of the control
    /// groups (version 1 or 2) that the process is in.
    pub fn half() -> u64 {
        there_is() / 2
    }
}

impl Default for MemoryBudget {
    /// [`Self::half`], for the isolates.
    fn default() -> Self {
        Self::of_isolates(Self::half())
    }
}

/// Gives back to the system what was freed: glibc would keep most of it.
#[allow(unsafe_code, reason = "malloc_trim is a C function")]
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes the allocator's own locks and has no other preconditions.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Memory that this process can have at all, in bytes; no bound where it cannot be told.
fn there_is() -> u64 {
    let groups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    machine().min(of_groups(&groups, Path::new("/sys/fs/cgroup")))
}

#[allow(unsafe_code, reason = "libc has no safe wrapper for this call")]
fn machine() -> u64 {
    // SAFETY: no pointers are involved.
    let ask = |name| u64::try_from(unsafe { libc::sysconf(name) }).ok();
    let bytes = ask(libc::_SC_PHYS_PAGES).zip(ask(libc::_SC_PAGESIZE)).map(|(pages, size)| pages * size);
    bytes.filter(|bytes| *bytes > 0).unwrap_or(u64::MAX)
}

/// The least limit of the groups in `groups`, the text of `/proc/self/cgroup`, and of those
/// above them: each holds for all below it.
fn of_groups(groups: &str, mount: &Path) -> u64 {
    let mut least = u64::MAX;
    for line in groups.lines() {
        // cgroups(7): hierarchy, controllers, path. Version 2 has the number 0 and no controllers.
        let mut fields = line.splitn(3, ':');
        let (Some(number), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let (root, file) = if number == "0" && controllers.is_empty() {
            (mount.to_owned(), "memory.max")
        } else if controllers.split(',').any(|name| name == "memory") {
            (mount.join("memory"), "memory.limit_in_bytes")
        } else {
            continue;
        };
        // A container may see its own group as the root, under whatever path it has outside.
        for group in Path::new(path.trim_start_matches('/')).ancestors() {
            let limit = read(&root.join(group).join(file)).and_then(|text| text.trim().parse().ok());
            least = least.min(limit.unwrap_or(u64::MAX));
        }
    }
    least
}

#[allow(clippy::disallowed_methods, reason = "/proc and /sys are not the user's file system")]
fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_limit_of_nested_groups_counts() {
        let mount = tempfile::tempdir().expect("a folder");
        let put = |path: &str, text: &str| {
            let path = mount.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, text).expect("written");
        };
        put("a/memory.max", "1000\n");
        put("a/b/memory.max", "max\n");
        put("a/b/c/memory.max", "2000\n");
        put("memory/x/memory.limit_in_bytes", "700\n");
        put("memory/memory.limit_in_bytes", "9223372036854771712\n");
        let of = |groups: &str| of_groups(groups, mount.path());
        assert_eq!(of("0::/a/b/c\n"), 1000);
        assert_eq!(of("0::/\n"), u64::MAX);
        assert_eq!(of("0::/not/here\n"), u64::MAX);
        assert_eq!(of("5:cpu:/a\n4:cpuset,memory:/x/y\n0::/a/b\n"), 700);
        assert_eq!(of("4:memory:/z\n"), 9_223_372_036_854_771_712);
        assert_eq!(of(""), u64::MAX);
        assert!(machine() < u64::MAX && there_is() <= machine());
    }
}
