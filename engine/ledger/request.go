package ledger

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"jsruntime/engine"
	"jsruntime/engine/redact"
	"jsruntime/engine/text"
)

// appendQuery appends a query string as an object: a value that stands once as a string, one that is repeated as an array.
func appendQuery(b []byte, query string) []byte {
	if query == "" {
		return append(b, `{}`...)
	}
	var names []string
	values := make(map[string][]string)
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, value = formDecode(name), formDecode(value)
		if _, seen := values[name]; !seen {
			names = append(names, name)
		}
		values[name] = append(values[name], value)
	}
	b = append(b, '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(text.AppendString(b, name), ':')
		if len(values[name]) == 1 {
			b = text.AppendString(b, values[name][0])
			continue
		}
		b = append(b, '[')
		for j, value := range values[name] {
			if j > 0 {
				b = append(b, ',')
			}
			b = text.AppendString(b, value)
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

// formDecode leaves what is not encoded rightly as it stands, as URLSearchParams does.
func formDecode(word string) string {
	decoded, err := url.QueryUnescape(word)
	if err != nil {
		return word
	}
	return decoded
}

// RequestOf makes a request of an input {method, path, headers, query, body}, the reverse of InputOf: for a replay, and for a
// manual run of a script that has a fetch handler only. origin ("http://localhost") is what the URL starts with. What is absent has
// its default: GET, "/", nothing. A body may be a string, {"base64": …}, or any other JSON, which is sent as application/json.
// Headers and query parameters that were redacted are left out.
func RequestOf(input json.RawMessage, origin string) (*engine.Request, error) {
	var given struct {
		Method  string                     `json:"method"`
		Path    string                     `json:"path"`
		Headers map[string]json.RawMessage `json:"headers"`
		Query   map[string]json.RawMessage `json:"query"`
		Body    json.RawMessage            `json:"body"`
	}
	if len(input) > 0 && string(input) != "null" {
		if err := json.Unmarshal(input, &given); err != nil {
			return nil, fmt.Errorf("input: must be {method, path, headers, query, body}: %w", err)
		}
	}
	r := &engine.Request{Method: strings.ToUpper(given.Method)}
	if r.Method == "" {
		r.Method = "GET"
	}
	if given.Path == "" {
		given.Path = "/"
	}
	if !strings.HasPrefix(given.Path, "/") {
		return nil, errors.New("input.path: must start with /")
	}
	path, fragmentless, hasQuery := strings.Cut(given.Path, "?")
	query := url.Values{}
	for name, raw := range given.Query {
		values, err := oneOrMany(raw)
		if err != nil {
			return nil, fmt.Errorf("input.query.%s: %w", name, err)
		}
		if values = slices.DeleteFunc(values, func(v string) bool { return v == redact.Mask }); len(values) > 0 {
			query[name] = values
		}
	}
	r.URL = origin + path
	switch {
	case hasQuery && len(query) > 0:
		r.URL += "?" + fragmentless + "&" + query.Encode()
	case hasQuery:
		r.URL += "?" + fragmentless
	case len(query) > 0:
		r.URL += "?" + query.Encode()
	}
	if _, err := url.Parse(r.URL); err != nil {
		return nil, fmt.Errorf("input.path: %w", err)
	}
	typed := false
	for _, name := range slices.Sorted(maps.Keys(given.Headers)) {
		values, err := oneOrMany(given.Headers[name])
		if err != nil {
			return nil, fmt.Errorf("input.headers.%s: %w", name, err)
		}
		lower := strings.ToLower(name)
		typed = typed || lower == "content-type"
		for _, value := range values {
			if value != redact.Mask {
				r.Headers = append(r.Headers, lower, value)
			}
		}
	}
	body, isJSON, err := bodyOf(given.Body)
	if err != nil {
		return nil, fmt.Errorf("input.body: %w", err)
	}
	if body != nil {
		r.Body, r.HasBody = body, true
		if isJSON && !typed {
			r.Headers = append(r.Headers, "content-type", "application/json")
		}
	}
	return r, nil
}

func bodyOf(raw json.RawMessage) (body []byte, isJSON bool, err error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, false, nil
	}
	var plain string
	if json.Unmarshal(raw, &plain) == nil {
		return []byte(plain), false, nil
	}
	var binary map[string]json.RawMessage
	if json.Unmarshal(raw, &binary) == nil && len(binary) == 1 && binary["base64"] != nil {
		var encoded string
		if err := json.Unmarshal(binary["base64"], &encoded); err != nil {
			return nil, false, err
		}
		body, err := base64.StdEncoding.DecodeString(encoded)
		return body, false, err
	}
	return raw, true, nil
}

// oneOrMany reads a string, number or boolean as one value, and an array of them as many.
func oneOrMany(raw json.RawMessage) ([]string, error) {
	var many []any
	if json.Unmarshal(raw, &many) != nil {
		var one any
		if err := json.Unmarshal(raw, &one); err != nil {
			return nil, err
		}
		many = []any{one}
	}
	values := make([]string, 0, len(many))
	for _, value := range many {
		switch v := value.(type) {
		case nil:
		case string:
			values = append(values, v)
		case bool, float64:
			values = append(values, fmt.Sprint(v))
		default:
			return nil, errors.New("must be a string or a list of strings")
		}
	}
	return values, nil
}
