package engine

import (
	"bytes"
	"fmt"
	"strings"
)

// Bounds of a response's head. Node's fetch refuses a head of more than 16 KiB, Python's http.client more than 100 headers, and the
// node adds some of its own.
const (
	maxResponseHeaders     = 64
	maxResponseHeaderBytes = 15 << 10
)

// cleanHead makes of a status and headers that a script gave what may go to a client. raw is "name\nvalue\n…" as package wire has
// it. It returns a message where the head is not one: a status outside 200 to 599, a name that is no token, a character that no
// value may have, too many or too large headers. The gateway decides which of them a client gets.
func cleanHead(status int, raw []byte) (int, []string, string) {
	if status < 200 || status > 599 {
		return 0, nil, fmt.Sprintf("a response's status must be between 200 and 599, not %d", status)
	}
	if len(raw) > maxResponseHeaderBytes {
		return 0, nil, fmt.Sprintf("response headers: limit %d bytes, observed %d", maxResponseHeaderBytes, len(raw))
	}
	if len(raw) == 0 {
		return status, nil, ""
	}
	n := bytes.Count(raw, []byte{'\n'}) + 1
	if n%2 != 0 {
		if raw[len(raw)-1] != '\n' {
			return 0, nil, "response headers are not names and values"
		}
		n-- // the last value's line ended too
	}
	if n/2 > maxResponseHeaders {
		return 0, nil, fmt.Sprintf("response headers: limit %d, observed %d", maxResponseHeaders, n/2)
	}
	headers := make([]string, 0, n)
	text := string(raw) // one copy; names and values are parts of it
	for range n / 2 {
		var name, value string
		name, text, _ = strings.Cut(text, "\n")
		value, text, _ = strings.Cut(text, "\n")
		if !isToken(name) {
			return 0, nil, fmt.Sprintf("response header name %.64q is not a token", name)
		}
		if i := badValueByte(value); i >= 0 {
			return 0, nil, fmt.Sprintf("response header %.64q has a character that is not allowed (0x%02x)", name, value[i])
		}
		headers = append(headers, name, strings.Trim(value, " \t"))
	}
	return status, headers, ""
}

// bodyAllowed reports whether a response of the status has a body.
func bodyAllowed(status int) bool { return status != 204 && status != 205 && status != 304 }

var tokenBytes = func() (t [256]bool) {
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = true, true
	}
	for _, c := range "0123456789!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()

func isToken(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		if !tokenBytes[s[i]] {
			return false
		}
	}
	return true
}

// badValueByte finds what is outside of tab, space to tilde and the bytes beyond ASCII.
func badValueByte(s string) int {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return i
		}
	}
	return -1
}
