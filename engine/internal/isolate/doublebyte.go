package isolate

import (
	"bytes"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/transform"
)

// doubleByte decodes an encoding whose characters of more than one byte are mostly pairs. It looks up what package x/text says of each byte
// and of each pair, and leaves the rest to it: what is malformed, longer, or outside of the Basic Multilingual Plane.
type doubleByte struct {
	single [128]uint16      // by byte, from 0x80 on; 0 for none
	pairs  [128][256]uint16 // by first byte from 0x80 on, and second; 0 for none
	slow   encoding.Encoding
}

// doubleBytes holds the tables of encodings that were asked for, 65 KiB each, by their names.
var doubleBytes sync.Map

// doubleByteNames are the encodings of that kind.
var doubleByteNames = map[string]bool{"shift_jis": true, "euc-jp": true, "euc-kr": true, "big5": true, "gbk": true, "gb18030": true}

// doubleByteOf returns the tables of an encoding. They take some 2 ms to make.
func doubleByteOf(name string, e encoding.Encoding) *doubleByte {
	if t, ok := doubleBytes.Load(name); ok {
		return t.(*doubleByte)
	}
	t := &doubleByte{slow: e}
	decoder := e.NewDecoder().Transformer
	var out [8]byte
	one := func(src []byte) uint16 {
		decoder.Reset()
		n, used, err := decoder.Transform(out[:], src, true)
		r, size := utf8.DecodeRune(out[:n])
		if err != nil || used != len(src) || size != n || r == utf8.RuneError || r > 0xFFFF {
			return 0
		}
		return uint16(r)
	}
	for first := range 128 {
		c := byte(0x80 + first)
		if t.single[first] = one([]byte{c}); t.single[first] != 0 {
			continue
		}
		for second := range 256 {
			t.pairs[first][second] = one([]byte{c, byte(second)})
		}
	}
	doubleBytes.Store(name, t)
	return t
}

// decode returns b's UTF-16 units. malformed is set where U+FFFD came of it.
func (t *doubleByte) decode(b []byte) (units []uint16, malformed bool) {
	units = make([]uint16, 0, len(b)/2+len(b)/8+16)
	var decoder transform.Transformer
	var out [48]byte
	for at := 0; at < len(b); {
		c := b[at]
		if c < utf8.RuneSelf {
			n := asciiLength(b[at:])
			for _, c := range b[at : at+n] {
				units = append(units, uint16(c))
			}
			at += n
			continue
		}
		if u := t.single[c&0x7F]; u != 0 {
			units = append(units, u)
			at++
			continue
		}
		if at+1 < len(b) {
			if u := t.pairs[c&0x7F][b[at+1]]; u != 0 {
				units = append(units, u)
				at += 2
				continue
			}
		}
		if decoder == nil {
			decoder = t.slow.NewDecoder().Transformer
		}
		n, used, _ := decoder.Transform(out[:], b[at:], true)
		if used == 0 { // as if it were malformed: a decoder that takes nothing would never end
			out[0], out[1], out[2] = 0xEF, 0xBF, 0xBD
			n, used = 3, 1
		}
		for part := out[:n]; len(part) > 0; {
			r, size := utf8.DecodeRune(part)
			malformed = malformed || r == utf8.RuneError
			units = appendUnits(units, r)
			part = part[size:]
		}
		at += used
	}
	return units, malformed
}

func appendUnits(units []uint16, r rune) []uint16 {
	if r < 0x10000 {
		return append(units, uint16(r))
	}
	return append(units, uint16(0xD800+(r-0x10000)>>10), uint16(0xDC00+(r-0x10000)&0x3FF))
}

// mayEscape reports whether iso-2022-jp has to look at a byte other than as ASCII.
func mayEscape(b []byte) bool {
	return asciiLength(b) < len(b) || bytes.ContainsAny(b, "\x0e\x0f\x1b")
}
