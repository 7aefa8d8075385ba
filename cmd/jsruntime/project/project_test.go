package project

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// folder writes files into a new folder below another one, so that there is something outside of it.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "project")
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	return dir
}

func oneScript(main string) string {
	return fmt.Sprintf(`{"scripts": {"a": {"type": "oneoff", "main": %q}}}`, main)
}

// TestWhatIsOutside: a script's own file must be in the folder; others that are not are told.
func TestWhatIsOutside(t *testing.T) {
	t.Parallel()
	const source = "export default { run: () => 1 };\n"
	for _, main := range []string{"../outside.js", "link.js", "linked/outside.js"} {
		dir := folder(t, map[string]string{"jsruntime.jsonc": oneScript(main), "../outside.js": source})
		require.NoError(t, os.Symlink(filepath.Join(dir, "../outside.js"), filepath.Join(dir, "link.js")))
		require.NoError(t, os.Symlink(filepath.Join(dir, ".."), filepath.Join(dir, "linked")))
		_, err := Load(dir, "")
		require.ErrorContains(t, err, "is outside of the project's folder", main)
	}
	dir := folder(t, map[string]string{
		"jsruntime.jsonc": oneScript("a.js"), "inside.js": source, "../key.txt": "secret",
		"a.js": "import text from \"./key.txt\";\nexport default { run: () => text };\n",
	})
	require.NoError(t, os.Symlink(filepath.Join(dir, "../key.txt"), filepath.Join(dir, "key.txt")))
	p, err := Load(dir, "")
	require.NoError(t, err)
	src, err := p.Build(p.Scripts[0])
	require.NoError(t, err)
	require.Len(t, src.Warnings, 1)
	require.Contains(t, src.Warnings[0].String(), "key.txt: is outside of the project's folder, and is uploaded as a part of a")
	// A link within the folder is the author's own matter.
	require.NoError(t, os.Remove(filepath.Join(dir, "a.js")))
	require.NoError(t, os.Symlink("inside.js", filepath.Join(dir, "a.js")))
	p, err = Load(dir, "")
	require.NoError(t, err)
	src, err = p.Build(p.Scripts[0])
	require.NoError(t, err)
	require.Empty(t, src.Warnings)
	require.Equal(t, source, src.Text)
}

// TestFilesWithoutAnEnd are refused, and not read.
func TestFilesWithoutAnEnd(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there is no /dev/zero")
	}
	dir := folder(t, map[string]string{"jsruntime.jsonc": oneScript("a.js"), "a.js": "import x from \"./zero.js\";\nexport default { run: () => x };\n"})
	require.NoError(t, os.Symlink("/dev/zero", filepath.Join(dir, "zero.js")))
	p, err := Load(dir, "")
	require.NoError(t, err)
	_, err = p.Build(p.Scripts[0])
	var wrong interface{ Frames() string }
	require.ErrorAs(t, err, &wrong)
	require.Contains(t, wrong.Frames(), "/dev/zero is no file")
	for _, name := range []string{"jsruntime.jsonc", "wrangler.toml"} {
		dir := folder(t, map[string]string{"a.js": ""})
		require.NoError(t, os.Symlink("/dev/zero", filepath.Join(dir, name)))
		_, err := Load(dir, "")
		require.ErrorContains(t, err, name+" is no file")
	}
}

// TestHints: an import that is not found says what to do.
func TestHints(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		`Could not resolve "left-pad"`:           `Could not resolve "left-pad": npm install left-pad`,
		`Could not resolve "@a/b/c"`:             `Could not resolve "@a/b/c": npm install @a/b`,
		`Could not resolve "fs"`:                 `Could not resolve "fs": a module of Node that scripts do not have`,
		`Could not resolve "cloudflare:workers"`: `Could not resolve "cloudflare:workers": a module of Workers that is not here; handlers get env and ctx as arguments`,
		`Could not resolve "./a"`:                `Could not resolve "./a"`,
		`Unexpected "}"`:                         `Unexpected "}"`,
	} {
		require.Equal(t, want, hint(given))
	}
	_, err := Load(folder(t, map[string]string{"jsruntime.jsonc": "[]"}), "")
	require.ErrorContains(t, err, "jsruntime.jsonc:1:1: must be an object, not array")
}
