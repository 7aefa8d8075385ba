package record

import (
	"encoding/json"
	"errors"
	"strconv"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/redact"
	"example.com/jsruntime/engine/text"
)

// callResponse is what fetch answers the worker: see package host.
type callResponse struct {
	Status     int         `json:"status"`
	StatusText string      `json:"statusText"`
	Headers    [][2]string `json:"headers"`
	URL        string      `json:"url"`
	Redirected bool        `json:"redirected"`
	HasBody    bool        `json:"hasBody"`
}

// AppendCallBodies appends what a fetch sent and got as it is kept: {"request"?, "response": {"status", "status_text", "headers", "url",
// "redirected", "body"?}}. A body that was longer than is kept, or streamed by the script, is absent, and "request_left_out" or "body_left_out"
// says so. Credentials are masked as in inputs and outputs. Without bodies it appends nothing.
func AppendCallBodies(b []byte, call *engine.Call, secrets *redact.Values) []byte {
	from := call.Bodies
	if from == nil {
		return b
	}
	var r callResponse
	if json.Unmarshal(from.Response, &r) != nil {
		return b
	}
	rules := redact.Rules{Values: secrets}
	b = append(b, '{')
	if from.NoRequest {
		b = append(b, `"request_left_out":true,`...)
	} else {
		b = append(appendBytes(append(b, `"request":`...), CallRequest(from.RequestType, from.Request, secrets)), ',')
	}
	b = strconv.AppendInt(append(b, `"response":{"status":`...), int64(r.Status), 10)
	b = text.AppendString(append(b, `,"status_text":`...), r.StatusText)
	b = append(b, `,"headers":[`...)
	mask := masking{rules: rules, hide: func(string) {}}
	contentType := ""
	for i, nv := range r.Headers {
		if i > 0 {
			b = append(b, ',')
		}
		if nv[0] == "content-type" {
			contentType = nv[1]
		}
		b = text.AppendString(append(b, '['), nv[0])
		b = append(text.AppendString(append(b, ','), mask.header(nv[0], nv[1])), ']')
	}
	b = text.AppendString(append(b, `],"url":`...), secrets.URL(r.URL))
	b = strconv.AppendBool(append(b, `,"redirected":`...), r.Redirected)
	switch {
	case from.NoBody:
		b = append(b, `,"body_left_out":true`...)
	case r.HasBody:
		masked, _ := rules.Body(contentType, from.Body)
		b = appendBytes(append(b, `,"body":`...), masked)
	}
	return append(b, "}}"...)
}

// CallRequest is the body of a fetch's request as it is kept and compared.
func CallRequest(mediaType string, body []byte, secrets *redact.Values) []byte {
	masked, _ := redact.Rules{Values: secrets}.Body(mediaType, body)
	return masked
}

// RecordedFetch is a fetch that can be answered from the record.
type RecordedFetch struct {
	Request []byte // as CallRequest gives it; nil: it was left out, and any matches
	Status  int
	Reply   *engine.HostReply
}

// errNotKept is of a fetch whose answer is not on record.
var errNotKept = errors.New("record: the answer was not kept")

// ReadCall reads what AppendCallBodies has written.
func ReadCall(stored json.RawMessage) (*RecordedFetch, error) {
	var kept struct {
		Request  json.RawMessage `json:"request"`
		Response *struct {
			Status     int             `json:"status"`
			StatusText string          `json:"status_text"`
			Headers    [][2]string     `json:"headers"`
			URL        string          `json:"url"`
			Redirected bool            `json:"redirected"`
			Body       json.RawMessage `json:"body"`
			LeftOut    bool            `json:"body_left_out"`
		} `json:"response"`
	}
	if len(stored) == 0 {
		return nil, errNotKept
	}
	if err := json.Unmarshal(stored, &kept); err != nil {
		return nil, err
	}
	r := kept.Response
	if r == nil || r.LeftOut {
		return nil, errNotKept
	}
	out := &RecordedFetch{Status: r.Status, Reply: &engine.HostReply{}}
	if kept.Request != nil {
		body, err := textOrBinary(kept.Request)
		if err != nil {
			return nil, err
		}
		out.Request = append([]byte{}, body...)
	}
	if r.Body != nil {
		body, err := textOrBinary(r.Body)
		if err != nil {
			return nil, err
		}
		out.Reply.Body = body
	}
	payload, err := json.Marshal(callResponse{r.Status, r.StatusText, r.Headers, r.URL, r.Redirected, r.Body != nil})
	out.Reply.Payload = payload
	return out, err
}

// textOrBinary reads what appendBytes has written.
func textOrBinary(raw json.RawMessage) ([]byte, error) {
	if decoded, ok, err := binaryOf(raw); ok {
		return decoded, err
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return []byte(s), err
}
