// What boot.js calls around a fetch handler: a request's head and body become a Request, a Response becomes what leaves.
(function (core) {
  "use strict";
  const { TypeError } = core.primordials;
  const { incoming } = core.use("request");
  const { isResponse, responseParts } = core.use("response");
  const { makeBody, isUnusable, takeWhole, sourceBytes } = core.use("body");

  function makeRequest(head, bytes, text) {
    const source = bytes ?? text;
    return incoming(head.method, head.url, head.headers, source === null ? null : makeBody(source, null));
  }

  function takeResponse(value) {
    if (!isResponse(value)) throw new TypeError(`the fetch handler must return a Response, not ${nameOf(value)}`);
    const p = responseParts(value);
    if (p.kind === "error") throw new TypeError("the fetch handler returned Response.error()");
    const body = p.body;
    if (body === null) return p;
    if (isUnusable(body)) throw new TypeError("the response's body was read before, or its stream is locked");
    const source = takeWhole(body);
    if (typeof source === "string") p.body = source;
    else p.body = source === undefined ? core.use("streams").pullSource(body.stream) : sourceBytes(source);
    return p;
  }

  function nameOf(v) {
    if (v === null) return "null";
    if (typeof v === "object") return "an object that is none";
    return v === undefined ? "undefined" : `a ${typeof v}`;
  }

  return { makeRequest, takeResponse };
});
