package ledger

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/jsruntime/engine"
	"example.com/jsruntime/engine/record"
	"example.com/jsruntime/engine/redact"
	"example.com/jsruntime/engine/text"
	"example.com/jsruntime/sqlc"
)

// tupleColumns are the fields of a tuple, in the order in which ExecutionRecord names its columns.
var tupleColumns = [...]string{
	"id", "script_id", "tenant_id", "status", "trigger_type", "input", "trigger_data", "output", "error", "metrics",
	"started_at", "completed_at", "version", "attempt", "error_code", "error_stack", "queued_at", "run_at", "handler", "depth",
	"parent_id", "node_id", "http_status",
}

const jsonbVersion = 1 // the first byte of jsonb's binary form

// postgresEpoch is where timestamptz counts from.
var postgresEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

// tuple is an execution as COPY takes it in its binary format: the number of fields (int16), then each field's length (int32, -1
// for NULL) and its bytes. It is made by Record once, straight from what the execution has, so that a row costs no values of
// its own and nothing is encoded while Postgres waits.
type tuple []byte

func (b tuple) close(from int) tuple {
	binary.BigEndian.PutUint32(b[from:], uint32(len(b)-from-4))
	return b
}

func (b tuple) null() tuple             { return append(b, 0xff, 0xff, 0xff, 0xff) }
func (b tuple) size(n int) tuple        { return binary.BigEndian.AppendUint32(b, uint32(n)) }
func (b tuple) uuid(id uuid.UUID) tuple { return append(b.size(len(id)), id[:]...) }
func (b tuple) text(s string) tuple     { return append(b.size(len(s)), s...) }
func (b tuple) int32(n int) tuple       { return b.size(4).size(n) }
func (b tuple) int16(n int) tuple       { return binary.BigEndian.AppendUint16(b.size(2), uint16(n)) }
func (b tuple) int64(n int64) tuple     { return binary.BigEndian.AppendUint64(b.size(8), uint64(n)) }
func (b tuple) time(at time.Time) tuple {
	return binary.BigEndian.AppendUint64(b.size(8), uint64(at.UnixMicro()-postgresEpoch))
}

func (b tuple) textOrNull(s string) tuple {
	if s == "" {
		return b.null()
	}
	return b.text(text.Clean(s))
}

func (b tuple) uuidOrNull(id uuid.UUID) tuple {
	if id == uuid.Nil {
		return b.null()
	}
	return b.uuid(id)
}

// jsonb appends the JSON that appendTo appends; NULL if that is nothing.
func (b tuple) jsonb(appendTo func([]byte) []byte) tuple {
	from := len(b)
	b = appendTo(append(b.size(0), jsonbVersion))
	if len(b) == from+5 {
		return b[:from].null()
	}
	return b.close(from)
}

// appendTuple appends an execution. The times are in order already.
func appendTuple(b []byte, inv *engine.Invocation, res *engine.Result, lean bool, nodeID uuid.UUID, queuedAt, startedAt, endedAt time.Time) []byte {
	script := inv.Script
	t := tuple(binary.BigEndian.AppendUint16(b, uint16(len(tupleColumns))))
	t = t.uuid(inv.ExecutionID).uuid(script.ID).uuid(script.TenantID).text(string(res.Code.Status())).text(string(inv.Trigger))
	kept := record.Kept{Invocation: inv, Result: res, Lean: lean}
	t = t.jsonb(kept.AppendInput)
	t = t.jsonb(kept.AppendTriggerData)
	t = t.jsonb(kept.AppendOutput)
	t = t.textOrNull(res.Message)
	t = t.jsonb(func(b []byte) []byte { return record.AppendMetrics(b, res.Metrics) })
	t = t.time(startedAt).time(endedAt).int32(script.Version).int32(max(inv.Attempt, 1))
	t = t.textOrNull(string(res.Code)).textOrNull(res.Stack)
	t = t.time(queuedAt).time(queuedAt).text(string(inv.Handler)).int32(inv.Depth)
	t = t.uuidOrNull(inv.ParentID).uuidOrNull(nodeID)
	if status := res.HTTPStatus(); status != 0 {
		return t.int16(status)
	}
	return t.null()
}

// replace is the tuple with other fields at some names; with returns nil for NULL.
func (b tuple) replace(with map[string]func(old []byte) []byte) tuple {
	out := slices.Clone(b[:2])
	rest := b[2:]
	for _, name := range tupleColumns {
		n := int32(binary.BigEndian.Uint32(rest))
		var field []byte
		if rest = rest[4:]; n >= 0 {
			field, rest = rest[:n:n], rest[n:]
		}
		if change, ok := with[name]; ok {
			field = change(field)
		}
		if field == nil {
			out = out.null()
			continue
		}
		out = append(out.size(len(field)), field...)
	}
	return out
}

// logColumns are the fields of a line's tuple, in the order in which ExecutionLogRecord names its columns.
var logColumns = [...]string{"execution_id", "seq", "tenant_id", "script_id", "level", "message", "at"}

// appendLog appends a line of a log as COPY takes it.
func appendLog(b []byte, inv *engine.Invocation, seq int, level, message string, at time.Time) []byte {
	t := tuple(binary.BigEndian.AppendUint16(b, uint16(len(logColumns))))
	return t.uuid(inv.ExecutionID).int32(seq).uuid(inv.Script.TenantID).uuid(inv.Script.ID).text(level).text(message).time(at)
}

// callColumns are the fields of a call's tuple, in the order in which ExecutionCallRecord names its columns.
var callColumns = [...]string{
	"execution_id", "seq", "tenant_id", "script_id", "kind", "operation", "target", "status", "started_at", "duration_us", "request_bytes",
	"response_bytes", "error", "error_code", "bodies",
}

// appendCall appends a host call as COPY takes it.
func appendCall(b []byte, inv *engine.Invocation, call *engine.Call, secrets *redact.Values) []byte {
	t := tuple(binary.BigEndian.AppendUint16(b, uint16(len(callColumns))))
	t = t.uuid(inv.ExecutionID).int32(call.Seq).uuid(inv.Script.TenantID).uuid(inv.Script.ID).text(call.Kind).text(call.Operation).text(call.Target)
	if call.Status == 0 {
		t = t.null()
	} else {
		t = t.int32(call.Status)
	}
	t = t.time(call.StartedAt).int64(call.Duration.Microseconds()).int64(call.RequestBytes).int64(call.ResponseBytes)
	t = t.textOrNull(call.Error).textOrNull(call.ErrorCode)
	return t.jsonb(func(b []byte) []byte { return record.AppendCallBodies(b, call, secrets) })
}

// target is where a batch's transaction goes: a trip, or a transaction of pgx.
type target interface {
	sqlc.DBTX
	// copyRows runs a COPY FROM STDIN of rows in the binary format, without its header and trailer.
	copyRows(ctx context.Context, statement string, rows [][]byte) error
}

// copier gives sqlc's queries for COPY rows that are encoded already: table and columns come from the query, the rows from here.
type copier struct {
	target
	columns []string
	rows    [][]byte
}

// CopyFrom implements sqlc.DBTX.
func (c copier) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, _ pgx.CopyFromSource) (int64, error) {
	if !slices.Equal(columns, c.columns) {
		return 0, fmt.Errorf("ledger's tuples have the columns %v, its query has %v", c.columns, columns)
	}
	quoted := make([]string, len(columns))
	for i, name := range columns {
		quoted[i] = pgx.Identifier{name}.Sanitize()
	}
	return 0, c.copyRows(ctx, "copy "+table.Sanitize()+" ("+strings.Join(quoted, ", ")+") from stdin binary", c.rows)
}

// inTx is a target in a transaction of pgx.
type inTx struct{ pgx.Tx }

func (t inTx) copyRows(ctx context.Context, statement string, rows [][]byte) error {
	_, err := t.Conn().PgConn().CopyFrom(ctx, &copyReader{next: copyHeader, rows: rows}, statement)
	return err
}

var (
	copyHeader  = append([]byte("PGCOPY\n\xff\r\n\x00"), make([]byte, 8)...) // no flags, no extension
	copyTrailer = []byte{0xff, 0xff}
)

// copyReader reads header, rows and trailer.
type copyReader struct {
	next  []byte
	rows  [][]byte
	ended bool
}

func (r *copyReader) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(r.next) == 0 {
			switch {
			case len(r.rows) > 0:
				r.next, r.rows = r.rows[0], r.rows[1:]
			case !r.ended:
				r.next, r.ended = copyTrailer, true
			default:
				return n, io.EOF
			}
		}
		copied := copy(p[n:], r.next)
		r.next = r.next[copied:]
		n += copied
	}
	return n, nil
}
