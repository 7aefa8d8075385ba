package author

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"example.com/jsruntime/cmd/jsruntime/client"
	"example.com/jsruntime/cmd/jsruntime/term"
)

type executionsCommand struct {
	List   executionListCommand   `cmd:"" help:"List executions, newest first."`
	Get    executionGetCommand    `cmd:"" help:"Show an execution with its log."`
	Replay executionReplayCommand `cmd:"" help:"Run an execution's input again."`
	Cancel executionCancelCommand `cmd:"" help:"Cancel an execution that waits or runs."`
}

type executionListCommand struct {
	Target
	Script  string        `arg:"" optional:"" help:"Of this script."`
	Status  string        `name:"status" enum:",pending,running,completed,failed,timeout,cancelled" default:"" help:"With this status: pending, running, completed, failed, timeout, cancelled."`
	Trigger string        `name:"trigger" enum:",cron,http,event,manual,api" default:"" help:"With this trigger: cron, http, event, manual, api."`
	Error   string        `name:"error" placeholder:"CODE" help:"With this error code."`
	Answer  string        `name:"http-status" placeholder:"5xx" help:"Answered with this status, or with one of a class such as 5xx."`
	Path    string        `name:"path" help:"Requests to this path."`
	Text    string        `name:"text" help:"With this text in the path, the URL, the error's message or an id."`
	Since   time.Duration `name:"since" placeholder:"1h" help:"Accepted within this time."`
	Limit   int           `name:"limit" default:"20" help:"At most this many."`
}

