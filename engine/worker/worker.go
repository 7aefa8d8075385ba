package worker

import (
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	"jsruntime/engine/internal/isolate"
	"jsruntime/engine/internal/sandbox"
	"jsruntime/engine/internal/webapi"
	"jsruntime/engine/internal/wire"
)

// Codes of package engine that the worker itself finds.
const (
	codeWallTime  = "exceeded_wall_time"
	codeCPU       = "exceeded_cpu"
	codeMemory    = "exceeded_memory"
	codeTooLarge  = "output_too_large"
	codeInvalid   = "invalid_output"
	codeException = "exception"
	codeBoot      = "boot_error"
)

const (
	maxIsolates   = 8               // of one worker
	spareHeap     = 64 << 20        // the default max_memory_bytes, so that most first loads find an isolate ready
	bootWall      = 5 * time.Second // for a script's top level
	stopGrace     = 20 * time.Millisecond
	maxDepth      = 1000 // nesting of an output: what Postgres and the node's JSON reader take with room to spare
	quickRun      = 200 * time.Microsecond
	maxLogMessage = 8 << 10
)

// fd is the descriptor of the socket to the node.
const fd = 3

// slot is a script in this worker.
type slot struct {
	iso       *isolate.Isolate
	maxMemory uint64
	used      uint64 // bytes at the end of its last run
	lastUse   uint64
	lastWall  time.Duration
}

// worker is the process.
type worker struct {
	in  *inbox
	out *outbox
	cur current
	dog *watchdog
	rt  *isolate.Runtime
	mem *memory

	leased bool
	lease  wire.Lease
	slots  map[uint32]*slot
	spare  *isolate.Isolate
	clock  uint64
	loaded *slot // whose memory limit is in force

	cancelled map[uint32]bool // Runs that were cancelled before they began; guarded by in.mu

	// Of the execution that runs; the main thread's only.
	seq      uint32
	began    time.Time
	cpuAt    time.Duration // CPU time at the end of the last one; 0 once anything but a Run came after it
	logLimit uint32
	logBytes uint64
	logLines uint32

	start   isolate.Start
	outcome isolate.Outcome
	result  wire.Result
}

// options are the worker's arguments.
type options struct {
	noJIT   bool
	sandbox string // auto, strict or off
	probe   bool
}

func parse(args []string) (options, error) {
	o := options{sandbox: "auto"}
	for _, a := range args {
		switch a {
		case "--jit=off":
			o.noJIT = true
		case "--jit=on":
			o.noJIT = false
		case "--sandbox=auto", "--sandbox=strict", "--sandbox=off":
			o.sandbox = strings.TrimPrefix(a, "--sandbox=")
		case sandbox.ProbeArg:
			o.probe = true
		default:
			return o, fmt.Errorf("unknown argument %q", a)
		}
	}
	return o, nil
}

// Main runs the worker until the node closes fd 3. It returns the exit status. args are those after the program's name:
//
//	--jit=off          V8 generates no machine code, and executable memory is denied
//	--sandbox=auto     what the kernel allows (the default)
//	--sandbox=strict   all layers, or the worker does not start
//	--sandbox=off      none but the limits of memory, for debugging
func Main(args []string, stderr io.Writer) int {
	// V8 belongs to one thread.
	runtime.LockOSThread()
	o, err := parse(args)
	if err == nil && o.probe {
		return wire.ExitLeft // the node only wanted to know whether it may start a worker so
	}
	var w *worker
	if err == nil {
		// The worker's own garbage is small; V8's is not Go's.
		debug.SetGCPercent(200)
		w, err = start(o)
	}
	if err == nil {
		err = w.loop()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		fmt.Fprintf(stderr, "worker: %v\n", err)
		return wire.ExitError
	}
	return wire.ExitLeft
}

