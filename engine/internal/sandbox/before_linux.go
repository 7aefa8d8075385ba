package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// workerNice lets the node and Postgres go first when scripts burn all processors: a third of a worker's weight, and nothing lost
// while there is room. When memory runs out for the whole machine, workers die first.
const workerNice = 5

// Before is what the worker gives up before V8 starts. It returns the layers in force.
func Before() ([]string, error) {
	// Neither is a wall: where the kernel refuses, the worker runs all the same.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("500"), 0)
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, workerNice)
	if err := closeStrays(); err != nil {
		return nil, err
	}
	limits := []struct {
		name     string
		resource int
		value    uint64
	}{
		{"core", unix.RLIMIT_CORE, 0},
		{"nofile", unix.RLIMIT_NOFILE, 64},
		{"fsize", unix.RLIMIT_FSIZE, 0},
		{"memlock", unix.RLIMIT_MEMLOCK, 0},
		{"stack", unix.RLIMIT_STACK, 8 << 20}, // a stack that grows is not counted by RLIMIT_DATA
		{"msgqueue", unix.RLIMIT_MSGQUEUE, 0},
		{"sigpending", unix.RLIMIT_SIGPENDING, 256},
	}
	for _, l := range limits {
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: l.value, Max: l.value}); err != nil {
			return nil, fmt.Errorf("rlimit %s: %w", l.name, err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("undumpable: %w", err)
	}
	unix.Umask(0o777)
	layers := []string{"rlimits=on", "undumpable=on", "descriptors=on"}
	switch {
	case os.Geteuid() != 0:
		layers = append(layers, "threads=off: no user of the worker's own to count them for")
	case !inUserNamespace(): // Lock makes it a user of its own
	case !countsNamespaces():
		layers = append(layers, "threads=off: the kernel is older than 5.14")
	default:
		if err := limitThreads(); err != nil {
			return nil, err
		}
		layers = append(layers, "threads=on")
	}
	if n := len(os.Environ()); n > 4 {
		layers = append(layers, fmt.Sprintf("environment=off: %d variables", n))
	} else {
		layers = append(layers, "environment=on")
	}
	return layers, nil
}

// closeStrays closes what was inherited beside fd 0 to 3. Go's own descriptors stay: its poller's and those of the cgroup's limits.
func closeStrays() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("descriptors: %w", err)
	}
	for _, e := range entries {
		n, err := strconv.Atoi(e.Name())
		if err != nil || n <= 3 {
			continue
		}
		target, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name()))
		if err != nil || strings.HasPrefix(target, "anon_inode:") || strings.HasPrefix(target, "/sys/fs/cgroup/") || strings.Contains(target, "/cgroup") {
			continue // gone: the directory's own; or Go's
		}
		if err := unix.Close(n); err != nil {
			return fmt.Errorf("descriptor %d: %w", n, err)
		}
	}
	return nil
}

// MaxThreads bounds the threads of a worker, which has 6 to 9.
const MaxThreads = 64

func limitThreads() error {
	if err := unix.Setrlimit(unix.RLIMIT_NPROC, &unix.Rlimit{Cur: MaxThreads, Max: MaxThreads}); err != nil {
		return fmt.Errorf("rlimit nproc: %w", err)
	}
	return nil
}

// countsNamespaces reports whether RLIMIT_NPROC in a user namespace counts what its user has there, which it does since Linux 5.14. Before, it
// counts what the user has on the whole machine.
func countsNamespaces() bool {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return false
	}
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &major, &minor); err != nil {
		return false
	}
	return major > 5 || major == 5 && minor >= 14
}
