// @ts-check
// What `next/cache` exports, on a host without a cache.
(function () {
const { core, primordials } = __bootstrap;
const { Error, ReflectApply } = primordials;
const { log } = core.loadExtScript("ext:edgehost/20_console.js");

const WARN = 2;
let warned = false;

/**
 * @param {(...args: any[]) => any} callback
 * @param {string[]} [_keys]
 * @param {{ revalidate?: number | false }} [options]
 */
function unstable_cache(callback, _keys, options = undefined) {
  if (options?.revalidate === 0) {
    throw new Error(
      `Invariant revalidate: 0 can not be passed to unstable_cache(), must be "false" or "> 0" ${callback.toString()}`,
    );
  }
  return async (/** @type {any[]} */ ...args) => ReflectApply(callback, undefined, args);
}

function nothing() {}

/** @param {string} _tag @param {unknown} [profile] */
function revalidateTag(_tag, profile) {
  if (profile === undefined && !warned) {
    warned = true;
    log(
      WARN,
      '"revalidateTag" without the second argument is now deprecated, add second argument of "max" or use "updateTag". See more info here: https://nextjs.org/docs/messages/revalidate-tag-single-arg',
    );
  }
}

function updateTag() {
  throw new Error(
    "updateTag can only be called from within a Server Action. To invalidate cache tags in Route Handlers or other contexts, use revalidateTag instead. See more info here: https://nextjs.org/docs/app/api-reference/functions/updateTag",
  );
}

function refresh() {
  throw new Error(
    "refresh can only be called from within a Server Action. See more info here: https://nextjs.org/docs/app/api-reference/functions/refresh",
  );
}

return {
  cacheLife: nothing,
  cacheTag: nothing,
  io: nothing,
  navigation: nothing,
  prefetch: nothing,
  refresh,
  revalidatePath: nothing,
  revalidateTag,
  unstable_cache,
  unstable_cacheLife: nothing,
  unstable_cacheTag: nothing,
  unstable_expirePath: nothing,
  unstable_expireTag: nothing,
  unstable_noStore: nothing,
  updateTag,
};
})();
