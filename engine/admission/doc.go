// Package admission decides who may run now: how much of a limit is this node's, how long an execution can be expected to take,
// which tenant is next, and which script may not run at all.
//
// It holds rules, not state of workers: package pool calls it under its own lock and does what it says. Only Quarantine has a
// lock of its own.
//
// # Rules
//
//   - A limit across nodes is divided by the nodes that are alive. No node's share is less than 1, so that a script with
//     max_concurrent_runs 1 can run on every node: with more nodes than the limit the sum may exceed it. The durable queue counts
//     exactly, in the database.
//   - A script whose executions are short and do not wait for host calls queues at its worker; any other gets a worker for each
//     execution (Estimate).
//   - Workers are divided over the tenants that want some: whoever has fewest is next, and among equals whoever was served longest
//     ago (Before). A tenant's first workers, up to its fair share, may exceed the pool's bound by as much again, so that a
//     tenant that keeps all its workers busy for their whole time limit cannot make another wait (Allow).
//   - A script that killed too many workers in a short time is not run for a while (Quarantine).
package admission
