package httpapi

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// jsonFormat is how bodies are read and written: no HTML escapes, so that script sources stay readable.
func jsonFormat() huma.Format {
	return huma.Format{
		Marshal: func(w io.Writer, v any) error {
			enc := json.NewEncoder(w)
			enc.SetEscapeHTML(false)
			return enc.Encode(v)
		},
		Unmarshal: json.Unmarshal,
	}
}

// Object is a JSON object whose members are the caller's business.
type Object json.RawMessage

// Schema documents an Object.
func (Object) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}

// MarshalJSON writes the object as it is; an empty one as {}.
func (o Object) MarshalJSON() ([]byte, error) {
	if len(o) == 0 || string(o) == "null" {
		return []byte("{}"), nil
	}
	return o, nil
}

// UnmarshalJSON keeps the object's bytes.
func (o *Object) UnmarshalJSON(b []byte) error {
	*o = append((*o)[:0], b...)
	return nil
}

// raw is the object for the database.
func (o Object) raw() json.RawMessage {
	b, _ := o.MarshalJSON()
	return b
}

// rawOrNull is stored JSON for an answer: what is absent is null.
func rawOrNull(b json.RawMessage) json.RawMessage {
	if len(bytes.TrimSpace(b)) == 0 {
		return json.RawMessage("null")
	}
	return b
}

// patch is a member of a merge patch: absent, null, or a value.
type patch[T any] struct {
	Set   bool
	Null  bool
	Value T
}

// UnmarshalJSON notes whether the member was there and whether it was null.
func (p *patch[T]) UnmarshalJSON(b []byte) error {
	p.Set = true
	if string(bytes.TrimSpace(b)) == "null" {
		p.Null = true
		return nil
	}
	return json.Unmarshal(b, &p.Value)
}

// Schema documents the member as its value's type, or null.
func (patch[T]) Schema(r huma.Registry) *huma.Schema {
	s := *r.Schema(reflect.TypeFor[T](), true, "")
	switch s.Type {
	case huma.TypeBoolean, huma.TypeInteger, huma.TypeNumber, huma.TypeString:
		s.Nullable = true
	}
	return &s
}

// mergePatch applies an RFC 7396 merge patch to a stored object. A null patch empties it.
func mergePatch(stored json.RawMessage, p json.RawMessage) json.RawMessage {
	var target, with any
	_ = decodeNumbers(stored, &target)
	if decodeNumbers(p, &with) != nil {
		return stored
	}
	merged, _ := json.Marshal(mergeValues(target, with))
	return merged
}

// sameJSON reports whether two stored objects are the same, however they are written.
func sameJSON(a, b json.RawMessage) bool { return bytes.Equal(mergePatch(nil, a), mergePatch(nil, b)) }

// decodeNumbers decodes JSON and keeps numbers as they were written.
func decodeNumbers(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return d.Decode(v)
}

func mergeValues(target, with any) any {
	changes, ok := with.(map[string]any)
	if !ok {
		return with
	}
	object, ok := target.(map[string]any)
	if !ok {
		object = map[string]any{}
	}
	for name, v := range changes {
		if v == nil {
			delete(object, name)
			continue
		}
		object[name] = mergeValues(object[name], v)
	}
	return object
}

func utc(t time.Time) time.Time { return t.UTC() }

func utcPtr(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// strings never are null in an answer.
func nonNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
