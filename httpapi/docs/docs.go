// Package docs is /docs: the guide, recipes, the reference of the API, the codes of errors with cause and cure, and the settings.
//
//	/docs/                     the guide's first page
//	/docs/guide/NAME           a page of the guide (pages/guide-*.html)
//	/docs/recipes              whole scripts for usual tasks (pages/recipes.html)
//	/docs/reference/TAG        the operations of one part of the API, made of the OpenAPI document
//	/docs/objects              what they take and answer with
//	/docs/errors#CODE          where a problem's type leads
//	/docs/settings             limits and settings of a script
//	/docs/plan                 settings of a tenant: what its plan may have
//	/docs/flags                flags of a node, with their environment variables
//	/docs/search.json          what the search looks through
//
// All of it is rendered once. A page is readable without its script, which adds the search and, where a session of the console is there,
// lets an operation be tried. Text of tenants is never on these pages.
package docs

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/httpapi/problem"
)

//go:embed layout.html pages/*.html
var texts embed.FS

// Prefix is the path below which the pages are.
const Prefix = "/docs/"

// Policy is the pages' Content-Security-Policy: files of this origin, and no markup made of text.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; " +
	"frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Config is what the pages are made of.
type Config struct {
	// Document is the API. Required.
	Document *huma.OpenAPI
	// Script and Style are the addresses of the pages' files.
	Script, Style string
	// Flags are those of a node; without any there is no page of them.
	Flags []Flag
}

// Flag is a flag of a node.
type Flag struct {
	Name     string // listen, for --listen; empty for what is read from the environment only
	Variable string // its environment variable
	Default  string // empty: none
	Choices  string // its values with commas in between, where it is one of a few
	Help     string
}

// Docs are the rendered pages.
type Docs struct {
	pages  map[string]rendered // by what follows Prefix
	search []byte
}

type rendered struct {
	data []byte
	etag string
}

// page is one page before it is rendered.
type page struct {
	Path, Group, Title, About string
	Body                      template.HTML
	Sections                  []section
}

// section is a part of a page that can be linked to and found.
type section struct{ ID, Title, Text string }

// New renders the pages.
func New(cfg Config) (*Docs, error) {
	layout, err := template.ParseFS(texts, "layout.html")
	if err != nil {
		return nil, err
	}
	pages, err := all(cfg, layout)
	if err != nil {
		return nil, err
	}
	d := &Docs{pages: map[string]rendered{}}
	for _, p := range pages {
		var out bytes.Buffer
		view := struct {
			Config
			Page   page
			Groups []group
		}{cfg, p, grouped(pages, p.Path)}
		if err := layout.ExecuteTemplate(&out, "page", view); err != nil {
			return nil, fmt.Errorf("/docs/%s: %w", p.Path, err)
		}
		sum := sha256.Sum256(out.Bytes())
		d.pages[p.Path] = rendered{data: out.Bytes(), etag: `"` + hex.EncodeToString(sum[:8]) + `"`}
	}
	d.search, err = json.Marshal(index(pages))
	return d, err
}

