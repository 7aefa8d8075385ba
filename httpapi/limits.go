package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/sqlc"
)

// limitSchema is an object with a member for each limit of the engine's table.
func limitSchema(doc string, member func(engine.Limit) *huma.Schema) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeObject, Description: doc, AdditionalProperties: false, Properties: map[string]*huma.Schema{}}
	example := map[string]any{}
	for _, l := range engine.LimitTable() {
		m := member(l)
		s.Properties[l.Name] = m
		if len(m.Examples) > 0 {
			example[l.Name] = m.Examples[0]
		}
	}
	if len(example) > 0 {
		s.Examples = []any{example}
	}
	s.PrecomputeMessages()
	return s
}

// whole is the schema of a whole number of a limit.
func whole(l engine.Limit, doc string) *huma.Schema {
	least, most := float64(l.Min), float64(l.Most)
	return &huma.Schema{Type: huma.TypeInteger, Format: "int64", Nullable: true, Minimum: &least, Maximum: &most, Description: doc}
}

// named registers a schema under a name, so that the document shows it once.
func named(r huma.Registry, name string, s *huma.Schema) *huma.Schema {
	r.Map()[name] = s
	return &huma.Schema{Ref: "#/components/schemas/" + name}
}

// ResourceLimits is what a script's author asks for; what is not there, or null, has the default.
type ResourceLimits json.RawMessage

// Schema documents ResourceLimits, by the engine's table.
func (ResourceLimits) Schema(r huma.Registry) *huma.Schema {
	return named(r, "ResourceLimits", limitSchema("Limits that the author asks for. What is absent or null has the default, of the tenant's plan or of the operator.", func(l engine.Limit) *huma.Schema {
		s := whole(l, l.Doc+" "+builtIn(l))
		s.Examples = []any{max(l.Default, 1000)}
		return s
	}))
}

func builtIn(l engine.Limit) string {
	text := "Built in: "
	if l.Default > 0 || !l.Optional {
		text += strconv.FormatInt(l.Default, 10)
	} else {
		text += "none"
	}
	return text + ", at most " + strconv.FormatInt(l.Ceiling, 10) + "."
}

// MarshalJSON writes the limits as they are.
func (l ResourceLimits) MarshalJSON() ([]byte, error) { return json.RawMessage(l).MarshalJSON() }

// UnmarshalJSON keeps the limits' bytes.
func (l *ResourceLimits) UnmarshalJSON(b []byte) error {
	*l = append((*l)[:0], b...)
	return nil
}

// check names the first limit that the author may not have.
func (l ResourceLimits) check(bounds catalog.Bounds, plan catalog.PlanLimits) error {
	_, problems := bounds.Effective(plan, json.RawMessage(l))
	return limitProblem("body.resource_limits", problems)
}

// limitProblem makes a 422 of what is wrong with limits.
func limitProblem(location string, problems catalog.LimitErrors) error {
	if len(problems) == 0 {
		return nil
	}
	faults := make([]ProblemError, len(problems))
	for i, p := range problems {
		faults[i] = ProblemError{Location: location, Message: p.Message, Value: shortValue(p.Value)}
		if p.Field != "" {
			faults[i].Location += "." + p.Field
		}
	}
	p := invalid(faults[0].Location, faults[0].Message)
	p.Errors = faults
	return p
}

// planLimits are those of the plan of the request's tenant, as this node knows it.
func (a *API) planLimits(ctx context.Context) catalog.PlanLimits {
	tenant, err := a.cfg.Catalog.Tenant(tenantOf(ctx))
	if err != nil {
		return nil // not read yet: the operator's bounds hold
	}
	return tenant.Plan.Limits
}

// limitsOf are the limits that a script of the request's tenant runs with.
func (a *API) limitsOf(ctx context.Context, s sqlc.Script) engine.Limits {
	return a.cfg.Bounds.Limits(a.planLimits(ctx), s.ResourceLimits)
}

// PlanLimits are a tenant's defaults and ceilings of its scripts' limits.
type PlanLimits json.RawMessage

