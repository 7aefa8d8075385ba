package engine

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds of a response's head. They are less than what clients and proxies commonly accept.
const (
	maxResponseHeaders     = 64
	maxResponseHeaderBytes = 16 << 10
)

// cleanHead makes of a status and headers that a script gave what may go to a client. raw is "name\nvalue\n…" as package wire has
// it. It returns a message where the head is not one: a status outside 200 to 599, a name that is no token, a character that no
// value may have, too many or too large headers. Headers that are the server's to set are left out.
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
		if !serverHeader(name) && !foreignCookie(name, value) {
			headers = append(headers, name, strings.Trim(value, " \t"))
		}
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

// serverHeader reports whether a header is not a script's to set: it belongs to the connection, describes a body that the server
// frames itself, or speaks for the whole origin, which tenants share.
func serverHeader(name string) bool {
	// Names come in lower case from Headers; a hijacked worker may write them otherwise.
	switch len(name) {
	case 2, 4, 6, 7, 10, 14, 15, 16, 17, 18, 22, 25:
	default:
		return len(name) > 8 && strings.EqualFold(name[:8], "trailer:") || len(name) > 6 && strings.EqualFold(name[:6], "proxy-")
	}
	switch strings.ToLower(name) {
	case "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "transfer-encoding", "te", "trailer", "upgrade",
		"content-length", "date", "server", "alt-svc",
		"strict-transport-security", "clear-site-data", "public-key-pins", "service-worker-allowed":
		return true
	}
	return len(name) > 6 && strings.EqualFold(name[:6], "proxy-")
}

// foreignCookie reports whether a header sets a cookie for a domain: tenants share one, and a cookie without a domain is the
// host's own.
func foreignCookie(name, value string) bool {
	if len(name) != len("set-cookie") || !strings.EqualFold(name, "set-cookie") {
		return false
	}
	for _, attribute := range strings.Split(value, ";")[1:] {
		key, _, _ := strings.Cut(attribute, "=")
		if strings.EqualFold(strings.TrimSpace(key), "domain") {
			return true
		}
	}
	return false
}

// cleanText makes text from a script fit for Postgres and JSON: valid UTF-8 without NUL, of at most limit bytes.
func cleanText(s string, limit int) string {
	if len(s) > limit {
		const mark = "… (truncated)"
		cut := limit - len(mark)
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + mark
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "\uFFFD")
	}
	return s
}
