//! Modules that make routes of metadata files: they call the user's code, or hold what is in
//! the file, and leave the rest to `metadata.js`.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use super::assets;
use crate::project::{Form, Metadata, Route};

/// Begins the ids of these modules.
const PREFIX: &str = "\0edgehost:metadata/";

/// The id of the module that they have in common.
pub(super) const ANSWERS: &str = "\0edgehost:metadata";

/// Its code.
pub(super) const ANSWERS_CODE: &str = include_str!("metadata.js");

/// What the bundler is given for a route: its file, or the id of a module that stands for it.
/// `is_plain` says whether code gets `params` and `id` without promises.
pub(super) fn entry(route: &Route, is_plain: bool) -> Cow<'_, Path> {
    let Some(Metadata { form, media_type }) = route.metadata else { return Cow::Borrowed(&route.file) };
    // The place of a file begins with two slashes, as in other ids.
    let id = format!("{PREFIX}{}/{is_plain}/{media_type}/{}", function(form), route.file.display());
    Cow::Owned(id.into())
}

/// Whether an id is that of such a module.
pub(super) fn is_entry(id: &str) -> bool {
    id.starts_with(PREFIX)
}

/// The file whose content is in the module with an id.
pub(super) fn held_file(id: &str) -> Option<&str> {
    Module::of(id).filter(Module::holds_file).map(|module| module.path)
}

/// What such an id says.
pub(super) struct Module<'a> {
    form: &'a str,
    is_plain: &'a str,
    media_type: &'a str,
    /// The file for which it stands.
    pub(super) path: &'a str,
}

impl<'a> Module<'a> {
    pub(super) fn of(id: &'a str) -> Option<Self> {
        let id = id.strip_prefix(PREFIX)?;
        let (how, path) = id.split_at(id.find("//")? + 1);
        let (form, rest) = how.trim_end_matches('/').split_once('/')?;
        let (is_plain, media_type) = rest.split_once('/')?;
        Some(Self { form, is_plain, media_type, path })
    }

    /// Whether it holds what is in the file; else that is another module, which it imports.
    fn holds_file(&self) -> bool {
        self.form == function(Form::File)
    }

    /// Its code. `shown` is the file as people know it.
    pub(super) fn code(&self, shown: &str) -> io::Result<String> {
        let Self { form, is_plain, path, .. } = self;
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let (answers, media_type) = (quoted(ANSWERS), quoted(self.media_type));
        if self.holds_file() {
            let content = assets::literal(Path::new(path))?;
            return Ok(format!(
                "import {{ file }} from {answers};\nexport const GET = file({content}, {media_type});\n"
            ));
        }
        let (path, shown) = (quoted(path), quoted(shown));
        Ok(format!(
            "import * as file from {path};\nimport {{ {form} as handler }} from {answers};\nexport const GET = handler(file, {shown}, {media_type}, {is_plain});\n"
        ))
    }
}

/// The function of `metadata.js` that makes the handler.
fn function(form: Form) -> &'static str {
    match form {
        Form::File => "file",
        Form::Robots => "robots",
        Form::Manifest => "manifest",
        Form::Sitemap => "sitemap",
        Form::Sitemaps => "sitemaps",
        Form::Image => "image",
        Form::Images => "images",
    }
}