func start(o options) (*worker, error) {
	layers := []string{"sandbox=off: by configuration"}
	var err error
	if o.sandbox != "off" {
		if layers, err = sandbox.Before(); err != nil {
			return nil, err
		}
	}
	w := &worker{in: newInbox(fd), out: newOutbox(fd), slots: map[uint32]*slot{}, cancelled: map[uint32]bool{}}
	w.dog = &watchdog{w: w, wake: make(chan struct{}, 1)}
	if w.mem, err = openMemory(); err != nil {
		return nil, err
	}
	if w.rt, err = isolate.New(isolate.Config{NoJIT: o.noJIT, Crypto: webapi.Crypto()}); err != nil {
		return nil, err
	}
	if w.spare, err = w.rt.New(spareHeap, w); err != nil {
		return nil, err
	}
	if err := w.rt.Check(w.spare); err != nil {
		return nil, err
	}
	isolate.CatchCrashes(int(w.mem.statm.Fd()))
	if o.sandbox != "off" {
		locked, err := sandbox.Lock(sandbox.LockConfig{NoJIT: o.noJIT, Socket: fd})
		if err != nil {
			return nil, err
		}
		layers = append(layers, locked...)
		if lacking := sandbox.Lacking(layers); o.sandbox == "strict" && len(lacking) > 0 {
			return nil, fmt.Errorf("sandbox: %s", strings.Join(lacking, "; "))
		}
	}
	if w.mem.idleRSS, w.mem.base, err = w.mem.size(); err != nil {
		return nil, err
	}
	go w.dog.run()
	w.out.add(&wire.Hello{
		Protocol: wire.Protocol, Build: wire.Build(), V8: isolate.Version(), Layers: layers, VMData: w.mem.base,
	})
	return w, w.out.flush()
}

// loop serves the node until it hangs up.
func (w *worker) loop() error {
	for {
		f, err := w.next()
		if err != nil {
			return err
		}
		if err := w.handle(f); err != nil {
			return err
		}
	}
}

// next takes the next frame. Answers are written before it waits.
func (w *worker) next() (frame, error) {
	if !w.in.ready() {
		w.cpuAt = 0
		if err := w.out.flush(); err != nil {
			return frame{}, err
		}
	}
	f, _, err := w.in.next(-1)
	return f, err
}

func (w *worker) handle(f frame) error {
	if f.kind != wire.KindRun {
		w.cpuAt = 0
	}
	if !w.leased && f.kind != wire.KindLease {
		return fmt.Errorf("frame %d before the lease", f.kind)
	}
	switch f.kind {
	case wire.KindLease:
		m, err := wire.ParseLease(f.payload)
		if err != nil {
			return err
		}
		if w.leased {
			return errors.New("a second lease")
		}
		m.Env = append([]byte(nil), m.Env...)
		w.lease, w.leased = m, true
		return w.mem.setHard(m.MaxMemory)
	case wire.KindLoad:
		m, err := wire.ParseLoad(f.payload)
		if err != nil {
			return err
		}
		w.load(&m)
		return w.out.flush()
	case wire.KindDrop:
		m, err := wire.ParseDrop(f.payload)
		if err != nil {
			return err
		}
		w.drop(m.Slot)
		return nil
	case wire.KindRun:
		m, err := wire.ParseRun(f.payload)
		if err != nil {
			return err
		}
		return w.run(&m)
	case wire.KindCancel:
		m, err := wire.ParseCancel(f.payload)
		if err != nil {
			return err
		}
		w.cancelLocked(m)
		return nil
	case wire.KindHostReply, wire.KindChunk, wire.KindCredit:
		return nil // of a Run that has ended
	default:
		return fmt.Errorf("frame %d is not the node's", f.kind)
	}
}

// cancelLocked is cancel for the main thread.
func (w *worker) cancelLocked(m wire.Cancel) {
	w.in.mu.Lock()
	defer w.in.mu.Unlock()
	w.cancel(m)
}

// cancel ends a Run in any state. The inbox is locked.
func (w *worker) cancel(m wire.Cancel) {
	waits := false
	w.in.each(func(kind wire.Kind, payload []byte) {
		if kind == wire.KindRun && !waits {
			if r, err := wire.ParseRun(payload); err == nil && r.Seq == m.Seq {
				waits = true
			}
		}
	})
	if waits {
		if !w.cancelled[m.Seq] {
			w.cancelled[m.Seq] = true
			w.out.add(&wire.Result{Seq: m.Seq, Code: m.Code, Message: "cancelled before it began"})
			_ = w.out.flush() // the main thread sees the error at its next flush
		}
		return
	}
	if m.Code != wire.CodeRecalled {
		w.cur.halt(m.Seq, m.Code)
	}
}

