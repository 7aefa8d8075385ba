// Package handover has a listener whose connections are worked on beside each other before Accept returns them: net/http calls Accept in
// one loop, which must not wait for a slow client.
package handover

import (
	"net"
	"sync"
)

// Listener accepts connections of another listener, from the first Accept on, and returns the connections that Hand is given.
type Listener struct {
	net.Listener
	begin func(net.Conn)

	start, end sync.Once
	handed     chan net.Conn
	failed     chan error
	closed     chan struct{}
}

// New returns a Listener that calls begin with each connection. begin must not block: it starts a goroutine, or closes the connection.
func New(inner net.Listener, begin func(l *Listener, c net.Conn)) *Listener {
	l := &Listener{Listener: inner, handed: make(chan net.Conn), failed: make(chan error), closed: make(chan struct{})}
	l.begin = func(c net.Conn) { begin(l, c) }
	return l
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	l.start.Do(func() { go l.accept() })
	select {
	case c := <-l.handed:
		return c, nil
	case err := <-l.failed:
		return nil, err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *Listener) Close() error {
	l.end.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// Hand gives a connection to the caller of Accept, and closes it where the Listener is closed.
func (l *Listener) Hand(c net.Conn) {
	select {
	case l.handed <- c:
	case <-l.closed:
		_ = c.Close()
	}
}

func (l *Listener) accept() {
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
		l.begin(inner)
	}
}
