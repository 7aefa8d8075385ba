//go:build linux

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/advisory"
	"example.com/jsruntime/engine/keyring"
	"example.com/jsruntime/engine/ledger"
	"example.com/jsruntime/migrations"
	"example.com/jsruntime/migrations/connect"
	"example.com/jsruntime/migrations/partitions"
	"example.com/jsruntime/scheduler/cron"
)

// doctorConfig takes serve's flags and environment: what is judged is the node that these would start.
type doctorConfig struct {
	serveConfig `embed:""`
	JSON        bool `name:"json" help:"Print the report as JSON."`
}

// diagnosis is one line of the doctor's report.
type diagnosis struct {
	Check  string `json:"check"`
	Status string `json:"status"` // ok, warn or fail
	Detail string `json:"detail"`
	// Hint says what to do; empty where nothing is.
	Hint string `json:"hint,omitempty"`
}

const (
	ok   = "ok"
	warn = "warn"
	fail = "fail"
)

// report is what the doctor says. The exit code is 1 if a check failed, else 0: a warning is a risk that the operator may take.
type report struct {
	Version    string            `json:"version"`
	Worker     *workerReport     `json:"worker,omitempty"`
	Advisories []advisory.Judged `json:"advisories"`
	Listed     string            `json:"advisories_listed"`
	Checks     []diagnosis       `json:"checks"`
	Healthy    bool              `json:"healthy"`
}

type workerReport struct {
	Build   string `json:"build"`
	V8      string `json:"v8_version"`
	AgeDays int    `json:"v8_age_days"` // -1: unknown
	JIT     string `json:"jit"`
	ICU     string `json:"icu_version"`
	TZData  string `json:"tzdata_version"`
}

func (r *report) add(check, status, detail, hint string) {
	r.Checks = append(r.Checks, diagnosis{check, status, detail, hint})
}

// doctor examines what a node of this configuration would run on. It changes nothing.
func doctor(ctx context.Context, cfg doctorConfig, stdout io.Writer) error {
	r := &report{Version: version(), Listed: advisory.Listed, Advisories: []advisory.Judged{}}
	if err := cfg.validate(); err != nil {
		r.add("settings", fail, err.Error(), "serve refuses them too")
	} else {
		r.add("settings", ok, "serve takes these flags and environment", "")
	}
	r.examineWorker(ctx, &cfg.serveConfig)
	r.examineMachine()
	r.examineKeys(&cfg.serveConfig)
	r.examineListener(&cfg.serveConfig)
	r.examineDatabase(ctx, cfg.DatabaseURL)
	r.examineReplica(ctx, cfg.ReadURL)
	r.Healthy = true
	for _, c := range r.Checks {
		r.Healthy = r.Healthy && c.Status != fail
	}
	if err := r.print(stdout, cfg.JSON); err != nil {
		return err
	}
	if !r.Healthy {
		return errUnhealthy
	}
	return nil
}

var errUnhealthy = errors.New("doctor: a check failed")

func (r *report) print(w io.Writer, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "jsruntime %s\n\n", r.Version)
	for _, c := range r.Checks {
		fmt.Fprintf(t, "%s\t%s\t%s\n", c.Status, c.Check, c.Detail)
		if c.Hint != "" && c.Status != ok {
			fmt.Fprintf(t, "\t\t→ %s\n", c.Hint)
		}
	}
	if r.Worker != nil {
		fmt.Fprintf(t, "\nBugs of V8 known to be exploited, as of %s:\n", r.Listed)
		for _, a := range r.Advisories {
			applies := "applies"
			if !a.Applies {
				applies = "does not apply"
			}
			fmt.Fprintf(t, "  %s\t%s\t%s: %s\n", a.CVE, applies, a.Component, a.Why)
		}
	}
	return t.Flush()
}

