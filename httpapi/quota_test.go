package httpapi_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/storage"
	"example.com/jsruntime/httpapi"
	"example.com/jsruntime/migrations/dbtest"
)

// TestPlanIsStrict: what a tenant may use is typed; settings are the operator's own.
func TestPlanIsStrict(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	op := n.operator()
	for field, plan := range map[string]any{
		"max_scripts":               map[string]any{"max_scripts": "lots"},
		"max_history_bytes":         map[string]any{"max_history_bytes": -5},
		"max_conccurent_runs":       map[string]any{"max_conccurent_runs": 5},
		"retention.executions_days": map[string]any{"retention": map[string]any{"executions_days": -5}},
		"retention.execution_days":  map[string]any{"retention": map[string]any{"execution_days": 5}},
		"quotas.requests":           map[string]any{"quotas": map[string]any{"requests": map[string]any{"per": "day", "hard": 1}}},
		"quotas.cpu_ms.per":         map[string]any{"quotas": map[string]any{"cpu_ms": map[string]any{"per": "week", "hard": 1}}},
		"quotas.executions.per":     map[string]any{"quotas": map[string]any{"executions": map[string]any{"hard": 1}}},
		"quotas.executions":         map[string]any{"quotas": map[string]any{"executions": map[string]any{"per": "day"}}},
		"quotas.executions.soft":    map[string]any{"quotas": map[string]any{"executions": map[string]any{"per": "day", "soft": 10, "hard": 9}}},
		"quotas.egress_bytes.hard":  map[string]any{"quotas": map[string]any{"egress_bytes": map[string]any{"per": "day", "hard": 0}}},
		"max_queue_depth":           map[string]any{"max_queue_depth": 1.5},
		"max_concurrent_runs":       map[string]any{"max_concurrent_runs": 0},
		"weight":                    map[string]any{"weight": 0},
		"retention.logs_days":       map[string]any{"retention": map[string]any{"logs_days": "7"}},
	} {
		p := op.post("/api/v1/tenants", map[string]any{"slug": "bad", "name": "Bad", "plan": plan}).refused(422, "validation_failed")
		require.Contains(t, fmt.Sprint(p["errors"]), "body.plan."+field)
	}
	for weight, message := range map[any]string{0: "expected number >= 1", 101: "expected number <= 100", 1.5: "integer", "3": "integer"} {
		p := op.post("/api/v1/tenants", map[string]any{"slug": "bad", "name": "Bad", "plan": map[string]any{"weight": weight}}).refused(422, "validation_failed")
		require.Contains(t, p["detail"], "body.plan.weight", weight)
		require.Contains(t, p["detail"], message, weight)
	}
	made := op.post("/api/v1/tenants", map[string]any{
		"slug": "acme", "name": "Acme", "settings": map[string]any{"max_concurrent_runs": "anything"},
		"plan": map[string]any{"max_scripts": 1, "max_kv_bytes": 100, "retention": map[string]any{"executions_days": 7, "logs_days": 1.5}},
	}).is(201)
	require.Equal(t, map[string]any{"max_scripts": 1.0, "max_kv_bytes": 100.0, "retention": map[string]any{"executions_days": 7.0, "logs_days": 1.5}}, made.json()["plan"])
	changed := op.patch("/api/v1/tenants/acme", map[string]any{"plan": map[string]any{"max_kv_bytes": nil, "retention": map[string]any{"logs_days": nil}}}).is(200)
	require.Equal(t, map[string]any{"max_scripts": 1.0, "retention": map[string]any{"executions_days": 7.0}}, changed.json()["plan"])
	op.patch("/api/v1/tenants/acme", map[string]any{"plan": map[string]any{"max_scripts": "x"}}).refused(422, "validation_failed")
	op.patch("/api/v1/tenants/acme", map[string]any{"plan": map[string]any{"retention": nil}}).is(200)
	quotas := map[string]any{"executions": map[string]any{"per": "month", "soft": 5.0, "hard": 10.0}}
	changed = op.patch("/api/v1/tenants/acme", map[string]any{"plan": map[string]any{"quotas": quotas}}).is(200)
	require.Equal(t, quotas, changed.json()["plan"].(map[string]any)["quotas"])
	op.patch("/api/v1/tenants/acme", map[string]any{"plan": map[string]any{"quotas": map[string]any{"executions": map[string]any{"hard": 4}}}}).refused(422, "validation_failed")
	op.patch("/api/v1/tenants/acme", map[string]any{"plan": map[string]any{"quotas": map[string]any{"executions": nil}}}).is(200)

	acme := n.key("acme", "admin")
	acme.script("one", nil)
	p := acme.post("/api/v1/scripts", map[string]any{"name": "two", "type": "oneoff", "source": runSource}).refused(507, "storage_quota_exceeded")
	require.Contains(t, p["detail"], "max_scripts")
	op.patch("/api/v1/tenants/acme", map[string]any{"plan": nil}).is(200)
	acme.script("two", nil)
}

