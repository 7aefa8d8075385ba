package author

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"time"

	"example.com/jsruntime/cmd/jsruntime/client"
	"example.com/jsruntime/cmd/jsruntime/term"
)

type webhooksCommand struct {
	List       webhookListCommand       `cmd:"" help:"List webhooks."`
	Add        webhookAddCommand        `cmd:"" help:"Add a webhook. The secret that signs its deliveries is shown once."`
	RM         webhookRMCommand         `cmd:"" name:"rm" help:"Delete a webhook with its deliveries."`
	Test       webhookTestCommand       `cmd:"" help:"Send a test."`
	Deliveries webhookDeliveriesCommand `cmd:"" help:"List a webhook's deliveries, and what became of them."`
	Redrive    webhookRedriveCommand    `cmd:"" help:"Make a delivery once more, or all that failed, and enable the webhook."`
}

func webhookPath(id string) string { return "/api/v1/webhooks/" + url.PathEscape(id) }

type webhookListCommand struct {
	Target
	Limit int `name:"limit" default:"20" help:"At most this many."`
}

type webhookShown struct {
	ID         string     `json:"id"`
	URL        string     `json:"url"`
	Events     []string   `json:"events"`
	DisabledAt *time.Time `json:"disabled_at"`
}

func (c *webhookListCommand) Run(ctx context.Context, p *Program) error {
	api, err := c.connect(p)
	if err != nil {
		return err
	}
	return showList(ctx, p, api, "/api/v1/webhooks", nil, c.Limit, []string{"ID", "STATE", "URL", "EVENTS"}, func(w webhookShown) []string {
		state := "enabled"
		if w.DisabledAt != nil {
			state = "disabled"
		}
		return []string{w.ID, state, term.Line(w.URL), fmt.Sprint(w.Events)}
	})
}

type webhookAddCommand struct {
	Target
	Address string   `arg:"" help:"The URL to POST to."`
	Events  []string `arg:"" name:"event" help:"What it hears of: script.failing, script.recovered, script.quarantined, breaker.opened, rollout.reverted, dead_letter.created, quota.warning, quota.exceeded, schedule.missed."`
}

func (c *webhookAddCommand) Run(ctx context.Context, p *Program) error {
	api, err := c.connect(p)
	if err != nil {
		return err
	}
	var answer struct {
		webhookShown
		Secret string `json:"secret"`
	}
	if err := api.Post(ctx, "/api/v1/webhooks", nil, map[string]any{"url": c.Address, "events": c.Events}, &answer); err != nil {
		return err
	}
	return p.Terminal.Show(answer, func(w io.Writer) {
		fmt.Fprintf(w, "%s %s is added. Its secret, which is not shown again:\n%s\n", term.Green("✔"), answer.ID, answer.Secret)
	})
}

type webhookRMCommand struct {
	Target
	ID  string `arg:"" help:"The webhook."`
	Yes bool   `name:"yes" short:"y" help:"Do not ask."`
}

func (c *webhookRMCommand) Run(ctx context.Context, p *Program) error {
	if err := p.Terminal.Confirm("Delete the webhook "+c.ID+"?", c.Yes); err != nil {
		return err
	}
	return c.deleteAt(ctx, p, webhookPath(c.ID), c.ID)
}

type webhookTestCommand struct {
	Target
	ID string `arg:"" help:"The webhook."`
}

func (c *webhookTestCommand) Run(ctx context.Context, p *Program) error {
	return c.queue(ctx, p, webhookPath(c.ID)+"/test", "A test is sent")
}

// queue posts to a path that queues a delivery, and shows that.
func (t *Target) queue(ctx context.Context, p *Program, path, done string) error {
	api, err := t.connect(p)
	if err != nil {
		return err
	}
	var answer map[string]any
	if err := api.Post(ctx, path, nil, nil, &answer); err != nil {
		return err
	}
	return p.Terminal.Show(answer, func(w io.Writer) {
		if n, ok := answer["redriven"]; ok {
			fmt.Fprintf(w, "%s %v are sent again.\n", term.Green("✔"), n)
			return
		}
		fmt.Fprintf(w, "%s %s as delivery %v.\n", term.Green("✔"), done, answer["id"])
	})
}

type webhookDeliveriesCommand struct {
	Target
	ID    string `arg:"" help:"The webhook."`
	Limit int    `name:"limit" default:"20" help:"At most this many."`
}

func (c *webhookDeliveriesCommand) Run(ctx context.Context, p *Program) error {
	api, err := c.connect(p)
	if err != nil {
		return err
	}
	type delivery struct {
		ID        string    `json:"id"`
		Event     string    `json:"event"`
		Status    string    `json:"status"`
		Attempts  int       `json:"attempts"`
		Response  *int      `json:"response_status"`
		Error     *string   `json:"error"`
		CreatedAt time.Time `json:"created_at"`
	}
	return showList(ctx, p, api, webhookPath(c.ID)+"/deliveries", nil, c.Limit, []string{"ID", "EVENT", "STATUS", "ATTEMPTS", "ANSWER", "AT", "ERROR"}, func(d delivery) []string {
		answer, fault := "", ""
		if d.Response != nil {
			answer = fmt.Sprint(*d.Response)
		}
		if d.Error != nil {
			fault = term.Line(*d.Error)
		}
		return []string{d.ID, d.Event, d.Status, fmt.Sprint(d.Attempts), answer, when(d.CreatedAt), fault}
	})
}

type webhookRedriveCommand struct {
	Target
	ID       string `arg:"" help:"The webhook."`
	Delivery string `arg:"" optional:"" help:"The delivery; without it, all that failed."`
}

func (c *webhookRedriveCommand) Run(ctx context.Context, p *Program) error {
	if c.Delivery == "" {
		return c.queue(ctx, p, webhookPath(c.ID)+"/redrive", "")
	}
	return c.queue(ctx, p, webhookPath(c.ID)+"/deliveries/"+url.PathEscape(c.Delivery)+"/redrive", "It is sent again")
}

type reportCommand struct {
	Target
}

// Run shows a tenant's report. A verdict of failing is exit code 1, so that a script can ask.
func (c *reportCommand) Run(ctx context.Context, p *Program) error {
	api, err := c.connect(p)
	if err != nil {
		return err
	}
	var answer map[string]any
	if err := api.Do(ctx, client.Call{Method: "GET", Path: "/api/v1/health/report"}, &answer); err != nil {
		return err
	}
	err = p.Terminal.Show(answer, func(w io.Writer) {
		fmt.Fprintln(w, answer["verdict"])
		reasons, _ := answer["reasons"].([]any)
		for _, reason := range reasons {
			r, _ := reason.(map[string]any)
			fmt.Fprintf(w, "  %-8v %s\n", r["severity"], term.Line(fmt.Sprint(r["message"])))
		}
		failing, _ := answer["failing"].([]any)
		for _, script := range failing {
			s, _ := script.(map[string]any)
			fmt.Fprintf(w, "  %s: %v failures in a row, %v\n", term.Line(fmt.Sprint(s["script_name"])), s["failures"], s["error_code"])
			errors, _ := s["errors"].([]any)
			for _, group := range errors {
				g, _ := group.(map[string]any)
				fmt.Fprintf(w, "    %v × %s\n", g["count"], term.Line(fmt.Sprint(g["message"])))
			}
		}
	})
	if err == nil && answer["verdict"] == "failing" {
		err = term.ErrSilent
	}
	return err
}
