package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/sqlc"
)

// Tenant is a tenant as the API shows it.
type Tenant struct {
	ID     uuid.UUID `json:"id" format:"uuid"`
	Slug   string    `json:"slug" doc:"Its name in URLs: /t/{slug}/…"`
	Name   string    `json:"name"`
	Status string    `json:"status" enum:"active,suspended"`
	Plan   Plan      `json:"plan" doc:"What it may use; what is absent has the operator's default."`
	// EffectiveLimits are those of a script that asks for nothing.
	EffectiveLimits EffectiveLimits `json:"effective_limits" doc:"The limits of a script that asks for none, and the most that one may ask for."`
	Settings        Object          `json:"settings" doc:"The operator's own JSON; the server does not read it."`
	CreatedAt       time.Time       `json:"created_at"`
	UpdatedAt       time.Time       `json:"updated_at"`
}

func (a *API) tenantTagged(row sqlc.Tenant) *tagged[Tenant] {
	shown := a.tenantOfRow(row)
	row.CreatedAt, row.UpdatedAt = utc(row.CreatedAt), utc(row.UpdatedAt) // in one zone
	return &tagged[Tenant]{ETag: tagOf(row, shown.EffectiveLimits), Body: shown}
}

func (a *API) tenantOfRow(t sqlc.Tenant) Tenant {
	return Tenant{
		EffectiveLimits: a.effectiveLimits(catalog.PlanOf(t.Plan).Limits, nil),
		ID:              t.ID, Slug: t.Slug, Name: t.Name, Status: t.Status, Plan: planOf(t.Plan), Settings: Object(t.Settings), CreatedAt: utc(t.CreatedAt), UpdatedAt: utc(t.UpdatedAt),
	}
}

type created[T any] struct {
	Location string `header:"Location"`
	Body     T
}

type found[T any] struct{ Body T }

type none struct{}

type tenantCreateIn struct {
	Body struct {
		Slug     string `json:"slug" minLength:"1" maxLength:"63" pattern:"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$" doc:"Lower case letters, digits and inner hyphens."`
		Name     string `json:"name" minLength:"1" maxLength:"255"`
		Plan     *Plan  `json:"plan,omitempty"`
		Settings Object `json:"settings,omitempty"`
	}
}

func (a *API) tenantCreate(ctx context.Context, in *tenantCreateIn) (*createdTagged[Tenant], error) {
	if err := checkName("body.name", in.Body.Name); err != nil {
		return nil, err
	}
	if err := checkSize("body.settings", in.Body.Settings); err != nil {
		return nil, err
	}
	out := &createdTagged[Tenant]{}
	id := newID()
	plan := json.RawMessage("{}")
	if in.Body.Plan != nil {
		given, _ := json.Marshal(in.Body.Plan)
		plan = mergePatch(nil, given)
	}
	if err := a.checkPlan(plan); err != nil {
		return nil, err
	}
	err := a.operate(ctx, id, func(c *change) error {
		t, err := c.TenantCreate(ctx, sqlc.TenantCreateParams{ID: id, Slug: in.Body.Slug, Name: in.Body.Name, Plan: plan, Settings: in.Body.Settings.raw()})
		if err != nil {
			return err
		}
		if _, err := c.OrganizationCreate(ctx, sqlc.OrganizationCreateParams{ID: newID(), TenantID: id, Name: "default", IsDefault: true}); err != nil {
			return err
		}
		shown := a.tenantTagged(t)
		out.Body, out.ETag = shown.Body, shown.ETag
		out.Location = "/api/v1/tenants/" + id.String()
		return c.audit("tenant.create", "tenant", id.String(), nil, out.Body)
	})
	a.after(ctx, func() { a.Forget("tenants", id) })
	return out, err
}

type tenantListIn struct {
	ListQuery
	Status string `query:"status" enum:"active,suspended"`
}

func (a *API) tenantList(ctx context.Context, in *tenantListIn) (*found[Page[Tenant]], error) {
	bind := []string{"tenants", in.Status}
	at, err := a.cursors.decode(in.Cursor, bind)
	if err != nil {
		return nil, err
	}
	rows, err := a.queries.TenantList(ctx, sqlc.TenantListParams{BeforeAt: at.at, BeforeID: at.id, Status: given(in.Status), RowLimit: int32(in.Limit + 1)})
	if err != nil {
		return nil, err
	}
	return &found[Page[Tenant]]{pageOf(a.cursors, rows, in.Limit, bind, a.tenantOfRow, func(t sqlc.Tenant) position {
		return position{at: t.CreatedAt, id: t.ID}
	})}, nil
}

