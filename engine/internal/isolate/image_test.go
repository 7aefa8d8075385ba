package isolate

import (
	"bytes"
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
