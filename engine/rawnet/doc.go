// Package rawnet reads and writes the node's own sockets with system calls that Go's scheduler is not told of.
//
//	caller ── Read, Write ──► recv, send with MSG_DONTWAIT ──► the socket
//	                               │ EAGAIN
//	                               └──► the runtime's poller (RawConn), which parks the goroutine and tries again
//
// Before a usual system call Go tells its scheduler that the thread may be gone for long, and after it that the thread is back. That
// wakes the runtime's monitor thread, some six times for a request at a low rate. A call that never waits does not need it: on 29 November
// 2026 a saturated node took 36.5 instead of 44.6 µs of CPU a request.
//
// # Rules
//
//   - A raw call never waits. Each one carries MSG_DONTWAIT. New refuses descriptors that are no sockets, to which the flag does not apply,
//     and those without O_NONBLOCK, which the runtime's poller does not know.
//   - A raw call holds its processor (a P) until it returns: the garbage collector waits for it as it waits for a tight loop. One call moves
//     at most callBytes.
//   - Where the kernel has nothing to read, or takes nothing more, the runtime's poller waits. So deadlines, Close from another goroutine
//     and reused descriptors are the runtime's, through syscall.RawConn: the descriptor is not closed while a call uses it.
//   - Write goes on after a short write until all is written or an error comes. TryRead and TryWrite return ErrWouldBlock instead of waiting.
//   - One goroutine reads at a time and one writes; others wait for their turn, as with net.Conn.
//   - TLS, files and pipes do not come here.
//
// On systems other than Linux on amd64 and arm64, and under the race detector, which knows the connection between a write and the read
// of its bytes from package syscall alone, the same code makes the usual system calls. On systems without either, New returns
// errors.ErrUnsupported and Wrap returns its argument.
package rawnet
