package ledger

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"jsruntime/engine"
)

const (
	// MaxBodyBytes is how much of a response's body is kept in an execution's output.
	MaxBodyBytes = 64 << 10

	// maxDepth is well below the nesting at which jsonb exceeds Postgres's default stack (it fails at 20,000), and more than any
	// data has.
	maxDepth = 2000

	// maxNumber: no float64 needs more characters, and numeric ends at 131,072 digits.
	maxNumber = 400

	// Redacted stands for header values that are secrets.
	Redacted = "[redacted]"
)

// redacted are the headers whose values are credentials.
var redacted = []string{"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"}

func isRedacted(name string) bool {
	return slices.ContainsFunc(redacted, func(r string) bool { return len(r) == len(name) && strings.EqualFold(r, name) })
}

// SafeText returns text as Postgres can store it: NUL and invalid UTF-8 become U+FFFD.
func SafeText(text string) string {
	if utf8.ValidString(text) && strings.IndexByte(text, 0) < 0 {
		return text
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\ufffd"), "\x00", "\ufffd")
}

// SafeJSON returns raw as jsonb can store it. NUL, lone surrogates and invalid UTF-8 in strings become U+FFFD, numbers beyond
// what numeric can hold become strings; what is no JSON, or nested deeper than 2000, becomes {"unstorable": why}. Nothing
// becomes nil. The result shares memory with raw where nothing had to change.
func SafeJSON(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return nil
	}
	if !json.Valid(raw) {
		return unstorable("not JSON: " + truncate(string(raw), 200))
	}
	var out []byte
	kept := 0 // everything before it is in out, once out is needed
	replace := func(from, to int, with string) {
		out = append(append(out, raw[kept:from]...), with...)
		kept = to
	}
	depth := 0
	for i := 0; i < len(raw); {
		switch c := raw[i]; {
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return unstorable("nested deeper than " + strconv.Itoa(maxDepth))
			}
			i++
		case c == '}' || c == ']':
			depth--
			i++
		case c == '"':
			i = safeString(raw, i+1, replace)
		case c == '-' || c >= '0' && c <= '9':
			end := i + 1
			for end < len(raw) && strings.IndexByte("+-.eE0123456789", raw[end]) >= 0 {
				end++
			}
			if number := string(raw[i:end]); !storableNumber(number) {
				replace(i, end, strconv.Quote(truncate(number, 100)))
			}
			i = end
		default:
			i++
		}
	}
	if out == nil {
		return raw
	}
	return append(out, raw[kept:]...)
}

// safeString walks a valid JSON string from behind its opening quote and returns the place behind its closing one.
func safeString(raw []byte, i int, replace func(from, to int, with string)) int {
	const replacement = `\ufffd`
	for {
		switch c := raw[i]; {
		case c == '"':
			return i + 1
		case c == '\\' && raw[i+1] == 'u':
			unit := hex4(raw[i+2:])
			switch {
			case unit == 0:
				replace(i, i+6, replacement)
			case unit >= 0xd800 && unit < 0xdc00 && raw[i+6] == '\\' && raw[i+7] == 'u' && hex4(raw[i+8:])>>10 == 0xdc00>>10:
				i += 6 // a pair: over its first half
			case unit >= 0xd800 && unit < 0xe000:
				replace(i, i+6, replacement)
			}
			i += 6
		case c == '\\':
			i += 2
		case c < utf8.RuneSelf:
			i++
		default:
			r, size := utf8.DecodeRune(raw[i:])
			if r == utf8.RuneError && size == 1 {
				replace(i, i+1, replacement)
			}
			i += size
		}
	}
}

func hex4(raw []byte) rune {
	n, _ := strconv.ParseUint(string(raw[:4]), 16, 32) // json.Valid has seen four hexadecimal digits
	return rune(n)
}

