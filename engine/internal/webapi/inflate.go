package webapi

import (
	"encoding/binary"
	"hash"
	"hash/adler32"
	"hash/crc32"
)

const (
	inflateWindow = 32 << 10 // how far back a copy reaches
	// CodecChunk is the most that one call of a Codec gives, and that it should be given, in bytes.
	CodecChunk  = 64 << 10
	longestCopy = 258
)

// inflateState says what comes next in the compressed data. In each state a step needs at most 48 bits, which the bit buffer holds: a
// step is done whole, or not at all until there is more.
//
// No library does that. compress/flate and github.com/klauspost/compress/flate read from a Reader until they have what they want, so that
// each stream would need a goroutine that waits in Read; and they hand out nothing before 32 KiB, a flush or the end, so that a script would
// see the parts of a stream late (TestInflaterGivesWhatCame). Nor do they refuse the reserved flags of gzip's header.
type inflateState int

const (
	gzipHead inflateState = iota
	gzipExtraLength
	gzipExtra
	gzipName
	gzipComment
	gzipHeadSum
	zlibHead
	blockHead
	storedLength
	stored
	dynamicHead
	dynamicOrder
	dynamicLengths
	block
	zlibSum
	gzipSum
	gzipSize
	ended
)

// inflater decompresses what is fed to it as far as that goes.
type inflater struct {
	format string
	in     []byte // not read yet; a part of buf
	buf    []byte
	bits   uint64 // read, not used yet: the next bit is the lowest
	nbits  uint
	state  inflateState
	err    error

	flags   byte // of gzip's header
	headSum uint32
	skip    int // what is left of a part of the header, or of a stored block
	final   bool
	fixed   bool // literals and distances are the fixed codes

	lengths            [286 + 30]uint8
	at, nlit, ndist    int
	order              int // how many lengths of the code for lengths there are
	literals, distance huffman

	sum  hash.Hash32
	size uint32

	out  []byte // the window, then what is new; cap is for both and a copy that began before the end
	kept int    // bytes of the window
}

func newInflater(format string) *inflater {
	f := &inflater{format: format, out: make([]byte, 0, inflateWindow+CodecChunk+longestCopy)}
	switch format {
	case "gzip":
		f.state, f.skip, f.sum = gzipHead, 10, crc32.NewIEEE()
	case "deflate":
		f.state, f.sum = zlibHead, adler32.New()
	default:
		f.state = blockHead
	}
	return f
}

func (f *inflater) Write(data []byte) {
	f.in = append(f.buf[:0], data...)
	f.buf = f.in
}

// Next returns what comes of the data so far, at most a little more than CodecChunk, and nothing where more data is needed. What it
// returned is valid until the next call. An error is reported once all before it is handed out.
func (f *inflater) Next() ([]byte, error) {
	if f.err != nil {
		return nil, f.err
	}
	if n := len(f.out); n > inflateWindow {
		f.out = f.out[:copy(f.out, f.out[n-inflateWindow:])]
	}
	f.kept = len(f.out)
	for f.err == nil && len(f.out)-f.kept < CodecChunk {
		made := len(f.out)
		more := f.step()
		if f.sum != nil {
			f.sum.Write(f.out[made:])
		}
		f.size += uint32(len(f.out) - made)
		if !more {
			break
		}
	}
	if made := f.out[f.kept:]; len(made) > 0 {
		return made, nil
	}
	return nil, f.err
}

// Close says whether the data was whole.
func (f *inflater) Close() ([]byte, error) {
	if f.err == nil && f.state != ended {
		f.err = &OpError{Name: "TypeError", Message: "the compressed data ends early"}
	}
	return nil, f.err
}

func (f *inflater) corrupt() bool {
	f.err = &OpError{Name: "TypeError", Message: "the compressed data is not valid " + f.format}
	return false
}

// need reports whether there are n bits, at most 56.
func (f *inflater) need(n uint) bool {
	for f.nbits < n && len(f.in) > 0 {
		f.bits |= uint64(f.in[0]) << f.nbits
		f.nbits += 8
		f.in = f.in[1:]
	}
	return f.nbits >= n
}

