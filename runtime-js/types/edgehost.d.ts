// What the module `edgehost` has for handlers.

declare module 'edgehost' {
  /**
   * What the program that embeds edgehost gave along with this request, as
   * `edgehost::Context` in its extensions: a copy of its own for each request, the same one at
   * each call. `undefined` where it gave none, as with `edgehost serve`.
   *
   * Nothing checks that it is a `T`: the program says what it is.
   *
   * Throws outside of a request.
   */
  export function context<T = unknown>(): T | undefined;
}
