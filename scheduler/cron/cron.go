package cron

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // zones are the same on a machine without its own zone data

	"github.com/adhocore/gronx"
)

// MaxExpressionLength is the most characters that an expression may have: what the column holds.
const MaxExpressionLength = 255

// MaxTimezoneLength is the most characters that a time zone's name may have: what the column holds.
const MaxTimezoneLength = 100

// horizonYears bounds every search. 40 years is the longest wait that the calendar can ask for (29 February on a certain
// weekday, across 2100, which is not a leap year).
const horizonYears = 41

// Positions of the fields, which are gronx's.
const (
	second = iota
	minute
	hour
	dayOfMonth
	month
	dayOfWeek
	fieldCount
)

var fieldNames = [fieldCount]string{"second", "minute", "hour", "day of month", "month", "day of week"}

// Error says why an expression or a time zone is refused. Field is "cron_expression" or "timezone"; Message is for its author.
type Error struct {
	Field   string
	Message string
}

func (e *Error) Error() string { return e.Field + ": " + e.Message }

// Schedule is a parsed expression in its zone. It is immutable and safe for concurrent use; the zero Schedule never falls due.
type Schedule struct {
	expr string
	loc  *time.Location

	seconds, minutes, hours, months uint64 // bit n: the value n matches
	days, weekdays                  uint64 // of the fields without L, W and #
	dayField, weekdayField          string // set where the field has L, W or #, and must be asked for every date
	union                           bool   // either day field suffices
	interval                        bool   // follows real time; see the package's rule for daylight saving time
}

var (
	number = `[0-9]{1,4}`
	item   = `(?:[*?]|` + number + `(?:-` + number + `)?)(?:/` + number + `)?`
	list   = func(one string) *regexp.Regexp { return regexp.MustCompile(`^(?:` + one + `)(?:,(?:` + one + `))*$`) }

	plainField      = list(item)
	dayOfMonthField = list(item + `|L|` + number + `W`)
	dayOfWeekField  = list(item + `|` + number + `L|` + number + `#` + number)

	monthNames   = strings.NewReplacer("JAN", "1", "FEB", "2", "MAR", "3", "APR", "4", "MAY", "5", "JUN", "6", "JUL", "7", "AUG", "8", "SEP", "9", "OCT", "10", "NOV", "11", "DEC", "12")
	weekdayNames = strings.NewReplacer("SUN", "0", "MON", "1", "TUE", "2", "WED", "3", "THU", "4", "FRI", "5", "SAT", "6")
)

// Parse reads a cron expression for an IANA time zone. Every error is an *Error.
func Parse(expr, tz string) (s Schedule, err error) {
	defer func() {
		if r := recover(); r != nil {
			s, err = Schedule{}, &Error{Field: "cron_expression", Message: "not a cron expression"}
		}
	}()
	refuse := func(format string, args ...any) (Schedule, error) {
		return Schedule{}, &Error{Field: "cron_expression", Message: fmt.Sprintf(format, args...)}
	}

	loc, err := loadZone(tz)
	if err != nil {
		return Schedule{}, err
	}
	if len(expr) > MaxExpressionLength {
		return refuse("longer than %d characters", MaxExpressionLength)
	}
	fields, message := split(expr)
	if message != "" {
		return refuse("%s", message)
	}

	s = Schedule{expr: expr, loc: loc}
	sets := [fieldCount]*uint64{&s.seconds, &s.minutes, &s.hours, &s.days, &s.months, &s.weekdays}
	for pos, field := range fields {
		grammar := plainField
		switch pos {
		case dayOfMonth:
			grammar = dayOfMonthField
		case dayOfWeek:
			grammar = dayOfWeekField
		}
		if !grammar.MatchString(field) {
			return refuse("%s %q is not understood", fieldNames[pos], field)
		}
		set, err := values(field, pos)
		if err != nil {
			return refuse("%s %q: %s", fieldNames[pos], field, err)
		}
		*sets[pos] = set
	}
	if strings.ContainsAny(fields[dayOfMonth], "LW") {
		s.dayField = fields[dayOfMonth]
	}
	if strings.ContainsAny(fields[dayOfWeek], "L#") {
		s.weekdayField = fields[dayOfWeek]
	}
	s.union = !starred(fields[dayOfMonth]) && !starred(fields[dayOfWeek])
	s.interval = starred(fields[second]) || starred(fields[minute]) || starred(fields[hour])

	// 2024 begins a cycle of leap years; an expression without ticks in the horizon has none at all.
	if _, ok := s.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)); !ok {
		return refuse("never falls due")
	}
	return s, nil
}

func starred(field string) bool { return field[0] == '*' || field[0] == '?' }

//go:generate go run ./genzones

//go:embed zones.txt
var zonesText string

// zoneNames is the set of zones.txt.
var zoneNames = sync.OnceValue(func() map[string]bool {
	set := map[string]bool{}
	for _, name := range strings.Fields(zonesText) {
		set[name] = true
	}
	return set
})

// Zones returns the names of the time zones that Parse takes, in order. What the machine's own files have beside them is not taken: a
// schedule means the same on each node.
func Zones() []string { return slices.Clone(strings.Fields(zonesText)) }

