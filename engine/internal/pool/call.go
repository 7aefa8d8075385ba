package pool

import (
	"cmp"
	"time"

	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/engine/internal/wire"
)

// Key is the id of a tenant or script.
type Key = admission.Key

// Program is a script version as a worker gets it. It is immutable; the same version is the same *Program, else it is loaded
// again.
type Program struct {
	Script      Key
	Place       Key // what lanes know it by, a version's own place beside Script; zero: Script
	Tenant      Key
	TenantSlug  string
	Name        string // for stack traces
	Version     int
	Static      []byte // see wire.Load
	Source      []byte
	SourceMap   string
	MaxMemory   int64
	LoadTime    time.Duration // how long Load may take
	Concurrency int           // max_concurrent_runs; 0 means no bound
}

func (p *Program) place() Key { return cmp.Or(p.Place, p.Script) }

// Handler follows a call. Its methods are called from the pool's goroutines and return at once.
type Handler interface {
	// Begin is called when the worker is about to execute the call, under the pool's lock: it calls nothing of the pool. It may
	// come again if the worker gave the call back.
	Begin(now time.Time)
	// Frame is called for each of the call's frames that is not its Result: HostCall, HostCancel, Log, Head, Chunk, Credit. The
	// payload is valid during the call only. An error is a breach of the protocol; the worker is killed for it.
	Frame(ref Ref, k wire.Kind, payload []byte) error
}

// Ref names a call at a worker, for answers to its frames. It stays valid: what is sent for a call that has ended is ignored.
type Ref struct {
	lane *lane
	seq  uint32
}

// Seq is the call's number at its worker.
func (r Ref) Seq() uint32 { return r.seq }

// Call is one request to execute. It may be used again after its Ending was received.
type Call struct {
	// Call is what decides when and where it runs: the caller sets Patience, LimitPatience and Standing, Submit the rest.
	admission.Call

	Execution Key // for the log
	Program   *Program
	Run       wire.Run // Seq and Slot are the pool's
	Wall      time.Duration
	CPU       time.Duration // 0: none
	Handler   Handler

	// Done is signalled once, when Ending is set. It has room for one.
	Done   chan struct{}
	Ending Ending

	// Guarded by Pool.mu.
	lane     *lane         // that has it
	seq      uint32        // its number at its worker; 0: not written
	began    time.Time     // zero: not yet
	cpuBegan time.Duration // of the worker's process, where it was read
	// kernelCPU and kernelHeld are what looks at the worker have seen the call use: CPU time, and bytes beyond those of an empty worker.
	kernelCPU  time.Duration
	kernelHeld int64
	// begunBefore is how many of the calls that began in its process had ended before it began.
	begunBefore int
	cold        bool          // its script was loaded for it
	hosted      bool          // it made a host call
	open        int           // host calls without an answer
	cancel      string        // the code of the Cancel that was sent
	killAt      time.Time     // set with cancel
	grace       time.Duration // of cancel
	left        bool          // cancel is a Stop with Left
	mayGoOn     bool          // a Stop with Left was sent, and GoesOn did not come
}

// unplace makes the call one that no worker has.
func (c *Call) unplace() {
	c.lane, c.seq, c.began, c.cancel, c.cold = nil, 0, time.Time{}, "", false
	c.hosted, c.open = false, 0
	c.left, c.mayGoOn, c.grace = false, false, 0
}

// end gives the call its Ending. It is the caller's again.
func (c *Call) end(e Ending) {
	c.lane, c.Ending = nil, e
	c.Done <- struct{}{}
}

// Stop says how a call is to end.
type Stop struct {
	Code   string        // the error code to report
	Reason string        // what the script is told
	Grace  time.Duration // how long the script may clean up before it is terminated; 0: not at all
	Left   bool          // the client has left: work of waitUntil goes on, see wire.Cancel
}

// Began is when the call began. Its Handler may ask.
func (c *Call) Began() time.Time { return c.began }

// EndKind says what ended a call.
type EndKind uint8

// Kinds of endings.
const (
	EndResult    EndKind = iota + 1 // the worker answered: Ending.Result
	EndLoad                         // the script could not be loaded: Ending.Loaded
	EndDeath                        // the worker died: Ending.Death
	EndRefused                      // no worker was free in time: Ending.Refusal
	EndCancelled                    // it was cancelled before it began
)

// Refusal says why a call got no worker.
type Refusal = admission.Refusal

// Ending says how a call ended.
type Ending struct {
	Kind    EndKind
	Result  wire.Result // Headers and Body are its own memory
	Loaded  wire.Loaded
	Death   *Death
	Refusal Refusal
	// Cancel is the code that the pool or a caller sent in Cancel; empty if none was.
	Cancel string
	Began  time.Time // zero: never
	Ended  time.Time
	Cold   bool // the script was loaded for it
	PID    int
}

// Death says how a worker ended.
type Death struct {
	Cause    string        // one of Cause…
	Signal   int           // that ended the process; 0 if none
	ExitCode int           // -1 if a signal ended it
	Output   string        // the end of what it wrote to stdout and stderr
	CPU      time.Duration // of the process during the call that executed, as far as it is known
	Memory   int64         // bytes; the largest resident set that the process had
	Reason   string        // of a breach of the protocol
}

// Causes of a worker's end.
const (
	CauseRetired    = "retired"
	CauseEvicted    = "evicted"
	CauseTenant     = "tenant_changed"
	CauseShutdown   = "shutdown"
	CauseDeadline   = "deadline"
	CauseCPU        = "cpu"
	CauseCancelled  = "cancelled"
	CauseProtocol   = "protocol"
	CauseMemory     = "memory"      // it held more memory than its scripts may
	CauseFlood      = "flood"       // it sent frames that no worker of ours sends
	CauseNotReading = "not_reading" // it left unread what the node sent
	CauseThreads    = "threads"     // it had more threads than a worker may
	CauseIdle       = "idle_cpu"    // it computed while it had nothing to do
	CauseStart      = "start_failed"
	CauseDied       = "died"      // by itself
	CauseNeighbour  = "neighbour" // for an execution that waited in the process while another one was the reason
)
