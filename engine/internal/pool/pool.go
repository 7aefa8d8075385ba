package pool

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/engine/internal/sandbox"
	"example.com/jsruntime/engine/internal/wire"
	"example.com/jsruntime/engine/text"
	"example.com/jsruntime/engine/wake"
)

// Config says how a Pool keeps its workers. Zero values of durations and counts are errors of the caller: package engine fills
// in its own defaults.
type Config struct {
	Path        string
	Args        []string
	Build       string // of the node
	SysProcAttr func() *syscall.SysProcAttr

	MaxWorkers int
	MaxLeased  int   // workers that have a tenant, executing or idle
	MaxIdle    int64 // bytes of memory of their own that idle workers may hold together
	MaxParked  int
	Spares     int
	MaxPending int
	Grace      time.Duration // between Cancel, or the end of its grace, and SIGKILL
	CleanUp    time.Duration // how long a script may clean up when its execution is cancelled by shutdown
	DrainGrace time.Duration
	Idle       time.Duration
	Age        time.Duration
	Runs       int
	IdleMemory int64 // see admission.PlacementConfig

	HelloTimeout time.Duration // 0 means 10 s
	MaxMemory    int64         // see wire.Lease

	CodeCache int64 // bytes of V8's code of scripts' versions, with their sources, that are kept for workers to come; 0: none
	NoImages  bool  // workers start without images; false: one process a kind makes one (see image.go)

	Cgroups *sandbox.Cgroups // nil: workers have none of their own

	Budget *admission.Budget // of the node's memory; nil: none

	Env func(ctx context.Context, tenant Key) (Env, error) // nil: env has no members
	// ScriptShare and TenantShare return how many executions a script with that limit, or a tenant, may have at one time on this node; 0
	// means any number.
	ScriptShare func(script Key, limit int) int
	TenantShare func(tenant Key) int
	// TenantWeight returns a tenant's weight when workers are divided, at least 1. Nil means that all have the same. It is called often.
	TenantWeight func(tenant Key) int
	// TenantArgs is a further argument of a tenant's workers; empty, or a nil function, means none. It is called often.
	TenantArgs func(tenant Key) string
	Started    func(took time.Duration)
	Ended      func(cause string, death *Death)
	// Convicted is called, under the pool's lock, when a worker without a call is killed for a bound that it broke: prog is what it executed
	// last.
	Convicted func(prog *Program, cause, reason string)
	Condemned func(code string) // a worker dropped an isolate after an execution that ended with code, in the worker's words
	Logger    *slog.Logger
}

// Env is what a tenant's scripts see as env.
type Env struct {
	Shared json.RawMessage // JSON object of strings that every script has; empty: no members
	// Own returns the JSON object of what only the script of that name has beside it. It is called under the pool's lock. nil: no script has.
	Own func(script string) json.RawMessage
}

// Pool runs calls in worker processes. What it is to do next its Placement decides: a method of the Pool takes the lock, tells the
// Placement what has happened, and unlock does what follows.
type Pool struct {
	// Constant.
	cfg  Config
	wake wake.Signal // to Run: something to look at

	mu      sync.Mutex // guards all that follows, and what workers, lanes and calls name it for
	place   *admission.Placement
	running bool
	closing bool
	workers map[*worker]struct{} // processes
	dirty   []*worker            // to which frames were appended
	codes   codes
	v8      string
	layers  []string

	// Set by Run before anything is started.
	spawns chan spawnRequest
	images map[string]*os.File // by kind; the spawner's
	ctx    context.Context     // of Run's goroutines
	wg     sync.WaitGroup      // workers and leases
}

// New returns a Pool that has started nothing yet.
func New(cfg Config) (*Pool, error) {
	if cfg.Path == "" {
		return nil, errors.New("Path must be set")
	}
	cfg.HelloTimeout = cmp.Or(cfg.HelloTimeout, 10*time.Second)
	if cfg.TenantArgs == nil {
		cfg.TenantArgs = func(Key) string { return "" }
	}
	if cfg.Ended == nil {
		cfg.Ended = func(string, *Death) {}
	}
	if cfg.Started == nil {
		cfg.Started = func(time.Duration) {}
	}
	if cfg.Convicted == nil {
		cfg.Convicted = func(*Program, string, string) {}
	}
	if cfg.Condemned == nil {
		cfg.Condemned = func(string) {}
	}
	return &Pool{
		cfg: cfg, wake: wake.New(), workers: map[*worker]struct{}{}, images: map[string]*os.File{}, codes: newCodes(cfg.CodeCache),
		place: admission.NewPlacement(admission.PlacementConfig{
			MaxWorkers: cfg.MaxWorkers, MaxLeased: cfg.MaxLeased, MaxIdle: cfg.MaxIdle, MaxParked: cfg.MaxParked, Spares: cfg.Spares,
			MaxPending: cfg.MaxPending, LaneScripts: wire.MaxIsolates, Idle: cfg.Idle, Age: cfg.Age, Runs: cfg.Runs, IdleMemory: cfg.IdleMemory,
			ScriptShare: cfg.ScriptShare, TenantShare: cfg.TenantShare, Kind: cfg.TenantArgs, Weight: cfg.TenantWeight,
		}),
	}, nil
}

