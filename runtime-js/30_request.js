// @ts-check
// NextRequest. For a request that came in, everything is read from the host on
// first touch; nothing is copied for handlers that do not look.
(function () {
const { core, primordials } = __bootstrap;
const {
  op_edgehost_request_body,
  op_edgehost_request_given,
  op_edgehost_request_header,
  op_edgehost_request_headers,
  op_edgehost_request_text,
  op_edgehost_request_url,
} = core.ops;
const {
  Error,
  FunctionPrototypeCall,
  JSONParse,
  ObjectDefineProperty,
  ObjectGetOwnPropertyDescriptor,
  ObjectGetOwnPropertySymbols,
  ObjectPrototypeIsPrototypeOf,
  ObjectSetPrototypeOf,
  PromiseReject,
  PromiseResolve,
  RegExpPrototypeExec,
  SafeArrayIterator,
  SafeRegExp,
  SafeSet,
  SetPrototypeHas,
  StringPrototypeToLowerCase,
  Symbol,
  TypeError,
} = primordials;
const webidl = core.loadExtScript("ext:deno_webidl/00_webidl.js");
const { URL } = core.loadExtScript("ext:deno_web/00_url.js");
const { AbortController } = core.loadExtScript("ext:deno_web/03_abort_signal.js");
const { readableStreamForRid } = core.loadExtScript("ext:deno_web/06_streams.js");
const { InnerBody } = core.loadExtScript("ext:deno_fetch/22_body.js");
const { fromInnerRequest, Request, RequestPrototype } = core.loadExtScript("ext:deno_fetch/23_request.js");
const { parseable } = core.loadExtScript("ext:edgehost/00_bodies.js");
const { METHODS, append, bareList, watch } = core.loadExtScript("ext:edgehost/10_scope.js");
const { RequestCookies } = core.loadExtScript("ext:edgehost/21_cookies.js");
const { NextURL, validate } = core.loadExtScript("ext:edgehost/22_next_url.js");

/**
 * deno_fetch keeps the state of a Request under symbols of its own. They are
 * found by their descriptions, so that a subclass can be made without running
 * the constructor; a test fails should they change.
 * @param {object} holder @param {string} description
 */
function symbolOf(holder, description) {
  for (const symbol of new SafeArrayIterator(ObjectGetOwnPropertySymbols(holder))) {
    if (symbol.description === description) return symbol;
  }
  throw new TypeError(`deno_fetch's Request has no "${description}"`);
}
const sample = fromInnerRequest({ __proto__: null }, "request");
const kInner = symbolOf(sample, "request");
const kGuard = symbolOf(sample, "headers guard");
const kSignal = symbolOf(RequestPrototype, "signal");
const requestSignal = ObjectGetOwnPropertyDescriptor(RequestPrototype, kSignal).get;
const brand = webidl.brand;

class ResponseAborted extends Error {
  name = "ResponseAborted";

  constructor() {
    super("The client closed the connection before the response was complete");
  }
}

/** What deno_fetch's Request works on, backed by the host. */
class InnerRequest {
  scope;
  redirectMode = "follow";
  redirectCount = 0;
  clientRid = null;
  blobUrlEntry = null;
  /** @type {any} */
  bodyInner = undefined;
  /** Whether the body has been read as a whole, without becoming one of deno_fetch. */
  isRead = false;
  /** @type {any} */
  headerListInner = null;
  urlInner = "";
  /** @type {(() => string)[] | null} */
  urlListInner = null;
  /** @type {string[]} */
  urlListProcessed = [];

  /** @param {any} scope */
  constructor(scope) {
    this.scope = scope;
  }
  get method() {
    return METHODS[this.scope.method];
  }
  url() {
    if (this.urlInner === "") this.urlInner = op_edgehost_request_url(this.scope.handle);
    return this.urlInner;
  }
  currentUrl() {
    return this.url();
  }
  get urlList() {
    return this.urlListInner ??= [() => this.url()];
  }
  /** @param {string} name */
  header(name) {
    const { head } = this.scope;
    return head === null ? op_edgehost_request_header(this.scope.handle, name) : valueOf(head, name);
  }
  get headerList() {
    if (this.headerListInner === null) {
      const flat = this.scope.head ?? op_edgehost_request_headers(this.scope.handle);
      /** @type {[string, string][]} */
      const list = [];
      for (let i = 0; i < flat.length; i += 2) append(list, [flat[i], flat[i + 1]]);
      this.headerListInner = list;
    }
    return this.headerListInner;
  }
  get body() {
    if (this.bodyInner === undefined) {
      this.bodyInner = this.isRead
        ? new InnerBody({ __proto__: null, body: "", consumed: true })
        : takeBody(this.scope.handle);
    }
    return this.bodyInner;
  }
  set body(value) {
    this.bodyInner = value;
  }
  /** The whole body as text, or null if it has been touched or is still arriving. */
  consumeTextBody() {
    if (this.isRead || this.bodyInner !== undefined) return null;
    const text = op_edgehost_request_text(this.scope.handle);
    this.isRead = text !== null;
    return text;
  }
  signal() {
    const { scope } = this;
    if (scope.abort === null) {
      scope.abort = new AbortController();
      watch(scope);
      if (scope.left) scope.abort.abort(new ResponseAborted());
    }
    return scope.abort.signal;
  }
  /** Reads what may be looked at once the request is over. */
  keep() {
    this.url();
    this.scope.head ??= op_edgehost_request_headers(this.scope.handle);
    givenTo(this.scope);
  }
}

/** Of requests with which a program gave nothing along. */
const NOTHING = { __proto__: null, context: null, basePath: null };

/**
 * What a program gave along with a request that it handed over: JSON for the handler, and the
 * path under which a router has put the app.
 * @param {any} scope
 * @returns {{ context: string | null, basePath: string | null }}
 */
function givenTo(scope) {
  if (scope.given === null) {
    const given = op_edgehost_request_given(scope.handle);
    scope.given = given === null ? NOTHING : { __proto__: null, context: given[0], basePath: given[1] };
  }
  return scope.given;
}

/** @param {string[]} flat names, in lower case, and values @param {string} name */
function valueOf(flat, name) {
  const lower = StringPrototypeToLowerCase(name);
  for (let i = 0; i < flat.length; i += 2) {
    if (flat[i] === lower) return flat[i + 1];
  }
  return null;
}

/** @param {number} handle */
function takeBody(handle) {
  const taken = op_edgehost_request_body(handle);
  if (taken === null) return null;
  if (typeof taken !== "number") {
    const body = new InnerBody({ __proto__: null, body: taken, consumed: false });
    body.length = taken.byteLength;
    return body;
  }
  return new InnerBody(readableStreamForRid(taken));
}

const FORM_TYPES = new SafeRegExp("^\\s*(?:multipart/form-data|application/x-www-form-urlencoded)\\s*(?:;|$)", "i");
const LOOPBACK = new SafeRegExp("^(127(?:\\.\\d{1,3}){3}|\\[::1\\])$");
const kState = Symbol("next request");

class NextRequest extends Request {
  /** @type {any} */
  [kState] = undefined;

  /**
   * @param {any} input
   * @param {any} [init]
   */
  constructor(input, init = undefined) {
    if (input === brand) {
      super(brand);
      return;
    }
    const url = typeof input === "object" && input !== null && "url" in input ? input.url : validate(input);
    const parsed = new URL(url);
    if (parsed.username !== "" || parsed.password !== "") {
      throw new TypeError(`Request cannot be constructed from a URL that includes credentials: ${url}`);
    }
    const options = init?.body && init.duplex === undefined ? { __proto__: null, ...init, duplex: "half" } : init;
    if (ObjectPrototypeIsPrototypeOf(RequestPrototype, input)) super(input, options);
    else super(url, options);
    const nextUrl = new NextURL(url, { __proto__: null, nextConfig: init?.nextConfig });
    // As Next.js does: addresses of this machine are all called localhost.
    if (RegExpPrototypeExec(LOOPBACK, nextUrl.hostname) !== null) nextUrl.hostname = "localhost";
    this[kState] = { __proto__: null, cookies: null, nextUrl, url: nextUrl.href };
  }

  get cookies() {
    const state = stateOf(this);
    return state.cookies ??= new RequestCookies(this.headers);
  }

  get nextUrl() {
    const state = stateOf(this);
    return state.nextUrl ??= new NextURL(this.url, optionsOf(this, state));
  }

  get url() {
    const inner = this[kInner];
    if (isReceived(inner)) return inner.url();
    return this[kState]?.url ?? super.url;
  }

  /** The client's address; of requests that were not received, there is none. */
  get ip() {
    const inner = this[kInner];
    return isReceived(inner) ? inner.header("x-real-ip") ?? undefined : undefined;
  }

  get page() {
    throw new Error(
      "The request.page has been deprecated in favour of `URLPattern`.\n  Read more: https://nextjs.org/docs/messages/middleware-request-page",
    );
  }

  get ua() {
    throw new Error(
      "The request.ua has been removed in favour of `userAgent` function.\n  Read more: https://nextjs.org/docs/messages/middleware-parse-user-agent",
    );
  }

  get duplex() {
    return "half";
  }

  clone() {
    const clone = super.clone();
    ObjectSetPrototypeOf(clone, NextRequest.prototype);
    clone[kState] = undefined;
    const options = optionsOf(this, this[kState]);
    if (options !== undefined) stateOf(clone).options = options;
    return clone;
  }

  json() {
    try {
      const text = textOf(this[kInner]);
      if (text !== null) return PromiseResolve(JSONParse(parseable(text)));
      return this.bodyUsed ? unusable() : super.json();
    } catch (error) {
      return PromiseReject(error);
    }
  }

  text() {
    try {
      const text = textOf(this[kInner]);
      if (text !== null) return PromiseResolve(text);
      return this.bodyUsed ? unusable() : super.text();
    } catch (error) {
      return PromiseReject(error);
    }
  }

  arrayBuffer() {
    return this.bodyUsed ? unusable() : super.arrayBuffer();
  }

  blob() {
    return this.bodyUsed ? unusable() : super.blob();
  }

  bytes() {
    return this.bodyUsed ? unusable() : super.bytes();
  }

  formData() {
    if (this.bodyUsed) return unusable();
    if (RegExpPrototypeExec(FORM_TYPES, this.headers.get("content-type") ?? "") === null) {
      return PromiseReject(
        new TypeError(
          'Content-Type was not one of "multipart/form-data" or "application/x-www-form-urlencoded".',
        ),
      );
    }
    return super.formData();
  }
}
ObjectDefineProperty(NextRequest.prototype, kSignal, {
  __proto__: null,
  get() {
    const inner = this[kInner];
    return isReceived(inner)
      ? inner.signal()
      : FunctionPrototypeCall(requestSignal, this);
  },
});
for (const name of new SafeArrayIterator(["cookies", "nextUrl"])) {
  ObjectDefineProperty(NextRequest.prototype, name, { __proto__: null, enumerable: true });
}

/**
 * The body of a request that came in, if all of it is there and nobody has touched it:
 * asked whether it is used, it would become one of deno_fetch.
 * @param {any} inner
 * @returns {string | null}
 */
function textOf(inner) {
  return ObjectPrototypeIsPrototypeOf(InnerRequest.prototype, inner) ? inner.consumeTextBody() : null;
}

function unusable() {
  return PromiseReject(new TypeError("Body is unusable: Body has already been read"));
}

/** @param {any} inner */
function isReceived(inner) {
  return ObjectPrototypeIsPrototypeOf(InnerRequest.prototype, inner);
}

/** @param {any} request */
function stateOf(request) {
  return request[kState] ??= { __proto__: null, cookies: null, nextUrl: null, url: undefined, options: undefined };
}

/**
 * What the URL of a request is to be read with: the path under which a router has put the app,
 * and that of the app itself.
 * @param {any} request @param {any} state
 */
function optionsOf(request, state) {
  const inner = request[kInner];
  if (!isReceived(inner)) return state?.options;
  const mount = givenTo(inner.scope).basePath;
  const { nextConfig } = inner.scope.route;
  if (mount === null && nextConfig === null) return undefined;
  const basePath = `${mount ?? ""}${nextConfig?.basePath ?? ""}`;
  return { __proto__: null, nextConfig: { __proto__: null, basePath, trailingSlash: nextConfig?.trailingSlash } };
}

/**
 * The request that a handler is given.
 * @param {any} scope
 */
function requestFor(scope) {
  const request = /** @type {any} */ (new NextRequest(brand));
  request[kInner] = new InnerRequest(scope);
  request[kGuard] = "request";
  scope.request = request;
  return request;
}

/** Names that a promise or React needs for itself. */
const RESERVED = new SafeSet([
  "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toString", "valueOf", "toLocaleString",
  "then", "catch", "finally", "status", "displayName", "_debugInfo", "toJSON", "$$typeof", "__esModule",
  "@@iterator",
]);

/**
 * How the parameters of a route are shown, in their order.
 * @param {string[]} names
 * @returns {import("./internal").Param[]}
 */
function paramsOf(names) {
  /** @type {import("./internal").Param[]} */
  const params = bareList();
  for (let i = 0; i < names.length; i++) {
    params[i] = { __proto__: null, name: names[i], isShown: !SetPrototypeHas(RESERVED, names[i]) };
  }
  return params;
}

/**
 * Gives an object a property, also one whose name it inherits.
 * @param {any} object @param {string} name @param {unknown} value
 */
function define(object, name, value) {
  if (!(name in object)) {
    // Nothing is inherited: plain assignment defines it, and is quicker.
    object[name] = value;
    return;
  }
  ObjectDefineProperty(object, name, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
}

/**
 * A promise of the route parameters that also shows each of them as a property; the
 * parameters themselves in projects on Next.js 13 and 14.
 * @param {any} scope
 * @param {any} given the value of the only parameter, else a list of all that there are
 */
function paramsFor(scope, given) {
  const { params: known, sync } = scope.route;
  // Ordinary: it is the handler's.
  const params = {};
  if (known.length === 1) {
    if (given !== undefined) define(params, known[0].name, given);
  } else if (given !== undefined) {
    for (let i = 0; i < given.length; i++) define(params, known[i].name, given[i]);
  }
  if (sync) return params;
  const promise = PromiseResolve(params);
  if (known.length === 1) {
    if (given !== undefined && known[0].isShown) define(promise, known[0].name, given);
  } else if (given !== undefined) {
    for (let i = 0; i < given.length; i++) {
      if (known[i].isShown) define(promise, known[i].name, given[i]);
    }
  }
  return promise;
}

/** @param {any} request */
function innerOf(request) {
  return request?.[kInner];
}

return { InnerRequest, NextRequest, ResponseAborted, givenTo, innerOf, paramsFor, paramsOf, requestFor };
})();
