// @ts-check
// Hands a request to another server, as a rewrite to a URL asks for.
(function () {
const { core, primordials } = __bootstrap;
const { SafeArrayIterator, StringPrototypeSplit, StringPrototypeTrim } = primordials;
const { Headers } = core.loadExtScript("ext:deno_fetch/20_headers.js");
const { Response } = core.loadExtScript("ext:deno_fetch/23_response.js");
const { fetch } = core.loadExtScript("ext:deno_fetch/26_fetch.js");
const { current } = core.loadExtScript("ext:edgehost/10_scope.js");
const { report } = core.loadExtScript("ext:edgehost/20_console.js");

/** What is between two neighbours only (RFC 9110, section 7.6.1), and what `fetch` sets itself. */
const OF_CONNECTION = [
  "connection", "content-length", "expect", "host", "keep-alive", "proxy-authenticate", "proxy-authorization",
  "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
];

/**
 * The answer of the other server, as it comes.
 * @param {any} request
 * @param {any} context
 */
async function forward(request, context) {
  const scope = current();
  const { target } = await context.params;
  const headers = new Headers(request.headers);
  const named = StringPrototypeSplit(headers.get("connection") ?? "", ",");
  for (const name of new SafeArrayIterator(named)) {
    if (StringPrototypeTrim(name) !== "") headers.delete(StringPrototypeTrim(name));
  }
  for (const name of new SafeArrayIterator(OF_CONNECTION)) headers.delete(name);
  try {
    return await fetch(target, {
      __proto__: null,
      method: request.method,
      headers,
      body: request.body,
      duplex: "half",
      redirect: "manual",
      signal: request.signal,
    });
  } catch (error) {
    if (request.signal.aborted) throw error;
    report(`The rewrite to ${target} failed: `, error, scope.handle);
    return new Response("Bad Gateway", {
      __proto__: null,
      status: 502,
      headers: { __proto__: null, "cache-control": "no-store", "x-edgehost-error": "BAD_GATEWAY" },
    });
  }
}

return { forward };
})();
