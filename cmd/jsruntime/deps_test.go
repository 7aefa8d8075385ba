//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
	Module     *struct{ Main bool }
}

func goList(t *testing.T, args ...string) map[string]goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json=ImportPath,Imports,Deps,Module", "-deps"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	packages := map[string]goPackage{}
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var p goPackage
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		require.NoError(t, err)
		packages[p.ImportPath] = p
	}
}

// authorHalf are the packages of the command line for authors of scripts, which speaks HTTP with a node.
var authorHalf = []string{
	"example.com/jsruntime/cmd/jsruntime/author", "example.com/jsruntime/cmd/jsruntime/client", "example.com/jsruntime/cmd/jsruntime/profile",
	"example.com/jsruntime/cmd/jsruntime/project", "example.com/jsruntime/cmd/jsruntime/term", "example.com/jsruntime/cmd/jsruntime/dev",
}

// under reports whether path is one of the packages or below one.
func under(path string, roots ...string) bool {
	return slices.ContainsFunc(roots, func(root string) bool { return path == root || strings.HasPrefix(path, root+"/") })
}

// TestImportsPointInward holds the direction of imports of production code:
//
//	cmd → httpapi, scheduler → engine/{catalog,ledger,…} → engine → engine/internal, and sqlc, which imports none of them.
func TestImportsPointInward(t *testing.T) {
	t.Parallel()
	packages := goList(t, "example.com/jsruntime/...")
	require.Contains(t, packages, "example.com/jsruntime/engine")
	for path, p := range packages {
		if p.Module == nil || !p.Module.Main {
			continue
		}
		for _, imported := range p.Imports {
			reason := ""
			switch {
			case under(imported, "example.com/jsruntime/cmd") && !under(path, "example.com/jsruntime/cmd/jsruntime"):
				reason = "nothing imports cmd"
			case under(path, authorHalf...) && under(imported, "example.com/jsruntime") && !under(imported, append(authorHalf, "example.com/jsruntime/engine/dts")...):
				reason = "the command line of authors is built for every system, without the engine and Postgres"
			case under(imported, "rogchap.com/v8go") && path != "example.com/jsruntime/engine/internal/isolate":
				reason = "only engine/internal/isolate knows V8"
			case under(imported, "example.com/jsruntime/httpapi") && !under(path, "example.com/jsruntime/httpapi", "example.com/jsruntime/cmd", "example.com/jsruntime/bench"),
				under(imported, "example.com/jsruntime/scheduler") && !under(path, "example.com/jsruntime/scheduler", "example.com/jsruntime/cmd", "example.com/jsruntime/bench"):
				reason = "httpapi and scheduler meet in the executions table, and the engine knows neither"
			case under(imported, "example.com/jsruntime/httpapi/gateway") && under(path, "example.com/jsruntime/httpapi") && !under(path, "example.com/jsruntime/httpapi/gateway"):
				reason = "the admin API and the gateway do not know each other"
			case under(path, "example.com/jsruntime/engine/internal") && under(imported, "example.com/jsruntime/sqlc", "github.com/gin-gonic/gin", "github.com/jackc/pgx"):
				reason = "engine/internal knows neither Postgres nor HTTP"
			case path == "example.com/jsruntime/engine" && under(imported, "example.com/jsruntime/sqlc", "github.com/jackc/pgx"):
				reason = "the engine itself knows no Postgres"
			case under(path, "example.com/jsruntime/engine/worker") && under(imported, "example.com/jsruntime") &&
				!under(imported, "example.com/jsruntime/engine/internal", "example.com/jsruntime/engine/worker"):
				reason = "a worker is made of engine/internal alone"
			case under(path, "example.com/jsruntime/engine/internal/wire") && strings.Contains(imported, "."):
				reason = "wire is made of the standard library alone"
			case under(path, "example.com/jsruntime/engine/text") && under(imported, "example.com/jsruntime"):
				reason = "text is used by every package and knows none"
			case under(path, "example.com/jsruntime/sqlc") && under(imported, "example.com/jsruntime"):
				reason = "sqlc is generated and imports no package of ours"
			case (under(imported, "github.com/stretchr/testify") || forTests(imported)) && !forTests(path) && !under(path, "example.com/jsruntime/bench"):
				reason = "production code does not import tests' packages"
			}
			if reason != "" {
				t.Errorf("%s imports %s: %s", path, imported, reason)
			}
		}
	}
}

// forTests reports whether one of our packages exists for tests: its name, or that of one that it is below, ends with "test".
func forTests(path string) bool {
	return under(path, "example.com/jsruntime") && slices.ContainsFunc(strings.Split(path, "/"), func(name string) bool { return strings.HasSuffix(name, "test") })
}

// TestNodeNeverLinksV8: a script can at worst kill the worker that it runs in, because the node holds no V8.
func TestNodeNeverLinksV8(t *testing.T) {
	t.Parallel()
	deps := goList(t, "example.com/jsruntime/cmd/jsruntime")["example.com/jsruntime/cmd/jsruntime"].Deps
	require.Contains(t, deps, "example.com/jsruntime/engine")
	for _, d := range deps {
		require.False(t, under(d, "rogchap.com/v8go", "github.com/tommie/v8go", "example.com/jsruntime/engine/internal/isolate", "example.com/jsruntime/engine/internal/warm"), d)
	}
}
