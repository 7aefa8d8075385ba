// The live stream of log lines, starts and ends: GET /logs/tail, read for as long as a page shows it.

import { useEffect, useRef, useState } from "preact/hooks";
import { queryOf, send, session, type TailEvent } from "./api";

export type TailState = "connecting" | "live" | "reconnecting" | "refused";
export type TailQuery = { script_id?: string | undefined; status?: string | undefined; level?: string | undefined; text?: string | undefined };

/** useTail calls back with each event. */
export function useTail(query: TailQuery, onEvent: (e: TailEvent) => void, off = false): { state: TailState; detail: string } {
  const [state, setState] = useState<{ state: TailState; detail: string }>({ state: "connecting", detail: "" });
  const latest = useRef(onEvent);
  latest.current = onEvent;
  useEffect(() => {
    if (off) return;
    const abort = new AbortController();
    void tail(query, abort.signal, (e) => latest.current(e), (state, detail = "") => { if (!abort.signal.aborted) setState({ state, detail }); });
    return () => abort.abort();
  }, [JSON.stringify(query), off]);
  return state;
}

async function tail(query: TailQuery, signal: AbortSignal, onEvent: (e: TailEvent) => void, say: (s: TailState, detail?: string) => void): Promise<void> {
  let last = ""; // says with a reconnection that it is one
  while (!signal.aborted && session.me) {
    try {
      const response = await send("GET", `/logs/tail${queryOf(query)}`, { headers: { Accept: "text/event-stream", ...(last ? { "Last-Event-ID": last } : {}) }, signal });
      if (response.status === 401) session.expire("Your session has ended."); // asked again once it goes on
      else if (!response.ok && response.status !== 429 && response.status !== 503) {
        const problem = await response.json().catch(() => ({})) as { detail?: string };
        say("refused", problem.detail ?? `The server answered ${response.status}.`);
        return;
      }
      if (response.ok && response.body) {
        say("live");
        last ||= "0";
        let rest = "";
        for await (const chunk of response.body.pipeThrough(new TextDecoderStream()) as unknown as AsyncIterable<string>) {
          const events = (rest + chunk).split("\n\n");
          rest = events.pop() ?? "";
          for (const event of events) {
            const lines = event.split("\n");
            last = lines.find((l) => l.startsWith("id:"))?.slice(3).trim() ?? last;
            const data = lines.filter((l) => l.startsWith("data:")).map((l) => l.slice(5).trimStart()).join("\n");
            if (data) onEvent(JSON.parse(data) as TailEvent);
          }
        }
      }
    } catch { /* the connection ended */ }
    if (signal.aborted) return;
    say("reconnecting");
    await new Promise((r) => setTimeout(r, 2000));
  }
}
