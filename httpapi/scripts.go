package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/compile"
	"example.com/jsruntime/sqlc"
)

// Script is a script as the API shows it.
type Script struct {
	ID               uuid.UUID         `json:"id" format:"uuid"`
	TenantID         uuid.UUID         `json:"tenant_id" format:"uuid"`
	OrganizationID   uuid.UUID         `json:"organization_id" format:"uuid"`
	Name             string            `json:"name"`
	Description      *string           `json:"description"`
	Type             string            `json:"type" enum:"scheduled,http,event,oneoff,embedded"`
	Status           string            `json:"status" enum:"draft,active,paused,disabled,archived"`
	Source           string            `json:"source" doc:"Of a script of several files: the text of its main one."`
	Files            Files             `json:"files,omitempty"`
	Main             string            `json:"main,omitempty"`
	Version          int32             `json:"version" doc:"The live version's number."`
	Candidate        *Candidate        `json:"candidate,omitempty" doc:"The version that gets a share of the executions."`
	LatestVersion    int32             `json:"latest_version" doc:"The newest version's number: a version may be saved and not live."`
	ResourceLimits   Object            `json:"resource_limits" doc:"What the author asked for."`
	EffectiveLimits  EffectiveLimits   `json:"effective_limits" doc:"What applies, and which level decided it."`
	CronExpression   *string           `json:"cron_expression"`
	Timezone         string            `json:"timezone"`
	HTTPPath         *string           `json:"http_path"`
	HTTPMethods      []string          `json:"http_methods"`
	EventTypes       []string          `json:"event_types"`
	Metadata         Object            `json:"metadata"`
	History          History           `json:"history"`
	HTTP             *HTTPSettings     `json:"http,omitempty" doc:"Of scripts of type http."`
	Breaker          *BreakerSettings  `json:"breaker,omitempty" doc:"Where its author gave one."`
	Retry            *RetrySettings    `json:"retry,omitempty" doc:"Of scripts of type event, scheduled and http with async, where their author gave it."`
	Schedule         *ScheduleSettings `json:"schedule,omitempty" doc:"Of scripts of type scheduled."`
	KVNamespaces     KVNamespaces      `json:"kv_namespaces,omitempty"`
	Egress           *EgressRules      `json:"egress,omitempty"`
	Tags             []string          `json:"tags" nullable:"false"`
	CreatedAt        time.Time         `json:"created_at"`
	UpdatedAt        time.Time         `json:"updated_at"`
	CreatedBy        *int32            `json:"created_by" doc:"The user on whose behalf it was made."`
	QuarantinedUntil *time.Time        `json:"quarantined_until" doc:"Until when it is not run because it killed workers. A new version, a change of status or a release ends it."`
	QuarantineReason *string           `json:"quarantine_reason"`
	Warnings         []Warning         `json:"warnings,omitempty" doc:"In the answer to a new source only: what will fail, though the source compiles."`
}

func (a *API) scriptOfRow(s sqlc.Script, plan catalog.PlanLimits) Script {
	script := Script{
		ID: s.ID, TenantID: s.TenantID, OrganizationID: s.OrganizationID, Name: s.Name, Description: s.Description, Type: s.Type, Status: s.Status,
		Source: s.Source, Files: filesIn(s.Files), Main: s.Main, Version: s.Version, LatestVersion: s.LatestVersion, ResourceLimits: Object(s.ResourceLimits), EffectiveLimits: a.effectiveLimits(plan, s.ResourceLimits),
		CronExpression: s.CronExpression, Timezone: s.Timezone, HTTPPath: s.HttpPath, HTTPMethods: s.HttpMethods, EventTypes: s.EventTypes,
		Metadata: Object(s.Metadata), History: historyOf(s.History), KVNamespaces: namespacesOf(s.KvNamespaces), Tags: nonNil(s.Tags), CreatedAt: orZero(s.CreatedAt), UpdatedAt: orZero(s.UpdatedAt), CreatedBy: s.CreatedBy,
		QuarantinedUntil: utcPtr(s.QuarantinedUntil), QuarantineReason: s.QuarantineReason,
	}
	script.Breaker = settingsGiven[BreakerSettings](s.Breaker)
	script.settingsOf(s.Http, s.Retry, s.Schedule)
	if s.CandidateVersion != nil && s.CandidatePercent != nil {
		script.Candidate = &Candidate{Version: *s.CandidateVersion, Percent: *s.CandidatePercent}
	}
	script.Egress = settingsGiven[EgressRules](s.Egress)
	return script
}

// Candidate is a version that gets a share of its script's executions.
type Candidate struct {
	Version int32   `json:"version"`
	Percent float64 `json:"percent"`
}

