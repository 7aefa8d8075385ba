package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"example.com/jsruntime/engine/text"
)

// Bounds of JSON that we accept. A document is judged before anything decodes it, because encoding/json, V8 and Postgres
// differ in what they let pass: Postgres stores no NUL and no lone surrogate, its numbers end at 10^131072, encoding/json
// replaces what it can't decode, all of them recurse, and decoded values take many times the memory of their text.
const (
	// maxJSONDepth bounds the nesting of what a schema describes. Values that may be any JSON have text.MaxDepth of their own.
	maxJSONDepth  = 64
	maxJSONFaults = 16
	// maxJSONValues bounds the values of a document: a MiB of the shortest ones has half a million.
	maxJSONValues = 1_000_000
	// maxJSONMembers bounds the members of one object. Their names are remembered while the object is read, to find one twice.
	maxJSONMembers = 100_000
)

// jsonSyntaxError is malformed JSON: a 400.
type jsonSyntaxError struct {
	offset  int
	message string
}

// errTooMany ends the reading of a document of which a fault says that it has too many of something.
var errTooMany = errors.New("too many")

func (e *jsonSyntaxError) Error() string {
	return fmt.Sprintf("malformed JSON at byte %d: %s", e.offset, e.message)
}

// checkJSON reads data as one JSON document. It returns an error where it isn't one, and the faults of one that can't be
// stored or is ambiguous: NUL, lone surrogates, numbers out of range, a name twice in one object, too deep, too many values.
func checkJSON(data []byte, location string) ([]ProblemError, error) {
	return validateJSON(data, location, nil, nil, false)
}

// validateJSON is checkJSON, and compares the document with a schema; nil allows everything. It decodes nothing but single strings
// and numbers for which the schema has more rules than a length. What is wrong is said in huma's words. hideValues leaves values out of
// the faults.
func validateJSON(data []byte, location string, schema *huma.Schema, schemas huma.Registry, hideValues bool) ([]ProblemError, error) {
	c := &jsonChecker{data: data, path: []byte(location), root: len(location), schemas: schemas, hideValues: hideValues}
	c.space()
	if err := c.value(0, schema); err == errTooMany {
		return c.faults[len(c.faults)-1:], nil
	} else if err != nil {
		return nil, err
	}
	c.space()
	if c.at != len(data) {
		return nil, c.fail("something follows the document")
	}
	if len(c.faults) > 0 {
		return c.faults, nil
	}
	return c.misfits, nil
}

type jsonChecker struct {
	data       []byte
	at         int
	path       []byte
	root       int // length of the path of the document itself
	values     int
	free       int            // depth at which a value that may be any JSON began, plus one; 0: outside of one
	seed       maphash.Seed   // of the names in names
	names      []nameSet      // one a level of nesting, used again
	faults     []ProblemError // of the document
	misfits    []ProblemError // of the document as the schema has it
	schemas    huma.Registry
	hideValues bool
}

// nameSet holds an object's names: as they are while they are few, else by their hashes.
type nameSet struct {
	few    []string
	hashes map[uint64]struct{}
}

// fewNames is how many names are compared one by one.
const fewNames = 16

// add reports whether the name is new.
func (n *nameSet) add(name string, seed maphash.Seed) bool {
	if n.hashes == nil {
		if slices.Contains(n.few, name) {
			return false
		}
		if len(n.few) < fewNames {
			n.few = append(n.few, name)
			return true
		}
		n.hashes = make(map[uint64]struct{}, 4*fewNames)
		for _, known := range n.few {
			n.hashes[maphash.String(seed, known)] = struct{}{}
		}
	}
	hash := maphash.String(seed, name)
	_, known := n.hashes[hash]
	n.hashes[hash] = struct{}{}
	return !known
}

func (n *nameSet) len() int { return max(len(n.few), len(n.hashes)) }

// misfit notes that the value at the current path is not what the schema has.
func (c *jsonChecker) misfit(message string, value any) {
	if len(c.misfits) >= maxJSONFaults {
		return
	}
	fault := ProblemError{Location: string(c.path), Message: inWords(message)}
	if !c.hideValues {
		fault.Value = shortValue(value)
	}
	c.misfits = append(c.misfits, fault)
}

// resolve follows a schema's references; nil is a schema that allows everything.
func (c *jsonChecker) resolve(s *huma.Schema) *huma.Schema {
	for s != nil && s.Ref != "" {
		s = c.schemas.SchemaFromRef(s.Ref)
	}
	return s
}

