//go:build linux

package main

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/engine/compile"
	"example.com/jsruntime/engine/ledger"
	"example.com/jsruntime/engine/webhook"
	"example.com/jsruntime/httpapi"
)

// TestDeployedRulesNameMetricsThatExist: an alert on a metric that the node does not serve never fires.
func TestDeployedRulesNameMetricsThatExist(t *testing.T) {
	t.Parallel()
	m := newMetrics()
	m.watchEngine(func() engine.Stats { return engine.Stats{} })
	m.watchLedger(func() ledger.Stats { return ledger.Stats{} })
	m.watchStorage(func() (lean, full int) { return 0, 0 })
	m.watchWebhooks(func() webhook.Stats { return webhook.Stats{} })
	m.watchQuota(func() int { return 0 })
	m.watchCompiler(func() compile.Stats { return compile.Stats{} })
	m.watchGuesses(func() httpapi.GuessStats { return httpapi.GuessStats{} })
	m.watchBudget(func() admission.BudgetStats { return admission.BudgetStats{} })
	m.watchConns(limitConns(nil, 1))
	m.watchCatalog(time.Now)
	m.watchReady(func() bool { return true })
	m.watchPool("main", unopened(t, 1))
	m.watchReplica(func() httpapi.ReplicaStats { return httpapi.ReplicaStats{} })
	inv := &engine.Invocation{Trigger: engine.TriggerCron}
	m.ExecutionEnded(inv, &engine.Result{Began: true, Metrics: engine.Metrics{ColdStart: true}})
	m.ExecutionRefused(inv, &engine.RefusedError{Code: engine.CodeOverloaded, Scope: "ledger"})
	m.HostCallEnded("anything that a worker says", time.Second, nil)
	m.WorkerStarted(time.Second)
	m.WorkerEnded("crashed")
	m.IsolateCondemned(engine.CodeExceededMemory)
	m.ScriptQuarantined(uuid.New(), uuid.New())
	s := schedulerMetrics{metrics: m}
	s.Claimed(1, time.Second)
	s.Begun(engine.TriggerCron, time.Second, time.Second)
	s.Ended(engine.TriggerEvent, engine.CodeException, "dead_letter")
	s.GivenBack(engine.TriggerEvent, "drained")
	s.LeaseLost(1)
	s.TickDecided("started")
	s.Rescued("execution")
	s.Backlog(1, 1)
	s.Pruned("script_executions", 1)
	m.nodesCounted(2)

	served := servedLabels(t, m)
	name := regexp.MustCompile(`jsruntime_[a-z_]+`)
	asked := 0
	err := filepath.WalkDir("../deploy", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, n := range name.FindAllString(string(text), -1) {
			if n == "jsruntime_tenant" || n == "jsruntime_protect_tenant_tables" {
				continue // a role and a function of Postgres
			}
			asked++
			require.NotNil(t, served(n), "%s: %s", path, n)
		}
		return nil
	})
	require.NoError(t, err)
	require.Positive(t, asked)

	expression := regexp.MustCompile(`(?m)^\s*"?expr"?: (.*)$`)
	metric := regexp.MustCompile(`((?:jsruntime|process)_[a-z_]+)(?:\{([^}]*)\})?`)
	grouping := regexp.MustCompile(`\bby ?\(([^)]*)\)`)
	selector := regexp.MustCompile(`([a-z_]+) *(=|!=|=~|!~) *\\?"([^"\\]*)`)
	grouped, selected := 0, 0
	for _, file := range []string{"alerts.yaml", "grafana-dashboard.json"} {
		text, err := os.ReadFile(filepath.Join("../deploy", file))
		require.NoError(t, err)
		for _, expr := range expression.FindAllStringSubmatch(string(text), -1) {
			for _, m := range metric.FindAllStringSubmatch(expr[1], -1) {
				labels := served(m[1])
				require.NotNil(t, labels, "%s: %s", file, m[1])
				for _, l := range selector.FindAllStringSubmatch(m[2], -1) {
					selected++
					require.Contains(t, labels, l[1], "%s: %s", file, expr[1])
					if values := labels[l[1]]; values != nil && (l[2] == "=" || l[2] == "!=") {
						require.Contains(t, values, l[3], "%s: %s", file, expr[1])
					}
				}
				for _, by := range grouping.FindAllStringSubmatch(expr[1], -1) {
					for _, l := range strings.Split(by[1], ",") {
						grouped++
						require.Contains(t, labels, strings.TrimSpace(l), "%s: %s", file, expr[1])
					}
				}
			}
		}
	}
	require.Positive(t, grouped)
	require.Positive(t, selected)
}

