package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/internal/wire"
)

// messages is one of each kind with every field set, and the function that reads it.
func messages() map[wire.Kind]struct {
	message wire.Message
	parse   func([]byte) (wire.Message, error)
} {
	type entry = struct {
		message wire.Message
		parse   func([]byte) (wire.Message, error)
	}
	return map[wire.Kind]entry{
		wire.KindHello:  {&wire.Hello{Protocol: 1, Build: "b", V8: "13", Layers: []string{"seccomp=on", "x=off"}, VMData: 7}, reader(wire.ParseHello)},
		wire.KindLease:  {&wire.Lease{TenantID: "t", TenantSlug: "s", MaxMemory: 1 << 40, Env: []byte("{}")}, reader(wire.ParseLease)},
		wire.KindLoad:   {&wire.Load{Slot: 3, MaxMemory: 5, Name: "n", Env: []byte("{}"), Static: []byte("{}"), Source: []byte("x"), SourceMap: "m", Cache: []byte("k"), Produce: true}, reader(wire.ParseLoad)},
		wire.KindLoaded: {&wire.Loaded{Slot: 3, Code: "c", Message: "m", Stack: "s", Cache: []byte("k"), Refused: true}, reader(wire.ParseLoaded)},
		wire.KindDrop:   {&wire.Drop{Slot: 1 << 30}, reader(wire.ParseDrop)},
		wire.KindRun: {&wire.Run{
			Seq: 1, Slot: 2, Handler: wire.HandlerEvent, WallMillis: 3, CPUMillis: 4, OutputLimit: 5, LogLimit: 6,
			Context: []byte("{}"), Head: []byte("h"), Body: []byte("b"), HasBody: true,
		}, reader(wire.ParseRun)},
		wire.KindResult: {&wire.Result{
			Seq: 1, Code: "c", Message: "m", Stack: "s", NoRetry: true, Condemned: true, Exiting: true, Streamed: true, Cancelled: true, Status: 200,
			Headers: []byte("a\nb\n"), Body: []byte("b"), WallMicros: 1, CPUMicros: 2, PeakMemory: 3, LogBytes: 4,
		}, reader(wire.ParseResult)},
		wire.KindCancel:     {&wire.Cancel{Seq: 1, Code: "c", Reason: "r", GraceMillis: 5, Left: true}, reader(wire.ParseCancel)},
		wire.KindHostCall:   {&wire.HostCall{Seq: 1, Call: 2, Method: "m", Args: []byte("{}"), Body: []byte("b"), Stream: true}, reader(wire.ParseHostCall)},
		wire.KindHostCancel: {&wire.HostCancel{Seq: 1, Call: 2}, reader(wire.ParseHostCancel)},
		wire.KindHostReply:  {&wire.HostReply{Seq: 1, Call: 2, OK: true, Payload: []byte("p"), Body: []byte("b"), Stream: true}, reader(wire.ParseHostReply)},
		wire.KindLog:        {&wire.Log{Seq: 1, Level: wire.LevelError, Micros: 9, Message: "m"}, reader(wire.ParseLog)},
		wire.KindHead:       {&wire.Head{Seq: 1, Status: 200, Headers: []byte("a\nb\n")}, reader(wire.ParseHead)},
		wire.KindChunk:      {&wire.Chunk{Seq: 1, Stream: 2, Last: true, Error: "e", Data: []byte("d")}, reader(wire.ParseChunk)},
		wire.KindCredit:     {&wire.Credit{Seq: 1, Stream: 2, Bytes: 3}, reader(wire.ParseCredit)},
		wire.KindAnswer: {&wire.Answer{
			Seq: 1, Code: "c", Message: "m", Stack: "s", NoRetry: true, Status: 200, Headers: []byte("a\nb\n"), Body: []byte("b"),
		}, reader(wire.ParseAnswer)},
		wire.KindGoesOn: {&wire.GoesOn{Seq: 1}, reader(wire.ParseGoesOn)},
	}
}

// reader makes the Parse functions alike.
func reader[T any, P interface {
	*T
	wire.Message
}](parse func([]byte) (T, error)) func([]byte) (wire.Message, error) {
	return func(p []byte) (wire.Message, error) {
		m, err := parse(p)
		return P(&m), err
	}
}

func TestMessagesSurviveTheWire(t *testing.T) {
	t.Parallel()
	all := messages()
	require.Len(t, all, int(wire.KindGoesOn), "a kind has no entry")
	for kind, m := range all {
		frame := m.message.Append(nil)
		v := reflect.ValueOf(m.message).Elem()
		for i := range v.NumField() {
			require.False(t, v.Field(i).IsZero(), "%T: field %s is not tested", m.message, v.Type().Field(i).Name)
		}
		for name, r := range map[string]io.Reader{
			"at once": bytes.NewReader(frame), "byte by byte": iotest.OneByteReader(bytes.NewReader(frame)),
		} {
			rd := wire.NewReader(r, 0)
			k, payload, err := rd.Next()
			require.NoError(t, err, name)
			require.Equal(t, kind, k)
			got, err := m.parse(payload)
			require.NoError(t, err, "%T", m.message)
			require.Equal(t, m.message, got)
			_, _, err = rd.Next()
			require.Equal(t, io.EOF, err)
		}
		payload := frame[5:]
		for i := range payload {
			_, err := m.parse(payload[:i])
			require.ErrorIs(t, err, wire.ErrMalformed, "%T cut at %d", m.message, i)
		}
		_, err := m.parse(append(bytes.Clone(payload), 0))
		require.ErrorIs(t, err, wire.ErrMalformed, "%T with a byte too many", m.message)
	}
}

