package main

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine"
)

func TestGeneratedFilesAreFresh(t *testing.T) {
	t.Parallel()
	require.NoError(t, generate("../..", true))
}

// TestStaleFilesAreFound: each target that lacks something is named.
func TestStaleFilesAreFound(t *testing.T) {
	t.Parallel()
	for _, target := range targets() {
		present, err := os.ReadFile("../../" + target.path)
		require.NoError(t, err)
		stale := regexp.MustCompile(`max_log_bytes|unsettled`).ReplaceAllLiteral(present, []byte("max_gone"))
		want, err := target.render(stale)
		require.NoError(t, err, target.path)
		require.NotEqual(t, string(stale), string(want), target.path)
	}
}

// The JavaScript of isolates names no code by itself.
func TestCodesAreNamedOnce(t *testing.T) {
	t.Parallel()
	boot, err := os.ReadFile("../webapi/js/boot.js")
	require.NoError(t, err)
	known := map[string]bool{}
	for _, c := range engine.Codes() {
		known[string(c)] = true
	}
	require.Empty(t, regexp.MustCompile(`(?:failure|thrown|takeRejection)\("`).FindAllString(string(boot), -1))
	used := regexp.MustCompile(`CODES\.(\w+)`).FindAllStringSubmatch(string(boot), -1)
	require.NotEmpty(t, used)
	for _, m := range used {
		require.True(t, known[m[1]], m[1])
	}
}
