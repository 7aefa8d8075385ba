package httpapi

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/jsruntime/httpapi/session"
	"example.com/jsruntime/sqlc"
)

// A session stands for a key in a browser: the browser holds a cookie that no script can read, and the key is in no page. A session has
// the key's role and tenant, and ends with it. Every request asks the database for it, so that what ends on one node has ended on all.

const (
	// sessionIdle is how long a session may stay unused.
	sessionIdle = 12 * time.Hour
	// sessionLife is how long a session lasts, however much it is used.
	sessionLife = 7 * 24 * time.Hour
	// sessionTouch is how exactly the last use is known.
	sessionTouch = time.Minute
	// linkLife is how long a link may wait for its use.
	linkLife = 10 * time.Minute

	// A key has at most so many sessions and unused links. The oldest give way.
	maxSessions     = 50
	maxSessionLinks = 20

	sessionPrefix, linkPrefix = "jss_", "jsl_"
)

// newToken makes the secret of a session or a link, and says what is stored of it.
func newToken(prefix string) (token string, hash []byte) {
	token = prefix + randomText(keySecretLen)
	return token, hashOf(token)
}

func hashOf(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// isToken reports whether a text looks like a token of that kind. The database is not asked about other texts.
func isToken(token, prefix string) bool {
	return len(token) == len(prefix)+keySecretLen && strings.HasPrefix(token, prefix) && strings.Trim(token[len(prefix):], keyAlphabet) == ""
}

// proofOf is what the operator's key signs of a session or a link. The prefix keeps one from being taken for the other.
func proofOf(prefix string, hash []byte) []byte { return append([]byte("jsruntime "+prefix), hash...) }

// csrfToken is what a page of the console sends with each change. A page that cannot read our answers cannot know it.
func csrfToken(token string) string {
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte("jsruntime csrf"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// openSession is the session of a request.
type openSession struct {
	id    uuid.UUID
	token string
	seen  time.Time // the last use that is written
	end   time.Time // when it ends at the latest
}

// lookUpSession returns whose session a token is of. It returns ErrUnknownKey for a token of none.
func (a *API) lookUpSession(ctx context.Context, q *sqlc.Queries, token string) (Principal, *openSession, bool, error) {
	if !isToken(token, sessionPrefix) {
		return Principal{}, nil, false, ErrUnknownKey
	}
	hash := hashOf(token)
	row, err := q.ConsoleSessionLookup(ctx, sqlc.ConsoleSessionLookupParams{
		TokenHash: hash, IdleSeconds: a.cfg.SessionIdle.Seconds(), TouchSeconds: sessionTouch.Seconds(),
	})
	if errors.Is(err, pgx.ErrNoRows) || err == nil && subtle.ConstantTimeCompare(row.TokenHash, hash) != 1 {
		return Principal{}, nil, false, ErrUnknownKey
	}
	if err != nil {
		return Principal{}, nil, false, err
	}
	s := &openSession{id: row.ID, token: token, seen: row.SeenAt, end: row.EndsAt}
	if row.KeyID == nil {
		p, ok := a.keys.proven(row.OperatorProof, proofOf(sessionPrefix, hash))
		if !ok {
			return Principal{}, nil, false, ErrUnknownKey // the key is not one of the operator's any more
		}
		return p, s, row.Stale, nil
	}
	p := Principal{
		KeyID: *row.KeyID, KeyName: row.KeyName, Prefix: row.KeyPrefix, Role: Role(row.KeyRole), UserID: row.UserID,
		TenantSlug: row.TenantSlug, TenantActive: row.TenantStatus == "active", Scopes: row.KeyScopes,
	}
	if row.TenantID != nil {
		p.TenantID = *row.TenantID
	}
	return p, s, row.Stale, nil
}

// useSession is lookUpSession for a request: it counts as use of the session and of its key.
func (a *API) useSession(ctx context.Context, token string) (Principal, *openSession, error) {
	p, s, stale, err := a.lookUpSession(ctx, a.queries, token)
	if err != nil {
		return p, s, err
	}
	if p.operatorKey == 0 {
		a.keys.touch(p.KeyID)
	}
	if stale {
		seen, err := a.queries.ConsoleSessionTouch(ctx, s.id)
		if err != nil {
			a.logOf(ctx).WarnContext(ctx, "use of a session not written", "error", err)
			return p, s, nil
		}
		s.seen = seen
	}
	return p, s, nil
}

// authenticateSession finds out who sent a request that has no key. The cookie counts only in requests that a page of this origin
// makes, and in changes only beside the session's CSRF token.
func (a *API) authenticateSession(ctx context.Context, r *http.Request) (Principal, *openSession, error) {
	in := callOf(ctx)
	token, ok := session.Of(r, in.secure)
	if !ok {
		return Principal{}, nil, unauthorized("A key is needed: Authorization: Bearer jsr_…, or a session of the console.")
	}
	if !session.SameOrigin(r, in.host) {
		return Principal{}, nil, crossOrigin()
	}
	var s *openSession
	p, err := a.keys.guarded(in.client, hashOf(token), func() (p Principal, err error) {
		p, s, err = a.useSession(ctx, token)
		return p, err
	})
	if err = a.keyProblem(ctx, err, "This session has ended. Sign in again."); err != nil {
		if problem := (*Problem)(nil); errors.As(err, &problem) && problem.Status == http.StatusUnauthorized {
			problem.Header.Set("Set-Cookie", session.SetCookie(in.secure, "", 0))
		}
		return p, nil, err
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("X-Csrf-Token")), []byte(csrfToken(token))) != 1 {
			return p, nil, newProblem(http.StatusForbidden, "csrf_token_invalid",
				"A change with a session needs the header X-CSRF-Token, with the csrf_token of GET /api/v1/session.",
				ProblemError{Location: "header.X-CSRF-Token", Message: "missing, or not that of the session"})
		}
	}
	return p, s, nil
}

func crossOrigin() *Problem {
	return newProblem(http.StatusForbidden, "cross_origin", "Sessions are for pages of this origin. Programs use a key: Authorization: Bearer jsr_…")
}

// Session is a session of the console.
type Session struct {
	Role      string        `json:"role" enum:"superadmin,admin,developer,viewer,custom"`
	Scopes    []string      `json:"scopes" nullable:"false" doc:"What the session may do: the permissions of the routes (x-permission in the OpenAPI document)."`
	Tenant    *WhoAmITenant `json:"tenant" doc:"The tenant that the request speaks about; null for a superadmin without X-Tenant."`
	Key       SessionKey    `json:"key"`
	CSRFToken string        `json:"csrf_token" doc:"To be sent as X-CSRF-Token with every request but GET and HEAD."`
	ExpiresAt time.Time     `json:"expires_at" doc:"When it ends if it is not used before."`
}

// SessionKey is the key that the session was begun with, or that its link was made with.
type SessionKey struct {
	ID   uuid.UUID `json:"id" format:"uuid"`
	Name string    `json:"name"`
}

type sessionCreateIn struct {
	Body struct {
		Key  string `json:"key,omitempty" maxLength:"512" doc:"An API key."`
		Link string `json:"link,omitempty" maxLength:"64" doc:"What follows #link= in a one-time link."`
	}
}

type sessionOut struct {
	SetCookie string `header:"Set-Cookie"`
}

// sessionCreate begins a session of the key, or of the key that the link was made with. Another session of the same browser ends.
func (a *API) sessionCreate(ctx context.Context, in *sessionCreateIn) (*sessionOut, error) {
	key, link := in.Body.Key, in.Body.Link
	if (key == "") == (link == "") {
		return nil, invalid("body", "must have either key or link")
	}
	c := callOf(ctx)
	var p Principal
	if key != "" {
		var err error
		p, err = a.keys.Authenticate(ctx, key)
		if err = a.keyProblem(ctx, err, "This key is not valid."); err != nil {
			return nil, err
		}
	}
	token, hash := newToken(sessionPrefix)
	// Whose the session is, is known only after a link was taken: the transaction is the service's.
	err := a.operate(ctx, p.TenantID, func(ch *change) error {
		with := "key"
		if link != "" {
			with = "link"
			var err error
			p, err = a.keys.guarded(c.client, nil, func() (Principal, error) { return a.takeLink(ctx, ch.Queries, link) })
			if err = a.keyProblem(ctx, err, "This link is not valid: it was used, or is too old."); err != nil {
				return err
			}
		}
		id := newID()
		row := sqlc.ConsoleSessionCreateParams{ID: id, TokenHash: hash, LifetimeSeconds: a.cfg.SessionLife.Seconds()}
		row.TenantID, row.KeyID, row.OperatorProof = a.ownerOf(&p, sessionPrefix, hash)
		if err := ch.ConsoleSessionCreate(ctx, row); err != nil {
			return err
		}
		if err := ch.ConsoleSessionTrim(ctx, sqlc.ConsoleSessionTrimParams{KeyID: row.KeyID, Kept: maxSessions}); err != nil {
			return err
		}
		if c.cookie != "" {
			if err := ch.ConsoleSessionDeleteByToken(ctx, hashOf(c.cookie)); err != nil {
				return err
			}
		}
		if link != "" { // the key's name and role are the link's, and are read with its session
			var err error
			if p, _, _, err = a.lookUpSession(ctx, ch.Queries, token); err != nil {
				return err
			}
		}
		if err := a.meterSignIn(&p); err != nil {
			return err
		}
		c.principal, ch.tenant = p, p.TenantID
		return ch.audit("session.create", "session", id.String(), nil, map[string]any{"with": with})
	})
	if err != nil {
		return nil, err
	}
	return &sessionOut{session.SetCookie(c.secure, token, a.cfg.SessionLife)}, nil
}

// ownerOf says whose a session or a link is: a key's of the database, or the operator's.
func (a *API) ownerOf(p *Principal, prefix string, hash []byte) (tenant, key *uuid.UUID, proof []byte) {
	if p.operatorKey != 0 {
		return nil, nil, a.keys.prove(p, proofOf(prefix, hash))
	}
	if p.Role != RoleSuperadmin { // a superadmin's TenantID is only the tenant that the request speaks about
		tenant = &p.TenantID
	}
	return tenant, &p.KeyID, nil
}

// takeLink takes a link out of use and returns whose it is; of a key of the database only its id and tenant. It returns ErrUnknownKey
// for a link that is not valid.
func (a *API) takeLink(ctx context.Context, q *sqlc.Queries, link string) (Principal, error) {
	if !isToken(link, linkPrefix) {
		return Principal{}, ErrUnknownKey
	}
	hash := hashOf(link)
	row, err := q.ConsoleSessionLinkTake(ctx, hash)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && subtle.ConstantTimeCompare(row.TokenHash, hash) != 1 {
		return Principal{}, ErrUnknownKey
	}
	if err != nil {
		return Principal{}, err
	}
	if row.KeyID == nil {
		p, ok := a.keys.proven(row.OperatorProof, proofOf(linkPrefix, hash))
		if !ok {
			return p, ErrUnknownKey
		}
		return p, nil
	}
	p := Principal{KeyID: *row.KeyID, Role: RoleSuperadmin}
	if row.TenantID != nil {
		p.TenantID, p.Role = *row.TenantID, ""
	}
	return p, nil
}

// meterSignIn counts a sign-in against the key's rate, as every other request of the key.
func (a *API) meterSignIn(p *Principal) error {
	if a.cfg.RatePerMinute < 0 {
		return nil
	}
	if s, whose := a.takeRate(p); s.retry > 0 {
		return rateLimited(s, whose)
	}
	return nil
}

func (a *API) sessionGet(ctx context.Context, _ *none) (*found[Session], error) {
	in := callOf(ctx)
	if in.session == nil {
		return nil, noSession()
	}
	p := &in.principal
	ends := in.session.seen.Add(a.cfg.SessionIdle)
	if ends.After(in.session.end) {
		ends = in.session.end
	}
	out := Session{Role: string(p.Role), Scopes: p.permissions(), Key: SessionKey{ID: p.KeyID, Name: p.KeyName}, CSRFToken: csrfToken(in.session.token), ExpiresAt: utc(ends)}
	if p.HasTenant() {
		out.Tenant = &WhoAmITenant{ID: p.TenantID, Slug: p.TenantSlug}
	}
	return &found[Session]{out}, nil
}

func noSession() *Problem { return unauthorized("This request has no session: it came with a key.") }

// permissions are those of a role, by which the console shows what a person may do. Of a key with scopes they are those of which it may use some
// route; which ones its scopes say, beside them.
func (p *Principal) permissions() []string {
	all := []string{}
	for _, of := range []permission{read, inspect, write, execute, admin, operate} {
		if of.allows(p.Role) || p.Role == RoleCustom && slices.ContainsFunc(p.Scopes, func(scope string) bool {
			switch of {
			case read:
				return strings.HasSuffix(scope, ":read")
			case write:
				return strings.HasSuffix(scope, ":write")
			case execute:
				return !strings.HasSuffix(scope, ":read") && !strings.HasSuffix(scope, ":write")
			}
			return false
		}) {
			all = append(all, string(of))
		}
	}
	return append(all, p.Scopes...)
}

type sessionDeleteIn struct {
	All bool `query:"all" doc:"End all sessions of the session's key, in all browsers, and its links that were not used."`
}

func (a *API) sessionDelete(ctx context.Context, in *sessionDeleteIn) (*sessionOut, error) {
	c := callOf(ctx)
	if c.session == nil && !in.All {
		return nil, noSession()
	}
	p := &c.principal
	tenant := p.TenantID
	if p.Role == RoleSuperadmin { // X-Tenant names the audit log of another tenant
		tenant = uuid.Nil
	}
	err := a.operate(ctx, tenant, func(ch *change) error {
		if !in.All {
			if _, err := ch.ConsoleSessionDelete(ctx, c.session.id); err != nil {
				return err
			}
			return ch.audit("session.delete", "session", c.session.id.String(), nil, nil)
		}
		_, key, _ := a.ownerOf(p, sessionPrefix, nil)
		n, err := ch.ConsoleSessionDeleteAll(ctx, key)
		if err != nil {
			return err
		}
		return ch.audit("session.delete_all", "session", p.KeyID.String(), map[string]any{"sessions": n}, nil)
	})
	if err != nil || c.session == nil {
		return &sessionOut{}, err
	}
	return &sessionOut{session.SetCookie(c.secure, "", 0)}, nil
}

// SessionLink is a link that begins one session.
type SessionLink struct {
	Link      string    `json:"link" doc:"The link's secret. It is not shown again."`
	URL       string    `json:"url" doc:"The console's address with the secret in its fragment, which browsers do not send."`
	ExpiresAt time.Time `json:"expires_at"`
}

type sessionLinkOut struct{ Body SessionLink }

func (a *API) sessionLinkCreate(ctx context.Context, _ *none) (*sessionLinkOut, error) {
	in := callOf(ctx)
	p := &in.principal
	link, hash := newToken(linkPrefix)
	out := &sessionLinkOut{}
	tenant := p.TenantID
	if p.Role == RoleSuperadmin {
		tenant = uuid.Nil
	}
	err := a.operate(ctx, tenant, func(c *change) error {
		row := sqlc.ConsoleSessionLinkCreateParams{ID: newID(), TokenHash: hash, LifetimeSeconds: a.cfg.SessionLinkLife.Seconds()}
		row.TenantID, row.KeyID, row.OperatorProof = a.ownerOf(p, linkPrefix, hash)
		expires, err := c.ConsoleSessionLinkCreate(ctx, row)
		if err != nil {
			return err
		}
		if err := c.ConsoleSessionLinkTrim(ctx, sqlc.ConsoleSessionLinkTrimParams{KeyID: row.KeyID, Kept: maxSessionLinks}); err != nil {
			return err
		}
		out.Body = SessionLink{Link: link, URL: consoleURL(in, link), ExpiresAt: utc(expires)}
		return c.audit("session_link.create", "session_link", row.ID.String(), nil, map[string]any{"expires_at": utc(expires)})
	})
	return out, err
}

// consoleURL is the console's address with a link, as the client reaches this node. The operator's link leads to the tenant that the
// request speaks about.
func consoleURL(in *call, link string) string {
	scheme := "http"
	if in.secure {
		scheme = "https"
	}
	fragment := url.Values{"link": {link}}
	if in.principal.Role == RoleSuperadmin && in.principal.HasTenant() {
		fragment.Set("tenant", in.principal.TenantSlug)
	}
	return (&url.URL{Scheme: scheme, Host: in.host, Path: "/console/"}).String() + "#" + fragment.Encode()
}

// pruneSessions deletes sessions and links that have ended.
func (a *API) pruneSessions(ctx context.Context) {
	if err := a.queries.ConsoleSessionPrune(ctx, a.cfg.SessionIdle.Seconds()); err != nil && ctx.Err() == nil {
		a.log.WarnContext(ctx, "sessions not pruned", "error", err)
	}
}

// credential is what a request was let in with, for streams that ask again while they last.
type credential struct {
	bearer string
	token  string // a session's
}

// whose returns who holds a credential, without counting as use of it.
func (a *API) whose(ctx context.Context, c credential) (Principal, error) {
	if c.token != "" {
		p, _, _, err := a.lookUpSession(ctx, a.queries, c.token)
		return p, err
	}
	return a.keys.Authenticate(ctx, c.bearer)
}
