// Package events publishes: one event in, one pending execution for each subscribed script out, in one transaction.
//
// The work is done by jsruntime_enqueue_event (migrations/00008), so that applications that publish from SQL and the node do the
// same. This package names its refusals.
//
//	no such tenant, or not active    ErrNoTenant, ErrTenantSuspended
//	the tenant's queue is full       ErrQueueFull: nothing was written, try again later
//	the event is not valid           *InvalidError, which names the field
//	the chain of events is too long  ErrTooDeep
//
// The same id within 24 hours is one event: Published.Duplicate is true and nothing new was written.
package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"jsruntime/sqlc"
)

// Refusals of Publish.
var (
	ErrNoTenant        = errors.New("no such tenant")
	ErrTenantSuspended = errors.New("tenant is suspended")
	ErrQueueFull       = errors.New("the tenant's queue is full")
	ErrTooDeep         = errors.New("chain of events and invocations is too deep")
)

// InvalidError says what is wrong with an event. Field is "type", "id", "data" or "deliver_at".
type InvalidError struct {
	Field   string
	Message string
}

func (e *InvalidError) Error() string { return e.Field + ": " + e.Message }

// MaxDepth is the longest chain of events and invocations.
const MaxDepth = 16

// Event is what a publisher gives.
type Event struct {
	TenantID  uuid.UUID
	Type      string          // dot-separated words, at most 255 characters
	Data      json.RawMessage // at most 1 MiB
	ID        string          // empty: one is made
	DeliverAt time.Time       // zero: now
	Depth     int             // of the chain that led here; 0 from outside
}

// Published is what became of it.
type Published struct {
	EventID    string
	Executions int
	Duplicate  bool
}

// Publish writes the event and its executions in db's transaction. Whoever committed it wakes the scheduler afterwards.
func Publish(ctx context.Context, db sqlc.DBTX, e Event) (Published, error) {
	params := sqlc.EventPublishParams{TenantID: e.TenantID, Type: e.Type, Data: e.Data, Depth: int32(min(e.Depth, 1<<20))}
	if e.ID != "" {
		params.ID = &e.ID
	}
	if !e.DeliverAt.IsZero() {
		params.DeliverAt = &e.DeliverAt
	}
	if len(e.Data) == 0 {
		params.Data = json.RawMessage("null")
	}
	row, err := sqlc.New(db).EventPublish(ctx, params)
	if err != nil {
		return Published{}, refusal(err)
	}
	if row.QueueFull {
		return Published{}, ErrQueueFull
	}
	return Published{EventID: row.EventID, Executions: int(row.Executions), Duplicate: row.Duplicate}, nil
}

func refusal(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return fmt.Errorf("publish: %w", err)
	}
	switch pg.Code {
	case "JSR01":
		return ErrNoTenant
	case "JSR02":
		return ErrTenantSuspended
	case "JSR03":
		return ErrQueueFull
	case "JSR04":
		field, message, _ := strings.Cut(pg.Message, ": ")
		return &InvalidError{Field: field, Message: message}
	case "JSR05":
		return ErrTooDeep
	case "22P02", "22P05", "54001": // not JSON; \u0000; nested too deep
		return &InvalidError{Field: "data", Message: "not JSON that can be stored (malformed, \\u0000, or nested too deep)"}
	case "22021": // a NUL or another byte that is no text
		return &InvalidError{Field: "type", Message: "not text"}
	}
	return fmt.Errorf("publish: %w", err)
}

var pattern = regexp.MustCompile(`^(?:\*|[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*(?:\.\*)?)$`)

// ValidPattern reports whether a subscription may have this event type: an exact type, order.* for everything below order, or *.
func ValidPattern(eventType string) bool {
	return len(eventType) <= 255 && pattern.MatchString(eventType)
}

// Matches reports whether a subscription's pattern takes an event of the given type, as jsruntime_event_patterns does.
func Matches(pattern, eventType string) bool {
	if pattern == "*" || pattern == eventType {
		return true
	}
	prefix, ok := strings.CutSuffix(pattern, "*")
	return ok && strings.HasSuffix(prefix, ".") && strings.HasPrefix(eventType, prefix)
}
