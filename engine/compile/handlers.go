package compile

import (
	"regexp"
	"slices"
	"strings"
)

// handlerNames are the members of a default export that the runtime calls.
var handlerNames = []string{"fetch", "scheduled", "event", "run"}

var (
	// The source's own exports: modules of Node have such objects too.
	sourceExports = regexp.MustCompile(`(?s)\n__export\(source_exports\d*, \{\n(.*?)\n\}\);`)
	defaultGetter = regexp.MustCompile(`(?m)^  default: \(\) => ([\w$]+),?$`)
	identifier    = regexp.MustCompile(`^[\w$]+$`)
)

// handlers reads, from esbuild's output, which handlers the default export has. The output's layout is esbuild's own, so a few
// fixed shapes are enough; whatever has another shape is open.
func handlers(compiled, required string) (names []string, open bool) {
	var expr string
	if exports := sourceExports.FindStringSubmatch(compiled); exports != nil {
		m := defaultGetter.FindStringSubmatch(exports[1])
		if m == nil {
			return nil, false // an ES module without a default export
		}
		expr = m[1]
	} else if !strings.Contains(compiled, "\nmodule.exports = __toCommonJS(") {
		i := strings.Index(compiled, "\nmodule.exports = {")
		if i < 0 || strings.Contains(compiled, "exports.default") {
			// With a top-level await it has the syntax of an ES module. The wrapper and the entry name exports once each.
			return nil, !strings.HasPrefix(compiled, asyncPrefix) || strings.Count(compiled, "exports") > strings.Count(compiled, "source_exports")+2
		}
		expr = compiled[i+len("\nmodule.exports = "):]
	} else {
		return nil, false // an ES module without an export
	}
	for range 8 {
		expr = strings.TrimPrefix(expr, "async ")
		switch {
		case strings.HasPrefix(expr, "{"):
			return members(expr)
		case strings.HasPrefix(expr, "function") || strings.HasPrefix(expr, "(") && arrow(expr):
			return []string{required}, false
		}
		name := expr
		if i := strings.IndexAny(name, ";\n"); i >= 0 {
			if name[i] == '\n' {
				return nil, true
			}
			name = name[:i]
		}
		if !identifier.MatchString(name) {
			return nil, true
		}
		next, ok := declaration(compiled, name)
		if !ok {
			return nil, true
		}
		expr = next
	}
	return nil, true
}

// declaration returns the text of the initializer of a name that is declared at the top level and never assigned again.
func declaration(compiled, name string) (string, bool) {
	for _, start := range []string{"\nfunction ", "\nasync function ", "\nfunction* ", "\nasync function* "} {
		if strings.Contains(compiled, start+name+"(") {
			return "function", true
		}
	}
	for _, start := range []string{"\nvar ", "\nconst ", "\nlet "} {
		head := start + name + " = "
		if i := strings.Index(compiled, head); i >= 0 {
			// A member that is added later (handler.fetch = …) is not in the literal.
			if strings.Contains(compiled, "\n"+name+".") || strings.Contains(compiled, "\n"+name+" = ") || strings.Contains(compiled, "\n"+name+"[") {
				return "", false
			}
			return compiled[i+len(head):], true
		}
	}
	return "", false
}

// arrow reports whether the expression, which begins with a parenthesis, is an arrow function's head.
func arrow(expr string) bool {
	s := scanner{text: expr}
	s.balanced()
	return strings.HasPrefix(expr[s.at:], " => ")
}

