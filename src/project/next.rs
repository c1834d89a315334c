//! Which Next.js a project was written for, and what else it has installed.

use std::path::Path;

use deno_semver::{RangeBound, Version, VersionBoundKind, VersionRange, VersionReq};
use serde_json::Value;

/// The first version that hands out `params`, `cookies()`, `headers()` and `draftMode()`
/// as promises.
const PROMISES: u64 = 15;

/// The first version that bundles with Turbopack, which takes an import of a name that is
/// not exported for an error. webpack warns.
const TURBOPACK: u64 = 16;

/// The first version that hands `params` and `id` to the code of images and sitemaps as promises.
const METADATA_PROMISES: u64 = 16;

/// Where a `package.json` names what a project needs.
const LISTS: [&str; 4] = ["dependencies", "devDependencies", "peerDependencies", "optionalDependencies"];

/// Whether the project is on a Next.js that hands them out as they are.
pub(super) fn is_synchronous(root: &Path) -> bool {
    is_older(root, PROMISES) == Some(true)
}

/// Whether the project is on a Next.js that hands `params` and `id` to the code of images and
/// sitemaps as they are.
pub(super) fn is_synchronous_in_metadata(root: &Path) -> bool {
    is_older(root, METADATA_PROMISES) == Some(true)
}

/// Whether the project is on a Next.js that takes such an import for an error.
pub(super) fn is_strict(root: &Path) -> bool {
    is_older(root, TURBOPACK) == Some(false)
}

/// Whether the project is on a Next.js before `first`; none if it is on no Next.js.
///
/// The range in its `package.json` says so. Where that allows both (`>=14`, `latest`,
/// `catalog:`), or is not there, what is installed does; where nothing is, the newest counts.
fn is_older(root: &Path, first: u64) -> Option<bool> {
    let package = json(&root.join("package.json")).unwrap_or_default();
    let wanted = LISTS.iter().find_map(|list| package[*list]["next"].as_str());
    let told = wanted.and_then(|range| is_before(range, first));
    told.or_else(|| Some(installed(root, "next")?.major < first)).or_else(|| wanted.map(|_| false))
}

/// The version of a package in the nearest `node_modules` that has it.
pub(super) fn installed(root: &Path, package: &str) -> Option<Version> {
    let file = format!("node_modules/{package}/package.json");
    let package = root.ancestors().find_map(|folder| json(&folder.join(&file)))?;
    Version::parse_from_npm(package["version"].as_str()?).ok()
}

/// How a person who works on the project installs a package that only they need, by the lock
/// file that lies there.
pub(super) fn install_command(root: &Path, package: &str) -> String {
    const BY_LOCK_FILE: [(&str, &str); 4] = [
        ("pnpm-lock.yaml", "pnpm add --save-dev"),
        ("yarn.lock", "yarn add --dev"),
        ("bun.lock", "bun add --dev"),
        ("bun.lockb", "bun add --dev"),
    ];
    let is_there = |(lock, _): &&(&str, &str)| root.ancestors().any(|folder| folder.join(lock).is_file());
    let command = BY_LOCK_FILE.iter().find(is_there).map_or("npm install --save-dev", |(_, command)| command);
    format!("{command} {package}")
}

fn json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Whether all versions that a range allows are older; none if it allows both.
fn is_before(wanted: &str, first: u64) -> Option<bool> {
    let range = wanted.strip_prefix("workspace:").unwrap_or(wanted);
    // An alias: `npm:next@14.2.0`, `npm:@scope/next@14`.
    let range = match range.strip_prefix("npm:") {
        Some(alias) => alias.get(1..)?.split_once('@')?.1,
        None => range,
    };
    let request = VersionReq::parse_from_npm(range).ok()?;
    let ranges = &request.range()?.0;
    let mut answers = ranges.iter().filter(|range| !range.is_none()).map(|range| side(range, first));
    let one = answers.next()??;
    answers.all(|answer| answer == Some(one)).then_some(one)
}

