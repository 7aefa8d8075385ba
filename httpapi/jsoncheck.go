package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"
	"github.com/go-json-experiment/json/jsontext"

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
	// maxJSONMembers bounds the members of one object. Hashes of their names are kept while the object is read, to find one twice.
	maxJSONMembers = 100_000
)

// jsonSyntaxError is malformed JSON: a 400.
type jsonSyntaxError struct {
	offset  int64
	message string
}

func (e *jsonSyntaxError) Error() string {
	return fmt.Sprintf("malformed JSON at byte %d: %s", e.offset, e.message)
}

// errRefused ends the reading of a document that is refused for its last fault alone, well-formed or not.
var errRefused = errors.New("refused")

// validateJSON reads data as one JSON document and compares it with a schema; nil allows everything. It returns an error where it isn't one;
// the faults of one that can't be stored or is ambiguous: NUL, lone surrogates, numbers out of range, a name twice in one object, too deep,
// too many values; and else what the schema has otherwise, in huma's words. It decodes nothing but single strings and numbers for which the
// schema has more rules than a length. hideValues leaves values out of the faults.
func validateJSON(data []byte, location string, schema *huma.Schema, schemas huma.Registry, hideValues bool) ([]ProblemError, error) {
	if at := invalidUTF8(data); at >= 0 {
		return nil, &jsonSyntaxError{offset: int64(at), message: "invalid UTF-8"}
	}
	c := &jsonChecker{
		data: data, path: []byte(location), root: len(location), seed: maphash.MakeSeed(), schemas: schemas, hideValues: hideValues,
		// Names that are there twice and half surrogate pairs are ours to judge: to the decoder they are malformed JSON.
		tokens: jsontext.NewDecoder(bytes.NewBuffer(data), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)),
	}
	err := c.value(0, schema)
	if err == nil {
		if _, err = c.tokens.ReadToken(); err == nil {
			return nil, &jsonSyntaxError{offset: c.tokens.InputOffset(), message: "something follows the document"}
		}
	}
	var syntax *jsontext.SyntacticError
	switch {
	case err == errRefused:
		return c.faults[len(c.faults)-1:], nil
	case errors.As(err, &syntax) && !errors.Is(err, io.ErrUnexpectedEOF):
		return nil, &jsonSyntaxError{offset: syntax.ByteOffset, message: syntax.Err.Error()}
	case err != io.EOF || c.values == 0:
		return nil, &jsonSyntaxError{offset: int64(len(data)), message: "unexpected end"}
	case len(c.faults) > 0:
		return c.faults, nil
	}
	return c.misfits, nil
}

// invalidUTF8 returns where data is not UTF-8; negative: nowhere.
func invalidUTF8(data []byte) int {
	if utf8.Valid(data) {
		return -1
	}
	at := 0
	for {
		r, size := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && size <= 1 {
			return at
		}
		at += size
	}
}

type jsonChecker struct {
	data       []byte
	tokens     *jsontext.Decoder // of data
	path       []byte
	root       int // length of the path of the document itself
	values     int
	free       int                   // depth at which a value that may be any JSON began, plus one; 0: outside of one
	seed       maphash.Seed          // of the hashes in names
	names      []map[uint64]struct{} // of the members of the object at each level of nesting, used again
	faults     []ProblemError        // of the document
	misfits    []ProblemError        // of the document as the schema has it
	schemas    huma.Registry
	hideValues bool
}

// fault notes what is wrong with the document itself.
func (c *jsonChecker) fault(message string) {
	if len(c.faults) < maxJSONFaults {
		c.faults = append(c.faults, ProblemError{Location: string(c.path), Message: message})
	}
}

// refuse notes the one fault that a document is refused for.
func (c *jsonChecker) refuse(path []byte, message string) error {
	c.faults = append(c.faults, ProblemError{Location: string(path), Message: message})
	return errRefused
}

func (c *jsonChecker) value(depth int, s *huma.Schema) error {
	if c.values++; c.values > maxJSONValues {
		return c.refuse(c.path[:c.root], fmt.Sprintf("more than %d values", maxJSONValues))
	}
	kind := c.tokens.PeekKind()
	s = c.alternative(c.resolve(s), kind)
	if kind == '{' || kind == '[' {
		return c.container(depth, s, kind)
	}
	literal, err := c.tokens.ReadValue()
	if err == nil {
		c.scalar(s, kind, literal)
	}
	return err
}

