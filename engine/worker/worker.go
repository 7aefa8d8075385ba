package worker

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	"example.com/jsruntime/engine/internal/isolate"
	"example.com/jsruntime/engine/internal/sandbox"
	"example.com/jsruntime/engine/internal/warm"
	"example.com/jsruntime/engine/internal/webapi"
	"example.com/jsruntime/engine/internal/wire"
)

const (
	spareHeap     = 64 << 20        // the default max_memory_bytes, so that most first loads find an isolate ready
	bootWall      = 5 * time.Second // for a script's top level
	stopGrace     = 20 * time.Millisecond
	maxLogMessage = 8 << 10
)

// warmByDefault is whether plain requests are run without Go where no argument says.
const warmByDefault = true

// fd is the descriptor of the socket to the node.
const fd = 3

// slot is a script in this worker.
type slot struct {
	*warm.Slot
	id     uint32
	iso    *isolate.Isolate
	open   *execution // its execution that waits, nil if none does
	pumped time.Time  // when its message loop was last pumped
}

// execution is one Run that was begun. Those that wait are set aside, each in its own isolate, while others go on.
type execution struct {
	id          uint32 // of its slot
	slot        *slot
	seq         uint32
	began       time.Time
	wallMillis  uint32
	cpuMillis   uint32
	outputLimit uint32
	logLimit    uint32
	trial       bool // it only loads its script, in an isolate that nothing else uses

	// While it is set aside; guarded by current.mu.
	ending
	cpu      time.Duration // that it has used
	peakRSS  uint64
	answered bool // its Result was sent while another execution ran
}

// worker is the process.
type worker struct {
	in   *inbox
	loop *warm.Loop // the frames for the node, the watchdog's timer, memory; and the warm path
	cur  current
	rt   *isolate.Runtime
	mem  *warm.Memory

	statm *os.File // /proc/self/statm, which the loop and the crash handler read

	warm    bool // plain requests are the loop's
	inLoop  bool // the loop runs; the main thread's
	entered bool // the execution that the loop has begun is in front; the main thread's
	apart   int  // how many frames Go takes before the loop is tried again, where executions wait; the main thread's
	idle    int  // apart after the loop was last tried in vain

	leased bool
	lease  wire.Lease
	slots  map[uint32]*slot
	spare  *isolate.Isolate
	worn   bool // what is left after all was given back leaves too little: the node replaces the worker

	cancelled map[uint32]bool // Runs that were cancelled before they began; guarded by in.mu

	// Of the execution in front, the one whose JavaScript runs; the main thread's only.
	execution
	open  []*execution  // those that wait
	freed bool          // an execution has ended since frames were put back
	cpuAt time.Duration // CPU time at the end of the last execution; 0 once anything but a Run came after it

	start   isolate.Start
	outcome isolate.Outcome
	result  wire.Result
}

// options are the worker's arguments.
type options struct {
	jit     isolate.JIT
	sandbox string // auto, strict or off
	warm    bool
	count   bool // say how many executions were the loop's, for tests
	probe   bool
	version bool
	image   string // make, use or nothing
}

func parse(args []string) (options, error) {
	o := options{sandbox: "auto", jit: isolate.JITFull, warm: warmByDefault}
	for _, a := range args {
		switch a {
		case "--jit=full", "--jit=maglev", "--jit=baseline", "--jit=off":
			o.jit = isolate.JIT(strings.TrimPrefix(a, "--jit="))
		case "--sandbox=auto", "--sandbox=strict", "--sandbox=off":
			o.sandbox = strings.TrimPrefix(a, "--sandbox=")
		case "--warm=on", "--warm=off", "--warm=count":
			o.warm, o.count = a != "--warm=off", a == "--warm=count"
		case sandbox.ProbeArg:
			o.probe = true
		case wire.ImageMakeArg:
			o.image = "make"
		case wire.ImageUseArg:
			o.image = "use"
		case wire.VersionArg:
			o.version = true
		default:
			return o, fmt.Errorf("unknown argument %q", a)
		}
	}
	return o, nil
}