func loadZone(tz string) (*time.Location, error) {
	if tz == "" {
		return time.UTC, nil
	}
	if zoneNames()[tz] {
		if loc, err := time.LoadLocation(tz); err == nil {
			return loc, nil
		}
	}
	return nil, &Error{Field: "timezone", Message: "not an IANA time zone"}
}

// split returns the six fields of an expression, in capitals and with names replaced by numbers, or what is wrong with it.
func split(expr string) (fields []string, message string) {
	expr = strings.ToUpper(strings.TrimSpace(expr))
	switch {
	case expr == "":
		return nil, "empty"
	case strings.HasPrefix(expr, "TZ=") || strings.HasPrefix(expr, "CRON_TZ="):
		return nil, "a time zone belongs into timezone, not into the expression"
	case expr == "@MIDNIGHT":
		expr = "@DAILY"
	}
	if expr[0] == '@' {
		segments, err := gronx.Segments(strings.ToLower(expr))
		if err != nil || len(segments) != fieldCount {
			return nil, fmt.Sprintf("%s is not a known name", strings.ToLower(expr))
		}
		return segments, ""
	}
	fields = strings.Fields(expr)
	if len(fields) == fieldCount-1 {
		fields = append([]string{"0"}, fields...)
	}
	if len(fields) != fieldCount {
		return nil, fmt.Sprintf("has %d fields; five (minute first) or six (second first) are needed", len(strings.Fields(expr)))
	}
	fields[month] = monthNames.Replace(fields[month])
	fields[dayOfWeek] = weekdayNames.Replace(fields[dayOfWeek])
	return fields, ""
}

// values returns the set of values that a field matches. Values that depend on the month (L, W, #) are only checked for sense.
func values(field string, pos int) (uint64, error) {
	var set uint64
	for _, one := range strings.Split(field, ",") {
		dynamic := strings.ContainsAny(one, "LW#")
		found := false
		for v := bounds[pos][0]; v <= bounds[pos][1]; v++ {
			checker := gronx.SegmentChecker{}
			checker.SetRef(sample(pos, v))
			due, err := checker.CheckDue(one, pos)
			if err != nil {
				return 0, err
			}
			found = found || due
			if due && !dynamic {
				set |= 1 << v
			}
		}
		if !found && !dynamic {
			return 0, fmt.Errorf("%s matches nothing between %d and %d", one, bounds[pos][0], bounds[pos][1])
		}
	}
	return set, nil
}

var bounds = [fieldCount][2]int{{0, 59}, {0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 6}}

// sample returns an instant that has the value at the position. 1 October 2023 was a Sunday, and October has 31 days.
func sample(pos, v int) time.Time {
	switch pos {
	case second:
		return time.Date(2023, 10, 1, 0, 0, v, 0, time.UTC)
	case minute:
		return time.Date(2023, 10, 1, 0, v, 0, 0, time.UTC)
	case hour:
		return time.Date(2023, 10, 1, v, 0, 0, 0, time.UTC)
	case dayOfMonth:
		return time.Date(2023, 10, v, 0, 0, 0, 0, time.UTC)
	case month:
		return time.Date(2023, time.Month(v), 1, 0, 0, 0, 0, time.UTC)
	default:
		return time.Date(2023, 10, 1+v, 0, 0, 0, 0, time.UTC)
	}
}

// Expression returns the expression as it was given to Parse.
func (s Schedule) Expression() string { return s.expr }

// Location returns the schedule's time zone.
func (s Schedule) Location() *time.Location {
	if s.loc == nil {
		return time.UTC
	}
	return s.loc
}

// Next returns the first tick after an instant, in UTC. It is false where there is none within 41 years.
func (s Schedule) Next(after time.Time) (next time.Time, ok bool) {
	defer func() {
		if r := recover(); r != nil {
			next, ok = time.Time{}, false
		}
	}()
	if s.loc == nil || after.Year() < 1 || after.Year() > 9000 {
		return time.Time{}, false
	}
	if s.interval {
		return s.nextInterval(after)
	}
	return s.nextFixed(after)
}

// Upcoming returns the first n ticks after an instant; fewer where there are no more.
func (s Schedule) Upcoming(after time.Time, n int) []time.Time {
	ticks := make([]time.Time, 0, n)
	for range n {
		next, ok := s.Next(after)
		if !ok {
			break
		}
		ticks = append(ticks, next)
		after = next
	}
	return ticks
}

// Shift says what a change of the clock does to a tick.
type Shift string

const (
	// Unshifted is a tick at a time that the clock shows once.
	Unshifted Shift = "none"
	// Skipped is a tick of a fixed time that the clock skips: it is the first instant after the gap.
	Skipped Shift = "skipped"
	// Repeated is a tick at a time that the clock shows twice: of a fixed time the first of the two, of one that follows real time either.
	Repeated Shift = "repeated"
)

