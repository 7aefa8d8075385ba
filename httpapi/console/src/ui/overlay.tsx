// What lies over a page: dialogs, questions, toasts.

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { APIError } from "../lib/api";

/** Dialog is a native dialog: it keeps the focus, Escape closes it, and the focus returns to where it was. */
export function Dialog({ title, label, onClose, children, large, class: name }: { title?: string; label?: string; onClose: () => void; children: ComponentChildren; large?: boolean; class?: string }) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement as HTMLElement | null;
    dialog?.showModal();
    // The first field, not the cross that closes; a question has its own place for the focus.
    if (!dialog?.querySelector("[autofocus]")) dialog?.querySelector<HTMLElement>(".body :is(input, textarea, select):not(:disabled)")?.focus();
    return () => {
      dialog?.close();
      const to = before?.isConnected && before !== document.body ? before : document.querySelector<HTMLElement>("dialog[open]") ?? document.getElementById("main"); // its row may be gone
      to?.focus({ preventScroll: true });
    };
  }, []);
  return <dialog ref={ref} class={`${large ? "large" : ""} ${name ?? ""}`} {...(title ? { "aria-labelledby": id } : label ? { "aria-label": label } : {})}
    onCancel={(e) => { e.preventDefault(); onClose(); }} onClick={(e) => { if (e.target === e.currentTarget) onClose(); }}>
    {title ? <header><h2 id={id}>{title}</h2><button type="button" class="button quiet small" aria-label="Close" onClick={onClose}>✕</button></header> : null}
    {title ? <div class="body">{children}</div> : children}
  </dialog>;
}

// ---- toasts and questions, from anywhere

interface Toast { id: number; bad: boolean; content: ComponentChildren }
interface Question { title: string; text?: ComponentChildren; action: string; danger: boolean; typed?: string; done: (yes: boolean) => void }
let toasts: Toast[] = [];
let question: Question | null = null;
let redraw = () => {};
let last = 0;

function drop(id: number) { toasts = toasts.filter((t) => t.id !== id); redraw(); }
/** toast says that something was done. */
export function toast(content: ComponentChildren, bad = false): void {
  const id = ++last;
  toasts = [...toasts.slice(-3), { id, bad, content }];
  redraw();
  setTimeout(() => drop(id), bad ? 15_000 : 5_000);
}
/** fail says why something could not be done. */
export function fail(e: unknown): void {
  if (e instanceof APIError && e.status === 401) return; // the sign-in page says it
  if (e instanceof APIError && e.code === "csrf_token_invalid") { toast("This browser was signed in anew meanwhile. Try again.", true); return; }
  const faults = e instanceof APIError ? e.faults.map((f) => `${f.location.replace(/^body\./, "")}: ${f.message}`) : [];
  toast([e instanceof Error ? e.message : String(e), ...faults].join("\n"), true);
}
/** confirm asks before something that cannot be undone. typed: a word that must be typed, for what is worst. */
export function confirm(title: string, options: { text?: ComponentChildren; action?: string; danger?: boolean; typed?: string } = {}): Promise<boolean> {
  question?.done(false);
  return new Promise((resolve) => {
    question = { title, action: options.action ?? "Go on", danger: options.danger ?? false, ...(options.text ? { text: options.text } : {}), ...(options.typed ? { typed: options.typed } : {}), done: (yes) => { question = null; redraw(); resolve(yes); } };
    redraw();
  });
}

/** Overlays draws toasts and questions; the frame has one. */
export function Overlays() {
  const [, again] = useState(0);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => { redraw = () => again((n) => n + 1); return () => { redraw = () => {}; }; }, []);
  useEffect(() => { // above an open dialog
    const e = box.current;
    if (!e || !("showPopover" in e)) return;
    if (e.matches(":popover-open")) e.hidePopover();
    if (toasts.length) e.showPopover();
  });
  return <>
    <div class="toasts" ref={box} popover="manual" role="status" aria-live="polite">
      {toasts.map((t) => <div class={`toast ${t.bad ? "bad" : ""}`} key={t.id}><div>{t.content}</div><button type="button" class="button quiet small" aria-label="Dismiss" onClick={() => drop(t.id)}>✕</button></div>)}
    </div>
    {question ? <Ask of={question} key={question.title} /> : null}
  </>;
}

function Ask({ of }: { of: Question }) {
  const [typed, setTyped] = useState("");
  const ok = !of.typed || typed === of.typed;
  return <Dialog title={of.title} onClose={() => of.done(false)}>
    {of.text ? <div class="soft">{of.text}</div> : null}
    {of.typed ? <label class="field"><span>Type <code>{of.typed}</code> to go on</span><input class="input mono" value={typed} onInput={(e) => setTyped(e.currentTarget.value)} /></label> : null}
    <div class="row" style={{ justifyContent: "flex-end" }}>
      <button type="button" class="button" onClick={() => of.done(false)}>Cancel</button>
      <button type="button" class={`button ${of.danger ? "danger" : "primary"}`} disabled={!ok} onClick={() => of.done(true)} autofocus={!of.typed}>{of.action}</button>
    </div>
  </Dialog>;
}
