package author

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"time"

	"example.com/jsruntime/cmd/jsruntime/client"
)

// Labels are what a deployment says of its versions.
type Labels struct {
	Message string `name:"message" short:"m" help:"What changed: stands at each new version."`
	Tag     string `name:"tag" help:"Another name of each new version, like v1.4.0 or a commit."`
}

// undoTime is how long taking back may last, after Ctrl-C too.
const undoTime = 30 * time.Second

// besideVersions are fields of a script that make no version.
var besideVersions = []string{"name", "type", "description", "organization", "status", "metadata", "tags"}

// staged is a script whose new version is saved and not live.
type staged struct {
	step    *Step
	script  *apiScript
	before  int // the version that is live; 0: the script is new
	version int
}

// Stage saves all new versions first, where the node refuses one nothing has changed; then it makes all of them live. Where one cannot be,
// those before it are taken back. It is Import with a message, a tag or a share of the executions.
func (plan *Plan) Stage(ctx context.Context, api *client.Client, labels Labels, how activation, reader func(io.Reader) io.Reader) error {
	var saved []*staged
	for _, step := range plan.Of(created, changed) {
		s, err := plan.save(ctx, api, step, labels, reader)
		if err != nil {
			return errors.Join(plan.explain(err, []*Step{step}), takeBack(ctx, api, saved, false))
		}
		saved = append(saved, s)
	}
	for i, s := range saved {
		if err := s.goLive(ctx, api, how); err != nil {
			return errors.Join(plan.explain(err, []*Step{s.step}), takeBack(ctx, api, saved[:i], true))
		}
	}
	return nil
}

// save stores a step's version: of a new script as a draft.
func (plan *Plan) save(ctx context.Context, api *client.Client, step *Step, labels Labels, reader func(io.Reader) io.Reader) (*staged, error) {
	if step.Action == created {
		body := maps.Clone(step.wanted)
		body["status"] = json.RawMessage(`"draft"`)
		setText(body, "change_description", labels.Message)
		setText(body, "tag", labels.Tag)
		var script apiScript
		if err := api.Do(ctx, client.Call{Method: http.MethodPost, Path: "/api/v1/scripts", Body: body, Reader: reader}, &script); err != nil {
			return nil, err
		}
		return &staged{step: step, script: &script, version: script.Version}, nil
	}
	script, err := scriptNamed(ctx, api, step.Name)
	if err != nil {
		return nil, err
	}
	s := &staged{step: step, script: script, before: script.Version, version: script.Version}
	body := map[string]json.RawMessage{}
	for _, f := range step.Fields {
		switch {
		case slices.Contains(sourceFields, f.Field) && step.wanted["source"] != nil:
			body["source"] = step.wanted["source"]
		case slices.Contains(sourceFields, f.Field):
			body["files"], body["main"] = patchOf(step.present["files"], step.wanted["files"]), step.wanted["main"]
		case !slices.Contains(besideVersions, f.Field):
			body[f.Field] = patchOf(step.present[f.Field], step.wanted[f.Field])
		}
	}
	if len(body) == 0 {
		return s, nil
	}
	setText(body, "change_description", labels.Message)
	setText(body, "tag", labels.Tag)
	var version apiVersion
	if err := api.Do(ctx, client.Call{Method: http.MethodPost, Path: scriptPath(script, "/versions"), Body: body, Reader: reader}, &version); err != nil {
		return nil, err
	}
	s.version = version.VersionNumber
	return s, nil
}

func setText(body map[string]json.RawMessage, field, text string) {
	if text != "" {
		body[field], _ = json.Marshal(text) // text
	}
}

// goLive makes the version live, and changes what belongs to no version.
func (s *staged) goLive(ctx context.Context, api *client.Client, how activation) error {
	if s.before != 0 && s.version != s.before {
		if _, err := activate(ctx, api, s.script, fmt.Sprint(s.version), how); err != nil {
			return err
		}
	}
	patch := map[string]json.RawMessage{}
	if s.before == 0 {
		patch["status"] = s.step.wanted["status"]
	}
	for _, f := range s.step.Fields {
		if slices.Contains(besideVersions, f.Field) && f.Field != "organization" {
			patch[f.Field] = patchOf(s.step.present[f.Field], s.step.wanted[f.Field])
		}
	}
	if len(patch) == 0 || string(patch["status"]) == `"draft"` && len(patch) == 1 {
		return nil
	}
	if textOf(s.step.present["status"]) == "archived" {
		if err := api.Patch(ctx, scriptPath(s.script, ""), map[string]any{"status": "draft"}, nil); err != nil {
			return err
		}
	}
	return api.Patch(ctx, scriptPath(s.script, ""), patch, nil)
}

// takeBack undoes what a deployment has done that could not be done whole. Versions that were saved stay saved.
func takeBack(ctx context.Context, api *client.Client, saved []*staged, live bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer cancel()
	var failed []error
	for _, s := range slices.Backward(saved) {
		var err error
		switch {
		case s.before == 0:
			err = api.Patch(ctx, scriptPath(s.script, ""), map[string]any{"status": "archived"}, nil)
		case live && s.version != s.before:
			_, err = activate(ctx, api, s.script, fmt.Sprint(s.before), activation{})
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s could not be taken back: %w", s.step.Name, err))
		}
	}
	return errors.Join(failed...)
}

// patchOf is the JSON merge patch (RFC 7396) that leads from one value to another.
func patchOf(from, to json.RawMessage) json.RawMessage {
	if len(to) == 0 {
		return json.RawMessage("null")
	}
	var before, after map[string]json.RawMessage
	if json.Unmarshal(from, &before) != nil || json.Unmarshal(to, &after) != nil || before == nil || after == nil {
		return to
	}
	patch := map[string]json.RawMessage{}
	for name, value := range after {
		if !reflect.DeepEqual(plainValue(before[name]), plainValue(value)) {
			patch[name] = patchOf(before[name], value)
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			patch[name] = json.RawMessage("null")
		}
	}
	text, _ := json.Marshal(patch) // JSON that was read
	return text
}
