// Whether the interfaces on the global object are what Web IDL, section 3.7, makes of their definitions.

/**
 * Name and parent; required arguments of the constructor, -1 if there is none; members: `name/2` is an operation
 * with two required arguments, `!` one that gives a promise, `name=` an attribute that can be set, `NAME=2` a constant;
 * what can be iterated.
 * @type {[string, number, string, string?][]}
 */
const INTERFACES = [
  ["AbortController", 0, "signal abort/0"],
  ["AbortSignal : EventTarget", -1, "static abort/0 static timeout/1 static any/1 aborted reason throwIfAborted/0 onabort="],
  ["Blob", 0, "size type slice/0 stream/0 text/0! arrayBuffer/0! textStream/0 bytes/0!"],
  ["BroadcastChannel : EventTarget", 1, "name postMessage/1 close/0 onmessage= onmessageerror="],
  ["ByteLengthQueuingStrategy", 1, "highWaterMark size"],
  ["Cache", -1, "match/1! matchAll/0! add/1! addAll/1! put/2! delete/1! keys/0!"],
  ["CacheStorage", -1, "match/1! has/1! open/1! delete/1! keys/0!"],
  ["CloseEvent : Event", 1, "wasClean code reason"],
  ["CompressionStream", 1, "readable writable"],
  ["CountQueuingStrategy", 1, "highWaterMark size"],
  ["Crypto", -1, "subtle getRandomValues/1 randomUUID/0"],
  ["CryptoKey", -1, "type extractable algorithm usages"],
  ["CustomEvent : Event", 1, "detail initCustomEvent/1"],
  ["DOMException", 0, "name message code INDEX_SIZE_ERR=1 DOMSTRING_SIZE_ERR=2 HIERARCHY_REQUEST_ERR=3 WRONG_DOCUMENT_ERR=4 INVALID_CHARACTER_ERR=5 NO_DATA_ALLOWED_ERR=6 NO_MODIFICATION_ALLOWED_ERR=7 NOT_FOUND_ERR=8 NOT_SUPPORTED_ERR=9 INUSE_ATTRIBUTE_ERR=10 INVALID_STATE_ERR=11 SYNTAX_ERR=12 INVALID_MODIFICATION_ERR=13 NAMESPACE_ERR=14 INVALID_ACCESS_ERR=15 VALIDATION_ERR=16 TYPE_MISMATCH_ERR=17 SECURITY_ERR=18 NETWORK_ERR=19 ABORT_ERR=20 URL_MISMATCH_ERR=21 QUOTA_EXCEEDED_ERR=22 TIMEOUT_ERR=23 INVALID_NODE_TYPE_ERR=24 DATA_CLONE_ERR=25"],
  ["DecompressionStream", 1, "readable writable"],
  ["ErrorEvent : Event", 1, "message filename lineno colno error"],
  ["Event", 1, "type target srcElement currentTarget composedPath/0 NONE=0 CAPTURING_PHASE=1 AT_TARGET=2 BUBBLING_PHASE=3 eventPhase stopPropagation/0 cancelBubble= stopImmediatePropagation/0 bubbles cancelable returnValue= preventDefault/0 defaultPrevented composed timeStamp initEvent/1"],
  ["EventSource : EventTarget", 1, "url withCredentials CONNECTING=0 OPEN=1 CLOSED=2 readyState onopen= onmessage= onerror= close/0"],
  ["EventTarget", 0, "addEventListener/2 removeEventListener/2 dispatchEvent/1"],
  ["File : Blob", 2, "name lastModified"],
  ["FileReader : EventTarget", 0, "readAsArrayBuffer/1 readAsBinaryString/1 readAsText/1 readAsDataURL/1 abort/0 EMPTY=0 LOADING=1 DONE=2 readyState result error onloadstart= onprogress= onload= onabort= onerror= onloadend="],
  ["FormData", 0, "append/2 delete/1 get/1 getAll/1 has/1 set/2", "pairs"],
  ["Headers", 0, "append/2 delete/1 get/1 getSetCookie/0 has/1 set/2", "pairs"],
  ["MessageChannel", 0, "port1 port2"],
  ["MessageEvent : Event", 1, "data origin lastEventId source ports initMessageEvent/1"],
  ["MessagePort : EventTarget", -1, "postMessage/1 start/0 close/0 onclose= onmessage= onmessageerror="],
  ["Performance : EventTarget", -1, "now/0 timeOrigin toJSON/0 getEntries/0 getEntriesByType/1 getEntriesByName/1 mark/1 clearMarks/0 measure/1 clearMeasures/0 clearResourceTimings/0 setResourceTimingBufferSize/1 onresourcetimingbufferfull="],
  ["PerformanceEntry", -1, "name entryType startTime duration toJSON/0"],
  ["PerformanceMark : PerformanceEntry", 1, "detail"],
  ["PerformanceMeasure : PerformanceEntry", -1, "detail"],
  ["PerformanceObserver", 1, "observe/0 disconnect/0 takeRecords/0 static supportedEntryTypes"],
  ["PerformanceObserverEntryList", -1, "getEntries/0 getEntriesByType/1 getEntriesByName/1"],
  ["ProgressEvent : Event", 1, "lengthComputable loaded total"],
  ["PromiseRejectionEvent : Event", 2, "promise reason"],
  ["QuotaExceededError : DOMException", 0, "quota requested"],
  ["ReadableByteStreamController", -1, "byobRequest desiredSize close/0 enqueue/1 error/0"],
  ["ReadableStream", 0, "static from/1 locked cancel/0! getReader/0 pipeThrough/1 pipeTo/1! tee/0", "async"],
  ["ReadableStreamBYOBReader", 1, "read/1! releaseLock/0 closed! cancel/0!"],
  ["ReadableStreamBYOBRequest", -1, "view respond/1 respondWithNewView/1"],
  ["ReadableStreamDefaultController", -1, "desiredSize close/0 enqueue/0 error/0"],
  ["ReadableStreamDefaultReader", 1, "read/0! releaseLock/0 closed! cancel/0!"],
  ["Request", 1, "method url headers destination referrer referrerPolicy mode credentials cache redirect integrity keepalive isReloadNavigation isHistoryNavigation signal duplex clone/0 body bodyUsed arrayBuffer/0! blob/0! bytes/0! formData/0! json/0! text/0! textStream/0"],
  ["Response", 0, "static error/0 static redirect/1 static json/1 type url redirected status ok statusText headers clone/0 body bodyUsed arrayBuffer/0! blob/0! bytes/0! formData/0! json/0! text/0! textStream/0"],
  ["SubtleCrypto", -1, "encrypt/3! decrypt/3! sign/3! verify/4! digest/2! generateKey/3! deriveKey/5! deriveBits/2! importKey/5! exportKey/2! wrapKey/4! unwrapKey/7! encapsulateKey/5! encapsulateBits/2! decapsulateKey/6! decapsulateBits/3! getPublicKey/2! static supports/2"],
  ["TextDecoder", 0, "decode/0 encoding fatal ignoreBOM"],
  ["TextDecoderStream", 0, "encoding fatal ignoreBOM readable writable"],
  ["TextEncoder", 0, "encode/0 encodeInto/2 encoding"],
  ["TextEncoderStream", 0, "encoding readable writable"],
  ["TransformStream", 0, "readable writable"],
  ["TransformStreamDefaultController", -1, "desiredSize enqueue/0 error/0 terminate/0"],
  ["URL", 1, "static createObjectURL/1 static revokeObjectURL/1 static parse/1 static canParse/1 href= toString/0 origin protocol= username= password= host= hostname= port= pathname= search= searchParams hash= toJSON/0"],
  ["URLPattern", 0, "test/0 exec/0 protocol username password hostname port pathname search hash hasRegExpGroups"],
  ["URLSearchParams", 0, "size append/2 delete/1 get/1 getAll/1 has/1 set/2 sort/0 toString/0", "pairs"],
  ["WebSocket : EventTarget", 1, "url CONNECTING=0 OPEN=1 CLOSING=2 CLOSED=3 readyState bufferedAmount onopen= onerror= onclose= extensions protocol close/0 onmessage= binaryType= send/1"],
  ["WritableStream", 0, "locked abort/0! close/0! getWriter/0"],
  ["WritableStreamDefaultController", -1, "signal error/0"],
  ["WritableStreamDefaultWriter", 1, "closed! desiredSize ready! abort/0! close/0! releaseLock/0 write/0!"],
];

