// Package admission decides who may run now, and where, and who may take memory: which call gets which worker, how long an execution can be
// expected to take, which tenant is next, whose turn it is at the compiler, which script may not run at all, and how many bytes a tenant
// may hold.
//
//	package pool: processes                          Placement: decisions
//	  Submit, Began, Ended, Returned, Lost, … ─────►   calls, lanes, workers, tenants
//	  Parked, Ready, Loading, Loaded, Look,   ─────►
//	  Greeted, Leased, Gone, Tick(now)                      │
//	  place, refuse, lease, start, retire, recall ◄── Settle(now) []Action
//
// It holds rules. Placement and Turns are state machines without clock, lock or goroutine: their callers call them under a lock of their
// own and do what they say. Only Quarantine and Budget have locks.
//
// # Who runs where (Placement)
//
//   - A worker serves one tenant from its lease to its end. It has one lane, or several. A call is in one place: it waits, or one lane has
//     it, or it is over.
//   - Calls of scripts whose executions are short and do not wait for host calls queue at a lane; those of several scripts do where the
//     lane has them loaded. Any other call gets a lane for itself (Estimate). A script's first executions are slow and count as short
//     until eight were seen, unless one takes 5 ms. What counts is CPU time; time without a processor does from the second execution in a row on.
//   - A call of a short script that no lane serves waits for its tenant's own lanes to load it, up to 0.5 s while as many lanes as pay go
//     on and 20 ms else, before a further worker does. So a tenant's many scripts are loaded in few workers, once each.
//   - A script has at most its share of max_concurrent_runs in lanes, a tenant at most its share of its own limit. A call that one of them
//     keeps waiting holds up no other tenant's.
//   - Workers are given to the tenant that has fewest for its weight, and among equals to the tenant that was served longest ago (Before).
//     A tenant's first workers, up to its fair share, may exceed the node's bound by as much again, so that a tenant that keeps all its
//     workers busy for their whole time limit cannot make another wait (Allow). Where the node is full, a lane that has served its tenant for
//     a turn of 10 ms leaves its place to another tenant with as good a claim.
//   - An execution that waits for host calls leaves its worker's place to another: see package pool, Lanes. Calls of a script whose executions
//     wait briefly (Estimate.Brief) are worth few lanes, which share workers.
//   - A call is refused at once if it would be refused later, and else at its patience. A Refusal names the reason, and whose limit it is.
//   - A worker retires by age, runs, idleness and memory, when its tenant changes, and when another tenant needs its room: always without a
//     call. For room the worker goes first that its tenant has beside another one and did not need for a second.
//
// What a worker process does is told to the Placement, never asked of it:
//
//	event                                       what follows
//	a worker dies                               the call that executes is over; the others wait again, before all others, five times at most
//	it has no room for another isolate          the lane closes, its calls wait again; no further lane there
//	it gives a call back                        the call waits again, a hundred times at most
//	an execution takes longer than its script   the calls behind it are taken back (ActionRecall), further workers count without it
//	usually does, or waits for the host
//	a worker does not start                     further starts wait: 100 ms, doubled up to 10 s
//
// # Other rules
//
//   - Few places that all tenants share go round by tenant: between two places of a tenant that waits, every other tenant gets one at
//     most. A full queue refuses the tenant that fills it (Turns).
//   - A script that killed too many workers in a short time is not run for a while (Quarantine).
//   - Bytes of tenants and strangers are reserved before they are allocated, within one budget of the node (Budget). A tenant holds at
//     most half of what the other tenants leave of three quarters of it; a tenant below its floor, a 64th, is refused only when the
//     node is full. All clients without a tenant are one tenant. What was reserved is released exactly once.
package admission
