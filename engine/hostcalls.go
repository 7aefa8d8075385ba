package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"example.com/jsruntime/engine/internal/pool"
	"example.com/jsruntime/engine/internal/wire"
	"example.com/jsruntime/engine/text"
)

const (
	// maxHostBytes bounds what the open host calls of one execution hold of the node's memory.
	maxHostBytes  = 32 << 20
	maxMethodName = 64
	// maxHostCalls bounds the calls of one execution, so that their numbers need no more memory than this.
	maxHostCalls = 1 << 20
)

// hostCalls are the host calls of one execution.
type hostCalls struct {
	x      *execution
	ref    pool.Ref
	ctx    context.Context
	stopFn context.CancelCauseFunc

	mu     sync.Mutex
	open   map[uint32]*hostCall
	last   uint32 // highest number used: numbers only grow
	count  int
	bytes  int
	egress int64
	fatal  *HostError
	ended  bool
	kept   callsKept

	sent atomic.Int64 // Chunks
}

type hostCall struct {
	cancel   context.CancelCauseFunc
	up       *inflow
	down     *outflow
	answered bool
	size     int
	kept     int          // its place in hostCalls.kept, less than 0: it is not kept
	uploaded atomic.Int64 // bytes of up that the host has read
}

var errExecutionEnded = errors.New("the execution has ended")

// hosts returns the execution's host calls; the pool's reader is the only caller while it executes.
func (x *execution) hosts(ref pool.Ref) *hostCalls {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.host == nil {
		// A call ends with the execution: one that is cancelled may still clean up, and one that has answered goes on.
		ctx, cancel := context.WithCancelCause(context.WithoutCancel(x.ctx))
		x.host = &hostCalls{x: x, ref: ref, ctx: ctx, stopFn: cancel, open: map[uint32]*hostCall{}}
	}
	return x.host
}

// end stops the calls that are open and says what all of them came to.
func (h *hostCalls) end() (fatal *HostError, calls int, egress int64, kept []Call) {
	h.stopFn(errExecutionEnded)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	for _, c := range h.open {
		if c.up != nil {
			c.up.close(errExecutionEnded)
		}
		if c.down != nil {
			c.down.close()
		}
	}
	return h.fatal, h.count, h.egress, h.kept.end(time.Now())
}

// frame takes a frame about a host call, within what one execution may send.
func (h *hostCalls) frame(k wire.Kind, payload []byte) error {
	if err := h.x.frames.count(k, h.sent.Load()); err != nil {
		return err
	}
	switch k {
	case wire.KindHostCall:
		m, err := wire.ParseHostCall(payload)
		if err != nil {
			return err
		}
		return h.begin(&m)
	case wire.KindHostCancel:
		m, err := wire.ParseHostCancel(payload)
		if err != nil {
			return err
		}
		h.cancel(&m)
		return nil
	default:
		m, err := wire.ParseCredit(payload)
		if err != nil {
			return err
		}
		return h.credit(&m)
	}
}

