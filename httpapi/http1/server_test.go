package http1_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"example.com/jsruntime/engine/rawnet"
	"example.com/jsruntime/httpapi/framing"
	"example.com/jsruntime/httpapi/http1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stack is the node's order of listeners: connections, http1, framing, net/http.
type stack struct {
	address string
	ours    *http1.Server // nil: net/http alone
	theirs  *http.Server
	stop    context.CancelCauseFunc

	mu     sync.Mutex
	states []http.ConnState
}

// rawListener makes connections as the node does.
type rawListener struct{ net.Listener }

func (l rawListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return rawnet.Wrap(c), nil
}

func start(t *testing.T, lean bool, handler http.Handler, change func(*http1.Config)) *stack {
	t.Helper()
	guard, err := framing.New(framing.Config{Refuse: func(w http.ResponseWriter, _ *http.Request, refusal framing.Refusal) {
		w.WriteHeader(refusal.Status)
		_, _ = io.WriteString(w, refusal.Code)
	}})
	require.NoError(t, err)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &stack{address: listener.Addr().String()}
	ctx, stop := context.WithCancelCause(context.WithoutCancel(t.Context()))
	s.stop = stop
	s.theirs = &http.Server{
		Handler: guard.Handler(handler), DisableGeneralOptionsHandler: true, ReadHeaderTimeout: time.Minute, MaxHeaderBytes: 32 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx }, ErrorLog: log.New(io.Discard, "", 0),
	}
	inner := net.Listener(rawListener{listener})
	if lean {
		cfg := http1.Config{
			Handler: s.theirs.Handler, Takes: func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/t/") },
			ErrorLog: s.theirs.ErrorLog, ConnState: func(_ net.Conn, state http.ConnState) {
				s.mu.Lock()
				s.states = append(s.states, state)
				s.mu.Unlock()
			},
		}
		if change != nil {
			change(&cfg)
		}
		s.ours, err = http1.New(cfg)
		require.NoError(t, err)
		inner = s.ours.Listener(ctx, inner)
	}
	served := make(chan error, 1)
	go func() { served <- s.theirs.Serve(guard.Listener(inner)) }()
	t.Cleanup(func() {
		stop(nil)
		_ = s.theirs.Close()
		if s.ours != nil {
			_ = s.ours.Close()
			require.NoError(t, s.ours.Shutdown(context.Background()))
		}
		<-served
	})
	return s
}

func (s *stack) dial(t *testing.T) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	return conn, bufio.NewReader(conn)
}

func send(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	_, err := io.WriteString(conn, text)
	require.NoError(t, err)
}

// receive reads one answer, to a request with that method.
func receive(t *testing.T, reader *bufio.Reader, method string) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(reader, &http.Request{Method: method})
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	resp.Body.Close()
	return resp, string(body)
}

// ended reports that the server closes the connection, and not because the test's time is over.
func ended(t *testing.T, reader *bufio.Reader) {
	t.Helper()
	rest, err := io.ReadAll(reader)
	require.Empty(t, string(rest))
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}

// answers says what a client that sends that gets, until the connection ends.
func (s *stack) answers(t *testing.T, sent string, methods ...string) (all []string) {
	t.Helper()
	conn, reader := s.dial(t)
	go func() {
		_, _ = io.WriteString(conn, sent)
		// Closed before its answer, a client is taken for one that has left: this one asks for the end instead.
		_, _ = io.WriteString(conn, "GET /t/last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	}()
	for {
		method := http.MethodGet
		if len(methods) > 0 {
			method, methods = methods[0], methods[1:]
		}
		resp, err := http.ReadResponse(reader, &http.Request{Method: method})
		if err != nil {
			require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the connection does not end")
			return all
		}
		body, err := io.ReadAll(resp.Body)
		if errors.Is(err, syscall.ECONNRESET) {
			err = nil // of what the server had not read when it closed; that the answer is whole shows in the body
		}
		resp.Header.Del("Date")
		all = append(all, fmt.Sprint(resp.StatusCode, resp.Header, resp.ContentLength, resp.TransferEncoding, resp.Close, string(body), err))
	}
}

// echo answers with what it sees of a request.
var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	w.Header()["Content-Type"] = []string{"text/plain"}
	fmt.Fprint(w, r.Method, r.RequestURI, r.URL, r.Host, r.Header, r.ContentLength, r.Close, r.Proto, string(body), err, r.RemoteAddr == "", r.TransferEncoding)
})

