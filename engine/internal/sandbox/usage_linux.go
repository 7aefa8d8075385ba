package sandbox

import (
	"bytes"
	"os"
	"strconv"
)

// Usage is what the kernel says that a process has.
type Usage struct {
	Resident   int64 // bytes of memory in use that belong to no file
	Files      int64 // bytes of memory in use that belong to files
	Swapped    int64 // bytes
	PageTables int64 // bytes
	Threads    int
}

// Held is all memory that the process keeps from others.
func (u Usage) Held() int64 { return u.Resident + u.Swapped + u.PageTables }

// UsageOf reads what a process has: ok is false where it is gone. It costs about 15 µs.
func UsageOf(pid int) (u Usage, ok bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return u, false
	}
	return parseUsage(b)
}

// parseUsage reads the lines of /proc/PID/status, whose sizes are in kB. A process that is about to be gone has none.
func parseUsage(status []byte) (u Usage, ok bool) {
	for line := range bytes.Lines(status) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		var to *int64
		switch string(name) {
		case "RssAnon", "RssShmem":
			to = &u.Resident
		case "RssFile":
			to = &u.Files
		case "VmSwap":
			to = &u.Swapped
		case "VmPTE":
			to = &u.PageTables
			ok = true
		case "Threads":
			u.Threads, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
			continue
		default:
			continue
		}
		n, err := strconv.ParseInt(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(value), []byte("kB")))), 10, 64)
		if err != nil || n < 0 {
			return u, false
		}
		*to += n << 10
	}
	return u, ok
}
