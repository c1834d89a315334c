// @ts-check
// Cookies of requests and responses, with the API of Next.js.
(function () {
const { core, primordials } = __bootstrap;
const {
  ArrayIsArray,
  ArrayPrototypeJoin,
  ArrayPrototypeMap,
  Date,
  DateNow,
  DatePrototypeToUTCString,
  Error,
  MapPrototypeClear,
  MapPrototypeDelete,
  MapPrototypeGet,
  MapPrototypeGetSize,
  MapPrototypeHas,
  MapPrototypeSet,
  Number,
  SafeArrayIterator,
  SafeMap,
  SafeMapIterator,
  String,
  StringPrototypeIndexOf,
  StringPrototypeSlice,
  StringPrototypeSplit,
  StringPrototypeToLowerCase,
  StringPrototypeTrim,
  StringPrototypeTrimStart,
  SymbolIterator,
  decodeURIComponent,
  encodeURIComponent,
} = primordials;
const { bareList } = core.loadExtScript("ext:edgehost/10_scope.js");

/**
 * @typedef {{ name: string, value: string, raw?: string, [attribute: string]: any }} Cookie
 */

/**
 * Reads a `Cookie` header the way Next.js does: pieces without `=` count as
 * `"true"`, values that cannot be decoded are dropped, a later duplicate wins.
 * @param {string} header
 * @returns {Map<string, string>}
 */
function parseCookieHeader(header) {
  const cookies = new SafeMap();
  for (const part of new SafeArrayIterator(StringPrototypeSplit(header, ";"))) {
    const piece = StringPrototypeTrimStart(part);
    if (piece === "") continue;
    const at = StringPrototypeIndexOf(piece, "=");
    if (at === -1) {
      MapPrototypeSet(cookies, piece, "true");
      continue;
    }
    try {
      const value = decodeURIComponent(StringPrototypeSlice(piece, at + 1));
      MapPrototypeSet(cookies, StringPrototypeSlice(piece, 0, at), value);
    } catch {
      // A malformed escape: the cookie is left out.
    }
  }
  return cookies;
}

/**
 * Reads one `Set-Cookie` line. The line itself is kept, so that an untouched
 * cookie is sent as it was written.
 * @param {string} line
 * @returns {Cookie | undefined}
 */
function parseSetCookie(line) {
  const parts = StringPrototypeSplit(line, ";");
  const first = StringPrototypeTrim(parts[0]);
  const at = StringPrototypeIndexOf(first, "=");
  if (at === -1) return undefined;
  let value = StringPrototypeSlice(first, at + 1);
  try {
    value = decodeURIComponent(value);
  } catch {
    // Not an encoded value: it stands for itself.
  }
  /** @type {Cookie} */
  const cookie = { __proto__: null, name: StringPrototypeSlice(first, 0, at), value, raw: line };
  for (let i = 1; i < parts.length; i++) {
    const part = StringPrototypeTrim(parts[i]);
    const equals = StringPrototypeIndexOf(part, "=");
    const key = StringPrototypeToLowerCase(equals === -1 ? part : StringPrototypeSlice(part, 0, equals));
    const text = equals === -1 ? "" : StringPrototypeSlice(part, equals + 1);
    switch (key) {
      case "path": if (text !== "") cookie.path = text; break;
      case "expires": cookie.expires = new Date(text); break;
      case "max-age": cookie.maxAge = Number(text); break;
      case "domain": cookie.domain = text; break;
      case "secure": cookie.secure = true; break;
      case "httponly": cookie.httpOnly = true; break;
      case "partitioned": cookie.partitioned = true; break;
      case "samesite": {
        const lower = StringPrototypeToLowerCase(text);
        if (lower === "strict" || lower === "lax" || lower === "none") cookie.sameSite = lower;
        break;
      }
      case "priority": {
        const lower = StringPrototypeToLowerCase(text);
        if (lower === "low" || lower === "medium" || lower === "high") cookie.priority = lower;
        break;
      }
    }
  }
  return cookie;
}

/** @param {Cookie} cookie */
function serialise(cookie) {
  if (cookie.raw !== undefined) return cookie.raw;
  let line = `${cookie.name}=${encodeURIComponent(cookie.value ?? "")}`;
  if (cookie.path) line += `; Path=${cookie.path}`;
  if (cookie.expires !== undefined && cookie.expires !== null) {
    line += `; Expires=${DatePrototypeToUTCString(cookie.expires)}`;
  }
  if (cookie.maxAge !== undefined && cookie.maxAge !== null) line += `; Max-Age=${cookie.maxAge}`;
  if (cookie.domain) line += `; Domain=${cookie.domain}`;
  if (cookie.secure) line += "; Secure";
  if (cookie.httpOnly) line += "; HttpOnly";
  if (cookie.sameSite) line += `; SameSite=${cookie.sameSite}`;
  if (cookie.partitioned) line += "; Partitioned";
  if (cookie.priority) line += `; Priority=${cookie.priority}`;
  return line;
}

/** @param {unknown} name @returns {string} */
function nameOf(name) {
  return typeof name === "object" && name !== null ? String(/** @type {any} */ (name).name) : String(name);
}

/**
 * The cookie that `set(...)` was asked for, with defaults filled in.
 * @param {any[]} args
 * @returns {Cookie}
 */
function cookieOf(args) {
  const given = typeof args[0] === "object" && args[0] !== null
    ? args[0]
    : { __proto__: null, name: args[0], value: args[1], ...args[2] };
  const cookie = { __proto__: null, ...given, name: String(given.name) };
  delete cookie.raw;
  cookie.value = given.value === undefined || given.value === null ? "" : String(given.value);
  if (typeof cookie.expires === "number") cookie.expires = new Date(cookie.expires);
  if (cookie.maxAge) cookie.expires = new Date(DateNow() + cookie.maxAge * 1000);
  if (cookie.path === undefined || cookie.path === null) cookie.path = "/";
  return cookie;
}

class RequestCookies {
  #headers;
  /** @type {Map<string, string>} */
  #cookies;

  /** @param {Headers} headers */
  constructor(headers) {
    this.#headers = headers;
    this.#cookies = parseCookieHeader(headers.get("cookie") ?? "");
  }

  get size() {
    return MapPrototypeGetSize(this.#cookies);
  }

  /** @param {any} name */
  get(name) {
    const key = nameOf(name);
    return MapPrototypeHas(this.#cookies, key)
      ? { name: key, value: MapPrototypeGet(this.#cookies, key) }
      : undefined;
  }

  /** @param {any[]} args */
  getAll(...args) {
    if (args.length === 0) {
      return ArrayPrototypeMap([...new SafeMapIterator(this.#cookies)], (/** @type {any} */ entry) => ({
        name: entry[0],
        value: entry[1],
      }));
    }
    const found = this.get(args[0]);
    return found === undefined ? [] : [found];
  }

  /** @param {any} name */
  has(name) {
    return MapPrototypeHas(this.#cookies, nameOf(name));
  }

  /** @param {any[]} args */
  set(...args) {
    const cookie = cookieOf(args);
    MapPrototypeSet(this.#cookies, cookie.name, cookie.value);
    this.#write();
    return this;
  }

  /** @param {any} names */
  delete(names) {
    const result = ArrayIsArray(names)
      ? ArrayPrototypeMap(names, (/** @type {any} */ name) => MapPrototypeDelete(this.#cookies, nameOf(name)))
      : MapPrototypeDelete(this.#cookies, nameOf(names));
    this.#write();
    return result;
  }

  clear() {
    MapPrototypeClear(this.#cookies);
    this.#write();
    return this;
  }

  toString() {
    return ArrayPrototypeJoin(
      ArrayPrototypeMap(
        [...new SafeMapIterator(this.#cookies)],
        (/** @type {any} */ entry) => `${entry[0]}=${encodeURIComponent(entry[1])}`,
      ),
      "; ",
    );
  }

  *[SymbolIterator]() {
    for (const cookie of new SafeArrayIterator(this.getAll())) {
      yield [cookie.name, cookie];
    }
  }

  #write() {
    this.#headers.set("cookie", this.toString());
  }
}

/**
 * Strips what is only for us.
 * @param {Cookie} cookie
 */
function shown(cookie) {
  const { raw: _, ...rest } = cookie;
  return rest;
}

/** Cookies in the order of their first `set`. */
class CookieStore {
  /** @type {Map<string, Cookie>} */
  cookies = new SafeMap();

  /** @param {any} name */
  get(name) {
    const cookie = MapPrototypeGet(this.cookies, nameOf(name));
    return cookie === undefined ? undefined : shown(cookie);
  }

  /** @param {any[]} args */
  getAll(...args) {
    if (args.length === 0) {
      return ArrayPrototypeMap([...new SafeMapIterator(this.cookies)], (/** @type {any} */ entry) => shown(entry[1]));
    }
    const found = this.get(args[0]);
    return found === undefined ? [] : [found];
  }

  /** @param {any} name */
  has(name) {
    return MapPrototypeHas(this.cookies, nameOf(name));
  }

  /** @returns {string[]} */
  lines() {
    return ArrayPrototypeMap([...new SafeMapIterator(this.cookies)], (/** @type {any} */ entry) => serialise(entry[1]));
  }

  toString() {
    return ArrayPrototypeJoin(this.lines(), "; ");
  }
}

const EPOCH = 0;

class ResponseCookies extends CookieStore {
  #headers;

  /** @param {Headers} headers */
  constructor(headers) {
    super();
    this.#headers = headers;
    for (const line of new SafeArrayIterator(headers.getSetCookie())) {
      const cookie = parseSetCookie(line);
      if (cookie !== undefined) MapPrototypeSet(this.cookies, cookie.name, cookie);
    }
  }

  /** @param {any[]} args */
  set(...args) {
    const cookie = cookieOf(args);
    MapPrototypeSet(this.cookies, cookie.name, cookie);
    this.#headers.delete("set-cookie");
    for (const line of new SafeArrayIterator(this.lines())) {
      this.#headers.append("set-cookie", line);
    }
    return this;
  }

  /** @param {any[]} args */
  delete(...args) {
    const given = typeof args[0] === "object" && args[0] !== null ? args[0] : { __proto__: null, name: args[0] };
    return this.set({ __proto__: null, ...given, value: "", expires: new Date(EPOCH) });
  }
}

/** The store behind `cookies()`: seeded from the request, merged into the answer. */
class RequestScopeCookies extends CookieStore {
  #writable;
  /** @type {Map<string, true>} */
  #modified = new SafeMap();

  /**
   * @param {string} header
   * @param {() => boolean} writable
   */
  constructor(header, writable) {
    super();
    this.#writable = writable;
    for (const entry of new SafeMapIterator(parseCookieHeader(header))) {
      MapPrototypeSet(this.cookies, entry[0], { __proto__: null, name: entry[0], value: entry[1], path: "/" });
    }
  }

  get size() {
    return MapPrototypeGetSize(this.cookies);
  }

  /** @param {any[]} args */
  set(...args) {
    if (!this.#writable()) throw new ReadonlyRequestCookiesError();
    const cookie = cookieOf(args);
    MapPrototypeSet(this.cookies, cookie.name, cookie);
    MapPrototypeSet(this.#modified, cookie.name, true);
    return this;
  }

  /** @param {any[]} args */
  delete(...args) {
    const given = typeof args[0] === "object" && args[0] !== null ? args[0] : { __proto__: null, name: args[0] };
    return this.set({ __proto__: null, ...given, value: "", expires: new Date(EPOCH) });
  }

  clear() {
    for (const cookie of new SafeArrayIterator(this.getAll())) this.delete(cookie.name);
    return this;
  }

  *[SymbolIterator]() {
    for (const cookie of new SafeArrayIterator(this.getAll())) yield [cookie.name, cookie];
  }

  get isModified() {
    return MapPrototypeGetSize(this.#modified) > 0;
  }

  /**
   * The `Set-Cookie` lines of an answer that has `own` ones: its own first, written anew, with
   * `Path=/` where they name no path, since a browser would keep such a cookie for the folder of
   * the route alone; then what was set here, in store order. On equal names the answer's own wins.
   * @param {string[]} own
   * @returns {string[]}
   */
  merge(own) {
    const names = new SafeMap();
    /** @type {string[]} */
    const lines = bareList();
    for (const line of new SafeArrayIterator(own)) {
      const cookie = parseSetCookie(line);
      if (cookie !== undefined) MapPrototypeSet(names, cookie.name, true);
      lines[lines.length] = cookie === undefined ? line : serialise(cookieOf([cookie]));
    }
    for (const entry of new SafeMapIterator(this.cookies)) {
      if (MapPrototypeHas(this.#modified, entry[0]) && !MapPrototypeHas(names, entry[0])) {
        lines[lines.length] = serialise(entry[1]);
      }
    }
    return lines;
  }
}

class ReadonlyRequestCookiesError extends Error {
  name = "ReadonlyRequestCookiesError";

  constructor() {
    super(
      "Cookies can only be modified in a Server Action or Route Handler. Read more: https://nextjs.org/docs/app/api-reference/functions/cookies#options",
    );
  }
}

return { RequestCookies, RequestScopeCookies, ResponseCookies };
})();
