package main

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// HTTP/2 without TLS is served where the flag says so, to clients that begin with it; HTTP/1.1 is served beside it, by http1 and by net/http,
// and judged as ever. Without the flag the preface is a head of a wrong version.
func TestH2C(t *testing.T) {
	t.Parallel()
	for _, h2c := range []bool{true, false} {
		t.Run(fmt.Sprint(h2c), func(t *testing.T) {
			t.Parallel()
			server := newServerOf(h2c, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				_, _ = fmt.Fprint(w, r.Proto, " ", r.URL.Path, " ", string(body))
			}), slog.New(slog.DiscardHandler))
			require.NoError(t, server.serveEndpoints(noOrigins(t)))
			listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
			require.NoError(t, err)
			go func() { _ = server.Serve(listener) }()
			t.Cleanup(func() { _ = server.Close() })
			base := "http://" + listener.Addr().String()

			var protocols http.Protocols
			protocols.SetUnencryptedHTTP2(true)
			transport := &http.Transport{Protocols: &protocols}
			t.Cleanup(transport.CloseIdleConnections)
			if !h2c {
				_, err := (&http.Client{Transport: transport}).Get(base + "/t/acme/a")
				require.Error(t, err)
				require.Equal(t, http.StatusHTTPVersionNotSupported, statusOf(t, listener, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
			} else {
				for _, path := range []string{"/t/acme/a", "/api/v1/b"} {
					resp, err := (&http.Client{Transport: transport}).Post(base+path, "text/plain", http.NoBody)
					require.NoError(t, err)
					text, err := io.ReadAll(resp.Body)
					require.NoError(t, err)
					resp.Body.Close()
					require.Equal(t, "HTTP/2.0 "+path+" ", string(text))
				}
				require.Equal(t, 100, server.HTTP2.MaxConcurrentStreams)
			}
			for _, path := range []string{"/t/acme/a", "/api/v1/b"} {
				resp, err := http.Get(base + path)
				require.NoError(t, err)
				text, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				resp.Body.Close()
				require.Equal(t, "HTTP/1.1 "+path+" ", string(text))
			}
			// A head that begins as the preface does, one that comes in parts, and one that may not pass.
			require.Equal(t, 200, statusOf(t, listener, "P", "ATCH /api/v1/b HTTP/1.1\r\nHost: localhost\r\n\r\n"))
			require.Equal(t, http.StatusBadRequest, statusOf(t, listener, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
			require.Equal(t, http.StatusHTTPVersionNotSupported, statusOf(t, listener, "PRI * HTTP/2.0\r\nHost: x\r\n\r\n"))
		})
	}
}

// statusOf sends parts of a head and returns the answer's status.
func statusOf(t *testing.T, listener net.Listener, parts ...string) int {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	for _, part := range parts {
		_, err := io.WriteString(conn, part)
		require.NoError(t, err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	resp.Body.Close()
	return resp.StatusCode
}
