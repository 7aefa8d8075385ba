package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/engine/compile"
	"example.com/jsruntime/engine/text"
	"example.com/jsruntime/sqlc"
)

// Export is all scripts and vars of a tenant as one document, which import takes again, here or elsewhere. Organizations are named,
// because ids mean nothing elsewhere. Secrets, history and versions before the newest are not in it.
type Export struct {
	Format     string           `json:"format" enum:"jsruntime.export.v1"`
	Tenant     string           `json:"tenant,omitempty" maxLength:"63" doc:"The slug of the tenant that it came from; not read by import."`
	ExportedAt *time.Time       `json:"exported_at,omitempty"`
	Vars       Vars             `json:"vars,omitempty"`
	Scripts    []ExportedScript `json:"scripts" nullable:"false" maxItems:"10000"`
}

// ExportedScript is one script of an export.
type ExportedScript struct {
	Name           string            `json:"name" minLength:"1" maxLength:"255"`
	Type           string            `json:"type" enum:"scheduled,http,event,oneoff,embedded"`
	Status         string            `json:"status" enum:"draft,active,paused,disabled,archived"`
	Source         string            `json:"source,omitempty" minLength:"1" doc:"Required where there are no files."`
	Files          Files             `json:"files,omitempty"`
	Main           string            `json:"main,omitempty" maxLength:"200"`
	Organization   string            `json:"organization,omitempty" maxLength:"255" doc:"Its organization's name; made where it is missing."`
	Description    *string           `json:"description,omitempty" maxLength:"10000"`
	ResourceLimits ResourceLimits    `json:"resource_limits,omitempty"`
	CronExpression *string           `json:"cron_expression,omitempty" maxLength:"255"`
	Timezone       *string           `json:"timezone,omitempty" maxLength:"100"`
	HTTPPath       *string           `json:"http_path,omitempty" maxLength:"500"`
	HTTPMethods    []string          `json:"http_methods,omitempty" nullable:"false" maxItems:"7" enum:"GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS"`
	EventTypes     []string          `json:"event_types,omitempty" nullable:"false" maxItems:"100" maxLength:"255"`
	Metadata       Object            `json:"metadata,omitempty"`
	History        *HistoryGiven     `json:"history,omitempty"`
	HTTP           *HTTPSettings     `json:"http,omitempty"`
	Breaker        *BreakerSettings  `json:"breaker,omitempty"`
	Retry          *RetrySettings    `json:"retry,omitempty"`
	Schedule       *ScheduleSettings `json:"schedule,omitempty"`
	KVNamespaces   KVNamespaces      `json:"kv_namespaces,omitempty"`
	Egress         *EgressRules      `json:"egress,omitempty"`
	Tags           []string          `json:"tags,omitempty" nullable:"false" maxItems:"50" maxLength:"100"`
}

const exportFormat = "jsruntime.export.v1"

// An export is read and sent page by page, so that it takes no more memory than a page, and no connection of the database while the
// client reads. exportPageBytes is what the sources of a page have together, but for a page of one script.
const (
	exportPageRows  = 16
	exportPageBytes = 1 << 20
	exportMemory    = 6 << 20 // a page as rows and as text, with its metadata
)

type scriptExportOut struct {
	Body func(huma.Context)
}

