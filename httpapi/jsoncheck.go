package httpapi

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// Bounds of JSON that we accept. A document is judged before anything decodes it, because encoding/json, V8 and Postgres
// differ in what they let pass: Postgres stores no NUL and no lone surrogate, its numbers end at 10^131072, encoding/json
// replaces what it can't decode, and all of them recurse.
const (
	maxJSONDepth        = 100
	maxJSONNumberLength = 400
	maxJSONFaults       = 16
)

// jsonSyntaxError is malformed JSON: a 400.
type jsonSyntaxError struct {
	offset  int
	message string
}

func (e *jsonSyntaxError) Error() string {
	return fmt.Sprintf("malformed JSON at byte %d: %s", e.offset, e.message)
}

// checkJSON reads data as one JSON document. It returns an error where it isn't one, and the faults of one that can't be
// stored or is ambiguous: NUL, lone surrogates, numbers out of range, a name twice in one object, too deep.
func checkJSON(data []byte, location string) ([]ProblemError, error) {
	c := &jsonChecker{data: data, path: []byte(location)}
	c.space()
	if err := c.value(0); err != nil {
		return nil, err
	}
	c.space()
	if c.at != len(data) {
		return nil, c.fail("something follows the document")
	}
	return c.faults, nil
}

type jsonChecker struct {
	data   []byte
	at     int
	path   []byte
	faults []ProblemError
}

func (c *jsonChecker) fail(message string) error {
	return &jsonSyntaxError{offset: c.at, message: message}
}

func (c *jsonChecker) fault(message string) {
	if len(c.faults) < maxJSONFaults {
		c.faults = append(c.faults, ProblemError{Location: string(c.path), Message: message})
	}
}

func (c *jsonChecker) space() {
	for c.at < len(c.data) {
		switch c.data[c.at] {
		case ' ', '\t', '\n', '\r':
			c.at++
		default:
			return
		}
	}
}

func (c *jsonChecker) value(depth int) error {
	if c.at >= len(c.data) {
		return c.fail("unexpected end")
	}
	switch b := c.data[c.at]; {
	case b == '{' || b == '[':
		// The recursion ends here, whatever comes: what is deeper than this is refused as a whole.
		if depth >= maxJSONDepth {
			c.fault(fmt.Sprintf("nested deeper than %d", maxJSONDepth))
			return c.skipDeep()
		}
		if b == '{' {
			return c.object(depth)
		}
		return c.array(depth)
	case b == '"':
		_, err := c.text()
		return err
	case b == '-' || (b >= '0' && b <= '9'):
		return c.number()
	case b == 't':
		return c.word("true")
	case b == 'f':
		return c.word("false")
	case b == 'n':
		return c.word("null")
	default:
		return c.fail("unexpected character")
	}
}

// skipDeep passes over the rest of the document without recursing: it is refused anyway.
func (c *jsonChecker) skipDeep() error {
	depth := 0
	for c.at < len(c.data) {
		switch c.data[c.at] {
		case '{', '[':
			depth++
			c.at++
		case '}', ']':
			depth--
			c.at++
			if depth == 0 {
				return nil
			}
		case '"':
			if _, err := c.text(); err != nil {
				return err
			}
		default:
			c.at++
		}
	}
	return c.fail("unexpected end")
}

func (c *jsonChecker) object(depth int) error {
	c.at++
	c.space()
	if c.at < len(c.data) && c.data[c.at] == '}' {
		c.at++
		return nil
	}
	base := len(c.path)
	seen := map[string]struct{}{}
	for {
		c.space()
		if c.at >= len(c.data) || c.data[c.at] != '"' {
			return c.fail("expected a name")
		}
		name, err := c.text()
		if err != nil {
			return err
		}
		c.path = append(append(c.path[:base], '.'), clip(name, 80)...)
		if _, twice := seen[name]; twice {
			c.fault("given twice")
		}
		seen[name] = struct{}{}
		c.space()
		if c.at >= len(c.data) || c.data[c.at] != ':' {
			return c.fail("expected a colon")
		}
		c.at++
		c.space()
		if err := c.value(depth + 1); err != nil {
			return err
		}
		c.path = c.path[:base]
		c.space()
		if c.at >= len(c.data) {
			return c.fail("unexpected end")
		}
		switch c.data[c.at] {
		case ',':
			c.at++
		case '}':
			c.at++
			return nil
		default:
			return c.fail("expected a comma or a closing brace")
		}
	}
}

func (c *jsonChecker) array(depth int) error {
	c.at++
	c.space()
	if c.at < len(c.data) && c.data[c.at] == ']' {
		c.at++
		return nil
	}
	base := len(c.path)
	for i := 0; ; i++ {
		c.path = append(strconv.AppendInt(append(c.path[:base], '['), int64(i), 10), ']')
		c.space()
		if err := c.value(depth + 1); err != nil {
			return err
		}
		c.path = c.path[:base]
		c.space()
		if c.at >= len(c.data) {
			return c.fail("unexpected end")
		}
		switch c.data[c.at] {
		case ',':
			c.at++
		case ']':
			c.at++
			return nil
		default:
			return c.fail("expected a comma or a closing bracket")
		}
	}
}

