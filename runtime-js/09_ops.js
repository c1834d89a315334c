// @ts-check
// Ops with fast calls, in the place of those that the snapshot holds.
//
// V8 cannot keep fast calls in a snapshot. Each isolate gets its ops made anew, but scripts
// that are loaded later see those of the snapshot. Only the host's own are taken over, before
// the scripts that use them are loaded: others stand behind checks that were put around them.
(function () {
const { core, primordials } = __bootstrap;
const { ObjectKeys, SafeArrayIterator, StringPrototypeStartsWith } = primordials;

/** @param {Record<string, any>} made the ops of this isolate */
function takeOver(made) {
  for (const name of new SafeArrayIterator(ObjectKeys(made))) {
    if (StringPrototypeStartsWith(name, "op_edgehost") || name === "op_is_promise") core.ops[name] = made[name];
  }
}

return { takeOver };
})();
