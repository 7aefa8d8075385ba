package wire

import "math"

// Message is a frame's content. Append writes a whole frame; the matching Parse function reads its payload.
type Message interface {
	Append(b []byte) []byte
}

// Hello is the worker's first frame.
type Hello struct {
	Protocol uint32
	Build    string   // of the worker binary; must equal the node's
	V8       string   // version of V8
	Layers   []string // sandbox layers in force, "name=state"
	VMData   uint64   // bytes of VmData once V8 is up, the base of RLIMIT_DATA
}

// Append implements Message.
func (m *Hello) Append(b []byte) []byte {
	b, at := BeginFrame(b, KindHello)
	b = appendUint(b, uint64(m.Protocol))
	b = appendBytes(b, m.Build)
	b = appendBytes(b, m.V8)
	b = appendUint(b, uint64(len(m.Layers)))
	for _, l := range m.Layers {
		b = appendBytes(b, l)
	}
	b = appendUint(b, m.VMData)
	return EndFrame(b, at)
}

// ParseHello reads a Hello. At most 64 layers are accepted.
func ParseHello(p []byte) (m Hello, err error) {
	d := NewDecoder(p)
	m.Protocol = uint32(d.Uint(math.MaxUint32))
	m.Build = d.String()
	m.V8 = d.String()
	n := d.Uint(64)
	for range n {
		m.Layers = append(m.Layers, d.String())
	}
	m.VMData = d.Uint(math.MaxUint64)
	return m, d.Close()
}

// Lease gives the worker to a tenant, for life.
type Lease struct {
	TenantID   string
	TenantSlug string
	MaxMemory  uint64 // bytes; the largest max_memory_bytes that this worker may meet: the hard RLIMIT_DATA follows from it
	Env        []byte // JSON object of what all scripts have on env, name to string; empty: no members
}

// Append implements Message.
func (m *Lease) Append(b []byte) []byte {
	b, at := BeginFrame(b, KindLease)
	b = appendBytes(b, m.TenantID)
	b = appendBytes(b, m.TenantSlug)
	b = appendUint(b, m.MaxMemory)
	b = appendBytes(b, m.Env)
	return EndFrame(b, at)
}

// ParseLease reads a Lease.
func ParseLease(p []byte) (m Lease, err error) {
	d := NewDecoder(p)
	m.TenantID = d.String()
	m.TenantSlug = d.String()
	m.MaxMemory = d.Uint(math.MaxUint64)
	m.Env = d.Bytes()
	return m, d.Close()
}

// Load puts a script version into a slot. A slot that holds another version of the same script gets a new context; a slot is
// never given to another script without Drop. The worker answers Loaded.
type Load struct {
	Slot      uint32
	MaxMemory uint64 // bytes: max_memory_bytes of this script
	Name      string // of the script, for stack traces: "<name>.ts"
	Static    []byte // JSON object: the part of ctx that does not change between executions (see webapi's doc.go)
	Env       []byte // JSON object of what this script has on env beside the lease's; empty: no members
	Source    []byte // compiled, without NUL
	SourceMap string // of Source, as package sourcemap packs it; may be empty
	Cache     []byte // V8's code of Source, which a worker of the same script version has made; empty: none
	Produce   bool   // Loaded is to have it
}

// Append implements Message.
func (m *Load) Append(b []byte) []byte {
	b, at := BeginFrame(b, KindLoad)
	b = appendUint(b, uint64(m.Slot))
	b = appendUint(b, m.MaxMemory)
	b = appendBytes(b, m.Name)
	b = appendBytes(b, m.Static)
	b = appendBytes(b, m.Env)
	b = appendBytes(b, m.Source)
	b = appendBytes(b, m.SourceMap)
	b = appendBytes(b, m.Cache)
	b = appendBool(b, m.Produce)
	return EndFrame(b, at)
}

// ParseLoad reads a Load.
func ParseLoad(p []byte) (m Load, err error) {
	d := NewDecoder(p)
	m.Slot = uint32(d.Uint(math.MaxUint32))
	m.MaxMemory = d.Uint(math.MaxUint64)
	m.Name = d.String()
	m.Static = d.Bytes()
	m.Env = d.Bytes()
	m.Source = d.Bytes()
	m.SourceMap = d.String()
	m.Cache = d.Bytes()
	m.Produce = d.Bool()
	return m, d.Close()
}

// Loaded answers Load. Code is empty when the script is ready, else an error_code (boot_error, exceeded_memory, …).
type Loaded struct {
	Slot    uint32
	Code    string
	Message string
	Stack   string
	Cache   []byte // where Load.Produce asked for it, and V8 makes one
	Refused bool   // V8 did not take Load.Cache, which is of other flags or another version
}

