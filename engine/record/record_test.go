package record_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/record"
	"example.com/jsruntime/engine/redact"
	"example.com/jsruntime/engine/text"
)

// httpRun is a request that came over HTTP, and its end.
func httpRun(script *engine.Script) (*engine.Invocation, *engine.Result) {
	inv := &engine.Invocation{
		ExecutionID: uuid.New(), Script: script, Trigger: engine.TriggerHTTP, Handler: engine.HandlerFetch, Attempt: 1,
		Request: &engine.Request{
			Method: "POST", URL: "https://api.example.org/orders/7?a=1&b=2&a=%C3%A9", Headers: []string{"authorization", "Bearer x", "accept", "*/*"},
			Params: map[string]string{"id": "7"}, Body: []byte(`{"n":1}`), HasBody: true,
		},
	}
	return inv, &engine.Result{
		Response: &engine.Response{Status: 201, Headers: []string{"content-type", "text/plain", "Set-Cookie", "s=1"}, Body: []byte("made")}, Began: true,
	}
}

// requests are of the kinds that a client can send.
func requests() map[string]*engine.Request {
	of := func(change func(*engine.Request)) *engine.Request {
		r := &engine.Request{Method: "GET", URL: "https://demo.example.org:8443/users/42/a/b?x=1", Params: map[string]string{"id": "42", "rest": "a/b"}, Headers: []string{"accept", "*/*", "host", "demo.example.org:8443"}}
		change(r)
		return r
	}
	return map[string]*engine.Request{
		"plain":           of(func(*engine.Request) {}),
		"no query":        of(func(r *engine.Request) { r.URL = "http://a.test/" }),
		"empty query":     of(func(r *engine.Request) { r.URL = "http://a.test/?" }),
		"order and forms": of(func(r *engine.Request) { r.URL = "http://a.test/?b=1&a=2&b=3&flag&=&e=&q=a+b%20c%zz%00&&" }),
		"escaped path": of(func(r *engine.Request) {
			r.URL, r.Params = "http://a.test/a%2Fb%20c/100%/%", map[string]string{"id": "a/b c"}
		}),
		"text":               of(func(r *engine.Request) { r.Method, r.Body, r.HasBody = "POST", []byte("é\n\"<"), true }),
		"empty body":         of(func(r *engine.Request) { r.Method, r.Body, r.HasBody = "PUT", []byte{}, true }),
		"binary":             of(func(r *engine.Request) { r.Method, r.Body, r.HasBody = "PUT", []byte{0, 1, 0xff, 0xfe}, true }),
		"JSON":               of(func(r *engine.Request) { r.Method, r.Body, r.HasBody = "POST", []byte(`{"base64":"x","n":1e5}`), true }),
		"latin1 header":      of(func(r *engine.Request) { r.Headers = []string{"x-name", "caf\xe9", "x-tab", "a\tb"} }),
		"claims":             of(func(r *engine.Request) { r.Auth = json.RawMessage(`{"sub":"u1","roles":["a"],"exp":1e9}`) }),
		"no params":          of(func(r *engine.Request) { r.Params = nil }),
		"a method of theirs": of(func(r *engine.Request) { r.Method = "PROPFIND" }),
	}
}

// same compares requests as a script sees them.
func same(t *testing.T, want, got *engine.Request, what string) {
	t.Helper()
	require.Equal(t, want.Method, got.Method, what)
	require.Equal(t, want.URL, got.URL, what)
	require.True(t, maps.Equal(want.Params, got.Params), "%s: %v is not %v", what, got.Params, want.Params)
	require.Equal(t, want.Headers, got.Headers, what)
	require.Equal(t, want.HasBody, got.HasBody, what)
	require.Equal(t, string(want.Body), string(got.Body), what)
	require.Equal(t, string(want.Auth), string(got.Auth), what)
}

// TestRequestsComeBack: what is written is read as it was, from the queue and from history.
func TestRequestsComeBack(t *testing.T) {
	t.Parallel()
	for name, r := range requests() {
		got, err := record.Request(record.RequestJSON(r), "/else")
		require.NoError(t, err, name)
		same(t, r, got, name)

		inv := &engine.Invocation{Script: &engine.Script{}, Trigger: engine.TriggerHTTP, Handler: engine.HandlerFetch, Request: r}
		kept, data := record.Input(inv, nil), record.TriggerData(inv, nil)
		again, redacted, err := record.Replay("fetch", kept, data)
		require.NoError(t, err, name)
		require.Empty(t, redacted, name)
		got, err = record.Request(again, "")
		require.NoError(t, err, name)
		same(t, r, got, name)
	}
}

