// CompressionStream and DecompressionStream. Go does the work, a slice of a chunk at a time, with a codec that ends with the execution.
(function (core) {
  "use strict";
  const {
    ArrayPrototypePush, TypeError, TypedArrayPrototypeGetBuffer, TypedArrayPrototypeGetByteLength, TypedArrayPrototypeGetByteOffset, Uint8Array,
  } = core.primordials;
  const { copyBytes, define, enumeration, isBufferSource, required } = core.use("webidl");
  const { createTransform } = core.use("streams");

  const formats = ["deflate", "deflate-raw", "gzip"];

  // A codec takes so many bytes at once, and its result is a chunk of about that size at most.
  const slice = 65536;
  // What is compressed needs no codec of its own before there is so much of it: nothing would come out, and few can be open.
  const little = 32768;
  // A chunk's results may wait unread up to so many bytes; then the rest of the chunk waits. One byte can become a thousand. It is more
  // than a compressed chunk of usual size gives, since some write a chunk and wait for that before they read.
  const unread = 262144;

  function transform(kind, format, what) {
    let codec = "", ended = false, held = 0;
    let chunks = []; // that wait for a codec
    let total = 0;

    function drop() {
      ended = true;
      chunks = [];
      if (codec !== "") core.native("codec.drop", codec);
      codec = "";
    }

    // feed gives chunks to the codec. Without room, it does not wait for a reader.
    async function feed(parts, enqueue, room) {
      for (let i = 0; i < parts.length; i++) {
        const n = TypedArrayPrototypeGetByteLength(parts[i]);
        const buffer = TypedArrayPrototypeGetBuffer(parts[i]), offset = TypedArrayPrototypeGetByteOffset(parts[i]);
        for (let at = 0; at < n; at += slice) {
          let out = core.native("codec.write", codec, new Uint8Array(buffer, offset + at, n - at < slice ? n - at : slice));
          for (let m; (m = TypedArrayPrototypeGetByteLength(out)) > 0; ) {
            const wait = room?.();
            held = wait === undefined ? m : held + m;
            enqueue(out); // who reads it may run at once, by a then of Object.prototype
            if (held >= unread && room !== undefined) await room();
            if (ended) return;
            out = core.native("codec.next", codec);
          }
        }
      }
    }

    async function push(chunk, enqueue, room) {
      if (!isBufferSource(chunk)) throw new TypeError(`${what}: the chunk is not an ArrayBuffer or a view on one`);
      const bytes = copyBytes(chunk), n = TypedArrayPrototypeGetByteLength(bytes);
      if (n === 0) return;
      if (codec === "") {
        ArrayPrototypePush(chunks, bytes);
        total += n;
        if (kind === "decompress" || total >= little) codec = core.native("codec.open", `${kind} ${format}`);
        if (codec === "") return;
        const parts = chunks;
        chunks = [];
        await feed(parts, enqueue, room);
      } else await feed([bytes], enqueue, room);
    }

    async function finish(enqueue) {
      if (codec === "") {
        codec = core.native("codec.open", `${kind} ${format} force`);
        const parts = chunks;
        chunks = [];
        await feed(parts, enqueue, undefined);
      }
      const out = core.native("codec.close", codec);
      codec = "";
      if (TypedArrayPrototypeGetByteLength(out) > 0) enqueue(out);
    }

    // dropped makes fn drop the codec where it fails.
    const dropped = (fn) => async (a, b, c) => {
      try {
        await fn(a, b, c);
      } catch (e) {
        drop();
        throw e;
      }
    };
    return createTransform(dropped(push), dropped(finish), drop);
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
