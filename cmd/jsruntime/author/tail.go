package author

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"example.com/jsruntime/cmd/jsruntime/client"
	"example.com/jsruntime/cmd/jsruntime/term"
)

type tailCommand struct {
	Target
	Script string   `arg:"" optional:"" help:"One script; all of the tenant's without it."`
	Status []string `name:"status" enum:"running,completed,failed,timeout,cancelled,refused" help:"Only events of these statuses: running (lines and starts), completed, failed, timeout, cancelled, refused."`
	Level  string   `name:"level" enum:",debug,info,warn,error" default:"" help:"Only events of this level and above: debug, info, warn, error."`
	Grep   string   `name:"grep" placeholder:"TEXT" help:"Only events that have this text, in upper or lower case."`
	Count  int      `name:"count" short:"n" placeholder:"N" help:"End after this many events; 0 goes on until Ctrl-C."`
}

func (c *tailCommand) Help() string {
	return "Shows log lines, starts and ends of executions of all nodes as they happen. With --json: one event a line."
}

// tailed is an event of the stream.
type tailed struct {
	Kind        string    `json:"kind"`
	ScriptName  string    `json:"script_name"`
	ExecutionID string    `json:"execution_id"`
	Level       string    `json:"level"`
	Message     string    `json:"message"`
	At          time.Time `json:"at"`
	Status      string    `json:"status"`
	Dropped     int       `json:"dropped"`
	DurationMS  *float64  `json:"duration_ms"`
	Error       string    `json:"error"`
	ErrorStack  string    `json:"error_stack"`
}

// tailRetry is how long to wait before a stream that broke is opened again.
const tailRetry = time.Second

// maxLine bounds a line of the stream.
const maxLine = 1 << 20

var errEnough = errors.New("enough")

// Run watches until Ctrl-C, which is its success. A stream that breaks is opened again.
func (c *tailCommand) Run(ctx context.Context, p *Program) error {
	api, err := c.connect(p)
	if err != nil {
		return err
	}
	query := url.Values{}
	if c.Script != "" {
		script, err := scriptNamed(ctx, api, c.Script)
		if err != nil {
			return err
		}
		query.Set("script_id", script.ID)
	}
	if len(c.Status) > 0 {
		query.Set("status", strings.Join(c.Status, ","))
	}
	if c.Level != "" {
		query.Set("level", c.Level)
	}
	if c.Grep != "" {
		query.Set("text", c.Grep)
	}
	shown, last := 0, ""
	for {
		err := c.watch(ctx, p, api, query, &last, &shown)
		var refused *client.Problem
		switch {
		case ctx.Err() != nil, errors.Is(err, errEnough):
			return nil
		case errors.As(err, &refused):
			return err
		}
		p.Terminal.Say("%s the stream ended, opening it again", term.Yellow("…"))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(tailRetry):
		}
	}
}

// watch reads one stream to its end.
func (c *tailCommand) watch(ctx context.Context, p *Program, api *client.Client, query url.Values, last *string, shown *int) error {
	header := http.Header{"Accept": {"text/event-stream"}}
	if *last != "" {
		header.Set("Last-Event-ID", *last)
	}
	resp, err := api.Send(ctx, client.Call{Method: http.MethodGet, Path: "/api/v1/logs/tail", Query: query, Header: header})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxLine)
	kind := ""
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "":
			if value == "watching" {
				p.Terminal.Say("%s", term.Dim("Watching "+api.URL()+", Ctrl-C ends it."))
			}
		case "id":
			*last = value
		case "event":
			kind = value
		case "data":
			if err := c.show(p, kind, value); err != nil {
				return err
			}
			if kind == "notice" {
				continue
			}
			if *shown++; c.Count > 0 && *shown >= c.Count {
				return errEnough
			}
		}
	}
	return lines.Err()
}

func (c *tailCommand) show(p *Program, kind, data string) error {
	if p.Terminal.JSON {
		return p.Terminal.WriteJSON(json.RawMessage(data), "")
	}
	var e tailed
	if err := json.Unmarshal([]byte(data), &e); err != nil {
		return fmt.Errorf("the stream has an event that cannot be read: %w", err)
	}
	w := p.Terminal.Out
	at := term.Dim(e.At.Local().Format("15:04:05.000"))
	if kind == "notice" {
		fmt.Fprintf(p.Terminal.Err, "%s %s\n", at, term.Yellow(term.Clean(e.Message)))
		return nil
	}
	if e.Dropped > 0 {
		fmt.Fprintf(w, "%s %s\n", at, term.Yellow(fmt.Sprintf("%d events were left out", e.Dropped)))
	}
	mark := "│"
	switch e.Kind {
	case "execution.started":
		mark = term.Dim("▶")
	case "execution.ended":
		mark = statusMark(e.Status)
	}
	fmt.Fprintf(w, "%s %s %s %s %s\n", at, level(e.Level), term.Bold(term.Line(e.ScriptName)), mark, term.Clean(e.Message))
	showStack(w, e.ErrorStack)
	return nil
}

func statusMark(status string) string {
	switch status {
	case "completed":
		return term.Green("✔")
	case "cancelled", "refused":
		return term.Yellow("■")
	}
	return term.Red("✘")
}

func showStack(w io.Writer, stack string) {
	for line := range strings.Lines(stack) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "at ") {
			fmt.Fprintf(w, "               %s\n", term.Dim(term.Line(line)))
		}
	}
}