// examineWorker asks the worker binary what it is, and starts one as a node would.
func (r *report) examineWorker(ctx context.Context, cfg *serveConfig) {
	info, err := engine.Inspect(ctx, cfg.Worker, workerArgs(cfg.JIT), "", cron.Zones())
	if err != nil {
		r.add("worker", fail, err.Error(), "build both programs at one commit (make build), or set --worker")
		return
	}
	r.add("worker", ok, fmt.Sprintf("%s, build %s; V8 is as it assumes", cfg.Worker, info.Build), "")
	r.Worker = &workerReport{Build: info.Build, V8: info.V8, AgeDays: advisory.AgeDays(info.V8, time.Now()), JIT: info.JIT, ICU: info.ICU, TZData: info.TZData}
	r.Advisories = advisory.Judge(info.V8, info.JIT)
	applying := 0
	for _, a := range r.Advisories {
		if a.Applies {
			applying++
		}
	}
	detail := fmt.Sprintf("%s, %s, jit %s: %d of %d known exploits apply", info.V8, age(r.Worker.AgeDays), info.JIT, applying, len(r.Advisories))
	if applying > 0 {
		r.add("v8", warn, detail, "a newer binding (make v8), a lower --jit where the list below says so; the walls around the worker hold what is left")
	} else {
		r.add("v8", ok, detail, "")
	}
	if len(info.UnknownZones) > 0 {
		r.add("time zones", warn, fmt.Sprintf("Intl's data are of %s (ICU %s) and lack %s", info.TZData, info.ICU, strings.Join(info.UnknownZones, ", ")), "scripts cannot be scheduled in these")
	} else {
		r.add("time zones", ok, fmt.Sprintf("Intl's data are of %s (ICU %s)", info.TZData, info.ICU), "")
	}
	layers, err := engine.Layers(ctx, engine.Config{WorkerPath: cfg.Worker, WorkerArgs: workerArgs(cfg.JIT), Sandbox: cfg.Sandbox})
	if err != nil {
		r.add("sandbox", fail, err.Error(), "the node could run no script")
		return
	}
	for _, l := range layers {
		name, state, _ := strings.Cut(l, "=")
		switch {
		case strings.HasPrefix(state, "on"):
			r.add("sandbox: "+name, ok, state, "")
		case cfg.Sandbox == "off":
			r.add("sandbox: "+name, fail, state, "--sandbox=off is for debugging: a tenant with native code execution has the machine")
		default:
			r.add("sandbox: "+name, warn, state, "this wall does not hold here")
		}
	}
}

func age(days int) string {
	if days < 0 {
		return "of unknown age"
	}
	return fmt.Sprintf("%d days old", days)
}

// examineMachine looks at what the kernel offers workers.
func (r *report) examineMachine() {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		r.add("kernel", warn, err.Error(), "")
	} else if release := unix.ByteSliceToString(u.Release[:]); olderKernel(release, 5, 14) {
		r.add("kernel", warn, "Linux "+release, "5.14 or newer bounds a worker's threads by its own user namespace; 5.13 has landlock")
	} else {
		r.add("kernel", ok, "Linux "+release, "")
	}
	switch why := userNamespaces(); {
	case os.Geteuid() == 0:
		r.add("user namespaces", ok, "not needed: as root each worker becomes a user of its own", "")
	case why != "":
		r.add("user namespaces", warn, why, "workers then share the node's network, processes and mounts, as far as seccomp and landlock let them")
	default:
		r.add("user namespaces", ok, "an ordinary user may make them", "")
	}
	version := "version 1 or none"
	if controllers, err := os.ReadFile("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		version = "version 2, controllers: " + strings.TrimSpace(string(controllers))
	}
	memory := "unknown"
	if n := engine.MachineMemory(); n > 0 {
		memory = fmt.Sprintf("%d MiB", n>>20)
	}
	r.add("cgroup", ok, fmt.Sprintf("%s; memory that may be used: %s, processors: %d", version, memory, runtime.GOMAXPROCS(0)), "")
}

// olderKernel reports whether a release, "6.1.0-18-amd64", is before a version; one that cannot be read is not.
func olderKernel(release string, major, minor int) bool {
	var have [2]int
	if n, _ := fmt.Sscanf(release, "%d.%d", &have[0], &have[1]); n != len(have) { // the error says no more than the count
		return false
	}
	return have[0] < major || have[0] == major && have[1] < minor
}

