// @ts-check
// Stands in for deno_telemetry, which `node:http` and `node:http2` ask for
// tracing. None is offered.
(function () {
const { internals, primordials } = __bootstrap;
const { Symbol } = primordials;

const nothing = internals.__telemetry;
return {
  ...nothing,
  otelState: nothing,
  SPAN_KEY: Symbol("span"),
  telemetry: { __proto__: null },
};
})();
