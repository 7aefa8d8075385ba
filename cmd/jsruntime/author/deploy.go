package author

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"example.com/jsruntime/cmd/jsruntime/client"
	"example.com/jsruntime/cmd/jsruntime/profile"
	"example.com/jsruntime/cmd/jsruntime/project"
	"example.com/jsruntime/cmd/jsruntime/term"
)

type deployCommand struct {
	Target
	Rollout
	Labels
	Folder string   `name:"dir" default:"." help:"The project's folder."`
	Env    string   `name:"env" help:"An environment of the project's file."`
	Only   []string `name:"only" placeholder:"NAME" help:"These scripts alone; may be given more than once."`
	DryRun bool     `name:"dry-run" help:"Show the plan, let the node check it, change nothing."`
	Prune  bool     `name:"prune" help:"Archive the project's scripts that are not in it any more. An archived script keeps its history and never runs."`
	Yes    bool     `name:"yes" short:"y" help:"Do not ask before scripts are archived."`
}

func (c *deployCommand) Help() string {
	return "Bundles the scripts of jsruntime.jsonc or of a wrangler file, shows what is created, changed, unchanged and orphaned, and makes all of it live or nothing. " +
		"In CI it needs JSRUNTIME_URL and JSRUNTIME_KEY, and a key with the role developer."
}

// chosen returns the scripts that are meant.
func chosen(p *project.Project, only []string) ([]*project.Script, error) {
	if len(only) == 0 {
		return p.Scripts, nil
	}
	var scripts []*project.Script
	for _, name := range only {
		i := slices.IndexFunc(p.Scripts, func(s *project.Script) bool { return s.Name == name })
		if i < 0 {
			return nil, term.Usage("only: the project has no script %s", name)
		}
		if !slices.Contains(scripts, p.Scripts[i]) {
			scripts = append(scripts, p.Scripts[i])
		}
	}
	return scripts, nil
}

// loadProject reads the project and goes where its environment is.
func (t *Target) loadProject(p *Program, dir, env string) (*project.Project, error) {
	proj, err := project.Load(p.path(dir), env)
	if err != nil {
		return nil, err
	}
	for _, w := range proj.Warnings {
		p.Terminal.Warn("%s", term.Line(w))
	}
	if t.URL == "" {
		t.URL = proj.URL
	}
	if t.Profile == profile.Default && proj.Profile != "" {
		t.Profile = proj.Profile
	}
	return proj, nil
}

func (c *deployCommand) Run(ctx context.Context, p *Program) error {
	begun := time.Now()
	how, err := c.activation()
	if err != nil {
		return err
	}
	proj, err := c.loadProject(p, c.Folder, c.Env)
	if err != nil {
		return err
	}
	scripts, err := chosen(proj, c.Only)
	if err != nil {
		return err
	}
	if c.Prune && len(c.Only) > 0 {
		return term.Usage("prune: is not together with --only")
	}
	sources, err := Bundle(proj, scripts)
	if err != nil {
		return err
	}
	for _, s := range sources {
		for _, w := range s.Warnings {
			p.Terminal.Warn("%s", term.Line(w.String()))
		}
	}
	api, err := c.connect(p)
	if err != nil {
		return err
	}
	progress := p.Terminal.Progress("Comparing with " + api.URL())
	defer progress.End()
	plan, err := NewPlan(ctx, api, proj, scripts, sources)
	if err != nil {
		return err
	}
	progress.End()
	if !p.Terminal.JSON {
		plan.Show(p.Terminal, p.Terminal.Out)
	}
	if err := c.apply(ctx, p, api, plan, how); err != nil {
		return err
	}
	return c.report(ctx, p, api, plan, how, time.Since(begun))
}

// apply does what the plan says.
func (c *deployCommand) apply(ctx context.Context, p *Program, api *client.Client, plan *Plan, how activation) error {
	orphans := plan.Of(orphaned)
	if c.Prune && !c.DryRun && len(orphans) > 0 {
		if err := p.Terminal.Confirm(fmt.Sprintf("Archive %d scripts?", len(orphans)), c.Yes); err != nil {
			return err
		}
	}
	total := 0
	for _, s := range plan.Of(created, changed) {
		total += len(s.source.Text)
	}
	progress := p.Terminal.Progress("Uploading")
	defer progress.End()
	progress.Of(int64(total))
	var err error
	if c.DryRun || c.Message == "" && c.Tag == "" && how.Percent == 100 {
		err = plan.Import(ctx, api, c.DryRun, progress.Reader)
	} else {
		err = plan.Stage(ctx, api, c.Labels, how, progress.Reader)
	}
	if err != nil {
		return err
	}
	if !c.Prune || c.DryRun {
		return nil
	}
	progress.Say("Archiving")
	for _, s := range orphans {
		found, err := scriptNamed(ctx, api, s.Name)
		if err != nil {
			return err
		}
		if err := api.Patch(ctx, "/api/v1/scripts/"+found.ID, map[string]any{"status": "archived"}, nil); err != nil {
			return err
		}
	}
	return nil
}

// endpoints are the URLs of the project's HTTP scripts that have no parameters.
func (plan *Plan) endpoints(base, slug string) []string {
	var urls []string
	for _, s := range plan.Of(created, changed, unchanged) {
		if path := textOf(s.wanted["http_path"]); path != "" && textOf(s.wanted["status"]) == "active" {
			urls = append(urls, base+"/t/"+url.PathEscape(slug)+strings.TrimSuffix(path, "*rest"))
		}
	}
	return urls
}

func (c *deployCommand) report(ctx context.Context, p *Program, api *client.Client, plan *Plan, how activation, took time.Duration) error {
	var urls []string
	if who, err := askWho(ctx, api); err == nil { // the deployment is done, whatever this says
		slug := c.Tenant
		if who.Tenant != nil {
			slug = who.Tenant.Slug
		}
		urls = plan.endpoints(api.URL(), slug)
	}
	counts := plan.Counts()
	result := map[string]any{"dry_run": c.DryRun, "scripts": plan.Steps, "counts": counts, "endpoints": urls, "duration_ms": took.Milliseconds()}
	return p.Terminal.Show(result, func(w io.Writer) {
		fmt.Fprintln(w)
		switch {
		case c.DryRun:
			fmt.Fprintf(w, "%s The node would take it: %d created, %d changed, %d unchanged. Nothing was changed.\n", term.Green("✔"), counts[created], counts[changed], counts[unchanged])
		case counts[created]+counts[changed] == 0:
			fmt.Fprintf(w, "%s Nothing to do: %d unchanged.\n", term.Green("✔"), counts[unchanged])
		default:
			fmt.Fprintf(w, "%s Live: %d created, %d changed, %d unchanged, in %s.\n", term.Green("✔"), counts[created], counts[changed], counts[unchanged], took.Round(10*time.Millisecond))
			if counts[changed] > 0 {
				how.show(w)
			}
		}
		if n := counts[orphaned]; n > 0 && c.Prune && !c.DryRun {
			fmt.Fprintf(w, "%s %d archived.\n", term.Green("✔"), n)
		} else if n > 0 {
			fmt.Fprintf(w, "%s\n", term.Dim(fmt.Sprintf("%d orphaned: deploy --prune archives them.", n)))
		}
		for _, u := range urls {
			fmt.Fprintf(w, "  %s\n", term.Cyan(term.Line(u)))
		}
	})
}
