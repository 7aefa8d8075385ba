package httpapi

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/admission"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/compile"
	"example.com/jsruntime/engine/host"
	"example.com/jsruntime/engine/kv"
	"example.com/jsruntime/engine/redact"
	"example.com/jsruntime/engine/storage"
	"example.com/jsruntime/httpapi/bodies"
	"example.com/jsruntime/httpapi/docs"
	"example.com/jsruntime/httpapi/forwarded"
	"example.com/jsruntime/sqlc"
)

// Compiler turns sources into what workers run.
type Compiler interface {
	// Compile returns a *compile.Error for a source that its author has to mend.
	Compile(ctx context.Context, in compile.Input) (*compile.Output, error)
}

// Catalog is the node's memory of scripts.
type Catalog interface {
	// Script gives a version, ready to run.
	Script(ctx context.Context, tenantID, scriptID uuid.UUID, version int) (*engine.Script, error)
	// HeadByName gives what is known of a script beside its source.
	HeadByName(ctx context.Context, tenantID uuid.UUID, name string) (*catalog.Head, error)
	// Tenant gives a tenant with its plan, or catalog.ErrTenantUnknown.
	Tenant(id uuid.UUID) (catalog.Tenant, error)
}

// Ledger writes executions down.
type Ledger interface {
	Record(ctx context.Context, inv *engine.Invocation, res *engine.Result) error
	// Flush returns when everything that was recorded before is on record.
	Flush(ctx context.Context) error
	// Refused counts a request to a script that was refused before anything ran, and FlushRefusals writes the counts.
	Refused(tenantID, scriptID uuid.UUID, code string)
	FlushRefusals(ctx context.Context) error
}

// Canceller ends executions that run on this node.
type Canceller interface {
	// Cancel ends the execution if it runs here, with the message of cause, and reports whether it did.
	Cancel(executionID uuid.UUID, cause error) bool
}

// Sealer encrypts secrets.
type Sealer interface {
	Seal(tenantID uuid.UUID, name string, value []byte) (nonce, ciphertext []byte, err error)
	// Row enciphers a tenant's secret.
	Row(tenantID uuid.UUID, name string, secret host.Secret) (sqlc.SecretPutParams, error)
}