/** Those of the Node layer. @type {[string, number, string, string?][]} */
const OF_NODE = [
  ["PerformanceResourceTiming : PerformanceEntry", -1, "initiatorType deliveryType nextHopProtocol workerStart redirectStart redirectEnd fetchStart domainLookupStart domainLookupEnd connectStart connectEnd secureConnectionStart requestStart finalResponseHeadersStart firstInterimResponseStart responseStart responseEnd transferSize encodedBodySize decodedBodySize responseStatus renderBlockingStatus contentType contentEncoding toJSON/0"],
  ["Storage", -1, "length key/1 getItem/1 setItem/2 removeItem/1 clear/0"],
];

const ITERATION = {
  pairs: [Symbol.iterator, "entries", "entries/0 keys/0 values/0 forEach/1"],
  async: [Symbol.asyncIterator, "values", "values/0"],
};
const { getOwnPropertyDescriptor: of, getPrototypeOf: parentOf } = Object;

/** What is otherwise, in words. @param {boolean} isNode */
export async function deviations(isNode) {
  /** @type {string[]} */
  const found = [];
  const pending = [];
  const expect = (holds, what) => {
    if (!holds) found.push(what);
  };
  /** That nobody but an object of the interface gets an answer. */
  const expectRefusal = (what, isPromised, call) => {
    try {
      const answer = call();
      if (!isPromised || !(answer instanceof Promise)) return found.push(`${what} answers anybody`);
      pending.push(answer.then(() => found.push(`${what} answers anybody`), (error) => expect(error instanceof TypeError, `${what} rejects with ${error}`)));
    } catch (error) {
      expect(!isPromised && error instanceof TypeError, `${what} throws ${error}`);
    }
  };

  for (const [heading, length, members, iteration] of [...INTERFACES, ...(isNode ? OF_NODE : [])]) {
    const [name, parent] = heading.split(" : ");
    const type = globalThis[name];
    expect(typeof type === "function", `${name} is missing`);
    if (typeof type !== "function") continue;
    const { prototype } = type;
    const global = of(globalThis, name);
    expect("value" in global && global.writable && !global.enumerable && global.configurable, `${name} is no hidden value`);
    expect(type.name === name, `${name} is called ${type.name}`);
    expect(type.length === Math.max(length, 0), `${name} has length ${type.length}`);
    const slot = of(type, "prototype");
    expect(!slot.writable && !slot.enumerable && !slot.configurable, `${name}.prototype can be changed`);
    const maker = of(prototype, "constructor");
    expect(maker?.value === type && maker.writable && !maker.enumerable && maker.configurable, `${name}.prototype.constructor`);
    const tag = of(prototype, Symbol.toStringTag);
    expect(tag?.value === name && !tag.writable && !tag.enumerable && tag.configurable, `${name} has another tag`);
    if (name !== "DOMException") {
      const [above, prototypeAbove] = parent ? [globalThis[parent], globalThis[parent].prototype] : [Function.prototype, Object.prototype];
      expect(parentOf(type) === above && parentOf(prototype) === prototypeAbove, `${name} inherits from something else`);
    }
    expectRefusal(`${name}()`, false, () => type());
    if (length !== 0) expectRefusal(`new ${name}()`, false, () => new type());

    const operations = iteration ? ITERATION[iteration][2].split(" ") : [];
    for (const member of [...members.split(" static ").join(" static.").replace(/^static /, "static.").split(" "), ...operations]) {
      const [, isStatic, key, kind] = /^(static\.)?(\w+)(.*)$/.exec(member);
      const holder = isStatic ? type : prototype;
      const what = `${name}${isStatic ? "" : ".prototype"}.${key}`;
      const found = of(holder, key);
      expect(found !== undefined, `${what} is missing`);
      if (found === undefined) continue;
      expect(found.enumerable, `${what} is hidden`);
      const isPromised = kind.endsWith("!");
      const constant = /^=(\d+)$/.exec(kind);
      if (constant) {
        for (const at of [of(type, key), found]) {
          expect(at?.value === Number(constant[1]) && !at.writable && at.enumerable && !at.configurable, `${what} is no constant`);
        }
        continue;
      }
      expect(found.configurable, `${what} cannot be configured`);
      if (kind.startsWith("/")) {
        const { value } = found;
        expect(typeof value === "function" && found.writable, `${what} is no operation`);
        if (typeof value !== "function") continue;
        expect(value.name === key && value.length === parseInt(kind.slice(1)), `${what} is ${value.name}/${value.length}`);
        expect(!("prototype" in value), `${what} is a constructor`);
        const args = Array(value.length).fill(undefined);
        if (!isStatic) expectRefusal(`${what}()`, isPromised, () => value.apply({}, args));
      } else {
        expect(found.get?.name === `get ${key}` && found.get.length === 0, `${what} has another getter`);
        expect(kind.startsWith("=") ? found.set?.name === `set ${key}` && found.set.length === 1 : found.set === undefined, `${what} has another setter`);
        if (isStatic) continue;
        for (const other of [{}, null, prototype]) expectRefusal(`${what} of ${other && (other === prototype ? "its prototype" : "{}")}`, isPromised, () => found.get?.call(other));
        if (kind.startsWith("=")) expectRefusal(`setting ${what}`, false, () => found.set?.call({}, null));
      }
    }
    if (iteration) {
      const [symbol, key] = ITERATION[iteration];
      const iterator = of(prototype, symbol);
      expect(iterator?.value === prototype[key] && !iterator.enumerable, `${name} is iterated otherwise`);
    }
    for (const key of Reflect.ownKeys(prototype)) {
      if (typeof key === "symbol") expect(!of(prototype, key).enumerable, `${name}.prototype[${String(key)}] can be seen`);
    }
  }

  for (const [key, length] of Object.entries({ setTimeout: 1, setInterval: 1, clearTimeout: 0, clearInterval: 0, structuredClone: 1, fetch: 1, atob: 1, btoa: 1, reportError: 1, queueMicrotask: 1 })) {
    const operation = of(globalThis, key);
    expect(operation.writable && operation.enumerable && operation.configurable && operation.value?.length === length, `${key} is ${JSON.stringify(operation)} of length ${operation.value?.length}`);
  }
  const own = [new Event("x"), new Event("y")].map((event) => of(event, "isTrusted"));
  expect(own[0]?.get === own[1]?.get && own[0]?.enumerable && !own[0].configurable && own[0].set === undefined, "isTrusted is not each event's own");
  await Promise.all(pending);
  return found;
}
