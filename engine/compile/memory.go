package compile

import (
	"container/list"
	"crypto/sha256"
	"time"
)

// refusalFor is how long a refusal is remembered: one of the limits of time and memory depends a little on the machine's moment.
const refusalFor = 10 * time.Minute

type memoryKey [sha256.Size]byte

// memory holds the newest results and refusals by their source's hash. Refusals have a sixteenth of it for themselves, so that bad
// sources push out no results. It has no lock.
type memory struct {
	results, refusals lru
}

type lru struct {
	max, bytes int
	order      *list.List // of *entry, newest first
	byKey      map[memoryKey]*list.Element
}

// entry is a result or a refusal.
type entry struct {
	key   memoryKey
	out   *Output
	err   *Error
	until time.Time // of a refusal
}

func (e *entry) size() int {
	if e.err != nil {
		n := 512
		for _, d := range e.err.Diagnostics {
			n += len(d.Message) + 64
		}
		return n
	}
	return len(e.out.Compiled) + len(e.out.SourceMap) + 512
}

func newMemory(bytes int) memory {
	of := func(n int) lru { return lru{max: n, order: list.New(), byKey: map[memoryKey]*list.Element{}} }
	return memory{results: of(bytes - bytes/16), refusals: of(bytes / 16)}
}

func (m *memory) get(key memoryKey, now time.Time) *entry {
	if e := m.results.get(key); e != nil {
		return e
	}
	if e := m.refusals.get(key); e != nil && now.Before(e.until) {
		return e
	}
	return nil
}

func (m *memory) put(key memoryKey, out *Output, err *Error, now time.Time) {
	if err != nil {
		m.refusals.put(&entry{key: key, err: err, until: now.Add(refusalFor)})
		return
	}
	m.results.put(&entry{key: key, out: out})
}

func (l *lru) get(key memoryKey) *entry {
	el := l.byKey[key]
	if el == nil {
		return nil
	}
	l.order.MoveToFront(el)
	return el.Value.(*entry)
}

func (l *lru) put(e *entry) {
	if el := l.byKey[e.key]; el != nil {
		l.drop(el)
	}
	l.byKey[e.key] = l.order.PushFront(e)
	l.bytes += e.size()
	for l.bytes > l.max && l.order.Len() > 0 {
		l.drop(l.order.Back())
	}
}

func (l *lru) drop(el *list.Element) {
	old := l.order.Remove(el).(*entry)
	delete(l.byKey, old.key)
	l.bytes -= old.size()
}
