package worker

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"example.com/jsruntime/engine/internal/isolate"
	"example.com/jsruntime/engine/internal/wire"
)

// maxZones bounds what describe reads: the names of all time zones are 9 KiB.
const maxZones = 1 << 20

// describe writes the worker's wire.Description. No tenant's code runs in such a process.
func describe(o options, stdin io.Reader, stdout io.Writer) error {
	rt, err := isolate.New(isolate.Config{JIT: o.jit})
	if err != nil {
		return err
	}
	var host silent
	i, err := rt.New(spareHeap, host)
	if err != nil {
		return err
	}
	defer i.Close()
	if err := rt.Check(i); err != nil {
		return err
	}
	if err := rt.CheckDeep(host); err != nil {
		return err
	}
	names, err := io.ReadAll(io.LimitReader(stdin, maxZones))
	if err != nil {
		return fmt.Errorf("read time zones: %w", err)
	}
	unknown, err := rt.UnknownZones(host, strings.Fields(string(names)))
	if err != nil {
		return err
	}
	v := isolate.AllVersions()
	return json.NewEncoder(stdout).Encode(wire.Description{
		Protocol: wire.Protocol, Build: wire.Build(), V8: v.V8, ICU: v.ICU, TZData: v.TZData, JIT: string(o.jit), UnknownZones: unknown,
	})
}

// silent is an isolate.Host that nothing reaches.
type silent struct{}

func (silent) HostCall(uint32, string, string, []byte, bool) error { return nil }
func (silent) Entered()                                            {}
func (silent) HostCancel(uint32)                                   {}
func (silent) Upload(uint32, []byte, bool, string)                 {}
func (silent) Credit(uint32, uint32)                               {}
func (silent) Head(uint32, string)                                 {}
func (silent) Chunk([]byte)                                        {}
func (silent) Last(string)                                         {}
func (silent) Answer(*isolate.Outcome)                             {}
func (silent) Used() (time.Duration, uint64)                       { return 0, 0 }
func (silent) Log(int, string) bool                                { return false }