// scriptTagged shows a script with its tag.
func (a *API) scriptTagged(ctx context.Context, row sqlc.Script) *tagged[Script] {
	shown := a.scriptOfRow(row, a.planLimits(ctx))
	return &tagged[Script]{ETag: etag(row, shown.EffectiveLimits), Body: shown}
}

// ScriptCreate is what a script is made of.
type ScriptCreate struct {
	Name              string            `json:"name" minLength:"1" maxLength:"255"`
	Type              string            `json:"type" enum:"scheduled,http,event,oneoff,embedded"`
	Source            string            `json:"source,omitempty" minLength:"1" doc:"TypeScript or JavaScript, one ES module, at most 1 MiB. Required where there are no files."`
	Files             Files             `json:"files,omitempty" doc:"The source as several files instead."`
	Main              string            `json:"main,omitempty" maxLength:"200" example:"src/index.ts" doc:"The file whose default export is the script; index.ts by default."`
	Status            string            `json:"status,omitempty" enum:"draft,active,paused,disabled,archived" doc:"draft by default."`
	Description       *string           `json:"description,omitempty" maxLength:"10000"`
	OrganizationID    *uuid.UUID        `json:"organization_id,omitempty" format:"uuid" doc:"The tenant's default organization by default."`
	ResourceLimits    ResourceLimits    `json:"resource_limits,omitempty"`
	CronExpression    *string           `json:"cron_expression,omitempty" maxLength:"255" doc:"For scripts of type scheduled."`
	Timezone          *string           `json:"timezone,omitempty" maxLength:"100" doc:"An IANA time zone; UTC by default. For scripts of type scheduled."`
	HTTPPath          *string           `json:"http_path,omitempty" maxLength:"500" doc:"For scripts of type http. Begins with /; segments may be :name, the last one *rest."`
	HTTPMethods       []string          `json:"http_methods,omitempty" maxItems:"7" enum:"GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS" doc:"For scripts of type http."`
	EventTypes        []string          `json:"event_types,omitempty" maxItems:"100" maxLength:"255" doc:"For scripts of type event. order.* and * are patterns."`
	Metadata          Object            `json:"metadata,omitempty" doc:"Free, but for the names of settings in http, retry and schedule."`
	History           *HistoryGiven     `json:"history,omitempty"`
	HTTP              *HTTPSettings     `json:"http,omitempty" doc:"For scripts of type http."`
	Breaker           *BreakerSettings  `json:"breaker,omitempty" doc:"What happens after so many failures in a row."`
	Retry             *RetrySettings    `json:"retry,omitempty" doc:"For scripts of type event, and of types scheduled and http with async, which are tried once without it."`
	Schedule          *ScheduleSettings `json:"schedule,omitempty" doc:"For scripts of type scheduled."`
	KVNamespaces      KVNamespaces      `json:"kv_namespaces,omitempty"`
	Egress            *EgressRules      `json:"egress,omitempty"`
	Tags              []string          `json:"tags,omitempty" maxItems:"50" maxLength:"100"`
	ChangeDescription *string           `json:"change_description,omitempty" maxLength:"2000"`
}

// ScriptPatch is a merge patch of a script.
type ScriptPatch struct {
	Name              patch[string]             `json:"name,omitzero" minLength:"1" maxLength:"255"`
	Type              patch[string]             `json:"type,omitzero" enum:"scheduled,http,event,oneoff,embedded" doc:"A script's type can't change; the same type is accepted."`
	Source            patch[string]             `json:"source,omitzero" minLength:"1" doc:"Like every change of what decides behaviour it makes a new version, which goes live: all but name, description, organization_id, status, metadata and tags."`
	Files             mergeOf[Files]            `json:"files,omitzero" doc:"Merged with the files that are there; null takes one away."`
	Main              patch[string]             `json:"main,omitzero" maxLength:"200"`
	Status            patch[string]             `json:"status,omitzero" enum:"draft,active,paused,disabled,archived"`
	Description       patch[string]             `json:"description,omitzero" maxLength:"10000"`
	OrganizationID    patch[uuid.UUID]          `json:"organization_id,omitzero" format:"uuid"`
	ResourceLimits    mergeOf[ResourceLimits]   `json:"resource_limits,omitzero" doc:"Merged with what is there; null brings back the defaults."`
	CronExpression    patch[string]             `json:"cron_expression,omitzero" maxLength:"255"`
	Timezone          patch[string]             `json:"timezone,omitzero" maxLength:"100"`
	HTTPPath          patch[string]             `json:"http_path,omitzero" maxLength:"500"`
	HTTPMethods       patch[[]string]           `json:"http_methods,omitzero" maxItems:"7" enum:"GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS"`
	EventTypes        patch[[]string]           `json:"event_types,omitzero" maxItems:"100" maxLength:"255"`
	History           mergeOf[HistoryGiven]     `json:"history,omitzero" doc:"Merged with what is there; null keeps everything again."`
	HTTP              mergeOf[HTTPSettings]     `json:"http,omitzero" doc:"Merged with what is there; null brings back the defaults."`
	Breaker           mergeOf[BreakerSettings]  `json:"breaker,omitzero" doc:"Merged with what is there; null takes it away."`
	Retry             mergeOf[RetrySettings]    `json:"retry,omitzero" doc:"Merged with what is there; null brings back the defaults."`
	Schedule          mergeOf[ScheduleSettings] `json:"schedule,omitzero" doc:"Merged with what is there; null brings back the defaults."`
	KVNamespaces      mergeOf[KVNamespaces]     `json:"kv_namespaces,omitzero" doc:"Merged with what is there; null takes all away."`
	Egress            mergeOf[EgressRules]      `json:"egress,omitzero" doc:"Merged with what is there; null allows what the tenant may."`
	Metadata          patch[Object]             `json:"metadata,omitzero" doc:"Merged with what is there; null empties it."`
	Tags              patch[[]string]           `json:"tags,omitzero" maxItems:"50" maxLength:"100"`
	ChangeDescription patch[string]             `json:"change_description,omitzero" maxLength:"2000"`

	wholeFiles bool // Files are all, and not merged
}

