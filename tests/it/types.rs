//! `edgehost types` and `edgehost check`, tried with TypeScript itself.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::cli::{run, stderr, stdout};
use super::harness::{Project, program, project};
use super::services::{node_modules, skipped};

const USES: &str = include_str!("../types/uses.ts");
const REFUSED: &str = include_str!("../types/refused.ts");
const ROUTE: &str = "export const GET = () => new Response('ok');";

/// As strict as can be; declarations are checked as well.
const TSCONFIG: &str = r#"{
  "compilerOptions": {
    "target": "esnext", "lib": ["dom", "dom.iterable", "dom.asynciterable", "esnext"],
    "module": "esnext", "moduleResolution": "bundler", "noEmit": true, "skipLibCheck": false,
    "strict": true, "exactOptionalPropertyTypes": true, "noUncheckedIndexedAccess": true,
    "noUncheckedSideEffectImports": true, "jsx": "react-jsx", "verbatimModuleSyntax": true
  },
  "include": [".edgehost/types/**/*.ts", "**/*.ts"]
}"#;

/// A project with routes of all kinds.
fn routes() -> Project {
    project()
        .file("app/route.ts", ROUTE)
        .file("app/(shop)/items/[id]/route.ts", ROUTE)
        .file("app/docs/[...path]/route.ts", ROUTE)
        .file("app/files/[[...path]]/route.tsx", ROUTE)
        .file("app/[lang]/a \"b\"/[user-id]/route.js", ROUTE)
}

fn edgehost(command: &str, project: &Project, more: &[&str]) -> Output {
    let dir = project.path().display().to_string();
    run(&[&[command, &dir], more].concat())
}

