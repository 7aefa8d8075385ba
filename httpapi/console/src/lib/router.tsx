// Addresses are real ones: /console/scripts/ID?tab=versions. The server answers the shell for each of them.

import type { ComponentChildren, TargetedMouseEvent } from "preact";
import { useEffect, useLayoutEffect, useState } from "preact/hooks";

const prefix = "/console";

export type Params = Record<string, string>;

/** where is the address that is shown, below /console. */
export interface Where { path: string; query: Params; hash: string }

function read(): Where {
  const path = location.pathname.startsWith(`${prefix}/`) ? location.pathname.slice(prefix.length) : "/";
  return { path: path.replace(/(.)\/$/, "$1"), query: Object.fromEntries(new URLSearchParams(location.search)), hash: location.hash.slice(1) };
}

let now = read();
const watchers = new Set<(w: Where) => void>();
function show() {
  now = read();
  for (const w of watchers) w(now);
}

// ---- changes that are not saved

const guards = new Set<() => boolean>();
let ask: () => Promise<boolean> = async () => true;
/** askBeforeLeaving sets how a person is asked whether to leave a page that holds changes. */
export function askBeforeLeaving(f: () => Promise<boolean>): void { ask = f; }
const dirty = () => [...guards].some((g) => g());

/** useUnsaved makes every way out of the page ask first while dirty is true. */
export function useUnsaved(isDirty: boolean): void {
  useLayoutEffect(() => { // at once: the next click may be the one that leaves
    if (!isDirty) return;
    const g = () => true;
    guards.add(g);
    return () => { guards.delete(g); };
  }, [isDirty]);
}

let shown = location.href;
addEventListener("popstate", () => {
  if (!dirty() || samePage(location.href, shown)) { shown = location.href; show(); return; }
  const wanted = location.href;
  history.pushState(null, "", shown);
  void ask().then((yes) => { if (yes) { guards.clear(); history.pushState(null, "", wanted); shown = wanted; show(); } });
});
addEventListener("beforeunload", (e) => { if (dirty()) e.preventDefault(); });
const samePage = (a: string, b: string) => new URL(a).pathname === new URL(b).pathname;

/** href makes an address of the console: href("/executions", { status: "failed" }). */
export function href(path: string, query: Record<string, string | number | null | undefined> = {}): string {
  const entries = Object.entries(query).filter(([, v]) => v !== "" && v !== null && v !== undefined).map(([k, v]) => [k, String(v)] as [string, string]);
  return prefix + path + (entries.length ? `?${new URLSearchParams(entries)}` : "");
}

/** go shows an address that href has made. replace keeps it from becoming a step of the history. */
export async function go(address: string, options: { replace?: boolean } = {}): Promise<void> {
  const target = new URL(address, location.origin);
  if (target.origin !== location.origin || !target.pathname.startsWith(`${prefix}/`)) throw new Error("This address is not the console's.");
  if (dirty() && !samePage(target.href, location.href)) {
    if (!await ask()) return;
    guards.clear();
  }
  if (options.replace || target.href === location.href) history.replaceState(null, "", target);
  else history.pushState(null, "", target);
  const another = !samePage(target.href, shown);
  shown = target.href;
  show();
  if (another && !options.replace) scrollTo(0, 0);
}

export function useWhere(): Where {
  const [w, set] = useState(now);
  useEffect(() => {
    watchers.add(set);
    set(now);
    return () => { watchers.delete(set); };
  }, []);
  return w;
}

/** useQuery is the address's query and a way to change a part of it: filters live there, so that an address shows what it showed. */
export function useQuery(): [Params, (change: Record<string, string | null | undefined>, push?: boolean) => void] {
  const { path, query } = useWhere();
  return [query, (change, push = false) => void go(href(path, { ...read().query, ...change }), { replace: !push })];
}

/** follow makes a click on a link a step of the router; clicks with a modifier stay the browser's. */
export function follow(e: TargetedMouseEvent<HTMLAnchorElement>): void {
  if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
  e.preventDefault();
  void go(e.currentTarget.href);
}

/** Link is a link to another page of the console. */
export function Link({ to, children, class: name, ...rest }: { to: string; children: ComponentChildren; class?: string | undefined; title?: string; "aria-current"?: "page" | undefined; "aria-label"?: string }) {
  return <a href={to} class={name} onClick={follow} {...rest}>{children}</a>;
}

/** match reads a path by a pattern such as /scripts/:id; null where it is not of that form. */
export function match(pattern: string, path: string): Params | null {
  const want = pattern.split("/");
  const have = path.split("/");
  if (want.length !== have.length) return null;
  const params: Params = {};
  for (const [i, part] of want.entries()) {
    const value = have[i] ?? "";
    if (part.startsWith(":")) {
      if (!value) return null;
      try { params[part.slice(1)] = decodeURIComponent(value); } catch { return null; }
    } else if (part !== value) return null;
  }
  return params;
}
