package webapi

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
)

// maxInflated bounds what a decompression gives, in bytes: 10 KB of zeros can become 10 MB.
const maxInflated = 64 << 20

// Compress does the compress op: format is gzip, deflate (zlib) or deflate-raw.
func Compress(format string, data []byte) ([]byte, error) {
	var out bytes.Buffer
	var w io.WriteCloser
	switch format {
	case "gzip":
		w = gzip.NewWriter(&out)
	case "deflate":
		w = zlib.NewWriter(&out)
	case "deflate-raw":
		f, err := flate.NewWriter(&out, flate.DefaultCompression)
		if err != nil {
			return nil, err
		}
		w = f
	default:
		return nil, &OpError{Name: "TypeError", Message: "no such format"}
	}
	_, err1 := w.Write(data)
	if err := errors.Join(err1, w.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Decompress does the decompress op. Data that is corrupt, goes on after its end or ends early is a TypeError, the last with the message
// EndsEarly.
func Decompress(format string, data []byte) ([]byte, error) {
	in := bytes.NewReader(data)
	var r io.Reader
	var err error
	switch format {
	case "gzip":
		var z *gzip.Reader
		if z, err = gzip.NewReader(in); err == nil {
			z.Multistream(false)
			r = z
		}
	case "deflate":
		r, err = zlib.NewReader(in)
	case "deflate-raw":
		r = flate.NewReader(in)
	default:
		return nil, &OpError{Name: "TypeError", Message: "no such format"}
	}
	if err != nil {
		return nil, inflateError(format, err)
	}
	out, err := io.ReadAll(io.LimitReader(r, maxInflated+1))
	switch {
	case err != nil:
		return nil, inflateError(format, err)
	case len(out) > maxInflated:
		return nil, &OpError{Name: "RangeError", Message: "the decompressed data is longer than 64 MiB"}
	case in.Len() > 0:
		return nil, &OpError{Name: "TypeError", Message: "there is data after the end of the compressed data"}
	}
	if out == nil {
		out = []byte{}
	}
	return out, nil
}

// EndsEarly is the message of the error for data that may be the beginning of something valid; compression.js waits for more then.
const EndsEarly = "the compressed data ends early"

func inflateError(format string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &OpError{Name: "TypeError", Message: EndsEarly}
	}
	return &OpError{Name: "TypeError", Message: "the compressed data is not valid " + format}
}
