package isolate

import (
	"errors"
	"unsafe"
)

// Warm is what package warm runs an isolate with. It is valid until the next Load, and until Close.
type Warm struct {
	Isolate     unsafe.Pointer // what the calls of WarmCalls are given
	Control     *int32         // the control block
	Short       *byte          // short results
	ShortLength int
	Said        *byte // records of what the script says
	SaidLength  int
}

// Warm returns what package warm runs the isolate with. It must not be asked before a script is loaded. From then on host calls and log lines
// may be records beside the control block, which package warm reads, instead of calls of Host.
func (i *Isolate) Warm() Warm {
	i.control[ctlSays] = 1
	return Warm{
		Isolate: i.hook, Control: &i.control[0], Short: &i.short[0], ShortLength: len(i.short), Said: &i.said[0], SaidLength: len(i.said),
	}
}

// Began is Begin for an execution that package warm has begun: it says how the call ended, and follows it up.
func (i *Isolate) Began(threw, terminated bool) error {
	err := i.Pumped(threw, terminated)
	if err != nil {
		i.control[ctlState] = stateRunning
	}
	return i.drain(err)
}

// Pumped is Pump for what package warm has pumped.
func (i *Isolate) Pumped(threw, terminated bool) error {
	i.releaseHeld()
	switch {
	case terminated:
		return errTerminated
	case threw:
		return errors.New(warmMessage(i.hook))
	}
	return nil
}

// checkWarm shows that the warm path reads V8's statistics as the binding does.
func (i *Isolate) checkWarm() error {
	if !warmSupported() {
		return nil
	}
	used, limit := warmUsage(i.hook)
	hs := i.v8.GetHeapStatistics()
	if used != hs.UsedHeapSize+hs.ExternalMemory+hs.MallocedMemory || limit != hs.HeapSizeLimit {
		return errors.New("V8's statistics of the heap are not laid out as this build assumes")
	}
	return nil
}
