package sinks

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReaderGone: once the reader of standard output has gone, events are lost and
// counted, and nothing waits for it. So is it with a path that leads there.
func TestReaderGone(t *testing.T) {
	for _, lent := range []bool{false, true} {
		r, w, err := os.Pipe()
		must(t, err)
		defer w.Close()
		path, o := "-", FileOptions{Stdout: w, MaxWaiting: 32}
		if lent {
			path = filepath.Join(t.TempDir(), "link")
			must(t, os.Symlink(fmt.Sprintf("/proc/self/fd/%d", w.Fd()), path))
		}
		f := open(t, path, o)
		must(t, f.Event([]byte("event 1")))
		must(t, f.Flush())
		if f.Unread() {
			t.Error("unread while there is a reader")
		}
		must(t, r.Close())
		for range 10 {
			must(t, f.Event([]byte("event 2")))
			must(t, f.Flush())
		}
		if got := f.Stats(); !f.Unread() || got.Lost != 10 || got.Errors != 1 {
			t.Errorf("unread %v, %+v", f.Unread(), got)
		}
		if err := f.Close(); !errors.Is(err, ErrNoReader) || !strings.HasSuffix(err.Error(), "lost: 10") {
			t.Errorf("Close: %v", err)
		}
	}
}
