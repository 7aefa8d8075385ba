// The editor: CodeMirror in a shadow root, where its style sheets are constructed ones (the page's policy admits no <style>), with one
// state for each file of the script and the TypeScript service beside it.

import { acceptCompletion, autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, type Completion, type CompletionContext, type CompletionResult } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { javascript } from "@codemirror/lang-javascript";
import { bracketMatching, codeFolding, foldGutter, foldKeymap, indentOnInput, indentUnit } from "@codemirror/language";
import { lintGutter, lintKeymap, linter, setDiagnostics, type Diagnostic } from "@codemirror/lint";
import { highlightSelectionMatches, openSearchPanel, search, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState, StateEffect, StateField, Transaction, type Extension, type Text } from "@codemirror/state";
import {
  crosshairCursor, drawSelection, dropCursor, EditorView, highlightActiveLine, highlightActiveLineGutter, hoverTooltip, keymap, lineNumbers,
  rectangularSelection, showTooltip, type Tooltip,
} from "@codemirror/view";
import type { Mark } from "./protocol";
import { TypeScriptService } from "./service";
import { specials } from "./special";
import { theme } from "./theme";

export interface Source {
  // files by name; a script of one source has one file without a name.
  files: Record<string, string>;
  main: string;
}

// UploadError is a place that the node named when it refused a source. Line and column count from 1, the column in characters.
export interface UploadError {
  file: string;
  line: number;
  column: number;
  message: string;
}

export interface Problem {
  file: string;
  from: number;
  line: number;
  column: number;
  severity: "error" | "warning" | "hint" | "info";
  message: string;
  source: string;
}

export interface EditorOptions {
  parent: HTMLElement;
  source: Source;
  readOnly?: boolean;
  // changed is told after every change of a text, of the files, and of what is shown.
  changed?(): void;
  // problems is told what the service and the last upload have found.
  problems?(problems: Problem[]): void;
  save?(): void;
}

const setUpload = StateEffect.define<Diagnostic[]>();

// The errors of the last upload, where their text has moved to. One whose line is edited is gone.
const uploadErrors = StateField.define<Diagnostic[]>({
  create: () => [],
  update(held, tr) {
    for (const e of tr.effects) if (e.is(setUpload)) return e.value;
    if (!tr.docChanged || !held.length) return held;
    return held.flatMap((d) => {
      const line = tr.startState.doc.lineAt(d.from);
      if (tr.changes.touchesRange(line.from, line.to)) return [];
      return [{ ...d, from: tr.changes.mapPos(d.from), to: tr.changes.mapPos(d.to) }];
    });
  },
});

// place is the offset of a line and a column in characters.
function place(doc: Text, line: number, column: number): number {
  const l = doc.line(Math.min(Math.max(line, 1), doc.lines));
  return l.from + [...l.text].slice(0, Math.max(column - 1, 0)).join("").length;
}

const wordAt = (doc: Text, at: number) => {
  const line = doc.lineAt(at);
  const found = /^[\w$]+|^\S/.exec(line.text.slice(at - line.from));
  return Math.min(at + (found?.[0].length ?? 1), line.to);
};

function tip(type: string, text: string): HTMLElement {
  const dom = document.createElement("div");
  dom.className = "ed-tip";
  const code = document.createElement("code");
  code.textContent = type;
  dom.append(code);
  if (text) {
    const p = document.createElement("p");
    p.textContent = text;
    dom.append(p);
  }
  return dom;
}

const kinds: Record<string, string> = {
  method: "method", function: "function", "local function": "function", property: "property", getter: "property", setter: "property", const: "constant", let: "variable", var: "variable",
  parameter: "variable", class: "class", interface: "interface", type: "type", alias: "type", enum: "enum", keyword: "keyword", module: "namespace", string: "text",
};

export class ScriptEditor {
  readonly view: EditorView;
  readonly service: TypeScriptService | null;
  #states = new Map<string, EditorState>();
  #saved: Source;
  #main: string;
  #file: string;
  #options: EditorOptions;
  #marks = new Map<string, Problem[]>();
  #readOnly = new Compartment();