func (b *ScriptPatch) given() sourceGiven {
	return sourceGiven{source: b.Source, files: b.Files, main: b.Main, whole: b.wholeFiles}
}

// draft is a script as it shall be, before it is stored.
type draft struct {
	sqlc.Script
	compiled    *compile.Output // nil where the source does not change
	description *string         // of the version
	tag         *string         // of the version
}

// compileSource compiles a script's source for its type and refuses one that its author has to mend.
func (a *API) compileSource(ctx context.Context, s sqlc.Script) (*compile.Output, error) {
	in := compileInput(s)
	if len(in.Source) > compile.MaxSourceBytes {
		return nil, invalidCode("source_invalid", "body.source", fmt.Sprintf("%d bytes, of at most %d", len(in.Source), compile.MaxSourceBytes))
	}
	scriptType, handlerName := s.Type, string(engine.HandlerOf(s.Type))
	in.Handler, in.Tenant = handlerName, tenantOf(ctx)
	out, err := a.cfg.Compiler.Compile(ctx, in)
	var refused *compile.Error
	if errors.As(err, &refused) {
		code := "source_invalid"
		if refused.Unresolved {
			code = "unresolved_import"
		}
		p := newProblem(http.StatusUnprocessableEntity, code, "The source does not compile.")
		for _, d := range refused.Diagnostics {
			p.Errors = append(p.Errors, ProblemError{Location: d.Place(), Message: d.Message})
		}
		if len(p.Errors) > 0 {
			p.Detail = p.Errors[0].Location + ": " + p.Errors[0].Message
		}
		return nil, p
	}
	var busy *compile.BusyError
	if errors.As(err, &busy) {
		return nil, busyCompiler(busy)
	}
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	if out.Missing(handlerName) {
		return nil, invalidCode("handler_missing", "body.source", "a script of type "+scriptType+" must export default an object with the function "+handlerName)
	}
	return out, nil
}

// busyCompiler is a 429 where the tenant has as many sources waiting as it may, and a 503 where the node has.
func busyCompiler(err *compile.BusyError) *Problem {
	status := http.StatusServiceUnavailable
	if err.Scope == admission.ScopeTenant {
		status = http.StatusTooManyRequests
	}
	return newProblem(status, err.Limit, err.Error()+".").RetryAfter(err.RetryAfter)
}

// check judges a script as a whole: what its type needs is there, what belongs to another type is not.
func (a *API) check(d *draft) error {
	if err := checkName("body.name", d.Name); err != nil {
		return err
	}
	has := map[string]bool{
		"cron_expression": d.CronExpression != nil, "http_path": d.HttpPath != nil, "http_methods": len(d.HttpMethods) > 0, "event_types": len(d.EventTypes) > 0,
	}
	needs := map[string][]string{"scheduled": {"cron_expression"}, "http": {"http_path", "http_methods"}, "event": {"event_types"}}[d.Type]
	for _, field := range []string{"cron_expression", "http_path", "http_methods", "event_types"} {
		switch needed := slices.Contains(needs, field); {
		case needed && !has[field]:
			return invalid("body."+field, "required for a script of type "+d.Type)
		case !needed && has[field]:
			return invalid("body."+field, "not for a script of type "+d.Type)
		}
	}
	if d.HttpPath != nil {
		if err := checkPath(*d.HttpPath); err != nil {
			return err
		}
	}
	for i, m := range d.HttpMethods {
		if slices.Contains(d.HttpMethods[:i], m) {
			return invalid(fmt.Sprintf("body.http_methods[%d]", i), "given twice")
		}
	}
	for i, t := range d.EventTypes {
		if !isEventPattern(t) {
			return invalid(fmt.Sprintf("body.event_types[%d]", i), "not an event type: dot-separated words, or a pattern that ends in *")
		}
		if slices.Contains(d.EventTypes[:i], t) {
			return invalid(fmt.Sprintf("body.event_types[%d]", i), "given twice")
		}
	}
	for i, t := range d.Tags {
		if err := checkName(fmt.Sprintf("body.tags[%d]", i), t); err != nil {
			return err
		}
	}
	if err := checkNamespaces(d.KvNamespaces); err != nil {
		return err
	}
	if err := checkHistory(d.History); err != nil {
		return err
	}
	if err := checkSize("body.metadata", Object(d.Metadata)); err != nil {
		return err
	}
	if err := checkSettings(d); err != nil {
		return err
	}
	_, err := a.ticks(d, time.Now(), 1)
	return err
}

