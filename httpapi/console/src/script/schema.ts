// The API's document, of which the forms of settings are made: a setting that the node has gets a field here without more.

export interface Schema {
  $ref?: string;
  type?: string | string[];
  enum?: (string | number | null)[];
  oneOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  description?: string;
  minimum?: number;
  maximum?: number;
  maxLength?: number;
  pattern?: string;
  examples?: unknown[];
  format?: string;
}

interface Document { components: { schemas: Record<string, Schema> } }

let loading: Promise<Document> | null = null;

/** apiDocument is this node's /openapi.json. */
export function apiDocument(): Promise<Document> {
  loading ??= fetch("/openapi.json", { credentials: "omit", referrerPolicy: "no-referrer" }).then(async (r) => {
    if (!r.ok) throw new Error(`/openapi.json: ${r.status}`);
    return await r.json() as Document;
  });
  loading.catch(() => { loading = null; });
  return loading;
}

/** resolve follows references; what stands beside one counts more. */
export function resolve(document: Document, s: Schema): Schema {
  if (!s.$ref) return s;
  const { $ref, ...beside } = s;
  const named = document.components.schemas[$ref.slice($ref.lastIndexOf("/") + 1)];
  return named ? { ...resolve(document, named), ...beside } : beside;
}

export const typesOf = (s: Schema): string[] => (Array.isArray(s.type) ? s.type : s.type ? [s.type] : []).filter((t) => t !== "null");
export const nullable = (s: Schema): boolean => Array.isArray(s.type) && s.type.includes("null");
export type { Document };
