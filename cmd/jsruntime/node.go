//go:build linux

package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/engine/advisory"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/cluster"
	"example.com/jsruntime/engine/compare"
	"example.com/jsruntime/engine/compile"
	"example.com/jsruntime/engine/host"
	"example.com/jsruntime/engine/keyring"
	"example.com/jsruntime/engine/kv"
	"example.com/jsruntime/engine/ledger"
	"example.com/jsruntime/engine/logtail"
	"example.com/jsruntime/engine/quota"
	"example.com/jsruntime/engine/rawnet"
	"example.com/jsruntime/engine/redact"
	"example.com/jsruntime/engine/rekey"
	"example.com/jsruntime/engine/storage"
	"example.com/jsruntime/engine/webhook"
	"example.com/jsruntime/httpapi"
	"example.com/jsruntime/httpapi/gateway"
	"example.com/jsruntime/httpapi/gateway/auth"
	"example.com/jsruntime/httpapi/gateway/durable"
	"example.com/jsruntime/httpapi/origin"
	"example.com/jsruntime/migrations/connect"
	"example.com/jsruntime/migrations/postgres"
	"example.com/jsruntime/scheduler"
	"example.com/jsruntime/scheduler/cron"
)

// node is one jsruntime process. Its parts are made by the build steps, in the order in which they need each other, and started
// afterwards:
//
//	the listener's address → Postgres → catalog → ledger → host, engine → scheduler → listener
//
// They stop in the reverse order: the listener takes no further connection and its requests end, the scheduler claims no more and its
// executions end, the engine ends its workers, the ledger writes what it has, Postgres checkpoints.
//
// A part that calls one which is made after it (a script that calls another one goes from host to engine and back) does so through a
// method of node: no script runs before every part is made.
type node struct {
	cfg     serveConfig
	id      uuid.UUID
	log     *slog.Logger
	stdout  io.Writer
	begun   time.Time
	stages  *stages
	metrics *metrics
	traces  *tracing

	memory    memoryPlan
	budget    *admission.Budget
	public    *connLimit
	operators *connLimit // public, unless the console has an address of its own
	worker    *engine.WorkerInfo

	embedded bool          // Postgres is the node's own
	db       *pgxpool.Pool // of requests and of everything that has no pool of its own
	leases   *pgxpool.Pool // of the scheduler: a lease must not wait for a connection behind requests
	reads    *pgxpool.Pool // of lists, to a read replica; nil: there is none
	replica  *httpapi.Replica
	hostDB   *pgxpool.Pool // of scripts: a hundred of them may be in kv at one time, and requests must not wait behind these

	admins        []string      // the operator's keys
	adminMade     bool          // the first of them was made by this start
	ring          *keyring.Ring // encrypts tenants' secrets; may be empty
	cursorKey     []byte        // signs the cursors of lists
	compiler      *compile.Compiler
	tail          *logtail.Hub
	notifications *cluster.Listener
	catalog       *catalog.Catalog
	tenants       *tenantLimits
	storage       *storage.Meter
	quota         *quota.Meter
	kv            *kv.Quota
	ledger        *ledger.Ledger
	secrets       *host.Secrets
	members       *cluster.Members
	member        *cluster.Node // the node's row
	host          *host.Host
	quarantines   *quarantines
	webhooks      *webhook.Dispatcher
	engine        *engine.Engine
	queued        engine.Executor // runs what the scheduler claimed
	comparer      *compare.Comparer
	direct        engine.Executor // runs requests: it refuses them while the ledger is full
	scheduler     *scheduler.Scheduler

	keys     *httpapi.Keys
	origins  *origin.Map
	gateway  http.Handler
	api      *httpapi.API
	router   http.Handler
	draining atomic.Bool
}

