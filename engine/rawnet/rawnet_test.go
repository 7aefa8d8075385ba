//go:build unix

package rawnet_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/jsruntime/engine/rawnet"
)

// pair returns both ends of a connection as net.Conns of package net.
func pair(t testing.TB) (ours, theirs net.Conn) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	theirs, err = (&net.Dialer{}).DialContext(context.Background(), "tcp", listener.Addr().String())
	require.NoError(t, err)
	ours, err = listener.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return ours, theirs
}

func raw(t testing.TB, conn net.Conn) *rawnet.Conn {
	t.Helper()
	c, err := rawnet.New(conn.(syscall.Conn))
	require.NoError(t, err)
	return c
}

// file returns an end of a socketpair as the node has it of a worker's, and the other end.
func file(t *testing.T, nonblocking bool) (*os.File, int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	require.NoError(t, err)
	require.NoError(t, unix.SetNonblock(fds[0], nonblocking))
	f := os.NewFile(uintptr(fds[0]), "socket")
	t.Cleanup(func() { f.Close(); unix.Close(fds[1]) })
	return f, fds[1]
}

// A raw call that waits would hold its processor, and the garbage collector with it.
func TestOnlySocketsThatDoNotBlock(t *testing.T) {
	t.Parallel()
	blocking, _ := file(t, false)
	_, err := rawnet.New(blocking)
	require.ErrorContains(t, err, "blocks")
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	_, err = rawnet.New(r)
	require.ErrorContains(t, err, "no socket")
	good, _ := file(t, true)
	_, err = rawnet.New(good)
	require.NoError(t, err)
	require.NoError(t, good.Close())
	_, err = rawnet.New(good)
	require.Error(t, err)
}

func TestTryDoesNotWait(t *testing.T) {
	t.Parallel()
	ours, theirs := pair(t)
	c := raw(t, ours)
	b := make([]byte, 10)
	n, err := c.TryRead(b)
	require.ErrorIs(t, err, rawnet.ErrWouldBlock)
	require.Zero(t, n)
	n, err = c.TryRead(nil)
	require.NoError(t, err)
	require.Zero(t, n)

	// The kernel takes some of it, and says so.
	big := make([]byte, 64<<20)
	written, err := c.TryWrite(big)
	require.ErrorIs(t, err, rawnet.ErrWouldBlock)
	require.Positive(t, written)
	require.Less(t, written, len(big))
	got, err := io.ReadFull(theirs, make([]byte, written))
	require.NoError(t, err)
	require.Equal(t, written, got)
	require.NoError(t, theirs.Close())
	n, err = c.Read(b) // waits for the end
	require.Zero(t, n)
	require.ErrorIs(t, err, io.EOF)
}

// What is more than the socket takes at once arrives whole and in order, both ways at once.
func TestBothWays(t *testing.T) {
	t.Parallel()
	sent := make([]byte, 8<<20)
	_, _ = rand.Read(sent)
	for name, ends := range map[string]func() (io.ReadWriter, io.ReadWriter){
		"tcp": func() (io.ReadWriter, io.ReadWriter) {
			a, b := pair(t)
			return raw(t, a), rawnet.Wrap(b)
		},
		"worker's socket": func() (io.ReadWriter, io.ReadWriter) {
			f, other := file(t, true)
			require.NoError(t, unix.SetNonblock(other, true))
			fd, err := unix.Dup(other)
			require.NoError(t, err)
			g := os.NewFile(uintptr(fd), "other")
			t.Cleanup(func() { g.Close() })
			c, err := rawnet.New(f)
			require.NoError(t, err)
			return c, g
		},
	} {
		a, b := ends()
		var wg sync.WaitGroup
		for _, ways := range [][2]io.ReadWriter{{a, b}, {b, a}} {
			wg.Go(func() {
				n, err := ways[0].Write(sent)
				if err != nil || n != len(sent) {
					t.Errorf("%s: wrote %d: %v", name, n, err)
				}
			})
			wg.Go(func() {
				got := make([]byte, len(sent))
				if _, err := io.ReadFull(ways[1], got); err != nil || !bytes.Equal(got, sent) {
					t.Errorf("%s: read otherwise than written: %v", name, err)
				}
			})
		}
		wg.Wait()
	}
}

