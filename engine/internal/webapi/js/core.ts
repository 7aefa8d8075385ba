// Types of core, for the check of these files by TypeScript (TestTypesOfTheJavaScript). doc.go says what each member is. Files, with an
// entry for each file, is made by the test.
import type { Files } from "./files.ts";

export type FileTable = Files & { primordials(into: object, uncurryThis: Function, typedArray: Function, prototypes: object): void };

export interface Texts {
  text: string;
  bytes: Uint8Array | undefined;
  table: unknown;
  read: number;
  [getter: string]: any;
}

export interface Frames {
  used: boolean;
  outside: boolean;
  get(): unknown[] | undefined;
  set(frame: unknown[] | undefined): void;
  take(): unknown[] | undefined;
  run(frame: unknown[] | undefined, fn: Function, self: unknown, args: unknown[]): any;
  clear(): void;
}

export interface Source {
  read(): Promise<Uint8Array | null>;
  cancel(reason?: unknown): unknown;
}

export interface Call {
  promise: Promise<{ value: any; bytes: Uint8Array | null; stream: Source | null }>;
  cancel(): void;
}

export interface Core {
  __proto__?: null;
  primordials: { [name: string]: any };
  files: FileTable;
  use<Name extends keyof Files>(name: Name): ReturnType<Files[Name]>;
  native(op: string, text?: string, bytes?: Uint8Array | null): any;
  texts: Texts;
  hostCall(method: string, args?: unknown, bytes?: Uint8Array | null, source?: Source): Call;
  now(): number;
  execution: any;
  log(level: number, text: string): void;
  /** The stack of an error with those of its causes; empty where v has none. */
  stackOf(v: unknown): string;
  inspect(value: unknown, options?: object): string;
  reportError(error: unknown): void;
  report(error: unknown): void;
  setTimer(fn: () => void, ms: number, repeat: boolean, what?: string): number;
  clearTimer(id: number): void;
  frames: Frames;
  lazy(make: (name: string) => unknown, hidden: string, shown: string): void;
}
