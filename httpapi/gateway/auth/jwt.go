package auth

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/maypok86/otter/v2"

	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/text"
)

const (
	// maxToken bounds a token; larger ones than 8 KiB do not pass most proxies.
	maxToken = 16 << 10
	// rememberedBytes bounds the tokens that are remembered.
	rememberedBytes = 8 << 20
)

// token checks the bearer token of a request, and returns its claims.
func (v *Verifier) token(ctx context.Context, e *catalog.Endpoint, header http.Header) (json.RawMessage, error) {
	raw, err := bearer(header)
	if err != nil {
		return nil, err
	}
	known := tokenKey{e.AuthRule, sha256.Sum256([]byte(raw))}
	now := v.cfg.Now()
	if kept, ok := v.tokens.GetIfPresent(known); ok && v.stands(ctx, e, kept) {
		return kept.claims, inTime(&kept.registered, e.AuthRule, now)
	}
	token, err := parseToken(raw, e.AuthRule)
	if err != nil {
		return nil, err
	}
	found := &knownToken{}
	if e.AuthRule.JWKSURL == "" {
		err = v.byShared(ctx, e, token, found)
	} else {
		err = v.byPublic(ctx, e, token, found)
	}
	if err != nil {
		return nil, err
	}
	if err := judge(found, e.AuthRule, now); err != nil {
		return nil, err
	}
	v.tokens.Set(known, found)
	return found.claims, nil
}

// bearer returns the token of the Authorization header. Its three parts have one spelling each.
func bearer(header http.Header) (string, error) {
	value, err := one(header, "Authorization")
	if err != nil {
		return "", err
	}
	scheme, raw, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "Bearer") || raw == "" {
		return "", refused("The endpoint takes a JSON Web Token as a bearer token.")
	}
	parts := strings.Split(raw, ".")
	if len(raw) > maxToken || len(parts) != 3 {
		return "", errToken
	}
	for _, part := range parts {
		if part == "" || strings.ContainsAny(part, "\r\n") {
			return "", errToken
		}
		if _, err := base64.RawURLEncoding.Strict().DecodeString(part); err != nil {
			return "", errToken
		}
	}
	return raw, nil
}

var (
	errToken     = refused("The bearer token is not a signed JSON Web Token.")
	errAlgorithm = refused("The token is not signed with an algorithm that the endpoint takes.")
	errKey       = refused("The token's key is not among those that the endpoint takes.")
	errForged    = refused("The token's signature does not match.")
)

func parseToken(raw string, rule *catalog.AuthRule) (*jose.JSONWebSignature, error) {
	algorithms := make([]jose.SignatureAlgorithm, len(rule.Algorithms))
	for i, name := range rule.Algorithms {
		algorithms[i] = jose.SignatureAlgorithm(name)
	}
	token, err := jose.ParseSignedCompact(raw, algorithms)
	switch {
	case err != nil && strings.Contains(err.Error(), "unexpected signature algorithm"):
		return nil, errAlgorithm
	case err != nil, len(token.Signatures) != 1:
		return nil, errToken
	case !slices.Contains(rule.Algorithms, token.Signatures[0].Protected.Algorithm):
		return nil, errAlgorithm
	}
	return token, nil
}

// byShared checks a token with the rule's secret.
func (v *Verifier) byShared(ctx context.Context, e *catalog.Endpoint, token *jose.JSONWebSignature, found *knownToken) error {
	secret, err := v.secret(ctx, e)
	if err != nil {
		return err
	}
	key, err := sharedKey(secret)
	if err != nil {
		v.cfg.Log.Warn("the secret of an endpoint's auth is not a key", "tenant_id", e.TenantID, "script_id", e.ScriptID, "secret_name", e.AuthRule.Secret, "error", err)
		return errNoKey
	}
	payload, err := token.Verify(key)
	if err != nil {
		return errForged
	}
	found.payload, found.secret = payload, secret
	return nil
}

// sharedKey is a secret's value as the key of an HMAC. A public key is none: everybody knows it. A short one is filled with zeros, which is
// what HMAC itself does, because the library takes none that is shorter than the hash: how long a shared key is, its owner decides.
func sharedKey(secret string) ([]byte, error) {
	if strings.Contains(secret, "-----BEGIN ") {
		return nil, &secretError{"not a shared key but a key in PEM form; public keys come from a jwks_url"}
	}
	return append([]byte(secret), make([]byte, max(0, sha512.Size-len(secret)))...), nil
}

