package isolate

import (
	"strconv"
	"strings"
	"unicode"

	"example.com/jsruntime/engine/internal/sourcemap"
	"example.com/jsruntime/engine/internal/webapi"
)

// scriptOrigin is the compiled script's name in V8's stack traces. No source of an author has it, so that what is mapped is told from what
// is not. boot.js has it too.
const scriptOrigin = "jsruntime:script"

// places names the places of a script's sources. The map is opened when the first stack is read: scripts that never read one do not pay.
type places struct {
	name   string // the script's
	packed string // its source map; empty once it was opened
	opened *sourcemap.Map
}

func newPlaces(name, packed string) *places {
	return &places{name: strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, name), packed: packed}
}

// place returns "file:line:column" for a position of the compiled script, empty for the runtime's own code.
func (p *places) place(line, column int) string {
	if p == nil {
		return ""
	}
	if p.packed != "" {
		p.opened, p.packed = sourcemap.Open(p.packed), ""
	}
	if p.opened == nil {
		return p.file() + position(line, column)
	}
	at, ok := p.opened.Find(line, column)
	switch {
	case line == 1 && column == 1:
		return p.name + ".ts" // V8 does not know it: there was no room on the stack to find out where this overflowed it
	case !ok:
		return p.file() // the compiler has put it between the author's lines
	case at.Own:
		return ""
	case at.Source == "":
		return p.name + ".ts" + position(at.Line, at.Column)
	}
	return at.Source + position(at.Line, at.Column)
}

// file names the compiled script.
func (p *places) file() string {
	if p == nil {
		return "script.js"
	}
	return p.name + ".js"
}

func position(line, column int) string { return ":" + strconv.Itoa(line) + ":" + strconv.Itoa(column) }

// op answers boot.js: text is "line:column".
func (p *places) op(text string) string {
	line, column, _ := cutPosition(text)
	return p.place(line, column)
}

// cutPosition reads "line:column" at the beginning of text; n is its length, 0 where there is none.
func cutPosition(text string) (line, column, n int) {
	number := func() (v int, ok bool) {
		from := n
		for n < len(text) && '0' <= text[n] && text[n] <= '9' && n-from < 9 {
			v = 10*v + int(text[n]-'0')
			n++
		}
		return v, n > from
	}
	line, ok := number()
	if !ok || n == len(text) || text[n] != ':' {
		return 0, 0, 0
	}
	n++
	if column, ok = number(); !ok {
		return 0, 0, 0
	}
	return line, column, n
}

// text maps the positions of the compiled script that a text has, and drops frames of the web API's code. boot.js does so with the stacks
// that V8 makes; what is left comes from scripts that format stacks by an Error.prepareStackTrace of their own.
func (p *places) text(s string) string {
	if strings.Contains(s, webapi.Origin) {
		s = withoutOwnFrames(s)
	}
	if !strings.Contains(s, scriptOrigin) {
		return s
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, scriptOrigin)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		place := ""
		if position, found := strings.CutPrefix(rest, ":"); found {
			if line, column, n := cutPosition(position); n > 0 {
				place, rest = p.place(line, column), position[n:]
			}
		}
		if place == "" {
			place = p.file()
		}
		b.WriteString(place)
		s = rest
	}
}

// withoutOwnFrames drops the lines of a text that are frames of the web API's code.
func withoutOwnFrames(s string) string {
	lines := strings.Split(s, "\n")
	kept := lines[:0]
	for _, l := range lines {
		if !strings.HasPrefix(strings.TrimLeft(l, " "), "at ") || !strings.Contains(l, webapi.Origin+":") {
			kept = append(kept, l)
		}
	}
	return strings.Join(kept, "\n")
}

// clean is text for a stack, which it bounds.
func (p *places) clean(stack string) string { return Bound(p.text(stack), MaxStack) }
