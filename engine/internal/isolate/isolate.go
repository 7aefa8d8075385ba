package isolate

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"

	v8 "rogchap.com/v8go"

	"example.com/jsruntime/engine/internal/webapi"
	"example.com/jsruntime/engine/internal/wire"
)

// Members of the control block, as in boot.js.
const (
	ctlState       = 0
	ctlReplyKind   = 1
	ctlBytes       = 2
	ctlPending     = 3
	ctlRejections  = 4
	ctlHandler     = 5
	ctlBodyMode    = 6
	ctlWaits       = 7
	ctlWall        = 8
	ctlOutputLimit = 9
	ctlStopping    = 10
	ctlResult      = 11
	ctlStatus      = 12
	ctlHeaderLines = 13
	ctlStreamed    = 15
	ctlCall        = 16
	ctlOK          = 17
	ctlStream      = 18
	ctlLast        = 19
	ctlLogClosed   = 20
	ctlNoWasm      = 21
	ctlContext     = 22
	ctlText        = 23
	ctlEnded       = 24
	ctlSays        = 26
	ctlDue         = 128        // byte offset of a float64
	ctlShort       = 256        // byte offset of a short result
	ctlSaid        = 256 + 2048 // byte offset of what the script says: see package warm
)

const (
	stateIdle    = 0
	stateRunning = 1
	stateDone    = 2
)

const (
	resultResponse = 1
	resultFailure  = 3
)

// Functions of boot.js.
const (
	fnLoad = iota
	fnLoaded
	fnBegin
	fnTake
	fnEnd
	fnTick
	fnReply
	fnChunk
	fnCredit
	fnUnsettled
	fnStop
	fnLeft
	fnRejected
	fnEnsure
	fnShrink
	fnPrepare
	fnWithin
	fnCount
)

var fnNames = [fnCount]string{"load", "loaded", "begin", "take", "end", "tick", "reply", "chunk", "credit", "unsettled", "stop", "left", "rejected", "ensure", "shrink", "prepare", "within"}

// Isolate is a V8 isolate that belongs to one script.
type Isolate struct {
	// MaxHeap is the heap limit that it was made with.
	MaxHeap uint64

	runtime   *Runtime
	host      Host
	v8        *v8.Isolate
	ctx       *v8.Context
	native    *v8.FunctionTemplate
	webAPI    script            // compiled; nil until the first context
	unbound   *v8.UnboundScript // the same of the binding, where that compiles
	loaded    script            // the tenant's, where it was compiled with a code cache or for one
	refused   bool              // V8 did not take its code cache
	work      func() error      // what within is to do
	hook      unsafe.Pointer    // what the C side keeps of it; nil until the first context
	heapLimit uint64            // as V8 names it before the limit was ever reached

	fns             [fnCount]*v8.Function
	recv            *v8.Value
	control         []int32
	due             *float64
	short           []byte
	said            []byte
	releaseControl  func()
	exchange        []byte
	releaseExchange func()

	start []byte // context and head of the execution that begins

	codecs    map[string]openCodec
	lastCodec uint64

	left    int  // contexts of versions before, which V8 has not been asked to free
	collect bool // the next context begins with a collection

	held   []*v8.Value // what callbacks returned: V8 reads it after the callback, so it is released at the next call
	places *places     // of the script that was loaded last; nil: none was
}

// bootSource runs the web API and boots it.
const bootSource = `((native)=>{native("webapi","");const k="jsruntime:lent",files=globalThis[k];delete globalThis[k];return files.boot(files,native)})`

