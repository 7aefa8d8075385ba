package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/egress"
	"example.com/jsruntime/engine/text"
	"example.com/jsruntime/sqlc"
)

// HTTPSettings say whom the endpoint of a script admits, how often, and which pages of other origins may read its answers.
type HTTPSettings struct {
	Auth      *EndpointAuth      `json:"auth,omitempty"`
	CORS      EndpointCORS       `json:"cors,omitempty"`
	RateLimit *EndpointRateLimit `json:"rate_limit,omitempty"`
	Hosts     *EndpointHosts     `json:"hosts,omitempty" nullable:"true"`
	Async     EndpointAsync      `json:"async,omitempty"`

	Idempotency *EndpointIdempotency `json:"idempotency,omitempty"`
	// Sticky keeps clients on one version.
	Sticky *string `json:"sticky,omitempty" pattern:"^(ip|header:[A-Za-z0-9!#$%&'*+.^_|~-]{1,100})$" nullable:"true" example:"header:X-User" doc:"What keeps a client on one version while another is rolled out: its address (ip) or the value of a header (header:NAME). Without it each request is decided by itself."`
}

// EndpointRateLimit says how many requests an endpoint takes.
type EndpointRateLimit struct {
	Requests int    `json:"requests" minimum:"1" maximum:"1000000" doc:"Over all nodes, of which each takes its part."`
	Per      string `json:"per" enum:"second,minute,hour" doc:"The window, which slides."`
	Key      string `json:"key" minLength:"2" maxLength:"255" example:"ip" doc:"What requests are counted by: ip (before auth; the network of 64 bits of an IPv6 address), header:NAME, claim:NAME of a jwt, or endpoint, which counts all (after auth). Over it: 429 rate_limited with Retry-After; every answer has the RateLimit headers."`
}

// EndpointIdempotency says under which header an endpoint honours idempotency keys.
type EndpointIdempotency struct {
	Header     *string `json:"header,omitempty" maxLength:"100" nullable:"true" example:"Idempotency-Key" doc:"The header that has the key, of at most 255 bytes; Idempotency-Key by default. The same request of the same caller under it gets the first answer again, marked by Idempotent-Replayed: true; another request under it 422 idempotency_key_reused, and one that comes while the first runs 409 idempotency_in_progress. GET, HEAD and OPTIONS have no key. An answer with 429 or 5xx is not kept, so that the client may try again; one of more than 256 KiB is not given again: 409 idempotency_answer_not_kept."`
	TTLSeconds *int64  `json:"ttl_seconds,omitempty" minimum:"1" maximum:"604800" nullable:"true" doc:"How long the answer is kept; a day by default."`
}

// EndpointAsync is a boolean or "prefer".
type EndpointAsync json.RawMessage

// Schema documents EndpointAsync.
func (EndpointAsync) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{
		Description: `Which requests are answered before they run: true: all of them; "prefer": those with Prefer: respond-async; false, the default: none, whatever a client prefers. Such a request hears 202 with Location: /api/v1/executions/{id} once it is in the durable queue; it runs from there with trigger http, and again after a failure as retry says where that is given. A response of the script is kept as the output, whatever its status.`,
		OneOf:       []*huma.Schema{{Type: huma.TypeBoolean}, {Type: huma.TypeString, Enum: []any{"prefer"}}},
		Examples:    []any{"prefer"},
	}
	s.PrecomputeMessages()
	return s
}

// MarshalJSON writes it as it is.
func (a EndpointAsync) MarshalJSON() ([]byte, error) { return json.RawMessage(a).MarshalJSON() }

// UnmarshalJSON keeps its bytes.
func (a *EndpointAsync) UnmarshalJSON(b []byte) error {
	*a = append((*a)[:0], b...)
	return nil
}

// EndpointHosts are host names.
type EndpointHosts []string

