// What route handlers import of `next`, for projects without the package. Written for
// edgehost: what throws in a route handler is not declared.

/** Types that several modules share, and those that `edgehost types` reads off the project. */
declare namespace Edgehost {
  /** A cookie of a request. */
  interface Cookie {
    name: string;
    /** Decoded. */
    value: string;
  }

  /** What a browser is told of a cookie. */
  interface CookieAttributes {
    domain?: string;
    expires?: Date | number;
    httpOnly?: boolean;
    /** In seconds. It sets `expires` as well. */
    maxAge?: number;
    partitioned?: boolean;
    /** `/` unless something else is said. */
    path?: string;
    priority?: "low" | "medium" | "high";
    sameSite?: "lax" | "strict" | "none" | false;
    secure?: boolean;
  }

  /** A cookie of an answer. */
  interface ResponseCookie extends Cookie, CookieAttributes {}

  /** The cookies of a request. Changes are written into its `cookie` header. */
  interface RequestCookies extends Iterable<[string, Cookie]> {
    readonly size: number;
    get(name: string | Pick<Cookie, "name">): Cookie | undefined;
    getAll(name?: string | Pick<Cookie, "name">): Cookie[];
    has(name: string): boolean;
    set(name: string, value: string): this;
    set(cookie: Cookie): this;
    /** Tells whether there was one. */
    delete(name: string): boolean;
    delete(names: string[]): boolean[];
    clear(): this;
    /** As the header has them. */
    toString(): string;
  }

  /** The cookies that an answer sets. Changes are written into its `set-cookie` headers. */
  interface ResponseCookies {
    get(name: string | Pick<Cookie, "name">): ResponseCookie | undefined;
    getAll(name?: string | Pick<Cookie, "name">): ResponseCookie[];
    has(name: string): boolean;
    set(name: string, value: string, attributes?: CookieAttributes): this;
    set(cookie: ResponseCookie): this;
    /** Has the browser forget a cookie. It is known by its path and domain, too. */
    delete(name: string): this;
    delete(cookie: Pick<ResponseCookie, "name" | "path" | "domain">): this;
    /** As the headers have them. */
    toString(): string;
  }

  /** What `cookies()` gives: the request's, with what is set on the way to the answer. */
  interface CookieStore extends Iterable<[string, Cookie]> {
    readonly size: number;
    get(name: string | Pick<Cookie, "name">): Cookie | undefined;
    getAll(name?: string | Pick<Cookie, "name">): Cookie[];
    has(name: string): boolean;
    /** Not after the answer: it has left. */
    set(name: string, value: string, attributes?: CookieAttributes): this;
    set(cookie: ResponseCookie): this;
    delete(name: string): this;
    delete(cookie: Pick<ResponseCookie, "name" | "path" | "domain">): this;
    toString(): string;
  }

  /** The headers of the request, which cannot be changed. */
  interface ReadonlyHeaders extends Headers {
    /** @deprecated Throws. */
    append(this: never, name: string, value: string): never;
    /** @deprecated Throws. */
    delete(this: never, name: string): never;
    /** @deprecated Throws. */
    set(this: never, name: string, value: string): never;
  }

  /** What `draftMode()` gives. */
  interface DraftMode {
    /** Whether the request has the cookie of the draft mode. */
    readonly isEnabled: boolean;
    /** Sets the cookie. */
    enable(): void;
    /** Takes the cookie away. */
    disable(): void;
  }

  /** A URL that can be changed, and knows which part of its path is the base path. */
  interface NextURL extends URL {
    /** `basePath` of `next.config`, which `pathname` is without. */
    basePath: string;
    buildId: string | undefined;
    clone(): NextURL;
  }

  /** What `userAgent()` finds; parts that it does not know are undefined. */
  interface UserAgent {
    isBot: boolean;
    /** The header itself. */
    ua: string;
    browser: { name?: string; version?: string; major?: string };
    device: { model?: string; type?: string; vendor?: string };
    engine: { name?: string; version?: string };
    os: { name?: string; version?: string };
    cpu: { architecture?: string };
  }

  /** When a rule applies or a middleware runs. */
  type Condition =
    | { type: "header" | "cookie" | "query"; key: string; value?: string }
    | { type: "host"; key?: undefined; value: string };
}

/** What `fetch` of Next.js takes beside the standard. Nothing is cached. */
interface RequestInit {
  next?: { revalidate?: number | false; tags?: string[] };
}

