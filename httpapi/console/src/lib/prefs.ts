// What a person has chosen for this browser: the theme, and in which zone times are shown. Neither is a secret.

import { useEffect, useState } from "preact/hooks";

export type Theme = "system" | "light" | "dark";
export interface Prefs { theme: Theme; utc: boolean }

const at = "jsruntime.prefs";
function stored(): Prefs {
  try {
    const p = JSON.parse(localStorage.getItem(at) ?? "{}") as Partial<Prefs>;
    return { theme: p.theme === "light" || p.theme === "dark" ? p.theme : "system", utc: p.utc === true };
  } catch { return { theme: "system", utc: false }; }
}

let prefs = stored();
const watchers = new Set<(p: Prefs) => void>();

function apply() {
  if (prefs.theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = prefs.theme;
}
apply();

export function setPrefs(change: Partial<Prefs>): void {
  prefs = { ...prefs, ...change };
  try { localStorage.setItem(at, JSON.stringify(prefs)); } catch { /* storage may be off */ }
  apply();
  for (const w of watchers) w(prefs);
}

export function usePrefs(): Prefs {
  const [p, set] = useState(prefs);
  useEffect(() => {
    watchers.add(set);
    set(prefs);
    return () => { watchers.delete(set); };
  }, []);
  return p;
}

/** isDark is whether the page is dark now. */
export const isDark = (): boolean => prefs.theme === "dark" || prefs.theme === "system" && matchMedia("(prefers-color-scheme: dark)").matches;

/** useDark is isDark for what must be drawn anew with another theme. */
export function useDark(): boolean {
  usePrefs();
  const [, again] = useState(0);
  useEffect(() => {
    const media = matchMedia("(prefers-color-scheme: dark)");
    const f = () => again((n) => n + 1);
    media.addEventListener("change", f);
    return () => media.removeEventListener("change", f);
  }, []);
  return isDark();
}
