//go:build !linux

package main

// devCommands are the commands of authors that need a node of their own.
type devCommands struct {
	Dev linuxOnly `cmd:"" group:"project" passthrough:"" help:"Run the project on a node of its own (on Linux)."`
}
