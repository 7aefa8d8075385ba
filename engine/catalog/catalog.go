package catalog

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/maypok86/otter/v2"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/cluster"
	"example.com/jsruntime/engine/egress"
	"example.com/jsruntime/engine/wake"
	"example.com/jsruntime/sqlc"
)

// Errors of Route and Script.
var (
	ErrNotReady        = errors.New("catalog: not loaded yet")
	ErrTenantUnknown   = errors.New("catalog: no such tenant")
	ErrTenantSuspended = errors.New("catalog: tenant is suspended")
	ErrNoRoute         = errors.New("catalog: no endpoint has this path")
	ErrScriptUnknown   = errors.New("catalog: no such script or version")
)

// MethodError says that the path is known and its endpoint does not take the method.
type MethodError struct {
	Allow string // value of the Allow header
}

func (e *MethodError) Error() string { return "catalog: method not allowed, only " + e.Allow }

// pageRows bounds what is read at once, and so what a page costs in memory: about 0.5 KB a row.
const pageRows = 5000

// Config says what a Catalog reads and holds.
type Config struct {
	// Pool is read from. Required.
	Pool *pgxpool.Pool
	// Bounds are the operator's defaults and ceilings of scripts' limits. Zero: BuiltIn().
	Bounds Bounds
	// CompiledBytes bounds the compiled versions (with source maps) in memory. 0: 256 MiB.
	CompiledBytes int64
	// Heads bounds the scripts whose status and limits are in memory. 0: 200,000, about 100 MB.
	Heads int
	// Poll is how often changes are looked for without a notification. 0: 3 seconds.
	Poll time.Duration
	// Listener tells when something has changed; its Run is the caller's. Nil: changes are found by polling.
	Listener *cluster.Listener
	// Compile turns the source of a script of a type into what runs, for rows that were written by SQL: they come without it. A source that
	// its author must mend is a *SourceError; any other error is tried again at the next call. nil: such rows do not run.
	Compile func(ctx context.Context, tenantID uuid.UUID, scriptType, source string) (Compiled, error)
	// Log gets failures to read. nil: slog.Default().
	Log *slog.Logger
}

// Compiled is what runs of a source.
type Compiled struct {
	Code      string
	SourceMap string
	SHA256    string // of the source, hex
	Handlers  []string
}

// SourceError says why a source cannot run: each execution of it ends as boot_error with this message.
type SourceError struct{ Message string }

func (e *SourceError) Error() string { return e.Message }

// Catalog is the node's memory of tenants, routes and scripts. Its methods may be called from any goroutine.
type Catalog struct {
	cfg     Config
	log     *slog.Logger
	queries *sqlc.Queries

	byID   sync.Map // uuid.UUID → *tenantEntry
	bySlug sync.Map // string → *tenantEntry
	byHost sync.Map // string → *tenantEntry: hosts of tenants' own
	heads  *otter.Cache[headKey, *Head]
	names  *otter.Cache[nameKey, uuid.UUID]
	bodies *otter.Cache[bodyKey, *engine.Script]
	// generation numbers heads: a body is of one head, so that new limits make a new engine.Script.
	generation atomic.Uint64

	hooks atomic.Pointer[[]func(Change)]

	ready    chan struct{}
	isReady  atomic.Bool
	lastRead atomic.Pointer[time.Time] // of the last successful reading
	wake     wake.Signal

	mu    sync.Mutex // of the writer: everything below, and the publishing of snapshots
	bound int64      // transactions below it have been read
	seen  map[int64]struct{}
	// The limits that were read last, and of whose plan they are: most scripts have the same. A tenant whose plan has none is uuid.Nil.
	lastLimits       engine.Limits
	lastLimitsRaw    string
	lastLimitsTenant uuid.UUID
}

// Tenant is a tenant as the node knows it.
type Tenant struct {
	ID        uuid.UUID
	Slug      string
	Name      string
	Suspended bool
	Plan      Plan
}

// tenantEntry is one tenant's place. The snapshot is what readers see, endpoints is the writer's own.
type tenantEntry struct {
	snapshot  atomic.Pointer[tenantSnapshot]
	endpoints map[uuid.UUID]*Endpoint // by script
	patterns  map[uuid.UUID]*Endpoint // those of them with parameters
	hosted    map[uuid.UUID]*Endpoint // those of them with hosts of their own
}

type tenantSnapshot struct {
	tenant Tenant
	routes routes
}

