package catalog_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/migrations/dbtest"
)

func n(v int64) *int64 { return &v }

// For every limit of the table: the script's own value, else the plan's default, else the operator's; and no more than the ceilings. The level
// says which it was.
func TestLevelsOfLimits(t *testing.T) {
	t.Parallel()
	for _, l := range engine.LimitTable() {
		t.Run(l.Name, func(t *testing.T) {
			t.Parallel()
			base := l.Min + 100
			bounds := catalog.BuiltIn()
			l.Set(&bounds.Default, base+30)
			l.Set(&bounds.Ceiling, base+60)
			for i, c := range []struct {
				plan   catalog.PlanLimit
				asked  string
				value  int64
				level  catalog.Level
				refuse string
			}{
				{catalog.PlanLimit{}, `{}`, base + 30, catalog.LevelDefault, ""},
				{catalog.PlanLimit{}, `{"X": null}`, base + 30, catalog.LevelDefault, ""},
				{catalog.PlanLimit{}, fmt.Sprintf(`{"X": %d.0}`, base+40), base + 40, catalog.LevelScript, ""},
				{catalog.PlanLimit{}, fmt.Sprintf(`{"X": %d}`, base+61), base + 60, catalog.LevelCeiling, fmt.Sprintf("must be at most %d, the operator's ceiling", base+60)},
				{catalog.PlanLimit{Default: n(base + 50)}, `{}`, base + 50, catalog.LevelPlan, ""},
				{catalog.PlanLimit{Default: n(base + 50)}, fmt.Sprintf(`{"X": %d}`, base+1), base + 1, catalog.LevelScript, ""},
				{catalog.PlanLimit{Ceiling: n(base + 20)}, `{}`, base + 20, catalog.LevelPlan, ""},
				{catalog.PlanLimit{Ceiling: n(base + 20)}, fmt.Sprintf(`{"X": %d}`, base+21), base + 20, catalog.LevelPlan, fmt.Sprintf("must be at most %d, the ceiling of the tenant's plan", base+20)},
				{catalog.PlanLimit{Ceiling: n(base + 50), Default: n(base + 10)}, `{}`, base + 10, catalog.LevelPlan, ""},
				// The operator has lowered the ceiling since.
				{catalog.PlanLimit{Ceiling: n(base + 500), Default: n(base + 400)}, `{}`, base + 60, catalog.LevelCeiling, ""},
				{catalog.PlanLimit{Ceiling: n(base + 500)}, fmt.Sprintf(`{"X": %d}`, base+61), base + 60, catalog.LevelCeiling, "the operator's ceiling"},
			} {
				asked := json.RawMessage(replace(c.asked, l.Name))
				effective, problems := bounds.Effective(catalog.PlanLimits{l.Name: c.plan}, asked)
				require.Equal(t, c.value, l.Of(effective.Limits), "case %d", i)
				require.Equal(t, c.level, effective.Levels[l.Name], "case %d", i)
				require.Equal(t, l.Of(effective.Limits), l.Of(bounds.Limits(catalog.PlanLimits{l.Name: c.plan}, asked)))
				if c.refuse == "" {
					require.Empty(t, problems, "case %d", i)
				} else {
					require.ErrorContains(t, problems, c.refuse)
				}
				for _, other := range engine.LimitTable() {
					if other.Name != l.Name {
						require.Equal(t, other.Default, other.Of(effective.Limits), "of another limit")
						require.Equal(t, catalog.LevelDefault, effective.Levels[other.Name])
					}
				}
			}
		})
	}
}

func replace(text, name string) string {
	out := ""
	for _, r := range text {
		if r == 'X' {
			out += name
		} else {
			out += string(r)
		}
	}
	return out
}

// A limit without a default exists once the operator or a plan has set its ceiling.
func TestCeilingOfALimitThatIsOptional(t *testing.T) {
	t.Parallel()
	require.Zero(t, catalog.Bounds{}.Limits(nil, nil).MaxCPUTime)
	bounds := catalog.BuiltIn()
	bounds.Ceiling.MaxCPUTime = time.Second
	require.Equal(t, time.Second, bounds.Limits(nil, nil).MaxCPUTime)
	require.Equal(t, 2*time.Second, catalog.BuiltIn().Limits(catalog.PlanLimits{"max_cpu_time_ms": {Ceiling: n(2000)}}, nil).MaxCPUTime)
}

func TestResourceLimitsAreStrict(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`{"max_memory_bytes": 1000}`:                    "resource_limits.max_memory_bytes: must be at least 8388608",
		`{"max_memory_bytes": 99999999999}`:             "resource_limits.max_memory_bytes: must be at most 536870912, the operator's ceiling",
		`{"max_execution_time_ms": 1.5}`:                "resource_limits.max_execution_time_ms: must be a whole number",
		`{"max_execution_time_ms": "1"}`:                "resource_limits.max_execution_time_ms: must be a whole number",
		`{"max_execution_time_ms": 1e300}`:              "resource_limits.max_execution_time_ms: must be a whole number",
		`{"max_execution_time_ms": 0, "max_memory": 1}`: "resource_limits.max_execution_time_ms: must be at least 1; resource_limits.max_memory: is not a limit; did you mean max_memory_bytes?",
		`[]`: "resource_limits: must be an object of whole numbers",
	} {
		effective, problems := catalog.Bounds{}.Effective(nil, json.RawMessage(raw))
		require.EqualError(t, problems, want, raw)
		if raw != `{"max_memory_bytes": 99999999999}` {
			require.Equal(t, engine.DefaultLimits(), effective.Limits, raw)
		}
	}
}

