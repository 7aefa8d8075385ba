package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// schema is the part of a JSON Schema that the API's document uses.
type schema struct {
	Ref         string            `json:"$ref"`
	Type        typeNames         `json:"type"`
	Enum        []any             `json:"enum"`
	OneOf       []schema          `json:"oneOf"`
	AnyOf       []schema          `json:"anyOf"`
	Items       *schema           `json:"items"`
	Properties  map[string]schema `json:"properties"`
	Required    []string          `json:"required"`
	Additional  json.RawMessage   `json:"additionalProperties"`
	Description string            `json:"description"`
}

// typeNames is one name or a list of them.
type typeNames []string

// UnmarshalJSON implements json.Unmarshaler.
func (t *typeNames) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*t = typeNames{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(t))
}

type content map[string]struct {
	Schema schema `json:"schema"`
}

type operation struct {
	Parameters []struct {
		Name     string `json:"name"`
		In       string `json:"in"`
		Required bool   `json:"required"`
		Schema   schema `json:"schema"`
	} `json:"parameters"`
	RequestBody *struct {
		Content  content `json:"content"`
		Required bool    `json:"required"`
	} `json:"requestBody"`
	Responses map[string]struct {
		Content content `json:"content"`
	} `json:"responses"`
	Permission string `json:"x-permission"`
	Scope      string `json:"x-scope"`
}

var identifier = regexp.MustCompile(`^[A-Za-z_$][\w$]*$`)

func property(name string) string {
	if identifier.MatchString(name) {
		return name
	}
	quoted, _ := json.Marshal(name) // a string always can be
	return string(quoted)
}

// typeScript returns the type that a schema describes.
func (s *schema) typeScript(indent string) string {
	switch {
	case s.Ref != "":
		return s.Ref[strings.LastIndex(s.Ref, "/")+1:]
	case len(s.Enum) > 0:
		var all []string
		for _, v := range s.Enum {
			text, _ := json.Marshal(v) // it came from JSON
			all = append(all, string(text))
		}
		if slices.Contains(s.Type, "null") && !slices.Contains(all, "null") {
			all = append(all, "null")
		}
		return strings.Join(all, " | ")
	case len(s.OneOf)+len(s.AnyOf) > 0:
		var all []string
		for _, one := range slices.Concat(s.OneOf, s.AnyOf) {
			all = append(all, one.typeScript(indent))
		}
		slices.Sort(all)
		return strings.Join(slices.Compact(all), " | ")
	case len(s.Type) == 0:
		return "unknown"
	}
	var all []string
	for _, name := range s.Type {
		all = append(all, s.named(name, indent))
	}
	return strings.Join(all, " | ")
}

func (s *schema) named(name, indent string) string {
	switch name {
	case "integer":
		return "number"
	case "array":
		if s.Items == nil {
			return "unknown[]"
		}
		item := s.Items.typeScript(indent)
		if strings.Contains(item, " | ") {
			item = "(" + item + ")"
		}
		return item + "[]"
	case "object":
		return s.object(indent)
	default:
		return name
	}
}

func (s *schema) object(indent string) string {
	if len(s.Properties) == 0 {
		var value schema
		if len(s.Additional) > 0 && json.Unmarshal(s.Additional, &value) == nil {
			return "Record<string, " + value.typeScript(indent) + ">"
		}
		return "Record<string, unknown>"
	}
	var b strings.Builder
	b.WriteString("{\n")
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		p := s.Properties[name]
		if p.Description != "" {
			fmt.Fprintf(&b, "%s  /** %s */\n", indent, strings.ReplaceAll(p.Description, "*/", "*\u200b/"))
		}
		mark := "?"
		if slices.Contains(s.Required, name) {
			mark = ""
		}
		fmt.Fprintf(&b, "%s  %s%s: %s;\n", indent, property(name), mark, p.typeScript(indent+"  "))
	}
	return b.String() + indent + "}"
}

