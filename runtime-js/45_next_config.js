// @ts-check
// Runs what a next.config file exports, and tells what it sets as JSON.
(function () {
const { core, primordials } = __bootstrap;
const { JSONStringify, ObjectKeys, SafeArrayIterator, SafeSet, TypeError } = primordials;
const { Response } = core.loadExtScript("ext:deno_fetch/23_response.js");
const { describe } = core.loadExtScript("ext:edgehost/20_console.js");

/** The defaults that functions get to see. */
function defaults() {
  // Ordinary: it is the user's.
  return {
    env: {}, // Ordinary: the same.
    webpack: null,
    typescript: { ignoreBuildErrors: false, tsconfigPath: undefined },
    typedRoutes: false,
    distDir: ".next",
    cleanDistDir: true,
    assetPrefix: "",
    useFileSystemPublicRoutes: true,
    generateBuildId: () => null,
    generateEtags: true,
    pageExtensions: ["tsx", "ts", "jsx", "js"],
    poweredByHeader: true,
    compress: true,
    images: {}, // Ordinary: the same.
    basePath: "",
    i18n: null,
    productionBrowserSourceMaps: false,
    excludeDefaultMomentLocales: true,
    trailingSlash: false,
    skipTrailingSlashRedirect: false,
    reactStrictMode: null,
    httpAgentOptions: { keepAlive: true },
    logging: {}, // Ordinary: the same.
    compiler: {}, // Ordinary: the same.
    transpilePackages: [],
    serverExternalPackages: [],
    output: undefined,
    modularizeImports: undefined,
    turbopack: {}, // Ordinary: the same.
    experimental: {}, // Ordinary: the same.
  };
}

/**
 * What the file exports, whichever way it does.
 * @param {any} namespace
 */
function exported(namespace) {
  const value = "default" in namespace ? namespace.default : namespace;
  const isCompiled = typeof value === "object" && value !== null && value.__esModule && "default" in value;
  return isCompiled ? value.default : value;
}

/**
 * @param {any} value a function of the configuration, or what it would return
 * @param {any} config
 */
async function called(value, config) {
  // Ordinary: it may look at the object that it stands in.
  return typeof value === "function" ? await value.call(config) : value;
}

/**
 * @param {any} namespace
 * @param {string} file
 * @param {string} phase
 */
async function settings(namespace, file, phase) {
  let config = await exported(namespace);
  // Ordinary: it is the user's.
  if (typeof config === "function") config = await config(phase, { defaultConfig: defaults() });
  if (typeof config !== "object" || config === null) {
    throw new TypeError(
      `${file} has to export an object, or a function that returns one, and not ${config === null ? "null" : typeof config}`,
    );
  }
  /** @type {string[]} */
  const keys = [];
  for (const key of new SafeArrayIterator(ObjectKeys(config))) {
    const value = config[key];
    const isNothing = value === undefined || value === null || value === false || value === "";
    if (!isNothing) keys[keys.length] = key;
  }
  return {
    __proto__: null,
    keys,
    basePath: config.basePath,
    trailingSlash: config.trailingSlash,
    skipTrailingSlashRedirect: config.skipTrailingSlashRedirect,
    env: config.env,
    pageExtensions: config.pageExtensions,
    output: config.output,
    resolveAlias: config.turbopack?.resolveAlias ?? config.experimental?.turbo?.resolveAlias,
    headers: await called(config.headers, config),
    redirects: await called(config.redirects, config),
    rewrites: await called(config.rewrites, config),
  };
}

/**
 * The answer to whoever asks for the configuration: what it sets, or what went wrong.
 * @param {any} namespace
 * @param {string} file
 * @param {string} phase
 */
async function evaluate(namespace, file, phase) {
  let told;
  try {
    told = { __proto__: null, settings: await settings(namespace, file, phase) };
  } catch (error) {
    told = { __proto__: null, error: describe(error, new SafeSet()) };
  }
  return new Response(JSONStringify(told));
}

return { evaluate };
})();
