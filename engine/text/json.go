package text

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// MaxDepth is how deep the value of an input, an output, an event or a kv entry may be nested. jsonb exceeds Postgres's default stack
	// at about 20,000; no data that was made by hand or by a program's serializer comes near this.
	MaxDepth = 512

	// envelope is how many levels the node may have wrapped around such a value.
	envelope = 8

	// maxNumber is how many characters a number may have: no double needs more, and numeric ends at 131,072 digits.
	maxNumber = 400
)

// Fault says why JSON cannot be kept. It reads as the end of a sentence: "is not JSON".
type Fault string

// Error implements error.
func (f Fault) Error() string { return string(f) }

// The faults of JSON.
const (
	NotJSON        Fault = "is not JSON"
	TooDeep        Fault = "is nested deeper than 512"
	NumberTooLarge Fault = "has a number that no double can hold"
)

// The faults of a string. Each reads as a sentence of its own.
const (
	HoldsNUL Fault = "the character NUL can't be stored"
	HalfPair Fault = "half a surrogate pair can't be stored"
)

// Measure returns how many characters a valid JSON string has, by its literal, and the first Fault of one that cannot be kept as it is; empty: there
// is none. Invalid UTF-8 counts one a byte.
func Measure(literal []byte) (characters int, fault Fault) {
	for i := 1; i < len(literal)-1; characters++ {
		switch b := literal[i]; {
		case b == '\\':
			size, found := escape(literal[i:])
			if fault == "" {
				fault = found
			}
			i += size
		case b < utf8.RuneSelf:
			i++
		default:
			_, size := utf8.DecodeRune(literal[i:])
			i += size
		}
	}
	return characters, fault
}

// escape returns how many bytes the escape has with which a part of a valid JSON string begins, both halves of a surrogate pair together, and the
// Fault of its character.
func escape(raw []byte) (size int, fault Fault) {
	if raw[1] != 'u' {
		return 2, ""
	}
	switch unit := hex4(raw[2:]); {
	case unit == 0:
		return 6, HoldsNUL
	case unit >= 0xd800 && unit < 0xdc00 && raw[6] == '\\' && raw[7] == 'u' && hex4(raw[8:])>>10 == 0xdc00>>10:
		return 12, ""
	case unit >= 0xd800 && unit < 0xe000:
		return 6, HalfPair
	}
	return 6, ""
}

// Number reports whether a number's literal, which is a valid one, may be kept: at most 400 characters, and a value, and an exponent, that a
// double can hold.
func Number[T ~string | ~[]byte](literal T) bool {
	if len(literal) > maxNumber {
		return false
	}
	exponent := -1
	for i := range len(literal) {
		if c := literal[i]; c == 'e' || c == 'E' {
			exponent = i + 1
			break
		}
	}
	if exponent < 0 {
		return len(literal) <= 308 || finite(string(literal))
	}
	// jsonb stores the digits that an exponent stands for: one far below a double's range has as many as one far above it.
	digits := strings.TrimLeft(string(literal[exponent:]), "+-0")
	if n, err := strconv.Atoi(digits); digits != "" && (err != nil || n > maxNumber) {
		return false
	}
	return finite(string(literal))
}

func finite(literal string) bool {
	f, _ := strconv.ParseFloat(literal, 64)
	return !math.IsInf(f, 0)
}

// CleanJSON returns a value that a script made as jsonb can hold it: NUL, half a surrogate pair and invalid UTF-8 in strings become U+FFFD. Nothing
// becomes null. A Fault says what no script can have made, or what is nested deeper than MaxDepth. The result shares memory with raw where
// nothing had to change.
func CleanJSON(raw []byte) (json.RawMessage, error) {
	if len(raw) == 0 {
		return json.RawMessage("null"), nil
	}
	return cleanJSON(raw, MaxDepth, false)
}

// CheckJSON returns the Fault of a value that CleanJSON refuses.
func CheckJSON(raw []byte) error {
	_, err := CleanJSON(raw)
	return err
}

// StorableJSON returns raw as jsonb can hold it, whatever it is: as CleanJSON, with numbers that Number refuses as strings; what cannot be
// kept becomes {"unstorable": why}. Nothing becomes nil. raw may have a value with what the node has wrapped around it.
func StorableJSON(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return nil
	}
	clean, err := cleanJSON(raw, MaxDepth+envelope, true)
	if err != nil {
		why := "it " + err.Error()
		if err == NotJSON {
			why += ": " + Cut(string(raw), 200)
		}
		return Unstorable(why)
	}
	return clean
}

// Unstorable is what stands for JSON that cannot be kept.
func Unstorable(why string) json.RawMessage {
	return append(AppendString([]byte(`{"unstorable":`), why), '}')
}

// cleanJSON cleans. A number that Number refuses becomes a string, or where quote is false a Fault.
func cleanJSON(raw []byte, maxDepth int, quote bool) (json.RawMessage, error) {
	if !json.Valid(raw) {
		return nil, NotJSON
	}
	c := cleaner{raw: raw}
	depth := 0
	for i := 0; i < len(raw); {
		switch b := raw[i]; {
		case b == '{' || b == '[':
			if depth++; depth > maxDepth {
				return nil, TooDeep
			}
			i++
		case b == '}' || b == ']':
			depth--
			i++
		case b == '"':
			i = c.text(i + 1)
		case b == '-' || b >= '0' && b <= '9':
			end := i + 1
			for end < len(raw) && strings.IndexByte("+-.eE0123456789", raw[end]) >= 0 {
				end++
			}
			switch literal := raw[i:end]; {
			case Number(literal):
			case quote:
				c.replace(i, end, strconv.Quote(string(Cut(literal, 100))))
			default:
				return nil, NumberTooLarge
			}
			i = end
		default:
			i++
		}
	}
	return c.result(), nil
}

// cleaner replaces parts of raw.
type cleaner struct {
	raw  []byte
	out  []byte // nil while nothing was replaced
	done int    // how much of raw is in out
}

func (c *cleaner) replace(from, to int, with string) {
	c.out = append(append(c.out, c.raw[c.done:from]...), with...)
	c.done = to
}

func (c *cleaner) result() []byte {
	if c.out == nil {
		return c.raw
	}
	return append(c.out, c.raw[c.done:]...)
}

// text cleans a valid JSON string from behind its opening quote and returns the place behind its closing one.
func (c *cleaner) text(i int) int {
	const escaped = `\ufffd`
	raw := c.raw
	for {
		switch b := raw[i]; {
		case b == '"':
			return i + 1
		case b == '\\':
			size, fault := escape(raw[i:])
			if fault != "" {
				c.replace(i, i+size, escaped)
			}
			i += size
		case b < utf8.RuneSelf:
			i++
		default:
			r, size := utf8.DecodeRune(raw[i:])
			if r == utf8.RuneError && size == 1 {
				c.replace(i, i+1, escaped)
			}
			i += size
		}
	}
}

// hex4 reads four hexadecimal digits; -1: they are none.
func hex4(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	var r rune
	for _, c := range b[:4] {
		r <<= 4
		switch {
		case '0' <= c && c <= '9':
			r |= rune(c - '0')
		case 'a' <= c && c <= 'f':
			r |= rune(c - 'a' + 10)
		case 'A' <= c && c <= 'F':
			r |= rune(c - 'A' + 10)
		default:
			return -1
		}
	}
	return r
}
