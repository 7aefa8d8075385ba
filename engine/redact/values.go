package redact

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

const (
	// MinValue is how long a secret must be to be looked for, in bytes.
	MinValue = 6
	// maxPiece is the longest piece of a secret that is looked for.
	maxPiece = 64
	// maxValue is how much of a secret's beginning is looked for.
	maxValue = 8 << 10
	// minLine is how long a line of a secret with several must be to be looked for alone.
	minLine = 16
)

// Values finds the secrets of one tenant in texts. It is immutable and safe for concurrent use; nil finds none.
type Values struct {
	replacer *strings.Replacer
}

// NewValues prepares the given secrets. It returns nil where none is long enough.
func NewValues(secrets []string) *Values {
	var pieces []string
	for _, secret := range secrets {
		if len(secret) < MinValue {
			continue
		}
		secret = secret[:min(len(secret), maxValue)]
		pieces = append(pieces, piecesOf(secret)...)
		for _, form := range []string{quoted(secret), url.QueryEscape(secret), url.PathEscape(secret)} {
			if form != secret {
				pieces = append(pieces, piecesOf(form)...)
			}
		}
		// As it stands at the beginning of a base64 text, for "Basic …" and data URLs: whole groups of three bytes only.
		if whole := len(secret) / 3 * 3; whole >= 2*MinValue {
			pieces = append(pieces, piecesOf(base64.StdEncoding.EncodeToString([]byte(secret[:whole])))...)
			pieces = append(pieces, piecesOf(base64.URLEncoding.EncodeToString([]byte(secret[:whole])))...)
		}
		if strings.Contains(secret, "\n") {
			for line := range strings.Lines(secret) {
				if line = strings.TrimSpace(line); len(line) >= minLine {
					pieces = append(pieces, piecesOf(line)...)
				}
			}
		}
	}
	if len(pieces) == 0 {
		return nil
	}
	// A replacer takes the first that matches: longer ones go first.
	slices.SortFunc(pieces, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	pieces = slices.Compact(pieces)
	pairs := make([]string, 0, 2*len(pieces))
	for _, piece := range pieces {
		pairs = append(pairs, piece, Mask)
	}
	return &Values{strings.NewReplacer(pairs...)}
}

// piecesOf cuts a text into pieces of about the same length, at most maxPiece.
func piecesOf(text string) []string {
	n := (len(text) + maxPiece - 1) / maxPiece
	pieces := make([]string, 0, n)
	for i := range n {
		pieces = append(pieces, text[len(text)*i/n:len(text)*(i+1)/n])
	}
	return pieces
}

// quoted is a text as it stands in a JSON string.
func quoted(text string) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(text) != nil {
		return text
	}
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(b.String()), `"`), `"`)
}

// Plain masks the tenant's secrets and keys of ours, and leaves everything else as it is.
func (v *Values) Plain(text string) string {
	if v != nil {
		if masked := v.replacer.Replace(text); masked != text {
			text = masked
			for strings.Contains(text, Mask+Mask) {
				text = strings.ReplaceAll(text, Mask+Mask, Mask)
			}
		}
	}
	return ownKeys(text)
}

const (
	keyStart = "jsr_"
	// minKey is how long a key of ours is at least; the prefix that the API shows is shorter.
	minKey = 24
)

// ownKeys masks keys of this runtime.
func ownKeys(text string) string {
	at := strings.Index(text, keyStart)
	if at < 0 {
		return text
	}
	var b strings.Builder
	for at >= 0 {
		end := at + len(keyStart)
		for end < len(text) && isName(text[end]) {
			end++
		}
		b.WriteString(text[:at])
		if end-at >= minKey {
			b.WriteString(Mask)
		} else {
			b.WriteString(text[at:end])
		}
		text = text[end:]
		at = strings.Index(text, keyStart)
	}
	b.WriteString(text)
	return b.String()
}

func isName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}
