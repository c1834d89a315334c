// @ts-check
// `caches` (Service Workers, section 5), in the memory of the isolate.
(function () {
const { core, primordials } = __bootstrap;
const {
  ArrayPrototypeIncludes,
  ArrayPrototypeMap,
  MapPrototypeDelete,
  MapPrototypeGet,
  MapPrototypeHas,
  MapPrototypeSet,
  ObjectDefineProperty,
  ObjectFreeze,
  ObjectPrototypeIsPrototypeOf,
  SafeArrayIterator,
  SafeMap,
  SafeMapIterator,
  SafePromiseAll,
  SafeWeakMap,
  StringPrototypeIndexOf,
  StringPrototypeSlice,
  StringPrototypeSplit,
  StringPrototypeStartsWith,
  StringPrototypeToLowerCase,
  StringPrototypeTrim,
  SymbolFor,
  TypeError,
  TypedArrayPrototypeGetByteLength,
  TypedArrayPrototypeSlice,
  WeakMapPrototypeGet,
  WeakMapPrototypeSet,
} = primordials;
const webidl = core.loadExtScript("ext:deno_webidl/00_webidl.js");
const { DOMException, QuotaExceededError } = core.loadExtScript("ext:deno_web/01_dom_exception.js");
const { AbortController } = core.loadExtScript("ext:deno_web/03_abort_signal.js");
const { getHeader } = core.loadExtScript("ext:deno_fetch/20_headers.js");
const { InnerBody } = core.loadExtScript("ext:deno_fetch/22_body.js");
const { fromInnerRequest, newInnerRequest, Request, RequestPrototype, toInnerRequest } = core.loadExtScript(
  "ext:deno_fetch/23_request.js",
);
const { fromInnerResponse, newInnerResponse, toInnerResponse } = core.loadExtScript("ext:deno_fetch/23_response.js");

/** @typedef {[string, string][]} HeaderList */
/**
 * @typedef {object} Entry
 * @property {string} method
 * @property {string} url of the request
 * @property {HeaderList} asked headers of the request
 * @property {any} inner the response without its body, as deno_fetch has it
 * @property {Uint8Array | null} body
 * @property {number} size what it counts
 */
/** @typedef {{ entries: Entry[], isListed: boolean }} List */

/** Bytes that an entry counts besides those of its texts and its body. */
const OVERHEAD = 512;

/** How much of an isolate's memory all caches may have. */
const SHARE = 4;

/** Caches by name, in the order in which they were opened. @type {Map<string, List>} */
const lists = new SafeMap();

/** Bytes of all of them. */
let held = 0;

/** Set when the global object is made: the function that user code has. @type {any} */
let fetch;
/** As in 00_bodies.js. @type {<T>(entry: object, copy: T) => T} */
let follow;
/** As there. @type {(bytes: Uint8Array) => Uint8Array} */
let unsealed;

/** What each Cache keeps. @type {WeakMap<object, List>} */
const kept = new SafeWeakMap();

/** @param {HeaderList} headers @returns {HeaderList} */
function copyOfHeaders(headers) {
  return ArrayPrototypeMap(headers, (/** @type {[string, string]} */ entry) => follow(entry, [entry[0], entry[1]]));
}

/** @param {HeaderList} headers */
function sizeOf(headers) {
  let size = 0;
  for (const entry of new SafeArrayIterator(headers)) size += entry[0].length + entry[1].length;
  return size;
}

/** @param {string} url */
function withoutFragment(url) {
  const at = StringPrototypeIndexOf(url, "#");
  return at === -1 ? url : StringPrototypeSlice(url, 0, at);
}

/** @param {string} url without a fragment */
function withoutQuery(url) {
  const at = StringPrototypeIndexOf(url, "?");
  return at === -1 ? url : StringPrototypeSlice(url, 0, at);
}

/** The names that a response varies by, in lower case. @param {HeaderList} headers @returns {string[]} */
function variesBy(headers) {
  const vary = getHeader(headers, "vary");
  if (vary === null) return [];
  return ArrayPrototypeMap(
    StringPrototypeSplit(vary, ","),
    (/** @type {string} */ name) => StringPrototypeToLowerCase(StringPrototypeTrim(name)),
  );
}

/** @param {any} request @param {string} prefix @returns {any} a Request */
function requestOf(request, prefix) {
  request = webidl.converters.RequestInfo_DOMString(request, prefix, "Argument 1");
  return ObjectPrototypeIsPrototypeOf(RequestPrototype, request) ? request : new Request(request);
}

/** @param {any} options @param {string} prefix */
function optionsOf(options, prefix) {
  return webidl.converters.CacheQueryOptions(options, prefix, "Argument 2");
}

const isOption = { __proto__: null, converter: webidl.converters.boolean, defaultValue: false };
const queryOptions = [
  { key: "ignoreMethod", ...isOption },
  { key: "ignoreSearch", ...isOption },
  { key: "ignoreVary", ...isOption },
];
webidl.converters.CacheQueryOptions = webidl.createDictionaryConverter("CacheQueryOptions", queryOptions);
webidl.converters.MultiCacheQueryOptions = webidl.createDictionaryConverter("MultiCacheQueryOptions", queryOptions, [
  { key: "cacheName", converter: webidl.converters.DOMString },
]);

/** Which entries a request finds: their places. @param {Entry[]} entries @param {any} request @param {any} options */
function found(entries, request, options) {
  /** @type {number[]} */
  const places = [];
  const inner = toInnerRequest(request);
  if (!options.ignoreMethod && inner.method !== "GET") return places;
  const comparable = options.ignoreSearch ? withoutQuery : (/** @type {string} */ url) => url;
  const url = comparable(withoutFragment(inner.url()));
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i];
    if (comparable(entry.url) !== url) continue;
    if (!options.ignoreVary && !isSameVariant(entry, inner.headerList)) continue;
    append(places, i);
  }
  return places;
}

