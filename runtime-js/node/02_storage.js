// @ts-check
// Web storage (HTML, section 12) as Node.js has it, in the memory of the isolate. Loaded
// while the snapshot of the Node layer is made.
(function () {
const { core, primordials } = __bootstrap;
const {
  MapPrototypeClear,
  MapPrototypeDelete,
  MapPrototypeGet,
  MapPrototypeGetSize,
  MapPrototypeHas,
  MapPrototypeSet,
  ObjectCreate,
  ObjectDefineProperty,
  ObjectHasOwn,
  Proxy,
  ReflectDefineProperty,
  ReflectDeleteProperty,
  ReflectGet,
  ReflectGetOwnPropertyDescriptor,
  ReflectHas,
  ReflectOwnKeys,
  ReflectSet,
  SafeArrayIterator,
  SafeMap,
  SafeMapIterator,
  SafeWeakMap,
  SymbolFor,
  TypeError,
  WeakMapPrototypeGet,
  WeakMapPrototypeSet,
} = primordials;
const webidl = core.loadExtScript("ext:deno_webidl/00_webidl.js");
const { QuotaExceededError } = core.loadExtScript("ext:deno_web/01_dom_exception.js");
const { mend } = core.loadExtScript("ext:edgehost/00_interfaces.js");

/** Characters of one storage, keys and values together, as in browsers. */
const MOST = 5 * 1024 * 1024;

/**
 * `keys` is the list of them, while nobody has changed it.
 * @typedef {{ items: Map<string, string>, keys: string[] | null, size: number }} Area
 */

/** What each storage holds. @type {WeakMap<object, Area>} */
const areas = new SafeWeakMap();

/** @param {any} storage @returns {Area} */
function areaOf(storage) {
  const area = typeof storage === "object" && storage !== null ? WeakMapPrototypeGet(areas, storage) : undefined;
  if (area === undefined) throw new TypeError("Illegal invocation");
  return area;
}

/** Adds to a list; no accessor of an index comes between. @param {unknown[]} list @param {unknown} value */
function append(list, value) {
  ObjectDefineProperty(list, list.length, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
}

/** @param {Area} area */
function keysOf(area) {
  if (area.keys === null) {
    /** @type {string[]} */
    const keys = area.keys = [];
    for (const { 0: key } of new SafeMapIterator(area.items)) append(keys, key);
  }
  return area.keys;
}

/** @param {unknown} value @param {string} prefix @param {string} context @returns {string} */
const text = (value, prefix, context) => webidl.converters.DOMString(value, prefix, context);

class Storage {
  constructor() {
    webidl.illegalConstructor();
  }

  get length() {
    return MapPrototypeGetSize(areaOf(this).items);
  }

  /** @param {unknown} index */
  key(index) {
    const area = areaOf(this);
    const prefix = "Failed to execute 'key' on 'Storage'";
    webidl.requiredArguments(arguments.length, 1, prefix);
    const place = webidl.converters["unsigned long"](index, prefix, "Argument 1");
    return place < MapPrototypeGetSize(area.items) ? keysOf(area)[place] : null;
  }

  /** @param {unknown} key */
  getItem(key) {
    const { items } = areaOf(this);
    const prefix = "Failed to execute 'getItem' on 'Storage'";
    webidl.requiredArguments(arguments.length, 1, prefix);
    return MapPrototypeGet(items, text(key, prefix, "Argument 1")) ?? null;
  }

  /** @param {unknown} key @param {unknown} value */
  setItem(key, value) {
    const area = areaOf(this);
    const prefix = "Failed to execute 'setItem' on 'Storage'";
    webidl.requiredArguments(arguments.length, 2, prefix);
    put(area, text(key, prefix, "Argument 1"), text(value, prefix, "Argument 2"));
  }

  /** @param {unknown} key */
  removeItem(key) {
    const area = areaOf(this);
    const prefix = "Failed to execute 'removeItem' on 'Storage'";
    webidl.requiredArguments(arguments.length, 1, prefix);
    remove(area, text(key, prefix, "Argument 1"));
  }

  clear() {
    const area = areaOf(this);
    MapPrototypeClear(area.items);
    area.keys = null;
    area.size = 0;
  }

  /** @param {(value: unknown, options: unknown) => string} inspect @param {unknown} options */
  [SymbolFor("Deno.privateCustomInspect")](inspect, options) {
    const area = WeakMapPrototypeGet(areas, this);
    /** @type {any} */
    const shown = { __proto__: null };
    if (area !== undefined) {
      for (const key of new SafeArrayIterator(keysOf(area))) {
        ReflectDefineProperty(shown, key, { __proto__: null, value: MapPrototypeGet(area.items, key), enumerable: true });
      }
    }
    // Ordinary: it is only shown, and would be with a word on its prototype.
    return `Storage ${inspect({ ...shown }, options)}`;
  }
}
mend("Storage", Storage);

/** @param {Area} area @param {string} key @param {string} value */
function put(area, key, value) {
  const before = MapPrototypeGet(area.items, key);
  const size = area.size + value.length + (before === undefined ? key.length : -before.length);
  if (size > MOST) {
    throw new QuotaExceededError(`A storage holds ${MOST} characters; this would make ${size}`, {
      __proto__: null,
      quota: MOST,
      requested: size,
    });
  }
  MapPrototypeSet(area.items, key, value);
  if (before === undefined) area.keys = null;
  area.size = size;
}

/** @param {Area} area @param {string} key */
function remove(area, key) {
  const before = MapPrototypeGet(area.items, key);
  if (before === undefined) return;
  MapPrototypeDelete(area.items, key);
  area.keys = null;
  area.size -= key.length + before.length;
}

/** Web IDL, section 3.9: items are properties, where the prototype has none of that name. */
function createStorage() {
  /** @type {Area} */
  const area = /** @type {any} */ ({ __proto__: null, items: new SafeMap(), keys: null, size: 0 });
  const target = ObjectCreate(Storage.prototype);
  /** @type {(key: string | symbol) => key is string} */
  const isItem = (key) =>
    typeof key === "string" && MapPrototypeHas(area.items, key) && !ReflectHas(target, key);
  /** @type {ProxyHandler<any>} */
  const handler = {
    // @ts-ignore: nobody finds a trap in a prototype.
    __proto__: null,
    get: (_, key, receiver) => isItem(key) ? MapPrototypeGet(area.items, key) : ReflectGet(target, key, receiver),
    set(_, key, value, receiver) {
      if (typeof key !== "string" || receiver !== storage) return ReflectSet(target, key, value, receiver === storage ? target : receiver);
      put(area, key, text(value, "Failed to set a property of 'Storage'", "The value"));
      return true;
    },
    has: (_, key) => isItem(key) || ReflectHas(target, key),
    deleteProperty(_, key) {
      if (!isItem(key)) return ReflectDeleteProperty(target, key);
      remove(area, key);
      return true;
    },
    defineProperty(_, key, descriptor) {
      if (typeof key !== "string") return ReflectDefineProperty(target, key, { __proto__: null, ...descriptor });
      if (!ObjectHasOwn(descriptor, "value") && !ObjectHasOwn(descriptor, "writable")) return false;
      put(area, key, text(descriptor.value, "Failed to define a property of 'Storage'", "The value"));
      return true;
    },
    getOwnPropertyDescriptor: (_, key) =>
      isItem(key)
        ? { __proto__: null, value: MapPrototypeGet(area.items, key), writable: true, enumerable: true, configurable: true }
        : ReflectGetOwnPropertyDescriptor(target, key),
    ownKeys() {
      /** @type {(string | symbol)[]} */
      const keys = [];
      for (const key of new SafeArrayIterator(keysOf(area))) {
        if (isItem(key)) append(keys, key);
      }
      for (const key of new SafeArrayIterator(ReflectOwnKeys(target))) append(keys, key);
      return keys;
    },
    preventExtensions: () => false,
  };
  const storage = new Proxy(target, handler);
  WeakMapPrototypeSet(areas, storage, area);
  // This one is looked at to show it.
  WeakMapPrototypeSet(areas, target, area);
  return storage;
}

return { createStorage, Storage };
})();
