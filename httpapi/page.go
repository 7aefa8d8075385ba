package httpapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Page is one page of a list, newest first.
type Page[T any] struct {
	Items      []T     `json:"items" nullable:"false"`
	NextCursor *string `json:"next_cursor" doc:"Give this as cursor for the next page; null on the last one."`
}

// ListQuery are the parameters of every list.
type ListQuery struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"Items a page, at most 200."`
	Cursor string `query:"cursor" maxLength:"400" doc:"next_cursor of the page before."`
}

// position is where a page begins: after the row with this time and id, newest first. Lists that are ordered by a number use
// number instead.
type position struct {
	at     time.Time
	id     uuid.UUID
	number int64
	text   string // of lists that are ordered by a text; its row is the last one before the page
}

// firstPosition is before every row.
func firstPosition() position {
	return position{at: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), id: uuid.Max, number: 1<<31 - 1}
}

// cursors makes and reads cursors. A cursor carries a position and a code that binds it to the tenant, the list and its
// filters, so that it is worth nothing elsewhere.
type cursors struct{ key []byte }

const (
	cursorVersion = 1
	cursorBody    = 1 + 8 + 16 + 8
	cursorCode    = 16
)

func (c cursors) code(body []byte, bind []string) []byte {
	h := hmac.New(sha256.New, c.key)
	h.Write(body)
	for _, s := range bind {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	return h.Sum(nil)[:cursorCode]
}

func (c cursors) encode(p position, bind []string) *string {
	body := make([]byte, cursorBody, cursorBody+len(p.text)+cursorCode)
	body[0] = cursorVersion
	binary.BigEndian.PutUint64(body[1:], uint64(p.at.UnixMicro()))
	copy(body[9:], p.id[:])
	binary.BigEndian.PutUint64(body[25:], uint64(p.number))
	body = append(body, p.text...)
	s := base64.RawURLEncoding.EncodeToString(append(body, c.code(body, bind)...))
	return &s
}

func (c cursors) decode(s string, bind []string) (position, error) {
	if s == "" {
		return firstPosition(), nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	body := max(len(b)-cursorCode, 0)
	if err != nil || body < cursorBody || b[0] != cursorVersion || !hmac.Equal(b[body:], c.code(b[:body], bind)) {
		return position{}, newProblem(http.StatusBadRequest, "invalid_cursor", "query.cursor: not a cursor of this list with these filters.",
			ProblemError{Location: "query.cursor", Message: "not a cursor of this list with these filters"})
	}
	p := position{at: time.UnixMicro(int64(binary.BigEndian.Uint64(b[1:]))).UTC(), number: int64(binary.BigEndian.Uint64(b[25:])), text: string(b[cursorBody:body])}
	copy(p.id[:], b[9:25])
	return p, nil
}

// pageOf cuts rows, of which one more than limit was asked for, to a page.
func pageOf[R, T any](c cursors, rows []R, limit int, bind []string, item func(R) T, at func(R) position) Page[T] {
	page := Page[T]{Items: make([]T, 0, min(len(rows), limit))}
	for i, r := range rows {
		if i == limit {
			page.NextCursor = c.encode(at(rows[i-1]), bind)
			break
		}
		page.Items = append(page.Items, item(r))
	}
	return page
}

// likePattern is a search text as an ILIKE pattern that finds it anywhere.
func likePattern(s string) *string {
	if s == "" {
		return nil
	}
	p := "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s) + "%"
	return &p
}

// given is a filter: nil where the caller left it out.
func given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
