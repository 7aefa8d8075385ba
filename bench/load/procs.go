package load

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of CPU times in /proc/<pid>/stat: 100 a second on every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// Usage is what a group of processes has used.
type Usage struct {
	Processes int
	CPU       time.Duration // user and system, since their start
	Private   int64         // bytes of private memory (Private_Clean + Private_Dirty)
	Shared    int64         // bytes of shared memory, counted once a process
}

// Tree sums the use of process root and its descendants, grouped by command name.
func Tree(root int) (map[string]Usage, error) {
	parents, names := map[int]int{}, map[int]string{}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	cpu := map[int]time.Duration{}
	for _, path := range stats {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		pid, name, ppid, used, ok := parseStat(string(raw))
		if ok {
			parents[pid], names[pid], cpu[pid] = ppid, name, used
		}
	}
	if _, ok := parents[root]; !ok {
		return nil, fmt.Errorf("no process %d", root)
	}
	out := map[string]Usage{}
	for pid := range parents {
		if !descends(parents, pid, root) {
			continue
		}
		u := out[names[pid]]
		u.Processes++
		u.CPU += cpu[pid]
		private, shared := memory(pid)
		u.Private += private
		u.Shared += shared
		out[names[pid]] = u
	}
	return out, nil
}

// Single is the use of one process.
type Single struct {
	Parent  int
	Name    string // of its command, at most 15 characters
	CPU     time.Duration
	Private int64
}

// Process returns what one process has used.
func Process(pid int) (Single, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Single{}, fmt.Errorf("process: %w", err)
	}
	_, name, ppid, used, ok := parseStat(string(raw))
	if !ok {
		return Single{}, fmt.Errorf("process %d: its stat is not understood", pid)
	}
	private, _ := memory(pid)
	return Single{Parent: ppid, Name: name, CPU: used, Private: private}, nil
}

// Workers are the pids of a node's worker processes.
func Workers(node int) ([]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var found []int
	for _, path := range stats {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		if pid, name, parent, _, ok := parseStat(string(raw)); ok && parent == node && name == workerName {
			found = append(found, pid)
		}
	}
	return found, nil
}

// workerName is what the kernel keeps of jsruntime-worker.
const workerName = "jsruntime-worke"

func descends(parents map[int]int, pid, root int) bool {
	for range 64 {
		if pid == root {
			return true
		}
		next, ok := parents[pid]
		if !ok || next == 0 {
			return false
		}
		pid = next
	}
	return false
}

// parseStat reads "pid (name) state ppid … utime stime …"; the name may hold spaces and brackets.
func parseStat(s string) (pid int, name string, ppid int, used time.Duration, ok bool) {
	open, end := strings.IndexByte(s, '('), strings.LastIndexByte(s, ')')
	if open < 0 || end < open {
		return 0, "", 0, 0, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(s[:open]))
	fields := strings.Fields(s[end+1:])
	if err != nil || len(fields) < 13 {
		return 0, "", 0, 0, false
	}
	ppid, _ = strconv.Atoi(fields[1])
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return pid, s[open+1 : end], ppid, time.Duration(user+system) * clockTick, true
}

func memory(pid int) (private, shared int64) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(raw)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kb, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil {
			continue
		}
		switch f[0] {
		case "Private_Clean:", "Private_Dirty:":
			private += kb << 10
		case "Shared_Clean:", "Shared_Dirty:":
			shared += kb << 10
		}
	}
	return private, shared
}
