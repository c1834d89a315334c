// @ts-check
// Runs once, while the snapshot is made: loads the web APIs of the Deno crates
// and puts them on the global object, from one table.
//
// What calls ops for every request is not loaded here but when an isolate
// starts (51_dispatch.js): functions captured in a snapshot keep slow bindings.

import { core, internals, primordials } from "ext:core/mod.js";

const {
  ErrorPrototype,
  Error,
  ObjectDefineProperties,
  ObjectDefineProperty,
  ObjectFreeze,
  ObjectKeys,
  ObjectPrototypeIsPrototypeOf,
  ObjectSetPrototypeOf,
  PromisePrototypeThen,
  PromiseReject,
  PromiseResolve,
  RegExpPrototypeExec,
  SafeArrayIterator,
  SafeRegExp,
  StringPrototypeIncludes,
  StringPrototypeStartsWith,
  Symbol,
  TypeError,
} = primordials;

// A refusal tells which rule refused and what would allow it.
const REFUSAL = new SafeRegExp('^Requires (\\w+) access(?: to "?(.*?)"?)?, run again with the --allow-\\w+ flag$');
class Refusal extends Error {
  // As the permission model of Node.js has it.
  code = "ERR_ACCESS_DENIED";

  /** @param {string} message @param {ErrorOptions} [options] */
  constructor(message, options) {
    super(explained(message), options);
  }
}

/** @param {string} message as deno_permissions words it */
function explained(message) {
  const found = RegExpPrototypeExec(REFUSAL, message);
  if (found === null) {
    // Of links, which might lead anywhere later on.
    return StringPrototypeIncludes(message, "requires unscoped")
      ? "Making a symbolic link is refused, as it could lead out of the places that are allowed; --permissions=off would allow it"
      : message;
  }
  const kind = found[1];
  const target = found[2] ?? "";
  const what = target === "" ? `${kind} access` : `${kind} access to "${target}"`;
  return `${what} is refused: ${core.ops.op_edgehost_explain(kind, target)}`;
}

// deno_core makes these errors itself; this comes between them and `Error`.
ObjectSetPrototypeOf(core.NotCapable, Refusal);

// deno_fetch asks the telemetry extension for these; tracing is not offered.
const nothing = () => {};
internals.__telemetry = {
  builtinTracer: nothing,
  ContextManager: { active: nothing },
  DID_NOT_ENTER: Symbol("did not enter"),
  enterSpan: nothing,
  exitSpan: nothing,
  restoreSnapshot: nothing,
  TRACING_ENABLED: false,
  METRICS_ENABLED: false,
  PROPAGATORS: [],
};
internals.__telemetryUtil = {
  updateSpanFromRequest: nothing,
  updateSpanFromClientResponse: nothing,
  updateSpanFromServerResponse: nothing,
  updateSpanFromError: nothing,
};

const web = (/** @type {string} */ name) => core.loadExtScript(`ext:deno_web/${name}.js`);
const fetchScript = (/** @type {string} */ name) => core.loadExtScript(`ext:deno_fetch/${name}.js`);

// Scripts take their ops when they are loaded.
const ceilings = core.loadExtScript("ext:edgehost/00_ceilings.js");
ceilings.countMessages();
const abortSignal = web("03_abort_signal");
const base64 = web("05_base64");
const broadcastChannel = web("01_broadcast_channel");
const compression = web("14_compression");
const consoleScript = web("01_console");
const { DOMException, QuotaExceededError } = web("01_dom_exception");
const encoding = web("08_text_encoding");
const event = web("02_event");
const file = web("09_file");
const fileReader = web("10_filereader");
const messagePort = web("13_message_port");
const performanceScript = web("15_performance");
const streams = web("06_streams");
const timers = web("02_timers");
const url = web("00_url");
const { URLPattern } = web("01_urlpattern");
const cryptoScript = core.loadExtScript("ext:deno_crypto/00_crypto.js");
const { Cache, CacheStorage, createCaches } = core.loadExtScript("ext:edgehost/00_caches.js");
const interfaces = core.loadExtScript("ext:edgehost/00_interfaces.js");
// Its fields are assigned: an accessor of that name on `Object.prototype` would be given
// the bodies of all requests.
ObjectSetPrototypeOf(fetchScript("22_body").InnerBody.prototype, null);
core.loadExtScript("ext:edgehost/00_webcrypto.js").install(cryptoScript);
ceilings.guardWebCrypto(cryptoScript.SubtleCrypto.prototype);
ceilings.guardLists();
const eventSource = fetchScript("27_eventsource");
const fetching = fetchScript("26_fetch");
const { FormData } = fetchScript("21_formdata");
const { Headers } = fetchScript("20_headers");
const { Request } = fetchScript("23_request");
const { Response } = fetchScript("23_response");
const webidl = core.loadExtScript("ext:deno_webidl/00_webidl.js");
web("12_location");