// alternative is the one schema of a oneOf that a value of the kind which begins with b may have, so that its members are judged, and
// named, one by one. Where none or several may, it is the oneOf itself.
func (c *jsonChecker) alternative(s *huma.Schema, b byte) *huma.Schema {
	if s == nil || s.OneOf == nil || s.AnyOf != nil || s.AllOf != nil || s.Not != nil {
		return s
	}
	kind := map[byte]string{'{': huma.TypeObject, '[': huma.TypeArray, '"': huma.TypeString, 't': huma.TypeBoolean, 'f': huma.TypeBoolean}[b]
	var found *huma.Schema
	for _, one := range s.OneOf {
		if one = c.resolve(one); one.Type == kind && kind != "" {
			if found != nil {
				return s
			}
			found = one
		}
	}
	if found == nil {
		return s
	}
	return found
}

// fits compares a value that was decoded, or stands for one of its kind, with a schema.
func (c *jsonChecker) fits(s *huma.Schema, v any) {
	res := huma.ValidateResult{}
	huma.Validate(c.schemas, s, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, v, &res)
	for _, err := range res.Errors {
		var detail *huma.ErrorDetail
		if !errors.As(err, &detail) {
			c.misfit(err.Error(), nil)
			continue
		}
		c.misfit(detail.Message, detail.Value)
	}
}

func (c *jsonChecker) fail(message string) error {
	return &jsonSyntaxError{offset: c.at, message: message}
}

func (c *jsonChecker) fault(message string) {
	if len(c.faults) < maxJSONFaults {
		c.faults = append(c.faults, ProblemError{Location: string(c.path), Message: message})
	}
}

func (c *jsonChecker) space() {
	for c.at < len(c.data) {
		switch c.data[c.at] {
		case ' ', '\t', '\n', '\r':
			c.at++
		default:
			return
		}
	}
}

func (c *jsonChecker) value(depth int, s *huma.Schema) error {
	if c.at >= len(c.data) {
		return c.fail("unexpected end")
	}
	if c.values++; c.values > maxJSONValues {
		// The rest of the document is not read: it is refused, well-formed or not.
		c.path, c.faults = c.path[:c.root], nil
		c.fault(fmt.Sprintf("more than %d values", maxJSONValues))
		return errTooMany
	}
	s = c.alternative(c.resolve(s), c.data[c.at])
	switch b := c.data[c.at]; {
	case b == '{' || b == '[':
		// The recursion ends here, whatever comes: what is deeper than this is refused as a whole.
		if c.free == 0 && (s == nil || s.Type == "" && !composed(s)) {
			c.free = depth + 1
			defer func() { c.free = 0 }()
		}
		within, limit := depth, maxJSONDepth
		if c.free > 0 {
			within, limit = depth-c.free+1, text.MaxDepth
		}
		if within >= limit {
			c.fault(fmt.Sprintf("nested deeper than %d", limit))
			return c.skipDeep()
		}
		if b == '{' {
			return c.object(depth, s)
		}
		return c.array(depth, s)
	case b == '"':
		start := c.at
		length, err := c.skipText()
		if err == nil && s != nil {
			c.fitText(s, c.data[start:c.at], length)
		}
		return err
	case b == '-' || (b >= '0' && b <= '9'):
		start := c.at
		err := c.number()
		if err == nil && s != nil {
			if f, err := strconv.ParseFloat(string(c.data[start:c.at]), 64); err == nil {
				c.fits(s, f)
			}
		}
		return err
	case b == 't':
		return c.scalar("true", s, true)
	case b == 'f':
		return c.scalar("false", s, false)
	case b == 'n':
		return c.scalar("null", s, nil)
	default:
		return c.fail("unexpected character")
	}
}

func (c *jsonChecker) scalar(word string, s *huma.Schema, v any) error {
	if err := c.word(word); err != nil {
		return err
	}
	if s != nil {
		c.fits(s, v)
	}
	return nil
}

// fitText compares a string with a schema. Where nothing but its length is asked for it is not decoded: sources are long.
func (c *jsonChecker) fitText(s *huma.Schema, literal []byte, length int) {
	if s.Type == huma.TypeString && s.Format == "" && s.Pattern == "" && s.ContentEncoding == "" && len(s.Enum) == 0 && !composed(s) {
		if s.MinLength != nil && length < *s.MinLength {
			c.misfit(fmt.Sprintf(validation.MsgExpectedMinLength, *s.MinLength), c.short(literal))
		}
		if s.MaxLength != nil && length > *s.MaxLength {
			c.misfit(fmt.Sprintf(validation.MsgExpectedMaxLength, *s.MaxLength), c.short(literal))
		}
		return
	}
	var text string
	if s.Type == "" && len(s.Enum) == 0 && !composed(s) {
		return
	}
	if json.Unmarshal(literal, &text) == nil {
		c.fits(s, text)
	}
}

