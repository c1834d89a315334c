// @ts-check
// Stands in for `ext:deno_net/02_tls.js`, which deno_fetch loads for client
// certificates of `Deno.createHttpClient`. There is no such API here.
(function () {
const { TypeError } = __bootstrap.primordials;
return {
  loadTlsKeyPair() {
    throw new TypeError("Client certificates are not supported");
  },
};
})();
