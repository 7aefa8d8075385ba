package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/net/http/httpguts"

	"example.com/jsruntime/engine"
)

// CORS is an endpoint's http.cors: which other origins a browser lets read its answers.
type CORS struct {
	Origins       []string // "*" stands for any
	Methods       []string // empty: those of the endpoint
	Headers       []string // request headers; empty: all that the browser asks for
	ExposeHeaders []string
	Credentials   bool
	MaxAge        time.Duration
}

// Allows reports whether origin is among the origins.
func (c *CORS) Allows(origin string) bool {
	return slices.Contains(c.Origins, "*") || slices.Contains(c.Origins, origin)
}

// HTTPOptions are a script's http.
type HTTPOptions struct {
	Auth      Auth
	AuthRule  *AuthRule  // nil: Auth needs none
	CORS      *CORS      // nil: none
	RateLimit *RateLimit // nil: none
	Sticky    Sticky
	Hosts     []string // in their canonical form
	// Idempotency is nil where the endpoint honours no key.
	Idempotency *Idempotency
	Async       Async
}

// Idempotency is an endpoint's http.idempotency.
type Idempotency struct {
	Header string // that has the key, canonical
	TTL    time.Duration
}

// Bounds of http.idempotency.
const (
	defaultIdempotencyHeader = "Idempotency-Key"
	defaultIdempotencyTTL    = 24 * 60 * 60
	maxIdempotencyTTL        = 7 * 24 * 60 * 60
)

type idempotencyGiven struct {
	Header     *string `json:"header"`
	TTLSeconds *int64  `json:"ttl_seconds"`
}

func (g *idempotencyGiven) rule() (*Idempotency, error) {
	header, ttl := defaultIdempotencyHeader, int64(defaultIdempotencyTTL)
	if g.Header != nil {
		header = *g.Header
	}
	if g.TTLSeconds != nil {
		ttl = *g.TTLSeconds
	}
	if !httpguts.ValidHeaderFieldName(header) {
		return nil, fmt.Errorf("http.idempotency.header: %q is not the name of a header", header)
	}
	switch header = textproto.CanonicalMIMEHeaderKey(header); header {
	case "Authorization", "Cookie", "Host", "Content-Length", "Transfer-Encoding", "Connection":
		return nil, fmt.Errorf("http.idempotency.header: %s has a meaning of its own", header)
	}
	if ttl < 1 || ttl > maxIdempotencyTTL {
		return nil, fmt.Errorf("http.idempotency.ttl_seconds: %d is not within 1 and %d", ttl, maxIdempotencyTTL)
	}
	return &Idempotency{Header: header, TTL: time.Duration(ttl) * time.Second}, nil
}

// Async says which requests are answered before they run.
type Async int

// Kinds of Async.
const (
	AsyncNever  Async = iota
	AsyncAsked        // those whose client prefers it: Prefer: respond-async
	AsyncAlways       // all
)

func asyncFrom(raw json.RawMessage) (Async, error) {
	switch string(bytes.TrimSpace(raw)) {
	case "", "null", "false":
		return AsyncNever, nil
	case "true":
		return AsyncAlways, nil
	case `"prefer"`:
		return AsyncAsked, nil
	}
	return AsyncNever, fmt.Errorf("http.async: neither true nor false nor \"prefer\"")
}

// Sticky says what of a request keeps its client on one version while another is rolled out: the zero value nothing, "ip" its address,
// "header:NAME" the value of a header.
type Sticky string

var stickyForm = regexp.MustCompile(`^(ip|header:[A-Za-z0-9!#$%&'*+.^_|~-]{1,100})$`)

// Header is the header's name in canonical form; empty: no header is asked.
func (s Sticky) Header() string {
	if name, ok := strings.CutPrefix(string(s), "header:"); ok {
		return textproto.CanonicalMIMEHeaderKey(name)
	}
	return ""
}

// Endpoint is a live endpoint of a tenant. It is shared and never changed.
type Endpoint struct {
	TenantID         uuid.UUID
	TenantSlug       string
	OrganizationID   uuid.UUID
	ScriptID         uuid.UUID
	ScriptName       string
	Version          int // the live one
	Rollout          Rollout
	Sticky           Sticky
	Pattern          string   // http_path
	Methods          []string // as the script's author gave them, in capitals
	Allow            string   // value of an Allow header
	Auth             Auth
	AuthRule         *AuthRule // nil: Auth needs none
	CORS             *CORS
	RateLimit        *RateLimit   // nil: none
	Idempotency      *Idempotency // nil: no key is honoured
	Async            Async
	Hosts            []string // beside the tenant's own: requests to them reach this endpoint too
	Limits           engine.Limits
	QuarantinedUntil time.Time // zero: not quarantined

	createdAt time.Time
	names     []string // of the parameters, in order
	any       bool
	method    *MethodError
}

// allows reports whether the endpoint answers the method, HEAD by its GET included.
func (e *Endpoint) allows(method string) bool {
	if e.any || slices.Contains(e.Methods, method) {
		return true
	}
	return method == "HEAD" && slices.Contains(e.Methods, "GET")
}

