package pool

import (
	"errors"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// outboxMax is how much a worker may leave unread before it is taken for a peer that does not read: more than the frames of one
// execution at the largest sizes.
const outboxMax = 96 << 20

var errNotReading = errors.New("the worker does not read")

// outbox writes frames to a worker's socket. Whoever flushes first writes for all; what the socket does not take at once is left
// to the outbox's own goroutine, so that nobody else ever waits for the worker.
type outbox struct {
	file *os.File
	raw  syscall.RawConn

	mu     sync.Mutex
	buf    []byte // frames to write
	spare  []byte
	busy   bool // somebody writes
	err    error
	resume chan []byte // to the goroutine: what the socket did not take

	// of whoever is busy
	attempt func(fd uintptr) bool
	part    []byte
	n       int
	errno   error
}

func newOutbox(file *os.File) (*outbox, error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	o := &outbox{file: file, raw: raw, resume: make(chan []byte, 1)}
	o.attempt = func(fd uintptr) bool {
		for {
			o.n, o.errno = unix.Write(int(fd), o.part)
			if !errors.Is(o.errno, unix.EINTR) {
				return true
			}
		}
	}
	return o, nil
}

// append adds a frame; flush sends it.
func (o *outbox) append(m interface{ Append([]byte) []byte }) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil && len(o.buf) > outboxMax {
		o.err = errNotReading
	}
	if o.err != nil {
		return o.err
	}
	o.buf = m.Append(o.buf)
	return nil
}

// flush writes what was appended, as far as the socket takes it without waiting.
func (o *outbox) flush() {
	o.mu.Lock()
	for !o.busy && len(o.buf) > 0 && o.err == nil {
		o.busy = true
		b := o.take()
		o.mu.Unlock()
		rest, err := o.try(b)
		o.mu.Lock()
		if err == nil && len(rest) > 0 && o.err == nil {
			o.resume <- rest // the goroutine is idle: busy is ours, and becomes its
			break
		}
		o.done(b, err)
	}
	o.mu.Unlock()
}

func (o *outbox) take() []byte {
	b := o.buf
	o.buf, o.spare = o.spare[:0], nil
	return b
}

func (o *outbox) done(b []byte, err error) {
	o.busy = false
	if cap(b) <= 1<<20 {
		o.spare = b[:0]
	}
	if err != nil && o.err == nil {
		o.err = err
	}
}

// try writes until the socket would block.
func (o *outbox) try(b []byte) ([]byte, error) {
	for len(b) > 0 {
		o.part = b
		err := o.raw.Write(o.attempt)
		o.part = nil
		switch {
		case err != nil:
			return b, err
		case errors.Is(o.errno, unix.EAGAIN):
			return b, nil
		case o.errno != nil:
			return b, o.errno
		}
		b = b[o.n:]
	}
	return nil, nil
}

// run writes what flush could not, until the outbox is closed.
func (o *outbox) run() {
	for rest := range o.resume {
		_, err := o.file.Write(rest)
		o.mu.Lock()
		o.done(rest, err)
		o.mu.Unlock()
		o.flush()
	}
}

// close ends run. The file must be closed before, so that run does not wait for the worker.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = os.ErrClosed
	}
	close(o.resume)
}