func (a *API) scriptCreate(ctx context.Context, in *struct{ Body ScriptCreate }) (*createdTagged[Script], error) {
	d, err := a.draftOf(ctx, &in.Body)
	if err != nil {
		return nil, err
	}
	out := &createdTagged[Script]{}
	err = a.change(ctx, func(c *change) error {
		row, err := a.insertScript(ctx, c, d, in.Body.OrganizationID)
		if err != nil {
			return err
		}
		shown := a.scriptTagged(ctx, row)
		out.Body, out.ETag, out.Location = shown.Body, shown.ETag, "/api/v1/scripts/"+row.ID.String()
		return c.audit("script.create", "script", row.ID.String(), nil, out.Body)
	})
	if err == nil {
		out.Body.Warnings = a.warnings(ctx, &Trial{TenantID: tenantOf(ctx), Name: d.Name, Type: d.Type, Compiled: d.compiled})
	}
	return out, err
}

// draftOf checks and compiles a new script.
func (a *API) draftOf(ctx context.Context, b *ScriptCreate) (*draft, error) {
	d, err := a.uncompiled(ctx, b)
	if err != nil {
		return nil, err
	}
	d.compiled, err = a.compileSource(ctx, d.Script)
	return d, err
}

// uncompiled checks a new script but for its source.
func (a *API) uncompiled(ctx context.Context, b *ScriptCreate) (*draft, error) {
	d := &draft{description: b.ChangeDescription}
	d.ID, d.Name, d.Type, d.Source, d.Description = newID(), b.Name, b.Type, b.Source, b.Description
	d.Status, d.Timezone, d.Version, d.LatestVersion = "draft", "UTC", 1, 1
	if b.Status != "" {
		d.Status = b.Status
	}
	switch {
	case len(b.Files) > 0 && b.Source != "":
		return nil, invalid("body.source", "not together with files")
	case len(b.Files) > 0:
		if err := setFiles(&d.Script, b.Files, b.Main); err != nil {
			return nil, err
		}
	case b.Source == "":
		return nil, invalid("body.source", "required property is missing")
	case b.Main != "":
		return nil, invalid("body.main", "only with files")
	}
	d.CronExpression, d.HttpPath, d.HttpMethods, d.EventTypes, d.Tags = b.CronExpression, b.HTTPPath, b.HTTPMethods, b.EventTypes, nonNil(b.Tags)
	d.Metadata, d.ResourceLimits = b.Metadata.raw(), mergePatch(nil, Object(b.ResourceLimits).raw())
	if err := checkMetadata(b.Metadata); err != nil {
		return nil, err
	}
	d.History, d.Http, d.Retry, d.Schedule = storedSettings(b.History), storedSettings(b.HTTP), storedSettings(b.Retry), storedSettings(b.Schedule)
	d.KvNamespaces = json.RawMessage("{}")
	if b.KVNamespaces != nil {
		d.KvNamespaces = storedSettings(&b.KVNamespaces)
	}
	d.Egress = storedSettings(b.Egress)
	d.Breaker = storedSettings(b.Breaker)
	if b.Timezone != nil {
		if d.Timezone = *b.Timezone; d.Type != "scheduled" && d.Timezone != "UTC" {
			return nil, invalid("body.timezone", "not for a script of type "+d.Type)
		}
	}
	if err := b.ResourceLimits.check(a.cfg.Bounds, a.planLimits(ctx)); err != nil {
		return nil, err
	}
	if err := a.check(d); err != nil {
		return nil, err
	}
	return d, nil
}

