package record_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/record"
	"example.com/jsruntime/engine/redact"
)

// TestCallBodies: a fetch that is on record can be answered again, to the byte, without the credentials that it had.
func TestCallBodies(t *testing.T) {
	t.Parallel()
	secrets := redact.NewValues([]string{"s3cretvalue"})
	reply := json.RawMessage(`{"status":201,"statusText":"Made","headers":[["content-type","application/json"],["set-cookie","a=1"],["x-note","it is s3cretvalue"]],"url":"https://u:p@example.com/a?key=k3y&b=s3cretvalue#f","redirected":true,"hasBody":true}`)
	for name, body := range map[string]string{"text": `{"n":1,"token":"t0ken9xyz"}`, "binary": "\x00\xff\x1b", "empty": ""} {
		kept := record.AppendCallBodies(nil, &engine.Call{Bodies: &engine.CallBodies{
			RequestType: "application/json", Request: []byte(`{"password":"p4ss","q":2}`), Response: reply, Body: []byte(body),
		}}, secrets)
		require.True(t, json.Valid(kept), name)
		for _, credential := range []string{"s3cretvalue", "p4ss", "t0ken9xyz", "k3y", "u:p", "a=1"} {
			require.NotContains(t, string(kept), credential, name)
		}
		got, err := record.ReadCall(kept)
		require.NoError(t, err)
		require.JSONEq(t, `{"password":"[redacted]","q":2}`, string(got.Request))
		require.Equal(t, string(record.CallRequest("application/json", []byte(`{"password":"other","q":2}`), secrets)), string(got.Request), "as another run sends it")
		want := body
		if name == "text" {
			want = `{"n":1,"token":"[redacted]"}`
		}
		require.Equal(t, want, string(got.Reply.Body), name)
		require.JSONEq(t, `{"status":201,"statusText":"Made","headers":[["content-type","application/json"],["set-cookie","[redacted]"],["x-note","it is [redacted]"]],
			"url":"https://example.com/a?key=%5Bredacted%5D&b=%5Bredacted%5D","redirected":true,"hasBody":true}`, string(got.Reply.Payload))
	}
	none := record.AppendCallBodies(nil, &engine.Call{Bodies: &engine.CallBodies{Response: json.RawMessage(`{"status":204}`), NoRequest: true}}, nil)
	got, err := record.ReadCall(none)
	require.NoError(t, err)
	require.Nil(t, got.Request, "any matches")
	require.Contains(t, string(got.Reply.Payload), `"hasBody":false`)
	long := record.AppendCallBodies(nil, &engine.Call{Bodies: &engine.CallBodies{Response: json.RawMessage(`{"status":200,"hasBody":true}`), NoBody: true}}, nil)
	for _, stored := range []json.RawMessage{nil, long, json.RawMessage(`{}`), json.RawMessage(`[]`), json.RawMessage(`{"response":{"body":{"base64":"?"}}}`)} {
		_, err := record.ReadCall(stored)
		require.Error(t, err, string(stored))
	}
	require.Empty(t, record.AppendCallBodies(nil, &engine.Call{}, nil))
	require.Empty(t, record.AppendCallBodies(nil, &engine.Call{Bodies: &engine.CallBodies{Response: json.RawMessage(strings.Repeat("[", 10))}}, nil))
}
