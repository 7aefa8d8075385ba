package scheduler_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/sqlc"
)

// A renewal that meets a batch of endings waits for it with nothing locked that the batch still wants.
func TestRenewalLocksInOrder(t *testing.T) {
	w := newWorld(t)
	tenant := w.tenant("acme")
	script := w.script(tenant, "oneoff")
	token := uuid.Must(uuid.NewV7())
	var ids, tokens []uuid.UUID
	for range 2 {
		ids = append(ids, w.leased(tenant, script, `status = 'running', started_at = now()`, `lease_token = '`+token.String()+`'`))
		tokens = append(tokens, token)
	}
	low, high := ids[0], ids[1]
	tx, err := w.db.Begin(w.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(w.Context()) }()
	lock := func(id uuid.UUID) error {
		_, err := tx.Exec(w.Context(), `UPDATE script_execution_queue SET node_id = NULL WHERE id = $1`, id)
		return err
	}
	require.NoError(t, lock(low))
	renewed := make(chan error, 1)
	rows := 0
	go func() {
		renewed <- pgx.BeginFunc(w.Context(), w.db, func(tx pgx.Tx) error {
			queries := sqlc.New(tx)
			if err := queries.QueuePlanByIndex(w.Context()); err != nil {
				return err
			}
			got, err := queries.ExecutionRenew(w.Context(), sqlc.ExecutionRenewParams{Ids: []uuid.UUID{high, low}, LeaseTokens: tokens, LeaseSeconds: 60})
			rows = len(got)
			return err
		})
	}()
	w.eventually(`SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')`)
	require.NoError(t, lock(high), "the renewal holds what the batch wants next")
	require.NoError(t, tx.Commit(w.Context()))
	require.NoError(t, <-renewed)
	require.Equal(t, 2, rows)
	w.exec(`UPDATE script_executions SET status = 'completed', completed_at = now()`)
}
