package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// An attempt is something that native code in a locked worker might try. It returns nil only if it succeeded.
type attempt struct {
	name string
	// kills: the filter ends the process. Otherwise the call fails.
	kills bool
	try   func() error
}

func call(number uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	_, _, errno := unix.Syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5])
	if errno != 0 {
		return errno
	}
	return nil
}

func cstr(s string) uintptr {
	b := append([]byte(s), 0)
	return uintptr(unsafe.Pointer(&b[0]))
}

var attempts = []attempt{
	{"socket tcp", true, func() error { return call(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM, 0) }},
	{"socket udp", true, func() error { return call(unix.SYS_SOCKET, unix.AF_INET6, unix.SOCK_DGRAM, 0) }},
	{"socket unix", true, func() error { return call(unix.SYS_SOCKET, unix.AF_UNIX, unix.SOCK_STREAM, 0) }},
	{"socket netlink", true, func() error { return call(unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_RAW, 0) }},
	{"socketpair", true, func() error {
		var p [2]int32
		return call(unix.SYS_SOCKETPAIR, unix.AF_UNIX, unix.SOCK_STREAM, 0, uintptr(unsafe.Pointer(&p)))
	}},
	{"connect", true, func() error { return call(unix.SYS_CONNECT, 3, 0, 0) }},
	{"sendmsg (pass descriptors)", true, func() error { var m unix.Msghdr; return call(unix.SYS_SENDMSG, 3, uintptr(unsafe.Pointer(&m)), 0) }},
	{"recvmsg (take descriptors)", true, func() error { var m unix.Msghdr; return call(unix.SYS_RECVMSG, 3, uintptr(unsafe.Pointer(&m)), 0) }},
	{"recvfrom another descriptor", true, func() error { return call(unix.SYS_RECVFROM, 4, 0, 0, 0, 0, 0) }},
	{"open /etc/passwd", false, func() error { return call(unix.SYS_OPENAT, ^uintptr(99), cstr("/etc/passwd"), 0, 0) }},
	{"open for write", false, func() error {
		return call(unix.SYS_OPENAT, ^uintptr(99), cstr("/tmp/x"), unix.O_CREAT|unix.O_RDWR, 0o600)
	}},
	{"open environ of process 1", false, func() error { return call(unix.SYS_OPENAT, ^uintptr(99), cstr("/proc/1/environ"), 0, 0) }},
	{"open own memory", false, func() error { return call(unix.SYS_OPENAT, ^uintptr(99), cstr("/proc/self/mem"), unix.O_RDWR, 0) }},
	{"stat", false, func() error { var st unix.Stat_t; return unix.Stat("/", &st) }},
	{"openat2", true, func() error {
		var how unix.OpenHow
		return call(unix.SYS_OPENAT2, ^uintptr(99), cstr("/"), uintptr(unsafe.Pointer(&how)), unsafe.Sizeof(how))
	}},
	{"getdents", true, func() error { var b [512]byte; return call(unix.SYS_GETDENTS64, 0, uintptr(unsafe.Pointer(&b)), 512) }},
	{"unlink", true, func() error { return call(unix.SYS_UNLINKAT, ^uintptr(99), cstr("/x"), 0) }},
	{"mkdir", true, func() error { return call(unix.SYS_MKDIRAT, ^uintptr(99), cstr("/x"), 0o700) }},
	{"chmod", true, func() error { return call(unix.SYS_FCHMODAT, ^uintptr(99), cstr("/"), 0o777) }},
	{"chroot", true, func() error { return call(unix.SYS_CHROOT, cstr("/")) }},
	{"execve", true, func() error { return call(unix.SYS_EXECVE, cstr("/bin/sh"), 0, 0) }},
	{"execveat", true, func() error { return call(unix.SYS_EXECVEAT, ^uintptr(99), cstr("/bin/sh"), 0, 0, 0) }},
	{"fork", true, func() error { return call(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0) }},
	{"clone into a user namespace", true, func() error { return call(unix.SYS_CLONE, unix.CLONE_NEWUSER|uintptr(unix.SIGCHLD), 0, 0, 0, 0) }},
	{"clone a thread into namespaces", true, func() error {
		return call(unix.SYS_CLONE, unix.CLONE_THREAD|unix.CLONE_VM|unix.CLONE_SIGHAND|unix.CLONE_NEWNET, 0, 0, 0, 0)
	}},
	{"clone3", false, func() error { return call(unix.SYS_CLONE3, 0, 0) }},
	{"unshare user", true, func() error { return call(unix.SYS_UNSHARE, unix.CLONE_NEWUSER) }},
	{"setns", true, func() error { return call(unix.SYS_SETNS, 0, 0) }},
	{"kill all", true, func() error { return call(unix.SYS_KILL, ^uintptr(0), uintptr(unix.SIGKILL)) }},
	{"kill the parent", true, func() error { return call(unix.SYS_KILL, uintptr(os.Getppid()), uintptr(unix.SIGKILL)) }},
	{"tgkill another process", true, func() error { return call(unix.SYS_TGKILL, 2, 2, uintptr(unix.SIGKILL)) }},
	{"tkill", true, func() error { return call(unix.SYS_TKILL, 1, 0) }},
	{"pidfd_open", true, func() error { return call(unix.SYS_PIDFD_OPEN, 1, 0) }},
	{"ptrace", true, func() error { return call(unix.SYS_PTRACE, unix.PTRACE_ATTACH, 1, 0, 0) }},
	{"process_vm_readv", true, func() error { return call(unix.SYS_PROCESS_VM_READV, 1, 0, 0, 0, 0, 0) }},
	{"process_vm_writev", true, func() error { return call(unix.SYS_PROCESS_VM_WRITEV, 1, 0, 0, 0, 0, 0) }},
	{"bpf", true, func() error { return call(unix.SYS_BPF, 0, 0, 0) }},
	{"perf_event_open", true, func() error { return call(unix.SYS_PERF_EVENT_OPEN, 0, 0, 0, 0, 0) }},
	{"userfaultfd", true, func() error { return call(unix.SYS_USERFAULTFD, 0) }},
	{"io_uring_setup", true, func() error { var p [128]byte; return call(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&p))) }},
	{"keyctl", true, func() error { return call(unix.SYS_KEYCTL, 0, 0, 0, 0, 0) }},
	{"add_key", true, func() error { return call(unix.SYS_ADD_KEY, cstr("user"), cstr("x"), 0, 0, 0) }},
	{"mount", true, func() error { return call(unix.SYS_MOUNT, cstr("none"), cstr("/"), cstr("tmpfs"), 0, 0) }},
	{"umount", true, func() error { return call(unix.SYS_UMOUNT2, cstr("/"), 0) }},
	{"pivot_root", true, func() error { return call(unix.SYS_PIVOT_ROOT, cstr("/"), cstr("/")) }},
	{"fsopen", true, func() error { return call(unix.SYS_FSOPEN, cstr("tmpfs"), 0) }},
	{"memfd_create", true, func() error { return call(unix.SYS_MEMFD_CREATE, cstr("x"), 0) }},
	{"shmget", true, func() error { return call(unix.SYS_SHMGET, 1, 4096, 0o600) }},
	{"mq_open", true, func() error { return call(unix.SYS_MQ_OPEN, cstr("/x"), 0, 0, 0) }},
	{"setuid 0", true, func() error { return call(unix.SYS_SETUID, 0) }},
	{"setresuid 0", true, func() error { return call(unix.SYS_SETRESUID, 0, 0, 0) }},
	{"capset", true, func() error { return call(unix.SYS_CAPSET, 0, 0) }},
	{"prctl dumpable", true, func() error { return call(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 1) }},
	{"prctl death signal", true, func() error { return call(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, 0) }},
	{"rlimit nofile", true, func() error {
		l := unix.Rlimit{Cur: 1024, Max: 1024}
		return call(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, uintptr(unsafe.Pointer(&l)), 0)
	}},
	{"rlimit of another process", true, func() error {
		l := unix.Rlimit{Cur: 1, Max: 1}
		return call(unix.SYS_PRLIMIT64, 1, unix.RLIMIT_DATA, uintptr(unsafe.Pointer(&l)), 0)
	}},
	{"raise rlimit data", false, func() error {
		l := unix.Rlimit{Cur: 1 << 40, Max: 1 << 40}
		return call(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_DATA, uintptr(unsafe.Pointer(&l)), 0)
	}},
	{"setsid", true, func() error { return call(unix.SYS_SETSID) }},
	{"setpriority", true, func() error { return call(unix.SYS_SETPRIORITY, 0, 0, ^uintptr(19)) }},
	{"sched_setscheduler", true, func() error { var p int32; return call(unix.SYS_SCHED_SETSCHEDULER, 0, 1, uintptr(unsafe.Pointer(&p))) }},
	{"sched_setaffinity", true, func() error {
		var m uint64 = 1
		return call(unix.SYS_SCHED_SETAFFINITY, 0, 8, uintptr(unsafe.Pointer(&m)))
	}},
	{"reboot", true, func() error { return call(unix.SYS_REBOOT, 0, 0, 0, 0) }},
	{"init_module", true, func() error { return call(unix.SYS_INIT_MODULE, 0, 0, 0) }},
	{"kexec_load", true, func() error { return call(unix.SYS_KEXEC_LOAD, 0, 0, 0, 0) }},
	{"settimeofday", true, func() error { return call(unix.SYS_SETTIMEOFDAY, 0, 0) }},
	{"sethostname", true, func() error { return call(unix.SYS_SETHOSTNAME, cstr("x"), 1) }},
	{"seccomp", true, func() error { return call(unix.SYS_SECCOMP, 1, 0, 0) }},
	{"landlock_create_ruleset", true, func() error { return call(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, 1) }},
	{"ioctl", true, func() error { return call(unix.SYS_IOCTL, 2, unix.TIOCSTI, 0) }},
	{"fcntl setown", true, func() error { return call(unix.SYS_FCNTL, 3, unix.F_SETOWN, 1) }},
	{"dup", true, func() error { return call(unix.SYS_DUP, 3) }},
	{"pipe", true, func() error { var p [2]int32; return call(unix.SYS_PIPE2, uintptr(unsafe.Pointer(&p)), 0) }},
	{"splice", true, func() error { return call(unix.SYS_SPLICE, 3, 0, 1, 0, 1, 0) }},
	{"timer_create", true, func() error { return call(unix.SYS_TIMER_CREATE, 0, 0, 0) }},
	{"an x32 system call", true, func() error { return call(0x40000000+unix.SYS_GETPID, 0) }},
	{"a system call that does not exist", true, func() error { return call(100_000) }},
}

