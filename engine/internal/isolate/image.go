package isolate

import (
	"encoding/binary"
	"errors"
	"fmt"

	"example.com/jsruntime/engine/internal/webapi"
	"example.com/jsruntime/engine/internal/wire"
)

// An image is what one worker has made of the web API, for others of the same build: its joined text, and V8's code for it. To make both takes
// two thirds of a worker's start. It is
//
//	magic, length of the code, of the text and of the origin, four bytes each; the code, the text, the origin
//
// The origin says by what it was made. V8 refuses code of another version of it or of other flags by itself.
const imageMagic = 0x494d5352

const imageHead = 16

// origin says what an image depends on beside V8's flags.
func origin() (string, error) {
	sum, err := webapi.Sum()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %s %08x", wire.Build(), Version(), sum), nil
}

// Image makes an image. No isolate of the process may have run any tenant's code: what it holds is run by workers of all tenants.
func (r *Runtime) Image() ([]byte, error) {
	if !compiles() {
		return nil, errors.New("this V8 takes no image")
	}
	from, err := origin()
	if err != nil {
		return nil, err
	}
	if len(r.cache) == 0 {
		return nil, errors.New("no isolate was made")
	}
	out := make([]byte, imageHead, imageHead+len(from)+len(r.source)+len(r.cache))
	for n, v := range []int{imageMagic, len(r.cache), len(r.source), len(from)} {
		binary.LittleEndian.PutUint32(out[4*n:], uint32(v))
	}
	return append(append(append(out, r.cache...), r.source...), from...), nil
}

// parseImage takes an image apart.
func parseImage(b []byte) (cache, source []byte, from string, err error) {
	var n [4]uint64
	if len(b) < imageHead {
		return nil, nil, "", errors.New("image: too short")
	}
	for i := range n {
		n[i] = uint64(binary.LittleEndian.Uint32(b[4*i:]))
	}
	if n[0] != imageMagic || imageHead+n[1]+n[2]+n[3] != uint64(len(b)) {
		return nil, nil, "", errors.New("image: malformed")
	}
	b = b[imageHead:]
	return b[:n[1]], b[n[1] : n[1]+n[2]], string(b[n[1]+n[2]:]), nil
}

// useImage takes the text and the code of Config.Image where that is of this build and V8.
func (r *Runtime) useImage(image []byte) error {
	cache, source, from, err := parseImage(image)
	if err != nil {
		return err
	}
	own, err := origin()
	if err != nil {
		return err
	}
	if from == own {
		r.source, r.cache = source, cache
	}
	return nil
}