type (
	headKey struct{ tenant, script uuid.UUID }
	nameKey struct {
		tenant uuid.UUID
		name   string
	}
	bodyKey struct {
		script     uuid.UUID
		version    int
		generation uint64
	}
)

// Head is a script without its source.
type Head struct {
	ID               uuid.UUID
	TenantID         uuid.UUID
	TenantSlug       string
	OrganizationID   uuid.UUID
	Name             string
	Type             string
	Status           string
	Version          int               // the live one
	Limits           engine.Limits     // of the live version
	History          *engine.History   // of the live version; nil: everything is kept
	KVNamespaces     map[string]string // of the live version: see engine.Script
	Egress           *egress.Policy    // of the tenant's plan and the live version; nil: wherever the operator allows
	planEgress       *egress.List
	QuarantinedUntil time.Time // of the live version; zero: not quarantined

	Rollout    Rollout
	deployment uuid.UUID // of the candidate

	plan       map[string]PlanLimit
	generation uint64
}

// Change says that a row changed of which a node may hold something.
type Change struct {
	Table    string // tenants, scripts, script_http_endpoints, script_secrets, script_vars, api_keys, script_scheduled_jobs; "" after a whole re-reading
	TenantID uuid.UUID
	ScriptID uuid.UUID // zero where the row is of no script
}

// New makes a Catalog that is empty until Run has loaded it.
func New(cfg Config) (*Catalog, error) {
	if cfg.Pool == nil {
		return nil, errors.New("Pool is required")
	}
	cfg.Bounds = cfg.Bounds.orBuiltIn()
	cfg.CompiledBytes = cmp.Or(cfg.CompiledBytes, 256<<20)
	cfg.Heads = cmp.Or(cfg.Heads, 200_000)
	cfg.Poll = cmp.Or(cfg.Poll, 3*time.Second)
	c := &Catalog{
		cfg: cfg, log: cmp.Or(cfg.Log, slog.Default()), queries: sqlc.New(cfg.Pool),
		ready: make(chan struct{}), wake: wake.New(), seen: make(map[int64]struct{}),
	}
	if cfg.Listener != nil {
		cfg.Listener.Subscribe("jsruntime_changed", func(string) { c.wake.Set() })
	}
	var err error
	if c.heads, err = otter.New(&otter.Options[headKey, *Head]{MaximumSize: cfg.Heads}); err != nil {
		return nil, fmt.Errorf("Heads: %w", err)
	}
	if c.names, err = otter.New(&otter.Options[nameKey, uuid.UUID]{MaximumSize: cfg.Heads}); err != nil {
		return nil, fmt.Errorf("Heads: %w", err)
	}
	c.bodies, err = otter.New(&otter.Options[bodyKey, *engine.Script]{
		MaximumWeight: uint64(cfg.CompiledBytes),
		Weigher: func(_ bodyKey, s *engine.Script) uint32 {
			const overhead = 1024 // the struct, its strings' headers and the cache's own entry, rounded up
			return uint32(len(s.Compiled) + len(s.SourceMap) + overhead)
		},
	})
	if err != nil {
		return nil, fmt.Errorf("CompiledBytes: %w", err)
	}
	return c, nil
}

// Ready is closed when everything has been loaded once.
func (c *Catalog) Ready() <-chan struct{} { return c.ready }

// LastRead is when the catalog last knew that it was true; zero before Ready. A node whose Postgres is away keeps serving with
// what it has.
func (c *Catalog) LastRead() time.Time {
	if at := c.lastRead.Load(); at != nil {
		return *at
	}
	return time.Time{}
}

// OnChange calls hook for every change after the catalog itself has followed it, one call at a time. A change may be told
// more than once. Set hooks before Run.
func (c *Catalog) OnChange(hook func(Change)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []func(Change)
	if set := c.hooks.Load(); set != nil {
		all = append(all, *set...)
	}
	all = append(all, hook)
	c.hooks.Store(&all)
}

// OnTenantChange calls hook when a tenant's own row, its secrets or its keys changed: new settings, suspended, deleted. After
// a whole re-reading it is called once with uuid.Nil, which stands for all tenants.
func (c *Catalog) OnTenantChange(hook func(tenantID uuid.UUID)) {
	c.OnChange(func(change Change) {
		switch change.Table {
		case "tenants", "script_secrets", "api_keys", "":
			hook(change.TenantID)
		}
	})
}

// Match is the endpoint that answers a request.
type Match struct {
	Endpoint *Endpoint
	Params   map[string]string // of the pattern; nil: it has none
	// Preflight: the request is an OPTIONS that the endpoint's CORS answers and not its script.
	Preflight bool
}

