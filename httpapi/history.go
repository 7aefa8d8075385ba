package httpapi

import (
	"encoding/json"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"example.com/jsruntime/engine/redact"
)

// History says what is kept of a script's executions.
type History struct {
	Store  string   `json:"store" enum:"all,errors,none" doc:"Which executions are kept: all, failures and timeouts, or none. Usage counts all. A queued execution has its row until it has ended."`
	Sample float64  `json:"sample" minimum:"0" maximum:"1" doc:"Share of completed executions that is kept; others are all kept."`
	Bodies bool     `json:"bodies" doc:"Whether input and output are kept. Executions without cannot be replayed."`
	Redact []string `json:"redact" nullable:"false" doc:"Members of input and output that are masked, beside credentials: paths such as $.input.headers.x-token."`
	Calls  string   `json:"calls" enum:"all,bodies,none" doc:"Which host calls are kept with an execution that is kept: all without bodies; all, and fetches with what they sent and got, from which a comparison can answer them; or none. With bodies false no body is kept."`
}

// HistoryGiven is History as its author gives it; what is not there has the default: everything is kept.
type HistoryGiven struct {
	Store  *string  `json:"store,omitempty" enum:"all,errors,none" nullable:"true"`
	Sample *float64 `json:"sample,omitempty" minimum:"0" maximum:"1" nullable:"true"`
	Bodies *bool    `json:"bodies,omitempty" nullable:"true"`
	Redact []string `json:"redact,omitempty" maxItems:"50" maxLength:"500" nullable:"true"`
	Calls  *string  `json:"calls,omitempty" enum:"all,bodies,none" nullable:"true"`
}

func historyOf(stored json.RawMessage) History {
	out := History{Store: "all", Sample: 1, Bodies: true, Redact: []string{}, Calls: "all"}
	_ = json.Unmarshal(stored, &out) // what is not there stays
	out.Redact = nonNil(out.Redact)
	return out
}

func checkHistory(stored json.RawMessage) error {
	for i, text := range historyOf(stored).Redact {
		if _, ok := redact.ParsePath(text); !ok {
			return invalid("body."+redact.PathLocation(i), "must be a path such as $.input.headers.x-token or $.output.card, at most 500 characters")
		}
	}
	return nil
}

// mergeOf is a member of a merge patch whose value is an object of type T: it is merged with what is stored, null members empty theirs.
type mergeOf[T any] struct {
	set bool
	raw json.RawMessage
}

// UnmarshalJSON keeps the member's bytes; the schema has judged them.
func (m *mergeOf[T]) UnmarshalJSON(b []byte) error {
	m.set, m.raw = true, append(m.raw[:0], b...)
	return nil
}

// IsZero reports whether the member is absent.
func (m mergeOf[T]) IsZero() bool { return !m.set }

// Schema documents the member as T, whose members must all be nullable.
func (mergeOf[T]) Schema(r huma.Registry) *huma.Schema {
	s := *huma.SchemaFromType(r, reflect.TypeFor[T]())
	if s.Ref != "" {
		s = *r.SchemaFromRef(s.Ref) // a reference cannot say that it may be null
	}
	s.Nullable = true
	return &s
}

// apply merges the member into a stored object.
func (m mergeOf[T]) apply(stored json.RawMessage) json.RawMessage {
	switch {
	case !m.set:
		return stored
	case string(m.raw) == "null":
		return json.RawMessage("{}")
	}
	return mergePatch(stored, m.raw)
}

// has reports whether the member gives that member of its object.
func (m mergeOf[T]) has(name string) bool {
	var members map[string]json.RawMessage
	return json.Unmarshal(m.raw, &members) == nil && members[name] != nil
}