func (w *worker) drop(id uint32) {
	if s := w.slots[id]; s != nil {
		delete(w.slots, id)
		if w.loaded == s {
			w.loaded = nil
		}
		s.iso.Close()
	}
}

// others is the memory of all slots but s.
func (w *worker) others(s *slot) uint64 {
	var n uint64
	for _, o := range w.slots {
		if o != s {
			n += o.used
		}
	}
	return n
}

// bound puts the memory limit of s in force.
func (w *worker) bound(s *slot) {
	if w.loaded == s {
		return
	}
	if err := w.mem.limit(s.maxMemory, w.others(s)); err == nil {
		w.loaded = s
	}
}

// makeRoom drops the isolates that were not used for longest when there are too many, or when they hold more together than one
// script may.
func (w *worker) makeRoom() {
	for len(w.slots) >= maxIsolates || len(w.slots) > 0 && w.others(nil) > w.lease.MaxMemory {
		var oldest uint32
		var at uint64 = math.MaxUint64
		for id, s := range w.slots {
			if s.lastUse < at {
				oldest, at = id, s.lastUse
			}
		}
		w.drop(oldest)
	}
}

func (w *worker) load(m *wire.Load) {
	failed := func(code, message, stack string) {
		w.drop(m.Slot)
		w.out.add(&wire.Loaded{Slot: m.Slot, Code: code, Message: message, Stack: stack})
	}
	s := w.slots[m.Slot]
	if s != nil && s.iso.MaxHeap != m.MaxMemory {
		w.drop(m.Slot)
		s = nil
	}
	if s == nil {
		w.makeRoom()
		iso := w.spare
		if iso != nil && iso.MaxHeap == m.MaxMemory {
			w.spare = nil
		} else {
			var err error
			if iso, err = w.rt.New(m.MaxMemory, w); err != nil {
				failed(codeMemory, isolate.Bound("no isolate: "+err.Error(), isolate.MaxMessage), "")
				return
			}
		}
		s = &slot{iso: iso}
		w.slots[m.Slot] = s
	}
	s.maxMemory = m.MaxMemory
	w.clock++
	s.lastUse = w.clock
	w.loaded = nil
	w.bound(s)
	w.seq = 0
	w.cur.begin(0, s.iso, time.Now(), bootWall, 0, 0)
	w.dog.stir()
	w.cur.enter()
	failure, err := s.iso.Load(m.Name, string(m.Source), string(m.Static), string(w.lease.Env), w.lease.TenantID, w.lease.TenantSlug)
	w.cur.leave()
	stop, terminated, _ := w.cur.end()
	usage := s.iso.Usage()
	s.used = usage.Heap + usage.Native
	switch {
	case stop != "":
		failed(codeBoot, fmt.Sprintf("the script's top level took longer than %d ms", bootWall.Milliseconds()), "")
	case usage.Exceeded || terminated:
		failed(codeMemory, memoryMessage(m.MaxMemory, s.used), "")
	case err != nil:
		failed(codeBoot, isolate.Bound(err.Error(), isolate.MaxMessage), "")
	case failure != nil:
		failed(failure.Code, failure.Message, failure.Stack)
	default:
		w.out.add(&wire.Loaded{Slot: m.Slot})
	}
}

func memoryMessage(limit, observed uint64) string {
	return fmt.Sprintf("max_memory_bytes: limit %d, observed %d or more", limit, max(observed, limit))
}

