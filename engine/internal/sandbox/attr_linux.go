package sandbox

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// ProbeArg makes the worker binary exit with status 0 at once: Attr finds out with it which namespaces the kernel allows.
const ProbeArg = "--sandbox-probe"

// Config says what Attr may use.
type Config struct {
	// Path is the worker binary. Empty: namespaces are used without trying them first.
	Path string
	// Args come before ProbeArg.
	Args []string
	// NoNamespaces leaves namespaces out.
	NoNamespaces bool
}

const otherNamespaces = syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS

// Attr returns how the node starts a worker, and the layers that this gives. Copy the result for each worker. The caller starts them
// from one goroutine that is locked to its thread and never ends, since the death signal is tied to that thread.
//
// As root the worker gets namespaces directly and gives up root in Lock; otherwise they come with a user namespace.
func Attr(cfg Config) (attr *syscall.SysProcAttr, layers []string) {
	base := syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	layers = []string{"session=on", "pdeathsig=on"}
	names := []string{"net_ns", "pid_ns", "ipc_ns", "mount_ns"}
	full := base
	full.Cloneflags = otherNamespaces
	if os.Geteuid() == 0 {
		layers = append(layers, "user_ns=on: not needed, the worker leaves root")
	} else {
		full.Cloneflags |= syscall.CLONE_NEWUSER
		full.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		full.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
		names = append(names, "user_ns")
	}
	reason := "left out by configuration"
	if covered := coveredProc(); covered != "" && !cfg.NoNamespaces {
		// The kernel allows no new /proc where a part of the old one is covered, as containers do; and a worker whose /proc knows it
		// by another number than it has can't reach its own threads, to take their capabilities and files. Those are worth more.
		full.Cloneflags &^= syscall.CLONE_NEWPID
		names = slices.DeleteFunc(names, func(n string) bool { return n == "pid_ns" })
		layers = append(layers, "pid_ns=off: "+covered+" is covered")
	}
	if !cfg.NoNamespaces {
		err := probe(cfg, &full)
		if err == nil {
			for _, n := range names {
				layers = append(layers, n+"=on")
			}
			return &full, layers
		}
		reason = err.Error()
	}
	for _, n := range names {
		layers = append(layers, n+"=off: "+reason)
	}
	return &base, layers
}

// coveredProc returns a part of /proc that something is mounted over, "" if there is none. A mount on an empty directory that is
// made for it, as binfmt_misc's, covers nothing.
func coveredProc() string {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		// id, parent, device, root, mount point
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], "/proc/") && f[4] != "/proc/sys/fs/binfmt_misc" {
			return f[4]
		}
	}
	return ""
}

// Lacking returns the layers that are not in force.
func Lacking(layers []string) []string {
	var out []string
	for _, l := range layers {
		if strings.Contains(l, "=off") {
			out = append(out, l)
		}
	}
	return out
}

// probe starts the worker binary as attr says and waits for its end.
func probe(cfg Config, attr *syscall.SysProcAttr) error {
	if cfg.Path == "" {
		return nil
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", os.DevNull, err)
	}
	defer null.Close()
	a := *attr
	a.Pdeathsig = 0
	argv := append(append([]string{cfg.Path}, cfg.Args...), ProbeArg)
	p, err := os.StartProcess(cfg.Path, argv, &os.ProcAttr{Dir: "/", Env: []string{"GOMAXPROCS=1"}, Files: []*os.File{null, null, null}, Sys: &a})
	if err != nil {
		return err
	}
	timer := time.AfterFunc(10*time.Second, func() { _ = p.Kill() })
	defer timer.Stop()
	state, err := p.Wait()
	if err != nil {
		return err
	}
	if !state.Success() {
		return fmt.Errorf("a trial ended with %s", state)
	}
	return nil
}