// Append implements Message.
func (m *Loaded) Append(b []byte) []byte {
	b, at := BeginFrame(b, KindLoaded)
	b = appendUint(b, uint64(m.Slot))
	b = appendBytes(b, m.Code)
	b = appendBytes(b, m.Message)
	b = appendBytes(b, m.Stack)
	b = appendBytes(b, m.Cache)
	b = appendBool(b, m.Refused)
	return EndFrame(b, at)
}

// ParseLoaded reads a Loaded.
func ParseLoaded(p []byte) (m Loaded, err error) {
	d := NewDecoder(p)
	m.Slot = uint32(d.Uint(math.MaxUint32))
	m.Code = d.String()
	m.Message = d.String()
	m.Stack = d.String()
	m.Cache = d.Bytes()
	m.Refused = d.Bool()
	return m, d.Close()
}

// Drop disposes of a slot's isolate.
type Drop struct{ Slot uint32 }

// Append implements Message.
func (m *Drop) Append(b []byte) []byte {
	b, at := BeginFrame(b, KindDrop)
	b = appendUint(b, uint64(m.Slot))
	return EndFrame(b, at)
}

// ParseDrop reads a Drop.
func ParseDrop(p []byte) (m Drop, err error) {
	d := NewDecoder(p)
	m.Slot = uint32(d.Uint(math.MaxUint32))
	return m, d.Close()
}

// Handler says which of the script's handlers a Run calls.
type Handler uint8

// Handlers. Values are part of the protocol.
const (
	HandlerFetch Handler = iota + 1
	HandlerScheduled
	HandlerEvent
	HandlerRun
	HandlerLoad // none: the Run ends once the script is loaded, or asks the node for anything
)

// Run asks for one execution. Sequence numbers of a connection only grow.
type Run struct {
	Seq         uint32
	Slot        uint32
	Handler     Handler
	WallMillis  uint32 // max_execution_time_ms
	CPUMillis   uint32 // max_cpu_time_ms; 0 = no limit of its own
	OutputLimit uint32 // max_output_size_bytes
	LogLimit    uint32 // max_log_bytes
	Context     []byte // JSON object: the part of ctx that is this execution's own
	Head        []byte // fetch: see HeadFields; others: empty
	Body        []byte // fetch: the request's body; others: the input as JSON
	HasBody     bool   // fetch: false where the request has no body at all
}

// Append implements Message.
func (m *Run) Append(b []byte) []byte {
	b, at := BeginFrame(b, KindRun)
	b = appendUint(b, uint64(m.Seq))
	b = appendUint(b, uint64(m.Slot))
	b = appendUint(b, uint64(m.Handler))
	b = appendUint(b, uint64(m.WallMillis))
	b = appendUint(b, uint64(m.CPUMillis))
	b = appendUint(b, uint64(m.OutputLimit))
	b = appendUint(b, uint64(m.LogLimit))
	b = appendBool(b, m.HasBody)
	b = appendBytes(b, m.Context)
	b = appendBytes(b, m.Head)
	b = appendBytes(b, m.Body)
	return EndFrame(b, at)
}

// ParseRun reads a Run.
func ParseRun(p []byte) (m Run, err error) {
	d := NewDecoder(p)
	m.Seq = uint32(d.Uint(math.MaxUint32))
	m.Slot = uint32(d.Uint(math.MaxUint32))
	m.Handler = Handler(d.Uint(uint64(HandlerLoad)))
	m.WallMillis = uint32(d.Uint(math.MaxUint32))
	m.CPUMillis = uint32(d.Uint(math.MaxUint32))
	m.OutputLimit = uint32(d.Uint(math.MaxUint32))
	m.LogLimit = uint32(d.Uint(math.MaxUint32))
	m.HasBody = d.Bool()
	m.Context = d.Bytes()
	m.Head = d.Bytes()
	m.Body = d.Bytes()
	return m, d.Close()
}

// Result ends a Run. Code is empty for a completed one, else an error_code of package engine.
//
// For fetch, Status, Headers and Body are the response; where Streamed is set they were sent as Head and Chunk before.
// For the others Body is the output as JSON. Where an Answer came before, it was the answer, and these are empty.
type Result struct {
	Seq        uint32
	Code       string
	Message    string // at most 8 KiB
	Stack      string // at most 16 KiB, positions in the compiled source
	NoRetry    bool   // the script threw NonRetryableError
	Condemned  bool   // the isolate was terminated; the worker has dropped the slot (false: it may be used again)
	Exiting    bool   // the worker wants no further Run: the node replaces it
	Streamed   bool
	Cancelled  bool // its script was told of a Cancel, and had its grace, before it ended
	Status     uint32
	Headers    []byte // "name\nvalue\n…"
	Body       []byte
	WallMicros uint64
	CPUMicros  uint64
	PeakMemory uint64 // bytes
	LogBytes   uint64
}

