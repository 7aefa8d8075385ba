// Command peers compares jsruntime with what people would use in its place, on this machine, in one run.
//
//	make bench-peers            (or: go run . -rounds 3, in this folder, after npm install in js/)
//
// Comparisons, each in rounds that alternate over the peers so that a slow minute of the machine hits all of them:
//
//   - http: the same small JSON endpoint (js/handler.js) under workerd, Deno, Bun, Node with isolated-vm, bare Gin, and
//     jsruntime with its history, limits and sandbox on. Closed loop over 16 connections from package load, which runs on the
//     same cores.
//   - low, open: 100 and 2,000 requests a second in open loop, of one tenant and over 100: CPU of a request, p50 to p99.9.
//   - post, kv: a JSON body of 10 KB; a script that reads one key, beside Gin with one SELECT.
//   - tenants: 100, 300 and 1,000 tenants at random (-tenants), beside workerd with as many services behind a dispatcher.
//   - jobs: a queue of no-op jobs drained by River, graphile-worker and pg-boss, and by jsruntime running a JavaScript event
//     handler for each, on the same Postgres server, each in a database of its own.
//
// jsruntime-none is jsruntime with a script whose history keeps nothing. -tables makes some of them (http, low, open, post, kv, tenants, jobs); each
// replaces its own section of RESULTS.md. In all but http and jobs the peers of a table run side by side, and are measured by turns.
//
// Only ratios within a run mean anything. RESULTS.md gets the table with the least and greatest of the rounds.
//
// The module is its own so that the peers' dependencies are not the product's.
package main
