//! What a `next.config` file sets, as far as it matters to routes.
//!
//! The file is a program; whoever has run it hands over what came of it. Here it is looked
//! for, and what it says is checked and kept as data.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::rules::{Paths, WrittenRules};

/// Names of the file, in the order in which they are looked for.
pub(super) const NAMES: [&str; 6] = [
    "next.config.js",
    "next.config.mjs",
    "next.config.ts",
    "next.config.mts",
    "next.config.cjs",
    "next.config.cts",
];

/// Keys that change what route handlers see or what clients get, and cannot be honoured.
const WITHOUT_EFFECT: [&str; 6] =
    ["cacheComponents", "cacheHandler", "cacheHandlers", "expireTime", "i18n", "serverExternalPackages"];

/// What is known of a configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct NextConfig {
    /// The file, relative to the project; none where there is none.
    pub(crate) file: Option<String>,
    /// What paths are like.
    pub(crate) paths: Paths,
    /// `headers`, `redirects` and `rewrites`.
    pub(crate) rules: WrittenRules,
    /// Constants that stand for `process.env` in code.
    pub(crate) env: BTreeMap<String, String>,
    /// Extensions of files that may be routes, where they are not the usual ones.
    pub(crate) page_extensions: Option<Vec<String>>,
    /// Specifiers of modules, and what is imported in their place.
    pub(crate) aliases: BTreeMap<String, String>,
    /// What it sets that has no effect, as people write it.
    pub(crate) ignored: Vec<String>,
}

/// What came of running a configuration: each key as JSON, functions called.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Evaluated {
    /// The keys that are set to something else than nothing.
    keys: Vec<String>,
    base_path: Json,
    trailing_slash: Json,
    skip_trailing_slash_redirect: Json,
    env: Json,
    page_extensions: Json,
    output: Json,
    resolve_alias: Json,
    headers: Json,
    redirects: Json,
    rewrites: Json,
}

impl NextConfig {
    /// The configuration file of a project, if it has one.
    pub(crate) fn file_of(root: &Path) -> Option<PathBuf> {
        NAMES.iter().map(|name| root.join(name)).find(|path| path.is_file())
    }

    /// Checks what came of running `file`.
    ///
    /// # Errors
    ///
    /// A sentence for each value that cannot be one.
    pub(crate) fn new(file: String, evaluated: Evaluated) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let base = base_path(&evaluated.base_path).unwrap_or_else(|problem| {
            problems.push(problem);
            String::new()
        });
        let truth = |value: &Json| value == &Json::Bool(true);
        let paths = Paths {
            base,
            trailing_slash: truth(&evaluated.trailing_slash),
            skip_redirect: truth(&evaluated.skip_trailing_slash_redirect),
        };
        let rules = WrittenRules::read(evaluated.headers, evaluated.redirects, evaluated.rewrites);
        let rules = rules.and_then(|rules| rules.compile(&paths.base).map(|_| rules));
        let rules = rules.unwrap_or_else(|wrong| {
            problems.extend(wrong);
            WrittenRules::default()
        });
        let page_extensions = page_extensions(&evaluated.page_extensions).unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        let env = constants(evaluated.env, &file, &mut problems);
        let mut ignored: Vec<String> = evaluated
            .keys
            .iter()
            .filter(|key| WITHOUT_EFFECT.contains(&key.as_str()))
            .map(|key| format!("`{key}`"))
            .collect();
        if evaluated.output == "export" {
            ignored.push("`output: 'export'`".to_owned());
        }
        let mut aliases = BTreeMap::new();
        if let Json::Object(all) = evaluated.resolve_alias {
            for (specifier, target) in all {
                match target {
                    Json::String(target) => drop(aliases.insert(specifier, target)),
                    _ => ignored.push(format!("`resolveAlias['{specifier}']`")),
                }
            }
        }
        ignored.sort();
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self { file: Some(file), paths, rules, env, page_extensions, aliases, ignored })
    }
}

