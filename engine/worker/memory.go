package worker

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// memory knows the process's size and bounds it.
type memory struct {
	statm *os.File
	page  uint64
	base  uint64 // VmData of the worker before it had any tenant's code
	hard  uint64 // bytes; the limit that cannot be raised any more
	last  uint64

	idle uint64 // bytes of its own before it had any tenant's code

	// high is the data segment from which on V8 is asked to give memory back: more than the heap limit of the script in front explains.
	// Guarded by current.mu, since the watchdog looks at it too.
	high uint64
	// asked is the data segment when V8 was last asked and could give back no more; it is asked again once a good part came to it.
	// Guarded by current.mu.
	asked uint64
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

// size returns the bytes of memory that is the process's own (resident pages that belong to no file) and of the data segment.
func (m *memory) size() (own, data uint64, err error) {
	var b [128]byte
	n, err := unix.Pread(int(m.statm.Fd()), b[:], 0)
	if err != nil {
		return 0, 0, err
	}
	// size resident shared text lib data dt, in pages
	var fields [6]uint64
	at := 0
	for _, c := range b[:n] {
		switch {
		case c >= '0' && c <= '9' && at < len(fields):
			fields[at] = fields[at]*10 + uint64(c-'0')
		case c == ' ':
			at++
		}
	}
	if at < len(fields) {
		return 0, 0, errors.New("statm: too few fields")
	}
	return (fields[1] - min(fields[1], fields[2])) * m.page, fields[5] * m.page, nil
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

// highOf is the data segment of a script of maxMemory bytes that its heap alone does not explain, half of the way to the limit.
func (m *memory) highOf(maxMemory, others uint64) uint64 {
	return m.base + others + maxMemory + headroom/2
}