  constructor(options: EditorOptions) {
    this.#options = options;
    this.#saved = { files: { ...options.source.files }, main: options.source.main };
    this.#main = options.source.main;
    this.#file = options.source.main;
    const root = options.parent.shadowRoot ?? options.parent.attachShadow({ mode: "open" });
    const style = new CSSStyleSheet();
    style.replaceSync(":host { display: block; min-height: 0 } .ed-root { height: 100% }");
    root.adoptedStyleSheets = [...root.adoptedStyleSheets, style];
    const parent = document.createElement("div");
    parent.className = "ed-root";
    root.append(parent);
    let service: TypeScriptService | null = null;
    if (!options.readOnly) {
      try {
        service = new TypeScriptService(() => this.source);
      } catch { /* without it there is an editor all the same */ }
    }
    this.service = service;
    for (const [name, text] of Object.entries(options.source.files)) this.#states.set(name, this.#stateOf(name, text));
    this.view = new EditorView({ parent, root, state: this.#states.get(this.#file) });
  }

  get file() { return this.#file; }
  get files() { return [...this.#states.keys()]; }
  get main() { return this.#main; }
  get source(): Source {
    const files: Record<string, string> = {};
    for (const name of this.#states.keys()) files[name] = this.#state(name).doc.toString();
    return { files, main: this.#main };
  }
  get dirty() {
    if (this.#main !== this.#saved.main || this.#states.size !== Object.keys(this.#saved.files).length) return true;
    return this.files.some((name) => this.dirtyFile(name));
  }
  dirtyFile(name: string) { return this.#saved.files[name] !== this.#state(name).doc.toString(); }

  // saved says that a source is what the node has now.
  saved(source: Source) {
    this.#saved = { files: { ...source.files }, main: source.main };
    this.#options.changed?.();
  }

  // replace shows another source; what the node has is that too where saved is given.
  replace(source: Source, saved: boolean) {
    if (saved) this.#saved = { files: { ...source.files }, main: source.main };
    const kept = new Set(Object.keys(source.files));
    for (const name of this.files) if (!kept.has(name)) this.#states.delete(name);
    this.#main = source.main;
    for (const [name, text] of Object.entries(source.files)) this.#states.set(name, this.#stateOf(name, text));
    this.#marks.clear();
    this.#file = kept.has(this.#file) ? this.#file : source.main;
    const state = this.#states.get(this.#file);
    if (state) this.view.setState(state);
    this.#tell();
  }

  // open shows a file, and a place of it.
  open(name: string, at?: number) {
    const state = this.#states.get(name);
    if (!state) return;
    if (name !== this.#file) {
      this.#states.set(this.#file, this.view.state);
      this.#file = name;
      this.view.setState(state);
      this.#refresh();
    }
    if (at !== undefined) this.view.dispatch({ selection: { anchor: Math.min(at, this.view.state.doc.length) }, effects: EditorView.scrollIntoView(at, { y: "center" }) });
    this.#options.changed?.();
  }

  add(name: string, text = "") {
    this.#states.set(name, this.#stateOf(name, text));
    this.open(name);
    this.view.focus();
  }

  rename(from: string, to: string) {
    const source = this.source;
    const at = this.#file;
    const files: Record<string, string> = {};
    for (const [name, text] of Object.entries(source.files)) files[name === from ? to : name] = text;
    this.replace({ files, main: source.main === from ? to : source.main }, false);
    this.open(at === from ? to : at);
  }

  remove(name: string) {
    const { files, main } = this.source;
    delete files[name];
    this.replace({ files, main }, false);
  }

  makeMain(name: string) {
    this.#main = name;
    this.#refresh();
    this.#options.changed?.();
  }

  // refused shows the places that the node named.
  refused(errors: UploadError[]) {
    this.#states.set(this.#file, this.view.state);
    for (const name of this.files) {
      const doc = this.#state(name).doc;
      const found = errors.filter((e) => e.file === name).map((e): Diagnostic => {
        const from = place(doc, e.line, e.column);
        return { from, to: wordAt(doc, from), severity: "error", message: e.message, source: "upload" };
      });
      if (name === this.#file) this.view.dispatch({ effects: setUpload.of(found) });
      else this.#states.set(name, this.#state(name).update({ effects: setUpload.of(found) }).state);
    }
    const first = errors.find((e) => this.#states.has(e.file));
    if (first) this.open(first.file, place(this.#state(first.file).doc, first.line, first.column));
    void this.#check(this.#file, this.view.state).then((marks) => this.view.dispatch(setDiagnostics(this.view.state, marks)));
  }

  find() { openSearchPanel(this.view); }
  focus() { this.view.focus(); }
  setReadOnly(readOnly: boolean) {
    this.view.dispatch({ effects: this.#readOnly.reconfigure(readOnlyOf(readOnly)) });
  }

  close() {
    this.service?.close();
    this.view.destroy();
  }

  #state(name: string) { return name === this.#file && this.view ? this.view.state : this.#states.get(name)!; }

  #refresh() {
    if (this.service) void this.#check(this.#file, this.view.state).then((marks) => this.view.dispatch(setDiagnostics(this.view.state, marks)));
  }

  #tell() {
    this.#options.changed?.();
    this.#options.problems?.([...this.#marks.values()].flat());
  }

  // check asks the service about a file, and adds what the last upload found there.
  async #check(file: string, state: EditorState): Promise<Diagnostic[]> {
    let marks: Mark[] = [];
    try {
      marks = (await this.service?.check(file)) ?? [];
    } catch { /* the worker does not run; upload errors are shown all the same */ }
    const now = this.#state(file);
    if (now.doc !== state.doc) return []; // another check is under way
    const length = state.doc.length;
    const uploaded = now.field(uploadErrors, false) ?? [];
    const found: Diagnostic[] = marks.map((m) => ({
      from: Math.min(m.from, length), to: Math.min(m.to, length), severity: m.severity, message: m.message, source: `ts${m.code}`,
    }));
    const all = [...uploaded, ...found];
    this.#marks.set(file, all.filter((d) => d.severity !== "hint").map((d) => {
      const line = state.doc.lineAt(d.from);
      return { file, from: d.from, line: line.number, column: d.from - line.from + 1, severity: d.severity, message: d.message, source: d.source ?? "" };
    }));
    this.#tell();
    return all;
  }

  async #complete(context: CompletionContext): Promise<CompletionResult | null> {
    const word = context.matchBefore(/[\w$]+/);
    const before = context.state.sliceDoc(Math.max(0, context.pos - 1), context.pos);
    if (!word && !context.explicit && !/[."'`/@]/.test(before)) return null;
    const service = this.service;
    if (!service) return null;
    const file = this.#file;
    const found = await service.complete(file, context.pos).catch(() => null);
    if (!found || context.aborted || !found.items.length) return null;
    if (!found.member && !word && !context.explicit && !/["'`/]/.test(before)) return null;
    const at = context.pos;
    return {
      from: found.from ?? word?.from ?? context.pos,
      validFor: /^[\w$]*$/,
      options: found.items.map((i): Completion => ({
        label: i.label, apply: i.insert, type: kinds[i.kind] ?? "text", boost: i.sort <= "11" ? 2 : i.kind === "keyword" ? -2 : 0, detail: i.deprecated ? "deprecated" : undefined,
        info: async () => {
          const d = await service.details(file, at, i.label).catch(() => null);
          return d ? tip(d.type, d.text) : null;
        },
      })),
    };
  }

  #stateOf(name: string, text: string): EditorState {
    const service = this.service;
    const typed = !name.endsWith(".json");
    const services: Extension[] = service && typed ? [
      linter((view) => this.#check(this.#file, view.state), { delay: 350, needsRefresh: (u) => u.transactions.some((tr) => tr.effects.some((e) => e.is(setUpload))) }),
      lintGutter({ markerFilter: (found) => found.filter((d) => d.severity !== "hint") }), // what is not used is faint, and no fault
      autocompletion({ override: [(c) => this.#complete(c)], icons: true, activateOnTyping: true }),
      hoverTooltip(async (_view, at) => {
        const h = await service.hover(this.#file, at).catch(() => null);
        return h?.type ? { pos: h.from, end: h.to, above: true, create: () => ({ dom: tip(h.type, h.text) }) } : null;
      }),
      signatureHelp(service, () => this.#file),
    ] : [linter(() => []), lintGutter()];
    return EditorState.create({
      doc: text,
      extensions: [
        lineNumbers(), highlightActiveLineGutter(), specials(), history(), foldGutter(), codeFolding(), drawSelection(), dropCursor(),
        EditorState.allowMultipleSelections.of(true), indentOnInput(), bracketMatching(), closeBrackets(), rectangularSelection(), crosshairCursor(),
        highlightActiveLine(), highlightSelectionMatches(), search({ top: true }), indentUnit.of("  "), EditorState.tabSize.of(2),
        typed ? javascript({ typescript: true, jsx: /\.[jt]sx$/.test(name) }) : [],
        uploadErrors, services, theme, this.#readOnly.of(readOnlyOf(this.#options.readOnly ?? false)),
        EditorView.contentAttributes.of({ "aria-label": name ? `Source of ${name}` : "Source", spellcheck: "false", autocapitalize: "off", tabindex: "0" }),
        keymap.of([
          { key: "Mod-s", preventDefault: true, run: () => { this.#options.save?.(); return true; } },
          { key: "Tab", run: acceptCompletion },
          ...closeBracketsKeymap, ...defaultKeymap, ...searchKeymap, ...historyKeymap, ...foldKeymap, ...completionKeymap, ...lintKeymap,
          indentWithTab, // Escape, then Tab leaves the editor; Ctrl-M lets Tab move the focus for good
        ]),
        EditorView.updateListener.of((u) => {
          if (u.docChanged) this.#options.changed?.();
        }),
      ],
    });
  }
}

const readOnlyOf = (readOnly: boolean) => [EditorState.readOnly.of(readOnly), EditorView.editable.of(!readOnly)];

// signatureHelp shows a call's parameters while they are written.
function signatureHelp(service: TypeScriptService, file: () => string): Extension {
  const show = StateEffect.define<Tooltip | null>();
  const field = StateField.define<Tooltip | null>({
    create: () => null,
    update(held, tr) {
      for (const e of tr.effects) if (e.is(show)) return e.value;
      return held && tr.docChanged ? { ...held, pos: tr.changes.mapPos(held.pos) } : held;
    },
    provide: (f) => showTooltip.from(f),
  });
  let turn = 0;
  const ask = async (view: EditorView) => {
    const mine = ++turn;
    const at = view.state.selection.main.head;
    const s = await service.signature(file(), at).catch(() => null);
    if (mine !== turn || view.state.selection.main.head !== at) return;
    view.dispatch({
      effects: show.of(s ? {
        pos: at, above: true, create() {
          const dom = document.createElement("div");
          dom.className = "ed-tip";
          const code = document.createElement("code");
          code.append(s.before);
          s.parameters.forEach((p, i) => {
            if (i) code.append(s.separator);
            const part = document.createElement(i === s.argument ? "b" : "span");
            part.textContent = p;
            code.append(part);
          });
          code.append(s.after);
          dom.append(code);
          return { dom };
        },
      } : null),
      annotations: Transaction.addToHistory.of(false),
    });
  };
  return [field, EditorView.updateListener.of((u) => {
    if (!u.docChanged && !u.selectionSet) return;
    const head = u.state.selection.main.head;
    const typed = u.docChanged ? u.state.sliceDoc(head - 1, head) : "";
    if (u.state.field(field) || typed === "(" || typed === ",") void ask(u.view);
  })];
}
