package gateway

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/jsruntime/engine/catalog"
)

// setCORS sets the headers that a browser wants for the request, and those of a preflight's answer.
func setCORS(h http.Header, endpoint *catalog.Endpoint, r *http.Request, preflight bool) {
	c := endpoint.CORS
	origin := first(r.Header["Origin"])
	all := slices.Contains(c.Origins, "*")
	if !all || c.Credentials {
		h["Vary"] = append(h["Vary"], "Origin")
	}
	switch {
	case origin == "" || !c.Allows(origin):
		return
	case all && !c.Credentials:
		h["Access-Control-Allow-Origin"] = []string{"*"}
	default:
		h["Access-Control-Allow-Origin"] = []string{origin}
		if c.Credentials {
			h["Access-Control-Allow-Credentials"] = []string{"true"}
		}
	}
	if len(c.ExposeHeaders) > 0 {
		h["Access-Control-Expose-Headers"] = []string{strings.Join(c.ExposeHeaders, ", ")}
	}
	if !preflight {
		return
	}
	methods := endpoint.Allow
	if len(c.Methods) > 0 {
		methods = strings.Join(c.Methods, ", ")
	}
	h["Access-Control-Allow-Methods"] = []string{methods}
	asked := first(r.Header["Access-Control-Request-Headers"])
	if len(c.Headers) > 0 {
		asked = strings.Join(c.Headers, ", ")
	}
	if asked != "" {
		h["Access-Control-Allow-Headers"] = []string{asked}
	}
	if c.MaxAge > 0 {
		h["Access-Control-Max-Age"] = []string{strconv.FormatInt(int64(c.MaxAge/time.Second), 10)}
	}
}
