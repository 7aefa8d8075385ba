package term

import (
	"fmt"
	"io"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

// Table is rows below a head. Cells may be styled; text from elsewhere is cleaned by its giver with Line.
type Table struct {
	Head []string
	Rows [][]string
}

// Add adds a row.
func (t *Table) Add(cells ...string) { t.Rows = append(t.Rows, cells) }

// Write writes the table. On a terminal its last column is cut where the line would wrap.
func (t *Terminal) Write(w io.Writer, table *Table) {
	if len(table.Rows) == 0 {
		return
	}
	widths := make([]int, len(table.Head))
	for _, row := range append([][]string{table.Head}, table.Rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], lipgloss.Width(cell))
		}
	}
	line := func(row []string, style func(string) string) {
		var b strings.Builder
		used := 0
		for i, cell := range row {
			last := i == len(row)-1
			if last && t.outWidth > used+8 {
				cell = ansi.Truncate(cell, t.outWidth-used, "…")
			}
			b.WriteString(style(cell))
			if !last {
				b.WriteString(strings.Repeat(" ", widths[i]-lipgloss.Width(cell)+2))
				used += widths[i] + 2
			}
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
	line(table.Head, Dim)
	for _, row := range table.Rows {
		line(row, func(s string) string { return s })
	}
}