func (i *Isolate) newContext() error {
	ctx := v8.NewContext(i.v8)
	i.ctx = ctx
	bootValue, err := ctx.RunScript(bootSource, webapi.Origin)
	if err != nil {
		return fmt.Errorf("web API: %w", err)
	}
	defer bootValue.Release()
	boot, err := bootValue.AsFunction()
	if err != nil {
		return fmt.Errorf("web API: %w", err)
	}
	native := i.native.GetFunction(ctx)
	defer native.Release()
	i.recv = v8.Undefined(i.v8)
	facesValue, err := boot.Call(i.recv, native)
	i.releaseHeld()
	if err != nil {
		return fmt.Errorf("boot: %w", stackError(err))
	}
	defer facesValue.Release()
	faces, err := facesValue.AsObject()
	if err != nil {
		return fmt.Errorf("boot: %w", err)
	}
	for n, name := range fnNames {
		v, err := faces.Get(name)
		if err != nil {
			return fmt.Errorf("boot: %s: %w", name, err)
		}
		if i.fns[n], err = v.AsFunction(); err != nil {
			return fmt.Errorf("boot: %s: %w", name, err)
		}
	}
	control, err := faces.Get("control")
	if err != nil {
		return fmt.Errorf("boot: control: %w", err)
	}
	defer control.Release()
	b, release, err := control.SharedArrayBufferGetContents()
	if err != nil {
		return fmt.Errorf("boot: control: %w", err)
	}
	i.releaseControl = release
	i.control = unsafe.Slice((*int32)(unsafe.Pointer(unsafe.SliceData(b))), ctlDue/4)
	i.due = (*float64)(unsafe.Pointer(&b[ctlDue]))
	i.short, i.said = b[ctlShort:ctlSaid], b[ctlSaid:]
	exchange, err := faces.Get("exchange")
	if err != nil {
		return fmt.Errorf("boot: exchange: %w", err)
	}
	defer exchange.Release()
	return i.setExchange(exchange)
}

// warmSource is a script of our own that touches what a small endpoint touches.
const warmSource = `(function(module){module.exports={default:{async fetch(request,env,ctx){
const u=new URL(request.url);return Response.json({method:request.method,path:u.pathname,query:u.searchParams.get("a"),accept:request.headers.get("accept"),id:ctx.executionId})},
async run(input){return input}}}})`

// warm lets V8 compile what a script's first execution needs, which would otherwise be most of that execution's time. It runs a script
// of our own in the context that New made, and replaces the context by a fresh one: what was compiled belongs to the isolate.
func (i *Isolate) warm() error {
	if f, err := i.Load(&Script{Name: "warm", Source: warmSource, Static: `{"scriptType":"http"}`}); err != nil || f != nil {
		return fmt.Errorf("warm: load: %v, %w", f, err)
	}
	for _, s := range []Start{
		{Handler: 1, Head: "GET\nhttp://localhost/warm\n{}\naccept\n*/*"},
		{Handler: 1, Head: "GET\nhttp://127.0.0.1:8080/warm?a=1\n{}\naccept\n*/*"}, // an address is parsed by other code
		{Handler: 4, Body: []byte(`{"a":1}`), HasBody: true, BodyIsText: true},
	} {
		s.WallMillis, s.OutputLimit, s.Context = 1000, 1<<10, `{"executionId":"warm","trigger":"http","attempt":1}`
		if err := i.Begin(&s); err != nil {
			return fmt.Errorf("warm: begin: %w", err)
		}
		var o Outcome
		if !i.Done() {
			return errors.New("warm: not done")
		}
		if err := i.Take(&o); err != nil {
			return fmt.Errorf("warm: take: %w", err)
		}
		if o.Failure != nil {
			return fmt.Errorf("warm: %s", o.Failure.Message)
		}
	}
	i.closeContext()
	i.places = nil
	return i.newContext()
}

func stackError(err error) error {
	var js *v8.JSError
	if errors.As(err, &js) && js.StackTrace != "" {
		return errors.New(js.StackTrace)
	}
	return err
}

func (i *Isolate) setExchange(v *v8.Value) error {
	b, release, err := v.SharedArrayBufferGetContents()
	if err != nil {
		return fmt.Errorf("exchange: %w", err)
	}
	if i.releaseExchange != nil {
		i.releaseExchange()
	}
	i.exchange, i.releaseExchange = b, release
	if i.hook != nil {
		exchangeAt(i.hook, b)
	}
	return nil
}

func (i *Isolate) closeContext() {
	if i.ctx == nil {
		return
	}
	i.releaseHeld()
	i.dropCodecs()
	if i.releaseControl != nil {
		i.releaseControl()
		i.releaseControl = nil
	}
	if i.releaseExchange != nil {
		i.releaseExchange()
		i.releaseExchange = nil
	}
	if i.hook != nil {
		exchangeAt(i.hook, nil)
		cool(i.hook)
	}
	i.control, i.due, i.short, i.said, i.exchange = nil, nil, nil, nil, nil
	i.fns = [fnCount]*v8.Function{}
	if i.loaded != nil {
		drop(i.loaded)
		i.loaded = nil
	}
	i.ctx.Close()
	i.ctx = nil
}

