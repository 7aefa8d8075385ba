package cron_test

import (
	"os"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/adhocore/gronx"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"example.com/jsruntime/scheduler/cron"
)

const layout = "2006-01-02 15:04:05 -0700"

// TestNextThroughClockChanges is the table of daylight saving time: every row was checked by hand against the zone's rules.
func TestNextThroughClockChanges(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, expr, zone, after string
		want                    []string
	}{
		{"Berlin gap, fixed", "30 2 * * *", "Europe/Berlin", "2026-03-28 00:00:00 +0100",
			[]string{"2026-03-28 02:30:00 +0100", "2026-03-29 03:00:00 +0200", "2026-03-30 02:30:00 +0200"}},
		{"Berlin fold, fixed", "30 2 * * *", "Europe/Berlin", "2026-10-24 03:00:00 +0200",
			[]string{"2026-10-25 02:30:00 +0200", "2026-10-26 02:30:00 +0100"}},
		{"Berlin fold, asked within the second pass", "30 2 * * *", "Europe/Berlin", "2026-10-25 02:10:00 +0100",
			[]string{"2026-10-26 02:30:00 +0100"}},
		{"Berlin fold, asked within the first pass, after it", "30 2 * * *", "Europe/Berlin", "2026-10-25 02:40:00 +0200",
			[]string{"2026-10-26 02:30:00 +0100"}},
		{"New York gap, fixed", "30 2 * * *", "America/New_York", "2026-03-07 12:00:00 -0500",
			[]string{"2026-03-08 03:00:00 -0400", "2026-03-09 02:30:00 -0400"}},
		{"New York fold, fixed", "30 1 * * *", "America/New_York", "2026-10-31 12:00:00 -0400",
			[]string{"2026-11-01 01:30:00 -0400", "2026-11-02 01:30:00 -0500"}},
		{"New York, 02:30 on the day of the fold is no fold", "30 2 * * *", "America/New_York", "2026-10-31 12:00:00 -0400",
			[]string{"2026-11-01 02:30:00 -0500", "2026-11-02 02:30:00 -0500"}},
		{"two fixed times in one gap are one tick", "15,45 2 * * *", "Europe/Berlin", "2026-03-29 00:00:00 +0100",
			[]string{"2026-03-29 03:00:00 +0200", "2026-03-30 02:15:00 +0200"}},
		{"a fixed time at the gap's end joins it", "0 2,3 * * *", "Europe/Berlin", "2026-03-29 00:00:00 +0100",
			[]string{"2026-03-29 03:00:00 +0200", "2026-03-30 02:00:00 +0200", "2026-03-30 03:00:00 +0200"}},
		{"Lord Howe's half hour gap", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03 12:00:00 +1030",
			[]string{"2026-10-04 02:30:00 +1100", "2026-10-05 02:15:00 +1100"}},
		{"Lord Howe's half hour fold", "45 1 * * *", "Australia/Lord_Howe", "2026-04-04 12:00:00 +1100",
			[]string{"2026-04-05 01:45:00 +1100", "2026-04-06 01:45:00 +1030"}},
		{"Havana's midnight gap", "0 0 * * *", "America/Havana", "2026-03-07 12:00:00 -0500",
			[]string{"2026-03-08 01:00:00 -0400", "2026-03-09 00:00:00 -0400"}},
		{"Havana's midnight fold", "30 0 * * *", "America/Havana", "2026-10-31 12:00:00 -0400",
			[]string{"2026-11-01 00:30:00 -0400", "2026-11-02 00:30:00 -0500"}},
		{"Casablanca's Ramadan fold", "30 2 * * *", "Africa/Casablanca", "2026-02-14 12:00:00 +0100",
			[]string{"2026-02-15 02:30:00 +0100", "2026-02-16 02:30:00 +0000"}},
		{"Casablanca's Ramadan gap", "30 2 * * *", "Africa/Casablanca", "2026-03-21 12:00:00 +0000",
			[]string{"2026-03-22 03:00:00 +0100", "2026-03-23 02:30:00 +0100"}},
		{"Apia, a whole day in the gap", "30 10 * * *", "Pacific/Apia", "2011-12-29 00:00:00 -1000",
			[]string{"2011-12-29 10:30:00 -1000", "2011-12-31 00:00:00 +1400", "2011-12-31 10:30:00 +1400"}},
		{"*/15 through Berlin's gap", "*/15 * * * *", "Europe/Berlin", "2026-03-29 01:30:00 +0100",
			[]string{"2026-03-29 01:45:00 +0100", "2026-03-29 03:00:00 +0200", "2026-03-29 03:15:00 +0200"}},
		{"*/15 through Berlin's fold", "*/15 * * * *", "Europe/Berlin", "2026-10-25 02:30:00 +0200",
			[]string{"2026-10-25 02:45:00 +0200", "2026-10-25 02:00:00 +0100", "2026-10-25 02:15:00 +0100"}},
		{"*/15 through New York's fold", "*/15 * * * *", "America/New_York", "2026-11-01 01:40:00 -0400",
			[]string{"2026-11-01 01:45:00 -0400", "2026-11-01 01:00:00 -0500"}},
		{"*/15 through New York's gap", "*/15 * * * *", "America/New_York", "2026-03-08 01:40:00 -0500",
			[]string{"2026-03-08 01:45:00 -0500", "2026-03-08 03:00:00 -0400"}},
		{"*/15 through Lord Howe's gap", "*/15 * * * *", "Australia/Lord_Howe", "2026-10-04 01:40:00 +1030",
			[]string{"2026-10-04 01:45:00 +1030", "2026-10-04 02:30:00 +1100", "2026-10-04 02:45:00 +1100"}},
		{"*/15 through Lord Howe's fold", "*/15 * * * *", "Australia/Lord_Howe", "2026-04-05 01:40:00 +1100",
			[]string{"2026-04-05 01:45:00 +1100", "2026-04-05 01:30:00 +1030", "2026-04-05 01:45:00 +1030", "2026-04-05 02:00:00 +1030"}},
		{"*/15 through Havana's gap", "*/15 * * * *", "America/Havana", "2026-03-07 23:40:00 -0500",
			[]string{"2026-03-07 23:45:00 -0500", "2026-03-08 01:00:00 -0400"}},
		{"*/15 through Casablanca's fold", "*/15 * * * *", "Africa/Casablanca", "2026-02-15 02:50:00 +0100",
			[]string{"2026-02-15 02:00:00 +0000", "2026-02-15 02:15:00 +0000"}},
		{"hourly keeps its rhythm in the fold", "@hourly", "Europe/Berlin", "2026-10-25 01:30:00 +0200",
			[]string{"2026-10-25 02:00:00 +0200", "2026-10-25 02:00:00 +0100", "2026-10-25 03:00:00 +0100"}},
		{"wildcard hour keeps its rhythm in the gap", "20 * * * *", "Europe/Berlin", "2026-03-29 01:00:00 +0100",
			[]string{"2026-03-29 01:20:00 +0100", "2026-03-29 03:20:00 +0200"}},
		{"seconds through the gap", "*/20 * * * * *", "Europe/Berlin", "2026-03-29 01:59:30 +0100",
			[]string{"2026-03-29 01:59:40 +0100", "2026-03-29 03:00:00 +0200"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, upcoming(t, tc.expr, tc.zone, tc.after, len(tc.want)))
		})
	}
}