// Each answer is the one that package framing and net/http give without this package, to plain requests and to all others.
func TestCorpusIsAnsweredAlike(t *testing.T) {
	t.Parallel()
	with, without := start(t, true, echo, nil), start(t, false, echo, nil)
	for _, c := range http1.Corpus() {
		method, _, _ := strings.Cut(c, " ")
		want := without.answers(t, c, method)
		require.Equal(t, want, with.answers(t, c, method), "%q", c)
		require.Equal(t, want, with.answers(t, "POST /t/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\na"+c, "POST", method)[1:], "%q", c)
	}
}

// handlers are what handlers do with a ResponseWriter.
var handlers = map[string]func(w http.ResponseWriter, r *http.Request){
	"nothing":       func(http.ResponseWriter, *http.Request) {},
	"status":        func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) },
	"second status": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201); w.Header().Set("X-A", "late") },
	"no content": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		w.WriteHeader(204)
	},
	"not modified": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Etag", `"a"`); w.WriteHeader(304) },
	"body where none is": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(204)
		_, err := io.WriteString(w, "x")
		must(err != nil)
	},
	"reset content": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(205) },
	"odd status":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(599) },
	"small body":    func(w http.ResponseWriter, _ *http.Request) { typed(w); _, _ = io.WriteString(w, "small") },
	"small body in pieces": func(w http.ResponseWriter, _ *http.Request) {
		typed(w)
		_, _ = io.WriteString(w, "sm")
		_, _ = io.WriteString(w, "all")
	},
	"large body": func(w http.ResponseWriter, _ *http.Request) {
		typed(w)
		for range 100 {
			_, _ = io.WriteString(w, strings.Repeat("large", 1000))
		}
	},
	"with a length": func(w http.ResponseWriter, _ *http.Request) {
		typed(w)
		w.Header().Set("Content-Length", "500000")
		_, _ = io.WriteString(w, strings.Repeat("large", 100_000))
	},
	"more than the length": func(w http.ResponseWriter, _ *http.Request) {
		typed(w)
		w.Header().Set("Content-Length", "2")
		_, err := io.WriteString(w, "abc")
		must(errors.Is(err, http.ErrContentLength))
		_, _ = io.WriteString(w, "ab")
	},
	"streamed": func(w http.ResponseWriter, _ *http.Request) {
		typed(w)
		for range 3 {
			_, err := io.WriteString(w, "piece")
			must(err == nil && http.NewResponseController(w).Flush() == nil)
		}
	},
	"flushed before a body": func(w http.ResponseWriter, _ *http.Request) {
		typed(w)
		must(http.NewResponseController(w).Flush() == nil)
	},
	"header fields": func(w http.ResponseWriter, _ *http.Request) {
		typed(w)
		w.Header()["Set-Cookie"] = []string{"a=b", "c=d"}
		w.Header()["X-Split"] = []string{" a\r\nX-Smuggled: b\r\n "}
		w.Header()["X Bad"] = []string{"c"}
		w.Header()["X-Latin"] = []string{"caf\xe9"}
	},
	"close": func(w http.ResponseWriter, _ *http.Request) {
		typed(w)
		w.Header().Set("Connection", "close")
		_, _ = io.WriteString(w, "x")
	},
	"deadlines": func(w http.ResponseWriter, _ *http.Request) {
		must(http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Hour)) == nil)
	},
	"reads a body":    func(w http.ResponseWriter, r *http.Request) { echo(w, r) },
	"reads a part":    func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadFull(r.Body, make([]byte, 1)) },
	"closes the body": func(_ http.ResponseWriter, r *http.Request) { _ = r.Body.Close() },
}

func must(ok bool) {
	if !ok {
		panic("the writer answers otherwise than expected")
	}
}

func typed(w http.ResponseWriter) { w.Header()["Content-Type"] = []string{"text/plain"} }

// A handler's answer is the one that net/http makes of it.
func TestHandlersAreAnsweredAlike(t *testing.T) {
	t.Parallel()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Content-Type"] = nil
		if do := handlers[strings.ReplaceAll(strings.TrimPrefix(r.URL.Path, "/t/"), "_", " ")]; do != nil {
			do(w, r)
		}
	})
	with, without := start(t, true, handler, nil), start(t, false, handler, nil)
	for name := range handlers {
		for _, head := range []string{"GET %s", "HEAD %s", "POST %s", "POST %s+"} {
			method, _, _ := strings.Cut(head, " ")
			sent := strings.TrimSuffix(fmt.Sprintf(head, "/t/"+strings.ReplaceAll(name, " ", "_")), "+") + " HTTP/1.1\r\nHost: h\r\n"
			if strings.HasSuffix(head, "+") {
				sent += "Content-Length: 5\r\n\r\nhello"
			} else {
				sent += "\r\n"
			}
			require.Equal(t, without.answers(t, sent, method), with.answers(t, sent, method), "%s: %s", name, head)
		}
	}
}