// Main runs the worker until the node closes fd 3. It returns the exit status. args are those after the program's name:
//
//	--jit=full         how far V8 compiles: see isolate.JIT (full is the default)
//	--jit=maglev
//	--jit=baseline
//	--jit=off          V8 generates no machine code, and executable memory is denied
//	--sandbox=auto     what the kernel allows (the default)
//	--sandbox=strict   all layers, or the worker does not start
//	--sandbox=off      none but the limits of memory, for debugging
//	--warm=on          plain requests are run without Go: see package warm
//	--warm=off         Go runs all of them, for tests and debugging
//	--image=make       writes an image to stdout and ends: see wire.ImageMakeArg
//	--image=use        starts from the image that is fd 4
//	--version          says what it is on stdout and ends: see wire.Description
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	// V8 belongs to one thread.
	runtime.LockOSThread()
	o, err := parse(args)
	if err == nil && o.probe {
		return wire.ExitLeft // the node only wanted to know whether it may start a worker so
	}
	if err == nil && o.version {
		if err = describe(o, stdin, stdout); err != nil {
			fmt.Fprintf(stderr, "worker: %v\n", err)
			return wire.ExitError
		}
		return wire.ExitLeft
	}
	if err == nil && o.image == "make" {
		if err = makeImage(o, stdout); err != nil {
			fmt.Fprintf(stderr, "worker: %v\n", err)
			return wire.ExitError
		}
		return wire.ExitLeft
	}
	var w *worker
	if err == nil {
		// The worker's own garbage is small; V8's is not Go's. Go collects from 4 MiB on: at 200 each of a node's many workers held 4 MiB
		// more.
		debug.SetGCPercent(100)
		w, err = start(o)
	}
	if err == nil {
		if err = w.serve(); o.count {
			fmt.Fprintf(stderr, "worker: warm: %v, %d\n", w.warm, w.loop.Quick())
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		fmt.Fprintf(stderr, "worker: %v\n", err)
		return wire.ExitError
	}
	return wire.ExitLeft
}

func start(o options) (*worker, error) {
	layers := []string{"sandbox=off: by configuration"}
	var image []byte
	var err error
	if o.image == "use" {
		// Before the sandbox closes what else is open.
		if image, err = mapImage(wire.ImageFD); err != nil {
			return nil, fmt.Errorf("image: %w", err)
		}
	}
	if o.sandbox != "off" {
		if layers, err = sandbox.Before(); err != nil {
			return nil, err
		}
	}
	w := &worker{in: newInbox(fd), slots: map[uint32]*slot{}, cancelled: map[uint32]bool{}}
	if w.statm, err = os.Open("/proc/self/statm"); err != nil {
		return nil, err
	}
	begin, pump, used, reply := isolate.WarmCalls()
	if w.loop, err = warm.New(warm.Config{FD: fd, Statm: int(w.statm.Fd()), Begin: begin, Pump: pump, Used: used, Reply: reply, Text: isolate.WarmText()}); err != nil {
		return nil, err
	}
	w.warm = o.warm && begin != nil
	w.mem = w.loop.Memory()
	w.cur.mem = w.mem
	if w.rt, err = isolate.New(isolate.Config{JIT: o.jit, Image: image, Crypto: webapi.Crypto()}); err != nil {
		return nil, err
	}
	if w.spare, err = w.rt.New(spareHeap, w); err != nil {
		return nil, err
	}
	if err := w.rt.Check(w.spare); err != nil {
		return nil, err
	}
	isolate.CatchCrashes(int(w.statm.Fd()))
	if o.sandbox != "off" {
		locked, err := sandbox.Lock(sandbox.LockConfig{NoJIT: o.jit == isolate.JITOff, Socket: fd})
		if err != nil {
			return nil, err
		}
		layers = append(layers, locked...)
		if lacking := sandbox.Lacking(layers); o.sandbox == "strict" && len(lacking) > 0 {
			return nil, fmt.Errorf("sandbox: %s", strings.Join(lacking, "; "))
		}
	}
	// The start leaves some 3 MiB of garbage, which every idle worker would keep.
	debug.FreeOSMemory()
	isolate.Trim()
	if w.mem.Idle, w.mem.Base, err = w.mem.Size(); err != nil {
		return nil, err
	}
	go w.watch()
	w.loop.Send(&wire.Hello{
		Protocol: wire.Protocol, Build: wire.Build(), V8: isolate.Version(), Layers: layers, VMData: w.mem.Base,
	})
	return w, w.loop.Flush()
}