// begin starts a call beside the reader of the worker's frames. What is wrong with it is the script's to see, unless only a worker that is not
// ours can have sent it.
func (h *hostCalls) begin(m *wire.HostCall) error {
	if len(m.Method) > maxMethodName || m.Method == "" {
		return errors.New("HostCall without a method")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if m.Call <= h.last || h.count >= maxHostCalls {
		return fmt.Errorf("HostCall number %d after %d", m.Call, h.last)
	}
	h.last = m.Call
	h.count++
	size := len(m.Args) + len(m.Body)
	switch {
	case h.ended:
		return nil
	case h.x.inv.Live != nil && !h.x.inv.Live():
		h.reject(m.Call, ErrLeaseLost)
		return nil
	case len(h.open) >= 2*wire.MaxOpenCalls || h.unanswered() >= wire.MaxOpenCalls:
		h.reject(m.Call, &HostError{Name: "RangeError", Message: fmt.Sprintf("more than %d calls are open", wire.MaxOpenCalls)})
		return h.x.frames.refusedCall()
	case h.bytes+size > maxHostBytes:
		h.reject(m.Call, &HostError{Name: "RangeError", Message: fmt.Sprintf("the open calls hold more than %d bytes", maxHostBytes)})
		return nil
	case !json.Valid(m.Args):
		return errors.New("HostCall's arguments are not JSON")
	}
	h.bytes += size
	ctx, cancel := context.WithCancelCause(h.ctx)
	c := &hostCall{cancel: cancel, size: size, kept: h.kept.begin(h.x.inv, m.Method, time.Now())}
	call := &HostCall{Invocation: h.x.inv, Method: m.Method, Args: slices.Clone(m.Args), Body: slices.Clone(m.Body)}
	if m.Stream {
		number, ref, p := m.Call, h.ref, h.x.engine.pool
		c.up = newInflow(func(n int) { p.Send(ref, &wire.Credit{Seq: ref.Seq(), Stream: number, Bytes: uint32(n)}) })
		call.BodyStream = counted{c.up, &c.uploaded}
	}
	h.open[m.Call] = c
	number := m.Call
	h.x.engine.hosts.run(func() {
		defer cancel(errExecutionEnded)
		h.serve(ctx, number, c, call)
	})
	return nil
}

func (h *hostCalls) unanswered() int {
	n := 0
	for _, c := range h.open {
		if !c.answered {
			n++
		}
	}
	return n
}

// reject answers a call that is not served.
func (h *hostCalls) reject(number uint32, err *HostError) {
	h.reply(number, &wire.HostReply{Payload: errorPayload(err)})
	h.x.engine.pool.Answered(h.ref)
}

func (h *hostCalls) reply(number uint32, r *wire.HostReply) {
	r.Seq, r.Call = h.ref.Seq(), number
	h.x.engine.pool.Send(h.ref, r)
}

func errorPayload(err *HostError) []byte {
	b, failed := json.Marshal(struct {
		Name       string `json:"name"`
		Message    string `json:"message"`
		Code       string `json:"code,omitempty"`
		RetryAfter int64  `json:"retryAfter,omitempty"`
	}{err.Name, text.CleanTo(err.Message, maxMessageBytes), err.Code, err.RetryAfter})
	if failed != nil {
		return []byte(`{"name":"Error","message":"internal error"}`)
	}
	return b
}

// serve makes the call and sends its answer.
func (h *hostCalls) serve(ctx context.Context, number uint32, c *hostCall, call *HostCall) {
	e := h.x.engine
	started := time.Now()
	reply, err := e.callHost(ctx, call)
	e.cfg.Observer.HostCallEnded(call.Method, time.Since(started), err)
	defer e.pool.Answered(h.ref)
	defer h.close(number, c)

	he, keptErr := seenBy(ctx, err)
	h.note(c, noted{call: call, uploaded: c.uploaded.Load(), reply: reply, err: keptErr})
	if err != nil {
		if ours := (*HostError)(nil); !errors.As(err, &ours) && ctx.Err() == nil {
			e.cfg.Logger.Error("host call failed", "method", call.Method, "error", err, "tenant_id", h.x.inv.Script.TenantID,
				"script_id", h.x.inv.Script.ID, "execution_id", h.x.inv.ExecutionID)
		}
		if he.Fatal != CodeNone {
			h.mu.Lock()
			if h.fatal == nil && !h.ended {
				h.fatal = he
				h.x.stopWith(he.Fatal, he)
			}
			h.mu.Unlock()
		}
		h.answer(number, c, &wire.HostReply{Payload: errorPayload(he)}, 0)
		return
	}
	if reply == nil {
		reply = &HostReply{}
	}
	if reply.BodyStream != nil {
		defer reply.BodyStream.Close()
	}
	r := &wire.HostReply{OK: true, Payload: reply.Payload, Body: reply.Body, Stream: reply.BodyStream != nil}
	if len(r.Payload) == 0 {
		r.Payload = []byte("null")
	}
	if len(r.Payload)+len(r.Body) > wire.MaxFrame-64 {
		r = &wire.HostReply{Payload: errorPayload(&HostError{Name: "RangeError", Message: "the answer is too large"})}
	}
	var flow *outflow
	if r.Stream {
		flow = newOutflow()
		h.mu.Lock()
		c.down = flow
		h.mu.Unlock()
		defer context.AfterFunc(ctx, func() {
			flow.close()
			_ = reply.BodyStream.Close() // ends a Read that waits
		})()
	}
	h.answer(number, c, r, reply.EgressBytes)
	if r.Stream {
		h.download(ctx, number, c, flow, reply.BodyStream)
	}
}

// callHost keeps a panic of the host from ending the node.
func (e *Engine) callHost(ctx context.Context, call *HostCall) (reply *HostReply, err error) {
	host := e.cfg.Host
	if call.Invocation.Host != nil {
		host = call.Invocation.Host
	}
	if host == nil {
		return nil, &HostError{Name: "TypeError", Message: call.Method + " is not available"}
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic in host call: %v", r)
		}
	}()
	return host.Call(ctx, call)
}

