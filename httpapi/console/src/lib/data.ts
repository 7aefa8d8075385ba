// What pages show is loaded here: one answer, or a list page by page. What was shown stays while its successor loads.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { type Answer, type Arguments, APIError, call, callWithETag, onSession, type Operation, session } from "./api";

export interface Loaded<T> {
  data: T | undefined;
  etag: string | null;
  error: Error | undefined;
  loading: boolean;
  /** reload asks again; what is shown stays until the answer is there. */
  reload: () => Promise<void>;
  /** set shows a value that another request has answered. */
  set: (value: T, etag?: string | null) => void;
}

/** useVisible calls back every so many milliseconds while the page is in sight. */
export function useEvery(ms: number, f: () => unknown): void {
  const latest = useRef(f);
  latest.current = f;
  useEffect(() => {
    if (!ms) return;
    const timer = setInterval(() => { if (!document.hidden) void latest.current(); }, ms);
    return () => clearInterval(timer);
  }, [ms]);
}

/** useResumed calls back once a session that had ended goes on, if a request has met its end meanwhile: its error goes to missed. */
function useResumed(f: () => unknown): { missed: (e: unknown) => boolean } {
  const latest = useRef(f);
  latest.current = f;
  const waits = useRef(false);
  useEffect(() => onSession(() => {
    if (!waits.current || !session.me || session.over) return;
    waits.current = false;
    void latest.current();
  }), []);
  return { missed: (e) => waits.current = e instanceof APIError && e.status === 401 && session.me !== null };
}

/** useLoad loads one answer. every: ask again after so many milliseconds; skip: do not ask. Arguments that are equal as JSON are the same. */
export function useLoad<K extends Operation>(operation: K, given?: Arguments<K>[0], options: { every?: number; skip?: boolean } = {}): Loaded<Answer<K>> {
  const key = operation + JSON.stringify(given ?? null);
  const [state, setState] = useState<{ key: string; data?: Answer<K>; etag: string | null; error?: Error | undefined; loading: boolean }>({ key, etag: null, loading: true });
  const turn = useRef(0);
  const load = useCallback(async () => {
    if (options.skip) return;
    const mine = ++turn.current;
    setState((s) => ({ ...s, loading: true }));
    try {
      const { value, etag } = await callWithETag(operation, ...([given] as Arguments<K>));
      if (mine === turn.current) setState({ key, data: value, etag, loading: false });
    } catch (e) {
      if (mine === turn.current) setState((s) => missed(e) ? { ...s, loading: false } : { ...s, key, error: e as Error, loading: false });
    }
  }, [key, options.skip]);
  const { missed } = useResumed(load);
  useEffect(() => {
    void load();
    return () => { turn.current++; };
  }, [load]);
  useEvery(options.skip ? 0 : options.every ?? 0, load);
  const set = useCallback((value: Answer<K>, etag: string | null = null) => { turn.current++; setState({ key, data: value, etag, loading: false }); }, [key]);
  return { data: state.data, etag: state.etag, error: state.error, loading: state.loading, reload: load, set };
}

type Lists = { [K in Operation]: Answer<K> extends { items: unknown[] } ? K : never }[Operation];
export type Item<K extends Lists> = Answer<K> extends { items: (infer T)[] } ? T : never;

export interface Pages<T> {
  items: T[] | undefined;
  error: Error | undefined;
  loading: boolean;
  /** more is whether there is a next page. */
  more: boolean;
  loadMore: () => Promise<void>;
  reload: () => Promise<void>;
}

/** usePages loads a list page by page. every: look for newer rows after so many milliseconds, while only the first page is shown. */
export function usePages<K extends Lists>(operation: K, given?: Arguments<K>[0], options: { every?: number; skip?: boolean } = {}): Pages<Item<K>> {
  const key = operation + JSON.stringify(given ?? null);
  const [state, setState] = useState<{ items?: Item<K>[]; cursor: string | null; pages: number; error?: Error | undefined; loading: boolean }>({ cursor: null, pages: 0, loading: true });
  const turn = useRef(0);
  const load = useCallback(async (cursor: string | null) => {
    if (options.skip) return;
    const mine = ++turn.current;
    setState((s) => ({ ...s, loading: true }));
    try {
      const g = (given ?? {}) as { query?: object };
      const page = await call(operation, ...([{ ...g, query: { limit: 50, ...g.query, ...(cursor ? { cursor } : {}) } }] as unknown as Arguments<K>)) as { items: Item<K>[]; next_cursor?: string | null };
      if (mine !== turn.current) return;
      setState((s) => ({ items: cursor ? [...(s.items ?? []), ...page.items] : page.items, cursor: page.next_cursor ?? null, pages: cursor ? s.pages + 1 : 1, loading: false }));
    } catch (e) {
      if (mine === turn.current) setState((s) => missed(e) ? { ...s, loading: false } : { ...s, error: e as Error, loading: false });
    }
  }, [key, options.skip]);
  const { missed } = useResumed(() => load(null));
  useEffect(() => {
    void load(null);
    return () => { turn.current++; };
  }, [load]);
  useEvery(options.every && state.pages <= 1 ? options.every : 0, () => load(null));
  return {
    items: state.items, error: state.error, loading: state.loading, more: state.cursor !== null,
    loadMore: () => load(state.cursor), reload: () => load(null),
  };
}
