// @ts-check
// `console` and reports of uncaught errors, on their way to the host's log.
(function () {
const { core, internals, primordials } = __bootstrap;
const { op_edgehost_log } = core.ops;
const { ObjectDefineProperty, ObjectGetOwnPropertyNames, ReflectHas, SafeArrayIterator, SafeWeakSet, WeakSetPrototypeAdd, WeakSetPrototypeHas } = primordials;
const { Console, inspect } = core.loadExtScript("ext:deno_web/01_console.js");
const { current } = core.loadExtScript("ext:edgehost/10_scope.js");

const ERROR = 3;
const UNCAUGHT = 4;

/** @param {number} level @param {string} text */
function log(level, text) {
  op_edgehost_log(level, current()?.handle ?? -1, text);
}

/**
 * A value as it stands in the log: errors with stack, cause and own properties.
 * @param {unknown} value
 */
function show(value) {
  try {
    return inspect(value);
  } catch {
    return "[a value that throws while it is printed]";
  }
}

/** Errors that are in the log already. */
const reported = new SafeWeakSet();

/** @param {object} error */
function markReported(error) {
  WeakSetPrototypeAdd(reported, error);
}

/** @param {string} prefix @param {unknown} error @param {number} [handle] */
function report(prefix, error, handle) {
  if (typeof error === "object" && error !== null && WeakSetPrototypeHas(reported, error)) return;
  op_edgehost_log(UNCAUGHT, handle ?? current()?.handle ?? -1, prefix + show(error));
}

function install() {
  const console = new Console((/** @type {string} */ text, /** @type {number} */ level) => {
    // Deno prints what `console.trace` has to say one level above errors, in two parts.
    if (level > ERROR && text === "\n") return;
    log(level > ERROR ? ERROR : level, text);
  });
  // Methods that only V8's console has reach the inspector.
  const { v8Console } = internals.edgehost;
  for (const name of ObjectGetOwnPropertyNames(v8Console)) {
    if (!ReflectHas(console, name)) {
      ObjectDefineProperty(console, name, {
        __proto__: null,
        value: v8Console[name],
        writable: true,
        enumerable: true,
        configurable: true,
      });
    }
  }
  // It would have the name of `group`.
  const { group } = console;
  console.groupCollapsed = { groupCollapsed: (/** @type {unknown[]} */ ...label) => group(...new SafeArrayIterator(label)) }
    .groupCollapsed;
  ObjectDefineProperty(globalThis, "console", {
    __proto__: null,
    value: console,
    writable: true,
    enumerable: false,
    configurable: true,
  });
}

return { install, log, markReported, report, show };
})();
