package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/semaphore"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/quota"
	"example.com/jsruntime/engine/storage"
	"example.com/jsruntime/engine/text"
	"example.com/jsruntime/sqlc"
)

const (
	// reserve is the share of the buffer that is kept for executions which had begun before it was full.
	reserve = 16
	// stalledAfter is how long nothing may have been written when the buffer counts as full: with a Postgres that takes rows, callers
	// wait for room as long as a batch takes.
	stalledAfter = time.Second
)

// ErrClosed is Record's answer after Run has ended: the row would not be written.
var ErrClosed = errors.New("ledger: closed")

// quietRows is below how many waiting rows a batch is made half as often: a flush costs node and Postgres as much as some fifty rows do.
const quietRows = 50

// rowOverhead is what a row costs beside its tuple and logs: its struct, 260 bytes, rounded up for slices and allocator.
const rowOverhead = 512

// maxScratch is the largest scratch that is kept: with bodies up to record.MaxBodyBytes a tuple is rarely larger.
const maxScratch = 256 << 10

// Config says where a Ledger writes and how much it holds.
type Config struct {
	// Pool is written to. Required. Writers connections of it are in use at most.
	Pool *pgxpool.Pool
	// NodeID is kept with each execution. Zero: none is.
	NodeID uuid.UUID
	// Long calls see for each execution for which a caller waits and that has run for at least min, with what is known of it: when it
	// began, and its tenant's secrets. It is called with a lock of the Ledger's held. Nil: executions have no row before they have ended.
	Long func(min time.Duration, see func(*engine.Invocation, *engine.Result))
	// Cancel ends an execution of this node. Required with Long.
	Cancel func(executionID uuid.UUID, cause error) bool
	// Lease is how long the row of an execution that runs says so without a sign of life of this node. 0: 15 s.
	Lease time.Duration
	// FlushInterval is how long a row waits for others, twice that while fewer than 50 rows wait. 0: 40 ms, so that a row is on record
	// within 100 ms: 20 ms of these are left to the transaction, where it waits longest.
	FlushInterval time.Duration
	// BatchRows makes a batch at once, and is the most that one transaction writes. 0: 2,000.
	BatchRows int
	// BufferBytes bounds the rows that wait. 0: 64 MiB, about 40,000 small requests.
	BufferBytes int64
	// Writers is how many transactions may be under way at once. 0: 2.
	Writers int
	// ShutdownGrace is how long Run still tries to write the waiting rows after its ctx has ended. 0: 15 seconds.
	ShutdownGrace time.Duration
	// Storage counts what is written, and says for which tenants rows are kept without bodies and logs. nil: none.
	Storage *storage.Meter
	// Quota is told what was used: when an execution is recorded, and when it is written. nil: nothing is.
	Quota *quota.Meter
	// Log gets outages and dropped rows. nil: slog.Default().
	Log *slog.Logger
}

// Ledger writes executions down. Its methods may be called from any goroutine.
type Ledger struct {
	cfg     Config
	log     *slog.Logger
	queries *sqlc.Queries

	room *semaphore.Weighted // bytes of BufferBytes
	wake chan struct{}       // to Run: there is a first row, more than a few, a full batch, or a caller in Flush

	mu       sync.Mutex
	closed   bool
	waiting  []*row              // in the order of their numbers
	sums     map[sumKey]*row     // the rows of waiting that stand for further executions
	since    time.Time           // when the first of waiting came
	urgent   int                 // how many of waiting are to be on record within 100 ms: all but the sums
	urgentAt time.Time           // when the first of these came
	next     uint64              // number of the next row
	inFlight map[uint64]struct{} // first numbers of the batches being written
	flushing []flushWait
	shown    map[uuid.UUID]*shown // executions that run and may have a row
	answered []uuid.UUID          // marks of batches whose commit was answered, until the next mark takes them away

	progress atomic.Pointer[time.Time] // when room was last given free, or the first row of an empty buffer came

	refusals refusals

	// apiece: this server's foreign keys are checked row by row, because the database user may not have them checked once a batch.
	apiece atomic.Bool
	asked  atomic.Bool // apiece is known

	scratch sync.Pool // *[]byte: where a tuple is made, before its size is known

	counts counts
}

