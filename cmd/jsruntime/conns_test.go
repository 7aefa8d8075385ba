//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/httpapi/bodies"
)

// bothWays runs a test with plain requests served before net/http, and without.
func bothWays(t *testing.T, test func(t *testing.T, lean bool)) {
	t.Parallel()
	for name, lean := range map[string]bool{"lean": true, "net/http": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, lean)
		})
	}
}

// httpArgs are a node's flags for one of the two.
func httpArgs(lean bool) []string { return []string{fmt.Sprintf("--lean-http=%t", lean)} }

// limited serves with a bound on connections. Paths: /t/body reads a body, /t/wait waits for the channel, others answer.
func limited(t *testing.T, connections int, lean bool) (l *connLimit, address string, wait chan struct{}) {
	t.Helper()
	bound, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l = limitConns(bound, connections)
	wait = make(chan struct{})
	server := newServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/t/body":
			body, err := (&bodies.Reader{}).Read(w, r, uuid.Nil, 1000)
			if err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
			body.Release()
		case "/t/wait":
			<-wait
		}
	}), slog.New(slog.DiscardHandler))
	l.follow(server)
	if lean {
		require.NoError(t, server.serveEndpoints(noOrigins(t)))
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close() })
	return l, bound.Addr().String(), wait
}

func dial(t *testing.T, address, head string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	_, err = io.WriteString(conn, head)
	require.NoError(t, err)
	return conn
}

func status(t *testing.T, conn net.Conn) (int, string) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

const get = "GET /t/ HTTP/1.1\r\nHost: h\r\n\r\n"

// TestSlowClientsMakeRoom: a client that holds a body open, or never ends a request's head, loses its place to the next client, and what
// waits for an answer keeps it.
func TestSlowClientsMakeRoom(t *testing.T) { bothWays(t, slowClientsMakeRoom) }

func slowClientsMakeRoom(t *testing.T, lean bool) {
	l, address, wait := limited(t, 3, lean)
	waiting := dial(t, address, "GET /t/wait HTTP/1.1\r\nHost: h\r\n\r\n")
	require.Eventually(t, func() bool { return l.states()[connWaiting] == 1 }, time.Minute, time.Millisecond)
	slow := dial(t, address, "POST /t/body HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nbegin")
	require.Eventually(t, func() bool { return l.receiving() == 1 }, time.Minute, time.Millisecond)
	head := dial(t, address, "GET /t/ HTTP/1.1\r\nHos")
	require.Eventually(t, func() bool { return l.count() == 3 }, time.Minute, time.Millisecond)

	first := dial(t, address, get)
	code, _ := status(t, first)
	require.Equal(t, 200, code)
	require.Eventually(t, func() bool { return l.states()[connIdle] == 1 }, time.Minute, time.Millisecond, "the first is idle before the second is")
	code, text := status(t, slow)
	require.Equal(t, 503, code)
	require.Contains(t, text, "max_connections", "the slow one is told")

	second := dial(t, address, get)
	code, _ = status(t, second)
	require.Equal(t, 200, code)
	_, err := head.Read(make([]byte, 1))
	require.Error(t, err, "a head that never ends has made room")
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Eventually(t, func() bool { return l.states()[connIdle] == 2 }, time.Minute, time.Millisecond)

	third := dial(t, address, get) // the connection that has been idle for longest is closed
	code, _ = status(t, third)
	require.Equal(t, 200, code)
	_, err = first.Read(make([]byte, 1))
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	close(wait)
	code, _ = status(t, waiting)
	require.Equal(t, 200, code)
	require.EqualValues(t, 3, l.shed.Load())
	require.Zero(t, l.refused.Load())
}

func TestNoClientIsCutOffForAnother(t *testing.T) { bothWays(t, noClientIsCutOffForAnother) }

func noClientIsCutOffForAnother(t *testing.T, lean bool) {
	l, address, wait := limited(t, 2, lean)
	waiting := []net.Conn{dial(t, address, "GET /t/wait HTTP/1.1\r\nHost: h\r\n\r\n"), dial(t, address, "GET /t/wait HTTP/1.1\r\nHost: h\r\n\r\n")}
	require.Eventually(t, func() bool { return l.states()[connWaiting] == 2 }, time.Minute, time.Millisecond)
	code, text := status(t, dial(t, address, get))
	require.Equal(t, 503, code)
	require.Contains(t, text, `"code":"max_connections"`)
	close(wait)
	for _, conn := range waiting {
		code, _ := status(t, conn)
		require.Equal(t, 200, code)
	}
	require.EqualValues(t, 1, l.refused.Load())
}

// states counts the connections by state, receiving: their body is being read.
func (l *connLimit) states() map[int32]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := map[int32]int{}
	for c := range l.conns {
		n[c.state.Load()]++
	}
	return n
}

func (l *connLimit) receiving() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		if c.receiving.Load() {
			n++
		}
	}
	return n
}

func TestMemoryIsPlanned(t *testing.T) {
	t.Parallel()
	const gib = 1 << 30
	for _, c := range []struct {
		name              string
		machine           int64
		embedded          bool
		goLimit, budget   int64
		wantHeap, wantMiB int64
	}{
		{name: "2 GiB, embedded", machine: 2 * gib, embedded: true, wantHeap: 768 << 20, wantMiB: 384},
		{name: "2 GiB", machine: 2 * gib, wantHeap: gib, wantMiB: 512},
		{name: "GOMEMLIMIT", machine: 64 * gib, goLimit: gib, wantHeap: gib, wantMiB: 512},
		{name: "a small budget", machine: 2 * gib, budget: 100, wantHeap: gib, wantMiB: 100},
		{name: "a large budget", machine: 2 * gib, budget: 700, wantHeap: 1400 << 20, wantMiB: 700},
		{name: "a budget beyond the machine", machine: 2 * gib, budget: 4096, wantHeap: 1536 << 20, wantMiB: 4096},
		{name: "unknown", wantHeap: gib, wantMiB: 512},
		{name: "tiny", machine: 32 << 20, wantHeap: 16 << 20, wantMiB: 16},
	} {
		p := planMemory(c.machine, c.embedded, c.goLimit, c.budget, 0)
		require.Equal(t, c.wantHeap, p.heap, c.name)
		require.Equal(t, c.wantMiB<<20, p.budget, c.name)
		require.Positive(t, p.conns, c.name)
	}
	require.Equal(t, 77, planMemory(gib, false, 0, 0, 77).conns)
}