// short is a string as a fault shows it: not at all where it is long.
func (c *jsonChecker) short(literal []byte) any {
	var text string
	if len(literal) > 1024 || json.Unmarshal(literal, &text) != nil {
		return nil
	}
	return text
}

// composed reports whether a schema is made of others.
func composed(s *huma.Schema) bool {
	return s.OneOf != nil || s.AnyOf != nil || s.AllOf != nil || s.Not != nil
}

// maxComposedBytes bounds a value that is compared with a composed schema: it is decoded for that.
const maxComposedBytes = 64 << 10

// fitComposed compares an object or array with a composed schema.
func (c *jsonChecker) fitComposed(s *huma.Schema, raw []byte) {
	var v any
	switch {
	case len(raw) > maxComposedBytes:
		c.misfit(fmt.Sprintf("larger than %d bytes", maxComposedBytes), nil)
	case json.Unmarshal(raw, &v) == nil:
		c.fits(s, v)
	}
}

// skipDeep passes over the rest of the document without recursing: it is refused anyway.
func (c *jsonChecker) skipDeep() error {
	depth := 0
	for c.at < len(c.data) {
		switch c.data[c.at] {
		case '{', '[':
			depth++
			c.at++
		case '}', ']':
			depth--
			c.at++
			if depth == 0 {
				return nil
			}
		case '"':
			if _, err := c.skipText(); err != nil {
				return err
			}
		default:
			c.at++
		}
	}
	return c.fail("unexpected end")
}

// object reads an object. Of a composed schema its members' own schemas are not known.
func (c *jsonChecker) object(depth int, s *huma.Schema) error {
	start := c.at
	var members *huma.Schema
	switch {
	case s == nil:
	case composed(s):
		defer func() { c.fitComposed(s, c.data[start:c.at]) }()
	case s.Type == huma.TypeObject:
		members = s
	case s.Type != "":
		c.fits(s, map[string]any{})
	}
	for len(c.names) <= depth {
		c.names = append(c.names, nameSet{})
	}
	if c.seed == (maphash.Seed{}) {
		c.seed = maphash.MakeSeed()
	}
	c.names[depth] = nameSet{few: c.names[depth].few[:0]}
	err := c.members(depth, members)
	if err == nil && members != nil {
		c.fitMembers(members, &c.names[depth])
	}
	c.names[depth].hashes = nil
	return err
}

// fitMembers notes what an object has too few, or too many, of.
func (c *jsonChecker) fitMembers(s *huma.Schema, names *nameSet) {
	for _, name := range s.Required {
		if known := s.Properties[name]; !names.has(name, c.seed) && (known == nil || !known.ReadOnly) {
			c.misfit(fmt.Sprintf(validation.MsgExpectedRequiredProperty, name), nil)
		}
	}
	if s.MinProperties != nil && names.len() < *s.MinProperties {
		c.misfit(fmt.Sprintf(validation.MsgExpectedMinProperties, *s.MinProperties), nil)
	}
	if s.MaxProperties != nil && names.len() > *s.MaxProperties {
		c.misfit(fmt.Sprintf(validation.MsgExpectedMaxProperties, *s.MaxProperties), nil)
	}
}

func (n *nameSet) has(name string, seed maphash.Seed) bool {
	if n.hashes == nil {
		return slices.Contains(n.few, name)
	}
	_, known := n.hashes[maphash.String(seed, name)]
	return known
}

// member gives the schema of an object's member and notes one that the object must not have. A name that differs from a known one in
// case only is refused as well, also where others are free: encoding/json would take it for the known one.
func (c *jsonChecker) member(s *huma.Schema, name string) *huma.Schema {
	if s == nil {
		return nil
	}
	if known := s.Properties[name]; known != nil {
		// null is as good as left out.
		if c.at < len(c.data) && c.data[c.at] == 'n' && (!slices.Contains(s.Required, name) || s.Nullable) {
			return nil
		}
		return known
	}
	if free, ok := s.AdditionalProperties.(bool); ok && !free {
		message := validation.MsgUnexpectedProperty
		if known := text.Nearest(name, slices.Collect(maps.Keys(s.Properties))); known != "" {
			message += "; did you mean " + known + "?"
		}
		c.misfit(message, nil)
		return nil
	}
	for known := range s.Properties {
		if strings.EqualFold(known, name) {
			c.misfit(validation.MsgUnexpectedProperty, nil)
			return nil
		}
	}
	other, _ := s.AdditionalProperties.(*huma.Schema)
	return other
}

