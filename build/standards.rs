//! Where scripts of deno_web, deno_fetch, deno_crypto and deno_websocket fall short of the
//! standards: the file, its text, and the right one. What is new lies in
//! `runtime-js/00_bodies.js`, `runtime-js/00_interfaces.js` and `runtime-js/00_webcrypto.js`.

/// A method that reads a body whole: it is no constructor.
macro_rules! body_reader {
    ($name:literal, $kind:literal) => {
        (
            "ext:deno_fetch/22_body.js",
            concat!(
                "      value: function ",
                $name,
                "() {\n        return consumeBody(this, \"",
                $kind,
                "\");\n      },\n"
            ),
            concat!(
                "      value: {\n        ",
                $name,
                "() {\n          return consumeBody(this, \"",
                $kind,
                "\");\n        },\n      }.",
                $name,
                ",\n"
            ),
        )
    };
}

/// As `MENDED` in `scripts.rs`.
pub(super) const MENDED: &[(&str, &str, &str)] = &[
    // Marks of decoded bodies go with copies of header lists.
    (
        "ext:deno_fetch/20_headers.js",
        "const _headerList = Symbol(\"header list\");",
        "const bodies = core.loadExtScript(\"ext:edgehost/00_bodies.js\");
const _headerList = Symbol(\"header list\");",
    ),
    (
        "ext:deno_fetch/20_headers.js",
        "seenHeaders[name] = entries.length; // store header index in entries array
          ArrayPrototypePush(entries, [name, value]);",
        "seenHeaders[name] = entries.length; // store header index in entries array
          ArrayPrototypePush(entries, bodies.follow(entry, [name, value]));",
    ),
    (
        "ext:deno_fetch/20_headers.js",
        "ArrayPrototypePush(list, [entry[0], entry[1]]);",
        "ArrayPrototypePush(list, bodies.follow(entry, [entry[0], entry[1]]));",
    ),
    (
        "ext:deno_fetch/20_headers.js",
        "          const entry = list[i];
          entry[1] = value;
",
        "          const entry = [list[i][0], value];
",
    ),
    (
        "ext:deno_fetch/20_headers.js",
        "    if (init !== undefined) {
      init = webidl.converters[\"HeadersInit\"](init, prefix, \"Argument 1\");
    }
",
        "    const isHeaders = ObjectPrototypeIsPrototypeOf(HeadersPrototype, init);
    if (init !== undefined && !isHeaders) {
      init = webidl.converters[\"HeadersInit\"](init, prefix, \"Argument 1\");
    }
",
    ),
    (
        "ext:deno_fetch/20_headers.js",
        "    if (init !== undefined) {
      fillHeaders(this, init);
    }
",
        "    if (isHeaders) {
      fillHeaderList(this[_headerList], init, prefix, \"Argument 1\");
    } else if (init !== undefined) {
      fillHeaders(this, init);
    }
",
    ),
    (
        "ext:deno_fetch/23_response.js",
        "    response.headerList,
    (x) => [x[0], x[1]],",
        "    response.headerList,
    (x) => core.loadExtScript(\"ext:edgehost/00_bodies.js\").follow(x, [x[0], x[1]]),",
    ),
    (
        "ext:deno_web/06_streams.js",
        "    return readableByteStreamTee(stream);",
        "    return core.loadExtScript(\"ext:edgehost/00_bodies.js\").followTee(stream, readableByteStreamTee(stream));",
    ),
    // A chunk of the pool of `Buffer` would take the pool away from everybody else.
    (
        "ext:deno_web/06_streams.js",
        "  const transferredBuffer = ArrayBufferPrototypeTransferToFixedLength(buffer);
",
        "  let transferredBuffer = core.loadExtScript(\"ext:edgehost/00_bodies.js\")
    .copyOfPooled(buffer, byteOffset, byteLength);
  if (transferredBuffer === undefined) transferredBuffer = ArrayBufferPrototypeTransferToFixedLength(buffer);
  else byteOffset = 0;
",
    ),
    (
        "ext:deno_web/02_event.js",
        "    filename = jsError.frames[0].fileName;
",
        "    filename = jsError.frames[0].fileName ?? \"\";
",
    ),
    // HTML, section 8.7: a timer needs something to call.
    (
        "ext:deno_web/02_timers.js",
        "function setTimeout(callback, timeout = 0, ...args) {
  checkThis(this);
",
        "function setTimeout(callback, timeout = 0, ...args) {
  checkThis(this);
  webidl.requiredArguments(arguments.length, 1, \"Failed to execute 'setTimeout'\");
",
    ),
    (
        "ext:deno_web/02_timers.js",
        "function setInterval(callback, timeout = 0, ...args) {
  checkThis(this);
",
        "function setInterval(callback, timeout = 0, ...args) {
  checkThis(this);
  webidl.requiredArguments(arguments.length, 1, \"Failed to execute 'setInterval'\");
",
    ),
    (
        "ext:deno_web/02_event.js",
        "  // Avoid recursing `reportException()` via error handlers more than once.
",
        "  setIsTrusted(event, true);
  // Avoid recursing `reportException()` via error handlers more than once.
",
    ),
    // Strings are iterable.
    (
        "ext:deno_web/06_streams.js",
        "    asyncIterable = webidl.converters[\"async_sequence<any>\"](",
        "    if (typeof asyncIterable === \"string\") asyncIterable = new primordials.String(asyncIterable);
    asyncIterable = webidl.converters[\"async_sequence<any>\"](",
    ),
    // Streams Standard, section 4.10.11: reads are answered when none of their buffers is asked for any more.
    (
        "ext:deno_web/06_streams.js",
        "  assert(!controller[_closeRequested]);
  while (controller[_pendingPullIntos].size !== 0) {
    if (controller[_queueTotalSize] === 0) {
      return;
    }
",
        "  assert(!controller[_closeRequested]);
  const filled = [];
  while (controller[_pendingPullIntos].size !== 0) {
    if (controller[_queueTotalSize] === 0) {
      break;
    }
",
    ),
    (
        "ext:deno_web/06_streams.js",
        "      readableByteStreamControllerShiftPendingPullInto(controller);
      readableByteStreamControllerCommitPullIntoDescriptor(
        controller[_stream],
        pullIntoDescriptor,
      );
    }
  }
}
",
        "      readableByteStreamControllerShiftPendingPullInto(controller);
      primordials.ArrayPrototypePush(filled, pullIntoDescriptor);
    }
  }
  for (let i = 0; i < filled.length; i++) {
    readableByteStreamControllerCommitPullIntoDescriptor(controller[_stream], filled[i]);
  }
}
",
    ),
    (
        "ext:deno_web/06_streams.js",
        "    if (writable[_state] === \"errored\") {
      controller[_finishPromise].reject(writable[_storedError]);
",
        "    if (writable[_state] === \"errored\" || writable[_state] === \"erroring\") {
      controller[_finishPromise].reject(writable[_storedError]);
",
    ),
    (
        "ext:deno_web/09_file.js",
        "    if (isArrayBuffer(element)) {
",
        "    if (isArrayBuffer(element)) {
      // One that was transferred has no bytes.
      if (primordials.ArrayBufferPrototypeGetDetached(element)) continue;
",
    ),
    (
        "ext:deno_web/15_performance.js",
        "  if (webidl.type(V) === \"Object\" && V !== null) {
",
        "  if (webidl.type(V) === \"Object\" || V === null || V === undefined) {
",
    ),
    // Section 4.9.1: who enqueues does not run the sink of a pipe.
    (
        "ext:deno_web/06_streams.js",
        "      writeChunk(chunk);
      if (pumping) {
        syncAdvance = true;
      } else {
        pump();
      }
",
        "      if (pumping) {
        writeChunk(chunk);
        syncAdvance = true;
        return;
      }
      primordials.queueMicrotask(() => {
        if (writer[_stream] === undefined) return;
        writeChunk(chunk);
        pump();
      });
",
    ),
    // The last line of a form has an end too.
    (
        "ext:deno_fetch/21_formdata.js",
        "  ArrayPrototypePush(chunks, `--${boundary}--`);
",
        "  ArrayPrototypePush(chunks, `--${boundary}--\\r\\n`);
",
    ),
    // No accessor on `Object.prototype` sees the bytes of a body on their way.
    (
        "ext:deno_web/06_streams.js",
        "    offset += TypedArrayPrototypeGetByteLength(chunk);
  }
  return finalBuffer;
}
",
        "    offset += TypedArrayPrototypeGetByteLength(chunk);
  }
  return core.loadExtScript(\"ext:edgehost/00_bodies.js\").sealed(finalBuffer);
}
",
    ),
    (
        "ext:deno_web/06_streams.js",
        "  const underlyingSource = {
    type: \"bytes\",
",
        "  const underlyingSource = {
    __proto__: null,
    type: \"bytes\",
",
    ),
    (
        "ext:deno_fetch/22_body.js",
        "    const body = object[bodySymbol] !== null
      ? await object[bodySymbol].consume()
      : new Uint8Array();
",
        "    const body = object[bodySymbol] !== null
      ? bodies.unsealed(await object[bodySymbol].consume())
      : new Uint8Array();
",
    ),
    // Nobody would notice the end of a body that nobody reads: who asks for `closed`
    // has it read ahead.
    (
        "ext:deno_web/06_streams.js",
        "      webidl.assertBranded(this, ReadableStreamDefaultReaderPrototype);
    } catch (err) {
      return PromiseReject(err);
    }
    return this[_closedPromise].promise;",
        "      webidl.assertBranded(this, ReadableStreamDefaultReaderPrototype);
    } catch (err) {
      return PromiseReject(err);
    }
    readAhead(this[_stream]);
    return this[_closedPromise].promise;",
    ),
    (
        "ext:deno_web/06_streams.js",
        "      webidl.assertBranded(this, ReadableStreamBYOBReaderPrototype);
    } catch (err) {
      return PromiseReject(err);
    }
    return this[_closedPromise].promise;",
        "      webidl.assertBranded(this, ReadableStreamBYOBReaderPrototype);
    } catch (err) {
      return PromiseReject(err);
    }
    readAhead(this[_stream]);
    return this[_closedPromise].promise;",
    ),
    (
        "ext:deno_web/06_streams.js",
        "function getReadableStreamResourceBacking(stream) {",
        "function readAhead(stream) {
  if (stream === undefined || stream[_state] !== \"readable\" || !stream[_resourceBacking]) return;
  // The resource does not have all of the bytes any more.
  stream[_resourceBacking] = null;
  stream[_controller][_strategyHWM] = DEFAULT_CHUNK_SIZE;
  readableByteStreamControllerCallPullIfNeeded(stream[_controller]);
}

function getReadableStreamResourceBacking(stream) {",
    ),
    (
        "ext:deno_web/06_streams.js",
        "      const v = controller.byobRequest.view;",
        "      const request = controller.byobRequest;
      const v = request === null ? new Uint8Array(DEFAULT_CHUNK_SIZE) : request.view;",
    ),
    (
        "ext:deno_web/06_streams.js",
        "          controller.byobRequest.respond(0);",
        "          controller.byobRequest?.respond(0);",
    ),
    (
        "ext:deno_web/06_streams.js",
        "          controller.byobRequest.respond(bytesRead);",
        "          if (request === null) controller.enqueue(primordials.TypedArrayPrototypeSlice(v, 0, bytesRead));
          else controller.byobRequest.respond(bytesRead);",
    ),
    // Small bodies are byte streams too.
    (
        "ext:deno_fetch/22_body.js",
        "  createReadableStream,
",
        "  createReadableByteStream,
",
    ),
    (
        "ext:deno_fetch/22_body.js",
        "const noop = () => {};
",
        "const bodies = core.loadExtScript(\"ext:edgehost/00_bodies.js\");
const noop = () => {};
",
    ),
    (
        "ext:deno_fetch/22_body.js",
        "        const stream = createReadableStream(
          noop,
          (controller) => {
            controller.enqueue(chunkToU8(body));
            controller.close();
          },
          noopAsync,
          0,
        );",
        "        const stream = createReadableByteStream(
          noop,
          (controller) =>
            bodies.provide(
              controller,
              typeof body === \"string\" ? core.ops.op_edgehost_encode(body) : TypedArrayPrototypeSlice(body),
            ),
          noopAsync,
        );",
    ),
    // Chunks of iterables are copied, and may be strings, as in Node.js.
    (
        "ext:deno_fetch/22_body.js",
        "    const original = object.value;
    const readableState = (original !== null && typeof original === \"object\")
      ? original._readableState
      : undefined;
    if (
      typeof readableState === \"object\" && readableState !== null &&
      !readableState.objectMode && !readableState.encoding
    ) {
      const iter = object.open();
      stream = new ReadableStream({
        type: \"bytes\",
        async pull(controller) {
          // deno-lint-ignore deno-internal/prefer-primordials
          const res = await iter.next();
          if (res.done) {
            controller.close();
          } else {
            controller.enqueue(res.value);
          }
        },
        async cancel(reason) {
          if (iter.return !== undefined) {
            // deno-lint-ignore deno-internal/prefer-primordials
            await iter.return(reason);
          }
        },
      });
    } else {
      stream = ReadableStream.from(object.open());
    }
",
        "    stream = bodies.streamOf(object.open());
",
    ),
    (
        "ext:deno_fetch/22_body.js",
        "  .createAsyncSequenceConverter(webidl.converters.Uint8Array);",
        "  .createAsyncSequenceConverter(webidl.converters.any);",
    ),
    (
        "ext:deno_fetch/22_body.js",
        "    if (webidl.isAsyncSequence(V) && !isStringObject(V)) {",
        "    if (webidl.isAsyncSequence(V) && !isStringObject(V) && !primordials.ArrayIsArray(V)) {",
    ),
    // Forms, as the standard and undici read them.
    (
        "ext:deno_fetch/21_formdata.js",
        "  /** @type {Map<string, string>} */
  const params = new SafeMap();
  // Forced to do so for some Map constructor param mismatch
  const values = ArrayPrototypeSlice(StringPrototypeSplit(value, \";\"), 1);
  for (let i = 0; i < values.length; i++) {
    const entries = StringPrototypeSplit(StringPrototypeTrim(values[i]), \"=\");
    if (entries.length > 1) {
      MapPrototypeSet(
        params,
        entries[0],
        StringPrototypeReplace(entries[1], QUOTE_CONTENT_PATTERN, \"$1\"),
      );
    }
  }
  return params;
",
        "  return core.loadExtScript(\"ext:edgehost/00_bodies.js\").dispositionOf(value);
",
    ),
    (
        "ext:deno_fetch/21_formdata.js",
        "        const headerByteLength = i - headerStart + 1;
",
        "        if (i === headerStart && byte === CR && this.body[i + 1] === LF) {
          throw new TypeError(\"Unable to parse body as form data: a part has no name\");
        }
        const headerByteLength = i - headerStart + 1;
",
    ),
    (
        "ext:deno_fetch/21_formdata.js",
        "          // Skip nameless parts, but still advance past the matched delimiter.
          if (latin1Name) {",
        "          if (latin1Name === undefined) {
            throw new TypeError(\"Unable to parse body as form data: a part has no name\");
          } else {",
    ),
    (
        "ext:deno_fetch/21_formdata.js",
        "headers.get(\"Content-Type\") || \"application/octet-stream\"",
        "headers.get(\"Content-Type\") ?? \"text/plain\"",
    ),
    (
        "ext:deno_fetch/21_formdata.js",
        "          if (delimiter.type === 2) {
            break;
          }
",
        "          if (delimiter.type === 2) {
            return formData;
          }
",
    ),
    (
        "ext:deno_fetch/21_formdata.js",
        "
    return formData;
  }
}
",
        "
    throw new TypeError(\"Unable to parse body as form data: it ends before its last boundary\");
  }
}
",
    ),
    (
        "ext:deno_fetch/21_formdata.js",
        "const FormDataPrototype = FormData.prototype;
",
        "const FormDataPrototype = FormData.prototype;
core.loadExtScript(\"ext:deno_web/13_message_port.js\").markNotSerializable(FormDataPrototype);
",
    ),
    // What cannot be cloned cannot be cloned inside of something else either.
    (
        "ext:deno_web/13_message_port.js",
        "function markNotSerializable(target) {
",
        "function markNotSerializable(target) {
  if (!primordials.ReflectHas(target, core.hostObjectBrand)) {
    ObjectDefineProperty(target, core.hostObjectBrand, {
      __proto__: null,
      value: \"NotSerializable\",
      enumerable: false,
      writable: true,
      configurable: false,
    });
  }
",
    ),
    (
        "ext:deno_web/13_message_port.js",
        "      const rid = core.getTransferableResource(type).send(transferable);
",
        "      const resource = core.getTransferableResource(type);
      if (resource === undefined) {
        throw new DOMException(\"Value not transferable\", \"DataCloneError\");
      }
      const rid = resource.send(transferable);
",
    ),
    (
        "ext:deno_web/13_message_port.js",
        "    if (isArrayBuffer(t)) {
      if (
        ArrayBufferPrototypeGetByteLength(t) === 0 &&",
        "    if (isArrayBuffer(t)) {
      if (ObjectHasOwn(t, SymbolFor(\"nodejs.worker_threads.untransferable\"))) {
        throw new DOMException(
          \"An ArrayBuffer that is marked as untransferable, such as the pool of Buffer, cannot be transferred\",
          \"DataCloneError\",
        );
      }
      if (
        ArrayBufferPrototypeGetByteLength(t) === 0 &&",
    ),
    // Keys carry what Node.js and clones need of them. deno_crypto puts it on each key,
    // by symbols that it keeps for a thread, which several isolates share here.
    (
        "ext:deno_crypto/00_crypto.js",
        "const { kKeyObject } = internals;",
        "const kKeyObject = internals.kKeyObject ??= primordials.Symbol(\"kKeyObject\");",
    ),
    (
        "ext:deno_crypto/00_crypto.js",
        "    Crypto.registerSymbols(webidl.brand, kKeyObject);
",
        "",
    ),
    (
        "ext:deno_crypto/00_crypto.js",
        "  (data) => CryptoKey.fromCloneData(data),
",
        "  (data) =>
    core.loadExtScript(\"ext:edgehost/00_webcrypto.js\").cloneOf(data) ??
    importSync(data.format, data.keyData, data.algorithm, data.extractable, data.usages),
",
    ),
    (
        "ext:deno_crypto/00_crypto.js",
        "webidl.configureInterface(CryptoKey);
",
        "const { exportNodeMaterial, importSync } = CryptoKey;
const keyTypeOf = primordials.ObjectGetOwnPropertyDescriptor(CryptoKeyPrototype, \"type\").get;
ObjectDefineProperty(CryptoKeyPrototype, kKeyObject, {
  __proto__: null,
  get() {
    try {
      FunctionPrototypeCall(keyTypeOf, this);
    } catch {
      return undefined;
    }
    try {
      return exportNodeMaterial(this);
    } catch {
      // Of an algorithm that Node.js does not know.
      return this.algorithm;
    }
  },
  enumerable: false,
  configurable: false,
});
ObjectDefineProperty(CryptoKeyPrototype, core.hostObjectBrand, {
  __proto__: null,
  value: function () {
    const other = core.loadExtScript(\"ext:edgehost/00_webcrypto.js\").cloneDataOf(this);
    if (other !== undefined) return other;
    const { type, data } = exportNodeMaterial(this);
    return {
      type: \"CryptoKey\",
      format: type === \"secret\" ? \"raw\" : type === \"public\" ? \"spki\" : \"pkcs8\",
      keyData: data,
      algorithm: this.algorithm,
      extractable: this.extractable,
      usages: this.usages,
    };
  },
  enumerable: false,
  configurable: false,
  writable: false,
});
webidl.configureInterface(CryptoKey);
",
    ),
    (
        "ext:deno_node/internal/crypto/constants.ts",
        "const kKeyObject = Symbol(\"kKeyObject\");",
        "const kKeyObject = internals.kKeyObject ?? Symbol(\"kKeyObject\");",
    ),
    // Fetch Standard, section 5.4, step 5.
    (
        "ext:deno_fetch/23_request.js",
        "      const parsedURL = new URL(input, baseURL);
",
        "      const parsedURL = new URL(input, baseURL);
      if (core.loadExtScript(\"ext:edgehost/00_bodies.js\").hasCredentials(parsedURL)) {
        throw new TypeError(`Request cannot be constructed from a URL that includes credentials: ${input}`);
      }
",
    ),
    (
        "ext:deno_fetch/26_fetch.js",
        "const REQUEST_BODY_HEADER_NAMES = [",
        "const bodies = core.loadExtScript(\"ext:edgehost/00_bodies.js\");
const { slice: sliceOfBlob } = core.loadExtScript(\"ext:deno_web/09_file.js\").BlobPrototype;
const REQUEST_BODY_HEADER_NAMES = [",
    ),
    // What makes keys and takes them apart is not for user code.
    (
        "ext:deno_crypto/00_crypto.js",
        "    subtleSingleton = SubtleCrypto.create();
",
        "    subtleSingleton = createSubtle();
",
    ),
    (
        "ext:deno_crypto/00_crypto.js",
        "    cryptoSingleton = Crypto.create(getSubtleSingleton());
",
        "    cryptoSingleton = createCrypto(getSubtleSingleton());
",
    ),
    (
        "ext:deno_crypto/00_crypto.js",
        "  return CryptoKey.exportNodeMaterial(cryptoKey);
",
        "  return exportNodeMaterial(cryptoKey);
",
    ),
    (
        "ext:deno_crypto/00_crypto.js",
        "  return CryptoKey.importSync(format",
        "  return importSync(format",
    ),
    (
        "ext:deno_crypto/00_crypto.js",
        "  return importSync(format, keyData, algorithm, extractable, usages);
}
",
        "  return importSync(format, keyData, algorithm, extractable, usages);
}

const { create: createCrypto } = Crypto;
const { create: createSubtle } = SubtleCrypto;
for (
  const { 0: holder, 1: names } of new SafeArrayIterator([
    [Crypto, [\"create\", \"registerSymbols\"]],
    [CryptoKey, [\"exportNodeMaterial\", \"fromCloneData\", \"importSync\"]],
    [SubtleCrypto, [\"create\"]],
  ])
) {
  for (const name of new SafeArrayIterator(names)) primordials.ReflectDeleteProperty(holder, name);
}
",
    ),
    // Fetch Standard, section 5.4: what a request may not be made with.
    (
        "ext:deno_fetch/23_request.js",
        "      const res = extractBody(init.body);
      initBody = res.body;
",
        "      const res = extractBody(init.body);
      initBody = res.body;
      if (initBody.source === null || ObjectPrototypeIsPrototypeOf(ReadableStreamPrototype, init.body)) {
        // The edge runtime of Next.js supplies it.
        if (init.duplex === undefined && !core.ops.op_edgehost_is_edge()) {
          throw new TypeError(\"RequestInit: duplex option is required when sending a body.\");
        }
        if (init.keepalive) throw new TypeError(\"A request with a stream as its body cannot be kept alive\");
      }
",
    ),
    (
        "ext:deno_fetch/23_request.js",
        "const _request = Symbol(\"request\");
",
        "const { ReadableStreamPrototype } = core.loadExtScript(\"ext:deno_web/06_streams.js\");
const _request = Symbol(\"request\");
",
    ),
    (
        "ext:deno_fetch/23_request.js",
        "    // 17. referrer
",
        "    if (init.window !== undefined && init.window !== null) {
      throw new TypeError(\"Request's window can only be null\");
    }

    // 17. referrer
",
    ),
    (
        "ext:deno_fetch/23_request.js",
        "    // 26.
    if (init.signal !== undefined) {
",
        "    if (
      request.mode === \"no-cors\" && request.method !== \"GET\" && request.method !== \"HEAD\" && request.method !== \"POST\"
    ) {
      throw new TypeError(`${request.method} is not allowed in no-cors mode`);
    }

    // 26.
    if (init.signal !== undefined) {
",
    ),
    (
        "ext:deno_fetch/23_request.js",
        "    { key: \"client\", converter: webidl.converters.any },
",
        "    { key: \"client\", converter: webidl.converters.any },
    { key: \"duplex\", converter: webidl.createEnumConverter(\"RequestDuplex\", [\"half\"]) },
    { key: \"window\", converter: webidl.converters.any },
",
    ),
    // Section 4.2: a part of a blob.
    (
        "ext:deno_fetch/26_fetch.js",
        "    const body = new InnerBody(req.blobUrlEntry.stream());
    terminator[abortSignal.add](() => body.error(terminator.reason));
    processUrlList(req.urlList, req.urlListProcessed);

    return {
      headerList: [
        [\"content-length\", String(req.blobUrlEntry.size)],
        [\"content-type\", req.blobUrlEntry.type],
      ],
      status: 200,
      statusMessage: \"OK\",
",
        "    const part = bodies.rangeOf(req.headerList, req.blobUrlEntry, sliceOfBlob);
    if (part === null) return networkError(\"the range is not one of this blob\");
    const body = new InnerBody(part.blob.stream());
    body.source = part.blob;
    body.length = part.blob.size;
    terminator[abortSignal.add](() => body.error(terminator.reason));
    processUrlList(req.urlList, req.urlListProcessed);

    return {
      headerList: part.headers,
      status: part.status,
      statusMessage: part.status === 206 ? \"Partial Content\" : \"OK\",
",
    ),
    // Performance Timeline: entries are in the order of time, and an observer is asked in one of two ways.
    (
        "ext:deno_web/15_performance.js",
        "  static get supportedEntryTypes() {
    return [\"mark\", \"measure\"];
  }

  [_callback] = null;
",
        "  static get supportedEntryTypes() {
    return supported;
  }

  [_isOfTypes] = undefined;
  [_callback] = null;
",
    ),
    (
        "ext:deno_web/15_performance.js",
        "class PerformanceObserver {
",
        "const _isOfTypes = Symbol(\"[[is of types]]\");
let supported = primordials.ObjectFreeze([\"mark\", \"measure\"]);

class PerformanceObserver {
",
    ),
    (
        "ext:deno_web/15_performance.js",
        "    let types;
    if (entryTypes !== undefined) {
      if (!ArrayIsArray(entryTypes)) {
        throw new TypeError(`${prefix}: 'entryTypes' must be an array.`);
      }
",
        "    const isOfTypes = entryTypes !== undefined;
    if (isOfTypes && options.buffered !== undefined) {
      throw new TypeError(`${prefix}: 'buffered' is for 'type' alone.`);
    }
    if (this[_isOfTypes] !== undefined && this[_isOfTypes] !== isOfTypes) {
      throw new DOMException(
        `${prefix}: 'entryTypes' and 'type' cannot be used by the same observer.`,
        \"InvalidModificationError\",
      );
    }
    let types;
    if (entryTypes !== undefined) {
      if (!ArrayIsArray(entryTypes)) {
        throw new TypeError(`${prefix}: 'entryTypes' must be an array.`);
      }
",
    ),
    (
        "ext:deno_web/15_performance.js",
        "      types = [type];
    }

    this[_entryTypes] = types;
    this[_buffer] = [];
",
        "      types = ArrayPrototypeIncludes(this[_entryTypes], type)
        ? this[_entryTypes]
        : [...new primordials.SafeArrayIterator(this[_entryTypes]), type];
    }

    this[_isOfTypes] = isOfTypes;
    this[_entryTypes] = types;
",
    ),
    (
        "ext:deno_web/15_performance.js",
        "    if (type !== undefined && options.buffered === true) {
",
        "    if (type !== undefined && options.buffered) {
",
    ),
    (
        "ext:deno_web/15_performance.js",
        "    this[_entryTypes] = [];
    this[_buffer] = [];
  }

  takeRecords() {
",
        "    this[_isOfTypes] = undefined;
    this[_entryTypes] = [];
    this[_buffer] = [];
  }

  takeRecords() {
",
    ),
    (
        "ext:deno_web/15_performance.js",
        "      observer[_callback](entryList, observer);
",
        "      const options = { droppedEntriesCount: observer[_wasCalled] ? undefined : 0 };
      observer[_wasCalled] = true;
      primordials.FunctionPrototypeCall(observer[_callback], observer, entryList, observer, options);
",
    ),
    (
        "ext:deno_web/15_performance.js",
        "function scheduleObserverCallback(observer) {
",
        "const _wasCalled = Symbol(\"[[was called]]\");

/** Copies of lists of entries, sorted by the time when each began. */
function inOrder(entries) {
  return primordials.ArrayPrototypeSort(entries, (a, b) => a[_startTime] - b[_startTime]);
}

function scheduleObserverCallback(observer) {
",
    ),
    (
        "ext:deno_web/15_performance.js",
        "    return ArrayPrototypeSlice(this[_entries]);
",
        "    return inOrder(ArrayPrototypeSlice(this[_entries]));
",
    ),
    (
        "ext:deno_web/15_performance.js",
        "    return ArrayPrototypeFilter(
      this[_entries],
      (entry) => entry.entryType === type,
    );
",
        "    return inOrder(ArrayPrototypeFilter(
      this[_entries],
      (entry) => entry.entryType === type,
    ));
",
    ),
    (
        "ext:deno_web/15_performance.js",
        "    return ArrayPrototypeFilter(
      this[_entries],
      (entry) =>
        entry.name === name && (type === undefined || entry.entryType === type),
    );
",
        "    return inOrder(ArrayPrototypeFilter(
      this[_entries],
      (entry) =>
        entry.name === name && (type === undefined || entry.entryType === type),
    ));
",
    ),
    (
        "ext:deno_web/15_performance.js",
        "  return ArrayPrototypeFilter(
    performanceEntries,
    (entry) =>
      (name ? entry.name === name : true) &&
      (type ? entry.entryType === type : true),
  );
",
        "  return inOrder(ArrayPrototypeFilter(
    performanceEntries,
    (entry) =>
      (name !== undefined ? entry.name === name : true) &&
      (type !== undefined ? entry.entryType === type : true),
  ));
",
    ),
    // Entries of resources, which the Node layer has.
    (
        "ext:deno_web/15_performance.js",
        "    // This is a noop in Deno as we don't have resource timing entries
",
        "    timeline.resize(
      webidl.converters[\"unsigned long\"](
        _maxSize,
        \"Failed to execute 'setResourceTimingBufferSize' on 'Performance'\",
        \"Argument 1\",
      ),
    );
",
    ),
    (
        "ext:deno_web/15_performance.js",
        "return {
  Performance,
",
        "const timeline = {
  __proto__: null,
  key: illegalConstructorKey,
  resize() {},
  add(entry, isKept) {
    if (isKept) ArrayPrototypePush(performanceEntries, entry);
    queuePerformanceEntry(entry);
  },
  count(type) {
    let count = 0;
    for (let i = 0; i < performanceEntries.length; i++) {
      if (performanceEntries[i][_entryType] === type) count++;
    }
    return count;
  },
  support(type, resize) {
    supported = primordials.ObjectFreeze([...new primordials.SafeArrayIterator(supported), type]);
    timeline.resize = resize;
  },
};

return {
  timeline,
  Performance,
",
    ),
    // Section 4.4, steps 4 and 9: the bytes of a location are UTF-8, and it has no credentials.
    ("ext:deno_fetch/26_fetch.js", "    locationHeaders[0][1],\n", "    bodies.asUtf8(locationHeaders[0][1]),\n"),
    (
        "ext:deno_fetch/26_fetch.js",
        "  if (request.redirectCount === 20) {",
        "  if (bodies.hasCredentials(locationURL)) {
    return networkError(\"Can not redirect to a URL that includes credentials\");
  }
  if (request.redirectCount === 20) {",
    ),
    (
        "ext:deno_fetch/26_fetch.js",
        "          mainFetch(request, false, requestObject.signal),
",
        "          bodies.verified(
            mainFetch(request, false, requestObject.signal),
            request,
            InnerBody,
            networkError,
          ),
",
    ),
    // Requests belong to whoever began them, and so do their sockets.
    (
        "ext:deno_fetch/26_fetch.js",
        "  terminator[abortSignal.add](onAbort);
  let resp;
  try {
    resp = await opFetchSend(requestRid);
",
        "  terminator[abortSignal.add](onAbort);
  let resp;
  bodies.began(cancelHandleRid);
  try {
    resp = await opFetchSend(requestRid);
",
    ),
    (
        "ext:deno_fetch/26_fetch.js",
        "    throw err;
  } finally {
    if (cancelHandleRid !== null) {",
        "    throw err;
  } finally {
    bodies.settled(cancelHandleRid);
    if (cancelHandleRid !== null) {",
    ),
    (
        "ext:deno_fetch/26_fetch.js",
        "  processUrlList(req.urlList, req.urlListProcessed);

  /** @type {InnerResponse} */
",
        "  processUrlList(req.urlList, req.urlListProcessed);
  bodies.arrived(resp, req.headerList);

  /** @type {InnerResponse} */
",
    ),
    (
        "ext:deno_fetch/26_fetch.js",
        "      response.body = new InnerBody(bodyStream);
",
        "      if (response.bodyDecoded) bodies.markStream(bodyStream);
      response.body = new InnerBody(bodyStream);
",
    ),
    // What belongs to the prototypes of events; 00_interfaces.js does the rest.
    ("ext:deno_web/02_event.js", "  [SymbolToStringTag] = \"ErrorEvent\";\n", ""),
    ("ext:deno_web/02_event.js", "  [SymbolToStringTag] = \"MessageEvent\";\n", ""),
    ("ext:deno_web/02_event.js", "  [SymbolToStringTag] = \"CustomEvent\";\n", ""),
    ("ext:deno_web/02_event.js", "  [SymbolToStringTag] = \"ProgressEvent\";\n", ""),
    ("ext:deno_web/02_event.js", "  [SymbolToStringTag] = \"PromiseRejectionEvent\";\n", ""),
    (
        "ext:deno_web/02_event.js",
        "  get type() {
    return this[_attributes].type;
  }
",
        "  get type() {
    return this[_attributes].type;
  }

  initEvent(type, bubbles = false, cancelable = false) {
    webidl.requiredArguments(arguments.length, 1, \"Failed to execute 'initEvent' on 'Event'\");
    const attributes = this[_attributes];
    type = webidl.converters.DOMString(type);
    if (this[_dispatched]) return;
    this[_canceledFlag] = false;
    this[_stopPropagationFlag] = false;
    this[_stopImmediatePropagationFlag] = false;
    this[_isTrusted] = false;
    attributes.target = null;
    attributes.type = type;
    attributes.bubbles = !!bubbles;
    attributes.cancelable = !!cancelable;
  }
",
    ),
    (
        "ext:deno_web/02_event.js",
        "  get srcElement() {
    return null;
  }

  set srcElement(_) {
    // this member is deprecated
  }
",
        "  get srcElement() {
    return this[_attributes].target;
  }
",
    ),
    (
        "ext:deno_web/02_event.js",
        "  get detail() {
    return this.#detail;
  }
",
        "  get detail() {
    return this.#detail;
  }

  initCustomEvent(type, bubbles = false, cancelable = false, detail = null) {
    webidl.requiredArguments(arguments.length, 1, \"Failed to execute 'initCustomEvent' on 'CustomEvent'\");
    this.#detail;
    if (this[_dispatched]) return;
    this.initEvent(type, bubbles, cancelable);
    this.#detail = detail;
  }
",
    ),
    (
        "ext:deno_web/02_event.js",
        "    const { detail } = eventInitDict;
    this.#detail = detail;
",
        "    this.#detail = eventInitDict?.detail ?? null;
",
    ),
    (
        "ext:deno_web/02_event.js",
        "  #source = null;

  get source() {
    return this.#source;
  }
",
        "  #source = null;
  #data = null;
  #ports;
  #origin = \"\";
  #lastEventId = \"\";

  get data() {
    return this.#data;
  }

  get origin() {
    return this.#origin;
  }

  get lastEventId() {
    return this.#lastEventId;
  }

  get source() {
    return this.#source;
  }

  get ports() {
    return this.#ports;
  }

  initMessageEvent(
    type,
    bubbles = false,
    cancelable = false,
    data = null,
    origin = \"\",
    lastEventId = \"\",
    source = null,
    ports = [],
  ) {
    webidl.requiredArguments(arguments.length, 1, \"Failed to execute 'initMessageEvent' on 'MessageEvent'\");
    this.#data;
    if (this[_dispatched]) return;
    const made = new MessageEvent(type, { data, origin, lastEventId, source, ports });
    this.initEvent(type, bubbles, cancelable);
    this.#data = made.#data;
    this.#origin = made.#origin;
    this.#lastEventId = made.#lastEventId;
    this.#source = made.#source;
    this.#ports = made.#ports;
  }
",
    ),
    ("ext:deno_web/02_event.js", "    this.data = eventInitDict?.data ?? null;", "    this.#data = eventInitDict?.data ?? null;"),
    ("ext:deno_web/02_event.js", "      this.ports = ObjectFreeze([]);", "      this.#ports = ObjectFreeze([]);"),
    ("ext:deno_web/02_event.js", "      this.ports = ObjectFreeze(arr);", "      this.#ports = ObjectFreeze(arr);"),
    ("ext:deno_web/02_event.js", "    this.origin = eventInitDict?.origin", "    this.#origin = eventInitDict?.origin"),
    ("ext:deno_web/02_event.js", "    this.lastEventId = eventInitDict?.lastEventId", "    this.#lastEventId = eventInitDict?.lastEventId"),
    // DOM, section 2.2: members are there for events alone, and `isTrusted` is each event's own.
    (
        "ext:deno_web/02_event.js",
        "const isTrusted = ObjectGetOwnPropertyDescriptor({
  get isTrusted() {
    return this[_isTrusted];
  },
}, \"isTrusted\").get;
",
        "const isTrusted = {
  __proto__: null,
  ...ObjectGetOwnPropertyDescriptor({
    get isTrusted() {
      assertEvent(this);
      return this[_isTrusted];
    },
  }, \"isTrusted\"),
  configurable: false,
};

function assertEvent(value) {
  if (value?.[_attributes] === undefined) throw new TypeError(\"Illegal invocation\");
}

/** What `init` stands for where a dictionary is expected. */
function dictionaryOf(init) {
  if (init === undefined || init === null) return { __proto__: null };
  if (typeof init === \"object\" || typeof init === \"function\") return init;
  throw new TypeError(\"The options of an event must be an object\");
}

const NOW = new primordials.Uint8Array(8);
const NOW_PARTS = new primordials.Uint32Array(primordials.TypedArrayPrototypeGetBuffer(NOW));

/** As `performance.now()`. */
function now() {
  core.ops.op_now(NOW);
  return NOW_PARTS[0] * 1000 + NOW_PARTS[1] / 1e6;
}
",
    ),
    (
        "ext:deno_web/02_event.js",
        "// Not spec compliant. The spec defines it as [LegacyUnforgeable]
// but doing so has a big performance hit
ReflectDefineProperty(Event.prototype, \"isTrusted\", {
  __proto__: null,
  enumerable: true,
  get: isTrusted,
});
",
        "",
    ),
    (
        "ext:deno_web/02_event.js",
        "      \"Failed to construct 'Event'\",
      \"Argument 1\",
    );

    this[_attributes] = {",
        "      \"Failed to construct 'Event'\",
      \"Argument 1\",
    );
    eventInitDict = dictionaryOf(eventInitDict);

    ObjectDefineProperty(this, \"isTrusted\", isTrusted);
    this[_attributes] = {",
    ),
    (
        "ext:deno_web/02_event.js",
        "      timeStamp: 0,
",
        "      timeStamp: now(),
",
    ),
    (
        "ext:deno_web/02_event.js",
        "  stopPropagation() {
    this[_stopPropagationFlag] = true;
  }

  get cancelBubble() {
    return this[_stopPropagationFlag];
  }

  set cancelBubble(value) {
    this[_stopPropagationFlag] = webidl.converters.boolean(value);
  }

  stopImmediatePropagation() {
",
        "  stopPropagation() {
    assertEvent(this);
    this[_stopPropagationFlag] = true;
  }

  get cancelBubble() {
    assertEvent(this);
    return this[_stopPropagationFlag];
  }

  set cancelBubble(value) {
    assertEvent(this);
    if (value) this[_stopPropagationFlag] = true;
  }

  stopImmediatePropagation() {
    assertEvent(this);
",
    ),
    (
        "ext:deno_web/02_event.js",
        "  get returnValue() {
    return",
        "  get returnValue() {
    assertEvent(this);
    return",
    ),
    (
        "ext:deno_web/02_event.js",
        "  set returnValue(value) {
",
        "  set returnValue(value) {
    assertEvent(this);
",
    ),
    (
        "ext:deno_web/02_event.js",
        "  get defaultPrevented() {
    return",
        "  get defaultPrevented() {
    assertEvent(this);
    return",
    ),
    (
        "ext:deno_web/02_event.js",
        "  get initialized() {
    return true;
  }

",
        "",
    ),
    (
        "ext:deno_web/02_event.js",
        "  getParent(_event) {
    return null;
  }

",
        "",
    ),
    (
        "ext:deno_web/02_event.js",
        "  eventImpl.cancelBubble = false;
",
        "  eventImpl[_stopPropagationFlag] = false;
",
    ),
    // Section 2.9: an event is dispatched once at a time, and what was said to it before counts.
    (
        "ext:deno_web/02_event.js",
        "    // This is an optimization to avoid creating an event listener
",
        "    assertEvent(event);
    if (getDispatched(event)) {
      throw new DOMException(\"The event is already being dispatched\", \"InvalidStateError\");
    }

    // This is an optimization to avoid creating an event listener
",
    ),
    (
        "ext:deno_web/02_event.js",
        "      setTarget(event, this);
      return true;
",
        "      setTarget(event, self);
      event[_stopPropagationFlag] = false;
      event[_stopImmediatePropagationFlag] = false;
      return !event[_canceledFlag];
",
    ),
    (
        "ext:deno_web/02_event.js",
        "    options = addEventListenerOptionsConverter(options, prefix);

    if (callback === null) {
      return;
    }
",
        "    type = webidl.converters.DOMString(type, prefix, \"Argument 1\");
    if (callback !== undefined && callback !== null && typeof callback !== \"object\" && typeof callback !== \"function\") {
      throw new TypeError(`${prefix}: Argument 2 is neither a function nor an object`);
    }
    options = addEventListenerOptionsConverter(options, prefix);

    if (callback === undefined || callback === null) {
      return;
    }
",
    ),
    // HTML, section 8.1.8.1: attributes of event handlers belong to targets of that kind alone.
    (
        "ext:deno_web/02_event.js",
        "    get() {
      if (!this[_eventHandlers]) {
        return null;
      }

      return MapPrototypeGet(this[_eventHandlers], name)?.handler ?? null;
    },
    set(value) {
",
        "    get() {
      const owner = ownerOf(this, emitter);
      if (!owner[_eventHandlers]) {
        return null;
      }

      return MapPrototypeGet(owner[_eventHandlers], name)?.handler ?? null;
    },
    set(value) {
      const owner = ownerOf(this, emitter);
",
    ),
    (
        "ext:deno_web/02_event.js",
        "      if (!this[_eventHandlers]) {
        this[_eventHandlers] = new SafeMap();
      }
      let handlerWrapper = MapPrototypeGet(this[_eventHandlers], name);
",
        "      if (!owner[_eventHandlers]) {
        owner[_eventHandlers] = new SafeMap();
      }
      let handlerWrapper = MapPrototypeGet(owner[_eventHandlers], name);
",
    ),
    (
        "ext:deno_web/02_event.js",
        "        this.addEventListener(name, handlerWrapper);
        init?.(this);
      }
      MapPrototypeSet(this[_eventHandlers], name, handlerWrapper);
",
        "        owner.addEventListener(name, handlerWrapper);
        init?.(owner);
      }
      MapPrototypeSet(owner[_eventHandlers], name, handlerWrapper);
",
    ),
    (
        "ext:deno_web/02_event.js",
        "const _eventHandlers = Symbol(\"eventHandlers\");
",
        "const _eventHandlers = Symbol(\"eventHandlers\");

/** Whose handler is asked for; functions that are called without an object belong to the global scope. */
function ownerOf(value, emitter) {
  const owner = value ?? globalThis_;
  if (emitter === globalThis_ ? owner !== emitter : !ObjectPrototypeIsPrototypeOf(emitter, owner)) {
    throw new TypeError(\"Illegal invocation\");
  }
  return owner;
}
",
    ),
    // What events are made with.
    (
        "ext:deno_web/02_event.js",
        "  constructor(
    type,
    {
      bubbles,
      cancelable,
      composed,
      message = \"\",
      filename = \"\",
      lineno = 0,
      colno = 0,
      error,
    } = { __proto__: null },
  ) {
    super(type, {
      bubbles: bubbles,
      cancelable: cancelable,
      composed: composed,
    });

    this.#message = message;
    this.#filename = filename;
    this.#lineno = lineno;
    this.#colno = colno;
    this.#error = error;
  }
",
        "  constructor(type, eventInitDict = { __proto__: null }) {
    const prefix = \"Failed to construct 'ErrorEvent'\";
    webidl.requiredArguments(arguments.length, 1, prefix);
    super(type, eventInitDict);
    const { colno = 0, error, filename = \"\", lineno = 0, message = \"\" } = dictionaryOf(eventInitDict);
    this.#colno = webidl.converters[\"unsigned long\"](colno, prefix, \"'colno'\");
    this.#error = error;
    this.#filename = webidl.converters.USVString(filename, prefix, \"'filename'\");
    this.#lineno = webidl.converters[\"unsigned long\"](lineno, prefix, \"'lineno'\");
    this.#message = webidl.converters.DOMString(message, prefix, \"'message'\");
  }
",
    ),
    (
        "ext:deno_web/02_event.js",
        "  constructor(type, {
    bubbles,
    cancelable,
    composed,
    wasClean = false,
    code = 0,
    reason = \"\",
  } = { __proto__: null }) {
    super(type, {
      bubbles: bubbles,
      cancelable: cancelable,
      composed: composed,
    });

    this.#wasClean = wasClean;
    this.#code = code;
    this.#reason = reason;
  }
",
        "  constructor(type, eventInitDict = { __proto__: null }) {
    const prefix = \"Failed to construct 'CloseEvent'\";
    webidl.requiredArguments(arguments.length, 1, prefix);
    super(type, eventInitDict);
    const { code = 0, reason = \"\", wasClean = false } = dictionaryOf(eventInitDict);
    this.#code = webidl.converters[\"unsigned short\"](code, prefix, \"'code'\");
    this.#reason = webidl.converters.USVString(reason, prefix, \"'reason'\");
    this.#wasClean = !!wasClean;
  }
",
    ),
    (
        "ext:deno_web/02_event.js",
        "  constructor(
    type,
    {
      bubbles,
      cancelable,
      composed,
      promise,
      reason,
    } = { __proto__: null },
  ) {
    super(type, {
      bubbles: bubbles,
      cancelable: cancelable,
      composed: composed,
    });

    this.#promise = promise;
    this.#reason = reason;
  }
",
        "  constructor(type, eventInitDict) {
    const prefix = \"Failed to construct 'PromiseRejectionEvent'\";
    webidl.requiredArguments(arguments.length, 2, prefix);
    super(type, eventInitDict);
    const { promise, reason } = dictionaryOf(eventInitDict);
    if (typeof promise !== \"object\" && typeof promise !== \"function\" || promise === null) {
      throw new TypeError(`${prefix}: 'promise' is required`);
    }
    this.#promise = promise;
    this.#reason = reason;
  }
",
    ),
    (
        "ext:deno_web/02_event.js",
        "class ProgressEvent extends Event {
  constructor(type, eventInitDict = { __proto__: null }) {
    super(type, eventInitDict);

    this.lengthComputable = eventInitDict?.lengthComputable ?? false;
    this.loaded = eventInitDict?.loaded ?? 0;
    this.total = eventInitDict?.total ?? 0;
  }
",
        "class ProgressEvent extends Event {
  #lengthComputable = false;
  #loaded = 0;
  #total = 0;

  get lengthComputable() {
    return this.#lengthComputable;
  }

  get loaded() {
    return this.#loaded;
  }

  get total() {
    return this.#total;
  }

  constructor(type, eventInitDict = { __proto__: null }) {
    const prefix = \"Failed to construct 'ProgressEvent'\";
    webidl.requiredArguments(arguments.length, 1, prefix);
    super(type, eventInitDict);
    const { lengthComputable = false, loaded = 0, total = 0 } = dictionaryOf(eventInitDict);
    this.#lengthComputable = !!lengthComputable;
    this.#loaded = webidl.converters.double(loaded, prefix, \"'loaded'\");
    this.#total = webidl.converters.double(total, prefix, \"'total'\");
  }
",
    ),
    (
        "ext:deno_web/02_event.js",
        "  constructor(type, eventInitDict) {
    super(type, {
      bubbles: eventInitDict?.bubbles ?? false,
",
        "  constructor(type, eventInitDict) {
    webidl.requiredArguments(arguments.length, 1, \"Failed to construct 'MessageEvent'\");
    eventInitDict = dictionaryOf(eventInitDict);
    super(type, {
      bubbles: eventInitDict?.bubbles ?? false,
",
    ),
    (
        "ext:deno_fetch/27_eventsource.js",
        "  CONNECTING: {
    __proto__: null,
    value: 0,
",
        "  CONNECTING: {
    __proto__: null,
    enumerable: true,
    value: 0,
",
    ),
    (
        "ext:deno_fetch/27_eventsource.js",
        "  OPEN: {
    __proto__: null,
    value: 1,
",
        "  OPEN: {
    __proto__: null,
    enumerable: true,
    value: 1,
",
    ),
    (
        "ext:deno_fetch/27_eventsource.js",
        "  CLOSED: {
    __proto__: null,
    value: 2,
",
        "  CLOSED: {
    __proto__: null,
    enumerable: true,
    value: 2,
",
    ),
    (
        "ext:deno_web/01_broadcast_channel.js",
        "  get name() {
    return this[_name];
",
        "  get name() {
    webidl.assertBranded(this, BroadcastChannelPrototype);
    return this[_name];
",
    ),
    // Operations are no constructors.
    body_reader!("arrayBuffer", "ArrayBuffer"),
    body_reader!("blob", "Blob"),
    body_reader!("bytes", "bytes"),
    body_reader!("formData", "FormData"),
    body_reader!("json", "JSON"),
    body_reader!("text", "text"),
    (
        "ext:deno_fetch/22_body.js",
        "      value: function textStream() {
",
        "      value: { textStream() {
",
    ),
    (
        "ext:deno_fetch/22_body.js",
        "        return inner.stream.pipeThrough(new TextDecoderStream());
      },
",
        "        return inner.stream.pipeThrough(new TextDecoderStream());
      } }.textStream,
",
    ),
    (
        "ext:deno_fetch/23_request.js",
        "  value: function json() {
",
        "  value: { json() {
",
    ),
    (
        "ext:deno_fetch/23_request.js",
        "    return FunctionPrototypeCall(requestJson, this);
  },
",
        "    return FunctionPrototypeCall(requestJson, this);
  } }.json,
",
    ),
    (
        "ext:deno_web/09_file.js",
        "function createObjectURL(blob) {
",
        "const { createObjectURL } = { createObjectURL(blob) {
",
    ),
    (
        "ext:deno_web/09_file.js",
        "  return op_blob_create_object_url(blob.type, getParts(blob));
}
",
        "  return op_blob_create_object_url(blob.type, getParts(blob));
} };
",
    ),
    (
        "ext:deno_web/09_file.js",
        "function revokeObjectURL(url) {
",
        "const { revokeObjectURL } = { revokeObjectURL(url) {
",
    ),
    (
        "ext:deno_web/09_file.js",
        "  op_blob_revoke_object_url(url);
}
",
        "  op_blob_revoke_object_url(url);
} };
",
    ),
    (
        "ext:deno_crypto/00_crypto.js",
        "function randomUUID() {
",
        "const { randomUUID } = { randomUUID() {
",
    ),
    (
        "ext:deno_crypto/00_crypto.js",
        "    start + UUID_STRING_BYTES,
  );
}
",
        "    start + UUID_STRING_BYTES,
  );
} };
",
    ),
    (
        "ext:deno_web/13_message_port.js",
        "defineEventHandler(MessagePort.prototype, \"messageerror\");
",
        "defineEventHandler(MessagePort.prototype, \"messageerror\");
defineEventHandler(MessagePort.prototype, \"close\");
",
    ),
    // RFC 6455, section 7.1.5: the code of a connection that was not closed by its peer.
    (
        "ext:deno_websocket/01_websocket.js",
        "new CloseEvent(\"close\")",
        "new CloseEvent(\"close\", { wasClean: false, code: 1006 })",
    ),
    (
        "ext:deno_websocket/01_websocket.js",
        "  CONNECTING: {
    __proto__: null,
",
        "  CONNECTING: {
    __proto__: null,
    enumerable: true,
",
    ),
    (
        "ext:deno_websocket/01_websocket.js",
        "  OPEN: {
    __proto__: null,
",
        "  OPEN: {
    __proto__: null,
    enumerable: true,
",
    ),
    (
        "ext:deno_websocket/01_websocket.js",
        "  CLOSING: {
    __proto__: null,
",
        "  CLOSING: {
    __proto__: null,
    enumerable: true,
",
    ),
    (
        "ext:deno_websocket/01_websocket.js",
        "  CLOSED: {
    __proto__: null,
",
        "  CLOSED: {
    __proto__: null,
    enumerable: true,
",
    ),
    // There may be no room for the bytes of a large text, which native code makes in one step.
    ("ext:deno_web/05_base64.js", "    return op_base64_atob(data);", "    return op_base64_atob(core.loadExtScript(\"ext:edgehost/00_ceilings.js\").roomy(data));"),
    ("ext:deno_web/05_base64.js", "    return op_base64_btoa(data);", "    return op_base64_btoa(core.loadExtScript(\"ext:edgehost/00_ceilings.js\").roomy(data));"),
    ("ext:deno_web/08_text_encoding.js", "    return core.encode(input);", "    return ceilings.encode(input);"),
    ("ext:deno_web/08_text_encoding.js", "controller.enqueue(core.encode(chunk));", "controller.enqueue(ceilings.encode(chunk));"),
    (
        "ext:deno_web/08_text_encoding.js",
        "class TextEncoder {
",
        "const ceilings = core.loadExtScript(\"ext:edgehost/00_ceilings.js\");
class TextEncoder {
",
    ),
    ("ext:deno_web/09_file.js", "const chunk = core.encode(", "const chunk = core.loadExtScript(\"ext:edgehost/00_ceilings.js\").encode("),
    (
        "ext:deno_fetch/22_body.js",
        "core.encode(chunk) : chunk;",
        "core.loadExtScript(\"ext:edgehost/00_ceilings.js\").encode(chunk) : chunk;",
    ),
    ("ext:deno_fetch/26_fetch.js", "reqBody = core.encode(body);", "reqBody = core.loadExtScript(\"ext:edgehost/00_ceilings.js\").encode(body);"),
    // What native code keeps for it counts.
    (
        "ext:deno_web/14_compression.js",
        "    const rid = op_compression_new(format, false);
",
        "    const rid = op_compression_new(format, false);
    core.loadExtScript(\"ext:edgehost/00_ceilings.js\").weighCompressor(this, format);
",
    ),
    // Messages that the other end does not take stay with the native code.
    (
        "ext:deno_websocket/01_websocket.js",
        "emitWebSocketFrame(this, \"frameSent\",",
        "internals.edgehost.ceilings.sending(this[_rid]);
        emitWebSocketFrame(this, \"frameSent\",",
    ),
    (
        "ext:deno_websocket/01_websocket.js",
        "const string = String(data);",
        "const string = internals.edgehost.ceilings.roomy(String(data));",
    ),
    (
        "ext:deno_web/00_url.js",
        "op_url_stringify_search_params(this[_list])",
        "op_url_stringify_search_params(core.loadExtScript(\"ext:edgehost/00_ceilings.js\").roomyPairs(this[_list]))",
    ),
    // The log shows the beginning of a text.
    (
        "ext:deno_web/01_console.js",
        "...new SafeArrayIterator(args)",
        "...new SafeArrayIterator(internals.edgehost.ceilings.shortened(args))",
    ),
    (
        "ext:deno_web/01_console.js",
        "  return op_console_inspect_args(intrinsics, args, {",
        "  return op_console_inspect_args(intrinsics, internals.edgehost.ceilings.shortened(args), {",
    ),
    // The values of a JSON text may be 20 times as large as the text.
    (
        "ext:deno_fetch/22_body.js",
        "JSONParse(chunkToString(bytes))",
        "JSONParse(bodies.parseable(chunkToString(bytes)))",
    ),
    // Nobody else listens: an isolate has a bus of its own, which would keep the last 256 messages.
    ("ext:deno_web/01_broadcast_channel.js", "    op_broadcast_send(rid, this[_name], data, sabId);\n", ""),
    // What is read for an isolate counts, and so do its blobs.
    (
        "ext:deno_web/06_streams.js",
        "      const promise = op_read_all(resourceBacking.rid);",
        "      const promise = core.loadExtScript(\"ext:edgehost/00_bodies.js\").readAll(resourceBacking.rid);",
    ),
    (
        "ext:deno_web/06_streams.js",
        "          const chunk = await core.readAll(rid);",
        "          const chunk = await core.loadExtScript(\"ext:edgehost/00_bodies.js\").readAll(rid);",
    ),
    ("ext:deno_web/09_file.js", "const id = op_blob_create_part(", "const id = core.loadExtScript(\"ext:edgehost/00_bodies.js\").keepPart("),
    // What breaks off is an error, and a small body may stand for an endless one.
    (
        "ext:deno_web/14_compression.js",
        "    const rid = op_compression_new(format, true);

    this.#transform = new TransformStream({
      transform(chunk, controller) {
        chunk = convertChunk(chunk, prefix);
        const output = op_compression_write(
          rid,
          chunk,
        );
        maybeEnqueue(controller, output);
      },
      flush(controller) {
        const output = op_compression_finish(rid, true);
        maybeEnqueue(controller, output);
      },
      cancel: (_reason) => {
        op_compression_finish(rid, false);
      },
    });
",
        "    this.#transform = core.loadExtScript(\"ext:edgehost/00_bodies.js\")
      .decompressor(format, (chunk) => convertChunk(chunk, prefix));
",
    ),
];