// Paths are the paths of all pages, below Prefix.
func (d *Docs) Paths() []string {
	paths := make([]string, 0, len(d.pages))
	for p := range d.pages {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	return paths
}

// Page returns a page by what follows Prefix.
func (d *Docs) Page(name string) ([]byte, bool) {
	p, ok := d.pages[name]
	return p.data, ok
}

// ServeHTTP serves the pages below Prefix. The headers of the pages' protection are the caller's.
func (d *Docs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.Trim(strings.TrimPrefix(r.URL.Path+"/", Prefix), "/")
	if name == "search.json" {
		w.Header().Set("Content-Type", "application/json")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(d.search))
		return
	}
	p, ok := d.pages[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", p.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(p.data))
}

// group is a part of the navigation.
type group struct {
	Name  string
	Pages []link
}

type link struct {
	Title, Path string
	Current     bool
}

func grouped(pages []page, current string) []group {
	var groups []group
	for _, p := range pages {
		if len(groups) == 0 || groups[len(groups)-1].Name != p.Group {
			groups = append(groups, group{Name: p.Group})
		}
		last := &groups[len(groups)-1]
		last.Pages = append(last.Pages, link{Title: p.Title, Path: p.Path, Current: p.Path == current})
	}
	return groups
}

// found is what the search looks through.
type found struct {
	Title string `json:"title"`
	Page  string `json:"page"`
	Path  string `json:"path"`
	Text  string `json:"text"`
}

func index(pages []page) []found {
	all := []found{}
	for _, p := range pages {
		all = append(all, found{Title: p.Title, Page: p.Group, Path: Prefix + p.Path, Text: p.About})
		for _, s := range p.Sections {
			all = append(all, found{Title: s.Title, Page: p.Title, Path: Prefix + p.Path + "#" + s.ID, Text: s.Text})
		}
	}
	return all
}

// guide are the pages that are written by hand, in their order: the file's name and its group.
var guide = []struct{ file, path, group string }{
	{"guide-start", "", "Guide"},
	{"guide-scripts", "guide/scripts", "Guide"},
	{"guide-triggers", "guide/triggers", "Guide"},
	{"guide-data", "guide/data", "Guide"},
	{"guide-versions", "guide/versions", "Guide"},
	{"guide-runs", "guide/runs", "Guide"},
	{"recipes", "recipes", "Recipes"},
}

func all(cfg Config, layout *template.Template) ([]page, error) {
	var pages []page
	for _, g := range guide {
		text, err := texts.ReadFile(path.Join("pages", g.file+".html"))
		if err != nil {
			return nil, err
		}
		pages = append(pages, written(g.path, g.group, string(text)))
	}
	render := func(p page, name string, data any) error {
		var out bytes.Buffer
		err := layout.ExecuteTemplate(&out, name, data)
		p.Body = template.HTML(out.String()) //nolint:gosec // of a template, which escapes
		pages = append(pages, p)
		return err
	}
	r := reference{doc: cfg.Document}
	for _, tag := range cfg.Document.Tags {
		operations := r.operations(tag.Name)
		p := page{Path: "reference/" + slug(tag.Name), Group: "API reference", Title: tag.Name, About: tag.Description}
		for _, o := range operations {
			p.Sections = append(p.Sections, section{ID: o.ID, Title: o.Summary, Text: o.Method + " " + o.Path})
		}
		if err := render(p, "reference", operations); err != nil {
			return nil, err
		}
	}
	objects := r.objects()
	p := page{Path: "objects", Group: "API reference", Title: "Objects", About: "What the API takes and answers with."}
	for _, o := range objects {
		p.Sections = append(p.Sections, section{ID: o.Name, Title: o.Name, Text: names(o.Fields)})
	}
	if err := render(p, "objects", objects); err != nil {
		return nil, err
	}
	p = page{Path: "settings", Group: "Reference", Title: "Settings of a script", About: "Limits, and every setting by its field."}
	settings := r.settings()
	p.Sections = append(p.Sections, section{ID: "limits", Title: "Limits", Text: limitNames()})
	for _, o := range settings {
		p.Sections = append(p.Sections, section{ID: o.Name, Title: o.Name, Text: names(o.Fields)})
	}
	if err := render(p, "settings", struct {
		Limits []engine.Limit
		Groups []object
		Flags  bool
	}{engine.LimitTable(), settings, len(cfg.Flags) > 0}); err != nil {
		return nil, err
	}
	if err := r.operators(cfg.Flags, render); err != nil {
		return nil, err
	}
	p = page{Path: "errors", Group: "Reference", Title: "Error codes", About: "Each code of an error or of an execution that failed: its cause and its cure."}
	codes := errorCodes()
	for _, c := range codes {
		p.Sections = append(p.Sections, section{ID: c.Code, Title: c.Code, Text: c.Cause})
	}
	return pages, render(p, "errors", codes)
}

// operators are the pages of what an operator sets: a tenant's plan, and the node's flags.
func (r reference) operators(flags []Flag, render func(page, string, any) error) error {
	plan := r.plan()
	if len(plan) > 0 {
		p := page{Path: "plan", Group: "Reference", Title: "Settings of a tenant", About: "What an operator sets in a tenant's plan: PATCH /api/v1/tenants/{tenant} {\"plan\": {…}}. What is absent has the node's default."}
		for _, o := range plan {
			p.Sections = append(p.Sections, section{ID: o.Name, Title: o.Name, Text: names(o.Fields)})
		}
		if err := render(p, "objects", plan); err != nil {
			return err
		}
	}
	if len(flags) == 0 {
		return nil
	}
	p := page{Path: "flags", Group: "Reference", Title: "Flags of a node", About: "Flags of jsruntime serve. Each has an environment variable; a flag goes before it."}
	for _, f := range flags {
		p.Sections = append(p.Sections, section{ID: f.ID(), Title: f.Title(), Text: f.Variable + " " + f.Help})
	}
	return render(p, "flags", flags)
}

// ID is the flag's place on the page.
func (f Flag) ID() string { return cmp.Or(f.Name, strings.ToLower(f.Variable)) }

// Title is how the flag is written.
func (f Flag) Title() string {
	if f.Name == "" {
		return f.Variable
	}
	return "--" + f.Name
}

// written is a page of pages/: its first line is its title, its second what it is about; h2 with an id begins a section.
func written(at, in, text string) page {
	title, rest, _ := strings.Cut(text, "\n")
	about, body, _ := strings.Cut(rest, "\n")
	p := page{Path: at, Group: in, Title: title, About: about, Body: template.HTML(body)} //nolint:gosec // of this repository
	for _, part := range strings.Split(body, `<h2 id="`)[1:] {
		id, after, _ := strings.Cut(part, `">`)
		name, prose, _ := strings.Cut(after, "</h2>")
		p.Sections = append(p.Sections, section{ID: id, Title: plain(name), Text: clip(plain(prose), 400)})
	}
	return p
}

// plain is the text of markup of ours.
func plain(markup string) string {
	var out strings.Builder
	for markup != "" {
		text, rest, tagged := strings.Cut(markup, "<")
		out.WriteString(text)
		if !tagged {
			break
		}
		_, markup, _ = strings.Cut(rest, ">")
	}
	return strings.Join(strings.Fields(strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(out.String())), " ")
}

func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "")
}

func slug(name string) string { return strings.ToLower(strings.ReplaceAll(name, " ", "-")) }

type errorCode struct {
	Code     string
	Statuses []int
	Ending   bool // of an execution
	problem.Explanation
}

func errorCodes() []errorCode {
	var codes []errorCode
	for code, e := range problem.Explanations {
		codes = append(codes, errorCode{Code: code, Statuses: problem.Codes[code], Ending: slices.Contains(engine.Codes(), engine.Code(code)), Explanation: e})
	}
	slices.SortFunc(codes, func(a, b errorCode) int { return cmp.Compare(a.Code, b.Code) })
	return codes
}

func limitNames() string {
	var all []string
	for _, l := range engine.LimitTable() {
		all = append(all, l.Name)
	}
	return strings.Join(all, " ")
}

func names(fields []field) string {
	var all []string
	for _, f := range fields {
		all = append(all, f.Name)
	}
	return strings.Join(all, " ")
}
