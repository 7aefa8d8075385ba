package engine

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTraceContext(t *testing.T) {
	t.Parallel()
	const valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	read := func(h http.Header) [2]string {
		parent, state := TraceContext(h)
		return [2]string{parent, state}
	}
	require.Equal(t, [2]string{}, read(nil))
	require.Equal(t, [2]string{valid, ""}, read(http.Header{"Traceparent": {valid}}))
	require.Equal(t, [2]string{valid, "a=1,b=2"}, read(http.Header{"Traceparent": {valid}, "Tracestate": {"a=1", "b=2"}}))
	require.Equal(t, [2]string{valid, ""}, read(http.Header{"Traceparent": {valid}, "Tracestate": {"a=" + strings.Repeat("x", 511)}}))
	require.Equal(t, [2]string{"cc" + valid[2:], ""}, read(http.Header{"Traceparent": {"cc" + valid[2:]}}))
	require.Equal(t, [2]string{}, read(http.Header{"Traceparent": {valid, valid}}), "whose is it")
	for _, bad := range []string{
		"", "nonsense", valid[1:], valid + "-x", "ff" + valid[2:], strings.ToUpper(valid), strings.Replace(valid, "-", "_", 1),
		"00-" + strings.Repeat("0", 32) + valid[35:], valid[:36] + strings.Repeat("0", 16) + valid[52:], "zz" + valid[2:],
	} {
		require.Equal(t, [2]string{}, read(http.Header{"Traceparent": {bad}, "Tracestate": {"a=1"}}), bad)
	}
}
