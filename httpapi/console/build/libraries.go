package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"

	"github.com/evanw/esbuild/pkg/api"
)

// library is the library of ECMAScript that the editor checks scripts against, as "lib" of the types that are shipped says.
const library = "lib.es2023.d.ts"

var libraryReference = regexp.MustCompile(`/// <reference lib="([^"]+)"`)

// libraries makes the module virtual:typescript-libraries: the texts of library and of all that it refers to, by name.
func libraries(root string) api.Plugin {
	return api.Plugin{Name: "typescript-libraries", Setup: func(b api.PluginBuild) {
		b.OnResolve(api.OnResolveOptions{Filter: `^virtual:typescript-libraries$`}, func(api.OnResolveArgs) (api.OnResolveResult, error) {
			return api.OnResolveResult{Path: "libraries", Namespace: "typescript-libraries"}, nil
		})
		b.OnLoad(api.OnLoadOptions{Filter: `.*`, Namespace: "typescript-libraries"}, func(api.OnLoadArgs) (api.OnLoadResult, error) {
			texts := map[string]string{}
			if err := readLibrary(filepath.Join(root, "..", "node_modules", "typescript", "lib"), library, texts); err != nil {
				return api.OnLoadResult{}, err
			}
			data, err := json.Marshal(texts)
			module := string(data)
			return api.OnLoadResult{Contents: &module, Loader: api.LoaderJSON}, err
		})
	}}
}

func readLibrary(dir, name string, texts map[string]string) error {
	if _, read := texts[name]; read {
		return nil
	}
	data, err := os.ReadFile(filepath.Join(dir, name)) //nolint:gosec // of a package of package-lock.json
	if err != nil {
		return err
	}
	texts[name] = string(data)
	for _, reference := range libraryReference.FindAllStringSubmatch(string(data), -1) {
		if err := readLibrary(dir, "lib."+reference[1]+".d.ts", texts); err != nil {
			return err
		}
	}
	return nil
}