// unlock does what the Placement asks for, releases the lock and writes the frames that were appended under it. Frames of self are left to
// its reader, which flushes once it has handled all that has arrived.
func (p *Pool) unlock(self *worker, now time.Time) {
	for actions := p.place.Settle(now); len(actions) > 0; actions = p.place.Settle(now) {
		for i := range actions {
			p.do(&actions[i], now)
		}
	}
	if len(p.dirty) == 0 {
		p.mu.Unlock()
		return
	}
	var few [4]*worker
	dirty := append(few[:0], p.dirty...)
	for i, w := range dirty {
		w.dirty = false
		p.dirty[i] = nil
	}
	p.dirty = p.dirty[:0]
	p.mu.Unlock()
	for _, w := range dirty {
		if w != self {
			w.out.Flush()
		}
	}
}

// do does one thing that the Placement asks for.
func (p *Pool) do(a *admission.Action, now time.Time) {
	switch a.Do {
	case admission.ActionPlace:
		l := laneFor(a.Lane)
		l.push(a.Call.Owner.(*Call))
		l.pump(now)
	case admission.ActionRefuse:
		c := a.Call.Owner.(*Call)
		c.end(Ending{Kind: EndRefused, Refusal: c.Refusal, Ended: now})
	case admission.ActionLease:
		w := a.Worker.Owner.(*worker)
		if !w.leased {
			prog := a.Call.Owner.(*Call).Program
			w.leased, w.tenant, w.slug = true, prog.Tenant, prog.TenantSlug
			w.out.Lease(w.tenant)
		}
		p.wg.Go(w.lease)
	case admission.ActionStart:
		after := time.Duration(0)
		if a.Spare {
			after = spareDelay
		}
		p.startOne(a.Kind, after)
	case admission.ActionRetire:
		cause, reason := retired(a.Cause)
		a.Worker.Owner.(*worker).kill(cause, reason)
	case admission.ActionRecall:
		laneFor(a.Lane).recall(now)
	case admission.ActionLook:
		laneFor(a.Lane).arm(a.At)
	case admission.ActionClose:
		laneFor(a.Lane).close()
	case admission.ActionMeasure:
		w := a.Worker.Owner.(*worker)
		usage, _ := sandbox.UsageOf(w.pid)
		w.resident = usage.Resident + usage.Files
		p.place.Measured(a.Worker, w.resident, usage.Resident)
	case admission.ActionWake:
		p.wake.Set()
	}
}

// retired is what a worker that the Placement retires dies of.
func retired(c admission.Cause) (cause, reason string) {
	switch c {
	case admission.CauseMemory:
		return CauseRetired, "memory"
	case admission.CauseEvicted:
		return CauseEvicted, ""
	case admission.CauseTenant:
		return CauseTenant, ""
	case admission.CauseShutdown:
		return CauseShutdown, ""
	case admission.CauseLease:
		return CauseStart, "no environment"
	default:
		return CauseRetired, ""
	}
}

// Submit hands a call over. Its Ending is signalled by Done.
func (p *Pool) Submit(c *Call) {
	now := time.Now()
	c.Owner, c.Tenant, c.Script, c.Place, c.Limit = c, c.Program.Tenant, c.Program.Script, c.Program.Place, c.Program.Concurrency
	p.mu.Lock()
	c.unplace()
	p.place.Submit(&c.Call, now)
	p.unlock(nil, now)
}

// Cancel ends the call as s says. One that was not begun ends with EndCancelled.
func (p *Pool) Cancel(c *Call, s Stop) {
	now := time.Now()
	p.mu.Lock()
	defer p.unlock(nil, now)
	p.cancel(c, s, now)
}

func (p *Pool) cancel(c *Call, s Stop, now time.Time) {
	switch l := c.lane; {
	case l != nil && c.seq != 0:
		l.cancel(c, s, now)
	case l != nil: // it was not written
		next := l.remove(slices.Index(l.queue, c), now)
		p.place.Ended(&c.Call, next, -1, 0, false, now)
		c.end(Ending{Kind: EndCancelled, Cancel: s.Code, Ended: now})
		l.pump(now)
	case c.Pending():
		p.place.Over(&c.Call)
		c.end(Ending{Kind: EndCancelled, Cancel: s.Code, Ended: now})
	}
}

// Full reports whether a script, or its tenant, has as many executions on this node as it may have at one time here: a further call
// would wait for one of them, whatever else the node has to do.
func (p *Pool) Full(id Key) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.place.Full(id)
}

// RetireTenant replaces the tenant's workers: an idle worker at once, a busy one when its call has ended.
func (p *Pool) RetireTenant(id Key) {
	p.mu.Lock()
	defer p.unlock(nil, time.Now())
	p.place.RetireTenant(id)
}

// Able reports whether the pool can run calls: a worker has said Hello, and there is one now, or the last starts did not all fail.
func (p *Pool) Able() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.place.Able()
}

// Stats are the pool's figures of the moment.
type Stats struct {
	admission.PlacementStats
	Workers int // processes
	V8      string
	Layers  []string
}

// Stats returns the figures of the moment.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Stats{PlacementStats: p.place.Stats(), Workers: len(p.workers), V8: p.v8, Layers: slices.Clone(p.layers)}
}

// Run keeps the workers until ctx is done, then lets the calls end within DrainGrace, cancels the rest, and returns when all
// processes are gone.
func (p *Pool) Run(ctx context.Context) error {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	spawns := make(chan spawnRequest)
	var spawner sync.WaitGroup
	spawner.Go(func() { p.spawner(spawns) })

	p.mu.Lock()
	if p.running || p.closing {
		p.mu.Unlock()
		close(spawns)
		return errors.New("pool: Run was called before")
	}
	p.running, p.ctx, p.spawns = true, inner, spawns
	p.place.Open()
	p.unlock(nil, time.Now())

	var looking sync.WaitGroup
	gone := make(chan struct{})
	looking.Go(func() { p.lookAt(gone) })
	p.watch(ctx.Done(), nil)
	p.drain(cancel)
	p.wg.Wait()
	close(gone)
	looking.Wait()
	close(spawns)
	spawner.Wait()
	return nil
}

// watch does the pool's regular work until stop is closed or done says so.
func (p *Pool) watch(stop <-chan struct{}, done func() bool) {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	for {
		select {
		case <-stop:
			return
		case <-p.wake:
		case <-timer.C:
		}
		now := time.Now()
		p.mu.Lock()
		next := p.place.Tick(now)
		finished := done != nil && done()
		p.unlock(nil, now)
		if finished {
			return
		}
		timer.Reset(next)
	}
}

// drain ends everything: see Run.
func (p *Pool) drain(cancel context.CancelFunc) {
	p.mu.Lock()
	p.closing = true
	p.place.Close()
	p.unlock(nil, time.Now())

	idle := func() bool { return p.place.Calls() == 0 }
	p.until(p.cfg.DrainGrace, idle)

	p.mu.Lock()
	now := time.Now()
	p.place.RefuseAll()
	for w := range p.workers {
		for _, l := range slices.Clone(w.lanes) {
			for _, c := range slices.Clone(l.queue) {
				if c != nil {
					p.cancel(c, Stop{Code: wire.CodeCancelled, Reason: "the node is stopping", Grace: p.cfg.CleanUp}, now)
				}
			}
		}
	}
	p.unlock(nil, now)
	p.until(p.cfg.CleanUp+p.cfg.Grace+time.Second, idle)

	cancel()
	p.until(10*time.Second, func() bool {
		for w := range p.workers { // also workers that were still starting
			if w.cause == "" {
				w.kill(CauseShutdown, "")
			}
		}
		return len(p.workers) == 0 && p.place.Stats().Starting == 0
	})
}

// until does the regular work for at most d, or until done.
func (p *Pool) until(d time.Duration, done func() bool) {
	p.mu.Lock()
	finished := done()
	p.unlock(nil, time.Now())
	if finished {
		return
	}
	stop := make(chan struct{})
	timer := time.AfterFunc(d, func() { close(stop) })
	defer timer.Stop()
	p.watch(stop, done)
}

func keyText(k Key) string { return string(text.AppendUUID(nil, k)) }
