package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	require.NoError(t, err)
	return string(b)
}

// Plain files stand for the kernel's: what is written where.
func TestCgroupsAreWrittenAsTheKernelWantsThem(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	self := strconv.Itoa(os.Getpid())
	write(t, base, map[string]string{
		"cgroup.type": "domain\n", "cgroup.controllers": "cpuset cpu io memory pids\n", "cgroup.subtree_control": "", "cgroup.procs": self + "\n",
	})
	gone := filepath.Join(base, "jsruntime-4194300-1-0", "7")
	require.NoError(t, os.MkdirAll(gone, 0o755))
	started, err := startTime(os.Getpid())
	require.NoError(t, err)
	alive := filepath.Join(base, fmt.Sprintf("jsruntime-%s-%d-0", self, started))
	require.NoError(t, os.MkdirAll(filepath.Join(alive, "7"), 0o755))

	c, layer := OpenCgroups(CgroupConfig{Base: base})
	require.Equal(t, "cgroup=on: memory pids cpu", layer)
	require.Equal(t, self, read(t, base, nodeGroup, "cgroup.procs"))
	require.NoDirExists(t, gone, "of a node that is gone")
	require.DirExists(t, filepath.Join(alive, "7"), "of another engine of this node")
	require.NotEqual(t, alive, c.group)

	g, err := c.Add(4711)
	require.NoError(t, err)
	for name, want := range map[string]string{
		"cgroup.procs": "4711", "memory.swap.max": "0", "memory.oom.group": "1", "pids.max": "64",
	} {
		require.Equal(t, want, read(t, g.dir, name), name)
	}
	require.NoError(t, g.Limit(100<<20))
	require.Equal(t, strconv.Itoa(100<<20+cgroupSlack), read(t, g.dir, "memory.max"))
	require.NoError(t, g.Limit(50<<20))
	require.Equal(t, strconv.Itoa(100<<20+cgroupSlack), read(t, g.dir, "memory.max"), "it only grows")
	require.True(t, g.Weight(10))
	require.Equal(t, "10", read(t, g.dir, "cpu.weight"))
	require.True(t, g.Weight(0))
	require.Equal(t, "100", read(t, g.dir, "cpu.weight"))
	require.False(t, g.Killed())
	write(t, g.dir, map[string]string{"memory.events": "low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\n"})
	require.True(t, g.Killed())
}

// A node that may not have cgroups says why, and its workers have none.
func TestNoCgroups(t *testing.T) {
	t.Parallel()
	other := exec.Command("sleep", "60")
	require.NoError(t, other.Start())
	t.Cleanup(func() { _ = other.Process.Kill(); _ = other.Wait() })
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"nothing":       {nil, "no cgroup of version 2"},
		"no controller": {map[string]string{"cgroup.controllers": "cpu hugetlb\n", "cgroup.subtree_control": ""}, "has no memory controller"},
		"not alone": {map[string]string{
			"cgroup.type": "domain\n", "cgroup.controllers": "memory pids\n", "cgroup.subtree_control": "", "cgroup.procs": fmt.Sprintf("%d\n1\n", os.Getpid()),
		}, "process 1 is in the node's cgroup too"},
	} {
		base := t.TempDir()
		write(t, base, c.files)
		groups, layer := OpenCgroups(CgroupConfig{Base: base})
		require.Nil(t, groups, name)
		require.True(t, strings.HasPrefix(layer, "cgroup=off: "), layer)
		require.Contains(t, layer, c.want, name)
		g, err := groups.Add(os.Getpid())
		require.NoError(t, err)
		require.NoError(t, g.Limit(1))
		require.False(t, g.Weight(0))
		require.False(t, g.Killed())
		require.NoError(t, g.Remove())
		groups.Close()
	}
	require.True(t, isOurs(other.Process.Pid), "the node's children move with it")
}

// testGroup makes a cgroup of the real kernel with one of the controllers, the first that there is.
func testGroup(t *testing.T, controllers ...string) (base, controller string) {
	t.Helper()
	root, err := ownCgroup()
	if err != nil || os.Getuid() != 0 {
		t.Skipf("no cgroup to make others in: %v", err)
	}
	has, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
	require.NoError(t, err)
	i := slices.IndexFunc(controllers, func(c string) bool { return slices.Contains(strings.Fields(string(has)), c) })
	if i < 0 {
		t.Skipf("none of %v is a controller here", controllers)
	}
	if err := enable(root, controllers[i:i+1]); err != nil {
		t.Skipf("the controller may not be used below: %v", err)
	}
	base, err = os.MkdirTemp(root, "jsruntimetest-")
	if err != nil {
		t.Skipf("no cgroup may be made: %v", err)
	}
	t.Cleanup(func() { removeAll(base) })
	return base, controllers[i]
}

// With the real kernel: a process is moved, its group is removed after its death, and so is what a dead node left, with what still runs there.
func TestCgroupsOfTheKernel(t *testing.T) {
	t.Parallel()
	base, controller := testGroup(t, "memory", "pids", "hugetlb", "cpu")
	c, layer := OpenCgroups(CgroupConfig{Base: base, Controllers: []string{controller}, Optional: []string{"none"}})
	require.Equal(t, "cgroup=on: "+controller, layer)
	sleeper := func() *exec.Cmd {
		cmd := exec.Command("sleep", "600")
		require.NoError(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		return cmd
	}
	one := sleeper()
	g, err := c.Add(one.Process.Pid)
	require.NoError(t, err)
	require.Contains(t, read(t, fmt.Sprintf("/proc/%d/cgroup", one.Process.Pid)), strings.TrimPrefix(g.dir, filepath.Dir(base)))
	require.ErrorIs(t, unix.Rmdir(g.dir), unix.EBUSY)
	require.NoError(t, one.Process.Kill())
	_ = one.Wait()
	require.NoError(t, g.Remove())
	require.NoDirExists(t, g.dir)

	// Another node's, which is gone, with a process that is not.
	stale := filepath.Join(base, "jsruntime-4194300-1-0", "1")
	require.NoError(t, os.MkdirAll(stale, 0o755))
	two := sleeper()
	require.NoError(t, os.WriteFile(filepath.Join(stale, "cgroup.procs"), []byte(strconv.Itoa(two.Process.Pid)), 0o644))
	again, layer := OpenCgroups(CgroupConfig{Base: base, Controllers: []string{controller}, Optional: []string{"none"}})
	require.Equal(t, "cgroup=on: "+controller, layer)
	require.Error(t, two.Wait(), "it was killed")
	require.NoDirExists(t, filepath.Dir(stale))
	again.Close()
	c.Close()
	require.NoDirExists(t, c.group)
}

// A worker that exceeds its cgroup's memory is killed by the kernel, and the cgroup says so.
func TestMemoryOfACgroup(t *testing.T) {
	t.Parallel()
	base, controller := testGroup(t, "memory")
	c, layer := OpenCgroups(CgroupConfig{Base: base, Controllers: []string{controller}, Optional: []string{"none"}})
	require.Equal(t, "cgroup=on: memory", layer)
	hog := exec.Command("sh", "-c", "read go; exec tail -c 400M /dev/zero")
	in, err := hog.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, hog.Start())
	g, err := c.Add(hog.Process.Pid)
	require.NoError(t, err)
	require.NoError(t, g.Limit(64<<20))
	_, err = in.Write([]byte("\n"))
	require.NoError(t, err)
	require.Error(t, hog.Wait())
	require.True(t, g.Killed())
	require.NoError(t, g.Remove())
	c.Close()
}
