// @ts-check
// Bodies and header lists, where the scripts of deno_web and deno_fetch fall short of
// the standards or of Node.js. They call this (build/standards.rs).
(function () {
const { core, internals, primordials } = __bootstrap;
const {
  ArrayBufferIsView,
  ArrayBufferPrototypeSlice,
  DataViewPrototypeGetBuffer,
  DataViewPrototypeGetByteLength,
  DataViewPrototypeGetByteOffset,
  FunctionPrototypeCall,
  MapPrototypeHas,
  MapPrototypeSet,
  MathMax,
  MathMin,
  Number,
  ObjectDefineProperty,
  ObjectHasOwn,
  Promise,
  PromisePrototypeThen,
  RangeError,
  ReflectDeleteProperty,
  RegExpPrototypeExec,
  SafeArrayIterator,
  SafeMap,
  SafeRegExp,
  SafeWeakSet,
  String,
  StringPrototypeCharCodeAt,
  StringPrototypeIndexOf,
  StringPrototypeReplace,
  StringPrototypeSlice,
  StringPrototypeSplit,
  StringPrototypeToLowerCase,
  StringPrototypeTrim,
  SymbolFor,
  TypedArrayPrototypeGetBuffer,
  TypedArrayPrototypeGetByteLength,
  TypedArrayPrototypeGetByteOffset,
  TypedArrayPrototypeGetSymbolToStringTag,
  TypeError,
  Uint8Array,
  WeakSetPrototypeAdd,
  WeakSetPrototypeHas,
  decodeURIComponent,
} = primordials;

/** They call this script while they are loaded, and are there when a stream is asked for. */
const streams = () => core.loadExtScript("ext:deno_web/06_streams.js");

/** Set by deno_node on the pool of `Buffer`, and by `markAsUntransferable`. */
const UNTRANSFERABLE = SymbolFor("nodejs.worker_threads.untransferable");

/**
 * What `fetch` has decoded: streams of bodies, and entries of header lists that tell
 * how the bytes were encoded on their way. Neither is true any more for an answer
 * that is made of them.
 */
const decoded = new SafeWeakSet();
let isAnyDecoded = false;

const ENCODING = new SafeRegExp("^(?:content-encoding|content-length)$");

/** @param {[string, string][]} headers of a response whose body is decoded */
function markHeaders(headers) {
  isAnyDecoded = true;
  for (const entry of new SafeArrayIterator(headers)) {
    if (RegExpPrototypeExec(ENCODING, StringPrototypeToLowerCase(entry[0])) !== null) {
      WeakSetPrototypeAdd(decoded, entry);
    }
  }
}

/** @param {ReadableStream} stream */
function markStream(stream) {
  isAnyDecoded = true;
  WeakSetPrototypeAdd(decoded, stream);
}

/**
 * Gives a copy the mark of its original.
 * @template T
 * @param {object} original
 * @param {T & object} copy
 * @returns {T}
 */
function follow(original, copy) {
  if (isAnyDecoded && WeakSetPrototypeHas(decoded, original)) WeakSetPrototypeAdd(decoded, copy);
  return copy;
}

/** @param {ReadableStream} stream @param {ReadableStream[]} branches */
function followTee(stream, branches) {
  follow(stream, branches[0]);
  follow(stream, branches[1]);
  return branches;
}

/** @param {object | null} thing a stream or an entry */
function isDecoded(thing) {
  return isAnyDecoded && thing !== null && WeakSetPrototypeHas(decoded, thing);
}

/** Whether a header tells of an encoding that the body does not have any more. @param {string} name in lower case */
function isOfEncoding(name) {
  return RegExpPrototypeExec(ENCODING, name) !== null;
}

/** Encodings that deno_fetch leaves to us, by the name of their decoder. @type {Record<string, any>} */
const DECODERS = {
  __proto__: null,
  br: "br",
  deflate: "deflate",
  gzip: "gzip",
  "x-gzip": "gzip",
  zstd: "zstd",
};

/** More than anybody needs; each holds buffers of its own. */
const MOST_ENCODINGS = 5;

/**
 * The decoders for a body, in the order in which they are needed.
 * @param {[string, string][]} headers of the response
 * @param {[string, string][]} asked headers of the request
 */
function decodersFor(headers, asked) {
  for (const entry of new SafeArrayIterator(asked)) {
    const name = StringPrototypeToLowerCase(entry[0]);
    // A part of a body cannot be decoded.
    if (name === "range") return "";
    if (name === "accept-encoding" && StringPrototypeToLowerCase(entry[1]) === "identity") return "";
  }
  let names = "";
  let many = 0;
  for (const entry of new SafeArrayIterator(headers)) {
    if (StringPrototypeToLowerCase(entry[0]) !== "content-encoding") continue;
    for (const part of new SafeArrayIterator(StringPrototypeSplit(entry[1], ","))) {
      const name = StringPrototypeToLowerCase(StringPrototypeTrim(part));
      if (name === "" || name === "identity") continue;
      const decoder = DECODERS[name];
      if (decoder === undefined) return "";
      if (++many > MOST_ENCODINGS) throw new TypeError(`fetch failed: more than ${MOST_ENCODINGS} encodings of one body`);
      names = names === "" ? decoder : `${decoder},${names}`;
    }
  }
  return names;
}

/**
 * Takes the body of a response into the host's care: it is decoded there, and its
 * socket is counted for as long as it is open.
 * @param {{ responseRid: number, bodyDecoded: boolean, headers: [string, string][] }} response
 * @param {[string, string][]} asked headers of the request
 */
function arrived(response, asked) {
  let decoders = "";
  if (!response.bodyDecoded) {
    try {
      decoders = decodersFor(response.headers, asked);
    } catch (error) {
      core.tryClose(response.responseRid);
      throw error;
    }
  }
  response.responseRid = core.ops.op_edgehost_upstream(response.responseRid, decoders, currentHandle());
  if (decoders !== "") response.bodyDecoded = true;
  if (response.bodyDecoded) markHeaders(response.headers);
}

function currentHandle() {
  return internals.edgehost?.currentHandle?.() ?? -1;
}

/** @param {number | null} cancelRid of a request that `fetch` has begun */
function began(cancelRid) {
  if (cancelRid !== null) internals.edgehost?.fetchBegan?.(cancelRid);
}

/** @param {number | null} cancelRid */
function settled(cancelRid) {
  if (cancelRid !== null) internals.edgehost?.fetchSettled?.(cancelRid);
}

/** @param {ArrayBufferView} view */
function bytesOfView(view) {
  return TypedArrayPrototypeGetSymbolToStringTag(view) === undefined
    ? new Uint8Array(
      DataViewPrototypeGetBuffer(view),
      DataViewPrototypeGetByteOffset(view),
      DataViewPrototypeGetByteLength(view),
    )
    : new Uint8Array(
      TypedArrayPrototypeGetBuffer(view),
      TypedArrayPrototypeGetByteOffset(view),
      TypedArrayPrototypeGetByteLength(view),
    );
}

/**
 * A copy of a chunk's bytes: a stream takes their buffer away, and that of a chunk of
 * Node.js belongs to many.
 * @param {unknown} chunk
 * @returns {Uint8Array}
 */
function copyOf(chunk) {
  if (typeof chunk === "string") return core.ops.op_edgehost_encode(chunk);
  if (ArrayBufferIsView(chunk)) return new Uint8Array(bytesOfView(/** @type {ArrayBufferView} */ (chunk)));
  if (core.isAnyArrayBuffer(chunk)) return new Uint8Array(new Uint8Array(/** @type {ArrayBuffer} */ (chunk)));
  throw new TypeError(`A body must yield bytes or strings, but yielded ${typeof chunk}`);
}

/**
 * The stream of a body that is an iterable.
 * @param {{ next(): Promise<IteratorResult<unknown>>, return?(reason: unknown): Promise<unknown> }} iterator
 */
function streamOf(iterator) {
  const { ReadableStream } = streams();
  return new ReadableStream({
    __proto__: null,
    type: "bytes",
    async pull(/** @type {any} */ controller) {
      for (;;) {
        const { done, value } = await iterator.next();
        if (done) {
          controller.close();
          controller.byobRequest?.respond(0);
          return;
        }
        let bytes;
        try {
          bytes = copyOf(value);
        } catch (error) {
          await iterator.return?.(error);
          throw error;
        }
        if (TypedArrayPrototypeGetByteLength(bytes) === 0) continue;
        controller.enqueue(bytes);
        return;
      }
    },
    async cancel(/** @type {unknown} */ reason) {
      await iterator.return?.(reason);
    },
  });
}

/**
 * Gives a byte stream all that it will ever have.
 * @param {any} controller @param {Uint8Array} bytes its own
 */
function provide(controller, bytes) {
  if (TypedArrayPrototypeGetByteLength(bytes) > 0) controller.enqueue(bytes);
  controller.close();
  controller.byobRequest?.respond(0);
}

/**
 * A copy of a part of a buffer that must not be taken away from its owner, such as
 * the pool of `Buffer`; undefined where it may.
 * @param {ArrayBuffer} buffer @param {number} offset @param {number} length
 */
function copyOfPooled(buffer, offset, length) {
  return ObjectHasOwn(buffer, UNTRANSFERABLE) ? ArrayBufferPrototypeSlice(buffer, offset, offset + length) : undefined;
}

const NON_ASCII = new SafeRegExp("[^\\0-\\x7f]");

/** A header value whose bytes are UTF-8. @param {string} value a byte string */
function asUtf8(value) {
  if (RegExpPrototypeExec(NON_ASCII, value) === null) return value;
  const bytes = new Uint8Array(value.length);
  for (let i = 0; i < value.length; i++) bytes[i] = StringPrototypeCharCodeAt(value, i);
  return core.decode(bytes);
}

/** @param {{ username: string, password: string }} url */
function hasCredentials(url) {
  return url.username !== "" || url.password !== "";
}

const RANGE = new SafeRegExp("^bytes[\\t ]*=[\\t ]*(\\d*)[\\t ]*-[\\t ]*(\\d*)$");

/**
 * What of a blob a request asks for (Fetch Standard, section 4.2), or null if the blob has no
 * such part.
 * @param {[string, string][]} asked headers of the request
 * @param {Blob} blob
 * @param {Blob["slice"]} slice as it was before user code came
 */
function rangeOf(asked, blob, slice) {
  let range;
  for (const entry of new SafeArrayIterator(asked)) {
    if (StringPrototypeToLowerCase(entry[0]) === "range") range = range === undefined ? entry[1] : `${range}, ${entry[1]}`;
  }
  const { size, type } = blob;
  if (range === undefined) return { blob, status: 200, headers: headersOf(blob, type) };
  const found = RegExpPrototypeExec(RANGE, range);
  if (found === null || (found[1] === "" && found[2] === "")) return null;
  const isSuffix = found[1] === "";
  const first = isSuffix ? MathMax(0, size - Number(found[2])) : Number(found[1]);
  const last = isSuffix || found[2] === "" ? size - 1 : Number(found[2]);
  if (first > last || first >= size) return null;
  const end = MathMin(last, size - 1);
  const part = FunctionPrototypeCall(slice, blob, first, end + 1, type);
  const headers = [...new SafeArrayIterator(headersOf(part, type)), ["content-range", `bytes ${first}-${end}/${size}`]];
  return { blob: part, status: 206, headers };
}

/** @param {Blob} blob @param {string} type @returns {[string, string][]} */
function headersOf(blob, type) {
  return [["content-length", String(blob.size)], ["content-type", type]];
}

/**
 * Holds back a response until its body is known to be the one that was asked for
 * (Fetch Standard, section 4.1, step 22).
 * @param {Promise<any>} response
 * @param {any} request
 * @param {new (body: unknown) => any} InnerBody
 * @param {(error: string) => any} networkError
 */
function verified(response, request, InnerBody, networkError) {
  const { integrity } = request;
  if (integrity === undefined || integrity === "") return response;
  return PromisePrototypeThen(response, async (/** @type {any} */ inner) => {
    if (inner.type === "error" || inner.aborted) return inner;
    const read = inner.body === null ? new Uint8Array() : unsealed(await inner.body.consume());
    const bytes = typeof read === "string" ? core.ops.op_edgehost_encode(read) : read;
    if (!core.ops.op_edgehost_is_integral(integrity, bytes)) {
      return networkError(`the body does not match the integrity "${integrity}"`);
    }
    if (inner.body !== null) {
      const body = new InnerBody({ __proto__: null, body: bytes, consumed: false });
      body.source = bytes;
      body.length = TypedArrayPrototypeGetByteLength(bytes);
      inner.body = body;
    }
    return inner;
  });
}

const FORM_DATA = new SafeRegExp("^\\s*form-data\\s*(?:;|$)", "i");
const PARAMETER = new SafeRegExp("^[\\s;]*([^\\s=;\"]+)\\s*(=?)\\s*");
const END_OF_VALUE = new SafeRegExp("^\\s*(?:;|$)");
const ESCAPED = new SafeRegExp("%(?:22|0[ad])", "gi");
const EXTENDED = new SafeRegExp("^utf-8'[^']*'(.*)$", "i");

/** What browsers write for a quote and for line ends. @param {string} escape */
function unescaped(escape) {
  return escape === "%22" ? '"' : StringPrototypeToLowerCase(escape) === "%0a" ? "\n" : "\r";
}

/**
 * The parameters of a part's `content-disposition`: none if it is not of a form. Names
 * are as browsers write them; a backslash before a quote is taken as an escape
 * where it must be one, as in what curl sends.
 * @param {string} value a byte string
 * @returns {Map<string, string>}
 */
function dispositionOf(value) {
  const params = new SafeMap();
  const type = RegExpPrototypeExec(FORM_DATA, value);
  if (type === null) return params;
  let rest = StringPrototypeSlice(value, type[0].length);
  for (;;) {
    const found = RegExpPrototypeExec(PARAMETER, rest);
    if (found === null) return params;
    rest = StringPrototypeSlice(rest, found[0].length);
    if (found[2] === "") continue;
    const name = StringPrototypeToLowerCase(found[1]);
    let text = "";
    if (rest[0] === '"') {
      let end = 1;
      for (;;) {
        const quote = StringPrototypeIndexOf(rest, '"', end);
        if (quote === -1) throw new TypeError("Unable to parse body as form data: a quoted name of a part has no end");
        const isEscaped = rest[quote - 1] === "\\" && quote > end &&
          RegExpPrototypeExec(END_OF_VALUE, StringPrototypeSlice(rest, quote + 1)) === null;
        text += StringPrototypeSlice(rest, end, isEscaped ? quote - 1 : quote);
        end = quote + 1;
        if (!isEscaped) break;
        text += '"';
      }
      rest = StringPrototypeSlice(rest, end);
      text = StringPrototypeReplace(text, ESCAPED, unescaped);
    } else {
      const end = StringPrototypeIndexOf(rest, ";");
      text = StringPrototypeTrim(end === -1 ? rest : StringPrototypeSlice(rest, 0, end));
      rest = end === -1 ? "" : StringPrototypeSlice(rest, end);
    }
    if (name === "filename*") {
      const extended = RegExpPrototypeExec(EXTENDED, text);
      if (extended !== null) MapPrototypeSet(params, "filename", byteString(extended[1]));
    } else if (!MapPrototypeHas(params, name)) {
      MapPrototypeSet(params, name, text);
    }
  }
}

/** The bytes of a percent-encoded text, as what its reader decodes. @param {string} text */
function byteString(text) {
  try {
    const bytes = core.encode(decodeURIComponent(text));
    let string = "";
    for (let i = 0; i < bytes.length; i++) string += primordials.StringFromCharCode(bytes[i]);
    return string;
  } catch {
    return text;
  }
}

/**
 * The two sides of a DecompressionStream (Compression Standard, section 5). What is
 * written is expanded as it is read, in steps of a bounded size: a small body may stand
 * for an endless one.
 * @param {string} format
 * @param {(chunk: unknown) => BufferSource} convert
 */
function decompressor(format, convert) {
  const { op_edgehost_decompressor, op_edgehost_decompress, op_edgehost_decompress_step } = core.ops;
  const state = op_edgehost_decompressor(format);
  /** Resolves what the reader waits for. @type {(() => void) | null} */
  let fed = null;
  /** Settles what the writer waits for. @type {{ resolve(): void, reject(error: unknown): void } | null} */
  let written = null;
  let isLast = false;
  /** @type {any} */
  let readableController;
  /** @type {any} */
  let writableController;
  /** @param {Uint8Array} bytes */
  const feed = (bytes) => {
    op_edgehost_decompress(state, bytes, isLast);
    fed?.();
    fed = null;
    return new Promise((/** @type {any} */ resolve, /** @type {any} */ reject) => {
      written = { resolve, reject };
    });
  };
  /** @param {unknown} error */
  const fail = (error) => {
    written?.reject(error);
    written = null;
    writableController.error(error);
  };
  const { ReadableStream, WritableStream } = streams();
  const writable = new WritableStream({
    __proto__: null,
    start(/** @type {any} */ controller) {
      writableController = controller;
    },
    write(/** @type {unknown} */ chunk) {
      let source;
      try {
        source = convert(chunk);
      } catch (error) {
        readableController.error(error);
        throw error;
      }
      return feed(
        ArrayBufferIsView(source)
          ? bytesOfView(/** @type {ArrayBufferView} */ (source))
          : new Uint8Array(/** @type {ArrayBuffer} */ (source)),
      );
    },
    close() {
      isLast = true;
      return feed(new Uint8Array());
    },
    abort(/** @type {unknown} */ reason) {
      readableController.error(reason);
      fed?.();
    },
  });
  const readable = new ReadableStream({
    __proto__: null,
    start(/** @type {any} */ controller) {
      readableController = controller;
    },
    async pull(/** @type {any} */ controller) {
      for (;;) {
        let output;
        try {
          output = op_edgehost_decompress_step(state);
        } catch (error) {
          fail(error);
          throw error;
        }
        if (output !== null) {
          controller.enqueue(output);
          return;
        }
        written?.resolve();
        written = null;
        if (isLast) {
          controller.close();
          return;
        }
        await new Promise((/** @type {any} */ resolve) => {
          fed = resolve;
        });
      }
    },
    cancel: fail,
  }, { __proto__: null, highWaterMark: 0 });
  return { readable, writable };
}

/**
 * Bytes that a promise takes as they are: it asks no prototype whether they are a promise too.
 * @param {any} bytes
 */
function sealed(bytes) {
  ObjectDefineProperty(bytes, "then", { __proto__: null, value: undefined, configurable: true });
  return bytes;
}

/** The same, as they were. @param {any} bytes */
function unsealed(bytes) {
  if (typeof bytes === "object" && ObjectHasOwn(bytes, "then")) ReflectDeleteProperty(bytes, "then");
  return bytes;
}

/** Characters of JSON whose values are of no concern. */
const LARGE_JSON = 2 ** 18;

/** JSON whose values the isolate has room for. @param {string} text */
function parseable(text) {
  if (text.length > LARGE_JSON && !core.ops.op_edgehost_fits_json(text)) {
    throw new RangeError("The values of this JSON take more memory than the isolate has left");
  }
  return text;
}

/** All that a resource still gives, which counts as it arrives. @param {number} rid */
function readAll(rid) {
  return core.ops.op_edgehost_read_all(rid);
}

/** Keeps bytes of a Blob, which count as long as they are kept. @param {Uint8Array} bytes */
function keepPart(bytes) {
  return core.ops.op_edgehost_blob_create_part(bytes);
}

return {
  arrived,
  asUtf8,
  began,
  copyOfPooled,
  decompressor,
  dispositionOf,
  follow,
  followTee,
  hasCredentials,
  isDecoded,
  isOfEncoding,
  keepPart,
  markStream,
  parseable,
  provide,
  rangeOf,
  readAll,
  sealed,
  settled,
  streamOf,
  unsealed,
  verified,
};
})();