// Schema documents EndpointHosts.
func (EndpointHosts) Schema(huma.Registry) *huma.Schema {
	most, one, longest := 20, 1, 253
	s := &huma.Schema{
		Type: huma.TypeArray, MaxItems: &most, Items: &huma.Schema{Type: huma.TypeString, MinLength: &one, MaxLength: &longest}, Nullable: true,
		Description: "Hosts of the customer's own, whose DNS leads here: requests to them reach the endpoint at its http_path, without /t/{slug}. Names of other scripts' endpoints, the console and the API do not exist there. A host belongs to one tenant, whose scripts may share it (else 409 host_taken). What is not ASCII is kept as punycode.",
		Examples:    []any{[]string{"api.customer.com"}},
	}
	s.PrecomputeMessages()
	return s
}

// EndpointAuth says whom an endpoint admits.
type EndpointAuth struct {
	Type             string           `json:"type" enum:"none,api_key,standard_webhooks,stripe,github,slack,discord,jwt" doc:"none: everybody; api_key: who holds a key of the tenant, with the scope where one is asked for (else 403 out_of_scope); jwt: who holds a JSON Web Token, whose claims are ctx.auth; the others: who signs the body as that service does. Whom it does not admit hears 401, and nothing runs."`
	Scope            *string          `json:"scope,omitempty" maxLength:"263" nullable:"true" example:"invoke:checkout" doc:"Of api_key: the scope that the key must have; any key of the tenant will do without it. invoke:NAME is for this: NAME may be any name, and keys with invoke:* have it too."`
	Secret           *string          `json:"secret,omitempty" maxLength:"128" nullable:"true" doc:"The name of the secret with the key: whsec_… of Standard Webhooks and Stripe, the secret of a GitHub webhook, Slack's signing secret, the public key of a Discord application in hexadecimal, the shared key of a jwt."`
	ToleranceSeconds *int             `json:"tolerance_seconds,omitempty" minimum:"0" maximum:"86400" nullable:"true" doc:"By how much a signed time may differ from now, 300 by default; within it the same signed request is admitted once. With github, which signs no time, how long a delivery is not admitted again; 0: it always is. With jwt, by how much the clocks may differ, 60 by default."`
	JWKSURL          *string          `json:"jwks_url,omitempty" maxLength:"2048" nullable:"true" doc:"Of a jwt: where its public keys are, instead of secret. https, unless the operator's allow list names the host."`
	Issuer           *string          `json:"issuer,omitempty" maxLength:"1000" nullable:"true" doc:"Of a jwt: what iss must be."`
	Audience         *TokenAudience   `json:"audience,omitempty" nullable:"false"`
	Algorithms       *TokenAlgorithms `json:"algorithms,omitempty" nullable:"true"`
}

// TokenAudience is a text or a list of texts.
type TokenAudience json.RawMessage

// Schema documents TokenAudience.
func (TokenAudience) Schema(huma.Registry) *huma.Schema {
	most, longest, one := 20, 1000, 1
	word := &huma.Schema{Type: huma.TypeString, MinLength: &one, MaxLength: &longest}
	s := &huma.Schema{Description: "Of a jwt: one of these must be in aud.", OneOf: []*huma.Schema{word, {Type: huma.TypeArray, Items: word, MinItems: &one, MaxItems: &most}}}
	s.PrecomputeMessages()
	return s
}

// MarshalJSON writes it as it is.
func (a TokenAudience) MarshalJSON() ([]byte, error) { return json.RawMessage(a).MarshalJSON() }

// UnmarshalJSON keeps its bytes.
func (a *TokenAudience) UnmarshalJSON(b []byte) error {
	*a = append((*a)[:0], b...)
	return nil
}

// TokenAlgorithms are what a token may be signed with.
type TokenAlgorithms []string

