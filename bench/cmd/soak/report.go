package main

import (
	"cmp"
	"fmt"
	"html"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// report is what a soak found.
type report struct {
	flat        bool
	title, text string
	rows        [][]string // of the table: series, first, middle, last, slope, verdict
	load        []string
}

// mostRefused is the share of actions that a machine with other work may make the node refuse. On a quiet one it is 0.
const mostRefused = .02

// judge says of every curve whether it grows, and of everything else whether it is as it must be.
func judge(cfg config, s *samples, m *mix, wrong []string) report {
	r := report{flat: true}
	half := s.half()
	for _, c := range s.series {
		l := fit(s.at[half:], c.values[half:])
		verdict := "flat"
		switch {
		case c.bound == 0:
			verdict = "not judged"
		case c.grows(l):
			verdict = "GROWING"
			r.flat = false
		}
		n := len(c.values)
		r.rows = append(r.rows, []string{c.name, c.unit, figure(mean(c.values[:n/4])), figure(mean(c.values[half : half+n/4])), figure(mean(c.values[n-n/4:])),
			figure(slices.Max(c.values)), fmt.Sprintf("%+.3f ± %.3f", l.slope, 2*l.doubt), verdict})
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	total := 0
	for _, a := range actions {
		total += m.sent[a.name]
		var statuses []string
		for _, status := range slices.Sorted(maps.Keys(m.statuses[a.name])) {
			statuses = append(statuses, fmt.Sprintf("%d× %d", m.statuses[a.name][status], status))
		}
		r.load = append(r.load, fmt.Sprintf("%s: %d (%s)", a.name, m.sent[a.name], strings.Join(statuses, ", ")))
	}
	p50, p99 := quantiles(m.all)
	r.load = append(r.load, fmt.Sprintf("warm requests over all the time, from their intended start: p50 %.1f ms, p99 %.1f ms", milliseconds(p50), milliseconds(p99)))
	overload := 0
	for _, code := range slices.Sorted(maps.Keys(m.refused)) {
		r.load = append(r.load, fmt.Sprintf("refused as %s: %d", code, m.refused[code]))
		if code != "quarantined" {
			overload += m.refused[code]
		}
	}
	if share := float64(overload) / float64(max(total, 1)); share > mostRefused {
		wrong = append(wrong, fmt.Sprintf("%.1f %% were refused: the machine does not carry the rate", 100*share))
	}
	for _, what := range slices.Sorted(maps.Keys(m.unexpected)) {
		wrong = append(wrong, fmt.Sprintf("%d × %s", m.unexpected[what], what))
	}
	if len(wrong) > 0 {
		r.flat = false
		for _, w := range wrong[:min(len(wrong), 20)] {
			r.load = append(r.load, "WRONG: "+w)
		}
	} else {
		r.load = append(r.load, fmt.Sprintf("nothing unexpected; all of %d answered executions are in the history; nothing was left in the queue; the node ended by itself and left no process", len(m.answered)))
	}
	verdict := "flat"
	if !r.flat {
		verdict = "NOT as it must be"
	}
	r.title = fmt.Sprintf("%d actions in %v at %.0f a second, %s: %s", total, cfg.duration, cfg.rate, time.Now().UTC().Format("2 January 2006"), verdict)
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%-30s %-10s %9s %9s %9s %9s %17s  %s\n", r.title, "", "", "1st qu.", "3rd qu.", "4th qu.", "most", "slope/min", "second half")
	for _, row := range r.rows {
		fmt.Fprintf(&b, "%-30s %-10s %9s %9s %9s %9s %17s  %s\n", row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7])
	}
	for _, line := range r.load {
		fmt.Fprintln(&b, line)
	}
	r.text = b.String()
	return r
}

// page is the report as Markdown.
func (r report) page(svg string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Soak\n\nBy `make soak` (see bench/cmd/soak). %s.\n\n", r.title)
	if svg != "" {
		fmt.Fprintf(&b, "![curves](%s)\n\n", filepath.Base(svg))
	}
	b.WriteString("Means of the first, third and fourth quarter, the most, and the slope of the least-squares line through the second half with twice its standard error.\n\n")
	b.WriteString("| | unit | 1st quarter | 3rd | 4th | most | slope a minute | second half |\n|---|---|---|---|---|---|---|---|\n")
	for _, row := range r.rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
	}
	b.WriteString("\n")
	for _, line := range r.load {
		fmt.Fprintf(&b, "- %s\n", strings.ReplaceAll(line, "\n", " "))
	}
	return b.String()
}

