//! What the bundler makes of a project: case T104, conditions, and mistakes.

use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::harness::{App, Project, logged, project};

#[tokio::test]
async fn t104_typescript_paths_json_and_jsx() {
    let app = project()
        .file("tsconfig.base.json", r#"{ "compilerOptions": { "paths": { "@/*": ["./src/*"] }, "jsx": "preserve", "experimentalDecorators": true } }"#)
        .file("tsconfig.json", r#"{ "extends": "./tsconfig.base.json", "compilerOptions": { "baseUrl": "." } }"#)
        .file("src/lib/x.ts", "export enum Colour { Red = 'red' }\nexport namespace N { export const deep = 1; }\nexport class P { constructor(public readonly v: number) {} }\nexport const s = { a: 1 } satisfies Record<string, number>;")
        .file("src/data.json", r#"{ "name": "json", "n": 5 }"#)
        .file("shared/base.ts", "export const fromBase = 'base';")
        .file("node_modules/react/package.json", r#"{ "name": "react", "exports": { "./jsx-runtime": "./jsx.js" } }"#)
        .file("node_modules/react/jsx.js", "exports.jsx = (type, props) => ({ type, props }); exports.jsxs = exports.jsx; exports.Fragment = 'fragment';")
        .file("app/page/route.tsx", "import { Colour, N, P, s } from '@/lib/x'; import data, { n } from '@/data.json'; import { fromBase } from 'shared/base';\nexport const GET = () => Response.json([Colour.Red, N.deep, new P(3).v, s.a, data.name, n, fromBase, <b id=\"x\">hi</b>]);")
        .start()
        .await;
    app.get("/page").await.is_json(json!([
        "red", 1, 3, 1, "json", 5, "base", { "type": "b", "props": { "id": "x", "children": "hi" } },
    ]));
}

#[tokio::test]
async fn jsconfig_paths_are_honoured_too() {
    let app = project()
        .file("jsconfig.json", r#"{ "compilerOptions": { "paths": { "~/*": ["./lib/*"] } } }"#)
        .file("lib/a.js", "export const a = 'jsconfig';")
        .file("app/route.js", "import { a } from '~/a'; export const GET = () => new Response(a);")
        .start()
        .await;
    app.get("/").await.is(200, "jsconfig");
}

#[tokio::test]
async fn t105_conditions_follow_the_runtime() {
    let package = |exports: &str| format!(r#"{{ "name": "p", "exports": {{ ".": {exports} }} }}"#);
    let files = |name: &str| format!("export default {name:?};");
    let mut project = project();
    for (name, exports) in [
        (
            "first",
            r#"{ "edge-light": "./e.js", "browser": "./b.js", "node": "./n.js", "default": "./d.js" }"#,
        ),
        ("second", r#"{ "browser": "./b.js", "edge-light": "./e.js", "default": "./d.js" }"#),
        ("third", r#"{ "worker": "./w.js", "default": "./d.js" }"#),
    ] {
        project = project.file(&format!("node_modules/{name}/package.json"), package(exports));
        for file in ["e", "b", "n", "d", "w"] {
            project = project.file(&format!("node_modules/{name}/{file}.js"), files(file));
        }
    }
    let route = "import a from 'first'; import b from 'second'; import c from 'third'; export const GET = () => Response.json([a, b, c]);";
    let app = project
        .file("node_modules/first/package.json", r#"{ "name": "first", "type": "module", "exports": { ".": { "edge-light": "./e.js", "browser": "./b.js", "node": "./n.js", "default": "./d.js" } } }"#)
        .file("app/edge/route.ts", format!("export const runtime = 'edge'; {route}"))
        .file("app/node/route.ts", route)
        .start()
        .await;
    app.get("/edge").await.is_json(json!(["e", "b", "d"]));
    app.get("/node").await.is_json(json!(["n", "d", "d"]));
}

#[tokio::test]
async fn packages_of_all_kinds() {
    let app = project()
        .file("package.json", r##"{ "name": "self", "imports": { "#inner": "./lib/inner.ts" }, "exports": { "./self": "./lib/self.ts" } }"##)
        .file("lib/inner.ts", "export const inner = 'imports';")
        .file("lib/self.ts", "export const self = 'self';")
        .file("node_modules/cjs/package.json", r#"{ "name": "cjs", "main": "index.js" }"#)
        .file("node_modules/cjs/index.js", "const other = require('./other'); module.exports = function () { return other.x; }; module.exports.named = 'named';")
        .file("node_modules/cjs/other.js", "exports.x = 'cjs'; exports.__esModule = true;")
        .file("node_modules/esm/package.json", r#"{ "name": "esm", "main": "never.js", "module": "index.mjs" }"#)
        .file("node_modules/esm/index.mjs", "export default 'module field';")
        .file("node_modules/mapped/package.json", r#"{ "name": "mapped", "main": "index.js", "browser": { "./impl.js": "./browser.js", "fs": false } }"#)
        .file("node_modules/mapped/index.js", "exports.impl = require('./impl.js'); exports.fs = Object.keys(require('fs'));")
        .file("node_modules/mapped/impl.js", "module.exports = 'plain';")
        .file("node_modules/mapped/browser.js", "module.exports = 'browser';")
        .file("lib/dynamic.ts", "export const d = 'dynamic';")
        .file("lib/tla.ts", "export const t = await Promise.resolve('awaited');")
        .file("lib/style.css", "a { color: red }")
        .file("lib/add.wasm", [0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 97, 100, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11])
        .file("app/route.ts", "import cjs, { named } from 'cjs'; import esm from 'esm'; import { inner } from '#inner'; import { t } from '../lib/tla'; import '../lib/style.css'; import wasm from '../lib/add.wasm?module';
            export const GET = async () => { const { d } = await import('../lib/dynamic'); const { exports } = await WebAssembly.instantiate(wasm as any); return Response.json([cjs(), named, esm, inner, t, d, (exports as any).add(2, 3), import.meta.url, import.meta.dirname]); };")
        .file("app/edge/route.ts", "export const runtime = 'edge'; import mapped from 'mapped'; import { self } from 'self/self'; export const GET = () => Response.json([mapped.impl, mapped.fs, self]);")
        .start()
        .await;
    let root =
        app.dir.as_ref().expect("a folder").path().canonicalize().expect("it exists").display().to_string();
    app.get("/").await.is_json(json!([
        "cjs",
        "named",
        "module field",
        "imports",
        "awaited",
        "dynamic",
        5,
        format!("file://{root}/app/route.ts"),
        format!("{root}/app"),
    ]));
    app.get("/edge").await.is_json(json!(["browser", [], "self"]));
}

#[tokio::test]
async fn every_mistake_is_reported_with_place_code_and_importer() {
    let said = project()
        .file("app/a/route.ts", "import { x } from '../../lib/a';\nexport const GET = () => new Response(x);")
        .file(
            "lib/a.ts",
            "import y from 'not-installed';\nimport { z } from './missing';\nexport const x = y + z;",
        )
        .file("app/b/route.ts", "export const GET = () => {\n  const broken = ;\n};")
        .refusal()
        .await;
    for part in [
        "Cannot find module 'not-installed'",
        "lib/a.ts:1:15",
        "import y from 'not-installed';",
        "Cannot find module './missing'",
        "lib/a.ts:2:19",
        "imported by app/a/route.ts",
        "app/b/route.ts:2:18",
        "const broken = ;",
    ] {
        assert!(said.contains(part), "{part} is missing from:\n{said}");
    }
}

#[tokio::test]
async fn a_missing_export_is_a_mistake_since_next_16() {
    let said = project()
        .file("package.json", r#"{ "dependencies": { "next": "^16.0.0" } }"#)
        .file(
            "app/route.ts",
            "import { here, gone } from '../lib';\nexport const GET = () => new Response(here + gone);",
        )
        .file("lib.ts", "export const here = 1;")
        .refusal()
        .await;
    assert!(
        said.contains("gone") && said.contains("app/route.ts:1:16") && said.contains("import { here, gone }"),
        "{said}"
    );
}

#[tokio::test]
async fn before_next_16_it_is_undefined_with_a_warning() {
    let project = project()
        .file("package.json", r#"{ "dependencies": { "next": "^15.5.0" } }"#)
        .file("lib/part.ts", "export const here = 1;\nexport interface Shape { x: number }\nexport const GET = () => new Response('got');")
        .file("lib/index.ts", "export { here, GET, POST } from './part';\nexport { Shape } from './part';\nimport fallback, { gone } from './part';\nexport const seen = () => [typeof gone, typeof fallback];")
        .file("node_modules/p/package.json", r#"{ "name": "p", "type": "module", "exports": "./index.js" }"#)
        .file("node_modules/p/index.js", "import { lost } from './inner.js';\nexport const inside = () => typeof lost;")
        .file("node_modules/p/inner.js", "export const kept = 1;")
        .file("app/a/route.ts", "import { here, seen } from '../../lib';\nimport { inside, outside } from 'p';\nexport const GET = () => Response.json([here, ...seen(), inside(), typeof outside]);")
        .file("app/edge/route.ts", "export const runtime = 'edge';\nimport { seen } from '../../lib';\nexport const GET = () => Response.json(seen());")
        .file("app/handed/route.ts", "export { GET, POST } from '../../lib';")
        .file("app/broken/route.ts", "import { also } from '../../lib/part';\nimport './not-there';\nexport const GET = () => new Response(String(also));");
    let told = Arc::new(Mutex::new((Vec::new(), Vec::new())));
    let seen = told.clone();
    let builder = project.builder().on_progress(move |progress| {
        if let edgehost::Progress::Bundled { warnings, errors, .. } = progress {
            *seen.lock().expect("not poisoned") = (warnings.to_vec(), errors.to_vec());
        }
    });
    let app = App::serve(builder.build().await.expect("built"), None).await;
    let undefined = "undefined";
    app.get("/a").await.is_json(json!([1, undefined, undefined, undefined, undefined]));
    app.get("/edge").await.is_json(json!([undefined, undefined]));
    app.get("/handed").await.is(200, "got");
    let answer = app.post("/handed", "").await;
    assert_eq!(answer.status.as_u16(), 405);
    assert_eq!(answer.headers["allow"], "GET, HEAD, OPTIONS");
    assert_eq!(app.get("/broken").await.code(), "BUNDLE_FAILED");
    let (warnings, errors) = told.lock().expect("not poisoned").clone();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert!(errors[0].message.contains("not-there"), "{errors:#?}");
    let places: Vec<String> =
        warnings.iter().map(|warning| format!("{}:{}", warning.file, warning.line)).collect();
    for place in [
        "lib/index.ts:1",
        "lib/index.ts:2",
        "lib/index.ts:3",
        "node_modules/p/index.js:1",
        "app/a/route.ts:2",
    ] {
        assert!(places.iter().any(|told| told == place), "{place} is not in {warnings:#?}");
    }
    let names = ["default", "gone", "POST", "Shape", "lost", "outside"];
    for name in names {
        let message = format!("\"{name}\" is not exported by ");
        let told = warnings.iter().filter(|warning| warning.message.starts_with(&message));
        let told: Vec<_> = told.filter(|warning| warning.message.ends_with(": it is undefined")).collect();
        assert!(!told.is_empty() && told.iter().all(|warning| warning.breaks.is_empty()), "{warnings:#?}");
    }
    let of_package = "\"lost\" is not exported by \"node_modules/p/inner.js\", imported by \"node_modules/p/index.js\": it is undefined";
    assert!(warnings.iter().any(|warning| warning.message == of_package), "{warnings:#?}");
    // `POST` is handed on twice, and the broken route imports one name more.
    assert_eq!(warnings.len(), names.len() + 2, "each once: {warnings:#?}");
}

#[tokio::test]
async fn packages_that_try_for_optional_ones_still_work() {
    let app = project()
        .file("node_modules/p/package.json", r#"{ "name": "p", "main": "i.js" }"#)
        .file("node_modules/p/i.js", "let native; try { native = require('optional-native'); } catch { native = 'fallback'; } module.exports = native;")
        .file("app/route.ts", "import p from 'p'; export const GET = () => new Response(p as any);")
        .start()
        .await;
    app.get("/").await.is(200, "fallback");
}

/// Starts the project; tells whether the bundle was that of last time, and what `/` answers.
async fn started(project: &Project) -> (bool, String) {
    let seen = Arc::new(Mutex::new(None));
    let set = seen.clone();
    let builder = project.builder().on_progress(move |progress| {
        if let edgehost::Progress::Bundled { cached, .. } = progress {
            *set.lock().expect("not poisoned") = Some(cached);
        }
    });
    let app = App::serve(builder.build().await.expect("built"), None).await;
    let text = app.get("/").await.text().to_owned();
    app.shut_down().await;
    let cached = seen.lock().expect("not poisoned").expect("reported");
    (cached, text)
}

/// A bundle that is made, then kept, then made again once `change` was made.
async fn is_noticed(what: &str, project: Project, before: &str, change: impl FnOnce(&Path), after: &str) {
    assert_eq!(started(&project).await, (false, before.to_owned()), "{what}: at first");
    assert_eq!(started(&project).await, (true, before.to_owned()), "{what}: kept");
    change(&project.path());
    assert_eq!(started(&project).await, (false, after.to_owned()), "{what}: changed");
}

fn write(path: &Path, content: &str) {
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
    std::fs::write(path, content).expect("written");
}

#[tokio::test]
async fn bundles_are_kept_until_an_input_changes() {
    let project = project()
        .file("app/route.ts", "import { v } from '../lib'; export const GET = () => new Response(v);")
        .file("lib/index.ts", "export const v = 'one';");
    assert_eq!(started(&project).await, (false, "one".to_owned()));
    assert_eq!(started(&project).await, (true, "one".to_owned()));
    let project = project.file("lib/index.ts", "export const v = 'two';");
    assert_eq!(started(&project).await, (false, "two".to_owned()));
    assert_eq!(started(&project).await, (true, "two".to_owned()));
    // A new file that wins the resolution counts as a change, although no input changed.
    let project = project.file("lib.ts", "export const v = 'three';");
    assert_eq!(started(&project).await, (false, "three".to_owned()));
    let project = project.file("tsconfig.json", "{}");
    assert!(!started(&project).await.0, "settings count as well");
    assert!(project.path().join(".edgehost/.gitignore").is_file());
    assert!(started(&project).await.0);
    // Neither what programs write beside the code, nor a file that only looks newer.
    let project = project.file("app.db-wal", "rows").file(".cache/x.js", "1").file("debug.log", "text");
    let file = std::fs::File::options().append(true).open(project.path().join("lib.ts")).expect("opened");
    file.set_modified(std::time::SystemTime::now()).expect("touched");
    assert_eq!(started(&project).await, (true, "three".to_owned()));
}

#[tokio::test]
async fn a_module_that_was_missing_is_noticed_once_it_is_there() {
    let route = "import * as p from 'p'; export const GET = () => new Response(p.answer);";
    let package = |code: &str| {
        project()
            .file("app/route.js", route)
            .file("node_modules/p/package.json", r#"{ "name": "p", "main": "index.js" }"#)
            .file("node_modules/p/index.js", code)
    };
    let optional =
        package("try { exports.answer = require('.made/client').answer } catch { exports.answer = 'none' }");
    let make =
        |root: &Path| write(&root.join("node_modules/.made/client/index.js"), "exports.answer = 'made'");
    is_noticed("a folder in node_modules", optional, "none", make, "made").await;

    let optional =
        package("try { exports.answer = require('other/deep').answer } catch { exports.answer = 'none' }")
            .file("node_modules/other/package.json", r#"{ "name": "other" }"#);
    let make = |root: &Path| write(&root.join("node_modules/other/deep.js"), "exports.answer = 'made'");
    is_noticed("a file in a package that is there", optional, "none", make, "made").await;

    let optional =
        package("try { exports.answer = require('@scope/b').answer } catch { exports.answer = 'none' }")
            .file("node_modules/@scope/a/index.js", "");
    let make = |root: &Path| {
        write(&root.join("node_modules/p/node_modules/@scope/b/index.js"), "exports.answer = 'made'")
    };
    is_noticed("a package of a package", optional, "none", make, "made").await;

    let own = project().file(
        "app/route.js",
        "let answer; try { answer = require('../generated/it.txt.js').answer } catch { answer = 'none' } export const GET = () => new Response(answer);",
    );
    let make = |root: &Path| write(&root.join("generated/it.txt.js"), "exports.answer = 'made'");
    is_noticed("a file in a folder that was not there", own, "none", make, "made").await;
}

#[tokio::test]
async fn a_package_that_lacks_a_module_works_once_it_is_generated() {
    let project = project()
        .file("app/route.js", "import * as p from 'p'; export const GET = () => new Response(p.answer);")
        .file("node_modules/p/package.json", r#"{ "name": "p", "main": "index.js" }"#)
        .file("node_modules/p/index.js", "module.exports = require('.made/client');");
    for _ in 0..2 {
        let app = App::serve(project.builder().build().await.expect("built"), None).await;
        assert_eq!(app.get("/").await.status, 500);
        app.shut_down().await;
    }
    write(&project.path().join("node_modules/.made/client/index.js"), "exports.answer = 'made'");
    assert_eq!(started(&project).await, (false, "made".to_owned()));
}

#[tokio::test]
async fn what_makes_a_resolution_come_out_otherwise_is_noticed() {
    let route = "import v from 'p'; export const GET = () => new Response(v);";
    let manifest = |fields: &str| format!(r#"{{ "name": "p", "type": "module", {fields} }}"#);
    let package = || {
        project()
            .file("app/route.ts", route)
            .file("node_modules/p/dist/one.js", "export default 'one';")
            .file("node_modules/p/dist/two.js", "export default 'two';")
            .file("node_modules/p/package.json", manifest(r#""exports": "./dist/one.js""#))
    };
    let change = |root: &Path| {
        write(&root.join("node_modules/p/package.json"), &manifest(r#""exports": "./dist/two.js""#));
    };
    is_noticed("a field of a package", package(), "one", change, "two").await;

    // The time and length of the file stay, as those of unpacked packages do.
    let change = |root: &Path| {
        let path = root.join("node_modules/p/dist/one.js");
        let time = path.metadata().and_then(|metadata| metadata.modified()).expect("a time");
        write(&path, "export default 'uno';");
        std::fs::File::options()
            .append(true)
            .open(path)
            .and_then(|file| file.set_modified(time))
            .expect("set");
    };
    is_noticed("a file that looks the same", package(), "one", change, "uno").await;

    let other = package()
        .file(".other/p/dist/one.js", "export default 'uno';")
        .file(".other/p/package.json", manifest(r#""exports": "./dist/one.js""#));
    let change = |root: &Path| {
        std::fs::rename(root.join("node_modules"), root.join(".before")).expect("moved away");
        std::fs::rename(root.join(".other"), root.join("node_modules")).expect("moved there");
    };
    is_noticed("another node_modules", other, "one", change, "uno").await;

    let nearer = package().file("app/node_modules/q/index.js", "");
    let change = |root: &Path| write(&root.join("app/node_modules/p/index.js"), "export default 'nearer';");
    is_noticed("a nearer package", nearer, "one", change, "nearer").await;

    let alias = |paths: &str| format!(r#"{{ "compilerOptions": {{ "paths": {{ "@/*": [{paths}] }} }} }}"#);
    let mapped = || {
        project()
            .file("app/route.ts", "import v from '@/v'; export const GET = () => new Response(v);")
            .file("tsconfig.json", r#"{ "extends": "./config/base.json" }"#)
            .file("config/base.json", alias(r#""../src/lib/*", "../lib/*""#))
            .file("src/lib/unrelated.txt", "")
            .file("lib/v.ts", "export default 'second';")
            .file("more/v.ts", "export default 'third';")
    };
    let change = |root: &Path| write(&root.join("src/lib/v.ts"), "export default 'first';");
    is_noticed("an earlier path of tsconfig.json", mapped(), "second", change, "first").await;
    let change = |root: &Path| write(&root.join("config/base.json"), &alias(r#""../more/*""#));
    is_noticed("what tsconfig.json extends", mapped(), "second", change, "third").await;
    let change = |root: &Path| std::fs::remove_file(root.join("tsconfig.json")).expect("removed");
    let gone = mapped().file("jsconfig.json", alias(r#""./more/*""#));
    is_noticed("no tsconfig.json any more", gone, "second", change, "third").await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_that_leads_elsewhere_is_noticed() {
    let route = "import v from 'p'; export const GET = () => new Response(v);";
    let linked = project()
        .file("app/route.ts", route)
        .file("node_modules/.store/p@1/node_modules/p/index.js", "export default 'one';")
        .file("node_modules/.store/p@2/node_modules/p/index.js", "export default 'two';");
    let link = |root: &Path, version: &str| {
        let link = root.join("node_modules/p");
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(format!(".store/{version}/node_modules/p"), link).expect("linked");
    };
    link(&linked.path(), "p@1");
    is_noticed("a package manager's link", linked, "one", |root| link(root, "p@2"), "two").await;
}

#[tokio::test]
async fn a_bundle_with_a_broken_route_is_kept_until_it_is_mended() {
    let broken = |code: &str| {
        project()
            .file("app/route.ts", "export const GET = () => new Response('works');")
            .file("app/broken/route.ts", code)
    };
    let mend = |root: &Path| write(&root.join("lib/missing.ts"), "export const v = 1;");
    let missing = broken("import { v } from '../../lib/missing'; export const GET = () => new Response(v);");
    is_noticed("a missing module", missing, "works", mend, "works").await;
    let mend =
        |root: &Path| write(&root.join("app/broken/route.ts"), "export const GET = () => new Response();");
    is_noticed("a syntax error", broken("export const GET = ;"), "works", mend, "works").await;
    let mend = |root: &Path| write(&root.join("lib/missing.ts"), "export const v = 1; export const w = 2;");
    let export = broken("import { w } from '../../lib/missing'; export const GET = () => new Response(w);")
        .file("lib/missing.ts", "export const v = 1;");
    is_noticed("a missing export", export, "works", mend, "works").await;
    let mend = |root: &Path| {
        write(
            &root.join("app/broken/route.ts"),
            "export const runtime = 'edge'; export const GET = () => new Response();",
        )
    };
    let setting = broken("export const runtime = 'bun'; export const GET = () => new Response();");
    is_noticed("a wrong setting", setting, "works", mend, "works").await;
}

#[tokio::test]
async fn a_damaged_bundle_is_made_again() {
    let project = project()
        .file("app/route.ts", "export const GET = () => new Response('whole');")
        .file("app/other/route.ts", "export const GET = () => new Response('other');");
    let right = |cached| (cached, "whole".to_owned());
    assert_eq!(started(&project).await, right(false));
    let kept = project.path().join(".edgehost/bundle");
    let whole = std::fs::read(&kept).expect("it is kept");
    let text = String::from_utf8_lossy(&whole);
    let code = text.find("new Response(\"whole\")").expect("the code is in it");
    for at in [0, 20, 30, 100, code + 14] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        std::fs::write(&kept, damaged).expect("written");
        assert_eq!(started(&project).await, right(false), "byte {at} is damaged");
        assert_eq!(started(&project).await, right(true), "it was made again");
    }
    for length in [0, 40, 300, code, code + 15] {
        std::fs::write(&kept, &whole[..length]).expect("written");
        assert_eq!(started(&project).await, right(false), "only {length} bytes are there");
    }
    // The map is wanted by errors only.
    let map = text.rfind("\"mappings\"").expect("a map is in it");
    let mut damaged = whole.clone();
    damaged[map] ^= 1;
    std::fs::write(&kept, damaged).expect("written");
    assert_eq!(started(&project).await.1, "whole");
}

#[tokio::test]
async fn hosts_that_bundle_at_once_do_not_disturb_one_another() {
    let project = project()
        .file("app/route.ts", "import { v } from '../lib'; export const GET = () => new Response(v);")
        .file("lib.ts", "export const v = 'same';");
    let all = futures::future::join_all((0..6).map(|_| started(&project))).await;
    assert!(all.iter().all(|(_, text)| text == "same"), "{all:?}");
    assert_eq!(started(&project).await, (true, "same".to_owned()));
    let left: Vec<_> = std::fs::read_dir(project.path().join(".edgehost"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .filter(|name| name.to_string_lossy().starts_with("bundle-"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_no_error() {
    // A file is in the way, as which nobody can make the folder, not even root.
    let project = project()
        .file("app/route.ts", "export const GET = () => new Response('served');")
        .file(".edgehost", "");
    assert_eq!(started(&project).await, (false, "served".to_owned()));
    assert_eq!(started(&project).await, (false, "served".to_owned()));
}

#[tokio::test]
async fn a_running_host_keeps_its_source_maps_when_another_bundles() {
    let project = project().file(
        "app/route.ts",
        "\n\n\nexport function GET(): Response {\n    throw new Error('mapped by the older');\n}",
    );
    let _made = App::serve(project.builder().build().await.expect("built"), None).await;
    let app = App::serve(project.builder().build().await.expect("built"), None).await;
    let project = project
        .file("app/route.ts", "export function GET(): Response {\n    return new Response('newer');\n}");
    assert_eq!(started(&project).await, (false, "newer".to_owned()));
    assert_eq!(app.get("/").await.status, 500);
    let log = super::harness::log();
    assert!(log.contains("mapped by the older\n    at GET (app/route.ts:5:11)"), "{log}");
}

#[tokio::test]
async fn errors_from_cached_bundles_name_the_users_files_too() {
    let project = project().file(
        "app/route.ts",
        "\n\nexport function GET(): Response {\n    throw new Error('mapped from cache');\n}",
    );
    for _ in 0..2 {
        let app = App::serve(project.builder().build().await.expect("built"), None).await;
        assert_eq!(app.get("/").await.status, 500);
    }
    let report = "Error: mapped from cache\n    4 | throw new Error('mapped from cache');\n      |       ^\n    at GET (app/route.ts:4:11)";
    assert_eq!(super::harness::log().matches(report).count(), 2);
}

#[tokio::test]
async fn stacks_leave_out_what_the_bundler_added() {
    let app = project()
        .file(
            "node_modules/old/index.js",
            "function load() {\n  throw new Error('old code fails');\n}\nload();\nmodule.exports = {};",
        )
        .file("app/route.ts", "import old from 'old';\nexport const GET = () => new Response(String(old));")
        .start()
        .await;
    assert_eq!(app.get("/").await.status, 500);
    let text =
        logged(&["failed to load: Error: old code fails", "at load (node_modules/old/index.js:2:9)"]).await;
    let stack: Vec<&str> = text.lines().skip(1).take_while(|line| line.starts_with("    at ")).collect();
    assert!(stack.len() > 1 && !stack.iter().any(|line| line.contains("edgehost:")), "{stack:?}");
}

#[tokio::test]
async fn a_module_that_throws_is_logged_once() {
    let app = project()
        .file("app/now/route.ts", "throw new Error('thrown while loading');\nexport const GET = () => {};")
        .file(
            "app/later/route.ts",
            "Promise.reject(new Error('nobody waits for it'));
             await new Promise((done) => setTimeout(done, 20));
             throw Object.assign(new Error('thrown after waiting'), { code: 'LATE' });
             export const GET = () => {};",
        )
        .file("app/fine/route.ts", "export const GET = () => { Promise.reject(new Error('the last')); };")
        .start()
        .await;
    for path in ["/now", "/later", "/fine"] {
        assert_eq!(app.get(path).await.status, 500);
    }
    logged(&["Uncaught (in promise) Error: the last"]).await;
    let log = super::harness::log();
    for (text, times) in
        [("thrown while loading", 1), ("thrown after waiting", 1), ("nobody waits for it", 1)]
    {
        assert_eq!(log.matches(&format!("Error: {text}")).count(), times, "{text}");
    }
}

#[tokio::test]
async fn rejections_are_told_from_what_a_module_throws_by_what_they_are() {
    let app = project()
        .file(
            "app/route.ts",
            "const later = (what: unknown) => setTimeout(() => { Promise.reject(what); }, 5);
later(new Error('in the same words'));
later('a plain text');
await new Promise((done) => setTimeout(done, 40));

throw new Error('in the same words');
export const GET = () => {};",
        )
        .file(
            "app/wrapped/route.ts",
            "throw new Error('the outer of two', { cause: new Error('the inner of two') });
export const GET = () => {};",
        )
        .file("app/text/route.ts", "throw 'another plain text';\nexport const GET = () => {};")
        .file(
            "app/last/route.ts",
            "export const GET = () => { Promise.reject(new Error('after all of them')); };",
        )
        .start()
        .await;
    for path in ["/", "/wrapped", "/text", "/last"] {
        assert_eq!(app.get(path).await.status, 500);
    }
    logged(&["Uncaught (in promise) Error: after all of them"]).await;
    let log = super::harness::log();
    let uncaught = |text: &str| {
        log.lines().filter(|line| line.contains("Uncaught (in promise)") && line.contains(text)).count()
    };
    // That of the module itself is told as such.
    assert_eq!(uncaught("in the same words"), 1);
    let stray = log.split("Uncaught (in promise) Error: in the same words").nth(1).expect("found");
    assert!(stray.lines().take(6).any(|line| line.contains("app/route.ts:2:7")), "{stray}");
    assert_eq!(uncaught("a plain text"), 1);
    for text in ["the outer of two", "the inner of two", "another plain text"] {
        assert!(log.contains(text));
        assert_eq!(uncaught(text), 0, "{text}");
    }
}

#[tokio::test]
async fn conditions_choose_the_variant_of_a_package() {
    let project = || {
        project()
            .file("node_modules/p/package.json", r#"{ "name": "p", "exports": { "custom": "./custom.js", "edge-light": "./edge.js", "node": "./node.js", "browser": "./browser.js", "default": "./default.js" } }"#)
            .file("node_modules/p/custom.js", "exports.v = 'custom';")
            .file("node_modules/p/edge.js", "exports.v = 'edge';")
            .file("node_modules/p/node.js", "exports.v = 'node';")
            .file("node_modules/p/browser.js", "exports.v = 'browser';")
            .file("node_modules/p/default.js", "exports.v = 'default';")
            .file("app/node/route.ts", "import { v } from 'p'; export const GET = () => new Response(v);")
            .file("app/edge/route.ts", "import { v } from 'p'; export const runtime = 'edge'; export const GET = () => new Response(v);")
    };
    let usual = project().start().await;
    usual.get("/node").await.is(200, "node");
    usual.get("/edge").await.is(200, "edge");
    let project = project();
    let builder = project.builder().conditions(["custom"]).edge_conditions(["browser"]);
    let chosen = super::harness::App::serve(builder.build().await.expect("built"), None).await;
    chosen.get("/node").await.is(200, "custom");
    chosen.get("/edge").await.is(200, "browser");
    // The bundle of other conditions is not taken for this one.
    let again = super::harness::App::serve(project.builder().build().await.expect("built"), None).await;
    again.get("/node").await.is(200, "node");
}

#[tokio::test]
async fn react_is_the_one_that_renders() {
    let package = |name: &str| {
        format!(
            r#"{{ "name": "{name}", "exports": {{ "./package.json": "./package.json", ".": {{ "react-server": "./server-components.js", "default": "./index.js" }}, "./server": {{ "react-server": "./server-components.js", "edge-light": "./edge.js", "node": "./node.js" }} }} }}"#
        )
    };
    let app = project()
        .file("node_modules/react/package.json", package("react"))
        .file("node_modules/react/index.js", "exports.which = 'whole react';")
        .file("node_modules/react/server-components.js", "exports.which = 'react of pages';")
        .file("node_modules/react-dom/package.json", package("react-dom"))
        .file("node_modules/react-dom/server-components.js", "throw new Error('not supported');")
        .file("node_modules/react-dom/node.js", "exports.which = 'node with ' + require('react').which;")
        .file("node_modules/react-dom/edge.js", "exports.which = 'edge with ' + require('react').which;")
        .file("node_modules/other/package.json", r#"{ "exports": { "react-server": "./server.js", "default": "./default.js" } }"#)
        .file("node_modules/other/server.js", "exports.which = 'for the server';")
        .file("app/route.ts", "import { which } from 'react-dom/server'; import other from 'other'; export const GET = () => Response.json([which, other.which]);")
        .file("app/edge/route.ts", "import { which } from 'react-dom/server'; export const runtime = 'edge'; export const GET = () => new Response(which);")
        .start()
        .await;
    app.get("/").await.is_json(json!(["node with whole react", "for the server"]));
    app.get("/edge").await.is(200, "edge with whole react");
}

#[tokio::test]
async fn names_in_one_chunk_do_not_hide_one_another() {
    // Files of the same name: the bundler numbers its wrappers, by the same rule as other
    // tools have numbered the names that are in published code.
    let names = "const require_context = require('a'), require_context$1 = require('b'), require_context$2 = require('a');";
    let app = project()
        .file("node_modules/a/package.json", r#"{ "name": "a", "main": "context.cjs" }"#)
        .file("node_modules/a/context.cjs", "exports.name = 'a';")
        .file("node_modules/b/package.json", r#"{ "name": "b", "main": "context.cjs" }"#)
        .file("node_modules/b/context.cjs", "exports.name = 'b';")
        .file("node_modules/c/package.json", r#"{ "name": "c", "main": "context.cjs" }"#)
        .file("node_modules/c/context.cjs", format!("{names} exports.names = () => [require_context, require_context$1, require_context$2].map((m) => m.name);"))
        .file("app/route.ts", "import a from 'a'; import b from 'b'; import { names } from 'c'; export const GET = () => Response.json([a.name, b.name, ...names()]);")
        .start()
        .await;
    app.get("/").await.is_json(json!(["a", "b", "a", "b", "a"]));
}

#[tokio::test]
async fn bound_and_proxied_handlers_get_their_arguments() {
    let app = project()
        .file(
            "app/[id]/route.ts",
            "class Api { prefix = 'id '; async get(...[request, { params }]: any[]) { return new Response(this.prefix + (await params).id + new URL(request.url).search); } }
            const api = new Api();
            export const GET = api.get.bind(api);
            export const PUT = new Proxy(api.get, { apply: (target, _this, args: any) => Reflect.apply(target, api, args) });",
        )
        .start()
        .await;
    app.get("/7?x=1").await.is(200, "id 7?x=1");
    app.send(http::Method::PUT, "/8", &[], "").await.is(200, "id 8");
}

#[tokio::test]
async fn modules_whose_names_are_put_together() {
    let app = project()
        .file("app/messages/en.ts", "export default { hello: 'Hello' };")
        .file("app/messages/de.ts", "export default { hello: 'Hallo' };")
        .file("app/messages/more/fr.json", r#"{ "hello": "Bonjour" }"#)
        .file(
            "app/route.ts",
            "export async function GET(request: Request) {
                const language = new URL(request.url).searchParams.get('l');
                const at = (language === 'fr') ? await import(`./messages/more/${language}.json`) : await import(`./messages/${language}.ts`);
                return new Response(at.default.hello);
            }",
        )
        .start()
        .await;
    app.get("/?l=en").await.is(200, "Hello");
    app.get("/?l=de").await.is(200, "Hallo");
    app.get("/?l=fr").await.is(200, "Bonjour");
    assert_eq!(app.get("/?l=xx").await.code(), "HANDLER_ERROR");
}

#[tokio::test]
async fn a_workspace_keeps_its_packages_above_the_project() {
    let workspace = project()
        .file("node_modules/above/package.json", r#"{ "name": "above", "main": "i.cjs" }"#)
        .file("node_modules/above/i.cjs", "const fs = require('fs'), path = require('path'); exports.read = () => fs.readFileSync(path.join(__dirname, 'data.txt'), 'utf8'); exports.secret = () => fs.readFileSync(path.join(__dirname, '../../secret.txt'), 'utf8');")
        .file("node_modules/above/data.txt", "from above")
        .file("secret.txt", "secret")
        .file(
            "apps/web/app/route.ts",
            "import { read, secret } from 'above';
            export const GET = () => { let code; try { code = secret(); } catch (error: any) { code = error.code; } return Response.json([read(), code]); };",
        )
        ;
    let root = workspace.path();
    let permissions = edgehost::Permissions::from(edgehost::Profile::Strict);
    let host = edgehost::EdgeHost::builder(root.join("apps/web"))
        .permissions(permissions)
        .build()
        .await
        .expect("built");
    let app = App::serve(host, None).await;
    app.get("/").await.is_json(json!(["from above", "ERR_ACCESS_DENIED"]));
}

#[tokio::test]
async fn a_default_import_does_not_depend_on_who_else_has_the_module() {
    let compiled = "'use strict'; Object.defineProperty(exports, '__esModule', { value: true }); let count = 0; exports.named = () => ++count; exports.default = function greet() { return 'hello'; };";
    let module = "import c, { named } from 'compiled'; import * as all from 'compiled'; export const seen = [typeof c, typeof c.default, named(), typeof all.named, c.default === all.default.default];";
    let manifest = |name: &str, more: &str| format!(r#"{{ "name": "{name}", "main": "./index.js"{more} }}"#);
    let app = |order: [&str; 2]| {
        let [first, second] = order;
        project()
            .file("node_modules/compiled/package.json", manifest("compiled", ""))
            .file("node_modules/compiled/index.js", compiled)
            .file("node_modules/m/package.json", manifest("m", r#", "type": "module""#))
            .file("node_modules/m/index.js", module)
            .file("node_modules/again/package.json", manifest("again", r#", "type": "module", "sideEffects": false"#))
            .file("node_modules/again/index.js", "export { default as greet } from 'compiled'; export * from 'compiled';")
            .file("node_modules/plain/package.json", manifest("plain", ""))
            .file("node_modules/plain/index.mjs", "import c from 'compiled'; export const seen = [typeof c, typeof c.default];")
            .file("app/route.ts", format!("{first} {second} import {{ greet, named as n }} from 'again'; import {{ seen as plain }} from 'plain/index.mjs'; export async function GET() {{ const later: any = await import('compiled'); return Response.json([typeof greet, (greet as any).default(), named(), n(), seen, plain, typeof mine, (mine as any)(), typeof later.default]); }}"))
    };
    let own = "import mine, { named } from 'compiled';";
    let other = "import { seen } from 'm';";
    for order in [[own, other], [other, own]] {
        let app = app(order).start().await;
        app.get("/").await.is_json(json!([
            "object",
            "hello",
            2,
            3,
            ["object", "function", 1, "function", true],
            ["object", "function"],
            "function",
            "hello",
            "function",
        ]));
    }
}

#[tokio::test]
async fn stacks_name_the_places_in_packages() {
    let app = project()
        .file("node_modules/cjs/package.json", r#"{ "name": "cjs" }"#)
        .file("node_modules/cjs/index.js", "\n\nexports.call = function outer(f) { return f(); };")
        .file("node_modules/esm/package.json", r#"{ "name": "esm", "type": "module" }"#)
        .file("node_modules/esm/index.js", "\n\nexport function inner() { throw new Error('thrown by a package'); }")
        .file("lib/between.ts", "\n\n\nimport { inner } from 'esm';\nexport const between = () => inner();")
        .file("app/route.ts", "\nimport { call } from 'cjs';\nimport { between } from '../lib/between';\nexport function GET() { return call(between); }")
        .start()
        .await;
    assert_eq!(app.get("/").await.status, 500);
    let log = logged(&["thrown by a package\n"]).await;
    let stack = log.split_once("thrown by a package\n").expect("a stack").1;
    let frames = stack.lines().map(str::trim).filter(|line| line.starts_with("at "));
    let frames: Vec<&str> = frames.map(|line| line.split(" route=").next().unwrap_or(line)).take(4).collect();
    assert_eq!(
        frames,
        [
            "at inner (node_modules/esm/index.js:3:33)",
            "at between (lib/between.ts:5:30)",
            "at outer (node_modules/cjs/index.js:3:43)",
            "at GET (app/route.ts:4:32)",
        ],
        "{log}"
    );
}
