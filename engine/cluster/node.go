package cluster

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/jsruntime/engine/wake"
	"example.com/jsruntime/sqlc"
)

// Config is a Node's.
type Config struct {
	// DB has the nodes' rows. Required; it should not be the pool of requests, behind which a heartbeat would wait for a connection.
	DB *pgxpool.Pool
	// ID names this process; it must be new with every start. Zero: one is made.
	ID uuid.UUID
	// Hostname is shown with the node. Empty: the machine's.
	Hostname string
	// Version is shown with the node. Empty: "unknown".
	Version string
	// Lease is how long the other nodes count this one without a heartbeat, and how long an execution stays a node's without a sign of
	// life. 0 means 15 s, with which what a dead node ran is rescued within 30 s.
	Lease time.Duration
	// Heartbeat is the interval in which the node says that it lives: at most half of Lease. 0 means 2 s.
	Heartbeat time.Duration
	// Members is told with every heartbeat which nodes take work. Nil: one that only the Node uses.
	Members *Members
	// Able says whether the node can run scripts at all: while it cannot, the other nodes have its work and its share of limits. Nil: it
	// always can.
	Able func() bool
	// Load is what the node does at the moment, as JSON in its row. It is asked with every heartbeat. Nil: nothing is shown.
	Load func() any
	// Counted is told with every heartbeat how many nodes take work. Nil: no call.
	Counted func(nodes int)
	// Log gets failures. Nil: slog.Default().
	Log *slog.Logger
}

// Node is this process among the nodes of one database: its row, its heartbeat, and its view of the others.
type Node struct {
	cfg     Config
	queries *sqlc.Queries
	joined  chan struct{}
	drain   chan struct{}
	once    sync.Once                 // closes drain
	beaten  atomic.Pointer[time.Time] // the last heartbeat that the database took; nil: none yet
	// counted is when a heartbeat first said, as all have since without a pause as long as a lease, that this node takes work, and
	// which others do was read; nil: the last one said that it does not, or was not answered.
	counted atomic.Pointer[time.Time]
}

// New returns a Node that is not registered yet.
func New(cfg Config) (*Node, error) {
	if cfg.DB == nil {
		return nil, errors.New("DB is required")
	}
	if cfg.ID == uuid.Nil {
		cfg.ID = uuid.Must(uuid.NewV7())
	}
	if cfg.Hostname == "" {
		cfg.Hostname, _ = os.Hostname()
	}
	cfg.Version = cmp.Or(cfg.Version, "unknown")
	cfg.Lease = cmp.Or(cfg.Lease, 15*time.Second)
	cfg.Heartbeat = cmp.Or(cfg.Heartbeat, 2*time.Second)
	if cfg.Heartbeat > cfg.Lease/2 {
		return nil, fmt.Errorf("Heartbeat must be at most half of Lease (%s), not %s", cfg.Lease, cfg.Heartbeat)
	}
	cfg.Members = cmp.Or(cfg.Members, new(Members))
	if cfg.Able == nil {
		cfg.Able = func() bool { return true }
	}
	if cfg.Load == nil {
		cfg.Load = func() any { return struct{}{} }
	}
	if cfg.Counted == nil {
		cfg.Counted = func(int) {}
	}
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	return &Node{cfg: cfg, queries: sqlc.New(cfg.DB), joined: make(chan struct{}), drain: make(chan struct{})}, nil
}

// ID names this process in the database.
func (n *Node) ID() uuid.UUID { return n.cfg.ID }

// Lease is Config.Lease.
func (n *Node) Lease() time.Duration { return n.cfg.Lease }

// Members is Config.Members.
func (n *Node) Members() *Members { return n.cfg.Members }

// Able is Config.Able.
func (n *Node) Able() bool { return n.cfg.Able() }

// Joined is closed once the database has the node's row.
func (n *Node) Joined() <-chan struct{} { return n.joined }

// Drain says from the next heartbeat on, which comes at once, that the node takes no work. A second call does nothing.
func (n *Node) Drain() { n.once.Do(func() { close(n.drain) }) }

