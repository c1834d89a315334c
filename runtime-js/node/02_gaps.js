// @ts-check
// Runs after 02_node.js, while the snapshot of the Node layer is made: what deno_node
// lacks of Node.js 22.

import { core, internals, primordials } from "ext:core/mod.js";

const {
  ArrayPrototypeMap,
  ErrorPrototype,
  ObjectAssign,
  ObjectEntries,
  ObjectPrototypeIsPrototypeOf,
  ObjectPrototypeToString,
  SafeArrayIterator,
  StringPrototypeReplaceAll,
  StringPrototypeToUpperCase,
} = primordials;
const { hooks, limit } = internals.edgehost.node;

// Before any script of deno_node that calls ops.
core.loadExtScript("ext:edgehost_node/02_natives.js");

/** Names of HTTP_STATUS_* that do not follow from the phrase. @type {Record<number, string>} */
const STATUS_NAMES = /** @type {any} */ ({
  __proto__: null,
  203: "NON_AUTHORITATIVE_INFORMATION",
  226: "IM_USED",
  418: "TEAPOT",
  505: "HTTP_VERSION_NOT_SUPPORTED",
});

/** Status codes with a phrase. RFC 9110, section 15, and the IANA registry. */
const STATUS = {
  102: "Processing", 201: "Created", 202: "Accepted", 203: "", 206: "Partial Content", 207: "Multi Status",
  208: "Already Reported", 226: "", 300: "Multiple Choices", 301: "Moved Permanently", 302: "Found", 303: "See Other",
  305: "Use Proxy", 307: "Temporary Redirect", 308: "Permanent Redirect", 400: "Bad Request", 401: "Unauthorized",
  402: "Payment Required", 403: "Forbidden", 404: "Not Found", 406: "Not Acceptable",
  407: "Proxy Authentication Required", 408: "Request Timeout", 409: "Conflict", 410: "Gone", 411: "Length Required",
  412: "Precondition Failed", 413: "Payload Too Large", 414: "Uri Too Long", 415: "Unsupported Media Type",
  416: "Range Not Satisfiable", 418: "", 422: "Unprocessable Entity", 423: "Locked", 424: "Failed Dependency",
  425: "Too Early", 426: "Upgrade Required", 428: "Precondition Required", 429: "Too Many Requests",
  431: "Request Header Fields Too Large", 451: "Unavailable For Legal Reasons", 500: "Internal Server Error",
  501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout", 505: "",
  506: "Variant Also Negotiates", 507: "Insufficient Storage", 508: "Loop Detected", 509: "Bandwidth Limit Exceeded",
  510: "Not Extended", 511: "Network Authentication Required",
};

/** Methods of the IANA registry. */
const METHODS = [
  "ACL", "BASELINE-CONTROL", "BIND", "CHECKIN", "CHECKOUT", "COPY", "LABEL", "LINK", "LOCK", "MERGE", "MKACTIVITY",
  "MKCALENDAR", "MKCOL", "MKREDIRECTREF", "MKWORKSPACE", "MOVE", "OPTIONS", "ORDERPATCH", "PATCH", "POST", "PRI",
  "PROPFIND", "PROPPATCH", "PUT", "REBIND", "REPORT", "SEARCH", "TRACE", "UNBIND", "UNCHECKOUT", "UNLINK", "UNLOCK",
  "UPDATE", "UPDATEREDIRECTREF", "VERSION-CONTROL",
];

/** @param {string} phrase */
const constantName = (phrase) =>
  StringPrototypeReplaceAll(StringPrototypeReplaceAll(StringPrototypeToUpperCase(phrase), " ", "_"), "-", "_");

/** Those of Node.js 22 that later versions have no more; packages of some age ask them. */
const QUESTIONS = {
  isBoolean: (/** @type {unknown} */ value) => typeof value === "boolean",
  isBuffer: (/** @type {unknown} */ value) => core.loadExtScript("ext:deno_node/internal/buffer.mjs").Buffer.isBuffer(value),
  isDate: (/** @type {unknown} */ value) => ObjectPrototypeToString(value) === "[object Date]",
  isError: (/** @type {unknown} */ value) => ObjectPrototypeToString(value) === "[object Error]" || ObjectPrototypeIsPrototypeOf(ErrorPrototype, value),
  isFunction: (/** @type {unknown} */ value) => typeof value === "function",
  isNull: (/** @type {unknown} */ value) => value === null,
  isNullOrUndefined: (/** @type {unknown} */ value) => value === null || value === undefined,
  isNumber: (/** @type {unknown} */ value) => typeof value === "number",
  isObject: (/** @type {unknown} */ value) => typeof value === "object" && value !== null,
  isPrimitive: (/** @type {unknown} */ value) => value === null || typeof value !== "object" && typeof value !== "function",
  isRegExp: (/** @type {unknown} */ value) => ObjectPrototypeToString(value) === "[object RegExp]",
  isString: (/** @type {unknown} */ value) => typeof value === "string",
  isSymbol: (/** @type {unknown} */ value) => typeof value === "symbol",
  isUndefined: (/** @type {unknown} */ value) => value === undefined,
};

ObjectAssign(hooks, {
  os(/** @type {any} */ exports) {
    const { cpus } = exports;
    const changed = {
      availableParallelism: () => cpus().length || 1,
      cpus: () => ArrayPrototypeMap(cpus(), (/** @type {any} */ cpu) => ({ ...cpu, times: { ...cpu.times } })),
    };
    ObjectAssign(exports, changed);
    if (exports.default) ObjectAssign(exports.default, changed);
    return limit("os", exports);
  },
  util: (/** @type {any} */ exports) => ObjectAssign(exports, QUESTIONS),
  http2_constants(/** @type {any} */ exports) {
    for (const { 0: code, 1: phrase } of new SafeArrayIterator(ObjectEntries(STATUS))) {
      exports[`HTTP_STATUS_${STATUS_NAMES[code] ?? constantName(phrase)}`] = +code;
    }
    for (const method of new SafeArrayIterator(METHODS)) exports[`HTTP2_METHOD_${constantName(method)}`] = method;
    return exports;
  },
});