// userNamespaces says why an ordinary user may not make user namespaces; empty if nothing is in the way.
func userNamespaces() string {
	for _, c := range []struct{ file, bad, why string }{
		{"/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces is 0"},
		{"/proc/sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone is 0"},
		{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "kernel.apparmor_restrict_unprivileged_userns is 1: AppArmor allows them to named programs only"},
	} {
		if b, err := os.ReadFile(c.file); err == nil && strings.TrimSpace(string(b)) == c.bad {
			return c.why
		}
	}
	return ""
}

// examineKeys looks at the operator's keys and the key of secrets.
func (r *report) examineKeys(cfg *serveConfig) {
	adminFile := filepath.Join(cfg.DataDir, "admin.key")
	keys, err := splitAdminKeys("JSRUNTIME_ADMIN_KEY", cfg.adminKey)
	switch {
	case err != nil:
		r.add("admin key", fail, err.Error(), "")
	case len(keys) > 1:
		r.add("admin key", warn, fmt.Sprintf("JSRUNTIME_ADMIN_KEY holds %d keys", len(keys)), "take the old ones out once nothing uses them")
	case len(keys) == 1:
		r.add("admin key", ok, "JSRUNTIME_ADMIN_KEY is set", "")
	default:
		r.keyFile("admin key", adminFile, "JSRUNTIME_ADMIN_KEY is not set; the node makes a key at its first start")
	}
	_, err = keyring.Parse(cfg.secretKey, cfg.oldSecretKey)
	switch {
	case err != nil && (cfg.secretKey != "" || cfg.DatabaseURL != ""):
		r.add("secret key", fail, err.Error(), "")
	case cfg.secretKey != "" && cfg.oldSecretKey != "":
		r.add("secret key", warn, "JSRUNTIME_SECRET_KEY is set, and JSRUNTIME_SECRET_KEY_OLD", "POST /api/v1/secrets/rekey, and take the old key out")
	case cfg.secretKey != "":
		r.add("secret key", ok, "JSRUNTIME_SECRET_KEY is set", "")
	case cfg.DatabaseURL != "":
		r.add("secret key", warn, "JSRUNTIME_SECRET_KEY is not set", "tenants cannot keep secrets, and cursors are signed with a key that is none; all nodes need the same")
	default:
		r.keyFile("secret key", filepath.Join(cfg.DataDir, "secret.key"), "JSRUNTIME_SECRET_KEY is not set; the node makes a key at its first start")
	}
	if info, err := os.Stat(cfg.DataDir); err == nil && info.Mode().Perm()&0o007 != 0 {
		r.add("data directory", warn, fmt.Sprintf("%s has mode %04o", cfg.DataDir, info.Mode().Perm()), "chmod 0700: other users of the machine have nothing to read there")
	}
}

// keyFile looks at a key that the node keeps itself.
func (r *report) keyFile(check, path, absent string) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.add(check, ok, absent, "")
	case err != nil:
		r.add(check, fail, err.Error(), "")
	case info.Mode().Perm()&0o077 != 0:
		r.add(check, fail, fmt.Sprintf("%s has mode %04o", path, info.Mode().Perm()), "chmod 0600: others may have read it, so make a new one")
	default:
		r.add(check, ok, path, "")
	}
}

// examineListener says whether keys and cookies would cross a network in the clear.
func (r *report) examineListener(cfg *serveConfig) {
	host, _, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		r.add("listener", fail, "listen: "+err.Error(), "")
		return
	}
	ip := net.ParseIP(host)
	switch {
	case host == "localhost" || ip != nil && ip.IsLoopback():
		r.add("listener", ok, cfg.Listen+" is of this machine only", "")
	case len(cfg.TrustedProxy) > 0:
		r.add("listener", ok, cfg.Listen+", behind a proxy that is trusted to speak TLS", "")
	default:
		r.add("listener", warn, cfg.Listen+" is open to the network, and no --trusted-proxy stands before it", "keys and sessions need TLS: let a proxy speak it, and name the proxy")
	}
}