// TenantPath names a tenant in a path.
type TenantPath struct {
	Tenant string `path:"tenant" maxLength:"63" doc:"Its id or slug."`
}

func (a *API) tenantGet(ctx context.Context, in *TenantPath) (*tagged[Tenant], error) {
	t, err := a.readTenantByRef(ctx, in.Tenant)
	if err != nil {
		return nil, err
	}
	return a.tenantTagged(*t), nil
}

type tenantUpdateIn struct {
	TenantPath
	Body struct {
		Slug     patch[string] `json:"slug,omitzero" minLength:"1" maxLength:"63" pattern:"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$" doc:"Lower case letters, digits and inner hyphens."`
		Name     patch[string] `json:"name,omitzero" minLength:"1" maxLength:"255"`
		Status   patch[string] `json:"status,omitzero" enum:"active,suspended"`
		Plan     mergeOf[Plan] `json:"plan,omitzero" doc:"Merged with what is there; null gives the defaults back."`
		Settings patch[Object] `json:"settings,omitzero"`
	}
}

func (a *API) tenantUpdate(ctx context.Context, in *tenantUpdateIn) (*tagged[Tenant], error) {
	for _, f := range []struct {
		name string
		p    patch[string]
	}{{"slug", in.Body.Slug}, {"name", in.Body.Name}, {"status", in.Body.Status}} {
		if f.p.Null {
			return nil, invalid("body."+f.name, "can't be null")
		}
	}
	if in.Body.Name.Set {
		if err := checkName("body.name", in.Body.Name.Value); err != nil {
			return nil, err
		}
	}
	ref, err := a.readTenantByRef(ctx, in.Tenant)
	if err != nil {
		return nil, err
	}
	var out *tagged[Tenant]
	err = a.operate(ctx, ref.ID, func(c *change) error {
		t, err := c.TenantGetForUpdate(ctx, ref.ID)
		if err != nil {
			return err
		}
		out = a.tenantTagged(t)
		if err := precondition(ctx, out.ETag); err != nil {
			return err
		}
		p := sqlc.TenantUpdateParams{ID: t.ID, Slug: t.Slug, Name: t.Name, Status: t.Status, Plan: in.Body.Plan.apply(t.Plan), Settings: t.Settings}
		if in.Body.Plan.has("limits") || in.Body.Plan.has("quotas") {
			if err := a.checkPlan(p.Plan); err != nil {
				return err
			}
		}
		setIf(&p.Slug, in.Body.Slug)
		setIf(&p.Name, in.Body.Name)
		setIf(&p.Status, in.Body.Status)
		if p.Settings, err = mergeObject("body.settings", t.Settings, in.Body.Settings); err != nil {
			return err
		}
		if p.Slug == t.Slug && p.Name == t.Name && p.Status == t.Status && sameJSON(p.Plan, t.Plan) && sameJSON(p.Settings, t.Settings) {
			return nil
		}
		after, err := c.TenantUpdate(ctx, p)
		if err != nil {
			return err
		}
		out = a.tenantTagged(after)
		return c.audit("tenant.update", "tenant", t.ID.String(), a.tenantOfRow(t), out.Body)
	})
	a.Forget("tenants", ref.ID)
	return out, err
}

func (a *API) tenantDelete(ctx context.Context, in *TenantPath) (*none, error) {
	ref, err := a.readTenantByRef(ctx, in.Tenant)
	if err != nil {
		return nil, err
	}
	// Its usage and its audit log stay under its id, this change included.
	err = a.operate(ctx, ref.ID, func(c *change) error {
		t, err := c.TenantGetForUpdate(ctx, ref.ID)
		if err != nil {
			return err
		}
		if err := precondition(ctx, a.tenantTagged(t).ETag); err != nil {
			return err
		}
		if err := c.TenantDeleteScripts(ctx, t.ID); err != nil {
			return err
		}
		if err := c.TenantDeleteUsers(ctx, t.ID); err != nil {
			return err
		}
		if _, err := c.TenantDelete(ctx, t.ID); err != nil {
			return err
		}
		return c.audit("tenant.delete", "tenant", t.ID.String(), a.tenantOfRow(t), nil)
	})
	a.Forget("tenants", ref.ID)
	return nil, err
}

