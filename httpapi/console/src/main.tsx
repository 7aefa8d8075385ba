// The console: who is signed in decides what it shows. Everything that comes from the API or from the address bar enters the page as a text
// node or as the value of a field, and becomes a part of a path only through lib/api.ts.

import { type ComponentType, render } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { APIError, call, may, onSession, type Operation, session } from "./lib/api";
import { setPrefs, type Theme, usePrefs } from "./lib/prefs";
import { askBeforeLeaving, go, href, Link, match, type Params, useWhere } from "./lib/router";
import { groups, type PageProps, type Route, routes } from "./routes";
import { Button, Empty, Failure, Field, Form, Input, Loading, Notice } from "./ui/basic";
import { confirm, Dialog, Overlays, toast } from "./ui/overlay";
import { type Command, Palette } from "./ui/palette";
import "./lib/worker";
import "./style/main.css";

const offered = (r: Route) => may(r.needs) && (r.operator || session.tenant !== "");
const home = () => routes.find((r) => r.nav && offered(r))?.path ?? "/";

askBeforeLeaving(() => confirm("Leave without saving?", { text: "What you have changed on this page is lost.", action: "Leave", danger: true }));

// ---- signing in

/** takeLink takes a one-time link out of the address bar and out of the history, before anything else happens with it. */
function takeLink(): { link: string; tenant: string } | null {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const link = fragment.get("link");
  if (!link) return null;
  history.replaceState(null, "", location.pathname + location.search);
  return { link, tenant: fragment.get("tenant") ?? "" };
}

function KeyForm({ tenant = "" }: { tenant?: string }) {
  const [key, setKey] = useState("");
  const field = useRef<HTMLDivElement>(null);
  useEffect(() => field.current?.querySelector("input")?.focus(), []);
  return <div ref={field}><Form onSubmit={async () => {
    const value = key.trim();
    setKey("");
    await session.signIn({ key: value }, tenant);
  }}>{({ busy }) => <>
    <Field label="API key" hint="The key is sent once and not kept in this page."><Input type="password" value={key} onInput={setKey} placeholder="jsr_…" maxLength={512} spellcheck={false} mono /></Field>
    <Button type="submit" kind="primary" disabled={busy || !key.trim()}>Sign in</Button>
  </>}</Form></div>;
}

function SignIn() {
  const [reason, setReason] = useState(session.reason);
  return <main class="signin" onInput={() => setReason("")}>
    <div class="brand"><img src="/console/icon.svg" alt="" /><h1>jsruntime</h1></div>
    <section class="panel"><div class="body stack">
      {reason ? <Notice kind="bad">{reason}</Notice> : null}
      <KeyForm />
    </div></section>
  </main>;
}

/** SignInAgain covers the page of a session that has ended. What was typed on it is there again once the same key has signed in. */
function SignInAgain() {
  useEffect(() => { // another tab may have signed in meanwhile
    const f = () => { if (!document.hidden) session.read().catch(() => {}); };
    addEventListener("focus", f);
    document.addEventListener("visibilitychange", f);
    return () => { removeEventListener("focus", f); document.removeEventListener("visibilitychange", f); };
  }, []);
  return <Dialog label="Sign in again" onClose={() => {}} class="signin-again"><div class="signin">
    <div class="brand"><img src="/console/icon.svg" alt="" /><h1>jsruntime</h1></div>
    <div class="stack">
      <Notice kind="bad">{session.reason}</Notice>
      <p class="soft">Sign in with the same key, or by a new link in another tab, to go on where you were: the page is kept, with what you have typed.</p>
      <KeyForm tenant={session.chosen} />
      <div><Button small kind="quiet" onClick={() => session.ended("")}>Discard the page</Button></div>
    </div>
  </div></Dialog>;
}

