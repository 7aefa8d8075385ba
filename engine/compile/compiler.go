package compile

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine/admission"
)

// Config is a Compiler's.
type Config struct {
	// CacheBytes bounds the results that are kept for sources that come again (a restored version, a retried request), refusals
	// included; 0 means 32 MiB.
	CacheBytes int
	// Parallel is how many compilations may be under way, each of which may need ChildMemory for a hostile source; 0 means 2. One
	// tenant has half of them at most, and one at least.
	Parallel int
	// TenantQueue is how many compilations of one tenant may wait; 0 means 16.
	TenantQueue int
	// Queue is how many may wait in all; 0 means 128.
	Queue int
	// QueueWait is how long one may wait; 0 means 30 s.
	QueueWait time.Duration
	// Budget is the node's memory, of which a compilation takes a part by its source's size; nil means that none is counted.
	Budget *admission.Budget
	// Command starts a process that calls Child, one a source. Empty means to compile in this process, which a hostile source
	// can kill.
	Command []string
}

// BusyError says that a source was not compiled now. It says nothing about the source.
type BusyError struct {
	Scope      admission.Scope // ScopeTenant or ScopeNode
	Limit      string          // its name: compile_queue, compile_wait, compile_time
	Detail     string          // with the limit's value
	RetryAfter time.Duration
}

func (e *BusyError) Error() string { return e.Limit + ": " + e.Detail }

// Stats are figures of the moment, and counts since the start.
type Stats struct {
	Running, Waiting          int
	Compiled, Refused, Cached int64 // sources that were compiled, refused as their authors', answered from memory
	BusyTenant, BusyNode      int64 // BusyErrors by scope
}

// Compiler compiles with a memory by the source's hash. Tenants take turns: see admission.Turns.
type Compiler struct {
	command []string
	cfg     Config

	mu     sync.Mutex // guards what follows
	turns  *admission.Turns
	next   uint64                     // the last ticket
	waits  map[uint64]chan<- *refused // by ticket; gets nil for a place
	memory memory
	stats  Stats
}

// refused carries a scope over a channel.
type refused struct{ scope admission.Scope }

// New returns a Compiler.
func New(cfg Config) (*Compiler, error) {
	switch {
	case cfg.CacheBytes < 0 || cfg.Parallel < 0 || cfg.TenantQueue < 0 || cfg.Queue < 0:
		return nil, errors.New("CacheBytes, Parallel, TenantQueue, Queue: must not be negative")
	case cfg.QueueWait < 0:
		return nil, errors.New("QueueWait: must not be negative")
	}
	cfg.Parallel = cmp.Or(cfg.Parallel, 2)
	cfg.TenantQueue = cmp.Or(cfg.TenantQueue, 16)
	cfg.Queue = cmp.Or(cfg.Queue, 128)
	cfg.QueueWait = cmp.Or(cfg.QueueWait, 30*time.Second)
	return &Compiler{
		command: slices.Clone(cfg.Command), cfg: cfg, waits: map[uint64]chan<- *refused{},
		turns: admission.NewTurns(admission.TurnsConfig{
			Places: cfg.Parallel, TenantPlaces: max(1, cfg.Parallel/2), TenantQueue: cfg.TenantQueue, Queue: cfg.Queue,
		}),
		memory: newMemory(cmp.Or(cfg.CacheBytes, 32<<20)),
	}, nil
}

// Stats returns the figures.
func (c *Compiler) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, t := c.stats, c.turns.Stats()
	s.Running, s.Waiting = t.Served, t.Waiting
	return s
}

// What a compilation takes of the budget: the measured need of real packages (111 MiB for one of 1 MiB, esbuild v0.28, Nov 2026). The
// kernel bounds what a hostile source takes beyond it, see ChildMemory, and kills a child before the node.
const (
	bytesPerCompile    = 16 << 20
	bytesPerSourceByte = 100
)

