//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/advisory"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/cluster"
	"example.com/jsruntime/engine/compile"
	"example.com/jsruntime/engine/ledger"
	"example.com/jsruntime/engine/quota"
	"example.com/jsruntime/httpapi"
	"example.com/jsruntime/httpapi/forwarded"
	"example.com/jsruntime/httpapi/gateway"
	"example.com/jsruntime/httpapi/gateway/auth"
	"example.com/jsruntime/scheduler/cron"
	"example.com/jsruntime/sqlc"
)

// tenantKeys lets the gateway ask the admin API's keys.
type tenantKeys struct {
	keys    *httpapi.Keys
	proxies forwarded.Proxies
}

// Authenticate implements gateway.Authenticator.
func (k tenantKeys) Authenticate(r *http.Request, key string, tenantID uuid.UUID, scope string) (uuid.UUID, error) {
	principal, err := k.keys.AuthenticateFrom(r.Context(), k.proxies.Client(r), key)
	many := (*httpapi.TooManyAttemptsError)(nil)
	switch {
	case errors.Is(err, httpapi.ErrUnknownKey):
		return uuid.Nil, gateway.ErrBadKey
	case errors.As(err, &many):
		return uuid.Nil, &gateway.ManyKeysError{Limit: many.Error(), RetryAfter: many.RetryAfter}
	case err != nil:
		return uuid.Nil, err
	case principal.TenantID != tenantID:
		return uuid.Nil, gateway.ErrBadKey
	case scope != "" && !principal.HasScope(tenantID, scope):
		return uuid.Nil, gateway.ErrOutOfScope
	}
	return principal.KeyID, nil
}

// endpointAuth is what judges requests to endpoints.
func (n *node) endpointAuth() auth.Config {
	queries := sqlc.New(n.db)
	return auth.Config{
		Secret: n.secrets.Value, Fetch: n.host.Document, Log: n.log,
		Claim: func(ctx context.Context, tenantID, scriptID uuid.UUID, id []byte, hold time.Duration) (bool, error) {
			rows, err := queries.SignedRequestClaim(ctx, sqlc.SignedRequestClaimParams{TenantID: tenantID, ScriptID: scriptID, ID: id, HoldSeconds: hold.Seconds()})
			return rows > 0, err
		},
		Return: func(ctx context.Context, tenantID, scriptID uuid.UUID, id []byte) error {
			return queries.SignedRequestReturn(ctx, sqlc.SignedRequestReturnParams{TenantID: tenantID, ScriptID: scriptID, ID: id})
		},
	}
}

// whileRoom refuses executions whose row would have to wait for a Postgres that takes none: to run a script first and answer 503 after
// it would repeat, with the caller's next try, what the script has done. The scheduler's executions are rows already and go past it.
type whileRoom struct {
	next     engine.Executor
	full     func() bool
	observer engine.Observer
}

// Execute implements engine.Executor.
func (w *whileRoom) Execute(ctx context.Context, inv *engine.Invocation) (*engine.Result, error) {
	if w.full() {
		err := &engine.RefusedError{
			Code: engine.CodeOverloaded, Scope: "ledger", RetryAfter: 5 * time.Second,
			Detail: "The node cannot write executions down and has no room to keep more of them; the script was not run.",
		}
		w.observer.ExecutionRefused(inv, err)
		return nil, err
	}
	return w.next.Execute(ctx, inv)
}

// compileRow is catalog.Config.Compile.
func compileRow(compiler *compile.Compiler) func(context.Context, uuid.UUID, string, string) (catalog.Compiled, error) {
	return func(ctx context.Context, tenantID uuid.UUID, scriptType, source string) (catalog.Compiled, error) {
		if len(source) > compile.MaxSourceBytes {
			return catalog.Compiled{}, &catalog.SourceError{Message: fmt.Sprintf("source: %d bytes, of at most %d", len(source), compile.MaxSourceBytes)}
		}
		out, err := compiler.Compile(ctx, compile.Input{Source: source, Handler: string(engine.HandlerOf(scriptType)), Tenant: tenantID})
		var refused *compile.Error
		if errors.As(err, &refused) {
			return catalog.Compiled{}, &catalog.SourceError{Message: refused.Error()}
		}
		if err != nil {
			return catalog.Compiled{}, err
		}
		return catalog.Compiled{Code: out.Compiled, SourceMap: out.SourceMap, SHA256: out.SHA256, Handlers: out.Handlers}, nil
	}
}

// trialLimit is the wall and CPU time of a trial.
const trialLimit = 2 * time.Second

// tryLoad makes httpapi.Config.TryLoad. A trial has an identity of its own, so that it touches no isolate of the script.
func tryLoad(e *engine.Engine, tenants *catalog.Catalog) func(context.Context, *httpapi.Trial) (*engine.Result, error) {
	return func(ctx context.Context, t *httpapi.Trial) (*engine.Result, error) {
		tenant, err := tenants.Tenant(t.TenantID)
		if err != nil {
			return nil, err
		}
		limits := engine.DefaultLimits()
		limits.MaxExecutionTime, limits.MaxCPUTime = trialLimit, trialLimit
		return e.TryLoad(ctx, &engine.Script{
			ID: uuid.New(), TenantID: t.TenantID, TenantSlug: tenant.Slug, Name: t.Name, Type: t.Type, Version: 1, Compiled: t.Compiled.Compiled,
			SourceMap: t.Compiled.SourceMap, Handlers: t.Compiled.Handlers, Limits: limits,
		})
	}
}

