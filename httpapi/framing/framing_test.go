package framing_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/httpapi/framing"
)

// service is a server behind a Guard, and the requests that its handler saw.
type service struct {
	guard   *framing.Guard
	address string

	mu   sync.Mutex
	seen []string
}

// serve starts a server that answers each request with what it saw of it.
func serve(t *testing.T, change func(*framing.Config, *http.Server)) *service {
	t.Helper()
	s := &service{}
	cfg := framing.Config{Refuse: func(w http.ResponseWriter, _ *http.Request, refusal framing.Refusal) {
		w.WriteHeader(refusal.Status)
		_, _ = io.WriteString(w, "refused: "+refusal.Code)
	}}
	server := &http.Server{DisableGeneralOptionsHandler: true, MaxHeaderBytes: 32 << 10}
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		line := fmt.Sprintf("%s %s %s %d", r.Method, r.Host, r.RequestURI, len(body))
		if err != nil {
			line += " broken"
		}
		for name := range r.Header {
			if strings.HasPrefix(name, "X-Framing") {
				line += " " + name
			}
		}
		s.mu.Lock()
		s.seen = append(s.seen, line)
		s.mu.Unlock()
		_, _ = io.WriteString(w, line)
	})
	if change != nil {
		change(&cfg, server)
	}
	var err error
	s.guard, err = framing.New(cfg)
	require.NoError(t, err)
	server.Handler = s.guard.Handler(server.Handler)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.address = listener.Addr().String()
	go func() { _ = server.Serve(s.guard.Listener(listener)) }()
	t.Cleanup(func() { _ = server.Close() })
	return s
}

func (s *service) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	return conn
}

// talk sends bytes and returns all answers, as "status body", until the server closes. Of a client that closes its own side first, a
// server that would go on serving is told so.
func (s *service) talk(t *testing.T, pieces ...string) (answers []string) {
	t.Helper()
	conn := s.dial(t)
	for _, piece := range pieces {
		if _, err := io.WriteString(conn, piece); err != nil {
			break // closed already
		}
	}
	reader := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the server does not close")
			return answers
		}
		body, err := io.ReadAll(resp.Body)
		if !errors.Is(err, syscall.ECONNRESET) { // of what the server had not read when it closed
			require.NoError(t, err)
		}
		answers = append(answers, fmt.Sprintf("%d %s", resp.StatusCode, body))
		if resp.Close {
			_, err = reader.ReadByte()
			if errors.Is(err, syscall.ECONNRESET) {
				err = io.EOF
			}
			require.ErrorIs(t, err, io.EOF, "the connection ends after an answer that says so")
			return answers
		}
	}
}

const after = "GET /smuggled HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

