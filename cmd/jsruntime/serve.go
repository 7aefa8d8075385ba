//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/term"

	"example.com/jsruntime/httpapi/certs"
	"example.com/jsruntime/httpapi/console"
	"example.com/jsruntime/httpapi/origin"
	"example.com/jsruntime/migrations/connect"
)

// address takes an address, and closes its listener when everything that uses it has stopped.
func (n *node) address(flag, address string) (*connLimit, error) {
	bound, err := net.Listen("tcp", address)
	if err != nil {
		return nil, listenFailed(flag, address, err)
	}
	return n.limited(flag, bound), nil
}

// limited is a listener with the node's limit of connections, closed when everything that uses it has stopped.
func (n *node) limited(flag string, bound net.Listener) *connLimit {
	listener := limitConns(bound, n.memory.conns)
	n.stages.start(flag, closingListener(listener))
	return listener
}

// originsAt says which hosts are whose at a listener.
func (n *node) originsAt(listener net.Listener) (*origin.Map, error) {
	return origin.New(origin.Config{
		TenantDomains: n.cfg.TenantDomain, OperatorHosts: n.cfg.OperatorHost, Loopback: onLoopback(listener.Addr()), Proxies: n.cfg.TrustedProxy,
		Custom: n.catalog.HostTenant,
	})
}

// checkHost is httpapi.Config.CheckHost.
func (n *node) checkHost(name string) error { return n.origins.CheckCustom(name) }

// serveMetrics serves the metrics at their own address, where they have one.
func (n *node) serveMetrics(context.Context) error {
	if n.cfg.MetricsListen == "" {
		return nil
	}
	listener, err := net.Listen("tcp", n.cfg.MetricsListen)
	if err != nil {
		return listenFailed("metrics-listen", n.cfg.MetricsListen, err)
	}
	server := newServer(debugHandler(n.metrics.handler(), n.cfg.Pprof), n.log)
	n.stages.start("metrics", func(ctx context.Context) error { return serveUntil(ctx, server, listener, time.Second) })
	return nil
}

// serveRequests starts the scheduler and the listeners, which stop together.
func (n *node) serveRequests(context.Context) error {
	source, err := n.certificates()
	if err != nil {
		return err
	}
	everything := front{origins: n.origins, gateway: n.gateway, console: console.Handler()}
	if n.operators != n.public {
		// Tenants have their hosts on the other listener only.
		operators, err := n.originsAt(n.operators)
		if err != nil {
			return fmt.Errorf("operator-host: %w", err)
		}
		server := n.newFront(front{origins: operators, console: everything.console}, n.operators, source)
		n.stages.beside("console's listener", func(ctx context.Context) error {
			return serveUntil(ctx, server, n.operators, n.cfg.DrainTimeout)
		})
		everything.console = nil
	}
	server := n.newFront(everything, n.public, source)
	if n.cfg.TLS.HTTPRedirectListen != "" {
		plain, err := net.Listen("tcp", n.cfg.TLS.HTTPRedirectListen)
		if err != nil {
			return listenFailed("http-redirect-listen", n.cfg.TLS.HTTPRedirectListen, err)
		}
		redirect := newServer(source.Redirect(portOf(n.public.Addr())), n.log)
		n.stages.start("redirect", func(ctx context.Context) error { return serveUntil(ctx, redirect, plain, time.Second) })
	}
	n.stages.start("heartbeat", n.member.Run)
	n.stages.start("scheduler", n.scheduler.Run)
	n.stages.beside("admin API", n.api.Run) // its end ends streams, for which a draining listener would wait
	n.stages.beside("listener", func(ctx context.Context) error {
		left, cancel := drainWithin(ctx, n.cfg.DrainTimeout)
		defer cancel()
		err := serveUntil(ctx, server, n.public, n.cfg.DrainTimeout)
		n.engine.Settle(left, errStopping) // what went on after its answer has what is left of the time
		return err
	})
	return nil
}

// newFront returns the server of a listener. source is nil without TLS.
func (n *node) newFront(f front, on *connLimit, source *certs.Source) *server {
	f.api, f.draining = n.router, &n.draining
	server := newServerOf(n.cfg.H2C, n.metrics.requests.counting(f.origins, strictTransport(f.origins, n.traces.handler(f.origins, &f))), n.log)
	on.follow(server)
	switch {
	case source != nil:
		server.tls = source.TLS()
	case f.gateway != nil && n.cfg.LeanHTTP:
		if err := server.serveEndpoints(f.origins); err != nil {
			panic(err) // its handler is there
		}
	}
	return server
}

// workerArgs are the worker's arguments for a level of compilation.
func workerArgs(jit string) []string { return []string{"--jit=" + jit} }

// cause is why ctx ended, nil where the stop was requested (a plain cancel).
func cause(ctx context.Context) error {
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// gcPercent lets the heap grow to five times what lives: a node's is 10 MiB, so that is 20 MiB more memory for a fifth of the
// collections.
const gcPercent = 400

func newLogger(cfg serveConfig, stderr io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.LogLevel)) // one of an enum
	options := &slog.HandlerOptions{Level: level}
	if cfg.LogFormat == "text" || cfg.LogFormat == "auto" && isTerminal(stderr) {
		return slog.New(limitLog(slog.NewTextHandler(stderr, options), time.Now))
	}
	return slog.New(limitLog(slog.NewJSONHandler(stderr, options), time.Now))
}

// isTerminal reports whether a person reads what is written.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// listenFailed says what to do about an address that is taken.
func listenFailed(flag, address string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%[1]s: %[2]s is taken by another program, or another node: choose another address with --%[1]s (%[3]s)", flag, address, variable(flag))
	}
	return fmt.Errorf("%s: %w", flag, err)
}

// schedulerConns is how many connections claims, leases and endings have.
const schedulerConns = 8

// hostConns is how many connections kv and events have: at half a millisecond a statement, for more than processors can ask for.
const hostConns = 8

func closingListener(listener net.Listener) func(context.Context) error {
	return func(ctx context.Context) error {
		<-ctx.Done()
		listener.Close() // closed already, unless the start failed
		return nil
	}
}

func closing(pool *pgxpool.Pool) func(context.Context) error {
	return func(ctx context.Context) error {
		<-ctx.Done()
		pool.Close()
		return nil
	}
}

// databaseHosts are the addresses of the database's servers, which scripts may not fetch.
func databaseHosts(pools ...*pgxpool.Pool) (hosts []string) {
	for _, pool := range pools {
		if pool != nil {
			hosts = append(hosts, connect.Hosts(pool.Config().ConnConfig)...)
		}
	}
	return hosts
}
