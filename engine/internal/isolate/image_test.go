package isolate

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// from makes a Runtime that starts from an image.
func from(t *testing.T, image []byte) *Runtime {
	t.Helper()
	r := &Runtime{jit: shared.jit, crypto: shared.crypto}
	require.NoError(t, r.useImage(image))
	require.NotNil(t, r.source)
	r.text = newText(r.source, false)
	return r
}

// serves shows that an isolate of the Runtime runs a script.
func serves(t *testing.T, r *Runtime) {
	t.Helper()
	i, err := r.New(64<<20, &quiet{})
	require.NoError(t, err)
	t.Cleanup(i.Close)
	require.NoError(t, r.Check(i))
	f, err := i.Load(&Script{Name: "demo", Source: fetchSource, Static: `{"scriptType":"http"}`})
	require.NoError(t, err)
	require.Nil(t, f)
	var o Outcome
	require.NoError(t, i.Begin(fetchStart()))
	require.True(t, i.Done())
	require.NoError(t, i.Take(&o))
	require.Equal(t, `{"hello":"world"}`, o.Text)
}

// What a small endpoint's first request needs of the web API is in the image: V8 compiles none of it then.
func TestImageHasWhatFirstRequestsNeed(t *testing.T) {
	i, err := shared.New(64<<20, &quiet{})
	require.NoError(t, err)
	t.Cleanup(i.Close)
	image, err := shared.Image()
	require.NoError(t, err)
	for _, host := range []string{"a.test", "127.0.0.1:8080", "localhost"} {
		r := from(t, bytes.Clone(image))
		i, err := r.New(64<<20, &quiet{})
		require.NoError(t, err)
		t.Cleanup(i.Close)
		code := func() int {
			v, err := i.within(func() error { r.cache = codeCache(i.webAPI); return nil })
			require.NoError(t, err)
			v.Release()
			return len(r.cache)
		}
		before := code()
		f, err := i.Load(&Script{Name: "demo", Static: `{"scriptType":"http"}`, Source: `(function(module){module.exports={default:{fetch(request){
			return Response.json({hello:new URL(request.url).searchParams.get("name"),at:request.method})}}}})`})
		require.NoError(t, err)
		require.Nil(t, f)
		var o Outcome
		s := fetchStart()
		s.Head = "GET\nhttp://" + host + "/hello?name=world\n{}\naccept\n*/*\nuser-agent\nbench"
		require.NoError(t, i.Begin(s))
		require.True(t, i.Done())
		require.NoError(t, i.Take(&o))
		require.Equal(t, `{"hello":"world","at":"GET"}`, o.Text)
		require.Equal(t, before, code(), "bytes of V8's code of the web API, of a request to %s", host)
	}
}

func TestImage(t *testing.T) {
	i, err := shared.New(64<<20, &quiet{})
	require.NoError(t, err)
	t.Cleanup(i.Close)
	image, err := shared.Image()
	require.NoError(t, err)

	// V8 takes the code: nothing is made anew.
	r := from(t, bytes.Clone(image))
	was := unsafe.SliceData(r.cache)
	serves(t, r)
	require.Same(t, was, unsafe.SliceData(r.cache))

	// Code of other flags is made anew. Its fourth word is V8's sum of them.
	other := bytes.Clone(image)
	other[imageHead+12] ^= 1
	r = from(t, other)
	was = unsafe.SliceData(r.cache)
	serves(t, r)
	require.NotSame(t, was, unsafe.SliceData(r.cache))

	// That of another build counts as none.
	other = bytes.Clone(image)
	other[len(other)-1] ^= 1
	r = &Runtime{}
	require.NoError(t, r.useImage(other))
	require.Nil(t, r.source)

	for n := range len(image) {
		if n > 64 && n < len(image)-64 {
			continue
		}
		require.Error(t, r.useImage(image[:n]))
	}
	require.Error(t, r.useImage(append(bytes.Clone(image), 0)))
}

// An isolate holds no copy of the web API's text.
func TestIsolatesShareTheText(t *testing.T) {
	if !compiles() {
		t.Skip("this V8 compiles by the binding")
	}
	i, _ := load(t, fetchSource)
	require.Less(t, i.Usage().Heap, uint64(len(shared.source))*2, "%d bytes of text", len(shared.source))
}

// longSource is a script with functions that run while it loads, and one that runs later.
func longSource() string {
	var b strings.Builder
	b.WriteString("(function(module,exports,require){let n=0;\n")
	for i := range 500 {
		fmt.Fprintf(&b, "function f%d(){return %d}; n+=f%d();\n", i, i, i)
	}
	b.WriteString(`module.exports={default:{fetch(){return Response.json({n})}}}})`)
	return b.String()
}

func TestCodeCacheOfAScript(t *testing.T) {
	s := Script{Name: "demo", Source: longSource(), Static: `{"scriptType":"http"}`, Compile: true}
	load := func(s Script) *Isolate {
		t.Helper()
		i, err := shared.New(64<<20, &quiet{})
		require.NoError(t, err)
		t.Cleanup(i.Close)
		f, err := i.Load(&s)
		require.NoError(t, err)
		require.Nil(t, f)
		var o Outcome
		require.NoError(t, i.Begin(fetchStart()))
		require.True(t, i.Done())
		require.NoError(t, i.Take(&o))
		require.Equal(t, `{"n":124750}`, o.Text)
		return i
	}
	i := load(s)
	cache, err := i.CodeCache()
	require.NoError(t, err)
	require.NotEmpty(t, cache)
	s.Compile = false
	again, err := load(s).CodeCache()
	require.NoError(t, err)
	require.Nil(t, again, "it was not asked for")

	s.Cache = cache
	i = load(s)
	require.False(t, i.CacheRefused())
	before := i.RetainedValues()
	for range 3 { // versions that come after it
		f, err := i.Load(&s)
		require.NoError(t, err)
		require.Nil(t, f)
		require.False(t, i.CacheRefused())
	}
	require.Equal(t, before, i.RetainedValues())

	// Code of other flags, and of a source of another length, is refused, and costs the script nothing.
	s.Cache = bytes.Clone(cache)
	s.Cache[12] ^= 1
	require.True(t, load(s).CacheRefused())
	s.Cache = cache
	s.Source += "\n"
	require.True(t, load(s).CacheRefused())
	s.Cache = []byte("short")
	require.True(t, load(s).CacheRefused())

	// A script that does not load says why as without a cache.
	for _, source := range []string{"(function(", "throw new TypeError('no')", "7", "(function(){throw new Error('top')})"} {
		var want *Failure
		for _, compile := range []bool{false, true} {
			i, err := shared.New(64<<20, &quiet{})
			require.NoError(t, err)
			t.Cleanup(i.Close)
			f, err := i.Load(&Script{Name: "demo", Source: source, Static: `{"scriptType":"http"}`, Compile: compile})
			require.NoError(t, err)
			require.NotNil(t, f)
			if want == nil {
				want = f
			}
			require.Equal(t, want, f, source)
		}
	}
}
