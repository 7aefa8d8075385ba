package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/engine/cluster"
	"example.com/jsruntime/engine/internal/pool"
	"example.com/jsruntime/engine/internal/sandbox"
	"example.com/jsruntime/engine/internal/wire"
	"example.com/jsruntime/engine/redact"
)

// Config says how an Engine runs scripts.
type Config struct {
	// WorkerPath is the worker's binary. It must be set.
	WorkerPath string
	// WorkerArgs are its arguments.
	WorkerArgs []string
	// NoWorkerImages has each worker put the web API together and compile it by itself, which takes most of its start and 1 MiB of memory. False:
	// a process that never has a tenant does it once for all.
	NoWorkerImages bool
	// Build is what the worker must name as its build in Hello. Empty means this binary's own, as the version control revision
	// that it was built from; a node or worker that was built without one ("devel") goes with any.
	Build string
	// Sandbox is the mode that the worker is started with: "auto" (what the kernel allows), "strict" (a worker that misses a
	// layer is not used) or "off". Empty means "auto". It is passed to the worker as --sandbox=<mode>.
	Sandbox string
	// SysProcAttr returns the attributes that a worker is started with, for namespaces and the like; Pdeathsig and Setsid are
	// set on top of it. Nil means what the sandbox's mode gives: the namespaces that the kernel allows.
	SysProcAttr func() *syscall.SysProcAttr

	// MaxWorkers bounds the workers that execute at one time; a worker whose execution waits for a host call is not counted.
	// 0 means 4 × cores.
	MaxWorkers int
	// MaxWarm bounds the workers that have a tenant, executing or idle, beside workers whose execution waits for a host call; the worker
	// with the longest idle time makes room. It is at least MaxWorkers. 0 means as many as a quarter of the machine's memory holds at
	// 16 MiB each. What the idle ones really hold is bounded too: by that quarter, or by MaxWarm times 16 MiB if that is more.
	MaxWarm int
	// MaxParked bounds the workers whose execution waits for a host call. 0 means 8 × MaxWorkers.
	MaxParked int
	// Spares is how many workers are kept started and not yet leased. 0 means 2, less than 0 none.
	Spares int
	// QueueWait is how long an execution may wait for a worker before it is refused with CodeOverloaded. One of TriggerHTTP is refused
	// at once where another of its script has waited for a tenth of it, unless the script has no worker yet. A tenant without any worker
	// waits for three times as long while workers are being started. 0 means 5 s.
	QueueWait time.Duration
	// ConcurrencyWait is how long an execution of TriggerHTTP may wait because its script or tenant has reached its concurrency,
	// before it is refused with CodeConcurrencyLimit; others may wait for QueueWait. It is refused at once where the expected wait
	// is longer. 0 means 250 ms.
	ConcurrencyWait time.Duration
	// MaxMemoryCeiling is the largest max_memory_bytes that a worker may meet. 0 means CeilingLimits' 512 MiB.
	MaxMemoryCeiling int64
	// KillGrace is how long after its Cancel a worker may take to end an execution before it is killed. 0 means 250 ms.
	KillGrace time.Duration
	// CancelGrace is how long a script may clean up once its execution was cancelled, or its client has left. 0 means 1 s;
	// less than 0 not at all.
	CancelGrace time.Duration
	// DrainGrace is how long Run lets executions end by themselves once its context is done. 0 means 10 s.
	DrainGrace time.Duration
	// WorkerIdle is how long a worker may be idle before it is retired. 0 means 5 min.
	WorkerIdle time.Duration
	// WorkerAge is how old a worker may get. 0 means 1 h.
	WorkerAge time.Duration
	// WorkerRuns is how many executions a worker may serve. 0 means 1,000,000.
	WorkerRuns int
	// WorkerMemory is the resident memory in bytes from which on an idle worker is retired, beside 4 MiB for each script that it has loaded
	// beyond the first. 0 means 256 MiB.
	WorkerMemory int64
	// MaxQueued bounds the executions that wait for a worker on this node; one tenant may have half of them. 0 means 2048.
	MaxQueued int
	// QuarantineAfter is how many executions of a script that killed their worker within QuarantineWindow put it in quarantine.
	// 0 means 5; less than 0 never.
	QuarantineAfter int
	// QuarantineWindow is the time over which they are counted. 0 means 1 min.
	QuarantineWindow time.Duration
	// QuarantineFor is how long the script stays there. 0 means 5 min.
	QuarantineFor time.Duration

	// Budget is the node's budget of memory. Frames that a worker leaves unread are taken from it. Nil: they are bounded for each worker only.
	Budget *admission.Budget
	// Quarantined is told of each script that this node puts in quarantine. It must not block. Nil: the node alone knows, until it ends.
	Quarantined func(Quarantine)

	// Host serves host calls. Nil rejects them all.
	Host Host
	// Env returns what a tenant's scripts see as env. Nil means nothing. It is called once for every lease.
	Env func(ctx context.Context, tenantID uuid.UUID) (Env, error)
	// Secrets returns what is known of a tenant's secrets, so that log lines, messages and stacks can be masked before anything keeps or
	// shows them. It is called often, after Env has been called for the tenant. Nil masks no values.
	Secrets func(tenantID uuid.UUID) *redact.Values
	// Members divides the limits of scripts and tenants over the nodes. Nil means that this node is alone.
	Members *cluster.Members
	// TenantConcurrency returns how many executions a tenant may have at one time across all nodes; 0 means no bound of its own.
	// Nil means 0. It is called often.
	TenantConcurrency func(tenantID uuid.UUID) int
	// TenantWeight returns a tenant's weight where more executions want a worker than may have one: one with weight 2 gets twice as many as one
	// with weight 1. It is at least 1. Nil means that all tenants have the same. It is called often.
	TenantWeight func(tenantID uuid.UUID) int
	// TenantJIT returns how far V8 compiles a tenant's scripts, as the worker's --jit has it; empty means as WorkerArgs say. Nil means empty.
	// It is called often. A worker keeps what it was started with: RetireTenant makes a change take effect.
	TenantJIT func(tenantID uuid.UUID) string
	// Observer is told what happens. Nil: no observer.
	Observer Observer
	// Logger gets the engine's log. Nil discards.
	Logger *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	if c.WorkerPath == "" {
		return c, errors.New("WorkerPath must be set")
	}
	c.Build = cmp.Or(c.Build, wire.Build())
	c.Sandbox = cmp.Or(c.Sandbox, "auto")
	switch c.Sandbox {
	case "auto", "strict", "off":
	default:
		return c, fmt.Errorf("Sandbox must be auto, strict or off, not %q", c.Sandbox)
	}
	c.MaxWorkers = cmp.Or(c.MaxWorkers, 4*runtime.GOMAXPROCS(0)) // which heeds the cgroup's CPU limit
	if c.MaxWorkers < 1 {
		return c, fmt.Errorf("MaxWorkers must be at least 1, not %d", c.MaxWorkers)
	}
	c.MaxWarm = max(cmp.Or(c.MaxWarm, int(warmMemory()/warmWorker)), c.MaxWorkers)
	c.MaxParked = cmp.Or(c.MaxParked, 8*c.MaxWorkers)
	c.Spares = max(cmp.Or(c.Spares, 2), 0)
	c.QueueWait = cmp.Or(c.QueueWait, 5*time.Second)
	c.ConcurrencyWait = cmp.Or(c.ConcurrencyWait, 250*time.Millisecond)
	c.MaxMemoryCeiling = cmp.Or(c.MaxMemoryCeiling, CeilingLimits().MaxMemoryBytes)
	c.KillGrace = cmp.Or(c.KillGrace, 250*time.Millisecond)
	c.CancelGrace = max(cmp.Or(c.CancelGrace, time.Second), 0)
	c.DrainGrace = cmp.Or(c.DrainGrace, 10*time.Second)
	c.WorkerIdle = cmp.Or(c.WorkerIdle, 5*time.Minute)
	c.WorkerAge = cmp.Or(c.WorkerAge, time.Hour)
	c.WorkerRuns = cmp.Or(c.WorkerRuns, 1_000_000)
	c.WorkerMemory = cmp.Or(c.WorkerMemory, 256<<20)
	c.MaxQueued = cmp.Or(c.MaxQueued, 2048)
	c.QuarantineAfter = cmp.Or(c.QuarantineAfter, 5)
	c.QuarantineWindow = cmp.Or(c.QuarantineWindow, time.Minute)
	c.QuarantineFor = cmp.Or(c.QuarantineFor, 5*time.Minute)
	if c.Members == nil {
		c.Members = new(cluster.Members)
	}
	if c.TenantConcurrency == nil {
		c.TenantConcurrency = func(uuid.UUID) int { return 0 }
	}
	if c.Secrets == nil {
		c.Secrets = func(uuid.UUID) *redact.Values { return nil }
	}
	if c.Observer == nil {
		c.Observer = NopObserver{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// warmWorker is what a worker with a small script in it holds at most: 8 to 16 MiB.
const warmWorker = 16 << 20

// warmMemory is what idle workers may hold together.
func warmMemory() int64 { return sandbox.MachineMemory() / 4 }

// Engine runs scripts in worker processes. It is safe for concurrent use. Execute may be called before Run, and waits for it.
type Engine struct {
	cfg        Config
	pool       *pool.Pool
	quarantine *admission.Quarantine
	closing    atomic.Bool
	hosts      *callers       // of host calls
	background sync.WaitGroup // executions that have answered, and of which Execute has returned
	layers     []string       // sandbox layers that the node gives its workers
	cgroups    *sandbox.Cgroups

	mu       sync.Mutex
	running  map[uuid.UUID]*execution
	programs map[uuid.UUID]*program // the newest of each place

	free sync.Pool // of *execution
}

// program is a script with what the pool needs of it.
type program struct {
	pool.Program
	script *Script
}

var _ Executor = (*Engine)(nil)

// Env is what a tenant's scripts see as env: what all have, and what one of them has beside it.
type Env = pool.Env

// New returns an Engine that has started nothing yet.
func New(cfg Config) (*Engine, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	e := &Engine{
		cfg: cfg, hosts: newCallers(),
		quarantine: admission.NewQuarantine(admission.QuarantineConfig{
			After: cfg.QuarantineAfter, Window: cfg.QuarantineWindow, For: cfg.QuarantineFor,
		}),
		running:  map[uuid.UUID]*execution{},
		programs: map[uuid.UUID]*program{},
	}
	if err := e.confine(&cfg); err != nil {
		return nil, err
	}
	if e.pool, err = pool.New(e.poolConfig(cfg)); err != nil {
		return nil, err
	}
	return e, nil
}

// confine prepares the walls around workers, and notes which layers there are.
func (e *Engine) confine(cfg *Config) error {
	if cfg.SysProcAttr == nil && cfg.Sandbox != "off" {
		attr, layers := sandbox.Attr(sandbox.Config{Path: cfg.WorkerPath, Args: cfg.WorkerArgs})
		if lacking := sandbox.Lacking(layers); len(lacking) > 0 {
			if cfg.Sandbox == "strict" {
				return fmt.Errorf("Sandbox is strict, and the machine lacks: %s", strings.Join(lacking, "; "))
			}
			cfg.Logger.Warn("the sandbox lacks layers", "layers", lacking)
		}
		e.layers = layers
		cfg.SysProcAttr = func() *syscall.SysProcAttr {
			a := *attr
			return &a
		}
	}
	if cfg.Sandbox != "off" {
		var layer string
		e.cgroups, layer = sandbox.OpenCgroups(sandbox.CgroupConfig{})
		e.layers = append(e.layers, layer)
		cfg.Logger.Info("cgroups of workers", "layers", layer)
	}
	return nil
}

// poolConfig is what the pool of workers is told.
func (e *Engine) poolConfig(cfg Config) pool.Config {
	var env func(context.Context, pool.Key) (pool.Env, error)
	if cfg.Env != nil {
		env = func(ctx context.Context, tenant pool.Key) (pool.Env, error) { return cfg.Env(ctx, tenant) }
	}
	var weight func(pool.Key) int
	if cfg.TenantWeight != nil {
		weight = func(tenant pool.Key) int { return cfg.TenantWeight(tenant) }
	}
	var tenantArgs func(pool.Key) string
	if cfg.TenantJIT != nil {
		tenantArgs = func(tenant pool.Key) string {
			if jit := cfg.TenantJIT(tenant); jit != "" {
				return "--jit=" + jit
			}
			return ""
		}
	}
	return pool.Config{
		Cgroups:      e.cgroups,
		Path:         cfg.WorkerPath,
		Args:         append(slices.Clone(cfg.WorkerArgs), "--sandbox="+cfg.Sandbox),
		Build:        cfg.Build,
		SysProcAttr:  cfg.SysProcAttr,
		MaxWorkers:   cfg.MaxWorkers,
		MaxLeased:    cfg.MaxWarm,
		MaxIdle:      max(warmMemory(), int64(cfg.MaxWarm)*warmWorker),
		MaxParked:    cfg.MaxParked,
		Spares:       cfg.Spares,
		MaxPending:   cfg.MaxQueued,
		CleanUp:      cfg.CancelGrace,
		Grace:        cfg.KillGrace,
		DrainGrace:   cfg.DrainGrace,
		Idle:         cfg.WorkerIdle,
		Age:          cfg.WorkerAge,
		Runs:         cfg.WorkerRuns,
		IdleMemory:   cfg.WorkerMemory,
		MaxMemory:    cfg.MaxMemoryCeiling,
		NoImages:     cfg.NoWorkerImages,
		CodeCache:    codeCache,
		Budget:       cfg.Budget,
		Env:          env,
		ScriptShare:  func(script pool.Key, limit int) int { return cfg.Members.Serve(limit, script) },
		TenantArgs:   tenantArgs,
		TenantWeight: weight,
		TenantShare:  func(tenant pool.Key) int { return cfg.Members.Serve(cfg.TenantConcurrency(tenant), tenant) },
		Started:      cfg.Observer.WorkerStarted,
		Ended:        func(_ string, d *pool.Death) { cfg.Observer.WorkerEnded(deathWord(d)) },
		Convicted:    e.convicted,
		Condemned:    func(code string) { cfg.Observer.IsolateCondemned(condemnedBy(Code(code))) },
		Logger:       cfg.Logger,
	}
}

// codeCache is how many bytes of V8's code of scripts' versions a node keeps for workers to come.
const codeCache = 32 << 20

// condemnedBy is the code that Observer.IsolateCondemned names. What a worker may not say counts as it does for the execution.
func condemnedBy(c Code) Code {
	if c == CodeCancelled || scriptCode(c) {
		return c
	}
	return CodeException
}

// deathWord is the cause that Observer.WorkerEnded names.
func deathWord(d *pool.Death) string {
	if d.Cause != pool.CauseDied {
		return d.Cause
	}
	switch code, _, _ := judgeDeath(d, Limits{}, 0); code {
	case CodeSandboxViolation:
		return string(CodeSandboxViolation)
	case CodeExceededMemory:
		return pool.CauseMemory
	default:
		return workerCrashed
	}
}

// workerCrashed is why a worker ended by itself where memory and the sandbox do not explain it.
const workerCrashed = "crashed"

// convicted counts a worker that was killed without an execution against the script that it executed last. It is called under the pool's
// lock.
func (e *Engine) convicted(prog *pool.Program, cause, reason string) {
	e.cfg.Logger.Warn("an idle worker broke a bound", "tenant_id", uuid.UUID(prog.Tenant), "script_id", uuid.UUID(prog.Script), "version", prog.Version,
		"cause", cause, "reason", reason)
	e.died(prog.Tenant, prog.Script, prog.Version)
}

// died counts a worker's death against a script.
func (e *Engine) died(tenant, script uuid.UUID, version int) {
	if stay, put := e.quarantine.Death(tenant, script, version); put {
		e.cfg.Logger.Warn("script quarantined", "tenant_id", tenant, "script_id", script, "version", version, "quarantine_ms", e.cfg.QuarantineFor.Milliseconds())
		e.cfg.Observer.ScriptQuarantined(tenant, script)
		if e.cfg.Quarantined != nil {
			e.cfg.Quarantined(stay)
		}
	}
}

// Run serves executions until ctx is done; then it accepts no further ones, lets the accepted ones end within DrainGrace,
// cancels the rest, and returns when every process, descriptor and goroutine of the engine is gone.
func (e *Engine) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { e.closing.Store(true) })
	defer stop()
	err := e.pool.Run(ctx)
	e.cgroups.Close()
	e.background.Wait()
	e.hosts.close()
	return err
}

// Full reports whether a script or its tenant has as many executions on this node as it may have at one time here. A further one would wait
// for one of them to end.
func (e *Engine) Full(scriptID uuid.UUID) bool { return e.pool.Full(scriptID) }

// Settle waits until ctx is done for the executions that have answered and go on, and then cancels them with cause, and waits for their
// end. Call it once nothing calls Execute any more.
func (e *Engine) Settle(ctx context.Context, cause error) {
	settled := make(chan struct{})
	go func() {
		defer close(settled)
		e.background.Wait()
	}()
	select {
	case <-settled:
		return
	case <-ctx.Done():
	}
	e.mu.Lock()
	for _, x := range e.running {
		if x.goesOn {
			x.stop(cause)
		}
	}
	e.mu.Unlock()
	<-settled
}

// Execute implements Executor.
func (e *Engine) Execute(ctx context.Context, inv *Invocation) (*Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if inv.Handler == HandlerFetch && inv.Request == nil {
		return nil, errors.New("Request is required for a fetch handler")
	}
	until := inv.Script.QuarantinedUntil
	if stay, ok := e.quarantine.Check(inv.Script.ID, inv.Script.Version); ok && stay.Until.After(until) {
		until = stay.Until
	}
	if !until.IsZero() {
		if wait := time.Until(until); wait > 0 {
			return nil, e.refused(inv, &RefusedError{
				Code: CodeQuarantined, Scope: ScopeScript, RetryAfter: wait,
				Detail: "the script killed too many workers and is in quarantine until " + until.UTC().Format(time.RFC3339),
			})
		}
	}
	x := e.newExecution(ctx, inv)
	e.mu.Lock()
	if e.running[inv.ExecutionID] != nil {
		e.mu.Unlock()
		return nil, fmt.Errorf("execution %s is already running", inv.ExecutionID)
	}
	e.running[inv.ExecutionID] = x
	e.mu.Unlock()

	e.pool.Submit(&x.call)
	ended := x.wait(ctx.Done(), inv.OnEnd != nil)
	if inv.OnEnd == nil || !x.answered() {
		return e.finish(ctx, x)
	}
	answer := x.answerResult()
	if ended {
		e.conclude(ctx, x)
		return answer, nil
	}
	e.mu.Lock()
	x.goesOn = true
	e.mu.Unlock()
	e.background.Go(func() {
		x.wait(nil, false)
		e.conclude(ctx, x)
	})
	return answer, nil
}

// TryLoad loads a script that may not be stored yet, in an isolate of its own, and says how that ended: as an execution of it would where
// its top level fails or the handler of its type is missing. The top level's calls of the node are not made: the trial ends well
// there. Nothing of it is observed or recorded. The error is that of Execute.
func (e *Engine) TryLoad(ctx context.Context, s *Script) (*Result, error) {
	x := e.newExecution(ctx, &Invocation{ExecutionID: uuid.New(), Script: s, Trigger: TriggerAPI, Handler: handlerLoad, Attempt: 1})
	e.pool.Submit(&x.call)
	x.wait(ctx.Done(), false)
	res, err := x.finish()
	e.recycle(x)
	e.mu.Lock()
	delete(e.programs, s.ID)
	e.mu.Unlock()
	return res, err
}

// conclude ends an execution that has answered.
func (e *Engine) conclude(ctx context.Context, x *execution) {
	inv := x.inv
	if res, err := e.finish(context.WithoutCancel(ctx), x); err == nil { // it has begun, so that there is no other
		inv.OnEnd(inv, res)
	}
}

// finish makes the Result of an execution whose call has ended.
func (e *Engine) finish(ctx context.Context, x *execution) (*Result, error) {
	inv := x.inv
	e.mu.Lock()
	delete(e.running, inv.ExecutionID)
	e.mu.Unlock()
	res, err := x.finish()
	pid := x.call.Ending.PID
	e.recycle(x)
	if err != nil {
		return nil, err
	}
	if e.cfg.Logger.Enabled(ctx, slog.LevelDebug) {
		e.cfg.Logger.DebugContext(ctx, "execution ended", "tenant_id", inv.Script.TenantID, "script_id", inv.Script.ID, "execution_id", inv.ExecutionID,
			"worker_pid", pid, "outcome", res.Code.Outcome(), "trigger", inv.Trigger, "duration_ms", res.Metrics.Duration.Milliseconds())
	}
	e.cfg.Observer.ExecutionEnded(inv, res)
	return res, nil
}

func (e *Engine) refused(inv *Invocation, err *RefusedError) error {
	e.cfg.Observer.ExecutionRefused(inv, err)
	return err
}

// program returns what the pool needs of a script. Its identity says whether a worker has the script loaded, so that an equal
// Script must not make a new one.
func (e *Engine) program(s *Script) *program {
	e.mu.Lock()
	defer e.mu.Unlock()
	place := cmp.Or(s.Place, s.ID)
	p := e.programs[place]
	if p != nil && (p.script == s || sameProgram(p.script, s)) {
		return p
	}
	p = &program{script: s, Program: pool.Program{
		Script:      s.ID,
		Place:       s.Place,
		Tenant:      s.TenantID,
		TenantSlug:  s.TenantSlug,
		Name:        s.Name,
		Version:     s.Version,
		Static:      staticContext(s),
		Source:      []byte(s.Compiled),
		SourceMap:   s.SourceMap,
		MaxMemory:   s.Limits.MaxMemoryBytes,
		LoadTime:    min(s.Limits.MaxExecutionTime, maxLoadTime),
		Concurrency: s.Limits.MaxConcurrentRuns,
	}}
	if len(e.programs) >= maxPrograms {
		clear(e.programs) // all that it costs is one more Load of each
	}
	e.programs[place] = p
	return p
}

const (
	// maxLoadTime bounds what a module's top level may take.
	maxLoadTime = 10 * time.Second
	// maxPrograms bounds the programs that are kept, of which each holds a copy of its script's compiled source.
	maxPrograms = 10_000
)

func sameProgram(a, b *Script) bool {
	return a.Version == b.Version && a.TenantID == b.TenantID && a.TenantSlug == b.TenantSlug && a.Name == b.Name &&
		a.OrganizationID == b.OrganizationID && a.Limits == b.Limits && a.Compiled == b.Compiled && maps.Equal(a.KVNamespaces, b.KVNamespaces)
}

// staticContext is the part of ctx that does not change between executions.
func staticContext(s *Script) []byte {
	limits := map[string]int64{}
	for _, l := range LimitTable() {
		limits[l.Name] = l.Of(s.Limits)
	}
	static := map[string]any{
		"organizationId": s.OrganizationID,
		"scriptId":       s.ID,
		"scriptName":     s.Name,
		"scriptType":     s.Type, // for the worker, which takes it out of ctx
		"version":        s.Version,
		"limits":         limits,
	}
	if len(s.KVNamespaces) > 0 {
		static["kvNamespaces"] = s.KVNamespaces // for the worker, which makes members of env of them
	}
	b, err := json.Marshal(static)
	if err != nil {
		panic(err) // strings and numbers
	}
	return b
}

// Cancel ends an execution of this node: its Result has CodeCancelled and the message of cause. It reports whether the
// execution was there.
func (e *Engine) Cancel(executionID uuid.UUID, cause error) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	x := e.running[executionID]
	if x == nil {
		return false
	}
	x.stop(cause)
	return true
}

