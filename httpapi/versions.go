package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aymanbagabas/go-udiff"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/engine/compile"
	"example.com/jsruntime/engine/storage"
	"example.com/jsruntime/sqlc"
)

// Version is a version of a script in a list. It holds everything that decides how the script behaves.
type Version struct {
	VersionNumber     int32     `json:"version_number"`
	Tag               *string   `json:"tag" doc:"Its other name, which can stand for the number."`
	Percent           float64   `json:"percent" doc:"The share of executions that go to it now: 0 of a version that is saved and not live."`
	ChangeDescription *string   `json:"change_description"`
	CreatedAt         time.Time `json:"created_at"`
	CreatedBy         *int32    `json:"created_by"`
	SourceSHA256      string    `json:"source_sha256"`
}

// VersionWithSource is one version in full.
type VersionWithSource struct {
	Version
	Source         string            `json:"source" doc:"Of several files: the text of the main one."`
	Files          Files             `json:"files,omitempty"`
	Main           string            `json:"main,omitempty"`
	ResourceLimits Object            `json:"resource_limits" doc:"What the author asked for."`
	CronExpression *string           `json:"cron_expression"`
	Timezone       string            `json:"timezone"`
	HTTPPath       *string           `json:"http_path"`
	HTTPMethods    []string          `json:"http_methods"`
	EventTypes     []string          `json:"event_types"`
	History        History           `json:"history"`
	HTTP           *HTTPSettings     `json:"http,omitempty" doc:"Of scripts of type http."`
	Retry          *RetrySettings    `json:"retry,omitempty" doc:"Of scripts of type event, scheduled and http with async, where their author gave it."`
	Schedule       *ScheduleSettings `json:"schedule,omitempty" doc:"Of scripts of type scheduled."`
	KVNamespaces   KVNamespaces      `json:"kv_namespaces,omitempty"`
	Egress         *EgressRules      `json:"egress,omitempty"`
	Breaker        *BreakerSettings  `json:"breaker,omitempty"`
	Handlers       []string          `json:"handlers" nullable:"false" doc:"The handlers that can be seen in the source."`
	Warnings       []Warning         `json:"warnings,omitempty" doc:"In the answer to a new source only: what will fail, though the source compiles."`
}

// versionOfRow shows a version of a script.
func versionOfRow(v sqlc.ScriptVersion, script sqlc.Script) VersionWithSource {
	at := script // as the script is with this version
	settingsIn(v.Settings).onto(&at)
	shown := Script{Type: script.Type}
	shown.settingsOf(at.Http, at.Retry, at.Schedule)
	return VersionWithSource{
		Version: Version{
			VersionNumber: v.VersionNumber, Tag: v.Tag, Percent: percentOf(script, v.VersionNumber), ChangeDescription: v.ChangeDescription,
			CreatedAt: orZero(v.CreatedAt), CreatedBy: v.CreatedBy, SourceSHA256: v.SourceSha256,
		},
		Source: v.Source, Files: filesIn(v.Files), Main: v.Main, ResourceLimits: Object(at.ResourceLimits), CronExpression: at.CronExpression, Timezone: at.Timezone, HTTPPath: at.HttpPath,
		HTTPMethods: at.HttpMethods, EventTypes: at.EventTypes, History: historyOf(at.History), HTTP: shown.HTTP, Retry: shown.Retry,
		Schedule: shown.Schedule, KVNamespaces: namespacesOf(at.KvNamespaces), Egress: settingsGiven[EgressRules](at.Egress), Breaker: settingsGiven[BreakerSettings](at.Breaker), Handlers: nonNil(v.Handlers),
	}
}

// percentOf is the share of a script's executions that go to a version.
func percentOf(s sqlc.Script, version int32) float64 {
	candidate := 0.0
	if s.CandidatePercent != nil {
		candidate = *s.CandidatePercent
	}
	switch {
	case version == s.Version:
		return 100 - candidate
	case s.CandidateVersion != nil && version == *s.CandidateVersion:
		return candidate
	}
	return 0
}

