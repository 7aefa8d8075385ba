// Handlers without types get those of the runtime: for the service, `export default { … }` of the main file reads
// `export default { … } satisfies Handlers & …`, so that request, env and ctx have types though the author wrote none.

import type ts from "typescript";

// Edited is a text with something put in at a place.
export interface Edited {
  text: string;
  at: number;
  length: number;
}

// The index signature lets an author keep other members beside the handlers; unknown leaves the handlers' types as they are.
const clause = ` satisfies import("jsruntime").Handlers & { [other: string]: unknown }`;

export function contextual(t: typeof ts, text: string): Edited {
  const file = t.createSourceFile("main.ts", text, t.ScriptTarget.ES2022, false, t.ScriptKind.TS);
  for (const s of file.statements) {
    if (t.isExportAssignment(s) && !s.isExportEquals && t.isObjectLiteralExpression(s.expression)) {
      const at = s.expression.end;
      return { text: text.slice(0, at) + clause + text.slice(at), at, length: clause.length };
    }
  }
  return { text, at: Infinity, length: 0 };
}

// toEdited and toShown lead from a place in the author's text to that in the service's, and back.
export const toEdited = (e: Edited, at: number) => (at > e.at ? at + e.length : at);
export const toShown = (e: Edited, at: number) => (at <= e.at ? at : Math.max(e.at, at - e.length));