func (f *inflater) take(n uint) int {
	v := f.bits & (1<<n - 1)
	f.bits >>= n
	f.nbits -= n
	return int(v)
}

// headByte takes a byte of gzip's header.
func (f *inflater) headByte() byte {
	b := byte(f.take(8))
	f.headSum = crc32.Update(f.headSum, crc32.IEEETable, []byte{b})
	return b
}

// step goes on and reports whether it could.
func (f *inflater) step() bool {
	switch f.state {
	case gzipHead:
		if !f.need(8) {
			return false
		}
		b := f.headByte()
		switch f.skip {
		case 10:
			if b != 0x1f {
				return f.corrupt()
			}
		case 9:
			if b != 0x8b {
				return f.corrupt()
			}
		case 8:
			if b != 8 {
				return f.corrupt()
			}
		case 7:
			if f.flags = b; b&0xe0 != 0 {
				return f.corrupt()
			}
		}
		if f.skip--; f.skip == 0 {
			f.state = gzipExtraLength
		}
	case gzipExtraLength:
		if f.flags&4 == 0 {
			f.state = gzipName
			return true
		}
		if !f.need(16) {
			return false
		}
		f.skip = int(f.headByte())
		f.skip |= int(f.headByte()) << 8
		f.state = gzipExtra
	case gzipExtra:
		if f.skip == 0 {
			f.state = gzipName
			return true
		}
		if !f.need(8) {
			return false
		}
		f.headByte()
		f.skip--
	case gzipName, gzipComment:
		if f.flags&(8<<(f.state-gzipName)) == 0 {
			f.state++
			return true
		}
		if !f.need(8) {
			return false
		}
		if f.headByte() == 0 {
			f.state++
		}
	case gzipHeadSum:
		if f.flags&2 != 0 {
			if !f.need(16) {
				return false
			}
			if f.take(16) != int(f.headSum&0xffff) {
				return f.corrupt()
			}
		}
		f.state = blockHead
	case zlibHead:
		if !f.need(16) {
			return false
		}
		head := f.take(16)
		method, check := head&0xff, head>>8
		if method&15 != 8 || method>>4 > 7 || (method<<8|check)%31 != 0 || check&0x20 != 0 {
			return f.corrupt()
		}
		f.state = blockHead
	case blockHead:
		return f.begin()
	case storedLength:
		if !f.need(32) {
			return false
		}
		n := f.take(16)
		if f.take(16) != n^0xffff {
			return f.corrupt()
		}
		f.skip, f.state = n, stored
	case stored:
		return f.copyStored()
	case dynamicHead, dynamicOrder, dynamicLengths:
		return f.readCodes()
	case block:
		return f.inflate()
	case zlibSum, gzipSum:
		if !f.need(32) {
			return false
		}
		sum := uint32(f.take(32))
		if f.state == zlibSum {
			b := binary.LittleEndian.AppendUint32(nil, sum)
			sum = binary.BigEndian.Uint32(b)
		}
		if sum != f.sum.Sum32() {
			return f.corrupt()
		}
		if f.state == gzipSum {
			f.state = gzipSize
		} else {
			f.state = ended
		}
	case gzipSize:
		if !f.need(32) {
			return false
		}
		if uint32(f.take(32)) != f.size {
			return f.corrupt()
		}
		f.state = ended
	case ended:
		if f.need(8) {
			f.err = &OpError{Name: "TypeError", Message: "there is data after the end of the compressed data"}
		}
		return false
	}
	return true
}

// begin reads a block's head, or leaves the blocks after the last one.
func (f *inflater) begin() bool {
	if f.final {
		f.take(f.nbits % 8)
		switch f.format {
		case "gzip":
			f.state = gzipSum
		case "deflate":
			f.state = zlibSum
		default:
			f.state = ended
		}
		return true
	}
	if !f.need(3) {
		return false
	}
	f.final = f.take(1) == 1
	switch f.take(2) {
	case 0:
		f.take(f.nbits % 8)
		f.state = storedLength
	case 1:
		if !f.fixed {
			var lengths [288]uint8
			for i := range lengths {
				switch {
				case i < 144, i >= 280:
					lengths[i] = 8
				case i < 256:
					lengths[i] = 9
				default:
					lengths[i] = 7
				}
			}
			f.literals.build(lengths[:])
			for i := range 32 {
				lengths[i] = 5
			}
			f.distance.build(lengths[:32])
			f.fixed = true
		}
		f.state = block
	case 2:
		f.fixed = false
		f.state = dynamicHead
	default:
		return f.corrupt()
	}
	return true
}

