package compile_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/compile"
)

// TestFiles: relative imports are found among the files, whatever they leave out; what is not there is refused where it is a statement, and left to
// the run where it is asked for.
func TestFiles(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"index.ts": `import { tax } from "./lib/tax"; import rates from "./rates.json"; import { path } from "node:path"; import note from "./note.txt";
			export default { run: async () => [tax(1), rates, path, note, await import("./later.js"), await import("no-such-module").catch(() => 0), require("./nope")] }`,
		"lib/tax.ts": `import { one } from ".."; export const tax = (n: number) => n * one`, "one.ts": "export const one = 1", "rates.json": `{"vat": 19}`,
		"note.txt": "hello", "later.ts": "export default 2", "lib/../x": "", "": "",
	}
	refused := func(files map[string]string, main, want string) *compile.Error {
		t.Helper()
		_, err := compile.Compile(t.Context(), compile.Input{Files: files, Main: main, Handler: "run"})
		var e *compile.Error
		require.ErrorAs(t, err, &e)
		require.Contains(t, e.Error(), want)
		return e
	}
	require.False(t, refused(files, "index.ts", "no file's name").Unresolved)
	delete(files, "lib/../x")
	delete(files, "")
	e := refused(files, "index.ts", `lib/tax.ts:1:21: cannot import ".."`)
	require.True(t, e.Unresolved)
	files["lib/tax.ts"] = `import { one } from "../one"; export const tax = (n: number) => n * one`
	files["index.ts"] = strings.Replace(files["index.ts"], "import { path }", "import path", 1)
	out, err := compile.Compile(t.Context(), compile.Input{Files: files, Main: "index.ts", Handler: "run"})
	require.NoError(t, err)
	require.Equal(t, []string{"run"}, out.Handlers)
	require.Contains(t, out.Compiled, "hello")

	refused(files, "other.ts", "main names")
	refused(map[string]string{"index.ts": `import "zod"; import "./a"`}, "index.ts", `index.ts:1:8: cannot import "zod"`)
	refused(map[string]string{"index.ts": `import "../../etc/passwd"`}, "index.ts", `cannot import "../../etc/passwd"`)
	refused(map[string]string{"index.ts": `import "/etc/passwd"`}, "index.ts", `cannot import "/etc/passwd"`)
	refused(map[string]string{"index.ts": `import "./a"`, "a.ts": "let x = ;"}, "index.ts", "a.ts:1:9")
	refused(map[string]string{"index.ts": strings.Repeat(" ", 1<<19), "a.ts": strings.Repeat(" ", 1<<19+1)}, "index.ts", "1048577 bytes together")
	for _, name := range []string{"/a.ts", "../a.ts", "a/../b.ts", ".env", "a//b.ts", `a\b.ts`, "a\n.ts", strings.Repeat("a", 201)} {
		refused(map[string]string{"index.ts": "", name: ""}, "index.ts", "no file's name")
	}
	// One file is what a source is; awaits at the top are kept.
	one, err := compile.Compile(t.Context(), compile.Input{Files: map[string]string{"m.js": "const x = await 1; export default { run: () => x }"}, Main: "m.js", Handler: "run"})
	require.NoError(t, err)
	require.False(t, one.Missing("run"))
}
