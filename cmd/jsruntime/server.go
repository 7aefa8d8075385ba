//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"

	"example.com/jsruntime/httpapi/console"
	"example.com/jsruntime/httpapi/framing"
	"example.com/jsruntime/httpapi/gateway"
	"example.com/jsruntime/httpapi/http1"
	"example.com/jsruntime/httpapi/origin"
	"example.com/jsruntime/httpapi/problem"
)

// front is the handler of a listener. Tenants' hosts, and /t/ on every other host, are the gateway's; the rest is the admin API's and the
// console's, at the operator's hosts only. Where the operator's part has a listener of its own, each of the two serves its part alone.
type front struct {
	origins  *origin.Map
	gateway  http.Handler // nil: tenants are not served here
	console  http.Handler // nil: console, docs and API are not served here
	api      http.Handler // also for /healthz and /readyz, which every listener has
	draining *atomic.Bool
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.draining.Load() && r.ProtoMajor == 1 {
		// The client opens its next connection to another node.
		w.Header()["Connection"] = []string{"close"}
	}
	control := http.NewResponseController(w)
	// For handlers that set none of their own: a client that never reads its answer holds the connection no longer.
	_ = control.SetWriteDeadline(time.Now().Add(longestAnswer))
	if r.ContentLength != 0 {
		// What a handler has left of a body is read away before the next request, but not for as long as the client likes.
		defer func() { _ = control.SetReadDeadline(time.Now().Add(leftoverBody)) }()
	}
	kind := f.origins.For(w, r).Kind
	group := groupOf(kind, r)
	switch {
	case group == groupEndpoint && f.gateway != nil:
		f.gateway.ServeHTTP(w, r)
	case group == groupEndpoint:
		notHere(w, r)
	case r.URL.Path == "/healthz" || r.URL.Path == "/readyz": // probes ask by any name
		f.api.ServeHTTP(w, r)
	case kind == origin.Foreign:
		misdirected(w, r)
	case f.console == nil:
		notHere(w, r)
	case group == groupConsole:
		f.console.ServeHTTP(w, r)
	case r.URL.Path == "/" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		protected(w.Header())
		http.Redirect(w, r, console.Prefix, http.StatusFound)
	default: // groupAdmin, groupService
		f.api.ServeHTTP(w, r)
	}
}

// notHere answers what another listener of the node serves, or none, as what does not exist.
func notHere(w http.ResponseWriter, r *http.Request) {
	protected(w.Header())
	problem.New(http.StatusNotFound, "not_found", "There is no such object.").Write(w, r)
}