// Two readers of these heads may see two different requests. Each is refused, its connection is closed, and nothing that follows it is
// taken for a request, also where an earlier request of the connection was answered.
func TestHeadsThatTwoReadersUnderstandDifferently(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	for head, want := range map[string]int{
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": 400,
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n": 400,
		"POST / HTTP/1.1\r\nHost: x\r\ntransfer-encoding:chunked\r\ncontent-length:0\r\n\r\n0\r\n\r\n":   400,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd":               400,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nabcd":               400,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4, 4\r\n\r\nabcd":                                 400,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +4\r\n\r\nabcd":                                   400,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x4\r\n\r\nabcd":                                  400,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n":                                       400,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n":                                          400,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999999999999\r\n\r\n":                      400,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length : 4\r\n\r\nabcd":                                   400,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length\r\n\r\n":                                           400,
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n":                              501,
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n":                         501,
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n":                     501,
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n":                              501,
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \"chunked\"\r\n\r\n":                           501,
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n":       501,
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\nTransfer-Encoding: chunked\r\n\r\n":         501,
		"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n":                      501,
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n":                    400,
		"POST / HTTP/1.1\r\nHost: x\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n":                     400,
		"POST / HTTP/1.1\r\nHost: x\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n":             400,
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n":                  400,
		"POST / HTTP/1.1\r\nHost: x\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n":                400,
		"POST / HTTP/1.1\r\nHost: x\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n":                400,
		"POST / HTTP/1.1\r\nHost: x\r\nX: y\x00\r\n\r\n":                                                 400,
		"GET / HTTP/1.1\nHost: x\n\n":                                                 400,
		"GET / HTTP/1.1\r\nHost: x\r\n\n":                                             400,
		"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n":                                400,
		"GET / HTTP/1.1\r\n\r\n":                                                      400,
		"GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n":                                   400,
		"GET http://u@x/ HTTP/1.1\r\nHost: x\r\n\r\n":                                 400,
		"GET x HTTP/1.1\r\nHost: x\r\n\r\n":                                           400,
		"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n":                                        400,
		"GET /a\x7f HTTP/1.1\r\nHost: x\r\n\r\n":                                      400,
		"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n":                                        400,
		"GET  / HTTP/1.1\r\nHost: x\r\n\r\n":                                          400,
		"GET /\tHTTP/1.1\r\nHost: x\r\n\r\n":                                          400,
		"GET / HTTP/1.1 \r\nHost: x\r\n\r\n":                                          400,
		"GET / http/1.1\r\nHost: x\r\n\r\n":                                           400,
		"GET /\r\nHost: x\r\n\r\n":                                                    400,
		"G(T / HTTP/1.1\r\nHost: x\r\n\r\n":                                           400,
		"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n":                                    400,
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":                                            505,
		"GET / HTTP/1.2\r\nHost: x\r\n\r\n":                                           505,
		"GET / HTTP/1.1\r\nHost: x\r\nExpect: 200-maybe\r\n\r\n":                      417,
		"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 40<<10) + "\r\n\r\n": 431,
		"GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("a:\r\n", 256) + "\r\n":      431, // each line takes memory of its own
		"GET /" + strings.Repeat("%", 20<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n":        431,
		"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n":                               400,
		"GET / HTTP/1.1\r\nHost: x\r\n: v\r\n\r\n":                                    400,
	} {
		name := head[:min(len(head), 100)]
		answers := s.talk(t, head+after)
		require.Len(t, answers, 1, name)
		require.True(t, strings.HasPrefix(answers[0], fmt.Sprintf("%d refused: ", want)), "%q: %s", name, answers)
		answers = s.talk(t, "GET /first HTTP/1.1\r\nHost: x\r\n\r\n"+head+after)
		require.Len(t, answers, 2, name)
		require.Equal(t, "200 GET x /first 0", answers[0], name)
		require.True(t, strings.HasPrefix(answers[1], fmt.Sprintf("%d refused: ", want)), "%q: %s", name, answers)
	}
	for _, line := range s.seen {
		require.Equal(t, "GET x /first 0", line)
	}
}

func TestWhatIsUnderstoodIsServed(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	end := "GET /end HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	for sent, want := range map[string][]string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n" + end: {"200 GET x / 0", "200 GET x /2 0", "200 GET x /end 0"},
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" + end:          {"200 POST x / 3", "200 GET x /end 0"},
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" + end:             {"200 POST x / 0", "200 GET x /end 0"},
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc\r\n" + end:      {"200 POST x / 3", "200 GET x /end 0"},
		// After a chunked body nothing else is served: where it ends is found by one reader only.
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + end: {"200 POST x / 3"},
		"GET / HTTP/1.0\r\n\r\n":                                                                    {"200 GET  / 0"},
		"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + end:                                    {"200 GET  / 0", "200 GET x /end 0"},
		"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n" + end:                                               {"200 OPTIONS x * 0", "200 GET x /end 0"},
		"GET http://X/a?b HTTP/1.1\r\nHost: x\r\n\r\n" + end:                                        {"200 GET x /a?b 0", "200 GET x /end 0"},
		"GET http://x HTTP/1.1\r\nHost: x\r\n\r\n" + end:                                            {"200 GET x / 0", "200 GET x /end 0"},
		"GET http://x?a HTTP/1.1\r\nHost: x\r\n\r\n" + end:                                          {"200 GET x /?a 0", "200 GET x /end 0"},
		"GET /100%?a=% HTTP/1.1\r\nHost: x\r\n\r\n" + end:                                           {"200 GET x /100%?a=% 0", "200 GET x /end 0"},
		"POST /%zz%2/%41%% HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab" + end:                {"200 POST x /%zz%2/%41%% 2", "200 GET x /end 0"},
		"GET /\xc3\xa9?\"<>`|{}\\^ HTTP/1.1\r\nHost: x\r\n\r\n" + end:                               {"200 GET x /\xc3\xa9?\"<>`|{}\\^ 0", "200 GET x /end 0"},
		"GET / HTTP/1.1\r\nHost: x\r\nX-Framing-0: /forged\r\nX-A:\r\nx_b: \t\xff\t \r\n\r\n" + end: {"200 GET x / 0 X-Framing-0", "200 GET x /end 0"},
	} {
		require.Equal(t, want, s.talk(t, sent), "%q", sent)
		require.Equal(t, want, s.talk(t, strings.SplitAfter(sent, "\n")...), "%q in lines", sent)
		require.Equal(t, want, s.talk(t, strings.Split(sent, "")...), "%q in bytes", sent)
	}
}

