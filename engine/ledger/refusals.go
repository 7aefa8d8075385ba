package ledger

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/sqlc"
)

const (
	// countEvery is how often counts of refusals are written.
	countEvery = time.Second
	// maxRefusalKeys bounds the counts that wait to be written: scripts × reasons × minutes. Refusals beyond it are not counted.
	maxRefusalKeys = 10_000
	// refusalTimeout bounds one statement.
	refusalTimeout = 5 * time.Second
)

// refusals counts requests that were refused before anything ran, until the counts are written. mu guards counts.
type refusals struct {
	mu     sync.Mutex
	counts map[refusalKey]int64

	writing sync.Mutex // one statement of this node at a time
}

type refusalKey struct {
	tenant, script uuid.UUID
	minute         time.Time
	code           string
}

// Refused counts a request to a script that was refused for the reason of that code: it has no execution. It returns at once.
func (l *Ledger) Refused(tenantID, scriptID uuid.UUID, code string) {
	key := refusalKey{tenantID, scriptID, time.Now().UTC().Truncate(time.Minute), code}
	r := &l.refusals
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts == nil {
		r.counts = make(map[refusalKey]int64)
	}
	if _, known := r.counts[key]; known || len(r.counts) < maxRefusalKeys {
		r.counts[key]++
	}
}

// FlushRefusals writes what Refused has counted by now.
func (l *Ledger) FlushRefusals(ctx context.Context) error {
	r := &l.refusals
	r.writing.Lock()
	defer r.writing.Unlock()
	r.mu.Lock()
	counts := r.counts
	r.counts = nil
	r.mu.Unlock()
	if len(counts) == 0 {
		return nil
	}
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b refusalKey) int {
		return cmp.Or(bytes.Compare(a.tenant[:], b.tenant[:]), a.minute.Compare(b.minute), bytes.Compare(a.script[:], b.script[:]), cmp.Compare(a.code, b.code))
	})
	var p sqlc.RefusalsAddParams
	for _, key := range keys {
		p.TenantIds = append(p.TenantIds, key.tenant)
		p.ScriptIds = append(p.ScriptIds, key.script)
		p.Minutes = append(p.Minutes, key.minute)
		p.Codes = append(p.Codes, key.code)
		p.Refused = append(p.Refused, counts[key])
	}
	ctx, cancel := context.WithTimeout(ctx, refusalTimeout)
	defer cancel()
	err := l.queries.RefusalsAdd(ctx, p)
	if err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.counts == nil {
			r.counts = make(map[refusalKey]int64)
		}
		for key, n := range counts {
			if _, known := r.counts[key]; known || len(r.counts) < maxRefusalKeys {
				r.counts[key] += n
			}
		}
	}
	return err
}

// watchRefusals writes counts until ctx is done, and once more then. A statement that fails is tried again with the next one: counts are figures for
// people, and at most those of the time without Postgres are written late.
func (l *Ledger) watchRefusals(ctx context.Context) {
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			if err := l.FlushRefusals(context.WithoutCancel(ctx)); err != nil {
				l.log.Warn("refusals not counted", "error", err)
			}
			return
		case <-tick.C:
		}
		if err := l.FlushRefusals(ctx); err != nil && ctx.Err() == nil {
			l.log.Debug("refusals not counted, trying again", "error", err)
		}
	}
}
