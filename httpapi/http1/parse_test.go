package http1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/httpapi/framing"
)

const host = "Host: h\r\n"

// corpus are heads and what follows them, by whether they are plain. The others are net/http's and package framing's to judge:
// TestCorpusIsAnsweredAlike sends each of them.
var corpus = []struct {
	name  string
	sent  string
	plain bool
}{
	{"get", "GET /t/a HTTP/1.1\r\n" + host + "\r\n", true},
	{"head", "HEAD /t/a?b=c HTTP/1.1\r\n" + host + "\r\n", true},
	{"post", "POST /t/a HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc", true},
	{"post without a body", "POST /t/a HTTP/1.1\r\n" + host + "\r\n", true},
	{"post of nothing", "POST /t/a HTTP/1.1\r\n" + host + "Content-Length: 0\r\n\r\n", true},
	{"put", "PUT /t/a HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc", true},
	{"patch", "PATCH /t/a HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc", true},
	{"delete", "DELETE /t/a HTTP/1.1\r\n" + host + "\r\n", true},
	{"options", "OPTIONS /t/a HTTP/1.1\r\n" + host + "\r\n", true},
	{"escapes", "GET /t/a%2Fb/%C3%A9?q=%zz HTTP/1.1\r\n" + host + "\r\n", true},
	{"odd characters", "GET /t/<a>{b}|\"c\\d^`?<> HTTP/1.1\r\n" + host + "\r\n", true},
	{"empty query", "GET /t/a? HTTP/1.1\r\n" + host + "\r\n", true},
	{"two slashes", "GET //t/a HTTP/1.1\r\n" + host + "\r\n", true},
	{"browser", "GET /t/a HTTP/1.1\r\nHost: localhost:8080\r\nConnection: keep-alive\r\nsec-ch-ua: \"A\";v=\"1\"\r\nAccept: */*\r\nCookie: a=b; c=d\r\nPragma: no-cache\r\n\r\n", true},
	{"fields twice", "GET /t/a HTTP/1.1\r\n" + host + "X-A: 1\r\nx-a: 2\r\nX-A:3\r\n\r\n", true},
	{"values with white space", "GET /t/a HTTP/1.1\r\n" + host + "X-A: \t 1 2\t \r\nX-B:\r\n\r\n", true},
	{"latin-1 value", "GET /t/a HTTP/1.1\r\n" + host + "X-A: caf\xe9\r\n\r\n", true},
	{"close", "GET /t/a HTTP/1.1\r\n" + host + "Connection: Close\r\n\r\n", true},
	{"pipeline", "GET /t/a HTTP/1.1\r\n" + host + "\r\nGET /t/b HTTP/1.1\r\n" + host + "\r\n", true},
	{"pipeline behind a body", "POST /t/a HTTP/1.1\r\n" + host + "Content-Length: 4\r\n\r\nGET GET /t/b HTTP/1.1\r\n" + host + "\r\n", true},
	{"field lines to the bound", "GET /t/a HTTP/1.1\r\n" + host + strings.Repeat("A: b\r\n", maxFields-1) + "\r\n", true},

	{"CL.TE", "POST /t/a HTTP/1.1\r\n" + host + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG", false},
	{"TE.CL", "POST /t/a HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n1\r\nG\r\n0\r\n\r\n", false},
	{"TE.TE", "POST /t/a HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n", false},
	{"chunked", "POST /t/a HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", false},
	{"chunk extension", "POST /t/a HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n1;x=\"\n\"\r\na\r\n0\r\n\r\n", false},
	{"chunk size with a sign", "POST /t/a HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n", false},
	{"TE with a tab", "POST /t/a HTTP/1.1\r\n" + host + "Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n", false},
	{"TE with a space before the colon", "POST /t/a HTTP/1.1\r\n" + host + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", false},
	{"TE identity", "POST /t/a HTTP/1.1\r\n" + host + "Transfer-Encoding: identity\r\nContent-Length: 1\r\n\r\na", false},
	{"TE in a GET", "GET /t/a HTTP/1.1\r\n" + host + "transfer-encoding: chunked\r\n\r\n0\r\n\r\n", false},
	{"two lengths", "POST /t/a HTTP/1.1\r\n" + host + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", false},
	{"one length twice", "POST /t/a HTTP/1.1\r\n" + host + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", false},
	{"a list of lengths", "POST /t/a HTTP/1.1\r\n" + host + "Content-Length: 3, 3\r\n\r\nabc", false},
	{"length with plus", "POST /t/a HTTP/1.1\r\n" + host + "Content-Length: +3\r\n\r\nabc", false},
	{"length with minus", "POST /t/a HTTP/1.1\r\n" + host + "Content-Length: -3\r\n\r\nabc", false},
	{"length with a space inside", "POST /t/a HTTP/1.1\r\n" + host + "Content-Length: 1 3\r\n\r\nabc", false},
	{"length in hexadecimal", "POST /t/a HTTP/1.1\r\n" + host + "Content-Length: 0x3\r\n\r\nabc", false},
	{"length with a leading zero", "POST /t/a HTTP/1.1\r\n" + host + "Content-Length: 03\r\n\r\nabc", false},
	{"length with an underscore", "POST /t/a HTTP/1.1\r\n" + host + "Content-Length: 1_0\r\n\r\nabc", false},
	{"length of nothing", "POST /t/a HTTP/1.1\r\n" + host + "Content-Length:\r\n\r\nabc", false},
	{"length beyond numbers", "POST /t/a HTTP/1.1\r\n" + host + "Content-Length: 99999999999999999999\r\n\r\nabc", false},
	{"length with a vertical tab", "POST /t/a HTTP/1.1\r\n" + host + "Content-Length:\v3\r\n\r\nabc", false},
	{"GET with a body", "GET /t/a HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc", false},
	{"bare LF at a line's end", "GET /t/a HTTP/1.1\n" + host + "\r\n", false},
	{"bare LF in fields", "GET /t/a HTTP/1.1\r\nHost: h\nX-A: b\r\n\r\n", false},
	{"bare LFs at the head's end", "GET /t/a HTTP/1.1\r\nHost: h\n\nGET /t/b HTTP/1.1\r\n" + host + "\r\n", false},
	{"bare CR in a value", "GET /t/a HTTP/1.1\r\n" + host + "X-A: b\rContent-Length: 3\r\n\r\nabc", false},
	{"CR CR LF", "GET /t/a HTTP/1.1\r\n" + host + "X-A: b\r\r\n\r\n", false},
	{"NUL in a value", "GET /t/a HTTP/1.1\r\n" + host + "X-A: b\x00c\r\n\r\n", false},
	{"NUL in a name", "GET /t/a HTTP/1.1\r\n" + host + "X-\x00A: b\r\n\r\n", false},
	{"DEL in a value", "GET /t/a HTTP/1.1\r\n" + host + "X-A: b\x7f\r\n\r\n", false},
	{"space before the colon", "GET /t/a HTTP/1.1\r\n" + host + "X-A : b\r\n\r\n", false},
	{"space before a name", "GET /t/a HTTP/1.1\r\n" + host + " X-A: b\r\n\r\n", false},
	{"folded line", "GET /t/a HTTP/1.1\r\n" + host + "X-A: b\r\n c\r\n\r\n", false},
	{"folded first line", "GET /t/a HTTP/1.1\r\n " + host + "\r\n", false},
	{"no colon", "GET /t/a HTTP/1.1\r\n" + host + "X-A\r\n\r\n", false},
	{"no name", "GET /t/a HTTP/1.1\r\n" + host + ": b\r\n\r\n", false},
	{"no host", "GET /t/a HTTP/1.1\r\nX-A: b\r\n\r\n", false},
	{"two hosts", "GET /t/a HTTP/1.1\r\n" + host + host + "\r\n", false},
	{"empty host", "GET /t/a HTTP/1.1\r\nHost:\r\n\r\n", false},
	{"host with user", "GET /t/a HTTP/1.1\r\nHost: a@b\r\n\r\n", false},
	{"host with a slash", "GET /t/a HTTP/1.1\r\nHost: a/b\r\n\r\n", false},
	{"absolute form", "GET http://h/t/a HTTP/1.1\r\n" + host + "\r\n", false},
	{"absolute form of another host", "GET http://x/t/a HTTP/1.1\r\n" + host + "\r\n", false},
	{"authority form", "CONNECT h:80 HTTP/1.1\r\n" + host + "\r\n", false},
	{"asterisk form", "OPTIONS * HTTP/1.1\r\n" + host + "\r\n", false},
	{"no target", "GET HTTP/1.1\r\n" + host + "\r\n", false},
	{"empty target", "GET  HTTP/1.1\r\n" + host + "\r\n", false},
	{"space in the target", "GET /t/a b HTTP/1.1\r\n" + host + "\r\n", false},
	{"tab in the first line", "GET /t/a\tHTTP/1.1\r\n" + host + "\r\n", false},
	{"two spaces", "GET /t/a  HTTP/1.1\r\n" + host + "\r\n", false},
	{"fragment", "GET /t/a#b HTTP/1.1\r\n" + host + "\r\n", false},
	{"bytes in the target", "GET /t/\xc3\xa9 HTTP/1.1\r\n" + host + "\r\n", false},
	{"broken escape", "GET /t/100% HTTP/1.1\r\n" + host + "\r\n", false},
	{"HTTP/1.0", "GET /t/a HTTP/1.0\r\n" + host + "\r\n", false},
	{"HTTP/0.9", "GET /t/a\r\n\r\n", false},
	{"HTTP/1.2", "GET /t/a HTTP/1.2\r\n" + host + "\r\n", false},
	{"HTTP/2.0", "GET /t/a HTTP/2.0\r\n" + host + "\r\n", false},
	{"http/1.1", "GET /t/a http/1.1\r\n" + host + "\r\n", false},
	{"HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", false},
	{"TLS", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n", false},
	{"leading CR LF", "\r\nGET /t/a HTTP/1.1\r\n" + host + "\r\n", false},
	{"leading LF", "\nGET /t/a HTTP/1.1\r\n" + host + "\r\n", false},
	{"leading space", " GET /t/a HTTP/1.1\r\n" + host + "\r\n", false},
	{"lower-case method", "get /t/a HTTP/1.1\r\n" + host + "\r\n", false},
	{"unknown method", "PROPFIND /t/a HTTP/1.1\r\n" + host + "\r\n", false},
	{"method of nothing", " /t/a HTTP/1.1\r\n" + host + "\r\n", false},
	{"upgrade", "GET /t/a HTTP/1.1\r\n" + host + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", false},
	{"h2c", "GET /t/a HTTP/1.1\r\n" + host + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n", false},
	{"expectation", "POST /t/a HTTP/1.1\r\n" + host + "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc", false},
	{"unknown expectation", "POST /t/a HTTP/1.1\r\n" + host + "Expect: x\r\nContent-Length: 3\r\n\r\nabc", false},
	{"trailer", "GET /t/a HTTP/1.1\r\n" + host + "Trailer: X-A\r\n\r\n", false},
	{"listed header", "GET /t/a HTTP/1.1\r\n" + host + "Connection: X-A\r\nX-A: b\r\n\r\n", false},
	{"two Connection", "GET /t/a HTTP/1.1\r\n" + host + "Connection: close\r\nConnection: keep-alive\r\n\r\n", false},
	{"many lines", "GET /t/a HTTP/1.1\r\n" + host + strings.Repeat("A: b\r\n", maxFields) + "\r\n", false},
	{"too many lines", "GET /t/a HTTP/1.1\r\n" + host + strings.Repeat("A: b\r\n", 300) + "\r\n", false},
	{"large head", "GET /t/a HTTP/1.1\r\n" + host + "X-A: " + strings.Repeat("a", 10_000) + "\r\n\r\n", false},
	{"too large head", "GET /t/a HTTP/1.1\r\n" + host + "X-A: " + strings.Repeat("a", 40_000) + "\r\n\r\n", false},
}

// plain is the request at the beginning of what was sent, as a conn takes it, and where its head ends.
func plain(sent []byte) (*http.Request, int) {
	if len(sent) > 0 && !beginsPlain(sent[:1]) {
		return nil, 0
	}
	i := bytes.Index(sent[:min(len(sent), bufferBytes)], headsEnd)
	if i < 0 {
		return nil, 0
	}
	return parse(string(sent[:i+4])), i + 4
}

func TestCorpus(t *testing.T) {
	t.Parallel()
	for _, c := range corpus {
		r, _ := plain([]byte(c.sent))
		require.Equal(t, c.plain, r != nil, c.name)
		require.NoError(t, agree([]byte(c.sent)), c.name)
	}
}

// agree compares what parse makes of the first request with what net/http does, alone and behind package framing.
func agree(sent []byte) error {
	ours, end := plain(sent)
	if ours == nil {
		return nil
	}
	guard, err := framing.New(framing.Config{Refuse: func(http.ResponseWriter, *http.Request, framing.Refusal) {}})
	if err != nil {
		return err
	}
	guarded, err := guard.Listener(&oneConn{conn: &bytesConn{Reader: bytes.NewReader(sent)}}).Accept()
	if err != nil {
		return err
	}
	// Behind package framing the next requests are handed on or refused in their turn.
	if err := same(ours, sent, end, bufio.NewReader(guarded), func([]byte, []byte) bool { return true }); err != nil {
		return errors.Join(errors.New("behind package framing"), err)
	}
	return same(ours, sent, end, bufio.NewReader(bytes.NewReader(sent)), bytes.Equal)
}

func same(ours *http.Request, sent []byte, end int, reader *bufio.Reader, follows func(rest, left []byte) bool) error {
	theirs, err := http.ReadRequest(reader)
	if err != nil {
		return err
	}
	switch {
	case ours.Method != theirs.Method, ours.RequestURI != theirs.RequestURI, ours.Host != theirs.Host, ours.Proto != theirs.Proto,
		ours.ProtoMajor != theirs.ProtoMajor, ours.ProtoMinor != theirs.ProtoMinor:
		return errors.New("another first line or host")
	case !reflect.DeepEqual(ours.URL, theirs.URL):
		return errors.New("another URL: " + ours.URL.String() + ", " + theirs.URL.String())
	case !reflect.DeepEqual(ours.Header, theirs.Header):
		return errors.New("another header")
	case ours.ContentLength != theirs.ContentLength, len(theirs.TransferEncoding) > 0, ours.Close != theirs.Close:
		return errors.New("another end")
	}
	rest := sent[end:]
	body, err := io.ReadAll(theirs.Body)
	if n := ours.ContentLength; n <= int64(len(rest)) {
		if err != nil || !bytes.Equal(body, rest[:n]) {
			return errors.Join(errors.New("another body"), err)
		}
		if left, _ := io.ReadAll(reader); !follows(rest[n:], left) {
			return errors.New("another beginning of the next request")
		}
		return nil
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.Equal(body, rest) {
		return errors.Join(errors.New("another body that is cut off"), err)
	}
	return nil
}

// What is accepted, net/http reads as the same request, which ends at the same byte.
func FuzzPlain(f *testing.F) {
	for _, c := range corpus {
		f.Add([]byte(c.sent))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		if err := agree(sent); err != nil {
			t.Fatalf("%q: %v", sent, err)
		}
	})
}

// A connection's plain requests are answered in order, whatever handlers do with bodies and however bytes arrive, and the first one that is
// not plain is handed over with everything that follows it.
func FuzzConnection(f *testing.F) {
	for _, c := range corpus {
		f.Add([]byte(c.sent), uint8(7))
		f.Add([]byte(corpus[2].sent+corpus[0].sent+c.sent), uint8(200))
	}
	f.Fuzz(func(t *testing.T, sent []byte, step uint8) {
		var seen []*http.Request
		var bodies []string
		inner := &bytesConn{Reader: bytes.NewReader(sent), step: int(step) + 1}
		server, err := New(Config{Takes: func(*http.Request) bool { return true }, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen = append(seen, r)
			body := "?"
			if len(seen)%2 == 1 {
				read, _ := io.ReadAll(r.Body)
				body = string(read)
			}
			bodies = append(bodies, body)
			w.Header()["Content-Length"] = []string{"2"}
			_, _ = io.WriteString(w, "ok")
		})})
		if err != nil {
			t.Fatal(err)
		}
		over := make(chan net.Conn, 1)
		c := &conn{Conn: inner, server: server, parent: t.Context(), hand: func(c net.Conn) { over <- c }, began: -1}
		c.serve()
		reader := bufio.NewReader(bytes.NewReader(sent))
		for i, ours := range seen {
			theirs, err := http.ReadRequest(reader)
			if err != nil {
				t.Fatalf("%q: request %d: %v", sent, i, err)
			}
			body, err := io.ReadAll(theirs.Body)
			if ours.Method != theirs.Method || ours.RequestURI != theirs.RequestURI || bodies[i] != "?" && bodies[i] != string(body) {
				t.Fatalf("%q: request %d is another one: %v", sent, i, err)
			}
		}
		select {
		case passed := <-over:
			ours, _ := io.ReadAll(passed)
			if theirs, _ := io.ReadAll(reader); !bytes.Equal(ours, theirs) {
				t.Fatalf("%q: handed over with %q instead of %q", sent, ours, theirs)
			}
		default:
		}
		if answers := strings.Count(inner.sent.String(), "HTTP/1.1 200 OK\r\n"); answers > len(seen) {
			t.Fatalf("%q: %d answers to %d requests", sent, answers, len(seen))
		}
	})
}

// bytesConn is a client that has sent what it sends.
type bytesConn struct {
	net.Conn
	*bytes.Reader
	step int // bytes that arrive at a time; 0: all
	sent bytes.Buffer
}

func (c *bytesConn) Read(p []byte) (int, error) {
	if c.step > 0 {
		p = p[:min(len(p), c.step)]
	}
	return c.Reader.Read(p)
}
func (c *bytesConn) Write(p []byte) (int, error)      { return c.sent.Write(p) }
func (*bytesConn) Close() error                       { return nil }
func (*bytesConn) SetDeadline(time.Time) error        { return nil }
func (*bytesConn) SetReadDeadline(time.Time) error    { return nil }
func (*bytesConn) SetWriteDeadline(t time.Time) error { return nil }

type oneConn struct {
	net.Listener
	conn net.Conn
}

func (l *oneConn) Accept() (net.Conn, error) { return l.conn, nil }

func BenchmarkParse(b *testing.B) {
	head := []byte("GET /t/bench/hello?name=bench HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: bench\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n\r\n")
	b.ReportAllocs()
	for b.Loop() {
		if parse(string(head)) == nil {
			b.Fatal("not plain")
		}
	}
}
