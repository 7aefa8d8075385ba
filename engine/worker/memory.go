package worker

import (
	"bytes"
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// memory knows the process's size and bounds it.
type memory struct {
	statm *os.File
	page  uint64
	base  uint64 // VmData of the worker before it had any tenant's code
	hard  uint64 // bytes; the limit that cannot be raised any more
	last  uint64

	idleRSS uint64 // resident bytes of the worker before it had any tenant's code
}

// headroom is what a worker needs beside the isolates: Go's own memory, V8's zones, frames under way.
const headroom = 16 << 20

func openMemory() (*memory, error) {
	f, err := os.Open("/proc/self/statm")
	if err != nil {
		return nil, err
	}
	return &memory{statm: f, page: uint64(os.Getpagesize())}, nil
}

// size returns the bytes of the resident set and of the data segment.
func (m *memory) size() (rss, data uint64, err error) {
	var b [128]byte
	n, err := unix.Pread(int(m.statm.Fd()), b[:], 0)
	if err != nil {
		return 0, 0, err
	}
	fields := bytes.Fields(b[:n])
	if len(fields) < 6 {
		return 0, 0, errors.New("statm: too few fields")
	}
	r, err1 := strconv.ParseUint(string(fields[1]), 10, 64)
	d, err2 := strconv.ParseUint(string(fields[5]), 10, 64)
	return r * m.page, d * m.page, errors.Join(err1, err2)
}

// setHard fixes the most that limit may ever allow: a script of maxMemory bytes, and as much in the isolates that stay beside it.
func (m *memory) setHard(maxMemory uint64) error {
	m.hard = m.base + 3*maxMemory + headroom
	return unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: m.hard, Max: m.hard})
}

// limit bounds the data segment for a script of maxMemory bytes, with others bytes in the isolates of other scripts. V8 gets twice
// the script's limit, so that its own heap limit (which the binding doubles once) bites before the kernel's does.
func (m *memory) limit(maxMemory, others uint64) error {
	n := min(m.base+others+2*maxMemory+headroom, m.hard)
	if n == m.last {
		return nil
	}
	m.last = n
	return unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: n, Max: m.hard})
}
