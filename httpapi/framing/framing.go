// Package framing judges the head of each HTTP/1 request before net/http reads it.
//
//	connection ──► Guard.Listener's conn ──► net/http ──► Guard.Handler ──► next
//	                 one head at a time          │            refuses what the conn found, in its turn
//	                 judged strictly             └ parses what cannot be read in two ways
//
// net/http takes heads that other servers and proxies read otherwise: a Content-Length beside Transfer-Encoding, several lengths, lines
// that end with a bare LF, folded lines. A head that two readers understand differently can smuggle a request. net/http also
// answers by itself, in plain text, what it does not understand; among that are paths that browsers send (/100%).
//
// # Rules
//
//   - A conn hands a head on when it is whole and judged, and never more than that head and its body: the next head is judged in its
//     turn. How long a body is follows from the one Content-Length that the head may have, read as digits.
//   - The end of a chunked body is net/http's to find, and only once: its connection is closed after the answer.
//   - A head has at most maxFields lines: net/http keeps each field in a map, and makes a megabyte of 32 KiB of short ones.
//   - A head that is refused reaches the Handler as a request that says so, behind the answers to earlier ones. Its connection is closed.
//   - How a conn tells the Handler is a header whose name holds 128 random bits, so that no client can.
//   - A target that WHATWG's URL parser takes and net/url does not (a bare %) is mended for net/url; the Handler puts the original
//     into Request.RequestURI.
//
// TLS connections whose client chose HTTP/2 pass as they are: HTTP/2 frames its messages itself. So do connections without TLS that begin
// with HTTP/2's preface, where Config.H2C says so.
package framing

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"sync"
	"time"
)

// Config configures a Guard.
type Config struct {
	// MaxHead bounds a request's head in bytes. 0 means 32 KiB.
	MaxHead int
	// HeadTimeout is how long a head may take from its first byte to its last on a connection that was idle. 0 means 5 s.
	HeadTimeout time.Duration
	// H2C lets connections without TLS pass as they are whose first bytes are HTTP/2's preface: the server serves unencrypted HTTP/2. False
	// has the preface refused as a head of a wrong version.
	H2C bool
	// Refuse answers a request whose head was refused. The connection is closed after it. Required.
	Refuse func(w http.ResponseWriter, r *http.Request, refusal Refusal)
}

// Refusal says why a head was refused.
type Refusal struct {
	Status int
	Code   string // of the problem
	Detail string
}

// refusals are all there are. Their place is what the conn tells the Handler.
var refusals = [...]Refusal{
	{http.StatusBadRequest, "bad_request", "The request's first line is not METHOD TARGET HTTP/1.1."},
	{http.StatusBadRequest, "bad_request", "A line of the request's head does not end with CR LF, or has a character that no line may have."},
	{http.StatusBadRequest, "bad_request", "A line of the request's head is not NAME: VALUE."},
	{http.StatusBadRequest, "bad_request", "The request's target is neither a path nor a URL of the host that the Host header names."},
	{http.StatusBadRequest, "bad_request", "The request has no Host header, or more than one."},
	{http.StatusBadRequest, "bad_request", "Content-Length is not one number."},
	{http.StatusBadRequest, "bad_request", "Content-Length and Transfer-Encoding exclude each other."},
	{http.StatusNotImplemented, "not_implemented", "The only Transfer-Encoding that is understood is chunked, once, in HTTP/1.1."},
	{http.StatusExpectationFailed, "expectation_failed", "The only expectation that is understood is 100-continue."},
	{http.StatusRequestHeaderFieldsTooLarge, "headers_too_large", "The request's head is over 32768 bytes."},
	{http.StatusRequestHeaderFieldsTooLarge, "headers_too_large", "The request's head has more than 256 lines."},
	{http.StatusHTTPVersionNotSupported, "http_version_not_supported", "The HTTP version is neither 1.0 nor 1.1."},
}

const (
	badLine = iota + 1
	badBytes
	badField
	badTarget
	badHost
	badLength
	lengthAndCoding
	badCoding
	badExpect
	tooLarge
	tooManyFields
	badVersion
)

// Guard makes the listeners and the handler that belong together.
type Guard struct {
	cfg    Config
	header string // canonical
}

// New returns a Guard.
func New(cfg Config) (*Guard, error) {
	if cfg.Refuse == nil {
		return nil, errors.New("Refuse is required")
	}
	cfg.MaxHead = cmp.Or(cfg.MaxHead, 32<<10)
	cfg.HeadTimeout = cmp.Or(cfg.HeadTimeout, 5*time.Second)
	var secret [16]byte
	_, _ = rand.Read(secret[:]) // never fails: crypto/rand aborts the process instead
	return &Guard{cfg: cfg, header: textproto.CanonicalMIMEHeaderKey("x-framing-" + hex.EncodeToString(secret[:]))}, nil
}

