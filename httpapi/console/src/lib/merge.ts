// JSON merge patches (RFC 7396): what must be sent so that one value becomes another.

export type JSONValue = string | number | boolean | null | JSONValue[] | { [name: string]: JSONValue | undefined };
type Members = Record<string, JSONValue | undefined>;

export const isMembers = (v: unknown): v is Members => typeof v === "object" && v !== null && !Array.isArray(v);

/** own is a member of a value itself: every object has a toString that is none. */
const own = (v: Members, name: string) => Object.hasOwn(v, name) ? v[name] : undefined;

/** mergePatch returns the patch that makes before after; undefined: they are equal. A member that is absent, or null, is taken away. */
export function mergePatch(before: JSONValue | undefined, after: JSONValue | undefined): JSONValue | undefined {
  if (after === undefined || after === null) return before === undefined || before === null ? undefined : null;
  if (!isMembers(after) || !isMembers(before)) return equal(before, after) ? undefined : after;
  const patch = Object.create(null) as Members; // a member may be called __proto__
  let changed = false;
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const part = mergePatch(own(before, name), own(after, name));
    if (part !== undefined) { patch[name] = part; changed = true; }
  }
  return changed ? patch : undefined;
}

export function equal(a: JSONValue | undefined, b: JSONValue | undefined): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((v, i) => equal(v, b[i]));
  if (!isMembers(a) || !isMembers(b)) return false;
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].every((n) => equal(own(a, n), own(b, n)));
}
