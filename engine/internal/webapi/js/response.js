// Response. One with a string and no headers costs no Headers object: its content-type is kept beside it until its headers are read.
(function (core) {
  "use strict";
  const {
    ArrayPrototypePush, ArrayPrototypeSlice, JSONStringify, RegExpPrototypeExec, RangeError, TypeError,
  } = core.primordials;
  const { str, usv, byteString, required, dictionary, define, isObject, illegal, integer } = core.use("webidl");
  const { baseURL } = core.use("webidl");
  const { newHeaders, appendTo, headersList, combined } = core.use("headers");
  const { makeBody, extract, isUnusable, mixin, cloneBody } = core.use("body");

  const reason = /^[\t \x21-\x7e\x80-\xff]*$/;

  function initialize(init, what) {
    let status = 200, statusText = "", headers;
    init = dictionary(init, what);
    if (init !== undefined) {
      headers = init.headers;
      if (headers !== undefined) {
        const list = [];
        appendTo(list, headers, what);
        headers = list;
      }
      if (init.status !== undefined) {
        status = integer(init.status, 16, false);
        if (status < 200 || status > 599) throw new RangeError(`${what}: the status must be from 200 to 599, not ${status}`);
      }
      if (init.statusText !== undefined) {
        statusText = byteString(init.statusText, `${what}: statusText`);
        if (RegExpPrototypeExec(reason, statusText) === null) throw new TypeError(`${what}: statusText has a character that is not allowed`);
      }
    }
    return { status, statusText, headers };
  }

  function isNullBodyStatus(status) {
    return status === 204 || status === 205 || status === 304 || status === 101;
  }

  let isResponse, bodyOf, partsOf, make;
  class Response {
    #status = 200;
    #statusText = "";
    #headers = null;
    // The header list while #headers is null: an array or null, and a content-type that goes before it.
    #list = null;
    #type = null;
    #immutable = false;
    #body = null;
    #kind = "default";
    #url = "";
    #redirected = false;
    constructor(body = null, init = undefined) {
      if (body === illegal) return;
      let extracted = null;
      if (body !== null && body !== undefined) extracted = extract(body, false);
      if (init !== undefined) {
        const i = initialize(init, "Response");
        this.#status = i.status;
        this.#statusText = i.statusText;
        if (i.headers !== undefined) this.#list = i.headers;
        if (extracted !== null && isNullBodyStatus(i.status)) throw new TypeError(`Response: a response with status ${i.status} cannot have a body`);
      }
      if (extracted !== null) {
        this.#body = extracted[0];
        const type = extracted[1];
        if (type !== null && (this.#list === null || combined(this.#list, "content-type") === null)) this.#type = type;
      }
    }
    static error() {
      const r = new Response(illegal);
      r.#kind = "error";
      r.#status = 0;
      r.#immutable = true;
      return r;
    }
    static redirect(url, status = 302) {
      required(arguments.length, 1, "Response.redirect");
      const text = usv(url);
      const u = core.use("url").resolve(text, baseURL());
      if (u === null) throw new TypeError(`Response.redirect: "${text}" is not an absolute URL`);
      status = integer(status, 16, false);
      if (status !== 301 && status !== 302 && status !== 303 && status !== 307 && status !== 308) {
        throw new RangeError(`Response.redirect: ${status} is not a status that redirects`);
      }
      const r = new Response(illegal);
      r.#status = status;
      r.#list = ["location", u.href];
      r.#immutable = true;
      return r;
    }
    static json(data, init = undefined) {
      required(arguments.length, 1, "Response.json");
      const text = JSONStringify(data);
      if (text === undefined) throw new TypeError("Response.json: the value is not JSON");
      const r = new Response(illegal);
      if (init !== undefined) {
        const i = initialize(init, "Response.json");
        if (isNullBodyStatus(i.status)) throw new TypeError(`Response.json: a response with status ${i.status} cannot have a body`);
        r.#status = i.status;
        r.#statusText = i.statusText;
        if (i.headers !== undefined) r.#list = i.headers;
      }
      r.#body = makeBody(text, null);
      if (r.#list === null || combined(r.#list, "content-type") === null) r.#type = "application/json";
      return r;
    }
    get type() { return this.#kind; }
    get url() { return this.#url; }
    get redirected() { return this.#redirected; }
    get status() { return this.#status; }
    get ok() { return this.#status >= 200 && this.#status <= 299; }
    get statusText() { return this.#statusText; }
    get headers() {
      if (this.#headers === null) {
        const list = this.#list ?? [];
        if (this.#type !== null) ArrayPrototypePush(list, "content-type", this.#type);
        this.#headers = newHeaders(list, this.#immutable);
        this.#list = this.#type = null;
      }
      return this.#headers;
    }
    clone() {
      if (isUnusable(this.#body)) throw new TypeError("Response.clone: the body was read before, or its stream is locked");
      const r = new Response(illegal);
      r.#status = this.#status;
      r.#statusText = this.#statusText;
      r.#headers = newHeaders(ArrayPrototypeSlice(headersList(this.headers)), this.#immutable);
      r.#immutable = this.#immutable;
      r.#body = cloneBody(this.#body);
      r.#kind = this.#kind;
      r.#url = this.#url;
      r.#redirected = this.#redirected;
      return r;
    }
    static {
      isResponse = (v) => isObject(v) && #status in v;
      bodyOf = (r) => r.#body;
      // partsOf gives what leaves the isolate. Where no Headers were made, list and type are all there is.
      partsOf = (r) => {
        const made = r.#headers !== null;
        return { status: r.#status, list: made ? headersList(r.#headers) : r.#list, type: made ? null : r.#type, body: r.#body, kind: r.#kind };
      };
      make = (p) => {
        const r = new Response(illegal);
        r.#status = p.status;
        r.#statusText = p.statusText;
        r.#list = p.headers;
        r.#immutable = true;
        r.#body = p.body;
        r.#kind = p.kind;
        r.#url = p.url;
        r.#redirected = p.redirected;
        return r;
      };
    }
  }
  mixin(Response, (r) => bodyOf(r), (r) => combined(headersList(r.headers), "content-type") ?? "");
  define(Response, "Response", ["error", "redirect", "json"]);

  return { Response, isResponse, responseParts: partsOf, makeResponse: make };
});
