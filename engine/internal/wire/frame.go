package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Protocol is the version that Hello carries. A node and a worker of different versions do not talk.
const Protocol = 1

// MaxFrame bounds a frame's length in bytes. It holds a compiled script (4 MiB) or an output at the operator's ceiling
// (16 MiB) with room for its head.
const MaxFrame = 20 << 20

// MaxIsolates bounds the isolates that a worker keeps, beside isolates whose execution waits, and so the scripts that the node has loaded in
// one. An isolate of a small script holds 2 to 3 MiB, so that 128 fit beside one another in what a worker may have for the largest
// script. With 32, a tenant with 500 schedules loaded one execution in three.
const MaxIsolates = 128

// Kind says which message a frame carries.
type Kind uint8

// Kinds of frames. Values are part of the protocol.
const (
	KindHello Kind = iota + 1
	KindLease
	KindLoad
	KindLoaded
	KindDrop
	KindRun
	KindResult
	KindCancel
	KindHostCall
	KindHostCancel
	KindHostReply
	KindLog
	KindHead
	KindChunk
	KindCredit
	KindAnswer
	KindGoesOn
	kindEnd
)

var (
	// ErrFrameTooLarge is a length beyond the reader's limit.
	ErrFrameTooLarge = errors.New("wire: frame too large")
	// ErrMalformed is a payload that does not parse, or an unknown kind.
	ErrMalformed = errors.New("wire: malformed frame")
)

// BeginFrame appends room for a header to b; EndFrame fills it in. Between them the payload is appended.
func BeginFrame(b []byte, k Kind) ([]byte, int) {
	start := len(b)
	return append(b, 0, 0, 0, 0, byte(k)), start
}

// EndFrame writes the length of the frame that began at start.
func EndFrame(b []byte, start int) []byte {
	binary.LittleEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b
}

// Reader reads frames. It is not safe for concurrent use, and its first error is its last.
type Reader struct {
	r     io.Reader
	limit int
	buf   []byte
	start int // first unread byte of buf
	end   int // end of what was read into buf
	err   error
}

// NewReader reads frames of at most limit bytes from r; limit 0 means MaxFrame.
func NewReader(r io.Reader, limit int) *Reader {
	if limit <= 0 || limit > MaxFrame {
		limit = MaxFrame
	}
	return &Reader{r: r, limit: limit, buf: make([]byte, 64<<10)}
}

// Buffered reports whether a whole frame is already in memory, so that Next will not block.
func (r *Reader) Buffered() bool {
	n := r.end - r.start
	if r.err != nil || n < 4 {
		return false
	}
	length := int(binary.LittleEndian.Uint32(r.buf[r.start:]))
	return length >= 1 && length <= r.limit && n >= 4+length
}

// Next returns the next frame. The payload is valid until the following call of Next.
// io.EOF comes only between two frames; an end inside one is io.ErrUnexpectedEOF.
func (r *Reader) Next() (Kind, []byte, error) {
	if r.err != nil {
		return 0, nil, r.err
	}
	k, p, err := r.next()
	if err != nil {
		r.err = err
	}
	return k, p, err
}

func (r *Reader) next() (Kind, []byte, error) {
	if err := r.fill(4); err != nil {
		return 0, nil, err
	}
	length := int(binary.LittleEndian.Uint32(r.buf[r.start:]))
	if length > r.limit {
		return 0, nil, fmt.Errorf("%w: %d bytes, limit %d", ErrFrameTooLarge, length, r.limit)
	}
	if length < 1 {
		return 0, nil, fmt.Errorf("%w: empty", ErrMalformed)
	}
	if err := r.fill(4 + length); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	frame := r.buf[r.start+4 : r.start+4+length]
	r.start += 4 + length
	k := Kind(frame[0])
	if k == 0 || k >= kindEnd {
		return 0, nil, fmt.Errorf("%w: unknown kind %d", ErrMalformed, k)
	}
	return k, frame[1:], nil
}

// fill makes n bytes available at r.start. It grows the buffer only for a frame whose length was checked, and in steps that
// follow the bytes that really came, so that a peer that announces 20 MiB and sends nothing costs nothing.
func (r *Reader) fill(n int) error {
	if r.end-r.start >= n {
		return nil
	}
	if r.start > 0 {
		copy(r.buf, r.buf[r.start:r.end])
		r.end -= r.start
		r.start = 0
	}
	for r.end < n {
		if r.end == len(r.buf) {
			grown := make([]byte, min(2*len(r.buf), r.limit+4))
			copy(grown, r.buf[:r.end])
			r.buf = grown
		}
		m, err := r.r.Read(r.buf[r.end:])
		r.end += m
		if err != nil && r.end < n {
			if errors.Is(err, io.EOF) && r.end > 0 {
				return io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// Decoder reads the fields of a payload. After the first malformed field all others are zero and Err is not nil.
type Decoder struct {
	b   []byte
	bad bool
}

// NewDecoder reads from payload, which it does not copy.
func NewDecoder(payload []byte) Decoder { return Decoder{b: payload} }

// Uint reads an unsigned integer of at most max.
func (d *Decoder) Uint(limit uint64) uint64 {
	v, n := binary.Uvarint(d.b)
	if d.bad || n <= 0 || v > limit {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

// Bytes reads a byte string. The result shares the payload's memory.
func (d *Decoder) Bytes() []byte {
	n := d.Uint(uint64(len(d.b)))
	if d.bad || n > uint64(len(d.b)) {
		d.bad = true
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

// String reads a byte string as a Go string (a copy). It need not be UTF-8.
func (d *Decoder) String() string { return string(d.Bytes()) }

// Bool reads 0 or 1.
func (d *Decoder) Bool() bool { return d.Uint(1) == 1 }

// Close reports a malformed payload or bytes left over.
func (d *Decoder) Close() error {
	if d.bad {
		return ErrMalformed
	}
	if len(d.b) != 0 {
		return fmt.Errorf("%w: %d bytes left over", ErrMalformed, len(d.b))
	}
	return nil
}

func appendUint(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

func appendBytes[T ~string | ~[]byte](b []byte, v T) []byte {
	b = binary.AppendUvarint(b, uint64(len(v)))
	return append(b, v...)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}
