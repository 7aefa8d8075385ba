package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

const (
	// maxOutputDepth bounds the nesting of an output: Postgres reads json recursively and refuses it at a depth of some thousands.
	maxOutputDepth = 512
	// maxOutputExponent bounds a number's exponent: JSON.stringify writes none beyond 308, and jsonb refuses some 100,000.
	maxOutputExponent = 4
)

// cleanOutput makes an output fit for a jsonb column. What jsonb refuses inside of strings, NUL and lone surrogates, becomes U+FFFD.
// It returns a message where the bytes are no JSON, or JSON that no script can have written.
func cleanOutput(b []byte) (json.RawMessage, string) {
	if len(b) == 0 {
		return json.RawMessage("null"), ""
	}
	if !utf8.Valid(b) {
		b = bytes.ToValidUTF8(b, []byte("\uFFFD"))
	}
	if !json.Valid(b) {
		return nil, "the output is not JSON"
	}
	var (
		out   []byte // nil while nothing was replaced
		done  int    // bytes of b that are in out
		depth int
	)
	replace := func(from, to int) {
		out = append(append(out, b[done:from]...), `\ufffd`...)
		done = to
	}
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '[', '{':
			if depth++; depth > maxOutputDepth {
				return nil, fmt.Sprintf("the output is nested deeper than %d", maxOutputDepth)
			}
		case ']', '}':
			depth--
		case 'e', 'E':
			if n := exponentDigits(b[i+1:]); n > maxOutputExponent {
				return nil, "the output has a number that is too large"
			}
		case 't', 'f', 'n': // true, false, null: their letters are no exponents
			for i+1 < len(b) && 'a' <= b[i+1] && b[i+1] <= 'z' {
				i++
			}
		case '"':
			for i++; b[i] != '"'; i++ {
				if b[i] != '\\' {
					continue
				}
				if i++; b[i] != 'u' {
					continue
				}
				r := hex4(b[i+1:])
				i += 4 // at the last digit
				switch {
				case r == 0:
					replace(i-5, i+1)
				case 0xD800 <= r && r < 0xDC00:
					if i+6 < len(b) && b[i+1] == '\\' && b[i+2] == 'u' {
						if low := hex4(b[i+3:]); 0xDC00 <= low && low < 0xE000 {
							i += 6
							continue
						}
					}
					replace(i-5, i+1)
				case 0xDC00 <= r && r < 0xE000:
					replace(i-5, i+1)
				}
			}
		}
	}
	if out == nil {
		return b, ""
	}
	return append(out, b[done:]...), ""
}

// exponentDigits counts the digits after an e, without sign and leading zeros.
func exponentDigits(b []byte) int {
	i := 0
	if i < len(b) && (b[i] == '+' || b[i] == '-') {
		i++
	}
	for i < len(b) && b[i] == '0' {
		i++
	}
	n := 0
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		n++
		i++
	}
	return n
}

func hex4(b []byte) rune {
	var r rune
	for _, c := range b[:4] {
		r <<= 4
		switch {
		case '0' <= c && c <= '9':
			r |= rune(c - '0')
		case 'a' <= c && c <= 'f':
			r |= rune(c - 'a' + 10)
		default:
			r |= rune(c - 'A' + 10)
		}
	}
	return r
}
