// @ts-check
// What `next/navigation` exports on a server: control flow by thrown errors,
// recognised by their digest.
(function () {
const { core, primordials } = __bootstrap;
const { Error, ObjectDefineProperty, StringPrototypeStartsWith } = primordials;
const { URLSearchParams } = core.loadExtScript("ext:deno_web/00_url.js");

/** @param {string} message @param {string} digest */
function controlFlow(message, digest) {
  const error = new Error(message);
  ObjectDefineProperty(error, "digest", {
    __proto__: null,
    value: digest,
    writable: true,
    enumerable: true,
    configurable: true,
  });
  return error;
}

const RedirectType = { push: "push", replace: "replace" };

/** @param {string} url @param {string} [type] */
function redirect(url, type = "replace") {
  throw controlFlow("NEXT_REDIRECT", `NEXT_REDIRECT;${type};${url};307;`);
}

/** @param {string} url @param {string} [type] */
function permanentRedirect(url, type = "replace") {
  throw controlFlow("NEXT_REDIRECT", `NEXT_REDIRECT;${type};${url};308;`);
}

function notFound() {
  throw controlFlow("NEXT_HTTP_ERROR_FALLBACK;404", "NEXT_HTTP_ERROR_FALLBACK;404");
}

function forbidden() {
  throw controlFlow("NEXT_HTTP_ERROR_FALLBACK;403", "NEXT_HTTP_ERROR_FALLBACK;403");
}

function unauthorized() {
  throw controlFlow("NEXT_HTTP_ERROR_FALLBACK;401", "NEXT_HTTP_ERROR_FALLBACK;401");
}

/** @param {any} error */
function unstable_rethrow(error) {
  const digest = error?.digest;
  if (
    typeof digest === "string" &&
    (StringPrototypeStartsWith(digest, "NEXT_REDIRECT;") || digest === "NEXT_NOT_FOUND" ||
      StringPrototypeStartsWith(digest, "NEXT_HTTP_ERROR_FALLBACK;"))
  ) {
    throw error;
  }
  if (error !== null && typeof error === "object" && "cause" in error) unstable_rethrow(error.cause);
}

function unstable_isUnrecognizedActionError() {
  return false;
}

class ReadonlyURLSearchParamsError extends Error {
  constructor() {
    super("Method unavailable on `ReadonlyURLSearchParams`. Read more: https://nextjs.org/docs/app/api-reference/functions/use-search-params#updating-searchparams");
  }
}

class ReadonlyURLSearchParams extends URLSearchParams {
  append() {
    throw new ReadonlyURLSearchParamsError();
  }
  delete() {
    throw new ReadonlyURLSearchParamsError();
  }
  set() {
    throw new ReadonlyURLSearchParamsError();
  }
  sort() {
    throw new ReadonlyURLSearchParamsError();
  }
}

/** @param {string} name */
function clientOnly(name) {
  return () => {
    throw new Error(`${name}() needs React in a browser; route handlers have neither`);
  };
}

return {
  forbidden,
  notFound,
  permanentRedirect,
  ReadonlyURLSearchParams,
  redirect,
  RedirectType,
  unauthorized,
  unstable_isUnrecognizedActionError,
  unstable_rethrow,
  useParams: clientOnly("useParams"),
  usePathname: clientOnly("usePathname"),
  useRouter: clientOnly("useRouter"),
  useSearchParams: clientOnly("useSearchParams"),
  useSelectedLayoutSegment: clientOnly("useSelectedLayoutSegment"),
  useSelectedLayoutSegments: clientOnly("useSelectedLayoutSegments"),
  useServerInsertedHTML: clientOnly("useServerInsertedHTML"),
};
})();
