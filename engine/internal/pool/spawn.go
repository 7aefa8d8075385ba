package pool

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"jsruntime/engine/internal/sandbox"
)

// workerEnv is all of a worker's environment. GOMAXPROCS keeps Go from re-reading cgroup files, which the sandbox forbids; without
// TZ the first use of Intl opens /etc/localtime; without GOTRACEBACK a crash prints goroutines with addresses.
func workerEnv() []string {
	return []string{"GOMAXPROCS=2", "GOTRACEBACK=none", "TZ=UTC", "LANG=C"}
}

// process is a started worker: its socket and the pipe of its output, and what its lanes share.
type process struct {
	proc   *os.Process
	conn   *os.File // non-blocking
	output *os.File

	out     *outbox
	printed output
	started time.Time
	kind    string        // its further argument: see Config.TenantArgs; constant
	exited  chan struct{} // closed when the process is reaped
	exit    *os.ProcessState
	// floor is the node's own largest resident set when it had started this process: the kernel counts it as the child's too, since a
	// child that is made by vfork has its parent's memory until it executes its own program.
	floor int64

	// Guarded by Pool.mu.
	lanes    []*worker // the first is the one that was leased
	rest     []*worker // lanes without a call while others have one
	running  int       // lanes that are active
	waiting  int       // lanes that are parked
	parked   bool      // counted in Pool.parked: a lane is parked and none is active
	crowded  bool      // the worker has said that it has no room for a further isolate
	doomed   bool
	greeted  bool // said Hello: not counted in Pool.starting any more
	niced    bool
	nextSlot uint32
	seq      uint32
	begun    int   // calls that began
	last     *Call // that began last, or whose host calls were answered last: the one that executes, as far as anybody knows
	watched  watched

	pace   pace            // its reader's
	cgroup *sandbox.Cgroup // nil where the node makes none
	runs   int
	cause  string // why it is to end; the first one counts
	reason string
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
	process *process
	err     error
}

// spawner starts processes for as long as requests is open. It never gives its thread back: the kernel sends PDEATHSIG to a
// worker when the thread that started it ends.
func (p *Pool) spawner(requests <-chan spawnRequest) {
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(workerSlack.Nanoseconds()), 0, 0, 0); err != nil {
		p.cfg.Logger.Warn("workers wake more often than they need", "error", err)
	}
	for r := range requests {
		proc, err := p.spawn(r.kind)
		r.reply <- spawnReply{proc, err}
	}
}

// spawn starts one worker with a socketpair as fd 3. Everything else that this process has open is close-on-exec.
func (p *Pool) spawn(kind string) (_ *process, err error) {
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
	args := append([]string{p.cfg.Path}, p.cfg.Args...)
	if kind != "" {
		args = append(args, kind)
	}
	proc, err := os.StartProcess(p.cfg.Path, args, &os.ProcAttr{
		Dir:   "/",
		Env:   workerEnv(),
		Files: []*os.File{null, input, input, theirs},
		Sys:   attr,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", p.cfg.Path, err), output.Close())
	}
	group, err := p.cfg.Cgroups.Add(proc.Pid)
	if err != nil {
		p.cfg.Logger.Warn("a worker has no cgroup", "worker_pid", proc.Pid, "error", err)
	}
	var self unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &self) // cannot fail
	return &process{kind: kind, proc: proc, conn: ours, output: output, cgroup: group, floor: self.Maxrss<<10 + floorSlack}, nil
}
