// A script's source as the editor has it, and as the API takes it.

import type { Source, UploadError } from "../editor/editor";
import type { APIError, Operations } from "../lib/api";

type Texts = { source: string; files?: Record<string, string | null> | null | undefined; main?: string | undefined };
type Patch = Operations["PATCH /scripts/{id}"]["body"];

export const sourceOf = (s: Texts): Source =>
  s.files && Object.keys(s.files).length ? { files: s.files as Record<string, string>, main: s.main ?? "index.ts" } : { files: { "": s.source }, main: "" };

export const single = (s: Source): boolean => Object.keys(s.files).length === 1 && "" in s.files;

/** given is a source as a new version's. */
export const given = (s: Source): Pick<Patch, "source" | "files" | "main"> => single(s) ? { source: s.files[""] ?? "" } : { files: s.files, main: s.main };

/** patchOf is a source as a change of another one: files that are gone are null. */
export function patchOf(was: Source, is: Source): Pick<Patch, "source" | "files" | "main"> {
  if (single(is)) return { source: is.files[""] ?? "" };
  const files: Record<string, string | null> = { ...is.files };
  for (const name of Object.keys(was.files)) if (name !== "" && !(name in files)) files[name] = null;
  return { files, main: is.main };
}

export const same = (a: Source, b: Source): boolean =>
  a.main === b.main && Object.keys(a.files).length === Object.keys(b.files).length && Object.entries(a.files).every(([name, text]) => b.files[name] === text);

/** placesOf are the places that a refusal of a source names: source:3:14, or a file's name instead of source. */
export function placesOf(e: APIError, files: string[]): UploadError[] {
  return e.faults.flatMap(({ location, message }): UploadError[] => {
    const found = /^(.+):(\d+):(\d+)$/.exec(location);
    if (!found) return [];
    const name = found[1] ?? "";
    const file = files.includes(name) ? name : name === "source" && files.includes("") ? "" : undefined;
    return file === undefined ? [] : [{ file, line: Number(found[2]), column: Number(found[3]), message }];
  });
}
