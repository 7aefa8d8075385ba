package httpapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/kv"
)

// KVNamespaces are names of env that are namespaces of kv.
type KVNamespaces map[string]*KVNamespace

// KVNamespace is a namespace: the keys of kv that begin with its prefix.
type KVNamespace struct {
	Prefix *string `json:"prefix,omitempty"`
}

const (
	// maxNamespaces is how many namespaces a script has at most.
	maxNamespaces = 50
	// maxPrefix leaves a key room behind its prefix.
	maxPrefix = kv.MaxKeyBytes / 2
)

// namespaceName is what a member of env may be called.
var namespaceName = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]{0,127}$`)

// Schema documents KVNamespaces.
func (KVNamespaces) Schema(huma.Registry) *huma.Schema {
	most, longest := maxNamespaces, maxPrefix
	namespace := &huma.Schema{
		Type: huma.TypeObject, Nullable: true, AdditionalProperties: false,
		Properties: map[string]*huma.Schema{"prefix": {
			Type: huma.TypeString, Nullable: true, MaxLength: &longest,
			Description: "What the namespace's keys begin with in kv; NAME/ by default. Scripts with the same prefix share a namespace; \"\" is all of the tenant's kv.",
		}},
	}
	s := &huma.Schema{
		Type: huma.TypeObject, Nullable: true, AdditionalProperties: namespace, MaxProperties: &most,
		Description: "Names of env that are namespaces of kv, with the methods of Workers KV: get, getWithMetadata, put, delete and list. They come before secrets of the same name.",
	}
	s.PrecomputeMessages()
	return s
}

// namespacesOf are a script's namespaces as the API shows them: with their prefixes.
func namespacesOf(stored json.RawMessage) KVNamespaces {
	prefixes := catalog.KVNamespacesOf(stored)
	if len(prefixes) == 0 {
		return nil
	}
	out := KVNamespaces{}
	for name, prefix := range prefixes {
		out[name] = &KVNamespace{Prefix: &prefix}
	}
	return out
}

func checkNamespaces(stored json.RawMessage) error {
	prefixes := catalog.KVNamespacesOf(stored)
	for _, name := range slices.Sorted(maps.Keys(prefixes)) {
		if !namespaceName.MatchString(name) {
			return invalid("body.kv_namespaces", fmt.Sprintf("%q is no name of a member of env: a letter, _ or $, and at most 127 of these and digits", name))
		}
		if prefix := prefixes[name]; len(prefix) > maxPrefix || prefix != "" && kv.CheckKey("prefix", prefix) != nil {
			return invalid("body.kv_namespaces."+name+".prefix", fmt.Sprintf("must be at most %d bytes of UTF-8 without NUL", maxPrefix))
		}
	}
	if len(prefixes) > maxNamespaces {
		return invalid("body.kv_namespaces", fmt.Sprintf("at most %d namespaces", maxNamespaces))
	}
	return nil
}
