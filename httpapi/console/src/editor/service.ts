// The page's side of the TypeScript worker.

import { startWorker } from "../lib/worker";
import type { Answer, Ask, Check, Completions, Hover, Question, Signature } from "./protocol";

declare const WORKER_TYPESCRIPT: string;

// TypeScriptService checks the files of one script. One that could not be started answers nothing: the editor works without it.
export class TypeScriptService {
  #worker: Worker;
  #next = 1;
  #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #sent: { files: Record<string, string>; main: string } | null = null;
  // failed is why the worker does not run.
  failed: string | null = null;

  constructor(private current: () => { files: Record<string, string>; main: string }) {
    this.#worker = startWorker(WORKER_TYPESCRIPT);
    this.#worker.onmessage = (event: MessageEvent<Answer>) => {
      const { id, value, error } = event.data;
      const asked = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) asked?.resolve(value);
      else asked?.reject(new Error(error));
    };
    this.#worker.onerror = (event) => {
      this.failed = event.message || "the worker did not load";
      for (const asked of this.#waiting.values()) asked.reject(new Error(this.failed));
      this.#waiting.clear();
    };
  }

  // The worker gets the files with the first question after they changed, so that both speak of the same text.
  #ask(question: Ask): Promise<unknown> {
    if (this.failed) return Promise.reject(new Error(this.failed));
    const id = this.#next++;
    const sent: Question = { ...question, id };
    const now = this.current();
    if (!this.#sent || this.#sent.main !== now.main || !same(this.#sent.files, now.files)) {
      this.#sent = now;
      Object.assign(sent, now);
    }
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage(sent);
    });
  }

  check = (file: string) => this.#ask({ ask: "check", file }) as Promise<Check>;
  complete = (file: string, at: number) => this.#ask({ ask: "complete", file, at }) as Promise<Completions>;
  details = (file: string, at: number, label: string) => this.#ask({ ask: "details", file, at, label }) as Promise<Hover | null>;
  hover = (file: string, at: number) => this.#ask({ ask: "hover", file, at }) as Promise<Hover | null>;
  signature = (file: string, at: number) => this.#ask({ ask: "signature", file, at }) as Promise<Signature | null>;

  close() {
    this.#worker.terminate();
    for (const asked of this.#waiting.values()) asked.reject(new Error("closed"));
    this.#waiting.clear();
  }
}

function same(a: Record<string, string>, b: Record<string, string>) {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
