//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// contract checks the answers of a node against the OpenAPI document that the node serves.
type contract struct {
	node     *process
	compiler *jsonschema.Compiler
	paths    map[string]map[string]json.RawMessage // by path template, then by method in small letters
}

const contractURL = "https://jsruntime.invalid/openapi.json"

func contractOf(t *testing.T, n *process) *contract {
	t.Helper()
	_, document, err := n.request("GET", "/openapi.json", "", nil)
	require.NoError(t, err)
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	require.NoError(t, err)
	c := &contract{node: n, compiler: jsonschema.NewCompiler()}
	c.compiler.DefaultDraft(jsonschema.Draft2020) // that of OpenAPI 3.1
	require.NoError(t, c.compiler.AddResource(contractURL, parsed))
	require.NoError(t, json.Unmarshal(document, &struct{ Paths any }{Paths: &c.paths}))
	return c
}

// must sends a request, expects a status and an answer that the document describes, and decodes that answer into into.
func (c *contract) must(t *testing.T, status int, method, path, key string, body, into any) {
	t.Helper()
	response, text, err := c.node.request(method, path, key, body)
	require.NoError(t, err)
	require.Equal(t, status, response.StatusCode, "%s %s: %s", method, path, text)
	bare, _, _ := strings.Cut(path, "?")
	pointer := c.schema(t, method, bare, response)
	if pointer == "" {
		require.Empty(t, text, "%s %s: the document describes no body", method, path)
		return
	}
	if strings.HasSuffix(mediaType(response), "json") {
		schema, err := c.compiler.Compile(contractURL + pointer)
		require.NoError(t, err)
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		require.NoError(t, err, "%s", text)
		require.NoError(t, schema.Validate(value), "%s %s: %s", method, path, text)
	}
	switch into := into.(type) {
	case nil:
	case *string:
		*into = string(text)
	default:
		require.NoError(t, json.Unmarshal(text, into), "%s", text)
	}
}

// schema returns the JSON pointer of the schema of an answer, empty where the document describes no body.
func (c *contract) schema(t *testing.T, method, path string, response *http.Response) string {
	t.Helper()
	method = strings.ToLower(method)
	for template, operations := range c.paths {
		if operations[method] == nil || !matches(template, path) {
			continue
		}
		var operation struct {
			Responses map[string]struct{ Content map[string]json.RawMessage }
		}
		require.NoError(t, json.Unmarshal(operations[method], &operation))
		status := response.Status[:3]
		for _, name := range []string{status, status[:1] + "XX"} {
			described, ok := operation.Responses[name]
			if !ok {
				continue
			}
			if len(described.Content) == 0 {
				return ""
			}
			media := mediaType(response)
			require.Contains(t, described.Content, media, "%s %s answers %s", method, path, status)
			return "#/paths/" + escape(template) + "/" + method + "/responses/" + name + "/content/" + escape(media) + "/schema"
		}
		require.Fail(t, "the document does not describe this status", "%s %s: %s", method, path, status)
	}
	require.Fail(t, "the document does not describe this operation", "%s %s", method, path)
	return ""
}

func mediaType(response *http.Response) string {
	media, _, _ := strings.Cut(response.Header.Get("Content-Type"), ";")
	return media
}

// matches reports whether a path is of a template such as /scripts/{id}.
func matches(template, path string) bool {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if want[i] != got[i] && !strings.HasPrefix(want[i], "{") {
			return false
		}
	}
	return true
}

// escape writes one token of a JSON pointer inside a URL fragment.
func escape(token string) string {
	token = strings.NewReplacer("~", "~0", "/", "~1").Replace(token)
	return strings.NewReplacer("{", "%7B", "}", "%7D").Replace(token)
}
