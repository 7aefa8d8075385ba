package faults

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// relay stands between a client and a server on TCP, and fails as networks do.
type relay struct {
	listener net.Listener
	pick     func() string // the server's address for a new connection; empty refuses it

	mu      sync.Mutex
	conns   map[net.Conn]net.Conn // client's to server's side
	stalled chan struct{}         // closed when data may flow
	line    *badLine              // nil: a good one
}

// badLine is what a bad line does to every piece of data: it comes late, in parts, sometimes much too late, and sometimes the
// connection breaks instead. Lost packets look like this to a program that uses TCP.
type badLine struct {
	delay, jitter time.Duration // of every piece
	stall         float64       // chance of a pause of one to three seconds
	reset         float64       // chance that the connection is reset in the middle of a piece

	pieces, cut, stalls, resets atomic.Int64 // what it did
}

// carry writes a piece to the other side as the line does. It returns false where the connection is no more.
func (l *badLine) carry(to net.Conn, piece []byte) bool {
	l.pieces.Add(1)
	time.Sleep(l.delay + rand.N(l.jitter+1))
	if rand.Float64() < l.stall {
		l.stalls.Add(1)
		time.Sleep(time.Second + rand.N(2*time.Second))
	}
	if rand.Float64() < l.reset {
		l.resets.Add(1)
		_, _ = to.Write(piece[:rand.IntN(len(piece))])
		return false
	}
	for len(piece) > 0 {
		n := len(piece)
		if rand.IntN(3) == 0 {
			l.cut.Add(1)
			n = 1 + rand.IntN(n)
		}
		if _, err := to.Write(piece[:n]); err != nil {
			return false
		}
		if piece = piece[n:]; len(piece) > 0 {
			time.Sleep(rand.N(l.jitter + 1))
		}
	}
	return true
}

// setLine makes the line bad; nil makes it good.
func (r *relay) setLine(l *badLine) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.line = l
}

func newRelay(t *testing.T, pick func() string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	flowing := make(chan struct{})
	close(flowing)
	r := &relay{listener: l, pick: pick, conns: map[net.Conn]net.Conn{}, stalled: flowing}
	go r.accept()
	t.Cleanup(func() {
		l.Close()
		r.flow()
		r.cut()
	})
	return r
}

func (r *relay) addr() string { return r.listener.Addr().String() }
func (r *relay) port() int    { return r.listener.Addr().(*net.TCPAddr).Port }

func (r *relay) accept() {
	for {
		client, err := r.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			go r.serve(client)
		}
	}
}

func (r *relay) serve(client net.Conn) {
	to := r.pick()
	if to == "" {
		reset(client)
		return
	}
	server, err := net.DialTimeout("tcp", to, 5*time.Second)
	if err != nil {
		reset(client)
		return
	}
	r.mu.Lock()
	r.conns[client] = server
	r.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() { r.pump(server, client) })
	wg.Go(func() { r.pump(client, server) })
	wg.Wait()
	client.Close()
	server.Close()
	r.mu.Lock()
	delete(r.conns, client)
	r.mu.Unlock()
}

// pump copies one way. While the relay is stalled, what was read waits and nothing more is read: the sender's window fills up,
// and neither side is told.
func (r *relay) pump(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		r.mu.Lock()
		stalled, line := r.stalled, r.line
		r.mu.Unlock()
		<-stalled
		if n > 0 && line != nil {
			if !line.carry(to, buf[:n]) {
				reset(to)
				reset(from)
				return
			}
		} else if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				if c, ok := to.(*net.TCPConn); ok {
					_ = c.CloseWrite()
				}
			} else {
				to.Close()
			}
			return
		}
	}
}

func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	c.Close()
}

// stall lets no byte through any more, and no connection end.
func (r *relay) stall() {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.stalled:
		r.stalled = make(chan struct{})
	default:
	}
}

// flow ends stall.
func (r *relay) flow() {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.stalled:
	default:
		close(r.stalled)
	}
}

// cut resets every connection. It returns how many there were.
func (r *relay) cut() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.conns)
	for client, server := range r.conns {
		reset(client)
		reset(server)
	}
	return n
}
