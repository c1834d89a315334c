//! Modules that the host provides, whether or not `next` is installed.

use super::client;
use crate::project::Runtime;

/// What a specifier stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Virtual {
    /// A module of the host, by its name, with its exports.
    Host(&'static str, &'static [&'static str]),
    /// Nothing at all.
    Empty,
    /// As [`Virtual::Empty`], with a warning: it belongs into a browser.
    ClientOnly,
    /// Used where `node_modules` has no such module: fails when it is used.
    Fallback,
}

const SERVER: &[&str] = &[
    "after",
    "connection",
    "ImageResponse",
    "NextRequest",
    "NextResponse",
    "unstable_after",
    "URLPattern",
    "userAgent",
    "userAgentFromString",
];
const HEADERS: &[&str] = &["cookies", "draftMode", "headers"];
const NAVIGATION: &[&str] = &[
    "forbidden",
    "notFound",
    "permanentRedirect",
    "ReadonlyURLSearchParams",
    "redirect",
    "RedirectType",
    "unauthorized",
    "unstable_isUnrecognizedActionError",
    "unstable_rethrow",
    "useParams",
    "usePathname",
    "useRouter",
    "useSearchParams",
    "useSelectedLayoutSegment",
    "useSelectedLayoutSegments",
    "useServerInsertedHTML",
];
const CACHE: &[&str] = &[
    "cacheLife",
    "cacheTag",
    "io",
    "navigation",
    "prefetch",
    "refresh",
    "revalidatePath",
    "revalidateTag",
    "unstable_cache",
    "unstable_cacheLife",
    "unstable_cacheTag",
    "unstable_expirePath",
    "unstable_expireTag",
    "unstable_noStore",
    "updateTag",
];

/// What the program that embeds the host has to say to handlers.
const OWN: &[&str] = &["context"];

/// What `next/constants` calls the things that a configuration is asked for.
const PHASES: [(&str, &str); 6] = [
    ("PHASE_EXPORT", "phase-export"),
    ("PHASE_INFO", "phase-info"),
    ("PHASE_PRODUCTION_BUILD", "phase-production-build"),
    ("PHASE_PRODUCTION_SERVER", "phase-production-server"),
    ("PHASE_DEVELOPMENT_SERVER", "phase-development-server"),
    ("PHASE_TEST", "phase-test"),
];

/// What `react` has for server code beside what is installed.
const REACT: &[&str] = &["cache", "experimental_taintObjectReference", "experimental_taintUniqueValue"];

/// Marks the ids of these modules, as Rollup plugins do.
const PREFIX: &str = "\0edgehost:";

/// Names the function that gives CommonJS code the built-in modules of Node.js;
/// runtime-js/node/41_globals.js puts it on the global object.
pub(super) const BUILTINS_SYMBOL: &str = "edgehost.builtin";

/// Names the function that tells bundled code where a file of the project lies;
/// runtime-js/51_dispatch.js puts it on the global object.
pub(super) const PLACE_SYMBOL: &str = "edgehost.place";

/// The id of the module with what the host adds to React.
pub(super) const REACT_ID: &str = "\0edgehost:next/react";

/// The id of React as server code has it: the module at `path`, and what the host adds.
pub(super) fn react_id(path: &str) -> String {
    format!("{PREFIX}react/{path}")
}

/// Modules of Node.js that edge routes may import (those of Next.js's own edge runtime).
const EDGE_BUILTINS: [&str; 5] = ["assert", "async_hooks", "buffer", "events", "util"];

/// The name, without `node:`, if a specifier names a built-in module of Node.js.
pub(super) fn node_builtin(specifier: &str) -> Option<&str> {
    match specifier.strip_prefix("node:") {
        Some(name) => Some(name),
        None => edgehost_ext::is_builtin(specifier).then_some(specifier),
    }
}

/// Whether routes of a runtime may import a built-in module.
pub(super) fn is_open(name: &str, kind: Runtime) -> bool {
    kind == Runtime::NodeJs || EDGE_BUILTINS.contains(&name)
}

/// The id of a built-in module as `require` gives it.
pub(super) fn builtin_id(name: &str) -> String {
    format!("{PREFIX}builtin/{name}")
}

/// The id of a module without exports.
pub(super) fn empty_id() -> String {
    format!("{PREFIX}empty")
}

/// The id of a module that fails when it runs: a built-in module of Node.js in an
/// edge route, as `importer` asks for it.
pub(super) fn missing_id(name: &str, importer: &str) -> String {
    format!("{PREFIX}missing/{name}?{importer}")
}

/// Name and importer of a module with such an id.
pub(super) fn missing(id: &str) -> Option<(&str, &str)> {
    id.strip_prefix(PREFIX)?.strip_prefix("missing/")?.split_once('?')
}

/// The id of a module that is not installed, as `require` finds out.
pub(super) fn absent_id(specifier: &str) -> String {
    format!("{PREFIX}absent/{specifier}")
}

/// The id of a compiled addon, which fails when it is loaded. `package` asks for it.
pub(super) fn addon_id(package: Option<&str>, shown: &str) -> String {
    format!("{PREFIX}addon/{}?{shown}", package.unwrap_or_default())
}

/// Begins the names of modules that stand for CommonJS modules; see `interop`.
const APART: &str = "apart/";

/// The id of such a module.
pub(super) fn apart_id(path: &str) -> String {
    format!("{PREFIX}{APART}{path}")
}

/// The file for which a module with such an id stands.
pub(super) fn apart_file(id: &str) -> Option<&str> {
    id.strip_prefix(PREFIX)?.strip_prefix(APART)
}

/// What a compiled addon says.
pub(super) fn addon_message(package: Option<&str>, shown: &str) -> String {
    let of_package = package.map(|package| format!(" of the package '{package}'")).unwrap_or_default();
    format!(
        "The native addon {shown}{of_package} cannot be loaded: edgehost runs JavaScript and WebAssembly only. {}",
        instead(package.unwrap_or_default())
    )
}

/// What people use in the place of a package with native code; names by their beginnings.
const INSTEAD: [(&str, &str); 24] = [
    ("@duckdb/node", "'@duckdb/duckdb-wasm' has no native code"),
    ("@img/sharp", "'jimp' has no native code"),
    ("@libsql/", "'@libsql/client/web' has no native code"),
    ("@napi-rs/canvas", "'@resvg/resvg-wasm' draws without native code"),
    ("@node-rs/argon2", "'hash-wasm' has no native code"),
    ("@node-rs/bcrypt", "'bcryptjs' has no native code"),
    (
        "@prisma/client",
        "A driver adapter and `engineType = \"client\"` in the generator of schema.prisma do without it",
    ),
    ("@resvg/resvg-js", "'@resvg/resvg-wasm' has no native code"),
    ("argon2", "'hash-wasm' has no native code"),
    ("bcrypt", "'bcryptjs' has no native code"),
    ("better-sqlite3", "The module 'node:sqlite' is there without a package"),
    ("canvas", "'@resvg/resvg-wasm' draws without native code"),
    ("duckdb", "'@duckdb/duckdb-wasm' has no native code"),
    ("libpq", "'pg' works without 'pg-native'"),
    ("libsql", "'@libsql/client/web' has no native code"),
    ("lightningcss", "'lightningcss-wasm' has no native code"),
    ("node-sass", "'sass' has no native code"),
    ("onnxruntime-node", "'onnxruntime-web' has no native code"),
    ("re2", "'re2-wasm' has no native code"),
    ("sharp", "'jimp' has no native code"),
    ("skia-canvas", "'@resvg/resvg-wasm' draws without native code"),
    ("snappy", "'snappyjs' has no native code"),
    ("sqlite3", "The module 'node:sqlite' is there without a package"),
    ("xxhash", "'hash-wasm' has no native code"),
];

/// Packages that are only faster with their native code, or that others go on without.
const OPTIONAL: [&str; 6] =
    ["bufferutil", "cbor-extract", "cpu-features", "fsevents", "msgpackr-extract", "utf-8-validate"];

/// Packages with native code that plugins of `next.config` load, and use only while Next.js builds.
const TOOLS: [&str; 5] = ["@parcel/watcher", "@swc/core", "esbuild", "lightningcss", "sharp"];

/// The id of what stands for such a package: it fails when it is used, not when it is loaded.
pub(super) fn tool_id(specifier: &str) -> Option<String> {
    TOOLS.contains(&specifier).then(|| format!("{PREFIX}tool/{specifier}"))
}

/// Whether it is worth saying that the native code of a package cannot be loaded.
pub(super) fn is_missed(package: &str) -> bool {
    !OPTIONAL.contains(&package)
}

/// Packages that find their addon while they run: the package, and a file that does it.
pub(super) const FINDS_ITS_ADDON: [(&str, &str); 4] = [
    ("@prisma/client", "/runtime/library.js"),
    ("libsql", "/libsql/index.js"),
    ("sharp", "/sharp.js"),
    ("sharp", "/sharp.mjs"),
];

/// What is said of a package that finds its addon while it runs.
pub(super) fn finder_message(package: &str) -> String {
    format!(
        "The package '{package}' loads a native addon, which edgehost cannot: it runs JavaScript and WebAssembly only. {}",
        instead(package)
    )
}

fn instead(package: &str) -> &'static str {
    INSTEAD
        .iter()
        .find(|(name, _)| package.starts_with(name))
        .map_or("Many packages have a variant without native code", |(_, instead)| instead)
}