// serve runs a node until ctx ends or a part of it fails.
func serve(ctx context.Context, cfg serveConfig, stdout, stderr io.Writer) (err error) {
	n := &node{cfg: cfg, stdout: stdout, begun: time.Now(), metrics: newMetrics(), members: new(cluster.Members)}
	// An id for each execution, but a system call for sixteen of them only. No id is a secret; keys are made of crypto/rand.
	uuid.EnableRandPool()
	if n.id, err = uuid.NewV7(); err != nil {
		return fmt.Errorf("making a node id: %w", err)
	}
	n.log = newLogger(cfg, stderr).With("node_id", n.id)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if err := n.reserve(); err != nil {
		return err
	}
	n.stages, ctx = newStages(ctx, n.log)
	defer func() {
		if stopErr := n.stages.stop(); err == nil {
			err = stopErr
		}
		n.log.Info("stopped")
	}()
	for _, step := range []func(context.Context) error{
		n.listen, n.inspect, n.connect, n.readKeys, n.buildCompiler,
		n.buildCatalog, n.buildHistory, n.buildEngine, n.buildScheduler, n.buildAPI, n.buildGateway,
		n.startParts, n.serveMetrics, n.serveRequests, n.welcome,
	} {
		if err := step(ctx); err != nil {
			if ctx.Err() != nil {
				return cause(ctx)
			}
			return err
		}
	}
	<-ctx.Done()
	n.draining.Store(true)
	n.log.Info("draining", "cause", context.Cause(ctx).Error())
	if cfg.DrainDelay > 0 {
		time.Sleep(cfg.DrainDelay)
	}
	return cause(ctx)
}

// reserve takes the data directory and divides the memory.
func (n *node) reserve() (err error) {
	if err := closeDataDir(n.cfg.DataDir); err != nil {
		return fmt.Errorf("data-dir: %w", err)
	}
	n.embedded = n.cfg.DatabaseURL == ""
	if n.memory, n.budget, err = nodeMemory(&n.cfg, n.embedded); err != nil {
		return fmt.Errorf("memory-budget: %w", err)
	}
	n.metrics.watchBudget(n.budget.Stats)
	return nil
}

// listen takes the addresses, before anything that takes long: that one is taken is said at once.
func (n *node) listen(context.Context) (err error) {
	if n.cfg.listener != nil {
		n.public = n.limited("listen", n.cfg.listener)
	} else if n.public, err = n.address("listen", n.cfg.Listen); err != nil {
		return err
	}
	n.metrics.watchConns(n.public)
	n.operators = n.public
	if n.cfg.ConsoleListen != "" {
		n.operators, err = n.address("console-listen", n.cfg.ConsoleListen)
	}
	return err
}

// inspect starts a worker once, to learn what it runs scripts with.
func (n *node) inspect(ctx context.Context) (err error) {
	if n.worker, err = engine.Inspect(ctx, n.cfg.Worker, workerArgs(n.cfg.JIT), "", cron.Zones()); err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	if len(n.worker.UnknownZones) > 0 {
		n.log.Info("V8 does not know all time zones; scripts cannot be scheduled in these", "zones", n.worker.UnknownZones, "tzdata_version", n.worker.TZData)
	}
	n.metrics.watchV8(n.worker)
	return nil
}

// connect opens the pools of connections, to a Postgres of the node's own where no other one is named.
func (n *node) connect(ctx context.Context) (err error) {
	databaseURL := n.cfg.DatabaseURL
	if n.embedded {
		server, err := postgres.Start(ctx, postgres.Config{DataDir: n.cfg.DataDir, Binaries: n.cfg.PostgresBin, Log: n.log})
		if err != nil {
			return fmt.Errorf("database-url is not set, and a Postgres of the node's own cannot be: %w", err)
		}
		n.stages.start("postgres", server.Run)
		databaseURL = server.URL()
	}
	if err := awaitDatabase(ctx, databaseURL, n.log); err != nil {
		return err
	}
	for _, pool := range []struct {
		to     **pgxpool.Pool
		metric string
		name   string
		conns  int
	}{
		{&n.db, "main", "jsruntime", cmp.Or(n.cfg.DatabaseConns, max(12, 4*runtime.GOMAXPROCS(0)))},
		{&n.leases, "scheduler", "jsruntime scheduler", schedulerConns},
		{&n.hostDB, "host_calls", "jsruntime host calls", hostConns},
	} {
		if *pool.to, err = connect.Open(ctx, connect.Pool{URL: databaseURL, Name: pool.name, Conns: pool.conns, Wrap: rawnet.Wrap, Log: n.log}); err != nil {
			return fmt.Errorf("database-url: %w", err)
		}
		n.stages.start(pool.name, closing(*pool.to))
		n.metrics.watchPool(pool.metric, *pool.to)
	}
	return n.connectReplica(ctx)
}