func (f *inflater) copyStored() bool {
	for f.skip > 0 && f.nbits > 0 {
		f.out = append(f.out, byte(f.take(8)))
		f.skip--
	}
	n := min(f.skip, len(f.in), CodecChunk-min(len(f.out)-f.kept, CodecChunk))
	f.out = append(f.out, f.in[:n]...)
	f.in = f.in[n:]
	if f.skip -= n; f.skip == 0 {
		f.state = blockHead
		return true
	}
	return len(f.in) > 0
}

// lengthOrder is how the lengths of the code for lengths are put.
const lengthOrder = "\x10\x11\x12\x00\x08\x07\x09\x06\x0a\x05\x0b\x04\x0c\x03\x0d\x02\x0e\x01\x0f"

// readCodes reads the codes of a block that has its own.
func (f *inflater) readCodes() bool {
	switch f.state {
	case dynamicHead:
		if !f.need(14) {
			return false
		}
		f.nlit, f.ndist, f.order = f.take(5)+257, f.take(5)+1, f.take(4)+4
		if f.nlit > 286 || f.ndist > 30 {
			return f.corrupt()
		}
		clear(f.lengths[:19])
		f.at, f.state = 0, dynamicOrder
	case dynamicOrder:
		if !f.need(3) {
			return false
		}
		f.lengths[lengthOrder[f.at]] = uint8(f.take(3))
		if f.at++; f.at < f.order {
			return true
		}
		if !f.literals.build(f.lengths[:19]) || !f.literals.complete {
			return f.corrupt()
		}
		f.at, f.state = 0, dynamicLengths
	case dynamicLengths:
		f.need(14)
		bits, nbits := f.bits, f.nbits
		symbol, n := f.literals.decode(bits, nbits)
		switch {
		case symbol < 0:
			if symbol == badCode {
				return f.corrupt()
			}
			return false
		case symbol < 16:
			f.take(n)
			f.lengths[f.at] = uint8(symbol)
			f.at++
		default:
			extra := [3]uint{2, 3, 7}[symbol-16]
			if nbits < n+extra {
				return false
			}
			f.take(n)
			repeat, length := f.take(extra)+3, uint8(0)
			switch symbol {
			case 16:
				if f.at == 0 {
					return f.corrupt()
				}
				length = f.lengths[f.at-1]
			case 18:
				repeat += 8
			}
			if f.at+repeat > f.nlit+f.ndist {
				return f.corrupt()
			}
			for range repeat {
				f.lengths[f.at] = length
				f.at++
			}
		}
		if f.at < f.nlit+f.ndist {
			return true
		}
		if f.lengths[256] == 0 || !f.literals.build(f.lengths[:f.nlit]) || !f.distance.build(f.lengths[f.nlit:f.at]) {
			return f.corrupt()
		}
		f.state = block
	}
	return true
}

