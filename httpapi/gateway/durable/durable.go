// Package durable keeps in Postgres what of requests to endpoints must outlive them: answers under idempotency keys (script_http_answers), and the
// runs of requests that are answered before they run (the queue).
//
// A key is taken by one statement, and so by one of all nodes. It is free again when its answer has expired, when its request was given up, and
// when its node is dead or its time is over. A run and the answer that names it are written in one transaction.
//
// A tenant has at most MaxAnswers answers, and they count against its storage quota; so do runs that wait, which max_queue_depth bounds too.
package durable

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/record"
	"example.com/jsruntime/engine/redact"
	"example.com/jsruntime/engine/storage"
	"example.com/jsruntime/httpapi/gateway"
	"example.com/jsruntime/httpapi/problem"
	"example.com/jsruntime/migrations/tenantdb"
	"example.com/jsruntime/sqlc"
)

const (
	// countEvery is how often a tenant's answers are counted while more are taken.
	countEvery = 10 * time.Second
	// rowBytes is the allowance for an answer beside its bytes.
	rowBytes = 250
)

// Config is a Store's.
type Config struct {
	DB      *pgxpool.Pool  // required
	Storage *storage.Meter // required
	// NodeID is the node that requests run on. Zero: their keys are free again after their time only.
	NodeID uuid.UUID
	// MaxAnswers bounds a tenant's answers; 0 means 100,000. It is exceeded by what nodes take within countEvery at most.
	MaxAnswers int64
	// Exceeded returns an error where a tenant may begin nothing, because a quota is used up. nil: it always may.
	Exceeded func(tenantID uuid.UUID) error
	// Secrets are the tenant's secrets, as they are masked. nil: none are known.
	Secrets func(tenantID uuid.UUID) *redact.Values
	// TraceParent is the trace that a queued run belongs to. nil: that of its client.
	TraceParent func(ctx context.Context) string
	// Wake is called when a run was put into the queue. nil: nothing is.
	Wake func()
}

// Store implements gateway.Durable.
type Store struct {
	cfg     Config
	queries *sqlc.Queries

	mu     sync.Mutex // guards what follows
	counts map[uuid.UUID]*count
}

// count is how many answers a tenant had when they were counted, with those that this node has taken since.
type count struct {
	n  int64
	at time.Time
}

// New returns a Store.
func New(cfg Config) (*Store, error) {
	switch {
	case cfg.DB == nil:
		return nil, errors.New("DB is required")
	case cfg.Storage == nil:
		return nil, errors.New("Storage is required")
	}
	cfg.MaxAnswers = cmp.Or(cfg.MaxAnswers, 100_000)
	return &Store{cfg: cfg, queries: sqlc.New(cfg.DB), counts: map[uuid.UUID]*count{}}, nil
}

// Take implements gateway.Durable.
func (s *Store) Take(ctx context.Context, k *gateway.Key, hold time.Duration) (*gateway.KeptAnswer, error) {
	full := s.room(ctx, k.TenantID)
	if full == nil {
		p := sqlc.AnswerTakeParams{
			TenantID: k.TenantID, ScriptID: k.ScriptID, ID: k.ID[:], Fingerprint: k.Fingerprint[:], ExecutionID: k.ExecutionID, Taken: k.Taken, HoldSeconds: hold.Seconds(),
		}
		if s.cfg.NodeID != uuid.Nil {
			p.NodeID = &s.cfg.NodeID
		}
		rows, err := s.queries.AnswerTake(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("take key: %w", err)
		}
		if rows > 0 {
			s.taken(k.TenantID)
			return nil, nil
		}
	}
	row, err := s.queries.AnswerGet(ctx, sqlc.AnswerGetParams{TenantID: k.TenantID, ScriptID: k.ScriptID, ID: k.ID[:]})
	switch {
	case errors.Is(err, pgx.ErrNoRows) && full != nil:
		return nil, full // who has an answer already gets it all the same
	case errors.Is(err, pgx.ErrNoRows): // it was given up just now
		return &gateway.KeptAnswer{Fingerprint: k.Fingerprint}, nil
	case err != nil:
		return nil, fmt.Errorf("read kept answer: %w", err)
	}
	kept := &gateway.KeptAnswer{ExecutionID: row.ExecutionID, Sealed: row.Answer}
	copy(kept.Fingerprint[:], row.Fingerprint)
	if row.Status != nil {
		kept.Status = int(*row.Status)
	}
	return kept, nil
}

