package isolate

import (
	"errors"
	"fmt"
	"runtime"

	v8 "rogchap.com/v8go"
)

// What the hook assumes of V8, and how Check finds out. An assumption that does not hold stops the worker before it has any tenant's code.
//
//	flags                    setFlags: V8 says which it does not know; Check: eval is refused, jitless has no WebAssembly
//	a context's embedder data    probeSlots, in every context
//	a getter's arguments     the isolate is where the layout says, on every call; Check: a lazy global has its value
//	the promise hook         Check: a rejection is seen, and its handler
//	malloc and operator new  probeAllocator
//	V8's statistics of the heap    Check: the warm path reads what the binding reads
//	the compiler's arguments, external strings    useLayout: in the one version of V8 whose headers were read; in others the binding compiles
//	a function that opens a handle scope    WarmCalls: without it there is no warm path
//	the value that reactions of promises keep    its functions are there, in every context; that they work: CheckDeep
//	the heap limit, the message loop     CheckDeep

// Check shows that V8 is as the hook assumes. i has no script yet.
func (r *Runtime) Check(i *Isolate) error {
	ok, err := i.test(`(() => { try { new Function("") } catch (e) { return e instanceof EvalError } return false })()`)
	if err != nil {
		return err
	}
	if !ok {
		return errors.New("V8 ignored --disallow-code-generation-from-strings")
	}
	if r.jit == JITOff && i.control[ctlNoWasm] == 0 { // V8 may be built without WebAssembly: its absence shows nothing
		return errors.New("V8 ignored --jitless")
	}
	if ok, err = i.test(`typeof URL === "function" && URL.name === "URL" && new URL("http://a.test/b").pathname === "/b"`); err != nil {
		return err
	}
	if !ok {
		return errors.New("a lazy property does not have the value that its getter returned")
	}
	if ok, err = i.test(`(() => { const s = "aé".repeat(500); return atob(btoa(s)) === s && new TextDecoder().decode(new TextEncoder().encode(s)) === s })()`); err != nil {
		return err
	}
	if !ok {
		return errors.New("a getter of the web API's texts does not give what it should")
	}
	if _, err = i.test(`globalThis.probe = Promise.reject(0); false`); err != nil {
		return err
	}
	seen := i.control[ctlRejections]
	if _, err = i.test(`globalThis.probe.catch(() => {}); delete globalThis.probe`); err != nil {
		return err
	}
	if seen != 1 || i.control[ctlRejections] != 0 {
		return fmt.Errorf("the promise hook saw %d rejections of 1, and %d after it was handled", seen, i.control[ctlRejections])
	}
	if err := i.checkWarm(); err != nil {
		return err
	}
	return probeAllocator()
}

// test runs a source of our own and says what came of it.
func (i *Isolate) test(source string) (bool, error) {
	v, err := i.ctx.RunScript(source, "check.js")
	i.releaseHeld()
	if err != nil {
		return false, fmt.Errorf("check: %w", err)
	}
	defer v.Release()
	return v.Boolean(), nil
}

// checkHeap is the limit of the isolate in which CheckDeep reaches it.
const checkHeap = 16 << 20

// CheckDeep shows what takes some 30 ms to show: that the heap limit ends what runs and is told from any other end, that a promise's
// reaction sees the asynchronous context of its then, and that V8's message loop brings FinalizationRegistry's callbacks. The program's own check runs it (see package worker), not each worker.
func (r *Runtime) CheckDeep(host Host) error {
	i, err := r.New(checkHeap, host)
	if err != nil {
		return err
	}
	defer i.Close()
	if i.HeapExceeded() {
		return errors.New("a new isolate's heap limit counts as reached")
	}
	if _, err := i.test(`globalThis.probe = 0; globalThis.registry = new FinalizationRegistry((v) => { probe += v });
		(() => { for (let n = 0; n < 10; n++) registry.register({}, 1) })(); true`); err != nil {
		return err
	}
	if _, err := i.test(`globalThis.stores = new AsyncLocalStorage(); stores.run(1, () => Promise.resolve().then(() => { globalThis.kept = stores.getStore() })); true`); err != nil {
		return err
	}
	if ok, err := i.test(`kept === 1 && stores.getStore() === undefined`); err != nil || !ok {
		return errors.Join(errors.New("V8 keeps no asynchronous context for a promise's reaction"), err)
	}
	i.Relieve()
	for range 10 {
		if err := i.Pump(true); err != nil {
			return err
		}
	}
	if ok, err := i.test(`probe > 0`); err != nil || !ok {
		return errors.Join(errors.New("V8's message loop brings no callback of a FinalizationRegistry"), err)
	}
	_, err = i.test(`const hog = []; for (;;) hog.push(new Array(1000).fill(hog.length + 0.5))`)
	if err == nil {
		return fmt.Errorf("the heap limit of %d bytes ended nothing", checkHeap)
	}
	if !i.HeapExceeded() {
		return fmt.Errorf("the heap limit of %d bytes was reached and not noticed: %w", checkHeap, err)
	}
	var js *v8.JSError
	if !errors.As(err, &js) {
		return fmt.Errorf("the heap limit ended with %w", err)
	}
	return nil
}

// Versions of what is linked.
type Versions struct {
	V8     string `json:"v8"`
	ICU    string `json:"icu"`
	TZData string `json:"tzdata"` // of ICU's own copy of the time zone database
}

// AllVersions asks V8 and ICU.
func AllVersions() Versions {
	icu, zones := icuVersions()
	return Versions{V8: Version(), ICU: icu, TZData: zones}
}

// UnknownZones returns those of the time zones' names that Intl refuses.
func (r *Runtime) UnknownZones(host Host, names []string) ([]string, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	i, err := r.New(64<<20, host)
	if err != nil {
		return nil, err
	}
	defer i.Close()
	var unknown []string
	for _, name := range names {
		ok, err := i.test(fmt.Sprintf(`(() => { try { new Intl.DateTimeFormat("en", {timeZone: %q}); return true } catch { return false } })()`, name))
		if err != nil {
			return nil, err
		}
		if !ok {
			unknown = append(unknown, name)
		}
	}
	return unknown, nil
}
