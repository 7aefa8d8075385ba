package redact_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/redact"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "set-cookie2", "X-Api-Key", "api-key", "apikey", "x-auth-token", "X-Access-Token",
		"X-Csrf-Token", "x-session-id", "X-Hub-Signature-256", "Stripe-Signature", "x-amz-security-token", "x-goog-iap-jwt-assertion", "x-goog-api-key",
		"x-webhook-secret", "PRIVATE-TOKEN", "x-vault-token", "Cf-Access-Jwt-Assertion", "Ocp-Apim-Subscription-Key", "x-functions-key", "DPoP", "x-password",
		"x-shopify-access-token", "x-gitlab-token", "svix-signature", "x-client-secret", "x-ms-token-aad-access-token", "x-ratelimit-secret", "x-otp",
	} {
		require.True(t, redact.Header(name), name)
	}
	for _, name := range []string{
		"Host", "Accept", "User-Agent", "content-type", "content-length", "X-Forwarded-For", "idempotency-key", "x-request-id", "Origin", "Referer",
		"traceparent", "x-github-event", "www-authenticate", "cache-control", "keep-alive",
	} {
		require.False(t, redact.Header(name), name)
	}
	for _, name := range []string{
		"password", "Password", "user_password", "newPassword", "passwd", "secret", "client_secret", "clientSecret", "token", "access_token", "accessToken",
		"refresh-token", "id_token", "accesstoken", "api_key", "apiKey", "APIKey", "private_key", "privateKey", "signature", "sig", "X-Amz-Signature", "X-Amz-Credential", "jwt", "otp",
		"cvv", "session_id", "sessionId", "authorization", "credentials", "aws_secret_access_key", "webhookSecret", "pin", "pin_code", "passphrase", "auth_token", "pass",
	} {
		require.True(t, redact.Field(name), name)
	}
	for _, name := range []string{
		"key", "name", "keyword", "monkey", "max_tokens", "prompt_tokens", "total_tokens", "token_type", "password_required", "author", "code", "passport", "compass",
		"spin", "shipping", "secretary", "state", "session", "message", "tokenizer",
	} {
		require.False(t, redact.Field(name), name)
	}
	for _, name := range []string{"token", "key", "sig", "signature", "code", "access_token", "X-Amz-Signature", "X-Amz-Security-Token", "X-Goog-Signature", "api_key", "session", "AWSAccessKeyId", "hmac"} {
		require.True(t, redact.Param(name), name)
	}
	for _, name := range []string{"q", "page", "keyword", "id", "state", "postcode", "sort"} {
		require.False(t, redact.Param(name), name)
	}
}

const pem = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\nMzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNbvJZHtCSuYEvu\n-----END PRIVATE KEY-----\n"

func TestValues(t *testing.T) {
	t.Parallel()
	odd := `p"w\d é&1`
	v := redact.NewValues([]string{"sk_live_51abcdef", odd, pem, "short", "sk_live_51abcdef-longer"})
	for _, c := range []struct{ text, want string }{
		{"key is sk_live_51abcdef.", "key is [redacted]."},
		{"x sk_live_51abcdef-longer y", "x [redacted] y"},
		{"short stays", "short stays"},
		{"json " + string(mustJSON(odd)), `json "[redacted]"`},
		{"query " + url.QueryEscape(odd) + " path " + url.PathEscape(odd), "query [redacted] path [redacted]"},
		{"all of it: " + pem, "all of it: [redacted]"},
		{"its JSON " + string(mustJSON(pem)), `its JSON "[redacted]"`},
		{"one line MzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNbvJZHtCSuYEvu", "one line [redacted]"},
		{"a key jsr_abcdefgh_ABCDEFGHIJKLMNOPQRSTUVWX of ours", "a key [redacted] of ours"},
		{"the prefix jsr_abcdefgh", "the prefix jsr_abcdefgh"},
	} {
		require.Equal(t, c.want, v.Plain(c.text))
	}
	// Cut off: no piece of 64 bytes is left.
	cut := v.Plain(pem[:len(pem)/2])
	require.Less(t, len(cut), 64+2*len(redact.Mask))
	require.NotContains(t, v.Plain("Basic "+base64.StdEncoding.EncodeToString([]byte("sk_live_51abcdef:"))), "c2tfbGl2ZV81MWFiY2Rl")
	var none *redact.Values
	require.Equal(t, "plain", none.Plain("plain"))
	require.Nil(t, redact.NewValues([]string{"a", ""}))
}

