package text_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/text"
)

// nested is an array n levels deep.
func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

func TestCleanJSON(t *testing.T) {
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
		`"\ud83d\u0041"`:              `"\ufffd\u0041"`,
		`"\\u0000"`:                   `"\\u0000"`,
		`"\\\u0000"`:                  `"\\\ufffd"`,
		"\"\xff\xc3\xa9\"":            "\"\\ufffd\xc3\xa9\"",
		`"1e99999999"`:                `"1e99999999"`,
		nested(text.MaxDepth):         nested(text.MaxDepth),
		` [ true , null ] `:           ` [ true , null ] `,
	} {
		got, err := text.CleanJSON([]byte(in))
		require.NoError(t, err, in)
		require.Equal(t, want, string(got), in)
	}
	for in, want := range map[string]text.Fault{
		`{`: text.NotJSON, `undefined`: text.NotJSON, `"a`: text.NotJSON, `1 2`: text.NotJSON, "\"\x00\"": text.NotJSON,
		nested(text.MaxDepth + 1): text.TooDeep, `1e99999`: text.NumberTooLarge, `[1E+0099999]`: text.NumberTooLarge, `1e309`: text.NumberTooLarge,
	} {
		_, err := text.CleanJSON([]byte(in))
		require.Equal(t, want, err, in)
		require.Equal(t, want, text.CheckJSON([]byte(in)), in)
	}
	require.Contains(t, text.TooDeep, fmt.Sprint(text.MaxDepth))
}

func TestMeasure(t *testing.T) {
	t.Parallel()
	for literal, want := range map[string]struct {
		characters int
		fault      text.Fault
	}{
		`""`: {0, ""}, `"aé€😀"`: {4, ""}, `"\n\"\\"`: {3, ""}, `"\u00e9"`: {1, ""}, `"\ud83d\ude00x"`: {2, ""}, `"\\u0000"`: {6, ""},
		`"a\u0000"`: {2, text.HoldsNUL}, `"\ud83d"`: {1, text.HalfPair}, `"\ude00\ud83d"`: {2, text.HalfPair},
		`"\ud83d\u0000"`: {2, text.HalfPair}, `"\u0000\ud83d"`: {2, text.HoldsNUL}, `"\ud83dx"`: {2, text.HalfPair}, `"\ud83d\n"`: {2, text.HalfPair},
	} {
		characters, fault := text.Measure([]byte(literal))
		require.Equal(t, want.characters, characters, literal)
		require.Equal(t, want.fault, fault, literal)
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"0", "-0.5", "1e308", "-5e-324", "1e-400", "0.1e1", strings.Repeat("9", 308), "0." + strings.Repeat("1", 398), "1e+0000000000300"} {
		require.True(t, text.Number(in), in)
	}
	for _, in := range []string{"1e309", "-1e400", "1e-401", "1.5e99999", "1e99999999999999999999", strings.Repeat("9", 309), strings.Repeat("1", 401), "0." + strings.Repeat("1", 399)} {
		require.False(t, text.Number(in), in)
	}
}

func TestStorableJSON(t *testing.T) {
	t.Parallel()
	wrapped := `{"data":` + nested(text.MaxDepth) + `}`
	for in, want := range map[string]string{
		`[1e308,-5e-324,1e99999,0.5]`: `[1e308,-5e-324,"1e99999",0.5]`,
		`{"a\u0000":1}`:               `{"a\ufffd":1}`,
		nested(3000):                  `{"unstorable":"it is nested deeper than 512"}`,
		`{`:                           `{"unstorable":"it is not JSON: {"}`,
		wrapped:                       wrapped,
		``:                            ``,
	} {
		require.Equal(t, want, string(text.StorableJSON(json.RawMessage(in))), "%.40q", in)
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a\uFFFDb\uFFFD", text.CleanTo("a\x00b\xff", 100))
	long := text.CleanTo(strings.Repeat("é", 100), 51)
	require.LessOrEqual(t, len(long), 51)
	require.True(t, utf8.ValidString(long))
	require.Contains(t, long, "truncated")
	require.Equal(t, "é", text.Cut("éé", 3))
	require.Equal(t, []byte("é"), text.Cut([]byte("éé"), 3))
	require.Equal(t, "é…", text.Clip("éé", 3))
	require.Equal(t, "éé", text.Clip("éé", 4))
	require.Len(t, text.Cut(strings.Repeat("\x80", 100), 50), 46, "what is no text is cut near the place")
	require.Equal(t, "00010203-0405-0607-0809-0a0b0c0d0eff", string(text.AppendUUID(nil, [16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255})))
}

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"a\x00b", "\xe2\xe7\x00\xff", "\xff", "\u2028", "\"\\\n\x1f", "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		var out string
		if err := json.Unmarshal(text.AppendString(nil, in), &out); err != nil || out != text.Clean(in) {
			t.Fatalf("%q became %q, not %q: %v", in, out, text.Clean(in), err)
		}
	})
}