// Config configures an API.
type Config struct {
	// Pool is the database. Required.
	Pool *pgxpool.Pool
	// Replica answers lists of executions, their logs, usage and the audit log; nil means that Pool does. The caller runs it.
	Replica *Replica
	// Keys authenticates. Required.
	Keys *Keys
	// Compiler, Executor, Catalog and Ledger run scripts. Required.
	Compiler Compiler
	Executor engine.Executor
	Catalog  Catalog
	Ledger   Ledger
	// MayFetchPlain reports whether the URL of an endpoint's keys, or of a webhook, is one whose data the network cannot change. nil: any is.
	MayFetchPlain func(url string) bool
	// CheckHost returns an error that says why no tenant can have a host of its own by a name. nil: any name will do.
	CheckHost func(name string) error
	// WakeWebhooks has the node look at once for deliveries of webhooks. nil: it looks by itself, every second.
	WakeWebhooks func()
	// TryLoad loads a source in a worker and says how that ended; nil means that there is no warning of a top level that fails.
	TryLoad func(ctx context.Context, t *Trial) (*engine.Result, error)
	// Compare runs comparisons of versions; nil means that there are none (503).
	Compare Comparer
	// Cancel reaches running executions of this node; nil means that only the database is told.
	Cancel Canceller
	// Sealer encrypts secrets; nil means that secrets can't be written (503).
	Sealer Sealer
	// Rekey encrypts everything that is stored under a secret key with the newest one, and counts the rows that it has written and that no key
	// opens; nil means that there is none (503). SecretKeys are the names of this node's secret keys, as nodes tell them in their load.
	Rekey      func(ctx context.Context) (rewritten, unreadable int64, err error)
	SecretKeys []string
	// Storage counts what the API stores, and says which tenants may store no more; nil: none.
	Storage *storage.Meter
	// KV judges what is written to kv; scripts write by the same one. nil: the defaults.
	KV *kv.Quota
	// MaxScripts is how many scripts a tenant may have whose plan names no max_scripts; 0 means 10,000.
	MaxScripts int64
	// Secrets returns what is masked in a tenant's inputs and events; nil masks credentials by their names only.
	Secrets func(ctx context.Context, tenantID uuid.UUID) (*redact.Values, error)
	// Tail shows log lines as they happen; nil means that they can't be watched (503).
	Tail Tail
	// Refresh makes the node's own catalog follow what is committed by now; nil means that a change is seen by the endpoints a
	// moment after its author has the answer.
	Refresh func(ctx context.Context) error
	// Wake is called when work was put into the queue; nil means that the queue's own polling finds it.
	Wake func()
	// NextTicks gives the next n ticks of a cron expression in a time zone, in that zone; none where it never falls due. Its errors are the
	// author's and begin with the field that is wrong, "cron_expression: " or "timezone: ". Required.
	NextTicks func(expr, timezone string, after time.Time, n int) ([]Tick, error)
	// Flags are the node's, for /docs/flags; nil means that the page is left out.
	Flags []docs.Flag
	// Budget is the node's memory budget; nil means that nothing is refused for memory.
	Budget *admission.Budget
	// Bounds are the operator's defaults and ceilings of scripts' limits; zero means catalog.BuiltIn().
	Bounds catalog.Bounds
	// CursorKey signs cursors and must be the same on all nodes; nil means a random one, so that only this API takes its cursors.
	CursorKey []byte
	// TrustedProxies may say by X-Forwarded-Proto and -Host how the client asks: a session cookie of a client with TLS is another one than
	// that of one without; and by X-Forwarded-For who it is, by whose network unknown keys are counted. Empty means that no proxy is
	// believed.
	TrustedProxies forwarded.Proxies
	// SessionIdle is how long a session may stay unused; 0 means 12 hours.
	SessionIdle time.Duration
	// SessionLife is how long a session lasts at most; 0 means 7 days.
	SessionLife time.Duration
	// SessionLinkLife is how long a one-time link may wait for its use; 0 means 10 minutes.
	SessionLinkLife time.Duration
	// RatePerMinute is the number of admin requests a key may send a minute; 0 means 600, less means no limit.
	RatePerMinute int
	// TenantRatePerMinute is the number that all keys of a tenant may send together; 0 means four times RatePerMinute.
	TenantRatePerMinute int
	// WaitTimeout bounds synchronous runs beyond the script's own limit; 0 means 30 s of waiting in the engine's queue.
	WaitTimeout time.Duration
	// Ping asks the database, for /readyz; nil means Pool.Ping. It should go by a pool that requests cannot exhaust, or many of them
	// look like an outage.
	Ping func(ctx context.Context) error
	// TraceParent gives the W3C traceparent of a request's span, empty where its trace is not kept; nil means that there are none.
	TraceParent func(ctx context.Context) string
	// Able says whether the engine can run scripts, for /readyz; nil means that it can.
	Able func() bool
	// Ready says whether the node can serve, beside the database and the engine; nil means that it can.
	Ready func(ctx context.Context) error
	// Metrics serves /metrics; nil means 404.
	Metrics http.Handler
	// Types is jsruntime.d.ts; nil means 404.
	Types []byte
	// NodeID is what this node beats as in the table nodes: Idempotency-Keys that it holds are free when it is dead;
	// zero means that they are after five minutes.
	NodeID uuid.UUID
	// Version is shown by /healthz; empty means "dev".
	Version string
	// Engine is what this node's workers run scripts with, for /healthz; zero says nothing of it.
	Engine EngineInfo
	// Layers returns the layers of the workers' sandbox, "name=on" or "name=off: why", for /healthz; nil says nothing of them.
	Layers func() []string
	// Log gets what goes wrong; nil means slog.Default().
	Log *slog.Logger
}

// API is the admin API.
type API struct {
	routeInfos            []routeInfo // of all operations; not changed after Mount
	cfg                   Config
	pool                  *pgxpool.Pool
	queries               *sqlc.Queries
	keys                  *Keys
	keyRates, tenantRates *buckets[uuid.UUID]
	tenants               *otter.Cache[string, *sqlc.Tenant]
	cursors               cursors
	bodies                bodies.Reader
	log                   *slog.Logger
	huma                  huma.API
	spec                  []byte
	docs                  *docs.Docs
	pings                 singleflight.Group
	closing               chan struct{} // closed when Run's context ends: streams end then

	releases releases
}

