package httpapi

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestGuessesByNetwork(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	g, err := newGuesses(now)
	require.NoError(t, err)
	guesser := netip.MustParseAddr("2001:db8:1:2::1")
	for range guessRate.burst {
		require.ErrorIs(t, g.wrong(guesser, nil, now), ErrUnknownKey)
	}
	var many *TooManyAttemptsError
	// The whole /64 is one network, however the address is written.
	for _, same := range []string{"2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::1%eth0"} {
		require.ErrorAs(t, g.wrong(netip.MustParseAddr(same), nil, now), &many)
		require.Equal(t, time.Second, many.RetryAfter)
	}
	for _, other := range []string{"2001:db8:1:3::1", "192.0.2.1", "::ffff:192.0.2.2"} {
		require.ErrorIs(t, g.wrong(netip.MustParseAddr(other), nil, now), ErrUnknownKey)
	}
	require.ErrorIs(t, g.wrong(netip.Addr{}, nil, now), ErrUnknownKey, "an unknown address is a network of its own")
	require.Equal(t, networkOf(netip.MustParseAddr("::ffff:192.0.2.2")), networkOf(netip.MustParseAddr("192.0.2.2")))

	// A second later there is one more.
	now = now.Add(time.Second)
	require.ErrorIs(t, g.wrong(guesser, nil, now), ErrUnknownKey)
	require.ErrorAs(t, g.wrong(guesser, nil, now), &many)

	// Keys that the node does not know are looked up for such networks too, within a bound of their own.
	looked := 0
	for range 5_000 {
		if err := g.mayLookUp(guesser, now); err == nil {
			looked++
		} else {
			require.ErrorAs(t, err, &many)
		}
	}
	require.Equal(t, strangerRate.burst, looked)
	require.NoError(t, g.mayLookUp(netip.MustParseAddr("192.0.2.9"), now), "others do not feel it")
}

// However many networks guess, and at however many keys, what is kept of them is bounded.
func TestGuessesAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	g, err := newGuesses(now)
	require.NoError(t, err)
	for i := range 3 * guessNetworks {
		addr := netip.AddrFrom16([16]byte{0x20, 1, 13: 0, 5: byte(i), 6: byte(i >> 8), 7: byte(i >> 16)})
		require.True(t, errors.Is(g.wrong(addr, &Principal{KeyID: uuid.New()}, now), ErrUnknownKey))
	}
	g.networks.byKey.CleanUp()
	require.LessOrEqual(t, g.networks.byKey.EstimatedSize(), guessNetworks)
	require.LessOrEqual(t, len(g.period.networks), guessTargets)
	require.LessOrEqual(t, len(g.period.targets), guessTargets)
}
