package record

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/redact"
)

// NotWholeError says why an execution cannot be replayed: its record has not all of its input, and what would run is something else.
type NotWholeError struct {
	Code   string // input_truncated or input_not_kept
	Detail string
}

// Error implements error.
func (e *NotWholeError) Error() string { return e.Detail }

// Replay makes the input of a new execution of an execution's record. redacted names the credentials that it lacks, because history has masked them:
// headers.authorization. triggerData and handler are the execution's.
func Replay(handler string, input, triggerData json.RawMessage) (again json.RawMessage, redacted []string, err error) {
	var data struct {
		Truncated bool  `json:"input_truncated"`
		Bytes     int64 `json:"input_bytes"`
		Bodies    *bool `json:"bodies"`
		Redacted  []string
	}
	_ = json.Unmarshal(triggerData, &data) // what is no object says nothing
	switch {
	case data.Truncated:
		return nil, nil, &NotWholeError{"input_truncated", fmt.Sprintf("The execution's input was %d bytes, of which the record has the first %d: it cannot be replayed.",
			data.Bytes, MaxBodyBytes)}
	case data.Bodies != nil && !*data.Bodies:
		return nil, nil, &NotWholeError{"input_not_kept", "The execution's input is not on record: its script's history does not keep bodies, or the tenant had reached its storage quota."}
	case len(data.Redacted) == 0:
		return input, nil, nil
	}
	for _, part := range []string{"path", "body", "input", "auth"} {
		if slices.Contains(data.Redacted, part) {
			return nil, nil, notLeftOut(part)
		}
	}
	if handler != string(engine.HandlerFetch) {
		again, ok := redact.WithoutJSON(input)
		if !ok {
			return nil, nil, notLeftOut("input")
		}
		return again, data.Redacted, nil
	}
	again, err = withoutMasked(input, data.Redacted)
	return again, data.Redacted, err
}

func notLeftOut(part string) *NotWholeError {
	return &NotWholeError{"input_not_kept", "A credential within the execution's " + part + " is not on record and cannot be left out of it: it cannot be replayed."}
}

// withoutMasked leaves out of a request what history has masked: the members of that names.
func withoutMasked(input json.RawMessage, names []string) (json.RawMessage, error) {
	r, err := Request(input, "")
	if err != nil {
		return nil, &NotWholeError{"input_not_kept", "The execution's request is not on record as it was: it cannot be replayed."}
	}
	lacks := func(part string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, part+".") })
	}
	if lacks("query") {
		origin, path, query := splitURL(r.URL)
		kept := strings.Join(slices.DeleteFunc(strings.Split(query, "&"), func(pair string) bool {
			_, value, _ := strings.Cut(pair, "=")
			return masked(formDecode(value))
		}), "&")
		if r.URL = origin + path; kept != "" {
			r.URL += "?" + kept
		}
	}
	if lacks("auth") {
		var ok bool
		if r.Auth, ok = redact.WithoutJSON(r.Auth); !ok {
			return nil, notLeftOut("auth")
		}
	}
	if lacks("params") {
		maps.DeleteFunc(r.Params, func(_, value string) bool { return masked(value) })
	}
	body := r.Body
	if lacks("body") {
		var ok bool
		if body, ok = redact.Without(headerOf(r.Headers, "content-type"), r.Body); !ok {
			return nil, notLeftOut("body")
		}
	}
	var headers []string
	for i := 0; i+1 < len(r.Headers); i += 2 {
		name, value := r.Headers[i], r.Headers[i+1]
		switch {
		case lacks("headers") && masked(value):
			continue
		case name == "content-length" && lacks("body"):
			value = strconv.Itoa(len(body)) // masks in it have changed the length as well
		}
		headers = append(headers, name, value)
	}
	r.Headers, r.Body = headers, body
	return RequestJSON(r), nil
}

func masked(value string) bool { return strings.Contains(value, redact.Mask) }

// EventInput is what an event handler gets.
func EventInput(id, eventType string, at time.Time, data json.RawMessage) json.RawMessage {
	return object(map[string]any{"id": id, "type": eventType, "time": at.UTC(), "data": data})
}

// ScheduledInput is what a scheduled handler gets.
func ScheduledInput(cron *string, timezone string, at time.Time) json.RawMessage {
	return object(map[string]any{"cron": cron, "scheduledTime": at.UnixMilli(), "timezone": timezone})
}

// object writes JSON of values that always have one; of data that is none it writes null.
func object(members map[string]any) json.RawMessage {
	out, err := json.Marshal(members)
	if err != nil {
		return json.RawMessage("null")
	}
	return out
}

// Completed is an input with the members of defaults that it lacks. An input that is no object stays as it is.
func Completed(input, defaults json.RawMessage) json.RawMessage {
	if len(input) == 0 || string(input) == "null" {
		return defaults
	}
	var given, all map[string]json.RawMessage
	if json.Unmarshal(input, &given) != nil || json.Unmarshal(defaults, &all) != nil {
		return input
	}
	maps.Copy(all, given)
	out, err := json.Marshal(all)
	if err != nil {
		return input
	}
	return out
}