func (c *executionListCommand) Run(ctx context.Context, p *Program) error {
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
	for name, value := range map[string]string{
		"status": c.Status, "trigger_type": c.Trigger, "error_code": c.Error, "http_status": c.Answer, "path": c.Path, "q": c.Text,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if c.Since > 0 {
		query.Set("since", time.Now().Add(-c.Since).UTC().Format(time.RFC3339))
	}
	return showList(ctx, p, api, "/api/v1/executions", query, c.Limit, []string{"ID", "SCRIPT", "VERSION", "TRIGGER", "STATUS", "ANSWER", "MS", "AT", "ERROR"}, func(e apiExecution) []string {
		ms := ""
		if e.Metrics != nil && e.CompletedAt != nil {
			ms = fmt.Sprintf("%.1f", e.Metrics.DurationMS)
		}
		answer := ""
		if e.HTTPStatus != nil {
			answer = fmt.Sprint(*e.HTTPStatus)
		}
		return []string{e.ID, term.Line(e.ScriptName), fmt.Sprint(e.Version), e.TriggerType, term.Status(e.Status), answer, ms, when(e.QueuedAt), term.Line(orEmpty(e.Error))}
	})
}

// showList shows a list: its items as the API gives them, or as a table.
func showList[T any](ctx context.Context, p *Program, api *client.Client, path string, query url.Values, limit int, head []string, row func(T) []string) error {
	if limit < 1 {
		return term.Usage("limit: must be at least 1")
	}
	items := []json.RawMessage{}
	if err := eachPage(ctx, api, path, query, limit, func(item json.RawMessage) { items = append(items, item) }); err != nil {
		return err
	}
	table := &term.Table{Head: head}
	for _, item := range items {
		var v T
		if err := json.Unmarshal(item, &v); err != nil {
			return fmt.Errorf("an item of %s cannot be read: %w", path, err)
		}
		table.Add(row(v)...)
	}
	return p.Terminal.Show(map[string]any{"items": items}, func(w io.Writer) {
		if len(items) == 0 {
			fmt.Fprintln(w, term.Dim("none"))
		}
		p.Terminal.Write(w, table)
	})
}

func when(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

func whenever(t *time.Time) string {
	if t == nil {
		return ""
	}
	return when(*t)
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func executionPath(id, rest string) string { return "/api/v1/executions/" + url.PathEscape(id) + rest }

type executionGetCommand struct {
	Target
	ID string `arg:"" help:"The execution."`
}

func (c *executionGetCommand) Run(ctx context.Context, p *Program) error {
	api, err := c.connect(p)
	if err != nil {
		return err
	}
	var whole json.RawMessage
	if err := api.Get(ctx, executionPath(c.ID, ""), nil, &whole); err != nil {
		return err
	}
	logs, err := logsOf(ctx, api, c.ID)
	if err != nil {
		return err
	}
	var e apiExecution
	if err := json.Unmarshal(whole, &e); err != nil {
		return fmt.Errorf("the execution cannot be read: %w", err)
	}
	return p.Terminal.Show(map[string]any{"execution": whole, "logs": logs}, func(w io.Writer) {
		fmt.Fprintf(w, "%s  %s  version %d  by %s  %s\n", term.Status(e.Status), term.Bold(term.Line(e.ScriptName)), e.Version, e.TriggerType, when(e.QueuedAt))
		if line := e.Metrics.line(); e.CompletedAt != nil {
			fmt.Fprintln(w, term.Dim(line))
		}
		fmt.Fprintf(w, "%s %s\n%s %s\n", term.Dim("input "), short(e.Input), term.Dim("output"), short(e.Output))
		for _, l := range logs {
			fmt.Fprintf(w, "%s %s %s\n", term.Dim(l.At.Local().Format("15:04:05.000")), level(l.Level), term.Clean(l.Message))
		}
	})
}

type executionReplayCommand struct {
	Target
	ID      string `arg:"" help:"The execution."`
	Version int    `name:"version" placeholder:"N" help:"The version to run; that of the execution by default."`
}

func (c *executionReplayCommand) Run(ctx context.Context, p *Program) error {
	api, err := c.connect(p)
	if err != nil {
		return err
	}
	body := map[string]any{}
	if c.Version != 0 {
		body["version"] = c.Version
	}
	var e apiExecution
	if err := api.Post(ctx, executionPath(c.ID, "/replay"), nil, body, &e); err != nil {
		return err
	}
	return p.Terminal.Show(e, func(w io.Writer) {
		fmt.Fprintf(w, "%s Queued as %s.\n", term.Green("✔"), e.ID)
	})
}

type executionCancelCommand struct {
	Target
	ID string `arg:"" help:"The execution."`
}

func (c *executionCancelCommand) Run(ctx context.Context, p *Program) error {
	api, err := c.connect(p)
	if err != nil {
		return err
	}
	if err := api.Post(ctx, executionPath(c.ID, "/cancel"), nil, nil, nil); err != nil {
		return err
	}
	return p.Terminal.Show(map[string]any{"id": c.ID, "cancelled": true}, func(w io.Writer) {
		fmt.Fprintf(w, "%s It is being cancelled.\n", term.Green("✔"))
	})
}

type deadLettersCommand struct {
	List   letterListCommand   `cmd:"" help:"List events that no attempt could handle."`
	Retry  letterRetryCommand  `cmd:"" help:"Retry one dead letter, or all that match."`
	Delete letterDeleteCommand `cmd:"" help:"Delete a dead letter."`
}

type letterListCommand struct {
	Target
	Script string `arg:"" optional:"" help:"Of this script."`
	Event  string `name:"event" placeholder:"TYPE" help:"Of events of this type."`
	Limit  int    `name:"limit" default:"20" help:"At most this many."`
}

func letterQuery(ctx context.Context, api *client.Client, script, event string) (url.Values, error) {
	query := url.Values{}
	if script != "" {
		found, err := scriptNamed(ctx, api, script)
		if err != nil {
			return nil, err
		}
		query.Set("script_id", found.ID)
	}
	if event != "" {
		query.Set("event_type", event)
	}
	return query, nil
}

func (c *letterListCommand) Run(ctx context.Context, p *Program) error {
	api, err := c.connect(p)
	if err != nil {
		return err
	}
	query, err := letterQuery(ctx, api, c.Script, c.Event)
	if err != nil {
		return err
	}
	type letter struct {
		ID         string    `json:"id"`
		ScriptName string    `json:"script_name"`
		EventType  string    `json:"event_type"`
		Error      string    `json:"error"`
		RetryCount int       `json:"retry_count"`
		CreatedAt  time.Time `json:"created_at"`
	}
	return showList(ctx, p, api, "/api/v1/dead-letters", query, c.Limit, []string{"ID", "SCRIPT", "EVENT", "RETRIES", "AT", "ERROR"}, func(l letter) []string {
		return []string{l.ID, term.Line(l.ScriptName), term.Line(l.EventType), fmt.Sprint(l.RetryCount), when(l.CreatedAt), term.Line(l.Error)}
	})
}

type letterRetryCommand struct {
	Target
	ID     string `arg:"" optional:"" help:"The dead letter."`
	Script string `name:"script" help:"All of this script."`
	Event  string `name:"event" placeholder:"TYPE" help:"All of events of this type."`
	All    bool   `name:"all" help:"All of the tenant."`
}

func (c *letterRetryCommand) Run(ctx context.Context, p *Program) error {
	many := c.Script != "" || c.Event != "" || c.All
	if many == (c.ID != "") {
		return term.Usage("name one dead letter, or --script, --event or --all")
	}
	api, err := c.connect(p)
	if err != nil {
		return err
	}
	var answer map[string]any
	if !many {
		if err := api.Post(ctx, "/api/v1/dead-letters/"+url.PathEscape(c.ID)+"/retry", nil, nil, &answer); err != nil {
			return err
		}
	} else {
		query, err := letterQuery(ctx, api, c.Script, c.Event)
		if err != nil {
			return err
		}
		body := map[string]any{}
		for name := range query {
			body[name] = query.Get(name)
		}
		if err := api.Post(ctx, "/api/v1/dead-letters/retry", nil, body, &answer); err != nil {
			return err
		}
	}
	return p.Terminal.Show(answer, func(w io.Writer) {
		if many {
			fmt.Fprintf(w, "%s %v are tried again.\n", term.Green("✔"), answer["retried"])
		} else {
			fmt.Fprintf(w, "%s It is tried again as %v.\n", term.Green("✔"), answer["execution_id"])
		}
	})
}

type letterDeleteCommand struct {
	Target
	ID  string `arg:"" help:"The dead letter."`
	Yes bool   `name:"yes" short:"y" help:"Do not ask."`
}

func (c *letterDeleteCommand) Run(ctx context.Context, p *Program) error {
	if err := p.Terminal.Confirm("Delete the dead letter "+c.ID+"?", c.Yes); err != nil {
		return err
	}
	return c.deleteAt(ctx, p, "/api/v1/dead-letters/"+url.PathEscape(c.ID), c.ID)
}

// deleteAt deletes what a path names.
func (t *Target) deleteAt(ctx context.Context, p *Program, path, name string) error {
	api, err := t.connect(p)
	if err != nil {
		return err
	}
	if err := api.Do(ctx, client.Call{Method: http.MethodDelete, Path: path}, nil); err != nil {
		return err
	}
	return p.Terminal.Show(map[string]any{"deleted": name}, func(w io.Writer) {
		fmt.Fprintf(w, "%s %s is deleted.\n", term.Green("✔"), term.Line(name))
	})
}

type schedulesCommand struct {
	Target
	Limit int `name:"limit" default:"50" help:"At most this many."`
}

func (c *schedulesCommand) Run(ctx context.Context, p *Program) error {
	api, err := c.connect(p)
	if err != nil {
		return err
	}
	type schedule struct {
		ScriptName     string     `json:"script_name"`
		CronExpression string     `json:"cron_expression"`
		Timezone       string     `json:"timezone"`
		IsActive       bool       `json:"is_active"`
		NextRunAt      *time.Time `json:"next_run_at"`
		LastRunAt      *time.Time `json:"last_run_at"`
		LastRunStatus  *string    `json:"last_run_status"`
		IsRunning      bool       `json:"is_running"`
	}
	return showList(ctx, p, api, "/api/v1/schedules", nil, c.Limit, []string{"SCRIPT", "CRON", "ZONE", "NEXT", "LAST", "STATUS"}, func(s schedule) []string {
		status := orEmpty(s.LastRunStatus)
		if s.IsRunning {
			status = "running"
		}
		next := whenever(s.NextRunAt)
		if !s.IsActive {
			next = "not active"
		}
		return []string{term.Line(s.ScriptName), term.Line(s.CronExpression), term.Line(s.Timezone), next, whenever(s.LastRunAt), term.Status(status)}
	})
}
