package redact

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"example.com/jsruntime/engine/text"
)

// Rules say what is taken out of a document.
type Rules struct {
	// Values are the tenant's secrets; nil: none are known.
	Values *Values
	// Paths are members that the script's author named, from the document's root on: see ParsePath.
	Paths [][]string
}

// Path is one of a script's own paths, as ParsePath reads it: its first name is input or output.
type Path []string

// ParsePath reads a path as JSONPath writes it: $.input.headers.x-token, $.output.items[*].card, $.input.body["a b"]. It has names, [*]
// and [0] (elements of arrays need not be named) and .* for any name. false: it is none, or does not begin with $.input or $.output.
func ParsePath(text string) (Path, bool) {
	rest, ok := strings.CutPrefix(text, "$")
	if !ok || len(text) > 500 {
		return nil, false
	}
	var path Path
	for rest != "" {
		switch {
		case strings.HasPrefix(rest, "["):
			end := strings.IndexByte(rest, ']')
			if end < 0 {
				return nil, false
			}
			inside := rest[1:end]
			rest = rest[end+1:]
			if inside == "*" || inside != "" && strings.Trim(inside, "0123456789") == "" {
				continue // an element is taken for its array
			}
			if len(inside) < 3 || inside[0] != inside[len(inside)-1] || inside[0] != '"' && inside[0] != '\'' {
				return nil, false
			}
			path = append(path, inside[1:len(inside)-1])
		case strings.HasPrefix(rest, "."):
			rest = rest[1:]
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			if end == 0 || strings.ContainsAny(rest[:end], " \t\"'?@()") {
				return nil, false
			}
			path = append(path, rest[:end])
			rest = rest[end:]
		default:
			return nil, false
		}
	}
	if len(path) == 0 || len(path) > 32 || path[0] != "input" && path[0] != "output" {
		return nil, false
	}
	return path, true
}

// Below are the rules for the member of that name: paths that go through it, without it. whole: a path names the member itself.
// Names of headers are compared without case.
func (r Rules) Below(name string) (below Rules, whole bool) {
	below.Values = r.Values
	for _, path := range r.Paths {
		switch {
		case len(path) == 0:
			whole = true
		case path[0] != "*" && !strings.EqualFold(path[0], name):
		case len(path) == 1:
			whole = true
		default:
			below.Paths = append(below.Paths, path[1:])
		}
	}
	return below, whole
}

// JSON masks credentials in a JSON document, or the beginning of one: strings and numbers below members that hold one by name or by the
// rules' paths, the tenant's secrets within strings, and keys of ours. It also returns the names of the members in which something was
// masked, each once. The result shares memory with raw where nothing changed.
//
// It is one pass over raw, and allocates nothing where nothing is masked.
func (r Rules) JSON(raw []byte) ([]byte, []string) {
	m := masker{raw: raw, values: r.Values, keys: bytes.Contains(raw, []byte(keyStart))}
	*m.top() = level{paths: r.Paths, masked: slices.ContainsFunc(r.Paths, func(p []string) bool { return len(p) == 0 })}
	for i := 0; i < len(raw); {
		switch c := raw[i]; {
		case c == '{' || c == '[':
			m.push(c == '{')
			i++
		case c == '}' || c == ']':
			m.pop()
			i++
		case c == ',':
			m.top().named = false
			i++
		case c == '"':
			i = m.text(i)
		case c == '-' || c >= '0' && c <= '9' || c == 't' || c == 'f' || c == 'n':
			i = m.word(i)
		default:
			i++
		}
	}
	if m.out == nil {
		return raw, m.names
	}
	return append(m.out, raw[m.kept:]...), m.names
}

// maxOpen is how many levels of a document are open without memory of their own.
const maxOpen = 12

// level is an object or an array that is open, or the document.
type level struct {
	object bool
	named  bool   // a name has been read, its value follows
	masked bool   // everything below is masked
	name   []byte // as it stands between its quotes
	paths  [][]string
}

// masker masks one document.
type masker struct {
	raw    []byte
	values *Values
	keys   bool // raw may have keys of ours
	open   [maxOpen]level
	deep   []level // those below
	depth  int     // how many are open, beside the document
	fields fields

	out   []byte // nil while nothing was masked
	kept  int    // how much of raw is in out
	names []string
}

// top is the innermost level.
func (m *masker) top() *level {
	if m.depth < maxOpen {
		return &m.open[m.depth]
	}
	return &m.deep[m.depth-maxOpen]
}

func (m *masker) push(object bool) {
	above := m.top()
	masked, paths := m.value(above)
	below := level{object: object, masked: masked, paths: paths, name: above.name} // an element is named after its array
	if m.depth++; m.depth < maxOpen {
		m.open[m.depth] = below
	} else {
		m.deep = append(m.deep[:m.depth-maxOpen], below)
	}
}

func (m *masker) pop() {
	if m.depth > 0 {
		m.depth--
	}
	m.top().named = false
}

func (m *masker) replace(from, to int, with string) {
	m.out = append(append(m.out, m.raw[m.kept:from]...), with...)
	m.kept = to
}

