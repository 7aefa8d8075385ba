package docs

import (
	"cmp"
	"encoding/json"
	"fmt"
	"html/template"
	"regexp"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// field is a member of an object or a parameter.
type field struct {
	Name, In, Doc string
	Type          template.HTML
	Required      bool
}

// operation is one operation of the API.
type operation struct {
	ID, Method, Path, Summary, Description, Status string
	Parameters, Body, Answer                       []field
	AnswerType                                     template.HTML
	Curl, TypeScript                               string
	// Query are the query parameters that must be there, with values to begin with; "" where there are none.
	Query string
	// Example is a body to begin with, "" where there is none. Try says that the page's form can send it.
	Example string
	Try     bool
}

type object struct {
	Name, Doc string
	Fields    []field
}

// reference reads the OpenAPI document.
type reference struct{ doc *huma.OpenAPI }

func (r reference) resolve(s *huma.Schema) *huma.Schema {
	for s != nil && s.Ref != "" {
		s = r.doc.Components.Schemas.SchemaFromRef(s.Ref)
	}
	return s
}

// operations are those of a tag, by path and method.
func (r reference) operations(tag string) []operation {
	paths := make([]string, 0, len(r.doc.Paths))
	for p := range r.doc.Paths {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	var all []operation
	for _, p := range paths {
		item := r.doc.Paths[p]
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil && slices.Contains(op.Tags, tag) {
				all = append(all, r.operation(op))
			}
		}
	}
	return all
}

func (r reference) operation(op *huma.Operation) operation {
	out := operation{ID: op.OperationID, Method: op.Method, Path: op.Path, Summary: op.Summary, Description: op.Description, Status: fmt.Sprint(op.DefaultStatus)}
	for _, p := range op.Parameters {
		if p.In == "header" && p.Name != "If-Match" && p.Name != "Idempotency-Key" {
			continue
		}
		if p.In == "query" && p.Required {
			out.Query += map[bool]string{true: "?", false: "&"}[out.Query == ""] + p.Name + "=" + cmp.Or(queries[p.Name], "1")
		}
		out.Parameters = append(out.Parameters, field{Name: p.Name, In: p.In, Doc: p.Description, Type: r.typeOf(p.Schema), Required: p.Required})
	}
	if op.RequestBody != nil {
		if m := op.RequestBody.Content["application/json"]; m != nil {
			body := r.resolve(m.Schema)
			out.Body, out.Example = r.fields(body), cmp.Or(bodies[op.OperationID], r.exampleBody(body))
		}
	}
	if answer := op.Responses[out.Status]; answer != nil {
		if m := answer.Content["application/json"]; m != nil && m.Schema != nil {
			if m.Schema.Ref != "" {
				out.AnswerType = r.typeOf(m.Schema)
			} else {
				out.Answer = r.fields(m.Schema)
			}
		}
	}
	// Signing in is not tried from here, and a stream of events has no end.
	out.Try = !strings.HasPrefix(op.Path, "/api/v1/session") && op.Path != "/api/v1/logs/tail"
	out.Curl, out.TypeScript = curl(out), typeScript(out)
	return out
}

var pathParameter = regexp.MustCompile(`\{(\w+)\}`)

// bodies are the examples of operations whose rules say more than which members are required.
var bodies = map[string]string{
	"key-create":        `{"name": "ci", "role": "developer"}`,
	"tenant-key-create": `{"name": "ci", "role": "developer"}`,
	"user-create":       `{"name": "Kim", "email": "kim@example.com", "role": "developer"}`,
	"session-create":    `{"key": "jsr_…"}`,
	"script-create":     `{"name": "greet", "type": "http", "status": "active", "http_path": "/greet/:name", "http_methods": ["GET"], "source": "export default { fetch(request, env, ctx) { return Response.json({ hello: ctx.params.name }); } }"}`,
	"script-import":     `{"format": "jsruntime.export.v1", "scripts": [{"name": "add", "type": "oneoff", "status": "draft", "source": "export default { run(input) { return input.a + input.b; } }"}]}`,
	"version-create":    `{"source": "export default { run(input) { return input.a + input.b; } }", "change_description": "Adds"}`,
}

// queries are the examples of query parameters that must be there, encoded.
var queries = map[string]string{"ids": "01890000-0000-7000-8000-000000000000", "cron_expression": "0+2+*+*+*", "against": "1"}

// curl is the operation as a command line.
func curl(o operation) string {
	var b strings.Builder
	b.WriteString("curl")
	if o.Method != "GET" {
		b.WriteString(" -X " + o.Method)
	}
	b.WriteString(` -H "Authorization: Bearer $KEY"`)
	if o.Example != "" {
		b.WriteString(" \\\n  -H 'Content-Type: application/json' -d '" + strings.ReplaceAll(o.Example, "'", `'\''`) + "'")
	}
	b.WriteString(" \\\n  \"$BASE" + pathParameter.ReplaceAllString(o.Path, "$$$1") + o.Query + "\"")
	return b.String()
}

// typeScript is the operation as a call of fetch.
func typeScript(o operation) string {
	var b strings.Builder
	fmt.Fprintf(&b, "const response = await fetch(`${base}%s`, {\n", pathParameter.ReplaceAllString(o.Path, "${encodeURIComponent($1)}")+o.Query)
	if o.Method != "GET" {
		fmt.Fprintf(&b, "  method: %q,\n", o.Method)
	}
	if o.Example != "" {
		b.WriteString("  headers: { Authorization: `Bearer ${key}`, \"Content-Type\": \"application/json\" },\n")
		fmt.Fprintf(&b, "  body: JSON.stringify(%s),\n", o.Example)
	} else {
		b.WriteString("  headers: { Authorization: `Bearer ${key}` },\n")
	}
	b.WriteString("});\nif (!response.ok) throw new Error((await response.json()).detail);\n")
	if o.AnswerType != "" || len(o.Answer) > 0 {
		b.WriteString("const answer = await response.json();\n")
	}
	return b.String()
}

// exampleBody is a body with what must be there.
func (r reference) exampleBody(s *huma.Schema) string {
	if s == nil {
		return ""
	}
	names := slices.Clone(s.Required)
	if len(names) == 0 && len(s.Properties) > 0 {
		return "{}"
	}
	slices.Sort(names)
	var members []string
	for _, name := range names {
		value, _ := json.Marshal(r.exampleOf(name, r.resolve(s.Properties[name]), 0)) // values of ours
		members = append(members, fmt.Sprintf("%q: %s", name, value))
	}
	if len(members) == 0 {
		return ""
	}
	return "{" + strings.Join(members, ", ") + "}"
}

func (r reference) exampleOf(name string, s *huma.Schema, depth int) any {
	switch {
	case s == nil || depth > 3:
		return nil
	case len(s.Examples) > 0:
		return s.Examples[0]
	case len(s.Enum) > 0:
		return s.Enum[0]
	}
	switch s.Type {
	case huma.TypeString:
		if s.Format == "uuid" {
			return "01890000-0000-7000-8000-000000000000"
		}
		return "my-" + strings.ReplaceAll(name, "_", "-")
	case huma.TypeInteger, huma.TypeNumber:
		if s.Minimum != nil {
			return *s.Minimum
		}
		return 1
	case huma.TypeBoolean:
		return true
	case huma.TypeArray:
		return []any{r.exampleOf(name, r.resolve(s.Items), depth+1)}
	case huma.TypeObject:
		made := map[string]any{}
		for _, required := range s.Required {
			made[required] = r.exampleOf(required, r.resolve(s.Properties[required]), depth+1)
		}
		return made
	default:
		return map[string]any{}
	}
}

// objects are the named schemas that have members.
func (r reference) objects() []object {
	var all []object
	for name, s := range r.doc.Components.Schemas.Map() {
		if len(s.Properties) > 0 {
			all = append(all, object{Name: name, Doc: s.Description, Fields: r.fields(s)})
		}
	}
	slices.SortFunc(all, func(a, b object) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// settings are the fields of a script that are objects of their own: what decides how it is triggered and runs.
func (r reference) settings() []object {
	script := r.doc.Components.Schemas.Map()["ScriptCreate"]
	if script == nil {
		return nil
	}
	return r.groups(script, "resource_limits", "metadata", "files")
}

// plan are the fields of a tenant's plan: its objects, after one of all that are none.
func (r reference) plan() []object {
	plan := r.doc.Components.Schemas.Map()["Plan"]
	if plan == nil {
		return nil
	}
	top := object{Name: "plan", Doc: "Each member may be absent."}
	for _, f := range r.fields(plan) {
		if s := r.resolve(plan.Properties[f.Name]); s == nil || s.Type != huma.TypeObject {
			top.Fields = append(top.Fields, f)
		}
	}
	return append([]object{top}, r.groups(plan)...)
}

// groups are the members of a schema that are objects, by name.
func (r reference) groups(of *huma.Schema, without ...string) []object {
	var all []object
	for name, p := range of.Properties {
		s := r.resolve(p)
		if slices.Contains(without, name) || s == nil || s.Type != huma.TypeObject {
			continue
		}
		o := object{Name: name, Doc: p.Description, Fields: r.fields(s)}
		if o.Doc == "" {
			o.Doc = s.Description
		}
		for _, f := range slices.Clone(o.Fields) { // one level below: http.auth.type
			if below := r.resolve(s.Properties[f.Name]); below != nil && below.Type == huma.TypeObject {
				for _, inner := range r.fields(below) {
					inner.Name = f.Name + "." + inner.Name
					o.Fields = append(o.Fields, inner)
				}
			}
		}
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b object) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// fields are an object's members: those that are required first.
func (r reference) fields(s *huma.Schema) []field {
	if s == nil {
		return nil
	}
	out := make([]field, 0, len(s.Properties))
	for name, p := range s.Properties {
		out = append(out, field{Name: name, Doc: p.Description, Type: r.typeOf(p), Required: slices.Contains(s.Required, name)})
	}
	slices.SortFunc(out, func(a, b field) int {
		if a.Required != b.Required {
			if a.Required {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out
}

// typeOf says a schema in words; named ones link to their table.
func (r reference) typeOf(s *huma.Schema) template.HTML {
	if s == nil {
		return ""
	}
	if s.Ref != "" {
		name := template.HTMLEscapeString(s.Ref[strings.LastIndex(s.Ref, "/")+1:])
		return template.HTML(`<a href="/docs/objects#` + name + `">` + name + `</a>`) //nolint:gosec // escaped above
	}
	text := s.Type
	switch {
	case s.Type == "":
		text = "any JSON"
	case s.Format != "":
		text += " (" + s.Format + ")"
	}
	out := template.HTML(template.HTMLEscapeString(text)) //nolint:gosec // escaped
	if s.Type == huma.TypeArray {
		out = "list of " + r.typeOf(s.Items)
	}
	if len(s.Enum) > 0 {
		words := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			words[i] = fmt.Sprint(v)
		}
		out += template.HTML(": " + template.HTMLEscapeString(strings.Join(words, ", "))) //nolint:gosec // escaped
	}
	if s.Minimum != nil && s.Maximum != nil {
		out += template.HTML(fmt.Sprintf(", %v to %v", bound(*s.Minimum), bound(*s.Maximum))) //nolint:gosec // numbers
	}
	if s.MaxLength != nil {
		out += template.HTML(fmt.Sprintf(", at most %d characters", *s.MaxLength)) //nolint:gosec // a number
	}
	if s.Nullable {
		out += " or null"
	}
	return out
}

func bound(n float64) string { return strings.TrimSuffix(fmt.Sprintf("%.2f", n), ".00") }