// row is an execution as it will stand in Postgres.
type row struct {
	tuple    tuple
	id       uuid.UUID
	usage    usageKey // names script and tenant
	sum      usageSum
	logs     []byte // its lines' tuples
	calls    []byte // its host calls' tuples
	size     int64
	number   uint64
	stripped bool      // its tuple has nothing from outside
	rollout  uuid.UUID // the deployment of its version, while that is rolled out
	version  int       // of the script
	code     engine.Code
	absent   bool     // only its usage is written: its script's history does not keep it
	shown    bool     // it may have a row, as one that runs
	runs     int64    // executions that it stands for: of a sum any number, else one
	metered  usageSum // what of sum Config.Quota has counted, and waits for what becomes of it
}

// flushWait is a caller of Flush: done closes when all rows below the number are written or dropped.
type flushWait struct {
	below uint64
	done  chan struct{}
}

type counts struct {
	recorded, refused, written, dropped, batches, retries atomic.Int64
	waitingRows, waitingBytes                             atomic.Int64
	outage                                                atomic.Bool
}

// Stats are a Ledger's figures since its start.
type Stats struct {
	Recorded     int64 // rows taken
	Refused      int64 // rows not taken: there was no room for as long as their caller would wait, or Run has ended
	Written      int64 // rows committed
	Dropped      int64 // rows of deleted scripts, and rows that Postgres refused for what is in them
	Batches      int64 // transactions committed
	Retries      int64 // transactions tried again
	BacklogRows  int64 // taken and neither written nor dropped
	BacklogBytes int64
	BufferBytes  int64 // what BacklogBytes may reach
	Outage       bool  // the last transaction failed because Postgres is away
}

// New makes a Ledger. Record works at once; Run writes.
func New(cfg Config) (*Ledger, error) {
	if cfg.Pool == nil {
		return nil, errors.New("Pool: must be set")
	}
	cfg.FlushInterval = cmp.Or(cfg.FlushInterval, 40*time.Millisecond)
	cfg.BatchRows = cmp.Or(cfg.BatchRows, 2000)
	cfg.BufferBytes = cmp.Or(cfg.BufferBytes, 64<<20)
	cfg.Writers = cmp.Or(cfg.Writers, 2)
	cfg.ShutdownGrace = cmp.Or(cfg.ShutdownGrace, 15*time.Second)
	for name, n := range map[string]int64{
		"FlushInterval": int64(cfg.FlushInterval), "BatchRows": int64(cfg.BatchRows), "BufferBytes": cfg.BufferBytes, "Writers": int64(cfg.Writers),
	} {
		if n < 0 {
			return nil, fmt.Errorf("%s: must not be negative", name)
		}
	}
	cfg, err := cfg.runningDefaults()
	if err != nil {
		return nil, err
	}
	return &Ledger{
		shown:   map[uuid.UUID]*shown{},
		sums:    map[sumKey]*row{},
		scratch: sync.Pool{New: func() any { return new([]byte) }},
		cfg:     cfg, log: cmp.Or(cfg.Log, slog.Default()), queries: sqlc.New(cfg.Pool),
		room: semaphore.NewWeighted(cfg.BufferBytes), wake: make(chan struct{}, 1), inFlight: make(map[uint64]struct{}),
	}, nil
}

// Record takes an execution that has ended. It returns at once while there is room, and otherwise waits for room until ctx
// ends; its error means that the execution is not on record, and its caller must not answer as if it were. It copies what it
// keeps.
func (l *Ledger) Record(ctx context.Context, inv *engine.Invocation, res *engine.Result) error {
	if l.addToSum(inv, res) {
		return nil
	}
	r := l.rowOf(inv, res)
	if !l.room.TryAcquire(r.size) {
		if err := l.room.Acquire(ctx, r.size); err != nil {
			l.counts.refused.Add(1)
			return fmt.Errorf("ledger is full: %w", cmp.Or(context.Cause(ctx), err))
		}
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		l.room.Release(r.size)
		l.counts.refused.Add(1)
		return ErrClosed
	}
	if l.cfg.Quota.Recorded(r.usage.tenant, r.sum.amount()) {
		r.metered = r.sum
	}
	r.shown = l.wasShown(r.id)
	poke := l.append(r)
	l.mu.Unlock()
	l.counts.recorded.Add(1)
	l.counts.waitingRows.Add(1)
	if l.counts.waitingBytes.Add(r.size) == r.size {
		l.progressed()
	}
	if poke {
		l.poke()
	}
	return nil
}

