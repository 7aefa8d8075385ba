// Package pool keeps worker processes and brings calls to them. It knows processes, sockets, frames and clocks; it knows no JavaScript, not
// why an execution runs, and not which worker a call gets: admission.Placement decides that. A method of the Pool takes the one lock, tells
// the Placement what has happened, does what it asks for, and writes the frames of it after the lock.
//
//	Submit ──► Placement.Submit ──► ActionPlace ──► lane: Load, Run frame, written without waiting
//	                                                    │
//	Done ◄── Result ◄── one reader a worker ◄───────────┘
//	            └────► Placement.Ended ──► ActionPlace of the next call
//
//	worker.go    a process: spawn, Hello, lease, death          pool.go      the lock, the actions, Run and shutdown
//	image.go     what workers start from                        codes.go     what one worker has compiled for the next
//	lane.go      its queues: clocks, Cancel, SIGKILL            watch.go     what the kernel says of it
//	protocol.go  frames that come                               outbox       frames that go, a package beside
//
// # Invariants
//
//   - A worker serves one tenant from its lease to its death. It has one lane, or several; a lane's queue holds calls of one script, or of
//     several that are loaded and short.
//   - The first call of a queue executes, or waits for its Load. Its clock starts when it is written to an
//     idle lane, or when the Result before it came.
//   - Every submitted call gets exactly one Ending, whatever happens to workers.
//   - The reader of a worker never waits for a write: a frame that the socket does not take is left to the worker's writer. Both use raw
//     system calls that never wait (package rawnet); the runtime's poller waits.
//   - Processes are started by one goroutine that holds its thread for good: PR_SET_PDEATHSIG fires when the parent thread ends.
//
// A tenant may have a kind of its own (Config.TenantArgs): workers that were started with a further argument. Spares are leased by kind; of
// a kind that only some tenants have, one stays as a spare.
//
// Workers of a kind start from an image: what one process, which never has a tenant, has made of the web API. It is memory that is
// sealed before any worker has it, and the first worker of a kind waits for it (0.1 s). Where none can be made, workers do without.
//
// # Code caches
//
// V8's code of a script's version that one worker has made is given to the workers that load it after it (codes.go): 32 MiB a node with the
// sources, those that were not used for longest go first, sources of 16 KiB and more. It is V8's own format, and V8 checks only its version, its flags and the
// source's length: what a hostile worker makes of it may be native code execution in the worker that takes it. So
//
//   - it is for workers of one program alone, which is one version of one script of one tenant with one source: the tenant hurts nothing but
//     what it has anyway, its own worker, and the worker is the wall;
//   - it is taken only from a worker that has executed nothing and loads its first script: such a worker has run the tenant's own top level and
//     has met no request, so that a stranger who breaks a worker leaves nothing for the next one. Scripts that a tenant's only worker loads
//     beside others get their code when a fresh worker loads them first;
//   - it comes in the frame that was asked for it, once; another is a breach of the protocol. What V8 refuses is dropped;
//   - it is in memory: it ends with the node.
//
// # Who kills whom
//
//	what happened                                   what follows
//	no Hello in time, or of another build           killed; further spawns wait (back-off, doubled up to 10 s), and one is tried
//	                                                even if no call waits: Able follows it
//	the deadline of the running call                Cancel; after the grace SIGKILL: Death.Cause = deadline
//	its CPU limit, and twice the grace              the same, Death.Cause = cpu
//	it is cancelled (Stop)                          Cancel with the time in which its script may clean up; after that and the grace
//	                                                SIGKILL: Death.Cause = cancelled
//	its caller is gone (Stop.Left)                  the same, unless the worker answers GoesOn: work of waitUntil is left
//	a Load takes longer than the script may run     SIGKILL, Death.Cause = deadline
//	a malformed frame, an unknown number, a window  SIGKILL, Death.Cause = protocol
//	overrun
//	frames that no worker of ours sends so many of  SIGKILL, Death.Cause = flood (budget.go; engine's frames.go)
//	more small frames than the node reads beside    its reader waits: 20,000 frames and 128 MiB a second, after as much at once
//	its other work
//	what the node sent stays unread: 64 MiB, more   SIGKILL, Death.Cause = not_reading (package outbox)
//	than the node's budget has room for, or 1 MiB
//	for 10 s
//	more memory than its scripts may have, more     SIGKILL: Death.Cause = memory, threads, idle_cpu. Each worker of a tenant is
//	than 64 threads, computing while it is idle     looked at up to ten times a second (watch.go)
//	the process ends by itself                      Death has its signal or exit code and the end of its stderr
//	age, runs, memory, idleness, changed tenant     no further call; SIGKILL once it has nothing to do
//	the node dies                                   EOF on fd 3, and SIGKILL by PDEATHSIG
//
// # Figures
//
// What a worker says of its CPU time and memory is its own word. Looks at it are the kernel's: an execution is charged the larger. A worker
// whose figures leave more than a half of its CPU time unnamed has each of its executions timed by the kernel's clock.
//
// # Lanes
//
// An execution that waits for a host call has a worker of its own as long as fewer than MaxWorkers have anything to do. Beyond that a
// worker all of whose executions wait gets another call of its tenant, in another lane: isolates of its own in the same process. A
// lane is what calls are placed in, what limits count and what has clocks; the worker is what is leased, counted as active or parked,
// retired and killed. At most 64 lanes are in one process, fewer where it has no memory for a further isolate; a tenant
// whose workers are full gets further ones, up to MaxParked that wait. Lanes at rest take the tenant's next calls, and go 3 s after
// the last.
//
// Where a script's executions wait only briefly (less than 5 ms in all, as reading a key does), a crowd of calls gets as many lanes as begin
// all of them within a millisecond, in as many workers as there are processors, and the others wait for one of these: an isolate takes longer to
// make than that, and its code is cold.
//
// The executions of a worker share its one thread: one that computes keeps its neighbours waiting, whose time limits go on. They
// share its memory, and its death: the call that executed counts as the reason, as far as the node knows, and its neighbours end with
// CauseNeighbour. An isolate that is terminated takes no other with it.
//
// # Deaths
//
// When a worker dies, the call that executed ends with the Death. Those behind it had not begun and are pending again, before
// all others; a call that met that five times ends with Death and Began false.
package pool
