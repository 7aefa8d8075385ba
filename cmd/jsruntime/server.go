package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"

	"jsruntime/httpapi/gateway"
)

// front is the listener's handler: tenants' endpoints go straight to the gateway, the rest to the admin API.
type front struct {
	gateway, console, api http.Handler
	draining              *atomic.Bool
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
	switch groupOf(r.URL.Path) {
	case groupEndpoint:
		f.gateway.ServeHTTP(w, r)
	case groupConsole:
		f.console.ServeHTTP(w, r)
	default: // groupAdmin, groupService
		f.api.ServeHTTP(w, r)
	}
}

const (
	longestAnswer = 20 * time.Minute // beyond the longest execution; handlers set shorter ones where they write
	leftoverBody  = 5 * time.Second
)

// newServer returns a server with the bounds that slow and hostile clients need. Bodies and answers have theirs by route.
func newServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       75 * time.Second, // longer than the 60 s of common proxies, so that they close first
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// lastAnswers is how long requests have for their answer once they were cancelled.
const lastAnswers = 2 * time.Second

// serveUntil serves listener until ctx ends; then it lets requests end for at most drain, cancels those that have not, so that they
// are answered with a 503, and closes what is left.
func serveUntil(ctx context.Context, server *http.Server, listener net.Listener, drain time.Duration) error {
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
func baseURL(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return "http://" + addr.String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}
