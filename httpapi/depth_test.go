package httpapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/text"
)

// TestOneDepth: a value may be nested as deep wherever it comes in, and what the API wraps around it is not counted.
func TestOneDepth(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	acme := n.tenant("acme")
	script := acme.script("echo", map[string]any{"type": "embedded", "status": "active"})
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for path, body := range map[string]string{
		"/api/v1/events": `{"type":"a.b","data":%}`, "/api/v1/scripts/" + script + "/executions": `{"input":%}`, "/api/v1/invoke/echo": `%`,
		"/api/v1/scripts/" + script + "/executions?wait=true": `{"input":%}`,
	} {
		most := acme.post(path, json.RawMessage(strings.Replace(body, "%", nested(text.MaxDepth), 1)))
		require.Less(t, most.status, 300, "%s: %s", path, most.body)
		for value, why := range map[string]string{nested(text.MaxDepth + 1): "nested deeper than 512", "1e309": "number out of range"} {
			p := acme.post(path, json.RawMessage(strings.Replace(body, "%", value, 1))).refused(422, "validation_failed")
			require.Contains(t, p["detail"], why, path)
		}
	}
}