// serve takes the node's frames until it hangs up.
func (w *worker) serve() error {
	for {
		if w.mayWarm() {
			took, err := w.runWarm()
			if err != nil {
				return err
			}
			if took {
				continue
			}
		}
		if len(w.open) > 0 {
			if err := w.turn(); err != nil {
				return err
			}
			continue
		}
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
		if err := w.tidy(); err != nil {
			return frame{}, err
		}
		w.loop.Rest()
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
		return w.setHard(m.MaxMemory)
	case wire.KindLoad:
		m, err := wire.ParseLoad(f.payload)
		if err != nil {
			return err
		}
		w.load(&m)
		return w.loop.Flush()
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
			w.loop.Send(&wire.Result{Seq: m.Seq, Code: m.Code, Message: "cancelled before it began"})
			_ = w.loop.Flush() // the main thread sees the error at its next flush
		}
		return
	}
	switch {
	case m.Code == wire.CodeRecalled:
	case m.GraceMillis == 0 && !m.Left:
		w.cur.halt(m.Seq, m.Code)
		w.answerStopped()
	case w.cur.announce(&m):
		w.loop.Send(&wire.GoesOn{Seq: m.Seq})
		_ = w.loop.Flush() // the main thread sees the error at its next flush
	}
}

// answerStopped answers for executions that were set aside and must end, while the JavaScript of another keeps the main thread. What
// is left of them ends when that thread comes to it.
func (w *worker) answerStopped() {
	w.cur.mu.Lock()
	var stopped []*execution
	if w.cur.inJS {
		for _, x := range w.cur.aside {
			if x.stop != "" && !x.answered {
				x.answered = true
				stopped = append(stopped, x)
			}
		}
	}
	w.cur.mu.Unlock()
	for _, x := range stopped {
		wall := time.Since(x.began)
		w.loop.Send(&wire.Result{
			Seq: x.seq, Code: x.stop, Cancelled: x.cancelled || x.stop == wire.CodeCancelled, Message: stopMessage(x.stop, x.wallMillis, x.cpuMillis, wall, x.cpu), LogBytes: x.slot.LogBytes,
			WallMicros: max(uint64(wall.Microseconds()), 1), CPUMicros: uint64(x.cpu.Microseconds()), PeakMemory: x.peakRSS,
		})
	}
	if len(stopped) > 0 {
		_ = w.loop.Flush() // the main thread sees the error at its next flush
	}
}

func (w *worker) drop(id uint32) {
	if s := w.slots[id]; s != nil {
		delete(w.slots, id)
		s.forget()
		w.loop.Remove(s.Slot)
		s.iso.Close()
	}
}

// forget makes the loop know nothing of the slot's context.
func (s *slot) forget() {
	s.Isolate, s.Control, s.Short, s.ShortLength, s.Said, s.SaidLength = nil, nil, nil, 0, nil, 0
}

// makeRoom drops the isolates that were not used for longest when there are too many, or when they hold more together than one
// script may.
func (w *worker) makeRoom() {
	for rest := len(w.slots) - len(w.open); rest >= wire.MaxIsolates || rest > 0 && w.loop.Others(nil) > w.lease.MaxMemory; rest-- {
		var oldest uint32
		var at uint64 = math.MaxUint64
		for id, s := range w.slots {
			if s.open == nil && s.LastUse < at {
				oldest, at = id, s.LastUse
			}
		}
		w.drop(oldest)
	}
}

// isolateCost is what an isolate takes of the process's memory before its script has anything, with some room.
const isolateCost = 8 << 20

// crowded reports whether one more isolate beside those whose execution waits could make the process exceed its memory.
func (w *worker) crowded(maxMemory uint64) bool {
	if len(w.open) == 0 {
		return false
	}
	_, data, err := w.mem.Size()
	return err != nil || data+isolateCost+maxMemory > w.mem.Hard
}

