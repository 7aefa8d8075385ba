package sourcemap

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/json"
	"io"
	"math"
	"path"
	"sort"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxText bounds a map that is unpacked, in bytes. A compiled text of 4 MiB has a map of about as much.
	maxText = 8 << 20
	// maxName bounds the name of a source, in bytes; maxNames those of all together.
	maxName  = 200
	maxNames = 512 << 10
	// step is how many segments and line ends lie between two entries of the index.
	step = 256
)

// own is the name of sources that are ours: no author has them.
const own = "\x01"

// Pack makes the form in which a map is kept, of a source map of version 3. main is the name that the map has for the script's own source:
// Place.Source is empty there. Sources in a namespace of ownSchemes are the runtime's.
func Pack(text, main string) string {
	var m struct {
		Version  int      `json:"version"`
		Sources  []string `json:"sources"`
		Mappings string   `json:"mappings"`
	}
	if json.Unmarshal([]byte(text), &m) != nil || m.Version != 3 {
		return ""
	}
	var b strings.Builder
	b.WriteString(strconv.Itoa(len(m.Sources)))
	b.WriteByte('\n')
	total := 0
	for _, name := range m.Sources {
		switch {
		case name == main:
			name = ""
		case isOwn(name):
			name = own
		default:
			if name = cleanName(name); total > maxNames {
				name = "another source"
			}
		}
		total += len(name)
		b.WriteString(name)
		b.WriteByte('\n')
	}
	b.WriteString(dropNames(m.Mappings)) // names are a third of the map, and stack traces have their own
	if b.Len() > maxText {
		return ""
	}
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.DefaultCompression)
	if err != nil {
		return ""
	}
	if _, err := io.WriteString(w, b.String()); err != nil || w.Close() != nil {
		return ""
	}
	return base64.RawStdEncoding.EncodeToString(packed.Bytes())
}

// isOwn reports whether a source is the runtime's: a built-in module that the compiler has put in.
func isOwn(name string) bool {
	return strings.HasPrefix(name, "node:") || strings.HasPrefix(name, "jsruntime:")
}

// cleanName makes a path of a source's name: bundlers write webpack:///./src/a.ts, ../src/a.ts and file:///home/me/src/a.ts.
func cleanName(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError || r == '\u2028' || r == '\u2029' {
			return -1
		}
		return r
	}, name)
	if scheme, rest, ok := strings.Cut(name, ":"); ok && scheme != "" && strings.HasPrefix(rest, "/") {
		name = rest
	}
	name, _, _ = strings.Cut(name, "?") // vite and webpack add what a source was imported with
	if name = strings.TrimPrefix(path.Clean("/"+name), "/"); name == "" {
		return "another source"
	}
	if len(name) <= maxName {
		return name
	}
	name = name[len(name)-maxName:]
	for len(name) > 0 && !utf8.RuneStart(name[0]) {
		name = name[1:]
	}
	return "…" + name
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

// Map is an opened source map. One goroutine uses it.
type Map struct {
	names    []string
	mappings string
	index    []entry
	first    int // the first generated line that has a place
}

// Place is where compiled text comes from. Line and Column count from 1.
type Place struct {
	Source string // empty: the script's own
	Line   int
	Column int
	// Own is set for the runtime's code: modules of ours, and what the compiler puts before the author's code.
	Own bool
}

// state is what the numbers of a segment are relative to.
type state struct{ line, generated, source, sourceLine, sourceColumn int }

// entry is a place in mappings where reading can begin.
type entry struct {
	state            // before it
	at           int // in mappings
	line, column int // of the generated text: where what is read first stands
}

// Open reads what Pack has made, nil where text is something else.
func Open(text string) *Map {
	packed, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || len(packed) == 0 {
		return nil
	}
	plain, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), maxText+1))
	if err != nil || len(plain) > maxText {
		return nil
	}
	head, rest, ok := strings.Cut(string(plain), "\n")
	n, err := strconv.Atoi(head)
	if !ok || err != nil || n < 0 || n > strings.Count(rest, "\n") {
		return nil
	}
	m := &Map{names: make([]string, n), first: math.MaxInt}
	for i := range m.names {
		m.names[i], rest, _ = strings.Cut(rest, "\n")
	}
	m.mappings = rest
	m.read(entry{}, func(at int, before state, s *segment) bool {
		if len(m.index)*step <= s.number {
			m.index = append(m.index, entry{state: before, at: at, line: s.line, column: s.generated})
		}
		if s.placed && m.first == math.MaxInt {
			m.first = s.line
		}
		return true
	})
	if m.first == math.MaxInt {
		return nil
	}
	return m
}

// segment is what is read at one place: a segment, or the end of a line.
type segment struct {
	state
	number int
	end    bool // of a line
	placed bool
}

// read calls see with each segment from an entry on, with its place in mappings and the state before it, until see returns false. It stops
// at the first thing that no source map has.
func (m *Map) read(from entry, see func(at int, before state, s *segment) bool) {
	s := segment{state: from.state}
	for at := from.at; at < len(m.mappings); s.number++ {
		before, began := s.state, at
		s.end, s.placed = false, false
		switch m.mappings[at] {
		case ';':
			s.line++
			s.generated, s.end = 0, true
			at++
		case ',':
			at++
			s.number-- // is no segment
			continue
		default:
			var fields [4]int
			n := 0
			for at < len(m.mappings) && m.mappings[at] != ',' && m.mappings[at] != ';' {
				value, size := vlq(m.mappings[at:])
				if size == 0 || n == len(fields) {
					return
				}
				fields[n] = value
				n++
				at += size
			}
			s.generated += fields[0]
			if s.placed = n == 4; s.placed {
				s.source += fields[1]
				s.sourceLine += fields[2]
				s.sourceColumn += fields[3]
			}
			if !s.within() {
				return
			}
		}
		if !see(began, before, &s) {
			return
		}
	}
}

// within reports whether the sums are those of a text.
func (s *segment) within() bool {
	for _, n := range [...]int{s.generated, s.sourceLine, s.sourceColumn} {
		if n < 0 || n > math.MaxInt32 {
			return false
		}
	}
	return s.source >= math.MinInt32 && s.source <= math.MaxInt32
}

// Find returns where a position of the compiled text comes from, counted from 1. It reports false where the map does not say.
func (m *Map) Find(line, column int) (Place, bool) {
	line, column = line-1, column-1
	if line < m.first {
		return Place{Own: true}, true
	}
	n := sort.Search(len(m.index), func(i int) bool {
		e := m.index[i]
		return e.line > line || e.line == line && e.column > column
	})
	if n == 0 {
		return Place{}, false
	}
	var found segment
	m.read(m.index[n-1], func(_ int, _ state, s *segment) bool {
		if s.line > line || s.line == line && s.generated > column && !s.end || s.number > step {
			return false
		}
		if s.line == line && !s.end {
			found = *s
		}
		return true
	})
	if !found.placed || found.source < 0 || found.source >= len(m.names) {
		return Place{}, false
	}
	name := m.names[found.source]
	return Place{Source: name, Line: found.sourceLine + 1, Column: found.sourceColumn + 1, Own: name == own}, true
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
