// Package dev is the loop of jsruntime dev: it brings a project's scripts to a node of its own whenever a file is saved, and shows what
// they do.
//
//	saved file ─▶ watcher ─▶ builder (one context of esbuild a script) ─▶ plan ─▶ node
//	stdin ─▶ keys ─▶ run again, trigger          node ─▶ tail ─▶ runs, logs, errors
//
// One goroutine, Loop.Run, decides and writes; the others send it what has happened. A script that does not build keeps its last version
// live, and the other scripts are not held up. A change of jsruntime.jsonc or of a wrangler file begins anew with the builder.
package dev

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"example.com/jsruntime/cmd/jsruntime/author"
	"example.com/jsruntime/cmd/jsruntime/client"
	"example.com/jsruntime/cmd/jsruntime/project"
	"example.com/jsruntime/cmd/jsruntime/term"
)

// Config is what a Loop is made of. All but Keys and Do is required.
type Config struct {
	Terminal *term.Terminal
	// Load reads the project.
	Load func() (*project.Project, error)
	API  *client.Client
	// Slug is the tenant's.
	Slug string
	// Watch is whether files are watched; else what is there is deployed once.
	Watch bool
	// Keys are the keys that the user presses; nil: no keyboard.
	Keys <-chan byte
	// Key is the tenant's, for those who call the node from outside.
	Key string
	// ConsoleLink makes a link that signs in to the console, once.
	ConsoleLink func(ctx context.Context) (string, error)
	// OpenBrowser opens a page, and reports whether it could.
	OpenBrowser func(page string) bool
	// Do is called once the project is live, and Run returns with it: nothing is shown, watched or asked for. nil: the loop.
	Do func(ctx context.Context, api *client.Client) error
}

// Loop is one run of dev.
type Loop struct {
	cfg     Config
	t       *term.Terminal
	project *project.Project
	builder *builder
	watcher *watcher
	ids     map[string]string // scripts by name
	secrets map[string]string // of .dev.vars, as they were sent
	last    string            // the execution that r runs again
	prompt  *prompt
	failing bool  // a script does not build
	failed  error // with Do: what kept the project from being live
}

// settle is how long files must be quiet: an editor writes one in several steps. gather is how long a change waits at most.
const (
	settle = 15 * time.Millisecond
	gather = 200 * time.Millisecond
)

// Run works until ctx ends or q is pressed.
func Run(ctx context.Context, cfg Config) error {
	l := &Loop{cfg: cfg, t: cfg.Terminal, ids: map[string]string{}, secrets: map[string]string{}}
	p, err := cfg.Load()
	if err != nil {
		return err
	}
	l.adopt(p)
	defer func() { l.builder.close() }()
	if cfg.Do != nil {
		return l.once(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := tail(ctx, cfg.API)
	var changes <-chan change
	if cfg.Watch {
		if l.watcher, err = newWatcher(); err != nil {
			return err
		}
		defer l.watcher.close()
		l.watcher.project(p.Dir)
		changes = l.watcher.changes
	}
	begun := time.Now()
	if err := l.deploy(ctx, begun); err != nil {
		return err
	}
	if err := l.ready(ctx); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case c := <-changes:
			if err := l.saved(ctx, c); err != nil {
				return err
			}
		case e := <-events:
			l.show(e)
		case key, ok := <-cfg.Keys:
			if !ok {
				cfg.Keys = nil
				continue
			}
			if l.pressed(ctx, key) {
				return nil
			}
		}
	}
}

// once makes the project live and does what Do says.
func (l *Loop) once(ctx context.Context) error {
	if err := l.deploy(ctx, time.Now()); err != nil {
		return err
	}
	if l.failed != nil {
		return l.failed
	}
	return l.cfg.Do(ctx, l.cfg.API)
}

// adopt takes a project as it was read, with a builder of its own.
func (l *Loop) adopt(p *project.Project) {
	for _, w := range p.Warnings {
		l.t.Warn("%s", term.Line(w))
	}
	if l.builder != nil {
		l.builder.close()
	}
	l.project, l.builder = p, newBuilder(p)
}

// saved takes what was saved within a moment.
func (l *Loop) saved(ctx context.Context, c change) error {
	begun, config := time.Now(), c.config
	quiet, end := time.NewTimer(settle), time.After(gather)
	defer quiet.Stop()
gathering:
	for {
		select {
		case <-ctx.Done():
			return nil
		case more := <-l.watcher.changes:
			config = config || more.config
			quiet.Reset(settle)
		case <-quiet.C:
			break gathering
		case <-end:
			break gathering
		}
	}
	if config {
		p, err := l.cfg.Load()
		if err != nil {
			l.fail(err)
			return nil
		}
		l.adopt(p)
	}
	return l.deploy(ctx, begun)
}

