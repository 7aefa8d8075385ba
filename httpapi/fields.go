package httpapi

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"example.com/jsruntime/engine/text"
)

// FieldsQuery chooses the members of a list's items.
type FieldsQuery struct {
	Fields string `query:"fields" maxLength:"1000" example:"id,name,status" doc:"Members of each item, separated by commas. All but sources, inputs, outputs and events' data by default, which are in the object itself, and here where they are asked for."`
}

// chosen are the members that a list's items have.
type chosen struct{ names []string }

// has reports whether the items have one of the members.
func (c chosen) has(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(c.names, name) })
}

// choose reads fields for a list of T, whose items are without the heavy members by default.
func choose[T any](fields string, heavy ...string) (chosen, error) {
	all := membersOf(reflect.TypeFor[T]())
	if fields == "" {
		return chosen{slices.DeleteFunc(all, func(name string) bool { return slices.Contains(heavy, name) })}, nil
	}
	var names []string
	for name := range strings.SplitSeq(fields, ",") {
		name = strings.TrimSpace(name)
		switch {
		case slices.Contains(names, name):
			return chosen{}, invalid("query.fields", text.Clip(name, 80)+" is given twice")
		case !slices.Contains(all, name):
			message := fmt.Sprintf("%q is no field of the items", text.Clip(name, 80))
			if near := text.Nearest(name, all); near != "" {
				message += "; did you mean " + near + "?"
			}
			return chosen{}, invalid("query.fields", message)
		}
		names = append(names, name)
	}
	return chosen{names}, nil
}

// membersOf are the names of a type's members in JSON.
func membersOf(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" && name != "-" {
			names = append(names, name)
		}
	}
	return names
}

// Item is an item of a list: an object with the members that were chosen.
type Item[T any] struct {
	value  *T
	chosen chosen
}

// MarshalJSON writes the members that were chosen, in the order of T.
func (i Item[T]) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	v := reflect.ValueOf(i.value).Elem()
	for n := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(n).Tag.Get("json"), ",")
		if !i.chosen.has(name) || strings.Contains(options, "omitempty") && v.Field(n).IsZero() {
			continue
		}
		out.WriteByte(',')
		out.Write(text.AppendString(nil, name))
		out.WriteByte(':')
		if err := jsonFormat().Marshal(&out, v.Field(n).Interface()); err != nil {
			return nil, err
		}
	}
	if out.Len() == 0 {
		return []byte("{}"), nil
	}
	out.Bytes()[0] = '{'
	out.WriteByte('}')
	return out.Bytes(), nil
}

// Schema documents an Item as its object, of which any member may be absent.
func (Item[T]) Schema(r huma.Registry) *huma.Schema {
	whole := r.Schema(reflect.TypeFor[T](), true, "")
	s := *r.SchemaFromRef(whole.Ref)
	s.Required = nil
	s.PrecomputeMessages()
	return named(r, reflect.TypeFor[T]().Name()+"Item", &s)
}
