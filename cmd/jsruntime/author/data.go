package author

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"example.com/jsruntime/cmd/jsruntime/client"
	"example.com/jsruntime/cmd/jsruntime/term"
)

type secretCommand struct {
	Put    secretPutCommand    `cmd:"" help:"Set a secret. Its value is asked for, or read from stdin: jsruntime secret put NAME < file."`
	List   secretListCommand   `cmd:"" help:"List names of secrets. Values are shown nowhere."`
	Delete secretDeleteCommand `cmd:"" help:"Delete a secret."`
	Rekey  secretRekeyCommand  `cmd:"" help:"Encrypt the secrets of all tenants with the node's newest secret key. Needs the operator's key."`
}

type secretPutCommand struct {
	Target
	Name    string   `arg:"" help:"The name on env."`
	Scripts []string `name:"script" placeholder:"NAME" help:"Only the scripts of these names see it; without it all do. May be given several times."`
	Hosts   []string `name:"host" placeholder:"HOST" help:"Only requests to these hosts carry it, and no script sees it: env has a placeholder for headers. May be given several times."`
}

func (c *secretPutCommand) Run(ctx context.Context, p *Program) error {
	api, err := c.connect(p)
	if err != nil {
		return err
	}
	value, err := p.Terminal.Secret("Value of " + c.Name)
	if err != nil {
		return err
	}
	body := map[string]any{"value": value}
	if c.Scripts != nil {
		body["scripts"] = c.Scripts
	}
	if c.Hosts != nil {
		body["hosts"] = c.Hosts
	}
	if err := api.Do(ctx, client.Call{Method: http.MethodPut, Path: secretPath(c.Name), Body: body}, nil); err != nil {
		return err
	}
	return p.Terminal.Show(map[string]any{"name": c.Name, "set": true}, func(w io.Writer) {
		fmt.Fprintf(w, "%s env.%s is set.\n", term.Green("✔"), term.Line(c.Name))
	})
}

func secretPath(name string) string { return "/api/v1/secrets/" + url.PathEscape(name) }

type secretListCommand struct {
	Target
}

func (c *secretListCommand) Run(ctx context.Context, p *Program) error {
	api, err := c.connect(p)
	if err != nil {
		return err
	}
	type secret struct {
		Name      string    `json:"name"`
		Scripts   []string  `json:"scripts"`
		Hosts     []string  `json:"hosts"`
		UpdatedAt time.Time `json:"updated_at"`
	}
	return showList(ctx, p, api, "/api/v1/secrets", nil, maxListed, []string{"NAME", "SCRIPTS", "HOSTS", "SET AT"}, func(s secret) []string {
		scripts := "all"
		if s.Scripts != nil {
			scripts = strings.Join(s.Scripts, ", ")
		}
		return []string{term.Line(s.Name), term.Line(scripts), term.Line(strings.Join(s.Hosts, ", ")), when(s.UpdatedAt)}
	})
}

type secretDeleteCommand struct {
	Target
	Name string `arg:"" help:"The secret's name."`
	Yes  bool   `name:"yes" short:"y" help:"Do not ask."`
}

func (c *secretDeleteCommand) Run(ctx context.Context, p *Program) error {
	if err := p.Terminal.Confirm("Delete the secret "+c.Name+"?", c.Yes); err != nil {
		return err
	}
	return c.deleteAt(ctx, p, secretPath(c.Name), c.Name)
}

type secretRekeyCommand struct {
	Target
}

func (c *secretRekeyCommand) Run(ctx context.Context, p *Program) error {
	api, err := c.connect(p)
	if err != nil {
		return err
	}
	var done struct {
		Key        string `json:"key"`
		Rewritten  int64  `json:"rewritten"`
		Unreadable int64  `json:"unreadable"`
	}
	if err := api.Do(ctx, client.Call{Method: http.MethodPost, Path: "/api/v1/secrets/rekey"}, &done); err != nil {
		return err
	}
	err = p.Terminal.Show(done, func(w io.Writer) {
		fmt.Fprintf(w, "%s %d rows are encrypted with the key %s now.\n", term.Green("✔"), done.Rewritten, term.Line(done.Key))
	})
	if err == nil && done.Unreadable > 0 {
		err = fmt.Errorf("%d rows cannot be read with any key of the node: do not take the old key away", done.Unreadable)
	}
	return err
}

type kvCommand struct {
	Get    kvGetCommand    `cmd:"" help:"Print a key's value."`
	Put    kvPutCommand    `cmd:"" help:"Set a key."`
	List   kvListCommand   `cmd:"" help:"List keys, in their own order."`
	Delete kvDeleteCommand `cmd:"" help:"Delete a key."`
}

func kvPath(key string) string { return "/api/v1/kv/" + url.PathEscape(key) }

type kvGetCommand struct {
	Target
	Key string `arg:"" help:"The key."`
}

func (c *kvGetCommand) Run(ctx context.Context, p *Program) error {
	api, err := c.connect(p)
	if err != nil {
		return err
	}
	var entry json.RawMessage
	if err := api.Get(ctx, kvPath(c.Key), nil, &entry); notFound(err) {
		return fmt.Errorf("kv: there is no key %s", c.Key)
	} else if err != nil {
		return err
	}
	var value struct{ Value json.RawMessage }
	if err := json.Unmarshal(entry, &value); err != nil {
		return err
	}
	return p.Terminal.Show(entry, func(w io.Writer) { fmt.Fprintln(w, term.Clean(string(value.Value))) })
}

