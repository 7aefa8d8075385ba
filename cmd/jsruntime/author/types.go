package author

import (
	"fmt"
	"io"
	"os"

	"example.com/jsruntime/cmd/jsruntime/term"
	"example.com/jsruntime/engine/dts"
)

type typesCommand struct {
	Output
	Out string `name:"out" short:"o" default:"jsruntime.d.ts" help:"The file; - is stdout."`
}

func (*typesCommand) Help() string {
	return `Writes the types of scripts: the module "jsruntime" and the globals that are there, and no others. tsconfig.json names it: "types": ["./jsruntime"].`
}

// Run writes the file, over one that is there.
func (c *typesCommand) Run(p *Program) error {
	if c.Out == "-" {
		_, err := io.WriteString(p.Terminal.Out, dts.Text())
		return err
	}
	if err := os.WriteFile(p.path(c.Out), []byte(dts.Text()), 0o644); err != nil {
		return err
	}
	return p.Terminal.Show(map[string]any{"file": c.Out, "version": p.Version}, func(w io.Writer) {
		fmt.Fprintf(w, "%s %s, as version %s has them\n", term.Green("wrote"), term.Line(c.Out), term.Line(p.Version))
	})
}