/** @param {Entry} entry @param {HeaderList} headers of a request */
function isSameVariant(entry, headers) {
  for (const name of new SafeArrayIterator(variesBy(entry.inner.headerList))) {
    if (name === "*" || getHeader(entry.asked, name) !== getHeader(headers, name)) return false;
  }
  return true;
}

/** @param {Entry} entry */
function responseOf(entry) {
  const { inner, body } = entry;
  const response = newInnerResponse(inner.status, inner.statusMessage);
  response.type = inner.type;
  response.urlList = [...new SafeArrayIterator(inner.urlList)];
  response.headerList = copyOfHeaders(inner.headerList);
  response.bodyDecoded = inner.bodyDecoded;
  if (body !== null) {
    const bytes = TypedArrayPrototypeSlice(body);
    response.body = new InnerBody({ __proto__: null, body: bytes, consumed: false });
    response.body.source = bytes;
    response.body.length = TypedArrayPrototypeGetByteLength(bytes);
  }
  return fromInnerResponse(response, "immutable");
}

/** @param {Entry} entry */
function requestIn(entry) {
  const inner = newInnerRequest(entry.method, entry.url, () => copyOfHeaders(entry.asked), null, false);
  return fromInnerRequest(inner, "immutable");
}

/** Section 5.4.5, steps 4 to 8. @param {any} request @param {any} inner of a response */
function checkStorable(request, inner) {
  const { method } = toInnerRequest(request);
  checkFetchable(request);
  if (method !== "GET") throw new TypeError(`Only answers to GET can be cached, not to ${method}`);
  if (inner.status === 206) throw new TypeError("A part of a response cannot be cached");
  if (ArrayPrototypeIncludes(variesBy(inner.headerList), "*")) {
    throw new TypeError("A response that varies by everything cannot be cached");
  }
  if (inner.body !== null && inner.body.unusable()) throw new TypeError("The body of the response was read, or is being read");
}

/** @param {any} request */
function checkFetchable(request) {
  const url = toInnerRequest(request).url();
  if (!StringPrototypeStartsWith(url, "http:") && !StringPrototypeStartsWith(url, "https:")) {
    throw new TypeError(`Only answers of http: and https: can be cached: ${url}`);
  }
}

/** Reads a response, and makes an entry of it. @param {any} request @param {any} inner of a response @returns {Promise<Entry>} */
async function entryOf(request, inner) {
  const asking = toInnerRequest(request);
  const url = withoutFragment(asking.url());
  const asked = copyOfHeaders(asking.headerList);
  const response = {
    __proto__: null,
    bodyDecoded: inner.bodyDecoded,
    headerList: copyOfHeaders(inner.headerList),
    status: inner.status,
    statusMessage: inner.statusMessage,
    type: inner.type,
    urlList: [...new SafeArrayIterator(inner.urlList)],
  };
  const read = inner.body === null ? null : await inner.body.consume();
  const body = typeof read === "string" ? core.encode(read) : read === null ? null : unsealed(read);
  const size = OVERHEAD + url.length + sizeOf(asked) + sizeOf(response.headerList) +
    (body === null ? 0 : TypedArrayPrototypeGetByteLength(body));
  return /** @type {any} */ ({ __proto__: null, method: asking.method, url, asked, inner: response, body, size });
}

