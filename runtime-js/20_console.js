// @ts-check
// `console` and reports of uncaught errors, on their way to the host's log.
(function () {
const { core, internals, primordials } = __bootstrap;
const { op_edgehost_log, op_edgehost_log_rejection, op_edgehost_prefix } = core.ops;
const {
  ArrayIsArray,
  ArrayPrototypeFilter,
  ArrayPrototypeIncludes,
  ArrayPrototypeJoin,
  ArrayPrototypeSlice,
  ErrorPrototype,
  ObjectDefineProperty,
  ObjectGetOwnPropertyNames,
  ObjectPrototypeIsPrototypeOf,
  ObjectPrototypePropertyIsEnumerable,
  ReflectHas,
  SafeArrayIterator,
  SafeSet,
  SafeWeakMap,
  SafeWeakSet,
  SetPrototypeAdd,
  SetPrototypeGetSize,
  SetPrototypeHas,
  StringPrototypeIncludes,
  StringPrototypeSplit,
  StringPrototypeStartsWith,
  StringPrototypeTrimStart,
  WeakMapPrototypeGet,
  WeakMapPrototypeSet,
  WeakSetPrototypeAdd,
  WeakSetPrototypeHas,
} = primordials;
const { Console, inspect } = core.loadExtScript("ext:deno_web/01_console.js");
const { append, current } = core.loadExtScript("ext:edgehost/10_scope.js");

const ERROR = 3;
const UNCAUGHT = 4;

/** How the report of a rejection begins that nobody handles. */
const REJECTED = "Uncaught (in promise) ";

/** Longest text that is handed over: the log would cut it anyway. */
const MOST_TEXT = 128 * 1024;

/** @param {string} text */
function bounded(text) {
  if (text.length <= MOST_TEXT) return text;
  // A slice would make one piece of all of the text first.
  return `${op_edgehost_prefix(text, MOST_TEXT)} ... ${text.length - MOST_TEXT} more characters`;
}

/** @param {number} level @param {string} text */
function log(level, text) {
  op_edgehost_log(level, current()?.handle ?? -1, bounded(text));
}

/**
 * A value as it stands in the log. Whatever is hostile about it is its own trouble.
 * @param {unknown} value @param {object} [options]
 */
function show(value, options) {
  try {
    return inspect(value, options);
  } catch {
    return "[a value that throws while it is printed]";
  }
}

/** @param {any} object @param {string | number} key */
function read(object, key) {
  try {
    return object[key];
  } catch {
    return undefined;
  }
}

/** @param {unknown} value */
function isError(value) {
  try {
    return core.isNativeError(value) || ObjectPrototypeIsPrototypeOf(ErrorPrototype, value);
  } catch {
    return false;
  }
}

/** Bounds of one report: errors of a chain of causes, frames and properties of each. */
const MOST_ERRORS = 16;
const MOST_FRAMES = 32;
const MOST_PROPERTIES = 32;

/** Properties that the text of an error has anyway. */
const TOLD = new SafeSet(["name", "message", "stack", "cause", "errors"]);

/** @param {string} text @param {string} indent */
function indented(text, indent) {
  return ArrayPrototypeJoin(StringPrototypeSplit(text, "\n"), `\n${indent}`);
}

/** @param {string} line */
function isFrame(line) {
  return StringPrototypeStartsWith(StringPrototypeTrimStart(line), "at ");
}

/**
 * Name and message of an error, and the lines of its stack.
 * @param {unknown} error
 * @returns {{ head: string, message: string, frames: string[] }}
 */
function partsOf(error) {
  const name = read(error, "name");
  const message = read(error, "message");
  // V8 makes it of the message, several times over.
  const stack = typeof message === "string" && message.length > MOST_TEXT ? "" : read(error, "stack");
  const shownName = typeof name === "string" ? bounded(name) : "Error";
  const shownMessage = bounded(typeof message === "string" ? message : show(message));
  const text = shownMessage === "" ? shownName : shownName === "" ? shownMessage : `${shownName}: ${shownMessage}`;
  if (typeof stack !== "string" || stack === "") return { head: text, message: shownMessage, frames: [] };
  const lines = StringPrototypeSplit(stack, "\n");
  let start = 0;
  while (start < lines.length && !isFrame(lines[start])) start++;
  const own = ArrayPrototypeJoin(ArrayPrototypeSlice(lines, 0, start), "\n");
  const frames = ArrayPrototypeFilter(ArrayPrototypeSlice(lines, start), isFrame);
  // The stack is made when the error is; a message that was changed later counts.
  const head = StringPrototypeIncludes(own, shownMessage) && own !== "" ? own : text;
  return { head, message: shownMessage, frames: ArrayPrototypeSlice(frames, 0, MOST_FRAMES) };
}

/** What else an error has, such as `code`. @param {any} error */
function propertiesOf(error) {
  try {
    /** @type {any} */
    const properties = {}; // Ordinary: one without a prototype is printed as such.
    let count = 0;
    for (const name of new SafeArrayIterator(ObjectGetOwnPropertyNames(error))) {
      if (SetPrototypeHas(TOLD, name) || !ObjectPrototypePropertyIsEnumerable(error, name)) continue;
      if (++count > MOST_PROPERTIES) break;
      ObjectDefineProperty(properties, name, { __proto__: null, value: read(error, name), enumerable: true });
    }
    return count === 0 ? "" : ` ${show(properties, { __proto__: null, depth: 2 })}`;
  } catch {
    return "";
  }
}

/**
 * An error with its stack, its properties, the errors that it stands for and the chain
 * of its causes. Nothing is told twice.
 * @param {unknown} error
 * @param {any} seen
 */
function describe(error, seen) {
  /** @type {string[]} */
  const lines = [];
  let label = "";
  /** @type {{ message: string, frames: string[] } | undefined} */
  let outer;
  for (let cause = error; lines.length === 0 || cause !== undefined; cause = read(cause, "cause")) {
    if (!isError(cause)) {
      append(lines, label + show(cause));
      break;
    }
    if (SetPrototypeHas(seen, cause)) {
      append(lines, `${label}[an error that is told above]`);
      break;
    }
    if (SetPrototypeGetSize(seen) >= MOST_ERRORS) {
      append(lines, `${label}[more errors]`);
      break;
    }
    SetPrototypeAdd(seen, cause);
    const parts = partsOf(cause);
    if (outer === undefined || !saysAllOf(outer, parts)) {
      outer = parts;
      append(lines, label + parts.head);
      for (const frame of new SafeArrayIterator(parts.frames)) append(lines, frame);
      lines[lines.length - 1] += propertiesOf(cause);
    }
    label = "  caused by: ";
    const errors = read(cause, "errors");
    if (!isArray(errors)) continue;
    const { length } = errors;
    let i = 0;
    for (; i < length && i < MOST_ERRORS && SetPrototypeGetSize(seen) < MOST_ERRORS; i++) {
      const text = `${i + 1} of ${length}: ${describe(read(errors, i), seen)}`;
      append(lines, `  ${indented(text, "  ")}`);
    }
    if (i < length) append(lines, `  and ${length - i} more`);
  }
  return ArrayPrototypeJoin(lines, "\n");
}

/**
 * Whether an error has the message of its cause, and comes from the same place.
 * @param {{ message: string, frames: string[] }} outer
 * @param {{ message: string, frames: string[] }} cause
 */
function saysAllOf(outer, cause) {
  if (cause.message === "" || !StringPrototypeIncludes(outer.message, cause.message)) return false;
  for (const frame of new SafeArrayIterator(cause.frames)) {
    if (!ArrayPrototypeIncludes(outer.frames, frame)) return false;
  }
  return true;
}

/** @param {unknown} value @returns {value is unknown[]} */
function isArray(value) {
  try {
    return ArrayIsArray(value);
  } catch {
    return false;
  }
}

/** Errors that are in the log already. */
const reported = new SafeWeakSet();

/** @param {object} error */
function markReported(error) {
  WeakSetPrototypeAdd(reported, error);
}

/** The request for which an error was told last: one that comes up twice is told once. */
const told = new SafeWeakMap();

/**
 * Tells the log of an error. Never throws.
 * @param {string} prefix @param {unknown} error @param {number} [handle]
 */
function report(prefix, error, handle) {
  const by = handle ?? current()?.handle ?? -1;
  if (typeof error === "object" && error !== null) {
    if (WeakSetPrototypeHas(reported, error) || (by >= 0 && WeakMapPrototypeGet(told, error) === by)) return;
    WeakMapPrototypeSet(told, error, by);
  }
  let text;
  try {
    text = describe(error, new SafeSet());
  } catch {
    text = show(error);
  }
  if (prefix === REJECTED) op_edgehost_log_rejection(by, bounded(prefix + text), error);
  else op_edgehost_log(UNCAUGHT, by, bounded(prefix + text));
}

function install() {
  const console = new Console((/** @type {string} */ text, /** @type {number} */ level) => {
    // Deno prints what `console.trace` has to say one level above errors, in two parts.
    if (level > ERROR && text === "\n") return;
    log(level > ERROR ? ERROR : level, text);
  });
  // Methods that only V8's console has reach the inspector.
  const { v8Console } = internals.edgehost;
  for (const name of new SafeArrayIterator(ObjectGetOwnPropertyNames(v8Console))) {
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

return { REJECTED, describe, install, log, markReported, report, show };
})();
