package httpapi_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestVars: the vars of a tenant are read, replaced, set and deleted, are its own, and have no secret's name, however requests cross.
func TestVars(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme, other := n.tenant("acme"), n.tenant("other")
	vars := func(c caller) map[string]any {
		t.Helper()
		return c.get("/api/v1/vars").is(200).json()["vars"].(map[string]any)
	}
	require.Empty(t, vars(acme))
	first := acme.do("PUT", "/api/v1/vars", map[string]any{"vars": map[string]any{"REGION": "eu", "EMPTY": "", "TEXT": "a\n\u0001\"é"}}).is(200)
	require.Equal(t, map[string]any{"REGION": "eu", "EMPTY": "", "TEXT": "a\n\u0001\"é"}, vars(acme))
	require.Empty(t, vars(other))
	read := acme.get("/api/v1/vars").is(200)
	require.Equal(t, first.header.Get("ETag"), read.header.Get("ETag"))
	acme.do("PUT", "/api/v1/vars/REGION", map[string]any{"value": "us"}).is(204)
	acme.do("PUT", "/api/v1/vars", map[string]any{"vars": map[string]any{"A": "1"}}, "If-Match", read.header.Get("ETag")).refused(412, "precondition_failed")
	acme.do("PUT", "/api/v1/vars", map[string]any{"vars": map[string]any{"A": "1", "B": "2"}}, "If-Match", acme.get("/api/v1/vars").header.Get("ETag")).is(200)
	require.Equal(t, map[string]any{"A": "1", "B": "2"}, vars(acme))
	acme.do("DELETE", "/api/v1/vars/A", nil).is(204)
	acme.do("DELETE", "/api/v1/vars/A", nil).refused(404, "not_found")
	other.do("DELETE", "/api/v1/vars/B", nil).refused(404, "not_found")
	require.Equal(t, map[string]any{"B": "2"}, vars(acme))
	require.Contains(t, string(acme.get("/api/v1/audit-log").is(200).body), `"vars.update"`)

	// One name is either's.
	acme.do("PUT", "/api/v1/secrets/TOKEN", map[string]any{"value": "s"}).is(204)
	for _, refused := range []answer{
		acme.do("PUT", "/api/v1/vars/TOKEN", map[string]any{"value": "x"}), acme.do("PUT", "/api/v1/vars", map[string]any{"vars": map[string]any{"Z": "1", "TOKEN": "x"}}),
		acme.do("PUT", "/api/v1/secrets/B", map[string]any{"value": "x"}), acme.post("/api/v1/import", map[string]any{"format": "jsruntime.export.v1", "scripts": []any{}, "vars": map[string]any{"TOKEN": "x"}}),
	} {
		refused.refused(409, "name_taken")
	}
	require.Equal(t, map[string]any{"B": "2"}, vars(acme), "all or nothing")
	for i := range 10 {
		var both sync.WaitGroup
		var statuses [2]int
		name := fmt.Sprintf("RACE_%d", i)
		both.Go(func() { statuses[0] = acme.do("PUT", "/api/v1/vars/"+name, map[string]any{"value": "v"}).status })
		both.Go(func() { statuses[1] = acme.do("PUT", "/api/v1/secrets/"+name, map[string]any{"value": "v"}).status })
		both.Wait()
		require.ElementsMatch(t, []int{204, 409}, statuses[:])
	}

	// Limits, and what is no var.
	for body, where := range map[string]string{
		`{"vars": {"A": 1}}`: "body.vars.A", `{"vars": {"9A": "x"}}`: "body.vars.9A", `{"vars": {"a-b": "x"}}`: "body.vars.a-b", `{"vars": {"A": "\u0000"}}`: "body.vars.A", `{"vars": []}`: "body.vars",
		`{"vars": null}`: "body.vars", `{}`: "vars", `{"vars": {}, "other": 1}`: "other", `{"vars": {"A": null}}`: "body.vars.A", `{"A": "x"}`: "A",
	} {
		p := acme.do("PUT", "/api/v1/vars", json.RawMessage(body)).refused(422, "validation_failed")
		require.Contains(t, fmt.Sprint(p["detail"], p["errors"]), where, body)
	}
	acme.do("PUT", "/api/v1/vars/9A", map[string]any{"value": "x"}).refused(422, "validation_failed")
	acme.do("PUT", "/api/v1/vars", map[string]any{"vars": map[string]any{"BIG": strings.Repeat("x", 64<<10)}}).refused(409, "too_many_vars")
	many := map[string]any{}
	for i := range 100 {
		many[fmt.Sprintf("V%d", i)] = "v"
	}
	acme.do("PUT", "/api/v1/vars", map[string]any{"vars": many}).is(200)
	acme.do("PUT", "/api/v1/vars/ONE_MORE", map[string]any{"value": "v"}).refused(409, "too_many_vars")
	acme.do("PUT", "/api/v1/vars", map[string]any{"vars": map[string]any{"B": "2", "C": "3"}}).is(200)

	// They go with an export. An import sets those that it has, and a trial none.
	doc := acme.get("/api/v1/export").is(200)
	other.do("PUT", "/api/v1/vars", map[string]any{"vars": map[string]any{"B": "own", "D": "4"}}).is(200)
	other.do("POST", "/api/v1/import?dry_run=true", doc.body).is(200)
	require.Equal(t, map[string]any{"B": "own", "D": "4"}, vars(other))
	other.do("POST", "/api/v1/import", doc.body).is(200)
	require.Equal(t, map[string]any{"B": "2", "C": "3", "D": "4"}, vars(other))
}
