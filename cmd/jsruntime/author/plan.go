package author

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/aymanbagabas/go-udiff"

	"example.com/jsruntime/cmd/jsruntime/client"
	"example.com/jsruntime/cmd/jsruntime/project"
	"example.com/jsruntime/cmd/jsruntime/term"
)

// What a deployment does with a script.
const (
	created   = "created"
	changed   = "changed"
	unchanged = "unchanged"
	orphaned  = "orphaned"
)

// Plan is what a deployment would do, script by script.
type Plan struct {
	Steps   []*Step
	Project *project.Project
}

// Step is what happens to one script.
type Step struct {
	Name   string        `json:"name"`
	Action string        `json:"action"` // created, changed, unchanged, orphaned
	Fields []FieldChange `json:"fields,omitempty"`

	script *project.Script // nil: orphaned
	source *project.Source
	wanted map[string]json.RawMessage // as an export has it
	// present is what the node has; nil: the script is new.
	present map[string]json.RawMessage
}

// FieldChange is a field that differs. A source is told by its lines.
type FieldChange struct {
	Field string          `json:"field"`
	From  json.RawMessage `json:"from,omitempty"`
	To    json.RawMessage `json:"to,omitempty"`
	Lines string          `json:"lines,omitempty"` // +3 −1
}

// exportDocument is what export gives and import takes.
type exportDocument struct {
	Format  string                       `json:"format"`
	Tenant  string                       `json:"tenant,omitempty"`
	Scripts []map[string]json.RawMessage `json:"scripts"`
}

const exportFormat = "jsruntime.export.v1"

// Bundle builds scripts, as many at one time as the machine has processors. Its error has the places in all of them.
func Bundle(p *project.Project, scripts []*project.Script) ([]*project.Source, error) {
	sources, failed := make([]*project.Source, len(scripts)), make([]error, len(scripts))
	var all sync.WaitGroup
	for i, s := range scripts {
		all.Go(func() { sources[i], failed[i] = p.Build(s) })
	}
	all.Wait()
	var together *term.SourceError
	for _, err := range failed {
		var wrong *term.SourceError
		switch {
		case err == nil:
		case !errors.As(err, &wrong):
			return nil, err
		case together == nil:
			together = &term.SourceError{Message: wrong.Message, Places: wrong.Places}
		default:
			for _, place := range wrong.Places {
				if !slices.Contains(together.Places, place) { // two scripts may have a file in common
					together.Places = append(together.Places, place)
				}
			}
			if !strings.HasSuffix(together.Message, "do not build") {
				together.Message = "scripts do not build"
			}
		}
	}
	if together != nil {
		return nil, together
	}
	return sources, nil
}

// NewPlan compares scripts and their sources with what the node has. Scripts of the project that are not among all are orphaned.
func NewPlan(ctx context.Context, api *client.Client, p *project.Project, scripts []*project.Script, sources []*project.Source) (*Plan, error) {
	var doc exportDocument
	if err := api.Get(ctx, "/api/v1/export", nil, &doc); err != nil {
		return nil, err
	}
	present := map[string]map[string]json.RawMessage{}
	for _, s := range doc.Scripts {
		present[textOf(s["name"])] = s
	}
	plan := &Plan{Project: p}
	for i, s := range scripts {
		step, err := newStep(p, s, sources[i], present[s.Name])
		if err != nil {
			return nil, err
		}
		plan.Steps = append(plan.Steps, step)
	}
	for _, name := range slices.Sorted(maps.Keys(present)) {
		s := present[name]
		var metadata struct{ Project string }
		_ = json.Unmarshal(s["metadata"], &metadata) // of another shape: not ours
		here := slices.ContainsFunc(p.Scripts, func(s *project.Script) bool { return s.Name == name })
		if !here && metadata.Project == p.Name && textOf(s["status"]) != "archived" {
			plan.Steps = append(plan.Steps, &Step{Name: name, Action: orphaned})
		}
	}
	return plan, nil
}

func textOf(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s) // another kind of value is no text
	return s
}

