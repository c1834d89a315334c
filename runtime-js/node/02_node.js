// @ts-check
// Runs once, while the snapshot of the Node layer is made, after 01_bootstrap.js:
// what the scripts of deno_node expect of the runtime around them.
//
// They name a global `Deno`. User code must not see one, since packages behave
// differently where they find it: the build gives each of those scripts a local
// binding to `internals.deno` instead.

import { core, internals, primordials } from "ext:core/mod.js";

const {
  Error,
  ErrorCaptureStackTrace,
  MathCeil,
  ObjectDefineProperty,
  ObjectDefineProperties,
  ObjectGetOwnPropertyDescriptor,
  ObjectGetOwnPropertyDescriptors,
  Proxy,
  RangeError,
  ReflectApply,
  ReflectConstruct,
  RegExpPrototypeExec,
  SafeRegExp,
  StringPrototypeIncludes,
  StringPrototypeSplit,
} = primordials;

core.setBuildInfo(core.ops.op_edgehost_target());

// Errors of ops arrive under these names.
/** @type {Record<string, unknown>} */
const errors = {
  __proto__: null,
  BadResource: core.BadResource,
  Interrupted: core.Interrupted,
  NotCapable: core.NotCapable,
};
for (
  const name of [
    "AddrInUse",
    "AddrNotAvailable",
    "AlreadyExists",
    "BrokenPipe",
    "Busy",
    "ConnectionAborted",
    "ConnectionRefused",
    "ConnectionReset",
    "FilesystemLoop",
    "Http",
    "InvalidData",
    "IsADirectory",
    "NetworkUnreachable",
    "NotADirectory",
    "NotConnected",
    "NotFound",
    "NotSupported",
    "PermissionDenied",
    "TimedOut",
    "UnexpectedEof",
    "WouldBlock",
    "WriteZero",
  ]
) {
  const type = class extends Error {
    /** @param {string} message @param {ErrorOptions} [options] */
    constructor(message, options) {
      super(message, options);
      this.name = name;
    }
  };
  errors[name] = type;
  core.registerErrorClass(name, type);
}

/**
 * A property that is there from the start and computed when it is asked for.
 * @param {any} target @param {string} name @param {() => unknown} read
 */
function lazy(target, name, read) {
  ObjectDefineProperty(target, name, {
    __proto__: null,
    get: read,
    enumerable: true,
    configurable: true,
  });
}

/** What of the namespace lies in which script of the Deno crates. */
const scripts = {
  "ext:deno_fs/30_fs.js": [
    "chdir", "chmod", "chmodSync", "chown", "chownSync", "copyFile", "copyFileSync", "cwd", "link", "linkSync",
    "lstat", "lstatSync", "mkdir", "mkdirSync", "readDir", "readDirSync", "readLink", "readLinkSync",
    "realPath", "realPathSync", "remove", "removeSync", "rename", "renameSync", "stat", "statSync", "umask", "utime", "utimeSync",
  ],
  "ext:deno_net/01_net.js": ["connect", "listen", "resolveDns"],
  "ext:deno_os/30_os.js": [
    "execPath", "gid", "hostname", "loadavg", "networkInterfaces", "osRelease", "systemMemoryInfo", "uid",
  ],
  "ext:deno_process/40_process.js": ["Command", "kill"],
};

