//go:build !unix

package rawnet

import (
	"errors"
	"syscall"
)

func check(uintptr) error { return errors.ErrUnsupported }

func recv(uintptr, []byte) (int, syscall.Errno) { return 0, syscall.EINVAL }

func send(uintptr, []byte) (int, syscall.Errno) { return 0, syscall.EINVAL }