func (h *hostCalls) answer(number uint32, c *hostCall, r *wire.HostReply, egress int64) {
	h.mu.Lock()
	c.answered = true
	h.bytes -= c.size
	c.size = 0
	h.egress += egress
	ended := h.ended
	h.mu.Unlock()
	if !ended {
		h.reply(number, r)
	}
}

// download sends the rest of an answer's body as the worker takes it.
func (h *hostCalls) download(ctx context.Context, number uint32, c *hostCall, flow *outflow, body io.Reader) {
	buf := make([]byte, wire.ChunkSize)
	p := h.x.engine.pool
	for {
		n := flow.take(len(buf))
		if n == 0 {
			return
		}
		m, err := body.Read(buf[:n])
		flow.untake(n - m)
		h.noteChunk(c, buf[:m], err)
		if ctx.Err() != nil {
			return
		}
		chunk := &wire.Chunk{Seq: h.ref.Seq(), Stream: number, Data: buf[:m]}
		if err != nil {
			chunk.Last = true
			if !errors.Is(err, io.EOF) {
				chunk.Error = "the body could not be read"
				var he *HostError
				if errors.As(err, &he) {
					chunk.Error = text.CleanTo(he.Message, 1<<10)
				}
			}
		}
		if m > 0 || chunk.Last {
			h.sent.Add(1)
			p.Send(h.ref, chunk)
		}
		if chunk.Last {
			return
		}
	}
}

// close forgets a call, except while the worker still sends its upload.
func (h *hostCalls) close(number uint32, c *hostCall) {
	if c.up != nil {
		c.up.close(errExecutionEnded)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.up == nil || c.up.over() {
		delete(h.open, number)
	}
}

func (h *hostCalls) chunk(m *wire.Chunk) error {
	h.mu.Lock()
	c := h.open[m.Stream]
	known := m.Stream <= h.last
	h.mu.Unlock()
	if c == nil && known {
		return nil // of a call that was refused: the worker does not know yet
	}
	if c == nil || c.up == nil {
		return errors.New("Chunk for a call that has no upload")
	}
	if err := c.up.push(m); err != nil {
		return err
	}
	if m.Last {
		h.mu.Lock()
		if c.answered && c.down == nil {
			delete(h.open, m.Stream)
		}
		h.mu.Unlock()
	}
	return nil
}

func (h *hostCalls) credit(m *wire.Credit) error {
	h.mu.Lock()
	c := h.open[m.Stream]
	var flow *outflow
	answered := false
	if c != nil {
		flow, answered = c.down, c.answered
	}
	h.mu.Unlock()
	if c == nil {
		if m.Stream == 0 || m.Stream > h.last {
			return errors.New("Credit for a stream that is not there")
		}
		return nil // its last Chunk was sent
	}
	if flow == nil && answered {
		return nil // it was answered whole, and is about to be forgotten
	}
	if flow == nil {
		return errors.New("Credit for a stream that has not begun")
	}
	return flow.give(int(m.Bytes))
}

// cancel is what an aborted fetch sends.
func (h *hostCalls) cancel(m *wire.HostCancel) {
	h.mu.Lock()
	c := h.open[m.Call]
	h.mu.Unlock()
	if c != nil {
		c.cancel(errors.New("the script cancelled the call"))
	}
}
