package host

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/cluster"
	"example.com/jsruntime/engine/kv"
	"example.com/jsruntime/engine/storage"
	"example.com/jsruntime/migrations/connect"
	"example.com/jsruntime/sqlc"
)

// Scripts finds the script that scripts.invoke names.
type Scripts interface {
	// ScriptByName returns the newest version of a tenant's active script. Where there is none the error is, or wraps,
	// ErrScriptNotFound, or both results are nil.
	ScriptByName(ctx context.Context, tenantID uuid.UUID, name string) (*engine.Script, error)
}

// Recorder writes down the executions that scripts.invoke makes.
type Recorder interface {
	Record(ctx context.Context, inv *engine.Invocation, res *engine.Result) error
}

// Resolver looks up names. *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// ErrScriptNotFound is what a Scripts says when a tenant has no active script of that name.
var ErrScriptNotFound = errors.New("host: script not found")

// Config says what a Host serves and within which bounds.
type Config struct {
	// DB is where kv and events live. Required.
	DB sqlc.DBTX
	// Log gets what scripts may not see. nil discards it.
	Log *slog.Logger

	// Execute runs an invocation for scripts.invoke, as engine.Executor does. It is a function because the engine itself needs
	// the Host: the caller closes over an engine that it makes afterwards. nil: scripts.invoke is refused.
	Execute func(ctx context.Context, inv *engine.Invocation) (*engine.Result, error)
	// Scripts and Recorder belong to Execute; required with it.
	Scripts  Scripts
	Recorder Recorder

	// Members are the nodes that share max_api_calls_per_minute and max_concurrent_runs. Nil means that this node is alone.
	Members *cluster.Members

	// FetchAllow and FetchDeny are the operator's lists: see ParseRules. They are asked before the built-in rules.
	FetchAllow []string
	FetchDeny  []string
	// FetchPorts are the ports that fetch may use beside those of FetchAllow. nil means 80 and 443.
	FetchPorts []uint16
	// FetchRefuse are this node's own listeners and the database, as host:port. Exactly those are refused whatever FetchAllow
	// says, and their addresses on every other port unless FetchAllow names them. A host that is empty or unspecified
	// (":8080", "0.0.0.0:8080") stands for every address of this machine; names are looked up at the start and once a minute.
	FetchRefuse []string
	// Secrets are put into the headers of fetches to their hosts. nil: there are none.
	Secrets *Secrets
	// FetchTimeout bounds one fetch from the call to the end of its body; 0 means 30 s.
	FetchTimeout time.Duration
	// MaxFetchBytes bounds a response's body after decompression, and an upload; 0 means 10 MiB.
	MaxFetchBytes int64
	// MaxFetches is how many fetches of one execution run at once; more wait for their turn. 0 means 32.
	MaxFetches int
	// MaxTenantPools is how many tenants' connection pools are kept; 0 means 1024.
	MaxTenantPools int
	// Product is the beginning of the User-Agent that fetch sends; empty means "jsruntime".
	Product string

	// KV judges what is written to kv; the API writes by the same one. nil: the defaults.
	KV *kv.Quota
	// Storage counts what scripts store, and says which tenants may publish no further events. nil: none.
	Storage *storage.Meter

	// MaxEventBytes bounds the JSON text of an event's data, beside the script's max_request_body_bytes; 0 means the default of max_request_body_bytes, as
	// for POST /events.
	MaxEventBytes int
	// Wake is called when an event left executions to run, to wake the scheduler that claims them. nil: they are found by polling.
	Wake func()

	// Resolver is used in place of the pure Go resolver, and Dial in place of a real dialer once the guard has agreed to the
	// address. RootCAs replaces the machine's. All three are for tests; nil otherwise.
	Resolver Resolver
	Dial     func(ctx context.Context, network string, addr netip.AddrPort) (net.Conn, error)
	RootCAs  *x509.CertPool
}

// Host serves host calls. It implements engine.Host.
type Host struct {
	cfg     Config
	queries *sqlc.Queries
	rates   *rates
	guard   *guard
	pools   *pools
	fetches *slots
	chains  *chains
}