// examineDatabase reaches Postgres, or looks for the programs of an embedded one.
func (r *report) examineDatabase(ctx context.Context, databaseURL string) {
	if databaseURL == "" {
		r.add("postgres", ok, "no database-url: the node starts one of its own in the data directory ("+embeddedPostgres()+")", "")
		return
	}
	if err := checkDatabase(ctx, databaseURL); err != nil {
		r.add("postgres", fail, err.Error(), "")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	cfg, err := connect.Parse(databaseURL, connect.ReadWrite)
	if err != nil {
		r.add("postgres", fail, "database-url: "+err.Error(), "")
		return
	}
	conn, err := connect.One(ctx, cfg)
	if err != nil {
		r.add("postgres", fail, err.Error(), "")
		return
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var server string
	if err := conn.QueryRow(ctx, "SHOW server_version").Scan(&server); err != nil {
		r.add("postgres", fail, err.Error(), "")
		return
	}
	states, err := migrations.Status(ctx, databaseURL)
	if err != nil {
		r.add("postgres", fail, fmt.Sprintf("version %s: %s", server, err), "")
		return
	}
	missing := 0
	for _, s := range states {
		if !s.Applied {
			missing++
		}
	}
	if missing > 0 {
		r.add("postgres", warn, fmt.Sprintf("version %s; %d of %d migrations are missing", server, missing, len(states)), "serve applies them when it starts, as does migrate up")
		return
	}
	r.add("postgres", ok, fmt.Sprintf("version %s, the schema is current", server), "")
	r.examineForeignKeys(ctx, conn)
	if err := partitions.Check(ctx, conn); err != nil {
		r.add("partitions", warn, err.Error(), "let the nodes connect as the owner of the tables, with CREATE on their schema")
	} else {
		r.add("partitions", ok, "the history has partitions ahead", "")
	}
}

// examineReplica reaches the read replica. A node does without one that is away.
func (r *report) examineReplica(ctx context.Context, databaseURL string) {
	if databaseURL == "" {
		return
	}
	const without = "nodes start without it, and read from the database until it is there"
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	cfg, err := connect.Parse(databaseURL, connect.ReadOnly)
	if err != nil {
		r.add("read replica", fail, "read-database-url: "+err.Error(), "")
		return
	}
	conn, err := connect.One(ctx, cfg)
	if err != nil {
		r.add("read replica", warn, err.Error(), without)
		return
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var server string
	var standby bool
	if err := conn.QueryRow(ctx, "SELECT current_setting('server_version'), pg_is_in_recovery()").Scan(&server, &standby); err != nil {
		r.add("read replica", warn, err.Error(), without)
		return
	}
	if !standby {
		r.add("read replica", warn, "version "+server+", a primary", "a streaming standby of the database is meant")
		return
	}
	r.add("read replica", ok, "version "+server+", a standby", "")
}

// examineForeignKeys says how the history's foreign keys are checked for the nodes' database user.
func (r *report) examineForeignKeys(ctx context.Context, conn *pgx.Conn) {
	once, err := ledger.ChecksForeignKeysOnce(ctx, conn)
	switch {
	case err != nil:
		r.add("history", warn, err.Error(), "")
	case once:
		r.add("history", ok, "foreign keys are checked once for each batch of executions", "")
	default:
		r.add("history", ok, "foreign keys are checked for each execution, which costs Postgres about a third more",
			"from Postgres 15 on, as an administrator: GRANT SET ON PARAMETER session_replication_role TO "+pgx.Identifier{conn.Config().User}.Sanitize())
	}
}

// embeddedPostgres says where an embedded Postgres would be taken from, as far as PATH shows.
func embeddedPostgres() string {
	path, err := exec.LookPath("postgres")
	if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres"); err != nil && len(found) > 0 { // the pattern is well formed
		path = found[len(found)-1]
	}
	return cmp.Or(path, "no postgres found in PATH and /usr/lib/postgresql: set --postgres-bin")
}
