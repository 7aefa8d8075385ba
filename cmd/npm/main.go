// Command npm packs the npm package jsruntime: the types of scripts, the schema of jsruntime.jsonc, a launcher for the program and a test kit.
//
//	go run ./cmd/npm -out DIR -version VERSION [-binaries DIR]
//
//	package/     the package's own files
//	template/    a repository to begin with: scripts, a test, recipes for CI
//	schema.go    the schema, from the API's OpenAPI document
//
// The types are those of engine/dts. With -binaries the tarball holds the program and its worker for this system too. It writes the tarball
// itself, as npm pack would: files below package/, without times and owners, so that the same input gives the same bytes.
package main

import (
	"archive/tar"
	"compress/gzip"
	"embed"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"example.com/jsruntime/engine/dts"
)

//go:embed package
var own embed.FS

func main() {
	out := flag.String("out", "bin", "the folder for the tarball")
	version := flag.String("version", "0.0.0", "the package's version; what is no version of npm's becomes a part of 0.0.0")
	binaries := flag.String("binaries", "", "a folder with jsruntime and jsruntime-worker of this system; empty: the package has no program")
	openapi := flag.String("openapi", "httpapi/openapi.json", "the API's document")
	license := flag.String("license", "LICENSE", "the license's text")
	flag.Parse()
	name, err := pack(config{*out, *version, *binaries, *openapi, *license})
	if err != nil {
		fmt.Fprintln(os.Stderr, "npm:", err)
		os.Exit(1)
	}
	fmt.Println(name)
}

type config struct{ out, version, binaries, openapi, license string }

// pack writes the tarball and returns its name.
func pack(cfg config) (string, error) {
	files, err := contents(cfg)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(cfg.out, 0o755); err != nil {
		return "", err
	}
	name := filepath.Join(cfg.out, "jsruntime-"+npmVersion(cfg.version)+".tgz")
	f, err := os.Create(name)
	if err != nil {
		return "", err
	}
	if err := writeTarball(f, files); err != nil {
		f.Close()
		return "", err
	}
	return name, f.Close()
}

var semver = regexp.MustCompile(`^v?(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)$`)

// npmVersion is a version that npm takes.
func npmVersion(version string) string {
	if m := semver.FindStringSubmatch(version); m != nil {
		return m[1]
	}
	return "0.0.0-" + strings.Trim(regexp.MustCompile(`[^0-9A-Za-z-]+`).ReplaceAllString(version, "-"), "-")
}

// contents are the package's files by name.
func contents(cfg config) (map[string][]byte, error) {
	files := map[string][]byte{"jsruntime.d.ts": []byte(dts.Text())}
	err := fs.WalkDir(own, "package", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := own.ReadFile(name)
		files[strings.TrimPrefix(name, "package/")] = text
		return err
	})
	if err != nil {
		return nil, err
	}
	document, err := os.ReadFile(cfg.openapi)
	if err != nil {
		return nil, err
	}
	if files["schema.json"], err = schema(document); err != nil {
		return nil, err
	}
	if files["LICENSE"], err = os.ReadFile(cfg.license); err != nil {
		return nil, err
	}
	if files["package.json"], err = manifest(cfg.version); err != nil {
		return nil, err
	}
	if cfg.binaries == "" {
		return files, nil
	}
	for _, program := range []string{"jsruntime", "jsruntime-worker"} {
		text, err := os.ReadFile(filepath.Join(cfg.binaries, program))
		if err != nil {
			return nil, err
		}
		files[path.Join("vendor", system(), program)] = text
	}
	return files, nil
}

// system is what Node.js calls this one.
func system() string {
	arch := runtime.GOARCH
	if arch == "amd64" {
		arch = "x64"
	}
	return runtime.GOOS + "-" + arch
}

func manifest(version string) ([]byte, error) {
	return json.MarshalIndent(map[string]any{
		"name":        "jsruntime",
		"version":     npmVersion(version),
		"description": "Types, configuration schema, command line and test kit for scripts of a jsruntime.",
		"license":     "Apache-2.0",
		"type":        "module",
		"engines":     map[string]string{"node": ">=20"},
		"bin":         map[string]string{"jsruntime": "cli.js"},
		"types":       "jsruntime.d.ts",
		"exports": map[string]any{
			".":              map[string]string{"types": "./jsruntime.d.ts", "default": "./index.js"},
			"./test":         map[string]string{"types": "./test.d.ts", "default": "./test.js"},
			"./schema.json":  "./schema.json",
			"./package.json": "./package.json",
		},
	}, "", "  ")
}

func writeTarball(w io.Writer, files map[string][]byte) error {
	zipped := gzip.NewWriter(w)
	t := tar.NewWriter(zipped)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		mode := int64(0o644)
		if name == "cli.js" || strings.HasPrefix(name, "vendor/") {
			mode = 0o755
		}
		if err := t.WriteHeader(&tar.Header{Name: "package/" + name, Mode: mode, Size: int64(len(files[name])), Format: tar.FormatUSTAR}); err != nil {
			return err
		}
		if _, err := t.Write(files[name]); err != nil {
			return err
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	return zipped.Close()
}
