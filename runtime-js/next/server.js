// @ts-check
// What `next/server` exports.
(function () {
const { core, primordials } = __bootstrap;
const { Error, PromiseResolve } = primordials;
const { URLPattern } = core.loadExtScript("ext:deno_web/01_urlpattern.js");
const { required, watch } = core.loadExtScript("ext:edgehost/10_scope.js");
const { report } = core.loadExtScript("ext:edgehost/20_console.js");
const { userAgent, userAgentFromString } = core.loadExtScript("ext:edgehost/23_user_agent.js");
const { InnerRequest, innerOf, NextRequest } = core.loadExtScript("ext:edgehost/30_request.js");
const { NextResponse } = core.loadExtScript("ext:edgehost/31_response.js");
const { addTask, owe } = core.loadExtScript("ext:edgehost/32_after.js");

/** @param {any} task */
function after(task) {
  const scope = required("after");
  if (watch(scope)) (scope.request === null ? new InnerRequest(scope) : innerOf(scope.request)).keep?.();
  if (typeof task === "function") {
    addTask(scope, task);
  } else if (typeof task?.then === "function") {
    owe(scope, PromiseResolve(task), (/** @type {unknown} */ error) =>
      report("A promise passed to `after()` rejected: ", error, scope.handle));
  } else {
    throw new Error("`after()`: Argument must be a promise or a function");
  }
}

function connection() {
  required("connection");
  return PromiseResolve(undefined);
}

function ImageResponse() {
  throw new Error(
    'ImageResponse moved from "next/server" to "next/og" since Next.js 14, please import from "next/og" instead',
  );
}

return {
  after,
  connection,
  ImageResponse,
  NextRequest,
  NextResponse,
  unstable_after: after,
  URLPattern,
  userAgent,
  userAgentFromString,
};
})();
