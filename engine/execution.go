package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/engine/internal/pool"
	"example.com/jsruntime/engine/internal/wire"
	"example.com/jsruntime/engine/text"
	"example.com/jsruntime/engine/wake"
)

// execution is one Execute. The pool's reader calls Begin and Frame; the caller's goroutine waits and delivers. It is used again
// only where no host call was made, since a Host may still hold on to it.
type execution struct {
	engine *Engine
	ctx    context.Context
	inv    *Invocation
	prog   *program
	call   pool.Call
	queued time.Time

	stopped wake.Signal // cause is set
	notify  wake.Signal // something to deliver

	head    []byte // memory of call.Run.Head and Context
	context []byte

	began  atomic.Int64 // when its worker began it, in nanoseconds since 1970; 0: not yet
	goesOn bool         // Execute has returned; guarded by engine.mu
	left   bool         // the client has left; used by the goroutine of wait only
	given  *Result      // what the handler gave, where it went out before the end; its waiter's only

	mu        sync.Mutex
	cause     error // of Cancel or of a sink's error
	causeCode Code
	answer    *wire.Answer
	whole     time.Time // when the answer was whole
	begun     bool      // OnBegin is due or done
	told      bool      // OnBegin was called
	logs      []LogLine
	logBytes  int64
	frames    frames // the reader's
	logsTold  int
	stream    responseStream
	host      *hostCalls
}

// responseStream is a response that comes as Head and Chunk.
type responseStream struct {
	ref     pool.Ref
	open    bool
	ended   bool // its last Chunk came
	status  int
	headers []string
	bad     string // why the head is none
	told    bool   // the head was delivered
	failed  bool   // no more of it is delivered: the sink gave an error, or it is too large
	broken  bool   // the script's stream ended with an error
	pending []byte
	spare   []byte
	total   int64
}

// standing: a queue whose first has waited for a tenth of QueueWait does not empty any more, and takes no further requests over HTTP.
// They are refused at once, instead of after QueueWait, and those in the queue get their answers well before it.
const standing = 10

func (e *Engine) newExecution(ctx context.Context, inv *Invocation) *execution {
	x, _ := e.free.Get().(*execution)
	if x == nil {
		x = &execution{engine: e, stopped: wake.New(), notify: wake.New()}
		x.call.Done = make(chan struct{}, 1)
		x.call.Handler = x
	}
	x.ctx, x.inv, x.queued, x.frames = ctx, inv, time.Now(), frames{}
	x.prog = e.program(inv.Script)
	l := &inv.Script.Limits
	c := &x.call
	c.Execution = inv.ExecutionID
	c.Program = &x.prog.Program
	c.Wall, c.CPU = l.MaxExecutionTime, l.MaxCPUTime
	c.Patience, c.LimitPatience, c.Standing = e.cfg.QueueWait, e.cfg.QueueWait, 0
	if inv.Trigger == TriggerHTTP {
		c.LimitPatience, c.Standing = e.cfg.ConcurrencyWait, e.cfg.QueueWait/standing
	}
	c.Run = wire.Run{
		Handler:     wireHandler(inv.Handler),
		WallMillis:  millis(l.MaxExecutionTime),
		CPUMillis:   millis(l.MaxCPUTime),
		OutputLimit: clamp32(l.MaxOutputSizeBytes),
		LogLimit:    clamp32(l.MaxLogBytes),
		Body:        inv.Input,
	}
	x.context = appendContext(x.context[:0], inv)
	c.Run.Context = x.context
	if inv.Handler == HandlerFetch {
		req := inv.Request
		x.head = appendHead(x.head[:0], req)
		c.Run.Head, c.Run.Body, c.Run.HasBody = x.head, req.Body, req.HasBody
	} else if len(inv.Input) == 0 {
		c.Run.Body = []byte("null")
	}
	return x
}

