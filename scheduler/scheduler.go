package scheduler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/cluster"
	"example.com/jsruntime/engine/quota"
	"example.com/jsruntime/engine/storage"
	"example.com/jsruntime/engine/wake"
	"example.com/jsruntime/sqlc"
)

// Scripts gives the scripts that executions name. engine/catalog has it.
type Scripts interface {
	// Script returns one version of a script; its error is catalog.ErrScriptUnknown where there is no such version.
	Script(ctx context.Context, tenantID, scriptID uuid.UUID, version int) (*engine.Script, error)
}

// Config says what a Scheduler works on, and how much of it at a time.
type Config struct {
	// Pool is the database. It must be set, and should be the scheduler's own: a lease must not wait for a connection behind
	// requests. Eight connections are plenty.
	Pool *pgxpool.Pool
	// Executor runs the executions. It must be set.
	Executor engine.Executor
	// Scripts gives it their scripts. It must be set.
	Scripts Scripts

	// Node is this process among the others. It must be set, and its Run called by the caller: before the Scheduler's, and until after it.
	Node *cluster.Node
	// Listener brings notifications; its Run is the caller's. Nil: everything is found by polling.
	Listener *cluster.Listener

	// Concurrency is how many queued executions this node runs at one time. 0 means 64.
	Concurrency int
	// Bounds are the operator's defaults and ceilings of scripts' limits, max_concurrent_runs among them. Zero: catalog.BuiltIn().
	Bounds catalog.Bounds
	// TenantConcurrency is how many queued executions a tenant whose plan names no max_concurrent_runs has running at
	// one time across all nodes. 0 means 100.
	TenantConcurrency int

	// Poll is how often the queue is looked at when no notification comes. 0 means 1 s.
	Poll time.Duration
	// MissedGrace is how late a tick may be and still count as on time; later ones go by their schedule's policy for missed ticks.
	// 0 means 10 s.
	MissedGrace time.Duration
	// DrainTimeout is how long Run lets executions end by themselves once its context is done. 0 means 30 s.
	DrainTimeout time.Duration
	// Retention is how long ended executions, their logs and events are kept, for tenants whose plan names no other. 0 means 90 days;
	// less than 0 means for ever.
	Retention time.Duration
	// FailedRetention is the same for executions that did not complete. 0 means Retention.
	FailedRetention time.Duration
	// LogRetention is the same for logs, which go with their executions in any case. 0 means Retention.
	LogRetention time.Duration
	// AuditRetention is how long the audit log is kept. 0 means 365 days; less than 0 means for ever.
	AuditRetention time.Duration
	// DeadLetterRetention is how long dead letters are kept. 0 means 90 days; less than 0 means for ever.
	DeadLetterRetention time.Duration
	// KeepVersions is how many of a script's newest versions are kept however old they are. An older version is kept for Retention, and as
	// long as an execution that waits or runs names it. 0 means 50; less than 0 keeps all.
	KeepVersions int
	// Storage counts what endings write, and says for which tenants they are kept without output and logs. nil: none.
	Storage *storage.Meter
	// Quota is told what endings used. Of a tenant that has reached a hard mark nothing is claimed, and its ticks are skipped. nil: none has.
	Quota *quota.Meter
	// MaxHistoryBytes is the storage quota of tenants whose plan names none: the oldest executions of a tenant near it are deleted early.
	// 0 means storage.DefaultHistoryBytes.
	MaxHistoryBytes int64
	// PartitionRows is how many executions a partition of the history should have at most: a day with more gets shorter ones. 0 means
	// partitions.DefaultRows.
	PartitionRows int64
	// PruneInterval is how often what is older is looked for. 0 means 10 min.
	PruneInterval time.Duration

	// Full reports whether a script or its tenant has as many executions on this node, requests included, as it may have at one time here.
	// One execution of such a script is claimed, waits for its turn and takes none of Concurrency meanwhile. Nil: none is full.
	Full func(scriptID uuid.UUID) bool
	// Cancel ends an execution of this node that is not of the queue, and reports whether there is one: requests to cancel come by the
	// Listener's notifications. Nil: there are none.
	Cancel func(executionID uuid.UUID, cause error) bool
	// Observer is told what happens. Nil: no observer.
	Observer Observer
	// Logger gets the scheduler's log. Nil discards.
	Logger *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Pool == nil:
		return c, errors.New("Pool is required")
	case c.Executor == nil:
		return c, errors.New("Executor is required")
	case c.Scripts == nil:
		return c, errors.New("Scripts is required")
	case c.Node == nil:
		return c, errors.New("Node is required")
	}
	c.Concurrency = cmp.Or(c.Concurrency, 64)
	c.TenantConcurrency = cmp.Or(c.TenantConcurrency, 100)
	for _, positive := range []struct {
		name  string
		value int
	}{{"Concurrency", c.Concurrency}, {"TenantConcurrency", c.TenantConcurrency}} {
		if positive.value < 1 {
			return c, fmt.Errorf("%s must be at least 1, not %d", positive.name, positive.value)
		}
	}
	c.Poll = cmp.Or(c.Poll, time.Second)
	c.MissedGrace = cmp.Or(c.MissedGrace, 10*time.Second)
	c.DrainTimeout = cmp.Or(c.DrainTimeout, 30*time.Second)
	c.Retention = cmp.Or(c.Retention, 90*24*time.Hour)
	c.FailedRetention = cmp.Or(c.FailedRetention, c.Retention)
	c.LogRetention = cmp.Or(c.LogRetention, c.Retention)
	c.AuditRetention = cmp.Or(c.AuditRetention, 365*24*time.Hour)
	c.DeadLetterRetention = cmp.Or(c.DeadLetterRetention, 90*24*time.Hour)
	c.KeepVersions = cmp.Or(c.KeepVersions, 50)
	c.MaxHistoryBytes = cmp.Or(c.MaxHistoryBytes, storage.DefaultHistoryBytes)
	c.PruneInterval = cmp.Or(c.PruneInterval, 10*time.Minute)
	if c.Full == nil {
		c.Full = func(uuid.UUID) bool { return false }
	}
	if c.Cancel == nil {
		c.Cancel = func(uuid.UUID, error) bool { return false }
	}
	if c.Observer == nil {
		c.Observer = NopObserver{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// writeTimeout is how long Run, when all executions have ended, goes on trying to write their endings.
const writeTimeout = 15 * time.Second

// Why runs are cancelled.
var (
	errCancelRequested = errors.New("cancelled")
	errLeaseLost       = engine.WithoutGrace(errors.New("the node lost the execution's lease")) // it may be running elsewhere
	errDrained         = errors.New("the node was shut down")
)

// Scheduler decides when executions run, claims them, hands them to the Executor and writes down how they ended.
type Scheduler struct {
	cfg     Config
	queries *sqlc.Queries
	members *cluster.Members // Config.Node's

	queueWake wake.Signal // the queue may have something
	tickWake  wake.Signal // a schedule may be due
	born      newborn     // executions that this node has queued and not yet claimed
	armWake   wake.Signal // a schedule may lack its next tick

	// once: foreign keys of ticks are checked once a batch. asked: it is known. Both belong to the goroutine of tick.
	once, asked bool

	notify wake.Signal // other nodes are to be woken

	mu      sync.Mutex
	held    map[uuid.UUID]*held     // executions that this node has leases of
	running map[uuid.UUID]int       // by script and by tenant: begun or about to begin, and not ended
	blocked map[uuid.UUID]int       // by script and by tenant: how many of running wait for another execution of their script or tenant
	slots   int                     // how many are running and not blocked
	pauses  map[uuid.UUID]time.Time // by script and by tenant: until when nothing of it is claimed
	took    time.Duration           // moving average of what an execution takes; 0: not known

	endings endings
	paused  atomic.Pointer[time.Time] // until when the Executor wants nothing; nil: it does
}

// held is an execution that this node has leased.
type held struct {
	row    *sqlc.ExecutionClaimRow
	token  uuid.UUID
	cancel context.CancelCauseFunc
	since  time.Time // before the claim or the last renewal was sent
	// blocked: it waits for an execution of its own script or tenant to end, and takes no slot until it begins. Guarded by Scheduler.mu.
	blocked bool
	// claimed is when it was claimed, and shown says that its row has the status running. shown is guarded by Scheduler.mu.
	claimed time.Time
	shown   bool
	// writing: it has ended and its ending is being written. Its lease is renewed for as long as that takes.
	writing  bool
	size     int  // bytes of what the script made; 0: not counted
	stripped bool // its ending is written without what the script made
	// refused: something that it asked for was not done, since another node may hold its lease. Its ending counts for nothing.
	refused bool
}

// New returns a Scheduler that has started nothing yet.
func New(cfg Config) (*Scheduler, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Scheduler{
		cfg: cfg, queries: sqlc.New(cfg.Pool), members: cfg.Node.Members(),
		queueWake: wake.New(), tickWake: wake.New(), armWake: wake.New(), notify: wake.New(),
		held: map[uuid.UUID]*held{}, running: map[uuid.UUID]int{}, blocked: map[uuid.UUID]int{}, pauses: map[uuid.UUID]time.Time{},
	}
	s.endings.begin()
	if cfg.Listener != nil {
		cfg.Listener.Subscribe(channelQueue, func(string) { s.queueWake.Set() })
		cfg.Listener.Subscribe(channelCancel, s.heardCancel)
		cfg.Listener.Subscribe(channelChanged, s.heardChange)
	}
	return s, nil
}

// Concurrency is Config.Concurrency.
func (s *Scheduler) Concurrency() int { return s.cfg.Concurrency }

// Wake says that executions were put into the queue, by a transaction that is committed: this node looks at once, the others are
// notified at most every 50 ms.
func (s *Scheduler) Wake() {
	s.queueWake.Set()
	s.notify.Set()
}

// Running is how many queued executions run on this node.
func (s *Scheduler) Running() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.slots
}

// Run works until ctx is done; then it claims nothing more, lets what runs end within DrainTimeout, gives the rest back to the
// queue, writes every ending down and returns. A database that is away is waited for; it is no error.
func (s *Scheduler) Run(ctx context.Context) error {
	// Work outlives ctx: leases are kept and endings written until the last execution has ended.
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()

	select {
	case <-s.cfg.Node.Joined():
	case <-ctx.Done():
		return nil // there was no database yet
	}

	var claiming, working sync.WaitGroup
	var runs sync.WaitGroup
	working.Go(func() { s.keepLeases(work) })
	working.Go(func() { s.watchCancels(work) })
	working.Go(func() { s.showRunning(work) })
	writing := make(chan struct{})
	go func() {
		defer close(writing)
		var writers sync.WaitGroup
		for range endingWriters {
			writers.Go(func() { s.writeEndings(work) })
		}
		writers.Wait()
	}()

	claiming.Go(func() { s.notifyOthers(ctx) })
	claiming.Go(func() { s.dispatch(ctx, work, &runs) })
	claiming.Go(func() { s.tick(ctx) })
	claiming.Go(func() { s.arm(ctx) })
	claiming.Go(func() { s.rescue(ctx) })
	claiming.Go(func() { s.keepPartitions(ctx) })
	claiming.Go(func() { s.prune(ctx) })
	claiming.Go(func() { s.pruneOver(ctx) })

	<-ctx.Done()
	s.cfg.Node.Drain()
	claiming.Wait()
	s.drain(&runs)
	s.endings.close()
	select {
	case <-writing:
	case <-time.After(writeTimeout):
		s.cfg.Logger.Error("endings not written; the executions will be rescued")
	}
	stopWork()
	<-writing
	working.Wait()
	return nil
}

// drain waits for the runs, and cancels them when DrainTimeout has passed.
func (s *Scheduler) drain(runs *sync.WaitGroup) {
	done := make(chan struct{})
	go func() { defer close(done); runs.Wait() }()
	select {
	case <-done:
		return
	case <-time.After(s.cfg.DrainTimeout):
	}
	s.mu.Lock()
	s.cfg.Logger.Warn("executions did not end in time and are given back", "executions", len(s.held))
	for _, h := range s.held {
		h.cancel(errDrained)
	}
	s.mu.Unlock()
	<-done
}

// complain logs an error of the database, unless it only says that we are stopping.
func (s *Scheduler) complain(ctx context.Context, message string, err error) {
	if err != nil && ctx.Err() == nil {
		s.cfg.Logger.Error(message, "error", err)
	}
}

func seconds(f float64) time.Duration { return time.Duration(f * float64(time.Second)) }