func mustJSON(v any) []byte {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
	return []byte(strings.TrimSpace(b.String()))
}

// TestSecretsAtEveryPlace: texts are looked at in one place of four, and a secret is found wherever it stands.
func TestSecretsAtEveryPlace(t *testing.T) {
	t.Parallel()
	var alike []string // more than are compared for the same beginning
	for i := range 30 {
		alike = append(alike, fmt.Sprintf("alike%02d", i))
	}
	secrets := append([]string{"sixsix", "seven77", `quo"ted\secret`, strings.Repeat("0123456789", 20), "été-été"}, alike...)
	v := redact.NewValues(secrets)
	for _, secret := range secrets {
		for before := range 9 {
			for after := range 3 {
				text := strings.Repeat("s", before) + secret + strings.Repeat("x", after)
				require.NotContains(t, v.Plain(text), secret)
				doc := mustJSON(map[string]any{"note": text, "n": 1})
				masked, names := redact.Rules{Values: v}.JSON(doc)
				require.NotEqual(t, string(doc), string(masked), text)
				require.Equal(t, []string{"note"}, names)
				body, _ := redact.Rules{Values: v}.Body("text/plain", []byte(text))
				require.NotContains(t, string(body), secret)
			}
		}
	}
	require.Equal(t, `"[redacted]"`, maskedJSON(v, `"sixsi\u0078"`), "written with an escape")
	require.Equal(t, `"sixsi"`, maskedJSON(v, `"sixsi"`))
}

func maskedJSON(v *redact.Values, doc string) string {
	masked, _ := redact.Rules{Values: v}.JSON([]byte(doc))
	return string(masked)
}

// TestMaskingLeavesMemoryAlone: a document in which nothing is masked is looked through as it is, however many members it has.
func TestMaskingLeavesMemoryAlone(t *testing.T) {
	doc := []byte(`{"name":"bench","items":[` + strings.Repeat(`{"id":17,"title":"item number 17","tags":["a","b"],"price":17.5},`, 100) + `{}]}`)
	for _, v := range []*redact.Values{nil, redact.NewValues([]string{"sk_live_51abcdef"})} {
		require.Zero(t, testing.AllocsPerRun(10, func() { redact.Rules{Values: v}.JSON(doc) }))
	}
	require.Zero(t, testing.AllocsPerRun(10, func() { redact.Field("customerReferenceNumber") }))
}

