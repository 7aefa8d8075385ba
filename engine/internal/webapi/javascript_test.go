package webapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/internal/npmtest"
)

// checkJavaScript runs TypeScript over the files of js, changed by change, and returns what it finds. Each file becomes a module whose
// value is its function, with core as core.ts types it, so that what core.use gives is checked from file to file.
func checkJavaScript(t *testing.T, change func(name, text string) string) string {
	t.Helper()
	modules := npmtest.Install(t, "engine/internal/webapi/testdata/types")
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed: our JavaScript is not type-checked")
	}
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	replace := func(name, text, old, now string) string {
		require.Equal(t, 1, strings.Count(text, old), "%s: %s", name, old)
		return strings.Replace(text, old, now, 1)
	}
	paths, err := filepath.Glob("js/*.js")
	require.NoError(t, err)
	require.Greater(t, len(paths), 20)
	var imports, members strings.Builder
	for _, path := range paths {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		name := strings.TrimSuffix(filepath.Base(path), ".js")
		text := change(name, string(b))
		if name == "boot" {
			text = replace(name, text, "(function (files, native) {",
				`export default (/** @param {import("./core.ts").FileTable} files @param {(op: string, text?: string, bytes?: unknown) => any} native */ function (files, native) {`)
			text = replace(name, text, "  const core = {", `  /** @type {import("./core.ts").Core} */ const core = {`)
		} else {
			text = replace(name, text, "(function (core) {", `export default (/** @param {import("./core.ts").Core} core */ function (core) {`)
			fmt.Fprintf(&imports, "import type %s_ from \"./%s.js\";\n", name, name)
			fmt.Fprintf(&members, "  %s: typeof %s_;\n", name, name)
		}
		write(name+".js", text)
	}
	write("files.ts", imports.String()+"export interface Files {\n"+members.String()+"}\n")
	core, err := os.ReadFile("js/core.ts")
	require.NoError(t, err)
	write("core.ts", string(core))
	config, err := json.Marshal(map[string]any{"compilerOptions": map[string]any{
		"allowJs": true, "checkJs": true, "noEmit": true, "target": "ESNext", "lib": []string{"ESNext"}, "types": []string{}, "module": "ESNext",
		"moduleResolution": "Bundler", "allowImportingTsExtensions": true, "strict": false, "strictFunctionTypes": true, "strictBindCallApply": true,
		"noImplicitReturns": true, "noFallthroughCasesInSwitch": true,
		"noImplicitAny": true, // makes object literals closed; what it says itself is left out below
	}})
	require.NoError(t, err)
	write("tsconfig.json", string(config))
	cmd := exec.Command(node, filepath.Join(modules, "node_modules/typescript-7/bin/tsc"), "-p", dir, "--pretty", "false")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.True(t, err == nil || errors.As(err, &exit), "%v", err)
	var found strings.Builder
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, " ") && !strings.Contains(line, ": error TS70") {
			found.WriteString(line)
		}
	}
	return found.String()
}

func TestTypesOfTheJavaScript(t *testing.T) {
	t.Parallel()
	t.Run("none is wrong", func(t *testing.T) {
		t.Parallel()
		require.Empty(t, checkJavaScript(t, func(_, text string) string { return text }))
	})
	t.Run("mistakes are found", func(t *testing.T) {
		t.Parallel()
		mistakes := map[string][2]string{
			"fetchEvent": {`core.use("response")`, `core.use("respons")`},
			"abort":      {`core.use("webidl");`, `core.use("webidl"); const { neverThere } = core.use("webidl");`},
			"timers":     {`core.clearTimer(id)`, `core.clearTimr(id)`},
			"misc":       {`core.reportError(e)`, `core.reportError(e, 1)`},
			"crypto":     {`core.native("random", `, `core.native(7, `},
			"headers":    {`"use strict";`, `"use strict"; undefinedName();`},
		}
		out := checkJavaScript(t, func(name, text string) string {
			if m, ok := mistakes[name]; ok {
				require.Contains(t, text, m[0])
				return strings.Replace(text, m[0], m[1], 1)
			}
			return text
		})
		for name := range mistakes {
			require.Contains(t, out, name+".js(", "%s", out)
		}
	})
}
