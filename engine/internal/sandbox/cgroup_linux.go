package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Cgroups makes a cgroup (version 2) for each worker of a node, below the node's own:
//
//	base                     the cgroup that the node was started in, of which it is the only user
//	├── jsruntime-node       the node and its other children
//	└── jsruntime-PID-START-N
//	    ├── 1                a worker: memory.max, memory.swap.max 0, memory.oom.group, pids.max, cpu.weight
//	    └── 2
//
// It never leaves base, whose limits are the operator's. A nil *Cgroups makes nothing.
type Cgroups struct {
	group       string
	controllers []string
	next        int // the spawner's
}

// CgroupConfig says where cgroups are made. Zero values are found out.
type CgroupConfig struct {
	// Base is the directory of the node's own cgroup. Empty: what /proc says.
	Base string
	// Controllers lists the controllers that must be there. Empty: memory and pids.
	Controllers []string
	// Optional lists the controllers that are used where they exist. Empty: cpu.
	Optional []string
}

const (
	nodeGroup    = "jsruntime-node"
	workersGroup = "jsruntime-"
	// cgroupSlack is what memory.max has beside what a worker may hold by Usage: the kernel's own memory for it, and files.
	cgroupSlack = 32 << 20
)

// OpenCgroups makes the group of the workers, and removes those of nodes that are gone. The layer says what it gives, or why there is none.
func OpenCgroups(cfg CgroupConfig) (c *Cgroups, layer string) {
	c, err := openCgroups(cfg)
	if err != nil {
		return nil, "cgroup=off: " + strings.ReplaceAll(err.Error(), "\n", " ")
	}
	return c, "cgroup=on: " + strings.Join(c.controllers, " ")
}

func openCgroups(cfg CgroupConfig) (*Cgroups, error) {
	if len(cfg.Controllers) == 0 {
		cfg.Controllers = []string{"memory", "pids"}
	}
	if len(cfg.Optional) == 0 {
		cfg.Optional = []string{"cpu"}
	}
	base := cfg.Base
	if base == "" {
		var err error
		if base, err = ownCgroup(); err != nil {
			return nil, err
		}
	}
	available, err := os.ReadFile(filepath.Join(base, "cgroup.controllers"))
	if err != nil {
		return nil, fmt.Errorf("no cgroup of version 2: %w", err)
	}
	has := strings.Fields(string(available))
	for _, name := range cfg.Controllers {
		if !slices.Contains(has, name) {
			return nil, fmt.Errorf("the node's cgroup of version 2 has no %s controller", name)
		}
	}
	controllers := slices.Clone(cfg.Controllers)
	for _, name := range cfg.Optional {
		if slices.Contains(has, name) {
			controllers = append(controllers, name)
		}
	}
	if unix.Access(base, unix.W_OK) != nil || unix.Access(filepath.Join(base, "cgroup.subtree_control"), unix.W_OK) != nil {
		return nil, errors.New("the node may not write its cgroup: give it a delegated one (systemd: Delegate=yes)")
	}
	sweep(base)
	if err := moveNode(base); err != nil {
		return nil, err
	}
	if err := enable(base, controllers); err != nil {
		return nil, err
	}
	self, err := startTime(os.Getpid())
	if err != nil {
		return nil, err
	}
	for n := 0; ; n++ {
		group := filepath.Join(base, fmt.Sprintf("%s%d-%d-%d", workersGroup, os.Getpid(), self, n))
		err := os.Mkdir(group, 0o755)
		if errors.Is(err, fs.ErrExist) && n < 1000 {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("the group of the workers: %w", err)
		}
		if err := enable(group, controllers); err != nil {
			_ = os.Remove(group)
			return nil, err
		}
		return &Cgroups{group: group, controllers: controllers}, nil
	}
}

// ownCgroup is the directory of this process's cgroup, or its parent's where a node has moved there.
func ownCgroup() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	mount := ""
	for line := range strings.Lines(string(mounts)) {
		// id parent device root mountpoint options … - type source options
		front, back, _ := strings.Cut(line, " - ")
		if f := strings.Fields(front); strings.HasPrefix(back, "cgroup2 ") && len(f) > 4 {
			mount = f[4]
			break
		}
	}
	if mount == "" {
		return "", errors.New("no cgroup file system of version 2 is mounted")
	}
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(groups)) {
		if p, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			if strings.HasPrefix(p, "/..") {
				return "", errors.New("the node's cgroup is outside of what is mounted")
			}
			p = strings.TrimSuffix(p, "/"+nodeGroup)
			base := filepath.Join(mount, p)
			return base, delegated(base)
		}
	}
	return "", errors.New("the node has no cgroup of version 2")
}

// delegated reports a cgroup that systemd keeps for itself: it may take away controllers and limits that others set.
func delegated(base string) error {
	if _, err := os.Stat("/run/systemd/system"); err != nil || isRoot(base) {
		return nil
	}
	for _, name := range []string{"trusted.delegate", "user.delegate"} {
		var b [8]byte
		if n, err := unix.Getxattr(base, name, b[:]); err == nil && string(b[:n]) == "1" {
			return nil
		}
	}
	return errors.New("the node's cgroup is systemd's: give the unit Delegate=yes")
}

// isRoot reports whether base is the root of all cgroups, which may have processes beside groups.
func isRoot(base string) bool {
	_, err := os.Stat(filepath.Join(base, "cgroup.type"))
	return errors.Is(err, fs.ErrNotExist)
}

