//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"example.com/jsruntime/cmd/jsruntime/author"
	"example.com/jsruntime/cmd/jsruntime/client"
	"example.com/jsruntime/cmd/jsruntime/dev"
	"example.com/jsruntime/cmd/jsruntime/project"
)

// devCommands are the commands of authors that need a node of their own.
type devCommands struct {
	Dev devCommand `cmd:"" group:"project" help:"Run the project on a node of its own, and bring each saved file to it within a second."`
}

type devCommand struct {
	author.Output
	Folder     string   `name:"dir" default:"." help:"The project's folder."`
	Env        string   `name:"env" help:"An environment of the project's file."`
	Port       *int     `name:"port" placeholder:"PORT" help:"Port on 127.0.0.1, 0 for a free one; without it 8787, or a free one where that is taken."`
	FetchAllow []string `name:"fetch-allow" placeholder:"HOST" help:"Hosts and CIDRs that scripts may fetch although they are not public, such as 127.0.0.1."`
	Watch      bool     `name:"watch" default:"true" negatable:"" help:"Bring saved files to the node."`
	// DataDir is for tests, which must not meet a dev of the same folder.
	DataDir string `name:"data-dir" hidden:""`
	// UntilStdinCloses ends dev with the program that started it, however that one ends.
	UntilStdinCloses bool `name:"until-stdin-closes" hidden:""`
}

func (*devCommand) Help() string {
	return "It needs no database, no key and no network: a Postgres of its own and the node's data are in the folder .jsruntime of the project, and stay there for the next time. " +
		"Secrets are read from .dev.vars (NAME=VALUE a line). With --json it prints one event a line."
}

const (
	devFolder = ".jsruntime"
	devTenant = "dev"
	devPort   = 8787
	// devAddressFile has the URL of a dev that goes on, for jsruntime run --local in the same folder.
	devAddressFile = "dev.url"
)

// Run serves until Ctrl-C or q, and then leaves nothing but the folder .jsruntime behind.
func (c *devCommand) Run(ctx context.Context, p *author.Program, s *streams) error {
	return c.run(ctx, p, s, nil)
}

// localNode returns what makes a project live on a node of its own, for author.Program: that of a dev of the folder where one goes on, else one that
// ends with do.
func localNode(p *author.Program, s *streams) func(ctx context.Context, folder, env string, do func(context.Context, *client.Client) error) error {
	return func(ctx context.Context, folder, env string, do func(context.Context, *client.Client) error) error {
		port := 0
		c := &devCommand{Folder: folder, Env: env, Port: &port}
		proj, err := c.load(p)
		if err != nil {
			return err
		}
		if api := runningDev(ctx, filepath.Join(proj.Dir, devFolder), p.Version); api != nil {
			load := func() (*project.Project, error) { return proj, nil }
			return dev.Run(ctx, dev.Config{Terminal: p.Terminal, Load: load, API: api, Slug: devTenant, Do: do})
		}
		return c.run(ctx, p, s, do)
	}
}

// runningDev returns a client of the dev that uses a data directory; nil where none does.
func runningDev(ctx context.Context, dataDir, version string) *client.Client {
	address, err := os.ReadFile(filepath.Join(dataDir, devAddressFile))
	if err != nil {
		return nil
	}
	key, err := os.ReadFile(filepath.Join(dataDir, devTenant+".key"))
	if err != nil {
		return nil
	}
	api := client.New(client.Config{URL: strings.TrimSpace(string(address)), Key: strings.TrimSpace(string(key)), UserAgent: "jsruntime/" + version})
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	if api.Get(ctx, "/api/v1/whoami", nil, nil) != nil {
		return nil // it was killed, and another program may have its port
	}
	return api
}

func (c *devCommand) load(p *author.Program) (*project.Project, error) {
	folder := c.Folder
	if !filepath.IsAbs(folder) {
		folder = filepath.Join(p.Dir, folder)
	}
	return project.Load(folder, c.Env)
}

// run is Run; with do the node ends when that returns.
func (c *devCommand) run(ctx context.Context, p *author.Program, s *streams, do func(context.Context, *client.Client) error) error {
	load := func() (*project.Project, error) { return c.load(p) }
	proj, err := load()
	if err != nil {
		return err
	}
	// A closed terminal ends dev too: its Postgres would outlive it.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if c.DataDir == "" {
		c.DataDir = filepath.Join(proj.Dir, devFolder)
	}
	cfg, log, err := c.node(c.DataDir, s.getenv)
	if err != nil {
		return err
	}
	defer log.Close()
	// The first lines come after seconds where the database is made.
	progress := p.Terminal.Progress("Starting a node")
	defer progress.End()
	var looped error
	cfg.serving = func(ctx context.Context, n *node) error {
		progress.End()
		config, err := c.loop(ctx, n, p, s, cancel)
		if err != nil {
			return err
		}
		config.Load, config.Do = load, do
		n.stages.beside("dev", func(ctx context.Context) error {
			looped = dev.Run(ctx, *config)
			cancel()
			<-ctx.Done()
			return nil
		})
		return nil
	}
	if do == nil {
		defer keepTerminal(s.in)()
		defer os.Remove(filepath.Join(c.DataDir, devAddressFile))
	}
	if err := serve(ctx, *cfg, io.Discard, log); err != nil {
		return fmt.Errorf("%w (the node's log is in %s)", err, log.Name())
	}
	return looped
}

