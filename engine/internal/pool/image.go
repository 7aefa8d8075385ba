package pool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"example.com/jsruntime/engine/internal/wire"
)

// imageTimeout is far more than an image takes, which is a tenth of a second.
const imageTimeout = 30 * time.Second

// image returns the file that workers of a kind start from, nil where there is none. The spawner alone calls it. The first worker of a kind
// waits for it.
func (p *Pool) image(kind string) *os.File {
	if p.cfg.NoImages {
		return nil
	}
	f, ok := p.images[kind]
	if !ok {
		var err error
		if f, err = p.makeImage(kind); err != nil && p.ctx.Err() == nil {
			p.cfg.Logger.Warn("workers make the web API anew, each by itself", "kind", kind, "error", err)
		}
		p.images[kind] = f
	}
	return f
}

// makeImage has a process that never has a tenant make an image, and keeps it in memory that nothing can change any more: it is mapped by
// workers of all tenants.
func (p *Pool) makeImage(kind string) (*os.File, error) {
	ctx, cancel := context.WithTimeout(p.ctx, imageTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.cfg.Path, append(p.args(kind), wire.ImageMakeArg)...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = "/", workerEnv(), time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	out, said := bounded{room: wire.MaxImage}, bounded{room: 4 << 10}
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(said.String()))
	}
	if out.Len() == 0 {
		return nil, errors.New("nothing was written")
	}
	return sealed(out.Bytes())
}

// sealed returns a file in memory with that content, which cannot be changed through any descriptor of it.
func sealed(content []byte) (*os.File, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate("jsruntime-image", flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate("jsruntime-image", flags)
	}
	if err != nil {
		return nil, fmt.Errorf("memory file: %w", err)
	}
	f := os.NewFile(uintptr(fd), "image")
	_, err = f.Write(content)
	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("memory file: %w", err), f.Close())
	}
	return f, nil
}

// args are the arguments of a worker of a kind.
func (p *Pool) args(kind string) []string {
	args := slices.Clone(p.cfg.Args)
	if kind != "" {
		args = append(args, kind)
	}
	return args
}

// bounded takes so many bytes and fails then.
type bounded struct {
	bytes.Buffer
	room int
}

func (b *bounded) Write(data []byte) (int, error) {
	if len(data) > b.room-b.Len() {
		return 0, fmt.Errorf("more than %d bytes", b.room)
	}
	return b.Buffer.Write(data)
}