type kvPutCommand struct {
	Target
	Key      string        `arg:"" help:"The key."`
	Value    string        `arg:"" help:"JSON, @FILE, or - for stdin."`
	TTL      time.Duration `name:"ttl" placeholder:"1h" help:"How long it is kept; 0 keeps it."`
	Metadata string        `name:"metadata" placeholder:"JSON" help:"What lists show of it."`
}

func (c *kvPutCommand) Run(ctx context.Context, p *Program) error {
	value, err := p.readJSON("value", c.Value)
	if err != nil {
		return err
	}
	metadata, err := p.readJSON("metadata", c.Metadata)
	if err != nil {
		return err
	}
	api, err := c.connect(p)
	if err != nil {
		return err
	}
	body := map[string]any{"value": value}
	if metadata != nil {
		body["metadata"] = metadata
	}
	if c.TTL > 0 {
		body["expiration_ttl"] = c.TTL.Seconds()
	}
	if err := api.Do(ctx, client.Call{Method: http.MethodPut, Path: kvPath(c.Key), Body: body}, nil); err != nil {
		return err
	}
	return p.Terminal.Show(map[string]any{"key": c.Key, "set": true}, func(w io.Writer) {
		fmt.Fprintf(w, "%s %s is set.\n", term.Green("✔"), term.Line(c.Key))
	})
}

type kvListCommand struct {
	Target
	Prefix string `arg:"" optional:"" help:"Keys that begin with it."`
	Limit  int    `name:"limit" default:"100" help:"At most this many."`
}

func (c *kvListCommand) Run(ctx context.Context, p *Program) error {
	api, err := c.connect(p)
	if err != nil {
		return err
	}
	type key struct {
		Key       string          `json:"key"`
		Metadata  json.RawMessage `json:"metadata"`
		SizeBytes int             `json:"size_bytes"`
		ExpiresAt *time.Time      `json:"expires_at"`
		UpdatedAt time.Time       `json:"updated_at"`
	}
	query := url.Values{}
	if c.Prefix != "" {
		query.Set("prefix", c.Prefix)
	}
	return showList(ctx, p, api, "/api/v1/kv", query, c.Limit, []string{"KEY", "SIZE", "EXPIRES", "CHANGED", "METADATA"}, func(k key) []string {
		metadata := short(k.Metadata)
		if metadata == "null" {
			metadata = ""
		}
		return []string{term.Line(k.Key), size(k.SizeBytes), whenever(k.ExpiresAt), when(k.UpdatedAt), metadata}
	})
}

type kvDeleteCommand struct {
	Target
	Key string `arg:"" help:"The key."`
}

func (c *kvDeleteCommand) Run(ctx context.Context, p *Program) error {
	return c.deleteAt(ctx, p, kvPath(c.Key), c.Key)
}

type exportCommand struct {
	Target
	Out   string `arg:"" optional:"" name:"file" default:"-" help:"Where to; - is stdout."`
	Force bool   `name:"force" help:"Overwrite the file."`
}

func (c *exportCommand) Run(ctx context.Context, p *Program) error {
	api, err := c.connect(p)
	if err != nil {
		return err
	}
	resp, err := api.Send(ctx, client.Call{Method: http.MethodGet, Path: "/api/v1/export"})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if c.Out == "-" {
		_, err := io.Copy(p.Terminal.Raw, resp.Body)
		return err
	}
	flags := os.O_CREATE | os.O_WRONLY | os.O_EXCL
	if c.Force {
		flags = os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	}
	file, err := os.OpenFile(p.path(c.Out), flags, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already: --force overwrites it", c.Out)
	}
	if err != nil {
		return err
	}
	n, err := io.Copy(file, resp.Body)
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return p.Terminal.Show(map[string]any{"file": c.Out, "bytes": n}, func(w io.Writer) {
		fmt.Fprintf(w, "%s %s, %s.\n", term.Green("✔"), c.Out, size(int(n)))
	})
}

type importCommand struct {
	Target
	In         string `arg:"" name:"file" help:"An export; - is stdin."`
	OnConflict string `name:"on-conflict" enum:"fail,skip,update" default:"fail" help:"What to do with a script whose name is taken: fail, skip, update."`
	DryRun     bool   `name:"dry-run" help:"Check and count, change nothing."`
}

func (c *importCommand) Run(ctx context.Context, p *Program) error {
	given := "@" + c.In
	if c.In == "-" {
		given = "-"
	}
	doc, err := p.readJSON("file", given)
	if err != nil {
		return err
	}
	api, err := c.connect(p)
	if err != nil {
		return err
	}
	query := url.Values{"on_conflict": {c.OnConflict}}
	if c.DryRun {
		query.Set("dry_run", "true")
	}
	progress := p.Terminal.Progress("Importing")
	defer progress.End()
	progress.Of(int64(len(doc)))
	var counts struct {
		Created   int `json:"created"`
		Updated   int `json:"updated"`
		Unchanged int `json:"unchanged"`
		Skipped   int `json:"skipped"`
	}
	if err := api.Do(ctx, client.Call{Method: http.MethodPost, Path: "/api/v1/import", Query: query, Body: doc, Reader: progress.Reader}, &counts); err != nil {
		return err
	}
	progress.End()
	return p.Terminal.Show(counts, func(w io.Writer) {
		fmt.Fprintf(w, "%s %d created, %d updated, %d unchanged, %d skipped.\n", term.Green("✔"), counts.Created, counts.Updated, counts.Unchanged, counts.Skipped)
	})
}