// nextTicks makes httpapi.Config.NextTicks. A time zone that the workers' Intl does not know is refused too: a script that formats its
// times in its own zone would throw at every run.
func nextTicks(worker *engine.WorkerInfo) func(expr, timezone string, after time.Time, n int) ([]httpapi.Tick, error) {
	return func(expr, timezone string, after time.Time, n int) (ticks []httpapi.Tick, err error) {
		if slices.Contains(worker.UnknownZones, timezone) {
			return nil, &cron.Error{Field: "timezone", Message: fmt.Sprintf("%s is not in the time zone database of this version of V8 (%s)", timezone, worker.TZData)}
		}
		schedule, err := cron.Parse(expr, timezone)
		if err != nil {
			return nil, err
		}
		for _, at := range schedule.Upcoming(after, n) {
			ticks = append(ticks, httpapi.Tick{At: at.In(schedule.Location()), Shift: string(schedule.Shift(at))})
		}
		return ticks, nil
	}
}

// maxSilence is how old a node's last heartbeat may be while it counts as ready: five of them were not taken.
const maxSilence = 10 * time.Second

// nodeReady is what /readyz says, from what the node knows without asking Postgres.
func nodeReady(draining, able bool, heartbeat, now time.Time) bool {
	return !draining && able && now.Sub(heartbeat) < maxSilence
}

// engineInfo is httpapi.Config.Engine.
func engineInfo(worker *engine.WorkerInfo) httpapi.EngineInfo {
	return httpapi.EngineInfo{V8Version: worker.V8, JIT: worker.JIT, ICUVersion: worker.ICU, TZDataVersion: worker.TZData}
}

// nodeLoad is what a node shows of itself in its row, beside its queued executions.
func nodeLoad(worker *engine.WorkerInfo, e engine.Stats, l ledger.Stats) cluster.Load {
	return cluster.Load{
		Engine: cluster.EngineInfo{V8Version: worker.V8, JIT: worker.JIT, ICUVersion: worker.ICU, TZDataVersion: worker.TZData},
		Workers: cluster.WorkersLoad{
			Starting: e.Starting, Spare: e.Spares, Idle: e.Idle, Busy: e.Busy, Parked: e.Parked, Isolates: e.Isolates, Tenants: e.Tenants,
		},
		Executions: cluster.ExecutionsLoad{Running: e.Running, Queued: e.Queued},
		History:    cluster.HistoryLoad{BacklogRows: l.BacklogRows, BacklogBytes: l.BacklogBytes},
	}
}

// retention is scheduler.Config.Retention.
func retention(days int) time.Duration {
	if days == 0 {
		return -1 // keep for ever
	}
	return time.Duration(days) * 24 * time.Hour
}

// shorter is a retention that is that of executions where it is 0.
func shorter(days int) time.Duration { return time.Duration(days) * 24 * time.Hour }

// tenantLimits are what tenants' plans say.
type tenantLimits struct{ catalog *catalog.Catalog }

func (l *tenantLimits) plan(tenantID uuid.UUID) catalog.Plan {
	tenant, err := l.catalog.Tenant(tenantID)
	if err != nil {
		return catalog.Plan{}
	}
	return tenant.Plan
}

// concurrency is plan.max_concurrent_runs, 0 where the tenant has none.
func (l *tenantLimits) concurrency(tenantID uuid.UUID) int {
	if own := l.plan(tenantID).MaxConcurrentRuns; own != nil {
		return int(*own)
	}
	return 0
}

// weight is plan.weight, 1 where the tenant has none.
func (l *tenantLimits) weight(tenantID uuid.UUID) int {
	if own := l.plan(tenantID).Weight; own != nil {
		return int(max(*own, 1))
	}
	return 1
}

// jit makes engine.Config.TenantJIT of a node's level: plan.jit where it is lower, empty where the node's level holds.
func (l *tenantLimits) jit(node string) func(uuid.UUID) string {
	return func(tenantID uuid.UUID) string {
		own := l.plan(tenantID).JIT
		if own == nil {
			return ""
		}
		if lower := advisory.LowerJIT(node, *own); lower != node {
			return lower
		}
		return ""
	}
}

// historyBytes is plan.max_history_bytes, less than 0 where the tenant has none.
func (l *tenantLimits) historyBytes(tenantID uuid.UUID) int64 {
	if own := l.plan(tenantID).MaxHistoryBytes; own != nil {
		return *own
	}
	return -1
}

// quotas is plan.quotas.
func (l *tenantLimits) quotas(tenantID uuid.UUID) catalog.Quotas { return l.plan(tenantID).Quotas }

// quotaPassed is quota.Config.Notify.
func (n *node) quotaPassed(ctx context.Context, tx *sqlc.Queries, passed quota.Passed) (committed func(), err error) {
	queued, err := quota.PublishEvent(ctx, tx, passed)
	if err != nil || queued == 0 {
		return nil, err
	}
	return n.scheduler.Wake, nil
}

// metricsOn returns the handler for the listener, nil where the metrics have one of their own.
func metricsOn(cfg serveConfig, m *metrics) http.Handler {
	if cfg.MetricsListen != "" {
		return nil
	}
	return m.handler()
}

// endDeleted ends what runs of a script that was deleted.
func endDeleted(ctx context.Context, library *catalog.Catalog, machine *engine.Engine, change catalog.Change) {
	if change.Table != "scripts" || !machine.Runs(change.ScriptID) {
		return
	}
	if _, err := library.Head(ctx, change.TenantID, change.ScriptID); errors.Is(err, catalog.ErrScriptUnknown) {
		machine.CancelScript(change.ScriptID, errScriptDeleted)
	}
}

var errScriptDeleted = errors.New("the script was deleted")
