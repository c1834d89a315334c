// @ts-check
// `process.env`: the variables that the app was given, and NEXT_RUNTIME, which
// depends on the route on whose behalf code runs.
(function () {
const { core, primordials } = __bootstrap;
const { op_edgehost_env } = core.ops;
const { ObjectDefineProperty } = primordials;
const { current } = core.loadExtScript("ext:edgehost/10_scope.js");

function createEnv() {
  const env = op_edgehost_env();
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

return { createEnv, install };
})();
