// Package storage counts the bytes that tenants store and knows which tenants are near or over their quota.
//
//	ledger, scheduler, API, host ──Add──► counters of this node ──every second──► tenant_storage ──► totals of all nodes ──► State
//	                                                                  ▲
//	                      an exact count of each tenant, now and then ┘
//
// # Rules
//
//   - Add and State are memory only: no request waits for Postgres.
//   - What Add counts is in the totals of every node within two flushes. A node that is killed loses the counts of its last flush, and plain
//     SQL is not counted at all, until the tenant is counted anew.
//   - A tenant that nothing was asked about for a minute is forgotten; the first answer about it is Normal, the next flush knows better.
//   - kv has a quota of its own, which package host keeps exactly; it is counted here to be shown.
//
// # What a state means
//
//	Normal                          everything is stored
//	Lean    from 90 % of the quota  executions are recorded without input, output and log; the scheduler deletes the tenant's oldest ones
//	                                until 80 % are left
//	Full    from 100 %              in addition, new versions, events and queued executions are refused: what is left are things that
//	                                only the tenant may delete
package storage

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/jsruntime/sqlc"
)

// Tables that are counted by Add.
const (
	Executions  = "script_executions"
	Logs        = "script_execution_logs"
	Calls       = "script_execution_calls"
	Comparisons = "script_comparisons"
	Versions    = "script_versions"
	Events      = "script_events"
	DeadLetters = "script_event_dead_letters"
	Audit       = "audit_log"
	KV          = "script_kv"
	Answers     = "script_http_answers"
)

// RowBytes is the allowance for a row of the history beside its values.
const RowBytes = 400

// LeanShare is the share of the quota from which on executions are recorded without bodies; PruneShare is what pruning leaves.
const (
	LeanShare  = 0.9
	PruneShare = 0.8
)

// State is how near a tenant is to its quota.
type State int

// States.
const (
	Normal State = iota
	Lean
	Full
)

// DefaultHistoryBytes is the quota of a tenant where neither its plan nor the operator names one.
const DefaultHistoryBytes = 4 << 30

// idleAfter is how long a tenant is remembered that nothing is asked about.
const idleAfter = time.Minute

// Config says what a Meter counts for.
type Config struct {
	// DB is where the totals are. Required.
	DB *pgxpool.Pool
	// Quota returns a tenant's max_history_bytes by its plan, less than 0 where the plan names none. nil: no plan names one.
	Quota func(tenantID uuid.UUID) int64
	// MaxHistoryBytes is the quota of the others. 0: DefaultHistoryBytes.
	MaxHistoryBytes int64
	// FlushInterval is how often counts are written. 0: 1 s.
	FlushInterval time.Duration
	// CountAge is how old an exact count of a tenant may get. 0: 1 h.
	CountAge time.Duration
	// Log gets failures. nil: slog.Default().
	Log *slog.Logger
}

// Meter counts. Its methods may be called from any goroutine; those of a nil Meter count nothing and find everything Normal.
type Meter struct {
	cfg     Config
	queries *sqlc.Queries

	mu      sync.Mutex // guards tenants and what they point to
	tenants map[uuid.UUID]*tenant
}

type tenant struct {
	stored  int64            // of all nodes, as of the last flush
	pending map[string]int64 // by table, not yet written
	writing int64            // of tables but kv, being written
	used    time.Time
}

func (t *tenant) bytes() int64 {
	sum := t.stored + t.writing
	for table, n := range t.pending {
		if table != KV {
			sum += n
		}
	}
	return sum
}

// New makes a Meter. Run writes what it counts.
func New(cfg Config) (*Meter, error) {
	switch {
	case cfg.DB == nil:
		return nil, errors.New("DB is required")
	case cfg.MaxHistoryBytes < 0, cfg.FlushInterval < 0, cfg.CountAge < 0:
		return nil, errors.New("MaxHistoryBytes, FlushInterval and CountAge must not be negative")
	}
	cfg.MaxHistoryBytes = cmp.Or(cfg.MaxHistoryBytes, DefaultHistoryBytes)
	cfg.FlushInterval = cmp.Or(cfg.FlushInterval, time.Second)
	cfg.CountAge = cmp.Or(cfg.CountAge, time.Hour)
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	if cfg.Quota == nil {
		cfg.Quota = func(uuid.UUID) int64 { return -1 }
	}
	return &Meter{cfg: cfg, queries: sqlc.New(cfg.DB), tenants: map[uuid.UUID]*tenant{}}, nil
}

// of returns a tenant's counts. m.mu is held.
func (m *Meter) of(id uuid.UUID) *tenant {
	t := m.tenants[id]
	if t == nil {
		t = &tenant{pending: map[string]int64{}}
		m.tenants[id] = t
	}
	t.used = time.Now()
	return t
}

