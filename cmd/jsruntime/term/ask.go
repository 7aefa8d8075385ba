package term

import (
	"errors"
	"fmt"
	"io"
	"strings"

	xterm "golang.org/x/term"
)

// maxSecret bounds what is read as a secret.
const maxSecret = 1 << 20

// Confirm asks a question, unless yes has answered it. Without a terminal it returns an error that names --yes.
func (t *Terminal) Confirm(question string, yes bool) error {
	if yes {
		return nil
	}
	if !t.Person() {
		return Usage("%s: say yes with --yes, there is no terminal to ask at", strings.TrimSuffix(question, "?"))
	}
	fmt.Fprintf(t.Err, "%s %s ", Bold(question), Dim("[y/N]"))
	answer, err := t.in.ReadString('\n')
	if err != nil && answer == "" {
		return errors.New("no answer")
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return errors.New("not done")
	}
	return nil
}

// Secret reads a value that is not echoed from the terminal, or all of stdin but one line end after it. It never comes from the
// command line, where other users of the machine see it.
func (t *Terminal) Secret(prompt string) (string, error) {
	if t.inFile == nil {
		text, err := io.ReadAll(io.LimitReader(t.in, maxSecret+1))
		if err != nil {
			return "", fmt.Errorf("stdin: %w", err)
		}
		if len(text) > maxSecret {
			return "", fmt.Errorf("stdin: more than %d bytes", maxSecret)
		}
		value := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
		if value == "" {
			return "", Usage("%s: nothing on stdin", prompt)
		}
		return value, nil
	}
	fmt.Fprintf(t.Err, "%s: ", Bold(prompt))
	text, err := xterm.ReadPassword(int(t.inFile.Fd()))
	fmt.Fprintln(t.Err)
	if err != nil {
		return "", err
	}
	if len(text) == 0 {
		return "", errors.New("nothing was typed")
	}
	return string(text), nil
}

// Ask reads a line, with a value for an empty one. Elsewhere than on a terminal it is that value.
func (t *Terminal) Ask(prompt, otherwise string) (string, error) {
	if !t.Person() {
		return otherwise, nil
	}
	fmt.Fprintf(t.Err, "%s %s ", Bold(prompt+":"), Dim("["+otherwise+"]"))
	answer, err := t.in.ReadString('\n')
	if err != nil && answer == "" {
		return "", errors.New("no answer")
	}
	if answer = strings.TrimSpace(answer); answer == "" {
		return otherwise, nil
	}
	return answer, nil
}
