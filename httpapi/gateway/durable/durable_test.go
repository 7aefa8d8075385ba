package durable_test

import (
	"context"
	"crypto/sha256"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/storage"
	"example.com/jsruntime/httpapi/gateway"
	"example.com/jsruntime/httpapi/gateway/durable"
	"example.com/jsruntime/httpapi/problem"
	"example.com/jsruntime/migrations/dbtest"
)

type world struct {
	db             *pgxpool.Pool
	meter          *storage.Meter
	tenant, script uuid.UUID
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{db: dbtest.DB(t)}
	require.NoError(t, w.db.QueryRow(t.Context(), `WITH t AS (INSERT INTO tenants (slug, name) VALUES ('acme', 'acme') RETURNING id),
		o AS (INSERT INTO organizations (tenant_id, name, is_default) SELECT id, 'o', true FROM t RETURNING id, tenant_id)
		INSERT INTO scripts (tenant_id, organization_id, name, source, type, status) SELECT tenant_id, id, 's', 'x', 'http', 'active' FROM o RETURNING tenant_id, id`).Scan(&w.tenant, &w.script))
	var err error
	w.meter, err = storage.New(storage.Config{DB: w.db})
	require.NoError(t, err)
	return w
}

func (w *world) store(t *testing.T, change func(*durable.Config)) *durable.Store {
	t.Helper()
	cfg := durable.Config{DB: w.db, Storage: w.meter, NodeID: uuid.New()}
	_, err := w.db.Exec(t.Context(), "INSERT INTO nodes (id, hostname, version, heartbeat_at) VALUES ($1, 'h', 'v', now())", cfg.NodeID)
	require.NoError(t, err)
	if change != nil {
		change(&cfg)
	}
	s, err := durable.New(cfg)
	require.NoError(t, err)
	return s
}

func (w *world) key(name, request string) *gateway.Key {
	return &gateway.Key{
		TenantID: w.tenant, ScriptID: w.script, ID: sha256.Sum256([]byte(name)), Fingerprint: sha256.Sum256([]byte(request)), ExecutionID: uuid.Must(uuid.NewV7()), Taken: uuid.New(),
	}
}

func (w *world) count(t *testing.T, query string) (n int) {
	t.Helper()
	require.NoError(t, w.db.QueryRow(t.Context(), query).Scan(&n))
	return n
}

func problemOf(t *testing.T, err error) *problem.Problem {
	t.Helper()
	var p *problem.Problem
	require.ErrorAs(t, err, &p)
	return p
}

// Of requests that come to several nodes at once one takes the key; its answer is kept for its time; what is given up is free.
func TestKeys(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	nodes := []*durable.Store{w.store(t, nil), w.store(t, nil)}
	keys := make([]*gateway.Key, 16)
	took := make([]bool, len(keys))
	var all sync.WaitGroup
	for i := range keys {
		keys[i] = w.key("k", "request")
		all.Go(func() {
			kept, err := nodes[i%2].Take(ctx, keys[i], time.Minute)
			took[i] = err == nil && kept == nil
		})
	}
	all.Wait()
	first := -1
	for i := range took {
		if took[i] {
			require.Equal(t, -1, first, "two have taken it")
			first = i
		}
	}
	require.NotEqual(t, -1, first)
	kept, err := nodes[0].Take(ctx, w.key("k", "request"), time.Minute)
	require.NoError(t, err)
	require.Zero(t, kept.Status, "it runs")

	answer := &gateway.KeptAnswer{Status: 201, Sealed: []byte("sealed")}
	require.Error(t, nodes[1].Finish(ctx, w.key("k", "request"), answer, time.Hour), "only who has taken it")
	require.NoError(t, nodes[0].Release(ctx, w.key("k", "request")))
	require.NoError(t, nodes[0].Finish(ctx, keys[first], answer, time.Hour))
	require.NoError(t, nodes[0].Release(ctx, keys[first]), "an answer is not given up")
	kept, err = nodes[1].Take(ctx, w.key("k", "other"), time.Minute)
	require.NoError(t, err)
	require.Equal(t, &gateway.KeptAnswer{Fingerprint: keys[first].Fingerprint, ExecutionID: keys[first].ExecutionID, Status: 201, Sealed: []byte("sealed")}, kept)
	require.NoError(t, w.meter.Flush(ctx))
	require.Equal(t, 256, w.count(t, "SELECT bytes::int FROM tenant_storage WHERE table_name = 'script_http_answers'"))

	taken := func(k *gateway.Key, want bool) {
		t.Helper()
		kept, err := nodes[1].Take(ctx, k, time.Minute)
		require.NoError(t, err)
		require.Equal(t, want, kept == nil)
	}
	_, err = w.db.Exec(ctx, "UPDATE script_http_answers SET expires_at = now()")
	require.NoError(t, err)
	again := w.key("k", "other")
	taken(again, true) // the answer's time is over
	require.NoError(t, nodes[1].Release(ctx, again))
	taken(w.key("k", "other"), true)  // the client may try again
	taken(w.key("k", "other"), false) // it runs
	_, err = w.db.Exec(ctx, "UPDATE script_http_answers SET expires_at = now()")
	require.NoError(t, err)
	lost := w.key("k", "other")
	taken(lost, true) // the request has taken longer than it may
	_, err = w.db.Exec(ctx, "UPDATE nodes SET heartbeat_at = now() - interval '16 seconds'")
	require.NoError(t, err)
	taken(w.key("k", "other"), true) // its node is dead
	require.Error(t, nodes[1].Finish(ctx, lost, answer, time.Hour), "the key is another request's by now")

	foreign := w.key("f", "request")
	foreign.TenantID = uuid.New()
	kept, err = nodes[0].Take(ctx, foreign, time.Minute)
	require.NoError(t, err)
	require.NotNil(t, kept, "a script of another tenant has no keys")
	require.Zero(t, w.count(t, "SELECT count(*) FROM script_http_answers WHERE tenant_id NOT IN (SELECT id FROM tenants)"))
}

