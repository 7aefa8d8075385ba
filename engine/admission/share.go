package admission

// Load is what a tenant has and wants of the pool.
type Load struct {
	Active int   // workers that execute and do not wait for a host call, or that are being made ready
	Served int64 // a counter's value when it last got a worker
}

// Before reports whether a tenant with load a is to get the next worker before one with load b.
func Before(a, b Load) bool {
	if a.Active != b.Active {
		return a.Active < b.Active
	}
	return a.Served < b.Served
}

// FairShare is how many of the pool's workers a tenant may keep while others want some.
func FairShare(maxWorkers, tenants int) int {
	return max(1, maxWorkers/max(1, tenants))
}

// Allow reports whether a tenant may get one more worker. active is the number of all tenants' active workers, tenants the
// number of tenants that are active or want to be.
func Allow(tenantActive, active, maxWorkers, tenants int) bool {
	if active < maxWorkers {
		return true
	}
	return active < 2*maxWorkers && tenantActive < FairShare(maxWorkers, tenants)
}
