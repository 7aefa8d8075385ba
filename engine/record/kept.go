package record

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/redact"
	"example.com/jsruntime/engine/text"
)

// MaxBodyBytes is how much of a body is kept in an execution's input and output: of a request, a response, and of what a run without
// a request got and gave, as JSON.
const MaxBodyBytes = 64 << 10

// appendMillis appends a duration in milliseconds with at most three decimals.
func appendMillis(b []byte, d time.Duration) []byte {
	return strconv.AppendFloat(b, math.Round(float64(d)/1e3)/1e3, 'f', -1, 64)
}

// Metrics are an execution's metrics as the API shows them.
func Metrics(m engine.Metrics) json.RawMessage {
	return AppendMetrics(make([]byte, 0, 192), m)
}

// AppendMetrics appends Metrics.
func AppendMetrics(b []byte, m engine.Metrics) []byte {
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

// Kept is an execution as it is kept: cut to MaxBodyBytes, credentials masked. Its methods append JSON; AppendTriggerData comes after AppendInput,
// because it tells what that has masked and cut.
type Kept struct {
	Invocation *engine.Invocation
	Result     *engine.Result // nil: it has not run
	// Lean leaves input and output out: the tenant has reached its storage quota.
	Lean bool
	// Whole keeps an output that is longer: of the queue, where the row is the only copy of it.
	Whole bool

	hidden     []string // members of the input that were masked by name or path, such as headers.authorization
	inputBytes int      // size of the body or input, where it was cut
}

func (k *Kept) secrets() *redact.Values {
	if k.Result == nil {
		return nil
	}
	return k.Result.Secrets
}

// hide notes a masked member of the input.
func (k *Kept) hide(where, name string) {
	name = strings.TrimSuffix(where+"."+name, ".")
	if len(k.hidden) < maxHidden && !slices.Contains(k.hidden, name) {
		k.hidden = append(k.hidden, text.Cut(name, 200))
	}
}

// maxHidden bounds the names of masked members that are kept.
const maxHidden = 50

// Input is what is kept of what an execution got: its input's JSON, or its request. A body beyond MaxBodyBytes is cut, and "body_truncated" and
// "body_bytes" say so; other JSON beyond it becomes {"truncated", "bytes", "start"}. nil: nothing.
func Input(inv *engine.Invocation, res *engine.Result) json.RawMessage {
	k := Kept{Invocation: inv, Result: res}
	size := 64 + min(len(inv.Input), MaxBodyBytes)
	if r := inv.Request; r != nil {
		size = 256 + 2*len(r.URL) + min(len(r.Body), MaxBodyBytes) + 24*len(r.Headers)
	}
	return orNil(k.AppendInput(make([]byte, 0, size)))
}

func orNil(b []byte) json.RawMessage {
	if len(b) == 0 {
		return nil
	}
	return b
}

// AppendInput appends Input, or nothing.
func (k *Kept) AppendInput(b []byte) []byte {
	inv := k.Invocation
	history := inv.Script.History
	if k.Lean || !history.Bodies() {
		return b
	}
	rules := history.Rules("input", k.secrets())
	if inv.Request == nil {
		var hidden []string
		var cut bool
		if b, hidden, cut = appendJSON(b, inv.Input, rules, k.Whole); cut {
			k.inputBytes = len(inv.Input)
		}
		for _, name := range hidden {
			k.hide("input", name)
		}
		return b
	}
	w := requestWriter{rules: rules, hide: k.hide}
	b = w.append(b, inv.Request)
	if w.cut {
		k.inputBytes = len(inv.Request.Body)
	}
	return b
}

// bodyRules are the rules for a body within {…, "body"}.
func bodyRules(rules redact.Rules) redact.Rules {
	below, whole := rules.Below("body")
	if whole {
		below.Paths = append(below.Paths, nil)
	}
	return below
}

// appendJSON appends JSON as it is kept. hidden has an empty name where something was masked that has none.
func appendJSON(b []byte, raw json.RawMessage, rules redact.Rules, whole bool) (out []byte, hidden []string, cut bool) {
	if len(raw) <= MaxBodyBytes || whole {
		clean := text.StorableJSON(raw)
		masked, hidden := rules.JSON(clean)
		return append(b, masked...), named(hidden, string(masked) != string(clean)), false
	}
	start, hidden := rules.JSON(text.Cut(raw, MaxBodyBytes))
	b = strconv.AppendInt(append(b, `{"truncated":true,"bytes":`...), int64(len(raw)), 10)
	b = text.AppendString(append(b, `,"start":`...), string(start))
	return append(b, '}'), hidden, true
}

// named are the names of masked members, with an empty one where something was masked and none is known.
func named(hidden []string, masked bool) []string {
	if masked && len(hidden) == 0 {
		return []string{""}
	}
	return hidden
}

// appendCutBody appends the value of "body" and, where it was cut, the members that say so. hidden is as of appendJSON.
func appendCutBody(b []byte, headers []string, body []byte, rules redact.Rules) (out []byte, hidden []string, cut bool) {
	size := len(body)
	if cut = size > MaxBodyBytes; cut {
		body = text.Cut(body, MaxBodyBytes)
	}
	masked, hidden := rules.Body(headerOf(headers, "content-type"), body)
	hidden = named(hidden, string(masked) != string(body))
	b = appendBytes(b, masked)
	if cut {
		b = strconv.AppendInt(append(b, `,"body_truncated":true,"body_bytes":`...), int64(size), 10)
	}
	return b, hidden, cut
}

// Output is what is kept of what an execution gave: its output's JSON, or for a response {status, headers, body}. A body beyond
// MaxBodyBytes is cut, and "body_truncated" and "body_bytes" say so; "streamed" marks a response whose body left while the script ran.
// JSON is whole, since the record of a run of the queue is where its output is fetched from. nil: nothing.
func Output(inv *engine.Invocation, res *engine.Result) json.RawMessage {
	k := Kept{Invocation: inv, Result: res, Whole: true}
	size := 64 + len(res.Output)
	if r := res.Response; r != nil {
		size += min(len(r.Body), MaxBodyBytes)*9/8 + 24*len(r.Headers) + 64
	}
	return orNil(k.AppendOutput(make([]byte, 0, size)))
}

// AppendOutput appends Output, or nothing.
func (k *Kept) AppendOutput(b []byte) []byte {
	res, history := k.Result, k.Invocation.Script.History
	if k.Lean || !history.Bodies() {
		return b
	}
	rules := history.Rules("output", k.secrets())
	r := res.Response
	if r == nil {
		if res.Streamed {
			b = strconv.AppendInt(append(b, `{"streamed":true,"body_bytes":`...), res.Metrics.OutputBytes, 10)
			return append(b, '}')
		}
		b, _, _ = appendJSON(b, res.Output, rules, k.Whole)
		return b
	}
	b = strconv.AppendInt(append(b, `{"status":`...), int64(r.Status), 10)
	below, _ := rules.Below("headers")
	b = appendHeaders(append(b, `,"headers":`...), r.Headers, &masking{rules: below, hide: func(string) {}})
	b, _, _ = appendCutBody(append(b, `,"body":`...), r.Headers, r.Body, bodyRules(rules))
	if res.Streamed {
		b = append(b, `,"streamed":true`...)
	}
	return append(b, '}')
}

// TriggerData says what started an execution: for HTTP {method, path}; the parent's id where one execution led to another. What of the
// input was masked or cut is told too: "redacted" names the members, "input_truncated" and "input_bytes" mean that the record has only
// the input's beginning.
func TriggerData(inv *engine.Invocation, res *engine.Result) json.RawMessage {
	k := Kept{Invocation: inv, Result: res}
	k.AppendInput(nil)
	return k.AppendTriggerData(nil)
}

// QueuedTriggerData is what is known of a run of the queue before it has begun: what started it. Its row has the input whole.
func QueuedTriggerData(inv *engine.Invocation, secrets *redact.Values) json.RawMessage {
	bare, script := *inv, *inv.Script
	script.History, bare.Script = nil, &script
	k := Kept{Invocation: &bare, Result: &engine.Result{Secrets: secrets}}
	return k.AppendTriggerData(nil)
}

// EndedInput is what is kept of the input of a run of the queue that has ended, whose row has it whole, and what its trigger data get in
// addition: nothing where its script's history keeps no bodies, less where the history masks a member, and the beginning of an input that is
// too large, once the run has ended for good. ok is false where the input stays as it is.
func EndedInput(inv *engine.Invocation, res *engine.Result, forGood bool) (input, triggerData json.RawMessage, ok bool) {
	k := Kept{Invocation: inv, Result: res}
	input = k.AppendInput(nil)
	history := inv.Script.History
	masked := history.Changes() && len(k.hidden) > 0
	if history.Bodies() && !masked && !(forGood && k.inputBytes > 0) {
		return nil, nil, false
	}
	bare := *inv
	bare.Trigger, bare.ParentID, bare.Request = "", uuid.Nil, nil
	k.Invocation = &bare
	return orNil(input), k.AppendTriggerData(nil), true
}

// AppendTriggerData appends TriggerData.
func (k *Kept) AppendTriggerData(b []byte) []byte {
	inv := k.Invocation
	from := len(b)
	b = append(b, '{')
	member := func(name string) {
		if len(b) > from+1 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), name...), `":`...)
	}
	if inv.Trigger == engine.TriggerHTTP && inv.Request != nil {
		member("method")
		b = text.AppendString(b, inv.Request.Method)
		member("path")
		b = text.AppendString(b, k.secrets().Plain(PathOf(inv.Request)))
	}
	if inv.ParentID != [16]byte{} {
		member("parent_id")
		b = append(text.AppendUUID(append(b, '"'), inv.ParentID), '"')
	}
	if len(k.hidden) > 0 {
		member("redacted")
		for i, name := range k.hidden {
			b = text.AppendString(append(b, "[,"[min(i, 1)]), name)
		}
		b = append(b, ']')
	}
	if k.inputBytes > 0 {
		member("input_truncated")
		b = append(b, "true"...)
		member("input_bytes")
		b = strconv.AppendInt(b, int64(k.inputBytes), 10)
	}
	if k.Lean || !inv.Script.History.Bodies() {
		member("bodies")
		b = append(b, "false"...)
	}
	if k.Lean {
		member("reason")
		b = append(b, `"storage_quota"`...)
	}
	return append(b, '}')
}

