package engine

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// The limits of a ctx have the names that the shipped types declare, and no others.
func TestLimitsOfCtxAreAsTheTypesSay(t *testing.T) {
	t.Parallel()
	types, err := os.ReadFile("internal/webapi/jsruntime.d.ts")
	require.NoError(t, err)
	declared := regexp.MustCompile(`(?s)interface Limits \{(.*?)\}`).FindSubmatch(types)
	require.NotNil(t, declared)
	var names []string
	for _, m := range regexp.MustCompile(`readonly (\w+): number;`).FindAllSubmatch(declared[1], -1) {
		names = append(names, string(m[1]))
	}
	var ctx struct {
		Limits map[string]int64 `json:"limits"`
	}
	require.NoError(t, json.Unmarshal(staticContext(&Script{Limits: DefaultLimits()}), &ctx))
	require.ElementsMatch(t, names, slices.Collect(maps.Keys(ctx.Limits)))
	require.EqualValues(t, 64<<20, ctx.Limits["max_memory_bytes"])
}
