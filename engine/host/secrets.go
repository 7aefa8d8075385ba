package host

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"example.com/jsruntime/engine/redact"
	"example.com/jsruntime/sqlc"
)

// What a Secrets refuses.
var (
	ErrNoSecretKey        = errors.New("no secret key is set (JSRUNTIME_SECRET_KEY)")
	ErrSecretName         = errors.New("a secret's name has letters, digits and underscores, does not start with a digit and is at most 128 long")
	ErrSecretValue        = errors.New("a secret's value is 1 byte to 32 KiB of UTF-8 without NUL")
	ErrTooManySecrets     = errors.New("a tenant has at most 100 secrets")
	ErrSecretUndeciphered = errors.New("a secret cannot be deciphered with any of the secret keys")
)

// Bounds of a tenant's secrets. Together they keep what a worker's lease carries under 4 MiB.
const (
	MaxSecretBytes = 32 << 10 // of one value
	MaxSecrets     = 100      // of a tenant
)

const secretKeyBytes = 32

var secretName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

// Secrets keeps the tenants' secrets, enciphered with AES-256-GCM. The additional data is the tenant's id and the secret's
// name, so that a row that is moved to another tenant or name does not open.
type Secrets struct {
	queries *sqlc.Queries
	keys    []cipher.AEAD // the first enciphers, all decipher

	mu      sync.Mutex               // guards last and forgets, and changes of known
	last    map[uuid.UUID]remembered // as they were last read, enciphered
	forgets int                      // calls of Forget: what was read before one may be old

	known sync.Map // uuid.UUID → *knownSecrets: what is masked for the tenant
}

// knownSecrets are a tenant's secrets as this node last gave them to a worker, and the secrets that they replaced: a worker may still have them.
type knownSecrets struct {
	fingerprint string // of the rows; empty: they have changed since
	now, before []string
	byName      map[string]string
	values      *redact.Values
}

// Known returns what is masked in the tenant's history and logs: the secrets that a worker of this node may have. It is nil before Env was
// called for the tenant, since no worker has any by then.
func (s *Secrets) Known(tenantID uuid.UUID) *redact.Values {
	if known, ok := s.known.Load(tenantID); ok {
		return known.(*knownSecrets).values
	}
	return nil
}

// Read is Known, with the secrets read first where this node does not know them: for what other nodes have run.
func (s *Secrets) Read(ctx context.Context, tenantID uuid.UUID) (*redact.Values, error) {
	if known, ok := s.known.Load(tenantID); !ok || known.(*knownSecrets).fingerprint == "" {
		if _, err := s.Env(ctx, tenantID); err != nil {
			return nil, err
		}
	}
	return s.Known(tenantID), nil
}

// Value returns one of the tenant's secrets, and whether there is one. It asks Postgres only where this node does not know them.
func (s *Secrets) Value(ctx context.Context, tenantID uuid.UUID, name string) (value string, ok bool, err error) {
	if known, found := s.known.Load(tenantID); found && known.(*knownSecrets).fingerprint != "" {
		value, ok = known.(*knownSecrets).byName[name]
		return value, ok, nil
	}
	env, err := s.Env(ctx, tenantID)
	value, ok = env[name]
	return value, ok, err
}

// Forget drops what Known knows of a tenant whose secrets changed or that is gone; the next Env or Read knows it again.
func (s *Secrets) Forget(tenantID uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgets++
	if known, ok := s.known.Load(tenantID); ok {
		k := *known.(*knownSecrets)
		k.fingerprint = "" // what it knows is masked until there is something newer
		s.known.Store(tenantID, &k)
	}
}

// know prepares the values to mask, unless they were prepared from the same rows. forgets is the count of Forget calls before the rows were read.
func (s *Secrets) know(tenantID uuid.UUID, rows []sqlc.SecretEnvRow, env map[string]string, forgets int) {
	var print strings.Builder
	for _, row := range rows {
		print.WriteString(row.Name)
		print.Write(row.Nonce)
	}
	next := &knownSecrets{fingerprint: "v" + print.String(), byName: env}
	for _, value := range env {
		next.now = append(next.now, value)
	}
	if last, ok := s.known.Load(tenantID); ok {
		last := last.(*knownSecrets)
		if last.fingerprint == next.fingerprint {
			return
		}
		next.before = last.now
	}
	next.values = redact.NewValues(slices.Concat(next.now, next.before))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.forgets != forgets {
		next.fingerprint = "" // they may have changed while they were read
	}
	s.known.Store(tenantID, next)
}

// remembered lets a tenant's next worker start while Postgres is away.
type remembered struct {
	rows []sqlc.SecretEnvRow
	at   time.Time
}

// Bounds of what is remembered: five minutes, as for API keys, and 64 KiB of secrets for each of 1,000 tenants.
const (
	rememberFor     = 5 * time.Minute
	rememberBytes   = 64 << 10
	rememberTenants = 1000
)

func (s *Secrets) remember(tenantID uuid.UUID, rows []sqlc.SecretEnvRow) {
	size := 0
	for _, row := range rows {
		size += len(row.Name) + len(row.Ciphertext)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.last, tenantID)
	if size > rememberBytes {
		return
	}
	for other := range s.last { // any one makes room
		if len(s.last) < rememberTenants {
			break
		}
		delete(s.last, other)
	}
	s.last[tenantID] = remembered{rows, time.Now()}
}

func (s *Secrets) recall(tenantID uuid.UUID) ([]sqlc.SecretEnvRow, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.last[tenantID]
	return r.rows, ok && time.Since(r.at) < rememberFor
}

// SecretInfo is what may be shown of a secret.
type SecretInfo struct {
	Name      string
	CreatedAt time.Time
	UpdatedAt time.Time
}