// versionSettings are what of a script belongs to its version beside the source, as script_versions.settings has it: see
// jsruntime_version_settings. What is not there is as the script has it.
type versionSettings struct {
	ResourceLimits json.RawMessage `json:"resource_limits,omitempty"`
	CronExpression *string         `json:"cron_expression,omitempty"`
	Timezone       *string         `json:"timezone,omitempty"`
	HTTPPath       *string         `json:"http_path,omitempty"`
	HTTPMethods    []string        `json:"http_methods,omitzero"`
	EventTypes     []string        `json:"event_types,omitzero"`
	History        json.RawMessage `json:"history,omitempty"`
	HTTP           json.RawMessage `json:"http,omitempty"`
	Retry          json.RawMessage `json:"retry,omitempty"`
	Schedule       json.RawMessage `json:"schedule,omitempty"`
	KVNamespaces   json.RawMessage `json:"kv_namespaces,omitempty"`
	Egress         json.RawMessage `json:"egress,omitempty"`
	Breaker        json.RawMessage `json:"breaker,omitempty"`
}

// settingsOfScript are those of a script.
func settingsOfScript(s sqlc.Script) versionSettings {
	return versionSettings{
		ResourceLimits: mergePatch(nil, s.ResourceLimits), CronExpression: s.CronExpression, Timezone: &s.Timezone, HTTPPath: s.HttpPath,
		HTTPMethods: s.HttpMethods, EventTypes: s.EventTypes, History: mergePatch(nil, s.History), HTTP: mergePatch(nil, s.Http),
		Retry: mergePatch(nil, s.Retry), Schedule: mergePatch(nil, s.Schedule), KVNamespaces: mergePatch(nil, s.KvNamespaces), Egress: mergePatch(nil, s.Egress),
		Breaker: mergePatch(nil, s.Breaker),
	}
}

// settingsIn reads stored settings.
func settingsIn(stored json.RawMessage) versionSettings {
	var v versionSettings
	_ = json.Unmarshal(stored, &v) // written by settingsOfScript or jsruntime_version_settings
	return v
}

func (v versionSettings) stored() json.RawMessage {
	raw, _ := json.Marshal(v) // text and JSON that was read before
	return raw
}

// onto gives a script the settings.
func (v versionSettings) onto(s *sqlc.Script) {
	for _, f := range []struct {
		to    *json.RawMessage
		given json.RawMessage
	}{{&s.ResourceLimits, v.ResourceLimits}, {&s.History, v.History}, {&s.Http, v.HTTP}, {&s.Retry, v.Retry}, {&s.Schedule, v.Schedule}, {&s.KvNamespaces, v.KVNamespaces}, {&s.Egress, v.Egress}, {&s.Breaker, v.Breaker}} {
		if len(f.given) > 0 {
			*f.to = f.given
		}
	}
	for _, f := range []struct{ to, given **string }{{&s.CronExpression, &v.CronExpression}, {&s.HttpPath, &v.HTTPPath}} {
		if *f.given != nil {
			*f.to = *f.given
		}
	}
	if v.Timezone != nil {
		s.Timezone = *v.Timezone
	}
	if v.HTTPMethods != nil {
		s.HttpMethods = v.HTTPMethods
	}
	if v.EventTypes != nil {
		s.EventTypes = v.EventTypes
	}
}

// sameBehaviour reports whether two states of a script behave alike: whether they are one version.
func sameBehaviour(a, b sqlc.Script) bool {
	settings := func(s sqlc.Script) versionSettings {
		v := settingsOfScript(s)
		v.HTTPMethods, v.EventTypes = nonNil(v.HTTPMethods), nonNil(v.EventTypes)
		return v
	}
	return sameSource(a, b) && reflect.DeepEqual(settings(a), settings(b))
}

func sameSource(a, b sqlc.Script) bool {
	return a.Source == b.Source && a.Main == b.Main && sameJSON(a.Files, b.Files)
}

// sourceHash is a version's source_sha256.
func sourceHash(s sqlc.Script) string {
	in := compileInput(s)
	return in.Hash()
}

// sourceChanged refuses a change of files that another one has overtaken: what was compiled is not what would be stored.
func sourceChanged() *Problem {
	return conflict("source_changed", "The script's source was changed by another request meanwhile; send the change again.")
}