func (c *jsonChecker) members(depth int, s *huma.Schema) error {
	c.at++
	c.space()
	if c.at < len(c.data) && c.data[c.at] == '}' {
		c.at++
		return nil
	}
	base := len(c.path)
	for count := 1; ; count++ {
		c.space()
		if c.at >= len(c.data) || c.data[c.at] != '"' {
			return c.fail("expected a name")
		}
		name, err := c.text()
		if err != nil {
			return err
		}
		c.path = append(append(c.path[:base], '.'), text.Clip(name, 80)...)
		if count > maxJSONMembers {
			c.path, c.faults = c.path[:base], nil
			c.fault(fmt.Sprintf("an object of more than %d members", maxJSONMembers))
			return errTooMany
		}
		if !c.names[depth].add(name, c.seed) {
			c.fault("given twice")
		}
		c.space()
		if c.at >= len(c.data) || c.data[c.at] != ':' {
			return c.fail("expected a colon")
		}
		c.at++
		c.space()
		if err := c.value(depth+1, c.member(s, name)); err != nil {
			return err
		}
		c.path = c.path[:base]
		c.space()
		if c.at >= len(c.data) {
			return c.fail("unexpected end")
		}
		switch c.data[c.at] {
		case ',':
			c.at++
		case '}':
			c.at++
			return nil
		default:
			return c.fail("expected a comma or a closing brace")
		}
	}
}

func (c *jsonChecker) array(depth int, s *huma.Schema) error {
	start := c.at
	var items *huma.Schema
	switch {
	case s == nil:
	case composed(s) || s.UniqueItems:
		defer func() { c.fitComposed(s, c.data[start:c.at]) }()
	case s.Type == huma.TypeArray:
		items = s
	case s.Type != "":
		c.fits(s, []any{})
	}
	count, err := c.items(depth, items)
	if err == nil && items != nil {
		if items.MinItems != nil && count < *items.MinItems {
			c.misfit(fmt.Sprintf(validation.MsgExpectedMinItems, *items.MinItems), nil)
		}
		if items.MaxItems != nil && count > *items.MaxItems {
			c.misfit(fmt.Sprintf(validation.MsgExpectedMaxItems, *items.MaxItems), nil)
		}
	}
	return err
}

func (c *jsonChecker) items(depth int, s *huma.Schema) (int, error) {
	c.at++
	c.space()
	if c.at < len(c.data) && c.data[c.at] == ']' {
		c.at++
		return 0, nil
	}
	base := len(c.path)
	var item *huma.Schema
	if s != nil {
		item = s.Items
	}
	for i := 0; ; i++ {
		c.path = append(strconv.AppendInt(append(c.path[:base], '['), int64(i), 10), ']')
		c.space()
		if err := c.value(depth+1, item); err != nil {
			return i, err
		}
		c.path = c.path[:base]
		c.space()
		if c.at >= len(c.data) {
			return i, c.fail("unexpected end")
		}
		switch c.data[c.at] {
		case ',':
			c.at++
		case ']':
			c.at++
			return i + 1, nil
		default:
			return i, c.fail("expected a comma or a closing bracket")
		}
	}
}

func (c *jsonChecker) word(w string) error {
	if len(c.data)-c.at < len(w) || string(c.data[c.at:c.at+len(w)]) != w {
		return c.fail("unexpected character")
	}
	c.at += len(w)
	return nil
}

func (c *jsonChecker) digits() int {
	start := c.at
	for c.at < len(c.data) && c.data[c.at] >= '0' && c.data[c.at] <= '9' {
		c.at++
	}
	return c.at - start
}