// finish fills what is derived from the rest.
func (e *Endpoint) finish() {
	for i, m := range e.Methods {
		e.Methods[i] = strings.ToUpper(m)
	}
	e.any = slices.Contains(e.Methods, "*")
	allow := slices.Clone(e.Methods)
	if e.any {
		allow = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
	}
	if slices.Contains(allow, "GET") && !slices.Contains(allow, "HEAD") {
		allow = append(allow, "HEAD")
	}
	if e.CORS != nil && !slices.Contains(allow, "OPTIONS") {
		allow = append(allow, "OPTIONS")
	}
	slices.Sort(allow)
	e.Allow = strings.Join(slices.Compact(allow), ", ")
	e.method = &MethodError{Allow: e.Allow}
	e.names = nil
	for _, segment := range strings.Split(e.Pattern, "/") {
		switch {
		case strings.HasPrefix(segment, ":"):
			e.names = append(e.names, segment[1:])
		case strings.HasPrefix(segment, "*"):
			e.names = append(e.names, segment[1:])
			return // nothing can follow
		}
	}
}

// HTTPOf reads a stored scripts.http. An error names the member; the endpoint then asks for a key, because its author may have wanted a lock:
//
//	{"auth": {"type": "none"}
//	       | {"type": "api_key", "scope": "invoke:checkout"}
//	       | {"type": "standard_webhooks" | "stripe" | "github" | "slack" | "discord", "secret": "NAME", "tolerance_seconds": 300}
//	       | {"type": "jwt", "jwks_url": "https://…" | "secret": "NAME", "issuer": "…", "audience": "…" | […], "algorithms": […],
//	          "tolerance_seconds": 60},
//	 "rate_limit": {"requests": 100, "per": "second" | "minute" | "hour", "key": "ip" | "header:NAME" | "claim:NAME" | "endpoint"},
//	 "cors": true | {"origins": ["https://…"] | "*", "methods": […], "headers": […], "expose_headers": […],
//	                 "credentials": false, "max_age_seconds": 600},
//	 "sticky": "ip" | "header:NAME",
//	 "hosts": ["api.example.com"],
//	 "idempotency": {"header": "Idempotency-Key", "ttl_seconds": 86400},
//	 "async": false | true | "prefer"}
func HTTPOf(stored json.RawMessage) (HTTPOptions, error) {
	if len(stored) <= 2 {
		return HTTPOptions{Auth: AuthNone}, nil
	}
	closed := HTTPOptions{Auth: AuthAPIKey}
	var given struct {
		Auth      *authGiven      `json:"auth"`
		CORS      json.RawMessage `json:"cors"`
		RateLimit *rateGiven      `json:"rate_limit"`
		Sticky    Sticky          `json:"sticky"`
		Hosts     []string        `json:"hosts"`
		Async     json.RawMessage `json:"async"`

		Idempotency *idempotencyGiven `json:"idempotency"`
	}
	if err := strictly(stored, &given); err != nil {
		return closed, fmt.Errorf("http: %w", err)
	}
	options := HTTPOptions{Auth: AuthNone}
	var err error
	if given.Auth != nil {
		options.Auth = given.Auth.Type
		if options.AuthRule, err = given.Auth.rule(); err != nil {
			return closed, err
		}
	}
	if given.RateLimit != nil {
		if options.RateLimit, err = given.RateLimit.limit(options.Auth); err != nil {
			return closed, err
		}
	}
	if options.Sticky = given.Sticky; options.Sticky != "" && !stickyForm.MatchString(string(options.Sticky)) {
		return closed, fmt.Errorf("http.sticky: %q is neither \"ip\" nor \"header:NAME\"", options.Sticky)
	}
	if options.Hosts = given.Hosts; len(given.Hosts) > 0 {
		if err := checkHosts(given.Hosts); err != nil {
			return closed, err
		}
	}
	if given.Idempotency != nil {
		if options.Idempotency, err = given.Idempotency.rule(); err != nil {
			return closed, err
		}
	}
	if options.Async, err = asyncFrom(given.Async); err != nil {
		return closed, err
	}
	if options.CORS, err = corsFrom(given.CORS); err != nil {
		return closed, fmt.Errorf("http.cors: %w", err)
	}
	return options, nil
}

// strictly decodes JSON and refuses members that into does not have.
func strictly(raw json.RawMessage, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

func corsFrom(raw json.RawMessage) (*CORS, error) {
	switch string(raw) {
	case "", "null", "false":
		return nil, nil
	case "true":
		return &CORS{Origins: []string{"*"}}, nil
	}
	var given struct {
		Origins       stringOrList `json:"origins"`
		Methods       stringOrList `json:"methods"`
		Headers       stringOrList `json:"headers"`
		ExposeHeaders stringOrList `json:"expose_headers"`
		Credentials   bool         `json:"credentials"`
		MaxAgeSeconds int64        `json:"max_age_seconds"`
	}
	if err := strictly(raw, &given); err != nil {
		return nil, err
	}
	if given.MaxAgeSeconds < 0 || given.MaxAgeSeconds > 86400 {
		return nil, fmt.Errorf("max_age_seconds: %d is not within 0 and 86400", given.MaxAgeSeconds)
	}
	cors := &CORS{
		Origins: given.Origins, Methods: given.Methods, Headers: given.Headers, ExposeHeaders: given.ExposeHeaders,
		Credentials: given.Credentials, MaxAge: time.Duration(given.MaxAgeSeconds) * time.Second,
	}
	if len(cors.Origins) == 0 {
		cors.Origins = []string{"*"}
	}
	if cors.Credentials && slices.Contains(cors.Origins, "*") {
		return nil, fmt.Errorf("credentials: need origins that are named")
	}
	for _, list := range [][]string{cors.Origins, cors.Methods, cors.Headers, cors.ExposeHeaders} {
		for _, word := range list {
			if word == "" || strings.ContainsFunc(word, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ',' }) {
				return nil, fmt.Errorf("%q cannot stand in a header", word)
			}
		}
	}
	return cors, nil
}

type stringOrList []string

func (s *stringOrList) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*s = []string{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(s))
}
