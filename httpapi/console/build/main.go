// Command build makes the console: it writes the types of the API from httpapi/openapi.json, and bundles the sources below
// httpapi/console/src with esbuild into httpapi/console/static.
//
//	go run ./httpapi/console/build          write src/lib/schema.ts and static/
//	go run ./httpapi/console/build -check   fail where either is not what the sources make
//
// The packages of package-lock.json must be in httpapi/console/node_modules: make console installs them.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// room is where the console's files are, seen from the repository's root.
const room = "httpapi/console"

func main() {
	check := flag.Bool("check", false, "write nothing; fail where the built files are stale")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, "console:", err)
		os.Exit(1)
	}
}

func run(check bool) error {
	document, err := os.ReadFile("httpapi/openapi.json")
	if err != nil {
		return err
	}
	schema, err := types(document)
	if err != nil {
		return fmt.Errorf("httpapi/openapi.json: %w", err)
	}
	to := filepath.Join(room, "src", "lib", "schema.ts")
	if check {
		have, err := os.ReadFile(to)
		if err != nil || !bytes.Equal(have, schema) {
			return fmt.Errorf("%s is stale: run make console", to)
		}
	} else if err := os.WriteFile(to, schema, 0o600); err != nil {
		return err
	}
	built, err := bundle()
	if err != nil {
		return err
	}
	if check {
		return compare(built)
	}
	return write(built)
}

// bundle returns the files of static: name to content. Workers are bundled first: the page's code learns their names, which have hashes
// in them, as the constants WORKER_NAME.
func bundle() (map[string][]byte, error) {
	root, err := filepath.Abs(filepath.Join(room, "src"))
	if err != nil {
		return nil, err
	}
	files, define := map[string][]byte{}, map[string]string{"process.env.NODE_ENV": `"production"`}
	workers, err := filepath.Glob(filepath.Join(root, "workers", "*.ts"))
	if err != nil {
		return nil, err
	}
	for _, path := range workers {
		made, err := esbuild(root, define, path)
		if err != nil {
			return nil, err
		}
		stem := strings.TrimSuffix(filepath.Base(path), ".ts")
		for name, data := range made {
			files["assets/"+name] = data
			define["WORKER_"+strings.ToUpper(stem)] = `"/console/assets/` + name + `"`
		}
	}
	made, err := esbuild(root, define, filepath.Join(root, "main.tsx"), filepath.Join(root, "docs.ts"))
	if err != nil {
		return nil, err
	}
	page, err := os.ReadFile(filepath.Join(root, "index.html")) //nolint:gosec // of this repository
	if err != nil {
		return nil, err
	}
	for name, data := range made {
		files["assets/"+name] = data
		if stem, _, _ := strings.Cut(name, "-"); stem == "main" {
			page = bytes.ReplaceAll(page, []byte("assets/main"+filepath.Ext(name)), []byte("assets/"+name))
		}
	}
	if bytes.Contains(page, []byte("assets/main.")) {
		return nil, errors.New("the bundle has no main.js or no main.css")
	}
	files["index.html"] = page
	files["icon.svg"], err = os.ReadFile(filepath.Join(root, "icon.svg")) //nolint:gosec // of this repository
	return files, err
}

// esbuild bundles entry points and returns the files that it makes. What several share becomes a file of its own.
func esbuild(root string, define map[string]string, entries ...string) (map[string][]byte, error) {
	result := api.Build(api.BuildOptions{
		EntryPoints: entries, AbsWorkingDir: root, Outdir: filepath.Join(root, "out"), // nothing is written there
		EntryNames: "[name]-[hash]", ChunkNames: "[name]-[hash]",
		Bundle: true, Splitting: len(entries) > 1, Format: api.FormatESModule, Platform: api.PlatformBrowser, Target: api.ES2022,
		JSX: api.JSXAutomatic, JSXImportSource: "preact",
		MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true, LegalComments: api.LegalCommentsNone, Charset: api.CharsetUTF8,
		Define: define, TsconfigRaw: "{}", Plugins: []api.Plugin{libraries(root)},
	})
	if len(result.Errors) > 0 {
		return nil, errors.New(strings.Join(api.FormatMessages(result.Errors, api.FormatMessagesOptions{}), "\n"))
	}
	files := map[string][]byte{}
	for _, f := range result.OutputFiles {
		files[filepath.Base(f.Path)] = f.Contents
	}
	return files, nil
}

// have returns the files that static holds now.
func have() (map[string][]byte, error) {
	root := filepath.Join(room, "static")
	files := map[string][]byte{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	})
	return files, err
}

func compare(built map[string][]byte) error {
	present, err := have()
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(built)) {
		if !bytes.Equal(present[name], built[name]) {
			return fmt.Errorf("%s/static/%s is missing or stale: run make console", room, name)
		}
	}
	for name := range present {
		if _, ok := built[name]; !ok {
			return fmt.Errorf("%s/static/%s is not made of the sources any more: run make console", room, name)
		}
	}
	return nil
}

func write(built map[string][]byte) error {
	root := filepath.Join(room, "static")
	present, err := have()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for name := range present {
		if _, ok := built[name]; !ok {
			if err := os.Remove(filepath.Join(root, name)); err != nil {
				return err
			}
		}
	}
	if err := os.MkdirAll(filepath.Join(root, "assets"), 0o750); err != nil {
		return err
	}
	for name, data := range built {
		if bytes.Equal(present[name], data) {
			continue
		}
		if err := os.WriteFile(filepath.Join(root, name), data, 0o600); err != nil { //nolint:gosec // a name of our own bundle
			return err
		}
	}
	return nil
}
