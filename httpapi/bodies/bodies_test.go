package bodies_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/httpapi/bodies"
)

type result struct {
	bytes []byte
	held  int64
	err   error
}

// serve answers each request by reading its body, and tells what came of it.
func serve(t *testing.T, reader *bodies.Reader, limit int64, meter bodies.Meter) (address string, results chan result) {
	t.Helper()
	results = make(chan result, 10)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := reader.Read(w, r, uuid.Nil, limit)
		if err != nil {
			results <- result{err: err}
			return
		}
		results <- result{bytes: bytes.Clone(body.Bytes), held: body.Held()}
		body.Release()
	}))
	if meter != nil {
		server.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context { return bodies.WithMeter(ctx, meter) }
	}
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), results
}

func send(t *testing.T, address, head string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: h\r\n"+head)
	require.NoError(t, err)
	return conn
}

func newBudget(t *testing.T, limit int64) *admission.Budget {
	t.Helper()
	b, err := admission.NewBudget(limit)
	require.NoError(t, err)
	return b
}

func TestBodiesComeWhole(t *testing.T) {
	t.Parallel()
	budget := newBudget(t, 64<<20)
	address, results := serve(t, &bodies.Reader{Budget: budget}, 1<<20, nil)
	for _, size := range []int{0, 1, 8 << 10, 8<<10 + 1, 100_000, 1 << 20} {
		want := bytes.Repeat([]byte("x"), size)
		for _, chunked := range []bool{false, true} {
			var body io.Reader = bytes.NewReader(want)
			if chunked {
				body = struct{ io.Reader }{body}
			}
			resp, err := http.Post("http://"+address, "text/plain", body)
			require.NoError(t, err)
			resp.Body.Close()
			got := <-results
			require.NoError(t, got.err)
			require.Len(t, got.bytes, size)
			require.GreaterOrEqual(t, got.held, int64(size))
			require.LessOrEqual(t, got.held, int64(max(2*size, 8<<10)))
		}
	}
	require.Zero(t, budget.Stats().Used)
}

func TestBodiesBeyondTheirLimit(t *testing.T) {
	t.Parallel()
	address, results := serve(t, &bodies.Reader{}, 1000, nil)
	for _, body := range []io.Reader{strings.NewReader(strings.Repeat("x", 1001)), struct{ io.Reader }{strings.NewReader(strings.Repeat("x", 1001))}} {
		resp, err := http.Post("http://"+address, "text/plain", body)
		require.NoError(t, err)
		resp.Body.Close()
		var large *bodies.TooLargeError
		require.ErrorAs(t, (<-results).err, &large)
		require.EqualValues(t, 1000, large.Limit)
	}
}

// TestBodyTakesWhatHasArrived: who claims a megabyte and sends little holds little.
func TestBodyTakesWhatHasArrived(t *testing.T) {
	t.Parallel()
	budget := newBudget(t, 64<<20)
	address, results := serve(t, &bodies.Reader{Budget: budget}, 1<<20, nil)
	conn := send(t, address, fmt.Sprintf("Content-Length: %d\r\n\r\n", 1<<20))
	_, err := conn.Write(make([]byte, 100))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return budget.Stats().Used > 0 }, time.Minute, time.Millisecond)
	require.LessOrEqual(t, budget.Stats().Used, int64(8<<10))
	_, err = conn.Write(make([]byte, 20_000))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return budget.Stats().Used > 16<<10 }, time.Minute, time.Millisecond)
	require.LessOrEqual(t, budget.Stats().Used, int64(64<<10))
	conn.Close()
	require.ErrorIs(t, (<-results).err, bodies.ErrBroken)
	require.Zero(t, budget.Stats().Used)
}

// TestBodyIsRefusedOnItsWay: the budget is asked at each step, not at the end.
func TestBodyIsRefusedOnItsWay(t *testing.T) {
	t.Parallel()
	budget := newBudget(t, 256<<10)
	address, results := serve(t, &bodies.Reader{Budget: budget}, 1<<20, nil)
	conn := send(t, address, fmt.Sprintf("Content-Length: %d\r\n\r\n", 1<<20))
	go func() { _, _ = conn.Write(make([]byte, 1<<20-1)) }() // never complete
	var over *admission.OverBudgetError
	require.ErrorAs(t, (<-results).err, &over)
	require.Equal(t, admission.ScopeTenant, over.Scope)
	require.Zero(t, budget.Stats().Used)
}

func TestSlowBodiesAreGivenUp(t *testing.T) {
	t.Parallel()
	for name, reader := range map[string]*bodies.Reader{
		"pauses":         {Grace: 50 * time.Millisecond},
		"trickles":       {Grace: 200 * time.Millisecond, MinRate: 1 << 20},
		"takes too long": {Timeout: 200 * time.Millisecond, MinRate: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reader.Budget = newBudget(t, 1<<20)
			address, results := serve(t, reader, 1<<20, nil)
			conn := send(t, address, "Content-Length: 1000000\r\n\r\nbegin")
			stop := make(chan struct{})
			defer close(stop)
			if name != "pauses" {
				go func() {
					tick := time.NewTicker(5 * time.Millisecond)
					defer tick.Stop()
					for {
						select {
						case <-stop:
							return
						case <-tick.C:
							if _, err := conn.Write([]byte("x")); err != nil {
								return
							}
						}
					}
				}()
			}
			var slow *bodies.SlowError
			require.ErrorAs(t, (<-results).err, &slow)
			require.Zero(t, reader.Budget.Stats().Used)
		})
	}
}

// TestNoDeadlineStays: after a body was read the connection may be silent for longer than the body's time.
func TestNoDeadlineStays(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	reader := &bodies.Reader{Timeout: 50 * time.Millisecond, Grace: 50 * time.Millisecond}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := reader.Read(w, r, uuid.Nil, 100)
		if err == nil {
			body.Release()
			select {
			case <-r.Context().Done():
				err = errors.New("the request was cancelled")
			case <-time.After(300 * time.Millisecond):
			}
		}
		ended <- err
	}))
	defer server.Close()
	resp, err := http.Post(server.URL, "text/plain", strings.NewReader("hello"))
	require.NoError(t, err)
	resp.Body.Close()
	require.NoError(t, <-ended)
}

type meter struct {
	receiving atomic.Int32
	shed      atomic.Bool
}

func (m *meter) Receiving(on bool) {
	if on {
		m.receiving.Add(1)
	} else {
		m.receiving.Add(-1)
	}
}
func (m *meter) Shed() bool { return m.shed.Load() }

func TestListenerEndsABody(t *testing.T) {
	t.Parallel()
	m := &meter{}
	address, results := serve(t, &bodies.Reader{}, 1000, m)
	conn := send(t, address, "Content-Length: 10\r\n\r\nabc")
	require.Eventually(t, func() bool { return m.receiving.Load() == 1 }, time.Minute, time.Millisecond)
	m.shed.Store(true)
	_, err := conn.Write([]byte("d"))
	require.NoError(t, err)
	require.ErrorIs(t, (<-results).err, bodies.ErrShed)
	require.Zero(t, m.receiving.Load())
	_, err = bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
}