// Runs reports whether an execution of the script runs or waits on this node.
func (e *Engine) Runs(scriptID uuid.UUID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, x := range e.running {
		if x.inv.Script.ID == scriptID {
			return true
		}
	}
	return false
}

// CancelScript ends the executions of a script on this node, as Cancel does.
func (e *Engine) CancelScript(scriptID uuid.UUID, cause error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, x := range e.running {
		if x.inv.Script.ID == scriptID {
			x.stop(cause)
		}
	}
}

// Running calls see for each execution that has run for at least min. The Result has StartedAt and Secrets. The Invocation is valid during
// the call, and see calls nothing of the engine.
func (e *Engine) Running(min time.Duration, see func(*Invocation, *Result)) {
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, x := range e.running {
		if now.Sub(x.queued) < min || x.inv.Unlisted {
			continue
		}
		if began := time.Unix(0, x.began.Load()); began.UnixNano() > 0 && now.Sub(began) >= min {
			see(x.inv, &Result{StartedAt: began, Secrets: e.cfg.Secrets(x.inv.Script.TenantID)})
		}
	}
}

// Long is Running for executions without a lease: nothing but this node knows of them.
func (e *Engine) Long(min time.Duration, see func(*Invocation, *Result)) {
	e.Running(min, func(inv *Invocation, res *Result) {
		if inv.Lease == uuid.Nil {
			see(inv, res)
		}
	})
}

