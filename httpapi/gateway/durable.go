package gateway

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/httpapi/problem"
)

// Durable keeps in Postgres what must outlive a request: answers under idempotency keys, and requests that are answered before they run. Its
// errors are a *problem.Problem or a *engine.RefusedError, for the client, or ours.
type Durable interface {
	// Take takes a key for the request, for hold at most. Where another request has it, it returns what is kept of that one.
	Take(ctx context.Context, k *Key, hold time.Duration) (*KeptAnswer, error)
	// Finish keeps an answer under a key that was taken, for ttl.
	Finish(ctx context.Context, k *Key, answer *KeptAnswer, ttl time.Duration) error
	// Release frees a key that was taken, so that its client may try again.
	Release(ctx context.Context, k *Key) error
	// Enqueue puts a run into the queue, and keeps answer under the key with it: both or neither. k is nil where there is no key.
	Enqueue(ctx context.Context, inv *engine.Invocation, k *Key, answer *KeptAnswer, ttl time.Duration) error
}

// Key is an idempotency key as one request has taken it.
type Key struct {
	TenantID, ScriptID uuid.UUID
	ID                 [32]byte // of the caller and the key
	Fingerprint        [32]byte // of the request
	ExecutionID        uuid.UUID
	Taken              uuid.UUID
}

// KeptAnswer is an answer that is kept.
type KeptAnswer struct {
	Fingerprint [32]byte
	ExecutionID uuid.UUID
	Status      int    // 0: the request still runs
	Sealed      []byte // nil: the answer was too large
}

// fails answers with an error of Durable's.
func (a *answer) fails(message string, err error) {
	var p *problem.Problem
	var refused *engine.RefusedError
	switch {
	case errors.As(err, &p):
		a.send(p)
		return
	case errors.As(err, &refused):
		a.send(problem.Refused(refused))
		return
	case a.left():
		return
	}
	a.fail(message, err)
	a.w.Header()["Retry-After"] = retryAfterOne
	a.problem(http.StatusServiceUnavailable, string(engine.CodeOverloaded), "The database does not answer; try again.")
}

// durableTimeout bounds a statement of Durable's that must not end with its client.
const durableTimeout = 5 * time.Second

// lasting is for what must be done although the client is gone.
func (a *answer) lasting() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(a.r.Context()), durableTimeout)
}
