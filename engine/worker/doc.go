// Package worker is the child process that runs one tenant's scripts.
//
//	fd 3 ──> inbox ──> main thread: Load, Run, … one after the other ──> outbox ──> fd 3
//	           ▲            │ JavaScript runs here
//	           └── watchdog ┘ deadlines, Cancel while JavaScript runs, flush of held answers
//
// # Rules
//
//   - One execution at a time, on the main thread. What else arrives waits in the inbox.
//   - The main thread reads fd 3 when no JavaScript runs. While it runs, the watchdog reads, so that a Cancel is seen.
//   - An answer is held back only while whole frames wait in memory and the next execution is expected to be short, and for two
//     ticks of the watchdog at most.
//   - The watchdog terminates what is beyond its wall or CPU time, and repeats it until the call returns.
//   - An isolate that was terminated, or that came near its memory limit, is dropped (Result.Condemned).
//   - The worker ends when fd 3 does.
//
// # Failures
//
//	the script throws, rejects, …            Result with its code; the isolate lives
//	wall time while the script waits         Result exceeded_wall_time; the isolate lives
//	wall or CPU time in JavaScript           Result, Condemned
//	V8's heap limit                          Result exceeded_memory, Condemned
//	V8 or the kernel refuses memory          exit status 87
//	a fatal signal in native code            exit status 88
//	a native loop that ignores termination   nothing; the node's SIGKILL ends it
//	a forbidden system call                  SIGSYS
package worker
