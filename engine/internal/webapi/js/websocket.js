// WebSocket is there for packages that look for it (and for its constants) when they are made. There are no connections: making one
// throws.
(function (core) {
  "use strict";
  const { define, constants, required } = core.use("webidl");
  const { DOMException } = core.use("domexception");
  const { EventTarget } = core.use("event");

  class WebSocket extends EventTarget {
    constructor(url) {
      required(arguments.length, 1, "WebSocket");
      super();
      throw new DOMException("WebSocket: connections are not supported, use fetch", "NotSupportedError");
    }
  }
  define(WebSocket, "WebSocket");
  constants(WebSocket, { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 });
  return { WebSocket };
});
