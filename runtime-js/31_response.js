// @ts-check
// NextResponse.
(function () {
const { core, primordials } = __bootstrap;
const {
  ArrayPrototypeIncludes,
  ArrayPrototypeJoin,
  Error,
  ObjectDefineProperties,
  ObjectPrototypeIsPrototypeOf,
  ObjectSetPrototypeOf,
  RangeError,
  SafeArrayIterator,
  Symbol,
} = primordials;
const { Headers, headersEntries } = core.loadExtScript("ext:deno_fetch/20_headers.js");
const { Response } = core.loadExtScript("ext:deno_fetch/23_response.js");
const { append } = core.loadExtScript("ext:edgehost/10_scope.js");
const { ResponseCookies } = core.loadExtScript("ext:edgehost/21_cookies.js");
const { validate } = core.loadExtScript("ext:edgehost/22_next_url.js");

const REDIRECTS = [301, 302, 303, 307, 308];
const kCookies = Symbol("cookies");

class NextResponse extends Response {
  /**
   * @param {any} [body]
   * @param {any} [init]
   */
  constructor(body = undefined, init = undefined) {
    super(body, init);
  }

  get cookies() {
    const self = /** @type {any} */ (this);
    return self[kCookies] ??= new ResponseCookies(this.headers);
  }

  /**
   * @param {any} data
   * @param {any} [init]
   */
  static json(data, init) {
    const response = Response.json(data, init);
    ObjectSetPrototypeOf(response, NextResponse.prototype);
    return response;
  }

  /**
   * @param {any} url
   * @param {any} [init]
   */
  static redirect(url, init) {
    const status = typeof init === "number" ? init : init?.status ?? 307;
    if (!ArrayPrototypeIncludes(REDIRECTS, status)) {
      throw new RangeError('Failed to execute "redirect" on "response": Invalid status code');
    }
    const options = typeof init === "object" && init !== null ? init : { __proto__: null };
    const headers = new Headers(options.headers);
    headers.set("location", validate(url));
    return new NextResponse(null, { __proto__: null, ...options, headers, status });
  }

  /**
   * @param {any} url
   * @param {any} [init]
   */
  static rewrite(url, init) {
    const headers = new Headers(init?.headers);
    headers.set("x-middleware-rewrite", validate(url));
    overrideRequestHeaders(init, headers);
    return new NextResponse(null, { __proto__: null, ...init, headers });
  }

  /** @param {any} [init] */
  static next(init) {
    const headers = new Headers(init?.headers);
    headers.set("x-middleware-next", "1");
    overrideRequestHeaders(init, headers);
    return new NextResponse(null, { __proto__: null, ...init, headers });
  }
}
ObjectDefineProperties(NextResponse, {
  __proto__: null,
  json: { __proto__: null, enumerable: true },
  redirect: { __proto__: null, enumerable: true },
  rewrite: { __proto__: null, enumerable: true },
  next: { __proto__: null, enumerable: true },
});

/**
 * @param {any} init
 * @param {Headers} headers
 */
function overrideRequestHeaders(init, headers) {
  if (!init?.request?.headers) return;
  if (!ObjectPrototypeIsPrototypeOf(Headers.prototype, init.request.headers)) {
    throw new Error("request.headers must be an instance of Headers");
  }
  /** @type {string[]} */
  const names = [];
  for (const entry of new SafeArrayIterator(headersEntries(init.request.headers))) {
    headers.set(`x-middleware-request-${entry[0]}`, entry[1]);
    append(names, entry[0]);
  }
  headers.set("x-middleware-override-headers", ArrayPrototypeJoin(names, ","));
}

return { NextResponse };
})();