func mean(of []float64) (sum float64) {
	for _, v := range of {
		sum += v
	}
	return sum / float64(max(1, len(of)))
}

// figure has three digits, or all before the point.
func figure(v float64) string {
	switch {
	case v == math.Trunc(v) || math.Abs(v) >= 100:
		return fmt.Sprintf("%.0f", v)
	case math.Abs(v) >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// The picture: two columns of panels. Sizes are in pixels.
const (
	panelWidth, panelHeight = 520, 150
	leftOf, above           = 62, 46 // from a panel's corner to its curve's
	gap                     = 24
)

// plot draws every curve in a panel of its own, with the line through its second half.
func plot(s *samples, title string) string {
	rows := (len(s.series) + 1) / 2
	width, height := 2*(leftOf+panelWidth+gap), 60+rows*(above+panelHeight+gap)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12" fill="#222">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/><text x="%d" y="32" font-size="17" font-weight="bold">Soak: %s</text>`+"\n", width, height, leftOf, html.EscapeString(title))
	for i, c := range s.series {
		x, y := leftOf+(i%2)*(leftOf+panelWidth+gap), 50+above+(i/2)*(above+panelHeight+gap)
		panel(&b, s, c, x, y)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func panel(b *strings.Builder, s *samples, c *series, x, y int) {
	top := roundUp(slices.Max(c.values))
	last := s.at[len(s.at)-1].Minutes()
	px := func(minutes float64) float64 { return float64(x) + minutes/last*panelWidth }
	py := func(v float64) float64 {
		return float64(y) + panelHeight*(1-min(max(v/top, 0), 1))
	}
	half := s.half()
	l := fit(s.at[half:], c.values[half:])
	fmt.Fprintf(b, `<text x="%d" y="%d" font-weight="bold">%s</text><text x="%d" y="%d" text-anchor="end" fill="#666">%+.3g %s a minute in the second half</text>`+"\n",
		x, y-10, html.EscapeString(c.name), x+panelWidth, y-10, l.slope, cmp.Or(c.unit, ""))
	for _, share := range []float64{0, .5, 1} {
		fmt.Fprintf(b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end" fill="#666">%s</text>`+"\n",
			x, x+panelWidth, py(share*top), py(share*top), x-6, py(share*top)+4, figure(share*top))
	}
	step := math.Max(1, math.Ceil(last/6))
	for minute := 0.0; minute <= last; minute += step {
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle" fill="#666">%.0f min</text>`+"\n", px(minute), y+panelHeight+16, minute)
	}
	var points strings.Builder
	for i, v := range c.values {
		fmt.Fprintf(&points, "%.1f,%.1f ", px(s.at[i].Minutes()), py(v))
	}
	fmt.Fprintf(b, `<polyline fill="none" stroke="#2563eb" stroke-width="1.4" points="%s"/>`+"\n", strings.TrimSpace(points.String()))
	from := s.at[half].Minutes()
	fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#dc2626" stroke-width="1.6" stroke-dasharray="6 4"/>`+"\n",
		px(from), py(l.intercept+l.slope*from), px(last), py(l.intercept+l.slope*last))
}

// roundUp is the end of an axis: 1, 2 or 5 times a power of ten, at least 1.
func roundUp(v float64) float64 {
	if v <= 1 {
		return 1
	}
	p := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 1.5, 2, 3, 4, 5, 8} {
		if v <= m*p {
			return m * p
		}
	}
	return 10 * p
}
