package advisory

import (
	"fmt"
	"slices"
	"strings"
)

// Listed is the day on which the list was made.
const Listed = "2026-11-29"

// Levels of compilation, from most to least, as --jit has them.
var levels = []string{"full", "maglev", "baseline", "off"}

// LowerJIT is the level of compilation that a tenant with a level of its own has on a node with another: the lower of both. A level that
// is none counts as not set.
func LowerJIT(node, tenant string) string {
	n, t := slices.Index(levels, node), slices.Index(levels, tenant)
	if t > n {
		return tenant
	}
	return node
}

// Advisory is a bug of V8 that is known to have been exploited.
type Advisory struct {
	CVE   string `json:"cve"`
	Fixed string `json:"fixed_in"` // branch of V8: all versions before it have the bug
	// Component is the part of V8 that has it; "not published" where that is not known.
	Component string `json:"component"`
	// Mitigated is the first level of compilation that does without the component; empty where none does.
	Mitigated string `json:"mitigated_by_jit,omitempty"`
	// Unreachable says why no script can reach it here; empty where one can.
	Unreachable string `json:"unreachable,omitempty"`
}

// All returns the list, oldest first. Sources: Chrome's release notes, CISA's catalog of exploited vulnerabilities and, for the
// components, the fixes themselves where they are public.
func All() []Advisory {
	const unpublished = "not published"
	return []Advisory{
		{CVE: "CVE-2025-5419", Fixed: "13.7", Component: "TurboFan (elimination of stores)", Mitigated: "maglev"},
		{CVE: "CVE-2025-6554", Fixed: "13.8", Component: "Ignition (a hole that leaks)"},
		{CVE: "CVE-2025-10585", Fixed: "14.0", Component: unpublished},
		{CVE: "CVE-2025-13223", Fixed: "14.2", Component: "TurboFan and Maglev (growing property stores)", Mitigated: "baseline"},
		{CVE: "CVE-2026-3910", Fixed: "14.6", Component: "Maglev (untagged phis)", Mitigated: "baseline"},
		{CVE: "CVE-2026-11645", Fixed: "14.9", Component: unpublished},
		{CVE: "CVE-2026-85046", Fixed: "15.2", Component: unpublished},
		{CVE: "CVE-2026-87491", Fixed: "15.3", Component: "WebAssembly (escape from V8's own sandbox)", Unreachable: "scripts have no WebAssembly"},
	}
}

// Judged is an advisory with what it means for a version of V8 at a level of compilation.
type Judged struct {
	Advisory
	Applies bool   `json:"applies"`
	Why     string `json:"why"`
}

// Judge says what of the list applies to the version at the level.
func Judge(version, jit string) []Judged {
	var out []Judged
	for _, a := range All() {
		j := Judged{Advisory: a}
		switch {
		case !before(version, a.Fixed):
			j.Why = "fixed in " + a.Fixed
		case a.Unreachable != "":
			j.Why = a.Unreachable
		case a.Mitigated != "" && slices.Index(levels, jit) >= slices.Index(levels, a.Mitigated):
			j.Why = "--jit=" + jit + " does without " + a.Component
		default:
			j.Applies, j.Why = true, "fixed in "+a.Fixed
			if a.Mitigated != "" {
				j.Why += "; --jit=" + a.Mitigated + " does without it"
			}
		}
		out = append(out, j)
	}
	return out
}

// Table is the list as SECURITY.md has it.
func Table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| exploited bug (list of %s) | fixed in V8 | component | does not reach it |\n|---|---|---|---|\n", Listed)
	for _, a := range All() {
		without := "nothing here: the operating system's walls hold it"
		switch {
		case a.Unreachable != "":
			without = "any level: " + a.Unreachable
		case a.Mitigated != "":
			i := slices.Index(levels, a.Mitigated)
			without = "`--jit=" + strings.Join(levels[i:], "`, `") + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", a.CVE, a.Fixed, a.Component, without)
	}
	return b.String()
}
