package engine

import "strings"

// maxTraceState is the longest tracestate that is passed on: what W3C asks for at least.
const maxTraceState = 512

// TraceContext reads the W3C trace context out of a request's headers (https://www.w3.org/TR/trace-context/). Both are empty where
// the traceparent is missing or not valid; state also where it is longer than 512 bytes.
func TraceContext(header map[string][]string) (parent, state string) {
	if v := header["Traceparent"]; len(v) != 1 || !ValidTraceParent(v[0]) {
		return "", ""
	}
	if v := header["Tracestate"]; len(v) > 0 {
		if state = strings.Join(v, ","); len(state) > maxTraceState {
			state = ""
		}
	}
	return header["Traceparent"][0], state
}

// Sampled reports whether the trace of a valid traceparent, or of an empty one, is kept: whether the last bit of its flags is set.
func Sampled(parent string) bool {
	return parent != "" && strings.IndexByte("13579bdf", parent[len(parent)-1]) >= 0
}

// ValidTraceParent reports whether s is a traceparent: version, trace id, span id and flags in lower-case hex, neither id zero.
func ValidTraceParent(s string) bool {
	if len(s) != len("00-0123456789abcdef0123456789abcdef-0123456789abcdef-01") || s[:2] == "ff" {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; i {
		case 2, 35, 52:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return strings.Trim(s[3:35], "0") != "" && strings.Trim(s[36:52], "0") != ""
}
