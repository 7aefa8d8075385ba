package warm

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/internal/wire"
)

func payloadOf(m wire.Message) []byte { return m.Append(nil)[5:] }

// FuzzRun compares the parser of Runs with package wire's: what one refuses the other refuses, and what both take is the same.
func FuzzRun(f *testing.F) {
	f.Add(payloadOf(&wire.Run{Seq: 7, Slot: 3, Handler: wire.HandlerFetch, WallMillis: 30000, CPUMillis: 0, OutputLimit: 1 << 20, LogLimit: 65536,
		Context: []byte(`{"executionId":"e"}`), Head: []byte("GET\nhttp://a/\n{}\naccept\n*/*")}))
	f.Add(payloadOf(&wire.Run{Seq: 1<<32 - 1, Slot: 1<<32 - 1, Handler: wire.HandlerLoad, WallMillis: 1<<32 - 1, HasBody: true, Body: bytes.Repeat([]byte{0xFF}, 300)}))
	f.Add([]byte{})
	f.Add([]byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01, 0})
	f.Add([]byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0})
	f.Add([]byte{0x81, 0x00, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0}) // a number that is longer than it need be
	f.Add([]byte{1, 1, 1, 1, 1, 1, 1, 1, 3, 0, 0})          // a length that takes the bytes of its own field
	f.Add([]byte{1, 1, 6, 1, 1, 1, 1, 1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, payload []byte) {
		want, err := wire.ParseRun(payload)
		got, ok := parseRun(payload)
		require.Equal(t, err == nil, ok, "wire says %v", err)
		if !ok {
			return
		}
		for _, p := range []*[]byte{&want.Context, &want.Head, &want.Body, &got.Context, &got.Head, &got.Body} {
			*p = append([]byte{}, *p...)
		}
		require.Equal(t, want, got)
	})
}

// split is what isolate.Outcome makes of a response's text; ok is false where the text has not so many lines, of which isolate makes the best.
func split(text string, lines int32) (headers, body string, ok bool) {
	rest := text
	for n := range lines {
		line, after, found := strings.Cut(rest, "\n")
		if !found {
			if n != lines-1 {
				return "", "", false
			}
			return text, "", true
		}
		headers += line + "\n"
		rest = after
	}
	return strings.TrimSuffix(headers, "\n"), rest, true
}

// FuzzResult compares the writer of Results with package wire's, for any text that a script could have put together.
func FuzzResult(f *testing.F) {
	f.Add([]byte("content-type\napplication/json\n{\"a\":1}"), int32(2), uint32(7), uint32(200), uint64(120), uint64(110), uint64(3<<20), uint16(4096))
	f.Add([]byte("content-type\ntext/plain"), int32(2), uint32(1), uint32(204), uint64(1), uint64(0), uint64(1)<<63, uint16(4096))
	f.Add([]byte(""), int32(0), uint32(1<<32-1), uint32(1<<32-1), ^uint64(0), ^uint64(0), ^uint64(0), uint16(93))
	f.Add([]byte("a\nb"), int32(4), uint32(1), uint32(200), uint64(1), uint64(1), uint64(1), uint16(200))
	f.Add([]byte("\n\n\n"), int32(2), uint32(1), uint32(200), uint64(1), uint64(1), uint64(1), uint16(200))
	f.Add([]byte("body"), int32(-5), uint32(1), uint32(200), uint64(1), uint64(1), uint64(1), uint16(200))
	f.Add(bytes.Repeat([]byte("x"), 2048), int32(0), uint32(1), uint32(200), uint64(1), uint64(1), uint64(1), uint16(2100))
	f.Fuzz(func(t *testing.T, text []byte, lines int32, seq, status uint32, wall, cpu, peak uint64, room uint16) {
		m := wire.Result{Seq: seq, Status: status, WallMicros: wall, CPUMicros: cpu, PeakMemory: peak, LogBytes: wall ^ cpu}
		got := writeResult(&m, text, lines, int(room))
		headers, body, ok := split(string(text), min(max(lines, 0), int32(len(text))+2))
		if !ok || int(room) < resultRoom+len(headers)+len(body) {
			require.Nil(t, got)
			return
		}
		m.Headers, m.Body = []byte(headers), []byte(body)
		require.Equal(t, m.Append(nil), got)
	})
}

// FuzzReply compares the parser of HostReplies with package wire's.
func FuzzReply(f *testing.F) {
	f.Add(payloadOf(&wire.HostReply{Seq: 7, Call: 3, OK: true, Payload: []byte(`{"present":true}`)}))
	f.Add(payloadOf(&wire.HostReply{Seq: 1<<32 - 1, Call: 1<<32 - 1, Stream: true, Payload: []byte("null"), Body: bytes.Repeat([]byte{0xFF}, 300)}))
	f.Add([]byte{})
	f.Add([]byte{1, 1, 2, 0, 0, 0})
	f.Add([]byte{1, 1, 1, 0, 3, 0, 0})
	f.Fuzz(func(t *testing.T, payload []byte) {
		want, err := wire.ParseHostReply(payload)
		got, ok := parseReply(payload)
		require.Equal(t, err == nil, ok, "wire says %v", err)
		if !ok {
			return
		}
		for _, p := range []*[]byte{&want.Payload, &want.Body, &got.Payload, &got.Body} {
			*p = append([]byte{}, *p...)
		}
		require.Equal(t, want, got)
	})
}

// FuzzSaid compares the writers of HostCalls and Logs with package wire's.
func FuzzSaid(f *testing.F) {
	f.Add("kv.get", []byte(`{"key":"name"}`), uint32(7), uint32(1), uint64(120), uint16(4096))
	f.Add("", []byte{}, uint32(0), uint32(0), uint64(0), uint16(56))
	f.Add("x", bytes.Repeat([]byte("y"), 2000), ^uint32(0), ^uint32(0), ^uint64(0), uint16(2057))
	f.Fuzz(func(t *testing.T, method string, text []byte, seq, call uint32, micros uint64, room uint16) {
		c := wire.HostCall{Seq: seq, Call: call, Method: method, Args: text}
		if got := writeCall(&c, int(room)); int(room) < callRoom+len(method)+len(text) {
			require.Nil(t, got)
		} else {
			require.Equal(t, c.Append(nil), got)
		}
		l := wire.Log{Seq: seq, Level: wire.Level(call % 4), Micros: micros, Message: string(text)}
		if got := writeLine(&l, int(room)); int(room) < lineRoom+len(text) {
			require.Nil(t, got)
		} else {
			require.Equal(t, l.Append(nil), got)
		}
	})
}

func TestASCII(t *testing.T) {
	t.Parallel()
	for n := range 40 {
		b := bytes.Repeat([]byte{0x7F}, n)
		require.True(t, isASCII(b))
		for k := range n {
			b[k] = 0x80
			require.False(t, isASCII(b), "byte %d of %d", k, n)
			b[k] = 0x7F
		}
	}
}