// recycle keeps x for the next Execute.
func (e *Engine) recycle(x *execution) {
	if x.host != nil || x.stream.open || cap(x.head) > 64<<10 {
		return
	}
	x.stopped.Clear()
	x.notify.Clear()
	x.ctx, x.inv, x.prog, x.cause, x.causeCode = nil, nil, nil, nil, CodeNone
	x.begun, x.told, x.logs, x.logBytes, x.logsTold = false, false, nil, 0, 0
	x.began.Store(0)
	x.goesOn, x.left, x.given, x.answer, x.whole = false, false, nil, nil, time.Time{}
	x.stream = responseStream{}
	x.call.Program, x.call.Run, x.call.Ending = nil, wire.Run{}, pool.Ending{}
	e.free.Put(x)
}

func wireHandler(h Handler) wire.Handler {
	switch h {
	case HandlerFetch:
		return wire.HandlerFetch
	case HandlerScheduled:
		return wire.HandlerScheduled
	case HandlerEvent:
		return wire.HandlerEvent
	case handlerLoad:
		return wire.HandlerLoad
	default:
		return wire.HandlerRun
	}
}

func millis(d time.Duration) uint32 {
	return clamp32(int64((d + time.Millisecond - 1) / time.Millisecond))
}

func clamp32(n int64) uint32 { return uint32(min(max(n, 0), 1<<32-1)) }

// appendContext appends the part of ctx that is this execution's own.
func appendContext(b []byte, inv *Invocation) []byte {
	b = append(b, `{"executionId":"`...)
	b = text.AppendUUID(b, inv.ExecutionID)
	b = append(b, `","trigger":`...)
	b = text.AppendString(b, string(inv.Trigger))
	b = append(b, `,"attempt":`...)
	b = strconv.AppendInt(b, int64(max(inv.Attempt, 1)), 10)
	b = append(b, `,"auth":`...)
	if inv.Request == nil || len(inv.Request.Auth) == 0 {
		b = append(b, "null"...)
	} else {
		b = append(b, inv.Request.Auth...)
	}
	return append(b, '}')
}

// appendHead appends a request's head as wire.HeadFields says.
func appendHead(b []byte, r *Request) []byte {
	b = appendLine(b, r.Method)
	b = append(b, '\n')
	b = appendLine(b, r.URL)
	b = append(b, '\n')
	if len(r.Params) == 0 {
		b = append(b, "{}"...)
	} else if params, err := json.Marshal(r.Params); err == nil {
		b = append(b, params...)
	}
	for _, s := range r.Headers {
		b = append(b, '\n')
		b = appendLine(b, s)
	}
	return b
}

// appendLine appends s with a space for each line break: net/http lets none through, other callers might.
func appendLine(b []byte, s string) []byte {
	if strings.IndexByte(s, '\n') < 0 && strings.IndexByte(s, '\r') < 0 {
		return append(b, s...)
	}
	return append(b, strings.NewReplacer("\r", " ", "\n", " ").Replace(s)...)
}

// Begin implements pool.Handler.
func (x *execution) Begin(now time.Time) {
	x.began.Store(now.UnixNano())
	if x.inv.OnBegin == nil {
		return
	}
	x.mu.Lock()
	x.begun = true
	x.mu.Unlock()
	x.notify.Set()
}

// stop cancels the execution.
func (x *execution) stop(cause error) { x.stopWith(CodeCancelled, cause) }

func (x *execution) stopWith(code Code, cause error) {
	x.mu.Lock()
	if x.causeCode == CodeNone {
		x.causeCode, x.cause = code, cause
	}
	x.mu.Unlock()
	x.stopped.Set()
}

