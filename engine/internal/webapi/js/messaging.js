// MessageChannel and MessagePort. Both ends of a channel are in this realm, so that a message is cloned where it is posted. Each is
// delivered by a timer of 0 ms: it ends with the execution that posted it, as timers do.
(function (core) {
  "use strict";
  const { ArrayPrototypePush, ArrayPrototypeShift, ReflectApply, SymbolIterator, TypeError } = core.primordials;
  const { illegal, define, required, dictionary, sequence, isObject, loaded } = core.use("webidl");
  const { DOMException } = core.use("domexception");
  const { Event, EventTarget, messageOf, fire, handlerAttribute } = core.use("event");
  const { frames } = core;

  // An end is what a port stands for: transferring a port gives its end to another one.
  function newEnd() {
    return { __proto__: null, port: undefined, peer: undefined, queue: [], started: false };
  }

  let isPort, endOf, attach, detach, frameOf;
  class MessagePort extends EventTarget {
    #end = undefined;
    #frame = frames.take();
    constructor(token = undefined) {
      if (token !== illegal) throw new TypeError("Illegal constructor");
      super();
    }
    postMessage(message, options = undefined) {
      const end = this.#end;
      required(arguments.length, 1, "MessagePort.postMessage");
      const transfer = transferOf(options);
      let doomed = false;
      for (let i = 0; i < transfer.length; i++) {
        if (transfer[i] === this) throw new DOMException("A port cannot be sent through itself", "DataCloneError");
        doomed ||= end?.peer !== undefined && isPort(transfer[i]) && endOf(transfer[i]) === end.peer;
      }
      const { copy, ports } = core.use("structuredclone").cloneWith(message, transfer);
      const peer = end?.peer;
      if (peer === undefined || doomed) return;
      const m = { __proto__: null, data: copy, ports, execution: undefined };
      if (peer.started) schedule(peer, m);
      ArrayPrototypePush(peer.queue, m);
    }
    start() {
      const end = this.#end;
      if (end === undefined || end.started) return;
      for (let i = 0; i < end.queue.length; i++) schedule(end, end.queue[i]);
      end.started = true;
    }
    close() {
      const end = this.#end;
      this.#end = undefined;
      if (end === undefined) return;
      end.port = undefined;
      end.queue = [];
      const peer = end.peer;
      end.peer = undefined;
      if (peer === undefined) return;
      peer.peer = undefined;
      // The other port hears of it after the messages that are on their way.
      if (core.execution !== undefined) core.setTimer(() => { if (peer.port !== undefined) fireIn(peer.port, new Event("close")); }, 0, false);
    }
    static {
      isPort = (v) => isObject(v) && #end in v;
      endOf = (p) => p.#end;
      frameOf = (p) => p.#frame;
      attach = (p, end) => {
        p.#end = end;
        end.port = p;
        return p;
      };
      detach = (p) => {
        const end = p.#end;
        p.#end = undefined;
        return end;
      };
    }
  }
  define(MessagePort, "MessagePort");
  const { start } = MessagePort.prototype;
  handlerAttribute(MessagePort, "message", (port) => ReflectApply(start, port, []));
  handlerAttribute(MessagePort, "messageerror");
  handlerAttribute(MessagePort, "close");

  // transferOf reads the second argument of postMessage: a sequence, or options with one.
  function transferOf(v) {
    if (v === undefined || v === null) return [];
    if (isObject(v) && v[SymbolIterator] !== undefined && v[SymbolIterator] !== null) return sequence(v, undefined, "MessagePort.postMessage: transfer");
    const list = dictionary(v, "MessagePort.postMessage: parameter 2")?.transfer;
    return list === undefined ? [] : sequence(list, undefined, "MessagePort.postMessage: transfer");
  }

  function fireIn(port, event) {
    frames.run(frameOf(port), fire, undefined, [port, event]);
  }

  function schedule(end, m) {
    core.setTimer(() => deliver(end), 0, false, "MessagePort.postMessage");
    m.execution = core.execution;
  }

  // deliver gives the end's port its next message. What an execution before scheduled has ended with it.
  function deliver(end) {
    if (!end.started) return;
    for (;;) {
      if (end.queue.length === 0) return;
      const m = ArrayPrototypeShift(end.queue);
      if (m.execution !== core.execution) continue;
      fireIn(end.port, messageOf(m.data, m.ports));
      return;
    }
  }

  class MessageChannel {
    #port1 = new MessagePort(illegal);
    #port2 = new MessagePort(illegal);
    constructor() {
      const a = newEnd(), b = newEnd();
      a.peer = b;
      b.peer = a;
      attach(this.#port1, a);
      attach(this.#port2, b);
    }
    get port1() { return this.#port1; }
    get port2() { return this.#port2; }
  }
  define(MessageChannel, "MessageChannel");

  // For structuredClone: to, which blank made, takes over what port stands for. port is detached from then on; messages wait for start.
  function blank() {
    return new MessagePort(illegal);
  }
  function move(port, to) {
    const end = detach(port);
    end.started = false;
    attach(to, end);
  }
  function isDetached(port) {
    return endOf(port) === undefined;
  }

  const exports = { MessageChannel, MessagePort, isPort, isDetached, blank, move };
  loaded.messaging = exports;
  return exports;
});
