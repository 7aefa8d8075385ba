package webhook_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"example.com/jsruntime/engine/egress"
	"example.com/jsruntime/engine/webhook"
	"example.com/jsruntime/migrations/dbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// receivers answer for all addresses: those of hang never do.
type receivers struct {
	mu    sync.Mutex
	hangs map[string]int // by address: attempts under way
	most  int
	got   map[string][]string // by address: ids of messages
}

func (r *receivers) post(ctx context.Context, _ uuid.UUID, _ *egress.List, url string, header http.Header, _ []byte) (*http.Response, error) {
	r.mu.Lock()
	r.got[url] = append(r.got[url], header.Get("Webhook-Id"))
	if !strings.Contains(url, "hang") {
		r.mu.Unlock()
		return &http.Response{StatusCode: 204, Body: io.NopCloser(strings.NewReader(""))}, nil
	}
	r.hangs[url]++
	under := 0
	for _, n := range r.hangs {
		under += n
	}
	r.most = max(r.most, under)
	r.mu.Unlock()
	<-ctx.Done()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hangs[url]--
	return nil, errors.New("no answer")
}

func open(uuid.UUID, string, []byte, []byte) (string, error) {
	return "whsec_" + strings.Repeat("QUJD", 8), nil
}

// TestReceiversThatHangHoldUpTheirOwner: a tenant with 20 webhooks that never answer has few attempts under way, and another tenant's deliveries are
// made meanwhile; two dispatchers make each once.
func TestReceiversThatHangHoldUpTheirOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.DB(t), `{}`)
	victim := newWorld(t, w.db, `{}`)
	for range 20 {
		hook(t, w.db, &w.tenant, "https://hang.example/"+uuid.NewString(), "schedule.missed")
	}
	hook(t, w.db, &victim.tenant, "https://ok.example/", "schedule.missed")
	hook(t, w.db, nil, "https://operator.example/", "schedule.missed")
	r := &receivers{hangs: map[string]int{}, got: map[string][]string{}}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for range 2 {
		d, err := webhook.New(webhook.Config{DB: w.db, Post: r.post, Open: open, Poll: 10 * time.Millisecond, Log: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		running.Go(func() { _ = d.Run(ctx) })
	}
	defer running.Wait()
	defer cancel()
	for _, of := range []world{w, victim} {
		of.exec(t, `INSERT INTO script_schedule_ticks (script_id, tenant_id, scheduled_for, outcome) SELECT $1, $2, now() + n * interval '1 second', 'missed' FROM generate_series(1, 30) n`, of.script, of.tenant)
	}
	require.Eventually(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.got["https://ok.example/"]) >= 30 && len(r.got["https://operator.example/"]) >= 60
	}, time.Minute, 10*time.Millisecond)
	r.mu.Lock()
	defer r.mu.Unlock()
	require.Positive(t, r.most)
	require.LessOrEqual(t, r.most, 2*4, "of one owner, on two nodes")
	for _, url := range []string{"https://ok.example/", "https://operator.example/"} {
		seen := map[string]bool{}
		for _, id := range r.got[url] {
			require.False(t, seen[id], "made twice")
			seen[id] = true
		}
	}
}

func TestNewWantsItsParts(t *testing.T) {
	t.Parallel()
	_, err := webhook.New(webhook.Config{})
	require.EqualError(t, err, "DB is required")
}
