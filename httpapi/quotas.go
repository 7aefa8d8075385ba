package httpapi

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/quota"
	"example.com/jsruntime/sqlc"
)

// PlanQuotas are what a tenant may use in a period.
type PlanQuotas struct {
	Executions  *PlanQuota `json:"executions,omitempty" doc:"Executions that ran, whatever their outcome."`
	CPUMS       *PlanQuota `json:"cpu_ms,omitempty" doc:"CPU time in milliseconds."`
	EgressBytes *PlanQuota `json:"egress_bytes,omitempty" doc:"Bytes that scripts answered and sent."`
}

// quotasFields are PlanQuotas', for its schema.
type quotasFields PlanQuotas

// Schema documents PlanQuotas where it stands: it may be null in a merge patch, which a reference cannot say.
func (PlanQuotas) Schema(r huma.Registry) *huma.Schema {
	s := *huma.SchemaFromType(r, reflect.TypeFor[quotasFields]())
	s.Nullable = true
	s.Description = "What the tenant may use in a period. Usage is summed over all nodes; what is absent has no bound."
	s.Examples = []any{map[string]any{
		"executions":   map[string]any{"per": "month", "soft": 900000, "hard": 1000000},
		"cpu_ms":       map[string]any{"per": "day", "hard": 3600000},
		"egress_bytes": map[string]any{"per": "month", "soft": 50000000000},
	}}
	return &s
}

// PlanQuota bounds what is used in a period.
type PlanQuota struct {
	Per  *string  `json:"per,omitempty" enum:"day,month" nullable:"true" doc:"The period, in UTC. Required."`
	Soft *float64 `json:"soft,omitempty" minimum:"1" maximum:"1000000000000000" nullable:"true" doc:"From here on the tenant is warned, once a period, by the event quota.warning."`
	Hard *float64 `json:"hard,omitempty" minimum:"1" maximum:"1000000000000000" nullable:"true" doc:"From here on nothing begins until the period ends: requests get 429 quota_exceeded, ticks are skipped, queued executions wait."`
}

// quotaFields are PlanQuota's, for its schema.
type quotaFields PlanQuota

// Schema documents PlanQuota where it stands.
func (PlanQuota) Schema(r huma.Registry) *huma.Schema {
	s := *huma.SchemaFromType(r, reflect.TypeFor[quotaFields]())
	s.Nullable = true
	return &s
}

// checkQuotas judges a plan's quotas as they would be stored; the schema has judged their members one by one.
func checkQuotas(quotas catalog.Quotas) error {
	for _, name := range catalog.QuotaNames() {
		quota, ok := quotas[name]
		at := "body.plan.quotas." + name
		switch {
		case !ok:
		case quota.Per == "":
			return invalid(at+".per", "is required: day or month")
		case quota.Soft == nil && quota.Hard == nil:
			return invalid(at, "must have soft, hard, or both")
		case quota.Soft != nil && quota.Hard != nil && *quota.Soft > *quota.Hard:
			return invalid(at+".soft", fmt.Sprintf("must be at most %.0f, the hard mark", *quota.Hard))
		}
	}
	return nil
}

// QuotaUsage is what a tenant has used of a quota in the present period.
type QuotaUsage struct {
	Name        string    `json:"name" enum:"executions,cpu_ms,egress_bytes"`
	Per         string    `json:"per" enum:"day,month"`
	PeriodStart time.Time `json:"period_start"`
	PeriodEnd   time.Time `json:"period_end" doc:"When the next period begins."`
	Used        float64   `json:"used" doc:"Over all nodes, as of their last flush."`
	Soft        *float64  `json:"soft"`
	Hard        *float64  `json:"hard"`
	State       string    `json:"state" enum:"ok,warning,exceeded" doc:"warning: the soft mark is reached; exceeded: the hard mark is, and nothing begins."`
	Level       string    `json:"level" enum:"plan" doc:"Who decided the marks."`
}

// quotasOf reads what a tenant has used of its plan's quotas.
func (a *API) quotasOf(ctx context.Context, q *sqlc.Queries, tenant uuid.UUID) ([]QuotaUsage, error) {
	out := []QuotaUsage{}
	row, err := q.TenantGet(ctx, tenant)
	if err != nil {
		return nil, err
	}
	quotas := catalog.PlanOf(row.Plan).Quotas
	if len(quotas) == 0 {
		return out, nil
	}
	now := time.Now()
	first, _ := quota.Period(catalog.PerMonth, now)
	days, err := q.QuotaUsage(ctx, sqlc.QuotaUsageParams{TenantIds: []uuid.UUID{tenant}, FromDays: []time.Time{first}})
	if err != nil {
		return nil, err
	}
	for _, name := range catalog.QuotaNames() {
		bound, ok := quotas[name]
		if !ok {
			continue
		}
		shown := QuotaUsage{Name: name, Per: bound.Per, Soft: bound.Soft, Hard: bound.Hard, State: "ok", Level: "plan"}
		shown.PeriodStart, shown.PeriodEnd = quota.Period(bound.Per, now)
		for _, day := range days {
			if !quota.Today(day.Day).Before(shown.PeriodStart) {
				shown.Used += quota.Amount{Executions: day.Executions, CPUMs: day.CpuMs, EgressBytes: day.EgressBytes}.Of(name)
			}
		}
		switch {
		case bound.Hard != nil && shown.Used >= *bound.Hard:
			shown.State = "exceeded"
		case bound.Soft != nil && shown.Used >= *bound.Soft:
			shown.State = "warning"
		}
		out = append(out, shown)
	}
	return out, nil
}