// members lists the handlers among the members of the object literal at the start of text.
func members(text string) (names []string, open bool) {
	s := scanner{text: text, at: 1}
	for {
		s.space()
		if s.at >= len(text) || text[s.at] == '}' {
			break
		}
		name, seen := s.member()
		open = open || !seen
		if slices.Contains(handlerNames, name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
		if !s.comma() {
			break
		}
	}
	if s.at >= len(text) {
		open = true
	}
	slices.SortFunc(names, func(a, b string) int { return slices.Index(handlerNames, a) - slices.Index(handlerNames, b) })
	return names, open
}

// scanner walks JavaScript that esbuild has printed.
type scanner struct {
	text string
	at   int
}

func (s *scanner) space() {
	for s.at < len(s.text) {
		switch {
		case strings.IndexByte(" \n\t\r", s.text[s.at]) >= 0:
			s.at++
		case strings.HasPrefix(s.text[s.at:], "//"), strings.HasPrefix(s.text[s.at:], "/*"):
			s.token()
		default:
			return
		}
	}
}

// member reads a member's name; seen is false for a spread or a computed name.
func (s *scanner) member() (name string, seen bool) {
	for {
		s.space()
		start := s.at
		switch s.peek() {
		case '*':
			s.at++
			continue
		case '[', '.':
			return "", false
		case '"', '\'':
			s.token()
			return strings.Trim(s.text[start:s.at], `"'`), true
		}
		for s.at < len(s.text) && wordByte(s.text[s.at]) {
			s.at++
		}
		word := s.text[start:s.at]
		if word == "async" || word == "get" || word == "set" {
			// A modifier where another name follows.
			if rest := strings.TrimLeft(s.text[s.at:], " "); rest != "" && strings.IndexByte("(:,}\n", rest[0]) < 0 {
				continue
			}
		}
		return word, word != ""
	}
}

// comma moves behind the next comma of this level; false at the end of the literal.
func (s *scanner) comma() bool {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ',':
			s.at++
			return true
		case '}':
			return false
		case '(', '[', '{':
			s.balanced()
		default:
			s.token()
		}
	}
	return false
}

// balanced moves behind the bracket that closes the one here.
func (s *scanner) balanced() {
	depth := 0
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case '(', '[', '{':
			depth++
			s.at++
		case ')', ']', '}':
			depth--
			s.at++
			if depth == 0 {
				return
			}
		default:
			s.token()
		}
	}
}

// token moves behind one string, template, comment, regular expression, word or other byte.
func (s *scanner) token() {
	rest := s.text[s.at:]
	switch c := rest[0]; {
	case c == '"' || c == '\'':
		s.until(c)
	case c == '`':
		s.template()
	case strings.HasPrefix(rest, "//"):
		s.skip(strings.IndexByte(rest, '\n'), 1)
	case strings.HasPrefix(rest, "/*"):
		s.skip(strings.Index(rest[2:], "*/"), 4)
	case c == '/' && s.regexpHere():
		s.regexp()
	case wordByte(c):
		for s.at < len(s.text) && wordByte(s.text[s.at]) {
			s.at++
		}
	default:
		s.at++
	}
}

func (s *scanner) skip(i, n int) {
	if i < 0 {
		s.at = len(s.text)
		return
	}
	s.at += i + n
}

func (s *scanner) until(quote byte) {
	for s.at++; s.at < len(s.text); s.at++ {
		switch s.text[s.at] {
		case '\\':
			s.at++
		case quote:
			s.at++
			return
		}
	}
	s.at = min(s.at, len(s.text))
}

func (s *scanner) template() {
	for s.at++; s.at < len(s.text); s.at++ {
		switch {
		case s.text[s.at] == '\\':
			s.at++
		case s.text[s.at] == '`':
			s.at++
			return
		case strings.HasPrefix(s.text[s.at:], "${"):
			s.at++
			s.balanced()
			s.at--
		}
	}
	s.at = min(s.at, len(s.text))
}

// regexpHere decides between a division and a regular expression by what precedes, as esbuild prints it.
func (s *scanner) regexpHere() bool {
	before := strings.TrimRight(s.text[:s.at], " \n")
	if before == "" {
		return true
	}
	last := before[len(before)-1]
	if !wordByte(last) {
		return strings.IndexByte(")]}\"'`", last) < 0
	}
	i := len(before)
	for i > 0 && wordByte(before[i-1]) {
		i--
	}
	return slices.Contains([]string{"return", "typeof", "case", "in", "of", "delete", "void", "throw", "new", "do", "else", "yield", "await"}, before[i:])
}

func (s *scanner) regexp() {
	class := false
	for s.at++; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '\\':
			s.at++
		case c == '[':
			class = true
		case c == ']':
			class = false
		case c == '/' && !class:
			s.at++
			return
		case c == '\n':
			return
		}
	}
	s.at = min(s.at, len(s.text))
}

func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func wordByte(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