// Requests whose handler is net/http's, and everything after them, arrive there with the bytes that were read.
func TestHandedOver(t *testing.T) {
	t.Parallel()
	s := start(t, true, echo, nil)
	conn, reader := s.dial(t)
	const head = " HTTP/1.1\r\nHost: h\r\n"
	send(t, conn, "GET /t/1"+head+"\r\nPOST /t/2"+head+"Content-Length: 1\r\n\r\naGET /api/3"+head+"\r\nPOST /t/4"+head+"Content-Length: 2\r\n\r\nb")
	send(t, conn, "cGET /t/5"+head+"\r\n")
	for i := range 5 {
		resp, body := receive(t, reader, "GET")
		require.Equal(t, 200, resp.StatusCode)
		require.Contains(t, body, fmt.Sprintf("/%d", i+1))
		if i == 3 {
			require.Contains(t, body, "bc")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Equal(t, []http.ConnState{http.StateActive, http.StateIdle, http.StateActive, http.StateIdle}, s.states, "two were not handed over")
}

// A client that leaves ends its request's context, whether or not bytes of its next request have come.
func TestClientThatLeaves(t *testing.T) {
	t.Parallel()
	for _, next := range []string{"", "GET /t/next HTTP/1.1\r\nHo", "GET /t/next HTTP/1.1\r\nHost: h\r\n\r\n"} {
		for _, first := range []string{"GET /t/a HTTP/1.1\r\nHost: h\r\n\r\n", "POST /t/a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\na"} {
			began, left := make(chan struct{}), make(chan error, 1)
			s := start(t, true, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.ReadAll(r.Body)
				close(began)
				<-r.Context().Done()
				left <- context.Cause(r.Context())
			}), nil)
			conn, _ := s.dial(t)
			send(t, conn, first+next)
			<-began
			require.NoError(t, conn.Close())
			require.ErrorIs(t, <-left, context.Canceled)
		}
	}
}

// What a client sends while its request runs for long is the next request, none of whose bytes is lost.
func TestNextRequestWhileOneRuns(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	s := start(t, true, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/t/long" {
			<-goOn
		}
		echo(w, r)
	}), nil)
	conn, reader := s.dial(t)
	send(t, conn, "GET /t/long HTTP/1.1\r\nHost: h\r\n\r\n")
	time.Sleep(200 * time.Millisecond) // so that the watch runs; what follows holds without it too
	send(t, conn, "POST /t/next HTTP/1.1\r\nHost: h\r\nContent-Length: 8000\r\n\r\n"+strings.Repeat("n", 4000))
	close(goOn)
	send(t, conn, strings.Repeat("n", 4000))
	_, body := receive(t, reader, "GET")
	require.Contains(t, body, "/t/long")
	_, body = receive(t, reader, "GET")
	require.Contains(t, body, strings.Repeat("n", 8000))
	send(t, conn, "GET /t/last HTTP/1.1\r\nHost: h\r\n\r\n")
	_, body = receive(t, reader, "GET")
	require.Contains(t, body, "/t/last")
}

// A head has its time from its first byte, and an idle connection ends.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	s := start(t, true, echo, func(cfg *http1.Config) { cfg.HeadTimeout = 50 * time.Millisecond })
	for _, begin := range []string{"", "GET /t/a HT", "GET /t/a HTTP/1.1\r\nHost: h\r\n"} {
		conn, reader := s.dial(t)
		send(t, conn, begin)
		ended(t, reader)
	}
	conn, reader := s.dial(t)
	send(t, conn, "GET /t/a HTTP/1.1\r\nHost: h\r\n\r\n")
	receive(t, reader, "GET")
	send(t, conn, "GET /t")
	ended(t, reader)
	// A body that its handler does not ask for, and that does not come.
	lazy := start(t, true, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), func(cfg *http1.Config) { cfg.HeadTimeout = 50 * time.Millisecond })
	conn, reader = lazy.dial(t)
	send(t, conn, "POST /t/a HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nx")
	resp, _ := receive(t, reader, "POST")
	require.True(t, resp.Close)
	ended(t, reader)
	conn, reader = lazy.dial(t)
	send(t, conn, "POST /t/a HTTP/1.1\r\nHost: h\r\nContent-Length: 10000000\r\n\r\nx")
	resp, _ = receive(t, reader, "POST")
	require.True(t, resp.Close)
	ended(t, reader)
}

