package redact

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"slices"
	"strings"
)

// Without leaves out of a body what Body has masked in it: members of JSON, parameters of a form, parts of a multipart form. ok is false where a mask
// stands in a text that has no members.
func Without(contentType string, body []byte) (rest []byte, ok bool) {
	if !bytes.Contains(body, []byte(Mask)) && !bytes.Contains(body, []byte("%5Bredacted%5D")) {
		return body, true
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		media = strings.ToLower(strings.TrimSpace(contentType))
	}
	switch {
	case media == "application/x-www-form-urlencoded":
		pairs := slices.DeleteFunc(strings.Split(string(body), "&"), func(pair string) bool {
			_, value, _ := strings.Cut(pair, "=")
			return strings.Contains(decoded(value), Mask)
		})
		return []byte(strings.Join(pairs, "&")), true
	case media == "multipart/form-data" && params["boundary"] != "":
		parts := bytes.Split(body, []byte("--"+params["boundary"]))
		return bytes.Join(slices.DeleteFunc(parts, func(part []byte) bool { return bytes.Contains(part, []byte(Mask)) }), []byte("--"+params["boundary"])), true
	}
	return WithoutJSON(body)
}

// WithoutJSON leaves out of a JSON document what Rules.JSON has masked in it: the member of an object; of an array's element there stays null. ok is
// false where there is a mask in raw, and raw is no JSON.
func WithoutJSON(raw []byte) (rest []byte, ok bool) {
	if !bytes.Contains(raw, []byte(Mask)) {
		return raw, true
	}
	type level struct {
		object bool
		named  bool // name is read, its value follows
		name   string
		count  int
	}
	var out bytes.Buffer
	write := json.NewEncoder(&out)
	write.SetEscapeHTML(false)
	value := func(v any) bool {
		if write.Encode(v) != nil {
			return false
		}
		out.Truncate(out.Len() - 1) // its line feed
		return true
	}
	read := json.NewDecoder(bytes.NewReader(raw))
	read.UseNumber()
	var stack []level
	for {
		token, err := read.Token()
		if err == io.EOF {
			return out.Bytes(), len(stack) == 0 && out.Len() > 0
		}
		if err != nil {
			return nil, false
		}
		if token == json.Delim('}') || token == json.Delim(']') {
			stack = stack[:len(stack)-1]
			out.WriteString(token.(json.Delim).String())
			continue
		}
		hidden := false
		if s, isText := token.(string); isText {
			hidden = strings.Contains(s, Mask)
		}
		if len(stack) > 0 {
			top := &stack[len(stack)-1]
			if top.object && !top.named {
				top.name, top.named = token.(string), true
				continue
			}
			if top.object {
				if top.named = false; hidden {
					continue
				}
			}
			if top.count++; top.count > 1 {
				out.WriteByte(',')
			}
			if top.object {
				if !value(top.name) {
					return nil, false
				}
				out.WriteByte(':')
			}
		}
		switch delim, opens := token.(json.Delim); {
		case opens:
			out.WriteString(delim.String())
			stack = append(stack, level{object: delim == '{'})
		case hidden:
			out.WriteString("null")
		case !value(token):
			return nil, false
		}
	}
}
