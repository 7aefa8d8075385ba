package compare

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/host"
	"example.com/jsruntime/engine/redact"
	"example.com/jsruntime/engine/wake"
	"example.com/jsruntime/migrations/connect"
	"example.com/jsruntime/sqlc"
)

const (
	// MaxLast is how many inputs a comparison has at most, DefaultLast where none is named.
	MaxLast     = 200
	DefaultLast = 50
	// Keep is how many comparisons of a tenant are kept.
	Keep = 20
	// Lease is how long a comparison's row says that it goes on without a sign of life of its node.
	Lease = 30 * time.Second
	// renewEvery is how often leases are renewed, and those of other nodes looked at.
	renewEvery = 5 * time.Second
	// queued is how many comparisons of this node may wait.
	queued = 32
	// maxRows bounds the executions that are looked at for inputs.
	maxRows = 20_000
	// statementTimeout bounds one statement.
	statementTimeout = 10 * time.Second
)

// What Options.Fetch may be.
const (
	FetchDeny   = "deny"
	FetchRecord = "record"
	FetchLive   = "live"
)

// Options are what a comparison was asked for.
type Options struct {
	Last        int    `json:"last"`
	Status      string `json:"status,omitempty"`       // of the executions; empty: completed, failed and timeout
	TriggerType string `json:"trigger_type,omitempty"` // empty: any
	Fetch       string `json:"fetch"`
}

// Config says how comparisons run.
type Config struct {
	// Pool is the database, as its owner. Required.
	Pool *pgxpool.Pool
	// NodeID is this node's. Required.
	NodeID uuid.UUID
	// Executor runs the candidates, Recorder counts their usage. Required.
	Executor engine.Executor
	Recorder host.Recorder
	// Apart makes the host of one execution: see host.Host.Apart. Required.
	Apart func(host.Fetcher) engine.Host
	// Script returns a version, ready to run. Required.
	Script func(ctx context.Context, tenantID, scriptID uuid.UUID, version int) (*engine.Script, error)
	// Secrets returns what is masked of a tenant's values. Nil masks credentials by their names only.
	Secrets func(tenantID uuid.UUID) *redact.Values
	// Full reports whether a script or its tenant has as many executions on this node as it may have. Nil: never.
	Full func(scriptID uuid.UUID) bool
	// Workers is how many comparisons go on at one time. 0: 2.
	Workers int
	// Patience is how long a comparison may take. 0: 10 minutes.
	Patience time.Duration
	// Log gets what goes wrong. Nil: slog.Default().
	Log *slog.Logger
}

// Comparer runs comparisons. Its methods may be called from any goroutine.
type Comparer struct {
	cfg     Config
	queries *sqlc.Queries
	queue   chan uuid.UUID

	mu   sync.Mutex // guards what follows
	mine map[uuid.UUID]counters
}

// counters are how far a comparison is.
type counters struct{ total, same, different, failed, skipped int32 }

// New makes a Comparer. Run works off what Start takes.
func New(cfg Config) (*Comparer, error) {
	switch {
	case cfg.Pool == nil, cfg.Executor == nil, cfg.Recorder == nil, cfg.Apart == nil, cfg.Script == nil:
		return nil, errors.New("Pool, Executor, Recorder, Apart, Script: required")
	case cfg.NodeID == uuid.Nil:
		return nil, errors.New("NodeID: required")
	case cfg.Workers < 0 || cfg.Patience < 0:
		return nil, errors.New("Workers, Patience: must not be negative")
	}
	cfg.Workers = cmp.Or(cfg.Workers, 2)
	cfg.Patience = cmp.Or(cfg.Patience, 10*time.Minute)
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	if cfg.Secrets == nil {
		cfg.Secrets = func(uuid.UUID) *redact.Values { return nil }
	}
	if cfg.Full == nil {
		cfg.Full = func(uuid.UUID) bool { return false }
	}
	return &Comparer{cfg: cfg, queries: sqlc.New(cfg.Pool), queue: make(chan uuid.UUID, queued), mine: map[uuid.UUID]counters{}}, nil
}

// NodeID is whose comparisons this Comparer starts.
func (c *Comparer) NodeID() uuid.UUID { return c.cfg.NodeID }

// Room reports whether Start would take one more comparison.
func (c *Comparer) Room() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.mine) < queued
}

// Start takes a comparison whose row is pending and this node's. Where there is no room its lease expires.
func (c *Comparer) Start(id uuid.UUID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case c.queue <- id:
		c.mine[id] = counters{}
	default:
	}
}

// errShutdown is why comparisons end with their node.
var errShutdown = errors.New("the node that ran it was shut down")

// errPatience is why a comparison ends that takes too long.
var errPatience = errors.New("its time is used up")

// Run executes comparisons until ctx ends. A comparison that runs at that moment fails.
func (c *Comparer) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	for range c.cfg.Workers {
		workers.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case id := <-c.queue:
					c.work(ctx, id)
				}
			}
		})
	}
	for wake.Pause(ctx, renewEvery) {
		c.keep(ctx)
	}
	workers.Wait()
	for {
		select {
		case id := <-c.queue:
			c.finish(ctx, id, &outcome{err: errShutdown})
		default:
			return nil
		}
	}
}

// keep renews the leases of this node's comparisons, and ends those of nodes that are gone.
func (c *Comparer) keep(ctx context.Context) {
	c.mu.Lock()
	mine := make(map[uuid.UUID]counters, len(c.mine))
	for id, n := range c.mine {
		mine[id] = n
	}
	c.mu.Unlock()
	for id, n := range mine {
		c.progress(ctx, id, n)
	}
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	if _, err := c.queries.ComparisonExpire(ctx); err != nil && ctx.Err() == nil {
		c.cfg.Log.Warn("comparisons of lost nodes not ended", "error", err)
	}
}

