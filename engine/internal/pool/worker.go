package pool

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/engine/internal/outbox"
	"example.com/jsruntime/engine/internal/sandbox"
	"example.com/jsruntime/engine/internal/wire"
	"example.com/jsruntime/engine/rawnet"
	"example.com/jsruntime/engine/wake"
)

// workerEnv is all of a worker's environment. GOMAXPROCS keeps Go from re-reading cgroup files, which the sandbox forbids; without
// TZ the first use of Intl opens /etc/localtime; without GOTRACEBACK a crash prints goroutines with addresses.
func workerEnv() []string {
	return []string{"GOMAXPROCS=2", "GOTRACEBACK=none", "TZ=UTC", "LANG=C"}
}

// worker is a started process: its socket and the pipe of its output, what its lanes share, and what is known of it.
type worker struct {
	// Constant.
	pool    *Pool
	pid     int
	proc    *os.Process
	conn    *os.File // non-blocking
	output  *os.File
	kind    string          // its further argument: see Config.TenantArgs
	cgroup  *sandbox.Cgroup // nil where the node makes none
	exited  chan struct{}   // closed when the process is reaped
	started time.Time
	out     *outbox.Outbox // has a lock of its own
	// floor is the node's own largest resident set when it had started this process: the kernel counts it as the child's too, since a
	// child that is made by vfork has its parent's memory until it executes its own program.
	floor int64

	printed output           // has a lock of its own
	exit    *os.ProcessState // valid when exited is closed
	pace    pace             // its reader's

	// Guarded by Pool.mu.
	seat     admission.Worker // what it is leased to, and what it has to do
	lanes    []*lane          // that have had a call
	tenant   Key
	slug     string // the tenant's
	leased   bool   // it has a tenant
	greeted  bool   // it said Hello
	doomed   bool   // it is about to end
	niced    bool   // its weight was lowered
	dirty    bool   // in Pool.dirty
	nextSlot uint32
	seq      uint32                              // of the last Run
	begun    int                                 // calls that began
	env      func(script string) json.RawMessage // Env.Own of the tenant; nil: none
	last     *Call                               // that began last, or whose host calls were answered last: as far as is known, the call that executes
	resident int64                               // bytes, when it was measured last
	watched  watched
	cause    string // why it is to end; the first one counts
	reason   string
}

// floorSlack is more than the kernel's counters of resident pages, which each processor keeps for itself first, are ever behind.
const floorSlack = 1 << 20

// workerSlack is how much later than asked for a worker's threads may wake, which it inherits from the thread that starts it. Go's
// monitor thread looks every 20 µs while a request is served, some ten times; a script's timers are exact to a millisecond anyway.
const workerSlack = 500 * time.Microsecond

type spawnRequest struct {
	kind  string
	reply chan spawnReply
}

type spawnReply struct {
	worker *worker
	err    error
}

// spawner starts processes for as long as requests is open. It never gives its thread back: the kernel sends PDEATHSIG to a
// worker when the thread that started it ends.
func (p *Pool) spawner(requests <-chan spawnRequest) {
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(workerSlack.Nanoseconds()), 0, 0, 0); err != nil {
		p.cfg.Logger.Warn("workers wake more often than they need", "error", err)
	}
	defer func() {
		for _, f := range p.images {
			if f != nil {
				_ = f.Close()
			}
		}
		clear(p.images)
	}()
	for r := range requests {
		proc, err := p.spawn(r.kind)
		r.reply <- spawnReply{proc, err}
	}
}

// spawn starts one worker with a socketpair as fd 3. Everything else that this process has open is close-on-exec.
func (p *Pool) spawn(kind string) (_ *worker, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socketpair: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "worker")
	defer theirs.Close()
	if err := unix.SetNonblock(pair[0], true); err != nil {
		return nil, errors.Join(err, unix.Close(pair[0]))
	}
	ours := os.NewFile(uintptr(pair[0]), "node")
	defer func() {
		if err != nil {
			_ = ours.Close()
		}
	}()
	output, input, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("pipe: %w", err)
	}
	defer input.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, errors.Join(err, output.Close())
	}
	defer null.Close()

	attr := &syscall.SysProcAttr{}
	if p.cfg.SysProcAttr != nil {
		if a := p.cfg.SysProcAttr(); a != nil {
			attr = a
		}
	}
	attr.Pdeathsig = syscall.SIGKILL
	attr.Setsid = true
	args, files := append([]string{p.cfg.Path}, p.args(kind)...), []*os.File{null, input, input, theirs}
	if image := p.image(kind); image != nil {
		args, files = append(args, wire.ImageUseArg), append(files, image) // as wire.ImageFD
	}
	proc, err := os.StartProcess(p.cfg.Path, args, &os.ProcAttr{Dir: "/", Env: workerEnv(), Files: files, Sys: attr})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", p.cfg.Path, err), output.Close())
	}
	group, err := p.cfg.Cgroups.Add(proc.Pid)
	if err != nil {
		p.cfg.Logger.Warn("a worker has no cgroup", "worker_pid", proc.Pid, "error", err)
	}
	var self unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &self) // cannot fail
	w := &worker{
		pool: p, kind: kind, pid: proc.Pid, proc: proc, conn: ours, output: output, cgroup: group, floor: self.Maxrss<<10 + floorSlack,
		exited: make(chan struct{}),
	}
	w.seat.Owner = w
	return w, nil
}

