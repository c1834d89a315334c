//! What becomes of modules that are not plain route code: those of the client, branches
//! for the other runtime, native addons, files that `next.config` has rules for.

use serde_json::json;

use super::harness::{App, Project, logged, project};

#[tokio::test]
async fn use_client_is_a_boundary() {
    let app = project()
        // Would stop the bundle, or throw, if it were part of it.
        .file("node_modules/ui/package.json", r#"{ "name": "ui", "exports": { "./esm": "./esm.mjs", "./cjs": "./cjs.js", "./server": "./server.js" } }"#)
        .file("node_modules/ui/esm.mjs", "'use client';\nimport { gone } from './browser.mjs';\nexport default gone; export const Button = () => gone;\nexport * from './parts.mjs'; export * as parts from './parts.mjs'; export { Last as 'last one' } from './parts.mjs';")
        .file("node_modules/ui/parts.mjs", "import '../not-there.mjs';\nexport const Part = 1; export class Last {} export default 1;")
        .file("node_modules/ui/browser.mjs", "document.title = 'x';")
        .file("node_modules/ui/cjs.js", "\"use strict\";\n'use client';\nObject.defineProperty(exports, '__esModule', { value: true });\nexports.Menu = document.body; exports.default = exports.Menu;")
        .file("node_modules/ui/server.js", "import Menu, { Menu as Named } from 'ui/cjs'; import * as all from 'ui/cjs'; export { Menu, Named, all };")
        .file("lib/widget.tsx", "'use client';\nimport useThing from 'not-installed';\nexport type Props = {};\nexport enum Size { Big }\nexport const LIMIT = 12;\nexport default class Widget {}\nexport function Other() { return <b>{useThing()}</b>; }")
        .file("lib/actions.ts", "'use server';\nexport async function save(text: string) { return `saved ${text}`; }")
        .file("lib/not.ts", "export const text = 'use client'; // 'use client'")
        .file(
            "app/route.ts",
            "import Default, { Button, Part, parts, 'last one' as Last } from 'ui/esm';
            import { Menu, Named, all } from 'ui/server';
            import Widget, { LIMIT, Other, Size, type Props } from '../lib/widget';
            import { save } from '../lib/actions'; import { text } from '../lib/not';
            const required = require('ui/cjs');
            const facts = (value: any) => [typeof value, String(value.$$typeof), value.$$id];
            const call = (made: () => unknown) => { try { return made(); } catch (error: any) { return `${error.name}: ${error.message}`; } };
            export const GET = async () => Response.json({
                esm: [Default, Button, Part, parts, Last].map(facts),
                cjs: [Menu, Named, all.Other, required.Menu, required].map(facts),
                own: [Widget, LIMIT, Other, Size].map(facts),
                called: [call(() => (Button as any)()), call(() => new (Widget as any)()), call(() => required())],
                server: [typeof save, await save('it'), text],
            });",
        )
        .start()
        .await;
    let reference = |id: &str| json!(["function", "Symbol(react.client.reference)", id]);
    let esm = "node_modules/ui/esm.mjs";
    let cjs = "node_modules/ui/cjs.js";
    let refused = |what: &str, file: &str| {
        format!(
            "Error: {what} belongs to the client (\"use client\" in {file}) and cannot be called in a route: there it is only a reference"
        )
    };
    app.get("/").await.is_json(json!({
        "esm": [
            reference(&format!("{esm}#default")),
            reference(&format!("{esm}#Button")),
            reference("node_modules/ui/parts.mjs#Part"),
            reference(&format!("{esm}#parts")),
            reference(&format!("{esm}#last one")),
        ],
        "cjs": [
            reference(&format!("{cjs}#default")),
            reference(&format!("{cjs}#Menu")),
            reference(&format!("{cjs}#Other")),
            reference(&format!("{cjs}#Menu")),
            reference(&format!("{cjs}#*")),
        ],
        "own": [
            reference("lib/widget.tsx#default"),
            reference("lib/widget.tsx#LIMIT"),
            reference("lib/widget.tsx#Other"),
            reference("lib/widget.tsx#Size"),
        ],
        "called": [
            refused("Button()", esm),
            refused("The default export of lib/widget.tsx", "lib/widget.tsx"),
            refused(&format!("What {cjs} exports"), cjs),
        ],
        "server": ["function", "saved it", "use client"],
    }));
}

#[tokio::test]
async fn a_route_file_of_the_client_says_so() {
    let app = project()
        .file("app/route.ts", "'use client';\nexport function GET() { return new Response('x'); }")
        .start()
        .await;
    assert_eq!(app.get("/").await.code(), "HANDLER_ERROR");
    logged(&["GET() belongs to the client (\"use client\" in app/route.ts)"]).await;
}

/// Files that take one branch for each runtime, in every way in which that is written.
fn branches(project: Project) -> Project {
    project
        .file("node_modules/chooses/package.json", r#"{ "name": "chooses", "main": "index.js" }"#)
        .file("node_modules/chooses/index.js", "exports.from = process.env.NEXT_RUNTIME === 'edge' ? require('./edge.js') : require('./node.js');\nif (process.env.NEXT_RUNTIME !== 'edge') { exports.os = require('os').platform(); }")
        .file("node_modules/chooses/edge.js", "module.exports = 'edge.js';")
        .file("node_modules/chooses/node.js", "require('fs').existsSync('x'); module.exports = 'node.js';")
        .file("lib/for-edge.ts", "export const kind = 'for edge';")
        .file("lib/for-node.ts", "import os from 'node:os'; import './only-node'; export const kind = os.platform() && 'for node';")
        .file("lib/only-node.ts", "import { execSync } from 'node:child_process'; export { execSync };")
        .file(
            "lib/name.ts",
            "export async function name() {
                if (process.env.NEXT_RUNTIME === 'nodejs') return (await import('node:os')).platform() && 'node';
                return 'edge';
            }
            export const pick = () => process.env.NEXT_RUNTIME === 'edge' ? import('./for-edge') : import('./for-node');
            export async function guarded() {
                if (process.env['NEXT_RUNTIME'] === 'nodejs') await import('./for-node');
                if (process.env.NEXT_RUNTIME !== 'nodejs') return 'none';
                switch (process.env.NEXT_RUNTIME) { case 'nodejs': return require('node:path').sep; }
            }
            export const where = typeof window === 'undefined' ? 'server' : require('./browser-only');",
        )
}

const NAMES: &str = "import { name, pick, guarded, where } from '../../lib/name'; import { from } from 'chooses';
    export const GET = async () => Response.json([await name(), (await pick()).kind, await guarded(), where, from, process.env.NEXT_RUNTIME, process.env.NODE_ENV]);";

#[tokio::test]
async fn the_runtime_is_a_constant_of_each_bundle() {
    let app = branches(project())
        .file("app/e/route.ts", format!("{NAMES} export const runtime = 'edge';"))
        .file("app/n/route.ts", NAMES)
        .start()
        .await;
    app.get("/e").await.is_json(json!([
        "edge",
        "for edge",
        "none",
        "server",
        "edge.js",
        "edge",
        "production"
    ]));
    app.get("/n").await.is_json(json!([
        "node",
        "for node",
        "/",
        "server",
        "node.js",
        "nodejs",
        "production"
    ]));
}

/// What a project is warned of.
async fn warnings(project: &Project) -> Vec<String> {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = seen.clone();
    let builder = project.builder().on_progress(move |progress| match progress {
        edgehost::Progress::Found { hints, .. } => {
            told.lock().expect("not poisoned").extend_from_slice(hints);
        }
        edgehost::Progress::Bundled { warnings, .. } => {
            told.lock().expect("not poisoned").extend(warnings.iter().map(ToString::to_string));
        }
        _ => {}
    });
    drop(builder.build().await.expect("built"));
    std::mem::take(&mut *seen.lock().expect("not poisoned"))
}

#[tokio::test]
async fn native_addons_are_named_once_with_what_takes_their_place() {
    let route = "import * as bcrypt from 'bcrypt'; import * as argon from '@node-rs/argon2'; import * as sharp from 'sharp'; import * as ws from 'bufferutil';
        export const GET = () => Response.json([bcrypt, argon, sharp, ws].length);";
    let project = project()
        .file("node_modules/bcrypt/index.js", "const load = require('node-gyp-build');\nexports.hash = () => load(__dirname);")
        .file("node_modules/bcrypt/other.js", "require('node-gyp-build')(__dirname);")
        .file("node_modules/node-gyp-build/index.js", "module.exports = () => { throw new Error('no'); };")
        .file("node_modules/@node-rs/argon2/index.js", "let binding; try { binding = require('@node-rs/argon2-linux-x64-gnu'); } catch (error) { binding = error; }\ntry { require('./argon2.node'); } catch {}\nexports.hash = binding;")
        .file("node_modules/@node-rs/argon2/argon2.node", [0x7f, b'E', b'L', b'F'])
        .file("node_modules/@node-rs/argon2-linux-x64-gnu/package.json", r#"{ "name": "@node-rs/argon2-linux-x64-gnu", "main": "argon2.node" }"#)
        .file("node_modules/@node-rs/argon2-linux-x64-gnu/argon2.node", [0x7f, b'E', b'L', b'F'])
        .file("node_modules/sharp/index.js", "module.exports = require('./lib/sharp.js');")
        .file("node_modules/sharp/lib/sharp.js", "const paths = ['../build/a.node']; for (const path of paths) try { require(path); } catch {}")
        .file("node_modules/bufferutil/index.js", "try { module.exports = require('node-gyp-build')(__dirname); } catch { module.exports = {}; }")
        .file("app/n/route.ts", route)
        .file("app/e/route.ts", format!("{route} export const runtime = 'edge';"));
    let first = warnings(&project).await;
    let of = |package: &str| first.iter().filter(|warning| warning.contains(&format!("'{package}'"))).count();
    assert_eq!((of("bcrypt"), of("@node-rs/argon2"), of("sharp"), first.len()), (1, 1, 1, 3), "{first:#?}");
    for part in
        ["'bcryptjs' has no native code", "'hash-wasm' has no native code", "'jimp' has no native code"]
    {
        assert!(first.iter().any(|warning| warning.contains(part)), "{first:#?}");
    }
    // A bundle that was kept says so too.
    assert_eq!(warnings(&project).await, first);
}

#[tokio::test]
async fn the_bundlers_own_remarks_are_not_shown() {
    let project = project()
        .file("tsconfig.json", r#"{ "compilerOptions": { "jsx": "react-jsx", "jsxImportSource": "preact", "jsxFactory": "h", "target": "ES2017", "baseUrl": "." } }"#)
        .file("lib/a.ts", "import { b } from './b'; export const a = () => b; export const same = 1;")
        .file("lib/b.ts", "'use server';\nimport { a } from './a'; export const b = () => a; export const same = 2;")
        .file("lib/all.ts", "export * from './a'; export * from './b';")
        .file(
            "app/route.ts",
            "import { a } from '../lib/all';\nexport const GET = async () => { const { b } = await import('../lib/b'); /* @__PURE__ */ const x = 1; return new Response(String(a() === b) + eval('x')); };",
        );
    assert_eq!(warnings(&project).await, [""; 0]);
}

#[tokio::test]
async fn rules_of_next_config_make_modules_of_other_files() {
    let served = async |config: &str, name: &str| {
        let app = project()
            .file(name, config)
            .file("app/words.md", "Some \"plain\" words,\nnot code \u{2028} {")
            .file("app/data.bin", [0, 255, 1])
            .file("app/dot.png", [137, 80])
            .file("app/query.svg", "<svg/>")
            .file(
                "app/route.ts",
                "import words from './words.md'; import data from './data.bin'; import dot from './dot.png'; import query from './query.svg?raw';
                const required = require('./words.md');
                export const GET = () => Response.json([words, [...data], dot, query, (required.default ?? required) === words]);",
            )
            .start()
            .await;
        app.get("/").await.json()
    };
    let expected = json!([
        "Some \"plain\" words,\nnot code \u{2028} {",
        [0, 255, 1],
        "data:image/png;base64,iVA=",
        "<svg/>",
        true
    ]);
    let turbopack = "import type { NextConfig } from 'next';
        const config: NextConfig = { turbopack: { rules: {
            '*.md': { loaders: ['raw-loader'], as: '*.js' },
            'app/*.bin': { type: 'bytes' },
            '*.png': { type: 'asset' },
            '*.svg': [{ type: 'text', condition: { query: /raw/ } }],
        } } };
        export default config;";
    assert_eq!(served(turbopack, "next.config.ts").await, expected);
    let webpack = "module.exports = { turbopack: { rules: { '*.bin': { type: 'bytes' } } }, webpack(config) {
            config.module.rules.push(
                { test: /\\.md$/, type: 'asset/source' },
                { test: /\\.png$/i, type: 'asset/inline', exclude: /node_modules/ },
                { test: /\\.svg$/, resourceQuery: /raw/, use: [{ loader: 'raw-loader' }] },
            );
            return config;
        } };";
    assert_eq!(served(webpack, "next.config.js").await, expected);
}

#[tokio::test]
async fn files_without_a_rule_break_their_route_and_name_what_is_missing() {
    let project = project()
        .file("next.config.mjs", "export default { turbopack: { rules: { '*.mdx': { loaders: ['@mdx-js/loader'], as: '*.js' } } } };")
        .file("app/page/text.mdx", "Some words, not code.")
        .file("app/page/route.ts", "import text from './text.mdx'; export const GET = () => new Response(text);")
        .file("app/image/dot.png", [137, 80, 0xff])
        .file("app/image/route.ts", "import dot from './dot.png'; export const GET = () => new Response(dot);")
        .file("app/fine/route.ts", "export const GET = () => new Response('fine');");
    let hints = warnings(&project).await;
    let hint = "next.config.mjs: the rule for '*.mdx' is not applied: the loader '@mdx-js/loader' does not run here.";
    assert!(hints.iter().any(|found| found == hint), "{hints:#?}");
    let app = App::serve(project.builder().build().await.expect("built"), None).await;
    app.get("/fine").await.is(200, "fine");
    assert_eq!(app.get("/page").await.code(), "BUNDLE_FAILED");
    let errors: Vec<String> = app.host.routes().into_iter().filter_map(|route| route.error).collect();
    let [image, page] = &*errors else { panic!("{errors:#?}") };
    assert!(page.contains("'.mdx' files are no code") && page.contains("imported by app/page/route.ts"));
    assert!(image.contains("'.png' files are no code") && image.contains("app/image/route.ts:1:17"));
}
