package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"unsafe"
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
	seen     [1 << 16 / 64]uint64    // a bit for each of the first grams of each piece, by gramHash
	pieces   map[uint32][]piecePlace // of these grams
}

// A piece has at least MinValue bytes, so that in whichever text it stands, one of its first gramStep grams begins at a multiple of gramStep: mayHold
// looks at one byte in four.
const (
	gramSize = 3
	gramStep = MinValue - gramSize + 1
	// maxAlike is how many pieces are compared for one gram. Where more have it, the gram alone says that a text may hold one.
	maxAlike = 8
)

// piecePlace is where in a piece a gram is.
type piecePlace struct {
	piece string
	at    int
}

func gramOf[T ~string | ~[]byte](text T, i int) uint32 {
	return uint32(text[i]) | uint32(text[i+1])<<8 | uint32(text[i+2])<<16
}

// gramHash is the number of a gram's bit.
func gramHash(gram uint32) uint32 { return gram * 0x9E3779B1 >> 16 }

// index prepares mayHold.
func (v *Values) index(pieces []string) {
	v.pieces = map[uint32][]piecePlace{}
	for _, piece := range pieces {
		for at := range gramStep {
			gram := gramOf(piece, at)
			hash := gramHash(gram)
			v.seen[hash/64] |= 1 << (hash % 64)
			if len(v.pieces[gram]) <= maxAlike {
				v.pieces[gram] = append(v.pieces[gram], piecePlace{piece, at})
			}
		}
	}
}

// mayHold reports whether a text may hold a piece of a secret: where it says no, the replacer changes nothing.
func (v *Values) mayHold(text []byte) bool {
	for i := 0; i+gramSize <= len(text); i += gramStep {
		gram := gramOf(text, i)
		hash := gramHash(gram)
		if v.seen[hash/64]>>(hash%64)&1 == 0 {
			continue
		}
		places := v.pieces[gram]
		if len(places) > maxAlike {
			return true
		}
		for _, p := range places {
			if from := i - p.at; from >= 0 && len(text)-from >= len(p.piece) && string(text[from:from+len(p.piece)]) == p.piece {
				return true
			}
		}
	}
	return false
}

// mayChange reports whether Plain may change a text.
func (v *Values) mayChange(text []byte) bool {
	return v != nil && v.mayHold(text) || bytes.Contains(text, []byte(keyStart))
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
	v := &Values{replacer: strings.NewReplacer(pairs...)}
	v.index(pieces)
	return v
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
	if v != nil && v.mayHold(unsafe.Slice(unsafe.StringData(text), len(text))) { // which does not write
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
