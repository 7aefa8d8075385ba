package httpapi_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/migrations/dbtest"
)

// TestChangeIsTriedAgain: Postgres ends one of two transactions that wait for each other's rows. Its author sees nothing of that.
func TestChangeIsTriedAgain(t *testing.T) {
	t.Parallel()
	pool := dbtest.DB(t)
	n := startNodeOn(t, pool)
	acme := n.tenant("acme")
	id := acme.script("echo", map[string]any{"type": "embedded", "status": "active"})
	for _, statement := range []string{
		`CREATE SEQUENCE tries`, // counts also what is rolled back
		`GRANT USAGE ON SEQUENCE tries TO PUBLIC`,
		`CREATE FUNCTION deadlock() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF nextval('tries') % 3 <> 0 THEN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END IF; RETURN NEW; END $$`,
		`CREATE TRIGGER deadlock BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION deadlock()`,
	} {
		_, err := pool.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
	acme.post("/api/v1/scripts/"+id+"/executions", map[string]any{"input": 1}).is(202)
	require.Len(t, acme.get("/api/v1/executions").is(200).items(), 1)
	acme.del("/api/v1/scripts/" + id).is(204)
	n.operator().del("/api/v1/tenants/acme").is(204)
}
