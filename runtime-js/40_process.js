// @ts-check
// `process.env`: the variables that the app was given, and NEXT_RUNTIME, which
// depends on the route on whose behalf code runs. Globals that most apps never touch.
(function () {
const { core, primordials } = __bootstrap;
const { op_edgehost_env } = core.ops;
const { ObjectDefineProperty } = primordials;
const { current } = core.loadExtScript("ext:edgehost/10_scope.js");
const { setZone } = core.loadExtScript("ext:edgehost/15_zone.js");

let hasZone = false;

function createEnv() {
  const env = op_edgehost_env();
  if (!hasZone) {
    hasZone = true;
    setZone(env.TZ);
  }
  ObjectDefineProperty(env, "NEXT_RUNTIME", {
    __proto__: null,
    get: () => current()?.route.runtime ?? "nodejs",
    set(/** @type {unknown} */ value) {
      ObjectDefineProperty(env, "NEXT_RUNTIME", {
        __proto__: null,
        value,
        writable: true,
        enumerable: true,
        configurable: true,
      });
    },
    enumerable: true,
    configurable: true,
  });
  return env;
}

/** @param {string} name of a global @param {unknown} value @param {boolean} [enumerable] */
function place(name, value, enumerable = false) {
  ObjectDefineProperty(globalThis, name, { __proto__: null, value, writable: true, enumerable, configurable: true });
}

/**
 * A global that is loaded when it is first read and can be overwritten.
 * @param {string} name @param {() => unknown} read @param {boolean} [enumerable]
 */
function define(name, read, enumerable = false) {
  const settle = (/** @type {unknown} */ value) => {
    place(name, value, enumerable);
    return value;
  };
  ObjectDefineProperty(globalThis, name, {
    __proto__: null,
    get: () => settle(read()),
    set: settle,
    enumerable,
    configurable: true,
  });
}

/** For apps that use nothing else of `process`. */
function install() {
  ObjectDefineProperty(globalThis, "process", {
    __proto__: null,
    value: { env: createEnv() },
    writable: true,
    enumerable: false,
    configurable: true,
  });
}

return { createEnv, define, install, place };
})();
