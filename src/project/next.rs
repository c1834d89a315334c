//! Which Next.js a project was written for.

use std::path::Path;

use deno_semver::{RangeBound, VersionBoundKind, VersionRange, VersionReq};
use serde_json::Value;

/// The first version that hands out `params`, `cookies()`, `headers()` and `draftMode()`
/// as promises.
const PROMISES: u64 = 15;

/// Where a `package.json` names what a project needs.
const LISTS: [&str; 4] = ["dependencies", "devDependencies", "peerDependencies", "optionalDependencies"];

/// Whether the project is on a Next.js that hands them out as they are.
///
/// The range in its `package.json` says so. Where that allows both (`>=14`, `latest`,
/// `catalog:`), or is not there, what is installed does.
pub(super) fn is_synchronous(root: &Path) -> bool {
    let package = json(&root.join("package.json")).unwrap_or_default();
    let wanted = LISTS.iter().find_map(|list| package[*list]["next"].as_str());
    let major = || {
        let installed =
            root.ancestors().find_map(|folder| json(&folder.join("node_modules/next/package.json")))?;
        installed["version"].as_str()?.split('.').next()?.parse::<u64>().ok()
    };
    wanted.and_then(is_before).or_else(|| Some(major()? < PROMISES)).unwrap_or_default()
}

fn json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Whether all versions that a range allows are older; none if it allows both.
fn is_before(wanted: &str) -> Option<bool> {
    let range = wanted.strip_prefix("workspace:").unwrap_or(wanted);
    // An alias: `npm:next@14.2.0`, `npm:@scope/next@14`.
    let range = match range.strip_prefix("npm:") {
        Some(alias) => alias.get(1..)?.split_once('@')?.1,
        None => range,
    };
    let request = VersionReq::parse_from_npm(range).ok()?;
    let ranges = &request.range()?.0;
    let mut answers = ranges.iter().filter(|range| !range.is_none()).map(side);
    let first = answers.next()??;
    answers.all(|answer| answer == Some(first)).then_some(first)
}

fn side(range: &VersionRange) -> Option<bool> {
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
    if most < PROMISES {
        Some(true)
    } else if least >= PROMISES {
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
            assert_eq!(is_before(range), before, "{range:?}");
        }
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
