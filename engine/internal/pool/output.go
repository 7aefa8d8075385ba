package pool

import (
	"bytes"
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	outputTail = 16 << 10         // what is kept for Death
	lineMax    = 1 << 10          // of one line in the log
	lineBurst  = 50               // lines of one worker …
	lineWindow = 10 * time.Second // … in this time; what goes beyond is counted
)

// output keeps the end of what a worker prints and logs its lines, both bounded.
type output struct {
	mu   sync.Mutex
	tail []byte
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(bytes.ToValidUTF8(o.tail, []byte("?")))
}

func (o *output) keep(b []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tail = append(o.tail, b...)
	if n := len(o.tail) - outputTail; n > 0 {
		o.tail = append(o.tail[:0], o.tail[n:]...)
	}
}

// follow reads r to its end.
func (o *output) follow(r io.Reader, log *slog.Logger) {
	var (
		buf         = make([]byte, 4<<10)
		line        []byte
		cut         bool
		lines, lost int
		since       = time.Now()
	)
	emit := func() {
		if len(line) == 0 {
			return
		}
		if now := time.Now(); now.Sub(since) > lineWindow {
			if lost > 0 {
				log.Warn("worker output dropped", "lines", lost)
			}
			since, lines, lost = now, 0, 0
		}
		if lines++; lines > lineBurst {
			lost++
		} else {
			log.Info("worker output", "line", string(bytes.ToValidUTF8(line, []byte("?"))), "cut", cut)
		}
		line, cut = line[:0], false
	}
	for {
		n, err := r.Read(buf)
		o.keep(buf[:n])
		for _, c := range buf[:n] {
			switch {
			case c == '\n':
				emit()
			case len(line) < lineMax:
				line = append(line, c)
			default:
				cut = true
			}
		}
		if err != nil {
			emit()
			return
		}
	}
}