// append lets a row wait, and reports whether Run must know of it. l.mu is held.
func (l *Ledger) append(r *row) (poke bool) {
	r.number = l.next
	l.next++
	now := time.Now()
	if len(l.waiting) == 0 {
		l.since, poke = now, true
	}
	l.waiting = append(l.waiting, r)
	poke = poke || len(l.waiting) == l.cfg.BatchRows
	if key, ok := r.summed(); ok {
		l.sums[key] = r
		return poke
	}
	if r.code != engine.CodeNone {
		clear(l.sums) // what completes after a failure is counted after it
	}
	if l.urgent++; l.urgent == 1 {
		l.urgentAt, poke = now, true
	}
	return poke || l.urgent == quietRows
}

// Full reports whether Postgres takes nothing and hardly any room is left, so that nothing should be run whose row would have to
// wait. Executions that have begun still find a sixteenth of the buffer. It may be asked for every request.
func (l *Ledger) Full() bool {
	if l.counts.waitingBytes.Load() <= l.cfg.BufferBytes-l.cfg.BufferBytes/reserve {
		return false
	}
	at := l.progress.Load()
	return at != nil && time.Since(*at) > stalledAfter
}

func (l *Ledger) progressed() {
	now := time.Now()
	l.progress.Store(&now)
}

// Flush writes what has been recorded by now, and returns when it is on record: for callers that want to read their writes.
func (l *Ledger) Flush(ctx context.Context) error {
	l.mu.Lock()
	wait := flushWait{below: l.next, done: make(chan struct{})}
	l.flushing = append(l.flushing, wait)
	l.settleFlushes()
	l.mu.Unlock()
	l.poke()
	select {
	case <-wait.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("flush ledger: %w", context.Cause(ctx))
	}
}

// Stats returns the figures of now.
func (l *Ledger) Stats() Stats {
	return Stats{
		Recorded: l.counts.recorded.Load(), Refused: l.counts.refused.Load(), Written: l.counts.written.Load(), Dropped: l.counts.dropped.Load(),
		Batches: l.counts.batches.Load(), Retries: l.counts.retries.Load(),
		BacklogRows: l.counts.waitingRows.Load(), BacklogBytes: l.counts.waitingBytes.Load(),
		BufferBytes: l.cfg.BufferBytes, Outage: l.counts.outage.Load(),
	}
}

func (l *Ledger) poke() {
	select {
	case l.wake <- struct{}{}:
	default: // Run has been told already
	}
}

// Run writes until ctx ends, and then what still waits, for at most ShutdownGrace. End what calls Record before. Its error, and a line
// of the log, say how many rows could not be written.
func (l *Ledger) Run(ctx context.Context) error {
	// Writing goes on beyond ctx.
	writing, giveUp := context.WithCancelCause(context.WithoutCancel(ctx))
	defer giveUp(nil)
	defer context.AfterFunc(ctx, func() {
		time.AfterFunc(l.cfg.ShutdownGrace, func() { giveUp(errors.New("shutdown grace has passed")) })
		l.poke()
	})()
	var watching sync.WaitGroup
	watching.Go(func() { l.watchRunning(ctx) })
	watching.Go(func() { l.watchRefusals(ctx) })
	watching.Go(func() { l.pruneMarks(ctx) })
	defer watching.Wait()
	var writers sync.WaitGroup
	slots := make(chan struct{}, l.cfg.Writers)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		ending := ctx.Err() != nil
		batch, wait := l.take(ending)
		if batch == nil {
			if ending {
				break
			}
			timer.Reset(wait)
			select {
			case <-l.wake:
			case <-timer.C:
			case <-ctx.Done():
			}
			continue
		}
		slots <- struct{}{}
		writers.Go(func() {
			l.write(writing, batch)
			l.settle(batch)
			<-slots
		})
	}
	writers.Wait()
	if lost := l.counts.waitingRows.Load(); lost > 0 {
		l.log.Error("executions lost: they could not be written before the node ended", "executions", lost)
		return fmt.Errorf("ledger: %d executions could not be written: %w", lost, context.Cause(writing))
	}
	return nil
}

// take returns the next batch, or how long to wait for one. When ending, it closes the ledger once nothing waits.
func (l *Ledger) take(ending bool) (batch []*row, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		l.closed = l.closed || ending
		return nil, time.Hour
	}
	if rest := time.Until(l.due()); rest > 0 && len(l.waiting) < l.cfg.BatchRows && len(l.flushing) == 0 && !ending {
		return nil, rest
	}
	n := min(len(l.waiting), l.cfg.BatchRows)
	batch = l.waiting[:n:n]
	l.waiting = l.waiting[n:]
	l.urgent = 0
	for _, r := range l.waiting {
		if _, ok := r.summed(); !ok {
			l.urgent++
		}
	}
	if len(l.waiting) == 0 {
		l.waiting = nil // the batch has the array
	}
	clear(l.sums)
	l.since = time.Now()
	l.urgentAt = l.since
	l.inFlight[batch[0].number] = struct{}{}
	return batch, 0
}

