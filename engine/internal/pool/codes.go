package pool

import "container/list"

// minCached is from what length of a source on V8's code of it is kept: below, to compile costs no more than to read the code.
const minCached = 16 << 10

// maxCached bounds one script's code, which is about as long as its source.
const maxCached = 8 << 20

// codes is an LRU cache of V8's code of scripts' versions, bounded in bytes with the sources. Workers make the code, so any of it may be
// hostile: code is given only to workers that load the same program, so a tenant can hurt only itself with it.
type codes struct {
	all   int64      // bytes
	room  int64      // of them that are free
	order *list.List // of *code, used last in front
	of    map[*Program]*list.Element
}

type code struct {
	program *Program
	kind    string // of the workers that it is for
	data    []byte
}

func newCodes(room int64) codes {
	return codes{all: room, room: room, order: list.New(), of: map[*Program]*list.Element{}}
}

func (c *code) size() int64 { return int64(len(c.data) + len(c.program.Source)) }

// get returns the code of a program for workers of a kind, nil if there is none.
func (c *codes) get(p *Program, kind string) []byte {
	e := c.of[p]
	if e == nil || e.Value.(*code).kind != kind {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*code).data
}

// put keeps a copy of data, for which others go.
func (c *codes) put(p *Program, kind string, data []byte) {
	c.drop(p)
	n := int64(len(data) + len(p.Source))
	if len(data) == 0 || len(data) > maxCached || n > c.all {
		return
	}
	for c.room < n {
		c.drop(c.order.Back().Value.(*code).program)
	}
	c.room -= n
	c.of[p] = c.order.PushFront(&code{p, kind, append([]byte(nil), data...)})
}

func (c *codes) drop(p *Program) {
	if e := c.of[p]; e != nil {
		c.room += e.Value.(*code).size()
		c.order.Remove(e)
		delete(c.of, p)
	}
}
