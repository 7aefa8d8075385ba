package engine

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestCleanOutput(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                            "null",
		`{"a":[true,false,null,1e3]}`: `{"a":[true,false,null,1e3]}`,
		`"a\u0000b"`:                  `"a\ufffdb"`,
		`{"\u0000":"\ud800"}`:         `{"\ufffd":"\ufffd"}`,
		`"\ud83d\ude00"`:              `"\ud83d\ude00"`,
		`"\ude00\ud83d"`:              `"\ufffd\ufffd"`,
		`"\ud83dx"`:                   `"\ufffdx"`,
		`"\ud83d\u0000"`:              `"\ufffd\ufffd"`,
		`"\\u0000"`:                   `"\\u0000"`,
		`"\\\u0000"`:                  `"\\\ufffd"`,
		"\"\xff\"":                    "\"\uFFFD\"",
		`"1e99999999"`:                `"1e99999999"`,
	} {
		got, bad := cleanOutput([]byte(in))
		require.Empty(t, bad, in)
		require.Equal(t, want, string(got), in)
	}
	for _, in := range []string{
		`{`, `undefined`, `"a`, `1 2`, "\"\x00\"", strings.Repeat("[", 600) + strings.Repeat("]", 600), `1e99999`, `[1E+0099999]`,
	} {
		_, bad := cleanOutput([]byte(in))
		require.NotEmpty(t, bad, in)
	}
}

func FuzzCleanOutput(f *testing.F) {
	for _, s := range []string{`"\u0000"`, `"\ud800\udc00"`, `"\ud800"`, `{"a":[1e5,"\\u0000"]}`, "\"\xff\"", `[[[]]]`, `nullx`, `"\`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		out, bad := cleanOutput(in)
		if bad != "" {
			return
		}
		if !json.Valid(out) || !utf8.Valid(out) {
			t.Fatalf("%q became %q", in, out)
		}
		var v any
		d := json.NewDecoder(strings.NewReader(string(out)))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		var walk func(any)
		walk = func(v any) {
			switch v := v.(type) {
			case string:
				if strings.ContainsRune(v, 0) {
					t.Fatalf("%q keeps a NUL: %q", in, out)
				}
			case []any:
				for _, e := range v {
					walk(e)
				}
			case map[string]any:
				for k, e := range v {
					walk(k)
					walk(e)
				}
			}
		}
		walk(v)
		again, bad := cleanOutput(out)
		if bad != "" || string(again) != string(out) {
			t.Fatalf("%q is not stable: %q", out, again)
		}
	})
}

func TestCleanText(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a\uFFFDb\uFFFD", cleanText("a\x00b\xff", 100))
	long := cleanText(strings.Repeat("é", 100), 51)
	require.LessOrEqual(t, len(long), 51)
	require.True(t, utf8.ValidString(long))
	require.Contains(t, long, "truncated")
}

func FuzzCleanHead(f *testing.F) {
	f.Add(200, []byte("a\nb\n"))
	f.Add(200, []byte("a\nb\nset-cookie\nc; domain=x"))
	f.Add(101, []byte(""))
	f.Add(599, []byte("\n\n"))
	f.Fuzz(func(t *testing.T, status int, raw []byte) {
		status, headers, bad := cleanHead(status, raw)
		if bad != "" {
			return
		}
		if status < 200 || status > 599 || len(headers)%2 != 0 || len(headers) > 2*maxResponseHeaders {
			t.Fatal(status, headers)
		}
		for i := 0; i < len(headers); i += 2 {
			if !isToken(headers[i]) || strings.ContainsAny(headers[i+1], "\r\n\x00") {
				t.Fatalf("%q: %q", headers[i], headers[i+1])
			}
		}
	})
}
