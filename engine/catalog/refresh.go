package catalog

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"example.com/jsruntime/engine/wake"
	"example.com/jsruntime/sqlc"
)

const (
	// rereadAfter is how many changed scripts of one tenant make it cheaper to read all of its endpoints.
	rereadAfter = 1000

	// keepChanges is how long jsruntime_changes holds a row, and so how long a node may be cut off before it has to read
	// everything anew.
	keepChanges = 24 * time.Hour

	pruneEvery = 10 * time.Minute

	// settle lets the notifications of one burst be answered by one reading. It adds that much to a change's way.
	settle = 5 * time.Millisecond

	retryAfter = 500 * time.Millisecond

	// statusActive is the status of scripts whose endpoints answer.
	statusActive = "active"

	queryTimeout = 10 * time.Second
	loadTimeout  = 5 * time.Minute
)

// Run loads everything and then follows the changes, until ctx ends. It waits through outages of Postgres.
func (c *Catalog) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { c.follow(ctx); return nil })
	group.Go(func() error { c.prune(ctx); return nil })
	return group.Wait()
}

func (c *Catalog) follow(ctx context.Context) {
	for {
		next := c.cfg.Poll
		if err := c.Refresh(ctx); err != nil && ctx.Err() == nil {
			c.log.Error("catalog cannot read changes, serving what it has", "error", err, "last_read", c.LastRead())
			next = min(next, retryAfter)
		}
		if !c.wake.Sleep(ctx, next) {
			return
		}
		if !wake.Pause(ctx, settle) {
			return
		}
	}
}

// Refresh follows all changes that are committed by now. Run does it by itself; a caller that has just changed something and
// wants its own node to know calls it too.
func (c *Catalog) Refresh(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := time.Now()
	if err := c.refresh(ctx); err != nil {
		return err
	}
	c.lastRead.Store(&at)
	if c.isReady.CompareAndSwap(false, true) {
		close(c.ready)
	}
	return nil
}

