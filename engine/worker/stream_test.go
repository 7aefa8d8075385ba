package worker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"jsruntime/engine/internal/wire"
)

// A body of 10 MB goes from the node through fetch and out again while the script's memory limit is 16 MiB: what is under way is
// bounded by the window on either side, and the head leaves before the body has come.
func TestStreamThrough(t *testing.T) {
	t.Parallel()
	const total, part = 10 << 20, 64 << 10
	n := spawn(t).lease()
	require.Empty(t, n.loadAs(1, "http", 16<<20, fetchScript(`
		const r = await fetch("https://a.test/big");
		return new Response(r.body, { status: 206, headers: { "x-from": r.headers.get("x-from") } });`)).Code)
	m := n.fetchOf(1, "GET", "http://acme.test/", nil, "")
	m.OutputLimit, m.WallMillis = 16<<20, 30000
	n.send(m)

	var call uint32
	sent, credited, received := 0, wire.StreamWindow, 0
	var sum, want byte
	feed := func() {
		for sent < total && credited >= part {
			chunk := make([]byte, part)
			for i := range chunk {
				chunk[i] = byte(sent/part + i)
				want += chunk[i]
			}
			sent += part
			credited -= part
			n.send(&wire.Chunk{Seq: m.Seq, Stream: call, Data: chunk, Last: sent == total})
		}
	}
	for {
		k, p, err := n.r.Next()
		require.NoError(t, err)
		switch k {
		case wire.KindHostCall:
			c, err := wire.ParseHostCall(p)
			require.NoError(t, err)
			call = c.Call
			n.send(&wire.HostReply{Seq: m.Seq, Call: call, OK: true, Stream: true, Payload: []byte(`{"status":200,"headers":[["x-from","a"]],"url":"https://a.test/big","hasBody":true}`)})
		case wire.KindHead:
			h, err := wire.ParseHead(p)
			require.NoError(t, err)
			require.Equal(t, uint32(206), h.Status)
			require.Contains(t, string(h.Headers), "x-from\na")
			require.Zero(t, sent, "the head waits for nothing of the body")
			feed()
		case wire.KindCredit:
			c, err := wire.ParseCredit(p)
			require.NoError(t, err)
			credited += int(c.Bytes)
			feed()
		case wire.KindChunk:
			c, err := wire.ParseChunk(p)
			require.NoError(t, err)
			received += len(c.Data)
			for _, b := range c.Data {
				sum += b
			}
			n.send(&wire.Credit{Seq: m.Seq, Bytes: uint32(len(c.Data))})
		case wire.KindResult:
			r, err := wire.ParseResult(p)
			require.NoError(t, err)
			require.Empty(t, r.Code, "%s %s", r.Message, r.Stack)
			require.True(t, r.Streamed)
			require.Equal(t, total, received)
			require.Equal(t, want, sum)
			t.Logf("peak memory %d KiB", r.PeakMemory>>10)
			return
		default:
		}
	}
}

// An aborted fetch rejects with the signal's reason at once, and the node is told that nobody waits any more.
func TestFetchAbort(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	require.Empty(t, n.load(1, script(`
		const c = new AbortController();
		const p = fetch("https://a.test/never", { signal: c.signal }).catch((e) => e);
		setTimeout(() => c.abort("enough"), 5);
		const body = await fetch("https://a.test/half", { signal: AbortSignal.timeout(20) });
		const half = await body.text().catch((e) => e.name);
		return [await p, half];`)).Code)
	m := n.runOf(1, "{}")
	n.send(m)
	cancelled := map[uint32]bool{}
	for {
		k, p, err := n.r.Next()
		require.NoError(t, err)
		switch k {
		case wire.KindHostCall:
			c, err := wire.ParseHostCall(p)
			require.NoError(t, err)
			if c.Call == 2 {
				n.send(&wire.HostReply{Seq: m.Seq, Call: 2, OK: true, Stream: true, Payload: []byte(`{"status":200,"headers":[],"url":"https://a.test/half","hasBody":true}`), Body: []byte("half")})
			}
		case wire.KindHostCancel:
			c, err := wire.ParseHostCancel(p)
			require.NoError(t, err)
			cancelled[c.Call] = true
		case wire.KindResult:
			r, err := wire.ParseResult(p)
			require.NoError(t, err)
			require.Empty(t, r.Code, "%s %s", r.Message, r.Stack)
			require.JSONEq(t, `["enough","TimeoutError"]`, string(r.Body))
			require.Equal(t, map[uint32]bool{1: true, 2: true}, cancelled)
			return
		default:
		}
	}
}
