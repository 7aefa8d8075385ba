package catalog

import (
	"testing"

	"github.com/google/uuid"
)

// BenchmarkChoose is what a rollout adds to each request, without and with a client that keeps its version.
func BenchmarkChoose(b *testing.B) {
	script := uuid.New()
	for name, client := range map[string]string{"random": "", "sticky": "203.0.113.7"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			chosen := 0
			for b.Loop() {
				chosen += Rollout{Candidate: 2, Percent: 50}.Choose(script, 1, client)
			}
			if chosen < b.N {
				b.Fatal("versions are numbers from 1")
			}
		})
	}
}
