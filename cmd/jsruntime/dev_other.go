//go:build !linux

package main

import (
	"context"

	"example.com/jsruntime/cmd/jsruntime/author"
	"example.com/jsruntime/cmd/jsruntime/client"
)

// devCommands are the commands of authors that need a node of their own.
type devCommands struct {
	Dev linuxOnly `cmd:"" group:"project" passthrough:"" help:"Run the project on a node of its own (on Linux)."`
}

// localNode is nil: a node runs on Linux only.
func localNode(*author.Program, *streams) func(context.Context, string, string, func(context.Context, *client.Client) error) error {
	return nil
}
