//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"
)

// stages are the long-lived parts of a node, each started after the parts that it needs. They run in one errgroup and are stopped
// in the reverse order, each only once the one before has gone: the listener and the scheduler, together, while the engine still
// runs what they took; the ledger after the engine's last result; Postgres at the very end.
type stages struct {
	group  *errgroup.Group
	log    *slog.Logger
	failed context.CancelCauseFunc // begins the shutdown
	list   [][]*stage              // those of one element stop together
}

type stage struct {
	name string
	stop context.CancelCauseFunc
	gone chan struct{}
}

var errStopping = errors.New("the node is stopping")

// newStages returns stages, and a context that ends when ctx does or when a stage returns by itself.
func newStages(ctx context.Context, log *slog.Logger) (*stages, context.Context) {
	ctx, failed := context.WithCancelCause(ctx)
	return &stages{group: &errgroup.Group{}, log: log, failed: failed}, ctx
}

// start runs a stage that stops before all stages that were started earlier.
func (s *stages) start(name string, run func(ctx context.Context) error) {
	s.list = append(s.list, nil)
	s.beside(name, run)
}

// beside runs a stage that stops together with the stage that was started last. Its context is its own: only stop ends it.
func (s *stages) beside(name string, run func(ctx context.Context) error) {
	ctx, stop := context.WithCancelCause(context.Background())
	st := &stage{name: name, stop: stop, gone: make(chan struct{})}
	last := len(s.list) - 1
	s.list[last] = append(s.list[last], st)
	s.group.Go(func() error {
		defer close(st.gone)
		err := run(ctx)
		if ctx.Err() == nil {
			if err == nil {
				err = errors.New("ended by itself")
			}
			err = fmt.Errorf("%s: %w", name, err)
			s.failed(err)
			return err
		}
		if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, errStopping) {
			return fmt.Errorf("stopping %s: %w", name, err)
		}
		return nil
	})
}

// stop ends the stages from the last to the first and returns their first error.
func (s *stages) stop() error {
	for i := len(s.list) - 1; i >= 0; i-- {
		begun := time.Now()
		for _, st := range s.list[i] {
			st.stop(errStopping)
		}
		for _, st := range s.list[i] {
			<-st.gone
			s.log.Debug("stopped", "stage", st.name, "took_ms", time.Since(begun).Milliseconds())
		}
	}
	return s.group.Wait()
}
