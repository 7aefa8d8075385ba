package webapi_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/internal/npmtest"
	"example.com/jsruntime/engine/internal/webapi"
)

// The versions of TypeScript that jsruntime.d.ts must compile with, as engine/internal/webapi/testdata/types has them.
var compilers = []string{"typescript-5", "typescript-6", "typescript-7"}

// TestTypes checks jsruntime.d.ts, alone and with the samples, as an author's editor does. The samples use all that it declares: a test
// of cmd/jsruntime compares that with a real execution.
func TestTypes(t *testing.T) {
	t.Parallel()
	modules := npmtest.Install(t, "engine/internal/webapi/testdata/types")
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed: the samples are not type-checked")
	}
	samples, err := filepath.Glob("testdata/samples/*.ts")
	require.NoError(t, err)
	require.NotEmpty(t, samples)
	check := func(t *testing.T, compiler string, libs, types []string, withSamples bool, extra map[string]string) (string, error) {
		dir := t.TempDir()
		write := func(name, text string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
		}
		write("jsruntime.d.ts", webapi.Types)
		if withSamples {
			for _, s := range samples {
				b, err := os.ReadFile(s)
				require.NoError(t, err)
				write(filepath.Base(s), string(b))
			}
		}
		for name, text := range extra {
			write(name, text)
		}
		options := map[string]any{
			"target": "ES2022", "module": "ESNext", "moduleResolution": "Bundler", "lib": libs, "strict": true, "noEmit": true,
			"skipDefaultLibCheck": true, "types": []string{"./jsruntime"},
		}
		if len(types) > 0 {
			options["types"], options["typeRoots"] = types, []string{filepath.Join(modules, "node_modules/@types")}
		}
		config, err := json.Marshal(map[string]any{"compilerOptions": options})
		require.NoError(t, err)
		write("tsconfig.json", string(config))
		cmd := exec.Command(node, filepath.Join(modules, "node_modules", compiler, "bin/tsc"), "-p", dir, "--pretty", "false")
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for _, compiler := range compilers {
		t.Run(compiler, func(t *testing.T) {
			t.Parallel()
			out, err := check(t, compiler, []string{"ES2023"}, nil, true, map[string]string{"globals.ts": globalsSource(t), "wrong.ts": wrongSource})
			require.Error(t, err)
			for line := range strings.Lines(out) {
				require.True(t, strings.HasPrefix(line, "wrong.ts(") || strings.HasPrefix(line, "  "), "%s", out)
			}
			for line := 2; line <= 5; line++ {
				require.Contains(t, out, fmt.Sprintf("wrong.ts(%d,", line))
			}
			out, err = check(t, compiler, []string{"ESNext", "WebWorker"}, []string{"node"}, false, nil)
			require.NoError(t, err, "alone, with all libraries and beside the types of Node: %s", out)
		})
	}
}

// wrongSource has a mistake in each line from the second on.
const wrongSource = `import { kv, type Handlers } from "jsruntime";
export default { fetch: (request) => request.url } satisfies Handlers;
kv.put(1, 2);
kv.get("a", "b");
export const wrong: Handlers = { run: (_input, _env, ctx) => ctx.limits.maxMemoryBytes };
`

// undeclared are globals that are there and have no type: lib.webworker calls it WorkerNavigator.
var undeclared = map[string]bool{"Navigator": true}

// globalsSource is a program that names every global of globals.js.
func globalsSource(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("js/globals.js")
	require.NoError(t, err)
	var names []string
	for _, list := range regexp.MustCompile(`(?s)const (?:hidden|shown) = (.*?);\n`).FindAllSubmatch(b, -1) {
		for _, quoted := range regexp.MustCompile(`"([^"]*)"`).FindAllSubmatch(list[1], -1) {
			names = append(names, strings.Fields(string(quoted[1]))...)
		}
	}
	require.Greater(t, len(names), 60)
	require.Contains(t, names, "AsyncLocalStorage")
	var source strings.Builder
	source.WriteString("export {};\nself;\n")
	for _, name := range names {
		if !undeclared[name] {
			fmt.Fprintf(&source, "%s;\n", name)
		}
	}
	return source.String()
}
