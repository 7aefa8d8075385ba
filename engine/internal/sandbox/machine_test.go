package sandbox

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestMachineMemoryIsWhatTheCgroupsAllow(t *testing.T) {
	t.Parallel()
	const meminfo = "MemTotal:       8388608 kB\nMemFree: 1 kB\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"unknown":       {nil, 0},
		"no cgroups":    {map[string]string{"proc/meminfo": meminfo}, 8 << 30},
		"not a number":  {map[string]string{"proc/meminfo": "MemTotal: many kB"}, 0},
		"v2, container": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1073741824\n"}, 1 << 30},
		"v2, no limit":  {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, 8 << 30},
		"v2, unit": {map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/system.slice/jsruntime.service\n",
			"sys/fs/cgroup/system.slice/jsruntime.service/memory.max": "2147483648\n", "sys/fs/cgroup/system.slice/memory.max": "max\n",
		}, 2 << 30},
		"v2, a parent's is less": {map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/kubepods/pod1/c1",
			"sys/fs/cgroup/kubepods/pod1/c1/memory.max": "2147483648", "sys/fs/cgroup/kubepods/memory.max": "1073741824",
		}, 1 << 30},
		"v2, outside its namespace": {map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/../other\n", "sys/fs/cgroup/memory.max": "1073741824\n",
		}, 1 << 30},
		"v1, container": {map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "5:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n0::/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n",
		}, 1 << 30},
		"v1, no limit": {map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 8 << 30},
		"v1, another controller": {map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "5:cpu:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "1\n",
		}, 8 << 30},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := fstest.MapFS{}
			for file, text := range c.files {
				root[file] = &fstest.MapFile{Data: []byte(text)}
			}
			require.Equal(t, c.want, machineMemory(root))
		})
	}
}
