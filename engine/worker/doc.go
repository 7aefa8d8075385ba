// Package worker is the child process that runs one tenant's scripts.
//
//	fd 3 ──> inbox ──> main thread: Load, Run, … one after the other ──> outbox ──> fd 3
//	           ▲            │ JavaScript runs here
//	           └── watchdog ┘ deadlines, Cancel while JavaScript runs, flush of held answers
//
// Plain requests never come so far: package warm's loop runs and answers them on the main thread without Go, and hands over what is not plain.
//
// # Rules
//
//   - JavaScript runs on the main thread, and an isolate has one execution at a time. One that waits is set aside; executions of
//     other isolates go on, or begin. What is for the isolate of one that waits comes after it.
//   - The time limit of an execution that was set aside goes on, its CPU time does not. Where another keeps the main thread, its end
//     is answered by the watchdog, and what is left of it is cleared when the main thread comes to it.
//   - The main thread reads fd 3 when no JavaScript runs. While it runs, the watchdog reads, so that a Cancel is seen.
//   - An answer is held back only while whole frames wait in memory and the next execution is expected to be short, and for two
//     ticks of the watchdog at most.
//   - The watchdog terminates what is beyond its wall or CPU time, and repeats it until the call returns.
//   - What the loop of package warm runs is the loop's until it has ended, or until it is adopted: by the watchdog once it has run for half a
//     tick, or where its JavaScript calls Go. Then it is an execution as any other, and the loop settles nothing of it.
//   - The watchdog's timer is unset while the worker waits, but where it was set twice within half a tick: a busy worker has one tick in ten
//     milliseconds, one that runs something now and then has none.
//   - A Load evaluates a script's top level within 5 s. One that awaits is evaluated within the script's first execution, under its
//     limits; where that execution ends before, the next one evaluates it again.
//   - Between executions, once the answers are written, V8 does what it put off in the isolates in which something ran (tidy): under the
//     watchdog, with limits of its own, and charged to the next execution of the same script.
//   - A worker whose data segment grows beyond what V8's heap explains collects garbage, then drops the isolate, then asks to be replaced
//     (Result.Exiting), each before its limit bites.
//   - An isolate that was terminated, that came near its memory limit, or whose script's top level failed, is dropped (Result.Condemned).
//   - The worker ends when fd 3 does.
//
// # Failures
//
//	the script throws, rejects, …            Result with its code; the isolate lives
//	wall time while the script waits         Result exceeded_wall_time; the isolate lives
//	wall or CPU time in JavaScript           Result, Condemned
//	V8's heap limit                          Result exceeded_memory, Condemned
//	V8 or the kernel refuses memory          exit status 87; those that were set aside are lost with it
//	a fatal signal in native code            exit status 88
//	a native loop that ignores termination   nothing; the node's SIGKILL ends it
//	a forbidden system call                  SIGSYS
package worker
