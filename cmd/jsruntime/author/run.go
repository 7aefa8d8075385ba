package author

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"example.com/jsruntime/cmd/jsruntime/client"
	"example.com/jsruntime/cmd/jsruntime/term"
)

// maxInput bounds an input that is read from a file or from stdin: the node says what the script may get.
const maxInput = 64 << 20

// readJSON reads JSON from an argument: the text itself, @file, or - for stdin. Empty is null.
func (p *Program) readJSON(name, given string) (json.RawMessage, error) {
	var text []byte
	switch {
	case given == "":
		return nil, nil
	case given == "-":
		var err error
		if text, err = io.ReadAll(io.LimitReader(p.Terminal.In, maxInput+1)); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	case given[0] == '@':
		file, err := os.Open(p.path(given[1:]))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		defer file.Close()
		if text, err = io.ReadAll(io.LimitReader(file, maxInput+1)); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	default:
		text = []byte(given)
	}
	if len(text) > maxInput {
		return nil, fmt.Errorf("%s: has more than %d bytes", name, maxInput)
	}
	text = bytes.TrimSpace(text)
	if err := json.Unmarshal(text, new(any)); err != nil {
		return nil, term.Usage("%s: is not JSON: %s", name, strings.TrimPrefix(err.Error(), "json: "))
	}
	return text, nil
}

type runCommand struct {
	Target
	Script  string `arg:"" help:"The script's name."`
	Input   string `name:"input" short:"i" placeholder:"JSON" help:"What the handler gets: JSON, @FILE, or - for stdin. Of an HTTP script {method, path, headers, query, body}."`
	Version string `name:"version" placeholder:"N" help:"A version, by its number or tag, live or not."`
	Local   bool   `name:"local" help:"Run the source of the project's folder, on a node of its own on this machine: that of jsruntime dev where it goes on. It needs no key, and is on Linux only."`
	Folder  string `name:"dir" default:"." help:"With --local: the project's folder."`
	Env     string `name:"env" help:"With --local: an environment of the project's file."`
}

func (c *runCommand) Help() string {
	return "Prints the output to stdout; log, cost and outcome to stderr. The exit code is 1 where the script fails."
}

// Run runs the script and waits for it.
func (c *runCommand) Run(ctx context.Context, p *Program) error {
	input, err := p.readJSON("input", c.Input)
	if err != nil {
		return err
	}
	if c.Local {
		return c.runLocal(ctx, p, input)
	}
	api, script, err := c.connectScript(ctx, p, c.Script)
	if err != nil {
		return err
	}
	return c.runOn(ctx, p, api, script, input)
}

// runLocal runs the script of the project's folder.
func (c *runCommand) runLocal(ctx context.Context, p *Program, input json.RawMessage) error {
	switch {
	case c.Version != "":
		return term.Usage("version: is not together with --local, which runs the folder's source")
	case p.Local == nil:
		return errors.New("local: a node runs on Linux only; without --local the script runs where it is deployed")
	}
	return p.Local(ctx, c.Folder, c.Env, func(ctx context.Context, api *client.Client) error {
		script, err := scriptNamed(ctx, api, c.Script)
		if err != nil {
			return err
		}
		return c.runOn(ctx, p, api, script, input)
	})
}

// runOn runs the script on a node and shows how that went.
func (c *runCommand) runOn(ctx context.Context, p *Program, api *client.Client, script *apiScript, input json.RawMessage) error {
	path := "/executions"
	if c.Version != "" {
		path = "/versions/" + url.PathEscape(c.Version) + "/executions"
	}
	body := map[string]any{}
	if input != nil {
		body["input"] = input
	}
	progress := p.Terminal.Progress("Running " + term.Line(script.Name))
	defer progress.End()
	var e apiExecution
	if err := api.Post(ctx, scriptPath(script, path), url.Values{"wait": {"true"}}, body, &e); err != nil {
		return err
	}
	logs, err := logsOf(ctx, api, e.ID)
	progress.End()
	if err != nil {
		return err
	}
	return showRun(p.Terminal, &e, logs)
}

