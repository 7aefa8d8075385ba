package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	pgxuuid "github.com/vgarvardt/pgx-google-uuid/v5"
	"golang.org/x/term"

	"jsruntime/engine"
	"jsruntime/engine/advisory"
	"jsruntime/engine/catalog"
	"jsruntime/engine/cluster"
	"jsruntime/engine/compile"
	"jsruntime/engine/host"
	"jsruntime/engine/ledger"
	"jsruntime/engine/logtail"
	"jsruntime/engine/storage"
	"jsruntime/httpapi"
	"jsruntime/httpapi/console"
	"jsruntime/httpapi/gateway"
	"jsruntime/httpapi/origin"
	"jsruntime/migrations/postgres"
	"jsruntime/scheduler"
	"jsruntime/scheduler/cron"
)

// serve runs a node until ctx ends or a part of it fails. Parts start in the order in which they need each other:
//
//	the listener's address → Postgres → catalog → ledger → host, engine → scheduler → listener
//
// and stop in the reverse order: the listener takes no further connection and its requests end, the scheduler claims no more and
// its executions end, the engine ends its workers, the ledger writes what it has, Postgres checkpoints.
func serve(ctx context.Context, cfg serveConfig, stdout, stderr io.Writer) (err error) {
	log := newLogger(cfg, stderr)
	// An id for each execution, but a system call for sixteen of them only. No id is a secret; keys are made of crypto/rand.
	uuid.EnableRandPool()
	nodeID, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("making a node id: %w", err)
	}
	log = log.With("node_id", nodeID)
	if err := closeDataDir(cfg.DataDir); err != nil {
		return fmt.Errorf("data-dir: %w", err)
	}
	begun := time.Now()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	memory, budget, err := nodeMemory(&cfg, cfg.DatabaseURL == "")
	if err != nil {
		return fmt.Errorf("memory-budget: %w", err)
	}
	parts, ctx := newStages(ctx, log)
	defer func() {
		if stopErr := parts.stop(); err == nil {
			err = stopErr
		}
		log.Info("stopped")
	}()

	bound, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return listenFailed("listen", cfg.Listen, err)
	}
	listener := limitConns(bound, memory.conns)
	parts.start("address", closingListener(listener))
	consoleListener := listener
	if cfg.ConsoleListen != "" {
		bound, err := net.Listen("tcp", cfg.ConsoleListen)
		if err != nil {
			return listenFailed("console-listen", cfg.ConsoleListen, err)
		}
		consoleListener = limitConns(bound, memory.conns)
		parts.start("console's address", closingListener(consoleListener))
	}

	worker, err := engine.Inspect(ctx, cfg.Worker, workerArgs(cfg.JIT), "", cron.Zones())
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	if len(worker.UnknownZones) > 0 {
		log.Info("V8 does not know all time zones; scripts cannot be scheduled in these", "zones", worker.UnknownZones, "tzdata_version", worker.TZData)
	}

	databaseURL := cfg.DatabaseURL
	embedded := databaseURL == ""
	if embedded {
		server, err := postgres.Start(ctx, postgres.Config{DataDir: cfg.DataDir, Binaries: cfg.PostgresBin, Log: log})
		if err != nil {
			return fmt.Errorf("database-url is not set, and a Postgres of the node's own cannot be: %w", err)
		}
		parts.start("postgres", server.Run)
		databaseURL = server.URL()
	}
	if err := awaitDatabase(ctx, databaseURL, log); err != nil {
		if ctx.Err() != nil {
			return cause(ctx)
		}
		return err
	}
	pool, err := openPool(ctx, databaseURL, "jsruntime", cmp.Or(cfg.DatabaseConns, max(12, 4*runtime.GOMAXPROCS(0))))
	if err != nil {
		return err
	}
	parts.start("pool", closing(pool))
	// Leases must not wait for a connection behind requests.
	leases, err := openPool(ctx, databaseURL, "jsruntime scheduler", 8)
	if err != nil {
		return err
	}
	parts.start("scheduler's pool", closing(leases))
	// Nor may requests wait behind scripts: a hundred of them may be in kv at one time, or behind somebody's lock on it.
	hostPool, err := openPool(ctx, databaseURL, "jsruntime host calls", hostConns)
	if err != nil {
		return err
	}
	parts.start("host calls' pool", closing(hostPool))

	keepSecret := cfg.secretKey
	if keepSecret == "" && embedded {
		if keepSecret, err = secretKey("", cfg.DataDir); err != nil {
			return err
		}
	}
	admins, adminMade, err := adminKeys(cfg.adminKey, cfg.DataDir)
	if err != nil {
		return err
	}
	cursors, err := cursorKey(ctx, pool)
	if err != nil {
		return err
	}
	metrics := newMetrics()
	traces, err := newTracing(ctx, cfg.OTLPEndpoint, cfg.OTLPSample, tracedNode(nodeID, version()), log)
	if err != nil {
		return err
	}
	parts.start("traces", traces.run)

	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	compiling := []string{self, "compile-child"}
	if cfg.Sandbox == "off" {
		compiling = append(compiling, "--sandbox=off")
	}
	compiler, err := compile.New(compile.Config{Command: compiling, Budget: budget})
	if err != nil {
		return fmt.Errorf("compiler: %w", err)
	}

	var tail *logtail.Hub
	library, err := catalog.New(catalog.Config{Pool: pool, Compile: compileRow(compiler), Log: log, Channels: map[string]func(string){
		logtail.ChannelLines:  func(payload string) { tail.Notified(logtail.ChannelLines, payload) },
		logtail.ChannelWanted: func(payload string) { tail.Notified(logtail.ChannelWanted, payload) },
	}})
	if err != nil {
		return fmt.Errorf("catalog: %w", err)
	}
	tenants := &tenantLimits{catalog: library}
	stored, err := storage.New(storage.Config{DB: pool, Quota: tenants.historyBytes, MaxHistoryBytes: cfg.MaxHistory, Log: log})
	if err != nil {
		return fmt.Errorf("storage: %w", err)
	}
	var machine *engine.Engine
	book, err := ledger.New(ledger.Config{
		Pool: pool, Storage: stored, NodeID: nodeID, Log: log, BufferBytes: int64(cfg.HistoryMiB) << 20,
		Long:   func(min time.Duration, see func(*engine.Invocation, *engine.Result)) { machine.Long(min, see) },
		Cancel: func(id uuid.UUID, cause error) bool { return machine.Cancel(id, cause) },
	})
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	secrets, err := host.NewSecrets(pool, keepSecret)
	if err != nil {
		return fmt.Errorf("JSRUNTIME_SECRET_KEY: %w", err)
	}
	var clock *scheduler.Scheduler
	members := new(cluster.Members)
	var executor engine.Executor
	services, err := host.New(host.Config{
		DB: hostPool, Storage: stored, MaxKVBytes: cfg.MaxKV, Log: log, Scripts: host.FromCatalog(library), Recorder: book,
		Execute: func(ctx context.Context, inv *engine.Invocation) (*engine.Result, error) {
			return executor.Execute(ctx, inv)
		},
		Members: members, Wake: func() { clock.Wake() },
		FetchAllow: cfg.FetchAllow, FetchDeny: cfg.FetchDeny, FetchRefuse: []string{listener.Addr().String(), consoleListener.Addr().String(), databaseHost(pool)},
	})
	if err != nil {
		return fmt.Errorf("host: %w", err)
	}
	calls := traces.host(services)
	quarantines := newQuarantines(leases, library, log)
	machine, err = engine.New(engine.Config{
		WorkerPath: cfg.Worker, WorkerArgs: workerArgs(cfg.JIT), Sandbox: cfg.Sandbox, MaxWorkers: cfg.Workers, MaxWarm: cfg.Warm, Spares: cfg.Spares,
		QueueWait: cfg.QueueWait, DrainGrace: time.Second, Members: members, TenantConcurrency: tenants.concurrency, TenantJIT: tenants.jit(cfg.JIT), Host: calls, Env: secrets.EnvJSON, MapStack: compile.MapStack,
		Secrets: secrets.Known,
		Budget:  budget, Observer: metrics, Quarantined: quarantines.begun, Logger: log,
	})
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	tail, err = logtail.New(logtail.Config{NodeID: nodeID, DB: pool, Log: log})
	if err != nil {
		return fmt.Errorf("log tail: %w", err)
	}
	queued := tail.Executor(traces.executor(machine))
	executor = &whileRoom{next: queued, full: book.Full, observer: metrics}
	clock, err = scheduler.New(scheduler.Config{
		Pool: leases, Executor: queued, Scripts: library, NodeID: nodeID, Version: version(), DrainTimeout: cfg.DrainTimeout,
		Retention: retention(cfg.HistoryDays), FailedRetention: shorter(cfg.FailedDays), LogRetention: shorter(cfg.LogDays),
		AuditRetention: retention(cfg.AuditDays), DeadLetterRetention: retention(cfg.DeadLetterDays), KeepVersions: cmp.Or(cfg.KeepVersions, -1),
		Storage: stored, MaxHistoryBytes: cfg.MaxHistory,
		Members: members, Able: machine.Able, Cancel: machine.Cancel, Full: machine.Full, Load: func() scheduler.Load { return nodeLoad(worker, machine.Stats(), book.Stats()) },
		Observer: schedulerMetrics{metrics: metrics}, Logger: log,
	})
	if err != nil {
		return fmt.Errorf("scheduler: %w", err)
	}
	library.OnChange(func(change catalog.Change) {
		if change.Table == "tenants" || change.Table == "script_secrets" {
			secrets.Forget(change.TenantID)
			machine.RetireTenant(change.TenantID)
		}
		endDeleted(ctx, library, machine, change)
	})
	library.OnChange(quarantines.follow(ctx, machine))
	metrics.watchEngine(machine.Stats)
	metrics.watchV8(worker)
	metrics.watchPool("main", pool)
	metrics.watchPool("scheduler", leases)
	metrics.watchPool("host_calls", hostPool)
	metrics.watchLedger(book.Stats)
	metrics.watchStorage(stored.Over)
	metrics.watchCatalog(library.LastRead)
	metrics.watchCompiler(compiler.Stats)
	metrics.watchTail(tail.DroppedLines)
	metrics.watchBudget(budget.Stats)
	metrics.watchConns(listener)

	keys, err := httpapi.NewKeys(httpapi.KeysConfig{DB: pool, AdminKeys: admins, Log: log})
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	metrics.watchGuesses(keys.Guesses)
	origins, err := origin.New(origin.Config{
		TenantDomains: cfg.TenantDomain, OperatorHosts: cfg.OperatorHost, Loopback: onLoopback(listener.Addr()), Proxies: cfg.TrustedProxy,
	})
	if err != nil {
		return fmt.Errorf("tenant-domain, operator-host: %w", err)
	}
	if err := origins.CheckSites(); err != nil {
		log.Warn("tenants' hosts share cookies", "error", err)
	}
	public, err := gateway.New(gateway.Config{
		Router: library, Executor: executor, Recorder: book, Keys: tenantKeys{keys: keys, proxies: cfg.TrustedProxy}, Log: log, TrustedProxies: cfg.TrustedProxy,
		Origins: origins, OperatorKey: keys.IsOperators, Budget: budget,
	})
	if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	var draining atomic.Bool
	metrics.watchReady(func() bool { return nodeReady(draining.Load(), machine.Able(), clock.Heartbeat(), time.Now()) })
	api, err := httpapi.New(httpapi.Config{
		Pool: pool, Keys: keys, TrustedProxies: cfg.TrustedProxy, RatePerMinute: cfg.APIRate, TenantRatePerMinute: cfg.APITenantRate, Compiler: compiler, Executor: executor, Catalog: library, Ledger: book, Cancel: machine, Sealer: secrets,
		Secrets: secrets.Read, Storage: stored, MaxScripts: int64(cfg.MaxScripts),
		Wake: clock.Wake, Refresh: library.Refresh, NextTicks: nextTicks(worker), CursorKey: cursors, Metrics: metricsOn(cfg, metrics), NodeID: nodeID, Version: version(), Engine: engineInfo(worker), Log: log,
		Layers: func() []string { return machine.Stats().Layers },
		Types:  []byte(engine.ScriptTypes()), Tail: tail, Ping: leases.Ping, Able: machine.Able, TraceParent: traces.queued(), Budget: budget,
		Ready: func(context.Context) error {
			if draining.Load() {
				return errStopping
			}
			return nil
		},
	})
	if err != nil {
		return fmt.Errorf("admin API: %w", err)
	}
	library.OnChange(func(change catalog.Change) { api.Forget(change.Table, change.TenantID) })
	router := httpapi.NewRouter(log)
	api.Mount(router)

	parts.start("catalog", library.Run)
	parts.start("storage", stored.Run)
	parts.start("ledger", book.Run)
	parts.start("host", services.Run)
	parts.start("quarantines", quarantines.run)
	parts.start("engine", machine.Run)
	parts.start("log tail", tail.Run)
	select {
	case <-library.Ready():
	case <-ctx.Done():
		return cause(ctx)
	}

	if cfg.MetricsListen != "" {
		second, err := net.Listen("tcp", cfg.MetricsListen)
		if err != nil {
			return fmt.Errorf("metrics-listen: %w", err)
		}
		server := newServer(debugHandler(metrics.handler(), cfg.Pprof), log)
		parts.start("metrics", func(ctx context.Context) error { return serveUntil(ctx, server, second, time.Second) })
	}
	source, err := certificates(&cfg, parts, pool, keepSecret, origins, library, log)
	if err != nil {
		return err
	}
	scheme := "http"
	if source != nil {
		scheme = "https"
	}
	newFront := func(f front, on *connLimit) *server {
		f.api, f.draining = router, &draining
		server := newServer(strictTransport(f.origins, metrics.requests.counting(f.origins, traces.handler(f.origins, &f))), log)
		on.follow(server)
		if source != nil {
			server.tls = source.TLS()
		}
		return server
	}
	everything := front{origins: origins, gateway: public, console: console.Handler()}
	if consoleListener != listener {
		// Tenants have their hosts on the other listener only.
		operators, err := origin.New(origin.Config{
			TenantDomains: cfg.TenantDomain, OperatorHosts: cfg.OperatorHost, Loopback: onLoopback(consoleListener.Addr()), Proxies: cfg.TrustedProxy,
		})
		if err != nil {
			return fmt.Errorf("operator-host: %w", err)
		}
		server := newFront(front{origins: operators, console: everything.console}, consoleListener)
		parts.beside("console's listener", func(ctx context.Context) error { return serveUntil(ctx, server, consoleListener, cfg.DrainTimeout) })
		everything.console = nil
	}
	server := newFront(everything, listener)
	if cfg.TLS.HTTPRedirectListen != "" {
		plain, err := net.Listen("tcp", cfg.TLS.HTTPRedirectListen)
		if err != nil {
			return fmt.Errorf("http-redirect-listen: %w", err)
		}
		redirect := newServer(source.Redirect(portOf(listener.Addr())), log)
		parts.start("redirect", func(ctx context.Context) error { return serveUntil(ctx, redirect, plain, time.Second) })
	}
	parts.start("scheduler", clock.Run)
	parts.beside("admin API", api.Run) // its end ends streams, for which a draining listener would wait
	parts.beside("listener", func(ctx context.Context) error {
		left, cancel := drainWithin(ctx, cfg.DrainTimeout)
		defer cancel()
		err := serveUntil(ctx, server, listener, cfg.DrainTimeout)
		machine.Settle(left, errStopping) // what went on after its answer has what is left of the time
		return err
	})
	base := baseURL(scheme, listener.Addr())
	log.Info("serving", "listen", listener.Addr().String(), "version", version(), "v8_version", worker.V8,
		"v8_age_days", advisory.AgeDays(worker.V8, time.Now()), "jit", worker.JIT, "took_ms", time.Since(begun).Milliseconds(),
		"memory_bytes", memory.machine, "heap_limit_bytes", memory.heap, "memory_budget_bytes", memory.budget, "max_connections", memory.conns)
	if adminMade {
		fmt.Fprintf(stdout, "The operator's key of this data directory, shown this once and kept in it as admin.key:\n\n  %s\n\n", admins[0])
	}
	operatorBase := baseURL(scheme, consoleListener.Addr())
	if cfg.Demo {
		if err := demo(ctx, router, admins[0], cfg.DataDir, base, operatorBase, stdout); err != nil && ctx.Err() == nil {
			return err
		}
	}
	if err := printConsole(ctx, router, admins[0], operatorBase, cfg, stdout); err != nil && ctx.Err() == nil {
		return err
	}

	<-ctx.Done()
	draining.Store(true)
	log.Info("draining", "cause", context.Cause(ctx).Error())
	if cfg.DrainDelay > 0 {
		time.Sleep(cfg.DrainDelay)
	}
	return cause(ctx)
}

