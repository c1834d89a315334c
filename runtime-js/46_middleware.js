// @ts-check
// Middleware: how it is called, and what it may return.
(function () {
const { core, primordials } = __bootstrap;
const {
  Error,
  ObjectDefineProperty,
  ObjectPrototypeIsPrototypeOf,
  PromisePrototypeThen,
  PromiseResolve,
  SafeArrayIterator,
  Symbol,
  TypeError,
} = primordials;
const { ResponsePrototype } = core.loadExtScript("ext:deno_fetch/23_response.js");
const { current, watch } = core.loadExtScript("ext:edgehost/10_scope.js");
const { report } = core.loadExtScript("ext:edgehost/20_console.js");
const { requestFor } = core.loadExtScript("ext:edgehost/30_request.js");
const { NextResponse } = core.loadExtScript("ext:edgehost/31_response.js");
const { owe } = core.loadExtScript("ext:edgehost/32_after.js");

const kScope = Symbol("request scope");

/** What a middleware that is called in the way of a service worker is told. @param {string} page */
function asService(page) {
  return new Error(
    `The middleware "${page}" accepts an async API directly with the form:\n\n  export function middleware(request, event) {\n    return NextResponse.redirect('/new-location')\n  }\n\n  Read more: https://nextjs.org/docs/messages/middleware-new-signature`,
  );
}

class NextFetchEvent {
  sourcePage;
  /** @type {any} */
  [kScope];

  /** @param {any} scope */
  constructor(scope) {
    this.sourcePage = `/${scope.route.exported}`;
    ObjectDefineProperty(this, kScope, { __proto__: null, value: scope });
  }

  get request() {
    throw asService(this.sourcePage);
  }

  respondWith() {
    throw asService(this.sourcePage);
  }

  passThroughOnException() {}

  /** @param {any} promise */
  waitUntil(promise) {
    const scope = this[kScope];
    watch(scope);
    scope.outlives = true;
    owe(
      scope,
      PromiseResolve(promise),
      (/** @type {unknown} */ error) => report("A promise passed to `waitUntil()` rejected: ", error, scope.handle),
    );
  }
}

/** What was returned, as a Response that says how the request goes on. @param {any} value */
function verdict(value) {
  if (value === undefined || value === null) return NextResponse.next();
  const isResponse = ObjectPrototypeIsPrototypeOf(ResponsePrototype, value) ||
    (typeof value === "object" && typeof value.status === "number" && typeof value.headers === "object");
  if (!isResponse) throw new TypeError("Expected an instance of Response to be returned");
  return value;
}

/**
 * The function that a middleware file exports: the named export, or the default one. Of a
 * CommonJS file the exports are the default export.
 * @param {any} namespace
 * @param {string} name
 */
function exported(namespace, name) {
  for (const exports of new SafeArrayIterator([namespace, namespace.default])) {
    if (typeof exports === "function") return exports;
    const found = exports?.[name];
    if (found) return found;
  }
  return namespace.default?.default;
}

/**
 * Makes a handler of a middleware.
 * @param {any} namespace
 * @param {import("./internal").Route} route
 */
function handlerOf(namespace, route) {
  const middleware = exported(namespace, route.exported);
  if (typeof middleware !== "function") {
    throw new Error(
      `The file "./${route.file}" must export a function, either as a default export or as a named "${route.exported}" export.`,
    );
  }
  return () => {
    const scope = current();
    const result = middleware(requestFor(scope), new NextFetchEvent(scope));
    return typeof result?.then === "function" ? PromisePrototypeThen(PromiseResolve(result), verdict) : verdict(result);
  };
}

return { handlerOf };
})();
