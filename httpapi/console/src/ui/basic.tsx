// The small parts: buttons, fields, panels, badges, times, states.

import { type ComponentChildren, cloneElement, type TargetedSubmitEvent, type VNode } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { APIError } from "../lib/api";
import { ago, clock, dateTime, iso } from "../lib/format";
import { usePrefs } from "../lib/prefs";
import { follow, href, Link } from "../lib/router";
import { fail } from "./overlay";

type Kind = "primary" | "danger" | "quiet" | "";

/** Button runs what it does once at a time, and shows a failure of it as a toast. */
export function Button({ children, onClick, kind = "", small, type = "button", title, disabled, label, pressed }: {
  children: ComponentChildren; onClick?: () => unknown; kind?: Kind; small?: boolean; type?: "button" | "submit"; title?: string; disabled?: boolean | undefined; label?: string; pressed?: boolean;
}) {
  const [busy, setBusy] = useState(false);
  const run = async () => {
    if (busy || !onClick) return;
    const result = onClick();
    if (!(result instanceof Promise)) return;
    setBusy(true);
    try { await result; } catch (e) { fail(e); } finally { setBusy(false); }
  };
  return <button type={type} class={`button ${kind}${small ? " small" : ""}`} onClick={type === "button" ? run : undefined} title={title} disabled={disabled} aria-label={label} aria-busy={busy} aria-pressed={pressed}>{children}</button>;
}

export function ButtonLink({ to, children, kind = "", small }: { to: string; children: ComponentChildren; kind?: Kind; small?: boolean }) {
  return <a href={to} onClick={follow} class={`button ${kind}${small ? " small" : ""}`}>{children}</a>;
}

/** PageHead is the head of a page: where it is, its title, what can be done. */
export function PageHead({ title, crumbs, children, actions }: { title: ComponentChildren; crumbs?: [string, string][]; children?: ComponentChildren; actions?: ComponentChildren }) {
  // The name of what is shown is the name of the browser's tab, among many.
  useEffect(() => { if (typeof title === "string") document.title = `${title} · jsruntime`; }, [title]);
  return <div class="page-head">
    {crumbs ? <nav class="crumbs" aria-label="Breadcrumb">{crumbs.map(([name, to], i) => <>{i ? <span aria-hidden="true">/</span> : null}<Link to={to}>{name}</Link></>)}</nav> : null}
    <h1>{title}</h1>
    {children}
    {actions ? <div class="actions">{actions}</div> : null}
  </div>;
}

export function Panel({ title, actions, flush, children, class: name }: { title?: ComponentChildren; actions?: ComponentChildren; flush?: boolean; children: ComponentChildren; class?: string }) {
  return <section class={`panel ${name ?? ""}`}>
    {title || actions ? <header>{title ? <h2>{title}</h2> : null}{actions ? <div class="actions">{actions}</div> : null}</header> : null}
    <div class={flush ? "body flush" : "body"}>{children}</div>
  </section>;
}

export function Notice({ kind = "info", children }: { kind?: "info" | "bad" | "warn" | "good"; children: ComponentChildren }) {
  return <div class={`notice ${kind}`} role={kind === "bad" ? "alert" : "note"}>{children}</div>;
}

/** Failure shows an error of the API: what is wrong, each fault by its field, and where the code is explained. */
export function Failure({ error, retry }: { error: Error; retry?: () => unknown }) {
  const problem = error instanceof APIError ? error : null;
  return <Notice kind="bad">
    <div>{error.message}</div>
    {problem?.faults.length ? <ul>{problem.faults.map((f) => <li><code>{f.location.replace(/^body\./, "")}</code> {f.message}</li>)}</ul> : null}
    <div class="row faint">
      {problem?.code ? <code>{problem.code}</code> : null}
      {problem?.problem.execution_id ? <Link to={href(`/executions/${problem.problem.execution_id}`)}>the execution</Link> : null}
      {retry ? <Button small onClick={retry}>Try again</Button> : null}
    </div>
  </Notice>;
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return <div class="empty"><strong>{title}</strong>{children ? <div>{children}</div> : null}</div>;
}

export const Loading = () => <div class="loading" role="status">Loading…</div>;

/** Shown shows what useLoad has loaded, or that it loads, or why it could not. */
export function Shown<T>({ of, children }: { of: { data: T | undefined; error: Error | undefined; reload: () => unknown }; children: (data: T) => ComponentChildren }) {
  if (of.error && of.data === undefined) return <Failure error={of.error} retry={of.reload} />;
  if (of.data === undefined) return <Loading />;
  return <>{of.error ? <Failure error={of.error} retry={of.reload} /> : null}{children(of.data)}</>;
}

