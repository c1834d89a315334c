//! The one list of extensions, for the snapshot and for isolates.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use deno_core::Extension;
use deno_permissions::{Permissions, PermissionsContainer, RuntimePermissionDescriptorParser};
use deno_web::BlobStore;

use crate::held::Held;
use crate::node::{self, AppSys};
use crate::ops::*;

/// How much of the world an isolate knows. Each has its snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// The web APIs.
    Web,
    /// The web APIs and the modules of Node.js.
    Node,
}

/// What an isolate is started with; the snapshot is made with [`Settings::default`].
pub struct Settings {
    /// Facts about the app.
    pub facts: AppFacts,
    /// Where `console.*` goes.
    pub console: ConsoleSink,
    /// Is handed what was thrown and becomes an error of Rust.
    pub thrown: ThrownSink,
    /// Requests in flight.
    pub exchanges: SharedExchanges,
    /// Certificates that `fetch` trusts; the system's when absent.
    pub root_certificates: Option<Arc<dyn deno_tls::RootCertStoreProvider>>,
    /// What user code may reach.
    pub permissions: PermissionsContainer,
    /// The system, with the folder where relative paths begin: at first the project.
    pub sys: AppSys,
    /// What native code holds for the isolate, as its owner sees it.
    pub held: Held,
    /// The standard streams of native code: [`no_stdio`](crate::no_stdio), or none at all.
    pub stdio: Option<deno_io::Stdio>,
}

impl Default for Settings {
    fn default() -> Self {
        let parser = RuntimePermissionDescriptorParser::new(sys_traits::impls::RealSys);
        Self {
            facts: AppFacts {
                env: Rc::default(),
                draft_secret: "".into(),
                production: true,
                may_spawn: false,
                kept: Rc::default(),
                edge: false,
                root: Path::new("/").into(),
                assets: Rc::default(),
                is_over: || false,
                has_room: |_, _| true,
                run_out: || {},
                explain: Rc::new(|_, _| String::new()),
                ceilings: Ceilings { cpu: 0.0, memory: 0.0, sockets: 0.0 },
            },
            console: Rc::new(|_| {}),
            thrown: Rc::new(|_| {}),
            exchanges: SharedExchanges::default(),
            root_certificates: None,
            permissions: PermissionsContainer::new(Arc::new(parser), Permissions::allow_all()),
            sys: node::app_sys("/".as_ref()),
            held: Held::default(),
            stdio: None,
        }
    }
}

/// `fetch` sends this as `user-agent`, and `navigator.userAgent` is this.
const USER_AGENT: &str = concat!("edgehost/", env!("CARGO_PKG_VERSION"));

// deno_fetch loads one script of deno_net, for client certificates. This stands
// in for the crate where sockets are not wanted.
deno_core::extension!(
    deno_net,
    lazy_loaded_js = [dir "../../runtime-js", "ext:deno_net/02_tls.js" = "00_net_stub.js"],
);

