package admission

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// QuarantineConfig says when a script is put in quarantine.
type QuarantineConfig struct {
	// After is how many deaths within Window it takes; less than 1 means never.
	After int
	// Window is the time over which they are counted.
	Window time.Duration
	// For is how long the script stays.
	For time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Stay is a script's stay in quarantine.
type Stay struct {
	TenantID uuid.UUID
	ScriptID uuid.UUID
	Version  int
	Since    time.Time
	Until    time.Time
	Deaths   int           // that put it there
	Window   time.Duration // within which they were counted
}

// Quarantine counts the workers that each script killed. It is safe for concurrent use.
type Quarantine struct {
	cfg QuarantineConfig
	any atomic.Bool // whether any script is in it: the usual answer without a lock

	mu      sync.Mutex
	scripts map[uuid.UUID]*suspect
}

type suspect struct {
	stay   Stay
	deaths []time.Time // within Window, oldest first
}

// NewQuarantine returns an empty one.
func NewQuarantine(cfg QuarantineConfig) *Quarantine {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Quarantine{cfg: cfg, scripts: map[uuid.UUID]*suspect{}}
}

// Check returns the script's stay if it may not run now. A version other than the quarantined one may run.
func (q *Quarantine) Check(scriptID uuid.UUID, version int) (Stay, bool) {
	if !q.any.Load() {
		return Stay{}, false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.scripts[scriptID]
	if s == nil || s.stay.Until.IsZero() || s.stay.Version != version || !q.cfg.Now().Before(s.stay.Until) {
		return Stay{}, false
	}
	return s.stay, true
}

// Death counts a worker that the script killed. Where that put the script in quarantine it returns the stay.
func (q *Quarantine) Death(tenantID, scriptID uuid.UUID, version int) (stay Stay, put bool) {
	if q.cfg.After < 1 {
		return Stay{}, false
	}
	now := q.cfg.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.forget(now)
	s := q.scripts[scriptID]
	if s == nil || s.stay.Version != version {
		s = &suspect{stay: Stay{TenantID: tenantID, ScriptID: scriptID, Version: version}}
		q.scripts[scriptID] = s
	}
	if now.Before(s.stay.Until) {
		return Stay{}, false // what was still under way when it was put there
	}
	s.deaths = append(s.deaths, now)
	if len(s.deaths) < q.cfg.After {
		return Stay{}, false
	}
	s.stay.Deaths, s.stay.Window = len(s.deaths), q.cfg.Window
	s.deaths = nil
	s.stay.Since, s.stay.Until = now, now.Add(q.cfg.For)
	q.any.Store(true)
	return s.stay, true
}

// forget drops deaths before the window and scripts that have nothing left, so that the map follows the last minutes only.
func (q *Quarantine) forget(now time.Time) {
	held := false
	for id, s := range q.scripts {
		s.deaths = slices.DeleteFunc(s.deaths, func(t time.Time) bool { return now.Sub(t) > q.cfg.Window })
		switch {
		case now.Before(s.stay.Until):
			held = true
		case len(s.deaths) == 0:
			delete(q.scripts, id)
		}
	}
	q.any.Store(held)
}

// Release lets the script run again.
func (q *Quarantine) Release(scriptID uuid.UUID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.scripts, scriptID)
	q.forget(q.cfg.Now())
}

// List returns who is in quarantine, longest first.
func (q *Quarantine) List() []Stay {
	if !q.any.Load() {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.cfg.Now()
	q.forget(now)
	var stays []Stay
	for _, s := range q.scripts {
		if now.Before(s.stay.Until) {
			stays = append(stays, s.stay)
		}
	}
	slices.SortFunc(stays, func(a, b Stay) int {
		return cmp.Or(a.Since.Compare(b.Since), slices.Compare(a.ScriptID[:], b.ScriptID[:]))
	})
	return stays
}
