// @ts-check
// What user code may ask native code for: no limit of the host can interrupt that.
(function () {
const { core, internals, primordials } = __bootstrap;
const {
  ArrayFrom,
  ArrayPrototype,
  Error,
  MapPrototypeDelete,
  MapPrototypeGet,
  MapPrototypeSet,
  MathCeil,
  MathMax,
  MathMin,
  Number,
  ObjectAssign,
  ObjectCreate,
  ObjectDefineProperty,
  ObjectGetOwnPropertyDescriptor,
  Promise,
  PromisePrototypeThen,
  PromiseReject,
  RangeError,
  ReflectApply,
  SafeArrayIterator,
  SafeMap,
  SafeMapIterator,
  SafeWeakMap,
  StringPrototype,
  StringPrototypeIndexOf,
  TypeError,
  WeakMapPrototypeSet,
} = primordials;

/** Sockets of the Node layer that are open. */
const open = { sockets: 0 };

/** Threads that an isolate may keep busy, as many as Node.js has by default. */
const THREADS = 4;
let busy = 0;
/**
 * What waits for a thread, as a chain: no accessor of an index comes between.
 * @typedef {{ start: () => void, next: Waiting | null }} Waiting
 */
/** @type {Waiting | null} */
let first = null;
/** @type {Waiting | null} */
let last = null;

/** Why nothing more may be opened, as `op_edgehost_room` says it. */
const FULL = [
  "",
  "this isolate has as many sockets open as --limit-sockets allows",
  "the process has few file descriptors left (ulimit -n raises their number)",
];

/**
 * An error if no more sockets, or files, may be opened.
 * @param {string} syscall @param {boolean} isSocket
 */
function roomError(syscall, isSocket) {
  const room = core.ops.op_edgehost_room(open.sockets, isSocket);
  if (room === 0) return undefined;
  // The Node layer recognizes errors of the system by their number.
  const number = isSocket ? "" : " (os error 24)";
  const error = new Error(`${syscall} EMFILE: ${FULL[room]}${number}`);
  return ObjectAssign(error, { code: "EMFILE", syscall });
}

/** Seconds of CPU time that one round of a key derivation takes at the least. */
const ROUND = 2e-7;

/** Seconds that finding a prime of so many bits takes on average. @param {number} bits */
function primeSeconds(bits) {
  return 0.02 * (bits / 1024) ** 4;
}

/**
 * Refuses work that would go on long after the CPU time of a request is used up.
 * @param {string} what @param {number} seconds
 */
function refuseLongWork(what, seconds) {
  const { 0: most } = core.ops.op_edgehost_ceilings();
  if (seconds > most) {
    const error = new RangeError(`${what} would take about ${MathCeil(seconds)} s of CPU time; a request has ${most} s`);
    throw ObjectAssign(error, { code: "ERR_OUT_OF_RANGE" });
  }
}

/**
 * Starts work of another thread when one is free, in the async context of now. What still
 * waits ends with the isolate.
 * @param {() => void} start
 */
function whenFree(start) {
  if (busy < THREADS) {
    busy++;
    start();
    return;
  }
  const context = core.getAsyncContext();
  const inContext = () => {
    const before = core.getAsyncContext();
    core.setAsyncContext(context);
    try {
      start();
    } finally {
      core.setAsyncContext(before);
    }
  };
  /** @type {any} */
  const link = { __proto__: null, start: inContext, next: null };
  if (last === null) first = link;
  else last.next = link;
  last = link;
}

/** Work of another thread is done. */
function free() {
  const link = first;
  if (link === null) {
    busy--;
    return;
  }
  first = link.next;
  if (first === null) last = null;
  link.start();
}

/**
 * Refuses a result that does not fit into an isolate.
 * @param {string} what @param {number} bytes
 */
function refuseLargeResult(what, bytes) {
  const { 1: most } = core.ops.op_edgehost_ceilings();
  if (bytes > most) {
    const error = new RangeError(`${what} takes ${bytes} bytes; an isolate has ${most}`);
    throw ObjectAssign(error, { code: "ERR_OUT_OF_RANGE" });
  }
}

/**
 * Options whose numbers are read once: a getter has no second answer.
 * @param {any} options @param {string[]} names
 */
function pinned(options, names) {
  if (typeof options !== "object" || options === null) return options;
  /** @type {any} */
  const values = { __proto__: null };
  for (const name of new SafeArrayIterator(names)) {
    const value = options[name];
    if (value !== undefined) values[name] = { __proto__: null, value, enumerable: true };
  }
  return ObjectCreate(options, values);
}

/**
 * Puts checks before functions of WebCrypto, which work on another thread for as long
 * as it takes.
 * @param {any} prototype
 */
function guardWebCrypto(prototype) {
  /** @param {string} name @param {string} option @param {(value: number, length: unknown) => void} check */
  const guard = (name, option, check) => {
    const original = prototype[name];
    const guarded = /** @type {any} */ ({ /** @this {unknown} */ [name](/** @type {any[]} */ ...args) {
      let isLong = false;
      try {
        const given = typeof args[0] === "object" ? args[0]?.[option] : undefined;
        if (given !== undefined) {
          const value = Number(given);
          check(value, args[2]);
          isLong = true;
          args[0] = ObjectCreate(args[0], { __proto__: null, [option]: { __proto__: null, value, enumerable: true } });
        }
      } catch (error) {
        return PromiseReject(error);
      }
      if (!isLong) return ReflectApply(original, this, args);
      return new Promise((/** @type {any} */ resolve, /** @type {any} */ reject) =>
        whenFree(() =>
          PromisePrototypeThen(
            ReflectApply(original, this, args),
            (/** @type {unknown} */ value) => {
              free();
              resolve(value);
            },
            (/** @type {unknown} */ error) => {
              free();
              reject(error);
            },
          )
        )
      );
    } })[name];
    for (const key of new SafeArrayIterator(["name", "length"])) {
      ObjectDefineProperty(guarded, key, /** @type {any} */ (ObjectGetOwnPropertyDescriptor(original, key)));
    }
    prototype[name] = guarded;
  };
  const derive = (/** @type {number} */ iterations, /** @type {unknown} */ length) => {
    const bits = typeof length === "number" ? length : 0;
    refuseLargeResult("A key of this length", bits / 8);
    refuseLongWork(`PBKDF2 with ${iterations} iterations`, iterations * MathMax(1, MathCeil(bits / 256)) * ROUND);
  };
  guard("deriveBits", "iterations", derive);
  guard("deriveKey", "iterations", (iterations) => derive(iterations, 0));
  guard("generateKey", "modulusLength", (bits) => refuseLongWork(`A key of ${bits} bits`, primeSeconds(bits)));
}

/** Most header lines of one message. */
const MOST_HEADERS = 10000;

/** Native code has no room for more. @param {number} count */
function refuseManyHeaders(count) {
  if (count > MOST_HEADERS) throw new TypeError(`The request has ${count} headers; at most ${MOST_HEADERS} can be sent`);
}

/** The number of a WebSocket that is there. @param {unknown} rid */
function webSocket(rid) {
  if (typeof rid === "number" && core.ops.op_edgehost_is_web_socket(rid)) return rid;
  throw new Error("The WebSocket is closed");
}

/** Bytes that native code can make a value of again. @param {Uint8Array} bytes */
function sound(bytes) {
  if (core.ops.op_edgehost_is_sound_clone(bytes)) return bytes;
  const { DOMException } = core.loadExtScript("ext:deno_web/01_dom_exception.js");
  throw new DOMException("An object of an unknown kind could not be cloned.", "DataCloneError");
}

/** A copy of a value. @param {unknown} value */
function cloned(value) {
  return core.deserialize(sound(core.serialize(roomy(value))), { __proto__: null, deserializers: core.getCloneableDeserializers() });
}

/** Most parts of one list: for more, V8 ends the process on purpose. */
const MOST_PARTS = 2 ** 27 - 64;

/** Bytes that a list takes for a part. */
const PART = 8;

/** Where nothing can have too many parts. */
const FEW = 2 ** 22;

/** Parts that a list in the memory of an isolate can have. */
function mostParts() {
  const { 1: memory } = core.ops.op_edgehost_ceilings();
  return MathMin(MOST_PARTS, memory / PART);
}

/** @param {string} what */
function refuseParts(what) {
  throw ObjectAssign(new RangeError(`${what} would make a list that is too long`), { code: "ERR_OUT_OF_RANGE" });
}

/** @param {string} text @param {unknown} separator */
function checkSplit(text, separator) {
  const most = mostParts();
  if (text.length > most && typeof separator === "string") {
    let count = 0;
    // The separator may be empty.
    for (let at = 0; at !== -1; at = StringPrototypeIndexOf(text, separator, at + (separator.length || 1))) {
      if (++count > most) refuseParts("split()");
    }
  } else if (text.length > MOST_PARTS) {
    refuseParts("split()");
  }
}

/** Puts bounds before built-ins in which V8 would end the process. */
function guardLists() {
  /** @param {any} prototype @param {any} methods each made of the one it replaces */
  const replace = (prototype, methods) => {
    for (const name in methods) {
      const found = /** @type {any} */ (ObjectGetOwnPropertyDescriptor(prototype, name));
      ObjectDefineProperty(prototype, name, { __proto__: null, ...found, value: methods[name](found.value)[name] });
    }
  };
  /** @param {any} original */
  const bounded = (original) => ({
    /** @this {any} */
    match(/** @type {unknown} */ pattern) {
      if (typeof this === "string" && this.length > MOST_PARTS) refuseParts("match()");
      return ReflectApply(original, this, [pattern]);
    },
    /** @this {any} */
    replace(/** @type {unknown} */ pattern, /** @type {unknown} */ replacement) {
      if (typeof this === "string" && this.length > MOST_PARTS) refuseParts("replace()");
      return ReflectApply(original, this, [pattern, replacement]);
    },
    /** @this {any} */
    split(/** @type {unknown} */ separator, /** @type {unknown} */ limit) {
      if (typeof this === "string" && this.length > FEW && limit === undefined) checkSplit(this, separator);
      return ReflectApply(original, this, [separator, limit]);
    },
    /** @this {any} */
    sort(/** @type {unknown} */ compare) {
      if (isTooLong(this)) refuseParts("sort()");
      return ReflectApply(original, this, [compare]);
    },
    /** @this {any} */
    toSorted(/** @type {unknown} */ compare) {
      if (isTooLong(this)) refuseParts("toSorted()");
      return ReflectApply(original, this, [compare]);
    },
  });
  const isTooLong = (/** @type {any} */ list) =>
    typeof list === "object" && list !== null && list.length > FEW && list.length > mostParts();
  replace(StringPrototype, { __proto__: null, match: bounded, replace: bounded, split: bounded });
  replace(ArrayPrototype, { __proto__: null, sort: bounded, toSorted: bounded });
}

/** Characters up to which native code takes a text as it is. */
const LARGE = 2 ** 20;

/**
 * A text that native code may copy: there is room for it, else the turn ends.
 * @template T @param {T} text @returns {T}
 */
function roomy(text) {
  if (typeof text === "string" && text.length > LARGE) core.ops.op_edgehost_need_text(text);
  return text;
}

/** The bytes of a text, if there is room for them. @param {string} text */
function encode(text) {
  return text.length > LARGE ? core.ops.op_edgehost_encode(text) : core.encode(text);
}

/** Characters of a text that the log shows at the most. */
const SHOWN = 2 ** 17;

/** Arguments of `console`, of which the log shows the beginning. @param {unknown[]} args */
function shortened(args) {
  for (let i = 0; i < args.length; i++) {
    const text = args[i];
    if (typeof text === "string" && text.length > LARGE) args[i] = core.ops.op_edgehost_prefix(text, SHOWN);
  }
  return args;
}

/** Names and values of search parameters that there is room for. @param {[string, string][]} list */
function roomyPairs(list) {
  for (let i = 0; i < list.length; i++) {
    roomy(list[i][0]);
    roomy(list[i][1]);
  }
  return list;
}

/** Bytes that a socket may have to send before it is looked at, and after that again. */
const UNSENT = 2 ** 18;

/** Sockets with more, and how much that was when they were looked at. */
const slow = new SafeMap();

/** @param {number} socket */
function unsentBy(socket) {
  try {
    return core.ops.op_ws_get_buffered_amount(socket);
  } catch {
    return 0; // It is closed.
  }
}

/** Ends the turn if there is no room for what the other ends of sockets do not take. @param {number} socket */
function sending(socket) {
  const unsent = unsentBy(socket);
  if (unsent < UNSENT || unsent < (MapPrototypeGet(slow, socket) ?? 0) + UNSENT) return;
  MapPrototypeSet(slow, socket, unsent);
  let all = 0;
  for (const other of new SafeArrayIterator(ArrayFrom(new SafeMapIterator(slow)))) {
    const now = unsentBy(other[0]);
    all += now;
    if (now < UNSENT) MapPrototypeDelete(slow, other[0]);
  }
  core.ops.op_edgehost_need_memory(all);
}

/** What native code keeps for an object, as long as the object is there. */
const weights = new SafeWeakMap();

/** @param {object} target @param {number} bytes */
function weigh(target, bytes) {
  WeakMapPrototypeSet(weights, target, core.ops.op_edgehost_weight(bytes));
}

/** @param {object} stream a CompressionStream @param {string} format */
function weighCompressor(stream, format) {
  weigh(stream, format === "brotli" ? 2 ** 20 : 320 * 1024);
}

/** Has messages counted that nobody has taken yet. */
function countMessages() {
  const { ops } = core;
  ops.op_message_port_create_entangled = ops.op_edgehost_create_entangled;
  ops.op_message_port_post_message = ops.op_edgehost_post_message;
  ops.op_message_port_post_message_raw = ops.op_edgehost_post_message_raw;
  ops.op_message_port_recv_message = ops.op_edgehost_recv_message;
  ops.op_message_port_recv_message_sync = ops.op_edgehost_recv_message_sync;
}

/** As `roomError`, thrown. @param {string} syscall @param {boolean} isSocket */
function needRoom(syscall, isSocket) {
  const full = roomError(syscall, isSocket);
  if (full !== undefined) throw full;
}

return {
  LARGE,
  ROUND,
  cloned,
  countMessages,
  encode,
  free,
  guardLists,
  guardWebCrypto,
  needRoom,
  open,
  pinned,
  primeSeconds,
  refuseLargeResult,
  refuseLongWork,
  refuseManyHeaders,
  roomError,
  roomy,
  roomyPairs,
  sending,
  shortened,
  sound,
  webSocket,
  weigh,
  weighCompressor,
  whenFree,
};
})();