// Route finds the endpoint for a request to /t/{slug}{path}. path is percent-encoded, as the client sent it. The error is
// ErrNotReady, ErrTenantUnknown, ErrTenantSuspended, ErrNoRoute or a *MethodError.
func (c *Catalog) Route(slug, method, path string) (Match, error) {
	found, ok := c.bySlug.Load(slug)
	if !ok {
		return Match{}, c.unknownTenant()
	}
	snapshot := found.(*tenantEntry).snapshot.Load()
	return c.match(snapshot, &snapshot.routes, method, path)
}

func (c *Catalog) unknownTenant() error {
	if !c.isReady.Load() {
		return ErrNotReady
	}
	return ErrTenantUnknown
}

// match finds an endpoint among routes of a tenant.
func (c *Catalog) match(snapshot *tenantSnapshot, among *routes, method, path string) (Match, error) {
	if snapshot.tenant.Suspended {
		return Match{}, ErrTenantSuspended
	}
	endpoint, params := among.find(method, path)
	switch {
	case endpoint == nil && !c.isReady.Load():
		return Match{}, ErrNotReady
	case endpoint == nil:
		return Match{}, ErrNoRoute
	case endpoint.allows(method):
		return Match{Endpoint: endpoint, Params: params}, nil
	case method == "OPTIONS" && endpoint.CORS != nil:
		return Match{Endpoint: endpoint, Params: params, Preflight: true}, nil
	default:
		return Match{}, endpoint.method
	}
}

// Tenant returns a tenant by id, or ErrTenantUnknown. Suspended tenants are returned.
func (c *Catalog) Tenant(id uuid.UUID) (Tenant, error) { return lookup(&c.byID, id) }

// TenantBySlug is Tenant by slug.
func (c *Catalog) TenantBySlug(slug string) (Tenant, error) { return lookup(&c.bySlug, slug) }

func lookup(in *sync.Map, key any) (Tenant, error) {
	found, ok := in.Load(key)
	if !ok {
		return Tenant{}, ErrTenantUnknown
	}
	return found.(*tenantEntry).snapshot.Load().tenant, nil
}

// Head returns a script without its source, whatever its status, or ErrScriptUnknown.
func (c *Catalog) Head(ctx context.Context, tenantID, scriptID uuid.UUID) (*Head, error) {
	head, err := c.heads.Get(ctx, headKey{tenantID, scriptID}, otter.LoaderFunc[headKey, *Head](c.loadHead))
	return head, wrap("read script", err)
}

// Script returns a version of a script, ready to run; version 0 is the live one or, for its share of
// calls, the candidate. The result is shared. ErrScriptUnknown covers
// scripts of other tenants too.
func (c *Catalog) Script(ctx context.Context, tenantID, scriptID uuid.UUID, version int) (*engine.Script, error) {
	head, err := c.Head(ctx, tenantID, scriptID)
	if err != nil {
		return nil, err
	}
	return c.ofHead(ctx, head, version)
}

// ScriptByName is Script by name, with version 0.
func (c *Catalog) ScriptByName(ctx context.Context, tenantID uuid.UUID, name string) (*engine.Script, error) {
	head, err := c.HeadByName(ctx, tenantID, name)
	if err != nil {
		return nil, err
	}
	return c.ofHead(ctx, head, 0)
}

// HeadByName is Head by name.
func (c *Catalog) HeadByName(ctx context.Context, tenantID uuid.UUID, name string) (*Head, error) {
	key := nameKey{tenantID, name}
	// The second round is for a name that has moved to another script since it was looked up.
	for range 2 {
		id, err := c.names.Get(ctx, key, otter.LoaderFunc[nameKey, uuid.UUID](c.loadName))
		if err != nil {
			return nil, wrap("find script by name", err)
		}
		head, err := c.Head(ctx, tenantID, id)
		if err == nil && head.Name == name {
			return head, nil
		}
		if err != nil && !errors.Is(err, ErrScriptUnknown) {
			return nil, err
		}
		c.names.Invalidate(key)
	}
	return nil, ErrScriptUnknown
}

func (c *Catalog) ofHead(ctx context.Context, head *Head, version int) (*engine.Script, error) {
	if version == 0 {
		version = head.Rollout.Choose(head.ID, head.Version, "")
	}
	key := bodyKey{head.ID, version, head.generation}
	if script, ok := c.bodies.GetIfPresent(key); ok {
		return script, nil
	}
	script, err := c.bodies.Get(ctx, key, otter.LoaderFunc[bodyKey, *engine.Script](func(ctx context.Context, key bodyKey) (*engine.Script, error) {
		return c.loadBody(ctx, head, key.version)
	}))
	return script, wrap("read script version", err)
}

