//go:build linux

package main

import (
	"cmp"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/engine/advisory"
	"example.com/jsruntime/engine/compile"
	"example.com/jsruntime/engine/host"
	"example.com/jsruntime/engine/ledger"
	"example.com/jsruntime/engine/webhook"
	"example.com/jsruntime/httpapi"
	"example.com/jsruntime/scheduler"
)

// metrics are the node's Prometheus metrics. Labels take their values from lists of ours: no tenant, script or path is ever one,
// so that the number of series does not grow with the number of tenants.
type metrics struct {
	engine.NopObserver
	registry *prometheus.Registry

	executions  *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	queueWait   *prometheus.HistogramVec
	lateness    *prometheus.HistogramVec
	coldStarts  prometheus.Counter
	cpu         prometheus.Counter
	refused     *prometheus.CounterVec
	hostCalls   *prometheus.CounterVec
	hostTime    *prometheus.HistogramVec
	spawn       prometheus.Histogram
	workersGone *prometheus.CounterVec
	condemned   *prometheus.CounterVec
	quarantined prometheus.Counter
	requests    *requests

	queueEnded *prometheus.CounterVec
	givenBack  *prometheus.CounterVec
	leasesLost prometheus.Counter
	ticks      *prometheus.CounterVec
	rescued    *prometheus.CounterVec
	claim      prometheus.Histogram
	backlog    *prometheus.GaugeVec
	liveNodes  prometheus.Gauge
	pruned     *prometheus.CounterVec
}

var _ engine.Observer = (*metrics)(nil)

// secondsBuckets reach from a warm execution (50 µs) to the longest that the ceiling allows.
var secondsBuckets = []float64{.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900}

