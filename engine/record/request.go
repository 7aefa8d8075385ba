package record

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/url"
	"slices"
	"strings"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/redact"
	"example.com/jsruntime/engine/text"
)

// localOrigin is what the URL of a request starts with that was given by its path alone.
const localOrigin = "http://localhost"

// RequestJSON is a request as JSON, whole.
func RequestJSON(r *engine.Request) json.RawMessage {
	w := requestWriter{whole: true}
	return w.append(make([]byte, 0, 256+2*len(r.URL)+len(r.Body)+24*len(r.Headers)), r)
}

// requestWriter writes a request.
type requestWriter struct {
	rules redact.Rules
	whole bool                     // nothing is masked or cut
	hide  func(where, name string) // gets each masked member; required unless whole
	cut   bool                     // the body was cut
}

func (w *requestWriter) append(b []byte, r *engine.Request) []byte {
	origin, path, query := splitURL(r.URL)
	marked := strings.Contains(r.URL, "?")
	b = text.AppendString(append(b, `{"method":`...), r.Method)
	if masked := w.rules.Values.Plain(path); !w.whole && masked != path {
		path = masked
		w.hide("path", "")
	}
	b = text.AppendString(append(b, `,"path":`...), path)
	b = appendHeaders(append(b, `,"headers":`...), r.Headers, w.masking("headers"))
	if m := w.masking("query"); m != nil {
		var hidden []string
		query, hidden = m.rules.Query(query, redact.Param)
		for _, name := range hidden {
			m.hide(name)
		}
	}
	b = appendQuery(append(b, `,"query":`...), query)
	full := origin + path
	if marked {
		full += "?" + query
	}
	b = text.AppendString(append(b, `,"url":`...), full)
	b = appendParams(append(b, `,"params":`...), r.Params, w.masking("params"))
	if len(r.Auth) > 0 {
		b = w.appendAuth(append(b, `,"auth":`...), r.Auth)
	}
	b = append(b, `,"body":`...)
	switch {
	case !r.HasBody:
		b = append(b, `null`...)
	case w.whole:
		b = appendBytes(b, r.Body)
	default:
		var hidden []string
		b, hidden, w.cut = appendCutBody(b, r.Headers, r.Body, bodyRules(w.rules))
		for _, name := range hidden {
			w.hide("body", name)
		}
	}
	return append(b, '}')
}

// appendAuth appends what ctx.auth was.
func (w *requestWriter) appendAuth(b []byte, auth json.RawMessage) []byte {
	if w.whole {
		return append(b, auth...)
	}
	below, whole := w.rules.Below("auth")
	if whole {
		below.Paths = append(below.Paths, nil)
	}
	clean := text.StorableJSON(auth)
	masked, hidden := below.JSON(clean)
	for _, name := range named(hidden, string(masked) != string(clean)) {
		w.hide("auth", name)
	}
	return append(b, masked...)
}

// masking is what is masked in a part of the request; nil: nothing.
func (w *requestWriter) masking(part string) *masking {
	if w.whole {
		return nil
	}
	below, _ := w.rules.Below(part)
	return &masking{rules: below, hide: func(name string) { w.hide(part, name) }}
}

// masking masks the members of an object of strings.
type masking struct {
	rules redact.Rules
	hide  func(name string) // gets each masked member
}

func appendParams(b []byte, params map[string]string, m *masking) []byte {
	b = append(b, '{')
	for i, name := range slices.Sorted(maps.Keys(params)) {
		if i > 0 {
			b = append(b, ',')
		}
		value := params[name]
		if m != nil {
			if _, named := m.rules.Below(name); named {
				value = redact.Mask
			} else {
				value = m.rules.Values.Plain(value)
			}
			if value != params[name] {
				m.hide(name)
			}
		}
		b = text.AppendString(append(text.AppendString(b, name), ':'), value)
	}
	return append(b, '}')
}

