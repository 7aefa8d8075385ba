package worker

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/internal/sandbox"
	"example.com/jsruntime/engine/internal/wire"
)

// spawnProgram starts the worker of another build, in its sandbox.
func spawnProgram(b *testing.B, path string) *node {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(b, err)
	ours, theirs := os.NewFile(uintptr(fds[0]), "node"), os.NewFile(uintptr(fds[1]), "worker")
	n := &node{t: b, conn: ours, r: wire.NewReader(ours, 0), out: &strings.Builder{}}
	args := []string{"--jit=full", "--sandbox=auto"}
	n.cmd = exec.Command(path, args...)
	n.cmd.Env = []string{"GOMAXPROCS=2", "GOTRACEBACK=none", "TZ=UTC", "LANG=C"}
	n.cmd.ExtraFiles = []*os.File{theirs}
	n.cmd.Stderr = n.out
	n.cmd.Dir = "/"
	attr, _ := sandbox.Attr(sandbox.Config{Path: path, Args: args})
	attr.Pdeathsig = 0 // tied to the thread that starts it, which a test does not keep
	n.cmd.SysProcAttr = attr
	require.NoError(b, n.cmd.Start())
	theirs.Close()
	b.Cleanup(func() {
		ours.Close()
		_ = n.cmd.Process.Kill()
		_ = n.cmd.Wait()
	})
	k, _, err := n.r.Next()
	require.NoError(b, err, "hello; stderr: %s", n.out)
	require.Equal(b, wire.KindHello, k)
	return n
}

// BenchmarkBeside is what plain requests cost the workers of two builds in CPU time, 16 at a time and in turns, so that what else runs on the
// machine disturbs both alike. The environment's BEFORE and NOW are paths of jsruntime-worker. It gives the tenth percentile of each, which
// other processes disturb least, and the ratio of medians.
func BenchmarkBeside(b *testing.B) {
	before, now := os.Getenv("BEFORE"), os.Getenv("NOW")
	if before == "" || now == "" {
		b.Skip("BEFORE and NOW name no workers")
	}
	for _, c := range []struct {
		name, source, body string
		slots              int
	}{
		{"text", `return new Response("ok")`, "", 1},
		{"params", `return Response.json({ hello: ctx.params.name })`, "", 1},
		{"demo", `return Response.json({ hello: ctx.params.name, via: new URL(request.url).pathname })`, "", 1},
		{"log", `console.log("hello", request.method); return Response.json({ hello: ctx.params.name })`, "", 1},
		{"kv", `return Response.json({ hello: await kv.get("name"), at: request.method })`, "", 4},
		{"fetch", `const r = await fetch("http://a.test/"); return new Response(await r.text())`, "", 16},
		{"kv twice", `return Response.json({ hello: await kv.get("name"), at: await kv.get("at") })`, "", 4},
		{"headers", `return new Response("ok", { headers: { "content-type": "text/plain", "x-id": request.headers.get("x-request-id") ?? "none" } })`, "", 1},
		{"query", `return Response.json({ n: new URL(request.url).searchParams.get("n") }, { status: 201 })`, "", 1},
		{"post", `const b = await request.json(); return Response.json({ sum: b.a + b.b })`, `{"a":1,"b":2}`, 1},
	} {
		b.Run(c.name, func(b *testing.B) { benchBeside(b, [2]string{before, now}, fetchScript(c.source), c.body, c.slots) })
	}
}

func benchBeside(b *testing.B, programs [2]string, source, body string, slots int) {
	const atOnce, bursts = 16, 50
	var ms []wire.Message
	burst := func(n *node) {
		ms = ms[:0]
		for i := range atOnce {
			m := n.getOf(uint32(i%slots + 1))
			m.Context = contextJSON("01939f2e-0000-7000-8000-000000000001", "http", 1, "null")
			m.Head = []byte("GET\nhttp://127.0.0.1:8080/hello/world?n=1\n{\"name\":\"world\"}\nhost\n127.0.0.1:8080\nuser-agent\ncurl/8.1\naccept\n*/*\nx-request-id\n12345")
			m.Body, m.HasBody = []byte(body), body != ""
			ms = append(ms, m)
		}
		n.send(ms...)
		for range atOnce {
			require.Less(b, n.result().Status, uint32(300))
		}
	}
	var nodes [2]*node
	for i, path := range programs {
		nodes[i] = spawnProgram(b, path).lease()
		for s := range slots {
			nodes[i].loadStatic(uint32(s+1), nodeStatic, source)
		}
		nodes[i].calls = func(c wire.HostCall) []wire.Message {
			if c.Method == "fetch" {
				return []wire.Message{
					&wire.HostReply{Seq: c.Seq, Call: c.Call, OK: true, Body: []byte("hello"), Payload: []byte(`{"status":200,"statusText":"OK","headers":[],"url":"http://a.test/","redirected":false,"hasBody":true}`)},
				}
			}
			return []wire.Message{&wire.HostReply{Seq: c.Seq, Call: c.Call, OK: true, Payload: []byte(`{"present":true,"value":"bench","expiration":null}`)}}
		}
		for range 1500 {
			burst(nodes[i])
		}
	}
	var cpu [2][]float64
	for b.Loop() {
		for i, n := range nodes {
			at := cpuOf(b, n.cmd.Process.Pid)
			for range bursts {
				burst(n)
			}
			cpu[i] = append(cpu[i], float64((cpuOf(b, n.cmd.Process.Pid)-at).Nanoseconds())/1000/atOnce/bursts)
		}
	}
	for i, name := range []string{"before", "now"} {
		slices.Sort(cpu[i])
		b.ReportMetric(cpu[i][len(cpu[i])/10], name+"-p10-µs")
	}
	b.ReportMetric(cpu[1][len(cpu[1])/2]/cpu[0][len(cpu[0])/2], "ratio")
}