// Schema documents PlanLimits, by the engine's table.
func (PlanLimits) Schema(r huma.Registry) *huma.Schema {
	return named(r, "PlanLimits", limitSchema("The most that the tenant's scripts may ask for of each limit, and what they have that ask for nothing: {\"ceiling\", \"default\"}, "+
		"or a number, which is the ceiling. Both are within the operator's; what is absent or null is the operator's.", func(l engine.Limit) *huma.Schema {
		return &huma.Schema{Description: l.Doc, Examples: []any{map[string]any{"ceiling": l.Ceiling}}, OneOf: []*huma.Schema{
			whole(l, "The ceiling."),
			{Type: huma.TypeObject, AdditionalProperties: false, Properties: map[string]*huma.Schema{"ceiling": whole(l, ""), "default": whole(l, "")}},
		}}
	}))
}

// MarshalJSON writes the limits as they are.
func (l PlanLimits) MarshalJSON() ([]byte, error) { return json.RawMessage(l).MarshalJSON() }

// UnmarshalJSON keeps the limits' bytes.
func (l *PlanLimits) UnmarshalJSON(b []byte) error {
	*l = append((*l)[:0], b...)
	return nil
}

// checkPlan judges a plan as it would be stored.
func (a *API) checkPlan(stored json.RawMessage) error {
	var plan struct {
		Limits catalog.PlanLimits
		Quotas catalog.Quotas
		Egress json.RawMessage
	}
	if err := json.Unmarshal(stored, &plan); err != nil {
		return invalid("body.plan.limits", "must be whole numbers")
	}
	if err := checkQuotas(plan.Quotas); err != nil {
		return err
	}
	if err := checkEgress("body.plan.egress", plan.Egress); err != nil {
		return err
	}
	return limitProblem("body.plan.limits", plan.Limits.Check(a.cfg.Bounds))
}

// EffectiveLimits are the limits that a script runs with, who decided each, and the most that its author may ask for.
type EffectiveLimits struct{ catalog.EffectiveLimits }

// Schema documents EffectiveLimits, by the engine's table.
func (EffectiveLimits) Schema(r huma.Registry) *huma.Schema {
	value := func(l engine.Limit) *huma.Schema {
		s := &huma.Schema{Type: huma.TypeInteger, Format: "int64", Description: l.Doc, Nullable: l.Optional}
		if l.Optional {
			s.Description += " Null where there is none."
		}
		return s
	}
	level := func(doc string, levels ...any) *huma.Schema {
		return limitSchema(doc, func(engine.Limit) *huma.Schema {
			return &huma.Schema{Type: huma.TypeString, Enum: levels, Examples: levels[:1]}
		})
	}
	s := limitSchema("What applies, and which level decided it.", value)
	s.Properties["levels"] = level("Who decided each value: the script, the tenant's plan, or the operator's default or ceiling.",
		string(catalog.LevelDefault), string(catalog.LevelCeiling), string(catalog.LevelPlan), string(catalog.LevelScript))
	s.Properties["ceilings"] = limitSchema("The most that an author may ask for.", value)
	s.Properties["ceiling_levels"] = level("Whose ceiling that is.", string(catalog.LevelCeiling), string(catalog.LevelPlan))
	return named(r, "EffectiveLimits", s)
}

// MarshalJSON writes the values by name, and beside them the levels and ceilings.
func (e EffectiveLimits) MarshalJSON() ([]byte, error) {
	var text bytes.Buffer
	text.WriteByte('{')
	values := func(limits engine.Limits) {
		for i, l := range engine.LimitTable() {
			shown := strconv.FormatInt(l.Of(limits), 10)
			if l.Optional && shown == "0" {
				shown = "null"
			}
			if i > 0 {
				text.WriteByte(',')
			}
			fmt.Fprintf(&text, "%q:%s", l.Name, shown)
		}
	}
	levels := func(of map[string]catalog.Level) {
		for i, l := range engine.LimitTable() {
			if i > 0 {
				text.WriteByte(',')
			}
			fmt.Fprintf(&text, "%q:%q", l.Name, of[l.Name])
		}
	}
	values(e.Limits)
	text.WriteString(`,"levels":{`)
	levels(e.Levels)
	text.WriteString(`},"ceilings":{`)
	values(e.Ceilings)
	text.WriteString(`},"ceiling_levels":{`)
	levels(e.CeilingLevels)
	text.WriteString("}}")
	return text.Bytes(), nil
}

// effectiveLimits resolves resource_limits under a plan.
func (a *API) effectiveLimits(plan catalog.PlanLimits, resourceLimits json.RawMessage) EffectiveLimits {
	effective, _ := a.cfg.Bounds.Effective(plan, resourceLimits)
	return EffectiveLimits{effective}
}
