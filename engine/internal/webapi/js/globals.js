// The globals of a script. Each comes into being when it is first read, so that a context costs little: until then it is a property
// of V8's lazy kind, which nothing tells from one that is there. Names and attributes go to V8 in one call: a pair of accessors each, on an object of
// their own behind the global one, costs a tenth of a context more, and hasOwnProperty does not see it.
(function (core) {
  "use strict";
  const { ObjectDefineProperty, globalThis } = core.primordials;

  const files = {
    __proto__: null,
    DOMException: "domexception",
    Event: "event", EventTarget: "event", CustomEvent: "event", ErrorEvent: "event", PromiseRejectionEvent: "event",
    MessageEvent: "event",
    AbortController: "abort", AbortSignal: "abort",
    TextEncoder: "encoding", TextDecoder: "encoding", atob: "encoding", btoa: "encoding",
    TextEncoderStream: "encodingstreams", TextDecoderStream: "encodingstreams",
    setTimeout: "timers", setInterval: "timers", setImmediate: "timers", clearTimeout: "timers", clearInterval: "timers",
    clearImmediate: "timers", queueMicrotask: "timers",
    URL: "url", URLSearchParams: "url",
    URLPattern: "urlpattern",
    Headers: "headers",
    Request: "request",
    Response: "response",
    fetch: "fetch",
    Blob: "blob", File: "blob",
    FormData: "formdata",
    ReadableStream: "streams", ReadableStreamDefaultReader: "streams", ReadableStreamBYOBReader: "streams",
    ReadableStreamDefaultController: "streams", ReadableByteStreamController: "streams", ReadableStreamBYOBRequest: "streams",
    WritableStream: "streams", WritableStreamDefaultWriter: "streams", WritableStreamDefaultController: "streams",
    TransformStream: "streams", TransformStreamDefaultController: "streams", ByteLengthQueuingStrategy: "streams",
    CountQueuingStrategy: "streams",
    CompressionStream: "compression", DecompressionStream: "compression",
    structuredClone: "structuredclone",
    crypto: "crypto", Crypto: "crypto",
    CryptoKey: "subtle", SubtleCrypto: "subtle",
    performance: "misc", Performance: "misc", navigator: "misc", Navigator: "misc", reportError: "misc", addEventListener: "misc",
    removeEventListener: "misc", dispatchEvent: "misc",
    console: "console",
    AsyncLocalStorage: "asynchooks",
    MessageChannel: "messaging", MessagePort: "messaging",
    WebSocket: "websocket",
  };

  // Interfaces and namespaces are not enumerable, functions and objects are.
  const hidden = "DOMException Event EventTarget CustomEvent ErrorEvent PromiseRejectionEvent MessageEvent AbortController AbortSignal " +
      "TextEncoder TextDecoder TextEncoderStream TextDecoderStream URL URLSearchParams URLPattern Headers Request Response Blob " +
      "File FormData ReadableStream ReadableStreamDefaultReader ReadableStreamBYOBReader ReadableStreamDefaultController " +
      "ReadableByteStreamController ReadableStreamBYOBRequest WritableStream WritableStreamDefaultWriter " +
      "WritableStreamDefaultController TransformStream TransformStreamDefaultController ByteLengthQueuingStrategy " +
      "CountQueuingStrategy CompressionStream DecompressionStream Crypto CryptoKey SubtleCrypto Performance Navigator console " +
      "AsyncLocalStorage MessageChannel MessagePort WebSocket";
  const shown = "atob btoa setTimeout setInterval setImmediate clearTimeout clearInterval clearImmediate queueMicrotask fetch " +
      "structuredClone crypto performance navigator reportError addEventListener removeEventListener dispatchEvent";
  core.lazy((name) => core.use(files[name])[name], hidden, shown);
  ObjectDefineProperty(globalThis, "self", { __proto__: null, value: globalThis, writable: true, configurable: true, enumerable: true });
});
