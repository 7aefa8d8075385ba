// Package warm runs and answers plain requests in C++, without Go: to wake Go's scheduler and its monitor thread for each request costs more
// than the request. What a plain request awaits of the node, and what it logs, needs no Go either. It also has what the C++ loop shares with the worker in Go: the slots and the memory limit, the watchdog's timer, what
// scripts say, and the frames for the node. It knows no V8: the five calls into an isolate are function pointers (see package isolate).
//
//	worker (Go)                           loop.cc
//	  Lend, Run ────────────────────────>  frame in the inbox? ── no ──> tidy, write answers, unset timer, read fd 3
//	                                        │ a plain Run of a known slot, or a HostReply to an execution that waits
//	                                        ▼
//	  Adopt  <── watchdog, at a tick ───   begin, reply (V8) ── plain answer? ── yes ──> Result into the outbox, next frame
//	         <── JavaScript calls Go ───    │ no              └─ waits? ──── yes ──> set aside, next frame
//	  Settle <─────────────────────────────┘
//	  TakeBack <── anything else: Go takes the frame from the inbox, and what waits with it
//
// # What is plain
//
// A Run of any handler whose context, head and body are ASCII, and which ends within the call: with a response of text of at most 64 KiB and
// headers of ASCII, or a short output of ASCII, no rejection, no promise, call or stream that is left, within its output limit, not terminated, below the heap limit and below 7/8 of its memory.
// Everything else is settled by Go, from the point that it has reached, as if Go had begun it.
//
// An execution that waits for the node, or for a timer, is set aside by the loop where nothing else is to be said of it: it is within its limits,
// was not told to end, streams nothing and has no rejection. A HostReply without a stream, and with at most JSR_BODY bytes of a body, lets it go on. A timer, a time limit, a
// Cancel, a Chunk and anything else of it is Go's. Go lends the loop its own executions that wait where all of them are of this kind, and has
// them back with each frame that it handles; where such frames follow each other it keeps them for a while. A Run for a slot whose execution
// waits is kept until that has ended (JSR_LATER bytes).
//
// # What scripts say
//
// Host calls and log lines that are short and ASCII are records beside the control block (said.cc, say in boot.js): the loop, or Go after each
// call into the isolate, makes frames of them. Any call of Go's native function sends first what was said before it. Of a line's time the script
// knows whole milliseconds: its micros are these, not before the line before it and not later than now.
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
//	executions that wait                    each is the loop's or Go's: jsr_slot.Waits, which who adopts takes back; each gets its replies, in
//	                                        any order, and none of another's                                  TestWarmWaits, make sanitize
//	limits and Cancel of what waits         the loop polls until the first is due, looks after each frame, and leaves it to Go; CPU time is the
//	                                        sum of its turns                                                  TestWarmWaitsWithinLimits
//	what is said is sent once, in order,    guarded by the loop's said: by whom the execution has after each call, and by the watchdog while it
//	and while a script runs on              runs                                                              TestWarmSaidWhileItRuns, TestWarmWaits
//	max_log_bytes                           jsr_log's rule alone counts                                       TestWarmAnswersAsGoDoes
//	V8's tasks of what goes on for long     Go settles one turn in JSR_TURNS, and pumps                       TestWarmWaitsWithinLimits
//	what is not plain is Go's               TestWarmAnswersAsGoDoes, TestRunLeavesOtherFrames, TestWarmRunsWhatIsPlain
//	RLIMIT_DATA of the slot in front        Bound, for both                                                   TestWarmMemoryLimitFollowsTheSlot
//	heap limit, 7/8 of the memory           Go settles and condemns                                           TestWarmHeap
//	order and bound of frames               one outbox for both                                               TestWarmOrder, TestFramesAreWrittenWholeAndInOrder
//	V8's tasks run between executions       under the watchdog, with limits of their own                      TestWarmPump
//	a wait has no ticks                     TestTimerRests
//	parsers and writers are package wire's  FuzzRun, FuzzReply, FuzzResult, FuzzSaid, and make sanitize
//
// # Bounds
//
// Frames come from the node, which is trusted with the worker but not with its memory: lengths are checked before use. What boot.js leaves in
// the control block, the short text and the records of what it says is taken as hostile: all of it is compared with the memory that it is about. A
// slot's Control, Short and Said are those of its context until the next Load, which clears them first.
//
// After 512 executions, and four times as many each time, the loop gives back what V8's compilers have freed (malloc_trim).
package warm
