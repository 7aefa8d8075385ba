// Package author is the command line of people who write scripts: everything but the commands that are the server's. It speaks HTTP
// with a node and reads a project's folder; it knows no Postgres and no V8, so that it builds for every system that Go builds for.
//
//	jsruntime deploy ─▶ project (jsruntime.jsonc, wrangler.*) ─▶ bundle (esbuild) ─▶ plan ─▶ client ─▶ node
//
// Each command is one type with the flags as fields and Run as what it does. A command's result is shown by Terminal.Show, as text or
// as JSON; an error is returned, and main shows it. Exit codes: 0 done; 1 refused or failed; 2 the command line makes no sense.
package author

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"example.com/jsruntime/cmd/jsruntime/client"
	"example.com/jsruntime/cmd/jsruntime/profile"
	"example.com/jsruntime/cmd/jsruntime/term"
)

// Commands are the commands of this package.
type Commands struct {
	Init       initCommand       `cmd:"" group:"project" help:"Make a folder that type-checks and runs: configuration, a script, a test, types."`
	Deploy     deployCommand     `cmd:"" group:"project" help:"Bundle the project's scripts, show what changes, and make it live: all of it or nothing."`
	Login      loginCommand      `cmd:"" group:"project" help:"Keep a node's URL and a key in a profile. The key is asked for, or read from stdin."`
	Logout     logoutCommand     `cmd:"" group:"project" help:"Forget a profile's key."`
	Whoami     whoamiCommand     `cmd:"" group:"project" help:"Say whose key is used, where, and with which role."`
	Compare    compareCommand    `cmd:"" group:"project" help:"Run the project's source on the last real inputs, and show what it does otherwise."`
	Completion completionCommand `cmd:"" group:"project" help:"Write the completion script of a shell."`
	Types      typesCommand      `cmd:"" group:"project" help:"Write jsruntime.d.ts, the types of scripts."`

	Run         runCommand         `cmd:"" group:"scripts" help:"Run a script and print its output, log and cost."`
	Trigger     triggerCommand     `cmd:"" group:"scripts" help:"Run a script as its schedule or an event would."`
	Tail        tailCommand        `cmd:"" group:"scripts" help:"Watch log lines, starts and ends of executions as they happen."`
	Versions    versionsCommand    `cmd:"" group:"scripts" help:"List a script's versions, and which is live."`
	Diff        diffCommand        `cmd:"" group:"scripts" help:"Compare two versions of a script."`
	Rollback    rollbackCommand    `cmd:"" group:"scripts" help:"Make the version live again that was before, or another one."`
	Promote     promoteCommand     `cmd:"" group:"scripts" help:"Make a saved version live, for a share of the executions or for all."`
	Executions  executionsCommand  `cmd:"" group:"scripts" help:"Executions: list, get, replay, cancel."`
	DeadLetters deadLettersCommand `cmd:"" group:"scripts" help:"Dead letters: list, retry, delete."`
	Schedules   schedulesCommand   `cmd:"" group:"scripts" help:"List schedules, with the next and the last tick."`
	Events      eventsCommand      `cmd:"" group:"scripts" help:"Events: publish."`
	Report      reportCommand      `cmd:"" group:"scripts" help:"Say how the tenant does: what fails, waits, is late or used up. Exit code 1 where something fails."`

	Secret   secretCommand   `cmd:"" group:"data" help:"Secrets, which scripts have on env: put, list, delete."`
	Vars     varsCommand     `cmd:"" group:"data" help:"Plain values that scripts have on env: list, set, rm. Those of the project's file are in its scripts."`
	Webhooks webhooksCommand `cmd:"" group:"data" help:"Webhooks, which hear of what happens to scripts: list, add, rm, test, deliveries, redrive."`
	KV       kvCommand       `cmd:"" name:"kv" group:"data" help:"Keys and values of scripts: get, put, list, delete."`
	Export   exportCommand   `cmd:"" group:"data" help:"Write all scripts and vars of the tenant to a file."`
	Import   importCommand   `cmd:"" group:"data" help:"Take an export: all of it or nothing."`
}

