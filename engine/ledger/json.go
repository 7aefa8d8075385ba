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

	"github.com/google/uuid"

	"jsruntime/engine"
	"jsruntime/engine/redact"
	"jsruntime/engine/text"
)

// MaxBodyBytes is how much of a body is kept in an execution's input and output: of a request, a response, and of what a run without
// a request got and gave, as JSON.
const MaxBodyBytes = 64 << 10

// appendBody appends a body: text as a string, anything else as {"base64": …}.
func appendBody(b []byte, body []byte) []byte {
	if utf8.Valid(body) && !slices.Contains(body, 0) {
		return text.AppendString(b, string(body))
	}
	b = append(b, `{"base64":"`...)
	b = base64.StdEncoding.AppendEncode(b, body)
	return append(b, `"}`...)
}

// appendHeaders appends name, value, … as an object: names in lower case, values of a repeated name joined by ", ", as fetch's
// Headers does. Credentials are masked; hidden gets the names of those.
func appendHeaders(b []byte, headers []string, rules redact.Rules, hidden func(name string)) []byte {
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
		b = append(text.AppendString(b, strings.ToLower(name)), ':')
		_, named := rules.Below(name)
		switch {
		case named || redact.Header(name):
			b = text.AppendString(b, redact.Mask)
			hidden(strings.ToLower(name))
		case repeats(headers[i+2:], name):
			var values []string
			for j := i; j+1 < len(headers); j += 2 {
				if strings.EqualFold(headers[j], name) {
					values = append(values, headers[j+1])
				}
			}
			b = appendPlain(b, name, strings.Join(values, ", "), rules, hidden)
		default:
			b = appendPlain(b, name, headers[i+1], rules, hidden)
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
	if m.Response > 0 {
		b = appendMillis(append(b, `,"response_ms":`...), m.Response)
	}
	b = appendMillis(append(b, `,"cpu_ms":`...), m.CPU)
	b = appendMillis(append(b, `,"queue_ms":`...), m.Queue)
	b = strconv.AppendBool(append(b, `,"cold_start":`...), m.ColdStart)
	b = strconv.AppendInt(append(b, `,"peak_memory_bytes":`...), m.PeakMemoryBytes, 10)
	b = strconv.AppendInt(append(b, `,"api_calls":`...), int64(m.APICalls), 10)
	b = strconv.AppendInt(append(b, `,"output_bytes":`...), m.OutputBytes, 10)
	b = strconv.AppendInt(append(b, `,"log_bytes":`...), m.LogBytes, 10)
	return append(b, '}')
}

// described is an execution's input, output and trigger data as they are kept: cut to MaxBodyBytes, credentials masked.
type described struct {
	inv *engine.Invocation
	res *engine.Result // nil: it has not run
	// lean leaves input and output out: the tenant has reached its storage quota.
	lean bool
	// whole keeps JSON that is longer: of the queue, where the row is the only copy of the output.
	whole bool

	// What the input's writing found; the trigger data tell it.
	hidden     []string // members of the input that were masked by name or path, such as headers.authorization
	inputBytes int      // size of the body or input, where it was cut
}

func (d *described) secrets() *redact.Values {
	if d.res == nil {
		return nil
	}
	return d.res.Secrets
}

// hide notes a masked member of the input.
func (d *described) hide(where, name string) {
	name = strings.TrimSuffix(where+"."+name, ".")
	if len(d.hidden) < maxHidden && !slices.Contains(d.hidden, name) {
		d.hidden = append(d.hidden, text.Cut(name, 200))
	}
}

// maxHidden bounds the names of masked members that are kept.
const maxHidden = 50

// InputOf is what is kept of what an execution got: its input's JSON, or for a request {method, path, headers, query, body}. A body
// beyond MaxBodyBytes is cut, and "body_truncated" and "body_bytes" say so; other JSON beyond it becomes {"truncated", "bytes", "start"}.
// nil: nothing.
func InputOf(inv *engine.Invocation, res *engine.Result) json.RawMessage {
	d := described{inv: inv, res: res}
	size := 64 + min(len(inv.Input), MaxBodyBytes)
	if r := inv.Request; r != nil {
		size = 256 + len(r.URL) + min(len(r.Body), MaxBodyBytes) + 24*len(r.Headers)
	}
	out := d.appendInput(make([]byte, 0, size))
	if len(out) == 0 {
		return nil
	}
	return out
}

func (d *described) appendInput(b []byte) []byte {
	inv := d.inv
	history := inv.Script.History
	if d.lean || !history.Bodies() {
		return b
	}
	rules := history.Rules("input", d.secrets())
	r := inv.Request
	if r == nil {
		var hidden []string
		var cut bool
		if b, hidden, cut = appendJSON(b, inv.Input, rules, d.whole); cut {
			d.inputBytes = len(inv.Input)
		}
		for _, name := range hidden {
			d.hide("input", name)
		}
		return b
	}
	path, query := splitURL(r.URL)
	b = text.AppendString(append(b, `{"method":`...), r.Method)
	if masked := rules.Values.Plain(path); masked != path {
		path = masked
		d.hide("path", "")
	}
	b = text.AppendString(append(b, `,"path":`...), path)
	below, _ := rules.Below("headers")
	b = appendHeaders(append(b, `,"headers":`...), r.Headers, below, func(name string) { d.hide("headers", name) })
	below, _ = rules.Below("query")
	query, hidden := below.Query(query, redact.Param)
	for _, name := range hidden {
		d.hide("query", name)
	}
	b = appendQuery(append(b, `,"query":`...), query)
	b = append(b, `,"body":`...)
	if !r.HasBody {
		return append(b, `null}`...)
	}
	b, hidden, cut := appendCutBody(b, r.Headers, r.Body, bodyRules(rules))
	for _, name := range hidden {
		d.hide("body", name)
	}
	if cut {
		d.inputBytes = len(r.Body)
	}
	return append(b, '}')
}

// bodyRules are the rules for a body within {…, "body"}.
func bodyRules(rules redact.Rules) redact.Rules {
	below, whole := rules.Below("body")
	if whole {
		below.Paths = append(below.Paths, nil)
	}
	return below
}

// appendJSON appends JSON as it is kept.
func appendJSON(b []byte, raw json.RawMessage, rules redact.Rules, whole bool) (out []byte, hidden []string, cut bool) {
	if len(raw) <= MaxBodyBytes || whole {
		masked, hidden := rules.JSON(text.StorableJSON(raw))
		return append(b, masked...), hidden, false
	}
	start, hidden := rules.JSON(text.Cut(raw, MaxBodyBytes))
	b = strconv.AppendInt(append(b, `{"truncated":true,"bytes":`...), int64(len(raw)), 10)
	b = text.AppendString(append(b, `,"start":`...), string(start))
	return append(b, '}'), hidden, true
}

// appendCutBody appends the value of "body" and, where it was cut, the members that say so.
func appendCutBody(b []byte, headers []string, body []byte, rules redact.Rules) (out []byte, hidden []string, cut bool) {
	size := len(body)
	if cut = size > MaxBodyBytes; cut {
		body = text.Cut(body, MaxBodyBytes)
	}
	body, hidden = rules.Body(headerOf(headers, "content-type"), body)
	b = appendBody(b, body)
	if cut {
		b = strconv.AppendInt(append(b, `,"body_truncated":true,"body_bytes":`...), int64(size), 10)
	}
	return b, hidden, cut
}

func headerOf(headers []string, name string) string {
	for i := 0; i+1 < len(headers); i += 2 {
		if strings.EqualFold(headers[i], name) {
			return headers[i+1]
		}
	}
	return ""
}

// appendPlain appends the value of a header that holds no credential by its name: the tenant's secrets are masked in it, and the query of
// one that holds a URL.
func appendPlain(b []byte, name, value string, rules redact.Rules, hidden func(name string)) []byte {
	masked := rules.Values.Plain(value)
	switch len(name) {
	case 4, 7, 8, 16:
		if strings.EqualFold(name, "referer") || strings.EqualFold(name, "location") || strings.EqualFold(name, "content-location") || strings.EqualFold(name, "link") {
			masked = rules.Values.Text(value)
		}
	}
	if masked != value {
		hidden(strings.ToLower(name))
	}
	return text.AppendString(b, masked)
}

// OutputOf is what is kept of what an execution gave: its output's JSON, or for a response {status, headers, body}. A body beyond
// MaxBodyBytes is cut, and "body_truncated" and "body_bytes" say so; "streamed" marks a response whose body left while the script ran.
// JSON is whole, since the record of a run of the queue is where its output is fetched from. nil: nothing.
func OutputOf(inv *engine.Invocation, res *engine.Result) json.RawMessage {
	d := described{inv: inv, res: res, whole: true}
	r := res.Response
	size := 64 + len(res.Output)
	if r != nil {
		size += min(len(r.Body), MaxBodyBytes)*9/8 + 24*len(r.Headers) + 64
	}
	out := d.appendOutput(make([]byte, 0, size))
	if len(out) == 0 {
		return nil
	}
	return out
}

func (d *described) appendOutput(b []byte) []byte {
	res, history := d.res, d.inv.Script.History
	if d.lean || !history.Bodies() {
		return b
	}
	rules := history.Rules("output", d.secrets())
	r := res.Response
	if r == nil {
		if res.Streamed {
			b = strconv.AppendInt(append(b, `{"streamed":true,"body_bytes":`...), res.Metrics.OutputBytes, 10)
			return append(b, '}')
		}
		b, _, _ = appendJSON(b, res.Output, rules, d.whole)
		return b
	}
	b = strconv.AppendInt(append(b, `{"status":`...), int64(r.Status), 10)
	below, _ := rules.Below("headers")
	b = appendHeaders(append(b, `,"headers":`...), r.Headers, below, func(string) {})
	b, _, _ = appendCutBody(append(b, `,"body":`...), r.Headers, r.Body, bodyRules(rules))
	if res.Streamed {
		b = append(b, `,"streamed":true`...)
	}
	return append(b, '}')
}

// TriggerDataOf says what started an execution: for HTTP {method, path}; the parent's id where one execution led to another. What of the
// input was masked or cut is told too: "redacted" names the members, "input_truncated" and "input_bytes" mean that the record has only
// the input's beginning.
func TriggerDataOf(inv *engine.Invocation, res *engine.Result) json.RawMessage {
	d := described{inv: inv, res: res}
	d.appendInput(nil)
	return d.appendTriggerData(nil)
}

// CutInput is what is kept of the input of a run of the queue that has ended for good, whose row has it whole, and what its trigger data get
// in addition. ok is false where the input may stay as it is.
func CutInput(inv *engine.Invocation, res *engine.Result) (input, triggerData json.RawMessage, ok bool) {
	d := described{inv: inv, res: res}
	input = d.appendInput(nil)
	if d.inputBytes == 0 {
		return nil, nil, false
	}
	bare := *inv
	bare.Trigger, bare.ParentID, bare.Request = "", uuid.Nil, nil
	d.inv = &bare
	return input, d.appendTriggerData(nil), true
}

func (d *described) appendTriggerData(b []byte) []byte {
	inv := d.inv
	from := len(b)
	b = append(b, '{')
	member := func(name string) {
		if len(b) > from+1 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), name...), `":`...)
	}
	if inv.Trigger == engine.TriggerHTTP && inv.Request != nil {
		path, _ := splitURL(inv.Request.URL)
		member("method")
		b = text.AppendString(b, inv.Request.Method)
		member("path")
		b = text.AppendString(b, d.secrets().Plain(path))
	}
	if inv.ParentID != [16]byte{} {
		member("parent_id")
		b = append(append(append(b, '"'), inv.ParentID.String()...), '"')
	}
	if len(d.hidden) > 0 {
		member("redacted")
		for i, name := range d.hidden {
			b = text.AppendString(append(b, "[,"[min(i, 1)]), name)
		}
		b = append(b, ']')
	}
	if d.inputBytes > 0 {
		member("input_truncated")
		b = append(b, "true"...)
		member("input_bytes")
		b = strconv.AppendInt(b, int64(d.inputBytes), 10)
	}
	if d.lean || !inv.Script.History.Bodies() {
		member("bodies")
		b = append(b, "false"...)
	}
	if d.lean {
		member("reason")
		b = append(b, `"storage_quota"`...)
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
