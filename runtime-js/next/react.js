// @ts-check
// What `react` has for server code beside what is installed: `cache` with a memory for
// each request, and marks on values that are not for the client.
(function () {
const { core, primordials } = __bootstrap;
const {
  ArrayBufferIsView,
  Error,
  ReflectApply,
  SafeArrayIterator,
  SafeMap,
  SafeWeakMap,
} = primordials;
const { current } = core.loadExtScript("ext:edgehost/10_scope.js");

const OPEN = 0;
const RETURNED = 1;
const THROWN = 2;

/** What is known of the arguments up to here. */
class Node {
  state = OPEN;
  /** @type {unknown} */
  value = undefined;
  /** By the next argument: objects are not kept alive, and other values are compared. */
  objects = null;
  values = null;

  /** @param {unknown} argument @returns {Node} */
  next(argument) {
    const isObject = typeof argument === "function" || typeof argument === "object" && argument !== null;
    /** @type {any} */
    const nodes = isObject ? this.objects ??= new SafeWeakMap() : this.values ??= new SafeMap();
    let node = nodes.get(argument);
    if (node === undefined) nodes.set(argument, node = new Node());
    return node;
  }
}

/** The memory of each request: nodes by function. It goes with the request. */
const memories = new SafeWeakMap();

/**
 * A function that does its work once for the same arguments in each request. Outside of
 * requests it does it every time.
 * @param {any} fn
 */
function cache(fn) {
  return function (/** @type {unknown[]} */ ...args) {
    const scope = current();
    if (scope === undefined) return ReflectApply(fn, null, args);
    let memory = memories.get(scope);
    if (memory === undefined) memories.set(scope, memory = new SafeWeakMap());
    let node = memory.get(fn);
    if (node === undefined) memory.set(fn, node = new Node());
    for (const argument of new SafeArrayIterator(args)) node = node.next(argument);
    if (node.state === RETURNED) return node.value;
    if (node.state === THROWN) throw node.value;
    try {
      const value = ReflectApply(fn, null, args);
      node.state = RETURNED;
      return node.value = value;
    } catch (error) {
      node.state = THROWN;
      node.value = error;
      throw error;
    }
  };
}

// React refuses to hand what is marked to components of the client. A route handler has
// none: what is left to do is to look at the arguments, as React does.

/** @param {unknown} _message @param {unknown} object */
function experimental_taintObjectReference(_message, object) {
  if (typeof object === "string" || typeof object === "bigint") {
    throw new Error("taintObjectReference marks objects and functions; for text and numbers there is taintUniqueValue");
  }
  if (typeof object !== "function" && (typeof object !== "object" || object === null)) {
    throw new Error("taintObjectReference marks objects and functions");
  }
}

/** @param {unknown} _message @param {unknown} lifetime @param {unknown} value */
function experimental_taintUniqueValue(_message, lifetime, value) {
  if (typeof lifetime !== "function" && (typeof lifetime !== "object" || lifetime === null)) {
    throw new Error("taintUniqueValue needs an object for as long as which the value is marked");
  }
  if (typeof value === "string" || typeof value === "bigint" || ArrayBufferIsView(value)) return;
  if (typeof value === "function" || typeof value === "object" && value !== null) {
    throw new Error("taintUniqueValue marks no objects and functions; for them there is taintObjectReference");
  }
  throw new Error(`taintUniqueValue cannot mark ${value === null ? "null" : `a ${typeof value}`}: others have the same value`);
}

return {
  cache,
  experimental_taintObjectReference,
  experimental_taintUniqueValue,
};
})();
