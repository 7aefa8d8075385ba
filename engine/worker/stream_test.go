package worker

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/internal/wire"
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
		const body = await fetch("https://a.test/half", { signal: AbortSignal.timeout(1000) });
		const half = await body.text().catch((e) => e.name);
		return [await p, half];`)).Code)
	m := n.runOf(1, "{}")
	m.WallMillis = 20_000
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

// uploaded follows the Run of m, which makes one fetch, and returns what came of its body, how its upload ended, and the Result.
// It answers the call with 200 once the upload has ended by itself, and gives credit as long as more says so.
func (n *node) uploaded(m *wire.Run, more func(received int) bool) (received int, sum byte, broke string, cancelled bool, r wire.Result) {
	n.t.Helper()
	var call uint32
	ended := false
	for {
		k, p, err := n.r.Next()
		require.NoError(n.t, err)
		switch k {
		case wire.KindHostCall:
			c, err := wire.ParseHostCall(p)
			require.NoError(n.t, err)
			require.True(n.t, c.Stream)
			require.Empty(n.t, c.Body)
			require.Contains(n.t, string(c.Args), `"streamBody":true`)
			call = c.Call
		case wire.KindChunk:
			c, err := wire.ParseChunk(p)
			require.NoError(n.t, err)
			require.Equal(n.t, call, c.Stream)
			require.False(n.t, ended, "nothing comes after the last one")
			require.LessOrEqual(n.t, len(c.Data), wire.ChunkSize)
			for _, b := range c.Data {
				sum += b
			}
			received += len(c.Data)
			if c.Last {
				ended, broke = true, c.Error
				if c.Error == "" {
					n.send(&wire.HostReply{Seq: m.Seq, Call: call, OK: true, Payload: []byte(`{"status":200,"headers":[],"url":"https://a.test/up","hasBody":true}`), Body: []byte("taken")})
				}
			} else if more(received) {
				n.send(&wire.Credit{Seq: m.Seq, Stream: call, Bytes: uint32(len(c.Data))})
			}
		case wire.KindHostCancel:
			cancelled = true
		case wire.KindResult:
			r, err := wire.ParseResult(p)
			require.NoError(n.t, err)
			require.True(n.t, ended, "every upload has its last Chunk")
			r.Body = append([]byte(nil), r.Body...)
			return received, sum, broke, cancelled, r
		default:
		}
	}
}

const uploadScript = `
	let i = 0, asked = 0, cancelled = "";
	const abort = new AbortController();
	const body = new ReadableStream({
		pull(c) {
			asked++;
			if (i === input.parts) return c.close();
			if (i === input.breakAt) throw new RangeError("no more of it");
			if (i === input.abortAt) abort.abort(new Error("enough"));
			c.enqueue(new Uint8Array(input.size).fill(++i));
		},
		cancel(reason) { cancelled = String(reason) },
	}, { highWaterMark: 0 });
	try {
		const r = await fetch("https://a.test/up", { method: "POST", body, duplex: "half", signal: abort.signal });
		return [await r.text(), asked];
	} catch (e) {
		return [e.name + ": " + e.message, e.cause?.message ?? "", cancelled];
	}`

// 50 MB go from the script to the node while the script's memory limit is 16 MiB.
func TestUpload(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	require.Empty(t, n.loadAs(1, "oneoff", 16<<20, script(uploadScript)).Code)
	m := n.runOf(1, `{"parts":500,"size":100000}`)
	m.WallMillis = 30000
	n.send(m)
	received, sum, broke, _, r := n.uploaded(m, func(int) bool { return true })
	require.Empty(t, r.Code, "%s %s", r.Message, r.Stack)
	require.JSONEq(t, `["taken",501]`, string(r.Body))
	require.Empty(t, broke)
	require.Equal(t, 500*100_000, received)
	var want byte
	for i := range 500 {
		want += byte((i + 1) * 100_000)
	}
	require.Equal(t, want, sum)
	t.Logf("peak memory %d KiB", r.PeakMemory>>10)
	require.Less(t, r.PeakMemory, uint64(16<<20))
}

// Without the node's credit a script sends no more than the window, and is asked for no more.
func TestUploadBackPressure(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	require.Empty(t, n.load(1, script(`ctx.waitUntil(new Promise((r) => setTimeout(r, 200)));`+uploadScript)).Code)
	m := n.runOf(1, `{"parts":100,"size":65536}`)
	m.WallMillis = 3000
	n.send(m)
	received := 0
	for {
		k, p, err := n.r.Next()
		require.NoError(t, err)
		if k == wire.KindChunk {
			c, err := wire.ParseChunk(p)
			require.NoError(t, err)
			received += len(c.Data)
		}
		if k == wire.KindResult {
			break
		}
	}
	require.Equal(t, wire.StreamWindow, received)
}

// A body that fails, or a signal that aborts, ends the call and the upload; so does an answer that comes before its end.
func TestUploadEnds(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	require.Empty(t, n.load(1, script(uploadScript)).Code)

	m := n.runOf(1, `{"parts":100,"size":1000,"breakAt":7}`)
	n.send(m)
	received, _, broke, cancelled, r := n.uploaded(m, func(int) bool { return true })
	require.Empty(t, r.Code, "%s %s", r.Message, r.Stack)
	require.JSONEq(t, `["TypeError: the request's body failed: RangeError: no more of it","no more of it",""]`, string(r.Body))
	require.Equal(t, 7000, received)
	require.Equal(t, "the request's body failed", broke)
	require.True(t, cancelled)

	m = n.runOf(1, `{"parts":100,"size":1000,"abortAt":7}`)
	n.send(m)
	received, _, broke, cancelled, r = n.uploaded(m, func(int) bool { return true })
	require.Empty(t, r.Code, "%s %s", r.Message, r.Stack)
	require.JSONEq(t, `["Error: enough","","TypeError: the request has ended"]`, string(r.Body))
	require.Equal(t, 7000, received)
	require.NotEmpty(t, broke)
	require.True(t, cancelled)

	m = n.runOf(1, `{"parts":100,"size":65536}`)
	n.send(m)
	_, _, broke, _, r = n.uploaded(m, func(received int) bool {
		if received == 65536 {
			n.send(&wire.HostReply{Seq: m.Seq, Call: 1, OK: true, Payload: []byte(`{"status":413,"headers":[],"url":"https://a.test/up","hasBody":true}`), Body: []byte("too much")})
		}
		return false
	})
	require.Empty(t, r.Code, "%s %s", r.Message, r.Stack)
	require.Contains(t, string(r.Body), "too much")
	require.Equal(t, "the call has ended", broke)
	require.Equal(t, `"taken"`, string(n.runUpload()))
}

// runUpload shows that the isolate is as good as new.
func (n *node) runUpload() []byte {
	n.t.Helper()
	m := n.runOf(1, `{"parts":1,"size":10}`)
	n.send(m)
	_, _, _, _, r := n.uploaded(m, func(int) bool { return true })
	require.Empty(n.t, r.Code, "%s %s", r.Message, r.Stack)
	body, _, _ := strings.Cut(strings.TrimPrefix(string(r.Body), "["), ",")
	return []byte(body)
}