// addQueue adds the scheduler's figures.
func (m *metrics) addQueue() {
	m.queueEnded = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "jsruntime_queue_ended_total", Help: "Queued executions whose ending was written, by trigger, outcome and what followed (none, retry, dead_letter).",
	}, []string{"trigger", "outcome", "followed"})
	m.givenBack = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "jsruntime_queue_given_back_total", Help: "Queued executions that went back without an attempt, by reason.",
	}, []string{"reason"})
	m.leasesLost = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "jsruntime_leases_lost_total", Help: "Queued executions whose lease this node lost.",
	})
	m.ticks = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "jsruntime_schedule_ticks_total", Help: "Ticks that were decided on, by outcome.",
	}, []string{"outcome"})
	m.rescued = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "jsruntime_rescued_total", Help: "What was taken from nodes that were lost.",
	}, []string{"what"})
	m.claim = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "jsruntime_queue_claim_seconds", Help: "Time of the claiming statement.", Buckets: secondsBuckets,
	})
	m.backlog = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "jsruntime_queue_backlog", Help: "Executions and schedules that are due, wait and may be claimed, over all nodes: up to 1,000 executions of a tenant, and 10,000.",
	}, []string{"what"})
	m.liveNodes = prometheus.NewGauge(prometheus.GaugeOpts{Name: "jsruntime_live_nodes", Help: "Nodes that are alive and take work."})
	m.pruned = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "jsruntime_pruned_rows_total", Help: "Rows that became too old, by table."}, []string{"table"})
	m.registry.MustRegister(m.queueEnded, m.givenBack, m.leasesLost, m.ticks, m.rescued, m.claim, m.backlog, m.liveNodes, m.pruned)
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		executions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "jsruntime_executions_total", Help: "Executions that ended, by trigger and outcome (completed, or the error_code).",
		}, []string{"trigger", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "jsruntime_execution_duration_seconds", Help: "From a worker's begin to the end.", Buckets: secondsBuckets,
		}, []string{"trigger"}),
		queueWait: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "jsruntime_execution_queue_seconds", Help: "From being accepted to a worker's begin.", Buckets: secondsBuckets,
		}, []string{"trigger"}),
		lateness: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "jsruntime_queue_lateness_seconds", Help: "How long after it was due (a tick, a retry, an event) a queued execution began.", Buckets: secondsBuckets,
		}, []string{"trigger"}),
		coldStarts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "jsruntime_cold_starts_total", Help: "Executions whose isolate was made for them.",
		}),
		cpu: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "jsruntime_execution_cpu_seconds_total", Help: "CPU time of workers in executions.",
		}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "jsruntime_executions_refused_total", Help: "Executions that were not accepted, by code and whose bound it was.",
		}, []string{"code", "scope"}),
		hostCalls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "jsruntime_host_calls_total", Help: "Calls of scripts to the node, by method and result (ok, refused, error).",
		}, []string{"method", "result"}),
		hostTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "jsruntime_host_call_seconds", Help: "Time that a call of a script took.", Buckets: secondsBuckets,
		}, []string{"method"}),
		spawn: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "jsruntime_worker_start_seconds", Help: "From a worker's spawn to its hello.", Buckets: secondsBuckets,
		}),
		workersGone: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "jsruntime_workers_ended_total", Help: "Worker processes that are gone, or could not be started, by cause.",
		}, []string{"cause"}),
		condemned: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "jsruntime_isolates_condemned_total", Help: "Isolates that were thrown away, by the outcome of the execution that was their last.",
		}, []string{"outcome"}),
		quarantined: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "jsruntime_scripts_quarantined_total", Help: "Scripts that were put in quarantine.",
		}),
	}
	m.addQueue()
	m.registry.MustRegister(m.executions, m.duration, m.queueWait, m.lateness, m.coldStarts, m.cpu, m.refused, m.hostCalls, m.hostTime,
		m.spawn, m.workersGone, m.condemned, m.quarantined,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.requests = newRequests(m.registry)
	// These count what happens rarely: without a 0 before it, Prometheus sees no increase in the first 1.
	for _, trigger := range []engine.Trigger{engine.TriggerHTTP, engine.TriggerAPI, engine.TriggerManual, engine.TriggerCron, engine.TriggerEvent} {
		m.executions.WithLabelValues(string(trigger), engine.CodeSandboxViolation.Outcome())
	}
	for _, code := range engine.Codes() {
		if code != engine.CodeNone {
			m.queueEnded.WithLabelValues(string(engine.TriggerEvent), code.Outcome(), "dead_letter")
		}
	}
	for _, cause := range engine.WorkerCauses() {
		m.workersGone.WithLabelValues(cause)
	}
	for _, code := range engine.CondemnedCodes() {
		m.condemned.WithLabelValues(code.Outcome())
	}
	return m
}

// gauge registers a figure that is read when metrics are collected.
func (m *metrics) gauge(name, help string, labels prometheus.Labels, read func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, read))
}

// watchV8 registers what the workers run scripts with.
func (m *metrics) watchV8(worker *engine.WorkerInfo) {
	m.gauge("jsruntime_v8_info", "The workers' V8, as labels; the value is 1.",
		prometheus.Labels{"version": worker.V8, "jit": worker.JIT, "icu": worker.ICU, "tzdata": worker.TZData}, func() float64 { return 1 })
	m.gauge("jsruntime_v8_age_days", "Days since the workers' version of V8 came out; -1 where that is not known.", nil,
		func() float64 { return float64(advisory.AgeDays(worker.V8, time.Now())) })
	applying := 0
	for _, a := range advisory.Judge(worker.V8, worker.JIT) {
		if a.Applies {
			applying++
		}
	}
	m.gauge("jsruntime_v8_exploited_advisories", "Bugs of V8 known to be exploited that apply to the workers' version at their level of compilation: jsruntime doctor lists them.", nil,
		func() float64 { return float64(applying) })
}

