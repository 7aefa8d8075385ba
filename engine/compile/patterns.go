package compile

import (
	"regexp"
	"slices"
	"strings"
)

// A call with a pattern, import(`./locale/${name}.js`): esbuild looks for files that match, and no plugin is asked. Such a call is
// given another function's name, of the same length so that every place of the source stays what it is.
var (
	patternError = regexp.MustCompile(`^(?:Could not resolve|The glob pattern) (import|require)\("`)
	patternCall  = regexp.MustCompile(`\b(import|require)\s*\((?:\s|\(|/\*[^*]*\*+(?:[^/*][^*]*\*+)*/|//[^\n]*\n)*$`)
	patternNames = map[string][]string{"import": {"imp0rt", "imp1rt", "imp2rt", "imp3rt"}, "require": {"requ1re", "requ2re", "requ3re", "requ4re"}}
	patternCalls = map[string]string{"import": importName, "require": requireName}
	lineEnd      = regexp.MustCompile("\r\n|[\n\r\u2028\u2029]")
)

// patternReach is how far before its argument, in bytes, a call may begin: comments stand between.
const patternReach = 1 << 10

// maxPatternRounds is how often a source may be bundled for the sake of its patterns.
const maxPatternRounds = 8

// renamePatterns renames the functions of the calls that esbuild's messages are about. It reports whether there were any: esbuild
// names each pattern once, so that a pattern that comes twice needs two rounds.
func (b *bundle) renamePatterns() bool {
	source := []byte(b.source)
	var lines [][]int
	for _, m := range slices.Concat(b.result.Errors, b.result.Warnings) {
		match := patternError.FindStringSubmatch(m.Text)
		if match == nil || m.Location == nil {
			continue
		}
		if lines == nil {
			lines = lineEnd.FindAllIndex(source, -1)
		}
		argument := m.Location.Column
		if n := m.Location.Line - 2; n >= 0 && n < len(lines) {
			argument += lines[n][1]
		}
		argument = min(argument, len(source))
		before := max(0, argument-patternReach)
		at := patternCall.FindSubmatchIndex(source[before:argument])
		name := unused(b.original, patternNames[match[1]])
		if at == nil || name == "" {
			continue
		}
		copy(source[before+at[2]:], name)
		b.define[name] = patternCalls[match[1]]
	}
	if string(source) == b.source {
		return false
	}
	b.source = string(source)
	return true
}

// unused returns the first of names that a text does not contain.
func unused(text string, names []string) string {
	for _, name := range names {
		if !strings.Contains(text, name) {
			return name
		}
	}
	return ""
}
