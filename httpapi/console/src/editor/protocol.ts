// What the editor and its TypeScript worker say to each other. Positions are offsets in the text that the author sees.

// Ask is one question. files are the script's files where they changed since the last question, with the name of the main one.
export type Ask =
  | { ask: "check"; file: string }
  | { ask: "complete" | "hover" | "signature"; file: string; at: number }
  | { ask: "details"; file: string; at: number; label: string };

export type Question = Ask & { id: number; files?: Record<string, string>; main?: string };

export interface Answer {
  id: number;
  value?: unknown;
  error?: string;
}

export interface Mark {
  from: number;
  to: number;
  severity: "error" | "warning" | "hint";
  message: string;
  code: number;
  unnecessary: boolean;
}

export type Check = Mark[];

export interface Completions {
  from?: number;
  member: boolean;
  items: { label: string; kind: string; sort: string; insert?: string; deprecated: boolean }[];
}

export interface Hover {
  from: number;
  to: number;
  type: string;
  text: string;
}

export interface Signature {
  before: string;
  parameters: string[];
  separator: string;
  after: string;
  argument: number;
  text: string;
}