// watchEngine registers the engine's figures of the moment.
func (m *metrics) watchEngine(stats func() engine.Stats) {
	for state, read := range map[string]func(engine.Stats) int{
		"starting": func(s engine.Stats) int { return s.Starting },
		"spare":    func(s engine.Stats) int { return s.Spares },
		"idle":     func(s engine.Stats) int { return s.Idle },
		"busy":     func(s engine.Stats) int { return s.Busy },
		"parked":   func(s engine.Stats) int { return s.Parked },
	} {
		m.gauge("jsruntime_workers", "Worker processes by state, each in one.", prometheus.Labels{"state": state},
			func() float64 { return float64(read(stats())) })
	}
	m.gauge("jsruntime_isolates", "Isolates in the workers, with a script each.", nil, func() float64 { return float64(stats().Isolates) })
	m.gauge("jsruntime_tenants_with_worker", "Tenants that have a worker on this node.", nil, func() float64 { return float64(stats().Tenants) })
	m.gauge("jsruntime_executions_queued", "Executions that wait for a worker.", nil, func() float64 { return float64(stats().Queued) })
	m.gauge("jsruntime_executions_running", "Executions that were accepted and have not ended.", nil, func() float64 { return float64(stats().Running) })
	m.gauge("jsruntime_scripts_in_quarantine", "Scripts in quarantine on this node.", nil, func() float64 { return float64(stats().Quarantined) })
}

// watchPool registers a connection pool's figures. name becomes a label: the node's code names the few pools there are.
func (m *metrics) watchPool(name string, pool *pgxpool.Pool) {
	for state, read := range map[string]func(*pgxpool.Stat) int32{
		"idle":         (*pgxpool.Stat).IdleConns,
		"acquired":     (*pgxpool.Stat).AcquiredConns,
		"constructing": (*pgxpool.Stat).ConstructingConns,
	} {
		m.gauge("jsruntime_db_connections", "Connections to Postgres by pool and state.", prometheus.Labels{"pool": name, "state": state},
			func() float64 { return float64(read(pool.Stat())) })
	}
	labels := prometheus.Labels{"pool": name}
	m.gauge("jsruntime_db_connections_max", "Bound of the connection pool.", labels, func() float64 { return float64(pool.Config().MaxConns) })
	for name, c := range map[string]struct {
		help string
		read func(*pgxpool.Stat) float64
	}{
		"jsruntime_db_acquire_waits_total": {
			"Times that a connection had to be waited for, and came.", func(s *pgxpool.Stat) float64 { return float64(s.EmptyAcquireCount()) },
		},
		"jsruntime_db_acquire_wait_seconds_total": {
			"Time of these waits.", func(s *pgxpool.Stat) float64 { return s.EmptyAcquireWaitTime().Seconds() },
		},
		"jsruntime_db_acquire_cancelled_total": {
			"Times that a connection did not come as long as it was waited for.", func(s *pgxpool.Stat) float64 { return float64(s.CanceledAcquireCount()) },
		},
	} {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: c.help, ConstLabels: labels},
			func() float64 { return c.read(pool.Stat()) }))
	}
}

// watchReplica registers a read replica's figures.
func (m *metrics) watchReplica(stats func() httpapi.ReplicaStats) {
	m.gauge("jsruntime_db_replica_usable", "1 while the read replica answers lists and usage, 0 while the primary does in its place.", nil, func() float64 {
		if stats().Usable {
			return 1
		}
		return 0
	})
	m.gauge("jsruntime_db_replica_lag_seconds", "Age of the newest commit that the read replica has. Nodes commit every two seconds, so less than that is none.", nil,
		func() float64 { return stats().Lag.Seconds() })
	for server, read := range map[string]func(httpapi.ReplicaStats) int64{
		"replica": func(s httpapi.ReplicaStats) int64 { return s.Reads },
		"primary": func(s httpapi.ReplicaStats) int64 { return s.Primary },
	} {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "jsruntime_db_reads_total", Help: "Lists and usage that could be read from the read replica, by the server that answered.",
			ConstLabels: prometheus.Labels{"server": server},
		}, func() float64 { return float64(read(stats())) }))
	}
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