function Offer({ offer, done }: { offer: { link: string; tenant: string }; done: () => void }) {
  return <main class="signin">
    <section class="panel"><div class="body stack">
      <p>You are signed in{session.tenant ? ` to ${session.tenant}` : ""} as {session.me?.role}. This link signs you in as somebody else, or again.</p>
      <div class="row">
        <Button kind="primary" onClick={async () => { await session.signIn({ link: offer.link }, offer.tenant); done(); void go(href(home())); }}>Use the link</Button>
        <Button onClick={done}>Stay signed in</Button>
      </div>
    </div></section>
  </main>;
}

// ---- the frame

const themes: [Theme, string][] = [["system", "System"], ["light", "Light"], ["dark", "Dark"]];

function Side({ path, onPalette, onNavigate }: { path: string; onPalette: () => void; onNavigate: () => void }) {
  const { theme, utc } = usePrefs();
  const me = session.me;
  const [choosing, setChoosing] = useState(false);
  const open = routes.find((r) => match(r.path, path));
  const current = open?.in ?? open?.path;
  return <div class="side" id="side">
    <Link to={href(home())} class="brand"><img src="/console/icon.svg" alt="" />jsruntime</Link>
    <button type="button" class="search-button" onClick={onPalette}>Go to… <kbd aria-hidden="true">Ctrl K</kbd></button>
    {session.operator ? <Button small onClick={() => setChoosing(true)}>{session.tenant ? `Tenant: ${session.tenant}` : "Choose a tenant"}</Button> : null}
    {choosing ? <ChooseTenant onClose={() => setChoosing(false)} /> : null}
    <nav aria-label="Pages" onClick={onNavigate}>{groups.map((g) => {
      const shown = routes.filter((r) => r.nav === g && offered(r));
      return shown.length ? <div key={g}><h2>{g}</h2>{shown.map((r) => <Link key={r.path} to={href(r.path)} aria-current={r.path === current ? "page" : undefined}>{r.title}</Link>)}</div> : null;
    })}</nav>
    <div class="who">
      <div class="row" style={{ padding: "0 8px" }}>
        <select class="select" style={{ width: "auto", flex: 1 }} aria-label="Theme" value={theme} onChange={(e) => setPrefs({ theme: e.currentTarget.value as Theme })}>{themes.map(([v, name]) => <option value={v} key={v}>{name}</option>)}</select>
        <select class="select" style={{ width: "auto", flex: 1 }} aria-label="Times" value={utc ? "utc" : "local"} onChange={(e) => setPrefs({ utc: e.currentTarget.value === "utc" })}><option value="local">Local</option><option value="utc">UTC</option></select>
      </div>
      <div class="line">{session.tenant ? <strong class="tenant-name">{session.tenant}</strong> : null}{session.tenant ? " · " : ""}{me?.role}{me?.key.name ? ` · ${me.key.name}` : ""}</div>
      <div class="row">
        <Button small kind="quiet" onClick={() => session.signOut()}>Sign out</Button>
        <Button small kind="quiet" onClick={async () => { if (await confirm("End all sessions of this key?", { text: "In all browsers, this one included.", action: "End all", danger: true })) await session.signOut(true); }}>Everywhere</Button>
      </div>
    </div>
  </div>;
}

function ChooseTenant({ onClose }: { onClose: () => void }) {
  const [slug, setSlug] = useState("");
  const [known, setKnown] = useState<string[]>([]);
  useEffect(() => { call("GET /tenants", { query: { limit: 100 } }).then((p) => setKnown(p.items.map((t) => t.slug)), () => {}); }, []);
  return <Dialog title="Enter a tenant" onClose={onClose}>
    <Form onSubmit={async () => { await session.choose(slug.trim()); onClose(); void go(href(home())); }}>{({ busy }) => <>
      <Field label="Slug"><Input value={slug} onInput={setSlug} list="known-tenants" mono /></Field>
      <datalist id="known-tenants">{known.map((s) => <option value={s} key={s} />)}</datalist>
      <div class="foot">{session.tenant ? <Button onClick={async () => { await session.choose(""); onClose(); void go(href("/tenants")); }}>Leave {session.tenant}</Button> : null}<Button type="submit" kind="primary" disabled={busy || !slug.trim()}>Enter</Button></div>
    </>}</Form>
  </Dialog>;
}

