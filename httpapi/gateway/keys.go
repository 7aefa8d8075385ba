package gateway

import (
	"encoding/base64"
	"strings"
)

// A key of the admin API never reaches a script, and never its history: a client that sends one to an endpoint has mistaken the address,
// or was led there. Keys begin with keyMark; only the operator may have chosen one that does not.

const (
	keyMark = "jsr_"
	// Of a key's characters, this many after the mark make a text one. Made ones have more than 50.
	keyLength = 20
	redacted  = "jsr_redacted"
)

// carriesKey reports whether an Authorization header carries a key: in whatever scheme, in Basic's user and password too.
func (g *Gateway) carriesKey(value string) bool {
	if containsFold(value, keyMark) {
		return true
	}
	scheme, credentials, _ := strings.Cut(strings.TrimSpace(value), " ")
	credentials = strings.TrimSpace(credentials)
	if strings.EqualFold(scheme, "Basic") {
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			decoded, err := encoding.DecodeString(strings.TrimRight(credentials, "="))
			if err != nil {
				continue
			}
			user, password, _ := strings.Cut(string(decoded), ":")
			if containsFold(string(decoded), keyMark) || g.operatorKey(user) || g.operatorKey(password) {
				return true
			}
		}
		return false
	}
	return g.operatorKey(credentials)
}

func (g *Gateway) operatorKey(key string) bool {
	return key != "" && g.cfg.OperatorKey != nil && g.cfg.OperatorKey(key)
}

// holdsKey reports whether a text has a key in it.
func holdsKey(text string) bool {
	_, _, found := findKey(text)
	return found
}

// findKey returns where the first key of a text begins and ends.
func findKey(text string) (from, to int, found bool) {
	for start := 0; ; {
		i := indexFold(text[start:], keyMark)
		if i < 0 {
			return 0, 0, false
		}
		from = start + i
		to = from + len(keyMark)
		for to < len(text) && isKeyByte(text[to]) {
			to++
		}
		if to-from-len(keyMark) >= keyLength {
			return from, to, true
		}
		start = to
	}
}

func isKeyByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

// withoutKeys replaces the keys of a query.
func withoutKeys(query string) string {
	from, to, found := findKey(query)
	if !found {
		return query
	}
	return query[:from] + redacted + withoutKeys(query[to:])
}

func containsFold(text, word string) bool { return indexFold(text, word) >= 0 }

// indexFold is strings.Index without regard to case, for a lower-case word of ASCII with an underscore in it.
func indexFold(text, word string) int {
	at := strings.IndexByte(word, '_')
	for start := 0; ; {
		i := strings.IndexByte(text[start:], '_')
		if i < 0 {
			return -1
		}
		from := start + i - at
		if from >= 0 && from+len(word) <= len(text) && strings.EqualFold(text[from:from+len(word)], word) {
			return from
		}
		start += i + 1
	}
}