// insertVersion stores a version. One whose source is not new has what was compiled of the version from; where nothing was, because it was written
// by SQL, the catalog compiles it when it runs.
func (a *API) insertVersion(ctx context.Context, c *change, d *draft, from int32) error {
	if err := a.mayStore(ctx); err != nil {
		return err
	}
	compiled := d.compiled
	if compiled == nil {
		row, err := c.VersionCompiled(ctx, sqlc.VersionCompiledParams{TenantID: c.tenant, ScriptID: d.ID, VersionNumber: from})
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		compiled = &compile.Output{Compiled: row.Compiled, SourceMap: row.SourceMap, SHA256: row.SourceSha256, Handlers: row.Handlers}
	}
	settings := settingsOfScript(d.Script).stored()
	a.stored(c, storage.Versions, int64(300+len(d.Source)+len(d.Files)+len(settings)+len(compiled.Compiled)+len(compiled.SourceMap)))
	return c.VersionCreate(ctx, sqlc.VersionCreateParams{
		ID: newID(), ScriptID: d.ID, TenantID: d.TenantID, VersionNumber: d.Version, Source: d.Source, Files: d.Files, Main: d.Main, Settings: settings,
		Tag: d.tag, ChangeDescription: d.description, CreatedBy: principalOf(ctx).UserID, Compiled: compiled.Compiled, SourceMap: compiled.SourceMap,
		SourceSha256: compiled.SHA256, Handlers: nonNil(compiled.Handlers),
	})
}

type versionListIn struct {
	IDPath
	ListQuery
}