// New makes a Host. It looks up FetchRefuse's names but opens no connection.
func New(cfg Config) (*Host, error) {
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	cfg.FetchTimeout = cmp.Or(cfg.FetchTimeout, 30*time.Second)
	cfg.MaxFetchBytes = cmp.Or(cfg.MaxFetchBytes, 10<<20)
	cfg.MaxFetches = cmp.Or(cfg.MaxFetches, 32)
	cfg.MaxTenantPools = cmp.Or(cfg.MaxTenantPools, 1024)
	cfg.Product = cmp.Or(cfg.Product, "jsruntime")
	cfg.MaxEventBytes = cmp.Or(cfg.MaxEventBytes, int(engine.DefaultLimits().MaxRequestBodyBytes))
	if cfg.FetchPorts == nil {
		cfg.FetchPorts = []uint16{80, 443}
	}
	if cfg.KV == nil {
		cfg.KV = kv.NewQuota(kv.Config{})
	}
	if cfg.Members == nil {
		cfg.Members = new(cluster.Members)
	}
	switch {
	case cfg.DB == nil:
		return nil, errors.New("DB: required")
	case cfg.Execute != nil && (cfg.Scripts == nil || cfg.Recorder == nil):
		return nil, errors.New("Execute: needs Scripts and Recorder")
	case cfg.FetchTimeout < 0, cfg.MaxFetchBytes < 0, cfg.MaxFetches < 0, cfg.MaxTenantPools < 0, cfg.MaxEventBytes < 0:
		return nil, errors.New("FetchTimeout, MaxFetchBytes, MaxFetches, MaxTenantPools, MaxEventBytes: must not be negative")
	}
	g, err := newGuard(&cfg)
	if err != nil {
		return nil, err
	}
	h := &Host{
		cfg:     cfg,
		queries: sqlc.New(cfg.DB),
		rates:   newRates(cfg.Members.Count),
		guard:   g,
		fetches: newSlots(cfg.MaxFetches),
		chains:  newChains(),
	}
	h.pools = newPools(&cfg, g)
	return h, nil
}

// Run keeps house until ctx ends: it takes away kv entries whose time is over and connections, rate buckets and usage figures
// that are not in use, and looks up the refused hosts again. It returns nil.
func (h *Host) Run(ctx context.Context) error {
	defer h.pools.close()
	sweep := time.NewTicker(kvSweepEvery)
	defer sweep.Stop()
	idle := time.NewTicker(time.Minute)
	defer idle.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-sweep.C:
			h.sweepKV(ctx)
		case now := <-idle.C:
			h.pools.closeIdle(now)
			h.rates.prune(now)
			h.cfg.KV.Prune(now)
			h.guard.refresh(ctx)
		}
	}
}

// Call implements engine.Host. ctx must stay alive until the reply's BodyStream has been closed: it is what an abort, a
// cancelled execution and a deadline reach a running fetch by.
func (h *Host) Call(ctx context.Context, call *engine.HostCall) (*engine.HostReply, error) {
	m, ok := methods[call.Method]
	if !ok {
		return nil, typeError(call.Method, "is not a host call of this version")
	}
	if err := h.rates.take(call.Invocation.Script, time.Now()); err != nil {
		describe(call)
		return nil, err
	}
	reply, err := m.serve(h, ctx, call)
	return reply, ofDeleted(call.Method, err)
}

// ofDeleted tells a script that its tenant, or what belongs to it, was deleted while it ran. That is no failure of the node's.
func ofDeleted(method string, err error) error {
	if connect.ClassOf(err) == connect.Reference {
		return &engine.HostError{Name: "NotFoundError", Code: "tenant_deleted", Message: method + ": the tenant was deleted"}
	}
	return err
}

// method is a host call. The table of a file of this package lists its own.
type method struct {
	name  string
	serve func(*Host, context.Context, *engine.HostCall) (*engine.HostReply, error)
}

// methods are all host calls by name.
var methods = func() map[string]method {
	all := map[string]method{}
	for _, table := range [][]method{fetchMethods, kvMethods, eventMethods, scriptMethods} {
		for _, m := range table {
			all[m.name] = m
		}
	}
	return all
}()

// MethodName returns name where it is a host call's, else "unknown": a worker names what it likes.
func MethodName(name string) string {
	if _, ok := methods[name]; ok {
		return name
	}
	return "unknown"
}

// decode reads a call's arguments. The worker is not trusted: whatever is wrong with them is the script's TypeError.
func decode(call *engine.HostCall, into any) error {
	if err := json.Unmarshal(call.Args, into); err != nil {
		var kind *json.UnmarshalTypeError
		if errors.As(err, &kind) && kind.Field != "" {
			return typeError(call.Method, fmt.Sprintf("%s must not be a %s", kind.Field, kind.Value))
		}
		return typeError(call.Method, "the arguments are not readable")
	}
	return nil
}

func reply(payload any) (*engine.HostReply, error) {
	text, err := json.Marshal(payload)
	if err != nil {
		return nil, fmt.Errorf("encode reply: %w", err)
	}
	return &engine.HostReply{Payload: text}, nil
}

func typeError(method, detail string) *engine.HostError {
	return &engine.HostError{Name: "TypeError", Message: method + ": " + detail}
}
