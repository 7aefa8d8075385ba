// The TypeScript service of the editor, in a worker of its own: it checks the script's files against the types of what scripts see
// (/jsruntime.d.ts of this node), the library of ECMAScript, and nothing of a browser. It runs nothing of what it reads.

import ts from "typescript";
import { contextual, toEdited, toShown, type Edited } from "../editor/contextual";
import type { Answer, Check, Completions, Hover, Mark, Question, Signature } from "../editor/protocol";
// What esbuild makes of TypeScript's lib.es2023.d.ts and of what it refers to: name → text.
import libraries from "virtual:typescript-libraries";

const root = "/script/";
const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  lib: ["lib.es2023.d.ts"],
  types: [],
  strict: true,
  // Most scripts are plain JavaScript in a file that may hold types: what has none is any.
  noImplicitAny: false,
  useUnknownInCatchVariables: false,
  allowJs: true,
  checkJs: true,
  allowImportingTsExtensions: true,
  resolveJsonModule: true,
  jsx: ts.JsxEmit.Preserve,
  noEmit: true,
  skipLibCheck: true,
  forceConsistentCasingInFileNames: true,
};

// Modules that the runtime has and whose types are those of @types/node, which is not here: anything goes.
const nodeModules = ["async_hooks", "assert", "buffer", "crypto", "events", "path", "querystring", "stream", "string_decoder", "url", "util"]
  .flatMap((name) => [name, `node:${name}`])
  .map((name) => `declare module "${name}";`)
  .join("\n");

interface Held {
  version: number;
  edited: Edited;
}

const files = new Map<string, Held>();
const fixed = new Map<string, string>([["/node.d.ts", nodeModules]]);
for (const [name, text] of Object.entries(libraries)) fixed.set(`/${name}`, text);
let main = "";

const textOf = (name: string) => fixed.get(name) ?? files.get(name)?.edited.text;

const host: ts.LanguageServiceHost = {
  getCompilationSettings: () => options,
  getScriptFileNames: () => ["/jsruntime.d.ts", "/node.d.ts", ...files.keys()],
  getScriptVersion: (name) => String(files.get(name)?.version ?? 0),
  getScriptSnapshot: (name) => {
    const text = textOf(name);
    return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
  },
  getCurrentDirectory: () => root,
  getDefaultLibFileName: () => "/lib.es2023.d.ts",
  fileExists: (name) => textOf(name) !== undefined,
  readFile: textOf,
  directoryExists: (name) => name === "/" || [...files.keys()].some((f) => f.startsWith(name.replace(/\/?$/, "/"))),
  getDirectories: () => [],
};

const service = ts.createLanguageService(host);
const ready = fetch("/jsruntime.d.ts").then(async (r) => {
  if (!r.ok) throw new Error(`/jsruntime.d.ts: ${r.status}`);
  fixed.set("/jsruntime.d.ts", await r.text());
});

// nameOf is a file's name for the service. A name without an extension that TypeScript reads is one of the script's only source.
const nameOf = (file: string) => root + (/\.([cm]?[jt]sx?|json)$/.test(file) ? file : `${file || "source"}.ts`);

function set(given: Record<string, string>, mainFile: string) {
  const names = new Set(Object.keys(given).map(nameOf));
  for (const name of files.keys()) if (!names.has(name)) files.delete(name);
  main = nameOf(mainFile);
  for (const [file, text] of Object.entries(given)) {
    const name = nameOf(file);
    const held = files.get(name);
    const edited = name === main ? contextual(ts, text) : { text, at: Infinity, length: 0 };
    if (held?.edited.text !== edited.text) files.set(name, { version: (held?.version ?? 0) + 1, edited });
  }
}

const flat = (parts?: ts.SymbolDisplayPart[]) => ts.displayPartsToString(parts);
const edited = (name: string): Edited => files.get(name)?.edited ?? { text: "", at: Infinity, length: 0 };

function check(file: string): Check {
  const name = nameOf(file);
  if (!files.has(name) || name.endsWith(".json")) return [];
  const here = edited(name);
  const mark = (d: ts.Diagnostic): Mark => {
    const from = toShown(here, d.start ?? 0);
    return {
      from, to: Math.max(toShown(here, (d.start ?? 0) + (d.length ?? 0)), from), code: d.code,
      severity: d.category === ts.DiagnosticCategory.Error ? "error" : d.category === ts.DiagnosticCategory.Warning ? "warning" : "hint",
      message: ts.flattenDiagnosticMessageText(d.messageText, "\n"), unnecessary: Boolean(d.reportsUnnecessary),
    };
  };
  const found = [...service.getSyntacticDiagnostics(name), ...service.getSemanticDiagnostics(name)].map(mark);
  return [...found, ...service.getSuggestionDiagnostics(name).filter((d) => d.reportsUnnecessary || d.reportsDeprecated).map(mark)];
}

function complete(file: string, at: number): Completions {
  const name = nameOf(file);
  const found = service.getCompletionsAtPosition(name, toEdited(edited(name), at), { includeCompletionsForModuleExports: false, includeCompletionsWithInsertText: true });
  if (!found) return { items: [], member: false };
  const span = found.optionalReplacementSpan;
  return {
    from: span && toShown(edited(name), span.start), member: found.isMemberCompletion,
    items: found.entries.slice(0, 2000).map((e) => ({ label: e.name, kind: e.kind, sort: e.sortText, insert: e.insertText, deprecated: e.kindModifiers?.includes("deprecated") ?? false })),
  };
}

function details(file: string, at: number, label: string): Hover | null {
  const name = nameOf(file);
  const d = service.getCompletionEntryDetails(name, toEdited(edited(name), at), label, {}, undefined, {}, undefined);
  return d ? { from: at, to: at, type: flat(d.displayParts), text: flat(d.documentation) } : null;
}

function hover(file: string, at: number): Hover | null {
  const name = nameOf(file);
  const info = service.getQuickInfoAtPosition(name, toEdited(edited(name), at));
  if (!info) return null;
  const from = toShown(edited(name), info.textSpan.start);
  return { from, to: from + info.textSpan.length, type: flat(info.displayParts), text: flat(info.documentation) };
}

function signature(file: string, at: number): Signature | null {
  const name = nameOf(file);
  const help = service.getSignatureHelpItems(name, toEdited(edited(name), at), {});
  const item = help?.items[help.selectedItemIndex];
  if (!help || !item) return null;
  const argument = Math.min(help.argumentIndex, item.parameters.length - 1);
  const parameters = item.parameters.map((p) => flat(p.displayParts));
  return {
    before: flat(item.prefixDisplayParts), parameters, separator: flat(item.separatorDisplayParts), after: flat(item.suffixDisplayParts),
    argument, text: flat(item.parameters[argument]?.documentation) || flat(item.documentation),
  };
}

function answer(q: Question): unknown {
  if (q.files) set(q.files, q.main ?? "");
  switch (q.ask) {
    case "check": return check(q.file);
    case "complete": return complete(q.file, q.at);
    case "details": return details(q.file, q.at, q.label);
    case "hover": return hover(q.file, q.at);
    case "signature": return signature(q.file, q.at);
  }
}

addEventListener("message", async (event: MessageEvent<Question>) => {
  const { id } = event.data;
  let reply: Answer;
  try {
    await ready;
    reply = { id, value: answer(event.data) };
  } catch (e) {
    reply = { id, error: e instanceof Error ? e.message : String(e) };
  }
  postMessage(reply);
});
