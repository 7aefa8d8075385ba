package session_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/httpapi/session"
)

func TestCookieOfARequest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		secure bool
		header []string
		want   string
	}{
		{false, []string{"jsr_session=a"}, "a"},
		{false, []string{"x=1; jsr_session=a; y=2"}, "a"},
		{false, []string{"jsr_session=a", "jsr_session=a"}, "a"},
		{false, []string{"jsr_session=a; jsr_session=b"}, ""}, // one of them is planted
		{false, []string{"jsr_session="}, ""},
		{false, []string{"JSR_SESSION=a"}, ""},
		{false, []string{"__Host-jsr_session=a"}, ""},
		{true, []string{"__Host-jsr_session=a"}, "a"},
		{true, []string{"__Host-jsr_session=a; jsr_session=planted"}, "a"},
		{true, []string{"jsr_session=planted"}, ""}, // any neighbouring host may set that one
		{true, []string{"__Host-jsr_session=a; __Host-jsr_session=b"}, ""},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Cookie"] = c.header
		got, ok := session.Of(r, c.secure)
		require.Equal(t, c.want != "", ok, "%v", c)
		if ok {
			require.Equal(t, c.want, got, "%v", c)
		}
	}
	require.True(t, session.IsCookie("jsr_session") && session.IsCookie("__HOST-jsr_session") && !session.IsCookie("jsr_sessions"))
}

func TestCookieIsSet(t *testing.T) {
	t.Parallel()
	require.Equal(t, "jsr_session=abc; Path=/; Max-Age=3600; HttpOnly; SameSite=Strict", session.SetCookie(false, "abc", time.Hour))
	require.Equal(t, "__Host-jsr_session=abc; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Strict", session.SetCookie(true, "abc", time.Hour))
	require.Equal(t, "__Host-jsr_session=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict", session.SetCookie(true, "", 0))
}

func TestSameOrigin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		site, origin string
		want         bool
	}{
		{"", "", true}, {"same-origin", "", true}, {"same-origin", "http://console.test:8080", true}, {"", "https://console.test:8080", true},
		{"cross-site", "", false}, {"same-site", "", false}, {"none", "", false}, {"SAME-ORIGIN", "", false}, {"same-origin", "null", false},
		{"", "null", false}, {"", "http://console.test", false}, {"", "http://t.console.test:8080", false}, {"", "http://console.test:8080.evil.test", false},
		{"", "http://evil.test", false}, {"", "file://console.test:8080", false}, {"", "console.test:8080", false}, {"cross-site", "http://console.test:8080", false},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		if c.site != "" {
			r.Header.Set("Sec-Fetch-Site", c.site)
		}
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		require.Equal(t, c.want, session.SameOrigin(r, "console.test:8080"), "%v", c)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header["Sec-Fetch-Site"] = []string{"same-origin", "cross-site"}
	require.False(t, session.SameOrigin(r, "console.test:8080"))
}
