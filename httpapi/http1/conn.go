package http1

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"example.com/jsruntime/engine/rawnet"
)

const (
	// bufferBytes bounds a plain head, and what of the next requests is read while a request runs.
	bufferBytes = 4 << 10
	// maxLeftover is how much a client may still send of a body that was not asked for.
	maxLeftover = 256 << 10
	// linger is how long what a client still sends is read away before its connection is closed, so that it reads its answer.
	linger = 500 * time.Millisecond
	// idleSlack is how much longer than IdleTimeout a connection may idle, so that its deadline is not set anew for each request.
	idleSlack = 5 * time.Second
)

var headsEnd = []byte("\r\n\r\n")

// conn is a connection. Its goroutine owns what has no other owner here.
type conn struct {
	net.Conn
	raw    *rawnet.Conn // of Conn; nil on systems without
	server *Server
	parent context.Context // of its requests
	hand   func(net.Conn)  // gives it to net/http
	ctx    context.Context // of the connection
	remote string

	// buf is what was read and is of no request yet. While a watch runs it is the watch's.
	buf    []byte
	readBy time.Time // the read deadline; zero: none, or not known
	served bool      // a request
	broken bool      // nothing more can be read
	unread int64     // bytes of the request's body that were not read; what is in buf comes first

	mu      sync.Mutex    // guards what follows
	idle    bool          // no byte of a request has come since the last answer
	began   int64         // tick at which a handler began; -1: none runs
	cancel  func()        // ends that handler's request
	whole   bool          // its body was read
	watched chan struct{} // a watch runs; it closes the channel at its end
	stopped bool          // the watch is to end
}

// serve serves requests until one is not plain, or the connection ends.
func (c *conn) serve() {
	defer func() {
		if reason := recover(); reason != nil { // a fault of this package ends one connection, and not the node
			c.server.cfg.ErrorLog.Printf("http: panic reading from %s: %v\n%s", c.remote, reason, debug.Stack())
			_ = c.Conn.Close()
		}
		c.server.remove(c)
	}()
	ctx, cancel := context.WithCancel(c.parent)
	defer cancel()
	c.ctx = ctx
	if c.server.cfg.ConnContext != nil {
		c.ctx = c.server.cfg.ConnContext(c.ctx, c.Conn)
	}
	c.buf = make([]byte, 0, bufferBytes)
	for {
		end, err := c.head()
		if err != nil {
			_ = c.Conn.Close()
			return
		}
		var r *http.Request
		if end > 0 {
			r = parse(string(c.buf[:end]))
		}
		if r != nil {
			r.RemoteAddr = c.remote
		}
		if r == nil || !c.server.cfg.Takes(r) {
			c.handOver()
			return
		}
		c.drop(end)
		if !c.answer(r) {
			return
		}
	}
}

// handOver gives the connection away, with what was read of it.
func (c *conn) handOver() {
	_ = c.Conn.SetDeadline(time.Time{})
	c.server.remove(c)
	c.hand(&handed{c.Conn, c.buf})
}

// handed is a connection that begins with bytes that were read before.
type handed struct {
	net.Conn
	left []byte
}

// Read implements net.Conn.
func (h *handed) Read(b []byte) (int, error) {
	if len(h.left) > 0 {
		n := copy(b, h.left)
		if h.left = h.left[n:]; len(h.left) == 0 {
			h.left = nil
		}
		return n, nil
	}
	return h.Conn.Read(b)
}

// NetConn is the connection below.
func (h *handed) NetConn() net.Conn { return h.Conn }

// CloseWrite is for net/http, which ends a connection in two steps.
func (h *handed) CloseWrite() error { return closeWrite(h.Conn) }

func closeWrite(conn net.Conn) error {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// drop takes the first n bytes out of buf.
func (c *conn) drop(n int) { c.buf = c.buf[:copy(c.buf, c.buf[n:])] }

// head reads until buf begins with a whole head, and returns where that ends; 0 where it cannot be a plain one.
func (c *conn) head() (int, error) {
	var by time.Time // by when the head must be whole
	for {
		if i := bytes.Index(c.buf, headsEnd); i >= 0 {
			return i + len(headsEnd), nil
		}
		if len(c.buf) == cap(c.buf) || len(c.buf) > 0 && !beginsPlain(c.buf) {
			return 0, nil
		}
		now := time.Now()
		switch {
		case len(c.buf) == 0 && c.served:
			if c.readBy.Sub(now) < c.server.cfg.IdleTimeout {
				c.deadline(now.Add(c.server.cfg.IdleTimeout + idleSlack))
			}
		case by.IsZero():
			c.busy()
			by = now.Add(c.server.cfg.HeadTimeout)
			c.deadline(by)
		}
		n, err := c.Conn.Read(c.buf[len(c.buf):cap(c.buf)])
		if n == 0 && err != nil {
			return 0, err
		}
		c.buf = c.buf[:len(c.buf)+n]
	}
}

// beginsPlain reports whether a head that has begun may still be a plain one: no method has another first letter, and each line ends with
// CR LF. A head that is not waits for nothing more here.
func beginsPlain(b []byte) bool {
	switch b[0] {
	case 'G', 'H', 'P', 'D', 'O':
	default:
		return false
	}
	for {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			return true
		}
		if i == 0 || b[i-1] != '\r' {
			return false
		}
		b = b[i+1:]
	}
}

// deadline sets the read deadline.
func (c *conn) deadline(t time.Time) {
	c.readBy = t
	_ = c.Conn.SetReadDeadline(t)
}