// room returns why a tenant's key is not taken; nil: it may be.
func (s *Store) room(ctx context.Context, tenantID uuid.UUID) error {
	if err := s.mayStore(tenantID); err != nil {
		return err
	}
	now := time.Now()
	s.mu.Lock()
	c := s.counts[tenantID]
	fresh := c != nil && now.Sub(c.at) < countEvery
	full := fresh && c.n >= s.cfg.MaxAnswers
	s.mu.Unlock()
	if !fresh {
		n, err := s.queries.AnswerCount(ctx, sqlc.AnswerCountParams{TenantID: tenantID, Bound: int32(s.cfg.MaxAnswers)})
		if err != nil {
			return fmt.Errorf("count answers: %w", err)
		}
		s.mu.Lock()
		for id, c := range s.counts {
			if now.Sub(c.at) >= countEvery {
				delete(s.counts, id)
			}
		}
		s.counts[tenantID] = &count{n: n, at: now}
		s.mu.Unlock()
		full = n >= s.cfg.MaxAnswers
	}
	if full {
		return problem.New(http.StatusTooManyRequests, "idempotency_limit",
			fmt.Sprintf("The tenant has %d answers under idempotency keys, its limit.", s.cfg.MaxAnswers)).RetryAfter(countEvery)
	}
	return nil
}

func (s *Store) taken(tenantID uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.counts[tenantID]; c != nil {
		c.n++
	}
}

// mayStore refuses what is kept of a tenant whose storage quota is used up.
func (s *Store) mayStore(tenantID uuid.UUID) error {
	if state, stored := s.cfg.Storage.State(tenantID); state == storage.Full {
		return problem.New(http.StatusInsufficientStorage, "storage_quota_exceeded",
			fmt.Sprintf("max_history_bytes: the tenant has %d, its limit is %d.", stored, s.cfg.Storage.Quota(tenantID)))
	}
	return nil
}

// errTaken says that another request has a key by now: the node was taken for dead.
var errTaken = errors.New("another request has taken the key since")

// Finish implements gateway.Durable.
func (s *Store) Finish(ctx context.Context, k *gateway.Key, answer *gateway.KeptAnswer, ttl time.Duration) error {
	if err := finish(ctx, s.queries, k, answer, ttl); err != nil {
		return err
	}
	s.cfg.Storage.Add(k.TenantID, storage.Answers, int64(rowBytes+len(answer.Sealed)))
	return nil
}

func finish(ctx context.Context, q *sqlc.Queries, k *gateway.Key, answer *gateway.KeptAnswer, ttl time.Duration) error {
	rows, err := q.AnswerFinish(ctx, sqlc.AnswerFinishParams{
		TenantID: k.TenantID, ScriptID: k.ScriptID, ID: k.ID[:], Taken: k.Taken, Status: int32(answer.Status), Answer: answer.Sealed, TtlSeconds: ttl.Seconds(),
	})
	if err == nil && rows == 0 {
		err = errTaken
	}
	return err
}

// Release implements gateway.Durable.
func (s *Store) Release(ctx context.Context, k *gateway.Key) error {
	return s.queries.AnswerRelease(ctx, sqlc.AnswerReleaseParams{TenantID: k.TenantID, ScriptID: k.ScriptID, ID: k.ID[:], Taken: k.Taken})
}

// Enqueue implements gateway.Durable.
func (s *Store) Enqueue(ctx context.Context, inv *engine.Invocation, k *gateway.Key, answer *gateway.KeptAnswer, ttl time.Duration) error {
	tenant := inv.Script.TenantID
	if err := s.mayStore(tenant); err != nil {
		return err
	}
	if s.cfg.Exceeded != nil {
		if err := s.cfg.Exceeded(tenant); err != nil {
			return err
		}
	}
	var secrets *redact.Values
	if s.cfg.Secrets != nil {
		secrets = s.cfg.Secrets(tenant)
	}
	p := sqlc.ExecutionEnqueueParams{
		ID: inv.ExecutionID, ScriptID: inv.Script.ID, TenantID: tenant, TriggerType: string(inv.Trigger), Version: int32(inv.Script.Version), Handler: string(inv.Handler),
		Input: record.RequestJSON(inv.Request), TriggerData: record.QueuedTriggerData(inv, secrets),
	}
	trace := inv.TraceParent
	if s.cfg.TraceParent != nil {
		trace = cmp.Or(s.cfg.TraceParent(ctx), trace)
	}
	if trace != "" {
		p.Traceparent = &trace
	}
	err := pgx.BeginTxFunc(ctx, s.cfg.DB, tenantdb.ServiceTx(), func(tx pgx.Tx) error {
		q := s.queries.WithTx(tx)
		queue, err := q.ExecutionQueueFull(ctx, sqlc.ExecutionQueueFullParams{TenantID: tenant, Wanted: 1})
		if err != nil {
			return err
		}
		if queue.QueueFull {
			return problem.New(http.StatusTooManyRequests, "queue_full", fmt.Sprintf("The tenant has %d executions waiting, its limit.", queue.MaxDepth)).RetryAfter(5 * time.Second)
		}
		if k != nil {
			if err := finish(ctx, q, k, answer, ttl); err != nil {
				return err
			}
		}
		_, err = q.ExecutionEnqueue(ctx, p)
		return err
	})
	if err != nil {
		return err
	}
	s.cfg.Storage.Add(tenant, storage.Executions, int64(storage.RowBytes+len(p.Input)+len(p.TriggerData)))
	if k != nil {
		s.cfg.Storage.Add(tenant, storage.Answers, int64(rowBytes+len(answer.Sealed)))
	}
	if s.cfg.Wake != nil {
		s.cfg.Wake()
	}
	return nil
}