// Schema documents TokenAlgorithms.
func (TokenAlgorithms) Schema(huma.Registry) *huma.Schema {
	all := catalog.TokenAlgorithms()
	most, one := len(all), 1
	word := &huma.Schema{Type: huma.TypeString}
	for _, name := range all {
		word.Enum = append(word.Enum, name)
	}
	s := &huma.Schema{
		Type: huma.TypeArray, Items: word, MinItems: &one, MaxItems: &most, UniqueItems: true,
		Description: "Of a jwt: what it may be signed with. HS256 by default with secret, which takes HS256, HS384 and HS512; with jwks_url the others, all of them by default.",
	}
	s.PrecomputeMessages()
	return s
}

// EndpointCORS is {"origins", "methods", "headers", "expose_headers", "credentials", "max_age_seconds"}, or a boolean: whether any origin may read.
type EndpointCORS json.RawMessage

// Schema documents EndpointCORS.
func (EndpointCORS) Schema(huma.Registry) *huma.Schema {
	most, longest := 100, 255
	word := &huma.Schema{Type: huma.TypeString, MaxLength: &longest}
	words := func(doc string) *huma.Schema {
		return &huma.Schema{Description: doc, OneOf: []*huma.Schema{word, {Type: huma.TypeArray, Items: word, MaxItems: &most}}}
	}
	zero, day := 0.0, 86400.0
	s := &huma.Schema{
		Description: "Which pages of other origins may read the answers. true: all of them.",
		OneOf: []*huma.Schema{{Type: huma.TypeBoolean}, {
			Type: huma.TypeObject, AdditionalProperties: false,
			Properties: map[string]*huma.Schema{
				"origins": words("* by default."), "methods": words("Those of the endpoint by default."),
				"headers": words("Those that the browser asks for by default."), "expose_headers": words(""),
				"credentials":     {Type: huma.TypeBoolean},
				"max_age_seconds": {Type: huma.TypeInteger, Minimum: &zero, Maximum: &day},
			},
		}},
	}
	s.PrecomputeMessages()
	return s
}

// MarshalJSON writes the settings as they are.
func (c EndpointCORS) MarshalJSON() ([]byte, error) { return json.RawMessage(c).MarshalJSON() }

// UnmarshalJSON keeps the settings' bytes.
func (c *EndpointCORS) UnmarshalJSON(b []byte) error {
	*c = append((*c)[:0], b...)
	return nil
}

// EgressRules say where scripts may send data, within what the operator allows.
type EgressRules struct {
	Allow *EgressList `json:"allow,omitempty" nullable:"true"`
	Deny  *EgressList `json:"deny,omitempty" nullable:"true"`
}

// EgressList is a list of hosts and networks.
type EgressList []string

// Schema documents EgressList.
func (EgressList) Schema(huma.Registry) *huma.Schema {
	most, one, longest := egress.MaxEntries, 1, 300
	s := &huma.Schema{
		Type: huma.TypeArray, MaxItems: &most, Items: &huma.Schema{Type: huma.TypeString, MinLength: &one, MaxLength: &longest}, Nullable: true,
		Description: "Of fetch: host names, names below one (*.slack.com), addresses and networks, each with a port (api.stripe.com:443) or for all. allow: nothing else, and nothing at all where it is empty; without it what the tenant may. deny: never, whatever allow has. What the operator refuses stays refused. A refused fetch rejects with a TypeError whose code is egress_denied.",
		Examples:    []any{[]string{"api.stripe.com", "*.slack.com:443", "10.0.0.0/8"}},
	}
	s.PrecomputeMessages()
	return s
}

// checkEgress judges rules as they are stored.
func checkEgress(location string, stored json.RawMessage) error {
	if _, err := egress.Parse(stored); err != nil {
		field, message, _ := strings.Cut(err.Error(), ": ")
		return invalid(location+strings.TrimPrefix(field, "egress"), text.Clip(message, 200))
	}
	return nil
}

// BreakerSettings say what happens after so many failures in a row.
type BreakerSettings struct {
	Failures *int    `json:"failures,omitempty" minimum:"1" maximum:"1000000" nullable:"true" doc:"Failures and timeouts in a row, over all nodes, at which the breaker opens. Required."`
	Action   *string `json:"action,omitempty" enum:"pause,notify" nullable:"true" doc:"pause (the default): the script is paused until its status is changed; notify: the webhook event breaker.opened only."`
}

