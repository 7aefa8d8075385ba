package sandbox

import (
	"bytes"
	"io/fs"
	"math"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// MachineMemory is the memory in bytes that this process and its children may use: the machine's, or the least that one of its cgroups
// allows; 0 if unknown.
func MachineMemory() int64 { return machineMemory(os.DirFS("/")) }

// machineMemory is MachineMemory on a machine whose files are in root.
func machineMemory(root fs.FS) int64 {
	total := int64(math.MaxInt64)
	if b, err := fs.ReadFile(root, "proc/meminfo"); err == nil {
		if f := bytes.Fields(b); len(f) > 1 && string(f[0]) == "MemTotal:" {
			if kb, err := strconv.ParseInt(string(f[1]), 10, 64); err == nil {
				total = kb << 10
			}
		}
	}
	groups, _ := fs.ReadFile(root, "proc/self/cgroup")
	for line := range strings.Lines(string(groups)) {
		// hierarchy:controllers:path, where version 2 is hierarchy 0 without controllers.
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(part) != 3 {
			continue
		}
		mount, file := "sys/fs/cgroup", "memory.max"
		if part[0] != "0" {
			if !slices.Contains(strings.Split(part[1], ","), "memory") {
				continue
			}
			mount, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		}
		// Every ancestor's limit holds. In a container of version 1 the path is the host's, of which only the mount itself is there:
		// it is the container's own group.
		for dir := path.Join("/", part[2]); ; dir = path.Dir(dir) {
			if b, err := fs.ReadFile(root, path.Join(mount, dir, file)); err == nil {
				if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil { // else "max"
					total = min(total, n)
				}
			}
			if dir == "/" {
				break
			}
		}
	}
	if total == math.MaxInt64 {
		return 0
	}
	return total
}
