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
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
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
	// crashes: the process ends by itself, with this in what it prints.
	crashes string
	// watched: no filter and no limit stops it. Another process sees by Usage that it holds more than heldLimit.
	watched bool
	// memory: how many times heldLimit its RLIMIT_DATA allows, so that only the tried layer stops it; zero means once. The race
	// detector takes some MiB for each thread.
	memory uint64
}

// heldLimit is what the villain may hold. Its RLIMIT_DATA is as much above what the process has at its start.
const heldLimit = 256 << 20

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
	{name: "socket tcp", kills: true, try: func() error { return call(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM, 0) }},
	{name: "socket udp", kills: true, try: func() error { return call(unix.SYS_SOCKET, unix.AF_INET6, unix.SOCK_DGRAM, 0) }},
	{name: "socket unix", kills: true, try: func() error { return call(unix.SYS_SOCKET, unix.AF_UNIX, unix.SOCK_STREAM, 0) }},
	{name: "socket netlink", kills: true, try: func() error { return call(unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_RAW, 0) }},
	{name: "socketpair", kills: true, try: func() error {
		var p [2]int32
		return call(unix.SYS_SOCKETPAIR, unix.AF_UNIX, unix.SOCK_STREAM, 0, uintptr(unsafe.Pointer(&p)))
	}},
	{name: "connect", kills: true, try: func() error { return call(unix.SYS_CONNECT, 3, 0, 0) }},
	{name: "sendmsg (pass descriptors)", kills: true, try: func() error { var m unix.Msghdr; return call(unix.SYS_SENDMSG, 3, uintptr(unsafe.Pointer(&m)), 0) }},
	{name: "recvmsg (take descriptors)", kills: true, try: func() error { var m unix.Msghdr; return call(unix.SYS_RECVMSG, 3, uintptr(unsafe.Pointer(&m)), 0) }},
	{name: "recvfrom another descriptor", kills: true, try: func() error { return call(unix.SYS_RECVFROM, 4, 0, 0, 0, 0, 0) }},
	{name: "open /etc/passwd", try: func() error { return call(unix.SYS_OPENAT, ^uintptr(99), cstr("/etc/passwd"), 0, 0) }},
	{name: "open for write", try: func() error {
		return call(unix.SYS_OPENAT, ^uintptr(99), cstr("/tmp/x"), unix.O_CREAT|unix.O_RDWR, 0o600)
	}},
	{name: "open environ of process 1", try: func() error { return call(unix.SYS_OPENAT, ^uintptr(99), cstr("/proc/1/environ"), 0, 0) }},
	{name: "open own memory", try: func() error { return call(unix.SYS_OPENAT, ^uintptr(99), cstr("/proc/self/mem"), unix.O_RDWR, 0) }},
	{name: "stat", try: func() error { var st unix.Stat_t; return unix.Stat("/", &st) }},
	{name: "openat2", kills: true, try: func() error {
		var how unix.OpenHow
		return call(unix.SYS_OPENAT2, ^uintptr(99), cstr("/"), uintptr(unsafe.Pointer(&how)), unsafe.Sizeof(how))
	}},
	{name: "getdents", kills: true, try: func() error { var b [512]byte; return call(unix.SYS_GETDENTS64, 0, uintptr(unsafe.Pointer(&b)), 512) }},
	{name: "unlink", kills: true, try: func() error { return call(unix.SYS_UNLINKAT, ^uintptr(99), cstr("/x"), 0) }},
	{name: "mkdir", kills: true, try: func() error { return call(unix.SYS_MKDIRAT, ^uintptr(99), cstr("/x"), 0o700) }},
	{name: "chmod", kills: true, try: func() error { return call(unix.SYS_FCHMODAT, ^uintptr(99), cstr("/"), 0o777) }},
	{name: "chroot", kills: true, try: func() error { return call(unix.SYS_CHROOT, cstr("/")) }},
	{name: "execve", kills: true, try: func() error { return call(unix.SYS_EXECVE, cstr("/bin/sh"), 0, 0) }},
	{name: "execveat", kills: true, try: func() error { return call(unix.SYS_EXECVEAT, ^uintptr(99), cstr("/bin/sh"), 0, 0, 0) }},
	{name: "fork", kills: true, try: func() error { return call(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0) }},
	{name: "clone into a user namespace", kills: true, try: func() error { return call(unix.SYS_CLONE, unix.CLONE_NEWUSER|uintptr(unix.SIGCHLD), 0, 0, 0, 0) }},
	{name: "clone a thread into namespaces", kills: true, try: func() error {
		return call(unix.SYS_CLONE, unix.CLONE_THREAD|unix.CLONE_VM|unix.CLONE_SIGHAND|unix.CLONE_NEWNET, 0, 0, 0, 0)
	}},
	{name: "clone3", try: func() error { return call(unix.SYS_CLONE3, 0, 0) }},
	{name: "unshare user", kills: true, try: func() error { return call(unix.SYS_UNSHARE, unix.CLONE_NEWUSER) }},
	{name: "setns", kills: true, try: func() error { return call(unix.SYS_SETNS, 0, 0) }},
	{name: "kill all", kills: true, try: func() error { return call(unix.SYS_KILL, ^uintptr(0), uintptr(unix.SIGKILL)) }},
	{name: "kill the parent", kills: true, try: func() error { return call(unix.SYS_KILL, uintptr(os.Getppid()), uintptr(unix.SIGKILL)) }},
	{name: "tgkill another process", kills: true, try: func() error { return call(unix.SYS_TGKILL, 2, 2, uintptr(unix.SIGKILL)) }},
	{name: "tkill", kills: true, try: func() error { return call(unix.SYS_TKILL, 1, 0) }},
	{name: "pidfd_open", kills: true, try: func() error { return call(unix.SYS_PIDFD_OPEN, 1, 0) }},
	{name: "ptrace", kills: true, try: func() error { return call(unix.SYS_PTRACE, unix.PTRACE_ATTACH, 1, 0, 0) }},
	{name: "process_vm_readv", kills: true, try: func() error { return call(unix.SYS_PROCESS_VM_READV, 1, 0, 0, 0, 0, 0) }},
	{name: "process_vm_writev", kills: true, try: func() error { return call(unix.SYS_PROCESS_VM_WRITEV, 1, 0, 0, 0, 0, 0) }},
	{name: "bpf", kills: true, try: func() error { return call(unix.SYS_BPF, 0, 0, 0) }},
	{name: "perf_event_open", kills: true, try: func() error { return call(unix.SYS_PERF_EVENT_OPEN, 0, 0, 0, 0, 0) }},
	{name: "userfaultfd", kills: true, try: func() error { return call(unix.SYS_USERFAULTFD, 0) }},
	{name: "io_uring_setup", kills: true, try: func() error { var p [128]byte; return call(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&p))) }},
	{name: "keyctl", kills: true, try: func() error { return call(unix.SYS_KEYCTL, 0, 0, 0, 0, 0) }},
	{name: "add_key", kills: true, try: func() error { return call(unix.SYS_ADD_KEY, cstr("user"), cstr("x"), 0, 0, 0) }},
	{name: "mount", kills: true, try: func() error { return call(unix.SYS_MOUNT, cstr("none"), cstr("/"), cstr("tmpfs"), 0, 0) }},
	{name: "umount", kills: true, try: func() error { return call(unix.SYS_UMOUNT2, cstr("/"), 0) }},
	{name: "pivot_root", kills: true, try: func() error { return call(unix.SYS_PIVOT_ROOT, cstr("/"), cstr("/")) }},
	{name: "fsopen", kills: true, try: func() error { return call(unix.SYS_FSOPEN, cstr("tmpfs"), 0) }},
	{name: "memfd_create", kills: true, try: func() error { return call(unix.SYS_MEMFD_CREATE, cstr("x"), 0) }},
	{name: "shmget", kills: true, try: func() error { return call(unix.SYS_SHMGET, 1, 4096, 0o600) }},
	{name: "mq_open", kills: true, try: func() error { return call(unix.SYS_MQ_OPEN, cstr("/x"), 0, 0, 0) }},
	{name: "setuid 0", kills: true, try: func() error { return call(unix.SYS_SETUID, 0) }},
	{name: "setresuid 0", kills: true, try: func() error { return call(unix.SYS_SETRESUID, 0, 0, 0) }},
	{name: "capset", kills: true, try: func() error { return call(unix.SYS_CAPSET, 0, 0) }},
	{name: "prctl dumpable", kills: true, try: func() error { return call(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 1) }},
	{name: "prctl death signal", kills: true, try: func() error { return call(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, 0) }},
	{name: "rlimit nofile", kills: true, try: func() error {
		l := unix.Rlimit{Cur: 1024, Max: 1024}
		return call(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, uintptr(unsafe.Pointer(&l)), 0)
	}},
	{name: "rlimit of another process", kills: true, try: func() error {
		l := unix.Rlimit{Cur: 1, Max: 1}
		return call(unix.SYS_PRLIMIT64, 1, unix.RLIMIT_DATA, uintptr(unsafe.Pointer(&l)), 0)
	}},
	{name: "raise rlimit data", try: func() error {
		l := unix.Rlimit{Cur: 1 << 40, Max: 1 << 40}
		return call(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_DATA, uintptr(unsafe.Pointer(&l)), 0)
	}},
	{name: "setsid", kills: true, try: func() error { return call(unix.SYS_SETSID) }},
	{name: "setpriority", kills: true, try: func() error { return call(unix.SYS_SETPRIORITY, 0, 0, ^uintptr(19)) }},
	{name: "sched_setscheduler", kills: true, try: func() error { var p int32; return call(unix.SYS_SCHED_SETSCHEDULER, 0, 1, uintptr(unsafe.Pointer(&p))) }},
	{name: "sched_setaffinity", kills: true, try: func() error {
		var m uint64 = 1
		return call(unix.SYS_SCHED_SETAFFINITY, 0, 8, uintptr(unsafe.Pointer(&m)))
	}},
	{name: "reboot", kills: true, try: func() error { return call(unix.SYS_REBOOT, 0, 0, 0, 0) }},
	{name: "init_module", kills: true, try: func() error { return call(unix.SYS_INIT_MODULE, 0, 0, 0) }},
	{name: "kexec_load", kills: true, try: func() error { return call(unix.SYS_KEXEC_LOAD, 0, 0, 0, 0) }},
	{name: "settimeofday", kills: true, try: func() error { return call(unix.SYS_SETTIMEOFDAY, 0, 0) }},
	{name: "sethostname", kills: true, try: func() error { return call(unix.SYS_SETHOSTNAME, cstr("x"), 1) }},
	{name: "seccomp", kills: true, try: func() error { return call(unix.SYS_SECCOMP, 1, 0, 0) }},
	{name: "landlock_create_ruleset", kills: true, try: func() error { return call(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, 1) }},
	{name: "ioctl", kills: true, try: func() error { return call(unix.SYS_IOCTL, 2, unix.TIOCSTI, 0) }},
	{name: "fcntl setown", kills: true, try: func() error { return call(unix.SYS_FCNTL, 3, unix.F_SETOWN, 1) }},
	{name: "dup", kills: true, try: func() error { return call(unix.SYS_DUP, 3) }},
	{name: "pipe", kills: true, try: func() error { var p [2]int32; return call(unix.SYS_PIPE2, uintptr(unsafe.Pointer(&p)), 0) }},
	{name: "splice", kills: true, try: func() error { return call(unix.SYS_SPLICE, 3, 0, 1, 0, 1, 0) }},
	{name: "timer_create", kills: true, try: func() error { return call(unix.SYS_TIMER_CREATE, 0, 0, 0) }},
	// ---- memory that RLIMIT_DATA does not count, and memory of others ----
	{name: "map more than RLIMIT_DATA", try: func() error { return mapAndTouch(unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, heldLimit*3/4) }},
	{name: "mmap MAP_SHARED", kills: true, try: func() error { return mapAndTouch(unix.MAP_SHARED|unix.MAP_ANONYMOUS, heldLimit) }},
	{name: "mmap MAP_SHARED_VALIDATE", kills: true, try: func() error { return mapAndTouch(unix.MAP_SHARED_VALIDATE|unix.MAP_ANONYMOUS, 1<<20) }},
	{name: "mmap MAP_DROPPABLE", kills: true, try: func() error { return mapAndTouch(unix.MAP_DROPPABLE|unix.MAP_ANONYMOUS, 1<<20) }},
	{name: "mmap MAP_GROWSDOWN", kills: true, try: func() error {
		return mapAndTouch(unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_GROWSDOWN, heldLimit)
	}},
	{name: "mmap MAP_HUGETLB", kills: true, try: func() error {
		return mapAndTouch(unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_HUGETLB, 2<<20)
	}},
	{name: "mmap MAP_LOCKED", kills: true, try: func() error { return mapAndTouch(unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_LOCKED, 1<<20) }},
	{name: "mmap MAP_POPULATE", kills: true, try: func() error { return mapAndTouch(unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_POPULATE, 1<<20) }},
	{name: "mmap a file", kills: true, try: func() error { return call(unix.SYS_MMAP, 0, 4096, unix.PROT_READ, unix.MAP_PRIVATE, 3, 0) }},
	{name: "mmap flags in the high half", kills: true, try: func() error {
		return call(unix.SYS_MMAP, 0, 4096, unix.PROT_READ, 1<<32|unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, ^uintptr(0), 0)
	}},
	{name: "mmap PROT_GROWSDOWN", kills: true, try: func() error {
		return call(unix.SYS_MMAP, 0, 4096, unix.PROT_READ|unix.PROT_GROWSDOWN, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, ^uintptr(0), 0)
	}},
	{name: "mprotect PROT_GROWSDOWN", kills: true, try: func() error { return call(unix.SYS_MPROTECT, 0, 4096, unix.PROT_READ|unix.PROT_GROWSDOWN) }},
	{name: "mprotect PROT_GROWSUP", kills: true, try: func() error { return call(unix.SYS_MPROTECT, 0, 4096, unix.PROT_READ|unix.PROT_GROWSUP) }},
	{name: "mremap of the stack", try: func() error {
		page := stackPage()
		return call(unix.SYS_MREMAP, page, 4096, heldLimit, unix.MREMAP_MAYMOVE)
	}},
	{name: "mremap without moving the old mapping", try: func() error {
		return call(unix.SYS_MREMAP, stackPage(), 4096, 4096, unix.MREMAP_MAYMOVE|unix.MREMAP_DONTUNMAP)
	}},
	{name: "grow the stack", try: func() error { return touch(stackPage()-16<<20, 4096) }},
	{name: "remap_file_pages", kills: true, try: func() error { return call(unix.SYS_REMAP_FILE_PAGES, stackPage(), 4096, 0, 0, 0) }},
	{name: "mlock", kills: true, try: func() error { return call(unix.SYS_MLOCK, stackPage(), 4096) }},
	{name: "mlockall", kills: true, try: func() error { return call(unix.SYS_MLOCKALL, unix.MCL_FUTURE) }},
	{name: "mbind", kills: true, try: func() error { return call(unix.SYS_MBIND, stackPage(), 4096, 0, 0, 0, 0) }},
	{name: "mseal", kills: true, try: func() error { return call(unix.SYS_MSEAL, stackPage(), 4096, 0) }},
	{name: "memfd_secret", kills: true, try: func() error { return call(unix.SYS_MEMFD_SECRET, 0) }},
	{name: "map_shadow_stack", kills: true, try: func() error { return call(unix.SYS_MAP_SHADOW_STACK, 0, 4096, 0) }},
	{name: "pkey_alloc", kills: true, try: func() error { return call(unix.SYS_PKEY_ALLOC, 0, 0) }},
	{name: "pkey_mprotect PROT_GROWSDOWN", kills: true, try: func() error {
		return call(unix.SYS_PKEY_MPROTECT, stackPage(), 4096, unix.PROT_READ|unix.PROT_GROWSDOWN, 0)
	}},
	{name: "process_madvise", kills: true, try: func() error { return call(unix.SYS_PROCESS_MADVISE, 3, 0, 0, unix.MADV_COLD, 0) }},
	{name: "process_mrelease", kills: true, try: func() error { return call(unix.SYS_PROCESS_MRELEASE, 3, 0) }},
	{name: "madvise MADV_MERGEABLE", try: func() error { return call(unix.SYS_MADVISE, stackPage(), 4096, unix.MADV_MERGEABLE) }},
	{name: "madvise MADV_HWPOISON", try: func() error { return call(unix.SYS_MADVISE, stackPage(), 4096, unix.MADV_HWPOISON) }},
	{name: "madvise MADV_POPULATE_WRITE", try: func() error { return call(unix.SYS_MADVISE, stackPage(), 4096, unix.MADV_POPULATE_WRITE) }},
	{name: "madvise MADV_REMOVE", try: func() error { return call(unix.SYS_MADVISE, stackPage(), 4096, unix.MADV_REMOVE) }},
	{name: "write, then make read-only", watched: true, try: func() error {
		const part = 16 << 20
		for range 4 * heldLimit / part {
			at, err := mapped(unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, part, unix.PROT_READ|unix.PROT_WRITE)
			if err != nil {
				return err
			}
			if err := touch(at, part); err != nil {
				return err
			}
			if err := call(unix.SYS_MPROTECT, at, part, unix.PROT_READ); err != nil {
				return err
			}
		}
		return nil
	}},
	{name: "page tables of sparse mappings", watched: true, try: func() error {
		const size, step = 1 << 40, 2 << 20
		at, err := mapped(unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE, size, unix.PROT_READ)
		if err != nil {
			return err
		}
		sum := byte(0)
		for n := uintptr(0); n < size; n += step {
			sum += *(*byte)(unsafe.Add(unsafe.Pointer(nil), at+n))
		}
		runtime.KeepAlive(sum)
		return nil
	}},

	// ---- threads ----
	{name: "threads without end", crashes: "Resource temporarily unavailable", memory: 16, try: func() error {
		var all sync.WaitGroup
		for range 4 * MaxThreads {
			all.Go(func() {
				runtime.LockOSThread()
				_ = unix.Nanosleep(&unix.Timespec{Sec: 2}, nil)
			})
		}
		all.Wait()
		return nil
	}},
	{name: "vfork", kills: true, try: func() error {
		return call(unix.SYS_CLONE, unix.CLONE_VFORK|unix.CLONE_VM|uintptr(unix.SIGCHLD), 0, 0, 0, 0)
	}},
	{name: "clone a thread with a pidfd", kills: true, try: func() error { return call(unix.SYS_CLONE, glibcThread|unix.CLONE_PIDFD, 0, 0, 0, 0) }},
	{name: "clone a thread with files of its own", kills: true, try: func() error { return call(unix.SYS_CLONE, glibcThread&^unix.CLONE_FILES, 0, 0, 0, 0) }},
	{name: "clone a traced thread", kills: true, try: func() error { return call(unix.SYS_CLONE, glibcThread|unix.CLONE_PTRACE, 0, 0, 0, 0) }},
	{name: "clone an untraced thread", kills: true, try: func() error { return call(unix.SYS_CLONE, glibcThread|unix.CLONE_UNTRACED, 0, 0, 0, 0) }},
	{name: "clone with an exit signal", kills: true, try: func() error { return call(unix.SYS_CLONE, glibcThread|uintptr(unix.SIGCHLD), 0, 0, 0, 0) }},
	{name: "clone flags in the high half", kills: true, try: func() error { return call(unix.SYS_CLONE, glibcThread|1<<33, 0, 0, 0, 0) }}, // CLONE_INTO_CGROUP
	{name: "futex LOCK_PI", kills: true, try: func() error { return futexCall(6 | futexPrivate) }},
	{name: "futex LOCK_PI2", kills: true, try: func() error { return futexCall(13 | futexPrivate) }},
	{name: "futex UNLOCK_PI", kills: true, try: func() error { return futexCall(7) }},
	{name: "futex TRYLOCK_PI", kills: true, try: func() error { return futexCall(8) }},
	{name: "futex WAIT_REQUEUE_PI", kills: true, try: func() error { return futexCall(11 | futexPrivate) }},
	{name: "futex CMP_REQUEUE_PI", kills: true, try: func() error { return futexCall(12 | futexPrivate) }},
	{name: "futex REQUEUE", kills: true, try: func() error { return futexCall(3 | futexPrivate) }},
	{name: "futex CMP_REQUEUE", kills: true, try: func() error { return futexCall(4) }},
	{name: "futex WAKE_OP", kills: true, try: func() error { return futexCall(5 | futexPrivate) }},
	{name: "futex FD", kills: true, try: func() error { return futexCall(2) }},
	{name: "futex operation in the high half", kills: true, try: func() error { return futexCall(1<<32 | 6) }},
	{name: "futex_waitv", kills: true, try: func() error { return call(unix.SYS_FUTEX_WAITV, 0, 0, 0, 0, 0) }},
	{name: "futex_wait", kills: true, try: func() error { return call(unix.SYS_FUTEX_WAIT, 0, 0, 0, 0, 0, 0) }},
	{name: "futex_requeue", kills: true, try: func() error { return call(unix.SYS_FUTEX_REQUEUE, 0, 0, 0, 0) }},
	{name: "set_tid_address", kills: true, try: func() error { return call(unix.SYS_SET_TID_ADDRESS, stackPage()) }},
	{name: "get_robust_list of another process", kills: true, try: func() error { return call(unix.SYS_GET_ROBUST_LIST, 1, 0, 0) }},
	{name: "rseq with unknown flags", try: func() error { return call(unix.SYS_RSEQ, stackPage(), 32, 1<<16, 0) }},
	{name: "membarrier", kills: true, try: func() error { return call(unix.SYS_MEMBARRIER, 1, 0, 0) }},
	{name: "sched_setattr", kills: true, try: func() error { var a [64]byte; return call(unix.SYS_SCHED_SETATTR, 0, uintptr(unsafe.Pointer(&a)), 0) }},
	{name: "ioprio_set", kills: true, try: func() error { return call(unix.SYS_IOPRIO_SET, 1, 0, 1<<13) }},
	{name: "kcmp", kills: true, try: func() error { return call(unix.SYS_KCMP, 1, 1, 0, 0, 0) }},
	{name: "wait for a child", kills: true, try: func() error { return call(unix.SYS_WAIT4, ^uintptr(0), 0, 0, 0) }},

	// ---- descriptors ----
	{name: "epoll_create1", kills: true, try: func() error { return call(unix.SYS_EPOLL_CREATE1, 0) }},
	{name: "epoll_ctl", kills: true, try: func() error { return call(unix.SYS_EPOLL_CTL, 4, unix.EPOLL_CTL_ADD, 3, 0) }},
	{name: "eventfd2", kills: true, try: func() error { return call(unix.SYS_EVENTFD2, 0, 0) }},
	{name: "timerfd_create", kills: true, try: func() error { return call(unix.SYS_TIMERFD_CREATE, 1, 0) }},
	{name: "signalfd4", kills: true, try: func() error {
		var m uint64
		return call(unix.SYS_SIGNALFD4, ^uintptr(0), uintptr(unsafe.Pointer(&m)), 8, 0)
	}},
	{name: "inotify_init1", kills: true, try: func() error { return call(unix.SYS_INOTIFY_INIT1, 0) }},
	{name: "fanotify_init", kills: true, try: func() error { return call(unix.SYS_FANOTIFY_INIT, 0, 0) }},
	{name: "dup3", kills: true, try: func() error { return call(unix.SYS_DUP3, 3, 40, 0) }},
	{name: "fcntl dup", kills: true, try: func() error { return call(unix.SYS_FCNTL, 3, unix.F_DUPFD, 10) }},
	{name: "fcntl pipe size", kills: true, try: func() error { return call(unix.SYS_FCNTL, 2, unix.F_SETPIPE_SZ, 1<<20) }},
	{name: "pidfd_getfd", kills: true, try: func() error { return call(unix.SYS_PIDFD_GETFD, 3, 0, 0) }},
	{name: "open_by_handle_at", kills: true, try: func() error { return call(unix.SYS_OPEN_BY_HANDLE_AT, 3, 0, 0) }},
	{name: "name_to_handle_at", kills: true, try: func() error { return call(unix.SYS_NAME_TO_HANDLE_AT, ^uintptr(99), cstr("/"), 0, 0, 0) }},
	{name: "open_tree", kills: true, try: func() error { return call(unix.SYS_OPEN_TREE, ^uintptr(99), cstr("/"), 0) }},
	{name: "statmount", kills: true, try: func() error { return call(unix.SYS_STATMOUNT, 0, 0, 0, 0) }},
	{name: "setsockopt", kills: true, try: func() error { return call(unix.SYS_SETSOCKOPT, 3, unix.SOL_SOCKET, unix.SO_SNDBUF, 0, 4) }},
	{name: "io_setup", kills: true, try: func() error { var c uintptr; return call(unix.SYS_IO_SETUP, 1, uintptr(unsafe.Pointer(&c))) }},
	{name: "vmsplice", kills: true, try: func() error { return call(unix.SYS_VMSPLICE, 2, 0, 0, 0) }},
	{name: "cachestat", kills: true, try: func() error { return call(unix.SYS_CACHESTAT, 3, 0, 0, 0) }},

	// ---- the rest ----
	{name: "prctl PR_SET_VMA of another kind", kills: true, try: func() error { return call(unix.SYS_PRCTL, unix.PR_SET_VMA, 1, 0, 0, 0) }},
	{name: "prctl PR_SET_MM", kills: true, try: func() error { return call(unix.SYS_PRCTL, unix.PR_SET_MM, unix.PR_SET_MM_BRK, 0, 0, 0) }},
	{name: "prctl PR_SET_PTRACER", kills: true, try: func() error { return call(unix.SYS_PRCTL, unix.PR_SET_PTRACER, ^uintptr(0), 0, 0, 0) }},
	{name: "prctl PR_SET_TIMERSLACK", kills: true, try: func() error { return call(unix.SYS_PRCTL, unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) }},
	{name: "prlimit of the stack", kills: true, try: func() error {
		l := unix.Rlimit{Cur: 1 << 40, Max: 1 << 40}
		return call(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_STACK, uintptr(unsafe.Pointer(&l)), 0)
	}},
	{name: "prlimit of threads", kills: true, try: func() error {
		l := unix.Rlimit{Cur: 1 << 20, Max: 1 << 20}
		return call(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NPROC, uintptr(unsafe.Pointer(&l)), 0)
	}},
	{name: "rt_sigqueueinfo", kills: true, try: func() error { return call(unix.SYS_RT_SIGQUEUEINFO, 1, uintptr(unix.SIGKILL), 0) }},
	{name: "pidfd_send_signal", kills: true, try: func() error { return call(unix.SYS_PIDFD_SEND_SIGNAL, 3, uintptr(unix.SIGKILL), 0, 0) }},
	{name: "syslog", kills: true, try: func() error { return call(unix.SYS_SYSLOG, 3, 0, 0) }},
	{name: "quotactl", kills: true, try: func() error { return call(unix.SYS_QUOTACTL, 0, 0, 0, 0) }},
	{name: "swapon", kills: true, try: func() error { return call(unix.SYS_SWAPON, cstr("/x"), 0) }},
	{name: "finit_module", kills: true, try: func() error { return call(unix.SYS_FINIT_MODULE, 3, cstr(""), 0) }},
	{name: "lsm_set_self_attr", kills: true, try: func() error { return call(unix.SYS_LSM_SET_SELF_ATTR, 100, 0, 0, 0) }},
	{name: "an x32 system call", kills: true, try: func() error { return call(0x40000000+unix.SYS_GETPID, 0) }},
	{name: "a system call that does not exist", kills: true, try: func() error { return call(100_000) }},
}