/** @type {any} */
const deno = {
  __proto__: null,
  args: [],
  build: { ...core.build, standalone: false },
  // An isolate puts its own in the place of this.
  env: { get() {}, has: () => false, set() {}, delete() {}, toObject: () => ({}) },
  errors,
  exitCode: 0,
  internal: primordials.Symbol("internal"),
  mainModule: undefined,
  noColor: true,
  version: {},
  // The signals of the process belong to the host.
  addSignalListener() {},
  removeSignalListener() {},
  consoleSize() {
    return { columns: 80, rows: 24 };
  },
  memoryUsage() {
    const values = new primordials.Float64Array(4);
    core.ops.op_runtime_memory_usage(values);
    return { rss: values[0], heapTotal: values[1], heapUsed: values[2], external: values[3] };
  },
  cpuUsage() {
    const values = new primordials.Float64Array(2);
    core.ops.op_runtime_cpu_usage(values);
    return { system: values[0], user: values[1] };
  },
  watchFs() {
    throw unavailable("fs", "watch", NO_WATCHER);
  },
};
/** A place of a link, whose relative form would count from where the host was started. */
const absolute = (/** @type {unknown} */ path) =>
  typeof path === "string" && path[0] !== "/" ? `${deno.cwd()}/${path}` : path;
for (const name of ["symlink", "symlinkSync"]) {
  const original = core.loadExtScript("ext:deno_fs/30_fs.js")[name];
  deno[name] = (/** @type {unknown} */ to, /** @type {unknown} */ path, /** @type {unknown} */ options) =>
    original(to, absolute(path), options);
}
for (const script in scripts) {
  for (const name of /** @type {any} */ (scripts)[script]) {
    lazy(deno, name, () => core.loadExtScript(script)[name]);
  }
}
internals.deno = deno;

const FRAME = new SafeRegExp("\\(?((?:file://|/)[^()]*:\\d+:\\d+)\\)?$");

/** File, line and column of the user's code that is running, as far as it is known. */
function caller() {
  const holder = { stack: "" };
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 40;
  ErrorCaptureStackTrace(holder, caller);
  Error.stackTraceLimit = stackTraceLimit;
  for (const line of StringPrototypeSplit(holder.stack, "\n")) {
    if (StringPrototypeIncludes(line, "ext:") || StringPrototypeIncludes(line, "node:")) continue;
    const found = RegExpPrototypeExec(FRAME, line);
    if (found !== null) return found[1];
  }
  return undefined;
}

/**
 * The error of a function that has no meaning here.
 * @param {string} module @param {string} name @param {string} why
 */
function unavailable(module, name, why) {
  const place = caller();
  const from = place === undefined ? "" : ` (called from ${place})`;
  const error = /** @type {any} */ (
    new Error(`${module}.${name} is not available in edgehost${from}: ${why}`)
  );
  error.code = "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM";
  return error;
}

const ONE_THREAD = "a route handler runs in an isolate that is one thread of the host; move the work to a service";
const NO_SERVER = "edgehost itself listens, and calls the exported handlers of route files";
const NO_DEBUGGER = "the inspector would show every app of the process";
const NO_WATCHER = "a route handler ends with its answer";
const NO_TERMINAL = "a route handler has no terminal";

/** By module: functions that are refused when they are called, and why. */
const REFUSED = {
  __proto__: null,
  cluster: { fork: ONE_THREAD, setupMaster: ONE_THREAD, setupPrimary: ONE_THREAD, Worker: ONE_THREAD },
  inspector: { open: NO_DEBUGGER, Session: NO_DEBUGGER, waitForDebugger: NO_DEBUGGER },
  repl: { REPLServer: NO_TERMINAL, start: NO_TERMINAL },
  worker_threads: { Worker: ONE_THREAD, postMessageToThread: ONE_THREAD },
};

/**
 * A function that may be called and constructed, inherited from and looked at,
 * like the one it replaces, but does nothing but fail.
 * @param {string} module @param {string} name @param {any} original
 */
function refused(module, name, original) {
  const why = /** @type {any} */ (REFUSED)[module][name];
  const fail = () => {
    throw unavailable(module, name, why);
  };
  return typeof original === "function" ? new Proxy(original, { __proto__: null, apply: fail, construct: fail }) : original;
}

