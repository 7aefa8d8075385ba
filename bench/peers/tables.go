package main

import (
	"errors"
	"os"
	"slices"
	"strings"
)

// tables are the sections of RESULTS.md that this command makes, in their order.
type tables struct{ sections []section }

type section struct{ title, text string }

// key names a section for good: numbers of rounds and jobs come after the first comma or colon, except of numbers as 1,000.
func (s section) key() string {
	key, _, _ := strings.Cut(s.title, ", ")
	key, _, _ = strings.Cut(key, ": ")
	return key
}

func (t *tables) add(title, text string) { t.sections = append(t.sections, section{title, text}) }

// byHand begins what is not made by this command.
const byHand = "\n<!-- Made by other commands, each named: -->\n"

// merge puts the sections into what a file had: they replace those of the same key, and come after the others where they are new. What was
// written by hand stays behind them.
func (t *tables) merge(old, head string) string {
	made, kept, hand := strings.Cut(old, byHand)
	all := parseSections(made)
	for _, s := range t.sections {
		if i := slices.IndexFunc(all, func(o section) bool { return o.key() == s.key() }); i >= 0 {
			all[i] = s
		} else {
			all = append(all, s)
		}
	}
	var b strings.Builder
	b.WriteString(head)
	for _, s := range all {
		b.WriteString("\n## " + s.title + "\n\n" + strings.TrimSpace(s.text) + "\n")
	}
	if hand {
		b.WriteString(byHand + kept)
	}
	return b.String()
}

func parseSections(text string) (all []section) {
	parts := strings.Split("\n"+text, "\n## ")
	for _, part := range parts[1:] {
		title, body, _ := strings.Cut(part, "\n")
		all = append(all, section{title, body})
	}
	return all
}

// write merges the sections into the file.
func (t *tables) write(file, head string) error {
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.WriteFile(file, []byte(t.merge(string(old), head)), 0o644)
}
