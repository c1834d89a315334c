//! Where scripts of deno_web, deno_fetch, deno_crypto and deno_websocket fall short of the
//! standards: the file, its text, and the right one. What is new lies in
//! `runtime-js/00_bodies.js` and `runtime-js/00_interfaces.js`.

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
    // Strings are iterable.
    (
        "ext:deno_web/06_streams.js",
        "    asyncIterable = webidl.converters[\"async_sequence<any>\"](",
        "    if (typeof asyncIterable === \"string\") asyncIterable = new primordials.String(asyncIterable);
    asyncIterable = webidl.converters[\"async_sequence<any>\"](",
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
              typeof body === \"string\" ? core.encode(body) : TypedArrayPrototypeSlice(body),
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
const REQUEST_BODY_HEADER_NAMES = [",
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