/// Writes the types, and returns what was said with the exit code.
fn types(project: &Project) -> String {
    let output = edgehost("types", project, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    stdout(&output) + stderr(&output).as_str()
}

/// Puts packages of the tests into a project; with TypeScript comes its program.
fn install(project: &Project, packages: &[&str]) -> Result<(), String> {
    let from = node_modules()?;
    let to = project.path().join("node_modules");
    for name in packages {
        let path = to.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        symlink(from.join(name), path).expect("linked");
    }
    if packages.contains(&"typescript") {
        std::fs::create_dir_all(to.join(".bin")).expect("folders");
        symlink("../typescript/bin/tsc", to.join(".bin/tsc")).expect("linked");
    }
    Ok(())
}

/// What TypeScript has to say; nothing if all is well.
fn tsc(project: &Project) -> Result<String, String> {
    let tsc = node_modules()?.join("typescript/bin/tsc");
    let output = Command::new("node")
        .arg(tsc)
        .args(["--project", "tsconfig.json"])
        .current_dir(project.path())
        .output()
        .map_err(|error| format!("Node.js cannot be started: {error}"))?;
    assert_eq!(output.status.success(), output.stdout.is_empty(), "{}", stderr(&output));
    Ok(stdout(&output))
}

fn read(project: &Project, file: &str) -> String {
    std::fs::read_to_string(project.path().join(".edgehost/types").join(file)).expect("it was written")
}

fn exists(project: &Project, file: &str) -> bool {
    project.path().join(".edgehost/types").join(file).exists()
}

#[test]
fn what_route_handlers_use_type_checks_and_mistakes_are_refused() {
    let project = routes()
        .file("tsconfig.json", TSCONFIG)
        .file("app/(shop)/items/[id]/route.ts", USES)
        .file("lib/refused.ts", REFUSED);
    types(&project);
    match tsc(&project) {
        Ok(said) => assert_eq!(said, ""),
        Err(why) => return skipped("types", &why),
    }
    // Without the line that expects it, each mistake is one.
    let expected = REFUSED.matches("@ts-expect-error").count();
    let project = project.file("lib/refused.ts", REFUSED.replace("@ts-expect-error", ""));
    let said = tsc(&project).expect("it ran before");
    let lines = said.lines().filter(|line| line.starts_with("lib/refused.ts(")).count();
    assert!(lines >= expected && expected > 30, "{lines} of {expected}: {said}");
}

#[test]
fn handlers_are_held_against_their_routes() {
    let project = routes()
        .file("tsconfig.json", TSCONFIG)
        .file("app/ends/route.ts", "import { redirect } from 'next/navigation';\nexport async function GET() { redirect('/'); }\nexport const helper = 1;")
        .file("app/context/[id]/route.ts", "export const GET = async (_: Request, { params }: { params: Promise<{ id: string }> }) => Response.json(await params);");
    types(&project);
    match tsc(&project) {
        Ok(said) => assert_eq!(said, ""),
        Err(why) => return skipped("types", &why),
    }
    for (source, complaint) in [
        ("export const GET = () => 'text';", "Type 'string' is not assignable"),
        (
            "export const GET = (_: Request, { params }: { params: Promise<{ name: string }> }) => Response.json(params);",
            "Property 'name' is missing",
        ),
        ("export const POST = (text: string) => new Response(text);", "not assignable to type 'string'"),
        ("export const GET = 1;", "Types of property 'GET' are incompatible"),
        ("export const GET = () => new Response(); export const runtime = 'node';", "'runtime'"),
        ("export const GET = () => new Response(); export const maxDuration = '5';", "'maxDuration'"),
    ] {
        let project = routes().file("tsconfig.json", TSCONFIG).file("app/wrong/[id]/route.ts", source);
        types(&project);
        let said = tsc(&project).expect("it ran before");
        assert!(
            said.contains(".edgehost/types/handlers.ts(") && said.contains(complaint),
            "{source}: {said}"
        );
        assert!(said.contains("/wrong/[id]"), "it names the route: {said}");
    }
}

#[test]
fn they_pass_where_nothing_may_be_unused() {
    let tsconfig = TSCONFIG.replace(
        "\"strict\": true",
        "\"strict\": true, \"noUnusedLocals\": true, \"noUnusedParameters\": true",
    );
    assert_ne!(tsconfig, TSCONFIG);
    for project in [routes(), project().file("app/route.js", ROUTE)] {
        let project = project.file("tsconfig.json", &tsconfig);
        types(&project);
        match tsc(&project) {
            Ok(said) => assert_eq!(said, ""),
            Err(why) => return skipped("types", &why),
        }
    }
}

#[test]
fn parameters_are_plain_in_projects_on_older_versions() {
    let project = routes()
        .file("package.json", r#"{ "dependencies": { "next": "^14.2.0" } }"#)
        .file("tsconfig.json", TSCONFIG)
        .file("app/(shop)/items/[id]/route.ts", "import { cookies, draftMode, headers } from 'next/headers';\nexport const GET = (_: Request, { params }: RouteContext<'/items/[id]'>) => Response.json([params.id.length, cookies().get('a')?.value, headers().get('b'), draftMode().isEnabled]);");
    types(&project);
    match tsc(&project) {
        Ok(said) => assert_eq!(said, ""),
        Err(why) => skipped("types", &why),
    }
}

#[test]
fn they_agree_with_the_types_of_node() {
    let project = routes()
        .file("tsconfig.json", TSCONFIG.replace("\"skipLibCheck\": false", "\"skipLibCheck\": true"))
        .file("app/(shop)/items/[id]/route.ts", USES)
        .file("lib/node.ts", "import { readFile } from 'node:fs/promises';\nexport const read = () => readFile(process.cwd());");
    let said = types(&project);
    assert!(
        said.contains("lib/node.ts uses `node:fs/promises`, whose types are not installed: npm install --save-dev @types/node@22"),
        "{said}"
    );
    assert!(exists(&project, "process.d.ts"));
    if let Err(why) = install(&project, &["@types/node", "undici-types"]) {
        return skipped("types", &why);
    }
    // Also with what was written before the package came.
    assert_eq!(tsc(&project).expect("TypeScript runs"), "");
    let said = types(&project);
    assert!(!said.contains("not installed") && !exists(&project, "process.d.ts"), "{said}");
    assert_eq!(tsc(&project).expect("TypeScript runs"), "");
    let project = project.file("pnpm-lock.yaml", "");
    std::fs::remove_dir_all(project.path().join("node_modules")).expect("removed");
    assert!(types(&project).contains("pnpm add --save-dev @types/node@22"));
}

#[test]
fn the_types_of_an_installed_next_count() {
    let project = routes().file("node_modules/next/package.json", r#"{ "version": "15.4.9" }"#);
    types(&project);
    assert!(!exists(&project, "next.d.ts") && !exists(&project, "handlers.ts"));
    assert!(read(&project, "routes.d.ts").contains("RouteContext") && exists(&project, "edgehost.d.ts"));
    assert!(!read(&project, "index.d.ts").contains("next.d.ts"));
    let project = project.file("node_modules/next/package.json", r#"{ "version": "16.0.0" }"#);
    let said = types(&project);
    assert!(said.contains("`npx next typegen`") && !exists(&project, "routes.d.ts"), "{said}");
    std::fs::remove_dir_all(project.path().join("node_modules")).expect("removed");
    types(&project);
    assert!(exists(&project, "next.d.ts") && exists(&project, "routes.d.ts"));
}

#[test]
fn types_are_written_when_they_differ_and_say_what_is_left_to_do() {
    let project = routes();
    let said = types(&project);
    assert!(said.contains("types for 5 routes in .edgehost/types"), "{said}");
    assert!(said.contains("There is no tsconfig.json: `edgehost types --tsconfig` writes one"), "{said}");
    let path = project.path().join(".edgehost/types/routes.d.ts");
    let time = |path: &Path| path.metadata().expect("there").modified().expect("a time");
    let before = time(&path);
    assert!(types(&project).contains("(as before)"));
    assert_eq!(time(&path), before, "it is left alone");
    let ignored = std::fs::read_to_string(project.path().join(".edgehost/.gitignore")).expect("readable");
    assert_eq!(ignored, "*\n");

    let project = project.file("tsconfig.json", "{ \"include\": [\"app\", \"lib/**/*.ts\"] }");
    let said = types(&project);
    assert!(said.contains("\"include\": [\".edgehost/types/**/*.ts\", \"app\", \"lib/**/*.ts\"]"), "{said}");
    std::fs::remove_file(project.path().join("tsconfig.json")).expect("removed");
    let output = edgehost("types", &project, &["--tsconfig"]);
    assert!(stdout(&output).contains("wrote tsconfig.json") && stderr(&output).is_empty(), "{output:?}");
    match tsc(&project) {
        Ok(said) => assert_eq!(said, ""),
        Err(why) => skipped("types", &why),
    }
    let project = project.file("tsconfig.json", "{}");
    let output = edgehost("types", &project, &["--tsconfig"]);
    assert!(stdout(&output).contains("there is a tsconfig.json already"), "{output:?}");
    assert!(stderr(&output).contains("does not include the types"), "{output:?}");
    assert_eq!(std::fs::read_to_string(project.path().join("tsconfig.json")).expect("readable"), "{}");
}

/// What `edgehost check` says, and how it ends, with only these programs on the path.
fn check(project: &Project, programs: &[&str]) -> (String, Option<i32>) {
    let path = tempfile::tempdir().expect("a folder");
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    for name in programs {
        let found: Option<PathBuf> =
            std::env::split_paths(&on_path).map(|dir| dir.join(name)).find(|path| path.is_file());
        symlink(found.expect("it is there"), path.path().join(name)).expect("linked");
    }
    let output = Command::new(program())
        .arg("check")
        .arg(project.path())
        .env("PATH", path.path())
        .output()
        .expect("started");
    (stdout(&output) + stderr(&output).as_str(), output.status.code())
}

#[test]
fn check_runs_the_typescript_of_the_project() {
    let project = routes().file("tsconfig.json", TSCONFIG);
    if let Err(why) = install(&project, &["typescript"]) {
        return skipped("edgehost check", &why);
    }
    let (said, code) = check(&project, &["node", "env"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("5 routes: can be bundled") && said.contains("types: in order"), "{said}");
    let (said, code) = check(&project, &["env"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("cannot be checked without Node.js") && said.contains("apt-get install nodejs"),
        "{said}"
    );
    let project = project.file("lib/wrong.ts", "export const number: number = 'text';");
    let (said, code) = check(&project, &["node", "env"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("lib/wrong.ts(1,14): error TS2322") && said.contains("tsc found mistakes"),
        "{said}"
    );
    // Both kinds of mistakes are told at once.
    let project =
        project.file("app/broken/route.ts", "import './nothing';\nexport const GET = () => new Response();");
    let (said, code) = check(&project, &["node", "env"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("1 of 6 routes cannot be bundled") && said.contains("lib/wrong.ts(1,14)"),
        "{said}"
    );
}

#[test]
fn the_tour_is_in_order() {
    let tour = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/tour");
    let mut project = project();
    for entry in
        walkdir::WalkDir::new(&tour).into_iter().flatten().filter(|entry| entry.file_type().is_file())
    {
        let inside = entry.path().strip_prefix(&tour).expect("inside").to_str().expect("UTF-8");
        if !inside.starts_with('.') {
            project = project.file(inside, std::fs::read(entry.path()).expect("readable"));
        }
    }
    if let Err(why) = install(&project, &["typescript"]) {
        return skipped("edgehost check", &why);
    }
    let (said, code) = check(&project, &["node", "env"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("types: in order") && !said.contains("warning"), "{said}");
}

#[test]
fn check_says_how_to_get_what_is_missing() {
    let project = routes();
    let (said, code) = check(&project, &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("`edgehost types --tsconfig` writes one"), "{said}");
    let project = project.file("tsconfig.json", TSCONFIG).file("yarn.lock", "");
    let (said, code) = check(&project, &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("yarn add --dev typescript"), "{said}");
    let plain = super::harness::project().file("app/route.js", ROUTE);
    let (said, code) = check(&plain, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("there is no TypeScript"), "{said}");
    let (said, code) = check(&super::harness::project(), &[]);
    assert_eq!(code, Some(2), "{said}");
}

#[test]
fn a_tsc_that_is_ended_is_no_finding() {
    let project = routes()
        .file("tsconfig.json", TSCONFIG)
        .file("node_modules/.bin/tsc", "#!/bin/sh\nkill -9 $$\n")
        .file("bin/node", "");
    for file in ["node_modules/.bin/tsc", "bin/node"] {
        let path = project.path().join(file);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("set");
    }
    let output = Command::new(program())
        .arg("check")
        .arg(project.path())
        .env("PATH", project.path().join("bin"))
        .output()
        .expect("started");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stderr(&output).contains("tsc did not come to an end"), "{output:?}");
}
