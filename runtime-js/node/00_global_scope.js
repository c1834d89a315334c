// @ts-check
// Stands in for a module of Deno's own runtime: `node:console` asks it for the
// console of the global scope.
export const windowOrWorkerGlobalScope = {
  console: { get: () => globalThis.console },
};
