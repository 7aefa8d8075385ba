// Package profile keeps where a user's commands go and with which key: one file in the user's config folder that only the user may read.
//
// A command takes the first of these that is given, for the URL and for the key on its own: its flag, its environment variable, the
// profile. A key of a profile goes to the profile's URL only: with another URL from a flag or a variable, a key must be given too.
package profile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// Default is the profile without a name.
const Default = "default"

// Profile is one place to go to.
type Profile struct {
	URL    string `json:"url"`
	Key    string `json:"key"`
	Tenant string `json:"tenant,omitempty"` // for an operator's key
}

// File is the file of profiles.
type File struct {
	path     string
	profiles map[string]Profile
}

// Open reads the file below folder, which is the user's config folder. A file that is not there has no profiles.
func Open(folder string) (*File, error) {
	f := &File{path: filepath.Join(folder, "jsruntime", "profiles.json"), profiles: map[string]Profile{}}
	text, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, fmt.Errorf("profiles: %w", err)
	}
	if err := json.Unmarshal(text, &f.profiles); err != nil {
		return nil, fmt.Errorf("profiles: %s: %w", f.path, err)
	}
	return f, nil
}

// Path is where the file is.
func (f *File) Path() string { return f.path }

// Get returns a profile.
func (f *File) Get(name string) (Profile, bool) {
	p, ok := f.profiles[name]
	return p, ok
}

// Set keeps a profile.
func (f *File) Set(name string, p Profile) error {
	f.profiles[name] = p
	return f.write()
}

// Delete forgets a profile. It reports whether there was one.
func (f *File) Delete(name string) (bool, error) {
	if _, ok := f.profiles[name]; !ok {
		return false, nil
	}
	delete(f.profiles, name)
	return true, f.write()
}

// write replaces the file in one step. Only its owner may read it, at any time.
func (f *File) write() error {
	folder := filepath.Dir(f.path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	text, err := json.MarshalIndent(f.profiles, "", "  ")
	if err != nil {
		return err
	}
	made, err := os.CreateTemp(folder, ".profiles-*") // 0600
	if err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	defer os.Remove(made.Name())
	if _, err = made.Write(append(text, '\n')); err == nil {
		err = made.Sync()
	}
	if closed := made.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(made.Name(), f.path)
	}
	if err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	return nil
}

// CheckURL judges a node's URL and returns it without a slash at its end.
func CheckURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("url: must be an http or https URL with a host, and no user, query or fragment")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// Plain reports whether a key would cross a network that others may read: http to another machine than this.
func Plain(base string) bool {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" {
		return false
	}
	host := u.Hostname()
	if ip := net.ParseIP(host); ip != nil {
		return !ip.IsLoopback()
	}
	return host != "localhost" && !strings.HasSuffix(host, ".localhost")
}
