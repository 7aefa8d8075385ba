package record_test

import (
	"fmt"
	"strings"
	"testing"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/record"
	"example.com/jsruntime/engine/redact"
)

// What keeping a JSON body of 10 KB costs, without and with secrets of the tenant.
func BenchmarkAppendInput(b *testing.B) {
	var body strings.Builder
	body.WriteString(`{"name":"bench","items":[`)
	for i := 0; body.Len() < 10_000; i++ {
		if i > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, `{"id":%d,"title":"item number %d","tags":["a","b"],"price":%d.5}`, i, i, i)
	}
	body.WriteString("]}")
	inv, res := httpRun(&engine.Script{})
	inv.Request.Headers, inv.Request.Body = []string{"content-type", "application/json"}, []byte(body.String())
	for name, values := range map[string]*redact.Values{
		"plain": nil, "secrets": redact.NewValues([]string{"sk_live_51abcdefghijklmnop", "whsec_0123456789", "postgres://user:password@host/db"}),
	} {
		b.Run(name, func(b *testing.B) {
			res.Secrets = values
			var out []byte
			b.SetBytes(int64(body.Len()))
			b.ReportAllocs()
			for b.Loop() {
				kept := record.Kept{Invocation: inv, Result: res}
				out = kept.AppendInput(out[:0])
			}
		})
	}
}