// tenantEnter tells a tenant that the operator has entered it. The console does so once for each entering, before it shows the
// tenant's pages. Nothing else changes: what the operator may do with X-Tenant does not depend on it.
func (a *API) tenantEnter(ctx context.Context, in *TenantPath) (*none, error) {
	t, err := a.readTenantByRef(ctx, in.Tenant)
	if err != nil {
		return nil, err
	}
	return nil, a.operate(ctx, t.ID, func(c *change) error {
		return c.audit("tenant.enter", "tenant", t.ID.String(), nil, nil)
	})
}

// Plan is what a tenant may use.
type Plan struct {
	MaxScripts        *int64         `json:"max_scripts,omitempty" minimum:"0" maximum:"1000000" nullable:"true" doc:"Scripts."`
	MaxConcurrentRuns *int64         `json:"max_concurrent_runs,omitempty" minimum:"1" maximum:"1000000" nullable:"true" doc:"Executions at once, of all its scripts over all nodes."`
	Weight            *int64         `json:"weight,omitempty" minimum:"1" maximum:"100" nullable:"true" doc:"Its share where more executions want a worker than may have one: a tenant of weight 3 gets three times as many as one of weight 1. 1 by default."`
	MaxQueueDepth     *int64         `json:"max_queue_depth,omitempty" minimum:"0" maximum:"2000000000" nullable:"true" doc:"Executions that wait. 100,000 by default."`
	MaxKVBytes        *int64         `json:"max_kv_bytes,omitempty" minimum:"0" maximum:"1000000000000000" nullable:"true" doc:"Keys and values in kv."`
	MaxHistoryBytes   *int64         `json:"max_history_bytes,omitempty" minimum:"0" maximum:"1000000000000000" nullable:"true" doc:"All that it stores beside kv: executions, logs, versions, events, dead letters, audit log."`
	Limits            PlanLimits     `json:"limits,omitempty"`
	Quotas            *PlanQuotas    `json:"quotas,omitempty"`
	Retention         *PlanRetention `json:"retention,omitempty"`
	Egress            *EgressRules   `json:"egress,omitempty"`
	JIT               *string        `json:"jit,omitempty" enum:"full,maglev,baseline,off" nullable:"true" doc:"How far V8 compiles its scripts, where that is less than --jit of a node."`
}

// PlanRetention is how long history is kept.
type PlanRetention struct {
	ExecutionsDays *float64 `json:"executions_days,omitempty" minimum:"0" maximum:"36500" nullable:"true" doc:"Executions that completed."`
	FailedDays     *float64 `json:"failed_days,omitempty" minimum:"0" maximum:"36500" nullable:"true" doc:"Executions that did not; as executions_days by default."`
	LogsDays       *float64 `json:"logs_days,omitempty" minimum:"0" maximum:"36500" nullable:"true" doc:"Logs, which go with their executions in any case."`
}

// retentionFields are PlanRetention's, for its schema.
type retentionFields PlanRetention

// Schema documents PlanRetention where it stands: it may be null in a merge patch, which a reference cannot say.
func (PlanRetention) Schema(r huma.Registry) *huma.Schema {
	s := *huma.SchemaFromType(r, reflect.TypeFor[retentionFields]())
	s.Nullable = true
	return &s
}

func planOf(stored json.RawMessage) Plan {
	var plan Plan
	_ = json.Unmarshal(stored, &plan) // the API lets only valid ones in
	return plan
}

// checkName refuses names that a person can't read or tell apart.
func checkName(location, name string) error {
	if strings.TrimSpace(name) != name || name == "" {
		return invalid(location, "must not be empty nor begin or end with a space")
	}
	for _, r := range name {
		if unicode.IsControl(r) {
			return invalid(location, "must not have control characters")
		}
	}
	return nil
}

// maxObjectBytes bounds settings and metadata.
const maxObjectBytes = 64 << 10

func checkSize(location string, o Object) error {
	if len(o) > maxObjectBytes {
		return invalid(location, fmt.Sprintf("larger than %d bytes", maxObjectBytes))
	}
	return nil
}

func setIf[T any](field *T, p patch[T]) {
	if p.Set && !p.Null {
		*field = p.Value
	}
}

// mergeObject applies the member of a merge patch to a stored object; null empties it.
func mergeObject(location string, stored json.RawMessage, p patch[Object]) (json.RawMessage, error) {
	switch {
	case !p.Set:
		return stored, nil
	case p.Null:
		return json.RawMessage("{}"), nil
	}
	merged := mergePatch(stored, json.RawMessage(p.Value))
	return merged, checkSize(location, Object(merged))
}
