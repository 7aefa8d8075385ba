// ReadableStream, WritableStream, TransformStream, their readers, writers and controllers, and the queuing strategies, after the
// WHATWG streams standard. Public objects are faces over plain records: rs (readable stream), rr (its reader), rc (its controller),
// ws, ww, wc and ts, tc. The functions on records are named as the standard's abstract operations, shortened.
(function (core) {
  "use strict";
  const P = core.primordials;
  const {
    ArrayBufferIsView, ArrayBufferPrototypeGetByteLength, ArrayBufferPrototypeGetDetached, ArrayBufferPrototypeSlice, ArrayBufferPrototypeTransfer,
    ArrayBuffer, ArrayPrototypePush, DataView, DataViewPrototypeGetBuffer, DataViewPrototypeGetByteLength, DataViewPrototypeGetByteOffset, MathFloor, MathMin,
    ObjectCreate, ObjectDefineProperties, ObjectDefineProperty, Promise, PromisePrototypeThen, PromiseReject, PromiseResolve, RangeError, ReflectApply,
    SafeSet, SymbolAsyncIterator, SymbolIterator, SymbolToStringTag, TypeError, TypedArrayPrototypeGetBuffer, TypedArrayPrototypeGetByteLength, TypedArrayPrototypeGetByteOffset,
    TypedArrayPrototypeGetLength, TypedArrayPrototypeGetSymbolToStringTag, TypedArrayPrototypeSet, Uint8Array, Uint8ArrayPrototypeSlice, AsyncIteratorPrototype,
    NumberIsNaN, Number,
  } = P;
  const { illegal, define, dictionary, integer, isObject, required, str, loaded, callback } = core.use("webidl");

  const noop = () => {};
  const undefinedPromise = PromiseResolve(undefined);

  // deferred is a promise with its ends; pending tells whether one of them was used.
  function deferred() {
    const d = { __proto__: null, promise: undefined, resolve: undefined, reject: undefined, pending: true };
    d.promise = new Promise((resolve, reject) => {
      d.resolve = (v) => {
        d.pending = false;
        resolve(v);
      };
      d.reject = (e) => {
        d.pending = false;
        reject(e);
      };
    });
    return d;
  }
  function handled(promise) {
    PromisePrototypeThen(promise, undefined, noop);
  }
  function settled(error, isError) {
    const d = { __proto__: null, promise: isError ? PromiseReject(error) : PromiseResolve(undefined), resolve: undefined, reject: undefined, pending: false };
    if (isError) handled(d.promise);
    return d;
  }
  // promiseCall calls fn and makes a promise of what comes of it.
  function promiseCall(fn, self, args) {
    try {
      return PromiseResolve(ReflectApply(fn, self, args));
    } catch (e) {
      return PromiseReject(e);
    }
  }
  function resolvedWith(v) {
    return new Promise((resolve) => resolve(v));
  }

  // A queue with cheap removal at its front.
  class Queue {
    items = []; at = 0;
    get length() { return this.items.length - this.at; }
    push(v) { ArrayPrototypePush(this.items, v); }
    peek() { return this.items[this.at]; }
    shift() {
      const v = this.items[this.at];
      this.items[this.at++] = undefined;
      if (this.at === this.items.length) {
        this.items = [];
        this.at = 0;
      } else if (this.at > 1024 && this.at * 2 > this.items.length) {
        this.items = P.ArrayPrototypeSlice(this.items, this.at);
        this.at = 0;
      }
      return v;
    }
    clear() {
      this.items = [];
      this.at = 0;
    }
  }

  function resetQueue(c) {
    c.queue.clear();
    c.size = 0;
  }
  function enqueueSized(c, value, size) {
    size = Number(size);
    if (!(size >= 0) || size === Infinity) throw new RangeError("The chunk's size must be a finite number of 0 or more");
    c.queue.push({ value, size });
    c.size += size;
  }
  function dequeue(c) {
    const e = c.queue.shift();
    c.size -= e.size;
    if (c.size < 0) c.size = 0;
    return e.value;
  }

  function highWaterMark(strategy, fallback) {
    if (strategy.highWaterMark === undefined) return fallback;
    const h = strategy.highWaterMark;
    if (NumberIsNaN(h) || h < 0) throw new RangeError("highWaterMark must be a number of 0 or more");
    return h;
  }
  // strategyOf reads a QueuingStrategy dictionary.
  function strategyOf(v, what) {
    v = dictionary(v, what) ?? {};
    const h = v.highWaterMark, size = v.size;
    return { highWaterMark: h === undefined ? undefined : +h, size: size === undefined ? undefined : callback(size, `${what}: size`) };
  }
  function sizeAlgorithm(strategy) {
    const size = strategy.size;
    return size === undefined ? () => 1 : (chunk) => ReflectApply(size, undefined, [chunk]);
  }

  function member(o, name, what) {
    const v = o[name];
    if (v === undefined) return undefined;
    return callback(v, `${what}: ${name}`);
  }

  // ---- array buffers

  function transfer(buffer) {
    return ArrayBufferPrototypeTransfer(buffer);
  }
  function canTransfer(buffer) {
    return !ArrayBufferPrototypeGetDetached(buffer);
  }
  function viewInfo(view) {
    const tag = TypedArrayPrototypeGetSymbolToStringTag(view);
    if (tag === undefined) {
      return { buffer: DataViewPrototypeGetBuffer(view), offset: safely(DataViewPrototypeGetByteOffset, view), length: safely(DataViewPrototypeGetByteLength, view), Ctor: DataView, elementSize: 1 };
    }
    const Ctor = P[tag] ?? P.Uint8Array;
    return {
      buffer: TypedArrayPrototypeGetBuffer(view), offset: TypedArrayPrototypeGetByteOffset(view), length: TypedArrayPrototypeGetByteLength(view), Ctor,
      elementSize: Ctor.BYTES_PER_ELEMENT,
    };
  }
  // A DataView on a detached buffer throws where a typed array says 0.
  function safely(getter, view) {
    try {
      return getter(view);
    } catch {
      return 0;
    }
  }

  // ---- readable streams

  function newRS() {
    return { __proto__: null, face: undefined, state: "readable", reader: null, error: undefined, disturbed: false, controller: null, whole: undefined,
      frame: core.frames.take() };
  }

  function rsLocked(s) { return s.reader !== null; }

  function rsCancel(s, reason) {
    s.disturbed = true;
    if (s.state === "closed") return PromiseResolve(undefined);
    if (s.state === "errored") return PromiseReject(s.error);
    rsClose(s);
    const r = s.reader;
    if (r !== null && r.byob) {
      const list = r.requests;
      r.requests = new Queue();
      while (list.length > 0) list.shift().close(undefined);
    }
    const p = s.controller.bytes ? rbCancelSteps(s.controller, reason) : rdCancelSteps(s.controller, reason);
    return PromisePrototypeThen(p, noop);
  }

  function rsClose(s) {
    s.state = "closed";
    const r = s.reader;
    if (r === null) return;
    r.closed.resolve?.(undefined);
    if (!r.byob) {
      const list = r.requests;
      r.requests = new Queue();
      while (list.length > 0) list.shift().close();
    }
  }

  function rsError(s, e) {
    s.state = "errored";
    s.error = e;
    const r = s.reader;
    if (r === null) return;
    r.closed.reject?.(e);
    handled(r.closed.promise);
    errorRequests(r, e);
  }

  function errorRequests(r, e) {
    const list = r.requests;
    r.requests = new Queue();
    while (list.length > 0) list.shift().error(e);
  }

  function rsFulfill(s, chunk, done) {
    const request = s.reader.requests.shift();
    if (done) request.close(s.reader.byob ? chunk : undefined);
    else request.chunk(chunk);
  }

  function readRequests(s) {
    return s.reader === null ? 0 : s.reader.requests.length;
  }
  function hasDefaultReader(s) { return s.reader !== null && !s.reader.byob; }
  function hasBYOBReader(s) { return s.reader !== null && s.reader.byob; }

  // acquire makes a reader record that holds the stream.
  function acquire(s, byob) {
    const r = { __proto__: null, face: undefined, stream: s, byob, closed: undefined, requests: new Queue() };
    s.reader = r;
    if (s.state === "readable") r.closed = deferred();
    else if (s.state === "closed") r.closed = settled();
    else r.closed = settled(s.error, true);
    return r;
  }

  function rrRelease(r) {
    const s = r.stream;
    const e = new TypeError("The reader was released");
    if (s.state === "readable") r.closed.reject(e);
    else r.closed = settled(e, true);
    handled(r.closed.promise);
    if (s.controller.bytes) rbRelease(s.controller);
    s.reader = null;
    r.stream = null;
    errorRequests(r, e);
  }

  function rrRead(r, request) {
    const s = r.stream;
    s.disturbed = true;
    if (s.state === "closed") request.close();
    else if (s.state === "errored") request.error(s.error);
    else if (s.controller.bytes) rbPullSteps(s.controller, request);
    else rdPullSteps(s.controller, request);
  }

  function rrReadInto(r, view, min, request) {
    const s = r.stream;
    s.disturbed = true;
    if (s.state === "errored") request.error(s.error);
    else rbPullInto(s.controller, view, min, request);
  }

  // ---- default controller

  function rdSetUp(s, start, pull, cancel, hwm, size) {
    const c = {
      __proto__: null, face: undefined, bytes: false, stream: s, queue: new Queue(), size: 0, started: false, closeRequested: false, pullAgain: false, pulling: false,
      measure: size, hwm, pull, cancel,
    };
    s.controller = c;
    return c;
  }
  // begin runs start, whose exception is the constructor's.
  function rcBegin(c, start) {
    const result = start();
    PromisePrototypeThen(resolvedWith(result), () => {
      c.started = true;
      c.bytes ? rbPullIfNeeded(c) : rdPullIfNeeded(c);
    }, (e) => {
      c.bytes ? rbError(c, e) : rdError(c, e);
    });
  }

  function rdPullIfNeeded(c) {
    if (!rdShouldPull(c)) return;
    if (c.pulling) {
      c.pullAgain = true;
      return;
    }
    c.pulling = true;
    PromisePrototypeThen(c.pull(), () => {
      c.pulling = false;
      if (c.pullAgain) {
        c.pullAgain = false;
        rdPullIfNeeded(c);
      }
    }, (e) => rdError(c, e));
  }

  function rdShouldPull(c) {
    const s = c.stream;
    if (!rdCanCloseOrEnqueue(c) || !c.started) return false;
    if (rsLocked(s) && readRequests(s) > 0 && !s.reader.byob) return true;
    return rdDesired(c) > 0;
  }

  function rdClear(c) {
    c.pull = c.cancel = c.measure = undefined;
  }

  function rdClose(c) {
    if (!rdCanCloseOrEnqueue(c)) return;
    c.closeRequested = true;
    if (c.queue.length === 0) {
      rdClear(c);
      rsClose(c.stream);
    }
  }

  function rdEnqueue(c, chunk) {
    if (!rdCanCloseOrEnqueue(c)) return;
    const s = c.stream;
    if (rsLocked(s) && readRequests(s) > 0) rsFulfill(s, chunk, false);
    else {
      try {
        enqueueSized(c, chunk, c.measure(chunk));
      } catch (e) {
        rdError(c, e);
        throw e;
      }
    }
    rdPullIfNeeded(c);
  }

  function rdError(c, e) {
    if (c.stream.state !== "readable") return;
    resetQueue(c);
    rdClear(c);
    rsError(c.stream, e);
  }

  function rdDesired(c) {
    const state = c.stream.state;
    return state === "errored" ? null : state === "closed" ? 0 : c.hwm - c.size;
  }

  function rdCanCloseOrEnqueue(c) {
    return !c.closeRequested && c.stream.state === "readable";
  }

  function rdCancelSteps(c, reason) {
    resetQueue(c);
    const p = c.cancel(reason);
    rdClear(c);
    return p;
  }

  function rdPullSteps(c, request) {
    const s = c.stream;
    if (c.queue.length > 0) {
      const chunk = dequeue(c);
      if (c.closeRequested && c.queue.length === 0) {
        rdClear(c);
        rsClose(s);
      } else rdPullIfNeeded(c);
      request.chunk(chunk);
    } else {
      s.reader.requests.push(request);
      rdPullIfNeeded(c);
    }
  }

  // ---- byte controller

  function rbSetUp(s, pull, cancel, hwm, autoAllocate) {
    const c = {
      __proto__: null, face: undefined, bytes: true, stream: s, queue: new Queue(), size: 0, started: false, closeRequested: false, pullAgain: false, pulling: false,
      hwm, pull, cancel, autoAllocate, byobRequest: null, pending: new Queue(),
    };
    s.controller = c;
    return c;
  }

  function rbPullIfNeeded(c) {
    if (!rbShouldPull(c)) return;
    if (c.pulling) {
      c.pullAgain = true;
      return;
    }
    c.pulling = true;
    PromisePrototypeThen(c.pull(), () => {
      c.pulling = false;
      if (c.pullAgain) {
        c.pullAgain = false;
        rbPullIfNeeded(c);
      }
    }, (e) => rbError(c, e));
  }

  function rbShouldPull(c) {
    const s = c.stream;
    if (s.state !== "readable" || c.closeRequested || !c.started) return false;
    if (s.reader !== null && s.reader.requests.length > 0) return true;
    return rbDesired(c) > 0;
  }

  function rbDesired(c) {
    const state = c.stream.state;
    return state === "errored" ? null : state === "closed" ? 0 : c.hwm - c.size;
  }

  function rbClear(c) {
    c.pull = c.cancel = undefined;
  }

  function rbInvalidate(c) {
    if (c.byobRequest === null) return;
    c.byobRequest.controller = undefined;
    c.byobRequest.view = null;
    c.byobRequest = null;
  }

  function rbClearPending(c) {
    rbInvalidate(c);
    c.pending.clear();
  }

  function rbClose(c) {
    const s = c.stream;
    if (c.closeRequested || s.state !== "readable") return;
    if (c.size > 0) {
      c.closeRequested = true;
      return;
    }
    if (c.pending.length > 0) {
      const first = c.pending.peek();
      if (first.filled % first.elementSize !== 0) {
        const e = new TypeError("The stream was closed with a chunk that is not complete");
        rbError(c, e);
        throw e;
      }
    }
    rbClear(c);
    rsClose(s);
  }

  function rbEnqueue(c, view) {
    const s = c.stream;
    if (c.closeRequested || s.state !== "readable") return;
    const info = viewInfo(view);
    if (ArrayBufferPrototypeGetDetached(info.buffer)) throw new TypeError("The chunk's buffer is detached");
    const buffer = transfer(info.buffer);
    if (c.pending.length > 0) {
      const first = c.pending.peek();
      if (ArrayBufferPrototypeGetDetached(first.buffer)) throw new TypeError("The buffer of the BYOB request is detached");
      rbInvalidate(c);
      first.buffer = transfer(first.buffer);
      if (first.readerType === "none") rbEnqueueDetached(c, first);
    }
    if (hasDefaultReader(s)) {
      rbProcessReadRequests(c);
      if (readRequests(s) === 0) rbPush(c, buffer, info.offset, info.length);
      else {
        if (c.pending.length > 0) c.pending.shift();
        rsFulfill(s, new Uint8Array(buffer, info.offset, info.length), false);
      }
    } else if (hasBYOBReader(s)) {
      rbPush(c, buffer, info.offset, info.length);
      const filled = rbProcessPullIntos(c);
      for (let i = 0; i < filled.length; i++) rbCommit(s, filled[i]);
    } else rbPush(c, buffer, info.offset, info.length);
    rbPullIfNeeded(c);
  }

  function rbPush(c, buffer, offset, length) {
    c.queue.push({ buffer, offset, length });
    c.size += length;
  }

  function rbEnqueueDetached(c, d) {
    if (d.filled > 0) rbPushClone(c, d.buffer, d.offset, d.filled);
    c.pending.shift();
  }

  function rbPushClone(c, buffer, offset, length) {
    let clone;
    try {
      clone = ArrayBufferPrototypeSlice(buffer, offset, offset + length);
    } catch (e) {
      rbError(c, e);
      throw e;
    }
    rbPush(c, clone, 0, length);
  }

  function rbError(c, e) {
    if (c.stream.state !== "readable") return;
    rbClearPending(c);
    resetQueue(c);
    rbClear(c);
    rsError(c.stream, e);
  }

  function rbProcessReadRequests(c) {
    const r = c.stream.reader;
    while (r.requests.length > 0) {
      if (c.size === 0) return;
      rbFillFromQueue(c, r.requests.shift());
    }
  }

  function rbFillFromQueue(c, request) {
    const e = c.queue.shift();
    c.size -= e.length;
    rbHandleDrain(c);
    request.chunk(new Uint8Array(e.buffer, e.offset, e.length));
  }

  function rbHandleDrain(c) {
    if (c.size === 0 && c.closeRequested) {
      rbClear(c);
      rsClose(c.stream);
    } else rbPullIfNeeded(c);
  }

  function rbPullSteps(c, request) {
    const s = c.stream;
    if (c.size > 0) {
      rbFillFromQueue(c, request);
      return;
    }
    if (c.autoAllocate !== undefined) {
      let buffer;
      try {
        buffer = new ArrayBuffer(c.autoAllocate);
      } catch (e) {
        request.error(e);
        return;
      }
      c.pending.push({ buffer, bufferLength: c.autoAllocate, offset: 0, length: c.autoAllocate, filled: 0, min: 1, elementSize: 1, Ctor: Uint8Array, readerType: "default" });
    }
    s.reader.requests.push(request);
    rbPullIfNeeded(c);
  }

  function rbPullInto(c, view, min, request) {
    const s = c.stream;
    const info = viewInfo(view);
    let buffer;
    try {
      buffer = transfer(info.buffer);
    } catch (e) {
      request.error(e);
      return;
    }
    const d = {
      buffer, bufferLength: ArrayBufferPrototypeGetByteLength(buffer), offset: info.offset, length: info.length, filled: 0, min: min * info.elementSize,
      elementSize: info.elementSize, Ctor: info.Ctor, readerType: "byob",
    };
    if (c.pending.length > 0) {
      c.pending.push(d);
      s.reader.requests.push(request);
      return;
    }
    if (s.state === "closed") {
      request.close(new d.Ctor(d.buffer, d.offset, 0));
      return;
    }
    if (c.size > 0) {
      if (rbFillPullInto(c, d)) {
        const filled = convert(d);
        rbHandleDrain(c);
        request.chunk(filled);
        return;
      }
      if (c.closeRequested) {
        const e = new TypeError("The stream was closed with a chunk that is not complete");
        rbError(c, e);
        request.error(e);
        return;
      }
    }
    c.pending.push(d);
    s.reader.requests.push(request);
    rbPullIfNeeded(c);
  }

  function convert(d) {
    return new d.Ctor(transfer(d.buffer), d.offset, d.filled / d.elementSize);
  }

  // rbFillPullInto moves what is queued into d and reports whether d is ready.
  function rbFillPullInto(c, d) {
    const max = MathMin(c.size, d.length - d.filled);
    const maxFilled = d.filled + max;
    let left = max, ready = false;
    const aligned = maxFilled - (maxFilled % d.elementSize);
    if (aligned >= d.min) {
      left = aligned - d.filled;
      ready = true;
    }
    while (left > 0) {
      const head = c.queue.peek();
      const n = MathMin(left, head.length);
      TypedArrayPrototypeSet(new Uint8Array(d.buffer, d.offset + d.filled, n), new Uint8Array(head.buffer, head.offset, n));
      if (head.length === n) c.queue.shift();
      else {
        head.offset += n;
        head.length -= n;
      }
      c.size -= n;
      rbInvalidate(c);
      d.filled += n;
      left -= n;
    }
    return ready;
  }

  function rbProcessPullIntos(c) {
    const out = [];
    while (c.pending.length > 0) {
      if (c.size === 0) break;
      const d = c.pending.peek();
      if (rbFillPullInto(c, d)) {
        rbInvalidate(c);
        c.pending.shift();
        ArrayPrototypePush(out, d);
      } else break;
    }
    return out;
  }

  function rbCommit(s, d) {
    const done = s.state === "closed";
    const view = convert(d);
    rsFulfill(s, view, done);
  }

  function rbRespond(c, n) {
    const d = c.pending.peek();
    const state = c.stream.state;
    if (state === "closed") {
      if (n !== 0) throw new TypeError("bytesWritten must be 0 on a closed stream");
    } else {
      if (n === 0) throw new TypeError("bytesWritten must be more than 0");
      if (d.filled + n > d.length) throw new RangeError("bytesWritten is more than the view holds");
    }
    d.buffer = transfer(d.buffer);
    rbRespondInternal(c, n);
  }

  function rbRespondNewView(c, view) {
    const d = c.pending.peek();
    const info = viewInfo(view);
    if (c.stream.state === "closed") {
      if (info.length !== 0) throw new TypeError("The view must be empty on a closed stream");
    } else if (info.length === 0) throw new TypeError("The view must not be empty");
    if (d.offset + d.filled !== info.offset) throw new RangeError("The view does not begin where the request's does");
    if (d.bufferLength !== ArrayBufferPrototypeGetByteLength(info.buffer)) throw new RangeError("The view's buffer has another length than the request's");
    if (d.filled + info.length > d.length) throw new RangeError("The view is longer than the request's");
    const length = info.length;
    d.buffer = transfer(info.buffer);
    rbRespondInternal(c, length);
  }

  function rbRespondInternal(c, n) {
    const d = c.pending.peek();
    rbInvalidate(c);
    const s = c.stream;
    if (s.state === "closed") {
      if (d.readerType === "none") c.pending.shift();
      if (hasBYOBReader(s)) {
        const done = [];
        while (done.length < readRequests(s)) ArrayPrototypePush(done, c.pending.shift());
        for (let i = 0; i < done.length; i++) rbCommit(s, done[i]);
      }
    } else {
      d.filled += n;
      if (d.readerType === "none") {
        rbEnqueueDetached(c, d);
        const filled = rbProcessPullIntos(c);
        for (let i = 0; i < filled.length; i++) rbCommit(s, filled[i]);
        rbPullIfNeeded(c);
        return;
      }
      if (d.filled >= d.min) {
        c.pending.shift();
        const rest = d.filled % d.elementSize;
        if (rest > 0) {
          const end = d.offset + d.filled;
          rbPushClone(c, d.buffer, end - rest, rest);
        }
        d.filled -= rest;
        const filled = rbProcessPullIntos(c);
        rbCommit(s, d);
        for (let i = 0; i < filled.length; i++) rbCommit(s, filled[i]);
      }
    }
    rbPullIfNeeded(c);
  }

  function rbRelease(c) {
    if (c.pending.length > 0) {
      const first = c.pending.peek();
      first.readerType = "none";
      c.pending.clear();
      c.pending.push(first);
    }
  }

  function rbCancelSteps(c, reason) {
    rbClearPending(c);
    resetQueue(c);
    const p = c.cancel(reason);
    rbClear(c);
    return p;
  }

  function rbRequest(c) {
    if (c.byobRequest === null && c.pending.length > 0) {
      const d = c.pending.peek();
      const view = new Uint8Array(d.buffer, d.offset + d.filled, d.length - d.filled);
      c.byobRequest = { __proto__: null, face: undefined, controller: c, view };
      c.byobRequest.face = new ReadableStreamBYOBRequest(illegal, c.byobRequest);
    }
    return c.byobRequest;
  }

  // ---- streams that this file or others make

  function createReadable(start, pull, cancel, hwm = 1, size = () => 1) {
    const s = newRS();
    s.face = new ReadableStream(illegal, s);
    const c = rdSetUp(s, start, pull, cancel, hwm, size);
    rcBegin(c, start);
    return s;
  }

  function createReadableBytes(start, pull, cancel, hwm = 0) {
    const s = newRS();
    s.face = new ReadableStream(illegal, s);
    const c = rbSetUp(s, pull, cancel, hwm, undefined);
    rcBegin(c, start);
    return s;
  }

  // ---- tee

  function rsTee(s, cloneForBranch2) {
    return s.controller.bytes ? byteTee(s) : defaultTee(s, cloneForBranch2);
  }

  function defaultTee(s, cloneForBranch2) {
    const r = acquire(s, false);
    let reading = false, again = false, canceled1 = false, canceled2 = false, reason1, reason2, b1, b2;
    const cancelled = deferred();
    const pull = () => {
      if (reading) {
        again = true;
        return undefinedPromise;
      }
      reading = true;
      rrRead(r, {
        chunk(chunk) {
          PromisePrototypeThen(undefinedPromise, () => {
            again = false;
            let second = chunk;
            if (!canceled2 && cloneForBranch2) {
              try {
                second = core.use("structuredclone").clone(chunk);
              } catch (e) {
                rdError(b1.controller, e);
                rdError(b2.controller, e);
                cancelled.resolve(rsCancel(s, e));
                return;
              }
            }
            if (!canceled1) tryEnqueue(b1.controller, chunk);
            if (!canceled2) tryEnqueue(b2.controller, second);
            reading = false;
            if (again) pull();
          });
        },
        close() {
          reading = false;
          if (!canceled1) rdClose(b1.controller);
          if (!canceled2) rdClose(b2.controller);
          if (!canceled1 || !canceled2) cancelled.resolve(undefined);
        },
        error() { reading = false; },
      });
      return undefinedPromise;
    };
    const cancel1 = (reason) => {
      canceled1 = true;
      reason1 = reason;
      if (canceled2) cancelled.resolve(rsCancel(s, [reason1, reason2]));
      return cancelled.promise;
    };
    const cancel2 = (reason) => {
      canceled2 = true;
      reason2 = reason;
      if (canceled1) cancelled.resolve(rsCancel(s, [reason1, reason2]));
      return cancelled.promise;
    };
    b1 = createReadable(noop, pull, cancel1);
    b2 = createReadable(noop, pull, cancel2);
    PromisePrototypeThen(r.closed.promise, undefined, (e) => {
      rdError(b1.controller, e);
      rdError(b2.controller, e);
      if (!canceled1 || !canceled2) cancelled.resolve(undefined);
    });
    return [b1, b2];
  }

  function tryEnqueue(c, chunk) {
    try {
      rdEnqueue(c, chunk);
    } catch {
      // the stream is errored by now
    }
  }

  function byteTee(s) {
    let r = acquire(s, false);
    let reading = false, again1 = false, again2 = false, canceled1 = false, canceled2 = false, reason1, reason2, b1, b2;
    const cancelled = deferred();
    const forward = (reader) => {
      PromisePrototypeThen(reader.closed.promise, undefined, (e) => {
        if (reader !== r) return;
        rbError(b1.controller, e);
        rbError(b2.controller, e);
        if (!canceled1 || !canceled2) cancelled.resolve(undefined);
      });
    };
    const failAll = (e) => {
      rbError(b1.controller, e);
      rbError(b2.controller, e);
      cancelled.resolve(rsCancel(s, e));
    };
    const after = () => {
      reading = false;
      if (again1) pull1();
      else if (again2) pull2();
    };
    const pullDefault = () => {
      if (r.byob) {
        rrRelease(r);
        r = acquire(s, false);
        forward(r);
      }
      rrRead(r, {
        chunk(chunk) {
          PromisePrototypeThen(undefinedPromise, () => {
            again1 = again2 = false;
            let second = chunk;
            if (!canceled1 && !canceled2) {
              try {
                second = Uint8ArrayPrototypeSlice(chunk);
              } catch (e) {
                failAll(e);
                return;
              }
            }
            if (!canceled1) rbEnqueue(b1.controller, chunk);
            if (!canceled2) rbEnqueue(b2.controller, second);
            after();
          });
        },
        close() {
          reading = false;
          if (!canceled1) rbClose(b1.controller);
          if (!canceled2) rbClose(b2.controller);
          if (b1.controller.pending.length > 0) rbRespond(b1.controller, 0);
          if (b2.controller.pending.length > 0) rbRespond(b2.controller, 0);
          if (!canceled1 || !canceled2) cancelled.resolve(undefined);
        },
        error() { reading = false; },
      });
    };
    const pullBYOB = (view, forBranch2) => {
      if (!r.byob) {
        rrRelease(r);
        r = acquire(s, true);
        forward(r);
      }
      const own = forBranch2 ? b2 : b1, other = forBranch2 ? b1 : b2;
      rrReadInto(r, view, 1, {
        chunk(chunk) {
          PromisePrototypeThen(undefinedPromise, () => {
            again1 = again2 = false;
            const ownCanceled = forBranch2 ? canceled2 : canceled1, otherCanceled = forBranch2 ? canceled1 : canceled2;
            if (!otherCanceled) {
              let copy;
              try {
                copy = Uint8ArrayPrototypeSlice(chunk);
              } catch (e) {
                failAll(e);
                return;
              }
              if (!ownCanceled) rbRespondNewView(own.controller, chunk);
              rbEnqueue(other.controller, copy);
            } else if (!ownCanceled) rbRespondNewView(own.controller, chunk);
            after();
          });
        },
        close(chunk) {
          reading = false;
          const ownCanceled = forBranch2 ? canceled2 : canceled1, otherCanceled = forBranch2 ? canceled1 : canceled2;
          if (!ownCanceled) rbClose(own.controller);
          if (!otherCanceled) rbClose(other.controller);
          if (chunk !== undefined) {
            if (!ownCanceled) rbRespondNewView(own.controller, chunk);
            if (!otherCanceled && other.controller.pending.length > 0) rbRespond(other.controller, 0);
          }
          if (!ownCanceled || !otherCanceled) cancelled.resolve(undefined);
        },
        error() { reading = false; },
      });
    };
    const pull1 = () => {
      if (reading) {
        again1 = true;
        return undefinedPromise;
      }
      reading = true;
      const request = rbRequest(b1.controller);
      if (request === null) pullDefault();
      else pullBYOB(request.view, false);
      return undefinedPromise;
    };
    const pull2 = () => {
      if (reading) {
        again2 = true;
        return undefinedPromise;
      }
      reading = true;
      const request = rbRequest(b2.controller);
      if (request === null) pullDefault();
      else pullBYOB(request.view, true);
      return undefinedPromise;
    };
    const cancel1 = (reason) => {
      canceled1 = true;
      reason1 = reason;
      if (canceled2) cancelled.resolve(rsCancel(s, [reason1, reason2]));
      return cancelled.promise;
    };
    const cancel2 = (reason) => {
      canceled2 = true;
      reason2 = reason;
      if (canceled1) cancelled.resolve(rsCancel(s, [reason1, reason2]));
      return cancelled.promise;
    };
    b1 = createReadableBytes(noop, pull1, cancel1);
    b2 = createReadableBytes(noop, pull2, cancel2);
    forward(r);
    return [b1, b2];
  }

  // ---- pipe

  function pipe(source, dest, preventClose, preventAbort, preventCancel, signal) {
    const abort = signal === undefined ? undefined : core.use("abort");
    const r = acquire(source, false), w = wsAcquire(dest);
    source.disturbed = true;
    let shuttingDown = false;
    let currentWrite = undefinedPromise;
    const result = deferred();
    let abortAlgorithm;

    const finalize = (isError, error) => {
      wwRelease(w);
      rrRelease(r);
      if (signal !== undefined) abort.removeAlgorithm(signal, abortAlgorithm);
      if (isError) result.reject(error);
      else result.resolve(undefined);
    };
    const writesDone = () => {
      const old = currentWrite;
      return PromisePrototypeThen(currentWrite, () => (old !== currentWrite ? writesDone() : undefined));
    };
    const shutdown = (isError, error) => {
      if (shuttingDown) return;
      shuttingDown = true;
      if (dest.state === "writable" && !closeQueuedOrInFlight(dest)) PromisePrototypeThen(writesDone(), () => finalize(isError, error));
      else finalize(isError, error);
    };
    const shutdownWith = (action, isError, error) => {
      if (shuttingDown) return;
      shuttingDown = true;
      const go = () => PromisePrototypeThen(action(), () => finalize(isError, error), (e) => finalize(true, e));
      if (dest.state === "writable" && !closeQueuedOrInFlight(dest)) PromisePrototypeThen(writesDone(), go);
      else go();
    };

    if (signal !== undefined) {
      abortAlgorithm = () => {
        const reason = abort.reasonOf(signal);
        const actions = [];
        if (!preventAbort) ArrayPrototypePush(actions, () => (dest.state === "writable" ? wsAbort(dest, reason) : undefinedPromise));
        if (!preventCancel) ArrayPrototypePush(actions, () => (source.state === "readable" ? rsCancel(source, reason) : undefinedPromise));
        shutdownWith(() => all(actions), true, reason);
      };
      if (abort.isAborted(signal)) {
        abortAlgorithm();
        return result.promise;
      }
      abort.addAlgorithm(signal, abortAlgorithm);
    }

    const sourceErrored = (e) => {
      if (!preventAbort) shutdownWith(() => wsAbort(dest, e), true, e);
      else shutdown(true, e);
    };
    const destErrored = (e) => {
      if (!preventCancel) shutdownWith(() => rsCancel(source, e), true, e);
      else shutdown(true, e);
    };
    const sourceClosed = () => {
      if (!preventClose) shutdownWith(() => closeWithErrorPropagation(w), false, undefined);
      else shutdown(false, undefined);
    };

    if (source.state === "errored") sourceErrored(source.error);
    else PromisePrototypeThen(r.closed.promise, undefined, sourceErrored);
    if (dest.state === "errored") destErrored(dest.error);
    else PromisePrototypeThen(w.closed.promise, undefined, destErrored);
    if (source.state === "closed") sourceClosed();
    else PromisePrototypeThen(r.closed.promise, sourceClosed, noop);
    if (closeQueuedOrInFlight(dest) || dest.state === "closed") {
      const e = new TypeError("The destination is closed");
      if (!preventCancel) shutdownWith(() => rsCancel(source, e), true, e);
      else shutdown(true, e);
    }

    const step = () => {
      if (shuttingDown) return;
      PromisePrototypeThen(w.ready.promise, () => {
        if (shuttingDown) return;
        rrRead(r, {
          chunk(chunk) {
            // The write waits for a microtask, so that a pull that enqueues synchronously does not write from within it.
            currentWrite = PromisePrototypeThen(PromisePrototypeThen(undefinedPromise, () => wwWrite(w, chunk)), undefined, noop);
            PromisePrototypeThen(undefinedPromise, step);
          },
          close: noop,
          error: noop,
        });
      }, noop);
    };
    step();
    return result.promise;
  }

  function all(actions) {
    return new Promise((resolve, reject) => {
      let left = actions.length;
      if (left === 0) resolve(undefined);
      for (let i = 0; i < actions.length; i++) {
        PromisePrototypeThen(actions[i](), () => {
          if (--left === 0) resolve(undefined);
        }, reject);
      }
    });
  }

  // ---- the readable side's interfaces

  let rsOf, rrOf, isReadableStream;

  function readableSource(v) {
    const o = v ?? {};
    const autoAllocate = o.autoAllocateChunkSize === undefined ? undefined : integer(o.autoAllocateChunkSize, 64, false, "enforce", "autoAllocateChunkSize");
    const cancel = member(o, "cancel", "The source"), pull = member(o, "pull", "The source"), start = member(o, "start", "The source");
    let type = o.type;
    if (type !== undefined) {
      type = str(type);
      if (type !== "bytes") throw new TypeError(`ReadableStream: "${type}" is not a type of source`);
    }
    return { autoAllocate, cancel, pull, start, type };
  }

  class ReadableStream {
    #s;
    constructor(underlyingSource = undefined, strategy = undefined) {
      if (underlyingSource === illegal) {
        this.#s = strategy;
        return;
      }
      if (underlyingSource !== undefined && !isObject(underlyingSource)) throw new TypeError("ReadableStream: the source is not an object");
      const q = strategyOf(strategy, "ReadableStream: the strategy");
      const source = readableSource(underlyingSource);
      const s = newRS();
      s.face = this;
      this.#s = s;
      const pull = (c) => (source.pull === undefined ? () => undefinedPromise : () => promiseCall(source.pull, underlyingSource, [c.face]));
      const cancel = source.cancel === undefined ? () => undefinedPromise : (reason) => promiseCall(source.cancel, underlyingSource, [reason]);
      let c;
      if (source.type === "bytes") {
        if (q.size !== undefined) throw new RangeError("ReadableStream: a source of bytes cannot have a size function");
        const hwm = highWaterMark(q, 0);
        if (source.autoAllocate === 0) throw new TypeError("autoAllocateChunkSize must be more than 0");
        c = rbSetUp(s, undefined, cancel, hwm, source.autoAllocate);
        c.face = new ReadableByteStreamController(illegal, c);
      } else {
        const size = sizeAlgorithm(q), hwm = highWaterMark(q, 1);
        c = rdSetUp(s, undefined, undefined, cancel, hwm, size);
        c.face = new ReadableStreamDefaultController(illegal, c);
      }
      c.pull = pull(c);
      rcBegin(c, source.start === undefined ? noop : () => ReflectApply(source.start, underlyingSource, [c.face]));
    }
    static from(asyncIterable) {
      required(arguments.length, 1, "ReadableStream.from");
      return fromIterable(asyncIterable).face;
    }
    get locked() { return rsLocked(this.#s); }
    cancel(reason = undefined) {
      let s;
      try {
        s = this.#s;
      } catch (e) {
        return PromiseReject(e);
      }
      if (rsLocked(s)) return PromiseReject(new TypeError("The stream is locked by a reader"));
      return rsCancel(s, reason);
    }
    getReader(options = undefined) {
      const s = this.#s;
      const mode = dictionary(options, "getReader: the options")?.mode;
      if (mode === undefined) return new ReadableStreamDefaultReader(s.face);
      if (str(mode) !== "byob") throw new TypeError(`getReader: "${mode}" is not a mode`);
      return new ReadableStreamBYOBReader(s.face);
    }
    pipeThrough(transform, options = undefined) {
      const s = this.#s;
      required(arguments.length, 1, "pipeThrough");
      if (!isObject(transform)) throw new TypeError("pipeThrough: the transform is not an object");
      const readable = transform.readable;
      if (!isReadableStream(readable)) throw new TypeError("pipeThrough: readable is not a ReadableStream");
      const writable = transform.writable;
      if (!isWritableStream(writable)) throw new TypeError("pipeThrough: writable is not a WritableStream");
      const o = pipeOptions(options);
      if (rsLocked(s)) throw new TypeError("pipeThrough: the stream is locked by a reader");
      const dest = wsOf(writable);
      if (wsLocked(dest)) throw new TypeError("pipeThrough: the writable side is locked by a writer");
      handled(pipe(s, dest, o.preventClose, o.preventAbort, o.preventCancel, o.signal));
      return readable;
    }
    pipeTo(destination, options = undefined) {
      let s, dest, o;
      try {
        s = this.#s;
        required(arguments.length, 1, "pipeTo");
        if (!isWritableStream(destination)) throw new TypeError("pipeTo: the destination is not a WritableStream");
        dest = wsOf(destination);
        o = pipeOptions(options);
        if (rsLocked(s)) throw new TypeError("pipeTo: the stream is locked by a reader");
        if (wsLocked(dest)) throw new TypeError("pipeTo: the destination is locked by a writer");
      } catch (e) {
        return PromiseReject(e);
      }
      return pipe(s, dest, o.preventClose, o.preventAbort, o.preventCancel, o.signal);
    }
    tee() {
      const s = this.#s;
      if (rsLocked(s)) throw new TypeError("tee: the stream is locked by a reader");
      const b = rsTee(s, false);
      return [b[0].face, b[1].face];
    }
    values(options = undefined) {
      const s = this.#s;
      const preventCancel = !!dictionary(options, "values: the options")?.preventCancel;
      if (rsLocked(s)) throw new TypeError("The stream is locked by a reader");
      return new AsyncIteration(acquire(s, false), preventCancel);
    }
    static {
      rsOf = (v) => v.#s;
      isReadableStream = (v) => isObject(v) && #s in v;
    }
  }
  define(ReadableStream, "ReadableStream", ["from"]);
  ObjectDefineProperty(ReadableStream.prototype, SymbolAsyncIterator, { __proto__: null, value: ReadableStream.prototype.values, writable: true, configurable: true, enumerable: false });

  function pipeOptions(v) {
    const o = dictionary(v, "The pipe's options") ?? {};
    const preventAbort = !!o.preventAbort, preventCancel = !!o.preventCancel, preventClose = !!o.preventClose, signal = o.signal;
    if (signal !== undefined && !core.use("abort").isAbortSignal(signal)) throw new TypeError("signal is not an AbortSignal");
    return { preventAbort, preventCancel, preventClose, signal };
  }

  // AsyncIteration is what for await walks over.
  class AsyncIteration {
    #reader; #preventCancel; #ongoing = undefined; #finished = false;
    constructor(reader, preventCancel) {
      this.#reader = reader;
      this.#preventCancel = preventCancel;
    }
    static next(it) {
      const step = () => {
        if (it.#finished) return PromiseResolve({ value: undefined, done: true });
        const r = it.#reader;
        return new Promise((resolve, reject) => {
          rrRead(r, {
            chunk(chunk) {
              it.#ongoing = undefined;
              PromisePrototypeThen(undefinedPromise, () => resolve({ value: chunk, done: false }));
            },
            close() {
              it.#ongoing = undefined;
              it.#finished = true;
              rrRelease(r);
              resolve({ value: undefined, done: true });
            },
            error(e) {
              it.#ongoing = undefined;
              it.#finished = true;
              rrRelease(r);
              reject(e);
            },
          });
        });
      };
      it.#ongoing = it.#ongoing === undefined ? step() : PromisePrototypeThen(it.#ongoing, step, step);
      return it.#ongoing;
    }
    static return(it, value) {
      const step = () => {
        if (it.#finished) return PromiseResolve({ value, done: true });
        it.#finished = true;
        const r = it.#reader;
        if (it.#preventCancel) {
          rrRelease(r);
          return PromiseResolve({ value, done: true });
        }
        const p = rsCancel(r.stream, value);
        rrRelease(r);
        return PromisePrototypeThen(p, () => ({ value, done: true }));
      };
      it.#ongoing = it.#ongoing === undefined ? step() : PromisePrototypeThen(it.#ongoing, step, step);
      return it.#ongoing;
    }
    static is(v) { return isObject(v) && #reader in v; }
  }
  {
    const { next: step, return: stop, is } = AsyncIteration;
    const methods = {
      next() { return is(this) ? step(this) : PromiseReject(new TypeError("next was not called on a ReadableStream's iterator")); },
      return(value) { return is(this) ? stop(this, value) : PromiseReject(new TypeError("return was not called on a ReadableStream's iterator")); },
    };
    const proto = AsyncIteration.prototype;
    P.ObjectSetPrototypeOf(proto, AsyncIteratorPrototype);
    ObjectDefineProperties(proto, {
      next: { __proto__: null, value: methods.next, writable: true, enumerable: true, configurable: true },
      return: { __proto__: null, value: methods.return, writable: true, enumerable: true, configurable: true },
    });
    delete AsyncIteration.prototype.constructor;
    delete AsyncIteration.next;
    delete AsyncIteration.return;
    delete AsyncIteration.is;
  }

  function fromIterable(v) {
    if (v === null || v === undefined) throw new TypeError("ReadableStream.from: the value is not iterable");
    let method = v[SymbolAsyncIterator], isAsync = true;
    if (method === undefined || method === null) {
      isAsync = false;
      method = v[SymbolIterator];
    }
    if (typeof method !== "function") throw new TypeError("ReadableStream.from: the value is not iterable");
    const it = ReflectApply(method, v, []);
    if (!isObject(it)) throw new TypeError("ReadableStream.from: the iterator is not an object");
    const next = it.next;
    let s;
    const pull = () => {
      let p;
      try {
        p = resolvedWith(ReflectApply(next, it, []));
      } catch (e) {
        return PromiseReject(e);
      }
      return PromisePrototypeThen(p, (r) => {
        if (!isObject(r)) throw new TypeError("The iterator's result is not an object");
        if (r.done) {
          rdClose(s.controller);
          return undefined;
        }
        const value = r.value;
        if (isAsync) {
          rdEnqueue(s.controller, value);
          return undefined;
        }
        return PromisePrototypeThen(resolvedWith(value), (x) => rdEnqueue(s.controller, x));
      });
    };
    const cancel = (reason) => {
      let r;
      try {
        const stop = it.return;
        if (stop === undefined || stop === null) return undefinedPromise;
        r = ReflectApply(stop, it, [reason]);
      } catch (e) {
        return PromiseReject(e);
      }
      return PromisePrototypeThen(resolvedWith(r), (x) => {
        if (!isObject(x)) throw new TypeError("The iterator's result is not an object");
      });
    };
    s = createReadable(noop, pull, cancel, 0);
    return s;
  }

  function setUpReader(face, stream, byob, what) {
    if (!isReadableStream(stream)) throw new TypeError(`${what}: the argument is not a ReadableStream`);
    const s = rsOf(stream);
    if (rsLocked(s)) throw new TypeError(`${what}: the stream is locked by another reader`);
    if (byob && !s.controller.bytes) throw new TypeError(`${what}: the stream is not one of bytes`);
    const r = acquire(s, byob);
    r.face = face;
    return r;
  }
  const released = () => new TypeError("The reader was released");

  class ReadableStreamDefaultReader {
    #r;
    constructor(stream) {
      required(arguments.length, 1, "ReadableStreamDefaultReader");
      this.#r = setUpReader(this, stream, false, "ReadableStreamDefaultReader");
    }
    get closed() {
      try {
        return this.#r.closed.promise;
      } catch (e) {
        return PromiseReject(e);
      }
    }
    cancel(reason = undefined) {
      try {
        const r = this.#r;
        return r.stream === null ? PromiseReject(released()) : rsCancel(r.stream, reason);
      } catch (e) {
        return PromiseReject(e);
      }
    }
    read() {
      let r;
      try {
        r = this.#r;
      } catch (e) {
        return PromiseReject(e);
      }
      if (r.stream === null) return PromiseReject(released());
      return new Promise((resolve, reject) => {
        rrRead(r, {
          chunk(value) { resolve({ value, done: false }); },
          close() { resolve({ value: undefined, done: true }); },
          error: reject,
        });
      });
    }
    releaseLock() {
      if (this.#r.stream !== null) rrRelease(this.#r);
    }
  }
  define(ReadableStreamDefaultReader, "ReadableStreamDefaultReader");

  class ReadableStreamBYOBReader {
    #r;
    constructor(stream) {
      required(arguments.length, 1, "ReadableStreamBYOBReader");
      this.#r = setUpReader(this, stream, true, "ReadableStreamBYOBReader");
    }
    get closed() {
      try {
        return this.#r.closed.promise;
      } catch (e) {
        return PromiseReject(e);
      }
    }
    cancel(reason = undefined) {
      try {
        const r = this.#r;
        return r.stream === null ? PromiseReject(released()) : rsCancel(r.stream, reason);
      } catch (e) {
        return PromiseReject(e);
      }
    }
    read(view, options = undefined) {
      let r, min;
      try {
        r = this.#r;
        required(arguments.length, 1, "ReadableStreamBYOBReader.read");
        if (!ArrayBufferIsView(view)) throw new TypeError("read: the argument is not a view on an ArrayBuffer");
        const m = dictionary(options, "read: the options")?.min;
        min = m === undefined ? 1 : integer(m, 64, false, "enforce", "read: min");
        const info = viewInfo(view);
        if (info.length === 0) throw new TypeError("read: the view is empty");
        if (ArrayBufferPrototypeGetByteLength(info.buffer) === 0) throw new TypeError("read: the view's buffer is empty");
        if (ArrayBufferPrototypeGetDetached(info.buffer)) throw new TypeError("read: the view's buffer is detached");
        if (min === 0) throw new TypeError("read: min must be more than 0");
        if (min > info.length / info.elementSize) throw new RangeError("read: min is more than the view holds");
        if (r.stream === null) throw released();
      } catch (e) {
        return PromiseReject(e);
      }
      return new Promise((resolve, reject) => {
        rrReadInto(r, view, min, {
          chunk(value) { resolve({ value, done: false }); },
          close(value) { resolve({ value, done: true }); },
          error: reject,
        });
      });
    }
    releaseLock() {
      if (this.#r.stream !== null) rrRelease(this.#r);
    }
  }
  define(ReadableStreamBYOBReader, "ReadableStreamBYOBReader");

  class ReadableStreamDefaultController {
    #c;
    constructor(token, c) {
      if (token !== illegal) throw new TypeError("Illegal constructor");
      this.#c = c;
    }
    get desiredSize() { return rdDesired(this.#c); }
    close() {
      const c = this.#c;
      if (!rdCanCloseOrEnqueue(c)) throw new TypeError("The stream is closed, or about to be");
      rdClose(c);
    }
    enqueue(chunk = undefined) {
      const c = this.#c;
      if (!rdCanCloseOrEnqueue(c)) throw new TypeError("The stream is closed, or about to be");
      rdEnqueue(c, chunk);
    }
    error(e = undefined) { rdError(this.#c, e); }
  }
  define(ReadableStreamDefaultController, "ReadableStreamDefaultController");

  class ReadableByteStreamController {
    #c;
    constructor(token, c) {
      if (token !== illegal) throw new TypeError("Illegal constructor");
      this.#c = c;
    }
    get byobRequest() { return rbRequest(this.#c)?.face ?? null; }
    get desiredSize() { return rbDesired(this.#c); }
    close() {
      const c = this.#c;
      if (c.closeRequested) throw new TypeError("The stream is about to be closed");
      if (c.stream.state !== "readable") throw new TypeError("The stream is closed");
      rbClose(c);
    }
    enqueue(chunk) {
      const c = this.#c;
      required(arguments.length, 1, "enqueue");
      if (!ArrayBufferIsView(chunk)) throw new TypeError("enqueue: the chunk is not a view on an ArrayBuffer");
      const info = viewInfo(chunk);
      if (info.length === 0) throw new TypeError("enqueue: the chunk is empty");
      if (ArrayBufferPrototypeGetByteLength(info.buffer) === 0) throw new TypeError("enqueue: the chunk's buffer is empty");
      if (c.closeRequested) throw new TypeError("The stream is about to be closed");
      if (c.stream.state !== "readable") throw new TypeError("The stream is closed");
      rbEnqueue(c, chunk);
    }
    error(e = undefined) { rbError(this.#c, e); }
  }
  define(ReadableByteStreamController, "ReadableByteStreamController");

  class ReadableStreamBYOBRequest {
    #q;
    constructor(token, q) {
      if (token !== illegal) throw new TypeError("Illegal constructor");
      this.#q = q;
    }
    get view() { return this.#q.view; }
    respond(bytesWritten) {
      const q = this.#q;
      required(arguments.length, 1, "respond");
      bytesWritten = integer(bytesWritten, 64, false, "enforce", "respond: bytesWritten");
      if (q.controller === undefined) throw new TypeError("The request was answered before");
      if (ArrayBufferPrototypeGetDetached(TypedArrayPrototypeGetBuffer(q.view))) throw new TypeError("The view's buffer is detached");
      rbRespond(q.controller, bytesWritten);
    }
    respondWithNewView(view) {
      const q = this.#q;
      required(arguments.length, 1, "respondWithNewView");
      if (!ArrayBufferIsView(view)) throw new TypeError("respondWithNewView: the argument is not a view on an ArrayBuffer");
      if (q.controller === undefined) throw new TypeError("The request was answered before");
      if (ArrayBufferPrototypeGetDetached(viewInfo(view).buffer)) throw new TypeError("The view's buffer is detached");
      rbRespondNewView(q.controller, view);
    }
  }
  define(ReadableStreamBYOBRequest, "ReadableStreamBYOBRequest");

  // ---- writable streams

  function newWS() {
    return {
      __proto__: null, face: undefined, state: "writable", error: undefined, writer: null, controller: null, writes: new Queue(), inFlightWrite: null, closeRequest: null,
      inFlightClose: null, pendingAbort: null, backpressure: false,
    };
  }

  function wsLocked(s) { return s.writer !== null; }

  function wcSetUp(s, start, write, close, abort, hwm, size) {
    const c = {
      __proto__: null, face: undefined, stream: s, queue: new Queue(), size: 0, started: false, measure: size, hwm, write, close, abort, signal: undefined, aborted: false, reason: undefined,
    };
    s.controller = c;
    return c;
  }
  const closeSentinel = P.Symbol("close");

  function wcBegin(c, start) {
    const s = c.stream;
    wsUpdateBackpressure(s, wcDesired(c) <= 0);
    const result = start();
    PromisePrototypeThen(resolvedWith(result), () => {
      c.started = true;
      wcAdvance(c);
    }, (e) => {
      c.started = true;
      wsDealWithRejection(s, e);
    });
  }

  function wsAcquire(s) {
    const w = { __proto__: null, face: undefined, stream: s, closed: undefined, ready: undefined };
    s.writer = w;
    if (s.state === "writable") {
      w.ready = !closeQueuedOrInFlight(s) && s.backpressure ? deferred() : settled();
      w.closed = deferred();
    } else if (s.state === "erroring") {
      w.ready = settled(s.error, true);
      w.closed = deferred();
    } else if (s.state === "closed") {
      w.ready = settled();
      w.closed = settled();
    } else {
      w.ready = settled(s.error, true);
      w.closed = settled(s.error, true);
    }
    return w;
  }

  function closeQueuedOrInFlight(s) {
    return s.closeRequest !== null || s.inFlightClose !== null;
  }

  function wsAbort(s, reason) {
    if (s.state === "closed" || s.state === "errored") return PromiseResolve(undefined);
    const c = s.controller;
    c.aborted = true;
    c.reason = reason;
    if (c.signal !== undefined) core.use("abort").abortSignal(c.signal, reason);
    if (s.state === "closed" || s.state === "errored") return PromiseResolve(undefined);
    if (s.pendingAbort !== null) return s.pendingAbort.d.promise;
    let wasErroring = false;
    if (s.state === "erroring") {
      wasErroring = true;
      reason = undefined;
    }
    const d = deferred();
    s.pendingAbort = { d, reason, wasErroring };
    if (!wasErroring) wsStartErroring(s, reason);
    return d.promise;
  }

  function wsClose(s) {
    if (s.state === "closed" || s.state === "errored") return PromiseReject(new TypeError("The stream is closed or errored"));
    const d = deferred();
    s.closeRequest = d;
    const w = s.writer;
    if (w !== null && s.backpressure && s.state === "writable") w.ready.resolve?.(undefined);
    enqueueSized(s.controller, closeSentinel, 0);
    wcAdvance(s.controller);
    return d.promise;
  }

  function wsDealWithRejection(s, e) {
    if (s.state === "writable") wsStartErroring(s, e);
    else wsFinishErroring(s);
  }

  function wsStartErroring(s, reason) {
    const c = s.controller;
    s.state = "erroring";
    s.error = reason;
    const w = s.writer;
    if (w !== null) ensureRejected(w, "ready", reason);
    if (s.inFlightWrite === null && s.inFlightClose === null && c.started) wsFinishErroring(s);
  }

  function wsFinishErroring(s) {
    s.state = "errored";
    resetQueue(s.controller);
    const stored = s.error;
    while (s.writes.length > 0) s.writes.shift().reject(stored);
    if (s.pendingAbort === null) {
      wsRejectClose(s);
      return;
    }
    const a = s.pendingAbort;
    s.pendingAbort = null;
    if (a.wasErroring) {
      a.d.reject(stored);
      wsRejectClose(s);
      return;
    }
    const c = s.controller;
    const p = c.abort(a.reason);
    wcClear(c);
    PromisePrototypeThen(p, () => {
      a.d.resolve(undefined);
      wsRejectClose(s);
    }, (e) => {
      a.d.reject(e);
      wsRejectClose(s);
    });
  }

  function wsRejectClose(s) {
    if (s.closeRequest !== null) {
      s.closeRequest.reject(s.error);
      s.closeRequest = null;
    }
    const w = s.writer;
    if (w !== null) {
      w.closed.reject?.(s.error);
      handled(w.closed.promise);
    }
  }

  function wsUpdateBackpressure(s, backpressure) {
    const w = s.writer;
    if (w !== null && backpressure !== s.backpressure) {
      if (backpressure) w.ready = deferred();
      else w.ready.resolve?.(undefined);
    }
    s.backpressure = backpressure;
  }

  function wcClear(c) {
    c.write = c.close = c.abort = c.measure = undefined;
  }

  function wcDesired(c) { return c.hwm - c.size; }

  function wcAdvance(c) {
    const s = c.stream;
    if (!c.started || s.inFlightWrite !== null) return;
    if (s.state === "erroring") {
      wsFinishErroring(s);
      return;
    }
    if (c.queue.length === 0) return;
    const value = c.queue.peek().value;
    if (value === closeSentinel) wcProcessClose(c);
    else wcProcessWrite(c, value);
  }

  function wcProcessClose(c) {
    const s = c.stream;
    s.inFlightClose = s.closeRequest;
    s.closeRequest = null;
    dequeue(c);
    const p = c.close();
    wcClear(c);
    PromisePrototypeThen(p, () => {
      s.inFlightClose.resolve(undefined);
      s.inFlightClose = null;
      if (s.state === "erroring") {
        s.error = undefined;
        if (s.pendingAbort !== null) {
          s.pendingAbort.d.resolve(undefined);
          s.pendingAbort = null;
        }
      }
      s.state = "closed";
      s.writer?.closed.resolve?.(undefined);
    }, (e) => {
      s.inFlightClose.reject(e);
      s.inFlightClose = null;
      if (s.pendingAbort !== null) {
        s.pendingAbort.d.reject(e);
        s.pendingAbort = null;
      }
      wsDealWithRejection(s, e);
    });
  }

  function wcProcessWrite(c, chunk) {
    const s = c.stream;
    s.inFlightWrite = s.writes.shift();
    PromisePrototypeThen(c.write(chunk), () => {
      s.inFlightWrite.resolve(undefined);
      s.inFlightWrite = null;
      const state = s.state;
      dequeue(c);
      if (!closeQueuedOrInFlight(s) && state === "writable") wsUpdateBackpressure(s, wcDesired(c) <= 0);
      wcAdvance(c);
    }, (e) => {
      if (s.state === "writable") wcClear(c);
      s.inFlightWrite.reject(e);
      s.inFlightWrite = null;
      wsDealWithRejection(s, e);
    });
  }

  function wcError(c, e) {
    wcClear(c);
    wsStartErroring(c.stream, e);
  }
  function wcErrorIfNeeded(c, e) {
    if (c.stream.state === "writable") wcError(c, e);
  }

  function ensureRejected(w, which, e) {
    if (w[which].pending) {
      w[which].reject(e);
      handled(w[which].promise);
    } else w[which] = settled(e, true);
  }

  function wwRelease(w) {
    const e = new TypeError("The writer was released");
    ensureRejected(w, "ready", e);
    ensureRejected(w, "closed", e);
    w.stream.writer = null;
    w.stream = null;
  }

  function wwWrite(w, chunk) {
    const s = w.stream;
    if (s === null) return PromiseReject(new TypeError("The writer was released"));
    const c = s.controller;
    let size;
    if (c.measure === undefined) size = 1;
    else {
      try {
        size = c.measure(chunk);
      } catch (e) {
        wcErrorIfNeeded(c, e);
        size = 1;
      }
    }
    if (s !== w.stream) return PromiseReject(new TypeError("The writer was released"));
    if (s.state === "errored") return PromiseReject(s.error);
    if (closeQueuedOrInFlight(s) || s.state === "closed") return PromiseReject(new TypeError("The stream is closing or closed"));
    if (s.state === "erroring") return PromiseReject(s.error);
    const d = deferred();
    s.writes.push(d);
    try {
      enqueueSized(c, chunk, size);
    } catch (e) {
      wcErrorIfNeeded(c, e);
      return d.promise;
    }
    if (!closeQueuedOrInFlight(s) && s.state === "writable") wsUpdateBackpressure(s, wcDesired(c) <= 0);
    wcAdvance(c);
    return d.promise;
  }

  function closeWithErrorPropagation(w) {
    const s = w.stream;
    if (closeQueuedOrInFlight(s) || s.state === "closed") return PromiseResolve(undefined);
    if (s.state === "errored") return PromiseReject(s.error);
    return wsClose(s);
  }

  function createWritable(start, write, close, abort, hwm = 1, size = () => 1) {
    const s = newWS();
    s.face = new WritableStream(illegal, s);
    const c = wcSetUp(s, start, write, close, abort, hwm, size);
    c.face = new WritableStreamDefaultController(illegal, c);
    wcBegin(c, start);
    return s;
  }

  let wsOf, isWritableStream;
  class WritableStream {
    #s;
    constructor(underlyingSink = undefined, strategy = undefined) {
      if (underlyingSink === illegal) {
        this.#s = strategy;
        return;
      }
      if (underlyingSink !== undefined && !isObject(underlyingSink)) throw new TypeError("WritableStream: the sink is not an object");
      const q = strategyOf(strategy, "WritableStream: the strategy");
      const o = underlyingSink ?? {};
      const abort = member(o, "abort", "The sink"), close = member(o, "close", "The sink"), start = member(o, "start", "The sink");
      if (o.type !== undefined) throw new RangeError("WritableStream: the sink must not have a type");
      const write = member(o, "write", "The sink");
      const size = sizeAlgorithm(q), hwm = highWaterMark(q, 1);
      const s = newWS();
      s.face = this;
      this.#s = s;
      const c = wcSetUp(s, undefined, undefined, undefined, undefined, hwm, size);
      c.face = new WritableStreamDefaultController(illegal, c);
      c.write = write === undefined ? () => undefinedPromise : (chunk) => promiseCall(write, underlyingSink, [chunk, c.face]);
      c.close = close === undefined ? () => undefinedPromise : () => promiseCall(close, underlyingSink, []);
      c.abort = abort === undefined ? () => undefinedPromise : (reason) => promiseCall(abort, underlyingSink, [reason]);
      wcBegin(c, start === undefined ? noop : () => ReflectApply(start, underlyingSink, [c.face]));
    }
    get locked() { return wsLocked(this.#s); }
    abort(reason = undefined) {
      try {
        const s = this.#s;
        return wsLocked(s) ? PromiseReject(new TypeError("The stream is locked by a writer")) : wsAbort(s, reason);
      } catch (e) {
        return PromiseReject(e);
      }
    }
    close() {
      try {
        const s = this.#s;
        if (wsLocked(s)) return PromiseReject(new TypeError("The stream is locked by a writer"));
        if (closeQueuedOrInFlight(s)) return PromiseReject(new TypeError("The stream is closing"));
        return wsClose(s);
      } catch (e) {
        return PromiseReject(e);
      }
    }
    getWriter() { return new WritableStreamDefaultWriter(this.#s.face); }
    static {
      wsOf = (v) => v.#s;
      isWritableStream = (v) => isObject(v) && #s in v;
    }
  }
  define(WritableStream, "WritableStream");

  class WritableStreamDefaultWriter {
    #w;
    constructor(stream) {
      required(arguments.length, 1, "WritableStreamDefaultWriter");
      if (!isWritableStream(stream)) throw new TypeError("WritableStreamDefaultWriter: the argument is not a WritableStream");
      const s = wsOf(stream);
      if (wsLocked(s)) throw new TypeError("WritableStreamDefaultWriter: the stream is locked by another writer");
      this.#w = wsAcquire(s);
      this.#w.face = this;
    }
    get closed() {
      try {
        return this.#w.closed.promise;
      } catch (e) {
        return PromiseReject(e);
      }
    }
    get desiredSize() {
      const s = this.#w.stream;
      if (s === null) throw new TypeError("The writer was released");
      if (s.state === "errored" || s.state === "erroring") return null;
      return s.state === "closed" ? 0 : wcDesired(s.controller);
    }
    get ready() {
      try {
        return this.#w.ready.promise;
      } catch (e) {
        return PromiseReject(e);
      }
    }
    abort(reason = undefined) {
      try {
        const s = this.#w.stream;
        return s === null ? PromiseReject(new TypeError("The writer was released")) : wsAbort(s, reason);
      } catch (e) {
        return PromiseReject(e);
      }
    }
    close() {
      try {
        const s = this.#w.stream;
        if (s === null) return PromiseReject(new TypeError("The writer was released"));
        if (closeQueuedOrInFlight(s)) return PromiseReject(new TypeError("The stream is closing"));
        return wsClose(s);
      } catch (e) {
        return PromiseReject(e);
      }
    }
    releaseLock() {
      if (this.#w.stream !== null) wwRelease(this.#w);
    }
    write(chunk = undefined) {
      let w;
      try {
        w = this.#w;
      } catch (e) {
        return PromiseReject(e);
      }
      return wwWrite(w, chunk);
    }
  }
  define(WritableStreamDefaultWriter, "WritableStreamDefaultWriter");

  class WritableStreamDefaultController {
    #c;
    constructor(token, c) {
      if (token !== illegal) throw new TypeError("Illegal constructor");
      this.#c = c;
    }
    get signal() {
      const c = this.#c;
      if (c.signal === undefined) {
        const abort = core.use("abort");
        c.signal = abort.newSignal();
        if (c.aborted) abort.abortSignal(c.signal, c.reason);
      }
      return c.signal;
    }
    error(e = undefined) {
      const c = this.#c;
      if (c.stream.state === "writable") wcError(c, e);
    }
  }
  define(WritableStreamDefaultController, "WritableStreamDefaultController");

  // ---- transform streams

  function newTS() {
    return { __proto__: null, face: undefined, readable: null, writable: null, controller: null, backpressure: undefined, change: undefined };
  }

  // tsInit makes both sides. start is a promise that ends once the transformer's start has.
  function tsInit(t, start, writableHwm, writableSize, readableHwm, readableSize) {
    const c = t.controller;
    t.writable = createWritable(() => start, (chunk) => {
      if (!t.backpressure) return tcPerform(c, chunk);
      return PromisePrototypeThen(t.change.promise, () => {
        if (t.writable.state === "erroring") throw t.writable.error;
        return tcPerform(c, chunk);
      });
    }, () => tsSinkClose(t), (reason) => tsSinkAbort(t, reason), writableHwm, writableSize);
    t.readable = createReadable(() => start, () => {
      tsSetBackpressure(t, false);
      return t.change.promise;
    }, (reason) => tsSourceCancel(t, reason), readableHwm, readableSize);
    t.readable.controller.face = new ReadableStreamDefaultController(illegal, t.readable.controller);
    tsSetBackpressure(t, true);
  }

  function tsSetBackpressure(t, b) {
    if (t.backpressure === b) return;
    t.change?.resolve(undefined);
    t.change = deferred();
    t.backpressure = b;
  }

  function tsError(t, e) {
    rdError(t.readable.controller, e);
    tsErrorWritable(t, e);
  }
  function tsErrorWritable(t, e) {
    tcClear(t.controller);
    wcErrorIfNeeded(t.writable.controller, e);
    if (t.backpressure) tsSetBackpressure(t, false);
  }

  function tcClear(c) {
    c.transform = c.flush = c.cancel = undefined;
  }

  function tcEnqueue(c, chunk) {
    const t = c.stream, rc = t.readable.controller;
    if (!rdCanCloseOrEnqueue(rc)) throw new TypeError("The readable side is closed");
    try {
      rdEnqueue(rc, chunk);
    } catch (e) {
      tsErrorWritable(t, e);
      throw t.readable.error;
    }
    const backpressure = !rdShouldPull(rc);
    if (backpressure !== t.backpressure) tsSetBackpressure(t, true);
  }

  function tcPerform(c, chunk) {
    return PromisePrototypeThen(c.transform(chunk), undefined, (e) => {
      tsError(c.stream, e);
      throw e;
    });
  }

  function tsSinkClose(t) {
    const c = t.controller;
    if (c.finish !== undefined) return c.finish.promise;
    c.finish = deferred();
    const p = c.flush();
    tcClear(c);
    PromisePrototypeThen(p, () => {
      if (t.readable.state === "errored") c.finish.reject(t.readable.error);
      else {
        rdClose(t.readable.controller);
        c.finish.resolve(undefined);
      }
    }, (e) => {
      rdError(t.readable.controller, e);
      c.finish.reject(e);
    });
    return c.finish.promise;
  }

  function tsSinkAbort(t, reason) {
    const c = t.controller;
    if (c.finish !== undefined) return c.finish.promise;
    c.finish = deferred();
    const p = c.cancel(reason);
    tcClear(c);
    PromisePrototypeThen(p, () => {
      if (t.readable.state === "errored") c.finish.reject(t.readable.error);
      else {
        rdError(t.readable.controller, reason);
        c.finish.resolve(undefined);
      }
    }, (e) => {
      rdError(t.readable.controller, e);
      c.finish.reject(e);
    });
    return c.finish.promise;
  }

  function tsSourceCancel(t, reason) {
    const c = t.controller;
    if (c.finish !== undefined) return c.finish.promise;
    c.finish = deferred();
    const p = c.cancel(reason);
    tcClear(c);
    PromisePrototypeThen(p, () => {
      if (t.writable.state === "errored") c.finish.reject(t.writable.error);
      else {
        wcErrorIfNeeded(t.writable.controller, reason);
        if (t.backpressure) tsSetBackpressure(t, false);
        c.finish.resolve(undefined);
      }
    }, (e) => {
      wcErrorIfNeeded(t.writable.controller, e);
      if (t.backpressure) tsSetBackpressure(t, false);
      c.finish.reject(e);
    });
    return c.finish.promise;
  }

  let tsOf, isTransformStream;
  class TransformStream {
    #t;
    constructor(transformer = undefined, writableStrategy = undefined, readableStrategy = undefined) {
      if (transformer === illegal) {
        this.#t = writableStrategy;
        return;
      }
      if (transformer !== undefined && !isObject(transformer)) throw new TypeError("TransformStream: the transformer is not an object");
      const wq = strategyOf(writableStrategy, "TransformStream: the writable strategy"), rq = strategyOf(readableStrategy, "TransformStream: the readable strategy");
      const o = transformer ?? {};
      const cancel = member(o, "cancel", "The transformer"), flush = member(o, "flush", "The transformer");
      if (o.readableType !== undefined) throw new RangeError("TransformStream: readableType is not supported");
      const start = member(o, "start", "The transformer"), transform = member(o, "transform", "The transformer");
      if (o.writableType !== undefined) throw new RangeError("TransformStream: writableType is not supported");
      const readableHwm = highWaterMark(rq, 0), readableSize = sizeAlgorithm(rq), writableHwm = highWaterMark(wq, 1), writableSize = sizeAlgorithm(wq);
      const t = newTS();
      t.face = this;
      this.#t = t;
      const c = { __proto__: null, face: undefined, stream: t, transform: undefined, flush: undefined, cancel: undefined, finish: undefined };
      t.controller = c;
      c.face = new TransformStreamDefaultController(illegal, c);
      c.transform = transform === undefined ? (chunk) => {
        try {
          tcEnqueue(c, chunk);
          return undefinedPromise;
        } catch (e) {
          return PromiseReject(e);
        }
      } : (chunk) => promiseCall(transform, transformer, [chunk, c.face]);
      c.flush = flush === undefined ? () => undefinedPromise : () => promiseCall(flush, transformer, [c.face]);
      c.cancel = cancel === undefined ? () => undefinedPromise : (reason) => promiseCall(cancel, transformer, [reason]);
      const started = deferred();
      tsInit(t, started.promise, writableHwm, writableSize, readableHwm, readableSize);
      started.resolve(start === undefined ? undefined : ReflectApply(start, transformer, [c.face]));
    }
    get readable() { return this.#t.readable.face; }
    get writable() { return this.#t.writable.face; }
    static {
      tsOf = (v) => v.#t;
      isTransformStream = (v) => isObject(v) && #t in v;
    }
  }
  define(TransformStream, "TransformStream");

  class TransformStreamDefaultController {
    #c;
    constructor(token, c) {
      if (token !== illegal) throw new TypeError("Illegal constructor");
      this.#c = c;
    }
    get desiredSize() { return rdDesired(this.#c.stream.readable.controller); }
    enqueue(chunk = undefined) { tcEnqueue(this.#c, chunk); }
    error(reason = undefined) { tsError(this.#c.stream, reason); }
    terminate() {
      const t = this.#c.stream;
      rdClose(t.readable.controller);
      tsErrorWritable(t, new TypeError("The transform was terminated"));
    }
  }
  define(TransformStreamDefaultController, "TransformStreamDefaultController");

  // createTransform is for the other files: transform(chunk, enqueue, room) and flush(enqueue) may throw or return a promise.
  // room returns a promise of the time when all that was enqueued is read, or when no reader is left; undefined: now.
  function createTransform(transform, flush, cancel) {
    const t = newTS();
    t.face = new TransformStream(illegal, t);
    const c = { __proto__: null, face: undefined, stream: t, transform: undefined, flush: undefined, cancel: undefined, finish: undefined };
    t.controller = c;
    const enqueue = (chunk) => tcEnqueue(c, chunk);
    const room = () => (t.backpressure ? t.change.promise : undefined);
    c.transform = (chunk) => promiseCall(transform, undefined, [chunk, enqueue, room]);
    c.flush = flush === undefined ? () => undefinedPromise : () => promiseCall(flush, undefined, [enqueue]);
    c.cancel = cancel === undefined ? () => undefinedPromise : (reason) => promiseCall(cancel, undefined, [reason]);
    tsInit(t, undefinedPromise, 1, () => 1, 0, () => 1);
    return t;
  }

  // ---- queuing strategies

  const byteSize = { size(chunk) { return chunk.byteLength; } }.size;
  const countSize = { size() { return 1; } }.size;

  function strategyInit(init, what) {
    const o = dictionary(init, what);
    if (o === undefined || o.highWaterMark === undefined) throw new TypeError(`${what}: highWaterMark is required`);
    return +o.highWaterMark;
  }

  class ByteLengthQueuingStrategy {
    #hwm;
    constructor(init) { this.#hwm = strategyInit(init, "ByteLengthQueuingStrategy"); }
    get highWaterMark() { return this.#hwm; }
    get size() {
      this.#hwm;
      return byteSize;
    }
  }
  define(ByteLengthQueuingStrategy, "ByteLengthQueuingStrategy");

  class CountQueuingStrategy {
    #hwm;
    constructor(init) { this.#hwm = strategyInit(init, "CountQueuingStrategy"); }
    get highWaterMark() { return this.#hwm; }
    get size() {
      this.#hwm;
      return countSize;
    }
  }
  define(CountQueuingStrategy, "CountQueuingStrategy");

  // ---- for the other files

  // fromWhole makes a byte stream of a source that is known whole: a string, or bytes that do not change. Nothing is copied or
  // encoded before the first read. null makes an empty stream.
  function fromWhole(source) {
    const s = createReadableBytes(noop, () => {
      if (s.whole !== undefined) {
        // The queue hands its buffers out, so it gets a copy of its own.
        const bytes = typeof s.whole === "string" ? core.use("encoding").utf8Encode(s.whole) : Uint8ArrayPrototypeSlice(s.whole);
        s.whole = undefined;
        rbEnqueue(s.controller, bytes);
        rbClose(s.controller);
      }
      return undefinedPromise;
    }, () => undefinedPromise);
    s.controller.face = new ReadableByteStreamController(illegal, s.controller);
    if (source === null || (typeof source === "string" ? source.length : TypedArrayPrototypeGetByteLength(source)) === 0) rbClose(s.controller);
    else s.whole = source;
    return s.face;
  }

  // wholeOf returns the source of a stream that fromWhole made and that is untouched since.
  function wholeOf(face) {
    const s = rsOf(face);
    return s.disturbed || s.reader !== null ? undefined : s.whole;
  }

  // fromPull makes a byte stream of a host call's pull source. onEnd is called once it ended, onCancel when the script cancels it.
  function fromPull(first, source, onEnd, onCancel) {
    let ended = false;
    const end = () => {
      if (!ended) {
        ended = true;
        onEnd();
      }
    };
    const s = createReadableBytes(noop, () => PromisePrototypeThen(source.read(), (chunk) => {
      if (ended) return;
      if (chunk === null) {
        end();
        if (s.state === "readable") {
          rbClose(s.controller);
          if (s.controller.pending.length > 0) rbRespond(s.controller, 0);
        }
      } else rbEnqueue(s.controller, chunk);
    }, (e) => {
      end();
      throw e;
    }), () => {
      end();
      onCancel();
      return undefinedPromise;
    });
    s.controller.face = new ReadableByteStreamController(illegal, s.controller);
    if (first !== null && TypedArrayPrototypeGetByteLength(first) > 0) rbPush(s.controller, TypedArrayPrototypeGetBuffer(first), TypedArrayPrototypeGetByteOffset(first), TypedArrayPrototypeGetByteLength(first));
    return {
      stream: s.face,
      controller: {
        error(e) {
          end();
          rbError(s.controller, e);
        },
      },
    };
  }

  function chunkOf(v) {
    if (TypedArrayPrototypeGetSymbolToStringTag(v) !== "Uint8Array") throw new TypeError("The body's stream has a chunk that is not a Uint8Array");
    return v;
  }

  // readAll reads a stream of bytes to its end and calls done with them as one Uint8Array, or failed. There is no promise in between:
  // it would look for a then method on the bytes.
  function readAll(face, done, failed) {
    const s = rsOf(face);
    const r = acquire(s, false);
    const chunks = [];
    let total = 0;
    const read = () => {
      rrRead(r, {
        chunk(chunk) {
          try {
            chunkOf(chunk);
          } catch (e) {
            handled(rsCancel(s, e));
            failed(e);
            return;
          }
          ArrayPrototypePush(chunks, chunk);
          total += TypedArrayPrototypeGetByteLength(chunk);
          PromisePrototypeThen(undefinedPromise, read);
        },
        close() {
          let out;
          try {
            if (chunks.length === 1) out = chunks[0];
            else {
              out = new Uint8Array(total);
              for (let i = 0, at = 0; i < chunks.length; i++) {
                TypedArrayPrototypeSet(out, chunks[i], at);
                at += TypedArrayPrototypeGetByteLength(chunks[i]);
              }
            }
          } catch (e) {
            failed(e);
            return;
          }
          done(out);
        },
        error: failed,
      });
    };
    read();
  }

  // pullSource hands a stream of bytes over to the worker, which reads and cancels it in frame, the one in which it was made.
  function pullSource(face) {
    const s = rsOf(face);
    const r = acquire(s, false);
    return {
      frame: s.frame,
      read() {
        return new Promise((resolve, reject) => {
          rrRead(r, {
            chunk(chunk) {
              try {
                resolve(chunkOf(chunk));
              } catch (e) {
                PromisePrototypeThen(rsCancel(s, e), noop, noop);
                reject(e);
              }
            },
            close() { resolve(null); },
            error: reject,
          });
        });
      },
      cancel(reason) {
        const p = rsCancel(s, reason);
        handled(p);
        return p;
      },
    };
  }

  // abandon cancels a stream that has no reader, and otherwise errors its reader.
  function abandon(face, reason) {
    const s = rsOf(face);
    if (s.state === "readable") handled(rsCancel(s, reason));
  }

  // proxy moves a stream: what it returns gives what the stream gave, which is locked from now on.
  function proxy(face) {
    const t = createTransform((chunk, enqueue) => enqueue(chunk));
    handled(pipe(rsOf(face), t.writable, false, false, false, undefined));
    return t.readable.face;
  }

  const exports = {
    ReadableStream, ReadableStreamDefaultReader, ReadableStreamBYOBReader, ReadableStreamDefaultController, ReadableByteStreamController,
    ReadableStreamBYOBRequest, WritableStream, WritableStreamDefaultWriter, WritableStreamDefaultController, TransformStream,
    TransformStreamDefaultController, ByteLengthQueuingStrategy, CountQueuingStrategy,
    isReadableStream, isWritableStream, isTransformStream,
    isLocked: (v) => rsLocked(rsOf(v)), isDisturbed: (v) => rsOf(v).disturbed, disturb(v) { rsOf(v).disturbed = true; acquire(rsOf(v), false); },
    tee(v, clone) {
      const b = rsTee(rsOf(v), clone);
      return [b[0].face, b[1].face];
    },
    fromWhole, wholeOf, fromPull, readAll, pullSource, abandon, proxy, createTransform,
  };
  loaded.streams = exports;
  return exports;
});