// Append implements Message.
func (m *Result) Append(b []byte) []byte {
	b, at := BeginFrame(b, KindResult)
	b = appendUint(b, uint64(m.Seq))
	b = appendBytes(b, m.Code)
	b = appendBytes(b, m.Message)
	b = appendBytes(b, m.Stack)
	b = appendBool(b, m.NoRetry)
	b = appendBool(b, m.Condemned)
	b = appendBool(b, m.Exiting)
	b = appendBool(b, m.Streamed)
	b = appendBool(b, m.Cancelled)
	b = appendUint(b, uint64(m.Status))
	b = appendBytes(b, m.Headers)
	b = appendBytes(b, m.Body)
	b = appendUint(b, m.WallMicros)
	b = appendUint(b, m.CPUMicros)
	b = appendUint(b, m.PeakMemory)
	b = appendUint(b, m.LogBytes)
	return EndFrame(b, at)
}

// ParseResult reads a Result. Headers and Body share the payload's memory.
func ParseResult(p []byte) (m Result, err error) {
	d := NewDecoder(p)
	m.Seq = uint32(d.Uint(math.MaxUint32))
	m.Code = d.String()
	m.Message = d.String()
	m.Stack = d.String()
	m.NoRetry = d.Bool()
	m.Condemned = d.Bool()
	m.Exiting = d.Bool()
	m.Streamed = d.Bool()
	m.Cancelled = d.Bool()
	m.Status = uint32(d.Uint(math.MaxUint32))
	m.Headers = d.Bytes()
	m.Body = d.Bytes()
	m.WallMicros = d.Uint(math.MaxUint64)
	m.CPUMicros = d.Uint(math.MaxUint64)
	m.PeakMemory = d.Uint(math.MaxUint64)
	m.LogBytes = d.Uint(math.MaxUint64)
	return m, d.Close()
}

// Answer is what the handler of a Run gave or how it failed, sent before the Result because work of waitUntil goes on. Its fields are
// those of Result. A streamed response has none: its Chunk with Last is the end of the answer.
type Answer struct {
	Seq     uint32
	Code    string
	Message string
	Stack   string
	NoRetry bool
	Status  uint32
	Headers []byte
	Body    []byte
}

// Append implements Message.
func (m *Answer) Append(b []byte) []byte {
	b, at := BeginFrame(b, KindAnswer)
	b = appendUint(b, uint64(m.Seq))
	b = appendBytes(b, m.Code)
	b = appendBytes(b, m.Message)
	b = appendBytes(b, m.Stack)
	b = appendBool(b, m.NoRetry)
	b = appendUint(b, uint64(m.Status))
	b = appendBytes(b, m.Headers)
	b = appendBytes(b, m.Body)
	return EndFrame(b, at)
}

// ParseAnswer reads an Answer. Headers and Body share the payload's memory.
func ParseAnswer(p []byte) (m Answer, err error) {
	d := NewDecoder(p)
	m.Seq = uint32(d.Uint(math.MaxUint32))
	m.Code = d.String()
	m.Message = d.String()
	m.Stack = d.String()
	m.NoRetry = d.Bool()
	m.Status = uint32(d.Uint(math.MaxUint32))
	m.Headers = d.Bytes()
	m.Body = d.Bytes()
	return m, d.Close()
}

// CodeRecalled is the code of a Cancel that takes a Run back, to send it to another worker. It ends only a Run that was not
// begun.
const CodeRecalled = "recalled"

// MaxOpenCalls is how many HostCalls of one Run may be unanswered.
const MaxOpenCalls = 32

// Cancel asks the worker to end a Run: not to begin it, or to end it once its script had GraceMillis to clean up.
type Cancel struct {
	Seq         uint32
	Code        string // the error_code to report
	Reason      string // what the script's ctx.signal says
	GraceMillis uint32 // 0: the Run is terminated at once
	// Left says that the client has left. It does not end a Run as long as work of waitUntil is registered: the
	// worker says GoesOn then, and ends the Run by the same grace if its handler has still not settled when that work has.
	Left bool
}

// Append implements Message.
func (m *Cancel) Append(b []byte) []byte {
	b, at := BeginFrame(b, KindCancel)
	b = appendUint(b, uint64(m.Seq))
	b = appendBytes(b, m.Code)
	b = appendBytes(b, m.Reason)
	b = appendUint(b, uint64(m.GraceMillis))
	b = appendBool(b, m.Left)
	return EndFrame(b, at)
}

