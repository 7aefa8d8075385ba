//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"example.com/jsruntime/cmd/jsruntime/author"
	"example.com/jsruntime/cmd/jsruntime/term"
	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/compile"
	"example.com/jsruntime/httpapi/docs"
)

// serverCommands are the server's: a node, its database, and what an operator asks about them.
type serverCommands struct {
	Serve   serveConfig   `cmd:"" group:"server" help:"Run a node."`
	Migrate migrateConfig `cmd:"" group:"server" help:"Bring the database to this version's schema, or show where it is."`
	Health  healthConfig  `cmd:"" group:"server" help:"Ask a node whether it is ready: exit code 0 or 1. For images without a shell."`
	Doctor  doctorConfig  `cmd:"" group:"server" help:"Say what holds on this machine for a node with these flags, and which known exploits of V8 apply: exit code 0, or 1 if a check failed."`
	Version versionConfig `cmd:"" group:"server" help:"Print the version, with that of V8."`
	Compile compileConfig `cmd:"" name:"compile-child" hidden:"" help:"Compile one source from stdin; started by a node."`
}

// expandHelp writes a flag's help out.
func expandHelp(help string) string {
	return strings.ReplaceAll(help, "LIMITNAMES", strings.Join(engine.LimitNames(), ", "))
}

// Run runs a node until ctx ends.
func (c *serveConfig) Run(ctx context.Context, s *streams) error {
	c.readSecrets(s.getenv)
	c.opener = newOpener(s.getenv, s.out)
	if err := c.validate(); err != nil {
		return term.Usage("%w", err)
	}
	if err := serve(ctx, *c, s.out, s.err); err != nil {
		newLogger(*c, s.err).Error("node failed", "error", err)
		return term.ErrSilent
	}
	return nil
}

// Run examines the machine.
func (c *doctorConfig) Run(ctx context.Context, s *streams) error {
	c.readSecrets(s.getenv)
	return doctor(ctx, *c, s.out)
}

// Run compiles one source.
func (c *compileConfig) Run(s *streams) error {
	if code := compile.Child(s.in, s.out, s.err, c.Sandbox != "off"); code != 0 {
		return exitCode(code)
	}
	return nil
}

// Run names this build.
func (c *versionConfig) Run(ctx context.Context, s *streams) error {
	return printVersion(ctx, *c, s.out)
}

func (c *serveConfig) readSecrets(getenv func(string) string) {
	c.adminKey, c.secretKey, c.oldSecretKey = getenv("JSRUNTIME_ADMIN_KEY"), getenv("JSRUNTIME_SECRET_KEY"), getenv("JSRUNTIME_SECRET_KEY_OLD")
}

// nodeFlags are serve's flags, as /docs lists them.
func nodeFlags() []docs.Flag {
	parser, err := kong.New(&struct{ serveConfig }{})
	if err != nil {
		panic(err) // a tag of ours
	}
	var flags []docs.Flag
	for _, group := range parser.Model.AllFlags(true) {
		for _, f := range group {
			if f.Name == "help" {
				continue
			}
			d := docs.Flag{Name: f.Name, Variable: variable(f.Name), Default: f.Default, Choices: strings.ReplaceAll(f.Enum, ",", ", "), Help: expandHelp(f.Help)}
			if d.Default == "" && f.IsBool() {
				d.Default = "false"
			}
			flags = append(flags, d)
		}
	}
	return append(flags,
		docs.Flag{Variable: "JSRUNTIME_ADMIN_KEY", Help: "The operator's key, of 32 characters or more; several with commas in between, while one takes the place of another. Without it one is made at the first start and kept in the data directory."},
		docs.Flag{Variable: "JSRUNTIME_SECRET_KEY", Help: "What secrets are encrypted with: 32 bytes as base64 or hex, the same on all nodes. Without it one is made at the first start and kept in the data directory."},
		docs.Flag{Variable: "JSRUNTIME_SECRET_KEY_OLD", Help: "Other secret keys with commas in between, which only decrypt: former ones until POST /api/v1/secrets/rekey has encrypted everything anew."},
	)
}