func FuzzRequest(f *testing.F) {
	f.Add("GET", "/a", "x=1&x=2", "name", "value", []byte("body"))
	f.Add("POST", "/%2F%", "%zz&=&\xff", "x", "caf\xe9", []byte{0, 0xff})
	f.Fuzz(func(t *testing.T, method, path, query, name, value string, body []byte) {
		for _, word := range []string{method, path, query, name} { // the gateway makes no other requests
			if text.Clean(word) != word || strings.ContainsFunc(word, func(r rune) bool { return r < ' ' || r == 0x7f || r == '#' }) {
				t.Skip()
			}
		}
		if method == "" || strings.ToUpper(method) != method || strings.ToLower(name) != name || strings.Contains(path, "?") {
			t.Skip()
		}
		r := &engine.Request{Method: method, URL: "http://a.test/" + path + "?" + query, Headers: []string{name, value}, Params: map[string]string{}, Body: body, HasBody: body != nil}
		got, err := record.Request(record.RequestJSON(r), "")
		require.NoError(t, err)
		same(t, r, got, "")
	})
}

func TestRequestsByHand(t *testing.T) {
	t.Parallel()
	recorded := string(record.RequestJSON(&engine.Request{Method: "GET", URL: "https://a.test/users/42?x=1&y=2", Params: map[string]string{"id": "42"}}))
	for in, want := range map[string]*engine.Request{
		``:                  {Method: "GET", URL: "http://localhost/of/the/script"},
		`{"path":"/a?b=1"}`: {Method: "GET", URL: "http://localhost/a?b=1"},
		`{"path":"/a?b=1","query":{"c":[2,true],"d":null}}`:           {Method: "GET", URL: "http://localhost/a?b=1&c=2&c=true"},
		`{"method":"post","path":"/","body":{"a":1},"query":{"n":5}}`: {Method: "POST", URL: "http://localhost/?n=5", Headers: []string{"content-type", "application/json"}, Body: []byte(`{"a":1}`), HasBody: true},
		`{"headers":{"Content-Type":"text/plain"},"body":[1]}`:        {Method: "GET", URL: "http://localhost/of/the/script", Headers: []string{"content-type", "text/plain"}, Body: []byte(`[1]`), HasBody: true},
		`{"url":"https://a.test/x?b=1&a=2"}`:                          {Method: "GET", URL: "https://a.test/x?b=1&a=2"},
		// A person edits what was recorded.
		strings.Replace(recorded, `"path":"/users/42"`, `"path":"/users/43"`, 1):             {Method: "GET", URL: "https://a.test/users/43?x=1&y=2"},
		strings.Replace(recorded, `"query":{"x":"1","y":"2"}`, `"query":{"x":"3"}`, 1):       {Method: "GET", URL: "https://a.test/users/42?x=3", Params: map[string]string{"id": "42"}},
		strings.Replace(recorded, `"path":"/users/42"`, `"path":"/users/42?z=1"`, 1):         {Method: "GET", URL: "https://a.test/users/42?z=1", Params: map[string]string{"id": "42"}},
		strings.Replace(recorded, `"query":{"x":"1","y":"2"}`, `"query":{"y":2,"x":"1"}`, 1): {Method: "GET", URL: "https://a.test/users/42?x=1&y=2", Params: map[string]string{"id": "42"}},
	} {
		got, err := record.Request(json.RawMessage(in), "/of/the/script")
		require.NoError(t, err, in)
		same(t, want, got, in)
	}
	for in, why := range map[string]string{
		`[]`: "input: must be", `{"path":"x"}`: "input.path: must start", `{"query":{"a":{}}}`: "input.query.a", `{"body":{"base64":"*"}}`: "input.body",
		`{"headers":{"a":{"base64":"*"}}}`: "input.headers.a", `{"url":"/x"}`: "input.url", `{"auth":["u1"]}`: "input.auth: must be", `{"url":"ftp://a/"}`: "input.url", `{"url":"http://u:p@a/"}`: "input.url", `{"path":"/a\nb"}`: "input.path: has",
	} {
		_, err := record.Request(json.RawMessage(in), "")
		require.ErrorContains(t, err, why, in)
	}
}