func (w *worker) load(m *wire.Load) {
	failed := func(code, message, stack string) {
		w.drop(m.Slot)
		w.loop.Send(&wire.Loaded{Slot: m.Slot, Code: code, Message: message, Stack: stack})
	}
	s := w.slots[m.Slot]
	if s != nil && s.iso.MaxHeap != m.MaxMemory {
		w.drop(m.Slot)
		s = nil
	}
	if s == nil {
		w.makeRoom()
		if w.crowded(m.MaxMemory) {
			w.loop.Send(&wire.Loaded{Slot: m.Slot, Code: wire.CodeRecalled, Message: "no room for another isolate"})
			return
		}
		iso := w.spare
		if iso != nil && iso.MaxHeap == m.MaxMemory {
			w.spare = nil
		} else {
			var err error
			if iso, err = w.rt.New(m.MaxMemory, w); err != nil {
				failed(wire.CodeExceededMemory, isolate.Bound("no isolate: "+err.Error(), isolate.MaxMessage), "")
				return
			}
		}
		s = &slot{id: m.Slot, iso: iso, Slot: w.loop.Add(m.Slot, m.MaxMemory)}
		w.slots[m.Slot] = s
	}
	s.forget() // that of another version
	w.loop.Used(s.Slot)
	w.loop.Unbound()
	w.loop.Bound(s.Slot)
	w.seq = 0
	w.cur.begin(0, s.iso, time.Now(), bootWall, 0, 0)
	w.loop.Stir()
	w.cur.enter()
	failure, err := s.iso.Load(&isolate.Script{
		Name: m.Name, Source: string(m.Source), SourceMap: m.SourceMap, Static: string(m.Static), Env: joined(w.lease.Env, m.Env), TenantID: w.lease.TenantID, TenantSlug: w.lease.TenantSlug,
		Cache: m.Cache, Compile: m.Produce,
	})
	var made []byte
	if err == nil && failure == nil && m.Produce {
		made, err = s.iso.CodeCache()
	}
	w.cur.leave()
	end, terminated, _, _ := w.cur.end()
	usage := s.iso.Usage()
	s.Used = usage.Heap + usage.Native
	switch {
	case end.stop != "":
		failed(wire.CodeBootError, fmt.Sprintf("the script's top level took longer than %d ms", bootWall.Milliseconds()), "")
	case usage.Exceeded || terminated:
		failed(wire.CodeExceededMemory, memoryMessage(m.MaxMemory, s.Used), "")
	case err != nil:
		failed(wire.CodeBootError, isolate.Bound(err.Error(), isolate.MaxMessage), "")
	case failure != nil:
		failed(failure.Code, failure.Message, failure.Stack)
	default:
		if w.warm {
			v := s.iso.Warm()
			s.Isolate, s.Control, s.Short, s.ShortLength = v.Isolate, v.Control, v.Short, uint64(v.ShortLength)
			s.Said, s.SaidLength = v.Said, uint64(v.SaidLength)
		}
		w.loop.Send(&wire.Loaded{Slot: m.Slot, Cache: made, Refused: s.iso.CacheRefused()})
	}
}

// joined is one JSON object of the members of two, which have different names. Empty is an object without members.
func joined(a, b []byte) string {
	const none = 2 // {}
	switch {
	case len(b) <= none:
		return string(a)
	case len(a) <= none:
		return string(b)
	}
	return string(a[:len(a)-1]) + "," + string(b[1:])
}

func memoryMessage(limit, observed uint64) string {
	return fmt.Sprintf("max_memory_bytes: limit %d, observed %d or more", limit, max(observed, limit))
}

// run executes one Run and answers it.
func (w *worker) run(m *wire.Run) error {
	if w.skip(m.Seq) {
		return nil
	}
	if w.worn && len(w.open) == 0 {
		w.loop.Send(&wire.Result{Seq: m.Seq, Code: wire.CodeRecalled, Message: "the worker is worn out", Exiting: true})
		return nil
	}
	s := w.slots[m.Slot]
	if s == nil {
		// Its isolate was condemned while this waited: the node sends it elsewhere, or loads again.
		w.loop.Send(&wire.Result{Seq: m.Seq, Code: wire.CodeRecalled, Message: "the isolate is gone"})
		return nil
	}
	if w.loop.Held() && s.LastWall > warm.QuickRun || s.LastWall == 0 {
		// What may take long, or kill the process, does not hold back the answers of others.
		if err := w.loop.Flush(); err != nil {
			return err
		}
	}
	w.loop.Used(s.Slot)
	w.loop.Bound(s.Slot)
	w.loop.Fresh(s.Slot)
	began, cpuBegan := time.Now(), w.cpuAt
	if cpuBegan == 0 {
		cpuBegan = cpuTime()
	}
	w.execution = execution{
		id: m.Slot, slot: s, seq: m.Seq, began: began, wallMillis: m.WallMillis, cpuMillis: m.CPUMillis, outputLimit: m.OutputLimit, logLimit: m.LogLimit,
		trial: m.Handler == wire.HandlerLoad,
	}
	w.cur.begin(m.Seq, s.iso, began, time.Duration(m.WallMillis)*time.Millisecond, time.Duration(m.CPUMillis)*time.Millisecond, cpuBegan)
	w.cur.listen(s.Slot, w.saying())
	w.loop.Stir()

	w.start = isolate.Start{
		Handler: int32(m.Handler), WallMillis: int32(min(m.WallMillis, math.MaxInt32)), OutputLimit: int32(min(m.OutputLimit, math.MaxInt32)),
		Context: text(m.Context), Head: text(m.Head), Body: m.Body, HasBody: m.HasBody || m.Handler != wire.HandlerFetch,
	}
	w.start.BodyIsText = m.Handler != wire.HandlerFetch || plainText(m.Body)
	var err error
	if w.cur.enter() {
		err = s.iso.Begin(&w.start)
		w.leave()
	}
	return w.settle(err)
}

