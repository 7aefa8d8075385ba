package dev

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"example.com/jsruntime/cmd/jsruntime/client"
)

// secretsFile holds the secrets of dev, NAME=VALUE a line, as wrangler has them.
const secretsFile = ".dev.vars"

// sendSecrets brings the secrets of .dev.vars to the node, where they have changed.
func (l *Loop) sendSecrets(ctx context.Context) error {
	text, err := os.ReadFile(filepath.Join(l.project.Dir, secretsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for name, value := range parseSecrets(string(text)) {
		if kept, ok := l.secrets[name]; ok && kept == value {
			continue
		}
		err := l.cfg.API.Do(ctx, client.Call{Method: http.MethodPut, Path: "/api/v1/secrets/" + url.PathEscape(name), Body: map[string]string{"value": value}}, nil)
		if err != nil {
			return err
		}
		l.secrets[name] = value
	}
	return nil
}

// parseSecrets reads lines of NAME=VALUE. A value may stand in quotes; # begins a comment.
func parseSecrets(text string) map[string]string {
	secrets := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if name = strings.TrimSpace(name); !ok || name == "" || strings.HasPrefix(name, "#") {
			continue
		}
		value = strings.TrimSpace(value)
		if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
			value = value[1 : n-1]
		}
		secrets[name] = value
	}
	return secrets
}