// wrap makes otter's "not found" ours.
func wrap(operation string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, otter.ErrNotFound):
		return ErrScriptUnknown
	default:
		return fmt.Errorf("%s: %w", operation, err)
	}
}

// orNotFound tells otter not to keep the absence of a row.
func orNotFound(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return otter.ErrNotFound
	}
	return err
}

func (c *Catalog) loadHead(ctx context.Context, key headKey) (*Head, error) {
	row, err := c.queries.ScriptHead(ctx, sqlc.ScriptHeadParams{ID: key.script, TenantID: key.tenant})
	if err != nil {
		return nil, orNotFound(err)
	}
	whole := PlanOf(row.Plan)
	plan := whole.Limits
	head := &Head{
		ID: row.ID, TenantID: row.TenantID, TenantSlug: row.TenantSlug, OrganizationID: row.OrganizationID, Name: row.Name,
		Type: row.Type, Status: row.Status, Version: int(row.Version), History: HistoryOf(row.History), KVNamespaces: KVNamespacesOf(row.KvNamespaces),
		Limits: c.cfg.Bounds.Limits(plan, row.ResourceLimits), plan: plan, generation: c.generation.Add(1),
		planEgress: whole.egress(), Egress: egress.Of(whole.egress(), EgressOf(row.Egress)),
	}
	head.Rollout = RolloutOf(row.CandidateVersion, row.CandidatePercent)
	if row.CandidateDeployment != nil {
		head.deployment = *row.CandidateDeployment
	}
	if row.QuarantinedUntil != nil {
		head.QuarantinedUntil = *row.QuarantinedUntil
	}
	return head, nil
}

func (c *Catalog) loadName(ctx context.Context, key nameKey) (uuid.UUID, error) {
	id, err := c.queries.ScriptIDByName(ctx, sqlc.ScriptIDByNameParams{TenantID: key.tenant, Name: key.name})
	return id, orNotFound(err)
}

