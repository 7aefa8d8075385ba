// The script of /docs: search, copying, and trying an operation with the console's session. The pages can be read without it. Every text
// enters the page as a text node.

import { send, session } from "./lib/api";
import "./lib/prefs"; // the theme that was chosen in the console
import "./style/docs.css";

function element<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Record<string, string> = {}, ...children: (Node | string)[]): HTMLElementTagNameMap[K] {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
  e.append(...children);
  return e;
}

// ---- search

interface Entry { title: string; page: string; path: string; text: string }

let entries: Promise<Entry[]> | null = null;
const load = () => (entries ??= fetch("/docs/search.json", { credentials: "omit" }).then((r) => r.json() as Promise<Entry[]>));

/** rank is how well an entry fits the words: 0 where one of them is missing. */
export function rank(e: Entry, words: string[]): number {
  let sum = 0;
  const title = e.title.toLowerCase();
  const text = `${e.page} ${e.text} ${e.path}`.toLowerCase();
  for (const w of words) {
    const score = title === w ? 20 : title.startsWith(w) ? 10 : title.includes(w) ? 6 : text.includes(w) ? 2 : 0;
    if (!score) return 0;
    sum += score;
  }
  return sum;
}

function search(): void {
  const box = document.getElementById("search");
  if (!box) return;
  const input = element("input", { type: "search", class: "input", placeholder: "Search (/)", "aria-label": "Search the docs", autocomplete: "off", "aria-controls": "found" });
  const list = element("ul", { id: "found", class: "found", "aria-live": "polite" });
  list.hidden = true;
  box.append(input, list);
  let turn = 0;
  input.addEventListener("input", async () => {
    const mine = ++turn;
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) { list.hidden = true; return; }
    const all = await load();
    if (mine !== turn) return;
    const best = all.map((e) => ({ e, score: rank(e, words) })).filter((f) => f.score > 0).sort((a, b) => b.score - a.score).slice(0, 12);
    list.replaceChildren(...best.map(({ e }) => element("li", {}, element("a", { href: e.path }, element("b", {}, e.title), element("span", {}, ` ${e.page}`)))));
    if (!best.length) list.append(element("li", { class: "faint" }, "Nothing is found."));
    list.hidden = false;
  });
  box.addEventListener("keydown", (k) => {
    const links = [...list.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement as HTMLAnchorElement);
    if (k.key === "Escape") { input.value = ""; list.hidden = true; input.focus(); }
    if (k.key === "ArrowDown" || k.key === "ArrowUp") {
      k.preventDefault();
      const next = at + (k.key === "ArrowDown" ? 1 : -1);
      (next < 0 ? input : links[Math.min(next, links.length - 1)])?.focus();
    }
    if (k.key === "Enter" && document.activeElement === input) links[0]?.click();
  });
  list.addEventListener("click", () => { list.hidden = true; });
  addEventListener("keydown", (k) => {
    if (k.key === "/" && !/^(INPUT|TEXTAREA|SELECT)$/.test((document.activeElement as HTMLElement).tagName)) { k.preventDefault(); input.focus(); }
  });
}

// ---- copying

function copying(): void {
  for (const pre of document.querySelectorAll("main pre")) {
    const button = element("button", { type: "button", class: "button small quiet copy-code" }, "Copy");
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(pre.textContent ?? "");
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
    const frame = element("div", { class: "code-frame" });
    pre.replaceWith(frame);
    frame.append(pre, button);
  }
}

// ---- trying an operation

/** addressOf is an operation's path with what was typed in the place of its parameters. A segment of dots would lead elsewhere. */
function addressOf(template: string, given: Record<string, string>): string {
  return template.replace(/^\/api\/v1/, "").replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = given[name]?.trim() ?? "";
    if (!value || /^\.{1,2}$/.test(value)) throw new Error(`${name} is required.`);
    return encodeURIComponent(value);
  });
}

function form(section: HTMLElement): HTMLElement {
  const method = section.dataset.method ?? "GET";
  const path = section.dataset.path ?? "";
  const fields = new Map<string, HTMLInputElement>();
  const box = element("form", { class: "try" });
  const field = (name: string, label: string) => {
    const input = element("input", { class: "input mono", id: `${section.id}-${name}`, autocomplete: "off", spellcheck: "false" });
    fields.set(name, input);
    box.append(element("div", { class: "field" }, element("label", { for: input.id }, label), input));
  };
  for (const m of path.matchAll(/\{(\w+)\}/g)) field(m[1] ?? "", m[1] ?? "");
  field("?", "Query (name=value&…)");
  let body: HTMLTextAreaElement | null = null;
  const example = section.querySelector<HTMLTemplateElement>("template.example");
  if (example) {
    body = element("textarea", { class: "textarea", id: `${section.id}-body`, rows: "5", spellcheck: "false" });
    body.value = example.content.textContent ?? "";
    try { body.value = JSON.stringify(JSON.parse(body.value), null, 2); } catch { /* it stays as it is */ }
    box.append(element("div", { class: "field" }, element("label", { for: body.id }, "Body"), body));
  }
  const result = element("div", { class: "try-result", "aria-live": "polite" });
  const button = element("button", { type: "submit", class: `button ${method === "GET" ? "primary" : "danger"}` }, method === "GET" ? "Send" : `Send (it changes ${session.tenant || "what is there"})`);
  box.append(element("div", {}, button), result);
  box.addEventListener("submit", async (e) => {
    e.preventDefault();
    button.disabled = true;
    try {
      const query = fields.get("?")?.value.trim().replace(/^\?/, "") ?? "";
      const where = addressOf(path, Object.fromEntries([...fields].map(([n, i]) => [n, i.value]))) + (query ? `?${new URLSearchParams(query)}` : "");
      const began = performance.now();
      const response = await send(method, where, body && body.value.trim() ? { headers: { "Content-Type": "application/json" }, body: body.value } : {});
      const text = await response.text();
      let shown = text;
      try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* it is no JSON */ }
      result.replaceChildren(
        element("p", {}, element("span", { class: `tag ${response.ok ? "good" : "bad"}` }, String(response.status)), ` ${Math.round(performance.now() - began)} ms, ${text.length} characters`),
        element("pre", { tabindex: "0" }, shown.slice(0, 100_000) || "(no body)"));
    } catch (error) {
      result.replaceChildren(element("p", { class: "bad", role: "alert" }, (error as Error).message));
    } finally { button.disabled = false; }
  });
  return box;
}

async function trying(): Promise<void> {
  const sections = document.querySelectorAll<HTMLElement>("section.operation[data-try]");
  if (!sections.length) return;
  try { await session.read(); } catch { return; } // without a session the pages say how to use a key
  for (const section of sections) {
    const details = element("details", { class: "try-it" }, element("summary", {}, `Try it as ${session.me?.role}${session.tenant ? ` of ${session.tenant}` : ""}`));
    details.addEventListener("toggle", () => { if (details.open && details.childElementCount === 1) details.append(form(section)); });
    section.append(details);
  }
}

if (matchMedia("(max-width: 860px)").matches) document.querySelector(".docs-menu")?.removeAttribute("open");
search();
copying();
void trying();
