package catalog

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestBareRest: /shop/*rest serves /shop too, where no pattern matches it.
func TestBareRest(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		patterns []string
		want     map[string]string // path → pattern; "" is none
	}{
		"alone":           {[]string{"/shop/*rest"}, map[string]string{"/shop": "/shop/*rest", "/shop/": "/shop/*rest", "/sh%6Fp": "/shop/*rest", "/": "", "/shops": "", "/shop%2F": ""}},
		"static":          {[]string{"/shop/*rest", "/shop"}, map[string]string{"/shop": "/shop", "/shop/": "/shop/*rest"}},
		"parameter":       {[]string{"/shop/*rest", "/:page"}, map[string]string{"/shop": "/:page", "/shop/": "/shop/*rest", "/other": "/:page"}},
		"other rest":      {[]string{"/shop/*rest", "/*all"}, map[string]string{"/shop": "/*all", "/shop/a": "/shop/*rest", "/": "/*all"}},
		"below parameter": {[]string{"/:shop/*rest"}, map[string]string{"/a": "/:shop/*rest", "/a/": "/:shop/*rest", "/": "", "//": ""}},
		"two":             {[]string{"/:shop/*rest", "/b/*rest"}, map[string]string{"/a": "/:shop/*rest", "/b": "/b/*rest", "/b/c": "/b/*rest"}},
		"deep":            {[]string{"/a/:b/c/*rest", "/a/x/c/:d"}, map[string]string{"/a/x/c": "/a/:b/c/*rest", "/a/x/c/1": "/a/x/c/:d", "/a/x/c/1/2": "/a/:b/c/*rest", "/a/y/c": "/a/:b/c/*rest"}},
		"longer":          {[]string{"/shop/*rest", "/shop/:id"}, map[string]string{"/shop": "/shop/*rest", "/shop/1": "/shop/:id", "/shop/": "/shop/*rest"}},
		"root":            {[]string{"/*all"}, map[string]string{"/": "/*all", "/a": "/*all"}},
		"encoded pattern": {[]string{"/caf%C3%A9/*rest", "/caf%c3%a9", "/t%C3%A9/:a"}, map[string]string{"/caf%c3%a9": "/caf%c3%a9", "/caf%C3%A9": "/caf%c3%a9", "/caf%C3%A9/x": "/caf%C3%A9/*rest", "/t%c3%a9/1": "/t%C3%A9/:a"}},
	} {
		for path, want := range c.want {
			choice := ""
			if e, _ := routesOf(c.patterns).find("GET", path); e != nil {
				choice = e.Pattern
			}
			require.Equal(t, want, choice, "%s: %s", name, path)
		}
	}
	for _, same := range [][2]string{{"/a/:x", "/a/:y"}, {"/a/*x", "/a/*y"}, {"/caf%C3%A9", "/caf%c3%a9"}, {"/%61", "/a"}, {"/%61/:x", "/a/:y"}} {
		a, _ := Shape(same[0])
		b, _ := Shape(same[1])
		require.Equal(t, a, b, same)
	}
	for _, different := range [][2]string{{"/a/:x", "/a/*x"}, {"/a", "/a/"}, {"/a%2Fb", "/a/b"}, {"/%3Ax/:y", "/:x/:y"}, {"/shop", "/shop/*rest"}} {
		a, _ := Shape(different[0])
		b, _ := Shape(different[1])
		require.NotEqual(t, a, b, different)
	}
}