// insertScript stores a new script with its first version and triggers.
func (a *API) insertScript(ctx context.Context, c *change, d *draft, organization *uuid.UUID) (sqlc.Script, error) {
	err := a.mayAddScript(ctx, c)
	if err == nil {
		err = a.checkEndpoint(ctx, c, d)
	}
	if err != nil {
		return sqlc.Script{}, err
	}
	if d.OrganizationID, err = organizationFor(ctx, c.Queries, c.tenant, organization); err != nil {
		return sqlc.Script{}, err
	}
	d.TenantID, d.CreatedBy = c.tenant, principalOf(ctx).UserID
	row, err := c.ScriptCreate(ctx, sqlc.ScriptCreateParams{
		ID: d.ID, TenantID: d.TenantID, OrganizationID: d.OrganizationID, Name: d.Name, Description: d.Description, Source: d.Source, Type: d.Type,
		Status: d.Status, ResourceLimits: d.ResourceLimits, CronExpression: d.CronExpression, Timezone: d.Timezone, HttpPath: d.HttpPath,
		HttpMethods: d.HttpMethods, EventTypes: d.EventTypes, Metadata: d.Metadata, History: d.History, Http: d.Http, Retry: d.Retry, Schedule: d.Schedule, Breaker: d.Breaker, KvNamespaces: d.KvNamespaces, Egress: d.Egress, Tags: d.Tags, CreatedBy: d.CreatedBy,
		Files: d.Files, Main: d.Main,
	})
	if err != nil {
		return row, err
	}
	if err := a.insertVersion(ctx, c, d, d.Version); err != nil {
		return row, err
	}
	if _, err := a.deploy(ctx, c, d.ID, d.Version, nil, everything); err != nil {
		return row, err
	}
	if err := a.setTriggers(ctx, c, d, true); err != nil || d.Status != "active" {
		return row, err
	}
	return row, a.tellActivated(ctx, c, row)
}

// pageBytes bounds what one page of a list holds of sources, inputs and outputs: a page with less items than were asked for
// has a next_cursor all the same.
const pageBytes = 8 << 20

// fitPage says how many rows of the given sizes fit on a page of at most limit: at least one.
func fitPage[R any](rows []R, limit int, size func(R) int64) int {
	var sum int64
	for i, r := range rows {
		sum += size(r)
		if i == limit || (i > 0 && sum > pageBytes) {
			return i
		}
	}
	return len(rows)
}

// reservePage takes the memory of a page of rows of the given sizes: as rows, as values and as text.
func reservePage[R any](ctx context.Context, a *API, rows []R, size func(R) int64) error {
	var sum int64
	for _, r := range rows {
		sum += size(r)
	}
	return a.reserve(ctx, admission.UseAnswer, 3*sum)
}

type scriptListIn struct {
	ListQuery
	FieldsQuery
	Type   string `query:"type" enum:"scheduled,http,event,oneoff,embedded"`
	Status string `query:"status" enum:"draft,active,paused,disabled,archived"`
	Name   string `query:"name" maxLength:"255" doc:"The script with exactly this name."`
	Tag    string `query:"tag" maxLength:"100"`
	Search string `query:"search" maxLength:"255" doc:"Text in the name or description. Looks at all scripts of the tenant."`
	Failed bool   `query:"failed" doc:"Those of which an execution failed yesterday or today, by UTC."`
}

func (a *API) scriptList(ctx context.Context, in *scriptListIn) (*found[Page[Item[Script]]], error) {
	fields, err := choose[Script](in.Fields, "source")
	if err != nil {
		return nil, err
	}
	bind := []string{"scripts", tenantOf(ctx).String(), in.Type, in.Status, in.Tag, in.Search, in.Name, strconv.FormatBool(in.Failed)}
	at, err := a.cursors.decode(in.Cursor, bind)
	if err != nil {
		return nil, err
	}
	out := &found[Page[Item[Script]]]{Page[Item[Script]]{Items: []Item[Script]{}}}
	plan, whole := a.planLimits(ctx), fields.has("source")
	failedOn := []time.Time{}
	if in.Failed {
		failedOn = failureDays(time.Now())
	}
	err = a.read(ctx, func(q *sqlc.Queries) error {
		rows, err := q.ScriptPage(ctx, sqlc.ScriptPageParams{
			TenantID: tenantOf(ctx), BeforeAt: at.at, BeforeID: at.id, Type: given(in.Type), Status: given(in.Status), Tag: given(in.Tag),
			Name: given(in.Name), Search: likePattern(in.Search), FailedDays: failedOn, Whole: whole, RowLimit: int32(in.Limit + 1),
		})
		if err != nil {
			return err
		}
		size := func(r sqlc.ScriptPageRow) int64 { return r.Bytes }
		n := fitPage(rows, in.Limit, size)
		if err := reservePage(ctx, a, rows[:n], size); err != nil {
			return err
		}
		if n < len(rows) {
			out.Body.NextCursor = a.cursors.encode(position{at: rows[n-1].CreatedAt, id: rows[n-1].ID}, bind)
		}
		ids := make([]uuid.UUID, n)
		for i := range ids {
			ids[i] = rows[i].ID
		}
		full, err := q.ScriptGetMany(ctx, sqlc.ScriptGetManyParams{TenantID: tenantOf(ctx), Ids: ids, Whole: whole})
		if err != nil {
			return err
		}
		slices.SortFunc(full, func(x, y sqlc.ScriptGetManyRow) int { return slices.Index(ids, x.ID) - slices.Index(ids, y.ID) })
		for _, s := range full {
			shown := a.scriptOfRow(sqlc.Script(s), plan)
			out.Body.Items = append(out.Body.Items, Item[Script]{&shown, fields})
		}
		return nil
	})
	return out, err
}

