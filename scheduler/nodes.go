package scheduler

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"

	"jsruntime/sqlc"
)

// maxStart is how long a node waits for its Executor's first worker before it registers as one that cannot run.
const maxStart = 2 * time.Second

// join registers the node, waiting for the database if need be.
func (s *Scheduler) join(ctx context.Context) error {
	for began := time.Now(); !s.cfg.Able() && time.Since(began) < maxStart; {
		if !pause(ctx, 10*time.Millisecond) {
			return ctx.Err()
		}
	}
	for {
		err := within(ctx, func(ctx context.Context) error { return s.beatOnce(ctx, false) })
		if err == nil {
			break
		}
		s.complain(ctx, "node not registered", err)
		if !pause(ctx, 500*time.Millisecond) {
			return ctx.Err()
		}
	}
	return nil
}

// takesWork reports whether this node may claim: its Executor is able, and the others count it. Where there are others it waits until
// they have seen it, since from then on they take less.
func (s *Scheduler) takesWork() bool {
	counted := s.counted.Load()
	return s.cfg.Able() && counted != nil && time.Since(s.Heartbeat()) < s.cfg.Lease &&
		(s.LiveNodes() == 1 || time.Since(*counted) >= s.cfg.Heartbeat+s.cfg.Heartbeat/2)
}

// beat says that the node lives until work ends; from the end of ctx on it says that it is draining.
func (s *Scheduler) beat(ctx, work context.Context) {
	draining := false
	for {
		wake := ctx.Done()
		if draining {
			wake = nil
		}
		select {
		case <-work.Done():
			return
		case <-wake:
			draining = true
		case <-time.After(s.cfg.Heartbeat):
		}
		err := within(work, func(ctx context.Context) error { return s.beatOnce(ctx, draining) })
		s.complain(work, "heartbeat failed", err)
	}
}

// Load is what a node does at the moment: in its row in the database, from where the API of any node shows it.
type Load struct {
	Engine     EngineInfo     `json:"engine"`
	Workers    WorkersLoad    `json:"workers"`
	Executions ExecutionsLoad `json:"executions"`
	History    HistoryLoad    `json:"history"`
}

// EngineInfo is what a node's workers run scripts with.
type EngineInfo struct {
	V8Version     string `json:"v8_version"`
	JIT           string `json:"jit"`
	ICUVersion    string `json:"icu_version"`
	TZDataVersion string `json:"tzdata_version"`
}

// WorkersLoad counts a node's worker processes by state, and what is in them.
type WorkersLoad struct {
	Starting int `json:"starting"`
	Spare    int `json:"spare"`
	Idle     int `json:"idle"`
	Busy     int `json:"busy"`
	Parked   int `json:"parked"`
	Isolates int `json:"isolates"`
	Tenants  int `json:"tenants"`
}

// ExecutionsLoad counts the executions that a node has accepted, for requests and from the queue, and that have not ended.
type ExecutionsLoad struct {
	Running int `json:"running"`
	Queued  int `json:"queued"` // of these, for a worker
}

// HistoryLoad is what a node has still to write down.
type HistoryLoad struct {
	BacklogRows  int64 `json:"backlog_rows"`
	BacklogBytes int64 `json:"backlog_bytes"`
}

// loadColumn is a node's column of that name.
type loadColumn struct {
	Running     int `json:"running"` // queued executions
	Concurrency int `json:"concurrency"`
	Load
}

// Heartbeat is when the database last took this node's sign of life; zero before the first. It comes every Config.Heartbeat.
func (s *Scheduler) Heartbeat() time.Time {
	if at := s.beaten.Load(); at != nil {
		return *at
	}
	return time.Time{}
}

// maxSkew is the difference between the node's and the database's clock that is worth a warning.
const maxSkew = time.Second

func (s *Scheduler) beatOnce(ctx context.Context, draining bool) error {
	load, err := json.Marshal(loadColumn{Running: s.Running(), Concurrency: s.cfg.Concurrency, Load: s.cfg.Load()})
	if err != nil {
		return err
	}
	able, sent := s.cfg.Able(), time.Now()
	if !able || sent.Sub(s.Heartbeat()) >= s.cfg.Lease {
		s.counted.Store(nil) // before the others may see it
	}
	err = s.queries.NodeBeat(ctx, sqlc.NodeBeatParams{
		ID: s.cfg.NodeID, Hostname: s.cfg.Hostname, Version: s.cfg.Version, Draining: draining, CanRun: able, Load: load,
	})
	if err != nil {
		return err
	}
	s.beaten.Store(&sent)
	// A node that is cut off has ended its runs after two thirds of a lease, so that after a whole one its share is free.
	before := time.Now()
	live, err := s.queries.NodeLive(ctx, s.cfg.Lease.Seconds())
	if err != nil {
		return err
	}
	place, found := slices.BinarySearchFunc(live, s.cfg.NodeID, func(n sqlc.NodeLiveRow, id uuid.UUID) int { return bytes.Compare(n.ID[:], id[:]) })
	nodes := len(live)
	if !found {
		nodes++
	}
	s.cfg.Members.Set(nodes, place)
	if able {
		now := time.Now()
		s.counted.CompareAndSwap(nil, &now)
	}
	s.cfg.Observer.Nodes(nodes)
	if len(live) > 0 {
		took := time.Since(before)
		if skew := live[0].DatabaseNow.Sub(before.Add(took / 2)); skew.Abs() > maxSkew+took/2 {
			s.cfg.Logger.Warn("this node's clock differs from the database's; the database's counts", "skew_ms", skew.Milliseconds())
		}
	}
	return nil
}