func (m *masker) note(name []byte) {
	if len(name) == 0 || len(m.names) >= maxNames {
		return
	}
	if text := unquote(name); !slices.Contains(m.names, text) {
		m.names = append(m.names, text)
	}
}

// value is the masking and the paths for the value that begins.
func (m *masker) value(top *level) (masked bool, paths [][]string) {
	masked, paths = top.masked, top.paths
	if !top.object || !top.named {
		return masked, paths
	}
	named := false
	if len(paths) > 0 {
		var below Rules
		below, named = Rules{Paths: paths}.Below(unquote(top.name))
		paths = below.Paths
	}
	if !masked && (named || m.fields.hold(top.name)) {
		masked = true
		m.note(top.name)
	}
	return masked, paths
}

// text takes the string that begins at i, a name or a value, and returns the place behind it.
func (m *masker) text(i int) int {
	raw, top := m.raw, m.top()
	end, escaped := stringEnd(raw, i)
	inner := raw[i+1 : max(i+1, end-1)]
	if end > len(raw) { // cut off
		end = len(raw)
		inner = raw[i+1:]
	}
	if top.object && !top.named {
		top.name, top.named = inner, true
		return end
	}
	if masked, _ := m.value(top); masked {
		if len(inner) > 0 {
			m.replace(i, end, `"`+Mask+`"`)
		}
	} else if with, changed := m.values.inString(inner, escaped, m.keys); changed {
		m.replace(i, end, with)
		m.note(top.name)
	}
	return end
}

// word takes the number, true, false or null that begins at i, and returns the place behind it.
func (m *masker) word(i int) int {
	raw := m.raw
	end := i + 1
	for end < len(raw) && !ends[raw[end]] {
		end++
	}
	if c := raw[i]; c == '-' || c <= '9' {
		if masked, _ := m.value(m.top()); masked || m.values.is(raw[i:end]) {
			m.replace(i, end, `"`+Mask+`"`)
		}
	}
	return end
}

// ends are the bytes that a number, true, false or null ends before.
var ends = [256]bool{' ': true, '\t': true, '\r': true, '\n': true, ',': true, ']': true, '}': true, ':': true}

// fields remembers what Field says of names: the objects of a list have the same ones.
type fields [16]struct {
	name  []byte
	known bool
	holds bool
}

// hold is Field of a name as it stands between its quotes.
func (f *fields) hold(name []byte) bool {
	if len(name) == 0 {
		return false
	}
	at := &f[(len(name)+int(name[0])*3+int(name[len(name)-1])*5)%len(f)]
	if !at.known || !bytes.Equal(at.name, name) {
		at.name, at.known = name, true
		if bytes.IndexByte(name, '\\') >= 0 {
			at.holds = Field(unquote(name))
		} else {
			at.holds = isField(name)
		}
	}
	return at.holds
}

// maxNames bounds the names that are told.
const maxNames = 20

// stringEnd is the index behind the closing quote of the string that begins at i, or one that is beyond raw, and whether it has escapes.
func stringEnd(raw []byte, i int) (end int, escaped bool) {
	for i++; ; {
		n := text.Plain(raw[min(i, len(raw)):])
		if i += n; i >= len(raw) {
			return len(raw) + 1, escaped
		}
		switch raw[i] {
		case '\\':
			escaped = true
			i += 2
		case '"':
			return i + 1, escaped
		default: // a control character, or beyond ASCII
			i++
		}
	}
}

func unquote(inner []byte) string {
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner)
	}
	var name string
	if json.Unmarshal(slices.Concat([]byte{'"'}, inner, []byte{'"'}), &name) != nil {
		return string(inner)
	}
	return name
}

// inString masks within a JSON string's inner text and returns the whole string with its quotes. escaped: it has escapes. keys: it may have
// keys of ours.
func (v *Values) inString(inner []byte, escaped, keys bool) (string, bool) {
	if len(inner) < MinValue || v == nil && !keys {
		return "", false
	}
	if !escaped && (v == nil || !v.mayHold(inner)) && !(keys && bytes.Contains(inner, []byte(keyStart))) {
		return "", false
	}
	text := unquote(inner)
	masked := v.Plain(text)
	if masked == text {
		return "", false
	}
	return `"` + quoted(masked) + `"`, true
}

// is reports whether a number's text is a secret.
func (v *Values) is(number []byte) bool {
	return v != nil && len(number) >= MinValue && v.mayHold(number) && v.replacer.Replace(string(number)) != string(number)
}

// Query masks the values of a query string or form's parameters whose names hold is true for, or that hold secrets. It leaves the order and
// the spelling of the rest. names are those in whose values something was masked.
func (r Rules) Query(query string, holds func(name string) bool) (masked string, names []string) {
	if query == "" {
		return query, nil
	}
	pairs := strings.Split(query, "&")
	changed := false
	note := func(name string) {
		if changed = true; !slices.Contains(names, name) && len(names) < maxNames {
			names = append(names, name)
		}
	}
	for i, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		plainName := decoded(name)
		_, whole := r.Below(plainName)
		switch {
		case value == "":
		case whole || holds(plainName):
			pairs[i] = name + "=" + url.QueryEscape(Mask)
			note(plainName)
		default:
			text := decoded(value)
			if clean := r.Values.Plain(text); clean != text {
				pairs[i] = name + "=" + url.QueryEscape(clean)
				note(plainName)
			}
		}
	}
	if !changed {
		return query, nil
	}
	return strings.Join(pairs, "&"), names
}

