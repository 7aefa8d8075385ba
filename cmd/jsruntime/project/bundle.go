package project

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	_ "embed"

	"github.com/evanw/esbuild/pkg/api"

	"example.com/jsruntime/cmd/jsruntime/term"
)

// MaxSource is how much of a source a node takes.
const MaxSource = 1 << 20

// Source is a script's source as it is uploaded.
type Source struct {
	// Text is the bundle with its source map; or the file itself, where it imports nothing and so needs none.
	Text string
	// File is the file of the project where Text is that file; else empty.
	File string
	// Inputs are the files that it was made of, absolute, those of npm packages included.
	Inputs   []string
	Warnings []term.Place
}

//go:embed bind.js
var bindText string

// withoutBundle are endings of files that the node reads as they are.
var withoutBundle = []string{".ts", ".mts", ".js", ".mjs"}

// nodeModules are the modules of Node that scripts may import without "node:" before the name. What a node does not have it says itself.
var nodeModules = []string{
	"assert", "assert/strict", "async_hooks", "buffer", "crypto", "events", "path", "path/posix", "querystring", "stream", "stream/consumers", "stream/promises", "stream/web",
	"string_decoder", "url", "util", "util/types",
}

// Options are esbuild's for a script: its own context keeps what has not changed (api.Context).
func (p *Project) Options(s *Script) api.BuildOptions {
	o := api.BuildOptions{
		Bundle:         true,
		Write:          false,
		Metafile:       true,
		Outfile:        filepath.Join(p.Dir, "script.js"), // sources in the map are relative to it
		AbsWorkingDir:  p.Dir,
		Format:         api.FormatESModule,
		Platform:       api.PlatformNeutral,
		Target:         api.ES2022,
		Conditions:     []string{"workerd", "worker", "browser"},
		MainFields:     []string{"browser", "module", "main"},
		Sourcemap:      api.SourceMapExternal,
		SourcesContent: api.SourcesContentExclude,
		Charset:        api.CharsetUTF8,
		LegalComments:  api.LegalCommentsNone,
		LogLevel:       api.LogLevelSilent,
		LogLimit:       20,
		Loader: map[string]api.Loader{
			".txt": api.LoaderText, ".html": api.LoaderText, ".sql": api.LoaderText, ".md": api.LoaderText, ".bin": api.LoaderBinary,
		},
		Define:  map[string]string{"process.env.NODE_ENV": `"production"`},
		Plugins: []api.Plugin{{Name: "jsruntime", Setup: external}, {Name: "bounded", Setup: bounded}},
	}
	if len(s.Vars) == 0 {
		o.EntryPoints = []string{"./" + s.Main}
		return o
	}
	vars, _ := json.Marshal(s.Vars) // JSON that was read
	main, _ := json.Marshal("./" + s.Main)
	text := fmt.Sprintf("import * as script from %s;\nconst vars = %s;\n%s", main, vars, bindText)
	o.Stdin = &api.StdinOptions{Contents: text, ResolveDir: p.Dir, Sourcefile: "jsruntime-env.js", Loader: api.LoaderJS}
	return o
}

// external leaves the node's own modules to the node.
func external(b api.PluginBuild) {
	b.OnResolve(api.OnResolveOptions{Filter: `^(jsruntime$|node:|[a-z_]+(/[a-z]+)?$)`}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
		if args.Path == "jsruntime" || strings.HasPrefix(args.Path, "node:") || slices.Contains(nodeModules, args.Path) {
			return api.OnResolveResult{Path: args.Path, External: true}, nil
		}
		return api.OnResolveResult{}, nil
	})
}

// maxFile is how large a file may be that a bundle reads: more of it than a node takes can be left out of the bundle.
const maxFile = 64 << 20

// bounded refuses files that have no end, such as devices and pipes, and files of any size that no bundle needs.
func bounded(b api.PluginBuild) {
	b.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: "file"}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
		info, err := os.Stat(args.Path)
		switch {
		case err != nil:
			return api.OnLoadResult{}, nil // esbuild says it
		case !info.Mode().IsRegular():
			return api.OnLoadResult{}, fmt.Errorf("%s is no file", args.Path)
		case info.Size() > maxFile:
			return api.OnLoadResult{}, fmt.Errorf("%s has %d bytes, of at most %d", args.Path, info.Size(), maxFile)
		}
		return api.OnLoadResult{}, nil
	})
}

var unresolved = regexp.MustCompile(`^Could not resolve "([^./"][^"]*)"$`)

// notOfNode are modules of Node that scripts do not have, by their names without the prefix "node:".
var notOfNode = []string{
	"child_process", "cluster", "dgram", "dns", "fs", "fs/promises", "http", "http2", "https", "inspector", "module", "net", "os", "perf_hooks", "process", "readline", "repl", "tls", "tty",
	"v8", "vm", "worker_threads", "zlib",
}

