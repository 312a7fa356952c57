package report_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"wormscope/internal/needs"
	"wormscope/scope"
)

// A browser is a headless Chromium that notes whatever goes wrong in it.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	faults   []string // errors on the console, exceptions, violations of the policy
	requests []string // addresses that were asked for
}

// patience is how long a browser may take to start, or for anything else, on a busy
// machine.
const patience = 2 * time.Minute

// openBrowser starts Chromium.
func openBrowser(t *testing.T) *browser {
	t.Helper()
	path := needs.Tools(t, "chromium")
	// The test's own context ends before its clean-up, and a browser that is closed
	// after that is not waited for.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 3*patience)
	t.Cleanup(cancel)
	alloc, cancel := chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:len(chromedp.DefaultExecAllocatorOptions):len(chromedp.DefaultExecAllocatorOptions)],
		chromedp.ExecPath(path),
		chromedp.WSURLReadTimeout(patience),
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		// Whatever the page, or the browser, would like to load: no name resolves.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND"),
	)...)
	t.Cleanup(cancel)
	tab, _ := chromedp.NewContext(alloc)
	b := &browser{t: t, ctx: tab}
	if err := chromedp.Listen(tab, b.note); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = chromedp.Cancel(tab) }) // waits until it is gone, and its folder, which its children may still write to
	call(b, network.Enable, network.EnableParams{})
	b.screen(1280, 900)
	return b
}

// note keeps what must not happen, and what was asked for.
func (b *browser) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.faults = append(b.faults, "exception: "+e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		b.faults = append(b.faults, fmt.Sprintf("console.%s", e.Type))
	case *cdplog.EventEntryAdded:
		b.faults = append(b.faults, e.Entry.Text)
	case *page.EventJavascriptDialogOpening:
		b.faults = append(b.faults, "dialog: "+e.Message)
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	}
}

// call sends a command of the DevTools protocol.
func call[P, R any](b *browser, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	r, err := chromedp.Call(b.ctx, command, params)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// eval returns the value of an expression in the page.
func eval[T any](b *browser, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// do runs actions.
func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// js runs a script in the page.
func (b *browser) js(script string) {
	b.t.Helper()
	eval[chromedp.Void](b, "{"+script+"}")
}

// until waits until an expression is true.
func (b *browser) until(expression string) {
	b.t.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(patience))); err != nil {
		b.t.Fatalf("never: %s: %v", expression, err)
	}
}

// screen sets the size of the window; a narrow one is a phone's.
func (b *browser) screen(width, height int64) {
	b.t.Helper()
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500,
	})
}

// open writes a report into a folder, opens it and returns its address.
func (b *browser) open(doc *scope.Document, fragment string) string {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), "report.html")
	if err := os.WriteFile(path, []byte(render(b.t, doc)), 0o600); err != nil {
		b.t.Fatal(err)
	}
	address := (&url.URL{Scheme: "file", Path: path, Fragment: fragment}).String()
	b.do(chromedp.Navigate(address))
	return address
}

// clean checks that nothing went wrong and nothing but the file was loaded.
func (b *browser) clean(address string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.faults {
		b.t.Errorf("fault in the page: %s", f)
	}
	file, _, _ := strings.Cut(address, "#")
	for _, r := range b.requests {
		if got, _, _ := strings.Cut(r, "#"); got != file && r != "data:," {
			b.t.Errorf("the page asked for %s", r)
		}
	}
	if len(b.requests) == 0 {
		b.t.Error("no request was seen, not even for the page: the test is blind")
	}
}

// shot takes a picture of the page, from a height down.
func (b *browser) shot(top, width, height float64) []byte {
	b.t.Helper()
	yes := true
	return call(b, page.CaptureScreenshot, page.CaptureScreenshotParams{
		CaptureBeyondViewport: &yes,
		Clip:                  &page.Viewport{Y: top, Width: width, Height: height, Scale: 1},
	}).Data
}
