// @ts-check
// `node:sea`, section "Single executable applications" of the Node.js documentation:
// a route file is never inside of one.
import { internals } from "ext:core/mod.js";

const { unavailable } = internals.edgehost.node;
const WHY = "the host is no single executable application made by Node.js";

export function isSea() {
  return false;
}

export function getAsset() {
  throw unavailable("sea", "getAsset", WHY);
}

export function getAssetAsBlob() {
  throw unavailable("sea", "getAssetAsBlob", WHY);
}

export function getRawAsset() {
  throw unavailable("sea", "getRawAsset", WHY);
}

export default { isSea, getAsset, getAssetAsBlob, getRawAsset };
