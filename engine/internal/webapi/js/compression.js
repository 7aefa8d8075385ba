// CompressionStream and DecompressionStream. Chunks are gathered, and Go does the whole at once.
(function (core) {
  "use strict";
  const { ArrayPrototypePush, TypeError, TypedArrayPrototypeGetByteLength, TypedArrayPrototypeSet, Uint8Array } = core.primordials;
  const { copyBytes, define, enumeration, isBufferSource, required } = core.use("webidl");
  const { createTransform } = core.use("streams");

  const formats = ["deflate", "deflate-raw", "gzip"];

  // Up to so many bytes, each chunk is followed by a try at decompressing what is there, so that a reader that waits for the end of the
  // data need not wait for the end of the stream. Beyond, the tries would cost more than they give.
  const eager = 262144;
  const endsEarly = "the compressed data ends early";

  function transform(op, format, what) {
    let chunks = [], total = 0, done = false;
    const whole = () => {
      const all = new Uint8Array(total);
      for (let i = 0, at = 0; i < chunks.length; i++) {
        TypedArrayPrototypeSet(all, chunks[i], at);
        at += TypedArrayPrototypeGetByteLength(chunks[i]);
      }
      return all;
    };
    return createTransform((chunk, enqueue) => {
      if (!isBufferSource(chunk)) throw new TypeError(`${what}: the chunk is not an ArrayBuffer or a view on one`);
      const bytes = copyBytes(chunk), n = TypedArrayPrototypeGetByteLength(bytes);
      if (n === 0) return;
      if (done) throw new TypeError("there is data after the end of the compressed data");
      ArrayPrototypePush(chunks, bytes);
      total += n;
      if (op === "compress" || total > eager) return;
      let out;
      try {
        out = core.native(op, format, whole());
      } catch (e) {
        if (e.message === endsEarly) return;
        throw e;
      }
      done = true;
      chunks = [];
      if (TypedArrayPrototypeGetByteLength(out) > 0) enqueue(out);
    }, (enqueue) => {
      if (done) return;
      const out = core.native(op, format, whole());
      chunks = [];
      if (TypedArrayPrototypeGetByteLength(out) > 0) enqueue(out);
    }, () => {
      chunks = [];
    });
  }

  class CompressionStream {
    #t;
    constructor(format) {
      required(arguments.length, 1, "CompressionStream");
      this.#t = transform("compress", enumeration(format, formats, "CompressionStream: the format"), "CompressionStream");
    }
    get readable() { return this.#t.readable.face; }
    get writable() { return this.#t.writable.face; }
  }
  define(CompressionStream, "CompressionStream");

  class DecompressionStream {
    #t;
    constructor(format) {
      required(arguments.length, 1, "DecompressionStream");
      this.#t = transform("decompress", enumeration(format, formats, "DecompressionStream: the format"), "DecompressionStream");
    }
    get readable() { return this.#t.readable.face; }
    get writable() { return this.#t.writable.face; }
  }
  define(DecompressionStream, "DecompressionStream");

  return { CompressionStream, DecompressionStream };
});