// A handler's deadlines hold where a read or a write waits.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	failed := make(chan error, 1)
	s := start(t, true, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		if r.Method == http.MethodPost {
			must(control.SetReadDeadline(time.Now().Add(20*time.Millisecond)) == nil)
			_, err := io.ReadAll(r.Body)
			w.Header()["Connection"] = []string{"close"}
			failed <- err
			return
		}
		w.Header()["Content-Length"] = []string{"1000000000"}
		must(control.SetWriteDeadline(time.Now().Add(20*time.Millisecond)) == nil)
		_, err := w.Write(make([]byte, 100_000_000))
		failed <- err
	}), nil)
	conn, reader := s.dial(t)
	send(t, conn, "POST /t/a HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nx")
	require.ErrorIs(t, <-failed, os.ErrDeadlineExceeded)
	receive(t, reader, "POST")
	ended(t, reader)
	conn, _ = s.dial(t)
	send(t, conn, "GET /t/a HTTP/1.1\r\nHost: h\r\n\r\n")
	require.ErrorIs(t, <-failed, os.ErrDeadlineExceeded)
}

// A handler that panics, or writes less than it has said, cuts its connection: a client must not take the answer for whole.
func TestAnswersThatAreCutOff(t *testing.T) {
	t.Parallel()
	var logged atomic.Bool
	s := start(t, true, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/t/short":
			w.Header()["Content-Length"] = []string{"100"}
			_, _ = io.WriteString(w, "short")
		case "/t/streamed":
			_, _ = io.WriteString(w, "streamed")
			must(http.NewResponseController(w).Flush() == nil)
			panic(http.ErrAbortHandler)
		case "/t/fault":
			panic("fault")
		}
		_, _ = io.WriteString(w, "whole")
	}), func(cfg *http1.Config) {
		cfg.ErrorLog = log.New(writer(func(p []byte) { logged.Store(strings.Contains(string(p), "fault")) }), "", 0)
	})
	for path, status := range map[string]int{"short": 200, "streamed": 200, "fault": 0} {
		conn, reader := s.dial(t)
		send(t, conn, "GET /t/"+path+" HTTP/1.1\r\nHost: h\r\n\r\nGET /t/next HTTP/1.1\r\nHost: h\r\n\r\n")
		resp, err := http.ReadResponse(reader, nil)
		if status == 0 {
			require.Error(t, err)
			continue
		}
		require.NoError(t, err)
		_, err = io.ReadAll(resp.Body)
		require.Error(t, err, path)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	}
	require.Eventually(t, logged.Load, time.Minute, time.Millisecond)
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }

// Shutdown ends idle connections at once, and others with their answer, which says so; what remains when the node's patience ends has its
// request cancelled with the node's reason.
func TestShutdown(t *testing.T) {
	t.Parallel()
	stopping := errors.New("stopping")
	began := make(chan struct{}, 2)
	s := start(t, true, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/t/long" {
			began <- struct{}{}
			<-r.Context().Done()
			_, _ = io.WriteString(w, context.Cause(r.Context()).Error())
		}
	}), nil)
	idle, idleReader := s.dial(t)
	send(t, idle, "GET /t/a HTTP/1.1\r\nHost: h\r\n\r\n")
	receive(t, idleReader, "GET")
	long, longReader := s.dial(t)
	send(t, long, "GET /t/long HTTP/1.1\r\nHost: h\r\n\r\nGET /t/next HTTP/1.1\r\nHost: h\r\n\r\n")
	<-began
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.ours.Shutdown(short), context.DeadlineExceeded)
	ended(t, idleReader)
	s.stop(stopping)
	resp, body := receive(t, longReader, "GET")
	require.Equal(t, "stopping", body)
	require.True(t, resp.Close)
	require.NoError(t, s.ours.Shutdown(t.Context()))
	ended(t, longReader)
	_, late := s.dial(t) // it is accepted by the kernel, and closed
	ended(t, late)
}

// Many connections at once, each with answers of all kinds, keep their own requests apart.
func TestManyConnections(t *testing.T) {
	t.Parallel()
	s := start(t, true, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		typed(w)
		body, _ := io.ReadAll(r.Body)
		if len(body)%3 == 0 {
			_, _ = io.WriteString(w, r.RequestURI+" ")
			must(http.NewResponseController(w).Flush() == nil)
		} else {
			_, _ = io.WriteString(w, r.RequestURI+" ")
		}
		_, _ = w.Write(body)
	}), nil)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	defer client.CloseIdleConnections()
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 60 {
				sent := strings.Repeat(string(rune('a'+i)), j*j*37)
				resp, err := client.Post(fmt.Sprintf("http://%s/t/%d/%d", s.address, i, j), "text/plain", strings.NewReader(sent))
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if want := fmt.Sprintf("/t/%d/%d %s", i, j, sent); err != nil || string(body) != want {
					t.Errorf("%d/%d: %v, %d bytes", i, j, err, len(body))
				}
			}
		})
	}
	wg.Wait()
}
