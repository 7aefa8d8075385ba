package text

import "strings"

// Nearest is the known name that a misspelt one most likely stands for; empty: none is near.
func Nearest(name string, known []string) string {
	if len(name) > 64 {
		return ""
	}
	name = strings.ToLower(name)
	best, distance := "", 0
	for _, k := range known {
		lower := strings.ToLower(k)
		far := edits(name, lower)
		if len(name) >= 3 && len(lower) >= 3 && (strings.HasPrefix(name, lower) || strings.HasPrefix(lower, name)) {
			far = min(far, 1)
		}
		if far <= max(1, min(3, len(lower)/2)) && (best == "" || far < distance || (far == distance && k < best)) {
			best, distance = k, far
		}
	}
	return best
}

// edits is how many bytes must be inserted, deleted, replaced or swapped with their neighbour to make a of b.
func edits(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
