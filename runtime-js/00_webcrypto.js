// @ts-check
// WebCrypto where deno_crypto falls short of it: AES-GCM with initialization vectors and
// tags of any length, Ed448, and what keys and signatures may not be.
(function () {
const { core, primordials } = __bootstrap;
const {
  ArrayBufferIsView,
  ArrayIsArray,
  ArrayPrototypeIncludes,
  ArrayPrototypeJoin,
  DataViewPrototypeGetBuffer,
  DataViewPrototypeGetByteLength,
  DataViewPrototypeGetByteOffset,
  FunctionPrototypeCall,
  JSONParse,
  JSONStringify,
  NumberPrototypeToString,
  ObjectCreate,
  ObjectDefineProperty,
  ObjectFreeze,
  ObjectGetOwnPropertyDescriptor,
  PromiseReject,
  ReflectApply,
  SafeArrayIterator,
  SafeSet,
  SafeWeakMap,
  SetPrototypeHas,
  String,
  StringPrototypePadStart,
  StringPrototypeRepeat,
  StringPrototypeToUpperCase,
  TypeError,
  TypedArrayPrototypeGetBuffer,
  TypedArrayPrototypeGetByteLength,
  TypedArrayPrototypeGetByteOffset,
  TypedArrayPrototypeGetSymbolToStringTag,
  TypedArrayPrototypeSubarray,
  Uint8Array,
  WeakMapPrototypeGet,
  WeakMapPrototypeSet,
} = primordials;
const webidl = core.loadExtScript("ext:deno_webidl/00_webidl.js");
const { DOMException } = core.loadExtScript("ext:deno_web/01_dom_exception.js");

/** @typedef {{ type: string, extractable: boolean, algorithm: { name: string }, usages: readonly string[], bytes: Uint8Array }} Ed448 */

/** Keys that deno_crypto does not know. @type {WeakMap<object, Ed448>} */
const keys = new SafeWeakMap();

/** @param {any} key @returns {Ed448 | undefined} */
const ed448Of = (key) => typeof key === "object" && key !== null ? WeakMapPrototypeGet(keys, key) : undefined;

/** Adds to a list; no accessor of an index comes between. @param {unknown[]} list @param {unknown} value */
function append(list, value) {
  ObjectDefineProperty(list, list.length, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
}

/** @param {string} name @param {string} message @returns {never} */
function fail(name, message) {
  throw new DOMException(message, name);
}

/** @param {unknown} value */
const isBufferSource = (value) => ArrayBufferIsView(value) || core.isAnyArrayBuffer(value);

/** A copy of what the user may change at any time. @param {any} source */
function copyOf(source) {
  if (!isBufferSource(source)) throw new TypeError("The data is neither an ArrayBuffer nor a view of one");
  if (!ArrayBufferIsView(source)) return new Uint8Array(new Uint8Array(source));
  return new Uint8Array(
    TypedArrayPrototypeGetSymbolToStringTag(source) === undefined
      ? new Uint8Array(
        DataViewPrototypeGetBuffer(/** @type {any} */ (source)),
        DataViewPrototypeGetByteOffset(/** @type {any} */ (source)),
        DataViewPrototypeGetByteLength(/** @type {any} */ (source)),
      )
      : new Uint8Array(
        TypedArrayPrototypeGetBuffer(/** @type {any} */ (source)),
        TypedArrayPrototypeGetByteOffset(/** @type {any} */ (source)),
        TypedArrayPrototypeGetByteLength(/** @type {any} */ (source)),
      ),
  );
}

/** The name of an algorithm, in capital letters. @param {any} algorithm */
function nameOf(algorithm) {
  const name = typeof algorithm === "object" && algorithm !== null ? algorithm.name : algorithm;
  return typeof name === "string" ? StringPrototypeToUpperCase(name) : "";
}

/** @param {string} type @param {Uint8Array} bytes @param {boolean} extractable @param {string[]} usages */
function makeKey(type, bytes, extractable, usages) {
  const key = ObjectCreate(classes.CryptoKey.prototype);
  /** @type {any} */
  const algorithm = { name: "Ed448" };
  const ed448 = { __proto__: null, type, extractable, algorithm, usages: ObjectFreeze(usages), bytes };
  WeakMapPrototypeSet(keys, key, ed448);
  return key;
}

/** @type {any} of deno_crypto's 00_crypto.js */
let classes;

const USAGES = [
  "encrypt", "decrypt", "sign", "verify", "deriveKey", "deriveBits", "wrapKey", "unwrapKey",
  "encapsulateKey", "encapsulateBits", "decapsulateKey", "decapsulateBits",
];

/** Those of a list that a key can have. @param {any} given @param {string[]} possible @returns {string[]} */
function usagesOf(given, possible) {
  const wanted = webidl.createSequenceConverter(webidl.converters.DOMString)(given, "The usages of a key", "the list");
  for (const usage of new SafeArrayIterator(wanted)) {
    if (!ArrayPrototypeIncludes(USAGES, usage)) throw new TypeError(`${usage} is no usage of a key`);
  }
  /** @type {string[]} */
  const usages = [];
  for (const usage of new SafeArrayIterator(USAGES)) {
    if (!ArrayPrototypeIncludes(wanted, usage)) continue;
    if (!ArrayPrototypeIncludes(possible, usage)) fail("SyntaxError", `A key of this kind cannot be used to ${usage}`);
    append(usages, usage);
  }
  return usages;
}

const NUMBER_OF_BYTES = 57;

/** @param {any} extractable @param {any} given */
function generate(extractable, given) {
  const usages = usagesOf(given, ["sign", "verify"]);
  const isUsed = (/** @type {string} */ usage) => ArrayPrototypeIncludes(usages, usage) ? [usage] : [];
  if (isUsed("sign").length === 0) fail("SyntaxError", "The private key would have no usages");
  const seed = new Uint8Array(NUMBER_OF_BYTES);
  FunctionPrototypeCall(classes.getRandomValues, classes.crypto(), seed);
  const publicKey = makeKey("public", core.ops.op_edgehost_ed448_public(seed), true, isUsed("verify"));
  const privateKey = makeKey("private", seed, !!extractable, isUsed("sign"));
  return { publicKey, privateKey };
}

/** @param {string} text */
function fromBase64(text) {
  try {
    return core.ops.op_base64url_decode(text);
  } catch {
    fail("DataError", "A part of the key is not encoded as base64url");
  }
}

/** @param {Uint8Array} bytes @returns {string} */
const toBase64 = (bytes) => core.ops.op_base64url_encode_from_buffer(bytes, 0, TypedArrayPrototypeGetByteLength(bytes));

/** @param {any} format @param {any} data @param {any} extractable @param {any} given */
function importEd448(format, data, extractable, given) {
  if (format === "jwk") return importJwk(data, !!extractable, given);
  const isPrivate = format === "pkcs8";
  const usages = usagesOf(given, [isPrivate ? "sign" : "verify"]);
  let bytes = copyOf(data);
  if (format === "pkcs8" || format === "spki") bytes = core.ops.op_edgehost_ed448_import(isPrivate, bytes);
  else if (format !== "raw" && format !== "raw-public") fail("NotSupportedError", `Ed448 has no format ${String(format)}`);
  if (TypedArrayPrototypeGetByteLength(bytes) !== NUMBER_OF_BYTES) fail("DataError", "The key has another length");
  if (isPrivate && usages.length === 0) fail("SyntaxError", "The private key would have no usages");
  return makeKey(isPrivate ? "private" : "public", bytes, !!extractable, usages);
}

/** RFC 8037. @param {any} jwk @param {boolean} extractable @param {any} given */
function importJwk(jwk, extractable, given) {
  if (typeof jwk !== "object" || jwk === null || isBufferSource(jwk)) throw new TypeError("The data is no JSON Web Key");
  const { alg, crv, d, ext, key_ops: operations, kty, use, x } = jwk;
  const usages = usagesOf(given, [d === undefined ? "verify" : "sign"]);
  if (d !== undefined && usages.length === 0) fail("SyntaxError", "The private key would have no usages");
  const isWrong = kty !== "OKP" || crv !== "Ed448" ||
    (alg !== undefined && alg !== "Ed448" && alg !== "EdDSA") ||
    (use !== undefined && usages.length > 0 && use !== "sig") ||
    (ext === false && extractable) || typeof x !== "string" || (d !== undefined && typeof d !== "string");
  if (isWrong) fail("DataError", "The JSON Web Key is none of Ed448, or not for this use");
  if (operations !== undefined) {
    const listed = ArrayIsArray(operations) ? operations : fail("DataError", "key_ops is no list");
    for (const usage of new SafeArrayIterator(usages)) {
      if (!ArrayPrototypeIncludes(listed, usage)) fail("DataError", `key_ops does not list ${usage}`);
    }
  }
  const publicBytes = fromBase64(x);
  const seed = d === undefined ? undefined : fromBase64(d);
  for (const bytes of new SafeArrayIterator(seed === undefined ? [publicBytes] : [publicBytes, seed])) {
    if (TypedArrayPrototypeGetByteLength(bytes) !== NUMBER_OF_BYTES) fail("DataError", "The key has another length");
  }
  if (seed === undefined) return makeKey("public", publicBytes, extractable, usages);
  if (toBase64(core.ops.op_edgehost_ed448_public(seed)) !== toBase64(publicBytes)) {
    fail("DataError", "The public key is not that of the private key");
  }
  return makeKey("private", seed, extractable, usages);
}

/** What precedes the key in RFC 8410. */
const PKCS8 = [0x30, 0x47, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x71, 4, 0x3b, 4, 0x39];
const SPKI = [0x30, 0x43, 0x30, 5, 6, 3, 0x2b, 0x65, 0x71, 3, 0x3a, 0];

/** @param {number[]} head @param {Uint8Array} bytes */
const behind = (head, bytes) => new Uint8Array([...new SafeArrayIterator(head), ...new SafeArrayIterator(bytes)]);

/** @param {any} format @param {Ed448} key @returns {any} */
function exportEd448(format, key) {
  const { bytes, extractable, type, usages } = key;
  if (!extractable) fail("InvalidAccessError", "The key cannot be exported");
  if (format === "jwk") {
    const isPrivate = type === "private";
    const jwk = {
      alg: "Ed448",
      crv: "Ed448",
      ext: true,
      key_ops: [...new SafeArrayIterator(/** @type {string[]} */ (usages))],
      kty: "OKP",
      x: toBase64(isPrivate ? core.ops.op_edgehost_ed448_public(bytes) : bytes),
    };
    return isPrivate ? { ...jwk, d: toBase64(bytes) } : jwk;
  }
  const kinds = { __proto__: null, pkcs8: "private", raw: "public", "raw-public": "public", spki: "public" };
  const kind = /** @type {any} */ (kinds)[String(format)];
  if (kind === undefined) fail("NotSupportedError", `Ed448 has no format ${String(format)}`);
  if (kind !== type) fail("InvalidAccessError", `A ${type} key has no format ${String(format)}`);
  const exported = format === "pkcs8" ? behind(PKCS8, bytes) : format === "spki" ? behind(SPKI, bytes) : new Uint8Array(bytes);
  return TypedArrayPrototypeGetBuffer(exported);
}

/** @param {any} algorithm @param {Ed448} key @param {string} usage @param {string} type */
function checkUse(algorithm, key, usage, type) {
  if (nameOf(algorithm) !== "ED448") fail("InvalidAccessError", "The key is of another algorithm");
  if (!ArrayPrototypeIncludes(key.usages, usage)) fail("InvalidAccessError", `The key is not for ${usage}`);
  if (key.type !== type) fail("InvalidAccessError", `A ${key.type} key cannot ${usage}`);
  const given = typeof algorithm === "object" ? algorithm.context : undefined;
  const context = given === undefined ? new Uint8Array() : copyOf(given);
  if (TypedArrayPrototypeGetByteLength(context) > 255) fail("OperationError", "The context is longer than 255 bytes");
  return context;
}

const TAGS = [32, 64, 96, 104, 112, 120, 128];

/**
 * What deno_crypto refuses of AES-GCM, although it is allowed.
 * @param {any} algorithm
 */
function gcmOf(algorithm) {
  if (typeof algorithm !== "object" || nameOf(algorithm) !== "AES-GCM") return undefined;
  const { additionalData, iv, tagLength } = algorithm;
  if (!isBufferSource(iv) || (additionalData !== undefined && !isBufferSource(additionalData))) return undefined;
  const bits = tagLength === undefined ? 128 : webidl.converters.octet(tagLength, "AES-GCM", "tagLength", { __proto__: null, enforceRange: true });
  const bytes = copyOf(iv);
  const length = TypedArrayPrototypeGetByteLength(bytes);
  if (length === 0 || !ArrayPrototypeIncludes(TAGS, bits) || (bits === 128 && (length === 12 || length === 16))) return undefined;
  return { iv: bytes, additional: additionalData === undefined ? new Uint8Array() : copyOf(additionalData), tag: bits / 8 };
}

/** What a key of deno_crypto is, or undefined if it is none. @param {any} key */
function factsOf(key) {
  try {
    const { algorithm, type, usages } = classes.getters;
    const { name, namedCurve } = FunctionPrototypeCall(algorithm, key);
    return {
      name,
      namedCurve,
      type: FunctionPrototypeCall(type, key),
      usages: FunctionPrototypeCall(usages, key),
    };
  } catch {
    return undefined;
  }
}

/** @param {NonNullable<ReturnType<typeof gcmOf>>} gcm @param {any} key @param {string} usage @param {boolean} isSealing @param {Uint8Array} data */
async function runGcm(gcm, key, usage, isSealing, data) {
  const facts = factsOf(key);
  if (facts?.name !== "AES-GCM") fail("InvalidAccessError", "The key is of another algorithm");
  if (!ArrayPrototypeIncludes(facts.usages, usage)) fail("InvalidAccessError", `The key is not for ${usage}`);
  const { data: raw } = classes.exportMaterial(key);
  return TypedArrayPrototypeGetBuffer(await core.ops.op_edgehost_gcm(isSealing, raw, gcm.iv, gcm.additional, gcm.tag, data));
}

/** @param {any[]} args @param {string} usage @param {boolean} isSealing */
function cipher({ 0: algorithm, 1: key, 2: data }, usage, isSealing) {
  const gcm = gcmOf(algorithm);
  if (gcm === undefined || factsOf(key) === undefined || !isBufferSource(data)) return undefined;
  return runGcm(gcm, key, usage, isSealing, copyOf(data));
}

/** A key that carries bytes through functions that wrap keys alone. */
const CARRIER = { __proto__: null, name: "HMAC", hash: "SHA-256" };

/** @param {any[]} args */
function wrapKey({ 0: format, 1: key, 2: wrapping, 3: algorithm }) {
  const ed448 = ed448Of(key);
  const gcm = gcmOf(algorithm);
  if ((ed448 === undefined && gcm === undefined) || factsOf(wrapping) === undefined) return undefined;
  return (async () => {
    const exported = ed448 !== undefined
      ? exportEd448(format, ed448)
      : await FunctionPrototypeCall(classes.originals.exportKey, classes.subtle(), format, key);
    const bytes = format === "jwk" ? core.encode(JSONStringify(exported)) : new Uint8Array(exported);
    if (gcm !== undefined) return await runGcm(gcm, wrapping, "wrapKey", true, bytes);
    const carrier = await FunctionPrototypeCall(classes.originals.importKey, classes.subtle(), "raw", bytes, CARRIER, true, ["sign"]);
    return await FunctionPrototypeCall(classes.originals.wrapKey, classes.subtle(), "raw", carrier, wrapping, algorithm);
  })();
}

/** @param {any[]} args */
function unwrapKey({ 0: format, 1: wrapped, 2: unwrapping, 3: algorithm, 4: keyAlgorithm, 5: extractable, 6: usages }) {
  const isEd448 = nameOf(keyAlgorithm) === "ED448";
  const gcm = gcmOf(algorithm);
  if ((!isEd448 && gcm === undefined) || factsOf(unwrapping) === undefined || !isBufferSource(wrapped)) return undefined;
  const data = copyOf(wrapped);
  return (async () => {
    let bytes;
    if (gcm !== undefined) {
      bytes = await runGcm(gcm, unwrapping, "unwrapKey", false, data);
    } else {
      const carrier = await FunctionPrototypeCall(
        classes.originals.unwrapKey, classes.subtle(), "raw", data, unwrapping, algorithm, CARRIER, true, ["sign"],
      );
      bytes = await FunctionPrototypeCall(classes.originals.exportKey, classes.subtle(), "raw", carrier);
    }
    let material = bytes;
    if (format === "jwk") {
      try {
        material = JSONParse(core.decode(new Uint8Array(bytes)));
      } catch {
        fail("DataError", "What was wrapped is no JSON Web Key");
      }
    }
    if (isEd448) return importEd448(format, material, extractable, usages);
    return await FunctionPrototypeCall(
      classes.originals.importKey, classes.subtle(), format, material, keyAlgorithm, extractable, usages,
    );
  })();
}

/** Bytes of a coordinate of each curve. */
const COORDINATES = { __proto__: null, "P-256": 32, "P-384": 48, "P-521": 66 };
const CURVES = new SafeSet(["ED25519", "X25519", "X448"]);

/** Refuses what deno_crypto takes for a private key. @param {any} jwk @param {any} algorithm @param {string} name */
function checkJwk(jwk, algorithm, name) {
  if (SetPrototypeHas(CURVES, name)) {
    const { alg, d, x } = jwk;
    if (d !== undefined && x === undefined) fail("DataError", "The JSON Web Key has no x");
    if (name === "ED25519" && alg !== undefined && alg !== "Ed25519" && alg !== "EdDSA") {
      fail("DataError", "The JSON Web Key is of another algorithm");
    }
  } else if ((name === "ECDH" || name === "ECDSA") && typeof algorithm === "object") {
    const { d } = jwk;
    const length = /** @type {any} */ (COORDINATES)[String(algorithm.namedCurve)];
    if (typeof d === "string" && length !== undefined && TypedArrayPrototypeGetByteLength(fromBase64(d)) !== length) {
      fail("DataError", "The private key has another length");
    }
  }
}

/** @param {any[]} args */
function importKey({ 0: format, 1: data, 2: algorithm, 3: extractable, 4: usages }) {
  const name = nameOf(algorithm);
  if (name === "ED448") return importEd448(format, data, extractable, usages);
  if (extractable && (name === "HKDF" || name === "PBKDF2")) fail("SyntaxError", "What keys are derived from cannot be exported");
  if (format === "jwk" && typeof data === "object" && data !== null) checkJwk(data, algorithm, name);
  return undefined;
}

/** @param {any[]} args */
function exportKey({ 0: format, 1: key }) {
  const ed448 = ed448Of(key);
  if (ed448 !== undefined) return exportEd448(format, ed448);
  if (format !== "jwk" || factsOf(key)?.name !== "Ed25519") return undefined;
  return (async () => {
    const jwk = await FunctionPrototypeCall(classes.originals.exportKey, classes.subtle(), format, key);
    jwk.alg ??= "Ed25519";
    return jwk;
  })();
}

// Points of Ed25519 whose order is 8 or less, with the sign bit left out: 0, 1, the two of order
// 8, and p - 1, p, p + 1.
const SMALL = new SafeSet([
  StringPrototypeRepeat("00", 32),
  `01${StringPrototypeRepeat("00", 31)}`,
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  `ec${StringPrototypeRepeat("ff", 30)}7f`,
  `ed${StringPrototypeRepeat("ff", 30)}7f`,
  `ee${StringPrototypeRepeat("ff", 30)}7f`,
]);

/** @param {Uint8Array} point */
function isSmall(point) {
  /** @type {string[]} */
  const digits = [];
  for (let i = 0; i < TypedArrayPrototypeGetByteLength(point); i++) {
    const byte = i === 31 ? point[i] & 0x7f : point[i];
    append(digits, StringPrototypePadStart(NumberPrototypeToString(byte, 16), 2, "0"));
  }
  return SetPrototypeHas(SMALL, ArrayPrototypeJoin(digits, ""));
}

/**
 * The hash of what is signed by a key of P-384 with SHA-1, which is too short for deno_crypto;
 * undefined where it is not about that.
 * @param {any} algorithm @param {any} key @param {string} usage @param {any} data
 */
function shortHash(algorithm, key, usage, data) {
  if (nameOf(algorithm) !== "ECDSA" || nameOf(algorithm.hash) !== "SHA-1") return undefined;
  const facts = factsOf(key);
  if (facts?.name !== "ECDSA" || facts.namedCurve !== "P-384" || !ArrayPrototypeIncludes(facts.usages, usage)) return undefined;
  return FunctionPrototypeCall(classes.digest, classes.subtle(), "SHA-1", copyOf(data));
}

/** @param {any[]} args */
function verify(args) {
  const { 0: algorithm, 1: key, 2: given, 3: data } = args;
  const hash = shortHash(algorithm, key, "verify", data);
  if (hash !== undefined) {
    const signature = copyOf(given);
    return (async () => core.ops.op_edgehost_p384_verify(classes.exportMaterial(key).data, signature, new Uint8Array(await hash)))();
  }
  const ed448 = ed448Of(key);
  if (ed448 !== undefined) {
    const context = checkUse(algorithm, ed448, "verify", "public");
    return core.ops.op_edgehost_ed448_verify(ed448.bytes, copyOf(given), context, copyOf(data));
  }
  const facts = factsOf(key);
  if (facts?.name !== "Ed25519" || facts.type !== "public" || !isBufferSource(given)) return undefined;
  const signature = copyOf(given);
  return (async () => {
    if (!await ReflectApply(classes.originals.verify, classes.subtle(), [algorithm, key, signature, data])) return false;
    const { data: spki } = classes.exportMaterial(key);
    return !isSmall(TypedArrayPrototypeSubarray(spki, -32)) && !isSmall(TypedArrayPrototypeSubarray(signature, 0, 32));
  })();
}

/** @param {any[]} args */
function deriveBits(args) {
  const rest = typeof args[2] === "number" ? args[2] % 8 : 0;
  if (!(rest > 0)) return undefined;
  return (async () => {
    const bits = await ReflectApply(classes.originals.deriveBits, classes.subtle(), args);
    const bytes = new Uint8Array(bits);
    bytes[TypedArrayPrototypeGetByteLength(bytes) - 1] &= 0xff << (8 - rest);
    return bits;
  })();
}

/** What is done here; the rest is left to deno_crypto. @type {Record<string, (args: any[]) => any>} */
const METHODS = {
  // @ts-ignore: nothing is looked for in a prototype.
  __proto__: null,
  decrypt: (args) => cipher(args, "decrypt", false),
  deriveBits,
  encrypt: (args) => cipher(args, "encrypt", true),
  exportKey,
  generateKey: ({ 0: algorithm, 1: extractable, 2: usages }) =>
    nameOf(algorithm) === "ED448" ? generate(extractable, usages) : undefined,
  getPublicKey({ 0: key, 1: usages }) {
    const ed448 = ed448Of(key);
    if (ed448 === undefined) return undefined;
    if (ed448.type !== "private") fail("InvalidAccessError", "The key is not a private one");
    return makeKey("public", core.ops.op_edgehost_ed448_public(ed448.bytes), true, usagesOf(usages, ["verify"]));
  },
  importKey,
  sign({ 0: algorithm, 1: key, 2: data }) {
    const ed448 = ed448Of(key);
    if (ed448 === undefined) {
      const hash = shortHash(algorithm, key, "sign", data);
      if (hash === undefined) return undefined;
      return (async () =>
        TypedArrayPrototypeGetBuffer(core.ops.op_edgehost_p384_sign(classes.exportMaterial(key).data, new Uint8Array(await hash))))();
    }
    const context = checkUse(algorithm, ed448, "sign", "private");
    const bytes = copyOf(data);
    return (async () => TypedArrayPrototypeGetBuffer(await core.ops.op_edgehost_ed448_sign(ed448.bytes, context, bytes)))();
  },
  unwrapKey,
  verify,
  wrapKey,
};

/**
 * Puts these before those of deno_crypto, and gives keys of both kinds the same getters.
 * @param {any} script its 00_crypto.js
 */
function install(script) {
  const { Crypto, CryptoKey, cryptoKeyExportNodeKeyMaterial, SubtleCrypto } = script;
  const { get: subtleOf } = /** @type {any} */ (ObjectGetOwnPropertyDescriptor(Crypto.prototype, "subtle"));
  classes = {
    __proto__: null,
    CryptoKey,
    crypto: () => script.crypto,
    digest: SubtleCrypto.prototype.digest,
    exportMaterial: cryptoKeyExportNodeKeyMaterial,
    getRandomValues: Crypto.prototype.getRandomValues,
    getters: { __proto__: null },
    originals: { __proto__: null },
    subtle: () => FunctionPrototypeCall(subtleOf, script.crypto),
  };
  for (const name of new SafeArrayIterator(["algorithm", "extractable", "type", "usages"])) {
    const found = /** @type {any} */ (ObjectGetOwnPropertyDescriptor(CryptoKey.prototype, name));
    classes.getters[name] = found.get;
    const { get } = /** @type {any} */ (ObjectGetOwnPropertyDescriptor({
      __proto__: null,
      get [name]() {
        const ed448 = /** @type {any} */ (ed448Of(this));
        return ed448 === undefined ? FunctionPrototypeCall(found.get, this) : ed448[name];
      },
    }, name));
    ObjectDefineProperty(CryptoKey.prototype, name, { __proto__: null, ...found, get });
  }
  for (const name in METHODS) {
    const found = /** @type {any} */ (ObjectGetOwnPropertyDescriptor(SubtleCrypto.prototype, name));
    const original = classes.originals[name] = found.value;
    const handle = METHODS[name];
    const { [name]: method } = {
      /** @this {unknown} */
      [name](/** @type {any[]} */ ...args) {
        if (args.length >= original.length && this === classes.subtle()) {
          try {
            const answer = handle(args);
            // `async` makes a promise of what is none.
            if (answer !== undefined) return (async () => await answer)();
          } catch (error) {
            return PromiseReject(error);
          }
        }
        return ReflectApply(original, this, args);
      },
    };
    ObjectDefineProperty(method, "length", { __proto__: null, value: original.length, configurable: true });
    ObjectDefineProperty(SubtleCrypto.prototype, name, { __proto__: null, ...found, value: method });
  }
}

/** What a clone of a key is made from, if it is one of these. @param {any} key */
function cloneDataOf(key) {
  const ed448 = ed448Of(key);
  if (ed448 === undefined) return undefined;
  const { type, extractable, usages, bytes } = ed448;
  return {
    type: "CryptoKey",
    format: "Ed448",
    keyType: type,
    keyData: bytes,
    extractable,
    usages: [...new SafeArrayIterator(/** @type {string[]} */ (usages))],
  };
}

/** The key that such data stands for. @param {any} data */
function cloneOf(data) {
  if (data.format !== "Ed448") return undefined;
  const isPrivate = data.keyType === "private";
  const bytes = copyOf(data.keyData);
  if (TypedArrayPrototypeGetByteLength(bytes) !== NUMBER_OF_BYTES) throw new TypeError("The key has another length");
  return makeKey(isPrivate ? "private" : "public", bytes, !!data.extractable, usagesOf(data.usages, [isPrivate ? "sign" : "verify"]));
}

return { cloneDataOf, cloneOf, install };
})();
