package pool

import (
	"bytes"
	"math"
	"os"
	"strconv"
	"strings"
)

// memoryOf is the process's resident set in bytes, and what of it belongs to no file: 0 if unknown.
func memoryOf(pid int) (resident, private int64) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0, 0
	}
	fields := strings.Fields(string(b))
	if len(fields) < 3 {
		return 0, 0
	}
	pages, err1 := strconv.ParseInt(fields[1], 10, 64)
	ofFiles, err2 := strconv.ParseInt(fields[2], 10, 64)
	if err1 != nil || err2 != nil {
		return 0, 0
	}
	page := int64(os.Getpagesize())
	return pages * page, max(pages-ofFiles, 0) * page
}

// MachineMemory is the memory in bytes that this process and its children may use: the machine's, or what the cgroup allows; 0 if
// unknown.
func MachineMemory() int64 {
	total := int64(math.MaxInt64)
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		if f := bytes.Fields(b); len(f) > 1 && string(f[0]) == "MemTotal:" {
			if kb, err := strconv.ParseInt(string(f[1]), 10, 64); err == nil {
				total = kb << 10
			}
		}
	}
	if b, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil { // else "max"
			total = min(total, n)
		}
	}
	if total == math.MaxInt64 {
		return 0
	}
	return total
}
