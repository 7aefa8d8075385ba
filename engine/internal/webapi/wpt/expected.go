package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// expectations are what a list says of a copy of the tests. Each of its lines is one of
//
//	area NAME SUBTESTS               how many subtests the area has; it must be there for each area
//	omit FILE: REASON                the file is not run
//	fail FILE COUNT SUBTEST: REASON  so many subtests of the file fail
//
// FILE is a path with its variant, and SUBTEST a subtest's name in quotation marks; in both, * stands for any text. A file that breaks off
// has a failed subtest with the name "". Empty lines, and lines that begin with #, say nothing.
type expectations struct {
	subtests map[string]int
	omitted  []string
	failures []*failure
}

type failure struct {
	line    int
	file    string
	subtest string
	count   int
}

func parseExpectations(text string) (*expectations, error) {
	e := &expectations{subtests: map[string]int{}}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := e.parseLine(n, line); err != nil {
			return nil, fmt.Errorf("line %d of the expected failures: %w", n, err)
		}
	}
	return e, nil
}

func (e *expectations) parseLine(n int, line string) error {
	kind, rest, _ := strings.Cut(line, " ")
	name, rest, _ := strings.Cut(rest, " ")
	switch kind {
	case "area":
		count, err := strconv.Atoi(rest)
		if err != nil {
			return fmt.Errorf("the number of subtests: %w", err)
		}
		e.subtests[name] = count
		return nil
	case "omit":
		file, ok := strings.CutSuffix(name, ":")
		if !ok || rest == "" {
			return fmt.Errorf("want omit FILE: REASON")
		}
		e.omitted = append(e.omitted, file)
		return nil
	case "fail":
		number, rest, _ := strings.Cut(rest, " ")
		count, err := strconv.Atoi(number)
		if err != nil || count < 1 {
			return fmt.Errorf("%q is not a number of failures", number)
		}
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return fmt.Errorf("the subtest: %w", err)
		}
		if reason, ok := strings.CutPrefix(rest[len(quoted):], ": "); !ok || reason == "" {
			return fmt.Errorf("the reason is missing")
		}
		subtest, err := strconv.Unquote(quoted)
		if err != nil {
			return fmt.Errorf("the subtest: %w", err)
		}
		e.failures = append(e.failures, &failure{line: n, file: name, subtest: subtest, count: count})
		return nil
	}
	return fmt.Errorf("%q is neither area nor omit nor fail", kind)
}

func matches(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	last := len(parts) - 1
	if last == 0 {
		return pattern == name
	}
	name, begins := strings.CutPrefix(name, parts[0])
	if !begins {
		return false
	}
	for _, part := range parts[1:last] {
		_, after, found := strings.Cut(name, part)
		if !found {
			return false
		}
		name = after
	}
	return strings.HasSuffix(name, parts[last])
}

// omits reports whether a file is not run.
func (e *expectations) omits(name string) bool {
	return e != nil && slices.ContainsFunc(e.omitted, func(p string) bool { return matches(p, name) })
}

// compare returns what differs from the list. A failure counts for the first line that fits it.
func (e *expectations) compare(tests []*test) (wrong []string) {
	seen, subtests := map[*failure]int{}, map[string]int{}
	for _, t := range tests {
		subtests[t.area] += len(t.results)
		if len(t.results) == 0 && t.skipped == 0 {
			wrong = append(wrong, t.name+" has no subtest")
		}
		for _, x := range t.failed() {
			at := slices.IndexFunc(e.failures, func(f *failure) bool {
				return matches(f.file, t.name) && matches(f.subtest, x.Name)
			})
			if at < 0 {
				wrong = append(wrong, fmt.Sprintf("unexpected failure: %s %q: %.300s", t.name, x.Name, strings.ReplaceAll(x.Message, "\n", " ")))
				continue
			}
			seen[e.failures[at]]++
		}
	}
	for _, f := range e.failures {
		switch n := seen[f]; {
		case n < f.count:
			wrong = append(wrong, fmt.Sprintf("unexpected pass: line %d expects %d failures of %s %q, and there are %d", f.line, f.count, f.file, f.subtest, n))
		case n > f.count:
			wrong = append(wrong, fmt.Sprintf("unexpected failure: line %d expects %d failures of %s %q, and there are %d", f.line, f.count, f.file, f.subtest, n))
		}
	}
	for _, a := range areas {
		if want, has := e.subtests[a.name], subtests[a.name]; want != has {
			wrong = append(wrong, fmt.Sprintf("%s has %d subtests, and the list expects %d", a.name, has, want))
		}
	}
	return wrong
}