// Close disposes of the isolate.
func (i *Isolate) Close() {
	i.closeContext()
	if i.webAPI != nil {
		drop(i.webAPI)
		i.webAPI = nil
	}
	i.v8.Dispose()
	if i.hook != nil {
		forgetHook(i.hook)
		i.hook = nil
	}
}

// Terminate ends the JavaScript that runs. It may be called from any thread, but only while a call is under way: otherwise the next
// call dies of it. Once may not be enough: repeat it until the call has returned.
func (i *Isolate) Terminate() { i.v8.TerminateExecution() }

// HeapExceeded reports whether V8's heap limit was reached at any time. The isolate must then not be used again.
func (i *Isolate) HeapExceeded() bool { return i.exceeded(i.v8.GetHeapStatistics().HeapSizeLimit) }

// exceeded reports whether the heap limit was reached: our callback was asked, or before there was one the binding's, which doubles it.
func (i *Isolate) exceeded(limit uint64) bool {
	return limit != i.heapLimit || i.hook != nil && limitHits(i.hook) > 0
}

// Pressed makes V8 collect garbage at the script's next loop or call, where memory outside of V8's heap grows that V8 does not see.
// It may be called from any thread, as Terminate.
func (i *Isolate) Pressed() {
	if i.hook != nil {
		pressure(i.hook)
	}
}

// Relieve makes V8 give back what it can. It is called between calls.
func (i *Isolate) Relieve() {
	if i.hook != nil {
		relieve(i.hook)
	}
}

// Bounds of one Pump: tasks, and the time after which no further one is begun.
const (
	pumpTasks  = 100
	pumpBudget = 5 * time.Millisecond
)

// Pump runs what V8 has put off: finishers of what was collected, callbacks of FinalizationRegistry, steps of collections. Callbacks
// are the script's code: it is called as Begin is, under the watchdog. Between executions, where idle is true, what callbacks ask
// of the outside is refused as while the script loads, and what they reject counts for nothing.
func (i *Isolate) Pump(idle bool) error {
	if i.hook == nil || i.ctx == nil {
		return nil
	}
	if idle && i.control[ctlEnded] == 0 {
		// The result was handed over without a call: boot.js still has the execution.
		if err := i.End(); err != nil {
			return err
		}
	}
	n := pump(i.hook, pumpTasks, pumpBudget)
	i.releaseHeld()
	if n == 0 || i.control[ctlRejections] == 0 {
		return nil
	}
	if idle {
		return i.End() // forgets them
	}
	return i.drain(nil)
}

// Usage is an isolate's memory.
type Usage struct {
	Heap     uint64 // bytes in V8's heap that are in use
	Native   uint64 // bytes outside of it: array buffers and the like
	Exceeded bool   // the heap limit was reached at some time
}

// Usage asks V8 for the isolate's memory.
func (i *Isolate) Usage() Usage {
	hs := i.v8.GetHeapStatistics()
	return Usage{Heap: hs.UsedHeapSize, Native: hs.ExternalMemory + hs.MallocedMemory, Exceeded: i.exceeded(hs.HeapSizeLimit)}
}

// RetainedValues is how many values the binding holds for the context.
func (i *Isolate) RetainedValues() int { return i.ctx.RetainedValueCount() }

// Failure says why a script or an execution failed.
type Failure struct {
	Code    string
	Message string
	Stack   string
	NoRetry bool
}

// call calls a function of boot.js with strings. The error is errTerminated or an exception that boot.js let through, such as a
// stack overflow in its own code.
func (i *Isolate) call(fn int, args ...string) (string, error) {
	result, err := i.invoke(fn, args...)
	if err != nil {
		return "", err
	}
	defer result.Release()
	if result.IsString() {
		return result.String(), nil
	}
	return "", nil
}