// TestReplayLacksWhatIsMasked: a credential is absent, and never its mask in its place.
func TestReplayLacksWhatIsMasked(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t-value-of-the-tenant"
	const multipart = "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nx\r\n--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b--\r\n"
	for name, c := range map[string]struct {
		contentType, body, want string
		redacted                []string
	}{
		"JSON":      {"application/json", `{"user":"eva","password":"x","list":[1,"` + secret + `",{"token":"t","n":1.50}],"t":true}`, `{"user":"eva","list":[1,null,{"n":1.50}],"t":true}`, []string{"body.password", "body.list", "body.token"}},
		"form":      {"application/x-www-form-urlencoded", "a=1&password=x&b=%5B2%5D", "a=1&b=%5B2%5D", []string{"body.password"}},
		"multipart": {"multipart/form-data; boundary=b", multipart, "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b--\r\n", []string{"body.password"}},
	} {
		inv, res := httpRun(&engine.Script{})
		res.Secrets = redact.NewValues([]string{secret})
		r := inv.Request
		r.URL = "https://a.test/x?b=1&token=t0ken&a=2&note=" + secret
		r.Headers = []string{"accept", "*/*", "authorization", "Bearer x", "content-length", "999", "content-type", c.contentType, "x-note", "has " + secret}
		r.Body, r.Auth = []byte(c.body), json.RawMessage(`{"sub":"u1","access_token":"t0ken","note":"`+secret+`"}`)
		again, redacted, err := record.Replay("fetch", record.Input(inv, res), record.TriggerData(inv, res))
		require.NoError(t, err, name)
		require.Subset(t, redacted, slices.Concat([]string{"headers.authorization", "headers.x-note", "query.token", "query.note", "auth.access_token", "auth.note"}, c.redacted), name)
		require.NotContains(t, string(again), "redacted", name)
		got, err := record.Request(again, "")
		require.NoError(t, err)
		require.Equal(t, "https://a.test/x?b=1&a=2", got.URL)
		require.Equal(t, c.want, string(got.Body), name)
		require.JSONEq(t, `{"sub":"u1"}`, string(got.Auth), name)
		require.Equal(t, []string{"accept", "*/*", "content-length", lengthOf(c.want), "content-type", c.contentType}, got.Headers, name)

		// The replay can be replayed, and still says what it lacks.
		data, err := json.Marshal(map[string]any{"redacted": redacted})
		require.NoError(t, err)
		twice, named, err := record.Replay("fetch", again, data)
		require.NoError(t, err)
		require.Equal(t, redacted, named)
		require.JSONEq(t, string(again), string(twice))
	}

	inv, res := httpRun(&engine.Script{})
	inv.Request, inv.Handler, inv.Input = nil, engine.HandlerRun, json.RawMessage(`{"apiKey":"k","a":1}`)
	again, redacted, err := record.Replay("run", record.Input(inv, res), record.TriggerData(inv, res))
	require.NoError(t, err)
	require.Equal(t, []string{"input.apiKey"}, redacted)
	require.Equal(t, `{"a":1}`, string(again))
}

func lengthOf(s string) string {
	b, _ := json.Marshal(len(s))
	return string(b)
}