// RetireTenant replaces a tenant's workers, because its secrets or the tenant itself changed: idle workers at once, the
// others when their executions have ended. Executions that wait for them go to new workers.
func (e *Engine) RetireTenant(tenantID uuid.UUID) { e.pool.RetireTenant(tenantID) }

// Release takes a script out of quarantine. A new version does that by itself.
func (e *Engine) Release(scriptID uuid.UUID) { e.quarantine.Release(scriptID) }

// Quarantine is a script's stay there.
type Quarantine = admission.Stay

// Quarantines returns the scripts that are in quarantine on this node.
func (e *Engine) Quarantines() []Quarantine { return e.quarantine.List() }

// Stats are figures of the moment.
type Stats struct {
	Workers     int      // processes, with spares and processes that are being killed
	Starting    int      // processes that have not said Hello, or are asked for
	Spares      int      // processes that are started and not leased
	Idle        int      // processes that are leased and have nothing to do
	Busy        int      // processes that execute, load a script or are being leased
	Parked      int      // processes all of whose executions wait for a host call; none of the others counts them
	Isolates    int      // with a script
	Tenants     int      // with a worker
	Queued      int      // executions that wait for a worker
	Running     int      // executions that were accepted and have not ended
	Quarantined int      // scripts
	V8          string   // version that the workers name; empty before the first
	Layers      []string // sandbox layers, "name=on" or "name=off: why": what the node gives the workers, and what they name
}

// Able reports whether the engine can run scripts. It cannot before the first worker has started, and while there is no worker and
// none can be started: where its binary is gone, broken or of another build, or the machine gives no further process.
func (e *Engine) Able() bool { return e.pool.Able() }

// Stats returns the figures of the moment.
func (e *Engine) Stats() Stats {
	s := e.pool.Stats()
	return Stats{
		Workers: s.Workers, Starting: s.Starting, Spares: s.Spares, Idle: s.Idle, Busy: s.Busy, Parked: s.Parked, Isolates: s.Isolates, Tenants: s.Tenants,
		Queued: s.Pending, Running: s.Calls, Quarantined: len(e.quarantine.List()), V8: s.V8, Layers: append(slices.Clone(e.layers), s.Layers...),
	}
}