// Add counts bytes that were written to a table, or taken from it.
func (m *Meter) Add(tenantID uuid.UUID, table string, n int64) {
	if m == nil || n == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.of(tenantID).pending[table] += n
}

// Quota is a tenant's max_history_bytes.
func (m *Meter) Quota(tenantID uuid.UUID) int64 {
	if own := m.cfg.Quota(tenantID); own >= 0 {
		return own
	}
	return m.cfg.MaxHistoryBytes
}

// State says how near a tenant is to its quota, with what it stores.
func (m *Meter) State(tenantID uuid.UUID) (state State, stored int64) {
	if m == nil {
		return Normal, 0
	}
	quota := m.Quota(tenantID)
	m.mu.Lock()
	stored = m.of(tenantID).bytes()
	m.mu.Unlock()
	return stateOf(stored, quota), stored
}

func stateOf(stored, quota int64) State {
	switch {
	case stored >= quota:
		return Full
	case float64(stored) >= float64(quota)*LeanShare:
		return Lean
	}
	return Normal
}

// Over is how many of the tenants that this node knows are near and over their quota.
func (m *Meter) Over() (lean, full int) {
	if m == nil {
		return 0, 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, t := range m.tenants {
		switch stateOf(t.bytes(), m.Quota(id)) {
		case Lean:
			lean++
		case Full:
			full++
		}
	}
	return lean, full
}

// Flush writes what was counted and reads the totals of the tenants that this node knows.
func (m *Meter) Flush(ctx context.Context) error {
	var add sqlc.StorageAddParams
	var known []uuid.UUID
	type delta struct {
		tenant uuid.UUID
		table  string
		bytes  int64
	}
	var deltas []delta
	m.mu.Lock()
	for id, t := range m.tenants {
		if len(t.pending) == 0 && time.Since(t.used) > idleAfter {
			delete(m.tenants, id)
			continue
		}
		known = append(known, id)
		for table, n := range t.pending {
			deltas = append(deltas, delta{id, table, n})
			if table != KV {
				t.writing += n
			}
		}
		clear(t.pending)
	}
	m.mu.Unlock()
	if len(known) == 0 {
		return nil
	}
	slices.SortFunc(deltas, func(a, b delta) int {
		return cmp.Or(bytes.Compare(a.tenant[:], b.tenant[:]), strings.Compare(a.table, b.table))
	})
	for _, d := range deltas {
		add.TenantIds = append(add.TenantIds, d.tenant)
		add.TableNames = append(add.TableNames, d.table)
		add.Bytes = append(add.Bytes, d.bytes)
	}
	var err error
	if len(deltas) > 0 {
		err = m.queries.StorageAdd(ctx, add)
	}
	var totals []sqlc.StorageTotalsRow
	if err == nil {
		totals, err = m.queries.StorageTotals(ctx, known)
	}
	stored := make(map[uuid.UUID]int64, len(totals))
	for _, row := range totals {
		stored[row.TenantID] = row.Bytes
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range known {
		if t := m.tenants[id]; t != nil {
			t.writing = 0
			if err == nil {
				t.stored = stored[id]
			}
		}
	}
	if err != nil { // counted again with the next flush; what a lost answer counted twice, the next exact count corrects
		for _, d := range deltas {
			if t := m.tenants[d.tenant]; t != nil {
				t.pending[d.table] += d.bytes
			}
		}
	}
	return err
}

// Count counts a tenant's bytes exactly.
func (m *Meter) Count(ctx context.Context, tenantID uuid.UUID) error {
	_, err := m.queries.StorageCount(ctx, tenantID)
	return err
}

const (
	writeTimeout = 10 * time.Second
	countTimeout = 2 * time.Minute
	countEvery   = time.Minute
	countBatch   = 20
)

// Run writes counts until ctx ends, and once more then, and counts tenants anew.
func (m *Meter) Run(ctx context.Context) error {
	flush, count := time.NewTicker(m.cfg.FlushInterval), time.NewTicker(countEvery)
	defer flush.Stop()
	defer count.Stop()
	failing := false
	write := func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, writeTimeout)
		defer cancel()
		err := m.Flush(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			m.cfg.Log.Warn("storage counts not written, they are kept", "error", err)
		}
		failing = err != nil
	}
	for {
		select {
		case <-ctx.Done():
			write(context.WithoutCancel(ctx))
			return nil
		case <-flush.C:
			write(ctx)
		case <-count.C:
			m.countStale(ctx)
		}
	}
}

func (m *Meter) countStale(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	ids, err := m.queries.StorageStale(ctx, sqlc.StorageStaleParams{AgeSeconds: m.cfg.CountAge.Seconds(), RowLimit: countBatch})
	for _, id := range ids {
		if err == nil {
			err = m.Count(ctx, id)
		}
	}
	if err != nil && ctx.Err() == nil {
		m.cfg.Log.Warn("stored bytes not counted", "error", err)
	}
}