// invoke is call for a function's value, which the caller releases.
func (i *Isolate) invoke(fn int, args ...string) (*v8.Value, error) {
	var values [5]v8.Valuer
	for n, a := range args {
		v, err := v8.NewValue(i.v8, a)
		if err != nil {
			return nil, fmt.Errorf("argument: %w", err)
		}
		values[n] = v
	}
	result, err := i.fns[fn].Call(i.recv, values[:len(args)]...)
	for n := range args {
		values[n].(*v8.Value).Release()
	}
	i.releaseHeld()
	if err != nil {
		var js *v8.JSError
		if errors.As(err, &js) && strings.HasPrefix(js.Message, "ExecutionTerminated") {
			return nil, errTerminated
		}
		return nil, err
	}
	return result, nil
}

func (i *Isolate) releaseHeld() {
	for _, v := range i.held {
		v.Release()
	}
	i.held = i.held[:0]
}

// maxLeft is how many versions' contexts an isolate keeps as garbage. V8 frees them when its heap has grown enough, which for a small
// script is after some 90 versions: 17 MiB of a process that needs three. A collection takes as long as making three contexts.
const maxLeft = 8

// Script is what Load evaluates.
type Script struct {
	Name                 string
	Source               string // its value is a function of module, exports and require: see package compile
	SourceMap            string // of Source, as package sourcemap packs it; may be empty
	Static               string // JSON: the part of ctx that does not change between executions
	Env                  string // JSON; empty: {}
	TenantID, TenantSlug string
	Cache                []byte // what CodeCache gave in an isolate with the same Source; may be empty
	Compile              bool   // so that CodeCache can be asked for
}

// Load evaluates a script in a new context, or in the context that New made. A Failure says why it does not load; an error is errTerminated's
// kind: the isolate is to be dropped.
func (i *Isolate) Load(s *Script) (*Failure, error) {
	if i.places != nil {
		i.closeContext()
		i.left++
		i.collect = i.left >= maxLeft
		if err := i.newContext(); err != nil {
			return nil, err
		}
	}
	i.places = newPlaces(s.Name, s.SourceMap)
	if strings.IndexByte(s.Source, 0) >= 0 {
		return &Failure{Code: wire.CodeBootError, Message: "the source contains a NUL character"}, nil
	}
	define, err := i.define(s)
	if err != nil {
		var js *v8.JSError
		if errors.As(err, &js) {
			if strings.HasPrefix(js.Message, "ExecutionTerminated") {
				return nil, errTerminated
			}
			stack := js.StackTrace
			if js.Location != "" && !strings.Contains(stack, "\n    at ") {
				stack = js.Message + "\n    at " + js.Location // V8 did not take the text: no frame says where
			}
			return &Failure{Code: wire.CodeBootError, Message: Bound(js.Message, MaxMessage), Stack: i.places.clean(stack)}, nil
		}
		return nil, err
	}
	defer define.Release()
	if !define.IsFunction() {
		return &Failure{Code: wire.CodeBootError, Message: "the source's value is not a function"}, nil
	}
	strs := []string{s.Static, s.Env, s.TenantID, s.TenantSlug}
	var values [5]v8.Valuer
	values[0] = define
	for n, str := range strs {
		v, err := v8.NewValue(i.v8, str)
		if err != nil {
			return nil, fmt.Errorf("argument: %w", err)
		}
		defer v.Release()
		values[n+1] = v
	}
	result, err := i.fns[fnLoad].Call(i.recv, values[:]...)
	i.releaseHeld()
	if err != nil {
		var js *v8.JSError
		if errors.As(err, &js) && strings.HasPrefix(js.Message, "ExecutionTerminated") {
			return nil, errTerminated
		}
		return &Failure{Code: wire.CodeBootError, Message: Bound(err.Error(), MaxMessage)}, nil
	}
	text := result.String()
	result.Release()
	if text == "" && i.control[ctlRejections] > 0 {
		if text, err = i.call(fnLoaded); err != nil {
			return nil, err
		}
	}
	if text != "" {
		f := i.failure(text)
		return &f, nil
	}
	return nil, nil
}

// Bounds of what a failure carries.
const (
	MaxMessage = 8 << 10
	MaxStack   = 16 << 10
)

