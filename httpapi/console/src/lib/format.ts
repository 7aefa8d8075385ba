// Numbers, sizes and times as text.

export const ms = (n: number | null | undefined): string => n === null || n === undefined ? "–"
  : n === 0 ? "0 ms" : n < 10 ? `${n.toFixed(n < 1 ? 2 : 1)} ms` : n < 10_000 ? `${Math.round(n)} ms` : n < 120_000 ? `${(n / 1000).toFixed(1)} s` : n < 7_200_000 ? `${Math.round(n / 60_000)} min` : `${(n / 3_600_000).toFixed(1)} h`;

export function bytes(n: number | null | undefined): string {
  if (n === null || n === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  while (n >= 1024 && i < units.length - 1) { n /= 1024; i++; }
  return `${i === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[i]}`;
}

const grouped = new Intl.NumberFormat("en");
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
export const count = (n: number | null | undefined): string => n === null || n === undefined ? "–" : grouped.format(n);
export const short = (n: number | null | undefined): string => n === null || n === undefined ? "–" : n < 10_000 ? grouped.format(n) : compact.format(n);
export const percent = (part: number, whole: number): string => whole === 0 ? "–" : `${(100 * part / whole).toFixed(part === 0 || part === whole ? 0 : 1)} %`;
export const plural = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`;

const valid = (at: string | number | Date | null | undefined): Date | null => {
  if (at === null || at === undefined || at === "") return null;
  const d = new Date(at);
  return Number.isNaN(d.getTime()) ? null : d;
};

const options: Intl.DateTimeFormatOptions = { year: "numeric", month: "short", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false };
/** dateTime is 30 Nov 2026, 17:13:56 in the browser's zone, or in UTC. */
export function dateTime(at: string | number | Date | null | undefined, utc: boolean, fraction = false): string {
  const d = valid(at);
  return d ? d.toLocaleString("en-GB", { ...options, ...(fraction ? { fractionalSecondDigits: 3 } : {}), ...(utc ? { timeZone: "UTC" } : {}) }) : "–";
}
export function clock(at: string | number | Date | null | undefined, utc: boolean, fraction = false): string {
  const d = valid(at);
  return d ? d.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false, ...(fraction ? { fractionalSecondDigits: 3 } : {}), ...(utc ? { timeZone: "UTC" } : {}) }) : "–";
}
/** ago is "3 min ago", or "in 3 min". */
export function ago(at: string | number | Date | null | undefined, now = Date.now()): string {
  const d = valid(at);
  if (!d) return "–";
  const s = Math.round((now - d.getTime()) / 1000);
  const a = Math.abs(s);
  const text = a < 60 ? `${a} s` : a < 3600 ? `${Math.floor(a / 60)} min` : a < 86_400 ? `${Math.floor(a / 3600)} h` : `${Math.floor(a / 86_400)} d`;
  return a < 2 ? "now" : s > 0 ? `${text} ago` : `in ${text}`;
}
export const iso = (at: string | number | Date | null | undefined): string => valid(at)?.toISOString() ?? "";
/** revealed is a text with its characters that no reader would see, or that turn the order of writing round, by their numbers: <U+202E>. */
export const revealed = (s: string): string => s.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\ufeff]/g,
  (c) => `<U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}>`);
/** text is a message of a tenant's, whatever it was. */
export const text = (v: unknown): string => typeof v === "string" ? v : v === undefined || v === null ? "" : JSON.stringify(v);
export const pretty = (v: unknown): string => v === undefined ? "" : JSON.stringify(v, null, 2);
/** parseJSON reads what a person has typed as JSON; the error says where it is wrong. */
export function parseJSON(source: string): { value?: unknown; error?: string } {
  try { return { value: source.trim() === "" ? null : JSON.parse(source) }; } catch (e) { return { error: `This is not JSON: ${(e as Error).message}` }; }
}