func TestExpectContinue(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	conn := s.dial(t)
	_, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\n")
	require.NoError(t, err)
	reader := bufio.NewReader(conn)
	line, err := reader.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 100 Continue\r\n", line)
	_, err = io.WriteString(conn, "abc")
	require.NoError(t, err)
	_, err = reader.ReadString('\n')
	require.NoError(t, err)
	resp, err := http.ReadResponse(reader, nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 200, resp.StatusCode)
}

// net/http ends its own side first where a body was not read, so that the client gets the answer and no reset. It asks the conn for it.
func TestAnswerBeforeTheBodyWasRead(t *testing.T) {
	t.Parallel()
	s := serve(t, func(_ *framing.Config, server *http.Server) {
		server.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusRequestEntityTooLarge) })
	})
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	client, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
	require.NoError(t, err)
	defer client.Close()
	conn, err := s.guard.Listener(listener).Accept()
	require.NoError(t, err)
	defer conn.Close()
	half, ok := conn.(interface{ CloseWrite() error })
	require.True(t, ok)
	require.NoError(t, half.CloseWrite())
	_, err = client.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)

	answers := s.talk(t, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n"+strings.Repeat("x", 1<<20))
	require.Equal(t, []string{"413 "}, answers)
}

// A head of the next request that has begun to arrive does not hide that the client leaves.
func TestClientThatLeavesIsNoticed(t *testing.T) {
	t.Parallel()
	for _, next := range []string{"", "GET /next HTTP/1.1\r\nHo"} {
		began, left := make(chan struct{}), make(chan error, 1)
		s := serve(t, func(_ *framing.Config, server *http.Server) {
			server.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				close(began)
				<-r.Context().Done()
				left <- r.Context().Err()
			})
		})
		conn := s.dial(t)
		_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"+next)
		require.NoError(t, err)
		<-began
		require.NoError(t, conn.Close())
		require.ErrorIs(t, <-left, context.Canceled)
	}
}

