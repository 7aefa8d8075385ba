package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// grown is a soak whose curve i rises by 3 a minute, and whose others stay.
func grown(i int) *samples {
	s := newSamples()
	for k := range 60 {
		s.at = append(s.at, time.Duration(k)*30*time.Second)
		for j, c := range s.series {
			v := 10.0
			if j == i {
				v += 1.5 * float64(k)
			}
			c.values = append(c.values, v)
		}
	}
	return s
}

func TestJudge(t *testing.T) {
	t.Parallel()
	cfg := config{duration: 30 * time.Minute, rate: 100}
	require.True(t, judge(cfg, grown(-1), &mix{}, nil).flat)
	for i, c := range newSamples().series {
		r := judge(cfg, grown(i), &mix{}, nil)
		require.Equal(t, c.bound == 0, r.flat, c.name)
		require.Equal(t, "+3.000 ± 0.000", r.rows[i][6], c.name)
	}
	// The attacked workers come and go, with 50 MiB each: a line through that rises and falls without anything that grows.
	random := rand.New(rand.NewPCG(1, 2))
	for _, growth := range []float64{0, 4} {
		rose := 0
		for range 100 {
			var at []time.Duration
			var values []float64
			for k := range 180 {
				at = append(at, time.Duration(k)*5*time.Second)
				values = append(values, 300+growth*at[k].Minutes()+50*random.NormFloat64())
			}
			if (&series{bound: 1}).grows(fit(at, values)) {
				rose++
			}
		}
		if growth == 0 {
			require.Less(t, rose, 10)
		} else {
			require.Greater(t, rose, 90)
		}
	}
	require.False(t, judge(cfg, grown(-1), &mix{}, []string{"something is left"}).flat)
	require.False(t, judge(cfg, grown(-1), &mix{unexpected: map[string]int{"warm request: 503": 1}}, nil).flat)
}

func TestPlot(t *testing.T) {
	t.Parallel()
	curves := 0
	for d := xml.NewDecoder(strings.NewReader(plot(grown(0), `<&">`))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "polyline" {
			curves++
		}
	}
	require.Equal(t, len(newSamples().series), curves)
}

func TestProcesses(t *testing.T) {
	t.Parallel()
	self := os.Getpid()
	require.Positive(t, residentMiB(self))
	require.Positive(t, privateMiB(self))
	require.Positive(t, countDescriptors(self))
	found := false
	for _, p := range descendants(os.Getppid()) {
		found = found || p.pid == self && p.alive()
	}
	require.True(t, found, "a process is among its parent's")
}

func TestRefusal(t *testing.T) {
	t.Parallel()
	require.Equal(t, "quarantined", refusal(503, []byte(`{"code":"quarantined"}`)))
	require.Equal(t, "concurrency_limit", refusal(429, []byte(`{"code":"concurrency_limit"}`)))
	require.Empty(t, refusal(503, []byte(`{"code":"exceeded_memory"}`)))
	require.Empty(t, refusal(500, []byte(`{"code":"overloaded"}`)))

	cfg := config{duration: 30 * time.Minute, rate: 100}
	sent := map[string]int{"kv": 1000}
	require.True(t, judge(cfg, grown(-1), &mix{sent: sent, refused: map[string]int{"overloaded": 10, "quarantined": 500}}, nil).flat)
	require.False(t, judge(cfg, grown(-1), &mix{sent: sent, refused: map[string]int{"overloaded": 30}}, nil).flat)
}
