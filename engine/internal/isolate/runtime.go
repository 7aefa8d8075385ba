package isolate

import (
	"cmp"
	"errors"
	"time"
	"unsafe"

	v8 "rogchap.com/v8go"

	"example.com/jsruntime/engine/internal/webapi"
)

// Config of a Runtime.
type Config struct {
	// JIT is how far V8 compiles; empty is JITFull.
	JIT JIT
	// Image is what Runtime.Image made in another process of the same build; nil: the text of the web API is put together and compiled here. It
	// is memory that stays mapped and unchanged for as long as the process lives. One of another build counts as none.
	Image []byte
	// Crypto does the crypto op (see package webapi); nil refuses it.
	Crypto func(text string, data []byte) (reply string, bytes []byte, err error)
}

// Runtime is what all isolates of the process share.
type Runtime struct {
	source []byte         // the web API's text
	text   unsafe.Pointer // source for V8, where V8 compiles as we ask it to; else nil, and the binding compiles
	cache  []byte         // V8's code of it; nil until the first isolate was made
	made   bool           // an isolate was made
	jit    JIT
	crypto func(text string, data []byte) (reply string, bytes []byte, err error)

	compressors, decompressors int // that are open
}

// Version returns V8's version.
func Version() string { return v8.Version() }

// New sets V8's flags and reads the web API's files. V8's flags are the process's: call it once.
func New(cfg Config) (*Runtime, error) {
	jit := cmp.Or(cfg.JIT, JITFull)
	flags, err := jit.flags()
	if err != nil {
		return nil, err
	}
	if err := useLayout(Version()); err != nil {
		return nil, err
	}
	flags = append(flags,
		"--disallow-code-generation-from-strings",
		// A stack that overflows leaves no room to find out later where it was: errors would name no place.
		"--no-enable-lazy-source-positions",
		// No helper threads: one tenant's garbage collection then costs that tenant's worker, and is counted as its CPU time.
		"--single-threaded",
	)
	if err := setFlags(flags...); err != nil {
		return nil, err
	}
	seedFromKernel()
	r := &Runtime{jit: jit, crypto: cfg.Crypto}
	if cfg.Image != nil && compiles() {
		if err := r.useImage(cfg.Image); err != nil {
			return nil, err
		}
	}
	mapped := r.source != nil
	if !mapped {
		source, err := webapi.Source()
		if err != nil {
			return nil, err
		}
		r.source = []byte(source)
	}
	if compiles() {
		r.text = newText(r.source, mapped)
	}
	return r, nil
}

// errTerminated is what a call returns that Terminate or the heap limit ended.
var errTerminated = errors.New("terminated")

// Host is where an isolate's calls to the outside go. The methods are called on the isolate's thread, in the middle of the script's
// run. Bytes are valid during the call only.
type Host interface {
	// Entered is called first whenever JavaScript calls Go.
	Entered()
	// HostCall begins a call. Where streams is set, what follows body comes by Upload.
	HostCall(call uint32, method string, args string, body []byte, streams bool) error
	HostCancel(call uint32)
	// Upload goes on with a call's body. message, with last, says that it broke.
	Upload(call uint32, data []byte, last bool, message string)
	Credit(call uint32, n uint32)
	// Head begins a streamed response, Chunk goes on with it. Last ends it, broken where message says so, if the execution goes on.
	Head(status uint32, headers string)
	Chunk(data []byte)
	Last(message string)
	// Answer is what the handler gave, or how it failed, while the execution goes on. It is valid during the call.
	Answer(o *Outcome)
	// Log takes a line and reports whether more may follow.
	Log(level int, text string) bool
	// Used is what the execution has used so far: CPU time, and bytes of its log.
	Used() (cpu time.Duration, logBytes uint64)
}

// New makes an isolate with a context in it, ready for Load. maxHeap is the limit of V8's heap in bytes.
func (r *Runtime) New(maxHeap uint64, host Host) (*Isolate, error) {
	i := &Isolate{runtime: r, host: host, MaxHeap: maxHeap}
	i.v8 = v8.NewIsolate(v8.WithResourceConstraints(0, maxHeap))
	i.heapLimit = i.v8.GetHeapStatistics().HeapSizeLimit
	i.native = v8.NewFunctionTemplateWithError(i.v8, i.callback)
	if r.text == nil {
		if err := i.compileByBinding(); err != nil {
			i.v8.Dispose()
			return nil, err
		}
	}
	if err := i.newContext(); err != nil {
		i.Close()
		return nil, err
	}
	if r.cache == nil {
		if err := i.warm(); err != nil {
			i.Close()
			return nil, err
		}
		// Made now, the cache holds the functions that a context and a first execution need.
		if err := i.save(); err != nil {
			i.Close()
			return nil, err
		}
	}
	if !r.made {
		if _, err := i.call(fnPrepare); err != nil {
			i.Close()
			return nil, err
		}
	}
	r.made = true
	return i, nil
}