func (a *API) versionList(ctx context.Context, in *versionListIn) (*found[Page[Version]], error) {
	id, err := parseID(in.ID)
	if err != nil {
		return nil, err
	}
	bind := []string{"versions", tenantOf(ctx).String(), id.String()}
	at, err := a.cursors.decode(in.Cursor, bind)
	if err != nil {
		return nil, err
	}
	var rows []sqlc.VersionListRow
	var script sqlc.Script
	err = a.read(ctx, func(q *sqlc.Queries) error {
		if script, err = q.ScriptGet(ctx, sqlc.ScriptGetParams{TenantID: tenantOf(ctx), ID: id}); err != nil {
			return err
		}
		rows, err = q.VersionList(ctx, sqlc.VersionListParams{TenantID: tenantOf(ctx), ScriptID: id, BeforeNumber: int32(at.number), RowLimit: int32(in.Limit + 1)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return &found[Page[Version]]{pageOf(a.cursors, rows, in.Limit, bind, func(v sqlc.VersionListRow) Version {
		return Version{
			VersionNumber: v.VersionNumber, Tag: v.Tag, Percent: percentOf(script, v.VersionNumber), ChangeDescription: v.ChangeDescription,
			CreatedAt: orZero(v.CreatedAt), CreatedBy: v.CreatedBy, SourceSHA256: v.SourceSha256,
		}
	}, func(v sqlc.VersionListRow) position { return position{number: int64(v.VersionNumber)} })}, nil
}

// VersionPath names a version in a path.
type VersionPath struct {
	IDPath
	Version string `path:"version" maxLength:"100" doc:"Its number or its tag."`
}

// shortNumber is how many digits a tag that has nothing else needs: fewer are a number.
const shortNumber = 7

// versionTag is what a tag may be.
var versionTag = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$`)

// checkTag judges the tag of a new version.
func checkTag(tag *string) error {
	if tag == nil {
		return nil
	}
	if _, err := strconv.ParseUint(*tag, 10, 64); err == nil && len(*tag) < shortNumber {
		return invalid("body.tag", fmt.Sprintf("a tag of less than %d digits is a version's number", shortNumber))
	}
	if !versionTag.MatchString(*tag) {
		return invalid("body.tag", "1 to 100 letters, digits and . _ -, of which the first is no . or -")
	}
	return nil
}

// versionNumber is the number of a script's version that is named by its number or tag. Where the name can be both it is the number of a version
// that is there.
func versionNumber(ctx context.Context, q *sqlc.Queries, script uuid.UUID, name string) (int32, error) {
	n, err := strconv.ParseInt(name, 10, 32)
	if err == nil && n >= 1 {
		_, err := q.VersionHandlers(ctx, sqlc.VersionHandlersParams{TenantID: tenantOf(ctx), ScriptID: script, VersionNumber: int32(n)})
		if err == nil || !errors.Is(err, pgx.ErrNoRows) || len(name) < shortNumber {
			return int32(n), err
		}
	}
	return q.VersionByTag(ctx, sqlc.VersionByTagParams{TenantID: tenantOf(ctx), ScriptID: script, Tag: name})
}

// hasVersion refuses a version of body.version that the script does not have; nil stands for the default.
func hasVersion(ctx context.Context, q *sqlc.Queries, script uuid.UUID, version *int32) error {
	if version == nil {
		return nil
	}
	_, err := q.VersionHandlers(ctx, sqlc.VersionHandlersParams{TenantID: tenantOf(ctx), ScriptID: script, VersionNumber: *version})
	if err != nil {
		return missing(err, "body.version", "the script has no such version")
	}
	return nil
}

// versionNamed reads a version by its number or tag.
func versionNamed(ctx context.Context, q *sqlc.Queries, script uuid.UUID, name string) (sqlc.ScriptVersion, error) {
	n, err := versionNumber(ctx, q, script, name)
	if err != nil {
		return sqlc.ScriptVersion{}, err
	}
	return q.VersionGet(ctx, sqlc.VersionGetParams{TenantID: tenantOf(ctx), ScriptID: script, VersionNumber: n})
}

// scriptAndVersion reads a script and its version that a path names.
func (a *API) scriptAndVersion(ctx context.Context, in *VersionPath) (script sqlc.Script, v sqlc.ScriptVersion, err error) {
	id, err := parseID(in.ID)
	if err != nil {
		return script, v, err
	}
	err = a.read(ctx, func(q *sqlc.Queries) error {
		if script, err = q.ScriptGet(ctx, sqlc.ScriptGetParams{TenantID: tenantOf(ctx), ID: id}); err != nil {
			return err
		}
		v, err = versionNamed(ctx, q, id, in.Version)
		return err
	})
	return script, v, err
}

func (a *API) versionGet(ctx context.Context, in *VersionPath) (*found[VersionWithSource], error) {
	script, v, err := a.scriptAndVersion(ctx, in)
	if err != nil {
		return nil, err
	}
	return &found[VersionWithSource]{versionOfRow(v, script)}, nil
}

// VersionCreate is a version that is saved. What it does not give is as the live version has it.
type VersionCreate struct {
	Source            patch[string]             `json:"source,omitzero" minLength:"1" doc:"TypeScript or JavaScript, one ES module, at most 1 MiB; that of the live version by default."`
	Files             mergeOf[Files]            `json:"files,omitzero" doc:"The source as several files instead: all of them."`
	Main              patch[string]             `json:"main,omitzero" maxLength:"200" example:"src/index.ts" doc:"The file whose default export is the script; index.ts by default."`
	ResourceLimits    mergeOf[ResourceLimits]   `json:"resource_limits,omitzero" doc:"Merged with what is there; null brings back the defaults."`
	CronExpression    patch[string]             `json:"cron_expression,omitzero" maxLength:"255"`
	Timezone          patch[string]             `json:"timezone,omitzero" maxLength:"100"`
	HTTPPath          patch[string]             `json:"http_path,omitzero" maxLength:"500"`
	HTTPMethods       patch[[]string]           `json:"http_methods,omitzero" maxItems:"7" enum:"GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS"`
	EventTypes        patch[[]string]           `json:"event_types,omitzero" maxItems:"100" maxLength:"255"`
	History           mergeOf[HistoryGiven]     `json:"history,omitzero" doc:"Merged with what is there; null keeps everything again."`
	HTTP              mergeOf[HTTPSettings]     `json:"http,omitzero" doc:"Merged with what is there; null brings back the defaults."`
	Retry             mergeOf[RetrySettings]    `json:"retry,omitzero" doc:"Merged with what is there; null brings back the defaults."`
	Schedule          mergeOf[ScheduleSettings] `json:"schedule,omitzero" doc:"Merged with what is there; null brings back the defaults."`
	KVNamespaces      mergeOf[KVNamespaces]     `json:"kv_namespaces,omitzero" doc:"Merged with what is there; null takes all away."`
	Egress            mergeOf[EgressRules]      `json:"egress,omitzero" doc:"Merged with what is there; null allows what the tenant may."`
	Breaker           mergeOf[BreakerSettings]  `json:"breaker,omitzero" doc:"Merged with what is there; null takes it away."`
	Tag               *string                   `json:"tag,omitempty" maxLength:"100" example:"v1.4.0" doc:"Another name of the version, which can stand for its number. No two versions of a script have the same."`
	ChangeDescription patch[string]             `json:"change_description,omitzero" maxLength:"2000"`
	Activate          bool                      `json:"activate,omitempty" doc:"Whether it goes live at once, for all executions."`
}

// changes are what the version changes of its script.
func (b *VersionCreate) changes() *ScriptPatch {
	return &ScriptPatch{
		Source: b.Source, Files: b.Files, Main: b.Main, wholeFiles: true, ResourceLimits: b.ResourceLimits, CronExpression: b.CronExpression, Timezone: b.Timezone, HTTPPath: b.HTTPPath,
		HTTPMethods: b.HTTPMethods, EventTypes: b.EventTypes, History: b.History, HTTP: b.HTTP, Retry: b.Retry, Schedule: b.Schedule, KVNamespaces: b.KVNamespaces, Egress: b.Egress, Breaker: b.Breaker,
		ChangeDescription: b.ChangeDescription,
	}
}

type versionCreateIn struct {
	IDPath
	Body VersionCreate
}

// versionCreate saves a version of a script: checked, compiled, and not live unless that is asked for.
func (a *API) versionCreate(ctx context.Context, in *versionCreateIn) (*created[VersionWithSource], error) {
	id, err := parseID(in.ID)
	if err != nil {
		return nil, err
	}
	if err := checkTag(in.Body.Tag); err != nil {
		return nil, err
	}
	changes := in.Body.changes()
	compiled, err := a.compileAhead(ctx, id, changes)
	if err != nil {
		return nil, err
	}
	out := &created[VersionWithSource]{}
	var trial *Trial
	err = a.change(ctx, func(c *change) error {
		before, err := c.ScriptGetForUpdate(ctx, sqlc.ScriptGetForUpdateParams{TenantID: c.tenant, ID: id})
		if err != nil {
			return err
		}
		if err := a.unchangedSince(ctx, c.Queries, before); err != nil {
			return err
		}
		d := &draft{Script: before, compiled: compiled, tag: in.Body.Tag}
		if err := a.applyPatch(ctx, c, d, changes); err != nil {
			return err
		}
		if compiled != nil && compiled.SHA256 != sourceHash(d.Script) {
			return sourceChanged()
		}
		if !bytes.Equal(d.Http, before.Http) {
			if err := a.checkEndpoint(ctx, c, d); err != nil {
				return err
			}
		}
		d.Version = before.LatestVersion + 1
		if err := a.insertVersion(ctx, c, d, before.Version); err != nil {
			return err
		}
		var after sqlc.Script
		if in.Body.Activate {
			after, err = a.updateScript(ctx, c, before, d)
		} else {
			after, err = c.ScriptVersionSaved(ctx, sqlc.ScriptVersionSavedParams{TenantID: c.tenant, ID: id})
		}
		if err != nil {
			return err
		}
		if compiled != nil {
			trial = &Trial{TenantID: c.tenant, Name: d.Name, Type: d.Type, Compiled: compiled}
		}
		return a.showCreated(ctx, c, out, after, d.Version, "version.create", nil)
	})
	if err == nil && trial != nil {
		out.Body.Warnings = a.warnings(ctx, trial)
	}
	return out, err
}

// showCreated is the answer to the request that made a version, and its trace in the audit log.
func (a *API) showCreated(ctx context.Context, c *change, out *created[VersionWithSource], script sqlc.Script, version int32, action string, before any) error {
	v, err := c.VersionGet(ctx, sqlc.VersionGetParams{TenantID: c.tenant, ScriptID: script.ID, VersionNumber: version})
	if err != nil {
		return err
	}
	out.Body = versionOfRow(v, script)
	out.Location = fmt.Sprintf("/api/v1/scripts/%s/versions/%d", script.ID, version)
	if action == "version.create" {
		return c.audit(action, "script", script.ID.String(), before, out.Body)
	}
	return c.audit(action, "script", script.ID.String(), before, a.scriptOfRow(script, a.planLimits(ctx)))
}

type versionDiffIn struct {
	VersionPath
	Against string `query:"against" maxLength:"100" minLength:"1" required:"true" doc:"The version to compare with, by number or tag: the diff leads from it to this one."`
}

type versionDiffOut struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (a *API) versionDiff(ctx context.Context, in *versionDiffIn) (*versionDiffOut, error) {
	id, err := parseID(in.ID)
	if err != nil {
		return nil, err
	}
	var to, from sqlc.ScriptVersion
	err = a.read(ctx, func(q *sqlc.Queries) error {
		if to, err = versionNamed(ctx, q, id, in.Version); err != nil {
			return err
		}
		from, err = versionNamed(ctx, q, id, in.Against)
		return err
	})
	if err != nil {
		return nil, err
	}
	was, is := filesOf(from), filesOf(to)
	var need int64
	for _, files := range []Files{was, is} {
		for _, text := range files {
			need += diffMemory(text)
		}
	}
	if err := a.reserve(ctx, admission.UseAnswer, need); err != nil {
		return nil, err
	}
	names := maps.Clone(was)
	maps.Copy(names, is)
	var diff strings.Builder
	for _, name := range slices.Sorted(maps.Keys(names)) {
		title := func(v sqlc.ScriptVersion) string {
			return strings.TrimRight(fmt.Sprintf("version %d %s", v.VersionNumber, name), " ")
		}
		diff.WriteString(udiff.Unified(title(from), title(to), was[name], is[name]))
	}
	return &versionDiffOut{ContentType: "text/x-diff; charset=utf-8", Body: []byte(diff.String())}, nil
}

// filesOf are a version's files; the only one of a version that is one source has no name.
func filesOf(v sqlc.ScriptVersion) Files {
	if files := filesIn(v.Files); len(files) > 0 {
		return files
	}
	return Files{"": v.Source}
}

// diffMemory is what comparing a source takes, measured on 30 November 2026: two sources of 1 MiB that have a line for each one or two bytes, and
// none in common, took 0.8 s and 141 MiB. The library bounds its search at 100 differences, and is less exact beyond them.
func diffMemory(source string) int64 {
	return 4*int64(len(source)) + 100*int64(strings.Count(source, "\n"))
}

type versionRestoreIn struct {
	VersionPath
	Body struct {
		ChangeDescription *string `json:"change_description,omitempty" maxLength:"2000"`
	}
}

// versionRestore makes a new version of an old one, with all that it has, and makes it live.
func (a *API) versionRestore(ctx context.Context, in *versionRestoreIn) (*created[VersionWithSource], error) {
	script, old, err := a.scriptAndVersion(ctx, &in.VersionPath)
	if err != nil {
		return nil, err
	}
	// It is compiled anew: what made an old version may have been an older compiler.
	compiled, err := a.compileSource(ctx, sqlc.Script{Type: script.Type, Source: old.Source, Files: old.Files, Main: old.Main})
	if err != nil {
		return nil, err
	}
	out := &created[VersionWithSource]{}
	err = a.change(ctx, func(c *change) error {
		before, err := c.ScriptGetForUpdate(ctx, sqlc.ScriptGetForUpdateParams{TenantID: c.tenant, ID: script.ID})
		if err != nil {
			return err
		}
		if err := a.unchangedSince(ctx, c.Queries, before); err != nil {
			return err
		}
		d := &draft{Script: before, compiled: compiled, description: in.Body.ChangeDescription}
		if d.description == nil {
			text := fmt.Sprintf("Restored from version %d", old.VersionNumber)
			d.description = &text
		}
		if err := a.applyVersion(d, old); err != nil {
			return err
		}
		after, err := a.updateScript(ctx, c, before, d)
		if err != nil {
			return err
		}
		return a.showCreated(ctx, c, out, after, after.Version, "script.restore", a.scriptOfRow(before, a.planLimits(ctx)))
	})
	return out, err
}

// applyVersion gives a script all that a version has, and judges the result as a whole.
func (a *API) applyVersion(d *draft, v sqlc.ScriptVersion) error {
	d.Source, d.Files, d.Main = v.Source, v.Files, v.Main
	settingsIn(v.Settings).onto(&d.Script)
	return a.check(d)
}