// scriptExport sends the scripts in the order of their names. Each page is one state of the database: a script that is changed
// meanwhile is in the document as it was before or after the change.
func (a *API) scriptExport(ctx context.Context, _ *none) (*scriptExportOut, error) {
	if err := a.reserve(ctx, admission.UseAnswer, exportMemory); err != nil {
		return nil, err
	}
	rows, err := a.exportPage(ctx, "")
	if err != nil {
		return nil, err
	}
	var vars VarSet
	err = a.read(ctx, func(q *sqlc.Queries) (err error) {
		vars, err = varsOf(ctx, q)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &scriptExportOut{Body: func(h huma.Context) {
		h.SetHeader("Content-Type", "application/json")
		h.SetStatus(http.StatusOK)
		if err := a.sendExport(ctx, h.BodyWriter(), vars.Vars, rows); err != nil {
			a.logOf(ctx).WarnContext(ctx, "export ended early", "error", err)
			panic(http.ErrAbortHandler) // the client sees that the document is not whole
		}
	}}, nil
}

func (a *API) exportPage(ctx context.Context, after string) (rows []sqlc.ScriptExportRow, err error) {
	err = a.read(ctx, func(q *sqlc.Queries) error {
		rows, err = q.ScriptExport(ctx, sqlc.ScriptExportParams{
			TenantID: tenantOf(ctx), AfterName: after, RowLimit: exportPageRows, MaxBytes: exportPageBytes,
		})
		return err
	})
	return rows, err
}

// sendExport writes an export that begins with rows.
func (a *API) sendExport(ctx context.Context, w io.Writer, vars Vars, rows []sqlc.ScriptExportRow) error {
	begun, sent := time.Now(), 0
	write := func(v any, before, after string) error {
		var text bytes.Buffer
		text.WriteString(before)
		if v != nil {
			if err := jsonFormat().Marshal(&text, v); err != nil {
				return err
			}
			text.Truncate(text.Len() - 1) // the encoder's line end
		}
		text.WriteString(after)
		sent += text.Len()
		if took := time.Since(begun); took > answerTime+time.Duration(sent/answerRate)*time.Second {
			return fmt.Errorf("the client takes less than %d bytes a second", answerRate)
		}
		_, err := w.Write(text.Bytes())
		return err
	}
	now := time.Now().UTC()
	head := struct {
		Format     string     `json:"format"`
		Tenant     string     `json:"tenant,omitempty"`
		ExportedAt *time.Time `json:"exported_at,omitempty"`
		Vars       Vars       `json:"vars,omitempty"`
	}{exportFormat, principalOf(ctx).TenantSlug, &now, vars}
	var text bytes.Buffer
	if err := jsonFormat().Marshal(&text, head); err != nil {
		return err
	}
	err := write(nil, strings.TrimSuffix(text.String(), "}\n")+`,"scripts":[`, "")
	for separator := ""; err == nil && len(rows) > 0; {
		last := ""
		for i := range rows {
			if err := write(exportedScript(&rows[i]), separator, ""); err != nil {
				return err
			}
			separator, last = ",\n", rows[i].Name
		}
		rows, err = a.exportPage(ctx, last)
	}
	if err != nil {
		return err
	}
	return write(nil, "]}\n", "")
}

func exportedScript(s *sqlc.ScriptExportRow) *ExportedScript {
	e := &ExportedScript{
		Name: s.Name, Type: s.Type, Status: s.Status, Source: s.Source, Organization: s.OrganizationName, Description: s.Description,
		CronExpression: s.CronExpression, HTTPPath: s.HttpPath, HTTPMethods: s.HttpMethods, EventTypes: s.EventTypes,
		Metadata: Object(s.Metadata), Tags: s.Tags,
	}
	if e.Files, e.Main = filesIn(s.Files), s.Main; len(e.Files) > 0 {
		e.Source = ""
	}
	if s.Type == "scheduled" {
		e.Timezone = &s.Timezone
	}
	e.History, e.HTTP = settingsGiven[HistoryGiven](s.History), settingsGiven[HTTPSettings](s.Http)
	e.Breaker = settingsGiven[BreakerSettings](s.Breaker)
	e.Retry, e.Schedule = settingsGiven[RetrySettings](s.Retry), settingsGiven[ScheduleSettings](s.Schedule)
	e.ResourceLimits, e.KVNamespaces = ResourceLimits(s.ResourceLimits), namespacesOf(s.KvNamespaces)
	e.Egress = settingsGiven[EgressRules](s.Egress)
	return e
}

type scriptImportIn struct {
	OnConflict string `query:"on_conflict" enum:"fail,skip,update" default:"fail" doc:"What to do with a script whose name is taken."`
	DryRun     bool   `query:"dry_run" doc:"Check, count and store nothing."`
	Body       Export
}

// Imported is the answer to an import.
type Imported struct {
	Created int `json:"created"`
	Updated int `json:"updated"`
	// Unchanged counts scripts that on_conflict=update found as they are.
	Unchanged int `json:"unchanged" doc:"With on_conflict=update: the tenant has them like this."`
	Skipped   int `json:"skipped"`
}

// errDryRun ends the transaction of an import that is only tried.
var errDryRun = errors.New("dry run")

// importKept is how much compiled code an import keeps from its first reading for its second one.
const importKept = 8 << 20

// importMemory is what an import takes beside its body: what it keeps, and one script as it is decoded, compiled and stored.
const importMemory = importKept + 12<<20

// scriptImport takes an export: all of it or, where something is wrong with one script, nothing. It reads the body twice, one script
// after the other: first to check and compile all of them, then to store them in one transaction.
func (a *API) scriptImport(ctx context.Context, in *scriptImportIn) (*found[Imported], error) {
	body := callOf(ctx).body
	if err := a.reserve(ctx, admission.UseDecode, min(importMemory, 4*int64(len(body))+64<<10)); err != nil {
		return nil, err
	}
	var compiled []*compile.Output
	kept := 0
	err := eachScript(body, func(i int, s *ExportedScript) error {
		d, err := a.draftOf(ctx, s.create())
		if err != nil {
			return inScript(a.problem(ctx, err), i, s.Name)
		}
		if kept += len(d.compiled.Compiled) + len(d.compiled.SourceMap); kept > importKept {
			d.compiled = nil
		}
		compiled = append(compiled, d.compiled)
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := &found[Imported]{}
	err = a.change(ctx, func(c *change) error {
		out.Body = Imported{}
		err := eachScript(body, func(i int, s *ExportedScript) error {
			d, err := a.uncompiled(ctx, s.create())
			if err == nil {
				if d.compiled = compiled[i]; d.compiled == nil {
					d.compiled, err = a.compileSource(ctx, d.Script)
				}
			}
			if err == nil {
				err = a.importOne(ctx, c, d, s.Organization, in.OnConflict, &out.Body)
			}
			if err != nil {
				return inScript(a.problem(ctx, err), i, s.Name)
			}
			return nil
		})
		if err == nil {
			err = c.importVars(ctx, body)
		}
		if err == nil && in.DryRun {
			return errDryRun
		}
		return err
	})
	if errors.Is(err, errDryRun) {
		err = nil
	}
	return out, err
}

// create is the script as one that is made.
func (s *ExportedScript) create() *ScriptCreate {
	return &ScriptCreate{
		Name: s.Name, Type: s.Type, Source: s.Source, Files: s.Files, Main: s.Main, Status: s.Status, Description: s.Description, ResourceLimits: s.ResourceLimits,
		CronExpression: s.CronExpression, Timezone: s.Timezone, HTTPPath: s.HTTPPath, HTTPMethods: s.HTTPMethods, EventTypes: s.EventTypes,
		Metadata: s.Metadata, History: s.History, HTTP: s.HTTP, Retry: s.Retry, Schedule: s.Schedule, Breaker: s.Breaker, KVNamespaces: s.KVNamespaces, Egress: s.Egress, Tags: s.Tags,
	}
}

// eachScript decodes the scripts of an export one after the other. The export was validated before.
func eachScript(body []byte, do func(i int, s *ExportedScript) error) error {
	d := json.NewDecoder(bytes.NewReader(body))
	if _, err := d.Token(); err != nil {
		return notDecoded("body", err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return notDecoded("body", err)
		}
		if name != "scripts" {
			var other json.RawMessage
			if err := d.Decode(&other); err != nil {
				return notDecoded("body", err)
			}
			continue
		}
		if _, err := d.Token(); err != nil {
			return notDecoded("body.scripts", err)
		}
		for i := 0; d.More(); i++ {
			var s ExportedScript
			if err := d.Decode(&s); err != nil {
				return notDecoded(fmt.Sprintf("body.scripts[%d]", i), err)
			}
			if err := do(i, &s); err != nil {
				return err
			}
		}
		if _, err := d.Token(); err != nil {
			return notDecoded("body.scripts", err)
		}
	}
	return nil
}

// inScript says which script of an import is at fault.
func inScript(err error, index int, name string) error {
	var p *Problem
	if !errors.As(err, &p) {
		return err
	}
	q := *p
	q.Detail = fmt.Sprintf("body.scripts[%d] (%s): %s", index, text.Clip(name, 80), p.Detail)
	q.Errors = append([]ProblemError{{Location: fmt.Sprintf("body.scripts[%d]", index), Message: "this script is refused"}}, p.Errors...)
	return &q
}

func (a *API) importOne(ctx context.Context, c *change, d *draft, organization, onConflict string, count *Imported) error {
	existing, err := c.ScriptGetByName(ctx, sqlc.ScriptGetByNameParams{TenantID: c.tenant, Name: d.Name})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		o, err := organizationNamed(ctx, c, organization)
		if err != nil {
			return err
		}
		row, err := a.insertScript(ctx, c, d, o)
		if err != nil {
			return err
		}
		count.Created++
		return c.audit("script.import", "script", row.ID.String(), nil, a.scriptOfRow(row, a.planLimits(ctx)))
	case err != nil:
		return err
	case onConflict == "skip":
		count.Skipped++
		return nil
	case onConflict != "update":
		return conflict("name_taken", "name: another script has this name.")
	}
	before, err := c.ScriptGetForUpdate(ctx, sqlc.ScriptGetForUpdateParams{TenantID: c.tenant, ID: existing.ID})
	if err != nil {
		return err
	}
	if before.Type != d.Type {
		return invalid("type", "a script's type can't change")
	}
	if o, err := organizationNamed(ctx, c, organization); err != nil {
		return err
	} else if o != nil {
		d.OrganizationID = *o
	} else {
		d.OrganizationID = before.OrganizationID
	}
	d.ID, d.TenantID, d.Version, d.LatestVersion = before.ID, before.TenantID, before.Version, before.LatestVersion
	d.CandidateVersion, d.CandidatePercent, d.CandidateDeployment = before.CandidateVersion, before.CandidatePercent, before.CandidateDeployment
	if sameSource(before, d.Script) {
		d.compiled = nil
	}
	if sameScript(before, d.over(before)) {
		count.Unchanged++
		return nil
	}
	after, err := a.updateScript(ctx, c, before, d)
	if err != nil {
		return err
	}
	count.Updated++
	return c.audit("script.import", "script", after.ID.String(), a.scriptOfRow(before, a.planLimits(ctx)), a.scriptOfRow(after, a.planLimits(ctx)))
}

// organizationNamed finds or makes the organization of that name; nil where none is named.
func organizationNamed(ctx context.Context, c *change, name string) (*uuid.UUID, error) {
	if name == "" {
		return nil, nil
	}
	o, err := c.OrganizationGetByName(ctx, sqlc.OrganizationGetByNameParams{TenantID: c.tenant, Name: name})
	if errors.Is(err, pgx.ErrNoRows) {
		if err := checkName("organization", name); err != nil {
			return nil, err
		}
		o, err = c.OrganizationCreate(ctx, sqlc.OrganizationCreateParams{ID: newID(), TenantID: c.tenant, Name: name})
		if err == nil {
			err = c.audit("organization.create", "organization", o.ID.String(), nil, organizationOfRow(o))
		}
	}
	if err != nil {
		return nil, err
	}
	return &o.ID, nil
}
