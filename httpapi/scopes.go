package httpapi

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"example.com/jsruntime/engine/catalog"
	"example.com/jsruntime/engine/text"
)

// RoleCustom is of keys that have scopes of their own instead of a role. Whatever asks for a role is not for them.
const RoleCustom Role = "custom"

// invokeScope begins the scope of one script: invoke:NAME.
const invokeScope = "invoke:"

// scopeAreas are the areas of paths that are not called as their first segment.
var scopeAreas = map[string]string{
	"schedules": "scripts", "http-endpoints": "scripts", "event-subscriptions": "scripts", "export": "scripts", "import": "scripts", "comparisons": "scripts",
	"logs": "executions", "activity": "executions", "refusals": "usage", "api-keys": "keys", "audit-log": "audit", "session-links": "sessions", "health": "usage",
}

// scopeOf is the scope that a route asks of a key that has scopes; empty where every key may (known), or none of a tenant (operate). The area is
// the path's first segment, the verb what the method and the permission are about.
func scopeOf(method, path string, p permission) string {
	area, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if named, ok := scopeAreas[area]; ok {
		area = named
	}
	area = strings.ReplaceAll(area, "-", "_")
	switch {
	case p == public, p == known, p == operate:
		return ""
	case method == http.MethodGet:
		return area + ":read"
	case p != execute:
		return area + ":write"
	}
	switch area { // execute
	case "scripts", "executions":
		return "executions:run"
	case "events":
		return "events:publish"
	case "invoke":
		return invokeScope + "*"
	case "run":
		return "run"
	}
	return area + ":run"
}

// grants reports whether a key's scopes have one that a route asks for. name is the script that the route's path names, if it does.
func grants(scopes []string, wanted, name string) bool {
	if slices.Contains(scopes, wanted) {
		return true
	}
	if wanted != invokeScope+"*" {
		return false
	}
	return name != "" && slices.Contains(scopes, invokeScope+name) || slices.Contains(scopes, "executions:run")
}

// HasScope reports whether a key may do what a scope names: by its own scopes, or as its role may. tenantID is the tenant that it is about.
func (p *Principal) HasScope(tenantID uuid.UUID, scope string) bool {
	if p.TenantID != tenantID {
		return false
	}
	if p.Role != RoleCustom {
		return p.Role == RoleAdmin || p.Role == RoleDeveloper || p.Role == RoleSuperadmin || p.Role == RoleViewer && strings.HasSuffix(scope, ":read")
	}
	if name, ok := strings.CutPrefix(scope, invokeScope); ok {
		return grants(p.Scopes, invokeScope+"*", name)
	}
	return slices.Contains(p.Scopes, scope)
}

// mayPass reports whether the principal may use a route; name is that of its path, if there is one.
func (i routeInfo) mayPass(p *Principal, name string) bool {
	if p.Role != RoleCustom {
		return i.permission.allows(p.Role)
	}
	return i.permission == known || i.scope != "" && grants(p.Scopes, i.scope, name)
}

func outOfScope(wanted, name string) *Problem {
	detail := "The key's scopes do not have " + wanted + ", which this asks for."
	if wanted == invokeScope+"*" {
		detail = "The key's scopes have neither " + invokeScope + text.Clip(name, 100) + " nor " + wanted + " nor executions:run, of which this asks for one."
	}
	return newProblem(http.StatusForbidden, "out_of_scope", detail)
}

// scopesOfRole are the scopes for which a role stands, in their order.
func (a *API) scopesOfRole(r Role) []string {
	scopes := map[string]bool{}
	for _, route := range a.routeInfos {
		if route.scope != "" && route.permission.allows(r) {
			scopes[route.scope] = true
		}
	}
	if execute.allows(r) {
		scopes["run"] = true
	}
	return slices.Sorted(maps.Keys(scopes))
}

// scopesOf are a principal's scopes: its own, or those for which its role stands.
func (a *API) scopesOf(p *Principal) []string {
	if p.Role == RoleCustom {
		return p.Scopes
	}
	return a.scopesOfRole(p.Role)
}

// checkScope judges the form of one scope: it must exist.
func (a *API) checkScope(location, scope string) error {
	known := a.scopesOfRole(RoleAdmin)
	if slices.Contains(known, scope) || strings.HasPrefix(scope, invokeScope) && catalog.ScopeForm.MatchString(scope) {
		return nil
	}
	if near := text.Nearest(scope, known); near != "" {
		return invalid(location, "is not a scope; did you mean "+near+"?")
	}
	return invalid(location, "is not a scope; scopes are invoke:NAME, "+strings.Join(known, ", "))
}

// checkScopes judges the scopes of a new key: each must exist, and be one that the caller has.
func (a *API) checkScopes(by *Principal, role string, scopes []string) error {
	switch {
	case len(scopes) > 0 && role != "":
		return invalid("body.scopes", "a key has a role or scopes, and not both")
	case len(scopes) == 0 && role == "":
		return invalid("body.role", "is required where there are no scopes")
	}
	for i, scope := range scopes {
		if err := a.checkScope("body.scopes["+strconv.Itoa(i)+"]", scope); err != nil {
			return err
		}
	}
	if by.Role != RoleCustom {
		return nil
	}
	// A key makes none that may more than itself.
	wanted := scopes
	if role != "" {
		wanted = a.scopesOfRole(Role(role))
	}
	for _, scope := range wanted {
		name, _ := strings.CutPrefix(scope, invokeScope)
		if !slices.Contains(by.Scopes, scope) && (!strings.HasPrefix(scope, invokeScope) || !grants(by.Scopes, invokeScope+"*", name)) {
			return outOfScope(scope, name)
		}
	}
	return nil
}