// due is when the waiting rows are to be written. l.mu is held.
func (l *Ledger) due() time.Time {
	interval := l.cfg.FlushInterval
	if l.urgent < quietRows {
		interval *= 2
	}
	due := l.since.Add(max(interval, usageInterval))
	if soon := l.urgentAt.Add(interval); l.urgent > 0 && soon.Before(due) {
		return soon
	}
	return due
}

// settle gives the batch's room free and answers those in Flush.
func (l *Ledger) settle(batch []*row) {
	var size int64
	for _, r := range batch {
		size += r.size
	}
	l.progressed()
	l.room.Release(size)
	l.counts.waitingBytes.Add(-size)
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.inFlight, batch[0].number)
	l.settleFlushes()
}

// settleFlushes answers those in Flush whose rows are all done. The caller holds mu.
func (l *Ledger) settleFlushes() {
	oldest := l.next
	if len(l.waiting) > 0 {
		oldest = l.waiting[0].number
	}
	for number := range l.inFlight {
		oldest = min(oldest, number)
	}
	open := l.flushing[:0]
	for _, wait := range l.flushing {
		if wait.below <= oldest {
			close(wait.done)
		} else {
			open = append(open, wait)
		}
	}
	l.flushing = open
}

// LogBytes is what a line of a log counts as stored.
func LogBytes(message string) int64 { return 120 + int64(len(message)) }

func (l *Ledger) rowOf(inv *engine.Invocation, res *engine.Result) *row {
	endedAt := endOf(res)
	startedAt := res.StartedAt
	if startedAt.IsZero() || startedAt.After(endedAt) {
		startedAt = endedAt
	}
	queuedAt := startedAt
	if !inv.QueuedAt.IsZero() {
		// Counted back from there: between two readings the wall clock may have been set.
		queuedAt = startedAt.Add(-max(startedAt.Sub(inv.QueuedAt), 0))
	}
	script := inv.Script
	if absent(inv, res) {
		return &row{
			id: inv.ExecutionID, usage: usageOf(inv, res), runs: 1,
			sum: sumOf(res.Metrics), size: rowOverhead, absent: true, rollout: script.Deployment, version: script.Version, code: res.Code,
		}
	}
	state, _ := l.cfg.Storage.State(script.TenantID)
	lean := state != storage.Normal
	scratch := l.scratch.Get().(*[]byte)
	encoded := appendTuple((*scratch)[:0], inv, res, lean, l.cfg.NodeID, queuedAt, startedAt, endedAt)
	r := &row{
		tuple: slices.Clone(encoded), id: inv.ExecutionID, runs: 1,
		usage: usageOf(inv, res),
		sum:   sumOf(res.Metrics), rollout: script.Deployment, version: script.Version, code: res.Code,
	}
	if cap(encoded) <= maxScratch {
		*scratch = encoded
	}
	l.scratch.Put(scratch)
	r.size = rowOverhead + int64(len(r.tuple))
	l.cfg.Storage.Add(script.TenantID, storage.Executions, storage.RowBytes+int64(len(r.tuple)))
	if lean {
		r.size = min(r.size, l.cfg.BufferBytes)
		return r
	}
	last, logged := 0, int64(0)
	for i, line := range res.Logs {
		seq := line.Seq
		if i > 0 && seq <= last {
			seq = last + 1 // the number is half of the key
		}
		last = seq
		level := line.Level
		switch level {
		case "debug", "info", "warn", "error":
		default:
			level = "info"
		}
		at := line.At
		if at.IsZero() {
			at = endedAt
		}
		r.logs = appendLog(r.logs, inv, seq, level, text.Clean(line.Message), at)
		logged += LogBytes(line.Message)
	}
	l.cfg.Storage.Add(script.TenantID, storage.Logs, logged)
	var called int64
	for i := range res.Calls {
		before := len(r.calls)
		r.calls = appendCall(r.calls, inv, &res.Calls[i], res.Secrets)
		called += int64(len(r.calls) - before)
	}
	if called > 0 {
		l.cfg.Storage.Add(script.TenantID, storage.Calls, called)
	}
	r.size += int64(cap(r.logs) + cap(r.calls))
	r.size = min(r.size, l.cfg.BufferBytes) // one that is larger than all goes alone
	return r
}