declare module "next/server" {
  /** The request that a handler is given. */
  export class NextRequest extends Request {
    constructor(input: URL | RequestInfo, init?: NextRequestInit);
    readonly cookies: Edgehost.RequestCookies;
    /** The URL, taken apart. */
    readonly nextUrl: Edgehost.NextURL;
  }

  export interface NextRequestInit extends RequestInit {
    duplex?: "half";
    nextConfig?: { basePath?: string; trailingSlash?: boolean };
  }

  const content: unique symbol;

  /** A `Response` with cookies. `Body` is what `json()` was given. */
  export class NextResponse<Body = unknown> extends Response {
    constructor(body?: BodyInit | null, init?: ResponseInit);
    /** Not there: it carries the type. */
    readonly [content]?: Body;
    readonly cookies: Edgehost.ResponseCookies;
    /** An answer with `body` as JSON. */
    static json<Body>(body: Body, init?: ResponseInit): NextResponse<Body>;
    /** An answer that leads to an absolute URL: 307, or the status that is given. */
    static redirect(url: string | URL, init?: number | ResponseInit): NextResponse<unknown>;
    /** In a middleware: has another path answer. */
    static rewrite(url: string | URL, init?: MiddlewareResponseInit): NextResponse<unknown>;
    /** In a middleware: goes on, with headers for the answer and for the request. */
    static next(init?: MiddlewareResponseInit): NextResponse<unknown>;
  }

  export interface MiddlewareResponseInit extends ResponseInit {
    /** What becomes of the request on its way on. */
    request?: { headers?: Headers };
  }

  /** Is told to a middleware beside the request. */
  export interface NextFetchEvent {
    /** Work that goes on after the answer. */
    waitUntil(promise: Promise<unknown>): void;
  }

  /** A middleware: an answer, or nothing to go on. */
  export type NextMiddleware = (
    request: NextRequest,
    event: NextFetchEvent,
  ) => Response | null | undefined | void | Promise<Response | null | undefined | void>;

  /** The same under its newer name. */
  export type NextProxy = NextMiddleware;

  /** `export const config` of a middleware. */
  export interface MiddlewareConfig {
    /** The paths for which it runs, such as `/api/:path*`. */
    matcher?: string | (string | MiddlewareMatcher)[];
    regions?: string | string[];
    unstable_allowDynamic?: string | string[];
  }

  export interface MiddlewareMatcher {
    source: string;
    locale?: false;
    has?: Edgehost.Condition[];
    missing?: Edgehost.Condition[];
  }

  /** The same under its newer name. */
  export type ProxyConfig = MiddlewareConfig;

  /** Has something done when the answer has left. */
  export function after<T>(task: Promise<T> | (() => T | Promise<T>)): void;

  /** Waits for a request: what follows is never done ahead of time. */
  export function connection(): Promise<void>;

  /** Browser, system and device of a request. */
  export function userAgent(request: { headers: Headers }): Edgehost.UserAgent;

  /** The same for the text of a `user-agent` header. */
  export function userAgentFromString(input: string | undefined): Edgehost.UserAgent;

  /** Parts of a URL pattern. */
  export interface URLPatternInit {
    protocol?: string;
    username?: string;
    password?: string;
    hostname?: string;
    port?: string;
    pathname?: string;
    search?: string;
    hash?: string;
    baseURL?: string;
  }

  export interface URLPatternComponentResult {
    input: string;
    groups: Record<string, string | undefined>;
  }

  export interface URLPatternResult {
    inputs: [string | URLPatternInit] | [string | URLPatternInit, string];
    protocol: URLPatternComponentResult;
    username: URLPatternComponentResult;
    password: URLPatternComponentResult;
    hostname: URLPatternComponentResult;
    port: URLPatternComponentResult;
    pathname: URLPatternComponentResult;
    search: URLPatternComponentResult;
    hash: URLPatternComponentResult;
  }

  /** The `URLPattern` of the web: `new URLPattern({ pathname: '/items/:id' })`. */
  export class URLPattern {
    constructor(input?: string | URLPatternInit, options?: { ignoreCase?: boolean });
    constructor(input: string | URLPatternInit, baseURL: string, options?: { ignoreCase?: boolean });
    readonly protocol: string;
    readonly username: string;
    readonly password: string;
    readonly hostname: string;
    readonly port: string;
    readonly pathname: string;
    readonly search: string;
    readonly hash: string;
    readonly hasRegExpGroups: boolean;
    /** Whether a URL is of the pattern. */
    test(input?: string | URL | URLPatternInit, baseURL?: string): boolean;
    /** What the groups of the pattern hold of a URL, or null. */
    exec(input?: string | URL | URLPatternInit, baseURL?: string): URLPatternResult | null;
  }