// ExecutionEnded implements engine.Observer.
func (m *metrics) ExecutionEnded(inv *engine.Invocation, res *engine.Result) {
	trigger := string(inv.Trigger)
	m.executions.WithLabelValues(trigger, res.Code.Outcome()).Inc()
	if res.Began {
		m.duration.WithLabelValues(trigger).Observe(res.Metrics.Duration.Seconds())
		m.queueWait.WithLabelValues(trigger).Observe(res.Metrics.Queue.Seconds())
	}
	m.cpu.Add(max(res.Metrics.CPU.Seconds(), 0))
	if res.Metrics.ColdStart {
		m.coldStarts.Inc()
	}
}

// ExecutionRefused implements engine.Observer.
func (m *metrics) ExecutionRefused(_ *engine.Invocation, err *engine.RefusedError) {
	m.refused.WithLabelValues(string(err.Code), string(err.Scope)).Inc()
}

// HostCallEnded implements engine.Observer.
func (m *metrics) HostCallEnded(method string, took time.Duration, err error) {
	method = host.MethodName(method) // a label that a worker names
	m.hostCalls.WithLabelValues(method, hostResult(err)).Inc()
	m.hostTime.WithLabelValues(method).Observe(took.Seconds())
}

// WorkerStarted implements engine.Observer.
func (m *metrics) WorkerStarted(took time.Duration) { m.spawn.Observe(took.Seconds()) }

// WorkerEnded implements engine.Observer.
func (m *metrics) WorkerEnded(cause string) { m.workersGone.WithLabelValues(cause).Inc() }

// IsolateCondemned implements engine.Observer.
func (m *metrics) IsolateCondemned(code engine.Code) {
	m.condemned.WithLabelValues(code.Outcome()).Inc()
}

// ScriptQuarantined implements engine.Observer.
func (m *metrics) ScriptQuarantined(uuid.UUID, uuid.UUID) { m.quarantined.Inc() }

func hostResult(err error) string {
	var visible *engine.HostError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &visible):
		return "refused"
	default:
		return "error"
	}
}

// watchLedger registers the ledger's figures.
func (m *metrics) watchLedger(stats func() ledger.Stats) {
	m.gauge("jsruntime_ledger_backlog_rows", "Executions that are not on record yet.", nil, func() float64 { return float64(stats().BacklogRows) })
	m.gauge("jsruntime_ledger_backlog_bytes", "Their size in memory.", nil, func() float64 { return float64(stats().BacklogBytes) })
	m.gauge("jsruntime_ledger_buffer_bytes", "What that may reach; then callers wait, and are refused.", nil, func() float64 { return float64(stats().BufferBytes) })
	m.gauge("jsruntime_ledger_outage", "1 while Postgres does not take what the ledger writes.", nil, func() float64 {
		return truth(stats().Outage)
	})
	for name, c := range map[string]struct {
		help string
		read func(ledger.Stats) int64
	}{
		"jsruntime_ledger_written_total": {"Executions that were written down.", func(s ledger.Stats) int64 { return s.Written }},
		"jsruntime_ledger_refused_total": {"Executions that ran and were not taken, for want of room: their callers got an error.", func(s ledger.Stats) int64 { return s.Refused }},
		"jsruntime_ledger_dropped_total": {"Executions that no table would take: their script was deleted, or Postgres refused the row.", func(s ledger.Stats) int64 { return s.Dropped }},
		"jsruntime_ledger_batches_total": {"Transactions of the ledger.", func(s ledger.Stats) int64 { return s.Batches }},
		"jsruntime_ledger_retries_total": {"Transactions of the ledger that were tried again.", func(s ledger.Stats) int64 { return s.Retries }},
	} {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: c.help},
			func() float64 { return float64(c.read(stats())) }))
	}
}

// watchStorage registers how many tenants are near and over their storage quota. Which they are is in /usage.
func (m *metrics) watchStorage(over func() (lean, full int)) {
	m.gauge("jsruntime_storage_tenants", "Tenants at their storage quota that this node has seen in the last minute.", prometheus.Labels{"state": "lean"},
		func() float64 { lean, _ := over(); return float64(lean) })
	m.gauge("jsruntime_storage_tenants", "Tenants at their storage quota that this node has seen in the last minute.", prometheus.Labels{"state": "full"},
		func() float64 { _, full := over(); return float64(full) })
}

