package author

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"time"

	"example.com/jsruntime/cmd/jsruntime/client"
	"example.com/jsruntime/cmd/jsruntime/project"
	"example.com/jsruntime/cmd/jsruntime/term"
)

type compareCommand struct {
	Target
	Script  string `arg:"" help:"The script's name."`
	Folder  string `name:"dir" default:"." help:"The project's folder."`
	Env     string `name:"env" help:"An environment of the project's file."`
	Version string `name:"version" placeholder:"N" help:"A version on the node, by number or tag, in place of the project's source."`
	Last    int    `name:"last" default:"50" help:"How many of the last executions, at most 200."`
	Status  string `name:"status" enum:",completed,failed,timeout" default:"" help:"Only those that ended so: completed, failed, timeout."`
	Fetch   string `name:"fetch" enum:"deny,record,live" default:"deny" help:"What becomes of fetches: deny, record (answered from the execution's record), live."`
	Message string `name:"message" short:"m" default:"for jsruntime compare" help:"Stands at the version that is saved."`
}

func (c *compareCommand) Help() string {
	return "Saves the project's source as a version that is not live, and runs it on the last recorded inputs. Its effects stay inside. The exit code is 1 where it fails on an input that did not fail before."
}

// comparison is what is read of a comparison.
type comparison struct {
	ID            string           `json:"id"`
	VersionNumber int              `json:"version_number"`
	Status        string           `json:"status"`
	Error         *string          `json:"error"`
	Total         int              `json:"total"`
	Same          int              `json:"same"`
	Different     int              `json:"different"`
	Failed        int              `json:"failed"`
	Skipped       int              `json:"skipped"`
	Costs         comparisonCosts  `json:"costs"`
	Items         []comparisonItem `json:"items"`
}

type comparisonCosts struct {
	Recorded  comparisonCost `json:"recorded"`
	Candidate comparisonCost `json:"candidate"`
}

type comparisonCost struct {
	DurationMS float64 `json:"duration_ms"`
	CPUMS      float64 `json:"cpu_ms"`
}

type comparisonItem struct {
	ExecutionID string          `json:"execution_id"`
	Result      string          `json:"result"`
	Reason      *string         `json:"reason,omitempty"`
	Recorded    comparisonSide  `json:"recorded"`
	Candidate   *comparisonSide `json:"candidate"`
	Diff        *string         `json:"diff,omitempty"`
}

type comparisonSide struct {
	Status string  `json:"status"`
	Error  *string `json:"error,omitempty"`
}

// comparePoll is how often a comparison is asked for.
const comparePoll = 300 * time.Millisecond

func (c *compareCommand) Run(ctx context.Context, p *Program) error {
	var proj *project.Project
	if c.Version == "" {
		var err error
		if proj, err = c.loadProject(p, c.Folder, c.Env); err != nil {
			return err
		}
	}
	api, script, version, err := c.candidate(ctx, p, proj)
	if err != nil {
		return err
	}
	progress := p.Terminal.Progress(fmt.Sprintf("Running version %s of %s on the last %d inputs", version, script.Name, c.Last))
	defer progress.End()
	body := map[string]any{"last": c.Last, "fetch": c.Fetch}
	if c.Status != "" {
		body["status"] = c.Status
	}
	var done comparison
	if err := api.Post(ctx, scriptPath(script, "/versions/"+url.PathEscape(version)+"/compare"), nil, body, &done); err != nil {
		return err
	}
	for done.Status == "pending" || done.Status == "running" {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(comparePoll):
		}
		if err := api.Get(ctx, "/api/v1/comparisons/"+url.PathEscape(done.ID), nil, &done); err != nil {
			return err
		}
	}
	inputs := map[string]string{}
	if !p.Terminal.JSON {
		inputs = inputsOf(ctx, api, done.Items)
	}
	progress.End()
	if err := p.Terminal.Show(done, func(w io.Writer) { showComparison(w, &done, inputs) }); err != nil {
		return err
	}
	switch {
	case done.Status != "completed":
		return fmt.Errorf("the comparison has failed: %s", orEmpty(done.Error))
	case done.Failed > 0:
		return term.ErrSilent
	}
	return nil
}