// Request reads a request: one of RequestJSON or of history, or what a person gives for a manual run of a script that has a fetch handler, of which
// each member may be absent: GET, path on http://localhost, nothing. A body may be a string, {"base64": …}, or any other JSON, which is sent as
// application/json.
func Request(input json.RawMessage, path string) (*engine.Request, error) {
	var given struct {
		Method  string                     `json:"method"`
		URL     string                     `json:"url"`
		Path    string                     `json:"path"`
		Params  map[string]string          `json:"params"`
		Headers map[string]json.RawMessage `json:"headers"`
		Query   map[string]json.RawMessage `json:"query"`
		Body    json.RawMessage            `json:"body"`
		Auth    json.RawMessage            `json:"auth"`
	}
	if len(input) > 0 && string(input) != "null" {
		if err := json.Unmarshal(input, &given); err != nil {
			return nil, fmt.Errorf("input: must be {method, url, path, query, params, headers, body, auth}: %w", err)
		}
	}
	r := &engine.Request{Method: strings.ToUpper(given.Method), Params: given.Params}
	if r.Method == "" {
		r.Method = "GET"
	}
	query := map[string][]string{}
	for name, raw := range given.Query {
		values, err := oneOrMany(raw)
		if err != nil {
			return nil, fmt.Errorf("input.query.%s: %w", name, err)
		}
		if len(values) > 0 {
			query[name] = values
		}
	}
	if given.URL == "" {
		given.Path = cmp.Or(given.Path, path, "/")
	}
	target, edited, err := targetOf(given.URL, given.Path, query, given.Query != nil)
	if err != nil {
		return nil, err
	}
	if r.URL = target; edited {
		r.Params = nil // they are those of another path
	}
	if err := readHeaders(r, given.Headers); err != nil {
		return nil, err
	}
	if len(given.Auth) > 0 && string(given.Auth) != "null" {
		if r.Auth = given.Auth; r.Auth[0] != '{' {
			return nil, errors.New("input.auth: must be an object, which is ctx.auth")
		}
	}
	body, isJSON, err := readBody(given.Body)
	if err != nil {
		return nil, fmt.Errorf("input.body: %w", err)
	}
	if body != nil {
		r.Body, r.HasBody = body, true
		if isJSON && headerOf(r.Headers, "content-type") == "" {
			r.Headers = append(r.Headers, "content-type", "application/json")
		}
	}
	return r, nil
}

// targetOf is the URL of a request. Where a person has edited the path or the query beside it, these count; edited: the path did.
func targetOf(given, path string, query map[string][]string, hasQuery bool) (target string, edited bool, err error) {
	if path != "" && path[0] != '/' {
		return "", false, errors.New("input.path: must start with /")
	}
	for name, word := range map[string]string{"path": path, "url": given} {
		if strings.ContainsFunc(word, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return "", false, fmt.Errorf("input.%s: has a control character", name)
		}
	}
	path, pathQuery, pathHasQuery := strings.Cut(path, "?")
	if given == "" {
		target = localOrigin + path
		if pathHasQuery {
			target += "?" + pathQuery
		}
		return withQuery(target, query), false, nil
	}
	origin, oldPath, oldQuery := splitURL(given)
	if u, err := url.Parse(origin); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return "", false, errors.New("input.url: must be an absolute http or https URL")
	}
	edited = path != "" && path != oldPath
	queried := pathHasQuery || hasQuery && !maps.EqualFunc(query, values(oldQuery), slices.Equal)
	if !edited && !queried {
		return given, false, nil
	}
	target = origin + cmp.Or(path, oldPath)
	switch {
	case pathHasQuery:
		target += "?" + pathQuery
	case queried:
		target = withQuery(target, query)
	case strings.Contains(given, "?"):
		target += "?" + oldQuery
	}
	return target, edited, nil
}

// withQuery adds parameters to a URL.
func withQuery(target string, query map[string][]string) string {
	if len(query) == 0 {
		return target
	}
	sign := "?"
	if strings.Contains(target, "?") {
		sign = "&"
	}
	return target + sign + url.Values(query).Encode()
}

// splitURL takes an absolute URL apart, without decoding anything: the path is "/" at least.
func splitURL(absolute string) (origin, path, query string) {
	rest, _, _ := strings.Cut(absolute, "#")
	rest, query, _ = strings.Cut(rest, "?")
	scheme, after, ok := strings.Cut(rest, "://")
	if !ok {
		return "", cmp.Or(rest, "/"), query
	}
	host, path := after, ""
	if at := strings.IndexByte(after, '/'); at >= 0 {
		host, path = after[:at], after[at:]
	}
	return scheme + "://" + host, cmp.Or(path, "/"), query
}

// PathOf is the path of a request's URL, as it stands there.
func PathOf(r *engine.Request) string {
	_, path, _ := splitURL(r.URL)
	return path
}

// values reads a query as URLSearchParams does.
func values(query string) map[string][]string {
	out := map[string][]string{}
	for name, value := range parameters(query) {
		out[name] = append(out[name], value)
	}
	return out
}

