// What the type checker cannot see: names that the Deno crates and the host bring in.

/** A route whose module is loaded. */
/** A parameter of a route. */
export interface Param {
  __proto__?: null;
  name: string;
  /** Whether the promise of the parameters shows it as a property. */
  isShown: boolean;
}

export interface Route {
  /** The source file, as messages show it. */
  file: string;
  /** The pattern, such as `/items/[id]`. */
  pattern: string;
  /** What the module is to the host: `handler`, `middleware`, `forward`, `config`. */
  role: string;
  /** What a middleware may be exported as, beside the default export. */
  exported: string;
  runtime: string;
  /** The parameters of its pattern, in their order. */
  params: Param[];
  /** What `NextURL` has to know of the paths of the project; null where they are plain. */
  nextConfig: { basePath: string, trailingSlash: boolean } | null;
  /** Whether `params`, `cookies()` and their like come without a promise, as before Next.js 15. */
  sync: boolean;
  /** By method, in the order of the host's route table. */
  handlers: any[];
  /** By method: whether the handler takes no arguments. */
  plain: boolean[];
}

/** `ext:core/mod.js`. */
export const core: any;
export const internals: any;
export const primordials: any;

declare global {
  /** What deno_core hands to the scripts of an extension. */
  const __bootstrap: { core: any; internals: any; primordials: any };
}