// Handler answers what conns of the Guard refused, and passes on the rest with the target that the client sent.
func (g *Guard) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if told := r.Header[g.header]; told != nil {
			delete(r.Header, g.header)
			if kind := told[0]; kind[0] != '/' {
				w.Header()["Connection"] = []string{"close"}
				g.cfg.Refuse(w, r, refusals[kind[0]-'a'])
				return
			}
			r.RequestURI = told[0]
		}
		if len(r.TransferEncoding) > 0 {
			w.Header()["Connection"] = []string{"close"}
		}
		next.ServeHTTP(w, r)
	})
}

// conn hands on one judged head at a time. Read is called from one goroutine at a time, SetReadDeadline and Close from any.
type conn struct {
	net.Conn
	guard *Guard

	// Of Read.
	buf     []byte // what was read and is not handed on
	scanned int    // bytes of buf in which no head ends
	judged  int    // bytes of buf that may be handed on
	body    int64  // bytes after judged that belong to the body
	raw     bool   // everything passes: a chunked body, after which the connection is closed, or HTTP/2
	opened  bool   // its first bytes were looked at for HTTP/2's preface
	dead    bool   // nothing passes any more

	mu       sync.Mutex
	deadline time.Time // as net/http set it
	partial  time.Time // by when the head that has begun must be whole; zero: none has begun
	refused  bool
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if c.guard.cfg.H2C && !c.opened {
		if err := c.open(); err != nil {
			return 0, err
		}
	}
	return c.read(p)
}

// read is Read once it is known whether the connection is HTTP/2's.
func (c *conn) read(p []byte) (int, error) {
	for {
		switch {
		case c.judged > 0:
			n := copy(p, c.buf[:c.judged])
			c.judged -= n
			c.drop(n)
			return n, nil
		case c.dead:
			// What is left of the refused request is read away, so that closing does not reset the connection before its answer is read.
			if _, err := c.Conn.Read(p); err != nil {
				return 0, err
			}
			continue
		case c.raw || c.body > 0:
			if len(c.buf) > 0 {
				n := len(c.buf)
				if !c.raw {
					n = int(min(int64(n), c.body))
				}
				n = copy(p, c.buf[:n])
				c.drop(n)
				c.spend(n)
				return n, nil
			}
			if !c.raw && int64(len(p)) > c.body {
				p = p[:c.body]
			}
			n, err := c.Conn.Read(p)
			c.spend(n)
			return n, err
		}
		// A head is next.
		if len(c.buf) == 0 && len(p) >= 1<<10 {
			n, err := c.Conn.Read(p)
			if n == 0 {
				return 0, err
			}
			if n = c.direct(p[:n]); n > 0 {
				return n, nil
			}
			continue
		}
		if bytes.HasPrefix(c.buf, []byte("\r\n")) { // RFC 9112, 2.2: from clients that send too much after a body
			c.drop(2)
			continue
		}
		if end := headEnd(c.buf, c.scanned); end > 0 {
			c.judge(end)
			continue
		}
		c.scanned = len(c.buf)
		if len(c.buf) > c.guard.cfg.MaxHead {
			c.refuse(tooLarge)
			continue
		}
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
}

// preface is what a client of HTTP/2 sends first.
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// open looks whether the connection begins with HTTP/2's preface.
func (c *conn) open() error {
	for len(c.buf) < len(preface) && (len(c.buf) == 0 || strings.HasPrefix(preface, string(c.buf))) {
		if err := c.fill(); err != nil {
			return err
		}
	}
	c.opened = true
	if bytes.HasPrefix(c.buf, []byte(preface)) {
		c.ended()
		c.raw = true
	}
	return nil
}

// direct is the usual case: b, which was read into the caller's own room, begins with a whole head that passes as it is. It returns how
// many bytes are the caller's. Otherwise it returns 0, and all is in buf.
func (c *conn) direct(b []byte) int {
	if end := headEnd(b, 0); end > 0 && end <= c.guard.cfg.MaxHead {
		if h, bad := parse(b[:end]); bad == 0 && !h.rewritten() {
			n := len(b)
			if !h.chunked {
				n = end + int(min(int64(n-end), h.length))
			}
			c.raw, c.body = h.chunked, h.length-int64(n-end)
			c.buf = append(c.buf, b[n:]...)
			return n
		}
	}
	c.buf = append(c.buf, b...)
	return 0
}

func (c *conn) spend(n int) {
	if !c.raw {
		c.body -= int64(n)
	}
}

// drop takes the first n bytes out of buf.
func (c *conn) drop(n int) {
	c.scanned = 0
	if c.buf = c.buf[n:]; len(c.buf) == 0 {
		c.buf = nil
	}
}

// fill reads what there is.
func (c *conn) fill() error {
	if len(c.buf) > 0 {
		c.begun()
	}
	buffer := buffers.Get().(*[4096]byte)
	defer buffers.Put(buffer)
	n, err := c.Conn.Read(buffer[:])
	if n > 0 {
		c.buf = append(c.buf, buffer[:n]...)
		return nil
	}
	return err
}

var buffers = sync.Pool{New: func() any { return new([4096]byte) }}

// begun notes that a head has begun: from now on it has HeadTimeout. Without a deadline of net/http's a handler runs, and the head is
// that of the next request, whose time has not come.
func (c *conn) begun() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.partial.IsZero() && !c.deadline.IsZero() {
		c.partial = time.Now().Add(c.guard.cfg.HeadTimeout)
		_ = c.Conn.SetReadDeadline(c.earlier(c.deadline))
	}
}

