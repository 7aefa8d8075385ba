package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// docsStyle is the page's style sheet; its hash is in the page's policy.
const docsStyle = `
:root{color-scheme:light dark;--line:#8884;--soft:#8882}
body{font:15px/1.5 system-ui,sans-serif;margin:0;display:grid;grid-template-columns:17rem minmax(0,1fr)}
nav{position:sticky;top:0;height:100vh;overflow:auto;padding:1rem;box-sizing:border-box;border-right:1px solid var(--line);font-size:13px}
nav a{display:block;text-decoration:none;color:inherit;padding:1px 0;white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
nav a:hover{text-decoration:underline}nav h3{margin:1rem 0 .2rem;font-size:13px}
main{padding:1rem 2rem;max-width:60rem}h1{font-size:1.6rem}h2{margin-top:3rem;border-bottom:1px solid var(--line)}
section{margin:1.5rem 0;padding:.75rem 1rem;border:1px solid var(--line);border-radius:6px}section h3{margin:0}
code,pre{font:13px/1.45 ui-monospace,monospace}pre{background:var(--soft);padding:.6rem;border-radius:4px;overflow:auto}
table{border-collapse:collapse;width:100%;font-size:13.5px;margin:.4rem 0}td,th{text-align:left;vertical-align:top;padding:.2rem .6rem .2rem 0;border-bottom:1px solid var(--line)}
.m{display:inline-block;min-width:3.6rem;font-weight:600;font-size:12px}.get{color:#2a7}.post{color:#27c}.put,.patch{color:#b70}.delete{color:#c33}
summary{cursor:pointer;margin-top:.4rem}.req{color:#c33}.dim{opacity:.75}
@media(max-width:50rem){body{display:block}nav{position:static;height:auto;border:0}}
`

