package httpapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/jsruntime/migrations/connect"
	"example.com/jsruntime/migrations/tenantdb"
	"example.com/jsruntime/sqlc"
)

const (
	// probeReplica is how often a replica is asked whether it is there and how far it is behind.
	probeReplica = 5 * time.Second
	// maxReplicaLag is how far behind a replica may be while it answers.
	maxReplicaLag = 30 * time.Second
)

// Replica is a read replica, which answers lists of executions, their logs, usage and the audit log while it is there and near enough;
// else the primary does. It may be some seconds behind: nothing is decided by what it says.
type Replica struct {
	pool *pgxpool.Pool
	log  *slog.Logger

	usable         atomic.Bool
	reads, primary atomic.Int64

	mu     sync.Mutex // guards what follows
	lag    time.Duration
	probed time.Time // when lag was measured
}

// ReplicaStats are a replica's figures.
type ReplicaStats struct {
	Usable bool
	// Lag is how old the newest commit is that the replica has. The nodes' heartbeats are commits, one every two seconds at least.
	Lag time.Duration
	// Reads were answered by the replica, Primary by the primary in its place.
	Reads, Primary int64
}

// NewReplica returns a Replica that is used once Run has found it. A nil log means slog.Default().
func NewReplica(pool *pgxpool.Pool, log *slog.Logger) (*Replica, error) {
	if pool == nil {
		return nil, errors.New("Pool is required")
	}
	return &Replica{pool: pool, log: cmp.Or(log, slog.Default()), probed: time.Now()}, nil
}

// Stats returns the figures of now.
func (r *Replica) Stats() ReplicaStats {
	usable := r.usable.Load()
	r.mu.Lock()
	defer r.mu.Unlock()
	lag := r.lag
	if !usable { // nothing is known since
		lag += time.Since(r.probed)
	}
	return ReplicaStats{Usable: usable, Lag: lag, Reads: r.reads.Load(), Primary: r.primary.Load()}
}

// Run probes the replica until ctx ends.
func (r *Replica) Run(ctx context.Context) error {
	for tick := time.NewTicker(probeReplica); ; {
		r.probe(ctx)
		select {
		case <-ctx.Done():
			tick.Stop()
			return nil
		case <-tick.C:
		}
	}
}

// replicaLag is of the newest commit that the replica has: by what it replayed, which is nothing on a server that is no standby, or by
// the heartbeats of the nodes.
const replicaLag = `SELECT greatest(0, extract(epoch FROM clock_timestamp() - greatest(pg_last_xact_replay_timestamp(), (SELECT max(heartbeat_at) FROM nodes))))::float8`

func (r *Replica) probe(ctx context.Context) {
	asking, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var seconds *float64
	err := r.pool.QueryRow(asking, replicaLag).Scan(&seconds)
	if ctx.Err() != nil {
		return
	}
	if err == nil && seconds == nil {
		err = errors.New("it has no heartbeat of a node")
	}
	if err != nil {
		r.down(ctx, err)
		return
	}
	lag := time.Duration(*seconds * float64(time.Second))
	r.mu.Lock()
	r.lag, r.probed = lag, time.Now()
	r.mu.Unlock()
	if lag > maxReplicaLag {
		r.down(ctx, fmt.Errorf("it is %v behind", lag.Round(time.Second)))
		return
	}
	if !r.usable.Swap(true) {
		r.log.InfoContext(ctx, "read replica is used for lists and usage")
	}
}

// down has the primary asked until a probe finds the replica again. The log gets one line for each time.
func (r *Replica) down(ctx context.Context, why error) {
	if r.usable.Swap(false) {
		r.log.WarnContext(ctx, "read replica is not used, the primary answers in its place", "error", why)
	}
}

// ask runs do, which only reads, on the replica, or on the primary where the replica cannot answer. do may run twice. A nil Replica is
// none.
func (r *Replica) ask(ctx context.Context, primary *pgxpool.Pool, do func(*pgxpool.Pool) error) error {
	if r == nil {
		return do(primary)
	}
	if r.usable.Load() {
		err := do(r.pool)
		if err == nil || !r.failed(ctx, err) {
			r.reads.Add(1)
			return err
		}
	}
	r.primary.Add(1)
	return do(primary)
}

// failed reports whether err is the replica's failure and not the request's.
func (r *Replica) failed(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	switch connect.ClassOf(err) {
	case connect.Away:
		r.down(ctx, err)
		return true
	case connect.Busy: // a conflict with what it replays
		return true
	default:
		// A table, a column, a function or a grant that a migration made a moment ago.
		var pg *pgconn.PgError
		return errors.As(err, &pg) && pg.Code[:2] == "42"
	}
}

// list is read for lists that may be some seconds old: a replica answers where there is one.
func (a *API) list(ctx context.Context, fn func(q *sqlc.Queries) error) error {
	return a.cfg.Replica.ask(ctx, a.pool, func(db *pgxpool.Pool) error { return tenantdb.Read(ctx, patient{db}, tenantOf(ctx), fn) })
}

// listOperator is list for what belongs to no tenant.
func (a *API) listOperator(ctx context.Context, fn func(q *sqlc.Queries) error) error {
	return a.cfg.Replica.ask(ctx, a.pool, func(db *pgxpool.Pool) error { return fn(sqlc.New(db)) })
}

// errNotThereYet says that a replica does not have the whole of something yet.
var errNotThereYet = errors.New("the replica does not have it yet")

// listWhole is list for an object that whole says is complete, once fn has run: where the replica does not have it, or not all of it, the
// primary is asked.
func (a *API) listWhole(ctx context.Context, fn func(q *sqlc.Queries) error, whole func() bool) error {
	if a.cfg.Replica == nil {
		return a.read(ctx, fn)
	}
	err := a.list(ctx, func(q *sqlc.Queries) error {
		if err := fn(q); err != nil {
			return err
		}
		if !whole() {
			return errNotThereYet
		}
		return nil
	})
	if errors.Is(err, errNotThereYet) || errors.Is(err, pgx.ErrNoRows) {
		return a.read(ctx, fn)
	}
	return err
}
