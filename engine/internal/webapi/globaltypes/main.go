// Command globaltypes writes globals.d.ts, the types of a script's globals: those of TypeScript's lib.webworker.d.ts, without every
// global and member that is not there in a script.
//
//	go run ./engine/internal/webapi/globaltypes -modules DIR [-out FILE]
//
// DIR holds node_modules with TypeScript 6, as engine/internal/webapi/testdata/types has it. surface.json says what is there: a test of
// cmd/jsruntime compares it with a real script.
//
// # How the types live beside DOM libraries
//
// A global of ours is declared with the name that lib.dom and lib.webworker use, so that names mean the same thing everywhere. Where one
// of these libraries is loaded too, ours give way: an interface then adds nothing, and a variable takes the library's type. The sign of
// such a library is the global onmessage, which scripts do not have (@types/node does the same). A type alias cannot give way so, but an
// import of a name merges with an alias of a library.
package main

import (
	_ "embed"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

//go:embed surface.json
var surfaceJSON []byte

func main() {
	modules := flag.String("modules", "", "the folder with node_modules in it")
	out := flag.String("out", "engine/internal/webapi/globals.d.ts", "the file to write")
	flag.Parse()
	if err := run(*modules, *out); err != nil {
		fmt.Fprintln(os.Stderr, "globaltypes:", err)
		os.Exit(1)
	}
}

func run(modules, out string) error {
	lib, err := os.ReadFile(filepath.Join(modules, "node_modules/typescript-6/lib/lib.webworker.d.ts"))
	if err != nil {
		return err
	}
	text, err := generate(string(lib), surfaceJSON)
	if err != nil {
		return err
	}
	return os.WriteFile(out, []byte(text), 0o644)
}
