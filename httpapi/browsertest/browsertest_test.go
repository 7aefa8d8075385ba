package browsertest_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/httpapi/browsertest"
)

// A visitor has cookies of its own, and every host name leads to this machine.
func TestVisitors(t *testing.T) {
	t.Parallel()
	browser := browsertest.Start(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<body>" + r.Host))
	}))
	t.Cleanup(server.Close)
	at, err := url.Parse(server.URL)
	require.NoError(t, err)

	first, second := browser.Visitor(t), browser.Visitor(t)
	for _, host := range []string{"acme.localhost", "a.apps.example.com", "127.0.0.1"} {
		first.Go("http://" + host + ":" + at.Port() + "/")
		require.Equal(t, host+":"+at.Port(), browsertest.Eval[string](first, "document.body.innerText"))
	}
	require.Equal(t, "a=1", browsertest.Eval[string](first, "document.cookie = 'a=1'; Promise.resolve(document.cookie)"))
	second.Go(server.URL)
	require.Empty(t, browsertest.Eval[string](second, "document.cookie"))
}