/// Why an edge route cannot have a built-in module.
pub(super) fn not_at_the_edge(name: &str, importer: &str) -> String {
    format!(
        "The Node.js module 'node:{name}', which {importer} imports, is not available in edge routes. Without `export const runtime = 'edge'` the route has all of them"
    )
}

/// What is said of a package that has its native addon loaded by another.
pub(super) fn loader_message(importer: &str, loader: &str) -> String {
    let package = super::package_of(std::path::Path::new(importer)).unwrap_or_default();
    format!(
        "The package '{package}' loads a native addon (with '{loader}'), which edgehost cannot: it runs JavaScript and WebAssembly only. {}",
        instead(&package)
    )
}

/// CommonJS code that fails with `message`.
fn failing(message: String, code: &str) -> String {
    let message = serde_json::Value::from(message);
    format!("module.exports = undefined;\nthrow Object.assign(new Error({message}), {{ code: {code:?} }});")
}

impl Virtual {
    /// What a specifier in an import stands for, if it is one of these.
    pub(super) fn of(specifier: &str) -> Option<Self> {
        Some(match specifier.strip_suffix(".js").unwrap_or(specifier) {
            "next/server" => Self::Host("next/server", SERVER),
            "next/headers" => Self::Host("next/headers", HEADERS),
            "next/navigation" => Self::Host("next/navigation", NAVIGATION),
            "next/cache" => Self::Host("next/cache", CACHE),
            "edgehost" => Self::Host("edgehost", OWN),
            "server-only" => Self::Empty,
            "client-only" => Self::ClientOnly,
            "next" | "next/constants" | "next/og" | "next/image" | "next/link" | "next/dynamic"
            | "next/script" => Self::Fallback,
            other if other.starts_with("next/font/") => Self::Fallback,
            _ => return None,
        })
    }

