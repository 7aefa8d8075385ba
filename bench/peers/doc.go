// Command peers compares jsruntime with what people would use in its place, on this machine, in one run.
//
//	make bench-peers            (or: go run . -rounds 3, in this folder, after npm install in js/)
//
// Two comparisons, each in rounds that alternate over the peers so that a slow minute of the machine hits all of them:
//
//   - http: the same small JSON endpoint (js/handler.js) under workerd, Deno, Bun, Node with isolated-vm, bare Gin, and
//     jsruntime with its history, limits and sandbox on. Closed loop over 16 connections from package load, which runs on the
//     same cores.
//   - jobs: a queue of no-op jobs drained by River, graphile-worker and pg-boss, and by jsruntime running a JavaScript event
//     handler for each, on the same Postgres server, each in a database of its own.
//
// Only ratios within a run mean anything. RESULTS.md gets the table with the least and greatest of the rounds.
//
// The module is its own so that the peers' dependencies are not the product's.
package main
