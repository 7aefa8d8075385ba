package enginetest

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"example.com/jsruntime/engine/internal/wire"
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
	case "flood-log":
		f.flood(&wire.Log{Seq: m.Seq, Level: wire.LevelError, Message: "x"})
	case "flood-log-bytes":
		f.flood(&wire.Log{Seq: m.Seq, Message: strings.Repeat("x", 8<<10)})
	case "flood-cancel":
		f.flood(&wire.HostCancel{Seq: m.Seq, Call: 1})
	case "flood-credit": // of a call whose answer came in parts, which this does not take
		p := f.begin(m, "fetch", `{}`, nil, false)
		<-p.c
		f.flood(&wire.Credit{Seq: m.Seq, Stream: p.number, Bytes: 1})
	case "flood-late-credit": // of a call that was answered whole
		p := f.begin(m, "kv.get", `{}`, nil, false)
		<-p.c
		f.flood(&wire.Credit{Seq: m.Seq, Stream: p.number, Bytes: 1})
	case "flood-empty-chunk":
		f.send(&wire.Head{Seq: m.Seq, Status: 200})
		f.flood(&wire.Chunk{Seq: m.Seq})
	case "flood-upload-chunk":
		p := f.begin(m, "kv.get", `{}`, nil, true)
		<-p.c
		f.flood(&wire.Chunk{Seq: m.Seq, Stream: p.number})
	case "flood-call": // calls whose answers it does not wait for
		f.mu.Lock()
		defer f.mu.Unlock()
		for n := uint32(1); ; n++ {
			f.send(&wire.HostCall{Seq: m.Seq, Call: n, Method: "wait", Args: []byte("{}")})
		}
	case "flood-late": // for an execution that has ended
		res := ok([]byte("null"))
		res.Seq, res.WallMicros = m.Seq, 1
		f.send(res)
		f.flood(&wire.HostCancel{Seq: m.Seq, Call: 1})
	case "deaf": // asks for answers of which it reads none
		f.mu.Lock() // the reader waits for it
		for call := uint32(1); ; call++ {
			f.send(&wire.HostCall{Seq: m.Seq, Call: call, Method: "kv.get", Args: []byte("{}")})
			if call%wire.MaxOpenCalls == 0 {
				time.Sleep(100 * time.Millisecond) // they are answered
			}
		}
	}
	return nil
}

// flood sends a frame without end.
func (f *fakeWorker) flood(m wire.Message) {
	b := bytes.Repeat(m.Append(nil), 100)
	for {
		f.raw(b)
	}
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
