// AbortController and AbortSignal.
(function (core) {
  "use strict";
  const { ArrayPrototypePush, SafeSet, SetPrototypeForEach, TypeError, ReflectApply } = core.primordials;
  const { illegal, define, required, integer, sequence, isObject } = core.use("webidl");
  const { DOMException } = core.use("domexception");
  const { Event, EventTarget, fire, handlerAttribute } = core.use("event");

  let isAbortSignal, isAborted, reasonOf, addAlgorithm, removeAlgorithm, abortSignal, newSignal, release, anySignal;

  class AbortSignal extends EventTarget {
    #reason = undefined;
    #aborted = false;
    #algorithms = undefined;
    // A dependent signal (AbortSignal.any) knows its sources, which are never dependent themselves.
    #dependent = false;
    #sources = undefined;
    #dependents = undefined;
    constructor(token) {
      if (token !== illegal) throw new TypeError("Illegal constructor");
      super();
    }
    static abort(reason = undefined) {
      const s = new AbortSignal(illegal);
      s.#aborted = true;
      s.#reason = reason === undefined ? new DOMException("This operation was aborted", "AbortError") : reason;
      return s;
    }
    static timeout(milliseconds) {
      required(arguments.length, 1, "AbortSignal.timeout");
      const ms = integer(milliseconds, 64, false, "enforce", "AbortSignal.timeout: milliseconds");
      const s = new AbortSignal(illegal);
      core.use("timers").schedule(() => abortSignal(s, new DOMException("The operation timed out", "TimeoutError")), ms);
      return s;
    }
    static any(signals) {
      required(arguments.length, 1, "AbortSignal.any");
      const list = sequence(signals, (v) => {
        if (!isAbortSignal(v)) throw new TypeError("AbortSignal.any: a member is not an AbortSignal");
        return v;
      }, "AbortSignal.any: parameter 1");
      return anySignal(list);
    }
    get aborted() { return this.#aborted; }
    get reason() { return this.#reason; }
    throwIfAborted() { if (this.#aborted) throw this.#reason; }
    static {
      isAbortSignal = (v) => isObject(v) && #aborted in v;
      isAborted = (s) => s.#aborted;
      reasonOf = (s) => s.#reason;
      newSignal = () => new AbortSignal(illegal);
      addAlgorithm = (s, fn) => {
        if (s.#aborted) return;
        (s.#algorithms ??= new SafeSet()).add(fn);
      };
      removeAlgorithm = (s, fn) => { s.#algorithms?.delete(fn); };
      const mark = (s, reason) => {
        s.#aborted = true;
        s.#reason = reason;
      };
      const run = (s) => {
        const algorithms = s.#algorithms;
        s.#algorithms = undefined;
        if (algorithms !== undefined) {
          SetPrototypeForEach(algorithms, (fn) => {
            try {
              fn(s.#reason);
            } catch (e) {
              core.reportError(e);
            }
          });
        }
        fire(s, new Event("abort"));
      };
      abortSignal = (s, reason) => {
        if (s.#aborted) return;
        mark(s, reason === undefined ? new DOMException("This operation was aborted", "AbortError") : reason);
        const after = [];
        if (s.#dependents !== undefined) {
          SetPrototypeForEach(s.#dependents, (d) => {
            if (!d.#aborted) {
              mark(d, s.#reason);
              ArrayPrototypePush(after, d);
            }
          });
          s.#dependents = undefined;
        }
        run(s);
        for (let i = 0; i < after.length; i++) run(after[i]);
      };
      release = (s) => {
        if (s.#sources === undefined) return;
        SetPrototypeForEach(s.#sources, (source) => { source.#dependents?.delete(s); });
        s.#sources = undefined;
      };
      anySignal = (list) => {
        const result = new AbortSignal(illegal);
        for (let i = 0; i < list.length; i++) {
          if (list[i].#aborted) {
            mark(result, list[i].#reason);
            return result;
          }
        }
        result.#dependent = true;
        result.#sources = new SafeSet();
        const link = (source) => {
          result.#sources.add(source);
          (source.#dependents ??= new SafeSet()).add(result);
        };
        for (let i = 0; i < list.length; i++) {
          const s = list[i];
          if (!s.#dependent) link(s);
          else if (s.#sources !== undefined) SetPrototypeForEach(s.#sources, link);
        }
        return result;
      };
    }
  }
  define(AbortSignal, "AbortSignal", ["abort", "timeout", "any"]);
  handlerAttribute(AbortSignal, "abort");

  class AbortController {
    #signal = newSignal();
    get signal() { return this.#signal; }
    abort(reason = undefined) { abortSignal(this.#signal, reason); }
  }
  define(AbortController, "AbortController");

  // makeSignal is for ctx.signal.
  function makeSignal() {
    const signal = newSignal();
    return { signal, abort: (reason) => abortSignal(signal, reason) };
  }

  return { AbortController, AbortSignal, isAbortSignal, isAborted, reasonOf, addAlgorithm, removeAlgorithm, abortSignal, newSignal, anySignal, release, makeSignal };
});
