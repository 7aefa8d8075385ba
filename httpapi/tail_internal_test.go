package httpapi

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"example.com/jsruntime/engine/logtail"
	"example.com/jsruntime/sqlc"
)

// lookup is a database whose every query ends with err.
type lookup struct {
	sqlc.DBTX
	err error
}

func (l *lookup) QueryRow(context.Context, string, ...any) pgx.Row { return l }
func (l *lookup) Scan(...any) error                                { return l.err }

func TestWhoMayGoOnWatching(t *testing.T) {
	t.Parallel()
	db := &lookup{}
	keys, err := NewKeys(KeysConfig{DB: db, AdminKeys: []string{"operator"}})
	require.NoError(t, err)
	a, tenant := &API{keys: keys}, uuid.New()
	key, prefix, hash := newKey()
	holds := func(role Role, tenant uuid.UUID) {
		now := time.Now()
		keys.cache.Set(prefix, &keyEntry{
			hash: hash, known: true, loadedAt: now, expires: now.Add(time.Hour), principal: Principal{Role: role, TenantID: tenant},
		})
	}

	holds(RoleViewer, tenant)
	require.True(t, a.mayWatch(t.Context(), credential{bearer: key}, tenant))
	require.True(t, a.mayWatch(t.Context(), credential{bearer: "operator"}, tenant))
	holds(RoleAdmin, uuid.New())
	require.False(t, a.mayWatch(t.Context(), credential{bearer: key}, tenant), "a key of another tenant")
	holds("retired", tenant)
	require.False(t, a.mayWatch(t.Context(), credential{bearer: key}, tenant), "a role that reads nothing")
	keys.Forget(uuid.Nil)
	db.err = errors.New("the database is restarting")
	require.True(t, a.mayWatch(t.Context(), credential{bearer: key}, tenant), "nobody can say that the key is gone")
	db.err = pgx.ErrNoRows
	require.False(t, a.mayWatch(t.Context(), credential{bearer: key}, tenant), "a key that was deleted")
}

// hearingTail is a Tail that can be made deaf.
type hearingTail struct{ deaf bool }

func (h *hearingTail) Watch(uuid.UUID, logtail.Filter) (*logtail.Watcher, error) {
	return nil, errors.New("full")
}
func (h *hearingTail) Deaf() bool { return h.deaf }

func TestStreamSaysThatItIsNodeLocal(t *testing.T) {
	t.Parallel()
	tail, said := &hearingTail{}, ""
	s := &logStream{api: &API{cfg: Config{Tail: tail}}, write: func(text string) error { said += text; return nil }}
	require.NoError(t, s.hearing())
	require.Empty(t, said)
	tail.deaf = true
	require.NoError(t, s.hearing())
	require.NoError(t, s.hearing())
	require.Equal(t, 1, strings.Count(said, "event: notice\ndata: {\"code\":\"node_local\""), said)
	tail.deaf = false
	require.NoError(t, s.hearing())
	require.Equal(t, 1, strings.Count(said, `"code":"node_local_ended"`), said)
}
