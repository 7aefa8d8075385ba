// Package outbox writes frames to a worker's socket without ever waiting for the worker, and bounds what the worker leaves unread.
package outbox

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/engine/rawnet"
)

const (
	// outboxMax is how many bytes a worker may leave unread: more than the frames of one execution at the largest sizes.
	outboxMax = 64 << 20
	// outboxFree is what a worker may leave unread without the node's budget being asked: the socket's own buffers take about as much.
	outboxFree = 256 << 10
	// outboxPart is the size from which on a buffer is closed and another one begun: a slice that grew to all that is unread would be
	// copied, and twice as large, again and again.
	outboxPart = 256 << 10

	// A worker reads while JavaScript runs. Where the node's budget has no room, one that has not come to a byte for unreadRefused is ended,
	// and one that has refusedMax more than the budget gave. Elsewhere one that has not for unreadFor, with at least unreadMin unread.
	unreadRefused = 500 * time.Millisecond
	refusedMax    = 8 << 20
	unreadFor     = 10 * time.Second
	unreadMin     = 1 << 20
)

// ErrNotReading is of a worker that leaves more unread than it may.
var ErrNotReading = errors.New("the worker does not read")

// Outbox holds the frames for one worker. The goroutine that flushes first writes for all; what the socket does not take at once is left
// to the outbox's own goroutine, so that no other goroutine waits for the worker. What is unread beyond outboxFree is taken from the node's
// budget of memory, on behalf of the worker's tenant.
type Outbox struct {
	socket *rawnet.Conn
	budget *admission.Budget // nil: none

	mu     sync.Mutex
	parts  [][]byte // full buffers, oldest first: before buf
	buf    []byte   // frames to write
	spare  []byte
	busy   bool // a goroutine writes
	err    error
	resume chan []byte // to the goroutine: what the socket did not take
	unread int         // bytes that were appended and not taken by the socket
	taken  uint64      // bytes that the socket has taken
	mark   uint64      // what taken will be once the worker has come to a byte that it was behind of …
	since  time.Time   // … since then; zero: none
	tenant uuid.UUID
	held   *admission.Reservation
}

// New returns an Outbox that writes to socket. A nil budget is none. Run its Run.
func New(socket *rawnet.Conn, budget *admission.Budget) *Outbox {
	return &Outbox{socket: socket, budget: budget, resume: make(chan []byte, 1)}
}

// Lease names the tenant on whose behalf the budget is asked.
func (o *Outbox) Lease(tenant uuid.UUID) {
	o.mu.Lock()
	o.tenant = tenant
	o.mu.Unlock()
}

// Append adds a frame; Flush sends it.
func (o *Outbox) Append(m interface{ Append([]byte) []byte }) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return o.err
	}
	n := len(o.buf)
	o.buf = m.Append(o.buf)
	o.unread += len(o.buf) - n
	if len(o.buf) >= outboxPart {
		o.parts = append(o.parts, o.buf)
		o.buf = nil
	}
	if o.unread > outboxFree {
		o.err = o.charge()
	}
	return o.err
}

// charge takes what is unread from the budget.
func (o *Outbox) charge() error {
	o.note(time.Now())
	if o.unread > outboxMax {
		return fmt.Errorf("%w: %d bytes wait for it", ErrNotReading, o.unread)
	}
	if o.held == nil {
		// Nothing is asked for here, so that nothing is refused.
		o.held, _ = o.budget.Take(o.tenant, admission.UseOutbox, 0)
	}
	if n := int64(o.unread) - o.held.Held(); o.held != nil && n > 0 {
		err := o.held.Grow(max(n, outboxFree))
		if err != nil && (time.Since(o.since) >= unreadRefused || n > refusedMax) {
			return fmt.Errorf("%w: %w", ErrNotReading, err)
		}
	}
	return nil
}

// written notes that the socket took n bytes.
func (o *Outbox) written(n int) {
	o.unread -= n
	o.taken += uint64(n)
	if o.taken >= o.mark {
		o.since = time.Time{}
	}
	if o.unread > 0 {
		return
	}
	if o.held != nil {
		o.held.Release()
		o.held = nil
	}
}

// note begins to wait for the worker to come to the last byte that there is now.
func (o *Outbox) note(now time.Time) {
	if o.since.IsZero() {
		o.since, o.mark = now, o.taken+uint64(o.unread)
	}
}

// Stuck reports whether the worker has much to read and has long not come to what was there.
func (o *Outbox) Stuck(now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.unread < unreadMin {
		return false
	}
	o.note(now)
	return now.Sub(o.since) >= unreadFor
}

// Flush writes what was appended, as far as the socket takes it without waiting.
func (o *Outbox) Flush() {
	o.mu.Lock()
	for !o.busy && len(o.buf)+len(o.parts) > 0 && o.err == nil {
		o.busy = true
		b := o.take()
		o.mu.Unlock()
		rest, err := o.try(b)
		o.mu.Lock()
		o.written(len(b) - len(rest))
		if err == nil && len(rest) > 0 && o.err == nil {
			o.resume <- rest // the goroutine is idle: busy is ours, and becomes its
			break
		}
		o.done(b, err)
	}
	o.mu.Unlock()
}

func (o *Outbox) take() []byte {
	if len(o.parts) > 0 {
		b := o.parts[0]
		o.parts[0] = nil
		if o.parts = o.parts[1:]; len(o.parts) == 0 {
			o.parts = nil
		}
		return b
	}
	b := o.buf
	o.buf, o.spare = o.spare[:0], nil
	return b
}

func (o *Outbox) done(b []byte, err error) {
	o.busy = false
	if cap(b) <= 1<<20 {
		o.spare = b[:0]
	}
	if err != nil && o.err == nil {
		o.err = err
	}
}

// try writes until the socket would block. It returns what the socket did not take.
func (o *Outbox) try(b []byte) ([]byte, error) {
	n, err := o.socket.TryWrite(b)
	if errors.Is(err, rawnet.ErrWouldBlock) {
		err = nil
	}
	return b[n:], err
}

// Run writes what Flush could not, until the outbox is closed.
func (o *Outbox) Run() {
	for rest := range o.resume {
		n, err := o.socket.Write(rest)
		o.mu.Lock()
		o.written(n)
		o.done(rest, err)
		o.mu.Unlock()
		o.Flush()
	}
}

// Close ends Run. The socket must be closed before, so that Run does not wait for the worker.
func (o *Outbox) Close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = os.ErrClosed
	}
	o.parts, o.buf, o.spare = nil, nil, nil
	o.written(o.unread)
	close(o.resume)
}