func TestNext(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, expr, after string
		want              []string
	}{
		{"strictly after", "0 12 * * *", "2026-01-01 12:00:00 +0000", []string{"2026-01-02 12:00:00 +0000"}},
		{"leap day", "0 0 29 2 *", "2026-01-01 00:00:00 +0000", []string{"2028-02-29 00:00:00 +0000", "2032-02-29 00:00:00 +0000"}},
		{"leap day across 2100", "0 0 29 2 *", "2096-03-01 00:00:00 +0000", []string{"2104-02-29 00:00:00 +0000"}},
		{"day of month with day of week: either", "0 0 13 * 5", "2026-02-01 00:00:00 +0000",
			[]string{"2026-02-06 00:00:00 +0000", "2026-02-13 00:00:00 +0000", "2026-02-20 00:00:00 +0000", "2026-02-27 00:00:00 +0000", "2026-03-06 00:00:00 +0000", "2026-03-13 00:00:00 +0000"}},
		{"starred day of month with day of week: both", "0 0 */2 * 5", "2026-02-01 00:00:00 +0000",
			[]string{"2026-02-13 00:00:00 +0000", "2026-02-27 00:00:00 +0000"}},
		{"the 31st", "0 0 31 * *", "2026-02-01 00:00:00 +0000", []string{"2026-03-31 00:00:00 +0000", "2026-05-31 00:00:00 +0000"}},
		{"last day", "0 0 L * *", "2026-02-01 00:00:00 +0000", []string{"2026-02-28 00:00:00 +0000", "2026-03-31 00:00:00 +0000"}},
		{"nearest weekday", "0 0 15W * *", "2026-02-01 00:00:00 +0000", []string{"2026-02-16 00:00:00 +0000", "2026-03-16 00:00:00 +0000"}},
		{"last Friday", "0 0 * * 5L", "2026-02-01 00:00:00 +0000", []string{"2026-02-27 00:00:00 +0000", "2026-03-27 00:00:00 +0000"}},
		{"second Tuesday", "0 0 * * TUE#2", "2026-02-01 00:00:00 +0000", []string{"2026-02-10 00:00:00 +0000", "2026-03-10 00:00:00 +0000"}},
		{"names, ranges, lists and steps", "10-30/10 9,17 * jan-mar mon-fri", "2026-03-31 17:20:00 +0000",
			[]string{"2026-03-31 17:30:00 +0000", "2027-01-01 09:10:00 +0000"}},
		{"Sunday is 7 too", "0 0 * * 7", "2026-02-02 00:00:00 +0000", []string{"2026-02-08 00:00:00 +0000"}},
		{"step from a start", "5/20 * * * *", "2026-02-02 00:00:00 +0000", []string{"2026-02-02 00:05:00 +0000", "2026-02-02 00:25:00 +0000", "2026-02-02 00:45:00 +0000", "2026-02-02 01:05:00 +0000"}},
		{"six fields", "30 0 0 1 1 *", "2026-02-02 00:00:00 +0000", []string{"2027-01-01 00:00:30 +0000"}},
		{"every second", "* * * * * *", "2026-02-02 00:00:59 +0000", []string{"2026-02-02 00:01:00 +0000", "2026-02-02 00:01:01 +0000"}},
		{"@yearly", "@yearly", "2026-02-02 00:00:00 +0000", []string{"2027-01-01 00:00:00 +0000"}},
		{"@monthly", "@monthly", "2026-02-02 00:00:00 +0000", []string{"2026-03-01 00:00:00 +0000"}},
		{"@weekly", "@weekly", "2026-02-02 00:00:00 +0000", []string{"2026-02-08 00:00:00 +0000"}},
		{"@daily", "@daily", "2026-02-02 00:00:00 +0000", []string{"2026-02-03 00:00:00 +0000"}},
		{"@midnight", "@Midnight", "2026-02-02 00:00:00 +0000", []string{"2026-02-03 00:00:00 +0000"}},
		{"@hourly", "@hourly", "2026-02-02 00:00:00 +0000", []string{"2026-02-02 01:00:00 +0000"}},
		{"spaces around and between", "  0   0\t* * *  ", "2026-02-02 00:00:00 +0000", []string{"2026-02-03 00:00:00 +0000"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, upcoming(t, tc.expr, "UTC", tc.after, len(tc.want)))
		})
	}
}

