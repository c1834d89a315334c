//! The arrows of the house point down.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Rooms and their floors, as `ARCHITECTURE.md` draws them.
const FLOORS: [(&str, u32); 28] = [
    ("main", 7),
    ("cli", 7),
    ("lib", 6),
    ("dev", 6),
    ("host", 6),
    ("error", 6),
    ("server", 5),
    ("front", 5),
    ("shard", 4),
    ("evaluate", 4),
    ("isolate", 3),
    ("registry", 3),
    ("version", 2),
    ("bundle", 2),
    ("build", 1),
    ("enforcer", 1),
    ("types", 2),
    ("project", 0),
    ("calling", 0),
    ("draft", 0),
    ("ending", 0),
    ("limits", 0),
    ("rules", 0),
    ("memory", 0),
    ("instances", 0),
    ("permissions", 0),
    ("soon", 0),
    ("telemetry", 0),
];

/// Ground values that rooms of the same floor may use.
const GROUND: [&str; 10] = [
    "calling",
    "draft",
    "ending",
    "limits",
    "memory",
    "instances",
    "permissions",
    "rules",
    "soon",
    "telemetry",
];

fn floor(room: &str) -> Option<u32> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    walkdir::WalkDir::new(dir)
        .sort_by_file_name()
        .into_iter()
        .flatten()
        .map(walkdir::DirEntry::into_path)
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn rooms_import_only_from_lower_floors() {
    let source = root().join("src");
    let mut wrong = Vec::new();
    for file in files(&source, "rs") {
        let relative = file.strip_prefix(&source).expect("inside");
        let room =
            relative.iter().next().expect("a name").to_string_lossy().trim_end_matches(".rs").to_owned();
        let own = floor(&room)
            .unwrap_or_else(|| panic!("{room} has no floor: give it one here and in ARCHITECTURE.md"));
        let text = std::fs::read_to_string(&file).expect("readable");
        for (at, _) in text.match_indices("crate::") {
            let after = &text[at + "crate::".len()..];
            let target: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let Some(theirs) = floor(&target).filter(|_| target != room) else { continue };
            if theirs > own
                || (theirs == own
                    && !GROUND.contains(&target.as_str())
                    && !["lib", "dev", "host", "error"].contains(&room.as_str()))
            {
                wrong.push(format!(
                    "{}: {room} (floor {own}) may not see {target} (floor {theirs})",
                    relative.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_front_sees_no_more_of_isolates_than_their_words() {
    for file in files(&root().join("src/front"), "rs") {
        let text = std::fs::read_to_string(&file).expect("readable");
        for forbidden in ["isolate::Isolate", "deno_core", "v8::"] {
            assert!(!text.contains(forbidden), "{} names {forbidden}", file.display());
        }
    }
}

#[test]
fn only_the_adapter_names_the_bundler() {
    for file in files(&root().join("src"), "rs") {
        if file.ends_with("bundle/rolldown.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("readable");
        let text = text.replace("rolldown::run", "").replace("mod rolldown", "").replace("rolldown=warn", "");
        assert!(!text.contains("rolldown::") && !text.contains("rolldown_"), "{}", file.display());
    }
}

#[test]
fn scripts_load_only_scripts_with_lower_numbers() {
    let number = |name: &str| name.split('_').next().and_then(|digits| digits.parse::<u32>().ok());
    for file in files(&root().join("runtime-js"), "js") {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).expect("readable");
        assert!(text.starts_with("// @ts-check"), "{name} is not type-checked");
        let Some(own) = number(&name) else { continue };
        for (at, _) in text.match_indices("ext:edgehost/") {
            let target = &text[at + "ext:edgehost/".len()..];
            if let Some(theirs) = number(target) {
                assert!(theirs < own, "{name} loads {}", target.split('"').next().unwrap_or_default());
            }
        }
    }
}

#[test]
fn ops_in_javascript_exist_in_rust_and_the_reverse() {
    let names = |text: &str| -> BTreeSet<String> {
        text.match_indices("op_edgehost_")
            .map(|(at, _)| text[at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
            .collect()
    };
    let read = |files: Vec<PathBuf>| {
        files.iter().map(|file| std::fs::read_to_string(file).expect("readable")).collect::<String>()
    };
    let javascript = names(&read(files(&root().join("runtime-js"), "js")));
    let lists = ["crates/ext/src/list.rs", "crates/ext/src/node/mod.rs"].map(|file| root().join(file));
    let rust = names(&read(lists.to_vec()));
    assert_eq!(javascript, rust);
    let ops = read(files(&root().join("crates/ext/src"), "rs"));
    for name in &rust {
        let at = ops.find(&format!("fn {name}")).unwrap_or_else(|| panic!("{name} is not defined"));
        let before = &ops[..at];
        let documented = before.rfind("///").is_some_and(|doc| !before[doc..].contains("\n}\n"));
        assert!(documented, "{name} has no documentation");
    }
}

#[test]
fn every_source_file_says_what_it_is_about() {
    for dir in ["src", "crates", "xtask", "tests"] {
        for file in files(&root().join(dir), "rs") {
            if file.ends_with("it/mod.rs") {
                continue;
            }
            let text = std::fs::read_to_string(&file).expect("readable");
            assert!(text.starts_with("//!"), "{} does not open with //!", file.display());
        }
    }
}
