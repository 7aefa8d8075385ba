//go:build unix

package rawnet

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// check refuses descriptors for which a raw call might wait.
func check(fd uintptr) error {
	if _, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TYPE); err != nil {
		return fmt.Errorf("rawnet: the descriptor is no socket: %w", err)
	}
	flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
	if err != nil {
		return fmt.Errorf("rawnet: reading a descriptor's flags: %w", err)
	}
	if flags&unix.O_NONBLOCK == 0 {
		return errors.New("rawnet: the descriptor blocks")
	}
	return nil
}