// Deadlines and Close are the runtime's, and end calls that wait.
func TestWaitingCallsEnd(t *testing.T) {
	t.Parallel()
	ours, _ := pair(t)
	conn := rawnet.Wrap(ours)
	require.NotNil(t, rawnet.Of(conn))
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Millisecond)))
	_, err := conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	var described *net.OpError // net/http and pgx look at it
	require.ErrorAs(t, err, &described)
	require.Equal(t, "read", described.Op)
	require.True(t, described.Timeout())
	require.NoError(t, conn.SetWriteDeadline(time.Now().Add(time.Millisecond)))
	for err = nil; err == nil; { // until the kernel takes no more
		_, err = conn.Write(make([]byte, 1<<20))
	}
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)

	require.NoError(t, conn.SetDeadline(time.Time{}))
	ended := make(chan error)
	for range 2 {
		go func() {
			_, err := conn.Read(make([]byte, 1))
			ended <- err
		}()
	}
	go func() {
		_, err := conn.Write(make([]byte, 64<<20))
		ended <- err
	}()
	require.NoError(t, conn.Close())
	for range 3 {
		require.ErrorIs(t, <-ended, net.ErrClosed)
	}
	_, err = rawnet.Of(conn).TryWrite([]byte("x"))
	require.ErrorIs(t, err, net.ErrClosed)
}

// A descriptor's number goes to the next connection at once. Calls of the one before never reach that.
func TestClosedDescriptorsAreNotUsed(t *testing.T) {
	t.Parallel()
	for range 200 {
		a, b := pair(t)
		c := rawnet.Wrap(a)
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				if _, err := c.Write([]byte("old")); err != nil {
					return
				}
			}
		})
		wg.Go(func() { _, _ = io.Copy(io.Discard, b) })
		c.Close()
		d, e := pair(t)
		wg.Go(func() {
			_, _ = d.Write([]byte("new"))
			d.Close()
		})
		got, err := io.ReadAll(e)
		require.NoError(t, err)
		require.Equal(t, "new", string(got))
		b.Close()
		wg.Wait()
	}
}

// A client that is gone is an error, and no signal to the process.
func TestPeerThatIsGone(t *testing.T) {
	t.Parallel()
	ours, theirs := pair(t)
	conn := rawnet.Wrap(ours)
	require.NoError(t, theirs.(*net.TCPConn).SetLinger(0))
	require.NoError(t, theirs.Close())
	var err error
	for err == nil {
		_, err = conn.Write(make([]byte, 1<<16))
	}
	require.True(t, errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET), "%v", err)
	f, other := file(t, true)
	c, err := rawnet.New(f)
	require.NoError(t, err)
	require.NoError(t, unix.Shutdown(other, unix.SHUT_RDWR))
	_, err = c.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	_, err = c.Write([]byte("x"))
	require.ErrorIs(t, err, syscall.EPIPE)
}

// What is no socket stays as it is, and what lies above one is seen through.
func TestWrap(t *testing.T) {
	t.Parallel()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	require.Equal(t, a, rawnet.Wrap(a))
	require.Nil(t, rawnet.Of(a))
	ours, _ := pair(t)
	conn := rawnet.Wrap(ours)
	require.Same(t, rawnet.Of(conn), rawnet.Of(above{conn}))
	_, ok := conn.(interface{ CloseWrite() error })
	require.True(t, ok)
}

type above struct{ net.Conn }

func (a above) NetConn() net.Conn { return a.Conn }

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return rawnet.Wrap(c), nil
}

// net/http and TLS on it are as ever.
func TestServer(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
		server.Listener = listener{server.Listener}
		if secure {
			server.StartTLS()
		} else {
			server.Start()
		}
		t.Cleanup(server.Close)
		sent := bytes.Repeat([]byte("0123456789"), 300_000)
		for range 3 {
			resp, err := server.Client().Post(server.URL, "", bytes.NewReader(sent))
			require.NoError(t, err)
			got, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			resp.Body.Close()
			require.True(t, bytes.Equal(sent, got))
		}
	}
}

// A call allocates nothing.
func TestCallsAllocateNothing(t *testing.T) {
	ours, theirs := pair(t)
	a, b := raw(t, ours), raw(t, theirs)
	buf := make([]byte, 100)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, _ = a.Write(buf)
		_, _ = b.Read(buf)
	}))
}

func BenchmarkRoundTrip(b *testing.B) {
	for name, wrap := range map[string]func(net.Conn) net.Conn{"net": func(c net.Conn) net.Conn { return c }, "raw": rawnet.Wrap} {
		b.Run(name, func(b *testing.B) {
			one, two := pair(b)
			x, y := wrap(one), wrap(two)
			go func() { _, _ = io.Copy(struct{ io.Writer }{y}, struct{ io.Reader }{y}) }()
			buf := make([]byte, 200)
			for b.Loop() {
				if _, err := x.Write(buf); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(x, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