  export {};
}

declare module "next/headers" {
  /** The cookies of the request; in a handler they can be set, too. */
  export function cookies(): Edgehost.OfRequest<Edgehost.CookieStore>;

  /** The headers of the request. */
  export function headers(): Edgehost.OfRequest<Edgehost.ReadonlyHeaders>;

  /** Whether drafts are shown; enables and disables that for a browser. */
  export function draftMode(): Edgehost.OfRequest<Edgehost.DraftMode>;
}

declare module "next/navigation" {
  export const RedirectType: { readonly push: "push"; readonly replace: "replace" };
  export type RedirectType = "push" | "replace";

  /** Ends the handler with 307 and this location. */
  export function redirect(url: string, type?: RedirectType): never;

  /** Ends the handler with 308 and this location. */
  export function permanentRedirect(url: string, type?: RedirectType): never;

  /** Ends the handler with 404. */
  export function notFound(): never;

  /** Ends the handler with 403. */
  export function forbidden(): never;

  /** Ends the handler with 401. */
  export function unauthorized(): never;

  /** Throws on what `redirect()` and its like have thrown; for the beginning of a `catch`. */
  export function unstable_rethrow(error: unknown): void;

  /** Search parameters that cannot be changed. */
  export class ReadonlyURLSearchParams extends URLSearchParams {
    /** @deprecated Throws. */
    append(this: never, name: string, value: string): never;
    /** @deprecated Throws. */
    delete(this: never, name: string, value?: string): never;
    /** @deprecated Throws. */
    set(this: never, name: string, value: string): never;
    /** @deprecated Throws. */
    sort(this: never): never;
  }
}

declare module "next/cache" {
  /** How long something may be kept, in seconds. */
  export interface CacheLife {
    stale?: number;
    revalidate?: number;
    expire?: number;
  }

  /** A function that has its results kept by Next.js. edgehost runs it each time. */
  export function unstable_cache<F extends (...args: any[]) => Promise<any>>(
    callback: F,
    keyParts?: string[],
    options?: { revalidate?: number | false; tags?: string[] },
  ): F;

  /** Has what carries the tag made anew. */
  export function revalidateTag(tag: string, profile: string | Pick<CacheLife, "expire">): void;
  /** @deprecated Next.js wants to be told how: `"max"`, or a profile. */
  export function revalidateTag(tag: string): void;

  /** Has what belongs to a path made anew. */
  export function revalidatePath(path: string, type?: "layout" | "page"): void;

  /** Says of a `'use cache'` function how long its results may be kept. */
  export function cacheLife(profile: string | CacheLife): void;

  /** Says of a `'use cache'` function by which tags its results are found. */
  export function cacheTag(...tags: string[]): void;

  /** Says that a result must not be kept. */
  export function unstable_noStore(): void;
}

declare module "next" {
  /** A redirect of `next.config`. */
  export type Redirect = {
    source: string;
    destination: string;
    basePath?: false;
    locale?: false;
    has?: Edgehost.Condition[];
    missing?: Edgehost.Condition[];
  } & ({ permanent: boolean; statusCode?: never } | { statusCode: number; permanent?: never });

  /** A rewrite of `next.config`. */
  export interface Rewrite {
    source: string;
    destination: string;
    basePath?: false;
    locale?: false;
    has?: Edgehost.Condition[];
    missing?: Edgehost.Condition[];
  }

  /** Headers that `next.config` gives to answers. */
  export interface Header {
    source: string;
    headers: { key: string; value: string }[];
    basePath?: false;
    locale?: false;
    has?: Edgehost.Condition[];
    missing?: Edgehost.Condition[];
  }

  /** `next.config`, as far as it concerns route handlers; other keys are taken as they are. */
  export interface NextConfig {
    basePath?: string;
    compress?: boolean;
    env?: Record<string, string | undefined>;
    headers?: () => Header[] | Promise<Header[]>;
    pageExtensions?: string[];
    poweredByHeader?: boolean;
    redirects?: () => Redirect[] | Promise<Redirect[]>;
    rewrites?: () => Rewrites | Promise<Rewrites>;
    serverExternalPackages?: string[];
    skipTrailingSlashRedirect?: boolean;
    trailingSlash?: boolean;
    transpilePackages?: string[];
    [key: string]: unknown;
  }

  type Rewrites =
    | Rewrite[]
    | { beforeFiles?: Rewrite[]; afterFiles?: Rewrite[]; fallback?: Rewrite[] };

  export {};
}