/** @param {string} module @param {any} exports */
function limit(module, exports) {
  for (const holder of [exports, exports.default]) {
    if (holder === undefined || holder === null) continue;
    for (const name in /** @type {any} */ (REFUSED)[module]) {
      const found = ObjectGetOwnPropertyDescriptor(holder, name);
      if (found === undefined) continue;
      ObjectDefineProperty(holder, name, {
        __proto__: null,
        value: refused(module, name, holder[name]),
        writable: true,
        enumerable: found.enumerable,
        configurable: true,
      });
    }
  }
  return exports;
}

/**
 * The async context of what a socket is read for: of the HTTP request that waits for
 * an answer on it, else of whoever connected it.
 */
const kContext = primordials.Symbol("edgehost.context");

/** @param {any} stream */
function contextOf(stream) {
  return stream?._httpMessage?.[kContext] ?? stream?.[kContext] ?? stream?._parent?.[kContext];
}

/** Seconds of CPU time that one round of a key derivation takes at the least. */
const ROUND = 2e-7;

/**
 * Refuses work in native code that would go on long after the CPU time of a request is
 * used up: no limit can interrupt it.
 * @param {string} what @param {number} seconds
 */
function refuseLongWork(what, seconds) {
  const [most] = core.ops.op_edgehost_ceilings();
  if (seconds > most) {
    const error = /** @type {any} */ (
      new RangeError(`${what} would take about ${MathCeil(seconds)} s of CPU time; a request has ${most} s`)
    );
    error.code = "ERR_OUT_OF_RANGE";
    throw error;
  }
}

/**
 * Puts a check before functions of a module.
 * @param {any} exports @param {string[]} names @param {(...args: any[]) => void} check
 */
function before(exports, names, check) {
  for (const name of names) {
    const original = exports[name];
    const checked = /** @this {unknown} */ function (/** @type {any[]} */ ...args) {
      ReflectApply(check, undefined, args);
      return new.target === undefined
        ? ReflectApply(original, this, args)
        : ReflectConstruct(original, args, new.target === checked ? original : new.target);
    };
    ObjectDefineProperties(checked, ObjectGetOwnPropertyDescriptors(original));
    exports[name] = checked;
    if (exports.default !== undefined && exports.default !== null) exports.default[name] = checked;
  }
  return exports;
}

/**
 * As Node.js does above 2 GiB: the file would have to fit into memory.
 * @param {any} stats
 */
function refuseLargeFile(stats) {
  const [, most] = core.ops.op_edgehost_ceilings();
  const what = stats.isFile() || stats.isDirectory()
    ? stats.size > most ? `File size (${stats.size}) is greater than the ${most} bytes of memory of an isolate` : null
    : "What is no regular file may have no end";
  if (what !== null) {
    const error = /** @type {any} */ (new RangeError(`${what}: read it with fs.createReadStream`));
    error.code = "ERR_FS_FILE_TOO_LARGE";
    throw error;
  }
}

const SUBPROCESS = ["spawn", "spawnSync", "exec", "execSync", "execFile", "execFileSync"];

/** Seconds that finding a prime of so many bits takes on average. @param {number} bits */
function primeSeconds(bits) {
  return 0.02 * (bits / 1024) ** 4;
}

/**
 * Hooks by the name of the script whose exports they change.
 * @type {Record<string, (exports: any) => any>}
 */