func TestNextIgnoresFractions(t *testing.T) {
	t.Parallel()
	s, err := cron.Parse("* * * * * *", "UTC")
	require.NoError(t, err)
	for _, nanos := range []int{0, 1, 500_000_000, 999_999_999} {
		next, ok := s.Next(time.Date(2026, 1, 1, 0, 0, 0, nanos, time.UTC))
		require.True(t, ok)
		require.Equal(t, time.Date(2026, 1, 1, 0, 0, 1, 0, time.UTC), next)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for expr, field := range map[string]string{
		"":                                       "cron_expression",
		"   ":                                    "cron_expression",
		"* * * *":                                "cron_expression",
		"* * * * * * *":                          "cron_expression",
		"60 * * * *":                             "cron_expression",
		"* 24 * * *":                             "cron_expression",
		"* * 0 * *":                              "cron_expression",
		"* * 32 * *":                             "cron_expression",
		"* * * 13 *":                             "cron_expression",
		"* * * * 8":                              "cron_expression",
		"* * * * * 2027":                         "cron_expression",
		"0 0 30 2 *":                             "cron_expression",
		"0 0 31 4,6 *":                           "cron_expression",
		"*/0 * * * *":                            "cron_expression",
		"-1 * * * *":                             "cron_expression",
		"5-1 * * * *":                            "cron_expression",
		"1-2-3 * * * *":                          "cron_expression",
		"1,,2 * * * *":                           "cron_expression",
		"1, * * * *":                             "cron_expression",
		"MON * * * *":                            "cron_expression",
		"* * * MON *":                            "cron_expression",
		"L * * * *":                              "cron_expression",
		"W * * * *":                              "cron_expression",
		"* * W * *":                              "cron_expression",
		"0 0 32W * *":                            "cron_expression",
		"* * * * #2":                             "cron_expression",
		"0 0 * * 1#6":                            "cron_expression",
		"TZ=":                                    "cron_expression",
		"TZ=0":                                   "cron_expression",
		"TZ=UTC * * * * *":                       "cron_expression",
		"CRON_TZ=America/New_York":               "cron_expression",
		"cron_tz=Europe/Berlin 0 0 * * *":        "cron_expression",
		"@reboot":                                "cron_expression",
		"@every 5m":                              "cron_expression",
		"@":                                      "cron_expression",
		"a b c d e":                              "cron_expression",
		"\x00 * * * *":                           "cron_expression",
		"* * * * * " + strings.Repeat(",1", 200): "cron_expression",
		strings.Repeat("*", 256):                 "cron_expression",
	} {
		_, err := cron.Parse(expr, "UTC")
		var refused *cron.Error
		require.ErrorAs(t, err, &refused, "%q", expr)
		require.Equal(t, field, refused.Field)
		require.NotEmpty(t, refused.Message)
	}
	for _, zone := range []string{"Local", "Mars/Olympus", "localtime", "posixrules", "Factory", "posix/UTC", "europe/berlin", "../etc/passwd", "/etc/localtime", "right/UTC", "Europe/Berlin\x00", strings.Repeat("A", 101), "+01:00", "zone.tab"} {
		_, err := cron.Parse("* * * * *", zone)
		var refused *cron.Error
		require.ErrorAs(t, err, &refused, "%q", zone)
		require.Equal(t, "timezone", refused.Field)
	}
	_, ok := cron.Schedule{}.Next(time.Now())
	require.False(t, ok, "the zero schedule never falls due")
}

// Names that only old systems use are taken as well as the current ones.
func TestZonesHaveAliases(t *testing.T) {
	t.Parallel()
	zones := cron.Zones()
	require.Greater(t, len(zones), 550)
	require.IsNonDecreasing(t, zones)
	for _, zone := range []string{"UTC", "GMT", "US/Eastern", "EST5EDT", "Asia/Calcutta", "Asia/Kolkata", "Europe/Kyiv", "Europe/Kiev", "Etc/GMT+5", "America/Argentina/Buenos_Aires"} {
		require.Contains(t, zones, zone)
		_, err := cron.Parse("0 0 * * *", zone)
		require.NoError(t, err)
	}
	for _, zone := range zones {
		_, err := time.LoadLocation(zone)
		require.NoError(t, err)
	}
}

// TestEveryZoneKeepsTheRule checks, for every zone and within 48 h of every one of its clock changes, the ticks against an
// oracle that walks real time minute by minute and asks gronx about what the clock shows.
func TestEveryZoneKeepsTheRule(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/zones.txt")
	require.NoError(t, err)
	type change struct {
		zone string
		at   time.Time
	}
	var changes []change
	for _, zone := range strings.Fields(string(raw)) {
		loc, err := time.LoadLocation(zone)
		require.NoError(t, err, zone)
		for at := time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC); at.Year() < 2038; {
			_, end := at.In(loc).ZoneBounds()
			if end.IsZero() {
				break
			}
			if end.Unix()%60 == 0 { // the oracle walks minutes; Liberia left local mean time at a second
				changes = append(changes, change{zone, end})
			}
			at = end
		}
	}
	require.Greater(t, len(changes), 10_000)

	rapid.Check(t, func(rt *rapid.T) {
		c := changes[rapid.IntRange(0, len(changes)-1).Draw(rt, "change")]
		rt.Logf("%s at %s", c.zone, c.at.UTC())
		loc, _ := time.LoadLocation(c.zone)
		field := func(name string, low, high int) string {
			return rapid.OneOf(
				rapid.Just("*"),
				rapid.Custom(func(t *rapid.T) string { return "*/" + strconv.Itoa(rapid.IntRange(2, 30).Draw(t, "step")) }),
				rapid.Custom(func(t *rapid.T) string { return strconv.Itoa(rapid.IntRange(low, high).Draw(t, "value")) }),
				rapid.Custom(func(t *rapid.T) string {
					return strconv.Itoa(rapid.IntRange(low, high).Draw(t, "a")) + "," + strconv.Itoa(rapid.IntRange(low, high).Draw(t, "b"))
				}),
			).Draw(rt, name)
		}
		expr := field("minute", 0, 59) + " " + field("hour", 0, 23) + " * * " + rapid.SampledFrom([]string{"*", "*", "1-5", "0"}).Draw(rt, "weekday")
		s, err := cron.Parse(expr, c.zone)
		require.NoError(rt, err, expr)

		from, to := c.at.Add(-48*time.Hour), c.at.Add(48*time.Hour)
		want := oracle(expr, loc, from, to)
		var got []string
		for at := from; ; {
			next, ok := s.Next(at)
			require.True(rt, ok)
			require.True(rt, next.After(at), "ticks go forward")
			if next.After(to) {
				break
			}
			got = append(got, next.In(loc).Format(layout))
			at = next
		}
		require.Equal(rt, want, got, "%s in %s", expr, c.zone)

		// Asked at any instant, Next answers with one of these ticks: nothing depends on where the asking began.
		at := from.Add(time.Duration(rapid.Int64Range(0, int64(96*time.Hour/time.Second)).Draw(rt, "offset")) * time.Second)
		next, _ := s.Next(at)
		if !next.After(to) {
			i := sort.Search(len(want), func(i int) bool {
				tick, _ := time.Parse(layout, want[i])
				return tick.After(at)
			})
			require.Equal(rt, want[i], next.In(loc).Format(layout))
		}
	})
}

