package host

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"

	"example.com/jsruntime/engine"
)

// described are the arguments that say what a call is about.
type described struct {
	URL    string `json:"url"`
	Method string `json:"method"`
	Key    string `json:"key"`
	Prefix string `json:"prefix"`
	Type   string `json:"type"`
	Name   string `json:"name"`
}

// describe notes what a call is about that was refused before its arguments were read. What cannot be read leaves no target.
func describe(call *engine.HostCall) {
	var args described
	if json.Unmarshal(call.Args, &args) != nil {
		return
	}
	call.Note.Target = cmp.Or(args.URL, args.Key, args.Prefix, args.Type, args.Name)
	if call.Method == "fetch" {
		call.Note.Operation = strings.ToUpper(cmp.Or(args.Method, http.MethodGet))
	}
}

// note notes what a fetch is about.
func (a *fetchArgs) note(call *engine.HostCall) {
	call.Note.Target, call.Note.Operation = a.URL, strings.ToUpper(cmp.Or(a.Method, http.MethodGet))
	for _, nv := range a.Headers {
		if strings.EqualFold(nv[0], "content-type") {
			call.Note.RequestType = nv[1]
		}
	}
}
