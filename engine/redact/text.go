package redact

import (
	"strings"
)

// minLoose is how long an unquoted value after "name:" must be to be taken for one and not for a word of a sentence.
const minLoose = 6

// Text masks what free text holds of credentials: log lines, error messages, stacks. Beside the tenant's secrets and keys of ours
// these are values of names that hold one (password=…, "token": "…", authorization: …, ?key=…) and what follows Bearer or Basic.
func (v *Values) Text(text string) string {
	text = v.Plain(text)
	var b strings.Builder
	kept := 0
	mask := func(from, to int) {
		b.WriteString(text[kept:from])
		b.WriteString(Mask)
		kept = to
	}
	for i := 0; i < len(text); {
		step := strings.IndexAny(text[i:], ":= ")
		if step < 0 {
			break
		}
		i += step
		if i < kept {
			i = kept
			continue
		}
		if text[i] == ' ' {
			if scheme(text, i) {
				if end := wordEnd(text, i+1); end-i > 4 && text[i+1:end] != Mask {
					mask(i+1, end)
					i = end
					continue
				}
			}
			i++
			continue
		}
		name, quotedName := nameBefore(text, i)
		holds := false
		switch {
		case name == "":
		case text[i] == '=':
			before := i - len(name) - 1
			inURL := before >= 0 && (text[before] == '?' || text[before] == '&')
			holds = inURL && Param(name) || Field(name)
		default:
			holds = Field(name) || strings.Contains(name, "-") && Header(name) || strings.EqualFold(name, "cookie") || strings.EqualFold(name, "authorization")
		}
		from, to, ok := 0, 0, false
		if holds {
			from, to, ok = valueAfter(text, i+1, text[i] == '=' || quotedName)
		}
		if !ok {
			i++
			continue
		}
		mask(from, to)
		i = to
	}
	if kept == 0 {
		return text
	}
	b.WriteString(text[kept:])
	return b.String()
}

// URL masks the values of a URL's query parameters that hold credentials by their names, and the tenant's secrets and keys of ours anywhere.
// User, password and fragment are left out. The URL may be any text.
func (v *Values) URL(text string) string {
	text, _, _ = strings.Cut(text, "#")
	head, query, marked := strings.Cut(text, "?")
	if i := strings.Index(head, "://"); i >= 0 {
		authority, _, _ := strings.Cut(head[i+3:], "/")
		if at := strings.LastIndexByte(authority, '@'); at >= 0 {
			head = head[:i+3] + authority[at+1:] + head[i+3+len(authority):]
		}
	}
	head = v.Plain(head)
	if !marked {
		return head
	}
	query, _ = Rules{Values: v}.Query(query, Param)
	return head + "?" + query
}

// scheme reports whether the space at i follows the name of an authorization scheme.
func scheme(text string, i int) bool {
	for _, name := range [...]string{"Bearer", "Basic", "bearer", "basic", "BEARER", "BASIC"} {
		if at := i - len(name); at >= 0 && text[at:i] == name && (at == 0 || !isName(text[at-1])) {
			// "Basic auth" in a sentence is no credential: one has a digit, a capital inside or is long.
			end := wordEnd(text, i+1)
			return looksRandom(text[i+1 : end])
		}
	}
	return false
}

func looksRandom(word string) bool {
	if len(word) >= 20 {
		return true
	}
	for i := range len(word) {
		if c := word[i]; c >= '0' && c <= '9' || i > 0 && c >= 'A' && c <= 'Z' || c == '=' {
			return len(word) >= minLoose
		}
	}
	return false
}

func wordEnd(text string, i int) int {
	if end := strings.IndexAny(text[i:], " \t\r\n\"'`,;<>)}]"); end >= 0 {
		return i + end
	}
	return len(text)
}

// nameBefore is the name that ends before i, and whether it stands in quotes.
func nameBefore(text string, i int) (string, bool) {
	inQuotes := false
	if text[i] == ':' && i > 0 && (text[i-1] == '"' || text[i-1] == '\'') {
		inQuotes = true
		i--
		if i > 0 && text[i-1] == '\\' { // JSON within JSON
			i--
		}
	}
	from := i
	for from > 0 && isName(text[from-1]) && i-from < 128 {
		from--
	}
	return text[from:i], inQuotes
}

// valueAfter is where the value after a name begins and ends. Unless sure, one without quotes must look like a credential.
func valueAfter(text string, i int, sure bool) (from, to int, ok bool) {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t') {
		i++
	}
	if i >= len(text) {
		return 0, 0, false
	}
	escaped := text[i] == '\\' && i+1 < len(text) && (text[i+1] == '"' || text[i+1] == '\'')
	if escaped {
		i++
	}
	if quote := text[i]; quote == '"' || quote == '\'' || quote == '`' {
		i++
		for end := i; end < len(text); end++ {
			if text[end] == '\\' && !escaped {
				end++
				continue
			}
			if text[end] == quote {
				if escaped && text[end-1] == '\\' {
					return i, end - 1, end-1 > i
				}
				return i, end, end > i
			}
		}
		return i, len(text), len(text) > i // cut off
	}
	// A scheme belongs to the value.
	end := i
	if rest := text[i:]; len(rest) > 7 && (strings.EqualFold(rest[:7], "bearer ") || strings.EqualFold(rest[:6], "basic ")) {
		end = i + strings.IndexByte(rest, ' ') + 1
		i, sure = end, true
	}
	for end < len(text) && strings.IndexByte(" \t\r\n,;&\"'`<>)}]", text[end]) < 0 {
		end++
	}
	value := text[i:end]
	switch value {
	case "", "null", "undefined", "true", "false", Mask:
		return 0, 0, false
	}
	if value[0] == '{' || value[0] == '[' || value[0] == '(' {
		return 0, 0, false
	}
	return i, end, sure || looksRandom(value)
}
