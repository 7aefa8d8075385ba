package sandbox

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"github.com/landlock-lsm/go-landlock/landlock"
	landlocksys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// LockConfig says what the worker still needs.
type LockConfig struct {
	// NoJIT: V8 generates no code, so executable memory is denied too.
	NoJIT bool
	// Socket is the descriptor that recvfrom is allowed on.
	Socket int
}

// Lock gives up everything else, for good. It returns the layers in force. The calling goroutine is locked to its thread.
func Lock(cfg LockConfig) ([]string, error) {
	var layers []string
	add := func(name string, err error) {
		if err == nil {
			layers = append(layers, name+"=on")
		} else {
			layers = append(layers, name+"=off: "+strings.ReplaceAll(err.Error(), "\n", " "))
		}
	}
	root := os.Geteuid() == 0
	userNamespace := root && inUserNamespace()
	mounted := emptyRoot()
	if mounted != nil && root && !userNamespace {
		mounted = chrootEmpty()
	}
	add("empty_root", mounted)
	switch {
	case root && !userNamespace:
		uid, err := ownUser()
		if err != nil {
			return nil, fmt.Errorf("own user: %w", err)
		}
		layers = append(layers, fmt.Sprintf("own_user=on: %d", uid), "threads=on")
	case root && !ownProc():
		add("capabilities", errForeignProc)
	case root:
		add("capabilities", dropCapabilities())
	default:
		layers = append(layers, "capabilities=on: none")
	}
	// A change of user clears both.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return nil, fmt.Errorf("death signal: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("undumpable: %w", err)
	}
	if abi, err := landlocksys.LandlockGetABIVersion(); err != nil || abi < 1 {
		add("landlock", fmt.Errorf("the kernel has none"))
	} else if !ownProc() {
		add("landlock", errForeignProc)
	} else if err := landlock.V10.BestEffort().Restrict(); err != nil {
		add("landlock", err)
	} else {
		layers = append(layers, fmt.Sprintf("landlock=on: abi %d", abi))
	}
	startPoller()
	if err := loadFilter(cfg); err != nil {
		return nil, fmt.Errorf("seccomp: %w", err)
	}
	return append(layers, "no_new_privs=on", "seccomp=on"), nil
}

// startPoller makes Go's runtime open the descriptors of its poller, which it does at the first timer. The filter lets none be made later.
func startPoller() { time.AfterFunc(time.Hour, func() {}).Stop() }

var errForeignProc = errors.New("/proc is not of the own process namespace")

// ownProc reports whether /proc knows this process by its own number. The library that makes system calls on all threads looks for
// them in /proc, and waits for ever for threads of another process.
func ownProc() bool {
	self, err := os.Readlink("/proc/self")
	return err == nil && self == strconv.Itoa(os.Getpid())
}

// inUserNamespace reports whether root here is not root of the machine.
func inUserNamespace() bool {
	b, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false
	}
	var inside, outside, n uint64
	if _, err := fmt.Sscan(string(b), &inside, &outside, &n); err != nil {
		return false
	}
	return inside != 0 || outside != 0 || n < 1<<32-1
}

// emptyRoot makes a new, read-only file system the root and lets go of the old one. Only /proc is in it, of the own process
// namespace, which landlock's library reads; landlock closes it right afterwards.
func emptyRoot() error {
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	if same, err := sharedMounts(); err != nil {
		return fmt.Errorf("mount namespace: %w", err)
	} else if same {
		return errors.New("no mount namespace of its own")
	}
	dir := ""
	for _, d := range []string{"/tmp", "/mnt", "/var", "/run", "/dev"} {
		if info, err := os.Stat(d); err == nil && info.IsDir() {
			dir = d
			break
		}
	}
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := unix.Mount("none", dir, "tmpfs", flags, "size=4k,nr_inodes=4,mode=0555"); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	proc := dir + "/proc"
	if err := os.Mkdir(proc, 0o555); err != nil {
		return fmt.Errorf("proc: %w", err)
	}
	if err := unix.Mount("proc", proc, "proc", flags, ""); err != nil {
		// A container may hide parts of its /proc, and the kernel then allows no new one.
		if err := unix.Mount("/proc", proc, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("proc: %w", err)
		}
	}
	if err := unix.Mount("none", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY|flags, "size=4k,nr_inodes=4,mode=0555"); err != nil {
		return fmt.Errorf("read-only: %w", err)
	}
	if err := unix.Chdir(dir); err != nil {
		return fmt.Errorf("chdir: %w", err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("old root: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("chdir: %w", err)
	}
	return nil
}

// sharedMounts reports whether the worker is in the mount namespace of process 1, which it must not change.
func sharedMounts() (bool, error) {
	if os.Getpid() == 1 {
		return false, nil // its own process namespace came together with one for mounts
	}
	own, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		return true, err
	}
	parent, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", os.Getppid()))
	if errors.Is(err, fs.ErrPermission) && inUserNamespace() {
		return false, nil // the node hides from a user namespace of the worker's own, which came together with one for mounts
	}
	if err != nil {
		return true, err
	}
	return own == parent, nil
}

// chrootEmpty is what root has without a mount namespace.
func chrootEmpty() error {
	for _, d := range []string{"/var/empty", "/run/sshd", "/proc/self/fdinfo"} {
		if err := unix.Chroot(d); err == nil {
			return unix.Chdir("/")
		}
	}
	return fmt.Errorf("no empty directory to chroot to")
}

// ownUser changes to a user and group of this worker alone, without groups and, since it is not root, without capabilities. The
// number is picked at random from a range that no account uses, so that two workers can't meet as the same user.
func ownUser() (int, error) {
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 0, err
	}
	const first, count = 1_900_000_000, 1 << 24
	id := first + int(binary.LittleEndian.Uint32(b[:])%count)
	if err := limitThreads(); err != nil {
		return 0, err
	}
	// The functions of package syscall reach all threads.
	if err := syscall.Setgroups(nil); err != nil {
		return 0, fmt.Errorf("setgroups: %w", err)
	}
	if err := syscall.Setresgid(id, id, id); err != nil {
		return 0, fmt.Errorf("setresgid: %w", err)
	}
	if err := syscall.Setresuid(id, id, id); err != nil {
		return 0, fmt.Errorf("setresuid: %w", err)
	}
	return id, nil
}

// dropCapabilities empties the capability sets of all threads: the worker is root of a user namespace in which there is nothing.
func dropCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	_, _, errno := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data[0])), 0)
	runtime.KeepAlive(&header)
	runtime.KeepAlive(&data)
	if errno != 0 {
		return fmt.Errorf("capset: %w", errno)
	}
	return nil
}
