package term

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTextOfOthersDrivesNoTerminal(t *testing.T) {
	t.Parallel()
	require.Equal(t, `a\x1b[2Jb\x9b1m\x07\u202ec`+"\n\t", Clean("a\x1b[2Jb\u009b1m\a\u202ec\n\t"))
	require.Equal(t, "a⏎b c", Line("a\nb\tc"))
	require.Equal(t, "�", Clean("\xff"))
	var out bytes.Buffer
	term := New(Config{Out: &out, Err: &out})
	require.NoError(t, term.WriteJSON(map[string]string{"a": "\x1b\u009b<"}, ""))
	require.Equal(t, `{"a":"\u001b\u009b<"}`+"\n", out.String())
}

func TestNothingButTextElsewhereThanOnATerminal(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	term := New(Config{In: strings.NewReader("y\n"), Out: &out, Err: &errs, Getenv: func(name string) string {
		return map[string]string{"TERM": "xterm-256color", "COLORTERM": "truecolor"}[name]
	}})
	p := term.Progress("uploading")
	p.End()
	p.End()
	term.Write(term.Out, &Table{Head: []string{"A", "B"}, Rows: [][]string{{Green("x"), "y"}}})
	require.Equal(t, "A  B\nx  y\n", out.String())
	require.Empty(t, errs.String())
	err := term.Confirm("Delete it?", false)
	require.ErrorContains(t, err, "Delete it: say yes with --yes")
	require.Equal(t, 2, err.(interface{ ExitCode() int }).ExitCode())
	require.NoError(t, term.Confirm("Delete it?", true))
}

func TestFrame(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	term := New(Config{Out: &out, Err: &out})
	term.Fail(&SourceError{Message: "a does not build", Places: []Place{{File: "a.ts", Line: 3, Column: 3, Length: 2, Message: "no", Text: "one\ntwo\n\täbc\nfour\nfive\nsix"}}})
	require.Equal(t, `jsruntime: error: a does not build

✘ a.ts:3:3: no
      1 │ one
      2 │ two
>     3 │   äbc
        │    ^^
      4 │ four
      5 │ five
`, out.String())
	long := Place{File: "b", Line: 1, Column: 1000, Message: "far", Text: strings.Repeat("x", 2000)}.Frame()
	require.Less(t, len(long), 1000)
	require.Contains(t, Place{File: "c", Line: 9, Column: 9, Message: "past the end", Text: "x"}.Frame(), "past the end")
}

// TestNoColor leaves bold and faint out too. The terminal is a pretended one: styles are asked for by force.
func TestNoColor(t *testing.T) {
	t.Parallel()
	for variable, styled := range map[string]bool{"CLICOLOR_FORCE": true, "NO_COLOR": false} {
		var out strings.Builder
		terminal := New(Config{Out: &out, Err: io.Discard, Getenv: func(name string) string {
			return map[string]string{"TERM": "xterm-256color", "CLICOLOR_FORCE": "1", variable: "1"}[name]
		}})
		fmt.Fprint(terminal.Out, Bold("bold")+Dim("faint")+Red("red"))
		if styled {
			require.Contains(t, out.String(), "\x1b[1m")
		} else {
			require.Equal(t, "boldfaintred", out.String())
		}
	}
}
