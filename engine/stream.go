package engine

import (
	"errors"
	"io"
	"sync"

	"example.com/jsruntime/engine/internal/wire"
	"example.com/jsruntime/engine/text"
)

var errOverrun = errors.New("a stream exceeds its window")

// inflow is a stream from the worker: the upload of a host call. The worker keeps within wire.StreamWindow what was not read.
type inflow struct {
	credit func(n int) // tells the worker that n bytes were taken

	mu     sync.Mutex
	ready  sync.Cond
	buf    []byte
	ended  bool
	closed bool
	err    error
}

func newInflow(credit func(n int)) *inflow {
	f := &inflow{credit: credit}
	f.ready.L = &f.mu
	return f
}

// push adds a Chunk. It does not wait.
func (f *inflow) push(c *wire.Chunk) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return errors.New("a Chunk after the last one")
	}
	if !f.closed {
		if len(f.buf)+len(c.Data) > wire.StreamWindow {
			return errOverrun
		}
		f.buf = append(f.buf, c.Data...)
	} else if len(c.Data) > 0 && !c.Last {
		f.credit(len(c.Data)) // no reader is left: discard the rest as it comes
	}
	if c.Last {
		f.ended, f.err = true, io.EOF
		if c.Error != "" {
			f.err = errors.New(text.CleanTo(c.Error, 1<<10))
		}
	}
	f.ready.Broadcast()
	return nil
}

// Read implements io.Reader.
func (f *inflow) Read(p []byte) (int, error) {
	f.mu.Lock()
	for len(f.buf) == 0 && f.err == nil {
		f.ready.Wait()
	}
	n := copy(p, f.buf)
	f.buf = f.buf[n:]
	err := f.err
	ended := f.ended
	if len(f.buf) == 0 {
		f.buf = nil
	} else {
		err = nil
	}
	f.mu.Unlock()
	if n > 0 {
		if !ended {
			f.credit(n)
		}
		return n, nil
	}
	return 0, err
}

// close makes Read fail and lets what still comes pass.
func (f *inflow) close(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	f.closed = true
	left := len(f.buf)
	f.buf = nil
	if f.err == nil {
		f.err = err
	}
	f.ready.Broadcast()
	if left > 0 && !f.ended {
		f.credit(left)
	}
}

// over reports whether the last Chunk came.
func (f *inflow) over() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ended
}

// outflow counts what may be sent of a stream to the worker.
type outflow struct {
	mu     sync.Mutex
	ready  sync.Cond
	window int
	closed bool
}

func newOutflow() *outflow {
	f := &outflow{window: wire.StreamWindow}
	f.ready.L = &f.mu
	return f
}

// take waits for room and returns how much of n may be sent, 0 if the stream was closed.
func (f *outflow) take(n int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.window == 0 && !f.closed {
		f.ready.Wait()
	}
	if f.closed {
		return 0
	}
	n = min(n, f.window)
	f.window -= n
	return n
}

// untake gives back what take promised and was not sent.
func (f *outflow) untake(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.window += n
}

// give adds a Credit.
func (f *outflow) give(n int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n > wire.StreamWindow-f.window {
		return errors.New("Credit for more than was sent")
	}
	f.window += n
	f.ready.Broadcast()
	return nil
}

func (f *outflow) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.ready.Broadcast()
}