// moveNode moves the node and its children to a group of their own: a cgroup whose controllers are divided over others has no processes. It
// fails where base has other processes, which are not the node's to move.
func moveNode(base string) error {
	if isRoot(base) {
		return nil
	}
	b, err := os.ReadFile(filepath.Join(base, "cgroup.procs"))
	if err != nil {
		return err
	}
	pids := strings.Fields(string(b))
	for _, text := range pids {
		if pid, err := strconv.Atoi(text); err == nil && !isOurs(pid) {
			return fmt.Errorf("process %d is in the node's cgroup too", pid)
		}
	}
	node := filepath.Join(base, nodeGroup)
	if err := os.Mkdir(node, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("the group of the node: %w", err)
	}
	for _, pid := range pids {
		if err := os.WriteFile(filepath.Join(node, "cgroup.procs"), []byte(pid), 0o644); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("the node's move to a group of its own: %w", err)
		}
	}
	return nil
}

// isOurs reports whether a process is this one or descends from it.
func isOurs(pid int) bool {
	for range 64 {
		if pid == os.Getpid() {
			return true
		}
		f, err := statFields(pid)
		if err != nil {
			return errors.Is(err, fs.ErrNotExist) // it is gone
		}
		parent, err := strconv.Atoi(f[1])
		if err != nil || parent <= 1 {
			return false
		}
		pid = parent
	}
	return false
}

// statFields are the fields of /proc/PID/stat from the third, the state, on.
func statFields(pid int) ([]string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 20 {
		return nil, errors.New("stat: too few fields")
	}
	return f, nil
}

// startTime is when a process began, in the kernel's ticks: with its number it names the process for good.
func startTime(pid int) (int64, error) {
	f, err := statFields(pid)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(f[19], 10, 64)
}

func enable(dir string, controllers []string) error {
	for _, name := range controllers {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+name), 0o644); err != nil {
			return fmt.Errorf("controller %s: %w", name, err)
		}
	}
	return nil
}

// sweep removes what nodes left that are gone.
func sweep(base string) {
	entries, _ := os.ReadDir(base)
	for _, e := range entries {
		var pid, n int
		var started int64
		if _, err := fmt.Sscanf(e.Name(), workersGroup+"%d-%d-%d", &pid, &started, &n); err != nil {
			continue
		}
		if now, err := startTime(pid); err == nil && now == started {
			continue
		}
		removeAll(filepath.Join(base, e.Name()))
	}
}

// removeAll kills what is in a group of workers and removes it.
func removeAll(group string) {
	_ = os.WriteFile(filepath.Join(group, "cgroup.kill"), []byte("1"), 0o644) // Linux 5.14
	entries, _ := os.ReadDir(group)
	for _, e := range entries {
		if e.IsDir() {
			_ = rmdir(filepath.Join(group, e.Name()))
		}
	}
	_ = rmdir(group)
}

// rmdir removes a cgroup. The kernel takes a moment after its last process was killed.
func rmdir(dir string) error {
	var err error
	for range 50 {
		if err = unix.Rmdir(dir); err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return err
}

// Close removes the workers' group, in which there is no worker any more.
func (c *Cgroups) Close() {
	if c != nil {
		removeAll(c.group)
	}
}

// Cgroup is one worker's. A nil *Cgroup does nothing.
type Cgroup struct {
	dir string
	max int64
	cpu bool
}

// Add makes a cgroup for a process that has no tenant's code yet, and moves it there. One goroutine calls it.
func (c *Cgroups) Add(pid int) (*Cgroup, error) {
	if c == nil {
		return nil, nil
	}
	c.next++
	g := &Cgroup{dir: filepath.Join(c.group, strconv.Itoa(c.next)), cpu: slices.Contains(c.controllers, "cpu")}
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		return nil, fmt.Errorf("cgroup: %w", err)
	}
	set := func(name, value string) error {
		controller, _, _ := strings.Cut(name, ".")
		if controller != "cgroup" && !slices.Contains(c.controllers, controller) {
			return nil
		}
		return os.WriteFile(filepath.Join(g.dir, name), []byte(value), 0o644)
	}
	_ = set("memory.swap.max", "0") // not there where the kernel counts no swap
	err := errors.Join(
		set("memory.oom.group", "1"),
		set("pids.max", strconv.Itoa(MaxThreads)),
		set("cgroup.procs", strconv.Itoa(pid)),
	)
	if err != nil {
		_ = rmdir(g.dir)
		return nil, fmt.Errorf("cgroup: %w", err)
	}
	return g, nil
}

// Limit lets the worker hold so many bytes by Usage. It only raises the limit.
func (g *Cgroup) Limit(bytes int64) error {
	if g == nil || bytes <= g.max {
		return nil
	}
	g.max = bytes
	return os.WriteFile(filepath.Join(g.dir, "memory.max"), strconv.AppendInt(nil, bytes+cgroupSlack, 10), 0o644)
}

// Weight sets the share of processors that the worker gets beside other workers, by its niceness, which does not count beyond its group. It
// reports whether that is in the cgroup's hands.
func (g *Cgroup) Weight(nice int) bool {
	if g == nil || !g.cpu {
		return false
	}
	weight := "100"
	if nice > 0 {
		weight = "10"
	}
	return os.WriteFile(filepath.Join(g.dir, "cpu.weight"), []byte(weight), 0o644) == nil
}

// Killed reports whether the kernel has killed a process of the group because its memory was at the limit.
func (g *Cgroup) Killed() bool {
	if g == nil {
		return false
	}
	b, err := os.ReadFile(filepath.Join(g.dir, "memory.events"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok && n != "0" {
			return true
		}
	}
	return false
}

// Remove removes the cgroup of a process that is gone.
func (g *Cgroup) Remove() error {
	if g == nil {
		return nil
	}
	return rmdir(g.dir)
}