func storableNumber(number string) bool {
	if len(number) > maxNumber {
		return false
	}
	if at := strings.IndexAny(number, "eE"); at >= 0 {
		exponent := strings.TrimLeft(number[at+1:], "+-0")
		return len(exponent) <= 3
	}
	return true
}

func unstorable(why string) json.RawMessage {
	return append(appendString([]byte(`{"unstorable":`), why), '}')
}

// truncate cuts text to at most n bytes, on a rune's edge.
func truncate(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

const hexDigits = "0123456789abcdef"

// appendString appends text as a JSON string that jsonb can store.
func appendString(b []byte, text string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(text[i:])
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		b = append(b, text[start:i]...)
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
	b = append(b, text[start:]...)
	return append(b, '"')
}

// appendBody appends a body: text as a string, anything else as {"base64": …}.
func appendBody(b []byte, body []byte) []byte {
	if utf8.Valid(body) && !slices.Contains(body, 0) {
		return appendString(b, string(body))
	}
	b = append(b, `{"base64":"`...)
	b = base64.StdEncoding.AppendEncode(b, body)
	return append(b, `"}`...)
}

// appendHeaders appends name, value, … as an object: names in lower case, values of a repeated name joined by ", ", as fetch's
// Headers does.
func appendHeaders(b []byte, headers []string) []byte {
	b = append(b, '{')
	first := true
	for i := 0; i+1 < len(headers); i += 2 {
		name := headers[i]
		if repeats(headers[:i], name) {
			continue // it stands with the first
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(appendString(b, strings.ToLower(name)), ':')
		switch {
		case isRedacted(name):
			b = appendString(b, Redacted)
		case repeats(headers[i+2:], name):
			var values []string
			for j := i; j+1 < len(headers); j += 2 {
				if strings.EqualFold(headers[j], name) {
					values = append(values, headers[j+1])
				}
			}
			b = appendString(b, strings.Join(values, ", "))
		default:
			b = appendString(b, headers[i+1])
		}
	}
	return append(b, '}')
}

func repeats(headers []string, name string) bool {
	for i := 0; i+1 < len(headers); i += 2 {
		if len(headers[i]) == len(name) && strings.EqualFold(headers[i], name) {
			return true
		}
	}
	return false
}

// appendMillis appends a duration in milliseconds with at most three decimals.
func appendMillis(b []byte, d time.Duration) []byte {
	return strconv.AppendFloat(b, math.Round(float64(d)/1e3)/1e3, 'f', -1, 64)
}

// MetricsJSON is an execution's metrics as the API shows them.
func MetricsJSON(m engine.Metrics) json.RawMessage {
	return appendMetrics(make([]byte, 0, 192), m)
}

func appendMetrics(b []byte, m engine.Metrics) []byte {
	b = appendMillis(append(b, `{"duration_ms":`...), m.Duration)
	b = appendMillis(append(b, `,"cpu_ms":`...), m.CPU)
	b = appendMillis(append(b, `,"queue_ms":`...), m.Queue)
	b = strconv.AppendBool(append(b, `,"cold_start":`...), m.ColdStart)
	b = strconv.AppendInt(append(b, `,"peak_memory_bytes":`...), m.PeakMemoryBytes, 10)
	b = strconv.AppendInt(append(b, `,"api_calls":`...), int64(m.APICalls), 10)
	b = strconv.AppendInt(append(b, `,"output_bytes":`...), m.OutputBytes, 10)
	b = strconv.AppendInt(append(b, `,"log_bytes":`...), m.LogBytes, 10)
	return append(b, '}')
}

// InputOf is what an execution got: its input's JSON, or for a request {method, path, headers, query, body}. nil: nothing.
func InputOf(inv *engine.Invocation) json.RawMessage {
	r := inv.Request
	if r == nil {
		return SafeJSON(inv.Input)
	}
	return appendInput(make([]byte, 0, 256+len(r.URL)+len(r.Body)+24*len(r.Headers)), inv)
}

func appendInput(b []byte, inv *engine.Invocation) []byte {
	r := inv.Request
	if r == nil {
		return append(b, SafeJSON(inv.Input)...)
	}
	path, query := splitURL(r.URL)
	b = appendString(append(b, `{"method":`...), r.Method)
	b = appendString(append(b, `,"path":`...), path)
	b = appendHeaders(append(b, `,"headers":`...), r.Headers)
	b = appendQuery(append(b, `,"query":`...), query)
	b = append(b, `,"body":`...)
	if r.HasBody {
		b = appendBody(b, r.Body)
	} else {
		b = append(b, `null`...)
	}
	return append(b, '}')
}

// OutputOf is what an execution gave: its output's JSON, or for a response {status, headers, body}. A body beyond MaxBodyBytes is
// cut, and "body_truncated" and "body_bytes" say so; "streamed" marks a response whose body left while the script ran. nil: nothing.
func OutputOf(res *engine.Result) json.RawMessage {
	r := res.Response
	if r == nil && !res.Streamed {
		return SafeJSON(res.Output)
	}
	size := 64
	if r != nil {
		size += min(len(r.Body), MaxBodyBytes)*9/8 + 24*len(r.Headers) + 64
	}
	return appendOutput(make([]byte, 0, size), res)
}

func appendOutput(b []byte, res *engine.Result) []byte {
	r := res.Response
	if r == nil {
		if res.Streamed {
			b = strconv.AppendInt(append(b, `{"streamed":true,"body_bytes":`...), res.Metrics.OutputBytes, 10)
			return append(b, '}')
		}
		return append(b, SafeJSON(res.Output)...)
	}
	body := r.Body
	if len(body) > MaxBodyBytes {
		body = cutBody(body)
	}
	b = strconv.AppendInt(append(b, `{"status":`...), int64(r.Status), 10)
	b = appendHeaders(append(b, `,"headers":`...), r.Headers)
	b = appendBody(append(b, `,"body":`...), body)
	if len(body) < len(r.Body) {
		b = strconv.AppendInt(append(b, `,"body_truncated":true,"body_bytes":`...), int64(len(r.Body)), 10)
	}
	if res.Streamed {
		b = append(b, `,"streamed":true`...)
	}
	return append(b, '}')
}

// cutBody cuts to MaxBodyBytes, and back to a rune's edge: a text that is cut stays a text.
func cutBody(body []byte) []byte {
	n := MaxBodyBytes
	for back := 0; back < utf8.UTFMax && n > 0 && !utf8.RuneStart(body[n]); back++ {
		n--
	}
	return body[:n]
}

// TriggerDataOf says what started an execution: for HTTP {method, path}; the parent's id where one execution led to another.
func TriggerDataOf(inv *engine.Invocation) json.RawMessage {
	return appendTriggerData(nil, inv)
}

func appendTriggerData(b []byte, inv *engine.Invocation) []byte {
	from := len(b)
	b = append(b, '{')
	if inv.Trigger == engine.TriggerHTTP && inv.Request != nil {
		path, _ := splitURL(inv.Request.URL)
		b = appendString(append(b, `"method":`...), inv.Request.Method)
		b = appendString(append(b, `,"path":`...), path)
	}
	if inv.ParentID != [16]byte{} {
		if len(b) > from+1 {
			b = append(b, ',')
		}
		b = append(append(append(b, `"parent_id":"`...), inv.ParentID.String()...), '"')
	}
	return append(b, '}')
}

// splitURL takes path and query out of an absolute URL, without decoding them.
func splitURL(absolute string) (path, query string) {
	rest, _, _ := strings.Cut(absolute, "#")
	if _, after, ok := strings.Cut(rest, "://"); ok {
		rest = after
		if at := strings.IndexAny(rest, "/?"); at >= 0 {
			rest = rest[at:]
		} else {
			rest = ""
		}
	}
	path, query, _ = strings.Cut(rest, "?")
	if path == "" {
		path = "/"
	}
	return path, query
}
