package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"jsruntime/sqlc"
)

// Export is all scripts of a tenant as one document, which import takes again, here or elsewhere. Organizations are named,
// because ids mean nothing elsewhere. Secrets, history and versions before the newest are not in it.
type Export struct {
	Format     string           `json:"format" enum:"jsruntime.export.v1"`
	Tenant     string           `json:"tenant,omitempty" maxLength:"63" doc:"The slug of the tenant that it came from; not read by import."`
	ExportedAt *time.Time       `json:"exported_at,omitempty"`
	Scripts    []ExportedScript `json:"scripts" nullable:"false" maxItems:"10000"`
}

// ExportedScript is one script of an export.
type ExportedScript struct {
	Name           string          `json:"name" minLength:"1" maxLength:"255"`
	Type           string          `json:"type" enum:"scheduled,http,event,oneoff,embedded"`
	Status         string          `json:"status" enum:"draft,active,paused,disabled,archived"`
	Source         string          `json:"source" minLength:"1"`
	Organization   string          `json:"organization,omitempty" maxLength:"255" doc:"Its organization's name; made where it is missing."`
	Description    *string         `json:"description,omitempty" maxLength:"10000"`
	ResourceLimits *ResourceLimits `json:"resource_limits,omitempty"`
	CronExpression *string         `json:"cron_expression,omitempty" maxLength:"255"`
	Timezone       *string         `json:"timezone,omitempty" maxLength:"100"`
	HTTPPath       *string         `json:"http_path,omitempty" maxLength:"500"`
	HTTPMethods    []string        `json:"http_methods,omitempty" nullable:"false" maxItems:"7" enum:"GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS"`
	EventTypes     []string        `json:"event_types,omitempty" nullable:"false" maxItems:"100" maxLength:"255"`
	Metadata       Object          `json:"metadata,omitempty"`
	Tags           []string        `json:"tags,omitempty" nullable:"false" maxItems:"50" maxLength:"100"`
}

const exportFormat = "jsruntime.export.v1"

// maxExportBytes bounds an export: it is made in memory. A tenant with more lists its scripts page by page.
const maxExportBytes = 256 << 20

func (a *API) scriptExport(ctx context.Context, _ *none) (*found[Export], error) {
	now := time.Now().UTC()
	out := &found[Export]{Export{Format: exportFormat, Tenant: principalOf(ctx).TenantSlug, ExportedAt: &now, Scripts: []ExportedScript{}}}
	err := a.read(ctx, func(q *sqlc.Queries) error {
		const batch = 100
		after, size := "", 0
		for {
			rows, err := q.ScriptExport(ctx, sqlc.ScriptExportParams{TenantID: tenantOf(ctx), AfterName: after, RowLimit: batch})
			if err != nil {
				return err
			}
			for _, s := range rows {
				e := ExportedScript{
					Name: s.Name, Type: s.Type, Status: s.Status, Source: s.Source, Organization: s.OrganizationName, Description: s.Description,
					CronExpression: s.CronExpression, HTTPPath: s.HttpPath, HTTPMethods: s.HttpMethods, EventTypes: s.EventTypes,
					Metadata: Object(s.Metadata), Tags: s.Tags,
				}
				if s.Type == "scheduled" {
					e.Timezone = &s.Timezone
				}
				var limits ResourceLimits
				if json.Unmarshal(s.ResourceLimits, &limits) == nil {
					e.ResourceLimits = &limits
				}
				out.Body.Scripts = append(out.Body.Scripts, e)
				if size += len(s.Source) + len(s.Metadata); size > maxExportBytes {
					return newProblem(http.StatusRequestEntityTooLarge, "export_too_large", "The tenant's scripts are too large for one document; list them page by page.")
				}
				after = s.Name
			}
			if len(rows) < batch {
				return nil
			}
		}
	})
	return out, err
}

type scriptImportIn struct {
	OnConflict string `query:"on_conflict" enum:"fail,skip,update" default:"fail" doc:"What to do with a script whose name is taken."`
	Body       Export
}

// Imported is the answer to an import.
type Imported struct {
	Created int `json:"created"`
	Updated int `json:"updated"`
	Skipped int `json:"skipped"`
}

// scriptImport takes an export: all of it or, where something is wrong with one script, nothing.
func (a *API) scriptImport(ctx context.Context, in *scriptImportIn) (*found[Imported], error) {
	drafts := make([]*draft, len(in.Body.Scripts))
	for i := range in.Body.Scripts {
		s := &in.Body.Scripts[i]
		var err error
		drafts[i], err = a.draftOf(ctx, &ScriptCreate{
			Name: s.Name, Type: s.Type, Source: s.Source, Status: s.Status, Description: s.Description, ResourceLimits: s.ResourceLimits,
			CronExpression: s.CronExpression, Timezone: s.Timezone, HTTPPath: s.HTTPPath, HTTPMethods: s.HTTPMethods, EventTypes: s.EventTypes,
			Metadata: s.Metadata, Tags: s.Tags,
		})
		if err != nil {
			return nil, inScript(err, i, s.Name)
		}
	}
	out := &found[Imported]{}
	err := a.change(ctx, func(c *change) error {
		out.Body = Imported{}
		for i, d := range drafts {
			if err := a.importOne(ctx, c, d, in.Body.Scripts[i].Organization, in.OnConflict, &out.Body); err != nil {
				return inScript(a.problem(ctx, err), i, d.Name)
			}
		}
		return nil
	})
	return out, err
}

// inScript says which script of an import is at fault.
func inScript(err error, index int, name string) error {
	var p *Problem
	if !errors.As(err, &p) {
		return err
	}
	q := *p
	q.Detail = fmt.Sprintf("body.scripts[%d] (%s): %s", index, clip(name, 80), p.Detail)
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
		return c.audit("script.import", "script", row.ID.String(), nil, a.scriptOfRow(row))
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
	d.ID, d.TenantID, d.Version = before.ID, before.TenantID, before.Version
	if d.Source == before.Source {
		d.compiled = nil
	}
	after, err := a.updateScript(ctx, c, before, d)
	if err != nil {
		return err
	}
	count.Updated++
	return c.audit("script.import", "script", after.ID.String(), a.scriptOfRow(before), a.scriptOfRow(after))
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
