package isolate

import (
	"encoding/binary"
	"encoding/json"
	"strings"
	"unicode/utf8"
	"unsafe"

	"golang.org/x/text/encoding/htmlindex"

	"jsruntime/engine/internal/webapi"
)

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
