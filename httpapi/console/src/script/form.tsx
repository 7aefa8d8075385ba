// Forms made of the API's schema: a field for each member, of the kind that its schema asks for, with the fault that the node names at it.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Button, Check, Field, Input, Select, TextArea } from "../ui";
import { equal, isMembers, type JSONValue } from "../lib/merge";
import { type Document, nullable, resolve, type Schema, typesOf } from "./schema";

export interface Faults { location: string; message: string }

/** faultAt is what the node says of a field itself; of one with fields below, what it says of none of these. */
export function faultAt(faults: Faults[], at: string, below: string[] = []): string | undefined {
  const found = faults.filter(({ location }) => location === at || under(location, at) && !below.some((b) => location === `${at}.${b}` || under(location, `${at}.${b}`)));
  return found.length ? found.map((f) => (f.location === at ? f.message : `${f.location.slice(at.length).replace(/^\./, "")}: ${f.message}`)).join("; ") : undefined;
}
const under = (location: string, at: string) => location.startsWith(`${at}.`) || location.startsWith(`${at}[`);

interface FieldProps {
  document: Document;
  schema: Schema;
  /** at is the field's place in the body, as faults name it: body.http.auth */
  at: string;
  name: string;
  value: JSONValue | undefined;
  onChange: (v: JSONValue | undefined) => void;
  faults: Faults[];
  disabled: boolean;
  required?: boolean;
  hint?: ComponentChildren;
  placeholder?: string | undefined;
  choices?: string[];
}

/** title is a member's name for people: rate_limit → Rate limit. */
export const title = (name: string): string => {
  const text = name.replace(/_ms$/, " (ms)").replace(/_seconds$/, " (s)").replace(/_/g, " ").replace(/\b(cpu|http|url|jwks|cors|ttl|kv|api|ip)\b/g, (w) => w.toUpperCase());
  return text.charAt(0).toUpperCase() + text.slice(1);
};

/** SchemaField is one member of an object. */
export function SchemaField(props: FieldProps) {
  const schema = resolve(props.document, props.schema);
  const types = typesOf(schema);
  const hint = props.hint ?? schema.description;
  const fault = faultAt(props.faults, props.at);
  const label = title(props.name) + (props.required ? "" : "");
  const { value, onChange, disabled, placeholder } = props;

  if (types.includes("object") && schema.properties) return <ObjectField {...props} schema={schema} />;
  if (schema.oneOf) return <OneOfField {...props} schema={schema} />;
  if (schema.enum) {
    const all = schema.enum.filter((v) => v !== null).map(String);
    const options: [string, string][] = all.map((v) => [v, v]);
    if (!props.required) options.unshift(["", "default"]);
    return <Field label={label} hint={hint} fault={fault}>
      <Select value={value === undefined || value === null ? "" : String(value)} onChange={(v) => onChange(v === "" ? undefined : v)} options={options} disabled={disabled} />
    </Field>;
  }
  if (types.includes("boolean")) {
    return <Field label={label} hint={hint} fault={fault}>
      <Select value={value === undefined || value === null ? "" : String(value)} onChange={(v) => onChange(v === "" ? undefined : v === "true")}
        options={[["", "default"], ["true", "yes"], ["false", "no"]]} disabled={disabled} />
    </Field>;
  }
  if (types.includes("integer") || types.includes("number")) {
    return <Field label={label} hint={hint} fault={fault}>
      <Input type="text" value={value === undefined || value === null ? "" : String(value)} placeholder={placeholder ?? "default"} disabled={disabled}
        onInput={(v) => onChange(numberOf(v))} mono />
    </Field>;
  }
  if (types.includes("array")) return <ListField {...props} schema={schema} />;
  if (types.includes("string")) {
    return <Field label={label} hint={hint} fault={fault}>
      <Input value={typeof value === "string" ? value : ""} placeholder={placeholder ?? (schema.examples?.[0] === undefined ? undefined : String(schema.examples[0]))} disabled={disabled}
        onInput={(v) => onChange(v === "" && !props.required ? undefined : v)} mono spellcheck={false} />
    </Field>;
  }
  return <JSONField {...props} schema={schema} />;
}