// oracle returns the ticks in (from, to]. It looks three days further back, so that what a fold repeats is known.
func oracle(expr string, loc *time.Location, from, to time.Time) []string {
	g := gronx.New()
	fields := strings.Fields(expr)
	interval := fields[0][0] == '*' || fields[1][0] == '*'
	matches := func(shown time.Time) bool { due, err := g.IsDue(expr, shown); return due && err == nil }
	seen := map[time.Time]bool{} // times that the clock has shown
	ticks := map[time.Time]bool{}
	naive := func(at time.Time) time.Time {
		l := at.In(loc)
		return time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), 0, 0, time.UTC)
	}
	start := from.Add(-72 * time.Hour)
	latest := naive(start).Add(-time.Minute)
	for at := start; !at.After(to); at = at.Add(time.Minute) {
		shown := naive(at)
		if interval {
			ticks[at] = matches(shown)
			continue
		}
		for skipped := latest.Add(time.Minute); skipped.Before(shown); skipped = skipped.Add(time.Minute) {
			if matches(skipped) {
				ticks[at] = true
			}
		}
		if shown.After(latest) && !seen[shown] && matches(shown) {
			ticks[at] = true
		}
		seen[shown] = true
		if shown.After(latest) {
			latest = shown
		}
	}
	var sorted []time.Time
	for at, due := range ticks {
		if due && at.After(from) {
			sorted = append(sorted, at)
		}
	}
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].Before(sorted[j]) })
	var out []string
	for _, at := range sorted {
		out = append(out, at.In(loc).Format(layout))
	}
	return out
}

