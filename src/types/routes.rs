//! What only the routes of a project tell: the type of the second argument of each handler,
//! and whether handlers take what they are given.

use std::fmt::Write as _;

use super::HEAD;
use crate::build::relative;
use crate::project::{Capture, Project};

/// `RouteContext`, and what it needs.
pub(super) fn contexts(project: &Project) -> String {
    let given = if project.sync_params { "T" } else { "Promise<T>" };
    let mut text = String::from(HEAD);
    let _ = write!(
        text,
        "declare namespace Edgehost {{
  /** What `params`, `cookies()`, `headers()` and `draftMode()` are: promises since Next.js 15. */
  type OfRequest<T> = {given};

  /** The route handlers of this project, with the parameters of each. */
  interface Routes {{
"
    );
    for route in project.routes.iter().filter(|route| route.metadata.is_none()) {
        let params: Vec<String> = route.captures().map(|(name, capture)| member(&name, capture)).collect();
        let params = if params.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", params.join("; ")) };
        let _ = writeln!(
            text,
            "    /** {} */\n    {}: {params};",
            in_comment(&route.shown),
            quoted(&route.pattern)
        );
    }
    text += "  }
}

/** The second argument of a handler: `GET(request: NextRequest, context: RouteContext<'/items/[id]'>)`. */
interface RouteContext<Path extends keyof Edgehost.Routes> {
  params: Edgehost.OfRequest<Edgehost.Routes[Path]>;
}
";
    text
}

/// A module that holds the exports of each route file against what they should be. It is
/// never run. `reads_jsx` says whether it may name those with JSX. All of it is exported: projects
/// may forbid what nobody uses.
pub(super) fn handlers(project: &Project, reads_jsx: bool) -> String {
    let mut text = String::from(HEAD);
    text += "import type { NextRequest } from \"next/server\";

/** Nothing is an answer too where `redirect()` or its like ends the handler. */
export type Answer = Response | void;

/** What is called with a request. */
export type Handler<Path extends keyof Edgehost.Routes> = (
  request: NextRequest,
  context: RouteContext<Path>,
) => Answer | Promise<Answer>;

/** What a route file may export. */
export interface RouteFile<Path extends keyof Edgehost.Routes> {
";
    for method in crate::project::Method::ALL {
        let _ = writeln!(text, "  {}?: Handler<Path>;", method.name());
    }
    text += "  runtime?: \"nodejs\" | \"edge\" | \"experimental-edge\";
  /** In seconds. */
  maxDuration?: number;
}

/** Whether a route file is as it should be. */
export type Fits<Path extends keyof Edgehost.Routes, File extends RouteFile<Path>> = File;

export type Routes = [
";
    let typed = |file: &std::path::Path| {
        file.extension().is_some_and(|extension| extension == "ts" || (extension == "tsx" && reads_jsx))
    };
    let handlers = project.routes.iter().filter(|route| route.metadata.is_none());
    for route in handlers.filter(|route| typed(&route.file) && !route.segment.only_default) {
        let file = relative(&project.root.join(super::FOLDER), &route.file).with_extension("js");
        let (pattern, file) = (quoted(&route.pattern), quoted(&file.display().to_string()));
        let _ = writeln!(text, "  Fits<{pattern}, typeof import({file})>,");
    }
    text + "];\n"
}

/// A parameter as a member of a type.
fn member(name: &str, capture: Capture) -> String {
    let name = quoted(name);
    match capture {
        Capture::One => format!("{name}: string"),
        Capture::Many => format!("{name}: string[]"),
        Capture::AnyNumber => format!("{name}?: string[]"),
    }
}

/// A text as a literal of TypeScript: those of JSON are such.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A text that does not end the comment which it stands in.
fn in_comment(text: &str) -> String {
    text.replace("*/", "* /")
}