const (
	asVillain   = "sandbox-test-villain"
	asDriver    = "sandbox-test-driver"
	asContainer = "sandbox-test-container"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == asVillain {
		os.Exit(villain(os.Args[2]))
	}
	if len(os.Args) > 1 && os.Args[1] == asDriver {
		os.Exit(driver())
	}
	if len(os.Args) > 1 && os.Args[1] == asContainer {
		os.Exit(container())
	}
	os.Exit(m.Run())
}

// villain locks itself up as a worker does and makes one attempt. Exit statuses: 10 it succeeded, 11 it failed.
func villain(arg string) int {
	if arg == ProbeArg {
		return 0
	}
	runtime.LockOSThread()
	layers, err := Before()
	if err != nil {
		fmt.Fprintln(os.Stderr, "before:", err)
		return 1
	}
	locked, err := Lock(LockConfig{Socket: 3})
	if err != nil {
		fmt.Fprintln(os.Stderr, "lock:", err)
		return 1
	}
	if arg == "layers" {
		b, _ := json.Marshal(append(layers, locked...))
		fmt.Println(string(b))
		return 0
	}
	n, err := strconv.Atoi(arg)
	if err != nil {
		return 1
	}
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: 1 << 30, Max: 1 << 31}); err != nil {
		return 1
	}
	if err := attempts[n].try(); err != nil {
		fmt.Println(err)
		return 11
	}
	return 10
}

