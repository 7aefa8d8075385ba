package webapi

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// run feeds data in pieces of size bytes, and returns what came before an error.
func run(c Codec, data []byte, size int) ([]byte, error) {
	var out []byte
	for len(data) > 0 {
		n := min(size, len(data))
		piece := bytes.Clone(data[:n])
		c.Write(piece)
		clear(piece)
		data = data[n:]
		for {
			made, err := c.Next()
			if err != nil {
				return out, err
			}
			if len(made) == 0 {
				break
			}
			out = append(out, made...)
		}
	}
	made, err := c.Close()
	return append(out, made...), err
}

func decompress(t testing.TB, format string, data []byte, size int) ([]byte, error) {
	c, err := NewDecompressor(format)
	require.NoError(t, err)
	return run(c, data, size)
}

// written compresses with the standard library at a level.
func written(t testing.TB, format string, level int, data []byte) []byte {
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	switch format {
	case "gzip":
		var z *gzip.Writer
		z, err = gzip.NewWriterLevel(&out, level)
		if err == nil {
			z.Name, z.Comment, z.Extra = "a name", "a comment", bytes.Repeat([]byte("extra"), 99)
		}
		w = z
	case "deflate":
		w, err = zlib.NewWriterLevel(&out, level)
	default:
		w, err = flate.NewWriter(&out, level)
	}
	require.NoError(t, err)
	_, err = w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

// samples are data of several kinds: literals of all values, far copies, long runs, and what does not get smaller.
func samples() map[string][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 70_000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	words := []byte{}
	for len(words) < 100_000 {
		words = append(words, noise[r.IntN(500)*10:][:3+r.IntN(20)]...)
	}
	skewed := make([]byte, 50_000) // long codes for the rare ones
	for i := range skewed {
		skewed[i] = byte(min(r.ExpFloat64()*8, 255))
	}
	return map[string][]byte{
		"empty": {}, "a byte": {7}, "noise": noise, "words": words, "skewed": skewed, "run": make([]byte, 200_000),
		"far": append(append(bytes.Clone(noise[:32768]), noise[:32768]...), noise[:300]...),
	}
}

func TestCodecsRoundTrip(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"gzip", "deflate", "deflate-raw"} {
		for name, data := range samples() {
			for _, size := range []int{1, 7, 4093, CodecChunk} {
				c, err := NewCompressor(format)
				require.NoError(t, err)
				z, err := run(c, data, size)
				require.NoError(t, err)
				out, err := decompress(t, format, z, size)
				require.NoError(t, err, "%s %s %d", format, name, size)
				require.True(t, bytes.Equal(data, out), "%s %s %d", format, name, size)
			}
			for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, flate.BestSpeed, flate.BestCompression} {
				out, err := decompress(t, format, written(t, format, level, data), 331)
				require.NoError(t, err, "%s %s level %d", format, name, level)
				require.True(t, bytes.Equal(data, out), "%s %s level %d", format, name, level)
			}
		}
	}
	_, err := NewCompressor("br")
	require.Error(t, err)
	_, err = NewDecompressor("br")
	require.Error(t, err)
}

func TestDecompressorRefuses(t *testing.T) {
	t.Parallel()
	data := bytes.Repeat([]byte("some text, "), 50)
	for _, format := range []string{"gzip", "deflate", "deflate-raw"} {
		z := written(t, format, flate.DefaultCompression, data)
		for n := range z {
			_, err := decompress(t, format, z[:n], 13)
			require.ErrorContains(t, err, "ends early", "%s: %d of %d bytes", format, n, len(z))
		}
		for _, size := range []int{1, CodecChunk} {
			out, err := decompress(t, format, append(bytes.Clone(z), 0), size)
			require.ErrorContains(t, err, "after the end", format)
			require.Equal(t, data, out, "what came before is handed out")
		}
		if format == "deflate-raw" {
			continue // has no sum
		}
		for n := range z {
			bad := bytes.Clone(z)
			bad[n] ^= 0x10
			out, err := decompress(t, format, bad, 13)
			if err == nil { // a bit that says nothing: in gzip's header, or between the end and the sum
				require.Equal(t, data, out)
				continue
			}
			var op *OpError
			require.ErrorAs(t, err, &op)
			require.Equal(t, "TypeError", op.Name)
		}
	}
	for name, c := range map[string]string{
		"reserved kind of block":         "07",
		"stored length":                  "0101000000",
		"too many literals":              "fdff",
		"copy from before the beginning": "4b0442", // "a", then a distance of 2, in fixed codes
		"no code for lengths":            "05000000000000000000",
	} {
		raw, err := hex.DecodeString(c)
		require.NoError(t, err)
		_, err = decompress(t, "deflate-raw", append(raw, make([]byte, 20)...), 3)
		require.ErrorContains(t, err, "not valid deflate-raw", name)
	}
}