// spareDelay is after what time a spare is started that no call waits for. It is missing because a tenant was just given one: its first request
// would share the processors with a start, which takes longer than the request.
const spareDelay = 10 * time.Millisecond

// startOne starts a worker of that kind after some time, and follows it to its end.
func (p *Pool) startOne(kind string, after time.Duration) {
	p.wg.Add(1)
	go func() {
		defer p.wg.Done()
		wake.Pause(p.ctx, after)
		started := time.Now()
		reply := make(chan spawnReply, 1)
		p.spawns <- spawnRequest{kind, reply}
		r := <-reply
		if r.err != nil {
			p.cfg.Ended(CauseStart, &Death{Cause: CauseStart, Reason: r.err.Error()})
			now := time.Now()
			p.mu.Lock()
			p.startFailed(kind, r.err, now)
			p.unlock(nil, now)
			return
		}
		r.worker.started = started
		r.worker.serve()
	}()
}

// startFailed makes further starts wait. The log gets the first failure in a row and every tenth.
func (p *Pool) startFailed(kind string, err error, now time.Time) {
	if failures, wait := p.place.StartFailed(kind, now); failures%10 == 1 {
		p.cfg.Logger.Error("worker did not start", "error", err, "failures", failures, "wait_ms", wait.Milliseconds())
	}
}

// serve follows the process from its start to its end.
func (w *worker) serve() {
	p := w.pool
	log := p.cfg.Logger.With("worker_pid", w.pid)
	socket, err := rawnet.New(w.conn)
	var out *outbox.Outbox
	if err != nil {
		log.Error("worker's socket", "error", err)
		_ = w.proc.Kill()
	} else {
		out = outbox.New(socket, p.cfg.Budget)
	}
	w.out = out
	p.mu.Lock()
	p.workers[w] = struct{}{}
	p.mu.Unlock()

	var wg sync.WaitGroup
	printed := make(chan struct{})
	wg.Go(func() {
		defer close(printed)
		w.printed.follow(w.output, log)
	})
	wg.Go(func() {
		defer close(w.exited)
		w.exit, _ = w.proc.Wait()
	})
	if out != nil {
		wg.Go(out.Run)
		err = w.read(socket)
	}
	w.gone(err, printed)
	_ = w.conn.Close()
	if out != nil {
		out.Close()
	}
	_ = w.output.Close() // ends follow, should a stray process hold the other end
	wg.Wait()
}

// lease tells the worker its tenant's environment, which it reads first.
func (w *worker) lease() {
	p := w.pool
	var env Env
	var err error
	if p.cfg.Env != nil {
		env, err = p.cfg.Env(p.ctx, w.tenant)
	}
	now := time.Now()
	p.mu.Lock()
	defer p.unlock(nil, now)
	if err != nil {
		p.cfg.Logger.Error("tenant's environment unavailable", "tenant_id", keyText(w.tenant), "error", err)
		p.place.LeaseFailed(&w.seat, err)
		return
	}
	if p.place.Leased(&w.seat, now) {
		w.send(&wire.Lease{TenantID: keyText(w.tenant), TenantSlug: w.slug, MaxMemory: uint64(p.cfg.MaxMemory), Env: env.Shared})
		w.env = env.Own
	}
}

func (w *worker) send(m wire.Message) {
	if err := w.out.Append(m); err != nil {
		if errors.Is(err, outbox.ErrNotReading) {
			w.kill(CauseNotReading, err.Error())
		}
		return // the reader learns of a broken socket by itself
	}
	if !w.dirty {
		w.dirty = true
		w.pool.dirty = append(w.pool.dirty, w)
	}
}

// quiet reports whether no lane of the worker has anything to do.
func (w *worker) quiet() bool {
	for _, l := range w.lanes {
		if len(l.queue) > 0 || l.loading != nil {
			return false
		}
	}
	return true
}

// renice sets the niceness of all threads of the worker, which leads a process group of its own.
func (w *worker) renice(n int) bool {
	return w.cgroup.Weight(n) || unix.Setpriority(unix.PRIO_PGRP, w.pid, n) == nil
}

// kill ends the process. The reader then sees the end of the socket and does the rest.
func (w *worker) kill(cause, reason string) {
	if w.cause == "" {
		w.cause, w.reason = cause, reason
	}
	w.doom()
	_ = w.proc.Kill() // fails only for a process that is gone
}

