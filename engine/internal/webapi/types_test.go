package webapi_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"jsruntime/engine/internal/npmtest"
	"jsruntime/engine/internal/webapi"
)

// The samples use what the types declare; TypeScript checks them as an author's editor does.
func TestTypes(t *testing.T) {
	t.Parallel()
	modules := npmtest.Modules(t)
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed: the samples are not type-checked")
	}
	check := func(t *testing.T, extra map[string]string) (string, error) {
		dir := t.TempDir()
		write := func(name, text string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
		}
		write("jsruntime.d.ts", webapi.Types)
		samples, err := filepath.Glob("testdata/samples/*.ts")
		require.NoError(t, err)
		require.NotEmpty(t, samples)
		for _, s := range samples {
			b, err := os.ReadFile(s)
			require.NoError(t, err)
			write(filepath.Base(s), string(b))
		}
		for name, text := range extra {
			write(name, text)
		}
		config, err := json.Marshal(map[string]any{"compilerOptions": map[string]any{
			"target": "ES2022", "module": "ESNext", "moduleResolution": "Bundler", "lib": []string{"ES2023"}, "strict": true, "noEmit": true, "types": []string{"./jsruntime"},
		}})
		require.NoError(t, err)
		write("tsconfig.json", string(config))
		cmd := exec.Command(node, filepath.Join(modules, "node_modules/typescript/bin/tsc"), "-p", dir, "--pretty", "false")
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	t.Run("samples", func(t *testing.T) {
		t.Parallel()
		out, err := check(t, nil)
		require.NoError(t, err, out)
	})
	t.Run("mistakes are found", func(t *testing.T) {
		t.Parallel()
		out, err := check(t, map[string]string{"wrong.ts": `import { kv, type Handlers } from "jsruntime";
export default { fetch: (request) => request.url } satisfies Handlers;
kv.put(1, 2);
kv.get("a", "b");
`})
		require.Error(t, err)
		require.Contains(t, out, "wrong.ts(2,")
		require.Contains(t, out, "wrong.ts(3,")
		require.Contains(t, out, "wrong.ts(4,")
	})
}
