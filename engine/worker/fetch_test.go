package worker

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/internal/wire"
)

func (n *node) fetchOf(slot uint32, method, url string, headers []string, body string) *wire.Run {
	m := n.runOf(slot, body)
	m.Handler = wire.HandlerFetch
	m.Head = []byte(strings.Join(append([]string{method, url, `{"id":"7"}`}, headers...), "\n"))
	m.HasBody = body != ""
	return m
}

func fetchScript(body string) string {
	return "module.exports = { default: { async fetch(request, env, ctx) {" + body + "\n} } };"
}

func TestFetch(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	for _, c := range []struct {
		name, script, body string
		status             uint32
		want               string
	}{
		{"text", `return new Response("hi")`, "", 200, "hi"},
		{"json", `return Response.json({id: ctx.params.id, m: request.method, u: request.url, h: request.headers.get("x-a")}, {status: 201})`, "", 201,
			`{"id":"7","m":"POST","u":"http://acme.test/a?b=1","h":"é"}`},
		{"echo", `return new Response(await request.text())`, "héllo", 200, "héllo"},
		{"echo json", `return Response.json((await request.json()).a)`, `{"a":[1,2]}`, 200, `[1,2]`},
		{"bytes", `return new Response(await request.arrayBuffer())`, "\xff\x00\xfe", 200, "\xff\x00\xfe"},
		{"bom", `return new Response(await request.arrayBuffer())`, "\xef\xbb\xbfx", 200, "\xef\xbb\xbfx"},
		{"empty", `return new Response(null, {status: 204})`, "", 204, ""},
		{"timers", `await new Promise(r => setTimeout(r, 5)); return new Response("t")`, "", 200, "t"},
		{"uuid", `const ids = Array.from({length: 1000}, () => crypto.randomUUID()); return new Response(String(new Set(ids).size) + ids.every((id) => /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id)))`, "", 200, "1000true"},
	} {
		require.Empty(t, n.loadAs(1, "http", 64<<20, fetchScript(c.script)).Code, c.name)
		n.send(n.fetchOf(1, "POST", "http://acme.test/a?b=1", []string{"x-a", "é"}, c.body))
		r := n.result()
		require.Equal(t, "", r.Code, "%s: %s %s", c.name, r.Message, r.Stack)
		require.Equal(t, c.status, r.Status, c.name)
		require.Equal(t, c.want, string(r.Body), "%s %s", c.name, r.Headers)
	}
}

func TestStreamedResponse(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	require.Empty(t, n.loadAs(1, "http", 64<<20, fetchScript(`
		let i = 0;
		return new Response(new ReadableStream({pull(c) { if (i++ === 20) c.close(); else c.enqueue(new Uint8Array(40000).fill(i)) }}), {headers: {"x-a": "b"}})`)).Code)
	n.send(n.fetchOf(1, "GET", "http://acme.test/", nil, ""))
	r := n.result()
	if strings.Contains(r.Message, "ReadableStream is not defined") {
		t.Skip("no streams")
	}
	require.Equal(t, "", r.Code, r.Message)
	require.True(t, r.Streamed)
	require.Equal(t, uint32(200), n.head.Status)
	require.Len(t, n.body, 800_000)
	require.Equal(t, "x-a\nb", string(n.head.Headers))
}

func TestWaitUntil(t *testing.T) {
	t.Parallel()
	n := spawn(t).lease()
	require.Empty(t, n.loadAs(1, "http", 64<<20, fetchScript(`
		ctx.waitUntil(new Promise(r => setTimeout(() => { console.log("late"); r() }, 5)));
		return new Response("early")`)).Code)
	n.send(n.fetchOf(1, "GET", "http://acme.test/", nil, ""))
	r := n.result()
	require.Equal(t, "", r.Code, r.Message)
	require.Equal(t, "early", string(n.answer.Body))
	require.Len(t, n.logs, 1)
	require.Equal(t, "late", n.logs[0].Message)
}

// cpu reports the worker's CPU time an operation.
func (n *node) cpu(b *testing.B) func() {
	ticks := func() float64 {
		var sum float64
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", n.cmd.Process.Pid))
		require.NoError(b, err)
		for _, p := range tasks {
			t, err := os.ReadFile(p)
			if err != nil {
				continue // a thread that has ended
			}
			v, err := strconv.ParseFloat(strings.Fields(string(t))[0], 64)
			require.NoError(b, err)
			sum += v
		}
		return sum
	}
	before := ticks()
	return func() { b.ReportMetric((ticks()-before)/1000/float64(b.N), "cpu-us/op") }
}

func BenchmarkRoundTrip(b *testing.B) {
	n := spawn(b).lease()
	require.Empty(b, n.load(1, script(`return {a: input.a, b: "hello"}`)).Code)
	m := n.runOf(1, `{"a":1}`)
	defer n.cpu(b)()
	for b.Loop() {
		m.Seq++
		n.send(m)
		n.result()
	}
}

func BenchmarkRoundTripFetch(b *testing.B) {
	n := spawn(b).lease()
	require.Empty(b, n.loadAs(1, "http", 64<<20, fetchScript(`return Response.json({hello: "world"})`)).Code)
	m := n.fetchOf(1, "GET", "http://acme.test/hello", []string{"accept", "*/*", "user-agent", "bench"}, "")
	defer n.cpu(b)()
	for b.Loop() {
		m.Seq++
		n.send(m)
		r := n.result()
		if r.Code != "" {
			b.Fatal(r.Message)
		}
	}
}

func benchPipelined(b *testing.B, n *node, m *wire.Run) {
	const depth = 16
	sent := 0
	for range depth {
		m.Seq++
		n.send(m)
		sent++
	}
	var buf []byte
	defer n.cpu(b)()
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		n.result()
		if sent < b.N {
			m.Seq++
			buf = m.Append(buf)
			sent++
		}
		if len(buf) > 0 && !n.r.Buffered() {
			if _, err := n.conn.Write(buf); err != nil {
				b.Fatal(err)
			}
			buf = buf[:0]
		}
	}
	b.StopTimer()
}

func BenchmarkPipelined(b *testing.B) {
	n := spawn(b).lease()
	require.Empty(b, n.load(1, script(`return {a: input.a, b: "hello"}`)).Code)
	benchPipelined(b, n, n.runOf(1, `{"a":1}`))
}

func BenchmarkPipelinedFetch(b *testing.B) {
	n := spawn(b).lease()
	require.Empty(b, n.loadAs(1, "http", 64<<20, fetchScript(`return Response.json({hello: "world"})`)).Code)
	benchPipelined(b, n, n.fetchOf(1, "GET", "http://acme.test/hello", []string{"accept", "*/*", "user-agent", "bench"}, ""))
}

func BenchmarkSpawn(b *testing.B) {
	for b.Loop() {
		n := spawn(b).lease()
		if c := n.load(1, script(`return 1`)); c.Code != "" {
			b.Fatal(c)
		}
		n.run(1, "{}")
		n.conn.Close()
		n.cmd.Wait()
	}
}

func BenchmarkColdStart(b *testing.B) {
	n := spawn(b).lease()
	slot := uint32(0)
	for b.Loop() {
		slot++
		if c := n.load(slot, script(`return 1`)); c.Code != "" {
			b.Fatal(c)
		}
		n.run(slot, "{}")
	}
}

func BenchmarkNewContext(b *testing.B) {
	n := spawn(b).lease()
	for b.Loop() {
		if c := n.load(1, script(`return 1`)); c.Code != "" {
			b.Fatal(c)
		}
	}
}