func futexCall(op uintptr) error {
	var word uint32
	return call(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&word)), op, 0, 0, 0, 0)
}

func mapped(flags, size, prot uintptr) (uintptr, error) {
	at, _, errno := unix.Syscall6(unix.SYS_MMAP, 0, size, prot, flags, ^uintptr(0), 0)
	if errno != 0 {
		return 0, errno
	}
	return at, nil
}

// mapAndTouch maps four times size, in parts, and writes to each page.
func mapAndTouch(flags, size uintptr) error {
	for range 4 {
		at, err := mapped(flags, size, unix.PROT_READ|unix.PROT_WRITE)
		if err != nil {
			return err
		}
		if err := touch(at, size); err != nil {
			return err
		}
	}
	return nil
}

// touch writes to each page. It fails where there is none.
func touch(at, size uintptr) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	for n := uintptr(0); n < size; n += 4096 {
		*(*byte)(unsafe.Add(unsafe.Pointer(nil), at+n)) = 1
	}
	return nil
}

// The villain notes these before it is locked: an address in the stack of the process's first thread, and the bytes of its data segment.
var (
	mainStack   uintptr
	dataAtStart uint64
)

func stackPage() uintptr { return mainStack &^ 4095 }

func noteMemory() error {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return err
	}
	if _, err := fmt.Sscanf(strings.Fields(string(statm))[5], "%d", &dataAtStart); err != nil {
		return err
	}
	dataAtStart *= uint64(os.Getpagesize())
	b, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(b)) {
		if strings.HasSuffix(line, "[stack]\n") {
			_, err := fmt.Sscanf(line, "%x-", &mainStack)
			return err
		}
	}
	return errors.New("no stack")
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
	if err := noteMemory(); err != nil {
		fmt.Fprintln(os.Stderr, "memory:", err)
		return 1
	}
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
	limit := heldLimit * max(1, attempts[n].memory)
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: dataAtStart + limit, Max: dataAtStart + 2*limit}); err != nil {
		return 1
	}
	if err := attempts[n].try(); err != nil {
		fmt.Println(err)
		return 11
	}
	if attempts[n].watched {
		time.Sleep(time.Minute) // with what it holds, until it is seen
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

// runVillain runs one attempt. Where watch is set, it kills a process that holds more than heldLimit, and names what it held.
func runVillain(self string, attr syscall.SysProcAttr, arg string, watch bool) (string, *os.ProcessState, error) {
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
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	ended, seen := make(chan struct{}), make(chan string, 1)
	go func() {
		defer close(seen)
		for watch {
			select {
			case <-ended:
				return
			case <-time.After(5 * time.Millisecond):
			}
			if u, ok := UsageOf(cmd.Process.Pid); ok && u.Held() > heldLimit {
				seen <- fmt.Sprintf("%d MiB resident, %d MiB of page tables", u.Resident>>20, u.PageTables>>20)
				_ = cmd.Process.Kill()
				return
			}
		}
	}()
	err = cmd.Wait()
	close(ended)
	if what, ok := <-seen; ok {
		return what, cmd.ProcessState, nil
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return out.String(), nil, err
	}
	return out.String(), cmd.ProcessState, nil
}

func examine(self string) (report, error) {
	r := report{UID: os.Getuid()}
	attr, layers := Attr(Config{Path: self, Args: []string{asVillain}})
	out, _, err := runVillain(self, *attr, "layers", false)
	if err != nil {
		return r, err
	}
	var own []string
	if err := json.Unmarshal([]byte(out), &own); err != nil {
		return r, fmt.Errorf("layers: %w: %s", err, out)
	}
	r.Layers = append(layers, own...)
	for n, a := range attempts {
		out, state, err := runVillain(self, *attr, strconv.Itoa(n), a.watched)
		if err != nil {
			return r, err
		}
		f := finding{Name: a.name}
		status := state.Sys().(syscall.WaitStatus)
		switch {
		case status.Signaled() && status.Signal() == syscall.SIGSYS:
			f.Result, f.Denied, f.AsMeant = "killed: SIGSYS", true, a.kills
		case a.watched && status.Signaled() && status.Signal() == syscall.SIGKILL:
			f.Result, f.Denied, f.AsMeant = "seen and killed: "+out, true, true
		case a.crashes != "" && strings.Contains(out, a.crashes):
			f.Result, f.Denied, f.AsMeant = "ended: "+a.crashes, true, true
		case a.crashes != "" && slices.ContainsFunc(r.Layers, func(l string) bool { return strings.HasPrefix(l, "threads=off") }):
			f.Result, f.Denied, f.AsMeant = "not denied where the layer is off", true, true
		case status.ExitStatus() == 11:
			f.Result, f.Denied, f.AsMeant = "failed: "+strings.TrimSpace(out), true, !a.kills && !a.watched && a.crashes == ""
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
	}, "layers", false)
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