// ParseCancel reads a Cancel.
func ParseCancel(p []byte) (m Cancel, err error) {
	d := NewDecoder(p)
	m.Seq = uint32(d.Uint(math.MaxUint32))
	m.Code = d.String()
	m.Reason = d.String()
	m.GraceMillis = uint32(d.Uint(math.MaxUint32))
	m.Left = d.Bool()
	return m, d.Close()
}

// GoesOn answers a Cancel with Left: work of waitUntil is registered, and the Run goes on.
type GoesOn struct{ Seq uint32 }

// Append implements Message.
func (m *GoesOn) Append(b []byte) []byte {
	b, at := BeginFrame(b, KindGoesOn)
	b = appendUint(b, uint64(m.Seq))
	return EndFrame(b, at)
}

// ParseGoesOn reads a GoesOn.
func ParseGoesOn(p []byte) (m GoesOn, err error) {
	d := NewDecoder(p)
	m.Seq = uint32(d.Uint(math.MaxUint32))
	return m, d.Close()
}

// HostCall asks the node for something outside of the worker: "fetch", "kv.get", … Args is JSON, Body is raw bytes beside it.
// Call numbers are unique within a Run.
type HostCall struct {
	Seq    uint32
	Call   uint32
	Method string
	Args   []byte
	Body   []byte
	Stream bool // more of Body follows as Chunk with Stream = Call
}

// Append implements Message.
func (m *HostCall) Append(b []byte) []byte {
	b, at := BeginFrame(b, KindHostCall)
	b = appendUint(b, uint64(m.Seq))
	b = appendUint(b, uint64(m.Call))
	b = appendBytes(b, m.Method)
	b = appendBool(b, m.Stream)
	b = appendBytes(b, m.Args)
	b = appendBytes(b, m.Body)
	return EndFrame(b, at)
}

// ParseHostCall reads a HostCall.
func ParseHostCall(p []byte) (m HostCall, err error) {
	d := NewDecoder(p)
	m.Seq = uint32(d.Uint(math.MaxUint32))
	m.Call = uint32(d.Uint(math.MaxUint32))
	m.Method = d.String()
	m.Stream = d.Bool()
	m.Args = d.Bytes()
	m.Body = d.Bytes()
	return m, d.Close()
}

// HostCancel says that the script no longer waits for a HostCall (an aborted fetch).
type HostCancel struct {
	Seq  uint32
	Call uint32
}

// Append implements Message.
func (m *HostCancel) Append(b []byte) []byte {
	b, at := BeginFrame(b, KindHostCancel)
	b = appendUint(b, uint64(m.Seq))
	b = appendUint(b, uint64(m.Call))
	return EndFrame(b, at)
}

// ParseHostCancel reads a HostCancel.
func ParseHostCancel(p []byte) (m HostCancel, err error) {
	d := NewDecoder(p)
	m.Seq = uint32(d.Uint(math.MaxUint32))
	m.Call = uint32(d.Uint(math.MaxUint32))
	return m, d.Close()
}

// HostReply answers a HostCall. With OK, Payload is the JSON result; else a JSON object {name, message, …} to reject with.
type HostReply struct {
	Seq     uint32
	Call    uint32
	OK      bool
	Payload []byte
	Body    []byte
	Stream  bool // more of Body follows as Chunk with Stream = Call
}

// Append implements Message.
func (m *HostReply) Append(b []byte) []byte {
	b, at := BeginFrame(b, KindHostReply)
	b = appendUint(b, uint64(m.Seq))
	b = appendUint(b, uint64(m.Call))
	b = appendBool(b, m.OK)
	b = appendBool(b, m.Stream)
	b = appendBytes(b, m.Payload)
	b = appendBytes(b, m.Body)
	return EndFrame(b, at)
}

// ParseHostReply reads a HostReply.
func ParseHostReply(p []byte) (m HostReply, err error) {
	d := NewDecoder(p)
	m.Seq = uint32(d.Uint(math.MaxUint32))
	m.Call = uint32(d.Uint(math.MaxUint32))
	m.OK = d.Bool()
	m.Stream = d.Bool()
	m.Payload = d.Bytes()
	m.Body = d.Bytes()
	return m, d.Close()
}

// Level is a log line's severity.
type Level uint8

// Levels. Values are part of the protocol.
const (
	LevelDebug Level = iota
	LevelInfo
	LevelWarn
	LevelError
)

// Log is one line of the execution's log.
type Log struct {
	Seq     uint32
	Level   Level
	Micros  uint64 // since the execution began
	Message string // at most 8 KiB
}

