package worker

import (
	"golang.org/x/sys/unix"

	"example.com/jsruntime/engine/internal/warm"
)

// setHard fixes the most that a slot's limit may ever allow: a script of maxMemory bytes, and as much in the isolates that stay beside it.
func (w *worker) setHard(maxMemory uint64) error {
	w.mem.Hard = w.mem.Base + 3*maxMemory + warm.Headroom
	return unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: w.mem.Hard, Max: w.mem.Hard})
}
