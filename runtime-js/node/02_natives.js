// @ts-check
// Runs after 02_node.js, while the snapshot of the Node layer is made: checks in front of
// native code, which panics, or never returns, where it meets what it did not expect.
//
// Scripts take ops when they are loaded, so that a check that is put before an op here is
// there for every script that is loaded later. A script itself, because modules see another
// table of ops.
(function () {
const { core, internals, primordials } = __bootstrap;
const {
  ArrayBufferPrototype,
  ArrayPrototypeIncludes,
  BigInt,
  DataViewPrototypeGetBuffer,
  DataViewPrototypeGetByteLength,
  DataViewPrototypeGetByteOffset,
  Error,
  Number,
  NumberPrototypeToString,
  ObjectAssign,
  ObjectDefineProperty,
  ObjectGetOwnPropertyDescriptor,
  PromiseReject,
  RangeError,
  ReflectApply,
  SafeArrayIterator,
  StringPrototypeEndsWith,
  StringPrototypePadStart,
  TypeError,
  TypedArrayPrototypeGetBuffer,
  TypedArrayPrototypeGetByteLength,
  TypedArrayPrototypeGetByteOffset,
  TypedArrayPrototypeGetLength,
  TypedArrayPrototypeGetSymbolToStringTag,
  Uint8Array,
} = primordials;
const { node, ceilings } = internals.edgehost;
const { primeSeconds, refuseLargeResult, refuseLongWork, roomy } = ceilings;
const { ops } = core;

/**
 * Puts a check before ops. What an asynchronous one is refused rejects its promise.
 * @param {string[]} names @param {(...args: any[]) => void} check
 */
function fence(names, check) {
  for (const name of new SafeArrayIterator(names)) {
    const original = ops[name];
    if (typeof original !== "function") throw new Error(`there is no op ${name} any more`);
    const isAsync = StringPrototypeEndsWith(name, "_async");
    ops[name] = (/** @type {any[]} */ ...args) => {
      try {
        ReflectApply(check, undefined, args);
      } catch (error) {
        if (isAsync) return PromiseReject(error);
        throw error;
      }
      return ReflectApply(original, undefined, args);
    };
  }
}

/** An error as OpenSSL has it. @param {string} code @param {string} message */
const openssl = (code, message) => ObjectAssign(new Error(message), { code: `ERR_OSSL_${code}` });

/** @param {string} message */
const outOfRange = (message) => ObjectAssign(new RangeError(message), { code: "ERR_OUT_OF_RANGE" });

/** Bytes of a view, whatever its properties say. @param {any} view */
function sizeOf(view) {
  return TypedArrayPrototypeGetSymbolToStringTag(view) === undefined ? 0 : TypedArrayPrototypeGetByteLength(view);
}

/** A number from its bytes, the highest first. @param {Uint8Array} bytes */
function numberOf(bytes) {
  let digits = "0x0";
  for (let i = 0, size = sizeOf(bytes); i < size; i++) {
    digits += StringPrototypePadStart(NumberPrototypeToString(bytes[i], 16), 2, "0");
  }
  return BigInt(digits);
}

/** The native code divides by what it is given as a prime. @param {any} prime */
function refuseNoPrime(prime) {
  if (TypedArrayPrototypeGetSymbolToStringTag(prime) === undefined) return;
  let sum = 0;
  for (let i = 0, size = TypedArrayPrototypeGetLength(prime); i < size && sum < 2; i++) sum += prime[i];
  // Zero and one, and any power of 256, divide nothing.
  if (sum < 2) throw outOfRange("The prime is none");
}

/** Nor does it find a key for an exponent that is even, or one. @param {unknown} exponent */
function refuseNoExponent(exponent) {
  if (typeof exponent !== "number" || exponent >= 3 && exponent % 2 === 1) return;
  throw outOfRange("The public exponent is odd, and at least 3");
}

// Keys. OpenSSL has the same bounds.

const RSA_LEAST_BITS = 512;
const RSA_LARGEST_EXPONENT = 2 ** 31 - 1;
const DSA_LEAST_BITS = 512;
const MOST_BITS = 10000;

fence(
  [
    "op_node_generate_rsa_key",
    "op_node_generate_rsa_key_async",
    "op_node_generate_rsa_pss_key",
    "op_node_generate_rsa_pss_key_async",
  ],
  (bits, exponent) => {
    if (bits < RSA_LEAST_BITS) throw openssl("RSA_KEY_SIZE_TOO_SMALL", "key size too small");
    if (exponent > RSA_LARGEST_EXPONENT) throw openssl("RSA_PUB_EXPONENT_OUT_OF_RANGE", "pub exponent out of range");
    refuseNoExponent(exponent);
  },
);

fence(["op_node_generate_dsa_key", "op_node_generate_dsa_key_async"], (bits, divisor) => {
  // Sizes of FIPS 186-4; others are looked for without an end.
  if (bits < DSA_LEAST_BITS) throw openssl("DSA_BAD_FFC_PARAMETERS", "bad ffc parameters: the modulus is too small");
  if (bits > MOST_BITS) throw openssl("DSA_MODULUS_TOO_LARGE", "modulus too large");
  if (!ArrayPrototypeIncludes([160, 224, 256], divisor)) {
    throw openssl("DSA_INVALID_QSIZE", "bad ffc parameters: the divisor has 160, 224 or 256 bits");
  }
  refuseLongWork(`A DSA key of ${bits} bits`, primeSeconds(bits) * 5);
});

/** @param {Uint8Array | null | undefined} prime @param {(Uint8Array | null | undefined)[]} others */
function checkGroup(prime, others) {
  if (prime !== undefined && prime !== null) {
    refuseNoPrime(prime);
    if (sizeOf(prime) * 8 > MOST_BITS) throw openssl("DH_MODULUS_TOO_LARGE", "modulus too large");
  }
  for (const other of new SafeArrayIterator(others)) {
    if (sizeOf(other) * 8 > MOST_BITS) throw openssl("DH_MODULUS_TOO_LARGE", "a key is larger than any modulus");
  }
}

fence(
  ["op_node_generate_dh_key", "op_node_generate_dh_key_async", "op_node_dh_keys_generate_and_export"],
  (prime) => checkGroup(prime, []),
);
fence(["op_node_dh_compute_secret"], (prime, one, other) => checkGroup(prime, [one, other]));
fence(["op_node_dh_check"], (prime, generator) => checkGroup(prime, [generator]));

const { op_node_x509_public_key } = ops;
ops.op_node_x509_public_key = (/** @type {unknown} */ certificate) => {
  const key = op_node_x509_public_key(certificate);
  ops.op_edgehost_check_key(key);
  return key;
};

fence(
  ["op_node_generate_secret_key", "op_node_generate_secret_key_async"],
  (bytes) => refuseLargeResult("A key of this length", bytes),
);

// Primes.

/** @param {bigint} a @param {bigint} b */
function commonDivisor(a, b) {
  while (b !== 0n) {
    const rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/** Bits up to which all numbers are looked at. */
const FEW_BITS = 20;

/** @param {number} candidate */
function isSmallPrime(candidate) {
  if (candidate < 2) return false;
  for (let i = 2; i * i <= candidate; i++) if (candidate % i === 0) return false;
  return true;
}

/** Whether a number of few bits is wanted that there is. @param {number} bits @param {boolean} safe @param {number} add @param {number} rem */
function isThere(bits, safe, add, rem) {
  const least = 2 ** (bits - 1);
  for (let candidate = least + (add - least % add + rem) % add; candidate < 2 * least; candidate += add) {
    if (isSmallPrime(candidate) && (!safe || isSmallPrime((candidate - 1) / 2))) return true;
  }
  return false;
}

fence(["op_node_gen_prime", "op_node_gen_prime_async"], (bits, safe, add, rem) => {
  if (bits < 2) return; // The op says so.
  const step = add === null || add === undefined ? 1n : numberOf(add);
  // What there is no prime for would be looked for without an end.
  const none = () => outOfRange("There is no prime of this size that options.add and options.rem describe");
  if (step === 0n) throw none();
  const rest = rem !== null && rem !== undefined ? numberOf(rem) : step === 1n ? 0n : safe ? 3n : 1n;
  const least = 1n << BigInt(bits - 1);
  // These few the op goes through, or refuses.
  if (step >= least || rest >= step && rem !== null && rem !== undefined) return;
  if (bits <= FEW_BITS) {
    if (!isThere(bits, safe, Number(step), Number(rest % step))) throw none();
    return;
  }
  if (step === 1n) return;
  if (commonDivisor(step, rest) !== 1n || safe && commonDivisor(step, rest - 1n) > 2n) throw none();
  // So many that, by the density of primes, one is among them.
  const enough = BigInt(28 * bits) * (safe ? BigInt(bits) : 1n);
  if (least / step < enough) throw outOfRange("options.add leaves too few numbers of this size to look for a prime among");
});

/** Seconds for one round of the test of Miller and Rabin. @param {number} bits */
const roundSeconds = (bits) => 2e-6 + 1e-3 * (bits / 1024) ** 3;

fence(["op_node_check_prime_bytes", "op_node_check_prime_bytes_async"], (candidate, checks) => {
  const bits = sizeOf(candidate) * 8;
  refuseLongWork("Checking a number of this size", (20 + (checks > 0 ? checks : 0)) * roundSeconds(bits));
});

// Results of any size.

/** Seconds for a byte of an extendable digest. */
const XOF_BYTE = 8e-9;

fence(["op_node_create_hash", "op_node_hash_clone"], (_from, bytes) => {
  if (typeof bytes !== "number") return;
  refuseLargeResult("A digest of this length", bytes);
  refuseLongWork(`A digest of ${bytes} bytes`, bytes * XOF_BYTE);
});
fence(["op_node_fill_random_async"], (bytes) => refuseLargeResult("So much randomness", bytes));
fence(["op_node_scrypt_async"], (_password, _salt, bytes) => refuseLargeResult("A key of this length", bytes));

// Copies of texts.

fence(["op_node_hash_update_str"], (_hash, text) => {
  roomy(text);
});

// Objects that native code keeps something for.

class Returned {
  /** @param {object} target */
  constructor(target) {
    return target;
  }
}

/** A note on an object, which nobody else can see or change. */
class Note extends Returned {
  /** @type {any} */
  #value;
  /** @param {object} target @param {any} value */
  static write(target, value) {
    if (#value in target) target.#value = value;
    else new Note(target, value);
  }
  /** @param {any} target */
  static read(target) {
    return typeof target === "object" && target !== null && #value in target ? target.#value : undefined;
  }
  /** @param {object} target @param {any} value */
  constructor(target, value) {
    super(target);
    this.#value = value;
  }
}

/** Replaces a method of a native class. @param {any} prototype @param {string} name @param {(original: any) => any} make */
function replace(prototype, name, make) {
  const found = ObjectGetOwnPropertyDescriptor(prototype, name);
  if (typeof found?.value !== "function") return;
  ObjectDefineProperty(prototype, name, { __proto__: null, ...found, value: make(found.value) });
}

const OPEN = 1;
const CLOSED = 2;

/** @param {any} handle */
function needOpen(handle) {
  if (Note.read(handle) !== OPEN) {
    throw ObjectAssign(new Error("The handle is closed, or was not initialized"), { code: "ERR_INVALID_STATE" });
  }
}

/** @param {unknown} value */
const toNumber = (value) => typeof value === "number" ? value : Number(value);

for (
  const { 0: Native, 1: callsOnError } of new SafeArrayIterator([
    [ops.Zlib, true],
    [ops.BrotliDecoder, true],
    [ops.BrotliEncoder, false],
    [ops.ZstdCompress, false],
    [ops.ZstdDecompress, false],
  ])
) {
  const { prototype } = Native;
  replace(prototype, "init", (init) =>
    /** @this {any} */ function (/** @type {any[]} */ ...args) {
      if (Note.read(this) !== undefined) {
        throw ObjectAssign(new Error("The handle has been initialized before"), { code: "ERR_INVALID_STATE" });
      }
      const done = ReflectApply(init, this, args);
      if (done !== false) Note.write(this, OPEN);
      return done;
    });
  for (const name of new SafeArrayIterator(["write", "writeSync"])) {
    replace(prototype, name, (write) =>
      /** @this {any} */ function (
        /** @type {any} */ flush, /** @type {any} */ input, /** @type {any} */ inOff, /** @type {any} */ inLength,
        /** @type {any} */ out, /** @type {any} */ outOff, /** @type {any} */ outLength, /** @type {any} */ state,
      ) {
        const args = [
          toNumber(flush), input, toNumber(inOff), toNumber(inLength), out, toNumber(outOff), toNumber(outLength), state,
        ];
        needOpen(this);
        // The native code calls it, whatever it is, and does not expect a getter.
        if (callsOnError && typeof ObjectGetOwnPropertyDescriptor(this, "onerror")?.value !== "function") {
          throw ObjectAssign(new TypeError("The onerror of a zlib handle is a function"), { code: "ERR_INVALID_STATE" });
        }
        return ReflectApply(write, this, args);
      });
  }
  for (const name of new SafeArrayIterator(["reset", "params", "setRejectGarbageAfterEnd"])) {
    replace(prototype, name, (method) =>
      /** @this {any} */ function (/** @type {any[]} */ ...args) {
        needOpen(this);
        return ReflectApply(method, this, args);
      });
  }
  replace(prototype, "close", (close) =>
    /** @this {any} */ function () {
      if (Note.read(this) !== OPEN) return;
      Note.write(this, CLOSED);
      ReflectApply(close, this, []);
    });
}

/**
 * A native histogram. One with the same bounds can be made of it.
 * @param {any} Native @param {any[]} bounds
 */
function histogram(Native, bounds) {
  const made = new Native(bounds[0], bounds[1], bounds[2]);
  Note.write(made, bounds);
  return made;
}

replace(ops.BaseHistogram.prototype, "add", (add) =>
  /** @this {any} */ function (/** @type {any} */ other) {
    // The native code reads one while it writes the other.
    if (other === this) {
      const bounds = Note.read(this);
      if (bounds === undefined) throw ObjectAssign(new Error("A histogram cannot be added to itself"), { code: "ERR_INVALID_STATE" });
      other = new ops.BaseHistogram(bounds[0], bounds[1], bounds[2]);
      ReflectApply(add, other, [this]);
    }
    ReflectApply(add, this, [other]);
  });

/**
 * What native code calls of a `v8.Serializer`: functions, whatever its user made of them.
 * @param {any} serializer
 */
function serializerHooks(serializer) {
  const hooks = {
    __proto__: null,
    _getDataCloneError(/** @type {string} */ message) {
      const make = serializer._getDataCloneError;
      return typeof make === "function" ? ReflectApply(make, serializer, [message]) : new Error(message);
    },
    _writeHostObject(/** @type {object} */ object) {
      const write = serializer._writeHostObject;
      if (typeof write !== "function") throw hooks._getDataCloneError("An object could not be cloned.");
      return ReflectApply(write, serializer, [object]);
    },
    _getSharedArrayBufferId(/** @type {SharedArrayBuffer} */ buffer) {
      const identify = serializer._getSharedArrayBufferId;
      if (typeof identify !== "function") throw hooks._getDataCloneError("A SharedArrayBuffer could not be cloned.");
      return toNumber(ReflectApply(identify, serializer, [buffer]));
    },
  };
  return hooks;
}

const { get: isResizable } = /** @type {any} */ (ObjectGetOwnPropertyDescriptor(ArrayBufferPrototype, "resizable"));

/** A view whose bytes stay where they are. @param {any} view */
function steady(view) {
  const isTyped = TypedArrayPrototypeGetSymbolToStringTag(view) !== undefined;
  const buffer = isTyped ? TypedArrayPrototypeGetBuffer(view) : DataViewPrototypeGetBuffer(view);
  if (core.isSharedArrayBuffer(buffer) || !ReflectApply(isResizable, buffer, [])) return view;
  const offset = isTyped ? TypedArrayPrototypeGetByteOffset(view) : DataViewPrototypeGetByteOffset(view);
  const size = isTyped ? TypedArrayPrototypeGetByteLength(view) : DataViewPrototypeGetByteLength(view);
  return new Uint8Array(new Uint8Array(buffer, offset, size));
}

/**
 * An error for a named pipe: its thread would wait until somebody opens the other end.
 * @param {string} syscall @param {unknown} path
 */
function pipeError(syscall, path) {
  if (typeof path !== "string" || !ops.op_edgehost_is_pipe(path)) return undefined;
  return ObjectAssign(
    // The Node layer recognizes errors of the system by their number.
    new Error(`ENXIO: a named pipe cannot be opened here, ${syscall} '${path}' (os error 6)`),
    { code: "ENXIO", errno: -6, syscall, path },
  );
}

// What of Node.js can be cloned: native code does not expect a kind that nobody has named.
core.loadExtScript("ext:deno_node/02_register_cloneable.js");

/** @param {string} syscall @param {unknown} path */
function refusePipe(syscall, path) {
  const error = pipeError(syscall, path);
  if (error !== undefined) throw error;
}

/**
 * Flags that open nothing that makes its thread wait, should the file have been exchanged
 * for a pipe since it was looked at.
 * @param {number} flags
 */
const openFlags = (flags) => flags | ops.op_edgehost_nonblock();

for (const name of new SafeArrayIterator(["copyFile", "copyFileSync"])) {
  const copy = core.loadExtScript("ext:deno_fs/30_fs.js")[name];
  ObjectDefineProperty(internals.deno, name, {
    __proto__: null,
    value: (/** @type {unknown} */ from, /** @type {unknown} */ to) => {
      const error = pipeError("copyfile", from) ?? pipeError("copyfile", to);
      if (error === undefined) return copy(from, to);
      if (name === "copyFile") return PromiseReject(error);
      throw error;
    },
    enumerable: true,
    configurable: true,
  });
}

ObjectAssign(node, {
  Note,
  histogram,
  openFlags,
  pipeError,
  refuseNoExponent,
  refuseNoPrime,
  refusePipe,
  serializerHooks,
  steady,
});
})();