func newStep(p *project.Project, s *project.Script, source *project.Source, present map[string]json.RawMessage) (*Step, error) {
	step := &Step{Name: s.Name, Action: unchanged, script: s, source: source, wanted: maps.Clone(s.Fields), present: present}
	metadata := map[string]json.RawMessage{}
	if raw, ok := s.Fields["metadata"]; ok {
		if err := json.Unmarshal(raw, &metadata); err != nil {
			return nil, p.Fault(s, "metadata", "metadata: must be an object")
		}
	}
	metadata["project"], _ = json.Marshal(p.Name)
	step.wanted["metadata"], _ = json.Marshal(metadata)
	step.wanted["name"], _ = json.Marshal(s.Name)
	if source.File != "" && compilesAsFile.MatchString(source.File) {
		step.wanted["files"], _ = json.Marshal(map[string]string{source.File: source.Text}) // stacks have the file's whole name
		step.wanted["main"], _ = json.Marshal(source.File)
	} else {
		step.wanted["source"], _ = json.Marshal(source.Text)
	}
	if _, ok := step.wanted["status"]; !ok {
		// A deployment does not change the status of a paused or disabled script.
		step.wanted["status"] = json.RawMessage(`"active"`)
		if status := textOf(present["status"]); status == "paused" || status == "disabled" {
			step.wanted["status"] = present["status"]
		}
	}
	if s.Type() == "scheduled" && step.wanted["timezone"] == nil {
		step.wanted["timezone"] = json.RawMessage(`"UTC"`)
	}
	if present == nil {
		step.Action = created
		return step, nil
	}
	if step.wanted["organization"] == nil && present["organization"] != nil {
		step.wanted["organization"] = present["organization"]
	}
	for _, field := range union(step.wanted, present) {
		from, to := plainValue(present[field]), plainValue(step.wanted[field])
		if reflect.DeepEqual(from, to) {
			continue
		}
		step.Action = changed
		if !slices.Contains(sourceFields, field) {
			step.Fields = append(step.Fields, FieldChange{Field: field, From: present[field], To: step.wanted[field]})
		} else if sourceOf(present) == source.Text {
			if field == "main" {
				step.Fields = append(step.Fields, FieldChange{Field: field, From: present[field], To: step.wanted[field]})
			}
		} else if !slices.ContainsFunc(step.Fields, func(c FieldChange) bool { return c.Field == "source" }) {
			step.Fields = append(step.Fields, FieldChange{Field: "source", Lines: countLines(sourceOf(present), source.Text)})
		}
	}
	return step, nil
}

// sourceFields are what of a script is its source: one change to an author.
var sourceFields = []string{"source", "files", "main"}

// compilesAsFile are the names of files that the API takes.
var compilesAsFile = regexp.MustCompile(`^[A-Za-z0-9_@$+-][A-Za-z0-9._@$+-]*(/[A-Za-z0-9_@$+-][A-Za-z0-9._@$+-]*)*$`)

// sourceOf is the text of a script as an export has it: of several files that of all, by their names.
func sourceOf(script map[string]json.RawMessage) string {
	var files map[string]string
	if json.Unmarshal(script["files"], &files) != nil || len(files) == 0 {
		return textOf(script["source"])
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(files)) {
		b.WriteString(files[name])
	}
	return b.String()
}

func union(a, b map[string]json.RawMessage) []string {
	names := slices.Concat(slices.Collect(maps.Keys(a)), slices.Collect(maps.Keys(b)))
	slices.Sort(names)
	return slices.Compact(names)
}

// plainValue decodes a field; what is empty is nil, like what is absent.
func plainValue(raw json.RawMessage) any {
	var v any
	_ = json.Unmarshal(raw, &v) // an absent one is nil
	return pruned(v)
}

func pruned(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if v[name] = pruned(inner); v[name] == nil {
				delete(v, name)
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		if len(v) == 0 {
			return nil
		}
	case string:
		if v == "" {
			return nil
		}
	}
	return v
}

// maxDiffed is how much of two sources is compared by line.
const maxDiffed = 512 << 10

// countLines says how many lines differ.
func countLines(before, after string) string {
	before, after = withoutMap(before), withoutMap(after)
	if len(before)+len(after) > maxDiffed {
		return fmt.Sprintf("%s → %s", size(len(before)), size(len(after)))
	}
	added, removed := 0, 0
	for line := range strings.Lines(udiff.Unified("", "", before, after)) {
		switch {
		case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"):
		case line[0] == '+':
			added++
		case line[0] == '-':
			removed++
		}
	}
	return fmt.Sprintf("+%d −%d lines", added, removed)
}

func withoutMap(source string) string {
	if at := strings.LastIndex(source, "//# sourceMappingURL=data:"); at >= 0 {
		return source[:at]
	}
	return source
}

