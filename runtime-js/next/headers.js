// @ts-check
// What `next/headers` exports. Each call gives a promise that can also be used as if
// it had been awaited; in projects on Next.js 13 and 14, what it would resolve to.
(function () {
const { core, primordials } = __bootstrap;
const { op_edgehost_draft_secret, op_edgehost_is_production } = core.ops;
const {
  Date,
  Error,
  FunctionPrototypeBind,
  ObjectDefineProperty,
  ObjectSetPrototypeOf,
  PromiseResolve,
  SafeArrayIterator,
  SymbolIterator,
} = primordials;
const { Headers, headersFromHeaderListLazyTarget } = core.loadExtScript("ext:deno_fetch/20_headers.js");
const { HANDLER, current, required } = core.loadExtScript("ext:edgehost/10_scope.js");
const { RequestScopeCookies } = core.loadExtScript("ext:edgehost/21_cookies.js");
const { InnerRequest } = core.loadExtScript("ext:edgehost/30_request.js");

/**
 * @param {any} store
 * @param {(string | symbol)[]} methods
 * @param {string[]} [accessors]
 */
function hybrid(store, methods, accessors = []) {
  if (current().route.sync) return store;
  const promise = PromiseResolve(store);
  for (const name of new SafeArrayIterator(methods)) {
    ObjectDefineProperty(promise, name, {
      __proto__: null,
      value: FunctionPrototypeBind(store[name], store),
      writable: true,
      enumerable: false,
      configurable: true,
    });
  }
  for (const name of new SafeArrayIterator(accessors)) {
    ObjectDefineProperty(promise, name, {
      __proto__: null,
      get: () => store[name],
      enumerable: false,
      configurable: true,
    });
  }
  return promise;
}

/** @param {any} scope */
function storeOf(scope) {
  if (scope.cookies === null) {
    const header = scope.request === null
      ? new InnerRequest(scope).header("cookie")
      : scope.request.headers.get("cookie");
    scope.cookies = new RequestScopeCookies(header ?? "", () => scope.phase === HANDLER);
  }
  return scope.cookies;
}

function cookies() {
  return hybrid(
    storeOf(required("cookies")),
    ["get", "getAll", "has", "set", "delete", "clear", "toString", SymbolIterator],
    ["size"],
  );
}

class ReadonlyHeadersError extends Error {
  name = "ReadonlyHeadersError";

  constructor() {
    super(
      "Headers cannot be modified. Read more: https://nextjs.org/docs/app/api-reference/functions/headers",
    );
  }
}

function refuse() {
  throw new ReadonlyHeadersError();
}

class ReadonlyHeaders extends Headers {
  append() {
    refuse();
  }
  delete() {
    refuse();
  }
  set() {
    refuse();
  }
}

function headers() {
  const scope = required("headers");
  if (scope.headers === null) {
    const view = headersFromHeaderListLazyTarget(new InnerRequest(scope), "immutable");
    ObjectSetPrototypeOf(view, ReadonlyHeaders.prototype);
    scope.headers = view;
  }
  return hybrid(scope.headers, [
    "append", "delete", "set", "get", "has", "getSetCookie", "forEach", "keys", "values", "entries", SymbolIterator,
  ]);
}

const DRAFT_COOKIE = "__prerender_bypass";

class DraftMode {
  #scope;
  #enabled;

  /** @param {any} scope */
  constructor(scope) {
    this.#scope = scope;
    const { value } = storeOf(scope).get(DRAFT_COOKIE) ?? { __proto__: null, value: undefined };
    this.#enabled = value !== undefined && value === op_edgehost_draft_secret();
  }

  get isEnabled() {
    return this.#enabled;
  }

  enable() {
    this.#check("enable");
    storeOf(this.#scope).set(/** @type {any} */ ({ __proto__: null, name: DRAFT_COOKIE, value: op_edgehost_draft_secret(), .../** @type {any} */ (attributes()) }));
    this.#enabled = true;
  }

  disable() {
    this.#check("disable");
    storeOf(this.#scope).set(/** @type {any} */ ({ __proto__: null, name: DRAFT_COOKIE, value: "", expires: new Date(0), .../** @type {any} */ (attributes()) }));
    this.#enabled = false;
  }

  /** @param {string} name */
  #check(name) {
    if (this.#scope.over) {
      throw new Error(
        `Route ${this.#scope.route.pattern} used "draftMode().${name}()" inside \`after()\`. The enabled status of \`draftMode()\` can be read inside \`after()\` but you cannot enable or disable \`draftMode()\`. See more info here: https://nextjs.org/docs/app/api-reference/functions/after`,
      );
    }
  }
}

function attributes() {
  return op_edgehost_is_production()
    ? { __proto__: null, httpOnly: true, sameSite: "none", secure: true, path: "/" }
    : { __proto__: null, httpOnly: true, sameSite: "lax", path: "/" };
}

function draftMode() {
  const scope = required("draftMode");
  scope.draft ??= new DraftMode(scope);
  return hybrid(scope.draft, ["enable", "disable"], ["isEnabled"]);
}

return { cookies, draftMode, headers };
})();