// connectReplica opens the pool to a read replica, where one is named. Whether it is there is found out while the node serves.
func (n *node) connectReplica(ctx context.Context) (err error) {
	if n.cfg.ReadURL == "" {
		return nil
	}
	n.reads, err = connect.Open(ctx, connect.Pool{
		URL: n.cfg.ReadURL, Use: connect.ReadOnly, Name: "jsruntime reads", Conns: max(4, 2*runtime.GOMAXPROCS(0)), Wrap: rawnet.Wrap, Log: n.log,
	})
	if err != nil {
		return fmt.Errorf("read-database-url: %w", err)
	}
	if n.replica, err = httpapi.NewReplica(n.reads, n.log); err != nil {
		return fmt.Errorf("read replica: %w", err)
	}
	n.stages.start("jsruntime reads", closing(n.reads))
	n.stages.start("read replica", n.replica.Run)
	n.metrics.watchPool("reads", n.reads)
	n.metrics.watchReplica(n.replica.Stats)
	return nil
}

// readKeys reads the node's own keys. Beside an embedded Postgres it makes the missing keys.
func (n *node) readKeys(ctx context.Context) (err error) {
	current := n.cfg.secretKey
	if current == "" && n.embedded {
		if current, err = secretKey("", n.cfg.DataDir); err != nil {
			return err
		}
	}
	if n.ring, err = keyring.Parse(current, n.cfg.oldSecretKey); err != nil {
		return err
	}
	if n.admins, n.adminMade, err = adminKeys(n.cfg.adminKey, n.cfg.DataDir); err != nil {
		return err
	}
	if n.cursorKey, err = cursorKey(ctx, n.db); err != nil {
		return err
	}
	if n.traces, err = newTracing(ctx, n.cfg.OTLPEndpoint, n.cfg.OTLPSample, tracedNode(n.id, version()), n.log); err != nil {
		return err
	}
	n.stages.start("traces", n.traces.run)
	return nil
}

func (n *node) buildCompiler(context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	command := []string{self, "compile-child"}
	if n.cfg.Sandbox == "off" {
		command = append(command, "--sandbox=off")
	}
	if n.compiler, err = compile.New(compile.Config{Command: command, Budget: n.budget}); err != nil {
		return fmt.Errorf("compiler: %w", err)
	}
	n.metrics.watchCompiler(n.compiler.Stats)
	return nil
}

func (n *node) buildCatalog(context.Context) (err error) {
	if n.tail, err = logtail.New(logtail.Config{NodeID: n.id, DB: n.db, Running: n.runningExecutions, Secrets: n.knownSecrets, Log: n.log}); err != nil {
		return fmt.Errorf("log tail: %w", err)
	}
	if n.notifications, err = cluster.NewListener(n.db, n.log); err != nil {
		return fmt.Errorf("notifications: %w", err)
	}
	for _, channel := range []string{logtail.ChannelLines, logtail.ChannelWanted} {
		n.notifications.Subscribe(channel, func(payload string) { n.tail.Notified(channel, payload) })
	}
	n.catalog, err = catalog.New(catalog.Config{Pool: n.db, Listener: n.notifications, Bounds: n.cfg.bounds, Compile: compileRow(n.compiler), Log: n.log})
	if err != nil {
		return fmt.Errorf("catalog: %w", err)
	}
	n.tenants = &tenantLimits{catalog: n.catalog}
	n.metrics.watchTail(n.tail.DroppedLines)
	n.metrics.watchCatalog(n.catalog.LastRead)
	return nil
}

func (n *node) buildHistory(context.Context) (err error) {
	if n.storage, err = storage.New(storage.Config{DB: n.db, Quota: n.tenants.historyBytes, MaxHistoryBytes: n.cfg.MaxHistory, Log: n.log}); err != nil {
		return fmt.Errorf("storage: %w", err)
	}
	n.quota, err = quota.New(quota.Config{DB: n.db, Quotas: n.tenants.quotas, Notify: n.quotaPassed, Observer: n.metrics, Log: n.log})
	if err != nil {
		return fmt.Errorf("quota: %w", err)
	}
	n.ledger, err = ledger.New(ledger.Config{
		Pool: n.db, Storage: n.storage, Quota: n.quota, NodeID: n.id, Log: n.log, BufferBytes: int64(n.cfg.HistoryMiB) << 20,
		Long: n.longExecutions, Cancel: n.cancelExecution,
	})
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	n.metrics.watchLedger(n.ledger.Stats)
	n.metrics.watchStorage(n.storage.Over)
	n.metrics.watchQuota(n.quota.Over)
	return nil
}

// longExecutions is ledger.Config.Long.
func (n *node) longExecutions(min time.Duration, see func(*engine.Invocation, *engine.Result)) {
	n.engine.Long(min, see)
}

