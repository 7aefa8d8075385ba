package http1

import (
	"cmp"
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"example.com/jsruntime/engine/rawnet"
	"example.com/jsruntime/httpapi/handover"
)

// Config configures a Server.
type Config struct {
	// Handler answers the requests. Required.
	Handler http.Handler
	// Takes reports whether a plain request is the Handler's to answer here; the others are handed over. Required.
	Takes func(*http.Request) bool
	// ConnContext changes the context of a connection's requests. nil: it stays as it is.
	ConnContext func(context.Context, net.Conn) context.Context
	// ConnState is told what a connection does: see http.Server. nil: there is no hook.
	ConnState func(net.Conn, http.ConnState)
	// HeadTimeout is how long a head may take. 0 means 5 s.
	HeadTimeout time.Duration
	// IdleTimeout is how long a connection may wait for its next request. 0 means 75 s.
	IdleTimeout time.Duration
	// ErrorLog gets the panics of handlers. nil means the log package's own.
	ErrorLog *log.Logger
}

// watchEvery is how often the Server looks for requests that run for long, while there are requests.
const watchEvery = 50 * time.Millisecond

// Server serves connections until they are handed over.
type Server struct {
	cfg     Config
	closing atomic.Bool // Shutdown or Close has begun

	// Of look.
	armed atomic.Bool
	tick  atomic.Int64
	timer *time.Timer

	mu    sync.Mutex // guards conns; taken before a conn's
	conns map[*conn]struct{}
}

// New returns a Server.
func New(cfg Config) (*Server, error) {
	switch {
	case cfg.Handler == nil:
		return nil, errors.New("Handler is required")
	case cfg.Takes == nil:
		return nil, errors.New("Takes is required")
	}
	cfg.HeadTimeout = cmp.Or(cfg.HeadTimeout, 5*time.Second)
	cfg.IdleTimeout = cmp.Or(cfg.IdleTimeout, 75*time.Second)
	cfg.ErrorLog = cmp.Or(cfg.ErrorLog, log.Default())
	s := &Server{cfg: cfg, conns: map[*conn]struct{}{}}
	s.timer = time.AfterFunc(time.Hour, s.look)
	s.timer.Stop()
	return s, nil
}

// Listener serves a listener's connections. Accept returns the connections that are handed over; it must be called, or nothing is
// served. ctx is that of the requests.
func (s *Server) Listener(ctx context.Context, inner net.Listener) net.Listener {
	return handover.New(inner, func(l *handover.Listener, inner net.Conn) {
		c := &conn{Conn: inner, raw: rawnet.Of(inner), parent: ctx, hand: l.Hand, server: s, remote: inner.RemoteAddr().String(), began: -1}
		if s.add(c) {
			go c.serve()
		} else {
			_ = inner.Close()
		}
	})
}

func (s *Server) add(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Load() {
		return false
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *Server) remove(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
}

// Shutdown closes idle connections and waits until the others have answered and are closed, or ctx ends. The listener is its caller's to
// close.
func (s *Server) Shutdown(ctx context.Context) error {
	s.closing.Store(true)
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		s.mu.Lock()
		left := len(s.conns)
		for c := range s.conns {
			c.closeIdle()
		}
		s.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// Close closes all connections.
func (s *Server) Close() error {
	s.closing.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Conn.Close()
	}
	return nil
}

// stir sees to it that look is called before long.
func (s *Server) stir() {
	if !s.armed.Load() && s.armed.CompareAndSwap(false, true) {
		s.timer.Reset(watchEvery)
	}
}

// look begins to watch the clients of requests that have run for a whole watchEvery.
func (s *Server) look() {
	s.armed.Store(false)
	tick := s.tick.Add(1)
	more := false
	s.mu.Lock()
	for c := range s.conns {
		more = c.consider(tick) || more
	}
	s.mu.Unlock()
	if more {
		s.stir()
	}
}