func decoded(text string) string {
	if plainText, err := url.QueryUnescape(text); err == nil {
		return plainText
	}
	return text
}

// Body masks credentials in a request's or response's body by its media type: JSON, forms, and the tenant's secrets and keys of ours in any
// other text. A body may be the beginning of one. What is no text is left alone.
func (r Rules) Body(contentType string, body []byte) (masked []byte, names []string) {
	if len(body) == 0 {
		return body, nil
	}
	if slices.ContainsFunc(r.Paths, func(p []string) bool { return len(p) == 0 }) {
		return []byte(Mask), []string{""}
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		media = strings.ToLower(strings.TrimSpace(contentType))
	}
	switch {
	case media == "application/x-www-form-urlencoded":
		exchange := bytes.Contains(body, []byte("grant_type="))
		query, names := r.Query(string(body), func(name string) bool { return Field(name) || exchange && Param(name) })
		if query == string(body) {
			return body, nil
		}
		return []byte(query), names
	case media == "multipart/form-data" && params["boundary"] != "":
		return r.multipart(params["boundary"], body)
	}
	// JSON may come under another type: a beacon is text/plain.
	start := bytes.TrimLeft(body, " \t\r\n\ufeff")
	if len(start) > 0 && (start[0] == '{' || start[0] == '[' || strings.HasSuffix(media, "json") && start[0] == '"') {
		return r.JSON(body)
	}
	if !utf8.Valid(body) && r.Values == nil {
		return body, nil
	}
	if !r.Values.mayChange(body) {
		return body, nil
	}
	plain := string(body)
	if clean := r.Values.Plain(plain); clean != plain {
		return []byte(clean), nil
	}
	return body, nil
}

// multipart masks the parts of a form whose names hold a credential.
func (r Rules) multipart(boundary string, body []byte) (masked []byte, names []string) {
	parts := bytes.Split(body, []byte("--"+boundary))
	changed := false
	for i, part := range parts {
		head, content, ok := bytes.Cut(part, []byte("\r\n\r\n"))
		if !ok {
			continue
		}
		name := ""
		for line := range strings.SplitSeq(string(head), "\r\n") {
			label, value, _ := strings.Cut(line, ":")
			if strings.EqualFold(strings.TrimSpace(label), "content-disposition") {
				name = fieldName(value)
			}
		}
		_, whole := r.Below(name)
		if name != "" && (whole || Field(name)) {
			parts[i], changed = slices.Concat(head, []byte("\r\n\r\n"+Mask+"\r\n")), true
			names = append(names, name)
			continue
		}
		if utf8.Valid(content) && r.Values.mayChange(content) {
			if clean := r.Values.Plain(string(content)); clean != string(content) {
				parts[i], changed = slices.Concat(head, []byte("\r\n\r\n"), []byte(clean)), true
			}
		}
	}
	if !changed {
		return body, nil
	}
	return bytes.Join(parts, []byte("--"+boundary)), names
}

// fieldName reads the name of a form's field from its content-disposition as a script's formData does: a value ends at its quotation mark,
// unless that is written \" and something other than a parameter follows.
func fieldName(disposition string) string {
	_, rest, _ := strings.Cut(disposition, ";")
	for rest != "" {
		at := strings.IndexAny(rest, ";=")
		if at < 0 {
			return ""
		}
		key, after := strings.TrimSpace(rest[:at]), rest[at+1:]
		if rest[at] == ';' {
			rest = after
			continue
		}
		var value string
		if quoted, ok := strings.CutPrefix(strings.TrimLeft(after, " \t"), `"`); ok {
			end := closing(quoted)
			value = strings.NewReplacer(`\"`, `"`, "%22", `"`, "%0D", "\r", "%0d", "\r", "%0A", "\n", "%0a", "\n").Replace(quoted[:end])
			_, rest, _ = strings.Cut(quoted[end:], ";")
		} else {
			value, rest, _ = strings.Cut(after, ";")
			value = strings.TrimSpace(value)
		}
		if strings.EqualFold(key, "name") {
			return value
		}
	}
	return ""
}

// closing is where a quoted value ends, without the quotation mark before it.
func closing(s string) int {
	for i := range len(s) {
		if s[i] != '"' {
			continue
		}
		if i == 0 || s[i-1] != '\\' {
			return i
		}
		if after := strings.TrimLeft(s[i+1:], " \t"); after == "" || after[0] == ';' {
			return i
		}
	}
	return len(s)
}

// PathLocation names the i-th of a script's paths.
func PathLocation(i int) string { return "history.redact[" + strconv.Itoa(i) + "]" }
