package host

import (
	"bytes"
	"context"
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
	"golang.org/x/net/http/httpguts"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/egress"
	"example.com/jsruntime/engine/keyring"
	"example.com/jsruntime/engine/redact"
	"example.com/jsruntime/engine/text"
	"example.com/jsruntime/sqlc"
)

// What a Secrets refuses.
var (
	ErrNoSecretKey        = keyring.ErrNoKey
	ErrSecretName         = errors.New("a secret's name has letters, digits and underscores, does not start with a digit and is at most 128 long")
	ErrTooManySecrets     = fmt.Errorf("a tenant has at most %d secrets, of together %d bytes", MaxSecrets, MaxSecretsBytes)
	ErrSecretUndeciphered = keyring.ErrUndeciphered
)

// Bounds of a tenant's secrets. What a worker's frames carry of them is their JSON, six times as long at worst.
const (
	MaxSecretBytes   = 32 << 10 // of one value
	MaxSecrets       = 100      // of a tenant
	MaxSecretsBytes  = 1 << 20  // of a tenant's values together
	MaxSecretScripts = 100      // that one secret is for
	MaxSecretHosts   = 50       // that one secret is for

	MaxVars      = 100      // of a tenant
	MaxVarsBytes = 64 << 10 // of a tenant's names and values of vars together
)

var secretName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

// Secrets keeps the tenants' secrets, enciphered with AES-256-GCM. The additional data is the tenant's id and the secret's
// name, so that a row that is moved to another tenant or name does not open.
type Secrets struct {
	queries *sqlc.Queries
	ring    *keyring.Ring

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
	bound       map[string]*boundSecret // secrets with hosts, by placeholder
	values      *redact.Values
}

