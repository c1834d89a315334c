//! What is worth saying once at start: each a full sentence, and only of what is there.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::Project;
use super::discovery::{IgnoredFiles, show};
use crate::limits::Limits;

/// How many files a sentence names.
const NAMED: usize = 3;

impl Project {
    /// Remarks about route files and about files that are left alone.
    pub(crate) fn hints(&self, limits: &Limits) -> Vec<String> {
        let routes = &self.routes;
        let mut hints: Vec<String> =
            routes.iter().flat_map(|route| route.segment.hints.iter().cloned()).collect();
        hints.extend(misnamed(&self.root, &self.ignored));
        hints.extend(self.file_rules.hints.iter().cloned());
        let mut cut: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        let mut uncached: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for route in routes {
            let asked = route.segment.max_duration;
            if let Some(seconds) =
                asked.filter(|seconds| Duration::from_secs((*seconds).into()) > limits.max_wall)
            {
                cut.entry(seconds).or_default().push(route.shown.clone());
            }
            for export in &route.segment.uncached {
                uncached.entry(export).or_default().push(route.shown.clone());
            }
        }
        for (seconds, files) in cut {
            hints.push(format!(
                "maxDuration = {seconds} of {} is cut to {:?}, the most that --limit-max-wall allows.",
                some_of(&files),
                limits.max_wall,
            ));
        }
        for (export, files) in uncached {
            hints.push(format!(
                "`{export}` of {} has no effect: nothing is cached, the handler runs for every request.",
                some_of(&files),
            ));
        }
        hints.extend(self.ignored_files());
        hints
    }

    fn ignored_files(&self) -> Vec<String> {
        let IgnoredFiles { pages, metadata, middleware, beside, vercel, .. } = &self.ignored;
        let show = |path: &Path| show(&self.root, path);
        let mut hints = Vec::new();
        for file in &self.ignored.extensions {
            hints.push(format!("{} is no route: only route.tsx, .ts, .jsx and .js are.", show(file)));
        }
        for file in &self.ignored.intercepting {
            hints.push(format!(
                "{} is skipped: intercepting routes exist only for navigation in a browser.",
                show(file)
            ));
        }
        for file in middleware {
            hints.push(format!("{} does not run: it has to be beside the `app` folder.", show(file)));
        }
        for (path, effect) in beside {
            hints.push(format!("{} is not supported: {effect}.", show(path)));
        }
        if let Some(file) = &self.config.file
            && !self.config.ignored.is_empty()
        {
            let ignored = &self.config.ignored;
            hints.push(format!("{} of {file} {} no effect.", all_of(ignored), has(ignored.len())));
        }
        if let Some((path, keys)) = vercel {
            let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
            hints.push(match keys.len() {
                0 => format!("{} is not read.", show(path)),
                count => format!("{} is not read: {} {} no effect.", show(path), all_of(&keys), has(count)),
            });
        }
        if !metadata.is_empty() {
            let files: Vec<String> = metadata.iter().map(|path| show(path)).collect();
            let (are, counts) = if files.len() == 1 { ("is", "it counts") } else { ("are", "they count") };
            hints.push(format!("{} {are} not served: {counts} only directly in `app/`.", all_of(&files)));
        }
        if *pages > 0 {
            let (files, are) = if *pages == 1 { ("file", "is") } else { ("files", "are") };
            hints.push(format!("{pages} {files} of pages (page, layout and the like) {are} not served."));
        }
        hints
    }
}

/// Files that were probably meant to be routes.
pub(super) fn misnamed(root: &Path, ignored: &IgnoredFiles) -> Vec<String> {
    let hint = |(path, methods): &(std::path::PathBuf, Vec<String>)| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        let is_near = stem == "index" || strsim::osa_distance(&stem, "route") <= 1;
        let right = if is_near {
            path.with_file_name(format!("route.{extension}"))
        } else {
            path.with_extension("").join(format!("route.{extension}"))
        };
        let exports =
            if methods.is_empty() { String::new() } else { format!("exports {} but ", all_of(methods)) };
        format!("{} {exports}is no route: the file has to be {}.", show(root, path), show(root, &right))
    };
    ignored.misnamed.iter().map(hint).collect()
}

fn has(count: usize) -> &'static str {
    if count == 1 { "has" } else { "have" }
}

/// "a", "a and b", "a, b and c".
fn all_of(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// The same with the rest counted.
fn some_of(names: &[String]) -> String {
    if names.len() <= NAMED + 1 {
        return all_of(names);
    }
    format!("{} and {} more", names[..NAMED].join(", "), names.len() - NAMED)
}