// settle answers the execution in front if it has ended or must end, and sets it aside if it waits.
func (w *worker) settle(err error) error {
	iso := w.slot.iso
	for err == nil && !iso.Done() {
		if err = w.pumpWithin(); err != nil || iso.Done() {
			break
		}
		if code := w.stopCode(); code != "" {
			// A cancelled execution has had its grace, or is to have none.
			if code != wire.CodeCancelled {
				w.notify(w.slot, code)
			}
			break
		}
		n := w.cur.takeNotice()
		if n != nil && w.cur.enter() {
			if n.left {
				err = iso.Left(n.reason)
			} else {
				err = iso.Stop("AbortError", n.reason)
			}
			w.leave()
		}
		if w.cur.follow(n, iso.Stopping()) {
			w.loop.Send(&wire.GoesOn{Seq: w.seq})
		}
		if n == nil {
			w.setAside()
			return nil
		}
	}
	return w.conclude(err)
}

// leave is called after JavaScript has run: what the script has said meanwhile is sent.
func (w *worker) leave() {
	w.cur.leave()
	w.said()
}

// said sends what the script in front has said by records, where it does not run.
func (w *worker) said() {
	if w.seq != 0 {
		w.loop.Hear(w.slot.Slot, w.saying(), false)
	}
}

func (x *execution) saying() warm.Saying {
	return warm.Saying{Seq: x.seq, LogLimit: x.logLimit, Began: x.began}
}

// setAside leaves the execution in front, which waits.
func (w *worker) setAside() {
	x := new(execution)
	*x = w.execution
	w.cpuAt = 0
	usage := x.slot.iso.Usage()
	x.slot.Used = usage.Heap + usage.Native
	x.slot.open = x
	w.open = append(w.open, x)
	w.cur.setAside(x)
}

// resume puts an execution that was set aside in front again. False: it was answered meanwhile, and has ended.
func (w *worker) resume(x *execution) bool {
	w.open = slices.DeleteFunc(w.open, func(o *execution) bool { return o == x })
	x.slot.open = nil
	w.execution = *x
	w.loop.Bound(x.slot.Slot)
	w.loop.Stir()
	if w.cur.resume(x) {
		return true
	}
	w.freed = true
	w.cur.end()
	if x.slot.iso.End() != nil {
		w.drop(x.id)
	}
	return false
}

// proceed resumes an execution for a call into its isolate and sets it aside again, or answers it if it has ended.
func (w *worker) proceed(x *execution, call func() error) error {
	if !w.resume(x) {
		return nil
	}
	var err error
	if call != nil && w.cur.enter() {
		err = call()
		w.leave()
	}
	return w.settle(err)
}

// conclude answers the execution in front.
func (w *worker) conclude(err error) error {
	w.freed = true
	s, id := w.slot, w.id
	if err == nil && s.iso.Done() && w.cur.enter() {
		err = s.iso.Take(&w.outcome)
		w.leave()
	} else {
		w.outcome = isolate.Outcome{}
	}
	r := &w.result
	*r = wire.Result{Seq: w.seq}
	m := w.measure(r)
	if w.explain(r, &m, err) {
		r.Condemned = true
		w.loop.Send(r)
		w.drop(id)
		return w.loop.Flush()
	}
	if m.stop != "" || err != nil {
		if err := s.iso.End(); err != nil {
			r.Condemned = true
		}
	}
	if s.Used > s.MaxMemory-s.MaxMemory/8 {
		// What it keeps leaves the next execution no room.
		r.Condemned = true
	}
	w.loop.Send(r)
	if r.Condemned {
		w.drop(id)
		return nil
	}
	if err := s.iso.Shrink(); err != nil {
		return err
	}
	if w.loop.Ran(s.Slot) || m.tight {
		return w.tidy()
	}
	return nil
}