// TestStorageQuotaIsATenantsOwn: a tenant that is over its quota is told so with the limit's name, in /usage too, and another notices nothing.
func TestStorageQuotaIsATenantsOwn(t *testing.T) {
	t.Parallel()
	pool := dbtest.DB(t)
	var meter *storage.Meter
	n := startNodeOn(t, pool, func(cfg *httpapi.Config) {
		var err error
		meter, err = storage.New(storage.Config{DB: pool, MaxHistoryBytes: 100_000, Log: cfg.Log})
		require.NoError(t, err)
		cfg.Storage = meter
	})
	acme, other := n.tenant("acme"), n.tenant("other")
	id := acme.script("echo", map[string]any{"type": "embedded", "status": "active"})
	otherID := other.script("echo", map[string]any{"type": "embedded", "status": "active"})
	// What is rolled back is not stored: the audit log refuses after the version was written.
	tenant := uuid.MustParse(n.operator().get("/api/v1/tenants/acme").is(200).str("id"))
	_, before := meter.State(tenant)
	require.NotZero(t, before)
	for _, statement := range []string{
		`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '40001'; END $$`,
		`CREATE TRIGGER refuse BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION refuse()`,
	} {
		_, err := pool.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
	acme.post("/api/v1/scripts", map[string]any{"name": "late", "type": "oneoff", "source": runSource}).refused(503, "busy")
	acme.post("/api/v1/scripts/"+id+"/executions", map[string]any{"input": 1}).refused(503, "busy")
	_, after := meter.State(tenant)
	require.Equal(t, before, after)
	_, err := pool.Exec(t.Context(), `DROP TRIGGER refuse ON audit_log`)
	require.NoError(t, err)

	acme.post("/api/v1/events", map[string]any{"type": "a.b", "data": strings.Repeat("x", 99_000)}).is(202)
	require.NoError(t, meter.Flush(t.Context()))
	for _, refused := range []answer{
		acme.post("/api/v1/events", map[string]any{"type": "a.b", "data": 1}),
		acme.post("/api/v1/scripts/"+id+"/executions", map[string]any{"input": 1}),
		acme.post("/api/v1/scripts", map[string]any{"name": "three", "type": "oneoff", "source": runSource}),
		acme.patch("/api/v1/scripts/"+id, map[string]any{"source": runSource + " // changed"}),
		acme.post("/api/v1/scripts/"+id+"/versions/1/restore", nil),
	} {
		require.Contains(t, refused.refused(507, "storage_quota_exceeded")["detail"], "max_history_bytes")
	}
	other.post("/api/v1/events", map[string]any{"type": "a.b", "data": 1}).is(202)
	other.post("/api/v1/scripts/"+otherID+"/executions", map[string]any{"input": 1}).is(202)
	// A second node finds the same.
	second, err := storage.New(storage.Config{DB: pool, MaxHistoryBytes: 100_000})
	require.NoError(t, err)
	second.State(tenant)
	require.NoError(t, second.Flush(t.Context()))
	state, stored := second.State(tenant)
	require.Equal(t, storage.Full, state)
	require.Greater(t, stored, int64(99_000))
	usage := acme.get("/api/v1/usage").is(200).json()["storage"].(map[string]any)
	require.EqualValues(t, stored, usage["history_bytes"])
	require.EqualValues(t, 100_000, usage["max_history_bytes"])
	// The exact count knows how small Postgres makes a hundred thousand times the same letter.
	require.NoError(t, second.Count(t.Context(), tenant))
	require.NoError(t, second.Flush(t.Context()))
	state, _ = second.State(tenant)
	require.Equal(t, storage.Normal, state)
}

// TestInputsAreBoundedAsBodies: what a script gets is no larger than a request's body may be, however it comes.
func TestInputsAreBoundedAsBodies(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	id := acme.script("echo", map[string]any{"type": "embedded", "status": "active", "resource_limits": map[string]any{"max_request_body_bytes": 1000}})
	long := strings.Repeat("x", 2000)
	for _, path := range []string{"/api/v1/scripts/" + id + "/executions", "/api/v1/scripts/" + id + "/executions?wait=true"} {
		p := acme.post(path, map[string]any{"input": long}).refused(413, "body_too_large")
		require.Contains(t, p["detail"], "2002 bytes")
		require.Contains(t, p["detail"], "max_request_body_bytes is 1000")
	}
	acme.post("/api/v1/invoke/echo", `"`+long+`"`).refused(413, "body_too_large")
}

// TestADeletedTenantLeavesUsageAndAudit: for the operator, under its id.
func TestADeletedTenantLeavesUsageAndAudit(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	op := n.operator()
	acme := n.tenant("acme")
	tenant := op.get("/api/v1/tenants/acme").is(200).str("id")
	acme.script("echo", map[string]any{"type": "embedded", "status": "active"})
	acme.post("/api/v1/invoke/echo", `1`).is(200)
	require.NoError(t, n.ledger.Flush(context.Background()))
	require.Empty(t, op.get("/api/v1/audit-log?action=tenant.delete").is(200).items())
	op.del("/api/v1/tenants/acme").is(204)

	month := time.Now().UTC().Format("2006-01")
	found := false
	for _, item := range op.get("/api/v1/tenants/usage?period=" + month).is(200).items() {
		if item["tenant_id"] == tenant {
			found = true
			require.Equal(t, []any{1.0, true, nil}, []any{item["executions"], item["deleted"], item["slug"]})
		}
	}
	require.True(t, found)
	require.Len(t, op.get("/api/v1/audit-log?action=tenant.delete").is(200).items(), 1)
	actions := op.get("/api/v1/audit-log?tenant_id=" + tenant).is(200).items()
	require.GreaterOrEqual(t, len(actions), 3)
	require.Equal(t, "tenant.delete", actions[0]["action"])
	require.NotContains(t, actions[0], "tenant_slug")
	// As a table for a spreadsheet, in which no name is a formula.
	op.post("/api/v1/tenants", map[string]any{"slug": "named", "name": "=HYPERLINK(\"x\"), Inc"}).is(201)
	n.key("named", "admin").script("echo", map[string]any{"type": "embedded", "status": "active"})
	n.key("named", "admin").post("/api/v1/invoke/echo", `1`).is(200)
	require.NoError(t, n.ledger.Flush(context.Background()))
	for accept, table := range map[string]bool{
		"text/csv": true, "text/csv, application/json;q=0.5": true, "": false, "*/*": false, "application/json, text/csv": false, "text/csv;q=0.1, application/json": false,
		"text/csv;q=0": false, "text/csv, */*;q=0.1": true,
	} {
		answer := op.do("GET", "/api/v1/tenants/usage?period="+month, nil, "Accept", accept).is(200)
		require.Equal(t, table, strings.HasPrefix(answer.header.Get("Content-Type"), "text/csv"), accept)
		if !table {
			require.Equal(t, month, answer.json()["period"])
			continue
		}
		lines, err := csv.NewReader(bytes.NewReader(answer.body)).ReadAll()
		require.NoError(t, err)
		require.Len(t, lines, 3)
		rows := map[string][]string{}
		for _, line := range lines {
			require.Equal(t, len(lines[0]), len(line))
			rows[line[2]] = line
		}
		require.Equal(t, []string{month, tenant, "", "", "true", "1", "1"}, rows[""][:7])
		require.Equal(t, []string{"named", "'=HYPERLINK(\"x\"), Inc", "false", "1", "1"}, rows["named"][2:7])
	}
	op.get("/api/v1/tenants/usage?period=november").refused(422, "validation_failed")
	other := n.tenant("other")
	other.get("/api/v1/tenants/usage").refused(403, "forbidden")
	require.Empty(t, other.get("/api/v1/audit-log?action=tenant.delete").is(200).items())
	other.get("/api/v1/audit-log?tenant_id="+tenant).refused(422, "validation_failed")
}

// TestTheOperatorsAuditLog: of all tenants, of one, and what the operator did itself, which includes entering a tenant.
func TestTheOperatorsAuditLog(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	op, acme, other := n.operator(), n.tenant("acme"), n.tenant("other")
	acme.script("echo", map[string]any{"type": "embedded", "status": "active"})
	other.script("echo", map[string]any{"type": "embedded", "status": "active"})
	tenant := op.get("/api/v1/tenants/acme").is(200).str("id")
	tenants := func(path string) (actions int, slugs []any) {
		for _, e := range op.get(path).is(200).items() {
			actions++
			if !slices.Contains(slugs, e["tenant_slug"]) {
				slugs = append(slugs, e["tenant_slug"])
			}
		}
		return actions, slugs
	}
	made, slugs := tenants("/api/v1/audit-log?all=true&action=script.create")
	require.Equal(t, 2, made)
	require.ElementsMatch(t, []any{"acme", "other"}, slugs)
	made, slugs = tenants("/api/v1/audit-log?action=script.create&tenant_id=" + tenant)
	require.Equal(t, 1, made)
	require.Equal(t, []any{"acme"}, slugs)
	made, _ = tenants("/api/v1/audit-log?action=script.create")
	require.Zero(t, made)

	// Page by page; a cursor is of its own list.
	first := op.get("/api/v1/audit-log?all=true&limit=1").is(200)
	next := first.str("next_cursor")
	require.NotEqual(t, first.items()[0]["id"], op.get("/api/v1/audit-log?all=true&limit=1&cursor=" + next).is(200).items()[0]["id"])
	op.get("/api/v1/audit-log?limit=1&cursor="+next).refused(400, "invalid_cursor")

	op.post("/api/v1/tenants/acme/enter", nil).is(204)
	entered := acme.get("/api/v1/audit-log?action=tenant.enter").is(200).items()
	require.Len(t, entered, 1)
	require.Equal(t, []any{"superadmin", tenant}, []any{entered[0]["actor_role"], entered[0]["object_id"]})
	require.NotContains(t, entered[0], "tenant_slug")
	require.Empty(t, other.get("/api/v1/audit-log?action=tenant.enter").is(200).items())
	require.Len(t, op.get("/api/v1/audit-log?action=tenant.enter").is(200).items(), 1)
	op.post("/api/v1/tenants/nothing/enter", nil).refused(404, "not_found")

	acme.post("/api/v1/tenants/acme/enter", nil).refused(403, "forbidden")
	acme.get("/api/v1/audit-log?all=true").refused(422, "validation_failed")
	op.do("GET", "/api/v1/audit-log?all=true", nil, "X-Tenant", "acme").refused(422, "validation_failed")
	op.get("/api/v1/audit-log?all=true&tenant_id="+tenant).refused(422, "validation_failed")
}

// TestHistoryIsTheAuthorsChoice: what is kept of a script's executions, with exact usage whatever it is.
func TestHistoryIsTheAuthorsChoice(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	for location, bad := range map[string]any{
		"body.history.store": map[string]any{"store": "some"}, "body.history.sample": map[string]any{"sample": 2}, "body.history.redakt": map[string]any{"redakt": []string{}},
		"body.history.redact[0]": map[string]any{"redact": []string{"input.x"}}, "body.history.bodies": map[string]any{"bodies": "no"}, "body.history.calls": map[string]any{"calls": "some"},
	} {
		p := acme.post("/api/v1/scripts", map[string]any{"name": "bad", "type": "embedded", "source": runSource, "history": bad}).refused(422, "validation_failed")
		require.Contains(t, fmt.Sprint(p["errors"]), location)
	}
	id := acme.script("echo", map[string]any{"type": "embedded", "status": "active", "history": map[string]any{"redact": []string{"$.input.card", "$.output.echo.card"}}})
	run := func() (execution string) {
		execution = acme.post("/api/v1/invoke/echo", `{"card":"4111-1111","n":1}`).is(200).str("execution_id")
		require.NoError(t, n.ledger.Flush(context.Background()))
		return execution
	}
	kept := acme.get("/api/v1/executions/" + run()).is(200)
	require.NotContains(t, string(kept.body), "4111")
	require.Equal(t, map[string]any{"card": "[redacted]", "n": 1.0}, kept.json()["input"])

	got := acme.patch("/api/v1/scripts/"+id, map[string]any{"history": map[string]any{"bodies": false}}).is(200).json()["history"]
	require.Equal(t, map[string]any{"store": "all", "sample": 1.0, "bodies": false, "redact": []any{"$.input.card", "$.output.echo.card"}, "calls": "all"}, got)
	bare := run()
	e := acme.get("/api/v1/executions/" + bare).is(200).json()
	require.Equal(t, []any{nil, nil, "completed"}, []any{e["input"], e["output"], e["status"]})
	acme.post("/api/v1/executions/"+bare+"/replay", nil).refused(409, "input_not_kept")

	acme.patch("/api/v1/scripts/"+id, map[string]any{"history": map[string]any{"store": "none"}}).is(200)
	acme.get("/api/v1/executions/"+run()).refused(404, "not_found")
	acme.patch("/api/v1/scripts/"+id, map[string]any{"history": map[string]any{"store": nil, "sample": 0}}).is(200)
	acme.get("/api/v1/executions/"+run()).refused(404, "not_found")
	require.EqualValues(t, 4, acme.get("/api/v1/usage").is(200).json()["total"].(map[string]any)["executions"])
	acme.patch("/api/v1/scripts/"+id, map[string]any{"history": nil}).is(200)
	acme.get("/api/v1/executions/" + run()).is(200)
}
