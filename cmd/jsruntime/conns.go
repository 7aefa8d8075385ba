//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"example.com/jsruntime/engine/rawnet"
	"example.com/jsruntime/httpapi/bodies"
	"example.com/jsruntime/httpapi/problem"
)

// connLimit is a listener that holds at most max connections. A connection beyond that takes the place of another, which is ended: the
// connection that has been sending a request's head or body for longest, else the connection that has been idle for longest. So
// a crowd of slow clients makes room for others and not the other way round. Where all connections wait for an answer the new one is
// refused with a 503.
type connLimit struct {
	net.Listener
	max int

	closers chan struct{} // places for refusals that are being sent

	mu    sync.Mutex // guards conns
	conns map[*trackedConn]struct{}

	shed, refused atomic.Int64
}

// unsentBytes is up to how much of an answer the kernel holds that was not sent: who does not read takes no more of its memory.
const unsentBytes = 128 << 10

// limitConns wraps a listener. max is at least 1.
func limitConns(listener net.Listener, max int) *connLimit {
	if tcp, ok := listener.(*net.TCPListener); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			// Accepted connections inherit it. A kernel without it buffers more.
			_ = raw.Control(func(fd uintptr) {
				_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentBytes)
			})
		}
	}
	return &connLimit{Listener: listener, max: max, closers: make(chan struct{}, 64), conns: map[*trackedConn]struct{}{}}
}

// Accept implements net.Listener.
func (l *connLimit) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &trackedConn{Conn: rawnet.Wrap(conn), limit: l}
		c.since.Store(time.Now().UnixNano())
		if l.admit(c) {
			return c, nil
		}
		l.refused.Add(1)
		l.answer(conn, fmt.Sprintf("max_connections: the node has %d connections, as many as it may, and all of them wait for an answer.", l.max))
	}
}

// admit counts a connection, and ends another one where there are too many. It reports whether there is room.
func (l *connLimit) admit(c *trackedConn) bool {
	l.mu.Lock()
	var victim *trackedConn
	if len(l.conns) >= l.max {
		if victim = l.victim(); victim == nil {
			l.mu.Unlock()
			return false
		}
		delete(l.conns, victim)
	}
	l.conns[c] = struct{}{}
	l.mu.Unlock()
	if victim != nil {
		l.shed.Add(1)
		victim.end()
	}
	return true
}

// victim is the connection whose place another one gets; nil where all wait for an answer. The caller has the lock.
func (l *connLimit) victim() *trackedConn {
	var sending, idle *trackedConn
	older := func(a, b *trackedConn) bool { return b == nil || a.since.Load() < b.since.Load() }
	for c := range l.conns {
		switch {
		case c.state.Load() != connWaiting && c.state.Load() != connIdle || c.receiving.Load():
			if older(c, sending) {
				sending = c
			}
		case c.state.Load() == connIdle:
			if older(c, idle) {
				idle = c
			}
		}
	}
	if sending != nil {
		return sending
	}
	return idle
}

func (l *connLimit) remove(c *trackedConn) {
	l.mu.Lock()
	delete(l.conns, c)
	l.mu.Unlock()
}

// count is how many connections there are.
func (l *connLimit) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

// answer refuses a connection with a problem, and closes it.
func (l *connLimit) answer(conn net.Conn, detail string) {
	select {
	case l.closers <- struct{}{}:
	default: // too many are being told
		conn.Close()
		return
	}
	go func() {
		defer func() { <-l.closers }()
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Second))
		if _, err := conn.Write(problem.New(http.StatusServiceUnavailable, "max_connections", detail).RetryAfter(time.Second).Response()); err != nil {
			return
		}
		if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
			// What is still on its way is read away, or the client's kernel drops the answer with it.
			_, _ = io.CopyN(io.Discard, conn, 64<<10)
		}
	}()
}

// follow makes a server tell the listener what its connections do.
func (l *connLimit) follow(server *server) {
	server.ConnState = func(conn net.Conn, state http.ConnState) {
		if c := trackedOf(conn); c != nil {
			c.enter(state)
		}
	}
	server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		if c := trackedOf(conn); c != nil {
			return bodies.WithMeter(ctx, c)
		}
		return ctx
	}
}

func trackedOf(conn net.Conn) *trackedConn {
	for {
		if c, ok := conn.(*trackedConn); ok {
			return c
		}
		wrapped, ok := conn.(interface{ NetConn() net.Conn }) // package framing's, and TLS
		if !ok {
			return nil
		}
		conn = wrapped.NetConn()
	}
}

// States of a connection.
const (
	connHead    int32 = iota // it sends a request's first head
	connIdle                 // it was answered, and sends nothing or the next head
	connWaiting              // a handler has its request
)

// trackedConn is a connection of a connLimit.
type trackedConn struct {
	net.Conn
	limit *connLimit

	state     atomic.Int32
	since     atomic.Int64 // when it entered its state, or began to send a body: Unix nanoseconds
	receiving atomic.Bool  // a body is being read
	ended     atomic.Bool  // it makes room for another one
}

func (c *trackedConn) enter(state http.ConnState) {
	switch state {
	case http.StateIdle:
		c.state.Store(connIdle)
	case http.StateActive:
		c.state.Store(connWaiting)
	case http.StateHijacked, http.StateClosed:
		c.limit.remove(c)
		return
	default:
		return
	}
	c.since.Store(time.Now().UnixNano())
}

// end ends a connection that makes room for another one. One whose body is being read is still answered.
func (c *trackedConn) end() {
	c.ended.Store(true)
	if c.receiving.Load() {
		_ = c.Conn.SetReadDeadline(time.Now())
		return
	}
	c.Conn.Close()
}

// Receiving implements bodies.Meter.
func (c *trackedConn) Receiving(on bool) {
	if on {
		c.since.Store(time.Now().UnixNano())
	}
	c.receiving.Store(on)
}

// Shed implements bodies.Meter.
func (c *trackedConn) Shed() bool { return c.ended.Load() }

// Close implements net.Conn.
func (c *trackedConn) Close() error {
	c.limit.remove(c)
	return c.Conn.Close()
}

// NetConn is the connection below.
func (c *trackedConn) NetConn() net.Conn { return c.Conn }

// CloseWrite is for net/http, which ends a connection in two steps.
func (c *trackedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
