// Request: requests that a script makes, and requests from outside, whose parts are read only when the script asks for them.
(function (core) {
  "use strict";
  const {
    ArrayPrototypePush, ArrayPrototypeSlice, JSONParse, RegExpPrototypeExec, StringPrototypeIndexOf, StringPrototypeSlice,
    StringPrototypeSplit, StringPrototypeToUpperCase, TypeError, RangeError,
  } = core.primordials;
  const { str, usv, byteString, required, dictionary, enumeration, define, isObject, illegal } = core.use("webidl");
  const { baseURL } = core.use("webidl");
  const { newHeaders, appendTo, headersList, combined, rawSet, isHeaders } = core.use("headers");
  const { makeBody, extract, isUnusable, mixin, cloneBody } = core.use("body");

  const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

  function methodOf(v) {
    v = byteString(v, "Request: the method");
    switch (v) {
      case "GET": case "POST": case "PUT": case "DELETE": case "HEAD": case "OPTIONS": case "PATCH": return v;
    }
    if (RegExpPrototypeExec(token, v) === null) throw new TypeError(`Request: "${v}" is not an HTTP method`);
    const upper = StringPrototypeToUpperCase(v);
    switch (upper) {
      case "CONNECT": case "TRACE": case "TRACK": throw new TypeError(`Request: the method ${upper} is not allowed`);
      case "GET": case "POST": case "PUT": case "DELETE": case "HEAD": case "OPTIONS": return upper;
    }
    return v;
  }

  const modes = ["navigate", "same-origin", "no-cors", "cors"];
  const credentialModes = ["omit", "same-origin", "include"];
  const caches = ["default", "no-store", "reload", "no-cache", "force-cache", "only-if-cached"];
  const redirects = ["follow", "error", "manual"];
  const policies = ["", "no-referrer", "no-referrer-when-downgrade", "same-origin", "origin", "strict-origin", "origin-when-cross-origin",
    "strict-origin-when-cross-origin", "unsafe-url"];
  const priorities = ["high", "low", "auto"];

  // Members that are seldom set share one object.
  const plain = {
    __proto__: null, mode: "cors", credentials: "same-origin", cache: "default", redirect: "follow", referrer: "about:client", policy: "",
    integrity: "", keepalive: false,
  };

  let isRequest, bodyOf, partsOf, incoming;
  class Request {
    #method = "GET";
    #url = "";
    #headers = null;
    // The lines of an incoming request's head after its params, not yet made Headers.
    #head = null;
    #body = null;
    #signal = null;
    #execution = null; // ctx of the execution that an incoming request belongs to: its signal is the request's
    #sourceSignal = null;
    #more = plain;
    constructor(input, init = undefined) {
      if (input === illegal) return;
      required(arguments.length, 1, "Request");
      let from = null;
      let more = plain, fallbackMode = "cors";
      if (isRequest(input)) {
        from = input;
        this.#method = from.#method;
        this.#url = from.#url;
        more = from.#more;
      } else {
        const text = usv(input);
        const r = core.use("url").resolve(text, baseURL());
        if (r === null) throw new TypeError(`Request: "${text}" is not an absolute URL`);
        if (r.credentials) throw new TypeError("Request: the URL has a user or a password");
        this.#url = r.href;
      }
      init = dictionary(init, "Request: the second argument");
      let body = null, type = null, signal = undefined, initHeaders = undefined, hasBody = false;
      if (init !== undefined) {
        // Members are read in the alphabetical order that Web IDL has.
        const ib = init.body, cache = init.cache, credentials = init.credentials, duplex = init.duplex;
        initHeaders = init.headers;
        const integrity = init.integrity, keepalive = init.keepalive, method = init.method, mode = init.mode, priority = init.priority,
          redirect = init.redirect, referrer = init.referrer, policy = init.referrerPolicy;
        signal = init.signal;
        const window = init.window;
        if (cache !== undefined || credentials !== undefined || integrity !== undefined || keepalive !== undefined || mode !== undefined ||
          redirect !== undefined || referrer !== undefined || policy !== undefined || priority !== undefined || duplex !== undefined) {
          more = { __proto__: null, mode: more.mode, credentials: more.credentials, cache: more.cache, redirect: more.redirect, referrer: more.referrer,
            policy: more.policy, integrity: more.integrity, keepalive: more.keepalive };
          if (cache !== undefined) more.cache = enumeration(cache, caches, "Request: cache");
          if (credentials !== undefined) more.credentials = enumeration(credentials, credentialModes, "Request: credentials");
          if (duplex !== undefined) enumeration(duplex, ["half"], "Request: duplex");
          if (integrity !== undefined) more.integrity = str(integrity);
          if (keepalive !== undefined) more.keepalive = !!keepalive;
          if (mode !== undefined) more.mode = enumeration(mode, modes, "Request: mode");
          if (priority !== undefined) enumeration(priority, priorities, "Request: priority");
          if (redirect !== undefined) more.redirect = enumeration(redirect, redirects, "Request: redirect");
          if (policy !== undefined) more.policy = enumeration(policy, policies, "Request: referrerPolicy");
          if (mode !== undefined && more.mode === "navigate") throw new TypeError('Request: mode "navigate" is not allowed');
          if (referrer !== undefined) {
            const text = usv(referrer);
            if (text === "") more.referrer = "no-referrer";
            else {
              const r = core.use("url").resolve(text, baseURL());
              if (r === null) throw new TypeError("Request: the referrer is not a URL");
              more.referrer = r.scheme === "about:" && r.href === "about:client" ? "about:client" : baseURL() === undefined || sameOrigin(r.href) ? r.href : "about:client";
            }
          }
          if (more.cache === "only-if-cached" && more.mode !== "same-origin") throw new TypeError('Request: cache "only-if-cached" needs mode "same-origin"');
        }
        if (window !== undefined && window !== null) throw new TypeError("Request: window must be null");
        if (method !== undefined) this.#method = methodOf(method);
        if (more.mode === "no-cors" && this.#method !== "GET" && this.#method !== "HEAD" && this.#method !== "POST") {
          throw new TypeError(`Request: a ${this.#method} request cannot have mode "no-cors"`);
        }
        if (signal !== undefined && signal !== null && !core.use("abort").isAbortSignal(signal)) throw new TypeError("Request: signal is not an AbortSignal");
        if (ib !== undefined && ib !== null) {
          hasBody = true;
          if (this.#method === "GET" || this.#method === "HEAD") throw new TypeError(`Request: a ${this.#method} request cannot have a body`);
          const e = extract(ib, more.keepalive);
          body = e[0];
          type = e[1];
          if (body.source === undefined && duplex === undefined) throw new TypeError('Request: duplex: "half" is required with a stream as body');
        } else if (ib === null) hasBody = false;
      }
      this.#more = more;
      const list = [];
      if (initHeaders !== undefined) appendTo(list, initHeaders, "Request: headers");
      else if (from !== null) {
        const own = headersList(from.headers);
        for (let i = 0; i < own.length; i++) ArrayPrototypePush(list, own[i]);
      }
      if (type !== null && combined(list, "content-type") === null) ArrayPrototypePush(list, "content-type", type);
      this.#headers = newHeaders(list, false);
      if (hasBody) this.#body = body;
      else if (from !== null && from.#body !== null && init?.body !== null) {
        if (this.#method === "GET" || this.#method === "HEAD") throw new TypeError(`Request: a ${this.#method} request cannot have a body`);
        if (isUnusable(from.#body)) throw new TypeError("Request: the input's body was read before, or its stream is locked");
        this.#body = transfer(from);
      } else if (from !== null && from.#body !== null && (this.#method === "GET" || this.#method === "HEAD") && from.#method !== "GET" && from.#method !== "HEAD") {
        throw new TypeError(`Request: a ${this.#method} request cannot have a body`);
      }
      if (signal === undefined) this.#sourceSignal = from === null ? null : from.signal;
      else this.#sourceSignal = signal;
      if (this.#sourceSignal !== null) this.#signal = core.use("abort").anySignal([this.#sourceSignal]);
    }
    get method() { return this.#method; }
    get url() { return this.#url; }
    get headers() { return this.#headers ?? (this.#headers = newHeaders(headLines(this.#head), false)); }
    get destination() { this.#method; return ""; }
    get referrer() {
      const r = this.#more.referrer;
      return r === "no-referrer" ? "" : r;
    }
    get referrerPolicy() { return this.#more.policy; }
    get mode() { return this.#more.mode; }
    get credentials() { return this.#more.credentials; }
    get cache() { return this.#more.cache; }
    get redirect() { return this.#more.redirect; }
    get integrity() { return this.#more.integrity; }
    get keepalive() { return this.#more.keepalive; }
    get isReloadNavigation() { this.#method; return false; }
    get isHistoryNavigation() { this.#method; return false; }
    get signal() {
      if (this.#signal === null) {
        this.#signal = this.#execution?.signal ?? core.use("abort").newSignal();
      }
      return this.#signal;
    }
    get duplex() { this.#method; return "half"; }
    clone() {
      if (isUnusable(this.#body)) throw new TypeError("Request.clone: the body was read before, or its stream is locked");
      const r = new Request(illegal);
      r.#method = this.#method;
      r.#url = this.#url;
      r.#headers = newHeaders(ArrayPrototypeSlice(headersList(this.headers)), false);
      r.#body = cloneBody(this.#body);
      r.#more = this.#more;
      r.#signal = core.use("abort").anySignal([this.signal]);
      return r;
    }
    static {
      isRequest = (v) => isObject(v) && #method in v;
      bodyOf = (r) => r.#body;
      partsOf = (r) => ({ __proto__: null, method: r.#method, url: r.#url, headers: headersList(r.headers), body: r.#body, signal: r.#signal, more: r.#more });
      incoming = (method, url, head, body) => {
        const r = new Request(illegal);
        r.#method = method;
        r.#url = url;
        r.#head = head;
        r.#body = body;
        r.#execution = core.execution ?? null;
        return r;
      };
    }
  }

  function sameOrigin(href) {
    const { URL } = core.use("url");
    return new URL(href).origin === new URL(baseURL()).origin;
  }

  // transfer moves the body of a request into another made of it.
  function transfer(from) {
    const body = bodyOf(from);
    if (body.stream === null) {
      body.used = true;
      return makeBody(body.source, null);
    }
    const streams = core.use("streams");
    const moved = makeBody(body.source, streams.proxy(body.stream));
    body.used = true;
    return moved;
  }

  // headLines makes a flat header list of "name\nvalue\n…".
  function headLines(text) {
    if (text === null || text === "") return [];
    const list = StringPrototypeSplit(text, "\n");
    // Names and values come in pairs: a last empty part follows the last line's break.
    if (list.length % 2 === 1) list.length--;
    return list;
  }

  mixin(Request, (r) => bodyOf(r), (r) => combined(headersList(r.headers), "content-type") ?? "");
  define(Request, "Request");

  return { Request, isRequest, partsOf, incoming };
});