// runningExecutions is logtail.Config.Running.
func (n *node) runningExecutions(min time.Duration, see func(*engine.Invocation, *engine.Result)) {
	n.engine.Running(min, see)
}

// knownSecrets is logtail.Config.Secrets.
func (n *node) knownSecrets(tenantID uuid.UUID) *redact.Values { return n.secrets.Known(tenantID) }

// cancelExecution is ledger.Config.Cancel.
func (n *node) cancelExecution(id uuid.UUID, cause error) bool { return n.engine.Cancel(id, cause) }

// execute is host.Config.Execute: a script calls another one.
func (n *node) execute(ctx context.Context, inv *engine.Invocation) (*engine.Result, error) {
	return n.direct.Execute(ctx, inv)
}

// wakeScheduler is host.Config.Wake: a script has published an event.
func (n *node) wakeScheduler() { n.scheduler.Wake() }

func (n *node) buildEngine(context.Context) (err error) {
	n.secrets = host.NewSecrets(n.db, n.ring)
	n.kv = kv.NewQuota(kv.Config{MaxBytes: n.cfg.MaxKV})
	n.host, err = host.New(host.Config{
		DB: n.hostDB, Storage: n.storage, KV: n.kv, Log: n.log, Scripts: host.FromCatalog(n.catalog), Recorder: n.ledger,
		Execute: n.execute, Members: n.members, Wake: n.wakeScheduler, FetchAllow: n.cfg.FetchAllow, FetchDeny: n.cfg.FetchDeny, Secrets: n.secrets,
		FetchRefuse: append(databaseHosts(n.db, n.reads), n.public.Addr().String(), n.operators.Addr().String()),
	})
	if err != nil {
		return fmt.Errorf("host: %w", err)
	}
	n.webhooks, err = webhook.New(webhook.Config{DB: n.leases, Post: n.host.Post, Open: n.secrets.Open, Log: n.log})
	if err != nil {
		return fmt.Errorf("webhooks: %w", err)
	}
	n.metrics.watchWebhooks(n.webhooks.Stats)
	n.notifications.Subscribe("jsruntime_webhooks", func(string) { n.webhooks.Wake() })
	n.quarantines = newQuarantines(n.leases, n.catalog, n.log)
	n.engine, err = engine.New(engine.Config{
		MaxMemoryCeiling: n.cfg.bounds.Ceiling.MaxMemoryBytes,
		WorkerPath:       n.cfg.Worker, WorkerArgs: workerArgs(n.cfg.JIT), Sandbox: n.cfg.Sandbox,
		MaxWorkers: n.cfg.Workers, MaxWarm: n.cfg.Warm, Spares: n.cfg.Spares, QueueWait: n.cfg.QueueWait, DrainGrace: time.Second,
		Members: n.members, TenantConcurrency: n.tenants.concurrency, TenantWeight: n.tenants.weight, TenantJIT: n.tenants.jit(n.cfg.JIT),
		Host: n.traces.host(n.host), Env: n.secrets.Env, Secrets: n.secrets.Known,
		Budget: n.budget, Observer: n.metrics, Quarantined: n.quarantines.begun, Logger: n.log,
	})
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	traced := n.traces.executor(n.engine)
	n.queued = n.tail.Executor(n.quota.Executor(traced))
	room := &whileRoom{next: n.quota.Executor(traced), full: n.ledger.Full, observer: n.metrics}
	n.direct = n.tail.Executor(room)
	n.metrics.watchEngine(n.engine.Stats)
	n.comparer, err = compare.New(compare.Config{
		Pool: n.db, NodeID: n.id, Executor: room, Recorder: n.ledger, Script: n.catalog.Script, Secrets: n.secrets.Known, Full: n.engine.Full, Log: n.log,
		Apart: func(fetch host.Fetcher) engine.Host { return n.traces.host(n.host.Apart(fetch)) },
	})
	if err != nil {
		return fmt.Errorf("comparisons: %w", err)
	}
	return nil
}

