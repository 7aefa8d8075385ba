package isolate

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/net/idna"
	v8 "rogchap.com/v8go"

	"example.com/jsruntime/engine/internal/webapi"
)

const (
	replyText  = 0
	replyBytes = 1
	replyError = 2
	replyHeld  = 3 // the text is the holder's
)

// callback is the one function that JavaScript calls in Go: native(op, text). boot.js passes strings only, so that no code of the
// script runs while they are read; bytes are in the exchange buffer.
func (i *Isolate) callback(info *v8.FunctionCallbackInfo) (*v8.Value, error) {
	defer info.Release()
	i.host.Entered()
	i.releaseHeld()
	args := info.Args()
	if len(args) < 2 || !args[0].IsString() || !args[1].IsString() {
		return nil, errBadArguments
	}
	op, text := args[0].String(), args[1].String()
	if said, ok := words[op]; ok {
		said(i, text)
		return nil, nil
	}
	if set, ok := settings[op]; ok {
		return nil, set(i, text, args[2:])
	}
	if ask, ok := questions[op]; ok {
		return ask(i, text)
	}
	if what, ok := strings.CutPrefix(op, "codec."); ok {
		reply, bytes, err := i.codec(what, text)
		return i.answer(reply, bytes, err)
	}
	reply, bytes, err := op1(op, text)
	return i.answer(reply, bytes, err)
}

var errBadArguments = errors.New("native: bad arguments")

// words are the ops without a reply.
var words = map[string]func(i *Isolate, text string){
	"log":    (*Isolate).log,
	"upload": (*Isolate).upload,
	"hostCancel": func(i *Isolate, text string) {
		if call, err := strconv.ParseUint(text, 10, 32); err == nil {
			i.host.HostCancel(uint32(call))
		}
	},
	"credit": (*Isolate).credit,
	"head":   func(i *Isolate, text string) { i.host.Head(uint32(i.control[ctlStatus]), text) },
	"last":   func(i *Isolate, text string) { i.host.Last(text) },
	"answer": func(i *Isolate, text string) {
		var o Outcome
		i.outcome(&o, i.control[ctlResult], text)
		i.host.Answer(&o)
	},
	"chunk": func(i *Isolate, _ string) { i.chunks(i.bytes()) },
}

// settings are the ops by which boot.js makes a context ours. An error is an exception.
var settings = map[string]func(i *Isolate, text string, rest []*v8.Value) error{
	"exchange": func(i *Isolate, _ string, rest []*v8.Value) error {
		if len(rest) < 1 || !rest[0].IsSharedArrayBuffer() {
			return errBadArguments
		}
		return i.setExchange(rest[0])
	},
	"webapi": func(i *Isolate, _ string, _ []*v8.Value) error { return i.runWebAPI() },
	"within": func(i *Isolate, _ string, _ []*v8.Value) error { return i.work() },
	"hook":   func(i *Isolate, text string, _ []*v8.Value) error { return i.takeHook(text) },
	"holder": func(_ *Isolate, text string, _ []*v8.Value) error {
		return orError(takeHolder(text), "native: no holder")
	},
	"warm": func(i *Isolate, text string, _ []*v8.Value) error {
		return orError(!warmSupported() || takeWarm(text, i.hook, i.heapLimit), "native: no functions for the warm path")
	},
	"continuation": func(_ *Isolate, text string, _ []*v8.Value) error {
		return orError(giveContinuation(text), "native: V8 keeps nothing for the reactions of promises")
	},
	"lazy": func(_ *Isolate, text string, _ []*v8.Value) error {
		if err := orError(lazyGlobals(text), "native: the globals cannot be defined"); err != nil {
			return err
		}
		return orError(probeSlots(), "native: a context does not keep its embedder data")
	},
}

// questions are the ops with a reply that need the isolate.
var questions = map[string]func(i *Isolate, text string) (*v8.Value, error){
	"hostCall":   func(i *Isolate, text string) (*v8.Value, error) { return i.answer("", nil, i.hostCall(text, false)) },
	"hostUpload": func(i *Isolate, text string) (*v8.Value, error) { return i.answer("", nil, i.hostCall(text, true)) },
	"place":      func(i *Isolate, text string) (*v8.Value, error) { return i.answer(i.places.op(text), nil, nil) },
	"usage": func(i *Isolate, _ string) (*v8.Value, error) {
		cpu, logBytes := i.host.Used()
		u := i.Usage()
		return i.answer(fmt.Sprintf("[%d,%d,%d]", cpu.Milliseconds(), u.Heap+u.Native, logBytes), nil, nil)
	},
	"text.decode": (*Isolate).decodeText,
	"crypto": func(i *Isolate, text string) (*v8.Value, error) {
		if i.runtime.crypto == nil {
			return i.answer("", nil, &webapi.OpError{Name: "NotSupportedError", Message: "no cryptography here"})
		}
		reply, bytes, err := i.runtime.crypto(text, i.bytes())
		return i.answer(reply, bytes, err)
	},
}

