//! Sources of the Deno crates and of `runtime-js`, made ready for the snapshots.

use std::env;
use std::fmt::Write as _;

use deno_core::wrap_lazy_ext_script;
use edgehost_ext::NODE_VERSION;

use super::standards;

/// Scripts of deno_node whose exports `runtime-js/node/02_node.js` changes.
const HOOKED: &[(&str, &str)] = &[
    ("ext:deno_node/child_process.ts", "child_process"),
    ("ext:deno_node/cluster.ts", "cluster"),
    ("ext:deno_node/dgram.ts", "dgram"),
    ("ext:deno_node/fs.ts", "fs"),
    ("ext:deno_node/inspector.js", "inspector"),
    ("ext:deno_node/internal/crypto/diffiehellman.ts", "diffiehellman"),
    ("ext:deno_node/internal/crypto/keygen.ts", "keygen"),
    ("ext:deno_node/internal/crypto/pbkdf2.ts", "pbkdf2"),
    ("ext:deno_node/internal/crypto/random.ts", "random"),
    ("ext:deno_node/internal/crypto/scrypt.ts", "scrypt"),
    ("ext:deno_node/internal/http2/constants.ts", "http2_constants"),
    ("ext:deno_node/internal/stream_base_commons.ts", "stream_base"),
    ("ext:deno_node/internal_binding/pipe_wrap.ts", "pipe_wrap"),
    ("ext:deno_node/internal_binding/tcp_wrap.ts", "tcp_wrap"),
    ("ext:deno_node/internal_binding/udp_wrap.ts", "udp_wrap"),
    ("ext:deno_node/net.ts", "net"),
    ("ext:deno_node/os.ts", "os"),
    ("ext:deno_node/sqlite.ts", "sqlite"),
    ("ext:deno_node/tty.js", "tty"),
    ("ext:deno_node/util.ts", "util"),
    ("ext:deno_node/v8.ts", "v8"),
    ("ext:deno_node/worker_threads.ts", "worker_threads"),
];

/// Names that modules of Node.js export, and the scripts of deno_node only as properties
/// of an object: of which one.
const EXPORTED: &[(&str, &str, &[&str])] = &[
    ("node:assert/strict", "strict", &["Assert", "CallTracker"]),
    ("node:fs", "mod.constants", &["F_OK", "R_OK", "W_OK", "X_OK"]),
    ("node:path/posix", "mod.posix", &["matchesGlob"]),
    ("node:path/win32", "mod.win32", &["matchesGlob"]),
    ("node:perf_hooks", "globalThis", &["Performance", "PerformanceMark", "PerformanceMeasure"]),
    (
        "node:process",
        "process",
        &[
            "config",
            "debugPort",
            "features",
            "getgroups",
            "hasUncaughtExceptionCaptureCallback",
            "release",
            "setUncaughtExceptionCaptureCallback",
            "uptime",
        ],
    ),
];