func TestText(t *testing.T) {
	t.Parallel()
	v := redact.NewValues([]string{"hunter2hunter2"})
	for _, c := range []struct{ text, want string }{
		{"got https://api.example.org/cb?code=abc123&state=7", "got https://api.example.org/cb?code=[redacted]&state=7"},
		{"GET /x?X-Amz-Signature=0a1b&page=2 200", "GET /x?X-Amz-Signature=[redacted]&page=2 200"},
		{`{"user":"eva","password":"let me in","n":1}`, `{"user":"eva","password":"[redacted]","n":1}`},
		{`{ authorization: 'Bearer eyJ.a.b', accept: '*/*' }`, `{ authorization: '[redacted]', accept: '*/*' }`},
		{"authorization: Bearer eyJhbGciOi.x.y next", "authorization: Bearer [redacted] next"},
		{"sent Bearer abc123DEF456", "sent Bearer [redacted]"},
		{"Basic dXNlcjpwYXNz!", "Basic [redacted]"},
		{"password=opensesame", "password=[redacted]"},
		{"it was hunter2hunter2", "it was [redacted]"},
		{`{"a":"{\"token\":\"t0\",\"b\":1}"}`, `{"a":"{\"token\":\"[redacted]\",\"b\":1}"}`},
		{"x-api-key: k-12345678", "x-api-key: [redacted]"},
		// Ordinary sentences stay.
		{"Unexpected token: expected a string", "Unexpected token: expected a string"},
		{"Basic auth is off, token: missing", "Basic auth is off, token: missing"},
		{"at handler (source.ts:12:5)", "at handler (source.ts:12:5)"},
		{"total_tokens: 12345678", "total_tokens: 12345678"},
		{"token = undefined", "token = undefined"},
		{"", ""},
		{"password=", "password="},
		{`"token":"`, `"token":"`},
	} {
		require.Equal(t, c.want, v.Text(c.text), c.text)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	path := func(text string) []string {
		p, ok := redact.ParsePath(text)
		require.True(t, ok, text)
		return p[1:]
	}
	r := redact.Rules{
		Values: redact.NewValues([]string{"hunter2hunter2", "1234567890"}),
		Paths:  [][]string{path("$.input.items[*].card"), path("$.input.person"), path("$.input.*.iban"), path(`$.input["a b"]`)},
	}
	for _, c := range []struct{ doc, want string }{
		{`{"user":"eva","password":"x","deep":[{"Client-Secret":["a",{"b":2,"c":true,"d":null}]}]}`,
			`{"user":"eva","password":"[redacted]","deep":[{"Client-Secret":["[redacted]",{"b":"[redacted]","c":true,"d":null}]}]}`},
		{`{"items":[{"card":"4111"},{"card":5,"n":6}],"person":{"name":"x"},"x":{"iban":"DE"},"a b":"c"}`,
			`{"items":[{"card":"[redacted]"},{"card":"[redacted]","n":6}],"person":{"name":"[redacted]"},"x":{"iban":"[redacted]"},"a b":"[redacted]"}`},
		{`["it is hunter2hunter2",1234567890,{"hunter2hunter2":"k"}]`, `["it is [redacted]","[redacted]",{"hunter2hunter2":"k"}]`},
		{`{"token":"cut off he`, `{"token":"[redacted]"`},
		{`{"pass\u0077ord":"x"}`, `{"pass\u0077ord":"[redacted]"}`},
		{`{"token":""}`, `{"token":""}`},
		{strings.Repeat(`{"x":[`, 20) + `{"token":"y","n":1},"z"` + strings.Repeat(`],"pin":7}`, 20),
			strings.Repeat(`{"x":[`, 20) + `{"token":"[redacted]","n":1},"z"` + strings.Repeat(`],"pin":"[redacted]"}`, 20)},
		{`"plain"`, `"plain"`},
		{`{"a":`, `{"a":`},
		{`]]}}"`, `]]}}"`},
		{``, ``},
	} {
		got, _ := r.JSON([]byte(c.doc))
		require.Equal(t, c.want, string(got))
	}
	_, names := r.JSON([]byte(`{"password":"a","x":{"password":"b","apiKey":"c"}}`))
	require.Equal(t, []string{"password", "apiKey"}, names)
	_, names = r.JSON([]byte(`{"note":["x hunter2hunter2"]}`))
	require.Equal(t, []string{"note"}, names, "an element is named after its array")
	for _, bad := range []string{"", "$", "input.a", "$.other.a", "$.input..a", "$.input[", "$.input[?(@.a)]", "$.input.a b"} {
		_, ok := redact.ParsePath(bad)
		require.False(t, ok, bad)
	}
}

func TestBody(t *testing.T) {
	t.Parallel()
	r := redact.Rules{Values: redact.NewValues([]string{"hunter2hunter2"})}
	multi := "--B\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\neva\r\n--B\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nopen\r\n--B--\r\n"
	for _, c := range []struct{ media, body, want string }{
		{"application/json", `{"password":"x"}`, `{"password":"[redacted]"}`},
		{"text/plain", ` {"password":"x"}`, ` {"password":"[redacted]"}`},
		{"", `{"password":"x"}`, `{"password":"[redacted]"}`},
		{"application/x-www-form-urlencoded; charset=utf-8", "user=eva&password=a%26b&code=1", "user=eva&password=%5Bredacted%5D&code=1"},
		{"application/x-www-form-urlencoded", "grant_type=authorization_code&code=1", "grant_type=authorization_code&code=%5Bredacted%5D"},
		{"multipart/form-data; boundary=B", multi, strings.Replace(multi, "open", redact.Mask, 1)},
		{"text/csv", "a,hunter2hunter2", "a,[redacted]"},
		{"application/octet-stream", "\xff\x00", "\xff\x00"},
	} {
		got, _ := r.Body(c.media, []byte(c.body))
		require.Equal(t, c.want, string(got))
	}
}

// FuzzMask: whatever comes, nothing panics, a valid document stays valid, and no secret is left in its strings.
func FuzzMask(f *testing.F) {
	for _, s := range []string{`{"a":"hunter2hunter2"}`, `[1,{"token":{"x":"y"}}]`, `{"\u0074oken":"\ud83d"}`, `"\"`, `{"a":1e5,}`} {
		f.Add(s)
	}
	r := redact.Rules{Values: redact.NewValues([]string{"hunter2hunter2"}), Paths: [][]string{{"a"}, {"b", "c"}}}
	f.Fuzz(func(t *testing.T, in string) {
		_ = r.Values.Text(in)
		_, _ = r.Query(in, redact.Param)
		_, _ = r.Body("multipart/form-data; boundary=B", []byte(in))
		out, _ := r.JSON([]byte(in))
		if json.Valid([]byte(in)) {
			if !json.Valid(out) {
				t.Fatalf("%q became %q", in, out)
			}
			var text string
			if json.Unmarshal(out, &text) == nil && strings.Contains(text, "hunter2hunter2") {
				t.Fatalf("%q is in %q", "hunter2hunter2", out)
			}
		}
	})
}

// What masking costs: an ordinary line, and the worst that a hostile tenant can make, with 100 secrets of 32 KiB that begin alike.
func BenchmarkMask(b *testing.B) {
	ordinary := redact.NewValues([]string{"sk_live_51abcdefghijklmnop", "whsec_0123456789", "postgres://user:password@host/db"})
	var alike []string
	for i := range 100 {
		alike = append(alike, strings.Repeat("a", 1000+i)+"b")
	}
	hostile := redact.NewValues(alike)
	line := strings.Repeat("order 17 was paid by customer 42 in 12 ms; ", 4)
	body := []byte(`{"order":17,"customer":{"name":"Eva","city":"Köln"},"items":[{"sku":"a-1","n":2},{"sku":"b-2","n":1}],"note":"` + strings.Repeat("x", 800) + `"}`)
	for _, c := range []struct {
		name string
		size int
		do   func()
	}{
		{"text", len(line), func() { ordinary.Text(line) }},
		{"json", len(body), func() { redact.Rules{Values: ordinary}.JSON(body) }},
		{"hostile", 64 << 10, func() { hostile.Plain(strings.Repeat("a", 64<<10)) }},
		{"header", 20, func() { redact.Header("x-forwarded-host") }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(c.size))
			b.ReportAllocs()
			for b.Loop() {
				c.do()
			}
		})
	}
}

// A form's field is found under the name that formData gives it, however its disposition is written.
func TestFieldsOfForms(t *testing.T) {
	t.Parallel()
	for disposition, masked := range map[string]bool{
		`form-data; name="password"`: true, `form-data; name=password`: true, `form-data; NAME = "password" ; junk`: true, `form-data; name="password"; filename=a b`: true,
		`form-data; filename="dir\"; name="password"`: true, `form-data; filename="x; name=a"; name="password"`: true, `form-data; name="password`: true,
		`form-data; name="password"; name="a"`: true, `form-data; name="a"; name="password"`: false, `form-data; xname="password"`: false,
		`form-data; name="a\"; filename="password"`: false, `form-data`: false, `form-data; name`: false, `;;=;`: false,
	} {
		form := "--B\r\nContent-Disposition: " + disposition + "\r\n\r\nopen\r\n--B--\r\n"
		got, _ := redact.Rules{}.Body("multipart/form-data; boundary=B", []byte(form))
		require.Equal(t, masked, !strings.Contains(string(got), "open"), disposition)
	}
}
