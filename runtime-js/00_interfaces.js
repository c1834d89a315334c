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
const { defineEventHandler } = core.loadExtScript("ext:deno_web/02_event.js");

/** How many arguments a function needs, where it says otherwise. @type {Record<string, any>} */
const LENGTHS = {
  __proto__: null,
  AbortController: { abort: 0 },
  EventTarget: { addEventListener: 2, removeEventListener: 2 },
  FormData: { constructor: 0, append: 2, set: 2 },
  MessageEvent: { constructor: 1 },
  MessagePort: { close: 0 },
  PerformanceObserverEntryList: { constructor: 0 },
  PromiseRejectionEvent: { constructor: 2 },
  URLPattern: { constructor: 0, exec: 0, test: 0 },
  WebSocket: { constructor: 1 },
};

/** Operations of the global object: how many arguments they need. @type {Record<string, any>} */
const OPERATIONS = {
  __proto__: null,
  clearInterval: 0,
  clearTimeout: 0,
  setInterval: 1,
  setTimeout: 1,
  structuredClone: 1,
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

/**
 * Members of interfaces can be enumerated, and what scripts keep under symbols cannot.
 * @param {any} holder
 * @param {(key: string | symbol) => boolean} isOfLanguage
 */
function showMembers(holder, isOfLanguage) {
  const descriptors = ObjectGetOwnPropertyDescriptors(holder);
  for (const key of new SafeArrayIterator(ReflectOwnKeys(descriptors))) {
    if (isOfLanguage(key)) continue;
    const enumerable = typeof key === "string";
    const found = descriptors[/** @type {string} */ (key)];
    if (found.configurable && found.enumerable !== enumerable) {
      ObjectDefineProperty(holder, key, { __proto__: null, enumerable });
    }
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
  showMembers(type, (key) => key === "prototype" || key === "name" || key === "length");
  showMembers(prototype, (key) => key === "constructor");
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
  const { Event, EventTarget, MessagePort, Request, Response } = global;
  defineConstants(Event.prototype, /** @type {any} */ ({ __proto__: null, NONE: 0, CAPTURING_PHASE: 1, AT_TARGET: 2, BUBBLING_PHASE: 3 }));
  mendConstants(global.EventSource, { __proto__: null, CONNECTING: 0, OPEN: 1, CLOSED: 2 });
  ObjectDefineProperties(Request.prototype, ObjectGetOwnPropertyDescriptors(ofRequest));
  defineEventHandler(global.Performance.prototype, "resourcetimingbufferfull");
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
  setLength(Response.json, 1);
  for (const name of new SafeArrayIterator(ObjectKeys(OPERATIONS))) setLength(global[name], OPERATIONS[name]);
  for (const name of new SafeArrayIterator(names)) {
    const value = ObjectGetOwnPropertyDescriptor(global, name)?.value;
    const first = StringPrototypeSlice(name, 0, 1);
    if (typeof value === "function" && value.prototype !== undefined && first >= "A" && first <= "Z") mend(name, value);
  }
}

/** Constants of a prototype that are accessors there. @param {any} type @param {any} constants */
function mendConstants(type, constants) {
  for (const name of new SafeArrayIterator(ObjectKeys(constants))) {
    delete type.prototype[name];
  }
  defineConstants(type.prototype, constants);
}

/** @param {any} WebSocket */
function mendWebSocket(WebSocket) {
  mendConstants(WebSocket, { __proto__: null, CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 });
  mend("WebSocket", WebSocket);
}

/** Gives operations that are defined later what they have here. @param {string} name @param {Function} operation */
function mendOperation(name, operation) {
  setLength(operation, OPERATIONS[name]);
  return operation;
}

return { install, mend, mendOperation, mendWebSocket };
})();