const loadedPages = new Map<Route, ComponentType<PageProps>>();

function Body({ route, params }: { route: Route | undefined; params: Params }) {
  const [, again] = useState(0);
  const [error, setError] = useState<Error>();
  const Page = route && loadedPages.get(route);
  useEffect(() => {
    setError(undefined);
    if (!route || loadedPages.has(route)) return;
    route.load().then((m) => { loadedPages.set(route, m.default); again((n) => n + 1); }, setError);
  }, [route]);
  if (!route || !offered(route)) return <Empty title={!route ? "There is no such page." : session.operator && !session.tenant && may(route.needs) ? "This page is of a tenant. Enter one first." : "You may not see this page."}><Link to={href(home())}>Go to the first page</Link></Empty>;
  if (error) return <div class="stack"><Failure error={new Error("This page could not be loaded. The console may have been updated meanwhile.")} /><div><Button onClick={() => location.reload()}>Load the console anew</Button></div></div>;
  return Page ? <Page params={params} key={JSON.stringify(params)} /> : <Loading />;
}

/** writesInto reports whether keys that are pressed there are text. */
const writesInto = (e: EventTarget | undefined) => e instanceof HTMLElement && (e.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(e.tagName));

const keyboard: [string, string][] = [
  ["Ctrl K", "go to a page, a script or an action"], ["/", "into the page's search"], ["?", "these keys"], ["↓ ↑ or j k", "from row to row of a list, once one has the focus"], ["Enter", "open the row"],
  ["Esc", "close what lies over the page"], ["Ctrl S", "save the script that is being edited"], ["Ctrl Space", "complete in the editor"], ["F8", "next problem in the editor"], ["Esc, then Tab", "leave the editor"],
];

function Keys({ onClose }: { onClose: () => void }) {
  return <Dialog title="Keyboard" onClose={onClose}><dl class="facts keyboard">{keyboard.map(([key, what]) => <><dt><kbd>{key}</kbd></dt><dd>{what}</dd></>)}</dl></Dialog>;
}