func TestReaderRefuses(t *testing.T) {
	t.Parallel()
	length := func(n uint32, rest ...byte) []byte { return append(binary.LittleEndian.AppendUint32(nil, n), rest...) }
	for name, c := range map[string]struct {
		bytes []byte
		want  error
	}{
		"too large":    {length(101, 1), wire.ErrFrameTooLarge},
		"4 GiB":        {length(1<<32-1, 1), wire.ErrFrameTooLarge},
		"empty":        {length(0), wire.ErrMalformed},
		"kind 0":       {length(1, 0), wire.ErrMalformed},
		"unknown kind": {length(1, byte(wire.KindGoesOn)+1), wire.ErrMalformed},
		"half length":  {[]byte{1, 0}, io.ErrUnexpectedEOF},
		"half frame":   {length(10, 1, 2), io.ErrUnexpectedEOF},
		"nothing":      {nil, io.EOF},
	} {
		r := wire.NewReader(bytes.NewReader(append(c.bytes, bytes.Repeat((&wire.Drop{Slot: 1}).Append(nil), 0)...)), 100)
		_, _, err := r.Next()
		require.ErrorIs(t, err, c.want, name)
		_, _, again := r.Next()
		require.Equal(t, err, again, "%s: the first error is the last", name)
		require.False(t, r.Buffered())
	}
}

type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	if e.read == 0 {
		e.read = copy(p, []byte{0, 0, 0x40, 1, byte(wire.KindLog)})
		return e.read, nil
	}
	return 0, errors.New("nothing more")
}

// A peer that announces 20 MiB and sends five bytes costs no more than the reader's first buffer.
func TestAnAnnouncedLengthCostsNothing(t *testing.T) {
	got := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			if _, _, err := wire.NewReader(&endless{}, 0).Next(); err == nil {
				b.Fatal("no error")
			}
		}
	})
	require.Less(t, got.AllocedBytesPerOp(), int64(200<<10))
}

// One frame through the reader and parser allocates nothing where the message has no strings.
func TestHotFramesDoNotAllocate(t *testing.T) {
	run := &wire.Run{Seq: 1, Handler: wire.HandlerFetch, Context: []byte("{}"), Head: bytes.Repeat([]byte("x"), 200)}
	result := &wire.Result{Seq: 1, Status: 200, Headers: []byte("a\nb\n"), Body: bytes.Repeat([]byte("x"), 200)}
	buf := make([]byte, 0, 4096)
	require.Zero(t, testing.AllocsPerRun(100, func() { buf = result.Append(run.Append(buf[:0])) }))
	frame := result.Append(nil)
	r := wire.NewReader(&repeat{b: frame}, 0)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		_, p, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := wire.ParseResult(p); err != nil {
			t.Fatal(err)
		}
	}))
}

type repeat struct {
	b  []byte
	at int
}

func (r *repeat) Read(p []byte) (int, error) {
	n := copy(p, r.b[r.at:])
	r.at = (r.at + n) % len(r.b)
	return n, nil
}

// FuzzReader: whatever a worker writes, the reader neither panics nor gives out more than was there, and a message that parses is
// written again as one that parses to the same.
func FuzzReader(f *testing.F) {
	all := messages()
	var stream []byte
	for k := wire.Kind(1); k <= wire.KindGoesOn; k++ {
		frame := all[k].message.Append(nil)
		f.Add(frame, false)
		f.Add(frame[:len(frame)/2], true)
		stream = append(stream, frame...)
	}
	f.Add(stream, true)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1}, false)
	f.Add(binary.AppendUvarint([]byte{12, 0, 0, 0, byte(wire.KindDrop)}, 1<<63), false)
	f.Add([]byte(strings.Repeat("\x01\x00\x00\x00\x01", 20)), false)
	f.Fuzz(func(t *testing.T, data []byte, slow bool) {
		var src io.Reader = bytes.NewReader(data)
		if slow {
			src = iotest.HalfReader(src)
		}
		r := wire.NewReader(src, 1<<16)
		total := 0
		for {
			k, p, err := r.Next()
			if err != nil {
				if _, _, again := r.Next(); !errors.Is(again, err) && again.Error() != err.Error() {
					t.Fatalf("error changed from %v to %v", err, again)
				}
				return
			}
			if total += 5 + len(p); total > len(data) {
				t.Fatal("more than was written")
			}
			m, err := all[k].parse(p)
			if err != nil {
				continue
			}
			frame := m.Append(nil)
			again, err := all[k].parse(frame[5:])
			if err != nil || !reflect.DeepEqual(m, again) {
				t.Fatalf("%#v became %#v (%v)", m, again, err)
			}
		}
	})
}
