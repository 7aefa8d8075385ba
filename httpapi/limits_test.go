package httpapi_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/httpapi"
)

// numbers are the members of an object that are limits.
func numbers(t *testing.T, of any) map[string]any {
	t.Helper()
	object, ok := of.(map[string]any)
	require.True(t, ok, "%v", of)
	found := map[string]any{}
	for _, l := range engine.LimitTable() {
		require.Contains(t, object, l.Name)
		found[l.Name] = object[l.Name]
	}
	return found
}

// Every limit of the engine's table is asked for, refused beyond its ceiling, shown and documented under its name: nothing here names one.
func TestEveryLimitIsWhereItBelongs(t *testing.T) {
	t.Parallel()
	bounds := catalog.BuiltIn()
	for _, l := range engine.LimitTable() {
		l.Set(&bounds.Ceiling, l.Min+1000)
		l.Set(&bounds.Default, l.Min+500)
	}
	n := startNode(t, func(c *httpapi.Config) { c.Bounds = bounds })
	acme := n.tenant("acme")
	var doc struct {
		Components struct {
			Schemas map[string]struct{ Properties map[string]map[string]any }
		}
	}
	require.NoError(t, json.Unmarshal(n.as("").get("/openapi.json").is(200).body, &doc))
	for _, name := range []string{"ResourceLimits", "PlanLimits", "EffectiveLimits"} {
		for _, l := range engine.LimitTable() {
			schema := doc.Components.Schemas[name].Properties[l.Name]
			require.NotNil(t, schema, "%s of %s", l.Name, name)
			require.Contains(t, schema["description"], l.Doc)
			if name == "ResourceLimits" {
				require.EqualValues(t, l.Min, schema["minimum"])
				require.EqualValues(t, l.Most, schema["maximum"])
				require.NotEmpty(t, schema["examples"])
			}
		}
	}
	all := map[string]any{}
	for _, l := range engine.LimitTable() {
		all[l.Name] = l.Min + 7
	}
	id := acme.script("all", map[string]any{"resource_limits": all})
	script := acme.get("/api/v1/scripts/" + id).is(200).json()
	for name, v := range numbers(t, script["effective_limits"]) {
		require.EqualValues(t, all[name], v)
		require.EqualValues(t, all[name], script["resource_limits"].(map[string]any)[name])
	}
	exported := acme.get("/api/v1/export").is(200).json()["scripts"].([]any)[0].(map[string]any)["resource_limits"]
	for name, v := range numbers(t, exported) {
		require.EqualValues(t, all[name], v)
	}
	for _, l := range engine.LimitTable() {
		where := "body.resource_limits." + l.Name
		for _, c := range []struct {
			value any
			says  string
		}{{l.Min + 1001, fmt.Sprintf("at most %d, the operator's ceiling", l.Min+1000)}, {l.Most + 1, fmt.Sprint(l.Most)}, {l.Min - 1, fmt.Sprint(l.Min)}, {"lots", "integer"}, {1.5, "integer"}} {
			for _, a := range []answer{
				acme.patch("/api/v1/scripts/"+id, map[string]any{"resource_limits": map[string]any{l.Name: c.value}}),
				acme.post("/api/v1/scripts", map[string]any{"name": "x", "type": "oneoff", "source": runSource, "resource_limits": map[string]any{l.Name: c.value}}),
			} {
				require.Equal(t, where, a.refused(422, "validation_failed")["errors"].([]any)[0].(map[string]any)["location"], "%v", c.value)
				require.Contains(t, string(a.body), c.says)
			}
		}
		require.Contains(t, acme.patch("/api/v1/scripts/"+id, map[string]any{"resource_limits": map[string]any{l.Name + "x": 1}}).refused(422, "validation_failed")["detail"], "did you mean "+l.Name+"?")

		// A nested null takes one of them away, by RFC 7396.
		script = acme.patch("/api/v1/scripts/"+id, map[string]any{"resource_limits": map[string]any{l.Name: nil}}).is(200).json()
		require.NotContains(t, script["resource_limits"], l.Name)
		effective := script["effective_limits"].(map[string]any)
		require.EqualValues(t, l.Min+500, effective[l.Name])
		require.Equal(t, "default", effective["levels"].(map[string]any)[l.Name])
	}
	require.Empty(t, script["resource_limits"])
	require.Empty(t, acme.patch("/api/v1/scripts/"+id, map[string]any{"resource_limits": nil}).is(200).json()["resource_limits"])
	other := acme.script("none", map[string]any{"resource_limits": map[string]any{"max_log_bytes": nil}})
	require.Empty(t, acme.get("/api/v1/scripts/" + other).is(200).json()["resource_limits"])
}