// RetrySettings say how often executions that failed are tried, and how long after each other.
type RetrySettings struct {
	MaxAttempts  *int     `json:"max_attempts,omitempty" minimum:"1" maximum:"25" nullable:"true" doc:"4 by default."`
	BackoffMS    *int     `json:"backoff_ms,omitempty" minimum:"0" maximum:"3600000" nullable:"true" doc:"After the first attempt; doubles with each. 2000 by default."`
	MaxBackoffMS *int     `json:"max_backoff_ms,omitempty" minimum:"0" maximum:"3600000" nullable:"true" doc:"What it doubles up to; an hour by default."`
	Jitter       *float64 `json:"jitter,omitempty" minimum:"0" maximum:"1" nullable:"true" doc:"The share by which a delay may be shorter or longer; 0.2 by default."`
}

// ScheduleSettings say what happens around the ticks of a schedule.
type ScheduleSettings struct {
	Overlap             *string `json:"overlap,omitempty" enum:"skip,queue_one,allow" nullable:"true" doc:"What becomes of a tick while the one before runs; skip by default."`
	Missed              *string `json:"missed,omitempty" enum:"run_once,skip,run_all" nullable:"true" doc:"What becomes of ticks that no node saw; run_once by default."`
	MissedWindowSeconds *int32  `json:"missed_window_seconds,omitempty" minimum:"0" maximum:"2592000" nullable:"true" doc:"Older ticks are not made up for; 3600 by default."`
	JitterSeconds       *int32  `json:"jitter_seconds,omitempty" minimum:"0" maximum:"3600" nullable:"true" doc:"By how much a tick may be late, so that many do not run at once; 0 by default."`
	RetryLost           *bool   `json:"retry_lost,omitempty" nullable:"true" doc:"Whether a tick whose worker was lost runs again; false by default."`
}

// settingsOf shows the settings that a script of the type has.
func (s *Script) settingsOf(http, retry, schedule json.RawMessage) {
	switch s.Type {
	case "http":
		s.HTTP = &HTTPSettings{Auth: &EndpointAuth{Type: string(catalog.AuthNone)}}
		if options, err := catalog.HTTPOf(http); err != nil {
			s.HTTP.Auth.Type = string(options.Auth) // as the endpoint behaves
		} else {
			_ = json.Unmarshal(http, s.HTTP)
		}
		s.Retry = settingsGiven[RetrySettings](retry)
	case "scheduled":
		shown := scheduleOf(schedule)
		s.Schedule = &shown
		s.Retry = settingsGiven[RetrySettings](retry)
	case "event":
		s.Retry = settingsGiven[RetrySettings](retry)
	}
}

// scheduleOf reads a stored scripts.schedule, with the defaults of what is not there.
func scheduleOf(stored json.RawMessage) ScheduleSettings {
	overlap, missed, window, jitter, retryLost := "skip", "run_once", int32(3600), int32(0), false
	s := ScheduleSettings{Overlap: &overlap, Missed: &missed, MissedWindowSeconds: &window, JitterSeconds: &jitter, RetryLost: &retryLost}
	_ = json.Unmarshal(stored, &s) // what is not there stays
	return s
}

// storedSettings is an object of settings, as it is stored; nil is an empty one.
func storedSettings[T any](given *T) json.RawMessage {
	if given == nil {
		return json.RawMessage("{}")
	}
	raw, _ := json.Marshal(given)
	return mergePatch(nil, raw)
}

// settingsGiven are stored settings as an author gives them; nil where there are none.
func settingsGiven[T any](stored json.RawMessage) *T {
	given := new(T)
	if len(stored) <= 2 || json.Unmarshal(stored, given) != nil {
		return nil
	}
	return given
}