// parameters are the names and values of a query, in their order.
func parameters(query string) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for pair := range strings.SplitSeq(query, "&") {
			if pair == "" {
				continue
			}
			name, value, _ := strings.Cut(pair, "=")
			if !yield(formDecode(name), formDecode(value)) {
				return
			}
		}
	}
}

// formDecode leaves what is not encoded rightly as it stands, and cleans what is: so it is read back as it was written.
func formDecode(word string) string {
	decoded, err := url.QueryUnescape(word)
	if err != nil {
		decoded = word
	}
	return text.Clean(decoded)
}

// appendQuery appends a query as an object: a value that stands once as a string, one that is repeated as an array.
func appendQuery(b []byte, query string) []byte {
	if query == "" {
		return append(b, `{}`...)
	}
	var names []string
	values := make(map[string][]string)
	for name, value := range parameters(query) {
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
		for j, value := range values[name] {
			b = text.AppendString(append(b, "[,"[min(j, 1)]), value)
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

// appendHeaders appends name, value, … as an object: names in lower case, values of a repeated name joined by ", ", as fetch's Headers does.
func appendHeaders(b []byte, headers []string, m *masking) []byte {
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
		lower := strings.ToLower(name)
		b = append(text.AppendString(b, lower), ':')
		value := headers[i+1]
		if repeats(headers[i+2:], name) {
			var all []string
			for j := i; j+1 < len(headers); j += 2 {
				if strings.EqualFold(headers[j], name) {
					all = append(all, headers[j+1])
				}
			}
			value = strings.Join(all, ", ")
		}
		if m != nil {
			value = m.header(lower, value)
		}
		b = appendBytes(b, value)
	}
	return append(b, '}')
}

// header masks the value of a header: all of it where its name says that it is a credential, else the tenant's secrets in it, and the query of one
// that holds a URL.
func (m *masking) header(name, value string) string {
	if _, named := m.rules.Below(name); named || redact.Header(name) {
		m.hide(name)
		return redact.Mask
	}
	mask := m.rules.Values.Plain
	switch name {
	case "referer", "location", "content-location", "link":
		mask = m.rules.Values.Text
	}
	masked := mask(value)
	if masked != value {
		m.hide(name)
	}
	return masked
}

func repeats(headers []string, name string) bool {
	for i := 0; i+1 < len(headers); i += 2 {
		if len(headers[i]) == len(name) && strings.EqualFold(headers[i], name) {
			return true
		}
	}
	return false
}

func headerOf(headers []string, name string) string {
	for i := 0; i+1 < len(headers); i += 2 {
		if strings.EqualFold(headers[i], name) {
			return headers[i+1]
		}
	}
	return ""
}

// appendBytes appends bytes from outside: text as a string, anything else as {"base64": …}.
func appendBytes[T ~string | ~[]byte](b []byte, from T) []byte {
	b, isText := text.AppendText(b, from)
	if isText {
		return b
	}
	b = append(b, `{"base64":"`...)
	b = base64.StdEncoding.AppendEncode(b, []byte(from))
	return append(b, `"}`...)
}

// binaryOf reads {"base64": …}; ok is false where raw is something else.
func binaryOf(raw json.RawMessage) (decoded []byte, ok bool, err error) {
	var binary map[string]json.RawMessage
	if json.Unmarshal(raw, &binary) != nil || len(binary) != 1 || binary["base64"] == nil {
		return nil, false, nil
	}
	var encoded string
	if err := json.Unmarshal(binary["base64"], &encoded); err != nil {
		return nil, true, err
	}
	decoded, err = base64.StdEncoding.DecodeString(encoded)
	return decoded, true, err
}

func readHeaders(r *engine.Request, given map[string]json.RawMessage) error {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if binary, ok, err := binaryOf(given[name]); ok {
			if err != nil {
				return fmt.Errorf("input.headers.%s: %w", name, err)
			}
			r.Headers = append(r.Headers, strings.ToLower(name), string(binary))
			continue
		}
		values, err := oneOrMany(given[name])
		if err != nil {
			return fmt.Errorf("input.headers.%s: %w", name, err)
		}
		for _, value := range values {
			r.Headers = append(r.Headers, strings.ToLower(name), value)
		}
	}
	return nil
}

func readBody(raw json.RawMessage) (body []byte, isJSON bool, err error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, false, nil
	}
	var plain string
	if json.Unmarshal(raw, &plain) == nil {
		return []byte(plain), false, nil
	}
	if binary, ok, err := binaryOf(raw); ok {
		return binary, false, err
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
