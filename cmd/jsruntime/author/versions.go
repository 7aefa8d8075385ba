package author

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"example.com/jsruntime/cmd/jsruntime/client"
	"example.com/jsruntime/cmd/jsruntime/term"
)

// apiVersion is what commands read of a version.
type apiVersion struct {
	VersionNumber     int       `json:"version_number"`
	Tag               *string   `json:"tag"`
	Percent           float64   `json:"percent"`
	ChangeDescription *string   `json:"change_description"`
	CreatedAt         time.Time `json:"created_at"`
}

// apiDeployment is what commands read of a deployment.
type apiDeployment struct {
	ID              string  `json:"id"`
	Version         int     `json:"version"`
	PreviousVersion *int    `json:"previous_version"`
	Percent         float64 `json:"percent"`
	Status          string  `json:"status"`
	Runs            int64   `json:"runs"`
	Failures        int64   `json:"failures"`
	Reason          *string `json:"reason"`
}

type versionsCommand struct {
	Target
	Script string `arg:"" help:"The script's name."`
	Limit  int    `name:"limit" default:"20" help:"At most this many."`
}

func (c *versionsCommand) Run(ctx context.Context, p *Program) error {
	api, script, err := c.connectScript(ctx, p, c.Script)
	if err != nil {
		return err
	}
	err = showList(ctx, p, api, scriptPath(script, "/versions"), nil, c.Limit, []string{"VERSION", "LIVE", "TAG", "AT", "MESSAGE"}, func(v apiVersion) []string {
		return []string{fmt.Sprint(v.VersionNumber), share(v.Percent), term.Line(orEmpty(v.Tag)), when(v.CreatedAt), term.Line(orEmpty(v.ChangeDescription))}
	})
	if err != nil || p.Terminal.JSON {
		return err
	}
	var last *apiDeployment
	if err := eachPage(ctx, api, scriptPath(script, "/deployments"), nil, 1, func(d apiDeployment) { last = &d }); err != nil {
		return err
	}
	last.show(p.Terminal.Out)
	return nil
}

// show says how a deployment for a share of the executions goes, or why it was taken back.
func (d *apiDeployment) show(w io.Writer) {
	switch {
	case d == nil:
	case d.Status == "reverted":
		fmt.Fprintf(w, "%s Version %d had %g %% and was taken back: %s.\n", term.Red("✘"), d.Version, d.Percent, term.Line(strings.TrimSuffix(orEmpty(d.Reason), ".")))
	case d.Status == "active" && d.Percent < 100:
		fmt.Fprintf(w, "Version %d has %g %% of the executions: %d have ended since, %d of them have failed.\n", d.Version, d.Percent, d.Runs, d.Failures)
	}
}

// share is how much of a script's executions a version gets.
func share(percent float64) string {
	switch percent {
	case 0:
		return ""
	case 100:
		return term.Green("live")
	}
	return term.Yellow(fmt.Sprintf("%g %%", percent))
}

type diffCommand struct {
	Target
	Script string `arg:"" help:"The script's name."`
	From   string `arg:"" optional:"" name:"a" help:"The older version, by number or tag: the one that was live before by default."`
	To     string `arg:"" optional:"" name:"b" help:"The newer version: the live one by default."`
}

func (c *diffCommand) Run(ctx context.Context, p *Program) error {
	api, script, err := c.connectScript(ctx, p, c.Script)
	if err != nil {
		return err
	}
	if c.To == "" {
		c.To = fmt.Sprint(script.Version)
	}
	if c.From == "" {
		before, err := versionBefore(ctx, api, script)
		if err != nil {
			return err
		}
		c.From = fmt.Sprint(before)
	}
	var text []byte
	path := scriptPath(script, "/versions/"+url.PathEscape(c.To)+"/diff")
	if err := api.Get(ctx, path, url.Values{"against": {c.From}}, &text); err != nil {
		return err
	}
	return p.Terminal.Show(map[string]any{"from": c.From, "to": c.To, "diff": string(text)}, func(w io.Writer) { showDiff(w, string(text)) })
}

// showDiff shows a unified diff in colours.
func showDiff(w io.Writer, text string) {
	if text == "" {
		fmt.Fprintln(w, term.Dim("the sources are the same"))
	}
	for line := range strings.Lines(text) {
		line = term.Clean(strings.TrimSuffix(line, "\n"))
		switch {
		case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"):
			line = term.Bold(line)
		case strings.HasPrefix(line, "@@"):
			line = term.Cyan(line)
		case strings.HasPrefix(line, "+"):
			line = term.Green(line)
		case strings.HasPrefix(line, "-"):
			line = term.Red(line)
		}
		fmt.Fprintln(w, line)
	}
}