// checkSettings judges a script's settings by its type; the schema has judged their members one by one.
func checkSettings(d *draft) error {
	for _, s := range []struct {
		field  string
		stored json.RawMessage
		types  []string
	}{{"http", d.Http, []string{"http"}}, {"retry", d.Retry, []string{"event", "scheduled", "http"}}, {"schedule", d.Schedule, []string{"scheduled"}}} {
		if len(s.stored) > 2 && !slices.Contains(s.types, d.Type) {
			return invalid("body."+s.field, "not for a script of type "+d.Type)
		}
	}
	if err := checkEgress("body.egress", d.Egress); err != nil {
		return err
	}
	if breaker := settingsGiven[BreakerSettings](d.Breaker); breaker != nil && breaker.Failures == nil {
		return invalid("body.breaker.failures", "is required")
	}
	hosts, err := catalog.CanonicalHosts(d.Http)
	options := catalog.HTTPOptions{}
	if err == nil {
		d.Http = hosts
		options, err = catalog.HTTPOf(d.Http)
	}
	if err != nil {
		field, message, _ := strings.Cut(err.Error(), ": ")
		return invalid("body."+field, text.Clip(message, 200))
	}
	if d.Type == "http" && len(d.Retry) > 2 && options.Async == catalog.AsyncNever {
		return invalid("body.retry", "not for a script of type http without http.async: its client tries again by itself")
	}
	return nil
}

// checkEndpoint judges what of an endpoint's settings stands elsewhere: whether its hosts can be a tenant's, the secret that its auth names, and
// where the keys of its auth come from.
func (a *API) checkEndpoint(ctx context.Context, c *change, d *draft) error {
	options, err := catalog.HTTPOf(d.Http)
	if err != nil {
		return err
	}
	for i, host := range options.Hosts {
		if a.cfg.CheckHost == nil {
			break
		}
		if err := a.cfg.CheckHost(host); err != nil {
			return invalid("body.http.hosts["+strconv.Itoa(i)+"]", text.Clip(host+": "+err.Error(), 300))
		}
	}
	if options.AuthRule == nil {
		return nil
	}
	rule := options.AuthRule
	if rule.Scope != "" {
		return a.checkScope("body.http.auth.scope", rule.Scope)
	}
	if rule.JWKSURL != "" && a.cfg.MayFetchPlain != nil && !a.cfg.MayFetchPlain(rule.JWKSURL) {
		return invalid("body.http.auth.jwks_url", "must be an https URL; http is for hosts that the operator's allow list of fetch names")
	}
	if rule.Secret == "" {
		return nil
	}
	exists, err := c.SecretExists(ctx, sqlc.SecretExistsParams{TenantID: c.tenant, Name: rule.Secret})
	if err == nil && !exists {
		err = invalid("body.http.auth.secret", "the tenant has no secret of this name")
	}
	return err
}

// movedSettings are fields of a script that once stood in its metadata. There they would be read by nothing: a lock would stay open.
var movedSettings = map[string][]string{
	"http":     {"auth", "cors"},
	"retry":    {"max_attempts", "backoff_ms", "max_backoff_ms", "jitter"},
	"schedule": {"overlap", "missed", "missed_window", "missed_window_seconds", "jitter_seconds", "retry_lost"},
}

// checkMetadata refuses settings that are given as metadata, misspelt ones included. All else in metadata is the author's.
func checkMetadata(given Object) error {
	var members map[string]json.RawMessage
	if json.Unmarshal(given.raw(), &members) != nil {
		return nil
	}
	for _, field := range []string{"http", "retry", "schedule"} {
		var settings map[string]json.RawMessage
		if json.Unmarshal(members[field], &settings) != nil {
			continue
		}
		for name := range settings {
			if known := text.Nearest(name, movedSettings[field]); known != "" {
				if known == "missed_window" {
					known = "missed_window_seconds"
				}
				return invalid("body.metadata."+field+"."+text.Clip(name, 80), fmt.Sprintf("metadata is free and read by nothing; did you mean %s? It belongs into the script's own field: body.%s.%s", known, field, known))
			}
		}
	}
	return nil
}
