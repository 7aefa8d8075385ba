// Package term is where a command reads and writes: results on stdout, everything that is said about them on stderr.
//
//	what                         on a terminal                     elsewhere
//	colours                      as many as the terminal has       none; none with NO_COLOR or TERM=dumb either
//	progress                     one line that is rewritten        nothing
//	questions                    asked                             an error that names --yes or the flag; never a wait
//	text of scripts and servers  control characters are escaped    the same: a log line cannot move the cursor
//	--json                       one JSON document on stdout       the same; an error is {"error": …}
package term

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
	xterm "golang.org/x/term"
)

// Config is what a Terminal is made of.
type Config struct {
	In     io.Reader // nil: nothing to read
	Out    io.Writer // required
	Err    io.Writer // required
	Getenv func(string) string
}

// Terminal is a command's stdin, stdout and stderr. It belongs to one goroutine, but for Progress.
type Terminal struct {
	In  io.Reader
	Out io.Writer // takes styled text, and leaves the styles out where they are not wanted
	Err io.Writer // the same
	// Raw is stdout as it is, for documents.
	Raw io.Writer
	// JSON is whether results are JSON, for programs.
	JSON bool

	in       *bufio.Reader
	inFile   *os.File // stdin, where it is a terminal
	outWidth int      // columns of stdout; 0 where it is no terminal
	errTTY   bool
}

// New opens a terminal.
func New(cfg Config) *Terminal {
	var environ []string
	if cfg.Getenv != nil {
		for _, name := range []string{"NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLORTERM", "TERM", "TERM_PROGRAM", "TMUX", "WT_SESSION", "ConEmuANSI", "ANSICON"} {
			if value := cfg.Getenv(name); value != "" {
				environ = append(environ, name+"="+value)
			}
		}
	}
	if cfg.In == nil {
		cfg.In = strings.NewReader("")
	}
	t := &Terminal{In: cfg.In, Out: plainOrStyled(cfg.Out, environ), Err: plainOrStyled(cfg.Err, environ), Raw: cfg.Out, in: bufio.NewReader(cfg.In)}
	if f := terminal(cfg.In); f != nil {
		t.inFile = f
	}
	if f := terminal(cfg.Out); f != nil {
		if width, _, err := xterm.GetSize(int(f.Fd())); err == nil {
			t.outWidth = width
		}
	}
	t.errTTY = terminal(cfg.Err) != nil
	return t
}

func plainOrStyled(w io.Writer, environ []string) io.Writer {
	if w == nil {
		return io.Discard
	}
	profile := colorprofile.Detect(w, environ)
	if slices.ContainsFunc(environ, func(v string) bool { return strings.HasPrefix(v, "NO_COLOR=") }) {
		profile = colorprofile.NoTTY // bold and faint are left out too
	}
	return &colorprofile.Writer{Forward: w, Profile: profile}
}

// terminal returns the file behind a reader or writer, where it is a terminal.
func terminal(v any) *os.File {
	if f, ok := v.(*os.File); ok && xterm.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

// Person reports whether a user sits at the terminal and can answer a question.
func (t *Terminal) Person() bool { return t.inFile != nil && t.errTTY && !t.JSON }

// Show writes a result: as one JSON document, or as human writes it.
func (t *Terminal) Show(result any, human func(w io.Writer)) error {
	if !t.JSON {
		human(t.Out)
		return nil
	}
	return t.WriteJSON(result, "  ")
}

// WriteJSON writes one document, on one line where indent is empty.
func (t *Terminal) WriteJSON(v any, indent string) error {
	var text strings.Builder
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(t.Raw, escapeJSON(text.String()))
	return err
}

// Say writes a line for people to stderr; with --json it does not.
func (t *Terminal) Say(format string, args ...any) {
	if !t.JSON {
		fmt.Fprintf(t.Err, format+"\n", args...)
	}
}

// Warn writes a warning to stderr.
func (t *Terminal) Warn(format string, args ...any) {
	fmt.Fprintln(t.Err, Yellow("warning:"), fmt.Sprintf(format, args...))
}

// Fail writes an error.
func (t *Terminal) Fail(err error) {
	var framed interface{ Frames() string }
	if t.JSON {
		body := map[string]any{"message": err.Error()}
		var detailed interface{ JSON() any }
		if errors.As(err, &detailed) {
			_ = t.WriteJSON(map[string]any{"error": detailed.JSON()}, "  ") // stdout is gone: the exit code says enough
			return
		}
		_ = t.WriteJSON(map[string]any{"error": body}, "  ")
		return
	}
	fmt.Fprintln(t.Err, "jsruntime:", Red("error:"), Clean(err.Error()))
	if errors.As(err, &framed) {
		fmt.Fprint(t.Err, framed.Frames())
	}
}

// usageError is a command line that makes no sense.
type usageError struct{ error }

func (usageError) ExitCode() int   { return 2 }
func (e usageError) Unwrap() error { return e.error }

// Usage makes an error of the command line: the exit code is 2.
func Usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// ErrSilent is a failure that has been told already: the exit code is 1 and nothing more is said.
var ErrSilent = errors.New("failed")

// Styles, by what they are for.
func Bold(s string) string   { return lipgloss.NewStyle().Bold(true).Render(s) }
func Dim(s string) string    { return lipgloss.NewStyle().Faint(true).Render(s) }
func Green(s string) string  { return lipgloss.NewStyle().Foreground(lipgloss.Green).Render(s) }
func Red(s string) string    { return lipgloss.NewStyle().Foreground(lipgloss.Red).Render(s) }
func Yellow(s string) string { return lipgloss.NewStyle().Foreground(lipgloss.Yellow).Render(s) }
func Cyan(s string) string   { return lipgloss.NewStyle().Foreground(lipgloss.Cyan).Render(s) }

// Status colours a status of a script or an execution.
func Status(s string) string {
	switch s {
	case "completed", "active", "created":
		return Green(s)
	case "failed", "timeout", "orphaned":
		return Red(s)
	case "cancelled", "refused", "pending", "changed", "paused":
		return Yellow(s)
	case "running":
		return Cyan(s)
	}
	return Dim(s)
}

// Clean escapes control characters and characters that change the direction of text. Line ends and tabs stay.
func Clean(s string) string {
	clean := func(r rune) bool {
		return r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
	}
	if strings.IndexFunc(s, clean) < 0 {
		return strings.ToValidUTF8(s, "�")
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case !clean(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// Line is Clean on one line, for cells of tables.
func Line(s string) string {
	return strings.NewReplacer("\n", "⏎", "\t", " ").Replace(Clean(s))
}

// escapeJSON escapes in a JSON text what encoding/json leaves and a terminal may act on.
func escapeJSON(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return r >= 0x7f && r < 0xa0 }) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if r >= 0x7f && r < 0xa0 {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
