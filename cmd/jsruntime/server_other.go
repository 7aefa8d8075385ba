//go:build !linux

package main

import (
	"errors"
	"fmt"
)

// tracesPath is for nodes, which have traces.
const tracesPath = "/v1/traces"

// serverCommands are the server's, of which this system has few: a worker's sandbox is Linux's.
type serverCommands struct {
	Serve   linuxOnly     `cmd:"" group:"server" passthrough:"" help:"Run a node (on Linux)."`
	Migrate linuxOnly     `cmd:"" group:"server" passthrough:"" help:"Bring the database to this version's schema (on Linux)."`
	Doctor  linuxOnly     `cmd:"" group:"server" passthrough:"" help:"Say what holds on this machine for a node (on Linux)."`
	Health  healthConfig  `cmd:"" group:"server" help:"Ask a node whether it is ready: exit code 0 or 1."`
	Version versionConfig `cmd:"" group:"server" help:"Print the version."`
}

func expandHelp(help string) string { return help }

type linuxOnly struct {
	Args []string `arg:"" optional:""`
}

// Run says where nodes run.
func (*linuxOnly) Run() error {
	return errors.New("nodes run on Linux only: their workers need seccomp and namespaces. On this machine, start the container image, or use the commands for scripts with a node elsewhere")
}

type versionConfig struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run names this build.
func (c *versionConfig) Run(s *streams) error {
	if c.JSON {
		fmt.Fprintf(s.out, "{\"version\":%q}\n", version())
	} else {
		fmt.Fprintln(s.out, "jsruntime", version())
	}
	return nil
}
