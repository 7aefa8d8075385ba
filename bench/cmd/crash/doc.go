// Command crash runs the scheduler and the queue through what they promise to survive, and counts. Nodes and workers are real
// processes of bin/ (make build), Postgres is one of its own with its default safety (fsync on), and the truth is a server that
// scripts call, which knows nothing of the queue. It exits with 1 when a promise was broken.
//
//	go run ./bench/cmd/crash ticks     500 schedules of every second, 2 and 4 nodes, a minute each: calm, then with chaos
//	go run ./bench/cmd/crash events    100,000 events into three subscribers each, 4 nodes, with chaos
//
//	-chaos off       neither kills nor restarts (ticks: "both", the default, runs calm and then with chaos)
//	-kill 4s         the mean time between two kills
//	-v               every kill and restart on stderr
//
// Chaos is kill -9 of a random node, which starts again 1 to 4 s later, or of a random worker, and Postgres restarted twice: first
// by a fast shutdown, then by an immediate one, from which it recovers as from a crash.
//
// # What must hold
//
//	ticks    every second of every schedule has one execution (expected = found, duplicates and lost are 0); no script saw a tick
//	         twice; nothing waits, runs or is_running at the end. The schedules have overlap "allow" and missed "run_all", so that
//	         the policies permit no gap. A tick whose node or worker was killed under it is not begun again: it is counted as cut.
//	events   every accepted event reached each of its subscribers; nothing waits or runs at the end; the dead letters are the
//	         events at which one subscriber throws (each 1,000th), one for each. A run that saw its event in the same attempt a
//	         second time is counted: delivery is at least once.
package main
