// Package browsertest gives tests a real browser: what a page may do is decided there, and not by the headers that we read.
//
//	browser := browsertest.Start(t)        // one Chromium process
//	visitor := browser.Visitor(t)          // cookies and storage of its own, one tab
//	visitor.Go("http://acme.localhost:" + port + "/")
//	text := browsertest.Eval[string](visitor, "document.body.innerText")
//
// Every host name leads to 127.0.0.1, so that a test may use any name, and nothing leaves the machine.
package browsertest

import (
	"context"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// patience bounds one step in the browser. It is generous: it is for tests that would hang otherwise.
const patience = 2 * time.Minute

// Browser is a running Chromium.
type Browser struct {
	ctx context.Context
}

// find returns the path of a Chromium, "" where there is none.
var find = sync.OnceValue(func() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "headless_shell"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
})

// Start starts a browser that ends with the test. Where the machine has none, the test is skipped.
func Start(t testing.TB) *Browser {
	t.Helper()
	path := find()
	if path == "" {
		t.Skip("no Chromium on this machine")
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.Flag("headless", "new"), chromedp.WindowSize(1280, 900), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("host-resolver-rules", "MAP * 127.0.0.1"), chromedp.Flag("no-proxy-server", true),
		chromedp.Flag("disable-component-update", true), chromedp.WSURLReadTimeout(patience))...)
	ctx, cancel := chromedp.NewContext(allocator, chromedp.WithLogf(t.Logf), chromedp.WithErrorf(func(string, ...any) {}))
	t.Cleanup(func() {
		cancel() // waits for the process
		stop()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("starting %s: %v", path, err)
	}
	return &Browser{ctx: ctx}
}

// Visitor is a person before the browser: one tab, and cookies, storage and cache that no other Visitor sees.
type Visitor struct {
	// Context is the tab's, for chromedp.Run and chromedp.Do.
	Context context.Context
	t       testing.TB
}

// Visitor opens a tab.
func (b *Browser) Visitor(t testing.TB) *Visitor {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("opening a tab: %v", err)
	}
	return &Visitor{Context: ctx, t: t}
}

// Do runs steps in the tab, and fails the test where one fails.
func (v *Visitor) Do(steps ...chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	if err := v.Try(steps...); err != nil {
		v.t.Fatalf("in the browser: %v", err)
	}
}

// Try runs steps in the tab.
func (v *Visitor) Try(steps ...chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(v.Context, patience)
	defer cancel()
	return chromedp.Do(ctx, steps...)
}

// Go navigates the tab and waits until the page has loaded.
func (v *Visitor) Go(url string) {
	v.t.Helper()
	v.Do(chromedp.Navigate(url))
}

// Eval evaluates an expression in the page, waits for its promise, and returns its value, which JSON must be able to hold.
func Eval[T any](v *Visitor, expression string) T {
	v.t.Helper()
	value, err := TryEval[T](v, expression)
	if err != nil {
		v.t.Fatalf("in the browser: %v: %v", expression, err)
	}
	return value
}

// TryEval is Eval for a page that may leave meanwhile.
func TryEval[T any](v *Visitor, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(v.Context, patience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}