/** numberOf is what was typed as a number. What is none is sent as it is, so that the node says what is wrong with it. */
function numberOf(typed: string): JSONValue | undefined {
  const text = typed.trim();
  if (text === "") return undefined;
  const n = Number(text.replace(/_/g, ""));
  return Number.isFinite(n) ? n : text;
}

function ListField(props: FieldProps) {
  const { schema, value, onChange, disabled, document } = props;
  const items = schema.items ? resolve(document, schema.items) : {};
  const list = Array.isArray(value) ? value : [];
  const fault = faultAt(props.faults, props.at);
  const hint = props.hint ?? schema.description;
  if (items.enum) {
    const all = items.enum.map(String);
    return <fieldset class="field choices" aria-invalid={fault ? "true" : undefined}>
      <legend>{title(props.name)}</legend>
      <div class="row">{all.map((v) => <Check key={v} label={v} checked={list.includes(v)} disabled={disabled}
        onChange={(on) => { const next = on ? all.filter((x) => x === v || list.includes(x)) : list.filter((x) => x !== v); onChange(next.length || props.required ? next : undefined); }} />)}</div>
      {hint ? <span class="hint">{hint}</span> : null}
      {fault ? <span class="fault">{fault}</span> : null}
    </fieldset>;
  }
  if (typesOf(items).includes("string")) return <Lines {...props} hint={hint} fault={fault} list={list as string[]} onChange={onChange} disabled={disabled} />;
  return <JSONField {...props} />;
}

/** Lines is a list of texts, one a line. An empty list and none at all are two things: the box says which. */
function Lines({ name, list, value, onChange, disabled, hint, fault, required, schema, placeholder }: FieldProps & { list: string[]; fault: string | undefined }) {
  const [text, setText] = useState(list.join("\n"));
  const lines = (t: string) => t.split("\n").map((l) => l.trim()).filter(Boolean);
  const shown = equal(lines(text), list) ? text : list.join("\n");
  const mayBeEmpty = nullable(schema) && !required && name === "allow";
  return <div class="stack tight">
    <Field label={title(name)} hint={hint} fault={fault}>
      <TextArea rows={Math.min(8, Math.max(2, shown.split("\n").length))} value={shown} disabled={disabled} placeholder={placeholder ?? "one a line"}
        onInput={(t) => { setText(t); const l = lines(t); onChange(l.length || required ? l : mayBeEmpty && Array.isArray(value) && value.length === 0 ? [] : undefined); }} />
    </Field>
    {mayBeEmpty && !list.length ? <Check label={`nothing at all (an empty list)`} checked={Array.isArray(value)} disabled={disabled} onChange={(on) => onChange(on ? [] : undefined)} /> : null}
  </div>;
}

/** ObjectField is an object: given, with its fields, or not given. */
function ObjectField(props: FieldProps) {
  const { schema, value, onChange, disabled } = props;
  const members = isMembers(value) ? value : undefined;
  const names = Object.keys(schema.properties ?? {});
  const fault = faultAt(props.faults, props.at, names);
  return <fieldset class="group">
    <legend>{props.required ? title(props.name) : <Check label={title(props.name)} checked={members !== undefined} disabled={disabled} onChange={(on) => onChange(on ? initial(props.document, schema) : undefined)} />}</legend>
    {props.hint ?? schema.description ? <p class="hint">{props.hint ?? schema.description}</p> : null}
    {fault ? <p class="fault" role="alert">{fault}</p> : null}
    {members ? <ObjectFields {...props} members={members} onChange={onChange} /> : null}
  </fieldset>;
}

/** initial is an object with what it must have: the first of its choices, the least of its numbers, its first example. */
function initial(document: Document, schema: Schema): JSONValue {
  const made: Record<string, JSONValue> = {};
  for (const name of schema.required ?? []) {
    const s = resolve(document, schema.properties?.[name] ?? {});
    made[name] = s.enum?.[0] ?? s.examples?.[0] as JSONValue ?? (typesOf(s).some((t) => t === "integer" || t === "number") ? s.minimum ?? 0 : typesOf(s).includes("array") ? [] : "");
  }
  return made;
}

