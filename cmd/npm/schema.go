package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
)

type object = map[string]any

// ofFile are the fields of a script that jsruntime.jsonc says elsewhere: the name is the entry's, the source is in a file.
var ofFile = []string{"name", "source", "files", "$schema"}

// schema makes the JSON schema of jsruntime.jsonc: a script has the fields that the API takes, with the API's own rules.
func schema(openapi []byte) ([]byte, error) {
	var document struct {
		Components struct {
			Schemas map[string]object `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(openapi, &document); err != nil {
		return nil, fmt.Errorf("openapi: %w", err)
	}
	all := document.Components.Schemas
	fields := object{"main": object{"type": "string", "minLength": 1, "description": "The script's file, from this folder."}}
	for _, name := range []string{"ExportedScript", "ScriptCreate"} { // the second has the descriptions
		properties, ok := all[name]["properties"].(object)
		if !ok {
			return nil, fmt.Errorf("openapi: no schema %s", name)
		}
		for field, rule := range properties {
			if !slices.Contains(ofFile, field) && (name != "ScriptCreate" || fields[field] != nil || field == "files") {
				fields[field] = rule
			}
		}
	}
	definitions := object{}
	collect(fields, all, definitions)
	script := object{"type": "object", "additionalProperties": false, "required": []string{"type", "main"}, "properties": fields}
	project := object{
		"$schema": object{"type": "string"},
		"name":    object{"type": "string", "description": "The project's name, which marks its scripts on the node. By default that of package.json."},
		"url":     object{"type": "string", "description": "The node. JSRUNTIME_URL and --url come first."},
		"profile": object{"type": "string", "description": "The profile of jsruntime login."},
		"vars":    object{"type": "object", "description": "Plain values on env."},
		"scripts": object{"type": "object", "description": "One entry a script, with the API's own field names.", "additionalProperties": object{"$ref": "#/$defs/script"}},
	}
	environment := maps.Clone(project)
	delete(environment, "$schema")
	environment["scripts"] = object{"type": "object", "additionalProperties": object{"type": "object"}, "description": "What differs of a script."}
	project["environments"] = object{
		"type": "object", "description": "What differs with --env NAME.",
		"additionalProperties": object{"type": "object", "additionalProperties": false, "properties": environment},
	}
	definitions["script"] = script
	text, err := json.MarshalIndent(object{
		"$schema": "http://json-schema.org/draft-07/schema#", "title": "jsruntime.jsonc", "type": "object", "additionalProperties": false,
		"properties": project, "$defs": definitions,
	}, "", "  ")
	if err != nil {
		return nil, err
	}
	return inDefinitions.ReplaceAll(text, []byte(`"#/$$defs/`)), nil
}

var inDefinitions = regexp.MustCompile(`"#/components/schemas/`)

// collect adds what a schema refers to.
func collect(v any, all map[string]object, to object) {
	switch v := v.(type) {
	case object:
		if ref, ok := v["$ref"].(string); ok {
			name := ref[len("#/components/schemas/"):]
			if to[name] == nil {
				to[name] = all[name]
				collect(all[name], all, to)
			}
		}
		for _, inner := range v {
			collect(inner, all, to)
		}
	case []any:
		for _, inner := range v {
			collect(inner, all, to)
		}
	}
}