// wait waits for the call's Ending, or with early for an answer before it, and delivers what comes until then. It reports whether the
// call has ended.
func (x *execution) wait(gone <-chan struct{}, early bool) bool {
	for {
		select {
		case <-x.call.Done:
			x.deliver()
			return true
		case <-gone:
			gone = nil
			if cause := context.Cause(x.ctx); errors.Is(cause, context.Canceled) || errors.Is(cause, ErrClientGone) {
				x.leave()
			} else {
				x.stop(cause)
			}
		case <-x.stopped:
			x.mu.Lock()
			code, cause := x.causeCode, x.cause
			x.mu.Unlock()
			s := pool.Stop{Code: string(code), Reason: text.CleanTo(causeText(cause), maxReason)}
			if now := (*withoutGrace)(nil); code == CodeCancelled && !errors.As(cause, &now) {
				s.Grace = x.engine.cfg.CancelGrace
			}
			x.engine.pool.Cancel(&x.call, s)
		case <-x.notify:
			x.deliver()
			if early && x.answered() {
				return false
			}
		}
	}
}

// maxReason bounds what of a cause a script is told.
const maxReason = 1 << 10

// leave tells the worker that the client has left.
func (x *execution) leave() {
	if x.left {
		return
	}
	x.left = true
	x.engine.pool.Cancel(&x.call, pool.Stop{
		Code: string(CodeCancelled), Reason: ErrClientGone.Error(), Grace: x.engine.cfg.CancelGrace, Left: true,
	})
}

// answered reports whether the answer is whole, and has been delivered where it is a stream, while the execution goes on.
func (x *execution) answered() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := &x.stream
	return x.answer != nil || s.open && s.ended && (s.bad != "" || s.failed || x.inv.Response == nil || s.told && len(s.pending) == 0)
}

// deliver gives the caller's functions what has come.
func (x *execution) deliver() {
	inv := x.inv
	if inv.OnBegin == nil && inv.Lines == nil && inv.Response == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.begun && !x.told {
		x.told = true
		x.mu.Unlock()
		inv.OnBegin()
		x.mu.Lock()
	}
	for inv.Lines != nil && x.logsTold < len(x.logs) {
		line := x.logs[x.logsTold]
		x.logsTold++
		x.mu.Unlock()
		inv.Lines.Line(inv, line)
		x.mu.Lock()
	}
	if s := &x.stream; inv.Response != nil && s.open {
		x.deliverStream(s)
	}
}

// deliverStream gives the sink what has come of the response. x.mu is held, and released around the sink's methods.
func (x *execution) deliverStream(s *responseStream) {
	if s.bad != "" || s.failed {
		return
	}
	var err error
	if !s.told {
		s.told = true
		x.mu.Unlock()
		err = x.inv.Response.Head(s.status, s.headers)
		x.mu.Lock()
	}
	for err == nil && len(s.pending) > 0 {
		chunk, last := s.pending, s.ended
		s.pending, s.spare = s.spare[:0], nil
		x.mu.Unlock()
		err = x.inv.Response.Write(chunk)
		if !last {
			x.engine.pool.Send(s.ref, &wire.Credit{Seq: s.ref.Seq(), Bytes: uint32(len(chunk))})
		}
		x.mu.Lock()
		s.spare = chunk[:0]
	}
	if err != nil {
		s.failed = true
		x.mu.Unlock()
		if errors.Is(err, ErrClientGone) {
			x.leave()
		} else {
			x.stop(fmt.Errorf("the response could not be delivered: %w", err))
		}
		x.mu.Lock()
	}
}

// Frame implements pool.Handler.
func (x *execution) Frame(ref pool.Ref, k wire.Kind, payload []byte) error {
	switch k {
	case wire.KindLog:
		return x.logFrame(payload)
	case wire.KindHead:
		m, err := wire.ParseHead(payload)
		if err != nil {
			return err
		}
		return x.respond(ref, &m)
	case wire.KindChunk:
		return x.chunkFrame(ref, payload)
	case wire.KindAnswer:
		m, err := wire.ParseAnswer(payload)
		if err != nil {
			return err
		}
		return x.take(&m)
	case wire.KindHostCall, wire.KindHostCancel, wire.KindCredit:
		return x.hosts(ref).frame(k, payload)
	default:
		return fmt.Errorf("frame of kind %d", k)
	}
}

func (x *execution) logFrame(payload []byte) error {
	if err := x.frames.log(len(payload), x.inv.Script.Limits.MaxLogBytes); err != nil {
		return err
	}
	m, err := wire.ParseLog(payload)
	if err != nil {
		return err
	}
	x.log(&m)
	return nil
}

