package compile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/jsruntime/engine/compile"
	"example.com/jsruntime/engine/internal/sandbox"
)

// attempts are what native code in a compiling child might try.
var attempts = map[string]func() error{
	"read a file":  func() error { _, err := os.ReadFile("/etc/passwd"); return err },
	"read proc":    func() error { _, err := os.ReadFile("/proc/1/environ"); return err },
	"write a file": func() error { return os.WriteFile("/tmp/jsruntime-confined", nil, 0o600) },
	"list":         func() error { _, err := os.ReadDir("/"); return err },
	"dial":         func() error { _, err := net.Dial("tcp", "127.0.0.1:1"); return err },
	"listen":       func() error { _, err := net.Listen("unix", "@jsruntime-confined"); return err },
	"start":        func() error { return exec.Command("/bin/true").Run() },
	"kill":         func() error { return unix.Kill(os.Getppid(), 0) },
	"executable memory": func() error {
		_, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE)
		return err
	},
	"raise a limit": func() error { return unix.Setrlimit(unix.RLIMIT_CPU, &unix.Rlimit{Cur: 100, Max: 100}) },
	"trace":         func() error { return unix.PtraceAttach(os.Getppid()) },
}

func attempt(name string) int {
	if err := sandbox.Confine(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	if err := attempts[name](); err != nil {
		fmt.Println("refused:", err)
		return 0
	}
	return 4
}

// TestChildIsConfined: with native code in the compiler a source's author has no file, no network, no process and no user.
func TestChildIsConfined(t *testing.T) {
	t.Parallel()
	for name := range attempts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "confined", name)
			cmd.Env = []string{"JSRUNTIME_SECRET=1"}
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			err := cmd.Run()
			status := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if status.Signaled() {
				require.Equal(t, syscall.SIGSYS, status.Signal(), out.String())
				return
			}
			require.NoError(t, err, out.String())
			require.Contains(t, out.String(), "refused: ")
		})
	}
}

// fakeChild behaves as a broken or hijacked compiler.
func fakeChild(how string) int {
	_, _ = io.Copy(io.Discard, os.Stdin)
	switch how {
	case "floods":
		block := make([]byte, 1<<20)
		for {
			if _, err := os.Stdout.Write(block); err != nil {
				return 1
			}
		}
	case "lies":
		fmt.Println(`{"Output":{},"Error":{"Diagnostics":[{"Message":"both"}]}}`)
	case "says nothing":
		fmt.Println(`{"Output":{}}`)
	case "binds":
		fmt.Println(`{"Output":{"Compiled":"a\u0000b"}}`)
	case "hides":
		fmt.Println(`{"Error":{"Diagnostics":[]}}`)
	case "environment":
		fmt.Printf(`{"Error":{"Diagnostics":[{"Message":"%d variables, priority %d"}]}}`, len(os.Environ()), priority())
	}
	return 0
}

func priority() int {
	n, _ := unix.Getpriority(unix.PRIO_PROCESS, 0)
	return 20 - n // the system call counts from 1 to 40
}

func TestHijackedChildren(t *testing.T) {
	t.Parallel()
	self, err := child()
	require.NoError(t, err)
	for how, says := range map[string]string{
		"floods": "output exceeds", "lies": "cannot be read", "hides": "cannot be read",
		"says nothing": "cannot be read", "binds": "cannot be read", "environment": "0 variables",
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			c, err := compile.New(compile.Config{Command: []string{self, "fake-child", how}})
			require.NoError(t, err)
			_, err = c.Compile(t.Context(), compile.Input{Source: "1", Handler: "run"})
			require.ErrorContains(t, err, says)
		})
	}
}

// A source that takes more CPU time than a child has is refused by that name, once: the second time nothing is started.
func TestCPULimitIsNamedAndRemembered(t *testing.T) {
	t.Parallel()
	self, err := child()
	require.NoError(t, err)
	c, err := compile.New(compile.Config{Command: []string{self, "compile-child"}})
	require.NoError(t, err)
	in := compile.Input{Source: "export default (" + string(bytes.Repeat([]byte("1,"), 60_000)) + "1)", Handler: "run"}
	for range 3 {
		_, err = c.Compile(t.Context(), in)
		for busy := (*compile.BusyError)(nil); errors.As(err, &busy); { // other tests take the processors
			_, err = c.Compile(t.Context(), in)
		}
		var refused *compile.Error
		require.ErrorAs(t, err, &refused)
		require.Contains(t, refused.Error(), "takes over 2 s of CPU time")
	}
	require.Equal(t, int64(1), c.Stats().Refused)
	require.Equal(t, int64(2), c.Stats().Cached)
}