// docsPolicy allows the page its style sheet and nothing else.
var docsPolicy = func() string {
	sum := sha256.Sum256([]byte(docsStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; " +
		"frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
}()

// docsTemplate is the page of /docs: one document, no script, nothing from elsewhere.
const docsTemplate = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}}</title><style>` + docsStyle + `</style></head><body><nav><strong>{{.Title}}</strong><a href="/openapi.json">openapi.json</a>
{{range .Groups}}<h3>{{.Name}}</h3>{{range .Operations}}<a href="#{{.ID}}" title="{{.Path}}">{{.Summary}}</a>{{end}}{{end}}
<h3>Objects</h3>{{range .Schemas}}<a href="#schema-{{.Name}}">{{.Name}}</a>{{end}}</nav><main>
<h1>{{.Title}}</h1><p>{{.Description}}</p>
<pre>curl -H "Authorization: Bearer $KEY" http://127.0.0.1:8080/api/v1/whoami</pre>
{{range .Groups}}<h2>{{.Name}}</h2><p>{{.Description}}</p>{{range .Operations}}
<section id="{{.ID}}"><h3>{{.Summary}}</h3><p><span class="m {{.Class}}">{{.Method}}</span> <code>{{.Path}}</code></p><p class="dim">{{.Description}}</p>
{{if .Parameters}}<table><tr><th>Parameter</th><th>In</th><th>Type</th><th></th></tr>{{range .Parameters}}<tr><td><code>{{.Name}}</code>{{if .Required}} <span class="req">required</span>{{end}}</td><td>{{.In}}</td><td>{{.Type}}</td><td>{{.Doc}}</td></tr>{{end}}</table>{{end}}
{{if .Body}}<details open><summary>Request body</summary>{{template "fields" .Body}}</details>{{end}}
{{if .Answer}}<details><summary>Answer {{.Status}}</summary>{{template "fields" .Answer}}</details>{{else}}<p>Answers {{.Status}}{{if .AnswerType}}: {{.AnswerType}}{{end}}</p>{{end}}
</section>{{end}}{{end}}
<h2>Objects</h2>{{range .Schemas}}<section id="schema-{{.Name}}"><h3>{{.Name}}</h3>{{template "fields" .Fields}}</section>{{end}}
</main></body></html>
{{define "fields"}}<table><tr><th>Field</th><th>Type</th><th></th></tr>{{range .}}<tr><td><code>{{.Name}}</code>{{if .Required}} <span class="req">required</span>{{end}}</td><td>{{.Type}}</td><td>{{.Doc}}</td></tr>{{end}}</table>{{end}}`

type docField struct {
	Name, In, Doc string
	Type          template.HTML
	Required      bool
}

type docOperation struct {
	ID, Method, Class, Path, Summary, Description, Status string
	Parameters, Body, Answer                              []docField
	AnswerType                                            template.HTML
}

type docGroup struct {
	Name, Description string
	Operations        []docOperation
}

type docSchema struct {
	Name   string
	Fields []docField
}

// renderDocs makes a readable page of the OpenAPI document.
func renderDocs(doc *huma.OpenAPI) []byte {
	d := docRenderer{doc: doc}
	page := struct {
		Title, Description string
		Groups             []docGroup
		Schemas            []docSchema
	}{Title: doc.Info.Title, Description: doc.Info.Description}
	paths := make([]string, 0, len(doc.Paths))
	for p := range doc.Paths {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	for _, tag := range doc.Tags {
		group := docGroup{Name: tag.Name, Description: tag.Description}
		for _, p := range paths {
			for _, op := range operationsOf(doc.Paths[p]) {
				if slices.Contains(op.Tags, tag.Name) {
					group.Operations = append(group.Operations, d.operation(op))
				}
			}
		}
		page.Groups = append(page.Groups, group)
	}
	names := make([]string, 0)
	for name := range doc.Components.Schemas.Map() {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if s := doc.Components.Schemas.Map()[name]; len(s.Properties) > 0 {
			page.Schemas = append(page.Schemas, docSchema{Name: name, Fields: d.fields(s)})
		}
	}
	var out bytes.Buffer
	if err := template.Must(template.New("docs").Parse(docsTemplate)).Execute(&out, page); err != nil {
		return []byte(template.HTMLEscapeString(err.Error()))
	}
	return out.Bytes()
}

type docRenderer struct{ doc *huma.OpenAPI }

func (d docRenderer) resolve(s *huma.Schema) *huma.Schema {
	for s != nil && s.Ref != "" {
		s = d.doc.Components.Schemas.SchemaFromRef(s.Ref)
	}
	return s
}

func (d docRenderer) operation(op *huma.Operation) docOperation {
	out := docOperation{
		ID: op.OperationID, Method: op.Method, Class: strings.ToLower(op.Method), Path: op.Path, Summary: op.Summary, Description: op.Description,
		Status: fmt.Sprint(op.DefaultStatus),
	}
	for _, p := range op.Parameters {
		out.Parameters = append(out.Parameters, docField{Name: p.Name, In: p.In, Doc: p.Description, Type: d.typeOf(p.Schema), Required: p.Required})
	}
	if op.RequestBody != nil {
		if m := op.RequestBody.Content["application/json"]; m != nil {
			out.Body = d.fields(d.resolve(m.Schema))
		}
	}
	if r := op.Responses[out.Status]; r != nil {
		if m := r.Content["application/json"]; m != nil && m.Schema != nil {
			if m.Schema.Ref != "" {
				out.AnswerType = d.typeOf(m.Schema)
			} else {
				out.Answer = d.fields(m.Schema)
			}
		}
	}
	return out
}

func (d docRenderer) fields(s *huma.Schema) []docField {
	if s == nil {
		return nil
	}
	names := make([]string, 0, len(s.Properties))
	for name := range s.Properties {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		ra, rb := slices.Contains(s.Required, a), slices.Contains(s.Required, b)
		if ra != rb {
			if ra {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	out := make([]docField, 0, len(names))
	for _, name := range names {
		p := s.Properties[name]
		out = append(out, docField{Name: name, Doc: p.Description, Type: d.typeOf(p), Required: slices.Contains(s.Required, name)})
	}
	return out
}

// typeOf says a schema in words; named ones link to their own table.
func (d docRenderer) typeOf(s *huma.Schema) template.HTML {
	if s == nil {
		return ""
	}
	if s.Ref != "" {
		name := template.HTMLEscapeString(s.Ref[strings.LastIndex(s.Ref, "/")+1:])
		return template.HTML(`<a href="#schema-` + name + `">` + name + `</a>`) // escaped above
	}
	text := s.Type
	switch {
	case s.Type == "":
		text = "any JSON"
	case s.Format != "":
		text += " (" + s.Format + ")"
	}
	out := template.HTML(template.HTMLEscapeString(text)) // escaped
	if s.Type == huma.TypeArray {
		out = "list of " + d.typeOf(s.Items)
	}
	if len(s.Enum) > 0 {
		words := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			words[i] = fmt.Sprint(v)
		}
		out += template.HTML(": " + template.HTMLEscapeString(strings.Join(words, ", "))) // escaped
	}
	if s.MaxLength != nil {
		out += template.HTML(fmt.Sprintf(", at most %d characters", *s.MaxLength)) // a number
	}
	if s.Nullable {
		out += " or null"
	}
	return out
}