func (a *API) scriptGet(ctx context.Context, in *IDPath) (out *tagged[Script], err error) {
	id, err := parseID(in.ID)
	if err != nil {
		return nil, err
	}
	err = a.read(ctx, func(q *sqlc.Queries) error {
		row, err := q.ScriptGet(ctx, sqlc.ScriptGetParams{TenantID: tenantOf(ctx), ID: id})
		if err == nil {
			out = a.scriptTagged(ctx, row)
		}
		return err
	})
	return out, err
}

// unchangedSince judges If-Match against a script. The refusal says who changed the script last.
func (a *API) unchangedSince(ctx context.Context, q *sqlc.Queries, s sqlc.Script) error {
	err := precondition(ctx, a.scriptTagged(ctx, s).ETag)
	var refused *Problem
	if !errors.As(err, &refused) {
		return err
	}
	last, failed := q.AuditLastOfScript(ctx, sqlc.AuditLastOfScriptParams{TenantID: &s.TenantID, ScriptID: s.ID.String()})
	switch {
	case errors.Is(failed, pgx.ErrNoRows): // it was changed by SQL, or the entry is past its retention
	case failed != nil:
		return failed
	default:
		refused.ChangedBy, refused.ChangedAt = last.ActorName, utcPtr(&last.CreatedAt)
	}
	return refused
}

type scriptUpdateIn struct {
	IDPath
	Body ScriptPatch
}

func (a *API) scriptUpdate(ctx context.Context, in *scriptUpdateIn) (out *tagged[Script], err error) {
	id, err := parseID(in.ID)
	if err != nil {
		return nil, err
	}
	compiled, err := a.compileAhead(ctx, id, &in.Body)
	if err != nil {
		return nil, err
	}
	var trial *Trial
	err = a.change(ctx, func(c *change) error {
		before, err := c.ScriptGetForUpdate(ctx, sqlc.ScriptGetForUpdateParams{TenantID: c.tenant, ID: id})
		if err != nil {
			return err
		}
		if err := a.unchangedSince(ctx, c.Queries, before); err != nil {
			return err
		}
		d := &draft{Script: before}
		if err := a.applyPatch(ctx, c, d, &in.Body); err != nil {
			return err
		}
		if !sameSource(before, d.Script) {
			if d.compiled = compiled; compiled == nil || compiled.SHA256 != sourceHash(d.Script) {
				return sourceChanged()
			}
		}
		if sameScript(before, d.Script) {
			out = a.scriptTagged(ctx, before)
			return nil
		}
		after, err := a.updateScript(ctx, c, before, d)
		if err != nil {
			return err
		}
		out = a.scriptTagged(ctx, after)
		if d.compiled != nil {
			trial = &Trial{TenantID: c.tenant, Name: d.Name, Type: d.Type, Compiled: d.compiled}
		}
		return c.audit("script.update", "script", id.String(), a.scriptOfRow(before, a.planLimits(ctx)), out.Body)
	})
	if err == nil && trial != nil {
		out.Body.Warnings = a.warnings(ctx, trial)
	}
	return out, err
}

// compileAhead compiles a patch's source before the script's row is locked: others need not wait for it.
func (a *API) compileAhead(ctx context.Context, id uuid.UUID, b *ScriptPatch) (*compile.Output, error) {
	given := b.given()
	if !given.source.Set && !given.files.set && !given.main.Set {
		return nil, nil
	}
	var script sqlc.Script
	err := a.read(ctx, func(q *sqlc.Queries) error {
		row, err := q.ScriptGet(ctx, sqlc.ScriptGetParams{TenantID: tenantOf(ctx), ID: id})
		if err != nil {
			return err
		}
		script = row
		return a.unchangedSince(ctx, q, row)
	})
	if err != nil {
		return nil, err
	}
	if _, err := given.onto(&script); err != nil {
		return nil, err
	}
	return a.compileSource(ctx, script)
}