// ended notes that the head is whole.
func (c *conn) ended() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.partial.IsZero() {
		c.partial = time.Time{}
		_ = c.Conn.SetReadDeadline(c.deadline)
	}
}

func (c *conn) earlier(t time.Time) time.Time {
	if !c.partial.IsZero() && c.partial.Before(t) {
		return c.partial
	}
	return t
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	if !t.IsZero() {
		t = c.earlier(t)
	}
	return c.Conn.SetReadDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	if err := c.Conn.SetWriteDeadline(t); err != nil {
		return err
	}
	return c.SetReadDeadline(t)
}

// CloseWrite is for net/http, which ends its own side first where it has not read the whole request.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// NetConn is the connection below, as a tls.Conn has it.
func (c *conn) NetConn() net.Conn { return c.Conn }

// linger is how long what a refused client still sends is read away before its connection is closed.
const linger = 500 * time.Millisecond

// Close implements net.Conn.
func (c *conn) Close() error {
	c.mu.Lock()
	refused := c.refused
	c.refused = false
	c.mu.Unlock()
	if refused && c.CloseWrite() == nil {
		go func() {
			defer c.Conn.Close()
			_ = c.Conn.SetReadDeadline(time.Now().Add(linger))
			scratch := make([]byte, 1<<10)
			for range 256 {
				if _, err := c.Conn.Read(scratch); err != nil {
					return
				}
			}
		}()
		return nil
	}
	return c.Conn.Close()
}

// judge looks at the head that ends at end.
func (c *conn) judge(end int) {
	c.ended()
	if end > c.guard.cfg.MaxHead {
		c.refuse(tooLarge)
		return
	}
	h, bad := parse(c.buf[:end])
	if bad != 0 {
		c.refuse(bad)
		return
	}
	if !h.rewritten() {
		c.judged, c.body, c.raw = end, h.length, h.chunked
		return
	}
	head := make([]byte, 0, end+64+3*len(h.target))
	head = append(append(append(head, h.method...), ' '), mend(h.path)...)
	head = append(append(append(head, ' '), h.version...), "\r\n"...)
	head = append(append(append(head, c.guard.header...), ": "...), h.path...)
	head = append(append(head, "\r\n"...), h.fields...)
	if len(head) > c.guard.cfg.MaxHead {
		c.refuse(tooLarge)
		return
	}
	c.judged, c.body, c.raw = len(head), h.length, h.chunked
	c.buf = append(head, c.buf[end:]...)
}

// refuse puts a request in the place of the head, which tells the Handler why.
func (c *conn) refuse(why int) {
	c.ended()
	c.mu.Lock()
	c.refused = true
	c.mu.Unlock()
	c.dead = true
	c.buf = []byte("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + c.guard.header + ": " + string(rune('a'+why-1)) + "\r\n\r\n")
	c.judged = len(c.buf)
}

// headEnd returns where the first head of b ends, 0 where it does not. None ends within the first scanned bytes. A bare LF ends a line
// here too: that it may not is judged after.
func headEnd(b []byte, scanned int) int {
	for i := max(scanned-2, 0); ; {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return 0
		}
		i += n + 1
		switch {
		case i < len(b) && b[i] == '\n':
			return i + 1
		case i+1 < len(b) && b[i] == '\r' && b[i+1] == '\n':
			return i + 2
		}
	}
}
