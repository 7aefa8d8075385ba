// Package warm runs and answers plain requests in C++, without Go: to wake Go's scheduler and its monitor thread for each request costs more
// than the request. It also has what the C++ loop shares with the worker in Go: the slots and the memory limit, the watchdog's timer, and
// the frames for the node. It knows no V8: the three calls into an isolate are function pointers (see package isolate).
//
//	worker (Go)                           loop.cc
//	  Run ──────────────────────────────>  frame in the inbox? ── no ──> tidy, write answers, unset timer, read fd 3
//	                                        │ a plain Run of a known slot
//	                                        ▼
//	  Adopt  <── watchdog, at a tick ───   begin (V8) ── plain answer? ── yes ──> Result into the outbox, next frame
//	         <── JavaScript calls Go ───    │ no
//	  Settle <─────────────────────────────┘
//	  anything else: Go takes the frame from the inbox
//
// # What is plain
//
// A Run of any handler whose context, head and body are ASCII, and which ends within the call: with a short response or output of ASCII, no
// rejection, no promise, call or stream that is left, within its output limit, not terminated, below the heap limit and below 7/8 of its memory.
// Everything else is settled by Go, from the point that it has reached, as if Go had begun it.
//
// # Invariants
//
// Each is tested with the path forced on and off (worker's --warm=on and --warm=off). The tests are engine/worker's, but for those of this package.
//
//	one of loop and Go has what runs        Front.State changes by compare-and-swap: RUNNING to NONE by the loop, to ADOPTED by Go; the inbox goes
//	                                        with it                                                           TestWarmOrder, TestWarmWatchedExecutionsLive
//	terminate only within a call, again     the loop terminates nothing: the watchdog adopts what has run for half a tick, and Go's rules hold
//	every 20 ms                             from then on                                                      TestWarmTerminationIsRepeated, TestWarmWatchedExecutionsLive
//	wall and CPU limit                      the clock is read before anything of the run; where runs follow at once, the CPU clock is estimated for
//	                                        a millisecond, by the wall time of those before                   TestWarmWallTime, TestWarmCPUTime
//	no more CPU time is answered for        a run of less than 0.2 ms answers for its wall time, and what the clock says at its next reading is put
//	than was used                           right with the next one of the same script (Owed)                 make sanitize
//	memory is looked at                     V8's and the kernel's, after each run of more than 0.2 ms and one in eight others  TestWarmMemoryIsLookedAt
//	Cancel while JavaScript runs            Go reads ahead once it has adopted; the loop reads only where no whole frame is there  TestWarmCancel
//	answers held for two ticks at most      written before a wait, before what may take long, and by the watchdog  TestWarmCancel
//	what is not plain is Go's               TestWarmAnswersAsGoDoes, TestRunLeavesOtherFrames, TestWarmRunsWhatIsPlain
//	RLIMIT_DATA of the slot in front        Bound, for both                                                   TestWarmMemoryLimitFollowsTheSlot
//	heap limit, 7/8 of the memory           Go settles and condemns                                           TestWarmHeap
//	order and bound of frames               one outbox for both; what JavaScript logs is Go's                 TestWarmOrder, TestFramesAreWrittenWholeAndInOrder
//	V8's tasks run between executions       under the watchdog, with limits of their own                      TestWarmPump
//	a wait has no ticks                     TestTimerRests
//	parser and writer are package wire's    FuzzRun, FuzzResult, and make sanitize
//
// # Bounds
//
// Frames come from the node, which is trusted with the worker but not with its memory: lengths are checked before use. What boot.js leaves in
// the control block and the short text is taken as hostile: all of it is compared with the memory that it is about. A slot's Control and Short are
// those of its context until the next Load, which clears them first.
package warm