// protected is for answers to requests of the operator's part that no part of the node makes.
func protected(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// misdirected answers a request for the operator's part of the node by a name that is not the operator's.
func misdirected(w http.ResponseWriter, r *http.Request) {
	protected(w.Header())
	problem.New(http.StatusMisdirectedRequest, "misdirected",
		"The console, the API and the service paths do not answer at this host name. The flag --operator-host admits a name.").Write(w, r)
}

// refuseHead answers a request whose head was refused. Whom it was for is not known: it might have been for a path below /t/.
func refuseHead(w http.ResponseWriter, r *http.Request, refusal framing.Refusal) {
	gateway.Sandbox(w.Header())
	problem.New(refusal.Status, refusal.Code, refusal.Detail).Write(w, r)
}

const (
	longestAnswer = 20 * time.Minute // beyond the longest execution; handlers set shorter ones where they write
	leftoverBody  = 5 * time.Second
)

// server serves HTTP/1 heads that package framing lets pass.
type server struct {
	*http.Server
	guard *framing.Guard
	tls   *tls.Config   // nil: plain HTTP
	plain *http1.Server // serves what it can before net/http; nil: nothing
}

// serveEndpoints has plain requests to tenants' endpoints served before net/http. The server has its handler and hooks by then.
func (s *server) serveEndpoints(origins *origin.Map) (err error) {
	s.plain, err = http1.New(http1.Config{
		Handler: s.Handler,
		Takes:   func(r *http.Request) bool { return groupOf(origins.Of(r).Kind, r) == groupEndpoint },

		ConnContext: s.ConnContext, ConnState: s.ConnState, HeadTimeout: s.ReadHeaderTimeout, IdleTimeout: s.IdleTimeout, ErrorLog: s.ErrorLog,
	})
	return err
}

// Shutdown closes what is idle, and waits until the rest has been answered or ctx ends.
func (s *server) Shutdown(ctx context.Context) error {
	if s.plain == nil {
		return s.Server.Shutdown(ctx)
	}
	plain := make(chan error, 1)
	go func() { plain <- s.plain.Shutdown(ctx) }()
	return errors.Join(s.Server.Shutdown(ctx), <-plain)
}

// Close closes all connections.
func (s *server) Close() error {
	err := s.Server.Close()
	if s.plain != nil {
		err = errors.Join(err, s.plain.Close())
	}
	return err
}

// maxHead bounds a request's head.
const maxHead = 32 << 10

// newServer returns a server with the bounds that slow and hostile clients need. Bodies and answers have theirs by route.
func newServer(handler http.Handler, log *slog.Logger) *server {
	return newServerOf(false, handler, log)
}

// newServerOf is newServer, with HTTP/2 on connections without TLS where h2c says so.
func newServerOf(h2c bool, handler http.Handler, log *slog.Logger) *server {
	const headTime = 5 * time.Second
	guard, err := framing.New(framing.Config{MaxHead: maxHead, HeadTimeout: headTime, H2C: h2c, Refuse: refuseHead})
	if err != nil {
		panic(err) // Refuse is there
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(h2c)
	return &server{guard: guard, Server: &http.Server{
		Protocols:                    &protocols,
		Handler:                      guard.Handler(handler),
		DisableGeneralOptionsHandler: true, // it would answer OPTIONS * past the guard
		ReadHeaderTimeout:            headTime,
		IdleTimeout:                  75 * time.Second, // longer than the 60 s of common proxies, so that they close first
		MaxHeaderBytes:               maxHead,
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		HTTP2:                        boundedHTTP2(),
	}}
}

// boundedHTTP2 is what one connection of HTTP/2 may have under way. net/http answers a client that resets streams faster than their handlers
// end with GOAWAY once four times as many streams wait, and bounds a head by MaxHeaderBytes.
func boundedHTTP2() *http.HTTP2Config {
	return &http.HTTP2Config{
		MaxConcurrentStreams: 100, MaxReadFrameSize: 16 << 10, MaxReceiveBufferPerConnection: 1 << 20, MaxReceiveBufferPerStream: 256 << 10,
		SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second, WriteByteTimeout: 30 * time.Second,
	}
}

// Serve serves the connections of a listener.
func (s *server) Serve(listener net.Listener) error {
	if s.tls != nil {
		return s.Server.Serve(s.guard.TLSListener(listener, s.tls))
	}
	if s.plain != nil {
		ctx := context.Background()
		if s.BaseContext != nil {
			ctx = s.BaseContext(listener)
		}
		listener = s.plain.Listener(ctx, listener)
	}
	return s.Server.Serve(s.guard.Listener(listener))
}

// ServeTLS serves the connections of a listener with TLS. The guard makes the handshakes: the server's own ServeTLS would put the guard
// below them, where it sees nothing.
func (s *server) ServeTLS(listener net.Listener, config *tls.Config) error {
	return s.Server.Serve(s.guard.TLSListener(listener, config))
}

// lastAnswers is how long requests have for their answer once they were cancelled.
const lastAnswers = 3 * time.Second // of which their scripts have one to clean up

// serveUntil serves listener until ctx ends; then it lets requests end for at most drain, cancels the others, so that they
// are answered with a 503, and closes what is left.
func serveUntil(ctx context.Context, server *server, listener net.Listener, drain time.Duration) error {
	requests, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	server.BaseContext = func(net.Listener) context.Context { return requests }
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	shutdown := func(within time.Duration) error {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
		defer cancel()
		return server.Shutdown(grace)
	}
	err := shutdown(drain)
	if errors.Is(err, context.DeadlineExceeded) {
		stop(gateway.ErrStopping)
		err = shutdown(lastAnswers)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	if serveErr := <-failed; err == nil && !errors.Is(serveErr, http.ErrServerClosed) {
		err = serveErr
	}
	return err
}

// drainWithin returns a context that ends when drain has passed since ctx ended.
func drainWithin(ctx context.Context, drain time.Duration) (context.Context, context.CancelFunc) {
	left, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(drain, cancel) })
	return left, func() {
		stop()
		cancel()
	}
}

// debugHandler is that of the listener for metrics alone.
func debugHandler(metrics http.Handler, withPprof bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	if withPprof {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// baseURL is how the listener is reached from this machine.
func baseURL(scheme string, addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return scheme + "://" + addr.String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// onLoopback reports whether a listener is reached from its own machine only.
func onLoopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
