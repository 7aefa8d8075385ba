// Tables whose rows are links.

import type { ComponentChildren } from "preact";
import type { Pages } from "../lib/data";
import { follow } from "../lib/router";
import { Button, Empty, Failure, Loading } from "./basic";

export interface Column<T> {
  title: ComponentChildren;
  cell: (row: T) => ComponentChildren;
  right?: boolean;
  /** wide columns are left out where the page is narrow. */
  wide?: boolean;
  /** text columns hold long texts, which break anywhere. */
  text?: boolean;
  class?: string;
}

/** Table shows rows. With href each row is a link: its first cell holds it, it covers the row, and the arrow keys step from row to row. */
export function Table<T>({ columns, rows, href, rowKey, label }: { columns: Column<T>[]; rows: T[]; href?: ((row: T) => string) | undefined; rowKey?: (row: T) => string; label: string }) {
  const name = (c: Column<T>) => [c.right ? "right" : "", c.wide ? "wide" : "", c.text ? "text" : "", c.class ?? ""].filter(Boolean).join(" ") || undefined;
  return <div class="table-scroll" tabIndex={href ? undefined : 0}><table aria-label={label}>
    <thead><tr>{columns.map((c) => <th scope="col" class={name(c)}>{c.title || <span class="visually-hidden">Actions</span>}</th>)}</tr></thead>
    <tbody onKeyDown={step}>{rows.map((row, i) => <tr key={rowKey ? rowKey(row) : i} class={href ? "linked" : undefined}>
      {columns.map((c, j) => <td class={name(c)}>{href && j === 0 ? <a class="row-link" href={href(row)} onClick={follow}>{c.cell(row)}</a> : c.cell(row)}</td>)}
    </tr>)}</tbody>
  </table></div>;
}

function step(e: KeyboardEvent) {
  const by = e.key === "ArrowDown" || e.key === "j" ? 1 : e.key === "ArrowUp" || e.key === "k" ? -1 : 0;
  const at = e.target as HTMLElement;
  if (!by || !at.classList.contains("row-link")) return;
  const row = at.closest("tr");
  const next = (by > 0 ? row?.nextElementSibling : row?.previousElementSibling)?.querySelector<HTMLElement>("a.row-link");
  if (next) { e.preventDefault(); next.focus(); }
}

/** List is a Table of a list of the API, with a button for the next page. */
export function List<T>({ pages, empty, ...table }: { pages: Pages<T>; columns: Column<T>[]; href?: (row: T) => string; rowKey?: (row: T) => string; label: string; empty?: ComponentChildren }) {
  if (!pages.items) return pages.error ? <Failure error={pages.error} retry={pages.reload} /> : <Loading />;
  return <div class="panel">
    {pages.error ? <Failure error={pages.error} retry={pages.reload} /> : null}
    {pages.items.length ? <Table rows={pages.items} {...table} /> : empty ?? <Empty title="Nothing here yet." />}
    {pages.more ? <div class="more"><Button small onClick={pages.loadMore}>{pages.items.length ? "Show more" : "Search further back"}</Button></div> : null}
  </div>;
}
