// @ts-check
// `globalThis.AsyncLocalStorage` of the web layer, which Next.js puts there in both of
// its runtimes. The Node layer has the class of `node:async_hooks` in its place.
(function () {
const { core, primordials } = __bootstrap;
const { AsyncVariable, getAsyncContext, setAsyncContext } = core;
const { ObjectAssign, ObjectDefineProperty, ReflectApply, SafeArrayIterator, Symbol, TypeError } = primordials;

/** Stands for `undefined` where that was set, which is no reason to take the default. */
const NOTHING = Symbol("nothing");

/** @param {unknown} value @param {string} name */
function needFunction(value, name) {
  if (typeof value !== "function") {
    throw ObjectAssign(new TypeError(`The "${name}" argument must be of type function`), { code: "ERR_INVALID_ARG_TYPE" });
  }
}

/**
 * Calls a function in an async context, and comes back out of it.
 * @param {unknown} context @param {any} callback @param {unknown} self @param {unknown[]} args
 */
function callIn(context, callback, self, args) {
  const before = getAsyncContext();
  setAsyncContext(context);
  try {
    return ReflectApply(callback, self, args);
  } finally {
    setAsyncContext(before);
  }
}

class AsyncLocalStorage {
  #variable = new AsyncVariable();
  #name;
  #default;

  /** @param {{ defaultValue?: unknown, name?: string }} [options] */
  constructor(options = /** @type {any} */ ({ __proto__: null })) {
    if (typeof options !== "object" || options === null) {
      throw ObjectAssign(new TypeError('The "options" argument must be of type object'), { code: "ERR_INVALID_ARG_TYPE" });
    }
    this.#default = options.defaultValue;
    this.#name = options.name === undefined ? "" : `${options.name}`;
  }

  /** A function that is called in the async context of now. @param {any} fn */
  static bind(fn) {
    needFunction(fn, "fn");
    const context = getAsyncContext();
    /** @this {unknown} @param {unknown[]} args */
    function bound(...args) {
      return callIn(context, fn, this, args);
    }
    ObjectDefineProperty(bound, "length", { __proto__: null, value: fn.length, configurable: true });
    return bound;
  }

  /** A function that calls others in the async context of now. */
  static snapshot() {
    const context = getAsyncContext();
    return (/** @type {any} */ fn, /** @type {unknown[]} */ ...args) => callIn(context, fn, undefined, args);
  }

  get name() {
    return this.#name;
  }

  getStore() {
    const store = this.#variable.get();
    return store === undefined ? this.#default : store === NOTHING ? undefined : store;
  }

  /** @param {unknown} store */
  enterWith(store) {
    this.#variable.enter(store === undefined ? NOTHING : store);
  }

  /** @param {unknown} store @param {any} callback @param {unknown[]} args */
  run(store, callback, ...args) {
    const before = this.#variable.enter(store === undefined ? NOTHING : store);
    try {
      return ReflectApply(callback, null, args);
    } finally {
      setAsyncContext(before);
    }
  }

  /** @param {any} callback @param {unknown[]} args */
  exit(callback, ...args) {
    return this.run(undefined, callback, ...new SafeArrayIterator(args));
  }

  disable() {
    this.enterWith(undefined);
  }
}

return { AsyncLocalStorage };
})();
