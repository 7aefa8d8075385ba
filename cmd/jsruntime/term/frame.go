package term

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Place is a place in a source, with what is wrong there.
type Place struct {
	File    string `json:"file"`
	Line    int    `json:"line"`   // from 1; 0: no place in the file
	Column  int    `json:"column"` // in characters, from 1
	Length  int    `json:"-"`      // characters that are marked; 0 marks one
	Message string `json:"message"`
	// Text is the whole source; empty shows no frame.
	Text string `json:"-"`
}

func (p Place) String() string {
	if p.Line == 0 {
		return fmt.Sprintf("%s: %s", p.File, p.Message)
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
}

// around is how many lines a frame shows before and after the place, and wide how much of a line.
const (
	around = 2
	wide   = 160
)

// Frame shows the lines around a place, with a mark below it.
func (p Place) Frame() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s %s\n", Red("✘"), Bold(Line(p.String())))
	lines := strings.Split(p.Text, "\n")
	if p.Text == "" || p.Line < 1 || p.Line > len(lines) {
		return b.String()
	}
	for n := max(1, p.Line-around); n <= min(len(lines), p.Line+around); n++ {
		text := []rune(Clean(strings.TrimSuffix(lines[n-1], "\r")))
		from := 0
		if n == p.Line && p.Column > wide {
			from = min(p.Column-wide/2, len(text))
		}
		shown := strings.ReplaceAll(string(text[from:min(len(text), from+wide)]), "\t", "  ")
		if n != p.Line {
			fmt.Fprintf(&b, "  %s %s\n", Dim(fmt.Sprintf("%5d │", n)), shown)
			continue
		}
		fmt.Fprintf(&b, "%s %s %s\n", Red(">"), Dim(fmt.Sprintf("%5d │", n)), shown)
		before := string(text[from:max(from, min(len(text), p.Column-1))])
		pad := ansi.StringWidth(strings.ReplaceAll(before, "\t", "  "))
		mark := strings.Repeat("^", max(1, min(p.Length, len(text)-p.Column+1)))
		fmt.Fprintf(&b, "  %s %s%s\n", Dim("      │"), strings.Repeat(" ", pad), Red(mark))
	}
	return b.String()
}

// SourceError is an error with places.
type SourceError struct {
	Message string
	Places  []Place
}

func (e *SourceError) Error() string { return e.Message }

// Frames shows each place.
func (e *SourceError) Frames() string {
	var b strings.Builder
	for _, p := range e.Places {
		b.WriteString(p.Frame())
	}
	return b.String()
}

// JSON is the error for programs.
func (e *SourceError) JSON() any {
	return map[string]any{"code": "source_invalid", "message": e.Message, "places": e.Places}
}