fn base_path(value: &Json) -> Result<String, String> {
    let text = match value {
        Json::Null => return Ok(String::new()),
        Json::String(text) => text,
        other => return Err(format!("Specified basePath is not a string, found {other}")),
    };
    match text.as_str() {
        "/" => {
            Err("Specified basePath /. basePath has to be either an empty string or a path prefix".to_owned())
        }
        "" => Ok(String::new()),
        text if !text.starts_with('/') => {
            Err(format!("Specified basePath has to start with a /, found \"{text}\""))
        }
        text if text.ends_with('/') => {
            Err(format!("Specified basePath should not end with /, found \"{text}\""))
        }
        text => Ok(text.to_owned()),
    }
}

fn page_extensions(value: &Json) -> Result<Option<Vec<String>>, String> {
    let strings = |list: &Vec<Json>| -> Option<Vec<String>> {
        list.iter().map(|entry| Some(entry.as_str()?.to_owned())).collect()
    };
    match value {
        Json::Null => Ok(None),
        Json::Array(list) if list.is_empty() => Err("Specified pageExtensions is an empty array. Please update it with the relevant extensions or remove it.".to_owned()),
        Json::Array(list) if let Some(list) = strings(list) => Ok(Some(list)),
        other => Err(format!("Specified pageExtensions is not an array of strings, found {other}. Please update this config or remove it.")),
    }
}

fn constants(value: Json, file: &str, problems: &mut Vec<String>) -> BTreeMap<String, String> {
    let mut constants = BTreeMap::new();
    let Json::Object(all) = value else { return constants };
    for (name, value) in all {
        let is_reserved = name.starts_with("__") || name.starts_with("NODE_");
        if is_reserved || name == "NEXT_RUNTIME" {
            problems.push(format!(
                "The key \"{name}\" under \"env\" in {file} is not allowed. https://nextjs.org/docs/messages/env-key-not-allowed"
            ));
            continue;
        }
        match value {
            Json::Null => {}
            Json::String(text) => drop(constants.insert(name, text)),
            other => drop(constants.insert(name, other.to_string())),
        }
    }
    constants
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Json) -> Result<NextConfig, Vec<String>> {
        NextConfig::new("next.config.ts".to_owned(), serde_json::from_value(value).expect("keys"))
    }

    #[test]
    fn what_matters_is_kept() {
        let config = read(json!({
            "keys": ["basePath", "i18n", "images", "output"],
            "basePath": "/docs",
            "trailingSlash": true,
            "env": { "A": "a", "N": 1 },
            "pageExtensions": ["api.ts"],
            "output": "export",
            "resolveAlias": { "a": "./b", "c": { "browser": "./d" } },
        }))
        .expect("in order");
        assert_eq!(config.paths, Paths { base: "/docs".into(), trailing_slash: true, skip_redirect: false });
        assert_eq!(config.env["A"], "a");
        assert_eq!(config.env["N"], "1");
        assert_eq!(config.page_extensions.as_deref(), Some(&["api.ts".to_owned()][..]));
        assert_eq!(config.aliases["a"], "./b");
        assert_eq!(config.ignored, ["`i18n`", "`output: 'export'`", "`resolveAlias['c']`"]);
    }

    #[test]
    fn what_cannot_be_is_told() {
        for (value, part) in [
            (json!({ "basePath": "docs" }), "has to start with a /, found \"docs\""),
            (json!({ "basePath": "/docs/" }), "should not end with /"),
            (json!({ "basePath": "/" }), "has to be either an empty string or a path prefix"),
            (json!({ "basePath": 1 }), "is not a string, found 1"),
            (json!({ "pageExtensions": [] }), "is an empty array"),
            (json!({ "pageExtensions": "ts" }), "is not an array of strings"),
            (
                json!({ "env": { "NODE_ENV": "x" } }),
                "The key \"NODE_ENV\" under \"env\" in next.config.ts is not allowed",
            ),
            (json!({ "redirects": [{ "source": "/a", "destination": "/b" }] }), "`permanent` is not set"),
        ] {
            let told = read(value).expect_err("a mistake").join("\n");
            assert!(told.contains(part), "{told}");
        }
    }
}