// boundSecret is a secret that only requests to its hosts carry.
type boundSecret struct {
	name, value string
	scripts     []string // names; nil: all
	hosts       []string
	any, exact  *egress.Rules // all of hosts, and those with a port
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
	known, err := s.current(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	return known.values, nil
}

// Value returns one of the tenant's secrets, and whether there is one. It asks Postgres only where this node does not know them.
func (s *Secrets) Value(ctx context.Context, tenantID uuid.UUID, name string) (value string, ok bool, err error) {
	known, err := s.current(ctx, tenantID)
	if err != nil {
		return "", false, err
	}
	value, ok = known.byName[name]
	return value, ok, nil
}

// bound returns the tenant's secrets with hosts, by placeholder.
func (s *Secrets) bound(ctx context.Context, tenantID uuid.UUID) (map[string]*boundSecret, error) {
	known, err := s.current(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	return known.bound, nil
}

// current is what this node knows of a tenant's secrets. It asks Postgres where they have changed, or were not read yet.
func (s *Secrets) current(ctx context.Context, tenantID uuid.UUID) (*knownSecrets, error) {
	if known, found := s.known.Load(tenantID); found && known.(*knownSecrets).fingerprint != "" {
		return known.(*knownSecrets), nil
	}
	return s.read(ctx, tenantID)
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
func (s *Secrets) know(tenantID uuid.UUID, rows []sqlc.SecretEnvRow, values map[string]string, forgets int) (*knownSecrets, error) {
	var print strings.Builder
	for _, row := range rows {
		fmt.Fprintf(&print, "%s %x %q %q\n", row.Name, row.Nonce, row.Scripts, row.Hosts)
	}
	next := &knownSecrets{fingerprint: "v" + print.String(), byName: values, bound: map[string]*boundSecret{}}
	for _, row := range rows {
		next.now = append(next.now, values[row.Name])
		if row.Placeholder == nil {
			continue
		}
		b := &boundSecret{name: row.Name, value: values[row.Name], scripts: row.Scripts, hosts: row.Hosts}
		var err error
		if b.any, b.exact, err = parseSecretHosts(row.Hosts); err != nil {
			return nil, fmt.Errorf("secret %s: hosts: %w", row.Name, err)
		}
		next.bound[*row.Placeholder] = b
	}
	if last, ok := s.known.Load(tenantID); ok {
		last := last.(*knownSecrets)
		if last.fingerprint == next.fingerprint {
			return last, nil
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
	return next, nil
}

// remembered lets a tenant's next worker start while Postgres is away.
type remembered struct {
	rows []sqlc.SecretEnvRow
	vars []sqlc.VarListRow
	at   time.Time
}

// Bounds of what is remembered: five minutes, as for API keys, and 64 KiB of secrets and vars for each of 1,000 tenants.
const (
	rememberFor     = 5 * time.Minute
	rememberBytes   = 64 << 10
	rememberTenants = 1000
)

func (s *Secrets) remember(tenantID uuid.UUID, read remembered) {
	size := 0
	for _, row := range read.rows {
		size += len(row.Name) + len(row.Ciphertext)
	}
	for _, v := range read.vars {
		size += len(v.Name) + len(v.Value)
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
	s.last[tenantID] = read
}

func (s *Secrets) recall(tenantID uuid.UUID) (remembered, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.last[tenantID]
	return r, ok && time.Since(r.at) < rememberFor
}

// SecretInfo is what may be shown of a secret.
type SecretInfo struct {
	Name      string
	CreatedAt time.Time
	UpdatedAt time.Time
}

// NewSecrets makes a Secrets. With a ring without keys nothing can be put, and a tenant that has secrets has no environment.
func NewSecrets(db sqlc.DBTX, ring *keyring.Ring) *Secrets {
	return &Secrets{queries: sqlc.New(db), ring: ring, last: map[uuid.UUID]remembered{}}
}

// Secret is a secret that is to be written.
type Secret struct {
	Value   string
	Scripts []string // the names of those that see it; nil: all
	Hosts   []string // where requests carry it, which no script sees; nil: scripts see it
}

// Check says what is wrong with a secret: its member, as the API names it, and why.
func (s *Secret) Check() (member, fault string) {
	switch {
	case s.Value == "", len(s.Value) > MaxSecretBytes, !utf8.ValidString(s.Value), strings.ContainsRune(s.Value, 0):
		return "value", fmt.Sprintf("must be 1 byte to %d bytes of UTF-8 without NUL", MaxSecretBytes)
	case s.Scripts != nil && len(s.Scripts) == 0:
		return "scripts", "must name a script; without the field all scripts see the secret"
	case len(s.Scripts) > MaxSecretScripts:
		return "scripts", fmt.Sprintf("%d names, of at most %d", len(s.Scripts), MaxSecretScripts)
	case s.Hosts != nil && len(s.Hosts) == 0:
		return "hosts", "must have a host; without the field scripts see the value"
	case len(s.Hosts) > MaxSecretHosts:
		return "hosts", fmt.Sprintf("%d hosts, of at most %d", len(s.Hosts), MaxSecretHosts)
	}
	for i, name := range s.Scripts {
		if name == "" || utf8.RuneCountInString(name) > 255 || !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
			return fmt.Sprintf("scripts[%d]", i), "must be the name of a script, of 1 to 255 characters"
		}
	}
	for i := range s.Hosts {
		if _, _, err := parseSecretHosts(s.Hosts[i : i+1]); err != nil {
			return fmt.Sprintf("hosts[%d]", i), err.Error()
		}
	}
	if s.Hosts != nil {
		if latin, ok := text.ToLatin1(s.Value); !ok || latin != strings.TrimSpace(latin) || !httpguts.ValidHeaderFieldValue(latin) {
			return "value", "of a secret with hosts goes into headers: it must be characters up to U+00FF, without line breaks, other control characters and space around it"
		}
	}
	return "", ""
}

// Put makes or replaces a secret.
func (s *Secrets) Put(ctx context.Context, tenantID uuid.UUID, name string, secret Secret) error {
	switch {
	case s.ring.Empty():
		return ErrNoSecretKey
	case !secretName.MatchString(name):
		return ErrSecretName
	}
	if member, fault := secret.Check(); fault != "" {
		return fmt.Errorf("%s: %s", member, fault)
	}
	row, err := s.Row(tenantID, name, secret)
	if err != nil {
		return err
	}
	return WriteSecret(ctx, s.queries, row)
}

// Row enciphers a secret that Check has nothing against: the row is for WriteSecret.
func (s *Secrets) Row(tenantID uuid.UUID, name string, secret Secret) (row sqlc.SecretPutParams, err error) {
	row = sqlc.SecretPutParams{TenantID: tenantID, Name: name, Scripts: secret.Scripts, Hosts: secret.Hosts}
	if secret.Hosts != nil {
		made := newPlaceholder()
		row.Placeholder = &made
	}
	row.Nonce, row.Ciphertext, err = s.Seal(tenantID, name, []byte(secret.Value))
	return row, err
}

// WriteSecret writes a row, unless the tenant has too many secrets then: ErrTooManySecrets.
func WriteSecret(ctx context.Context, queries *sqlc.Queries, row sqlc.SecretPutParams) error {
	others, err := queries.SecretCountOthers(ctx, sqlc.SecretCountOthersParams{TenantID: row.TenantID, Name: row.Name})
	if err != nil {
		return fmt.Errorf("count secrets: %w", err)
	}
	if others.Secrets >= MaxSecrets || others.Bytes+int64(len(row.Ciphertext)) > MaxSecretsBytes {
		return ErrTooManySecrets
	}
	if err := queries.SecretPut(ctx, row); err != nil {
		return fmt.Errorf("put secret: %w", err)
	}
	return nil
}

// Seal enciphers a value for the row of that tenant and name, for a caller that writes the row itself.
func (s *Secrets) Seal(tenantID uuid.UUID, name string, value []byte) (nonce, ciphertext []byte, err error) {
	return s.ring.Seal(value, SecretAdditional(tenantID, name))
}

// Open deciphers what Seal has made.
func (s *Secrets) Open(tenantID uuid.UUID, name string, nonce, ciphertext []byte) (string, error) {
	value, _, err := s.ring.Open(nonce, ciphertext, SecretAdditional(tenantID, name))
	return string(value), err
}

// Env is what the tenant's scripts see as env: engine.Config.Env. Where Postgres cannot be asked, it is as it was read in the last five
// minutes.
func (s *Secrets) Env(ctx context.Context, tenantID uuid.UUID) (engine.Env, error) {
	read, values, forgets, err := s.rows(ctx, tenantID)
	if err != nil {
		return engine.Env{}, err
	}
	if _, err := s.know(tenantID, read.rows, values, forgets); err != nil {
		return engine.Env{}, err
	}
	return envOf(read, values), nil
}

// read reads the secrets, which the node then knows.
func (s *Secrets) read(ctx context.Context, tenantID uuid.UUID) (*knownSecrets, error) {
	read, values, forgets, err := s.rows(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	return s.know(tenantID, read.rows, values, forgets)
}

// rows reads the secrets and vars, and deciphers the secrets: their values by name.
func (s *Secrets) rows(ctx context.Context, tenantID uuid.UUID) (read remembered, values map[string]string, forgets int, err error) {
	s.mu.Lock()
	forgets = s.forgets
	s.mu.Unlock()
	read.at = time.Now()
	if read.rows, err = s.queries.SecretEnv(ctx, tenantID); err == nil {
		read.vars, err = s.queries.VarList(ctx, tenantID)
	}
	if err == nil {
		s.remember(tenantID, read)
	} else {
		known := false
		if read, known = s.recall(tenantID); !known {
			return read, nil, 0, fmt.Errorf("read secrets: %w", err)
		}
	}
	values = make(map[string]string, len(read.rows))
	for _, row := range read.rows {
		value, _, err := s.ring.Open(row.Nonce, row.Ciphertext, SecretAdditional(tenantID, row.Name))
		if err != nil {
			return read, nil, 0, fmt.Errorf("secret %s: %w", row.Name, err)
		}
		values[row.Name] = string(value)
	}
	return read, values, forgets, nil
}

// envOf makes the environment. A secret with hosts is its placeholder there. Of two members of one name, the later counts: the secret.
func envOf(read remembered, values map[string]string) engine.Env {
	type own struct {
		scripts []string
		member  []byte
	}
	var shared [][]byte
	var owns []own
	for _, v := range read.vars {
		shared = append(shared, slices.Concat([]byte(`"`+v.Name+`":`), text.AppendString(nil, v.Value)))
	}
	for _, row := range read.rows {
		value := values[row.Name]
		if row.Placeholder != nil {
			value = *row.Placeholder
		}
		member := slices.Concat([]byte(`"`+row.Name+`":`), text.AppendString(nil, value))
		if row.Scripts == nil {
			shared = append(shared, member)
		} else {
			owns = append(owns, own{row.Scripts, member})
		}
	}
	env := engine.Env{Shared: object(shared)}
	if len(owns) > 0 {
		env.Own = func(script string) json.RawMessage {
			var members [][]byte
			for _, o := range owns {
				if slices.Contains(o.scripts, script) {
					members = append(members, o.member)
				}
			}
			return object(members)
		}
	}
	return env
}

func object(members [][]byte) json.RawMessage {
	return slices.Concat([]byte("{"), bytes.Join(members, []byte(",")), []byte("}"))
}

// SecretAdditional is the additional data of a secret's row: whose it is, and its name.
func SecretAdditional(tenantID uuid.UUID, name string) []byte { return append(tenantID[:], name...) }
