// Package cron says when a schedule falls due: a cron expression in an IANA time zone, and the ticks that follow an instant.
//
// Syntax and the meaning of single fields are gronx's; this package splits an expression, asks gronx about every value of
// every field once, and then searches the calendar itself, so that a search is bounded and knows about daylight saving time.
//
//	minute hour day-of-month month day-of-week            five fields, at second 0
//	second minute hour day-of-month month day-of-week     six fields
//	@yearly @annually @monthly @weekly @daily @midnight @hourly @always @everysecond @5minutes @10minutes @15minutes @30minutes
//
// A field is a list of values, ranges (1-5), steps (*/15, 10-30/5, 5/10), names (JAN, MON) and, for the day of the month, L
// (the last) and 15W (the weekday nearest to the 15th), for the day of the week 5L (the last Friday) and 5#2 (the second).
// Day 7 is Sunday, as 0. If both day fields are restricted, a day that matches either is a match, as in every cron.
//
// # Daylight saving time
//
// The rule is ISC cron's. A job whose second, minute or hour begins with * follows the rhythm of real time: its ticks are the
// instants at which the clock on the wall matches, so that */15 keeps its quarter of an hour through every change. Every other
// job has fixed times of day, and each of them happens exactly once a day:
//
//	the time is skipped by a change (gap)     the tick is the first instant after the gap
//	the time happens twice (fold)             the tick is the first of the two
//
// Two fixed times in one gap, or one in it and one at its end, make one tick.
//
// # Limits
//
// An expression has at most 255 characters and five or six fields; TZ= and CRON_TZ= prefixes are refused, since the zone is a
// field of its own; "Local" is refused, since it means something else on every node. What would never fall due is refused.
// Nothing here panics: what gronx might do with odd input is recovered and becomes an *Error.
package cron