// TestRareCountersBeginAtZero: increase() needs a 0 before the first 1, or the first violation raises no alert.
func TestRareCountersBeginAtZero(t *testing.T) {
	t.Parallel()
	families, err := newMetrics().registry.Gather()
	require.NoError(t, err)
	zero := map[string]int{}
	for _, f := range families {
		for _, metric := range f.GetMetric() {
			for _, label := range metric.GetLabel() {
				if metric.GetCounter() != nil && metric.GetCounter().GetValue() == 0 {
					zero[f.GetName()+" "+label.GetName()+"="+label.GetValue()]++
				}
			}
		}
	}
	require.Equal(t, 5, zero["jsruntime_executions_total outcome=sandbox_violation"], "a series for each trigger")
	require.Equal(t, len(engine.Codes())-1, zero["jsruntime_queue_ended_total followed=dead_letter"])
	require.Equal(t, 1, zero["jsruntime_queue_ended_total outcome=worker_lost"], "what a lost node had leaves dead letters, too")
	for _, cause := range []string{"retired", "deadline", "cpu", "start_failed", "sandbox_violation", "memory", "crashed"} {
		require.Equal(t, 1, zero["jsruntime_workers_ended_total cause="+cause], cause)
	}
	for _, outcome := range []string{"completed", "exception", "exceeded_wall_time", "exceeded_cpu", "exceeded_memory", "cancelled"} {
		require.Equal(t, 1, zero["jsruntime_isolates_condemned_total outcome="+outcome], outcome)
	}
	for _, group := range []string{"endpoint", "console", "admin", "service"} {
		require.Equal(t, 5, zero["jsruntime_http_requests_total group="+group], group)
	}
}

// TestWhatNeverBeganHasNoDuration: a 0 for each would make a node that ends everything early look fast.
func TestWhatNeverBeganHasNoDuration(t *testing.T) {
	t.Parallel()
	m := newMetrics()
	inv := &engine.Invocation{Trigger: engine.TriggerHTTP}
	m.ExecutionEnded(inv, &engine.Result{Code: engine.CodeCancelled})
	m.ExecutionEnded(inv, &engine.Result{Began: true, Metrics: engine.Metrics{Duration: time.Second}})
	families, err := m.registry.Gather()
	require.NoError(t, err)
	samples := map[string]uint64{}
	for _, f := range families {
		for _, metric := range f.GetMetric() {
			samples[f.GetName()] += metric.GetHistogram().GetSampleCount()
		}
	}
	require.EqualValues(t, 1, samples["jsruntime_execution_duration_seconds"])
	require.EqualValues(t, 1, samples["jsruntime_execution_queue_seconds"])
}

func TestNodeReady(t *testing.T) {
	t.Parallel()
	now := time.Now()
	require.True(t, nodeReady(false, true, now.Add(-3*time.Second), now))
	require.False(t, nodeReady(true, true, now, now), "it drains")
	require.False(t, nodeReady(false, false, now, now), "it can run nothing")
	require.False(t, nodeReady(false, true, now.Add(-time.Minute), now), "Postgres took no heartbeat")
	require.False(t, nodeReady(false, true, time.Time{}, now), "nor has it ever")
}

