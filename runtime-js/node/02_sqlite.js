// @ts-check
// Runs after 02_node.js, while the snapshot of the Node layer is made: limits of
// `node:sqlite`, whose native code trusts who calls it and what it calls.

import { core, internals, primordials } from "ext:core/mod.js";

const {
  ArrayBufferIsView,
  ArrayIsArray,
  ArrayPrototypeMap,
  Error,
  FunctionPrototype,
  NumberIsInteger,
  ObjectAssign,
  ObjectCreate,
  ObjectDefineProperty,
  ObjectGetOwnPropertyDescriptor,
  ObjectPrototypeIsPrototypeOf,
  ObjectSetPrototypeOf,
  PromiseReject,
  Proxy,
  RangeError,
  ReflectApply,
  ReflectConstruct,
  ReflectDeleteProperty,
  ReflectGetPrototypeOf,
  RegExpPrototypeExec,
  SafeArrayIterator,
  SafeRegExp,
  StringPrototypeStartsWith,
  decodeURIComponent,
} = primordials;
const { Note, hooks, refusePipe, unavailable } = internals.edgehost.node;

// These would be the settings of every database of the process, outlast any request, or
// map files that others can cut short.
const PROCESS_WIDE = new SafeRegExp("(?:temp|data)_store_directory|(?:hard|soft)_heap_limit|mmap_size|busy_timeout[^0-9]*(?:0x|\\d{6})", "i");

/** @param {unknown} sql */
function checkSql(sql) {
  if (typeof sql === "string") {
    const found = RegExpPrototypeExec(PROCESS_WIDE, sql);
    if (found !== null) throw unavailable("sqlite", `PRAGMA ${found[0]}`, "it would reach beyond the app's own databases and requests");
  }
}

/** JavaScript that SQLite has called, and that of an authorizer: how deep. */
const depth = { any: 0, authorizer: 0 };

/** @param {string} name @param {boolean} alone */
function checkCall(name, alone) {
  if (core.ops.op_edgehost_end_if_over()) throw new Error("interrupted");
  if (depth.authorizer > 0 || alone && depth.any > 0) {
    throw ObjectAssign(new Error(`${name} cannot be called by a function that SQLite has called`), { code: "ERR_INVALID_STATE" });
  }
}

/** A function that SQLite calls: it counts, and ends with its turn. @param {any} original @param {boolean} [isAuthorizer] */
function called(original, isAuthorizer = false) {
  if (typeof original !== "function") return original;
  return new Proxy(original, {
    __proto__: null,
    apply(/** @type {any} */ target, /** @type {unknown} */ self, /** @type {unknown[]} */ args) {
      // What SQLite calls is native code's: it goes on after a termination.
      if (core.ops.op_edgehost_end_if_over()) throw new Error("interrupted");
      depth.any++;
      if (isAuthorizer) depth.authorizer++;
      try {
        return ReflectApply(target, self, args);
      } finally {
        depth.any--;
        if (isAuthorizer) depth.authorizer--;
      }
    },
  });
}

/** Options with functions that SQLite calls. @param {any} options @param {string[]} names */
function calledOptions(options, names) {
  if (typeof options !== "object" || options === null) return options;
  /** @type {any} */
  const changed = { __proto__: null };
  for (const name of new SafeArrayIterator(names)) {
    const value = options[name];
    if (typeof value === "function") changed[name] = { __proto__: null, value: called(value), enumerable: true };
  }
  return ObjectCreate(options, changed);
}

/**
 * Puts a check before native methods.
 * @param {any} prototype @param {string[]} names @param {boolean} alone whether no function of SQLite may call them
 * @param {(args: any[]) => any[] | void} [change]
 */
function guard(prototype, names, alone, change = undefined) {
  for (const name of new SafeArrayIterator(names)) {
    const found = ObjectGetOwnPropertyDescriptor(prototype, name);
    if (typeof found?.value !== "function") continue;
    const original = found.value;
    const value = { [name](/** @type {any[]} */ ...args) {
      checkCall(name, alone);
      try {
        return ReflectApply(original, this, change?.(args) ?? args);
      } finally {
        core.ops.op_edgehost_end_if_over();
      }
    } }[name];
    ObjectDefineProperty(prototype, name, { __proto__: null, ...found, value });
  }
}

/** Traps and getters of named parameters run before native code holds the statement, not while. @param {any[]} args */
function plainParameters(args) {
  const named = args[0];
  if (typeof named === "object" && named !== null && !ArrayBufferIsView(named) && !ArrayIsArray(named)) {
    args[0] = { __proto__: null, ...named };
  }
}

/** SQL without a statement: blanks, comments and semicolons, up to the end or a zero. */
const NO_STATEMENT = new SafeRegExp("^(?:[\\s;]|--[^\\n\\0]*|/\\*(?:[^*\\0]|\\*(?!/))*(?:\\*/|$))*(?:$|\\0)");

/** Most statements that a tag store keeps. */
const MOST_KEPT = 10000;

/** A place on the disk that a database names. @param {any} path */
function placeOf(path) {
  if (typeof path !== "string") return undefined;
  if (!StringPrototypeStartsWith(path, "file:")) return path;
  try {
    return decodeURIComponent(new (core.loadExtScript("ext:deno_web/00_url.js").URL)(path).pathname);
  } catch {
    return undefined;
  }
}

/** How long a database may wait for a lock. */
const MOST_SECONDS = 60;

/** Limits that are not raised: what a database has when it is opened. @type {any} */
const MOST = { __proto__: null, length: undefined, likePatternLength: undefined };

