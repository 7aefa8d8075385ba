package httpapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/httpapi"
)

// A host is one tenant's. It is judged by its form, by what the operator has, and by who has it already.
func TestEndpointHosts(t *testing.T) {
	t.Parallel()
	n := startNode(t, func(cfg *httpapi.Config) {
		cfg.CheckHost = func(name string) error {
			if name == "console.example.net" {
				return errors.New("is a host of the operator's")
			}
			return nil
		}
	})
	acme, other := n.tenant("acme"), n.tenant("other")
	type m = map[string]any
	web := func(name string, hosts ...any) m {
		return m{"name": name, "type": "http", "http_path": "/" + name, "http_methods": []string{"GET"}, "source": "export default { fetch() { return new Response() } }", "http": m{"hosts": hosts}}
	}
	for host, why := range map[string]string{
		"localhost": "machine itself", "a.localhost": "machine itself", "*.example.com": "wildcard", "a.example.com:80": "port", "127.0.0.1": "address", "host": "whole host name", "a b.example": "not a host name",
		"console.example.net": "is a host of the operator's",
	} {
		require.Contains(t, fmt.Sprint(acme.post("/api/v1/scripts", web("x", host)).refused(422, "validation_failed")), why, host)
	}
	require.Contains(t, fmt.Sprint(acme.post("/api/v1/scripts", web("x", "a.example.com", "A.example.com")).refused(422, "validation_failed")), "body.http.hosts[1]")
	many := make([]any, 21)
	for i := range many {
		many[i] = fmt.Sprintf("h%d.example.com", i)
	}
	acme.post("/api/v1/scripts", web("x", many...)).refused(422, "validation_failed")

	made := acme.post("/api/v1/scripts", web("one", "API.customer.com", "münchen.example")).is(201)
	require.Equal(t, []any{"api.customer.com", "xn--mnchen-3ya.example"}, made.json()["http"].(m)["hosts"])
	at := "/api/v1/scripts/" + made.str("id")
	require.EqualValues(t, 1, acme.patch(at, m{"http": m{"hosts": []string{"api.customer.com", "MÜNCHEN.example"}}}).is(200).json()["version"], "another spelling is no change")
	acme.post("/api/v1/scripts", web("two", "api.customer.com")).is(201) // one tenant's scripts share a host

	refused := other.post("/api/v1/scripts", web("one", "x.example", "api.customer.com")).refused(409, "host_taken")
	require.Contains(t, fmt.Sprint(refused), "api.customer.com")
	theirs := "/api/v1/scripts/" + other.post("/api/v1/scripts", web("one")).is(201).str("id")
	other.patch(theirs, m{"http": m{"hosts": []string{"Api.Customer.com"}}}).refused(409, "host_taken")
	other.post(theirs+"/versions", m{"http": m{"hosts": []string{"localhost"}}}).refused(422, "validation_failed")
	saved := other.post(theirs+"/versions", m{"http": m{"hosts": []string{"api.customer.com"}}}).is(201).json()
	activate := fmt.Sprintf("%s/versions/%v/activate", theirs, saved["version_number"])
	other.post(activate, nil).refused(409, "host_taken") // what is saved takes nothing, and what goes live does
	require.Empty(t, other.get(theirs).is(200).json()["http"].(m)["hosts"])

	// Given up by both scripts, one by change and one by deletion, it is free; the export of its scripts brings it to a new tenant.
	exported := acme.get("/api/v1/export").is(200).json()
	acme.patch(at, m{"http": m{"hosts": nil}}).is(200)
	other.post(activate, nil).refused(409, "host_taken")
	for _, script := range acme.get("/api/v1/scripts").items() {
		if script["name"] == "two" {
			acme.del("/api/v1/scripts/" + script["id"].(string)).is(204)
		}
	}
	other.post(activate, nil).is(200)
	acme.post(at+"/versions/1/restore", nil).refused(409, "host_taken") // the old version names what is another's now
	other.del(theirs).is(204)
	acme.post(at+"/versions/1/restore", nil).is(201)
	acme.del(at).is(204)
	third := n.tenant("third")
	third.post("/api/v1/import", exported).is(200)
	require.Equal(t, []any{"api.customer.com", "xn--mnchen-3ya.example"}, third.get("/api/v1/scripts?name=one").items()[0]["http"].(m)["hosts"])

	// Tenants that take a host at once: one has it.
	var all sync.WaitGroup
	statuses := make([]int, 8)
	for i := range statuses {
		who := acme
		if i%2 == 1 {
			who = other
		}
		all.Go(func() {
			statuses[i] = who.post("/api/v1/scripts", web(fmt.Sprintf("race%d", i), "b.race.example", "a.race.example")).status
		})
	}
	all.Wait()
	won := statuses[0] == http.StatusCreated
	for i, status := range statuses {
		want := map[bool]int{true: 201, false: 409}[won == (i%2 == 0)]
		require.Equal(t, want, status, statuses)
	}
}
