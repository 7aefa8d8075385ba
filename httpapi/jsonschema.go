package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"
	"github.com/go-json-experiment/json/jsontext"

	"example.com/jsruntime/engine/text"
)

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

// alternative is the one schema of a oneOf that a value of the kind may have, so that its members are judged, and
// named, one by one. Where none or several may, it is the oneOf itself.
func (c *jsonChecker) alternative(s *huma.Schema, kind jsontext.Kind) *huma.Schema {
	if s == nil || s.OneOf == nil || s.AnyOf != nil || s.AllOf != nil || s.Not != nil {
		return s
	}
	typ := map[jsontext.Kind]string{'{': huma.TypeObject, '[': huma.TypeArray, '"': huma.TypeString, 't': huma.TypeBoolean, 'f': huma.TypeBoolean}[kind]
	var found *huma.Schema
	for _, one := range s.OneOf {
		if one = c.resolve(one); one.Type == typ && typ != "" {
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

// fitMembers notes what an object has too few, or too many, of.
func (c *jsonChecker) fitMembers(s *huma.Schema, names map[uint64]struct{}) {
	for _, name := range s.Required {
		if known := s.Properties[name]; !has(names, maphash.String(c.seed, name)) && (known == nil || !known.ReadOnly) {
			c.misfit(fmt.Sprintf(validation.MsgExpectedRequiredProperty, name), nil)
		}
	}
	if s.MinProperties != nil && len(names) < *s.MinProperties {
		c.misfit(fmt.Sprintf(validation.MsgExpectedMinProperties, *s.MinProperties), nil)
	}
	if s.MaxProperties != nil && len(names) > *s.MaxProperties {
		c.misfit(fmt.Sprintf(validation.MsgExpectedMaxProperties, *s.MaxProperties), nil)
	}
}

// member gives the schema of an object's member and notes one that the object must not have. A name that differs from a known one in
// case only is refused as well, also where others are free: encoding/json would take it for the known one.
func (c *jsonChecker) member(s *huma.Schema, name string, kind jsontext.Kind) *huma.Schema {
	if s == nil {
		return nil
	}
	if known := s.Properties[name]; known != nil {
		// null is as good as left out.
		if kind == 'n' && (!slices.Contains(s.Required, name) || s.Nullable) {
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
