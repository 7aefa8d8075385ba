package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

func testConfig(t *testing.T) config {
	return config{out: t.TempDir(), version: "v1.2.3", openapi: "../../httpapi/openapi.json", license: "../../LICENSE"}
}

// TestVersions gives npm versions that it takes.
func TestVersions(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{"v1.2.3": "1.2.3", "1.2.3-rc.1": "1.2.3-rc.1", "4103bf9-dirty": "0.0.0-4103bf9-dirty", "devel": "0.0.0-devel"} {
		require.Equal(t, want, npmVersion(given))
	}
}

// TestSchema checks the template's file, and mistakes.
func TestSchema(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../../httpapi/openapi.json")
	require.NoError(t, err)
	text, err := schema(document)
	require.NoError(t, err)
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("schema.json", parsed))
	compiled, err := c.Compile("schema.json")
	require.NoError(t, err)
	check := func(text string) error {
		var v any
		require.NoError(t, json.Unmarshal([]byte(text), &v), text)
		return compiled.Validate(v)
	}
	template, err := os.ReadFile("template/jsruntime.jsonc")
	require.NoError(t, err)
	require.NoError(t, check(string(template)))
	const script = `"main": "a.ts", "type": "http", "http_path": "/a"`
	require.NoError(t, check(`{"scripts": {"a": {`+script+`, "http": {}, "retry": {}, "history": {}, "resource_limits": {"max_memory_bytes": 67108864}}}}`))
	for _, wrong := range []string{
		`{"script": {}}`, `{"scripts": {"a": {"type": "http"}}}`, `{"scripts": {"a": {` + script + `, "source": "x"}}}`, `{"scripts": {"a": {` + script + `, "http_pth": "/"}}}`,
		`{"scripts": {"a": {"main": "a.ts", "type": "cron"}}}`, `{"scripts": {"a": {` + script + `, "http": {"nope": 1}}}}`, `{"vars": 1}`,
		`{"kv_namespaces": {"A": "a/"}, "scripts": {}}`, // a script has them
	} {
		require.Error(t, check(wrong), wrong)
	}
}

// TestPackage installs the tarball into a copy of the template, and does there what authors do: types, tests of vitest and of node:test.
func TestPackage(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("nodes run on Linux")
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("npm is not installed: the package is not installed for a test")
	}
	tarball, err := pack(testConfig(t))
	require.NoError(t, err)
	bin := t.TempDir()
	require.NoError(t, os.Chmod(bin, 0o755))
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin+"/", "example.com/jsruntime/cmd/jsruntime", "example.com/jsruntime/cmd/jsruntime-worker").CombinedOutput()
	require.NoError(t, err, "%s", out)

	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("template")))
	run := func(name string, args ...string) (string, error) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "JSRUNTIME_BIN="+filepath.Join(bin, "jsruntime"), "JSRUNTIME_WORKER=", "DATABASE_URL=", "CI=1")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run(npm, "install", "--no-audit", "--no-fund", "--prefer-offline", "--save-dev", tarball); err != nil {
		if os.Getenv("JSRUNTIME_TEST_NPM") == "required" {
			require.NoError(t, err, out)
		}
		t.Skipf("npm has no registry in reach: the package is not installed for a test (%v: %s)", err, out)
	}
	must := func(name string, args ...string) string {
		t.Helper()
		out, err := run(name, args...)
		require.NoError(t, err, "%s %v:\n%s", name, args, out)
		return out
	}
	must(npm, "run", "types")
	require.Contains(t, must("npx", "jsruntime", "version"), "jsruntime")
	out2, err := run("npx", "jsruntime", "no-such-command")
	require.Error(t, err)
	var exited *exec.ExitError
	require.ErrorAs(t, err, &exited, out2)
	require.Equal(t, 2, exited.ExitCode(), "the launcher ends as the program does: %s", out2)

	// What is not there does not type-check.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "src/wrong.ts"), []byte("export const page = document.title;\n"), 0o644))
	out2, err = run(npm, "run", "types")
	require.Error(t, err)
	require.Contains(t, out2, "src/wrong.ts(1,")
	require.NoError(t, os.Remove(filepath.Join(dir, "src/wrong.ts")))

	t.Log(must("npx", "vitest", "run"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "node.test.mjs"), []byte(nodeTest), 0o644))
	t.Log(must("node", "--test", "node.test.mjs"))
	left, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, file := range left {
		line, err := os.ReadFile(file)
		require.False(t, err == nil && strings.Contains(string(line), bin), "a process is left: %s", line)
	}
	kept, err := fs.Glob(os.DirFS(os.TempDir()), "jsruntime-test-*")
	require.NoError(t, err)
	for _, folder := range kept {
		_, err := os.Stat(filepath.Join(os.TempDir(), folder, "node", "postgres.lock"))
		require.True(t, os.IsNotExist(err) || folder == "", fmt.Sprint(folder))
	}
}

// nodeTest uses the kit with scripts of its own, from node:test.
const nodeTest = `import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createTestRuntime, ScriptFailedError } from "jsruntime/test";
import { kv, NonRetryableError } from "jsruntime";

const runtime = await createTestRuntime({
  scripts: {
    double: { source: "export default { run: ({ n }: { n: number }) => { console.log('n is', n); return n * 2; } };" },
    hello: { type: "http", http_path: "/hello", http_methods: ["GET"], source: "export default { fetch: (_request, env) => new Response(env.WORD + env.TOKEN) };" },
    priced: { main: "src/price.ts" },
  },
  vars: { WORD: "hello " },
  secrets: { TOKEN: "t1" },
});
after(() => runtime.close());

test("scripts of a test", async () => {
  assert.equal(await runtime.run("double", { n: 21 }), 42);
  assert.deepEqual((await runtime.execute("double", { n: 1 })).logs, [{ level: "info", message: "n is 1" }]);
  assert.equal(await (await runtime.fetch("/hello")).text(), "hello t1");
  assert.deepEqual(await runtime.run("priced", { net: 100 }), { net: 100, gross: 119 });
  await assert.rejects(runtime.run("priced", { net: -1 }), (e) => e instanceof ScriptFailedError && e.code === "exception" && /a price of -1/.test(e.message));
});

test("a mistake is told with its place", async () => {
  await assert.rejects(createTestRuntime({ scripts: { bad: { source: "export default {{" } } }), /bad does not build[^]*src\/bad\.ts:1:17/);
});

test("the module stands for itself outside of a runtime", () => {
  assert.throws(() => kv.get("a"), /createTestRuntime/);
  assert.equal(new NonRetryableError("no").name, "NonRetryableError");
});
`