type serveConfig struct {
	Listen        string `default:"127.0.0.1:8080" help:"Address of the listener."`
	ConsoleListen string `help:"Address for the console, the docs and the API alone: the listener then serves tenants only. Empty leaves them on the listener."`
	ConsoleLink   bool   `default:"true" negatable:"" help:"Print a link at start that signs the operator in to the console, once and within ten minutes. Off where others read the output."`
	OpenConsole   bool   `help:"Open that link in a browser too, where a person is at the terminal and has a display; never in CI."`
	MetricsListen string `help:"Address for /metrics (and /debug/pprof with --pprof) alone; empty leaves /metrics on the listener."`
	DatabaseURL   string `name:"database-url" help:"Postgres. Empty starts one in the data directory. DATABASE_URL is read too."`
	ReadURL       string `name:"read-database-url" help:"Postgres for lists and usage: a streaming standby of the database, which may be some seconds behind. Empty, or while it is away: the database itself."`
	DataDir       string `default:"./data" help:"Where the embedded Postgres and the node's own keys are."`
	PostgresBin   string `help:"Directory with initdb and postgres for the embedded Postgres; empty searches."`
	DatabaseConns int    `default:"0" help:"Connections to Postgres, beside 16 of the scheduler and of host calls; 0 means 4 x cores, at least 12."`

	Worker     string        `help:"Path of jsruntime-worker; empty means beside this program."`
	Workers    int           `default:"0" help:"Workers that may execute at one time; 0 means 4 x cores."`
	Warm       int           `default:"0" help:"Workers that may be kept with a tenant, executing or idle; 0 means a quarter of the memory at 16 MiB each."`
	Spares     int           `default:"2" help:"Workers kept started for the next tenant."`
	Sandbox    string        `default:"auto" enum:"auto,strict,off" help:"Operating system sandbox of the workers: what the kernel allows, all of it or no start, none."`
	JIT        string        `name:"jit" default:"full" enum:"full,maglev,baseline,off" help:"How far V8 compiles scripts: each level has fewer of its compilers, and of their bugs, than the one before. Off also denies workers executable memory."`
	QueueWait  time.Duration `default:"5s" help:"How long an execution may wait for a worker before it is refused."`
	FetchAllow []string      `help:"Hosts and CIDRs that scripts may fetch although they are not public."`
	FetchDeny  []string      `help:"Hosts and CIDRs that scripts may not fetch."`

	MemoryBudget   int `default:"0" help:"MiB that bodies, answers and other work of tenants and strangers may take together; 0 means a quarter of the memory that the node may use, less with an embedded Postgres."`
	MaxConnections int `default:"0" help:"Connections of the listener at one time; 0 means one for each 512 KiB of that memory, from 512 to 32768."`

	LeanHTTP bool `name:"lean-http" default:"true" negatable:"" help:"Serve plain HTTP/1.1 requests to tenants' endpoints without net/http's server, which takes less CPU. All others, and all with TLS, are net/http's."`

	H2C bool `name:"h2c" help:"Serve HTTP/2 without TLS too, to clients that begin with it (prior knowledge): for a proxy on a trusted network. With TLS, HTTP/2 is served anyway."`

	TrustedProxy  []netip.Prefix `help:"CIDRs of proxies whose X-Forwarded-* headers are believed."`
	TenantDomain  []string       `help:"Domains below which each tenant has a host of its own, {slug}.DOMAIN, beside {slug}.localhost."`
	OperatorHost  []string       `help:"Host names at which console and API answer, beside localhost and IP addresses. Empty: every name that is no tenant's, unless the listener is on a loopback address."`
	APIRate       int            `name:"api-rate" default:"600" help:"Requests a minute to the admin API that one key may send to a node; the operator's keys ten times as many."`
	APITenantRate int            `name:"api-tenant-rate" default:"2400" help:"Requests a minute to the admin API that all keys of a tenant may send to a node."`

	DrainDelay   time.Duration `default:"0s" help:"After SIGTERM: how long to go on accepting while /readyz says no."`
	DrainTimeout time.Duration `default:"30s" help:"After SIGTERM: how long what runs may take to end."`
	HistoryMiB   int           `name:"history-buffer-mib" default:"64" help:"MiB of finished executions that may wait in memory while Postgres is away; 64 are about 40,000 small requests."`
	HistoryDays  int           `name:"retention" aliases:"history-days" default:"90" help:"Days that ended executions and their logs are kept; 0 keeps them."`

	FailedDays     int   `name:"retention-failed" default:"0" help:"Days that executions which did not complete are kept; 0 means as long as --retention."`
	LogDays        int   `name:"retention-logs" default:"0" help:"Days that logs are kept; 0 means as long as their executions."`
	AuditDays      int   `name:"retention-audit" default:"365" help:"Days that the audit log is kept; 0 keeps it."`
	DeadLetterDays int   `name:"retention-dead-letters" default:"90" help:"Days that dead letters are kept; 0 keeps them."`
	KeepVersions   int   `name:"keep-versions" default:"50" help:"Newest versions of a script that are kept however old they are; older ones are kept for --retention. 0 keeps all."`
	MaxHistory     int64 `name:"max-history-bytes" default:"4294967296" help:"Bytes that a tenant may store beside kv, unless its plan says otherwise: history, logs, versions, events, dead letters, audit log."`
	MaxKV          int64 `name:"max-kv-bytes" default:"268435456" help:"Bytes that a tenant may store in kv, unless its plan says otherwise."`
	MaxScripts     int   `name:"max-scripts" default:"10000" help:"Scripts that a tenant may have, unless its plan says otherwise."`

	LimitDefault []string `placeholder:"NAME=VALUE" help:"What a limit is for scripts that ask for nothing, unless their tenant's plan says otherwise; may be given for each limit: LIMITNAMES."`
	LimitCeiling []string `placeholder:"NAME=VALUE" help:"The most of a limit that a script may ask for, and a tenant's plan may allow."`

	TLS tlsConfig `embed:""`

	Demo         bool   `help:"Make the tenant demo with samples of each script type, and print how to call it."`
	LogLevel     string `default:"info" enum:"debug,info,warn,error" help:"Least level that is logged."`
	LogFormat    string `default:"auto" enum:"auto,json,text" help:"Format of the log, which goes to stderr: auto is text on a terminal and JSON elsewhere."`
	Pprof        bool   `help:"Serve /debug/pprof on the metrics listener. Needs --metrics-listen."`
	OTLPEndpoint string `name:"otlp-endpoint" help:"URL of an OTLP/HTTP collector for traces, /v1/traces where it has no path; empty makes none. OTEL_EXPORTER_OTLP_ENDPOINT is read too."`

	OTLPSample float64 `name:"otlp-sample" default:"0.01" help:"Share of traces that are kept, 0 to 1; what a caller's traceparent says is not kept never is."`

	// Secrets are read from the environment only, where other users of the machine do not see them.
	adminKey     string
	secretKey    string
	oldSecretKey string

	opener opener // of OpenConsole

	bounds catalog.Bounds // LimitDefault and LimitCeiling, once they are validated

	// Of a node that is a part of another command: its listener instead of Listen, and what is called once it serves, instead of what a
	// person is told. nil: none.
	listener net.Listener
	serving  func(ctx context.Context, n *node) error
}