// applyPatch makes the script what the patch says and judges the result as a whole.
func (a *API) applyPatch(ctx context.Context, c *change, d *draft, b *ScriptPatch) error {
	for _, f := range []struct {
		name string
		null bool
	}{
		{"name", b.Name.Null}, {"type", b.Type.Null}, {"source", b.Source.Null}, {"status", b.Status.Null}, {"organization_id", b.OrganizationID.Null},
	} {
		if f.null {
			return invalid("body."+f.name, "can't be null")
		}
	}
	if b.Type.Set && b.Type.Value != d.Type {
		return invalid("body.type", "a script's type can't change")
	}
	setIf(&d.Name, b.Name)
	if _, err := b.given().onto(&d.Script); err != nil {
		return err
	}
	setNullable(&d.Description, b.Description)
	setNullable(&d.CronExpression, b.CronExpression)
	setNullable(&d.HttpPath, b.HTTPPath)
	setNullable(&d.description, b.ChangeDescription)
	if b.Timezone.Set {
		d.Timezone = "UTC"
		setIf(&d.Timezone, b.Timezone)
		if d.Type != "scheduled" && d.Timezone != "UTC" {
			return invalid("body.timezone", "not for a script of type "+d.Type)
		}
	}
	for _, l := range []struct {
		field *[]string
		p     patch[[]string]
	}{{&d.HttpMethods, b.HTTPMethods}, {&d.EventTypes, b.EventTypes}, {&d.Tags, b.Tags}} {
		if l.p.Set {
			*l.field = l.p.Value
		}
	}
	d.Tags = nonNil(d.Tags)
	var err error
	d.History, d.Http, d.Retry, d.Schedule = b.History.apply(d.History), b.HTTP.apply(d.Http), b.Retry.apply(d.Retry), b.Schedule.apply(d.Schedule)
	d.KvNamespaces = b.KVNamespaces.apply(d.KvNamespaces)
	d.Egress = b.Egress.apply(d.Egress)
	d.Breaker = b.Breaker.apply(d.Breaker)
	if err := checkMetadata(b.Metadata.Value); err != nil {
		return err
	}
	if d.Metadata, err = mergeObject("body.metadata", d.Metadata, b.Metadata); err != nil {
		return err
	}
	if err := ResourceLimits(b.ResourceLimits.raw).check(a.cfg.Bounds, a.planLimits(ctx)); err != nil {
		return err
	}
	d.ResourceLimits = b.ResourceLimits.apply(d.ResourceLimits)
	if b.OrganizationID.Set {
		if d.OrganizationID, err = organizationFor(ctx, c.Queries, c.tenant, &b.OrganizationID.Value); err != nil {
			return err
		}
	}
	if b.Status.Set {
		if err := checkTransition(d.Status, b.Status.Value); err != nil {
			return err
		}
		d.Status = b.Status.Value
	}
	return a.check(d)
}

func setNullable(field **string, p patch[string]) {
	switch {
	case p.Null:
		*field = nil
	case p.Set:
		*field = &p.Value
	}
}

// checkTransition is the status machine. Staying is no move.
func checkTransition(from, to string) error {
	allowed := map[string][]string{
		"draft":    {"active", "archived"},
		"active":   {"paused", "disabled", "archived"},
		"paused":   {"active", "disabled", "archived"},
		"disabled": {"active", "archived"},
		"archived": {"draft"},
	}[from]
	if from != to && !slices.Contains(allowed, to) {
		return conflict("invalid_transition", "body.status: a script can't go from "+from+" to "+to+"; from "+from+" it can go to "+strings.Join(allowed, ", ")+".")
	}
	return nil
}

