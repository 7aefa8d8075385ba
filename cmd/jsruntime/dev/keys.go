package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"example.com/jsruntime/cmd/jsruntime/client"
	"example.com/jsruntime/cmd/jsruntime/project"
	"example.com/jsruntime/cmd/jsruntime/term"
)

// prompt is a question that is open: what is typed goes to it.
type prompt struct {
	line bool // takes a line; else one key
	text []byte
	take func(ctx context.Context, answer string)
}

const help = "r runs the last one again   t triggers a schedule or an event   o opens the console   q ends"

// ready says what is live and where.
func (l *Loop) ready(ctx context.Context) error {
	console, err := l.cfg.ConsoleLink(ctx)
	if err != nil {
		return l.orEnd(ctx, err)
	}
	l.tell(event{Event: "ready", URL: l.cfg.API.URL(), Tenant: l.cfg.Slug, Key: l.cfg.Key, Console: console}, func() {
		fmt.Fprintln(l.t.Out)
		for _, s := range l.project.Scripts {
			what := term.Dim(term.Line(strings.TrimSpace(s.Type() + " " + textOf(s.Fields["cron_expression"]))))
			if path := textOf(s.Fields["http_path"]); path != "" {
				what = term.Cyan(term.Line(l.cfg.API.URL() + "/t/" + l.cfg.Slug + path))
			}
			fmt.Fprintf(l.t.Out, "  %s  %s\n", term.Bold(term.Line(s.Name)), what)
		}
		fmt.Fprintf(l.t.Out, "\n  the console, signed in with this link once: %s\n\n", term.Cyan(console))
		if l.cfg.Keys != nil {
			fmt.Fprintln(l.t.Out, term.Dim(help))
		}
	})
	return nil
}

// openConsole opens the console in a browser, or prints a link.
func (l *Loop) openConsole(ctx context.Context) error {
	console, err := l.cfg.ConsoleLink(ctx)
	if err != nil {
		return err
	}
	if !l.cfg.OpenBrowser(console) {
		fmt.Fprintf(l.t.Out, "  the console, signed in with this link once: %s\n", term.Cyan(console))
	}
	return nil
}

// pressed does what a key says. It reports whether it ends dev.
func (l *Loop) pressed(ctx context.Context, key byte) bool {
	if l.prompt != nil {
		l.answer(ctx, key)
		return false
	}
	var err error
	switch key {
	case 'q', 3, 4: // Ctrl-C and Ctrl-D, where the terminal does not make a signal of them
		return true
	case 'r':
		err = l.again(ctx)
	case 't':
		l.chooseTrigger()
	case 'o':
		err = l.openConsole(ctx)
	case 'h', '?':
		fmt.Fprintln(l.t.Out, term.Dim(help))
	}
	if err != nil {
		l.fail(err)
	}
	return false
}

// answer gives a key to the open question. Escape closes it.
func (l *Loop) answer(ctx context.Context, key byte) {
	p := l.prompt
	switch {
	case key == 27 || key == 3:
		l.prompt = nil
		fmt.Fprintln(l.t.Out)
	case !p.line:
		l.prompt = nil
		fmt.Fprintf(l.t.Out, "%s\n", term.Line(string(key)))
		p.take(ctx, string(key))
	case key == '\n' || key == '\r':
		l.prompt = nil
		fmt.Fprintln(l.t.Out)
		p.take(ctx, strings.TrimSpace(string(p.text)))
	case key == 127 || key == 8:
		if len(p.text) > 0 {
			p.text = p.text[:len(p.text)-1]
			fmt.Fprint(l.t.Out, "\b \b")
		}
	default:
		p.text = append(p.text, key)
		fmt.Fprint(l.t.Out, term.Line(string(key)))
	}
}

// again runs the last execution with its input.
func (l *Loop) again(ctx context.Context) error {
	if l.last == "" {
		return errors.New("nothing has run yet")
	}
	return l.cfg.API.Do(ctx, client.Call{Method: http.MethodPost, Path: "/api/v1/executions/" + url.PathEscape(l.last) + "/replay"}, nil)
}

// trigger is something that t can start.
type trigger struct {
	script *project.Script
	event  string // a type of event; empty: the schedule
}

// triggers are the project's, nine at most: a key chooses one.
func (l *Loop) triggers() (all []trigger) {
	for _, s := range l.project.Scripts {
		switch s.Type() {
		case "scheduled":
			all = append(all, trigger{script: s})
		case "event":
			var types []string
			_ = json.Unmarshal(s.Fields["event_types"], &types) // judged by the API
			for _, t := range types {
				all = append(all, trigger{script: s, event: t})
			}
		}
	}
	return all[:min(len(all), 9)]
}

func (l *Loop) chooseTrigger() {
	all := l.triggers()
	if len(all) == 0 {
		l.fail(errors.New("no script of the project is scheduled or takes events"))
		return
	}
	for i, t := range all {
		what := "cron " + textOf(t.script.Fields["cron_expression"])
		if t.event != "" {
			what = "event " + t.event
		}
		fmt.Fprintf(l.t.Out, "  %s  %s  %s\n", term.Bold(fmt.Sprint(i+1)), term.Line(t.script.Name), term.Dim(term.Line(what)))
	}
	fmt.Fprintf(l.t.Out, "which (1–%d, Esc for none)? ", len(all))
	l.prompt = &prompt{take: func(ctx context.Context, answer string) {
		i := int(answer[0]) - '1'
		if i < 0 || i >= len(all) {
			return
		}
		l.start(ctx, all[i])
	}}
}

// start runs a schedule's script now, or asks for an event's data and publishes it.
func (l *Loop) start(ctx context.Context, t trigger) {
	if t.event == "" {
		path := "/api/v1/scripts/" + url.PathEscape(l.ids[t.script.Name]) + "/executions"
		if err := l.cfg.API.Post(ctx, path, nil, map[string]any{}, nil); err != nil {
			l.fail(err)
		}
		return
	}
	fmt.Fprintf(l.t.Out, "data as JSON (Enter for {}): ")
	l.prompt = &prompt{line: true, take: func(ctx context.Context, answer string) {
		if answer == "" {
			answer = "{}"
		}
		if !json.Valid([]byte(answer)) {
			l.fail(errors.New("the data is not JSON"))
			return
		}
		if err := l.cfg.API.Post(ctx, "/api/v1/events", nil, map[string]any{"type": t.event, "data": json.RawMessage(answer)}, nil); err != nil {
			l.fail(err)
		}
	}}
}

func textOf(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s) // another kind of value is no text
	return s
}
