package httpapi

import (
	"fmt"
	"slices"
	"strings"
)

// diffContext is how many unchanged lines surround a change.
const diffContext = 3

// maxDiffCost bounds the work of one comparison, in edits: texts that differ more are shown as one replaced by the other.
// At this bound a comparison takes 8 MB.
const maxDiffCost = 1000

type diffLine struct {
	op   byte // ' ', '-', '+'
	text string
	a, b int // line numbers before it, from 0
}

// unifiedDiff compares two texts line by line, as diff -u does. Equal texts give an empty diff.
func unifiedDiff(nameA, nameB, a, b string) string {
	if a == b {
		return ""
	}
	lines := diffLines(splitLines(a), splitLines(b))
	var out strings.Builder
	fmt.Fprintf(&out, "--- %s\n+++ %s\n", nameA, nameB)
	for start := 0; start < len(lines); {
		if lines[start].op == ' ' {
			start++
			continue
		}
		// A hunk reaches from the context before its first change to the context after its last one; changes that are not
		// further apart than two contexts share a hunk.
		from, end := max(0, start-diffContext), start
		for i := start; i < len(lines) && i <= end+2*diffContext; i++ {
			if lines[i].op != ' ' {
				end = i
			}
		}
		to := min(len(lines), end+1+diffContext)
		writeHunk(&out, lines[from:to])
		start = to
	}
	return out.String()
}

func writeHunk(out *strings.Builder, hunk []diffLine) {
	var countA, countB int
	for _, l := range hunk {
		if l.op != '+' {
			countA++
		}
		if l.op != '-' {
			countB++
		}
	}
	startA, startB := hunk[0].a+1, hunk[0].b+1
	if countA == 0 {
		startA--
	}
	if countB == 0 {
		startB--
	}
	fmt.Fprintf(out, "@@ -%d,%d +%d,%d @@\n", startA, countA, startB, countB)
	for _, l := range hunk {
		out.WriteByte(l.op)
		out.WriteString(l.text)
		if !strings.HasSuffix(l.text, "\n") {
			out.WriteString("\n\\ No newline at end of file\n")
		}
	}
}

func splitLines(s string) []string {
	if s == "" {
		return nil
	}
	lines := strings.SplitAfter(s, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// diffLines finds a shortest edit script by Myers' greedy algorithm, after what both have in common at their ends.
func diffLines(a, b []string) []diffLine {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	out := make([]diffLine, 0, len(a)+len(b))
	at := [2]int{}
	emit := func(op byte, text string) {
		out = append(out, diffLine{op: op, text: text, a: at[0], b: at[1]})
		if op != '+' {
			at[0]++
		}
		if op != '-' {
			at[1]++
		}
	}
	for _, s := range a[:head] {
		emit(' ', s)
	}
	middle(a[head:len(a)-tail], b[head:len(b)-tail], emit)
	for _, s := range a[len(a)-tail:] {
		emit(' ', s)
	}
	return out
}

func middle(a, b []string, emit func(byte, string)) {
	ops := shortestEdit(a, b)
	if ops == nil {
		for _, s := range a {
			emit('-', s)
		}
		for _, s := range b {
			emit('+', s)
		}
		return
	}
	x, y := 0, 0
	for _, op := range ops {
		switch op {
		case ' ':
			emit(' ', a[x])
			x++
			y++
		case '-':
			emit('-', a[x])
			x++
		case '+':
			emit('+', b[y])
			y++
		}
	}
}

// shortestEdit returns the operations that lead from a to b, nil where they would be more than maxDiffCost.
func shortestEdit(a, b []string) []byte {
	most := min(len(a)+len(b), maxDiffCost)
	v := make([]int, 2*most+3)
	offset := most + 1
	var trace [][]int
	for d := 0; d <= most; d++ {
		trace = append(trace, append([]int(nil), v[offset-d-1:offset+d+2]...))
		for k := -d; k <= d; k += 2 {
			x := v[offset+k-1] + 1
			if k == -d || (k != d && v[offset+k-1] < v[offset+k+1]) {
				x = v[offset+k+1]
			}
			y := x - k
			for x < len(a) && y < len(b) && a[x] == b[y] {
				x++
				y++
			}
			v[offset+k] = x
			if x >= len(a) && y >= len(b) {
				return backtrack(trace, len(a), len(b))
			}
		}
	}
	return nil
}

// backtrack walks the edits back from the end. trace[d] holds the frontier before step d, with k = 0 in its middle.
func backtrack(trace [][]int, x, y int) []byte {
	var ops []byte
	for d := len(trace) - 1; d >= 0; d-- {
		v, offset := trace[d], d+1
		k := x - y
		down := k == -d || (k != d && v[offset+k-1] < v[offset+k+1])
		prev := k - 1
		if down {
			prev = k + 1
		}
		px := v[offset+prev]
		py := px - prev
		for x > px && y > py {
			ops = append(ops, ' ')
			x--
			y--
		}
		switch {
		case d == 0:
		case down:
			ops = append(ops, '+')
			y--
		default:
			ops = append(ops, '-')
			x--
		}
	}
	slices.Reverse(ops)
	return ops
}