func TestPlanLimitsAreStrict(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`{"max_memory_bytes": 1}`:                                                "resource_limits.max_memory_bytes.ceiling: must be at least 8388608",
		`{"max_memory_bytes": 1e12}`:                                             "resource_limits.max_memory_bytes.ceiling: must be at most 536870912, the operator's ceiling",
		`{"max_log_bytes": {"ceiling": 10, "default": 11}}`:                      "resource_limits.max_log_bytes.default: must be at most 10, the plan's own ceiling",
		`{"max_log_byte": 1, "max_log_bytes": {"default": 99999999}}`:            "resource_limits.max_log_byte: is not a limit; did you mean max_log_bytes?; resource_limits.max_log_bytes.default: must be at most 1048576, the operator's ceiling",
		`{"max_log_bytes": {"ceiling": 10, "default": 9}, "max_cpu_time_ms": 5}`: "",
	} {
		var plan catalog.PlanLimits
		require.NoError(t, json.Unmarshal([]byte(raw), &plan), raw)
		if want == "" {
			require.Empty(t, plan.Check(catalog.Bounds{}))
			continue
		}
		require.EqualError(t, plan.Check(catalog.Bounds{}), want, raw)
	}
}

func TestParseBounds(t *testing.T) {
	t.Parallel()
	bounds, err := catalog.ParseBounds([]string{"max_log_bytes=10", " max_cpu_time_ms = 500"}, []string{"max_memory_bytes=33554432", "max_concurrent_runs=2"})
	require.NoError(t, err)
	require.EqualValues(t, 10, bounds.Default.MaxLogBytes)
	require.Equal(t, 500*time.Millisecond, bounds.Default.MaxCPUTime)
	require.EqualValues(t, 32<<20, bounds.Ceiling.MaxMemoryBytes)
	require.EqualValues(t, 32<<20, bounds.Default.MaxMemoryBytes, "a default is no more than its ceiling")
	require.Equal(t, 2, bounds.Default.MaxConcurrentRuns)
	for _, c := range []struct{ defaults, ceilings, want string }{
		{"max_log_bytes", "", `limit-default: "max_log_bytes" is not NAME=VALUE`},
		{"max_log_byte=1", "", "limit-default: max_log_byte is not a limit; did you mean max_log_bytes?"},
		{"max_log_bytes=lots", "", "limit-default: max_log_bytes=lots: must be a whole number"},
		{"", "max_memory_bytes=1", "limit-ceiling: max_memory_bytes=1: must be from 8388608 to 17179869184"},
		{"", "max_memory_bytes=99999999999", "limit-ceiling: max_memory_bytes=99999999999: must be from"},
		{"max_log_bytes=2000000", "", "limit-default: max_log_bytes=2000000 is more than the ceiling of 1048576; raise it with --limit-ceiling max_log_bytes=2000000"},
	} {
		list := func(s string) []string {
			if s == "" {
				return nil
			}
			return []string{s}
		}
		_, err := catalog.ParseBounds(list(c.defaults), list(c.ceilings))
		require.ErrorContains(t, err, c.want)
	}
	_, err = catalog.ParseBounds([]string{"max_log_bytes=1", "max_log_bytes=2"}, nil)
	require.EqualError(t, err, "limit-default: max_log_bytes is given twice")
}

// A plan's limits are followed by endpoints and by what is known of scripts, as soon as the plan is changed.
func TestPlanLimitsAreFollowed(t *testing.T) {
	t.Parallel()
	w := world{t, dbtest.DB(t)}
	tenant := w.tenant("acme")
	script := w.endpoint(tenant, "/hello", "GET")
	c := start(t, catalog.Config{Pool: w.db})
	limits := func() (route, head int64) {
		match, err := c.Route("acme", "GET", "/hello")
		require.NoError(t, err)
		known, err := c.Head(t.Context(), tenant, script)
		require.NoError(t, err)
		return match.Endpoint.Limits.MaxLogBytes, known.Limits.MaxLogBytes
	}
	route, head := limits()
	require.Equal(t, engine.DefaultLimits().MaxLogBytes, route)
	require.Equal(t, engine.DefaultLimits().MaxLogBytes, head)
	for _, plan := range []struct {
		plan string
		want int64
	}{{`{"limits": {"max_log_bytes": 100}}`, 100}, {`{"limits": {"max_log_bytes": {"default": 200}}}`, 200}, {`{}`, engine.DefaultLimits().MaxLogBytes}} {
		w.exec(`UPDATE tenants SET plan = $2 WHERE id = $1`, tenant, plan.plan)
		require.NoError(t, c.Refresh(t.Context()))
		route, head = limits()
		require.Equal(t, plan.want, route, plan.plan)
		require.Equal(t, plan.want, head, plan.plan)
	}
}
