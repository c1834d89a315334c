//! Errors of user code as people read them: without the host's own scripts, with files as
//! they are seen from the project, and with the line of code.

use std::fmt::Write as _;

use deno_core::error::{CoreError, CoreErrorKind, JsError, prepare_stack_trace_callback};
use deno_core::v8;

use crate::bundle::CodeFrame;
use crate::version::Version;

/// Longest report that is looked at; what is beyond was no help to anybody.
const MOST_TEXT: usize = 128 * 1024;
/// Most errors of a chain of causes.
const MOST_ERRORS: usize = 16;

/// Where scripts of the host and of the engine's crates come from.
const HOST_SCRIPTS: [&str; 4] = ["ext:", "node:", "edgehost:next/", "edgehost:edgehost"];

/// Names of bundled modules, in frames that no source map leads anywhere from: code that
/// the bundler added.
const BUNDLED: &str = "edgehost:";

/// Makes the `stack` of an error as deno_core does, but without the functions of the host:
/// they say nothing to those who read it.
pub(super) fn without_host_frames<'s, 'i>(
    scope: &mut v8::PinScope<'s, 'i>,
    error: v8::Local<'s, v8::Value>,
    callsites: v8::Local<'s, v8::Array>,
) -> v8::Local<'s, v8::Value> {
    let Some(key) = v8::String::new(scope, "getFileName") else {
        return prepare_stack_trace_callback(scope, error, callsites);
    };
    let mut kept = Vec::with_capacity(callsites.length() as usize);
    for index in 0..callsites.length() {
        let Some(callsite) = callsites.get_index(scope, index) else { continue };
        if !is_of_host(scope, callsite, key) {
            kept.push(callsite);
        }
    }
    let kept = v8::Array::new_with_elements(scope, &kept);
    prepare_stack_trace_callback(scope, error, kept)
}

fn is_of_host(
    scope: &mut v8::PinScope<'_, '_>,
    callsite: v8::Local<'_, v8::Value>,
    key: v8::Local<'_, v8::String>,
) -> bool {
    v8::tc_scope!(let scope, scope);
    let name = v8::Local::<v8::Object>::try_from(callsite).ok().and_then(|callsite| {
        let function = callsite.get(scope, key.into())?;
        let function = v8::Local::<v8::Function>::try_from(function).ok()?;
        let name = function.call(scope, callsite.into(), &[])?;
        name.is_string().then(|| name.to_rust_string_lossy(scope))
    });
    name.is_some_and(|name| HOST_SCRIPTS.iter().any(|scheme| name.starts_with(scheme)))
}

/// An error that came through deno_core, with its causes.
pub(super) fn text_of(error: &CoreError) -> String {
    match error.as_kind() {
        CoreErrorKind::Js(error) => {
            let mut text = String::new();
            let mut left = MOST_ERRORS;
            describe(&mut text, error, &mut left);
            text
        }
        _ => error.to_string(),
    }
}

/// As `describe` in runtime-js/20_console.js, for errors that did not come that way.
fn describe(text: &mut String, error: &JsError, left: &mut usize) {
    if *left == 0 {
        return;
    }
    *left -= 1;
    match &error.stack {
        Some(stack) if !stack.is_empty() => text.push_str(stack),
        _ => {
            text.push_str(error.exception_message.trim_start_matches("Uncaught "));
            // Of a syntax error.
            if let Some(place) = error.frames.first().and_then(|frame| frame.maybe_format_location()) {
                let _ = write!(text, "\n    at {place}");
            }
        }
    }
    let aggregated = error.aggregated.as_deref().unwrap_or_default();
    for (index, inner) in aggregated.iter().enumerate().take(*left) {
        let mut nested = String::new();
        describe(&mut nested, inner, left);
        let _ = write!(text, "\n  {} of {}: {}", index + 1, aggregated.len(), nested.replace('\n', "\n  "));
    }
    if let Some(cause) = &error.cause {
        text.push_str("\n  caused by: ");
        describe(text, cause, left);
    }
}

impl Version {
    /// A text for the log: stack traces in it name the user's files as they are seen from
    /// the project, and leave out what the bundler added.
    pub(super) fn readable(&self, text: &str) -> String {
        let is_of_host = |line: &&str| {
            let Some(place) = line.trim_start().strip_prefix("at ") else { return false };
            let place = place.rsplit_once('(').map_or(place, |(_, place)| place);
            let place = place.trim_start_matches("async ");
            place.starts_with(BUNDLED) || HOST_SCRIPTS.iter().any(|scheme| place.starts_with(scheme))
        };
        let lines: Vec<&str> = text.split('\n').filter(|line| !is_of_host(line)).collect();
        let text = lines.join("\n").replace(&self.root_url, "");
        match &self.around {
            Some((url, named)) => text.replace(url, named),
            None => text,
        }
    }

    /// A report of an error: readable, with the line of code that its stack begins at.
    pub(crate) fn report(&self, text: &str) -> String {
        let text = if text.len() > MOST_TEXT { &text[..text.floor_char_boundary(MOST_TEXT)] } else { text };
        let mut text = self.readable(text);
        let mut at = 0_usize;
        let mut first: Option<usize> = None;
        for line in text.split_inclusive('\n') {
            if let Some(place) = line.trim().strip_prefix("at ") {
                first.get_or_insert(at);
                if let Some((file, line, column)) = place_of(place)
                    && let Some(code) = self.sources.get(&self.root, file, line)
                {
                    let frame = CodeFrame { line, column, code: &code }.to_string();
                    // Before the line break in front of the first frame.
                    text.insert_str(first.unwrap_or(at).saturating_sub(1), &frame);
                    break;
                }
            } else if first.is_some() {
                // The frames of the first error are over.
                break;
            }
            at += line.len();
        }
        text
    }
}

/// File, line and column in a frame such as `async GET (app/route.ts:2:9)`.
fn place_of(frame: &str) -> Option<(&str, usize, usize)> {
    // A route's file may have brackets of its own: `app/(shop)/route.ts`.
    let place = match frame.strip_suffix(')') {
        Some(inner) => inner.split_once(" (").map_or(inner, |(_, place)| place),
        None => frame.trim_start_matches("async "),
    };
    let (rest, column) = place.rsplit_once(':')?;
    let (file, line) = rest.rsplit_once(':')?;
    Some((file, line.parse().ok()?, column.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_in_frames() {
        assert_eq!(place_of("GET (app/(shop)/[id]/route.ts:2:9)"), Some(("app/(shop)/[id]/route.ts", 2, 9)));
        assert_eq!(place_of("app/route.ts:12:1"), Some(("app/route.ts", 12, 1)));
        assert_eq!(place_of("async app/route.ts:12:1"), Some(("app/route.ts", 12, 1)));
        assert_eq!(place_of("Array.map (<anonymous>)"), None);
        assert_eq!(place_of("native"), None);
    }
}