    /// The id under which the bundler knows it.
    pub(super) fn id(self, specifier: &str) -> String {
        match self {
            Self::Host(name, _) => format!("{PREFIX}{name}"),
            Self::Empty | Self::ClientOnly => empty_id(),
            Self::Fallback => format!("{PREFIX}fallback/{specifier}"),
        }
    }

    /// The code behind an id.
    pub(super) fn code(id: &str) -> Option<String> {
        if id == client::MAKER {
            return Some(client::MAKER_CODE.to_owned());
        }
        let name = id.strip_prefix(PREFIX)?;
        if name == "empty" {
            return Some("export {};".to_owned());
        }
        if let Some(name) = name.strip_prefix("builtin/") {
            return Some(format!("module.exports = globalThis[Symbol.for({BUILTINS_SYMBOL:?})]({name:?});"));
        }
        if let Some((name, importer)) = missing(id) {
            return Some(failing(not_at_the_edge(name, importer), "ERR_UNKNOWN_BUILTIN_MODULE"));
        }
        if let Some(package) = name.strip_prefix("tool/") {
            let message = serde_json::Value::from(format!(
                "The package '{package}' has native code, which edgehost cannot run"
            ));
            return Some(format!(
                "const fail = () => {{ throw new Error({message}); }};\nmodule.exports = new Proxy(fail, {{ get: (_, name) => (typeof name === \"symbol\" || name === \"__esModule\" || name === \"then\" ? undefined : module.exports), construct: fail }});"
            ));
        }
        if let Some(specifier) = name.strip_prefix("absent/") {
            return Some(failing(format!("Cannot find module '{specifier}'"), "MODULE_NOT_FOUND"));
        }
        if let Some(path) = name.strip_prefix(APART) {
            return Some(format!("module.exports = require({});", serde_json::Value::from(path)));
        }
        if let Some((package, shown)) = name.strip_prefix("addon/").and_then(|name| name.split_once('?')) {
            let package = (!package.is_empty()).then_some(package);
            return Some(failing(addon_message(package, shown), "ERR_DLOPEN_FAILED"));
        }
        if let Some(specifier) = name.strip_prefix("fallback/") {
            let message = format!("\"{specifier}\" is not available in route handlers that edgehost runs");
            let fail = format!("function fail() {{ throw new Error({message:?}); }}");
            return Some(match specifier.strip_suffix(".js").unwrap_or(specifier) {
                "next/constants" => {
                    PHASES.iter().map(|(name, phase)| format!("export const {name} = {phase:?};\n")).collect()
                }
                "next/og" => format!(
                    "{fail}\nexport {{ fail as ImageResponse }};\nexport default {{ ImageResponse: fail }};"
                ),
                _ => format!("{fail}\nexport default fail;"),
            });
        }
        if let Some(path) = name.strip_prefix("react/") {
            let (path, host) = (serde_json::Value::from(path), serde_json::Value::from(REACT_ID));
            let added: Vec<String> = REACT.iter().map(|name| format!("{name}: host.{name}")).collect();
            // CommonJS, as React itself: importers of both kinds get what they get of React.
            return Some(format!(
                "const host = require({host});\nmodule.exports = Object.defineProperties({{}}, {{ ...Object.getOwnPropertyDescriptors(require({path})), ...Object.getOwnPropertyDescriptors({{ {} }}) }});",
                added.join(", ")
            ));
        }
        let exports = match Self::of(name) {
            Some(Self::Host(_, exports)) => exports,
            _ if id == REACT_ID => REACT,
            _ => return None,
        };
        let names = exports.join(", ");
        Some(format!(
            "import {{ {names} }} from \"edgehost:{name}\";\nexport {{ {names} }};\nexport default {{ {names} }};"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names that runtime-js really exports.
    fn exported(script: &str) -> Vec<String> {
        let path = format!("{}/runtime-js/{script}.js", env!("CARGO_MANIFEST_DIR"));
        let source = std::fs::read_to_string(path).expect("readable");
        let object = source.rsplit_once("\nreturn {").expect("an exports object").1;
        let object = object.split_once("};").expect("its end").0;
        let names = object.split(',').map(|entry| entry.split(':').next().unwrap_or("").trim().to_owned());
        names.filter(|name| !name.is_empty()).collect()
    }

    #[test]
    fn the_lists_agree_with_runtime_js() {
        for (script, list) in [
            ("next/server", SERVER),
            ("next/headers", HEADERS),
            ("next/navigation", NAVIGATION),
            ("next/cache", CACHE),
            ("next/react", REACT),
            ("edgehost", OWN),
        ] {
            let mut real = exported(script);
            let mut listed: Vec<String> = list.iter().map(|name| (*name).to_owned()).collect();
            real.sort();
            listed.sort();
            assert_eq!(real, listed, "{script}");
        }
    }
}
