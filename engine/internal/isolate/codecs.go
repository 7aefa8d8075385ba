package isolate

import (
	"strconv"
	"strings"

	"example.com/jsruntime/engine/internal/webapi"
)

// A compressor has about 800 KiB and a decompressor 100 KiB that V8's limits do not see, so the process has few of them: 7 MiB in all,
// of the 16 MiB that a worker may have beside its isolates. compression.js gathers the data of the streams beyond.
const (
	maxCompressors   = 4
	maxDecompressors = 32
)

type openCodec struct {
	webapi.Codec
	open *int // the runtime's count of its kind
}

// codec does the ops of codecs: open, write, next, close and drop.
func (i *Isolate) codec(what, text string) (string, []byte, error) {
	if what == "open" {
		return i.openCodec(text)
	}
	c, ok := i.codecs[text]
	if !ok {
		if what == "drop" {
			return "", nil, nil
		}
		return "", nil, &webapi.OpError{Name: "TypeError", Message: "the execution that compressed or decompressed this has ended"}
	}
	var out []byte
	var err error
	switch what {
	case "write":
		c.Write(i.bytes())
		out, err = c.Next()
	case "next":
		out, err = c.Next()
	case "close":
		out, err = c.Close()
		i.dropCodec(text, c)
	default:
		i.dropCodec(text, c)
		return "", nil, nil
	}
	if out == nil {
		out = []byte{}
	}
	return "", out, err
}

// openCodec takes "compress format", or "decompress format", and " force" to go beyond the bound. The reply is the codec's name, or ""
// where there are too many.
func (i *Isolate) openCodec(text string) (string, []byte, error) {
	kind, format, _ := strings.Cut(text, " ")
	format, force := strings.CutSuffix(format, " force")
	open, most, make := &i.runtime.compressors, maxCompressors, webapi.NewCompressor
	if kind == "decompress" {
		open, most, make = &i.runtime.decompressors, maxDecompressors, webapi.NewDecompressor
	}
	if *open >= most && !force {
		return "", nil, nil
	}
	c, err := make(format)
	if err != nil {
		return "", nil, err
	}
	*open++
	i.lastCodec++
	name := strconv.FormatUint(i.lastCodec, 10)
	if i.codecs == nil {
		i.codecs = map[string]openCodec{}
	}
	i.codecs[name] = openCodec{c, open}
	return name, nil, nil
}

func (i *Isolate) dropCodec(name string, c openCodec) {
	*c.open--
	delete(i.codecs, name)
}

// dropCodecs drops what an execution left open.
func (i *Isolate) dropCodecs() {
	for name, c := range i.codecs {
		i.dropCodec(name, c)
	}
}