// measured is what the worker knows of an execution that has ended, beside its outcome.
type measured struct {
	stop       string // error_code, where it had to end
	cancelled  bool
	terminated bool
	exceeded   bool // V8's heap limit was reached
	tight      bool // the data segment has grown beyond what V8's heap explains
	wall, cpu  time.Duration
}

// measure ends the execution in front for the watchdog and writes what it has used into r.
func (w *worker) measure(r *wire.Result) measured {
	s := w.slot
	end, terminated, peakRSS, cpuBegan := w.cur.end()
	m := measured{stop: end.stop, cancelled: end.cancelled, terminated: terminated, wall: time.Since(w.began)}
	w.cpuAt = cpuTime()
	m.cpu = w.cpuAt - cpuBegan
	usage := s.iso.Usage()
	m.exceeded = usage.Exceeded
	s.Used = usage.Heap + usage.Native
	s.LastWall = max(m.wall, 1)
	r.WallMicros = max(uint64(m.wall.Microseconds()), 1)
	// What the loop estimated of the clock may be ahead of it.
	sum := m.cpu + s.Owed
	r.CPUMicros = uint64(max(sum, 0).Microseconds())
	s.Owed = sum - time.Duration(r.CPUMicros)*time.Microsecond
	r.PeakMemory = max(s.Used, w.less(peakRSS, s))
	if w.loop.Look(m.wall) {
		if own, data, err := w.mem.Size(); err == nil {
			r.PeakMemory = max(r.PeakMemory, w.less(own-min(own, w.mem.Idle), s))
			m.tight = data >= w.loop.High(s.Slot)
		}
	}
	r.LogBytes = w.slot.LogBytes
	return m
}

// explain writes into r how the execution in front ended. It reports whether its isolate must not be used again.
func (w *worker) explain(r *wire.Result, m *measured, err error) (condemned bool) {
	r.Cancelled = m.cancelled || m.stop == wire.CodeCancelled
	condemned = m.terminated || m.exceeded || w.trial
	switch {
	case m.exceeded && m.stop != wire.CodeCancelled:
		r.Code, r.Message = wire.CodeExceededMemory, memoryMessage(w.slot.MaxMemory, r.PeakMemory)
	case m.stop != "":
		r.Code, r.Message = m.stop, stopMessage(m.stop, w.wallMillis, w.cpuMillis, m.wall, m.cpu)
	case err != nil:
		r.Code, r.Message = wire.CodeException, isolate.Bound(err.Error(), isolate.MaxMessage)
		condemned = true
	default:
		fill(r, &w.outcome, w.outputLimit)
		// What a top level has done before it failed must not be there when it is loaded again.
		condemned = condemned || r.Code == wire.CodeBootError
	}
	return condemned
}

