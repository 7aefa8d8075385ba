package framing

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// Listener wraps a listener of connections without TLS.
func (g *Guard) Listener(inner net.Listener) net.Listener { return &plainListener{inner, g} }

type plainListener struct {
	net.Listener
	guard *Guard
}

// Accept implements net.Listener.
func (l *plainListener) Accept() (net.Conn, error) {
	inner, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: inner, guard: l.guard}, nil
}

// handshakeTimeout bounds a TLS handshake.
const handshakeTimeout = 10 * time.Second

// TLSListener makes TLS of a listener's connections. Requests have their Request.TLS. Where the configuration offers h2, the server
// must be one that net/http has configured for it.
func (g *Guard) TLSListener(inner net.Listener, config *tls.Config) net.Listener {
	return &tlsListener{
		Listener: inner, guard: g, config: config,
		ready: make(chan net.Conn), failed: make(chan error), closed: make(chan struct{}),
	}
}

// tlsListener makes handshakes beside each other: only after one is it known whether the client speaks HTTP/2, and Accept must not wait
// for a slow client.
type tlsListener struct {
	net.Listener
	guard  *Guard
	config *tls.Config

	start, end sync.Once
	ready      chan net.Conn
	failed     chan error
	closed     chan struct{}
}

// Accept implements net.Listener.
func (l *tlsListener) Accept() (net.Conn, error) {
	l.start.Do(func() { go l.accept() })
	select {
	case c := <-l.ready:
		return c, nil
	case err := <-l.failed:
		return nil, err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *tlsListener) Close() error {
	l.end.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

func (l *tlsListener) accept() {
	for {
		inner, err := l.Listener.Accept()
		if err != nil { // net/http waits and asks again where the error is a temporary one
			select {
			case l.failed <- err:
				continue
			case <-l.closed:
				return
			}
		}
		go l.handshake(tls.Server(inner, l.config))
	}
}

func (l *tlsListener) handshake(inner *tls.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	if err := inner.HandshakeContext(ctx); err != nil {
		_ = inner.Close()
		return
	}
	var c net.Conn = inner
	if inner.ConnectionState().NegotiatedProtocol != "h2" {
		c = &tlsConn{conn{Conn: inner, guard: l.guard}, inner}
	}
	select {
	case l.ready <- c:
	case <-l.closed:
		_ = inner.Close()
	}
}

// tlsConn tells net/http about its TLS.
type tlsConn struct {
	conn
	tls *tls.Conn
}

// ConnectionState is for net/http, which sets Request.TLS by it.
func (c *tlsConn) ConnectionState() tls.ConnectionState { return c.tls.ConnectionState() }