/// Mistakes in scripts of the Deno crates: the file, its text, and the right one.
const MENDED: &[(&str, &str, &str)] = &[
    // User code would find it on its global object.
    ("node:module", "globalThis.nodeBootstrap = initialize;\n", ""),
    // Native code would make a list of every query, although most are a few plain words, which
    // are cut out of the text here.
    (
        "ext:deno_web/00_url.js",
        "    this[_list] = op_url_parse_search_params(str);\n",
        "    this[_list] = plainPairs(str) ?? op_url_parse_search_params(str);\n",
    ),
    (
        "ext:deno_web/00_url.js",
        "class URLSearchParams {\n",
        "/** Up to three pairs without escapes, else null. Lists are made at once: no setter sees it. */
function plainPairs(text) {
  let first = null;
  let second = null;
  let third = null;
  let start = 0;
  let equals = -1;
  for (let i = 0; i <= text.length; i++) {
    const code = i === text.length ? 0x26 : StringPrototypeCharCodeAt(text, i);
    if (code === 0x26) {
      if (i !== start) {
        const pair = equals === -1
          ? [StringPrototypeSlice(text, start, i), \"\"]
          : [StringPrototypeSlice(text, start, equals), StringPrototypeSlice(text, equals + 1, i)];
        if (first === null) first = pair;
        else if (second === null) second = pair;
        else if (third === null) third = pair;
        else return null;
      }
      start = i + 1;
      equals = -1;
    } else if (code === 0x3d) {
      if (equals === -1) equals = i;
    } else if (code === 0x25 || code === 0x2b || code > 0x7f) {
      return null;
    }
  }
  if (first === null) return [];
  if (second === null) return [first];
  return third === null ? [first, second] : [first, second, third];
}

class URLSearchParams {
",
    ),
    // A signal made of others is held by them through weak references only. Without
    // these two, a garbage collection between `fetch` and `abort` loses the abort.
    (
        "ext:deno_web/03_abort_signal.js",
        "    SetPrototypeAdd(this[abortAlgos], algorithm);\n  }",
        "    SetPrototypeAdd(this[abortAlgos], algorithm);
    if (this[sourceSignals] !== null) {
      for (const weakRef of new SafeSetIterator(this[sourceSignals])) {
        const sourceSignal = WeakRefPrototypeDeref(weakRef);
        if (sourceSignal === undefined) continue;
        sourceSignal[activeDependents] ??= new SafeSet();
        SetPrototypeAdd(sourceSignal[activeDependents], this);
      }
    }
  }",
    ),
    (
        "ext:deno_web/03_abort_signal.js",
        "    this[abortAlgos] && SetPrototypeDelete(this[abortAlgos], algorithm);\n",
        "    this[abortAlgos] && SetPrototypeDelete(this[abortAlgos], algorithm);
    if (this[sourceSignals] !== null && !this[abortAlgos]?.size && listenerCount(this, \"abort\") === 0) {
      for (const weakRef of new SafeSetIterator(this[sourceSignals])) {
        const sourceSignal = WeakRefPrototypeDeref(weakRef);
        if (sourceSignal?.[activeDependents]) SetPrototypeDelete(sourceSignal[activeDependents], this);
      }
    }
",
    ),
    // The step that ends a body on abort goes when the body does, else a signal that
    // lives long would hold every body that was fetched with it.
    (
        "ext:deno_fetch/26_fetch.js",
        "  function onAbort() {
    errorReadableStream(readable, terminator.reason);
    core.tryClose(responseBodyRid);
  }
",
        "  const body = new primordials.SafeWeakRef(readable);
  function onAbort() {
    const open = primordials.WeakRefPrototypeDeref(body);
    if (open === undefined) return;
    errorReadableStream(open, terminator.reason);
    core.tryClose(responseBodyRid);
  }
",
    ),
    (
        "ext:deno_fetch/26_fetch.js",
        "  terminator[abortSignal.add](onAbort);\n\n  return readable;\n",
        "  terminator[abortSignal.add](onAbort);
  __bootstrap.internals.edgehostBodies ??= new primordials.SafeFinalizationRegistry(
    ({ signal, step }) => signal[abortSignal.remove](step),
  );
  __bootstrap.internals.edgehostBodies.register(readable, { signal: terminator, step: onAbort });

  return readable;
",
    ),
    // What a listener throws would end the turn of the event loop, as it ends a process.
    (
        "ext:deno_web/02_event.js",
        "    core.reportUnhandledException(error);",
        "    internals.edgehost.reportUncaught(error);",
    ),
    // There may be no room for the bytes of a large text, or for it in one piece.
    (
        "ext:deno_node/internal/buffer.mjs",
        "  const length = MathTrunc(byteLength(string, encoding));",
        "  const length = MathTrunc(byteLength(__bootstrap.internals.edgehost.ceilings.roomy(string), encoding));",
    ),
    // What native code keeps for it counts.
    (
        "ext:deno_node/zlib.js",
        "  const handle = new binding.Zlib(mode);",
        "  const handle = new binding.Zlib(mode);
  // Modes of compressors are odd.
  __bootstrap.internals.edgehost.ceilings.weigh(handle, mode % 2 === 1 ? 280 * 1024 : 48 * 1024);",
    ),
    (
        "ext:deno_node/zlib.js",
        "    : new binding.BrotliEncoder(mode);",
        "    : new binding.BrotliEncoder(mode);
  __bootstrap.internals.edgehost.ceilings.weigh(handle, mode === BROTLI_DECODE ? 64 * 1024 : 256 * 1024);",
    ),
    // One native step over all of a large input could not be interrupted: brotli at its
    // best takes a second for a megabyte. Zero is "more to come" for zlib, brotli and zstd.
    (
        "ext:deno_node/zlib.js",
        "    handle[kNativeWriteSync](
      flushFlag,
      chunk, // in
      inOff, // in_off
      availInBefore, // in_len
",
        "    const step = availInBefore > 65536 ? 65536 : availInBefore;
    handle[kNativeWriteSync](
      step < availInBefore ? 0 : flushFlag,
      chunk, // in
      inOff, // in_off
      step, // in_len
",
    ),
    (
        "ext:deno_node/zlib.js",
        "    availOutAfter = state[0];
    availInAfter = state[1];

    const inDelta = availInBefore - availInAfter;
    inputRead += inDelta;
",
        "    availOutAfter = state[0];
    availInAfter = availInBefore - step + state[1];

    const inDelta = availInBefore - availInAfter;
    inputRead += inDelta;
",
    ),
    (
        "ext:deno_node/zlib.js",
        "    if (availOutAfter === 0) {
      // Not actually done. Need to reprocess.
",
        "    if (availOutAfter === 0 || (inDelta > 0 && step < availInBefore)) {
      if (availOutAfter !== 0) availOutBefore = availOutAfter;
      // Not actually done. Need to reprocess.
",
    ),
    // The native code wants a socket that is there.
    (
        "ext:deno_websocket/01_websocket.js",
        "op_ws_get_buffered_amount(this[_rid])",
        "op_ws_get_buffered_amount(internals.edgehost.ceilings.webSocket(this[_rid]))",
    ),
    (
        "ext:deno_websocket/01_websocket.js",
        "op_ws_send_binary(this[_rid], ",
        "op_ws_send_binary(internals.edgehost.ceilings.webSocket(this[_rid]), ",
    ),
    (
        "ext:deno_websocket/01_websocket.js",
        "op_ws_send_binary_ab(this[_rid], ",
        "op_ws_send_binary_ab(internals.edgehost.ceilings.webSocket(this[_rid]), ",
    ),
    (
        "ext:deno_websocket/01_websocket.js",
        "        op_ws_send_text(
          this[_rid],",
        "        op_ws_send_text(
          internals.edgehost.ceilings.webSocket(this[_rid]),",
    ),
    // Anybody can make an object of a kind that native code does not expect when it reads it.
    (
        "ext:deno_web/13_message_port.js",
        "return core.structuredClone(value);",
        "return __bootstrap.internals.edgehost.ceilings.cloned(value);",
    ),
    (
        "ext:deno_web/13_message_port.js",
        "return core.serialize(value, undefined, errorCallback);",
        "return __bootstrap.internals.edgehost.ceilings.sound(core.serialize(value, undefined, errorCallback));",
    ),
    (
        "ext:deno_web/13_message_port.js",
        "const serializedData = core.serialize(data, options, serializeErrorCb);",
        "const serializedData = __bootstrap.internals.edgehost.ceilings.sound(
    core.serialize(data, options, serializeErrorCb),
  );",
    ),
    (
        "ext:deno_web/02_structured_clone.js",
        "return core.structuredClone(value);",
        "return __bootstrap.internals.edgehost.ceilings.cloned(value);",
    ),
    (
        "ext:deno_web/01_broadcast_channel.js",
        "const { 0: data, 1: sabId } = op_broadcast_serialize(message, null);",
        "const { 0: data, 1: sabId } = op_broadcast_serialize(message, null);
    __bootstrap.internals.edgehost.ceilings.sound(data);",
    ),
    // It has room for so many headers and panics beyond.
    (
        "ext:deno_fetch/26_fetch.js",
        "  const { requestRid, cancelHandleRid } = op_fetch(",
        "  __bootstrap.internals.edgehost.ceilings.refuseManyHeaders(req.headerList.length);
  const { requestRid, cancelHandleRid } = op_fetch(",
    ),
    // What native code calls of a serializer is a function, whatever its user made of it.
    (
        "ext:deno_node/v8.ts",
        "op_v8_new_serializer(this)",
        "op_v8_new_serializer(__bootstrap.internals.edgehost.node.serializerHooks(this))",
    ),
    // Memory that is given back while native code reads it takes the process down.
    (
        "ext:deno_node/v8.ts",
        "op_v8_new_deserializer(this, buffer)",
        "op_v8_new_deserializer(this, this.buffer = __bootstrap.internals.edgehost.node.steady(buffer))",
    ),
    // So that it can be added to itself.
    (
        "ext:deno_node/perf_hooks.js",
        "new BaseHistogram(BigInt(lo), BigInt(hi), figures)",
        "__bootstrap.internals.edgehost.node.histogram(BaseHistogram, [BigInt(lo), BigInt(hi), figures])",
    ),
    // Descriptors of the process are shared by all isolates and the host.
    (
        "ext:deno_node/fs.ts",
        "openPromise = op_node_open(path, flags, mode);",
        "const { ceilings, node } = __bootstrap.internals.edgehost;
      const refusal = ceilings.roomError(\"open\", false) ?? node.pipeError(\"open\", path);
      openPromise = refusal === undefined
        ? op_node_open(path, node.openFlags(flags), mode)
        : __bootstrap.primordials.PromiseReject(refusal);",
    ),
    (
        "ext:deno_node/fs.ts",
        "return op_node_open_sync(path, flags, mode);",
        "const { ceilings, node } = __bootstrap.internals.edgehost;
      ceilings.needRoom(\"open\", false);
      node.refusePipe(\"open\", path);
      return op_node_open_sync(path, node.openFlags(flags), mode);",
    ),
    (
        "ext:deno_websocket/01_websocket.js",
        "    const cancelRid = op_ws_check_permission_and_cancel_handle(",
        "    internals.edgehost.ceilings.needRoom(\"connect\", true);
    const cancelRid = op_ws_check_permission_and_cancel_handle(",
    ),
    // `spawnSync` would drop every error but one.
    (
        "ext:deno_node/internal/child_process.ts",
        "result.error = _createSpawnError(\"ENOENT\", command, args, true);\n      }",
        "result.error = _createSpawnError(\"ENOENT\", command, args, true);\n      } else result.error = err;",
    ),
    // A subprocess starts in the folder of the app and gets descriptors of the app.
    (
        "ext:deno_process/40_process.js",
        "  const child = op_node_spawn_child({
    cmd: pathFromURL(command),
    args: ArrayPrototypeMap(args, String),
    cwd: pathFromURL(cwd),",
        "  const { spawnFolder, spawnStdio } = internals.edgehost.node;
  stdin = spawnStdio(stdin);
  stdout = spawnStdio(stdout);
  stderr = spawnStdio(stderr);
  extraStdio = ArrayPrototypeMap(extraStdio, spawnStdio);
  const child = op_node_spawn_child({
    cmd: pathFromURL(command),
    args: ArrayPrototypeMap(args, String),
    cwd: spawnFolder(pathFromURL(cwd)),",
    ),
    (
        "ext:deno_process/40_process.js",
        "    args: ArrayPrototypeMap(ArrayPrototypeSlice(args, 1), String),
    cwd: pathFromURL(cwd),
    clearEnv,
    env: ObjectEntries(env),
    uid,
    gid,
    stdin,
    stdout,
    stderr,
    windowsRawArguments,
    windowsHide,
    extraStdio,",
        "    args: ArrayPrototypeMap(ArrayPrototypeSlice(args, 1), String),
    cwd: internals.edgehost.node.spawnFolder(pathFromURL(cwd)),
    clearEnv,
    env: ObjectEntries(env),
    uid,
    gid,
    stdin: internals.edgehost.node.spawnStdio(stdin),
    stdout: internals.edgehost.node.spawnStdio(stdout),
    stderr: internals.edgehost.node.spawnStdio(stderr),
    windowsRawArguments,
    windowsHide,
    extraStdio: ArrayPrototypeMap(extraStdio, internals.edgehost.node.spawnStdio),",
    ),
    (
        "ext:deno_node/internal/child_process.ts",
        "pipe.open(this.#process.",
        "__bootstrap.internals.edgehost.openPipe(pipe, this.#process.",
    ),
    (
        "ext:deno_node/internal/child_process.ts",
        "p.open(this.#process.",
        "__bootstrap.internals.edgehost.openPipe(p, this.#process.",
    ),
    (
        "ext:deno_node/internal/child_process.ts",
        "pipe.open(extraFd)",
        "__bootstrap.internals.edgehost.openPipe(pipe, extraFd)",
    ),
    // WebAssembly programs would read and write the standard streams of the process.
    (
        "ext:deno_node/wasi.ts",
        "const stdinFd = options.stdin ?? 0;",
        "const stdio = __bootstrap.internals.edgehost.node.wasiStdio([
      options.stdin ?? 0, options.stdout ?? 1, options.stderr ?? 2,
    ]);
    const stdinFd = stdio.fds[0];",
    ),
    // Its file operations ask no permission for what lies below a folder.
    (
        "ext:deno_node/wasi.ts",
        "ArrayPrototypePush(preopens, [",
        "__bootstrap.internals.edgehost.node.refusePreopen();
        ArrayPrototypePush(preopens, [",
    ),
    ("ext:deno_node/wasi.ts", "const stdoutFd = options.stdout ?? 1;", "const stdoutFd = stdio.fds[1];"),
    ("ext:deno_node/wasi.ts", "const stderrFd = options.stderr ?? 2;", "const stderrFd = stdio.fds[2];"),
    (
        "ext:deno_node/wasi.ts",
        "return ctx.fdWrite(",
        "stdio.write(fd, iovsPtr, iovsLen, self.#getMemoryBuffer());
        return ctx.fdWrite(",
    ),
    // And the child would see the variables of the host besides those of the app.
    ("ext:deno_node/internal/child_process.ts", "clearEnv: false", "clearEnv: true"),
    // V8 trusts code that it has compiled before: bytes of another origin take the process down.
    (
        "ext:deno_node/vm.js",
        "      columnOffset,
      cachedData,
      produceCachedData,",
        "      columnOffset,
      undefined,
      produceCachedData,",
    ),
    (
        "ext:deno_node/vm.js",
        "    columnOffset,
    cachedData,
    produceCachedData,",
        "    columnOffset,
    undefined,
    produceCachedData,",
    ),
    // The parser behind it ends the process on code that is nested deeply.
    (
        "node:module",
        "const mode = options?.mode ?? \"strip\";",
        "throw internals.edgehost.node.unavailable(
    \"module\", \"stripTypeScriptTypes\", \"types are taken off when routes are bundled\",
  );
  const mode = options?.mode ?? \"strip\";",
    ),
    // The mode is that of a file which is made; one that is there keeps its own.
    (
        "ext:deno_node/fs.ts",
        "function _writeFileGetRid(pathOrRid, flag = \"w\") {",
        "function _writeFileGetRid(pathOrRid, flag = \"w\", mode = 0o666) {",
    ),
    (
        "ext:deno_node/fs.ts",
        "function _writeFileGetRidSync(pathOrRid, flag = \"w\") {",
        "function _writeFileGetRidSync(pathOrRid, flag = \"w\", mode = 0o666) {",
    ),
    (
        "ext:deno_node/fs.ts",
        "await _writeFileGetRid(pathOrRid, flag)",
        "await _writeFileGetRid(pathOrRid, flag, mode)",
    ),
    (
        "ext:deno_node/fs.ts",
        "= _writeFileGetRidSync(pathOrRid, flag)",
        "= _writeFileGetRidSync(pathOrRid, flag, mode)",
    ),
    (
        "ext:deno_node/fs.ts",
        "return await op_node_open(pathOrRid, stringToFlags(flag), 0o666);",
        "__bootstrap.internals.edgehost.ceilings.needRoom(\"open\", false);
    const { node } = __bootstrap.internals.edgehost;
    node.refusePipe(\"open\", pathOrRid);
    return await op_node_open(pathOrRid, node.openFlags(stringToFlags(flag)), node.fileMode(mode));",
    ),
    (
        "ext:deno_node/fs.ts",
        "return op_node_open_sync(pathOrRid, stringToFlags(flag), 0o666);",
        "__bootstrap.internals.edgehost.ceilings.needRoom(\"open\", false);
    const { node } = __bootstrap.internals.edgehost;
    node.refusePipe(\"open\", pathOrRid);
    return op_node_open_sync(pathOrRid, node.openFlags(stringToFlags(flag)), node.fileMode(mode));",
    ),
    ("ext:deno_node/fs.ts", "await Deno.chmod(pathOrRid, mode);", ""),
    ("ext:deno_node/fs.ts", "Deno.chmodSync(pathOrRid, mode);", ""),
    // What is longer than a string of V8 may be ends the process.
    (
        "ext:deno_node/sqlite.ts",
        "target[prop] = value;",
        "target[prop] = __bootstrap.internals.edgehost.node.databaseLimit(prop, value);",
    ),
    (
        "ext:deno_node/_fs/_fs_copy.ts",
        "throw new Error(`A file exists at the destination: ${destStr}`);",
        "throw Object.assign(
        new Error(`EEXIST: file already exists, copyfile '${srcStr}' -> '${destStr}'`),
        { code: \"EEXIST\", errno: -17, syscall: \"copyfile\", path: srcStr, dest: destStr },
      );",
    ),
    // As Node.js has it; packages ask for the code.
    (
        "ext:deno_web/00_url.js",
        "throw new TypeError(
      `Invalid URL: '${href}'` +
        (maybeBase ? ` with base '${maybeBase}'` : \"\"),
    );",
        "throw primordials.ObjectAssign(
      new TypeError(\"Invalid URL\"),
      { code: \"ERR_INVALID_URL\", input: href },
      maybeBase ? { base: maybeBase } : null,
    );",
    ),
    // A request whose kept socket was closed would be sent again, even one that the
    // caller has ended, or a POST. Node.js never does that.
    (
        "node:_http_client",
        "function maybeRetryRequest(req, socket) {",
        "function maybeRetryRequest(req, socket) { return false;",
    ),
];

/// What errors say, where code that was written for Node.js looks at it: as [`MENDED`].
const WORDED: &[(&str, &str, &str)] = &[
    (
        "ext:deno_web/03_abort_signal.js",
        "new DOMException(\"The signal has been aborted\", \"AbortError\")",
        "new DOMException(\"This operation was aborted\", \"AbortError\")",
    ),
    (
        "ext:deno_fetch/22_body.js",
        "throw new TypeError(\"Body already consumed\");",
        "throw new TypeError(\"Body is unusable: Body has already been read\");",
    ),
    (
        "ext:deno_fetch/23_request.js",
        "      const parsedURL = new URL(input, baseURL);",
        "      let parsedURL;
      try {
        parsedURL = new URL(input, baseURL);
      } catch (cause) {
        throw new TypeError(`Failed to parse URL from ${input}`, { cause });
      }",
    ),
    (
        "ext:deno_fetch/23_response.js",
        "    const parsedURL = new URL(url, baseURL);",
        "    let parsedURL;
    try {
      parsedURL = new URL(url, baseURL);
    } catch (cause) {
      throw new TypeError(`Failed to parse URL from ${url}`, { cause });
    }",
    ),
    (
        "ext:deno_fetch/22_body.js",
        "throw new TypeError(\"Body can not be decoded as form data\");",
        "throw new TypeError('Content-Type was not one of \"multipart/form-data\" or \"application/x-www-form-urlencoded\".');",
    ),
    (
        "ext:deno_fetch/22_body.js",
        "throw new TypeError(\"Missing content type\");",
        "throw new TypeError('Content-Type was not one of \"multipart/form-data\" or \"application/x-www-form-urlencoded\".');",
    ),
    (
        "ext:deno_fetch/23_request.js",
        "throw new TypeError(\"Method is not valid\");",
        "throw new TypeError(`'${m}' is not a valid HTTP method.`);",
    ),
    (
        "ext:deno_fetch/23_request.js",
        "throw new TypeError(\"Method is forbidden\");",
        "throw new TypeError(`'${m}' HTTP method is unsupported.`);",
    ),
    (
        "ext:deno_fetch/23_request.js",
        "\"Request with GET/HEAD method cannot have body\"",
        "\"Request with GET/HEAD method cannot have body.\"",
    ),
    (
        "ext:deno_fetch/23_request.js",
        "\"Input request's body is unusable\"",
        "\"Cannot construct a Request with a Request object that has already been used.\"",
    ),
    (
        "ext:deno_fetch/23_request.js",
        "throw new TypeError(\"Body is unusable\");",
        "throw new TypeError(\"unusable\");",
    ),
    (
        "ext:deno_fetch/23_response.js",
        "throw new TypeError(\"Body is unusable\");",
        "throw new TypeError(\"Response.clone: Body has already been consumed.\");",
    ),
    (
        "ext:deno_fetch/23_response.js",
        "`The status provided (${init.status}) is not equal to 101 and outside the range [200, 599]`",
        "'init[\"status\"] must be in the range of 200 to 599, inclusive.'",
    ),
    (
        "ext:deno_fetch/23_response.js",
        "\"Response with null body status cannot have body\"",
        "`Response constructor: Invalid response status code ${response[_response].status}`",
    ),
    (
        "ext:deno_fetch/23_response.js",
        "`Invalid redirect status code: ${status}`",
        "`Invalid status code ${status}`",
    ),
];

fn mended() -> impl Iterator<Item = &'static (&'static str, &'static str, &'static str)> {
    MENDED.iter().chain(standards::MENDED).chain(WORDED)
}

/// Fails for a name above that no extension has any more: its change would be lost.
pub(super) fn assert_known(is_known: impl Fn(&str) -> bool) {
    let hooked = HOOKED.iter().map(|(name, _)| name);
    let exported = EXPORTED.iter().map(|(name, _, _)| name);
    for name in hooked.chain(exported).chain(mended().map(|(name, _, _)| name)) {
        assert!(is_known(name), "there is no script {name} any more");
    }
}

/// The source of an extension file as V8 takes it: without types, without a global
/// `Deno`, and with the version that `process.version` tells.
///
/// The types are taken off by `deno_ast`, which deno_node brings along and which
/// Deno's own build uses for these files.
pub(super) fn prepared(specifier: &str, source: &str) -> Result<String, String> {
    let code = adapted(specifier, source)?;
    // V8 keeps it as one byte a character and finds functions by their place in it.
    Ok(if code.is_ascii() { code } else { escaped(&code) })
}

fn adapted(specifier: &str, source: &str) -> Result<String, String> {
    let mut code = source.to_owned();
    if specifier.ends_with(".ts") || specifier.starts_with("node:") {
        code = without_types(specifier, &code)?;
    }
    if specifier == "ext:deno_node/_process/process.ts" {
        assert!(code.contains("__NODE_VERSION__"), "{specifier} has changed");
        code = code.replace("__NODE_VERSION__", NODE_VERSION);
    }
    if specifier == "ext:deno_fs/30_fs.js" {
        // It makes a function from text, which sees globals alone.
        assert!(code.contains("Deno.build.os"), "{specifier} has changed");
        #[allow(clippy::disallowed_methods, reason = "cargo tells build scripts the target so")]
        let os = env::var("CARGO_CFG_TARGET_OS").map_err(|error| error.to_string())?;
        let os = if os == "macos" { "darwin" } else { os.as_str() };
        code = code.replace("Deno.build.os", &format!("{os:?}"));
    }
    for (file, from, to) in mended().copied() {
        if specifier == file {
            assert!(code.contains(from), "{specifier} has changed: there is no {from:?}");
            code = code.replace(from, to);
        }
    }
    for (_, object, names) in EXPORTED.iter().filter(|(module, _, _)| *module == specifier) {
        for name in *names {
            // The script may have a variable of that name.
            let _ = write!(
                code,
                "\nconst edgehost_{name} = {object}.{name}; export {{ edgehost_{name} as {name} }};"
            );
        }
    }
    let names_deno = code.match_indices("Deno").any(|(at, _)| {
        let after = code[at + 4..].trim_start().chars().next();
        matches!(after, Some('.' | '?' | '['))
    });
    let hook = HOOKED.iter().find(|(hooked, _)| *hooked == specifier).map(|(_, name)| *name);
    // Scripts are one function that is called and returns the exports.
    let wrapped = wrap_lazy_ext_script(&code);
    let script = wrapped.strip_prefix("\"use strict\"; return (").and_then(|rest| rest.strip_suffix(");"));
    let script = script.filter(|script| script.starts_with("(function"));
    if let Some(script) = script {
        if !names_deno && hook.is_none() {
            return Ok(code);
        }
        let exports = match hook {
            Some(name) => format!("__bootstrap.internals.edgehost.node.hooks.{name}({script}\n)"),
            None => script.to_owned(),
        };
        return Ok(format!(
            "(function () {{ const Deno = __bootstrap.internals.deno; return {exports}\n}})()"
        ));
    }
    if names_deno && (specifier.starts_with("ext:deno_") || specifier.starts_with("node:")) {
        code = format!(
            "import {{ internals as edgehostInternals }} from \"ext:core/mod.js\"; const Deno = edgehostInternals.deno; {code}"
        );
    }
    if specifier == "node:repl" {
        code.push_str(
            "\nimport { internals as edgehostRefusals } from \"ext:core/mod.js\";\nREPLServer = edgehostRefusals.edgehost.node.refused(\"repl\", \"REPLServer\", REPLServer);\n",
        );
    }
    Ok(code)
}

fn without_types(specifier: &str, source: &str) -> Result<String, String> {
    let parsed = deno_ast::parse_module(deno_ast::ParseParams {
        specifier: deno_ast::ModuleSpecifier::parse(specifier).map_err(|error| error.to_string())?,
        text: source.into(),
        media_type: deno_ast::MediaType::TypeScript,
        capture_tokens: false,
        scope_analysis: false,
        maybe_syntax: None,
    })
    .map_err(|error| error.to_string())?;
    let transpiled = parsed
        .transpile(
            &deno_ast::TranspileOptions {
                imports_not_used_as_values: deno_ast::ImportsNotUsedAsValues::Remove,
                ..Default::default()
            },
            &deno_ast::TranspileModuleOptions::default(),
            &deno_ast::EmitOptions { source_map: deno_ast::SourceMapOption::None, ..Default::default() },
        )
        .map_err(|error| error.to_string())?;
    Ok(transpiled.into_source().text)
}

/// The same program in 7-bit ASCII.
fn escaped(code: &str) -> String {
    let mut ascii = String::with_capacity(code.len());
    for char in code.chars() {
        if char.is_ascii() {
            ascii.push(char);
        } else {
            let mut units = [0; 2];
            for unit in char.encode_utf16(&mut units) {
                let _ = write!(ascii, "\\u{unit:04x}");
            }
        }
    }
    ascii
}
