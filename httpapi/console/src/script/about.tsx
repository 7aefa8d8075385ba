// What stands beside the editor: how the script is reached, what it sees, what applies to it.

import { may, type Script, session } from "../lib/api";
import { useLoad } from "../lib/data";
import { href, Link } from "../lib/router";
import { Code, copy, CopyButton, Facts, Panel, Tag } from "../ui";
import { NextTicks } from "./settings";

/** endpointURL is where an endpoint answers. */
export function endpointURL(script: Script): string {
  return `${location.origin}/t/${session.tenant}${script.http_path ?? ""}`;
}

/** filled is an endpoint's path with its parameters' names in their places. */
export const filled = (path: string): string => path.replace(/(^|\/)[:*](\w+)/g, "$1$2");

const quote = (text: string) => `'${text.replace(/'/g, "'\\''")}'`;

export function curlOf(script: Script): string {
  const method = script.http_methods?.[0] ?? "GET";
  const auth = script.http?.auth?.type;
  const parts = ["curl"];
  if (method !== "GET") parts.push("-X", method);
  if (auth === "api_key") parts.push("-H", '"Authorization: Bearer $KEY"');
  if (auth === "jwt") parts.push("-H", '"Authorization: Bearer $TOKEN"');
  if (method !== "GET" && method !== "HEAD" && method !== "DELETE") parts.push("-H", quote("Content-Type: application/json"), "-d", quote("{}"));
  parts.push(quote(`${location.origin}/t/${session.tenant}${filled(script.http_path ?? "")}`));
  return parts.join(" ");
}

function invokeOf(script: Script): string {
  return `curl -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' -d '{}' ${quote(`${location.origin}/api/v1/invoke/${encodeURIComponent(script.name)}`)}`;
}

export function About({ script }: { script: Script }) {
  return <div class="stack about">
    <Panel title="Trigger">
      {script.type === "http" ? <div class="stack tight">
        <div class="row"><Tag>{(script.http_methods ?? []).join(" ")}</Tag><code class="wrap">{script.http_path}</code></div>
        <div class="row url"><code class="wrap">{endpointURL(script)}</code><CopyButton value={endpointURL(script)} label="Copy URL" /></div>
        <Code label="curl line" text={curlOf(script)} />
        <Facts of={{ Auth: script.http?.auth?.type ?? "none", "Rate limit": script.http?.rate_limit ? `${script.http.rate_limit.requests} a ${script.http.rate_limit.per}` : null }} />
        {script.status === "active" ? null : <span class="warn">It answers 404 until the script is active.</span>}
      </div> : null}
      {script.type === "scheduled" ? <div class="stack tight"><div class="row"><code>{script.cron_expression}</code><span class="faint">{script.timezone}</span></div><NextTicks script={script} /></div> : null}
      {script.type === "event" ? <div class="row">{(script.event_types ?? []).map((t) => <Link to={href("/events", { type: t })}><Tag>{t}</Tag></Link>)}</div> : null}
      {script.type === "oneoff" || script.type === "embedded" ? <div class="stack tight"><span class="faint">Called by name: by the API, and by other scripts with <code>scripts.invoke</code>.</span><Code label="curl line" text={invokeOf(script)} /></div> : null}
    </Panel>
    {may("GET /secrets") ? <Environment script={script} /> : null}
    <Limits script={script} />
  </div>;
}

/** Environment is what scripts see as env. */
function Environment({ script }: { script: Script }) {
  const secrets = useLoad("GET /secrets", { query: { limit: 200 } });
  const vars = useLoad("GET /vars", undefined, { skip: !may("GET /vars") });
  const seen = (secrets.data?.items ?? []).filter((s) => !s.scripts || s.scripts.includes(script.name));
  const plain = Object.entries(vars.data?.vars ?? {});
  const name = (n: string, note: string) => <li key={n}><button type="button" class="button quiet small mono" title={`Copy env.${n}${note}`} onClick={() => void copy(`env.${n}`)}>env.{n}</button></li>;
  return <Panel title="What env has">
    {seen.length || plain.length ? null : <span class="faint">Nothing. A secret or var NAME is <code>env.NAME</code> in a script.</span>}
    {seen.length ? <><h3>Secrets</h3><ul class="names">{seen.map((s) => name(s.name, s.hosts ? `: a placeholder, which requests to ${s.hosts.join(", ")} carry the value of` : ""))}</ul></> : null}
    {plain.length ? <><h3>Vars</h3><ul class="names">{plain.map(([n, v]) => name(n, `: ${v}`))}</ul></> : null}
  </Panel>;
}

function Limits({ script }: { script: Script }) {
  const e = script.effective_limits as unknown as Record<string, number | null>;
  const mb = (n: number | null | undefined) => n ? `${Math.round(n / (1 << 20))} MiB` : "–";
  return <Panel title="Limits"><Facts of={{
    Time: `${(e.max_execution_time_ms ?? 0) / 1000} s`, CPU: e.max_cpu_time_ms ? `${e.max_cpu_time_ms} ms` : "none", Memory: mb(e.max_memory_bytes), "At one time": String(e.max_concurrent_runs ?? "–"), "Host calls a minute": String(e.max_api_calls_per_minute ?? "–"),
  }} /></Panel>;
}