func (n *node) buildScheduler(context.Context) (err error) {
	n.member, err = cluster.New(cluster.Config{
		DB: n.leases, ID: n.id, Version: version(), Members: n.members, Able: n.engine.Able, Load: n.load, Counted: n.metrics.nodesCounted, Log: n.log,
	})
	if err != nil {
		return fmt.Errorf("node: %w", err)
	}
	n.scheduler, err = scheduler.New(scheduler.Config{
		Pool: n.leases, Executor: n.queued, Scripts: n.catalog, Node: n.member, Listener: n.notifications, Bounds: n.cfg.bounds, DrainTimeout: n.cfg.DrainTimeout,
		Retention: retention(n.cfg.HistoryDays), FailedRetention: shorter(n.cfg.FailedDays), LogRetention: shorter(n.cfg.LogDays),
		AuditRetention: retention(n.cfg.AuditDays), DeadLetterRetention: retention(n.cfg.DeadLetterDays),
		KeepVersions: cmp.Or(n.cfg.KeepVersions, -1), Storage: n.storage, Quota: n.quota, MaxHistoryBytes: n.cfg.MaxHistory,
		Cancel: n.engine.Cancel, Full: n.engine.Full,
		Observer: schedulerMetrics{metrics: n.metrics}, Logger: n.log,
	})
	if err != nil {
		return fmt.Errorf("scheduler: %w", err)
	}
	n.metrics.watchReady(func() bool {
		return nodeReady(n.draining.Load(), n.engine.Able(), n.member.Heartbeat(), time.Now())
	})
	return nil
}

// load is cluster.Config.Load.
func (n *node) load() any {
	load := nodeLoad(n.worker, n.engine.Stats(), n.ledger.Stats())
	load.SecretKeys = n.ring.IDs()
	load.Running, load.Concurrency = n.scheduler.Running(), n.scheduler.Concurrency()
	return load
}

func (n *node) buildAPI(context.Context) (err error) {
	if n.keys, err = httpapi.NewKeys(httpapi.KeysConfig{DB: n.db, AdminKeys: n.admins, Log: n.log}); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	n.metrics.watchGuesses(n.keys.Guesses)
	n.api, err = httpapi.New(httpapi.Config{
		Pool: n.db, Replica: n.replica, Keys: n.keys, TrustedProxies: n.cfg.TrustedProxy, RatePerMinute: n.cfg.APIRate, TenantRatePerMinute: n.cfg.APITenantRate,
		Compiler: n.compiler, Executor: n.direct, Catalog: n.catalog, Ledger: n.ledger, Cancel: n.engine, Compare: n.comparer,
		Sealer: n.secrets, Rekey: n.rekey, SecretKeys: n.ring.IDs(), Secrets: n.secrets.Read, Storage: n.storage, KV: n.kv, MaxScripts: int64(n.cfg.MaxScripts), Bounds: n.cfg.bounds,
		MayFetchPlain: n.host.MayFetchPlain, CheckHost: n.checkHost, WakeWebhooks: n.webhooks.Wake, TryLoad: tryLoad(n.engine, n.catalog), Wake: n.scheduler.Wake, Refresh: n.catalog.Refresh, NextTicks: nextTicks(n.worker), Flags: nodeFlags(), CursorKey: n.cursorKey,
		Metrics: metricsOn(n.cfg, n.metrics), NodeID: n.id, Version: version(), Engine: engineInfo(n.worker), Log: n.log,
		Layers: func() []string { return n.engine.Stats().Layers }, Types: []byte(engine.ScriptTypes()), Tail: n.tail,
		Ping: n.databaseWrites, Able: n.engine.Able, TraceParent: n.traces.queued(), Budget: n.budget, Ready: n.ready,
	})
	if err != nil {
		return fmt.Errorf("admin API: %w", err)
	}
	router := httpapi.NewRouter(n.log)
	n.api.Mount(router)
	n.router = router
	return nil
}

// rekey is httpapi.Config.Rekey.
func (n *node) rekey(ctx context.Context) (rewritten, unreadable int64, err error) {
	r, err := rekey.Run(ctx, n.db, n.ring)
	n.log.InfoContext(ctx, "secrets are encrypted with the newest key", "rows", r.Rewritten, "refused", r.Unreadable, "error", err)
	return r.Rewritten, r.Unreadable, err
}

// databaseWrites is httpapi.Config.Ping: a database that only reads is no use to a node.
func (n *node) databaseWrites(ctx context.Context) error { return connect.Writable(ctx, n.leases) }

// ready is httpapi.Config.Ready.
func (n *node) ready(context.Context) error {
	if n.draining.Load() {
		return errStopping
	}
	return nil
}

