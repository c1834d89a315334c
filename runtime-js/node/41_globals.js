// @ts-check
// The globals of Node.js. Loaded when an isolate of the Node layer starts; what
// lies behind them is loaded when it is first touched.
(function () {
const { core, internals, primordials } = __bootstrap;
const { op_edgehost_fail, op_edgehost_is_edge, op_edgehost_process_ids, op_edgehost_set_env } = core.ops;
const {
  ArrayPrototypePop,
  Error,
  ObjectDefineProperty,
  ObjectEntries,
  ReflectDeleteProperty,
  SafeArrayIterator,
  SafeSet,
  SetPrototypeHas,
  StringPrototypeSplit,
  SymbolFor,
  Uint8Array,
  queueMicrotask,
} = primordials;
const { current } = core.loadExtScript("ext:edgehost/10_scope.js");
const { setZone } = core.loadExtScript("ext:edgehost/15_zone.js");
const { log, report, markReported } = core.loadExtScript("ext:edgehost/20_console.js");
const processScript = core.loadExtScript("ext:edgehost/40_process.js");
const { define, place } = processScript;
const { mendOperation } = core.loadExtScript("ext:edgehost/00_interfaces.js");
const { deno, edgehost } = internals;

const FAILED = 0;
const INFO = 1;
const WARN = 2;

/**
 * Ends the request on whose behalf code runs, and unwinds that code. The process
 * is the host's.
 * @param {string} call
 * @returns {never}
 */
function stop(call) {
  const place = edgehost.node.caller();
  const error = new Error(
    `${call} was called${place === undefined ? "" : ` from ${place}`}: the request ends with an error, the host goes on`,
  );
  const scope = current();
  if (scope !== undefined) {
    report("\u2A2F ", error, scope.handle);
    markReported(error);
    op_edgehost_fail(scope.handle, FAILED);
  }
  throw error;
}

/** A stream of Node.js that writes lines into the host's log. @param {number} level */
function logStream(level) {
  const { Writable } = core.createLazyLoader("node:stream")();
  const { StringDecoder } = core.createLazyLoader("node:string_decoder")();
  // A character may come in two parts.
  const decoder = new StringDecoder("utf8");
  let rest = "";
  const flush = () => {
    if (rest !== "") log(level, rest);
    rest = "";
  };
  const stream = new Writable({
    __proto__: null,
    decodeStrings: false,
    emitClose: false,
    write(/** @type {any} */ chunk, /** @type {string} */ _encoding, /** @type {() => void} */ done) {
      const text = typeof chunk === "string" ? chunk : decoder.write(chunk);
      const lines = StringPrototypeSplit(rest + text, "\n");
      rest = ArrayPrototypePop(lines) ?? "";
      for (const line of new SafeArrayIterator(lines)) log(level, line);
      // What the same turn goes on to write belongs to the same line.
      if (rest !== "") queueMicrotask(flush);
      done();
    },
  });
  stream.fd = level === WARN ? 2 : 1;
  stream._isStdio = true;
  stream.isTTY = false;
  stream.destroySoon = stream.destroy = () => stream;
  return stream;
}

/** What lies below the modules that work on descriptors and other processes. */
const BINDINGS = new SafeSet(["inspector", "pipe_wrap", "spawn_sync", "tcp_wrap", "tty_wrap", "udp_wrap", "worker"]);

/** @param {(name: string) => unknown} original */
const binding = (original) => (/** @type {string} */ name) => {
  if (SetPrototypeHas(BINDINGS, name)) throw new Error(`No such module: ${name}`);
  return original(name);
};

/** Gives the isolate a `process` of its own. */
function startProcess() {
  const env = processScript.createEnv();
  deno.env = {
    get: (/** @type {string} */ name) => primordials.ObjectHasOwn(env, name) ? env[name] : undefined,
    has: (/** @type {string} */ name) => primordials.ObjectHasOwn(env, name),
    set(/** @type {string} */ name, /** @type {string} */ value) {
      env[name] = value;
      op_edgehost_set_env(name, value);
      if (name === "TZ") setZone(value);
    },
    delete(/** @type {string} */ name) {
      ReflectDeleteProperty(env, name);
      op_edgehost_set_env(name, undefined);
      if (name === "TZ") setZone(undefined);
    },
    toObject: () => ({ ...env }),
  };
  const { 0: pid, 1: ppid } = op_edgehost_process_ids();
  deno.pid = pid;
  deno.ppid = ppid;
  deno.exit = (/** @type {number} */ code) => stop(`process.exit(${code ?? ""})`);
  const process = core.createLazyLoader("node:process")().default;
  internals.__bootstrapNodeProcess("node", [], { __proto__: null }, deno.env.get("NODE_DEBUG") ?? "", false, true);
  const { versions } = process;
  for (const name of new SafeArrayIterator(["deno", "typescript"])) ReflectDeleteProperty(versions, name);
  versions.v8 = core.ops.op_edgehost_v8_version();
  process.argv.length = 1;
  process.abort = () => stop("process.abort()");
  process.reallyExit = process.exit = deno.exit;
  process.binding = binding(process.binding);
  edgehost.node.limit("process", process);
  const { umask } = process;
  process.umask = (/** @type {unknown} */ mask) => {
    if (mask !== undefined) throw edgehost.node.unavailable("process", "umask", "it concerns the whole process");
    return umask();
  };
  process.loadEnvFile = (/** @type {unknown} */ path = ".env") => {
    const text = core.loadExtScript("ext:deno_node/fs.ts").readFileSync(path, "utf8");
    const found = core.createLazyLoader("node:util")().default.parseEnv(text);
    for (const { 0: name, 1: value } of new SafeArrayIterator(ObjectEntries(found))) {
      if (!deno.env.has(name)) deno.env.set(name, value);
    }
  };
  process.kill = process._kill = (/** @type {number} */ pid, /** @type {unknown} */ signal) => {
    // Asks only whether the process is there.
    if (signal === 0 && (pid === deno.pid || pid === 0)) return true;
    if (pid === deno.pid || pid === 0) return stop("process.kill() of the host's own process");
    throw edgehost.node.unavailable("process", "kill", "processes on this machine are not the route handler's to end");
  };
  /** @type {any} */
  let out;
  /** @type {any} */
  let err;
  lazyStream(process, "stdout", () => out ??= logStream(INFO));
  lazyStream(process, "stderr", () => err ??= logStream(WARN));
  return process;
}

/** @param {any} process @param {string} name @param {() => any} make */
function lazyStream(process, name, make) {
  ObjectDefineProperty(process, name, {
    __proto__: null,
    get: make,
    set() {},
    enumerable: true,
    configurable: true,
  });
}

/** Built-in modules that edge routes may have. */
const EDGE = new SafeSet(["assert", "async_hooks", "buffer", "events", "util"]);

/**
 * A built-in module, as `require` gives it: what `import` gives as its default.
 * @param {string} name without `node:`
 */
function builtin(name) {
  if (op_edgehost_is_edge() && !SetPrototypeHas(EDGE, name)) {
    throw edgehost.node.unavailable("node", name, "edge routes have assert, async_hooks, buffer, events and util");
  }
  const module = core.createLazyLoader(`node:${name}`)();
  return module.default ?? module;
}

function install() {
  // V8 has them in isolates only, not while a snapshot is made.
  const { toHex, setFromHex } = /** @type {any} */ (Uint8Array.prototype);
  internals.uint8ArrayToHex = toHex && primordials.uncurryThis(toHex);
  internals.uint8ArraySetFromHex = setFromHex && primordials.uncurryThis(setFromHex);
  const process = startProcess();
  const { Buffer } = core.loadExtScript("ext:deno_node/internal/buffer.mjs");
  // What keeps the pool with everybody is not kept in a snapshot.
  core.ops.op_mark_as_untransferable(primordials.TypedArrayPrototypeGetBuffer(Buffer.allocUnsafe(1)));
  define("Buffer", () => Buffer);
  // Bundled CommonJS code asks here.
  ObjectDefineProperty(globalThis, SymbolFor("edgehost.builtin"), { __proto__: null, value: builtin });
  define("AsyncLocalStorage", () => core.loadExtScript("ext:deno_node/async_hooks.ts").AsyncLocalStorage);
  if (op_edgehost_is_edge()) {
    processScript.install();
    return;
  }
  define("process", () => process);
  define("global", () => globalThis, true);
  // Timers of Node.js are objects, with `ref` and `unref`.
  const timers = core.loadExtScript("ext:deno_node/timers.ts");
  for (const name of new SafeArrayIterator(["clearInterval", "clearTimeout", "setInterval", "setTimeout"])) {
    place(name, mendOperation(name, timers[name]), true);
  }
  place("clearImmediate", timers.clearImmediate, true);
  place("setImmediate", timers.setImmediate, true);
  place("PerformanceResourceTiming", core.loadExtScript("ext:edgehost_node/02_resource_timing.js").PerformanceResourceTiming);
  const { createStorage, Storage } = core.loadExtScript("ext:edgehost_node/02_storage.js");
  place("Storage", Storage);
  define("localStorage", createStorage, true);
  define("sessionStorage", createStorage, true);
}

return { install };
})();