// TestWhatCannotBeReplayed: half of an input, or one with a hole in its text, is another input.
func TestWhatCannotBeReplayed(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t-value-of-the-tenant"
	for name, c := range map[string]struct {
		change func(*engine.Invocation)
		code   string
		said   string
	}{
		"cut":       {func(inv *engine.Invocation) { inv.Request.Body = make([]byte, record.MaxBodyBytes+1) }, "input_truncated", "65537 bytes"},
		"text":      {func(inv *engine.Invocation) { inv.Request.Body = []byte("my " + secret) }, "input_not_kept", "body"},
		"bytes":     {func(inv *engine.Invocation) { inv.Request.Body = []byte("\xff" + secret) }, "input_not_kept", "body"},
		"path":      {func(inv *engine.Invocation) { inv.Request.URL = "http://a.test/" + secret }, "input_not_kept", "path"},
		"array":     {func(inv *engine.Invocation) { inv.Request.Body = []byte(`["` + secret + `"]`) }, "input_not_kept", "body"},
		"no bodies": {func(inv *engine.Invocation) { inv.Script.History = &engine.History{NoBodies: true} }, "input_not_kept", "not on record"},
		"input": {func(inv *engine.Invocation) {
			inv.Request, inv.Input, inv.Handler = nil, json.RawMessage(`"`+secret+`"`), engine.HandlerRun
		}, "input_not_kept", "input"},
		"long input": {func(inv *engine.Invocation) {
			inv.Request, inv.Input, inv.Handler = nil, json.RawMessage(`"`+strings.Repeat("x", record.MaxBodyBytes)+`"`), engine.HandlerRun
		}, "input_truncated", "65538 bytes"},
	} {
		inv, res := httpRun(&engine.Script{})
		res.Secrets = redact.NewValues([]string{secret})
		c.change(inv)
		_, _, err := record.Replay(string(inv.Handler), record.Input(inv, res), record.TriggerData(inv, res))
		var notWhole *record.NotWholeError
		require.ErrorAs(t, err, &notWhole, name)
		require.Equal(t, c.code, notWhole.Code, name)
		require.Contains(t, notWhole.Detail, c.said, name)
	}
}

// TestShown: rows of the queue have credentials, and their readers do not see them.
func TestShown(t *testing.T) {
	t.Parallel()
	whole := record.RequestJSON(&engine.Request{
		Method: "POST", URL: "https://a.test/x?token=t0ken1&a=1", Headers: []string{"x-api-key", "k3y1", "accept", "*/*"},
		Body: []byte(`{"password":"pa55","a":1}`), HasBody: true,
	})
	shown := string(record.Shown("fetch", whole, redact.Rules{}))
	for _, credential := range []string{"t0ken1", "k3y1", "pa55"} {
		require.NotContains(t, shown, credential)
	}
	require.Contains(t, shown, `\"a\":1`)
	require.Contains(t, shown, `"accept":"*/*"`)
	require.JSONEq(t, `{"path":"/a","body":{"password":"[redacted]"},"body_truncated":true}`,
		string(record.Shown("fetch", json.RawMessage(`{"path":"/a","body":{"password":"x"},"body_truncated":true}`), redact.Rules{})), "what was not given is not made up")
	require.JSONEq(t, `{"password":"[redacted]"}`, string(record.Shown("run", json.RawMessage(`{"password":"x"}`), redact.Rules{})))
}

func TestOutputIsCutWithAMark(t *testing.T) {
	t.Parallel()
	inv, res := httpRun(&engine.Script{})
	res.Response.Body = []byte(strings.Repeat("é", record.MaxBodyBytes))
	var out struct {
		Body          string `json:"body"`
		BodyTruncated bool   `json:"body_truncated"`
		BodyBytes     int    `json:"body_bytes"`
	}
	require.NoError(t, json.Unmarshal(record.Output(inv, res), &out))
	require.True(t, out.BodyTruncated)
	require.Equal(t, 2*record.MaxBodyBytes, out.BodyBytes)
	require.Equal(t, strings.Repeat("é", record.MaxBodyBytes/2), out.Body)
}

func TestInputsOfTriggers(t *testing.T) {
	t.Parallel()
	at, cron := time.UnixMilli(1_700_000_000_000), "* * * * *"
	require.JSONEq(t, `{"id":"e","type":"a.b","time":"2023-11-14T22:13:20Z","data":{"x":1}}`, string(record.EventInput("e", "a.b", at, json.RawMessage(`{"x":1}`))))
	scheduled := record.ScheduledInput(&cron, "UTC", at)
	require.JSONEq(t, `{"cron":"* * * * *","scheduledTime":1700000000000,"timezone":"UTC"}`, string(scheduled))
	require.JSONEq(t, `{"cron":"x","scheduledTime":1700000000000,"timezone":"UTC","more":1}`, string(record.Completed(json.RawMessage(`{"cron":"x","more":1}`), scheduled)))
	require.Equal(t, `5`, string(record.Completed(json.RawMessage(`5`), scheduled)))
	require.Equal(t, scheduled, record.Completed(nil, scheduled))
}