func (n *node) buildGateway(ctx context.Context) (err error) {
	if n.origins, err = n.originsAt(n.public); err != nil {
		return fmt.Errorf("tenant-domain, operator-host: %w", err)
	}
	if err := n.origins.CheckSites(); err != nil {
		n.log.Warn("tenants' hosts share cookies", "error", err)
	}
	verifier, err := auth.New(n.endpointAuth())
	if err != nil {
		return fmt.Errorf("endpoint auth: %w", err)
	}
	kept, err := durable.New(durable.Config{
		DB: n.db, Storage: n.storage, NodeID: n.id, Exceeded: n.quota.Refused, Secrets: n.knownSecrets, TraceParent: n.traces.queued(), Wake: n.wakeScheduler,
	})
	if err != nil {
		return fmt.Errorf("kept answers: %w", err)
	}
	n.gateway, err = gateway.New(gateway.Config{
		Router: n.catalog, Executor: n.direct, Recorder: n.ledger, Keys: tenantKeys{keys: n.keys, proxies: n.cfg.TrustedProxy}, Auth: verifier,
		Log: n.log, TrustedProxies: n.cfg.TrustedProxy, Origins: n.origins, OperatorKey: n.keys.IsOperators, Budget: n.budget,
		Members: n.members, Refused: n.ledger.Refused, Durable: kept,
	})
	if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	return nil
}

// startParts starts what has no listener, and waits for the catalog.
func (n *node) startParts(ctx context.Context) error {
	n.catalog.OnChange(func(change catalog.Change) {
		if change.Table == "tenants" || change.Table == "script_secrets" || change.Table == "script_vars" {
			n.secrets.Forget(change.TenantID)
			n.engine.RetireTenant(change.TenantID)
		}
		if change.Table == "tenants" || change.Table == "" {
			n.quota.Changed(change.TenantID)
		}
		endDeleted(ctx, n.catalog, n.engine, change)
		n.api.Forget(change.Table, change.TenantID)
	})
	n.catalog.OnChange(n.quarantines.follow(ctx, n.engine))
	n.stages.start("notifications", n.notifications.Run)
	n.stages.start("catalog", n.catalog.Run)
	n.stages.start("storage", n.storage.Run)
	n.stages.start("ledger", n.ledger.Run)
	n.stages.start("host", n.host.Run)
	n.stages.start("quarantines", n.quarantines.run)
	n.stages.start("webhooks", n.webhooks.Run)
	n.stages.start("engine", n.engine.Run)
	n.stages.start("comparisons", n.comparer.Run)
	n.stages.start("log tail", n.tail.Run)
	select {
	case <-n.catalog.Ready():
		if err := n.quota.Load(ctx); err != nil {
			n.log.Warn("quotas not read, they are when their tenants are asked about", "error", err)
		}
		n.stages.start("quota", n.quota.Run)
		return nil
	case <-ctx.Done():
		return cause(ctx)
	}
}

// welcome says on the log that the node serves, and on stdout what a person does next.
func (n *node) welcome(ctx context.Context) error {
	base, operatorBase := baseURL(n.cfg.TLS.scheme(), n.public.Addr()), baseURL(n.cfg.TLS.scheme(), n.operators.Addr())
	n.log.Info("serving", "listen", n.public.Addr().String(), "version", version(), "v8_version", n.worker.V8,
		"v8_age_days", advisory.AgeDays(n.worker.V8, time.Now()), "jit", n.worker.JIT, "took_ms", time.Since(n.begun).Milliseconds(),
		"memory_bytes", n.memory.machine, "heap_limit_bytes", n.memory.heap, "memory_budget_bytes", n.memory.budget, "max_connections", n.memory.conns)
	if n.cfg.serving != nil {
		return n.cfg.serving(ctx, n)
	}
	if n.adminMade {
		fmt.Fprintf(n.stdout, "The operator's key of this data directory, shown this once and kept in it as admin.key:\n\n  %s\n\n", n.admins[0])
	}
	if n.cfg.Demo {
		if err := demo(ctx, n.router, n.admins[0], n.cfg.DataDir, base, operatorBase, n.stdout); err != nil {
			return err
		}
	}
	link, err := printConsole(ctx, n.router, n.admins[0], operatorBase, n.cfg, n.stdout)
	if err == nil && link != "" && n.cfg.OpenConsole && n.cfg.opener.person {
		n.stages.beside("browser", func(ctx context.Context) error {
			n.cfg.opener.open(ctx, n.cfg.DataDir, link, n.stdout)
			return nil
		})
	}
	return err
}
