package compile

import (
	"encoding/json"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

// compactMap takes the blanks out of esbuild's source map.
func compactMap(text string) string {
	var m struct {
		Version  int      `json:"version"`
		Sources  []string `json:"sources"`
		Mappings string   `json:"mappings"`
		Names    []string `json:"names"`
	}
	if json.Unmarshal([]byte(text), &m) != nil {
		return text
	}
	m.Names = []string{} // names are a third of the map, and stack traces do not need them
	m.Mappings = dropNames(m.Mappings)
	b, err := json.Marshal(m)
	if err != nil {
		return text
	}
	return string(b)
}

// dropNames removes the fifth field of every segment.
func dropNames(mappings string) string {
	var b strings.Builder
	b.Grow(len(mappings))
	for len(mappings) > 0 {
		end := strings.IndexAny(mappings, ",;")
		segment, separator := mappings, ""
		if end >= 0 {
			segment, separator = mappings[:end], mappings[end:end+1]
			mappings = mappings[end+1:]
		} else {
			mappings = ""
		}
		fields := 0
		for i := range len(segment) {
			if base64Value(segment[i])&32 == 0 {
				if fields++; fields == 4 {
					segment = segment[:i+1]
					break
				}
			}
		}
		b.WriteString(segment)
		b.WriteString(separator)
	}
	return b.String()
}

// maxPositions bounds the positions that are mapped in one stack: V8 prints ten frames, a message can quote a few more.
const maxPositions = 64

var position = regexp.MustCompile(`\.js:(\d{1,9}):(\d{1,9})`)

// MapStack rewrites the positions "name.js:LINE:COLUMN" of a stack trace of the compiled text to "name.ts:LINE:COLUMN" of the
// source. What cannot be mapped stays as it is; a broken map changes nothing.
func MapStack(sourceMap, stack string) string {
	found := position.FindAllStringSubmatchIndex(stack, maxPositions)
	if len(found) == 0 || sourceMap == "" {
		return stack
	}
	var m struct {
		Version  int    `json:"version"`
		Mappings string `json:"mappings"`
	}
	if json.Unmarshal([]byte(sourceMap), &m) != nil || m.Version != 3 {
		return stack
	}
	type place struct{ line, column int }
	wanted := make([]place, len(found))
	lines := map[int][]segment{}
	for i, f := range found {
		wanted[i].line, _ = strconv.Atoi(stack[f[2]:f[3]])
		wanted[i].column, _ = strconv.Atoi(stack[f[4]:f[5]])
		lines[wanted[i].line-1] = nil
	}
	decode(m.Mappings, lines)

	var b strings.Builder
	at := 0
	for i, f := range found {
		segments := lines[wanted[i].line-1]
		column := wanted[i].column - 1
		n := sort.Search(len(segments), func(k int) bool { return segments[k].generated > column })
		if n == 0 {
			continue
		}
		s := segments[n-1]
		b.WriteString(stack[at:f[0]])
		b.WriteString(".ts:")
		b.WriteString(strconv.Itoa(s.line + 1))
		b.WriteByte(':')
		b.WriteString(strconv.Itoa(s.column + 1))
		at = f[1]
	}
	b.WriteString(stack[at:])
	return b.String()
}

// segment maps a generated column to a place of the source, all from 0.
type segment struct{ generated, line, column int }

// decode reads mappings up to the last line that is wanted, and stops at the first thing that no source map has.
func decode(mappings string, wanted map[int][]segment) {
	last := 0
	for line := range wanted {
		last = max(last, line)
	}
	var line, generated, sourceLine, sourceColumn int
	for at := 0; at < len(mappings) && line <= last; {
		switch mappings[at] {
		case ';':
			line++
			generated = 0
			at++
			continue
		case ',':
			at++
			continue
		}
		var fields [5]int
		n := 0
		for at < len(mappings) && mappings[at] != ',' && mappings[at] != ';' {
			value, size := vlq(mappings[at:])
			if size == 0 || n == len(fields) {
				return
			}
			fields[n] = value
			n++
			at += size
		}
		generated += fields[0]
		if n < 4 {
			continue
		}
		sourceLine += fields[2]
		sourceColumn += fields[3]
		if segments, ok := wanted[line]; ok && sourceLine >= 0 && sourceColumn >= 0 {
			wanted[line] = append(segments, segment{generated: generated, line: sourceLine, column: sourceColumn})
		}
	}
}

// vlq reads one base64 variable-length quantity; size is 0 where there is none.
func vlq(text string) (value, size int) {
	shift := 0
	for i := range len(text) {
		v := base64Value(text[i])
		if v < 0 || shift > 30 {
			return 0, 0
		}
		value |= (v & 31) << shift
		shift += 5
		if v&32 == 0 {
			if value&1 != 0 {
				return -(value >> 1), i + 1
			}
			return value >> 1, i + 1
		}
	}
	return 0, 0
}

func base64Value(c byte) int {
	switch {
	case 'A' <= c && c <= 'Z':
		return int(c - 'A')
	case 'a' <= c && c <= 'z':
		return int(c-'a') + 26
	case '0' <= c && c <= '9':
		return int(c-'0') + 52
	case c == '+':
		return 62
	case c == '/':
		return 63
	default:
		return -1
	}
}