function Frame() {
  const { path } = useWhere();
  const [palette, setPalette] = useState(false);
  const [keys, setKeys] = useState(false);
  const [choosing, setChoosing] = useState(false);
  const [menu, setMenu] = useState(false);
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  let params: Params = {};
  const shown = path === "/" && home() !== "/" ? home() : path;
  const route = routes.find((r) => { const p = match(r.path, shown); if (p) params = p; return p; });
  useLayoutEffect(() => { document.title = `${route ? `${route.title} · ` : ""}jsruntime`; }, [shown]); // until the page names what it shows
  useEffect(() => {
    setMenu(false);
    if (first.current) { first.current = false; return; }
    main.current?.focus({ preventScroll: true }); // a screen reader goes on at the new page
  }, [shown]);
  useEffect(() => {
    const f = (e: KeyboardEvent) => {
      if (session.over) return;
      if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === "k") { e.preventDefault(); setPalette((p) => !p); return; }
      if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented || document.querySelector("dialog[open]") || writesInto(e.composedPath()[0])) return;
      if (e.key === "?") { e.preventDefault(); setKeys(true); }
      if (e.key === "/") { const field = main.current?.querySelector<HTMLElement>("input[type=search]"); if (field) { e.preventDefault(); field.focus(); } }
    };
    addEventListener("keydown", f);
    return () => removeEventListener("keydown", f);
  }, []);
  const to = (needs: Operation, name: string, address: string): Command[] => may(needs) ? [{ name, kind: "action", run: () => go(address) }] : [];
  const commands: Command[] = [
    ...routes.filter((r) => !r.path.includes(":") && offered(r)).map((r) => ({ name: r.title, kind: "page", run: () => go(href(r.path)) })),
    ...(session.tenant ? [
      ...to("GET /scripts/activity", "Failing scripts", href("/scripts", { failed: "true" })), ...to("GET /executions", "Failed executions", href("/executions", { status: "failed" })),
      ...to("GET /executions", "What runs now", href("/executions", { status: "running" })), ...to("POST /events", "Publish an event", href("/events")),
      ...to("POST /dead-letters/retry", "Send dead letters again", href("/dead-letters")), ...to("PUT /secrets/{name}", "Set a secret or a var", href("/secrets")),
      ...to("PUT /kv/{key}", "Write a key of kv", href("/kv")), ...to("POST /api-keys", "Make an API key", href("/keys")), ...to("POST /webhooks", "Add a webhook", href("/webhooks")),
    ] : []),
    ...(session.operator ? [{ name: "Enter a tenant", kind: "action", run: () => setChoosing(true) }] : []),
    { name: "Documentation", kind: "action", run: () => { open("/docs/", "_blank", "noopener"); } }, { name: "Keyboard", kind: "action", run: () => setKeys(true) },
    ...themes.map(([v, name]) => ({ name: `Theme: ${name.toLowerCase()}`, kind: "setting", run: () => setPrefs({ theme: v }) })),
    { name: "Times in UTC", kind: "setting", run: () => setPrefs({ utc: true }) }, { name: "Times as local", kind: "setting", run: () => setPrefs({ utc: false }) },
    { name: "Sign out", kind: "session", run: () => session.signOut() },
  ];
  return <>
    <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); main.current?.focus(); }}>Skip to the content</a>
    <div class={`frame${menu ? " open" : ""}`}>
      <div class="topbar">
        <button type="button" class="button quiet" aria-expanded={menu} aria-controls="side" aria-label="Menu" onClick={() => setMenu(!menu)}>☰</button>
        <Link to={href(home())} class="brand"><img src="/console/icon.svg" alt="" />{session.tenant || "jsruntime"}</Link>
        <button type="button" class="button quiet push" aria-label="Go to…" onClick={() => setPalette(true)}>⌕</button>
      </div>
      <Side path={shown} onPalette={() => setPalette(true)} onNavigate={() => setMenu(false)} />
      <main id="main" ref={main} tabIndex={-1}><Body route={route} params={params} /></main>
    </div>
    {palette ? <Palette commands={commands} onClose={() => setPalette(false)} /> : null}
    {keys ? <Keys onClose={() => setKeys(false)} /> : null}
    {choosing ? <ChooseTenant onClose={() => setChoosing(false)} /> : null}
  </>;
}

function App() {
  const [, again] = useState(0);
  const [ready, setReady] = useState(false);
  const [offer, setOffer] = useState<{ link: string; tenant: string } | null>(null);
  useEffect(() => {
    const stop = onSession(() => again((n) => n + 1));
    const start = async () => {
      const link = takeLink();
      try {
        await session.read();
        setOffer(link); // a link does not take the place of a session unasked: it may be another person's
      } catch (e) {
        if (!(e instanceof APIError) || e.status !== 401) session.reason = (e as Error).message;
        else if (link) {
          try { await session.signIn({ link: link.link }, link.tenant); } catch (refused) { session.reason = (refused as Error).message; }
        }
      }
      setReady(true);
    };
    void start();
    const hash = () => { if (new URLSearchParams(location.hash.slice(1)).has("link")) void start(); };
    addEventListener("hashchange", hash);
    return () => { stop(); removeEventListener("hashchange", hash); };
  }, []);
  return <>
    {!ready ? null : !session.me ? <SignIn key={session.reason} /> : offer && !session.over ? <Offer offer={offer} done={() => setOffer(null)} /> : <Frame key={`${session.generation} ${session.tenant}`} />}
    {session.over ? <SignInAgain /> : null}
    <Overlays />
  </>;
}

addEventListener("unhandledrejection", (e) => { if (e.reason instanceof APIError && e.reason.status !== 401) toast(e.reason.message, true); });
const app = document.getElementById("app");
if (app) render(<App />, app);