// Heartbeat is when the database last took this node's sign of life; zero before the first. It comes every Config.Heartbeat.
func (n *Node) Heartbeat() time.Time {
	if at := n.beaten.Load(); at != nil {
		return *at
	}
	return time.Time{}
}

// TakesWork reports whether this node may claim: it is able, and the others count it. Where there are others it waits until they have
// seen it, since from then on they take less.
func (n *Node) TakesWork() bool {
	counted := n.counted.Load()
	return n.cfg.Able() && counted != nil && time.Since(n.Heartbeat()) < n.cfg.Lease &&
		(n.cfg.Members.Count() == 1 || time.Since(*counted) >= n.cfg.Heartbeat+n.cfg.Heartbeat/2)
}

// maxStart is how long a node waits for its first worker before it registers as one that cannot run.
const maxStart = 2 * time.Second

// Run registers the node, waiting for the database if need be, says that it lives until ctx ends, and takes its row away then.
func (n *Node) Run(ctx context.Context) error {
	for began := time.Now(); !n.cfg.Able() && time.Since(began) < maxStart; {
		if !wake.Pause(ctx, 10*time.Millisecond) {
			return nil
		}
	}
	for !n.beat(ctx, "node not registered", false) {
		if !wake.Pause(ctx, 500*time.Millisecond) {
			return nil
		}
	}
	close(n.joined)
	for drain, draining := n.drain, false; ; {
		select {
		case <-ctx.Done():
			n.leave(ctx)
			return nil
		case <-drain:
			drain, draining = nil, true
		case <-time.After(n.cfg.Heartbeat):
		}
		n.beat(ctx, "heartbeat failed", draining)
	}
}

// leave takes the node's row away.
func (n *Node) leave(ctx context.Context) {
	leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := n.queries.NodeRemove(leaving, n.cfg.ID); err != nil {
		n.cfg.Log.Warn("node not signed off", "error", err)
	}
}

// beat sends one heartbeat and reports whether it was taken.
func (n *Node) beat(ctx context.Context, failure string, draining bool) bool {
	err := Within(ctx, func(ctx context.Context) error { return n.beatOnce(ctx, draining) })
	if err != nil && ctx.Err() == nil {
		n.cfg.Log.Error(failure, "error", err)
	}
	return err == nil
}

// maxSkew is the difference between the node's and the database's clock that is worth a warning.
const maxSkew = time.Second

func (n *Node) beatOnce(ctx context.Context, draining bool) error {
	load, err := json.Marshal(n.cfg.Load())
	if err != nil {
		return err
	}
	able, sent := n.cfg.Able(), time.Now()
	if !able || sent.Sub(n.Heartbeat()) >= n.cfg.Lease {
		n.counted.Store(nil) // before the others may see it
	}
	err = n.queries.NodeBeat(ctx, sqlc.NodeBeatParams{
		ID: n.cfg.ID, Hostname: n.cfg.Hostname, Version: n.cfg.Version, Draining: draining, CanRun: able, Load: load,
	})
	if err != nil {
		return err
	}
	n.beaten.Store(&sent)
	// A node that is cut off has ended its runs after two thirds of a lease, so that after a whole one its share is free.
	before := time.Now()
	live, err := n.queries.NodeLive(ctx, n.cfg.Lease.Seconds())
	if err != nil {
		return err
	}
	place, found := slices.BinarySearchFunc(live, n.cfg.ID, func(row sqlc.NodeLiveRow, id uuid.UUID) int { return bytes.Compare(row.ID[:], id[:]) })
	nodes := len(live)
	if !found {
		nodes++
	}
	n.cfg.Members.Set(nodes, place)
	if able {
		now := time.Now()
		n.counted.CompareAndSwap(nil, &now)
	}
	n.cfg.Counted(nodes)
	if len(live) > 0 {
		took := time.Since(before)
		if skew := live[0].DatabaseNow.Sub(before.Add(took / 2)); skew.Abs() > maxSkew+took/2 {
			n.cfg.Log.Warn("this node's clock differs from the database's; the database's counts", "skew_ms", skew.Milliseconds())
		}
	}
	return nil
}