// deploy builds the scripts and makes live what has changed. An error ends the loop: the node is gone.
func (l *Loop) deploy(ctx context.Context, begun time.Time) error {
	if err := l.sendSecrets(ctx); err != nil {
		return l.orEnd(ctx, err)
	}
	scripts, sources, err := l.builder.build()
	if l.watcher != nil {
		l.watcher.inputs(l.builder.inputs())
	}
	if err != nil {
		l.fail(err)
	} else if l.failing {
		l.tell(event{Event: "builds"}, func() { fmt.Fprintln(l.t.Out, term.Green("✔"), "every script builds again") })
	}
	l.failing = err != nil
	if len(scripts) == 0 {
		return nil
	}
	plan, err := author.NewPlan(ctx, l.cfg.API, l.project, scripts, sources)
	if err != nil {
		return l.orEnd(ctx, err)
	}
	for _, s := range plan.Of("orphaned") {
		if err := l.archive(ctx, s.Name); err != nil {
			return l.orEnd(ctx, err)
		}
	}
	live := plan.Of("created", "changed")
	if len(live) == 0 {
		return nil
	}
	if err := plan.Import(ctx, l.cfg.API, false, nil); err != nil {
		return l.orEnd(ctx, err)
	}
	for _, s := range live {
		l.tell(event{Event: "live", Script: s.Name, DurationMS: milliseconds(time.Since(begun))}, func() {
			fmt.Fprintf(l.t.Out, "%s %s live in %d ms\n", term.Green("✔"), term.Bold(term.Line(s.Name)), time.Since(begun).Milliseconds())
		})
	}
	return l.learnIDs(ctx)
}

// orEnd shows an error of the node's, and returns it where the node is no longer there.
func (l *Loop) orEnd(ctx context.Context, err error) error {
	var problem *client.Problem
	if ctx.Err() != nil {
		return nil
	}
	if !errors.As(err, &problem) {
		return err
	}
	l.fail(err)
	return nil
}

// script is what is read of the node's scripts.
type script struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Status string `json:"status"`
}

func (l *Loop) find(ctx context.Context, name string) (*script, error) {
	var page struct{ Items []script }
	if err := l.cfg.API.Get(ctx, "/api/v1/scripts", url.Values{"name": {name}, "limit": {"1"}}, &page); err != nil {
		return nil, err
	}
	if len(page.Items) == 0 {
		return nil, &client.Problem{Status: http.StatusNotFound, Code: "not_found", Detail: "script " + name + ": there is none of this name"}
	}
	return &page.Items[0], nil
}

// learnIDs asks for the ids of scripts that are not known yet.
func (l *Loop) learnIDs(ctx context.Context) error {
	for _, s := range l.project.Scripts {
		if l.ids[s.Name] != "" {
			continue
		}
		found, err := l.find(ctx, s.Name)
		var problem *client.Problem
		if errors.As(err, &problem) && problem.Status == http.StatusNotFound {
			continue // it does not build yet
		}
		if err != nil {
			return l.orEnd(ctx, err)
		}
		l.ids[s.Name] = found.ID
	}
	return nil
}

// archive ends a script that was taken out of the project.
func (l *Loop) archive(ctx context.Context, name string) error {
	s, err := l.find(ctx, name)
	if err != nil {
		return err
	}
	delete(l.ids, name)
	if err := l.cfg.API.Patch(ctx, "/api/v1/scripts/"+s.ID, map[string]any{"status": "archived"}, nil); err != nil {
		return err
	}
	l.tell(event{Event: "archived", Script: name}, func() {
		fmt.Fprintf(l.t.Out, "%s %s archived: it is not in the project any more\n", term.Yellow("−"), term.Bold(term.Line(name)))
	})
	return nil
}

// event is a line of --json.
type event struct {
	Event      string  `json:"event"` // ready, live, archived, error, builds, tail
	URL        string  `json:"url,omitempty"`
	Tenant     string  `json:"tenant,omitempty"`
	Key        string  `json:"key,omitempty"`
	Console    string  `json:"console,omitempty"`
	Script     string  `json:"script,omitempty"`
	DurationMS float64 `json:"duration_ms,omitempty"`
	Message    string  `json:"message,omitempty"`
	Places     any     `json:"places,omitempty"`
	Tail       any     `json:"tail,omitempty"`
}

// tell writes an event for programs, or what human writes for people.
func (l *Loop) tell(e event, human func()) {
	if l.cfg.Do != nil {
		return
	}
	if l.t.JSON {
		_ = l.t.WriteJSON(e, "") // a reader that is gone is noticed at its stdin
		return
	}
	human()
}

func (l *Loop) fail(err error) {
	if l.cfg.Do != nil {
		l.failed = err
		return
	}
	e := event{Event: "error", Message: err.Error()}
	var source *term.SourceError
	if errors.As(err, &source) {
		e.Places = source.Places
	}
	l.tell(e, func() { l.t.Fail(err) })
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