func (c *jsonChecker) scalar(s *huma.Schema, kind jsontext.Kind, literal []byte) {
	var v any
	switch kind {
	case '"':
		length, fault := text.Measure(literal)
		if fault != "" {
			c.fault(fault.Error())
		}
		if s != nil {
			c.fitText(s, literal, length)
		}
		return
	case '0':
		if !text.Number(literal) {
			c.fault("a number out of range")
			return
		}
		v, _ = strconv.ParseFloat(string(literal), 64)
	case 't', 'f':
		v = kind == 't'
	}
	if s != nil {
		c.fits(s, v)
	}
}

// container reads an object or an array. Of a composed schema the schemas of what is in it are not known: it is compared as a whole.
func (c *jsonChecker) container(depth int, s *huma.Schema, kind jsontext.Kind) error {
	if c.free == 0 && (s == nil || s.Type == "" && !composed(s)) {
		c.free = depth + 1
		defer func() { c.free = 0 }()
	}
	within, limit := depth, maxJSONDepth
	if c.free > 0 {
		within, limit = depth-c.free+1, text.MaxDepth
	}
	if within >= limit {
		return c.refuse(c.path, fmt.Sprintf("nested deeper than %d", limit))
	}
	if _, err := c.tokens.ReadToken(); err != nil {
		return err
	}
	start := c.tokens.InputOffset() - 1
	inner := s
	switch {
	case s == nil:
	case composed(s) || kind == '[' && s.UniqueItems:
		defer func() { c.fitComposed(s, c.data[start:c.tokens.InputOffset()]) }()
		inner = nil
	case s.Type == "" || kind == '{' && s.Type == huma.TypeObject || kind == '[' && s.Type == huma.TypeArray:
	case kind == '{':
		c.fits(s, map[string]any{})
		inner = nil
	default:
		c.fits(s, []any{})
		inner = nil
	}
	base := len(c.path)
	defer func() { c.path = c.path[:base] }()
	if kind == '{' {
		return c.members(depth, inner)
	}
	return c.items(depth, inner)
}

func (c *jsonChecker) members(depth int, s *huma.Schema) error {
	if len(c.names) <= depth {
		c.names = append(c.names, make([]map[uint64]struct{}, depth+1-len(c.names))...)
	}
	names := c.names[depth]
	if names == nil || len(names) > 1000 { // clear leaves the memory of a large one
		names = map[uint64]struct{}{}
		c.names[depth] = names
	}
	clear(names)
	base := len(c.path)
	for count := 1; c.tokens.PeekKind() != '}'; count++ {
		literal, err := c.tokens.ReadValue()
		if err != nil {
			return err
		}
		if count > maxJSONMembers {
			return c.refuse(c.path[:base], fmt.Sprintf("an object of more than %d members", maxJSONMembers))
		}
		name := string(literal[1 : len(literal)-1])
		if strings.IndexByte(name, '\\') >= 0 {
			unquoted, _ := jsontext.AppendUnquote(nil, literal) // half a surrogate pair becomes U+FFFD
			name = string(unquoted)
		}
		c.path = append(append(c.path[:base], '.'), text.Clip(name, 80)...)
		if _, fault := text.Measure(literal); fault != "" {
			c.fault(fault.Error())
		}
		if hash := maphash.String(c.seed, name); has(names, hash) {
			c.fault("given twice")
		} else {
			names[hash] = struct{}{}
		}
		if err := c.value(depth+1, c.member(s, name, c.tokens.PeekKind())); err != nil {
			return err
		}
	}
	c.path = c.path[:base]
	if s != nil {
		c.fitMembers(s, names)
	}
	_, err := c.tokens.ReadToken()
	return err
}

func has(names map[uint64]struct{}, hash uint64) bool {
	_, known := names[hash]
	return known
}

func (c *jsonChecker) items(depth int, s *huma.Schema) error {
	var item *huma.Schema
	if s != nil {
		item = s.Items
	}
	base, count := len(c.path), 0
	for ; c.tokens.PeekKind() != ']'; count++ {
		c.path = append(strconv.AppendInt(append(c.path[:base], '['), int64(count), 10), ']')
		if err := c.value(depth+1, item); err != nil {
			return err
		}
	}
	c.path = c.path[:base]
	if s != nil && s.MinItems != nil && count < *s.MinItems {
		c.misfit(fmt.Sprintf(validation.MsgExpectedMinItems, *s.MinItems), nil)
	}
	if s != nil && s.MaxItems != nil && count > *s.MaxItems {
		c.misfit(fmt.Sprintf(validation.MsgExpectedMaxItems, *s.MaxItems), nil)
	}
	_, err := c.tokens.ReadToken()
	return err
}
