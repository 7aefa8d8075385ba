package isolate

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// quiet is a Host that does nothing.
type quiet struct{ logs []string }

func (*quiet) Entered()                                            {}
func (*quiet) HostCall(uint32, string, string, []byte, bool) error { return nil }
func (*quiet) Upload(uint32, []byte, bool, string)                 {}
func (*quiet) HostCancel(uint32)                                   {}
func (*quiet) Credit(uint32, uint32)                               {}
func (*quiet) Head(uint32, string)                                 {}
func (*quiet) Chunk([]byte)                                        {}
func (*quiet) Last(string)                                         {}
func (*quiet) Answer(*Outcome)                                     {}
func (*quiet) Used() (time.Duration, uint64)                       { return 0, 0 }
func (q *quiet) Log(_ int, text string) bool {
	q.logs = append(q.logs, text)
	return true
}

// shared is the process's one Runtime: V8 belongs to one thread, so the tests of this package are not parallel.
var shared *Runtime

// asProbe, as the first argument, makes the test binary a process that uses another layout (the second argument is a version of V8)
// and checks it.
const asProbe = "jsruntime-test-probe"

func TestMain(m *testing.M) {
	runtime.LockOSThread()
	if len(os.Args) > 2 && os.Args[1] == asProbe {
		os.Exit(probeAs(os.Args[2]))
	}
	var err error
	if shared, err = New(Config{}); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

const fetchSource = `(function(module,exports,require){module.exports={default:{fetch(){return Response.json({hello:"world"})}}}})`

func load(t testing.TB, source string) (*Isolate, *quiet) {
	t.Helper()
	runtime.LockOSThread()
	q := &quiet{}
	i, err := shared.New(64<<20, q)
	require.NoError(t, err)
	t.Cleanup(i.Close)
	require.NoError(t, shared.Check(i))
	f, err := i.Load(&Script{Name: "demo", Source: source, Static: `{"scriptType":"http"}`, TenantID: "t", TenantSlug: "slug"})
	require.NoError(t, err)
	require.Nil(t, f)
	return i, q
}

func fetchStart() *Start {
	return &Start{Handler: 1, WallMillis: 1000, OutputLimit: 1 << 20, Context: `{"executionId":"e","trigger":"http","attempt":1}`,
		Head: "GET\nhttp://a.test/hello\n{}\naccept\n*/*\nuser-agent\nbench"}
}

func TestRetainedValues(t *testing.T) {
	i, _ := load(t, fetchSource)
	var o Outcome
	s := fetchStart()
	run := func() {
		require.NoError(t, i.Begin(s))
		require.True(t, i.Done())
		require.NoError(t, i.Take(&o))
		require.Nil(t, o.Failure)
		require.Equal(t, `{"hello":"world"}`, o.Text)
	}
	run()
	before := i.RetainedValues()
	for range 1000 {
		run()
	}
	require.Equal(t, before, i.RetainedValues())
}

// What warm ran leaves nothing in the context that the script gets.
func TestWarmLeavesNothing(t *testing.T) {
	q := &quiet{}
	i, err := shared.New(64<<20, q)
	require.NoError(t, err)
	t.Cleanup(i.Close)
	require.NoError(t, i.warm())
	// The second Load has a context that warm had nothing to do with.
	var texts [2]string
	for n := range texts {
		f, err := i.Load(&Script{Name: "own", Source: `(function(module){module.exports={default:{fetch(request,env,ctx){
			const names=Object.getOwnPropertyNames(globalThis).join();
			globalThis.count=(globalThis.count??0)+1;
			return Response.json({count,id:ctx.executionId,tenant:ctx.tenantId,env:Object.keys(env),names})}}}})`, Static: `{"scriptType":"http"}`, Env: `{"A":"b"}`, TenantID: "t", TenantSlug: "slug"})
		require.NoError(t, err)
		require.Nil(t, f)
		var o Outcome
		require.NoError(t, i.Begin(fetchStart()))
		require.True(t, i.Done())
		require.NoError(t, i.Take(&o))
		require.Nil(t, o.Failure)
		texts[n] = strings.Clone(o.Text)
	}
	require.Contains(t, texts[0], `{"count":1,"id":"e","tenant":"t","env":["A"],"names":"`)
	require.Equal(t, texts[1], texts[0])
	require.Empty(t, q.logs)
}

func BenchmarkFirstFetch(b *testing.B) {
	runtime.LockOSThread()
	var o Outcome
	s := fetchStart()
	for b.Loop() {
		b.StopTimer()
		i, err := shared.New(64<<20, &quiet{})
		require.NoError(b, err)
		require.NoError(b, i.warm())
		b.StartTimer()
		_, err = i.Load(&Script{Name: "demo", Source: fetchSource, Static: `{"scriptType":"http"}`, TenantID: "t", TenantSlug: "slug"})
		require.NoError(b, err)
		require.NoError(b, i.Begin(s))
		require.True(b, i.Done())
		require.NoError(b, i.Take(&o))
		b.StopTimer()
		i.Close()
		b.StartTimer()
	}
}

// A script that is published again and again does not fill its isolate with its versions of before.
func TestContextsOfVersionsBeforeAreFreed(t *testing.T) {
	i, _ := load(t, fetchSource)
	var o Outcome
	s := fetchStart()
	most := uint64(0)
	for range 10 * maxLeft {
		f, err := i.Load(&Script{Name: "demo", Source: fetchSource, Static: `{"scriptType":"http"}`, TenantID: "t", TenantSlug: "slug"})
		require.NoError(t, err)
		require.Nil(t, f)
		require.NoError(t, i.Begin(s))
		require.True(t, i.Done())
		require.NoError(t, i.Take(&o))
		require.Nil(t, o.Failure)
		most = max(most, i.v8.GetHeapStatistics().NumberOfNativeContexts)
	}
	require.LessOrEqual(t, most, uint64(maxLeft+4))
}

func TestResultIsHandedOverOrTaken(t *testing.T) {
	for name, c := range map[string]struct {
		source, text, failure string
	}{
		"short":          {`() => new Response("a".repeat(2000))`, strings.Repeat("a", 2000), ""},
		"long":           {`() => new Response("a".repeat(3000))`, strings.Repeat("a", 3000), ""},
		"beyond ASCII":   {`() => new Response("é")`, "é", ""},
		"empty":          {`() => new Response(null)`, "", ""},
		"call goes on":   {`(r, e, ctx) => { queueMicrotask(() => { fetch("http://example.org/"); }); return new Response("ok"); }`, "ok", ""},
		"late rejection": {`() => { Promise.resolve().then(() => {}).then(() => {}).then(() => { Promise.reject(new Error("late")); }); return new Response("ok"); }`, "", "late"},
	} {
		i, _ := load(t, `(function (module, exports, require) { module.exports = { default: { fetch: `+c.source+` } }; })`)
		for range 3 {
			var o Outcome
			require.NoError(t, i.Begin(fetchStart()), name)
			require.True(t, i.Done(), name)
			require.NoError(t, i.Take(&o), name)
			require.Equal(t, int32(0), i.control[ctlPending], name)
			if c.failure != "" {
				require.NotNil(t, o.Failure, name)
				require.Contains(t, o.Failure.Message, c.failure, name)
				continue
			}
			require.Nil(t, o.Failure, name)
			require.Equal(t, c.text, o.Text, name)
		}
	}
}

func BenchmarkFetch(b *testing.B) {
	i, _ := load(b, fetchSource)
	var o Outcome
	s := fetchStart()
	b.ReportAllocs()
	for b.Loop() {
		if err := i.Begin(s); err != nil || !i.Done() {
			b.Fatal(err)
		}
		if err := i.Take(&o); err != nil || o.Failure != nil {
			b.Fatal(err, o.Failure)
		}
	}
}

func BenchmarkCall(b *testing.B) {
	i, _ := load(b, fetchSource)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := i.call(fnTick); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCallWithThreeStrings(b *testing.B) {
	i, _ := load(b, fetchSource)
	s := fetchStart()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := i.call(fnTick, s.Context, s.Head, ""); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUsage(b *testing.B) {
	i, _ := load(b, fetchSource)
	for b.Loop() {
		i.Usage()
	}
}

func BenchmarkIsolate(b *testing.B) {
	runtime.LockOSThread()
	for b.Loop() {
		i, err := shared.New(64<<20, &quiet{})
		if err != nil {
			b.Fatal(err)
		}
		i.Close()
	}
}

func BenchmarkContext(b *testing.B) {
	i, _ := load(b, fetchSource)
	for b.Loop() {
		i.closeContext()
		if err := i.newContext(); err != nil {
			b.Fatal(err)
		}
	}
}

func probeAs(version string) int {
	r, err := New(Config{})
	if err == nil {
		err = useLayout(version)
	}
	var i *Isolate
	if err == nil {
		i, err = r.New(64<<20, &quiet{})
	}
	if err == nil {
		err = r.Check(i)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		return 1
	}
	return 0
}

// A hook that assumes another layout than V8's stops the process with a message, before anything is written to a wrong place.
func TestWrongLayoutIsRefused(t *testing.T) {
	for _, c := range []struct {
		version string
		code    int
		says    string
	}{
		{Version(), 0, ""},
		{"13.7.1", 0, ""}, // the binding compiles
		{"15.4.80", 88, "a getter's arguments are not laid out as this build assumes"},
		{"12.4.1", 1, "the hook knows no layout for V8 12.4.1"},
		{"x", 1, "the hook knows no layout for V8 x"},
	} {
		out, err := exec.Command(os.Args[0], asProbe, c.version).CombinedOutput()
		var exit *exec.ExitError
		code := 0
		if errors.As(err, &exit) {
			code = exit.ExitCode()
		} else {
			require.NoError(t, err)
		}
		require.Equal(t, c.code, code, "%s: %s", c.version, out)
		require.Contains(t, string(out), c.says)
	}
}

func TestUnknownFlagIsRefused(t *testing.T) {
	require.ErrorContains(t, setFlags("--no-such-flag"), "does not know the flag --no-such-flag")
	_, err := JIT("on").flags()
	require.ErrorContains(t, err, `jit "on" is none of full, maglev, baseline and off`)
}

func TestCheckDeep(t *testing.T) {
	require.NoError(t, shared.CheckDeep(&quiet{}))
	v := AllVersions()
	require.Regexp(t, `^\d+\.\d+\.\d+`, v.V8)
	require.Regexp(t, `^\d+\.\d+$`, v.ICU)
	require.Regexp(t, `^20\d\d[a-z]$`, v.TZData)
	unknown, err := shared.UnknownZones(&quiet{}, []string{"Europe/Berlin", "US/Eastern", "Mars/Olympus", "UTC"})
	require.NoError(t, err)
	require.Equal(t, []string{"Mars/Olympus"}, unknown)
}

// What callbacks of a FinalizationRegistry do between executions counts for nothing: see Pump.
func TestPumpBetweenExecutions(t *testing.T) {
	i, q := load(t, `(function(module){let n=0;const seen=[];const r=new FinalizationRegistry(()=>{n++;console.log("late");Promise.reject(new Error("late"));try{setTimeout(()=>{},1)}catch(e){seen.push(e.message)}});
		module.exports={default:{fetch(){r.register({},1);return Response.json({n,seen:seen[0]??null})}}}})`)
	var o Outcome
	s := fetchStart()
	run := func() string {
		require.NoError(t, i.Begin(s))
		require.True(t, i.Done())
		require.NoError(t, i.Take(&o))
		require.Nil(t, o.Failure)
		return strings.Clone(o.Text)
	}
	require.Equal(t, `{"n":0,"seen":null}`, run())
	i.Relieve()
	require.Equal(t, `{"n":0,"seen":null}`, run(), "no callback comes within a call")
	require.NoError(t, i.Pump(true))
	require.Equal(t, `{"n":1,"seen":"a timer is not available while the script loads or between executions: call it in a handler"}`, run())
	require.Empty(t, q.logs)
}
