// Package engine runs a script for a tenant within its limits, and says how it ended.
//
//	gateway, httpapi, scheduler
//	      │ Execute(ctx, *Invocation)                                 ▲ *Result: how it ended        *RefusedError: not begun
//	      ▼                                                           │
//	┌─ Engine ────────────────────────────────────────────────────────┴──────────────────────────────────────────────┐
//	│ quarantine ─► program of the script ─► pool: processes and frames ─► judge: what a Result, or a death, means    │
//	│                                         │    admission.Placement: which worker, when                            │
//	│              Host.Call ◄─ host calls ◄──┤ frames                                                                │
//	└─────────────────────────────────────────┼──────────────────────────────────────────────────────────────────────┘
//	                                     socketpair, fd 3
//	                          ┌───────────────┴───────────────┐
//	                          │ worker: one tenant, for life   │   a process without network, files or environment
//	                          │   isolate of script 1, 2, …    │   one execution at a time in each, one thread for all
//	                          └───────────────────────────────┘
//
// # Invariants
//
//   - An accepted execution gets exactly one Result, whatever happens to its worker.
//   - A Result's failure is the script's; an error of Execute is ours or the caller's, and the script's code did not run then.
//   - The engine's timer is the authority on time. A worker's word is taken for how an execution ended only within what a script
//     can cause: never for codes that are ours (worker_lost, overloaded, …), never for more output than allowed.
//   - Who calls the host is known from the worker's lease and the Run that it executes, not from what the worker says.
//   - Text and output that leave the engine are valid UTF-8 without NUL, bounded, and fit for jsonb; a response has a status, names
//     and values that net/http can send, and no header that belongs to the server.
//   - What one execution holds of the node's memory is bounded: a frame, 32 host calls of 32 MiB together, a window of 256 KiB a
//     stream, logs, output.
//
// # How many executions at one time
//
// A worker executes one at a time. Executions of a script that are short and make no host calls queue at its worker, up to half a
// millisecond's worth; a further worker is used when the queue is full. Executions that are long get a worker each. So do executions that
// wait for the host for 5 ms and more, until MaxWorkers have something to do; then up to 64 of one tenant wait in one worker, each in an isolate of
// its own. Executions that wait for less share isolates: as few as begin each call within a millisecond. A thousand that each wait a second on fetch all waited at one time in 18 workers of a node with MaxWorkers 8, with 2.7 MiB
// an execution: 1.6 to 1.9 s where the isolates were there, 7 to 24 s where all of them were made first, on two cores of which
// others took the larger part. A script is served by at most its share of max_concurrent_runs, a tenant by at most its share of its concurrency, all by
// MaxWorkers, not counting workers whose execution waits for a host call: a chain of scripts that invoke each other always comes to
// its end. Idle workers do not count: up to MaxWarm keep their tenant and what they have loaded, and take their tenant's next
// execution at once, whatever others do. What is over waits, fairly over tenants, and is refused with CodeConcurrencyLimit or CodeOverloaded in the end.
//
// # Who ends what
//
//	who           what                                   when
//	worker        the isolate's execution                wall time, CPU time, heap limit; a Cancel, after its grace of a second
//	engine        Cancel, a grace, SIGKILL after 250 ms  Engine.Cancel; the caller is gone and no work of waitUntil is left
//	engine        Cancel, then SIGKILL after 250 ms      wall time; twice that beyond the CPU time; a cause of WithoutGrace
//	engine        SIGKILL                                a Load beyond its time; a breach of the protocol; a peer that does not read
//	kernel        the worker                             RLIMIT_DATA refused (exit 87), a forbidden system call (SIGSYS), the node's death
//	engine        a worker between two executions        age, runs, memory, idleness, another tenant's need, RetireTenant
//
// A script whose execution is cancelled is told first: the stream of its response is cancelled and ctx.signal aborted, with the reason.
// It may make host calls for a second, within its own limits, and ends as cancelled. Time limits give no grace.
//
// # Answer and end
//
// What a handler gives is the answer. Where work of waitUntil is left then, the answer leaves at once and the execution goes on, in its
// lane and within its limits; Execute returns, and Invocation.OnEnd is told the end. A caller that is gone changes nothing for
// such work, neither before the answer nor after it. What goes wrong beside the answer is logged and ends the execution as
// background_error; a limit that bites or a worker that dies ends it as ever. None of it touches the answer.
//
// # Failures
//
//	what happened                                        the execution                          the others at that worker
//	the script throws, exceeds a limit                   its code                               go on
//	the isolate was terminated                           its code                               loaded again, then go on
//	a promise of waitUntil is rejected                   background_error                       go on
//	deadline, and the worker did not react               exceeded_wall_time                     sent to another worker
//	V8 or the kernel was out of memory                   exceeded_memory                        sent to another worker
//	memory beyond RLIMIT_DATA, seen by the node          exceeded_memory                        sent to another worker
//	threads, computing while it is idle, floods          sandbox_violation                      sent to another worker
//	a forbidden system call                              sandbox_violation                      sent to another worker
//	the worker crashed, lied about numbers, was killed   worker_lost                            sent to another worker
//	an execution in the same worker made it die          worker_lost, if it had begun           sent to another worker
//	the worker dies before it begins                     sent to another worker, five times     the same
//	the script killed 5 workers within a minute          quarantined, for 5 minutes             the same script's are refused
//	the tenant's secrets cannot be read                  refused: overloaded                    refused
//	workers do not start                                 refused after QueueWait: overloaded    refused
//	the node shuts down                                  DrainGrace, then worker_lost           the same; waiting executions are refused
//	the host panics                                      the script sees "internal error"       nothing
package engine

//go:generate go run ./internal/generate