// workerArgs are the worker's arguments for a level of compilation.
func workerArgs(jit string) []string { return []string{"--jit=" + jit} }

// cause is why ctx ended, nil where somebody asked for it.
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

// hostConns is how many connections kv and events have: at half a millisecond a statement, for more than processors can ask for.
const hostConns = 8

// openPool opens connections. It does not wait for the first.
func openPool(ctx context.Context, databaseURL, name string, conns int) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		return nil, errDatabaseURL
	}
	cfg.MaxConns = int32(conns)
	cfg.MaxConnIdleTime = 5 * time.Minute
	cfg.MaxConnLifetime = time.Hour
	cfg.MaxConnLifetimeJitter = 5 * time.Minute
	if cfg.ConnConfig.RuntimeParams["application_name"] == "" {
		cfg.ConnConfig.RuntimeParams["application_name"] = name
	}
	// Without this pgx takes a uuid.UUID for a driver.Valuer: an error, a string and a parse for each.
	cfg.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		pgxuuid.Register(conn.TypeMap())
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	return pool, nil
}

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

// databaseHost is the database's address, which scripts may not fetch.
func databaseHost(pool *pgxpool.Pool) string {
	c := pool.Config().ConnConfig
	return net.JoinHostPort(c.Host, fmt.Sprint(c.Port))
}
