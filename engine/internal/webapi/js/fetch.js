// fetch: the request's parts go to the node, which guards, connects and follows redirects; the answer's body comes as it is read.
(function (core) {
  "use strict";
  const { ArrayPrototypePush, Promise, PromisePrototypeThen, PromiseReject, StringPrototypeStartsWith, TypeError, TypedArrayPrototypeGetLength } = core.primordials;
  const { required } = core.use("webidl");
  const { Request, partsOf } = core.use("request");
  const { makeResponse } = core.use("response");
  const body = core.use("body");

  function fetch(input, init = undefined) {
    let r;
    try {
      required(arguments.length, 1, "fetch");
      r = partsOf(new Request(input, init));
    } catch (e) {
      return PromiseReject(e);
    }
    const url = r.url;
    if (StringPrototypeStartsWith(url, "data:")) return dataURL(url);
    return new Promise((resolve, reject) => {
      const abort = r.signal === null ? null : core.use("abort");
      if (abort !== null && abort.isAborted(r.signal)) {
        cancelBody(r.body, abort.reasonOf(r.signal));
        reject(abort.reasonOf(r.signal));
        return;
      }
      let call = null, controller = null, done = false;
      const onAbort = () => {
        if (done) return;
        done = true;
        const reason = abort.reasonOf(r.signal);
        call?.cancel();
        cancelBody(r.body, reason);
        reject(reason);
        if (controller !== null) controller.error(reason);
      };
      if (abort !== null) abort.addAlgorithm(r.signal, onAbort);
      const finish = () => {
        done = true;
        if (abort === null) return;
        abort.removeAlgorithm(r.signal, onAbort);
        // A signal that outlives many fetches must not keep each of them.
        abort.release(r.signal);
      };
      const fail = (e) => {
        if (done) return;
        finish();
        reject(e);
      };
      const headers = [];
      for (let i = 0; i < r.headers.length; i += 2) ArrayPrototypePush(headers, [r.headers[i], r.headers[i + 1]]);
      const args = { __proto__: null, url, method: r.method, headers, redirect: r.more.redirect, hasBody: r.body !== null, streamBody: false };
      const send = (bytes, source) => {
        if (done) return;
        try {
          call = core.hostCall("fetch", args, bytes, source);
        } catch (e) {
          fail(e);
          return;
        }
        PromisePrototypeThen(call.promise, (reply) => {
          if (done) return;
          const v = reply.value;
          const list = [];
          for (let i = 0; i < v.headers.length; i++) ArrayPrototypePush(list, v.headers[i][0], v.headers[i][1]);
          let b = null;
          if (reply.stream !== null) {
            const made = core.use("streams").fromPull(reply.bytes, reply.stream, finish, () => call.cancel());
            controller = made.controller;
            b = body.makeBody(undefined, made.stream);
          } else {
            finish();
            if (v.hasBody !== false) b = body.makeBody(reply.bytes ?? "", null);
          }
          const manual = r.more.redirect === "manual" && v.status >= 300 && v.status <= 399;
          resolve(makeResponse({
            __proto__: null, status: v.status, statusText: v.statusText ?? "", headers: list, body: b, kind: "basic", url: v.url ?? url,
            redirected: !manual && v.redirected === true,
          }));
        }, fail);
      };
      if (r.body === null) send(undefined, undefined);
      else {
        const source = body.takeWhole(r.body);
        if (source !== undefined) send(body.sourceBytes(source), undefined);
        else {
          args.streamBody = true;
          send(undefined, core.use("streams").pullSource(r.body.stream));
        }
      }
    });
  }

  function cancelBody(b, reason) {
    if (b !== null && b.stream !== null) core.use("streams").abandon(b.stream, reason);
  }

  // data: addresses need no network.
  function dataURL(url) {
    const parsed = core.use("mime").parseDataURL(url);
    if (parsed === null) return PromiseReject(new TypeError("fetch failed: the data: URL is not valid"));
    return core.primordials.PromiseResolve(makeResponse({
      __proto__: null, status: 200, statusText: "OK", headers: ["content-type", parsed.type], body: body.makeBody(parsed.bytes, null), kind: "basic", url, redirected: false,
    }));
  }

  return { fetch };
});
