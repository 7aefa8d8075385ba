// What boot.js calls around a fetch handler: a request's head and body become a Request, a Response becomes what leaves.
(function (core) {
  "use strict";
  const { StringPrototypeIndexOf, StringPrototypeSlice, TypeError } = core.primordials;
  const { incoming } = core.use("request");
  const { isResponse, responseParts } = core.use("response");
  const { makeBody, isUnusable, takeWhole } = core.use("body");

  // head is "method\nurl\nparams\n(name\nvalue\n)*"; only the first two lines are cut out here.
  function makeRequest(head, bytes, text) {
    const a = StringPrototypeIndexOf(head, "\n"), b = StringPrototypeIndexOf(head, "\n", a + 1), c = StringPrototypeIndexOf(head, "\n", b + 1);
    const source = bytes ?? text;
    return incoming(StringPrototypeSlice(head, 0, a), StringPrototypeSlice(head, a + 1, b), c < 0 ? "" : StringPrototypeSlice(head, c + 1),
      source === null ? null : makeBody(source, null));
  }

  function takeResponse(value) {
    if (!isResponse(value)) throw new TypeError(`the fetch handler must return a Response, not ${nameOf(value)}`);
    const p = responseParts(value);
    if (p.kind === "error") throw new TypeError("the fetch handler returned Response.error()");
    let headers = "";
    const list = p.list;
    if (list !== null) {
      for (let i = 0; i < list.length; i++) headers += i === 0 ? list[i] : "\n" + list[i];
    }
    if (p.type !== null) headers = headers === "" ? "content-type\n" + p.type : headers + "\ncontent-type\n" + p.type;
    const body = p.body;
    if (body === null) return { status: p.status, headers, body: null };
    if (isUnusable(body)) throw new TypeError("the response's body was read before, or its stream is locked");
    const source = takeWhole(body);
    if (typeof source === "string") return { status: p.status, headers, body: source };
    if (source !== undefined) return { status: p.status, headers, body: core.use("body").sourceBytes(source) };
    return { status: p.status, headers, body: core.use("streams").pullSource(body.stream) };
  }

  function nameOf(v) {
    if (v === null) return "null";
    if (typeof v === "object") return "an object that is none";
    return v === undefined ? "undefined" : `a ${typeof v}`;
  }

  return { makeRequest, takeResponse };
});