// hint says what to do about an import that is not found.
func hint(message string) string {
	m := unresolved.FindStringSubmatch(message)
	switch {
	case m == nil:
		return message
	case slices.Contains(notOfNode, m[1]):
		return message + ": a module of Node that scripts do not have"
	case strings.HasPrefix(m[1], "cloudflare:"):
		return message + ": a module of Workers that is not here; handlers get env and ctx as arguments"
	case strings.Contains(m[1], ":"):
		return message
	}
	name := strings.SplitN(m[1], "/", 3)
	if strings.HasPrefix(m[1], "@") && len(name) > 1 {
		name[0] += "/" + name[1]
	}
	return message + ": npm install " + name[0]
}

// Build bundles a script. Its error is a *term.SourceError with the places.
func (p *Project) Build(s *Script) (*Source, error) {
	result := api.Build(p.Options(s))
	return p.Built(s, &result)
}

// Built makes a source of what esbuild has made with Options.
func (p *Project) Built(s *Script, result *api.BuildResult) (*Source, error) {
	if len(result.Errors) > 0 {
		return nil, &term.SourceError{Message: fmt.Sprintf("%s does not build", s.Name), Places: p.places(result.Errors)}
	}
	var meta struct {
		Inputs map[string]struct {
			Imports []json.RawMessage `json:"imports"`
		} `json:"inputs"`
	}
	if err := json.Unmarshal([]byte(result.Metafile), &meta); err != nil {
		return nil, fmt.Errorf("esbuild: %w", err)
	}
	src := &Source{Warnings: p.places(result.Warnings)}
	for name := range meta.Inputs {
		if name != "jsruntime-env.js" {
			src.Inputs = append(src.Inputs, filepath.Join(p.Dir, filepath.FromSlash(name)))
		}
	}
	slices.Sort(src.Inputs)
	src.Warnings = append(src.Warnings, p.fromOutside(s, src.Inputs)...)
	if len(meta.Inputs) == 1 && slices.Contains(withoutBundle, filepath.Ext(s.Main)) && !p.lowersClasses() {
		text, err := os.ReadFile(filepath.Join(p.Dir, filepath.FromSlash(s.Main)))
		if err != nil {
			return nil, err
		}
		src.Text, src.File = string(text), s.Main
		return src, src.check(s)
	}
	var code, sourceMap []byte
	for _, f := range result.OutputFiles {
		if strings.HasSuffix(f.Path, ".map") {
			sourceMap = f.Contents
		} else {
			code = f.Contents
		}
	}
	src.Text = string(code)
	if mapped := src.Text + "//# sourceMappingURL=data:application/json;base64," + base64.StdEncoding.EncodeToString(sourceMap) + "\n"; len(mapped) <= MaxSource {
		src.Text = mapped
	} else {
		src.Warnings = append(src.Warnings, term.Place{File: s.Main, Message: "the bundle is too large for a source map beside it: stacks will name lines of the bundle"})
	}
	return src, src.check(s)
}

// fromOutside is a warning where files from outside of the project's folder are a part of a script: they are uploaded. Packages are not meant.
func (p *Project) fromOutside(s *Script, inputs []string) []term.Place {
	var outside []string
	for _, file := range inputs {
		if !strings.Contains(filepath.ToSlash(file), "/node_modules/") && p.outside(file) {
			outside = append(outside, filepath.ToSlash(file))
		}
	}
	if len(outside) == 0 {
		return nil
	}
	message := "is outside of the project's folder, and is uploaded as a part of " + s.Name
	if more := len(outside) - 1; more > 0 {
		message = fmt.Sprintf("and %d more files are outside of the project's folder, and are uploaded as a part of %s", more, s.Name)
	}
	return []term.Place{{File: outside[0], Message: message}}
}

func (src *Source) check(s *Script) error {
	if len(src.Text) > MaxSource {
		return &term.SourceError{Message: fmt.Sprintf("%s is too large", s.Name), Places: []term.Place{{
			File: s.Main, Message: fmt.Sprintf("%d bytes, of at most %d: leave packages out that are not needed", len(src.Text), MaxSource),
		}}}
	}
	return nil
}

// lowersClasses reports whether the project's tsconfig.json gives classes another meaning than the node does.
func (p *Project) lowersClasses() bool {
	text, err := os.ReadFile(filepath.Join(p.Dir, "tsconfig.json"))
	return err == nil && (strings.Contains(string(text), "experimentalDecorators") || strings.Contains(string(text), "useDefineForClassFields"))
}

// places are esbuild's messages with the text of their files.
func (p *Project) places(messages []api.Message) []term.Place {
	texts := map[string]string{}
	places := make([]term.Place, 0, len(messages))
	for _, m := range messages {
		place := term.Place{Message: hint(m.Text)}
		if l := m.Location; l != nil {
			if _, ok := texts[l.File]; !ok {
				text, _ := os.ReadFile(filepath.Join(p.Dir, filepath.FromSlash(l.File))) // no text, no frame
				texts[l.File] = string(text)
			}
			place.File, place.Line, place.Text = filepath.ToSlash(l.File), l.Line, texts[l.File]
			place.Column = utf8.RuneCountInString(l.LineText[:min(l.Column, len(l.LineText))]) + 1
			place.Length = utf8.RuneCountInString(l.LineText[min(l.Column, len(l.LineText)):min(l.Column+l.Length, len(l.LineText))])
		}
		places = append(places, place)
	}
	return places
}
