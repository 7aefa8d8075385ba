package webhook

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSign has the vector that Standard Webhooks publishes with its libraries.
func TestSign(t *testing.T) {
	t.Parallel()
	got, err := Sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	require.NoError(t, err)
	require.Equal(t, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", got)
	for _, bad := range []string{"", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%", "whsek_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"} {
		_, err := Sign(bad, "msg", time.Unix(1, 0), nil)
		require.Error(t, err, bad)
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	one, other := NewSecret(), NewSecret()
	require.Empty(t, CheckSecret(one))
	require.NotEqual(t, one, other)
	require.Empty(t, CheckSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
	for _, bad := range []string{"", "whsec_", "whsec_QUJD", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!"} {
		require.NotEmpty(t, CheckSecret(bad), bad)
	}
}

func TestCheckURL(t *testing.T) {
	t.Parallel()
	for url, ok := range map[string]bool{
		"https://ops.example.com/hooks?x=1": true, "http://ops.example.com": true, "https://[2001:db8::1]:8443/": true,
		"": false, "ops.example.com": false, "/hooks": false, "ftp://ops.example.com": false, "https://": false, "https://:443/": false,
		"https://user:pass@ops.example.com": false, "https://ops.example.com/#x": false, "https://ops.example.com/\x00": false, "mailto:a@example.com": false,
	} {
		require.Equal(t, ok, CheckURL(url) == "", url)
	}
}
