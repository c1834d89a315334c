// @ts-check
// The request scope: what belongs to the request on whose behalf code runs.
//
// It rides in V8's continuation-preserved embedder data, which follows
// promises; deno_web's timers carry it along. User storages built on
// `core.AsyncVariable` copy the entries of the frame that they extend.
(function () {
const { core, primordials } = __bootstrap;
const { getAsyncContext, setAsyncContext } = core;
const { Error, ObjectDefineProperty, ObjectSetPrototypeOf, SafeMap, MapPrototypeDelete, MapPrototypeGet, MapPrototypeSet, Symbol } =
  primordials;
const { op_edgehost_watch_end } = core.ops;

/** Key of the scope in a frame; the host looks for it when a limit fires. */
const kScope = Symbol("edgehost.scope");

/** Scopes that want to know how their request ended, by handle. */
const watching = new SafeMap();

/** Phases of an invocation. */
const HANDLER = 0;
const ANSWERED = 1;

/** What the host says of a request whose end is asked for. */
const OVER = 0;
const LEFT = 2;

/** In the order of `Method` in the host's route table. */
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"];

class Scope {
  handle;
  route;
  /** Its place among `METHODS`. */
  method;
  phase = HANDLER;
  /** @type {any} */
  request = null;
  /** Names and values of the headers, once they are to stay readable. @type {string[] | null} */
  head = null;
  /** @type {any} */
  cookies = null;
  /** @type {any} */
  headers = null;
  /** @type {any} */
  draft = null;
  /** @type {AbortController | null} */
  abort = null;
  /** The first and the last of a chain. @type {any} */
  after = null;
  /** @type {((reason: unknown) => void) | null} */
  cancelBody = null;
  /** Requests of `fetch` that have no answer yet, by resource. @type {Set<number> | null} */
  fetches = null;
  /** What the program gave along with the request, once somebody asked. @type {any} */
  given = null;
  /** Whether work goes on when the answer is out. */
  outlives = false;
  watched = false;
  /** Whether the answer has been sent, or was given up. */
  over = false;
  /** Whether the client has left, though it may still read an answer. */
  left = false;

  /**
   * @param {number} handle
   * @param {import("./internal").Route} route
   * @param {number} method
   */
  constructor(handle, route, method) {
    this.handle = handle;
    this.route = route;
    this.method = method;
  }
}

class Frame {
  /** @param {Scope} scope */
  constructor(scope) {
    /** @type {any} */ (this)[kScope] = scope;
  }
}
ObjectSetPrototypeOf(Frame.prototype, null);

/**
 * A list to be filled by `list[list.length] = value`: no accessor that user code puts on
 * a prototype, as under the name 0, comes between. `push` would call it.
 * @returns {any[]}
 */
function bareList() {
  return ObjectSetPrototypeOf([], null);
}

/** Adds to an ordinary list, for those who need one. @param {unknown[]} list @param {unknown} value */
function append(list, value) {
  ObjectDefineProperty(list, list.length, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
}

/** @returns {Scope | undefined} */
function current() {
  return getAsyncContext()?.[kScope];
}

/**
 * The scope, or the error that Next.js gives outside of one.
 * @param {string} api
 * @returns {Scope}
 */
function required(api) {
  const scope = current();
  if (scope === undefined) {
    throw new Error(
      `\`${api}\` was called outside a request scope. Read more: https://nextjs.org/docs/messages/next-dynamic-api-wrong-context`,
    );
  }
  return scope;
}

/** @param {Scope} scope */
function enter(scope) {
  setAsyncContext(new Frame(scope));
}

function leave() {
  setAsyncContext(undefined);
}

/**
 * Asks the host to call `ended` for this scope. Tells whether it will: not where the
 * request is over.
 * @param {Scope} scope
 */
function watch(scope) {
  if (scope.over) return false;
  if (scope.watched) return true;
  const state = op_edgehost_watch_end(scope.handle);
  if (state === OVER) {
    scope.over = true;
    return false;
  }
  scope.left = state === LEFT;
  scope.watched = true;
  MapPrototypeSet(watching, scope.handle, scope);
  return true;
}

/**
 * The scope, if somebody asked for its end.
 * @param {number} handle
 * @returns {Scope | undefined}
 */
function watched(handle) {
  return MapPrototypeGet(watching, handle);
}

/**
 * @param {number} handle
 * @returns {Scope | undefined}
 */
function unwatch(handle) {
  const scope = MapPrototypeGet(watching, handle);
  MapPrototypeDelete(watching, handle);
  if (scope !== undefined) scope.over = true;
  return scope;
}

return { ANSWERED, HANDLER, METHODS, Scope, append, bareList, current, enter, kScope, leave, required, unwatch, watch, watched };
})();
