package catalog

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Auth says whom an endpoint admits.
type Auth string

// Kinds of Auth.
const (
	AuthNone             Auth = "none"              // any client
	AuthAPIKey           Auth = "api_key"           // clients with a key of the endpoint's tenant
	AuthStandardWebhooks Auth = "standard_webhooks" // senders that sign as standardwebhooks.com says
	AuthStripe           Auth = "stripe"
	AuthGitHub           Auth = "github"
	AuthSlack            Auth = "slack"
	AuthDiscord          Auth = "discord"
	AuthJWT              Auth = "jwt" // clients with a JSON Web Token as a bearer token
)

// Auths are all kinds of Auth.
func Auths() []Auth {
	return []Auth{AuthNone, AuthAPIKey, AuthStandardWebhooks, AuthStripe, AuthGitHub, AuthSlack, AuthDiscord, AuthJWT}
}

// Signed reports whether the sender signs the body, which has to be read before it is known whether the endpoint admits the request.
func (a Auth) Signed() bool {
	switch a {
	case AuthStandardWebhooks, AuthStripe, AuthGitHub, AuthSlack, AuthDiscord:
		return true
	}
	return false
}

// AuthRule is what a kind of Auth needs to know. none needs nothing, and api_key nothing where any key of the tenant will do.
type AuthRule struct {
	// Scope, of api_key, is what the key must have: by its own scopes, or as its role has it. Empty: nothing.
	Scope string
	// Secret names the secret of the tenant that has the key.
	Secret string
	// Tolerance is by how much the time of a signed request may differ from the node's, and for how long the same signed request is not
	// admitted again; of a jwt, by how much the clocks may differ. 0 with github: the same request may come again.
	Tolerance time.Duration
	// Of jwt. JWKSURL has the public keys; empty: Secret has the shared key.
	JWKSURL    string
	Issuer     string   // empty: any
	Audiences  []string // one of them must be among the token's; empty: any
	Algorithms []string // never empty
}

// Tolerances of requests and tokens, in seconds.
const (
	defaultSignedTolerance = 300
	defaultTokenTolerance  = 60
	maxTolerance           = 86400
)

// Algorithms of tokens. Those of a shared key and those of public keys are never allowed together: else a public key, which everybody
// knows, would pass as a shared one.
var (
	sharedAlgorithms = []string{"HS256", "HS384", "HS512"}
	publicAlgorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)

// TokenAlgorithms are all that a jwt may be signed with.
func TokenAlgorithms() []string { return slices.Concat(sharedAlgorithms, publicAlgorithms) }

// SecretName is what a secret may be called.
var SecretName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

// ScopeForm is what a key's scope may look like.
var ScopeForm = regexp.MustCompile(`^(run|[a-z_]{1,50}:[a-z]{1,20}|invoke:(\*|[^\x00-\x20\x7f*]{1,255}))$`)

// authGiven is http.auth as it is stored.
type authGiven struct {
	Type             Auth         `json:"type"`
	Scope            *string      `json:"scope"`
	Secret           *string      `json:"secret"`
	ToleranceSeconds *int64       `json:"tolerance_seconds"`
	JWKSURL          *string      `json:"jwks_url"`
	Issuer           *string      `json:"issuer"`
	Audience         stringOrList `json:"audience"`
	Algorithms       []string     `json:"algorithms"`
}