// chunkFrame takes a part of the response, which is stream 0, or of a host call's body.
func (x *execution) chunkFrame(ref pool.Ref, payload []byte) error {
	m, err := wire.ParseChunk(payload)
	if err != nil {
		return err
	}
	if len(m.Data) == 0 && !m.Last {
		if err := x.frames.emptyChunk(); err != nil {
			return err
		}
	}
	if m.Stream == 0 {
		return x.chunk(&m)
	}
	return x.hosts(ref).chunk(&m)
}

const (
	maxLogLine  = 8 << 10
	maxLogLines = 10_000
)

// log keeps a line. The worker keeps within max_log_bytes by itself and marks where it cut; here is the bound for one that does
// not, a little wider for the mark.
func (x *execution) log(m *wire.Log) {
	x.mu.Lock()
	full := x.logBytes > x.inv.Script.Limits.MaxLogBytes+maxLogLine || len(x.logs) >= maxLogLines
	x.mu.Unlock()
	if full {
		return // what comes beyond the limit costs nothing
	}
	message := text.CleanTo(x.engine.cfg.Secrets(x.inv.Script.TenantID).Text(m.Message), maxLogLine)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.logBytes += int64(len(message))
	if x.logBytes > x.inv.Script.Limits.MaxLogBytes+maxLogLine || len(x.logs) >= maxLogLines {
		return
	}
	at := x.queued
	if b := x.call.Began(); !b.IsZero() {
		at = b.Add(min(time.Duration(m.Micros)*time.Microsecond, x.call.Wall))
	}
	x.logs = append(x.logs, LogLine{Seq: len(x.logs) + 1, Level: logLevels[m.Level], Message: message, At: at})
	switch watcher := x.inv.Lines; {
	case watcher == nil:
	case watcher.Wants(x.inv):
		x.notify.Set()
	default:
		x.logsTold = len(x.logs) // a watcher that begins later sees the lines from then on
	}
}

var logLevels = [...]string{wire.LevelDebug: "debug", wire.LevelInfo: "info", wire.LevelWarn: "warn", wire.LevelError: "error"}

// take keeps the answer of an execution that goes on.
func (x *execution) take(m *wire.Answer) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.answer != nil || x.stream.open {
		return errors.New("a second answer")
	}
	m.Headers, m.Body = slices.Clone(m.Headers), slices.Clone(m.Body)
	x.answer, x.whole = m, time.Now()
	x.notify.Set()
	return nil
}