// Compile compiles in when it is its tenant's turn. A refusal of the source is a *Error, and is remembered like a result. A
// *BusyError, or an *admission.OverBudgetError, means that it was not looked at.
func (c *Compiler) Compile(ctx context.Context, in Input) (*Output, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	text := in.text()
	key := memoryKey(sha256.Sum256([]byte(fmt.Sprintf("%s %d\x00%s", in.Handler, min(len(in.Files), 1), text))))
	if out, err, ok := c.recall(key); ok {
		return out, err
	}
	if err := c.takeTurn(ctx, in.Tenant); err != nil {
		return nil, err
	}
	defer c.endTurn(in.Tenant)
	// The same source may have been compiled meanwhile.
	if out, err, ok := c.recall(key); ok {
		return out, err
	}
	memory, err := c.cfg.Budget.Take(in.Tenant, admission.UseCompile, bytesPerCompile+bytesPerSourceByte*int64(len(text)))
	if err != nil {
		return nil, err
	}
	defer memory.Release()
	compile := Compile
	if len(c.command) > 0 {
		compile = func(ctx context.Context, in Input) (*Output, error) { return compileInChild(ctx, c.command, in) }
	}
	out, err := compile(ctx, in)
	c.remember(key, out, err)
	return out, err
}

func (c *Compiler) recall(key memoryKey) (out *Output, err error, ok bool) { // the error is the source's, as remembered
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.memory.get(key, time.Now())
	if e == nil {
		return nil, nil, false
	}
	c.stats.Cached++
	if e.err != nil {
		return nil, e.err, true
	}
	return e.out, nil, true
}

func (c *Compiler) remember(key memoryKey, out *Output, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var (
		refusal *Error
		busy    *BusyError
	)
	switch {
	case err == nil:
		c.stats.Compiled++
	case errors.As(err, &refusal):
		c.stats.Refused++
	case errors.As(err, &busy):
		c.stats.BusyNode++
		return
	default:
		return
	}
	c.memory.put(key, out, refusal, time.Now())
}

// takeTurn waits for a place.
func (c *Compiler) takeTurn(ctx context.Context, tenant uuid.UUID) error {
	answer := make(chan *refused, 1)
	c.mu.Lock()
	c.next++
	ticket := c.next
	c.waits[ticket] = answer
	c.apply(c.turns.Submit(tenant, ticket))
	c.mu.Unlock()

	patience := time.NewTimer(c.cfg.QueueWait)
	defer patience.Stop()
	var failure error
	select {
	case r := <-answer:
		return c.refusal(r)
	case <-ctx.Done():
		failure = context.Cause(ctx)
	case <-patience.C:
		failure = &BusyError{Scope: admission.ScopeNode, Limit: "compile_wait", Detail: fmt.Sprintf("no turn to compile within %d s", int(c.cfg.QueueWait/time.Second)), RetryAfter: 5 * time.Second}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waits, ticket)
	if !c.turns.Gone(tenant, ticket) {
		if r := <-answer; r == nil { // a place came at the same moment
			c.apply(c.turns.Ended(tenant))
		}
	}
	if ctx.Err() == nil {
		c.stats.BusyNode++
	}
	return failure
}

func (c *Compiler) refusal(r *refused) error {
	if r == nil {
		return nil
	}
	if r.scope == admission.ScopeTenant {
		return &BusyError{Scope: r.scope, Limit: "compile_queue", Detail: fmt.Sprintf("%d sources of the tenant wait to be compiled, as many as may", c.cfg.TenantQueue), RetryAfter: time.Second}
	}
	return &BusyError{Scope: r.scope, Limit: "compile_queue", Detail: fmt.Sprintf("%d sources wait to be compiled on this node, as many as may", c.cfg.Queue), RetryAfter: 2 * time.Second}
}

// apply tells tickets what became of them. The caller holds mu.
func (c *Compiler) apply(actions []admission.TurnAction) {
	for _, a := range actions {
		answer := c.waits[a.Ticket]
		delete(c.waits, a.Ticket)
		if a.Refused == admission.ScopeNone {
			answer <- nil
			continue
		}
		if a.Refused == admission.ScopeTenant {
			c.stats.BusyTenant++
		} else {
			c.stats.BusyNode++
		}
		answer <- &refused{a.Refused}
	}
}

func (c *Compiler) endTurn(tenant uuid.UUID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.apply(c.turns.Ended(tenant))
}
