package advisory

import (
	"strconv"
	"strings"
	"time"
)

// released says when versions came out: an exact version, or the branch of a version that is not listed, whose day is that of Chrome's
// stable release with it.
var released = map[string]string{
	"13.6.233.10": "2025-05-15",
	"13.6.233.17": "2025-11-14",

	"13.6": "2025-04-29", "13.7": "2025-05-27", "13.8": "2025-06-24", "13.9": "2025-08-05",
	"14.0": "2025-09-02", "14.1": "2025-09-30", "14.2": "2025-10-28", "14.3": "2025-12-02", "14.4": "2026-01-13",
	"14.5": "2026-02-10", "14.6": "2026-03-10", "14.7": "2026-04-07", "14.8": "2026-05-05", "14.9": "2026-06-02",
	"15.0": "2026-06-30", "15.1": "2026-07-28", "15.2": "2026-08-25", "15.3": "2026-09-08", "15.4": "2026-09-22",
}

// Released is the day on which a version of V8 came out, as "13.6.233.10" or with the suffix of its builder. False: it is not known.
func Released(version string) (time.Time, bool) {
	version, _, _ = strings.Cut(version, "-")
	text, ok := released[version]
	if !ok {
		parts := strings.SplitN(version, ".", 3)
		if len(parts) < 2 {
			return time.Time{}, false
		}
		if text, ok = released[parts[0]+"."+parts[1]]; !ok {
			return time.Time{}, false
		}
	}
	day, err := time.Parse(time.DateOnly, text)
	return day, err == nil
}

// AgeDays is how many days ago the version came out; -1 if that is not known.
func AgeDays(version string, now time.Time) int {
	day, ok := Released(version)
	if !ok {
		return -1
	}
	return max(0, int(now.Sub(day)/(24*time.Hour)))
}

// before reports whether version is older than the branch, "14.2". A version that can't be read is older than any.
func before(version, branch string) bool {
	have, want := strings.SplitN(version, ".", 3), strings.SplitN(branch, ".", 3)
	for i := range 2 {
		if i >= len(have) {
			return true
		}
		h, err := strconv.Atoi(have[i])
		if err != nil {
			return true
		}
		w, _ := strconv.Atoi(want[i])
		if h != w {
			return h < w
		}
	}
	return false
}