// updateScript stores a changed script and its triggers. Where what decides behaviour has changed, that is a new version, which goes live; a draft
// that has another version than the row makes that one live.
func (a *API) updateScript(ctx context.Context, c *change, before sqlc.Script, d *draft) (sqlc.Script, error) {
	if !bytes.Equal(d.Http, before.Http) {
		if err := a.checkEndpoint(ctx, c, d); err != nil {
			return before, err
		}
	}
	saved := d.Version != before.Version
	live := saved || d.compiled != nil || !sameBehaviour(before, d.Script)
	if live && !saved {
		d.Version = before.LatestVersion + 1
		if err := a.insertVersion(ctx, c, d, before.Version); err != nil {
			return before, err
		}
	}
	d.LatestVersion = max(before.LatestVersion, d.Version)
	if live {
		if _, err := a.deploy(ctx, c, d.ID, d.Version, &before.Version, everything); err != nil {
			return before, err
		}
		d.CandidateVersion, d.CandidatePercent, d.CandidateDeployment = nil, nil, nil
	}
	after, err := c.ScriptUpdate(ctx, sqlc.ScriptUpdateParams{
		TenantID: c.tenant, ID: d.ID, OrganizationID: d.OrganizationID, Name: d.Name, Description: d.Description, Source: d.Source, Status: d.Status,
		ResourceLimits: d.ResourceLimits, CronExpression: d.CronExpression, Timezone: d.Timezone, HttpPath: d.HttpPath, HttpMethods: d.HttpMethods,
		EventTypes: d.EventTypes, Metadata: d.Metadata, History: d.History, Http: d.Http, Retry: d.Retry, Schedule: d.Schedule, Breaker: d.Breaker, KvNamespaces: d.KvNamespaces, Egress: d.Egress, Tags: d.Tags,
		Files: d.Files, Main: d.Main, Version: d.Version, LatestVersion: d.LatestVersion,
		CandidateVersion: d.CandidateVersion, CandidatePercent: d.CandidatePercent, CandidateDeployment: d.CandidateDeployment,
	})
	if err != nil {
		return after, err
	}
	rearm := d.Status != before.Status || d.Timezone != before.Timezone || !equalText(d.CronExpression, before.CronExpression)
	if err := a.setTriggers(ctx, c, d, rearm); err != nil {
		return after, err
	}
	if d.Status != "active" || before.Status == "active" && !live {
		return after, nil
	}
	return after, a.tellActivated(ctx, c, after)
}

// over is the row before with what updateScript stores of the draft in it.
func (d *draft) over(before sqlc.Script) sqlc.Script {
	after := before
	after.OrganizationID, after.Name, after.Description, after.Source, after.Status = d.OrganizationID, d.Name, d.Description, d.Source, d.Status
	after.ResourceLimits, after.CronExpression, after.Timezone, after.HttpPath, after.HttpMethods = d.ResourceLimits, d.CronExpression, d.Timezone, d.HttpPath, d.HttpMethods
	after.EventTypes, after.Metadata, after.History, after.Http, after.Retry, after.Schedule = d.EventTypes, d.Metadata, d.History, d.Http, d.Retry, d.Schedule
	after.KvNamespaces, after.Tags, after.Files, after.Main = d.KvNamespaces, d.Tags, d.Files, d.Main
	after.Egress, after.Breaker = d.Egress, d.Breaker
	return after
}

// sameScript reports whether a patch leaves the row as it is.
func sameScript(before, after sqlc.Script) bool {
	for _, s := range []*sqlc.Script{&before, &after} {
		for _, object := range []*json.RawMessage{&s.ResourceLimits, &s.Metadata, &s.History, &s.Http, &s.Retry, &s.Schedule, &s.KvNamespaces, &s.Egress, &s.Breaker, &s.Files} {
			*object = mergePatch(nil, *object) // one spelling
		}
		s.HttpMethods, s.EventTypes, s.Tags = nonNil(s.HttpMethods), nonNil(s.EventTypes), nonNil(s.Tags)
	}
	return reflect.DeepEqual(before, after)
}

func equalText(a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

func (a *API) scriptDelete(ctx context.Context, in *IDPath) (*none, error) {
	id, err := parseID(in.ID)
	if err != nil {
		return nil, err
	}
	return nil, a.change(ctx, func(c *change) error {
		before, err := c.ScriptGetForUpdate(ctx, sqlc.ScriptGetForUpdateParams{TenantID: c.tenant, ID: id})
		if err != nil {
			return err
		}
		if err := a.unchangedSince(ctx, c.Queries, before); err != nil {
			return err
		}
		if _, err := c.ScriptDelete(ctx, sqlc.ScriptDeleteParams{TenantID: c.tenant, ID: id}); err != nil {
			return err
		}
		return c.audit("script.delete", "script", id.String(), a.scriptOfRow(before, a.planLimits(ctx)), nil)
	})
}

// scriptRelease ends a quarantine before its time. A script that is in none stays as it is.
func (a *API) scriptRelease(ctx context.Context, in *struct{ IDPath }) (out *tagged[Script], err error) {
	id, err := parseID(in.ID)
	if err != nil {
		return nil, err
	}
	err = a.change(ctx, func(c *change) error {
		before, err := c.ScriptGetForUpdate(ctx, sqlc.ScriptGetForUpdateParams{TenantID: c.tenant, ID: id})
		if err != nil {
			return err
		}
		if err := a.unchangedSince(ctx, c.Queries, before); err != nil {
			return err
		}
		after := before
		if before.QuarantinedUntil != nil {
			if after, err = c.ScriptRelease(ctx, sqlc.ScriptReleaseParams{TenantID: c.tenant, ID: id}); err != nil {
				return err
			}
		}
		out = a.scriptTagged(ctx, after)
		return c.audit("script.release", "script", id.String(), a.scriptOfRow(before, a.planLimits(ctx)), a.scriptOfRow(after, a.planLimits(ctx)))
	})
	return out, err
}
