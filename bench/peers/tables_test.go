package main

import (
	"strings"
	"testing"
)

// A run of some tables leaves the others, and what was written by hand, as they are.
func TestTablesMerge(t *testing.T) {
	old := "# head\n\nof another day\n\n## A thing, 3 rounds\n\nold a\n\n## B: 5 jobs\n\nold b\n" + byHand + "\n## By hand\n\nstays\n"
	var made tables
	made.add("B: 7 jobs", "new b\n")
	made.add("1,000 things at random, closed loop", "new c\n")
	got := made.merge(old, "# head\n\nof this day\n")
	want := "# head\n\nof this day\n\n## A thing, 3 rounds\n\nold a\n\n## B: 7 jobs\n\nnew b\n\n## 1,000 things at random, closed loop\n\nnew c\n" + byHand + "\n## By hand\n\nstays\n"
	if got != want {
		t.Fatalf("got\n%s\nwant\n%s", got, want)
	}
	if again := made.merge(got, "# head\n\nof this day\n"); again != got {
		t.Fatalf("a second time changes it:\n%s", again)
	}
	if strings.Count(made.merge("", "# head\n"), "## ") != 2 {
		t.Fatal("a new file has the sections")
	}
}
