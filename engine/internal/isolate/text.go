package isolate

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"

	"jsruntime/engine/internal/webapi"
)

// decodeUTF8 replaces what is not UTF-8 as the Encoding standard does: one U+FFFD for each maximal part of a sequence.
func decodeUTF8(b []byte) string {
	var out strings.Builder
	out.Grow(len(b) + len(b)/8)
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r != utf8.RuneError || size > 1 {
			out.Write(b[:size])
			b = b[size:]
			continue
		}
		out.WriteString("\uFFFD")
		b = b[maximalPart(b):]
	}
	return out.String()
}

// maximalPart is the length of the longest beginning of b, which is not a character, that could have become one.
func maximalPart(b []byte) int {
	need, low, high := 0, byte(0x80), byte(0xBF)
	switch c := b[0]; {
	case c >= 0xC2 && c <= 0xDF:
		need = 1
	case c >= 0xE0 && c <= 0xEF:
		need = 2
		switch c {
		case 0xE0:
			low = 0xA0
		case 0xED:
			high = 0x9F
		}
	case c >= 0xF0 && c <= 0xF4:
		need = 3
		switch c {
		case 0xF0:
			low = 0x90
		case 0xF4:
			high = 0x8F
		}
	}
	n := 1
	for ; n <= need && n < len(b) && b[n] >= low && b[n] <= high; n++ {
		low, high = 0x80, 0xBF
	}
	return n
}

// decodeText decodes bytes of a legacy encoding. request is JSON {label, fatal}.
func decodeText(request string, b []byte) (string, error) {
	var r struct {
		Label string `json:"label"`
		Fatal bool   `json:"fatal"`
	}
	if err := json.Unmarshal([]byte(request), &r); err != nil {
		return "", &webapi.OpError{Name: "TypeError", Message: "text.decode: " + err.Error()}
	}
	e, err := htmlindex.Get(r.Label)
	if err != nil {
		return "", &webapi.OpError{Name: "RangeError", Message: "The encoding label provided ('" + Bound(r.Label, 100) + "') is invalid"}
	}
	s, err := e.NewDecoder().Bytes(b)
	if err != nil {
		return "", &webapi.OpError{Name: "TypeError", Message: "The encoded data was not valid " + r.Label}
	}
	if r.Fatal && strings.ContainsRune(string(s), utf8.RuneError) {
		return "", &webapi.OpError{Name: "TypeError", Message: "The encoded data was not valid " + r.Label}
	}
	return string(s), nil
}
