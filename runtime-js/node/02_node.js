// @ts-check
// Runs once, while the snapshot of the Node layer is made, after 01_bootstrap.js:
// what the scripts of deno_node expect of the runtime around them.
//
// They name a global `Deno`. User code must not see one, since packages behave
// differently where they find it: the build gives each of those scripts a local
// binding to `internals.deno` instead.

import { core, internals, primordials } from "ext:core/mod.js";

const {
  ArrayPrototypeMap,
  BigIntPrototypeToString,
  DataView,
  DataViewPrototypeGetUint32,
  Error,
  ErrorCaptureStackTrace,
  MathCeil,
  NumberParseInt,
  ObjectAssign,
  ObjectDefineProperty,
  ObjectDefineProperties,
  ObjectEntries,
  ObjectGetOwnPropertyDescriptor,
  ObjectGetOwnPropertyDescriptors,
  PromiseReject,
  Proxy,
  RangeError,
  ReflectApply,
  ReflectConstruct,
  RegExpPrototypeExec,
  SafeArrayIterator,
  SafeRegExp,
  StringPrototypeIncludes,
  StringPrototypeSplit,
  TypedArrayPrototypeSlice,
} = primordials;

core.setBuildInfo(core.ops.op_edgehost_target());

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
    "realPath", "realPathSync", "stat", "statSync", "umask", "utime", "utimeSync",
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
  env: { get() {}, has: () => false, set() {}, delete() {}, toObject: () => ({ __proto__: null }) },
  errors: internals.edgehost.errors,
  exitCode: 0,
  internal: primordials.Symbol("internal"),
  mainModule: undefined,
  noColor: true,
  version: { __proto__: null },
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
  test() {
    throw unavailable("test", "test", "no test runner stands behind it");
  },
  watchFs() {
    throw unavailable("fs", "watch", NO_WATCHER);
  },
};
/** A place whose relative form would count from where the host was started. */
const absolute = (/** @type {unknown} */ path) =>
  typeof path === "string" && path !== "" && path[0] !== "/" && path[0] !== "\0" ? `${deno.cwd()}/${path}` : path;
for (const name of new SafeArrayIterator(["symlink", "symlinkSync"])) {
  const original = core.loadExtScript("ext:deno_fs/30_fs.js")[name];
  deno[name] = (/** @type {unknown} */ to, /** @type {unknown} */ path, /** @type {unknown} */ options) =>
    original(to, absolute(path), options);
}
{
  const files = core.loadExtScript("ext:deno_fs/30_fs.js");
  // Permissions are lists of places: what they name must not come to lie elsewhere.
  const keptError = (/** @type {unknown} */ path) =>
    typeof path === "string" && core.ops.op_edgehost_keeps(path)
      ? ObjectAssign(
        new Error(`EACCES: permission denied, rename '${path}': it holds the project, or a place that permissions name`),
        { code: "EACCES", errno: -13, path, syscall: "rename" },
      )
      : undefined;
  deno.rename = (/** @type {unknown} */ from, /** @type {unknown} */ to) => {
    const error = keptError(from);
    return error === undefined ? files.rename(from, to) : PromiseReject(error);
  };
  deno.renameSync = (/** @type {unknown} */ from, /** @type {unknown} */ to) => {
    const error = keptError(from);
    if (error !== undefined) throw error;
    files.renameSync(from, to);
  };
  // `unlink` gives no options. Of a directory, it is an error even if that is empty.
  const folderError = () => ObjectAssign(new Error("Is a directory"), { os_errno: 21 });
  // Who may write there need not be allowed to look.
  const isFolder = (/** @type {unknown} */ path) => {
    try {
      return files.lstatSync(path).isDirectory;
    } catch {
      return false;
    }
  };
  deno.remove = (/** @type {unknown} */ path, /** @type {unknown} */ options) =>
    options === undefined && isFolder(path) ? PromiseReject(folderError()) : files.remove(path, options);
  deno.removeSync = (/** @type {unknown} */ path, /** @type {unknown} */ options) => {
    if (options === undefined && isFolder(path)) throw folderError();
    files.removeSync(path, options);
  };
}
for (const { 0: script, 1: names } of new SafeArrayIterator(ObjectEntries(scripts))) {
  for (const name of new SafeArrayIterator(names)) {
    lazy(deno, name, () => core.loadExtScript(script)[name]);
  }
}
internals.deno = deno;