// answer is the type of what an operation answers with.
func (o *operation) answer() string {
	var all []string
	for _, status := range slices.Sorted(maps.Keys(o.Responses)) {
		if status[0] != '2' {
			continue
		}
		of := o.Responses[status].Content
		if json, ok := of["application/json"]; ok {
			all = append(all, json.Schema.typeScript("    "))
		} else if len(of) > 0 {
			all = append(all, "string")
		}
	}
	all = slices.Compact(all)
	if len(all) == 0 {
		return "null"
	}
	return strings.Join(all, " | ")
}

func (o *operation) parameters(in string) string {
	var all []string
	for _, p := range o.Parameters {
		if p.In != in {
			continue
		}
		switch {
		case in == "path":
			all = append(all, p.Name+": string | number")
		case p.Schema.Type != nil && p.Schema.Type[0] == "array":
			all = append(all, property(p.Name)+"?: string") // with commas in between
		case len(p.Schema.Enum) > 0: // filters come from the address bar; the API judges them
			all = append(all, property(p.Name)+"?: string")
		default:
			all = append(all, property(p.Name)+"?: "+p.Schema.typeScript("")+` | ""`)
		}
	}
	if len(all) == 0 {
		return "{}"
	}
	return "{ " + strings.Join(all, "; ") + " }"
}

func (o *operation) body() string {
	if o.RequestBody == nil {
		return "undefined"
	}
	of, ok := o.RequestBody.Content["application/merge-patch+json"]
	if !ok {
		of = o.RequestBody.Content["application/json"]
	}
	body := of.Schema.typeScript("    ")
	if !o.RequestBody.Required && body != "unknown" {
		body += " | undefined"
	}
	return body
}

// types returns the API's document as TypeScript: an interface for each schema, and for each operation its parameters, body and answer,
// and what a session needs in order to use it.
func types(document []byte) ([]byte, error) {
	var doc struct {
		Paths      map[string]map[string]json.RawMessage `json:"paths"`
		Components struct {
			Schemas map[string]schema `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(document, &doc); err != nil {
		return nil, err
	}
	var b, access bytes.Buffer
	b.WriteString("// Code generated by httpapi/console/build from httpapi/openapi.json. DO NOT EDIT.\n\n")
	for _, name := range slices.Sorted(maps.Keys(doc.Components.Schemas)) {
		s := doc.Components.Schemas[name]
		if len(s.Properties) > 0 && len(s.Type) == 1 && s.Type[0] == "object" {
			fmt.Fprintf(&b, "export interface %s %s\n\n", name, s.object(""))
		} else {
			fmt.Fprintf(&b, "export type %s = %s;\n\n", name, s.typeScript(""))
		}
	}
	b.WriteString("/** Each operation: the parameters of its path and query, its body, and what it answers with. */\nexport interface Operations {\n")
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		for _, method := range []string{"get", "post", "put", "patch", "delete"} {
			raw, ok := doc.Paths[path][method]
			if !ok {
				continue
			}
			var o operation
			if err := json.Unmarshal(raw, &o); err != nil {
				return nil, fmt.Errorf("%s %s: %w", method, path, err)
			}
			name := strings.ToUpper(method) + " " + strings.TrimPrefix(path, "/api/v1")
			fmt.Fprintf(&b, "  %q: {\n    path: %s;\n    query: %s;\n    body: %s;\n    answer: %s;\n  };\n",
				name, o.parameters("path"), o.parameters("query"), o.body(), o.answer())
			fmt.Fprintf(&access, "  %q: [%q, %q],\n", name, o.Permission, o.Scope)
		}
	}
	b.WriteString("}\n\n/** What a session needs for each operation: the permission of its role, or the scope of its key. */\nexport const access: Record<keyof Operations, [permission: string, scope: string]> = {\n")
	b.Write(access.Bytes())
	b.WriteString("};\n")
	return b.Bytes(), nil
}
