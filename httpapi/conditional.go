package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"example.com/jsruntime/sqlc"
)

// Entity tags (RFC 9110, 8.8.3) are "STATE.REST": STATE names the state of the stored object, REST what the answer shows beside it, as
// the limits that the operator's flags lead to. If-Match compares states, If-None-Match whole tags. An answer that is compressed has the
// suffix -gzip, because its bytes are others.

// gzipSuffix ends the tag of an answer that is compressed.
const gzipSuffix = "-gzip"

// digestOf is a short hash of what the API shows.
func digestOf(shown any) string {
	text, _ := json.Marshal(shown) // types of ours
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// tagOf is the entity tag of an object: of its state, and of what is shown beside it.
func tagOf(state any, rest ...any) string {
	tag := digestOf(state)
	if len(rest) > 0 {
		tag += "." + digestOf(rest)[:8]
	}
	return strconv.Quote(tag)
}

// etag is the entity tag of a script. Its state is its revision, which every change of the row counts up.
func etag(s sqlc.Script, limits EffectiveLimits) string {
	return strconv.Quote(strconv.FormatInt(s.Revision, 10) + "." + digestOf(limits)[:8])
}

// entityTag is one tag of a list.
type entityTag struct {
	weak   bool
	opaque string
}

// state is the part of the tag that names the object's state.
func (t entityTag) state() string {
	state, _, _ := strings.Cut(t.plain(), ".")
	return state
}

// plain is the tag as it is without compression.
func (t entityTag) plain() string { return strings.TrimSuffix(t.opaque, gzipSuffix) }

// entityTags reads the value of If-Match or If-None-Match. any reports "*". What is no list of tags ends the reading.
func entityTags(header string) (tags []entityTag, any bool) {
	if strings.TrimSpace(header) == "*" {
		return nil, true
	}
	for rest := header; ; {
		rest = strings.TrimLeft(rest, " \t,")
		var tag entityTag
		rest, tag.weak = strings.CutPrefix(rest, "W/")
		if !strings.HasPrefix(rest, `"`) {
			return tags, false
		}
		end := strings.IndexByte(rest[1:], '"')
		if end < 0 {
			return tags, false
		}
		tag.opaque, rest = rest[1:1+end], rest[end+2:]
		tags = append(tags, tag)
	}
}

// current is the tag of an ETag header of ours.
func current(header string) entityTag {
	tags, _ := entityTags(header)
	if len(tags) != 1 {
		return entityTag{}
	}
	return tags[0]
}

// precondition judges the request's If-Match against the object that it would change, whose tag is now. The comparison is the strong one:
// a weak tag, which a proxy made of ours, matches nothing.
func precondition(ctx context.Context, now string) error {
	header := callOf(ctx).ifMatch
	if header == "" {
		return nil
	}
	tags, any := entityTags(header)
	if any {
		return nil
	}
	detail := "The object has changed since it was read; its ETag is now " + now + "."
	for _, tag := range tags {
		switch {
		case tag.state() != current(now).state():
		case tag.weak:
			detail = "header.If-Match: a weak tag (W/) matches nothing; the object's ETag is " + now + "."
		default:
			return nil
		}
	}
	if len(tags) == 0 {
		detail = `header.If-Match: not a list of entity tags such as "17"; the object's ETag is ` + now + "."
	}
	p := newProblem(http.StatusPreconditionFailed, "precondition_failed", detail)
	p.Header.Set("ETag", now)
	return p
}

// unchanged reports whether a client has the answer with that tag already, by its If-None-Match. The comparison is the weak one.
func unchanged(r *http.Request, tag string) bool {
	header := strings.Join(r.Header.Values("If-None-Match"), ", ")
	if header == "" || tag == "" {
		return false
	}
	tags, any := entityTags(header)
	for _, known := range tags {
		any = any || known.plain() == current(tag).plain()
	}
	return any
}

// tagged is an answer that shows an object with its tag.
type tagged[T any] struct {
	ETag string `header:"ETag"`
	Body T
}

// createdTagged is the answer to the request that made the object.
type createdTagged[T any] struct {
	Location string `header:"Location"`
	ETag     string `header:"ETag"`
	Body     T
}