const hooks = {
  cluster: (exports) => limit("cluster", exports),
  // A place that may not be looked at does not exist.
  fs(exports) {
    exports.watch = () => {
      throw unavailable("fs", "watch", NO_WATCHER);
    };
    const { existsSync } = exports;
    exports.existsSync = (/** @type {unknown} */ path) => {
      try {
        return existsSync(path);
      } catch (error) {
        if (/** @type {any} */ (error)?.code === "ERR_ACCESS_DENIED") return false;
        throw error;
      }
    };
    const { fstatSync, readFile, readFileSync, statSync } = exports;
    const check = (/** @type {unknown} */ file) => {
      // Standard input is empty.
      if (file === 0) return;
      let stats;
      try {
        stats = typeof file === "number" ? fstatSync(file) : statSync(file);
      } catch {
        // What is wrong with it is for the function itself to say.
        return;
      }
      refuseLargeFile(stats);
    };
    // Loggers write to the descriptors of the standard streams: those lead into the log.
    const streamOf = (/** @type {unknown} */ fd) => {
      const process = core.createLazyLoader("node:process")().default;
      return fd === 1 ? process.stdout : process.stderr;
    };
    const text = (/** @type {any} */ data, /** @type {unknown} */ offset, /** @type {unknown} */ length) => {
      if (typeof data === "string") return data;
      const { Buffer } = core.loadExtScript("ext:deno_node/internal/buffer.mjs");
      const from = typeof offset === "number" ? offset : 0;
      const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
      return bytes.toString("utf8", from, typeof length === "number" ? from + length : undefined);
    };
    const sizeOf = (/** @type {string} */ written) => core.encode(written).byteLength;
    const { write, writeSync, writev, writevSync } = exports;
    exports.writeSync = (/** @type {any[]} */ ...args) => {
      if (args[0] !== 1 && args[0] !== 2) return ReflectApply(writeSync, exports, args);
      const written = text(args[1], args[2], args[3]);
      streamOf(args[0]).write(written);
      return sizeOf(written);
    };
    exports.write = (/** @type {any[]} */ ...args) => {
      if (args[0] !== 1 && args[0] !== 2) return ReflectApply(write, exports, args);
      const done = args[args.length - 1];
      const written = text(args[1], args[2], args[3]);
      streamOf(args[0]).write(written, () => done(null, sizeOf(written), args[1]));
    };
    exports.writevSync = (/** @type {any[]} */ ...args) => {
      if (args[0] !== 1 && args[0] !== 2) return ReflectApply(writevSync, exports, args);
      let size = 0;
      for (const part of args[1]) size += exports.writeSync(args[0], part);
      return size;
    };
    exports.writev = (/** @type {any[]} */ ...args) => {
      if (args[0] !== 1 && args[0] !== 2) return ReflectApply(writev, exports, args);
      const size = exports.writevSync(args[0], args[1]);
      core.loadExtScript("ext:deno_node/_next_tick.ts").nextTick(args[args.length - 1], null, size, args[1]);
    };
    exports.readFileSync = (/** @type {unknown} */ file, /** @type {unknown} */ options) => {
      check(file);
      return readFileSync(file, options);
    };
    exports.readFile = (/** @type {unknown} */ file, /** @type {unknown} */ options, /** @type {unknown} */ callback) => {
      try {
        check(file);
      } catch (error) {
        const done = /** @type {any} */ (typeof options === "function" ? options : callback);
        core.loadExtScript("ext:deno_node/_next_tick.ts").nextTick(done, error);
        return;
      }
      readFile(file, options, callback);
    };
    return exports;
  },
  diffiehellman: (exports) =>
    before(exports, ["DiffieHellman"], (bits) => {
      if (typeof bits === "number") refuseLongWork("Finding a prime of this size", primeSeconds(bits) * 50);
    }),
  keygen: (exports) =>
    before(exports, ["generateKeyPair", "generateKeyPairSync"], (type, options) => {
      const bits = options?.modulusLength ?? options?.primeLength;
      if (typeof bits === "number") refuseLongWork(`A key of ${bits} bits`, primeSeconds(bits) * (type === "dh" ? 50 : 1));
    }),
  pbkdf2: (exports) =>
    before(exports, ["pbkdf2", "pbkdf2Sync"], (_password, _salt, iterations, length) =>
      refuseLongWork(`pbkdf2 with ${iterations} iterations`, iterations * MathCeil(length / 64) * ROUND)),
  random(exports) {
    const check = (/** @type {any} */ size, /** @type {any} */ options) => {
      if (typeof size === "number") refuseLongWork("Finding a prime of this size", primeSeconds(size) * (options?.safe ? 50 : 1));
    };
    before(exports, ["generatePrime", "generatePrimeSync"], check);
    return before(exports, ["checkPrime", "checkPrimeSync"], (candidate, options) => {
      const bits = typeof candidate === "bigint"
        ? candidate.toString(16).length * 4
        : (candidate?.byteLength ?? 0) * 8;
      const checks = typeof options === "object" ? options?.checks ?? 0 : 0;
      refuseLongWork("Checking a number of this size", primeSeconds(bits) * (1 + checks / 100));
    });
  },
  scrypt: (exports) =>
    before(exports, ["scrypt", "scryptSync"], (_password, _salt, _length, options) => {
      const cost = options?.N ?? options?.cost ?? 16384;
      const size = options?.r ?? options?.blockSize ?? 8;
      const rounds = options?.p ?? options?.parallelization ?? 1;
      // Each round goes over its 128 N r bytes twice.
      refuseLongWork("scrypt with these costs", 256 * cost * size * rounds / 1e9);
      const [, memory] = core.ops.op_edgehost_ceilings();
      if (128 * cost * size > memory) {
        throw new RangeError(`scrypt with these costs takes ${128 * cost * size} bytes; an isolate has ${memory}`);
      }
    }),
  inspector: (exports) => limit("inspector", exports),
  worker_threads: (exports) => limit("worker_threads", exports),
  // Bytes arrive outside of any JavaScript, and so without an async context.
  stream_base(exports) {
    const { onStreamRead } = exports;
    const { ownerSymbol } = core.loadExtScript("ext:deno_node/internal_binding/symbols.ts");
    // What a listener throws is reported here: further up it would end the turn of the
    // event loop, and with it what other sockets have read.
    exports.onStreamRead = /** @this {any} */ function (/** @type {any[]} */ ...args) {
      const context = contextOf(this[ownerSymbol]);
      const before = core.getAsyncContext();
      if (context !== undefined) core.setAsyncContext(context);
      try {
        return ReflectApply(onStreamRead, this, args);
      } catch (error) {
        internals.edgehost.reportException(error);
      } finally {
        core.setAsyncContext(before);
      }
    };
    return exports;
  },
  net(exports) {
    exports.Server.prototype.listen = function listen() {
      throw unavailable("net", "Server.listen", NO_SERVER);
    };
    return exports;
  },
  child_process(exports) {
    for (const name of SUBPROCESS) {
      const original = exports[name];
      const checked = /** @this {unknown} */ function (/** @type {any[]} */ ...args) {
        if (!core.ops.op_edgehost_may_spawn()) {
          throw unavailable(
            "child_process",
            name,
            "the permission profile allows no subprocess; `--allow-run=PROGRAM` or `--permissions=off` would",
          );
        }
        return ReflectApply(original, this, args);
      };
      const descriptors = ObjectGetOwnPropertyDescriptors(original);
      ObjectDefineProperties(checked, descriptors);
      exports[name] = checked;
    }
    exports.fork = () => {
      throw unavailable("child_process", "fork", "it starts a Node.js process, and there is none");
    };
    return exports;
  },
};

// WebCrypto's own derivation runs on another thread, for as long as it takes.
const { SubtleCrypto } = core.loadExtScript("ext:deno_crypto/00_crypto.js");
for (const name of ["deriveBits", "deriveKey"]) {
  const original = SubtleCrypto.prototype[name];
  SubtleCrypto.prototype[name] = /** @this {unknown} */ function (/** @type {any[]} */ ...args) {
    const iterations = args[0]?.iterations;
    if (typeof iterations === "number") {
      try {
        refuseLongWork(`PBKDF2 with ${iterations} iterations`, iterations * ROUND);
      } catch (error) {
        return primordials.PromiseReject(error);
      }
    }
    return ReflectApply(original, this, args);
  };
  ObjectDefineProperties(SubtleCrypto.prototype[name], ObjectGetOwnPropertyDescriptors(original));
}

internals.edgehost.node = { caller, hooks, kContext, refused, unavailable };
