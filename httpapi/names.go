package httpapi

import (
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// schemaName names a type in the OpenAPI document: Page[Script] is ScriptPage, and a
// body without a type of its own is named after its operation.
func schemaName(t reflect.Type, hint string) string {
	name := t.Name()
	if base, arg, ok := strings.Cut(name, "["); ok {
		arg = strings.TrimRight(arg, "]")
		arg = arg[strings.LastIndexByte(arg, '.')+1:]
		return arg + strings.ToUpper(base[:1]) + base[1:]
	}
	name = huma.DefaultSchemaNamer(t, hint)
	return strings.TrimSuffix(strings.TrimSuffix(name, "Body"), "In")
}
