package text

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
	"unicode/utf8"
)

const replacement = "\ufffd"

// Clean returns s as Postgres and JSON can hold it: NUL and invalid UTF-8 become U+FFFD.
func Clean(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, replacement), "\x00", replacement)
}

// truncated ends what CleanTo has cut.
const truncated = "… (truncated)"

// CleanTo is Clean of the first limit bytes of s. A text that is longer ends with a mark that says so, within the limit. The result may be
// longer than limit only by what U+FFFD takes more than the bytes that it replaces.
func CleanTo(s string, limit int) string {
	if len(s) > limit {
		s = Cut(s, limit-len(truncated)) + truncated
	}
	return Clean(s)
}

// Cut returns the first n bytes of s, or a few less: it ends on the edge of a character.
func Cut[T ~string | ~[]byte](s T, n int) T {
	if n = max(n, 0); len(s) <= n {
		return s
	}
	for back := 0; back < utf8.UTFMax && n > 0 && !utf8.RuneStart(s[n]); back++ {
		n--
	}
	return s[:n]
}

// Clip is Cut with an ellipsis behind a text that was cut.
func Clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return Cut(s, n) + "…"
}

const hexDigits = "0123456789abcdef"

// AppendUUID appends an id in its usual form.
func AppendUUID(b []byte, id [16]byte) []byte {
	for i, c := range id {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b = append(b, '-')
		}
		b = append(b, hexDigits[c>>4], hexDigits[c&15])
	}
	return b
}

// Bits of a word of eight bytes.
const (
	eachLow  = 0x0101010101010101
	eachHigh = 0x8080808080808080
)

// special has the high bit set of each byte of a word that is no plain character of a JSON string: a control character, a quotation mark, a
// backslash, or beyond ASCII. Only the lowest bit that is set is exact: the ones above it may be set by it.
func special(word uint64) uint64 {
	quote, slash := word^eachLow*'"', word^eachLow*'\\'
	return (word | (word - eachLow*0x20) | (quote - eachLow) | (slash - eachLow)) & eachHigh
}

// Plain is how many bytes at the beginning of s are plain characters of a JSON string: printable ASCII but for quotation marks and backslashes.
func Plain[T ~string | ~[]byte](s T) int {
	n := 0
	for ; n+8 <= len(s); n += 8 {
		if found := special(load(s[n : n+8])); found != 0 {
			return n + bits.TrailingZeros64(found)/8
		}
	}
	for ; n < len(s); n++ {
		if c := s[n]; c < 0x20 || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			break
		}
	}
	return n
}

// load reads the eight bytes of s.
func load[T ~string | ~[]byte](s T) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 | uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// AppendString appends s as a JSON string that jsonb can hold: see Clean.
func AppendString(b []byte, s string) []byte {
	b, _ = appendString(b, s, false)
	return b
}

// AppendText is AppendString where jsonb can hold s as it is. ok is false, and b unchanged, where s has NUL or is not UTF-8.
func AppendText[T ~string | ~[]byte](b []byte, s T) (out []byte, ok bool) {
	return appendString(b, s, true)
}

// appendString is AppendString, or AppendText where it is strict. It writes eight bytes at a time, and takes those back that must be escaped.
func appendString[T ~string | ~[]byte](b []byte, s T, strict bool) ([]byte, bool) {
	from := len(b)
	b = append(slices.Grow(b, len(s)+len(s)/8+10), '"')
	broken := -1 // behind the last byte that is not UTF-8: a run of them becomes one U+FFFD
	for i := 0; i < len(s); {
		if i+8 <= len(s) {
			word := load(s[i : i+8])
			b = binary.LittleEndian.AppendUint64(b, word)
			found := special(word)
			if found == 0 {
				i += 8
				continue
			}
			n := bits.TrailingZeros64(found) / 8
			b = b[:len(b)-8+n]
			i += n
		}
		c := s[i]
		switch {
		case c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf:
			b = append(b, c)
		case c >= utf8.RuneSelf:
			size := runeSize(s[i:])
			if size > 0 {
				b = append(b, s[i:i+size]...)
				i += size
				continue
			}
			if strict {
				return b[:from], false
			}
			if broken < i {
				b = append(b, `\ufffd`...)
			}
			broken = i + 1
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c == 0:
			if strict {
				return b[:from], false
			}
			b = append(b, `\ufffd`...)
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
	}
	return append(b, '"'), true
}

// runeSize is how many bytes the character has that s begins with; 0: it is not UTF-8.
func runeSize[T ~string | ~[]byte](s T) int {
	var first [utf8.UTFMax]byte
	n := copy(first[:], s[:min(len(s), utf8.UTFMax)])
	if r, size := utf8.DecodeRune(first[:n]); r != utf8.RuneError || size > 1 {
		return size
	}
	return 0
}

// FromLatin1 reads bytes as one character each, as the web's standards read a header's value.
func FromLatin1(s string) string {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			b := make([]byte, i, len(s)+len(s)/2)
			copy(b, s)
			for ; i < len(s); i++ {
				b = utf8.AppendRune(b, rune(s[i]))
			}
			return string(b)
		}
	}
	return s
}

// ToLatin1 is the reverse: one byte for each character. ok is false where a character is above U+00FF.
func ToLatin1(s string) (latin string, ok bool) {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			b := append(make([]byte, 0, len(s)), s[:i]...)
			for _, r := range s[i:] {
				if r > 0xFF {
					return "", false
				}
				b = append(b, byte(r))
			}
			return string(b), true
		}
	}
	return s, true
}
