package enginetest

import (
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"jsruntime/engine/internal/wire"
)

// hijacked does what native code in a worker might that keeps to the protocol. It returns nil for other names.
func (f *fakeWorker) hijacked(name, parameter string, m *wire.Run, cancel <-chan string) *wire.Result {
	n, _ := strconv.Atoi(parameter)
	switch name {
	case "burn-later": // answers, and computes from then on
		go burn(time.Hour)
		return ok([]byte(strconv.Itoa(os.Getpid())))
	case "grow-later": // answers, and holds n MiB from then on
		go hold(n)
		return ok([]byte(strconv.Itoa(os.Getpid())))
	case "grow": // holds n MiB, and does not answer
		hold(n)
		return &wire.Result{Code: <-cancel}
	case "threads": // has n threads, and does not answer
		for range n {
			go func() {
				runtime.LockOSThread()
				t := syscall.Timespec{Sec: 3600}
				_ = syscall.Nanosleep(&t, nil)
			}()
		}
		go burn(time.Second) // threads that sleep alone are looked at later
		return &wire.Result{Code: <-cancel}
	case "lie-cpu": // computes for n milliseconds and says that it did not
		burn(time.Duration(n) * time.Millisecond)
		return ok([]byte("null"))
	case "lie-memory": // holds n MiB for a while and says that it did not
		b := hold(n)
		burn(time.Second)
		runtime.KeepAlive(b)
		return ok([]byte("null"))
	}
	return nil
}

func burn(d time.Duration) {
	for began := time.Now(); time.Since(began) < d; {
	}
}

var kept [][]byte

// hold keeps n MiB of memory that is written to.
func hold(n int) []byte {
	b := make([]byte, n<<20)
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
	kept = append(kept, b)
	return b
}