// A tenant's answers are bounded, and who has one already gets it all the same.
func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	s := w.store(t, func(cfg *durable.Config) { cfg.MaxAnswers = 2 })
	first := w.key("1", "request")
	for _, k := range []*gateway.Key{first, w.key("2", "request")} {
		kept, err := s.Take(ctx, k, time.Minute)
		require.NoError(t, err)
		require.Nil(t, kept)
	}
	require.NoError(t, s.Finish(ctx, first, &gateway.KeptAnswer{Status: 200}, time.Hour))
	_, err := s.Take(ctx, w.key("3", "request"), time.Minute)
	p := problemOf(t, err)
	require.Equal(t, 429, p.Status)
	require.Equal(t, "idempotency_limit", p.Code)
	kept, err := s.Take(ctx, w.key("1", "request"), time.Minute)
	require.NoError(t, err)
	require.Equal(t, 200, kept.Status)
}

// A run and its answer are written together or not at all; the queue's bounds hold.
func TestEnqueue(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	woken := 0
	s := w.store(t, func(cfg *durable.Config) { cfg.Wake = func() { woken++ } })
	run := func() *engine.Invocation {
		return &engine.Invocation{
			ExecutionID: uuid.Must(uuid.NewV7()), Script: &engine.Script{ID: w.script, TenantID: w.tenant, Version: 1}, Trigger: engine.TriggerHTTP, Handler: engine.HandlerFetch,
			TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
			Request:     &engine.Request{Method: "POST", URL: "http://a.test/job?a=1", Body: []byte("in"), HasBody: true, Auth: []byte(`{"sub":"u1"}`)},
		}
	}
	answer := &gateway.KeptAnswer{Status: 202, Sealed: []byte("sealed")}
	key := w.key("k", "request")
	_, err := s.Take(ctx, key, time.Minute)
	require.NoError(t, err)
	inv := run()
	require.NoError(t, s.Enqueue(ctx, inv, key, answer, time.Hour))
	require.Equal(t, 1, woken)
	var status, trigger, method, path, sub, trace string
	require.NoError(t, w.db.QueryRow(ctx, `SELECT e.status, e.trigger_type, e.trigger_data->>'method', e.trigger_data->>'path', e.input->'auth'->>'sub', e.traceparent
		FROM script_executions e JOIN script_execution_queue q ON q.id = e.id WHERE e.id = $1`, inv.ExecutionID).Scan(&status, &trigger, &method, &path, &sub, &trace))
	require.Equal(t, []string{"pending", "http", "POST", "/job", "u1", inv.TraceParent}, []string{status, trigger, method, path, sub, trace})

	require.Error(t, s.Enqueue(ctx, run(), w.key("k", "request"), answer, time.Hour), "the key is not its own")
	require.Equal(t, 1, w.count(t, "SELECT count(*) FROM script_executions"), "what was not answered was not put into the queue")
	require.NoError(t, s.Enqueue(ctx, run(), nil, nil, 0))
	_, err = w.db.Exec(ctx, `UPDATE tenants SET plan = '{"max_queue_depth": 2}'`)
	require.NoError(t, err)
	p := problemOf(t, s.Enqueue(context.WithoutCancel(ctx), run(), nil, nil, 0))
	require.Equal(t, 429, p.Status)
	require.Equal(t, "queue_full", p.Code)
	_, err = w.db.Exec(ctx, "DELETE FROM script_executions")
	require.NoError(t, err)

	over := w.store(t, func(cfg *durable.Config) {
		cfg.Exceeded = func(uuid.UUID) error { return &engine.RefusedError{Code: engine.CodeQuotaExceeded} }
	})
	var refused *engine.RefusedError
	require.ErrorAs(t, over.Enqueue(ctx, run(), nil, nil, 0), &refused)
}
