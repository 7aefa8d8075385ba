// Two texts side by side, or one under the other where the page is narrow, with what differs marked.

import { javascript } from "@codemirror/lang-javascript";
import { MergeView, unifiedMergeView } from "@codemirror/merge";
import { EditorState } from "@codemirror/state";
import { EditorView, lineNumbers } from "@codemirror/view";
import { specials } from "./special";
import { theme } from "./theme";

export interface DiffView {
  close(): void;
}

export function showDiff(parent: HTMLElement, before: string, after: string, labels: [string, string], narrow: boolean): DiffView {
  const root = parent.shadowRoot ?? parent.attachShadow({ mode: "open" });
  const style = new CSSStyleSheet();
  style.replaceSync(":host { display: block } .cm-mergeView { height: 100%; overflow: auto } .cm-editor { height: auto !important }");
  root.adoptedStyleSheets = [...root.adoptedStyleSheets, style];
  const box = document.createElement("div");
  root.replaceChildren(box);
  const shared = (label: string) => [
    lineNumbers(), specials(), javascript({ typescript: true }), theme, EditorState.readOnly.of(true), EditorView.editable.of(false), EditorView.lineWrapping,
    EditorView.contentAttributes.of({ "aria-label": label, tabindex: "0" }),
  ];
  if (narrow) {
    const view = new EditorView({
      parent: box, root, doc: after,
      extensions: [shared(labels[1]), unifiedMergeView({ original: before, mergeControls: false, gutter: true, collapseUnchanged: { margin: 3, minSize: 6 } })],
    });
    return { close: () => view.destroy() };
  }
  const view = new MergeView({
    parent: box, root, a: { doc: before, extensions: shared(labels[0]) }, b: { doc: after, extensions: shared(labels[1]) },
    collapseUnchanged: { margin: 3, minSize: 6 }, gutter: true, highlightChanges: true,
  });
  return { close: () => view.destroy() };
}