// run executes one Run and answers it.
func (w *worker) run(m *wire.Run) error {
	if w.skip(m.Seq) {
		return nil
	}
	s := w.slots[m.Slot]
	if s == nil {
		// Its isolate was condemned while this waited: the node sends it elsewhere, or loads again.
		w.out.add(&wire.Result{Seq: m.Seq, Code: wire.CodeRecalled, Message: "the isolate is gone"})
		return nil
	}
	if w.out.held.Load() && s.lastWall > quickRun || s.lastWall == 0 {
		// What may take long, or kill the process, does not hold back the answers of others.
		if err := w.out.flush(); err != nil {
			return err
		}
	}
	w.clock++
	s.lastUse = w.clock
	w.bound(s)
	began, cpuBegan := time.Now(), w.cpuAt
	if cpuBegan == 0 {
		cpuBegan = cpuTime()
	}
	w.seq, w.began, w.logLimit, w.logBytes, w.logLines = m.Seq, began, m.LogLimit, 0, 0
	w.cur.begin(m.Seq, s.iso, began, time.Duration(m.WallMillis)*time.Millisecond, time.Duration(m.CPUMillis)*time.Millisecond, cpuBegan)
	w.dog.stir()

	w.start = isolate.Start{
		Handler: int32(m.Handler), WallMillis: int32(min(m.WallMillis, math.MaxInt32)), OutputLimit: int32(min(m.OutputLimit, math.MaxInt32)),
		Context: text(m.Context), Head: text(m.Head), Body: m.Body, HasBody: m.HasBody || m.Handler != wire.HandlerFetch,
	}
	w.start.BodyIsText = m.Handler != wire.HandlerFetch || plainText(m.Body)
	var err error
	if w.cur.enter() {
		err = s.iso.Begin(&w.start)
		w.cur.leave()
	}
	wallMillis, cpuMillis, outputLimit := m.WallMillis, m.CPUMillis, m.OutputLimit
	id := m.Slot
	if err == nil && !s.iso.Done() {
		// m shares the inbox's memory, which the waiting reads over.
		if err = w.await(s); errors.Is(err, errHangup) {
			return errors.Unwrap(err)
		}
	}

	r := &w.result
	*r = wire.Result{Seq: w.seq}
	if err == nil && s.iso.Done() && w.cur.enter() {
		err = s.iso.Take(&w.outcome)
		w.cur.leave()
	} else {
		w.outcome = isolate.Outcome{}
	}
	stop, terminated, peakRSS := w.cur.end()
	wall := time.Since(began)
	w.cpuAt = cpuTime()
	cpu := w.cpuAt - cpuBegan
	usage := s.iso.Usage()
	s.used = usage.Heap + usage.Native
	s.lastWall = max(wall, 1)
	r.WallMicros = max(uint64(wall.Microseconds()), 1)
	r.CPUMicros = uint64(cpu.Microseconds())
	r.PeakMemory = max(s.used, peakRSS)
	r.LogBytes = w.logBytes
	condemned := terminated || usage.Exceeded
	switch {
	case usage.Exceeded && stop != "cancelled":
		r.Code, r.Message = codeMemory, memoryMessage(s.maxMemory, r.PeakMemory)
	case stop != "":
		r.Code, r.Message = stop, w.stopMessage(stop, wallMillis, cpuMillis, wall, cpu)
	case err != nil:
		r.Code, r.Message = codeException, isolate.Bound(err.Error(), isolate.MaxMessage)
		condemned = true
	default:
		w.fill(r, outputLimit)
	}
	if condemned {
		r.Condemned = true
		w.out.add(r)
		w.drop(id)
		return w.out.flush()
	}
	if stop != "" || err != nil {
		if err := s.iso.End(); err != nil {
			r.Condemned = true
		}
	}
	if s.used > s.maxMemory-s.maxMemory/8 {
		// What it keeps leaves the next execution no room.
		r.Condemned = true
	}
	w.out.add(r)
	if r.Condemned {
		w.drop(id)
	} else if err := s.iso.Shrink(); err != nil {
		return err
	}
	return nil
}

// fill makes the result of an execution that came to its own end.
func (w *worker) fill(r *wire.Result, outputLimit uint32) {
	o := &w.outcome
	r.Streamed = o.Streamed
	if f := o.Failure; f != nil {
		r.Code, r.Message, r.Stack, r.NoRetry = f.Code, f.Message, f.Stack, f.NoRetry
		return
	}
	r.Status = o.Status
	if o.Headers != "" {
		r.Headers = latin1(o.Headers)
	}
	if o.Bytes != nil {
		r.Body = o.Bytes
	} else if o.Text != "" {
		r.Body = unsafe.Slice(unsafe.StringData(o.Text), len(o.Text))
	}
	if uint64(len(r.Body)) > uint64(outputLimit) {
		observed := len(r.Body)
		r.Status, r.Headers, r.Body = 0, nil, nil
		r.Code, r.Message = codeTooLarge, fmt.Sprintf("max_output_size_bytes: limit %d, observed %d", outputLimit, observed)
		return
	}
	if r.Status == 0 && !o.Streamed && len(r.Body) > maxDepth && depth(r.Body) > maxDepth {
		r.Body = nil
		r.Code, r.Message = codeInvalid, fmt.Sprintf("the output nests deeper than %d levels", maxDepth)
	}
}