func (c *jsonChecker) word(w string) error {
	if len(c.data)-c.at < len(w) || string(c.data[c.at:c.at+len(w)]) != w {
		return c.fail("unexpected character")
	}
	c.at += len(w)
	return nil
}

func (c *jsonChecker) digits() int {
	start := c.at
	for c.at < len(c.data) && c.data[c.at] >= '0' && c.data[c.at] <= '9' {
		c.at++
	}
	return c.at - start
}

func (c *jsonChecker) number() error {
	start := c.at
	if c.data[c.at] == '-' {
		c.at++
	}
	switch {
	case c.at < len(c.data) && c.data[c.at] == '0':
		c.at++
	case c.digits() == 0:
		return c.fail("expected a digit")
	}
	if c.at < len(c.data) && c.data[c.at] == '.' {
		c.at++
		if c.digits() == 0 {
			return c.fail("expected a digit")
		}
	}
	if c.at < len(c.data) && (c.data[c.at] == 'e' || c.data[c.at] == 'E') {
		c.at++
		if c.at < len(c.data) && (c.data[c.at] == '+' || c.data[c.at] == '-') {
			c.at++
		}
		if c.digits() == 0 {
			return c.fail("expected a digit")
		}
	}
	literal := c.data[start:c.at]
	if len(literal) > maxJSONNumberLength {
		c.fault(fmt.Sprintf("a number of more than %d characters", maxJSONNumberLength))
		return nil
	}
	// A double is what scripts see. An exponent far below its range is refused too: Postgres would not store it.
	f, err := strconv.ParseFloat(string(literal), 64)
	if (err != nil && math.IsInf(f, 0)) || farExponent(literal) {
		c.fault("a number out of range")
	}
	return nil
}

func farExponent(literal []byte) bool {
	for i, b := range literal {
		if b == 'e' || b == 'E' {
			n, err := strconv.Atoi(string(literal[i+1:]))
			return err != nil || n < -400 || n > 400
		}
	}
	return false
}

// text reads a string and returns it decoded.
func (c *jsonChecker) text() (string, error) {
	c.at++
	start := c.at
	// Most strings have no escape: they are taken as they are.
	for c.at < len(c.data) && c.data[c.at] != '"' && c.data[c.at] != '\\' && c.data[c.at] >= 0x20 && c.data[c.at] < utf8.RuneSelf {
		c.at++
	}
	if c.at < len(c.data) && c.data[c.at] == '"' {
		s := string(c.data[start:c.at])
		c.at++
		return s, nil
	}
	out := append([]byte(nil), c.data[start:c.at]...)
	for c.at < len(c.data) {
		switch b := c.data[c.at]; {
		case b == '"':
			c.at++
			return string(out), nil
		case b < 0x20:
			return "", c.fail("a control character in a string")
		case b == '\\':
			r, err := c.escape()
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, r)
		case b < utf8.RuneSelf:
			out = append(out, b)
			c.at++
		default:
			r, size := utf8.DecodeRune(c.data[c.at:])
			if r == utf8.RuneError && size == 1 {
				return "", c.fail("invalid UTF-8")
			}
			out = append(out, c.data[c.at:c.at+size]...)
			c.at += size
		}
	}
	return "", c.fail("unexpected end")
}

func (c *jsonChecker) escape() (rune, error) {
	if c.at+1 >= len(c.data) {
		return 0, c.fail("unexpected end")
	}
	b := c.data[c.at+1]
	switch b {
	case '"', '\\', '/':
		c.at += 2
		return rune(b), nil
	case 'b', 'f', 'n', 'r', 't':
		c.at += 2
		return map[byte]rune{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}[b], nil
	case 'u':
		r, err := c.unit()
		if err != nil {
			return 0, err
		}
		switch {
		case r == 0:
			c.fault("the character NUL can't be stored")
		case r >= 0xD800 && r < 0xDC00:
			if c.at+1 < len(c.data) && c.data[c.at] == '\\' && c.data[c.at+1] == 'u' {
				back := c.at
				low, err := c.unit()
				if err != nil {
					return 0, err
				}
				if low >= 0xDC00 && low < 0xE000 {
					return (r-0xD800)<<10 + (low - 0xDC00) + 0x10000, nil
				}
				c.at = back
			}
			c.fault("half a surrogate pair can't be stored")
			return utf8.RuneError, nil
		case r >= 0xDC00 && r < 0xE000:
			c.fault("half a surrogate pair can't be stored")
			return utf8.RuneError, nil
		}
		return r, nil
	default:
		return 0, c.fail("an unknown escape in a string")
	}
}

// unit reads \uXXXX.
func (c *jsonChecker) unit() (rune, error) {
	if c.at+6 > len(c.data) {
		return 0, c.fail("unexpected end")
	}
	n, err := strconv.ParseUint(string(c.data[c.at+2:c.at+6]), 16, 32)
	if err != nil {
		return 0, c.fail("an unknown escape in a string")
	}
	c.at += 6
	return rune(n), nil
}

// clip shortens s to at most n bytes of whole characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
