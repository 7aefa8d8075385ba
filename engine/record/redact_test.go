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

func TestInputsAreCutAsOutputs(t *testing.T) {
	t.Parallel()
	inv, res := httpRun(&engine.Script{})
	inv.Request.Body = []byte(strings.Repeat("é", record.MaxBodyBytes))
	var in struct {
		Body      string `json:"body"`
		Truncated bool   `json:"body_truncated"`
		Bytes     int    `json:"body_bytes"`
	}
	require.NoError(t, json.Unmarshal(record.Input(inv, res), &in))
	require.True(t, in.Truncated)
	require.Equal(t, 2*record.MaxBodyBytes, in.Bytes)
	require.Equal(t, strings.Repeat("é", record.MaxBodyBytes/2), in.Body)
	require.JSONEq(t, `{"method":"POST","path":"/orders/7","redacted":["headers.authorization"],"input_truncated":true,"input_bytes":131072}`,
		string(record.TriggerData(inv, res)))

	// A run without a request.
	inv.Request, inv.Trigger, inv.Input = nil, engine.TriggerAPI, json.RawMessage(`{"password":"x","a":"`+strings.Repeat("y", 3*record.MaxBodyBytes)+`"}`)
	kept := record.Input(inv, res)
	require.Less(t, len(kept), record.MaxBodyBytes+200)
	require.NotContains(t, string(kept), `\"x\"`)
	require.Contains(t, string(record.TriggerData(inv, res)), `"input_truncated":true`)
	_, _, ok := record.EndedInput(inv, res, false)
	require.False(t, ok, "its next attempt needs the whole input")
	input, data, ok := record.EndedInput(inv, res, true)
	require.True(t, ok)
	require.Equal(t, kept, input)
	require.JSONEq(t, `{"redacted":["input.password"],"input_truncated":true,"input_bytes":196631}`, string(data))
}

// TestCredentialsStayOut sends one of each kind, in each place.
func TestCredentialsStayOut(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t-value-of-the-tenant"
	inv, res := httpRun(&engine.Script{History: &engine.History{Redact: paths(t, "$.input.headers.x-order", "$.input.body.card.number", "$.output.body.iban")}})
	inv.Request.URL = "https://api.example.org/cb/" + secret + "?code=c0de1&x=1&access_token=t0ken1&note=" + secret
	inv.Request.Headers = []string{
		"authorization", "Bearer b3arer1", "x-hub-signature-256", "sha256=s1gn1", "x-amz-security-token", "amz1", "x-order", "0rder1",
		"referer", "https://a.example/?token=ref3rer1", "x-note", secret, "accept", "*/*", "content-type", "application/json",
	}
	inv.Request.Body = []byte(`{"user":"eva","password":"pa55w0rd1","card":{"number":"4111","month":1},"deep":[{"apiKey":"k3y1"}],"note":"` + secret + `"}`)
	res.Secrets = redact.NewValues([]string{secret})
	res.Response.Headers = []string{"set-cookie", "c00kie1", "location", "https://b.example/?sig=s1g2"}
	res.Response.Body = []byte(`{"access_token":"t0ken2","iban":"DE1","text":"` + secret + `"}`)
	input, output, data := string(record.Input(inv, res)), string(record.Output(inv, res)), string(record.TriggerData(inv, res))
	for _, credential := range []string{
		secret, "c0de1", "t0ken1", "b3arer1", "s1gn1", "amz1", "0rder1", "ref3rer1", "pa55w0rd1", "4111", "k3y1", "c00kie1", "s1g2", "t0ken2", "DE1",
	} {
		require.NotContains(t, input+output+data, credential)
	}
	for _, kept := range []string{`"x":"1"`, `*/*`, `\"user\":\"eva\"`, `\"month\":1`} {
		require.Contains(t, input, kept)
	}
	var told struct{ Redacted []string }
	require.NoError(t, json.Unmarshal([]byte(data), &told))
	require.Equal(t, []string{"path", "headers.authorization", "headers.x-hub-signature-256", "headers.x-amz-security-token", "headers.x-order",
		"headers.referer", "headers.x-note", "query.code", "query.access_token", "query.note", "body.password", "body.number", "body.apiKey", "body.note"}, told.Redacted)
	require.Equal(t, []byte(`{"access_token":"t0ken2","iban":"DE1","text":"`+secret+`"}`), res.Response.Body, "the client's response is not touched")

	_, _, err := record.Replay("fetch", json.RawMessage(input), json.RawMessage(data))
	var notWhole *record.NotWholeError
	require.ErrorAs(t, err, &notWhole, "the path held a secret, and another path is another request")
	require.Equal(t, "input_not_kept", notWhole.Code)
}

func paths(t *testing.T, texts ...string) (out []redact.Path) {
	t.Helper()
	for _, text := range texts {
		p, ok := redact.ParsePath(text)
		require.True(t, ok, text)
		out = append(out, p)
	}
	return out
}

// TestEndedInput: what stays of the input of a run of the queue is its author's choice, after each attempt.
func TestEndedInput(t *testing.T) {
	t.Parallel()
	inv, res := httpRun(&engine.Script{})
	inv.Request, inv.Trigger, inv.Input = nil, engine.TriggerEvent, json.RawMessage(`{"id":"e","data":{"card":"4111","n":1}}`)
	for name, c := range map[string]struct {
		history     *engine.History
		input, data string
		ok          bool
	}{
		"all":       {nil, ``, ``, false},
		"no bodies": {&engine.History{NoBodies: true}, ``, `{"bodies":false}`, true},
		"masked":    {&engine.History{Redact: paths(t, "$.input.data.card")}, `{"id":"e","data":{"card":"[redacted]","n":1}}`, `{"redacted":["input.card"]}`, true},
		"elsewhere": {&engine.History{Redact: paths(t, "$.input.data.iban", "$.output.card")}, ``, ``, false},
	} {
		inv.Script = &engine.Script{History: c.history}
		for _, forGood := range []bool{false, true} {
			input, data, ok := record.EndedInput(inv, res, forGood)
			require.Equal(t, []any{c.input, c.data, c.ok}, []any{string(input), string(data), ok}, name)
		}
	}
}
