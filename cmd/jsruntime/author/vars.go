package author

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"example.com/jsruntime/cmd/jsruntime/client"
	"example.com/jsruntime/cmd/jsruntime/term"
)

type varsCommand struct {
	List varsListCommand   `cmd:"" help:"List the vars with their values."`
	Set  varsSetCommand    `cmd:"" help:"Set vars: jsruntime vars set REGION=eu LOG_LEVEL=info."`
	Rm   varsDeleteCommand `cmd:"" name:"rm" aliases:"delete" help:"Delete a var."`
}

const varsPath = "/api/v1/vars"

type varsListCommand struct {
	Target
}

func (c *varsListCommand) Run(ctx context.Context, p *Program) error {
	api, err := c.connect(p)
	if err != nil {
		return err
	}
	var found struct {
		Vars map[string]string `json:"vars"`
	}
	if err := api.Get(ctx, varsPath, nil, &found); err != nil {
		return err
	}
	return p.Terminal.Show(found, func(w io.Writer) {
		for _, name := range slices.Sorted(maps.Keys(found.Vars)) {
			fmt.Fprintf(w, "%s=%s\n", term.Line(name), term.Line(found.Vars[name]))
		}
	})
}

type varsSetCommand struct {
	Target
	Vars []string `arg:"" name:"name=value" help:"The name on env and its value, or two arguments: NAME VALUE."`
}

func (c *varsSetCommand) Run(ctx context.Context, p *Program) error {
	given := c.Vars
	if len(given) == 2 && !strings.Contains(given[0], "=") {
		given = []string{given[0] + "=" + given[1]}
	}
	for _, pair := range given {
		if !strings.Contains(pair, "=") {
			return term.Usage("vars set: %s has no value: NAME=VALUE", pair)
		}
	}
	api, err := c.connect(p)
	if err != nil {
		return err
	}
	names := make([]string, 0, len(given))
	for _, pair := range given {
		name, value, _ := strings.Cut(pair, "=")
		if err := api.Do(ctx, client.Call{Method: http.MethodPut, Path: varsPath + "/" + url.PathEscape(name), Body: map[string]any{"value": value}}, nil); err != nil {
			return err
		}
		names = append(names, name)
	}
	return p.Terminal.Show(map[string]any{"names": names, "set": true}, func(w io.Writer) {
		for _, name := range names {
			fmt.Fprintf(w, "%s env.%s is set.\n", term.Green("✔"), term.Line(name))
		}
	})
}

type varsDeleteCommand struct {
	Target
	Name string `arg:"" help:"The var's name."`
}

func (c *varsDeleteCommand) Run(ctx context.Context, p *Program) error {
	return c.deleteAt(ctx, p, varsPath+"/"+url.PathEscape(c.Name), c.Name)
}
