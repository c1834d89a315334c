// @ts-check
// NextURL: a mutable URL that knows of a base path. Without i18n.
(function () {
const { core, primordials } = __bootstrap;
const {
  ArrayPrototypeJoin,
  ArrayPrototypeSlice,
  Error,
  RegExpPrototypeExec,
  SafeRegExp,
  String,
  StringPrototypeEndsWith,
  StringPrototypeReplace,
  StringPrototypeSlice,
  StringPrototypeSplit,
  StringPrototypeStartsWith,
  SymbolFor,
  TypeError,
} = primordials;
const { URL } = core.loadExtScript("ext:deno_web/00_url.js");

const DATA_PATH = new SafeRegExp("^/_next/data/([^/]+)/(.*)\\.json$");

/**
 * @param {unknown} input
 * @param {unknown} [base]
 */
function parse(input, base) {
  return new URL(String(input), base === undefined ? undefined : String(base));
}

/**
 * The absolute form of a URL, or the error that Next.js gives for a relative one.
 * @param {unknown} url
 */
function validate(url) {
  try {
    return String(new URL(String(url)));
  } catch (cause) {
    throw new Error(
      `URL is malformed "${String(url)}". Please use only absolute URLs - https://nextjs.org/docs/messages/middleware-relative-urls`,
      { __proto__: null, cause },
    );
  }
}

class NextURL {
  #url;
  #config;
  #basePath = "";
  #pathname = "/";
  #trailingSlash = false;
  /** @type {string | undefined} */
  #buildId;

  /**
   * @param {unknown} input
   * @param {any} [baseOrOptions]
   * @param {any} [options]
   */
  constructor(input, baseOrOptions, options) {
    const hasBase = typeof baseOrOptions === "string" ||
      (typeof baseOrOptions === "object" && baseOrOptions !== null && "pathname" in baseOrOptions);
    this.#config = (hasBase ? options : baseOrOptions) ?? { __proto__: null };
    this.#url = parse(input, hasBase ? baseOrOptions : this.#config.base);
    this.#analyse();
  }

  #analyse() {
    const { basePath = "", trailingSlash = false } = this.#config.nextConfig ?? { __proto__: null };
    let pathname = this.#url.pathname;
    this.#trailingSlash = pathname === "/" ? trailingSlash : StringPrototypeEndsWith(pathname, "/");
    this.#basePath = "";
    if (basePath !== "" && (pathname === basePath || StringPrototypeStartsWith(pathname, `${basePath}/`))) {
      pathname = StringPrototypeSlice(pathname, basePath.length) || "/";
      this.#basePath = basePath;
    }
    const data = RegExpPrototypeExec(DATA_PATH, pathname);
    this.#buildId = undefined;
    if (data !== null) {
      this.#buildId = data[1];
      const parts = StringPrototypeSplit(data[2], "/");
      pathname = data[2] === "index" ? "/" : `/${ArrayPrototypeJoin(ArrayPrototypeSlice(parts, 0), "/")}`;
    }
    this.#pathname = pathname;
  }

  #path() {
    let path = this.#buildId === undefined
      ? this.#pathname
      : `/_next/data/${this.#buildId}${this.#pathname === "/" ? "/index" : this.#pathname}.json`;
    if (this.#basePath !== "") path = this.#basePath + (path === "/" ? "" : path);
    if (path === "/") return path;
    const ends = StringPrototypeEndsWith(path, "/");
    if (this.#trailingSlash && this.#buildId === undefined) return ends ? path : `${path}/`;
    return ends ? StringPrototypeReplace(path, new SafeRegExp("/+$"), "") : path;
  }

  get href() {
    return `${this.origin}${this.#path()}${this.#url.search}${this.#url.hash}`;
  }
  set href(value) {
    this.#url = parse(value);
    this.#analyse();
  }
  get origin() {
    return `${this.#url.protocol}//${this.#url.host}`;
  }
  get protocol() {
    return this.#url.protocol;
  }
  set protocol(value) {
    this.#url.protocol = value;
  }
  get host() {
    return this.#url.host;
  }
  set host(value) {
    this.#url.host = value;
  }
  get hostname() {
    return this.#url.hostname;
  }
  set hostname(value) {
    this.#url.hostname = value;
  }
  get port() {
    return this.#url.port;
  }
  set port(value) {
    this.#url.port = value;
  }
  get search() {
    return this.#url.search;
  }
  set search(value) {
    this.#url.search = value;
  }
  get hash() {
    return this.#url.hash;
  }
  set hash(value) {
    this.#url.hash = value;
  }
  get username() {
    return this.#url.username;
  }
  set username(value) {
    this.#url.username = value;
  }
  get password() {
    return this.#url.password;
  }
  set password(value) {
    this.#url.password = value;
  }
  get pathname() {
    return this.#pathname;
  }
  set pathname(value) {
    const text = String(value);
    this.#pathname = StringPrototypeStartsWith(text, "/") ? text : `/${text}`;
  }
  get searchParams() {
    return this.#url.searchParams;
  }
  get basePath() {
    return this.#basePath;
  }
  set basePath(value) {
    const text = String(value);
    this.#basePath = text === "" || StringPrototypeStartsWith(text, "/") ? text : `/${text}`;
  }
  get buildId() {
    return this.#buildId;
  }
  set buildId(value) {
    this.#buildId = value;
  }
  get locale() {
    return "";
  }
  set locale(value) {
    throw new TypeError(`The NextURL configuration includes no locale "${value}"`);
  }
  get defaultLocale() {
    return undefined;
  }
  get domainLocale() {
    return undefined;
  }

  toString() {
    return this.href;
  }
  toJSON() {
    return this.href;
  }
  clone() {
    return new NextURL(this.href, this.#config);
  }

  /** @param {any} inspect @param {any} options */
  [SymbolFor("Deno.privateCustomInspect")](inspect, options) {
    return inspect({
      __proto__: null,
      href: this.href,
      origin: this.origin,
      pathname: this.pathname,
      search: this.search,
      basePath: this.basePath,
    }, options);
  }
}

return { NextURL, validate };
})();