fn side(range: &VersionRange, first: u64) -> Option<bool> {
    let least = match &range.start {
        RangeBound::Version(bound) => bound.version.major,
        RangeBound::Unbounded => 0,
    };
    let most = match &range.end {
        RangeBound::Version(bound) => {
            let version = &bound.version;
            let begins_major = version.minor == 0 && version.patch == 0;
            let is_without = bound.kind == VersionBoundKind::Exclusive && begins_major;
            version.major.saturating_sub(u64::from(is_without))
        }
        RangeBound::Unbounded => u64::MAX,
    };
    if most < first {
        Some(true)
    } else if least >= first {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_lies_before_the_promises_or_after() {
        for (range, before) in [
            ("14.2.35", Some(true)),
            ("^14", Some(true)),
            ("^14.2.0", Some(true)),
            ("~13.4", Some(true)),
            ("14.x", Some(true)),
            ("14", Some(true)),
            ("v14.1.0", Some(true)),
            ("13 || 14", Some(true)),
            ("13.4.0 - 14.2", Some(true)),
            (">=13 <15", Some(true)),
            ("<15.0.0", Some(true)),
            ("14.0.0-canary.1", Some(true)),
            ("^14.3.0-canary.87", Some(true)),
            ("npm:next@14.2.0", Some(true)),
            ("npm:@scope/next@^13", Some(true)),
            ("workspace:^14", Some(true)),
            ("15.0.0", Some(false)),
            ("15.0.0-rc.1", Some(false)),
            ("^15.1", Some(false)),
            ("15 || 16", Some(false)),
            (">=15", Some(false)),
            ("16.x", Some(false)),
            ("npm:next@16", Some(false)),
            (">=14", None),
            ("14 || 15", None),
            ("<15.1", None),
            ("*", None),
            ("", None),
            ("latest", None),
            ("canary", None),
            ("catalog:", None),
            ("catalog:next14", None),
            ("workspace:*", None),
            ("npm:next", None),
            ("npm:", None),
            ("file:../next", None),
            ("github:someone/next#v14", None),
            ("https://example.com/next-14.0.0.tgz", None),
        ] {
            assert_eq!(is_before(range, PROMISES), before, "{range:?}");
        }
    }

    #[test]
    fn a_project_is_on_turbopack_or_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let is_strict = |package: &str| {
            std::fs::write(folder.path().join("package.json"), package).expect("written");
            is_strict(folder.path())
        };
        for (range, strict) in [
            ("^16.0.0", true),
            ("16.0.0-beta.0", true),
            (">=16", true),
            ("15.5.4", false),
            ("^14", false),
            ("latest", true),
            (">=15", true),
        ] {
            let package = format!(r#"{{ "dependencies": {{ "next": "{range}" }} }}"#);
            assert_eq!(is_strict(&package), strict, "{range:?}");
        }
        assert!(!is_strict("{}"), "on no Next.js");
        let installed = folder.path().join("node_modules/next");
        std::fs::create_dir_all(&installed).expect("folders");
        std::fs::write(installed.join("package.json"), r#"{ "version": "15.5.4" }"#).expect("written");
        assert!(!is_strict(r#"{ "dependencies": { "next": "latest" } }"#), "what is installed");
    }

    #[test]
    fn what_is_installed_decides_where_the_range_does_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("apps/web");
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            std::fs::write(path, text).expect("written");
        };
        write("apps/web/package.json", r#"{ "devDependencies": { "next": "catalog:" } }"#);
        assert!(!is_synchronous(&root));
        write("node_modules/next/package.json", r#"{ "version": "14.2.35" }"#);
        assert!(is_synchronous(&root), "installed above, as a workspace has it");
        write("apps/web/node_modules/next/package.json", r#"{ "version": "15.0.0-canary.1" }"#);
        assert!(!is_synchronous(&root), "the nearest one");
        write("apps/web/package.json", r#"{ "dependencies": { "next": "^13.4" } }"#);
        assert!(is_synchronous(&root));
        write("apps/web/package.json", "no JSON");
        assert!(!is_synchronous(&root));
    }
}
