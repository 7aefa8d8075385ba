package author

import (
	"context"
	"fmt"
	"io"

	"example.com/jsruntime/cmd/jsruntime/profile"
	"example.com/jsruntime/cmd/jsruntime/term"
)

const localURL = "http://127.0.0.1:8080"

type loginCommand struct {
	Target
}

func (c *loginCommand) Help() string {
	return "The key comes from the prompt or from stdin, never from the command line: jsruntime login --url https://js.example.com < key"
}

// Run asks for what is not given, tries the key and keeps it.
func (c *loginCommand) Run(ctx context.Context, p *Program) (err error) {
	file, err := p.profiles()
	if err != nil {
		return err
	}
	if c.URL == "" {
		kept, _ := file.Get(c.Profile)
		if kept.URL == "" {
			kept.URL = localURL
		}
		if c.URL, err = p.Terminal.Ask("URL of the node", kept.URL); err != nil {
			return err
		}
	}
	if c.URL, err = profile.CheckURL(c.URL); err != nil {
		return err
	}
	if profile.Plain(c.URL) {
		p.Terminal.Warn("%s is plain HTTP: the key can be read on the way.", c.URL)
	}
	if c.Key == "" {
		if c.Key, err = p.Terminal.Secret("Key"); err != nil {
			return err
		}
	}
	who, err := askWho(ctx, c.client(p))
	if err != nil {
		return err
	}
	if err := file.Set(c.Profile, profile.Profile{URL: c.URL, Key: c.Key, Tenant: c.Tenant}); err != nil {
		return err
	}
	return p.Terminal.Show(map[string]any{"profile": c.Profile, "url": c.URL, "role": who.Role, "tenant": who.Tenant, "path": file.Path()}, func(w io.Writer) {
		fmt.Fprintf(w, "%s %s is kept in %s.\n", term.Green("✔"), who.line(), file.Path())
	})
}

func (w *whoami) line() string {
	if w.Tenant == nil {
		return fmt.Sprintf("An operator's key of %s", w.URL)
	}
	return fmt.Sprintf("A key of the tenant %s with the role %s at %s", term.Bold(term.Line(w.Tenant.Slug)), term.Line(w.Role), w.URL)
}

type logoutCommand struct {
	Output
	Profile string `name:"profile" default:"default" help:"The profile to forget."`
}

// Run forgets a profile. The key itself stays what it is: an administrator deletes it.
func (c *logoutCommand) Run(p *Program) error {
	file, err := p.profiles()
	if err != nil {
		return err
	}
	known, err := file.Delete(c.Profile)
	if err != nil {
		return err
	}
	return p.Terminal.Show(map[string]any{"profile": c.Profile, "forgotten": known}, func(w io.Writer) {
		if known {
			fmt.Fprintf(w, "%s The profile %s is forgotten.\n", term.Green("✔"), c.Profile)
		} else {
			fmt.Fprintf(w, "There is no profile %s.\n", c.Profile)
		}
	})
}

type whoamiCommand struct {
	Target
}

func (c *whoamiCommand) Run(ctx context.Context, p *Program) error {
	api, err := c.connect(p)
	if err != nil {
		return err
	}
	who, err := askWho(ctx, api)
	if err != nil {
		return err
	}
	return p.Terminal.Show(who, func(w io.Writer) {
		fmt.Fprintf(w, "%s.\n", who.line())
		if who.Key != nil {
			fmt.Fprintf(w, "%s %s…  %s\n", term.Dim("key"), term.Line(who.Key.Prefix), term.Line(who.Key.Name))
		}
	})
}
