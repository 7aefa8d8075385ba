package isolate

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/htmlindex"
)

// The tables give what package x/text gives, whatever the bytes.
func TestDoubleBytesAreAsByXText(t *testing.T) {
	t.Parallel()
	for name := range doubleByteNames {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := htmlindex.Get(name)
			require.NoError(t, err)
			table := doubleByteOf(name, e)
			check := func(b []byte) {
				want, err := e.NewDecoder().Bytes(b)
				require.NoError(t, err)
				got, malformed := table.decode(b)
				if string(utf16.Decode(got)) != string(want) {
					t.Fatalf("%x: %q, not %q", b, string(utf16.Decode(got)), want)
				}
				require.Equal(t, strings.ContainsRune(string(want), '\uFFFD'), malformed, "%x", b)
			}
			var all []byte
			for c := range 256 {
				for d := range 256 {
					all = append(all, byte(c), byte(d), ' ')
				}
				check(all[len(all)-768:])
				check([]byte{byte(c)})
				check([]byte{'a', byte(c)})
			}
			check(all)
			random := rand.New(rand.NewPCG(1, 2))
			for range 2000 {
				b := make([]byte, random.IntN(40))
				for i := range b {
					switch random.IntN(4) {
					case 0:
						b[i] = byte(random.IntN(128))
					case 1:
						b[i] = byte(0x30 + random.IntN(10)) // of four bytes in gb18030
					default:
						b[i] = byte(128 + random.IntN(128))
					}
				}
				check(b)
			}
		})
	}
}