// versionBefore returns the version that a rollback activates: the live version while a candidate has a share, else the previous live
// version.
func versionBefore(ctx context.Context, api *client.Client, script *apiScript) (int, error) {
	var deployments []apiDeployment
	err := eachPage(ctx, api, scriptPath(script, "/deployments"), nil, 20, func(d apiDeployment) { deployments = append(deployments, d) })
	if err != nil {
		return 0, err
	}
	for _, d := range deployments {
		if d.Status != "active" {
			continue
		}
		if d.Percent < 100 {
			return script.Version, nil
		}
		if d.PreviousVersion != nil {
			return *d.PreviousVersion, nil
		}
		break
	}
	return 0, fmt.Errorf("%s: no version was live before version %d", script.Name, script.Version)
}

// activation is the body of activate.
type activation struct {
	Percent      float64       `json:"percent,omitempty"`
	AutoRollback *autoRollback `json:"auto_rollback,omitempty"`
}

// show says what becomes of a version that does not get all of the executions.
func (a activation) show(w io.Writer) {
	if a.Percent >= 100 {
		return
	}
	fmt.Fprintf(w, "  A changed script's new version gets %g %% of its executions, the version before keeps the rest. jsruntime promote gives it all.\n", a.Percent)
	if a.AutoRollback != nil {
		fmt.Fprintf(w, "  It is taken back by itself where more than %g %% of its executions fail, once %d have ended.\n", 100*a.AutoRollback.ErrorRate, a.AutoRollback.MinRuns)
	}
}

type autoRollback struct {
	ErrorRate float64 `json:"error_rate"`
	MinRuns   int     `json:"min_runs"`
}

func activate(ctx context.Context, api *client.Client, script *apiScript, version string, how activation) (*apiDeployment, error) {
	var d apiDeployment
	if err := api.Post(ctx, scriptPath(script, "/versions/"+url.PathEscape(version)+"/activate"), nil, how, &d); err != nil {
		return nil, err
	}
	return &d, nil
}

type rollbackCommand struct {
	Target
	Script  string `arg:"" help:"The script's name."`
	Version string `arg:"" optional:"" help:"By number or tag. Without it: the version that was live before; while a version has a part of the executions, that is taken back."`
}

func (c *rollbackCommand) Run(ctx context.Context, p *Program) error {
	api, script, err := c.connectScript(ctx, p, c.Script)
	if err != nil {
		return err
	}
	if c.Version == "" {
		before, err := versionBefore(ctx, api, script)
		if err != nil {
			return err
		}
		c.Version = fmt.Sprint(before)
	}
	d, err := activate(ctx, api, script, c.Version, activation{})
	if err != nil {
		return err
	}
	return showActivated(p, script, d)
}

func showActivated(p *Program, script *apiScript, d *apiDeployment) error {
	return p.Terminal.Show(d, func(w io.Writer) {
		if d.Percent < 100 {
			fmt.Fprintf(w, "%s Version %d of %s has %g %% of the executions.\n", term.Green("✔"), d.Version, term.Bold(term.Line(script.Name)), d.Percent)
			return
		}
		fmt.Fprintf(w, "%s Version %d of %s is live.\n", term.Green("✔"), d.Version, term.Bold(term.Line(script.Name)))
	})
}

// Rollout are the flags of a version that goes live for a part of the executions.
type Rollout struct {
	Percent   float64 `name:"percent" default:"100" help:"The share of executions that the version gets; the version before keeps the rest."`
	ErrorRate float64 `name:"error-rate" default:"0.05" help:"With --percent below 100: the share of failures above which the version is taken back by itself; 0 leaves it."`
	MinRuns   int     `name:"min-runs" default:"50" help:"How many of its executions must have ended before they are judged."`
}

func (r *Rollout) activation() (activation, error) {
	if r.Percent <= 0 || r.Percent > 100 {
		return activation{}, term.Usage("percent: %g is not above 0 and at most 100", r.Percent)
	}
	if r.ErrorRate < 0 || r.ErrorRate > 1 {
		return activation{}, term.Usage("error-rate: %g is not between 0 and 1", r.ErrorRate)
	}
	if r.MinRuns < 1 {
		return activation{}, term.Usage("min-runs: must be at least 1")
	}
	how := activation{Percent: r.Percent}
	if r.Percent < 100 && r.ErrorRate > 0 {
		how.AutoRollback = &autoRollback{ErrorRate: r.ErrorRate, MinRuns: r.MinRuns}
	}
	return how, nil
}

type promoteCommand struct {
	Target
	Rollout
	Script  string `arg:"" help:"The script's name."`
	Version string `arg:"" optional:"" help:"By number or tag; the newest by default."`
}

func (c *promoteCommand) Run(ctx context.Context, p *Program) error {
	how, err := c.activation()
	if err != nil {
		return err
	}
	api, script, err := c.connectScript(ctx, p, c.Script)
	if err != nil {
		return err
	}
	if c.Version == "" {
		c.Version = fmt.Sprint(script.LatestVersion)
	}
	d, err := activate(ctx, api, script, c.Version, how)
	if err != nil {
		return err
	}
	return showActivated(p, script, d)
}
