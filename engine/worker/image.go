package worker

import (
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"example.com/jsruntime/engine/internal/isolate"
	"example.com/jsruntime/engine/internal/wire"
)

// makeImage writes an image. No tenant's code runs in such a process.
func makeImage(o options, stdout io.Writer) error {
	rt, err := isolate.New(isolate.Config{JIT: o.jit})
	if err != nil {
		return err
	}
	var host silent
	i, err := rt.New(spareHeap, host)
	if err != nil {
		return err
	}
	defer i.Close()
	image, err := rt.Image()
	if err != nil {
		return err
	}
	_, err = stdout.Write(image)
	return err
}

// mapImage maps the image that the node has given, which nothing can change any more.
func mapImage(fd int) ([]byte, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Size <= 0 || st.Size > wire.MaxImage {
		return nil, fmt.Errorf("%d bytes", st.Size)
	}
	image, err := unix.Mmap(fd, 0, int(st.Size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return image, unix.Close(fd)
}
