package engine

import (
	"strings"
	"testing"
)

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