func (c *jsonChecker) number() error {
	start := c.at
	if c.data[c.at] == '-' {
		c.at++
	}
	switch {
	case c.at < len(c.data) && c.data[c.at] == '0':
		c.at++
	case c.digits() == 0:
		return c.fail("expected a digit")
	}
	if c.at < len(c.data) && c.data[c.at] == '.' {
		c.at++
		if c.digits() == 0 {
			return c.fail("expected a digit")
		}
	}
	if c.at < len(c.data) && (c.data[c.at] == 'e' || c.data[c.at] == 'E') {
		c.at++
		if c.at < len(c.data) && (c.data[c.at] == '+' || c.data[c.at] == '-') {
			c.at++
		}
		if c.digits() == 0 {
			return c.fail("expected a digit")
		}
	}
	if !text.Number(c.data[start:c.at]) {
		c.fault("a number out of range")
	}
	return nil
}

// skipText reads a string without decoding it, and returns its length in characters.
func (c *jsonChecker) skipText() (int, error) {
	c.at++
	length := 0
	for c.at < len(c.data) {
		switch b := c.data[c.at]; {
		case b == '"':
			c.at++
			return length, nil
		case b < 0x20:
			return 0, c.fail("a control character in a string")
		case b == '\\':
			if _, err := c.escape(); err != nil {
				return 0, err
			}
		case b < utf8.RuneSelf:
			c.at++
		default:
			r, size := utf8.DecodeRune(c.data[c.at:])
			if r == utf8.RuneError && size == 1 {
				return 0, c.fail("invalid UTF-8")
			}
			c.at += size
		}
		length++
	}
	return 0, c.fail("unexpected end")
}

// text reads a string and returns it decoded: the name of a member.
func (c *jsonChecker) text() (string, error) {
	c.at++
	start := c.at
	// Most strings have no escape: they are taken as they are.
	for c.at < len(c.data) && c.data[c.at] != '"' && c.data[c.at] != '\\' && c.data[c.at] >= 0x20 && c.data[c.at] < utf8.RuneSelf {
		c.at++
	}
	if c.at < len(c.data) && c.data[c.at] == '"' {
		s := string(c.data[start:c.at])
		c.at++
		return s, nil
	}
	out := append([]byte(nil), c.data[start:c.at]...)
	for c.at < len(c.data) {
		switch b := c.data[c.at]; {
		case b == '"':
			c.at++
			return string(out), nil
		case b < 0x20:
			return "", c.fail("a control character in a string")
		case b == '\\':
			r, err := c.escape()
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, r)
		case b < utf8.RuneSelf:
			out = append(out, b)
			c.at++
		default:
			r, size := utf8.DecodeRune(c.data[c.at:])
			if r == utf8.RuneError && size == 1 {
				return "", c.fail("invalid UTF-8")
			}
			out = append(out, c.data[c.at:c.at+size]...)
			c.at += size
		}
	}
	return "", c.fail("unexpected end")
}

func (c *jsonChecker) escape() (rune, error) {
	if c.at+1 >= len(c.data) {
		return 0, c.fail("unexpected end")
	}
	b := c.data[c.at+1]
	switch b {
	case '"', '\\', '/':
		c.at += 2
		return rune(b), nil
	case 'b', 'f', 'n', 'r', 't':
		c.at += 2
		return controlOf(b), nil
	case 'u':
		r, err := c.unit()
		if err != nil {
			return 0, err
		}
		switch {
		case r == 0:
			c.fault("the character NUL can't be stored")
		case r >= 0xD800 && r < 0xDC00:
			if c.at+1 < len(c.data) && c.data[c.at] == '\\' && c.data[c.at+1] == 'u' {
				back := c.at
				low, err := c.unit()
				if err != nil {
					return 0, err
				}
				if low >= 0xDC00 && low < 0xE000 {
					return (r-0xD800)<<10 + (low - 0xDC00) + 0x10000, nil
				}
				c.at = back
			}
			c.fault("half a surrogate pair can't be stored")
			return utf8.RuneError, nil
		case r >= 0xDC00 && r < 0xE000:
			c.fault("half a surrogate pair can't be stored")
			return utf8.RuneError, nil
		}
		return r, nil
	default:
		return 0, c.fail("an unknown escape in a string")
	}
}

func controlOf(b byte) rune {
	switch b {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	default:
		return '\t'
	}
}

// unit reads \uXXXX.
func (c *jsonChecker) unit() (rune, error) {
	if c.at+6 > len(c.data) {
		return 0, c.fail("unexpected end")
	}
	n, err := strconv.ParseUint(string(c.data[c.at+2:c.at+6]), 16, 32)
	if err != nil {
		return 0, c.fail("an unknown escape in a string")
	}
	c.at += 6
	return rune(n), nil
}