// ---- time

/** Time shows a time in the zone that the person has chosen; the pointer shows the other one. style: date and time, with milliseconds, the clock alone, or how long ago. */
export function Time({ at, style = "full" }: { at: string | null | undefined; style?: "full" | "exact" | "clock" | "ago" }) {
  const { utc } = usePrefs();
  if (!at) return <span class="faint">–</span>;
  const title = utc ? `${dateTime(at, false)} local` : `${iso(at)} (UTC)`;
  return <time dateTime={iso(at)} title={style === "ago" ? `${dateTime(at, utc)}\n${title}` : title} class="nowrap">
    {style === "ago" ? ago(at) : style === "clock" ? clock(at, utc, true) : dateTime(at, utc, style === "exact")}
  </time>;
}

// ---- status

const tones: Record<string, string> = {
  completed: "good", active: "good", succeeded: "good", delivered: "good", alive: "good", ok: "good", success: "good",
  failed: "bad", timeout: "bad", error: "bad", suspended: "bad", quarantined: "bad", refused: "bad", exhausted: "bad",
  running: "info busy", pending: "warn", paused: "warn", warn: "warn", draining: "warn", disabled: "", cancelled: "", draft: "", archived: "",
};
/** Status is a state as a dot and a word. */
export const Status = ({ value }: { value: string }) => <span class={`status ${tones[value] ?? ""}`}>{value}</span>;
export const Tag = ({ kind = "", children, title }: { kind?: "good" | "bad" | "warn" | "info" | ""; children: ComponentChildren; title?: string }) => <span class={`tag ${kind}`} title={title}>{children}</span>;

// ---- facts

/** Facts is a list of names and values; null values are left out. */
export function Facts({ of }: { of: Record<string, ComponentChildren | null | undefined> }) {
  return <dl class="facts">{Object.entries(of).filter(([, v]) => v !== null && v !== undefined).map(([k, v]) => <><dt>{k}</dt><dd>{v}</dd></>)}</dl>;
}
export function Figures({ children }: { children: ComponentChildren }) { return <div class="figures">{children}</div>; }
export function Figure({ name, value, note, to, bad }: { name: string; value: ComponentChildren; note?: ComponentChildren; to?: string | undefined; bad?: boolean }) {
  const inside = <><span class="name">{name}</span><span class={`value${bad ? " bad" : ""}`}>{value}</span>{note ? <span class="note">{note}</span> : null}</>;
  return to ? <Link to={to} class="figure">{inside}</Link> : <div class="figure">{inside}</div>;
}
/** Meter shows how much of a limit is used. */
export function Meter({ name, used, limit, format }: { name: string; used: number; limit: number | null | undefined; format: (n: number) => string }) {
  const share = limit ? used / limit : 0;
  const tone = share >= 1 ? " bad" : share >= 0.8 ? " warn" : "";
  return <div class="meter">
    <div class="line"><span>{name}</span><span class="numeric">{format(used)}{limit ? <span class="faint"> of {format(limit)}</span> : null}</span></div>
    {limit ? <div class="track" role="meter" aria-label={name} aria-valuenow={Math.round(share * 100)} aria-valuemin={0} aria-valuemax={100}><div class={`fill${tone}`} style={{ width: used > 0 ? `max(2px, ${Math.min(100, share * 100)}%)` : "0" }} /></div> : null}
  </div>;
}

// ---- fields

/** Field gives a control its label, its hint and its fault: <Field label="Name" fault={error?.fault("name")}><input class="input" …/></Field> */
export function Field({ label, hint, fault, children }: { label: string; hint?: ComponentChildren; fault?: string | undefined; children: VNode<any> }) {
  const id = useId();
  const described = [hint ? `${id}h` : "", fault ? `${id}f` : ""].filter(Boolean).join(" ");
  return <div class="field">
    <label for={id}>{label}</label>
    {cloneElement(children, { id, ...(described ? { "aria-describedby": described } : {}), ...(fault ? { "aria-invalid": "true" } : {}) })}
    {hint ? <span class="hint" id={`${id}h`}>{hint}</span> : null}
    {fault ? <span class="fault" id={`${id}f`}>{fault}</span> : null}
  </div>;
}

