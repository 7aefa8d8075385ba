//go:build linux

package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unicode"

	"example.com/jsruntime/sqlc"
)

// ownKey returns the key that the operator set, else the key that an earlier start kept in file, else a new key, which it keeps
// there with mode 0600. made says that it is new.
func ownKey(set, file string, make func() string) (key string, made bool, err error) {
	if set != "" {
		return set, false, nil
	}
	kept, err := os.ReadFile(file)
	if err == nil && strings.TrimSpace(string(kept)) != "" {
		return strings.TrimSpace(string(kept)), false, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", false, fmt.Errorf("reading a key: %w", err)
	}
	key = make()
	// Written beside and renamed, so that a crash leaves the whole key or none.
	temporary := file + ".new"
	if err := os.WriteFile(temporary, []byte(key+"\n"), 0o600); err != nil {
		return "", false, fmt.Errorf("keeping a key: %w", err)
	}
	if err := os.Rename(temporary, file); err != nil {
		return "", false, fmt.Errorf("keeping a key: %w", err)
	}
	return key, true, nil
}

const (
	// minAdminKey is the least length of an operator's key: 32 hexadecimal digits hold 128 bits. A random key of that
	// length cannot be guessed, and a word that a person made up does not reach it by accident.
	minAdminKey = 32
	// maxAdminKey is the most that an Authorization header may hold of a key.
	maxAdminKey = 512
	// maxAdminKeys bounds how many keys are compared with each request: the key in use, and the keys of a rotation.
	maxAdminKeys = 4
)

// splitAdminKeys returns the operator's keys, which are separated by commas or white space. name is where they come from; errors begin
// with it and do not show a key.
func splitAdminKeys(name, keys string) ([]string, error) {
	split := strings.FieldsFunc(keys, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	if keys != "" && len(split) == 0 {
		return nil, fmt.Errorf("%s: holds no key", name)
	}
	if len(split) > maxAdminKeys {
		return nil, fmt.Errorf("%s: holds %d keys, at most %d are allowed", name, len(split), maxAdminKeys)
	}
	for i, key := range split {
		which := "the key"
		if len(split) > 1 {
			which = fmt.Sprintf("key %d of %d", i+1, len(split))
		}
		if len(key) < minAdminKey || len(key) > maxAdminKey {
			return nil, fmt.Errorf("%s: %s has %d characters, it must have %d to %d (openssl rand -hex 32 makes one)", name, which, len(key), minAdminKey, maxAdminKey)
		}
		if strings.ContainsFunc(key, func(r rune) bool { return r < '!' || r > '~' }) {
			return nil, fmt.Errorf("%s: %s holds a character that is not printable ASCII, which no Authorization header carries", name, which)
		}
	}
	return split, nil
}

// adminKeys are the operator's keys of this data directory, the first one for the node's own use.
func adminKeys(set, dataDir string) (keys []string, made bool, err error) {
	name, file := "JSRUNTIME_ADMIN_KEY", filepath.Join(dataDir, "admin.key")
	if set == "" {
		name = file
	}
	text, made, err := ownKey(set, file, func() string { return "jsr_admin_" + randomText(base64.RawURLEncoding) })
	if err != nil {
		return nil, false, err
	}
	keys, err = splitAdminKeys(name, text)
	return keys, made, err
}

// secretKey is what the tenants' secrets are enciphered with in this data directory's database.
func secretKey(set, dataDir string) (string, error) {
	key, _, err := ownKey(set, filepath.Join(dataDir, "secret.key"), func() string { return randomText(base64.StdEncoding) })
	return key, err
}

func randomText(encoding *base64.Encoding) string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand aborts the process instead
	return encoding.EncodeToString(b[:])
}

// cursorKey signs the cursors of lists: random, made once for the database and the same on all nodes.
func cursorKey(ctx context.Context, db sqlc.DBTX) ([]byte, error) {
	var value [32]byte
	_, _ = rand.Read(value[:]) // never fails: crypto/rand aborts the process instead
	key, err := sqlc.New(db).ServiceKeyKeep(ctx, sqlc.ServiceKeyKeepParams{Name: "cursors", Value: value[:]})
	if err != nil {
		return nil, fmt.Errorf("key of cursors: %w", err)
	}
	return key, nil
}

// ownFiles are what a node keeps in its data directory. One of them shows that a directory is a node's.
var ownFiles = []string{"admin.key", "secret.key", "postgres", "postgres.lock", "postgres.password", "postgres.port", demoTenant + ".key", devTenant + ".key", "node.log"}

// closeDataDir makes the data directory if it is missing, and takes it and its files from other users of the machine: directories 0700, files
// 0600. A directory that is open to others and does not look like a node's is refused: it may be a user's home directory.
func closeDataDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		ours := len(entries) == 0
		for _, e := range entries {
			ours = ours || slices.Contains(ownFiles, e.Name())
		}
		if !ours || info.Mode()&fs.ModeSticky != 0 {
			return fmt.Errorf("%s has mode %04o and holds files that are not a node's: name another directory, or chmod it to 0700", dir, info.Mode().Perm())
		}
	}
	if err := closeMode(dir, info); err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.IsDir() && !info.Mode().IsRegular() {
			continue // gone, or a link: what it points to is not in here
		}
		if err := closeMode(filepath.Join(dir, e.Name()), info); err != nil {
			return err
		}
	}
	return nil
}

func closeMode(path string, info fs.FileInfo) error {
	mode := info.Mode().Perm()
	if mode&0o077 == 0 {
		return nil
	}
	err := os.Chmod(path, mode&0o700)
	if errors.Is(err, syscall.EROFS) {
		return nil // an image's: nothing can be kept there
	}
	if err != nil {
		return fmt.Errorf("%s has mode %04o, which lets other users in, and it cannot be changed: %w", path, mode, err)
	}
	return nil
}
