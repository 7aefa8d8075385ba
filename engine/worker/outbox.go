package worker

import (
	"errors"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"example.com/jsruntime/engine/internal/wire"
)

// outbox collects frames for the node and writes them whole.
type outbox struct {
	fd int

	mu   sync.Mutex
	buf  []byte
	err  error
	held atomic.Bool // something is not written yet
}

// flushAt is how much is collected at most before it is written anyway.
const flushAt = 64 << 10

func newOutbox(fd int) *outbox { return &outbox{fd: fd, buf: make([]byte, 0, flushAt)} }

// add appends a frame. It is written by the next flush, or at once when much has come together.
func (o *outbox) add(m wire.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf = m.Append(o.buf)
	o.held.Store(true)
	if len(o.buf) >= flushAt {
		o.write()
	}
}

// flush writes what was collected.
func (o *outbox) flush() error {
	if !o.held.Load() {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.write()
	return o.err
}

func (o *outbox) write() {
	b := o.buf
	for len(b) > 0 && o.err == nil {
		n, err := unix.Write(o.fd, b)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			o.err = err
			break
		}
		b = b[n:]
	}
	if cap(o.buf) > 1<<20 {
		o.buf = make([]byte, 0, flushAt)
	}
	o.buf = o.buf[:0]
	o.held.Store(false)
}
