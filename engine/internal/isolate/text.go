package isolate

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"
	v8 "rogchap.com/v8go"

	"example.com/jsruntime/engine/internal/webapi"
)

// decodeText decodes bytes of a legacy encoding into the holder. request is JSON {label, fatal}.
func (i *Isolate) decodeText(request string) (*v8.Value, error) {
	var r struct {
		Label string `json:"label"`
		Fatal bool   `json:"fatal"`
	}
	if err := json.Unmarshal([]byte(request), &r); err != nil {
		return i.answer("", nil, &webapi.OpError{Name: "TypeError", Message: "text.decode: " + err.Error()})
	}
	b := i.bytes()
	switch {
	case doubleByteNames[r.Label] && asciiLength(b) == len(b), r.Label == "iso-2022-jp" && !mayEscape(b):
		return i.inHolder(holdBytes(b))
	}
	label := r.Label
	if label == "gbk" { // the standard has one decoder for both
		label = "gb18030"
	}
	e, err := htmlindex.Get(label)
	if err != nil {
		return i.answer("", nil, &webapi.OpError{Name: "RangeError", Message: "The encoding label provided ('" + Bound(r.Label, 100) + "') is invalid"})
	}
	if doubleByteNames[label] {
		units, malformed := doubleByteOf(label, e).decode(b)
		if malformed && r.Fatal {
			return i.answer("", nil, invalidText(r.Label))
		}
		return i.inHolder(holdUnits(units))
	}
	s, err := e.NewDecoder().Bytes(b)
	if err != nil || r.Fatal && bytes.ContainsRune(s, utf8.RuneError) {
		return i.answer("", nil, invalidText(r.Label))
	}
	return i.inHolder(holdText(s))
}

func invalidText(label string) error {
	return &webapi.OpError{Name: "TypeError", Message: "The encoded data was not valid " + label}
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
func holdText(b []byte) bool {
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
			r, size := utf8.DecodeRune(b[at:])
			n = len(appendUnits(units[:n], r))
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
