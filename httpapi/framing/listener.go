package framing

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"example.com/jsruntime/httpapi/handover"
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
	return handover.New(inner, func(l *handover.Listener, inner net.Conn) { go g.handshake(l, tls.Server(inner, config)) })
}

// handshake makes one handshake beside others: only after it is known whether the client speaks HTTP/2.
func (g *Guard) handshake(l *handover.Listener, inner *tls.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	if err := inner.HandshakeContext(ctx); err != nil {
		_ = inner.Close()
		return
	}
	var c net.Conn = inner
	if inner.ConnectionState().NegotiatedProtocol != "h2" {
		c = &tlsConn{conn{Conn: inner, guard: g}, inner}
	}
	l.Hand(c)
}

// tlsConn tells net/http about its TLS.
type tlsConn struct {
	conn
	tls *tls.Conn
}

// ConnectionState is for net/http, which sets Request.TLS by it.
func (c *tlsConn) ConnectionState() tls.ConnectionState { return c.tls.ConnectionState() }