func orError(ok bool, otherwise string) error {
	if !ok {
		return errors.New(otherwise)
	}
	return nil
}

func (i *Isolate) log(text string) {
	if text != "" && !i.host.Log(int(text[0]-'0'), i.places.text(text[1:])) {
		i.control[ctlLogClosed] = 1
	}
}

// credit takes "number\nbytes".
func (i *Isolate) credit(text string) {
	a, b, _ := strings.Cut(text, "\n")
	call, err1 := strconv.ParseUint(a, 10, 32)
	n, err2 := strconv.ParseUint(b, 10, 32)
	if err1 == nil && err2 == nil {
		i.host.Credit(uint32(call), uint32(n))
	}
}

// takeHook makes the function that the global object has under name the promise hook.
func (i *Isolate) takeHook(name string) error {
	if i.collect {
		collectGarbage()
		i.collect, i.left = false, 0
	}
	hook := hookRejections(name, i.hook)
	if hook == nil {
		return errors.New("native: no promise hook")
	}
	i.hook = hook
	return nil
}

// maxChunk is wire.ChunkSize.
const maxChunk = 64 << 10

func (i *Isolate) chunks(b []byte) {
	for len(b) > 0 {
		n := min(len(b), maxChunk)
		i.host.Chunk(b[:n])
		b = b[n:]
	}
}

// bytes returns what boot.js put into the exchange buffer, nil for nothing.
func (i *Isolate) bytes() []byte {
	n := i.control[ctlBytes]
	if n < 0 || int(n) > len(i.exchange) {
		return nil
	}
	return i.exchange[:n:n]
}

// upload sends a part of a call's body: "number\nlast\nerror".
func (i *Isolate) upload(text string) {
	number, rest, _ := strings.Cut(text, "\n")
	last, message, _ := strings.Cut(rest, "\n")
	call, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return
	}
	if last == "1" {
		i.host.Upload(uint32(call), nil, true, message)
		return
	}
	for b := i.bytes(); len(b) > 0; {
		n := min(len(b), maxChunk)
		i.host.Upload(uint32(call), b[:n], false, "")
		b = b[n:]
	}
}

func (i *Isolate) hostCall(text string, streams bool) error {
	id, rest, ok := strings.Cut(text, "\n")
	if !ok {
		return errBadArguments
	}
	method, args, _ := strings.Cut(rest, "\n")
	call, err := strconv.ParseUint(id, 10, 32)
	if err != nil {
		return errBadArguments
	}
	return i.host.HostCall(uint32(call), method, args, i.bytes(), streams)
}

// answer gives a reply to JavaScript. An error becomes an exception that boot.js makes.
func (i *Isolate) answer(text string, bytes []byte, err error) (*v8.Value, error) {
	switch {
	case err != nil:
		i.control[ctlReplyKind] = replyError
		name, message := "Error", err.Error()
		var op *webapi.OpError
		if errors.As(err, &op) {
			name, message = op.Name, op.Message
		}
		b, err := json.Marshal(struct {
			Name    string `json:"name"`
			Message string `json:"message"`
		}{name, Bound(message, MaxMessage)})
		if err != nil {
			return nil, err
		}
		text = string(b)
	case bytes != nil:
		if err := i.put(bytes); err != nil {
			return nil, err
		}
		i.control[ctlReplyKind] = replyBytes
		return nil, nil
	case len(text) >= longText:
		return i.inHolder(holdText(unsafe.Slice(unsafe.StringData(text), len(text))))
	default:
		i.control[ctlReplyKind] = replyText
	}
	v, err := v8.NewValue(i.v8, text)
	if err != nil {
		return nil, err
	}
	i.held = append(i.held, v)
	return v, nil
}

// inHolder says that the holder has the reply's text.
func (i *Isolate) inHolder(ok bool) (*v8.Value, error) {
	if !ok {
		return i.answer("", nil, &webapi.OpError{Name: "RangeError", Message: "Invalid string length"})
	}
	i.control[ctlReplyKind] = replyHeld
	return nil, nil
}

// maxRandom is how much one op gives; getRandomValues allows 65536 bytes.
const maxRandom = 1 << 20

// op1 does the ops that need nothing of the isolate.
func op1(op, text string) (string, []byte, error) {
	switch op {
	case "random":
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > maxRandom {
			return "", nil, &webapi.OpError{Name: "RangeError", Message: "random: bad length"}
		}
		b := make([]byte, n)
		if _, err := rand.Read(b); err != nil {
			return "", nil, err
		}
		return "", b, nil
	case "url.toASCII":
		s, err := urlProfile.ToASCII(text)
		if err != nil {
			return "", nil, nil
		}
		return s, nil, nil
	default:
		return "", nil, &webapi.OpError{Name: "TypeError", Message: "no native op " + op}
	}
}

// urlProfile is the URL standard's domain to ASCII with beStrict false.
var urlProfile = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false), idna.CheckHyphens(false),
	idna.CheckJoiners(true), idna.BidiRule(), idna.VerifyDNSLength(false))
