// node:stream: the package readable-stream, with its bridges to web streams.
const stream = require("jsruntime:vendor/stream.js");
const { Buffer } = require("node:buffer");
const { Duplex, Readable, Writable } = stream;

const aborted = () => Object.assign(new Error("The operation was aborted"), { name: "AbortError", code: "ABORT_ERR" });

Readable.fromWeb = function (web, options) {
  const reader = web.getReader();
  return new Readable({
    ...options,
    read() {
      reader.read().then(({ done, value }) => this.push(done ? null : value instanceof Uint8Array && !this.readableObjectMode ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : value), (e) => this.destroy(e));
    },
    destroy(error, callback) {
      reader.cancel(error).then(() => callback(error), () => callback(error));
    },
  });
};

Readable.toWeb = function (readable) {
  return new ReadableStream({
    start(controller) {
      readable.pause();
      readable.on("data", (chunk) => {
        controller.enqueue(Buffer.isBuffer(chunk) ? new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength) : chunk);
        if (controller.desiredSize <= 0) readable.pause();
      });
      stream.finished(readable, { writable: false }, (error) => {
        try {
          if (error) controller.error(error.code === "ERR_STREAM_PREMATURE_CLOSE" ? aborted() : error);
          else controller.close();
        } catch {
          // it was cancelled
        }
      });
      readable.pause();
    },
    pull() {
      readable.resume();
    },
    cancel(reason) {
      readable.destroy(reason instanceof Error ? reason : undefined);
    },
  }, { highWaterMark: readable.readableObjectMode ? readable.readableHighWaterMark : 1 });
};

Writable.fromWeb = function (web, options) {
  const writer = web.getWriter();
  return new Writable({
    ...options,
    write(chunk, encoding, callback) {
      writer.ready.then(() => writer.write(chunk)).then(() => callback(), callback);
    },
    final(callback) {
      writer.close().then(() => callback(), callback);
    },
    destroy(error, callback) {
      (error ? writer.abort(error) : Promise.resolve()).then(() => callback(error), () => callback(error));
    },
  });
};

Writable.toWeb = function (writable) {
  return new WritableStream({
    write(chunk) {
      return new Promise((resolve, reject) => writable.write(chunk, (e) => (e ? reject(e) : resolve())));
    },
    close() {
      return new Promise((resolve, reject) => {
        stream.finished(writable, { readable: false }, (e) => (e ? reject(e) : resolve()));
        writable.end();
      });
    },
    abort(reason) {
      writable.destroy(reason instanceof Error ? reason : undefined);
    },
  });
};

Duplex.toWeb = (duplex) => ({ readable: Readable.toWeb(duplex), writable: Writable.toWeb(duplex) });

module.exports = stream;
