// Package kv owns the rules of a tenant's keys and values: what a key, a value, its metadata and its time to live may be, and how much a
// tenant may store. Scripts (engine/host) and the API (httpapi) write by the same rules; the rows are script_kv.
package kv

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"example.com/jsruntime/engine/text"
	"example.com/jsruntime/sqlc"
)

// Bounds of a key and of what belongs to it.
const (
	MaxKeyBytes      = 512 // of UTF-8: script_kv.key
	MaxMetadataBytes = 1 << 10
	// MaxTTL is ten years in seconds: now() plus it is a timestamp.
	MaxTTL = 10 * 365 * 24 * 3600
	// MaxPage and DefaultPage are how many keys one page of a list has.
	MaxPage     = 1000
	DefaultPage = 100
	// DefaultMaxValueBytes and DefaultMaxBytes are the bounds of a value and of a tenant where a Config names none.
	DefaultMaxValueBytes = 64 << 10
	DefaultMaxBytes      = 256 << 20
)

// usageAge is how old a tenant's usage may be when a write is judged by it.
const usageAge = 10 * time.Second

// Kind says which bound a write breaks.
type Kind int

// Kinds of faults.
const (
	IllFormed Kind = iota // a key, a value, metadata or a time that cannot be
	TooLarge              // a value beyond the limit of one value
	OverQuota             // the tenant's kv is full
)

// Fault is a write or a reading that is refused. Its text begins with the field, "key", "value", "metadata", "prefix" or "ttl".
type Fault struct {
	Kind   Kind
	Field  string
	Detail string
}

func (f *Fault) Error() string {
	switch f.Kind {
	case TooLarge:
		return "the " + f.Field + " " + f.Detail
	case OverQuota:
		return f.Detail
	}
	return f.Field + " " + f.Detail
}

// CheckKey refuses what cannot be a key. field names it in the fault.
func CheckKey(field, key string) error {
	detail := ""
	switch {
	case key == "":
		detail = "must be a string that is not empty"
	case len(key) > MaxKeyBytes:
		detail = fmt.Sprintf("must be at most %d bytes of UTF-8", MaxKeyBytes)
	case !utf8.ValidString(key) || strings.ContainsAny(key, "\x00\U0010FFFF"):
		detail = "must hold neither NUL nor U+10FFFF"
	default:
		return nil
	}
	return &Fault{Field: field, Detail: detail}
}

// CheckTTL returns seconds to live, nil for a key that stays: 0 is that.
func CheckTTL(field string, seconds float64) (*float64, error) {
	switch {
	case seconds == 0:
		return nil, nil
	case !(seconds > 0 && seconds <= MaxTTL):
		return nil, &Fault{Field: field, Detail: fmt.Sprintf("must be a number of seconds, more than 0 and at most %d", MaxTTL)}
	}
	return &seconds, nil
}

// Config says how much may be stored.
type Config struct {
	// MaxValueBytes bounds a value's JSON text. 0: DefaultMaxValueBytes.
	MaxValueBytes int
	// MaxBytes bounds the keys and values of a tenant whose plan names no max_kv_bytes. 0: DefaultMaxBytes. A tenant that writes through
	// several nodes at once can exceed it by what they write within usageAge.
	MaxBytes int64
}

// Quota judges writes. Its methods may be called from any goroutine.
type Quota struct {
	cfg Config

	mu      sync.Mutex // guards tenants
	tenants map[uuid.UUID]*usage
}

// usage is an estimate between two readings, usageAge apart: it spares a write the sum over its tenant's rows.
type usage struct {
	bytes, limit int64
	readAt       time.Time
}

// NewQuota makes a Quota.
func NewQuota(cfg Config) *Quota {
	cfg.MaxValueBytes = cmp.Or(cfg.MaxValueBytes, DefaultMaxValueBytes)
	cfg.MaxBytes = cmp.Or(cfg.MaxBytes, DefaultMaxBytes)
	return &Quota{cfg: cfg, tenants: map[uuid.UUID]*usage{}}
}

// CheckValue refuses a value that is too large or that Postgres or a script could not read back. value is JSON text, metadata JSON text or nil.
func (q *Quota) CheckValue(value, metadata []byte) error {
	switch {
	case len(value) == 0:
		return &Fault{Field: "value", Detail: "is missing"}
	case len(value) > q.cfg.MaxValueBytes:
		return &Fault{Kind: TooLarge, Field: "value", Detail: fmt.Sprintf("is %d bytes of JSON, the limit of a kv value is %d bytes", len(value), q.cfg.MaxValueBytes)}
	case len(metadata) > MaxMetadataBytes:
		return &Fault{Kind: TooLarge, Field: "metadata", Detail: fmt.Sprintf("is %d bytes of JSON, the limit is %d bytes", len(metadata), MaxMetadataBytes)}
	}
	if err := text.CheckJSON(value); err != nil {
		return &Fault{Field: "value", Detail: err.Error()}
	}
	if len(metadata) > 0 {
		if err := text.CheckJSON(metadata); err != nil {
			return &Fault{Field: "metadata", Detail: err.Error()}
		}
	}
	return nil
}

// Reserve makes room for a write of so many bytes, or refuses it with a Fault of the kind OverQuota. An overwrite counts as if its key
// were new until the usage is read again.
func (q *Quota) Reserve(ctx context.Context, db *sqlc.Queries, tenant uuid.UUID, bytes int64) error {
	if q.add(tenant, bytes, time.Now()) {
		return nil
	}
	// Unknown, old or full: the database's figure decides.
	row, err := db.KVUsage(ctx, tenant)
	if err != nil {
		return fmt.Errorf("kv usage: %w", err)
	}
	limit := q.cfg.MaxBytes
	if row.MaxBytes >= 0 {
		limit = row.MaxBytes
	}
	if row.Bytes+bytes > limit {
		return &Fault{
			Kind: OverQuota, Field: "value",
			Detail: fmt.Sprintf("the tenant's kv holds %d bytes and may hold %d (max_kv_bytes), the write needs %d more", row.Bytes, limit, bytes),
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.tenants[tenant] = &usage{bytes: row.Bytes + bytes, limit: limit, readAt: time.Now()}
	return nil
}

// add reports whether the estimate has room; it has none where it is unknown or old.
func (q *Quota) add(tenant uuid.UUID, bytes int64, now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	u := q.tenants[tenant]
	if u == nil || now.Sub(u.readAt) > usageAge || u.bytes+bytes > u.limit {
		return false
	}
	u.bytes += bytes
	return true
}

// Prune forgets old estimates.
func (q *Quota) Prune(now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for tenant, u := range q.tenants {
		if now.Sub(u.readAt) > usageAge {
			delete(q.tenants, tenant)
		}
	}
}