export function Input(props: { value: string; onInput: (v: string) => void; id?: string; type?: string; placeholder?: string | undefined; required?: boolean; disabled?: boolean; maxLength?: number; autoComplete?: string; spellcheck?: boolean; "aria-label"?: string; list?: string; mono?: boolean; [more: `aria-${string}`]: string | undefined }) {
  const { onInput, mono, ...rest } = props;
  return <input class={`input${mono ? " mono" : ""}`} autoComplete="off" {...rest as object} onInput={(e) => onInput(e.currentTarget.value)} />;
}

export function TextArea(props: { value: string; onInput: (v: string) => void; rows?: number; id?: string; disabled?: boolean; placeholder?: string; [more: `aria-${string}`]: string | undefined }) {
  const { onInput, ...rest } = props;
  return <textarea class="textarea" spellcheck={false} {...rest} onInput={(e) => onInput(e.currentTarget.value)} />;
}

/** Select is a choice of texts, or of [value, text]. */
export function Select({ options, onChange, ...rest }: { value: string; onChange: (v: string) => void; options: (string | [string, string])[]; id?: string; disabled?: boolean; [more: `aria-${string}`]: string | undefined }) {
  return <select class="select" {...rest} onChange={(e) => onChange(e.currentTarget.value)}>
    {options.map((o) => { const [v, text] = typeof o === "string" ? [o, o] : o; return <option value={v} key={v}>{text}</option>; })}
  </select>;
}

export const Check = ({ label, checked, onChange, disabled }: { label: ComponentChildren; checked: boolean; onChange: (v: boolean) => void; disabled?: boolean }) =>
  <label class="check"><input type="checkbox" checked={checked} disabled={disabled} onChange={(e) => onChange(e.currentTarget.checked)} />{label}</label>;

/** SearchInput tells of what was typed when the person stops typing. */
export function SearchInput({ value, onSearch, placeholder = "Search", label = placeholder }: { value: string; onSearch: (v: string) => void; placeholder?: string; label?: string }) {
  const timer = useRef(0);
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => { if (box.current && document.activeElement !== box.current) box.current.value = value; }, [value]); // changed elsewhere
  return <input ref={box} class="input" type="search" defaultValue={value} placeholder={placeholder} aria-label={label} spellcheck={false}
    onInput={(e) => { const v = e.currentTarget.value; clearTimeout(timer.current); timer.current = setTimeout(() => onSearch(v.trim()), 250) as unknown as number; }} />;
}

/** Form sends what it holds once at a time; its children get the API's answer where it refused, for the faults of their fields. */
export function Form({ onSubmit, children }: { onSubmit: () => Promise<unknown>; children: (state: { busy: boolean; error: APIError | undefined }) => ComponentChildren }) {
  const [state, setState] = useState<{ busy: boolean; error: Error | undefined }>({ busy: false, error: undefined });
  const submit = async (e: TargetedSubmitEvent<HTMLFormElement>) => {
    e.preventDefault();
    if (state.busy) return;
    setState({ busy: true, error: undefined });
    try {
      await onSubmit();
      setState({ busy: false, error: undefined });
    } catch (error) { setState({ busy: false, error: error as Error }); }
  };
  return <form class="form" onSubmit={submit} noValidate>
    {state.error ? <Failure error={state.error} /> : null}
    {children({ busy: state.busy, error: state.error instanceof APIError ? state.error : undefined })}
  </form>;
}

/** Tabs are the parts of a page; keep value in the address: const [q, set] = useQuery(). */
export function Tabs({ value, onChange, items, label }: { value: string; onChange: (v: string) => void; items: [string, ComponentChildren][]; label: string }) {
  return <div class="tabs" role="tablist" aria-label={label} onKeyDown={(e) => {
    const step = e.key === "ArrowRight" ? 1 : e.key === "ArrowLeft" ? -1 : 0;
    if (!step) return;
    const at = items.findIndex(([v]) => v === value);
    const next = items[(at + step + items.length) % items.length];
    if (next) { onChange(next[0]); (e.currentTarget.children[items.indexOf(next)] as HTMLElement).focus(); }
  }}>
    {items.map(([v, name]) => <button type="button" role="tab" key={v} aria-selected={v === value} tabIndex={v === value ? 0 : -1} onClick={() => onChange(v)}>{name}</button>)}
  </div>;
}

/** Segments is a choice between a few. */
export function Segments({ value, onChange, items, label }: { value: string; onChange: (v: string) => void; items: [string, string][]; label: string }) {
  return <div class="segments" role="group" aria-label={label}>{items.map(([v, name]) => <button type="button" key={v} aria-pressed={v === value} onClick={() => onChange(v)}>{name}</button>)}</div>;
}