// TestNodesShowWhatTheSchedulerWrites: one package writes a node's load, and another reads it.
func TestNodesShowWhatTheSchedulerWrites(t *testing.T) {
	t.Parallel()
	written, err := json.Marshal(nodeLoad(
		&engine.WorkerInfo{V8: "13.6.1", JIT: "maglev", ICU: "74.2", TZData: "2025a"},
		engine.Stats{Starting: 1, Spares: 2, Idle: 3, Busy: 4, Parked: 5, Isolates: 6, Tenants: 7, Running: 8, Queued: 9},
		ledger.Stats{BacklogRows: 10, BacklogBytes: 11},
	))
	require.NoError(t, err)
	var shown httpapi.NodeLoad
	require.NoError(t, json.Unmarshal(written, &shown))
	require.Equal(t, httpapi.NodeLoad{
		Workers:    &httpapi.NodeWorkers{Starting: 1, Spare: 2, Idle: 3, Busy: 4, Parked: 5, Isolates: 6, Tenants: 7},
		Executions: &httpapi.NodeExecutionsLoad{Running: 8, Queued: 9},
		History:    &httpapi.NodeHistoryLoad{BacklogRows: 10, BacklogBytes: 11},
	}, shown)
	var engineOf struct {
		Engine httpapi.EngineInfo `json:"engine"`
	}
	require.NoError(t, json.Unmarshal(written, &engineOf))
	require.Equal(t, httpapi.EngineInfo{V8Version: "13.6.1", JIT: "maglev", ICUVersion: "74.2", TZDataVersion: "2025a"}, engineOf.Engine)
}

// servedLabels returns the labels of the metric that a query calls name, with their values; nil where the node does not serve it. Those that
// Prometheus adds are among them, without values.
func servedLabels(t *testing.T, m *metrics) func(name string) map[string]map[string]bool {
	families, err := m.registry.Gather()
	require.NoError(t, err)
	served := map[string]map[string]map[string]bool{}
	for _, f := range families {
		labels := map[string]map[string]bool{"instance": nil, "job": nil}
		for _, metric := range f.GetMetric() {
			for _, label := range metric.GetLabel() {
				if labels[label.GetName()] == nil {
					labels[label.GetName()] = map[string]bool{}
				}
				labels[label.GetName()][label.GetValue()] = true
				require.NotEqual(t, "anything that a worker says", label.GetValue())
			}
		}
		if f.GetType().String() != "HISTOGRAM" {
			served[f.GetName()] = labels
			continue
		}
		served[f.GetName()+"_sum"], served[f.GetName()+"_count"] = labels, labels
		served[f.GetName()+"_bucket"] = maps.Clone(labels)
		served[f.GetName()+"_bucket"]["le"] = nil
	}
	return func(name string) map[string]map[string]bool { return served[name] }
}

// TestEveryPoolHasItsFigures: a full pool must not hide behind another one's idle connections.
func TestEveryPoolHasItsFigures(t *testing.T) {
	t.Parallel()
	m := newMetrics()
	bounds := map[string]float64{"main": 12, "scheduler": 8, "host_calls": 5}
	for name, bound := range bounds {
		m.watchPool(name, unopened(t, int32(bound)))
	}
	families, err := m.registry.Gather()
	require.NoError(t, err)
	got := map[string]float64{}
	series := map[string]int{}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "jsruntime_db_") {
			continue
		}
		for _, metric := range f.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() != "pool" {
					continue
				}
				series[label.GetValue()]++
				if f.GetName() == "jsruntime_db_connections_max" {
					got[label.GetValue()] = metric.GetGauge().GetValue()
				}
			}
		}
	}
	require.Equal(t, bounds, got)
	require.Equal(t, map[string]int{"main": 7, "scheduler": 7, "host_calls": 7}, series, "three states, the bound, waits, their time and those in vain")
}

// unopened returns a pool that connects to nothing.
func unopened(t *testing.T, conns int32) *pgxpool.Pool {
	cfg, err := pgxpool.ParseConfig("postgres://nobody@127.0.0.1:1/none")
	require.NoError(t, err)
	cfg.MaxConns = conns
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}
