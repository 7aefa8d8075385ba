package sandbox

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// The filter is put together here and not by a library: in github.com/elastic/go-seccomp-bpf v1.6.0 a failed condition falls through
// to the comparisons that follow with the argument, not the system call's number, in the accumulator, so that an argument can pick
// which rule matches. Here a number that matched is decided within its own block.

// condition is about the low and high half of one argument.
type condition struct {
	arg uint32
	// equal: the argument is value. Otherwise all bits of set and none of clear are in it.
	equal      bool
	value      uint64
	set, clear uint32
}

func argIs(arg uint32, value uint64) condition { return condition{arg: arg, equal: true, value: value} }

func argBits(arg, set, clear uint32) condition { return condition{arg: arg, set: set, clear: clear} }

// rule allows a system call whose arguments meet all conditions.
type rule struct {
	number     uint32
	conditions []condition
}

const (
	offsetNumber = 0
	offsetArch   = 4
	offsetArgs   = 16
	x32Bit       = 0x40000000

	retAllow  = unix.SECCOMP_RET_ALLOW
	retKill   = unix.SECCOMP_RET_KILL_PROCESS
	retRefuse = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	retAbsent = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
)

// program makes the filter. What it does not name kills.
func program(rules []rule, refused, absent []uint32) []bpf.Instruction {
	p := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: auditArch, SkipTrue: 1},
		bpf.RetConstant{Val: retKill},
		bpf.LoadAbsolute{Off: offsetNumber, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: x32Bit, SkipFalse: 1},
		bpf.RetConstant{Val: retKill},
	}
	one := func(number, ret uint32) {
		p = append(p, bpf.JumpIf{Cond: bpf.JumpEqual, Val: number, SkipFalse: 1}, bpf.RetConstant{Val: ret})
	}
	for _, r := range rules {
		if len(r.conditions) == 0 {
			one(r.number, retAllow)
			continue
		}
		var block []bpf.Instruction
		// A test that fails returns at once: a killing return stands behind each jump.
		must := func(cond bpf.JumpTest, value uint32) {
			block = append(block, bpf.JumpIf{Cond: cond, Val: value, SkipTrue: 1}, bpf.RetConstant{Val: retKill})
		}
		for _, c := range r.conditions {
			low, high := offsetArgs+8*c.arg, offsetArgs+8*c.arg+4 // little-endian, as all architectures here are
			if c.equal {
				block = append(block, bpf.LoadAbsolute{Off: high, Size: 4})
				must(bpf.JumpEqual, uint32(c.value>>32))
				block = append(block, bpf.LoadAbsolute{Off: low, Size: 4})
				must(bpf.JumpEqual, uint32(c.value))
				continue
			}
			block = append(block, bpf.LoadAbsolute{Off: low, Size: 4})
			for bit := uint32(1); bit != 0; bit <<= 1 {
				if c.set&bit != 0 {
					must(bpf.JumpBitsSet, bit)
				}
			}
			if c.clear != 0 {
				must(bpf.JumpBitsNotSet, c.clear)
			}
		}
		block = append(block, bpf.RetConstant{Val: retAllow})
		p = append(p, bpf.JumpIf{Cond: bpf.JumpEqual, Val: r.number, SkipFalse: uint8(len(block))})
		p = append(p, block...)
	}
	for _, n := range refused {
		one(n, retRefuse)
	}
	for _, n := range absent {
		one(n, retAbsent)
	}
	return append(p, bpf.RetConstant{Val: retKill})
}

// rules are the system calls of a running worker.
func rules(cfg LockConfig) []rule {
	var rs []rule
	for _, n := range append([]uint32{
		// Memory.
		unix.SYS_MUNMAP, unix.SYS_MREMAP, unix.SYS_MADVISE, unix.SYS_BRK,
		// The socket, stderr and /proc/self/statm; Go's poller and timers.
		unix.SYS_READ, unix.SYS_WRITE, unix.SYS_PREAD64, unix.SYS_CLOSE, unix.SYS_PPOLL, unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL,
		unix.SYS_EPOLL_PWAIT, unix.SYS_EVENTFD2, unix.SYS_TIMERFD_SETTIME, unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME,
		unix.SYS_RESTART_SYSCALL,
		// Threads.
		unix.SYS_FUTEX, unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_SCHED_GETPARAM, unix.SYS_SCHED_GETSCHEDULER,
		unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_GETTID, unix.SYS_GETPID, unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
		// Signals: Go's preemption.
		unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK,
		unix.SYS_GETRANDOM,
	}, archAllowed...) {
		rs = append(rs, rule{number: n})
	}
	const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS |
		unix.CLONE_NEWCGROUP
	rs = append(rs,
		rule{unix.SYS_CLONE, []condition{argBits(0, unix.CLONE_THREAD|unix.CLONE_VM|unix.CLONE_SIGHAND, namespaces|unix.CLONE_PTRACE|unix.CLONE_UNTRACED)}},
		rule{unix.SYS_TGKILL, []condition{argIs(0, uint64(os.Getpid()))}},
		rule{unix.SYS_FCNTL, []condition{argIs(1, unix.F_GETFL)}},
		rule{unix.SYS_PRCTL, []condition{argIs(0, unix.PR_SET_VMA)}}, // Go names its heap's mappings
		rule{unix.SYS_PRLIMIT64, []condition{argIs(0, 0), argIs(1, unix.RLIMIT_DATA)}},
		rule{unix.SYS_RECVFROM, []condition{argIs(0, uint64(cfg.Socket))}},
	)
	if cfg.NoJIT {
		return append(rs,
			rule{unix.SYS_MMAP, []condition{argBits(2, 0, unix.PROT_EXEC)}},
			rule{unix.SYS_MPROTECT, []condition{argBits(2, 0, unix.PROT_EXEC)}})
	}
	// V8 keeps generated code writable for its own thread only, by memory protection keys where the processor has them.
	return append(rs, rule{number: unix.SYS_MMAP}, rule{number: unix.SYS_MPROTECT}, rule{number: unix.SYS_PKEY_MPROTECT})
}

// refusedCalls fail with EPERM: V8 and ICU try them and live without.
var refusedCalls = append([]uint32{unix.SYS_OPENAT, unix.SYS_READLINKAT, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_STATFS}, archRefused...)

// absentCalls fail with ENOSYS: glibc then uses clone, whose flags the filter can see.
var absentCalls = []uint32{unix.SYS_CLONE3}

// loadFilter puts the worker's filter in force for all threads.
func loadFilter(cfg LockConfig) error { return load(program(rules(cfg), refusedCalls, absentCalls)) }

// load puts a filter in force for all threads.
func load(instructions []bpf.Instruction) error {
	raw, err := bpf.Assemble(instructions)
	if err != nil {
		return fmt.Errorf("assemble: %w", err)
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		filter[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	// TSYNC returns the id of a thread that could not be brought under the filter.
	r, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return errno
	}
	if r != 0 {
		return fmt.Errorf("thread %d is in the way", r)
	}
	return nil
}
