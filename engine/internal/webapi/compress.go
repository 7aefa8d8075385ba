package webapi

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
)

// Codec compresses or decompresses data as it comes. Its memory does not grow with the data.
type Codec interface {
	// Write takes data, of which it keeps no hold.
	Write(data []byte)
	// Next returns what came of it, which is valid until the next call; nothing means that more data is needed. An error, an *OpError,
	// stays. Write only after Next had nothing.
	Next() ([]byte, error)
	// Close ends the data and returns the rest. It is the last call.
	Close() ([]byte, error)
}

// NewCompressor makes a Codec of about 800 KiB; format is gzip, deflate (zlib) or deflate-raw.
func NewCompressor(format string) (Codec, error) {
	d := &deflater{}
	switch format {
	case "gzip":
		d.w = gzip.NewWriter(&d.out)
	case "deflate":
		d.w = zlib.NewWriter(&d.out)
	case "deflate-raw":
		w, err := flate.NewWriter(&d.out, flate.DefaultCompression)
		if err != nil {
			return nil, err
		}
		d.w = w
	default:
		return nil, noFormat()
	}
	return d, nil
}

// NewDecompressor makes a Codec of about 100 KiB. Data that is corrupt, goes on after its end or ends early is a TypeError.
func NewDecompressor(format string) (Codec, error) {
	switch format {
	case "gzip", "deflate", "deflate-raw":
		return newInflater(format), nil
	default:
		return nil, noFormat()
	}
}

func noFormat() error { return &OpError{Name: "TypeError", Message: "no such format"} }

type deflater struct {
	w   io.WriteCloser
	out bytes.Buffer
	err error
}

func (d *deflater) Write(data []byte) {
	if d.err == nil {
		_, d.err = d.w.Write(data)
	}
}

func (d *deflater) Next() ([]byte, error) {
	return d.out.Next(d.out.Len()), d.err
}

func (d *deflater) Close() ([]byte, error) {
	if err := d.w.Close(); d.err == nil {
		d.err = err
	}
	return d.out.Bytes(), d.err
}
