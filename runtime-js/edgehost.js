// @ts-check
// What `edgehost` exports: what the program that embeds the host has to say to handlers.
(function () {
const { core, primordials } = __bootstrap;
const { Error, JSONParse } = primordials;
const { current } = core.loadExtScript("ext:edgehost/10_scope.js");
const { givenTo } = core.loadExtScript("ext:edgehost/30_request.js");

/** Contexts that have been asked for. */
const kContext = primordials.Symbol("context");

/**
 * The context of the request on whose behalf code runs: a copy of its own, the same one at each
 * call. Undefined where the program gave none.
 */
function context() {
  const scope = current();
  if (scope === undefined) {
    throw new Error(
      "`context()` was called outside of a request: call it in a handler, or in what a handler has begun",
    );
  }
  const given = /** @type {any} */ (givenTo(scope));
  if (given.context === null) return undefined;
  given[kContext] ??= { __proto__: null, value: JSONParse(given.context) };
  return given[kContext].value;
}

return { context };
})();
