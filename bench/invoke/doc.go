// Package invoke measures an execution from Engine.Execute through a real worker and back, without HTTP and without Postgres.
//
//	go test -run xxx -bench . ./bench/invoke            builds the worker; or JSRUNTIME_WORKER=bin/jsruntime-worker
//	go test -run xxx -bench Pipelined -cpuprofile cpu.prof ./bench/invoke
//
// Warm is one caller of one loaded script. Cold is the first execution of a script that no worker has loaded: in a worker that its
// tenant has, and in a spare. Pipelined is many callers of one script; node-µs/op is the node's CPU time for each, the
// benchmark's own included, which says more than the rate where other work shares the machine. BesideABurner is a small endpoint
// alone, and while another tenant keeps all its max_concurrent_runs in endless loops.
//
// # Figures
//
// 24 November 2026, 2 cores (AMD EPYC), beside other work (load average 6 to 12), which halves most of them at least:
//
//	Warm fetch                       p50 70 µs     p99 0.2 ms
//	Pipelined, 16 callers            36,000/s      p50 0.33 ms   p99 2.5 ms    12 µs of node CPU each, one worker
//	Pipelined, 64 callers            47,000/s      p50 1.1 ms    p99 4.8 ms    10 µs of node CPU each, one worker
//	Cold, spare worker               p50 9 ms      p99 36 ms
//	endpoint alone                   p50 89 µs     p99 1.1 ms
//	endpoint beside a burner         p50 106 µs    p99 3.5 ms
//
// # Where the node's microseconds go
//
// Of the node's CPU time for a pipelined execution, 60 % are system calls (write of the Run, read of the Results, epoll) and the
// wake-ups of goroutines and threads; the pool's bookkeeping under its lock is 5 %, building and judging the execution 15 %. One
// caller alone pays for two wake-ups of threads in other processes, which batches share: that is most of the 70 µs.
package invoke
