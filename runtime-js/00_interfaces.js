// @ts-check
// What Web IDL says of interfaces and their members, where the scripts of the Deno
// crates have it otherwise.
(function () {
const { core, primordials } = __bootstrap;
const {
  ObjectDefineProperties,
  ObjectDefineProperty,
  ObjectGetOwnPropertyDescriptor,
  ObjectGetOwnPropertyDescriptors,
  ObjectGetPrototypeOf,
  ObjectHasOwn,
  ObjectKeys,
  ObjectSetPrototypeOf,
  ReflectOwnKeys,
  SafeArrayIterator,
  StringPrototypeSlice,
  SymbolToStringTag,
} = primordials;
const webidl = core.loadExtScript("ext:deno_webidl/00_webidl.js");

/** How many arguments a function needs, where it says otherwise. @type {Record<string, any>} */
const LENGTHS = {
  __proto__: null,
  AbortController: { abort: 0 },
  EventTarget: { addEventListener: 2, removeEventListener: 2 },
  FormData: { constructor: 0, append: 2, set: 2 },
  MessageEvent: { constructor: 1 },
  MessagePort: { close: 0 },
  PromiseRejectionEvent: { constructor: 2 },
  URLPattern: { constructor: 0, exec: 0, test: 0 },
};

/** @param {Function} method @param {number} value */
function setLength(method, value) {
  ObjectDefineProperty(method, "length", { __proto__: null, value, configurable: true });
}

/** @param {Function | undefined} accessor @param {string} name */
function setName(accessor, name) {
  if (accessor !== undefined && accessor.name !== name) {
    ObjectDefineProperty(accessor, "name", { __proto__: null, value: name, configurable: true });
  }
}

/** @param {any} holder @param {Record<string, number>} values */
function defineConstants(holder, values) {
  for (const name of new SafeArrayIterator(ObjectKeys(values))) {
    ObjectDefineProperty(holder, name, {
      __proto__: null,
      value: values[name],
      writable: false,
      enumerable: true,
      configurable: false,
    });
  }
}

/**
 * Makes an interface what its definition says.
 * @param {string} name
 * @param {any} type
 */
function mend(name, type) {
  const { prototype } = type;
  if (!ObjectHasOwn(prototype, SymbolToStringTag)) {
    ObjectDefineProperty(prototype, SymbolToStringTag, { __proto__: null, value: name, configurable: true });
  }
  const descriptors = ObjectGetOwnPropertyDescriptors(prototype);
  for (const key of new SafeArrayIterator(ReflectOwnKeys(descriptors))) {
    if (typeof key !== "string") continue;
    setName(descriptors[key].get, `get ${key}`);
    setName(descriptors[key].set, `set ${key}`);
  }
  const lengths = LENGTHS[name];
  if (lengths === undefined) return;
  for (const key of new SafeArrayIterator(ObjectKeys(lengths))) {
    setLength(key === "constructor" ? type : prototype[key], lengths[key]);
  }
}

/** @param {unknown} value */
function assertRequest(value) {
  webidl.assertBranded(value, core.loadExtScript("ext:deno_fetch/23_request.js").RequestPrototype);
}

/** Members of `Request` that are the same for every request of a server. */
const ofRequest = {
  get destination() {
    assertRequest(this);
    return "";
  },
  get duplex() {
    assertRequest(this);
    return "half";
  },
  get isHistoryNavigation() {
    assertRequest(this);
    return false;
  },
  get isReloadNavigation() {
    assertRequest(this);
    return false;
  },
};

/**
 * @param {any} global
 * @param {string[]} names of its interfaces
 */
function install(global, names) {
  const { Event, EventTarget, MessagePort, Request, Response, structuredClone } = global;
  defineConstants(Event.prototype, /** @type {any} */ ({ __proto__: null, NONE: 0, CAPTURING_PHASE: 1, AT_TARGET: 2, BUBBLING_PHASE: 3 }));
  for (
    const name of new SafeArrayIterator([
      "cancelBubble", "composedPath", "initEvent", "preventDefault", "stopImmediatePropagation", "stopPropagation",
    ])
  ) {
    ObjectDefineProperty(Event.prototype, name, { __proto__: null, enumerable: true });
  }
  for (
    const { 0: holder, 1: members } of new SafeArrayIterator([
      [global.CustomEvent, ["initCustomEvent"]],
      [global.MessageEvent, ["data", "origin", "lastEventId", "source", "ports", "initMessageEvent"]],
    ])
  ) {
    for (const name of new SafeArrayIterator(members)) {
      ObjectDefineProperty(holder.prototype, name, { __proto__: null, enumerable: true });
    }
  }
  ObjectDefineProperties(Request.prototype, ObjectGetOwnPropertyDescriptors(ofRequest));
  // A class between the two counts listeners.
  const base = ObjectGetPrototypeOf(MessagePort.prototype);
  if (base !== EventTarget.prototype) {
    for (const name of new SafeArrayIterator(["addEventListener", "removeEventListener"])) {
      const listening = ObjectGetOwnPropertyDescriptor(base, name);
      setLength(listening.value, 2);
      ObjectDefineProperty(MessagePort.prototype, name, listening);
    }
    ObjectSetPrototypeOf(MessagePort.prototype, EventTarget.prototype);
    ObjectSetPrototypeOf(MessagePort, EventTarget);
  }
  setLength(structuredClone, 1);
  setLength(Response.json, 1);
  for (const name of new SafeArrayIterator(names)) {
    const value = ObjectGetOwnPropertyDescriptor(global, name)?.value;
    const first = StringPrototypeSlice(name, 0, 1);
    if (typeof value === "function" && value.prototype !== undefined && first >= "A" && first <= "Z") mend(name, value);
  }
}

/** @param {any} WebSocket */
function mendWebSocket(WebSocket) {
  const constants = { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 };
  for (const name of new SafeArrayIterator(ObjectKeys(constants))) {
    delete WebSocket.prototype[name];
  }
  defineConstants(WebSocket.prototype, constants);
  mend("WebSocket", WebSocket);
}

return { install, mendWebSocket };
})();
