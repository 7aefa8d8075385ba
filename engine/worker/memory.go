package worker

import "golang.org/x/sys/unix"

// headroom is what a worker needs beside the isolates: Go's own memory, V8's zones, frames under way.
const headroom = 16 << 20

// setHard fixes the most that a slot's limit may ever allow: a script of maxMemory bytes, and as much in the isolates that stay beside it.
func (w *worker) setHard(maxMemory uint64) error {
	w.mem.Hard = w.mem.Base + 3*maxMemory + headroom
	return unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: w.mem.Hard, Max: w.mem.Hard})
}
