// @ts-check
// `node:_stream_wrap`: deprecated in Node.js (DEP0125) in favour of what it re-exports.
import { core } from "ext:core/mod.js";

const { JSStreamSocket } = core.loadExtScript("ext:deno_node/internal/js_stream_socket.js");

export default JSStreamSocket;
