package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"example.com/jsruntime/cmd/jsruntime/author"
	"example.com/jsruntime/cmd/jsruntime/term"
)

// commandLine is the whole command line: one program for those who write scripts, on any system, and for those who run nodes, on
// Linux. Every flag of the server's commands has the environment variable JSRUNTIME_ and its name in capitals; of the author's, those
// in author.Variables.
type commandLine struct {
	author.Commands
	devCommands
	serverCommands
}

// streams are the program's own.
type streams struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string
}

// exitCode is a failure that has been told, with an exit code of its own.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }
func (e exitCode) ExitCode() int { return int(e) }
func (exitCode) Is(t error) bool { return t == term.ErrSilent }

// helpGroups are the headings of the help, in their order.
var helpGroups = []kong.Group{
	{Key: "project", Title: "Project: a folder of scripts"},
	{Key: "scripts", Title: "Scripts: versions, runs and what they did"},
	{Key: "data", Title: "Data: secrets, keys and values, documents"},
	{Key: "server", Title: "Server: a node and its database"},
}

// run is the program. It returns the exit code: 0, 1 for a failure, 2 for a command line that makes no sense.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	return execute(ctx, args, &author.Program{}, &streams{in: os.Stdin, out: stdout, err: stderr, getenv: getenv})
}

// execute is run with a stdin of its own, and with a folder to work in.
func execute(ctx context.Context, args []string, program *author.Program, s *streams) int {
	var line commandLine
	code := -1
	without := map[*kong.Flag]bool{} // flags without a variable
	terminal := term.New(term.Config{In: s.in, Out: s.out, Err: s.err, Getenv: s.getenv})
	program.Terminal, program.Getenv, program.Version = terminal, s.getenv, version()
	program.Local = localNode(program, s)
	parser, err := kong.New(&line,
		kong.Name("jsruntime"),
		kong.Description("A self-hosted, multi-tenant JavaScript runtime."),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.ExplicitGroups(helpGroups),
		kong.Writers(s.out, s.err),
		kong.Exit(func(c int) { code = c }),
		kong.Resolvers(environment(s.getenv)),
		kong.Bind(s, &line, program),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.ValueFormatter(func(v *kong.Value) string {
			if v.Flag == nil || v.Name == "help" || without[v.Flag] {
				return v.Help
			}
			return strings.TrimSpace(expandHelp(v.Help) + " ($" + variable(v.Name) + ")")
		}),
	)
	if err != nil {
		fmt.Fprintln(s.err, "jsruntime:", err)
		return 1
	}
	_ = kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		if n, ok := node.(*kong.Node); ok && isAuthors(n) {
			for _, flag := range n.Flags {
				without[flag] = !slices.Contains(author.Variables(), flag.Name)
			}
		}
		return next(nil)
	})
	if len(args) > 0 && args[0] == "help" {
		args = append(slices.Clone(args[1:]), "--help")
	}
	parsed, err := parser.Parse(args)
	if code >= 0 { // --help
		return code
	}
	if err != nil {
		fmt.Fprintln(s.err, "jsruntime:", err)
		return 2
	}
	return exit(terminal, parsed.Run())
}

// exit tells what went wrong and returns the exit code.
func exit(terminal *term.Terminal, err error) int {
	if err == nil {
		return 0
	}
	if !errors.Is(err, term.ErrSilent) {
		terminal.Fail(err)
	}
	var coded kong.ExitCoder
	if errors.As(err, &coded) {
		return coded.ExitCode()
	}
	return 1
}

// variable is the environment variable of a flag.
func variable(flag string) string {
	return "JSRUNTIME_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// isAuthors reports whether a node of the grammar is one of package author's commands, or below one.
func isAuthors(node *kong.Node) bool {
	for ; node != nil && node.Parent != nil; node = node.Parent {
		if node.Parent.Type == kong.ApplicationNode {
			return node.Group == nil || node.Group.Key != "server"
		}
	}
	return false
}

// environment takes flags from variables: all of the server's commands, and those of author.Variables of the others.
func environment(getenv func(string) string) kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, path *kong.Path, flag *kong.Flag) (any, error) {
		if path != nil && isAuthors(path.Node()) && !slices.Contains(author.Variables(), flag.Name) {
			return nil, nil
		}
		if value := getenv(variable(flag.Name)); value != "" {
			return value, nil
		}
		switch flag.Name {
		case "database-url":
			if value := getenv("DATABASE_URL"); value != "" {
				return value, nil
			}
		case "otlp-endpoint":
			if value := getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"); value != "" {
				return value, nil
			}
			if value := getenv("OTEL_EXPORTER_OTLP_ENDPOINT"); value != "" {
				return strings.TrimRight(value, "/") + tracesPath, nil // that of all signals, whose paths follow it
			}
		}
		return nil, nil
	})
}

// buildVersion is set by the linker (-X main.buildVersion=…).
var buildVersion string

// version names this build: what the linker was told, else the revision that Go noted.
func version() string {
	if buildVersion != "" {
		return buildVersion
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, dirty := "devel", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			revision = s.Value[:12]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-modified"
		}
	}
	return revision + dirty
}
