package httpapi_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a program puts by the API is what scripts read, under the bounds of scripts, and on record without its value.
func TestKV(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	n.operator().post("/api/v1/tenants", map[string]any{"slug": "acme", "name": "Acme", "plan": map[string]any{"max_kv_bytes": 70_000}}).is(201)
	n.tenant("other")
	acme, viewer, other := n.key("acme", "developer"), n.key("acme", "viewer"), n.key("other", "admin")

	path := func(key string) string { return "/api/v1/kv/" + url.PathEscape(key) }
	keys := []string{"a", "cart/1", "cart/2 é?#%", "cart/🙂", strings.Repeat("x", 512), "..", "a+b"}
	for i, key := range keys {
		acme.do("PUT", path(key), map[string]any{"value": map[string]any{"n": i}, "metadata": key[:1]}).is(204)
		got := acme.get(path(key)).is(200).json()
		require.Equal(t, key, got["key"])
		require.Equal(t, map[string]any{"n": float64(i)}, got["value"])
		require.Equal(t, key[:1], got["metadata"])
		require.Nil(t, got["expires_at"])
		require.EqualValues(t, len(`{"n":1}`)+3, got["size_bytes"])
	}
	// The text stays as it came: the order of members and numbers beyond a double.
	acme.do("PUT", path("raw"), `{"value": {"b": 1, "a": 12345678901234567890}, "metadata": null, "expiration_ttl": 60}`).is(204)
	raw := acme.get(path("raw")).is(200)
	require.Contains(t, string(raw.body), `"value":{"b":1,"a":12345678901234567890}`)
	require.Nil(t, raw.json()["metadata"])
	require.NotNil(t, raw.json()["expires_at"])

	// Lists are in the order of the keys' bytes, page by page, and of one tenant.
	var listed []string
	cursor := ""
	for {
		page := acme.get("/api/v1/kv?limit=3&prefix=" + cursor).is(200)
		for _, item := range page.items() {
			require.NotContains(t, item, "value")
			listed = append(listed, item["key"].(string))
		}
		next, more := page.json()["next_cursor"].(string)
		if !more {
			break
		}
		cursor = "&cursor=" + next
	}
	require.Equal(t, []string{"..", "a", "a+b", "cart/1", "cart/2 é?#%", "cart/🙂", "raw", strings.Repeat("x", 512)}, listed)
	require.Len(t, acme.get("/api/v1/kv?prefix=cart%2F").items(), 3)
	one := acme.get("/api/v1/kv?limit=1").str("next_cursor")
	acme.get("/api/v1/kv?prefix=a&cursor="+one).refused(400, "invalid_cursor")
	other.get("/api/v1/kv?cursor="+one).refused(400, "invalid_cursor")
	require.Empty(t, other.get("/api/v1/kv").items())
	other.get(path("a")).refused(404, "not_found")
	other.del(path("a")).refused(404, "not_found")
	viewer.get("/api/v1/kv").refused(403, "forbidden")
	viewer.get(path("a")).refused(403, "forbidden")

	// Faults name the field and the limit.
	require.Contains(t, acme.do("PUT", path("k"), map[string]any{"value": strings.Repeat("x", 70_000)}).refused(422, "kv_value_too_large")["detail"], "body.value: is 70002 bytes of JSON, the limit of a kv value is 65536 bytes")
	require.Contains(t, acme.do("PUT", path("k"), map[string]any{"value": 1, "metadata": strings.Repeat("x", 1100)}).refused(422, "kv_value_too_large")["detail"], "body.metadata: is 1102 bytes")
	for field, body := range map[string]string{
		"required property value": `{}`, "body.expiration_ttl": `{"value":1,"expiration_ttl":0}`, "body.expirationTtl": `{"value":1,"expirationTtl":60}`, "body.value": `{"value":"\ud800"}`,
	} {
		require.Contains(t, fmt.Sprint(acme.do("PUT", path("k"), body).refused(422, "validation_failed")["errors"]), field)
	}
	require.Contains(t, acme.do("PUT", path(strings.Repeat("é", 300)), map[string]any{"value": 1}).refused(422, "validation_failed")["detail"], "path.key: must be at most 512 bytes")
	acme.do("PUT", path("full"), map[string]any{"value": strings.Repeat("x", 60_000)}).is(204)
	require.Contains(t, acme.do("PUT", path("k"), map[string]any{"value": strings.Repeat("x", 20_000)}).refused(507, "storage_quota_exceeded")["detail"], "may hold 70000 (max_kv_bytes)")
	acme.get(path("k")).refused(404, "not_found")

	acme.del(path("a")).is(204)
	acme.del(path("a")).refused(404, "not_found")
	audit := n.key("acme", "admin").get("/api/v1/audit-log?object_type=kv&limit=200").is(200)
	require.Len(t, audit.items(), len(keys)+3)
	require.Equal(t, []any{"kv.delete", "a"}, []any{audit.items()[0]["action"], audit.items()[0]["object_id"]})
	require.NotContains(t, string(audit.body), "12345678901234567890")
}