// latin1 turns header text, whose characters are bytes, into those bytes.
func latin1(s string) []byte {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		b = append(b, byte(r))
	}
	return b
}

// depth is how deep valid JSON nests.
func depth(b []byte) int {
	deepest, n, quoted := 0, 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			n++
			deepest = max(deepest, n)
		case c == ']' || c == '}':
			n--
		}
	}
	return deepest
}

func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// plainText reports whether b may cross as a string: valid UTF-8 without a byte order mark, which decoding to text would take away.
func plainText(b []byte) bool {
	return utf8.Valid(b) && !(len(b) >= 3 && b[0] == 0xEF && b[1] == 0xBB && b[2] == 0xBF)
}

// skip reports whether the Run was cancelled, and answered, while it waited.
func (w *worker) skip(seq uint32) bool {
	w.in.mu.Lock()
	defer w.in.mu.Unlock()
	if len(w.cancelled) > 0 && w.cancelled[seq] {
		delete(w.cancelled, seq)
		return true
	}
	return false
}

func (w *worker) stopCode() string {
	w.cur.mu.Lock()
	defer w.cur.mu.Unlock()
	return w.cur.stop
}

func (w *worker) stopMessage(code string, wallMillis, cpuMillis uint32, wall, cpu time.Duration) string {
	switch code {
	case codeWallTime:
		return fmt.Sprintf("max_execution_time_ms: limit %d, observed %d", wallMillis, max(uint64(wall.Milliseconds()), uint64(wallMillis)))
	case codeCPU:
		return fmt.Sprintf("max_cpu_time_ms: limit %d, observed %d", cpuMillis, max(uint64(cpu.Milliseconds()), uint64(cpuMillis)))
	case "cancelled":
		return "cancelled"
	default:
		return "ended by the node: " + strings.ReplaceAll(code, "_", " ")
	}
}

// errHangup wraps an error of the connection.
var errHangup = errors.New("hang-up")

type hangup struct{ err error }

func (h hangup) Error() string        { return h.err.Error() }
func (h hangup) Unwrap() error        { return h.err }
func (h hangup) Is(target error) bool { return target == errHangup }

// await goes on with an execution that waits, until it is done or must end.
func (w *worker) await(s *slot) error {
	for !s.iso.Done() {
		if code := w.stopCode(); code != "" {
			w.notify(s, code)
			return nil
		}
		if s.iso.Idle() {
			return s.iso.Unsettled()
		}
		_, due := s.iso.Waiting()
		elapsed := float64(time.Since(w.began)) / float64(time.Millisecond)
		if due <= elapsed {
			if !w.cur.enter() {
				continue
			}
			err := s.iso.Tick()
			w.cur.leave()
			if err != nil {
				return err
			}
			// Timers that follow each other at once still let frames in, and the deadline.
			if f, ok, err := w.in.nextOf(0); err != nil {
				return hangup{err}
			} else if ok {
				if err := w.during(s, f); err != nil {
					return err
				}
			}
			continue
		}
		if err := w.out.flush(); err != nil {
			return hangup{err}
		}
		w.cur.mu.Lock()
		left := time.Until(w.cur.deadline)
		w.cur.mu.Unlock()
		millis := math.Ceil(max(float64(left)/float64(time.Millisecond), 0))
		if !math.IsInf(due, 1) {
			millis = min(millis, math.Ceil(due-elapsed))
		}
		f, ok, err := w.in.nextOf(int(max(millis, 0)))
		if err != nil {
			return hangup{err}
		}
		if ok {
			if err := w.during(s, f); err != nil {
				return err
			}
		} else if left <= 0 {
			w.cur.check(time.Now())
		}
	}
	return nil
}

