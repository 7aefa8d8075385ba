package rawnet

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// ErrWouldBlock says that the kernel has nothing to read, or takes nothing more, for now.
var ErrWouldBlock = errors.New("rawnet: the call would wait")

// callBytes is how much one call moves: 64 KiB are copied in some 20 µs.
const callBytes = 64 << 10

// Conn is a socket. Its methods may be called by several goroutines.
type Conn struct {
	raw         syscall.RawConn
	read, write half
}

// half is one direction of a Conn.
type half struct {
	mu  sync.Mutex // guards what follows; held while the poller waits
	b   []byte     // what is left to read into or to write
	n   int        // bytes of the last call
	err error      // of the last call; nil, ErrWouldBlock or a syscall.Errno
	try bool       // ErrWouldBlock is returned rather than waited for
	// attempt is what RawConn calls with the descriptor. It is made once, so that a call allocates nothing.
	attempt func(fd uintptr) bool
}

// New returns the Conn of a socket that the runtime's poller knows: a net.Conn of package net, or an os.File that was made of a
// non-blocking socket. Closing and deadlines stay the socket's own.
func New(socket syscall.Conn) (*Conn, error) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, err
	}
	var unfit error
	if err := raw.Control(func(fd uintptr) { unfit = check(fd) }); err != nil {
		return nil, err
	}
	if unfit != nil {
		return nil, unfit
	}
	c := &Conn{raw: raw}
	c.read.attempt, c.write.attempt = c.read.calling(recv), c.write.calling(send)
	return c, nil
}

// calling returns the function that calls until there is something other to say than that a signal came.
func (h *half) calling(call func(fd uintptr, b []byte) (int, syscall.Errno)) func(uintptr) bool {
	return func(fd uintptr) bool {
		for {
			n, errno := call(fd, h.b[:min(len(h.b), callBytes)])
			switch errno {
			case 0:
				h.n, h.err = n, nil
				return true
			case syscall.EINTR:
			case syscall.EAGAIN:
				h.n, h.err = 0, ErrWouldBlock
				return h.try
			default:
				h.n, h.err = 0, errno
				return true
			}
		}
	}
}

// Read implements io.Reader.
func (c *Conn) Read(b []byte) (int, error) { return c.receive(b, false) }

// TryRead is Read that does not wait.
func (c *Conn) TryRead(b []byte) (int, error) { return c.receive(b, true) }

func (c *Conn) receive(b []byte, try bool) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	h := &c.read
	h.mu.Lock()
	defer h.mu.Unlock()
	h.b, h.try = b, try
	err := c.raw.Read(h.attempt)
	h.b = nil
	switch {
	case err != nil:
		return 0, err
	case h.err != nil:
		return 0, named("recv", h.err)
	case h.n == 0:
		return 0, io.EOF
	}
	return h.n, nil
}

// Write implements io.Writer.
func (c *Conn) Write(b []byte) (int, error) { return c.send(b, false) }

// TryWrite writes what the kernel takes without waiting. Where that is not all, its error is not nil.
func (c *Conn) TryWrite(b []byte) (int, error) { return c.send(b, true) }

func (c *Conn) send(b []byte, try bool) (int, error) {
	h := &c.write
	h.mu.Lock()
	defer h.mu.Unlock()
	defer func() { h.b = nil }()
	for written := 0; ; {
		if written == len(b) {
			return written, nil
		}
		h.b, h.try = b[written:], try
		err := c.raw.Write(h.attempt)
		if err == nil {
			err = named("send", h.err)
		}
		if err != nil {
			return written, err
		}
		written += h.n
	}
}

// named is the error of a call as package net has it.
func named(call string, err error) error {
	if errno, ok := err.(syscall.Errno); ok { //nolint:errorlint // of a half, never wrapped
		return os.NewSyscallError(call, errno)
	}
	return err
}

// wrapped is a net.Conn whose Read and Write are a Conn's.
type wrapped struct {
	net.Conn
	raw *Conn
}

// Wrap returns a net.Conn that reads and writes conn by raw calls, or conn where that cannot be.
func Wrap(conn net.Conn) net.Conn {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return conn
	}
	raw, err := New(socket)
	if err != nil {
		return conn
	}
	return &wrapped{conn, raw}
}

// Of returns the Conn at the bottom of a connection, nil where there is none.
func Of(conn net.Conn) *Conn {
	for {
		if w, ok := conn.(*wrapped); ok {
			return w.raw
		}
		above, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		conn = above.NetConn()
	}
}

// Read implements net.Conn.
func (w *wrapped) Read(b []byte) (int, error) {
	n, err := w.raw.Read(b)
	return n, w.described("read", err)
}

// Write implements net.Conn.
func (w *wrapped) Write(b []byte) (int, error) {
	n, err := w.raw.Write(b)
	return n, w.described("write", err)
}

// described is the error as package net would have made it.
func (w *wrapped) described(op string, err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	var inner *net.OpError // of RawConn, which says raw-read
	if errors.As(err, &inner) {
		err = inner.Err
	}
	local := w.LocalAddr()
	return &net.OpError{Op: op, Net: local.Network(), Source: local, Addr: w.RemoteAddr(), Err: err}
}

// CloseWrite is for net/http, which ends a connection in two steps.
func (w *wrapped) CloseWrite() error {
	if half, ok := w.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
