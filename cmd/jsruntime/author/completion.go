package author

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

func (c *completionCommand) Help() string {
	return "bash: source <(jsruntime completion bash) · zsh: source <(jsruntime completion zsh) · fish: jsruntime completion fish | source"
}

// completed is a command as the shells complete it.
type completed struct {
	path     string // "executions list"
	help     string
	commands []*kong.Node
	flags    []*kong.Flag
}

// Run writes the script. The words are those of this build.
func (c *completionCommand) Run(k *kong.Context, p *Program) error {
	var all []completed
	var walk func(node *kong.Node, path string)
	walk = func(node *kong.Node, path string) {
		one := completed{path: path, help: node.Help}
		for _, child := range node.Children {
			if !child.Hidden {
				one.commands = append(one.commands, child)
			}
		}
		for _, flag := range node.Flags {
			if !flag.Hidden {
				one.flags = append(one.flags, flag)
			}
		}
		all = append(all, one)
		for _, child := range one.commands {
			walk(child, strings.TrimSpace(path+" "+child.Name))
		}
	}
	walk(k.Model.Node, "")
	switch c.Shell {
	case "fish":
		writeFish(p.Terminal.Raw, all)
	case "zsh":
		fmt.Fprintln(p.Terminal.Raw, "autoload -U +X bashcompinit && bashcompinit")
		writeBash(p.Terminal.Raw, all)
	default:
		writeBash(p.Terminal.Raw, all)
	}
	return nil
}

func writeBash(w io.Writer, all []completed) {
	list := func(name string, words func(completed) []string) {
		fmt.Fprintf(w, "_jsruntime_%s() {\n  case \"$1\" in\n", name)
		for _, c := range all {
			fmt.Fprintf(w, "  '%s') echo '%s' ;;\n", c.path, strings.Join(words(c), " "))
		}
		fmt.Fprint(w, "  esac\n}\n")
	}
	list("commands", func(c completed) []string {
		var words []string
		for _, child := range c.commands {
			words = append(words, child.Name)
		}
		return words
	})
	list("flags", func(c completed) []string {
		words := []string{"--help"}
		for _, flag := range c.flags {
			if flag.Name != "help" {
				words = append(words, "--"+flag.Name)
			}
		}
		return words
	})
	fmt.Fprint(w, `_jsruntime() {
  local cur="${COMP_WORDS[COMP_CWORD]}" at="" i words
  for ((i = 1; i < COMP_CWORD; i++)); do
    case " $(_jsruntime_commands "$at") " in *" ${COMP_WORDS[i]} "*) at="${at:+$at }${COMP_WORDS[i]}" ;; esac
  done
  case "$cur" in -*) words="$(_jsruntime_flags "$at")" ;; *) words="$(_jsruntime_commands "$at")" ;; esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _jsruntime jsruntime
`)
}

func writeFish(w io.Writer, all []completed) {
	quote := func(s string) string {
		return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", " ").Replace(s) + "'"
	}
	for _, c := range all {
		condition := "__fish_use_subcommand"
		if c.path != "" {
			var seen []string
			for _, word := range strings.Fields(c.path) {
				seen = append(seen, "__fish_seen_subcommand_from "+word)
			}
			condition = strings.Join(seen, "; and ")
		}
		for _, child := range c.commands {
			fmt.Fprintf(w, "complete -c jsruntime -f -n %s -a %s -d %s\n", quote(condition), child.Name, quote(child.Help))
		}
		for _, flag := range c.flags {
			if c.path != "" || flag.Name == "help" {
				fmt.Fprintf(w, "complete -c jsruntime -n %s -l %s -d %s\n", quote(condition), flag.Name, quote(flag.Help))
			}
		}
	}
}