// New returns an API.
func New(cfg Config) (*API, error) {
	switch {
	case cfg.Pool == nil:
		return nil, errors.New("Pool: required")
	case cfg.Keys == nil:
		return nil, errors.New("Keys: required")
	case cfg.Compiler == nil || cfg.Executor == nil || cfg.Catalog == nil || cfg.Ledger == nil:
		return nil, errors.New("Compiler, Executor, Catalog, Ledger: required")
	case cfg.NextTicks == nil:
		return nil, errors.New("NextTicks: required")
	}
	cfg.RatePerMinute = cmp.Or(cfg.RatePerMinute, 600)
	cfg.SessionIdle = cmp.Or(cfg.SessionIdle, sessionIdle)
	cfg.SessionLife = cmp.Or(cfg.SessionLife, sessionLife)
	cfg.SessionLinkLife = cmp.Or(cfg.SessionLinkLife, linkLife)
	cfg.TenantRatePerMinute = cmp.Or(cfg.TenantRatePerMinute, 4*cfg.RatePerMinute)
	cfg.WaitTimeout = cmp.Or(cfg.WaitTimeout, 30*time.Second)
	cfg.Version = cmp.Or(cfg.Version, "dev")
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	if cfg.KV == nil {
		cfg.KV = kv.NewQuota(kv.Config{})
	}
	if cfg.Wake == nil {
		cfg.Wake = func() {}
	}
	if cfg.Ping == nil {
		cfg.Ping = cfg.Pool.Ping
	}
	if len(cfg.CursorKey) == 0 {
		cfg.CursorKey = make([]byte, sha256.Size)
		_, _ = rand.Read(cfg.CursorKey) // never fails: crypto/rand aborts the process instead
	}
	a := &API{
		cfg: cfg, pool: cfg.Pool, queries: sqlc.New(cfg.Pool), keys: cfg.Keys, cursors: cursors{key: cfg.CursorKey}, log: cfg.Log,
		closing: make(chan struct{}), bodies: bodies.Reader{Budget: cfg.Budget},
	}
	var err error
	for _, rates := range []**buckets[uuid.UUID]{&a.keyRates, &a.tenantRates} {
		if *rates, err = newBuckets[uuid.UUID](100_000, 2*time.Minute); err != nil {
			return nil, fmt.Errorf("rate limits: %w", err)
		}
	}
	a.tenants, err = otter.New(&otter.Options[string, *sqlc.Tenant]{
		MaximumSize: 10_000, ExpiryCalculator: otter.ExpiryWriting[string, *sqlc.Tenant](keyFresh),
		Clock: cacheClock{},
	})
	if err != nil {
		return nil, fmt.Errorf("tenant cache: %w", err)
	}
	return a, nil
}

// NewRouter returns a router that trusts no proxy and answers what it doesn't know with problem+json.
func NewRouter(log *slog.Logger) *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	_ = r.SetTrustedProxies(nil)
	r.HandleMethodNotAllowed = true
	r.RedirectTrailingSlash = false
	r.RedirectFixedPath = false
	r.UseRawPath = true
	r.UnescapePathValues = true
	r.ContextWithFallback = false
	r.Use(func(c *gin.Context) {
		c.Request.Pattern = c.FullPath() // for the handlers around the router
		protect(c.Writer.Header())
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler {
				panic(v)
			}
			log.ErrorContext(c.Request.Context(), "handler panicked", "request_id", c.Writer.Header().Get("X-Request-Id"),
				"method", c.Request.Method, "route", c.FullPath(), "panic", fmt.Sprint(v))
			if !c.Writer.Written() {
				c.Writer.Header().Del("Content-Encoding") // of the answer that was begun
				newProblem(http.StatusInternalServerError, "internal", "Something went wrong on our side.").Write(c.Writer, c.Request)
			}
			c.Abort()
		}()
		c.Next()
	}, answering(newEncoders()))
	r.NoRoute(func(c *gin.Context) { notFound().Write(c.Writer, c.Request) })
	r.NoMethod(func(c *gin.Context) {
		newProblem(http.StatusMethodNotAllowed, "method_not_allowed", "This path has no such method.").Write(c.Writer, c.Request)
	})
	return r
}

// protect makes an answer worthless to a page that loads it, frames it or guesses at its type, and keeps it out of caches. Pages of ours
// put their own policy in the place of this one.
func protect(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
}

// Forget drops what is cached about keys and tenants. The node's database listener calls it with the table that changed, and the tenant
// whose row it was: the zero UUID for a row of no tenant, and after notifications may have been missed.
func (a *API) Forget(table string, tenantID uuid.UUID) {
	switch table {
	case "api_keys", "tenants", "":
		a.keys.Forget(tenantID)
		a.tenants.InvalidateAll()
	}
}

// Run does what the API has to do in the background, until ctx ends: it writes when keys were last used and prunes
// idempotency keys and sessions. When ctx ends, so do streams of log lines. It is called once.
func (a *API) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { close(a.closing) })()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return a.keys.Run(ctx) })
	group.Go(func() error {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				a.releaseKeys(ctx)
				return nil
			case <-tick.C:
				a.releaseKeys(ctx)
			}
		}
	})
	group.Go(func() error {
		tick := time.NewTicker(10 * time.Minute)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
				a.pruneIdempotency(ctx)
				a.pruneSessions(ctx)
			}
		}
	})
	return group.Wait()
}
