package sandbox

import (
	"fmt"
	"os"

	"github.com/landlock-lsm/go-landlock/landlock"
	landlocksys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// Confine is for a process of the node's own program that computes with a stranger's input and holds no V8: it gives up its user,
// files, network and new programs, for good. What it may still do: allocate memory, start threads, read and write the descriptors
// that it has, and end. The caller has opened and read what it needs. Where the kernel has no landlock, seccomp alone refuses
// files; without seccomp it fails.
func Confine() error {
	if os.Geteuid() == 0 && !inUserNamespace() {
		if _, err := ownUser(); err != nil {
			return fmt.Errorf("own user: %w", err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("undumpable: %w", err)
	}
	if abi, err := landlocksys.LandlockGetABIVersion(); err == nil && abi >= 1 && ownProc() {
		if err := landlock.V10.BestEffort().Restrict(); err != nil {
			return fmt.Errorf("landlock: %w", err)
		}
	}
	if err := load(program(confinedRules(), append(confinedRefused, refusedCalls...), absentCalls)); err != nil {
		return fmt.Errorf("seccomp: %w", err)
	}
	return nil
}

// confinedRefused fail with EPERM beside refusedCalls: a library asks whether stderr is a terminal, and where it is.
var confinedRefused = []uint32{unix.SYS_IOCTL, unix.SYS_GETCWD}

// confinedRules are the system calls that Go's runtime makes while a program computes.
func confinedRules() []rule {
	var rs []rule
	for _, n := range append([]uint32{
		// Memory.
		unix.SYS_MUNMAP, unix.SYS_MINCORE, unix.SYS_BRK,
		// The pipes and the limits of the cgroup; the poller and timers.
		unix.SYS_READ, unix.SYS_WRITE, unix.SYS_PREAD64, unix.SYS_CLOSE, unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EVENTFD2,
		unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME, unix.SYS_RESTART_SYSCALL,
		// Threads.
		unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_GETTID, unix.SYS_GETPID,
		unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
		// Signals: Go's preemption.
		unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK,
		unix.SYS_GETRANDOM,
	}, archAllowed...) {
		rs = append(rs, rule{number: n})
	}
	return append(rs,
		rule{number: unix.SYS_MMAP, conditions: []condition{argWithin(2, protFlags, 0), argWithin(3, mapFlags, mapRequired)}},
		rule{number: unix.SYS_MPROTECT, conditions: []condition{argWithin(2, protFlags, 0)}},
		rule{number: unix.SYS_MADVISE, conditions: []condition{argIs(2, advices...)}, otherwise: retRefuse},
		rule{number: unix.SYS_FUTEX, conditions: []condition{argIs(1, futexes...)}},
		rule{number: unix.SYS_CLONE, conditions: []condition{argIs(0, threads...)}},
		rule{number: unix.SYS_TGKILL, conditions: []condition{argIs(0, uint64(os.Getpid()))}},
		rule{number: unix.SYS_FCNTL, conditions: []condition{argIs(1, unix.F_GETFL)}},
		rule{number: unix.SYS_PRCTL, conditions: []condition{argIs(0, unix.PR_SET_VMA), argIs(1, unix.PR_SET_VMA_ANON_NAME)}}, // Go names its heap's mappings
	)
}
