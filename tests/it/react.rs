//! React as server code has it: the installed one, and what Next.js adds to it.

use http::Method;
use serde_json::json;

use super::harness::{App, Project, project};

/// A package that is laid out as React is, of a version without `cache`.
fn react(project: Project) -> Project {
    project
        .file("node_modules/react/package.json", r#"{ "name": "react", "version": "18.3.1", "main": "index.js", "exports": { ".": { "react-server": "./server.js", "default": "./index.js" }, "./package.json": "./package.json", "./jsx-runtime": "./jsx-runtime.js" } }"#)
        .file("node_modules/react/server.js", "throw new Error('of pages only');")
        .file("node_modules/react/index.js", "'use strict'; const internals = { hook: null }; exports.__SECRET_INTERNALS = internals; exports.version = '18.3.1'; exports.createElement = (type, props) => ({ type, props }); exports.useState = () => internals.hook(); Object.defineProperty(exports, 'hidden', { value: 'kept' });")
        .file("node_modules/react/jsx-runtime.js", "const React = require('react'); exports.jsx = exports.jsxs = React.createElement; exports.Fragment = 'fragment';")
        .file("node_modules/react-dom/package.json", r#"{ "name": "react-dom", "version": "18.3.1", "exports": { "./server": "./server.js" } }"#)
        .file("node_modules/react-dom/server.js", "const React = require('react'); exports.renderToString = (element) => { React.__SECRET_INTERNALS.hook = () => ['state']; return typeof element.type === 'function' ? element.type(element.props) : '<' + element.type + '/>'; };")
        .file("node_modules/old/index.js", "const React = require('react'); let calls = 0; exports.load = React.cache((id) => id + ++calls); exports.same = () => React;")
}

const ROUTE: &str = "
    import * as React from 'react'; import Default, { cache, useState, experimental_taintUniqueValue as taint } from 'react';
    import { renderToString } from 'react-dom/server'; import { load, same } from 'old';
    taint('not for the client', globalThis, 'a value that is secret');
    let calls = 0;
    const own = cache((...args: any[]) => { calls++; if (args[0] === 'fails') throw new Error('failure ' + calls); return { args: args.length, calls }; });
    const later = cache(async (id: string) => { calls++; await null; return id + calls; });
    const outside = [own('module') === own('module'), calls];
    export async function GET() {
      const before = calls, key = {};
      const errors: string[] = []; for (let i = 0; i < 2; i++) try { own('fails'); } catch (e: any) { errors.push(e.message); }
      return Response.json({
        outside,
        hits: [own() === own(), own(1, 'a') === own(1, 'a'), own(key) === own(key), own(NaN) === own(NaN), later('x') === later('x'), (await later('x')) === (await later('x')), await new Promise((r) => setTimeout(() => r(own(1, 'a') === own(1, 'a')), 1))],
        misses: [own(1) === own('1'), own({}) === own({}), own(1) === own(1, undefined), own(undefined) === own(null)],
        errors: new Set(errors).size, runs: calls - before,
        package: [load('a'), load('a')].every((v, _, all) => v === all[0]),
        react: [React.version, Default.version, React.cache === cache, Default.cache === cache, same() === Default, (React as any).hidden ?? (Default as any).hidden, typeof React.experimental_taintObjectReference],
        rendered: renderToString(<App />),
      });
    }
    function App() { return useState()[0]; }
    export async function POST() { const first = own('shared'); await new Promise((r) => setTimeout(r, 10)); return Response.json([first.calls, own('shared').calls]); }
    export function PUT() {
      const refused = (f: () => unknown) => { try { f(); return null; } catch (e: any) { return e instanceof Error; } };
      const { experimental_taintObjectReference: object, experimental_taintUniqueValue: value } = React as any;
      return Response.json([refused(() => object('m', {})), refused(() => object('m', 'text')), refused(() => object('m', null)), refused(() => value('m', {}, 'text')), refused(() => value(undefined, {}, new Uint8Array(8))), refused(() => value('m', {}, 10n)), refused(() => value('m', null, 'text')), refused(() => value('m', {}, 5)), refused(() => value('m', {}, {}))]);
    }";

async fn check(app: &App, path: &str) {
    let answer = app.get(path).await.json();
    assert_eq!(answer["outside"], json!([false, 2]), "{path}");
    assert_eq!(answer["hits"], json!([true, true, true, true, true, true, true]), "{path}");
    assert_eq!(answer["misses"], json!([false, false, false, false]), "{path}");
    assert_eq!((&answer["errors"], &answer["package"]), (&json!(1), &json!(true)), "{path}");
    assert_eq!(answer["react"], json!(["18.3.1", "18.3.1", true, true, true, "kept", "function"]), "{path}");
    assert_eq!(answer["rendered"], "state", "{path}");
    // Each request has a memory of its own, also beside others.
    let requests = (0..5).map(|_| app.send(Method::POST, path, &[], ""));
    let answers: Vec<_> =
        futures::future::join_all(requests).await.iter().map(super::harness::Answer::json).collect();
    let mut seen: Vec<_> = answers.iter().map(|pair| pair[0].as_u64().expect("a number")).collect();
    assert!(answers.iter().all(|pair| pair[0] == pair[1]), "{answers:?}");
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 5, "{answers:?}");
    let refused = app.send(Method::PUT, path, &[], "").await;
    refused.is_json(json!([null, true, true, null, null, null, true, true, true]));
}

#[tokio::test]
async fn react_has_cache_and_taint() {
    let app = react(project())
        .file("app/node/route.tsx", ROUTE)
        .file("app/edge/route.tsx", format!("export const runtime = 'edge';{ROUTE}"))
        .start()
        .await;
    check(&app, "/node").await;
    check(&app, "/edge").await;
}

#[tokio::test]
async fn the_real_react_has_them_as_well() {
    let modules = match super::services::node_modules() {
        Ok(modules) => modules,
        Err(why) => return super::services::skipped("react", &why),
    };
    let project = project().file(
        "app/route.tsx",
        "import React, { cache } from 'react'; import { jsx } from 'react/jsx-runtime'; import { renderToString } from 'react-dom/server';
         let calls = 0; const load = cache(() => ++calls);
         export const GET = () => Response.json([load(), load(), typeof React.experimental_taintUniqueValue, React.isValidElement(jsx('b', {})), React.isValidElement(<i />), React.version.split('.')[0], renderToString(<i>{load()}</i>)]);",
    );
    std::os::unix::fs::symlink(modules, project.path().join("node_modules")).expect("linked");
    let app = project.start().await;
    app.get("/").await.is_json(json!([1, 1, "function", true, true, "19", "<i>1</i>"]));
    app.get("/").await.is_json(json!([2, 2, "function", true, true, "19", "<i>2</i>"]));
}
