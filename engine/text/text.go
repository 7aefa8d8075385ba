package text

import (
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

// AppendString appends s as a JSON string that jsonb can hold: see Clean.
func AppendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		b = append(b, s[start:i]...)
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c == 0 || c >= utf8.RuneSelf:
			b = append(b, `\ufffd`...)
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
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
