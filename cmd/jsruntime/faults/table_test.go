package faults

import (
	"bytes"
	"cmp"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"
)

// table is what a run of the suite found: a row a fault, a column an invariant.
type table struct {
	begun    time.Time
	postgres string // version
	rows     []row
}

type row struct {
	id, name string
	cells    map[string]string // by invariant: ok or FAIL; nothing where the fault's own part broke off
	own      string            // what the fault's own checks say: ok, FAIL, skipped
	notes    []string
	took     time.Duration
}

func (r row) columns() []string {
	columns := []string{r.id, r.name}
	for _, invariant := range order {
		columns = append(columns, cmp.Or(r.cells[invariant], "-"))
	}
	return append(columns, r.own, fmt.Sprintf("%.0f", r.took.Seconds()))
}

func header() []string {
	return append(append([]string{"fault", "what"}, order...), "itself", "seconds")
}

// summary counts the rows by what came of them.
func (t *table) summary() string {
	good, bad, skipped := 0, 0, 0
	for _, r := range t.rows {
		wrong := r.own == "FAIL"
		for _, invariant := range order {
			wrong = wrong || r.cells[invariant] == "FAIL"
		}
		switch {
		case wrong:
			bad++
		case r.own == "skipped":
			skipped++
		default:
			good++
		}
	}
	return fmt.Sprintf("%d faults: %d with every invariant kept, %d not, %d skipped", len(t.rows), good, bad, skipped)
}

// text is for a terminal.
func (t *table) text() string {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, strings.Join(header(), "\t"))
	for _, r := range t.rows {
		fmt.Fprintln(w, strings.Join(r.columns(), "\t"))
	}
	w.Flush()
	fmt.Fprintf(&b, "%s; %.1f min\n\n", t.summary(), time.Since(t.begun).Minutes())
	for _, r := range t.rows {
		for _, note := range r.notes {
			fmt.Fprintf(&b, "%s: %s\n", r.id, note)
		}
	}
	return b.String()
}

// markdown is for a file.
func (t *table) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Faults\n\nBy `make test-faults`; cmd/jsruntime/faults/doc.go says what the invariants are and how each fault is injected. %s, %d processors, Postgres %s, %.1f minutes. %s.\n\n",
		t.begun.UTC().Format("2 January 2006 15:04 UTC"), runtime.NumCPU(), t.postgres, time.Since(t.begun).Minutes(), t.summary())
	fmt.Fprintf(&b, "The column \"itself\" is what the fault's own checks say: that it happened, what is answered meanwhile, how soon all is well again.\n\n")
	line := func(columns []string) {
		for i, c := range columns {
			columns[i] = strings.NewReplacer("|", "\\|", "\n", " ").Replace(c)
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(columns, " | "))
	}
	line(header())
	fmt.Fprintf(&b, "%s|\n", strings.Repeat("|---", len(header())))
	for _, r := range t.rows {
		line(r.columns())
	}
	b.WriteString("\n## What was seen\n\n")
	for _, r := range t.rows {
		for _, note := range r.notes {
			fmt.Fprintf(&b, "- **%s** %s\n", r.id, strings.ReplaceAll(note, "\n", " "))
		}
	}
	return b.String()
}

func TestTable(t *testing.T) {
	t.Parallel()
	kept := map[string]string{}
	for _, invariant := range order {
		kept[invariant] = "ok"
	}
	broken := map[string]string{"I1": "FAIL"}
	results := &table{begun: time.Now(), postgres: "16", rows: []row{
		{id: "F1", name: "a | b", cells: kept, own: "ok", notes: []string{"two\nlines"}}, {id: "F2", cells: broken, own: "ok"}, {id: "F3", own: "FAIL"}, {id: "F4", own: "skipped"},
	}}
	require.Equal(t, "4 faults: 1 with every invariant kept, 2 not, 1 skipped", results.summary())
	page := results.markdown()
	require.Contains(t, page, `| F1 | a \| b |`+strings.Repeat(" ok |", len(order))+` ok | 0 |`)
	require.Contains(t, page, "**F1** two lines")
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "|") {
			require.Equal(t, len(header())+1, strings.Count(strings.ReplaceAll(line, `\|`, ""), "|"), line)
		}
	}
	require.Contains(t, results.text(), "F1: two")
}
