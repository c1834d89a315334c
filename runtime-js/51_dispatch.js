// @ts-check
// Calls handlers and turns what they return into an answer. The last script:
// loaded when an isolate starts, it returns what the host calls.
(function () {
const { core, internals, primordials } = __bootstrap;
const {
  op_edgehost_fail,
  op_edgehost_is_handled,
  op_edgehost_place,
  op_edgehost_respond,
  op_edgehost_respond_bytes,
  op_edgehost_respond_text,
  op_edgehost_thrown,
  op_is_promise,
  op_set_format_exception_callback,
} = core.ops;
const {
  ArrayFrom,
  ArrayPrototypeEvery,
  ArrayPrototypeMap,
  Error,
  FunctionPrototypeToString,
  MapPrototypeClear,
  MapPrototypeDelete,
  MapPrototypeGet,
  MapPrototypeGetSize,
  MapPrototypeSet,
  Number,
  ObjectFreeze,
  ObjectPrototypeIsPrototypeOf,
  PromisePrototypeThen,
  PromiseResolve,
  RangeError,
  RegExpPrototypeExec,
  SafeArrayIterator,
  SafeMap,
  SafeRegExp,
  SafeSet,
  SafeSetIterator,
  SafeWeakSet,
  SetPrototypeAdd,
  SetPrototypeDelete,
  SetPrototypeHas,
  String,
  StringPrototypeIncludes,
  StringPrototypeSlice,
  StringPrototypeSplit,
  StringPrototypeStartsWith,
  StringPrototypeToLowerCase,
  Symbol,
  SymbolFor,
  TypeError,
  TypedArrayPrototypeGetSymbolToStringTag,
  ArrayPrototypeJoin,
  ArrayPrototypeSlice,
  WeakSetPrototypeAdd,
  WeakSetPrototypeDelete,
  encodeURI,
} = primordials;
const { DOMException } = core.loadExtScript("ext:deno_web/01_dom_exception.js");
const event = core.loadExtScript("ext:deno_web/02_event.js");
const { nullBodyStatus, getInnerResponse, Response, ResponsePrototype, responseBodyUsed, serveFastBodyKey,
  serveFastConsumedKey, serveFastContentTypeKey, serveFastHeaderKindKey, serveFastStatusKey,
  SERVE_FAST_HEADER_CONTENT_TYPE, toInnerResponse } = core.loadExtScript(
    "ext:deno_fetch/23_response.js",
  );
const { setTimeOrigin } = core.loadExtScript("ext:deno_web/15_performance.js");
const { handleWasmStreaming } = core.loadExtScript("ext:deno_fetch/26_fetch.js");
const { ReadableStreamPrototype } = core.loadExtScript("ext:deno_web/06_streams.js");
const { ANSWERED, HANDLER, METHODS, Scope, bareList, current, enter, kScope, leave, unwatch, watch, watched } = core.loadExtScript(
  "ext:edgehost/10_scope.js",
);
const consoleScript = core.loadExtScript("ext:edgehost/20_console.js");
const { InnerRequest, ResponseAborted, innerOf, paramsFor, paramsOf, requestFor } = core.loadExtScript(
  "ext:edgehost/30_request.js",
);
const { owe, runTasks, workingFor } = core.loadExtScript("ext:edgehost/32_after.js");
const { LARGE } = core.loadExtScript("ext:edgehost/00_ceilings.js");
const { isDecoded, isOfEncoding } = core.loadExtScript("ext:edgehost/00_bodies.js");
const { discard, sendStream } = core.loadExtScript("ext:edgehost/50_stream.js");
const processScript = core.loadExtScript("ext:edgehost/40_process.js");
const { REJECTED, report } = consoleScript;

const SENT = 0;
const TIMED_OUT = 2;
const LEFT = 3;
const LATE = 4;

const FAILED = 0;
const NOT_EXPORTED = 1;

/** The roles of modules. */
const HANDLER_FILE = "handler";
const CONFIG = "config";
const FORWARD = "forward";
const MIDDLEWARE = "middleware";

/** Its place among `METHODS`. */
const HEAD = 1;

/** @type {import("./internal").Route[]} */
const routes = bareList();

/**
 * Whether a function ignores its arguments: then no request is built for it.
 * A `length` of 0 alone does not say so (defaults, rest, `arguments`).
 */
const NO_PARAMETERS = new SafeRegExp("^(?:async\\s*)?(?:function\\b\\s*\\*?\\s*[\\w$]*\\s*)?\\(\\s*\\)");
// What is bound or proxied shows no source of its own.
const ARGUMENTS = new SafeRegExp("\\barguments\\b|\\beval\\b|\\[native code\\]");

/** @param {unknown} handler */
function ignoresArguments(handler) {
  if (typeof handler !== "function" || handler.length !== 0) return false;
  const source = FunctionPrototypeToString(handler);
  return RegExpPrototypeExec(NO_PARAMETERS, source) !== null && RegExpPrototypeExec(ARGUMENTS, source) === null;
}

/**
 * Takes what is no route file: a configuration, the middleware, the way to other servers. It
 * answers by whatever method.
 * @param {import("./internal").Route & { index: number, names: string[], phase: string }} facts
 * @param {any} namespace
 */
function registerApart(facts, namespace) {
  let handler;
  if (facts.role === CONFIG) {
    const { evaluate } = core.loadExtScript("ext:edgehost/45_next_config.js");
    handler = () => evaluate(namespace, facts.file, facts.phase);
  } else if (facts.role === MIDDLEWARE) {
    handler = core.loadExtScript("ext:edgehost/46_middleware.js").handlerOf(namespace, facts);
  } else {
    handler = core.loadExtScript("ext:edgehost/47_forward.js").forward;
  }
  const isPlain = facts.role !== FORWARD;
  routes[facts.index] = {
    ...facts,
    params: paramsOf(facts.names),
    handlers: ArrayPrototypeMap(METHODS, () => handler),
    plain: ArrayPrototypeMap(METHODS, () => isPlain),
  };
  return (1 << METHODS.length) - 1;
}

/**
 * Takes a loaded route module. Returns the methods it exports, GET in bit 0.
 * @param {import("./internal").Route & { index: number, names: string[], phase: string }} facts
 * @param {any} namespace
 */
function register(facts, namespace) {
  if (facts.role !== HANDLER_FILE) return registerApart(facts, namespace);
  let bits = 0;
  /** @type {any[]} */
  const handlers = bareList();
  /** @type {boolean[]} */
  const plain = bareList();
  // The exports of a CommonJS file are its default export.
  const exports = "default" in namespace && ArrayPrototypeEvery(METHODS, (/** @type {string} */ name) => !(name in namespace))
    ? namespace.default ?? namespace
    : namespace;
  for (let i = 0; i < METHODS.length; i++) {
    const handler = exports[METHODS[i]];
    if (handler) bits |= 1 << i;
    handlers[i] = handler;
    plain[i] = ignoresArguments(handler);
  }
  if (!handlers[HEAD] && handlers[0]) {
    handlers[HEAD] = handlers[0];
    plain[HEAD] = plain[0];
  }
  const { index, file, pattern, role, exported, runtime, names, sync, nextConfig } = facts;
  const params = paramsOf(names);
  routes[index] = { file, pattern, role, exported, runtime, params, sync, nextConfig, handlers, plain };
  return bits;
}

/**
 * Calls the handler of a request. The answer goes through ops, perhaps later.
 * @param {number} index
 * @param {number} method
 * @param {number} handle
 * @param {any} params what `paramsFor` wants
 */
function dispatch(index, method, handle, params) {
  const route = routes[index];
  const handler = route.handlers[method];
  if (!handler) {
    op_edgehost_fail(handle, NOT_EXPORTED);
    return;
  }
  const scope = new Scope(handle, route, method);
  enter(scope);
  try {
    // Ordinary: it is the handler's.
    const result = route.plain[method] ? handler() : handler(requestFor(scope), { params: paramsFor(scope, params) });
    if (op_is_promise(result)) {
      PromisePrototypeThen(
        result,
        (/** @type {unknown} */ value) => settle(scope, value),
        (/** @type {unknown} */ error) => refuse(scope, error),
      );
    } else if (ObjectPrototypeIsPrototypeOf(ResponsePrototype, result)) {
      settle(scope, result);
    } else if (typeof result?.then === "function") {
      PromisePrototypeThen(
        PromiseResolve(result),
        (/** @type {unknown} */ value) => settle(scope, value),
        (/** @type {unknown} */ error) => refuse(scope, error),
      );
    } else {
      settle(scope, result);
    }
  } catch (error) {
    refuse(scope, error);
  }
  leave();
  // `process.nextTick` comes before promises.
  if (node !== undefined) core.runNextTicks();
}

/** @param {any} scope @param {unknown} value */
function settle(scope, value) {
  try {
    respond(scope, value);
  } catch (error) {
    fail(scope, error);
  }
}

/** @param {any} scope @param {any} response */
function respond(scope, response) {
  if (!ObjectPrototypeIsPrototypeOf(ResponsePrototype, response) || getInnerResponse(response) === undefined) {
    response = foreignResponse(scope, response);
  }
  scope.phase = ANSWERED;
  if (scope.cookies === null || !scope.cookies.isModified) {
    const status = response[serveFastStatusKey];
    const body = response[serveFastBodyKey];
    if (status === 200 && !response[serveFastConsumedKey] && !getInnerResponse(response).body?.unusable()) {
      const kind = response[serveFastHeaderKindKey];
      const type = kind === SERVE_FAST_HEADER_CONTENT_TYPE ? response[serveFastContentTypeKey] : "";
      const isSent = typeof body === "string"
        // Whether there is room for the bytes of a larger one is found out below.
        ? body.length <= LARGE && op_edgehost_respond_text(scope.handle, kind, type, body)
        : TypedArrayPrototypeGetSymbolToStringTag(body) === "Uint8Array" &&
          op_edgehost_respond_bytes(scope.handle, kind, type, body);
      if (isSent) {
        response[serveFastConsumedKey] = true;
        return;
      }
    }
  }
  respondInFull(scope, response);
}

/** Connection-level headers, which a handler has no say in (RFC 9110, section 7.6.1). */
const HOP_BY_HOP = new SafeSet([
  "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te",
  "trailer", "transfer-encoding", "upgrade",
]);

/** What becomes of a header of an answer. */
const SENT_AS_IT_IS = 0;
const LEFT_OUT = 1;
/** Tells of an encoding, which is none any more where `fetch` has decoded. */
const OF_ENCODING = 2;
const COOKIE = 3;
const OF_NEXT = 4;
const OF_REWRITE = 5;
/** By which a middleware says other things to the host, which takes them off. */
const OF_MIDDLEWARE = 6;

/** By name as it was written: looking a few names up is quicker than looking at each again. */
const kinds = new SafeMap();
const MOST_KINDS = 500;

/** @param {string} name @returns {number} */
function kindOf(name) {
  const known = MapPrototypeGet(kinds, name);
  if (known !== undefined) return known;
  const kind = kindOfName(StringPrototypeToLowerCase(name));
  if (MapPrototypeGetSize(kinds) === MOST_KINDS) MapPrototypeClear(kinds);
  MapPrototypeSet(kinds, name, kind);
  return kind;
}

/** @param {string} name in lower case */
function kindOfName(name) {
  if (name === "x-middleware-next") return OF_NEXT;
  if (name === "x-middleware-rewrite") return OF_REWRITE;
  if (SetPrototypeHas(HOP_BY_HOP, name)) return LEFT_OUT;
  if (StringPrototypeStartsWith(name, "x-middleware-")) return OF_MIDDLEWARE;
  if (isOfEncoding(name)) return OF_ENCODING;
  return name === "set-cookie" ? COOKIE : SENT_AS_IT_IS;
}

/** Lines that set cookies. They come after the other headers. @param {string[]} cookies */
function cookieLines(cookies) {
  let lines = "";
  for (let i = 0; i < cookies.length; i++) {
    // It would end the line: headers of a Response have none.
    if (StringPrototypeIncludes(cookies[i], "\n")) {
      throw new TypeError("The header \"set-cookie\" of the answer cannot be sent: its value has a line feed");
    }
    lines += `set-cookie\n${cookies[i]}\n`;
  }
  return lines;
}

/** @param {any} scope @param {any} response */
function respondInFull(scope, response) {
  const inner = toInnerResponse(response);
  if (inner.status === 101) {
    throw new RangeError("The handler returned status 101: a connection cannot be upgraded here");
  }
  if (inner.type === "error" || inner.status === 0) {
    throw new Error("The handler returned Response.error(), which stands for a network error and has no status");
  }
  const { headerList } = inner;
  const isMiddleware = scope.route.role === MIDDLEWARE;
  const isBodyDecoded = inner.bodyDecoded || isDecoded(inner.body?.streamOrStatic ?? null);
  const merged = scope.cookies !== null && scope.cookies.isModified ? bareList() : null;
  let count = 0;
  let lines = "";
  let ownCookies = "";
  for (let i = 0; i < headerList.length; i++) {
    const entry = headerList[i];
    const kind = kindOf(entry[0]);
    if (kind !== SENT_AS_IT_IS && !(isMiddleware && kind >= OF_NEXT)) {
      if (kind === COOKIE) {
        if (merged === null) {
          ownCookies += `set-cookie\n${entry[1]}\n`;
          count++;
        } else {
          merged[merged.length] = entry[1];
        }
        continue;
      }
      // What another server says to a host of its own.
      if (scope.route.role === FORWARD && kind >= OF_NEXT) continue;
      if (kind === OF_NEXT) {
        throw new Error(
          "NextResponse.next() was used in a app route handler, this is not supported. See here for more info: https://nextjs.org/docs/messages/next-response-next-in-app-route-handler",
        );
      }
      if (kind === OF_REWRITE) {
        throw new Error(
          "NextResponse.rewrite() was used in a app route handler, this is not currently supported. Please remove the invocation to continue.",
        );
      }
      if (kind === LEFT_OUT || kind === OF_MIDDLEWARE || isBodyDecoded || isDecoded(entry)) continue;
    }
    lines += `${entry[0]}\n${entry[1]}\n`;
    count++;
  }
  if (merged === null) {
    lines += ownCookies;
  } else {
    const cookies = scope.cookies.merge(merged);
    lines += cookieLines(cookies);
    count += cookies.length;
  }

  const { status, statusMessage } = inner;
  const body = nullBodyStatus(status) ? null : inner.body;
  if (body === null) {
    op_edgehost_respond(scope.handle, status, statusMessage, count, lines, null);
    return;
  }
  if (responseBodyUsed(response) || body.unusable()) {
    throw new TypeErrorOfUsedBody();
  }
  // `body.stream` makes a stream of a static body; look before touching it.
  const source = body.streamOrStatic;
  const known = knownBytes(body, source);
  if (known !== null) {
    op_edgehost_respond(scope.handle, status, statusMessage, count, lines, known);
    return;
  }
  const { stream } = body;
  if (scope.request !== null) innerOf(scope.request).keep?.();
  if (scope.method === HEAD) {
    op_edgehost_respond(scope.handle, status, statusMessage, count, lines, null);
    discard(stream, new ResponseAborted());
    return;
  }
  PromisePrototypeThen(
    sendStream(scope, stream, status, statusMessage, count, lines),
    undefined,
    (/** @type {unknown} */ error) => fail(scope, error),
  );
}

class TypeErrorOfUsedBody extends primordials.TypeError {
  name = "TypeError";

  constructor() {
    super("The handler returned a Response whose body has already been read or is locked");
  }
}

/**
 * Bytes or text of a body that is not a real stream.
 * @param {any} body @param {any} source
 */
function knownBytes(body, source) {
  if (!ObjectPrototypeIsPrototypeOf(ReadableStreamPrototype, source)) return source.body;
  const original = body.source;
  return typeof original === "string" || TypedArrayPrototypeGetSymbolToStringTag(original) === "Uint8Array"
    ? original
    : null;
}

/**
 * Responses of other implementations are taken by their shape.
 * @param {any} scope @param {any} value
 */
function foreignResponse(scope, value) {
  if (
    typeof value === "object" && value !== null && typeof value.status === "number" &&
    typeof value.headers === "object" && typeof value.arrayBuffer === "function"
  ) {
    return new Response(value.body ?? null, {
      __proto__: null,
      status: value.status,
      statusText: value.statusText ?? "",
      // Ordinary: the iteration is that of another implementation.
      headers: [...value.headers],
    });
  }
  const received = value === null
    ? "null"
    : typeof value === "object"
    ? value.constructor?.name ?? "Object"
    : typeof value;
  const inner = new InnerRequest(scope);
  throw new Error(
    `No response is returned from route handler '${scope.route.file}'. Expected a Response object but received '${received}' (method: ${inner.method}, url: ${pathOf(inner.url())}). Ensure you return a \`Response\` or a \`NextResponse\` in all branches of your handler.`,
  );
}

/** @param {string} url */
function pathOf(url) {
  const path = RegExpPrototypeExec(new SafeRegExp("^\\w+://[^/]*([^?]*)"), url);
  return path === null ? url : path[1];
}

/** What `forbidden()`, `unauthorized()` and `notFound()` may answer. */
const HTTP_FALLBACK = new SafeRegExp("^NEXT_HTTP_ERROR_FALLBACK;(401|403|404)$");

/** @param {any} scope @param {any} error */
function refuse(scope, error) {
  // What a handler may throw to redirect has no meaning before there is one.
  if (scope.route.role === MIDDLEWARE) return fail(scope, error);
  try {
    // Whatever was thrown may have accessors, or be a Proxy.
    const digest = error?.digest;
    if (typeof digest === "string") {
      if (StringPrototypeStartsWith(digest, "NEXT_REDIRECT;")) return redirect(scope, digest);
      if (digest === "NEXT_NOT_FOUND") return bare(scope, 404);
      const fallback = RegExpPrototypeExec(HTTP_FALLBACK, digest);
      if (fallback !== null) return bare(scope, Number(fallback[1]));
    }
  } catch (thrown) {
    return fail(scope, thrown);
  }
  fail(scope, error);
}

/** @param {any} scope @param {any} error */
function fail(scope, error) {
  scope.phase = ANSWERED;
  try {
    report("\u2A2F ", error, scope.handle);
  } finally {
    op_edgehost_fail(scope.handle, FAILED);
  }
}

/** @param {any} scope @param {number} status */
function bare(scope, status) {
  scope.phase = ANSWERED;
  op_edgehost_respond(scope.handle, status, "", 0, "", null);
}

const NON_ASCII = new SafeRegExp("[^\\x21-\\x7e]");

/** @param {any} scope @param {string} digest */
function redirect(scope, digest) {
  const parts = StringPrototypeSplit(digest, ";");
  let status = Number(parts[parts.length - 2]);
  let location = ArrayPrototypeJoin(ArrayPrototypeSlice(parts, 2, -2), ";");
  if (RegExpPrototypeExec(NON_ASCII, location) !== null) location = encodeNonAscii(location);
  const inner = new InnerRequest(scope);
  if (inner.method === "POST") {
    const type = inner.header("content-type") ?? "";
    if (
      type === "application/x-www-form-urlencoded" || StringPrototypeStartsWith(type, "multipart/form-data") ||
      inner.header("next-action") !== null
    ) {
      status = 303;
    }
  }
  scope.phase = ANSWERED;
  const cookies = scope.cookies !== null && scope.cookies.isModified ? scope.cookies.merge([]) : [];
  const lines = `location\n${location}\n${cookieLines(cookies)}`;
  op_edgehost_respond(scope.handle, status, "", 1 + cookies.length, lines, null);
}

/** @param {string} text */
function encodeNonAscii(text) {
  let encoded = "";
  for (const char of new primordials.SafeStringIterator(text)) {
    encoded += RegExpPrototypeExec(NON_ASCII, char) === null ? char : encodeURI(char);
  }
  return encoded;
}

/**
 * The client has left, though it may still read an answer.
 * @param {any} scope
 */
function leaving(scope) {
  scope.left = true;
  enter(scope);
  try {
    scope.abort?.abort(new ResponseAborted());
  } catch (error) {
    report("", error, scope.handle);
  }
  leave();
}

/**
 * Ends what `fetch` still waits for, on behalf of a request that has no answer.
 * @param {any} scope
 */
function endFetches(scope) {
  if (scope.fetches === null) return;
  for (const rid of new SafeArrayIterator(ArrayFrom(new SafeSetIterator(scope.fetches)))) core.tryClose(rid);
}

/**
 * The answer has been sent, or was given up before that.
 * @param {number} handle
 * @param {number} how 0 sent, 1 the client left, 2 the time was up, 3 the client left
 * and may still read an answer, 4 the time for work after the answer is up
 */
function ended(handle, how) {
  if (how === LEFT) {
    const scope = watched(handle);
    if (scope !== undefined) leaving(scope);
    return;
  }
  if (how === LATE) {
    const scope = workingFor(handle);
    if (scope === undefined) return;
    enter(scope);
    endFetches(scope);
    leave();
    return;
  }
  const scope = unwatch(handle);
  if (scope === undefined) return;
  scope.phase = ANSWERED;
  if (how !== SENT) {
    const reason = how === TIMED_OUT
      ? new DOMException("The request ran into its time limit", "TimeoutError")
      : new ResponseAborted();
    enter(scope);
    try {
      if (!scope.outlives && scope.after === null) endFetches(scope);
      scope.cancelBody?.(reason);
      scope.abort?.abort(reason);
    } catch (error) {
      report("", error, handle);
    }
    leave();
  }
  runTasks(scope);
}

/** Rejections that nobody handled when they were told of. */
const outstanding = new SafeWeakSet();

// Errors that nobody caught.
core.setUnhandledPromiseRejectionHandler((/** @type {Promise<unknown>} */ promise, /** @type {unknown} */ reason) => {
  const rejection = new event.PromiseRejectionEvent("unhandledrejection", { __proto__: null, cancelable: true, promise, reason });
  // `process.on("unhandledRejection")`.
  if (globalThis.dispatchEvent(rejection)) internals.nodeProcessUnhandledRejectionCallback?.(rejection);
  if (!rejection.defaultPrevented) report(REJECTED, reason);
  if (!op_edgehost_is_handled(promise)) WeakSetPrototypeAdd(outstanding, promise);
  return true;
});
core.setHandledPromiseRejectionHandler((/** @type {Promise<unknown>} */ promise, /** @type {unknown} */ reason) => {
  const handled = new event.PromiseRejectionEvent("rejectionhandled", { __proto__: null, promise, reason });
  if (WeakSetPrototypeDelete(outstanding, promise)) globalThis.dispatchEvent(handled);
  internals.nodeProcessRejectionHandledCallback?.(handled);
});
// The text of an error stays what it is; the host only sees which value it is made of.
op_set_format_exception_callback((/** @type {unknown} */ thrown) => {
  op_edgehost_thrown(thrown);
});
internals.edgehost.reportException = (/** @type {unknown} */ error) => {
  let message = "";
  try {
    message = String(/** @type {any} */ (error)?.message ?? error);
  } catch {
    // What throws while it is read has no message.
  }
  const uncaught = new event.ErrorEvent("error", { __proto__: null, cancelable: true, message, error });
  if (globalThis.dispatchEvent(uncaught)) report("Uncaught ", error);
};
core.setReportExceptionCallback(internals.edgehost.reportException);
// After listeners for it have been asked.
internals.edgehost.reportUncaught = (/** @type {unknown} */ error) => report("Uncaught ", error);
core.setWasmStreamingCallback(handleWasmStreaming);
// What `fetch` asks of the request on whose behalf it runs.
internals.edgehost.currentHandle = () => current()?.handle;
internals.edgehost.fetchBegan = (/** @type {number} */ rid) => {
  const scope = current();
  if (scope === undefined) return;
  scope.fetches ??= new SafeSet();
  SetPrototypeAdd(scope.fetches, rid);
  if (scope.phase === HANDLER) watch(scope);
};
internals.edgehost.fetchSettled = (/** @type {number} */ rid) => {
  const fetches = current()?.fetches;
  if (fetches) SetPrototypeDelete(fetches, rid);
};
setTimeOrigin();

consoleScript.install();
const node = internals.edgehost.node === undefined ? undefined : core.loadExtScript("ext:edgehost_node/41_globals.js");
(node ?? processScript).install();
if (node === undefined) {
  processScript.define(
    "AsyncLocalStorage",
    () => core.loadExtScript("ext:edgehost/11_async_local_storage.js").AsyncLocalStorage,
  );
}

// Bundled code asks here where files of the project lie.
primordials.ObjectDefineProperty(globalThis, SymbolFor("edgehost.place"), {
  __proto__: null,
  value: (/** @type {string} */ path, isUrl = false) => op_edgehost_place(path, isUrl),
});

// Libraries look here for `waitUntil` (next/after, @vercel/functions).
const requestContext = ObjectFreeze({
  get() {
    const scope = current();
    if (scope === undefined) return undefined;
    return {
      waitUntil(/** @type {Promise<unknown>} */ promise) {
        watch(scope);
        scope.outlives = true;
        owe(scope, PromiseResolve(promise), (/** @type {unknown} */ error) =>
          report("A promise passed to `waitUntil()` rejected: ", error, scope.handle));
      },
    };
  },
});
for (const name of new SafeArrayIterator(["@next/request-context", "@vercel/request-context"])) {
  primordials.ObjectDefineProperty(globalThis, SymbolFor(name), {
    __proto__: null,
    value: requestContext,
    writable: true,
    enumerable: false,
    configurable: true,
  });
}

return { dispatch, ended, register, scopeKey: kScope };
})();
