// @ts-check
// Runs once, while the snapshot of the Node layer is made: evaluates what most
// bundles reach, so that a first import finds it loaded. The rest is loaded from
// the residual sources when it is asked for.
//
// Every module that ends up in the snapshot has to be imported here by name:
// deno_core drops the source of one that is only loaded by another.

import "ext:edgehost_node/02_node.js";
import "ext:edgehost_node/02_gaps.js";
import "ext:edgehost_node/02_sqlite.js";

import { core, internals, primordials } from "ext:core/mod.js";
import { Agent } from "node:_http_agent";
import { ClientRequest } from "node:_http_client";
import "node:_http_common";
import "node:_http_incoming";
import "node:_http_outgoing";
import "node:_http_proxy";
import "node:_http_server";
import "node:_stream_duplex";
import "node:_stream_passthrough";
import "node:_stream_readable";
import "node:_stream_transform";
import "node:_stream_writable";
import "node:_tls_common";
import "node:_tls_wrap";
import "node:assert";
import "node:async_hooks";
import "node:buffer";
import "node:diagnostics_channel";
import "node:dns";
import "node:events";
import "node:fs";
import "node:fs/promises";
import "node:http";
import "node:https";
import { Socket } from "node:net";
import "node:os";
import "node:path";
import "node:perf_hooks";
import "node:process";
import "node:querystring";
import { Duplex } from "node:stream";
import "node:stream/promises";
import "node:string_decoder";
import "node:timers";
import "node:timers/promises";
import "node:tls";
import "ext:deno_node/_fs/_fs_copy.ts";
import "ext:deno_node/_fs/_fs_dir.ts";
import "ext:deno_node/_fs/_fs_exists.ts";
import "ext:deno_node/_fs/_fs_glob.ts";
import "ext:deno_node/_fs/_fs_lutimes.ts";
import "ext:deno_node/_fs/_fs_read.ts";
import "ext:deno_node/_fs/_fs_readdir.ts";
import "ext:deno_node/internal/event_target.mjs";
import "ext:deno_node/internal/fs/handle.ts";
import "ext:deno_node/internal/fs/promises.ts";
import "ext:deno_node/internal/fs/stat_utils.ts";
import "ext:deno_node/internal/fs/streams.mjs";
import "ext:deno_node/internal/fs/utils.mjs";
import "ext:deno_node/internal/http/address_override.js";
import "ext:deno_node/internal/streams/compose.js";
import "ext:deno_node/internal/streams/duplexpair.js";
import "ext:deno_node/internal/streams/fast-utf8-stream.js";
import "ext:deno_node/internal/streams/operators.js";
import "ext:deno_node/internal/streams/pipeline.js";
import "ext:deno_node/internal_binding/mod.ts";

const { kContext } = internals.edgehost.node;
const { open, roomError } = internals.edgehost.ceilings;
const { ReflectApply, SafeArrayIterator } = primordials;

const { connect } = Socket.prototype;
const kCounted = primordials.Symbol("edgehost.counted");
Socket.prototype.connect = function (/** @type {any[]} */ ...args) {
  this[kContext] ??= core.getAsyncContext();
  if (!this[kCounted]) {
    const full = roomError("connect", true);
    if (full !== undefined) {
      this.destroy(full);
      return this;
    }
    this[kCounted] = true;
    open.sockets++;
  }
  return ReflectApply(connect, this, args);
};
const { _destroy } = Socket.prototype;
Socket.prototype._destroy = function (/** @type {any[]} */ ...args) {
  if (this[kCounted]) {
    this[kCounted] = false;
    open.sockets--;
  }
  return ReflectApply(_destroy, this, args);
};

// Events that begin outside of any JavaScript: what a listener throws has nowhere to go.
const OUTSIDE = new primordials.SafeSet(["close", "connect", "ready", "secureConnect", "timeout"]);
const { emit } = Socket.prototype;
Socket.prototype.emit = function (/** @type {any[]} */ ...args) {
  const before = core.getAsyncContext();
  if (before !== undefined && !primordials.SetPrototypeHas(OUTSIDE, args[0])) return ReflectApply(emit, this, args);
  core.setAsyncContext(before ?? this[kContext]);
  try {
    return ReflectApply(emit, this, args);
  } catch (error) {
    internals.edgehost.reportException(error);
    return true;
  } finally {
    core.setAsyncContext(before);
  }
};

// As in Node.js, a paused socket goes on to fill its buffer, unless the user gave one.
const { pause } = Socket.prototype;
const { kBuffer } = core.loadExtScript("ext:deno_node/internal/stream_base_commons.ts");
Socket.prototype.pause = function () {
  return ReflectApply(this[kBuffer] ? pause : Duplex.prototype.pause, this, []);
};

const { addRequest } = Agent.prototype;
Agent.prototype.addRequest = function (/** @type {any} */ request, /** @type {any[]} */ ...rest) {
  request[kContext] = core.getAsyncContext();
  return ReflectApply(addRequest, this, [request, ...new SafeArrayIterator(rest)]);
};

const { onSocket } = ClientRequest.prototype;
ClientRequest.prototype.onSocket = function (/** @type {any[]} */ ...args) {
  this[kContext] ??= core.getAsyncContext();
  return ReflectApply(onSocket, this, args);
};

for (const name of new SafeArrayIterator(["url", "util", "zlib"])) core.createLazyLoader(`node:${name}`)();

// `node:crypto` itself makes objects that no snapshot can hold.
for (
  const name of new SafeArrayIterator([
    "certificate", "cipher", "constants", "diffiehellman", "hash", "hkdf", "keygen", "keys", "pbkdf2", "random",
    "scrypt", "sig", "util", "x509",
  ])
) {
  core.loadExtScript(`ext:deno_node/internal/crypto/${name}.ts`);
}

for (const name of new SafeArrayIterator(["resource_timing", "storage"])) {
  core.loadExtScript(`ext:edgehost_node/02_${name}.js`);
}
