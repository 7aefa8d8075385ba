// The globals of a script. Each comes into being when it is first touched, so that a context costs little.
(function (core) {
  "use strict";
  const { ObjectDefineProperty, globalThis } = core.primordials;

  core.lazy(["DOMException"], "domexception");
  core.lazy(["Event", "EventTarget", "CustomEvent", "ErrorEvent", "PromiseRejectionEvent", "MessageEvent"], "event");
  core.lazy(["AbortController", "AbortSignal"], "abort");
  core.lazy(["setTimeout", "setInterval", "setImmediate", "clearTimeout", "clearInterval", "clearImmediate", "queueMicrotask"], "timers");
  core.lazy(["TextEncoder", "TextDecoder", "atob", "btoa"], "encoding");
  core.lazy(["URL", "URLSearchParams"], "url");
  core.lazy(["URLPattern"], "urlpattern");
  core.lazy(["Headers"], "headers");
  core.lazy(["Request"], "request");
  core.lazy(["Response"], "response");
  core.lazy(["fetch"], "fetch");
  core.lazy(["Blob", "File"], "blob");
  core.lazy(["FormData"], "formdata");
  core.lazy([
    "ReadableStream", "ReadableStreamDefaultReader", "ReadableStreamBYOBReader", "ReadableStreamDefaultController", "ReadableByteStreamController",
    "ReadableStreamBYOBRequest", "WritableStream", "WritableStreamDefaultWriter", "WritableStreamDefaultController", "TransformStream",
    "TransformStreamDefaultController", "ByteLengthQueuingStrategy", "CountQueuingStrategy",
  ], "streams");
  core.lazy(["TextEncoderStream", "TextDecoderStream"], "encodingstreams");
  core.lazy(["CompressionStream", "DecompressionStream"], "compression");
  core.lazy(["structuredClone"], "structuredclone");
  core.lazy(["crypto", "Crypto"], "crypto");
  core.lazy(["CryptoKey", "SubtleCrypto"], "subtle");
  core.lazy(["performance", "Performance", "navigator", "Navigator", "reportError", "addEventListener", "removeEventListener", "dispatchEvent"], "misc");
  core.lazy(["console"], "console");

  ObjectDefineProperty(globalThis, "self", { __proto__: null, value: globalThis, writable: true, configurable: true, enumerable: true });
});