// node is the configuration of dev's node: the defaults of serve, a data directory in the project, one address. The variables of serve
// are not read, so that a machine with a node's environment has no effect.
func (c *devCommand) node(dir string, getenv func(string) string) (*serveConfig, *os.File, error) {
	var line struct {
		serveConfig `embed:""`
	}
	parser, err := kong.New(&line, kong.Exit(func(int) {}))
	if err != nil {
		return nil, nil, err
	}
	args := []string{
		"--data-dir=" + dir, "--drain-timeout=2s", "--log-format=text", "--api-rate=100000", "--api-tenant-rate=100000", "--spares=1",
	}
	if worker := getenv("JSRUNTIME_WORKER"); worker != "" {
		args = append(args, "--worker="+worker)
	}
	for _, host := range c.FetchAllow {
		args = append(args, "--fetch-allow="+host)
	}
	if _, err := parser.Parse(args); err != nil {
		return nil, nil, err
	}
	cfg := line.serveConfig
	if err := cfg.validate(); err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, err
	}
	log, err := os.OpenFile(filepath.Join(dir, "node.log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, nil, err
	}
	if cfg.listener, err = c.listen(); err != nil {
		return nil, nil, errors.Join(err, log.Close())
	}
	return &cfg, log, nil
}

// listen takes the port that was asked for, else the usual one, else a free one: a second dev has another.
func (c *devCommand) listen() (net.Listener, error) {
	if c.Port != nil {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(*c.Port))
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return nil, listenFailed("port", address, err)
		}
		return listener, nil
	}
	if listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(devPort))); err == nil {
		return listener, nil
	}
	return net.Listen("tcp", "127.0.0.1:0")
}

// loop makes the tenant and its key, and says how the loop reaches them.
func (c *devCommand) loop(ctx context.Context, n *node, p *author.Program, s *streams, cancel context.CancelFunc) (*dev.Config, error) {
	base := baseURL("http", n.public.Addr())
	api := apiCaller{handler: n.router, key: n.admins[0]}
	status, body, err := api.call(ctx, "POST", "/api/v1/tenants", map[string]any{"slug": devTenant, "name": "Development"})
	if err != nil {
		return nil, err
	}
	if status != http.StatusCreated && status != http.StatusConflict {
		return nil, fmt.Errorf("making the tenant: %d %s", status, body)
	}
	api.tenant = devTenant
	key, err := tenantKey(ctx, api, n.cfg.DataDir, devTenant)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(n.cfg.DataDir, devAddressFile), []byte(base+"\n"), 0o600); err != nil {
		return nil, err
	}
	config := &dev.Config{
		Terminal: p.Terminal, Slug: devTenant, Key: key, Watch: c.Watch,
		API: client.New(client.Config{URL: base, Key: key, UserAgent: "jsruntime/" + p.Version}),
		ConsoleLink: func(ctx context.Context) (string, error) {
			return consoleLink(ctx, apiCaller{handler: n.router, key: n.admins[0]}, base)
		},
		OpenBrowser: openBrowser,
	}
	switch in, isFile := s.in.(*os.File); {
	case c.UntilStdinCloses:
		go func() {
			_, _ = io.Copy(io.Discard, s.in) // its end is what counts
			cancel()
		}()
	case isFile && term.IsTerminal(int(in.Fd())) && !p.Terminal.JSON:
		config.Keys = keysOf(in)
	}
	return config, nil
}

// consoleLink makes a link that signs in to the console once.
func consoleLink(ctx context.Context, api apiCaller, base string) (string, error) {
	status, body, err := api.call(ctx, "POST", "/api/v1/session-links", nil)
	if err != nil {
		return "", err
	}
	var made struct {
		Link string `json:"link"`
	}
	if status != http.StatusCreated || json.Unmarshal(body, &made) != nil || made.Link == "" {
		return "", fmt.Errorf("console's link: %d %s", status, body)
	}
	return base + "/console/#link=" + made.Link + "&tenant=" + devTenant, nil
}

// openBrowser opens a page where there is a desktop to open it on.
func openBrowser(page string) bool {
	if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" || !strings.HasPrefix(page, "http://") {
		return false
	}
	cmd := exec.Command("xdg-open", page)
	if cmd.Start() != nil {
		return false
	}
	go func() { _ = cmd.Wait() }() // its end is nothing to us
	return true
}

// keysOf reads keys as they are typed. It ends with the process.
func keysOf(in *os.File) <-chan byte {
	keys := make(chan byte)
	go func() {
		defer close(keys)
		for buf := make([]byte, 1); ; {
			if n, err := in.Read(buf); n != 1 || err != nil {
				return
			}
			keys <- buf[0]
		}
	}()
	return keys
}

// keepTerminal has a terminal give keys as they are typed and show none of them. It returns what restores the terminal. Ctrl-C stays a signal.
func keepTerminal(in io.Reader) func() {
	f, ok := in.(*os.File)
	if !ok {
		return func() {}
	}
	fd := int(f.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil { // no terminal
		return func() {}
	}
	keys := *before
	keys.Lflag &^= unix.ICANON | unix.ECHO
	keys.Cc[unix.VMIN], keys.Cc[unix.VTIME] = 1, 0
	_ = unix.IoctlSetTermios(fd, unix.TCSETS, &keys) // keys then need Enter
	return func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, before) }
}
