// Package scheduler decides when executions run, claims them, hands them to an engine.Executor and writes down how they ended.
//
//	schedules ── tick ──► pending executions, in the queue ◄── events, runs by hand, retries, redrives (SQL, other packages)
//	                        │ claim (dispatch): FOR UPDATE SKIP LOCKED, a lease with a token
//	                        ▼
//	                      leased  ──► Executor ──► ending ── finish: guarded by the token ──► ended, and what follows from it
//	                        │                                   (next attempt, dead letter, the schedule's last run, logs, usage)
//	                        │ keepLeases: renewed three times a lease
//	                        └ rescue, by any node, when the lease has expired ──► pending again, or failed: worker_lost
//
// Any number of nodes do this against one Postgres; none of them leads.
//
// # The queue and the history
//
// script_execution_queue has a row for each execution that waits or runs: when it is due, and who has leased it. Claims, renewals, requests
// to cancel and the bound of a tenant's queue look there and nowhere else, so they take as long after a hundred million executions as
// after one. The execution's own row in script_executions is inserted when it is accepted and updated when it ends, in the transaction
// that inserts or deletes the row of the queue. What has run for a second is updated once more, to the status running: until
// then a leased execution still says pending, to the API as well. Triggers (migrations/00004_executions.sql) keep the queue in step where
// SQL of others writes the history. A transaction that locks both rows of an execution locks the queue's first.
//
// # Rules
//
//   - Postgres decides, by its own clock, in single statements: what is due, what is claimed, what has expired. Go's clock only
//     waits. Notifications, which engine/cluster listens to, are hints; everything is found by polling too (the queue within
//     a second).
//   - The node that runs an execution has a lease of it with a token, and every later write names the token. What a node writes after it lost
//     a lease changes nothing, and nothing follows from it.
//   - A node that could not renew a lease for two thirds of it ends the run itself, before another node may begin it.
//   - A tick starts at most once: its row in script_schedule_ticks, whose key it is, its execution and the schedule's next tick are
//     written in one transaction. The row outlives the execution.
//   - is_running of a schedule stands for one execution, which waits or runs under a live lease. The sweeps keep it so.
//   - Outcomes of the script spend attempts. Losses of ours (a worker, a node, no room) do not; after five of them it fails.
//   - No lock is held while a script runs.
//   - No statement walks the queue from its beginning but the discovery, which takes a tenth of the time. Claims begin at
//     a floor that moves with what was claimed, since the entries of claimed rows stay in the index while anybody holds a
//     snapshot.
//   - What a node's own ticks have queued is claimed without a discovery.
//   - Endings gather while a batch of them is written. What waits to be written is bounded, by number and by bytes: beyond that nothing is claimed.
//   - Free slots go to the tenant that has fewest running, and there to its scripts in turn. A tenant that has nothing running may
//     exceed the node's Concurrency by a quarter.
//   - max_concurrent_runs of a script and of a tenant is divided by the live nodes, exactly: the nodes' parts add up to it
//     (engine/cluster).
//   - What a script or a tenant is refused for pauses claims of that script or tenant only. An execution that waits for its script's own
//     requests takes no slot, and there is one of a script at most.
//
// # What goes wrong, and what happens then
//
//	node killed, machine lost       its leases expire (15 s); any node rescues within a third of a lease (5 s)
//	node paused, cut off            ends its own runs after two thirds of a lease; whatever it still writes is refused, its scripts' kv included
//	machine lost in a transaction   Postgres ends it after 10 s: what it had locked is rescued too
//	a claim's commit in doubt       given back under its token, once Postgres knows whether it happened
//	Postgres away                   nothing is claimed; endings wait in memory and are written when it is back, if the lease still holds
//	worker lost under a run         again after half a second, lost_count + 1; a cron tick only with retry_lost
//	no worker can be started        this node claims nothing, and its share of limits is the others' until it can again
//	no worker free, limit reached   back into the queue for as long as the engine says
//	script's own failure            events: the next attempt after 2, 4, 8 s or as the script's retry says, then a dead letter;
//	                                ticks: as the script's retry says, if it says so; runs by hand: nothing
//	script paused, tenant suspended its ticks that wait are cancelled, its events wait until it is active again, runs by hand go on
//	ending that Postgres refuses    written without what the script made of it, as invalid_output
//	shutdown                        claims nothing, waits DrainTimeout, gives the rest back; a tick that had begun is cancelled
//	a transaction held open         claims keep their rate; scripts that were not seen lately are found a little later
package scheduler
