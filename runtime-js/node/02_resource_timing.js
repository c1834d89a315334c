// @ts-check
// `PerformanceResourceTiming` (Resource Timing) as Node.js has it: entries are made by
// `performance.markResourceTiming`. Loaded while the snapshot of the Node layer is made.
(function () {
const { core, primordials } = __bootstrap;
const { ObjectDefineProperty, ReflectHas, SafeArrayIterator, Symbol, TypeError } = primordials;
const webidl = core.loadExtScript("ext:deno_webidl/00_webidl.js");
const { Event } = core.loadExtScript("ext:deno_web/02_event.js");
const { performance, PerformanceEntry, timeline } = core.loadExtScript("ext:deno_web/15_performance.js");
const { mend } = core.loadExtScript("ext:edgehost/00_interfaces.js");

const kFacts = Symbol("[[facts]]");

/** What an entry tells, and where a timing of the Fetch Standard has it; those that are not there are 0. */
const TIMES = {
  __proto__: null,
  workerStart: "finalServiceWorkerStartTime",
  redirectStart: "redirectStartTime",
  redirectEnd: "redirectEndTime",
  fetchStart: "postRedirectStartTime",
  domainLookupStart: "domainLookupStartTime",
  domainLookupEnd: "domainLookupEndTime",
  connectStart: "connectionStartTime",
  connectEnd: "connectionEndTime",
  secureConnectionStart: "secureConnectionStartTime",
  requestStart: "finalNetworkRequestStartTime",
  firstInterimResponseStart: "firstInterimNetworkResponseStartTime",
  finalResponseHeadersStart: "finalNetworkResponseStartTime",
  responseStart: "finalNetworkResponseStartTime",
  responseEnd: "endTime",
  encodedBodySize: "encodedBodySize",
  decodedBodySize: "decodedBodySize",
};
const OF_CONNECTION = ["domainLookupStartTime", "domainLookupEndTime", "connectionStartTime", "connectionEndTime", "secureConnectionStartTime"];

class PerformanceResourceTiming extends PerformanceEntry {
  /** @type {any} */
  [kFacts] = undefined;

  /** @param {any} facts @param {unknown} key */
  constructor(facts = undefined, key = undefined) {
    super(facts?.name, "resource", facts?.startTime, facts?.duration, key);
    this[kFacts] = facts;
  }

  toJSON() {
    const { duration, name, startTime, ...facts } = factsOf(this);
    return { name, entryType: "resource", startTime, duration, ...facts };
  }
}

/** @param {any} entry */
function factsOf(entry) {
  webidl.assertBranded(entry, PerformanceResourceTiming.prototype);
  return entry[kFacts];
}

const ATTRIBUTES = [
  "initiatorType", "deliveryType", "nextHopProtocol", "workerStart", "redirectStart", "redirectEnd", "fetchStart",
  "domainLookupStart", "domainLookupEnd", "connectStart", "connectEnd", "secureConnectionStart", "requestStart",
  "finalResponseHeadersStart", "firstInterimResponseStart", "responseStart", "responseEnd", "transferSize", "encodedBodySize",
  "decodedBodySize", "responseStatus", "renderBlockingStatus", "contentType", "contentEncoding",
];
for (const name of new SafeArrayIterator(ATTRIBUTES)) {
  ObjectDefineProperty(PerformanceResourceTiming.prototype, name, {
    __proto__: null,
    get() {
      return factsOf(this)[name];
    },
    enumerable: true,
    configurable: true,
  });
}
ObjectDefineProperty(PerformanceResourceTiming, "length", { __proto__: null, value: 0, configurable: true });
mend("PerformanceResourceTiming", PerformanceResourceTiming);

/** Entries that are kept, until somebody clears them. */
let most = 250;
let isFull = false;

/**
 * Makes an entry of the timing of a fetch.
 * @param {any} timing @param {any} url @param {any} initiatorType @param {unknown} _global @param {any} cacheMode
 * @param {any} [body] @param {any} [status] @param {any} [deliveryType]
 */
function markResourceTiming(timing, url, initiatorType, _global, cacheMode, body = undefined, status = 0, deliveryType = "") {
  if (typeof timing !== "object" || timing === null) throw new TypeError("The timing of a resource is an object");
  if (cacheMode !== "" && cacheMode !== "local") throw new TypeError("The cache mode of a resource is '' or 'local'");
  const number = (/** @type {any} */ holder, /** @type {string} */ key) =>
    typeof holder === "object" && holder !== null && ReflectHas(holder, key)
      ? webidl.converters.double(holder[key], "Failed to mark a resource", key)
      : 0;
  const startTime = number(timing, "startTime");
  /** @type {any} */
  const facts = {
    __proto__: null,
    name: webidl.converters.DOMString(url, "Failed to mark a resource", "its address"),
    startTime,
    duration: number(timing, "endTime") - startTime,
    initiatorType: webidl.converters.DOMString(initiatorType, "Failed to mark a resource", "its initiator"),
    deliveryType: webidl.converters.DOMString(deliveryType, "Failed to mark a resource", "its delivery"),
    nextHopProtocol: `${timing.finalConnectionTimingInfo?.ALPNNegotiatedProtocol ?? ""}`,
    responseStatus: webidl.converters["unsigned short"](status, "Failed to mark a resource", "its status"),
    renderBlockingStatus: "non-blocking",
    contentType: `${body?.contentType ?? ""}`,
    contentEncoding: `${body?.contentEncoding ?? ""}`,
  };
  for (const name in TIMES) {
    const key = /** @type {any} */ (TIMES)[name];
    const holder = primordials.ArrayPrototypeIncludes(OF_CONNECTION, key) ? timing.finalConnectionTimingInfo : timing;
    facts[name] = number(holder, key);
  }
  facts.transferSize = cacheMode === "local" ? 0 : facts.encodedBodySize + 300;
  const entry = new PerformanceResourceTiming(facts, timeline.key);
  const hasRoom = timeline.count("resource") < most;
  if (hasRoom) isFull = false;
  timeline.add(entry, hasRoom);
  if (!hasRoom && !isFull) {
    isFull = true;
    performance.dispatchEvent(new Event("resourcetimingbufferfull"));
  }
  return entry;
}

timeline.support("resource", (/** @type {number} */ size) => {
  most = size;
});
performance.markResourceTiming = markResourceTiming;

return { PerformanceResourceTiming };
})();
