package sourcemap_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/internal/sourcemap"
)

const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

func vlq(b *strings.Builder, n int) {
	n <<= 1
	if n < 0 {
		n = -n | 1
	}
	for {
		d := n & 31
		if n >>= 5; n > 0 {
			d |= 32
		}
		b.WriteByte(digits[d])
		if n == 0 {
			return
		}
	}
}

type segment struct{ generated, source, line, column int }

// encode writes lines of segments as a source map. A source less than 0 makes a segment without a place.
func encode(sources []string, lines [][]segment) string {
	var b strings.Builder
	var last segment
	for i, line := range lines {
		if i > 0 {
			b.WriteByte(';')
		}
		last.generated = 0
		for j, s := range line {
			if j > 0 {
				b.WriteByte(',')
			}
			vlq(&b, s.generated-last.generated)
			last.generated = s.generated
			if s.source < 0 {
				continue
			}
			vlq(&b, s.source-last.source)
			vlq(&b, s.line-last.line)
			vlq(&b, s.column-last.column)
			vlq(&b, j%3) // a name
			last = s
		}
	}
	text, err := json.Marshal(map[string]any{"version": 3, "sources": sources, "mappings": b.String(), "names": []string{"a", "b", "c"}})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// TestFindAgreesWithTheMap asks for each position of maps that are made at random, and compares with a search through all segments.
func TestFindAgreesWithTheMap(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 10 {
		sources := []string{"main.ts", "lib/a.ts", "../lib/b.ts"}
		lines := make([][]segment, 1+random.IntN(60))
		for i := range lines {
			at := 0
			for range random.IntN(4) * random.IntN(200) {
				at += 1 + random.IntN(9)
				lines[i] = append(lines[i], segment{at, random.IntN(4) - 1, random.IntN(5000), random.IntN(300)})
			}
		}
		lines[0] = append([]segment{{0, 0, 7, 7}}, lines[0]...)
		m := sourcemap.Open(sourcemap.Pack(encode(sources, lines), "main.ts"))
		require.NotNil(t, m)
		for i, line := range lines {
			for column := range 40 + 10*len(line) {
				want, found := segment{source: -1}, false
				for _, s := range line {
					if s.generated <= column {
						want = s
						found = s.source >= 0
					}
				}
				expected := sourcemap.Place{}
				if found {
					expected = sourcemap.Place{Source: []string{"", "lib/a.ts", "lib/b.ts"}[want.source], Line: want.line + 1, Column: want.column + 1}
				}
				if place, ok := m.Find(i+1, column+1); ok != found || place != expected {
					t.Fatalf("%d:%d is %v %v, not %v %v", i, column, place, ok, expected, found)
				}
			}
		}
	}
}

func TestNamesOfSources(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é/", 400) + "x.ts"
	for name, want := range map[string]string{
		"src/a.ts": "src/a.ts", "../../src/a.ts": "src/a.ts", "webpack://app/./src/a.ts": "app/src/a.ts", "webpack:///./src/a.ts": "src/a.ts",
		"file:///home/me/a.ts": "home/me/a.ts", "/abs/a.ts": "abs/a.ts", "a.vue?type=script": "a.vue", "": "another source", "..": "another source",
		"a\nb\r\u2028\x00c.ts": "abc.ts", "c:\\x.ts": "c:\\x.ts", "source.ts": "", "@scope/x.ts": "@scope/x.ts",
	} {
		m := sourcemap.Open(sourcemap.Pack(encode([]string{name}, [][]segment{{{0, 0, 0, 0}}}), "source.ts"))
		place, ok := m.Find(1, 1)
		require.True(t, ok, "%q", name)
		require.Equal(t, want, place.Source, "%q", name)
	}
	place, _ := sourcemap.Open(sourcemap.Pack(encode([]string{long}, [][]segment{{{0, 0, 0, 0}}}), "source.ts")).Find(1, 1)
	require.LessOrEqual(t, len(place.Source), 210)
	require.True(t, strings.HasSuffix(place.Source, "/x.ts"))
}

// TestOwnPlaces: what the compiler puts before the author's code, and built-in modules.
func TestOwnPlaces(t *testing.T) {
	t.Parallel()
	m := sourcemap.Open(sourcemap.Pack(encode([]string{"a.ts", "node:util"}, [][]segment{nil, {{4, 0, 0, 0}}, {{0, 1, 0, 0}}, nil}), "a.ts"))
	for line, want := range map[int]bool{1: true, 2: false, 3: true} {
		place, ok := m.Find(line, 9)
		require.True(t, ok)
		require.Equal(t, want, place.Own, line)
	}
	_, ok := m.Find(2, 3)
	require.False(t, ok)
	_, ok = m.Find(4, 1)
	require.False(t, ok)
}

// TestHostileMaps: none takes more than its size allows, or gives a name or number that no text has.
func TestHostileMaps(t *testing.T) {
	t.Parallel()
	pack := func(mappings string, sources ...string) string {
		text, err := json.Marshal(map[string]any{"version": 3, "sources": sources, "mappings": mappings})
		require.NoError(t, err)
		return sourcemap.Pack(string(text), "source.ts")
	}
	require.Empty(t, sourcemap.Pack("{", "source.ts"))
	require.Empty(t, sourcemap.Pack(`{"version":2,"mappings":"AAAA"}`, "source.ts"))
	require.Empty(t, pack(strings.Repeat(";", 9<<20), "a.ts"), "larger than what is unpacked")
	for _, text := range []string{"", "{", "map", "AAAA", "\x00"} {
		require.Nil(t, sourcemap.Open(text), "%q", text)
	}
	for name, mappings := range map[string]string{
		"no segment": ";;;;", "not a digit": "AA!A", "too long a number": "gggggggggggggggggggA", "an unended number": "g",
	} {
		require.Nil(t, sourcemap.Open(pack(mappings, "a.ts")), name)
	}
	// Sums that overflow, places before the beginning, sources that are none.
	for _, mappings := range []string{
		"AAAA" + strings.Repeat(",+/////D+/////D+/////DA", 1000), "AAAA,AADA", "AAAA,DAAA", "ADAA", "ACAA,AAAA", strings.Repeat("AAAA,CAAC,DAAA,", 10000),
	} {
		m := sourcemap.Open(pack(mappings, "a.ts"))
		if m == nil {
			continue
		}
		for column := range 100 {
			if place, ok := m.Find(1, column); ok {
				require.Equal(t, "a.ts", place.Source)
				require.Positive(t, place.Line)
				require.Positive(t, place.Column)
			}
		}
	}
	many := make([]string, 100_000)
	for i := range many {
		many[i] = fmt.Sprintf("%d/%s", i, strings.Repeat("x", 500))
	}
	require.Less(t, len(pack("AAAA", many...)), 200<<10)
}

func FuzzMap(f *testing.F) {
	f.Add(`{"version":3,"sources":["a.ts"],"mappings":";;AAAA,OAAO"}`, 3, 7)
	f.Fuzz(func(t *testing.T, text string, line, column int) {
		m := sourcemap.Open(sourcemap.Pack(text, "source.ts"))
		sourcemap.Open(text)
		if m == nil {
			return
		}
		if place, ok := m.Find(line, column); ok && !place.Own {
			require.False(t, strings.ContainsFunc(place.Source, unicode.IsControl))
		}
	})
}