// respond begins a streamed response.
func (x *execution) respond(ref pool.Ref, m *wire.Head) error {
	if x.inv.Handler != HandlerFetch {
		return errors.New("Head for a handler that is not fetch")
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	s := &x.stream
	if s.open || x.answer != nil {
		return errors.New("a second answer")
	}
	s.open, s.ref = true, ref
	s.status, s.headers, s.bad = cleanHead(int(min(m.Status, 1<<20)), m.Headers)
	x.notify.Set()
	return nil
}

// chunk takes a part of the response. With no sink it is kept whole, within max_output_size_bytes.
func (x *execution) chunk(m *wire.Chunk) error {
	ref, taken, err := x.keepChunk(m)
	if taken > 0 {
		x.engine.pool.Send(ref, &wire.Credit{Seq: ref.Seq(), Bytes: uint32(taken)})
	}
	return err
}

// keepChunk returns how many bytes the worker gets Credit for at once, because no sink takes them.
func (x *execution) keepChunk(m *wire.Chunk) (ref pool.Ref, taken int, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := &x.stream
	if !s.open || s.ended {
		return ref, 0, errors.New("Chunk outside of a response")
	}
	s.ended = m.Last
	if m.Last {
		x.whole = time.Now()
	}
	if m.Error != "" {
		s.broken = true
	}
	s.total += int64(len(m.Data))
	limit := x.inv.Script.Limits.MaxOutputSizeBytes
	if s.total > limit {
		s.failed = true
		if x.causeCode == CodeNone {
			x.causeCode = CodeOutputTooLarge
			x.cause = errors.New(limitMessage("max_output_size_bytes", "", limit, s.total))
		}
		x.stopped.Set()
		return ref, 0, nil
	}
	if x.inv.Response != nil && len(s.pending)+len(m.Data) > wire.StreamWindow {
		return ref, 0, errOverrun
	}
	s.pending = append(s.pending, m.Data...)
	if x.inv.Response != nil {
		x.notify.Set()
		return ref, 0, nil
	}
	if m.Last {
		return ref, 0, nil
	}
	return s.ref, len(m.Data), nil
}

// answerResult is the Result of an execution that has answered and goes on.
func (x *execution) answerResult() *Result {
	if x.given != nil {
		return x.given
	}
	res := &Result{Began: true, GoesOn: true, Streamed: x.stream.told, StartedAt: x.queued, EndedAt: time.Now()}
	x.mu.Lock()
	a := x.answer
	x.mu.Unlock()
	switch {
	case a == nil:
		x.judgeOutput(res, &wire.Result{})
	case a.Code != "":
		res.Code, res.Message, res.Stack, res.NoRetry = Code(a.Code), a.Message, a.Stack, a.NoRetry
		if !scriptCode(res.Code) || res.Code == CodeBackgroundError {
			res.Code = CodeException
		}
	default:
		x.judgeOutput(res, &wire.Result{Status: a.Status, Headers: a.Headers, Body: a.Body})
	}
	x.clean(res)
	x.given = res
	return res
}

// clean bounds the texts of a Result, and masks the tenant's secrets in them.
func (x *execution) clean(res *Result) {
	e := x.engine
	res.Secrets = e.cfg.Secrets(x.inv.Script.TenantID)
	res.Message = text.CleanTo(res.Secrets.Text(res.Message), maxMessageBytes)
	if res.Stack == "" {
		return
	}
	res.Stack = text.CleanTo(res.Secrets.Text(res.Stack), maxStackBytes)
}

// finish makes a Result of the call's Ending.
func (x *execution) finish() (*Result, error) {
	e, inv, end := x.engine, x.inv, &x.call.Ending
	var fatal *HostError
	calls, egress := 0, int64(0)
	var kept []Call
	if x.host != nil {
		fatal, calls, egress, kept = x.host.end()
	}
	switch end.Kind {
	case pool.EndRefused:
		return nil, e.refused(inv, refusal(&end.Refusal))
	case pool.EndCancelled:
		if x.causeCode == CodeNone && !x.left {
			return nil, e.refused(inv, refusal(&pool.Refusal{Reason: admission.ReasonClosing, Wait: time.Second}))
		}
		if err := x.ctx.Err(); err != nil && !x.told {
			return nil, err
		}
	}
	res := &Result{
		StartedAt: end.Began, EndedAt: end.Ended, Began: !end.Began.IsZero(), Logs: x.logs, Calls: kept, Streamed: x.stream.told,
		Metrics: Metrics{ColdStart: end.Cold, APICalls: calls, LogBytes: min(x.logBytes, inv.Script.Limits.MaxLogBytes)},
	}
	queued := inv.QueuedAt
	if queued.IsZero() {
		queued = x.queued
	}
	m := &res.Metrics
	if res.Began {
		m.Duration = end.Ended.Sub(end.Began)
		res.StartedAt = end.Ended.Add(-m.Duration) // by one reading of the wall clock, which may have been set meanwhile
		m.Queue = max(end.Began.Sub(queued), 0)
	} else {
		res.StartedAt = end.Ended
		m.Queue = max(end.Ended.Sub(queued), 0)
	}
	answered := x.answered()
	x.judge(res, end, answered)
	if fatal != nil {
		res.Code, res.Message, res.Output, res.Response = fatal.Fatal, fatal.Message, nil, nil
	}
	x.clean(res)
	if answered {
		given := x.answerResult()
		res.Output, res.Response = given.Output, given.Response
		if given.Code != CodeNone && (x.answer != nil || res.Code == CodeNone || res.Code == CodeBackgroundError) { // what went wrong first
			res.Code, res.Message, res.Stack, res.NoRetry = given.Code, given.Message, given.Stack, given.NoRetry
		}
		m.Response = min(max(x.whole.Sub(end.Began), 1), m.Duration)
	} else if res.Code == CodeNone {
		m.Response = m.Duration
	}
	if res.Response != nil {
		m.OutputBytes = int64(len(res.Response.Body))
		egress += m.OutputBytes
	} else if x.stream.open {
		m.OutputBytes = x.stream.total
		egress += x.stream.total
	} else {
		m.OutputBytes = int64(len(res.Output))
	}
	m.EgressBytes = egress
	return res, nil
}

func refusal(r *pool.Refusal) *RefusedError {
	err := &RefusedError{Code: CodeOverloaded, Scope: ScopeTenant, Limit: r.Limit, RetryAfter: max(r.Wait, time.Second)}
	switch r.Reason {
	case admission.ReasonConcurrency:
		err.Code = CodeConcurrencyLimit
		if r.Scope == admission.ScopeScript {
			err.Scope = ScopeScript
			err.Detail = fmt.Sprintf("max_concurrent_runs: limit %d of this node, all in use", r.Limit)
		} else {
			err.Detail = fmt.Sprintf("the tenant's concurrency: limit %d of this node, all in use", r.Limit)
		}
	case admission.ReasonShare:
		err.Detail = fmt.Sprintf("no worker was free in time: the tenant's share of this node's workers, %d, is in use", r.Limit)
	case admission.ReasonQueue:
		err.Detail = fmt.Sprintf("the tenant's part of this node's queue: limit %d, all in use", r.Limit)
	case admission.ReasonLost:
		err.Detail = "the workers that were to run this ended before it began"
	case admission.ReasonLease:
		err.Detail = "the tenant's secrets could not be read"
	case admission.ReasonClosing:
		err.Scope, err.Detail = ScopeNode, "the node is shutting down"
	default:
		err.Scope, err.Detail = ScopeNode, "no worker was free in time"
	}
	return err
}

// judge sets how the execution ended. Where it has answered, what it gave is known.
func (x *execution) judge(res *Result, end *pool.Ending, answered bool) {
	switch end.Kind {
	case pool.EndCancelled:
		x.judgeCancelled(res)
	case pool.EndLoad:
		res.Code, res.Message, res.Stack = Code(end.Loaded.Code), end.Loaded.Message, end.Loaded.Stack
		if !scriptCode(res.Code) || res.Code == CodeNone {
			res.Code = CodeBootError
		}
	case pool.EndDeath:
		x.judgeLost(res, end.Death)
	default:
		x.judgeResult(res, end, answered)
	}
}

// judgeLost sets how an execution ended whose worker died, and counts the death against a script that is to blame for it.
func (x *execution) judgeLost(res *Result, death *pool.Death) {
	var guilty bool
	script, ran := x.inv.Script, res.Metrics.Duration
	res.Code, res.Message, guilty = judgeDeath(death, script.Limits, ran)
	if res.Began {
		res.Metrics.CPU = min(max(death.CPU, 0), 2*ran)
		res.Metrics.PeakMemoryBytes = death.Memory
	}
	if guilty && res.Began {
		x.engine.died(script.TenantID, script.ID, script.Version)
	}
	if res.Code == CodeCancelled {
		x.judgeCancelled(res)
	}
}

// judgeResult sets how an execution ended by what its worker says, within what a worker may say.
func (x *execution) judgeResult(res *Result, end *pool.Ending, answered bool) {
	r, m, ran := &end.Result, &res.Metrics, res.Metrics.Duration
	m.CPU = time.Duration(min(r.CPUMicros, uint64(64*ran/time.Microsecond)+1)) * time.Microsecond
	m.PeakMemoryBytes = int64(min(r.PeakMemory, 1<<50))
	res.Code, res.Message, res.Stack, res.NoRetry = Code(r.Code), r.Message, r.Stack, r.NoRetry
	switch {
	case r.Cancelled && (end.Cancel != "" || x.left):
		x.judgeCancelled(res)
	case res.Code == CodeNone:
		x.judgeCompleted(res, r, answered)
	case end.Cancel == string(CodeCancelled) || end.Cancel != "" && end.Cancel == string(x.causeCode):
		x.judgeCancelled(res)
	default:
		x.judgeFailed(res, r, Code(end.Cancel))
	}
}

// judgeCompleted sets the end of an execution whose script went through: what it gave may still be too large or not deliverable.
func (x *execution) judgeCompleted(res *Result, r *wire.Result, answered bool) {
	undelivered := x.stream.failed && !answered && (x.causeCode != CodeNone || x.left)
	switch {
	case x.causeCode == CodeOutputTooLarge || undelivered:
		x.judgeCancelled(res)
	case !answered:
		x.judgeOutput(res, r)
	}
}

// judgeFailed sets the code and the message of a script's failure. cancelled is the limit for which the pool stopped it, if it did.
func (x *execution) judgeFailed(res *Result, r *wire.Result, cancelled Code) {
	limits := x.inv.Script.Limits
	switch {
	case cancelled == CodeExceededWallTime:
		res.Code, res.Message = CodeExceededWallTime, wallMessage(limits, res.Metrics.Duration)
	case cancelled == CodeExceededCPU:
		res.Code = CodeExceededCPU
		if r.Code != string(CodeExceededCPU) {
			res.Message = limitMessage("max_cpu_time_ms", " ms", limits.MaxCPUTime.Milliseconds(), res.Metrics.CPU.Milliseconds())
		}
	case !scriptCode(res.Code):
		res.Code = CodeException
	case res.Message == "" && res.Code == CodeExceededWallTime:
		res.Message = wallMessage(limits, res.Metrics.Duration)
	}
}

// judgeCancelled says who cancelled the execution. Only the pool cancels without a cause, at shutdown: that counts as our failure.
func (x *execution) judgeCancelled(res *Result) {
	res.Output, res.Response = nil, nil
	if x.causeCode == CodeNone && x.left {
		res.Code, res.Message = CodeCancelled, ErrClientGone.Error()
		return
	}
	if x.causeCode == CodeNone {
		res.Code, res.Message = CodeWorkerLost, "the node was shut down"
		return
	}
	res.Code, res.Message = x.causeCode, causeText(x.cause)
}

func causeText(err error) string {
	if err == nil {
		return "cancelled"
	}
	return err.Error()
}

// judgeOutput checks and cleans what a completed execution gave.
func (x *execution) judgeOutput(res *Result, r *wire.Result) {
	limit := x.inv.Script.Limits.MaxOutputSizeBytes
	if n := int64(len(r.Body)); n > limit {
		res.Code, res.Message = CodeOutputTooLarge, limitMessage("max_output_size_bytes", "", limit, n)
		return
	}
	var bad string
	switch s := &x.stream; {
	case x.inv.Handler != HandlerFetch:
		output, err := text.CleanJSON(r.Body)
		if res.Output = output; err != nil {
			bad = "the output " + err.Error()
		}
	case s.open:
		bad = s.bad
		switch {
		case bad != "":
		case s.broken:
			res.Code, res.Message = CodeException, "the response's body failed"
		case x.inv.Response == nil:
			res.Response = &Response{Status: s.status, Headers: s.headers, Body: s.pending}
		}
	default:
		res.Response = &Response{Body: r.Body}
		res.Response.Status, res.Response.Headers, bad = cleanHead(int(min(r.Status, 1<<20)), r.Headers)
		if !bodyAllowed(res.Response.Status) {
			res.Response.Body = nil
		}
	}
	if bad != "" {
		res.Code, res.Message, res.Response, res.Output = CodeInvalidOutput, bad, nil, nil
	}
}