// watchWebhooks registers how attempts to deliver webhooks ended.
func (m *metrics) watchWebhooks(stats func() webhook.Stats) {
	for result, read := range map[string]func(webhook.Stats) int64{
		"delivered": func(s webhook.Stats) int64 { return s.Delivered },
		"retried":   func(s webhook.Stats) int64 { return s.Retried },
		"failed":    func(s webhook.Stats) int64 { return s.Failed },
	} {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "jsruntime_webhook_attempts_total", Help: "Attempts to deliver webhooks, by how they ended.", ConstLabels: prometheus.Labels{"result": result},
		}, func() float64 { return float64(read(stats())) }))
	}
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "jsruntime_breakers_opened_total", Help: "Breakers of scripts that this node has opened.",
	}, func() float64 { return float64(stats().Opened) }))
}

// watchQuota registers how many tenants have reached a quota.
func (m *metrics) watchQuota(over func() int) {
	m.gauge("jsruntime_quota_tenants", "Tenants that have reached the hard mark of a quota of their plan, of those that this node knows.", nil, func() float64 { return float64(over()) })
}

// watchCompiler registers the figures of the compiler and of the turns at it.
func (m *metrics) watchCompiler(stats func() compile.Stats) {
	m.gauge("jsruntime_compile_running", "Sources that are being compiled.", nil, func() float64 { return float64(stats().Running) })
	m.gauge("jsruntime_compile_waiting", "Sources that wait to be compiled.", nil, func() float64 { return float64(stats().Waiting) })
	for result, read := range map[string]func(compile.Stats) int64{
		"compiled":    func(s compile.Stats) int64 { return s.Compiled },
		"refused":     func(s compile.Stats) int64 { return s.Refused },
		"remembered":  func(s compile.Stats) int64 { return s.Cached },
		"busy_tenant": func(s compile.Stats) int64 { return s.BusyTenant },
		"busy_node":   func(s compile.Stats) int64 { return s.BusyNode },
	} {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "jsruntime_compile_total", Help: "Sources submitted for compilation, by result; busy: refused because the tenant's or the node's queue was full.",
			ConstLabels: prometheus.Labels{"result": result},
		}, func() float64 { return float64(read(stats())) }))
	}
}

// watchGuesses registers how many unknown keys were presented.
func (m *metrics) watchGuesses(stats func() httpapi.GuessStats) {
	for result, read := range map[string]func(httpapi.GuessStats) int64{
		"unknown": func(s httpapi.GuessStats) int64 { return s.Unknown },
		"refused": func(s httpapi.GuessStats) int64 { return s.Refused },
	} {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "jsruntime_key_guesses_total", Help: "Unknown API keys that were presented, by result: unknown (401), refused because their network had presented many (429).",
			ConstLabels: prometheus.Labels{"result": result},
		}, func() float64 { return float64(read(stats())) }))
	}
}

// watchBudget registers the memory budget.
func (m *metrics) watchBudget(stats func() admission.BudgetStats) {
	m.gauge("jsruntime_memory_budget_bytes", "Memory that work of tenants and strangers may take together.", nil,
		func() float64 { return float64(stats().Limit) })
	m.gauge("jsruntime_memory_budget_tenants", "Tenants that hold some of it; clients without a tenant are one.", nil,
		func() float64 { return float64(stats().Tenants) })
	for _, use := range admission.Uses() {
		m.gauge("jsruntime_memory_budget_used_bytes", "What of the memory budget is reserved, by use.", prometheus.Labels{"use": use.String()},
			func() float64 { return float64(stats().ByUse[use]) })
		for _, scope := range []admission.Scope{admission.ScopeTenant, admission.ScopeNode} {
			m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
				Name: "jsruntime_memory_budget_refused_total", Help: "Work that was refused for want of memory, by use and scope: the tenant held its share, or the node was full.",
				ConstLabels: prometheus.Labels{"use": use.String(), "scope": scope.String()},
			}, func() float64 { s := stats(); return float64(s.RefusedBy(use, scope)) }))
		}
	}
}