func (c *Catalog) refresh(ctx context.Context) error {
	if last := c.LastRead(); last.IsZero() || time.Since(last) > keepChanges/2 {
		ctx, cancel := context.WithTimeout(ctx, loadTimeout)
		defer cancel()
		return c.loadAll(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	bound, err := c.queries.ChangeBound(ctx)
	if err != nil {
		return fmt.Errorf("read change bound: %w", err)
	}
	var fresh []Change
	listed := make(map[int64]struct{})
	for after := int64(0); ; {
		rows, err := c.queries.ChangeList(ctx, sqlc.ChangeListParams{SinceTxid: c.bound, AfterID: after, MaxRows: pageRows})
		if err != nil {
			return fmt.Errorf("read changes: %w", err)
		}
		for _, row := range rows {
			after = row.ID
			listed[row.ID] = struct{}{}
			if _, known := c.seen[row.ID]; known {
				continue
			}
			change := Change{Table: row.TableName}
			if row.TenantID != nil {
				change.TenantID = *row.TenantID
			}
			if row.ScriptID != nil {
				change.ScriptID = *row.ScriptID
			}
			fresh = append(fresh, change)
		}
		if len(rows) < pageRows {
			break
		}
	}
	if len(fresh) > 0 {
		if err := c.apply(ctx, fresh); err != nil {
			return err
		}
	}
	c.bound, c.seen = bound, listed
	return nil
}

// apply reads again what the changes name, publishes it and calls the hooks.
func (c *Catalog) apply(ctx context.Context, changes []Change) error {
	tenants := make(map[uuid.UUID]struct{})
	scripts := make(map[uuid.UUID]map[uuid.UUID]struct{}) // of each tenant
	for _, change := range changes {
		switch change.Table {
		case "tenants":
			tenants[change.TenantID] = struct{}{}
		case "scripts", "script_http_endpoints":
			if scripts[change.TenantID] == nil {
				scripts[change.TenantID] = make(map[uuid.UUID]struct{})
			}
			scripts[change.TenantID][change.ScriptID] = struct{}{}
			c.heads.Invalidate(headKey{change.TenantID, change.ScriptID})
		}
	}
	if err := c.reloadTenants(ctx, tenants); err != nil {
		return err
	}
	for tenant, changed := range scripts {
		if err := c.reloadEndpoints(ctx, tenant, changed); err != nil {
			return err
		}
	}
	told := make(map[Change]struct{}, len(changes))
	for _, change := range changes {
		if _, again := told[change]; !again {
			told[change] = struct{}{}
			c.tell(change)
		}
	}
	return nil
}

func (c *Catalog) tell(change Change) {
	if hooks := c.hooks.Load(); hooks != nil {
		for _, hook := range *hooks {
			hook(change)
		}
	}
}

func (c *Catalog) reloadTenants(ctx context.Context, ids map[uuid.UUID]struct{}) error {
	if len(ids) == 0 {
		return nil
	}
	list := make([]uuid.UUID, 0, len(ids))
	for id := range ids {
		list = append(list, id)
	}
	rows, err := c.queries.TenantListByIDs(ctx, list)
	if err != nil {
		return fmt.Errorf("read tenants: %w", err)
	}
	for _, row := range rows {
		tenant := tenantOf(row)
		limits := c.putTenant(tenant)
		delete(ids, row.ID)
		if limits {
			if err := c.reloadLimits(ctx, tenant); err != nil {
				return err
			}
		}
	}
	for id := range ids {
		c.removeTenant(id)
	}
	return nil
}

func tenantOf(row sqlc.Tenant) Tenant {
	return Tenant{ID: row.ID, Slug: row.Slug, Name: row.Name, Suspended: row.Status != "active", Plan: PlanOf(row.Plan)}
}

// putTenant publishes a tenant's row. It reports whether the plan's limits, or its egress, are others than they were: they are in all its endpoints.
func (c *Catalog) putTenant(tenant Tenant) (limits bool) {
	if found, ok := c.byID.Load(tenant.ID); ok {
		entry := found.(*tenantEntry)
		before := entry.snapshot.Load()
		r := before.routes
		if before.tenant.Slug != tenant.Slug {
			// The slug is in every endpoint and head.
			for id, endpoint := range entry.endpoints {
				moved := *endpoint
				moved.TenantSlug = tenant.Slug
				entry.endpoints[id] = &moved
			}
			r = entry.build()
			c.heads.InvalidateAll()
			c.bySlug.CompareAndDelete(before.tenant.Slug, entry)
		}
		c.publish(entry, tenant, r)
		c.bySlug.Store(tenant.Slug, entry)
		return !maps.EqualFunc(before.tenant.Plan.Limits, tenant.Plan.Limits, PlanLimit.equal) || !bytes.Equal(before.tenant.Plan.Egress, tenant.Plan.Egress)
	}
	entry := &tenantEntry{endpoints: make(map[uuid.UUID]*Endpoint)}
	c.publish(entry, tenant, entry.build())
	c.byID.Store(tenant.ID, entry)
	c.bySlug.Store(tenant.Slug, entry)
	return false
}

// reloadLimits makes a tenant's endpoints and heads anew, after its plan's limits have changed.
func (c *Catalog) reloadLimits(ctx context.Context, tenant Tenant) error {
	found, _ := c.byID.Load(tenant.ID)
	entry := found.(*tenantEntry)
	c.lastLimitsRaw = ""
	all, err := c.readTenant(ctx, tenant)
	if err != nil {
		return err
	}
	entry.endpoints = all
	c.publish(entry, tenant, entry.build())
	c.forgetHeads(tenant.ID)
	return nil
}

// forgetHeads drops what is known of a tenant's scripts beside their endpoints.
func (c *Catalog) forgetHeads(tenantID uuid.UUID) {
	for key := range c.heads.Keys() {
		if key.tenant == tenantID {
			c.heads.Invalidate(key)
		}
	}
}

func (c *Catalog) removeTenant(id uuid.UUID) {
	found, ok := c.byID.LoadAndDelete(id)
	if !ok {
		return
	}
	entry := found.(*tenantEntry)
	last := entry.snapshot.Load()
	c.bySlug.CompareAndDelete(last.tenant.Slug, entry)
	c.freeHosts(entry, last.routes.hosts, nil)
	c.forgetHeads(id)
}

func (c *Catalog) reloadEndpoints(ctx context.Context, tenantID uuid.UUID, changed map[uuid.UUID]struct{}) error {
	found, ok := c.byID.Load(tenantID)
	if !ok {
		return nil // deleted together with its scripts
	}
	entry := found.(*tenantEntry)
	snapshot := entry.snapshot.Load()
	if len(changed) > rereadAfter {
		all, err := c.readTenant(ctx, snapshot.tenant)
		if err != nil {
			return err
		}
		entry.endpoints = all
		c.publish(entry, snapshot.tenant, entry.build())
		return nil
	}
	ids := make([]uuid.UUID, 0, len(changed))
	for id := range changed {
		ids = append(ids, id)
	}
	rows, err := c.queries.EndpointListLiveOfScripts(ctx, sqlc.EndpointListLiveOfScriptsParams{TenantID: tenantID, ScriptIds: ids})
	if err != nil {
		return fmt.Errorf("read endpoints: %w", err)
	}
	var before, after []*Endpoint
	for _, id := range ids {
		if endpoint := entry.endpoints[id]; endpoint != nil {
			before = append(before, endpoint)
			delete(entry.endpoints, id)
		}
	}
	for _, row := range rows {
		if row.Status != statusActive {
			continue
		}
		endpoint := c.endpointOf(snapshot.tenant, sqlc.EndpointListLiveRow(row))
		after = append(after, endpoint)
		entry.endpoints[row.ScriptID] = endpoint
	}
	if len(before)+len(after) > 0 {
		c.publish(entry, snapshot.tenant, entry.with(snapshot.routes, before, after))
	}
	return nil
}

func (c *Catalog) readTenant(ctx context.Context, tenant Tenant) (map[uuid.UUID]*Endpoint, error) {
	all := make(map[uuid.UUID]*Endpoint)
	for after := uuid.Nil; ; {
		rows, err := c.queries.EndpointListLiveOfTenant(ctx, sqlc.EndpointListLiveOfTenantParams{TenantID: tenant.ID, AfterID: after, MaxRows: pageRows})
		if err != nil {
			return nil, fmt.Errorf("read endpoints: %w", err)
		}
		for _, row := range rows {
			after = row.ID
			if row.Status != statusActive {
				continue
			}
			all[row.ScriptID] = c.endpointOf(tenant, sqlc.EndpointListLiveRow(row))
		}
		if len(rows) < pageRows {
			return all, nil
		}
	}
}

// endpointOf makes an endpoint of its row. The caller holds mu.
func (c *Catalog) endpointOf(tenant Tenant, row sqlc.EndpointListLiveRow) *Endpoint {
	options, err := HTTPOf(row.Http)
	if err != nil {
		c.log.Warn("the settings of an endpoint cannot be read; it asks for a key", "tenant_id", row.TenantID, "script_id", row.ScriptID, "error", err)
	}
	var of uuid.UUID
	if len(tenant.Plan.Limits) > 0 {
		of = tenant.ID
	}
	if raw := string(row.ResourceLimits); c.lastLimitsRaw == "" || raw != c.lastLimitsRaw || of != c.lastLimitsTenant {
		c.lastLimits, c.lastLimitsRaw, c.lastLimitsTenant = c.cfg.Bounds.Limits(tenant.Plan.Limits, row.ResourceLimits), raw, of
	}
	endpoint := &Endpoint{
		TenantID: row.TenantID, TenantSlug: tenant.Slug, OrganizationID: row.OrganizationID, ScriptID: row.ScriptID, ScriptName: row.Name,
		Version: int(row.Version), Rollout: RolloutOf(row.CandidateVersion, row.CandidatePercent), Sticky: options.Sticky,
		Pattern: row.HttpPath, Methods: row.HttpMethods, Auth: options.Auth, AuthRule: options.AuthRule, CORS: options.CORS, RateLimit: options.RateLimit,
		Hosts: options.Hosts, Idempotency: options.Idempotency, Async: options.Async, Limits: c.lastLimits,
	}
	if row.QuarantinedUntil != nil {
		endpoint.QuarantinedUntil = *row.QuarantinedUntil
	}
	if row.CreatedAt != nil {
		endpoint.createdAt = *row.CreatedAt
	}
	endpoint.finish()
	return endpoint
}

// loadAll reads everything: at the start, and after so long an absence that changes may have been pruned. The bound is taken
// first, so that what changes meanwhile is read again.
func (c *Catalog) loadAll(ctx context.Context) error {
	started := time.Now()
	bound, err := c.queries.ChangeBound(ctx)
	if err != nil {
		return fmt.Errorf("read change bound: %w", err)
	}
	alive := make(map[uuid.UUID]Tenant)
	for after := uuid.Nil; ; {
		rows, err := c.queries.TenantListAll(ctx, sqlc.TenantListAllParams{AfterID: after, MaxRows: pageRows})
		if err != nil {
			return fmt.Errorf("read tenants: %w", err)
		}
		for _, row := range rows {
			after = row.ID
			alive[row.ID] = tenantOf(row)
		}
		if len(rows) < pageRows {
			break
		}
	}
	endpoints := make(map[uuid.UUID]map[uuid.UUID]*Endpoint)
	count := 0
	for after := uuid.Nil; ; {
		rows, err := c.queries.EndpointListLive(ctx, sqlc.EndpointListLiveParams{AfterID: after, MaxRows: pageRows})
		if err != nil {
			return fmt.Errorf("read endpoints: %w", err)
		}
		for _, row := range rows {
			after = row.ID
			tenant, ok := alive[row.TenantID]
			if !ok || row.Status != statusActive {
				continue // not live, or of a tenant made since: that comes with the changes
			}
			if endpoints[row.TenantID] == nil {
				endpoints[row.TenantID] = make(map[uuid.UUID]*Endpoint)
			}
			endpoints[row.TenantID][row.ScriptID] = c.endpointOf(tenant, row)
			count++
		}
		if len(rows) < pageRows {
			break
		}
	}
	c.heads.InvalidateAll()
	for key := range c.byID.Range {
		if _, ok := alive[key.(uuid.UUID)]; !ok {
			c.removeTenant(key.(uuid.UUID))
		}
	}
	for id, tenant := range alive {
		c.putTenant(tenant)
		found, _ := c.byID.Load(id)
		entry := found.(*tenantEntry)
		if len(endpoints[id])+len(entry.endpoints) > 0 {
			entry.endpoints = endpoints[id]
			if entry.endpoints == nil {
				entry.endpoints = make(map[uuid.UUID]*Endpoint)
			}
			c.publish(entry, tenant, entry.build())
		}
	}
	c.bound, c.seen = bound, make(map[int64]struct{})
	c.log.Info("catalog loaded", "tenants", len(alive), "endpoints", count, "took_ms", time.Since(started).Milliseconds())
	c.tell(Change{})
	return nil
}

func (c *Catalog) prune(ctx context.Context) {
	for wake.Pause(ctx, pruneEvery) {
		once, cancel := context.WithTimeout(ctx, queryTimeout)
		if _, err := c.queries.ChangePrune(once, keepChanges.Seconds()); err != nil && ctx.Err() == nil {
			c.log.Warn("catalog cannot prune changes", "error", err)
		}
		cancel()
	}
}