// Shown is an input as others than its script may see it: rows of the queue have it whole. handler is that of the execution.
func Shown(handler string, input json.RawMessage, rules redact.Rules) json.RawMessage {
	if handler == string(engine.HandlerFetch) {
		if shown, ok := shownRequest(input, rules); ok {
			return shown
		}
	}
	masked, _ := rules.JSON(input)
	return masked
}

// shownRequest masks the members of a request that are given, and keeps others.
func shownRequest(input json.RawMessage, rules redact.Rules) (json.RawMessage, bool) {
	var given, masked map[string]json.RawMessage
	r, err := Request(input, "")
	if err != nil || json.Unmarshal(input, &given) != nil || given == nil {
		return nil, false
	}
	headless := *r
	headless.HasBody, headless.Body = false, nil
	w := requestWriter{rules: rules, hide: func(string, string) {}}
	if json.Unmarshal(w.append(nil, &headless), &masked) != nil {
		return nil, false
	}
	for name := range given {
		switch name {
		case "body":
			if _, isJSON, _ := readBody(given[name]); isJSON {
				given[name], _ = bodyRules(rules).JSON(given[name])
			} else if r.HasBody {
				body, _ := bodyRules(rules).Body(headerOf(r.Headers, "content-type"), r.Body)
				given[name] = appendBytes(nil, body)
			}
		default:
			if value, known := masked[name]; known {
				given[name] = value
			}
		}
	}
	shown, err := json.Marshal(given)
	return shown, err == nil
}