// NewSecrets makes a Secrets of the keys in text, as JSRUNTIME_SECRET_KEY has them: each 32 bytes as base64 or hex, several
// separated by commas. The first enciphers; the others are older ones that still decipher. With an empty text nothing can be
// put, and a tenant that has secrets has no environment.
func NewSecrets(db sqlc.DBTX, text string) (*Secrets, error) {
	s := &Secrets{queries: sqlc.New(db), last: map[uuid.UUID]remembered{}}
	if strings.TrimSpace(text) == "" {
		return s, nil
	}
	for i, part := range strings.Split(text, ",") {
		key, err := decodeKey(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("secret key %d: %w", i+1, err)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("secret key %d: %w", i+1, err)
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, fmt.Errorf("secret key %d: %w", i+1, err)
		}
		s.keys = append(s.keys, aead)
	}
	return s, nil
}

func decodeKey(text string) ([]byte, error) {
	if len(text) == hex.EncodedLen(secretKeyBytes) {
		if key, err := hex.DecodeString(text); err == nil {
			return key, nil
		}
	}
	for _, form := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if key, err := form.DecodeString(text); err == nil && len(key) == secretKeyBytes {
			return key, nil
		}
	}
	return nil, errors.New("must be 32 bytes as base64 or hex, for instance from: openssl rand -base64 32")
}

// Put makes or replaces a secret.
func (s *Secrets) Put(ctx context.Context, tenantID uuid.UUID, name, value string) error {
	switch {
	case len(s.keys) == 0:
		return ErrNoSecretKey
	case !secretName.MatchString(name):
		return ErrSecretName
	case value == "" || len(value) > MaxSecretBytes || !utf8.ValidString(value) || strings.ContainsRune(value, 0):
		return ErrSecretValue
	}
	others, err := s.queries.SecretCountOthers(ctx, sqlc.SecretCountOthersParams{TenantID: tenantID, Name: name})
	if err != nil {
		return fmt.Errorf("count secrets: %w", err)
	}
	if others >= MaxSecrets {
		return ErrTooManySecrets
	}
	nonce, ciphertext, err := s.Seal(tenantID, name, []byte(value))
	if err != nil {
		return err
	}
	err = s.queries.SecretPut(ctx, sqlc.SecretPutParams{TenantID: tenantID, Name: name, Nonce: nonce, Ciphertext: ciphertext})
	if err != nil {
		return fmt.Errorf("put secret: %w", err)
	}
	return nil
}

// Seal enciphers a value for the row of that tenant and name, for a caller that writes the row itself.
func (s *Secrets) Seal(tenantID uuid.UUID, name string, value []byte) (nonce, ciphertext []byte, err error) {
	if len(s.keys) == 0 {
		return nil, nil, ErrNoSecretKey
	}
	nonce = make([]byte, s.keys[0].NonceSize())
	rand.Read(nonce)
	return nonce, s.keys[0].Seal(nil, nonce, value, secretAAD(tenantID, name)), nil
}

// Delete takes a secret away and reports whether there was one.
func (s *Secrets) Delete(ctx context.Context, tenantID uuid.UUID, name string) (bool, error) {
	n, err := s.queries.SecretDelete(ctx, sqlc.SecretDeleteParams{TenantID: tenantID, Name: name})
	if err != nil {
		return false, fmt.Errorf("delete secret: %w", err)
	}
	return n > 0, nil
}

// List returns the tenant's secrets by name, without their values.
func (s *Secrets) List(ctx context.Context, tenantID uuid.UUID) ([]SecretInfo, error) {
	rows, err := s.queries.SecretList(ctx, tenantID)
	if err != nil {
		return nil, fmt.Errorf("list secrets: %w", err)
	}
	list := make([]SecretInfo, len(rows))
	for i, row := range rows {
		list[i] = SecretInfo(row)
	}
	return list, nil
}

// Env returns the tenant's secrets, name to value: what a script sees as env. Where Postgres cannot be asked, they are as they were
// read in the last five minutes.
func (s *Secrets) Env(ctx context.Context, tenantID uuid.UUID) (map[string]string, error) {
	s.mu.Lock()
	forgets := s.forgets
	s.mu.Unlock()
	rows, err := s.queries.SecretEnv(ctx, tenantID)
	if err == nil {
		s.remember(tenantID, rows)
	} else {
		known := false
		if rows, known = s.recall(tenantID); !known {
			return nil, fmt.Errorf("read secrets: %w", err)
		}
	}
	env := make(map[string]string, len(rows))
	for _, row := range rows {
		value, err := s.open(tenantID, row)
		if err != nil {
			return nil, fmt.Errorf("secret %s: %w", row.Name, err)
		}
		env[row.Name] = value
	}
	s.know(tenantID, rows, env, forgets)
	return env, nil
}

// EnvJSON is Env as a JSON object: what engine.Config.Env wants.
func (s *Secrets) EnvJSON(ctx context.Context, tenantID uuid.UUID) (json.RawMessage, error) {
	env, err := s.Env(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(env)
	if err != nil {
		return nil, fmt.Errorf("encode secrets: %w", err)
	}
	return text, nil
}

func (s *Secrets) open(tenantID uuid.UUID, row sqlc.SecretEnvRow) (string, error) {
	if len(s.keys) == 0 {
		return "", ErrNoSecretKey
	}
	for _, key := range s.keys {
		if len(row.Nonce) != key.NonceSize() {
			break
		}
		if value, err := key.Open(nil, row.Nonce, row.Ciphertext, secretAAD(tenantID, row.Name)); err == nil {
			return string(value), nil
		}
	}
	return "", ErrSecretUndeciphered
}

func secretAAD(tenantID uuid.UUID, name string) []byte { return append(tenantID[:], name...) }