// answer lets the Handler answer a request. It reports whether the connection goes on.
func (c *conn) answer(r *http.Request) bool {
	if c.server.cfg.ConnState != nil {
		c.server.cfg.ConnState(c.Conn, http.StateActive)
	}
	c.served = true
	if c.unread = r.ContentLength; c.unread > 0 {
		r.Body = &body{conn: c}
	}
	ctx, cancel := context.WithCancel(c.ctx)
	r = r.WithContext(ctx)
	w := &response{conn: c, request: r, header: make(http.Header, 8), length: -1}
	c.begin(cancel)
	whole := c.handle(w, r)
	cancel()
	c.end()
	if b, ok := r.Body.(*body); ok {
		b.conn = nil // what still reads it reads nothing
	}
	if !whole {
		_ = c.Conn.Close()
		return false
	}
	goesOn := w.finish()
	w.conn = nil
	if !goesOn {
		c.hangUp()
		return false
	}
	c.rest()
	return true
}

// handle calls the Handler. It reports whether that came to its end.
func (c *conn) handle(w *response, r *http.Request) (whole bool) {
	defer func() {
		if whole {
			return
		}
		if reason := recover(); reason != nil && reason != http.ErrAbortHandler {
			c.server.cfg.ErrorLog.Printf("http: panic serving %s: %v\n%s", c.remote, reason, debug.Stack())
		}
	}()
	c.server.cfg.Handler.ServeHTTP(w, r)
	return true
}

// begin notes that a handler runs.
func (c *conn) begin(cancel func()) {
	c.mu.Lock()
	c.idle = false
	c.began, c.cancel, c.whole = c.server.tick.Load(), cancel, c.unread == 0
	c.mu.Unlock()
	c.server.stir()
}

// end notes that no handler runs, and ends the watch.
func (c *conn) end() {
	c.mu.Lock()
	c.began, c.cancel = -1, nil
	watched := c.watched
	c.watched = nil
	c.stopped = watched != nil
	c.mu.Unlock()
	if watched != nil {
		_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
		<-watched
		c.deadline(time.Time{})
	}
}

// rest notes that an answer was sent, and that the next request is waited for.
func (c *conn) rest() {
	c.mu.Lock()
	c.idle = len(c.buf) == 0
	c.mu.Unlock()
	if c.server.cfg.ConnState != nil {
		c.server.cfg.ConnState(c.Conn, http.StateIdle)
	}
}

// busy notes that a head has begun.
func (c *conn) busy() {
	c.mu.Lock()
	c.idle = false
	c.mu.Unlock()
}

// closeIdle closes a connection that waits for its next request.
func (c *conn) closeIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idle {
		_ = c.Conn.Close()
	}
}

// consider begins to watch the client of a request that runs for long. It reports whether to look again.
func (c *conn) consider(tick int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.began < 0 || c.watched != nil:
		return false
	case tick-c.began < 2 || !c.whole:
		return true
	}
	c.watched, c.stopped = make(chan struct{}), false
	_ = c.Conn.SetReadDeadline(time.Time{})
	go c.watch(c.watched, c.cancel)
	return false
}

// watch reads what comes while a handler runs, and ends its request where the client leaves.
func (c *conn) watch(ended chan<- struct{}, cancel func()) {
	defer close(ended)
	for len(c.buf) < cap(c.buf) {
		n, err := c.Conn.Read(c.buf[len(c.buf):cap(c.buf)])
		c.buf = c.buf[:len(c.buf)+n]
		if err == nil {
			continue
		}
		c.mu.Lock()
		stopped := c.stopped
		c.mu.Unlock()
		if !stopped {
			c.broken = true
			cancel()
		}
		return
	}
}

// hangUp closes the connection after an answer. What the client still sends is read away for a while.
func (c *conn) hangUp() {
	defer c.Conn.Close()
	if c.unread == 0 && len(c.buf) == 0 || closeWrite(c.Conn) != nil {
		return
	}
	c.deadline(time.Now().Add(linger))
	for range maxLeftover / bufferBytes {
		if _, err := c.Conn.Read(c.buf[:cap(c.buf)]); err != nil {
			return
		}
	}
}

// send writes to the client, within the deadline where it must wait.
func (c *conn) send(b []byte, by time.Time) error {
	if c.raw != nil {
		n, err := c.raw.TryWrite(b)
		if err == nil || !errors.Is(err, rawnet.ErrWouldBlock) {
			return err
		}
		b = b[n:]
	}
	_ = c.Conn.SetWriteDeadline(by)
	_, err := c.Conn.Write(b)
	_ = c.Conn.SetWriteDeadline(time.Time{})
	return err
}

// body is a request's body, read from the connection.
type body struct{ conn *conn } // nil: the request has ended

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	c := b.conn
	switch {
	case c == nil:
		return 0, http.ErrBodyReadAfterClose
	case c.unread == 0:
		return 0, io.EOF
	case c.broken:
		return 0, io.ErrUnexpectedEOF
	case len(p) == 0:
		return 0, nil
	}
	p = p[:min(int64(len(p)), c.unread)]
	var n int
	var err error
	if len(c.buf) > 0 {
		n = copy(p, c.buf)
		c.drop(n)
	} else if n, err = c.Conn.Read(p); err != nil {
		c.broken = true
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
	}
	if c.unread -= int64(n); c.unread == 0 {
		err = io.EOF
		c.mu.Lock()
		c.whole = true
		c.mu.Unlock()
	}
	return n, err
}

// Close implements io.Closer. What is left is read away after the handler.
func (b *body) Close() error { return nil }

// discard reads away what the handler left of the body, and reports whether that is all of it.
func (c *conn) discard() bool {
	if c.unread == 0 {
		return true
	}
	if c.broken || c.unread > maxLeftover {
		return false
	}
	c.deadline(time.Now().Add(c.server.cfg.HeadTimeout))
	_, err := io.Copy(io.Discard, struct{ io.Reader }{&body{c}})
	return err == nil
}
