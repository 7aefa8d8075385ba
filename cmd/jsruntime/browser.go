//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// opener opens the console's link in the browser of the person who has started the node. The zero value opens nothing.
type opener struct {
	// person is whether a person is there: at a terminal, with a display, and not in CI.
	person bool
	// program is what opens a page; empty means xdg-open.
	program string
}

// newOpener finds out whether a person is there.
func newOpener(getenv func(string) string, stdout io.Writer) opener {
	return opener{person: isTerminal(stdout) && getenv("CI") == "" && (getenv("DISPLAY") != "" || getenv("WAYLAND_DISPLAY") != "")}
}

// linkPage is the file, in the data directory, that leads to the console's link.
const linkPage = "open-console.html"

// linkLives is how long a one-time link can be used.
const linkLives = 10 * time.Minute

// open has the browser show a link, by a page that only this user can read: the arguments of a program are seen by all users of a machine.
// The page is there until the link is of no use any more, or ctx ends. What goes wrong is said on out; the link itself is printed anyway.
func (o opener) open(ctx context.Context, dir, link string, out io.Writer) {
	page := filepath.Join(dir, linkPage)
	if err := writePage(page, link); err != nil {
		fmt.Fprintf(out, "The browser was not opened: %v\n\n", err)
		return
	}
	defer os.Remove(page)
	program := o.program
	if program == "" {
		program = "xdg-open"
	}
	err := exec.CommandContext(ctx, program, page).Run()
	switch {
	case err == nil:
		fmt.Fprint(out, "The link was opened in your browser. JSRUNTIME_OPEN_CONSOLE=false turns that off.\n\n")
	case errors.Is(err, exec.ErrNotFound):
		fmt.Fprintf(out, "The browser was not opened: %s is not installed. The link above leads there as well.\n\n", program)
		return
	case ctx.Err() != nil:
		return
	default:
		fmt.Fprintf(out, "The browser was not opened: %s: %v. The link above leads there as well.\n\n", program, err)
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(linkLives):
	}
}

func writePage(file, link string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "<!doctype html>\n<meta charset=\"utf-8\">\n<meta name=\"referrer\" content=\"no-referrer\">\n<title>jsruntime</title>\n<meta http-equiv=\"refresh\" content=\"0; url=%[1]s\">\n<a href=\"%[1]s\">The console</a>\n", html.EscapeString(link))
	return errors.Join(err, f.Close())
}
