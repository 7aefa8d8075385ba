// Running a script by hand: an endpoint with a request, all others with an input.

import { useState } from "preact/hooks";
import { call, type Execution, may, type Script } from "../lib/api";
import { useLoad } from "../lib/data";
import { bytes, ms, parseJSON, pretty } from "../lib/format";
import { href, Link } from "../lib/router";
import { filled } from "./about";
import { Button, Code, Facts, Field, Input, JSONBlock, LogRows, Notice, Panel, Segments, Select, Status, Tag, TextArea } from "../ui";

interface Answered { status: number; headers: Record<string, string | string[]> | [string, string][]; body?: unknown; streamed?: boolean }
const isAnswer = (v: unknown): v is Answered => typeof v === "object" && v !== null && typeof (v as Answered).status === "number" && "headers" in v;

export function Run({ script }: { script: Script }) {
  const versions = useLoad("GET /scripts/{id}/versions", { path: { id: script.id }, query: { limit: 50 } });
  const [version, setVersion] = useState("");
  const [result, setResult] = useState<Execution | null>(null);
  const [failure, setFailure] = useState<Error | null>(null);
  const [running, setRunning] = useState(false);
  const shown = useLoad("GET /scripts/{id}/versions/{version}", { path: { id: script.id, version: version || script.version } });
  // A run by hand of a script with a run handler calls that one, whatever the script's type.
  const byRun = shown.data?.handlers.includes("run") ?? false;
  const request = script.type === "http" && !byRun;

  async function run(input: unknown) {
    setFailure(null);
    setRunning(true);
    try {
      const body = input === undefined ? {} : { input };
      const done = version
        ? await call("POST /scripts/{id}/versions/{version}/executions", { path: { id: script.id, version }, query: { wait: true }, body: body as never })
        : await call("POST /scripts/{id}/executions", { path: { id: script.id }, query: { wait: true }, body: body as never });
      setResult(done);
    } catch (e) { setFailure(e as Error); setResult(null); } finally { setRunning(false); }
  }
  if (!may("POST /scripts/{id}/executions")) return <Notice>Your session may not run scripts.</Notice>;
  return <div class="halves">
    <div class="stack">
      <Panel title={request ? "Request" : "Input"} actions={<Select aria-label="Version" value={version} onChange={setVersion} options={[["", script.candidate ? "as rolled out" : `live (version ${script.version})`], ...(versions.data?.items ?? []).map((v): [string, string] => [String(v.version_number), `version ${v.version_number}${v.tag ? ` (${v.tag})` : ""}`])]} />}>
        {script.type === "http" && byRun ? <Notice>This version has a run handler, which a run by hand calls. The endpoint itself answers at its URL.</Notice> : null}
        {request ? <RequestForm script={script} run={run} running={running} /> : <InputForm script={script} run={run} running={running} />}
        {request ? <p class="hint faint">The handler runs as the endpoint would run it. The endpoint's auth, rate limit and CORS are not asked: the curl line is.</p> : null}
      </Panel>
    </div>
    <div class="stack" aria-live="polite">
      {failure ? <Notice kind="bad">{failure.message}</Notice> : null}
      {result ? <Result of={result} /> : failure ? null : <Panel title="Result"><span class="faint">{running ? "It runs…" : "Nothing has run yet."}</span></Panel>}
    </div>
  </div>;
}

function InputForm({ script, run, running }: { script: Script; run: (input: unknown) => Promise<void>; running: boolean }) {
  const [text, setText] = useState(script.type === "event" ? '{ "type": "order.created", "data": {} }' : script.type === "scheduled" ? "" : "{}");
  const parsed = parseJSON(text);
  return <form class="form" onSubmit={(e) => { e.preventDefault(); if (!parsed.error) void run(text.trim() === "" ? undefined : parsed.value); }}>
    <Field label="Input (JSON)" hint={script.type === "event" ? "An event: {type, data}; what you leave out is completed." : script.type === "scheduled" ? "Empty: as a tick of now." : undefined} fault={text.trim() ? parsed.error : undefined}>
      <TextArea rows={8} value={text} onInput={setText} />
    </Field>
    <div class="foot"><Button kind="primary" type="submit" disabled={running || Boolean(text.trim() && parsed.error)}>{running ? "Running…" : "Run now"}</Button></div>
  </form>;
}

function RequestForm({ script, run, running }: { script: Script; run: (input: unknown) => Promise<void>; running: boolean }) {
  const methods = script.http_methods?.length ? script.http_methods : ["GET"];
  const [method, setMethod] = useState(methods[0] ?? "GET");
  const [path, setPath] = useState(filled(script.http_path ?? "/"));
  const [headers, setHeaders] = useState("");
  const [body, setBody] = useState("");
  const wrong = headers.split("\n").filter((l) => l.trim() && !/^[^\s:]+:/.test(l.trim()));
  const send = () => {
    const given: Record<string, string | string[]> = {};
    for (const line of headers.split("\n")) {
      const at = line.indexOf(":");
      if (at <= 0) continue;
      const name = line.slice(0, at).trim().toLowerCase();
      const value = line.slice(at + 1).trim();
      const was = given[name];
      given[name] = was === undefined ? value : [...(Array.isArray(was) ? was : [was]), value];
    }
    return run({ method, path, ...(Object.keys(given).length ? { headers: given } : {}), ...(body ? { body } : {}) });
  };
  return <form class="form" onSubmit={(e) => { e.preventDefault(); if (!wrong.length) void send(); }}>
    <div class="request-line">
      <Select aria-label="Method" value={method} onChange={setMethod} options={methods} />
      <Input aria-label="Path and query" value={path} onInput={setPath} mono spellcheck={false} />
      <Button kind="primary" type="submit" disabled={running}>{running ? "Sending…" : "Send"}</Button>
    </div>
    <Field label="Headers" hint="One a line: name: value" fault={wrong.length ? `not a header: ${wrong[0]}` : undefined}><TextArea rows={3} value={headers} onInput={setHeaders} /></Field>
    {method === "GET" || method === "HEAD" ? null : <Field label="Body"><TextArea rows={6} value={body} onInput={setBody} /></Field>}
  </form>;
}

function Result({ of: e }: { of: Execution }) {
  const answer = isAnswer(e.output) ? e.output : null;
  const logs = useLoad("GET /executions/{id}/logs", { path: { id: e.id }, query: { limit: 200 } });
  const [part, setPart] = useState("body");
  const m = e.metrics;
  return <>
    <Panel title={answer ? <>Response <Tag kind={answer.status < 400 ? "good" : "bad"}>{String(answer.status)}</Tag></> : "Result"} actions={<><Status value={e.status} /><Link to={href(`/executions/${e.id}`)}>Open the run</Link></>}>
      {e.error ? <Notice kind="bad"><pre>{e.error}</pre>{e.error_code ? <div class="faint"><a href={`/docs/errors#${e.error_code}`} target="_blank" rel="noopener">{e.error_code}</a></div> : null}</Notice> : null}
      {answer ? <>
        <Segments label="Part of the response" value={part} onChange={setPart} items={[["body", "Body"], ["headers", "Headers"]]} />
        {part === "body" ? <Body of={answer.body} /> : <Code label="Headers" text={headerLines(answer.headers)} />}
      </> : e.output !== null && e.output !== undefined ? <JSONBlock value={e.output} label="Output" /> : e.error ? null : <span class="faint">It returned nothing.</span>}
      <Facts of={{ Version: String(e.version), Duration: ms(m?.duration_ms), CPU: ms(m?.cpu_ms), "Peak memory": bytes(m?.peak_memory_bytes) }} />
    </Panel>
    <Panel title="Log" flush>{logs.data?.items.length ? <LogRows rows={logs.data.items.map((l) => ({ at: l.at, level: l.level, message: l.message }))} /> : <div class="pad faint">It wrote nothing.</div>}</Panel>
  </>;
}

function Body({ of }: { of: unknown }) {
  if (of === undefined || of === null || of === "") return <span class="faint">No body.</span>;
  if (typeof of !== "string") return <JSONBlock value={of} label="Body" />;
  const parsed = /^\s*[[{]/.test(of) ? parseJSON(of) : { error: "text" };
  return parsed.error === undefined ? <JSONBlock value={parsed.value} label="Body" /> : <Code label="Body" text={of} />;
}

function headerLines(headers: Answered["headers"]): string {
  const entries = Array.isArray(headers) ? headers : Object.entries(headers).flatMap(([n, v]) => (Array.isArray(v) ? v : [v]).map((x): [string, string] => [n, x]));
  return entries.map(([n, v]) => `${n}: ${v}`).join("\n") || pretty({});
}
