package advisory

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAge(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	require.Equal(t, 563, AgeDays("13.6.233.10-v8go", now))
	require.Equal(t, 68, AgeDays("15.4.80", now), "of its branch")
	require.Equal(t, -1, AgeDays("99.1.2", now))
	require.Equal(t, -1, AgeDays("unknown", now))
	require.Equal(t, 0, AgeDays("15.4.80", now.AddDate(-1, 0, 0)))
	for version := range released {
		_, ok := Released(version)
		require.True(t, ok, version)
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	applying := func(version, jit string) (cves []string) {
		for _, j := range Judge(version, jit) {
			require.NotEmpty(t, j.Why)
			if j.Applies {
				cves = append(cves, j.CVE)
			}
		}
		return cves
	}
	require.Equal(t, []string{"CVE-2025-5419", "CVE-2025-6554", "CVE-2025-10585", "CVE-2025-13223", "CVE-2026-3910", "CVE-2026-11645", "CVE-2026-85046"}, applying("13.6.233.10-v8go", "full"))
	require.Equal(t, []string{"CVE-2025-6554", "CVE-2025-10585", "CVE-2025-13223", "CVE-2026-3910", "CVE-2026-11645", "CVE-2026-85046"}, applying("13.6.233.10", "maglev"))
	require.Equal(t, []string{"CVE-2025-6554", "CVE-2025-10585", "CVE-2026-11645", "CVE-2026-85046"}, applying("13.6.233.10", "off"))
	require.Equal(t, []string{"CVE-2026-11645", "CVE-2026-85046"}, applying("14.8.1", "full"))
	require.Empty(t, applying("15.4.80", "full"))
	require.Len(t, applying("", "full"), 7)
}

func TestLowerJIT(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{"full", "baseline", "baseline"}, {"baseline", "full", "baseline"}, {"off", "maglev", "off"}, {"maglev", "", "maglev"}, {"full", "on", "full"}, {"full", "off", "off"},
	} {
		require.Equal(t, c[2], LowerJIT(c[0], c[1]), c)
	}
}

// SECURITY.md has the list as it is here.
func TestSecurityHasTheList(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../SECURITY.md")
	require.NoError(t, err)
	require.Contains(t, string(text), "\n"+Table()+"\n")
}