func upcoming(t *testing.T, expr, zone, after string, n int) []string {
	t.Helper()
	s, err := cron.Parse(expr, zone)
	require.NoError(t, err)
	at, err := time.Parse(layout, after)
	require.NoError(t, err)
	var got []string
	for _, tick := range s.Upcoming(at, n) {
		got = append(got, tick.In(s.Location()).Format(layout))
	}
	return got
}

func FuzzParse(f *testing.F) {
	for _, expr := range []string{"* * * * *", "*/15 0-6 1,15 JAN-DEC MON#2", "0 0 L * 5L", "0 0 15W * *", "@hourly", "TZ=", "TZ=0", "1/0 * * * *", "59 23 31 12 7", "?/99 * * * * ?"} {
		f.Add(expr, "UTC", int64(1_767_225_600))
		f.Add(expr, "Europe/Berlin", int64(1_774_746_000))
	}
	f.Fuzz(func(t *testing.T, expr, zone string, at int64) {
		s, err := cron.Parse(expr, zone)
		if err != nil {
			return
		}
		for _, tick := range s.Upcoming(time.Unix(at%(1<<36), 0), 3) {
			if !tick.After(time.Unix(at%(1<<36), 0)) {
				t.Fatalf("%q in %q: tick %s is not after %d", expr, zone, tick, at)
			}
		}
	})
}