// A gigabyte in a megabyte of data must not be made before the caller asks for it.
func TestDecompressorIsBounded(t *testing.T) {
	t.Parallel()
	c, err := NewDecompressor("gzip")
	require.NoError(t, err)
	c.Write(written(t, "gzip", flate.BestCompression, make([]byte, 32<<20)))
	total := 0
	for {
		made, err := c.Next()
		require.NoError(t, err)
		if len(made) == 0 {
			break
		}
		require.LessOrEqual(t, len(made), CodecChunk+longestCopy)
		total += len(made)
	}
	require.Equal(t, 32<<20, total)
	_, err = c.Close()
	require.NoError(t, err)
}

// FuzzDecompressor: what is taken for valid is what the standard library makes of it, in pieces of any size.
func FuzzDecompressor(f *testing.F) {
	for _, format := range []string{"gzip", "deflate", "deflate-raw"} {
		for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, flate.DefaultCompression} {
			f.Add(format, written(f, format, level, []byte("hello hello hello hello, and something else")), 5)
		}
	}
	f.Fuzz(func(t *testing.T, format string, data []byte, size int) {
		if format != "gzip" && format != "deflate" {
			format = "deflate-raw"
		}
		out, err := decompress(t, format, data, max(size, 1))
		again, err2 := decompress(t, format, data, 1)
		require.Equal(t, err, err2)
		require.True(t, bytes.Equal(out, again) || err != nil)
		var r io.Reader
		var want error
		in := bytes.NewReader(data)
		switch format {
		case "gzip":
			var z *gzip.Reader
			if z, want = gzip.NewReader(in); want == nil {
				z.Multistream(false)
				r = z
			}
		case "deflate":
			r, want = zlib.NewReader(in)
		default:
			r = flate.NewReader(in)
		}
		var all []byte
		if want == nil {
			all, want = io.ReadAll(io.LimitReader(r, 16<<20))
		}
		if len(all) == 16<<20 {
			return
		}
		if err == nil {
			require.NoError(t, want)
			require.True(t, bytes.Equal(all, out))
			require.Zero(t, in.Len())
			return
		}
		var op *OpError
		require.True(t, errors.As(err, &op))
	})
}

func BenchmarkDecompressor(b *testing.B) {
	data := samples()["words"]
	z := written(b, "gzip", flate.DefaultCompression, data)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := decompress(b, "gzip", z, CodecChunk); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStandardGzip(b *testing.B) {
	data := samples()["words"]
	z := written(b, "gzip", flate.DefaultCompression, data)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		r, err := gzip.NewReader(bytes.NewReader(z))
		require.NoError(b, err)
		_, err = io.Copy(io.Discard, r)
		require.NoError(b, err)
	}
}

func BenchmarkNewCompressor(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		c, err := NewCompressor("gzip")
		require.NoError(b, err)
		_, err = run(c, []byte("hello"), 100)
		require.NoError(b, err)
	}
}

// What has come of the compressed data is given at once, without a flush: a stream may rest there.
func TestInflaterGivesWhatCame(t *testing.T) {
	t.Parallel()
	var text []byte
	for i := range 500 {
		text = fmt.Appendf(text, "data: %d %x\n", i, i*i*i)
	}
	require.Less(t, len(text), 32<<10, "less than a window")
	for _, format := range []string{"gzip", "deflate", "deflate-raw"} {
		c, err := NewDecompressor(format)
		require.NoError(t, err)
		compressed := written(t, format, flate.DefaultCompression, text)
		c.Write(compressed[:len(compressed)/2])
		out, err := c.Next()
		require.NoError(t, err)
		require.Greater(t, len(out), len(text)/4, format)
		require.Equal(t, string(text[:len(out)]), string(out), format)
	}
}