// showRun shows an execution that has ended. It is an error where the execution has not completed.
func showRun(t *term.Terminal, e *apiExecution, logs []apiLog) error {
	if t.JSON {
		if err := t.WriteJSON(map[string]any{"execution": e, "logs": logs}, "  "); err != nil {
			return err
		}
	} else {
		for _, l := range logs {
			fmt.Fprintf(t.Err, "%s %s\n", level(l.Level), term.Clean(l.Message))
		}
		var shown bytes.Buffer
		if json.Indent(&shown, e.Output, "", "  ") == nil && shown.Len() > 0 && e.Status == "completed" {
			fmt.Fprintln(t.Out, term.Clean(shown.String()))
		}
		fmt.Fprintf(t.Err, "%s  version %d  %s\n", term.Status(e.Status), e.Version, term.Dim(e.Metrics.line()))
	}
	if e.Status == "completed" {
		return nil
	}
	if !t.JSON && e.Error != nil && !saysError(logs, *e.Error) {
		fmt.Fprintf(t.Err, "%s %s\n", term.Red("error:"), term.Clean(*e.Error))
	}
	return term.ErrSilent
}

// saysError reports whether a log's last line is the execution's error already.
func saysError(logs []apiLog, text string) bool {
	return len(logs) > 0 && strings.Contains(logs[len(logs)-1].Message, text)
}

// level is a line's level in five columns.
func level(name string) string {
	text := fmt.Sprintf("%-5s", term.Line(name))
	switch name {
	case "error":
		return term.Red(text)
	case "warn":
		return term.Yellow(text)
	case "debug":
		return term.Dim(text)
	}
	return term.Cyan(text)
}

type triggerCommand struct {
	Target
	Script string `arg:"" help:"The script's name."`
	Cron   bool   `name:"cron" xor:"how" required:"" help:"As a tick of its schedule that is due now."`
	Event  string `name:"event" xor:"how" required:"" placeholder:"TYPE" help:"As an event of this type, with the data that follows."`
	Data   string `arg:"" optional:"" help:"The event's data: JSON, @FILE, or - for stdin."`
}

func (c *triggerCommand) Help() string {
	return "Runs this script alone, once, by hand, with the input of a tick or of an event: nothing is published, and no retries follow. jsruntime events publish publishes."
}

// Run runs the script with an input of its trigger's shape.
func (c *triggerCommand) Run(ctx context.Context, p *Program) error {
	data, err := p.readJSON("data", c.Data)
	if err != nil {
		return err
	}
	if c.Cron && data != nil {
		return term.Usage("data: is for --event")
	}
	api, script, err := c.connectScript(ctx, p, c.Script)
	if err != nil {
		return err
	}
	body := map[string]any{}
	switch {
	case c.Cron && script.Type != "scheduled":
		return fmt.Errorf("%s is of type %s: --cron is for scheduled scripts", script.Name, script.Type)
	case !c.Cron && script.Type != "event":
		return fmt.Errorf("%s is of type %s: --event is for event scripts", script.Name, script.Type)
	case !c.Cron:
		input := map[string]any{"type": c.Event, "data": data}
		body["input"] = input
	}
	var e apiExecution
	if err := api.Post(ctx, scriptPath(script, "/executions"), url.Values{"wait": {"true"}}, body, &e); err != nil {
		return err
	}
	logs, err := logsOf(ctx, api, e.ID)
	if err != nil {
		return err
	}
	return showRun(p.Terminal, &e, logs)
}

type eventsCommand struct {
	Publish publishCommand `cmd:"" help:"Publish an event: one execution a subscription."`
}

type publishCommand struct {
	Target
	Type string `arg:"" help:"Dot-separated words."`
	Data string `arg:"" optional:"" help:"JSON, @FILE, or - for stdin."`
	ID   string `name:"id" help:"The event's own id: within 24 hours it is published once."`
}

func (c *publishCommand) Run(ctx context.Context, p *Program) error {
	data, err := p.readJSON("data", c.Data)
	if err != nil {
		return err
	}
	api, err := c.connect(p)
	if err != nil {
		return err
	}
	body := map[string]any{"type": c.Type, "data": data}
	if c.ID != "" {
		body["id"] = c.ID
	}
	var published struct {
		EventID    string `json:"event_id"`
		Executions int    `json:"executions"`
		Duplicate  bool   `json:"duplicate"`
	}
	if err := api.Post(ctx, "/api/v1/events", nil, body, &published); err != nil {
		return err
	}
	return p.Terminal.Show(published, func(w io.Writer) {
		if published.Duplicate {
			fmt.Fprintf(w, "An event with the id %s was published before.\n", term.Line(c.ID))
			return
		}
		fmt.Fprintf(w, "%s Published %s: %d executions.\n", term.Green("✔"), term.Line(published.EventID), published.Executions)
	})
}

// notFound reports whether an answer was a 404.
func notFound(err error) bool {
	var p *client.Problem
	return errors.As(err, &p) && p.Status == http.StatusNotFound
}