// Bound cuts s to at most limit bytes, at a character's end, and makes it valid UTF-8.
func Bound(s string, limit int) string {
	if len(s) > limit {
		s = s[:limit]
		for len(s) > 0 && !utf8.RuneStart(s[len(s)-1]) {
			s = s[:len(s)-1]
		}
		if r, size := utf8.DecodeLastRuneInString(s); r == utf8.RuneError && size <= 1 && len(s) > 0 {
			s = s[:len(s)-1]
		}
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func (i *Isolate) failure(text string) Failure {
	var parts [4]any
	if err := json.Unmarshal([]byte(text), &parts); err != nil {
		return Failure{Code: wire.CodeException, Message: "a failure that cannot be shown"}
	}
	code, _ := parts[0].(string)
	message, _ := parts[1].(string)
	stack, _ := parts[2].(string)
	noRetry, _ := parts[3].(bool)
	return Failure{Code: code, Message: Bound(message, MaxMessage), Stack: i.places.clean(stack), NoRetry: noRetry}
}

// Start of an execution.
type Start struct {
	Handler     int32
	WallMillis  int32
	OutputLimit int32
	Context     string // JSON
	Head        string
	Body        []byte
	HasBody     bool
	BodyIsText  bool // pass the body as a string: it is JSON, or valid UTF-8 without a byte order mark
}

// Begin begins an execution and runs it as far as it goes without waiting.
func (i *Isolate) Begin(s *Start) error {
	i.control[ctlHandler] = s.Handler
	i.control[ctlWall] = s.WallMillis
	i.control[ctlOutputLimit] = s.OutputLimit
	i.control[ctlContext] = int32(utf16Length(s.Context))
	i.start = append(append(i.start[:0], s.Context...), s.Head...)
	args := [2]string{unsafe.String(unsafe.SliceData(i.start), len(i.start))}
	n := 1
	switch {
	case !s.HasBody:
		i.control[ctlBodyMode] = 0
		i.control[ctlBytes] = -1
	case s.BodyIsText:
		i.control[ctlBodyMode] = 1
		args[1], n = unsafe.String(unsafe.SliceData(s.Body), len(s.Body)), 2
	default:
		if err := i.put(s.Body); err != nil {
			return err
		}
		i.control[ctlBodyMode] = 2
	}
	result, err := i.invoke(fnBegin, args[:n]...)
	if err == nil {
		result.Release()
	} else {
		i.control[ctlState] = stateRunning
	}
	return i.drain(err)
}

// utf16Length is the length of a text in JavaScript.
func utf16Length(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// drain follows up a call: rejections that are unhandled at the end of the microtasks fail the execution.
func (i *Isolate) drain(err error) error {
	if err != nil {
		return err
	}
	if i.control[ctlRejections] > 0 {
		_, err = i.call(fnRejected)
	}
	return err
}

// put copies bytes to the exchange buffer.
func (i *Isolate) put(b []byte) error {
	if len(b) > len(i.exchange) {
		v, err := v8.NewValue(i.v8, float64(len(b)))
		if err != nil {
			return err
		}
		r, err := i.fns[fnEnsure].Call(i.recv, v)
		v.Release()
		if err != nil {
			return fmt.Errorf("exchange: %w", err)
		}
		r.Release()
		i.releaseHeld()
		if len(b) > len(i.exchange) {
			return errors.New("exchange: too small")
		}
	}
	copy(i.exchange, b)
	i.control[ctlBytes] = int32(len(b))
	return nil
}

// Done reports whether the execution has ended.
func (i *Isolate) Done() bool { return i.control[ctlState] == stateDone }

// Waiting says what a running execution waits for: whether anything of the outside can go on with it, and when its next timer is
// due, in milliseconds since it began (+Inf: none).
func (i *Isolate) Waiting() (pending bool, due float64) {
	return i.control[ctlPending] > 0, *i.due
}

// Idle reports whether nothing is left that could go on with the execution.
func (i *Isolate) Idle() bool { return i.control[ctlPending] <= 0 && math.IsInf(*i.due, 1) }

// Tick runs the first timer if it is due.
func (i *Isolate) Tick() error {
	_, err := i.call(fnTick)
	return i.drain(err)
}

// Reply settles a host call. body is nil where there is none.
func (i *Isolate) Reply(call uint32, ok bool, payload string, body []byte, stream bool) error {
	if len(body) > 0 || stream {
		if err := i.put(body); err != nil {
			return err
		}
	} else {
		i.control[ctlBytes] = -1
	}
	i.control[ctlCall] = int32(call)
	i.control[ctlOK] = flag(ok)
	i.control[ctlStream] = flag(stream)
	_, err := i.call(fnReply, payload)
	return i.drain(err)
}

// Chunk hands over a part of a reply's body.
func (i *Isolate) Chunk(call uint32, data []byte, last bool, message string) error {
	if err := i.put(data); err != nil {
		return err
	}
	i.control[ctlCall] = int32(call)
	i.control[ctlLast] = flag(last)
	_, err := i.call(fnChunk, message)
	return i.drain(err)
}

// Credit lets a stream to the node go on: the response's where call is 0, else the call's upload.
func (i *Isolate) Credit(call, n uint32) error {
	i.control[ctlCall] = int32(call)
	i.control[ctlBytes] = int32(min(n, math.MaxInt32))
	_, err := i.call(fnCredit)
	return i.drain(err)
}

// Unsettled ends an execution for which nothing is left that could go on with it.
func (i *Isolate) Unsettled() error {
	_, err := i.call(fnUnsettled)
	return err
}

// Stop tells the script that its execution ends: the response's stream is cancelled and ctx.signal aborted, with a DOMException of that
// name.
func (i *Isolate) Stop(name, message string) error {
	_, err := i.call(fnStop, name, message)
	return i.drain(err)
}

// Left tells the script that its client has left, and why. That is Stop unless work of waitUntil is left: then it is
// Stop once that work has settled and the handler has not.
func (i *Isolate) Left(message string) error {
	_, err := i.call(fnLeft, message)
	return i.drain(err)
}

// Waits is how many promises of waitUntil have not settled. It may be called from any thread while an execution is under way.
func (i *Isolate) Waits() int { return int(atomic.LoadInt32(&i.control[ctlWaits])) }

// Stopping reports whether the script was told that its execution ends.
func (i *Isolate) Stopping() bool { return i.control[ctlStopping] != 0 }

// Outcome is how a finished execution ended.
type Outcome struct {
	Failure  *Failure
	Streamed bool
	Status   uint32
	Headers  string // "name\nvalue\n…"
	Text     string // the output as JSON, or the response's body; both valid until the next call
	Bytes    []byte // the response's body where it was bytes; valid until the next call
}

// Take takes the outcome of an execution that is Done, and ends it.
func (i *Isolate) Take(o *Outcome) error {
	*o = Outcome{}
	i.dropCodecs()
	kind := i.control[ctlResult]
	o.Streamed = i.control[ctlStreamed] == 1
	var text string
	if n := i.control[ctlText]; n >= 0 && int(n) <= len(i.short) && kind != resultFailure && i.control[ctlPending] <= 0 {
		text = unsafe.String(unsafe.SliceData(i.short), int(n))
		i.control[ctlState] = stateIdle
	} else {
		var err error
		if text, err = i.call(fnTake); err != nil {
			return err
		}
	}
	i.outcome(o, kind, text)
	return nil
}

// outcome fills o from the result's text and the control block.
func (i *Isolate) outcome(o *Outcome, kind int32, text string) {
	switch kind {
	case resultResponse:
		o.Status = uint32(i.control[ctlStatus])
		rest := 0
		lines := int(i.control[ctlHeaderLines])
		for n := 0; n < lines; n++ {
			at := strings.IndexByte(text[rest:], '\n')
			if at < 0 {
				rest = len(text) + 1
				break
			}
			rest += at + 1
		}
		if lines > 0 {
			o.Headers = text[:rest-1]
			if rest > len(text) {
				text = ""
			} else {
				text = text[rest:]
			}
		}
		o.Text = text
		if n := i.control[ctlBytes]; n >= 0 && int(n) <= len(i.exchange) {
			o.Bytes = i.exchange[:n]
		}
	case resultFailure:
		f := i.failure(text)
		o.Failure = &f
	default:
		o.Text = text
	}
}

// End drops what is left of an execution whose outcome is not taken.
func (i *Isolate) End() error {
	i.dropCodecs()
	_, err := i.call(fnEnd)
	return err
}

// Shrink gives memory back that only a large body needed.
func (i *Isolate) Shrink() error {
	if len(i.exchange) <= 1<<20 {
		return nil
	}
	_, err := i.call(fnShrink)
	return err
}

func flag(b bool) int32 {
	if b {
		return 1
	}
	return 0
}
