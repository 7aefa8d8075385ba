// Package faults breaks real nodes and a real Postgres, one fault at a time, and looks whether what the runtime promises still
// holds. It has tests only: `make test-faults`, which sets JSRUNTIME_BINARY; without it they are skipped.
//
//	           sink  ◄── every run of a script says that it began and ended: the truth that is not the queue's own
//	            ▲
//	load ──► node 1 ──┐
//	   └───► node 2 ──┴─► relay ─► Postgres       the relay cuts, stalls, delays and breaks; network namespaces partition
//
// A fault has a world of its own: a database, two nodes, a tenant with scripts of every kind, and a load that runs before,
// during and after it. Then the world settles, and the invariants are checked:
//
//	I1   every accepted execution has an ending
//	I2   a late attempt changes nothing: no ended execution changes its status, none began more often than its attempts say, and
//	     no run does anything after the next one has begun
//	I3   a cron tick starts at most once
//	I4   nothing is running without a live lease: at no time for longer than a lease and a sweep, and not at all in the end
//	I5   attempts stay within their bound and come no sooner than they may, and an exhausted event has exactly one dead letter
//	I6   a write that was acknowledged is there; one that was not is asked for again with its Idempotency-Key, and done once
//	I7   no worker outlives its node by more than 2 s, and there are no zombies
//	I8   no row belongs to two tenants
//	I9   goroutines, descriptors, memory and connections in use return to where they were, and no transaction is left open
//	I10  no node ends by itself; /healthz stays up and /readyz tells the truth
//	H    every answered request is in the history, but for the last 100 ms before a kill -9
//
// Clocks are stepped by what the processes read, not by the machine's own: Postgres gets another now(), a node is built with a time
// package whose wall clock is ahead or behind. Zone data is in the binary, and changes with it.
//
// A fault that cannot be injected on this machine (no root, no ip, no pgbouncer) is skipped and says so in the table that ends the run.
// FAULTS_TABLE=path writes the table there, as Markdown. CRASH_DURATION=10m repeats kills at random for that long;
// JSRUNTIME_FAULTS_ONLY=F1,F6 picks faults; JSRUNTIME_FAULTS_OUTAGE=30s is how long Postgres is away; JSRUNTIME_FAULTS_KEEP=dir
// keeps the logs and metrics of nodes in a fault that failed; JSRUNTIME_OLD_BIN=dir has the older binaries of F20, which are built
// otherwise from the newest tag v*, or from the commit that changed the migrations last where nothing is released.
package faults