// candidate is the version that is compared: the given one, the project's source saved as a version, or the live one where that is the same.
func (c *compareCommand) candidate(ctx context.Context, p *Program, proj *project.Project) (*client.Client, *apiScript, string, error) {
	var step *Step
	var sources []*project.Source
	var scripts []*project.Script
	var err error
	if proj != nil {
		if scripts, err = chosen(proj, []string{c.Script}); err != nil {
			return nil, nil, "", err
		}
		if sources, err = Bundle(proj, scripts); err != nil {
			return nil, nil, "", err
		}
	}
	api, err := c.connect(p)
	if err != nil {
		return nil, nil, "", err
	}
	script, err := scriptNamed(ctx, api, c.Script)
	if err != nil || proj == nil {
		return api, script, c.Version, err
	}
	plan, err := NewPlan(ctx, api, proj, scripts, sources)
	if err != nil {
		return nil, nil, "", err
	}
	if step = plan.Steps[0]; step.Action != changed {
		p.Terminal.Say("%s", term.Dim(fmt.Sprintf("The project's source is version %d, which is live.", script.Version)))
		return api, script, fmt.Sprint(script.Version), nil
	}
	saved, err := plan.save(ctx, api, step, Labels{Message: c.Message}, nil)
	if err != nil {
		return nil, nil, "", plan.explain(err, []*Step{step})
	}
	return api, script, fmt.Sprint(saved.version), nil
}

// maxInputs is how many inputs are shown beside their differences.
const maxInputs = 20

// inputsOf are the inputs whose results differ, on a line each.
func inputsOf(ctx context.Context, api *client.Client, items []comparisonItem) map[string]string {
	inputs := map[string]string{}
	for _, item := range items {
		if item.Result != "different" && item.Result != "failed" || len(inputs) == maxInputs {
			continue
		}
		var e apiExecution
		if api.Get(ctx, executionPath(item.ExecutionID, ""), nil, &e) == nil && len(e.Input) > 0 { // it may have been deleted since
			inputs[item.ExecutionID] = short(e.Input)
		}
	}
	return inputs
}

func showComparison(w io.Writer, c *comparison, inputs map[string]string) {
	for _, item := range c.Items {
		switch item.Result {
		case "same":
			continue
		case "skipped":
			fmt.Fprintf(w, "%s  %s  %s\n", term.Dim("skipped  "), item.ExecutionID, term.Dim(term.Line(orEmpty(item.Reason))))
			continue
		case "failed":
			fmt.Fprintf(w, "%s  %s  %s\n", term.Red("failed   "), item.ExecutionID, inputs[item.ExecutionID])
		default:
			fmt.Fprintf(w, "%s  %s  %s\n", term.Yellow("different"), item.ExecutionID, inputs[item.ExecutionID])
		}
		if item.Candidate != nil && item.Candidate.Error != nil {
			fmt.Fprintf(w, "  %s\n", term.Red(term.Line(*item.Candidate.Error)))
		}
		if item.Diff != nil && *item.Diff != "" {
			showDiff(w, *item.Diff)
		}
	}
	if c.Total == 0 && c.Status == "completed" {
		fmt.Fprintf(w, "Nothing was compared: no execution with an input is on record. Version %d is saved.\n", c.VersionNumber)
		return
	}
	mark := term.Green("✔")
	if c.Failed > 0 || c.Status != "completed" {
		mark = term.Red("✘")
	}
	fmt.Fprintf(w, "%s Version %d on %d inputs: %d same, %d different, %d failed, %d skipped.\n", mark, c.VersionNumber, c.Total, c.Same, c.Different, c.Failed, c.Skipped)
	fmt.Fprintln(w, term.Dim(fmt.Sprintf("CPU %.1f ms, recorded %.1f ms · duration %.1f ms, recorded %.1f ms",
		c.Costs.Candidate.CPUMS, c.Costs.Recorded.CPUMS, c.Costs.Candidate.DurationMS, c.Costs.Recorded.DurationMS)))
}