type compileConfig struct {
	Sandbox string `default:"auto" enum:"auto,off" help:"Whether the kernel takes files, network and user from the process."`
}

type migrateConfig struct {
	DatabaseURL string            `name:"database-url" help:"Postgres. DATABASE_URL is read too."`
	Up          migrateUpConfig   `cmd:"" help:"Apply what is missing."`
	Status      migrateShowConfig `cmd:"" help:"List the migrations."`
}

type (
	migrateUpConfig   struct{ author.Output }
	migrateShowConfig struct{ author.Output }
)

// Run brings the schema up to date.
func (*migrateUpConfig) Run(ctx context.Context, p *author.Program, line *commandLine) error {
	return migrateUp(ctx, line.Migrate.DatabaseURL, p.Terminal)
}

// Run lists the migrations.
func (*migrateShowConfig) Run(ctx context.Context, p *author.Program, line *commandLine) error {
	return migrateStatus(ctx, line.Migrate.DatabaseURL, p.Terminal)
}

func (c *serveConfig) validate() error {
	var err error
	if c.DataDir, err = filepath.Abs(c.DataDir); err != nil {
		return fmt.Errorf("data-dir: %w", err)
	}
	if c.Worker, err = workerPath(c.Worker); err != nil {
		return err
	}
	if _, err := splitAdminKeys("JSRUNTIME_ADMIN_KEY", c.adminKey); err != nil {
		return err
	}
	if _, err := os.Stat(c.Worker); err != nil {
		return fmt.Errorf("worker: %w (set --worker or JSRUNTIME_WORKER)", err)
	}
	if err := c.TLS.validate(); err != nil {
		return err
	}
	if c.bounds, err = catalog.ParseBounds(c.LimitDefault, c.LimitCeiling); err != nil {
		return err
	}
	if err := c.validateBounds(); err != nil {
		return err
	}
	return c.validateTracing()
}