// progress says how far a comparison is. It reports whether it goes on: it was deleted with its script, or its lease had expired.
func (c *Comparer) progress(ctx context.Context, id uuid.UUID, n counters) bool {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	rows, err := c.queries.ComparisonProgress(ctx, sqlc.ComparisonProgressParams{
		ID: id, NodeID: c.cfg.NodeID, Total: n.total, Same: n.same, Different: n.different, Failed: n.failed, Skipped: n.skipped, LeaseSeconds: Lease.Seconds(),
	})
	if err != nil {
		if ctx.Err() == nil {
			c.cfg.Log.Warn("comparison's progress not written", "comparison_id", id, "error", err)
		}
		return true
	}
	return rows == 1
}

// outcome is what a comparison has come to.
type outcome struct {
	counters
	costs costs
	items []Item
	bytes int // of items
	err   error
}

func (c *Comparer) work(ctx context.Context, id uuid.UUID) {
	within, cancel := context.WithTimeout(ctx, statementTimeout)
	row, err := c.queries.ComparisonBegin(within, sqlc.ComparisonBeginParams{ID: id, NodeID: c.cfg.NodeID, LeaseSeconds: Lease.Seconds()})
	cancel()
	if err != nil {
		if !errors.Is(err, pgx.ErrNoRows) {
			c.finish(ctx, id, &outcome{err: errors.New("it could not be begun")})
		}
		c.forget(id)
		return
	}
	out := &outcome{items: []Item{}}
	running, stop := context.WithTimeoutCause(ctx, c.cfg.Patience, errPatience)
	defer stop()
	if err := c.compare(running, row, out); err != nil {
		out.err = err
		switch {
		case ctx.Err() != nil:
			out.err = errShutdown
		case errors.Is(context.Cause(running), errPatience):
			out.err = fmt.Errorf("%w: %d of %d inputs in %s", errPatience, len(out.items), out.total, c.cfg.Patience)
		}
	}
	c.finish(ctx, id, out)
}

func (c *Comparer) forget(id uuid.UUID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.mine, id)
}

// finish writes an ending. It is tried for as long as the lease lasts; after that another node does it.
func (c *Comparer) finish(ctx context.Context, id uuid.UUID, out *outcome) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), Lease/2)
	defer cancel()
	defer c.forget(id)
	p := sqlc.ComparisonFinishParams{
		ID: id, NodeID: c.cfg.NodeID, Status: "completed", Total: out.total, Same: out.same, Different: out.different, Failed: out.failed, Skipped: out.skipped,
	}
	if out.err != nil {
		text := out.err.Error()
		p.Status, p.Error = "failed", &text
	}
	var err error
	if p.Items, err = json.Marshal(slices.Concat([]Item{}, out.items)); err == nil {
		p.Costs, err = json.Marshal(out.costs)
	}
	for err == nil {
		if _, err = c.queries.ComparisonFinish(ctx, p); err == nil {
			return
		}
		if connect.ClassOf(err) == connect.Value {
			text := "its items cannot be stored"
			p.Status, p.Error, p.Items = "failed", &text, json.RawMessage("[]")
		}
		if !wake.Pause(ctx, 500*time.Millisecond) {
			break
		}
		err = nil
	}
	c.cfg.Log.Error("comparison's ending not written", "comparison_id", id, "error", cmp.Or(err, context.Cause(ctx)))
}

// compare runs a comparison's inputs one after the other.
func (c *Comparer) compare(ctx context.Context, row sqlc.ScriptComparison, out *outcome) error {
	var options Options
	if err := json.Unmarshal(row.Options, &options); err != nil {
		return fmt.Errorf("options: %w", err)
	}
	script, err := c.cfg.Script(ctx, row.TenantID, row.ScriptID, int(row.VersionNumber))
	if err != nil {
		c.cfg.Log.Warn("version of a comparison not loaded", "comparison_id", row.ID, "error", err)
		return errors.New("the version could not be loaded")
	}
	p := sqlc.ComparisonInputsParams{
		TenantID: row.TenantID, ScriptID: row.ScriptID, MaxRows: maxRows, RowLimit: int32(options.Last),
		Statuses: []string{"completed", "failed", "timeout"}, TriggerTypes: []string{"cron", "http", "event", "manual", "api"},
	}
	if options.Status != "" {
		p.Statuses = []string{options.Status}
	}
	if options.TriggerType != "" {
		p.TriggerTypes = []string{options.TriggerType}
	}
	ids, err := c.queries.ComparisonInputs(ctx, p)
	if err != nil {
		return c.failed(row, "inputs", err)
	}
	out.total = int32(len(ids))
	for _, id := range ids {
		item, took, err := c.one(ctx, row, script, &options, id)
		if err != nil {
			return err
		}
		out.add(item)
		c.mu.Lock()
		c.mine[row.ID] = out.counters
		c.mu.Unlock()
		if !c.progress(ctx, row.ID, out.counters) {
			return errors.New("the comparison is gone")
		}
		if !wake.Pause(ctx, min(took, time.Second)) {
			return context.Cause(ctx)
		}
	}
	return nil
}

// failed logs what went wrong of ours, and is what the comparison says.
func (c *Comparer) failed(row sqlc.ScriptComparison, what string, err error) error {
	c.cfg.Log.Warn("comparison failed", "comparison_id", row.ID, "tenant_id", row.TenantID, "script_id", row.ScriptID, "error", fmt.Errorf("%s: %w", what, err))
	return errors.New("the database did not answer")
}