consoleScript.setNoColorFns(() => true, () => true);

class Navigator {
  constructor() {
    webidl.illegalConstructor();
  }
  get userAgent() {
    webidl.assertBranded(this, Navigator.prototype);
    return userAgent;
  }
  get platform() {
    webidl.assertBranded(this, Navigator.prototype);
    return "";
  }
  get language() {
    webidl.assertBranded(this, Navigator.prototype);
    return languages[0];
  }
  get languages() {
    webidl.assertBranded(this, Navigator.prototype);
    return languages;
  }
  // An isolate has one thread.
  get hardwareConcurrency() {
    webidl.assertBranded(this, Navigator.prototype);
    return 1;
  }
}
const languages = ObjectFreeze(["en-US"]);
const userAgent = core.ops.op_edgehost_user_agent();
const navigator = webidl.createBranded(Navigator);

// Errors of ops arrive under these names.
/** @type {Record<string, unknown>} */
const errors = {
  __proto__: null,
  BadResource: core.BadResource,
  Interrupted: core.Interrupted,
  NotCapable: core.NotCapable,
};
for (
  const name of new SafeArrayIterator([
    "AddrInUse",
    "AddrNotAvailable",
    "AlreadyExists",
    "BrokenPipe",
    "Busy",
    "ConnectionAborted",
    "ConnectionRefused",
    "ConnectionReset",
    "FilesystemLoop",
    "Http",
    "InvalidData",
    "IsADirectory",
    "NetworkUnreachable",
    "NotADirectory",
    "NotConnected",
    "NotFound",
    "NotSupported",
    "PermissionDenied",
    "TimedOut",
    "UnexpectedEof",
    "WouldBlock",
    "WriteZero",
  ])
) {
  const type = class extends Error {
    name = name;
  };
  errors[name] = type;
  core.registerErrorClass(name, type);
}
for (
  const name of new SafeArrayIterator([
    "AbortError",
    "DataCloneError",
    "DataError",
    "IndexSizeError",
    "InvalidAccessError",
    "InvalidCharacterError",
    "InvalidStateError",
    "NetworkError",
    "NotSupportedError",
    "OperationError",
    "QuotaExceededError",
    "SyntaxError",
    "TimeoutError",
    "TypeMismatchError",
  ])
) {
  core.registerErrorBuilder(`DOMException${name}`, (/** @type {string} */ message) =>
    name === "QuotaExceededError" ? new QuotaExceededError(message) : new DOMException(message, name));
}

const REFUSED_ON_THE_WAY = new SafeRegExp('Requires net access to "[^"]*", run again with the --allow-net flag');

