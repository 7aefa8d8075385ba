package catalog

import (
	"fmt"
	"net/textproto"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// What requests are counted by.
const (
	RateByIP       = "ip"       // the client's address; of IPv6 its network of 64 bits
	RateByHeader   = "header"   // the value of a header; all requests without it are counted together
	RateByClaim    = "claim"    // a member of the token's claims; all tokens without it are counted together
	RateByEndpoint = "endpoint" // all of the endpoint's
)

// RateLimit is an endpoint's http.rate_limit, over all nodes.
type RateLimit struct {
	Requests int
	Per      time.Duration
	By       string // one of the kinds above
	Name     string // of the header, canonical, or the claim
}

const maxRateRequests = 1_000_000

type rateGiven struct {
	Requests int    `json:"requests"`
	Per      string `json:"per"`
	Key      string `json:"key"`
}

// limit reads the members. An error names one. auth is the endpoint's.
func (g *rateGiven) limit(auth Auth) (*RateLimit, error) {
	r := &RateLimit{Requests: g.Requests}
	if r.Requests < 1 || r.Requests > maxRateRequests {
		return nil, fmt.Errorf("http.rate_limit.requests: %d is not within 1 and %d", r.Requests, maxRateRequests)
	}
	switch g.Per {
	case "second":
		r.Per = time.Second
	case "minute":
		r.Per = time.Minute
	case "hour":
		r.Per = time.Hour
	default:
		return nil, fmt.Errorf("http.rate_limit.per: %q is neither second nor minute nor hour", g.Per)
	}
	r.By, r.Name, _ = strings.Cut(g.Key, ":")
	switch {
	case g.Key == RateByIP, g.Key == RateByEndpoint:
	case r.By == RateByHeader && httpguts.ValidHeaderFieldName(r.Name):
		r.Name = textproto.CanonicalMIMEHeaderKey(r.Name)
	case r.By == RateByClaim && r.Name != "" && len(r.Name) <= 255:
		if auth != AuthJWT {
			return nil, fmt.Errorf("http.rate_limit.key: claim needs auth of type jwt")
		}
	default:
		return nil, fmt.Errorf("http.rate_limit.key: %q is neither ip nor endpoint nor header:NAME nor claim:NAME", g.Key)
	}
	return r, nil
}
