package httpapi

import (
	"cmp"
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"

	"example.com/jsruntime/engine/compile"
	"example.com/jsruntime/sqlc"
)

// Files are the files of a script: path → text.
type Files map[string]string

// Schema documents Files.
func (Files) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: &huma.Schema{Type: huma.TypeString, Nullable: true},
		Description: "Path to text. Relative imports between the files are bundled; other imports are refused, but for those of the runtime: unresolved_import.",
		Examples:    []any{map[string]string{"index.ts": "import { tax } from './lib/tax'; export default { run: tax }", "lib/tax.ts": "export const tax = (n: number) => n * 1.19"}},
	}
}

// filesIn reads stored files; nil: the script is one source.
func filesIn(stored json.RawMessage) Files {
	var files Files
	_ = json.Unmarshal(stored, &files) // written by setFiles
	return files
}

// setFiles makes files, of which main is the script, the source of a script.
func setFiles(s *sqlc.Script, files Files, main string) error {
	main = cmp.Or(main, compile.DefaultMain)
	if wrong := compile.CheckFiles(files, main); wrong != "" {
		return invalidCode("source_invalid", "body.files", wrong)
	}
	s.Files, _ = json.Marshal(files) // text
	s.Main, s.Source = main, files[main]
	return nil
}

// sourceGiven is what a request gives of a script's source.
type sourceGiven struct {
	source patch[string]
	files  mergeOf[Files]
	main   patch[string]
	whole  bool // files replace all stored files
}

// onto gives a script the source, and reports whether anything was given.
func (g sourceGiven) onto(s *sqlc.Script) (bool, error) {
	switch {
	case g.source.Null:
		return false, invalid("body.source", "can't be null")
	case g.main.Null:
		return false, invalid("body.main", "can't be null")
	case g.source.Set && (g.files.set || g.main.Set):
		return false, invalid("body.source", "not together with files or main")
	case g.source.Set:
		s.Source, s.Files, s.Main = g.source.Value, nil, ""
		return true, nil
	case !g.files.set && !g.main.Set:
		return false, nil
	}
	stored := s.Files
	if g.whole && g.files.set {
		stored = nil
	}
	if len(stored) == 0 {
		stored = json.RawMessage("{}")
		s.Main = ""
	}
	if g.main.Set {
		s.Main = g.main.Value
	}
	return true, setFiles(s, filesIn(g.files.apply(stored)), s.Main)
}

// compileInput is a script as the compiler takes it.
func compileInput(s sqlc.Script) compile.Input {
	if files := filesIn(s.Files); len(files) > 0 {
		return compile.Input{Files: files, Main: s.Main}
	}
	return compile.Input{Source: s.Source}
}
