//go:build unix && (!linux || !(amd64 || arm64) || race)

package rawnet

import "syscall"

// recv receives what there is, by a usual system call: the descriptor does not block.
func recv(fd uintptr, b []byte) (int, syscall.Errno) { return result(syscall.Read(int(fd), b)) }

// send sends what the kernel takes.
func send(fd uintptr, b []byte) (int, syscall.Errno) { return result(syscall.Write(int(fd), b)) }

func result(n int, err error) (int, syscall.Errno) {
	if err == nil {
		return n, 0
	}
	errno, ok := err.(syscall.Errno) //nolint:errorlint // package syscall's own, which is never wrapped
	if !ok {
		errno = syscall.EINVAL
	}
	return 0, errno
}