// during takes a frame that arrived while an execution waits.
func (w *worker) during(s *slot, f frame) error {
	switch f.kind {
	case wire.KindHostReply:
		m, err := wire.ParseHostReply(f.payload)
		if err != nil {
			return hangup{err}
		}
		if m.Seq != w.seq || !w.cur.enter() {
			return nil
		}
		defer w.cur.leave()
		return s.iso.Reply(m.Call, m.OK, text(m.Payload), m.Body, m.Stream)
	case wire.KindChunk:
		m, err := wire.ParseChunk(f.payload)
		if err != nil {
			return hangup{err}
		}
		if m.Seq != w.seq || !w.cur.enter() {
			return nil
		}
		defer w.cur.leave()
		return s.iso.Chunk(m.Stream, m.Data, m.Last, m.Error)
	case wire.KindCredit:
		m, err := wire.ParseCredit(f.payload)
		if err != nil {
			return hangup{err}
		}
		if m.Seq != w.seq || !w.cur.enter() {
			return nil
		}
		defer w.cur.leave()
		return s.iso.Credit(m.Stream, m.Bytes)
	case wire.KindCancel:
		m, err := wire.ParseCancel(f.payload)
		if err != nil {
			return hangup{err}
		}
		w.cancelLocked(m)
		return nil
	default:
		w.in.putBack(f)
		return nil
	}
}

// notify lets ctx.signal's listeners know that the execution ends.
func (w *worker) notify(s *slot, code string) {
	name, message := "AbortError", "the execution was cancelled"
	if code == codeWallTime || code == codeCPU {
		name, message = "TimeoutError", "the execution has run out of time"
	}
	w.cur.grace(stopGrace)
	_ = s.iso.Stop(name, message) // a termination shows in the current execution's state
	w.cur.mu.Lock()
	w.cur.inJS = false
	w.cur.stop = code
	w.cur.mu.Unlock()
}

// ---- isolate.Host ----

// HostCall implements isolate.Host.
func (w *worker) HostCall(call uint32, method, args string, body []byte, streams bool) error {
	if len(args)+len(body) > wire.MaxFrame-(64<<10) {
		return fmt.Errorf("%s: %d bytes are more than a call may carry", method, len(args)+len(body))
	}
	w.out.add(&wire.HostCall{Seq: w.seq, Call: call, Method: method, Args: unsafe.Slice(unsafe.StringData(args), len(args)), Body: body, Stream: streams})
	return nil
}

// Upload implements isolate.Host.
func (w *worker) Upload(call uint32, data []byte, last bool, message string) {
	w.out.add(&wire.Chunk{Seq: w.seq, Stream: call, Data: data, Last: last, Error: message})
}

// HostCancel implements isolate.Host.
func (w *worker) HostCancel(call uint32) { w.out.add(&wire.HostCancel{Seq: w.seq, Call: call}) }

// Credit implements isolate.Host.
func (w *worker) Credit(call, n uint32) {
	w.out.add(&wire.Credit{Seq: w.seq, Stream: call, Bytes: n})
}

// Head implements isolate.Host.
func (w *worker) Head(status uint32, headers string) {
	w.out.add(&wire.Head{Seq: w.seq, Status: status, Headers: latin1(headers)})
}

// Chunk implements isolate.Host.
func (w *worker) Chunk(data []byte) { w.out.add(&wire.Chunk{Seq: w.seq, Data: data}) }

// lineCost is what a line counts beside its bytes, so that empty lines are bounded too.
const lineCost = 16

// Log implements isolate.Host.
func (w *worker) Log(level int, message string) bool {
	if level < 0 || level > int(wire.LevelError) {
		level = int(wire.LevelInfo)
	}
	message = isolate.Bound(message, maxLogMessage)
	micros := uint64(time.Since(w.began).Microseconds())
	w.logLines++
	if w.logBytes+uint64(len(message))+uint64(w.logLines)*lineCost > uint64(w.logLimit)+lineCost {
		w.out.add(&wire.Log{Seq: w.seq, Level: wire.LevelWarn, Micros: micros, Message: fmt.Sprintf("[log truncated: max_log_bytes limit %d]", w.logLimit)})
		return false
	}
	w.logBytes += uint64(len(message))
	w.out.add(&wire.Log{Seq: w.seq, Level: wire.Level(level), Micros: micros, Message: message})
	return true
}

// sampleRSS notes the resident set while something long runs. The watchdog calls it.
func (w *worker) sampleRSS() {
	rss, _, err := w.mem.size()
	if err != nil || rss <= w.mem.idleRSS {
		return
	}
	w.cur.mu.Lock()
	w.cur.peakRSS = max(w.cur.peakRSS, rss-w.mem.idleRSS)
	w.cur.mu.Unlock()
}
