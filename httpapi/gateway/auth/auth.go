package auth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine/catalog"
)

// Config is a Verifier's.
type Config struct {
	// Secret returns the value of a tenant's secret, and whether there is one. It is called for every request. Required.
	Secret func(ctx context.Context, tenantID uuid.UUID, name string) (value string, ok bool, err error)
	// Fetch gets a document of at most limit bytes, on behalf of a tenant, from where the operator lets tenants' scripts fetch from. Required.
	Fetch func(ctx context.Context, tenantID uuid.UUID, url string, limit int64) ([]byte, error)
	// Claim takes an id for a script, for as long as hold, and reports whether it was free. Required.
	Claim func(ctx context.Context, tenantID, scriptID uuid.UUID, id []byte, hold time.Duration) (free bool, err error)
	// Return gives an id back. Required.
	Return func(ctx context.Context, tenantID, scriptID uuid.UUID, id []byte) error
	// Log gets what the endpoint's owner has to mend. nil means slog.Default.
	Log *slog.Logger
	// Now is the clock. nil means time.Now.
	Now func() time.Time
}

// Verifier judges requests. It is safe for concurrent use.
type Verifier struct {
	cfg    Config
	keys   *keySets
	tokens *tokens
}

// New returns a Verifier.
func New(cfg Config) (*Verifier, error) {
	switch {
	case cfg.Secret == nil:
		return nil, errors.New("Secret is required")
	case cfg.Fetch == nil:
		return nil, errors.New("Fetch is required")
	case cfg.Claim == nil, cfg.Return == nil:
		return nil, errors.New("Claim and Return are required")
	}
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	v := &Verifier{cfg: cfg}
	var err error
	if v.keys, err = newKeySets(&v.cfg); err != nil {
		return nil, err
	}
	v.tokens, err = newTokens()
	return v, err
}

// RefusedError says why a request is not admitted, in words that its sender may read.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return e.Reason }

func refused(reason string) error { return &RefusedError{reason} }

// UnavailableError says that a request could not be judged.
type UnavailableError struct {
	Reason string // for the sender
	Err    error  // for the log
	Logged bool   // it is on the log
}

func (e *UnavailableError) Error() string { return e.Reason + ": " + e.Err.Error() }

// Unwrap is Err.
func (e *UnavailableError) Unwrap() error { return e.Err }

// Admission is what is known of a request that is admitted.
type Admission struct {
	// Claims are a token's, as a JSON object; nil: the scheme has none.
	Claims json.RawMessage
	undo   func()
}

// Undo is called where nothing ran for the request: its sender may send the same again.
func (a *Admission) Undo() {
	if a.undo != nil {
		a.undo()
	}
}

// Check judges a request to an endpoint whose auth has a rule. body is the request's, as it came; nil where the scheme signs none. The
// error is a *RefusedError or an *UnavailableError.
func (v *Verifier) Check(ctx context.Context, e *catalog.Endpoint, header http.Header, body []byte) (Admission, error) {
	if e.AuthRule == nil {
		return Admission{}, refused("The endpoint's auth has no rule.")
	}
	if e.Auth == catalog.AuthJWT {
		claims, err := v.token(ctx, e, header)
		return Admission{Claims: claims}, err
	}
	check := signatures[e.Auth]
	if check == nil {
		return Admission{}, refused("The endpoint's auth is none that this node knows.")
	}
	secret, err := v.secret(ctx, e)
	if err != nil {
		return Admission{}, err
	}
	signed, err := check(secret, header, body)
	if err != nil {
		if wrong := (*secretError)(nil); errors.As(err, &wrong) {
			v.cfg.Log.Warn("the secret of an endpoint's auth is not a key", "tenant_id", e.TenantID, "script_id", e.ScriptID, "secret_name", e.AuthRule.Secret, "error", wrong.Error())
			return Admission{}, errNoKey
		}
		return Admission{}, err
	}
	if signed.timed {
		if age := v.cfg.Now().Sub(signed.at); age > e.AuthRule.Tolerance || -age > e.AuthRule.Tolerance {
			return Admission{}, refused("The signed time differs from now by more than tolerance_seconds, which are " + seconds(e.AuthRule.Tolerance) + ".")
		}
	}
	return v.once(ctx, e, signed)
}

// once admits what is signed unless it was admitted before.
func (v *Verifier) once(ctx context.Context, e *catalog.Endpoint, s signed) (Admission, error) {
	hold := e.AuthRule.Tolerance
	if s.timed {
		hold *= 2 // it may come as early as it may come late
	}
	if hold == 0 || s.again {
		return Admission{}, nil
	}
	free, err := v.cfg.Claim(ctx, e.TenantID, e.ScriptID, s.id[:], hold)
	switch {
	case err != nil:
		return Admission{}, &UnavailableError{Reason: "Whether the request came before could not be found out.", Err: err}
	case !free:
		return Admission{}, refused("The same signed request was admitted before.")
	}
	return Admission{undo: func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
		defer cancel()
		if err := v.cfg.Return(ctx, e.TenantID, e.ScriptID, s.id[:]); err != nil {
			v.cfg.Log.Warn("a signed request that did not run is not admitted again", "tenant_id", e.TenantID, "script_id", e.ScriptID, "error", err)
		}
	}}, nil
}

// undoTimeout bounds the giving back of an id.
const undoTimeout = 5 * time.Second

// errNoKey hides from senders what the owner has to mend.
var errNoKey = refused("The endpoint has no key to check the request with.")

// secret is the value of the rule's secret.
func (v *Verifier) secret(ctx context.Context, e *catalog.Endpoint) (string, error) {
	value, ok, err := v.cfg.Secret(ctx, e.TenantID, e.AuthRule.Secret)
	if err != nil {
		return "", &UnavailableError{Reason: "The endpoint's secret could not be read.", Err: err}
	}
	if !ok {
		v.cfg.Log.Warn("the secret of an endpoint's auth is missing", "tenant_id", e.TenantID, "script_id", e.ScriptID, "secret_name", e.AuthRule.Secret)
		return "", errNoKey
	}
	return value, nil
}

func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }
