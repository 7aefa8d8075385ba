package ledger

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/jsruntime/migrations/connect"
)

// A trip is a transaction that takes one round trip: its statements and the rows of its COPYs are written one after the other, with one
// Sync at the end, and only then is anything read. pgx has no such thing: its batches know no COPY, and its COPY is a round trip of its own.
//
// What the protocol says, and a trip relies on:
//
//   - Up to its Sync, a pipeline of extended queries is one transaction without BEGIN and COMMIT: Sync commits it, an error takes all of
//     it back. So ReadyForQuery without an error before it answers the commit, and after an error no transaction is left open.
//   - After an error, also one within a COPY, the server skips every message up to Sync. The rows of a COPY that never began, or that
//     failed in the middle, are skipped with the rest.
//   - The server's answers are some hundred bytes, which fit into the buffers of any socket: writing everything before reading anything
//     cannot come to a standstill.
//
// Errors. Where a statement fails, the error is the server's first one, a *pgconn.PgError, and the connection stays in use. Where the
// connection fails or ctx ends, the connection is closed, and whether the transaction was committed is unknown. The server ends a
// transaction of which it got only the beginning when it learns that the connection is gone, or by its statement_timeout: a lost machine
// says no goodbye, and a COPY would wait for its rows.
//
// Statements are prepared once for a connection, which costs that connection's first trip more round trips. A trip is an sqlc.DBTX for
// statements whose rows are not read; Exec and CopyFrom note what run sends.
type trip struct {
	steps []tripStep
}

// tripStep is a statement with its arguments, or a COPY with its rows.
type tripStep struct {
	sql    string
	args   []any
	rows   [][]byte // of a COPY, in its binary format
	isCopy bool
}

// tripChunk is how many bytes gather before they are written. Most flushes have fewer, and cost one write.
const tripChunk = 128 << 10

// maxTripBuffer is the largest buffer that is kept.
const maxTripBuffer = 4 * tripChunk

// closeTimeout bounds the request to end what runs on a connection that is given up.
const closeTimeout = 2 * time.Second

// tripBuffers keep the bytes that are written.
var tripBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 16<<10); return &b }}

var errNoRows = errors.New("ledger: a trip's statements return no rows")

// canTrip reports whether the connection's user lets statements be prepared and kept: behind some poolers they must not be.
func canTrip(conn *pgx.Conn) bool {
	return conn.Config().DefaultQueryExecMode == pgx.QueryExecModeCacheStatement
}

// Exec implements sqlc.DBTX. Its tag is empty: the statement has not run yet.
func (t *trip) Exec(_ context.Context, sql string, args ...any) (none pgconn.CommandTag, err error) {
	t.steps = append(t.steps, tripStep{sql: sql, args: args})
	return none, nil
}

// CopyFrom implements sqlc.DBTX; rows come encoded, by copyRows.
func (t *trip) CopyFrom(context.Context, pgx.Identifier, []string, pgx.CopyFromSource) (int64, error) {
	return 0, errNoRows
}

// Query implements sqlc.DBTX.
func (t *trip) Query(context.Context, string, ...any) (pgx.Rows, error) { return nil, errNoRows }

// QueryRow implements sqlc.DBTX.
func (t *trip) QueryRow(context.Context, string, ...any) pgx.Row { return noRow{} }

type noRow struct{}

func (noRow) Scan(...any) error { return errNoRows }

// copyRows implements target.
func (t *trip) copyRows(_ context.Context, statement string, rows [][]byte) error {
	t.steps = append(t.steps, tripStep{sql: statement, rows: rows, isCopy: true})
	return nil
}

// run sends what was noted, and reads the answer.
func (t *trip) run(ctx context.Context, pooled *pgxpool.Conn) error {
	conn := pooled.Conn()
	prepared := make([]*pgconn.StatementDescription, len(t.steps))
	for i, step := range t.steps {
		if step.isCopy {
			continue
		}
		var err error
		if prepared[i], err = conn.Prepare(ctx, step.sql, step.sql); err != nil {
			return err
		}
	}
	buffer := tripBuffers.Get().(*[]byte)
	w := tripWriter{conn: conn.PgConn().Conn(), out: (*buffer)[:0]}
	defer func() {
		if cap(w.out) <= maxTripBuffer {
			*buffer = w.out[:0]
			tripBuffers.Put(buffer)
		}
	}()
	// From the end of ctx on the deadline is in the past, so that writes and reads return.
	stop := context.AfterFunc(ctx, func() { _ = w.conn.SetDeadline(time.Unix(1, 0)) })
	err := t.send(&w, conn.TypeMap(), prepared)
	broken := w.sent > 0 || ctx.Err() != nil
	if err == nil {
		broken, err = t.receive(conn.PgConn())
	}
	if !stop() || broken {
		abandon(conn)
	}
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return err
}

// send writes every step and Sync.
func (t *trip) send(w *tripWriter, types *pgtype.Map, prepared []*pgconn.StatementDescription) error {
	for i, step := range t.steps {
		if step.isCopy {
			w.add(&pgproto3.Parse{Query: step.sql})
			w.add(&pgproto3.Bind{})
			w.add(&pgproto3.Execute{})
			w.addRows(step.rows)
			w.add(&pgproto3.CopyDone{})
			continue
		}
		var b pgx.ExtendedQueryBuilder
		if err := b.Build(types, prepared[i], step.args); err != nil {
			return err
		}
		w.add(&pgproto3.Bind{
			PreparedStatement: prepared[i].Name, ParameterFormatCodes: b.ParamFormats, Parameters: b.ParamValues, ResultFormatCodes: b.ResultFormats,
		})
		w.add(&pgproto3.Execute{})
	}
	w.add(&pgproto3.Sync{})
	w.flush()
	return w.err
}

// receive reads up to the answer to Sync. broken: the connection cannot be used any more.
func (t *trip) receive(conn *pgconn.PgConn) (broken bool, err error) {
	var failed error
	completed := 0
	for {
		message, err := conn.ReceiveMessage(context.Background()) // run bounds it
		switch message := message.(type) {
		case nil:
			return true, cmp.Or(failed, err)
		case *pgproto3.ErrorResponse:
			failed = cmp.Or(failed, error(pgconn.ErrorResponseToPgError(message)))
		case *pgproto3.CommandComplete:
			completed++
		case *pgproto3.ReadyForQuery:
			switch {
			case failed != nil:
				// A connection whose statements the server has forgotten is no good: the next one prepares them.
				return message.TxStatus != 'I' || connect.ClassOf(failed) == connect.Unprepared, failed
			case completed != len(t.steps) || message.TxStatus != 'I':
				return true, fmt.Errorf("%d of %d statements completed, transaction status %q", completed, len(t.steps), message.TxStatus)
			}
			return false, nil
		}
	}
}

// abandon ends what may still run on a connection, and closes it.
func abandon(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if !conn.IsClosed() {
		_ = conn.PgConn().CancelRequest(ctx)
	}
	_ = conn.Close(ctx)
}

// tripWriter gathers messages and writes them. Its first error stays.
type tripWriter struct {
	conn net.Conn
	out  []byte
	sent int
	err  error
}

func (w *tripWriter) add(m pgproto3.FrontendMessage) {
	if w.err != nil {
		return
	}
	if out, err := m.Encode(w.out); err != nil {
		w.err = err
	} else {
		w.out = out
	}
	w.flushIfMuch()
}

// addRows adds CopyData messages: header, rows, trailer.
func (w *tripWriter) addRows(rows [][]byte) {
	from := w.beginData()
	w.out = append(w.out, copyHeader...)
	for _, row := range rows {
		w.out = append(w.out, row...)
		if len(w.out) >= tripChunk {
			w.endData(from)
			w.flushIfMuch()
			from = w.beginData()
		}
	}
	w.out = append(w.out, copyTrailer...)
	w.endData(from)
}

func (w *tripWriter) beginData() (from int) {
	from = len(w.out)
	w.out = append(w.out, 'd', 0, 0, 0, 0)
	return from
}

func (w *tripWriter) endData(from int) {
	binary.BigEndian.PutUint32(w.out[from+1:], uint32(len(w.out)-from-1))
}

func (w *tripWriter) flushIfMuch() {
	if len(w.out) >= tripChunk {
		w.flush()
	}
}

func (w *tripWriter) flush() {
	if w.err == nil {
		var n int
		n, w.err = w.conn.Write(w.out)
		w.sent += n
	}
	w.out = w.out[:0]
}
