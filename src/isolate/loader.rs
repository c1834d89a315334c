//! Hands the modules of a bundle to V8, and those that are read while the app runs.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;

use deno_core::{
    ModuleLoadOptions, ModuleLoadReferrer, ModuleLoadResponse, ModuleLoader, ModuleSource, ModuleSourceCode,
    ModuleSpecifier, ModuleType, RequestedModuleType, ResolutionKind, SourceCodeCacheInfo, resolve_import,
};
use deno_error::JsErrorBox;
use edgehost_ext::{DiskModule, DiskModules, Layer};

use super::compiled::under_own_flags;
use crate::bundle::builtin;
use crate::project::Runtime;
use crate::version::Version;

/// Modules of the host that user code may import, by way of the bundler.
const HOST_MODULES: [&str; 2] = ["edgehost:next/", "edgehost:edgehost"];

pub(super) struct BundleLoader {
    pub(super) version: Arc<Version>,
    pub(super) kind: Runtime,
    /// Modules that are not in the bundle: what `require` finds, and a `file:` URL names.
    pub(super) disk: Option<DiskModules>,
}

impl ModuleLoader for BundleLoader {
    fn resolve(
        &self,
        specifier: &str,
        referrer: &str,
        _kind: ResolutionKind,
    ) -> Result<ModuleSpecifier, JsErrorBox> {
        if let Some(builtin) =
            builtin(specifier, self.kind).filter(|_| self.version.layer(self.kind) == Layer::Node)
        {
            return ModuleSpecifier::parse(&builtin).map_err(JsErrorBox::from_err);
        }
        if let Some(disk) = &self.disk {
            let place = |text: &str| ModuleSpecifier::parse(text).ok().filter(is_on_disk);
            if let Some(referrer) = place(referrer).or_else(|| place(specifier)) {
                return disk.resolve(specifier, &referrer);
            }
        }
        let resolved = resolve_import(specifier, referrer).map_err(|_| not_found(specifier))?;
        let is_of_host = HOST_MODULES.iter().any(|name| resolved.as_str().starts_with(name));
        if is_of_host || self.version.chunks.contains_key(resolved.as_str()) {
            Ok(resolved)
        } else {
            Err(not_found(specifier))
        }
    }

    fn load(
        &self,
        specifier: &ModuleSpecifier,
        referrer: Option<&ModuleLoadReferrer>,
        options: ModuleLoadOptions,
    ) -> ModuleLoadResponse {
        if let Some(disk) = self.disk.as_ref().filter(|_| is_on_disk(specifier)) {
            let is_required = options.is_synchronous && referrer.is_none();
            let wants_json = options.requested_module_type == RequestedModuleType::Json;
            return ModuleLoadResponse::Sync(disk.load(specifier, is_required, wants_json).map(|module| {
                let (module_type, code) = match module {
                    DiskModule::JavaScript(code) => (ModuleType::JavaScript, code),
                    DiskModule::Json(text) => (ModuleType::Json, text),
                };
                ModuleSource::new(module_type, ModuleSourceCode::String(code.into()), specifier, None)
            }));
        }
        ModuleLoadResponse::Sync(match self.version.chunks.get(specifier.as_str()) {
            Some(chunk) => Ok(ModuleSource::new(
                ModuleType::JavaScript,
                ModuleSourceCode::String(chunk.code.clone().into()),
                specifier,
                chunk.cache.as_ref().map(|cache| SourceCodeCacheInfo {
                    hash: 0,
                    data: Some(Cow::Owned(under_own_flags(cache))),
                }),
            )),
            None => Err(not_found(specifier.as_str())),
        })
    }

    /// Called where V8 did not take the code cache.
    fn code_cache_ready(
        &self,
        specifier: ModuleSpecifier,
        _hash: u64,
        _cache: &[u8],
    ) -> Pin<Box<dyn Future<Output = ()>>> {
        tracing::debug!(%specifier, "V8 did not take the code cache of this module");
        Box::pin(std::future::ready(()))
    }

    fn get_source_map(&self, file: &str) -> Option<Cow<'_, [u8]>> {
        self.version.chunks.get(file)?.source_map(&self.version.root).map(Cow::Owned)
    }
}

fn is_on_disk(url: &ModuleSpecifier) -> bool {
    url.scheme() == "file"
}

fn not_found(specifier: &str) -> JsErrorBox {
    if specifier.starts_with("node:") {
        return JsErrorBox::type_error(format!("There is no module '{specifier}' here"));
    }
    JsErrorBox::type_error(format!(
        "Cannot find module '{specifier}'. Modules are bundled before the server starts; one whose name is computed while it runs cannot be found"
    ))
}
