// Package sandbox is the operating system's wall around a worker: what is left when V8 itself is broken.
//
//	node    Attr     session, death signal, namespaces for users, network, processes, IPC, mounts
//	worker  Before   rlimits, undumpable, nothing open but fd 0 to 3
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
// The filter is a list of what Go, glibc and V8 need once they run; everything else kills the process with SIGSYS. clone is allowed
// for threads only; clone3, whose flags a filter cannot see, does not exist (ENOSYS), so that glibc falls back to clone. Opening
// files fails with EPERM instead of killing, because V8 and ICU probe for files and live without them.
package sandbox
