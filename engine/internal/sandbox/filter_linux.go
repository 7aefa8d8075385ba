package sandbox

import (
	"cmp"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// The filter is put together here and not by a library: in github.com/elastic/go-seccomp-bpf v1.6.0 a failed condition falls through
// to the comparisons that follow with the argument, not the system call's number, in the accumulator, so that an argument can pick
// which rule matches. Here a number that matched is decided within its own block.

// condition is about one argument, of which the filter sees a low and a high half.
type condition struct {
	arg uint32
	// values: the argument is one of these. They have the same high half. Empty: within and set say what it may be.
	values []uint64
	// within are the bits that the argument may have, set the bits that it must have. Its high half is zero.
	within, set uint32
}

func argIs(arg uint32, values ...uint64) condition { return condition{arg: arg, values: values} }

func argWithin(arg, within, set uint32) condition {
	return condition{arg: arg, within: within, set: set}
}

// rule allows a system call whose arguments meet all conditions.
type rule struct {
	number     uint32
	conditions []condition
	// otherwise is what becomes of one whose arguments do not; 0 means retKill.
	otherwise uint32
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
		otherwise := cmp.Or(r.otherwise, retKill)
		// A test that fails returns at once: a return stands behind each jump.
		must := func(cond bpf.JumpTest, value uint32) {
			block = append(block, bpf.JumpIf{Cond: cond, Val: value, SkipTrue: 1}, bpf.RetConstant{Val: otherwise})
		}
		for _, c := range r.conditions {
			low, high := offsetArgs+8*c.arg, offsetArgs+8*c.arg+4 // little-endian, as all architectures here are
			var upper uint32
			if len(c.values) > 0 {
				upper = uint32(c.values[0] >> 32)
			}
			block = append(block, bpf.LoadAbsolute{Off: high, Size: 4})
			must(bpf.JumpEqual, upper)
			block = append(block, bpf.LoadAbsolute{Off: low, Size: 4})
			if n := len(c.values); n > 0 {
				for i, v := range c.values {
					// From the i-th value: over the other n-1-i comparisons and the return.
					block = append(block, bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(v), SkipTrue: uint8(n - i)})
				}
				block = append(block, bpf.RetConstant{Val: otherwise})
				continue
			}
			for bit := uint32(1); bit != 0; bit <<= 1 {
				if c.set&bit != 0 {
					must(bpf.JumpBitsSet, bit)
				}
			}
			must(bpf.JumpBitsNotSet, ^c.within)
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

// What the filter lets through of the calls whose arguments matter. Traced over the hostile corpus with V8 13.6 and Go 1.26; the rest is
// what glibc, libc++ and Go's runtime may use where a trace does not show it.
const (
	// mapFlags leaves out what RLIMIT_DATA does not count (MAP_SHARED, MAP_GROWSDOWN, MAP_DROPPABLE) and what takes memory that others
	// need (MAP_HUGETLB, MAP_LOCKED, MAP_POPULATE). Nothing maps a file.
	mapFlags    = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_FIXED | unix.MAP_NORESERVE | unix.MAP_STACK
	mapRequired = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS
	protFlags   = unix.PROT_READ | unix.PROT_WRITE

	// glibcThread is how glibc makes a thread, goThread how Go's runtime does.
	goThread    = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_SYSVSEM | unix.CLONE_THREAD
	glibcThread = goThread | unix.CLONE_SETTLS | unix.CLONE_PARENT_SETTID | unix.CLONE_CHILD_CLEARTID

	futexWait       = 0
	futexWake       = 1
	futexWaitBitset = 9
	futexWakeBitset = 10
	futexPrivate    = 128
	futexRealtime   = 256
)

// threads are the flags of clone. Go without C sets the thread's storage where the architecture wants that.
var threads = []uint64{glibcThread, goThread, goThread | unix.CLONE_SETTLS}

// futexes are the operations of locks and conditions. Not there: priority inheritance, requeueing, WAKE_OP and FD, in which the kernel's
// past bugs were.
var futexes = []uint64{
	futexWait | futexPrivate, futexWake | futexPrivate, futexWait, futexWake,
	futexWaitBitset | futexPrivate, futexWaitBitset | futexPrivate | futexRealtime, futexWakeBitset | futexPrivate,
	futexWaitBitset, futexWaitBitset | futexRealtime, futexWakeBitset,
}

// advices give memory back or are about huge pages. The others fail with EPERM, since libraries try new ones (glibc 2.42:
// MADV_GUARD_INSTALL) and live without.
var advices = []uint64{
	unix.MADV_DONTNEED, unix.MADV_FREE, unix.MADV_HUGEPAGE, unix.MADV_NOHUGEPAGE, unix.MADV_COLLAPSE, unix.MADV_DONTFORK, unix.MADV_DONTDUMP,
}

// goRules are the system calls that any process of ours may make that computes, with memory of that protection: Go's runtime makes them.
func goRules(prot uint32) []rule {
	return append(allowed(
		// Memory.
		unix.SYS_MUNMAP, unix.SYS_BRK,
		// Descriptors that are there; Go's poller and timers.
		unix.SYS_READ, unix.SYS_WRITE, unix.SYS_PREAD64, unix.SYS_CLOSE, unix.SYS_EPOLL_PWAIT,
		unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME, unix.SYS_RESTART_SYSCALL,
		// Threads.
		unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_GETTID, unix.SYS_GETPID,
		unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
		// Signals: Go's preemption.
		unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK,
		unix.SYS_GETRANDOM,
	),
		rule{number: unix.SYS_MMAP, conditions: []condition{argWithin(2, prot, 0), argWithin(3, mapFlags, mapRequired)}},
		rule{number: unix.SYS_MPROTECT, conditions: []condition{argWithin(2, prot, 0)}},
		rule{number: unix.SYS_MADVISE, conditions: []condition{argIs(2, advices...)}, otherwise: retRefuse},
		rule{number: unix.SYS_FUTEX, conditions: []condition{argIs(1, futexes...)}},
		rule{number: unix.SYS_CLONE, conditions: []condition{argIs(0, threads...)}},
		rule{number: unix.SYS_TGKILL, conditions: []condition{argIs(0, uint64(os.Getpid()))}},
		rule{number: unix.SYS_FCNTL, conditions: []condition{argIs(1, unix.F_GETFL)}},
		rule{number: unix.SYS_PRCTL, conditions: []condition{argIs(0, unix.PR_SET_VMA), argIs(1, unix.PR_SET_VMA_ANON_NAME)}}, // Go names its heap's mappings
	)
}

func allowed(numbers ...uint32) []rule {
	var rs []rule
	for _, n := range numbers {
		rs = append(rs, rule{number: n})
	}
	return rs
}

// rules are the system calls of a running worker. What makes descriptors is not among them: Go and the worker have theirs before Lock.
func rules(cfg LockConfig) []rule {
	prot := uint32(protFlags)
	rs := allowed(archAllowed...)
	if !cfg.NoJIT {
		prot |= unix.PROT_EXEC
		// V8 keeps generated code writable for its own thread only, by memory protection keys where the processor has them.
		rs = append(rs, rule{number: unix.SYS_PKEY_MPROTECT, conditions: []condition{argWithin(2, prot, 0)}})
	}
	rs = append(rs, goRules(prot)...)
	rs = append(rs, allowed(unix.SYS_PPOLL, unix.SYS_TIMERFD_SETTIME, unix.SYS_SCHED_GETPARAM, unix.SYS_SCHED_GETSCHEDULER)...)
	return append(rs,
		rule{number: unix.SYS_PRLIMIT64, conditions: []condition{argIs(0, 0), argIs(1, unix.RLIMIT_DATA)}},
		rule{number: unix.SYS_RECVFROM, conditions: []condition{argIs(0, uint64(cfg.Socket))}},
	)
}

// refusedCalls fail with EPERM: V8 and ICU try to open files and live without; realloc of glibc copies where it may not mremap, by which
// a page of the stack, which RLIMIT_DATA does not count, could grow.
var refusedCalls = append([]uint32{unix.SYS_MREMAP, unix.SYS_OPENAT, unix.SYS_READLINKAT, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_STATFS}, archRefused...)

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