// TestStringsAtEveryPlace: texts are written eight bytes at a time, and each byte must be seen wherever in the eight it stands, and beside which ever
// other byte.
func TestStringsAtEveryPlace(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		for _, beside := range []byte{'a', '"', '\\', 0x1f, 0x20, 0x21, 0x23, 0x5b, 0x5d, 0x7f, 0} {
			for place := range 17 {
				in := append(bytes.Repeat([]byte{'a'}, place), byte(c), beside, 'z')
				want := ""
				for _, b := range in {
					switch {
					case b == 0 || b >= 0x80:
						want += `\ufffd`
					case b == '"' || b == '\\':
						want += `\` + string(rune(b))
					case b == '\n' || b == '\t' || b == '\r':
						want += map[byte]string{'\n': `\n`, '\t': `\t`, '\r': `\r`}[b]
					case b < 0x20:
						want += fmt.Sprintf(`\u%04x`, b)
					default:
						want += string(rune(b))
					}
				}
				want = `"` + want + `"`
				require.Equal(t, want, string(text.AppendString(nil, string(in))))
				storable := utf8.Valid(in) && bytes.IndexByte(in, 0) < 0
				strict, ok := text.AppendText([]byte("before"), in)
				require.Equal(t, storable, ok)
				if ok {
					require.Equal(t, "before"+want, string(strict))
				} else {
					require.Equal(t, "before", string(strict))
				}
				plain := bytes.IndexFunc(in, func(r rune) bool { return r < 0x20 || r == '"' || r == '\\' || r >= 0x80 })
				if plain < 0 {
					plain = len(in)
				}
				require.Equal(t, plain, text.Plain(in))
			}
		}
	}
}

func FuzzCleanJSON(f *testing.F) {
	for _, s := range []string{`"\u0000"`, `"\ud800\udc00"`, `"\ud800"`, `{"a":[1e5,"\\u0000"]}`, "\"\xff\"", `[[[]]]`, `nullx`, `"\`, `1E-9999`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		text.StorableJSON(in)
		out, err := text.CleanJSON(in)
		if err != nil {
			return
		}
		if !json.Valid(out) || !utf8.Valid(out) {
			t.Fatalf("%q became %q", in, out)
		}
		var v any
		if err := json.Unmarshal(out, &v); err != nil { // a number that no double can hold is an error
			t.Fatal(err)
		}
		if holdsNUL(v) {
			t.Fatalf("%q keeps a NUL: %q", in, out)
		}
		if again, err := text.CleanJSON(out); err != nil || string(again) != string(out) {
			t.Fatalf("%q is not stable: %q", out, again)
		}
		if stored := text.StorableJSON(out); string(stored) != string(out) {
			t.Fatalf("%q is stored as %q", out, stored)
		}
	})
}

func holdsNUL(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.ContainsRune(v, 0)
	case []any:
		for _, e := range v {
			if holdsNUL(e) {
				return true
			}
		}
	case map[string]any:
		for k, e := range v {
			if holdsNUL(k) || holdsNUL(e) {
				return true
			}
		}
	}
	return false
}

func TestLatin1(t *testing.T) {
	t.Parallel()
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for latin, want := range map[string]string{"": "", "plain": "plain", "caf\xe9": "café", "\xff\xfe": "ÿþ", "\xc3\xa9": "Ã©"} {
		require.Equal(t, want, text.FromLatin1(latin))
		back, ok := text.ToLatin1(want)
		require.True(t, ok)
		require.Equal(t, latin, back)
	}
	back, ok := text.ToLatin1(text.FromLatin1(string(all)))
	require.True(t, ok)
	require.Equal(t, string(all), back)
	for _, s := range []string{"€", "é€", "a\xff"} { // invalid UTF-8 is U+FFFD
		_, ok := text.ToLatin1(s)
		require.False(t, ok, s)
	}
}
