// Package catalog holds what a node must know to run a script without asking Postgres: tenants, the routes of their endpoints,
// scripts and their compiled versions.
//
//	                      jsruntime_changes (written by triggers, in the changing transaction)
//	cluster.Listener ───┐          │
//	every Config.Poll ──┴─► read changes ─► re-read those rows ─► new snapshot of that tenant ─► hooks
//
//	RouteHost  tenant by a host of its own, then as Route among the endpoints that name the host
//	Route   tenant by slug (lock-free map) → one atomic load of its snapshot → map of static paths, else pattern tree
//	Script  head (status, limits, version; dropped when the script changes) → compiled version (immutable, bounded by bytes)
//
// # Rules
//
//   - Readers take no lock and see one consistent snapshot of a tenant. A change replaces the snapshot of its own tenant only.
//   - Everything in memory can be read again: losing a notification, the LISTEN connection or Postgres costs freshness only.
//   - While Postgres is away the catalog keeps answering from what it has; LastRead tells how old that is.
//   - Which host belongs to which tenant is the database's to decide (script_http_hosts): no two tenants' scripts can name the same one.
//   - Sources are never held, compiled versions only while they are used.
//   - Which version an execution gets is decided here, without the database: see Rollout. A version that is not live has its own limits and history,
//     and a place of its own in workers.
//   - A version that was written by SQL comes without what runs: it is compiled when it is first used, and kept in its row.
//
// # Which pattern wins
//
// Segment by segment from the left: a static segment before :name, :name before *rest. :name takes one segment that is not
// empty, *rest takes what is left, slashes and emptiness included. /a and /a/ are two paths. Where no pattern matches, /a/*rest
// matches /a as well, with an empty rest. Where two patterns of a tenant differ in the names of their parameters only, the older
// endpoint wins, unless only the younger takes the method; the API saves no two such patterns.
//
// Paths and patterns are compared segment by segment after percent-decoding, so that %2F in a request never makes a segment of its own.
package catalog