// finding is what became of an attempt.
type finding struct {
	Name    string
	Result  string
	Denied  bool
	AsMeant bool
}

type report struct {
	UID      int
	Layers   []string
	Findings []finding
}

func runVillain(self string, attr syscall.SysProcAttr, arg string) (string, *os.ProcessState, error) {
	attr.Pdeathsig = 0 // tied to a thread that this test does not keep
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", nil, err
	}
	defer unix.Close(pair[0])
	socket := os.NewFile(uintptr(pair[1]), "socket")
	defer socket.Close()
	cmd := exec.Command(self, asVillain, arg)
	// GORACE: under the race detector a process sleeps for a second before it ends.
	cmd.Env = []string{"GOMAXPROCS=2", "GOTRACEBACK=none", "GORACE=atexit_sleep_ms=0"}
	cmd.ExtraFiles = []*os.File{socket}
	cmd.Dir = "/"
	cmd.SysProcAttr = &attr
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return out.String(), nil, err
	}
	return out.String(), cmd.ProcessState, nil
}

func examine(self string) (report, error) {
	r := report{UID: os.Getuid()}
	attr, layers := Attr(Config{Path: self, Args: []string{asVillain}})
	out, _, err := runVillain(self, *attr, "layers")
	if err != nil {
		return r, err
	}
	var own []string
	if err := json.Unmarshal([]byte(out), &own); err != nil {
		return r, fmt.Errorf("layers: %w: %s", err, out)
	}
	r.Layers = append(layers, own...)
	for n, a := range attempts {
		out, state, err := runVillain(self, *attr, strconv.Itoa(n))
		if err != nil {
			return r, err
		}
		f := finding{Name: a.name}
		status := state.Sys().(syscall.WaitStatus)
		switch {
		case status.Signaled() && status.Signal() == syscall.SIGSYS:
			f.Result, f.Denied, f.AsMeant = "killed: SIGSYS", true, a.kills
		case status.ExitStatus() == 11:
			f.Result, f.Denied, f.AsMeant = "failed: "+strings.TrimSpace(out), true, !a.kills
		default:
			f.Result = fmt.Sprintf("%s %s", state, strings.TrimSpace(out))
		}
		r.Findings = append(r.Findings, f)
	}
	return r, nil
}

