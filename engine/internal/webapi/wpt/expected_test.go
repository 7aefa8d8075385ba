package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExpectations(t *testing.T) {
	t.Parallel()
	const list = `
# comment
area url 4
omit url/slow.any.js?*: takes long
fail url/a.any.js?x 2 "pars*": too old
fail url/b*.js 1 "": breaks off
`
	pass, fail := result{Name: "fine"}, func(name string) result { return result{Name: name, Status: 1, Message: "because"} }
	for name, c := range map[string]struct {
		a, b []result
		want []string
	}{
		"as listed": {[]result{pass, fail("parse 1"), fail("parse 2")}, []result{fail("")}, nil},
		"another failure": {
			[]result{fail("fine"), fail("parse 1"), fail("parse 2")}, []result{fail("")}, []string{`unexpected failure: url/a.any.js?x "fine": because`},
		},
		"one more of a kind": {
			[]result{fail("parse 0"), fail("parse 1"), fail("parse 2")}, []result{fail("")},
			[]string{`unexpected failure: line 5 expects 2 failures of url/a.any.js?x "pars*", and there are 3`},
		},
		"a mended one": {
			[]result{pass, pass, fail("parse 2")}, []result{fail("")},
			[]string{`unexpected pass: line 5 expects 2 failures of url/a.any.js?x "pars*", and there are 1`},
		},
		"a subtest that is gone": {[]result{fail("parse 1"), fail("parse 2")}, []result{fail("")}, []string{"url has 3 subtests, and the list expects 4"}},
		"a file without any": {
			[]result{pass, fail("parse 1"), fail("parse 2"), pass}, nil,
			[]string{"url/bc.any.js has no subtest", `unexpected pass: line 6 expects 1 failures of url/b*.js "", and there are 0`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := parseExpectations(list)
			require.NoError(t, err)
			require.Equal(t, c.want, e.compare([]*test{{area: "url", name: "url/a.any.js?x", results: c.a}, {area: "url", name: "url/bc.any.js", results: c.b}}))
			require.True(t, e.omits("url/slow.any.js?1-10"))
			require.False(t, e.omits("url/a.any.js?x"))
		})
	}
}

func TestExpectationsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"omit url/a.any.js", "omit url/a.any.js:", "fail url/a.any.js 1 \"x\"", "fail url/a.any.js 1 \"x\": ", "fail url/a.any.js 0 \"x\": y", "fail url/a.any.js 1 x: y",
		"area url many", "pass url/a.any.js",
	} {
		_, err := parseExpectations(line)
		require.Error(t, err, line)
	}
	list, err := os.ReadFile("expected.txt")
	require.NoError(t, err)
	_, err = parseExpectations(string(list))
	require.NoError(t, err)
}