// rule reads what the kind of Auth needs. An error names the member. A nil rule is one that needs nothing.
func (g *authGiven) rule() (*AuthRule, error) {
	if !slices.Contains(Auths(), g.Type) {
		return nil, fmt.Errorf("http.auth.type: %q is none of the known ones", g.Type)
	}
	for _, member := range []struct {
		name  string
		given bool
		takes bool
	}{
		{"scope", g.Scope != nil, g.Type == AuthAPIKey},
		{"secret", g.Secret != nil, g.Type.Signed() || g.Type == AuthJWT},
		{"tolerance_seconds", g.ToleranceSeconds != nil, g.Type.Signed() || g.Type == AuthJWT},
		{"jwks_url", g.JWKSURL != nil, g.Type == AuthJWT},
		{"issuer", g.Issuer != nil, g.Type == AuthJWT},
		{"audience", g.Audience != nil, g.Type == AuthJWT},
		{"algorithms", g.Algorithms != nil, g.Type == AuthJWT},
	} {
		if member.given && !member.takes {
			return nil, fmt.Errorf("http.auth.%s: not for auth of type %s", member.name, g.Type)
		}
	}
	if g.Type == AuthAPIKey && g.Scope != nil {
		if !ScopeForm.MatchString(*g.Scope) {
			return nil, fmt.Errorf("http.auth.scope: %q is not a scope: area:verb or invoke:NAME", *g.Scope)
		}
		return &AuthRule{Scope: *g.Scope}, nil
	}
	if g.Type == AuthNone || g.Type == AuthAPIKey {
		return nil, nil
	}
	r := &AuthRule{}
	if g.Secret != nil {
		if r.Secret = *g.Secret; !SecretName.MatchString(r.Secret) {
			return nil, fmt.Errorf("http.auth.secret: not the name of a secret")
		}
	}
	if err := g.tolerance(r); err != nil {
		return nil, err
	}
	if g.Type == AuthJWT {
		return r, g.token(r)
	}
	if r.Secret == "" {
		return nil, fmt.Errorf("http.auth.secret: required for auth of type %s", g.Type)
	}
	return r, nil
}

func (g *authGiven) tolerance(r *AuthRule) error {
	seconds, least := int64(defaultSignedTolerance), int64(1)
	if g.Type == AuthJWT {
		seconds, least = defaultTokenTolerance, 0
	}
	if g.Type == AuthGitHub {
		least = 0
	}
	if g.ToleranceSeconds != nil {
		seconds = *g.ToleranceSeconds
	}
	if seconds < least || seconds > maxTolerance {
		return fmt.Errorf("http.auth.tolerance_seconds: %d is not within %d and %d", seconds, least, maxTolerance)
	}
	r.Tolerance = time.Duration(seconds) * time.Second
	return nil
}

// token reads the members of a jwt.
func (g *authGiven) token(r *AuthRule) error {
	if (g.JWKSURL != nil) == (g.Secret != nil) {
		return fmt.Errorf("http.auth: auth of type jwt takes either jwks_url or secret")
	}
	if g.Issuer != nil {
		if r.Issuer = *g.Issuer; r.Issuer == "" {
			return fmt.Errorf("http.auth.issuer: empty; leave it out to admit any")
		}
	}
	if r.Audiences = g.Audience; g.Audience != nil && (len(g.Audience) == 0 || slices.Contains(g.Audience, "")) {
		return fmt.Errorf("http.auth.audience: empty; leave it out to admit any")
	}
	allowed := sharedAlgorithms
	if r.Algorithms = []string{"HS256"}; g.JWKSURL != nil {
		r.JWKSURL = *g.JWKSURL
		u, err := url.Parse(r.JWKSURL)
		if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || len(r.JWKSURL) > 2048 || (u.Scheme != "https" && u.Scheme != "http") {
			return fmt.Errorf("http.auth.jwks_url: not an absolute https URL")
		}
		allowed, r.Algorithms = publicAlgorithms, publicAlgorithms
	}
	if g.Algorithms == nil {
		return nil
	}
	if r.Algorithms = g.Algorithms; len(r.Algorithms) == 0 {
		return fmt.Errorf("http.auth.algorithms: empty; leave it out for the default")
	}
	for _, name := range r.Algorithms {
		if !slices.Contains(allowed, name) {
			with := "secret"
			if g.JWKSURL != nil {
				with = "jwks_url"
			}
			return fmt.Errorf("http.auth.algorithms: %q does not go with %s, which takes %s", name, with, strings.Join(allowed, ", "))
		}
	}
	return nil
}
