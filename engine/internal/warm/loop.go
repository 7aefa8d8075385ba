package warm

/*
#cgo CXXFLAGS: -std=c++17 -Wall -Wextra -fno-exceptions -fno-rtti
#include <stdlib.h>
#include "loop.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"example.com/jsruntime/engine/internal/wire"
)

// Slot is a script in this worker, as the loop knows it: jsr_slot of loop.h, in Go's memory. It belongs to the main thread.
type Slot struct {
	ID          uint32
	ran         int32
	MaxMemory   uint64 // bytes
	Used        uint64 // bytes at the end of its last run
	LastUse     uint64
	LastWall    time.Duration  // of its last run; 0: it has not run
	Owed        time.Duration  // CPU time of its callbacks between executions, for which its next one answers, less what earlier ones answered for too much
	Isolate     unsafe.Pointer // what the calls are given; nil: the loop leaves it to Go
	Control     *int32
	Short       *byte
	ShortLength uint64
	Said        *byte
	SaidLength  uint64
	// Of its execution.
	_        [2]uint32 // Heard, LogLines
	LogBytes uint64    // of its lines; the watchdog writes it too, within Hear
	_        uint64    // LogMicros
	peak     uint64
	cpu      int64
	_        int64 // Longest
	_        int32 // Turns
	waits    int32
	began    int64

	seq, wallMillis, cpuMillis, outputLimit, logLimit, _ uint32
}

// Aside is an execution that was set aside: it waits for the node, or for a timer.
type Aside struct {
	Seq                   uint32
	Began                 time.Time
	WallMillis, CPUMillis uint32
	OutputLimit, LogLimit uint32
	CPU                   time.Duration // that it has used
	Peak                  uint64        // bytes that looks at the process have seen beyond those of an empty worker
}

// Saying is whose words Hear and Log send on.
type Saying struct {
	Seq, LogLimit uint32
	Began         time.Time
}

// Memory is the process's size and its bounds in bytes: jsr_memory of loop.h. It belongs to the main thread, or to the watchdog while
// JavaScript runs.
type Memory struct {
	statm int32
	page  uint64
	Base  uint64 // data segment before there was any tenant's code
	Idle  uint64 // memory of its own before there was any tenant's code
	Hard  uint64 // the limit that cannot be raised any more
	Last  uint64 // the limit in force
	High  uint64 // data segment from which on V8 is asked to give memory back: more than the heap limit of the script in front explains
	Asked uint64 // data segment when V8 was last asked and could give back no more; it is asked again once a good part came to it
}

// The two structs are those of loop.h: these lines do not compile otherwise.
var (
	_ [unsafe.Sizeof(Slot{})]struct{}               = [C.sizeof_jsr_slot]struct{}{}
	_ [unsafe.Offsetof(Slot{}.Owed)]struct{}        = [C.JSR_SLOT_OWED]struct{}{}
	_ [unsafe.Offsetof(Slot{}.ShortLength)]struct{} = [C.JSR_SLOT_SHORT_LENGTH]struct{}{}
	_ [unsafe.Offsetof(Slot{}.LogBytes)]struct{}    = [C.JSR_SLOT_LOG_BYTES]struct{}{}
	_ [unsafe.Offsetof(Slot{}.began)]struct{}       = [C.JSR_SLOT_BEGAN]struct{}{}
	_ [unsafe.Sizeof(Memory{})]struct{}             = [C.sizeof_jsr_memory]struct{}{}
	_ [unsafe.Offsetof(Memory{}.Base)]struct{}      = [C.JSR_MEMORY_BASE]struct{}{}
)

// Code says why Run has returned.
type Code int

const (
	Go      Code = C.JSR_GO      // what comes next is Go's: another frame, an execution that is not plain, the end of the socket
	Settle  Code = C.JSR_SETTLE  // the execution in front has run, and Go settles it
	Pumped  Code = C.JSR_PUMPED  // what V8 put off for a slot has run, and Go looks what came of it
	Relieve Code = C.JSR_RELIEVE // a slot without an execution holds more than its heap explains
	Failed  Code = C.JSR_ERROR   // nothing can be written to the node any more: Flush says why
)

// Rules that the loop and the worker in Go share.
const (
	// Tick is how soon the watchdog looks after Stir. A tick costs two context switches, about 30 µs, so that 100 a second are 0.3 % of a busy
	// worker's time; ten milliseconds more or less do not matter to a deadline.
	Tick = C.JSR_TICK_MS * time.Millisecond
	// QuickRun is how long a script's last run may have taken for the answers of others to be held back while it runs.
	QuickRun = C.JSR_QUICK_US * time.Microsecond
	// ShortRun is how long an execution may take whose memory is looked at only once in LooksApart times: a look is a system call of a
	// microsecond and V8's statistics, and less than 2 MiB can be written in that time. The loop takes its wall time for its CPU time as well.
	ShortRun   = C.JSR_SHORT_US * time.Microsecond
	LooksApart = C.JSR_LOOKS_APART
	// TidyAfter is how many executions may follow each other before V8 does what it put off.
	TidyAfter = C.JSR_TIDY_AFTER
	// PumpWall and PumpCPU are how long callbacks of FinalizationRegistry may take between executions: what a hundred thousand short ones need.
	// What takes longer is terminated, and its isolate dropped, as after any termination.
	PumpWall = C.JSR_PUMP_WALL_MS * time.Millisecond
	PumpCPU  = C.JSR_PUMP_CPU_MS * time.Millisecond
	// MaxDepth is how deep an output may nest: what Postgres and the node's JSON reader take with room to spare.
	MaxDepth = C.JSR_MAX_DEPTH
	// Headroom is what a worker needs beside the isolates, in bytes: Go's own memory, V8's zones, frames under way.
	Headroom = C.JSR_HEADROOM
)

// Loop is the worker's loop for plain requests, with what it shares with the worker in Go.
type Loop struct {
	c     *C.jsr_loop
	pins  runtime.Pinner            // of the inbox's memory, within Run
	slots map[*Slot]*runtime.Pinner // the main thread's

	mu      sync.Mutex
	scratch []byte // guarded by mu
}

// Config of a Loop.
type Config struct {
	// FD is the socket to the node, Statm an open /proc/self/statm. The Loop reads and writes them, and does not close them.
	FD, Statm int
	// Begin, Pump, Used and Reply are C functions, jsr_begin, jsr_pump, jsr_used and jsr_reply_call of loop.h. Without them Run must not be called.
	Begin, Pump, Used, Reply unsafe.Pointer
	// Text is a C function, jsr_text of loop.h. nil: responses that are too long for the short text are left to Go.
	Text unsafe.Pointer
}

// New makes a Loop.
func New(cfg Config) (*Loop, error) {
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("timerfd: %w", err)
	}
	c := C.jsr_loop_new(C.int(cfg.FD), C.int(timer), C.int(cfg.Statm), C.uint64_t(os.Getpagesize()), cfg.Begin, cfg.Pump, cfg.Used, cfg.Reply)
	if c == nil {
		_ = unix.Close(timer)
		return nil, errors.New("no memory for the loop")
	}
	C.jsr_loop_text(c, cfg.Text)
	return &Loop{c: c, slots: map[*Slot]*runtime.Pinner{}}, nil
}

// Close frees what New made.
func (l *Loop) Close() {
	_ = unix.Close(int(l.c.Timer.FD))
	C.jsr_loop_free(l.c)
}

// ---- slots and memory: the main thread's ----

// Add makes a slot. Its Isolate, Control and Short are null until its script is loaded.
func (l *Loop) Add(id uint32, maxMemory uint64) *Slot {
	s, pin := &Slot{ID: id, MaxMemory: maxMemory}, new(runtime.Pinner)
	pin.Pin(s)
	l.slots[s] = pin
	if C.jsr_slot_add(l.c, (*C.jsr_slot)(unsafe.Pointer(s))) == 0 {
		panic("no memory for a slot")
	}
	return s
}

// Remove makes the Loop forget a slot.
func (l *Loop) Remove(s *Slot) {
	C.jsr_slot_remove(l.c, (*C.jsr_slot)(unsafe.Pointer(s)))
	l.slots[s].Unpin()
	delete(l.slots, s)
}

// Others is the memory of all slots but s, which may be nil.
func (l *Loop) Others(s *Slot) uint64 {
	return uint64(C.jsr_others(l.c, (*C.jsr_slot)(unsafe.Pointer(s))))
}

// High is the data segment of s that its heap alone does not explain, half of the way to its limit.
func (l *Loop) High(s *Slot) uint64 { return uint64(C.jsr_high(l.c, (*C.jsr_slot)(unsafe.Pointer(s)))) }

// Bound puts the memory limit of s in force.
func (l *Loop) Bound(s *Slot) { C.jsr_bound(l.c, (*C.jsr_slot)(unsafe.Pointer(s))) }

// Unbound makes the next Bound set the limit, whichever slot it is for.
func (l *Loop) Unbound() { l.c.Loaded = nil }

// Memory returns what the Loop knows of the process's memory.
func (l *Loop) Memory() *Memory { return (*Memory)(unsafe.Pointer(&l.c.Memory)) }

// Size returns the bytes of memory that is the process's own (resident pages that belong to no file) and of the data segment.
func (m *Memory) Size() (own, data uint64, err error) {
	var o, d C.uint64_t
	if C.jsr_memory_size((*C.jsr_memory)(unsafe.Pointer(m)), &o, &d) == 0 {
		return 0, 0, errors.New("statm: too few fields")
	}
	return uint64(o), uint64(d), nil
}

// Used notes that s is used now.
func (l *Loop) Used(s *Slot) {
	l.c.Clock++
	s.LastUse = uint64(l.c.Clock)
}

// Ran notes that an execution of s has ended, and reports whether it is time to tidy.
func (l *Loop) Ran(s *Slot) bool {
	if s.ran == 0 {
		s.ran = 1
		l.c.RanCount++
	}
	l.c.Runs++
	return l.c.Runs >= TidyAfter
}

// Tidied notes that what ran before was tidied, or will be now.
func (l *Loop) Tidied() { l.c.Runs = 0 }

// TakeRan reports whether something ran in s since the last time, and forgets it.
func (l *Loop) TakeRan(s *Slot) bool {
	if s.ran == 0 {
		return false
	}
	s.ran = 0
	l.c.RanCount--
	return true
}

// Look reports whether it is time to look at the memory after an execution that took so long.
func (l *Loop) Look(wall time.Duration) bool {
	if l.c.Looks++; wall < ShortRun && l.c.Looks < LooksApart {
		return false
	}
	l.c.Looks = 0
	return true
}

// ---- executions that wait: the main thread's, or who has adopted ----

// Fresh forgets what the execution before in s has said and used.
func (l *Loop) Fresh(s *Slot) { C.jsr_slot_fresh((*C.jsr_slot)(unsafe.Pointer(s))) }

// Lend gives an execution that waits in s to the Loop, which goes on with it within Run. False: the Loop cannot have it.
func (l *Loop) Lend(s *Slot, a *Aside) bool {
	s.seq, s.wallMillis, s.cpuMillis, s.outputLimit, s.logLimit = a.Seq, a.WallMillis, a.CPUMillis, a.OutputLimit, a.LogLimit
	s.began, s.cpu, s.peak = monotonic()-int64(time.Since(a.Began)), int64(a.CPU), a.Peak
	return C.jsr_lend(l.c, (*C.jsr_slot)(unsafe.Pointer(s))) == 1
}

// TakeBack takes the execution that waits in s from the Loop. False: it has none.
func (l *Loop) TakeBack(s *Slot) (a Aside, ok bool) {
	if s.waits == 0 {
		return a, false
	}
	C.jsr_take_back(l.c, (*C.jsr_slot)(unsafe.Pointer(s)))
	return Aside{
		Seq: s.seq, Began: time.Now().Add(-time.Duration(monotonic() - s.began)), WallMillis: s.wallMillis, CPUMillis: s.cpuMillis,
		OutputLimit: s.outputLimit, LogLimit: s.logLimit, CPU: time.Duration(s.cpu), Peak: s.peak,
	}, true
}

// Later gives the Loop a Run's payload for a slot whose execution waits. False: it has too many.
func (l *Loop) Later(slot uint32, payload []byte) bool {
	return C.jsr_later_add(l.c, C.uint32_t(slot), (*C.uint8_t)(unsafe.SliceData(payload)), C.size_t(len(payload))) == 1
}

// TakeLater takes the oldest Run that came for a slot whose execution waits; nil: there is none.
func (l *Loop) TakeLater() []byte {
	r := l.c.Later
	if r == nil {
		return nil
	}
	payload := C.GoBytes(unsafe.Add(unsafe.Pointer(r), C.sizeof_jsr_later), C.int(r.Length))
	C.jsr_later_drop(l.c)
	return payload
}

func (w *Saying) c() C.jsr_saying {
	return C.jsr_saying{Seq: C.uint32_t(w.Seq), LogLimit: C.uint32_t(w.LogLimit), Began: C.int64_t(monotonic() - int64(time.Since(w.Began)))}
}

// Hear sends what the script in s has said by records. The main thread calls it where the script does not run, the watchdog while it does.
func (l *Loop) Hear(s *Slot, w Saying, running bool) {
	if s.Said == nil || atomic.LoadInt32((*int32)(unsafe.Add(unsafe.Pointer(s.Control), C.JSR_SAID_AT))) == 0 {
		return
	}
	over := C.int(1)
	if running {
		over = 0
	}
	c := w.c()
	C.jsr_said(l.c, (*C.jsr_slot)(unsafe.Pointer(s)), &c, over)
}

// Log sends a line of the script in s. False: its log is closed, because the limit is reached.
func (l *Loop) Log(s *Slot, w Saying, level wire.Level, micros uint64, message string) bool {
	c := w.c()
	return C.jsr_log(l.c, (*C.jsr_slot)(unsafe.Pointer(s)), &c, C.uint32_t(level), C.uint64_t(micros), (*C.uint8_t)(unsafe.StringData(message)), C.size_t(len(message))) == 1
}

// Peak is what looks at the process have seen beyond an empty worker's memory while the execution in s ran, as far as Go has told.
func (s *Slot) Peak() uint64 { return s.peak }

// Waits is how many executions that wait the Loop has.
func (l *Loop) Waits() int { return int(l.c.waits) }

// Turns grows with each call into an isolate.
func (l *Loop) Turns() uint64 { return uint64(l.c.Clock) }

// Quick is how many executions the Loop has run and answered without Go.
func (l *Loop) Quick() int64 { return int64(l.c.Quick) }

// ---- the watchdog's timer ----

// Stir makes sure that the watchdog looks within a Tick. What it is to see has been stored before.
func (l *Loop) Stir() {
	if atomic.LoadInt32((*int32)(&l.c.Timer.Set)) == 0 {
		C.jsr_timer_set(&l.c.Timer)
	}
}

// Rest unsets the timer where nothing is to be watched. Only the main thread calls it.
func (l *Loop) Rest() {
	if atomic.LoadInt32((*int32)(&l.c.Timer.Set)) != 0 {
		C.jsr_timer_rest(&l.c.Timer)
	}
}

// Wait returns at the next tick. Only the watchdog calls it.
func (l *Loop) Wait() {
	var expired [8]byte
	for {
		n, err := unix.Read(int(l.c.Timer.FD), expired[:])
		switch {
		case n == len(expired):
			atomic.StoreInt32((*int32)(&l.c.Timer.Set), 0) // before anything is looked at: what is stored later sets the timer again
			return
		case !errors.Is(err, unix.EINTR):
			panic(fmt.Sprintf("watchdog's timer: %d bytes, %v", n, err))
		}
	}
}

// ---- frames for the node ----

// largeFrame is from what length on a frame's memory is not kept.
const largeFrame = 1 << 20

// Send appends a frame. It is written by the next Flush, or at once when much has come together. Any thread may call it.
func (l *Loop) Send(m wire.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.scratch = m.Append(l.scratch[:0])
	_ = C.jsr_out_add(&l.c.Out, (*C.uint8_t)(unsafe.SliceData(l.scratch)), C.size_t(len(l.scratch))) // the next Flush says what is wrong
	if cap(l.scratch) > largeFrame {
		l.scratch = nil
	}
}

// Held reports whether a frame is not written yet.
func (l *Loop) Held() bool { return atomic.LoadInt32((*int32)(&l.c.Out.Held)) != 0 }

// Flush writes what was collected. It returns the error of the first write that failed.
func (l *Loop) Flush() error {
	if e := C.jsr_out_flush(&l.c.Out); e != 0 {
		return fmt.Errorf("write to the node: %w", syscall.Errno(e))
	}
	return nil
}

// ---- the loop ----

// Front is what the Loop has run or runs.
type Front struct {
	Pump                  bool // not an execution, but what V8 has put off
	Seq, Slot             uint32
	Began                 time.Time
	CPUBegan              time.Duration // of the process's CPU clock
	WallMillis, CPUMillis uint32
	OutputLimit, LogLimit uint32
}

// Run runs plain requests until something else comes. buf is the inbox's memory, of which the bytes from start to its length are not taken; no
// one else touches it meanwhile, unless Adopt says so. It returns what is left: the bytes from start to end.
func (l *Loop) Run(buf []byte, start int) (code Code, left, end int) {
	p := unsafe.SliceData(buf)
	l.pins.Pin(p)
	defer l.pins.Unpin()
	l.c.Buf = (*C.uint8_t)(p)
	l.c.Start, l.c.End, l.c.Cap = C.size_t(start), C.size_t(len(buf)), C.size_t(cap(buf))
	code = Code(C.jsr_loop_run(l.c))
	l.c.Buf = nil
	return code, int(l.c.Start), int(l.c.End)
}

// Running reports whether something runs that was not adopted, and for how long the call into its isolate has lasted.
func (l *Loop) Running() (bool, time.Duration) {
	if atomic.LoadInt32((*int32)(&l.c.Front.State)) != C.JSR_RUNNING {
		return false, 0
	}
	return true, time.Duration(monotonic() - atomic.LoadInt64((*int64)(&l.c.Front.Turn)))
}

// Adopt takes what runs from the Loop, with the inbox: Run returns Settle or Pumped once the call into V8 has ended. False: nothing runs, or
// it was adopted before. Any thread may call it.
func (l *Loop) Adopt() bool {
	return atomic.CompareAndSwapInt32((*int32)(&l.c.Front.State), C.JSR_RUNNING, C.JSR_ADOPTED)
}

// Front returns what was adopted, or what Run returned for, and where the inbox is.
func (l *Loop) Front() (f Front, left, end int) {
	c := &l.c.Front
	return Front{
		Pump: c.Pump != 0, Seq: uint32(c.Seq), Slot: uint32(c.Slot), CPUBegan: time.Duration(c.CPUBegan),
		Began:      time.Now().Add(-time.Duration(monotonic() - int64(c.Began))),
		WallMillis: uint32(c.WallMillis), CPUMillis: uint32(c.CPUMillis), OutputLimit: uint32(c.OutputLimit), LogLimit: uint32(c.LogLimit),
	}, int(l.c.Start), int(l.c.End)
}

// Said is what the call into V8 said that Run returned for.
func (l *Loop) Said() (threw, terminated bool) {
	return l.c.Flags&C.JSR_THREW != 0, l.c.Flags&C.JSR_TERMINATED != 0
}

// Done makes the Loop forget what was adopted.
func (l *Loop) Done() { atomic.StoreInt32((*int32)(&l.c.Front.State), C.JSR_NONE) }

func monotonic() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0
	}
	return ts.Nano()
}

// setAt says when the timer was set last, for tests.
func (l *Loop) setAt(monotonic int64) { l.c.Timer.SetAt = C.int64_t(monotonic) }
