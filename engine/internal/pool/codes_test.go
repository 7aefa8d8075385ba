package pool

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCodesAreBounded(t *testing.T) {
	t.Parallel()
	c := newCodes(100)
	program := func(n int) *Program { return &Program{Source: []byte(strings.Repeat("s", n))} }
	a, b, d := program(10), program(10), program(10)
	data := []byte(strings.Repeat("c", 30))
	c.put(a, "", data)
	data[0] = 'x'
	require.Equal(t, strings.Repeat("c", 30), string(c.get(a, "")), "it is a copy")
	require.Nil(t, c.get(a, "--jit=off"))
	require.Nil(t, c.get(b, ""))
	c.put(b, "", data)
	c.get(a, "")
	c.put(d, "", data) // b was not used for longest
	require.NotNil(t, c.get(a, ""))
	require.Nil(t, c.get(b, ""))
	require.NotNil(t, c.get(d, ""))
	c.put(d, "", []byte(strings.Repeat("c", 90)))
	require.Nil(t, c.get(a, ""))
	require.Equal(t, int64(0), c.room)
	c.put(a, "", []byte(strings.Repeat("c", 91))) // has no room at all
	require.Nil(t, c.get(a, ""))
	require.NotNil(t, c.get(d, ""))
	c.drop(d)
	c.drop(d)
	require.Equal(t, int64(100), c.room)
	require.Empty(t, c.of)
	require.Zero(t, c.order.Len())
	c = newCodes(0)
	c.put(a, "", data)
	require.Empty(t, c.of)
}