func size(bytes int) string {
	if bytes < 1<<10 {
		return fmt.Sprintf("%d B", bytes)
	}
	if bytes < 1<<20 {
		return fmt.Sprintf("%.1f KiB", float64(bytes)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
}

// Of returns the steps with an action.
func (plan *Plan) Of(actions ...string) []*Step {
	var steps []*Step
	for _, s := range plan.Steps {
		if slices.Contains(actions, s.Action) {
			steps = append(steps, s)
		}
	}
	return steps
}

// Counts says how many scripts there are of each action.
func (plan *Plan) Counts() map[string]int {
	counts := map[string]int{created: 0, changed: 0, unchanged: 0, orphaned: 0}
	for _, s := range plan.Steps {
		counts[s.Action]++
	}
	return counts
}

// Import stores what is created and changed in one transaction, and makes it live: all of it, or nothing. With dryRun the node checks it only.
func (plan *Plan) Import(ctx context.Context, api *client.Client, dryRun bool, reader func(io.Reader) io.Reader) error {
	doc := exportDocument{Format: exportFormat}
	steps := plan.Of(created, changed)
	for _, s := range steps {
		doc.Scripts = append(doc.Scripts, s.wanted)
	}
	if len(steps) == 0 {
		return nil
	}
	query := url.Values{"on_conflict": {"update"}}
	if dryRun {
		query.Set("dry_run", "true")
	}
	err := api.Do(ctx, client.Call{Method: http.MethodPost, Path: "/api/v1/import", Query: query, Body: doc, Reader: reader}, nil)
	return plan.explain(err, steps)
}

var (
	inScripts = regexp.MustCompile(`^body\.scripts\[(\d+)\](?:\.(\w+))?`)
	inSource  = regexp.MustCompile(`^([^:]+):(\d+):(\d+)$`)
	inBody    = regexp.MustCompile(`^body\.(\w+)`)
)

// explain shows a refusal at its place in the project's files.
func (plan *Plan) explain(err error, steps []*Step) error {
	var p *client.Problem
	if !errors.As(err, &p) || len(steps) == 0 || p.Status != http.StatusUnprocessableEntity && p.Status != http.StatusConflict {
		return err
	}
	step, one := steps[0], len(steps) == 1
	var places []term.Place
	for _, e := range p.Errors {
		field := ""
		if m := inScripts.FindStringSubmatch(e.Location); m != nil {
			if i, err := strconv.Atoi(m[1]); err == nil && i < len(steps) {
				step, one = steps[i], true
			}
			if field = m[2]; field == "" {
				continue
			}
		}
		if !one {
			continue
		}
		if m := inSource.FindStringSubmatch(e.Location); m != nil {
			places = append(places, step.inSource(m, e.Message))
			continue
		}
		if m := inBody.FindStringSubmatch(e.Location); m != nil && field == "" {
			field = m[1]
		}
		var at *term.SourceError
		if errors.As(plan.Project.Fault(step.script, field, field+": "+e.Message), &at) {
			places = append(places, at.Places...)
		}
	}
	if len(places) == 0 && !one {
		return err
	}
	return &refusal{Problem: p, message: fmt.Sprintf("%s is refused: %s", step.Name, firstLine(p)), SourceError: term.SourceError{Places: places}}
}

func firstLine(p *client.Problem) string {
	detail := regexp.MustCompile(`^body\.scripts\[\d+\] \([^)]*\): (body\.\w+: )?|^body\.\w+: `).ReplaceAllString(p.Detail, "")
	if p.Code != "" {
		detail += " (" + p.Code + ")"
	}
	return detail
}

// inSource is a place in what was uploaded: in the author's file, or in the bundle.
func (s *Step) inSource(m []string, message string) term.Place {
	place := term.Place{File: s.source.File, Message: message, Text: withoutMap(s.source.Text)}
	if place.File == "" {
		place.File = s.Name + " (bundle)"
	}
	place.Line, _ = strconv.Atoi(m[2])
	place.Column, _ = strconv.Atoi(m[3])
	return place
}

// refusal is a Problem with places.
type refusal struct {
	*client.Problem
	term.SourceError
	message string
}

func (r *refusal) Error() string { return r.message }

// JSON is the problem with its places.
func (r *refusal) JSON() any {
	text, _ := json.Marshal(r.Problem) // text and numbers
	var fields map[string]any
	_ = json.Unmarshal(text, &fields)
	fields["places"] = r.Places
	return fields
}

// Show writes the plan.
func (plan *Plan) Show(t *term.Terminal, w io.Writer) {
	for _, s := range plan.Steps {
		head := fmt.Sprintf("%s  %s", pad(term.Status(s.Action), s.Action, 9), term.Bold(term.Line(s.Name)))
		switch s.Action {
		case created:
			fmt.Fprintf(w, "%s  %s  %s\n", head, term.Dim(term.Line(trigger(s.wanted))), term.Dim(size(len(s.source.Text))))
		case orphaned:
			fmt.Fprintf(w, "%s  %s\n", head, term.Dim("is not in the project any more"))
		default:
			fmt.Fprintln(w, head)
		}
		for _, f := range s.Fields {
			fmt.Fprintf(w, "             %s  %s\n", f.Field, f.line())
		}
	}
}

func pad(shown, plain string, width int) string {
	return shown + strings.Repeat(" ", max(0, width-len(plain)))
}

func (f *FieldChange) line() string {
	if f.Lines != "" {
		return term.Yellow(f.Lines)
	}
	return term.Red(short(f.From)) + " → " + term.Green(short(f.To))
}

// short is a value on one line.
func short(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "none"
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return "?"
	}
	text := []rune(term.Line(b.String()))
	if len(text) > 80 {
		return string(text[:79]) + "…"
	}
	return string(text)
}

// trigger is what makes a script run, on one line.
func trigger(fields map[string]json.RawMessage) string {
	kind := textOf(fields["type"])
	switch kind {
	case "http":
		var methods []string
		_ = json.Unmarshal(fields["http_methods"], &methods) // judged by the API
		return kind + " " + strings.Join(methods, ",") + " " + textOf(fields["http_path"])
	case "scheduled":
		return kind + " " + textOf(fields["cron_expression"]) + " " + textOf(fields["timezone"])
	case "event":
		var types []string
		_ = json.Unmarshal(fields["event_types"], &types) // judged by the API
		return kind + " " + strings.Join(types, ", ")
	}
	return kind
}