// A plan's limits are within the operator's, decide what scripts may ask for, and are named where they do.
func TestPlanLimitsDecide(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	for _, l := range engine.LimitTable() {
		plan := func(v any) answer {
			return n.operator().patch("/api/v1/tenants/acme", map[string]any{"plan": map[string]any{"limits": map[string]any{l.Name: v}}})
		}
		ceiling, def := l.Min+20, l.Min+10
		tenant := plan(map[string]any{"ceiling": ceiling, "default": def}).is(200)
		shown := tenant.json()["effective_limits"].(map[string]any)
		require.EqualValues(t, def, shown[l.Name])
		require.EqualValues(t, ceiling, shown["ceilings"].(map[string]any)[l.Name])
		require.Equal(t, "plan", shown["ceiling_levels"].(map[string]any)[l.Name])

		id := acme.script(l.Name, nil)
		script := acme.get("/api/v1/scripts/" + id).is(200)
		effective := script.json()["effective_limits"].(map[string]any)
		require.EqualValues(t, def, effective[l.Name])
		require.Equal(t, "plan", effective["levels"].(map[string]any)[l.Name])
		require.Contains(t, acme.patch("/api/v1/scripts/"+id, map[string]any{"resource_limits": map[string]any{l.Name: ceiling + 1}}).refused(422, "validation_failed")["detail"],
			fmt.Sprintf("at most %d, the ceiling of the tenant's plan", ceiling))
		own := acme.patch("/api/v1/scripts/"+id, map[string]any{"resource_limits": map[string]any{l.Name: ceiling}}).is(200).json()["effective_limits"].(map[string]any)
		require.Equal(t, "script", own["levels"].(map[string]any)[l.Name])

		// A number alone is the ceiling; a script beyond it is cut, and its answer is another one.
		before := acme.get("/api/v1/scripts/" + id).header.Get("ETag")
		plan(l.Min + 5).is(200)
		after := acme.get("/api/v1/scripts/" + id).is(200)
		require.EqualValues(t, l.Min+5, after.json()["effective_limits"].(map[string]any)[l.Name])
		require.Equal(t, "plan", after.json()["effective_limits"].(map[string]any)["levels"].(map[string]any)[l.Name])
		require.NotEqual(t, before, after.header.Get("ETag"))
		acme.patch("/api/v1/scripts/"+id, map[string]any{"description": "x"}, "If-Match", before).is(200) // the script itself has not changed

		for _, wrong := range []any{l.Ceiling + 1, map[string]any{"default": l.Ceiling + 1}, l.Min - 1, "lots", 1.5, map[string]any{"cieling": 5}, map[string]any{"ceiling": l.Min + 5, "default": l.Min + 6}} {
			require.Contains(t, plan(wrong).refused(422, "validation_failed")["detail"], "body.plan.limits."+l.Name, "%v", wrong)
		}
		require.NotContains(t, plan(nil).is(200).json()["plan"].(map[string]any)["limits"], l.Name)
		require.EqualValues(t, "script", acme.get("/api/v1/scripts/" + id).json()["effective_limits"].(map[string]any)["levels"].(map[string]any)[l.Name])
	}
	require.Contains(t, n.operator().patch("/api/v1/tenants/acme", map[string]any{"plan": map[string]any{"limits": map[string]any{"max_memry_bytes": 1 << 25}}}).
		refused(422, "validation_failed")["detail"], "did you mean max_memory_bytes?")
	made := n.operator().post("/api/v1/tenants", map[string]any{"slug": "beta", "name": "Beta", "plan": map[string]any{"limits": map[string]any{"max_log_bytes": 100}}}).is(201)
	require.EqualValues(t, 100, made.json()["effective_limits"].(map[string]any)["max_log_bytes"])
	n.operator().post("/api/v1/tenants", map[string]any{"slug": "c", "name": "C", "plan": map[string]any{"limits": map[string]any{"max_log_bytes": 1 << 29}}}).refused(422, "validation_failed")
}
