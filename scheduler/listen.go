package scheduler

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"example.com/jsruntime/engine/cluster"
	"example.com/jsruntime/engine/wake"
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

// heardCancel ends the execution of an id.
func (s *Scheduler) heardCancel(payload string) {
	if id, err := uuid.Parse(payload); err == nil && !s.cancelHeld(id, errCancelRequested) {
		s.cfg.Cancel(id, errCancelRequested)
	}
}

// heardChange looks at everything that a change may have made due: "table tenant script", or nothing after a new connection.
func (s *Scheduler) heardChange(payload string) {
	table, _, _ := strings.Cut(payload, " ")
	switch table {
	case "", "script_scheduled_jobs", "scripts", "tenants":
		s.armWake.Set()
		s.tickWake.Set()
		s.queueWake.Set()
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
		if s.members.Count() > 1 {
			err := cluster.Within(ctx, s.queries.QueueNotify)
			s.complain(ctx, "other nodes not notified", err)
		}
		if !wake.Pause(ctx, notifyInterval) {
			return
		}
	}
}
