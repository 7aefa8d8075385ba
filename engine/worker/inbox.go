package worker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"example.com/jsruntime/engine/internal/wire"
)

// frame is one message of the node's. Its payload belongs to the inbox's memory: it is valid until the next call of next.
type frame struct {
	kind    wire.Kind
	payload []byte
}

// inbox reads frames of the node's. The main thread takes them; the watchdog may add to what was read while JavaScript runs.
type inbox struct {
	fd int

	mu      sync.Mutex
	buf     []byte
	start   int // first byte not taken
	scanned int // first byte that the watchdog has not looked at
	err     error

	// back holds frames, with memory of their own, that arrived while an execution waited and that are not for it.
	back []frame
}

const readSize = 64 << 10

func newInbox(fd int) *inbox {
	return &inbox{fd: fd, buf: make([]byte, 0, readSize)}
}

// whole returns the length of the frame at offset at with its header, 0 if it is not all there.
func (in *inbox) whole(at int) (int, error) {
	rest := in.buf[at:]
	if len(rest) < 4 {
		return 0, nil
	}
	n := int(binary.LittleEndian.Uint32(rest))
	if n < 1 || n > wire.MaxFrame {
		return 0, fmt.Errorf("frame of %d bytes", n)
	}
	if len(rest) < 4+n {
		return 0, nil
	}
	return 4 + n, nil
}

// ready reports whether next would not wait.
func (in *inbox) ready() bool {
	in.mu.Lock()
	if len(in.back) > 0 {
		in.mu.Unlock()
		return true
	}
	n, err := in.whole(in.start)
	in.mu.Unlock()
	return n > 0 || err != nil
}

// next takes a frame: those that were put back come first. With a negative timeout it waits for one; else it waits at most so many
// milliseconds and returns ok false.
func (in *inbox) next(timeout int) (f frame, ok bool, err error) {
	in.mu.Lock()
	if len(in.back) > 0 {
		f = in.back[0]
		in.back[0] = frame{}
		if in.back = in.back[1:]; len(in.back) == 0 {
			in.back = nil
		}
		in.mu.Unlock()
		return f, true, nil
	}
	in.mu.Unlock()
	return in.nextOf(timeout)
}

// putBack keeps a frame for later: it is not for the execution that waits.
func (in *inbox) putBack(f frame) {
	in.mu.Lock()
	in.back = append(in.back, frame{kind: f.kind, payload: append([]byte(nil), f.payload...)})
	in.mu.Unlock()
}

// takeBack takes the first of the frames that were put back for which fits says so.
func (in *inbox) takeBack(fits func(frame) bool) (frame, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for i, f := range in.back {
		if fits(f) {
			in.back = slices.Delete(in.back, i, i+1)
			return f, true
		}
	}
	return frame{}, false
}

// nextOf takes a frame that arrives now, not one that was put back.
func (in *inbox) nextOf(timeout int) (f frame, ok bool, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for {
		if in.err != nil {
			return frame{}, false, in.err
		}
		n, err := in.whole(in.start)
		if err != nil {
			in.err = err
			return frame{}, false, err
		}
		if n > 0 {
			p := in.buf[in.start+4 : in.start+n : in.start+n]
			in.start += n
			in.scanned = max(in.scanned, in.start)
			return frame{kind: wire.Kind(p[0]), payload: p[1:]}, true, nil
		}
		if timeout >= 0 {
			in.mu.Unlock()
			ready, err := wait(in.fd, timeout)
			in.mu.Lock()
			if err != nil {
				in.err = err
				return frame{}, false, err
			}
			if !ready {
				return frame{}, false, nil
			}
			timeout = 0
		}
		in.compact()
		// The lock is held while the main thread waits here: the watchdog reads only while JavaScript runs.
		if err := in.read(0); err != nil {
			in.err = err
			return frame{}, false, err
		}
	}
}

// compact moves what is left to the front. Only next calls it, when no payload is in use.
func (in *inbox) compact() {
	if in.start > 0 {
		n := copy(in.buf, in.buf[in.start:])
		in.buf = in.buf[:n]
		in.scanned -= in.start
		in.start = 0
		if n == 0 && cap(in.buf) > 1<<20 {
			in.buf = make([]byte, 0, readSize)
		}
	}
}

// read appends what is there, waiting for it unless flags say MSG_DONTWAIT.
func (in *inbox) read(flags int) error {
	if cap(in.buf)-len(in.buf) < readSize/2 {
		grown := make([]byte, len(in.buf), 2*cap(in.buf))
		copy(grown, in.buf)
		in.buf = grown
	}
	for {
		n, err := recv(in.fd, in.buf[len(in.buf):cap(in.buf)], flags)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return err
		case n == 0:
			return io.EOF
		}
		in.buf = in.buf[:len(in.buf)+n]
		return nil
	}
}

// maxAhead is how much the watchdog reads ahead of the main thread. The node keeps few Runs at a worker, so this is never reached by
// one that means well.
const maxAhead = 64 << 20

// peek is the watchdog's: it reads what has arrived without waiting and gives the frames that it has not seen to look.
func (in *inbox) peek(look func(kind wire.Kind, payload []byte)) {
	if !in.mu.TryLock() {
		return // the main thread reads
	}
	defer in.mu.Unlock()
	if in.err != nil {
		return
	}
	if len(in.buf)-in.start < maxAhead {
		if err := in.read(unix.MSG_DONTWAIT); err != nil && !errors.Is(err, unix.EAGAIN) {
			in.err = err
			return
		}
	}
	for {
		n, err := in.whole(in.scanned)
		if err != nil || n == 0 {
			return
		}
		p := in.buf[in.scanned+4 : in.scanned+n]
		in.scanned += n
		look(wire.Kind(p[0]), p[1:])
	}
}

// each shows the frames that wait, oldest first. The lock is held: it is called within peek, or by the main thread.
func (in *inbox) each(look func(kind wire.Kind, payload []byte)) {
	for _, f := range in.back {
		look(f.kind, f.payload)
	}
	for at := in.start; ; {
		n, err := in.whole(at)
		if err != nil || n == 0 {
			return
		}
		p := in.buf[at+4 : at+n]
		at += n
		look(wire.Kind(p[0]), p[1:])
	}
}

// recv is read(2) on a socket, with flags.
func recv(fd int, b []byte, flags int) (int, error) {
	if flags == 0 {
		return unix.Read(fd, b)
	}
	n, _, err := unix.Recvfrom(fd, b, flags)
	return n, err
}

// wait waits at most so many milliseconds for fd to become readable.
func wait(fd, millis int) (bool, error) {
	fds := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds[:], millis)
	if errors.Is(err, unix.EINTR) {
		return false, nil
	}
	return n > 0, err
}
