// @ts-check
// Sends a ReadableStream as the body of an answer, no faster than the client reads.
(function () {
const { core, primordials } = __bootstrap;
const {
  op_edgehost_respond_stream,
  op_edgehost_stream_end,
  op_edgehost_stream_ready,
  op_edgehost_stream_write,
} = core.ops;
const {
  ArrayBufferIsView,
  MathMin,
  ObjectPrototypeIsPrototypeOf,
  Promise,
  PromisePrototypeThen,
  TypeError,
  TypedArrayPrototypeGetBuffer,
  TypedArrayPrototypeGetByteLength,
  TypedArrayPrototypeGetByteOffset,
  TypedArrayPrototypeGetSymbolToStringTag,
  Uint8Array,
  uncurryThis,
} = primordials;
const { acquireReadableStreamDefaultReader, readableStreamCancel, ReadableStreamDefaultReader,
  readableStreamThrowIfErrored } = core.loadExtScript("ext:deno_web/06_streams.js");
const { report } = core.loadExtScript("ext:edgehost/20_console.js");
const { ResponseAborted } = core.loadExtScript("ext:edgehost/30_request.js");
const { watch } = core.loadExtScript("ext:edgehost/10_scope.js");
const { encode } = core.loadExtScript("ext:edgehost/00_ceilings.js");

const read = uncurryThis(ReadableStreamDefaultReader.prototype.read);
const cancel = uncurryThis(ReadableStreamDefaultReader.prototype.cancel);

/** How long the head waits for the first chunk, so that an early error can still become a 500. */
const FIRST_CHUNK_GRACE_MS = 10;

/**
 * The bytes of a chunk. Strings are taken too: Next.js sends them as UTF-8.
 * @param {unknown} chunk
 * @returns {Uint8Array}
 */
function bytesOf(chunk) {
  if (typeof chunk === "string") return encode(chunk);
  if (TypedArrayPrototypeGetSymbolToStringTag(chunk) === "Uint8Array") return /** @type {Uint8Array} */ (chunk);
  if (ArrayBufferIsView(chunk)) {
    const view = /** @type {ArrayBufferView} */ (chunk);
    return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  }
  throw new TypeError(`A response stream must yield Uint8Array or string chunks, but yielded ${typeof chunk}`);
}

/**
 * The result of the promise, or undefined if it is still pending after the grace.
 * @param {Promise<any>} promise
 * @returns {Promise<any>}
 */
function withinGrace(promise) {
  return new Promise((/** @type {(value: any) => void} */ resolve, /** @type {(error: unknown) => void} */ reject) => {
    const timer = core.createTimer(() => resolve(undefined), FIRST_CHUNK_GRACE_MS, undefined, false, true);
    PromisePrototypeThen(
      promise,
      (/** @type {any} */ value) => {
        core.cancelTimer(timer);
        resolve(value);
      },
      (/** @type {unknown} */ error) => {
        core.cancelTimer(timer);
        reject(error);
      },
    );
  });
}

/** Bytes of a chunk that are copied at once. */
const PIECE = 256 * 1024;

/**
 * Sends a large chunk as its reader takes it. False when nobody reads any more.
 * @param {number} handle @param {Uint8Array} bytes
 */
async function sendInPieces(handle, bytes) {
  const length = TypedArrayPrototypeGetByteLength(bytes);
  for (let at = 0; at < length; at += PIECE) {
    // Fails if the buffer was taken away in between.
    const piece = new Uint8Array(
      TypedArrayPrototypeGetBuffer(bytes),
      TypedArrayPrototypeGetByteOffset(bytes) + at,
      MathMin(PIECE, length - at),
    );
    if (!op_edgehost_stream_write(handle, piece) && !(await op_edgehost_stream_ready(handle))) return false;
  }
  return true;
}

/**
 * Sends head and stream. Resolves to false if there was no head to send, with
 * the error that the stream ended with before its first chunk.
 * @param {any} scope
 * @param {ReadableStream} stream
 * @param {number} status
 * @param {string} reason
 * @param {number} count
 * @param {string} lines of headers, each a name and a value, that many
 */
async function sendStream(scope, stream, status, reason, count, lines) {
  const { handle } = scope;
  const reader = acquireReadableStreamDefaultReader(stream);
  scope.cancelBody = (/** @type {unknown} */ why) => {
    PromisePrototypeThen(cancel(reader, why), undefined, () => {});
  };
  watch(scope);
  const first = read(reader);
  let result = await withinGrace(first);
  // A source that failed right after its first chunk has no answer either.
  if (result !== undefined) readableStreamThrowIfErrored(stream);
  if (!op_edgehost_respond_stream(handle, status, reason, count, lines)) {
    scope.cancelBody(new ResponseAborted());
    return;
  }
  try {
    result ??= await first;
    while (!result.done) {
      const bytes = bytesOf(result.value);
      if (TypedArrayPrototypeGetByteLength(bytes) <= PIECE) {
        if (!op_edgehost_stream_write(handle, bytes) && !(await op_edgehost_stream_ready(handle))) {
          scope.cancelBody(new ResponseAborted());
          return;
        }
      } else if (!(await sendInPieces(handle, bytes))) {
        scope.cancelBody(new ResponseAborted());
        return;
      }
      result = await read(reader);
    }
    op_edgehost_stream_end(handle, true);
  } catch (error) {
    op_edgehost_stream_end(handle, false);
    scope.cancelBody(error);
    if (!ObjectPrototypeIsPrototypeOf(ResponseAborted.prototype, error)) {
      report("failed to pipe response: ", error, handle);
    }
  }
}

/**
 * @param {ReadableStream} stream
 * @param {unknown} why
 */
function discard(stream, why) {
  if (!stream.locked) PromisePrototypeThen(readableStreamCancel(stream, why), undefined, () => {});
}

return { discard, sendStream };
})();