const FRAME = new SafeRegExp("\\(?((?:file://|/)[^()]*:\\d+:\\d+)\\)?$");

/** File, line and column of the user's code that is running, as far as it is known. */
function caller() {
  const holder = { __proto__: null, stack: "" };
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 40;
  ErrorCaptureStackTrace(holder, caller);
  Error.stackTraceLimit = stackTraceLimit;
  for (const line of new SafeArrayIterator(StringPrototypeSplit(holder.stack, "\n"))) {
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

const { ROUND, free, pinned, primeSeconds, refuseLargeResult, refuseLongWork, whenFree } = internals.edgehost.ceilings;

const ONE_THREAD = "a route handler runs in an isolate that is one thread of the host; move the work to a service";
const NO_SERVER = "edgehost itself listens, and calls the exported handlers of route files";
const NO_DEBUGGER = "the inspector would show every app of the process";
const NO_WATCHER = "a route handler ends with its answer";
const NO_TERMINAL = "a route handler has no terminal";
const PROCESS_WIDE = "it concerns the whole process, which is the host's";
const NOT_OPENED = "the descriptor is not one that this app has opened";

/** By module: functions that are refused when they are called, and why. */
const REFUSED = {
  __proto__: null,
  cluster: { fork: ONE_THREAD, setupMaster: ONE_THREAD, setupPrimary: ONE_THREAD, Worker: ONE_THREAD },
  inspector: { open: NO_DEBUGGER, Session: NO_DEBUGGER, waitForDebugger: NO_DEBUGGER },
  os: { setPriority: PROCESS_WIDE },
  process: {
    initgroups: PROCESS_WIDE,
    setegid: PROCESS_WIDE,
    seteuid: PROCESS_WIDE,
    setgid: PROCESS_WIDE,
    setgroups: PROCESS_WIDE,
    setuid: PROCESS_WIDE,
  },
  repl: { REPLServer: NO_TERMINAL, start: NO_TERMINAL },
  v8: {
    getHeapSnapshot: PROCESS_WIDE,
    setFlagsFromString: PROCESS_WIDE,
    setHeapSnapshotNearHeapLimit: PROCESS_WIDE,
    writeHeapSnapshot: PROCESS_WIDE,
  },
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
  for (const holder of new SafeArrayIterator([exports, exports.default])) {
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

/**
 * Puts an estimate before functions of a module: what they are to do, how many seconds
 * it takes, and the arguments to go on with.
 * @param {any} exports @param {string[]} names
 * @param {(...args: any[]) => { what: string, seconds: number, args?: any[] }} estimate
 */
function before(exports, names, estimate) {
  for (const name of new SafeArrayIterator(names)) {
    const original = exports[name];
    const checked = /** @this {unknown} */ function (/** @type {any[]} */ ...given) {
      const { what, seconds, args = given } = ReflectApply(estimate, undefined, given);
      if (new.target !== undefined) {
        refuseLongWork(what, seconds);
        return ReflectConstruct(original, args, new.target === checked ? original : new.target);
      }
      const callback = args[args.length - 1];
      if (typeof callback !== "function") {
        refuseLongWork(what, seconds);
        return ReflectApply(original, this, args);
      }
      refuseLongWork(what, seconds);
      let isStarted = false;
      args[args.length - 1] = /** @this {unknown} */ function (/** @type {any[]} */ ...results) {
        free();
        return ReflectApply(callback, this, results);
      };
      whenFree(() => {
        try {
          ReflectApply(original, this, args);
        } catch (error) {
          free();
          // Wrong arguments: who called is still there, or waits.
          if (!isStarted) throw error;
          callback(error);
        }
      });
      isStarted = true;
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
  const { 1: most } = core.ops.op_edgehost_ceilings();
  const what = stats.isFile() || stats.isDirectory()
    ? stats.size > most ? `File size (${stats.size}) is greater than the ${most} bytes of memory of an isolate` : null
    : "What is no regular file may have no end";
  if (what !== null) {
    const error = /** @type {any} */ (new RangeError(`${what}: read it with fs.createReadStream`));
    error.code = "ERR_FS_FILE_TOO_LARGE";
    throw error;
  }
}

/**
 * Replaces methods for good.
 * @param {any} prototype @param {string[]} names @param {string} what @param {string} why
 */
function refuseMethods(prototype, names, what, why) {
  for (const name of new SafeArrayIterator(names)) {
    if (prototype[name] === undefined) continue;
    const value = () => {
      throw unavailable("net", what, why);
    };
    ObjectDefineProperty(prototype, name, { __proto__: null, value });
  }
}

const SUBPROCESS = ["spawn", "spawnSync", "exec", "execSync", "execFile", "execFileSync"];

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
    const { F_OK, R_OK, W_OK, X_OK } = exports.constants;
    ObjectAssign(exports, { F_OK, R_OK, W_OK, X_OK });
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
      if (file === 0 || file === "/dev/null") return;
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
    const bytesOf = (/** @type {any} */ data, /** @type {any} */ where, /** @type {any} */ length) => {
      const { Buffer } = core.loadExtScript("ext:deno_node/internal/buffer.mjs");
      if (typeof data === "string") return Buffer.from(data, typeof length === "string" ? length : "utf8");
      const view = typeof where === "object" && where !== null ? where : { offset: where, length };
      const from = typeof view.offset === "number" ? view.offset : 0;
      const size = typeof view.length === "number" ? view.length : data.byteLength - from;
      return Buffer.from(data.buffer, data.byteOffset + from, size);
    };
    const isStandard = (/** @type {unknown} */ fd) => fd === 1 || fd === 2;
    const { write, writeSync, writev, writevSync } = exports;
    // The functions themselves write to files that swallow everything, and count.
    exports.writeSync = (/** @type {any[]} */ ...args) => {
      const count = ReflectApply(writeSync, exports, args);
      if (isStandard(args[0])) streamOf(args[0]).write(bytesOf(args[1], args[2], args[3]));
      return count;
    };
    exports.write = (/** @type {any[]} */ ...args) => {
      ReflectApply(write, exports, args);
      if (isStandard(args[0])) streamOf(args[0]).write(bytesOf(args[1], args[2], args[3]));
    };
    exports.writevSync = (/** @type {any[]} */ ...args) => {
      const count = ReflectApply(writevSync, exports, args);
      if (isStandard(args[0])) for (const part of new SafeArrayIterator(args[1])) streamOf(args[0]).write(bytesOf(part, undefined, undefined));
      return count;
    };
    exports.writev = (/** @type {any[]} */ ...args) => {
      ReflectApply(writev, exports, args);
      if (isStandard(args[0])) for (const part of new SafeArrayIterator(args[1])) streamOf(args[0]).write(bytesOf(part, undefined, undefined));
    };
    const { openAsBlob } = exports;
    exports.openAsBlob = (/** @type {unknown} */ file, /** @type {any[]} */ ...rest) => {
      try {
        check(file);
      } catch (error) {
        return PromiseReject(error);
      }
      return openAsBlob(file, ...new SafeArrayIterator(rest));
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
      internals.edgehost.node.refuseNoPrime(bits);
      return {
        what: "Finding a prime of this size",
        seconds: typeof bits === "number" ? primeSeconds(bits) * 50 : 0,
      };
    }),
  keygen: (exports) =>
    before(exports, ["generateKeyPair", "generateKeyPairSync"], (type, options, ...rest) => {
      const read = pinned(options, ["modulusLength", "prime", "primeLength", "publicExponent"]);
      if (type === "dh") internals.edgehost.node.refuseNoPrime(read?.prime);
      internals.edgehost.node.refuseNoExponent(read?.publicExponent);
      const bits = read?.modulusLength ?? read?.primeLength;
      return {
        what: `A key of ${bits} bits`,
        seconds: typeof bits === "number" ? primeSeconds(bits) * (type === "dh" ? 50 : 1) : 0,
        args: [type, read, ...new SafeArrayIterator(rest)],
      };
    }),
  pbkdf2: (exports) =>
    before(exports, ["pbkdf2", "pbkdf2Sync"], (_password, _salt, iterations, length) => ({
      what: `pbkdf2 with ${iterations} iterations`,
      seconds: iterations * MathCeil(length / 64) * ROUND,
    })),
  random(exports) {
    before(exports, ["generatePrime", "generatePrimeSync"], (size, options, ...rest) => {
      const read = pinned(options, ["safe"]);
      return {
        what: "Finding a prime of this size",
        seconds: typeof size === "number" ? primeSeconds(size) * (read?.safe ? 50 : 1) : 0,
        args: [size, read, ...new SafeArrayIterator(rest)],
      };
    });
    return before(exports, ["checkPrime", "checkPrimeSync"], (candidate, options, ...rest) => {
      const bits = typeof candidate === "bigint"
        ? BigIntPrototypeToString(candidate, 16).length * 4
        : (candidate?.byteLength ?? 0) * 8;
      const read = pinned(options, ["checks"]);
      const checks = typeof read === "object" ? read?.checks ?? 0 : 0;
      return {
        what: "Checking a number of this size",
        seconds: primeSeconds(bits) * (1 + checks / 100),
        args: [candidate, read, ...new SafeArrayIterator(rest)],
      };
    });
  },
  scrypt: (exports) =>
    before(exports, ["scrypt", "scryptSync"], (password, salt, length, options, ...rest) => {
      const read = pinned(options, ["N", "cost", "r", "blockSize", "p", "parallelization", "maxmem"]);
      const cost = read?.N ?? read?.cost ?? 16384;
      const size = read?.r ?? read?.blockSize ?? 8;
      const rounds = read?.p ?? read?.parallelization ?? 1;
      refuseLargeResult("scrypt with these costs", 128 * cost * size);
      return {
        what: "scrypt with these costs",
        // Each round goes over its 128 N r bytes twice.
        seconds: 256 * cost * size * rounds / 1e9,
        args: [password, salt, length, read, ...new SafeArrayIterator(rest)],
      };
    }),
  inspector: (exports) => limit("inspector", exports),
  v8: (exports) => limit("v8", exports),
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
  // The handles behind sockets can be had by anybody who has a socket. They would take
  // every descriptor of the process, the host's own included.
  tcp_wrap(exports) {
    refuseMethods(exports.TCP.prototype, ["open", "openFromRid", "open_from_rid"], "Socket", NOT_OPENED);
    refuseMethods(exports.TCP.prototype, ["listen"], "Server.listen", NO_SERVER);
    return exports;
  },
  pipe_wrap(exports) {
    const { open } = exports.Pipe.prototype;
    // For the ends of pipes that a subprocess was just given.
    internals.edgehost.openPipe = (/** @type {any} */ pipe, /** @type {number} */ fd) => ReflectApply(open, pipe, [fd]);
    refuseMethods(exports.Pipe.prototype, ["open"], "Socket", NOT_OPENED);
    const { connect } = exports.Pipe.prototype;
    const value = /** @this {any} */ function (/** @type {unknown} */ request, /** @type {unknown} */ path) {
      // Names without a file are in no list of places.
      if (typeof path === "string" && path[0] === "\0" && core.ops.op_edgehost_is_confined()) {
        throw unavailable("net", "connect", "the permission profile allows no socket without a path");
      }
      // Native code checks one form of it and would connect to the other.
      return ReflectApply(connect, this, [request, typeof path === "string" && path[0] !== "\0" ? core.ops.op_edgehost_socket_path(path) : path]);
    };
    ObjectDefineProperty(exports.Pipe.prototype, "connect", { __proto__: null, value });
    refuseMethods(exports.Pipe.prototype, ["bind", "fchmod", "listen"], "Server.listen", NO_SERVER);
    return exports;
  },
  // Who sends is given a port, where answers arrive. To wait at one that others know is
  // to listen.
  dgram(exports) {
    const { bind } = exports.Socket.prototype;
    const value = /** @this {unknown} */ function (/** @type {any[]} */ ...args) {
      const { 0: given } = args;
      const isOfSender = typeof given === "object" && given !== null && given.port === 0 && given.exclusive === true &&
        given.address === undefined && given.fd === undefined;
      if (!isOfSender) throw unavailable("dgram", "Socket.bind", `${NO_SERVER}; who sends has a port already`);
      return ReflectApply(bind, this, [{ __proto__: null, port: 0, exclusive: true }]);
    };
    ObjectDefineProperties(value, ObjectGetOwnPropertyDescriptors(bind));
    ObjectDefineProperty(exports.Socket.prototype, "bind", { __proto__: null, value });
    return exports;
  },
  udp_wrap(exports) {
    for (const name of new SafeArrayIterator(["bind", "bind6"])) {
      const original = exports.UDP.prototype[name];
      const value = /** @this {unknown} */ function (/** @type {string} */ address, /** @type {number} */ port, /** @type {number} */ flags) {
        if (port !== 0) throw unavailable("dgram", "Socket.bind", NO_SERVER);
        return ReflectApply(original, this, [address, 0, flags]);
      };
      ObjectDefineProperty(exports.UDP.prototype, name, { __proto__: null, value });
    }
    return exports;
  },
  // No descriptor is a terminal.
  tty(exports) {
    exports.isatty = () => false;
    return exports;
  },
  child_process(exports) {
    for (const name of new SafeArrayIterator(SUBPROCESS)) {
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

/**
 * Where a subprocess starts.
 * @param {string | undefined} folder
 */
function spawnFolder(folder) {
  const here = core.ops.op_fs_cwd();
  if (folder === undefined || folder === null) return here;
  return folder[0] === "/" ? folder : `${here}/${folder}`;
}

/**
 * What a subprocess gets as one of its streams.
 * @param {unknown} stdio
 */
function spawnStdio(stdio) {
  if (typeof stdio !== "number") return stdio;
  // The streams of the process are the host's.
  if (stdio <= 2) return "inherit";
  if (core.ops.op_edgehost_owns_descriptor(stdio)) return stdio;
  throw unavailable("child_process", "spawn", NOT_OPENED);
}

/** A descriptor of a file that is empty and takes everything. */
let nothing = -1;

/**
 * The standard streams of a WebAssembly program: files, never those of the process.
 * @param {number[]} given
 */
function wasiStdio(given) {
  if (!core.ops.op_edgehost_owns_descriptor(nothing)) nothing = core.ops.op_edgehost_open_nothing();
  const owns = (/** @type {number} */ fd) => fd > 2 && core.ops.op_edgehost_owns_descriptor(fd);
  const logged = ArrayPrototypeMap(given, (/** @type {number} */ fd) => owns(fd) ? undefined : fd);
  return {
    fds: ArrayPrototypeMap(given, (/** @type {number} */ fd) => owns(fd) ? fd : nothing),
    /**
     * Puts what the program writes into the log.
     * @param {number} fd @param {number} at @param {number} count of the vectors
     * @param {Uint8Array} memory
     */
    write(fd, at, count, memory) {
      if (fd > 2 || logged[fd] === undefined) return;
      const process = core.createLazyLoader("node:process")().default;
      const { Buffer } = core.loadExtScript("ext:deno_node/internal/buffer.mjs");
      const view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
      for (let i = 0; i < count; i++) {
        const start = DataViewPrototypeGetUint32(view, at + 8 * i, true);
        const size = DataViewPrototypeGetUint32(view, at + 8 * i + 4, true);
        const target = logged[fd] === 1 || logged[fd] === 2 ? logged[fd] : fd;
        const stream = target === 2 ? process.stderr : process.stdout;
        stream.write(Buffer.from(TypedArrayPrototypeSlice(memory, start, start + size)));
      }
    },
  };
}

/** A folder for a WebAssembly program, which would follow links out of it. */
function refusePreopen() {
  if (core.ops.op_edgehost_is_confined()) {
    throw unavailable(
      "wasi",
      "preopens",
      "its file operations ask for no permission, and the permission profile limits files; `--permissions=off` would",
    );
  }
}

/** The mode of a file that is made. @param {unknown} mode a number, or octal digits */
const fileMode = (mode) => typeof mode === "string" ? NumberParseInt(mode, 8) : mode ?? 0o666;

internals.edgehost.node = {
  caller,
  fileMode,
  hooks,
  kContext,
  limit,
  refused,
  refusePreopen,
  spawnFolder,
  spawnStdio,
  unavailable,
  wasiStdio,
};