func (c *Catalog) loadBody(ctx context.Context, head *Head, version int) (*engine.Script, error) {
	row, err := c.queries.ScriptVersionCompiled(ctx, sqlc.ScriptVersionCompiledParams{
		ScriptID: head.ID, TenantID: head.TenantID, VersionNumber: int32(version),
	})
	if errors.Is(err, pgx.ErrNoRows) || err == nil && row.Compiled == "" {
		if row, err = c.compileRow(ctx, head, version); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	script := &engine.Script{
		ID: head.ID, TenantID: head.TenantID, TenantSlug: head.TenantSlug, OrganizationID: head.OrganizationID,
		Name: head.Name, Type: head.Type, Version: version, Compiled: row.Compiled, SourceMap: row.SourceMap,
		Handlers: row.Handlers, QuarantinedUntil: head.QuarantinedUntil, Limits: head.Limits, History: head.History,
		KVNamespaces: head.KVNamespaces, Egress: head.Egress,
	}
	if version != head.Version {
		c.beside(script, head, row.Settings)
	}
	return script, nil
}

// beside makes a script one of a version that is not live: it has its own settings, and its own place in workers beside the live version.
func (c *Catalog) beside(script *engine.Script, head *Head, settings json.RawMessage) {
	var own struct {
		Limits  json.RawMessage `json:"resource_limits"`
		History json.RawMessage `json:"history"`
		KV      json.RawMessage `json:"kv_namespaces"`
		Egress  json.RawMessage `json:"egress"`
	}
	if json.Unmarshal(settings, &own) == nil {
		if len(own.Limits) > 0 {
			script.Limits = c.cfg.Bounds.Limits(head.plan, own.Limits)
		}
		if len(own.History) > 0 {
			script.History = HistoryOf(own.History)
		}
		if len(own.KV) > 0 {
			script.KVNamespaces = KVNamespacesOf(own.KV)
		}
		if len(own.Egress) > 0 {
			script.Egress = egress.Of(head.planEgress, EgressOf(own.Egress))
		}
	}
	script.QuarantinedUntil = time.Time{}
	if script.Version == head.Rollout.Candidate {
		script.Deployment = head.deployment
	}
	script.Place = uuid.NewSHA1(head.ID, strconv.AppendInt([]byte("version "), int64(script.Version), 10))
}

// compileRow compiles a version that was written by SQL, and keeps the result in the database.
func (c *Catalog) compileRow(ctx context.Context, head *Head, version int) (sqlc.ScriptVersionCompiledRow, error) {
	var none sqlc.ScriptVersionCompiledRow
	source, err := c.queries.ScriptVersionSource(ctx, sqlc.ScriptVersionSourceParams{
		ScriptID: head.ID, TenantID: head.TenantID, VersionNumber: int32(version),
	})
	if err != nil {
		return none, orNotFound(err)
	}
	if c.cfg.Compile == nil {
		return none, otter.ErrNotFound
	}
	out, err := c.cfg.Compile(ctx, head.TenantID, head.Type, source)
	var refused *SourceError
	if errors.As(err, &refused) {
		message, err := json.Marshal(refused.Message)
		if err != nil {
			return none, err
		}
		// It is not kept: the next version of the compiler may take the source.
		return sqlc.ScriptVersionCompiledRow{Compiled: "throw new SyntaxError(" + string(message) + ");"}, nil
	}
	if err != nil {
		return none, fmt.Errorf("compile: %w", err)
	}
	err = c.queries.ScriptVersionKeepCompiled(ctx, sqlc.ScriptVersionKeepCompiledParams{
		ScriptID: head.ID, TenantID: head.TenantID, VersionNumber: int32(version), Source: source, Compiled: out.Code, SourceMap: out.SourceMap,
		SourceSha256: out.SHA256, Handlers: out.Handlers,
	})
	if err != nil {
		return none, fmt.Errorf("keep the compiled version: %w", err)
	}
	return sqlc.ScriptVersionCompiledRow{Compiled: out.Code, SourceMap: out.SourceMap, Handlers: out.Handlers}, nil
}

// build makes routes of all endpoints of the tenant.
func (e *tenantEntry) build() (r routes) {
	r, e.patterns = routesAmong(e.endpoints)
	e.hosted = make(map[uuid.UUID]*Endpoint)
	for id, endpoint := range e.endpoints {
		if len(endpoint.Hosts) > 0 {
			e.hosted[id] = endpoint
		}
	}
	r.hosts = hostRoutes(e.hosted)
	return r
}

// routesAmong makes routes of endpoints, and returns those of them with parameters.
func routesAmong(endpoints map[uuid.UUID]*Endpoint) (r routes, patterns map[uuid.UUID]*Endpoint) {
	r = routes{static: newStaticPaths(len(endpoints))}
	patterns = make(map[uuid.UUID]*Endpoint)
	for id, endpoint := range endpoints {
		if isStatic(endpoint.Pattern) {
			r.static.put(endpoint)
		} else {
			patterns[id] = endpoint
		}
	}
	r.tree = newTree(slices.Collect(maps.Values(patterns)))
	return r, patterns
}

// with makes routes of the present ones and changed scripts: what each had before, and has now.
func (e *tenantEntry) with(present routes, before, after []*Endpoint) routes {
	if len(present.static) == 1 && len(e.endpoints) > 2*shardAbove {
		return e.build() // it has outgrown one shard
	}
	treeChanged := false
	split := func(all []*Endpoint, pattern func(*Endpoint)) (static []*Endpoint) {
		for _, endpoint := range all {
			if isStatic(endpoint.Pattern) {
				static = append(static, endpoint)
				continue
			}
			treeChanged = true
			pattern(endpoint)
		}
		return static
	}
	staticBefore := split(before, func(endpoint *Endpoint) { delete(e.patterns, endpoint.ScriptID) })
	staticAfter := split(after, func(endpoint *Endpoint) { e.patterns[endpoint.ScriptID] = endpoint })
	next := routes{static: present.static.with(staticBefore, staticAfter), tree: present.tree, hosts: present.hosts}
	hosted := slices.DeleteFunc(slices.Clone(after), func(endpoint *Endpoint) bool { return len(endpoint.Hosts) == 0 })
	if len(hosted) > 0 || slices.ContainsFunc(before, func(endpoint *Endpoint) bool { return len(endpoint.Hosts) > 0 }) {
		for _, endpoint := range before {
			delete(e.hosted, endpoint.ScriptID)
		}
		for _, endpoint := range hosted {
			e.hosted[endpoint.ScriptID] = endpoint
		}
		next.hosts = hostRoutes(e.hosted)
	}
	if treeChanged {
		next.tree = newTree(slices.Collect(maps.Values(e.patterns)))
	}
	return next
}
