package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"wormscope/internal/plural"
)

// A progress shows on a terminal how much has been read. On anything else it
// shows nothing.
type progress struct {
	bar  *progressbar.ProgressBar
	next time.Time
}

// redrawEvery is how often a progress bar is drawn.
const redrawEvery = 100 * time.Millisecond

// newProgress makes a progress over size bytes. A size of 0 is one that is not known:
// then it shows nothing either.
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

// A waiting shows on a terminal how many events wait for the sinks.
type waiting struct {
	to    io.Writer // nil where it is not a terminal
	shown bool
}

func newWaiting(w io.Writer) *waiting {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &waiting{to: w}
	}
	return &waiting{}
}

// show says how many there are now.
func (p *waiting) show(events int) {
	if p.to != nil {
		p.shown = true
		_, _ = fmt.Fprintf(p.to, "\r%s to be delivered   ", plural.Count(events, "event waits", "events wait")) // as of a bar
	}
}

// close takes the line away.
func (p *waiting) close() {
	if p.shown {
		_, _ = io.WriteString(p.to, "\r\x1b[K")
	}
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
