package term

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Progress is one line on a terminal that says what goes on.
type Progress struct {
	write func(text string)
	done  atomic.Int64
	total atomic.Int64
	text  atomic.Pointer[string]
	stop  chan struct{}
	once  sync.Once
	gone  sync.WaitGroup
}

const progressBeat = 100 * time.Millisecond

// Progress begins a line; End takes it away again. Elsewhere than on a terminal nothing is written.
func (t *Terminal) Progress(text string) *Progress {
	p := &Progress{stop: make(chan struct{})}
	p.text.Store(&text)
	if !t.errTTY || t.JSON {
		return p
	}
	p.write = func(text string) { fmt.Fprint(t.Err, "\r\x1b[K"+text) }
	p.gone.Go(func() {
		beat := time.NewTicker(progressBeat)
		defer beat.Stop()
		for i := 0; ; i++ {
			select {
			case <-p.stop:
				p.write("")
				return
			case <-beat.C:
				p.write(Cyan(string([]rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")[i%10])) + " " + *p.text.Load() + p.share())
			}
		}
	})
	return p
}

func (p *Progress) share() string {
	if total := p.total.Load(); total > 0 {
		return fmt.Sprintf("  %d%%", min(100, p.done.Load()*100/total))
	}
	return ""
}

// Say changes the text.
func (p *Progress) Say(text string) { p.text.Store(&text) }

// Of tells how many bytes there are in all.
func (p *Progress) Of(total int64) { p.total.Store(total); p.done.Store(0) }

// Reader counts what is read of r.
func (p *Progress) Reader(r io.Reader) io.Reader { return &counted{r, p} }

// End takes the line away. It may be called twice.
func (p *Progress) End() {
	p.once.Do(func() { close(p.stop) })
	p.gone.Wait()
}

type counted struct {
	io.Reader
	p *Progress
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.p.done.Add(int64(n))
	return n, err
}