/** What the message of a failed connection says, and what Node.js has as the code of its cause. */
const FETCH_CODES = [
  ["failed to lookup address", "ENOTFOUND"],
  ["no record found", "ENOTFOUND"],
  ["Connection refused", "ECONNREFUSED"],
  ["Connection reset", "ECONNRESET"],
  ["Broken pipe", "EPIPE"],
  ["timed out", "ETIMEDOUT"],
  ["No route to host", "EHOSTUNREACH"],
  ["Network is unreachable", "ENETUNREACH"],
  ["certificate: Expired", "CERT_HAS_EXPIRED"],
  ["NotValidForName", "ERR_TLS_CERT_ALTNAME_INVALID"],
  ["UnknownIssuer", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
  ["connection closed before message completed", "UND_ERR_SOCKET"],
];

/**
 * Gives a failed `fetch` the refusal as its cause, where an address was refused that
 * a name or a redirect led to.
 * @param {any} error
 */
function withRefusal(error) {
  const found = RegExpPrototypeExec(REFUSED_ON_THE_WAY, `${error?.message} ${error?.cause?.message}`);
  if (found !== null && !ObjectPrototypeIsPrototypeOf(core.NotCapable.prototype, error)) {
    const refusal = new core.NotCapable(found[0]);
    error = new TypeError(`fetch failed: ${refusal.message}`, { __proto__: null, cause: refusal });
  }
  const cause = error?.cause;
  if (ObjectPrototypeIsPrototypeOf(ErrorPrototype, cause) && cause.code === undefined) {
    for (const { 0: words, 1: code } of new SafeArrayIterator(FETCH_CODES)) {
      if (StringPrototypeIncludes(cause.message, words)) {
        ObjectDefineProperty(cause, "code", shown(code));
        break;
      }
    }
  }
  throw error;
}

/**
 * The address of what is to be fetched, if it is that of a file.
 * @param {any} input
 */
function fileUrl(input) {
  const text = typeof input === "string"
    ? input
    : ObjectPrototypeIsPrototypeOf(url.URLPrototype, input)
    ? input.href
    : ObjectPrototypeIsPrototypeOf(Request.prototype, input)
    ? input.url
    : undefined;
  return typeof text === "string" && StringPrototypeStartsWith(text, "file:") ? text : undefined;
}

/**
 * Edge routes fetch files of the project and its packages, which Next.js bundles. As
 * there, the method and other options do not matter.
 * @param {string} file
 */
function fetchFile(file) {
  /** @param {string} why @param {unknown} cause */
  const failed = (why, cause) => PromiseReject(new TypeError(`fetch failed: ${file}: ${why}`, { __proto__: null, cause }));
  if (!core.ops.op_edgehost_is_edge()) {
    // The words of Node.js.
    return failed("files are fetched by edge routes alone; node:fs reads them", new Error("not implemented... yet..."));
  }
  try {
    ceilings.needRoom("open", true);
    return PromiseResolve(new Response(streams.readableStreamForRid(core.ops.op_edgehost_asset(file))));
  } catch (error) {
    return failed(/** @type {any} */ (error).message, error);
  }
}

/** @type {Promise<void> | undefined} */
let makingRoom;

/** Has sockets closed that nobody needs, once for all who wait. */
function makeRoom() {
  if (makingRoom === undefined) {
    const done = () => {
      makingRoom = undefined;
    };
    makingRoom = PromisePrototypeThen(core.ops.op_edgehost_make_room(), done, done);
  }
  return makingRoom;
}

/** Fetch Standard, section 5.6. @param {any} input @param {any} [init] */
function fetch(input, init = undefined) {
  const file = fileUrl(input);
  if (file !== undefined) return fetchFile(file);
  if (ceilings.roomError("connect", true) === undefined) {
    return PromisePrototypeThen(fetching.fetch(input, init), undefined, withRefusal);
  }
  return PromisePrototypeThen(makeRoom(), () => {
    const full = ceilings.roomError("connect", true);
    if (full !== undefined) throw new TypeError("fetch failed", { __proto__: null, cause: full });
    return PromisePrototypeThen(fetching.fetch(input, init), undefined, withRefusal);
  });
}

/** Interfaces are writable and configurable, and do not show up in enumerations. */
const hidden = (/** @type {unknown} */ value) => ({
  __proto__: null,
  value,
  writable: true,
  enumerable: false,
  configurable: true,
});
/** Operations and attributes of the global scope do. */
const shown = (/** @type {unknown} */ value) => ({ ...hidden(value), enumerable: true });

const webSockets = core.createLazyLoader("ext:deno_websocket/01_websocket.js");
const { console: v8Console } = globalThis;

// WebIDL, section 3.8: what the global object has, and how.
const members = {
  __proto__: null,
  AbortController: hidden(abortSignal.AbortController),
  AbortSignal: hidden(abortSignal.AbortSignal),
  Blob: hidden(file.Blob),
  BroadcastChannel: hidden(broadcastChannel.BroadcastChannel),
  ByteLengthQueuingStrategy: hidden(streams.ByteLengthQueuingStrategy),
  Cache: hidden(Cache),
  CacheStorage: hidden(CacheStorage),
  CloseEvent: hidden(event.CloseEvent),
  CompressionStream: hidden(compression.CompressionStream),
  CountQueuingStrategy: hidden(streams.CountQueuingStrategy),
  Crypto: hidden(cryptoScript.Crypto),
  CryptoKey: hidden(cryptoScript.CryptoKey),
  CustomEvent: hidden(event.CustomEvent),
  DOMException: hidden(DOMException),
  DecompressionStream: hidden(compression.DecompressionStream),
  ErrorEvent: hidden(event.ErrorEvent),
  Event: hidden(event.Event),
  EventSource: hidden(eventSource.EventSource),
  EventTarget: hidden(event.EventTarget),
  File: hidden(file.File),
  FileReader: hidden(fileReader.FileReader),
  FormData: hidden(FormData),
  Headers: hidden(Headers),
  MessageChannel: hidden(messagePort.MessageChannel),
  MessageEvent: hidden(event.MessageEvent),
  MessagePort: hidden(messagePort.MessagePort),
  Navigator: hidden(Navigator),
  Performance: hidden(performanceScript.Performance),
  PerformanceEntry: hidden(performanceScript.PerformanceEntry),
  PerformanceMark: hidden(performanceScript.PerformanceMark),
  PerformanceMeasure: hidden(performanceScript.PerformanceMeasure),
  PerformanceObserver: hidden(performanceScript.PerformanceObserver),
  PerformanceObserverEntryList: hidden(performanceScript.PerformanceObserverEntryList),
  ProgressEvent: hidden(event.ProgressEvent),
  PromiseRejectionEvent: hidden(event.PromiseRejectionEvent),
  QuotaExceededError: hidden(QuotaExceededError),
  ReadableByteStreamController: hidden(streams.ReadableByteStreamController),
  ReadableStream: hidden(streams.ReadableStream),
  ReadableStreamBYOBReader: hidden(streams.ReadableStreamBYOBReader),
  ReadableStreamBYOBRequest: hidden(streams.ReadableStreamBYOBRequest),
  ReadableStreamDefaultController: hidden(streams.ReadableStreamDefaultController),
  ReadableStreamDefaultReader: hidden(streams.ReadableStreamDefaultReader),
  Request: hidden(Request),
  Response: hidden(Response),
  SubtleCrypto: hidden(cryptoScript.SubtleCrypto),
  TextDecoder: hidden(encoding.TextDecoder),
  TextDecoderStream: hidden(encoding.TextDecoderStream),
  TextEncoder: hidden(encoding.TextEncoder),
  TextEncoderStream: hidden(encoding.TextEncoderStream),
  TransformStream: hidden(streams.TransformStream),
  TransformStreamDefaultController: hidden(streams.TransformStreamDefaultController),
  URL: hidden(url.URL),
  URLPattern: hidden(URLPattern),
  URLSearchParams: hidden(url.URLSearchParams),
  // Loaded when it is first asked for: most apps never do.
  WebSocket: {
    __proto__: null,
    get() {
      const { WebSocket } = webSockets();
      interfaces.mendWebSocket(WebSocket);
      ObjectDefineProperty(globalThis, "WebSocket", hidden(WebSocket));
      return WebSocket;
    },
    set(/** @type {unknown} */ value) {
      ObjectDefineProperty(globalThis, "WebSocket", hidden(value));
    },
    enumerable: false,
    configurable: true,
  },
  WritableStream: hidden(streams.WritableStream),
  WritableStreamDefaultController: hidden(streams.WritableStreamDefaultController),
  WritableStreamDefaultWriter: hidden(streams.WritableStreamDefaultWriter),
  atob: shown(base64.atob),
  btoa: shown(base64.btoa),
  caches: shown(createCaches(fetch, core.loadExtScript("ext:edgehost/00_bodies.js"))),
  clearInterval: shown(timers.clearInterval),
  clearTimeout: shown(timers.clearTimeout),
  crypto: {
    __proto__: null,
    get: () => cryptoScript.crypto,
    set(/** @type {unknown} */ value) {
      ObjectDefineProperty(globalThis, "crypto", shown(value));
    },
    enumerable: true,
    configurable: true,
  },
  fetch: shown(fetch),
  navigator: shown(navigator),
  performance: shown(performanceScript.performance),
  reportError: shown(event.reportError),
  self: shown(globalThis),
  setInterval: shown(timers.setInterval),
  setTimeout: shown(timers.setTimeout),
  structuredClone: shown(messagePort.structuredClone),
};
ObjectDefineProperties(globalThis, members);
interfaces.install(globalThis, ObjectKeys(members));

// HTML, section 8.1.8.1: the global scope is an event target with these handlers.
ObjectSetPrototypeOf(globalThis, event.EventTarget.prototype);
ObjectDefineProperty(globalThis, webidl.brand, { __proto__: null, value: webidl.brand });
event.setEventTargetData(globalThis);
event.saveGlobalThisReference(globalThis);
event.defineEventHandler(globalThis, "error", undefined, true);
event.defineEventHandler(globalThis, "unhandledrejection");
event.defineEventHandler(globalThis, "rejectionhandled");

internals.edgehost = { ceilings, errors, v8Console };