// inflate decodes a block's symbols until its end, until the chunk is full, or as far as the data goes.
func (f *inflater) inflate() bool {
	for len(f.out)-f.kept < CodecChunk {
		if f.nbits <= 48 {
			if len(f.in) >= 8 {
				f.bits |= binary.LittleEndian.Uint64(f.in) << f.nbits
				n := (63 - f.nbits) / 8
				f.in = f.in[n:]
				f.nbits += n * 8
				f.bits &= 1<<f.nbits - 1
			} else {
				f.need(48)
			}
		}
		bits, nbits := f.bits, f.nbits
		symbol, n := f.literals.decode(bits, nbits)
		if symbol < 256 {
			if symbol < 0 {
				if symbol == badCode {
					return f.corrupt()
				}
				return false
			}
			f.bits, f.nbits = bits>>n, nbits-n
			f.out = append(f.out, byte(symbol))
			continue
		}
		bits, nbits = bits>>n, nbits-n
		if symbol == 256 {
			f.bits, f.nbits = bits, nbits
			f.state = blockHead
			return true
		}
		// Lengths 3 to 10 have no extra bits, then four symbols each have one more; 285 is 258.
		symbol -= 257
		length, extra := symbol+3, uint(0)
		switch {
		case symbol == 28:
			length = longestCopy
		case symbol > 28:
			return f.corrupt()
		case symbol >= 8:
			extra = uint(symbol/4 - 1)
			length = (4+symbol%4)<<extra + 3
		}
		if nbits < extra {
			return false
		}
		length += int(bits & (1<<extra - 1))
		bits, nbits = bits>>extra, nbits-extra
		symbol, n = f.distance.decode(bits, nbits)
		if symbol < 0 {
			if symbol == badCode {
				return f.corrupt()
			}
			return false
		}
		bits, nbits = bits>>n, nbits-n
		distance := symbol + 1
		extra = 0
		switch {
		case symbol >= 30:
			return f.corrupt()
		case symbol >= 4:
			extra = uint(symbol/2 - 1)
			distance = (2+symbol%2)<<extra + 1
		}
		if nbits < extra {
			return false
		}
		distance += int(bits & (1<<extra - 1))
		f.bits, f.nbits = bits>>extra, nbits-extra
		if distance > len(f.out) {
			return f.corrupt()
		}
		if distance >= length {
			from := len(f.out) - distance
			f.out = append(f.out, f.out[from:from+length]...)
			continue
		}
		for range length {
			f.out = append(f.out, f.out[len(f.out)-distance])
		}
	}
	return true
}

const (
	noCode  = -1 // there are not enough bits
	badCode = -2 // no code begins with these bits
)

const quickBits = 9

// huffman is a prefix code.
type huffman struct {
	quick    [1 << quickBits]uint16 // by the next bits: symbol<<4 | length of its code, 0 where that is longer than quickBits
	count    [16]int                // codes by length
	symbols  [288]uint16            // by length, then value
	complete bool
}

// build makes the code with these lengths. It reports false where there is none.
func (h *huffman) build(lengths []uint8) bool {
	h.count = [16]int{}
	for _, n := range lengths {
		h.count[n]++
	}
	h.count[0] = 0
	var first, at [16]int // code and index of a length's first symbol
	left, used := 1, 0
	for n := 1; n < 16; n++ {
		first[n] = (first[n-1] + h.count[n-1]) << 1
		at[n] = at[n-1] + h.count[n-1]
		used += h.count[n]
		if left = left<<1 - h.count[n]; left < 0 {
			return false
		}
	}
	h.complete = left == 0
	// An incomplete code is allowed where it has one symbol, of one bit, or none.
	if !h.complete && used > 0 && (used > 1 || h.count[1] != 1) {
		return false
	}
	clear(h.quick[:])
	for symbol, n := range lengths {
		if n == 0 {
			continue
		}
		h.symbols[at[n]] = uint16(symbol)
		at[n]++
		code := first[n]
		first[n]++
		if n > quickBits {
			continue
		}
		reversed := 0
		for range n {
			reversed = reversed<<1 | code&1
			code >>= 1
		}
		for ; reversed < len(h.quick); reversed += 1 << n {
			h.quick[reversed] = uint16(symbol)<<4 | uint16(n)
		}
	}
	return true
}

// decode returns the symbol at the beginning of bits, of which there are nbits, and its code's length.
func (h *huffman) decode(bits uint64, nbits uint) (symbol int, n uint) {
	if e := h.quick[bits&(1<<quickBits-1)]; e != 0 {
		if n = uint(e & 15); n > nbits {
			return noCode, 0
		}
		return int(e >> 4), n
	}
	code, first, at := 0, 0, 0
	for n = 1; n < 16; n++ {
		if n > nbits {
			return noCode, 0
		}
		code |= int(bits & 1)
		bits >>= 1
		count := h.count[n]
		if code-count < first {
			return int(h.symbols[at+code-first]), n
		}
		at += count
		first = (first + count) << 1
		code <<= 1
	}
	return badCode, 0
}
