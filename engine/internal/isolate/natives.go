package isolate

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unsafe"

	"github.com/google/uuid"
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
	i.releaseHeld()
	args := info.Args()
	if len(args) < 2 || !args[0].IsString() || !args[1].IsString() {
		return nil, errors.New("native: bad arguments")
	}
	op, text := args[0].String(), args[1].String()
	switch op { // those without a reply
	case "log":
		if text != "" && !i.host.Log(int(text[0]-'0'), i.places.text(text[1:])) {
			i.control[ctlLogClosed] = 1
		}
		return nil, nil
	case "hostCall":
		return i.answer("", nil, i.hostCall(text, false))
	case "hostUpload":
		return i.answer("", nil, i.hostCall(text, true))
	case "upload":
		i.upload(text)
		return nil, nil
	case "hostCancel":
		if call, err := strconv.ParseUint(text, 10, 32); err == nil {
			i.host.HostCancel(uint32(call))
		}
		return nil, nil
	case "credit":
		a, b, _ := strings.Cut(text, "\n")
		call, err1 := strconv.ParseUint(a, 10, 32)
		n, err2 := strconv.ParseUint(b, 10, 32)
		if err1 == nil && err2 == nil {
			i.host.Credit(uint32(call), uint32(n))
		}
		return nil, nil
	case "head":
		i.host.Head(uint32(i.control[ctlStatus]), text)
		return nil, nil
	case "last":
		i.host.Last(text)
		return nil, nil
	case "answer":
		var o Outcome
		i.outcome(&o, i.control[ctlResult], text)
		i.host.Answer(&o)
		return nil, nil
	case "chunk":
		i.chunks(i.bytes())
		return nil, nil
	case "exchange":
		if len(args) < 3 || !args[2].IsSharedArrayBuffer() {
			return nil, errors.New("native: bad arguments")
		}
		return nil, i.setExchange(args[2])
	case "hook":
		if i.collect {
			collectGarbage()
			i.collect, i.left = false, 0
		}
		hook := hookRejections(text, i.hook)
		if hook == nil {
			return nil, errors.New("native: no promise hook")
		}
		i.hook = hook
		return nil, nil
	case "holder":
		if !takeHolder(text) {
			return nil, errors.New("native: no holder")
		}
		return nil, nil
	case "place":
		return i.answer(i.places.op(text), nil, nil)
	case "usage":
		cpu, logBytes := i.host.Used()
		u := i.Usage()
		return i.answer(fmt.Sprintf("[%d,%d,%d]", cpu.Milliseconds(), u.Heap+u.Native, logBytes), nil, nil)
	case "continuation":
		if !giveContinuation(text) {
			return nil, errors.New("native: V8 keeps nothing for the reactions of promises")
		}
		return nil, nil
	case "text.decode":
		return i.decodeText(text)
	case "lazy":
		if !lazyGlobals(text) {
			return nil, errors.New("native: the globals cannot be defined")
		}
		if !probeSlots() {
			return nil, errors.New("native: a context does not keep its embedder data")
		}
		return nil, nil
	}
	if op == "crypto" {
		if i.runtime.crypto == nil {
			return i.answer("", nil, &webapi.OpError{Name: "NotSupportedError", Message: "no cryptography here"})
		}
		reply, bytes, err := i.runtime.crypto(text, i.bytes())
		return i.answer(reply, bytes, err)
	}
	if what, ok := strings.CutPrefix(op, "codec."); ok {
		reply, bytes, err := i.codec(what, text)
		return i.answer(reply, bytes, err)
	}
	reply, bytes, err := op1(op, text)
	return i.answer(reply, bytes, err)
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
		return errors.New("native: bad arguments")
	}
	method, args, _ := strings.Cut(rest, "\n")
	call, err := strconv.ParseUint(id, 10, 32)
	if err != nil {
		return errors.New("native: bad arguments")
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
	case "uuid":
		id, err := uuid.NewRandom()
		if err != nil {
			return "", nil, err
		}
		return id.String(), nil, nil
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