// Append implements Message.
func (m *Log) Append(b []byte) []byte {
	b, at := BeginFrame(b, KindLog)
	b = appendUint(b, uint64(m.Seq))
	b = appendUint(b, uint64(m.Level))
	b = appendUint(b, m.Micros)
	b = appendBytes(b, m.Message)
	return EndFrame(b, at)
}

// ParseLog reads a Log.
func ParseLog(p []byte) (m Log, err error) {
	d := NewDecoder(p)
	m.Seq = uint32(d.Uint(math.MaxUint32))
	m.Level = Level(d.Uint(uint64(LevelError)))
	m.Micros = d.Uint(math.MaxUint64)
	m.Message = d.String()
	return m, d.Close()
}

// Head begins a streamed response: its body follows as Chunk with Stream 0. Its end is the Result, or a Chunk with Last where work of
// waitUntil goes on.
type Head struct {
	Seq     uint32
	Status  uint32
	Headers []byte // "name\nvalue\n…"
}

// Append implements Message.
func (m *Head) Append(b []byte) []byte {
	b, at := BeginFrame(b, KindHead)
	b = appendUint(b, uint64(m.Seq))
	b = appendUint(b, uint64(m.Status))
	b = appendBytes(b, m.Headers)
	return EndFrame(b, at)
}

// ParseHead reads a Head.
func ParseHead(p []byte) (m Head, err error) {
	d := NewDecoder(p)
	m.Seq = uint32(d.Uint(math.MaxUint32))
	m.Status = uint32(d.Uint(math.MaxUint32))
	m.Headers = d.Bytes()
	return m, d.Close()
}

// StreamWindow is how many bytes of a stream may be under way before the receiver's Credit.
const StreamWindow = 256 << 10

// ChunkSize is how much data a Chunk carries at most.
const ChunkSize = 64 << 10

// Chunk carries a part of a stream: Stream 0 is the response's body (worker to node), another number is the HostCall's.
// The sender keeps at most StreamWindow bytes uncredited.
type Chunk struct {
	Seq    uint32
	Stream uint32
	Last   bool
	Error  string // not empty: the stream broke, Last is set
	Data   []byte
}

// Append implements Message.
func (m *Chunk) Append(b []byte) []byte {
	b, at := BeginFrame(b, KindChunk)
	b = appendUint(b, uint64(m.Seq))
	b = appendUint(b, uint64(m.Stream))
	b = appendBool(b, m.Last)
	b = appendBytes(b, m.Error)
	b = appendBytes(b, m.Data)
	return EndFrame(b, at)
}

// ParseChunk reads a Chunk.
func ParseChunk(p []byte) (m Chunk, err error) {
	d := NewDecoder(p)
	m.Seq = uint32(d.Uint(math.MaxUint32))
	m.Stream = uint32(d.Uint(math.MaxUint32))
	m.Last = d.Bool()
	m.Error = d.String()
	m.Data = d.Bytes()
	return m, d.Close()
}

// Credit tells the sender of a stream that the receiver has taken so many bytes.
type Credit struct {
	Seq    uint32
	Stream uint32
	Bytes  uint32
}

// Append implements Message.
func (m *Credit) Append(b []byte) []byte {
	b, at := BeginFrame(b, KindCredit)
	b = appendUint(b, uint64(m.Seq))
	b = appendUint(b, uint64(m.Stream))
	b = appendUint(b, uint64(m.Bytes))
	return EndFrame(b, at)
}

// ParseCredit reads a Credit.
func ParseCredit(p []byte) (m Credit, err error) {
	d := NewDecoder(p)
	m.Seq = uint32(d.Uint(math.MaxUint32))
	m.Stream = uint32(d.Uint(math.MaxUint32))
	m.Bytes = uint32(d.Uint(math.MaxUint32))
	return m, d.Close()
}

// HeadFields is the order of the newline-separated strings of Run.Head: method, url, params as JSON, then header names
// (lower case) and values in turn. None of them can contain a newline: net/http refuses it in a request's head.
const HeadFields = "method\nurl\nparams\n(name\nvalue\n)*"

// Exit statuses of a worker that ended by itself. Any other status, and any signal that the node did not send, is a crash too;
// SIGSYS is a forbidden system call.
const (
	ExitLeft   = 0  // fd 3 was closed by the node
	ExitError  = 1  // the worker could not start or talk; stderr says why
	ExitMemory = 87 // V8 or the kernel refused memory: the execution that ran exceeded its limit
	ExitCrash  = 88 // a fatal signal in native code that memory does not explain
)
