package framing

import (
	"bytes"
	"strconv"
)

// head is what of a request's head decides how it is framed and whom it is for.
type head struct {
	method, target, version []byte
	path                    []byte // of the target, with its query
	fields                  []byte // from the second line to the empty one
	length                  int64
	chunked                 bool
}

// rewritten reports whether net/http must get another target than the client's.
func (h *head) rewritten() bool { return len(h.path) != len(h.target) || badEscape(h.path) >= 0 }

// maxFields bounds the lines of a head after the first. Browsers and proxies together send fewer than 60.
const maxFields = 256

// parse judges a whole head, its empty line included. It returns the place of a refusal, or 0.
func parse(b []byte) (h head, bad int) {
	line, rest, bad := cutLine(b)
	if bad != 0 {
		return h, bad
	}
	if bad = h.first(line); bad != 0 {
		return h, bad
	}
	h.fields = rest
	hosts, lengths, codings, fields := 0, 0, 0, 0
	var host []byte
	for {
		if line, rest, bad = cutLine(rest); bad != 0 {
			return h, bad
		}
		if len(line) == 0 {
			break
		}
		if fields++; fields > maxFields {
			return h, tooManyFields
		}
		name, value, ok := bytes.Cut(line, []byte{':'})
		if !ok || !isToken(name) { // folded lines and names that end with a space among them
			return h, badField
		}
		value = bytes.Trim(value, " \t")
		switch len(name) {
		case 4:
			if is(name, "host") {
				hosts++
				host = value
			}
		case 6:
			if is(name, "expect") && !is(value, "100-continue") {
				return h, badExpect
			}
		case 14:
			if is(name, "content-length") {
				lengths++
				if h.length, ok = digits(value); !ok || lengths > 1 {
					return h, badLength
				}
			}
		case 17:
			if is(name, "transfer-encoding") {
				codings++
				if codings > 1 || !is(value, "chunked") || h.version[7] == '0' {
					return h, badCoding
				}
				h.chunked = true
			}
		}
	}
	if len(rest) != 0 {
		return h, badBytes // two empty lines are none of a head
	}
	switch {
	case lengths > 0 && codings > 0:
		return h, lengthAndCoding
	case hosts > 1, hosts == 0 && h.version[7] != '0':
		return h, badHost
	}
	return h, h.locate(host)
}

// first takes the first line apart.
func (h *head) first(line []byte) int {
	var ok1, ok2 bool
	h.method, line, ok1 = bytes.Cut(line, []byte{' '})
	h.target, h.version, ok2 = bytes.Cut(line, []byte{' '})
	switch {
	case !ok1 || !ok2 || !isToken(h.method) || len(h.target) == 0 || len(h.version) != len("HTTP/1.1") || string(h.version[:5]) != "HTTP/":
		return badLine
	case string(h.version) != "HTTP/1.1" && string(h.version) != "HTTP/1.0":
		return badVersion
	}
	return 0
}

// locate finds the target's path. A target may be a URL if its host is the Host header's: else two readers take it for different hosts.
func (h *head) locate(host []byte) int {
	for _, c := range h.target {
		if c <= ' ' || c == 0x7f || c == '#' {
			return badTarget
		}
	}
	h.path = h.target
	switch {
	case h.target[0] == '/':
		return 0
	case string(h.target) == "*" && string(h.method) == "OPTIONS":
		return 0
	case string(h.method) == "CONNECT":
		return badTarget
	}
	rest := h.target
	switch {
	case len(rest) > 7 && is(rest[:7], "http://"):
		rest = rest[7:]
	case len(rest) > 8 && is(rest[:8], "https://"):
		rest = rest[8:]
	default:
		return badTarget
	}
	end := bytes.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	if end == 0 || !is(rest[:end], string(bytes.ToLower(host))) {
		return badTarget
	}
	if h.path = rest[end:]; len(h.path) == 0 || h.path[0] == '?' {
		h.path = append([]byte{'/'}, h.path...)
	}
	return 0
}

// cutLine returns the first line without its CR LF.
func cutLine(b []byte) (line, rest []byte, bad int) {
	i := bytes.IndexByte(b, '\n')
	if i < 1 || b[i-1] != '\r' {
		return nil, nil, badBytes
	}
	line = b[:i-1]
	for _, c := range line {
		if c < ' ' && c != '\t' || c == 0x7f {
			return nil, nil, badBytes
		}
	}
	return line, b[i+1:], 0
}

// is compares without regard to case. word is in lower case.
func is(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

func isToken(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	for _, c := range b {
		if !tokens[c] {
			return false
		}
	}
	return true
}

var tokens = func() (t [256]bool) {
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = true, true
	}
	for _, c := range "0123456789!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()

func digits(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	return n, err == nil
}

// badEscape returns where a % is that two hexadecimal digits do not follow, before the query: net/url refuses it. -1: nowhere.
func badEscape(path []byte) int {
	for i, c := range path {
		switch {
		case c == '?':
			return -1
		case c == '%' && (i+2 >= len(path) || !isHex(path[i+1]) || !isHex(path[i+2])):
			return i
		}
	}
	return -1
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// mend escapes each % of badEscape.
func mend(path []byte) []byte {
	mended := make([]byte, 0, len(path)+8)
	for {
		i := badEscape(path)
		if i < 0 {
			return append(mended, path...)
		}
		mended = append(append(mended, path[:i]...), "%25"...)
		path = path[i+1:]
	}
}
