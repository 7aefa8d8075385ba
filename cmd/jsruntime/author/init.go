package author

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"example.com/jsruntime/cmd/jsruntime/project"
	"example.com/jsruntime/cmd/jsruntime/term"
	"example.com/jsruntime/engine/dts"
)

//go:embed templates
var templates embed.FS

type initCommand struct {
	Output
	Folder   string `arg:"" optional:"" default:"." name:"dir" help:"The folder, which is made where it is missing."`
	Template string `name:"template" short:"t" default:"hello" enum:"hello,hono,cron,events,typescript" help:"What it begins with: hello (an HTTP endpoint), hono (an app with Hono's routing), cron (a schedule), events (a subscription), typescript (a script of two files that is called)."`
}

// common are the files of every template, beside jsruntime.d.ts.
var common = map[string]string{
	"tsconfig.json": `{
  "compilerOptions": {
    "target": "ES2022",
    "module": "ESNext",
    "moduleResolution": "Bundler",
    "lib": ["ES2023"],
    "strict": true,
    "noEmit": true,
    "skipLibCheck": true,
    "allowImportingTsExtensions": true,
    "verbatimModuleSyntax": true,
    "isolatedModules": true,
    "types": ["./jsruntime"]
  },
  "include": ["src"]
}
`,
	".gitignore": "node_modules/\n.jsruntime/\n.wrangler/\n.env\n.dev.vars*\n",
	"package.json": `{
  "name": "NAME",
  "private": true,
  "type": "module",
  "scripts": {
    "dev": "jsruntime dev",
    "deploy": "jsruntime deploy",
    "test": "node --test \"test/**/*.test.ts\"",
    "types": "tsc"
  },
  "devDependencies": {
    "typescript": "^5.9.0"
  }DEPENDENCIES
}
`,
}

var dependencies = map[string]string{"hono": ",\n  \"dependencies\": {\n    \"hono\": \"^4.0.0\"\n  }"}

var notInName = regexp.MustCompile(`[^a-z0-9._-]+`)

// Run writes the files. It overwrites none.
func (c *initCommand) Run(p *Program) error {
	dir, err := filepath.Abs(p.path(c.Folder))
	if err != nil {
		return err
	}
	name := strings.Trim(notInName.ReplaceAllString(strings.ToLower(filepath.Base(dir)), "-"), "-.")
	if name == "" {
		name = "scripts"
	}
	files, err := filesOf(c.Template, name)
	if err != nil {
		return err
	}
	names := make([]string, 0, len(files))
	for file := range files {
		names = append(names, file)
	}
	slices.Sort(names)
	if _, err := os.Lstat(filepath.Join(dir, project.ConfigFile)); err == nil {
		return fmt.Errorf("%s is a project already: it has %s", dir, project.ConfigFile)
	}
	var kept []string
	for _, file := range names {
		at := filepath.Join(dir, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		made, err := os.OpenFile(at, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if errors.Is(err, fs.ErrExist) {
			kept = append(kept, file)
			continue
		}
		if err != nil {
			return err
		}
		_, err = made.WriteString(files[file])
		if closed := made.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return err
		}
	}
	names = slices.DeleteFunc(names, func(file string) bool { return slices.Contains(kept, file) })
	return p.Terminal.Show(map[string]any{"dir": dir, "template": c.Template, "files": names, "kept": kept}, func(w io.Writer) {
		for _, file := range names {
			fmt.Fprintf(w, "%s  %s\n", term.Green("created"), file)
		}
		for _, file := range kept {
			fmt.Fprintf(w, "%s  %s %s\n", term.Dim("kept   "), file, term.Dim("was there"))
		}
		fmt.Fprintf(w, "\nNext:\n")
		if c.Folder != "." {
			fmt.Fprintf(w, "  cd %s\n", quoted(c.Folder))
		}
		if dependencies[c.Template] != "" {
			fmt.Fprintf(w, "  npm install\n")
		}
		fmt.Fprintf(w, "  jsruntime dev      %s\n  jsruntime deploy   %s\n", term.Dim("a node of its own on this machine (Linux)"), term.Dim("to the node of jsruntime login"))
	})
}

// quoted is a word as a shell takes it.
func quoted(word string) string {
	if regexp.MustCompile(`^[\w./~@%+-]+$`).MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(term.Line(word), "'", `'\''`) + "'"
}

// filesOf are the files of a template, for a project's name.
func filesOf(template, name string) (map[string]string, error) {
	files := map[string]string{"jsruntime.d.ts": dts.Text()}
	for file, text := range common {
		files[file] = strings.NewReplacer("NAME", name, "DEPENDENCIES", dependencies[template]).Replace(text)
	}
	root := "templates/" + template
	err := fs.WalkDir(templates, root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := templates.ReadFile(path)
		if err != nil {
			return err
		}
		files[strings.TrimPrefix(path, root+"/")] = strings.ReplaceAll(string(text), "NAME", name)
		return nil
	})
	return files, err
}
