package scheduler

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Notifications are hints. Each has a poll that finds the same thing later.
const (
	channelQueue   = "jsruntime_queue"   // executions were put into the queue
	channelCancel  = "jsruntime_cancel"  // a running execution is to be ended; its id
	channelChanged = "jsruntime_changed" // "table tenant script" was changed
)

// notifyInterval is the shortest time between two notifications that a node sends: notifying transactions commit one after the
// other, and a notification in each more than halved the rate of inserts.
const notifyInterval = 50 * time.Millisecond

// listenIdle is how long the listening connection may be silent before it is tested.
const listenIdle = 15 * time.Second

// listen keeps one connection that waits for notifications. Whenever it has been made anew, everything is looked at.
func (s *Scheduler) listen(ctx context.Context) {
	for {
		err := s.listenOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		s.cfg.Logger.Warn("not listening for notifications; polling goes on", "error", err)
		if !pause(ctx, time.Second) {
			return
		}
	}
}

func (s *Scheduler) listenOnce(ctx context.Context) error {
	var conn *pgx.Conn
	err := within(ctx, func(ctx context.Context) (err error) {
		conn, err = pgx.ConnectConfig(ctx, s.cfg.Pool.Config().ConnConfig)
		return err
	})
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing)
	}()
	for _, channel := range []string{channelQueue, channelCancel, channelChanged} {
		err := within(ctx, func(ctx context.Context) error {
			_, err := conn.Exec(ctx, "LISTEN "+channel)
			return err
		})
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
	}
	s.queueWake.set()
	s.tickWake.set()
	s.armWake.set()
	for {
		waiting, cancel := context.WithTimeout(ctx, listenIdle)
		notification, err := conn.WaitForNotification(waiting)
		cancel()
		switch {
		case err == nil:
			s.heard(notification)
		case ctx.Err() != nil:
			return ctx.Err()
		case pgconn.Timeout(err) && !conn.IsClosed():
			// A peer that is gone without a word would keep us waiting for ever.
			if err := within(ctx, conn.Ping); err != nil {
				return fmt.Errorf("ping: %w", err)
			}
		default:
			return fmt.Errorf("wait: %w", err)
		}
	}
}

func (s *Scheduler) heard(n *pgconn.Notification) {
	switch n.Channel {
	case channelQueue:
		s.queueWake.set()
	case channelCancel:
		if id, err := uuid.Parse(n.Payload); err == nil {
			if !s.cancelHeld(id, errCancelRequested) {
				s.cfg.Cancel(id, errCancelRequested)
			}
		}
	case channelChanged:
		table, _, _ := strings.Cut(n.Payload, " ")
		switch table {
		case "script_scheduled_jobs", "scripts", "tenants":
			s.armWake.set()
			s.tickWake.set()
			s.queueWake.set()
		}
	}
}

// notifyOthers sends the notifications that Wake asks for.
func (s *Scheduler) notifyOthers(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.notify:
		}
		if s.LiveNodes() > 1 {
			err := within(ctx, s.queries.QueueNotify)
			s.complain(ctx, "other nodes not notified", err)
		}
		if !pause(ctx, notifyInterval) {
			return
		}
	}
}