/** A limit of a database, as far as it may be raised. @param {string} name @param {unknown} value */
internals.edgehost.node.databaseLimit = (name, value) =>
  MOST[name] !== undefined && typeof value === "number" && !(value <= MOST[name]) ? MOST[name] : value;

ObjectAssign(hooks, {
  sqlite(/** @type {any} */ exports) {
    const native = /** @type {any} */ (ReflectGetPrototypeOf(exports.DatabaseSync.prototype));
    const limits = ObjectGetOwnPropertyDescriptor(native, "limits")?.get;
    // The way to these that is checked is the one of `exports`.
    ReflectDeleteProperty(native, "limits");
    ObjectSetPrototypeOf(exports.DatabaseSync, FunctionPrototype);
    const { DatabaseSync: Original } = exports;
    const setLimits = (/** @type {any} */ database) => {
      if (!database.isOpen) return;
      const limitsOf = (/** @type {any} */ one) => ReflectApply(/** @type {any} */ (limits), one, []);
      if (MOST.length === undefined) {
        const given = limitsOf(new Original(":memory:"));
        for (const name in MOST) MOST[name] = given[name];
      }
      const found = limitsOf(database);
      for (const name in MOST) if (found[name] > MOST[name]) found[name] = MOST[name];
    };
    const check = (/** @type {any[]} */ args) => checkSql(args[0]);
    guard(native, ["exec", "prepare"], false, check);
    guard(native, ["aggregate"], false, (args) => [args[0], calledOptions(args[1], ["start", "step", "result", "inverse"])]);
    guard(native, ["function"], false, (args) => {
      args[args.length - 1] = called(args[args.length - 1]);
    });
    guard(native, ["applyChangeset"], false, (args) => [args[0], calledOptions(args[1], ["filter", "onConflict"])]);
    guard(native, ["setAuthorizer"], true, (args) => [called(args[0], true)]);
    guard(native, ["close", "deserialize"], true);
    guard(native, ["createSession", "serialize"], false);
    // Native code has no text of what is no statement.
    const { prepare } = native;
    native.prepare = { prepare(/** @type {any[]} */ ...args) {
      const statement = ReflectApply(prepare, this, args);
      const sql = args[0];
      if (typeof sql === "string" && RegExpPrototypeExec(NO_STATEMENT, sql) !== null) Note.write(statement, sql);
      return statement;
    } }.prepare;
    for (const name of new SafeArrayIterator(["sourceSQL", "expandedSQL"])) {
      const { prototype } = exports.StatementSync;
      const found = ObjectGetOwnPropertyDescriptor(prototype, name);
      ObjectDefineProperty(prototype, name, {
        __proto__: null,
        ...found,
        get() {
          return Note.read(this) ?? ReflectApply(/** @type {any} */ (found).get, this, []);
        },
      });
    }
    const { createTagStore, open } = native;
    native.open = function () {
      checkCall("open", true);
      ReflectApply(open, this, []);
      setLimits(this);
    };
    let isStoreGuarded = false;
    native.createTagStore = function (/** @type {any[]} */ ...args) {
      checkCall("createTagStore", true);
      const most = args[0];
      if (most !== undefined && !(NumberIsInteger(most) && most >= 1 && most <= MOST_KEPT)) {
        throw ObjectAssign(
          new RangeError(`A tag store keeps 1 to ${MOST_KEPT} statements`),
          { code: "ERR_OUT_OF_RANGE" },
        );
      }
      const store = ReflectApply(createTagStore, this, args);
      if (!isStoreGuarded) {
        isStoreGuarded = true;
        guard(ReflectGetPrototypeOf(store), ["all", "get", "iterate", "run"], true, (args) => {
          const parts = ArrayPrototypeMap(args[0], (/** @type {unknown} */ part) => `${part}`);
          for (const part of new SafeArrayIterator(parts)) checkSql(part);
          args[0] = ObjectAssign(parts, { raw: parts });
        });
        guard(ReflectGetPrototypeOf(store), ["clear"], true);
      }
      return store;
    };
    guard(exports.StatementSync.prototype, ["all", "get", "iterate", "run"], false, plainParameters);
    exports.DatabaseSync = new Proxy(exports.DatabaseSync, {
      __proto__: null,
      construct(/** @type {any} */ target, /** @type {any[]} */ args, /** @type {Function} */ newTarget) {
        // Node.js takes a URL as well.
        if (typeof args[0]?.href === "string") args[0] = core.loadExtScript("ext:deno_node/url.ts").fileURLToPath(args[0]);
        refusePipe("open", placeOf(args[0]));
        const timeout = args[1]?.timeout;
        if (typeof timeout === "number" && timeout > MOST_SECONDS * 1000) {
          args[1] = ObjectCreate(args[1], { __proto__: null, timeout: { __proto__: null, value: MOST_SECONDS * 1000, enumerable: true } });
        }
        const database = ReflectConstruct(target, args, newTarget);
        setLimits(database);
        return database;
      },
    });
    const { backup, DatabaseSync } = exports;
    exports.backup = function backup_(/** @type {any} */ source, /** @type {any} */ path, /** @type {any} */ options) {
      checkCall("backup", true);
      // One onto a file that is locked would try for ever.
      if (typeof path === "string" && ObjectPrototypeIsPrototypeOf(DatabaseSync.prototype, source)) {
        const target = new DatabaseSync(path);
        try {
          target.exec("BEGIN EXCLUSIVE; ROLLBACK");
        } catch (error) {
          return PromiseReject(error);
        } finally {
          target.close();
        }
      }
      return backup(source, path, calledOptions(options, ["progress"]));
    };
    ObjectDefineProperty(exports.backup, "name", { __proto__: null, value: "backup", configurable: true });
    return exports;
  },
});