deno_core::extension!(
    edgehost,
    deps = [deno_webidl, deno_web, deno_fetch, deno_crypto, deno_websocket],
    ops = [
        op_edgehost_asset,
        op_edgehost_ceilings,
        op_edgehost_room,
        op_edgehost_env,
        op_edgehost_explain,
        op_edgehost_place,
        op_edgehost_draft_secret,
        op_edgehost_is_edge,
        op_edgehost_is_sound_clone,
        op_edgehost_is_web_socket,
        op_edgehost_is_production,
        op_edgehost_is_handled,
        op_edgehost_log,
        op_edgehost_log_rejection,
        op_edgehost_thrown,
        op_edgehost_user_agent,
        op_edgehost_request_url,
        op_edgehost_request_header,
        op_edgehost_request_headers,
        op_edgehost_request_body,
        op_edgehost_request_given,
        op_edgehost_request_text,
        op_edgehost_respond_text,
        op_edgehost_respond_bytes,
        op_edgehost_respond,
        op_edgehost_respond_stream,
        op_edgehost_stream_write,
        op_edgehost_stream_ready,
        op_edgehost_stream_end,
        op_edgehost_fail,
        op_edgehost_task_began,
        op_edgehost_task_ended,
        op_edgehost_watch_end,
        op_edgehost_zone,
        op_edgehost_upstream,
        op_edgehost_ed448_import,
        op_edgehost_ed448_public,
        op_edgehost_ed448_sign,
        op_edgehost_ed448_verify,
        op_edgehost_gcm,
        op_edgehost_p384_sign,
        op_edgehost_p384_verify,
        op_edgehost_decompressor,
        op_edgehost_decompress,
        op_edgehost_decompress_step,
        op_edgehost_make_room,
        op_edgehost_is_integral,
        op_edgehost_create_entangled,
        op_edgehost_encode,
        op_edgehost_fits_json,
        op_edgehost_need_memory,
        op_edgehost_need_text,
        op_edgehost_prefix,
        op_edgehost_post_message,
        op_edgehost_post_message_raw,
        op_edgehost_recv_message,
        op_edgehost_recv_message_sync,
        op_edgehost_read_all,
        op_edgehost_weight,
        op_edgehost_blob_create_part,
    ],
    esm_entry_point = "ext:edgehost/01_bootstrap.js",
    esm = [dir "../../runtime-js", "ext:edgehost/01_bootstrap.js" = "01_bootstrap.js"],
    lazy_loaded_js = [
        dir "../../runtime-js",
        "ext:edgehost/00_bodies.js" = "00_bodies.js",
        "ext:edgehost/00_caches.js" = "00_caches.js",
        "ext:edgehost/00_ceilings.js" = "00_ceilings.js",
        "ext:edgehost/00_interfaces.js" = "00_interfaces.js",
        "ext:edgehost/00_webcrypto.js" = "00_webcrypto.js",
        "ext:edgehost/09_ops.js" = "09_ops.js",
        "ext:edgehost/10_scope.js" = "10_scope.js",
        "ext:edgehost/11_async_local_storage.js" = "11_async_local_storage.js",
        "ext:edgehost/15_zone.js" = "15_zone.js",
        "ext:edgehost/20_console.js" = "20_console.js",
        "ext:edgehost/21_cookies.js" = "21_cookies.js",
        "ext:edgehost/22_next_url.js" = "22_next_url.js",
        "ext:edgehost/23_user_agent.js" = "23_user_agent.js",
        "ext:edgehost/30_request.js" = "30_request.js",
        "ext:edgehost/31_response.js" = "31_response.js",
        "ext:edgehost/32_after.js" = "32_after.js",
        "ext:edgehost/40_process.js" = "40_process.js",
        "ext:edgehost/45_next_config.js" = "45_next_config.js",
        "ext:edgehost/46_middleware.js" = "46_middleware.js",
        "ext:edgehost/47_forward.js" = "47_forward.js",
        "ext:edgehost/50_stream.js" = "50_stream.js",
        "ext:edgehost/51_dispatch.js" = "51_dispatch.js",
        "ext:edgehost/next/server.js" = "next/server.js",
        "ext:edgehost/next/headers.js" = "next/headers.js",
        "ext:edgehost/next/navigation.js" = "next/navigation.js",
        "ext:edgehost/next/cache.js" = "next/cache.js",
        "ext:edgehost/next/react.js" = "next/react.js",
        "ext:edgehost/edgehost.js" = "edgehost.js",
    ],
    synthetic_esm = [
        "edgehost:next/server" = "ext:edgehost/next/server.js",
        "edgehost:next/headers" = "ext:edgehost/next/headers.js",
        "edgehost:next/navigation" = "ext:edgehost/next/navigation.js",
        "edgehost:next/cache" = "ext:edgehost/next/cache.js",
        "edgehost:next/react" = "ext:edgehost/next/react.js",
        "edgehost:edgehost" = "ext:edgehost/edgehost.js",
    ],
    options = { settings: Settings },
    state = |state, options| {
        state.put(options.settings.facts);
        state.put(options.settings.console);
        state.put(options.settings.thrown);
        state.put(options.settings.exchanges);
        state.put(options.settings.permissions);
        state.put(options.settings.held);
    },
);

/// Every extension of a layer, in the order that snapshot and isolates share.
///
/// More may be appended after these without making the snapshot anew.
pub fn extensions(layer: Layer, mut settings: Settings) -> Vec<Extension> {
    let fetch = deno_fetch::Options {
        user_agent: USER_AGENT.to_owned(),
        root_cert_store_provider: settings.root_certificates.clone(),
        request_builder_hook: Some(send_once),
        ..Default::default()
    };
    let mut list = vec![
        deno_webidl::deno_webidl::init(),
        deno_web::deno_web::init(BlobStore::default_arc(), None, false, Default::default()),
        deno_fetch::deno_fetch::init(fetch),
        deno_crypto::deno_crypto::init(None),
        deno_websocket::deno_websocket::init(),
    ];
    match layer {
        Layer::Web => list.extend([deno_net::init(), edgehost::init(settings)]),
        Layer::Node => {
            list.extend(node::extensions(&mut settings));
            let last = node::last_extension(&settings);
            list.extend([edgehost::init(settings), last]);
        }
    }
    list
}

/// `edgehost/<version>`. Called by runtime-js/01_bootstrap.js while the snapshot is made.
#[deno_core::op2]
#[string]
fn op_edgehost_user_agent() -> &'static str {
    USER_AGENT
}
