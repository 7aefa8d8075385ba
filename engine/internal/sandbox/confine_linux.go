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

// confinedRules are the system calls that Go's runtime makes while a program computes. It makes its poller when it first waits.
func confinedRules() []rule {
	return append(append(allowed(archAllowed...), goRules(protFlags)...),
		allowed(unix.SYS_MINCORE, unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EVENTFD2)...)
}