// A head has HeadTimeout from its first byte, on a connection that served a request before too, where net/http would wait IdleTimeout.
func TestSlowHeads(t *testing.T) {
	t.Parallel()
	s := serve(t, func(cfg *framing.Config, server *http.Server) {
		cfg.HeadTimeout, server.ReadHeaderTimeout, server.IdleTimeout = 50*time.Millisecond, 50*time.Millisecond, time.Hour
	})
	require.Empty(t, s.talk(t, "GET / HTTP/1.1\r\nHo"))
	require.Equal(t, []string{"200 GET x / 0"}, s.talk(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HT"))
	conn := s.dial(t)
	for range 2 { // a head that begins after the answer
		_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		resp.Body.Close()
	}
	_, err := io.WriteString(conn, "GET /")
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, conn)
	require.NoError(t, err, "the server closes by itself")
}

func TestTLS(t *testing.T) {
	t.Parallel()
	unused := httptest.NewUnstartedServer(nil)
	unused.EnableHTTP2 = true
	unused.StartTLS()
	t.Cleanup(unused.Close)
	config := unused.TLS.Clone()
	guard, err := framing.New(framing.Config{Refuse: func(w http.ResponseWriter, _ *http.Request, refusal framing.Refusal) { w.WriteHeader(refusal.Status) }})
	require.NoError(t, err)
	server := &http.Server{Handler: guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.Proto, " ", r.TLS != nil && r.TLS.HandshakeComplete, " ", r.RequestURI)
	}))}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = server.Serve(guard.TLSListener(listener, config)) }()
	t.Cleanup(func() { _ = server.Close() })
	idle, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
	require.NoError(t, err)
	defer idle.Close() // a handshake that never comes holds nobody up

	transport := unused.Client().Transport.(*http.Transport).Clone()
	resp, err := (&http.Client{Transport: transport}).Get("https://" + listener.Addr().String() + "/a")
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, "HTTP/2.0 true /a", string(body))

	client := transport.TLSClientConfig.Clone()
	client.NextProtos, client.ServerName = []string{"http/1.1"}, "example.com"
	for sent, want := range map[string]string{
		"GET /100% HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":                                     "200 HTTP/1.1 true /100%",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": "400 ",
	} {
		conn, err := (&tls.Dialer{Config: client}).DialContext(t.Context(), "tcp", listener.Addr().String())
		require.NoError(t, err)
		_, err = io.WriteString(conn, sent)
		require.NoError(t, err)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, want, fmt.Sprintf("%d %s", resp.StatusCode, body))
		conn.Close()
	}
}

// What the guard lets pass, net/http reads as the guard did, in one connection with whatever follows.
func FuzzHeads(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n"))
	f.Add([]byte("POST /% HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\nHost: x\r\n\r\n"))
	f.Add([]byte("POST http://x/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		guard, err := framing.New(framing.Config{Refuse: func(http.ResponseWriter, *http.Request, framing.Refusal) {}})
		require.NoError(t, err)
		listener := &oneConn{conn: &bytesConn{Reader: bytes.NewReader(sent)}}
		conn, err := guard.Listener(listener).Accept()
		require.NoError(t, err)
		reader := bufio.NewReader(conn)
		for {
			if _, err := reader.Peek(1); err != nil {
				return
			}
			r, err := http.ReadRequest(reader)
			if err != nil {
				t.Fatalf("%q passes, and net/http says %v", sent, err)
			}
			if reader.Buffered() > 0 && r.ContentLength >= 0 && int64(reader.Buffered()) > r.ContentLength {
				t.Fatalf("%q: more than a head and its body was handed on", sent)
			}
			if r.ContentLength < 0 { // its connection is closed after it
				return
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return
			}
		}
	})
}

type bytesConn struct {
	net.Conn
	*bytes.Reader
}

func (c *bytesConn) Read(p []byte) (int, error)      { return c.Reader.Read(p) }
func (c *bytesConn) SetReadDeadline(time.Time) error { return nil }

type oneConn struct {
	net.Listener
	conn net.Conn
}

func (l *oneConn) Accept() (net.Conn, error) { return l.conn, nil }

func BenchmarkHead(b *testing.B) {
	head := []byte("GET /t/bench/hello?name=bench HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: bench\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n\r\n")
	guard, err := framing.New(framing.Config{Refuse: func(http.ResponseWriter, *http.Request, framing.Refusal) {}})
	require.NoError(b, err)
	source := &bytesConn{Reader: bytes.NewReader(head)}
	conn, err := guard.Listener(&oneConn{conn: source}).Accept()
	require.NoError(b, err)
	p := make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		source.Reset(head)
		if n, err := conn.Read(p); n != len(head) || err != nil {
			b.Fatal(n, err)
		}
	}
}
