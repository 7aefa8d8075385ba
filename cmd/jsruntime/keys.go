package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ownKey returns the key that the operator set, else the one that an earlier start kept in file, else a new one, which it keeps
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

// adminKey is the operator's key of this data directory.
func adminKey(set, dataDir string) (key string, made bool, err error) {
	return ownKey(set, filepath.Join(dataDir, "admin.key"), func() string { return "jsr_admin_" + randomText(base64.RawURLEncoding) })
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