// Shift returns what a change of the clock does to one of the schedule's ticks.
func (s Schedule) Shift(tick time.Time) Shift {
	if s.loc == nil {
		return Unshifted
	}
	unix := tick.Unix()
	p := s.periodAt(unix)
	w := wall(unix + p.offset)
	if unix == p.start && !s.interval {
		if _, ok := s.match(w, w); !ok {
			return Skipped
		}
	}
	if p.end < forever && w >= wall(p.end+s.periodAt(p.end).offset) || p.start > -forever && w < wall(p.start+s.periodAt(p.start-1).offset) {
		return Repeated
	}
	return Unshifted
}

// A wall is what a clock on the wall shows: seconds since 1970 as if the zone were UTC.
type wall int64

// period is a stretch of time with one offset from UTC.
type period struct {
	start, end int64 // Unix seconds, [start, end)
	offset     int64
}

const forever = int64(1) << 60

func (s Schedule) periodAt(unix int64) period {
	t := time.Unix(unix, 0).In(s.loc)
	_, offset := t.Zone()
	start, end := t.ZoneBounds()
	p := period{start: -forever, end: forever, offset: int64(offset)}
	if !start.IsZero() {
		p.start = start.Unix()
	}
	if !end.IsZero() {
		p.end = end.Unix()
	}
	return p
}

// nextInterval returns the first instant after the given one at which the wall matches.
func (s Schedule) nextInterval(after time.Time) (time.Time, bool) {
	unix := after.Unix() + 1
	limit := after.AddDate(horizonYears, 0, 0).Unix()
	for unix <= limit {
		p := s.periodAt(unix)
		last := min(p.end-1, limit)
		if w, ok := s.match(wall(unix+p.offset), wall(last+p.offset)); ok {
			return time.Unix(int64(w)-p.offset, 0).UTC(), true
		}
		unix = p.end
	}
	return time.Time{}, false
}

// nextFixed returns the instant of the first matching time of day that the clock had not shown, or passed, by the given instant.
func (s Schedule) nextFixed(after time.Time) (time.Time, bool) {
	shown := s.shownBy(after.Unix())
	limit := wall(after.AddDate(horizonYears, 0, 0).Unix())
	w, ok := s.match(shown+1, limit)
	if !ok {
		return time.Time{}, false
	}
	return time.Unix(s.firstShown(w), 0).UTC(), true
}

// foldSeconds is how far back a change of the clock can matter: no zone has moved by more than a day.
const foldSeconds = 48 * 3600

// shownBy returns the latest time that the clock has shown up to an instant. In and after a fold that is not its present one.
func (s Schedule) shownBy(unix int64) wall {
	p := s.periodAt(unix)
	latest := wall(unix + p.offset)
	for p.start > unix-foldSeconds {
		before := s.periodAt(p.start - 1)
		latest = max(latest, wall(p.start-1+before.offset))
		p = before
	}
	return latest
}

// firstShown returns the first instant at which the clock shows the given time or, where it skips that, a later one.
func (s Schedule) firstShown(w wall) int64 {
	p := s.periodAt(int64(w) - foldSeconds)
	for int64(w)-p.offset >= p.end {
		p = s.periodAt(p.end)
	}
	return max(int64(w)-p.offset, p.start)
}

const secondsPerDay = 24 * 3600

// match returns the first matching time from w on, up to and including limit.
func (s Schedule) match(w, limit wall) (wall, bool) {
	for w <= limit {
		date := time.Unix(int64(w), 0).UTC()
		midnight := w - wall(date.Hour()*3600+date.Minute()*60+date.Second())
		switch {
		case s.months&(1<<date.Month()) == 0:
			w = wall(time.Date(date.Year(), date.Month()+1, 1, 0, 0, 0, 0, time.UTC).Unix())
			continue
		case s.matchesDay(date):
			if second, ok := s.matchTime(int(w - midnight)); ok {
				w = midnight + wall(second)
				return w, w <= limit
			}
		}
		w = midnight + secondsPerDay
	}
	return 0, false
}

func (s Schedule) matchesDay(date time.Time) bool {
	day := s.days&(1<<date.Day()) != 0
	if s.dayField != "" {
		day = due(s.dayField, dayOfMonth, date)
	}
	if s.union && day {
		return true
	}
	if !s.union && !day {
		return false
	}
	if s.weekdayField != "" {
		return due(s.weekdayField, dayOfWeek, date)
	}
	return s.weekdays&(1<<date.Weekday()) != 0
}

func due(field string, pos int, date time.Time) bool {
	checker := gronx.SegmentChecker{}
	checker.SetRef(date)
	ok, err := checker.CheckDue(field, pos)
	return ok && err == nil
}

// matchTime returns the first matching second of a day, from the given one on.
func (s Schedule) matchTime(from int) (int, bool) {
	h, m, sec := from/3600, from/60%60, from%60
	for ; h < 24; h, m, sec = h+1, 0, 0 {
		if s.hours&(1<<h) == 0 {
			continue
		}
		for ; m < 60; m, sec = m+1, 0 {
			if s.minutes&(1<<m) == 0 {
				continue
			}
			for ; sec < 60; sec++ {
				if s.seconds&(1<<sec) != 0 {
					return h*3600 + m*60 + sec, true
				}
			}
		}
	}
	return 0, false
}