// doom makes a worker that is about to end get no further call.
func (w *worker) doom() {
	w.doomed = true
	w.pool.place.Doomed(&w.seat)
}

// gone ends the process of a worker whose reader has ended, and its calls.
func (w *worker) gone(err error, printed <-chan struct{}) {
	p := w.pool
	p.mu.Lock()
	w.blame(err)
	w.doom()
	p.unlock(nil, time.Now())

	_ = w.proc.Kill()
	<-w.exited
	outOfMemory := w.cgroup.Killed()
	if err := w.cgroup.Remove(); err != nil {
		p.cfg.Logger.Warn("a worker's cgroup stays", "worker_pid", w.pid, "error", err)
	}
	select {
	case <-printed:
	case <-time.After(time.Second):
	}

	now := time.Now()
	p.mu.Lock()
	defer p.unlock(nil, now)
	if outOfMemory && w.cause == CauseDied {
		w.cause, w.reason = CauseMemory, "the kernel killed the worker at its cgroup's limit"
	}
	delete(p.workers, w)
	guilty := w.guilty()
	death := w.death(guilty)
	ids := w.ids(guilty)
	for _, l := range w.lanes {
		l.shut()
		d := death
		if l != guilty {
			d = &Death{Cause: CauseNeighbour, Signal: death.Signal, ExitCode: death.ExitCode, Reason: death.Cause}
		}
		l.lose(d, now)
	}
	if w.greeted {
		p.place.Gone(&w.seat)
	} else {
		p.startFailed(w.kind, fmt.Errorf("%s: exit %d, signal %d, output %q, %s", death.Cause, death.ExitCode, death.Signal, death.Output, death.Reason), now)
	}
	p.cfg.Ended(death.Cause, death)
	switch death.Cause {
	case CauseRetired, CauseEvicted, CauseTenant, CauseShutdown:
	default:
		p.cfg.Logger.With(ids...).Warn("worker ended", "worker_pid", w.pid, "cause", death.Cause, "signal", death.Signal,
			"exit_code", death.ExitCode, "reason", death.Reason)
	}
	p.wake.Set()
}

// blame says why the worker ends, where nothing was said before its reader ended.
func (w *worker) blame(err error) {
	lost := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
	switch {
	case w.cause != "":
	case !w.greeted:
		w.cause = CauseStart
		if !lost {
			w.reason = fmt.Sprint(err)
		}
	case lost:
		w.cause = CauseDied
	case errors.As(err, new(FloodError)):
		w.cause, w.reason = CauseFlood, err.Error()
	default:
		w.cause, w.reason = CauseProtocol, fmt.Sprint(err)
	}
}

// guilty returns the lane most likely to have crashed the process: as far as is known, its call executes. nil: w has no lane.
func (w *worker) guilty() *lane {
	var best *lane
	rank := -1
	for _, l := range w.lanes {
		n := 0
		if c := l.head(); c != nil {
			n = 1
			if c == w.last {
				n = 2
			}
			if l.seat.Active() {
				n += 2
			}
		}
		if n > rank {
			best, rank = l, n
		}
	}
	return best
}

// ids are what the log calls the worker's tenant, and the script and the execution that the lane was running.
func (w *worker) ids(l *lane) []any {
	var ids []any
	if w.leased {
		ids = append(ids, "tenant_id", keyText(w.tenant))
	}
	if l == nil {
		return ids
	}
	if c := l.head(); c != nil && (l.loading != nil || !c.began.IsZero()) {
		ids = append(ids, "script_id", keyText(c.Program.Script), "execution_id", keyText(c.Execution))
	}
	return ids
}

// death says how the process ended. l is the lane that is taken for the reason, nil if there is none.
func (w *worker) death(l *lane) *Death {
	d := &Death{Cause: w.cause, Reason: w.reason, ExitCode: -1, Output: w.printed.String()}
	if w.exit == nil {
		return d
	}
	if ws, ok := w.exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		d.Signal = int(ws.Signal())
	} else {
		d.ExitCode = w.exit.ExitCode()
	}
	d.CPU = w.exit.UserTime() + w.exit.SystemTime()
	if usage, ok := w.exit.SysUsage().(*syscall.Rusage); ok {
		if d.Memory = usage.Maxrss << 10; d.Memory <= w.floor {
			d.Memory = w.resident // as far as it was looked at
		}
		d.Memory = max(d.Memory, w.watched.held)
	}
	if l == nil {
		return d
	}
	// Where the call ran long enough to be looked at, what the process used before is known.
	if c := l.executing(); c != nil && !l.mark.IsZero() {
		d.CPU += l.mark.Sub(c.began) - l.markCPU
	}
	return d
}

// processCPU is the CPU time of a process, 0 if it is gone. The clock's number is what clock_getcpuclockid(3) makes of a pid.
func processCPU(pid int) time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
