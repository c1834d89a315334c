// @ts-check
// Tasks of `after()`: each starts once the answer has been sent, or was given up.
(function () {
const { core, primordials } = __bootstrap;
const { op_edgehost_task_began, op_edgehost_task_ended } = core.ops;
const { MapPrototypeDelete, MapPrototypeGet, MapPrototypeSet, PromisePrototypeThen, PromiseResolve, SafeMap } = primordials;
const { leave, watch } = core.loadExtScript("ext:edgehost/10_scope.js");
const { report } = core.loadExtScript("ext:edgehost/20_console.js");

/** @param {any} scope @param {unknown} error */
function failed(scope, error) {
  report("An error occurred in a function passed to `after()`: ", error, scope.handle);
}

/** Scopes with tasks that have not ended, and how many. @type {Map<any, { scope: any, tasks: number }>} */
const working = new SafeMap();

/**
 * Has a promise waited for before the isolate ends.
 * @param {any} scope @param {Promise<unknown>} promise @param {(error: unknown) => void} rejected
 */
function owe(scope, promise, rejected) {
  const { handle } = scope;
  let work = MapPrototypeGet(working, handle);
  if (work === undefined) {
    work = { scope, tasks: 0 };
    MapPrototypeSet(working, handle, work);
  }
  work.tasks++;
  op_edgehost_task_began(handle);
  const end = () => {
    work.tasks--;
    if (work.tasks === 0) MapPrototypeDelete(working, handle);
    op_edgehost_task_ended(handle);
  };
  PromisePrototypeThen(promise, end, (/** @type {unknown} */ error) => {
    try {
      rejected(error);
    } finally {
      end();
    }
  });
}

/** The scope of a request some of whose tasks have not ended. @param {number} handle */
function workingFor(handle) {
  return MapPrototypeGet(working, handle)?.scope;
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
  owe(
    scope,
    PromisePrototypeThen(PromiseResolve(undefined), () => task()),
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
      owe(scope, PromiseResolve(task()), (/** @type {unknown} */ error) => failed(scope, error));
    } catch (error) {
      failed(scope, error);
    }
  }
  leave();
}

return { addTask, owe, runTasks, workingFor };
})();
