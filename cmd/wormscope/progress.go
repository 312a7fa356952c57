package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// A progress shows on a terminal how much has been read. On anything else it
// shows nothing.
type progress struct {
	bar  *progressbar.ProgressBar
	next time.Time
}

// redrawEvery is how often a progress bar is drawn.
const redrawEvery = 100 * time.Millisecond

// newProgress makes a progress over size bytes; a size that is not known is -1.
func newProgress(w io.Writer, size int64) *progress {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return &progress{}
	}
	return &progress{bar: progressbar.NewOptions64(size,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription("reading"),
		progressbar.OptionShowBytes(true),
		progressbar.OptionClearOnFinish(),
	)}
}

// show says how many bytes have been read.
func (p *progress) show(read int64) {
	if p.bar == nil {
		return
	}
	if now := time.Now(); now.After(p.next) {
		p.next = now.Add(redrawEvery)
		_ = p.bar.Set64(read) // a bar that can't be drawn is no reason to stop
	}
}

// close takes the bar away.
func (p *progress) close() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
