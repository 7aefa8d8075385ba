package admission

// Load is what a tenant has and wants of the node's workers.
type Load struct {
	Active int   // workers that execute and do not wait for a host call, or that are being made ready
	Weight int   // at least 1
	Served int64 // a counter's value when it last got a worker
}

// Before reports whether a tenant with load a is to get the next worker before one with load b: it has fewer for its weight with it. Where
// workers are given in this order, a tenant below its fair share is never behind one that is not (as D'Hondt's method divides seats).
func Before(a, b Load) bool {
	if x, y := (a.Active+1)*b.Weight, (b.Active+1)*a.Weight; x != y {
		return x < y
	}
	return a.Served < b.Served
}

// FairShare is how many workers a tenant may keep while others want some: its weight's part of them. total is the sum of the weights of
// all tenants that have or want workers.
func FairShare(maxWorkers, weight, total int) int {
	return max(1, maxWorkers*weight/max(weight, total))
}

// Allow reports whether a tenant may get one more worker. active is the number of all tenants' active workers; weight and total are as
// for FairShare.
func Allow(tenantActive, active, maxWorkers, weight, total int) bool {
	if active < maxWorkers {
		return true
	}
	return active < 2*maxWorkers && tenantActive < FairShare(maxWorkers, weight, total)
}
