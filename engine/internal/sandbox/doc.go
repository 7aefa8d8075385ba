// Package sandbox is the operating system's wall around a worker: what is left when V8 itself is broken.
//
//	node    Attr     session, death signal, namespaces for users, network, processes, IPC, mounts
//	node    Cgroups  memory, threads and weight of each worker, where the node may make cgroups of version 2
//	worker  Before   rlimits, threads, undumpable, nothing open but fd 0 to 3
//	worker  Lock     empty root, own user or no capabilities, no_new_privs, landlock, seccomp; for good
//
// Each layer is reported as "name=on", or "name=off: why". A layer that the kernel lacks is left out and reported; the node decides
// whether that is enough. What is always there on Linux: rlimits, undumpable, no_new_privs and seccomp; without one of them the
// worker does not start.
//
// # Order
//
// V8 starts between Before and Lock, since it looks at files of /proc and /sys. Mounting comes before landlock, which forbids it.
// Landlock comes before seccomp, since the library needs system calls that the filter refuses. The worker says Hello after all of
// it, and the node hands out no lease before Hello.
//
// # System calls
//
// The filter is a list of what Go, glibc and V8 need once they run; everything else kills the process with SIGSYS. Arguments are listed
// too where they matter, by what is allowed and not by what is known to be bad:
//
//	mmap, mprotect   private anonymous memory only: RLIMIT_DATA counts neither shared mappings nor mappings that grow
//	mremap, open …   EPERM: V8, ICU and glibc try them and live without
//	clone            the two exact sets of flags by which glibc and Go make a thread; clone3, whose flags a filter cannot see, does
//	                 not exist (ENOSYS), so that glibc falls back to clone
//	futex            waiting and waking; no priority inheritance, no requeueing
//	madvise          giving memory back, and huge pages; the rest EPERM
//	prctl            the names of Go's mappings
//	prlimit64        the own RLIMIT_DATA, below the hard limit
//	recvfrom         the socket
//	tgkill           the own process
//
// No call that makes a descriptor is allowed: Go's poller, the watchdog's timer and the socket are there before Lock.
//
// # What no filter sees
//
// Memory that was written and then made read-only, and page tables of mappings that are touched here and there, pass RLIMIT_DATA. V8 needs
// the calls that make them. RLIMIT_AS cannot bound them either: V8's cage reserves 1.3 TiB. So the node looks at each worker (Usage,
// and package pool's watch), and a cgroup bounds it where the node may make one.
package sandbox