// watchConns registers the listener's connections.
func (m *metrics) watchConns(l *connLimit) {
	m.gauge("jsruntime_connections", "Connections of the listener.", nil, func() float64 { return float64(l.count()) })
	m.gauge("jsruntime_connections_max", "How many there may be; then the slowest make room.", nil, func() float64 { return float64(l.max) })
	for reason, n := range map[string]*atomic.Int64{"shed": &l.shed, "refused": &l.refused} {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "jsruntime_connections_ended_total", Help: "Connections that the listener ended, by reason: shed to make room for another one, refused because all waited for answers.",
			ConstLabels: prometheus.Labels{"reason": reason},
		}, func() float64 { return float64(n.Load()) }))
	}
}

// watchTail registers what watchers on other nodes missed.
func (m *metrics) watchTail(dropped func() int64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "jsruntime_tail_dropped_lines_total", Help: "Log lines that watchers on other nodes wanted and did not get. The executions' own logs have them.",
	}, func() float64 { return float64(dropped()) }))
}

// watchCatalog registers how old the node's knowledge is.
func (m *metrics) watchCatalog(lastRead func() time.Time) {
	m.gauge("jsruntime_catalog_age_seconds", "Time since the node last knew that its routes and scripts are the newest.", nil,
		func() float64 { return time.Since(lastRead()).Seconds() })
}

// watchReady registers whether the node is ready. It asks nothing of anyone: a scrape costs Postgres nothing.
func (m *metrics) watchReady(ready func() bool) {
	m.gauge("jsruntime_ready", "1 while the node does not drain, can start workers, and Postgres takes its heartbeats.", nil, func() float64 { return truth(ready()) })
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// schedulerMetrics is the scheduler's observer.
type schedulerMetrics struct{ metrics *metrics }

var _ scheduler.Observer = schedulerMetrics{}

// Claimed implements scheduler.Observer.
func (m schedulerMetrics) Claimed(_ int, took time.Duration) { m.metrics.claim.Observe(took.Seconds()) }

// Begun implements scheduler.Observer.
func (m schedulerMetrics) Begun(trigger engine.Trigger, _, late time.Duration) {
	m.metrics.lateness.WithLabelValues(string(trigger)).Observe(max(late.Seconds(), 0))
}

// Ended implements scheduler.Observer.
func (m schedulerMetrics) Ended(trigger engine.Trigger, code engine.Code, followed string) {
	m.metrics.queueEnded.WithLabelValues(string(trigger), code.Outcome(), cmp.Or(followed, "none")).Inc()
}

// GivenBack implements scheduler.Observer.
func (m schedulerMetrics) GivenBack(_ engine.Trigger, reason string) {
	m.metrics.givenBack.WithLabelValues(reason).Inc()
}

// LeaseLost implements scheduler.Observer.
func (m schedulerMetrics) LeaseLost(executions int) { m.metrics.leasesLost.Add(float64(executions)) }

// TickDecided implements scheduler.Observer.
func (m schedulerMetrics) TickDecided(outcome string) { m.metrics.ticks.WithLabelValues(outcome).Inc() }

// Rescued implements scheduler.Observer.
func (m schedulerMetrics) Rescued(what string) { m.metrics.rescued.WithLabelValues(what).Inc() }

// Backlog implements scheduler.Observer.
func (m schedulerMetrics) Backlog(executions, schedules int) {
	m.metrics.backlog.WithLabelValues("executions").Set(float64(executions))
	m.metrics.backlog.WithLabelValues("schedules").Set(float64(schedules))
}

// Pruned implements scheduler.Observer.
func (m schedulerMetrics) Pruned(table string, rows int64) {
	m.metrics.pruned.WithLabelValues(table).Add(float64(rows))
}

// nodesCounted is cluster.Config.Counted.
func (m *metrics) nodesCounted(nodes int) { m.liveNodes.Set(float64(nodes)) }