func driver() int {
	self, err := os.Executable()
	if err != nil {
		return 1
	}
	r, err := examine(self)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		return 1
	}
	return 0
}

func show(t *testing.T, r report) {
	var b strings.Builder
	fmt.Fprintf(&b, "as user %d\n", r.UID)
	for _, l := range r.Layers {
		fmt.Fprintf(&b, "  layer %s\n", l)
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "  %-36s %s\n", f.Name, f.Result)
	}
	t.Log(b.String())
}

func check(t *testing.T, r report) {
	show(t, r)
	for _, want := range []string{"no_new_privs=on", "seccomp=on", "rlimits=on", "undumpable=on", "descriptors=on", "environment=on", "session=on"} {
		require.Contains(t, r.Layers, want)
	}
	require.Len(t, r.Findings, len(attempts))
	for _, f := range r.Findings {
		require.True(t, f.Denied, "%s: %s", f.Name, f.Result)
		require.True(t, f.AsMeant, "%s: %s", f.Name, f.Result)
	}
}

func TestAttempts(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	r, err := examine(self)
	require.NoError(t, err)
	check(t, r)
}

func TestAttemptsAsOrdinaryUser(t *testing.T) {
	t.Parallel()
	check(t, reportOfOrdinaryUser(t, asDriver, syscall.SysProcAttr{Credential: ordinaryUser()}))
}

// TestAttemptsInAContainer: Docker and Kubernetes cover parts of /proc, and the kernel then allows no other one.
func TestAttemptsInAContainer(t *testing.T) {
	t.Parallel()
	r := reportOfOrdinaryUser(t, asContainer, syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID})
	check(t, r)
	if !slices.Contains(r.Layers, "user_ns=on") {
		t.Skip("ordinary users may make no namespaces here")
	}
	require.Contains(t, r.Layers, "pid_ns=off: /proc/sys is covered")
	require.Contains(t, r.Layers, "capabilities=on")
	require.Contains(t, r.Layers, "empty_root=on")
}

// TestLockWithForeignProc: where nothing may be mounted at all, the worker says what it lacks instead of waiting for ever.
func TestLockWithForeignProc(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	out, _, err := runVillain(self, syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}, "layers")
	if errors.Is(err, fs.ErrPermission) {
		t.Skip("no namespaces here")
	}
	require.NoError(t, err)
	var layers []string
	require.NoError(t, json.Unmarshal([]byte(out), &layers), out)
	require.Contains(t, layers, "capabilities=off: "+errForeignProc.Error())
	require.Contains(t, layers, "seccomp=on")
}

// container covers a part of its /proc and goes on as an ordinary user, as in a container.
func container() int {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fail(err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fail(err)
	}
	if err := unix.Mount("none", "/proc/sys", "tmpfs", unix.MS_RDONLY, ""); err != nil {
		return fail(err)
	}
	cmd := exec.Command(os.Args[0], asDriver)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: ordinaryUser()}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fail(err)
	}
	return 0
}

func ordinaryUser() *syscall.Credential { return &syscall.Credential{Uid: 65534, Gid: 65534} }

// reportOfOrdinaryUser has the test binary examine itself as a user without rights. Needs root.
func reportOfOrdinaryUser(t *testing.T, role string, attr syscall.SysProcAttr) report {
	if os.Getuid() != 0 {
		t.Skip("TestAttempts has run as an ordinary user")
	}
	// The test binary is where only root may look.
	dir, err := os.MkdirTemp("", "sandbox")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	self, err := os.Executable()
	require.NoError(t, err)
	copied := filepath.Join(dir, "villain")
	// Another process writes it: a child that a parallel test forks now would inherit our descriptor, and what is open for writing can't run.
	require.NoError(t, exec.Command("install", "-m", "755", self, copied).Run())

	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, copied, role)
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	cmd.Dir = "/"
	cmd.SysProcAttr = &attr
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	b, err := cmd.Output()
	if errors.Is(err, fs.ErrPermission) {
		t.Skipf("root may not do this here: %v", err)
	}
	require.NoError(t, err, "%s", stderr.String())
	var r report
	require.NoError(t, json.Unmarshal(b, &r))
	require.Equal(t, 65534, r.UID)
	return r
}
