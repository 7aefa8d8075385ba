package scheduler_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
)

// TestTicksCheckForeignKeysOnce: where the database user may have foreign keys checked once a batch, a tick's rows fire no triggers of rows, but for a
// missed tick's own, which tells webhooks of it.
func TestTicksCheckForeignKeysOnce(t *testing.T) {
	w := newWorld(t)
	w.exec(`CREATE TABLE fired (what text)`)
	w.exec(`CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO fired VALUES (TG_TABLE_NAME); RETURN NULL; END $$`)
	w.exec(`CREATE TRIGGER note AFTER INSERT ON script_executions FOR EACH ROW EXECUTE FUNCTION note()`)
	w.exec(`CREATE TRIGGER note AFTER INSERT ON script_schedule_ticks FOR EACH ROW WHEN (NEW.outcome = 'missed') EXECUTE FUNCTION note()`)
	tenant := w.tenant("a")
	w.job(tenant, "0 0 1 1 *", `next_run_at = now()`)
	w.node(func(context.Context, *engine.Invocation) (*engine.Result, error) { return done(nil), nil })
	w.eventually(`SELECT count(*) = 1 FROM script_executions WHERE status = 'completed'`)
	require.Zero(t, one[int](w, `SELECT count(*) FROM fired`))

	// Older than its window: the tick is missed.
	w.job(tenant, "0 0 1 1 *", `missed_window_seconds = 0, next_run_at = now() - interval '1 hour'`)
	w.eventually(`SELECT count(*) > 0 FROM script_schedule_ticks WHERE outcome = 'missed'`)
	require.Equal(t, 1, one[int](w, `SELECT count(*) FROM fired WHERE what = 'script_schedule_ticks'`))
	w.eventually(nothingLeft)
}
