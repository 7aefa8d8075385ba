// TextEncoderStream and TextDecoderStream.
(function (core) {
  "use strict";
  const { StringPrototypeCharCodeAt, StringPrototypeSlice, TypeError } = core.primordials;
  const { define, str, isBufferSource } = core.use("webidl");
  const { TextDecoder, utf8Encode } = core.use("encoding");
  const { createTransform } = core.use("streams");
  const decode = core.primordials.uncurryThis(TextDecoder.prototype.decode);

  class TextEncoderStream {
    #t; #lead = "";
    constructor() {
      this.#t = createTransform((chunk, enqueue) => {
        let s = this.#lead + str(chunk);
        this.#lead = "";
        const n = s.length;
        if (n > 0) {
          // A lead surrogate waits for what follows it.
          const c = StringPrototypeCharCodeAt(s, n - 1);
          if (c >= 0xd800 && c <= 0xdbff) {
            this.#lead = s[n - 1];
            s = StringPrototypeSlice(s, 0, n - 1);
          }
        }
        if (s !== "") enqueue(utf8Encode(s));
      }, (enqueue) => {
        if (this.#lead !== "") enqueue(utf8Encode(this.#lead));
      });
    }
    get encoding() {
      this.#t;
      return "utf-8";
    }
    get readable() { return this.#t.readable.face; }
    get writable() { return this.#t.writable.face; }
  }
  define(TextEncoderStream, "TextEncoderStream");

  class TextDecoderStream {
    #t; #decoder;
    constructor(label = "utf-8", options = undefined) {
      const decoder = new TextDecoder(label, options);
      this.#decoder = decoder;
      this.#t = createTransform((chunk, enqueue) => {
        if (!isBufferSource(chunk)) throw new TypeError("TextDecoderStream: the chunk is not an ArrayBuffer or a view on one");
        const s = decode(decoder, chunk, { __proto__: null, stream: true });
        if (s !== "") enqueue(s);
      }, (enqueue) => {
        const s = decode(decoder);
        if (s !== "") enqueue(s);
      });
    }
    get encoding() { return this.#decoder.encoding; }
    get fatal() { return this.#decoder.fatal; }
    get ignoreBOM() { return this.#decoder.ignoreBOM; }
    get readable() { return this.#t.readable.face; }
    get writable() { return this.#t.writable.face; }
  }
  define(TextDecoderStream, "TextDecoderStream");

  return { TextEncoderStream, TextDecoderStream };
});
