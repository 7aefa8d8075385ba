package isolate

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strings"
	"unicode/utf8"
	"unsafe"

	"golang.org/x/text/encoding/htmlindex"
	v8 "rogchap.com/v8go"

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

// longText is from what length on a reply goes through the holder: V8 takes longer to read UTF-8 than to copy characters.
const longText = 4096

// asciiLength is how many bytes at the beginning of b are ASCII.
func asciiLength(b []byte) int {
	n := 0
	for ; n+8 <= len(b) && binary.LittleEndian.Uint64(b[n:])&0x8080808080808080 == 0; n += 8 {
	}
	for ; n < len(b) && b[n] < 0x80; n++ {
	}
	return n
}

// holdText gives the holder a string of valid UTF-8.
func holdText(s string) bool {
	b := unsafe.Slice(unsafe.StringData(s), len(s))
	ascii := asciiLength(b)
	if ascii == len(b) {
		return holdBytes(b)
	}
	units := make([]uint16, len(b))
	for k, c := range b[:ascii] {
		units[k] = uint16(c)
	}
	n, seen := ascii, uint16(0)
	for at := ascii; at < len(b); {
		c := b[at]
		switch {
		case c < 0x80:
			units[n] = uint16(c)
			n, at = n+1, at+1
		case c < 0xE0 && at+1 < len(b):
			u := uint16(c&0x1F)<<6 | uint16(b[at+1]&0x3F)
			units[n], seen = u, seen|u
			n, at = n+1, at+2
		case c < 0xF0 && at+2 < len(b):
			u := uint16(c)<<12 | uint16(b[at+1]&0x3F)<<6 | uint16(b[at+2]&0x3F)
			units[n], seen = u, seen|u
			n, at = n+1, at+3
		default:
			r, size := utf8.DecodeRuneInString(s[at:])
			if r < 0x10000 {
				units[n] = uint16(r)
				n++
			} else {
				units[n], units[n+1] = uint16(0xD800+(r-0x10000)>>10), uint16(0xDC00+(r-0x10000)&0x3FF)
				n += 2
			}
			seen, at = 0xFFFF, at+size
		}
	}
	if seen > 0xFF {
		return holdUnits(units[:n])
	}
	narrow := make([]byte, n)
	for k, u := range units[:n] {
		narrow[k] = byte(u)
	}
	return holdBytes(narrow)
}

// single decodes bytes by a table of the upper 128 characters, which text has after a mark: 1 where U+FFFD is an error.
func (i *Isolate) single(text string) (*v8.Value, error) {
	upper := []rune(text)
	if len(upper) != 129 {
		return i.answer("", nil, &webapi.OpError{Name: "TypeError", Message: "text.single: no table of 128 characters"})
	}
	var table [256]uint16
	for c := range 128 {
		table[c], table[128+c] = uint16(c), uint16(upper[1+c])
	}
	b := i.bytes()
	fatal, same, at := text[0] == '1', true, asciiLength(b)
	for _, c := range b[at:] {
		u := table[c]
		if u == 0xFFFD && fatal {
			return i.answer("", nil, &webapi.OpError{Name: "TypeError", Message: "The encoded data was not valid"})
		}
		if u != uint16(c) {
			same = false
			if !fatal {
				break
			}
		}
	}
	if same {
		return i.inHolder(holdBytes(b))
	}
	units := make([]uint16, len(b))
	for k, c := range b {
		units[k] = table[c]
	}
	return i.inHolder(holdUnits(units))
}

// utf16 decodes an even number of bytes. text is "be" or "le", and " fatal" where half a surrogate pair is an error.
func (i *Isolate) utf16(text string) (*v8.Value, error) {
	order, fatal := strings.CutSuffix(text, " fatal")
	b := i.bytes()
	units := make([]uint16, len(b)/2)
	for k := range units {
		if order == "be" {
			units[k] = binary.BigEndian.Uint16(b[2*k:])
		} else {
			units[k] = binary.LittleEndian.Uint16(b[2*k:])
		}
	}
	for k := 0; k < len(units); k++ {
		switch u := units[k]; {
		case u&0xF800 != 0xD800:
		case u < 0xDC00 && k+1 < len(units) && units[k+1]&0xFC00 == 0xDC00:
			k++
		case fatal:
			return i.answer("", nil, &webapi.OpError{Name: "TypeError", Message: "The encoded data was not valid for encoding utf-16" + order})
		default:
			units[k] = utf8.RuneError
		}
	}
	return i.inHolder(holdUnits(units))
}

// base64OfText is btoa: each character is a byte.
func base64OfText(s string) (string, error) {
	b := unsafe.Slice(unsafe.StringData(s), len(s))
	if asciiLength(b) < len(b) {
		b = make([]byte, 0, len(s))
		for _, r := range s {
			if r > 0xFF {
				return "", &webapi.OpError{Name: "InvalidCharacterError", Message: "btoa: the string has a character above U+00FF"}
			}
			b = append(b, byte(r))
		}
	}
	return base64.StdEncoding.EncodeToString(b), nil
}

// forgivingBase64 is the standard's forgiving-base64 decode.
func forgivingBase64(s string) ([]byte, error) {
	bad := &webapi.OpError{Name: "InvalidCharacterError", Message: "atob: the string is not base64"}
	if strings.ContainsAny(s, "\t\n\f\r ") {
		s = strings.NewReplacer("\t", "", "\n", "", "\f", "", "\r", "", " ", "").Replace(s)
	}
	if len(s)%4 == 0 {
		for range 2 {
			s = strings.TrimSuffix(s, "=")
		}
	}
	b, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil {
		return nil, bad
	}
	return b, nil
}
