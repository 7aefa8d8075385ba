// Bodies of Request and Response. A body keeps its source (a string, bytes or a Blob) and becomes a stream only where a caller
// asks for one, so that the common answers never make a stream.
(function (core) {
  "use strict";
  const {
    ArrayPrototypePush, JSONParse, ObjectDefineProperty, Promise, PromisePrototypeThen, ReflectApply, RegExpPrototypeExec, String,
    StringPrototypeSlice, StringPrototypeToLowerCase, TypeError, TypedArrayPrototypeGetLength, TypedArrayPrototypeSet, Uint8Array,
    Uint8ArrayPrototypeSlice, TypedArrayPrototypeGetBuffer, TypedArrayPrototypeGetByteLength, ArrayBufferPrototypeGetByteLength,
    PromiseResolve: resolve, PromiseReject: reject, ObjectGetOwnPropertyDescriptors,
  } = core.primordials;
  const { usv, isObject, isBufferSource, copyBytes, loaded } = core.use("webidl");
  const encoding = core.use("encoding");

  // A body: source is undefined where there is only a stream; stream is null until it is needed.
  function makeBody(source, stream, length) {
    return { source, stream, used: false, length };
  }

  // extract turns a BodyInit into [body, content type or null].
  function extract(init, keepalive) {
    if (typeof init === "string") return [makeBody(usv(init), null), "text/plain;charset=UTF-8"];
    if (isObject(init)) {
      const streams = loaded.streams;
      if (streams !== undefined && streams.isReadableStream(init)) {
        if (keepalive) throw new TypeError("A keepalive request cannot have a stream as body");
        if (streams.isLocked(init) || streams.isDisturbed(init)) throw new TypeError("The body is a ReadableStream that is locked or was read from");
        return [makeBody(undefined, init), null];
      }
      if (isBufferSource(init)) return [makeBody(copyBytes(init), null), null];
      const blob = loaded.blob;
      if (blob !== undefined && blob.isBlob(init)) {
        const type = blob.typeOf(init);
        return [makeBody(init, null), type === "" ? null : type];
      }
      const url = loaded.url;
      if (url !== undefined && url.isURLSearchParams(init)) {
        return [makeBody(url.serializeForm(url.paramsList(init)), null), "application/x-www-form-urlencoded;charset=UTF-8"];
      }
      const form = loaded.formdata;
      if (form !== undefined && form.isFormData(init)) {
        const { bytes, type } = form.encode(init);
        return [makeBody(bytes, null), type];
      }
    }
    return [makeBody(usv(init), null), "text/plain;charset=UTF-8"];
  }

  function isUsed(body) {
    return body !== null && (body.used || (body.stream !== null && core.use("streams").isDisturbed(body.stream)));
  }

  function isUnusable(body) {
    return body !== null && (body.used || (body.stream !== null && (core.use("streams").isDisturbed(body.stream) || core.use("streams").isLocked(body.stream))));
  }

  function sourceBytes(source) {
    if (typeof source === "string") return encoding.utf8Encode(source);
    if (isBufferSource(source)) return source;
    return core.use("blob").bytesOfBlob(source);
  }

  // streamOf returns the body's ReadableStream.
  function streamOf(body) {
    if (body.stream !== null) return body.stream;
    const streams = core.use("streams");
    if (body.source === undefined || body.used) body.stream = streams.fromWhole(null);
    else body.stream = streams.fromWhole(typeof body.source === "string" ? body.source : sourceBytes(body.source));
    if (body.used) streams.disturb(body.stream);
    return body.stream;
  }

  // takeWhole is for callers that take a whole body over at once (takeResponse, fetch): its source where it is known, else undefined.
  // The body is used then.
  function takeWhole(body) {
    if (body.stream === null) {
      body.used = true;
      return body.source;
    }
    const streams = core.use("streams");
    const source = streams.wholeOf(body.stream);
    if (source !== undefined) streams.disturb(body.stream);
    return source;
  }

  // consume reads the body whole and converts it. The body is used from now on.
  function consume(body, convert) {
    if (body === null) {
      try {
        return resolve(convert(new Uint8Array(0), ""));
      } catch (e) {
        return reject(e);
      }
    }
    if (isUnusable(body)) return reject(new TypeError("Body is unusable: it was read before, or its stream is locked"));
    if (body.stream === null) {
      body.used = true;
      const source = body.source;
      try {
        return resolve(typeof source === "string" ? convert(null, source) : convert(sourceBytes(source), null));
      } catch (e) {
        return reject(e);
      }
    }
    return new Promise((resolve, reject) => {
      core.use("streams").readAll(body.stream, (bytes) => {
        try {
          resolve(convert(bytes, null));
        } catch (e) {
          reject(e);
        }
      }, reject);
    });
  }

  // Converters get bytes or, where the body is a string that was never encoded, text.
  function toText(bytes, text) {
    if (bytes === null) return text.length > 0 && text[0] === "\ufeff" ? StringPrototypeSlice(text, 1) : text;
    return encoding.utf8DecodeBOM(bytes);
  }
  function toJSON(bytes, text) { return JSONParse(toText(bytes, text)); }
  // What a script gets must not share memory with the source: it may be kept for a clone.
  function toBytes(bytes, text) { return bytes === null || text === "" ? encoding.utf8Encode(text ?? "") : Uint8ArrayPrototypeSlice(bytes); }
  function toBuffer(bytes, text) { return TypedArrayPrototypeGetBuffer(toBytes(bytes, text)); }

  // mixin adds the members of Body to Class. bodyOf(this) returns the body or null and throws where this is not of Class;
  // typeOf(this) is its content-type or "".
  function mixin(Class, bodyOf, typeOf) {
    function method(convert) {
      return function (self) {
        let body;
        try {
          body = bodyOf(self);
        } catch (e) {
          return reject(e);
        }
        return consume(body, convert === null ? null : (b, t) => convert(b, t, self));
      };
    }
    const text = method(toText), json = method(toJSON), arrayBuffer = method(toBuffer), bytes = method(toBytes);
    const blob = method((b, t, self) => core.use("blob").newBlob(toBytes(b, t), core.use("mime").normalize(typeOf(self))));
    const formData = method((b, t, self) => core.use("formdata").parse(b === null ? encoding.utf8Encode(t) : b, typeOf(self)));
    const members = {
      get body() {
        const b = bodyOf(this);
        return b === null ? null : streamOf(b);
      },
      get bodyUsed() { return isUsed(bodyOf(this)); },
      arrayBuffer() { return arrayBuffer(this); },
      blob() { return blob(this); },
      bytes() { return bytes(this); },
      formData() { return formData(this); },
      json() { return json(this); },
      text() { return text(this); },
    };
    core.primordials.ObjectDefineProperties(Class.prototype, ObjectGetOwnPropertyDescriptors(members));
  }

  // cloneBody gives both a body of their own; it changes body where it has to tee.
  function cloneBody(body) {
    if (body === null) return null;
    if (body.stream === null) return makeBody(body.source, null);
    const branches = core.use("streams").tee(body.stream, true);
    body.stream = branches[0];
    return makeBody(body.source, branches[1]);
  }

  return { makeBody, extract, isUsed, isUnusable, streamOf, takeWhole, consume, mixin, cloneBody, sourceBytes, toBytes };
});