/** ObjectFields are the fields of an object without its frame. shown: only these. */
export function ObjectFields({ document, schema: given, at, members, onChange, faults, disabled, shown, hints, placeholders, choices }: {
  document: Document; schema: Schema; at: string; members: Record<string, JSONValue | undefined>; onChange: (v: JSONValue) => void; faults: Faults[]; disabled: boolean;
  shown?: string[]; hints?: Record<string, ComponentChildren>; placeholders?: Record<string, string>; choices?: string[] | undefined;
}) {
  const schema = resolve(document, given);
  const names = (shown ?? sorted(document, schema)).filter((n) => schema.properties?.[n]);
  return <div class="fields">{names.map((name) => <SchemaField key={name} document={document} schema={schema.properties?.[name] ?? {}} at={`${at}.${name}`} name={name} value={members[name]} faults={faults}
    disabled={disabled} required={schema.required?.includes(name) ?? false} hint={hints?.[name]} placeholder={placeholders?.[name]} {...(choices ? { choices } : {})}
    onChange={(v) => { const next = { ...members }; if (v === undefined) delete next[name]; else next[name] = v; onChange(next); }} />)}</div>;
}

// What must be there stands first, what is an object of its own last.
function sorted(document: Document, schema: Schema): string[] {
  const rank = (name: string) => schema.required?.includes(name) ? 0 : typesOf(resolve(document, schema.properties?.[name] ?? {})).includes("object") ? 2 : 1;
  return Object.keys(schema.properties ?? {}).sort((a, b) => rank(a) - rank(b));
}

/** OneOfField is a value of several kinds: one text or a list of them becomes lines; yes, no or an object a choice of these; all else is JSON. */
function OneOfField(props: FieldProps) {
  const kinds = (props.schema.oneOf ?? []).map((s) => resolve(props.document, s));
  const object = kinds.find((s) => typesOf(s).includes("object") && s.properties);
  const list = kinds.find((s) => typesOf(s).includes("array"));
  const { value, onChange, disabled } = props;
  if (list && kinds.some((s) => typesOf(s).includes("string"))) {
    return <SchemaField {...props} schema={{ ...list, description: props.schema.description ?? "", type: ["array", "null"] }} value={typeof value === "string" ? value.split(",").map((v) => v.trim()).filter(Boolean) : value} />;
  }
  if (object && kinds.some((s) => typesOf(s).includes("boolean"))) {
    const chosen = isMembers(value) ? "own" : value === true ? "true" : value === false ? "false" : "";
    const names = Object.keys(object.properties ?? {});
    return <fieldset class="group">
      <legend>{title(props.name)}</legend>
      <Field label="Admit" hint={props.schema.description} fault={faultAt(props.faults, props.at, names)}>
        <Select value={chosen} disabled={disabled} options={[["", "default"], ["true", "all"], ["false", "none"], ["own", "as follows"]]}
          onChange={(v) => onChange(v === "" ? undefined : v === "own" ? initial(props.document, object) : v === "true")} />
      </Field>
      {isMembers(value) ? <ObjectFields {...props} schema={object} members={value} onChange={onChange} /> : null}
    </fieldset>;
  }
  return <JSONField {...props} />;
}

/** JSONField is whatever else: JSON, as it is. */
export function JSONField({ name, value, onChange, disabled, schema, hint, faults, at }: FieldProps) {
  const [typed, setTyped] = useState<string | null>(null);
  const [wrong, setWrong] = useState<string | undefined>(undefined);
  const text = typed ?? (value === undefined ? "" : JSON.stringify(value, null, 2));
  return <div class="stack tight">
    <Field label={title(name)} hint={hint ?? schema.description} fault={wrong ?? faultAt(faults, at)}>
      <TextArea rows={Math.min(12, Math.max(3, text.split("\n").length))} value={text} disabled={disabled} placeholder="JSON"
        onInput={(t) => {
          setTyped(t);
          if (t.trim() === "") { setWrong(undefined); onChange(undefined); return; }
          try { onChange(JSON.parse(t) as JSONValue); setWrong(undefined); } catch (e) { setWrong(`This is not JSON: ${(e as Error).message}`); }
        }} />
    </Field>
    {wrong ? <div><Button small kind="quiet" onClick={() => { setTyped(null); setWrong(undefined); }}>Undo</Button></div> : null}
  </div>;
}