// byPublic checks a token with the keys of the rule's jwks_url.
func (v *Verifier) byPublic(ctx context.Context, e *catalog.Endpoint, token *jose.JSONWebSignature, found *knownToken) error {
	head := token.Signatures[0].Protected
	set, err := v.keys.of(ctx, e.TenantID, e.AuthRule.JWKSURL, head.KeyID)
	if err != nil {
		return err
	}
	fitting := 0
	for i := range set.keys {
		key := &set.keys[i]
		if head.KeyID != "" && key.KeyID != head.KeyID || !fits(key, head.Algorithm) {
			continue
		}
		if fitting++; fitting > maxTries {
			break
		}
		if payload, err := token.Verify(key.Key); err == nil {
			found.payload, found.set = payload, set
			return nil
		}
	}
	if fitting == 0 {
		return errKey
	}
	return errForged
}

// maxTries is how many keys of a set a token without kid is checked with.
const maxTries = 8

// fits reports whether a key is for an algorithm: by its own alg, its use, its kind and its curve.
func fits(key *jose.JSONWebKey, algorithm string) bool {
	if key.Algorithm != "" && key.Algorithm != algorithm || key.Use != "" && key.Use != "sig" {
		return false
	}
	switch public := key.Key.(type) {
	case *rsa.PublicKey:
		return (strings.HasPrefix(algorithm, "RS") || strings.HasPrefix(algorithm, "PS")) && public.N.BitLen() >= 2048
	case *ecdsa.PublicKey:
		return map[string]string{"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[algorithm] == public.Curve.Params().Name
	case ed25519.PublicKey:
		return algorithm == "EdDSA"
	}
	return false // a shared key is no public one
}

// judge reads the claims of a token whose signature is good.
func judge(found *knownToken, rule *catalog.AuthRule, now time.Time) error {
	claims, err := text.CleanJSON(found.payload)
	if err != nil || !bytes.HasPrefix(bytes.TrimSpace(claims), []byte("{")) {
		return refused("The token's claims are not a JSON object.")
	}
	// This decoder takes no other spelling of a name, and no name twice.
	if err := josejson.Unmarshal(claims, &found.registered); err != nil {
		return refused("The token's registered claims are not of their types.")
	}
	expected := jwt.Expected{Issuer: rule.Issuer, AnyAudience: rule.Audiences, Time: now}
	switch err := found.registered.ValidateWithLeeway(expected, rule.Tolerance); err {
	case nil:
	case jwt.ErrInvalidIssuer:
		return refused("The token's iss is not the endpoint's issuer.")
	case jwt.ErrInvalidAudience:
		return refused("The token's aud is not the endpoint's audience.")
	default:
		return inTime(&found.registered, rule, now)
	}
	found.claims = claims
	found.payload = nil
	return nil
}

// inTime judges exp, nbf and iat.
func inTime(c *jwt.Claims, rule *catalog.AuthRule, now time.Time) error {
	switch c.ValidateWithLeeway(jwt.Expected{Time: now}, rule.Tolerance) {
	case nil:
		return nil
	case jwt.ErrExpired:
		return refused("The token has expired.")
	case jwt.ErrNotValidYet:
		return refused("The token is not valid yet.")
	default:
		return refused("The token was issued in the future.")
	}
}

// tokens remembers tokens that were found good.
type tokens struct {
	*otter.Cache[tokenKey, *knownToken]
}

// tokenKey is a token, as a rule judged it. A changed rule is another one.
type tokenKey struct {
	rule  *catalog.AuthRule
	token [sha256.Size]byte
}

type knownToken struct {
	registered jwt.Claims
	claims     json.RawMessage
	payload    []byte  // until it is judged
	secret     string  // that it was checked with
	set        *keySet // that it was checked with
}

func newTokens() (*tokens, error) {
	cache, err := otter.New(&otter.Options[tokenKey, *knownToken]{
		MaximumWeight: rememberedBytes,
		Weigher: func(_ tokenKey, t *knownToken) uint32 {
			const overhead = 512 // the structs, the registered claims and the cache's own entry, rounded up
			return uint32(len(t.claims)) + overhead
		},
	})
	return &tokens{cache}, err
}

// stands reports whether a token's key is still the rule's.
func (v *Verifier) stands(ctx context.Context, e *catalog.Endpoint, t *knownToken) bool {
	if e.AuthRule.JWKSURL == "" {
		secret, err := v.secret(ctx, e)
		return err == nil && same(secret, t.secret)
	}
	set, err := v.keys.of(ctx, e.TenantID, e.AuthRule.JWKSURL, "")
	return err == nil && set == t.set
}
