//! Hands the modules of a bundle to V8. Nothing is read from disk here.

use std::borrow::Cow;
use std::sync::Arc;

use deno_core::{
    ModuleLoadOptions, ModuleLoadReferrer, ModuleLoadResponse, ModuleLoader, ModuleSource, ModuleSourceCode,
    ModuleSpecifier, ModuleType, ResolutionKind, resolve_import,
};
use deno_error::JsErrorBox;
use edgehost_ext::Layer;

use super::App;
use crate::bundle::builtin;
use crate::project::Runtime;

/// Modules of the host that user code may import, by way of the bundler.
const HOST_SCHEME: &str = "edgehost:next/";

pub(super) struct BundleLoader {
    pub(super) app: Arc<App>,
    pub(super) kind: Runtime,
}

impl ModuleLoader for BundleLoader {
    fn resolve(
        &self,
        specifier: &str,
        referrer: &str,
        _kind: ResolutionKind,
    ) -> Result<ModuleSpecifier, JsErrorBox> {
        if let Some(builtin) =
            builtin(specifier, self.kind).filter(|_| self.app.layer(self.kind) == Layer::Node)
        {
            return ModuleSpecifier::parse(&builtin).map_err(JsErrorBox::from_err);
        }
        let resolved = resolve_import(specifier, referrer).map_err(|_| not_found(specifier))?;
        if resolved.as_str().starts_with(HOST_SCHEME) || self.app.chunks.contains_key(resolved.as_str()) {
            Ok(resolved)
        } else {
            Err(not_found(specifier))
        }
    }

    fn load(
        &self,
        specifier: &ModuleSpecifier,
        _referrer: Option<&ModuleLoadReferrer>,
        _options: ModuleLoadOptions,
    ) -> ModuleLoadResponse {
        ModuleLoadResponse::Sync(match self.app.chunks.get(specifier.as_str()) {
            Some(chunk) => Ok(ModuleSource::new(
                ModuleType::JavaScript,
                ModuleSourceCode::String(chunk.code.clone().into()),
                specifier,
                None,
            )),
            None => Err(not_found(specifier.as_str())),
        })
    }

    fn get_source_map(&self, file: &str) -> Option<Cow<'_, [u8]>> {
        self.app.chunks.get(file)?.source_map()
    }
}

fn not_found(specifier: &str) -> JsErrorBox {
    if specifier.starts_with("node:") {
        return JsErrorBox::type_error(format!("There is no module '{specifier}' here"));
    }
    JsErrorBox::type_error(format!(
        "Cannot find module '{specifier}'. Modules are bundled before the server starts; one whose name is computed while it runs cannot be found"
    ))
}