// validateBounds checks the numbers.
func (c *serveConfig) validateBounds() error {
	for _, bound := range []struct {
		holds   bool
		message string
	}{
		{c.DrainDelay >= 0 && c.DrainTimeout > 0, "drain-timeout: must be positive, drain-delay not negative"},
		{c.APIRate >= 1 && c.APITenantRate >= 1, "api-rate, api-tenant-rate: must be at least 1"},
		{c.MemoryBudget >= 0 && c.MaxConnections >= 0, "memory-budget, max-connections: must not be negative"},
		{c.HistoryMiB >= 1, "history-buffer-mib: must be at least 1"},
		{
			min(c.HistoryDays, c.FailedDays, c.LogDays, c.AuditDays, c.DeadLetterDays) >= 0,
			"retention, retention-failed, retention-logs, retention-audit, retention-dead-letters: must not be negative",
		},
		{c.ReadURL == "" || c.DatabaseURL != "", "read-database-url: needs --database-url, an embedded Postgres has no standby"},
		{c.KeepVersions >= 0, "keep-versions: must not be negative"},
		{c.MaxHistory >= 1<<20 && c.MaxKV >= 1 && c.MaxScripts >= 1, "max-history-bytes: must be at least 1048576; max-kv-bytes and max-scripts: must be at least 1"},
	} {
		if !bound.holds {
			return errors.New(bound.message)
		}
	}
	return nil
}

// validateTracing checks the flags of metrics and traces, and completes the collector's URL.
func (c *serveConfig) validateTracing() error {
	if c.Pprof && c.MetricsListen == "" {
		return errors.New("pprof: needs --metrics-listen, it is nothing for the public listener")
	}
	if c.OTLPSample < 0 || c.OTLPSample > 1 {
		return fmt.Errorf("otlp-sample: %v is not between 0 and 1", c.OTLPSample)
	}
	if c.OTLPEndpoint == "" {
		return nil
	}
	collector, err := url.Parse(c.OTLPEndpoint)
	if err != nil || collector.Scheme != "http" && collector.Scheme != "https" || collector.Hostname() == "" {
		return errors.New("otlp-endpoint: must be an http or https URL with a host") // unquoted: it may hold a token
	}
	if collector.Path == "" || collector.Path == "/" {
		collector.Path = tracesPath
	}
	c.OTLPEndpoint = collector.String()
	return nil
}

// tracesPath is where an OTLP/HTTP collector takes traces, unless it says otherwise.
const tracesPath = "/v1/traces"
