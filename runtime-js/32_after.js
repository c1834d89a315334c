// @ts-check
// Tasks of `after()`: each starts once the answer has been sent, or was given up.
(function () {
const { core, primordials } = __bootstrap;
const { PromisePrototypeThen, PromiseResolve } = primordials;
const { leave, watch } = core.loadExtScript("ext:edgehost/10_scope.js");
const { report } = core.loadExtScript("ext:edgehost/20_console.js");

/** @param {any} scope @param {unknown} error */
function failed(scope, error) {
  report("An error occurred in a function passed to `after()`: ", error, scope.handle);
}

/**
 * Keeps a task for the end of the answer, with the async context of now.
 * @param {any} scope @param {() => unknown} task
 */
function addTask(scope, task) {
  if (watch(scope)) {
    const entry = { __proto__: null, task, frame: core.getAsyncContext(), next: null };
    if (scope.after === null) scope.after = { __proto__: null, first: entry, last: entry };
    else scope.after.last = scope.after.last.next = entry;
    return;
  }
  // The answer is out: this comes from another task, or from work that the handler left behind.
  PromisePrototypeThen(
    PromisePrototypeThen(PromiseResolve(undefined), () => task()),
    undefined,
    (/** @type {unknown} */ error) => failed(scope, error),
  );
}

/** Starts the tasks of a scope whose answer is out. @param {any} scope */
function runTasks(scope) {
  const { after } = scope;
  if (after === null) return;
  scope.after = null;
  for (let entry = after.first; entry !== null; entry = entry.next) {
    const { task, frame } = entry;
    core.setAsyncContext(frame);
    try {
      PromisePrototypeThen(PromiseResolve(task()), undefined, (/** @type {unknown} */ error) => failed(scope, error));
    } catch (error) {
      failed(scope, error);
    }
  }
  leave();
}

return { addTask, runTasks };
})();
