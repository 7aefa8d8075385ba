// Command nodelib bundles the packages of which the node: modules are made that scripts may import. Package compile embeds what it writes;
// the files beside it are ours: they give the packages the shape of Node's modules.
//
//	npm ci --ignore-scripts       in a folder with this one's package.json and package-lock.json
//	nodelib -modules FOLDER -out vendor
//
// make node-modules does both.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// vendored are the files and what they export.
var vendored = map[string]string{
	"assert.js":         `module.exports = require("assert/build/assert.js")`,
	"buffer.js":         `module.exports = require("buffer/index.js")`,
	"comparisons.js":    `module.exports = require("assert/build/internal/util/comparisons.js")`,
	"events.js":         `module.exports = require("events/events.js")`,
	"hashes.mjs":        hashes,
	"path.js":           `module.exports = require("path-browserify/index.js")`,
	"querystring.js":    `module.exports = require("querystring-es3/index.js")`,
	"stream.js":         `module.exports = require("readable-stream/lib/ours/browser.js")`,
	"string_decoder.js": `module.exports = require("string_decoder/lib/string_decoder.js")`,
	"url.js":            `module.exports = require("url/url.js")`,
	"util.js":           `module.exports = require("util/util.js")`,
}

const hashes = `
export { md5, ripemd160, sha1 } from "@noble/hashes/legacy.js";
export { sha224, sha256, sha384, sha512, sha512_224, sha512_256 } from "@noble/hashes/sha2.js";
export { sha3_224, sha3_256, sha3_384, sha3_512 } from "@noble/hashes/sha3.js";
export { hmac } from "@noble/hashes/hmac.js";
export { hkdf } from "@noble/hashes/hkdf.js";
export { pbkdf2 } from "@noble/hashes/pbkdf2.js";
export { scrypt } from "@noble/hashes/scrypt.js";
`

// shared are what packages ask for that has a file of its own.
var shared = map[string]string{
	"buffer": "node:buffer", "buffer/": "node:buffer", "safe-buffer": "node:buffer", "events": "node:events", "string_decoder": "node:string_decoder",
	"string_decoder/": "node:string_decoder", "util": "node:util", "util/": "node:util", "process": "jsruntime:process.js", "process/": "jsruntime:process.js",
	"./internal/util/comparisons": "jsruntime:vendor/comparisons.js", "../internal/util/comparisons": "jsruntime:vendor/comparisons.js",
}

func main() {
	modules := flag.String("modules", "", "the folder with node_modules")
	out := flag.String("out", "", "the folder to write to")
	flag.Parse()
	if err := run(*modules, *out); err != nil {
		fmt.Fprintln(os.Stderr, "nodelib:", err)
		os.Exit(1)
	}
}

func run(modules, out string) error {
	if modules == "" || out == "" {
		return errors.New("-modules and -out are needed")
	}
	modules, err := filepath.Abs(modules)
	if err != nil {
		return err
	}
	packages := map[string]bool{}
	for name, text := range vendored {
		inputs, err := bundle(modules, filepath.Join(out, name), text)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, input := range inputs {
			packages[packageOf(input)] = true
		}
	}
	return licences(modules, filepath.Join(out, "LICENCES.txt"), packages)
}

// bundle writes one file and returns the paths of what is in it.
func bundle(modules, file, text string) ([]string, error) {
	format := api.FormatCommonJS
	if strings.HasSuffix(file, ".mjs") {
		format = api.FormatESModule
	}
	result := api.Build(api.BuildOptions{
		Stdin:  &api.StdinOptions{Contents: text, ResolveDir: modules, Sourcefile: "<entry>"},
		Bundle: true, Format: format, Platform: api.PlatformBrowser, Target: api.ES2022,
		MinifyWhitespace: true, MinifySyntax: true, MinifyIdentifiers: format == api.FormatCommonJS, // names that are imported one by one are kept
		LegalComments: api.LegalCommentsNone, // LICENCES.txt has the texts
		Define:        map[string]string{"global": "globalThis", "process": "jsruntimeProcess"},
		Inject:        []string{"jsruntime:inject"},
		Plugins:       []api.Plugin{{Name: "nodelib", Setup: setup}},
		Metafile:      true, AbsWorkingDir: modules, Outfile: file, LogLevel: api.LogLevelSilent,
	})
	if len(result.Errors) > 0 {
		return nil, errors.New(result.Errors[0].Text)
	}
	if err := os.WriteFile(file, result.OutputFiles[0].Contents, 0o644); err != nil {
		return nil, err
	}
	var meta struct {
		Inputs map[string]struct{} `json:"inputs"`
	}
	if err := json.Unmarshal([]byte(result.Metafile), &meta); err != nil {
		return nil, err
	}
	var inputs []string
	for path := range meta.Inputs {
		if strings.Contains(path, "node_modules/") {
			inputs = append(inputs, path)
		}
	}
	return inputs, nil
}

func setup(b api.PluginBuild) {
	b.OnResolve(api.OnResolveOptions{Filter: `^jsruntime:inject$`}, func(api.OnResolveArgs) (api.OnResolveResult, error) {
		return api.OnResolveResult{Path: "inject", Namespace: "nodelib", SideEffects: api.SideEffectsFalse}, nil
	})
	b.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: "nodelib"}, func(api.OnLoadArgs) (api.OnLoadResult, error) {
		text := `const p = /* @__PURE__ */ require("process"); export { p as jsruntimeProcess };`
		return api.OnLoadResult{Contents: &text, Loader: api.LoaderJS}, nil
	})
	b.OnResolve(api.OnResolveOptions{Filter: ".*"}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
		if to := shared[args.Path]; to != "" && args.Kind != api.ResolveEntryPoint {
			return api.OnResolveResult{Path: to, External: true}, nil
		}
		return api.OnResolveResult{}, nil
	})
}

// packageOf returns the folder below node_modules of the package that has a file.
func packageOf(path string) string {
	path = path[strings.LastIndex(path, "node_modules/")+len("node_modules/"):]
	parts := strings.SplitN(path, "/", 3)
	if strings.HasPrefix(path, "@") {
		return parts[0] + "/" + parts[1]
	}
	return parts[0]
}

// licences writes the packages' licences into one file.
func licences(modules, file string, packages map[string]bool) error {
	names := make([]string, 0, len(packages))
	for name := range packages {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	b.WriteString("The files of this folder are bundled from the packages below, whose licences follow.\n")
	for _, name := range names {
		dir := filepath.Join(modules, "node_modules", name)
		manifest, err := os.ReadFile(filepath.Join(dir, "package.json"))
		if err != nil {
			return err
		}
		var m struct {
			Version string `json:"version"`
			License string `json:"license"`
		}
		if err := json.Unmarshal(manifest, &m); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(&b, "\n---- %s %s ----\n\n", name, m.Version)
		texts, err := filepath.Glob(filepath.Join(dir, "[Ll][Ii][Cc][Ee][Nn][SsCc][Ee]*"))
		if err != nil {
			return err
		}
		if len(texts) == 0 && m.License == "" {
			return fmt.Errorf("%s: no licence", name)
		}
		if len(texts) == 0 {
			fmt.Fprintf(&b, "%s (its package has no text)\n", m.License)
			continue
		}
		text, err := os.ReadFile(texts[0])
		if err != nil {
			return err
		}
		b.WriteString(strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n")) + "\n")
	}
	return os.WriteFile(file, []byte(b.String()), 0o644)
}