/** Section 5.6, "Batch Cache Operations": puts all or none. @param {List} list @param {Entry[]} added */
function putAll(list, added) {
  const options = { __proto__: null, ignoreMethod: false, ignoreSearch: false, ignoreVary: false };
  /** @type {Entry[]} */
  const before = [];
  let entries = list.entries;
  for (const entry of new SafeArrayIterator(added)) {
    const request = requestIn(entry);
    if (found(before, request, options).length > 0) {
      throw new DOMException(`There are two answers to ${entry.url}`, "InvalidStateError");
    }
    entries = without(entries, found(entries, request, options));
    append(before, entry);
    append(entries, entry);
  }
  replace(list, entries);
}

/** Adds to a list; no accessor of an index comes between. @param {unknown[]} list @param {unknown} value */
function append(list, value) {
  ObjectDefineProperty(list, list.length, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
}

/** A copy without those at some places, which are in order. @param {Entry[]} entries @param {number[]} places */
function without(entries, places) {
  /** @type {Entry[]} */
  const rest = [];
  let next = 0;
  for (let i = 0; i < entries.length; i++) {
    if (places[next] === i) next++;
    else append(rest, entries[i]);
  }
  return rest;
}

/** @param {Entry[]} entries */
function sizeOfAll(entries) {
  let size = 0;
  for (const entry of new SafeArrayIterator(entries)) size += entry.size;
  return size;
}

/** @param {List} list @param {Entry[]} entries */
function replace(list, entries) {
  // One whose name was deleted lives as long as somebody holds it.
  if (list.isListed) {
    const { 1: memory } = core.ops.op_edgehost_ceilings();
    const size = held - sizeOfAll(list.entries) + sizeOfAll(entries);
    if (size > held && size > memory / SHARE) {
      throw new QuotaExceededError(`Caches may hold ${memory / SHARE} bytes; this would make ${size}`, {
        __proto__: null,
        quota: memory / SHARE,
        requested: size,
      });
    }
    held = size;
  }
  list.entries = entries;
}

/** @param {any} cache @returns {List} */
function listOf(cache) {
  webidl.assertBranded(cache, CachePrototype);
  return /** @type {List} */ (WeakMapPrototypeGet(kept, cache));
}

class Cache {
  constructor() {
    webidl.illegalConstructor();
  }

  /** @param {any} request @param {any} [options] */
  async match(request, options = undefined) {
    const list = listOf(this);
    const prefix = "Failed to execute 'match' on 'Cache'";
    webidl.requiredArguments(arguments.length, 1, prefix);
    return first(list, requestOf(request, prefix), optionsOf(options, prefix));
  }

  /** @param {any} [request] @param {any} [options] */
  async matchAll(request = undefined, options = undefined) {
    const entries = selected(listOf(this), request, options, "Failed to execute 'matchAll' on 'Cache'");
    return ObjectFreeze(ArrayPrototypeMap(entries, responseOf));
  }

  /** @param {any} request */
  async add(request) {
    const list = listOf(this);
    const prefix = "Failed to execute 'add' on 'Cache'";
    webidl.requiredArguments(arguments.length, 1, prefix);
    await fetchAll(list, [webidl.converters.RequestInfo_DOMString(request, prefix, "Argument 1")]);
  }

  /** @param {any} requests */
  async addAll(requests) {
    const list = listOf(this);
    const prefix = "Failed to execute 'addAll' on 'Cache'";
    webidl.requiredArguments(arguments.length, 1, prefix);
    const convert = webidl.createSequenceConverter(webidl.converters.RequestInfo_DOMString);
    await fetchAll(list, convert(requests, prefix, "Argument 1"));
  }

  /** @param {any} request @param {any} response */
  async put(request, response) {
    const list = listOf(this);
    const prefix = "Failed to execute 'put' on 'Cache'";
    webidl.requiredArguments(arguments.length, 2, prefix);
    request = requestOf(request, prefix);
    const inner = toInnerResponse(webidl.converters.Response(response, prefix, "Argument 2"));
    checkStorable(request, inner);
    putAll(list, [await entryOf(request, inner)]);
  }

  /** @param {any} request @param {any} [options] */
  async delete(request, options = undefined) {
    const list = listOf(this);
    const prefix = "Failed to execute 'delete' on 'Cache'";
    webidl.requiredArguments(arguments.length, 1, prefix);
    const places = found(list.entries, requestOf(request, prefix), optionsOf(options, prefix));
    if (places.length === 0) return false;
    replace(list, without(list.entries, places));
    return true;
  }

  /** @param {any} [request] @param {any} [options] */
  async keys(request = undefined, options = undefined) {
    const entries = selected(listOf(this), request, options, "Failed to execute 'keys' on 'Cache'");
    return ObjectFreeze(ArrayPrototypeMap(entries, requestIn));
  }

  [SymbolFor("Deno.privateCustomInspect")]() {
    return "Cache {}";
  }
}
const CachePrototype = Cache.prototype;

/** @param {List} list @param {any} request @param {any} options */
function first(list, request, options) {
  const places = found(list.entries, request, options);
  return places.length === 0 ? undefined : responseOf(list.entries[places[0]]);
}

/** @param {List} list @param {any} request @param {any} options @param {string} prefix @returns {Entry[]} */
function selected(list, request, options, prefix) {
  if (request !== undefined) request = requestOf(request, prefix);
  options = optionsOf(options, prefix);
  if (request === undefined) return list.entries;
  return ArrayPrototypeMap(found(list.entries, request, options), (/** @type {number} */ place) => list.entries[place]);
}


/** Section 5.4.4. @param {List} list @param {any[]} given */
async function fetchAll(list, given) {
  for (const request of new SafeArrayIterator(given)) {
    if (typeof request !== "object") continue;
    checkFetchable(request);
    if (toInnerRequest(request).method !== "GET") throw new TypeError("Only answers to GET can be cached");
  }
  const controller = new AbortController();
  const requests = ArrayPrototypeMap(given, (/** @type {any} */ request) => {
    const made = new Request(request);
    checkFetchable(made);
    return made;
  });
  const load = async (/** @type {any} */ request) => {
    const inner = toInnerResponse(await fetch(request, { __proto__: null, signal: controller.signal }));
    const { status } = inner;
    if (inner.type === "error" || status < 200 || status > 299) {
      throw new TypeError(`${toInnerRequest(request).url()} answered ${status}`);
    }
    checkStorable(request, inner);
    return await entryOf(request, inner);
  };
  try {
    putAll(list, await SafePromiseAll(ArrayPrototypeMap(requests, load)));
  } catch (error) {
    controller.abort();
    throw error;
  }
}

class CacheStorage {
  constructor() {
    webidl.illegalConstructor();
  }

  /** @param {any} request @param {any} [options] */
  async match(request, options = undefined) {
    webidl.assertBranded(this, CacheStoragePrototype);
    const prefix = "Failed to execute 'match' on 'CacheStorage'";
    webidl.requiredArguments(arguments.length, 1, prefix);
    request = requestOf(request, prefix);
    options = webidl.converters.MultiCacheQueryOptions(options, prefix, "Argument 2");
    if (options.cacheName !== undefined) {
      const list = MapPrototypeGet(lists, options.cacheName);
      return list === undefined ? undefined : first(list, request, options);
    }
    for (const { 1: list } of new SafeMapIterator(lists)) {
      const response = first(list, request, options);
      if (response !== undefined) return response;
    }
    return undefined;
  }

  /** @param {any} cacheName */
  async has(cacheName) {
    webidl.assertBranded(this, CacheStoragePrototype);
    return MapPrototypeHas(lists, nameOf(cacheName, arguments.length, "has"));
  }

  /** @param {any} cacheName */
  async open(cacheName) {
    webidl.assertBranded(this, CacheStoragePrototype);
    const name = nameOf(cacheName, arguments.length, "open");
    let list = MapPrototypeGet(lists, name);
    if (list === undefined) {
      list = { __proto__: null, entries: [], isListed: true };
      MapPrototypeSet(lists, name, list);
    }
    const cache = webidl.createBranded(Cache);
    WeakMapPrototypeSet(kept, cache, list);
    return cache;
  }

  /** @param {any} cacheName */
  async delete(cacheName) {
    webidl.assertBranded(this, CacheStoragePrototype);
    const name = nameOf(cacheName, arguments.length, "delete");
    const list = MapPrototypeGet(lists, name);
    if (list === undefined) return false;
    list.isListed = false;
    held -= sizeOfAll(list.entries);
    return MapPrototypeDelete(lists, name);
  }

  async keys() {
    webidl.assertBranded(this, CacheStoragePrototype);
    /** @type {string[]} */
    const names = [];
    for (const { 0: name } of new SafeMapIterator(lists)) append(names, name);
    return names;
  }

  [SymbolFor("Deno.privateCustomInspect")]() {
    return "CacheStorage {}";
  }
}
const CacheStoragePrototype = CacheStorage.prototype;

/** @param {any} name @param {number} given how many arguments there are @param {string} operation */
function nameOf(name, given, operation) {
  const prefix = `Failed to execute '${operation}' on 'CacheStorage'`;
  webidl.requiredArguments(given, 1, prefix);
  return webidl.converters.DOMString(name, prefix, "Argument 1");
}

/** @param {any} load the global `fetch` @param {any} bodies 00_bodies.js */
function createCaches(load, bodies) {
  fetch = load;
  ({ follow, unsealed } = bodies);
  return webidl.createBranded(CacheStorage);
}

return { Cache, CacheStorage, createCaches };
})();
