// Package admission decides who may run now, and who may take memory: how much of a limit is this node's, how long an execution can
// be expected to take, which tenant is next, whose turn it is at the compiler, which script may not run at all, and how many bytes a
// tenant may hold.
//
// It holds rules, not state of workers: package pool calls it under its own lock and does what it says. Only Quarantine and Budget
// have locks of their own.
//
// # Rules
//
//   - A script whose executions are short and do not wait for host calls queues at its worker; any other gets a worker for each
//     execution (Estimate).
//   - Workers are divided over the tenants that want some: whoever has fewest is next, and among equals whoever was served longest
//     ago (Before). A tenant's first workers, up to its fair share, may exceed the pool's bound by as much again, so that a
//     tenant that keeps all its workers busy for their whole time limit cannot make another wait (Allow).
//   - Few places that all tenants share go round by tenant: between two places of a tenant that waits, every other tenant gets one at
//     most. A full queue refuses the tenant that fills it (Turns).
//   - A script that killed too many workers in a short time is not run for a while (Quarantine).
//   - Bytes of tenants and strangers are reserved before they are allocated, within one budget of the node (Budget). A tenant holds at
//     most half of what the other tenants leave of three quarters of it; a tenant below its floor, a 64th, is refused only when the
//     node is full. All clients without a tenant are one tenant. What was reserved is released exactly once.
package admission