// Program is what all commands are given.
type Program struct {
	Terminal *term.Terminal
	Getenv   func(string) string
	Version  string
	// Dir is the folder to work in; empty is the process's.
	Dir string
	// Local makes a project's scripts live on a node of its own on this machine, and calls do with that node's API. nil where no node runs.
	Local func(ctx context.Context, folder, env string, do func(ctx context.Context, api *client.Client) error) error
}

// Output is the flag that every command has.
type Output struct {
	JSON bool `name:"json" help:"Print JSON, for programs."`
}

// AfterApply tells the terminal before anything is written.
func (o *Output) AfterApply(p *Program) error {
	p.Terminal.JSON = o.JSON
	return nil
}

// Target says where a command goes. Its flags have the environment variables JSRUNTIME_ and their names.
type Target struct {
	Output
	URL     string `name:"url" placeholder:"URL" help:"The node. Else the profile's."`
	Key     string `name:"key" placeholder:"KEY" help:"The key. Else the profile's. Other users of the machine see a command line: the variable and jsruntime login are better places."`
	Tenant  string `name:"tenant" placeholder:"SLUG" help:"Whose scripts are meant, with an operator's key."`
	Profile string `name:"profile" default:"default" help:"The profile that jsruntime login has kept."`
}

// Variables are the flags that have environment variables. Others would be set by accident.
func Variables() []string { return []string{"url", "key", "tenant", "profile"} }

// profiles opens the user's file of profiles.
func (p *Program) profiles() (*profile.File, error) {
	folder := p.Getenv("XDG_CONFIG_HOME")
	if folder == "" {
		var err error
		if folder, err = os.UserConfigDir(); err != nil {
			return nil, fmt.Errorf("profiles: %w", err)
		}
	}
	return profile.Open(folder)
}

// path is a file of the folder to work in.
func (p *Program) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(p.Dir, name)
}

// resolve fills what is not given from the profile.
func (t *Target) resolve(p *Program) error {
	file, err := p.profiles()
	if err != nil {
		return err
	}
	kept, known := file.Get(t.Profile)
	if !known && t.Profile != profile.Default {
		return fmt.Errorf("profile %s: there is none of this name: jsruntime login --profile %s makes it", t.Profile, t.Profile)
	}
	if t.URL != "" {
		if t.URL, err = profile.CheckURL(t.URL); err != nil {
			return err
		}
	}
	switch {
	case t.URL == "" && !known:
		return errors.New("no node is known: jsruntime login, or --url and --key, or JSRUNTIME_URL and JSRUNTIME_KEY")
	case t.URL == "":
		t.URL = kept.URL
	}
	if t.Key == "" {
		if t.URL != kept.URL || kept.Key == "" {
			return fmt.Errorf("no key for %s is known: jsruntime login, or JSRUNTIME_KEY", t.URL)
		}
		t.Key = kept.Key
		if t.Tenant == "" {
			t.Tenant = kept.Tenant
		}
	}
	if profile.Plain(t.URL) {
		p.Terminal.Warn("%s is plain HTTP: the key can be read on the way.", t.URL)
	}
	return nil
}

// connect returns a client of the node that is meant.
func (t *Target) connect(p *Program) (*client.Client, error) {
	if err := t.resolve(p); err != nil {
		return nil, err
	}
	return t.client(p), nil
}

func (t *Target) client(p *Program) *client.Client {
	return client.New(client.Config{
		URL: t.URL, Key: t.Key, Tenant: t.Tenant, UserAgent: "jsruntime/" + p.Version,
		Waiting: func(wait time.Duration, reason string) {
			p.Terminal.Say("%s waiting %s: %s", term.Yellow("…"), wait, term.Clean(reason))
		},
	})
}

// whoami is the answer of the route of that name.
type whoami struct {
	URL    string `json:"url"`
	Role   string `json:"role"`
	Tenant *struct {
		ID   string `json:"id"`
		Slug string `json:"slug"`
	} `json:"tenant"`
	Key *struct {
		ID     string `json:"id"`
		Name   string `json:"name"`
		Prefix string `json:"prefix"`
	} `json:"key"`
}

func askWho(ctx context.Context, c *client.Client) (*whoami, error) {
	var who whoami
	if err := c.Get(ctx, "/api/v1/whoami", nil, &who); err != nil {
		return nil, err
	}
	who.URL = c.URL()
	return &who, nil
}