func BenchmarkNext(b *testing.B) {
	for name, expr := range map[string]string{"minute": "* * * * *", "daily": "30 2 * * *", "leap_day": "0 0 29 2 *", "last_friday": "0 0 * * 5L"} {
		b.Run(name, func(b *testing.B) {
			s, err := cron.Parse(expr, "Europe/Berlin")
			require.NoError(b, err)
			at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
			for b.Loop() {
				_, _ = s.Next(at)
			}
		})
	}
}

// A tick that a change of the clock moves says so, and its neighbours do not.
func TestShift(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		expr, zone, after string
		want              []cron.Shift
	}{
		// 02:30 of 28 March 2027 does not exist in Berlin; 02:30 of 31 October 2027 is twice.
		{"30 2 * * *", "Europe/Berlin", "2027-03-26T12:00:00Z", []cron.Shift{cron.Unshifted, cron.Skipped, cron.Unshifted}},
		{"0 3 * * *", "Europe/Berlin", "2027-03-26T12:00:00Z", []cron.Shift{cron.Unshifted, cron.Unshifted, cron.Unshifted}},
		{"30 2 * * *", "Europe/Berlin", "2027-10-29T12:00:00Z", []cron.Shift{cron.Unshifted, cron.Repeated, cron.Unshifted}},
		{"0 2,3 * * *", "Europe/Berlin", "2027-10-30T12:00:00Z", []cron.Shift{cron.Repeated, cron.Unshifted, cron.Unshifted}},
		// An hour of real time: both of the fold, none at the gap.
		{"30 * * * *", "Europe/Berlin", "2027-10-30T23:00:00Z", []cron.Shift{cron.Unshifted, cron.Repeated, cron.Repeated, cron.Unshifted}},
		{"0 * * * *", "Europe/Berlin", "2027-03-28T00:00:00Z", []cron.Shift{cron.Unshifted, cron.Unshifted}},
		{"30 2 * * *", "UTC", "2027-03-26T12:00:00Z", []cron.Shift{cron.Unshifted, cron.Unshifted}},
		// Lord Howe Island moves its clock by half an hour.
		{"15 2 * * *", "Australia/Lord_Howe", "2027-10-01T12:00:00Z", []cron.Shift{cron.Unshifted, cron.Skipped, cron.Unshifted}},
	} {
		s, err := cron.Parse(c.expr, c.zone)
		require.NoError(t, err)
		after, err := time.Parse(time.RFC3339, c.after)
		require.NoError(t, err)
		var got []cron.Shift
		for _, tick := range s.Upcoming(after, len(c.want)) {
			got = append(got, s.Shift(tick))
		}
		require.Equal(t, c.want, got, "%s in %s: %v", c.expr, c.zone, s.Upcoming(after, len(c.want)))
	}
}
