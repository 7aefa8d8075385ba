package compile

import (
	"cmp"
	"container/list"
	"context"
	"crypto/sha256"
	"slices"
	"sync"
)

// Config is a Compiler's.
type Config struct {
	// CacheBytes bounds the results that are kept for sources that come again (a restored version, a retried request); 0 means
	// 32 MiB.
	CacheBytes int
	// Parallel bounds the compilations under way, each of which may need hundreds of megabytes for a hostile source; 0 means 2.
	Parallel int
	// Command starts a process that calls Child, one a source. Empty means to compile in this process, which a hostile source
	// can kill.
	Command []string
}

// Compiler compiles with a cache by the source's hash.
type Compiler struct {
	command    []string
	cacheBytes int
	slots      chan struct{}

	mu    sync.Mutex
	bytes int
	order *list.List // of *entry, newest first
	byKey map[cacheKey]*list.Element
}

type cacheKey [sha256.Size]byte

type entry struct {
	key cacheKey
	out *Output
}

// New returns a Compiler.
func New(cfg Config) (*Compiler, error) {
	return &Compiler{
		command:    slices.Clone(cfg.Command),
		cacheBytes: cmp.Or(cfg.CacheBytes, 32<<20),
		slots:      make(chan struct{}, cmp.Or(cfg.Parallel, 2)),
		order:      list.New(),
		byKey:      map[cacheKey]*list.Element{},
	}, nil
}

// Compile compiles in. A refusal is a *Error; refusals are not cached.
func (c *Compiler) Compile(ctx context.Context, in Input) (*Output, error) {
	if err := check(in.Source); err != nil {
		return nil, err
	}
	key := cacheKey(sha256.Sum256([]byte(in.Handler + "\x00" + in.Source)))
	if out := c.get(key); out != nil {
		return out, nil
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	compile := Compile
	if len(c.command) > 0 {
		compile = func(ctx context.Context, in Input) (*Output, error) { return compileInChild(ctx, c.command, in) }
	}
	out, err := compile(ctx, in)
	if err != nil {
		return nil, err
	}
	c.put(key, out)
	return out, nil
}

func (c *Compiler) get(key cacheKey) *Output {
	c.mu.Lock()
	defer c.mu.Unlock()
	el := c.byKey[key]
	if el == nil {
		return nil
	}
	c.order.MoveToFront(el)
	return el.Value.(*entry).out
}

func (c *Compiler) put(key cacheKey, out *Output) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byKey[key] != nil {
		return
	}
	c.byKey[key] = c.order.PushFront(&entry{key: key, out: out})
	c.bytes += out.size()
	for c.bytes > c.cacheBytes && c.order.Len() > 0 {
		el := c.order.Back()
		old := c.order.Remove(el).(*entry)
		delete(c.byKey, old.key)
		c.bytes -= old.out.size()
	}
}

func (o *Output) size() int { return len(o.Compiled) + len(o.SourceMap) + 512 }