// fill makes the result of an execution that came to its own end.
func fill(r *wire.Result, o *isolate.Outcome, outputLimit uint32) {
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
		r.Code, r.Message = wire.CodeOutputTooLarge, fmt.Sprintf("max_output_size_bytes: limit %d, observed %d", outputLimit, observed)
		return
	}
	if r.Status == 0 && !o.Streamed && len(r.Body) > warm.MaxDepth && depth(r.Body) > warm.MaxDepth {
		r.Body = nil
		r.Code, r.Message = wire.CodeInvalidOutput, fmt.Sprintf("the output nests deeper than %d levels", warm.MaxDepth)
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

func stopMessage(code string, wallMillis, cpuMillis uint32, wall, cpu time.Duration) string {
	switch code {
	case wire.CodeExceededWallTime:
		return fmt.Sprintf("max_execution_time_ms: limit %d ms, observed %d ms", wallMillis, max(uint64(wall.Milliseconds()), uint64(wallMillis)))
	case wire.CodeExceededCPU:
		return fmt.Sprintf("max_cpu_time_ms: limit %d ms, observed %d ms", cpuMillis, max(uint64(cpu.Milliseconds()), uint64(cpuMillis)))
	case wire.CodeCancelled:
		return "cancelled"
	default:
		return "ended by the node: " + strings.ReplaceAll(code, "_", " ")
	}
}

// turn goes on with the executions that wait: with those that are due, else with what arrives.
func (w *worker) turn() error {
	until := math.Inf(1) // milliseconds
	now := time.Now()
	for _, x := range slices.Clone(w.open) {
		wait, err := w.due(x, now)
		if err != nil {
			return err
		}
		until = min(until, wait)
	}
	handled, err := w.takeBack()
	if err != nil {
		return err
	}
	if handled {
		until = 0
	}
	if until > 0 && !w.in.ready() {
		if err := w.tidy(); err != nil {
			return err
		}
		w.loop.Rest()
	}
	// A deadline is far off, or it would not wait: an hour stands for what poll cannot count.
	f, ok, err := w.in.nextOf(int(math.Ceil(min(until, 3.6e6))))
	if err != nil || !ok {
		return err
	}
	if !w.fits(f) {
		w.in.putBack(f)
		return nil
	}
	return w.during(f)
}

// due goes on with an execution that waits, if anything but a frame of the node's lets it go on now. It returns how many milliseconds
// nothing of it is due: 0 where it went on, so that timers that follow each other at once still let frames in.
func (w *worker) due(x *execution, now time.Time) (wait float64, err error) {
	w.cur.mu.Lock()
	if x.stop == "" && !now.Before(x.deadline) {
		x.stop = x.code
	}
	stop, left, told, cancelled := x.stop, float64(x.deadline.Sub(now))/float64(time.Millisecond), x.notice == nil, x.cancelled
	w.cur.mu.Unlock()
	iso := x.slot.iso
	if stop != "" || !told {
		return 0, w.proceed(x, nil)
	}
	if iso.Idle() {
		return 0, w.proceed(x, iso.Unsettled)
	}
	elapsed := float64(now.Sub(x.began)) / float64(time.Millisecond)
	pending, due := iso.Waiting()
	if cancelled && !pending && due-elapsed > left {
		return 0, w.proceed(x, iso.Unsettled) // its grace would end before anything comes
	}
	if due > elapsed {
		return min(left, due-elapsed), nil
	}
	return 0, w.proceed(x, iso.Tick)
}

// takeBack handles the frames that were put back and have become possible, if an execution has ended since. It reports whether there were any.
func (w *worker) takeBack() (handled bool, err error) {
	if !w.freed {
		return false, nil
	}
	w.freed = false
	for {
		f, ok := w.in.takeBack(w.fits)
		if !ok {
			return handled, nil
		}
		handled = true
		if err := w.handle(f); err != nil {
			return true, err
		}
	}
}

// fits reports whether the frame can be handled while executions wait: what is for the slot of one of them comes after it.
func (w *worker) fits(f frame) bool {
	var id uint32
	switch f.kind {
	case wire.KindRun:
		m, err := wire.ParseRun(f.payload)
		if err != nil {
			return true // handle says what is wrong
		}
		id = m.Slot
	case wire.KindLoad:
		m, err := wire.ParseLoad(f.payload)
		if err != nil {
			return true
		}
		id = m.Slot
	case wire.KindDrop:
		m, err := wire.ParseDrop(f.payload)
		if err != nil {
			return true
		}
		id = m.Slot
	default:
		return true
	}
	s := w.slots[id]
	return s == nil || s.open == nil
}

// during takes a frame that arrived while executions wait.
func (w *worker) during(f frame) error {
	switch f.kind {
	case wire.KindHostReply:
		m, err := wire.ParseHostReply(f.payload)
		if err != nil {
			return err
		}
		if x := w.waiting(m.Seq); x != nil {
			return w.proceed(x, func() error { return x.slot.iso.Reply(m.Call, m.OK, text(m.Payload), m.Body, m.Stream) })
		}
		return nil
	case wire.KindChunk:
		m, err := wire.ParseChunk(f.payload)
		if err != nil {
			return err
		}
		if x := w.waiting(m.Seq); x != nil {
			return w.proceed(x, func() error { return x.slot.iso.Chunk(m.Stream, m.Data, m.Last, m.Error) })
		}
		return nil
	case wire.KindCredit:
		m, err := wire.ParseCredit(f.payload)
		if err != nil {
			return err
		}
		if x := w.waiting(m.Seq); x != nil {
			return w.proceed(x, func() error { return x.slot.iso.Credit(m.Stream, m.Bytes) })
		}
		return nil
	default:
		return w.handle(f)
	}
}

// waiting returns the execution of that number that was set aside.
func (w *worker) waiting(seq uint32) *execution {
	for _, x := range w.open {
		if x.seq == seq {
			return x
		}
	}
	return nil
}

// notify lets ctx.signal's listeners know that the execution ends.
func (w *worker) notify(s *slot, code string) {
	name, message := "AbortError", "the execution was cancelled"
	if code == wire.CodeExceededWallTime || code == wire.CodeExceededCPU {
		name, message = "TimeoutError", "the execution has run out of time"
	}
	w.cur.grace(stopGrace)
	_ = s.iso.Stop(name, message) // a termination shows in the current execution's state
	w.said()
	w.cur.mu.Lock()
	w.cur.inJS = false
	w.cur.stop = code
	w.cur.mu.Unlock()
}

// Answer implements isolate.Host.
func (w *worker) Answer(o *isolate.Outcome) {
	var r wire.Result
	fill(&r, o, w.outputLimit)
	w.loop.Send(&wire.Answer{
		Seq: w.seq, Code: r.Code, Message: r.Message, Stack: r.Stack, NoRetry: r.NoRetry, Status: r.Status, Headers: r.Headers, Body: r.Body,
	})
	_ = w.loop.Flush() // the main thread sees the error at its next flush
}

// ---- isolate.Host ----

// HostCall implements isolate.Host.
func (w *worker) HostCall(call uint32, method, args string, body []byte, streams bool) error {
	if len(args)+len(body) > wire.MaxFrame-(64<<10) {
		return fmt.Errorf("%s: %d bytes are more than a call may carry", method, len(args)+len(body))
	}
	w.loop.Send(&wire.HostCall{Seq: w.seq, Call: call, Method: method, Args: unsafe.Slice(unsafe.StringData(args), len(args)), Body: body, Stream: streams})
	return nil
}

// Upload implements isolate.Host.
func (w *worker) Upload(call uint32, data []byte, last bool, message string) {
	w.loop.Send(&wire.Chunk{Seq: w.seq, Stream: call, Data: data, Last: last, Error: message})
}

// HostCancel implements isolate.Host.
func (w *worker) HostCancel(call uint32) { w.loop.Send(&wire.HostCancel{Seq: w.seq, Call: call}) }

// Credit implements isolate.Host.
func (w *worker) Credit(call, n uint32) {
	w.loop.Send(&wire.Credit{Seq: w.seq, Stream: call, Bytes: n})
}

// Head implements isolate.Host.
func (w *worker) Head(status uint32, headers string) {
	w.loop.Send(&wire.Head{Seq: w.seq, Status: status, Headers: latin1(headers)})
}

// Chunk implements isolate.Host.
func (w *worker) Chunk(data []byte) { w.loop.Send(&wire.Chunk{Seq: w.seq, Data: data}) }

// Last implements isolate.Host.
func (w *worker) Last(message string) {
	w.loop.Send(&wire.Chunk{Seq: w.seq, Last: true, Error: message})
	_ = w.loop.Flush() // the main thread sees the error at its next flush
}

// Log implements isolate.Host.
func (w *worker) Log(level int, message string) bool {
	if level < 0 || level > int(wire.LevelError) {
		level = int(wire.LevelInfo)
	}
	message = isolate.Bound(message, maxLogMessage)
	micros := uint64(time.Since(w.began).Microseconds())
	return w.loop.Log(w.slot.Slot, w.saying(), wire.Level(level), micros, message)
}

// Used implements isolate.Host.
func (w *worker) Used() (cpu time.Duration, logBytes uint64) {
	w.cur.mu.Lock()
	defer w.cur.mu.Unlock()
	return cpuTime() - w.cur.cpuBegan, w.slot.LogBytes
}

// sample looks at the memory while something long runs. The watchdog calls it.
func (w *worker) sample() {
	own, data, err := w.mem.Size()
	if err != nil {
		return
	}
	w.cur.pressed(data)
	if own <= w.mem.Idle {
		return
	}
	w.cur.mu.Lock()
	w.cur.peakRSS = max(w.cur.peakRSS, own-w.mem.Idle)
	w.cur.mu.Unlock()
}
